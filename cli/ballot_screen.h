/* SPDX-License-Identifier: MIT */
/* The ballot on a terminal: shown on standard error, read from standard input. */
#pragma once

#include "cli/ballot.h"
#include "cli/cli.h"

struct ballot_screen {
        struct cli *cli;
        struct ballot *ballot;
        const char *const *sections; /* names of sections; used where a row is one */
        /* A few words about an entry / all about it, in lines. Appended; 0 or -ENOMEM. */
        int (*describe)(void *userdata, size_t index, struct buf *ret);
        int (*detail)(void *userdata, size_t index, struct buf *ret);
        void *userdata;
};

void ballot_show(const struct ballot_screen *screen);
/* Until the person continues (0) or quits, or the input ends (EXIT_FAILED with words: nothing was done). */
int ballot_run(const struct ballot_screen *screen, struct err *err);
