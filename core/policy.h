/* SPDX-License-Identifier: MIT */
/*
 * Policy packs (driftd-policy(5)): checks of settings, written by people as an INI file, that belong to no
 * one host. A pack becomes the `set` lines of a baseline named like it, or is judged as it is. Each check is
 * one such line, or two: the second one says the same of what a restart will make of the setting.
 */
#pragma once

#include "core/baseline.h" /* struct waiver */
#include "core/setting_judge.h"

#define POLICY_CHECKS_MAX 1000u
#define POLICY_CONTROLS_MAX 32u /* of a check */
#define POLICY_LINES_MAX 64u    /* lines over which a check's value may go */

struct policy;

struct policy_check {
        const char *name;    /* a valid name, once in a pack */
        const char *item;    /* escaped, or a glob */
        const char *value;   /* raw; "-" where the operator takes none */
        const char *reason;  /* raw */
        struct setting line; /* item, operator, value, controls, … as they are written */
        bool after_restart;  /* also judged as ITEM@after_restart */
        unsigned at;         /* line of the file */
};

/* -ENOENT, -EINVAL … with "FILE:LINE: what is wrong" and what would be right. */
int policy_load(const char *path, struct policy **ret, struct err *err);
/* The same for a text that is not in a file; path is for the words only. */
int policy_parse(const char *path, const char *text, size_t size, struct policy **ret, struct err *err);
struct policy *policy_free(struct policy *policy);
CLEANUP_DEFINE(struct policy *, policy_free)

const char *policy_name(const struct policy *policy);
const char *policy_title(const struct policy *policy); /* raw */
unsigned policy_version(const struct policy *policy);
/* In the order of the file. */
const struct policy_check *policy_checks(const struct policy *policy, size_t *ret_count);
/* A check's second line, of ITEM@after_restart; NULL: it has none. */
const struct setting *policy_check_restart(const struct policy *policy, size_t index);
/* The `set` lines of its baseline, sorted as a baseline has them; appended. -ENOMEM. */
int policy_settings(const struct policy *policy, struct buf *ret);
/* Whether a check names a setting of this domain. */
bool policy_needs(const struct policy *policy, enum scope_domain domain) _pure_;

/* ---- judging ---- */

enum policy_outcome {
        POLICY_PASS,
        POLICY_FAIL,
        POLICY_UNKNOWN, /* something of it could not be read or compared, and nothing else fails */
        POLICY_NOT_APPLICABLE,
        POLICY_WAIVED, /* what fails is waived, all of it */
        POLICY_OUTCOME_COUNT,
};
extern const char
        *const policy_outcome_names[POLICY_OUTCOME_COUNT]; /* pass fail unknown not_applicable waived */

/* What one item of a check came to. All texts are owned. */
struct policy_finding {
        char *item; /* escaped */
        enum setting_verdict verdict;
        char *value, *configured, *source; /* raw, as the probe gave them; NULL: none */
        char *reason;                      /* raw; NULL: the verdict says all */
        const struct waiver *waiver;       /* borrowed from the host given; NULL: none */
};

struct policy_result {
        enum policy_outcome outcome;
        struct policy_finding *findings; /* in the order of the items; none: nothing matched */
        size_t n_findings;
};

struct policy_host {
        const struct probe_reading *readings[SCOPE_DOMAIN_COUNT]; /* NULL: could not be read */
        const char *failures[SCOPE_DOMAIN_COUNT]; /* why, in words; NULL: it was not looked at */
        const struct waiver *waivers;             /* those of other baselines are passed over */
        size_t n_waivers;
        int64_t now_ms;
};

/* One result a check, in the order of policy_checks; freed with policy_results_free. -ENOMEM. */
int policy_judge(const struct policy *policy, const struct policy_host *host, struct policy_result **ret);
struct policy_result *policy_results_free(struct policy_result *results, size_t count);
