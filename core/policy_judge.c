/* SPDX-License-Identifier: MIT */
/*
 * A pack against readings: what its lines say of each item is collected, then each check is rolled up. What
 * fails outweighs what is unknown, and what is unknown outweighs all that is met: nothing passes that was not
 * looked at. A waiver covers what fails, never what is unknown.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/policy.h"

const char *const policy_outcome_names[POLICY_OUTCOME_COUNT] = {
        [POLICY_PASS] = "pass",
        [POLICY_FAIL] = "fail",
        [POLICY_UNKNOWN] = "unknown",
        [POLICY_NOT_APPLICABLE] = "not_applicable",
        [POLICY_WAIVED] = "waived",
};

struct collecting {
        const struct policy *policy;
        const struct policy_host *host;
        struct policy_result *result;
};

static void
finding_done(struct policy_finding *finding)
{
        free(finding->item);
        free(finding->value);
        free(finding->configured);
        free(finding->source);
        free(finding->reason);
}

static const struct waiver *
waiver_of(const struct collecting *c, const char *item)
{
        const struct policy_host *host = c->host;
        for (size_t i = 0; i < host->n_waivers; i++) {
                const struct waiver *waiver = &host->waivers[i];
                if (waiver->until_ms > host->now_ms &&
                        strcmp(waiver->baseline, policy_name(c->policy)) == 0 &&
                        (strcmp(waiver->item, item) == 0 || glob_match(waiver->item, item)))
                        return waiver;
        }
        return NULL;
}

/* The words for why, where setting_judge leaves them to us. */
static char *
reason_of(const struct collecting *c, const char *item, enum setting_verdict verdict,
        const struct probe_setting *actual, const char *reason)
{
        int domain = setting_domain(item);
        char *words;
        if (verdict == SETTING_VERDICT_UNKNOWN && !reason && domain > 0)
                reason = c->host->failures[domain] ? c->host->failures[domain] : "it was not looked at";
        if (!actual || strcmp(actual->item, item) == 0)
                return reason ? strdup(reason) : NULL;
        int r = reason ? asprintf(&words, "%s: %s", actual->item, reason)
                       : asprintf(&words, "%s does", actual->item);
        return r < 0 ? NULL : words;
}

/* Copies a text that may be NULL; false: out of memory. */
static bool
copy(const char *text, char **ret)
{
        *ret = text ? strdup(text) : NULL;
        return !text || *ret;
}

static int
collect(void *userdata, const char *item, enum setting_verdict verdict, const struct probe_setting *actual,
        const char *reason)
{
        struct collecting *c = userdata;
        struct policy_result *result = c->result;
        struct policy_finding finding = {.verdict = verdict};
        if (array_grow(&result->findings, result->n_findings) < 0)
                return -ENOMEM;
        bool fails = verdict == SETTING_VERDICT_NOT_MET || verdict == SETTING_VERDICT_MISSING;
        bool whole = copy(item, &finding.item) && copy(actual ? actual->value : NULL, &finding.value) &&
                     copy(actual ? actual->configured : NULL, &finding.configured) &&
                     copy(actual ? actual->source : NULL, &finding.source);
        finding.reason = reason_of(c, item, verdict, actual, reason);
        finding.waiver = fails ? waiver_of(c, item) : NULL;
        result->findings[result->n_findings++] = finding;
        bool needs_reason =
                reason || verdict == SETTING_VERDICT_UNKNOWN || (actual && strcmp(actual->item, item) != 0);
        return whole && (finding.reason || !needs_reason) ? 0 : -ENOMEM;
}

static enum policy_outcome
roll_up(const struct policy_result *result)
{
        unsigned counts[SETTING_VERDICT_COUNT] = {0}, waived = 0;
        for (size_t i = 0; i < result->n_findings; i++) {
                if (result->findings[i].waiver)
                        waived++;
                else
                        counts[result->findings[i].verdict]++;
        }
        if (counts[SETTING_VERDICT_NOT_MET] || counts[SETTING_VERDICT_MISSING])
                return POLICY_FAIL;
        if (counts[SETTING_VERDICT_UNKNOWN])
                return POLICY_UNKNOWN;
        if (waived)
                return POLICY_WAIVED;
        return counts[SETTING_VERDICT_MET] ? POLICY_PASS : POLICY_NOT_APPLICABLE;
}

/* Its condition does not hold, or its domain was not read: the second line would only repeat that. */
static bool
says_it_all(const struct collecting *c)
{
        const struct policy_result *result = c->result;
        return !c->host->readings[SCOPE_SYSCTL] ||
               (result->n_findings == 1 && result->findings[0].verdict == SETTING_VERDICT_NOT_APPLICABLE);
}

int
policy_judge(const struct policy *policy, const struct policy_host *host, struct policy_result **ret)
{
        size_t n;
        const struct policy_check *checks = policy_checks(policy, &n);
        struct policy_result *results = calloc(n + 1, sizeof *results);
        int r = results ? 0 : -ENOMEM;
        for (size_t i = 0; i < n && r == 0; i++) {
                struct collecting c = {policy, host, &results[i]};
                const struct setting *restart = policy_check_restart(policy, i);
                r = setting_judge(&checks[i].line, host->readings, host->now_ms, collect, &c);
                if (r == 0 && restart && !says_it_all(&c))
                        r = setting_judge(restart, host->readings, host->now_ms, collect, &c);
                results[i].outcome = roll_up(&results[i]);
        }
        if (r) {
                policy_results_free(results, n);
                return r;
        }
        *ret = results;
        return 0;
}

struct policy_result *
policy_results_free(struct policy_result *results, size_t count)
{
        for (size_t i = 0; results && i < count; i++) {
                for (size_t k = 0; k < results[i].n_findings; k++)
                        finding_done(&results[i].findings[k]);
                free(results[i].findings);
        }
        free(results);
        return NULL;
}
