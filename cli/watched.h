/* SPDX-License-Identifier: MIT */
/*
 * Items that nothing watches. To name one is mostly a slip of the pen, or a place that no scope covers: neither
 * is clean, for neither was looked at. Globs are not judged here: what they select is not known beforehand.
 */
#pragma once

#include "cli/cli.h"
#include "core/baseline.h"

/* Whether a scope of the baseline covers the item, or something below it. */
bool watched_by(const struct baseline *baseline, const char *item);

/* Of a diff's items, those that no active baseline covers: each is a problem not_covered in the document's
 * coverage, which is then incomplete. One that is neither there nor expected gets a note. */
int watched_check_answer(struct cli *cli, const struct text_list *items, const struct json *drifts,
        struct json *document, struct err *err);

/* EXIT_FAILED with words if the proposal's scopes cover an item nowhere. */
int watched_check_proposal(
        const struct text_list *items, const struct baseline *proposal, struct err *err);
