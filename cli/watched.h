/* SPDX-License-Identifier: MIT */
/*
 * Items that nothing watches. To name one is mostly a slip of the pen, or a place that no scope covers:
 * neither is clean, for neither was looked at. Globs are not judged here: what they select is not known
 * beforehand.
 */
#pragma once

#include "cli/cli.h"
#include "core/baseline.h"

/* Whether a scope of the baseline covers the item, or something below it. */
bool watched_by(const struct baseline *baseline, const char *item);

/* Notes each of a diff's items that is neither there nor expected. */
int watched_check_answer(struct cli *cli, const struct text_list *items, const struct json *drifts,
        const struct json *document, struct err *err);

/* EXIT_FAILED with words if the proposal's scopes cover an item nowhere. */
int watched_check_proposal(const struct text_list *items, const struct baseline *proposal, struct err *err);
