/* SPDX-License-Identifier: MIT */
/* What the history proves of the time that it covers. Times are minutes. */
#include "core/coverage.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"

#define MINUTE 60000
#define START_MS INT64_C(1700000000000)
#define ID "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static struct coverage_fold *fold;
static struct coverage_result result;
static uint64_t seq;
static int64_t last_beat;

static int64_t
at(int64_t minutes)
{
        return START_MS + minutes * MINUTE;
}

static void
begin(int64_t since, int64_t until)
{
        struct err err;
        fold = coverage_free(fold);
        seq = 1; /* (a fold that does not begin with the history says nothing of what was in force before) */
        ck_assert_int_eq(digest_setup(), 0);
        ck_assert_int_eq(coverage_new(since < 0 ? 0 : at(since), at(until), &fold, &err), 0);
}

static void
record(int64_t minutes, const char *kind, const char *detail)
{
        char body[512];
        snprintf(body, sizeof body, "{\"detail\":%s}", detail);
        seq++;
        struct record r = {.seq = seq, .time_ms = at(minutes), .kind = kind, .body = body};
        ck_assert_int_eq(coverage_take(fold, &r), 0);
        last_beat = minutes;
}

/* Heartbeats, every ten minutes up to a time. */
static void
run_until(int64_t minutes)
{
        while (last_beat + 10 <= minutes)
                record(last_beat + 10, "heartbeat", "{}");
}

static void
gap_record(int64_t from, int64_t to)
{
        char detail[128], text[CLOCK_TEXT_MAX];
        clock_format(at(from), text);
        snprintf(detail, sizeof detail, "{\"from\":\"%s\"}", text);
        record(to, "gap", detail);
}

static void
scan(int64_t minutes, const char *pass, int64_t took, bool complete, int lost)
{
        char detail[128];
        snprintf(detail, sizeof detail, "{\"pass\":\"%s\",\"ms\":%lld,\"complete\":%s,\"watches_lost\":%d}",
                pass, (long long)took * MINUTE, complete ? "true" : "false", lost);
        record(minutes, "scan", detail);
}

static void
finish(int64_t alive)
{
        struct err err;
        ck_assert_int_eq(coverage_finish(fold, alive < 0 ? 0 : at(alive), &result, &err), 0);
}

/* "0-10 stopped, …" in minutes from the start */
static void
assert_gaps(const char *wanted)
{
        struct buf text = {0};
        buf_text(&text, "");
        for (size_t i = 0; i < result.n_gaps; i++)
                buf_printf(&text, "%s%lld-%lld %s", i ? ", " : "",
                        (long long)(result.gaps[i].from_ms - START_MS) / MINUTE,
                        (long long)(result.gaps[i].until_ms - START_MS) / MINUTE,
                        coverage_reasons[result.gaps[i].reason]);
        ck_assert_str_eq(text.data, wanted);
        buf_done(&text);
}

static void
assert_watched(int64_t minutes)
{
        ck_assert_int_eq(result.watched_ms / MINUTE, minutes);
}

static void
teardown(void)
{
        fold = coverage_free(fold);
}

START_TEST(a_time_with_heartbeats_has_no_gap)
{
        begin(-1, 100);
        record(0, "start", "{}");
        run_until(100);
        finish(100);
        assert_gaps("");
        assert_watched(100);
        ck_assert_uint_eq(result.heartbeats, 9); /* the tenth is at the end, which is not included */
}
END_TEST

START_TEST(the_period_begins_with_the_first_start_where_nothing_else_is_asked)
{
        begin(-1, 100);
        record(0, "bless", "{\"baseline\":\"host\",\"generation\":1,\"id\":\"" ID "\"}");
        record(50, "start", "{}");
        run_until(95);
        finish(100);
        assert_gaps("");
        assert_watched(50);
        ck_assert_uint_eq(result.n_baselines, 1);
}
END_TEST

START_TEST(before_the_first_start_nothing_is_proved)
{
        begin(10, 100);
        record(0, "bless", "{}");
        record(50, "start", "{}");
        run_until(95);
        finish(100);
        assert_gaps("10-50 no_history");
        assert_watched(50);
        begin(10, 100);
        finish(100);
        assert_gaps("10-100 no_history");
        assert_watched(0);
}
END_TEST

START_TEST(a_stop_is_a_gap_to_the_next_start)
{
        begin(-1, 200);
        record(0, "start", "{}");
        run_until(50);
        record(55, "stop", "{}");
        gap_record(55, 80);
        record(80, "start", "{}");
        run_until(195);
        finish(200);
        assert_gaps("55-80 stopped");
        assert_watched(175);
}
END_TEST

START_TEST(a_crash_is_a_gap_from_the_last_mark_of_life)
{
        begin(-1, 200);
        record(0, "start", "{}");
        run_until(50);
        gap_record(57, 80);
        record(80, "start", "{}");
        run_until(195);
        finish(200);
        assert_gaps("57-80 not_running");
}
END_TEST

/* A mark of life is no record: where it is further off than a heartbeat can be, it proves nothing. */
START_TEST(a_beginning_that_no_record_proves_is_not_believed)
{
        begin(-1, 200);
        record(0, "start", "{}");
        run_until(50);
        gap_record(79, 80);
        record(80, "start", "{}");
        run_until(195);
        finish(200);
        assert_gaps("50-80 not_running");
        begin(-1, 200);
        record(0, "start", "{}");
        run_until(50);
        record(80, "start", "{}"); /* no gap record at all */
        run_until(195);
        finish(200);
        assert_gaps("50-80 not_running");
}
END_TEST

START_TEST(what_driftctl_records_meanwhile_proves_no_watching)
{
        begin(-1, 200);
        record(0, "start", "{}");
        record(5, "stop", "{}");
        record(50, "bless", "{}");
        record(60, "bless", "{}");
        record(80, "start", "{}");
        run_until(195);
        finish(200);
        assert_gaps("5-80 stopped");
}
END_TEST

START_TEST(silence_is_a_gap)
{
        begin(-1, 300);
        record(0, "start", "{}");
        run_until(50);
        record(65, "heartbeat", "{}"); /* as late as may be */
        record(130, "heartbeat", "{}");
        run_until(290);
        finish(300);
        assert_gaps("65-130 silent");
}
END_TEST

START_TEST(a_clock_that_was_set_is_no_silence)
{
        begin(-1, 300);
        record(0, "start", "{}");
        run_until(50);
        record(175, "clock_jump", "{\"by_ms\":7200000}");
        run_until(295);
        finish(300);
        assert_gaps("");
        begin(-1, 300);
        record(0, "start", "{}");
        run_until(50);
        record(175, "clock_jump", "{\"by_ms\":3600000}"); /* an hour more than it was set by */
        run_until(295);
        finish(300);
        assert_gaps("110-175 silent");
        begin(-1, 100);
        record(0, "start", "{}");
        run_until(60);
        record(10, "clock_jump", "{\"by_ms\":-3000000}");
        run_until(95);
        finish(100);
        assert_gaps("");
}
END_TEST

/* Stopped, and the clock set back while nobody watches, and forth again afterwards. */
START_TEST(a_clock_that_was_set_back_hides_no_gap)
{
        begin(-1, 400);
        record(0, "start", "{}");
        run_until(120);
        record(120, "stop", "{}");
        record(119, "clock_jump", "{\"by_ms\":-10860000}"); /* three hours and a minute */
        gap_record(120, 119);
        record(119, "start", "{}");
        record(301, "clock_jump", "{\"by_ms\":10860000}");
        run_until(395);
        finish(400);
        assert_gaps("0-119 stopped"); /* of the three hours before the start all that is in the period */
        begin(-1, 400);
        record(200, "start", "{}");
        record(210, "watch_lost", "{}");
        record(150, "clock_jump", "{\"by_ms\":-3600000}");
        scan(160, "quick", 1, true, 0);
        run_until(395);
        finish(400);
        ck_assert_uint_eq(result.n_gaps, 0); /* all before the first start of the period */
        begin(0, 400);
        record(0, "start", "{}");
        run_until(210);
        record(210, "watch_lost", "{}");
        record(150, "clock_jump", "{\"by_ms\":-3600000}");
        scan(160, "quick", 1, true, 0);
        run_until(395);
        finish(400);
        assert_gaps("150-160 watch_lost");
}
END_TEST

/* Killed, and driftctl writes records until the next start, which knows when the last sign of life was. */
START_TEST(records_of_driftctl_after_a_kill_prove_no_watching)
{
        begin(-1, 100);
        record(0, "start", "{}");
        run_until(20);
        record(34, "ack", "{}");
        record(48, "ack", "{}");
        gap_record(21, 60);
        record(60, "start", "{}");
        run_until(95);
        finish(100);
        assert_gaps("21-60 not_running");
}
END_TEST

START_TEST(before_the_first_baseline_nothing_was_expected)
{
        begin(0, 100);
        seq = 0;
        record(0, "start", "{}");
        run_until(30);
        record(35, "bless", "{\"baseline\":\"host\",\"generation\":1,\"id\":\"" ID "\"}");
        run_until(95);
        finish(100);
        assert_gaps("0-35 no_baseline");
        assert_watched(65);
        begin(0, 100);
        seq = 0;
        record(0, "start", "{}");
        run_until(95);
        finish(100);
        assert_gaps("0-100 no_baseline");
}
END_TEST

START_TEST(lost_events_are_a_gap_until_a_pass_that_began_later)
{
        begin(-1, 100);
        record(0, "start", "{}");
        record(10, "overflow", "{}");
        record(11, "overflow", "{}");
        scan(12, "quick", 5, true, 0);  /* began before */
        scan(14, "quick", 1, false, 0); /* not complete */
        scan(15, "quick", 1, true, 0);
        run_until(95);
        finish(100);
        assert_gaps("10-15 overflow");
        assert_watched(95);
        ck_assert_uint_eq(result.quick, 2);
        ck_assert_uint_eq(result.incomplete, 1);
}
END_TEST

START_TEST(a_lost_watch_is_a_gap_until_a_pass_finds_none)
{
        begin(-1, 100);
        record(0, "start", "{}");
        record(10, "watch_lost", "{}");
        scan(15, "quick", 1, true, 3);
        scan(25, "quick", 1, true, 0);
        run_until(95);
        finish(100);
        assert_gaps("10-25 watch_lost");
        begin(-1, 100);
        record(0, "start", "{}");
        record(10, "watch_lost", "{}");
        run_until(95);
        finish(100);
        assert_gaps("10-100 watch_lost");
}
END_TEST

START_TEST(reasons_at_the_same_time_count_once)
{
        begin(-1, 100);
        record(0, "start", "{}");
        record(10, "watch_lost", "{}");
        record(20, "overflow", "{}");
        record(30, "stop", "{}");
        record(50, "start", "{}");
        run_until(95);
        finish(100);
        assert_gaps("10-30 watch_lost, 20-30 overflow, 30-50 stopped");
        assert_watched(60);
}
END_TEST

START_TEST(the_end_is_proved_by_the_last_record_or_by_who_runs)
{
        begin(-1, 100);
        record(0, "start", "{}");
        run_until(50);
        finish(-1);
        assert_gaps("50-100 not_running");
        begin(-1, 100);
        record(0, "start", "{}");
        run_until(95);
        finish(100);
        assert_gaps("");
        begin(-1, 100);
        record(0, "start", "{}");
        run_until(50);
        finish(100); /* it says that it runs, and has not written for long */
        assert_gaps("50-100 silent");
        begin(-1, 100);
        record(0, "start", "{}");
        run_until(50);
        record(51, "stop", "{}");
        finish(-1);
        assert_gaps("51-100 stopped");
}
END_TEST

START_TEST(gaps_are_cut_to_the_period)
{
        begin(30, 60);
        record(0, "start", "{}");
        record(10, "stop", "{}");
        record(40, "start", "{}");
        run_until(50);
        record(55, "stop", "{}");
        record(90, "start", "{}");
        finish(100);
        assert_gaps("30-40 stopped, 55-60 stopped");
        assert_watched(15);
}
END_TEST

START_TEST(the_longest_time_without_a_full_pass_is_told)
{
        begin(-1, 300);
        record(0, "start", "{}");
        scan(5, "full", 5, true, 0);
        run_until(100);
        scan(105, "full", 5, true, 0);
        run_until(290);
        finish(300);
        ck_assert_int_eq(result.without_full_ms / MINUTE, 195);
        ck_assert_int_eq(result.last_full_ms, at(105));
        ck_assert_uint_eq(result.full, 2);
}
END_TEST

START_TEST(baselines_in_force_are_told_with_their_times)
{
        static const char detail[] = "{\"baseline\":\"%s\",\"generation\":%d,\"id\":\"" ID "\"}";
        char text[256];
        begin(30, 100);
        record(0, "start", "{}");
        for (int i = 1; i <= 4; i++) {
                snprintf(text, sizeof text, detail, "host", i);
                record(i * 14, "bless", text);
        }
        snprintf(text, sizeof text, detail, "cis", 1);
        record(60, "adopted", text);
        run_until(95);
        record(101, "bless", text);
        finish(100);
        ck_assert_uint_eq(result.n_baselines, 4);
        ck_assert_uint_eq(result.baselines[0].generation, 2); /* the first was replaced before the period */
        struct json *document = coverage_document(&result, "host id");
        const struct json *list = json_member(document, "baselines");
        ck_assert_str_eq(json_text(json_at(list, 0), "until"), json_text(json_at(list, 1), "from"));
        ck_assert(json_is_null(json_member(json_at(list, 3), "until")));
        ck_assert(json_flag(json_at(list, 3), "adopted"));
        json_free(document);
}
END_TEST

START_TEST(gaps_past_what_is_kept_are_never_fewer_than_there_were)
{
        begin(-1, 100000);
        record(0, "start", "{}");
        for (int i = 0; i < (int)COVERAGE_GAPS_MAX + 10; i++) {
                record(10 + 10 * i, "stop", "{}");
                record(11 + 10 * i, "start", "{}");
        }
        finish(11 + 10 * (COVERAGE_GAPS_MAX + 9));
        ck_assert_uint_eq(result.n_gaps, COVERAGE_GAPS_MAX);
        ck_assert_uint_eq(result.gaps_merged, 11); /* ten, and the time after the last */
        ck_assert_int_eq(result.gaps[COVERAGE_GAPS_MAX - 1].until_ms, at(100000));
}
END_TEST

/* Details that are not what driftd writes must not harm. */
START_TEST(a_detail_that_is_not_ours_is_read_as_nothing)
{
        begin(-1, 100);
        record(0, "start", "{}");
        record(5, "gap", "{\"from\":7}");
        record(6, "scan", "[]");
        record(7, "scan", "{\"pass\":null,\"complete\":\"yes\"}");
        record(8, "bless", "{\"baseline\":\"host\"}");
        record(9, "clock_jump", "null");
        record(10, "start", "{}");
        run_until(95);
        finish(100);
        ck_assert_uint_eq(result.n_baselines, 0);
        assert_gaps("0-10 not_running");
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("coverage");
        TCase *tests = tcase_create("coverage");
        tcase_add_checked_fixture(tests, NULL, teardown);
        tcase_add_test(tests, a_time_with_heartbeats_has_no_gap);
        tcase_add_test(tests, the_period_begins_with_the_first_start_where_nothing_else_is_asked);
        tcase_add_test(tests, before_the_first_start_nothing_is_proved);
        tcase_add_test(tests, a_stop_is_a_gap_to_the_next_start);
        tcase_add_test(tests, a_crash_is_a_gap_from_the_last_mark_of_life);
        tcase_add_test(tests, a_beginning_that_no_record_proves_is_not_believed);
        tcase_add_test(tests, what_driftctl_records_meanwhile_proves_no_watching);
        tcase_add_test(tests, silence_is_a_gap);
        tcase_add_test(tests, a_clock_that_was_set_is_no_silence);
        tcase_add_test(tests, a_clock_that_was_set_back_hides_no_gap);
        tcase_add_test(tests, records_of_driftctl_after_a_kill_prove_no_watching);
        tcase_add_test(tests, before_the_first_baseline_nothing_was_expected);
        tcase_add_test(tests, lost_events_are_a_gap_until_a_pass_that_began_later);
        tcase_add_test(tests, a_lost_watch_is_a_gap_until_a_pass_finds_none);
        tcase_add_test(tests, reasons_at_the_same_time_count_once);
        tcase_add_test(tests, the_end_is_proved_by_the_last_record_or_by_who_runs);
        tcase_add_test(tests, gaps_are_cut_to_the_period);
        tcase_add_test(tests, the_longest_time_without_a_full_pass_is_told);
        tcase_add_test(tests, baselines_in_force_are_told_with_their_times);
        tcase_add_test(tests, gaps_past_what_is_kept_are_never_fewer_than_there_were);
        tcase_add_test(tests, a_detail_that_is_not_ours_is_read_as_nothing);
        suite_add_tcase(suite, tests);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
