/* SPDX-License-Identifier: MIT */
/*
 * The engine: from hints to verdicts. It owns the watch, the dirty set, the threads that look (a few that
 * take a snapshot each, one that walks whole scopes, one that walks new subtrees) and the passes. All judging
 * and writing is done in the main thread; all reading of watched files outside of it.
 */
#pragma once

#include <systemd/sd-event.h>

#include "core/instance.h"

#define LOOKERS_MAX 16u      /* threads that take snapshots, those that got stuck included */
#define HINTS_MAX 65536u     /* paths between the walking threads and the loop; past it they wait */
#define SUBTREES_MAX 4096u   /* subtrees waiting; past it everything is walked */
#define LOOK_AGAIN_MS 1000   /* a path whose answer just changed is looked at again no sooner */
#define STUCK_AFTER_MS 30000 /* a look without progress for so long is called stuck */

struct engine;

int engine_new(sd_event *event, struct instance *instance, const struct config *config, struct engine **ret,
        struct err *err);
struct engine *engine_free(
        struct engine *engine); /* stops the threads; bounded wait for those that are stuck */
CLEANUP_DEFINE(struct engine *, engine_free)

/* Adds the watches; `ready` is called once they are there (it may be at once). Then the first full pass
 * begins. */
int engine_start(struct engine *engine, void (*ready)(void *userdata), void *userdata, struct err *err);

/* Another configuration: intervals and workers. */
void engine_reconfigure(struct engine *engine, const struct config *config);

/* Baselines were applied: their scopes are watched and what is new is looked at. */
void engine_baselines_changed(struct engine *engine);

/*
 * Looks at everything now: drains events, stats every expectation (full: reads all), judges whatever differs,
 * then calls done once. Cancel with engine_settle_cancel (done is not called).
 */
struct settle;
struct settle *engine_settle(struct engine *engine, bool full, void (*done)(void *userdata), void *userdata);
void engine_settle_cancel(struct engine *engine, struct settle *settle);

/* Files met and bytes read by the pass that runs, and how many files are expected. */
void engine_progress(
        const struct engine *engine, uint64_t *ret_files, uint64_t *ret_expected, uint64_t *ret_bytes);
/* One line for sd_notify STATUS. */
void engine_describe(struct engine *engine, char *text, size_t size);
