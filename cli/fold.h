/* SPDX-License-Identifier: MIT */
/*
 * Drifts of one package's transaction as one line. Only what dpkg's own digests vouch for is folded: a file
 * that differs, whose mode, owner, links or extended attributes changed, that is set-uid, that everybody may
 * write, or that has no cause, always stands by itself. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/json.h"

#define FOLD_LEAST 3u /* drifts that are worth folding */

struct fold {
        const struct json *cause; /* of its first drift; borrowed from the drifts */
        size_t count, changed, unexpected, missing, folders;
        const char *severity; /* the highest */
        const struct json *first;
};

struct folds {
        struct fold *list;
        size_t n;
        size_t *of; /* by drift: which fold + 1; 0: stands by itself */
};

/* drifts: an array of driftd.diff/1, which must outlive it. 0 or -ENOMEM. */
int folds_make(const struct json *drifts, struct folds *ret);
void folds_done(struct folds *folds);
#define _cleanup_folds_ _cleanup_(folds_done)

/* "hello 2.10-2 → 2.10-3", "hello 2.10-3"; with_action: "hello 2.10-3 installed". Appended. 0 or -ENOMEM. */
int cause_package_words(const struct json *cause, bool with_action, struct buf *ret);
/* "58 files 2 folders: 12 changed 46 unexpected · dpkg's digests agree" */
int fold_words(const struct fold *fold, struct buf *ret);
