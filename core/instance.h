/* SPDX-License-Identifier: MIT */
/*
 * One instance of driftd: its configuration, trust, store, judge and problems, and the rules that bind them
 * (applying a baseline, taking a trust file, what a start finds). driftd keeps one open; driftctl opens one
 * when no daemon runs.
 *
 * Every change of an answer is queued as a record, written with the ledger in one transaction by
 * instance_flush, and announced only after the commit. If the store fails, the queue stays (bounded),
 * detection goes on, and the verdict cannot be clean. For one thread; judge_scan may run elsewhere.
 */
#pragma once

#include "core/baseline_delta.h"
#include "core/config.h"
#include "core/judge.h"
#include "core/note_signer.h"
#include "core/package.h"
#include "core/store.h"
#include "core/trust.h"

#define PENDING_RECORDS_MAX 65536u /* records not yet written; past it the newest is dropped and counted */
#define PENDING_BODIES_MAX ((size_t)8 << 20) /* bytes of content waiting to be kept */

#define FLUSH_AGAIN_MS 1000 /* after a failure, before the store is tried again */

enum problem_kind {
        PROBLEM_UNTRUSTED, /* trust file, baseline or store does not hold */
        PROBLEM_NO_BASELINE,
        PROBLEM_STALE,         /* expired, still detecting */
        PROBLEM_STORAGE,       /* the store could not be written */
        PROBLEM_UNVERIFIED,    /* expectations not verified, or longer ago than the signed limit */
        PROBLEM_UNKNOWN,       /* items that could not be read or did not hold still */
        PROBLEM_OVERFLOW,      /* the kernel's event queue overflowed: until the rescan is done */
        PROBLEM_WATCH_LOST,    /* folders without a watch */
        PROBLEM_UNREADABLE,    /* folders that could not be walked */
        PROBLEM_STUCK,         /* a file system does not answer */
        PROBLEM_DRIFT_LIMIT,   /* more open drifts than are kept */
        PROBLEM_NOT_PROBED,    /* settings expected of which nothing is known now */
        PROBLEM_NOT_COVERED,   /* asked for, and in no scope: for the time of one diff */
        PROBLEM_HIDDEN,        /* another file system than on the host lies where a scope looks */
        PROBLEM_OVERDUE,       /* an urgent change was not reviewed in time */
        PROBLEM_REBUILT,       /* the store was damaged and made anew: until a signed apply confirms what is
                                  judged by */
        PROBLEM_ADOPTED,       /* taken by an empty store, not yet confirmed by a signed apply. From here on:
                                  coverage is not lowered */
        PROBLEM_CLOCK,         /* the clock jumped: not believed for expiry */
        PROBLEM_SCOPE_DIFFERS, /* configuration and signed scope differ: the signed one is enforced */
        PROBLEM_PATH_MISSING,  /* a path of a scope is not there: its expectations, if any, are missing */
        PROBLEM_FIRST_USE,     /* the trust file was taken on first use */
        PROBLEM_REVIEW_DUE,    /* an urgent change waits for its review */
        PROBLEM_NO_FANOTIFY,   /* asked for, and not to be had: for all folders, or for some */
        PROBLEM_OWN_VIEW,      /* namespaces and mounts that are not the host's */
        PROBLEM_COUNT,
};

#define PATH_MISSING_HINT                                                                                    \
        "a path of a signed scope is not there; what appears there is seen by the quick pass"

struct problem {
        uint64_t count; /* 0: none */
        char where[512];
        char hint[256];
};

/* What happened since the start, for whoever keeps an eye on it (driftd.status/1, telemetry). */
struct instance_telemetry {
        uint64_t overflows;
        uint64_t probe_failures[SCOPE_DOMAIN_COUNT];
        struct {
                int64_t ended_ms; /* 0: none yet */
                int64_t took_ms;
        } passes[2]; /* quick, full */
};

struct announcement { /* of one durable record */
        uint64_t seq;
        int64_t time_ms;
        const char *kind, *item; /* item may be NULL */
        const struct json *detail;
        const struct json *trust_id; /* string */
};

/* What the daemon is busy with: it alone knows. */
struct instance_activity {
        uint64_t events;       /* changes that the kernel told of, since the start */
        uint64_t folders;      /* watched */
        uint64_t waiting;      /* paths that are still to be looked at */
        const char *pass;      /* the pass that runs, by name; NULL: none, and the next four say nothing */
        int64_t pass_since_ms; /* wall clock */
        uint64_t files, files_expected, bytes;  /* of that pass */
        uint64_t circle_files, circle_expected; /* read by the slow circle, and by all of it */
        int64_t next_quick_ms;                  /* wall clock */
};

struct pending;
struct flaps;

struct instance {
        const struct config *config; /* borrowed */
        bool offline;
        char host[HOST_ID_MAX];
        struct store *store;
        struct judge *judge;
        struct trust *trust;          /* in force; NULL: none yet */
        bool trust_first_use;         /* never succeeded by a signed one */
        bool trust_ok;                /* the file on disk is the one in force */
        char trust_why[ERR_TEXT_MAX]; /* where it is not: why */
        char broken_why[512]; /* an active baseline that could not be loaded, or a store that was rolled back;
                                 "" */
        bool store_damaged;   /* the store was refused for what is in it: instance_open sets it aside */
        bool *baseline_trusted; /* by index of judge_baseline */
        struct buf *signers;    /* blank-separated, by index */
        bool settled;           /* daemon: the first full pass since start is done */
        bool scope_differs;     /* the configuration's scopes are not the signed ones */
        int64_t expiry_now_ms;  /* 0: the clock is believed; else the time it is believed to be at
                                   clock_boot_ms */
        int64_t clock_boot_ms;
        int64_t clock_moved_ms;  /* by steps, all together, since the last signed apply */
        int64_t clock_offset_ms; /* of the wall clock from CLOCK_BOOTTIME, when it was last looked at */
        bool clock_offset_known; /* in this boot */
        char boot[BOOT_ID_MAX];
        int64_t started_ms;
        bool had_history;     /* the store held records when it was opened */
        bool stopped_cleanly; /* no daemon was running when it was opened, or it stopped by itself */
        enum watch_by
                watched_by; /* daemon: in force, never WATCH_AUTO; before the start and offline: WATCH_AUTO */
        uint64_t folders_watched, folders_by_inotify; /* of them */
        bool watching;    /* instance_start was called: what is written now proves that somebody watches */
        bool hidden_told; /* the history says that PROBLEM_HIDDEN began, and not yet that it ended */
        int64_t last_alive_ms; /* when somebody last certainly watched */
        struct problem problems[PROBLEM_COUNT];
        struct instance_windows *windows; /* instance_window.c */
        struct inode_id own[4];
        size_t n_own;
        struct pending *pending;
        struct instance_telemetry telemetry;
        struct note_signer *checkpoint_signer; /* NULL: checkpoint_why */
        char checkpoint_why[512];
        struct flaps *flaps; /* NULL: nothing changed yet */
        /* What is queued to be told, while the store cannot say so: up to when the ends of waivers were (0:
         * as the store says), and the reviews (their values' keys) that are overdue. */
        int64_t waivers_told_ms;
        struct text_list reviews_told;
        const struct baseline *applied; /* while it comes into force; borrowed */
        const struct json
                *asked; /* who makes the call that runs, for what it records; borrowed, NULL: nobody */
        void (*announce)(void *userdata, const struct announcement *announcement); /* may be NULL */
        void (*announced)(void *userdata); /* after those of one transaction; may be NULL */
        /* What the history cannot hold, because it is the store that fails. May be NULL. */
        void (*trouble)(void *userdata, const char *text);
        void *announce_userdata;                                         /* of these */
        void (*activity)(void *userdata, struct instance_activity *ret); /* of the daemon; else NULL */
        void *activity_userdata;
};

enum instance_flags {
        INSTANCE_OFFLINE = 1, /* driftctl without a daemon: no start and stop records */
};

enum instance_result {
        INSTANCE_BUSY = 1,       /* another program holds the store */
        INSTANCE_REFUSED = 2,    /* a baseline or trust file does not hold: exit 3, recorded */
        INSTANCE_MALFORMED = 3,  /* bad input: exit 4, nothing changed */
        INSTANCE_SUPERSEDED = 4, /* another proposal from the same parent was first: exit 4, recorded */
        INSTANCE_MOVED = 5,      /* what it changes is not live as it says: exit 4, recorded */
};

/*
 * A store that is damaged (STORE_DAMAGED) is set aside, never deleted, and a new one is made from the signed
 * files beside it, unless offline: then it is INSTANCE_REFUSED.
 */
int instance_open(const struct config *config, unsigned flags, struct instance **ret, struct err *err);
struct instance *instance_free(struct instance *instance);
CLEANUP_DEFINE(struct instance *, instance_free)

/* Records the start (and the gap before it), or the end. Daemon only. */
int instance_start(struct instance *instance, struct err *err);
int instance_stop(struct instance *instance, const char *reason, struct err *err);
/* Another configuration (borrowed), and the trust file again. */
int instance_reload(struct instance *instance, const struct config *config, struct err *err);
/*
 * While no trust file is in force, looks for the first one: `driftctl init` may have written it since the
 * start. A successor waits for instance_reload. What fails here is told by the calls that need trust.
 */
void instance_await_trust(struct instance *instance);
/* Keeps the time of being alive, for the bounds of a gap after a crash. */
int instance_alive(struct instance *instance, struct err *err);

/*
 * Queues a record; takes the reference of detail (NULL: there was no memory for it). A lost one is counted,
 * which the history will tell; -ENOMEM is for those to whom the record is a part of the deed.
 */
int instance_record(struct instance *instance, const char *kind, const char *item, struct json *detail);
/* Queues a named value of the store; NULL removes. */
void instance_value(struct instance *instance, const char *key, const char *value);
/* How much is queued, without what another thread is writing: records, values, contents. */
size_t instance_queued(const struct instance *instance);
/* Whether nothing is queued or being written, and all is announced. */
bool instance_is_durable(const struct instance *instance);
/* Writes what is queued, durably, then announces it. < 0: kept, and PROBLEM_STORAGE is set. */
int instance_flush(struct instance *instance, struct err *err);
/*
 * The same for the oldest of it, about so many, in another thread: over is called there when that is
 * written, and the next of these calls, or anything else that writes, then does the rest. Nothing begins
 * while that is under way. Until then whoever reads the store waits. Where no thread can be had, all is
 * written at once.
 */
void instance_flush_begin(
        struct instance *instance, size_t wanted, void (*over)(void *userdata), void *userdata);
bool instance_is_flushing(const struct instance *instance);
/* Announces what another thread has written. wait: for it. */
void instance_flush_end(struct instance *instance, bool wait);

/* Keeps content for line diffs, flushing first where much is queued. Not from within a judge's callback. */
void instance_keep_now(struct instance *instance, const struct digest *digest, const char *body, size_t size);

/* Open drifts of files whose present form has no cause and was seen at or after a time: at most `max`. The
 * list is freed with package_drifts_free. -ENOMEM. */
int instance_uncaused(
        struct instance *instance, int64_t since_ms, size_t max, struct package_drift **ret, size_t *ret_n);
/* Gives the causes that the list holds to the drifts that are still what they were; queues their rows. */
void instance_caused(struct instance *instance, const struct package_drift *list, size_t n);

/* Compares this process's view with the host's, and sets PROBLEM_OWN_VIEW and PROBLEM_HIDDEN. -ENOMEM: both
 * stay as they were. Done whenever baselines are loaded; by the daemon also when mounts change. */
int instance_look_at_view(struct instance *instance, struct err *err);

/* A look at settings failed. */
void instance_probe_failed(struct instance *instance, enum scope_domain domain);

void instance_problem(struct instance *instance, enum problem_kind kind, uint64_t count, const char *where,
        const char *hint);
const char *problem_name(enum problem_kind kind);
bool problem_lowers_coverage(enum problem_kind kind);

struct apply_result {
        char name[NAME_MAX_SIZE];
        uint64_t generation;
        struct digest id;
        struct buf signers; /* blank-separated */
        bool adopted, review_due;
        bool reviewed; /* nothing new was applied: the approvals were taken as the review of what was */
};
struct file_draft; /* core/file.h */
/* instance_apply takes the text over. The rules for applying; 0, INSTANCE_REFUSED, INSTANCE_MALFORMED or
 * INSTANCE_SUPERSEDED with the reason, < 0. moved: what live_check found to have moved, in words, for
 * INSTANCE_MOVED where nothing else stands against it; NULL: nothing. draft: its text, written for the shelf
 * (shelf_draft); NULL: not yet. Flushes. */
int instance_apply_opened(struct instance *instance, const struct baseline *baseline, const char *approvals,
        size_t approvals_size, const char *moved, struct file_draft *draft, struct apply_result *ret,
        struct err *err);
/* What was to be applied did not open, or a delta was from another generation (of baseline_delta.h): records
 * the refusal, and gives its code. why and err may be the same. */
int instance_apply_refused(
        struct instance *instance, enum delta_result result, const struct err *why, struct err *err);
int instance_apply(struct instance *instance, char *text, size_t size, const char *approvals,
        size_t approvals_size, struct apply_result *ret, struct err *err);

/* "clean", "drift", "incomplete" or "untrusted". Refreshes the problems that are derived. */
const char *instance_verdict(struct instance *instance);
/* What time it is for expiry: the clock, unless it jumped. */
int64_t instance_expiry_now(const struct instance *instance);
/* Looks whether the clock was set since the last look, and records a step. Once the steps since the last
 * signed apply come to an hour, the clock is not believed for expiry. */
void instance_clock_look(struct instance *instance);
void instance_clock_changed(struct instance *instance, int64_t jumped_by_ms); /* the same, for a known step */

/* A full look in this thread, judging in place (offline), then flushes. */
int instance_look(
        struct instance *instance, bool full, atomic_ullong *files, atomic_ullong *bytes, struct err *err);

/* ---- checkpoints (instance_checkpoint.c) ---- */

struct checkpoint_last {
        struct tree_head head; /* size 0: none was handed out */
        int64_t time_ms;
};
/* The newest that was handed out. */
int instance_checkpoint_last(struct instance *instance, struct checkpoint_last *ret, struct err *err);
/*
 * Appends the signed checkpoint of what was proved, whose `seen` must be the size of the newest one.
 * INSTANCE_REFUSED: the history contradicts that. hand_out: it becomes the newest; flushes.
 */
int instance_checkpoint(struct instance *instance, const struct store_proof *proof, bool hand_out,
        struct buf *ret, struct err *err);

/* Marks the open drifts that the patterns select as acknowledged; flushes. */
int instance_ack(struct instance *instance, char *const *items, size_t n_items, const char *by,
        const char *reason, uint64_t *ret_count, struct err *err);
/* The whole store, the active baselines' approvals, the trust file. 0, or STORE_TAMPERED with the first wrong
 * thing. */
int instance_verify(
        struct instance *instance, uint64_t *ret_records, uint64_t *ret_baselines, struct err *err);
/* The same without the store: what remains to be done after store_verify. */
int instance_verify_baselines(struct instance *instance, uint64_t *ret_baselines, struct err *err);

/* ---- windows (core/window.h) ---- */

#define WINDOWS_OPEN_MAX 16u                    /* open at once */
#define WINDOWS_ENDED_MAX 256u                  /* remembered, so that none is opened twice */
#define WINDOWS_SHOWN_MAX 16u                   /* of those: kept after their time is over */
#define WINDOW_SKEW_MS ((int64_t)5 * 60 * 1000) /* a signer's clock may be ahead by so much */

/* Opens a signed one; takes text over. expect: the set it was signed with (empty: none). 0, INSTANCE_REFUSED
 * or INSTANCE_MALFORMED with the reason, < 0. ret is borrowed. */
int instance_window_open(struct instance *instance, char *text, size_t size, const struct buf *approvals,
        const struct buf *expect, const struct window **ret, struct err *err);
/* By ticket, or by the beginning of its id (8 digits or more); NULL: the only one. NULL with words:
 * none (err->code is STORE_NONE), or several could be meant, and they are named. */
const struct window *instance_window_find(const struct instance *instance, const char *name, struct err *err);
/* Closes it: *ret_report is driftd.window/1 as it was at that moment. Flushes. */
int instance_window_close(
        struct instance *instance, const struct window *window, struct json **ret_report, struct err *err);
/* Ends what is over, or no longer holds. Queues the records. */
void instance_windows_look(struct instance *instance);
/* {id, ticket, state, …} of each: those open, then those that ended and are remembered. */
struct json *instance_windows_json(const struct instance *instance, bool open_only);
/* The summary of one that ended, by name as above (NULL: the newest), and the set of what was expected. */
int instance_window_ended(const struct instance *instance, const char *name, struct json **ret_summary,
        struct buf *ret_set, struct err *err);

/* ---- reports on changes (document_window.c) ---- */

struct window_counts {
        uint64_t expected, unexpected, absent, unknown, already;
};
/*
 * What the open drift of the host's baseline is to a window, or (window NULL) to a set alone: entries for
 * driftd.window/1 in order of their items, and what was expected as the lines of a set. Each ret may be NULL.
 */
int instance_window_report(struct instance *instance, const struct window *window,
        const struct expect *expect, struct window_counts *ret_counts, struct json **ret_entries,
        struct buf *ret_set, struct err *err);
struct json *instance_window_counts_json(const struct window_counts *counts);
