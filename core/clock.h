/* SPDX-License-Identifier: MIT */
/*
 * Times. Everywhere in the code a time is int64_t milliseconds since 1970 UTC, in a variable that ends
 * in _ms. Written in RFC 3339, always UTC, always with Z.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/json.h"

#define CLOCK_TEXT_MAX 32 /* characters, with the NUL */

int64_t clock_now_ms(void);       /* CLOCK_REALTIME */
int64_t clock_monotonic_ms(void); /* CLOCK_BOOTTIME: goes on through suspend */

/* "2026-11-23T18:00:00.123Z" (history, JSON) and "2026-11-23T18:00:00Z" (signed texts). Years 1000 to 9999; a
 * time outside is written as the nearest inside. */
void clock_format(int64_t time_ms, char text[static CLOCK_TEXT_MAX]);
void clock_format_seconds(int64_t time_ms, char text[static CLOCK_TEXT_MAX]);
/* The first form as a JSON string; null for 0, which is no time. NULL: out of memory. */
struct json *clock_json(int64_t time_ms);

/* Exactly the second form, years 1970 to 9999; anything else is -EINVAL. */
int clock_parse_seconds(const char *text, size_t size, int64_t *ret_ms);

/*
 * What people write on a command line: RFC 3339 (with or without fraction, Z or an offset; with neither, and
 * with or without seconds: local time), a date ("2026-11-23": its midnight, local time), "-2h" and "+90d" (s
 * m h d w, from now), "now", "today", "yesterday", "tomorrow". -EINVAL with words.
 */
int clock_parse_human(const char *text, int64_t now_ms, int64_t *ret_ms, struct err *err);

/* "90s", "15m", "6h", "2d", "1w" -> seconds, more than 0 and at most a century. -EINVAL with words. */
int duration_parse(const char *text, int64_t *ret_seconds, struct err *err);
/* The largest unit that divides it: 21600 -> "6h". */
void duration_format(int64_t seconds, char text[static CLOCK_TEXT_MAX]);
/* For people: "12 s", "3 min", "5 h 12 min", "2 d 4 h". */
void duration_describe(int64_t ms, char text[static CLOCK_TEXT_MAX]);
