/* SPDX-License-Identifier: MIT */
/*
 * The layout of driftctl top. The head is a table of lines in the order of what matters; the list of open
 * drift has what is left, but for a few lines of the newest history and the line of keys. Each fact is said
 * in words too, so that nothing is lost without colours.
 */
#include "cli/top.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/fold.h"
#include "cli/logline.h"
#include "cli/report.h"
#include "core/clock.h"

#define LABEL_WIDTH 11u
#define BAR_WIDTH 22u
#define LIST_LEAST 3u    /* rows: the head gives way to them */
#define NEWEST_MOST 6u   /* records, where there is room */
#define NEWEST_FROM 18u  /* rows of a screen that shows them */
#define DETAIL_FROM 110u /* columns from which the detail of a drift is wide */

/* ---- the list ---- */

void
top_rows_done(struct top_rows *rows)
{
        for (size_t i = 0; i < rows->n; i++) {
                free(rows->list[i].change);
                free(rows->list[i].item);
                free(rows->list[i].detail);
                free(rows->list[i].state);
        }
        free(rows->list);
        *rows = (struct top_rows){0};
}

static char
severity_letter(const char *severity)
{
        return severity && strcmp(severity, "high") == 0     ? 'H'
               : severity && strcmp(severity, "medium") == 0 ? 'M'
               : severity && strcmp(severity, "low") == 0    ? 'L'
                                                             : '?';
}

static int
add_row(struct top_rows *rows, const struct json *drift, const char *severity, const char *change,
        const char *item, const char *detail)
{
        const char *state = json_text(drift, "state");
        bool open = !state || strcmp(state, "open") == 0;
        if (array_grow(&rows->list, rows->n) < 0)
                return -ENOMEM;
        struct top_row *row = &rows->list[rows->n++];
        *row = (struct top_row){.change = strdup(change ? change : "?"),
                .item = strdup(item ? item : "?"),
                .detail = strdup(detail ? detail : ""),
                .state = open ? NULL : strdup(state),
                .severity = severity_letter(severity),
                .color = open ? severity_color(severity) : COLOR_DIM};
        (void)json_time(drift, "first_seen", &row->first_ms);
        return row->change && row->item && row->detail && (open || row->state) ? 0 : -ENOMEM;
}

static int
add_fold(struct top_rows *rows, const struct fold *fold)
{
        _cleanup_buf_ struct buf name = {0}, words = {0};
        int r = cause_package_words(fold->cause, true, &name);
        r = r ? r : fold_words(fold, &words);
        return r ? r : add_row(rows, fold->first, fold->severity, "package", name.data, words.data);
}

static int
add_drift(struct top_rows *rows, const struct json *drift)
{
        _cleanup_buf_ struct buf detail = {0};
        int r = drift_detail(drift, &detail);
        return r ? r
                 : add_row(rows, drift, json_text(drift, "severity"), json_text(drift, "change"),
                           json_text(drift, "item"), detail.data);
}

static int
add_severity(struct top_rows *rows, const struct json *drifts, const struct folds *folds, char letter)
{
        int r = 0;
        for (size_t i = 0; i < folds->n && r == 0; i++)
                if (severity_letter(folds->list[i].severity) == letter)
                        r = add_fold(rows, &folds->list[i]);
        json_each (drifts, i, drift)
                if (r == 0 && !(folds->of && folds->of[i]) &&
                        severity_letter(json_text(drift, "severity")) == letter)
                        r = add_drift(rows, drift);
        return r;
}

int
top_rows_make(const struct json *drifts, struct top_rows *ret)
{
        _cleanup_folds_ struct folds folds = {0};
        struct top_rows rows = {0};
        int r = json_length(drifts) ? folds_make(drifts, &folds) : 0;
        for (const char *letter = "HML?"; r == 0 && *letter && json_length(drifts); letter++)
                r = add_severity(&rows, drifts, &folds, *letter);
        if (r < 0) {
                top_rows_done(&rows);
                return r;
        }
        *ret = rows;
        return 0;
}

/* ---- the head ---- */

static void
label(struct frame *frame, const char *text)
{
        frame_cell(frame, COLOR_BOLD, LABEL_WIDTH, false, text);
}

static void
line_title(const struct top_view *view, struct frame *frame)
{
        const char *verdict = json_text(view->status, "verdict");
        const struct json *daemon = json_member(view->status, "daemon");
        char clock[WORDS_MAX], age[WORDS_MAX];
        int64_t since_ms;
        frame_put(frame, COLOR_BOLD, "driftd on %s", view->host);
        frame_put(frame, COLOR_PLAIN, " · ");
        frame_put(frame, verdict_color(verdict), "%s", verdict ? verdict : "…");
        if (json_time(daemon, "since", &since_ms) == 0)
                frame_put(frame, COLOR_PLAIN, " · up %s", age_text(since_ms, view->now_ms, age));
        time_text(view->now_ms, view->now_ms, clock);
        if (frame->columns > strlen(clock) + 1) {
                unsigned column = frame->columns - (unsigned)strlen(clock);
                if (frame->lines[frame->at].width < column) {
                        frame_pad(frame, column);
                        frame_put(frame, COLOR_PLAIN, "%s", clock);
                }
        }
}

static void
line_open(const struct top_view *view, struct frame *frame)
{
        static const char *const severities[] = {"high", "medium", "low"};
        const struct json *open = json_member(view->status, "open");
        label(frame, "open");
        for (size_t i = 0; i < ARRAY_SIZE(severities); i++) {
                json_int count = json_number(open, severities[i]);
                char words[WORDS_MAX];
                frame_put(frame, COLOR_PLAIN, "%s", i ? " · " : "");
                frame_put(frame, count ? severity_color(severities[i]) : COLOR_PLAIN, "%s %s",
                        count_text((uint64_t)count, words), severities[i]);
        }
}

static void
line_coverage(const struct top_view *view, struct frame *frame)
{
        const struct json *coverage = json_member(view->status, "coverage");
        char verified[WORDS_MAX], expected[WORDS_MAX], age[WORDS_MAX];
        bool complete = json_flag(coverage, "complete");
        int64_t oldest_ms;
        label(frame, "coverage");
        frame_put(frame, complete ? COLOR_GREEN : COLOR_YELLOW, "%s", complete ? "complete" : "incomplete");
        frame_put(frame, COLOR_PLAIN, " · %s of %s verified",
                count_text((uint64_t)json_number(coverage, "verified"), verified),
                count_text((uint64_t)json_number(coverage, "expected"), expected));
        if (json_time(coverage, "oldest_content_check", &oldest_ms) == 0)
                frame_put(frame, COLOR_PLAIN, " · content within %s", age_text(oldest_ms, view->now_ms, age));
}

/* What is left, if it goes on as it went. */
static void
put_time_left(const struct top_view *view, struct frame *frame, const struct json *pass)
{
        double left = (double)(json_number(pass, "files_expected") - json_number(pass, "files"));
        char words[CLOCK_TEXT_MAX];
        if (view->files_rate < 1 || left < 1)
                return;
        duration_describe((int64_t)(left * 1000 / view->files_rate), words);
        frame_put(frame, COLOR_PLAIN, " · %s left", words);
}

static void
put_idle(const struct top_view *view, struct frame *frame)
{
        const struct json *activity = json_member(view->status, "activity"),
                          *circle = json_member(activity, "circle");
        char words[WORDS_MAX];
        int64_t next_ms;
        frame_put(frame, COLOR_PLAIN, "none runs");
        if (json_time(activity, "next_quick", &next_ms) == 0 && next_ms > view->now_ms) {
                duration_describe(next_ms - view->now_ms, words);
                frame_put(frame, COLOR_PLAIN, " · the next in %s", words);
        }
        if (json_number(circle, "files_expected"))
                frame_put(frame, COLOR_PLAIN, " · content read again: %s",
                        percent_text(
                                json_number(circle, "files"), json_number(circle, "files_expected"), words));
}

static void
line_pass(const struct top_view *view, struct frame *frame)
{
        const struct json *pass = json_member(json_member(view->status, "activity"), "pass");
        const char *name = json_text(pass, "name");
        char files[WORDS_MAX], rate[WORDS_MAX];
        label(frame, "pass");
        if (!name) {
                put_idle(view, frame);
                return;
        }
        frame_put(frame, COLOR_CYAN, "%s ", name);
        frame_bar(frame, (uint64_t)json_number(pass, "files"), (uint64_t)json_number(pass, "files_expected"),
                BAR_WIDTH);
        frame_put(frame, COLOR_PLAIN, " %s", count_text((uint64_t)json_number(pass, "files"), files));
        if (view->files_rate >= 0)
                frame_put(frame, COLOR_PLAIN, " · %s/s", count_text((uint64_t)view->files_rate, rate));
        put_time_left(view, frame, pass);
        if (view->bytes_rate >= 1)
                frame_put(frame, COLOR_PLAIN, " · %s/s", bytes_text((uint64_t)view->bytes_rate, rate));
}

static void
line_watch(const struct top_view *view, struct frame *frame)
{
        const struct json *activity = json_member(view->status, "activity");
        char folders[WORDS_MAX], events[WORDS_MAX], waiting[WORDS_MAX];
        json_int lost = 0;
        json_each (json_member(view->status, "problems"), i, problem) {
                const char *kind = json_text(problem, "kind");
                if (kind && strcmp(kind, "watch_lost") == 0)
                        lost = json_number(problem, "count");
        }
        label(frame, "watch");
        frame_put(frame, COLOR_PLAIN, "%s folders · ",
                count_text((uint64_t)json_number(activity, "folders"), folders));
        frame_put(frame, lost ? COLOR_YELLOW : COLOR_PLAIN, "%lld lost", lost);
        frame_put(frame, COLOR_PLAIN, " · ");
        if (view->events_rate >= 0)
                frame_put(frame, COLOR_PLAIN, "%.1f events/s (%s)", view->events_rate,
                        count_text((uint64_t)json_number(activity, "events"), events));
        else
                frame_put(frame, COLOR_PLAIN, "%s events",
                        count_text((uint64_t)json_number(activity, "events"), events));
        if (json_number(activity, "waiting"))
                frame_put(frame, COLOR_PLAIN, " · %s to look at",
                        count_text((uint64_t)json_number(activity, "waiting"), waiting));
}

static void
line_baselines(const struct top_view *view, struct frame *frame)
{
        const struct json *baselines = json_member(view->status, "baselines");
        label(frame, "baselines");
        if (!json_length(baselines))
                frame_put(frame, COLOR_YELLOW, "none: nothing is expected yet");
        json_each (baselines, i, baseline) {
                const char *name = json_text(baseline, "name"), *state = json_text(baseline, "state");
                bool trusted = state && strcmp(state, "trusted") == 0;
                frame_put(frame, COLOR_PLAIN, "%s%s@%lld ", i ? " · " : "", name ? name : "?",
                        json_number(baseline, "generation"));
                frame_put(frame, trusted ? COLOR_GREEN : COLOR_RED, "%s", state ? state : "?");
                json_each (json_member(baseline, "signers"), j, signer) {
                        const char *who = json_string_of(signer);
                        frame_put(frame, COLOR_PLAIN, "%s%s", j ? ", " : " by ", who ? who : "?");
                }
        }
}

static void
line_problems(const struct top_view *view, struct frame *frame)
{
        const struct json *problems = json_member(view->status, "problems");
        label(frame, "problems");
        if (!json_length(problems))
                frame_put(frame, COLOR_PLAIN, "none");
        json_each (problems, i, problem) {
                const char *kind = json_text(problem, "kind");
                bool lowers = json_flag(problem, "lowers_coverage");
                frame_put(frame, COLOR_PLAIN, "%s", i ? " · " : "");
                frame_put(frame, lowers ? COLOR_YELLOW : COLOR_PLAIN, "%s", kind ? kind : "?");
        }
}

static void
line_windows(const struct top_view *view, struct frame *frame)
{
        json_each (json_member(view->status, "windows"), i, window) {
                const char *ticket = json_text(window, "ticket"), *until = json_text(window, "until");
                if (i == 0)
                        label(frame, "window");
                frame_put(frame, COLOR_CYAN, "%s%s until %s", i ? " · " : "", ticket ? ticket : "?",
                        until ? until : "?");
        }
}

static const struct head_line {
        void (*write)(const struct top_view *view, struct frame *frame);
        const char *unless_empty; /* a member of the status: the line is there only if it holds something */
} head[] = {{line_title, NULL}, {line_open, NULL}, {line_coverage, NULL}, {line_pass, NULL},
        {line_watch, NULL}, {line_baselines, NULL}, {line_problems, NULL}, {line_windows, "windows"}};

/* Why nothing new comes stands first below the title, and takes the place of what is old. */
static void
write_head(const struct top_view *view, struct frame *frame, unsigned most)
{
        for (size_t i = 0; i < ARRAY_SIZE(head) && frame->at < most; i++) {
                if (i && !view->status)
                        break;
                if (head[i].unless_empty && !json_length(json_member(view->status, head[i].unless_empty)))
                        continue;
                head[i].write(view, frame);
                frame_next(frame);
                if (i == 0 && view->trouble && frame->at < most) {
                        frame_put(frame, COLOR_RED, "%s", view->trouble);
                        frame_next(frame);
                }
        }
}

/* ---- below it ---- */

static void
write_row(const struct top_view *view, struct frame *frame, const struct top_row *row)
{
        const unsigned change = 11, when = 12;
        unsigned detail = frame->columns >= DETAIL_FROM ? 36 : frame->columns >= 70 ? 16 : 0;
        unsigned used = 2 + change + 1 + (detail ? detail + 1 : 0) + when;
        unsigned item = frame->columns > used + 10 ? frame->columns - used : 10;
        char age[WORDS_MAX], mark[2] = {row->severity, '\0'};
        frame_cell(frame, row->color, 2, false, mark);
        frame_cell(frame, row->color, change, false, row->change);
        frame_cell(frame, COLOR_PLAIN, item, true, row->item);
        frame_put(frame, COLOR_PLAIN, " ");
        if (detail) {
                frame_cell(frame, COLOR_PLAIN, detail, false, row->detail);
                frame_put(frame, COLOR_PLAIN, " ");
        }
        frame_put(frame, COLOR_DIM, "%s",
                row->state      ? row->state
                : row->first_ms ? age_text(row->first_ms, view->now_ms, age)
                                : "");
}

/* "open drift 1-8 of 23": what of the list is seen. */
static void
write_list(const struct top_view *view, struct frame *frame, unsigned room)
{
        size_t n = view->rows->n, first = view->scroll < n ? view->scroll : 0;
        size_t last = first + room < n ? first + room : n;
        char count[WORDS_MAX];
        frame_put(frame, COLOR_BOLD, "open drift");
        if (n)
                frame_put(frame, COLOR_PLAIN, "  %zu-%zu of %s%s", first + 1, last, count_text(n, count),
                        view->list_cut ? " and more: driftctl diff lists all" : "");
        else
                frame_put(frame, COLOR_PLAIN, "  none");
        frame_next(frame);
        for (size_t i = first; i < last; i++) {
                write_row(view, frame, &view->rows->list[i]);
                frame_next(frame);
        }
}

static void
write_record(const struct top_view *view, struct frame *frame, const struct json *record)
{
        _cleanup_buf_ struct buf detail = {0};
        const char *kind = json_text(record, "kind"), *item = json_text(record, "item");
        char when[WORDS_MAX] = "?";
        int64_t time_ms;
        if (json_time(record, "time", &time_ms) == 0)
                time_text(time_ms, view->now_ms, when);
        (void)log_detail(record, &detail);
        frame_put(frame, COLOR_DIM, "%s ", when);
        frame_cell(frame, record_color(kind), 11, false, kind ? kind : "?");
        if (item)
                frame_cell(frame, COLOR_PLAIN, frame->columns / 2 > 10 ? frame->columns / 2 - 6 : 10, true,
                        item);
        frame_put(frame, COLOR_PLAIN, "%s%s", item ? " " : "", detail.data ? detail.data : "");
}

static void
write_newest(const struct top_view *view, struct frame *frame, unsigned room)
{
        size_t n = view->n_records < room ? view->n_records : room;
        frame_put(frame, COLOR_BOLD, "newest records");
        frame_next(frame);
        for (size_t i = 0; i < n; i++) {
                write_record(view, frame, view->records[view->n_records - 1 - i]);
                frame_next(frame);
        }
}

static void
write_help(struct frame *frame)
{
        static const char *const lines[] = {"driftctl top", "", "q, Ctrl-C       quit",
                "up, down, k, j  scroll the list by one", "PgUp, PgDn      by a page (also b and the blank)",
                "Home, End       to its ends (also g, G)", "Ctrl-L          draw everything again",
                "?               this; any key goes back", "", "H M L           severity: high, medium, low",
                "content within  the oldest check of content that coverage rests on",
                "events/s (N)    changes that the kernel tells of; N since the daemon's start",
                "lost            folders without a watch: only passes look there", "",
                "driftctl show ITEM tells all about one; driftctl log, what happened."};
        for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
                frame_put(frame, i ? COLOR_PLAIN : COLOR_BOLD, "%s", lines[i]);
                frame_next(frame);
        }
}

static unsigned
write_body(const struct top_view *view, struct frame *frame)
{
        unsigned rows = frame->rows;
        unsigned most = rows > LIST_LEAST + 3 ? rows - LIST_LEAST - 2 : rows > 1 ? rows - 1 : 1;
        write_head(view, frame, most);
        if (frame->at + 2 > rows)
                return 0;
        unsigned left = rows - frame->at - 1; /* the last line is for keys */
        unsigned newest = rows >= NEWEST_FROM && left > 2 * LIST_LEAST ? (left - 1) / 2 : 0;
        newest = newest < NEWEST_MOST + 1 ? newest : NEWEST_MOST + 1;
        unsigned room = left > newest + 1 ? left - newest - 1 : 0;
        if (left && view->status)
                write_list(view, frame, room);
        if (newest && view->status) {
                frame_skip_to(frame, rows - 1 - newest);
                write_newest(view, frame, newest - 1);
        }
        return room;
}

unsigned
top_layout(const struct top_view *view, struct frame *frame)
{
        unsigned room = 0;
        if (view->help)
                write_help(frame);
        else
                room = write_body(view, frame);
        if (frame->rows > 1) {
                frame->at = frame->at < frame->rows - 1 ? frame->rows - 1 : frame->at;
                if (frame->at < frame->rows)
                        frame_put(frame, COLOR_DIM, "q quit · ? help · up and down scroll");
        }
        return room;
}
