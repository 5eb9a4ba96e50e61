/* SPDX-License-Identifier: MIT */
/*
 * Settings before the judge: readings made by hand against lines of a baseline, so that each kind of drift,
 * each way to be unknown, and what is told of it can be had.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/config.h" /* scopes_free */
#include "core/judge.h"

#define NOW_MS INT64_C(1800000000000)
#define SCOPE "scope sysctl sysctl path=/proc/sys exclude=vm/** severity=high\n"
#define OPEN_SCOPE "scope sysctl sysctl path=/proc/sys severity=medium closed=no\n"

static struct judge *judge;
static char told[4096]; /* one line an event */

static void
remember(void *userdata, struct judge_event *event)
{
        (void)userdata;
        size_t size = strlen(told);
        snprintf(told + size, sizeof told - size, "%s %s %s\n",
                event->kind == JUDGE_RESOLVED ? (event->as_approved ? "approved" : "reverted")
                                              : change_names[event->drift->change],
                event->drift->item, event->kind == JUDGE_RESOLVED ? "" : event->drift->attributes);
}

static void
setup(void)
{
        told[0] = '\0';
        ck_assert_int_eq(judge_new(remember, NULL, &judge), 0);
}

static void
teardown(void)
{
        judge = judge_free(judge);
}

static struct baseline *
made(const char *name, uint64_t generation, const char *entries)
{
        struct baseline_header header = {
                .host = "*",
                .generation = generation,
                .has_parent = generation > 1,
                .created_ms = NOW_MS,
                .expires_ms = INT64_MAX,
                .author = "alice",
                .class = CLASS_NORMAL,
        };
        struct buf text = {0};
        struct baseline *baseline = NULL;
        struct err err = {0};
        snprintf(header.name, sizeof header.name, "%s", name);
        ck_assert_int_eq(baseline_header_append(&header, &text), 0);
        ck_assert_int_eq(buf_text(&text, entries), 0);
        size_t size = text.size;
        int r = baseline_open(buf_steal(&text), size, &baseline, &err);
        ck_assert_msg(r == 0, "%s\n%s", err.text, entries);
        return baseline;
}

static void
active(uint64_t generation, const char *entries)
{
        struct baseline *list[] = {made("host", generation, entries)};
        ck_assert_int_eq(judge_set(judge, list, 1, false, NULL), 0);
}

/* ---- looks ---- */

struct seen {
        const char *item, *value; /* value NULL: unreadable, with error */
        int error;
        bool derived;
        const char *configured, *source, *after_restart;
};

static char *
copied(const char *text)
{
        return text ? strdup(text) : NULL;
}

static struct scope *probes;
static size_t n_probes;

static void
look_named(const struct seen *list, bool named)
{
        struct probe_reading reading = {0};
        ck_assert_int_eq(judge_probes(judge, &probes, &n_probes), 0);
        ck_assert_uint_eq(n_probes, 1);
        for (; list->item; list++) {
                struct probe_setting setting = {
                        .item = copied(list->item),
                        .value = copied(list->value),
                        .reason = list->value ? NULL : copied("it cannot be read"),
                        .error = list->error,
                        .derived = list->derived,
                        .configured = copied(list->configured),
                        .source = copied(list->source),
                        .after_restart = copied(list->after_restart),
                };
                ck_assert_int_eq(probe_add(&reading, &setting), 0);
        }
        struct settings_look look = {
                .scope = &probes[0], .reading = &reading, .named = named, .now_ms = NOW_MS};
        ck_assert_int_eq(judge_observe_settings(judge, &look), 0);
        probe_reading_done(&reading);
        scopes_free(probes, n_probes);
}

#define IS(name, is, ...)                                                                                    \
        {                                                                                                    \
                .item = (name), .value = (is), ##__VA_ARGS__                                                 \
        }
#define FAILS(name, errno_of)                                                                                \
        {                                                                                                    \
                .item = (name), .error = (errno_of)                                                          \
        }
#define LOOK(...) look_named((const struct seen[]){__VA_ARGS__, {0}}, false)

static void
look_fails(const char *why)
{
        ck_assert_int_eq(judge_probes(judge, &probes, &n_probes), 0);
        struct settings_look look = {.scope = &probes[0], .failed = why, .now_ms = NOW_MS};
        ck_assert_int_eq(judge_observe_settings(judge, &look), 0);
        scopes_free(probes, n_probes);
}

static void
expect_told(const char *lines)
{
        ck_assert_str_eq(told, lines);
        told[0] = '\0';
}

static struct coverage
covered(void)
{
        struct coverage coverage;
        judge_coverage(judge, NOW_MS, &coverage);
        return coverage;
}

#define VALUE(expected, actual) "[{\"name\":\"value\",\"expected\":" expected ",\"actual\":" actual "}]"

/* ---- tests ---- */

START_TEST(a_value_is_as_expected_or_changed_and_comes_back)
{
        active(1, SCOPE "set sysctl:net/ipv4/ip_forward eq 0\n");
        ck_assert_uint_eq(covered().settings, 1);
        ck_assert_str_eq(covered().settings_where, "sysctl: not looked at yet");
        LOOK(IS("sysctl:net/ipv4/ip_forward", "0"));
        expect_told("");
        ck_assert_uint_eq(covered().settings, 0);
        ck_assert_uint_eq(covered().verified, 1);
        LOOK(IS("sysctl:net/ipv4/ip_forward", "1"));
        expect_told("changed sysctl:net/ipv4/ip_forward " VALUE("\"0\"", "\"1\"") "\n");
        LOOK(IS("sysctl:net/ipv4/ip_forward", "1"));
        expect_told("");
        LOOK(IS("sysctl:net/ipv4/ip_forward", "2"));
        expect_told("changed sysctl:net/ipv4/ip_forward " VALUE("\"0\"", "\"2\"") "\n");
        LOOK(IS("sysctl:net/ipv4/ip_forward", "0"));
        expect_told("reverted sysctl:net/ipv4/ip_forward \n");
}
END_TEST

START_TEST(what_is_not_there_is_missing_and_what_nobody_expects_unexpected)
{
        active(1, SCOPE "set sysctl:a/b eq 0\n");
        LOOK(IS("sysctl:a/c", "x y"), IS("sysctl:vm/excluded", "1"),
                IS("sysctl:a/c@effective", "1", .derived = true));
        expect_told("missing sysctl:a/b " VALUE("\"0\"", "null") "\n"
                                                                 "unexpected sysctl:a/c " VALUE(
                                                                         "null", "\"x y\"") "\n");
        LOOK(IS("sysctl:a/b", "0"));
        ck_assert_ptr_nonnull(strstr(told, "reverted sysctl:a/b"));
        ck_assert_ptr_nonnull(strstr(told, "reverted sysctl:a/c"));
}
END_TEST

START_TEST(what_cannot_be_read_is_unknown_unless_that_is_expected)
{
        active(1, SCOPE "set sysctl:a eq 0\nset sysctl:b unreadable EIO\n");
        LOOK(FAILS("sysctl:a", EACCES), FAILS("sysctl:b", EIO));
        expect_told("unknown sysctl:a []\n");
        ck_assert_uint_eq(covered().verified, 1);
        ck_assert_uint_eq(covered().settings, 0);
        ck_assert_uint_eq(covered().settings_unknown, 1);
        LOOK(IS("sysctl:a", "0"), IS("sysctl:b", "1"));
        ck_assert_ptr_nonnull(strstr(told, "changed sysctl:b " VALUE("\"unreadable EIO\"", "\"1\"")));
}
END_TEST

START_TEST(a_domain_that_fails_is_not_known_and_alters_no_drift)
{
        active(1, SCOPE "set sysctl:a eq 0\nset sysctl:b eq 0\n");
        LOOK(IS("sysctl:a", "1"), IS("sysctl:b", "0"));
        told[0] = '\0';
        look_fails("/proc is not mounted");
        expect_told("");
        ck_assert_uint_eq(covered().settings, 2);
        ck_assert_str_eq(covered().settings_where, "sysctl: /proc is not mounted");
        LOOK(IS("sysctl:a", "1"), IS("sysctl:b", "0"));
        expect_told("");
        ck_assert_uint_eq(covered().verified, 2);
}
END_TEST

START_TEST(a_scope_that_does_not_close_judges_only_what_is_named)
{
        active(1, OPEN_SCOPE "set sysctl:a ge 1 severity=low\nset sysctl:if/*/x eq 0\n");
        LOOK(IS("sysctl:a", "0"), IS("sysctl:if/eth0/x", "0"), IS("sysctl:if/lo/x", "1"),
                IS("sysctl:other", "5"));
        expect_told("changed sysctl:a " VALUE("\"ge 1\"", "\"0\"") "\n"
                                                                   "changed sysctl:if/lo/x " VALUE(
                                                                           "\"0\"", "\"1\"") "\n");
        struct text_list named = {0};
        ck_assert_int_eq(judge_probes(judge, &probes, &n_probes), 0);
        ck_assert_int_eq(judge_named(judge, &probes[0], &named), 0);
        ck_assert_uint_eq(named.count, 2);
        ck_assert_str_eq(named.items[1], "sysctl:if/*/x");
        text_list_done(&named);
        scopes_free(probes, n_probes);
        /* A look that asked for the named alone says all that there is to say of them. */
        look_named((const struct seen[]){IS("sysctl:a", "1"), IS("sysctl:if/lo/x", "1"), {0}}, true);
        expect_told("reverted sysctl:a \n");
}
END_TEST

START_TEST(a_look_at_the_named_says_nothing_of_a_closing_scope)
{
        active(1, SCOPE "set sysctl:a eq 0\n");
        LOOK(IS("sysctl:a", "0"));
        look_named((const struct seen[]){{0}}, true);
        expect_told("");
}
END_TEST

START_TEST(several_lines_of_one_item_are_one_drift)
{
        active(1, OPEN_SCOPE "set sysctl:a ge 1\nset sysctl:a le 5\n");
        LOOK(IS("sysctl:a", "9"));
        expect_told("changed sysctl:a " VALUE("\"le 5\"", "\"9\"") "\n");
        LOOK(IS("sysctl:a", "0"));
        expect_told("changed sysctl:a " VALUE("\"ge 1\"", "\"0\"") "\n");
        LOOK(IS("sysctl:a", "3"));
        expect_told("reverted sysctl:a \n");
}
END_TEST

START_TEST(a_new_generation_approves_and_what_it_no_longer_speaks_of_is_settled)
{
        active(1, SCOPE "set sysctl:a eq 0\nset sysctl:b eq 0\n");
        LOOK(IS("sysctl:a", "1"), IS("sysctl:b", "0"));
        told[0] = '\0';
        active(2, SCOPE "set sysctl:a eq 1\nset sysctl:b eq 0\n");
        ck_assert_uint_eq(covered().settings, 1); /* what a line that is the same said still holds */
        LOOK(IS("sysctl:a", "1"), IS("sysctl:b", "0"));
        expect_told("approved sysctl:a \n");
        LOOK(IS("sysctl:a", "1"), IS("sysctl:b", "7"));
        told[0] = '\0';
        active(3, OPEN_SCOPE "set sysctl:a eq 1\n");
        expect_told("approved sysctl:b \n");
}
END_TEST

static int
check_views(void *userdata, struct drift *drift)
{
        ck_assert_str_eq(drift->views,
                "{\"running\":\"1\",\"configured\":{\"value\":\"0\",\"source\":\"/etc/sysctl.d/"
                "99-hardening.conf:12\"},\"after_restart\":\"0\"}");
        ++*(int *)userdata;
        return 0;
}

START_TEST(views_go_with_a_drift)
{
        active(1, SCOPE "set sysctl:a eq 0\n");
        LOOK(IS("sysctl:a", "1", .configured = "0", .source = "/etc/sysctl.d/99-hardening.conf:12",
                .after_restart = "0"));
        int r = 0, seen = 0;
        ck_assert(judge_find(judge, "host", "sysctl:a", check_views, &seen, &r));
        ck_assert_int_eq(seen, 1);
}
END_TEST

static int
check_cause(void *userdata, struct drift *drift)
{
        const char *cause = userdata;
        if (*cause)
                ck_assert_str_eq(drift->cause, cause);
        else
                ck_assert_ptr_null(drift->cause);
        return 0;
}

START_TEST(what_one_deed_did_is_put_down_to_it)
{
        static char cause[] = "{\"kind\":\"setting\",\"item\":\"sysctl:net/ipv4/ip_forward\"}", none[] = "";
        int r;
        active(1, SCOPE "set sysctl:net/ipv4/conf/lo/forwarding eq 0\nset sysctl:net/ipv4/ip_forward eq "
                        "0\nset sysctl:z eq 0\n");
        LOOK(IS("sysctl:net/ipv4/conf/lo/forwarding", "1"), IS("sysctl:net/ipv4/ip_forward", "1"),
                IS("sysctl:z", "1"));
        ck_assert(judge_find(judge, "host", "sysctl:net/ipv4/conf/lo/forwarding", check_cause, cause, &r));
        ck_assert(judge_find(judge, "host", "sysctl:net/ipv4/ip_forward", check_cause, none, &r));
        ck_assert(judge_find(judge, "host", "sysctl:z", check_cause, none, &r));
        LOOK(IS("sysctl:net/ipv4/conf/lo/forwarding", "1"), IS("sysctl:net/ipv4/ip_forward", "0"),
                IS("sysctl:z", "1"));
        ck_assert(judge_find(judge, "host", "sysctl:net/ipv4/conf/lo/forwarding", check_cause, none, &r));
        /* What a policy finds wrong need not have changed. */
        active(2, OPEN_SCOPE
                "set sysctl:net/ipv4/conf/*/forwarding eq 0\nset sysctl:net/ipv4/ip_forward eq 0\n");
        LOOK(IS("sysctl:net/ipv4/conf/lo/forwarding", "1"), IS("sysctl:net/ipv4/ip_forward", "1"));
        ck_assert(judge_find(judge, "host", "sysctl:net/ipv4/conf/lo/forwarding", check_cause, none, &r));
}
END_TEST

START_TEST(odd_values_are_told_so_that_no_terminal_moves)
{
        active(1, SCOPE "set sysctl:a eq \\x00\n");
        LOOK(IS("sysctl:a", ""));
        expect_told("");
        LOOK(IS("sysctl:a", "a\033[2Jb\\ c\nd\xff"));
        expect_told("changed sysctl:a " VALUE("\"\"", "\"a\\\\x1b[2Jb\\\\x5c c\\\\x0ad\\\\xff\"") "\n");
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("judge of settings");
        TCase *tests = tcase_create("settings");
        tcase_add_checked_fixture(tests, setup, teardown);
        tcase_add_test(tests, a_value_is_as_expected_or_changed_and_comes_back);
        tcase_add_test(tests, what_is_not_there_is_missing_and_what_nobody_expects_unexpected);
        tcase_add_test(tests, what_cannot_be_read_is_unknown_unless_that_is_expected);
        tcase_add_test(tests, a_domain_that_fails_is_not_known_and_alters_no_drift);
        tcase_add_test(tests, a_scope_that_does_not_close_judges_only_what_is_named);
        tcase_add_test(tests, a_look_at_the_named_says_nothing_of_a_closing_scope);
        tcase_add_test(tests, several_lines_of_one_item_are_one_drift);
        tcase_add_test(tests, a_new_generation_approves_and_what_it_no_longer_speaks_of_is_settled);
        tcase_add_test(tests, views_go_with_a_drift);
        tcase_add_test(tests, what_one_deed_did_is_put_down_to_it);
        tcase_add_test(tests, odd_values_are_told_so_that_no_terminal_moves);
        suite_add_tcase(suite, tests);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
