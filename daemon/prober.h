/* SPDX-License-Identifier: MIT */
/*
 * The probes (core/probe.h) within the daemon's loop: at intervals, when a file is edited that one of them
 * reads, and when somebody asks. All reading is done by a thread of its own; the loop only judges what it
 * brought.
 */
#pragma once

#include <systemd/sd-event.h>

#include "core/instance.h"

#define PROBE_SOON_MS 100u   /* after an edit: those that follow at once are seen by the same look */
#define PROBE_AGAIN_MS 1000  /* between looks for the sake of edits: a storm of them costs no more */
#define PROBE_RETRY_MS 5000  /* after a look for which there was no memory */
#define PROBE_STUCK_MS 30000 /* a look past its own deadline by so much hangs in a file system */

struct prober;

/* changed: called in the loop after answers were judged. */
int prober_new(sd_event *event, struct instance *instance, void (*changed)(void *userdata), void *userdata,
        struct prober **ret, struct err *err);
struct prober *prober_free(struct prober *prober);
CLEANUP_DEFINE(struct prober *, prober_free)

/* Other baselines are in force: what they ask for is looked at now. The ticket of that look. */
uint64_t prober_baselines_changed(struct prober *prober);

/* Asks for a whole look at all domains that begins later than now; prober_answered(ticket) says when it is
 * judged. */
uint64_t prober_ask(struct prober *prober);
bool prober_answered(const struct prober *prober, uint64_t ticket);
bool prober_is_stuck(const struct prober *prober, int64_t now_ms);
