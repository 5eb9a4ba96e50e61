/* SPDX-License-Identifier: MIT */
/* The queue between the judge and a store that cannot be written: bounded, told, and written in order later.
 */
#include "instance_fixture.h"

#include <inttypes.h>

#include "core/store_db.h"

static struct instance *instance;
static unsigned troubles;
static char trouble[512];
static uint64_t announced; /* the newest record, in order */
static unsigned n_announced;

static void
on_trouble(void *userdata, const char *text)
{
        (void)userdata;
        troubles++;
        snprintf(trouble, sizeof trouble, "%s", text);
}

static void
on_announce(void *userdata, const struct announcement *announcement)
{
        (void)userdata;
        ck_assert_uint_gt(announcement->seq, announced);
        announced = announcement->seq;
        n_announced++;
}

static void
queue_setup(void)
{
        fixture_setup("/tmp");
        troubles = 0;
        announced = 0;
        assert_done(instance_open(config, 0, &instance, &why));
        instance->trouble = on_trouble;
        instance->announce = on_announce;
        assert_done(instance_start(instance, &why));
}

static void
queue_teardown(void)
{
        instance = instance_free(instance);
        fixture_teardown();
}

/* The connection refuses every write, as on a file system that was made read-only. */
static void
store_writable(bool writable)
{
        const char *pragma = writable ? "PRAGMA query_only = 0" : "PRAGMA query_only = 1";
        ck_assert_int_eq(sqlite3_exec(instance->store->db, pragma, NULL, NULL, NULL), SQLITE_OK);
}

static void
record(unsigned number)
{
        instance_record(instance, "scan", NULL, json_make("{s:i}", "number", number));
}

struct found {
        unsigned scans, storage;
        json_int last, dropped;
};

static int
note(void *userdata, const struct record *r)
{
        struct found *found = userdata;
        struct json *body = NULL;
        ck_ok(json_parse(r->body, strlen(r->body), &body, NULL));
        const struct json *detail = json_member(body, "detail");
        if (strcmp(r->kind, "scan") == 0) {
                ck_assert_msg(
                        !found->scans || json_number(detail, "number") == found->last + 1, "out of order");
                found->last = json_number(detail, "number");
                found->scans++;
        } else if (strcmp(r->kind, "storage") == 0) {
                found->dropped = json_number(detail, "records_dropped");
                found->storage++;
        }
        json_free(body);
        return 0;
}

static struct found
history(void)
{
        struct found found = {0};
        struct record_query query = {.until_ms = INT64_MAX};
        assert_done(store_records(instance->store, &query, note, &found, &why));
        return found;
}

START_TEST(a_store_that_cannot_be_written_is_told_once_and_keeps_the_queue)
{
        store_writable(false);
        for (unsigned i = 0; i < 100; i++) {
                record(i);
                ck_assert_int_lt(instance_flush(instance, &why), 0);
                ck_assert_int_ne(why.text[0], '\0');
        }
        ck_assert_uint_eq(troubles, 1);
        ck_contains(trouble, "driftd.db could not be written");
        ck_assert(has_problem(instance, PROBLEM_STORAGE));
        ck_assert_str_eq(instance_verdict(instance), "incomplete");
        ck_assert_uint_eq(history().scans, 0);
        uint64_t before = announced; /* nothing is announced that is not durable */

        store_writable(true);
        assert_done(instance_alive(instance, &why));
        struct found found = history();
        ck_assert_uint_eq(found.scans, 100);
        ck_assert_uint_eq(found.storage, 1);
        ck_assert_int_eq(found.dropped, 0);
        ck_assert_uint_eq(announced, before + 101);
        ck_assert(!has_problem(instance, PROBLEM_STORAGE));
        assert_done(store_verify(instance->store, NULL, &why));
}
END_TEST

START_TEST(a_storm_does_not_try_a_failing_store_at_each_change)
{
        store_writable(false);
        record(0);
        ck_assert_int_eq(instance_flush(instance, &why), -EROFS);
        record(1);
        ck_assert_int_eq(instance_flush(instance, &why), -EAGAIN);
        store_writable(true);
        ck_assert_int_eq(instance_flush(instance, &why), -EAGAIN); /* not yet */
        assert_done(instance_stop(instance, "test", &why));        /* the end does not wait */
        ck_assert_uint_eq(history().scans, 2);
}
END_TEST

START_TEST(the_queue_has_a_bound_and_what_was_lost_is_counted)
{
        store_writable(false);
        for (unsigned i = 0; i < PENDING_RECORDS_MAX + 1000; i++)
                record(i);
        ck_assert_int_lt(instance_flush(instance, &why), 0);
        store_writable(true);
        assert_done(instance_alive(instance, &why));
        struct found found = history();
        ck_assert_uint_le(found.scans, PENDING_RECORDS_MAX);
        ck_assert_uint_eq(found.storage, 1);
        ck_assert_int_eq(found.dropped, PENDING_RECORDS_MAX + 1000 - found.scans);
        ck_assert_int_ge(found.dropped, 1000);
}
END_TEST

START_TEST(what_was_found_while_opening_is_announced_when_somebody_listens)
{
        assert_done(instance_stop(instance, "test", &why));
        instance = instance_free(instance);
        announced = 0;
        n_announced = 0;
        char path[256];
        snprintf(path, sizeof path, "%s/state/high-water", home);
        put_file(path, 0600, "nonsense\n", 9);
        assert_done(instance_open(config, 0, &instance, &why));
        struct tree_head head;
        assert_done(store_head(instance->store, &head, &why));
        uint64_t tampering = head.size;
        instance->announce = on_announce;
        instance->trouble = on_trouble;
        ck_assert_uint_eq(announced, 0);
        assert_done(instance_start(instance, &why));
        ck_assert_uint_eq(announced, tampering + 2);
        ck_assert_uint_eq(n_announced, 3); /* it, the gap and the start */
        ck_assert(has_problem(instance, PROBLEM_UNTRUSTED));
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("instance_queue");
        TCase *cases = tcase_create("queue");
        tcase_add_checked_fixture(cases, queue_setup, queue_teardown);
        tcase_set_timeout(cases, 120);
        tcase_add_test(cases, a_store_that_cannot_be_written_is_told_once_and_keeps_the_queue);
        tcase_add_test(cases, a_storm_does_not_try_a_failing_store_at_each_change);
        tcase_add_test(cases, the_queue_has_a_bound_and_what_was_lost_is_counted);
        tcase_add_test(cases, what_was_found_while_opening_is_announced_when_somebody_listens);
        suite_add_tcase(suite, cases);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
