/* SPDX-License-Identifier: MIT */
/*
 * Times and durations as text. A time is milliseconds since 1970 UTC; a text that is stored or signed is
 * always UTC. Only what a person types may be in local time, and only where no zone is written.
 *
 * Reading is strict: a date is checked against the calendar before the C library sees it, because
 * timegm(3) and mktime(3) would quietly turn February 30 into March. Writing never fails: a time that
 * four digits of year cannot hold is shown as the nearest one that they can.
 */
#include "core/clock.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/quote.h"

#define MS_PER_SECOND INT64_C(1000)
#define TIME_MIN_MS (INT64_C(-30610224000) * MS_PER_SECOND)      /* 1000-01-01T00:00:00Z */
#define TIME_MAX_MS (INT64_C(253402300800) * MS_PER_SECOND - 1)  /* 9999-12-31T23:59:59.999Z */
#define DURATION_SECONDS_MAX (INT64_C(100) * 366 * 24 * 60 * 60) /* a century */

static const struct {
        char letter;
        int64_t seconds;
} units[] = {{'w', 604800}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

static int64_t
clock_read_ms(clockid_t clock)
{
        struct timespec now = {0};
        clock_gettime(clock, &now);
        return (int64_t)now.tv_sec * MS_PER_SECOND + now.tv_nsec / 1000000;
}

int64_t
clock_now_ms(void)
{
        return clock_read_ms(CLOCK_REALTIME);
}

int64_t
clock_monotonic_ms(void)
{
        return clock_read_ms(CLOCK_BOOTTIME);
}

/* Splits into calendar fields (UTC) and milliseconds. */
static int
calendar_of(int64_t time_ms, struct tm *ret)
{
        time_ms = time_ms < TIME_MIN_MS ? TIME_MIN_MS : time_ms > TIME_MAX_MS ? TIME_MAX_MS : time_ms;
        int64_t rest = time_ms % MS_PER_SECOND;
        if (rest < 0)
                rest += MS_PER_SECOND;
        time_t seconds = (time_t)((time_ms - rest) / MS_PER_SECOND);
        gmtime_r(&seconds, ret);
        return (int)rest;
}

/* The number in exactly `digits` digits, and what follows them; returns where it ended. */
static char *
put_number(char *text, unsigned digits, int value, char follows)
{
        for (unsigned i = digits; i-- > 0; value /= 10)
                text[i] = (char)('0' + value % 10);
        text[digits] = follows;
        return text + digits + 1;
}

/* Every record has a time, and a history is verified by the million: not by strftime(3). */
static char *
put_seconds(char *text, const struct tm *tm, char follows)
{
        text = put_number(text, 4, tm->tm_year + 1900, '-');
        text = put_number(text, 2, tm->tm_mon + 1, '-');
        text = put_number(text, 2, tm->tm_mday, 'T');
        text = put_number(text, 2, tm->tm_hour, ':');
        text = put_number(text, 2, tm->tm_min, ':');
        return put_number(text, 2, tm->tm_sec, follows);
}

void
clock_format(int64_t time_ms, char text[static CLOCK_TEXT_MAX])
{
        struct tm tm;
        int ms = calendar_of(time_ms, &tm);
        *put_number(put_seconds(text, &tm, '.'), 3, ms, 'Z') = '\0';
}

void
clock_format_seconds(int64_t time_ms, char text[static CLOCK_TEXT_MAX])
{
        struct tm tm;
        calendar_of(time_ms, &tm);
        *put_seconds(text, &tm, 'Z') = '\0';
}

/* Takes exactly `digits` digits off the text. */
static bool
take_number(const char **text, unsigned digits, int *ret)
{
        int value = 0;
        for (unsigned i = 0; i < digits; i++) {
                unsigned digit = (unsigned)(unsigned char)(*text)[i] - '0';
                if (digit > 9)
                        return false;
                value = value * 10 + (int)digit;
        }
        *text += digits;
        *ret = value;
        return true;
}

static bool
take_char(const char **text, const char *any_of)
{
        if (!**text || !strchr(any_of, **text))
                return false;
        (*text)++;
        return true;
}

static bool
date_is_valid(const struct tm *tm)
{
        static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        int year = tm->tm_year + 1900;
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        if (year < 1970 || tm->tm_mon < 0 || tm->tm_mon > 11)
                return false;
        int last = days[tm->tm_mon] + (leap && tm->tm_mon == 1);
        return tm->tm_mday >= 1 && tm->tm_mday <= last;
}

/* "2026-11-23", checked against the calendar. */
static bool
take_date(const char **text, struct tm *ret)
{
        struct tm tm = {.tm_isdst = -1};
        if (!take_number(text, 4, &tm.tm_year) || !take_char(text, "-") ||
                !take_number(text, 2, &tm.tm_mon) || !take_char(text, "-") ||
                !take_number(text, 2, &tm.tm_mday))
                return false;
        tm.tm_year -= 1900;
        tm.tm_mon -= 1;
        *ret = tm;
        return date_is_valid(&tm);
}

/* "18:00" and, unless minutes are enough and stand alone, ":00". */
static bool
take_time(const char **text, bool seconds_needed, struct tm *tm)
{
        if (!take_number(text, 2, &tm->tm_hour) || !take_char(text, ":") ||
                !take_number(text, 2, &tm->tm_min))
                return false;
        if (seconds_needed || **text == ':')
                if (!take_char(text, ":") || !take_number(text, 2, &tm->tm_sec))
                        return false;
        return tm->tm_hour <= 23 && tm->tm_min <= 59 && tm->tm_sec <= 59;
}

struct json *
clock_json(int64_t time_ms)
{
        char text[CLOCK_TEXT_MAX];
        if (!time_ms)
                return json_null_new();
        clock_format(time_ms, text);
        return json_string_new(text);
}

int
clock_parse_seconds(const char *text, size_t size, int64_t *ret_ms)
{
        char copy[sizeof "2026-11-23T18:00:00Z"];
        const char *p = copy;
        struct tm tm;
        if (size != sizeof copy - 1)
                return -EINVAL;
        memcpy(copy, text, size);
        copy[size] = '\0';
        if (!take_date(&p, &tm) || !take_char(&p, "T") || !take_time(&p, true, &tm) || !take_char(&p, "Z") ||
                *p)
                return -EINVAL;
        *ret_ms = (int64_t)timegm(&tm) * MS_PER_SECOND;
        return 0;
}

/* ".123456": milliseconds, the rest is cut. */
static bool
take_fraction(const char **text, int64_t *ret_ms)
{
        int64_t ms = 0, scale = 100;
        *ret_ms = 0;
        if (!take_char(text, "."))
                return true;
        if (!isdigit((unsigned char)**text))
                return false;
        for (; isdigit((unsigned char)**text); (*text)++, scale /= 10)
                ms += (**text - '0') * scale;
        *ret_ms = ms;
        return true;
}

/* "Z" or "+01:00". */
static bool
take_zone(const char **text, int64_t *ret_offset_s)
{
        int hours, minutes;
        *ret_offset_s = 0;
        if (take_char(text, "Zz"))
                return true;
        bool west = **text == '-';
        if (!take_char(text, "+-") || !take_number(text, 2, &hours) || !take_char(text, ":") ||
                !take_number(text, 2, &minutes) || hours > 23 || minutes > 59)
                return false;
        int64_t offset = hours * 3600 + minutes * 60;
        *ret_offset_s = west ? -offset : offset;
        return true;
}

static bool
local_ms(struct tm *tm, int64_t *ret_ms)
{
        tm->tm_wday = -1; /* mktime sets it, which tells -1 (a time in 1969) from a failure */
        time_t seconds = mktime(tm);
        if (tm->tm_wday == -1)
                return false;
        *ret_ms = (int64_t)seconds * MS_PER_SECOND;
        return true;
}

/* A date, or a date and a time, with or without a zone. */
static bool
parse_moment(const char *text, int64_t *ret_ms)
{
        struct tm tm;
        int64_t fraction_ms = 0, offset_s = 0;
        if (!take_date(&text, &tm))
                return false;
        if (!*text)
                return local_ms(&tm, ret_ms);
        if (!take_char(&text, "Tt ") || !take_time(&text, false, &tm) || !take_fraction(&text, &fraction_ms))
                return false;
        if (!*text) {
                if (!local_ms(&tm, ret_ms))
                        return false;
                *ret_ms += fraction_ms;
                return true;
        }
        if (!take_zone(&text, &offset_s) || *text)
                return false;
        *ret_ms = ((int64_t)timegm(&tm) - offset_s) * MS_PER_SECOND + fraction_ms;
        return true;
}

/* "6h" -> seconds, 0 if it is none. */
static int64_t
parse_amount(const char *text)
{
        int64_t value = 0;
        const char *p = text;
        for (; isdigit((unsigned char)*p); p++) {
                value = value * 10 + (*p - '0');
                if (value > DURATION_SECONDS_MAX)
                        return 0;
        }
        if (p == text || !*p || p[1])
                return 0;
        for (size_t i = 0; i < ARRAY_SIZE(units); i++)
                if (units[i].letter == *p && value <= DURATION_SECONDS_MAX / units[i].seconds)
                        return value * units[i].seconds;
        return 0;
}

/* "-2h", "+90d". */
static bool
parse_relative(const char *text, int64_t now_ms, int64_t *ret_ms)
{
        if (*text != '-' && *text != '+')
                return false;
        int64_t amount_ms = parse_amount(text + 1) * MS_PER_SECOND;
        if (!amount_ms)
                return false;
        return *text == '-' ? !__builtin_sub_overflow(now_ms, amount_ms, ret_ms)
                            : !__builtin_add_overflow(now_ms, amount_ms, ret_ms);
}

static bool
parse_day_word(const char *text, int64_t now_ms, int64_t *ret_ms)
{
        static const struct {
                const char *word;
                int days;
        } words[] = {{"today", 0}, {"yesterday", -1}, {"tomorrow", 1}};
        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
                if (strcmp(text, words[i].word) != 0)
                        continue;
                struct tm now, day = {.tm_isdst = -1};
                time_t seconds = (time_t)(now_ms / MS_PER_SECOND);
                tzset(); /* localtime_r need not */
                if (!localtime_r(&seconds, &now))
                        return false;
                day.tm_year = now.tm_year;
                day.tm_mon = now.tm_mon;
                day.tm_mday = now.tm_mday + words[i].days;
                return local_ms(&day, ret_ms);
        }
        return false;
}

int
clock_parse_human(const char *text, int64_t now_ms, int64_t *ret_ms, struct err *err)
{
        int64_t time_ms;
        if (strcmp(text, "now") == 0)
                time_ms = now_ms;
        else if (!parse_day_word(text, now_ms, &time_ms) && !parse_relative(text, now_ms, &time_ms) &&
                 !parse_moment(text, &time_ms)) {
                err_set(err, -EINVAL, "\"%s\" is not a time", quote(text));
                return err_hint(err, -EINVAL,
                        "write 2026-11-23T18:00:00Z, 2026-11-23 (local midnight), -2h, +90d, now, today, "
                        "yesterday "
                        "or tomorrow");
        }
        *ret_ms = time_ms;
        return 0;
}

int
duration_parse(const char *text, int64_t *ret_seconds, struct err *err)
{
        int64_t seconds = parse_amount(text);
        if (seconds > 0) {
                *ret_seconds = seconds;
                return 0;
        }
        err_set(err, -EINVAL, "\"%s\" is not a duration", quote(text));
        return err_hint(err, -EINVAL,
                "write a whole number above 0 and one unit (s m h d w), without a blank, at most a century: "
                "90s, 15m, "
                "6h, 2d, 1w");
}

void
duration_format(int64_t seconds, char text[static CLOCK_TEXT_MAX])
{
        size_t i = 0;
        while (i < ARRAY_SIZE(units) - 1 && (!seconds || seconds % units[i].seconds != 0))
                i++;
        snprintf(text, CLOCK_TEXT_MAX, "%" PRId64 "%c", seconds / units[i].seconds, units[i].letter);
}

void
duration_describe(int64_t ms, char text[static CLOCK_TEXT_MAX])
{
        int64_t seconds = ms / MS_PER_SECOND, minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
        if (ms < MS_PER_SECOND)
                snprintf(text, CLOCK_TEXT_MAX, "under 1 s");
        else if (seconds < 60)
                snprintf(text, CLOCK_TEXT_MAX, "%" PRId64 " s", seconds);
        else if (minutes < 60)
                snprintf(text, CLOCK_TEXT_MAX, "%" PRId64 " min", minutes);
        else if (hours < 24 && minutes % 60)
                snprintf(text, CLOCK_TEXT_MAX, "%" PRId64 " h %" PRId64 " min", hours, minutes % 60);
        else if (hours < 24)
                snprintf(text, CLOCK_TEXT_MAX, "%" PRId64 " h", hours);
        else if (hours % 24)
                snprintf(text, CLOCK_TEXT_MAX, "%" PRId64 " d %" PRId64 " h", days, hours % 24);
        else
                snprintf(text, CLOCK_TEXT_MAX, "%" PRId64 " d", days);
}
