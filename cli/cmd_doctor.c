/* SPDX-License-Identifier: MIT */
/*
 * driftctl doctor: what is missing or weak, and the line that mends it. The exit code says whether it could
 * look, not what it found: 1 and 2 are verdicts on the host's state, and a weak set-up is none.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/doctor.h"
#include "core/clock.h"

static enum color
finding_color(enum doctor_finding finding)
{
        static const enum color colors[DOCTOR_FINDINGS] = {COLOR_GREEN, COLOR_YELLOW, COLOR_RED, COLOR_CYAN};
        return colors[finding];
}

static void
print_answer(struct cli *cli, const struct doctor_check *check, const struct doctor_answer *answer)
{
        print_colored(&cli->out, finding_color(answer->finding), "%-8s ", doctor_findings[answer->finding]);
        print(&cli->out, "%-14s %s\n", check->name, answer->words.data ? answer->words.data : "");
        if (!answer->mend.size)
                return;
        print(&cli->out, "           ");
        print_colored(&cli->out, COLOR_BOLD, "%s", answer->mend.data);
        print(&cli->out, "\n");
}

static struct json *
answer_json(const struct doctor_check *check, const struct doctor_answer *answer)
{
        _cleanup_buf_ struct buf words = {0}, mend = {0};
        if (print_filter(&words, answer->words.data ? answer->words.data : "", answer->words.size) < 0 ||
                print_filter(&mend, answer->mend.data ? answer->mend.data : "", answer->mend.size) < 0)
                return NULL;
        return json_make("{s:s, s:s, s:s, s:s, s:s?}", "name", check->name, "what", check->what, "finding",
                doctor_findings[answer->finding], "words", words.data ? words.data : "", "mend",
                mend.size ? mend.data : NULL);
}

static void
print_counts(struct cli *cli, const size_t counts[static DOCTOR_FINDINGS])
{
        print(&cli->out, "%zu ok · %zu weak · %zu missing · %zu unknown\n", counts[DOCTOR_OK],
                counts[DOCTOR_WEAK], counts[DOCTOR_MISSING], counts[DOCTOR_UNKNOWN]);
        if (counts[DOCTOR_UNKNOWN] && geteuid() != 0)
                cli_next(cli, "sudo driftctl doctor looks at more");
}

static struct json *
document(const struct doctor *doctor, struct json *checks, const size_t counts[static DOCTOR_FINDINGS])
{
        const char *host = json_text(doctor->status, "host");
        return json_make("{s:s, s:s?, s:o, s:b, s:{s:I, s:I, s:I, s:I}, s:o}", "schema", "driftd.doctor/1",
                "host", host, "taken_at", clock_json(doctor->now_ms), "daemon", doctor->daemon, "counts",
                "ok", (json_int)counts[DOCTOR_OK], "weak", (json_int)counts[DOCTOR_WEAK], "missing",
                (json_int)counts[DOCTOR_MISSING], "unknown", (json_int)counts[DOCTOR_UNKNOWN], "checks",
                checks);
}

int
command_doctor(struct cli *cli, struct err *err)
{
        _cleanup_(doctor_done) struct doctor doctor = {0};
        _cleanup_json_ struct json *checks = json_array_make();
        size_t counts[DOCTOR_FINDINGS] = {0};
        int r = doctor_gather(cli, &doctor, err);
        if (r)
                return r;
        for (const struct doctor_check *check = doctor_checks; check->name && r == 0; check++) {
                _cleanup_(doctor_answer_done) struct doctor_answer answer = {0};
                r = check->look(&doctor, &answer);
                counts[answer.finding]++;
                if (r == 0 && cli->json)
                        r = json_push(checks, answer_json(check, &answer));
                else if (r == 0)
                        print_answer(cli, check, &answer);
        }
        if (r < 0)
                return failed_oom(err);
        if (cli->json)
                return cli_document(cli, document(&doctor, json_keep(checks), counts), err);
        print_counts(cli, counts);
        *err = (struct err){0};
        return EXIT_CLEAN;
}
