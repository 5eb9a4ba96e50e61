/* SPDX-License-Identifier: MIT */
/*
 * Trust files: what is taken can be counted with. Every rule names people who have keys, needs at least
 * one and no more than there are, and nobody's approval is found in an empty file.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_rule(const struct trust *trust, const char *name)
{
        static struct trust_verdict verdict;
        const struct ssh_key *keys;
        struct trust_rule rule;
        struct digest id = {0};
        struct err err = {0};
        int r = trust_judge_baseline(trust, &id, name, "*", 1, "zoe", true, "", 0, &verdict, &err);
        if (trust_rule_for(trust, name, &rule) < 0) {
                assert(r == TRUST_NO_RULE);
                return;
        }
        assert(r == TRUST_TOO_FEW && verdict.n_signers == 0 && verdict.needed > 0);
        assert(rule.threshold >= 1 && rule.threshold <= rule.n_approvers);
        assert(rule.urgent_threshold <= rule.threshold);
        assert(!rule.urgent_threshold == !rule.review_within_s);
        for (size_t i = 0; i < rule.n_approvers; i++) {
                size_t n_keys = trust_keys_of(trust, rule.approvers[i], &keys);
                assert(n_keys > 0);
                for (size_t k = 0; k < n_keys; k++)
                        assert(strcmp(trust_approver_of(trust, &keys[k]), rule.approvers[i]) == 0);
        }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct trust *trust = NULL;
        struct err err = {0};
        if (trust_parse("trust.conf", size ? (const char *)data : "", size, &trust, &err) != 0) {
                assert(err.code && err.text[0]);
                return 0;
        }
        check_rule(trust, "host");
        check_rule(trust, "*");
        check_rule(trust, "any");
        assert(trust_judge_successor(trust, trust, "", 0, &err) == TRUST_SUCCESSOR);
        trust_free(trust);
        return 0;
}
