/* SPDX-License-Identifier: MIT */
/*
 * The words for an error, made once, where it is born.
 *
 * The rule for every function in core/: 0 is done; < 0 is -errno, fatal to the call, passed up
 * unchanged; > 0 is an answer of that module's own enum, which the caller must switch on. Whoever
 * makes the error fills a `struct err` of the caller; nobody above rewrites it. It has a fixed size
 * because it must work with no memory left.
 */
#pragma once

#include "core/util.h"

#define ERR_TEXT_MAX 1024 /* bytes, with the NUL */
#define ERR_HINT_MAX 384  /* bytes, with the NUL */

struct err {
        int code;                /* as returned: -errno, or a module's answer */
        char text[ERR_TEXT_MAX]; /* what is wrong; printable ASCII: outside bytes were escaped */
        char hint[ERR_HINT_MAX]; /* what would be right or what to do next; may be empty */
};

/* Sets code and text, clears the hint, and returns code. err may be NULL. */
int err_set(struct err *err, int code, const char *format, ...) _printf_(3, 4);

/* Adds what to do next to an error just set; returns its code. err may be NULL (returns code given). */
int err_hint(struct err *err, int code, const char *format, ...) _printf_(3, 4);

/* err_set with -ENOMEM. */
int err_oom(struct err *err);
