/* SPDX-License-Identifier: MIT */
/* What the files of the instance share among themselves. */
#pragma once

#include <stdatomic.h>

#include "core/file.h"
#include "core/instance.h"

struct drift_counts {
        struct instance *instance;
        int64_t now_ms;
        uint64_t drift, unknown, waived;
        uint64_t moved; /* not waived: their expectation is another one since they were looked at */
        uint64_t by_severity[SEVERITY_COUNT]; /* not waived */
        uint64_t by_domain[SCOPE_DOMAIN_COUNT][SEVERITY_COUNT];
};
void instance_count(struct instance *instance, struct drift_counts *ret);
/* instance_verdict, and what it was made from. */
const char *instance_verdict_of(struct instance *instance, struct drift_counts *ret);

/* What has ended by the time that it is: waivers, terms of reviews, flapping. Queues what is to be told. */
void instance_look_at_ends(struct instance *instance);

/* A record's detail, with who asked for it, if a caller did. Takes and gives the reference. */
struct json *instance_asked(const struct instance *instance, struct json *detail);
struct walk_problems {
        struct instance *instance;
        atomic_ullong count, missing;
        char where[512], missing_where[512]; /* the first of each */
};
void instance_walk_problem(void *userdata, const char *path, int error);

/* The people who count, with blanks between. */
int trust_verdict_signers(const struct trust_verdict *verdict, struct buf *ret);

/* ---- instance_queue.c ---- */

struct pending *queue_new(void); /* NULL: no memory */
struct pending *queue_free(struct pending *pending);
/* What the judge emits; userdata is the instance. Under the judge's lock: does not call the judge. */
void queue_judge_event(void *userdata, struct judge_event *event);
/* Queues the record of an acknowledgement, and the ledger row with it. Takes the reference. < 0: no memory.
 */
int queue_ack(struct instance *instance, const struct drift *drift, struct json *detail);
/* What opening found (tampering, damage, a trust file) is told when somebody listens. */
void queue_announce_early(struct instance *instance);
/* Queues that a drift's ledger row is written anew, without a record. Under the judge's lock. */
void instance_row(struct instance *instance, const struct drift *drift);
/* Queues the record of an open drift once more, and why. Under the judge's lock. */
void instance_drift_again(struct instance *instance, struct drift *drift, const char *why);
/* Queues content to be kept. */
void instance_keep(struct instance *instance, const struct digest *digest, const char *body, size_t size);
/* instance_flush with more to write in the same transaction. */
int instance_flush_with(struct instance *instance, int (*more)(void *userdata, struct err *err),
        void *userdata, struct err *err);
/* Takes the newest queued record back, where the flush with it failed. The end of another flush may queue one
 * of its own: whoever may have to take one back ends that (instance_flush_end, instance_flush) before it
 * records. */
void instance_unrecord(struct instance *instance);
/* Records that were lost since the start: there was no room or no memory for them. */
uint64_t instance_dropped(const struct instance *instance);

/* ---- instance_telemetry.c ---- */

enum scope_domain drift_domain(const char *item) _pure_;
/* A record is queued. */
void instance_telemetry_take(struct instance *instance, const char *kind, const struct json *detail);
struct json *instance_telemetry_json(struct instance *instance, const struct drift_counts *counts);

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

/* Writes a text in the shelf's folder without giving it a name yet, which is most of the work of shelf_put.
 * Any thread. */
int shelf_draft(const char *folder, const struct baseline *b, struct file_draft **ret, struct err *err);
/* Puts a signed baseline on the shelf, durably. draft: of its text; NULL: it is made now. */
int shelf_put(const struct instance *instance, const struct baseline *b, const void *approvals, size_t size,
        struct file_draft *draft, struct err *err);
/* Takes one generation off again; a failure is harmless. */
void shelf_drop(const struct instance *instance, const char *name, uint64_t generation);
/* Removes what an apply left behind that was killed while it wrote. The store is locked, and no job runs. */
void shelf_tidy(const struct instance *instance);
/* That it is there, byte for byte, and no other generation of its name. just_put: by shelf_put, and whole. */
int shelf_keep(const struct instance *instance, const struct baseline *b, const void *approvals, size_t size,
        bool just_put, struct err *err);

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

/* ---- instance_checkpoint.c ---- */

/* Makes the key where there is none, and records that. What keeps it from being there is no failure but
 * checkpoint_why. */
int instance_load_checkpoint_key(struct instance *instance, struct err *err);
/* ---- instance_window.c ---- */

/* After trust, baselines and clock. */
int instance_load_windows(struct instance *instance, struct err *err);
void instance_free_windows(struct instance *instance);
/* By the trust file that is in force now. */
void instance_windows_judge_again(struct instance *instance);

/* ---- instance_trust.c ---- */

/* A generation of the store (0: the active one), opened. As store_baseline_get, or what keeps it from being
 * a baseline. */
int instance_open_stored(struct instance *instance, const char *name, uint64_t generation,
        struct baseline **ret, struct buf *ret_approvals, struct err *err);
/* Judges the approvals of a baseline by the trust file in force: 0, a trust_result, or < 0. */
int instance_judge_approvals(const struct instance *instance, const struct baseline *b,
        const struct buf *approvals, struct trust_verdict *verdict, struct err *err);

struct applying {
        struct instance *instance;
        const struct baseline *baseline;
        const struct buf *approvals;
        const struct trust_verdict *verdict;
        const char *signers;
        bool from_shelf;          /* nobody applied it now */
        bool adopted;             /* taken without its parent: "adopted:NAME" until the next apply */
        const char *doubts;       /* "doubted:NAME" until the next apply; NULL: none */
        struct file_draft *draft; /* of shelf_draft; NULL: none */
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

/* ---- instance_review.c ---- */

/* The review that a baseline owes which was applied by the urgent threshold: in the transaction that applies
 * it. */
int review_owe(const struct applying *applying, struct err *err);
/* How many people more it takes; 0: none is due. */
unsigned review_missing(
        const struct instance *instance, const struct baseline *b, const struct trust_verdict *verdict);
/* Queues the record of it, once it is in force. */
void review_tell_owed(
        struct instance *instance, const struct baseline *b, const struct trust_verdict *verdict);
/* Of what is in force: what it owes is written again if nothing says it any more. */
void review_restore(struct instance *instance, const struct baseline *b, const struct trust_verdict *verdict);
/* PROBLEM_REVIEW_DUE and PROBLEM_OVERDUE. */
void review_refresh(struct instance *instance);
/* Another trust file is in force: queues what is owed by it now, and the end of what is owed no more. */
void review_judge_again(struct instance *instance);
/* Queues a record for each review that has become overdue. */
void review_look(struct instance *instance);
/*
 * Approvals of a baseline whose review is due: those of people who had not approved it yet are added to it,
 * durably, and recorded. REVIEW_NONE: none is due of it; INSTANCE_REFUSED: they add nobody.
 */
#define REVIEW_NONE 100
int review_take(struct instance *instance, const struct baseline *b, const struct buf *given,
        struct apply_result *ret, struct err *err);

/* ---- instance_waiver.c ---- */

/* Queues what a new generation gives and takes back. */
void waivers_record(struct instance *instance, const struct baseline *b, const struct baseline *parent);
/* Queues the ends of waivers since the last look, and the drifts that are open again by them. */
void waivers_look(struct instance *instance);

/* ---- instance_flap.c ---- */

#define FLAP_CHANGES 16u                /* of one item */
#define FLAP_WINDOW_MS ((int64_t)60000) /* within this: it flaps */
#define FLAP_QUIET_MS ((int64_t)120000) /* without a change: it is over */

struct flaps *flaps_free(struct flaps *flaps);
/* Counts a change of an answer; true: it has no record of its own. */
bool flap_folds(struct instance *instance, const struct judge_event *event);
/* After its record was queued: whether it flaps from here on. */
void flap_counted(struct instance *instance, const struct drift *drift);
/* Queues the end of those that are quiet / of all / of those that the last run left behind. */
void flaps_look(struct instance *instance);
void flaps_stop(struct instance *instance);
void flaps_tell_left(struct instance *instance);

/* ---- instance_live.c ---- */

struct live_request {
        const struct baseline *parent; /* NULL: the first generation */
        unsigned workers;
        const struct inode_id *own;
        size_t n_own;
        atomic_ullong *files, *bytes; /* progress; may be NULL */
        const atomic_bool *cancel;
};
/*
 * Looks whether what `next` (taken over) changes of its parent is live as it says. *ret_moved names what is
 * not, as "ITEM (changed), ITEM (missing) and 7 more", and what nobody can tell, as "ITEM (could not be
 * looked at: WHY)"; it stays empty if all is. Any thread. 0 or < 0.
 */
int live_check(
        const struct live_request *request, struct baseline *next, struct buf *ret_moved, struct err *err);

/* ---- instance_probe.c ---- */

struct settings_request {
        bool unobserved;      /* what is found happened while nobody looked */
        const char *not_here; /* why no probe can tell (an image is judged); NULL: they are asked */
        const atomic_bool *cancel;
        /* Of which domain nothing could be said, and why; may be NULL. */
        int (*failed)(void *userdata, enum scope_domain domain, const char *why);
        void *userdata;
};
/* Looks at all settings that the judge's baselines ask for, and judges them. 0 or < 0. */
int instance_probe(struct judge *judge, const struct settings_request *request, struct err *err);
