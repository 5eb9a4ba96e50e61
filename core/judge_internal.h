/* SPDX-License-Identifier: MIT */
/* What the files of the judge share among themselves: its two kinds of memory, and what is said of one path.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "core/crypto.h"
#include "core/judge.h"

#define ROTATIONS_MAX 4096u /* growing files remembered, of one baseline */

enum entry_bits { ENTRY_REGULAR = 1, ENTRY_KEPT = 2 };

struct rotation_entry {
        char *item;
        struct rotation rotation;
};

/* How the last look at a `set` line ended. */
enum setting_look { SETTING_NOT_LOOKED, SETTING_ANSWERED, SETTING_UNKNOWN };

struct setting_state {
        enum setting_look look;
        uint32_t looked_s; /* seconds since 1970 */
};

/*
 * What is remembered of each file line that lies in some bytes. Generations that have such a line in common
 * judge by the same line under the same scope, so they have this in common too: a million lines are not in
 * memory twice while one generation follows on the other, and what a scan verifies meanwhile holds for both.
 */
struct entries {
        atomic_uint references;
        const struct baseline_bytes *of; /* borrowed from a baseline of each standing that has these */
        size_t n;
        _Atomic stat_mark *marks;
        _Atomic uint32_t *verified_s; /* seconds since 1970; 0: never */
        _Atomic uint32_t *met;        /* number of the pass that met it last */
        _Atomic uint8_t *bits;
};

struct standing {
        struct baseline *baseline;
        size_t n;
        struct entries *own, *shared; /* shared NULL: there are no such bytes */
        size_t turn;                  /* where judge_turn goes on */
        uint64_t circle_cost;         /* of all its regular files */
        struct rotation_entry *rotations;
        size_t n_rotations;
        size_t n_settings;
        struct setting_state *settings;         /* of each `set` line; under the lock */
        size_t *globs, n_globs;                 /* which of them name items by a glob */
        char *probe_failed[SCOPE_DOMAIN_COUNT]; /* why nothing can be said of a domain; NULL; under the lock
                                                 */
};

/* Shared with the threads that scan: replaced as a whole, freed when the last lets go. */
struct standings {
        atomic_uint references;
        size_t n;
        size_t turn; /* whose turn it is: judge_turn */
        struct standing list[];
};

struct judge {
        pthread_mutex_t lock;
        struct standings *standings; /* replaced under the lock */
        struct drift *drifts;        /* judge_tree.c */
        unsigned char weight_key[CRYPTO_SHORT_KEY_SIZE];
        struct said {
                struct buf text;           /* of which sides */
                struct json *value, *name; /* NULL: nothing yet */
        } said[ATTRIBUTE_COUNT];           /* of each attribute of files, last */
        struct buf saying;                 /* scratch for the next */
        size_t n_drifts;
        atomic_uint pass;
        atomic_ullong refused;
        judge_emit emit;
        void *userdata;
        struct window *const *windows; /* borrowed; under the lock */
        size_t n_windows;
};

/* The scope that an entry lies in (opening has seen to it that there is one). NULL: out of memory. */
const struct scope *entry_scope(const struct standing *s, size_t index);

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
/* Where an expectation's lie, and up to which index (not with it) the next ones follow there. */
struct entries *standing_entries(const struct standing *s, size_t index, size_t *ret_at, size_t *ret_end);
/* Those of one expectation. */
struct entry {
        _Atomic stat_mark *mark;
        _Atomic uint32_t *verified_s, *met;
        _Atomic uint8_t *bits;
};
struct entry standing_entry(const struct standing *s, size_t index);
struct standing *standing_named(struct standings *standings, const char *name);
struct rotation_entry *rotation_find(const struct standing *s, const char *item);
int rotation_put(struct standing *s, const char *item, const struct rotation *rotation);
char *judge_copy(const char *text_or_null);

/* What one look says of one item by one baseline, for drift_update. */
struct drift_look {
        const struct baseline_header *header;
        const char *item;
        bool drift;                     /* false: what is expected was met */
        enum change change;             /* the rest is of a drift */
        char observed[DIGEST_HEX_SIZE]; /* the form that was seen: another one is another record */
        int64_t now_ms;
        bool unobserved;
        const char *who; /* of the observation; as the next */
        bool who_of_metadata;
        int result; /* of the snapshot, for the event */
        stat_mark mark;
        bool renew; /* the words of a drift that is as it was are made anew, without a record */
        int (*describe)(
                void *userdata, struct drift *drift); /* what the look says, all of it or (-ENOMEM) nothing */
        void *userdata;
};

/* judge_drift.c: open drifts, under the lock. */
struct drift *drift_free(struct drift *drift);
/* Opened, altered, resolved or left; > 0: there are too many. */
int drift_update(struct judge *judge, const struct drift_look *look);
/* As drift_update would open it. NULL: no memory. */
struct drift *drift_make(const struct drift_look *look);
/* who: whose events were seen, or NULL. generation: of what is judged by; 0: no baseline of that name. */
void drift_resolve(
        struct judge *judge, struct drift **slot, bool approved, uint64_t generation, const char *who);
int drift_add(struct judge *judge, struct drift *drift);
CLEANUP_DEFINE(struct drift *, drift_free)

/* judge_tree.c: open drifts by item and baseline, under the lock. */
/* Where it hangs, or NULL stands if it is not open. */
struct drift **drift_slot(struct judge *judge, const char *baseline, const char *item);
void tree_insert(struct judge *judge, struct drift *drift); /* one that is not open */
void tree_remove(struct judge *judge, struct drift **slot);
/* Each in order, until visit returns another number than 0, which is returned. */
int tree_each(struct drift *tree, int (*visit)(void *userdata, struct drift *drift), void *userdata);
/* The same for what is at or below the path of a file's item. -ENOMEM too. */
int tree_each_below(struct drift *tree, const char *item, int (*visit)(void *userdata, struct drift *drift),
        void *userdata);
/* Each before the one that it hangs at: visit may remove what hangs there, and nothing else. */
int tree_each_slot(struct drift **slot, int (*visit)(void *userdata, struct drift **slot), void *userdata);

/* judge_setting.c */
int settings_open(struct standing *s);
void settings_done(struct standing *s);
void settings_inherit(struct standing *to, const struct standing *from);
void settings_cover(const struct standing *s, int64_t now_ms, struct coverage *ret);
/* Whether a `set` line speaks of an item, or a scope closes it. */
bool settings_speak_of(const struct standing *s, const char *item);
/* Whether both say the same of an item, by literal lines. */
bool settings_agree(const struct standing *a, const struct standing *b, const char *item);

/* judge_rule.c: pure, but for rule_mark. */
struct ruling rule_on(struct standing *s, const char *escaped);
void rule_wish(const struct ruling *ruling, const char *item, struct snapshot_wish *wish);
int rule_find(const struct ruling *ruling, const char *item, const struct observation *seen,
        struct attributes *ret_expected, struct finding *ret);
void rule_mark(const struct ruling *ruling, const struct finding *finding, const struct observation *seen);
bool rule_suffices(const struct ruling *ruling, const char *item, const struct attributes *expected,
        const struct observation *seen);
