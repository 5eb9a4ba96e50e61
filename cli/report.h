/* SPDX-License-Identifier: MIT */
/* What the documents of status, diff, scan and show have in common, in words and as an exit code. */
#pragma once

#include "cli/cli.h"

/* clean 0, drift 1, incomplete 2, untrusted 3; unknown words: 2, for what is not understood is not clean. */
int verdict_exit(const char *verdict);
/* The verdict, worsened by incomplete coverage and by stale or untrusted baselines. */
int document_exit(const struct json *document);

enum color verdict_color(const char *verdict);

/* "host@12 signed by alice · content verified within 5 h 12 min", appended. 0 or -ENOMEM. */
int report_trust_words(const struct json *document, int64_t now_ms, struct buf *ret);
/* One line each. only_lowering: what does not lower coverage, and asks for nothing, is left out. */
void report_problems(struct cli *cli, const struct json *problems, bool only_lowering);

/* What to do where no baseline is active: trust somebody, then sign a first one. */
void report_first_steps(struct cli *cli, const struct json *document);

/* Drifts, aligned. A drift is an element of `drifts` of driftd.diff/1. fold: what fold.h folds is one line a
 * package; returns how many drifts are in such lines. */
size_t report_drifts(struct cli *cli, const struct json *drifts, bool fold, int64_t now_ms);
/* "dpkg: upgrade of hello 2.10-2 → 2.10-3 at …, its digest agrees (corroboration, not approval)"; nothing
 * where no cause is known. Appended. 0 or -ENOMEM. */
int report_cause(const struct json *drift, int64_t now_ms, struct buf *ret);
/* "content size", or "0 → 1" for a setting; appended. */
int drift_detail(const struct json *drift, struct buf *ret);
/* Why nobody is proved to have watched: a reason of driftd.coverage/1, in words. */
const char *gap_words(const char *reason);
