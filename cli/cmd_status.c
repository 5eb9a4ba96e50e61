/* SPDX-License-Identifier: MIT */
/* driftctl status: one screen, from one document. */
#include <string.h>

#include "cli/cli.h"
#include "cli/report.h"
#include "core/clock.h"

/* Where fanotify is in force, but a file system takes no mark, both ways are: of what is watched by inotify
 * nobody is told who did it.
 */
static void
status_watch(struct cli *cli, const struct json *daemon)
{
        const char *way = json_text(daemon, "watch");
        json_int others = json_number(json_member(daemon, "folders"), "inotify");
        char number[WORDS_MAX];
        if (!way)
                return;
        print(&cli->out, " · watches by %s", way);
        if (strcmp(way, "fanotify") == 0 && others > 0)
                print(&cli->out, ", %s folder%s by inotify", count_text((uint64_t)others, number),
                        others == 1 ? "" : "s");
}

static void
status_daemon(struct cli *cli, const struct json *status, int64_t now_ms)
{
        const struct json *daemon = json_member(status, "daemon");
        const char *version = json_text(daemon, "version");
        char when[WORDS_MAX], age[WORDS_MAX];
        int64_t since_ms;
        print_colored(&cli->out, COLOR_BOLD, "daemon     ");
        if (!json_flag(daemon, "running")) {
                print_colored(&cli->out, COLOR_RED, "not running");
                print(&cli->out, ": this is the store's last word, read by driftctl\n");
                return;
        }
        print(&cli->out, "running");
        if (json_time(daemon, "since", &since_ms) == 0)
                print(&cli->out, " since %s (%s)", time_text(since_ms, now_ms, when),
                        age_text(since_ms, now_ms, age));
        print(&cli->out, " · version %s", version ? version : "?");
        status_watch(cli, daemon);
        print(&cli->out, "\n");
}

static void
status_baselines(struct cli *cli, const struct json *baselines)
{
        _cleanup_table_ struct table table = table_make(5);
        json_each (baselines, i, baseline) {
                _cleanup_buf_ struct buf signers = {0};
                const char *name = json_text(baseline, "name"), *state = json_text(baseline, "state");
                const char *expires = json_text(baseline, "expires");
                bool trusted = state && strcmp(state, "trusted") == 0;
                json_each (json_member(baseline, "signers"), j, signer) {
                        const char *who = json_string_of(signer);
                        buf_printf(&signers, "%s%s", j ? ", " : "signed by ", who ? who : "?");
                }
                table_cell(&table, COLOR_BOLD, "%s", i ? "" : "baselines");
                table_cell(&table, COLOR_PLAIN, "%s@%lld", name ? name : "?",
                        json_number(baseline, "generation"));
                table_cell(&table, trusted ? COLOR_GREEN : COLOR_RED, "%s", state ? state : "?");
                table_cell(&table, COLOR_PLAIN, "%s", signers.data ? signers.data : "no signer");
                table_cell(&table, COLOR_PLAIN, "%s%s", expires ? "expires " : "", expires ? expires : "");
        }
        if (json_length(baselines)) {
                table_print(&table, &cli->out);
        } else {
                print_colored(&cli->out, COLOR_BOLD, "baselines  ");
                print(&cli->out, "none: nothing is expected yet\n");
        }
}

static void
status_coverage(struct cli *cli, const struct json *coverage, int64_t now_ms)
{
        char verified[WORDS_MAX], expected[WORDS_MAX], age[WORDS_MAX];
        int64_t oldest_ms;
        bool complete = json_flag(coverage, "complete");
        print_colored(&cli->out, COLOR_BOLD, "coverage   ");
        print_colored(
                &cli->out, complete ? COLOR_GREEN : COLOR_YELLOW, "%s", complete ? "complete" : "incomplete");
        print(&cli->out, " · %s of %s verified",
                count_text((uint64_t)json_number(coverage, "verified"), verified),
                count_text((uint64_t)json_number(coverage, "expected"), expected));
        if (json_time(coverage, "oldest_content_check", &oldest_ms) == 0)
                print(&cli->out, " · content within %s", age_text(oldest_ms, now_ms, age));
        print(&cli->out, "\n");
}

static void
status_open(struct cli *cli, const struct json *open)
{
        static const char *const severities[] = {"high", "medium", "low"};
        print_colored(&cli->out, COLOR_BOLD, "open       ");
        for (size_t i = 0; i < ARRAY_SIZE(severities); i++) {
                json_int count = json_number(open, severities[i]);
                print_colored(&cli->out, count ? severity_color(severities[i]) : COLOR_PLAIN, "%s%lld %s",
                        i ? " · " : "", count, severities[i]);
        }
        print(&cli->out, "\n");
}

static void
status_windows(struct cli *cli, const struct json *windows)
{
        json_each (windows, i, window) {
                const char *ticket = json_text(window, "ticket"), *by = json_text(window, "by"),
                           *until = json_text(window, "until");
                size_t n = json_length(json_member(window, "items"));
                print_colored(&cli->out, COLOR_BOLD, "window     ");
                print(&cli->out, "%s by %s, until %s · %s\n", ticket ? ticket : "?", by ? by : "?",
                        until ? until : "?",
                        json_text(window, "expect") ? "an expected change set"
                        : n                         ? "some items"
                                                    : "every item");
        }
}

static void
status_problems(struct cli *cli, const struct json *problems)
{
        print_colored(&cli->out, COLOR_BOLD, "problems   ");
        if (!json_length(problems)) {
                print(&cli->out, "none\n");
                return;
        }
        print(&cli->out, "%zu\n", json_length(problems));
        report_problems(cli, problems, false);
}

/* Without one kept elsewhere, the history is its own witness. */
static void
status_checkpoint(struct cli *cli, const struct json *checkpoint, int64_t now_ms)
{
        char size[WORDS_MAX], age[WORDS_MAX];
        int64_t time_ms;
        print_colored(&cli->out, COLOR_BOLD, "checkpoint ");
        if (json_time(checkpoint, "time", &time_ms) == 0)
                print(&cli->out, "%s records, handed out %s ago\n",
                        count_text((uint64_t)json_number(checkpoint, "size"), size),
                        age_text(time_ms, now_ms, age));
        else
                print(&cli->out,
                        "none was handed out: without one kept elsewhere the history shows only clumsy "
                        "tampering\n");
}

static void
status_next(struct cli *cli, const struct json *status)
{
        const struct json *open = json_member(status, "open");
        if (!json_flag(json_member(status, "daemon"), "running"))
                cli_next(cli, "systemctl enable --now driftd");
        else if (json_number(open, "high") + json_number(open, "medium") + json_number(open, "low"))
                cli_next(cli, "driftctl diff");
        else if (!json_length(json_member(status, "baselines")))
                report_first_steps(cli, status);
}

static void
print_status(struct cli *cli, const struct json *status)
{
        int64_t now_ms = clock_now_ms();
        const char *verdict = json_text(status, "verdict"), *trust = json_text(status, "trust_id");
        print_colored(&cli->out, COLOR_BOLD, "verdict    ");
        print_colored(&cli->out, verdict_color(verdict), "%s\n", verdict ? verdict : "?");
        status_daemon(cli, status, now_ms);
        print_colored(&cli->out, COLOR_BOLD, "trust      ");
        print(&cli->out, "%s\n", trust ? trust : "none yet");
        status_baselines(cli, json_member(status, "baselines"));
        status_coverage(cli, json_member(status, "coverage"), now_ms);
        status_open(cli, json_member(status, "open"));
        status_windows(cli, json_member(status, "windows"));
        status_checkpoint(cli, json_member(status, "checkpoint"), now_ms);
        status_problems(cli, json_member(status, "problems"));
        status_next(cli, status);
}

int
command_status(struct cli *cli, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        int r = cli_call(cli, "GetStatus", json_make("{}"), &reply, err);
        if (r)
                return r;
        const struct json *status = json_member(reply, "status");
        if (json_is_null(status))
                return err_set(err, EXIT_FAILED, "GetStatus: the reply holds no status");
        int code = document_exit(status);
        if (cli->json) {
                r = cli_document(cli, json_make("O", status), err);
                return r ? r : code;
        }
        print_status(cli, status);
        return code;
}
