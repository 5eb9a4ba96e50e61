/* SPDX-License-Identifier: MIT */
/* Scopes: their one line, which path belongs to which, and what an exclusion takes out. */
#include "core/scope.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#define FILES_REST                                                                                           \
        " attributes=type,mode mode=static severity=high mounts=local keep_content=auto "                    \
        "content_within=21600"

static struct scope
parsed(const char *text)
{
        struct scope scope = {0};
        struct err err = {0};
        int r = scope_parse(text, strlen(text), &scope, &err);
        ck_assert_msg(r == 0, "%s: %s", text, err.text);
        return scope;
}

static void
assert_owner(const struct scope *scopes, size_t n, const char *item, const char *name)
{
        const struct scope *owner = scope_for_item(scopes, n, item);
        ck_assert_msg(!owner == !name && (!name || strcmp(owner->name, name) == 0),
                "%s belongs to %s, not to %s", item, owner ? owner->name : "nobody", name ? name : "nobody");
}

/* ---- the line ---- */

static const char *const lines[] = {
        "files etc path=/etc" FILES_REST,
        "files root path=/" FILES_REST,
        "files several path=/a path=/a\\x20b path=/b/c exclude=/a/** exclude=/b/c/?.tmp" FILES_REST,
        "files logs path=/var/log attributes=type,mode,uid,gid,size,content,target,rdev,xattrs,flags "
        "mode=growing "
        "severity=low mounts=none keep_content=never content_within=1",
        ("files there path=/boot attributes=type mode=present severity=medium mounts=local "
         "keep_content=never "
         "content_within=999999999999"),
        "sysctl sysctl path=/proc/sys exclude=net/ipv4/conf/veth*/** severity=high",
        "sysctl sysctl severity=low",
        "sshd sshd command=/usr/sbin/sshd path=/etc/ssh/sshd_config severity=high",
        "sshd sshd severity=high",
        "openssl openssl path=/etc/ssl/openssl.cnf severity=medium",
        "openssl openssl severity=high",
};

START_TEST(every_domain_is_read_and_written_back_the_same)
{
        struct scope scope = parsed(lines[_i]);
        _cleanup_buf_ struct buf again = {0};
        ck_assert_int_eq(scope_append(&scope, &again), 0);
        ck_assert_mem_eq(again.data, "scope ", 6);
        ck_assert_uint_eq(again.size, strlen(lines[_i]) + 7);
        ck_assert_mem_eq(again.data + 6, lines[_i], strlen(lines[_i]));
        ck_assert_int_eq(again.data[again.size - 1], '\n');
        scope_done(&scope);
}
END_TEST

START_TEST(what_is_read_is_what_was_said)
{
        struct scope scope =
                parsed("files a.b-c_1 path=/x exclude=/x/y attributes=type,content,mtime mode=growing "
                       "severity=medium mounts=none keep_content=never content_within=90");
        ck_assert_int_eq(scope.domain, SCOPE_FILES);
        ck_assert_str_eq(scope.name, "a.b-c_1");
        ck_assert_uint_eq(scope.paths.count, 1);
        ck_assert_str_eq(scope.excludes.items[0], "/x/y");
        ck_assert_uint_eq(scope.attributes, ATTRIBUTE_BIT(ATTRIBUTE_TYPE) | ATTRIBUTE_BIT(ATTRIBUTE_CONTENT) |
                                                    ATTRIBUTE_BIT(ATTRIBUTE_MTIME));
        ck_assert_int_eq(scope.mode, SCOPE_GROWING);
        ck_assert_int_eq(scope.severity, SEVERITY_MEDIUM);
        ck_assert_int_eq(scope.mounts, SCOPE_MOUNTS_NONE);
        ck_assert(!scope.keep_content);
        ck_assert_int_eq(scope.content_within_s, 90);
        scope_done(&scope);
        scope_done(&scope); /* harmless twice */
}
END_TEST

static const char *const refused[] = {
        "",
        "files",
        "files etc",
        "folders etc path=/etc" FILES_REST,
        "Files etc path=/etc" FILES_REST,
        "files .etc path=/etc" FILES_REST,
        "files -etc path=/etc" FILES_REST,
        "files e/tc path=/etc" FILES_REST,
        "files a123456789012345678901234567890123456789012345678901234567890123 path=/etc" FILES_REST,
        "files  path=/etc" FILES_REST,
        "files etc" FILES_REST,               /* closes nothing */
        "files etc path=/etc" FILES_REST " ", /* a blank at its end */
        "files etc  path=/etc" FILES_REST,    /* two blanks */
        "files etc path=etc" FILES_REST,      /* relative */
        "files etc path=" FILES_REST,
        "files etc path=/etc/" FILES_REST, /* would hold nothing at all */
        "files etc path=//etc" FILES_REST,
        "files etc path=/a//b" FILES_REST,
        "files etc path=/a/./b" FILES_REST,
        "files etc path=/a/../b" FILES_REST,
        "files etc path=/.." FILES_REST,
        "files etc path=/a\\x62" FILES_REST,    /* an escape that was not needed */
        "files etc path=/a\xff" FILES_REST,     /* one that was */
        "files etc path=/b path=/a" FILES_REST, /* not sorted */
        "files etc path=/a path=/a" FILES_REST, /* twice */
        "files etc path=/a exclude=/b exclude=/a" FILES_REST,
        "files etc path=/a exclude=" FILES_REST,
        "files etc exclude=/a/b path=/a" FILES_REST, /* order of the fields */
        "files etc path=/a colour=red" FILES_REST,
        "files etc path=/a command=/bin/sh" FILES_REST, /* of another domain */
        "files etc path=/a attributes=mode,type mode=static severity=high mounts=local keep_content=auto "
        "content_within=1",
        "files etc path=/a attributes=mode mode=static severity=high mounts=local keep_content=auto "
        "content_within=1",
        "files etc path=/a attributes=default mode=static severity=high mounts=local keep_content=auto "
        "content_within=1",
        "files etc path=/a attributes=type mode=Static severity=high mounts=local keep_content=auto "
        "content_within=1",
        "files etc path=/a attributes=type mode=static severity=grave mounts=local keep_content=auto "
        "content_within=1",
        "files etc path=/a attributes=type mode=static severity=high mounts=all keep_content=auto "
        "content_within=1",
        "files etc path=/a attributes=type mode=static severity=high mounts=local keep_content=yes "
        "content_within=1",
        "files etc path=/a attributes=type mode=static severity=high mounts=local keep_content=auto "
        "content_within=0",
        "files etc path=/a attributes=type mode=static severity=high mounts=local keep_content=auto "
        "content_within=01",
        "files etc path=/a attributes=type mode=static severity=high mounts=local keep_content=auto "
        "content_within=-1",
        "files etc path=/a attributes=type mode=static severity=high mounts=local keep_content=auto "
        "content_within=1s",
        "files etc path=/a attributes=type mode=static severity=high mounts=local keep_content=auto "
        "content_within=1000000000000",
        "files etc path=/a attributes=type mode=static severity=high mounts=local keep_content=auto", /* every
                                                                                                         field
                                                                                                       */
        "files etc path=/a attributes=type mode=static mode=static severity=high mounts=local "
        "keep_content=auto "
        "content_within=1",
        "sysctl sysctl",
        "sysctl other path=/proc/sys severity=high", /* named as its domain, so that there is one */
        "sysctl sysctl path=/proc/sys/ severity=high",
        "sysctl sysctl path=/proc/sys mode=static severity=high",
        "sshd sshd command=sshd severity=high",
        "sshd sshd command=/usr/sbin/../sshd severity=high",
        "sshd sshd command=/a command=/b severity=high",
        "sshd sshd severity=high command=/usr/sbin/sshd",
        "openssl openssl exclude=a severity=high",
};

START_TEST(no_other_form_is_read)
{
        struct scope scope = {.name = "untouched"};
        struct err err = {0};
        ck_assert_msg(scope_parse(refused[_i], strlen(refused[_i]), &scope, &err) == -EINVAL,
                "\"%s\" was read", refused[_i]);
        ck_assert_str_eq(scope.name, "untouched");
        ck_assert_uint_gt(strlen(err.text), 0);
        for (const char *p = err.text; *p; p++)
                ck_assert_msg(
                        *p >= 0x20 && *p < 0x7f, "byte %#x in the words of an error", (unsigned char)*p);
}
END_TEST

START_TEST(words_about_hostile_text_are_printable)
{
        struct scope scope = {0};
        struct err err = {0};
        static const char text[] = "files etc \x1b[2J\x9b=\xff";
        ck_assert_int_eq(scope_parse(text, sizeof text - 1, &scope, &err), -EINVAL);
        for (const char *p = err.text; *p; p++)
                ck_assert_int_ge(*p, 0x20);
}
END_TEST

START_TEST(a_line_says_only_what_its_scope_judges_by)
{
        struct scope scope = {.attributes = ATTRIBUTE_BIT(ATTRIBUTE_TYPE) | ATTRIBUTE_BIT(ATTRIBUTE_CONTENT)};
        ck_assert_uint_eq(scope_line_mask(&scope), scope.attributes);
        scope.mode = SCOPE_PRESENT;
        ck_assert_uint_eq(scope_line_mask(&scope), ATTRIBUTE_BIT(ATTRIBUTE_TYPE));
        scope.mode = SCOPE_GROWING; /* its prefix has a size, and its inode tells a rotation */
        ck_assert_uint_eq(scope_line_mask(&scope),
                scope.attributes | ATTRIBUTE_BIT(ATTRIBUTE_SIZE) | ATTRIBUTE_BIT(ATTRIBUTE_INODE));
}
END_TEST

START_TEST(canonical_paths)
{
        static const char *const good[] = {"/", "/a", "/a/b", "/...", "/a/..b", "/.a/b.", "/\\x20"};
        static const char *const bad[] = {"", "a", "//", "/a/", "/a//b", "/.", "/..", "/a/.", "/a/./b",
                "/a/../b", "/a b", "/\\x41", "/\n"};
        for (size_t i = 0; i < ARRAY_SIZE(good); i++)
                ck_assert_msg(path_is_canonical(good[i], strlen(good[i])), "%s", good[i]);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                ck_assert_msg(!path_is_canonical(bad[i], strlen(bad[i])), "%s", bad[i]);
}
END_TEST

/* ---- who owns what ---- */

START_TEST(a_path_belongs_to_the_scope_that_names_it_or_a_folder_above)
{
        struct scope scope = parsed("files etc path=/etc path=/usr/local/bin" FILES_REST);
        assert_owner(&scope, 1, "file:/etc", "etc"); /* its own root is an item too */
        assert_owner(&scope, 1, "file:/etc/passwd", "etc");
        assert_owner(&scope, 1, "file:/usr/local/bin/a/b", "etc");
        assert_owner(&scope, 1, "file:/etcetera", NULL);
        assert_owner(&scope, 1, "file:/et", NULL);
        assert_owner(&scope, 1, "file:/", NULL);
        assert_owner(&scope, 1, "file:/usr/local", NULL);
        scope_done(&scope);
}
END_TEST

START_TEST(the_root_holds_all)
{
        struct scope scope = parsed("files all path=/" FILES_REST);
        assert_owner(&scope, 1, "file:/", "all");
        assert_owner(&scope, 1, "file:/a", "all");
        assert_owner(&scope, 1, "file:/a/b/c", "all");
        scope_done(&scope);
}
END_TEST

START_TEST(the_most_specific_path_wins_in_either_order)
{
        struct scope scopes[] = {
                parsed("files all path=/" FILES_REST),
                parsed("files logs path=/var/log" FILES_REST),
                parsed("files var path=/var" FILES_REST),
        };
        for (int turned = 0; turned < 2; turned++) {
                assert_owner(scopes, 3, "file:/etc", "all");
                assert_owner(scopes, 3, "file:/var", "var");
                assert_owner(scopes, 3, "file:/var/logs", "var");
                assert_owner(scopes, 3, "file:/var/log", "logs");
                assert_owner(scopes, 3, "file:/var/log/a", "logs");
                struct scope first = scopes[0];
                scopes[0] = scopes[2];
                scopes[2] = first;
        }
        for (size_t i = 0; i < 3; i++)
                scope_done(&scopes[i]);
}
END_TEST

START_TEST(an_exclusion_takes_a_folder_out_with_all_below)
{
        struct scope scope = parsed(
                "files etc path=/etc exclude=/etc/*.tmp exclude=/etc/mtab exclude=/etc/run/**" FILES_REST);
        assert_owner(&scope, 1, "file:/etc/mtab", NULL);
        assert_owner(&scope, 1, "file:/etc/mtab/below", NULL);
        assert_owner(&scope, 1, "file:/etc/mtab2", "etc");
        assert_owner(&scope, 1, "file:/etc/a.tmp", NULL);
        assert_owner(&scope, 1, "file:/etc/a/b.tmp", "etc"); /* * stays within a name */
        assert_owner(&scope, 1, "file:/etc/run", "etc");
        assert_owner(&scope, 1, "file:/etc/run/a/b", NULL);
        scope_done(&scope);
}
END_TEST

START_TEST(what_the_most_specific_scope_excludes_falls_to_no_other)
{
        struct scope scopes[] = {
                parsed("files all path=/" FILES_REST),
                parsed("files var path=/var exclude=/var/tmp" FILES_REST),
        };
        assert_owner(scopes, 2, "file:/var/tmp/a", NULL);
        assert_owner(scopes, 2, "file:/tmp/a", "all");
        for (size_t i = 0; i < 2; i++)
                scope_done(&scopes[i]);
}
END_TEST

START_TEST(settings_belong_to_the_scope_of_their_domain)
{
        struct scope scopes[] = {
                parsed("files all path=/" FILES_REST),
                parsed("sshd sshd severity=high"),
                parsed("sysctl sysctl path=/proc/sys exclude=net/ipv4/conf/veth*/** severity=high"),
        };
        assert_owner(scopes, 3, "sysctl:net/ipv4/ip_forward", "sysctl");
        assert_owner(scopes, 3, "sysctl:net/ipv4/conf/veth1/rp_filter", NULL);
        assert_owner(scopes, 3, "sshd:permitrootlogin", "sshd");
        assert_owner(scopes, 3, "sshd[user=git]:permitrootlogin", "sshd");
        assert_owner(scopes, 3, "openssl:system_default/MinProtocol", NULL);
        assert_owner(scopes, 3, "files:/etc", NULL); /* the domain of the scope is no domain of items */
        assert_owner(scopes, 3, "unknown:thing", NULL);
        assert_owner(scopes, 3, "sysctl", NULL);
        assert_owner(scopes, 1, "sysctl:kernel/x", NULL);
        for (size_t i = 0; i < 3; i++)
                scope_done(&scopes[i]);
}
END_TEST

START_TEST(lists_are_sorted_by_bytes_and_lose_what_stands_twice)
{
        struct text_list list = {0};
        static const char *const words[] = {"b", "a", "\xff", "b", "B", "ab", "a"};
        text_list_sort(&list); /* empty is fine */
        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                ck_assert_int_eq(text_list_add(&list, words[i], strlen(words[i])), 0);
        text_list_sort(&list);
        static const char *const sorted[] = {"B", "a", "ab", "b", "\xff"};
        ck_assert_uint_eq(list.count, ARRAY_SIZE(sorted));
        for (size_t i = 0; i < list.count; i++)
                ck_assert_str_eq(list.items[i], sorted[i]);
        text_list_done(&list);
}
END_TEST

START_TEST(names_are_found_whole)
{
        ck_assert_int_eq(name_index(severity_names, SEVERITY_COUNT, "medium", 6), SEVERITY_MEDIUM);
        ck_assert_int_eq(name_index(severity_names, SEVERITY_COUNT, "medium", 3), -EINVAL);
        ck_assert_int_eq(name_index(severity_names, SEVERITY_COUNT, "", 0), -EINVAL);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("scope");
        TCase *line = tcase_create("the line"), *owner = tcase_create("who owns what");
        tcase_add_loop_test(line, every_domain_is_read_and_written_back_the_same, 0, (int)ARRAY_SIZE(lines));
        tcase_add_test(line, what_is_read_is_what_was_said);
        tcase_add_loop_test(line, no_other_form_is_read, 0, (int)ARRAY_SIZE(refused));
        tcase_add_test(line, words_about_hostile_text_are_printable);
        tcase_add_test(line, a_line_says_only_what_its_scope_judges_by);
        tcase_add_test(line, canonical_paths);
        tcase_add_test(owner, a_path_belongs_to_the_scope_that_names_it_or_a_folder_above);
        tcase_add_test(owner, the_root_holds_all);
        tcase_add_test(owner, the_most_specific_path_wins_in_either_order);
        tcase_add_test(owner, an_exclusion_takes_a_folder_out_with_all_below);
        tcase_add_test(owner, what_the_most_specific_scope_excludes_falls_to_no_other);
        tcase_add_test(owner, settings_belong_to_the_scope_of_their_domain);
        tcase_add_test(owner, lists_are_sorted_by_bytes_and_lose_what_stands_twice);
        tcase_add_test(owner, names_are_found_whole);
        suite_add_tcase(suite, line);
        suite_add_tcase(suite, owner);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures != 0;
}
