/* SPDX-License-Identifier: MIT */
/* driftctl coverage: what the history proves about the time that it covers. */
#include <stdio.h>
#include <string.h>

#include "cli/report.h"
#include "core/clock.h"

static const char *
when(const struct json *object, const char *key, int64_t now_ms, char text[static WORDS_MAX])
{
        int64_t time_ms;
        if (json_time(object, key, &time_ms) < 0)
                return "now";
        return time_text(time_ms, now_ms, text);
}

static void
print_gaps(struct cli *cli, const struct json *gaps, int64_t now_ms)
{
        _cleanup_table_ struct table table = table_make(4);
        json_each (gaps, i, gap) {
                char from[WORDS_MAX], until[WORDS_MAX], length[CLOCK_TEXT_MAX];
                duration_describe(json_number(gap, "ms"), length);
                table_cell(&table, COLOR_YELLOW, "gap");
                table_cell(&table, COLOR_PLAIN, "%s to %s", when(gap, "from", now_ms, from),
                        when(gap, "until", now_ms, until));
                table_cell(&table, COLOR_PLAIN, "%s", length);
                table_cell(&table, COLOR_PLAIN, "%s", gap_words(json_text(gap, "reason")));
        }
        table_print(&table, &cli->out);
}

static void
print_baselines(struct cli *cli, const struct json *baselines, int64_t now_ms)
{
        _cleanup_table_ struct table table = table_make(3);
        json_each (baselines, i, baseline) {
                char from[WORDS_MAX], until[WORDS_MAX];
                const char *name = json_text(baseline, "name");
                table_cell(&table, COLOR_BOLD, "baseline");
                table_cell(&table, COLOR_PLAIN, "%s@%lld", name ? name : "?",
                        json_number(baseline, "generation"));
                table_cell(&table, COLOR_PLAIN, "%s to %s%s", when(baseline, "from", now_ms, from),
                        when(baseline, "until", now_ms, until),
                        json_flag(baseline, "adopted") ? " (adopted)" : "");
        }
        table_print(&table, &cli->out);
}

static void
print_coverage(struct cli *cli, const struct json *coverage)
{
        int64_t now_ms = clock_now_ms();
        char since[WORDS_MAX], until[WORDS_MAX], share[WORDS_MAX], period[CLOCK_TEXT_MAX],
                longest[CLOCK_TEXT_MAX];
        const struct json *passes = json_member(coverage, "passes");
        bool complete = json_flag(coverage, "complete");
        duration_describe(json_number(coverage, "period_ms"), period);
        duration_describe(json_number(passes, "longest_without_full_ms"), longest);
        print_colored(&cli->out, complete ? COLOR_GREEN : COLOR_YELLOW, "watched ");
        print(&cli->out, "%s of %s (%s to %s)\n",
                percent_text(json_number(coverage, "watched_ms"), json_number(coverage, "period_ms"), share),
                period, when(coverage, "since", now_ms, since), when(coverage, "until", now_ms, until));
        print_gaps(cli, json_member(coverage, "gaps"), now_ms);
        if (json_number(coverage, "gaps_merged"))
                print(&cli->out, "and %lld more, over which the last one reaches\n",
                        json_number(coverage, "gaps_merged"));
        print(&cli->out, "passes    %lld full, %lld quick, %lld incomplete; at most %s without a full one\n",
                json_number(passes, "full"), json_number(passes, "quick"), json_number(passes, "incomplete"),
                longest);
        print_baselines(cli, json_member(coverage, "baselines"), now_ms);
}

int
command_coverage(struct cli *cli, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        int64_t since_ms, until_ms;
        int r = cli_time(cli, "since", 0, &since_ms, err);
        r = r ? r : cli_time(cli, "until", 0, &until_ms, err);
        if (r)
                return r;
        if (since_ms && (until_ms ? until_ms : clock_now_ms()) <= since_ms) {
                err_set(err, EXIT_FAILED, "--since is not before --until: there is no time between them");
                return err_hint(
                        err, EXIT_FAILED, "--since is the earlier one: --since yesterday --until now");
        }
        r = cli_call(cli, "Coverage",
                json_make("{s:I, s:I}", "since_ms", (json_int)since_ms, "until_ms", (json_int)until_ms),
                &reply, err);
        if (r)
                return r;
        const struct json *coverage = json_member(reply, "coverage");
        int code = json_flag(coverage, "complete") ? EXIT_CLEAN : EXIT_INCOMPLETE;
        if (cli->json) {
                r = cli_document(cli, json_make("O", coverage), err);
                return r ? r : code;
        }
        print_coverage(cli, coverage);
        return code;
}
