/* SPDX-License-Identifier: MIT */
/*
 * Telling the journal (driftd(8), "Journal"): one entry for each durable record, with its MESSAGE_ID and the
 * DRIFTD_ fields. Where standard error is not connected to the journal, one line of text there instead.
 */
#pragma once

#include "core/instance.h"

/* A line is written once standard error's buffer is full, and with report_announced. */
void report_announcement(const struct instance *instance, const struct announcement *announcement);
void report_announced(void);

/* For what is not in the history: starting up, a store that cannot be written. priority as in syslog(3). */
void report_line(int priority, const char *format, ...) _printf_(2, 3);
