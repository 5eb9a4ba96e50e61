/* SPDX-License-Identifier: MIT */
/* The approvals of one baseline, looked at one by one and judged as a whole, for review and baseline verify.
 */
#pragma once

#include "cli/cli.h"
#include "cli/transfer.h"

struct opinion {
        struct json *approvals; /* [{by, at, key_on_host, fingerprint, holds, names_it, words}] */
        bool judged;            /* a trust file was given */
        bool enough;            /* … and its threshold is met */
        struct json *signers;   /* whose approvals count; judged only */
        char why[ERR_TEXT_MAX]; /* where it is not enough */
};
void opinion_done(struct opinion *opinion);

/* trust may be NULL: signatures are checked, but nobody says whose keys they are. 0 or an exit code with
 * words. */
int opinion_make(
        const struct signed_text *text, const struct trust *trust, struct opinion *ret, struct err *err);
void opinion_print(struct cli *cli, const struct opinion *opinion);
