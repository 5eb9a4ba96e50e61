/* SPDX-License-Identifier: MIT */
/* Packs: how one is read, what is wrong with one that is not, what it makes of a baseline, and its judgement.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/policy.h"

#define HEAD "[policy]\nname = p\ntitle = A pack\nversion = 3\n"
#define CHECK "[check a]\nitem = sysctl:kernel/a\noperator = ge\nvalue = 1\nreason = because\n"

static struct policy *
parsed(const char *text)
{
        struct policy *policy = NULL;
        struct err err = {0};
        ck_assert_msg(
                policy_parse("p.ini", text, strlen(text), &policy, &err) == 0, "%s (%s)", err.text, err.hint);
        return policy;
}

/* ---- reading ---- */

START_TEST(a_pack_is_read)
{
        static const char text[] = HEAD "[check first]\n"
                                        "item = sysctl:net/ipv4/conf/*/rp_filter@effective ; a comment\n"
                                        "operator = in\n"
                                        "value = 1\n"
                                        "value = 2\n"
                                        "applies_if = sysctl:net/ipv4/ip_forward eq 0\n"
                                        "severity = high\n"
                                        "control = NIST-800-53:SC-7\n"
                                        "control = NIST-800-53:CM-6\n"
                                        "reason = Forged senders; they are dropped.\n"
                                        "[check second]\n"
                                        "item = sysctl:kernel/a\n"
                                        "operator = ge\n"
                                        "value = 1\n"
                                        "default_if_absent = 0\n"
                                        "reason = because\n";
        size_t n;
        _cleanup_(policy_freep) struct policy *policy = parsed(text);
        ck_assert_str_eq(policy_name(policy), "p");
        ck_assert_str_eq(policy_title(policy), "A pack");
        ck_assert_uint_eq(policy_version(policy), 3);
        const struct policy_check *checks = policy_checks(policy, &n);
        ck_assert_uint_eq(n, 2);
        ck_assert_str_eq(checks[0].name, "first");
        ck_assert_str_eq(checks[0].value, "1 2");
        ck_assert_str_eq(checks[0].reason, "Forged senders; they are dropped.");
        ck_assert_str_eq(checks[0].line.value, "1\\x202");
        ck_assert_str_eq(checks[0].line.condition, "sysctl:net/ipv4/ip_forward\\x20eq\\x200");
        ck_assert_str_eq(checks[0].line.controls, "NIST-800-53:CM-6 NIST-800-53:SC-7");
        ck_assert_int_eq(checks[0].line.severity, SEVERITY_HIGH);
        ck_assert(!checks[0].after_restart); /* it is worked out from others */
        ck_assert(checks[1].after_restart);
        ck_assert_int_eq(checks[1].line.severity, SEVERITY_MEDIUM);
        ck_assert(policy_needs(policy, SCOPE_SYSCTL));
        ck_assert(!policy_needs(policy, SCOPE_SSHD));
}
END_TEST

static const struct {
        const char *keys, *lines;
} second_lines[] = {
        {"", "set sysctl:kernel/a ge 1 severity=medium reason=r\n"
             "set sysctl:kernel/a@after_restart ge 1 quantifier=all severity=medium reason=r\n"},
        {"after_restart = no\n", "set sysctl:kernel/a ge 1 severity=medium reason=r\n"},
        {"quantifier = none\n",
                "set sysctl:kernel/a ge 1 quantifier=none severity=medium reason=r\n"
                "set sysctl:kernel/a@after_restart ge 1 quantifier=none severity=medium reason=r\n"},
        {"quantifier = any\n", "set sysctl:kernel/a ge 1 quantifier=any severity=medium reason=r\n"},
        {"default_if_absent = 0\napplies_if = sysctl:b absent\n",
                "set sysctl:kernel/a ge 1 default=0 if=sysctl:b\\x20absent\\x20- severity=medium reason=r\n"
                "set sysctl:kernel/a@after_restart ge 1 quantifier=all if=sysctl:b\\x20absent\\x20- "
                "severity=medium reason=r\n"},
};

START_TEST(a_check_of_a_sysctl_speaks_of_the_next_restart_too)
{
        _cleanup_buf_ struct buf text = {0}, lines = {0};
        ck_assert_int_eq(buf_printf(&text,
                                 HEAD "[check a]\nitem = sysctl:kernel/a\noperator = ge\nvalue = 1\nreason = "
                                      "r\n%s",
                                 second_lines[_i].keys),
                0);
        _cleanup_(policy_freep) struct policy *policy = parsed(text.data);
        ck_assert_int_eq(policy_settings(policy, &lines), 0);
        ck_assert_str_eq(lines.data, second_lines[_i].lines);
}
END_TEST

START_TEST(values_are_raw_and_lines_are_escaped)
{
        _cleanup_buf_ struct buf lines = {0};
        _cleanup_(policy_freep) struct policy *policy = parsed(
                HEAD "[check a]\nitem = sshd:a\noperator = regex\nvalue = 1\\.[0-9] x\nreason = a \"b\"\n"
                     "applies_if = sshd:b  eq  a b\n"
                     "[check b]\nitem = sshd:b\noperator = ne\nvalue =\nreason = r\n"
                     "[check c]\nitem = sshd:*users\noperator = exists\nquantifier = any\nreason = r\n");
        ck_assert_int_eq(policy_settings(policy, &lines), 0);
        ck_assert_str_eq(lines.data,
                "set sshd:*users exists - quantifier=any severity=medium reason=r\n"
                "set sshd:a regex 1\\x5c.[0-9]\\x20x if=sshd:b\\x20eq\\x20a\\x5cx20b severity=medium "
                "reason=a\\x20\"b\"\n"
                "set sshd:b ne \\x00 severity=medium reason=r\n");
}
END_TEST

/* Each mistake, the words, and what would be right. */
static const struct {
        const char *text, *words, *right;
} mistakes[] = {
        {"", "p.ini:1: the pack has no [policy]", "[policy]"},
        {HEAD, "p.ini:1: the pack checks nothing", "[check NAME]"},
        {CHECK, "p.ini:1: [check\\x20a] stands before [policy]", "start the pack with [policy]"},
        {HEAD HEAD, "p.ini:5: there is another [policy]", "one [policy]"},
        {"[policy]\nname = p\ntitle = t\n" CHECK, "p.ini:1: [policy] has no version", "version = 1"},
        {"[policy]\nname = a b\ntitle = t\nversion = 1\n" CHECK, "p.ini:2: \"a\\x20b\" cannot be", "name ="},
        {"[policy]\nname = p\ntitle =\nversion = 1\n" CHECK, "p.ini:3: the title is empty", "title ="},
        {"[policy]\nname = p\ntitle = t\nversion = 01\n" CHECK, "p.ini:4: \"01\" is not a number", "version"},
        {"[policy]\nnmae = p\n", "p.ini:2: there is no key \"nmae\" in [policy]", "did you mean name?"},
        {HEAD "[checks a]\n", "p.ini:5: there is no section [checks\\x20a]", "[check NAME]"},
        {HEAD "[check a/b]\n", "p.ini:5: \"a/b\" cannot be a check's name", "letters"},
        {HEAD CHECK CHECK, "p.ini:10: [check a] stands in line 5 already", "a name of its own"},
        {HEAD CHECK "[check b]\nitem = sysctl:kernel/a\noperator = ge\nvalue = 1\nreason = x\n",
                "p.ini:10: [check b] says what [check a] in line 5 says", "take one"},
        {HEAD "[check a]\nitem = sysctl:a\noperator = ge\nvalue = 1\n", "p.ini:5: [check a] has no reason",
                "reason ="},
        {HEAD "[check a]\noperator = ge\nvalue = 1\nreason = r\n", "p.ini:5: [check a] has no item",
                "item ="},
        {HEAD CHECK "colour = red\n", "p.ini:10: there is no key \"colour\"", "driftd-policy(5)"},
        {HEAD CHECK "operater = eq\n", "p.ini:10: there is no key \"operater\"", "did you mean operator?"},
        {HEAD CHECK "operator = eq\n", "p.ini:10: operator stands in line 7 already", "take one"},
        {HEAD CHECK "value = 2\n", "p.ini:10: ge takes one value", "go over several lines"},
        {HEAD CHECK "severity = urgent\n", "p.ini:10: there is no severity \"urgent\"",
                "high, medium or low"},
        {HEAD CHECK "quantifier = most\n", "p.ini:10: there is no quantifier \"most\"", "all, any or none"},
        {HEAD CHECK "default_if_absent = none\n", "p.ini:10: ge cannot be asked about the default \"none\"",
                "as the software"},
        {HEAD CHECK "applies_if = sysctl:b\n", "p.ini:10: \"set ITEM OPERATOR VALUE\" is expected",
                "applies_if ="},
        {HEAD CHECK "applies_if = openssl:b eq 1\n", "p.ini:10: a condition is of the domain",
                "applies_if ="},
        {HEAD CHECK "applies_if = nginx:b eq 1\n", "p.ini:10: there is no domain \"nginx\"", "applies_if ="},
        {HEAD CHECK "applies_if = sysctl:b ge x\n", "p.ini:10: \"x\" does not fit ge", "applies_if ="},
        {HEAD CHECK "after_restart = maybe\n", "p.ini:10: after_restart is not \"maybe\"", "yes or no"},
        {HEAD CHECK "quantifier = any\nafter_restart = yes\n",
                "p.ini:11: what nothing configures has no value", "leave it out"},
        {HEAD CHECK "control = A B\n", "p.ini:10: \"A\\x20B\" is no control", "NIST-800-53:CM-6"},
        {HEAD CHECK "control = A\ncontrol = A\n", "p.ini:11: a control stands twice", "control ="},
        {HEAD "[check a]\nitem = nginx:a\noperator = eq\nvalue = 1\nreason = r\n",
                "p.ini:6: there is no domain \"nginx\"", "item ="},
        {HEAD "[check a]\nitem = file:/a\noperator = eq\nvalue = 1\nreason = r\n",
                "p.ini:6: \"file:/a\" is no setting", "item ="},
        {HEAD "[check a]\nitem = sysctl:a\noperator = gte\nvalue = 1\nreason = r\n",
                "p.ini:7: there is no operator \"gte\"", "operator ="},
        {HEAD "[check a]\nitem = sysctl:a\noperator = ge\nvalue = one\nreason = r\n",
                "p.ini:8: \"one\" does not fit ge", "value ="},
        {HEAD "[check a]\nitem = sysctl:a\noperator = ge\nreason = r\n", "p.ini:5: [check a] has no value",
                "value ="},
        {HEAD "[check a]\nitem = sysctl:a\noperator = exists\nvalue = yes\nreason = r\n",
                "p.ini:8: \"yes\" does not fit exists", "value ="},
        {HEAD "[check a]\nitem = sysctl:a*\noperator = exists\nreason = r\n", "p.ini:5: [check a]: whatever",
                "change the item"},
        {HEAD "[check a]\nitem = sysctl:a\noperator = ge\nvalue = 1\nreason =\n",
                "p.ini:9: the reason is empty", "reason ="},
        {HEAD "[check a]\nitem = sshd:a\noperator = ge\nvalue = 1\nreason = r\nafter_restart = yes\n",
                "p.ini:10: only of sysctl keys", "leave it out"},
        {HEAD "[check a]\nitem = sshd:a\noperator = regex\nvalue = (((((a+)+)+)+)+)+)+\nreason = r\n",
                "p.ini:8: \"(((((a+)+)+)+)+)+)+\" does not fit regex", "value ="},
        {HEAD "[check a]\n item = sysctl:a\n", "p.ini:6: the line is indented", "left edge"},
};

START_TEST(a_mistake_is_told_with_its_line_and_what_is_right)
{
        struct policy *policy = NULL;
        struct err err = {0};
        const char *text = mistakes[_i].text;
        int r = policy_parse("p.ini", text, strlen(text), &policy, &err);
        ck_assert_int_eq(r, -EINVAL);
        ck_assert_msg(strncmp(err.text, mistakes[_i].words, strlen(mistakes[_i].words)) == 0,
                "\"%s\" is not \"%s\"", err.text, mistakes[_i].words);
        ck_assert_msg(strstr(err.hint, mistakes[_i].right) != NULL, "%s: \"%s\" has no \"%s\"", err.text,
                err.hint, mistakes[_i].right);
}
END_TEST

/* ---- the packs that ship ---- */

static int
is_pack(const struct dirent *entry)
{
        size_t size = strlen(entry->d_name);
        return size > 4 && strcmp(entry->d_name + size - 4, ".ini") == 0;
}

START_TEST(each_pack_that_ships_makes_a_baseline_that_opens)
{
        static const char header[] = "driftd-baseline 1\nname %s\nhost *\ngeneration 1\nparent none\ncreated "
                                     "2026-11-23T18:00:00Z\nexpires never\nauthor bob\nticket none\nclass "
                                     "standard\n\n";
        struct dirent **entries;
        int n = scandir("baselines", &entries, is_pack, alphasort);
        ck_assert_int_ge(n, 3);
        for (int i = 0; i < n; i++) {
                _cleanup_(policy_freep) struct policy *policy = NULL;
                _cleanup_(baseline_freep) struct baseline *baseline = NULL;
                struct buf text = {0};
                char path[512];
                struct err err = {0};
                size_t n_checks, n_settings, size;
                snprintf(path, sizeof path, "baselines/%s", entries[i]->d_name);
                ck_assert_msg(policy_load(path, &policy, &err) == 0, "%s", err.text);
                ck_assert_int_eq(
                        strncmp(entries[i]->d_name, policy_name(policy), strlen(policy_name(policy))), 0);
                ck_assert_int_eq(buf_printf(&text, header, policy_name(policy)), 0);
                ck_assert_int_eq(policy_settings(policy, &text), 0);
                size = text.size;
                ck_assert_msg(baseline_open(buf_steal(&text), size, &baseline, &err) == 0, "%s", err.text);
                policy_checks(policy, &n_checks);
                baseline_settings(baseline, &n_settings);
                ck_assert_uint_ge(n_settings, n_checks);
                free(entries[i]);
        }
        free(entries);
}
END_TEST

START_TEST(a_pack_that_is_not_there_is_said_so)
{
        struct policy *policy = NULL;
        struct err err = {0};
        ck_assert_int_eq(policy_load("baselines/none.ini", &policy, &err), -ENOENT);
        ck_assert_ptr_nonnull(strstr(err.text, "baselines/none.ini"));
}
END_TEST

/* ---- judging ---- */

static void
add(struct probe_reading *reading, const char *item, const char *value, const char *reason)
{
        struct probe_setting setting = {.item = strdup(item),
                .value = value ? strdup(value) : NULL,
                .reason = reason ? strdup(reason) : NULL};
        ck_assert_int_eq(probe_add(reading, &setting), 0);
}

#define JUDGED(name, item, op, value)                                                                        \
        "[check " name "]\nitem = " item "\noperator = " op "\nvalue = " value "\nreason = r\n"

static const char judged_text[] = HEAD JUDGED("pass", "sysctl:good", "eq", "1") JUDGED("fail", "sysctl:bad",
        "eq", "1") JUDGED("missing", "sysctl:none", "eq", "1") JUDGED("reboot", "sysctl:reverts", "eq", "1")
        JUDGED("unreadable", "sysctl:secret", "eq", "1") JUDGED("domain", "openssl:floor", "ge", "TLSv1.2")
                JUDGED("unseen", "sshd:a", "eq", "1") JUDGED("some", "sysctl:m/*/x", "eq", "1") JUDGED(
                        "nothing", "sysctl:n/*/x", "eq", "1") JUDGED("other", "sysctl:good", "ne",
                        "2") "applies_if = sysctl:bad eq 1\n" JUDGED("waived", "sysctl:w/*/x", "eq", "1")
                        JUDGED("waived_unknown", "sysctl:u/*/x", "eq", "1")
                                JUDGED("late", "sysctl:late", "eq", "1")
                                        JUDGED("none", "sysctl:m/*/x", "eq", "2") "quantifier = none\n";

/* In the order of the checks: the outcome and what its findings say. */
static const struct {
        const char *name, *outcome, *findings;
} expected[] = {
        {"pass", "pass", "met sysctl:good=1"},
        {"fail", "fail", "not sysctl:bad=0"},
        {"missing", "fail", "missing sysctl:none"},
        {"reboot", "fail",
                "met sysctl:reverts=1; not sysctl:reverts@after_restart=0 from /etc/sysctl.conf:3"},
        {"unreadable", "unknown", "unknown sysctl:secret (it may not be read)"},
        {"domain", "unknown", "unknown openssl:floor (the helper did not answer)"},
        {"unseen", "unknown", "unknown sshd:a (it was not looked at)"},
        {"some", "fail", "met sysctl:m/a/x=1; not sysctl:m/b/x=2; unknown sysctl:m/c/x (gone)"},
        {"nothing", "not_applicable", ""},
        {"other", "not_applicable", "n/a sysctl:good"},
        {"waived", "waived", "met sysctl:w/a/x=1; not sysctl:w/b/x=2 by bob"},
        {"waived_unknown", "unknown", "not sysctl:u/a/x=2 by bob; unknown sysctl:u/b/x (gone)"},
        {"late", "fail", "not sysctl:late=2"},
        {"none", "fail", "not sysctl:m/*/x=2 (sysctl:m/b/x does); met sysctl:m/*/x@after_restart"},
};

static void
describe(const struct policy_result *result, struct buf *ret)
{
        static const char *const words[] = {"met", "not", "missing", "unknown", "n/a"};
        for (size_t i = 0; i < result->n_findings; i++) {
                const struct policy_finding *f = &result->findings[i];
                int r = buf_printf(ret, "%s%s %s", i ? "; " : "", words[f->verdict], f->item);
                if (f->value)
                        r = buf_printf(ret, "=%s", f->value);
                if (f->source)
                        r = buf_printf(ret, " from %s", f->source);
                if (f->reason)
                        r = buf_printf(ret, " (%s)", f->reason);
                if (f->waiver)
                        r = buf_printf(ret, " by %s", f->waiver->by);
                ck_assert_int_eq(r, 0);
        }
}

START_TEST(a_pack_is_judged_check_by_check)
{
        static const struct waiver waivers[] = {
                {"p", "sysctl:w/**", 100, "bob", "r"}, {"p", "sysctl:u/**", 100, "bob", "r"},
                {"p", "sysctl:late", 50, "bob", "r"}, /* ended */
                {"q", "sysctl:bad", 100, "bob", "r"}, /* of another baseline */
        };
        struct probe_reading sysctl = {0};
        add(&sysctl, "sysctl:bad", "0", NULL);
        add(&sysctl, "sysctl:good", "1", NULL);
        add(&sysctl, "sysctl:late", "2", NULL);
        add(&sysctl, "sysctl:m/a/x", "1", NULL);
        add(&sysctl, "sysctl:m/b/x", "2", NULL);
        add(&sysctl, "sysctl:m/c/x", NULL, "gone");
        add(&sysctl, "sysctl:reverts", "1", NULL);
        add(&sysctl, "sysctl:reverts@after_restart", "0", NULL);
        sysctl.list[sysctl.count - 1].source = strdup("/etc/sysctl.conf:3");
        add(&sysctl, "sysctl:secret", NULL, "it may not be read");
        add(&sysctl, "sysctl:u/a/x", "2", NULL);
        add(&sysctl, "sysctl:u/b/x", NULL, "gone");
        add(&sysctl, "sysctl:w/a/x", "1", NULL);
        add(&sysctl, "sysctl:w/b/x", "2", NULL);
        struct policy_host host = {.waivers = waivers, .n_waivers = 4, .now_ms = 60};
        host.readings[SCOPE_SYSCTL] = &sysctl;
        host.failures[SCOPE_OPENSSL] = "the helper did not answer";

        _cleanup_(policy_freep) struct policy *policy = parsed(judged_text);
        struct policy_result *results;
        size_t n;
        const struct policy_check *checks = policy_checks(policy, &n);
        ck_assert_uint_eq(n, sizeof expected / sizeof *expected);
        ck_assert_int_eq(policy_judge(policy, &host, &results), 0);
        for (size_t i = 0; i < n; i++) {
                _cleanup_buf_ struct buf said = {0};
                describe(&results[i], &said);
                ck_assert_str_eq(checks[i].name, expected[i].name);
                ck_assert_msg(strcmp(policy_outcome_names[results[i].outcome], expected[i].outcome) == 0,
                        "%s: %s (%s)", checks[i].name, policy_outcome_names[results[i].outcome], said.data);
                ck_assert_str_eq(said.data ? said.data : "", expected[i].findings);
        }
        policy_results_free(results, n);
        probe_reading_done(&sysctl);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))

int
main(void)
{
        Suite *suite = suite_create("policy");
        TCase *reading = tcase_create("reading"), *judging = tcase_create("judging");
        tcase_add_test(reading, a_pack_is_read);
        tcase_add_loop_test(
                reading, a_check_of_a_sysctl_speaks_of_the_next_restart_too, 0, COUNT(second_lines));
        tcase_add_test(reading, values_are_raw_and_lines_are_escaped);
        tcase_add_loop_test(reading, a_mistake_is_told_with_its_line_and_what_is_right, 0, COUNT(mistakes));
        tcase_add_test(reading, each_pack_that_ships_makes_a_baseline_that_opens);
        tcase_add_test(reading, a_pack_that_is_not_there_is_said_so);
        suite_add_tcase(suite, reading);
        tcase_add_test(judging, a_pack_is_judged_check_by_check);
        suite_add_tcase(suite, judging);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
