/* SPDX-License-Identifier: MIT */
/* What is folded into a package's line, and what never is. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "cli/fold.h"

static struct json *drifts;
static struct folds folds;

static void
setup(void)
{
        drifts = json_array_make();
}

static void
teardown(void)
{
        folds_done(&folds);
        drifts = json_free(drifts);
}

/* attributes: "name expected actual" triples, with "-" for null and "." for the empty text. */
static void
drift_add(const char *change, const char *digest, const char *attributes)
{
        struct json *list = json_array_make();
        char text[512], *save = NULL;
        snprintf(text, sizeof text, "%s", attributes);
        for (char *name = strtok_r(text, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
                const char *sides[2];
                for (size_t i = 0; i < 2; i++) {
                        const char *word = strtok_r(NULL, " ", &save);
                        sides[i] = strcmp(word, "-") == 0 ? NULL : strcmp(word, ".") == 0 ? "" : word;
                }
                json_push(list, json_make("{s:s, s:s?, s:s?}", "name", name, "expected", sides[0], "actual",
                                        sides[1]));
        }
        struct json *cause =
                digest ? json_make("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "kind", "package", "manager",
                                 "dpkg", "transaction", "2026-11-26T10:54:34Z", "package", "hello", "version",
                                 "2", "previous", "1", "action", "upgrade", "digest", digest)
                       : json_null_new();
        ck_assert_int_eq(json_push(drifts, json_make("{s:s, s:s, s:s, s:s, s:o, s:o}", "item", "file:/x",
                                                   "change", change, "state", "open", "severity", "high",
                                                   "attributes", list, "cause", cause)),
                0);
}

#define CONTENT "content aa bb size 1 2"
#define NEW "type - file mode - 0644 uid - 0 gid - 0 size - 1 content - aa xattrs - . flags - ."

/* Three that fold, and this one. */
static bool
folds_with_others(void)
{
        for (unsigned i = 0; i < FOLD_LEAST; i++)
                drift_add("changed", "agrees", CONTENT);
        ck_assert_int_eq(folds_make(drifts, &folds), 0);
        ck_assert_uint_eq(folds.n, 1);
        ck_assert_uint_eq(folds.of[1], 1);
        return folds.of[0] == 1;
}

static const struct {
        const char *change, *digest, *attributes;
        bool folded;
} cases[] = {
        {"changed", "agrees", CONTENT, true},
        {"changed", "agrees", CONTENT " mtime 1 2 ctime 1 2 inode 1 2 nlink 1 2", true},
        {"changed", "differs", CONTENT, false},
        {"changed", "unknown", CONTENT, false},
        {"changed", NULL, CONTENT, false},
        {"changed", "agrees", CONTENT " mode 0755 4755", false},
        {"changed", "agrees", CONTENT " uid 0 1000", false},
        {"changed", "agrees", CONTENT " xattrs . security.capability", false},
        {"changed", "agrees", CONTENT " flags . immutable", false},
        {"changed", "agrees", "type file link", false},
        {"changed", "agrees", "mode 0644 0666", false},
        {"unexpected", "agrees", NEW, true},
        {"unexpected", "unknown", NEW, false},
        {"unexpected", "agrees", "type - file mode - 4755 uid - 0 gid - 0 content - aa", false},
        {"unexpected", "agrees", "type - file mode - 2755 uid - 0 gid - 0 content - aa", false},
        {"unexpected", "agrees", "type - file mode - 0666 uid - 0 gid - 0 content - aa", false},
        {"unexpected", "agrees", "type - file mode - 0664 uid - 0 gid - 0 content - aa", false},
        {"unexpected", "agrees", "type - file mode - 0644 uid - 7 gid - 0 content - aa", false},
        {"unexpected", "agrees", "type - file mode - 0644 uid - 0 gid - 7 content - aa", false},
        {"unexpected", "agrees", "type - file mode - 0644 xattrs - security.capability content - aa", false},
        {"unexpected", "agrees", "type - file mode - 0644 xattrs - security.selinux content - aa", true},
        {"unexpected", "agrees", "type - file mode - 0644 flags - immutable content - aa", false},
        {"unexpected", "agrees", "type - file content - aa", false}, /* nobody looked at its mode */
        {"unexpected", "unknown", "type - dir mode - 0755 uid - 0 gid - 0", true},
        {"unexpected", "unknown", "type - dir mode - 1777 uid - 0 gid - 0", false},
        {"unexpected", "unknown", "type - link mode - 0777 target - /tmp/x", false},
        {"missing", "agrees", "type file - mode 0644 -", true},
        {"missing", "unknown", "type file - mode 0644 -", false},
        {"unknown", "agrees", CONTENT, false},
};

START_TEST(only_what_the_digests_vouch_for_is_folded)
{
        drift_add(cases[_i].change, cases[_i].digest, cases[_i].attributes);
        ck_assert_msg(folds_with_others() == cases[_i].folded, "%s, %s, %s", cases[_i].change,
                cases[_i].digest ? cases[_i].digest : "no cause", cases[_i].attributes);
}
END_TEST

START_TEST(what_is_acknowledged_or_waived_stands_by_itself)
{
        drift_add("changed", "agrees", CONTENT);
        json_put((struct json *)(uintptr_t)json_at(drifts, 0), "state", json_string_new("acknowledged"));
        ck_assert(!folds_with_others());
}
END_TEST

START_TEST(a_few_are_not_worth_a_line_of_their_own)
{
        for (unsigned i = 0; i + 1 < FOLD_LEAST; i++)
                drift_add("changed", "agrees", CONTENT);
        ck_assert_int_eq(folds_make(drifts, &folds), 0);
        ck_assert_uint_eq(folds.n, 0);
        ck_assert_uint_eq(folds.of[0], 0);
}
END_TEST

START_TEST(the_line_counts_what_it_stands_for)
{
        _cleanup_buf_ struct buf words = {0}, name = {0};
        for (unsigned i = 0; i < 1200; i++)
                drift_add("changed", "agrees", CONTENT);
        drift_add("unexpected", "agrees", NEW);
        drift_add("unexpected", "unknown", "type - dir mode - 0755 uid - 0 gid - 0");
        drift_add("missing", "agrees", "type file - mode 0644 -");
        ck_assert_int_eq(folds_make(drifts, &folds), 0);
        ck_assert_uint_eq(folds.n, 1);
        ck_assert_int_eq(fold_words(&folds.list[0], &words), 0);
        ck_assert_str_eq(words.data,
                "1,202 files 1 folder: 1,200 changed 2 unexpected 1 missing · dpkg's digests agree");
        ck_assert_int_eq(cause_package_words(folds.list[0].cause, true, &name), 0);
        ck_assert_str_eq(name.data, "hello 1 → 2");
}
END_TEST

static void
cause_set(size_t index, const char *member, const char *value)
{
        struct json *cause = (struct json *)(uintptr_t)json_member(json_at(drifts, index), "cause");
        json_put(cause, member, json_string_new(value));
}

START_TEST(each_package_and_each_transaction_has_its_line)
{
        for (unsigned i = 0; i < 12; i++)
                drift_add("changed", "agrees", CONTENT);
        for (unsigned i = 0; i < 4; i++) {
                cause_set(i, "package", "other");
                cause_set(4 + i, "transaction", "2026-11-26T11:00:00Z");
        }
        for (unsigned i = 0; i < 2; i++) /* too few: moves up what comes after */
                drift_add("changed", "agrees", CONTENT), cause_set(12 + i, "version", "3");
        ck_assert_int_eq(folds_make(drifts, &folds), 0);
        ck_assert_uint_eq(folds.n, 3);
        for (unsigned i = 0; i < 14; i++)
                ck_assert_uint_eq(folds.of[i], i < 12 ? i / 4 + 1 : 0);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("fold");
        TCase *tests = tcase_create("fold");
        tcase_add_checked_fixture(tests, setup, teardown);
        tcase_add_loop_test(tests, only_what_the_digests_vouch_for_is_folded, 0, (int)ARRAY_SIZE(cases));
        tcase_add_test(tests, what_is_acknowledged_or_waived_stands_by_itself);
        tcase_add_test(tests, a_few_are_not_worth_a_line_of_their_own);
        tcase_add_test(tests, the_line_counts_what_it_stands_for);
        tcase_add_test(tests, each_package_and_each_transaction_has_its_line);
        suite_add_tcase(suite, tests);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures != 0;
}
