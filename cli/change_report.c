/* SPDX-License-Identifier: MIT */
/*
 * Reports on changes: entries come in batches and the set in pieces, because one document needs all of them.
 * The words and the exit code follow from the counts alone, which the daemon made; nothing is judged here.
 */
#include "cli/change_report.h"

#include <string.h>

#include "cli/report.h"
#include "core/clock.h"

void
change_report_done(struct change_report *report)
{
        progress_clear(&report->progress);
        report->document = json_free(report->document);
        report->entries = json_free(report->entries);
        buf_done(&report->set);
}

static int
take_reply(void *userdata, const struct json *parameters, bool continues)
{
        struct change_report *report = userdata;
        const struct json *document = json_member(parameters, "document");
        const char *text = json_text(parameters, "text");
        (void)continues;
        progress_show(&report->progress, json_member(parameters, "progress"));
        json_each (json_member(parameters, "entries"), i, entry)
                if (json_push(report->entries, json_make("O", entry)) < 0)
                        return EXIT_FAILED;
        if (text && buf_text(&report->set, text) < 0)
                return EXIT_FAILED;
        if (!json_is_null(document)) {
                json_free(report->document);
                report->document = json_make("O", document);
        }
        return 0;
}

int
change_report_ask(struct cli *cli, const char *method, struct json *parameters, struct change_report *ret,
        struct err *err)
{
        int r = cli_client(cli, err);
        ret->entries = json_array_make();
        if (r == 0 && !ret->entries)
                r = failed_oom(err);
        if (r) {
                json_free(parameters);
                return r;
        }
        ret->progress = progress_start(cli->quiet);
        r = client_call(cli->client, method, parameters, take_reply, ret, err);
        progress_clear(&ret->progress);
        if (r == 0 && !ret->document)
                return err_set(err, EXIT_FAILED, "%s: the reply holds no document", method);
        return r;
}

json_int
change_report_count(const struct change_report *report, const char *outcome)
{
        return json_number(json_member(report->document, "counts"), outcome);
}

int
change_report_exit(const struct change_report *report)
{
        const struct json *document = report->document;
        const char *verdict = json_text(document, "verdict");
        bool incomplete = !json_flag(json_member(document, "coverage"), "complete") ||
                          change_report_count(report, "unknown");
        bool untrusted = !verdict || strcmp(verdict, "untrusted") == 0;
        json_each (json_member(document, "baselines"), i, baseline) {
                const char *state = json_text(baseline, "state");
                untrusted = untrusted || !state || strcmp(state, "untrusted") == 0;
                incomplete = incomplete || !state || strcmp(state, "trusted") != 0;
        }
        if (untrusted)
                return EXIT_UNTRUSTED;
        if (change_report_count(report, "unexpected") || change_report_count(report, "absent"))
                return EXIT_DRIFT;
        return incomplete ? EXIT_INCOMPLETE : EXIT_CLEAN;
}

bool
change_report_contradicts(const struct change_report *report)
{
        json_each (report->entries, i, entry) {
                const char *outcome = json_text(entry, "outcome"), *why = json_text(entry, "why");
                if (outcome && strcmp(outcome, "unexpected") == 0 && why && strstr(why, "says otherwise"))
                        return true;
        }
        return false;
}

/* ---- in words ---- */

static const struct {
        const char *outcome, *label;
        enum color color;
} outcomes[] = {
        {"expected", "expected", COLOR_GREEN},
        {"unexpected", "unexpected", COLOR_RED},
        {"absent", "expected but absent", COLOR_YELLOW},
        {"unknown", "unknown", COLOR_YELLOW},
};

static void
print_entry(struct table *table, const struct json *entry, size_t row)
{
        _cleanup_buf_ struct buf detail = {0};
        const char *item = json_text(entry, "item"), *change = json_text(entry, "change");
        const char *why = json_text(entry, "why");
        if (change && drift_detail(entry, &detail) < 0) {
                table->failed = true;
                return;
        }
        table_cell(table, outcomes[row].color, "%s", outcomes[row].label);
        table_cell(table, COLOR_PLAIN, "%s", change ? change : "");
        table_cell(table, COLOR_PLAIN, "%s", item ? item : "?");
        table_cell(table, COLOR_PLAIN, "%s%s%s", detail.data ? detail.data : "",
                detail.size && why ? "  " : "", why ? why : "");
}

/* One part after the other, each in the order of its items. */
static void
print_entries(struct cli *cli, const struct json *entries)
{
        _cleanup_table_ struct table table = table_make(4);
        for (size_t row = 0; row < ARRAY_SIZE(outcomes); row++)
                json_each (entries, i, entry) {
                        const char *outcome = json_text(entry, "outcome");
                        if (outcome && strcmp(outcome, outcomes[row].outcome) == 0)
                                print_entry(&table, entry, row);
                }
        table_print(&table, &cli->out);
}

static void
print_window(struct cli *cli, const struct json *window)
{
        const char *ticket = json_text(window, "ticket"), *state = json_text(window, "state");
        const char *by = json_text(window, "by"), *from = json_text(window, "from"),
                   *until = json_text(window, "until"), *why = json_text(window, "why");
        if (json_is_null(window))
                return;
        print_colored(&cli->out, COLOR_BOLD, "window %s", ticket ? ticket : "?");
        print(&cli->out, " %s · by %s, %s to %s%s%s\n", state ? state : "?", by ? by : "?", from ? from : "?",
                until ? until : "?", why ? " · " : "", why ? why : "");
        if (json_flag(window, "set_left_out"))
                print(&cli->out,
                        "The set of what was expected is larger than one may be, and was not kept.\n");
}

static void
print_counts(struct cli *cli, const struct change_report *report)
{
        char number[WORDS_MAX];
        for (size_t row = 0; row < ARRAY_SIZE(outcomes); row++) {
                json_int count = change_report_count(report, outcomes[row].outcome);
                if (strcmp(outcomes[row].outcome, "unknown") == 0 && !count)
                        continue;
                print_colored(&cli->out, count ? outcomes[row].color : COLOR_PLAIN, "%s%s %s",
                        row ? " · " : "", count_text((uint64_t)count, number), outcomes[row].label);
        }
        json_int already = change_report_count(report, "already");
        if (already)
                print(&cli->out, " · %s there already", count_text((uint64_t)already, number));
        print(&cli->out, "\n");
}

int
change_report_print(struct cli *cli, struct change_report *report, struct err *err)
{
        const struct json *document = report->document;
        if (cli->json) {
                if (json_put(report->document, "entries", steal_pointer(&report->entries)) < 0)
                        return failed_oom(err);
                return cli_document(cli, steal_pointer(&report->document), err);
        }
        print_window(cli, json_member(document, "window"));
        print_entries(cli, report->entries);
        report_problems(cli, json_member(json_member(document, "coverage"), "problems"), true);
        print_counts(cli, report);
        return 0;
}
