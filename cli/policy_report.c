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

/* What comes out for an interface does so for certain if `all` and its own value are the same. */
static int
fix_effective(const char *key, size_t size, const char *value, size_t value_size, struct text_list *ret)
{
        _cleanup_buf_ struct buf all = {0};
        static const char conf[] = "/conf/";
        const char *interface = memmem(key, size, conf, sizeof conf - 1);
        const char *name = interface ? strchr(interface + sizeof conf - 1, '/') : NULL;
        if (!name)
                return 0;
        int r = buf_append(&all, key, (size_t)(interface - key) + sizeof conf - 1);
        r = r ? r : buf_text(&all, "all");
        r = r ? r : buf_append(&all, name, size - (size_t)(name - key));
        r = r ? r : append_assignment(all.data, all.size, value, value_size, ret);
        return r ? r : append_assignment(key, size, value, value_size, ret);
}

static bool
finding_fails(const struct policy_finding *finding)
{
        return !finding->waiver &&
               (finding->verdict == SETTING_VERDICT_NOT_MET || finding->verdict == SETTING_VERDICT_MISSING);
}

/* Lines for sysctl.d, appended; nothing where it is not plain. A key that the kernel has not cannot be set.
 */
static int
add_fixes(const struct policy_check *check, const struct policy_finding *finding, struct text_list *ret)
{
        size_t value_size;
        const char *value = fixing_value(&check->line, &value_size);
        if (!value || finding->verdict != SETTING_VERDICT_NOT_MET || !finding_fails(finding) ||
                setting_domain(finding->item) != SCOPE_SYSCTL || setting_is_glob(finding->item))
                return 0;
        const char *key = strchr(finding->item, ':') + 1;
        size_t size = strcspn(key, "@");
        if (strcmp(key + size, "@effective") == 0)
                return fix_effective(key, size, value, value_size, ret);
        return append_assignment(key, size, value, value_size, ret);
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
                if (add_fixes(check, &result->findings[i], &fixes) < 0)
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

static void
print_finding(struct table *table, const struct policy_check *check, const struct policy_result *result,
        const struct policy_finding *finding)
{
        _cleanup_buf_ struct buf wanted = {0}, why = {0};
        enum policy_outcome outcome = finding->waiver                               ? POLICY_WAIVED
                                      : finding_fails(finding)                      ? POLICY_FAIL
                                      : finding->verdict == SETTING_VERDICT_UNKNOWN ? POLICY_UNKNOWN
                                                                                    : result->outcome;
        const char *severity = severity_names[check->line.severity];
        policy_wanted(&check->line, &wanted);
        if (finding->waiver && buf_printf(&why, "waived by %s: ", finding->waiver->by) == 0)
                print_words(&why, finding->waiver->reason);
        else
                buf_text(&why, finding->reason ? finding->reason : check->reason);
        table_cell(table, outcomes[outcome].color, "%s", policy_outcome_names[outcome]);
        table_cell(table, severity_color(severity), "%s", severity);
        table_cell(table, COLOR_BOLD, "%s", check->name);
        table_cell(table, COLOR_PLAIN, "%s", finding->item);
        if (finding->verdict == SETTING_VERDICT_UNKNOWN && !finding->value)
                table_cell(table, COLOR_PLAIN, "? → %s", wanted.data ? wanted.data : "");
        else
                table_cell(table, COLOR_PLAIN, "%s → %s", finding->value ? finding->value : "(not there)",
                        wanted.data ? wanted.data : "");
        table_cell(table, COLOR_PLAIN, "%s", why.data ? why.data : "");
}

/* A check of which nothing is wrong is one line. */
static void
print_quiet(struct table *table, const struct policy_check *check, const struct policy_result *result)
{
        const struct policy_finding *first = result->n_findings ? result->findings : NULL;
        table_cell(table, outcomes[result->outcome].color, "%s", policy_outcome_names[result->outcome]);
        table_cell(table, COLOR_PLAIN, "%s", severity_names[check->line.severity]);
        table_cell(table, COLOR_PLAIN, "%s", check->name);
        table_cell(table, COLOR_PLAIN, "%s", check->item);
        if (result->outcome == POLICY_NOT_APPLICABLE)
                table_cell(table, COLOR_DIM, "%s", first ? "its condition does not hold" : "nothing matches");
        else if (result->n_findings > 1)
                table_cell(table, COLOR_PLAIN, "%zu items", result->n_findings);
        else
                table_cell(table, COLOR_PLAIN, "%s", first && first->value ? first->value : "");
        table_row(table);
}

static void
print_result(struct table *table, const struct policy_check *check, const struct policy_result *result)
{
        bool quiet = true;
        for (size_t i = 0; i < result->n_findings; i++) {
                const struct policy_finding *finding = &result->findings[i];
                if (finding->verdict == SETTING_VERDICT_MET ||
                        finding->verdict == SETTING_VERDICT_NOT_APPLICABLE)
                        continue;
                print_finding(table, check, result, finding);
                quiet = false;
        }
        if (quiet)
                print_quiet(table, check, result);
}

/* Which files set it otherwise now. */
static void
print_sources(
        struct cli *cli, const struct policy_check *checks, const struct policy_result *results, size_t n)
{
        _cleanup_(text_list_done) struct text_list lines = {0};
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < results[i].n_findings; k++) {
                        const struct policy_finding *f = &results[i].findings[k];
                        _cleanup_buf_ struct buf line = {0};
                        if (!finding_fails(f) || !f->source || !f->configured)
                                continue;
                        bool right = setting_meets(checks[i].line.op, checks[i].line.value, f->configured, 0,
                                             clock_now_ms()) == SETTING_MET;
                        if (buf_printf(&line, "%s says %s%s", f->source, f->configured,
                                    right ? " already, which is not in force" : "") == 0)
                                text_list_add(&lines, line.data, line.size);
                }
        text_list_sort(&lines);
        for (size_t i = 0; i < lines.count; i++)
                print(&cli->out, "%s%s\n", i ? "             " : "Set now by:  ", lines.items[i]);
}

static void
print_fixes(struct cli *cli, const struct policy_check *checks, const struct policy_result *results, size_t n)
{
        _cleanup_(text_list_done) struct text_list fixes = {0};
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < results[i].n_findings; k++)
                        add_fixes(&checks[i], &results[i].findings[k], &fixes);
        text_list_sort(&fixes);
        if (fixes.count)
                print(&cli->out, "\nTo fix, in a file of /etc/sysctl.d (then: sysctl --system):\n");
        for (size_t i = 0; i < fixes.count; i++)
                print(&cli->out, "    %s\n", fixes.items[i]);
}

void
policy_print(struct cli *cli, const struct policy *policy, const struct policy_result *results)
{
        size_t n, counts[POLICY_OUTCOME_COUNT];
        const struct policy_check *checks = policy_checks(policy, &n);
        _cleanup_table_ struct table table = table_make(6);
        for (size_t i = 0; i < n; i++)
                print_result(&table, &checks[i], &results[i]);
        table_print(&table, &cli->out);
        count(results, n, counts);
        if (!cli->quiet) {
                print_fixes(cli, checks, results, n);
                print_sources(cli, checks, results, n);
                print(&cli->out, "\n");
        }
        print(&cli->out, "%s %u: ", policy_name(policy), policy_version(policy));
        print_colored(&cli->out, counts[POLICY_FAIL] ? COLOR_RED : COLOR_PLAIN, "%zu of %zu checks fail",
                counts[POLICY_FAIL], n);
        print(&cli->out, " · %zu unknown · %zu pass · %zu waived · %zu not applicable\n",
                counts[POLICY_UNKNOWN], counts[POLICY_PASS], counts[POLICY_WAIVED],
                counts[POLICY_NOT_APPLICABLE]);
}
