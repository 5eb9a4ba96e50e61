/* SPDX-License-Identifier: MIT */
/* Watching by fanotify when the reader of its events ends: told, made anew, and in the end given up for
 * inotify. The kernel refuses a poll of more descriptors than a process may have: so the reader is ended. And
 * when it is slow: it is held up where it asks whether a new folder is covered. */
#include <check.h>
#include <dirent.h>
#include <pthread.h>
#include <sys/resource.h>

#include "core/clock.h"
#include "daemon/watch.h"
#include "tests/unit/scratch_help.h"

#define DEADLINE_MS 10000

static sd_event *event;
static struct watch *watch;
static unsigned n_overflows, n_changed, n_caught_up, n_own;
static char why[256];
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* who holds it holds the reader up */

static void
on_changed(void *userdata, const char *path, const struct who_touch *touch)
{
        (void)userdata;
        (void)touch;
        n_changed += strcmp(path, at("file")) == 0;
        n_own += strcmp(path, at("own")) == 0;
}

static void
on_subtree(void *userdata, const char *path, const struct who_touch *touch, bool moved)
{
        (void)moved;
        on_changed(userdata, path, touch);
}

static void
on_overflow(void *userdata, const char *text)
{
        (void)userdata;
        n_overflows++;
        snprintf(why, sizeof why, "%s", text);
        watch_doubt(watch); /* as the engine does */
}

static bool
on_covers(void *userdata, const char *path)
{
        (void)userdata;
        (void)path;
        pthread_mutex_lock(&gate);
        pthread_mutex_unlock(&gate);
        return true;
}

/* As a pass does. */
static void
watch_again(void)
{
        struct statx stx;
        int fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx), 0);
        ck_assert_int_eq(watch_folder(watch, fd, scratch, &stx), 0);
        close(fd);
}

static void
on_caught_up(void *userdata)
{
        (void)userdata;
        n_caught_up++;
}

static void
run_until(const unsigned *counter, unsigned wanted)
{
        for (int64_t end = clock_monotonic_ms() + DEADLINE_MS; *counter < wanted;) {
                ck_assert_int_lt(clock_monotonic_ms(), end);
                ck_assert_int_ge(sd_event_run(event, 10000), 0);
        }
}

/* All that is queued now is handed on. */
static void
drain(void)
{
        struct watch_ticket ticket = watch_ticket(watch);
        for (int64_t end = clock_monotonic_ms() + DEADLINE_MS; !watch_handed_on(watch, &ticket);) {
                ck_assert_int_lt(clock_monotonic_ms(), end);
                ck_assert_int_ge(sd_event_run(event, 10000000), 0); /* woken by the reader, not by a time */
        }
}

static unsigned
count_tasks(DIR *tasks)
{
        unsigned count = 0;
        rewinddir(tasks);
        for (const struct dirent *entry; (entry = readdir(tasks));)
                count += entry->d_name[0] != '.';
        return count;
}

static rlim_t
limit_descriptors(rlim_t most)
{
        struct rlimit limit;
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
        rlim_t before = limit.rlim_cur;
        limit.rlim_cur = most;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        return before;
}

/* It ends at its next poll, which an event brings about; the loop does not run meanwhile. */
static void
end_reader(bool refuse_another)
{
        DIR *tasks = opendir("/proc/self/task");
        ck_assert_ptr_nonnull(tasks);
        int fd = open(at("file"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        ck_assert_int_ge(fd, 0);
        unsigned before = count_tasks(tasks), told = n_overflows;
        rlim_t limit = limit_descriptors(1);
        ck_assert_int_eq(write(fd, "x", 1), 1);
        for (int64_t end = clock_monotonic_ms() + DEADLINE_MS; count_tasks(tasks) >= before;)
                ck_assert_int_lt(clock_monotonic_ms(), end);
        if (refuse_another)
                run_until(&n_overflows, told + 1);
        limit_descriptors(limit);
        run_until(&n_overflows, told + 1);
        ck_assert_uint_eq(n_overflows, told + 1);
        close(fd);
        closedir(tasks);
}

static void
expect_seen_by(bool inotify)
{
        struct watch_counts counts;
        watch_count(watch, &counts);
        ck_assert_uint_eq(counts.folders, 1);
        ck_assert_uint_eq(counts.by_inotify, inotify);
        drain(); /* what was told of before does not count */
        unsigned told = n_changed;
        put(at("file"), "y");
        run_until(&n_changed, told + 1);
}

/* Where the kernel does not grant fanotify, or the scratch folder's file system takes no mark: why not. */
static bool
fanotify_watches(void)
{
        static const struct watch_calls calls = {
                on_changed, on_subtree, on_overflow, on_covers, on_caught_up};
        struct err err = {.text = "this file system takes no mark"};
        struct watch_counts counts = {0};
        ck_assert_int_ge(sd_event_new(&event), 0);
        if (watch_can_fanotify(&err)) {
                ck_assert_int_eq(watch_new(event, true, &calls, NULL, &watch, &err), 0);
                watch_again();
                watch_count(watch, &counts);
        }
        if (counts.folders == 1 && counts.by_inotify == 0)
                return true;
        printf("%s\n", err.text);
        return false;
}

static void
setup(void)
{
        scratch_make();
        n_overflows = n_changed = n_caught_up = n_own = 0;
}

static void
teardown(void)
{
        watch = watch_free(watch);
        event = sd_event_unref(event);
        scratch_remove();
}

START_TEST(a_reader_that_ends_is_told_and_made_anew)
{
        if (!fanotify_watches())
                skip_test("no fanotify");
        end_reader(false);
        ck_assert_msg(strstr(why, "a new one reads") != NULL, "%s", why);
        watch_again();
        expect_seen_by(false);
}
END_TEST

START_TEST(a_reader_that_cannot_be_made_anew_gives_way_to_inotify)
{
        if (!fanotify_watches())
                skip_test("no fanotify");
        end_reader(true);
        ck_assert_msg(strstr(why, "inotify watches") != NULL, "%s", why);
        watch_again();
        expect_seen_by(true);
        int error;
        _cleanup_free_ char *where = watch_fallback(watch, &error);
        ck_assert_str_eq(where, scratch);
        ck_assert_int_eq(error, EINVAL);
        struct watch_ticket ticket = watch_ticket(watch);
        ck_assert(watch_handed_on(watch, &ticket)); /* no reader is waited for */
        ck_assert_uint_eq(n_overflows, 1);
}
END_TEST

START_TEST(a_reader_that_ends_again_and_again_gives_way_to_inotify)
{
        if (!fanotify_watches())
                skip_test("no fanotify");
        for (unsigned i = 0; i < 3; i++) {
                end_reader(false);
                watch_again();
                expect_seen_by(false);
        }
        end_reader(false);
        ck_assert_msg(strstr(why, "inotify watches") != NULL, "%s", why);
        watch_again();
        expect_seen_by(true);
}
END_TEST

/* The reader is behind a folder's birth, and the file has been written since. */
static struct watch_ticket
hold_reader_up(void)
{
        pthread_mutex_lock(&gate);
        ck_assert_int_eq(mkdir(at("folder"), 0755), 0);
        put(at("file"), "y");
        return watch_ticket(watch);
}

START_TEST(nobody_waits_in_place_for_a_slow_reader_and_what_it_comes_to_is_handed_on)
{
        if (!fanotify_watches())
                skip_test("no fanotify");
        drain();
        int64_t since_ms = clock_monotonic_ms();
        struct watch_ticket ticket = hold_reader_up();
        ck_assert(!watch_handed_on(watch, &ticket));
        ck_assert_int_lt(clock_monotonic_ms(), ticket.late_ms); /* neither call waited for it */
        ck_assert_int_ge(ticket.late_ms, since_ms);
        ck_assert_uint_eq(n_changed, 0);
        unsigned caught_up = n_caught_up;
        pthread_mutex_unlock(&gate);
        while (!watch_handed_on(watch, &ticket))
                run_until(&n_caught_up, ++caught_up);
        ck_assert_uint_ge(n_changed, 1);
        ck_assert_uint_eq(n_overflows, 0);
}
END_TEST

START_TEST(a_reader_that_is_held_up_for_long_is_told_as_an_overflow_and_waited_for_once)
{
        if (!fanotify_watches())
                skip_test("no fanotify");
        drain();
        struct watch_ticket ticket = hold_reader_up();
        while (clock_monotonic_ms() < ticket.late_ms)
                ck_assert(!watch_handed_on(watch, &ticket) || clock_monotonic_ms() >= ticket.late_ms);
        ck_assert(watch_handed_on(watch, &ticket));
        ck_assert_uint_eq(n_overflows, 1);
        ck_assert_msg(strstr(why, "does not answer") != NULL, "%s", why);
        for (unsigned i = 0; i < 3; i++) {
                put(at("file"), "z");
                ticket = watch_ticket(watch);
                ck_assert_int_le(ticket.late_ms, clock_monotonic_ms()); /* not once more */
                ck_assert(watch_handed_on(watch, &ticket));
        }
        ck_assert_uint_eq(n_overflows, 1); /* it is one time of blindness */
        ck_assert(watch_is_held_up(watch));
        pthread_mutex_unlock(&gate);
        unsigned told = n_changed;
        run_until(&n_changed, told + 1); /* it comes late, and it comes */
}
END_TEST

START_TEST(a_reader_that_goes_on_is_waited_for_again_and_late_no_more)
{
        if (!fanotify_watches())
                skip_test("no fanotify");
        drain();
        struct watch_ticket ticket = hold_reader_up();
        while (!watch_handed_on(watch, &ticket))
                ;
        ck_assert_uint_eq(n_overflows, 1);
        pthread_mutex_unlock(&gate);
        run_until(&n_overflows, 2); /* the loop is woken for it, though nobody asks */
        ck_assert_msg(strstr(why, "has waited") != NULL, "%s", why);
        ck_assert(!watch_is_held_up(watch));
        /* In a storm it is always a little behind: that is not late. (How long it takes to come to all of it
         * is the machine's business, so nothing waits for that here.) */
        for (unsigned i = 0; i < 200; i++) {
                put(at("file"), "z");
                ticket = watch_ticket(watch);
                ck_assert_int_gt(ticket.late_ms, clock_monotonic_ms());
                (void)watch_handed_on(watch, &ticket);
        }
        ck_assert_uint_eq(n_overflows, 2);
}
END_TEST

START_TEST(what_we_write_into_a_file_of_our_own_is_not_told)
{
        if (!fanotify_watches())
                skip_test("no fanotify");
        put(at("own"), "x");
        drain();
        int fd = open(at("own"), O_WRONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        for (unsigned ignored = 0; ignored < 2; ignored++) {
                n_own = 0;
                if (ignored)
                        watch_ignore(watch, at("own"));
                ck_assert_int_eq(write(fd, "x", 1), 1);
                drain();
                ck_assert_uint_eq(n_own > 0, !ignored);
        }
        close(fd);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("watch");
        TCase *tests = tcase_create("watch");
        tcase_add_checked_fixture(tests, setup, teardown);
        tcase_add_test(tests, a_reader_that_ends_is_told_and_made_anew);
        tcase_add_test(tests, a_reader_that_cannot_be_made_anew_gives_way_to_inotify);
        tcase_add_test(tests, a_reader_that_ends_again_and_again_gives_way_to_inotify);
        tcase_add_test(tests, nobody_waits_in_place_for_a_slow_reader_and_what_it_comes_to_is_handed_on);
        tcase_add_test(tests, a_reader_that_is_held_up_for_long_is_told_as_an_overflow_and_waited_for_once);
        tcase_add_test(tests, a_reader_that_goes_on_is_waited_for_again_and_late_no_more);
        tcase_add_test(tests, what_we_write_into_a_file_of_our_own_is_not_told);
        suite_add_tcase(suite, tests);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures != 0;
}
