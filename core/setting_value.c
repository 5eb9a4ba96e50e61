/* SPDX-License-Identifier: MIT */
/*
 * The operators: which operands each takes, and whether a value meets it. A row of the table is an operator;
 * nothing else knows what one means. A value that an operator cannot be asked about (a word where numbers are
 * compared, a read that failed) is incomparable: neither met nor not, so that nobody calls it either.
 */
#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/quote.h"
#include "core/setting_internal.h"

#define SET_WORDS_MAX 1024u /* of an operand: each is looked for in the whole value */
#define DAYS_MAX 36500u

static const char blanks[] = " \t\n";
static const char set_blanks[] = " \t\n,";

/* Cuts the next word off. */
static bool
next_word(const char **text, const char *separators, const char **ret_word, size_t *ret_size)
{
        *ret_word = *text + strspn(*text, separators);
        *ret_size = strcspn(*ret_word, separators);
        *text = *ret_word + *ret_size;
        return *ret_size > 0;
}

static bool
has_word(const char *text, const char *separators, const char *word, size_t size)
{
        const char *found;
        size_t found_size;
        while (next_word(&text, separators, &found, &found_size))
                if (found_size == size && memcmp(found, word, size) == 0)
                        return true;
        return false;
}

static int
answer(bool met)
{
        return met ? SETTING_MET : SETTING_NOT_MET;
}

/* ---- words ---- */

static int
check_any(const char *operand, struct err *err)
{
        (void)operand;
        (void)err;
        return 0;
}

static int
check_words(const char *operand, struct err *err)
{
        if (!*operand || strspn(operand, blanks) || strstr(operand, "  ") || strpbrk(operand, "\t\n") ||
                operand[strlen(operand) - 1] == ' ')
                return err_set(err, -EINVAL, "words with one blank between them are expected");
        return 0;
}

static int
meets_in(const char *operand, const char *value, int64_t now_ms)
{
        (void)now_ms;
        return answer(*value && has_word(operand, " ", value, strlen(value)));
}

static int
meets_eq(const char *operand, const char *value, int64_t now_ms)
{
        (void)now_ms;
        return answer(strcmp(operand, value) == 0);
}

/* ---- orders ---- */

static int
check_ordered(const char *operand, struct err *err)
{
        if (!setting_fields_count(operand))
                return err_set(err, -EINVAL,
                        "numbers or versions are expected: 2, -1, 0x10, TLSv1.2, or some with blanks or "
                        "colons between them");
        return 0;
}

/* Whether each field of the value stands in one of the wanted orders to the operand's (bits of 1 << order +
 * 1). */
static int
meets_each(const char *operand, const char *value, unsigned wanted)
{
        const char *left, *right;
        size_t left_size, right_size;
        bool met = true, more;
        if (!setting_fields_count(value))
                return SETTING_INCOMPARABLE;
        while ((more = setting_field_next(&value, &left, &left_size)) &&
                setting_field_next(&operand, &right, &right_size)) {
                enum setting_order order = setting_field_compare(left, left_size, right, right_size);
                if (order == SETTING_NO_ORDER)
                        return SETTING_INCOMPARABLE;
                met &= (wanted >> (order + 1) & 1) != 0;
        }
        if (more || setting_field_next(&operand, &right, &right_size))
                return SETTING_INCOMPARABLE; /* not as many fields */
        return answer(met);
}

enum { LESS = 1, SAME = 2, MORE = 4 };

static int
meets_lt(const char *operand, const char *value, int64_t now_ms)
{
        (void)now_ms;
        return meets_each(operand, value, LESS);
}

static int
meets_le(const char *operand, const char *value, int64_t now_ms)
{
        (void)now_ms;
        return meets_each(operand, value, LESS | SAME);
}

static int
meets_gt(const char *operand, const char *value, int64_t now_ms)
{
        (void)now_ms;
        return meets_each(operand, value, MORE);
}

static int
meets_ge(const char *operand, const char *value, int64_t now_ms)
{
        (void)now_ms;
        return meets_each(operand, value, SAME | MORE);
}

/* Calls meets_each with both ends of `LOW HIGH`. */
static int
meets_between(const char *operand, const char *value, int64_t now_ms)
{
        (void)now_ms;
        char low[256];
        size_t size = strcspn(operand, " ");
        if (size >= sizeof low || !operand[size])
                return SETTING_INCOMPARABLE;
        memcpy(low, operand, size);
        low[size] = '\0';
        int above = meets_each(low, value, SAME | MORE);
        int below = meets_each(operand + size + 1, value, LESS | SAME);
        if (above == SETTING_INCOMPARABLE || below == SETTING_INCOMPARABLE)
                return SETTING_INCOMPARABLE;
        return answer(above == SETTING_MET && below == SETTING_MET);
}

static int
check_between(const char *operand, struct err *err)
{
        const char *blank = strchr(operand, ' ');
        if (!blank || strchr(blank + 1, ' ') || strpbrk(operand, "\t\n") || blank - operand > 250 ||
                meets_between(operand, blank + 1, 0) != SETTING_MET)
                return err_set(err, -EINVAL, "\"LOW HIGH\" is expected: two numbers, the lower one first");
        return 0;
}

/* ---- sets ---- */

static int
check_set(const char *operand, struct err *err)
{
        const char *word;
        size_t size, n = 0;
        while (next_word(&operand, set_blanks, &word, &size))
                n++;
        if (!n || n > SET_WORDS_MAX)
                return err_set(err, -EINVAL, "1 to %u words with commas or blanks between them are expected",
                        SET_WORDS_MAX);
        return 0;
}

/* Whether every word of `inner` is (wanted), or is not, one of `outer`. */
static int
each_word(const char *inner, const char *outer, bool wanted)
{
        const char *word;
        size_t size;
        while (next_word(&inner, set_blanks, &word, &size))
                if (has_word(outer, set_blanks, word, size) != wanted)
                        return SETTING_NOT_MET;
        return SETTING_MET;
}

static int
meets_subset(const char *operand, const char *value, int64_t now_ms)
{
        (void)now_ms;
        return each_word(value, operand, true);
}

static int
meets_superset(const char *operand, const char *value, int64_t now_ms)
{
        (void)now_ms;
        return each_word(operand, value, true);
}

static int
meets_disjoint(const char *operand, const char *value, int64_t now_ms)
{
        (void)now_ms;
        return each_word(operand, value, false);
}

/* ---- the rest ---- */

static int
meets_regex(const char *operand, const char *value, int64_t now_ms)
{
        (void)now_ms;
        return setting_regex_match(operand, value);
}

static int
check_dash(const char *operand, struct err *err)
{
        if (strcmp(operand, "-") != 0)
                return err_set(err, -EINVAL, "a \"-\" is expected in place of a value");
        return 0;
}

/* Up to four octal digits. */
static bool
read_mode(const char *text, unsigned *ret)
{
        size_t size = strspn(text, "01234567");
        if (!size || size > 4 || text[size])
                return false;
        for (*ret = 0; *text; text++)
                *ret = *ret << 3 | (unsigned)(*text - '0');
        return true;
}

static int
check_mode(const char *operand, struct err *err)
{
        unsigned mode;
        if (!read_mode(operand, &mode) || strlen(operand) != 4)
                return err_set(err, -EINVAL, "four octal digits are expected: 0600");
        return 0;
}

static int
meets_mode(const char *operand, const char *value, int64_t now_ms)
{
        (void)now_ms;
        unsigned most = 0, mode;
        if (!read_mode(value, &mode) || !read_mode(operand, &most))
                return SETTING_INCOMPARABLE;
        return answer((mode & ~most) == 0);
}

static bool
read_days(const char *text, int64_t *ret)
{
        size_t size = strspn(text, "0123456789");
        if (!size || size > 5 || text[size] || (*text == '0' && size > 1))
                return false;
        for (*ret = 0; *text; text++)
                *ret = *ret * 10 + (*text - '0');
        return *ret <= DAYS_MAX;
}

static int
check_days(const char *operand, struct err *err)
{
        int64_t days;
        if (!read_days(operand, &days))
                return err_set(err, -EINVAL, "a number of days up to %u is expected", DAYS_MAX);
        return 0;
}

static int
meets_days(const char *operand, const char *value, int64_t now_ms)
{
        int64_t days = 0, until_ms, left_ms;
        if (!read_days(operand, &days) || clock_parse_seconds(value, strlen(value), &until_ms) < 0 ||
                __builtin_sub_overflow(until_ms, now_ms, &left_ms))
                return SETTING_INCOMPARABLE;
        return answer(left_ms >= days * 86400000);
}

/* 0: there is none of this name. */
static int
error_number(const char *name)
{
        for (int number = 1; number < 4096; number++) {
                const char *found = strerrorname_np(number);
                if (found && strcmp(found, name) == 0)
                        return number;
        }
        return 0;
}

static int
check_error(const char *operand, struct err *err)
{
        if (!error_number(operand))
                return err_set(err, -EINVAL, "the name of an errno is expected: EACCES, EIO");
        return 0;
}

/* ---- the table ---- */

static const struct {
        int (*check)(const char *operand, struct err *err);
        int (*meets)(const char *operand, const char *value, int64_t now_ms); /* NULL: see below */
        bool negated;
} operators[SETTING_OPERATOR_COUNT] = {
        [SETTING_EQ] = {check_any, meets_eq, false},
        [SETTING_NE] = {check_any, meets_eq, true},
        [SETTING_IN] = {check_words, meets_in, false},
        [SETTING_NOT_IN] = {check_words, meets_in, true},
        [SETTING_LT] = {check_ordered, meets_lt, false},
        [SETTING_LE] = {check_ordered, meets_le, false},
        [SETTING_GT] = {check_ordered, meets_gt, false},
        [SETTING_GE] = {check_ordered, meets_ge, false},
        [SETTING_BETWEEN] = {check_between, meets_between, false},
        [SETTING_REGEX] = {setting_regex_check, meets_regex, false},
        [SETTING_EXISTS] = {check_dash, NULL, false},
        [SETTING_ABSENT] = {check_dash, NULL, false},
        [SETTING_SUBSET_OF] = {check_set, meets_subset, false},
        [SETTING_SUPERSET_OF] = {check_set, meets_superset, false},
        [SETTING_DISJOINT_FROM] = {check_set, meets_disjoint, false},
        [SETTING_MODE_AT_MOST] = {check_mode, meets_mode, false},
        [SETTING_DAYS_UNTIL_GE] = {check_days, meets_days, false},
        [SETTING_UNREADABLE] = {check_error, NULL, false},
};

const char *const setting_operator_names[SETTING_OPERATOR_COUNT] = {
        [SETTING_EQ] = "eq",
        [SETTING_NE] = "ne",
        [SETTING_IN] = "in",
        [SETTING_NOT_IN] = "not_in",
        [SETTING_LT] = "lt",
        [SETTING_LE] = "le",
        [SETTING_GT] = "gt",
        [SETTING_GE] = "ge",
        [SETTING_BETWEEN] = "between",
        [SETTING_REGEX] = "regex",
        [SETTING_EXISTS] = "exists",
        [SETTING_ABSENT] = "absent",
        [SETTING_SUBSET_OF] = "subset_of",
        [SETTING_SUPERSET_OF] = "superset_of",
        [SETTING_DISJOINT_FROM] = "disjoint_from",
        [SETTING_MODE_AT_MOST] = "mode_at_most",
        [SETTING_DAYS_UNTIL_GE] = "days_until_ge",
        [SETTING_UNREADABLE] = "unreadable",
};

/* An operand unescaped: in place here if it is short, as nearly all are. */
struct raw {
        char near[256];
        char *far; /* to be freed */
        char *text;
};

static void
raw_done(struct raw *raw)
{
        free(raw->far);
}

static int
raw_make(const char *operand, struct raw *ret)
{
        size_t size = strlen(operand);
        ret->far = size < sizeof ret->near ? NULL : malloc(size + 1);
        ret->text = size < sizeof ret->near ? ret->near : ret->far;
        if (!ret->text)
                return -ENOMEM;
        int r = unescape(operand, size, ret->text, &size);
        if (r < 0 || memchr(ret->text, '\0', size))
                return -EINVAL;
        ret->text[size] = '\0';
        return 0;
}

int
setting_operand_check(enum setting_operator op, const char *operand, struct err *err)
{
        _cleanup_(raw_done) struct raw raw = {.far = NULL};
        struct err inner = {0};
        int r = raw_make(operand, &raw);
        if (r == -ENOMEM)
                return err_oom(err);
        if (r < 0)
                return err_set(err, r, "\"%s\" is not escaped as values are", quote(operand));
        r = operators[op].check(raw.text, &inner);
        if (r == -ENOMEM)
                return err_oom(err);
        if (r < 0)
                return err_set(err, r, "\"%s\" does not fit %s: %s", quote(operand),
                        setting_operator_names[op], inner.text);
        return 0;
}

/* The operators that ask whether there is a value at all. */
static int
meets_presence(enum setting_operator op, const char *operand, const char *value, int error)
{
        if (op == SETTING_UNREADABLE) {
                if (!error)
                        return SETTING_NOT_MET;
                return error == error_number(operand) ? SETTING_MET : SETTING_INCOMPARABLE;
        }
        if (error)
                return SETTING_INCOMPARABLE;
        return answer((value != NULL) == (op == SETTING_EXISTS));
}

int
setting_meets(enum setting_operator op, const char *operand, const char *value, int error, int64_t now_ms)
{
        if (!operators[op].meets)
                return meets_presence(op, operand, value, error);
        if (!value)
                return error ? SETTING_INCOMPARABLE : SETTING_NOT_MET;
        _cleanup_(raw_done) struct raw raw = {.far = NULL};
        int r = raw_make(operand, &raw);
        if (r < 0)
                return r == -ENOMEM ? r : SETTING_INCOMPARABLE;
        r = operators[op].meets(raw.text, value, now_ms);
        if (operators[op].negated && r >= 0 && r != SETTING_INCOMPARABLE)
                return r == SETTING_MET ? SETTING_NOT_MET : SETTING_MET;
        return r;
}

int
setting_offenders(enum setting_operator op, const char *operand, const char *value, struct buf *ret)
{
        _cleanup_(raw_done) struct raw raw = {.far = NULL};
        bool wanted = op != SETTING_DISJOINT_FROM;
        if (op != SETTING_SUBSET_OF && op != SETTING_SUPERSET_OF && op != SETTING_DISJOINT_FROM)
                return 0;
        int r = raw_make(operand, &raw);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        const char *inner = op == SETTING_SUPERSET_OF ? raw.text : value, *word;
        const char *outer = op == SETTING_SUPERSET_OF ? value : raw.text;
        size_t size, start = ret->size;
        r = 0;
        while (r == 0 && next_word(&inner, set_blanks, &word, &size)) {
                if (has_word(outer, set_blanks, word, size) == wanted)
                        continue;
                r = ret->size > start ? buf_text(ret, " ") : 0;
                r = r ? r : buf_append(ret, word, size);
        }
        return r;
}
