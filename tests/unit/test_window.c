/* SPDX-License-Identifier: MIT */
/* Windows and expected change sets as texts: one form, refused with its line, and no bit of them to be had.
 */
#include "approval_help.h"

#include "core/trust.h"
#include "core/window.h"

#define ID "17ba26340c438ad3d321a468e13c92053778a5756d045992cad408986ce4fde4"
#define WINDOW                                                                                               \
        "driftd-window 1\nhost " HOST "\nbaseline host 12 " ID                                               \
        "\nby alice\nticket CHG-1\nclass normal\nfrom 2026-11-23T18:00:00Z\nuntil 2026-11-23T20:00:00Z\n"    \
        "record no\nexpect none\n"
#define ITEMS "item file:/etc/ssh\nitem sysctl:net/**\n"
#define FROM_MS (HELP_AT_MS - 4 * 60000)
#define HOUR_MS ((int64_t)3600 * 1000)

static struct err err;

static int
open_text(const char *text, struct window **ret)
{
        err = (struct err){0};
        char *copy = strdup(text);
        ck_assert_ptr_nonnull(copy);
        return window_open(copy, strlen(text), ret, &err);
}

/* Replaces the first `from` in a window's text. */
static char *
with(const char *text, const char *from, const char *to)
{
        char *made = NULL;
        const char *at = strstr(text, from);
        ck_assert_ptr_nonnull(at);
        ck_assert_int_ge(asprintf(&made, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)), 0);
        return made;
}

static void
refused(const char *text, const char *words)
{
        struct window *window = NULL;
        ck_assert_msg(open_text(text, &window) == WINDOW_MALFORMED, "taken: %s", text);
        ck_contains(err.text, words);
}

START_TEST(a_window_says_what_its_text_says)
{
        struct window *window = NULL;
        struct buf again = {0};
        ck_assert_msg(open_text(WINDOW ITEMS, &window) == 0, "%s", err.text);
        ck_assert_str_eq(window->host, HOST);
        ck_assert_str_eq(window->by, "alice");
        ck_assert_str_eq(window->ticket, "CHG-1");
        ck_assert_uint_eq(window->generation, 12);
        ck_assert_int_eq(window->from_ms, FROM_MS);
        ck_assert_int_eq(window->until_ms - window->from_ms, 2 * HOUR_MS);
        ck_assert_uint_eq(window->items.count, 2);
        ck_assert(!window->record && !window->has_expect);
        ck_ok(window_write(window, &again, &err));
        ck_assert_uint_eq(again.size, window->size);
        ck_assert_int_eq(memcmp(again.data, window->text, again.size), 0);
        buf_done(&again);
        window_free(window);
}
END_TEST

START_TEST(it_holds_what_changed_in_its_time_and_items)
{
        struct window *window = NULL;
        ck_ok(open_text(WINDOW ITEMS, &window));
        ck_assert(window_holds(window, "file:/etc/ssh/sshd_config", FROM_MS));
        ck_assert(window_holds(window, "sysctl:net/ipv4/ip_forward", FROM_MS + 1));
        ck_assert(!window_holds(window, "file:/etc/sshx", FROM_MS));
        ck_assert(!window_holds(window, "file:/etc/ssh/a", FROM_MS - 1));
        ck_assert(!window_holds(window, "file:/etc/ssh/a", FROM_MS + 2 * HOUR_MS));
        window_free(window);
        ck_ok(open_text(WINDOW, &window));
        ck_assert(window_holds(window, "openssl:any", FROM_MS));
        window_free(window);
}
END_TEST

START_TEST(another_form_is_refused_with_its_line)
{
        static const struct {
                const char *from, *to, *words;
        } rows[] = {
                {"driftd-window 1", "driftd-window 2", "line 1"},
                {"host " HOST, "host " HOST "0", "line 2"},
                {"host " HOST, "host *", "line 3"},
                {"host 12", "host 0", "line 3"},
                {"host 12", "host 012", "one form"},
                {"baseline host", "baseline web", "line 3"},
                {"baseline host 12 " ID, "baseline any", "line 3"},
                {"by alice", "by -alice", "line 4"},
                {"ticket CHG-1", "ticket none", "line 5"},
                {"ticket CHG-1", "ticket a b", "line 5"},
                {"ticket CHG-1", "ticket ", "line 5"},
                {"class normal", "class big", "line 6"},
                {"18:00:00Z", "18:00:00+00:00", "line 7"},
                {"20:00:00Z", "18:00:00Z", "ends after it begins"},
                {"2026-11-23T20:00:00Z", "2026-11-30T18:00:01Z", "seven days"},
                {"record no", "record maybe", "line 9"},
                {"expect none", "expect " ID "0", "line 10"},
                {"record no\nexpect none", "record yes\nexpect " ID, "is given none"},
                {"item file:/etc/ssh", "item /etc/ssh", "line 11"},
                {"item file:/etc/ssh", "item file:/etc/ssh/", "line 11"},
                {"item file:/etc/ssh", "item sysctl:net/**", "line 12: the items are not sorted"},
                {"item file:/etc/ssh", "item sysctl:net/z", "not sorted"},
                {"item file:/etc/ssh", "", "line 11"},
                {"net/**\n", "net/**", "ends with a newline"},
                {"net/**\n", "net/**\n\n", "line 13"},
        };
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                char *text = with(WINDOW ITEMS, rows[i].from, rows[i].to);
                refused(text, rows[i].words);
                free(text);
        }
        refused("", "line 1");
}
END_TEST

START_TEST(seven_days_are_not_too_long)
{
        struct window *window = NULL;
        char *text = with(WINDOW, "2026-11-23T20:00:00Z", "2026-11-30T18:00:00Z");
        ck_ok(open_text(text, &window));
        window_free(window);
        free(text);
}
END_TEST

START_TEST(any_host_goes_with_any_generation)
{
        struct window *window = NULL;
        char *text = with(WINDOW, HOST "\nbaseline host 12 " ID, "*\nbaseline any");
        ck_assert_msg(open_text(text, &window) == 0, "%s", err.text);
        ck_assert_uint_eq(window->generation, 0);
        window_free(window);
        free(text);
}
END_TEST

START_TEST(there_are_no_more_items_than_the_limit)
{
        struct buf text = {0};
        ck_ok(buf_text(&text, WINDOW));
        for (unsigned i = 0; i <= WINDOW_ITEMS_MAX; i++)
                ck_ok(buf_printf(&text, "item file:/%06u\n", i));
        refused(text.data, "line 4107: more items");
        buf_done(&text);
}
END_TEST

/* ---- who signs ---- */

static struct trust *
trust_of(const char *rest)
{
        struct trust *trust = NULL;
        struct buf text = {0};
        ck_ok(buf_text(&text, "[trust]\ngeneration = 1\nparent = none\n[approver alice]\nkey = "));
        key_line("alice", &text);
        ck_ok(buf_text(&text, "\n[approver bob]\nkey = "));
        key_line("bob", &text);
        ck_ok(buf_printf(&text, "\n[baseline host]\napprovers = alice bob\n%s", rest));
        ck_assert_msg(trust_parse("t", text.data, text.size, &trust, &err) == 0, "%s", err.text);
        buf_done(&text);
        return trust;
}

static void
sign_window(const char *text, const char *by, const char *name_space, struct buf *ret)
{
        struct approval_subject subject = {.window = true};
        digest_bytes(text, strlen(text), &subject.id);
        approve_as(by, by, name_space, &subject, 1, ret);
}

static int
judge(const struct trust *trust, const char *text, const char *by, bool urgent, const struct buf *approvals)
{
        static struct trust_verdict verdict;
        struct digest id;
        digest_bytes(text, strlen(text), &id);
        err = (struct err){0};
        return trust_judge_window(
                trust, &id, "host", by, urgent, approvals->data, approvals->size, &verdict, &err);
}

START_TEST(the_threshold_of_host_counts_people)
{
        struct trust *two = trust_of("threshold = 2\nurgent_threshold = 1\nreview_within = 72h\n");
        struct buf approvals = {0};
        sign_window(WINDOW, "alice", SSHSIG_NAMESPACE_WINDOW, &approvals);
        ck_assert_int_eq(judge(two, WINDOW, "alice", false, &approvals), TRUST_TOO_FEW);
        ck_contains(err.text, "1 of 2 approvals (alice)");
        ck_assert_int_eq(judge(two, WINDOW, "alice", true, &approvals), 0);
        sign_window(WINDOW, "alice", SSHSIG_NAMESPACE_WINDOW, &approvals);
        ck_assert_int_eq(judge(two, WINDOW, "alice", false, &approvals), TRUST_TOO_FEW);
        ck_contains(err.text, "counted already");
        sign_window(WINDOW, "bob", SSHSIG_NAMESPACE_WINDOW, &approvals);
        ck_assert_int_eq(judge(two, WINDOW, "alice", false, &approvals), 0);
        buf_done(&approvals);
        trust_free(two);
}
END_TEST

START_TEST(whoever_makes_it_may_not_count)
{
        struct trust *strict = trust_of("threshold = 1\nauthor_counts = no\n");
        struct buf approvals = {0};
        sign_window(WINDOW, "alice", SSHSIG_NAMESPACE_WINDOW, &approvals);
        ck_assert_int_eq(judge(strict, WINDOW, "alice", false, &approvals), TRUST_TOO_FEW);
        ck_assert_int_eq(judge(strict, WINDOW, "bob", false, &approvals), 0);
        buf_done(&approvals);
        trust_free(strict);
}
END_TEST

START_TEST(a_signature_for_another_purpose_or_text_is_nothing)
{
        struct trust *one = trust_of("threshold = 1\n");
        struct buf approvals = {0};
        sign_window(WINDOW, "alice", SSHSIG_NAMESPACE_APPROVAL, &approvals);
        ck_assert_int_eq(judge(one, WINDOW, "alice", false, &approvals), TRUST_TOO_FEW);
        ck_contains(err.text, "made for another purpose");
        buf_clear(&approvals);
        sign_window(WINDOW ITEMS, "alice", SSHSIG_NAMESPACE_WINDOW, &approvals);
        ck_assert_int_eq(judge(one, WINDOW, "alice", false, &approvals), TRUST_TOO_FEW);
        ck_contains(err.text, "for something else");
        buf_clear(&approvals);
        sign_window(WINDOW, "carol", SSHSIG_NAMESPACE_WINDOW, &approvals);
        ck_assert_int_eq(judge(one, WINDOW, "alice", false, &approvals), TRUST_TOO_FEW);
        ck_contains(err.text, "does not list");
        buf_done(&approvals);
        trust_free(one);
}
END_TEST

START_TEST(no_bit_can_be_flipped)
{
        struct trust *one = trust_of("threshold = 1\n");
        struct buf approvals = {0};
        char text[] = WINDOW "item file:/e\n";
        sign_window(text, "alice", SSHSIG_NAMESPACE_WINDOW, &approvals);
        ck_assert_int_eq(judge(one, text, "alice", false, &approvals), 0);
        for (size_t bit = 0; bit < 8 * strlen(text); bit++) {
                struct window *window = NULL;
                char *flipped = strdup(text);
                size_t size = strlen(text);
                flipped[bit / 8] = (char)(flipped[bit / 8] ^ 1 << bit % 8);
                struct digest id;
                struct trust_verdict *verdict = calloc(1, sizeof *verdict);
                digest_bytes(flipped, size, &id);
                int r = window_open(flipped, size, &window, NULL);
                if (r == 0)
                        r = trust_judge_window(one, &id, "host", window->by, window->class == CLASS_URGENT,
                                approvals.data, approvals.size, verdict, NULL);
                ck_assert_msg(r > 0, "bit %zu of the text makes no difference", bit);
                window_free(window);
                free(verdict);
        }
        for (size_t bit = 0; bit < 8 * approvals.size; bit++) {
                approvals.data[bit / 8] = (char)(approvals.data[bit / 8] ^ 1 << bit % 8);
                ck_assert_msg(judge(one, text, "alice", false, &approvals) > 0,
                        "bit %zu of the approval makes no difference", bit);
                approvals.data[bit / 8] = (char)(approvals.data[bit / 8] ^ 1 << bit % 8);
        }
        buf_done(&approvals);
        trust_free(one);
}
END_TEST

/* ---- its set ---- */

#define SET "driftd-expect 1\nabsent file:/etc/ssh/old\nset sysctl:net/x eq 1\n"

static struct window *
with_set(const char *set, const char *items)
{
        struct window *window = NULL;
        struct digest id;
        char hex[DIGEST_HEX_SIZE], line[128];
        digest_bytes(set, strlen(set), &id);
        digest_hex(&id, hex);
        snprintf(line, sizeof line, "expect %s", hex);
        char *text = with(WINDOW, "expect none", line), *whole = NULL;
        ck_assert_int_ge(asprintf(&whole, "%s%s", text, items), 0);
        ck_assert_msg(open_text(whole, &window) == 0, "%s", err.text);
        free(text);
        free(whole);
        return window;
}

START_TEST(a_window_takes_the_set_it_was_signed_with)
{
        struct window *window = with_set(SET, ITEMS);
        ck_assert_int_eq(window_take_expect(window, strdup("driftd-expect 1\n"), 16, &err), WINDOW_MALFORMED);
        ck_contains(err.text, "not the one");
        ck_ok(window_take_expect(window, strdup(SET), strlen(SET), &err));
        ck_assert_uint_eq(expect_count(window->expect), 2);
        window_free(window);
        window = with_set(SET, "item file:/etc/ssh\n");
        ck_assert_int_eq(window_take_expect(window, strdup(SET), strlen(SET), &err), WINDOW_MALFORMED);
        ck_contains(err.text, "sysctl:net/x, which is no item of the window");
        window_free(window);
        ck_ok(open_text(WINDOW, &window));
        ck_assert_int_eq(window_take_expect(window, strdup(SET), strlen(SET), &err), WINDOW_MALFORMED);
        window_free(window);
}
END_TEST

static void
add_tests(TCase *cases)
{
        tcase_add_test(cases, a_window_says_what_its_text_says);
        tcase_add_test(cases, it_holds_what_changed_in_its_time_and_items);
        tcase_add_test(cases, another_form_is_refused_with_its_line);
        tcase_add_test(cases, seven_days_are_not_too_long);
        tcase_add_test(cases, any_host_goes_with_any_generation);
        tcase_add_test(cases, there_are_no_more_items_than_the_limit);
        tcase_add_test(cases, the_threshold_of_host_counts_people);
        tcase_add_test(cases, whoever_makes_it_may_not_count);
        tcase_add_test(cases, a_signature_for_another_purpose_or_text_is_nothing);
        tcase_add_test(cases, no_bit_can_be_flipped);
        tcase_add_test(cases, a_window_takes_the_set_it_was_signed_with);
}

int
main(void)
{
        return run_suite("window", add_tests);
}
