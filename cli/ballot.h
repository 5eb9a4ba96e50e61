/* SPDX-License-Identifier: MIT */
/*
 * The ballot of bless: entries that a person chooses from, and the rows that stand for them on a screen.
 * Pure: it prints and reads nothing (ballot_screen.h does). Every entry is unchecked until it is chosen.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

#define BALLOT_FLAT_MAX 40u   /* more entries than this are shown by folder */
#define BALLOT_ROWS_MAX 200u  /* rows that are still better than one or two groups that tell nothing */
#define BALLOT_RANGES_MAX 64u /* in one line */

struct ballot_entry {
        char *item;       /* owned by the ballot */
        unsigned section; /* entries of a section stand together, in this order */
        bool heading;     /* stands before the others of its section */
        size_t index;     /* the caller's */
        bool chosen;
};

struct ballot_row {
        size_t first, count; /* entries */
        unsigned depth;      /* 0: a section; else names up to this depth are the same */
        unsigned level;      /* how far it is opened: indentation */
        bool group;          /* may be opened, also if it holds one entry */
        bool open;
};

struct ballot {
        struct ballot_entry *entries;
        size_t count;
        struct ballot_row *rows;
        size_t n_rows;
};

/*
 * Takes the entries over and sorts them. Sections below `n_grouped` are one row each (of a first generation
 * all, one a scope; later the packages whose files changed); of the others an entry is a row, or by folder if
 * there are more than BALLOT_FLAT_MAX. 0 or -ENOMEM (the entries are freed then too).
 */
int ballot_make(struct ballot_entry *entries, size_t count, unsigned n_grouped, struct ballot *ret);
void ballot_done(struct ballot *ballot);
#define _cleanup_ballot_ _cleanup_(ballot_done)

enum ballot_verb {
        BALLOT_AGAIN,    /* an empty line: show it again */
        BALLOT_TOGGLE,   /* "1 3-5,7" */
        BALLOT_ALL,      /* a */
        BALLOT_NONE,     /* n */
        BALLOT_DETAIL,   /* d N */
        BALLOT_OPEN,     /* o N: open or close a group */
        BALLOT_CONTINUE, /* w */
        BALLOT_QUIT,     /* q */
        BALLOT_HELP,     /* ? */
};

struct ballot_command {
        enum ballot_verb verb;
        struct {
                size_t first, last; /* rows from 0, last included */
        } ranges[BALLOT_RANGES_MAX];
        size_t n_ranges;
};

/* One line as typed. -EINVAL with words. */
int ballot_parse(const char *line, size_t n_rows, struct ballot_command *ret, struct err *err);

/* A row whose entries are all chosen is cleared, any other is chosen whole. */
void ballot_toggle(struct ballot *ballot, const struct ballot_command *command);
void ballot_choose(struct ballot *ballot, bool chosen); /* all of them */
/* Opens a group into its parts, or closes it again. -ENOMEM; nothing happens to a row that is no group. */
int ballot_open(struct ballot *ballot, size_t row);

size_t ballot_chosen(const struct ballot *ballot, size_t first, size_t count);
/* How many characters of its first entry's item name a row: the folder of a group. */
size_t ballot_label_size(const struct ballot *ballot, const struct ballot_row *row);
