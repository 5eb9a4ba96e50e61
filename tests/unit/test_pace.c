/* SPDX-License-Identifier: MIT */
/* The pace: two limits, kept by all threads together, and left at once by who is cancelled. */
#include <check.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/pace.h"
#include "core/util.h"

static struct pace pace = PACE_INIT;

static void *
take_bytes(void *userdata)
{
        struct pacer pacer = {.pace = &pace, .cancel = userdata};
        pacer_start(&pacer);
        for (unsigned i = 0; i < 64; i++)
                if (pacer_pay(&pacer, 64 << 10) < 0)
                        return &pace;
        return NULL;
}

START_TEST(bytes_are_counted_over_all_threads)
{
        pthread_t threads[4];
        pace_set(&pace, 16 << 20, 0); /* 4 threads, 4 MiB each: a second, less the burst */
        int64_t started_ms = clock_monotonic_ms();
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
                ck_assert_int_eq(pthread_create(&threads[i], NULL, take_bytes, NULL), 0);
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
                pthread_join(threads[i], NULL);
        ck_assert_int_ge(clock_monotonic_ms() - started_ms, 890);
}
END_TEST

/* Works for half a second of the processor's time. */
START_TEST(processor_time_is_counted)
{
        struct pacer pacer = {.pace = &pace};
        struct timespec cpu;
        pace_set(&pace, 0, 50);
        int64_t started_ms = clock_monotonic_ms();
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
        int64_t until_ns = cpu.tv_sec * 1000000000 + cpu.tv_nsec + 500000000;
        pacer_start(&pacer);
        do {
                for (volatile unsigned i = 0; i < 100000; i++)
                        ;
                ck_assert_int_eq(pacer_pay(&pacer, 1 << 20), 0);
                clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
        } while (cpu.tv_sec * 1000000000 + cpu.tv_nsec < until_ns);
        ck_assert_int_ge(clock_monotonic_ms() - started_ms, 890);
}
END_TEST

START_TEST(without_limits_nobody_waits)
{
        struct pacer pacer = {.pace = &pace};
        pace_set(&pace, 0, 0);
        ck_assert(!pace_is_limited(&pace));
        pacer_start(&pacer);
        int64_t started_ms = clock_monotonic_ms();
        for (unsigned i = 0; i < 1000; i++)
                ck_assert_int_eq(pacer_pay(&pacer, SIZE_MAX / 2), 0);
        ck_assert_int_lt(clock_monotonic_ms() - started_ms, 5000);
        pace_set(&pace, 0, 1);
        ck_assert(pace_is_limited(&pace));
}
END_TEST

START_TEST(who_is_cancelled_stops_waiting)
{
        atomic_bool cancel = false;
        pthread_t thread;
        void *ended;
        pace_set(&pace, 1, 0); /* a second a byte */
        ck_assert_int_eq(pthread_create(&thread, NULL, take_bytes, &cancel), 0);
        atomic_store(&cancel, true);
        pthread_join(thread, &ended);
        ck_assert_ptr_eq(ended, &pace);
}
END_TEST

static void *
step_back(void *niceness)
{
        thread_step_back();
        *(int *)niceness = getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
        return NULL;
}

START_TEST(a_thread_steps_back_alone)
{
        pthread_t thread;
        int niceness = 0, before = getpriority(PRIO_PROCESS, 0);
        ck_assert_int_eq(pthread_create(&thread, NULL, step_back, &niceness), 0);
        pthread_join(thread, NULL);
        ck_assert_int_eq(niceness, 19);
        ck_assert_int_eq(getpriority(PRIO_PROCESS, 0), before);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("pace");
        TCase *all = tcase_create("all");
        tcase_add_test(all, bytes_are_counted_over_all_threads);
        tcase_add_test(all, processor_time_is_counted);
        tcase_add_test(all, without_limits_nobody_waits);
        tcase_add_test(all, who_is_cancelled_stops_waiting);
        tcase_add_test(all, a_thread_steps_back_alone);
        suite_add_tcase(suite, all);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
