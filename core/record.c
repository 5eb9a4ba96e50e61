/* SPDX-License-Identifier: MIT */
/*
 * What a record of the history is to people, wherever it is told: its kinds, how urgent it is, and its words.
 * One table each, so that the journal and every output say the same. Nothing here knows a sink: what is
 * appended may hold what a host's settings hold, and each sink filters it.
 */
#include "core/record.h"

#include <string.h>
#include <syslog.h>

const char *const record_kinds[] = {"start", "stop", "heartbeat", "gap", "scan", "drift", "resolved", "bless",
        "reject", "ack", "waive", "window", "overflow", "watch_lost", "unstable", "unreadable", "mount",
        "hidden", "clock_jump", "reload", "trust", "adopted", "storage", "tamper", "transaction",
        "checkpoint", "review", "flapping", NULL};

static const struct {
        const char *kind;
        int priority;
} priorities[] = {
        {"drift", LOG_WARNING},
        {"gap", LOG_WARNING},
        {"reject", LOG_WARNING},
        {"overflow", LOG_WARNING},
        {"watch_lost", LOG_WARNING},
        {"unstable", LOG_WARNING},
        {"unreadable", LOG_WARNING},
        {"hidden", LOG_WARNING},
        {"clock_jump", LOG_WARNING},
        {"adopted", LOG_WARNING},
        {"storage", LOG_ERR},
        {"tamper", LOG_CRIT},
        {"checkpoint", LOG_NOTICE},
        {"bless", LOG_NOTICE},
        {"trust", LOG_NOTICE},
        {"resolved", LOG_NOTICE},
        {"mount", LOG_NOTICE},
        {"transaction", LOG_NOTICE},
        {"review", LOG_NOTICE},
        {"flapping", LOG_WARNING},
        {"window", LOG_NOTICE},
};

int
record_priority(const char *kind, const struct json *detail)
{
        const char *severity = json_text(detail, "severity");
        if (strcmp(kind, "drift") == 0 && severity && strcmp(severity, "high") == 0)
                return LOG_ERR;
        if (strcmp(kind, "drift") == 0 && severity && strcmp(severity, "low") == 0)
                return LOG_NOTICE;
        const struct json *report = json_member(detail, "report"); /* of a window that ended */
        if (json_number(report, "unexpected") || json_number(report, "absent") ||
                json_number(report, "unknown"))
                return LOG_WARNING;
        const char *state = json_text(detail, "state");
        if (strcmp(kind, "review") == 0 && state && strcmp(state, "overdue") == 0)
                return LOG_WARNING;
        for (size_t i = 0; i < ARRAY_SIZE(priorities); i++)
                if (strcmp(priorities[i].kind, kind) == 0)
                        return priorities[i].priority;
        return LOG_INFO;
}

/* A file's attribute by its name; of a setting what was expected and what is there, in short. */
static void
describe_attribute(const struct json *attribute, struct buf *text)
{
        const char *name = json_text(attribute, "name");
        if (!name || strcmp(name, "value") != 0) {
                buf_text(text, " ");
                buf_text(text, name ? name : "?");
                return;
        }
        const char *expected = json_text(attribute, "expected"), *actual = json_text(attribute, "actual");
        buf_printf(text, " %.60s → %.60s", expected ? expected : "(absent)", actual ? actual : "(absent)");
}

/* In short: the program, where it is known. */
static void
describe_who(const struct json *who, struct buf *text)
{
        const char *exe = json_text(who, "exe"), *confidence = json_text(who, "confidence");
        if (exe && confidence)
                buf_printf(text, " %sby %s[%lld]%s", strcmp(confidence, "exact") == 0 ? "" : "likely ", exe,
                        json_number(who, "pid"), json_flag(who, "own_mounts") ? " (own mounts)" : "");
}

static void
describe_window(const struct json *window, struct buf *text)
{
        const char *ticket = json_text(window, "ticket"), *until = json_text(window, "until"),
                   *severity = json_text(window, "severity");
        if (ticket && until && severity)
                buf_printf(text, " in window %s (until %s; otherwise %s)", ticket, until, severity);
}

static void
describe_window_record(const struct json *detail, struct buf *text)
{
        const char *ticket = json_text(detail, "ticket"), *state = json_text(detail, "state"),
                   *by = json_text(detail, "by"), *until = json_text(detail, "until"),
                   *why = json_text(detail, "why");
        const struct json *report = json_member(detail, "report");
        buf_printf(text, "window %s %s: by %s, until %s", ticket ? ticket : "?", state ? state : "?",
                by ? by : "?", until ? until : "?");
        if (report)
                buf_printf(text, "; %lld expected, %lld unexpected, %lld expected but absent, %lld unknown",
                        json_number(report, "expected"), json_number(report, "unexpected"),
                        json_number(report, "absent"), json_number(report, "unknown"));
        if (why)
                buf_printf(text, "; %s", why);
}

void
record_words(const char *kind, const char *item, const struct json *detail, struct buf *text)
{
        const char *change = json_text(detail, "change"), *as = json_text(detail, "as");
        if (strcmp(kind, "drift") == 0 && change) {
                buf_text(text, change);
                buf_text(text, " ");
                buf_text(text, item ? item : "?"); /* (ours have one) */
                json_each (json_member(detail, "attributes"), i, attribute)
                        describe_attribute(attribute, text);
                if (json_flag(detail, "unobserved"))
                        buf_text(text, " (while unobserved)");
                describe_who(json_member(detail, "who"), text);
                describe_window(json_member(detail, "window"), text);
                return;
        }
        if (strcmp(kind, "window") == 0) {
                describe_window_record(detail, text);
                return;
        }
        buf_printf(
                text, "%s%s%s%s%s", kind, item ? " " : "", item ? item : "", as ? " as " : "", as ? as : "");
        if (!item && json_length(detail)) {
                buf_text(text, " ");
                json_write(detail, text);
        }
}
