/* SPDX-License-Identifier: MIT */
/*
 * A record as a syslog message (RFC 5424; on a local socket the form of syslog(3)), without the frame of its
 * transport. The message is words for people; the structured data holds the same for programs, in printable
 * ASCII, so that no value can end its quotes, its element or the line.
 *
 * The name of the structured data needs the private number of an organization (RFC 5424, 7.2.2). driftd has
 * none; 32473 is the one that RFC 5612 keeps for examples, which nobody else is ever given. A site may set
 * its own. The BOM stands before a message that is not ASCII alone (6.4), and only there: many receivers keep
 * it.
 *
 * Behind /dev/log stand journald and rsyslog's imuxsock, and what they read there is what syslog(3) writes:
 * of a message of RFC 5424 rsyslog takes its version, 1, for the name of the program, and all else for words.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/output.h"
#include "core/clock.h"

#define CUT "..."
/* Bytes of an item: half of PATH_MAX; the whole stands in the record with this seq. */
#define ITEM_MAX 2048u

/* The first `max` bytes at most, ending at a character, and what says that they are not all. */
static int
append_cut(struct buf *ret, const char *text, size_t max, bool *cut)
{
        size_t size = strlen(text);
        if (size <= max)
                return buf_append(ret, text, size);
        *cut = true;
        size = max - strlen(CUT);
        while (size && ((unsigned char)text[size] & 0xc0) == 0x80)
                size--;
        int r = buf_append(ret, text, size);
        return r ? r : buf_text(ret, CUT);
}

/* ASCII in quotes: max bytes at most, never half of an escaped one. */
static int
append_quoted(struct buf *ret, const char *text, size_t max, bool *cut)
{
        _cleanup_buf_ struct buf quoted = {0};
        size_t fits = 0;
        int r = buf_text(&quoted, "");
        for (; *text && r == 0; text++) {
                if (quoted.size <= max - strlen(CUT))
                        fits = quoted.size;
                r = strchr("\"\\]", *text) ? buf_text(&quoted, "\\") : 0;
                r = r ? r : buf_append(&quoted, text, 1);
                if (quoted.size > max) {
                        *cut = true;
                        r = r ? r : buf_append(ret, quoted.data, fits);
                        return r ? r : buf_text(ret, CUT);
                }
        }
        return r ? r : buf_append(ret, quoted.data, quoted.size);
}

struct data {
        struct buf *to;
        size_t value_max;
        bool cut;
        int r;
};

static void
param(struct data *data, const char *name, const char *value, size_t max)
{
        _cleanup_buf_ struct buf ascii = {0};
        if (data->r || !value || !*value)
                return;
        data->r = output_ascii(value, strlen(value), &ascii);
        data->r = data->r ? data->r : buf_printf(data->to, " %s=\"", name);
        data->r = data->r ? data->r : append_quoted(data->to, ascii.data, max, &data->cut);
        data->r = data->r ? data->r : buf_text(data->to, "\"");
}

static void
param_number(struct data *data, const char *name, uint64_t value)
{
        char text[24];
        snprintf(text, sizeof text, "%llu", (unsigned long long)value);
        param(data, name, text, sizeof text);
}

static void
param_side(struct data *data, const char *side, const struct output_event *event)
{
        _cleanup_buf_ struct buf text = {0};
        data->r = data->r ? data->r : output_side(event, side, &text);
        param(data, side, text.data, data->value_max);
}

static void
append_who(struct data *data, const struct json *who)
{
        if (json_number(who, "pid") > 0)
                param_number(data, "pid", (uint64_t)json_number(who, "pid"));
        param(data, "exe", json_text(who, "exe"), data->value_max);
        static const char *const users[] = {"uid", "login_uid"};
        for (size_t i = 0; i < ARRAY_SIZE(users); i++)
                if (json_kind(json_member(who, users[i])) == JSON_KIND_INTEGER) /* null is not root */
                        param_number(data, users[i], (uint64_t)json_number(who, users[i]));
        if (json_flag(who, "own_mounts"))
                param(data, "own_mounts", "yes", data->value_max);
        param(data, "confidence", json_text(who, "confidence"), data->value_max);
}

static int
append_data(const struct config_output *output, const struct output_host *host,
        const struct output_event *event, size_t value_max, struct buf *ret, bool *cut)
{
        static const char *const texts[] = {"change", "severity", "as", "state", "baseline"};
        struct data data = {ret, value_max, *cut, 0};
        data.r = buf_printf(ret, "[driftd@%llu", (unsigned long long)output->enterprise);
        param_number(&data, "seq", event->seq);
        param(&data, "kind", event->kind, 32);
        param(&data, "item", event->item, value_max < ITEM_MAX ? value_max : ITEM_MAX);
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                param(&data, texts[i], json_text(event->detail, texts[i]), 64);
        if (json_number(event->detail, "generation") > 0)
                param_number(&data, "generation", (uint64_t)json_number(event->detail, "generation"));
        param_side(&data, "expected", event);
        param_side(&data, "actual", event);
        param(&data, "window", json_text(json_member(event->detail, "window"), "ticket"), 128);
        append_who(&data, json_member(event->detail, "who"));
        if (event->count > 1) {
                param_number(&data, "count", event->count);
                param_number(&data, "first_seq", event->first_seq);
        }
        param(&data, "test", output_is_test(event) ? "yes" : NULL, 8);
        param(&data, "host", host->id, HOST_ID_MAX);
        param(&data, "cut", data.cut ? "yes" : NULL, 8);
        return data.r ? data.r : buf_text(ret, "]");
}

static bool
is_ascii(const struct buf *text)
{
        for (size_t i = 0; i < text->size; i++)
                if ((unsigned char)text->data[i] >= 0x80)
                        return false;
        return true;
}

/* "<38>Nov 27 02:16:19 driftd[12]: ": the time is local, the months are of the C locale (syslog(3)). */
static int
append_local_head(struct buf *ret, unsigned priority, int64_t time_ms)
{
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        time_t seconds = (time_t)(time_ms / 1000);
        struct tm tm = {0};
        localtime_r(&seconds, &tm);
        return buf_printf(ret, "<%u>%.3s %2d %02d:%02d:%02d driftd[%d]: ", priority,
                months + 3 * (ptrdiff_t)tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                (int)getpid());
}

static int
append_head(struct buf *ret, const struct config_output *output, const struct output_host *host,
        const struct output_event *event)
{
        char time[CLOCK_TEXT_MAX];
        int64_t time_ms = event->time_ms ? event->time_ms : clock_now_ms();
        unsigned priority = output->facility * 8 + (unsigned)event->priority;
        if (output->socket)
                return append_local_head(ret, priority, time_ms);
        clock_format(time_ms, time);
        return buf_printf(
                ret, "<%u>1 %s %s driftd %d %.32s ", priority, time, host->name, (int)getpid(), event->kind);
}

int
output_syslog(const struct config_output *output, const struct output_host *host,
        const struct output_event *event, size_t value_max, struct buf *ret)
{
        _cleanup_buf_ struct buf words = {0}, message = {0};
        bool cut = false;
        int r = output_words(event, &words);
        r = r ? r : append_cut(&message, words.data, value_max, &cut);
        r = r ? r : append_head(ret, output, host, event);
        r = r ? r : append_data(output, host, event, value_max, ret, &cut);
        r = r ? r : buf_text(ret, output->socket || is_ascii(&message) ? " " : " \xef\xbb\xbf");
        return r ? r : buf_append(ret, message.data, message.size);
}
