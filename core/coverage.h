/* SPDX-License-Identifier: MIT */
/*
 * That it ran and looked, from the history alone: a pure fold over records, in order of seq. It believes
 * nothing that is not a record: where two of them stand further apart than heartbeats may, nobody is proved
 * to have watched in between.
 */
#pragma once

#include "core/digest.h"
#include "core/item.h" /* NAME_MAX_SIZE */
#include "core/json.h"
#include "core/store.h" /* struct record */

#define COVERAGE_HEARTBEAT_MS 600000 /* driftd writes a heartbeat this often */
#define COVERAGE_SILENCE_MS 900000   /* records further apart than this prove nothing of the time between */
#define COVERAGE_GAPS_MAX 4096u      /* kept one by one; the last one then reaches over those that follow */
#define COVERAGE_BASELINES_MAX 4096u /* generations; what follows is counted */

enum coverage_reason {
        COVERAGE_NOT_RUNNING, /* killed or crashed, until it was started again */
        COVERAGE_STOPPED,     /* ended by itself, until it was started again */
        COVERAGE_SILENT,      /* no record for longer than heartbeats may be apart */
        COVERAGE_OVERFLOW,    /* events were lost, until a pass that began later was complete */
        COVERAGE_WATCH_LOST,  /* folders without a watch, until a pass found none */
        COVERAGE_NO_HISTORY,  /* before the first start that the history tells of */
        COVERAGE_NO_BASELINE, /* before the first baseline: nothing was expected */
        COVERAGE_REASONS,
};
extern const char *const coverage_reasons[COVERAGE_REASONS]; /* "not_running", … */

struct coverage_gap {
        int64_t from_ms, until_ms;
        enum coverage_reason reason;
};

struct coverage_baseline { /* in force from then on, until the next one of its name */
        int64_t from_ms;
        char name[NAME_MAX_SIZE];
        uint64_t generation;
        struct digest id;
        bool adopted;
};

struct coverage_fold;

/* Times outside of [since_ms, until_ms) count only for what they leave behind. since_ms 0: from the first
 * start. */
int coverage_new(int64_t since_ms, int64_t until_ms, struct coverage_fold **ret, struct err *err);
struct coverage_fold *coverage_free(struct coverage_fold *fold);
CLEANUP_DEFINE(struct coverage_fold *, coverage_free)
/* The next record; a visit of store_records. 0 or -ENOMEM. */
int coverage_take(void *fold, const struct record *record);

struct coverage_result {
        int64_t since_ms, until_ms;
        int64_t watched_ms; /* of them; the gaps overlap */
        const struct coverage_gap *gaps;
        size_t n_gaps;
        uint64_t gaps_merged;             /* those that the last one reaches over */
        uint64_t quick, full, incomplete; /* passes that went to their end; incomplete ones are in neither */
        uint64_t heartbeats;
        int64_t last_full_ms;                      /* 0: none */
        int64_t without_full_ms;                   /* the longest time in the period without a full pass */
        const struct coverage_baseline *baselines; /* in force at some time of it, as they came */
        size_t n_baselines;
        uint64_t baselines_dropped;
};
/* alive_ms: until then it is known from elsewhere that it runs (a daemon says so of itself); 0: only the
 * history says. Call once; the result is borrowed from the fold. */
int coverage_finish(
        struct coverage_fold *fold, int64_t alive_ms, struct coverage_result *ret, struct err *err);

/* driftd.coverage/1; NULL when out of memory. */
struct json *coverage_document(const struct coverage_result *result, const char *host);
