/* SPDX-License-Identifier: MIT */
/* What the files of the instance share among themselves. */
#pragma once

#include <stdatomic.h>

#include "core/instance.h"

struct drift_counts {
        struct instance *instance;
        int64_t now_ms;
        uint64_t drift, unknown, waived;
        uint64_t by_severity[SEVERITY_COUNT]; /* not waived */
};
void instance_count(struct instance *instance, struct drift_counts *ret);

/* Queues that a drift's ledger row is written anew, without a record. Under the judge's lock. */
void instance_row(struct instance *instance, const struct drift *drift);

/* Queues content to be kept. */
void instance_keep(struct instance *instance, const struct digest *digest, const char *body, size_t size);

/* instance_flush with more to write in the same transaction. */
int instance_flush_with(struct instance *instance, int (*more)(void *userdata, struct err *err),
        void *userdata, struct err *err);
/* A record's detail, with who asked for it, if a caller did. Takes and gives the reference. */
struct json *instance_asked(const struct instance *instance, struct json *detail);
/* Takes the newest queued record back. */
void instance_unrecord(struct instance *instance);

struct walk_problems {
        struct instance *instance;
        atomic_ullong count, missing;
        char where[512], missing_where[512]; /* the first of each */
};
void instance_walk_problem(void *userdata, const char *path, int error);

/* The people who count, with blanks between. */
int trust_verdict_signers(const struct trust_verdict *verdict, struct buf *ret);

/* ---- instance_marks.c ---- */

#define MARK_TRUST "=trust" /* the trust file's line: no baseline can be named so */

struct mark {
        char name[NAME_MAX_SIZE];
        uint64_t generation;
        struct digest id;
};

struct marks { /* zero-initialise */
        struct mark *list;
        size_t count;
};

void marks_done(struct marks *marks);
struct mark *mark_named(const struct marks *marks, const char *name) _pure_; /* NULL: none */
int mark_raise(struct marks *marks, const char *name, uint64_t generation, const struct digest *id);
bool mark_equal(const struct mark *a, const struct mark *b);
/* No file: no marks. -EBADMSG: damaged. */
int marks_read(const struct instance *instance, struct marks *marks, struct err *err);
int marks_write(const struct instance *instance, const struct marks *marks, struct err *err);
/* Reads, raises one, writes. */
int marks_raise(struct instance *instance, const char *name, uint64_t generation, const struct digest *id,
        struct err *err);

/* ---- instance_shelf.c ---- */

/* Puts a signed baseline on the shelf, durably. */
int shelf_put(const struct instance *instance, const struct baseline *b, const void *approvals, size_t size,
        struct err *err);
/* Takes one generation off again; a failure is harmless. */
void shelf_drop(const struct instance *instance, const char *name, uint64_t generation);
/* That it is there, byte for byte, and no other generation of its name. */
int shelf_keep(const struct instance *instance, const struct baseline *b, const void *approvals, size_t size,
        struct err *err);

struct shelf_entry {
        char name[NAME_MAX_SIZE];
        uint64_t generation;
};
/* What is on it, by name, the newest generation first. Freed by the caller. */
int shelf_list(const struct instance *instance, struct shelf_entry **ret, size_t *ret_count, struct err *err);
int shelf_read(const struct instance *instance, const struct shelf_entry *entry, struct buf *ret_text,
        struct buf *ret_approvals, struct err *err);

/* ---- instance_rebuild.c ---- */

/* Renames the store's files, after noting durably why. */
int rebuild_set_aside(const struct config *config, const char *why, struct err *err);
/* With the new store open: what was noted goes into its history. */
int rebuild_begin(struct instance *instance, struct err *err);
/* With the trust file in force: takes the baselines of the shelf, as far as they hold. */
int rebuild_take(struct instance *instance, struct err *err);

/* ---- instance_clock.c ---- */

void instance_clock_start(struct instance *instance);
/* A signed apply: the clock is believed again. */
void instance_clock_believe(struct instance *instance);

/* ---- instance_window.c ---- */

/* After trust, baselines and clock. */
int instance_load_windows(struct instance *instance, struct err *err);
void instance_free_windows(struct instance *instance);
/* By the trust file that is in force now. */
void instance_windows_judge_again(struct instance *instance);

/* ---- instance_trust.c ---- */

/* Judges the approvals of a baseline by the trust file in force: 0, a trust_result, or < 0. */
int instance_judge_approvals(const struct instance *instance, const struct baseline *b,
        const struct buf *approvals, struct trust_verdict *verdict, struct err *err);

struct applying {
        struct instance *instance;
        const struct baseline *baseline;
        const struct buf *approvals;
        const struct trust_verdict *verdict;
        const char *signers;
        bool from_shelf;    /* nobody applied it now */
        bool adopted;       /* taken without its parent: "adopted:NAME" until the next apply */
        const char *doubts; /* "doubted:NAME" until the next apply; NULL: none */
};
/* Writes the record and the rows of a baseline, in one transaction. */
int instance_put_baseline(struct applying *applying, struct err *err);
/* "KEY:NAME", as values of one baseline are called. */
void value_key(const char *key, const char *name, char ret[static NAME_MAX_SIZE + 16]);

int instance_load_trust(struct instance *instance, struct err *err);
int instance_load_baselines(struct instance *instance, struct err *err);
int instance_load_clock(struct instance *instance, struct err *err);
void instance_drop_baseline_states(struct instance *instance, size_t n);
/* Whether the configuration would propose other scopes than those that are signed. Looks at the file system.
 */
bool instance_scopes_differ(const struct instance *instance);
void instance_refresh_trust_problems(struct instance *instance);

/* ---- instance_probe.c ---- */

struct settings_request {
        bool unobserved;      /* what is found happened while nobody looked */
        const char *not_here; /* why no probe can tell (an image is judged); NULL: they are asked */
        const atomic_bool *cancel;
};
/* Looks at all settings that the judge's baselines ask for, and judges them. 0 or < 0. */
int instance_probe(struct judge *judge, const struct settings_request *request, struct err *err);
