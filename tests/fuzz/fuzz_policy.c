/* SPDX-License-Identifier: MIT */
/*
 * Whatever loads as a pack makes set lines that a baseline takes as they stand, and is judged: over readings
 * with nothing in them, over none at all, and over one that has each item that is no glob. Whatever does not
 * load is refused in printable words that name the file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
        if (!holds)
                abort();
}

static void
check_words(const struct err *err)
{
        require(strncmp(err->text, "pack", 4) == 0);
        for (const char *p = err->text; *p; p++)
                require(*p >= 0x20 && *p < 0x7f);
        for (const char *p = err->hint; *p; p++)
                require(*p >= 0x20 && *p < 0x7f);
}

static void
check_baseline(const struct policy *policy)
{
        _cleanup_(baseline_freep) struct baseline *baseline = NULL;
        struct buf text = {0};
        struct err err = {0};
        size_t size;
        require(buf_printf(&text,
                        "driftd-baseline 1\nname %s\nhost *\ngeneration 1\nparent none\ncreated "
                        "2026-11-23T18:00:00Z\nexpires never\nauthor a\nticket none\nclass standard\n\n",
                        policy_name(policy)) == 0);
        require(policy_settings(policy, &text) == 0);
        size = text.size;
        require(baseline_open(buf_steal(&text), size, &baseline, &err) == 0);
}

static void
check_results(const struct policy *policy, const struct policy_host *host, bool readable)
{
        struct policy_result *results;
        size_t n;
        policy_checks(policy, &n);
        require(policy_judge(policy, host, &results) == 0);
        for (size_t i = 0; i < n; i++) {
                require(results[i].outcome < POLICY_OUTCOME_COUNT);
                require(readable || results[i].outcome == POLICY_UNKNOWN); /* nothing passes unseen */
                require(results[i].outcome != POLICY_PASS || results[i].n_findings);
        }
        policy_results_free(results, n);
}

static void
check_judging(const struct policy *policy, const char *value)
{
        struct policy_host blind = {0}, host = {0};
        struct probe_reading empty = {0}, one = {0};
        size_t n;
        const struct policy_check *checks = policy_checks(policy, &n);
        for (int domain = SCOPE_SYSCTL; domain < SCOPE_DOMAIN_COUNT; domain++)
                host.readings[domain] = &empty;
        check_results(policy, &blind, false);
        check_results(policy, &host, true);
        struct probe_setting setting = {.item = strdup(checks[0].item), .value = strdup(value)};
        require(probe_add(&one, &setting) == 0);
        host.readings[setting_domain(checks[0].item)] = &one;
        check_results(policy, &host, true);
        probe_reading_done(&one);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct policy *policy = NULL;
        struct err err = {0};
        int r = policy_parse("pack", (const char *)data, size, &policy, &err);
        require(r == 0 || r == -EINVAL);
        if (r) {
                check_words(&err);
                return 0;
        }
        check_baseline(policy);
        check_judging(policy, "1");
        policy_free(policy);
        return 0;
}
