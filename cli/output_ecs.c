/* SPDX-License-Identifier: MIT */
/*
 * A record in the Elastic Common Schema (elastic.co/guide/en/ecs, version ECS_VERSION): only fields that the
 * schema has, with its types and its allowed values, and one own object, `driftd`, whose members have the
 * same type in every record. The whole record stands in event.original, so that nothing is lost and no index
 * is torn by a detail that is a number in one kind and a list in another.
 */
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "cli/output.h"
#include "core/clock.h"
#include "core/digest.h"
#include "core/escape.h"

/* event.category and event.type of a kind; the schema says which go together. */
static const struct {
        const char *kind, *category, *type;
} kinds[] = {
        {"start", "host", "start"},
        {"stop", "host", "end"},
        {"bless", "configuration", "change"},
        {"adopted", "configuration", "change"},
        {"trust", "configuration", "change"},
        {"waive", "configuration", "change"},
        {"window", "configuration", "change"},
        {"ack", "configuration", "info"},
        {"review", "configuration", "info"},
        {"reject", "configuration", "info"},
        {"reload", "configuration", "change"},
        {"transaction", "package", "change"},
        {"tamper", "intrusion_detection", "info"},
};

static const struct {
        const char *change, *type;
} changes[] = {{"changed", "change"}, {"missing", "deletion"}, {"unexpected", "creation"}};

static bool
is_about(const struct output_event *event, const char *domain)
{
        size_t size = strlen(domain);
        return event->item && strncmp(event->item, domain, size) == 0 &&
               (event->item[size] == ':' || event->item[size] == '[');
}

static bool
is_drift(const struct output_event *event)
{
        return strcmp(event->kind, "drift") == 0 || strcmp(event->kind, "resolved") == 0;
}

static const char *
category_of(const struct output_event *event)
{
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
                if (strcmp(kinds[i].kind, event->kind) == 0)
                        return kinds[i].category;
        return is_about(event, "file") ? "file" : event->item ? "configuration" : "host";
}

static const char *
type_of(const struct output_event *event)
{
        const char *change = json_text(event->detail, "change");
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
                if (strcmp(kinds[i].kind, event->kind) == 0)
                        return kinds[i].type;
        if (strcmp(event->kind, "resolved") == 0)
                return "change";
        for (size_t i = 0; strcmp(event->kind, "drift") == 0 && change && i < ARRAY_SIZE(changes); i++)
                if (strcmp(changes[i].change, change) == 0)
                        return changes[i].type;
        return "info";
}

/* ---- building ---- */

/* An object that is filled as far as there is memory, and then is NULL. */
static void
put(struct json **object, const char *key, struct json *value)
{
        if (!*object)
                json_free(value);
        else if (json_put(*object, key, value) < 0)
                *object = json_free(*object);
}

static void
put_text(struct json **object, const char *key, const char *text)
{
        if (text)
                put(object, key, json_string_new(text));
}

static void
put_object(struct json **object, const char *key, struct json *value)
{
        if (value && !json_length(value))
                json_free(value);
        else
                put(object, key, value);
}

static struct json *
event_json(const struct output_host *host, const struct output_event *event)
{
        static const json_int severities[] = {[LOG_EMERG] = 4,
                [LOG_ALERT] = 4,
                [LOG_CRIT] = 4,
                [LOG_ERR] = 3,
                [LOG_WARNING] = 2,
                [LOG_NOTICE] = 1,
                [LOG_INFO] = 0};
        bool alert = strcmp(event->kind, "drift") == 0 || strcmp(event->kind, "tamper") == 0;
        const char *change = json_text(event->detail, "change"), *as = json_text(event->detail, "as");
        const char *more = strcmp(event->kind, "drift") == 0      ? change
                           : strcmp(event->kind, "resolved") == 0 ? as
                                                                  : json_text(event->detail, "state");
        _cleanup_buf_ struct buf action = {0}, original = {0}, id = {0};
        if (buf_printf(&action, "%s%s%s", event->kind, more ? "-" : "", more ? more : "") < 0 ||
                buf_printf(&id, "%s-%llu", host->id, (unsigned long long)event->seq) < 0 ||
                json_write(event->record, &original) < 0)
                return NULL;
        return json_make("{s:s, s:[s], s:[s], s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:s}", "kind",
                alert ? "alert" : "event", "category", category_of(event), "type", type_of(event), "action",
                action.data, "module", "driftd", "dataset", "driftd.history", "provider", "driftd", "id",
                id.data, "sequence", (json_int)event->seq, "severity",
                severities[event->priority & LOG_PRIMASK], "created", clock_json(clock_now_ms()), "original",
                original.data);
}

/* ---- the file ---- */

/*
 * The path as it is, where that is text that no terminal takes for more: without control bytes, line and
 * paragraph separators and marks that turn the direction. Else in our escape, as in driftd.item.
 */
static bool
is_plain_text(const char *text)
{
        for (size_t at = 0, size; text[at]; at += size) {
                const unsigned char *p = (const unsigned char *)text + at;
                size = utf8_sequence(p, strlen(text + at));
                if (!size || *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0))
                        return false;
                bool marks = *p == 0xe2 && ((p[1] == 0x80 && p[2] >= 0x8b && p[2] <= 0xaf) ||
                                                   (p[1] == 0x81 && p[2] >= 0xa0 && p[2] <= 0xaf));
                if (marks)
                        return false;
        }
        return true;
}

static void
put_path(struct json **file, const char *escaped)
{
        _cleanup_free_ char *raw = NULL;
        if (unescape_new(escaped, &raw) == -ENOMEM) {
                *file = json_free(*file);
                return;
        }
        const char *path = raw && is_plain_text(raw) ? raw : escaped, *slash = strrchr(path, '/');
        put_text(file, "path", path);
        if (!slash || !slash[1])
                return;
        put_text(file, "name", slash + 1);
        _cleanup_free_ char *folder = strndup(path, slash > path ? (size_t)(slash - path) : 1);
        put(file, "directory", folder ? json_string_new(folder) : NULL);
}

static void
put_attribute(struct json **file, const char *name, const char *actual)
{
        static const char *const same[] = {"mode", "uid", "gid", "inode"};
        for (size_t i = 0; i < ARRAY_SIZE(same); i++)
                if (strcmp(name, same[i]) == 0)
                        put_text(file, name, actual);
        if (strcmp(name, "type") == 0)
                put_text(file, name, strcmp(actual, "link") == 0 ? "symlink" : actual);
        if (strcmp(name, "target") == 0)
                put_text(file, "target_path", actual);
        if (strcmp(name, "size") == 0 && *actual && strspn(actual, "0123456789") == strlen(actual))
                put(file, name, json_make("I", (json_int)strtoll(actual, NULL, 10)));
        struct digest digest;
        if (strcmp(name, "content") == 0 && digest_parse(actual, strlen(actual), &digest) == 0)
                put(file, "hash", json_make("{s:s}", "sha256", actual));
}

/* What is there now; of a file that is gone only where it was. */
static struct json *
file_json(const struct output_event *event)
{
        struct json *file = json_make("{}");
        if (file && is_about(event, "file"))
                put_path(&file, event->item + strlen("file:"));
        json_each (json_member(event->detail, "attributes"), i, attribute) {
                const char *name = json_text(attribute, "name"), *actual = json_text(attribute, "actual");
                if (is_about(event, "file") && name && actual)
                        put_attribute(&file, name, actual);
        }
        return file;
}

/* ---- who, which rule, what of it is ours ---- */

/* A number or a text, as a text: the schema has ids as keywords. */
static void
put_id(struct json **object, const char *key, const struct json *value)
{
        char text[24];
        json_int number = 0;
        if (json_kind(value) == JSON_KIND_STRING)
                put_text(object, key, json_string_of(value));
        if (json_kind(value) != JSON_KIND_INTEGER || json_read(value, NULL, "I", &number) < 0)
                return;
        snprintf(text, sizeof text, "%lld", number);
        put_text(object, key, text);
}

static struct json *
process_json(const struct json *who)
{
        struct json *process = json_make("{}");
        const char *exe = json_text(who, "exe"), *slash = exe ? strrchr(exe, '/') : NULL;
        if (json_number(who, "pid"))
                put(&process, "pid", json_make("I", json_number(who, "pid")));
        put_text(&process, "executable", exe);
        put_text(&process, "name", slash && slash[1] ? slash + 1 : exe);
        put_text(&process, "command_line", json_text(who, "cmdline"));
        return process;
}

/* Who did it, as far as is known; else who asked for it. */
static struct json *
user_json(const struct output_event *event)
{
        struct json *user = json_make("{}");
        const struct json *who = json_member(event->detail, "who"),
                          *asked = json_member(event->detail, "asked");
        put_id(&user, "id", json_member(who ? who : asked, "uid"));
        if (!who)
                put_text(&user, "name", json_text(asked, "user"));
        return user;
}

static struct json *
rule_json(const struct output_event *event)
{
        const char *baseline = json_text(event->detail, "baseline");
        const struct json *generation = json_member(event->detail, "generation");
        struct json *rule = json_make("{}");
        if (!baseline)
                return rule;
        put_text(&rule, "name", baseline);
        put_text(&rule, "ruleset", "driftd baseline");
        put_id(&rule, "version", generation);
        return rule;
}

static struct json *
driftd_json(const struct output_event *event)
{
        static const char *const texts[] = {"change", "severity", "as", "state"};
        struct json *own = json_make("{s:s, s:I, s:I, s:I}", "kind", event->kind, "seq", (json_int)event->seq,
                "count", (json_int)event->count, "first_seq", (json_int)event->first_seq);
        _cleanup_buf_ struct buf expected = {0}, actual = {0};
        put_text(&own, "item", event->item);
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                put_text(&own, texts[i], json_text(event->detail, texts[i]));
        put_text(&own, "baseline", json_text(event->detail, "baseline"));
        if (is_drift(event) && json_member(event->detail, "unobserved"))
                put(&own, "unobserved", json_make("b", json_flag(event->detail, "unobserved")));
        put_text(&own, "window", json_text(json_member(event->detail, "window"), "ticket"));
        put_text(&own, "confidence", json_text(json_member(event->detail, "who"), "confidence"));
        put_text(&own, "unit", json_text(json_member(event->detail, "who"), "unit"));
        if (json_flag(json_member(event->detail, "who"), "own_mounts"))
                put(&own, "own_mounts", json_make("b", 1));
        put_id(&own, "login_uid", json_member(json_member(event->detail, "who"), "login_uid"));
        if (output_side(event, "expected", &expected) < 0 || output_side(event, "actual", &actual) < 0)
                return json_free(own);
        put_text(&own, "expected", expected.data);
        put_text(&own, "actual", actual.data);
        if (output_is_test(event))
                put(&own, "test", json_make("b", 1));
        return own;
}

static struct json *
host_json(const struct output_host *host)
{
        struct json *object = json_make("{s:s, s:s}", "name", host->name, "hostname", host->name);
        if (host->id[0])
                put_text(&object, "id", host->id);
        return object;
}

int
output_ecs(const struct output_host *host, const struct output_event *event, struct buf *ret)
{
        static const char *const levels[] = {[LOG_EMERG] = "emergency",
                [LOG_ALERT] = "alert",
                [LOG_CRIT] = "critical",
                [LOG_ERR] = "error",
                [LOG_WARNING] = "warning",
                [LOG_NOTICE] = "notice",
                [LOG_INFO] = "info",
                [LOG_DEBUG] = "debug"};
        _cleanup_buf_ struct buf words = {0};
        if (output_words(event, &words) < 0)
                return -ENOMEM;
        _cleanup_json_ struct json *line = json_make("{s:o, s:{s:s}, s:s, s:{s:s}, s:{s:s, s:s}}",
                "@timestamp", event->time_ms ? clock_json(event->time_ms) : clock_json(clock_now_ms()), "ecs",
                "version", ECS_VERSION, "message", words.data, "log", "level",
                levels[event->priority & LOG_PRIMASK], "agent", "type", "driftd", "version", DRIFTD_VERSION);
        const struct json *who = json_member(event->detail, "who");
        put(&line, "event", event_json(host, event));
        put(&line, "host", host_json(host));
        put_object(&line, "file", file_json(event));
        put_object(&line, "process", process_json(who));
        put_object(&line, "user", user_json(event));
        put_object(&line, "rule", rule_json(event));
        put(&line, "driftd", driftd_json(event));
        int r = line ? json_write(line, ret) : -ENOMEM;
        return r ? r : buf_text(ret, "\n");
}
