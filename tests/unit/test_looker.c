/* SPDX-License-Identifier: MIT */
/* The lookers: each look asked for is answered once, and the answers are fetched a part at a time. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "daemon/looker.h"

#define WAIT_MS 30000

static struct lookers *lookers;
static int wake_fd;

static void
wake(void *userdata)
{
        uint64_t one = 1;
        (void)userdata;
        ck_assert_int_eq(write(wake_fd, &one, sizeof one), sizeof one);
}

static void
setup(void)
{
        wake_fd = eventfd(0, EFD_CLOEXEC);
        ck_assert_int_ge(wake_fd, 0);
        ck_assert_int_eq(lookers_new(wake, NULL, &lookers), 0);
        ck_assert_int_eq(lookers_run(lookers, 1), 0);
}

static void
teardown(void)
{
        struct timespec deadline;
        clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_sec += WAIT_MS / 1000;
        lookers_stop(lookers);
        ck_assert(lookers_join(lookers, &deadline));
        lookers = lookers_free(lookers);
        fd_close(wake_fd);
}

/* As the engine does: while there is room. */
static size_t
ask_all(void)
{
        size_t asked = 0, room = lookers_room(lookers);
        struct look *looks = NULL, **end = &looks;
        for (; asked < room; end = &(*end)->next) {
                char path[64];
                snprintf(path, sizeof path, "/proc/self/no-such-%zu", asked++);
                *end = look_new(NULL, path);
                ck_assert_ptr_nonnull(*end);
                (*end)->wish.prefix = UINT64_MAX;
        }
        lookers_ask(lookers, looks);
        ck_assert_uint_eq(lookers_room(lookers), 0); /* what is not fetched takes its room */
        return asked;
}

/* At most so many; waits for the first of them. */
static struct look *
fetch(size_t most)
{
        uint64_t count;
        struct look *looks;
        while (!(looks = lookers_answers(lookers, most)))
                ck_assert_int_eq(read(wake_fd, &count, sizeof count), sizeof count);
        return looks;
}

START_TEST(answers_are_fetched_in_order_and_no_more_than_asked_for)
{
        size_t asked = ask_all(), next = 0;
        ck_assert_uint_eq(asked, LOOKS_AHEAD);
        while (next < asked) {
                size_t count = 0;
                for (struct look *look = fetch(5), *after; look; look = after) {
                        char path[64];
                        after = look->next;
                        snprintf(path, sizeof path, "/proc/self/no-such-%zu", next++);
                        ck_assert_str_eq(look->path, path);
                        ck_assert_int_eq(look->result, SNAPSHOT_GONE);
                        look_free(look);
                        count++;
                }
                ck_assert_uint_le(count, 5);
                ck_assert_uint_eq(lookers_room(lookers), next);
        }
        ck_assert_ptr_null(lookers_answers(lookers, 5));
}
END_TEST

START_TEST(after_all_were_fetched_others_are_answered_too)
{
        for (unsigned round = 0; round < 300; round++) {
                for (size_t asked = ask_all(), count = 0; count < asked;)
                        for (struct look *look = fetch(SIZE_MAX), *after; look; look = after, count++) {
                                after = look->next;
                                look_free(look);
                        }
        }
}
END_TEST

START_TEST(what_failed_before_is_answered_as_it_is)
{
        struct look *failed = look_new(NULL, "/failed"), *other = look_new(NULL, "/proc/self/no-such");
        ck_assert(failed && other);
        other->wish.prefix = UINT64_MAX;
        look_failed(failed, EXDEV);
        failed->next = other;
        lookers_ask(lookers, failed);
        size_t count = 0;
        while (count < 2)
                for (struct look *look = fetch(SIZE_MAX), *after; look; look = after, count++) {
                        after = look->next;
                        ck_assert_int_eq(look->result, look == failed ? SNAPSHOT_UNREADABLE : SNAPSHOT_GONE);
                        ck_assert(look != failed || look->snapshot.failed_errno == EXDEV);
                        look_free(look);
                }
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("looker");
        TCase *tcase = tcase_create("looker");
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, answers_are_fetched_in_order_and_no_more_than_asked_for);
        tcase_add_test(tcase, after_all_were_fetched_others_are_answered_too);
        tcase_add_test(tcase, what_failed_before_is_answered_as_it_is);
        suite_add_tcase(suite, tcase);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? 1 : 0;
}
