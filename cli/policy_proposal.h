/* SPDX-License-Identifier: MIT */
/* The baseline that a policy pack becomes, put together here: a pack takes nothing from the host but how its
 * domains are looked at. */
#pragma once

#include "cli/transfer.h"
#include "core/policy.h"

/* A pack by name (in the folder of the packs) or by path (with a slash, or ending in .ini). 0 or an exit
 * code. */
int policy_open(struct cli *cli, const char *pack, struct policy **ret, struct err *err);

/* The next generation of the baseline named like the pack, for any host. 0 or an exit code. */
int policy_proposal(struct cli *cli, const struct policy *policy, const struct proposal_wish *wish,
        struct baseline **ret, struct err *err);

/* The pack of --policy, which names no items besides; *ret stays NULL without the option. 0 or an exit code.
 */
int policy_option(struct cli *cli, const struct text_list *items, struct policy **ret, struct err *err);
