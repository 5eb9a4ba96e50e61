/* SPDX-License-Identifier: MIT */
/*
 * What the package manager did: the transactions of dpkg (and apt above it) below one root, which files each
 * of them changed, and whether dpkg's own digests agree. It explains drift and excuses none: whoever is root
 * writes these lists too, and MD5 is all that they hold.
 *
 * A file is put down to a transaction only if a package that the transaction touched owns its path and its
 * inode last changed while the transaction ran; a file that is gone, if that package owned it before and no
 * package does now. Everything else stays without a cause: never a guess.
 *
 * Reads files: for a thread that may wait. One package_root is for one thread at a time.
 */
#pragma once

#include <stdatomic.h>

#include "core/judge.h"

#define PACKAGE_FILE_MAX ((size_t)64 << 20) /* bytes of one file of the database */
#define PACKAGE_LOG_MAX ((size_t)16 << 20)  /* bytes of a log read at once: past it, its end */
#define PACKAGE_PATHS_MAX ((size_t)4 << 20) /* paths that packages own; past it no more are known */
#define PACKAGE_LISTS_MAX 65536u            /* packages */
#define PACKAGE_TRANSACTIONS_MAX 256u       /* remembered; past it the oldest is forgotten */
#define PACKAGE_DRIFTS_MAX 65536u           /* drifts asked about at once; more stay without a cause */
#define PACKAGE_CHANGES_MAX 8192u           /* packages of one transaction; past it they are counted */
#define PACKAGE_RECORDED_MAX 1024u          /* packages named in one record; past it they are counted */
#define PACKAGE_WAIT_MAX_MS (INT64_C(3600) * 1000) /* for a lock that is held while the log stands still */
#define PACKAGE_KEEP_MS (INT64_C(1800) * 1000)     /* a transaction is remembered for what is found later */

struct package_root;
/* root: a folder, "/" for this system. It need not be there. NULL: out of memory. */
struct package_root *package_root_new(const char *root);
struct package_root *package_root_free(struct package_root *root);
CLEANUP_DEFINE(struct package_root *, package_root_free)

/* How far dpkg.log was read, as a text to be kept: what happens while nobody runs is found by it. */
#define PACKAGE_MARK_MAX 96 /* characters, with the NUL */
void package_mark_format(const struct package_root *root, char ret[static PACKAGE_MARK_MAX]);
/* From now on: what was done before is not asked about. Looks at no more than the log's stat. */
void package_mark_now(struct package_root *root);
/* What is not such a text is passed over. */
void package_mark_parse(struct package_root *root, const char *text);

enum package_result {
        PACKAGE_QUIET = 1,  /* nothing new */
        PACKAGE_BUSY = 2,   /* dpkg or apt is at work (its lock is held): ask again soon */
        PACKAGE_ABSENT = 3, /* no dpkg, or no log of it, below this root */
};
/* 0: something was done, and whoever did it is done; or a package_result; -ENOMEM. */
int package_look(struct package_root *root, const atomic_bool *cancel);
/* Whether a transaction is remembered that began before or at this time. */
bool package_remembers(const struct package_root *root, int64_t time_ms);

struct package_drift { /* one open drift without a cause */
        char *baseline, *item;
        char observed[DIGEST_HEX_SIZE];
        enum change change;
        struct digest content; /* as the drift observed it */
        bool has_content;
        int64_t last_change_ms;
        char *cause; /* out: JSON, or NULL */
};
struct package_drift *package_drifts_free(struct package_drift *drifts, size_t n);

struct package_question {
        struct package_drift *drifts;
        size_t n_drifts;
        const struct inode_id *own;
        size_t n_own;
        const atomic_bool *cancel;
};
/*
 * Reads what is new in the log, then asks of each drift whether a remembered transaction caused it.
 * ret_records: an array with the detail of the record of each new transaction that caused anything. 0,
 * PACKAGE_BUSY (somebody began meanwhile: nothing was learnt, ask again), PACKAGE_ABSENT, -ENOMEM or
 * -ECANCELED.
 */
int package_examine(
        struct package_root *root, const struct package_question *question, struct json **ret_records);
