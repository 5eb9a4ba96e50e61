/* SPDX-License-Identifier: MIT */
/* Applying a signed baseline and saying what came of it, for apply and bless. */
#pragma once

#include "cli/cli.h"
#include "cli/transfer.h"

/* parent: as of signed_text_upload. changes < 0: not told. ahead: nobody looks whether what it changes is
 * live as it says. 0 or an exit code with words. */
int apply_signed(struct cli *cli, const struct signed_text *text, const struct baseline *parent,
        const char *schema, json_int changes, bool ahead, struct err *err);
