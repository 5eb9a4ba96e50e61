/* SPDX-License-Identifier: MIT */
/* The generation that the next one follows on, as it lies here: so that a text of which a line changes need
 * not travel whole. */
#pragma once

#include "cli/cli.h"
#include "core/baseline.h"

/*
 * The active generation of a name: from the shelf beside the store, if that can be read and holds what the
 * daemon names; else from the daemon. *ret stays NULL where there is none. 0 or an exit code with words.
 */
int parent_fetch(struct cli *cli, const char *name, struct baseline **ret, struct err *err);
