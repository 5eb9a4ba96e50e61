/* SPDX-License-Identifier: MIT */
/*
 * Checks are made in one walk over the document; their words are made when they are asked for, from the rows
 * themselves, so that a check costs a few words of memory. Nothing is judged here: outcomes follow from
 * states, verdicts and changes that the document has, and what is not understood is an error, never a pass.
 */
#include "cli/checks.h"

#include <errno.h>
#include <string.h>

#include "cli/report.h"
#include "core/clock.h"

#define WHO_MEMBERS_MAX 16u /* of who made a change, told in a line */

static bool
is(const char *text, const char *other)
{
        return text && strcmp(text, other) == 0;
}

size_t
item_domain(const char *item)
{
        return strcspn(item, ":[");
}

/* ---- making ---- */

/* The group of that name, made if there is none. */
static unsigned
group_of(struct checks *checks, const char *name)
{
        for (unsigned i = 0; i < checks->n_groups; i++)
                if (strcmp(checks->groups[i].name, name) == 0)
                        return i;
        if (checks->n_groups == CHECK_GROUPS_MAX)
                return CHECK_GROUPS_MAX - 1;
        struct check_group *group = &checks->groups[checks->n_groups];
        snprintf(group->name, sizeof group->name, "%s", name);
        return checks->n_groups++;
}

static int
add(struct checks *checks, unsigned group, enum check_kind kind, enum check_outcome outcome,
        const struct json *about)
{
        if (!(checks->n & (checks->n - 1))) {
                size_t capacity = checks->n ? 2 * checks->n : 1;
                struct check *grown = reallocarray(checks->list, capacity, sizeof *grown);
                if (!grown)
                        return -ENOMEM;
                checks->list = grown;
        }
        checks->list[checks->n++] = (struct check){kind, outcome, about, group};
        checks->groups[group].counts[outcome]++;
        return 0;
}

static int
add_trust(struct checks *checks)
{
        const struct json *document = checks->document, *baselines = json_member(document, "baselines");
        unsigned group = group_of(checks, "trust");
        bool untrusted = is(json_text(document, "verdict"), "untrusted");
        int r = add(checks, group, CHECK_VERDICT,
                untrusted || !json_length(baselines) ? CHECK_ERROR : CHECK_PASSED, document);
        json_each (baselines, i, baseline) {
                bool trusted = is(json_text(baseline, "state"), "trusted");
                r = r ? r
                      : add(checks, group, CHECK_BASELINE, trusted ? CHECK_PASSED : CHECK_ERROR, baseline);
        }
        return r;
}

static bool
lowers(const struct json *problem)
{
        const struct json *flag = json_member(problem, "lowers_coverage");
        return !flag || json_flag(problem, "lowers_coverage");
}

/* A problem of trust, or of a drift that is unknown, has its own check and no second one here. */
static bool
has_own_check(const struct json *problem)
{
        static const char *const kinds[] = {"untrusted", "no_baseline", "stale", "unknown"};
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
                if (is(json_text(problem, "kind"), kinds[i]))
                        return true;
        return false;
}

static int
add_coverage(struct checks *checks)
{
        const struct json *coverage = json_member(checks->document, "coverage");
        unsigned group = group_of(checks, "coverage");
        int r = add(checks, group, CHECK_COMPLETE,
                json_flag(coverage, "complete") ? CHECK_PASSED : CHECK_ERROR, coverage);
        json_each (json_member(coverage, "problems"), i, problem)
                if (r == 0 && lowers(problem) && !has_own_check(problem))
                        r = add(checks, group, CHECK_PROBLEM, CHECK_ERROR, problem);
        return r;
}

/* One word, whatever is in it: it becomes the name of a class. */
static void
item_group_name(const char *baseline, const char *domain, size_t size, char name[static CHECK_GROUP_NAME_MAX])
{
        snprintf(name, CHECK_GROUP_NAME_MAX, "%.80s.%.*s", baseline ? baseline : "host",
                (int)(size < 32 ? size : 32), domain);
        for (char *c = name; *c; c++)
                if (*c <= ' ' || *c > '~')
                        *c = '?';
}

/* All that is in a baseline and in order, domain by domain. Where not all was looked at, nothing is said of
 * it. */
static int
add_rests(struct checks *checks)
{
        bool complete = json_flag(json_member(checks->document, "coverage"), "complete");
        char name[CHECK_GROUP_NAME_MAX];
        json_each (json_member(checks->document, "baselines"), i, baseline) {
                const struct json *expected = json_member(baseline, "expected");
                for (const char *domain = json_key_after(expected, NULL); domain;
                        domain = json_key_after(expected, domain)) {
                        item_group_name(json_text(baseline, "name"), domain, strlen(domain), name);
                        unsigned group = group_of(checks, name);
                        checks->groups[group].expected = json_number(expected, domain);
                        int r = add(
                                checks, group, CHECK_REST, complete ? CHECK_PASSED : CHECK_SKIPPED, baseline);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

static enum check_outcome
row_outcome(const struct json *row)
{
        const char *outcome = json_text(row, "outcome"), *state = json_text(row, "state");
        if (outcome)
                return is(outcome, "expected")                              ? CHECK_PASSED
                       : is(outcome, "unexpected") || is(outcome, "absent") ? CHECK_FAILED
                                                                            : CHECK_ERROR;
        if (is(state, "waived"))
                return CHECK_WAIVED;
        const char *change = json_text(row, "change");
        return !change || is(change, "unknown") ? CHECK_ERROR : CHECK_FAILED;
}

static int
add_rows(struct checks *checks, const struct json *rows)
{
        char name[CHECK_GROUP_NAME_MAX];
        json_each (rows, i, row) {
                const char *item = json_text(row, "item");
                item = item ? item : "?";
                item_group_name(json_text(row, "baseline"), item, item_domain(item), name);
                int r = add(checks, group_of(checks, name), CHECK_ITEM, row_outcome(row), row);
                if (r < 0)
                        return r;
        }
        return 0;
}

int
checks_make(const struct json *document, const struct json *rows, struct checks *ret)
{
        struct checks checks = {.document = document};
        int r = add_trust(&checks);
        r = r ? r : add_coverage(&checks);
        r = r ? r : add_rests(&checks);
        r = r ? r : add_rows(&checks, rows);
        if (r < 0) {
                checks_done(&checks);
                return r;
        }
        *ret = checks;
        return 0;
}

void
checks_done(struct checks *checks)
{
        free(checks->list);
        *checks = (struct checks){0};
}

size_t
check_group_size(const struct check_group *group)
{
        size_t size = 0;
        for (unsigned i = 0; i < CHECK_OUTCOME_COUNT; i++)
                size += group->counts[i];
        return size;
}

size_t
checks_count(const struct checks *checks, enum check_outcome outcome)
{
        size_t count = 0;
        for (unsigned i = 0; i < checks->n_groups; i++)
                count += checks->groups[i].counts[outcome];
        return count;
}

/* ---- words ---- */

static const char *
or_unknown(const char *text)
{
        return text ? text : "?";
}

const char *
check_type(const struct check *check)
{
        switch (check->kind) {
        case CHECK_VERDICT:
                return is(json_text(check->about, "verdict"), "untrusted") ? "untrusted" : "no_baseline";
        case CHECK_BASELINE:
                return or_unknown(json_text(check->about, "state"));
        case CHECK_COMPLETE:
                return "incomplete";
        case CHECK_PROBLEM:
                return or_unknown(json_text(check->about, "kind"));
        case CHECK_REST:
                return "rest";
        case CHECK_ITEM:
                break;
        }
        const char *change = json_text(check->about, "change");
        return is(json_text(check->about, "outcome"), "absent") ? "absent" : change ? change : "unknown";
}

/* What a value holds must not begin a line: newlines and tabs are escaped, as everywhere. */
static int
append_line(struct buf *ret, const char *text)
{
        int r = 0;
        for (; *text && r == 0; text++)
                r = *text == '\n' || *text == '\t' || *text == '\r' ? buf_escape(ret, text, 1)
                                                                    : buf_append(ret, text, 1);
        return r;
}

int
check_name(const struct check *check, struct buf *ret)
{
        int r;
        switch (check->kind) {
        case CHECK_VERDICT:
                return buf_text(ret, "verdict");
        case CHECK_BASELINE:
                r = buf_text(ret, "baseline ");
                return r ? r : append_line(ret, or_unknown(json_text(check->about, "name")));
        case CHECK_COMPLETE:
                return buf_text(ret, "complete");
        case CHECK_PROBLEM:
                return append_line(ret, check_type(check));
        case CHECK_REST:
                return buf_text(ret, "every other item");
        case CHECK_ITEM:
                break;
        }
        return append_line(ret, or_unknown(json_text(check->about, "item")));
}

static int
append_baseline(const struct json *baseline, struct buf *ret)
{
        const char *state = json_text(baseline, "state"), *expires = json_text(baseline, "expires");
        int r = buf_printf(ret, "%s@%lld is %s", or_unknown(json_text(baseline, "name")),
                json_number(baseline, "generation"), or_unknown(state));
        return r || !is(state, "stale") || !expires ? r : buf_printf(ret, ": it expired at %s", expires);
}

static int
append_problem(const struct json *problem, struct buf *ret)
{
        const char *where = json_text(problem, "where"), *hint = json_text(problem, "hint");
        json_int count = json_number(problem, "count");
        int r = buf_text(ret, or_unknown(json_text(problem, "kind")));
        r = r || count < 2 ? r : buf_printf(ret, " (%lld)", count);
        r = r || !where || !*where ? r : buf_printf(ret, ": %s", where);
        return r || !hint || !*hint ? r : buf_printf(ret, " (%s)", hint);
}

static int
append_verdict(const struct json *document, enum check_outcome outcome, struct buf *ret)
{
        if (outcome == CHECK_PASSED)
                return buf_text(ret, "what is expected is signed, and the signatures hold");
        if (!is(json_text(document, "verdict"), "untrusted"))
                return buf_text(ret, "no baseline is in force: driftctl bless signs a first one");
        int r = buf_text(ret, "untrusted: a signature, the chain, the store or the trust file does not hold");
        json_each (json_member(json_member(document, "coverage"), "problems"), i, problem)
                if (r == 0 && is(json_text(problem, "kind"), "untrusted")) {
                        r = buf_text(ret, " · ");
                        r = r ? r : append_problem(problem, ret);
                }
        return r ? r : buf_text(ret, " · driftctl verify");
}

static int
append_complete(const struct json *coverage, enum check_outcome outcome, struct buf *ret)
{
        int r = buf_printf(ret, "%lld of %lld items verified", json_number(coverage, "verified"),
                json_number(coverage, "expected"));
        return r || outcome == CHECK_PASSED
                       ? r
                       : buf_text(ret, ": coverage is incomplete · driftctl status says why");
}

static int
append_rest(const struct checks *checks, const struct check *check, struct buf *ret)
{
        json_int expected = checks->groups[check->group].expected;
        return check->outcome == CHECK_PASSED
                       ? buf_printf(ret, "all that is not listed of %lld expected items is as expected",
                                 expected)
                       : buf_text(ret, "coverage is incomplete: nothing is said of what was not looked at");
}

/* by whom and until when, as words: "waived by alice until 2026-12-26T21:41:12Z: vendor's fix". */
static int
append_waiver(const struct json *waiver, struct buf *ret)
{
        const char *reason = json_text(waiver, "reason");
        int r = buf_printf(ret, "waived by %s until %s", or_unknown(json_text(waiver, "by")),
                or_unknown(json_text(waiver, "until")));
        r = r || !reason ? r : buf_text(ret, ": ");
        return r || !reason ? r : print_words(ret, reason);
}

static const char *
change_words(const struct check *check)
{
        static const char *const words[][2] = {
                {"changed", "changed"},
                {"missing", "missing: it is expected and not there"},
                {"unexpected", "unexpected: it is there, and nothing signed expects it"},
                {"absent", "absent: this change was expected, and did not happen"},
                {"unknown", "unknown: it could not be looked at"},
        };
        const char *type = check_type(check);
        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (is(type, words[i][0]))
                        return words[i][1];
        return type;
}

static int
append_row(const struct check *check, struct buf *ret)
{
        _cleanup_buf_ struct buf detail = {0};
        const struct json *row = check->about;
        const char *outcome = json_text(row, "outcome"), *why = json_text(row, "why"),
                   *state = json_text(row, "state");
        int r = drift_detail(row, &detail);
        r = r ? r : buf_text(ret, change_words(check));
        r = r || !detail.size ? r : buf_printf(ret, ": %s", detail.data);
        r = r || !is(outcome, "expected") ? r : buf_text(ret, ", as expected");
        r = r || !is(outcome, "unexpected") ? r : buf_text(ret, ", and the set does not say so");
        r = r || !why ? r : buf_printf(ret, " (%s)", why);
        r = r || !is(state, "acknowledged") ? r : buf_text(ret, " (acknowledged)");
        if (r == 0 && check->outcome == CHECK_WAIVED)
                r = buf_text(ret, " · ");
        return r || check->outcome != CHECK_WAIVED ? r : append_waiver(json_member(row, "waiver"), ret);
}

int
check_message(const struct checks *checks, const struct check *check, struct buf *ret)
{
        _cleanup_buf_ struct buf text = {0};
        int r = check->kind == CHECK_VERDICT    ? append_verdict(check->about, check->outcome, &text)
                : check->kind == CHECK_BASELINE ? append_baseline(check->about, &text)
                : check->kind == CHECK_COMPLETE ? append_complete(check->about, check->outcome, &text)
                : check->kind == CHECK_PROBLEM  ? append_problem(check->about, &text)
                : check->kind == CHECK_REST     ? append_rest(checks, check, &text)
                                                : append_row(check, &text);
        return r || !text.data ? r : append_line(ret, text.data);
}

/* ---- details ---- */

static int
append_detail(struct buf *ret, const char *name, const char *value)
{
        if (!value)
                return 0;
        int r = buf_printf(ret, "%s: ", name);
        r = r ? r : append_line(ret, value);
        return r ? r : buf_text(ret, "\n");
}

int
check_sides(const struct check *check, struct buf *ret)
{
        int r = 0;
        if (check->kind != CHECK_ITEM)
                return 0;
        json_each (json_member(check->about, "attributes"), i, attribute) {
                _cleanup_buf_ struct buf sides = {0};
                const char *expected = json_text(attribute, "expected"),
                           *actual = json_text(attribute, "actual");
                r = r ? r : buf_text(&sides, expected ? expected : "(absent)");
                r = r ? r : buf_text(&sides, " → ");
                r = r ? r : buf_text(&sides, actual ? actual : "(absent)");
                r = r ? r : append_detail(ret, or_unknown(json_text(attribute, "name")), sides.data);
        }
        return r;
}

static int
append_views(const struct json *views, struct buf *ret)
{
        const struct json *configured = json_member(views, "configured");
        int r = append_detail(ret, "running", json_text(views, "running"));
        r = r ? r : append_detail(ret, "configured", json_text(configured, "value"));
        r = r ? r : append_detail(ret, "configured in", json_text(configured, "source"));
        return r ? r : append_detail(ret, "after restart", json_text(views, "after_restart"));
}

/* Who made a change, where that is known: a text, or an object of texts and numbers. */
static int
append_who(const struct json *who, struct buf *ret)
{
        _cleanup_buf_ struct buf line = {0};
        const char *text = json_string_of(who);
        unsigned n = 0;
        int r = 0;
        for (const char *key = text ? NULL : json_key_after(who, NULL); key && r == 0 && n < WHO_MEMBERS_MAX;
                key = json_key_after(who, key)) {
                const char *value = json_text(who, key);
                if (value)
                        r = buf_printf(&line, "%s%s=%s", n++ ? " " : "", key, value);
                else if (json_kind(json_member(who, key)) == JSON_KIND_INTEGER)
                        r = buf_printf(&line, "%s%s=%lld", n++ ? " " : "", key, json_number(who, key));
                else if (json_flag(who, key))
                        r = buf_printf(&line, "%s%s=yes", n++ ? " " : "", key);
        }
        return r ? r : append_detail(ret, "who", text ? text : line.data);
}

int
check_details(const struct check *check, struct buf *ret)
{
        const struct json *row = check->about;
        _cleanup_buf_ struct buf cause = {0};
        if (check->kind != CHECK_ITEM)
                return 0;
        int r = append_views(json_member(row, "views"), ret);
        r = r ? r : append_who(json_member(row, "who"), ret);
        r = r ? r : report_cause(row, clock_now_ms(), &cause);
        r = r ? r : append_detail(ret, "cause", cause.data);
        r = r ? r : append_detail(ret, "in window", json_text(json_member(row, "window"), "ticket"));
        r = r ? r : append_detail(ret, "since", json_text(row, "first_seen"));
        if (r == 0 && json_flag(row, "unobserved"))
                r = buf_text(ret, "it changed while nobody watched\n");
        return r ? r : append_detail(ret, "severity", json_text(row, "severity"));
}
