/* SPDX-License-Identifier: MIT */
/*
 * The set of paths that are to be looked at: bounded, folded, in order. Each path is in it once. A path that
 * becomes dirty while it is being looked at is looked at again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/util.h"
#include "core/who.h"

#define DIRTY_PATHS_MAX 65536u /* paths; past it the caller rescans */

struct dirty_entry;
struct dirty;

struct dirty *dirty_new(void); /* NULL when out of memory */
struct dirty *dirty_free(struct dirty *dirty);
CLEANUP_DEFINE(struct dirty *, dirty_free)

/*
 * Marks a path. from_pass: only a pass's word, no event. not_before_ms (monotonic): 0 for at once. false:
 * there is no room (or no memory), and the path was not taken.
 */
bool dirty_mark(struct dirty *dirty, const char *path, bool from_pass, int64_t not_before_ms);
/* Who made the event that a path was just marked for; nothing if it is not marked. */
void dirty_touch(struct dirty *dirty, const char *path, const struct who_touch *touch);
/* Whether a look is to come that will tell of all that happened until now: to mark the path again for an
 * event changes nothing. */
bool dirty_waits(struct dirty *dirty, const char *path);
bool dirty_has_room(const struct dirty *dirty);
size_t dirty_count(const struct dirty *dirty);
/* Whether a path is looked at, or could be now. */
bool dirty_is_busy(const struct dirty *dirty);

/* Those whose time has come are ready from now on: whoever asks when the next is due calls it before. */
void dirty_wake(struct dirty *dirty, int64_t now_ms);
/* The next path to look at now, which then counts as being looked at; NULL: none. */
struct dirty_entry *dirty_take(struct dirty *dirty, int64_t now_ms);
const char *dirty_path(const struct dirty_entry *entry);
bool dirty_from_pass(const struct dirty_entry *entry);
/* Whoever touched the path since the look before, until now: who_trace_write, who_trace_of_metadata. */
char *dirty_who(const struct dirty_entry *entry, bool gap, bool *ret_of_metadata);
/* The look at it told nothing, and it is marked again: who touched it before counts for the next look too, as
 * does a gap, whatever dirty_who is told then. */
void dirty_keep_who(struct dirty_entry *entry, bool gap);
/* The look is judged: the entry is gone, or queued again if it was marked meanwhile. */
void dirty_done(struct dirty *dirty, struct dirty_entry *entry);

/* Everything marked until now has a number up to this one. */
uint64_t dirty_ticket(const struct dirty *dirty);
bool dirty_settled(const struct dirty *dirty, uint64_t ticket);
/* Those that wait for their time need not wait any longer. */
void dirty_hurry(struct dirty *dirty);
/* When the first of those that wait is due (monotonic ms); -1: none waits. */
int64_t dirty_next_due(const struct dirty *dirty);
