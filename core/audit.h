/* SPDX-License-Identifier: MIT */
/*
 * Judging without a store: live files, or a mounted image, against any baseline. Nothing is recorded.
 */
#pragma once

#include "core/instance.h"

/*
 * Live state (root "") or an image against a baseline (taken over). trust may be NULL: the baseline is then
 * untrusted. Returns a driftd.diff/1 document with its drifts. Runs in any thread.
 */
struct audit_request {
        const char *root;
        struct baseline *baseline;
        const struct trust *trust;
        const char *approvals;
        size_t approvals_size;
        const char *host; /* this host's id, or NULL: the baseline's own is taken (an image) */
        char *const *items;
        size_t n_items;
        unsigned workers;
        const struct inode_id *own;
        size_t n_own;
        atomic_ullong *files, *bytes;
        const atomic_bool *cancel;
};
int audit_run(const struct audit_request *request, struct json **ret_document, struct err *err);

/* `driftctl diff --root DIR --baseline FILE --trust FILE`: FILE.approval beside the baseline. 0 or an exit
 * code with words. */
int audit_image(const char *root, const char *baseline_path, const char *trust_path, char *const *items,
        size_t n_items, struct json **ret_document, struct err *err);
