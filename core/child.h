/* SPDX-License-Identifier: MIT */
/*
 * A program run to its end: an absolute path, given arguments, an environment of PATH and LC_ALL=C alone, its
 * standard input given whole or empty, what it says taken in whole and bounded, and a deadline after which it
 * and what it started are killed. No shell is ever involved. Any thread.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"

struct child {
        const char *program;    /* raw absolute path */
        char *const *arguments; /* with arguments[0]; NULL-terminated */
        unsigned timeout_ms;
        size_t output_max;         /* bytes, of each of both */
        const atomic_bool *cancel; /* may be NULL */
        const char *input;         /* its standard input; NULL: none */
        size_t input_size;
        bool unrooted; /* it is not told that it is root (core/unroot.h) */
};

enum child_result {
        CHILD_FAILED = 1, /* not started, killed by the deadline or a signal, or it said too much: the words
                             say which */
};

/* 0: it ended by itself, with *ret_status as its exit status. CHILD_FAILED, -ECANCELED or -ENOMEM. */
int child_run(
        const struct child *child, struct buf *output, struct buf *errors, int *ret_status, struct err *err);
