/* SPDX-License-Identifier: MIT */
/* The story of an item: what changes to and fro is folded and counted, and a waiver's end opens the drift
 * again.
 */
#include "instance_fixture.h"

#include <inttypes.h>
#include <unistd.h>

#include "core/clock.h"

static struct instance *instance;
static struct digest parent;

static void
start(void)
{
        assert_done(instance_open(config, 0, &instance, &why));
        assert_done(instance_start(instance, &why));
}

static void
flap_setup(void)
{
        char path[256];
        fixture_setup("/tmp");
        snprintf(path, sizeof path, "%s/x", home);
        ck_assert_int_eq(mkdir(path, 0755), 0);
        start();
        assert_done(generation_apply(instance, 1, &parent, INT64_MAX));
}

static void
flap_teardown(void)
{
        instance = instance_free(instance);
        fixture_teardown();
}

/* A look at the first expected file: there as expected (0), of another type (1), or gone (2). */
static void
look(int form)
{
        char path[256], target[32];
        struct snapshot snapshot = {0};
        struct snapshot_wish wish = {0};
        snprintf(path, sizeof path, "%s/x/000000", home);
        unlink(path);
        rmdir(path);
        snprintf(target, sizeof target, "%d", form);
        if (form == 0)
                put_file(path, 0644, "", 0);
        else if (form == 1)
                ck_assert_int_eq(mkdir(path, 0755), 0);
        struct observation seen = {.snapshot = &snapshot, .now_ms = clock_now_ms()};
        ck_assert_int_ge(judge_wish(instance->judge, path, &wish), 0);
        seen.result =
                judge_look(instance->judge, NULL, &(struct mount_table){0}, path, &wish, &snapshot, &why);
        assert_done(judge_observe(instance->judge, path, &seen));
        snapshot_done(&snapshot);
}

static void
see(int form)
{
        look(form);
        assert_done(instance_flush(instance, &why));
}

struct story {
        unsigned drift, resolved, began, over, gap, waived[3];
        json_int changes, folded;
        char reason[64], again[32], last[16], now[16],
                severity[16]; /* last: kind of the item's newest record */
        json_int by_generation;
};

static int
note(void *userdata, const struct record *record)
{
        static const char *const states[] = {"given", "withdrawn", "ended"};
        struct story *story = userdata;
        struct json *body = NULL;
        ck_ok(json_parse(record->body, strlen(record->body), &body, NULL));
        const struct json *detail = json_member(body, "detail");
        const char *state = json_text(detail, "state"), *again = json_text(detail, "again");
        story->drift += strcmp(record->kind, "drift") == 0;
        story->resolved += strcmp(record->kind, "resolved") == 0;
        if (strcmp(record->kind, "resolved") == 0)
                story->by_generation = json_number(detail, "by_generation");
        if (record->item)
                snprintf(story->last, sizeof story->last, "%s", record->kind);
        if (again)
                snprintf(story->again, sizeof story->again, "%s", again);
        for (size_t i = 0; i < 3; i++)
                story->waived[i] += strcmp(record->kind, "waive") == 0 && strcmp(state, states[i]) == 0;
        if (strcmp(record->kind, "flapping") == 0) {
                bool over = strcmp(state, "over") == 0;
                const char *now = json_text(detail, "now"), *severity = json_text(detail, "severity");
                snprintf(story->now, sizeof story->now, "%s", now ? now : "");
                snprintf(story->severity, sizeof story->severity, "%s", severity ? severity : "");
                story->began += !over;
                story->over += over;
                story->changes = json_number(detail, "changes");
                story->folded = json_number(detail, "folded");
                snprintf(story->reason, sizeof story->reason, "%s", over ? json_text(detail, "reason") : "");
        }
        json_free(body);
        return 0;
}

static struct story
story(void)
{
        struct story story = {0};
        struct record_query query = {.until_ms = INT64_MAX};
        assert_done(instance_flush(instance, &why));
        assert_done(store_records(instance->store, &query, note, &story, &why));
        return story;
}

static uint64_t
open_drifts(void)
{
        struct drift_counts counts;
        instance_count(instance, &counts);
        return counts.drift;
}

static int
count_row(void *userdata, const struct ledger_row *row)
{
        (void)row;
        ++*(unsigned *)userdata;
        return 0;
}

static unsigned
ledger_rows(void)
{
        unsigned count = 0;
        assert_done(ledger_each(instance->store, count_row, &count, &why));
        return count;
}

static void
flap(unsigned changes)
{
        for (unsigned i = 0; i < changes; i++)
                see(i % 2 ? 0 : 1);
}

START_TEST(what_changes_now_and_then_is_recorded_each_time)
{
        flap(FLAP_CHANGES - 2);
        struct story told = story();
        ck_assert_uint_eq(told.drift + told.resolved, FLAP_CHANGES - 2);
        ck_assert_uint_eq(told.began, 0);
}
END_TEST

START_TEST(what_changes_to_and_fro_is_folded_and_counted_to_one)
{
        flap(500);
        struct story told = story();
        ck_assert_uint_eq(told.began, 1);
        /* 16 that made it so, and then each of its two forms once more. */
        ck_assert_uint_eq(told.drift + told.resolved, FLAP_CHANGES + 2);
        ck_assert_uint_eq(told.over, 0);
        ck_assert_uint_eq(open_drifts(), 0);
        ck_assert_uint_eq(ledger_rows(), 0);
        see(1); /* judged as ever, though it has no record */
        ck_assert_uint_eq(open_drifts(), 1);
        ck_assert_uint_eq(ledger_rows(), 1);
        ck_assert_str_eq(instance_verdict(instance), "drift");
        flaps_stop(instance);
        told = story();
        ck_assert_uint_eq(told.over, 1);
        ck_assert_int_eq(told.changes, 501);
        ck_assert_int_eq(told.folded, 501 - FLAP_CHANGES - 2);
}
END_TEST

START_TEST(a_form_that_was_not_seen_before_is_recorded_while_it_flaps)
{
        flap(100);
        unsigned before = story().drift;
        see(2);
        ck_assert_uint_eq(story().drift, before + 1);
        see(0);
        see(2);
        ck_assert_uint_eq(story().drift, before + 1);
}
END_TEST

START_TEST(an_approval_ends_it_and_is_recorded)
{
        flap(100);
        see(2);
        /* The next generation no longer speaks of the folder. */
        struct buf text = generation_text(2, &parent, INT64_MAX), approval = {0};
        struct approval_subject subject = {.name = "host", .host = instance->host, .generation = 2};
        struct apply_result result = {0};
        char *first = strstr(text.data, "file "), *second = strstr(first + 1, "file ");
        size_t size = text.size - (size_t)(second - first);
        memmove(first, second, strlen(second) + 1);
        digest_bytes(text.data, size, &subject.id);
        approve("alice", &subject, &approval);
        assert_done(instance_apply(
                instance, buf_steal(&text), size, approval.data, approval.size, &result, &why));
        buf_done(&result.signers);
        buf_done(&approval);
        see(2);
        struct story told = story();
        ck_assert_uint_eq(told.over, 1);
        ck_assert_str_eq(told.reason, "approved");
        ck_assert_int_eq(told.by_generation, 2);
        ck_assert_uint_eq(open_drifts(), 0);
}
END_TEST

START_TEST(a_crash_loses_none_of_the_count)
{
        flap(200);
        instance = instance_free(instance); /* without a stop */
        start();
        struct story told = story();
        ck_assert_uint_eq(told.over, 1);
        ck_assert_int_eq(told.changes, 200);
        ck_assert_int_eq(told.folded, 200 - FLAP_CHANGES - 2);
        ck_contains(told.reason, "crashed");
        instance = instance_free(instance);
        start();
        ck_assert_uint_eq(story().over, 1);
}
END_TEST

START_TEST(an_orderly_stop_tells_it_once)
{
        flap(100);
        assert_done(instance_stop(instance, "test", &why));
        instance = instance_free(instance);
        start();
        ck_assert_uint_eq(story().over, 1);
}
END_TEST

START_TEST(thousands_of_items_take_no_more_room_than_the_table_has)
{
        struct drift drift = {.baseline = "host"};
        struct judge_event event = {.kind = JUDGE_DRIFT, .drift = &drift};
        char item[64];
        drift.item = item;
        for (unsigned i = 0; i < 20000; i++) {
                snprintf(item, sizeof item, "file:/many/%u", i);
                ck_assert(!flap_folds(instance, &event));
                flap_counted(instance, &drift);
        }
        flap(100);
        ck_assert_uint_eq(story().began, 1);
}
END_TEST

START_TEST(what_drifts_when_it_is_over_is_the_last_word)
{
        flap(FLAP_CHANGES);
        see(1);
        see(0);
        see(1); /* folded: the newest record says "resolved" */
        ck_assert_str_eq(story().last, "resolved");
        flaps_stop(instance);
        struct story told = story();
        ck_assert_str_eq(told.now, "changed");
        ck_assert_str_eq(told.severity, "high");
        ck_assert_str_eq(told.last, "drift");
        ck_assert_str_eq(told.again, "flapping over");
}
END_TEST

START_TEST(what_is_as_expected_when_it_is_over_has_no_record_more)
{
        flap(100);
        unsigned before = story().drift;
        flaps_stop(instance);
        struct story told = story();
        ck_assert_str_eq(told.now, "expected");
        ck_assert_str_eq(told.severity, "");
        ck_assert_uint_eq(told.drift, before);
}
END_TEST

START_TEST(what_drifts_after_a_crash_is_the_last_word)
{
        flap(99); /* an odd number: it ends as drift */
        instance = instance_free(instance);
        start();
        struct story told = story();
        ck_assert_str_eq(told.now, "changed");
        ck_assert_str_eq(told.last, "drift");
        ck_assert_str_eq(told.again, "flapping over");
}
END_TEST

START_TEST(what_was_told_of_a_window_is_told_again_outside_of_it)
{
        struct window window = {.from_ms = clock_now_ms() - 1000, .until_ms = clock_now_ms() + 3600000};
        struct window *const list[] = {&window};
        judge_set_windows(instance->judge, list, 1);
        flap(100);
        unsigned before = story().drift;
        see(1);
        see(0);
        ck_assert_uint_eq(story().drift, before);
        judge_set_windows(instance->judge, NULL, 0);
        see(1);
        ck_assert_uint_eq(story().drift, before + 1);
        see(0);
        see(1);
        ck_assert_uint_eq(story().drift, before + 1);
}
END_TEST

START_TEST(past_the_limit_new_forms_are_recorded_at_a_bounded_rate)
{
        char item[] = "file:/many/forms";
        struct drift drift = {.item = item, .baseline = "host"};
        struct judge_event event = {.kind = JUDGE_DRIFT, .drift = &drift};
        unsigned recorded = 0;
        for (unsigned i = 0; i < FLAP_CHANGES; i++) {
                ck_assert(!flap_folds(instance, &event));
                flap_counted(instance, &drift);
        }
        for (unsigned i = 0; i < 100; i++) {
                snprintf(drift.observed, sizeof drift.observed, "%064u", i);
                recorded += !flap_folds(instance, &event);
        }
        ck_assert_uint_ge(recorded, 17);
        ck_assert_uint_lt(recorded, 20);
}
END_TEST

/* ---- waivers ---- */

/* A generation that excuses the first file for a time. */
static void
waive(uint64_t generation, int64_t until_ms)
{
        struct buf text = generation_text(generation, &parent, INT64_MAX), approval = {0};
        struct approval_subject subject = {.name = "host", .host = instance->host, .generation = generation};
        struct apply_result result = {0};
        char item[256];
        snprintf(item, sizeof item, "file:%s/x/000000", home);
        struct waiver waiver = {"host", item, until_ms / 1000 * 1000, "alice", "vendor\\x20patch"};
        if (until_ms)
                ck_ok(baseline_waiver_append(&waiver, &text));
        digest_bytes(text.data, text.size, &subject.id);
        parent = subject.id;
        approve("alice", &subject, &approval);
        size_t size = text.size;
        assert_done(instance_apply(
                instance, buf_steal(&text), size, approval.data, approval.size, &result, &why));
        buf_done(&result.signers);
        buf_done(&approval);
}

START_TEST(a_waiver_that_ends_is_told_once_and_the_drift_is_open_again)
{
        see(1);
        ck_assert_uint_eq(open_drifts(), 1);
        waive(2, clock_now_ms() + 2000);
        ck_assert_uint_eq(open_drifts(), 0);
        assert_done(instance_alive(instance, &why));
        struct story told = story();
        ck_assert_uint_eq(told.waived[0], 1);
        ck_assert_uint_eq(told.waived[2], 0);
        unsigned before = told.drift;
        while (!open_drifts())
                usleep(50000);
        for (int i = 0; i < 3; i++)
                assert_done(instance_alive(instance, &why));
        told = story();
        ck_assert_uint_eq(told.waived[2], 1);
        ck_assert_uint_eq(told.drift, before + 1);
        ck_assert_str_eq(told.again, "waiver ended");
        instance = instance_free(instance);
        start();
        ck_assert_uint_eq(story().waived[2], 1);
}
END_TEST

START_TEST(an_end_that_waits_to_be_written_is_not_queued_again)
{
        see(1);
        waive(2, clock_now_ms() + 2000);
        assert_done(instance_alive(instance, &why));
        unsigned before = story().drift;
        while (!open_drifts())
                usleep(50000);
        for (int i = 0; i < 3; i++)
                waivers_look(instance); /* and nothing is written meanwhile, as when the store fails */
        struct story told = story();
        ck_assert_uint_eq(told.waived[2], 1);
        ck_assert_uint_eq(told.drift, before + 1);
}
END_TEST

START_TEST(a_waiver_that_ended_while_nobody_ran_is_told_at_the_start)
{
        int64_t until_ms = clock_now_ms() + 2000;
        see(1);
        waive(2, until_ms);
        assert_done(instance_stop(instance, "test", &why));
        instance = instance_free(instance);
        while (clock_now_ms() < until_ms)
                usleep(50000);
        start();
        struct story told = story();
        ck_assert_uint_eq(told.waived[2], 1);
        ck_assert_str_eq(told.again, "waiver ended");
}
END_TEST

START_TEST(a_waiver_that_is_taken_back_is_told)
{
        waive(2, clock_now_ms() + 3600000);
        waive(3, 0);
        struct story told = story();
        ck_assert_uint_eq(told.waived[0], 1);
        ck_assert_uint_eq(told.waived[1], 1);
        ck_assert_uint_eq(told.waived[2], 0);
}
END_TEST

struct ledger {
        unsigned rows;
        char change[16];
        uint64_t seq;
};

static int
note_row(void *userdata, const struct ledger_row *row)
{
        struct ledger *ledger = userdata;
        ledger->rows++;
        ledger->seq = row->seq;
        snprintf(ledger->change, sizeof ledger->change, "%s", row->change);
        return 0;
}

static void
nothing(void *userdata)
{
        (void)userdata;
}

/* After a transaction of the oldest entry alone. */
static struct ledger
ledger_after_one(void)
{
        struct ledger ledger = {0};
        instance_flush_begin(instance, 1, nothing, NULL);
        instance_flush_end(instance, true);
        assert_done(ledger_each(instance->store, note_row, &ledger, &why));
        return ledger;
}

/* A crash may come after each of them, and what is judged meanwhile is not told yet. */
START_TEST(after_each_transaction_the_ledger_is_what_the_history_says)
{
        struct tree_head head;
        assert_done(instance_flush(instance, &why));
        assert_done(store_head(instance->store, &head, &why));
        look(1);
        look(0);
        look(2);
        ck_assert_uint_eq(instance_queued(instance), 3);
        struct ledger ledger = ledger_after_one();
        ck_assert_uint_eq(ledger.rows, 1);
        ck_assert_str_eq(ledger.change, "changed");
        ck_assert_uint_eq(ledger.seq, head.size + 1);
        ck_assert_uint_eq(ledger_after_one().rows, 0);
        ledger = ledger_after_one();
        ck_assert_uint_eq(ledger.rows, 1);
        ck_assert_str_eq(ledger.change, "missing");
        ck_assert_uint_eq(ledger.seq, head.size + 3);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("instance_flap");
        TCase *cases = tcase_create("story");
        tcase_add_checked_fixture(cases, flap_setup, flap_teardown);
        tcase_set_timeout(cases, 120);
        tcase_add_test(cases, after_each_transaction_the_ledger_is_what_the_history_says);
        tcase_add_test(cases, what_changes_now_and_then_is_recorded_each_time);
        tcase_add_test(cases, what_changes_to_and_fro_is_folded_and_counted_to_one);
        tcase_add_test(cases, a_form_that_was_not_seen_before_is_recorded_while_it_flaps);
        tcase_add_test(cases, an_approval_ends_it_and_is_recorded);
        tcase_add_test(cases, a_crash_loses_none_of_the_count);
        tcase_add_test(cases, an_orderly_stop_tells_it_once);
        tcase_add_test(cases, thousands_of_items_take_no_more_room_than_the_table_has);
        tcase_add_test(cases, what_drifts_when_it_is_over_is_the_last_word);
        tcase_add_test(cases, what_is_as_expected_when_it_is_over_has_no_record_more);
        tcase_add_test(cases, what_drifts_after_a_crash_is_the_last_word);
        tcase_add_test(cases, what_was_told_of_a_window_is_told_again_outside_of_it);
        tcase_add_test(cases, past_the_limit_new_forms_are_recorded_at_a_bounded_rate);
        tcase_add_test(cases, a_waiver_that_ends_is_told_once_and_the_drift_is_open_again);
        tcase_add_test(cases, an_end_that_waits_to_be_written_is_not_queued_again);
        tcase_add_test(cases, a_waiver_that_ended_while_nobody_ran_is_told_at_the_start);
        tcase_add_test(cases, a_waiver_that_is_taken_back_is_told);
        suite_add_tcase(suite, cases);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
