/* SPDX-License-Identifier: MIT */
/*
 * The relay: reads the history from the daemon and delivers it to every output, each in a thread of its own
 * from a cursor of its own. The history is the queue: nothing is held but what one delivery needs, so a
 * receiver that is slow or away costs neither memory nor others' time, and the daemon never waits for
 * anybody.
 */
#pragma once

#include "cli/output.h"
#include "core/cursor.h"

#define RELAY_BATCH 256u         /* records read at once */
#define RELAY_RETRY_LEAST_MS 200 /* after a failure; doubled up to: */
#define RELAY_RETRY_MOST_MS 30000
#define RELAY_REWIND_MS 10000 /* what was sent so long before a connection was lost is sent again */
#define RELAY_ANSWER_S 10     /* the daemon is waited for */

struct relay;

/* Takes the outputs of the configuration (borrowed). 0, or an exit code with words: another relay runs. */
int relay_new(const struct config *config, struct relay **ret, struct err *err);
/* Starts the threads. */
int relay_start(struct relay *relay, struct err *err);
/* Stops them, and waits for that. */
void relay_stop(struct relay *relay);
/* Writes for driftctl output list what changed; for the supervisor one line. Now and then, by who started it.
 */
void relay_tell(struct relay *relay, char *ret_line, size_t size);
struct relay *relay_free(struct relay *relay); /* stopped */
CLEANUP_DEFINE(struct relay *, relay_free)

/* ---- the files of an output, also for driftctl output list ---- */

/* output_dir/NAME.suffix; NULL: out of memory. */
char *relay_path(const struct config *config, const char *name, const char *suffix);
/* Whether the digest of a cursor is that of a record. -ENOMEM. */
int relay_record_digest(const struct json *record, struct digest *ret);
