/* SPDX-License-Identifier: MIT */
/*
 * The `set` line: taken apart in place and written again. Three words stand first, then fields in a fixed
 * order, so that one meaning has one text; a line that setting_append would not have written is refused, and
 * so is one that could never be met, or never fail, whatever the host is like: it would mislead whoever signs
 * it.
 *
 * An empty value has no escaped text, and a word cannot be empty: it is written \x00, for no value holds a
 * NUL byte.
 */
#include "core/setting.h"

#include <errno.h>
#include <string.h>

#include "core/escape.h"
#include "core/ini_reader.h" /* nearest_word */
#include "core/item.h"
#include "core/quote.h"
#include "core/setting_internal.h"

#define EMPTY "\\x00"

const char *const setting_quantifier_names[SETTING_QUANTIFIER_COUNT] = {
        [SETTING_EVERY] = "",
        [SETTING_ALL] = "all",
        [SETTING_ANY] = "any",
        [SETTING_NONE] = "none",
};

/* Escaped, without NUL bytes: an escaped text has `\x00` in it for nothing else. */
static bool
text_is_escaped(const char *text)
{
        return escape_is_canonical(text, strlen(text)) && !strstr(text, EMPTY);
}

/* ---- items ---- */

/* `sshd**:NAME`, which means in every context, is `sshd:NAME` otherwise. */
static char *
item_without_contexts(const char *item)
{
        static const char every[] = "sshd**:";
        _cleanup_buf_ struct buf buf = {0};
        bool has = strncmp(item, every, sizeof every - 1) == 0;
        if (buf_text(&buf, has ? "sshd:" : "") < 0 ||
                buf_text(&buf, has ? item + sizeof every - 1 : item) < 0)
                return NULL;
        return buf_steal(&buf);
}

int
setting_item_check(const char *item, struct err *err)
{
        _cleanup_free_ char *plain = item_without_contexts(item), *parsed = NULL;
        struct err inner = {0};
        if (!plain)
                return err_oom(err);
        int r = *item == '/' ? -EINVAL : item_parse(plain, &parsed, &inner);
        if (r == -ENOMEM)
                return err_oom(err);
        if (r == 0 && strncmp(item, "file:", 5) != 0 && strcmp(parsed, plain) == 0)
                return 0;
        if (r < 0 && inner.text[0])
                return err_set(err, -EINVAL, "%s%s%s", inner.text, inner.hint[0] ? ": " : "", inner.hint);
        return err_set(err, -EINVAL, "\"%s\" is no setting: write sysctl:KEY, sshd:KEYWORD or openssl:NAME",
                quote(item));
}

int
setting_domain(const char *item)
{
        size_t size = strcspn(item, ":[*");
        int domain = name_index(scope_domain_names, SCOPE_DOMAIN_COUNT, item, size);
        return domain > SCOPE_FILES ? domain : -EINVAL;
}

bool
setting_is_glob(const char *item)
{
        return strpbrk(item, "*?") != NULL;
}

/* ---- the three words ---- */

int
setting_operator_parse(const char *word, enum setting_operator *ret, struct err *err)
{
        int index = name_index(setting_operator_names, SETTING_OPERATOR_COUNT, word, strlen(word));
        if (index >= 0) {
                *ret = (enum setting_operator)index;
                return 0;
        }
        const char *near = nearest_word(word, setting_operator_names, SETTING_OPERATOR_COUNT);
        return err_set(err, -EINVAL, "there is no operator \"%s\"%s%s", quote(word),
                near ? "; did you mean " : ": the first one is eq, driftd-baseline(5) lists them",
                near ? near : "");
}

/* Cuts a word off; NULL: nothing is left. A word may come out empty, which no caller accepts. */
static char *
cut_word(char **text)
{
        char *word = *text;
        if (!word)
                return NULL;
        char *blank = strchr(word, ' ');
        if (blank)
                *blank = '\0';
        *text = blank ? blank + 1 : NULL;
        return word;
}

static int
read_words(
        char **text, const char **ret_item, enum setting_operator *ret_op, char **ret_value, struct err *err)
{
        char *item = cut_word(text), *op = cut_word(text), *value = cut_word(text);
        if (!item || !op || !value || !*item || !*value) {
                err_set(err, -EINVAL, "\"set ITEM OPERATOR VALUE\" is expected, each escaped");
                return -EINVAL;
        }
        int r = setting_item_check(item, err);
        r = r ? r : setting_operator_parse(op, ret_op, err);
        if (r)
                return r;
        if (strcmp(value, EMPTY) == 0)
                *value = '\0';
        *ret_item = item;
        *ret_value = value;
        return setting_operand_check(*ret_op, value, err);
}

/* ---- the fields ---- */

struct parsing {
        struct setting *setting;
        char *controls_end; /* of the texts joined so far */
        char *last_control;
        struct err *err;
};

static int
read_quantifier(struct parsing *p, char *text)
{
        int index = name_index(setting_quantifier_names, SETTING_QUANTIFIER_COUNT, text, strlen(text));
        if (index <= SETTING_EVERY)
                return err_set(p->err, -EINVAL, "a quantifier is all, any or none");
        p->setting->quantifier = (enum setting_quantifier)index;
        return 0;
}

static int
read_default(struct parsing *p, char *text)
{
        _cleanup_free_ char *raw = NULL;
        int r = unescape_new(text, &raw);
        if (r == 0)
                r = setting_meets(p->setting->op, p->setting->value, raw, 0, 0);
        if (r == -ENOMEM)
                return err_oom(p->err);
        if (r < 0 || r == SETTING_INCOMPARABLE || p->setting->op == SETTING_EXISTS ||
                p->setting->op == SETTING_ABSENT || p->setting->op == SETTING_UNREADABLE)
                return err_set(p->err, -EINVAL, "default=%s is no value that %s could be asked about",
                        quote(text), setting_operator_names[p->setting->op]);
        p->setting->fallback = text;
        return 0;
}

static int
read_condition(struct parsing *p, char *text)
{
        struct setting_condition condition = {0};
        int r = setting_condition_parse(text, p->setting->item, &condition, p->err);
        setting_condition_done(&condition);
        p->setting->condition = text;
        return r;
}

static int
read_severity(struct parsing *p, char *text)
{
        int index = name_index(severity_names, SEVERITY_COUNT, text, strlen(text));
        if (index < 0)
                return err_set(p->err, -EINVAL, "a severity is high, medium or low");
        p->setting->has_severity = true;
        p->setting->severity = (enum severity)index;
        return 0;
}

/* The second and later ones move up behind the first, over the NUL and the name between them. */
static int
read_control(struct parsing *p, char *text)
{
        if (!*text || !text_is_escaped(text))
                return err_set(p->err, -EINVAL, "\"control=TEXT\" is expected, escaped");
        if (p->last_control && strcmp(p->last_control, text) >= 0)
                return err_set(p->err, -EINVAL, "controls are sorted, and none stands twice");
        size_t size = strlen(text);
        if (p->last_control) {
                *p->controls_end = ' ';
                text = memmove(p->controls_end + 1, text, size + 1);
        } else
                p->setting->controls = text;
        p->last_control = text;
        p->controls_end = text + size;
        return 0;
}

static int
read_reason(struct parsing *p, char *text)
{
        if (!*text || !text_is_escaped(text))
                return err_set(p->err, -EINVAL, "\"reason=TEXT\" is expected, escaped");
        p->setting->reason = text;
        return 0;
}

static const struct {
        const char *name;
        int (*read)(struct parsing *parsing, char *text);
        bool repeats;
} fields[] = {
        {"quantifier=", read_quantifier, false},
        {"default=", read_default, false},
        {"if=", read_condition, false},
        {"severity=", read_severity, false},
        {"control=", read_control, true},
        {"reason=", read_reason, false},
};

static int
read_fields(struct parsing *p, char *text)
{
        size_t next = 0;
        for (char *word; (word = cut_word(&text));) {
                while (next < ARRAY_SIZE(fields) &&
                        strncmp(word, fields[next].name, strlen(fields[next].name)) != 0)
                        next++;
                if (next == ARRAY_SIZE(fields))
                        return err_set(p->err, -EINVAL,
                                "\"%s\": after the value stand quantifier=, default=, if=, severity=, "
                                "control= and reason=, in this order",
                                quote(word));
                int r = fields[next].read(p, word + strlen(fields[next].name));
                if (r)
                        return r;
                next += !fields[next].repeats;
        }
        return 0;
}

/* An item that is there exists: over all that are, that can never fail. */
static int
check_sense(const struct setting *setting, struct err *err)
{
        bool vacuous = setting->quantifier == SETTING_ALL ||
                       (setting->quantifier == SETTING_EVERY && setting_is_glob(setting->item));
        if (setting->op == SETTING_EXISTS && vacuous)
                return err_set(err, -EINVAL,
                        "whatever matches exists, so this can never fail: quantifier=any or none is meant");
        return 0;
}

int
setting_parse(char *line, struct setting *ret, struct err *err)
{
        struct setting setting = {0};
        struct parsing parsing = {.setting = &setting, .err = err};
        char *text = line, *value = NULL;
        int r = read_words(&text, &setting.item, &setting.op, &value, err);
        if (r)
                return r;
        setting.value = value;
        r = read_fields(&parsing, text);
        r = r ? r : check_sense(&setting, err);
        if (r)
                return r;
        *ret = setting;
        return 0;
}

/* ---- writing ---- */

static int
append_controls(const char *controls, struct buf *buf)
{
        int r = 0;
        while (controls && *controls && r == 0) {
                size_t size = strcspn(controls, " ");
                r = buf_text(buf, " control=");
                r = r ? r : buf_append(buf, controls, size);
                controls += size + (controls[size] == ' ');
        }
        return r;
}

static int
append_field(const char *name, const char *text, struct buf *buf)
{
        return text ? buf_printf(buf, " %s%s", name, text) : 0;
}

int
setting_append(const struct setting *setting, struct buf *buf)
{
        int r = buf_printf(buf, "set %s %s %s", setting->item, setting_operator_names[setting->op],
                *setting->value ? setting->value : EMPTY);
        const char *quantifier =
                setting->quantifier == SETTING_EVERY ? NULL : setting_quantifier_names[setting->quantifier];
        r = r ? r : append_field("quantifier=", quantifier, buf);
        r = r ? r : append_field("default=", setting->fallback, buf);
        r = r ? r : append_field("if=", setting->condition, buf);
        r = r ? r
              : append_field(
                        "severity=", setting->has_severity ? severity_names[setting->severity] : NULL, buf);
        r = r ? r : append_controls(setting->controls, buf);
        r = r ? r : append_field("reason=", setting->reason, buf);
        return r ? r : buf_text(buf, "\n");
}

/* ---- conditions ---- */

int
setting_condition_parse(
        const char *condition, const char *about, struct setting_condition *ret, struct err *err)
{
        _cleanup_free_ char *raw = NULL;
        int r = unescape_new(condition, &raw);
        if (r == -ENOMEM)
                return err_oom(err);
        if (r < 0)
                return err_set(err, r, "\"if=CONDITION\" is expected, escaped");
        struct setting_condition found = {0};
        char *text = raw, *value = NULL;
        const char *item = NULL;
        r = read_words(&text, &item, &found.op, &value, err);
        if (r)
                return r;
        if (text)
                return err_set(err, -EINVAL, "a condition is \"ITEM OPERATOR VALUE\" and nothing more");
        if (setting_domain(item) != setting_domain(about))
                return err_set(err, -EINVAL, "a condition is of the domain of the item that it is about (%s)",
                        quote(about));
        found.item = strdup(item);
        found.value = strdup(value);
        if (!found.item || !found.value) {
                setting_condition_done(&found);
                return err_oom(err);
        }
        *ret = found;
        return 0;
}

void
setting_condition_done(struct setting_condition *condition)
{
        free(condition->item);
        free(condition->value);
        *condition = (struct setting_condition){0};
}
