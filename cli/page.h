/* SPDX-License-Identifier: MIT */
/*
 * The report for people: one HTML page that needs nothing beside it (no script, no network; its own policy
 * forbids both), for screens light and dark, for paper, and for who listens to it: every chart has its
 * figures in words beside it.
 */
#pragma once

#include "cli/account.h"
#include "core/buf.h"

struct page {
        const struct account *account;
        const struct json *coverage; /* driftd.coverage/1 of the period */
        const struct json *status;   /* driftd.status/1 */
        const struct json *drifts;   /* open ones, as in diff --json; the first of them */
        uint64_t n_drifts;           /* all of them */
        int64_t made_ms;
};
/* -ENOMEM. */
int page_write(const struct page *page, struct buf *ret);
