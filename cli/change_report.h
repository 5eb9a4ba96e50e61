/* SPDX-License-Identifier: MIT */
/* What a change did (driftd.window/1): asked for, shown, and as an exit code. */
#pragma once

#include "cli/cli.h"
#include "cli/progress.h"

struct change_report {
        struct json *document, *entries;
        struct buf set; /* of what was expected */
        struct progress progress;
};
void change_report_done(struct change_report *report);
#define _cleanup_change_report_ _cleanup_(change_report_done)

/* Takes the reference of parameters. 0 or an exit code with words. */
int change_report_ask(struct cli *cli, const char *method, struct json *parameters, struct change_report *ret,
        struct err *err);
/* 0: exactly what was expected happened; 1: something unexpected, or absent; 2: incomplete; 3: untrusted. */
int change_report_exit(const struct change_report *report);
/* In words, or as the document. 0 or an exit code with words. */
int change_report_print(struct cli *cli, struct change_report *report, struct err *err);
/* Whether something drifts of which the set says otherwise: such a set is not blessed. */
bool change_report_contradicts(const struct change_report *report);
json_int change_report_count(const struct change_report *report, const char *outcome);
