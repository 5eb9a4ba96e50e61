/* SPDX-License-Identifier: MIT */
/*
 * Documents in words. The lines that people know from diff and status are made here, once; exit codes come
 * from the document and never from what was printed.
 */
#include "cli/report.h"

#include <errno.h>
#include <string.h>

#include "cli/fold.h"
#include "cli/who_words.h"
#include "core/clock.h"

static const struct {
        const char *verdict;
        int code;
        enum color color;
} verdicts[] = {
        {"clean", EXIT_CLEAN, COLOR_GREEN},
        {"drift", EXIT_DRIFT, COLOR_RED},
        {"incomplete", EXIT_INCOMPLETE, COLOR_YELLOW},
        {"untrusted", EXIT_UNTRUSTED, COLOR_RED},
};

int
verdict_exit(const char *verdict)
{
        for (size_t i = 0; verdict && i < ARRAY_SIZE(verdicts); i++)
                if (strcmp(verdicts[i].verdict, verdict) == 0)
                        return verdicts[i].code;
        return EXIT_INCOMPLETE;
}

enum color
verdict_color(const char *verdict)
{
        for (size_t i = 0; verdict && i < ARRAY_SIZE(verdicts); i++)
                if (strcmp(verdicts[i].verdict, verdict) == 0)
                        return verdicts[i].color;
        return COLOR_PLAIN;
}

static int
state_exit(const char *state)
{
        static const struct {
                const char *state;
                int code;
        } states[] = {{"trusted", EXIT_CLEAN}, {"stale", EXIT_INCOMPLETE}, {"untrusted", EXIT_UNTRUSTED}};
        for (size_t i = 0; state && i < ARRAY_SIZE(states); i++)
                if (strcmp(states[i].state, state) == 0)
                        return states[i].code;
        return EXIT_INCOMPLETE;
}

int
document_exit(const struct json *document)
{
        int code = verdict_exit(json_text(document, "verdict"));
        if (!json_flag(json_member(document, "coverage"), "complete"))
                code = exit_worst(code, EXIT_INCOMPLETE);
        json_each (json_member(document, "baselines"), i, baseline)
                code = exit_worst(code, state_exit(json_text(baseline, "state")));
        return code;
}

static int
append_signers(const struct json *signers, struct buf *ret)
{
        int r = 0;
        json_each (signers, i, signer) {
                const char *name = json_string_of(signer);
                const char *between = i == 0 ? " signed by " : i + 1 == json_length(signers) ? " and " : ", ";
                r = r ? r : buf_printf(ret, "%s%s", between, name ? name : "?");
        }
        return r;
}

static int
append_baselines(const struct json *baselines, struct buf *ret)
{
        int r = json_length(baselines) ? 0 : buf_text(ret, "no baseline");
        json_each (baselines, i, baseline) {
                const char *name = json_text(baseline, "name"), *state = json_text(baseline, "state");
                r = r ? r
                      : buf_printf(ret, "%s%s@%lld", i ? ", " : "", name ? name : "?",
                                json_number(baseline, "generation"));
                r = r ? r : append_signers(json_member(baseline, "signers"), ret);
                if (state && strcmp(state, "trusted") != 0)
                        r = r ? r : buf_printf(ret, " (%s)", state);
        }
        return r;
}

int
report_trust_words(const struct json *document, int64_t now_ms, struct buf *ret)
{
        const struct json *coverage = json_member(document, "coverage");
        char age[WORDS_MAX];
        int64_t oldest_ms;
        int r = append_baselines(json_member(document, "baselines"), ret);
        if (r)
                return r;
        if (json_time(coverage, "oldest_content_check", &oldest_ms) == 0)
                return now_ms - oldest_ms < 1000 ? buf_text(ret, " · content verified just now")
                                                 : buf_printf(ret, " · content verified within %s",
                                                           age_text(oldest_ms, now_ms, age));
        /* Where all is verified and no content was, none is expected: settings alone. */
        bool content = json_number(coverage, "expected") && !json_flag(coverage, "complete");
        return content ? buf_text(ret, " · content not yet verified") : 0;
}

/* A review that is due is asked for wherever people look: it is they who have to give it. */
static bool
is_for_every_answer(const struct json *problem)
{
        const char *kind = json_text(problem, "kind");
        const struct json *lowers = json_member(problem, "lowers_coverage");
        return !lowers || json_flag(problem, "lowers_coverage") || (kind && strcmp(kind, "review_due") == 0);
}

void
report_problems(struct cli *cli, const struct json *problems, bool only_lowering)
{
        _cleanup_table_ struct table table = table_make(3);
        json_each (problems, i, problem) {
                const char *kind = json_text(problem, "kind"), *where = json_text(problem, "where");
                const char *hint = json_text(problem, "hint");
                json_int count = json_number(problem, "count");
                if (only_lowering && !is_for_every_answer(problem))
                        continue;
                char number[WORDS_MAX] = "";
                if (count > 1)
                        snprintf(number, sizeof number, " (%lld)", count);
                table_cell(&table, COLOR_YELLOW, "%s%s", kind ? kind : "?", number);
                table_cell(&table, COLOR_PLAIN, "%s", where ? where : "");
                table_cell(&table, COLOR_PLAIN, "%s", hint ? hint : "");
        }
        table_print(&table, &cli->out);
}

void
report_first_steps(struct cli *cli, const struct json *document)
{
        if (json_text(document, "trust_id"))
                cli_next(cli, "driftctl bless --ticket … --key K signs a first baseline of this host");
        else
                cli_next(cli, "driftctl init says whom this host trusts; then driftctl bless signs a first "
                              "baseline");
}

/* ---- drifts ---- */

int
drift_detail(const struct json *drift, struct buf *ret)
{
        const char *change = json_text(drift, "change"), *reason = json_text(drift, "reason");
        if (reason)
                return print_words(ret, reason);
        if (!change || strcmp(change, "changed") != 0)
                return 0;
        int r = 0;
        json_each (json_member(drift, "attributes"), i, attribute) {
                const char *name = json_text(attribute, "name");
                const char *blank = i ? " " : "";
                if (name && strcmp(name, "value") == 0)
                        r = r ? r : append_sides(ret, attribute);
                else
                        r = r ? r : buf_printf(ret, "%s%s", blank, name ? name : "?");
        }
        return r;
}

static const char *
base_name(const char *path)
{
        const char *slash = strrchr(path, '/');
        return slash ? slash + 1 : path;
}

/* Which weaker line the one that counts overrides: "99-local.conf:1 overrides 50-hardening.conf:2 (1)". */
static int
append_overridden(const struct json *configured, struct buf *ret)
{
        const struct json *overridden = json_member(configured, "overrides");
        const char *source = json_text(configured, "source"), *weaker = json_text(overridden, "source"),
                   *value = json_text(overridden, "value");
        if (!source || !weaker)
                return 0;
        return buf_printf(ret, "%s%s overrides %s (%s)", ret->size ? "; " : "", base_name(source),
                base_name(weaker), value ? value : "?");
}

/*
 * What the next start would bring, where that is not what is in force: "reverts at reboot
 * (99-hardening.conf:12 says 0)". Of the configured side as an item of its own: "from the next reboot on
 * (99-hardening.conf:12)".
 */
static int
append_views(const struct json *drift, struct buf *ret)
{
        const struct json *views = json_member(drift, "views");
        const char *item = json_text(drift, "item");
        const char *running = json_text(views, "running"), *after = json_text(views, "after_restart");
        const struct json *configured = json_member(views, "configured");
        const char *source = json_text(configured, "source"), *value = json_text(configured, "value");
        const char *start = item && strncmp(item, "sysctl:", 7) == 0 ? "reboot" : "restart";
        const char *at = item ? strrchr(item, '@') : NULL;
        bool of_restart = at && strcmp(at, "@after_restart") == 0;
        if (!of_restart && after && (!running || strcmp(running, after) != 0)) {
                int r = buf_printf(ret, "reverts at %s", start);
                return r || !source
                               ? r
                               : buf_printf(ret, " (%s says %s)", base_name(source), value ? value : after);
        }
        int r = of_restart ? buf_printf(ret, "from the next %s on", start) : 0;
        if (r == 0 && of_restart && source)
                r = buf_printf(ret, " (%s)", base_name(source));
        return r ? r : append_overridden(configured, ret);
}

static int
append_state(const struct json *drift, struct buf *ret)
{
        const char *state = json_text(drift, "state");
        const struct json *waiver = json_member(drift, "waiver");
        const char *by = json_text(waiver, "by"), *until = json_text(waiver, "until");
        int r = 0;
        const char *baseline = json_text(drift, "baseline");
        if (baseline && strcmp(baseline, "host") != 0) /* whose expectation it is */
                r = buf_printf(ret, "  by %s", baseline);
        if (r)
                return r;
        if (state && strcmp(state, "waived") == 0 && by)
                r = buf_printf(ret, "  waived by %s until %s", by, until ? until : "?");
        else if (state && strcmp(state, "open") != 0)
                r = buf_printf(ret, "  %s", state);
        const char *ticket = json_text(json_member(drift, "window"), "ticket");
        const char *end = json_text(json_member(drift, "window"), "until");
        if (r == 0 && ticket)
                r = buf_printf(ret, "  in window %s (until %s)", ticket, end ? end : "?");
        r = r || !json_flag(drift, "unobserved") ? r : buf_text(ret, "  while unobserved");
        _cleanup_buf_ struct buf who = {0};
        r = r ? r : who_words(json_member(drift, "who"), &who);
        return r || !who.size ? r : buf_printf(ret, "  %s", who.data);
}

/* When; how long ago that is, where it is not the same as in the line before; and what else is to be said. */
static int
append_when(const struct json *drift, int64_t now_ms, char last_age[static WORDS_MAX], struct buf *ret)
{
        int64_t first_ms;
        char when[WORDS_MAX], age[WORDS_MAX];
        int r = append_views(drift, ret);
        if (r || ret->size || json_time(drift, "first_seen", &first_ms) < 0)
                return r ? r : append_state(drift, ret);
        r = buf_printf(ret, "since %s", time_text(first_ms, now_ms, when));
        if (r == 0 && strcmp(age_text(first_ms, now_ms, age), last_age) != 0)
                r = buf_printf(ret, " (%s)", age);
        memcpy(last_age, age, sizeof age);
        return r ? r : append_state(drift, ret);
}

static void
report_drift(struct table *table, const struct json *drift, int64_t now_ms, char last_age[static WORDS_MAX])
{
        _cleanup_buf_ struct buf detail = {0}, when = {0};
        const char *change = json_text(drift, "change"), *item = json_text(drift, "item");
        const char *state = json_text(drift, "state"),
                   *digest = json_text(json_member(drift, "cause"), "digest");
        bool open = !state || strcmp(state, "open") == 0;
        enum color color = open ? severity_color(json_text(drift, "severity")) : COLOR_DIM;
        if (drift_detail(drift, &detail) < 0 || append_when(drift, now_ms, last_age, &when) < 0) {
                table->failed = true;
                return;
        }
        const char *follows = json_text(json_member(drift, "cause"), "item");
        if (digest && strcmp(digest, "differs") == 0)
                buf_text(&when, "  dpkg's digest differs");
        if (follows)
                buf_printf(&when, "  follows %s", follows);
        table_cell(table, color, "%s", change ? change : "?");
        table_cell(table, COLOR_PLAIN, "%s", item ? item : "?");
        table_cell(table, COLOR_PLAIN, "%s", detail.data ? detail.data : "");
        table_cell(table, COLOR_PLAIN, "%s", when.data ? when.data : "");
}

static void
report_fold(struct table *table, const struct fold *fold, int64_t now_ms, char last_age[static WORDS_MAX])
{
        _cleanup_buf_ struct buf name = {0}, words = {0}, when = {0};
        if (cause_package_words(fold->cause, true, &name) < 0 || fold_words(fold, &words) < 0 ||
                append_when(fold->first, now_ms, last_age, &when) < 0) {
                table->failed = true;
                return;
        }
        table_cell(table, severity_color(fold->severity), "package");
        table_cell(table, COLOR_PLAIN, "%s", name.data);
        table_cell(table, COLOR_PLAIN, "%s", words.data);
        table_cell(table, COLOR_PLAIN, "%s", when.data ? when.data : "");
}

size_t
report_drifts(struct cli *cli, const struct json *drifts, bool fold, int64_t now_ms)
{
        _cleanup_table_ struct table table = table_make(4);
        _cleanup_folds_ struct folds folds = {0};
        char last_age[WORDS_MAX] = "";
        size_t folded = 0;
        if (fold && folds_make(drifts, &folds) < 0) /* no memory to fold: all of them, as far as it goes */
                fold = false;
        for (size_t i = 0; i < folds.n; i++) {
                report_fold(&table, &folds.list[i], now_ms, last_age);
                folded += folds.list[i].count;
        }
        json_each (drifts, i, drift)
                if (!fold || !folds.of[i])
                        report_drift(&table, drift, now_ms, last_age);
        table_print(&table, &cli->out);
        return folded;
}

/* What dpkg's own word is of what is there, or is not. */
static const char *
agreement_words(const struct json *drift, const char *digest)
{
        const char *change = json_text(drift, "change");
        bool agrees = digest && strcmp(digest, "agrees") == 0;
        if (agrees && change && strcmp(change, "missing") == 0)
                return "and dpkg no longer lists it (corroboration, not approval)";
        if (agrees)
                return "its digest agrees (corroboration, not approval)";
        return digest && strcmp(digest, "differs") == 0
                       ? "but its digest DIFFERS: this is not what dpkg unpacked"
                       : "no digest to compare with";
}

int
report_cause(const struct json *drift, int64_t now_ms, struct buf *ret)
{
        const struct json *cause = json_member(drift, "cause");
        const char *action = json_text(cause, "action"), *manager = json_text(cause, "manager");
        const char *by = json_text(cause, "requested_by"), *command = json_text(cause, "command");
        char when[WORDS_MAX] = "?";
        int64_t time_ms;
        if (json_is_null(cause))
                return 0;
        if (json_text(cause, "item"))
                return buf_printf(ret, "it follows the change of %s", json_text(cause, "item"));
        if (json_time(cause, "transaction", &time_ms) == 0)
                time_text(time_ms, now_ms, when);
        int r = buf_printf(ret, "%s: %s of ", manager ? manager : "?", action ? action : "change");
        r = r ? r : cause_package_words(cause, false, ret);
        r = r ? r : buf_printf(ret, " at %s, %s", when, agreement_words(drift, json_text(cause, "digest")));
        r = r || !command ? r : buf_text(ret, " · ");
        r = r || !command ? r : print_words(ret, command);
        r = r || !by ? r : buf_text(ret, " · by ");
        return r || !by ? r : print_words(ret, by);
}

const char *
gap_words(const char *reason)
{
        static const char *const words[][2] = {
                {"not_running", "was not running, and had not been stopped"},
                {"stopped", "was stopped"},
                {"silent", "no record: suspended, stuck, or the store could not be written"},
                {"overflow", "events were lost, until the rescan was done"},
                {"watch_lost", "folders without a watch: only passes looked there"},
                {"no_history", "before the first start"},
                {"no_baseline", "no baseline was in force: nothing was expected"},
        };
        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (reason && strcmp(words[i][0], reason) == 0)
                        return words[i][1];
        return reason ? reason : "?";
}
