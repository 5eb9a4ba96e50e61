/* SPDX-License-Identifier: MIT */
/* The queue between the judge and a store that cannot be written: bounded, told, and written in order later.
 */
#include "instance_fixture.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

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

/* ---- commits of another thread ---- */

static void
on_committed(void *userdata)
{
        uint64_t one = 1;
        ck_assert_int_eq(write(*(const int *)userdata, &one, sizeof one), sizeof one);
}

static int
waiting_fd(void)
{
        int fd = eventfd(0, EFD_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        return fd;
}

static void
wait_committed(int fd)
{
        uint64_t count;
        ck_assert_int_eq(read(fd, &count, sizeof count), sizeof count);
        ck_assert_uint_eq(count, 1);
}

START_TEST(what_another_thread_commits_is_announced_when_that_is_taken)
{
        int fd = waiting_fd();
        uint64_t before = announced;
        for (unsigned i = 0; i < 3; i++)
                record(i);
        instance_flush_begin(instance, 2, on_committed, &fd); /* all: one ends with a drift's record only */
        record(3);
        ck_assert_uint_eq(instance_queued(instance), 1);
        wait_committed(fd);
        ck_assert_uint_eq(announced, before);
        ck_assert(!instance_is_flushing(instance));
        ck_assert(!instance_is_durable(instance));
        instance_flush_end(instance, false);
        ck_assert_uint_eq(announced, before + 3);
        instance_flush_end(instance, true); /* there is none any more */
        assert_done(instance_flush(instance, &why));
        ck_assert(instance_is_durable(instance));
        ck_assert_uint_eq(announced, before + 4);
        ck_assert_uint_eq(history().scans, 4);
        assert_done(store_verify(instance->store, NULL, &why));
        fd_close(fd);
}
END_TEST

/* On a quiet host the queue is empty when it is met. */
START_TEST(a_store_that_cannot_be_written_is_a_problem_also_where_nothing_waits)
{
        store_writable(false);
        ck_assert_int_ne(instance_alive(instance, &why), 0);
        ck_assert(has_problem(instance, PROBLEM_STORAGE));
        ck_assert_int_ne(instance_alive(instance, &why), 0);
        ck_assert_uint_eq(troubles, 1);
        ck_assert(has_problem(instance, PROBLEM_STORAGE));
        store_writable(true);
        assert_done(instance_alive(instance, &why));
        ck_assert(!has_problem(instance, PROBLEM_STORAGE));
}
END_TEST

static int
put_value(void *userdata, struct err *err)
{
        (void)userdata;
        return store_value_put(instance->store, "deed", "done", err);
}

static void
on_storage_told(void *userdata, const struct announcement *announcement)
{
        (void)userdata;
        if (strcmp(announcement->kind, "scan") == 0)
                store_writable(false);
}

/* What is told afterwards (the end of a trouble) may fail again: the deed is done all the same. */
START_TEST(a_deed_that_is_durable_is_done_whatever_comes_after_it)
{
        _cleanup_free_ char *value = NULL;
        store_writable(false);
        ck_assert_int_ne(instance_alive(instance, &why), 0);
        store_writable(true);
        instance->announce = on_storage_told;
        record(0);
        assert_done(instance_flush_with(instance, put_value, NULL, &why));
        store_writable(true);
        assert_done(store_value_get(instance->store, "deed", &value, &why));
}
END_TEST

/* Often, for each time the thread is at another point. */
START_TEST(whoever_reads_or_writes_meanwhile_waits_for_the_commit)
{
        int fd = waiting_fd();
        uint64_t before = announced;
        for (unsigned i = 0; i < 300; i++) {
                struct tree_head head;
                record(2 * i);
                instance_flush_begin(instance, SIZE_MAX, on_committed, &fd);
                if (i % 5 == 0) {
                        assert_done(store_head(instance->store, &head, &why));
                        ck_assert_uint_eq(head.size, before + 1);
                } else if (i % 5 == 1) {
                        store_forget_pages(instance->store);
                } else if (i % 5 == 2) {
                        ck_assert_uint_eq(history().scans, 2 * i + 1);
                } else if (i % 5 == 3) {
                        assert_done(store_verify(instance->store, NULL, &why));
                }
                record(2 * i + 1);
                assert_done(instance_flush(instance, &why));
                wait_committed(fd);
                before += 2;
                ck_assert_uint_eq(announced, before);
        }
        ck_assert_uint_eq(history().scans, 600);
        ck_assert_uint_eq(troubles, 0);
        assert_done(store_verify(instance->store, NULL, &why));
        fd_close(fd);
}
END_TEST

START_TEST(an_instance_may_end_while_another_thread_commits)
{
        for (unsigned i = 0; i < 50; i++) {
                int fd = waiting_fd();
                record(i);
                instance_flush_begin(instance, SIZE_MAX, on_committed, &fd);
                instance = instance_free(instance);
                wait_committed(fd);
                fd_close(fd);
                assert_done(instance_open(config, 0, &instance, &why));
                ck_assert_uint_eq(history().scans, i + 1);
        }
}
END_TEST

/* Files that may not grow: what is written stands in memory until the commit, so it is that which fails. */
static void
limit_files(rlim_t limit)
{
        struct rlimit most;
        signal(SIGXFSZ, SIG_IGN);
        ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &most), 0);
        most.rlim_cur = limit;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &most), 0);
}

START_TEST(what_another_thread_could_not_commit_is_kept_in_order)
{
        int fd = waiting_fd();
        uint64_t before = announced;
        limit_files(1);
        for (unsigned i = 0; i < 3; i++)
                record(i);
        instance_flush_begin(instance, 2, on_committed, &fd);
        record(3);
        wait_committed(fd);
        instance_flush_end(instance, false);
        ck_assert_uint_eq(announced, before);
        ck_assert_uint_eq(troubles, 1);
        ck_assert(has_problem(instance, PROBLEM_STORAGE));
        ck_assert_uint_eq(instance_queued(instance), 4);
        instance_flush_begin(instance, 2, on_committed, &fd); /* not yet again */
        ck_assert_uint_eq(instance_queued(instance), 4);

        limit_files(RLIM_INFINITY);
        assert_done(instance_alive(instance, &why));
        ck_assert_uint_eq(history().scans, 4);
        ck_assert_uint_eq(history().storage, 1);
        ck_assert_uint_eq(announced, before + 5);
        ck_assert(!has_problem(instance, PROBLEM_STORAGE));
        assert_done(store_verify(instance->store, NULL, &why));
        fd_close(fd);
}
END_TEST

static int
put_and_fail(void *userdata, struct err *err)
{
        (void)userdata;
        store_writable(false);
        return store_value_put(instance->store, "a", "b", err);
}

/* As whoever records a deed and takes that back where the deed fails. */
START_TEST(what_is_taken_back_is_the_record_of_who_takes_it_back)
{
        int fd = waiting_fd();
        store_writable(false);
        record(0);
        ck_assert_int_lt(instance_flush(instance, &why), 0);
        store_writable(true);
        for (unsigned tries = 0; instance_queued(instance) && tries < 1000; tries++) {
                instance_flush_begin(instance, SIZE_MAX, on_committed, &fd);
                usleep(10000); /* a store that failed is not tried again at once */
        }
        instance_flush_end(instance, true); /* it is the end of a trouble, which is recorded */
        ck_assert_uint_eq(instance_queued(instance), 1);
        record(1);
        ck_assert_int_ne(instance_flush_with(instance, put_and_fail, NULL, &why), 0);
        instance_unrecord(instance);
        store_writable(true);
        assert_done(instance_alive(instance, &why));
        struct found found = history();
        ck_assert_uint_eq(found.scans, 1);
        ck_assert_uint_ge(found.storage, 1);
        fd_close(fd);
}
END_TEST

/* Whatever fails in between. */
START_TEST(commits_that_fail_now_and_then_keep_all_in_order)
{
        int fd = waiting_fd();
        for (unsigned i = 0; i < 3000; i++) {
                record(i);
                if (i % 97 == 0) {
                        if (i % 2)
                                instance_flush_end(instance, true);
                        instance_flush_begin(instance, 64, on_committed, &fd);
                }
                if (i % 500 != 250)
                        continue;
                instance_flush_end(instance, true);
                limit_files(1);
                instance_flush_begin(instance, 64, on_committed, &fd);
                instance_flush_end(instance, true);
                limit_files(RLIM_INFINITY);
                for (unsigned tries = 0; instance_flush(instance, &why) < 0 && tries < 1000; tries++)
                        usleep(10000);
        }
        assert_done(instance_alive(instance, &why));
        ck_assert_uint_eq(history().scans, 3000);
        ck_assert_uint_eq(history().storage, troubles);
        ck_assert_uint_ge(troubles, 1);
        assert_done(store_verify(instance->store, NULL, &why));
        fd_close(fd);
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
        tcase_add_test(cases, a_store_that_cannot_be_written_is_a_problem_also_where_nothing_waits);
        tcase_add_test(cases, a_deed_that_is_durable_is_done_whatever_comes_after_it);
        tcase_add_test(cases, what_another_thread_commits_is_announced_when_that_is_taken);
        tcase_add_test(cases, whoever_reads_or_writes_meanwhile_waits_for_the_commit);
        tcase_add_test(cases, an_instance_may_end_while_another_thread_commits);
        tcase_add_test(cases, what_another_thread_could_not_commit_is_kept_in_order);
        tcase_add_test(cases, what_is_taken_back_is_the_record_of_who_takes_it_back);
        tcase_add_test(cases, commits_that_fail_now_and_then_keep_all_in_order);
        suite_add_tcase(suite, cases);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
