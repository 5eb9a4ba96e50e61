/* SPDX-License-Identifier: MIT */
/* Records of the history as lines for people: seq, time, kind, item, and what of the detail matters for that
 * kind. */
#pragma once

#include "cli/cli.h"
#include "core/record.h"

enum color record_color(const char *kind);
/* The members of a record's detail that a person wants, as words; appended. 0 or -ENOMEM. */
int log_detail(const struct json *record, struct buf *ret);
#define LOG_ITEM_WIDTH ((size_t)40) /* characters: lines that come one by one are aligned too */
/* Records, aligned. item_width: at least so wide; 0: without the item. */
void log_table(struct cli *cli, const struct json *records, size_t item_width);
