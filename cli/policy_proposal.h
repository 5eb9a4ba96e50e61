/* SPDX-License-Identifier: MIT */
/* The baseline that a policy pack becomes, put together here: a pack takes nothing from the host but how its
 * domains are looked at. */
#pragma once

#include "cli/policy.h"
#include "cli/transfer.h"

/* The next generation of the baseline named like the pack, for any host. 0 or an exit code. */
int policy_proposal(struct cli *cli, const struct policy *policy, const struct proposal_wish *wish,
        struct baseline **ret, struct err *err);

/* The pack of --policy, which names no items besides; *ret stays NULL without the option. 0 or an exit code.
 */
int policy_option(struct cli *cli, const struct text_list *items, struct policy **ret, struct err *err);

/* Prints where this host and the pack disagree, how each could be mended, and how to excuse it. Nothing of
 * the host is changed. 0 or an exit code. */
int policy_disagreement(struct cli *cli, const struct policy *policy, struct err *err);
