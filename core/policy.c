/* SPDX-License-Identifier: MIT */
/*
 * Packs, read through ini_reader.h, which refuses what inih would misread. What is known of their language is
 * two tables of keys. A section's keys are kept as they stand until the section ends; then they are checked
 * in one fixed order, each blamed on its own line, and made into a set line, which must pass the checks of
 * any other. So a pack that loads makes a baseline that opens.
 *
 * The values of a pack are raw, as people write them; only items are escaped, as every output prints them.
 * All texts are owned by one list, into which checks and lines point.
 */
#include "core/policy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/escape.h"
#include "core/file.h"
#include "core/ini_reader.h"
#include "core/quote.h"

struct policy {
        const char *name, *title;
        unsigned version;
        struct policy_check *checks;
        struct setting *restarts; /* a check's second line; without item: there is none */
        size_t n_checks;
        struct text_list texts;
};

enum check_key {
        KEY_ITEM,
        KEY_OPERATOR,
        KEY_VALUE,
        KEY_QUANTIFIER,
        KEY_DEFAULT,
        KEY_CONDITION,
        KEY_RESTART,
        KEY_SEVERITY,
        KEY_REASON,
        KEY_CONTROL,
        CHECK_KEYS,
};

enum policy_key { KEY_NAME, KEY_TITLE, KEY_VERSION, POLICY_KEYS };

struct key {
        const char *name;
        bool required, repeats;
        const char *right; /* how it is written */
};

static const struct key check_keys[CHECK_KEYS] = {
        [KEY_ITEM] = {"item", true, false, "item = sysctl:kernel/kptr_restrict"},
        [KEY_OPERATOR] = {"operator", true, false, "operator = ge (driftd-policy(5) lists them)"},
        [KEY_VALUE] = {"value", false, true, "value = 1"},
        [KEY_QUANTIFIER] = {"quantifier", false, false, "quantifier = all, any or none"},
        [KEY_DEFAULT] = {"default_if_absent", false, false, "default_if_absent = 0"},
        [KEY_CONDITION] = {"applies_if", false, false, "applies_if = sysctl:net/ipv4/ip_forward eq 0"},
        [KEY_RESTART] = {"after_restart", false, false, "after_restart = yes or no"},
        [KEY_SEVERITY] = {"severity", false, false, "severity = high, medium or low"},
        [KEY_REASON] = {"reason", true, false, "reason = why it is expected, in a few words"},
        [KEY_CONTROL] = {"control", false, true, "control = NIST-800-53:CM-6"},
};

static const struct key policy_keys[POLICY_KEYS] = {
        [KEY_NAME] = {"name", true, false, "name = linux-sysctl (letters, digits, '.', '_', '-')"},
        [KEY_TITLE] = {"title", true, false, "title = what the pack is about"},
        [KEY_VERSION] = {"version", true, false, "version = 1"},
};

enum place { BEFORE, IN_POLICY, IN_CHECK };

struct reader {
        struct policy *policy;
        const char *path;
        struct err *err;
        enum place place;
        bool has_policy;
        char check[NAME_MAX_SIZE];
        unsigned line;                /* of the section */
        unsigned at[CHECK_KEYS];      /* line of each key; 0: not there */
        const char *text[CHECK_KEYS]; /* owned by the policy */
        struct text_list values, controls;
};

/* ---- words ---- */

static int refuse(struct reader *r, unsigned line, const char *right, const char *format, ...) _printf_(4, 5);

static int
refuse(struct reader *r, unsigned line, const char *right, const char *format, ...)
{
        char what[ERR_TEXT_MAX - QUOTE_MAX - 16];
        va_list args;
        va_start(args, format);
        vsnprintf(what, sizeof what, format, args);
        va_end(args);
        err_set(r->err, -EINVAL, "%s:%u: %s", quote(r->path), line, what);
        return err_hint(r->err, -EINVAL, "%s", right);
}

/* Blames an inner error on a key, or on the section where the key is not written. */
static int
refuse_as(struct reader *r, enum check_key key, const struct err *inner)
{
        if (inner->code == -ENOMEM)
                return err_oom(r->err);
        return refuse(r, r->at[key] ? r->at[key] : r->line,
                inner->hint[0] ? inner->hint : check_keys[key].right, "%s", inner->text);
}

/* A text that the policy owns from now on; NULL: out of memory. */
static const char *
keep(struct policy *policy, const char *text, size_t size)
{
        if (text_list_add(&policy->texts, text, size) < 0)
                return NULL;
        return policy->texts.items[policy->texts.count - 1];
}

static const char *
keep_escaped(struct policy *policy, const char *text)
{
        _cleanup_free_ char *escaped = escape_new(text, strlen(text));
        return escaped ? keep(policy, escaped, strlen(escaped)) : NULL;
}

/* ---- the parts of a check ---- */

static int
read_item(struct reader *r, struct policy_check *check)
{
        struct err inner = {0};
        if (setting_item_check(r->text[KEY_ITEM], &inner) < 0)
                return refuse_as(r, KEY_ITEM, &inner);
        check->item = check->line.item = r->text[KEY_ITEM];
        return 0;
}

static int
read_operator(struct reader *r, struct policy_check *check)
{
        struct err inner = {0};
        if (setting_operator_parse(r->text[KEY_OPERATOR], &check->line.op, &inner) < 0)
                return refuse_as(r, KEY_OPERATOR, &inner);
        return 0;
}

static bool
takes_words(enum setting_operator op)
{
        return op == SETTING_IN || op == SETTING_NOT_IN || op == SETTING_SUBSET_OF ||
               op == SETTING_SUPERSET_OF || op == SETTING_DISJOINT_FROM;
}

static bool
takes_none(enum setting_operator op)
{
        return op == SETTING_EXISTS || op == SETTING_ABSENT;
}

static int
join_values(struct reader *r, struct policy_check *check)
{
        _cleanup_buf_ struct buf joined = {0};
        int failed = buf_text(&joined, takes_none(check->line.op) && !r->values.count ? "-" : "");
        for (size_t i = 0; i < r->values.count && !failed; i++)
                failed = buf_printf(&joined, "%s%s", i ? " " : "", r->values.items[i]);
        check->value = failed ? NULL : keep(r->policy, joined.data, joined.size);
        check->line.value = check->value ? keep_escaped(r->policy, check->value) : NULL;
        return check->line.value ? 0 : err_oom(r->err);
}

static int
read_value(struct reader *r, struct policy_check *check)
{
        struct err inner = {0};
        enum setting_operator op = check->line.op;
        if (!r->values.count && !takes_none(op))
                return refuse(r, r->line, "value = ... (nothing after the = where it is to be empty)",
                        "[check %s] has no value, and %s needs one", r->check, setting_operator_names[op]);
        if (r->values.count > 1 && !takes_words(op))
                return refuse(r, r->at[KEY_VALUE], "only in, not_in and the sets go over several lines",
                        "%s takes one value, and here is another", setting_operator_names[op]);
        int failed = join_values(r, check);
        if (failed)
                return failed;
        if (setting_operand_check(op, check->line.value, &inner) < 0)
                return refuse_as(r, KEY_VALUE, &inner);
        return 0;
}

static int
read_quantifier(struct reader *r, struct policy_check *check)
{
        const char *text = r->text[KEY_QUANTIFIER];
        if (!text)
                return 0;
        int index = name_index(setting_quantifier_names, SETTING_QUANTIFIER_COUNT, text, strlen(text));
        if (index <= SETTING_EVERY)
                return refuse(r, r->at[KEY_QUANTIFIER], check_keys[KEY_QUANTIFIER].right,
                        "there is no quantifier \"%s\"", quote(text));
        check->line.quantifier = (enum setting_quantifier)index;
        return 0;
}

static int
read_default(struct reader *r, struct policy_check *check)
{
        const char *text = r->text[KEY_DEFAULT];
        if (!text)
                return 0;
        int answer = setting_meets(check->line.op, check->line.value, text, 0, 0);
        if (answer == -ENOMEM)
                return err_oom(r->err);
        if (answer == SETTING_INCOMPARABLE || takes_none(check->line.op) ||
                check->line.op == SETTING_UNREADABLE)
                return refuse(r, r->at[KEY_DEFAULT], "write a value as the software would have it",
                        "%s cannot be asked about the default \"%s\"", setting_operator_names[check->line.op],
                        quote(text));
        check->line.fallback = keep_escaped(r->policy, text);
        return check->line.fallback ? 0 : err_oom(r->err);
}

/* `ITEM OPERATOR the rest` to the canonical `ITEM OPERATOR VALUE`; NULL: out of memory. */
static char *
condition_words(const char *text)
{
        _cleanup_buf_ struct buf words = {0};
        size_t item = strcspn(text, " \t"), gap = strspn(text + item, " \t");
        const char *op = text + item + gap;
        size_t op_size = strcspn(op, " \t");
        const char *value = op + op_size + strspn(op + op_size, " \t");
        bool none = !*value && ((op_size == 6 && memcmp(op, "exists", 6) == 0) ||
                                       (op_size == 6 && memcmp(op, "absent", 6) == 0));
        if (buf_append(&words, text, item) < 0 || buf_text(&words, " ") < 0 ||
                buf_append(&words, op, op_size) < 0 || buf_text(&words, none ? " -" : " ") < 0 ||
                buf_escape(&words, value, strlen(value)) < 0)
                return NULL;
        return buf_steal(&words);
}

static int
read_condition(struct reader *r, struct policy_check *check)
{
        struct setting_condition condition = {0};
        struct err inner = {0};
        if (!r->text[KEY_CONDITION])
                return 0;
        _cleanup_free_ char *words = condition_words(r->text[KEY_CONDITION]);
        check->line.condition = words ? keep_escaped(r->policy, words) : NULL;
        if (!check->line.condition)
                return err_oom(r->err);
        int failed = setting_condition_parse(check->line.condition, check->line.item, &condition, &inner);
        setting_condition_done(&condition);
        return failed < 0 ? refuse_as(r, KEY_CONDITION, &inner) : 0;
}

static int
read_severity(struct reader *r, struct policy_check *check)
{
        const char *text = r->text[KEY_SEVERITY];
        int index = text ? name_index(severity_names, SEVERITY_COUNT, text, strlen(text)) : SEVERITY_MEDIUM;
        if (index < 0)
                return refuse(r, r->at[KEY_SEVERITY], check_keys[KEY_SEVERITY].right,
                        "there is no severity \"%s\"", quote(text));
        check->line.has_severity = true;
        check->line.severity = (enum severity)index;
        return 0;
}

static int
read_reason(struct reader *r, struct policy_check *check)
{
        const char *text = r->text[KEY_REASON];
        if (!*text)
                return refuse(r, r->at[KEY_REASON], check_keys[KEY_REASON].right, "the reason is empty");
        check->reason = text;
        check->line.reason = keep_escaped(r->policy, text);
        return check->line.reason ? 0 : err_oom(r->err);
}

static int
read_controls(struct reader *r, struct policy_check *check)
{
        _cleanup_buf_ struct buf joined = {0};
        size_t n = r->controls.count;
        text_list_sort(&r->controls);
        if (r->controls.count < n || n > POLICY_CONTROLS_MAX)
                return refuse(r, r->at[KEY_CONTROL], check_keys[KEY_CONTROL].right,
                        n > POLICY_CONTROLS_MAX ? "more controls than a check may have"
                                                : "a control stands twice in [check %s]",
                        r->check);
        for (size_t i = 0; i < n; i++) {
                const char *text = r->controls.items[i];
                if (!*text || strchr(text, ' ') || !escape_is_canonical(text, strlen(text)))
                        return refuse(r, r->at[KEY_CONTROL], check_keys[KEY_CONTROL].right,
                                "\"%s\" is no control: printable ASCII without blanks", quote(text));
                if (buf_printf(&joined, "%s%s", i ? " " : "", text) < 0)
                        return err_oom(r->err);
        }
        if (n && !(check->line.controls = keep(r->policy, joined.data, joined.size)))
                return err_oom(r->err);
        return 0;
}

/* ---- after a restart ---- */

/* Whether there is a second view of it: of what the configuration sets at the next boot. */
static const char *
restart_obstacle(const struct setting *line)
{
        if (setting_domain(line->item) != SCOPE_SYSCTL)
                return "only of sysctl keys it is known what a restart makes of them";
        if (strchr(line->item, '@'))
                return "an item with an @ is worked out from others already";
        if (takes_none(line->op) || line->op == SETTING_UNREADABLE)
                return "a restart is judged by values alone";
        if (line->quantifier == SETTING_ANY)
                return "what nothing configures has no value after a restart, so any cannot be asked";
        return NULL;
}

/*
 * The second line: the same of ITEM@after_restart, which is there only where something configures the key.
 * With a quantifier the line passes where it is not: then the kernel's own value holds, as it does now.
 */
static int
add_restart(struct reader *r, const struct policy_check *check, struct setting *ret)
{
        _cleanup_buf_ struct buf item = {0};
        *ret = check->line;
        ret->fallback = NULL;
        if (ret->quantifier != SETTING_NONE)
                ret->quantifier = SETTING_ALL;
        if (buf_printf(&item, "%s@after_restart", check->item) < 0)
                return err_oom(r->err);
        ret->item = keep(r->policy, item.data, item.size);
        return ret->item ? 0 : err_oom(r->err);
}

static int
read_restart(struct reader *r, struct policy_check *check)
{
        const char *text = r->text[KEY_RESTART], *obstacle = restart_obstacle(&check->line);
        if (text && strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
                return refuse(r, r->at[KEY_RESTART], check_keys[KEY_RESTART].right,
                        "after_restart is not \"%s\"", quote(text));
        if (text && *text == 'y' && obstacle)
                return refuse(r, r->at[KEY_RESTART], "leave it out", "%s", obstacle);
        check->after_restart = text ? *text == 'y' : !obstacle;
        return 0;
}

/* ---- a whole check ---- */

static int (*const parts[])(struct reader *r, struct policy_check *check) = {read_item, read_operator,
        read_value, read_quantifier, read_default, read_condition, read_severity, read_reason, read_controls,
        read_restart};

/* The line as a baseline would read it. */
static int
check_line(struct reader *r, const struct setting *line)
{
        _cleanup_buf_ struct buf text = {0};
        struct setting again;
        struct err inner = {0};
        if (setting_append(line, &text) < 0)
                return err_oom(r->err);
        text.data[text.size - 1] = '\0';
        int failed = setting_parse(text.data + 4, &again, &inner);
        if (failed == -ENOMEM)
                return err_oom(r->err);
        return failed ? refuse(r, r->line, "change the item or the quantifier", "[check %s]: %s", r->check,
                                inner.text)
                      : 0;
}

static bool
says_the_same(const struct setting *a, const struct setting *b)
{
        const char *left = a->condition ? a->condition : "", *right = b->condition ? b->condition : "";
        return a->op == b->op && a->quantifier == b->quantifier && strcmp(a->item, b->item) == 0 &&
               strcmp(a->value, b->value) == 0 && strcmp(left, right) == 0;
}

static int
check_repetition(struct reader *r, const struct policy_check *check)
{
        for (size_t i = 0; i < r->policy->n_checks; i++)
                if (says_the_same(&r->policy->checks[i].line, &check->line))
                        return refuse(r, r->line, "take one of the two out",
                                "[check %s] says what [check %s] in line %u says", r->check,
                                r->policy->checks[i].name, r->policy->checks[i].at);
        return 0;
}

static int
finish_check(struct reader *r)
{
        struct policy *policy = r->policy;
        struct policy_check check = {.at = r->line};
        struct setting restart = {0};
        int failed = 0;
        for (size_t i = 0; i < ARRAY_SIZE(parts) && !failed; i++)
                failed = parts[i](r, &check);
        failed = failed ? failed : check_line(r, &check.line);
        failed = failed ? failed : check_repetition(r, &check);
        if (!failed && check.after_restart)
                failed = add_restart(r, &check, &restart);
        if (failed)
                return failed;
        check.name = keep(policy, r->check, strlen(r->check));
        if (!check.name || array_grow(&policy->checks, policy->n_checks) < 0 ||
                array_grow(&policy->restarts, policy->n_checks) < 0)
                return err_oom(r->err);
        policy->restarts[policy->n_checks] = restart;
        policy->checks[policy->n_checks++] = check;
        return 0;
}

static int
finish_policy(struct reader *r)
{
        struct policy *policy = r->policy;
        const char *name = r->text[KEY_NAME], *title = r->text[KEY_TITLE], *version = r->text[KEY_VERSION];
        size_t digits = strspn(version, "0123456789");
        if (!name_is_valid(name, strlen(name)))
                return refuse(r, r->at[KEY_NAME], policy_keys[KEY_NAME].right,
                        "\"%s\" cannot be a baseline's name", quote(name));
        if (!*title)
                return refuse(r, r->at[KEY_TITLE], policy_keys[KEY_TITLE].right, "the title is empty");
        if (!digits || digits > 9 || version[digits] || *version == '0')
                return refuse(r, r->at[KEY_VERSION], policy_keys[KEY_VERSION].right,
                        "\"%s\" is not a number from 1", quote(version));
        policy->name = name;
        policy->title = title;
        policy->version = (unsigned)strtoul(version, NULL, 10);
        return 0;
}

static int
finish_section(struct reader *r)
{
        const struct key *keys = r->place == IN_POLICY ? policy_keys : check_keys;
        size_t n = r->place == IN_POLICY ? (size_t)POLICY_KEYS : (size_t)CHECK_KEYS;
        if (r->place == BEFORE)
                return 0;
        for (size_t i = 0; i < n; i++)
                if (keys[i].required && !r->at[i])
                        return refuse(r, r->line, keys[i].right, "[%s%s] has no %s",
                                r->place == IN_POLICY ? "policy" : "check ",
                                r->place == IN_POLICY ? "" : r->check, keys[i].name);
        return r->place == IN_POLICY ? finish_policy(r) : finish_check(r);
}

/* ---- sections and keys ---- */

static int
start_check(struct reader *r, const char *name)
{
        size_t size = strlen(name);
        if (!name_is_valid(name, size))
                return refuse(r, r->line, "[check kptr_restrict] (letters, digits, '.', '_', '-')",
                        "\"%s\" cannot be a check's name", quote(name));
        for (size_t i = 0; i < r->policy->n_checks; i++)
                if (strcmp(r->policy->checks[i].name, name) == 0)
                        return refuse(r, r->line, "give each check a name of its own",
                                "[check %s] stands in line %u already", name, r->policy->checks[i].at);
        if (r->policy->n_checks == POLICY_CHECKS_MAX)
                return refuse(r, r->line, "make two packs of it", "a pack has at most %u checks",
                        POLICY_CHECKS_MAX);
        memcpy(r->check, name, size + 1);
        r->place = IN_CHECK;
        return 0;
}

static int
start_section(struct reader *r, unsigned line, const char *section)
{
        int failed = finish_section(r);
        if (failed)
                return failed;
        memset(r->at, 0, sizeof r->at);
        memset(r->text, 0, sizeof r->text);
        text_list_done(&r->values);
        text_list_done(&r->controls);
        r->line = line;
        if (strcmp(section, "policy") == 0) {
                if (r->has_policy)
                        return refuse(r, line, "one [policy] stands first", "there is another [policy]");
                r->has_policy = true;
                r->place = IN_POLICY;
                return 0;
        }
        if (!r->has_policy)
                return refuse(r, line, "start the pack with [policy]", "[%s] stands before [policy]",
                        quote(section));
        if (strncmp(section, "check ", 6) == 0)
                return start_check(r, section + 6);
        return refuse(r, line, "the sections are [policy] and [check NAME]", "there is no section [%s]",
                quote(section));
}

static int
unknown_key(struct reader *r, unsigned line, const char *word, const struct key *keys, size_t n)
{
        const char *names[CHECK_KEYS];
        char right[128];
        for (size_t i = 0; i < n; i++)
                names[i] = keys[i].name;
        const char *near = nearest_word(word, names, n);
        snprintf(right, sizeof right, near ? "did you mean %s?" : "driftd-policy(5) lists the keys", near);
        return refuse(r, line, right, "there is no key \"%s\" in [%s]", quote(word),
                r->place == IN_POLICY ? "policy" : "check NAME");
}

static int
take_key(struct reader *r, unsigned line, const char *word, const char *value)
{
        const struct key *keys = r->place == IN_POLICY ? policy_keys : check_keys;
        size_t n = r->place == IN_POLICY ? (size_t)POLICY_KEYS : (size_t)CHECK_KEYS, i = 0;
        while (i < n && strcmp(keys[i].name, word) != 0)
                i++;
        if (i == n)
                return unknown_key(r, line, word, keys, n);
        if (r->at[i] && !keys[i].repeats)
                return refuse(
                        r, line, "take one of the two out", "%s stands in line %u already", word, r->at[i]);
        r->at[i] = line;
        if (keys[i].repeats) {
                struct text_list *list = i == KEY_VALUE ? &r->values : &r->controls;
                if (list->count == POLICY_LINES_MAX)
                        return refuse(
                                r, line, "shorten it", "%s has more than %u lines", word, POLICY_LINES_MAX);
                return text_list_add(list, value, strlen(value)) < 0 ? err_oom(r->err) : 0;
        }
        r->text[i] = keep(r->policy, value, strlen(value));
        return r->text[i] ? 0 : err_oom(r->err);
}

static int
visit(void *userdata, unsigned line, const char *section, const char *key, const char *value, struct err *err)
{
        struct reader *r = userdata;
        r->err = err;
        return key ? take_key(r, line, key, value) : start_section(r, line, section);
}

/* ---- the pack ---- */

int
policy_parse(const char *path, const char *text, size_t size, struct policy **ret, struct err *err)
{
        _cleanup_(policy_freep) struct policy *policy = calloc(1, sizeof *policy);
        struct reader r = {.policy = policy, .path = path, .err = err, .line = 1};
        if (!policy)
                return err_oom(err);
        int failed = ini_read(path, text, size, visit, &r, err);
        failed = failed ? failed : finish_section(&r);
        text_list_done(&r.values);
        text_list_done(&r.controls);
        if (failed)
                return failed;
        if (!r.has_policy)
                return refuse(&r, 1, "start it with [policy]", "the pack has no [policy]");
        if (!policy->n_checks)
                return refuse(&r, 1, "add a [check NAME]", "the pack checks nothing");
        *ret = steal_pointer(&policy);
        return 0;
}

int
policy_load(const char *path, struct policy **ret, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        int failed = file_read(path, FILE_FOLLOW, INI_FILE_MAX, &text, err);
        return failed ? failed : policy_parse(path, text.data ? text.data : "", text.size, ret, err);
}

struct policy *
policy_free(struct policy *policy)
{
        if (!policy)
                return NULL;
        free(policy->checks);
        free(policy->restarts);
        text_list_done(&policy->texts);
        free(policy);
        return NULL;
}

const char *
policy_name(const struct policy *policy)
{
        return policy->name;
}

const char *
policy_title(const struct policy *policy)
{
        return policy->title;
}

unsigned
policy_version(const struct policy *policy)
{
        return policy->version;
}

const struct policy_check *
policy_checks(const struct policy *policy, size_t *ret_count)
{
        *ret_count = policy->n_checks;
        return policy->checks;
}

const struct setting *
policy_check_restart(const struct policy *policy, size_t index)
{
        return policy->restarts[index].item ? &policy->restarts[index] : NULL;
}

bool
policy_needs(const struct policy *policy, enum scope_domain domain)
{
        for (size_t i = 0; i < policy->n_checks; i++) {
                if (setting_domain(policy->checks[i].line.item) == (int)domain)
                        return true;
        }
        return false;
}

static int
add_line(struct text_list *lines, const struct setting *line)
{
        _cleanup_buf_ struct buf text = {0};
        int r = setting_append(line, &text);
        return r ? r : text_list_add(lines, text.data, text.size);
}

int
policy_settings(const struct policy *policy, struct buf *ret)
{
        _cleanup_(text_list_done) struct text_list lines = {0};
        int r = 0;
        for (size_t i = 0; i < policy->n_checks && r == 0; i++) {
                const struct setting *restart = policy_check_restart(policy, i);
                r = add_line(&lines, &policy->checks[i].line);
                if (r == 0 && restart)
                        r = add_line(&lines, restart);
        }
        text_list_sort(&lines);
        for (size_t i = 0; i < lines.count && r == 0; i++)
                r = buf_text(ret, lines.items[i]);
        return r;
}
