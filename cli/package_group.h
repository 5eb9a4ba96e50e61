/* SPDX-License-Identifier: MIT */
/*
 * The packages of a ballot: which of the proposed changes are those that dpkg's digests vouch for, by
 * package. A change is in a group only if the proposal has of it exactly what the drift has that was vouched
 * for.
 */
#pragma once

#include "cli/cli.h"
#include "cli/fold.h"
#include "cli/revision.h"

struct package_groups {
        struct json *drifts;
        struct folds folds;
        const struct json **by_item; /* the folded drifts, sorted */
        size_t *fold_of;             /* by the same index */
        size_t n;
};

/* Asks what is open of a baseline, without a new look. 0 or an exit code with words. */
int package_groups_fetch(struct cli *cli, const struct text_list *items, const char *baseline,
        struct package_groups *ret, struct err *err);
void package_groups_done(struct package_groups *groups);

/* The group of a revision about an item, from 0; groups->folds.n: it stands by itself. */
size_t package_group_of(const struct package_groups *groups, const struct revisions *revisions,
        const struct revision *revision, const char *item);
