/* SPDX-License-Identifier: MIT */
/*
 * driftctl diff and scan. Drifts arrive in batches and are collected, because an aligned table and one JSON
 * document both need all of them (and JUnit and TAP their numbers first); then the verdict becomes the exit
 * code. Three sources give the same document: the live host, the live host against another baseline, and a
 * mounted image without any daemon.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/change_report.h"
#include "cli/checks.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/transfer.h"
#include "cli/watched.h"
#include "cli/window_file.h"
#include "core/audit.h"
#include "core/clock.h"
#include "core/quote.h"

struct answer {
        struct json *document, *drifts;
        json_int count; /* scan */
        struct progress progress;
};

static void
answer_done(struct answer *answer)
{
        progress_clear(&answer->progress);
        answer->document = json_free(answer->document);
        answer->drifts = json_free(answer->drifts);
}

static int
take_reply(void *userdata, const struct json *parameters, bool continues)
{
        struct answer *answer = userdata;
        const struct json *document = json_member(parameters, "document");
        (void)continues;
        progress_show(&answer->progress, json_member(parameters, "progress"));
        json_each (json_member(parameters, "drifts"), i, drift)
                if (json_push(answer->drifts, json_make("O", drift)) < 0)
                        return EXIT_FAILED;
        if (!json_is_null(document)) {
                json_free(answer->document);
                answer->document = json_make("O", document);
                answer->count = json_number(parameters, "count");
        }
        return 0;
}

static int
ask(struct cli *cli, const char *method, struct json *parameters, struct answer *ret, struct err *err)
{
        int r = cli_client(cli, err);
        if (r) {
                json_free(parameters);
                return r;
        }
        ret->drifts = json_array_make();
        ret->progress = progress_start(cli->quiet);
        if (!ret->drifts) {
                json_free(parameters);
                return failed_oom(err);
        }
        r = client_call(cli->client, method, parameters, take_reply, ret, err);
        progress_clear(&ret->progress);
        if (r == 0 && !ret->document)
                return err_set(err, EXIT_FAILED, "%s: the reply holds no document", method);
        return r;
}

/* ---- printing ---- */

static void
print_summary(struct cli *cli, const struct json *document, size_t drifts)
{
        _cleanup_buf_ struct buf words = {0};
        int64_t now_ms = clock_now_ms();
        const char *verdict = json_text(document, "verdict");
        char items[WORDS_MAX], number[WORDS_MAX] = "no";
        if (drifts)
                count_text(drifts, number);
        if (report_trust_words(document, now_ms, &words) < 0)
                return;
        uint64_t expected = (uint64_t)json_number(json_member(document, "coverage"), "expected");
        if (verdict && strcmp(verdict, "clean") != 0 && strcmp(verdict, "drift") != 0)
                print_colored(&cli->out, verdict_color(verdict), "%s · ", verdict);
        print_colored(&cli->out, drifts ? COLOR_BOLD : COLOR_PLAIN, "%s %s", number,
                drifts == 1 ? "drift" : "drifts");
        print(&cli->out, " in %s items · %s\n", count_text(expected, items), words.data ? words.data : "");
}

/* The policy that all drifts are by; NULL: none, or several, or the host's own baseline. */
static const char *
only_policy(const struct json *drifts)
{
        const char *name = NULL;
        json_each (drifts, i, drift) {
                const char *baseline = json_text(drift, "baseline");
                if (!baseline || strcmp(baseline, "host") == 0 || (name && strcmp(name, baseline) != 0))
                        return NULL;
                name = baseline;
        }
        return name;
}

static void
print_next(struct cli *cli, const struct json *document, const struct json *drifts, size_t folded, bool live)
{
        const char *policy = only_policy(drifts);
        if (policy && live)
                cli_next(cli,
                        "driftctl policy check %s · driftctl waive ITEM --baseline %s --until … --reason …",
                        policy, policy);
        else if (folded && live)
                cli_next(cli, "driftctl diff --expand lists each · driftctl bless --ticket …");
        else if (json_length(drifts) && live)
                cli_next(cli, "driftctl show ITEM · driftctl bless ITEM --ticket …");
        else if (live && !json_length(json_member(document, "baselines")))
                report_first_steps(cli, document);
        else if (live && document_exit(document) != EXIT_CLEAN)
                cli_next(cli, "driftctl status");
}

static int
print_answer(struct cli *cli, struct answer *answer, bool named, bool live, struct err *err)
{
        int code = document_exit(answer->document);
        size_t n = json_length(answer->drifts);
        if (cli->json) {
                if (json_put(answer->document, "drifts", steal_pointer(&answer->drifts)) < 0)
                        return failed_oom(err);
                int r = cli_document(cli, steal_pointer(&answer->document), err);
                return r ? r : code;
        }
        bool fold = !args_given(&cli->args, "expand") && !named;
        size_t folded = report_drifts(cli, answer->drifts, fold, clock_now_ms());
        report_problems(cli, json_member(json_member(answer->document, "coverage"), "problems"), true);
        print_summary(cli, answer->document, n);
        print_next(cli, answer->document, answer->drifts, folded, live);
        *err = (struct err){0}; /* a file that is gone was said above */
        return code;
}

/* ---- formats ---- */

/* One of the formats for pipelines: written as it is made, and standard output holds nothing else. */
static int
print_format(struct cli *cli, const struct json *document, const struct json *rows, int code, struct err *err)
{
        _cleanup_checks_ struct checks checks = {0};
        const char *format = args_value(&cli->args, "format"), *root = args_value(&cli->args, "root");
        FILE *file = cli->out.file;
        int r = checks_make(document, rows, &checks);
        if (r == 0)
                r = strcmp(format, "junit") == 0   ? format_junit(&checks, file)
                    : strcmp(format, "sarif") == 0 ? format_sarif(&checks, root, code, file)
                                                   : format_tap(&checks, file);
        if (r == -ENOMEM)
                return failed_oom(err);
        return r ? err_set(err, EXIT_FAILED, STDOUT_FAILED "%s", strerrordesc_np(-r)) : code;
}

static bool
is_for_pipelines(const struct cli *cli)
{
        const char *format = args_value(&cli->args, "format");
        return format && strcmp(format, "text") != 0 && strcmp(format, "json") != 0;
}

/* ---- sources ---- */

/* NAME@GENERATION; a file of such a name is written with a slash. */
static bool
parse_generation(const char *text, char name[static NAME_MAX_SIZE], json_int *ret_generation)
{
        const char *at = strrchr(text, '@');
        char *end;
        if (!at || !name_is_valid(text, (size_t)(at - text)) || at[1] < '1' || at[1] > '9')
                return false;
        errno = 0;
        *ret_generation = strtoll(at + 1, &end, 10);
        if (errno || *end)
                return false;
        memcpy(name, text, (size_t)(at - text));
        name[at - text] = '\0';
        return true;
}

static int
diff_against(struct cli *cli, const char *against, const struct text_list *items, struct answer *ret,
        struct err *err)
{
        char name[NAME_MAX_SIZE] = "";
        json_int generation = 0;
        if (!parse_generation(against, name, &generation)) {
                _cleanup_signed_ struct signed_text text = {0};
                int r = signed_text_read(against, &text, err);
                if (r && !err->hint[0])
                        err_hint(err, r,
                                "--against takes NAME@GENERATION (driftctl baseline list), or a file");
                r = r ? r : signed_text_upload(cli, &text, NULL, err);
                if (r)
                        return r;
        }
        return ask(cli, "Compare",
                json_make("{s:s, s:I, s:o}", "name", name, "generation", generation, "items",
                        text_list_json(items)),
                ret, err);
}

/* What was expected of a change, and what came of it. */
static int
diff_expected(struct cli *cli, struct err *err)
{
        _cleanup_change_report_ struct change_report report = {0};
        _cleanup_expect_file_ struct expect_file set = {0};
        const char *path = args_value(&cli->args, "expect");
        int r = expect_file_read(path, &set, err);
        r = r ? r : text_upload(cli, "expect", set.text.data, set.text.size, err);
        r = r ? r
              : change_report_ask(cli, "CompareExpected", json_make("{s:b}", "record", false), &report, err);
        if (r)
                return r;
        int code = change_report_exit(&report);
        if (is_for_pipelines(cli))
                return print_format(cli, report.document, report.entries, code, err);
        bool offers = change_report_count(&report, "expected") && !change_report_contradicts(&report);
        r = change_report_print(cli, &report, err);
        if (r == 0 && offers)
                cli_next(cli, "driftctl bless --expect %s --ticket …", quote(path));
        else if (r == 0 && code != EXIT_CLEAN)
                cli_next(cli, "driftctl show ITEM");
        return r ? r : code;
}

/* What does not go together, as rows: the first option excludes the second. */
static int
check_options(struct cli *cli, struct err *err)
{
        static const char *const apart[][2] = {{"cached", "full"}, {"cached", "against"}, {"cached", "root"},
                {"against", "root"}, {"against", "full"}, {"expect", "cached"}, {"expect", "full"},
                {"expect", "against"}, {"expect", "root"}};
        bool root = args_given(&cli->args, "root");
        const char *format = args_value(&cli->args, "format");
        if (format && args_given(&cli->args, "json") && strcmp(format, "json") != 0)
                return cli_usage(
                        cli, err, "--json is --format json: it does not go with --format %s", format);
        if (args_given(&cli->args, "expect") && cli->args.n_words)
                return cli_usage(cli, err, "--expect tells of all that drifts: it takes no items");
        for (size_t i = 0; i < ARRAY_SIZE(apart); i++)
                if (args_given(&cli->args, apart[i][0]) && args_given(&cli->args, apart[i][1]))
                        return cli_usage(
                                cli, err, "--%s and --%s do not go together", apart[i][0], apart[i][1]);
        if (root && (!args_given(&cli->args, "baseline") || !args_given(&cli->args, "trust")))
                return cli_usage(cli, err,
                        "--root needs --baseline FILE and --trust FILE: nothing in the image is trusted");
        if (!root && (args_given(&cli->args, "baseline") || args_given(&cli->args, "trust")))
                return cli_usage(cli, err, "--baseline and --trust go with --root DIR");
        return 0;
}

static int
diff_image(struct cli *cli, const struct text_list *items, struct answer *ret, struct err *err)
{
        int r = audit_image(args_value(&cli->args, "root"), args_value(&cli->args, "baseline"),
                args_value(&cli->args, "trust"), items->items, items->count, &ret->document, err);
        if (r)
                return r == EXIT_UNTRUSTED ? r : EXIT_FAILED;
        ret->drifts = json_make("O", json_member(ret->document, "drifts"));
        return ret->drifts ? 0 : failed_oom(err);
}

int
command_diff(struct cli *cli, struct err *err)
{
        _cleanup_(answer_done) struct answer answer = {0};
        _cleanup_(text_list_done) struct text_list items = {0};
        const char *against = args_value(&cli->args, "against");
        bool image = args_given(&cli->args, "root");
        int r = check_options(cli, err);
        r = r ? r : cli_items(cli, 0, &items, err);
        if (r)
                return r;
        if (args_given(&cli->args, "expect"))
                return diff_expected(cli, err);
        if (image)
                r = diff_image(cli, &items, &answer, err);
        else if (against)
                r = diff_against(cli, against, &items, &answer, err);
        else
                r = ask(cli, "Diff",
                        json_make("{s:o, s:b, s:b}", "items", text_list_json(&items), "cached",
                                args_given(&cli->args, "cached"), "full", args_given(&cli->args, "full")),
                        &answer, err);
        if (r == 0 && !image && !against)
                r = watched_check_answer(cli, &items, answer.drifts, answer.document, err);
        if (r == 0 && is_for_pipelines(cli))
                return print_format(cli, answer.document, answer.drifts, document_exit(answer.document), err);
        return r ? r : print_answer(cli, &answer, items.count > 0, !image && !against, err);
}

static struct json *
scan_document(const struct json *d, json_int count)
{
        return json_make("{s:s, s:O, s:O, s:O, s:O, s:O, s:O, s:I}", "schema", "driftd.scan/1", "host",
                json_member(d, "host"), "taken_at", json_member(d, "taken_at"), "verdict",
                json_member(d, "verdict"), "trust_id", json_member(d, "trust_id"), "baselines",
                json_member(d, "baselines"), "coverage", json_member(d, "coverage"), "drifts", count);
}

int
command_scan(struct cli *cli, struct err *err)
{
        _cleanup_(answer_done) struct answer answer = {0};
        int r = ask(cli, "Scan", json_make("{s:b}", "full", args_given(&cli->args, "full")), &answer, err);
        if (r)
                return r;
        int code = document_exit(answer.document);
        if (cli->json) {
                r = cli_document(cli, scan_document(answer.document, answer.count), err);
                return r ? r : code;
        }
        report_problems(cli, json_member(json_member(answer.document, "coverage"), "problems"), true);
        print_summary(cli, answer.document, (size_t)answer.count);
        if (answer.count)
                cli_next(cli, "driftctl diff --cached lists them");
        return code;
}
