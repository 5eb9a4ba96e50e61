/* SPDX-License-Identifier: MIT */
/* What the commands of driftctl policy share: finding a pack, looking at this host, and what is said of both.
 */
#pragma once

#include "cli/cli.h"
#include "core/policy.h"

/* PACK of the command line: a path if there is a slash in it, else NAME.ini in the packs' folder. 0 or
 * EXIT_FAILED with words. */
int policy_find(struct cli *cli, const char *pack, struct policy **ret, struct err *err);

/* What this host was found to be, as far as a pack asks for it. */
struct policy_view {
        struct policy_host host;
        struct probe_reading readings[SCOPE_DOMAIN_COUNT];
        struct err failures[SCOPE_DOMAIN_COUNT];
        struct baseline *baseline; /* the active one of the pack's name, whose waivers count; NULL: none */
};
/* Runs the probes in this process. What a probe cannot say is part of the answer. 0 or EXIT_FAILED with
 * words. */
int policy_look(struct cli *cli, const struct policy *policy, struct policy_view *ret, struct err *err);
void policy_view_done(struct policy_view *view);

/* Pass, waived and not applicable 0, fail 1, unknown without a fail 2. */
int policy_exit(const struct policy_result *results, size_t n);
/* driftd.policy/1; NULL when out of memory. */
struct json *policy_document(
        const struct policy *policy, const struct policy_host *host, const struct policy_result *results);
void policy_print(struct cli *cli, const struct policy *policy, const struct policy_result *results);
/* "ge 2", or just the value for eq; appended. 0 or -ENOMEM. */
int policy_wanted(const struct setting *line, struct buf *ret);
/* Members of a check that a pack alone says; NULL when out of memory. */
struct json *policy_check_json(const struct policy_check *check);
