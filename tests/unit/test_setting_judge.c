/* SPDX-License-Identifier: MIT */
/* A set line against a reading: for which items it speaks, and what it says of each. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/setting_judge.h"

static struct probe_reading sysctl, sshd;
static const struct probe_reading *readings[SCOPE_DOMAIN_COUNT];

static char *
copy(const char *text)
{
        return text ? strdup(text) : NULL;
}

static void
add(struct probe_reading *reading, const char *item, const char *value, int error, const char *reason)
{
        struct probe_setting setting = {
                .item = copy(item), .value = copy(value), .reason = copy(reason), .error = error};
        ck_assert_int_eq(probe_add(reading, &setting), 0);
}

/* In the order of their items, as probe_read leaves them. */
static void
setup(void)
{
        add(&sysctl, "sysctl:kernel/a", "1", 0, NULL);
        add(&sysctl, "sysctl:kernel/bad", "word", 0, NULL);
        add(&sysctl, "sysctl:kernel/secret", NULL, EACCES, "it may not be read");
        add(&sysctl, "sysctl:net/conf/all/r", "0", 0, NULL);
        add(&sysctl, "sysctl:net/conf/eth0/r", "1", 0, NULL);
        add(&sysctl, "sysctl:net/conf/lo/r", "0", 0, NULL);
        add(&sysctl, "sysctl:net/conf/lo/x", NULL, EIO, "an input error");
        add(&sshd, "sshd:permitrootlogin", "no", 0, NULL);
        add(&sshd, "sshd[addr=10.0.0.0/8,user=git]:permitrootlogin", "yes", 0, NULL);
        readings[SCOPE_SYSCTL] = &sysctl;
        readings[SCOPE_SSHD] = &sshd;
}

static void
teardown(void)
{
        probe_reading_done(&sysctl);
        probe_reading_done(&sshd);
}

static const char *const verdict_names[SETTING_VERDICT_COUNT] = {
        "met", "not met", "missing", "unknown", "not applicable"};

static int
note(void *userdata, const char *item, enum setting_verdict verdict, const struct probe_setting *actual,
        const char *reason)
{
        struct buf *told = userdata;
        ck_assert_int_eq(
                buf_printf(told, "%s%s %s", told->size ? "; " : "", verdict_names[verdict], item), 0);
        if (actual && strcmp(actual->item, item) != 0)
                ck_assert_int_eq(buf_printf(told, " by %s", actual->item), 0);
        if (reason)
                ck_assert_int_eq(buf_printf(told, " (%s)", reason), 0);
        return 0;
}

static char *
judged(const char *line)
{
        struct buf told = {0};
        struct setting setting;
        struct err err = {0};
        _cleanup_free_ char *words = strdup(line);
        ck_assert_msg(setting_parse(words, &setting, &err) == 0, "%s: %s", line, err.text);
        ck_assert_int_eq(setting_judge(&setting, readings, 0, note, &told), 0);
        return buf_steal(&told);
}

static const struct {
        const char *line, *told;
} cases[] = {
        {"sysctl:kernel/a eq 1", "met sysctl:kernel/a"},
        {"sysctl:kernel/a eq 2", "not met sysctl:kernel/a"},
        {"sysctl:kernel/none eq 2", "missing sysctl:kernel/none"},
        {"sysctl:kernel/none ne 2", "missing sysctl:kernel/none"},
        {"sysctl:kernel/none absent -", "met sysctl:kernel/none"},
        {"sysctl:kernel/a absent -", "not met sysctl:kernel/a"},
        {"sysctl:kernel/a exists -", "met sysctl:kernel/a"},
        {"sysctl:kernel/none exists -", "missing sysctl:kernel/none"},
        {"sysctl:kernel/none eq 2 default=2",
                "met sysctl:kernel/none (it is not there; its default is judged)"},
        {"sysctl:kernel/none eq 2 default=3",
                "not met sysctl:kernel/none (it is not there; its default is judged)"},
        {"sysctl:kernel/a eq 1 default=2", "met sysctl:kernel/a"},
        {"sysctl:kernel/none eq 2 quantifier=all", ""},
        {"sysctl:kernel/a eq 2 quantifier=all", "not met sysctl:kernel/a"},
        {"sysctl:kernel/none eq 2 quantifier=all default=3",
                "not met sysctl:kernel/none (it is not there; its default is judged)"},

        /* What could not be read, or not be compared. */
        {"sysctl:kernel/secret eq 1", "unknown sysctl:kernel/secret (it may not be read)"},
        {"sysctl:kernel/secret ne 1", "unknown sysctl:kernel/secret (it may not be read)"},
        {"sysctl:kernel/secret exists -", "unknown sysctl:kernel/secret (it may not be read)"},
        {"sysctl:kernel/secret unreadable EACCES", "met sysctl:kernel/secret"},
        {"sysctl:kernel/secret unreadable EIO", "unknown sysctl:kernel/secret (it may not be read)"},
        {"sysctl:kernel/a unreadable EIO", "not met sysctl:kernel/a"},
        {"sysctl:kernel/none unreadable EIO", "missing sysctl:kernel/none"},
        {"sysctl:kernel/bad ge 1",
                "unknown sysctl:kernel/bad (\"word\" cannot be compared by ge with \"1\")"},
        {"openssl:floor ge TLSv1.2", "unknown openssl:floor"},
        {"openssl:* ge TLSv1.2 quantifier=any", "unknown openssl:*"},

        /* Globs. */
        {"sysctl:net/conf/*/r eq 0",
                "met sysctl:net/conf/all/r; not met sysctl:net/conf/eth0/r; met sysctl:net/conf/lo/r"},
        {"sysctl:net/conf/*/r eq 0 quantifier=all",
                "met sysctl:net/conf/all/r; not met sysctl:net/conf/eth0/r; met sysctl:net/conf/lo/r"},
        {"sysctl:net/conf/*/s eq 0", ""},
        {"sysctl:net/conf/*/s eq 0 quantifier=all", ""},
        {"sysctl:net/conf/lo/? eq 0",
                "met sysctl:net/conf/lo/r; unknown sysctl:net/conf/lo/x (an input error)"},
        {"sshd**:permitrootlogin in no",
                "met sshd:permitrootlogin; not met sshd[addr=10.0.0.0/8,user=git]:permitrootlogin"},
        {"sshd**:banner ne none default=none",
                "not met sshd**:banner (it is not there; its default is judged)"},

        {"sysctl:net/conf/*/r eq 1 quantifier=any", "met sysctl:net/conf/eth0/r"},
        {"sysctl:net/conf/*/r eq 2 quantifier=any", "not met sysctl:net/conf/*/r (none of the 3 that match)"},
        {"sysctl:net/conf/*/s eq 1 quantifier=any", "missing sysctl:net/conf/*/s"},
        {"sysctl:net/conf/*/s eq 1 quantifier=any default=1",
                "met sysctl:net/conf/*/s (it is not there; its default is judged)"},
        {"sysctl:net/conf/lo/* eq 0 quantifier=any", "met sysctl:net/conf/lo/r"},
        {"sysctl:net/conf/lo/* eq 1 quantifier=any",
                "unknown sysctl:net/conf/lo/* by sysctl:net/conf/lo/x (an input error)"},
        {"sysctl:net/conf/*/r exists - quantifier=any", "met sysctl:net/conf/all/r"},

        {"sysctl:net/conf/*/r eq 2 quantifier=none", "met sysctl:net/conf/*/r (none of the 3 that match)"},
        {"sysctl:net/conf/*/r eq 1 quantifier=none", "not met sysctl:net/conf/*/r by sysctl:net/conf/eth0/r"},
        {"sysctl:net/conf/*/s eq 1 quantifier=none", "met sysctl:net/conf/*/s"},
        {"sysctl:net/conf/*/s exists - quantifier=none", "met sysctl:net/conf/*/s"},
        {"sysctl:net/conf/lo/* eq 1 quantifier=none",
                "unknown sysctl:net/conf/lo/* by sysctl:net/conf/lo/x (an input error)"},
        {"sysctl:net/conf/lo/* eq 0 quantifier=none", "not met sysctl:net/conf/lo/* by sysctl:net/conf/lo/r"},
        {"sysctl:kernel/none eq 1 quantifier=none default=1",
                "not met sysctl:kernel/none (it is not there; its default is judged)"},

        /* Conditions. */
        {"sysctl:kernel/a eq 1 if=sysctl:kernel/a\\x20eq\\x201", "met sysctl:kernel/a"},
        {"sysctl:kernel/a eq 1 if=sysctl:kernel/a\\x20eq\\x202", "not applicable sysctl:kernel/a"},
        {"sysctl:kernel/a eq 1 if=sysctl:kernel/none\\x20eq\\x202", "not applicable sysctl:kernel/a"},
        {"sysctl:kernel/a eq 1 if=sysctl:kernel/none\\x20absent\\x20-", "met sysctl:kernel/a"},
        {"sysctl:kernel/a eq 1 if=sysctl:kernel/**\\x20absent\\x20-", "not applicable sysctl:kernel/a"},
        {"sysctl:kernel/a eq 1 if=sysctl:kernel/secret\\x20absent\\x20-", "not applicable sysctl:kernel/a"},
        {"sysctl:kernel/a eq 1 if=sysctl:net/conf/*/r\\x20eq\\x201", "met sysctl:kernel/a"},
        {"sysctl:kernel/a eq 1 if=sysctl:kernel/secret\\x20eq\\x201",
                "unknown sysctl:kernel/a (whether it applies is not known: it may not be read)"},
};

START_TEST(a_line_speaks_for_its_items)
{
        _cleanup_free_ char *told = judged(cases[_i].line);
        ck_assert_msg(strcmp(told, cases[_i].told) == 0, "%s\n  says    %s\n  and not %s", cases[_i].line,
                told, cases[_i].told);
}
END_TEST

static int
stop(void *userdata, const char *item, enum setting_verdict verdict, const struct probe_setting *actual,
        const char *reason)
{
        (void)item, (void)verdict, (void)actual, (void)reason;
        ++*(int *)userdata;
        return 42;
}

START_TEST(who_listens_can_end_it)
{
        static char words[] = "sysctl:net/conf/*/r eq 0";
        struct setting setting;
        int calls = 0;
        ck_assert_int_eq(setting_parse(words, &setting, NULL), 0);
        ck_assert_int_eq(setting_judge(&setting, readings, 0, stop, &calls), 42);
        ck_assert_int_eq(calls, 1);
}
END_TEST

START_TEST(a_reading_without_items_is_no_failed_one)
{
        struct probe_reading empty = {0};
        readings[SCOPE_OPENSSL] = &empty;
        _cleanup_free_ char *missing = judged("openssl:floor ge TLSv1.2"), *none = judged("openssl:** eq 1");
        ck_assert_str_eq(missing, "missing openssl:floor");
        ck_assert_str_eq(none, "");
        readings[SCOPE_OPENSSL] = NULL;
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("setting_judge");
        TCase *all = tcase_create("all");
        tcase_add_checked_fixture(all, setup, teardown);
        tcase_add_loop_test(all, a_line_speaks_for_its_items, 0, (int)(sizeof cases / sizeof *cases));
        tcase_add_test(all, who_listens_can_end_it);
        tcase_add_test(all, a_reading_without_items_is_no_failed_one);
        suite_add_tcase(suite, all);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
