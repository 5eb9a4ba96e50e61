/* SPDX-License-Identifier: MIT */
/*
 * driftctl show: everything about one item. What is expected stands beside what is there, attribute by
 * attribute, in the order of the table in core/attribute.h; settings have the attribute `value` and up to
 * four views.
 */
#include <string.h>

#include "cli/cli.h"
#include "cli/logline.h"
#include "cli/report.h"
#include "cli/who_words.h"
#include "core/attribute.h"
#include "core/clock.h"

/* A waived drift is excused by a signature; any other counts. */
static int
drift_exit(const struct json *drift)
{
        const char *state = json_text(drift, "state"), *change = json_text(drift, "change");
        if (json_is_null(drift) || (state && strcmp(state, "waived") == 0))
                return EXIT_CLEAN;
        return change && strcmp(change, "unknown") == 0 ? EXIT_INCOMPLETE : EXIT_DRIFT;
}

static int
state_exit(const struct json *show)
{
        static const char *const unknown[] = {"unreadable", "unstable"};
        const char *state = json_text(show, "state");
        for (size_t i = 0; state && json_flag(show, "covered") && i < ARRAY_SIZE(unknown); i++)
                if (strcmp(unknown[i], state) == 0)
                        return EXIT_INCOMPLETE;
        return EXIT_CLEAN;
}

static int
show_exit(const struct json *show)
{
        int code = state_exit(show);
        json_each (json_member(show, "baselines"), i, baseline) {
                const char *state = json_text(baseline, "state");
                code = exit_worst(code, drift_exit(json_member(baseline, "drift")));
                if (state && strcmp(state, "untrusted") == 0)
                        code = exit_worst(code, EXIT_UNTRUSTED);
                if (state && strcmp(state, "stale") == 0)
                        code = exit_worst(code, EXIT_INCOMPLETE);
        }
        return code;
}

/* ---- printing ---- */

static void
side_row(struct table *table, const char *name, const char *expected, const char *actual)
{
        if (!(expected && *expected) && !(actual && *actual))
                return;
        bool same = expected && actual && strcmp(expected, actual) == 0;
        table_cell(table, COLOR_PLAIN, "  %s", name);
        table_cell(table, COLOR_PLAIN, "%s", expected ? expected : "·");
        table_cell(table, same ? COLOR_PLAIN : COLOR_RED, "%s", actual ? actual : "·");
}

static void
print_sides(struct cli *cli, const struct json *baseline)
{
        const struct json *expected = json_member(baseline, "expected"),
                          *actual = json_member(baseline, "actual");
        _cleanup_table_ struct table table = table_make(3);
        table_cell(&table, COLOR_PLAIN, "  ");
        table_cell(&table, COLOR_BOLD, "%s", json_is_null(expected) ? "expected: nothing" : "expected");
        table_cell(&table, COLOR_BOLD, "%s", json_is_null(actual) ? "actual: nothing" : "actual");
        for (unsigned i = 0; i < ATTRIBUTE_COUNT; i++)
                side_row(&table, attribute_name(i), json_text(expected, attribute_name(i)),
                        json_text(actual, attribute_name(i)));
        side_row(&table, "value", json_text(expected, "value"), json_text(actual, "value"));
        table_print(&table, &cli->out);
}

static void
print_views(struct cli *cli, const struct json *views)
{
        const struct json *configured = json_member(views, "configured");
        const char *running = json_text(views, "running"), *after = json_text(views, "after_restart");
        const char *value = json_text(configured, "value"), *source = json_text(configured, "source");
        if (json_is_null(views))
                return;
        print(&cli->out, "  running        %s\n", running ? running : "(absent)");
        print(&cli->out, "  configured     %s%s%s%s\n", value ? value : "(nowhere)", source ? "  (" : "",
                source ? source : "", source ? ")" : "");
        const struct json *overridden = json_member(configured, "overrides");
        const char *weaker = json_text(overridden, "value"), *where = json_text(overridden, "source");
        if (where)
                print(&cli->out, "  overridden     %s  (%s)\n", weaker ? weaker : "?", where);
        print(&cli->out, "  after restart  %s\n", after ? after : "(unknown)");
}

static void
print_verdict(struct cli *cli, const struct json *baseline)
{
        const struct json *drift = json_member(baseline, "drift");
        if (!json_is_null(drift)) {
                _cleanup_json_ struct json *one = json_make("[O]", drift);
                _cleanup_buf_ struct buf cause = {0};
                report_drifts(cli, one, false, clock_now_ms());
                if (report_cause(drift, clock_now_ms(), &cause) == 0 && cause.size)
                        print(&cli->out, "  %s\n", cause.data);
                _cleanup_buf_ struct buf who = {0};
                if (who_words_long(json_member(drift, "who"), &who) == 0 && who.size)
                        print(&cli->out, "  who  %s\n", who.data);
        } else if (!json_is_null(json_member(baseline, "expected"))) {
                print_colored(&cli->out, COLOR_GREEN, "as expected\n");
        }
}

static void
print_baseline(struct cli *cli, const struct json *baseline)
{
        const char *name = json_text(baseline, "name"), *state = json_text(baseline, "state");
        const char *scope = json_text(baseline, "scope"), *rule = json_text(baseline, "rule");
        print_colored(
                &cli->out, COLOR_BOLD, "\n%s@%lld", name ? name : "?", json_number(baseline, "generation"));
        if (state && strcmp(state, "trusted") != 0)
                print_colored(&cli->out, COLOR_RED, " (%s)", state);
        print(&cli->out, scope ? ", scope %s\n" : ": no scope covers it%s\n", scope ? scope : "");
        if (rule)
                print(&cli->out, "  %s\n", rule);
        print_verdict(cli, baseline);
        if (!json_is_null(json_member(baseline, "expected")) ||
                !json_is_null(json_member(baseline, "actual")))
                print_sides(cli, baseline);
}

static void
print_lines(struct cli *cli, const struct json *show)
{
        const char *lines = json_text(show, "line_diff"), *reason = json_text(show, "line_diff_reason");
        if (!lines) {
                if (reason && json_flag(show, "covered"))
                        print(&cli->out, "\nno line diff: %s\n", reason);
                return;
        }
        print(&cli->out, "\n");
        for (const char *line = lines; *line;) {
                size_t size = strcspn(line, "\n");
                enum color color = *line == '-'   ? COLOR_RED
                                   : *line == '+' ? COLOR_GREEN
                                   : *line == '@' ? COLOR_CYAN
                                                  : COLOR_PLAIN;
                print_colored(&cli->out, color, "%.*s", (int)size, line);
                print(&cli->out, "\n");
                line += size + (line[size] == '\n');
        }
}

/* A folder has a link of each folder in it, and no other name. */
static bool
is_watched_file(const struct json *show)
{
        json_each (json_member(show, "baselines"), i, baseline) {
                const char *type = json_text(json_member(baseline, "actual"), "type");
                if (type && strcmp(type, "dir") != 0)
                        return true;
        }
        return false;
}

static void
print_show(struct cli *cli, const struct json *show)
{
        const struct json *history = json_member(show, "history");
        const char *item = json_text(show, "item"), *state = json_text(show, "state");
        print_colored(&cli->out, COLOR_BOLD, "%s", item ? item : "?");
        print(&cli->out, "  %s\n", state ? state : "?");
        if (json_number(show, "nlink") > 1 && is_watched_file(show))
                print(&cli->out, "  links: %lld (another name may change it unseen until the next pass)\n",
                        json_number(show, "nlink"));
        if (!json_flag(show, "covered"))
                print(&cli->out, "no baseline covers it: changes here are not drift\n");
        if (json_text(show, "reason"))
                print(&cli->out, "  %s\n", json_text(show, "reason"));
        print_views(cli, json_member(show, "views"));
        json_each (json_member(show, "baselines"), i, baseline)
                print_baseline(cli, baseline);
        print_lines(cli, show);
        if (json_length(history)) {
                print_colored(&cli->out, COLOR_BOLD, "\nhistory\n");
                log_table(cli, history, 0);
        }
}

int
command_show(struct cli *cli, struct err *err)
{
        _cleanup_(text_list_done) struct text_list items = {0};
        _cleanup_json_ struct json *reply = NULL;
        int r = cli_items(cli, 0, &items, err);
        r = r ? r : cli_call(cli, "Show", json_make("{s:s}", "item", items.items[0]), &reply, err);
        if (r)
                return r;
        const struct json *show = json_member(reply, "show");
        if (json_is_null(show))
                return err_set(err, EXIT_FAILED, "Show: the reply holds nothing");
        int code = show_exit(show);
        if (cli->json) {
                struct json *document = json_make("O", show);
                if (!json_text(show, "schema"))
                        json_put(document, "schema", json_string_new("driftd.show/1"));
                r = cli_document(cli, document, err);
                return r ? r : code;
        }
        print_show(cli, show);
        if (code == EXIT_DRIFT)
                cli_next(cli, "driftctl bless %s --ticket … · driftctl ack %s --reason …", items.items[0],
                        items.items[0]);
        return code;
}
