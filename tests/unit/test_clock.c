/* SPDX-License-Identifier: MIT */
/* Times and durations as text: strict where they are signed, kind where a person types them. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"

#define NOON INT64_C(1795435200000) /* 2026-11-23T12:00:00Z */

static void
set_zone(const char *zone)
{
        setenv("TZ", zone, 1);
        tzset();
}

static int64_t
human(const char *text)
{
        struct err err = {0};
        int64_t ms = -1;
        int r = clock_parse_human(text, NOON, &ms, &err);
        ck_assert_msg(r == 0, "\"%s\" was refused: %s", text, err.text);
        return ms;
}

static int64_t
seconds(const char *text)
{
        int64_t ms = -1;
        ck_assert_msg(clock_parse_seconds(text, strlen(text), &ms) == 0, "\"%s\" was refused", text);
        return ms;
}

START_TEST(a_time_is_written_in_utc_whatever_the_zone)
{
        char text[CLOCK_TEXT_MAX];
        set_zone("CET-1CEST");
        clock_format(NOON + 7, text);
        ck_assert_str_eq(text, "2026-11-23T12:00:00.007Z");
        clock_format_seconds(NOON + 999, text);
        ck_assert_str_eq(text, "2026-11-23T12:00:00Z");
        clock_format(0, text);
        ck_assert_str_eq(text, "1970-01-01T00:00:00.000Z");
        clock_format(-1, text);
        ck_assert_str_eq(text, "1969-12-31T23:59:59.999Z");
}
END_TEST

START_TEST(times_that_four_digits_cannot_hold_are_written_as_the_nearest)
{
        char text[CLOCK_TEXT_MAX];
        clock_format(INT64_MAX, text);
        ck_assert_str_eq(text, "9999-12-31T23:59:59.999Z");
        clock_format(INT64_MIN, text);
        ck_assert_str_eq(text, "1000-01-01T00:00:00.000Z");
}
END_TEST

START_TEST(what_is_written_is_read_back)
{
        char text[CLOCK_TEXT_MAX];
        static const int64_t times[] = {0, NOON, INT64_C(951782400000), INT64_C(253402300799000)};
        for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
                clock_format_seconds(times[i], text);
                ck_assert_int_eq(seconds(text), times[i]);
        }
}
END_TEST

START_TEST(signed_times_have_one_form)
{
        static const char *const refused[] = {
                "2026-11-23T12:00:00.0Z",
                "2026-11-23T12:00:00+00:00",
                "2026-11-23t12:00:00Z",
                "2026-11-23T12:00:00z",
                "2026-11-23 12:00:00Z",
                "2026-11-23T12:00:0Z",
                "2026-11-23T12:00:60Z",
                "2026-11-23T24:00:00Z",
                "2026-02-29T00:00:00Z",
                "2026-13-01T00:00:00Z",
                "2026-00-01T00:00:00Z",
                "2026-04-31T00:00:00Z",
                "2026-11-00T00:00:00Z",
                "1969-12-31T23:59:59Z",
                "+026-11-23T12:00:00Z",
                "2026-11-23T12:00:00Z ",
                "",
                "2026-11-23T12:-1:00Z",
                "2100-02-29T00:00:00Z",
        };
        int64_t ms = 42;
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
                ck_assert_msg(clock_parse_seconds(refused[i], strlen(refused[i]), &ms) == -EINVAL,
                        "\"%s\" was taken", refused[i]);
        ck_assert_int_eq(ms, 42);
        ck_assert_int_eq(clock_parse_seconds("2026-11-23T12:00:0\0Z", 20, &ms), -EINVAL);
        seconds("2000-02-29T00:00:00Z");
        seconds("2028-02-29T00:00:00Z");
}
END_TEST

START_TEST(people_write_rfc_3339)
{
        set_zone("CET-1CEST");
        ck_assert_int_eq(human("2026-11-23T12:00:00Z"), NOON);
        ck_assert_int_eq(human("2026-11-23t12:00:00z"), NOON);
        ck_assert_int_eq(human("2026-11-23T12:00:00.5Z"), NOON + 500);
        ck_assert_int_eq(human("2026-11-23T12:00:00.1234567Z"), NOON + 123);
        ck_assert_int_eq(human("2026-11-23T14:00:00+02:00"), NOON);
        ck_assert_int_eq(human("2026-11-23T06:30:00-05:30"), NOON);
        ck_assert_int_eq(human("2026-11-23 12:00:00Z"), NOON);
}
END_TEST

START_TEST(without_a_zone_it_is_local_time)
{
        set_zone("CET-1CEST");
        ck_assert_int_eq(human("2026-11-23"), seconds("2026-11-22T23:00:00Z"));
        ck_assert_int_eq(human("2026-07-01"), seconds("2026-06-30T22:00:00Z"));
        ck_assert_int_eq(human("2026-11-23T13:00:00"), NOON);
        ck_assert_int_eq(human("2026-11-23 13:00"), NOON);
        set_zone("UTC0");
        ck_assert_int_eq(human("2026-11-23"), seconds("2026-11-23T00:00:00Z"));
}
END_TEST

START_TEST(words_are_days_of_the_local_calendar)
{
        set_zone("CET-1CEST");
        ck_assert_int_eq(human("now"), NOON);
        ck_assert_int_eq(human("today"), seconds("2026-11-22T23:00:00Z"));
        ck_assert_int_eq(human("yesterday"), seconds("2026-11-21T23:00:00Z"));
        ck_assert_int_eq(human("tomorrow"), seconds("2026-11-23T23:00:00Z"));
}
END_TEST

START_TEST(a_day_of_25_hours_is_one_day)
{
        struct err err;
        int64_t ms;
        set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
        /* Noon of the day after the clocks went back. */
        ck_assert_int_eq(clock_parse_human("yesterday", seconds("2026-10-26T11:00:00Z"), &ms, &err), 0);
        ck_assert_int_eq(ms, seconds("2026-10-24T22:00:00Z"));
}
END_TEST

START_TEST(relative_times_count_from_now)
{
        ck_assert_int_eq(human("-90s"), NOON - 90000);
        ck_assert_int_eq(human("-15m"), NOON - INT64_C(900000));
        ck_assert_int_eq(human("-2h"), NOON - INT64_C(7200000));
        ck_assert_int_eq(human("+90d"), NOON + INT64_C(90) * 86400000);
        ck_assert_int_eq(human("+1w"), NOON + INT64_C(604800000));
}
END_TEST

START_TEST(what_is_no_time_is_refused_with_examples)
{
        static const char *const refused[] = {
                "",
                "2h",
                "-h",
                "-2",
                "--2h",
                "-2h ",
                "-2H",
                "2026-02-30",
                "2026-11-23T25:00:00Z",
                "23.11.2026",
                "2026-11-23T12",
                "2026-11-23T12:00:00.Z",
                "2026-11-23T12:00:00+2",
                "2026-11-23T12:00:00+24:00",
                "Yesterday",
                "-99999999999999999999h",
                "+200000000d",
                "2026-11-23x",
        };
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
                struct err err = {0};
                int64_t ms = 42;
                ck_assert_msg(clock_parse_human(refused[i], NOON, &ms, &err) == -EINVAL, "\"%s\" was taken",
                        refused[i]);
                ck_assert_int_eq(ms, 42);
                ck_assert_ptr_nonnull(strstr(err.text, "is not a time"));
                ck_assert_ptr_nonnull(strstr(err.hint, "yesterday"));
        }
}
END_TEST

START_TEST(a_hostile_time_is_escaped_in_the_words)
{
        struct err err = {0};
        int64_t ms;
        ck_assert_int_eq(clock_parse_human("\x1b[2J", NOON, &ms, &err), -EINVAL);
        ck_assert_ptr_null(strchr(err.text, '\x1b'));
}
END_TEST

START_TEST(durations_have_a_number_and_a_unit)
{
        static const struct {
                const char *text;
                int64_t seconds;
        } good[] = {
                {"90s", 90}, {"15m", 900}, {"6h", 21600}, {"2d", 172800}, {"1w", 604800}, {"036h", 129600}};
        for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
                int64_t s = 0;
                ck_assert_int_eq(duration_parse(good[i].text, &s, NULL), 0);
                ck_assert_int_eq(s, good[i].seconds);
        }
}
END_TEST

START_TEST(a_duration_of_nothing_or_forever_is_refused)
{
        static const char *const refused[] = {"0s", "0h", "", "h", "6", "6 h", "6H", "-6h", "+6h", "1.5h",
                "6hh", "6min", "99999999999999999999s", "9223372036854775807w", "40000d"};
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
                struct err err = {0};
                int64_t s = 42;
                ck_assert_msg(
                        duration_parse(refused[i], &s, &err) == -EINVAL, "\"%s\" was taken", refused[i]);
                ck_assert_int_eq(s, 42);
                ck_assert_ptr_nonnull(strstr(err.hint, "6h"));
        }
}
END_TEST

START_TEST(durations_are_written_in_their_largest_whole_unit)
{
        static const struct {
                int64_t seconds;
                const char *text;
        } good[] = {{21600, "6h"}, {604800, "1w"}, {172800, "2d"}, {90, "90s"}, {900, "15m"}, {129600, "36h"},
                {0, "0s"}};
        for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
                char text[CLOCK_TEXT_MAX];
                duration_format(good[i].seconds, text);
                ck_assert_str_eq(text, good[i].text);
        }
}
END_TEST

START_TEST(ages_are_described_in_two_units_at_most)
{
        static const struct {
                int64_t ms;
                const char *text;
        } good[] = {
                {-5, "under 1 s"},
                {0, "under 1 s"},
                {59999, "59 s"},
                {180000, "3 min"},
                {INT64_C(18720000), "5 h 12 min"},
                {INT64_C(18000000), "5 h"},
                {INT64_C(187200000), "2 d 4 h"},
                {INT64_C(172800000), "2 d"},
        };
        char text[CLOCK_TEXT_MAX];
        for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
                duration_describe(good[i].ms, text);
                ck_assert_str_eq(text, good[i].text);
        }
        duration_describe(INT64_MAX, text); /* fits, too */
}
END_TEST

START_TEST(the_clocks_go_on)
{
        int64_t a = clock_monotonic_ms(), b = clock_monotonic_ms();
        ck_assert_int_le(a, b);
        ck_assert_int_gt(clock_now_ms(), INT64_C(1600000000000));
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("clock");
        TCase *tc = tcase_create("clock");
        tcase_add_test(tc, a_time_is_written_in_utc_whatever_the_zone);
        tcase_add_test(tc, times_that_four_digits_cannot_hold_are_written_as_the_nearest);
        tcase_add_test(tc, what_is_written_is_read_back);
        tcase_add_test(tc, signed_times_have_one_form);
        tcase_add_test(tc, people_write_rfc_3339);
        tcase_add_test(tc, without_a_zone_it_is_local_time);
        tcase_add_test(tc, words_are_days_of_the_local_calendar);
        tcase_add_test(tc, a_day_of_25_hours_is_one_day);
        tcase_add_test(tc, relative_times_count_from_now);
        tcase_add_test(tc, what_is_no_time_is_refused_with_examples);
        tcase_add_test(tc, a_hostile_time_is_escaped_in_the_words);
        tcase_add_test(tc, durations_have_a_number_and_a_unit);
        tcase_add_test(tc, a_duration_of_nothing_or_forever_is_refused);
        tcase_add_test(tc, durations_are_written_in_their_largest_whole_unit);
        tcase_add_test(tc, ages_are_described_in_two_units_at_most);
        tcase_add_test(tc, the_clocks_go_on);
        suite_add_tcase(suite, tc);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
