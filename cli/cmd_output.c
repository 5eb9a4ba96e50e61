/* SPDX-License-Identifier: MIT */
/*
 * driftctl output run, list and test. run is what the service runs: it waits for signals and, each second,
 * tells how it goes; the work is the relay's (cli/relay.h).
 */
#include <unistd.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "cli/cli.h"
#include "cli/notify.h"
#include "cli/relay.h"
#include "cli/sender.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/ini_reader.h"
#include "core/quote.h"

#define TELL_EACH_S 1
#define STATUS_FILE_MAX ((size_t)64 << 10)

static int
no_outputs(const struct config *config, struct err *err)
{
        err_set(err, EXIT_FAILED, "%s names no output", config->file);
        return err_hint(err, EXIT_FAILED, "add a section [output NAME]; driftd.conf(5) has examples");
}

/* What it writes and reads is root's, as the service is. */
static int
failed_for(const char *command, int r, struct err *err)
{
        if (r && !err->hint[0] && geteuid() != 0)
                return err_hint(err, r, "it may need root: %s", command);
        return r;
}

/* ---- run ---- */

/* The next signal of the set; how it goes is told meanwhile, when it changes. */
static int
wait_for_signal(struct relay *relay, const sigset_t *set)
{
        char told[256] = "", line[256];
        for (;;) {
                relay_tell(relay, line, sizeof line);
                if (strcmp(line, told) != 0)
                        notify_state(line);
                snprintf(told, sizeof told, "%s", line);
                int signal = sigtimedwait(set, NULL, &(struct timespec){.tv_sec = TELL_EACH_S});
                if (signal > 0)
                        return signal;
        }
}

/* With one configuration, until a signal. *ret_signal: which. */
static int
run_once(const struct config *config, const sigset_t *set, int *ret_signal, struct err *err)
{
        _cleanup_(relay_freep) struct relay *relay = NULL;
        char line[256];
        int r = failed_for("sudo systemctl start driftd-output", relay_new(config, &relay, err), err);
        if (r)
                return r;
        r = relay_start(relay, err);
        if (r == 0) {
                notify_state("READY=1");
                *ret_signal = wait_for_signal(relay, set);
                notify_state(*ret_signal == SIGHUP ? "RELOADING=1" : "STOPPING=1");
        }
        relay_stop(relay);
        relay_tell(relay, line, sizeof line);
        return r;
}

/* A configuration that is wrong leaves the old one in force, and is said. */
static void
reload(struct cli *cli)
{
        struct config *fresh = NULL;
        struct err err = {0};
        int r = config_load(cli->config_file ? cli->config_file : CONFIG_DEFAULT_PATH, &fresh, &err);
        if (r == 0 && !fresh->n_outputs)
                r = no_outputs(fresh, &err);
        if (r) {
                cli_warn(cli, "the configuration was not taken, the old one stays: %s", err.text);
                config_free(fresh);
                return;
        }
        config_free(cli->config);
        cli->config = fresh;
}

int
command_output_run(struct cli *cli, struct err *err)
{
        sigset_t set;
        int signal = SIGHUP, r = cli_config(cli, err);
        if (r)
                return r;
        if (!cli->config->n_outputs)
                return no_outputs(cli->config, err);
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        sigprocmask(SIG_BLOCK, &set, NULL);
        while (r == 0) {
                r = run_once(cli->config, &set, &signal, err);
                if (r || signal != SIGHUP)
                        break;
                reload(cli);
        }
        return r;
}

/* ---- list ---- */

static const char *
address_of(const struct config_output *output, struct buf *ret)
{
        if (output->path)
                buf_escape(ret, output->path, strlen(output->path));
        else if (output->socket && buf_text(ret, "unix:") == 0)
                buf_escape(ret, output->socket, strlen(output->socket));
        else if (output->host)
                buf_printf(ret, strchr(output->host, ':') ? "tcp:[%s]:%s" : "tcp:%s:%s", output->host,
                        output->port);
        else if (output->command.count)
                buf_escape(ret, output->command.items[0], strlen(output->command.items[0]));
        return ret->data ? ret->data : "";
}

/* What the relay wrote last; NULL: nothing that could be read. */
static struct json *
read_status(const char *path)
{
        _cleanup_buf_ struct buf text = {0};
        struct json *status = NULL;
        if (!path || file_read(path, 0, STATUS_FILE_MAX, &text, NULL) < 0 ||
                json_parse(text.data ? text.data : "", text.size, &status, NULL) < 0)
                return NULL;
        return status;
}

struct listed {
        const struct config_output *output;
        int cursor_result;
        struct cursor cursor;
        struct err why;
        struct json *status;
        json_int behind; /* -1: not known */
};

static void
look_at(const struct cli *cli, const struct config_output *output, json_int end, struct listed *ret)
{
        _cleanup_free_ char *cursor = relay_path(cli->config, output->name, "cursor"),
                            *status = relay_path(cli->config, output->name, "status");
        *ret = (struct listed){.output = output, .behind = -1};
        ret->status = read_status(status);
        ret->cursor_result = cursor ? cursor_read(cursor, &ret->cursor, &ret->why) : -ENOMEM;
        if (ret->cursor_result == 0 && end >= 0)
                ret->behind = end > (json_int)ret->cursor.seq ? end - (json_int)ret->cursor.seq : 0;
}

static struct json *
listed_json(const struct listed *l)
{
        _cleanup_buf_ struct buf address = {0};
        bool kept = l->cursor_result == 0, broken = !kept && l->cursor_result != -ENOENT;
        const struct json *s = l->status;
        const char *error = json_text(s, "last_error");
        return json_make("{s:s, s:s, s:s, s:o, s:o, s:s?, s:I, s:I, s:I, s:s?, s:s?, s:s?}", "name",
                l->output->name, "type", output_type_names[l->output->type], "address",
                address_of(l->output, &address), "cursor",
                kept ? json_make("I", (json_int)l->cursor.seq) : json_null_new(), "behind",
                l->behind >= 0 ? json_make("I", l->behind) : json_null_new(), "cursor_problem",
                broken ? l->why.text : NULL, "delivered", json_number(s, "delivered"), "folded",
                json_number(s, "folded"), "failures", json_number(s, "failures"), "last_delivery",
                json_text(s, "last_delivery"), "last_error", error, "last_error_at",
                json_text(s, "last_error_at"));
}

static void
listed_row(struct table *table, const struct listed *l)
{
        char when[WORDS_MAX] = "never", number[WORDS_MAX];
        int64_t time_ms, now_ms = clock_now_ms();
        const char *error = json_text(l->status, "last_error");
        bool pages = l->output->type == OUTPUT_OPENMETRICS;
        _cleanup_buf_ struct buf address = {0};
        if (json_time(l->status, "last_delivery", &time_ms) == 0)
                time_text(time_ms, now_ms, when);
        if (l->cursor_result && l->cursor_result != -ENOENT)
                error = l->why.text;
        table_cell(table, COLOR_BOLD, "%s", l->output->name);
        table_cell(table, COLOR_PLAIN, "%s", output_type_names[l->output->type]);
        table_cell(table, COLOR_PLAIN, "%s", address_of(l->output, &address));
        if (pages || l->cursor_result)
                table_cell(table, COLOR_DIM, "%s", pages ? "-" : "no cursor");
        else
                table_cell(table, COLOR_PLAIN, "at %llu", (unsigned long long)l->cursor.seq);
        if (pages || l->behind < 0)
                table_cell(table, COLOR_DIM, "-");
        else
                table_cell(table, l->behind ? COLOR_YELLOW : COLOR_PLAIN, "%s behind",
                        count_text((uint64_t)l->behind, number));
        table_cell(table, COLOR_PLAIN, "%s", when);
        table_cell(table, error ? COLOR_RED : COLOR_GREEN, "%s", error ? error : "ok");
}

/* The end of the history; -1: the daemon does not answer, and err says why. */
static json_int
history_end(struct cli *cli, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        if (client_open_daemon(cli->config, &cli->client, err) ||
                client_call_one(cli->client, "GetStatus", json_make("{}"), &reply, err))
                return -1;
        return json_number(json_member(json_member(reply, "status"), "history"), "size");
}

int
command_output_list(struct cli *cli, struct err *err)
{
        bool any = args_given(&cli->args, "any");
        int r = cli_config(cli, err);
        if (r)
                return any ? EXIT_CLEAN : r; /* systemd would skip a service that has to fail, and say why */
        const struct config *config = cli->config;
        if (any)
                return config->n_outputs ? EXIT_CLEAN : EXIT_FAILED;
        struct err why = {0};
        json_int end = history_end(cli, &why);
        bool unreadable = false;
        struct json *list = json_array_make();
        _cleanup_table_ struct table table = table_make(7);
        for (size_t i = 0; i < config->n_outputs; i++) {
                struct listed listed;
                look_at(cli, &config->outputs[i], end, &listed);
                unreadable = unreadable || listed.cursor_result == -EACCES;
                if (cli->json)
                        json_gather(&list, listed_json(&listed));
                else
                        listed_row(&table, &listed);
                json_free(listed.status);
        }
        if (cli->json)
                return cli_document(
                        cli, json_make("{s:s, s:o}", "schema", "driftd.outputs/1", "outputs", list), err);
        json_free(list);
        table_print(&table, &cli->out);
        if (!config->n_outputs)
                cli_note(cli, "There are no outputs: [output NAME] in driftd.conf(5).");
        else if (end < 0)
                cli_note(cli, "How far they are behind is not known: %s.", why.text);
        if (unreadable)
                cli_note(cli, "Only root may read the cursors: sudo driftctl output list");
        return EXIT_CLEAN;
}

/* ---- test ---- */

static const struct config_output *
find_output(struct cli *cli, const char *name, struct err *err)
{
        const struct config *config = cli->config;
        const char *names[CONFIG_OUTPUTS_MAX];
        for (size_t i = 0; i < config->n_outputs; i++) {
                names[i] = config->outputs[i].name;
                if (strcmp(names[i], name) == 0)
                        return &config->outputs[i];
        }
        if (!config->n_outputs) {
                no_outputs(config, err);
                return NULL;
        }
        const char *near = nearest_word(name, names, config->n_outputs);
        err_set(err, EXIT_FAILED, "there is no output %s", quote(name));
        err_hint(err, EXIT_FAILED, near ? "did you mean %s?" : "driftctl output list shows what there is%s",
                near ? near : "");
        return NULL;
}

/* The page as it is now; else the record. */
static int
send_test(struct cli *cli, const struct config_output *output, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        _cleanup_buf_ struct buf page = {0};
        struct output_host host = {0};
        struct sender_stop stop = {.fd = -1};
        struct output_event event;
        struct err none = {0};
        if (client_open_daemon(cli->config, &cli->client, &none) == 0)
                client_call_one(cli->client, "GetStatus", json_make("{}"), &reply, &none);
        const struct json *status = json_member(reply, "status");
        output_host_fill(&host, json_text(status, "host"));
        if (output->type == OUTPUT_OPENMETRICS) {
                if (output_metrics(status, status ? clock_now_ms() : 0, NULL, 0, &page) < 0)
                        return failed_oom(err);
                return failed(file_write(output->path, 0644, page.data, page.size, err));
        }
        _cleanup_json_ struct json *record = output_test_record(output->name);
        _cleanup_(sender_freep) struct sender *sender = sender_new(output, &host, &stop);
        if (!record || !sender || output_event_of(record, &event) < 0)
                return failed_oom(err);
        int r = sender_send(sender, &event, err);
        r = r ? r : sender_sync(sender, err);
        return failed(r);
}

int
command_output_test(struct cli *cli, struct err *err)
{
        static const char *const said[OUTPUT_TYPE_COUNT] = {
                [OUTPUT_ECS] = "a line with driftd.test = true is in the file, on disk",
                [OUTPUT_SYSLOG] = "a message with test=\"yes\" was taken by the receiver's kernel",
                [OUTPUT_OPENMETRICS] = "the file was written, with the state of now",
                [OUTPUT_COMMAND] = "the program took a record with \"test\": true, and ended with 0",
        };
        _cleanup_buf_ struct buf address = {0};
        int r = cli_config(cli, err);
        const struct config_output *output = r ? NULL : find_output(cli, cli->args.words[0], err);
        if (!output)
                return EXIT_FAILED;
        r = failed_for("sudo driftctl output test NAME", send_test(cli, output, err), err);
        if (r)
                return r;
        if (cli->json)
                return cli_document(cli,
                        json_make("{s:s, s:s, s:s, s:s, s:b}", "schema", "driftd.output-test/1", "name",
                                output->name, "type", output_type_names[output->type], "address",
                                address_of(output, &address), "delivered", 1),
                        err);
        print_colored(&cli->out, COLOR_GREEN, "OK");
        print(&cli->out, "  %s (%s %s): %s\n", output->name, output_type_names[output->type],
                address_of(output, &address), said[output->type]);
        return EXIT_CLEAN;
}
