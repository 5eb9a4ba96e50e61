/* SPDX-License-Identifier: MIT */
/*
 * One `set` line of a baseline (driftd-baseline(5)): what is expected of a setting, and whether a value meets
 * it.
 *
 *     set ITEM OPERATOR VALUE [quantifier=all|any|none] [default=VALUE] [if=CONDITION]
 * [severity=high|medium|low] [control=TEXT]... [reason=TEXT]
 *
 * in this order, each field escaped; an empty VALUE is written \x00; CONDITION is `ITEM OPERATOR VALUE`
 * escaped as a whole. ITEM may be a glob (item.h): then the quantifier says how many of the items that it
 * matches must meet it (left out: all); that none matches is no failure of `all` and `none`. A literal item
 * that is not there is judged by `default` where one is written. core/setting_judge.h does the judging.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/scope.h" /* enum severity */

enum setting_operator {
        SETTING_EQ,     /* the same bytes */
        SETTING_NE,     /* */
        SETTING_IN,     /* one of the blank-separated words */
        SETTING_NOT_IN, /* */
        SETTING_LT,     /* numbers (decimal, or 0x, -2^63 to 2^64-1), or versions `TLSv1.2` of one kind */
        SETTING_LE,     /* `10:30:60` and `4096 87380` compare field by field, and each field must hold */
        SETTING_GT,
        SETTING_GE,
        SETTING_BETWEEN,   /* `LOW HIGH`, both included */
        SETTING_REGEX,     /* extended (regex(7)), of the whole value; bounded (setting_regex.c) */
        SETTING_EXISTS,    /* VALUE is `-` */
        SETTING_ABSENT,    /* VALUE is `-` */
        SETTING_SUBSET_OF, /* sets: words parted by commas or blanks */
        SETTING_SUPERSET_OF,
        SETTING_DISJOINT_FROM,
        SETTING_MODE_AT_MOST,  /* no permission bit that the octal VALUE has not */
        SETTING_DAYS_UNTIL_GE, /* the value is an RFC 3339 time at least so many days away */
        SETTING_UNREADABLE,    /* reading fails, with this errno's name (EACCES, EIO) */
        SETTING_OPERATOR_COUNT,
};
extern const char *const setting_operator_names[SETTING_OPERATOR_COUNT];

enum setting_quantifier { SETTING_EVERY, SETTING_ALL, SETTING_ANY, SETTING_NONE, SETTING_QUANTIFIER_COUNT };
/* SETTING_EVERY: not written. */
extern const char *const setting_quantifier_names[SETTING_QUANTIFIER_COUNT];

/* A line, understood. All texts are borrowed from the words that it was parsed from, NUL-terminated and
 * escaped. */
struct setting {
        const char *item;
        enum setting_operator op;
        const char *value; /* may be empty */
        enum setting_quantifier quantifier;
        const char *fallback;  /* default=; NULL: none */
        const char *condition; /* if=; NULL: none */
        bool has_severity;     /* else that of the scope, or medium */
        enum severity severity;
        const char *controls; /* the escaped texts, sorted (strcmp), blank-separated; NULL: none */
        const char *reason;   /* NULL: none */
};

/*
 * Parses a line after `set ` (no newline), in place: blanks become NULs. Accepts only what setting_append
 * would write. -EINVAL with words and what would be right (also for a value that does not fit its operator);
 * -ENOMEM.
 */
int setting_parse(char *line, struct setting *ret, struct err *err);
/* The canonical line with `set ` and its newline. -ENOMEM. */
int setting_append(const struct setting *setting, struct buf *buf);

/* The domain of an item or of a glob over items (`sshd**:permitrootlogin`: in every context): SCOPE_SYSCTL
 * and so on; -EINVAL: none that has settings. */
int setting_domain(const char *item) _pure_;
bool setting_is_glob(const char *item) _pure_;

/* The parts of a line on their own, for who makes one: an item or glob, an operator's name, and whether an
 * escaped operand fits an operator. -EINVAL with what would be right, -ENOMEM. */
int setting_item_check(const char *item, struct err *err);
int setting_operator_parse(const char *word, enum setting_operator *ret, struct err *err);
int setting_operand_check(enum setting_operator op, const char *operand, struct err *err);

enum setting_answer { SETTING_MET, SETTING_NOT_MET, SETTING_INCOMPARABLE /* neither: `abc` is no number */ };
/* Whether a value (raw; NULL: it is not there) meets an operator and its escaped operand. error: of a read
 * that failed, with value NULL. now_ms for days. < 0: -ENOMEM. */
int setting_meets(
        enum setting_operator op, const char *operand, const char *value, int error, int64_t now_ms);

/* Of sets: the words by which a value does not meet an operand (those that should not be there, or that
 * should), blank-separated, appended; nothing for other operators. -ENOMEM. */
int setting_offenders(enum setting_operator op, const char *operand, const char *value, struct buf *ret);

/* The parts of the condition of a line about an item. Both are of one domain, which is read as a whole: what
 * another said at another moment is no condition that holds now. ret's texts are to be freed with
 * setting_condition_done. -EINVAL, -ENOMEM. */
struct setting_condition {
        char *item;
        enum setting_operator op;
        char *value; /* escaped */
};
int setting_condition_parse(
        const char *condition, const char *item, struct setting_condition *ret, struct err *err);
void setting_condition_done(struct setting_condition *condition);
