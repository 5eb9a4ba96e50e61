/* SPDX-License-Identifier: MIT */
/*
 * driftctl log witness: a cosigner for the histories of other hosts. As a filter it answers one request from
 * standard input (over ssh), with --listen it serves HTTP until it is ended, with --check it tells who has
 * been silent. Words go to standard error, a line each, so that a supervisor's journal has them.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/witness_http.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/quote.h"

#define REQUEST_PIECE ((size_t)64 << 10) /* bytes read at once */
#define LOGS_FILE_MAX ((size_t)4 << 20)  /* bytes */

struct serving {
        struct cli *cli;
        struct witness *witness;
        pthread_mutex_t lock;
        int64_t started_s, silence_s; /* 0: nobody is missed */
        bool *missed;                 /* by log: its silence was told */
};

/* ---- which logs ---- */

/* A line each; empty lines and those that begin with # are none. */
static int
logs_from_text(struct witness *witness, const char *file, const struct buf *text, struct err *err)
{
        size_t number = 0;
        for (const char *line = text->data, *end; line && *line; line = *end ? end + 1 : end) {
                struct note_key key;
                struct err why = {0};
                end = strchrnul(line, '\n');
                number++;
                if (end == line || *line == '#')
                        continue;
                if (note_key_parse(line, (size_t)(end - line), &key, &why) != 0) {
                        err_set(err, EXIT_FAILED, "%s:%zu: %s", quote(file), number, why.text);
                        return err_hint(err, EXIT_FAILED, "%s", why.hint);
                }
                int r = witness_add_log(witness, &key, err);
                if (r)
                        return r;
        }
        return 0;
}

static int
logs_add(struct cli *cli, struct witness *witness, struct err *err)
{
        const char *text;
        for (size_t i = 0; (text = args_value_at(&cli->args, "log", i)); i++) {
                _cleanup_buf_ struct buf file = {0};
                struct note_key key;
                int r = note_key_parse(text, strlen(text), &key, NULL) == 0
                                ? witness_add_log(witness, &key, err)
                                : file_read(text, FILE_FOLLOW, LOGS_FILE_MAX, &file, err);
                r = r ? r : logs_from_text(witness, text, &file, err);
                if (r)
                        return EXIT_FAILED;
        }
        return 0;
}

/* ---- what is told ---- */

static void
alarm_print(struct cli *cli, const char *words)
{
        print_colored(&cli->errors, COLOR_RED, "alarm");
        print(&cli->errors, ": %s\n", words);
}

static void
tell(void *userdata, const struct witness_answer *answer)
{
        const struct serving *serving = userdata;
        if (answer->alarm)
                alarm_print(serving->cli, answer->words.text);
        else if (answer->status != WITNESS_OK && answer->status != WITNESS_CONFLICT)
                cli_note(serving->cli, "refused (%d): %s", (int)answer->status, answer->words.text);
        else if (answer->status == WITNESS_OK)
                cli_note(serving->cli, "cosigned: %s", quote(answer->origin));
        fflush(serving->cli->errors.file);
}

/* Each once, when it begins; of a log that never sent anything it begins with us. */
static void
look_for_silence(struct serving *serving)
{
        int64_t now_s = (int64_t)time(NULL);
        pthread_mutex_lock(&serving->lock);
        for (size_t i = 0; serving->silence_s && i < witness_logs(serving->witness); i++) {
                struct witness_log log = witness_log(serving->witness, i);
                int64_t newest_s = log.cosigned_s ? log.cosigned_s : serving->started_s;
                bool missed = now_s - newest_s > serving->silence_s;
                if (missed && !serving->missed[i]) {
                        char age[CLOCK_TEXT_MAX];
                        duration_describe((now_s - newest_s) * 1000, age);
                        char words[ERR_TEXT_MAX];
                        snprintf(words, sizeof words, "silence: %s has sent no checkpoint for %s",
                                quote(log.origin), age);
                        alarm_print(serving->cli, words);
                } else if (!missed && serving->missed[i]) {
                        cli_note(serving->cli, "%s is heard again", quote(log.origin));
                }
                serving->missed[i] = missed;
        }
        pthread_mutex_unlock(&serving->lock);
        fflush(serving->cli->errors.file);
}

/* ---- the three ways ---- */

static int
read_request(struct buf *ret, struct err *err)
{
        for (;;) {
                if (buf_reserve(ret, REQUEST_PIECE) < 0)
                        return failed_oom(err);
                ssize_t n = read(STDIN_FILENO, ret->data + ret->size, REQUEST_PIECE);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return err_set(err, EXIT_FAILED, "standard input: %s", strerrordesc_np(errno));
                if (!n)
                        return 0;
                ret->size += (size_t)n;
                ret->data[ret->size] = '\0';
                if (ret->size > CHECKPOINT_REQUEST_MAX)
                        return err_set(err, EXIT_FAILED, "a request has at most 1 MiB");
        }
}

static int
answer_exit(const struct witness_answer *answer)
{
        if (answer->status == WITNESS_OK)
                return EXIT_CLEAN;
        return answer->alarm || answer->status == WITNESS_REFUSED || answer->status == WITNESS_FORBIDDEN
                       ? EXIT_UNTRUSTED
                       : EXIT_FAILED;
}

static int
filter(struct serving *serving, struct err *err)
{
        _cleanup_buf_ struct buf request = {0};
        _cleanup_(witness_answer_done) struct witness_answer answer = {0};
        struct cli *cli = serving->cli;
        int r = read_request(&request, err);
        if (r == 0 && witness_ask(serving->witness, request.data ? request.data : "", request.size,
                              (int64_t)time(NULL), &answer, err) < 0)
                r = EXIT_FAILED;
        if (r)
                return r;
        if (cli->json) {
                r = cli_document(cli,
                        json_make("{s:s, s:i, s:s, s:b, s:s?, s:s?}", "schema", "driftd.witness/1", "status",
                                (int)answer.status, "body", answer.body.data ? answer.body.data : "", "alarm",
                                answer.alarm, "origin", answer.origin[0] ? answer.origin : NULL, "problem",
                                answer.status == WITNESS_OK ? NULL : answer.words.text),
                        err);
                return r ? r : answer_exit(&answer);
        }
        if (answer.status == WITNESS_OK || answer.status == WITNESS_CONFLICT)
                fwrite(answer.body.data, 1, answer.body.size, cli->out.file); /* a note, to the byte */
        if (answer.status != WITNESS_OK) {
                if (answer.alarm)
                        alarm_print(cli, answer.words.text);
                else
                        cli_warn(cli, "%s (%d)", answer.words.text, (int)answer.status);
        }
        return answer_exit(&answer);
}

static int
serve(struct serving *serving, const char *address, struct err *err)
{
        _cleanup_(witness_http_stopp) struct witness_http *http = NULL;
        const struct timespec second = {.tv_sec = 1};
        sigset_t ends;
        sigemptyset(&ends);
        sigaddset(&ends, SIGINT);
        sigaddset(&ends, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &ends, NULL); /* before the thread, which inherits it */
        int r = witness_http_start(address, serving->witness, &serving->lock, tell, serving, &http, err);
        if (r)
                return EXIT_FAILED;
        cli_note(serving->cli, "Witness of %zu logs on port %u: Ctrl-C ends it.",
                witness_logs(serving->witness), witness_http_port(http));
        fflush(serving->cli->errors.file);
        while (sigtimedwait(&ends, NULL, &second) < 0)
                look_for_silence(serving);
        return EXIT_CLEAN;
}

static int
check(struct serving *serving, struct err *err)
{
        struct cli *cli = serving->cli;
        _cleanup_table_ struct table table = table_make(3);
        struct json *list = json_array_make();
        int64_t now_s = (int64_t)time(NULL);
        bool silent = false;
        for (size_t i = 0; i < witness_logs(serving->witness); i++) {
                struct witness_log log = witness_log(serving->witness, i);
                char age[CLOCK_TEXT_MAX] = "never", time_text[CLOCK_TEXT_MAX];
                bool missed = !log.cosigned_s ||
                              (serving->silence_s && now_s - log.cosigned_s > serving->silence_s);
                if (log.cosigned_s)
                        duration_describe((now_s - log.cosigned_s) * 1000, age);
                clock_format_seconds(log.cosigned_s * 1000, time_text);
                silent |= missed;
                table_cell(&table, missed ? COLOR_RED : COLOR_GREEN, "%s", missed ? "SILENT" : "heard");
                table_cell(&table, COLOR_PLAIN, "%s", quote(log.origin));
                table_cell(&table, COLOR_PLAIN, "%llu records, %s%s", (unsigned long long)log.size, age,
                        log.cosigned_s ? " ago" : " cosigned");
                json_gather(&list,
                        json_make("{s:s, s:I, s:s?, s:b}", "origin", log.origin, "size", (json_int)log.size,
                                "cosigned", log.cosigned_s ? time_text : NULL, "silent", missed));
        }
        int code = silent ? EXIT_INCOMPLETE : EXIT_CLEAN;
        if (cli->json) {
                int r = cli_document(cli,
                        json_make("{s:s, s:s, s:o}", "schema", "driftd.witness-check/1", "witness",
                                witness_key(serving->witness)->name, "logs", list),
                        err);
                return r ? r : code;
        }
        json_free(list);
        table_print(&table, &cli->out);
        return code;
}

static int
show_key(struct serving *serving, struct err *err)
{
        _cleanup_buf_ struct buf key = {0};
        if (note_key_append(witness_key(serving->witness), &key) < 0)
                return failed_oom(err);
        if (serving->cli->json)
                return cli_document(serving->cli,
                        json_make("{s:s, s:s}", "schema", "driftd.witness-key/1", "key", key.data), err);
        print(&serving->cli->out, "%s\n", key.data);
        return EXIT_CLEAN;
}

static int
run(struct serving *serving, struct err *err)
{
        const struct args *args = &serving->cli->args;
        const char *address = args_value(args, "listen");
        if (args_given(args, "show-key"))
                return show_key(serving, err);
        if (!witness_logs(serving->witness))
                return cli_usage(
                        serving->cli, err, "--log is missing: the verifier key of a log, or a file of them");
        serving->missed = calloc(witness_logs(serving->witness), sizeof *serving->missed);
        if (!serving->missed)
                return failed_oom(err);
        if (args_given(args, "check"))
                return check(serving, err);
        return address ? serve(serving, address, err) : filter(serving, err);
}

int
command_log_witness(struct cli *cli, struct err *err)
{
        _cleanup_(witness_freep) struct witness *witness = NULL;
        const char *state = args_value(&cli->args, "state"), *silence = args_value(&cli->args, "silence");
        struct serving serving = {
                .cli = cli, .lock = PTHREAD_MUTEX_INITIALIZER, .started_s = (int64_t)time(NULL)};
        if (!state)
                return cli_usage(cli, err, "--state is missing: the folder of this witness's key and memory");
        if (silence && duration_parse(silence, &serving.silence_s, err) < 0)
                return EXIT_FAILED;
        int r = failed(witness_open(state, args_value(&cli->args, "name"),
                args_given(&cli->args, "check") || args_given(&cli->args, "show-key"), &witness, err));
        r = r ? r : logs_add(cli, witness, err);
        serving.witness = witness;
        r = r ? r : run(&serving, err);
        free(serving.missed);
        return r;
}
