/* SPDX-License-Identifier: MIT */
/*
 * The pace of work that nobody waits for: so many bytes read a second, so much of one processor, by all its
 * threads together. Each limit is a bucket that holds a tenth of a second's worth; who has taken more than
 * there was waits until it is paid.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pace {
        pthread_mutex_t lock;
        uint64_t bytes_per_s;     /* 0: no limit */
        unsigned cpu_percent;     /* of one processor; 0: no limit */
        int64_t bytes_ns, cpu_ns; /* monotonic: when what was taken of each is paid */
};

#define PACE_INIT                                                                                            \
        {                                                                                                    \
                .lock = PTHREAD_MUTEX_INITIALIZER                                                            \
        }

/* Any thread; what is already owed stays owed. */
void pace_set(struct pace *pace, uint64_t bytes_per_s, unsigned cpu_percent);
bool pace_is_limited(struct pace *pace);

/* A thread that keeps the pace; its own, and it begins with pacer_start in that thread. */
struct pacer {
        struct pace *pace;         /* borrowed */
        const atomic_bool *cancel; /* ends a wait; may be NULL */
        int64_t cpu_ns;            /* of the thread, paid for */
};

void pacer_start(struct pacer *pacer);
/* Takes these bytes and the thread's processor time since the last call; waits. 0, or -ECANCELED. */
int pacer_pay(struct pacer *pacer, size_t bytes);

/* The calling thread takes the processor and the disk only when nobody else does: nice 19, SCHED_BATCH, idle
 * I/O priority. Failures do not matter. */
void thread_step_back(void);
