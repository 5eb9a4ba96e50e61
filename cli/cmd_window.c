/* SPDX-License-Identifier: MIT */
/*
 * driftctl window. A window is made here, signed, and handed over, or written to a file for others to sign.
 * What it stands on (host, active generation) is asked of the daemon first, which judges all of it again when
 * it gets it.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/change_report.h"
#include "cli/cli.h"
#include "cli/signing.h"
#include "cli/terminal.h"
#include "cli/window_file.h"
#include "core/clock.h"
#include "core/escape.h"
#include "core/quote.h"

struct opening {
        struct cli *cli;
        struct window wish; /* what the text shall say */
        struct window_file file;
        struct expect_file expect;
        struct trust *trust;
        struct signing signing;
        bool signs;
};

static void
opening_done(struct opening *o)
{
        text_list_done(&o->wish.items);
        window_file_done(&o->file);
        expect_file_done(&o->expect);
        o->trust = trust_free(o->trust);
        signing_done(&o->signing);
}

/* ---- what it shall say ---- */

static int
take_ticket(struct opening *o, struct err *err)
{
        const char *ticket = args_value(&o->cli->args, "ticket");
        if (!ticket || !*ticket)
                return cli_usage(o->cli, err, "--ticket is missing: which change is this?");
        _cleanup_free_ char *escaped = escape_new(ticket, strlen(ticket));
        if (!escaped)
                return failed_oom(err);
        if (strlen(escaped) >= sizeof o->wish.ticket || strcmp(escaped, "none") == 0)
                return err_set(err, EXIT_FAILED,
                        "a window's ticket has at most 255 bytes as they are escaped, and is not \"none\"");
        snprintf(o->wish.ticket, sizeof o->wish.ticket, "%s", escaped);
        return 0;
}

static int
take_time(struct opening *o, struct err *err)
{
        const char *length = args_value(&o->cli->args, "for");
        int64_t seconds = 0;
        if (!length)
                return cli_usage(o->cli, err, "--for is missing: how long may the change take? --for 2h");
        if (duration_parse(length, &seconds, err) < 0)
                return EXIT_FAILED;
        if (seconds * 1000 > WINDOW_LENGTH_MAX_MS) {
                err_set(err, EXIT_FAILED, "a window is open for at most seven days");
                return err_hint(err, EXIT_FAILED, "--for 7d, and another window after it");
        }
        o->wish.from_ms = clock_now_ms() / 1000 * 1000;
        o->wish.until_ms = o->wish.from_ms + seconds * 1000;
        return 0;
}

static int
take_items(struct opening *o, struct err *err)
{
        const char *text;
        for (size_t i = 0; (text = args_value_at(&o->cli->args, "item", i)); i++) {
                _cleanup_free_ char *item = NULL;
                if (i == WINDOW_ITEMS_MAX)
                        return err_set(err, EXIT_FAILED, "a window has at most %u items", WINDOW_ITEMS_MAX);
                if (item_parse(text, &item, err) < 0)
                        return EXIT_FAILED;
                if (text_list_add(&o->wish.items, item, strlen(item)) < 0)
                        return failed_oom(err);
        }
        return 0;
}

static int
take_set(struct opening *o, struct err *err)
{
        const char *path = args_value(&o->cli->args, "expect");
        o->wish.record = args_given(&o->cli->args, "record");
        if (!path)
                return 0;
        if (o->wish.record)
                return cli_usage(o->cli, err, "--record writes a set, and --expect is given one");
        int r = expect_file_read(path, &o->expect, err);
        if (r)
                return r;
        o->wish.has_expect = true;
        o->wish.expect_id = *expect_id(o->expect.expect);
        return 0;
}

/* The host and the active generation, as the daemon has them. */
static int
take_place(struct opening *o, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        int r = cli_call(o->cli, "GetStatus", json_make("{}"), &reply, err);
        const struct json *status = json_member(reply, "status");
        const char *host = json_text(status, "host");
        if (r)
                return r;
        bool any = args_given(&o->cli->args, "any-host");
        snprintf(o->wish.host, sizeof o->wish.host, "%s", any ? "*" : host ? host : "");
        json_each (json_member(status, "baselines"), i, baseline) {
                const char *name = json_text(baseline, "name"), *id = json_text(baseline, "id");
                if (any || !name || !id || strcmp(name, WINDOW_BASELINE) != 0)
                        continue;
                o->wish.generation = (uint64_t)json_number(baseline, "generation");
                if (digest_parse(id, strlen(id), &o->wish.baseline) < 0)
                        return err_set(err, EXIT_FAILED, "GetStatus: the baseline's id is none");
        }
        if (any || o->wish.generation)
                return 0;
        err_set(err, EXIT_FAILED, "no baseline named host is active, so nothing can be a change of it");
        return err_hint(err, EXIT_FAILED, "driftctl bless --ticket T signs the first one");
}

/* ---- who signs it ---- */

/* Whether one approval opens it; otherwise it must be written for others. */
static int
check_rule(const struct opening *o, struct err *err)
{
        struct trust_rule rule;
        if (trust_rule_for(o->trust, WINDOW_BASELINE, &rule) < 0)
                return err_set(err, EXIT_FAILED, "the trust file has no rule for the baseline host");
        bool urgent = o->wish.class == CLASS_URGENT && rule.urgent_threshold;
        unsigned needed = urgent ? rule.urgent_threshold : rule.threshold;
        if ((needed <= 1 && rule.author_counts) || args_given(&o->cli->args, "output"))
                return 0;
        if (rule.author_counts)
                err_set(err, EXIT_FAILED, "%u people must sign a window; this is one", needed);
        else
                err_set(err, EXIT_FAILED, "whoever makes a window may not approve it (author_counts = no)");
        return err_hint(err, EXIT_FAILED,
                "driftctl window open … -o FILE; then driftctl sign FILE by others; then driftctl apply "
                "FILE");
}

static int
take_signer(struct opening *o, struct err *err)
{
        const struct args *args = &o->cli->args;
        bool output = args_given(args, "output");
        o->signs = args_given(args, "key") || args_given(args, "ssh-key") || args_given(args, "ssh-agent");
        int r = trust_fetch(o->cli->client, &o->trust, err);
        if (r == 0 && (o->signs || !output))
                r = signing_open(o->cli, o->trust, &o->signing, err);
        if (r)
                return r;
        if (!o->signs)
                return cli_author(o->cli, o->wish.by, err);
        memcpy(o->wish.by, o->signing.by, sizeof o->wish.by);
        return check_rule(o, err);
}

static int
make_window(struct opening *o, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        int r = window_write(&o->wish, &text, err);
        size_t size = text.size;
        char *bytes = r ? NULL : buf_steal(&text), *set = NULL;
        if (!bytes)
                return r ? EXIT_FAILED : failed_oom(err);
        if (window_open(bytes, size, &o->file.window, err))
                return EXIT_FAILED;
        if (!o->wish.has_expect)
                return 0;
        set = strndup(o->expect.text.data, o->expect.text.size);
        if (!set)
                return failed_oom(err);
        return window_take_expect(o->file.window, set, o->expect.text.size, err) ? EXIT_FAILED : 0;
}

static int
confirm(struct opening *o, struct err *err)
{
        const struct window *window = o->file.window;
        char from[CLOCK_TEXT_MAX], until[CLOCK_TEXT_MAX];
        bool yes = args_given(&o->cli->args, "yes");
        if (o->cli->quiet && yes)
                return 0;
        clock_format_seconds(window->from_ms, from);
        clock_format_seconds(window->until_ms, until);
        print(&o->cli->errors, "%s opens a window: ticket %s, class %s, %s to %s\n", window->by,
                window->ticket, class_names[window->class], from, until);
        for (size_t i = 0; i < window->items.count; i++)
                print(&o->cli->errors, "  %s\n", window->items.items[i]);
        if (window->expect)
                print(&o->cli->errors, "  expected: a set of %zu changes\n", expect_count(window->expect));
        else if (!window->items.count)
                print(&o->cli->errors, "  every item\n");
        if (yes || !terminal_is_there() || terminal_confirm("Sign?"))
                return 0;
        return err_set(err, EXIT_FAILED, "nothing was signed");
}

static int
sign(struct opening *o, struct err *err)
{
        const struct approval_subject subject = {
                .id = o->file.window->id, .host = o->file.window->host, .window = true};
        bool on_host = signing_is_on_host(&o->signing, &subject, 1);
        if (on_host)
                cli_warn(o->cli, "the key is read on the host that it approves for (key-on-host yes): root "
                                 "here could use it too");
        int r = confirm(o, err);
        r = r ? r : signing_unlock(&o->signing, err);
        return r ? r : signing_approve(&o->signing, &subject, 1, on_host, &o->file.approvals, err);
}

static int
write_out(struct opening *o, struct err *err)
{
        const char *path = args_value(&o->cli->args, "output");
        char hex[DIGEST_HEX_SIZE];
        int r = window_file_write(path, &o->file, err);
        if (r)
                return r;
        digest_hex(&o->file.window->id, hex);
        if (o->cli->json) {
                _cleanup_free_ char *file = escape_new(path, strlen(path));
                return cli_document(o->cli,
                        json_make("{s:s, s:s, s:s, s:b}", "schema", "driftd.window-file/1", "file", file,
                                "id", hex, "signed", o->signs),
                        err);
        }
        print(&o->cli->out, "%s: a window that is not open yet%s\nid %s\n", quote(path),
                o->signs ? ", with one approval" : "", hex);
        cli_next(o->cli, "driftctl sign %s by others · driftctl apply %s", quote(path), quote(path));
        return 0;
}

int
command_window_open(struct cli *cli, struct err *err)
{
        _cleanup_(opening_done) struct opening o = {.cli = cli};
        const char *class = args_value(&cli->args, "class");
        o.wish.class = CLASS_NORMAL;
        if (class)
                o.wish.class =
                        (enum baseline_class)name_index(class_names, CLASS_COUNT, class, strlen(class));
        int r = take_ticket(&o, err);
        r = r ? r : take_time(&o, err);
        r = r ? r : take_items(&o, err);
        r = r ? r : take_set(&o, err);
        r = r ? r : take_place(&o, err);
        r = r ? r : take_signer(&o, err);
        r = r ? r : make_window(&o, err);
        if (r == 0 && o.signs)
                r = sign(&o, err);
        if (r)
                return r;
        return args_given(&cli->args, "output") ? write_out(&o, err) : window_file_apply(cli, &o.file, err);
}

/* ---- closing and showing ---- */

/* The ticket as windows have it, or the beginning of an id; "": the only one. To be freed. */
static int
window_named(struct cli *cli, char **ret, struct err *err)
{
        const char *ticket = args_value(&cli->args, "ticket");
        *ret = escape_new(ticket ? ticket : "", ticket ? strlen(ticket) : 0);
        return *ret ? 0 : failed_oom(err);
}

/* A recording that nobody keeps would be lost with the close. */
static int
check_recording(struct cli *cli, const char *name, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        int r = cli_call(cli, "ListWindows", json_make("{}"), &reply, err);
        if (r || args_given(&cli->args, "output"))
                return r;
        json_each (json_member(reply, "windows"), i, window) {
                const char *ticket = json_text(window, "ticket"), *state = json_text(window, "state"),
                           *id = json_text(window, "id");
                bool named = ticket && id && (!*name || strcmp(ticket, name) == 0 || strstr(id, name) == id);
                if (!named || !state || strcmp(state, "open") != 0 || !json_flag(window, "record"))
                        continue;
                err_set(err, EXIT_FAILED, "this window records: where shall the expected change set go?");
                return err_hint(err, EXIT_FAILED, "driftctl window close -o FILE");
        }
        return 0;
}

static int
write_set(struct cli *cli, const struct change_report *report, struct err *err)
{
        const char *path = args_value(&cli->args, "output");
        if (!path)
                return 0;
        if (!report->set.size) {
                err_set(err, EXIT_FAILED, "there is no set of what was expected%s",
                        json_flag(json_member(report->document, "window"), "set_left_out")
                                ? ": it would be larger than one may be (8 MiB)"
                                : "");
                return err_hint(err, EXIT_FAILED, "driftctl window list");
        }
        int r = output_write(path, report->set.data, report->set.size, err);
        if (r == 0)
                cli_note(cli, "%s: the set of what was expected", quote(path));
        return r;
}

static void
print_next(struct cli *cli, const struct change_report *report)
{
        const struct json *window = json_member(report->document, "window");
        const char *path = args_value(&cli->args, "output"), *ticket = json_text(window, "ticket");
        const char *state = json_text(window, "state");
        if (state && strcmp(state, "open") == 0)
                cli_next(cli, "driftctl window close --ticket %s", ticket);
        else if (!change_report_count(report, "expected") || !ticket)
                cli_next(cli, "driftctl diff");
        else if (path)
                cli_next(cli, "driftctl bless --expect %s --ticket %s", quote(path), ticket);
        else
                cli_next(cli,
                        "driftctl window show --ticket %s -o FILE · driftctl bless --expect FILE --ticket %s",
                        ticket, ticket);
}

static int
finish(struct cli *cli, struct change_report *report, struct err *err)
{
        int r = write_set(cli, report, err);
        if (r)
                return r;
        if (cli->json)
                return change_report_print(cli, report, err);
        r = change_report_print(cli, report, err);
        if (r == 0)
                print_next(cli, report);
        return r;
}

int
command_window_close(struct cli *cli, struct err *err)
{
        _cleanup_change_report_ struct change_report report = {0};
        _cleanup_free_ char *name = NULL;
        int r = window_named(cli, &name, err);
        r = r ? r : check_recording(cli, name, err);
        r = r ? r : change_report_ask(cli, "CloseWindow", json_make("{s:s}", "window", name), &report, err);
        return r ? r : finish(cli, &report, err);
}

int
command_window_show(struct cli *cli, struct err *err)
{
        _cleanup_change_report_ struct change_report report = {0};
        _cleanup_free_ char *name = NULL;
        int r = window_named(cli, &name, err);
        r = r ? r
              : change_report_ask(cli, "ShowWindow",
                        json_make("{s:s, s:b}", "window", name, "cached", args_given(&cli->args, "cached")),
                        &report, err);
        return r ? r : finish(cli, &report, err);
}

int
command_window_list(struct cli *cli, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        _cleanup_table_ struct table table = table_make(6);
        int r = cli_call(cli, "ListWindows", json_make("{}"), &reply, err);
        if (r)
                return r;
        const struct json *windows = json_member(reply, "windows");
        if (cli->json)
                return cli_document(
                        cli, json_make("{s:s, s:O}", "schema", "driftd.windows/1", "windows", windows), err);
        json_each (windows, i, window) {
                const char *state = json_text(window, "state"), *ticket = json_text(window, "ticket"),
                           *id = json_text(window, "id"), *by = json_text(window, "by"),
                           *until = json_text(window, "until"), *ended = json_text(window, "ended");
                bool open = state && strcmp(state, "open") == 0;
                table_cell(&table, open ? COLOR_GREEN : COLOR_PLAIN, "%s", state ? state : "?");
                table_cell(&table, COLOR_BOLD, "%s", ticket ? ticket : "?");
                table_cell(&table, COLOR_PLAIN, "%.12s", id ? id : "?");
                table_cell(&table, COLOR_PLAIN, "by %s", by ? by : "?");
                table_cell(&table, COLOR_PLAIN, "until %s", until ? until : "?");
                table_cell(&table, COLOR_PLAIN, "%s%s", ended ? "ended " : "", ended ? ended : "");
        }
        table_print(&table, &cli->out);
        if (!json_length(windows))
                print(&cli->out, "No window is open, and none that ended is remembered.\n");
        return 0;
}

int
command_window_record(struct cli *cli, struct err *err)
{
        _cleanup_change_report_ struct change_report report = {0};
        if (!args_given(&cli->args, "output"))
                return cli_usage(cli, err, "-o FILE is missing: where shall the set go?");
        int r = change_report_ask(cli, "CompareExpected", json_make("{s:b}", "record", true), &report, err);
        if (r)
                return r;
        if (change_report_count(&report, "unknown"))
                cli_warn(cli, "%lld items are unknown and not in the set: driftctl diff names them",
                        change_report_count(&report, "unknown"));
        r = write_set(cli, &report, err);
        if (r)
                return r;
        r = change_report_print(cli, &report, err);
        if (r == 0)
                cli_next(cli, "driftctl diff --expect FILE elsewhere · driftctl window open --expect FILE");
        return r;
}
