/* SPDX-License-Identifier: MIT */
/* Whoever can set the clock must not decide what has expired: steps are recorded, summed, and remembered. */
#include "instance_fixture.h"

#include <inttypes.h>

#include "core/clock.h"

#define MINUTE_MS ((int64_t)60000)
#define HOUR_MS (60 * MINUTE_MS)
#define SLACK_MS (10 * MINUTE_MS) /* what a slow machine may take */

static struct instance *instance;

static void
start(void)
{
        assert_done(instance_open(config, 0, &instance, &why));
        assert_done(instance_start(instance, &why));
}

static void
restart(void)
{
        assert_done(instance_stop(instance, "test", &why));
        instance = instance_free(instance);
        start();
}

static void
clock_setup(void)
{
        fixture_setup("/tmp");
        start();
}

static void
clock_teardown(void)
{
        instance = instance_free(instance);
        fixture_teardown();
}

static void
set_value(const char *key, const char *value)
{
        assert_done(store_begin(instance->store, &why));
        assert_done(store_value_put(instance->store, key, value, &why));
        assert_done(store_commit(instance->store, &why));
}

struct jumps {
        unsigned count;
        json_int by_ms, moved_ms; /* of the newest */
        bool believed;
};

static int
note_jump(void *userdata, const struct record *record)
{
        struct jumps *jumps = userdata;
        struct json *body = NULL;
        ck_ok(json_parse(record->body, strlen(record->body), &body, NULL));
        const struct json *detail = json_member(body, "detail");
        jumps->count++;
        jumps->by_ms = json_number(detail, "by_ms");
        jumps->moved_ms = json_number(detail, "moved_ms");
        jumps->believed = json_flag(detail, "believed");
        json_free(body);
        return 0;
}

static struct jumps
recorded(void)
{
        struct jumps jumps = {0};
        struct record_query query = {.until_ms = INT64_MAX, .kind = "clock_jump"};
        assert_done(instance_flush(instance, &why));
        assert_done(store_records(instance->store, &query, note_jump, &jumps, &why));
        return jumps;
}

static void
assert_believed(bool believed)
{
        ck_assert_msg(has_problem(instance, PROBLEM_CLOCK) != believed, "the clock is %sbelieved",
                believed ? "not " : "");
}

/* What is taken for now is this far from what the clock says. */
static void
assert_expiry_behind(int64_t ms)
{
        int64_t behind_ms = clock_now_ms() - instance_expiry_now(instance);
        ck_assert_msg(llabs(behind_ms - ms) < SLACK_MS, "it is behind by %lld min and not %lld",
                (long long)(behind_ms / MINUTE_MS), (long long)(ms / MINUTE_MS));
}

static bool
is_stale(void)
{
        return has_problem(instance, PROBLEM_STALE);
}

START_TEST(a_step_under_an_hour_is_recorded_and_believed)
{
        instance_clock_changed(instance, 50 * MINUTE_MS);
        struct jumps jumps = recorded();
        ck_assert_uint_eq(jumps.count, 1);
        ck_assert_int_eq(jumps.by_ms, 50 * MINUTE_MS);
        ck_assert(jumps.believed);
        assert_believed(true);
}
END_TEST

START_TEST(a_step_of_an_hour_is_not_believed_for_expiry)
{
        struct digest id;
        assert_done(generation_apply(instance, 1, &id, clock_now_ms() + HOUR_MS));
        ck_assert(!is_stale());
        instance_clock_changed(instance, -2 * HOUR_MS); /* as if it had been two hours later before */
        assert_believed(false);
        assert_expiry_behind(-2 * HOUR_MS);
        ck_assert(is_stale());
        ck_assert(!recorded().believed);
}
END_TEST

START_TEST(steps_that_come_to_an_hour_are_not_believed)
{
        struct digest id;
        for (int i = 0; i < 3; i++) {
                assert_believed(true);
                instance_clock_changed(instance, 20 * MINUTE_MS);
        }
        assert_believed(false);
        assert_expiry_behind(HOUR_MS);
        struct jumps jumps = recorded();
        ck_assert_uint_eq(jumps.count, 3);
        ck_assert_int_eq(jumps.moved_ms, HOUR_MS);
        /* The next signed apply believes it again, and counts from there. */
        assert_done(generation_apply(instance, 1, &id, INT64_MAX));
        assert_believed(true);
        restart();
        instance_clock_changed(instance, 50 * MINUTE_MS);
        assert_believed(true);
}
END_TEST

START_TEST(steps_back_come_to_an_hour_too)
{
        for (int i = 0; i < 7; i++)
                instance_clock_changed(instance, -9 * MINUTE_MS);
        assert_believed(false);
        assert_expiry_behind(-63 * MINUTE_MS);
}
END_TEST

START_TEST(forth_and_back_comes_to_nothing)
{
        for (int i = 0; i < 20; i++)
                instance_clock_changed(instance, (i % 2 ? -1 : 1) * 40 * MINUTE_MS);
        assert_believed(true);
        ck_assert_uint_eq(recorded().count, 20);
}
END_TEST

START_TEST(a_restart_does_not_forget_what_it_came_to)
{
        instance_clock_changed(instance, 40 * MINUTE_MS);
        restart();
        assert_believed(true);
        instance_clock_changed(instance, 40 * MINUTE_MS);
        assert_believed(false);
        restart();
        assert_believed(false);
        assert_expiry_behind(80 * MINUTE_MS);
}
END_TEST

/* As if it was set while nobody ran: what was kept of this boot is another offset. */
static void
move_while_down(int64_t by_ms)
{
        char text[96];
        assert_done(instance_stop(instance, "test", &why));
        snprintf(text, sizeof text, "%s %" PRId64, instance->boot, instance->clock_offset_ms - by_ms);
        set_value("clock_offset", text);
        instance = instance_free(instance);
        start();
}

START_TEST(a_step_made_while_nobody_ran_is_seen_at_the_start)
{
        ck_assert_int_ne(instance->boot[0], '\0');
        move_while_down(30 * MINUTE_MS);
        ck_assert_uint_eq(recorded().count, 1);
        assert_believed(true);
        move_while_down(90 * MINUTE_MS);
        assert_believed(false);
        assert_expiry_behind(2 * HOUR_MS);
}
END_TEST

START_TEST(nothing_is_recorded_where_nothing_was_set)
{
        for (int i = 0; i < 50; i++)
                instance_clock_look(instance);
        restart();
        ck_assert_uint_eq(recorded().count, 0);
        assert_believed(true);
}
END_TEST

START_TEST(after_a_boot_only_a_clock_that_went_back_shows)
{
        char later[32];
        assert_done(instance_stop(instance, "test", &why));
        set_value("clock_offset", "00000000000000000000000000000000 17");
        instance = instance_free(instance);
        start();
        ck_assert_uint_eq(recorded().count, 0);
        assert_done(instance_stop(instance, "test", &why));
        set_value("clock_offset", "00000000000000000000000000000000 17");
        snprintf(later, sizeof later, "%" PRId64, clock_now_ms() + 3 * HOUR_MS);
        set_value("alive", later);
        instance = instance_free(instance);
        start();
        ck_assert_uint_eq(recorded().count, 1);
        assert_believed(false);
        assert_expiry_behind(-3 * HOUR_MS);
}
END_TEST

START_TEST(an_expired_baseline_is_not_taken_by_a_clock_that_was_put_back)
{
        struct digest id;
        instance_clock_changed(instance, -5 * HOUR_MS);
        ck_assert_int_eq(generation_apply(instance, 1, &id, clock_now_ms() + 2 * HOUR_MS), INSTANCE_REFUSED);
        ck_contains(why.text, "expired");
        assert_believed(false);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("instance_clock");
        TCase *cases = tcase_create("clock");
        tcase_add_checked_fixture(cases, clock_setup, clock_teardown);
        tcase_set_timeout(cases, 60);
        tcase_add_test(cases, a_step_under_an_hour_is_recorded_and_believed);
        tcase_add_test(cases, a_step_of_an_hour_is_not_believed_for_expiry);
        tcase_add_test(cases, steps_that_come_to_an_hour_are_not_believed);
        tcase_add_test(cases, steps_back_come_to_an_hour_too);
        tcase_add_test(cases, forth_and_back_comes_to_nothing);
        tcase_add_test(cases, a_restart_does_not_forget_what_it_came_to);
        tcase_add_test(cases, a_step_made_while_nobody_ran_is_seen_at_the_start);
        tcase_add_test(cases, nothing_is_recorded_where_nothing_was_set);
        tcase_add_test(cases, after_a_boot_only_a_clock_that_went_back_shows);
        tcase_add_test(cases, an_expired_baseline_is_not_taken_by_a_clock_that_was_put_back);
        suite_add_tcase(suite, cases);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
