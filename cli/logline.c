/* SPDX-License-Identifier: MIT */
/*
 * Lines of the history. A table says which members of the detail are shown for each kind, and in which order;
 * all of them are in the JSON anyway. A kind that is not in the table is shown with its bare name, never left
 * out.
 */
#include "cli/logline.h"

#include <string.h>

#include "cli/fold.h"
#include "cli/who_words.h"
#include "core/clock.h"

#define SHOWN_MAX 8
#define PACKAGES_SHOWN_MAX 3u

static const struct {
        const char *kind;
        const char *
                members[SHOWN_MAX]; /* a name ending in '=' is shown with it, a bare one by its value alone */
        enum color color;
} kinds[] = {
        {"start", {"version=", "clean=", "watch="}, COLOR_PLAIN},
        {"stop", {"reason"}, COLOR_PLAIN},
        {"heartbeat", {"open=", "expected="}, COLOR_DIM},
        {"gap", {"from=", "to=", "cause"}, COLOR_YELLOW},
        {"scan", {"pass", "files=", "bytes=", "drifts=", "ms=", "complete="}, COLOR_PLAIN},
        {"drift", {"change", "attributes", "severity", "baseline", "window", "unobserved=", "who", "again"},
                COLOR_RED},
        {"resolved", {"as", "by_generation=", "change=", "baseline", "who"}, COLOR_GREEN},
        {"bless", {"baseline", "generation=", "signers=", "ticket=", "class", "author=", "key_on_host="},
                COLOR_CYAN},
        {"reject", {"what", "name", "generation=", "ticket=", "by=", "reason"}, COLOR_RED},
        {"ack", {"by=", "baseline", "reason"}, COLOR_PLAIN},
        {"waive", {"state", "by=", "until=", "baseline", "reason"}, COLOR_CYAN},
        {"flapping", {"state", "changes=", "folded=", "now=", "baseline", "reason"}, COLOR_YELLOW},
        {"window", {"state", "ticket", "by=", "until=", "key_on_host=", "report", "why"}, COLOR_CYAN},
        {"watch_lost", {"where", "error"}, COLOR_YELLOW},
        {"unreadable", {"error"}, COLOR_YELLOW},
        {"mount", {"change", "where"}, COLOR_YELLOW},
        {"hidden", {"where", "count="}, COLOR_YELLOW},
        {"clock_jump", {"by_ms="}, COLOR_YELLOW},
        {"reload", {"ok=", "error"}, COLOR_PLAIN},
        {"trust", {"generation=", "state", "reason"}, COLOR_CYAN},
        {"adopted", {"baseline", "generation="}, COLOR_YELLOW},
        {"storage", {"error", "set_aside="}, COLOR_RED},
        {"tamper", {"what"}, COLOR_RED},
        {"transaction", {"manager", "packages", "files=", "command=", "requested_by="}, COLOR_CYAN},
        {"checkpoint", {"why", "key"}, COLOR_CYAN},
        {"review", {"state", "baseline", "generation=", "by=", "missing=", "due=", "why"}, COLOR_CYAN},
        {"overflow", {0}, COLOR_YELLOW},
        {"unstable", {0}, COLOR_YELLOW},
};

/* The names of a file's attributes (the values are for show and for JSON); of a setting the values. */
static int
append_attributes(const struct json *list, struct buf *ret)
{
        int r = 0;
        json_each (list, i, attribute) {
                const char *name = json_text(attribute, "name");
                if (name && strcmp(name, "value") == 0)
                        r = r ? r : append_sides(ret, attribute);
                else
                        r = r ? r : buf_printf(ret, "%s%s", i ? "," : "", name ? name : "?");
        }
        return r;
}

static int
append_list(const struct json *list, struct buf *ret)
{
        int r = 0;
        json_each (list, i, value) {
                const char *text = json_string_of(value);
                r = r ? r : buf_printf(ret, "%s%s", i ? "," : "", text ? text : "?");
        }
        return r;
}

/* "hello 2.10-2 → 2.10-3", the first few. */
static int
append_packages(const struct json *list, struct buf *ret)
{
        size_t n = json_length(list);
        int r = 0;
        for (size_t i = 0; i < n && i < PACKAGES_SHOWN_MAX && r == 0; i++) {
                r = buf_text(ret, i ? ", " : "");
                r = r ? r : cause_package_words(json_at(list, i), true, ret);
        }
        return r || n <= PACKAGES_SHOWN_MAX ? r : buf_printf(ret, " and %zu more", n - PACKAGES_SHOWN_MAX);
}

/* Of a drift the window that it is in; of a window what came of it. */
static int
append_window(const struct json *window, struct buf *ret)
{
        const char *ticket = json_text(window, "ticket"), *until = json_text(window, "until"),
                   *severity = json_text(window, "severity");
        return buf_printf(ret, "in window %s (until %s, otherwise %s)", ticket ? ticket : "?",
                until ? until : "?", severity ? severity : "?");
}

static int
append_report(const struct json *counts, struct buf *ret)
{
        static const char *const names[] = {"expected", "unexpected", "absent", "unknown"};
        int r = 0;
        for (size_t i = 0; i < ARRAY_SIZE(names) && r == 0; i++) {
                json_int n = json_number(counts, names[i]);
                if (n || i < 3)
                        r = buf_printf(ret, "%s%lld %s", i ? ", " : "", n, names[i]);
        }
        return r;
}

static int
append_value(const struct json *value, struct buf *ret)
{
        const char *text = json_string_of(value);
        if (text)
                return print_words(ret, text);
        if (json_length(value))
                return json_string_of(json_at(value, 0)) ? append_list(value, ret)
                                                         : append_attributes(value, ret);
        return json_write(value, ret);
}

static int
append_member(const struct json *detail, const char *shown, struct buf *ret)
{
        char name[32];
        size_t size = strcspn(shown, "=");
        snprintf(name, sizeof name, "%.*s", (int)size, shown);
        const struct json *value = json_member(detail, name);
        _cleanup_buf_ struct buf text = {0};
        if (json_is_null(value))
                return 0;
        int r = strcmp(name, "packages") == 0 ? append_packages(value, &text)
                : strcmp(name, "window") == 0 ? append_window(value, &text)
                : strcmp(name, "report") == 0 ? append_report(value, &text)
                : strcmp(name, "who") == 0    ? who_words(value, &text)
                                              : append_value(value, &text);
        if (r || !text.size || strcmp(text.data, "[]") == 0 || strcmp(text.data, "\"\"") == 0)
                return r;
        const char *change = json_text(detail, "change");
        if (strcmp(name, "attributes") == 0 && change && strcmp(change, "changed") != 0)
                return 0;                    /* all of them: no news */
        if (strcmp(name, "unobserved") == 0) /* said only where it is so */
                return json_flag(detail, name)
                               ? buf_text(ret, ret->size ? " while unobserved" : "while unobserved")
                               : 0;
        bool reverted = strcmp(name, "as") == 0 && strcmp(text.data, "reverted") == 0;
        return buf_printf(ret, "%s%s%s%s", ret->size ? " " : "", shown[size] ? shown : "", text.data,
                reverted ? " without approval" : "");
}

static size_t
kind_find(const char *kind)
{
        size_t i = 0;
        while (i < ARRAY_SIZE(kinds) && (!kind || strcmp(kinds[i].kind, kind) != 0))
                i++;
        return i;
}

enum color
record_color(const char *kind)
{
        size_t row = kind_find(kind);
        return row < ARRAY_SIZE(kinds) ? kinds[row].color : COLOR_PLAIN;
}

int
log_detail(const struct json *record, struct buf *ret)
{
        size_t kind = kind_find(json_text(record, "kind"));
        int r = 0;
        for (size_t i = 0; kind < ARRAY_SIZE(kinds) && i < SHOWN_MAX && kinds[kind].members[i] && r == 0; i++)
                r = append_member(json_member(record, "detail"), kinds[kind].members[i], ret);
        return r;
}

void
log_table(struct cli *cli, const struct json *records, size_t item_width)
{
        _cleanup_table_ struct table table = table_make(5);
        table.least[2] = 10;
        table.least[3] = item_width;
        json_each (records, i, record) {
                _cleanup_buf_ struct buf detail = {0};
                const char *kind = json_text(record, "kind"), *item = json_text(record, "item");
                char when[WORDS_MAX] = "?";
                int64_t time_ms;
                if (json_time(record, "time", &time_ms) == 0)
                        time_text(time_ms, 0, when); /* whole dates: a log may be long */
                log_detail(record, &detail);
                table_cell(&table, COLOR_DIM, "%6lld", json_number(record, "seq"));
                table_cell(&table, COLOR_PLAIN, "%s", when);
                table_cell(&table, record_color(kind), "%s", kind ? kind : "?");
                table_cell(&table, COLOR_PLAIN, "%s", item_width && item ? item : "");
                table_cell(&table, COLOR_PLAIN, "%s", detail.data ? detail.data : "");
        }
        table_print(&table, &cli->out);
}
