/* SPDX-License-Identifier: MIT */
/* The report: what stands in the page is text, whatever it holds; a period is folded into bars and bounded
 * lists. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "cli/account.h"
#include "cli/html.h"
#include "cli/page.h"
#include "core/clock.h"

#define DAY_MS ((int64_t)86400000)
#define START_MS ((int64_t)20000 * DAY_MS) /* a midnight */

START_TEST(what_comes_from_outside_is_text)
{
        static const struct {
                const char *text, *wanted;
        } rows[] = {
                {"<script>alert('1')</script>", "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;"},
                {"\" onload=\"x", "&quot; onload=&quot;x"},
                {"&amp;", "&amp;amp;"},
                {"\x1b[2J\xff\xe2\x80\xae", "\\x1b[2J\\xff\\xe2\\x80\\xae"},
                {"0 \xe2\x86\x92 1", "0 \xe2\x86\x92 1"},
                {NULL, ""},
        };
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_html_ struct html html = {0};
                html_raw(&html, "<td>");
                html_text(&html, rows[i].text);
                ck_assert(!html.failed);
                ck_assert_str_eq(html.text.data + 4, rows[i].wanted);
        }
}
END_TEST

static struct json *
record(uint64_t seq, int64_t time_ms, const char *kind, const char *member, const char *value)
{
        char time[CLOCK_TEXT_MAX];
        clock_format(time_ms, time);
        struct json *made = json_make("{s:I, s:s, s:s, s:n, s:{s:s}}", "seq", (json_int)seq, "time", time,
                "kind", kind, "item", "detail", member, value);
        ck_assert_ptr_nonnull(made);
        return made;
}

static void
add(struct account *account, uint64_t seq, int64_t time_ms, const char *kind, const char *member,
        const char *value)
{
        _cleanup_json_ struct json *one = record(seq, time_ms, kind, member, value);
        account_add(account, one);
}

START_TEST(drift_falls_into_its_part_of_the_period)
{
        _cleanup_(account_freep) struct account *account =
                account_new(START_MS + 1000, START_MS + 30 * DAY_MS);
        ck_assert_int_eq(account->bar_ms, DAY_MS);
        ck_assert_uint_eq(account->n_bars, 30);
        ck_assert_int_eq(account->bars[0].from_ms, START_MS); /* a day begins at midnight */
        add(account, 5, START_MS + 2000, "drift", "severity", "high");
        add(account, 6, START_MS + DAY_MS - 1, "drift", "severity", "low");
        add(account, 7, START_MS + DAY_MS, "drift", "severity", "low");
        add(account, 8, START_MS + 30 * DAY_MS - 1, "drift", "severity", "medium");
        add(account, 9, START_MS + 30 * DAY_MS - 1, "heartbeat", "x", "y");
        ck_assert_uint_eq(account->bars[0].found[SEVERITY_HIGH], 1);
        ck_assert_uint_eq(account->bars[0].found[SEVERITY_LOW], 1);
        ck_assert_uint_eq(account->bars[1].found[SEVERITY_LOW], 1);
        ck_assert_uint_eq(account->bars[29].found[SEVERITY_MEDIUM], 1);
        ck_assert_uint_eq(account->found[SEVERITY_LOW], 2);
        ck_assert_uint_eq(account->records, 5);
        ck_assert_uint_eq(account->first_seq, 5);
        ck_assert_uint_eq(account->last_seq, 9);
}
END_TEST

START_TEST(any_period_has_few_parts_that_cover_it)
{
        for (int64_t span = 1; span < INT64_MAX / 4; span *= 3) {
                int64_t since = span > START_MS ? 0 : START_MS - span % START_MS;
                _cleanup_(account_freep) struct account *account = account_new(since, since + span);
                ck_assert_uint_ge(account->n_bars, 1);
                ck_assert_uint_le(account->n_bars, ACCOUNT_BARS_MAX);
                ck_assert_int_le(account->bars[0].from_ms, since);
                ck_assert_int_ge(account->bars[account->n_bars - 1].from_ms + account->bar_ms, since + span);
        }
}
END_TEST

START_TEST(lists_keep_the_newest_and_count_all)
{
        _cleanup_(account_freep) struct account *account = account_new(START_MS, START_MS + DAY_MS);
        const struct account_list *list = &account->lists[ACCOUNT_REVERTED];
        for (uint64_t seq = 1; seq <= ACCOUNT_ROWS_MAX + 7; seq++) {
                add(account, seq, START_MS, "resolved", "as", "reverted");
                add(account, seq, START_MS, "resolved", "as", "approved"); /* no finding */
        }
        ck_assert_uint_eq(list->count, ACCOUNT_ROWS_MAX + 7);
        ck_assert_uint_eq(account_kept(list), ACCOUNT_ROWS_MAX);
        ck_assert_int_eq(json_number(account_row(list, 0), "seq"), 8);
        ck_assert_int_eq(json_number(account_row(list, ACCOUNT_ROWS_MAX - 1), "seq"), ACCOUNT_ROWS_MAX + 7);
}
END_TEST

START_TEST(what_the_page_leaves_out_it_says)
{
        _cleanup_(account_freep) struct account *account = account_new(START_MS, START_MS + DAY_MS);
        _cleanup_json_ struct json *status = json_make(
                "{s:s, s:s, s:{s:i}, s:[]}", "host", "h", "verdict", "drift", "open", "high", 3, "problems");
        _cleanup_json_ struct json *drifts = json_make("[{s:s, s:s, s:s}]", "item", "file:/<x>", "severity",
                "high\" onclick=\"x", "change", "changed");
        struct page page = {.account = account, .status = status, .drifts = drifts, .n_drifts = 3};
        _cleanup_buf_ struct buf text = {0};
        for (uint64_t seq = 1; seq <= ACCOUNT_ROWS_MAX + 1; seq++)
                add(account, seq, START_MS, "bless", "baseline", "host");
        ck_assert_int_eq(page_write(&page, &text), 0);
        ck_assert_ptr_nonnull(strstr(text.data, "Open drift: 1 of 3; driftctl diff has them all"));
        ck_assert_ptr_nonnull(strstr(text.data, "the newest 500 of 501; driftctl log has them all"));
        ck_assert_ptr_nonnull(strstr(text.data, "file:/&lt;x&gt;"));
        ck_assert_ptr_null(strstr(text.data, "onclick=\"x"));
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("cli_report");
        TCase *all = tcase_create("all");
        tcase_add_test(all, what_comes_from_outside_is_text);
        tcase_add_test(all, drift_falls_into_its_part_of_the_period);
        tcase_add_test(all, any_period_has_few_parts_that_cover_it);
        tcase_add_test(all, lists_keep_the_newest_and_count_all);
        tcase_add_test(all, what_the_page_leaves_out_it_says);
        suite_add_tcase(suite, all);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
