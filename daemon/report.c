/* SPDX-License-Identifier: MIT */
/*
 * The journal. A table gives each kind of record its MESSAGE_ID; priority and words are those of
 * core/record.h. Called after the record is durable, never before. The fence of sd-journal.
 */
#include "daemon/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#include "core/record.h"

#define FIELDS_MAX 24u
#define LINE_SIZE_MAX 2048u /* bytes of a line on standard error, with its NUL */

static const struct {
        const char *kind, *id;
} message_ids[] = {
#define MESSAGE_ID(kind, id) {#kind, id},
#include "daemon/message_id.h"
};

static const char *
message_id(const char *kind)
{
        for (size_t i = 0; i < ARRAY_SIZE(message_ids); i++)
                if (strcmp(message_ids[i].kind, kind) == 0)
                        return message_ids[i].id;
        return NULL;
}

struct fields {
        struct buf text; /* NAME=value of each, one after the other */
        size_t ends[FIELDS_MAX];
        size_t count;
};

static void
add_field(struct fields *fields, const char *name, const char *value)
{
        struct buf *text = &fields->text;
        size_t before = text->size;
        if (!value || fields->count == FIELDS_MAX)
                return;
        if (buf_text(text, name) < 0 || buf_text(text, "=") < 0 || buf_text(text, value) < 0)
                text->size = before;
        else
                fields->ends[fields->count++] = text->size;
}

static void
send_fields(const struct fields *fields)
{
        struct iovec list[FIELDS_MAX];
        size_t start = 0;
        for (size_t i = 0; i < fields->count; start = fields->ends[i++])
                list[i] = (struct iovec){fields->text.data + start, fields->ends[i] - start};
        sd_journal_sendv(list, (int)fields->count);
}

static void
add_json(struct fields *fields, const char *name, const struct json *value)
{
        _cleanup_buf_ struct buf text = {0};
        if (value && !json_is_null(value) && json_write(value, &text) == 0)
                add_field(fields, name, text.data);
}

/*
 * DRIFTD_EXPECTED and DRIFTD_ACTUAL: "mode=0644 uid=0", from the list of attributes. Of a drift both are
 * always there, for the catalog shows them: a side with nothing is "absent".
 */
static void
add_side(struct fields *fields, const char *name, const struct announcement *a, const char *side)
{
        _cleanup_buf_ struct buf text = {0};
        json_each (json_member(a->detail, "attributes"), i, attribute) {
                const char *key = json_text(attribute, "name"), *value = json_text(attribute, side);
                if (key && value && buf_printf(&text, "%s%s=%s", text.size ? " " : "", key, value) < 0)
                        return;
        }
        if (!text.data && strcmp(a->kind, "drift") == 0)
                buf_text(&text, "absent");
        add_field(fields, name, text.data);
}

static void
add_number(struct fields *fields, const char *name, const struct json *object, const char *member)
{
        char text[24];
        if (json_kind(json_member(object, member)) != JSON_KIND_INTEGER)
                return;
        snprintf(text, sizeof text, "%lld", json_number(object, member));
        add_field(fields, name, text);
}

/* Whose events were seen; what is not known has no field. */
static void
add_who(struct fields *fields, const struct json *who)
{
        add_number(fields, "DRIFTD_WHO_PID", who, "pid");
        add_field(fields, "DRIFTD_WHO_EXE", json_text(who, "exe"));
        add_field(fields, "DRIFTD_WHO_CMDLINE", json_text(who, "cmdline"));
        add_number(fields, "DRIFTD_WHO_UID", who, "uid");
        add_number(fields, "DRIFTD_WHO_LOGIN_UID", who, "login_uid");
        add_field(fields, "DRIFTD_WHO_UNIT", json_text(who, "unit"));
        if (json_flag(who, "own_mounts"))
                add_field(fields, "DRIFTD_WHO_OWN_MOUNTS", "yes");
        add_field(fields, "DRIFTD_WHO_CONFIDENCE", json_text(who, "confidence"));
}

/* The journal is told directly where we run under it; the variable names the stream's device and inode. */
static bool
under_journal(void)
{
        return getenv("JOURNAL_STREAM") != NULL;
}

static void
put_line(int priority, const char *text)
{
        if (under_journal())
                fprintf(stderr, "<%d>%s\n", priority, text);
        else
                fprintf(stderr, "driftd: %s\n", text);
}

void
report_announcement(const struct instance *instance, const struct announcement *a)
{
        (void)instance;
        static struct buf message; /* what one line needed the next takes */
        int priority = record_priority(a->kind, a->detail);
        buf_clear(&message);
        record_words(a->kind, a->item, a->detail, &message);
        if (!message.size)
                return;
        if (!under_journal()) {
                message.data[min_size(message.size, LINE_SIZE_MAX - 1)] = '\0';
                put_line(priority, message.data);
                return;
        }
        struct fields fields = {0};
        char number[24], level[4];
        snprintf(number, sizeof number, "%llu", (unsigned long long)a->seq);
        snprintf(level, sizeof level, "%d", priority);
        add_field(&fields, "MESSAGE", message.data);
        add_field(&fields, "MESSAGE_ID", message_id(a->kind));
        add_field(&fields, "PRIORITY", level);
        add_field(&fields, "SYSLOG_IDENTIFIER", "driftd");
        add_field(&fields, "DRIFTD_SEQ", number);
        add_field(&fields, "DRIFTD_KIND", a->kind);
        add_field(&fields, "DRIFTD_ITEM", a->item);
        add_field(&fields, "DRIFTD_CHANGE", json_text(a->detail, "change"));
        add_side(&fields, "DRIFTD_EXPECTED", a, "expected");
        add_side(&fields, "DRIFTD_ACTUAL", a, "actual");
        add_field(&fields, "DRIFTD_BASELINE", json_text(a->detail, "baseline"));
        add_field(&fields, "DRIFTD_SEVERITY", json_text(a->detail, "severity"));
        add_field(&fields, "DRIFTD_WINDOW", json_text(json_member(a->detail, "window"), "ticket"));
        add_field(&fields, "DRIFTD_TRUST_ID", json_string_of(a->trust_id));
        add_who(&fields, json_member(a->detail, "who"));
        add_json(&fields, "DRIFTD_DETAIL", a->detail);
        send_fields(&fields);
        buf_done(&fields.text);
}

void
report_announced(void)
{
        fflush(stderr);
}

void
report_line(int priority, const char *format, ...)
{
        char text[LINE_SIZE_MAX];
        va_list args;
        va_start(args, format);
        /* It is started above. NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        put_line(priority, text);
        fflush(stderr);
}
