/* SPDX-License-Identifier: MIT */
/*
 * A diff as a list of checks, each with how it went, in groups: what the formats for pipelines (JUnit, TAP,
 * SARIF) have in common. A check is made for each baseline in force, for each problem that lowers coverage,
 * for each drift, and one for each domain of a baseline that stands for all of its items without a drift, so
 * that 160,000 clean files are one line and not 160,000.
 *
 * How a drift goes into these formats:
 *   open or acknowledged   CHECK_FAILED   (an acknowledgement quiets notices, the verdict stays)
 *   waived                 CHECK_WAIVED   (signed, with its end)
 *   unknown                CHECK_ERROR    (could not be looked at: neither clean nor changed)
 * and of a change (diff --expect): expected passed, unexpected and absent failed, unknown an error.
 */
#pragma once

#include <stdio.h>

#include "cli/cli.h"

enum check_outcome {
        CHECK_PASSED,
        CHECK_FAILED,  /* the host is not as it should be */
        CHECK_ERROR,   /* could not be checked, or cannot be believed */
        CHECK_WAIVED,  /* failed, and a signed waiver accepts it */
        CHECK_SKIPPED, /* not said of what was not looked at whole */
        CHECK_OUTCOME_COUNT
};

enum check_kind {
        CHECK_VERDICT,  /* whether what is said can be believed at all */
        CHECK_BASELINE, /* about: an element of `baselines` */
        CHECK_COMPLETE, /* whether all was looked at */
        CHECK_PROBLEM,  /* about: an element of coverage's `problems` */
        CHECK_REST,     /* every item of the group without a drift; about: its baseline */
        CHECK_ITEM,     /* about: an element of `drifts` or of `entries` */
};

struct check {
        enum check_kind kind;
        enum check_outcome outcome;
        const struct json *about; /* borrowed from the document */
        unsigned group;
};

#define CHECK_GROUPS_MAX 64u      /* past it, what is left goes into the last */
#define CHECK_GROUP_NAME_MAX 128u /* characters, with the NUL */

struct check_group {
        char name[CHECK_GROUP_NAME_MAX]; /* "trust", "coverage", "host.file": baseline and domain */
        json_int expected;               /* items */
        size_t counts[CHECK_OUTCOME_COUNT];
};

struct checks {
        const struct json *document; /* borrowed: driftd.diff/1 or driftd.window/1 */
        struct check *list;          /* in the order of their groups' making: a group's are not in a row */
        size_t n;
        struct check_group groups[CHECK_GROUPS_MAX];
        unsigned n_groups;
};

/* rows: the `drifts` or `entries`, which must live as long as the document. -ENOMEM. */
int checks_make(const struct json *document, const struct json *rows, struct checks *ret);
void checks_done(struct checks *checks);
#define _cleanup_checks_ _cleanup_(checks_done)

/* How many went so, over all groups; and all of a group. */
size_t checks_count(const struct checks *checks, enum check_outcome outcome);
size_t check_group_size(const struct check_group *group);

/* Each is appended as plain text that no sink has seen yet. 0 or -ENOMEM.
 * name: the same from run to run, so that a server can tell what is new. A drift's is its item.
 * message: one line, whatever a value holds. details: further lines, each with its newline; may be nothing.
 */
int check_name(const struct check *check, struct buf *ret);
int check_message(const struct checks *checks, const struct check *check, struct buf *ret);
int check_sides(const struct check *check, struct buf *ret);
int check_details(const struct check *check, struct buf *ret);

/* "changed", "missing", "unexpected", "absent", "unknown"; of what is no item, the kind of the problem. */
const char *check_type(const struct check *check);
/* "file", "sysctl": what stands before an item's colon. Borrowed, NOT terminated. */
size_t item_domain(const char *item);

/* ---- the formats: written as they are made, so that memory does not grow with them ---- */

/* 0, or -ENOMEM, or -EIO (standard output). exit_code: what driftctl will end with. */
int format_junit(const struct checks *checks, FILE *file);
int format_tap(const struct checks *checks, FILE *file);
/* root: where the image is mounted; NULL or "": the running host. */
int format_sarif(const struct checks *checks, const char *root, int exit_code, FILE *file);
