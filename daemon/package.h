/* SPDX-License-Identifier: MIT */
/*
 * What the package manager did (core/package.h), asked within the daemon's loop: when something changed, and
 * every few seconds. All reading is done by a thread of its own; the loop only hands it drifts and takes
 * causes.
 */
#pragma once

#include <systemd/sd-event.h>

#include "daemon/engine.h"

#define PACKAGES_IDLE_MS 10000   /* between looks at the log when nothing is going on */
#define PACKAGES_SOON_MS 300     /* after a drift, and while dpkg is at work */
#define PACKAGES_AT_ONCE 512u    /* causes taken before the loop looks at other things */
#define PACKAGES_SETTLE_MS 60000 /* for all that an ended transaction did to be judged */

struct packages;

/* NULL in *ret if the configuration says no. */
int packages_new(sd_event *event, struct instance *instance, struct engine *engine,
        const struct config *config, struct packages **ret, struct err *err);
struct packages *packages_free(struct packages *packages);
CLEANUP_DEFINE(struct packages *, packages_free)

/* A durable record: a drift is a reason to look. */
void packages_announce(struct packages *packages, const struct announcement *announcement);
