/* SPDX-License-Identifier: MIT */
/*
 * What driftctl doctor looks at. Facts are gathered once; then each check, a row of doctor_checks, says what
 * it found and the line that mends it. What could not be looked at is unknown, with the reason, and never ok.
 * Nothing is changed, and nothing recorded.
 */
#pragma once

#include <sys/types.h>

#include "cli/cli.h"
#include "core/trust.h"

enum doctor_finding {
        DOCTOR_OK,
        DOCTOR_WEAK,    /* it works, and would be better otherwise */
        DOCTOR_MISSING, /* what it is for does not work without */
        DOCTOR_UNKNOWN, /* could not be looked at */
        DOCTOR_FINDINGS,
};
extern const char *const doctor_findings[DOCTOR_FINDINGS];

struct doctor_answer { /* zero-initialise; doctor_answer_done */
        enum doctor_finding finding;
        struct buf words; /* what was found */
        struct buf mend;  /* a line to type, or the words where one cannot be given; empty: nothing to do */
};
void doctor_answer_done(struct doctor_answer *answer);

struct doctor {
        struct cli *cli;
        const char *root; /* before every path of the host: "", or a scratch folder of a test */
        int64_t now_ms;
        bool have_config;
        char config_why[ERR_TEXT_MAX];
        char *config_folder; /* conf.d beside the configuration */
        struct json *status; /* driftd.status/1; NULL: status_why */
        char status_why[ERR_TEXT_MAX];
        bool daemon;         /* it is a running daemon's */
        pid_t pid;           /* of that; 0: not known */
        struct trust *trust; /* NULL: none, or (trust_why) not to be read */
        char trust_why[ERR_TEXT_MAX];
        struct scope *scopes; /* of all active baselines */
        size_t n_scopes;
        bool have_scopes;
        char scopes_why[ERR_TEXT_MAX];
};
/* 0 or EXIT_FAILED (out of memory). Whatever cannot be had is NULL, with the reason. */
int doctor_gather(struct cli *cli, struct doctor *ret, struct err *err);
void doctor_done(struct doctor *doctor);

struct doctor_check {
        const char *name;
        const char *what;                                                    /* what it looks at */
        int (*look)(const struct doctor *doctor, struct doctor_answer *ret); /* 0 or -ENOMEM */
};
/* Ends with a row without a name. */
extern const struct doctor_check doctor_checks[];

/* For checks. The finding and its words / the line that mends it. 0 or -ENOMEM. */
int doctor_say(struct doctor_answer *answer, enum doctor_finding finding, const char *format, ...)
        _printf_(3, 4);
int doctor_mend(struct doctor_answer *answer, const char *format, ...) _printf_(2, 3);
/* A problem of the status, by kind; NULL: there is none. */
const struct json *doctor_problem(const struct doctor *doctor, const char *kind);
/* DOCTOR_UNKNOWN because there is no status. */
int doctor_no_status(const struct doctor *doctor, struct doctor_answer *answer);

/* doctor_trust.c */
int doctor_approvers(const struct doctor *doctor, struct doctor_answer *ret);
int doctor_threshold(const struct doctor *doctor, struct doctor_answer *ret);
int doctor_first_use(const struct doctor *doctor, struct doctor_answer *ret);
int doctor_keys(const struct doctor *doctor, struct doctor_answer *ret);
int doctor_key_used(const struct doctor *doctor, struct doctor_answer *ret);
/* doctor_scope.c */
int doctor_scope(const struct doctor *doctor, struct doctor_answer *ret);
int doctor_exclusions(const struct doctor *doctor, struct doctor_answer *ret);
/* doctor_host.c */
int doctor_boot(const struct doctor *doctor, struct doctor_answer *ret);
int doctor_version(const struct doctor *doctor, struct doctor_answer *ret);
int doctor_watches(const struct doctor *doctor, struct doctor_answer *ret);
int doctor_instances(const struct doctor *doctor, struct doctor_answer *ret);
int doctor_queue(const struct doctor *doctor, struct doctor_answer *ret);
int doctor_packages(const struct doctor *doctor, struct doctor_answer *ret);
int doctor_clock(const struct doctor *doctor, struct doctor_answer *ret);
int doctor_store(const struct doctor *doctor, struct doctor_answer *ret);
int doctor_journal(const struct doctor *doctor, struct doctor_answer *ret);
