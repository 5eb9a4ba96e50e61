/* SPDX-License-Identifier: MIT */
/*
 * Proposals: the next generation of a baseline, taking the live state of the items named and leaving the rest
 * as expected. Needs nothing but its inputs, so that it can run in any thread.
 */
#pragma once

#include <stdatomic.h>

#include "core/baseline.h"
#include "core/snapshot.h"

struct proposal_request {
        const char *name;
        const char *host;              /* this host's id */
        const struct baseline *parent; /* the active generation; NULL: this is the first */
        uint64_t generation;           /* of the proposal */
        const struct scope *scopes;    /* resolved scopes of the configuration */
        size_t n_scopes;
        const char *const *never; /* raw folders of our own that change by themselves: excluded */
        size_t n_never;
        char *const *items; /* patterns; none: all, unless there are waivers */
        size_t n_items;
        const struct waiver *waivers; /* added to those of the parent that are still in force */
        size_t n_waivers;
        bool retire;        /* no scope, no expectation */
        const char *policy; /* NULL, or the `set` lines of a policy, sorted: they are all that is expected,
                               the scopes are those given, and nothing is taken live */
        const char *author;
        const char *ticket; /* escaped; NULL: none */
        enum baseline_class class;
        bool delta; /* ret becomes the delta from the parent (core/baseline_delta.h), which must be there */
        int64_t now_ms, expires_ms;
        unsigned workers;
        const struct inode_id *own;
        size_t n_own;
        atomic_ullong *files, *bytes;
        const atomic_bool *cancel;
};

enum proposal_result {
        PROPOSAL_REFUSED = 1, /* something did not hold still or could not be read: the words name it */
};

int proposal_make(const struct proposal_request *request, struct buf *ret, struct err *err);
