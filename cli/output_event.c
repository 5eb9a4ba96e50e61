/* SPDX-License-Identifier: MIT */
/* A record as an event: whether an output wants it, and its words. */
#include "cli/output.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "cli/print.h"
#include "core/clock.h"
#include "core/record.h"

void
output_host_fill(struct output_host *host, const char *id)
{
        char name[256] = "";
        snprintf(host->id, sizeof host->id, "%s", id ? id : "");
        if (gethostname(name, sizeof name - 1) < 0 || !*name)
                snprintf(name, sizeof name, "-");
        size_t n = 0;
        for (; name[n]; n++)
                host->name[n] = (char)(name[n] > 0x20 && name[n] < 0x7f ? name[n] : '?');
        host->name[n] = '\0';
}

int
output_event_of(const struct json *record, struct output_event *ret)
{
        const struct json *detail = json_member(record, "detail");
        const char *kind = json_text(record, "kind");
        json_int seq = json_number(record, "seq");
        int64_t time_ms = 0;
        if (!kind || seq < 0)
                return -EINVAL;
        json_time(record, "time", &time_ms); /* a damaged record has none */
        *ret = (struct output_event){
                .record = record,
                .seq = (uint64_t)seq,
                .first_seq = (uint64_t)seq,
                .count = 1,
                .time_ms = time_ms,
                .kind = kind,
                .item = json_text(record, "item"),
                .detail = detail,
                .priority = record_priority(kind, detail),
        };
        return 0;
}

bool
output_selects(const struct config_output *output, const struct output_event *event)
{
        const char *severity = json_text(event->detail, "severity");
        int index = severity ? name_index(severity_names, SEVERITY_COUNT, severity, strlen(severity)) : -1;
        if (!config_output_tells(output, event->kind))
                return false;
        if (index >= 0 && !(output->severities & 1u << index))
                return false;
        if (!output->items.count)
                return true;
        return event->item && item_selected(event->item, output->items.items, output->items.count);
}

struct json *
output_test_record(const char *name)
{
        return json_make("{s:I, s:o, s:s, s:n, s:{s:s, s:s}}", "seq", (json_int)0, "time",
                clock_json(clock_now_ms()), "kind", "test", "item", "detail", "output", name, "note",
                "a test of driftctl output test: nothing happened");
}

bool
output_is_test(const struct output_event *event)
{
        return event->seq == 0 && strcmp(event->kind, "test") == 0;
}

int
output_ascii(const char *text, size_t size, struct buf *ret)
{
        int r = 0;
        for (size_t i = 0; i < size && r == 0; i++) {
                unsigned char byte = (unsigned char)text[i];
                r = byte >= 0x20 && byte < 0x7f ? buf_append(ret, &text[i], 1)
                                                : buf_printf(ret, "\\x%02x", byte);
        }
        return r;
}

/* print_filter leaves newlines and tabs, which end or part a line elsewhere. */
static int
one_line(struct buf *ret, const char *text, size_t size)
{
        _cleanup_buf_ struct buf filtered = {0};
        int r = print_filter(&filtered, text, size);
        for (size_t i = 0; i < filtered.size && r == 0; i++) {
                unsigned char byte = (unsigned char)filtered.data[i];
                r = byte < 0x20 ? buf_printf(ret, "\\x%02x", byte) : buf_append(ret, &filtered.data[i], 1);
        }
        return r;
}

int
output_words(const struct output_event *event, struct buf *ret)
{
        _cleanup_buf_ struct buf words = {0};
        if (output_is_test(event)) {
                const char *name = json_text(event->detail, "output");
                return buf_printf(ret, "TEST of the output %s: nothing happened", name ? name : "?");
        }
        record_words(event->kind, event->item, event->detail, &words);
        int r = words.data ? one_line(ret, words.data, words.size) : -ENOMEM;
        if (r == 0 && event->count > 1)
                r = buf_printf(ret, " (%llu times, records %llu to %llu)", (unsigned long long)event->count,
                        (unsigned long long)event->first_seq, (unsigned long long)event->seq);
        return r;
}

int
output_side(const struct output_event *event, const char *side, struct buf *ret)
{
        int r = 0;
        size_t before = ret->size;
        json_each (json_member(event->detail, "attributes"), i, attribute) {
                const char *name = json_text(attribute, "name"), *value = json_text(attribute, side);
                if (r || !name || !value)
                        continue;
                r = buf_printf(ret, "%s", ret->size > before ? " " : "");
                r = r ? r : output_ascii(name, strlen(name), ret);
                r = r ? r : buf_text(ret, "=");
                r = r ? r : output_ascii(value, strlen(value), ret);
        }
        return r;
}

int
output_record(const struct output_event *event, struct buf *ret)
{
        _cleanup_json_ struct json *line = json_make("{}");
        static const char *const members[] = {"seq", "time", "kind", "item", "detail"};
        int r = line ? 0 : -ENOMEM;
        for (size_t i = 0; i < ARRAY_SIZE(members) && r == 0; i++) {
                const struct json *value = json_member(event->record, members[i]);
                r = json_put(line, members[i],
                        value ? json_keep((struct json *)(uintptr_t)value) : json_null_new());
        }
        if (r == 0 && event->count > 1)
                r = json_put(line, "folded",
                        json_make("{s:I, s:I}", "count", (json_int)event->count, "first_seq",
                                (json_int)event->first_seq));
        if (r == 0 && output_is_test(event))
                r = json_put(line, "test", json_make("b", 1));
        r = r ? r : json_write(line, ret);
        return r ? r : buf_text(ret, "\n");
}
