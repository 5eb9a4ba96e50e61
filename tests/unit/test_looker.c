/* SPDX-License-Identifier: MIT */
/* The lookers: each look asked for is answered once, and the answers are fetched a part at a time. */
#include <check.h>
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
        size_t asked = 0;
        while (lookers_have_room(lookers)) {
                char path[64];
                snprintf(path, sizeof path, "/proc/self/no-such-%zu", asked++);
                struct look *look = look_new(NULL, path);
                ck_assert_ptr_nonnull(look);
                look->wish.prefix = UINT64_MAX;
                lookers_ask(lookers, look);
        }
        return asked;
}

static void
wait_for_answers(size_t wanted)
{
        uint64_t more;
        for (uint64_t count = 0; count < wanted; count += more)
                ck_assert_int_eq(read(wake_fd, &more, sizeof more), sizeof more);
}

START_TEST(answers_are_fetched_in_order_and_no_more_than_asked_for)
{
        size_t asked = ask_all(), next = 0;
        ck_assert_uint_eq(asked, LOOKS_AHEAD);
        wait_for_answers(asked);
        ck_assert(!lookers_have_room(lookers)); /* what is not fetched takes its room */
        while (next < asked) {
                struct look *look = lookers_answers(lookers, 5);
                size_t count = 0;
                ck_assert_ptr_nonnull(look);
                for (struct look *after; look; look = after) {
                        char path[64];
                        after = look->next;
                        snprintf(path, sizeof path, "/proc/self/no-such-%zu", next++);
                        ck_assert_str_eq(look->path, path);
                        ck_assert_int_eq(look->result, SNAPSHOT_GONE);
                        look_free(look);
                        count++;
                }
                ck_assert_uint_le(count, 5);
                ck_assert(lookers_have_room(lookers));
        }
        ck_assert_ptr_null(lookers_answers(lookers, 5));
}
END_TEST

START_TEST(after_all_were_fetched_others_are_answered_too)
{
        for (unsigned round = 0; round < 3; round++) {
                size_t asked = ask_all(), count = 0;
                wait_for_answers(asked);
                for (struct look *look = lookers_answers(lookers, SIZE_MAX), *after; look; look = after) {
                        after = look->next;
                        look_free(look);
                        count++;
                }
                ck_assert_uint_eq(count, asked);
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
        suite_add_tcase(suite, tcase);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? 1 : 0;
}
