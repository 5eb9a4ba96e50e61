/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing but the two buckets. Of each only one number is kept: the time at which all that was taken of
 * it is paid. It never lies further back than the burst, so that a pause saves up no more than that.
 */
#include "core/pace.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BURST_NS 100000000 /* what may be taken at once after a pause */
#define SLICE_NS 50000000  /* how soon a waiting thread hears that it is cancelled */

static int64_t
clock_ns(clockid_t clock)
{
        struct timespec now;
        clock_gettime(clock, &now);
        return now.tv_sec * 1000000000 + now.tv_nsec;
}

void
pace_set(struct pace *pace, uint64_t bytes_per_s, unsigned cpu_percent)
{
        pthread_mutex_lock(&pace->lock);
        pace->bytes_per_s = bytes_per_s;
        pace->cpu_percent = cpu_percent;
        pthread_mutex_unlock(&pace->lock);
}

bool
pace_is_limited(struct pace *pace)
{
        pthread_mutex_lock(&pace->lock);
        bool limited = pace->bytes_per_s || pace->cpu_percent;
        pthread_mutex_unlock(&pace->lock);
        return limited;
}

/* L: takes so much out of a bucket. Returns until when to wait. */
static int64_t
take(int64_t *bucket_ns, int64_t now_ns, double cost_ns)
{
        if (*bucket_ns < now_ns - BURST_NS)
                *bucket_ns = now_ns - BURST_NS;
        *bucket_ns += (int64_t)cost_ns;
        return *bucket_ns;
}

void
pacer_start(struct pacer *pacer)
{
        pacer->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static int
wait_until(int64_t until_ns, const atomic_bool *cancel)
{
        for (int64_t left_ns; (left_ns = until_ns - clock_ns(CLOCK_MONOTONIC)) > 0;) {
                if (cancel && atomic_load_explicit(cancel, memory_order_relaxed))
                        return -ECANCELED;
                struct timespec slice = {.tv_nsec = left_ns < SLICE_NS ? left_ns : SLICE_NS};
                nanosleep(&slice, NULL);
        }
        return 0;
}

int
pacer_pay(struct pacer *pacer, size_t bytes)
{
        struct pace *pace = pacer->pace;
        int64_t now_ns = clock_ns(CLOCK_MONOTONIC), cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        int64_t until_ns = now_ns;
        pthread_mutex_lock(&pace->lock);
        if (pace->bytes_per_s)
                until_ns = take(&pace->bytes_ns, now_ns, (double)bytes * 1e9 / (double)pace->bytes_per_s);
        if (pace->cpu_percent) {
                double cost_ns = (double)(cpu_ns - pacer->cpu_ns) * 100 / pace->cpu_percent;
                int64_t paid_ns = take(&pace->cpu_ns, now_ns, cost_ns);
                until_ns = paid_ns > until_ns ? paid_ns : until_ns;
        }
        pthread_mutex_unlock(&pace->lock);
        pacer->cpu_ns = cpu_ns;
        return wait_until(until_ns, pacer->cancel);
}

void
thread_step_back(void)
{
        const int who_process = 1, class_idle = 3 << 13; /* linux/ioprio.h; 0 is the calling thread */
        struct sched_param none = {0};
        pid_t thread = (pid_t)syscall(SYS_gettid);
        (void)syscall(SYS_ioprio_set, who_process, 0, class_idle);
        (void)sched_setscheduler(0, SCHED_BATCH, &none);
        (void)setpriority(PRIO_PROCESS, (id_t)thread, 19);
}
