/* SPDX-License-Identifier: MIT */
/*
 * The engine: from hints to verdicts. It owns what finds changes (watch, mounts, walker) and what looks at
 * them (lookers), and decides when. All judging and writing is done in the loop's thread; all reading of
 * watched files outside of it.
 */
#pragma once

#include <systemd/sd-event.h>

#include "core/instance.h"

#define LOOK_AGAIN_MS 1000   /* a path whose answer just changed is looked at again no sooner */
#define JUDGED_WAIT_MS 10000 /* an apply waits so long at most to be judged */
#define PASSING_MS 10000     /* a name that dpkg gives for moments is looked at so much later */

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

/*
 * Looks at everything now: drains events, stats every expectation (full: reads all), judges whatever differs,
 * then calls done once. Cancel with engine_settle_cancel (done is not called).
 */
struct settle;
struct settle *engine_settle(struct engine *engine, bool full, void (*done)(void *userdata), void *userdata);
void engine_settle_cancel(struct engine *engine, struct settle *settle);

/*
 * Baselines were applied: their scopes are watched and what is new is looked at. Where that is little, done
 * is called once it is judged, or after JUDGED_WAIT_MS; NULL: it is much, or there is no memory, and done is
 * never called.
 */
struct settle *engine_baselines_changed(struct engine *engine, void (*done)(void *userdata), void *userdata);

/* Whether all is judged that events have told of until now; what waits for its time is looked at at once. */
bool engine_is_quiet(struct engine *engine);

/* Files met and bytes read by the pass that runs, and how many files are expected. */
void engine_progress(
        const struct engine *engine, uint64_t *ret_files, uint64_t *ret_expected, uint64_t *ret_bytes);
/* One line for sd_notify STATUS. */
void engine_describe(struct engine *engine, char *text, size_t size);
