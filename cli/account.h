/* SPDX-License-Identifier: MIT */
/*
 * What happened in a period, taken from the records of the history as they come: what was approved, what was
 * refused, what was put back without approval, how much drift was found in each part of
 * the period. Bounded: of each list the newest are kept, and all are counted.
 */
#pragma once

#include <stdint.h>

#include "core/json.h"
#include "core/scope.h" /* enum severity */

#define ACCOUNT_ROWS_MAX 500u /* kept of each list */
#define ACCOUNT_BARS_MAX 62u  /* parts of the period: hours, days, weeks … */

enum account_kind {
        ACCOUNT_APPROVED, /* bless, adopted */
        ACCOUNT_REFUSED,  /* reject */
        ACCOUNT_REVERTED, /* resolved, and not by an approval: a finding */
        ACCOUNT_TRUST,    /* trust files, and what was tampered with */
        ACCOUNT_KIND_COUNT,
};

struct account_list {
        struct json *rows[ACCOUNT_ROWS_MAX]; /* records, references held; number i is rows[i % MAX] */
        uint64_t count;
};

struct account_bar {
        int64_t from_ms;
        uint64_t found[SEVERITY_COUNT];
};

struct account { /* large: allocate it zeroed (account_new) */
        int64_t since_ms, until_ms;
        int64_t bar_ms; /* length of a part */
        size_t n_bars;
        struct account_bar bars[ACCOUNT_BARS_MAX];
        struct account_list lists[ACCOUNT_KIND_COUNT];
        uint64_t records, found[SEVERITY_COUNT];
        uint64_t first_seq, last_seq;
        int64_t first_ms, last_ms; /* of the records in the period; 0: there are none */
};

/* since < until. NULL: out of memory. */
struct account *account_new(int64_t since_ms, int64_t until_ms);
struct account *account_free(struct account *account);
CLEANUP_DEFINE(struct account *, account_free)

/* One record, in order (as Log gives it). */
void account_add(struct account *account, const struct json *record);

/* The kept rows of a list, oldest first: index from 0 to account_kept. */
size_t account_kept(const struct account_list *list) _pure_;
const struct json *account_row(const struct account_list *list, size_t index) _pure_;
