/* SPDX-License-Identifier: MIT */
/*
 * The trust file (driftd-trust(5)): who the approvers are and how many must agree. Verified approvals are
 * counted here, by people. The id of a trust file is the SHA-256 of its bytes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/approval.h"
#include "core/digest.h"
#include "core/err.h"

#define TRUST_FILE_MAX (1u << 20) /* bytes */
#define TRUST_APPROVERS_MAX 1024u
#define TRUST_KEYS_MAX 16u /* of one approver */

struct trust;

/* Parses the file's bytes. path is for the words only ("file:line: what, and what would be right"). */
int trust_parse(const char *path, const char *text, size_t size, struct trust **ret, struct err *err);
struct trust *trust_free(struct trust *trust);
CLEANUP_DEFINE(struct trust *, trust_free)

const struct digest *trust_id(const struct trust *trust);
uint64_t trust_generation(const struct trust *trust);
bool trust_parent(const struct trust *trust, struct digest *ret); /* false: none */

/* The approver who has this key; NULL if nobody. Borrowed. */
const char *trust_approver_of(const struct trust *trust, const struct ssh_key *key);
/* The keys of an approver (by name), for choosing one in an agent; 0 if unknown. Borrowed. */
size_t trust_keys_of(const struct trust *trust, const char *approver, const struct ssh_key **ret_keys);
size_t trust_approvers(const struct trust *trust, const char *const **ret_names);

/* The rule for a baseline's name: its own section, else `[baseline *]`; -ENOENT if neither. */
struct trust_rule {
        unsigned threshold;        /* people */
        unsigned urgent_threshold; /* 0: not written, urgent is as any other */
        int64_t review_within_s;   /* 0: not written */
        bool author_counts;
        const char *const *approvers; /* borrowed */
        size_t n_approvers;
};
int trust_rule_for(const struct trust *trust, const char *baseline_name, struct trust_rule *ret);

enum trust_result {
        TRUST_TOO_FEW = 1,   /* fewer people than the threshold; the words name who signed, who may, and why
                                others do not count */
        TRUST_NO_RULE = 2,   /* no [baseline] section covers the name */
        TRUST_MALFORMED = 3, /* the approval file is not one */
        TRUST_SUCCESSOR = 4, /* generation or parent of the new trust file do not follow from the old */
};

/* What an approval check found; names are borrowed from the trust. */
struct trust_verdict {
        const char *signers[TRUST_APPROVERS_MAX]; /* people whose approval counts, in the file's order, each
                                                     once */
        bool key_on_host[TRUST_APPROVERS_MAX];
        size_t n_signers;
        unsigned needed;  /* the threshold applied */
        bool urgent_used; /* fewer than the normal threshold: a review is due */
};

/*
 * Judges the approvals of one baseline. Each person counts once; an unknown or unlisted signer, a forged
 * signature, an approval for something else, an author where author_counts = no: not counted, with the
 * reason in the words. 10,000 unknown signatures cost under a second: the key is looked up before anything is
 * verified, and more than 32 forged ones under known keys make the file TRUST_MALFORMED. `class_urgent`:
 * whether the baseline says `class urgent`. *ret is filled for 0 and for TRUST_TOO_FEW.
 */
int trust_judge_baseline(const struct trust *trust, const struct digest *id, const char *name,
        const char *host, uint64_t generation, const char *author, bool class_urgent, const char *approvals,
        size_t approvals_size, struct trust_verdict *ret, struct err *err);

/* The same for a window (core/window.h), by the rule of the baseline whose drift it is about; `by` is who
 * made it. */
int trust_judge_window(const struct trust *trust, const struct digest *id, const char *baseline_name,
        const char *by, bool class_urgent, const char *approvals, size_t approvals_size,
        struct trust_verdict *ret, struct err *err);

/*
 * 0, TRUST_SUCCESSOR, TRUST_TOO_FEW or TRUST_MALFORMED. Whether `next` may follow `now`: generation + 1,
 * parent = the id of now, and approvals (namespace trust@driftd) that meet *every* rule of `now`, because the
 * new file can change any of them.
 */
int trust_judge_successor(const struct trust *now, const struct trust *next, const char *approvals,
        size_t approvals_size, struct err *err);
