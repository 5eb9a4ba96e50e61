/* SPDX-License-Identifier: MIT */
/*
 * driftctl top: one loop around one poll. On one connection it asks, one thing at a time: the status every
 * interval, and the list of open drift when the history has grown since the last one; on another it follows
 * the history, so that what is recorded shows at once. It never waits for the daemon: one that hangs, or is
 * gone, is said on the screen, and the keys work all the while.
 *
 * The daemon is spared: a list that takes long is asked for as much more seldom, and never more of it is kept
 * than can be looked at. What is drawn is cli/top.h, how it gets there cli/terminal.h.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/cli.h"
#include "cli/terminal.h"
#include "cli/top.h"
#include "core/clock.h"

#define INTERVAL_S 2
#define INTERVAL_MAX_S 3600
#define SOON_MS 200 /* after a record, and between two tries to connect at least */
#define CONNECT_AGAIN_MS 1000
#define SILENT_MS 5000 /* without an answer: it is said */
#define SAMPLE_MS 900  /* a rate is of at least so long a time */
#define LIST_SHARE 10  /* asking for the list takes at most this part of the time */

enum asking { ASKING_NOTHING, ASKING_STATUS, ASKING_LIST };

struct sample {
        int64_t at_ms; /* monotonic; 0: none */
        json_int events, files, bytes;
        char pass[64]; /* which pass the files are of */
};

struct top {
        struct cli *cli;
        struct terminal *terminal;
        struct client *client, *follower; /* NULL: not connected */
        enum asking asking;
        int64_t asked_ms;
        int64_t interval_ms, next_status_ms, next_list_ms, next_connect_ms, status_ms;
        struct json *status, *drifts; /* drifts: of the list that is coming */
        json_int listed_size;         /* of the history, when the list was asked for */
        json_int asked_size;
        struct top_rows rows;
        bool list_cut, cut;
        const struct json *records[TOP_RECORDS_MAX];
        size_t n_records;
        struct sample sample;
        double events_rate, files_rate, bytes_rate;
        char host[256], trouble[ERR_TEXT_MAX];
        struct frame shown;
        bool shown_holds, dirty, ascii;
        size_t scroll;
        unsigned page;
        bool help;
};

/* ---- connections ---- */

static void
forget_records(struct top *top)
{
        for (size_t i = 0; i < top->n_records; i++)
                json_free((struct json *)(uintptr_t)top->records[i]);
        top->n_records = 0;
}

static void
disconnect(struct top *top, int64_t again_ms)
{
        top->client = client_free(top->client);
        top->follower = client_free(top->follower);
        top->drifts = json_free(top->drifts);
        top->asking = ASKING_NOTHING;
        top->next_connect_ms = again_ms;
        top->dirty = true;
}

static void
lose(struct top *top, const struct err *why)
{
        snprintf(top->trouble, sizeof top->trouble, "%.900s: trying again", why->text);
        disconnect(top, clock_monotonic_ms() + CONNECT_AGAIN_MS);
        top->sample.at_ms = 0; /* of another daemon, maybe */
        top->events_rate = top->files_rate = top->bytes_rate = -1;
}

static int
connect_daemon(struct top *top, struct err *err)
{
        int r = client_open_daemon(top->cli->config, &top->client, err);
        top->listed_size = -1;
        top->next_status_ms = top->next_list_ms = 0;
        return r;
}

/* From the newest records on: the first reply of the follower fills the lines below. */
static int
follow(struct top *top, struct err *err)
{
        json_int size = json_number(json_member(top->status, "history"), "size");
        forget_records(top);
        int r = client_open_daemon(top->cli->config, &top->follower, err);
        return r ? r
                 : client_ask(top->follower, "Log",
                           json_make("{s:I, s:b}", "after_seq",
                                   size > (json_int)TOP_RECORDS_MAX ? size - (json_int)TOP_RECORDS_MAX : 0LL,
                                   "follow", 1),
                           true, err);
}

/* ---- what comes ---- */

static void
take_rates(struct top *top, int64_t now_ms)
{
        const struct json *activity = json_member(top->status, "activity"),
                          *pass = json_member(activity, "pass");
        const char *since = json_text(pass, "since");
        struct sample *before = &top->sample;
        struct sample now = {.at_ms = now_ms,
                .events = json_number(activity, "events"),
                .files = json_number(pass, "files"),
                .bytes = json_number(pass, "bytes")};
        snprintf(now.pass, sizeof now.pass, "%s", since ? since : "");
        double seconds = (double)(now_ms - before->at_ms) / 1000;
        bool same_pass = before->at_ms && *now.pass && strcmp(now.pass, before->pass) == 0;
        if (before->at_ms && now_ms - before->at_ms < SAMPLE_MS && (same_pass || !*now.pass))
                return;
        if (before->at_ms && now_ms - before->at_ms >= SAMPLE_MS)
                top->events_rate = (double)(now.events - before->events) / seconds;
        top->files_rate = same_pass ? (double)(now.files - before->files) / seconds : -1;
        top->bytes_rate = same_pass ? (double)(now.bytes - before->bytes) / seconds : -1;
        *before = now;
}

static int
take_status(struct top *top, const struct json *reply, struct err *err)
{
        const struct json *status = json_member(reply, "status");
        int64_t now_ms = clock_monotonic_ms();
        if (json_is_null(status))
                return err_set(err, EXIT_FAILED, "the daemon's reply holds no status");
        json_free(top->status);
        top->status = json_make("O", status);
        if (!top->status)
                return failed_oom(err);
        top->status_ms = now_ms;
        top->next_status_ms = top->asked_ms + top->interval_ms;
        top->trouble[0] = '\0';
        take_rates(top, now_ms);
        return top->follower ? 0 : follow(top, err);
}

static int
finish_list(struct top *top, struct err *err)
{
        struct top_rows rows = {0};
        int64_t now_ms = clock_monotonic_ms();
        if (top_rows_make(top->drifts, &rows) < 0)
                return failed_oom(err);
        top_rows_done(&top->rows);
        top->rows = rows;
        top->list_cut = top->cut;
        top->listed_size = top->asked_size;
        top->next_list_ms = now_ms + SOON_MS + (now_ms - top->asked_ms) * LIST_SHARE;
        top->drifts = json_free(top->drifts);
        return 0;
}

static int
take_drifts(struct top *top, const struct json *reply, bool continues, struct err *err)
{
        json_each (json_member(reply, "drifts"), i, drift) {
                top->cut = json_length(top->drifts) >= TOP_DRIFTS_MAX;
                if (!top->cut && json_push(top->drifts, json_make("O", drift)) < 0)
                        return failed_oom(err);
        }
        if (continues && !top->cut)
                return 0;
        int r = finish_list(top, err);
        if (r == 0 && continues) { /* the rest is not wanted: another connection is cheaper */
                top->client = client_free(top->client);
                top->asking = ASKING_NOTHING;
                r = client_open_daemon(top->cli->config, &top->client, err);
        }
        return r;
}

/* All whole replies that are there. */
static int
take_answers(struct top *top, struct err *err)
{
        while (top->client && top->asking) {
                _cleanup_json_ struct json *reply = NULL;
                bool continues = false;
                int r = client_answer(top->client, &reply, &continues, err);
                if (r || !reply)
                        return r;
                enum asking what = top->asking;
                if (!continues)
                        top->asking = ASKING_NOTHING;
                r = what == ASKING_STATUS ? take_status(top, reply, err)
                                          : take_drifts(top, reply, continues, err);
                top->dirty = true;
                if (r)
                        return r;
        }
        return 0;
}

static void
take_record(struct top *top, const struct json *record)
{
        struct json *kept = json_make("O", record);
        if (!kept)
                return;
        if (top->n_records == TOP_RECORDS_MAX) {
                json_free((struct json *)(uintptr_t)top->records[0]);
                memmove(top->records, top->records + 1, (TOP_RECORDS_MAX - 1) * sizeof *top->records);
                top->n_records--;
        }
        top->records[top->n_records++] = kept;
}

static int
take_records(struct top *top, struct err *err)
{
        while (top->follower) {
                _cleanup_json_ struct json *reply = NULL;
                bool continues = false;
                int r = client_answer(top->follower, &reply, &continues, err);
                if (r || !reply)
                        return r;
                if (!continues)
                        return err_set(err, EXIT_FAILED, "the daemon follows the history no longer");
                json_each (json_member(reply, "records"), i, record)
                        take_record(top, record);
                top->dirty = true;
                int64_t soon_ms = top->status_ms + SOON_MS;
                top->next_status_ms = soon_ms < top->next_status_ms ? soon_ms : top->next_status_ms;
        }
        return 0;
}

/* ---- asking ---- */

static int
ask(struct top *top, enum asking what, const char *method, struct json *parameters, bool more, int64_t now_ms,
        struct err *err)
{
        top->asking = what;
        top->asked_ms = now_ms;
        return client_ask(top->client, method, parameters, more, err);
}

/* The list is what it was as long as the history is. */
static bool
list_is_due(const struct top *top, int64_t now_ms)
{
        return top->status && now_ms >= top->next_list_ms &&
               json_number(json_member(top->status, "history"), "size") != top->listed_size;
}

static int
ask_next(struct top *top, int64_t now_ms, struct err *err)
{
        if (top->asking)
                return 0;
        if (now_ms >= top->next_status_ms)
                return ask(top, ASKING_STATUS, "GetStatus", json_make("{}"), false, now_ms, err);
        if (!list_is_due(top, now_ms))
                return 0;
        top->asked_size = json_number(json_member(top->status, "history"), "size");
        top->cut = false;
        json_free(top->drifts);
        top->drifts = json_array_make();
        return top->drifts ? ask(top, ASKING_LIST, "Diff", json_make("{s:b}", "cached", 1), true, now_ms, err)
                           : failed_oom(err);
}

/* Connections, answers, questions: one step of each. */
static void
step(struct top *top)
{
        struct err err = {0};
        int64_t now_ms = clock_monotonic_ms();
        int r = 0;
        if (!top->client) {
                if (now_ms < top->next_connect_ms)
                        return;
                r = connect_daemon(top, &err);
        }
        r = r ? r : take_answers(top, &err);
        r = r ? r : take_records(top, &err);
        r = r ? r : ask_next(top, now_ms, &err);
        if (r)
                lose(top, &err);
        else if (top->asking && now_ms - top->asked_ms >= SILENT_MS) {
                char words[CLOCK_TEXT_MAX];
                duration_describe(now_ms - top->asked_ms, words);
                snprintf(top->trouble, sizeof top->trouble,
                        "the daemon has not answered for %s: what stands here is old", words);
                top->dirty = true;
        }
}

static int
time_to_wait(const struct top *top)
{
        int64_t now_ms = clock_monotonic_ms(), until_ms = now_ms + 1000;
        if (!top->client)
                until_ms = top->next_connect_ms;
        else if (!top->asking) {
                until_ms = top->next_status_ms;
                if (top->status && top->next_list_ms < until_ms &&
                        json_number(json_member(top->status, "history"), "size") != top->listed_size)
                        until_ms = top->next_list_ms;
        }
        int64_t wait_ms = until_ms > now_ms ? until_ms - now_ms : 0;
        return (int)(wait_ms < 1000 ? wait_ms : 1000); /* ages on the screen go on */
}

/* ---- the screen ---- */

static int
draw(struct top *top, struct err *err)
{
        _cleanup_frame_ struct frame next = {0};
        _cleanup_buf_ struct buf bytes = {0};
        unsigned rows, columns;
        if (terminal_is_busy(top->terminal))
                return 0;
        struct top_view view = {.status = top->status,
                .rows = &top->rows,
                .records = top->records,
                .n_records = top->n_records,
                .host = top->host,
                .trouble = top->trouble[0] ? top->trouble : NULL,
                .now_ms = clock_now_ms(),
                .events_rate = top->events_rate,
                .files_rate = top->files_rate,
                .bytes_rate = top->bytes_rate,
                .scroll = top->scroll,
                .list_cut = top->list_cut,
                .help = top->help};
        terminal_size(top->terminal, &rows, &columns);
        if (frame_make(rows, columns, top->cli->out.color, top->ascii, &next) < 0)
                return failed_oom(err);
        top->page = top_layout(&view, &next);
        if (next.failed || frame_draw(top->shown_holds ? &top->shown : NULL, &next, &bytes) < 0)
                return failed_oom(err);
        int r = bytes.size ? terminal_write(top->terminal, bytes.data, bytes.size, err) : 0;
        struct frame old = top->shown;
        top->shown = next;
        next = old;
        top->shown_holds = true;
        top->dirty = false;
        return r;
}

static void
scroll_to(struct top *top, int64_t row)
{
        int64_t last = (int64_t)top->rows.n - (int64_t)(top->page ? top->page : 1);
        row = row < last ? row : last;
        top->scroll = row > 0 ? (size_t)row : 0;
}

/* false: it ends. */
static bool
obey(struct top *top, int key)
{
        int64_t here = (int64_t)top->scroll, page = top->page ? (int64_t)top->page : 1;
        top->dirty = true;
        if (key == 'q' || key == 'Q')
                return false;
        if (top->help) {
                top->help = false;
                return true;
        }
        switch (key) {
        case '?':
        case 'h':
                top->help = true;
                break;
        case KEY_UP:
        case 'k':
                scroll_to(top, here - 1);
                break;
        case KEY_DOWN:
        case 'j':
                scroll_to(top, here + 1);
                break;
        case KEY_PAGE_UP:
        case 'b':
                scroll_to(top, here - page);
                break;
        case KEY_PAGE_DOWN:
        case ' ':
                scroll_to(top, here + page);
                break;
        case KEY_HOME:
        case 'g':
                scroll_to(top, 0);
                break;
        case KEY_END:
        case 'G':
                scroll_to(top, INT64_MAX);
                break;
        case 'L' - '@':
                top->shown_holds = false;
                break;
        default:
                break;
        }
        return true;
}

static bool
obey_all(struct top *top)
{
        for (int key; (key = terminal_key_next(top->terminal)) != KEY_NONE;)
                if (!obey(top, key))
                        return false;
        return true;
}

static int
run(struct top *top, struct err *err)
{
        int64_t drawn_ms = 0;
        for (;;) {
                step(top);
                if (top->scroll >= top->rows.n)
                        scroll_to(top, (int64_t)top->scroll);
                int64_t now_ms = clock_monotonic_ms();
                if (top->dirty || now_ms - drawn_ms >= 1000) {
                        int r = draw(top, err);
                        if (r)
                                return r;
                        drawn_ms = now_ms;
                }
                const int others[] = {top->client ? client_fd(top->client) : -1,
                        top->follower ? client_fd(top->follower) : -1};
                unsigned events = terminal_wait(top->terminal, others, ARRAY_SIZE(others), time_to_wait(top));
                if (events & TERMINAL_REDRAW) {
                        top->shown_holds = false;
                        top->dirty = true;
                }
                if (events & (TERMINAL_INTERRUPTED | TERMINAL_ENDS))
                        return events & TERMINAL_ENDS ? err_set(err, EXIT_FAILED,
                                                                "the terminal is gone, or a signal ends it")
                                                      : 0;
                if (events & TERMINAL_INPUT && !obey_all(top))
                        return 0;
        }
}

/* ---- life ---- */

/* locale(7): the first that is set says it. */
static bool
locale_is_utf8(void)
{
        static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                const char *value = getenv(names[i]);
                if (value && *value)
                        return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
        }
        return false;
}

static int
read_interval(struct top *top, struct err *err)
{
        const char *text = args_value(&top->cli->args, "interval");
        int64_t seconds = INTERVAL_S;
        struct err why = {0};
        if (text && duration_parse(text, &seconds, &why) < 0) {
                err_set(err, EXIT_FAILED, "--interval: %.900s", why.text);
                return err_hint(err, EXIT_FAILED, "1s to 1h");
        }
        if (seconds > INTERVAL_MAX_S) {
                err_set(err, EXIT_FAILED, "--interval: longer than an hour");
                return err_hint(err, EXIT_FAILED, "1s to 1h");
        }
        top->interval_ms = seconds * 1000;
        return 0;
}

static void
top_done(struct top *top)
{
        disconnect(top, 0);
        forget_records(top);
        top_rows_done(&top->rows);
        top->status = json_free(top->status);
        frame_done(&top->shown);
        top->terminal = terminal_close(top->terminal); /* the last: a signal may act here */
}

static int
start(struct top *top, struct err *err)
{
        static const char elsewhere[] =
                "driftctl status tells the same once, and driftctl watch follows the history line by line";
        int r = read_interval(top, err);
        if (r == 0 && top->cli->json) {
                err_set(err, EXIT_FAILED, "top is a screen for people");
                return err_hint(err, EXIT_FAILED, "driftctl status --json, or driftctl watch --json");
        }
        r = r ? r : cli_config(top->cli, err);
        if (r)
                return r;
        r = connect_daemon(top, err);
        if (r && strncmp(err->text, "no daemon", 9) == 0)
                return err_hint(err, r,
                        "only a running daemon can be followed (systemctl start driftd); driftctl status, as "
                        "root, tells the store's last word");
        if (r)
                return r;
        r = terminal_open(&top->terminal, err);
        return r ? err_hint(err, r, "%s", elsewhere) : 0;
}

int
command_top(struct cli *cli, struct err *err)
{
        _cleanup_(top_done) struct top top = {.cli = cli, .dirty = true, .ascii = !locale_is_utf8()};
        top.events_rate = top.files_rate = top.bytes_rate = -1;
        if (gethostname(top.host, sizeof top.host - 1) < 0)
                snprintf(top.host, sizeof top.host, "this host");
        int r = start(&top, err);
        return r ? r : run(&top, err);
}
