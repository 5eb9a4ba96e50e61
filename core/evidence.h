/* SPDX-License-Identifier: MIT */
/*
 * Evidence: a folder of plain files that proves to somebody elsewhere what a host recorded in a time, and
 * that each change was approved (driftctl(1), EVIDENCE). It is read and verified here from nothing but the
 * folder and what the auditor has: a trust file, and the verifier key of the host. Nothing of it is believed
 * before the check that it depends on was made, in the order of enum evidence_check; the first that fails
 * ends it.
 *
 * - records.jsonl: the leaves of the log, contiguous: those of the time, the one after it, and those before
 * it from the last start on
 * - records.proof: that they stand at their place (merkle_range.h)
 * - checkpoint: the signed tree head; checkpoint.pub: its verifier key
 * - checkpoints/N: earlier ones, kept elsewhere; N.proof: that the log goes on from them
 * - baselines/NAME@GEN.baseline (or .header, where the text is gone), with .approval beside it
 * - trust/GEN.conf: each trust file, with .approval beside it
 * - summary.json, coverage.json: what the records say; made again and compared
 * - controls.md, README.txt: words
 * - SHA256SUMS: of all of them
 */
#pragma once

#include "core/checkpoint.h"
#include "core/json.h"

#define EVIDENCE_FILES_MAX 65536u            /* in a bundle */
#define EVIDENCE_SUMS_MAX ((size_t)16 << 20) /* bytes of SHA256SUMS */
#define EVIDENCE_TEXT_MAX ((size_t)64 << 20) /* bytes of any file but records and baselines */
#define EVIDENCE_LINE_MAX ((size_t)2 << 20)  /* bytes of a record */
#define EVIDENCE_LIST_MAX 10000u    /* entries of each list in summary.json; what follows is counted */
#define EVIDENCE_BLESSES_MAX 16384u /* bless records in a bundle */

enum evidence_result {
        EVIDENCE_NONE = 1,    /* the folder is no bundle, or cannot be read */
        EVIDENCE_REFUSED = 2, /* a check fails: evidence_failed says which */
};

enum evidence_check {
        EVIDENCE_SUMS,        /* every file is in SHA256SUMS, with its digest, and none beside it */
        EVIDENCE_CHECKPOINT,  /* signed by the key, and of the host of the summary */
        EVIDENCE_RECORDS,     /* canonical, contiguous, and in the checkpoint's tree at their place */
        EVIDENCE_PERIOD,      /* none of the time is left out before or after them */
        EVIDENCE_CHECKPOINTS, /* the log goes on from each earlier one */
        EVIDENCE_TRUST,     /* the auditor's trust file is one of the chain, each signed by the one before */
        EVIDENCE_BASELINES, /* each is what was recorded, and approved by the trust file of its time */
        EVIDENCE_SUMMARY,   /* summary.json and coverage.json are what the records give */
        EVIDENCE_CHECKS,
};
extern const char *const evidence_checks[EVIDENCE_CHECKS]; /* "sums", … */

struct evidence;
struct evidence *evidence_free(struct evidence *evidence);
CLEANUP_DEFINE(struct evidence *, evidence_free)

/* What the auditor has. */
struct evidence_anchor {
        const struct digest *trust_id;
        const struct note_key *key; /* NULL: the bundle's own is taken, which proves less */
};
/* *ret also when it is EVIDENCE_REFUSED. 0, enum evidence_result with words, < 0. */
int evidence_verify(
        const char *folder, const struct evidence_anchor *anchor, struct evidence **ret, struct err *err);

/* Of one that was verified, or refused. */
enum evidence_check evidence_failed(const struct evidence *evidence); /* EVIDENCE_CHECKS: none */
/* Of one that was verified. Borrowed. */
const struct json *evidence_summary(const struct evidence *evidence);
const struct json *evidence_coverage(const struct evidence *evidence);
/* Strings: what this bundle does not prove. */
const struct json *evidence_limits(const struct evidence *evidence);

struct evidence_period {
        int64_t since_ms; /* 0: from the log's first record on */
        int64_t until_ms; /* 0: up to the checkpoint */
};
/*
 * The rest of a bundle whose signed files (records, checkpoint, baselines, trust) are there: checks these,
 * then writes summary.json, coverage.json, controls.md, README.txt and SHA256SUMS. As evidence_verify.
 */
int evidence_complete(const char *folder, const struct evidence_period *period, struct err *err);
