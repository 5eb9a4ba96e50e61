/* SPDX-License-Identifier: MIT */
/* Records of the history in words: for the journal and for outputs. driftctl(1) lists the kinds and details.
 */
#pragma once

#include "core/buf.h"
#include "core/json.h"

extern const char *const record_kinds[]; /* all there are, up to NULL */

/* As in syslog(3): LOG_CRIT to LOG_INFO. detail may be NULL. */
int record_priority(const char *kind, const struct json *detail);

/* One line, appended; item may be NULL. Without memory less is appended. */
void record_words(const char *kind, const char *item, const struct json *detail, struct buf *text);
