/* SPDX-License-Identifier: MIT */
/*
 * The state of the host as metrics: the Prometheus text format 0.0.4, which node_exporter's textfile
 * collector parses and promtool checks. (OpenMetrics proper asks for `# EOF`, which that collector does not
 * take, and for types in other words; timestamps it refuses.) A table of what can be read from the status by
 * one rule, and a function for each that cannot. A metric of which nothing is known is left out: no number
 * stands for "unknown".
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/output.h"
#include "cli/print.h"

struct page {
        struct buf *to;
        int r;
};

static void say(struct page *page, const char *format, ...) _printf_(2, 3);

static void
say(struct page *page, const char *format, ...)
{
        char line[512];
        va_list args;
        va_start(args, format);
        int n = vsnprintf(line, sizeof line, format, args);
        va_end(args);
        if (n < 0 || (size_t)n >= sizeof line)
                page->r = page->r ? page->r : -EINVAL;
        page->r = page->r ? page->r : buf_text(page->to, line);
}

static void
head(struct page *page, const char *name, const char *type, const char *help)
{
        say(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
one(struct page *page, const char *name, const char *help, json_int value)
{
        head(page, name, "gauge", help);
        say(page, "%s %lld\n", name, value);
}

/* Seconds with milliseconds, exactly. */
static void
say_seconds(struct page *page, const char *name, const char *labels, int64_t ms)
{
        say(page, "%s%s %lld.%03lld\n", name, labels, (long long)(ms / 1000), (long long)(ms % 1000));
}

static void
one_time(struct page *page, const char *name, const char *help, const struct json *object, const char *key)
{
        int64_t time_ms;
        if (json_time(object, key, &time_ms) < 0)
                return;
        head(page, name, "gauge", help);
        say_seconds(page, name, "", time_ms);
}

/* Text of the daemon's, for a label: only what can need no escape there. */
static const char *
label(const char *text, char ret[static NAME_MAX_SIZE])
{
        size_t n = 0;
        for (; text && text[n] && n < NAME_MAX_SIZE - 1; n++)
                ret[n] =
                        (char)(text[n] > 0x20 && text[n] < 0x7f && text[n] != '"' && text[n] != '\\' ? text[n]
                                                                                                     : '_');
        ret[n] = '\0';
        return ret;
}

/* ---- from the status ---- */

static void
say_daemon(struct page *page, const struct json *status)
{
        static const char *const verdicts[] = {"clean", "drift", "incomplete", "untrusted"};
        const struct json *daemon = json_member(status, "daemon");
        const char *verdict = json_text(status, "verdict");
        char text[NAME_MAX_SIZE];
        head(page, "driftd_build_info", "gauge", "Always 1; the version of the daemon.");
        say(page, "driftd_build_info{version=\"%s\"} 1\n", label(json_text(daemon, "version"), text));
        one_time(page, "driftd_start_timestamp_seconds", "When the daemon was started.", daemon, "since");
        head(page, "driftd_verdict", "gauge", "1 for the verdict that holds, 0 for the others.");
        for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++)
                say(page, "driftd_verdict{verdict=\"%s\"} %d\n", verdicts[i],
                        verdict && strcmp(verdict, verdicts[i]) == 0);
}

static void
say_open(struct page *page, const struct json *telemetry)
{
        head(page, "driftd_open_drifts", "gauge", "Open drifts that are not waived.");
        json_each (json_member(telemetry, "open"), i, domain)
                for (size_t s = 0; s < SEVERITY_COUNT; s++) {
                        char text[NAME_MAX_SIZE];
                        say(page, "driftd_open_drifts{domain=\"%s\",severity=\"%s\"} %lld\n",
                                label(json_text(domain, "domain"), text), severity_names[s],
                                json_number(domain, severity_names[s]));
                }
}

static void
say_coverage(struct page *page, const struct json *status)
{
        const struct json *coverage = json_member(status, "coverage");
        json_int expected = json_number(coverage, "expected"), verified = json_number(coverage, "verified");
        one(page, "driftd_coverage_complete",
                "Whether everything that is expected was verified as often as signed.",
                json_flag(coverage, "complete"));
        if (expected > 0) {
                head(page, "driftd_coverage_ratio", "gauge", "Share of the expectations that are verified.");
                say(page, "driftd_coverage_ratio %.9g\n", (double)verified / (double)expected);
        }
        one(page, "driftd_items_expected", "Expectations of the baselines in force.", expected);
        one(page, "driftd_items_verified", "Expectations of them that are verified.", verified);
        one_time(page, "driftd_oldest_content_check_timestamp_seconds",
                "When the content that was checked longest ago was checked.", coverage,
                "oldest_content_check");
}

static void
say_passes(struct page *page, const struct json *telemetry)
{
        const struct json *passes = json_member(telemetry, "passes");
        char labels[NAME_MAX_SIZE + 16], text[NAME_MAX_SIZE];
        int64_t ended_ms;
        bool any = false;
        json_each (passes, i, pass)
                any |= json_time(pass, "ended", &ended_ms) == 0;
        for (int duration = 0; any && duration < 2; duration++) {
                const char *name =
                        duration ? "driftd_last_pass_duration_seconds" : "driftd_last_pass_timestamp_seconds";
                head(page, name, "gauge",
                        duration ? "How long the last whole pass took." : "When the last whole pass ended.");
                json_each (passes, i, pass) {
                        if (json_time(pass, "ended", &ended_ms) < 0)
                                continue;
                        snprintf(
                                labels, sizeof labels, "{pass=\"%s\"}", label(json_text(pass, "pass"), text));
                        say_seconds(page, name, labels, duration ? json_number(pass, "ms") : ended_ms);
                }
        }
}

static void
say_trouble(struct page *page, const struct json *status, const struct json *telemetry)
{
        const struct json *problems = json_member(json_member(status, "coverage"), "problems");
        char text[NAME_MAX_SIZE];
        json_int unknown = 0;
        json_each (problems, i, problem) {
                const char *kind = json_text(problem, "kind");
                if (kind && strcmp(kind, "not_probed") == 0)
                        unknown = json_number(problem, "count");
        }
        one(page, "driftd_probe_errors",
                "Expected settings of which nothing is known now, because their probe failed.", unknown);
        head(page, "driftd_probe_failures_total", "counter",
                "Looks at settings that failed, since the start.");
        json_each (json_member(telemetry, "probe_failures"), i, domain)
                say(page, "driftd_probe_failures_total{domain=\"%s\"} %lld\n",
                        label(json_text(domain, "domain"), text), json_number(domain, "count"));
        head(page, "driftd_events_dropped_total", "counter",
                "Records and hints that were lost since the start; what they were of is looked at anew.");
        say(page, "driftd_events_dropped_total %lld\n", json_number(telemetry, "dropped"));
        head(page, "driftd_overflows_total", "counter",
                "Times that the queue of the kernel's events, or ours, overflowed, since the start.");
        say(page, "driftd_overflows_total %lld\n", json_number(telemetry, "overflows"));
        if (json_length(problems))
                head(page, "driftd_problems", "gauge", "Count of each problem that driftctl status shows.");
        json_each (problems, i, problem)
                say(page, "driftd_problems{kind=\"%s\"} %lld\n", label(json_text(problem, "kind"), text),
                        json_number(problem, "count"));
}

/* One metric of each baseline: its time under a key, or a number. */
static void
say_baselines(struct page *page, const struct json *status, const char *name, const char *help,
        const char *key, bool is_time)
{
        bool began = false;
        json_each (json_member(status, "baselines"), i, baseline) {
                char labels[NAME_MAX_SIZE + 16], text[NAME_MAX_SIZE];
                const char *state = json_text(baseline, "state");
                int64_t time_ms;
                if (is_time && json_time(baseline, key, &time_ms) < 0)
                        continue;
                if (!began)
                        head(page, name, "gauge", help);
                began = true;
                snprintf(
                        labels, sizeof labels, "{baseline=\"%s\"}", label(json_text(baseline, "name"), text));
                if (is_time)
                        say_seconds(page, name, labels, time_ms);
                else
                        say(page, "%s%s %lld\n", name, labels,
                                strcmp(key, "state") == 0 ? state && strcmp(state, "trusted") == 0
                                                          : json_number(baseline, key));
        }
}

static void
say_status(struct page *page, const struct json *status)
{
        const struct json *telemetry = json_member(status, "telemetry");
        say_daemon(page, status);
        say_open(page, telemetry);
        say_coverage(page, status);
        say_passes(page, telemetry);
        say_trouble(page, status, telemetry);
        say_baselines(
                page, status, "driftd_baseline_generation", "Generation in force.", "generation", false);
        say_baselines(page, status, "driftd_baseline_created_timestamp_seconds",
                "When the generation in force was made.", "created", true);
        say_baselines(page, status, "driftd_baseline_expires_timestamp_seconds",
                "When it becomes stale; none: never.", "expires", true);
        say_baselines(page, status, "driftd_baseline_trusted", "Whether it is trusted and not stale.",
                "state", false);
        one(page, "driftd_windows_open", "Change windows that are open.",
                (json_int)json_length(json_member(status, "windows")));
        one(page, "driftd_history_records", "Records of the history.",
                json_number(json_member(status, "history"), "size"));
}

/* ---- from the relay ---- */

enum about { PENDING, DELIVERED, FAILURES, LAST };

static void
say_outputs(struct page *page, const struct output_counts *outputs, size_t n, enum about about)
{
        static const struct {
                const char *name, *type, *help;
        } metrics[] = {
                [PENDING] = {"driftd_output_pending_records", "gauge",
                        "Records of the history that the output has still to look at."},
                [DELIVERED] = {"driftd_output_delivered_total", "counter",
                        "Records that the output delivered since the relay was started."},
                [FAILURES] = {"driftd_output_failures_total", "counter",
                        "Failed attempts to deliver since the relay was started."},
                [LAST] = {"driftd_output_last_delivery_timestamp_seconds", "gauge",
                        "When the output last delivered."},
        };
        bool began = false;
        for (size_t i = 0; i < n; i++) {
                const struct output_counts *o = &outputs[i];
                if (about == LAST ? !o->last_delivery_ms : o->type == OUTPUT_OPENMETRICS && about != FAILURES)
                        continue;
                if (!began)
                        head(page, metrics[about].name, metrics[about].type, metrics[about].help);
                began = true;
                char labels[NAME_MAX_SIZE + 64];
                snprintf(labels, sizeof labels, "{output=\"%s\",type=\"%s\"}", o->name,
                        output_type_names[o->type]);
                if (about == LAST)
                        say_seconds(page, metrics[about].name, labels, o->last_delivery_ms);
                else
                        say(page, "%s%s %llu\n", metrics[about].name, labels,
                                (unsigned long long)(about == PENDING     ? o->pending
                                                     : about == DELIVERED ? o->delivered
                                                                          : o->failures));
        }
}

int
output_metrics(const struct json *status, int64_t answered_ms, const struct output_counts *outputs,
        size_t n_outputs, struct buf *ret)
{
        struct page page = {ret, 0};
        one(&page, "driftd_up", "Whether the daemon answered at the last look.", status != NULL);
        if (answered_ms) {
                head(&page, "driftd_last_answer_timestamp_seconds", "gauge",
                        "When the daemon last answered.");
                say_seconds(&page, "driftd_last_answer_timestamp_seconds", "", answered_ms);
        }
        if (status)
                say_status(&page, status);
        for (enum about about = PENDING; about <= LAST; about++)
                say_outputs(&page, outputs, n_outputs, about);
        return page.r;
}
