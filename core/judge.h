/* SPDX-License-Identifier: MIT */
/*
 * The judge: what is expected against what was seen, and the open drifts that follow. It holds the active
 * baselines in verified memory and, for each expectation, when it was last verified and the mark of the stat
 * that it had then. It writes nothing: each change of an answer is handed to the caller's `emit`, which makes
 * it durable.
 *
 * Any thread may scan and ask for wishes; judge_observe is serialised inside. emit is called under that lock
 * and must not call the judge.
 */
#pragma once

#include "core/baseline.h"
#include "core/json.h"
#include "core/probe.h"
#include "core/scan.h"
#include "core/window.h"

#define DRIFTS_MAX 262144u /* open at once; past it coverage is incomplete and judge_refused counts */

enum change { CHANGE_CHANGED, CHANGE_MISSING, CHANGE_UNEXPECTED, CHANGE_UNKNOWN, CHANGE_COUNT };
extern const char *const change_names[CHANGE_COUNT];

struct drift {
        char *item;
        char baseline[NAME_MAX_SIZE];
        uint64_t generation; /* of the baseline when it opened */
        enum change change;
        enum severity severity;
        int64_t first_seen_ms, last_change_ms;
        bool unobserved;   /* it happened while nobody looked */
        char *attributes;  /* JSON array, as in diff --json */
        struct json *list; /* the same, only while the look that found them is told; else NULL */
        char *views;  /* of a setting: JSON object, as in diff --json; NULL: not looked at since the start */
        char *reason; /* CHANGE_UNKNOWN: why, in words; else NULL */
        char observed[DIGEST_HEX_SIZE]; /* of what was seen; "" where nothing is there */
        char *ack_by, *ack_reason;      /* NULL: not acknowledged */
        int64_t ack_ms;
        char *who;   /* JSON object: whose events were seen of this form of it (core/who.h); NULL: nobody's */
        char *cause; /* JSON object: what is known to have caused this form of it; NULL: nothing is */
        stat_mark mark;
        uint32_t met; /* number of the pass that met the thing last and saw that it is no expected one */
        bool moved;   /* not looked at since its expectation became another */
        struct drift *left, *right; /* judge_tree.c */
        uint32_t weight;
};

enum judge_event_kind {
        JUDGE_DRIFT,    /* opened, or seen in yet another form */
        JUDGE_RESOLVED, /* `as_approved`, or reverted */
        JUDGE_BODY,     /* content worth keeping: digest, body, body_size */
        JUDGE_ROTATED,  /* a growing file began anew: `item`, `rotation` */
};

struct rotation { /* the known prefix of a growing file */
        uint64_t size;
        struct digest content;
        uint64_t inode;
};

struct judge_event {
        enum judge_event_kind kind;
        struct drift *drift;
        bool as_approved;
        uint64_t by_generation; /* of the baseline that approved it; 0: none of that name is judged by now */
        const char *who;        /* of JUDGE_RESOLVED: as drift->who, of what ended it */
        int result;             /* of the snapshot: tells unstable from unreadable */
        const struct digest *digest;
        const char *body;
        size_t body_size;
        const char *item;
        const struct baseline *baseline;
        const struct rotation *rotation;
};
typedef void (*judge_emit)(void *userdata, struct judge_event *event);

struct judge;

int judge_new(judge_emit emit, void *userdata, struct judge **ret);
struct judge *judge_free(struct judge *judge);
CLEANUP_DEFINE(struct judge *, judge_free)

/*
 * Takes the baselines over (the array is copied) and judges by them from now on. What was verified stays so
 * for expectations whose line is the same. Drifts of baselines that are gone are resolved as approved, unless
 * keep_drifts: then one could not be loaded, and nothing is settled. < 0: all is as before, and the baselines
 * are freed.
 */
int judge_set(struct judge *judge, struct baseline **baselines, size_t n, bool keep_drifts, struct err *err);
size_t judge_baselines(const struct judge *judge);
/* Borrowed until the next judge_set. NULL past the end. */
const struct baseline *judge_baseline(const struct judge *judge, size_t index);
const struct baseline *judge_baseline_named(const struct judge *judge, const char *name);

/* Holds the baselines of now, for a thread that outlives the next judge_set. NULL if there are none. */
struct standings;
struct standings *judge_hold(struct judge *judge);
struct standings *judge_release(struct standings *standings);
CLEANUP_DEFINE(struct standings *, judge_release)
const struct baseline *judge_held(struct standings *standings, const char *name); /* borrowed; NULL */
const struct baseline *judge_held_at(struct standings *standings, size_t index);  /* NULL past the end */

/* Whether this escaped path is a path of some files scope; whether one lies below it. Any thread. */
bool judge_names_path(struct judge *judge, const char *escaped);
bool judge_names_below(struct judge *judge, const char *escaped);

/* Restores what the store remembers: an open drift (strings copied), a rotation. */
int judge_restore(struct judge *judge, const struct drift *drift);
int judge_restore_rotation(struct judge *judge, const struct digest *baseline_id, const char *item,
        const struct rotation *rotation);

/* How a path (raw) is to be looked at. 0, JUDGE_NOT_OURS if no scope holds it, or -ENOMEM. */
#define JUDGE_NOT_OURS 1
int judge_wish(struct judge *judge, const char *path, struct snapshot_wish *wish);

/*
 * How far a look at a path (raw) may go: as far as the mount rules of any scope that holds it allow. The
 * table may be empty: then as far as it likes.
 */
enum scan_reach judge_reach(struct judge *judge, const struct mount_table *table, const char *path);
/* snapshot_path of a path of this host, as far as a look may go: UNREADABLE with EXDEV where it may not. Any
 * thread; reader: the thread's own, which finds no words, or NULL. */
struct snapshot_reader;
int judge_look(struct judge *judge, struct snapshot_reader *reader, const struct mount_table *table,
        const char *path, const struct snapshot_wish *wish, struct snapshot *ret, struct err *err);

struct observation {
        int result; /* 0 or enum snapshot_result */
        struct snapshot *snapshot;
        int64_t now_ms;
        const char *who;      /* JSON object: whose events were seen since the look before; NULL: nobody's */
        bool who_of_metadata; /* the events told of metadata alone: nobody is named for anything else */
        bool unobserved;      /* if this opens a drift: did it happen while nobody looked? */
};
/* Judges one path (raw) by every baseline. 0 or -ENOMEM. */
int judge_observe(struct judge *judge, const char *path, const struct observation *observation);

/* One look at a domain of settings, for every baseline whose scope has the same parameters. */
struct settings_look {
        const struct scope *scope;           /* the parameters of the look: judge_probes */
        const struct probe_reading *reading; /* NULL: nothing can be said of the domain */
        const char *failed;                  /* then: why */
        bool named; /* the reading holds what judge_named selects, and no more need be in it */
        int64_t now_ms;
        bool unobserved; /* what is found happened while nobody looked */
};
/* Judges it. Any thread; 0 or -ENOMEM. */
int judge_observe_settings(struct judge *judge, const struct settings_look *look);
/* The parameters of the looks that the baselines of now ask for: copies, freed with scopes_free. */
int judge_probes(struct judge *judge, struct scope **ret, size_t *ret_n);
/* Items and globs that policies (scopes that do not close) name in the domain, for looks between the whole
 * ones. */
int judge_named(struct judge *judge, const struct scope *scope, struct text_list *ret);
/* Calls visit for each `set` line of it that no look has answered since judge_set, with why. */
int judge_each_unlooked(struct judge *judge, size_t index,
        int (*visit)(void *userdata, const char *item, const char *why), void *userdata);
/* What a reading shows by the baseline at `index`: as judge_look_json. */
struct json *judge_setting_json(
        struct judge *judge, size_t index, const char *item, const struct settings_look *look);
/* {running, configured: {value, source} | null, after_restart} */
struct json *views_json(const struct probe_setting *setting);
/* A value (raw; NULL: null), and what a line expects (`0`, or `ge 1`; NULL: null), as JSON has them. */
struct json *setting_value_json(const char *value);
struct json *setting_expected_json(const struct setting *line);
/* The text of a value for people and JSON: printable ASCII, other bytes and `\` escaped, blanks as they are.
 */
int value_append(const char *value, struct buf *buf);

struct judge_scan {
        bool full;    /* read all content; otherwise only what has another stat than when it was verified */
        bool at_once; /* judge in place; otherwise what deviates is only handed to `hint` */
        bool unobserved; /* with at_once: what is found happened while nobody looked */
        const char *root;
        const char *below;
        char *const *items; /* only these (patterns); none: all */
        size_t n_items;
        unsigned workers;
        bool here;         /* as in struct scan_options */
        struct pace *pace; /* as scan_options */
        bool background;
        const struct inode_id *own;
        size_t n_own;
        atomic_ullong *files, *bytes; /* progress; may be NULL */
        const atomic_bool *cancel;
        int (*folder)(void *userdata, int folder_fd, const char *path, const struct statx *stx);
        void (*hint)(void *userdata, const char *path);
        void (*keep)(void *userdata, const struct digest *digest, const char *body, size_t size);
        void (*problem)(void *userdata, const char *path, int error);
        void *userdata;
};
/* Walks every files scope of every baseline, and what is expected but was not met. 0 or < 0. */
int judge_scan(struct judge *judge, const struct judge_scan *options, struct err *err);

/*
 * The slow circle: the content of each expected regular file is read again in turn, one file after the other.
 * What a file costs is its expected bytes and as much again for a small file's sake, so that neither large
 * files nor many come at once.
 */
#define TURN_FILE_COST 65536 /* bytes */
/* The cost of the whole circle; 0: there is nothing to read. */
uint64_t judge_circle_cost(struct judge *judge);
/*
 * Looks at the next file, by options (own, background, cancel, hint, keep, files, bytes, userdata): what
 * meets its expectation is marked as verified, anything else is hinted at, as is what lies on a file system
 * that may not answer. One thread alone. Returns the cost, 0 where there is none, or -ENOMEM or -ECANCELED.
 */
int64_t judge_turn(struct judge *judge, const struct judge_scan *options, struct snapshot_reader *reader,
        const struct mount_table *mounts);

struct coverage {
        uint64_t expected, verified;
        uint64_t unknown;                /* open drifts that are CHANGE_UNKNOWN */
        uint64_t settings;               /* `set` lines that could not be judged, or not lately */
        uint64_t settings_unknown;       /* of which an item could not be read: a drift says so */
        char settings_where[256];        /* why, of the first */
        int64_t oldest_content_check_ms; /* 0: something was never checked */
};
void judge_coverage(struct judge *judge, int64_t now_ms, struct coverage *ret);
uint64_t judge_regular_files(const struct judge *judge);
uint64_t judge_refused(const struct judge *judge);
/* Before a pass that meets everything again. */
void judge_refused_reset(struct judge *judge);

/* Calls visit for every open drift, in the order of items, then baselines; under the lock. It needs no
 * memory, so that what is counted cannot come out too low. */
int judge_each(struct judge *judge, int (*visit)(void *userdata, struct drift *drift), void *userdata);
/* The same for those at or below the path of a file's item. -ENOMEM too. */
int judge_each_below(struct judge *judge, const char *item, int (*visit)(void *userdata, struct drift *drift),
        void *userdata);
/* The same for one; false if it is not open. */
bool judge_find(struct judge *judge, const char *baseline, const char *item,
        int (*visit)(void *userdata, struct drift *drift), void *userdata, int *ret);
/* The waiver in force for a drift at this time, or NULL. */
const struct waiver *judge_waiver(const struct judge *judge, const struct drift *drift, int64_t now_ms);
/*
 * The windows in force; borrowed until the next call. What is in one is drift as before, of a lower severity:
 * judge_window is the one that holds a drift, or NULL, and judge_severity what the drift then counts as.
 */
void judge_set_windows(struct judge *judge, struct window *const *windows, size_t n);
const struct window *judge_window(const struct judge *judge, const struct drift *drift, int64_t now_ms);
enum severity judge_severity(const struct judge *judge, const struct drift *drift, int64_t now_ms);
/* Puts `severity` into an object that tells of the drift; of one in a window also `window`: {id, ticket,
 * until, severity: what it would be}. 0 or -ENOMEM. */
int judge_put_severity(
        const struct judge *judge, const struct drift *drift, int64_t now_ms, struct json *object);
/* A drift as diff --json has it. */
struct json *judge_drift_json(const struct judge *judge, const struct drift *drift, int64_t now_ms);
/*
 * The same for what a look shows by the baseline at `index`, whether that drift is open yet or not: null if
 * the look meets what is expected, or does not hold what is judged by. NULL: no memory. Nothing is changed.
 */
struct json *judge_look_json(
        struct judge *judge, size_t index, const char *item, const struct observation *observation);
