/* SPDX-License-Identifier: MIT */
/*
 * driftctl log and watch: records as they come, a line each. Watching ends by Ctrl-C, which is how it is
 * meant to end: the signal is let in only between lines, so that none is half written, and leaves with 0.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/logline.h"
#include "core/ini_reader.h"
#include "core/quote.h"

static void
block_interrupt(bool block)
{
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigprocmask(block ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static int
print_json_lines(struct cli *cli, const struct json *records)
{
        json_each (records, i, record) {
                _cleanup_buf_ struct buf line = {0};
                if (json_write(record, &line) < 0 || buf_text(&line, "\n") < 0)
                        return EXIT_FAILED;
                fwrite(line.data, 1, line.size, cli->out.file);
        }
        return 0;
}

struct log_output {
        struct cli *cli;
        size_t count; /* records so far */
};

static int
print_records(void *userdata, const struct json *parameters, bool continues)
{
        struct log_output *output = userdata;
        struct cli *cli = output->cli;
        const struct json *records = json_member(parameters, "records");
        output->count += json_length(records);
        int r = 0;
        (void)continues;
        block_interrupt(true);
        if (cli->json)
                r = print_json_lines(cli, records);
        else
                log_table(cli, records, LOG_ITEM_WIDTH);
        if (fflush(cli->out.file) != 0)
                r = EXIT_FAILED;
        block_interrupt(false);
        return r;
}

struct log_wish {
        const struct text_list *items;
        const char *kind;
        int64_t since_ms, until_ms;
        json_int after_seq;
        bool follow;
};

static int
check_kind(const char *kind, struct err *err)
{
        size_t n = 0;
        for (; record_kinds[n]; n++)
                if (!kind || strcmp(record_kinds[n], kind) == 0)
                        return 0;
        const char *near = nearest_word(kind, record_kinds, n);
        err_set(err, EXIT_FAILED, "there is no kind %s", quote(kind));
        if (near)
                return err_hint(err, EXIT_FAILED, "did you mean %s?", near);
        _cleanup_buf_ struct buf kinds = {0};
        for (size_t i = 0; i < n; i++)
                buf_printf(&kinds, " %s", record_kinds[i]);
        return err_hint(err, EXIT_FAILED, "the kinds are%s", kinds.data ? kinds.data : "");
}

/* A span that nothing can be in is a slip, not an empty history. */
static int
check_span(const struct log_wish *wish, struct err *err)
{
        if (wish->since_ms < wish->until_ms)
                return 0;
        err_set(err, EXIT_FAILED, "--since is not before --until: no record can be between them");
        return err_hint(err, EXIT_FAILED, "--since is the earlier one: --since yesterday --until now");
}

static struct json *
log_parameters(const struct log_wish *wish)
{
        return json_make("{s:I, s:I, s:s?, s:o, s:I, s:b}", "since_ms", (json_int)wish->since_ms, "until_ms",
                (json_int)wish->until_ms, "kind", wish->kind, "items", text_list_json(wish->items),
                "after_seq", wish->after_seq, "follow", wish->follow);
}

/* Silence would leave open whether anything was looked for. */
static void
note_none(struct cli *cli, const struct log_wish *wish)
{
        bool all = !wish->kind && !wish->items->count && !wish->since_ms && wish->until_ms == INT64_MAX;
        cli_note(cli, "%s",
                all ? "The history has no record yet."
                    : "The history has no such record: driftctl log shows all that there are.");
}

int
command_log(struct cli *cli, struct err *err)
{
        struct log_output output = {.cli = cli};
        _cleanup_(text_list_done) struct text_list items = {0};
        struct log_wish wish = {.items = &items, .kind = args_value(&cli->args, "kind")};
        int r = check_kind(wish.kind, err);
        r = r ? r : cli_items(cli, 0, &items, err);
        r = r ? r : cli_time(cli, "since", 0, &wish.since_ms, err);
        r = r ? r : cli_time(cli, "until", INT64_MAX, &wish.until_ms, err);
        r = r ? r : check_span(&wish, err);
        r = r ? r : cli_client(cli, err);
        r = r ? r : client_call(cli->client, "Log", log_parameters(&wish), print_records, &output, err);
        if (r == 0 && !output.count)
                note_none(cli, &wish);
        return r;
}

static void
leave(int signal)
{
        (void)signal;
        _exit(EXIT_CLEAN);
}

/* From the record that is now the last: by number, for a clock may step. */
static int
last_seq(struct cli *cli, json_int *ret, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        int r = client_call_one(cli->client, "GetStatus", json_make("{}"), &reply, err);
        if (r == 0)
                *ret = json_number(json_member(json_member(reply, "status"), "history"), "size");
        return r;
}

int
command_watch(struct cli *cli, struct err *err)
{
        _cleanup_(text_list_done) struct text_list items = {0};
        struct log_wish wish = {.items = &items, .until_ms = INT64_MAX, .follow = true};
        struct log_output output = {.cli = cli};
        struct sigaction action = {.sa_handler = leave};
        int r = cli_items(cli, 0, &items, err);
        r = r ? r : cli_config(cli, err);
        if (r)
                return r;
        r = client_open_daemon(cli->config, &cli->client, err);
        if (r)
                return err_hint(err, r,
                        "only a running daemon can be followed (systemctl start driftd); driftctl log shows "
                        "what was recorded");
        r = last_seq(cli, &wish.after_seq, err);
        if (r)
                return r;
        sigaction(SIGINT, &action, NULL);
        cli_note(cli, "Following the history: Ctrl-C ends it.");
        return client_call(cli->client, "Log", log_parameters(&wish), print_records, &output, err);
}
