/* SPDX-License-Identifier: MIT */
/*
 * The judgement of a pack, as a document and in words. For a kernel parameter that fails the line that would
 * set it right is given where there is only one: as sysctl.d(5) has it, with the file and line that set it
 * otherwise now. Values are escaped in the document, as at every sink.
 */
#include <errno.h>
#include <string.h>

#include "cli/policy.h"
#include "core/clock.h"
#include "core/escape.h"

static const struct {
        enum color color;
        int code;
} outcomes[POLICY_OUTCOME_COUNT] = {
        [POLICY_PASS] = {COLOR_GREEN, EXIT_CLEAN},
        [POLICY_FAIL] = {COLOR_RED, EXIT_DRIFT},
        [POLICY_UNKNOWN] = {COLOR_YELLOW, EXIT_INCOMPLETE},
        [POLICY_NOT_APPLICABLE] = {COLOR_DIM, EXIT_CLEAN},
        [POLICY_WAIVED] = {COLOR_CYAN, EXIT_CLEAN},
};

static const char *const verdict_words[SETTING_VERDICT_COUNT] = {
        [SETTING_VERDICT_MET] = "met",
        [SETTING_VERDICT_NOT_MET] = "not_met",
        [SETTING_VERDICT_MISSING] = "missing",
        [SETTING_VERDICT_UNKNOWN] = "unknown",
        [SETTING_VERDICT_NOT_APPLICABLE] = "not_applicable",
};

int
policy_exit(const struct policy_result *results, size_t n)
{
        int code = EXIT_CLEAN;
        for (size_t i = 0; i < n; i++) {
                int one = outcomes[results[i].outcome].code;
                if (code == EXIT_CLEAN || one == EXIT_DRIFT)
                        code = one == EXIT_CLEAN ? code : one;
        }
        return code;
}

int
policy_wanted(const struct setting *line, struct buf *ret)
{
        _cleanup_buf_ struct buf value = {0};
        bool bare = line->op == SETTING_EXISTS || line->op == SETTING_ABSENT;
        int r = print_words(&value, line->value);
        if (r == 0 && line->op == SETTING_EQ)
                return buf_text(ret, value.size ? value.data : "\"\"");
        if (r == 0)
                r = buf_printf(ret, "%s%s%s", setting_operator_names[line->op], bare ? "" : " ",
                        bare         ? ""
                        : value.size ? value.data
                                     : "\"\"");
        return r;
}

/* ---- what would set it right ---- */

/* The one value that meets a line, escaped; NULL: there is more than one way. */
static const char *
fixing_value(const struct setting *line, size_t *ret_size)
{
        bool plain = line->op == SETTING_EQ || line->op == SETTING_GE || line->op == SETTING_LE ||
                     line->op == SETTING_IN;
        const char *blank = line->op == SETTING_IN ? strstr(line->value, "\\x20") : NULL;
        *ret_size = blank ? (size_t)(blank - line->value) : strlen(line->value);
        return plain && *ret_size && line->quantifier != SETTING_NONE ? line->value : NULL;
}

/* A key as sysctl.d(5) has it: with dots, or as it is where a name has dots of its own. */
static int
append_key(const char *key, size_t size, struct buf *ret)
{
        size_t start = ret->size;
        int r = buf_append(ret, key, size);
        bool dotted = memchr(key, '.', size) != NULL;
        for (size_t i = start; r == 0 && !dotted && i < ret->size; i++)
                if (ret->data[i] == '/')
                        ret->data[i] = '.';
        return r;
}

static int
append_assignment(
        const char *key, size_t key_size, const char *value, size_t value_size, struct text_list *ret)
{
        _cleanup_buf_ struct buf line = {0}, escaped = {0};
        int r = append_key(key, key_size, &line);
        r = r ? r : buf_append(&escaped, value, value_size);
        r = r ? r : buf_text(&line, " = ");
        r = r ? r : print_words(&line, escaped.data);
        return r ? r : text_list_add(ret, line.data, line.size);
}

static bool
finding_fails(const struct policy_finding *finding)
{
        return !finding->waiver &&
               (finding->verdict == SETTING_VERDICT_NOT_MET || finding->verdict == SETTING_VERDICT_MISSING);
}

static bool
configured_right(const struct policy_check *check, const struct policy_finding *finding)
{
        return finding->configured &&
               setting_meets(check->line.op, check->line.value, finding->configured, 0, 0) == SETTING_MET;
}

/*
 * The line for sysctl.d, appended; nothing where it is not plain. A glob stays one: where `all`, `default`
 * and every interface say the same, that comes out, however the kernel works it out. A key that the kernel
 * has not cannot be set.
 */
static int
add_fix(const struct policy_check *check, const struct policy_finding *finding, struct text_list *ret)
{
        size_t value_size;
        const char *value = fixing_value(&check->line, &value_size);
        if (!value || finding->verdict != SETTING_VERDICT_NOT_MET || !finding_fails(finding) ||
                setting_domain(check->item) != SCOPE_SYSCTL || strstr(check->item, "**"))
                return 0;
        if (configured_right(check, finding))
                return 0; /* it is written already */
        const char *key = strchr(check->item, ':') + 1;
        return append_assignment(key, strcspn(key, "@"), value, value_size, ret);
}

/* ---- the document ---- */

/* A raw text, escaped; JSON's null for NULL. */
static struct json *
escaped_json(const char *raw)
{
        if (!raw)
                return json_null_new();
        _cleanup_free_ char *escaped = escape_new(raw, strlen(raw));
        return escaped ? json_string_new(escaped) : NULL;
}

/* Words that were made here or by a probe: blanks stay, all else that is not plain is escaped. */
static struct json *
words_json(const char *words)
{
        _cleanup_buf_ struct buf filtered = {0};
        if (!words)
                return json_null_new();
        if (buf_text(&filtered, "") < 0 || print_filter(&filtered, words, strlen(words)) < 0)
                return NULL;
        return json_string_new(filtered.data ? filtered.data : "");
}

static struct json *
waiver_json(const struct waiver *waiver)
{
        char until[CLOCK_TEXT_MAX];
        if (!waiver)
                return json_null_new();
        clock_format_seconds(waiver->until_ms, until);
        return json_make("{s:s, s:s, s:s}", "by", waiver->by, "until", until, "reason", waiver->reason);
}

static struct json *
finding_json(const struct policy_finding *finding)
{
        struct json *configured =
                finding->configured ? json_make("{s:o, s:o}", "value", escaped_json(finding->configured),
                                              "source", escaped_json(finding->source))
                                    : json_null_new();
        return json_make("{s:s, s:s, s:o, s:o, s:o, s:o}", "item", finding->item, "verdict",
                verdict_words[finding->verdict], "value", escaped_json(finding->value), "configured",
                configured, "reason", words_json(finding->reason), "waiver", waiver_json(finding->waiver));
}

struct json *
policy_check_json(const struct policy_check *check)
{
        const struct setting *line = &check->line;
        return json_make("{s:s, s:s, s:s, s:s, s:s?, s:s?, s:s?, s:b, s:s, s:o, s:o}", "name", check->name,
                "item", check->item, "operator", setting_operator_names[line->op], "value", line->value,
                "quantifier",
                line->quantifier == SETTING_EVERY ? NULL : setting_quantifier_names[line->quantifier],
                "default", line->fallback, "if", line->condition, "after_restart", check->after_restart,
                "severity", severity_names[line->severity], "reason", words_json(check->reason), "controls",
                json_words(line->controls));
}

static struct json *
result_json(const struct policy_check *check, const struct policy_result *result)
{
        _cleanup_(text_list_done) struct text_list fixes = {0};
        struct json *findings = json_array_make(), *object = policy_check_json(check);
        for (size_t i = 0; i < result->n_findings; i++) {
                json_gather(&findings, finding_json(&result->findings[i]));
                if (add_fix(check, &result->findings[i], &fixes) < 0)
                        findings = json_free(findings);
        }
        text_list_sort(&fixes);
        int r = object ? 0 : -ENOMEM;
        r = r ? r : json_put(object, "result", json_string_new(policy_outcome_names[result->outcome]));
        r = r ? r : json_put(object, "findings", steal_pointer(&findings));
        r = r ? r : json_put(object, "fix", text_list_json(&fixes));
        json_free(findings);
        return r ? json_free(object) : object;
}

static struct json *
failures_json(const struct policy_host *host)
{
        struct json *list = json_array_make();
        for (int domain = SCOPE_SYSCTL; domain < SCOPE_DOMAIN_COUNT; domain++)
                if (host->failures[domain])
                        json_gather(&list, json_make("{s:s, s:o}", "domain", scope_domain_names[domain],
                                                   "error", words_json(host->failures[domain])));
        return list;
}

static void
count(const struct policy_result *results, size_t n, size_t counts[static POLICY_OUTCOME_COUNT])
{
        memset(counts, 0, POLICY_OUTCOME_COUNT * sizeof *counts);
        for (size_t i = 0; i < n; i++)
                counts[results[i].outcome]++;
}

struct json *
policy_document(
        const struct policy *policy, const struct policy_host *host, const struct policy_result *results)
{
        static const char *const verdicts[] = {"clean", "drift", "incomplete"};
        size_t n, counts[POLICY_OUTCOME_COUNT];
        char now[CLOCK_TEXT_MAX];
        const struct policy_check *checks = policy_checks(policy, &n);
        struct json *list = json_array_make(), *numbers = json_make("{}");
        for (size_t i = 0; i < n; i++)
                json_gather(&list, result_json(&checks[i], &results[i]));
        count(results, n, counts);
        for (int i = 0; numbers && i < POLICY_OUTCOME_COUNT; i++)
                if (json_put(numbers, policy_outcome_names[i], json_make("I", (json_int)counts[i])) < 0)
                        numbers = json_free(numbers);
        clock_format(host->now_ms, now);
        return json_make("{s:s, s:s, s:i, s:o, s:s, s:s, s:o, s:o, s:o}", "schema", "driftd.policy/1", "name",
                policy_name(policy), "version", (int)policy_version(policy), "title",
                words_json(policy_title(policy)), "taken_at", now, "verdict",
                verdicts[policy_exit(results, n)], "counts", numbers, "checks", list, "problems",
                failures_json(host));
}

/* ---- words ---- */

#define VALUE_WIDTH_MAX 48 /* bytes: a longer one is cut, and whole in the document */
#define FOLD_MIN 3u        /* findings that say the same */

static void
append_cut(struct buf *ret, const char *text)
{
        size_t size = strlen(text);
        if (size <= VALUE_WIDTH_MAX)
                buf_text(ret, text);
        else
                buf_printf(ret, "%.*s…", VALUE_WIDTH_MAX - 1, text);
}

/* What it is, and what it should be: "1 → 0". */
static void
append_change(const struct setting *line, const struct policy_finding *finding, struct buf *ret)
{
        _cleanup_buf_ struct buf wanted = {0}, offenders = {0};
        policy_wanted(line, &wanted);
        if (finding->value && finding->verdict == SETTING_VERDICT_NOT_MET)
                setting_offenders(line->op, line->value, finding->value, &offenders);
        if (offenders.size)
                buf_text(ret, line->op == SETTING_SUPERSET_OF ? "without " : "has ");
        append_cut(ret, offenders.size                                ? offenders.data
                        : finding->value                              ? finding->value
                        : finding->verdict == SETTING_VERDICT_UNKNOWN ? "?"
                                                                      : "(not there)");
        buf_text(ret, " → ");
        append_cut(ret, wanted.data ? wanted.data : "");
}

static void
append_why(const struct policy_check *check, const struct policy_finding *finding, struct buf *ret)
{
        if (finding->waiver && buf_printf(ret, "waived by %s: ", finding->waiver->by) == 0)
                print_words(ret, finding->waiver->reason);
        else
                buf_text(ret, finding->reason ? finding->reason : check->reason);
}

static enum policy_outcome
finding_outcome(const struct policy_finding *finding)
{
        if (finding->waiver)
                return POLICY_WAIVED;
        return finding_fails(finding) ? POLICY_FAIL : POLICY_UNKNOWN;
}

static bool
texts_equal(const char *a, const char *b)
{
        return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool
says_the_same(const struct policy_finding *a, const struct policy_finding *b)
{
        return a->verdict == b->verdict && a->waiver == b->waiver && texts_equal(a->value, b->value) &&
               texts_equal(a->reason, b->reason);
}

/* How many findings say the same as this one; 0 if an earlier one does. */
static size_t
count_alike(const struct policy_result *result, size_t index)
{
        size_t n = 0;
        for (size_t i = 0; i < result->n_findings; i++) {
                bool same = says_the_same(&result->findings[i], &result->findings[index]);
                if (same && i < index)
                        return 0;
                n += same;
        }
        return n;
}

static void
print_finding(struct table *table, const struct policy_check *check, const struct policy_finding *finding,
        size_t folded)
{
        _cleanup_buf_ struct buf change = {0}, why = {0};
        enum policy_outcome outcome = finding_outcome(finding);
        const char *severity = severity_names[check->line.severity];
        append_change(&check->line, finding, &change);
        append_why(check, finding, &why);
        if (folded)
                buf_printf(&change, " (%zu items)", folded);
        table_cell(table, outcomes[outcome].color, "%s", policy_outcome_names[outcome]);
        table_cell(table, severity_color(severity), "%s", severity);
        table_cell(table, COLOR_BOLD, "%s", check->name);
        table_cell(table, COLOR_PLAIN, "%s", folded ? check->item : finding->item);
        table_cell(table, COLOR_PLAIN, "%s", change.data ? change.data : "");
        table_cell(table, COLOR_PLAIN, "%s", why.data ? why.data : "");
}

/* A check of which nothing is wrong is one line. */
static void
print_quiet(struct table *table, const struct policy_check *check, const struct policy_result *result)
{
        const struct policy_finding *first = result->n_findings ? result->findings : NULL;
        _cleanup_buf_ struct buf value = {0};
        bool alike = first && count_alike(result, 0) == result->n_findings;
        if (result->outcome == POLICY_NOT_APPLICABLE)
                buf_text(&value, first ? "its condition does not hold" : "nothing matches");
        else if (alike && first->value)
                append_cut(&value, first->value);
        if (result->n_findings > 1)
                buf_printf(&value, "%s%zu items%s", value.size ? " (" : "", result->n_findings,
                        value.size ? ")" : "");
        table_cell(table, outcomes[result->outcome].color, "%s", policy_outcome_names[result->outcome]);
        table_cell(table, COLOR_PLAIN, "%s", severity_names[check->line.severity]);
        table_cell(table, COLOR_PLAIN, "%s", check->name);
        table_cell(table, COLOR_PLAIN, "%s", check->item);
        table_cell(table, COLOR_DIM, "%s", value.data ? value.data : "");
        table_row(table);
}

/* Returns whether something was folded. */
static bool
print_result(struct table *table, const struct policy_check *check, const struct policy_result *result,
        bool expand)
{
        bool quiet = true, folded = false;
        for (size_t i = 0; i < result->n_findings; i++) {
                const struct policy_finding *finding = &result->findings[i];
                if (finding->verdict == SETTING_VERDICT_MET ||
                        finding->verdict == SETTING_VERDICT_NOT_APPLICABLE)
                        continue;
                quiet = false;
                size_t alike = count_alike(result, i);
                bool fold = !expand && (!alike || alike >= FOLD_MIN);
                if (!fold || alike)
                        print_finding(table, check, finding, fold ? alike : 0);
                folded |= fold;
        }
        if (quiet)
                print_quiet(table, check, result);
        return folded;
}

/* Which files say something of what fails. */
static void
print_sources(
        struct cli *cli, const struct policy_check *checks, const struct policy_result *results, size_t n)
{
        _cleanup_(text_list_done) struct text_list lines = {0};
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < results[i].n_findings; k++) {
                        const struct policy_finding *f = &results[i].findings[k];
                        _cleanup_buf_ struct buf text = {0};
                        if (!finding_fails(f) || !f->source || !f->configured ||
                                setting_domain(f->item) != SCOPE_SYSCTL)
                                continue;
                        const char *key = strchr(f->item, ':') + 1;
                        if (buf_printf(&text, "%s says %.*s = %s%s", f->source, (int)strcspn(key, "@"), key,
                                    f->configured,
                                    configured_right(&checks[i], f) ? " (not in force: sysctl --system)"
                                                                    : "") == 0)
                                text_list_add(&lines, text.data, text.size);
                }
        text_list_sort(&lines);
        for (size_t i = 0; i < lines.count; i++)
                print(&cli->out, "%s    %s\n", i ? "" : "What the files say now:\n", lines.items[i]);
}

static void
print_fixes(struct cli *cli, const struct policy_check *checks, const struct policy_result *results, size_t n)
{
        _cleanup_(text_list_done) struct text_list fixes = {0};
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < results[i].n_findings; k++)
                        add_fix(&checks[i], &results[i].findings[k], &fixes);
        text_list_sort(&fixes);
        if (fixes.count)
                print(&cli->out, "To fix, in a file of /etc/sysctl.d (then: sysctl --system):\n");
        for (size_t i = 0; i < fixes.count; i++)
                print(&cli->out, "    %s\n", fixes.items[i]);
}

void
policy_print(struct cli *cli, const struct policy *policy, const struct policy_result *results)
{
        size_t n, counts[POLICY_OUTCOME_COUNT];
        const struct policy_check *checks = policy_checks(policy, &n);
        bool expand = args_given(&cli->args, "expand"), folded = false;
        _cleanup_table_ struct table table = table_make(6);
        for (size_t i = 0; i < n; i++)
                folded |= print_result(&table, &checks[i], &results[i], expand);
        table_print(&table, &cli->out);
        count(results, n, counts);
        if (!cli->quiet) {
                print_fixes(cli, checks, results, n);
                print_sources(cli, checks, results, n);
        }
        print(&cli->out, "%s %u: ", policy_name(policy), policy_version(policy));
        print_colored(&cli->out, counts[POLICY_FAIL] ? COLOR_RED : COLOR_PLAIN, "%zu of %zu checks fail",
                counts[POLICY_FAIL], n);
        print(&cli->out, " · %zu unknown · %zu pass · %zu waived · %zu not applicable\n",
                counts[POLICY_UNKNOWN], counts[POLICY_PASS], counts[POLICY_WAIVED],
                counts[POLICY_NOT_APPLICABLE]);
        if (folded)
                cli_next(cli, "driftctl policy check --expand lists each item");
}
