/* SPDX-License-Identifier: MIT */
/*
 * What driftctl top shows, as frames: pure, from documents. It is made for 80 × 24 and lives with less: what
 * matters most stands first, and what does not fit is left out from below.
 */
#pragma once

#include "cli/screen.h"
#include "core/json.h"

#define TOP_DRIFTS_MAX 1000u /* drifts that are kept to be shown */
#define TOP_RECORDS_MAX 32u  /* newest records kept */

/* One line of the list: a drift, or the drifts of a package (fold.h). Owned. */
struct top_row {
        char *change, *item, *detail, *state; /* state: where it is not open */
        char severity;                        /* 'H' 'M' 'L', or '?' */
        enum color color;
        int64_t first_ms; /* 0: not known */
};

struct top_rows {
        struct top_row *list; /* by severity, then as the document has them */
        size_t n;
};
/* drifts: an array of driftd.diff/1. 0 or -ENOMEM. */
int top_rows_make(const struct json *drifts, struct top_rows *ret);
void top_rows_done(struct top_rows *rows);

struct top_view {
        const struct json *status;         /* driftd.status/1; NULL: none came yet */
        const struct top_rows *rows;       /* of the list that came last */
        const struct json *const *records; /* newest last */
        size_t n_records;
        const char *host;    /* the name for people */
        const char *trouble; /* why nothing new comes; NULL: all is well */
        int64_t now_ms;
        double events_rate, files_rate, bytes_rate; /* a second; below 0: not known yet */
        size_t scroll;                              /* rows of the list above the first one shown */
        bool list_cut;                              /* there are more than were kept */
        bool help;
};

/* Writes the frame. Returns how many rows of the list it has room for: for paging. */
unsigned top_layout(const struct top_view *view, struct frame *frame);
