/* SPDX-License-Identifier: MIT */
/* What the files of the judge share among themselves: its two kinds of memory, and what is said of one path.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "core/judge.h"

#define BUCKETS 4096u
#define ROTATIONS_MAX 4096u /* growing files remembered, of one baseline */

enum entry_bits { ENTRY_REGULAR = 1, ENTRY_KEPT = 2 };

struct rotation_entry {
        char *item;
        struct rotation rotation;
};

struct standing {
        struct baseline *baseline;
        size_t n;
        _Atomic stat_mark *marks;
        _Atomic uint32_t *verified_s; /* seconds since 1970; 0: never */
        _Atomic uint32_t *met;        /* number of the pass that met it last */
        _Atomic uint8_t *bits;
        size_t turn; /* where judge_turn goes on */
        struct rotation_entry *rotations;
        size_t n_rotations;
};

/* Shared with the threads that scan: replaced as a whole, freed when the last lets go. */
struct standings {
        atomic_uint references;
        size_t n;
        struct standing list[];
};

struct judge {
        pthread_mutex_t lock;
        struct standings *standings; /* replaced under the lock */
        struct drift *buckets[BUCKETS];
        size_t n_drifts;
        atomic_uint pass;
        atomic_ullong refused;
        judge_emit emit;
        void *userdata;
};

/* What one baseline says of one path. */
struct ruling {
        struct standing *standing;
        const struct scope *scope;
        bool expected;
        size_t index;
};

/* What follows from one look: no drift, or which. */
struct finding {
        bool drift;
        enum change change;
        uint32_t differ;
        bool rotated;
        struct rotation rotation;
};

/* judge.c: standings and what they remember. */
struct standing *standing_named(struct standings *standings, const char *name);
struct rotation_entry *rotation_find(const struct standing *s, const char *item);
int rotation_put(struct standing *s, const char *item, const struct rotation *rotation);
char *judge_copy(const char *text_or_null);

/* judge_drift.c: open drifts, under the lock. */
struct drift *drift_free(struct drift *drift);
struct drift **drift_slot(struct judge *judge, const char *baseline, const char *item);
void drift_resolve(struct judge *judge, struct drift **slot, bool approved);
int drift_add(struct judge *judge, struct drift *drift);
CLEANUP_DEFINE(struct drift *, drift_free)

/* judge_rule.c: pure, but for rule_mark. */
struct ruling rule_on(struct standing *s, const char *escaped);
void rule_wish(const struct ruling *ruling, const char *item, struct snapshot_wish *wish);
int rule_find(const struct ruling *ruling, const char *item, const struct observation *seen,
        struct attributes *ret_expected, struct finding *ret);
void rule_mark(const struct ruling *ruling, const struct finding *finding, const struct observation *seen);
bool rule_suffices(const struct ruling *ruling, const char *item, const struct attributes *expected,
        const struct observation *seen);
