/* SPDX-License-Identifier: MIT */
/*
 * The methods of dev.driftd.Control (daemon/dev.driftd.Control.varlink is their contract), independent of how
 * they are reached: driftd serves them on its socket, and driftctl calls them in its own process when the
 * daemon is down.
 *
 * What looks at files (Propose, Compare, Show, Apply) is a job: prepared by the instance's thread, run in any
 * thread, finished by the instance's thread again. Diff and Scan look by themselves only offline; the daemon
 * settles first and then calls them with cached.
 */
#pragma once

#include <stdatomic.h>
#include <sys/types.h>

#include "core/coverage.h"
#include "core/instance.h"
#include "core/json.h"

/* Exit codes of driftctl, and `exit` of an error reply. The worst wins in the order 3, 4, 1, 2, 0. */
enum exit_code { EXIT_CLEAN = 0, EXIT_DRIFT = 1, EXIT_INCOMPLETE = 2, EXIT_UNTRUSTED = 3, EXIT_FAILED = 4 };
int exit_worst(int a, int b) __attribute__((const));

#define SERVICE_CHUNK_MAX ((size_t)256 << 10)  /* bytes of text in one reply or upload frame */
#define SERVICE_UPLOAD_MAX ((size_t)512 << 20) /* bytes of one upload */
#define SERVICE_ITEMS_MAX 4096u                /* items in one call */
#define SERVICE_RECORDS_PER_REPLY 256u

#define SERVICE_GROUPS_MAX 64u   /* groups of a caller that are recorded */
#define SERVICE_SLICE_ROWS 8192u /* records looked at in one slice of Log */

/* Who asks. */
struct service_peer {
        uid_t uid;
        pid_t pid;
        char user[64]; /* login name, or the number */
        gid_t groups[SERVICE_GROUPS_MAX];
        size_t n_groups;
        bool groups_cut; /* there are more */
};

/* What a caller has uploaded so far, for Apply, Compare, OpenWindow and CompareExpected. */
struct service_session {
        struct buf baseline, delta, approvals, window, expect; /* of baseline and delta one is empty */
};
size_t service_session_held(const struct service_session *session) _pure_; /* bytes */
void service_session_done(struct service_session *session);

/* Takes the reference. continues: more replies follow. Non-zero stops the call and is returned from it. */
typedef int (*service_reply)(void *userdata, struct json *parameters, bool continues);

/*
 * Calls one method ("Diff", without the interface), to its end, in this thread. 0 after the last reply;
 * otherwise EXIT_UNTRUSTED or EXIT_FAILED with words, for an error reply (-1 if reply stopped it).
 */
int service_call(struct instance *instance, const struct service_peer *peer, struct service_session *session,
        const char *method, const struct json *parameters, service_reply reply, void *userdata,
        struct err *err);
bool service_knows(const char *method);

/* What a method is like; 0 for one that is not known. */
enum service_trait {
        SERVICE_JOB = 1,          /* looks at files: the daemon uses service_job_* instead of service_call */
        SERVICE_LOOKS = 2,        /* unless it is asked for what is cached, everything is looked at first */
        SERVICE_SLICES = 4,       /* long: the daemon uses service_slices_* */
        SERVICE_STREAMS = 8,      /* several replies: the caller must say `more` */
        SERVICE_NAMES_CALLER = 16 /* the caller's name and groups are used */
};
unsigned service_traits(const char *method);

/* A Log, Verify, Checkpoint, Evidence or Coverage under way: each slice is a bounded piece of work, with at
 * most one reply. */
struct service_slices {
        struct text_list items; /* of Log, as is the query */
        char *kind;
        struct record_query query;
        struct store_verifier *verifier;   /* of Verify */
        struct store_prover *prover;       /* of Checkpoint and Evidence */
        struct service_evidence *evidence; /* of Evidence: what is asked for */
        struct coverage_fold *coverage;    /* of Coverage, with the query */
        bool hand_out;
        bool past_end; /* nothing is proved: the old size is past the end */
        uint64_t seen; /* of Checkpoint and Evidence: the size of the newest checkpoint when it began */
        bool at_end;
};
/* 0, or EXIT_FAILED with words. Freed with service_slices_done, which may be called twice. */
int service_slices_begin(struct instance *instance, const char *method, const struct json *parameters,
        struct service_slices *ret, struct err *err);
/* As service_call; at_end tells that this was the last. goes_on: the last reply of Log says that more follow.
 */
int service_slices_next(struct instance *instance, struct service_slices *slices, bool goes_on,
        service_reply reply, void *userdata, struct err *err);
void service_slices_done(struct service_slices *slices);

struct service_job;
int service_job_new(struct instance *instance, const struct service_peer *peer,
        struct service_session *session, const char *method, const struct json *parameters,
        struct service_job **ret, struct err *err);
void service_job_run(struct service_job *job); /* any thread; keeps its own error */
void service_job_cancel(struct service_job *job);
bool service_job_progresses(const struct service_job *job); /* false: it has one reply */
void service_job_progress(const struct service_job *job, uint64_t *ret_files, uint64_t *ret_bytes);
/* After run: replies. As service_call. */
int service_job_finish(struct service_job *job, service_reply reply, void *userdata, struct err *err);
struct service_job *service_job_free(struct service_job *job);
CLEANUP_DEFINE(struct service_job *, service_job_free)

/* What the job of Apply found, for its end: what was uploaded, opened; or why it did not open. */
struct service_applying {
        struct baseline *baseline; /* NULL: see result */
        struct buf approvals;
        struct buf moved;         /* what is not live as it says, in words; empty: nothing */
        struct file_draft *draft; /* its text, written for the shelf; NULL: not yet */
        int result;               /* of opening: a delta_result; 0 and no baseline: nothing was uploaded */
        struct err why;
};
/* As service_call. */
int service_apply(struct instance *instance, const struct service_peer *peer,
        const struct service_applying *applying, service_reply reply, void *userdata, struct err *err);

/* {"progress": {files, files_expected, bytes}} */
struct json *service_progress(uint64_t files, uint64_t files_expected, uint64_t bytes);

/* The items member of parameters, parsed. -EINVAL with words. Freed with text_list_done. */
int service_items(const struct json *parameters, struct text_list *ret, struct err *err);
