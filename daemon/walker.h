/* SPDX-License-Identifier: MIT */
/*
 * The walking threads: one runs whole passes, one after the other; one walks subtrees that are new, were
 * moved or are gone; one reads every file again, slowly, in a circle. The first two watch each folder before
 * they read it. All hand what they meet to the loop as hints, through one bounded queue: past its bounds they
 * wait.
 */
#pragma once

#include "core/instance.h"
#include "daemon/watch.h"

#define HINTS_MAX 65536u   /* paths between the walking threads and the loop */
#define SUBTREES_MAX 4096u /* subtrees that wait */

enum pass_kind {
        PASS_FOLDERS, /* only adds the watches */
        PASS_QUICK,   /* looks at every stat */
        PASS_FULL,    /* reads everything */
        PASS_COUNT,
};
extern const char *const pass_names[PASS_COUNT];

struct place_count {
        uint64_t count;
        char where[512]; /* the first; escaped, with the reason where there is one */
};

struct pass {
        enum pass_kind kind;
        uint64_t number;    /* of the newest call of walker_ask that it answers */
        int result;         /* of the scan; -ECANCELED: it gave way to an urgent one, or ends */
        int64_t started_ms; /* wall clock */
        uint64_t files, bytes;
        struct place_count unreadable; /* folders that could not be walked */
        struct place_count missing;    /* paths of scopes that are not there */
};

enum hint_kind {
        HINT_PATH,   /* look at it: path, from_pass */
        HINT_BODY,   /* content worth keeping: digest, body, body_size */
        HINT_PASS,   /* a pass is over, all its hints were taken: pass */
        HINT_CIRCLE, /* every file was read once more: pass (files, bytes, started_ms) */
};

struct hint {
        enum hint_kind kind;
        char *path;      /* raw */
        bool from_pass;  /* only a pass's word, no event */
        struct who *who; /* who moved the subtree that it is in; NULL: nobody is known */
        struct digest digest;
        char *body;
        size_t body_size;
        struct pass *pass; /* of its own: many hints wait, and most have none */
};
void hint_done(struct hint *hint);

struct walker;

/* Everything is borrowed. wake: called in any thread when there is a hint. */
int walker_new(struct instance *instance, struct watch *watch, void (*wake)(void *userdata), void *userdata,
        struct walker **ret);
int walker_start(struct walker *walker);
void walker_stop(struct walker *walker);
/* After walker_stop. false: a thread hangs past the deadline (CLOCK_REALTIME), and nothing may be freed. */
bool walker_join(struct walker *walker, const struct timespec *deadline);
struct walker *walker_free(struct walker *walker); /* after walker_join */

/* Of passes that nobody waits for, and of the circle: the rate (bytes/s) and the share of one processor
 * (percent); 0: no limit. */
struct walker_plan {
        unsigned workers; /* as scan_options */
        uint64_t max_rate;
        unsigned max_cpu;
        int64_t circle_s; /* within which every file is read again */
};
void walker_configure(struct walker *walker, const struct walker_plan *plan);
/* The circle may begin: the first full pass is over. */
void walker_begin_circle(struct walker *walker);
/* What is mounted where has changed. */
void walker_mounts_changed(struct walker *walker);

/* Returns the number that the pass which answers this will at least have. urgent: somebody waits for it. */
uint64_t walker_ask(struct walker *walker, enum pass_kind kind, bool urgent);
/* Walks what is, or was, at and below a path; who: of whoever moved all of it, or NULL (borrowed). false: no
 * room (or memory); ask for a pass. */
bool walker_subtree(struct walker *walker, const char *path, struct who *who);

/* Whether no subtree is walked or waits, and no hint. */
bool walker_is_quiet(struct walker *walker);

/* The next hint, the caller's. false: none; without room for paths, none that could be taken. */
bool walker_take(struct walker *walker, bool room, struct hint *ret);
/* After HINT_PASS: the next pass may begin. */
void walker_resume(struct walker *walker);

/* The pass that runs (result, unreadable and missing are of no use yet). false: none. */
bool walker_running(struct walker *walker, struct pass *ret);
/* Of the pass that runs. */
void walker_progress(const struct walker *walker, uint64_t *ret_files, uint64_t *ret_bytes);
/* Files that the circle has read since it began anew. */
uint64_t walker_circle(const struct walker *walker);
/* Whether the pass that runs, or the circle, has made no progress for STUCK_AFTER_MS. To be asked every few
 * seconds. */
bool walker_is_stuck(struct walker *walker, int64_t now_ms);
