/* SPDX-License-Identifier: MIT */
/* Expected change sets: their form, and whether what a drift left is what the set says. */
#include "approval_help.h"

#include "core/expect.h"
#include "core/judge.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HEADER                                                                                               \
        "driftd-baseline 1\nname host\nhost " HOST "\ngeneration 1\nparent none\ncreated "                   \
        "2026-11-23T18:00:00Z\nexpires never\nauthor alice\nticket none\nclass normal\n\n"
#define SCOPES                                                                                               \
        "scope files aim path=/aim attributes=type,target mode=static severity=high mounts=local "           \
        "keep_content=never content_within=100\n"                                                            \
        "scope files bare path=/bare attributes=type mode=static severity=high mounts=local "                \
        "keep_content=never content_within=100\n"                                                            \
        "scope files etc path=/etc attributes=type,mode,size,content,xattrs,mtime mode=static "              \
        "severity=high "                                                                                     \
        "mounts=local keep_content=never content_within=100\n"                                               \
        "scope files log path=/log attributes=type,mode,size,content mode=growing severity=high "            \
        "mounts=local "                                                                                      \
        "keep_content=never content_within=100\n"                                                            \
        "scope files mode path=/mode attributes=type,mode mode=static severity=high mounts=local "           \
        "keep_content=never content_within=100\n"                                                            \
        "scope sysctl sysctl path=/proc/sys severity=high\n"
#define LINES                                                                                                \
        "file /aim/x type=file\n"                                                                            \
        "file /bare/x type=file\n"                                                                           \
        "file /etc/a type=file mode=0644 size=10 content=" HEX_A " mtime=5\n"                                \
        "file /log/x type=file mode=0644 size=10 content=" HEX_A " inode=7\n"                                \
        "file /mode/x type=file mode=0644\n"                                                                 \
        "set sysctl:net/a ge 1\n"

static struct err err;
static struct baseline *host;

static void
setup(void)
{
        setup_crypto();
        char *text = strdup(HEADER SCOPES LINES);
        ck_assert_msg(baseline_open(text, strlen(text), &host, &err) == 0, "%s", err.text);
}

static void
teardown(void)
{
        host = baseline_free(host);
}

static struct expect *
set_of(const char *lines)
{
        struct expect *expect = NULL;
        static char text[4096]; /* borrowed by it */
        snprintf(text, sizeof text, EXPECT_MAGIC "%s", lines);
        ck_assert_msg(expect_open(text, strlen(text), &expect, &err) == 0, "%s", err.text);
        return expect;
}

static struct drift
drift_of(const char *item, enum change change, const char *attributes)
{
        return (struct drift){.item = (char *)(uintptr_t)item,
                .baseline = "host",
                .change = change,
                .attributes = (char *)(uintptr_t)attributes};
}

static int
matches(const char *line, struct drift drift)
{
        struct expect *expect = set_of(line);
        const struct expected *expected = expect_find(expect, drift.item);
        int r = expected ? expected_is_drift(expected, host, &drift) : -1;
        expect_free(expect);
        return r;
}

static int
stands(const char *line)
{
        struct expect *expect = set_of(line);
        int r = expected_is_baseline(expect_at(expect, 0), host);
        expect_free(expect);
        return r;
}

START_TEST(another_form_is_refused_with_its_line)
{
        static const struct {
                const char *text, *words;
        } rows[] = {
                {"", "line 1"},
                {"driftd-expect 2\n", "line 1"},
                {EXPECT_MAGIC "absent file:/a", "line 2: a line ends"},
                {EXPECT_MAGIC "\n", "line 2"},
                {EXPECT_MAGIC "gone file:/a\n", "line 2"},
                {EXPECT_MAGIC "absent /a\n", "line 2"},
                {EXPECT_MAGIC "absent file:/a b\n", "line 2"},
                {EXPECT_MAGIC "absent file:/b\nabsent file:/a\n", "line 3: the lines are not sorted"},
                {EXPECT_MAGIC "absent file:/a\nabsent file:/a\n", "line 3"},
                {EXPECT_MAGIC "absent file:/a\nfile /a type=dir\n", "line 3: this item stands twice"},
                {EXPECT_MAGIC "file a type=dir\n", "line 2"},
                {EXPECT_MAGIC "file /a\n", "needs its type"},
                {EXPECT_MAGIC "file /a mode=0644\n", "needs its type"},
                {EXPECT_MAGIC "file /a type=file mtime=5\n", "no mtime"},
                {EXPECT_MAGIC "file /a type=file inode=5\n", "no mtime"},
                {EXPECT_MAGIC "file /a mode=0644 type=file\n", "line 2"},
                {EXPECT_MAGIC "set sysctl:a ge 1\n", "of one item and nothing more"},
                {EXPECT_MAGIC "set sysctl:a/** eq 1\n", "of one item and nothing more"},
                {EXPECT_MAGIC "set sysctl:a eq 1 severity=low\n", "of one item and nothing more"},
                {EXPECT_MAGIC "set other:a eq 1\n", "line 2"},
        };
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct expect *expect = NULL;
                ck_assert_msg(
                        expect_open(rows[i].text, strlen(rows[i].text), &expect, &err) == EXPECT_MALFORMED,
                        "taken: %s", rows[i].text);
                ck_contains(err.text, rows[i].words);
        }
        struct expect *expect = NULL;
        ck_assert_int_eq(expect_open(EXPECT_MAGIC "absent file:/\0\n", 32, &expect, &err), EXPECT_MALFORMED);
        ck_ok(expect_open(EXPECT_MAGIC, strlen(EXPECT_MAGIC), &expect, &err));
        ck_assert_uint_eq(expect_count(expect), 0);
        expect_free(expect);
}
END_TEST

START_TEST(items_are_found)
{
        struct expect *expect = set_of("absent file:/z\nfile /a type=dir\nset sysctl:b eq \\x00\n");
        ck_assert(expect_find(expect, "file:/z")->absent);
        ck_assert_ptr_nonnull(expect_find(expect, "file:/a")->fields);
        ck_assert_str_eq(expect_find(expect, "sysctl:b")->value, "");
        ck_assert_ptr_null(expect_find(expect, "file:/b"));
        expect_free(expect);
}
END_TEST

#define CONTENT_B "[{\"name\":\"content\",\"expected\":\"" HEX_A "\",\"actual\":\"" HEX_B "\"}]"

START_TEST(a_changed_file_is_the_baseline_with_what_differs)
{
        struct drift drift = drift_of("file:/etc/a", CHANGE_CHANGED, CONTENT_B);
        ck_assert_int_eq(matches("file /etc/a type=file mode=0644 size=10 content=" HEX_B "\n", drift), 1);
        ck_assert_int_eq(matches("file /etc/a type=file mode=0644 size=10 content=" HEX_A "\n", drift), 0);
        ck_assert_int_eq(matches("file /etc/a type=file mode=0600 size=10 content=" HEX_B "\n", drift), 0);
        /* What is judged must be said; what is said beyond it is not known here. */
        ck_assert_int_eq(matches("file /etc/a type=file mode=0644 content=" HEX_B "\n", drift), 0);
        ck_assert_int_eq(
                matches("file /etc/a type=file mode=0644 uid=7 size=10 content=" HEX_B "\n", drift), 1);
        ck_assert_int_eq(matches("absent file:/etc/a\n", drift), 0);
}
END_TEST

START_TEST(times_and_inodes_are_not_compared)
{
        struct drift drift = drift_of(
                "file:/etc/a", CHANGE_CHANGED, "[{\"name\":\"mtime\",\"expected\":\"5\",\"actual\":\"6\"}]");
        ck_assert_int_eq(matches("file /etc/a type=file mode=0644 size=10 content=" HEX_A "\n", drift), 1);
}
END_TEST

START_TEST(xattrs_are_compared_whole)
{
        struct drift drift = drift_of("file:/etc/a", CHANGE_CHANGED,
                "[{\"name\":\"xattrs\",\"expected\":\"\",\"actual\":\"user.a=bbbbbbbbbbbbbbbb\",\"fields\":"
                "\" "
                "xattr=" HEX_B ":user.a\"}]");
        ck_assert_int_eq(
                matches("file /etc/a type=file mode=0644 size=10 content=" HEX_A " xattr=" HEX_B ":user.a\n",
                        drift),
                1);
        ck_assert_int_eq(
                matches("file /etc/a type=file mode=0644 size=10 content=" HEX_A " xattr=" HEX_A ":user.a\n",
                        drift),
                0);
        ck_assert_int_eq(matches("file /etc/a type=file mode=0644 size=10 content=" HEX_A "\n", drift), 0);
}
END_TEST

START_TEST(a_new_file_and_a_missing_one)
{
        struct drift fresh = drift_of("file:/etc/n", CHANGE_UNEXPECTED,
                "[{\"name\":\"type\",\"expected\":null,\"actual\":\"dir\"},{\"name\":\"mode\",\"expected\":"
                "null,"
                "\"actual\":\"0755\"}]");
        struct drift gone = drift_of("file:/etc/a", CHANGE_MISSING, "[]");
        struct drift unknown = drift_of("file:/etc/a", CHANGE_UNKNOWN, "[]");
        ck_assert_int_eq(matches("file /etc/n type=dir mode=0755\n", fresh), 1);
        ck_assert_int_eq(matches("file /etc/n type=dir mode=0700\n", fresh), 0);
        ck_assert_int_eq(matches("absent file:/etc/a\n", gone), 1);
        ck_assert_int_eq(matches("file /etc/a type=file\n", gone), 0);
        ck_assert_int_eq(matches("absent file:/etc/a\n", unknown), 0);
}
END_TEST

START_TEST(of_a_growing_file_the_prefix_is_not_compared)
{
        struct drift drift = drift_of("file:/log/x", CHANGE_CHANGED,
                "[{\"name\":\"mode\",\"expected\":\"0644\",\"actual\":\"0600\"}]");
        ck_assert_int_eq(matches("file /log/x type=file mode=0600 size=99 content=" HEX_B "\n", drift), 1);
}
END_TEST

START_TEST(a_growing_file_that_was_rewritten_is_never_expected)
{
        struct drift broken = drift_of("file:/log/x", CHANGE_CHANGED,
                "[{\"name\":\"content\",\"expected\":\"" HEX_A "\",\"actual\":\"" HEX_B "\"}]");
        struct drift both = drift_of("file:/log/x", CHANGE_CHANGED,
                "[{\"name\":\"mode\",\"expected\":\"0644\",\"actual\":\"0600\"},"
                "{\"name\":\"content\",\"expected\":\"" HEX_A "\",\"actual\":\"" HEX_B "\"}]");
        ck_assert_int_eq(matches("file /log/x type=file mode=0644 size=10 content=" HEX_B "\n", broken), 0);
        ck_assert_int_eq(matches("file /log/x type=file mode=0644\n", broken), 0);
        ck_assert_int_eq(matches("file /log/x type=file mode=0600\n", both), 0);
}
END_TEST

START_TEST(another_type_is_expected_only_if_all_of_it_is_known)
{
        static const char link[] = "[{\"name\":\"type\",\"expected\":\"file\",\"actual\":\"link\"}]",
                          device[] = "[{\"name\":\"type\",\"expected\":\"file\",\"actual\":\"char\"}]";
        /* Where target or mode are judged nobody knows them: the drift tells only of the type. */
        ck_assert_int_eq(
                matches("file /bare/x type=link\n", drift_of("file:/bare/x", CHANGE_CHANGED, link)), 1);
        ck_assert_int_eq(
                matches("file /bare/x type=char\n", drift_of("file:/bare/x", CHANGE_CHANGED, link)), 0);
        ck_assert_int_eq(matches("file /mode/x type=char mode=0644\n",
                                 drift_of("file:/mode/x", CHANGE_CHANGED, device)),
                0);
        ck_assert_int_eq(
                matches("file /aim/x type=link\n", drift_of("file:/aim/x", CHANGE_CHANGED, link)), 0);
}
END_TEST

START_TEST(settings_are_compared_by_their_value)
{
        struct drift drift = drift_of("sysctl:net/a", CHANGE_CHANGED,
                "[{\"name\":\"value\",\"expected\":\"ge 1\",\"actual\":\"0 a\\\\x09b\"}]");
        struct drift gone = drift_of("sysctl:net/a", CHANGE_MISSING,
                "[{\"name\":\"value\",\"expected\":\"ge 1\",\"actual\":null}]");
        ck_assert_int_eq(matches("set sysctl:net/a eq 0\\x20a\\x09b\n", drift), 1);
        ck_assert_int_eq(matches("set sysctl:net/a eq 0\n", drift), 0);
        ck_assert_int_eq(matches("absent sysctl:net/a\n", drift), 0);
        ck_assert_int_eq(matches("absent sysctl:net/a\n", gone), 1);
}
END_TEST

START_TEST(what_the_baseline_says_already)
{
        ck_assert_int_eq(stands("file /etc/a type=file mode=0644 size=10 content=" HEX_A "\n"), 1);
        ck_assert_int_eq(stands("file /etc/a type=file mode=0644 size=10 content=" HEX_B "\n"), 0);
        ck_assert_int_eq(stands("file /etc/n type=dir\n"), 0);
        ck_assert_int_eq(stands("absent file:/etc/n\n"), 1);
        ck_assert_int_eq(stands("absent file:/etc/a\n"), 0);
        ck_assert_int_eq(stands("absent file:/srv/a\n"), 0); /* nobody looks there */
        ck_assert_int_eq(stands("set sysctl:net/a eq 3\n"), 1);
        ck_assert_int_eq(stands("set sysctl:net/a eq 0\n"), 0);
        ck_assert_int_eq(stands("absent sysctl:net/b\n"), 1);
}
END_TEST

START_TEST(what_drifts_leave_is_written_so_that_it_matches)
{
        struct drift drifts[] = {
                drift_of("sysctl:net/a", CHANGE_CHANGED,
                        "[{\"name\":\"value\",\"expected\":\"ge 1\",\"actual\":\"0 1\"}]"),
                drift_of("file:/etc/a", CHANGE_CHANGED, CONTENT_B),
                drift_of("file:/etc/n", CHANGE_UNEXPECTED,
                        "[{\"name\":\"type\",\"expected\":null,\"actual\":\"link\"},{\"name\":\"target\","
                        "\"expected\":null,\"actual\":\"a\"}]"),
                drift_of("file:/log/x", CHANGE_MISSING, "[]"),
        };
        struct drift unknown = drift_of("file:/etc/u", CHANGE_UNKNOWN, "[]");
        struct expect_writer writer = {0};
        struct expect *expect = NULL;
        struct buf text = {0};
        for (size_t i = 0; i < ARRAY_SIZE(drifts); i++)
                ck_ok(expect_add_drift(&writer, host, &drifts[i]));
        ck_assert_int_eq(expect_add_drift(&writer, host, &unknown), 1);
        ck_ok(expect_finish(&writer, &text));
        ck_assert_str_eq(text.data,
                EXPECT_MAGIC "absent file:/log/x\nfile /etc/a type=file mode=0644 size=10 content=" HEX_B
                             "\nfile /etc/n type=link target=a\nset sysctl:net/a eq 0\\x201\n");
        ck_assert_msg(expect_open(text.data, text.size, &expect, &err) == 0, "%s", err.text);
        for (size_t i = 0; i < ARRAY_SIZE(drifts); i++)
                ck_assert_int_eq(expected_is_drift(expect_find(expect, drifts[i].item), host, &drifts[i]), 1);
        expect_free(expect);
        buf_done(&text);
}
END_TEST

static void
add_tests(TCase *cases)
{
        tcase_add_checked_fixture(cases, setup, teardown);
        tcase_add_test(cases, another_form_is_refused_with_its_line);
        tcase_add_test(cases, items_are_found);
        tcase_add_test(cases, a_changed_file_is_the_baseline_with_what_differs);
        tcase_add_test(cases, times_and_inodes_are_not_compared);
        tcase_add_test(cases, xattrs_are_compared_whole);
        tcase_add_test(cases, a_new_file_and_a_missing_one);
        tcase_add_test(cases, of_a_growing_file_the_prefix_is_not_compared);
        tcase_add_test(cases, a_growing_file_that_was_rewritten_is_never_expected);
        tcase_add_test(cases, another_type_is_expected_only_if_all_of_it_is_known);
        tcase_add_test(cases, settings_are_compared_by_their_value);
        tcase_add_test(cases, what_the_baseline_says_already);
        tcase_add_test(cases, what_drifts_leave_is_written_so_that_it_matches);
}

int
main(void)
{
        return run_suite("expect", add_tests);
}
