/* SPDX-License-Identifier: MIT */
/*
 * The lookers: a few threads, each taking the snapshot of one path at a time. A look that a file system does
 * not answer is given up: its answer is UNREADABLE with ETIMEDOUT, its thread is left alone and replaced.
 * Of a file system that may not answer (a domain) one look at a time is taken; while one of them hangs, the
 * others are answered likewise and cost no thread. A slow look has another thread stand in for it.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "core/snapshot.h"

#define LOOKERS_MAX 16u /* threads, those that got stuck included */
#define LOOKS_AHEAD                                                                                          \
        64u /* looks that wait, for each thread: they are taken while the loop makes others durable */
#define SLOW_AFTER_MS 2000   /* a look without progress for so long has another thread stand in for it */
#define STUCK_AFTER_MS 30000 /* a look without progress for so long is called stuck */

struct dirty_entry;

struct look {
        struct dirty_entry *entry; /* whose look it is; the lookers do not touch it */
        char *path;                /* raw, owned */
        char *domain;              /* the mount point of a file system that may not answer, or NULL; owned */
        struct snapshot_wish wish; /* bytes_read is set by the looker */
        struct snapshot snapshot;
        int result;         /* of snapshot_path */
        int64_t started_ms; /* monotonic */
        bool stuck;
        unsigned long long bytes_before; /* at the last check for being stuck */
        struct look *next;
};

/* NULL: out of memory. The path is copied. */
struct look *look_new(struct dirty_entry *entry, const char *path);
struct look *look_free(struct look *look);
/* Makes it the answer of a thing that could not be looked at: it is there or not, nobody knows. */
void look_failed(struct look *look, int error);

struct lookers;

/* wake: called in any thread when there are answers again, after none was left. */
int lookers_new(void (*wake)(void *userdata), void *userdata, struct lookers **ret);
/* Tells the threads to end; those that wait do so at once. */
void lookers_stop(struct lookers *lookers);
/* After lookers_stop. false: a thread hangs past the deadline (CLOCK_REALTIME), and nothing may be freed. */
bool lookers_join(struct lookers *lookers, const struct timespec *deadline);
/* After lookers_join. */
struct lookers *lookers_free(struct lookers *lookers);

/* Has so many threads run besides those that are slow or hang. < 0: fewer do, for want of memory or of free
 * places. */
int lookers_run(struct lookers *lookers, unsigned wanted);
/* How many more looks may be asked for. */
size_t lookers_room(struct lookers *lookers);
/* Takes the looks over, linked by next; one that has a result (look_failed) is answered with it. */
void lookers_ask(struct lookers *lookers, struct look *looks);
/* The looks that are answered, the oldest first and at most so many, linked by next; the caller's from then
 * on. NULL: none. */
struct look *lookers_answers(struct lookers *lookers, size_t most);
/* Gives up the looks that have not moved for long. Returns how many threads hang. */
unsigned lookers_check(struct lookers *lookers, int64_t now_ms);
/* Threads that do not hang. */
unsigned lookers_alive(struct lookers *lookers);
