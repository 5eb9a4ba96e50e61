/* SPDX-License-Identifier: MIT */
/*
 * The report's page, section by section: how it stands, what was watched, what drifted, what was approved,
 * what is open, and how to check all that without believing the page.
 */
#include "cli/page.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/html.h"
#include "cli/page_style.h"
#include "cli/report.h"
#include "core/clock.h"
#include "core/coverage.h"

#define CHART_WIDTH 1000.0
#define CHART_HEIGHT 200.0
#define CHART_LEFT 44.0 /* room for the numbers beside it */
#define CHART_BELOW 24.0

/* "2026-11-26 18:00 UTC": a page is read in other places and later. */
static const char *
utc_text(int64_t time_ms, char text[static CLOCK_TEXT_MAX])
{
        char full[CLOCK_TEXT_MAX];
        clock_format_seconds(time_ms, full);
        snprintf(text, CLOCK_TEXT_MAX, "%.10s %.5s UTC", full, full + 11);
        return text;
}

static void
put_time(struct html *html, const char *tag, const struct json *object, const char *key)
{
        char text[CLOCK_TEXT_MAX];
        int64_t time_ms;
        html_element(html, tag, " class=\"time\"",
                json_time(object, key, &time_ms) == 0 ? utc_text(time_ms, text) : "");
}

static void
put_count(struct html *html, uint64_t count)
{
        char text[WORDS_MAX];
        html_text(html, count_text(count, text));
}

static void
begin_section(struct html *html, const char *id, const char *title)
{
        html_raw(html, "<section aria-labelledby=\"%s\"><h2 id=\"%s\">", id, id);
        html_text(html, title);
        html_raw(html, "</h2>");
}

static void
end_section(struct html *html)
{
        html_raw(html, "</section>\n");
}

/* ---- tables ---- */

/* columns: their heads, separated by '|'. */
static void
begin_table(struct html *html, const char *label, const char *caption, const char *columns)
{
        html_raw(html, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"");
        html_text(html, label);
        html_raw(html, "\"><table>");
        html_element(html, "caption", NULL, caption);
        html_raw(html, "<thead><tr>");
        while (*columns) {
                size_t size = strcspn(columns, "|");
                _cleanup_free_ char *head = strndup(columns, size);
                html_element(html, "th", " scope=\"col\"", head);
                columns += size + (columns[size] == '|');
        }
        html_raw(html, "</tr></thead><tbody>");
}

static void
end_table(struct html *html)
{
        html_raw(html, "</tbody></table></div>\n");
}

/* What of a list is not shown is said. */
static void
list_caption(const struct account_list *list, const char *what, char *ret, size_t size)
{
        char count[WORDS_MAX], kept[WORDS_MAX];
        count_text(list->count, count);
        if (list->count > account_kept(list))
                snprintf(ret, size, "%s: the newest %s of %s; driftctl log has them all", what,
                        count_text(account_kept(list), kept), count);
        else
                snprintf(ret, size, "%s: %s", what, count);
}

static void
put_words(struct html *html, const struct json *words)
{
        json_each (words, i, word) {
                html_raw(html, i ? ", " : "");
                html_text(html, json_string_of(word));
        }
}

/* ---- how it stands ---- */

static uint64_t
open_of(const struct page *page, enum severity severity)
{
        return (uint64_t)json_number(json_member(page->status, "open"), severity_names[severity]);
}

static void
begin_tile(struct html *html, const char *class)
{
        html_raw(html, "<li><b%s%s%s>", class ? " class=\"" : "", class ? class : "", class ? "\"" : "");
}

static void
end_tile(struct html *html, const char *words)
{
        html_raw(html, "</b>");
        html_text(html, words);
        html_raw(html, "</li>");
}

static bool
is_before_history(const struct json *gap)
{
        const char *reason = json_text(gap, "reason");
        return reason && strcmp(reason, coverage_reasons[COVERAGE_NO_HISTORY]) == 0;
}

struct watched {
        int64_t ms, of_ms; /* since the history begins */
        size_t gaps;
};

static struct watched
watched_of(const struct page *page)
{
        struct watched watched = {.ms = json_number(page->coverage, "watched_ms"),
                .of_ms = json_number(page->coverage, "period_ms"),
                .gaps = (size_t)json_number(page->coverage, "gaps_merged")};
        json_each (json_member(page->coverage, "gaps"), i, gap) {
                if (is_before_history(gap))
                        watched.of_ms -= json_number(gap, "ms");
                else
                        watched.gaps++;
        }
        return watched;
}

static void
write_tiles(struct html *html, const struct page *page)
{
        const char *verdict = json_text(page->status, "verdict");
        bool clean = verdict && strcmp(verdict, "clean") == 0;
        uint64_t high = open_of(page, SEVERITY_HIGH), medium = open_of(page, SEVERITY_MEDIUM),
                 low = open_of(page, SEVERITY_LOW);
        char words[256], counts[3][WORDS_MAX];
        html_raw(html, "<ul class=\"tiles\">");
        begin_tile(html, clean ? "good" : "high");
        html_text(html, verdict);
        end_tile(html, "the verdict now");
        begin_tile(html, NULL);
        put_count(html, high + medium + low);
        snprintf(words, sizeof words, "open drifts: %s high, %s medium, %s low", count_text(high, counts[0]),
                count_text(medium, counts[1]), count_text(low, counts[2]));
        end_tile(html, words);
        begin_tile(html, NULL);
        put_count(html, page->account->lists[ACCOUNT_APPROVED].count);
        end_tile(html, "approved changes in the period");
        begin_tile(html, NULL);
        put_count(html, page->account->lists[ACCOUNT_REVERTED].count);
        end_tile(html, "deviations that went without approval");
        begin_tile(html, NULL);
        put_count(html, watched_of(page).gaps);
        end_tile(html, "gaps in the watching");
        html_raw(html, "</ul>\n");
}

static void
write_head(struct html *html, const struct page *page)
{
        char since[CLOCK_TEXT_MAX], until[CLOCK_TEXT_MAX], made[CLOCK_TEXT_MAX];
        const char *host = json_text(page->status, "host"), *trust = json_text(page->status, "trust_id");
        html_raw(html, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                       "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                       "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                       "style-src 'unsafe-inline'\"><meta name=\"generator\" content=\"driftctl\">"
                       "<title>driftd report: ");
        html_text(html, host);
        html_raw(html, "</title><style>" PAGE_STYLE "</style></head>\n<body><header><h1>Host integrity, ");
        html_raw(html, "<span class=\"mono\">");
        html_text(html, host);
        html_raw(html, "</span></h1><p>From %s to %s. ", utc_text(page->account->since_ms, since),
                utc_text(page->account->until_ms, until));
        html_raw(html, "<span class=\"soft\">Made %s by driftctl %s.</span></p>",
                utc_text(page->made_ms, made), DRIFTD_VERSION);
        html_raw(html, "<p class=\"soft\">Trust <code>");
        html_text(html, trust ? trust : "none");
        html_raw(html, "</code></p></header>\n<main>");
}

/* ---- coverage ---- */

static double
place_of(const struct page *page, int64_t time_ms)
{
        const struct account *account = page->account;
        double share =
                (double)(time_ms - account->since_ms) / (double)(account->until_ms - account->since_ms);
        return CHART_WIDTH * (share < 0 ? 0 : share > 1 ? 1 : share);
}

static void
draw_span(struct html *html, const struct page *page, int64_t from_ms, int64_t to_ms, const char *color)
{
        double from = place_of(page, from_ms), width = place_of(page, to_ms) - from;
        html_raw(html, "<rect x=\"%.2f\" y=\"0\" width=\"%.2f\" height=\"36\" fill=\"var(--%s)\"/>", from,
                width < 2 ? 2 : width, color); /* a short one is seen, too */
}

static void
draw_coverage(struct html *html, const struct page *page, const char *words)
{
        const struct account *account = page->account;
        char since[CLOCK_TEXT_MAX], until[CLOCK_TEXT_MAX];
        html_raw(html, "<figure><svg viewBox=\"0 0 1000 60\" role=\"img\" aria-label=\"");
        html_text(html, words);
        html_raw(html, "\">");
        draw_span(html, page, account->since_ms, account->until_ms, "good");
        json_each (json_member(page->coverage, "gaps"), i, gap) {
                int64_t from, to;
                if (json_time(gap, "from", &from) == 0 && json_time(gap, "until", &to) == 0)
                        draw_span(html, page, from, to, is_before_history(gap) ? "none" : "high");
        }
        html_raw(html, "<text x=\"0\" y=\"54\">%s</text>", utc_text(account->since_ms, since));
        html_raw(html, "<text x=\"1000\" y=\"54\" text-anchor=\"end\">%s</text></svg><figcaption>",
                utc_text(account->until_ms, until));
        html_text(html, words);
        html_raw(html,
                "<br><span class=\"key\" style=\"background:var(--good)\"></span>watched"
                "<span class=\"key\" style=\"background:var(--high)\"></span>nobody is proved to have"
                " watched<span class=\"key\" style=\"background:var(--none)\"></span>before the history"
                "</figcaption></figure>\n");
}

static void
write_gaps(struct html *html, const struct page *page)
{
        const struct watched watched = watched_of(page);
        char caption[256], count[WORDS_MAX];
        if (!watched.gaps)
                return;
        snprintf(caption, sizeof caption, "Gaps: %s", count_text(watched.gaps, count));
        begin_table(html, "Gaps", caption, "From|To|For|Why");
        json_each (json_member(page->coverage, "gaps"), i, gap) {
                char length[CLOCK_TEXT_MAX];
                if (is_before_history(gap))
                        continue;
                duration_describe(json_number(gap, "ms"), length);
                html_raw(html, "<tr>");
                put_time(html, "td", gap, "from");
                put_time(html, "td", gap, "until");
                html_element(html, "td", " class=\"time\"", length);
                html_element(html, "td", NULL, gap_words(json_text(gap, "reason")));
                html_raw(html, "</tr>");
        }
        end_table(html);
}

static void
write_coverage(struct html *html, const struct page *page)
{
        const struct json *passes = json_member(page->coverage, "passes");
        const struct watched watched = watched_of(page);
        char words[512], length[CLOCK_TEXT_MAX], longest[CLOCK_TEXT_MAX], share[WORDS_MAX];
        begin_section(html, "coverage", "What was watched");
        duration_describe(watched.of_ms, length);
        duration_describe(json_number(passes, "longest_without_full_ms"), longest);
        if (watched.of_ms <= 0)
                snprintf(words, sizeof words, "The history does not reach back to this period.");
        else
                snprintf(words, sizeof words,
                        "Watched %s of the %s of the period that the history tells of. Passes: %lld "
                        "full, "
                        "%lld quick, %lld incomplete; at most %s without a full one.",
                        percent_text(watched.ms, watched.of_ms, share), length, json_number(passes, "full"),
                        json_number(passes, "quick"), json_number(passes, "incomplete"), longest);
        draw_coverage(html, page, words);
        write_gaps(html, page);
        end_section(html);
}

/* ---- drift over time ---- */

static uint64_t
bar_sum(const struct account_bar *bar)
{
        return bar->found[SEVERITY_HIGH] + bar->found[SEVERITY_MEDIUM] + bar->found[SEVERITY_LOW];
}

/* The top of the scale: 4, 8 or 20 times a power of ten, so that its quarters are whole. */
static uint64_t
scale_of(const struct account *account)
{
        uint64_t most = 0, step = 1;
        for (size_t i = 0; i < account->n_bars; i++)
                most = bar_sum(&account->bars[i]) > most ? bar_sum(&account->bars[i]) : most;
        while (step * 20 < most)
                step *= 10;
        return most <= step * 4 ? step * 4 : most <= step * 8 ? step * 8 : step * 20;
}

static void
draw_bar(struct html *html, const struct account *account, size_t index, uint64_t scale)
{
        static const enum severity order[] = {SEVERITY_LOW, SEVERITY_MEDIUM, SEVERITY_HIGH};
        double room = (CHART_WIDTH - CHART_LEFT) / (double)account->n_bars, bottom = CHART_HEIGHT;
        for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
                double height = CHART_HEIGHT * (double)account->bars[index].found[order[i]] / (double)scale;
                bottom -= height;
                if (height > 0)
                        html_raw(html,
                                "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
                                "fill=\"var(--%s)\"/>",
                                CHART_LEFT + room * (double)index + room * 0.1, bottom, room * 0.8, height,
                                severity_names[order[i]]);
        }
}

static void
draw_drift(struct html *html, const struct account *account)
{
        uint64_t scale = scale_of(account);
        char from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX], part[CLOCK_TEXT_MAX];
        duration_describe(account->bar_ms, part);
        html_raw(html,
                "<figure><svg viewBox=\"0 -10 1000 240\" role=\"img\" "
                "aria-label=\"Drift found over time, by severity; the figures are in the table below\">");
        for (unsigned i = 0; i <= 4; i++) {
                double y = CHART_HEIGHT - CHART_HEIGHT * i / 4;
                html_raw(html,
                        "<line x1=\"%.0f\" x2=\"1000\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"var(--line)\"/>",
                        CHART_LEFT, y, y);
                html_raw(html, "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%g</text>", CHART_LEFT - 6,
                        y + 4, (double)scale * i / 4);
        }
        for (size_t i = 0; i < account->n_bars; i++)
                draw_bar(html, account, i, scale);
        html_raw(html, "<text x=\"%.0f\" y=\"%.0f\">%s</text>", CHART_LEFT, CHART_HEIGHT + CHART_BELOW - 6,
                utc_text(account->bars[0].from_ms, from));
        html_raw(html, "<text x=\"1000\" y=\"%.0f\" text-anchor=\"end\">%s</text></svg><figcaption>",
                CHART_HEIGHT + CHART_BELOW - 6, utc_text(account->until_ms, to));
        html_raw(html,
                "Drift found or changed, in parts of %s."
                "<span class=\"key\" style=\"background:var(--high)\"></span>high"
                "<span class=\"key\" style=\"background:var(--medium)\"></span>medium"
                "<span class=\"key\" style=\"background:var(--low)\"></span>low</figcaption></figure>\n",
                part);
}

static void
write_drift_figures(struct html *html, const struct account *account)
{
        html_raw(html, "<details><summary>The figures</summary>");
        begin_table(
                html, "Drift found, by severity", "Parts without drift are left out", "From|High|Medium|Low");
        for (size_t i = 0; i < account->n_bars; i++) {
                char text[CLOCK_TEXT_MAX], count[WORDS_MAX];
                if (!bar_sum(&account->bars[i]))
                        continue;
                html_raw(html, "<tr>");
                html_element(html, "td", " class=\"time\"", utc_text(account->bars[i].from_ms, text));
                for (enum severity s = 0; s < SEVERITY_COUNT; s++)
                        html_element(html, "td", " class=\"number\"",
                                count_text(account->bars[i].found[s], count));
                html_raw(html, "</tr>");
        }
        end_table(html);
        html_raw(html, "</details>");
}

static void
write_reverted(struct html *html, const struct account *account)
{
        const struct account_list *list = &account->lists[ACCOUNT_REVERTED];
        char caption[256];
        if (!list->count)
                return;
        list_caption(list, "Deviations that went away without approval (findings all the same)", caption,
                sizeof caption);
        begin_table(html, "Reverted", caption, "Over at|Item|Was|Baseline");
        for (size_t i = 0; i < account_kept(list); i++) {
                const struct json *record = account_row(list, i), *detail = json_member(record, "detail");
                html_raw(html, "<tr>");
                put_time(html, "td", record, "time");
                html_element(html, "td", " class=\"mono\"", json_text(record, "item"));
                html_element(html, "td", NULL, json_text(detail, "change"));
                html_element(html, "td", NULL, json_text(detail, "baseline"));
                html_raw(html, "</tr>");
        }
        end_table(html);
}

static void
write_drift(struct html *html, const struct page *page)
{
        const struct account *account = page->account;
        begin_section(html, "drift", "What drifted");
        if (account->found[SEVERITY_HIGH] + account->found[SEVERITY_MEDIUM] + account->found[SEVERITY_LOW]) {
                draw_drift(html, account);
                write_drift_figures(html, account);
        } else {
                html_raw(html, "<p>No drift was found in the period.</p>");
        }
        write_reverted(html, account);
        end_section(html);
}

/* ---- approvals ---- */

static void
put_approved(struct html *html, const struct json *record)
{
        const struct json *detail = json_member(record, "detail");
        const char *ticket = json_text(detail, "ticket"), *kind = json_text(record, "kind");
        bool adopted = kind && strcmp(kind, "adopted") == 0;
        html_raw(html, "<tr>");
        put_time(html, "td", record, "time");
        html_raw(html, "<td>");
        html_text(html, json_text(detail, "baseline"));
        html_raw(html, "@%lld</td>", json_number(detail, "generation"));
        html_element(html, "td", NULL, ticket ? ticket : "none");
        html_element(html, "td", NULL, json_text(detail, "class"));
        html_element(html, "td", NULL, json_text(detail, "author"));
        html_raw(html, "<td>");
        put_words(html, json_member(detail, "signers"));
        const struct json *on_host = json_member(detail, "key_on_host");
        if (json_length(on_host)) {
                html_raw(html, " (key on the host: ");
                put_words(html, on_host);
                html_raw(html, ")");
        }
        html_raw(html, "%s</td></tr>", adopted ? " (adopted)" : "");
}

static void
write_approvals(struct html *html, const struct page *page)
{
        const struct account_list *approved = &page->account->lists[ACCOUNT_APPROVED],
                                  *refused = &page->account->lists[ACCOUNT_REFUSED],
                                  *trust = &page->account->lists[ACCOUNT_TRUST];
        char caption[256];
        begin_section(html, "approvals", "Who approved what");
        if (!approved->count)
                html_raw(html, "<p>Nothing was approved in the period.</p>");
        list_caption(approved, "Baselines that came into force", caption, sizeof caption);
        if (approved->count) {
                begin_table(html, "Approved", caption, "When|Baseline|Ticket|Class|Author|Approved by");
                for (size_t i = 0; i < account_kept(approved); i++)
                        put_approved(html, account_row(approved, i));
                end_table(html);
        }
        list_caption(refused, "Refused", caption, sizeof caption);
        if (refused->count) {
                begin_table(html, "Refused", caption, "When|Baseline|Why");
                for (size_t i = 0; i < account_kept(refused); i++) {
                        const struct json *record = account_row(refused, i),
                                          *detail = json_member(record, "detail");
                        html_raw(html, "<tr>");
                        put_time(html, "td", record, "time");
                        html_element(html, "td", NULL, json_text(detail, "name"));
                        html_element(html, "td", NULL, json_text(detail, "reason"));
                        html_raw(html, "</tr>");
                }
                end_table(html);
        }
        list_caption(trust, "Trust files, and what was tampered with", caption, sizeof caption);
        if (trust->count) {
                begin_table(html, "Trust", caption, "When|What|Id|State|Why");
                for (size_t i = 0; i < account_kept(trust); i++) {
                        const struct json *record = account_row(trust, i),
                                          *detail = json_member(record, "detail");
                        const char *what = json_text(detail, "what");
                        html_raw(html, "<tr>");
                        put_time(html, "td", record, "time");
                        html_element(html, "td", NULL, what ? what : json_text(record, "kind"));
                        html_element(html, "td", " class=\"mono\"", json_text(detail, "id"));
                        html_element(html, "td", NULL, json_text(detail, "state"));
                        html_element(html, "td", NULL, json_text(detail, "reason"));
                        html_raw(html, "</tr>");
                }
                end_table(html);
        }
        end_section(html);
}

/* ---- what is open ---- */

static void
write_problems(struct html *html, const struct page *page)
{
        const struct json *problems = json_member(page->status, "problems");
        if (!json_length(problems))
                return;
        begin_table(html, "Problems", "What lowers coverage or trust, or is to be known",
                "Problem|How often|Where|What to do");
        json_each (problems, i, problem) {
                char count[WORDS_MAX];
                html_raw(html, "<tr>");
                html_element(html, "td", json_flag(problem, "lowers_coverage") ? " class=\"high\"" : NULL,
                        json_text(problem, "kind"));
                html_element(html, "td", " class=\"number\"",
                        count_text((uint64_t)json_number(problem, "count"), count));
                html_element(html, "td", " class=\"mono\"", json_text(problem, "where"));
                html_element(html, "td", NULL, json_text(problem, "hint"));
                html_raw(html, "</tr>");
        }
        end_table(html);
}

static void
put_open(struct html *html, const struct json *drift)
{
        const char *severity = json_text(drift, "severity");
        char attributes[32];
        snprintf(attributes, sizeof attributes, " class=\"%.10s\"", severity ? severity : "");
        html_raw(html, "<tr>");
        html_element(html, "td", attributes, severity);
        html_element(html, "td", NULL, json_text(drift, "change"));
        html_element(html, "td", " class=\"mono\"", json_text(drift, "item"));
        html_raw(html, "<td>");
        json_each (json_member(drift, "attributes"), i, attribute) {
                html_raw(html, i ? " " : "");
                html_text(html, json_text(attribute, "name"));
        }
        html_raw(html, "</td>");
        put_time(html, "td", drift, "first_seen");
        html_element(html, "td", NULL, json_text(drift, "state"));
        html_element(html, "td", NULL, json_text(drift, "baseline"));
        html_raw(html, "</tr>");
}

static void
write_open(struct html *html, const struct page *page)
{
        char caption[256], shown[WORDS_MAX], all[WORDS_MAX];
        begin_section(html, "open", "What is open now");
        count_text(json_length(page->drifts), shown);
        count_text(page->n_drifts, all);
        if (!page->n_drifts)
                html_raw(html, "<p>Nothing: all that was looked at is as it was approved.</p>");
        if (page->n_drifts > json_length(page->drifts))
                snprintf(caption, sizeof caption, "Open drift: %s of %s; driftctl diff has them all", shown,
                        all);
        else
                snprintf(caption, sizeof caption, "Open drift: %s", all);
        if (page->n_drifts) {
                begin_table(html, "Open drift", caption, "Severity|Change|Item|What|Since|State|Baseline");
                json_each (page->drifts, i, drift)
                        put_open(html, drift);
                end_table(html);
        }
        write_problems(html, page);
        end_section(html);
}

/* ---- how to check ---- */

static void
write_foot(struct html *html, const struct page *page)
{
        const struct account *account = page->account;
        char count[WORDS_MAX];
        begin_section(html, "check", "How to check this");
        html_raw(html, "<p>This page is a reading of %s records of the history",
                count_text(account->records, count));
        if (account->records)
                html_raw(html, " (number %" PRIu64 " to %" PRIu64 ")", account->first_seq, account->last_seq);
        html_raw(html,
                ". It proves nothing by itself: the records do. On the host, <code>driftctl verify</code> "
                "recomputes the whole history, and <code>driftctl log --since T --until T</code> shows it. "
                "The root of the history now is <code>");
        html_text(html, json_text(json_member(page->status, "history"), "root"));
        html_raw(html, "</code>.</p>");
        end_section(html);
        html_raw(html, "</main></body></html>\n");
}

int
page_write(const struct page *page, struct buf *ret)
{
        _cleanup_html_ struct html html = {0};
        write_head(&html, page);
        write_tiles(&html, page);
        write_coverage(&html, page);
        write_drift(&html, page);
        write_approvals(&html, page);
        write_open(&html, page);
        write_foot(&html, page);
        if (html.failed)
                return -ENOMEM;
        *ret = html.text;
        html.text = (struct buf){0};
        return 0;
}
