/* SPDX-License-Identifier: MIT */
/*
 * File attributes: the one form in which they are written, what differs from what, and that nothing but the
 * one form is read back.
 */
#include "core/attribute.h"

#include <check.h>
#include <errno.h>
#include <linux/fs.h>
#include <string.h>

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* One line of each type, with every field that the type can have. */
static const char *const whole_lines[FILE_TYPE_COUNT] = {
        [FILE_REGULAR] =
                " type=file mode=4755 uid=0 gid=4294967295 size=18446744073709551615 content=" HEX_A
                " xattr=" HEX_B ":security.capability xattr=" HEX_A ":user.a\\x20b flags=append,dirsync"
                " mtime=-1 ctime=1700000000000000000 inode=7 nlink=2",
        [FILE_FOLDER] = " type=dir mode=1777 uid=1 gid=2 xattr=" HEX_A
                        ":system.posix_acl_default flags=immutable mtime=0 ctime=0 inode=2 nlink=3",
        [FILE_LINK] = " type=link uid=0 gid=0 target=../a\\x0ab xattr=" HEX_A
                      ":security.selinux mtime=1 ctime=2 inode=3 nlink=1",
        [FILE_FIFO] =
                " type=fifo mode=0600 uid=0 gid=0 xattr=" HEX_A ":user.x mtime=1 ctime=2 inode=3 nlink=1",
        [FILE_SOCKET] = " type=socket mode=0777 uid=0 gid=0 mtime=1 ctime=2 inode=3 nlink=1",
        [FILE_CHAR] = " type=char mode=0620 uid=0 gid=5 rdev=136:0 mtime=1 ctime=2 inode=3 nlink=1",
        [FILE_BLOCK] =
                " type=block mode=0660 uid=0 gid=6 rdev=4294967295:1048575 mtime=1 ctime=2 inode=3 nlink=1",
};

static struct attributes
parsed(const char *text)
{
        struct attributes attributes = {0};
        struct err err = {0};
        int r = attributes_parse(text, strlen(text), &attributes, &err);
        ck_assert_msg(r == 0, "%s: %s", text, err.text);
        return attributes;
}

static void
assert_words(const struct err *err)
{
        ck_assert_uint_gt(strlen(err->text), 0);
        for (const char *p = err->text; *p; p++)
                ck_assert_msg(
                        *p >= 0x20 && *p < 0x7f, "byte %#x in the words of an error", (unsigned char)*p);
}

static uint32_t
difference(uint32_t mask, const char *left, const char *right)
{
        _cleanup_attributes_ struct attributes a = parsed(left), b = parsed(right);
        uint32_t differ = attributes_compare(mask, &a, &b);
        ck_assert_uint_eq(differ, attributes_compare(mask, &b, &a));
        return differ;
}

/* ---- the one form ---- */

START_TEST(every_type_is_read_and_written_back_the_same)
{
        const char *line = whole_lines[_i];
        _cleanup_attributes_ struct attributes attributes = parsed(line);
        _cleanup_buf_ struct buf again = {0};
        ck_assert_int_eq(attributes.type, _i);
        ck_assert_int_eq(attributes_append(ATTRIBUTES_ALL, &attributes, &again), 0);
        ck_assert_str_eq(again.data, line);
}
END_TEST

START_TEST(only_what_the_mask_names_is_written)
{
        _cleanup_attributes_ struct attributes attributes = parsed(whole_lines[FILE_REGULAR]);
        _cleanup_buf_ struct buf text = {0};
        uint32_t mask = ATTRIBUTE_BIT(ATTRIBUTE_TYPE) | ATTRIBUTE_BIT(ATTRIBUTE_UID) |
                        ATTRIBUTE_BIT(ATTRIBUTE_TARGET);
        ck_assert_int_eq(attributes_append(mask, &attributes, &text), 0);
        ck_assert_str_eq(text.data, " type=file uid=0");
}
END_TEST

START_TEST(only_what_is_known_is_written)
{
        struct attributes attributes = {
                .known = ATTRIBUTE_BIT(ATTRIBUTE_TYPE), .type = FILE_REGULAR, .mode = 0644};
        _cleanup_buf_ struct buf text = {0};
        ck_assert_int_eq(attributes_append(ATTRIBUTES_ALL, &attributes, &text), 0);
        ck_assert_str_eq(text.data, " type=file");
}
END_TEST

static const char *const refused[] = {
        "",                                               /* the type is needed */
        "type=file",                                      /* begins with the blank */
        " type=file ",                                    /* and does not end with one */
        " type=file  mode=0644",                          /* one blank */
        " type=file\tmode=0644",                          /* and no other white space */
        " type=File",                                     /* words are lower case */
        " type=files", " type=",                          /* nothing is no type */
        " type",                                          /* no value at all */
        " type=file type=file",                           /* once */
        " mode=0644 type=file",                           /* in the order of the table */
        " mode=0644",                                     /* without a type nothing has a meaning */
        " type=file colour=red",                          /* unknown */
        " type=file mode=644",                            /* four digits */
        " type=file mode=00644", " type=file mode=10000", /* at most 07777 */
        " type=file mode=0888",                           /* octal */
        " type=file mode=", " type=file uid=01",          /* no leading zero */
        " type=file uid=+1",                              /* no sign */
        " type=file uid=-1", " type=file uid=4294967296", /* past 32 bits */
        " type=file uid=0x1",                             /* decimal */
        " type=file size=18446744073709551616",           /* past 64 bits */
        " type=file size=", " type=file mtime=-0",        /* zero has no sign */
        " type=file mtime=9223372036854775808", " type=file mtime=--1",
        " type=file content=" HEX_A "a", /* 64 digits. NOLINT(bugprone-suspicious-missing-comma) */
        " type=file content=aaaa",
        " type=file content=Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        " type=file target=a",                               /* only links have one */
        " type=dir size=4096",                               /* only regular files */
        " type=link mode=0777",                              /* a link's mode says nothing */
        " type=link target=",                                /* a link leads somewhere */
        " type=link target=a\\x41",                          /* 0x41 stands as it is */
        " type=link target=a\\x0A",                          /* lower case */
        " type=link target=a\\", " type=link target=a\x01",  /* escaped */
        " type=link target=\xc3\xa9", " type=file rdev=1:2", /* only devices */
        " type=char rdev=1", " type=char rdev=1:", " type=char rdev=:1", " type=char rdev=1:02",
        " type=char rdev=1:2:3", " type=file xattr=" HEX_A,                               /* needs a name */
        " type=file xattr=" HEX_A ":", " type=file xattr=" HEX_A ":a\xff",                /* escaped */
        " type=file xattr=" HEX_A "=a", " type=file xattr=" HEX_A ":b xattr=" HEX_A ":a", /* sorted */
        " type=file xattr=" HEX_A ":a xattr=" HEX_B ":a",                                 /* each once */
        " type=file flags=", /* left out where there are none */
        " type=file flags=append,", " type=file flags=,append",
        " type=file flags=immutable,append",                             /* in the order of the table */
        " type=file flags=append,append", " type=file flags=compressed", /* belongs to one file system */
        " type=fifo flags=append",                                       /* only files and folders have any */
};

START_TEST(no_other_form_is_read)
{
        struct attributes attributes = {.known = 77};
        struct err err = {0};
        ck_assert_msg(attributes_parse(refused[_i], strlen(refused[_i]), &attributes, &err) == -EINVAL,
                "\"%s\" was read", refused[_i]);
        ck_assert_uint_eq(attributes.known, 77); /* untouched */
        assert_words(&err);
}
END_TEST

START_TEST(the_size_given_ends_the_text)
{
        struct attributes attributes = {0};
        static const char text[] = " type=file mode=0644 and more";
        ck_assert_int_eq(attributes_parse(text, strlen(" type=file mode=0644"), &attributes, NULL), 0);
        ck_assert_uint_eq(attributes.mode, 0644);
        attributes_done(&attributes);
}
END_TEST

START_TEST(words_about_hostile_text_are_printable)
{
        struct attributes attributes = {0};
        struct err err = {0};
        static const char text[] = " type=file \x1b[2J\x9b\nforged=1";
        ck_assert_int_eq(attributes_parse(text, sizeof text - 1, &attributes, &err), -EINVAL);
        assert_words(&err);
        uint32_t mask;
        ck_assert_int_eq(attribute_mask_parse("\x1b[2J\xff", &mask, &err), -EINVAL);
        assert_words(&err);
}
END_TEST

START_TEST(no_xattr_field_means_none_not_unknown)
{
        uint32_t mask = ATTRIBUTE_BIT(ATTRIBUTE_XATTRS) | ATTRIBUTE_BIT(ATTRIBUTE_FLAGS);
        _cleanup_attributes_ struct attributes plain = parsed(" type=file mode=0644");
        ck_assert_uint_eq(plain.known & mask, mask);
        ck_assert_uint_eq(difference(mask, " type=file", " type=file xattr=" HEX_A ":user.a"),
                ATTRIBUTE_BIT(ATTRIBUTE_XATTRS));
        ck_assert_uint_eq(
                difference(mask, " type=file", " type=file flags=immutable"), ATTRIBUTE_BIT(ATTRIBUTE_FLAGS));
        _cleanup_attributes_ struct attributes link = parsed(" type=link target=a");
        ck_assert_uint_eq(link.known & ATTRIBUTE_BIT(ATTRIBUTE_FLAGS), 0); /* a link has none to know */
}
END_TEST

/* ---- comparing ---- */

static const struct {
        enum attribute attribute;
        const char *left, *right;
} differences[] = {
        {ATTRIBUTE_TYPE, " type=fifo", " type=socket"},
        {ATTRIBUTE_MODE, " type=file mode=0644", " type=file mode=4644"},
        {ATTRIBUTE_UID, " type=file uid=0", " type=file uid=1"},
        {ATTRIBUTE_GID, " type=file gid=0", " type=file gid=1"},
        {ATTRIBUTE_SIZE, " type=file size=0", " type=file size=4294967296"},
        {ATTRIBUTE_CONTENT, " type=file content=" HEX_A, " type=file content=" HEX_B},
        {ATTRIBUTE_TARGET, " type=link target=a", " type=link target=a/"},
        {ATTRIBUTE_RDEV, " type=char rdev=1:3", " type=char rdev=3:1"},
        {ATTRIBUTE_XATTRS, " type=file xattr=" HEX_A ":user.a", " type=file xattr=" HEX_B ":user.a"},
        {ATTRIBUTE_XATTRS, " type=file xattr=" HEX_A ":user.a", " type=file xattr=" HEX_A ":user.b"},
        {ATTRIBUTE_FLAGS, " type=file flags=append", " type=file flags=append,immutable"},
        {ATTRIBUTE_MTIME, " type=file mtime=1", " type=file mtime=2"},
        {ATTRIBUTE_CTIME, " type=file ctime=1", " type=file ctime=-1"},
        {ATTRIBUTE_INODE, " type=file inode=1", " type=file inode=2"},
        {ATTRIBUTE_NLINK, " type=file nlink=1", " type=file nlink=2"},
};

START_TEST(each_attribute_is_compared)
{
        uint32_t bit = ATTRIBUTE_BIT(differences[_i].attribute);
        ck_assert_uint_eq(difference(ATTRIBUTES_ALL, differences[_i].left, differences[_i].right), bit);
        ck_assert_uint_eq(difference(bit, differences[_i].left, differences[_i].right), bit);
        ck_assert_uint_eq(difference(ATTRIBUTES_ALL & ~bit, differences[_i].left, differences[_i].right), 0);
        ck_assert_uint_eq(difference(ATTRIBUTES_ALL, differences[_i].left, differences[_i].left), 0);
}
END_TEST

START_TEST(known_to_one_side_only_is_a_difference)
{
        ck_assert_uint_eq(difference(ATTRIBUTES_ALL, " type=file mode=0644", " type=file"),
                ATTRIBUTE_BIT(ATTRIBUTE_MODE));
}
END_TEST

START_TEST(every_attribute_stands_in_the_table_of_differences)
{
        uint32_t seen = 0;
        for (size_t i = 0; i < ARRAY_SIZE(differences); i++)
                seen |= ATTRIBUTE_BIT(differences[i].attribute);
        ck_assert_uint_eq(seen, ATTRIBUTES_ALL);
}
END_TEST

/* ---- masks ---- */

static void
assert_mask(const char *text, uint32_t expected)
{
        uint32_t mask = 0;
        struct err err = {0};
        ck_assert_msg(attribute_mask_parse(text, &mask, &err) == 0, "%s: %s", text, err.text);
        ck_assert_uint_eq(mask, expected);
}

START_TEST(masks_are_read_with_blanks_or_commas)
{
        uint32_t mode_and_uid =
                ATTRIBUTE_BIT(ATTRIBUTE_TYPE) | ATTRIBUTE_BIT(ATTRIBUTE_MODE) | ATTRIBUTE_BIT(ATTRIBUTE_UID);
        assert_mask("type mode uid", mode_and_uid);
        assert_mask("uid,mode", mode_and_uid); /* the type always belongs to it */
        assert_mask(" uid ,\tmode ", mode_and_uid);
        assert_mask("default", ATTRIBUTES_DEFAULT);
        assert_mask("default mtime", ATTRIBUTES_DEFAULT | ATTRIBUTE_BIT(ATTRIBUTE_MTIME));
        assert_mask("all", ATTRIBUTES_ALL);
}
END_TEST

START_TEST(times_inode_and_links_are_not_expected_by_default)
{
        uint32_t left_out = ATTRIBUTE_BIT(ATTRIBUTE_MTIME) | ATTRIBUTE_BIT(ATTRIBUTE_CTIME) |
                            ATTRIBUTE_BIT(ATTRIBUTE_INODE) | ATTRIBUTE_BIT(ATTRIBUTE_NLINK);
        ck_assert_uint_eq(ATTRIBUTES_DEFAULT, ATTRIBUTES_ALL & ~left_out);
}
END_TEST

START_TEST(a_mask_is_written_in_the_order_of_the_table)
{
        _cleanup_buf_ struct buf text = {0};
        ck_assert_int_eq(attribute_mask_append(ATTRIBUTES_ALL, &text), 0);
        ck_assert_str_eq(
                text.data, "type,mode,uid,gid,size,content,target,rdev,xattrs,flags,mtime,ctime,inode,nlink");
        assert_mask(text.data, ATTRIBUTES_ALL);
}
END_TEST

START_TEST(a_wrong_name_is_refused_with_the_nearest)
{
        uint32_t mask = 77;
        struct err err = {0};
        ck_assert_int_eq(attribute_mask_parse("type contents", &mask, &err), -EINVAL);
        ck_assert_ptr_nonnull(strstr(err.text, "contents"));
        ck_assert_ptr_nonnull(strstr(err.hint, "\"content\""));
        ck_assert_uint_eq(mask, 77);
        ck_assert_int_eq(attribute_mask_parse("", &mask, &err), -EINVAL);
        ck_assert_int_eq(attribute_mask_parse(" , ", &mask, &err), -EINVAL);
        ck_assert_int_eq(
                attribute_mask_parse("a-word-longer-than-any-attribute-could-ever-be", &mask, &err), -EINVAL);
}
END_TEST

START_TEST(what_applies_follows_from_the_type)
{
        uint32_t file = attribute_applicable(ATTRIBUTES_ALL, FILE_REGULAR),
                 dir = attribute_applicable(ATTRIBUTES_ALL, FILE_FOLDER),
                 link = attribute_applicable(ATTRIBUTES_ALL, FILE_LINK),
                 block = attribute_applicable(ATTRIBUTES_ALL, FILE_BLOCK);
        ck_assert_uint_eq(
                file, ATTRIBUTES_ALL & ~(ATTRIBUTE_BIT(ATTRIBUTE_TARGET) | ATTRIBUTE_BIT(ATTRIBUTE_RDEV)));
        ck_assert_uint_eq(dir, file & ~(ATTRIBUTE_BIT(ATTRIBUTE_SIZE) | ATTRIBUTE_BIT(ATTRIBUTE_CONTENT)));
        ck_assert_uint_ne(link & ATTRIBUTE_BIT(ATTRIBUTE_TARGET), 0);
        ck_assert_uint_eq(link & (ATTRIBUTE_BIT(ATTRIBUTE_MODE) | ATTRIBUTE_BIT(ATTRIBUTE_FLAGS)), 0);
        ck_assert_uint_ne(block & ATTRIBUTE_BIT(ATTRIBUTE_RDEV), 0);
        ck_assert_uint_eq(attribute_applicable(ATTRIBUTE_BIT(ATTRIBUTE_MODE), FILE_REGULAR),
                ATTRIBUTE_BIT(ATTRIBUTE_MODE));
}
END_TEST

/* ---- for people ---- */

static void
assert_value(enum attribute attribute, const char *line, const char *expected)
{
        _cleanup_attributes_ struct attributes attributes = parsed(line);
        _cleanup_buf_ struct buf text = {0};
        ck_assert_int_eq(attribute_append_value(attribute, &attributes, &text), 0);
        ck_assert_str_eq(text.data, expected);
}

START_TEST(values_are_shown_for_people)
{
        assert_value(ATTRIBUTE_MODE, " type=file mode=0644", "0644");
        assert_value(ATTRIBUTE_CONTENT, " type=file content=" HEX_A, HEX_A);
        assert_value(ATTRIBUTE_RDEV, " type=block rdev=8:1", "8:1");
        assert_value(ATTRIBUTE_FLAGS, " type=file flags=append,immutable", "append,immutable");
        assert_value(ATTRIBUTE_XATTRS, " type=file xattr=" HEX_A ":user.a xattr=" HEX_B ":user.b",
                "user.a=aaaaaaaaaaaaaaaa user.b=bbbbbbbbbbbbbbbb");
        assert_value(ATTRIBUTE_SIZE, " type=file", "");             /* not known */
        assert_value(ATTRIBUTE_TARGET, " type=file mode=0644", ""); /* has none */
}
END_TEST

START_TEST(kernel_flags_become_ours_and_the_others_are_dropped)
{
        struct attributes attributes = {.known = ATTRIBUTES_ALL, .type = FILE_REGULAR};
        _cleanup_buf_ struct buf text = {0};
        attributes.flags =
                attribute_flags_from_kernel(FS_DIRSYNC_FL | FS_SYNC_FL | FS_NOATIME_FL | FS_NODUMP_FL |
                                            FS_IMMUTABLE_FL | FS_APPEND_FL | FS_EXTENT_FL | FS_COMPR_FL);
        ck_assert_int_eq(attribute_append_value(ATTRIBUTE_FLAGS, &attributes, &text), 0);
        ck_assert_str_eq(text.data, "append,immutable,nodump,noatime,sync,dirsync");
        ck_assert_uint_eq(attribute_flags_from_kernel(FS_EXTENT_FL), 0);
}
END_TEST

START_TEST(done_may_be_called_twice)
{
        struct attributes attributes = parsed(whole_lines[FILE_REGULAR]);
        attributes_done(&attributes);
        attributes_done(&attributes);
        ck_assert_ptr_null(attributes.xattrs);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("attribute");
        TCase *form = tcase_create("the one form"), *comparing = tcase_create("comparing"),
              *masks = tcase_create("masks"), *people = tcase_create("for people");
        tcase_add_loop_test(form, every_type_is_read_and_written_back_the_same, 0, FILE_TYPE_COUNT);
        tcase_add_test(form, only_what_the_mask_names_is_written);
        tcase_add_test(form, only_what_is_known_is_written);
        tcase_add_loop_test(form, no_other_form_is_read, 0, (int)ARRAY_SIZE(refused));
        tcase_add_test(form, the_size_given_ends_the_text);
        tcase_add_test(form, words_about_hostile_text_are_printable);
        tcase_add_test(form, no_xattr_field_means_none_not_unknown);
        tcase_add_loop_test(comparing, each_attribute_is_compared, 0, (int)ARRAY_SIZE(differences));
        tcase_add_test(comparing, known_to_one_side_only_is_a_difference);
        tcase_add_test(comparing, every_attribute_stands_in_the_table_of_differences);
        tcase_add_test(masks, masks_are_read_with_blanks_or_commas);
        tcase_add_test(masks, times_inode_and_links_are_not_expected_by_default);
        tcase_add_test(masks, a_mask_is_written_in_the_order_of_the_table);
        tcase_add_test(masks, a_wrong_name_is_refused_with_the_nearest);
        tcase_add_test(masks, what_applies_follows_from_the_type);
        tcase_add_test(people, values_are_shown_for_people);
        tcase_add_test(people, kernel_flags_become_ours_and_the_others_are_dropped);
        tcase_add_test(people, done_may_be_called_twice);
        suite_add_tcase(suite, form);
        suite_add_tcase(suite, comparing);
        suite_add_tcase(suite, masks);
        suite_add_tcase(suite, people);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures != 0;
}
