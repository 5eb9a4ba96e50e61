/* SPDX-License-Identifier: MIT */
/*
 * Regular expressions of policies. A pack is signed but written by people, and the regular expressions of
 * the C library take more time and memory than there is for a few dozen bytes (`a++++++++++` doubles with
 * each plus, `(a{99}){99}` multiplies, a reference back tries every way). So a pattern is read here first,
 * as POSIX's extended expressions (regex(7)) are, without what has no one meaning, and its size is worked
 * out as it would be with all repetitions written out, which is what the library does. What is larger than
 * SETTING_REGEX_PARTS_MAX is refused; with that, with no references back and with values of bounded length,
 * a match takes time that is bounded too.
 */
#include "core/setting_internal.h"

#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

struct reader {
        const char *p;
        unsigned depth;
        size_t sums[SETTING_REGEX_DEPTH_MAX + 1]; /* parts so far, of each open group */
        size_t last;                              /* parts of what a repetition would repeat; 0: nothing */
        const char *wrong;
};

static bool
refuse(struct reader *r, const char *what)
{
        r->wrong = what;
        return false;
}

/* The last thing is complete: it counts, and nothing stands before the next. */
static bool
settle(struct reader *r)
{
        r->sums[r->depth] += r->last;
        r->last = 0;
        return r->sums[r->depth] <= SETTING_REGEX_PARTS_MAX || refuse(r, "it is too large");
}

static bool
read_bracket(struct reader *r)
{
        const char *p = r->p + 1;
        if (*p == '^')
                p++;
        if (*p == ']')
                p++;
        for (; *p && *p != ']'; p++)
                if (*p == '[' && p[1] && strchr(".:=", p[1])) {
                        char close[] = {p[1], ']', '\0'};
                        p = strstr(p + 2, close);
                        if (!p)
                                return refuse(r, "a [: in it is not closed");
                        p++;
                }
        if (!*p)
                return refuse(r, "a [ in it is not closed");
        r->p = p + 1;
        r->last = 1;
        return true;
}

static bool
read_escaped(struct reader *r)
{
        if (!r->p[1] || !strchr(".[]\\()*+?{}|^$/-", r->p[1]))
                return refuse(r, "a \\ stands only before one of . [ ] \\ ( ) * + ? { } | ^ $ / -");
        r->p += 2;
        r->last = 1;
        return true;
}

static bool
open_group(struct reader *r)
{
        if (r->depth == SETTING_REGEX_DEPTH_MAX)
                return refuse(r, "its groups are too deep");
        r->sums[++r->depth] = 0;
        r->p++;
        return true;
}

static bool
close_group(struct reader *r)
{
        if (!r->depth)
                return refuse(r, "a ) in it closes nothing");
        r->last = r->sums[r->depth--] + 1;
        r->p++;
        return true;
}

/* A decimal of at most three digits. */
static bool
read_count(struct reader *r, size_t *ret)
{
        size_t digits = strspn(r->p, "0123456789");
        if (!digits || digits > 3)
                return false;
        for (*ret = 0; digits; digits--)
                *ret = *ret * 10 + (size_t)(*r->p++ - '0');
        return true;
}

static bool
read_counts(struct reader *r, size_t *ret_times)
{
        size_t low, high;
        r->p++;
        if (!read_count(r, &low))
                return false;
        high = low;
        bool open = r->p[0] == ',' && r->p[1] == '}';
        if (open) {
                high = low + 1; /* as many, and one with a star */
                r->p++;
        } else if (*r->p == ',') {
                r->p++;
                if (!read_count(r, &high))
                        return false;
        }
        *ret_times = high;
        return *r->p++ == '}' && high >= low && high;
}

static bool
read_repetition(struct reader *r)
{
        size_t times = 1;
        if (!r->last)
                return refuse(r, "a repetition in it repeats nothing, or another one");
        if (*r->p == '{') {
                if (!read_counts(r, &times))
                        return refuse(r, "a { in it has no counts such as {2}, {2,} or {2,4}");
        } else {
                times = *r->p == '+' ? 2 : 1;
                r->p++;
        }
        r->last = r->last * times + 1;
        return settle(r);
}

static bool
read_part(struct reader *r)
{
        if (strchr("*+?{", *r->p))
                return read_repetition(r);
        if (*r->p == ')')
                return settle(r) && close_group(r);
        if (!settle(r))
                return false;
        switch (*r->p) {
        case '[':
                return read_bracket(r);
        case '\\':
                return read_escaped(r);
        case '(':
                return open_group(r);
        case '|':
        case '^':
        case '$':
                r->sums[r->depth]++;
                r->p++;
                return true;
        default:
                r->last = 1;
                r->p++;
                return true;
        }
}

static int
compile(const char *pattern, regex_t *ret)
{
        char whole[SETTING_REGEX_MAX + sizeof "^()$"];
        snprintf(whole, sizeof whole, "^(%s)$", pattern);
        return regcomp(ret, whole, REG_EXTENDED | REG_NOSUB);
}

int
setting_regex_check(const char *pattern, struct err *err)
{
        struct reader r = {.p = pattern};
        regex_t regex;
        if (!*pattern)
                return err_set(err, -EINVAL, "an empty regex: write eq and the value that is meant");
        if (strlen(pattern) > SETTING_REGEX_MAX)
                return err_set(err, -EINVAL, "a regex has at most %u bytes", SETTING_REGEX_MAX);
        while (*r.p && read_part(&r))
                ;
        if (!r.wrong && settle(&r) && r.depth)
                refuse(&r, "a ( in it is not closed");
        if (r.wrong)
                return err_set(err, -EINVAL, "the regex cannot be used: %s", r.wrong);
        int failed = compile(pattern, &regex);
        if (failed == REG_ESPACE)
                return err_oom(err);
        if (failed) {
                char why[128];
                regerror(failed, NULL, why, sizeof why);
                return err_set(err, -EINVAL, "the regex cannot be used: %s", why);
        }
        regfree(&regex);
        return 0;
}

int
setting_regex_match(const char *pattern, const char *value)
{
        regex_t regex;
        if (strlen(value) > SETTING_REGEX_VALUE_MAX || strlen(pattern) > SETTING_REGEX_MAX)
                return SETTING_INCOMPARABLE;
        int failed = compile(pattern, &regex);
        if (failed)
                return failed == REG_ESPACE ? -ENOMEM : SETTING_INCOMPARABLE;
        failed = regexec(&regex, value, 0, NULL, 0);
        regfree(&regex);
        if (failed == REG_ESPACE)
                return -ENOMEM;
        return failed ? SETTING_NOT_MET : SETTING_MET;
}
