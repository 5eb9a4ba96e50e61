/* SPDX-License-Identifier: MIT */
/*
 * [output NAME]: where records go. One table of keys for all types; which of them a type needs and which it
 * takes is said beside it, so that a key that would do nothing is refused and not ignored.
 */
#include "core/config_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/ini_reader.h"
#include "core/quote.h"
#include "core/record.h"

const char *const output_type_names[OUTPUT_TYPE_COUNT] = {"ecs", "syslog", "openmetrics", "command"};

/* The number of RFC 5612, which no organization is ever given: so it claims to be nobody. */
#define ENTERPRISE_NONE 32473u
#define ENTERPRISE_MAX INT64_C(4294967295)

static const char *const facility_names[] = {"kern", "user", "mail", "daemon", "auth", "syslog", "lpr",
        "news", "uucp", "cron", "authpriv", "ftp", "ntp", "security", "console", "solaris-cron", "local0",
        "local1", "local2", "local3", "local4", "local5", "local6", "local7"};
static const char *const from_words[] = {"start", "now"};

/* Those that say that nothing happened: told only where they are asked for. */
static const char *const quiet_kinds[] = {"heartbeat", "scan"};

/* ---- values ---- */

static struct config_output *
output_of(void *target)
{
        return target;
}

/* Calls for each word of a value; there must be one. */
static int
each_word(const char *value, struct config_output *output,
        int (*take)(struct config_output *output, const char *word, struct err *err), struct err *err)
{
        _cleanup_free_ char *copy = strdup(value);
        char *rest, *word = copy ? strtok_r(copy, " \t", &rest) : NULL;
        int r = copy ? 0 : err_oom(err);
        if (copy && !word) {
                err_set(err, -EINVAL, "the value is empty");
                return err_hint(err, -EINVAL, "write what is meant, or take the line out for the default");
        }
        for (; word && r == 0; word = strtok_r(NULL, " \t", &rest))
                r = take(output, word, err);
        return r;
}

static int
take_severity(struct config_output *output, const char *word, struct err *err)
{
        int index = name_index(severity_names, SEVERITY_COUNT, word, strlen(word));
        if (index < 0) {
                err_set(err, -EINVAL, "\"%s\" is no severity", quote(word));
                return err_hint(err, -EINVAL, "write one or more of: high medium low");
        }
        output->severities |= 1u << index;
        return 0;
}

static int
set_severities(const struct config_key *key, void *target, const char *value, struct err *err)
{
        (void)key;
        output_of(target)->severities = 0;
        return each_word(value, target, take_severity, err);
}

static size_t
count_kinds(void)
{
        size_t n = 0;
        while (record_kinds[n])
                n++;
        return n;
}

static int
take_kind(struct config_output *output, const char *word, struct err *err)
{
        size_t n = count_kinds();
        if (name_index(record_kinds, n, word, strlen(word)) >= 0)
                return text_list_add(&output->kinds, word, strlen(word)) < 0 ? err_oom(err) : 0;
        const char *near = nearest_word(word, record_kinds, n);
        err_set(err, -EINVAL, "there is no kind of record \"%s\"", quote(word));
        return near ? err_hint(err, -EINVAL, "did you mean %s?", near)
                    : err_hint(err, -EINVAL, "driftctl(1) lists the kinds: drift resolved bless ...");
}

static int
set_kinds(const struct config_key *key, void *target, const char *value, struct err *err)
{
        (void)key;
        text_list_done(&output_of(target)->kinds);
        int r = each_word(value, target, take_kind, err);
        text_list_sort(&output_of(target)->kinds);
        return r;
}

static int
add_item(const struct config_key *key, void *target, const char *value, struct err *err)
{
        struct text_list *list = &output_of(target)->items;
        _cleanup_free_ char *item = NULL;
        (void)key;
        if (list->count == CONFIG_ITEMS_MAX) {
                err_set(err, -EINVAL, "more than %u globs", CONFIG_ITEMS_MAX);
                return err_hint(err, -EINVAL, "use wider globs: file:/etc/**");
        }
        int r = item_parse(value, &item, err);
        if (r < 0)
                return r;
        return text_list_add(list, item, strlen(item)) < 0 ? err_oom(err) : 0;
}

/* A time, or 0 for none where the row's least value is 0. */
static int
set_seconds(const struct config_key *key, void *target, const char *value, struct err *err)
{
        int64_t seconds = 0, *member = (int64_t *)(void *)((char *)target + key->offset);
        int r = key->min == 0 && strcmp(value, "0") == 0 ? 0 : duration_parse(value, &seconds, err);
        if (r == 0 && seconds > key->max) {
                err_set(err, -EINVAL, "\"%s\" is too long", quote(value));
                r = err_hint(err, -EINVAL, "write a time of at most %lld s", (long long)key->max);
        }
        if (r == 0)
                *member = seconds;
        return r;
}

static int
set_copy(char **member, const char *text, size_t size, struct err *err)
{
        char *copy = strndup(text, size);
        if (!copy)
                return err_oom(err);
        free(*member);
        *member = copy;
        return 0;
}

static int
address_refused(const char *value, struct err *err)
{
        err_set(err, -EINVAL, "\"%s\" is no address", quote(value));
        return err_hint(err, -EINVAL,
                "write unix:/dev/log, tcp:HOST:PORT or tcp:[IPV6]:PORT (a port from 1 to 65535)");
}

static bool
port_is_good(const char *port)
{
        size_t digits = strspn(port, "0123456789");
        unsigned long number = digits && digits <= 5 && !port[digits] ? strtoul(port, NULL, 10) : 0;
        return number >= 1 && number <= 65535 && *port != '0';
}

static int
set_tcp(struct config_output *output, const char *value, struct err *err)
{
        const char *host = value + strlen("tcp:"), *colon = strrchr(host, ':');
        bool bracket = *host == '[';
        if (!colon || colon == host || !port_is_good(colon + 1))
                return address_refused(value, err);
        size_t size = (size_t)(colon - host);
        if (bracket && (size < 4 || host[size - 1] != ']'))
                return address_refused(value, err);
        if (bracket) {
                host++;
                size -= 2;
        }
        for (size_t i = 0; i < size; i++)
                if (!isalnum((unsigned char)host[i]) && !strchr(bracket ? ":.%-" : ".-", host[i]))
                        return address_refused(value, err);
        free(output->socket);
        output->socket = NULL;
        int r = set_copy(&output->host, host, size, err);
        return r ? r : set_copy(&output->port, colon + 1, strlen(colon + 1), err);
}

static int
set_address(const struct config_key *key, void *target, const char *value, struct err *err)
{
        struct config_output *output = target;
        if (strncmp(value, "tcp:", 4) == 0)
                return set_tcp(output, value, err);
        if (strncmp(value, "unix:", 5) != 0)
                return address_refused(value, err);
        struct config_key path = *key;
        path.offset = offsetof(struct config_output, socket);
        int r = config_set_raw_path(&path, target, value + 5, err);
        if (r == 0 && strlen(output->socket) >= 108) {
                err_set(err, -EINVAL, "the path of the socket is too long");
                return err_hint(err, -EINVAL, "a socket's path has at most 107 bytes");
        }
        if (r == 0) {
                free(output->host);
                output->host = NULL;
        }
        return r;
}

static int
take_argument(struct config_output *output, const char *word, struct err *err)
{
        char *raw = NULL;
        if (output->command.count == CONFIG_ARGUMENTS_MAX)
                return err_set(err, -EINVAL, "more than %u words", CONFIG_ARGUMENTS_MAX);
        int r = unescape_new(word, &raw);
        if (r == -EINVAL) {
                err_set(err, -EINVAL, "the word \"%s\" is not taken", quote(word));
                return err_hint(err, r,
                        "no shell sees it: words stand between blanks, quotes mean nothing; write \\xhh for "
                        "a "
                        "blank (\\x20), a backslash (\\x5c) or a byte outside of ASCII");
        }
        if (r < 0)
                return err_oom(err);
        r = text_list_add(&output->command, raw, strlen(raw));
        free(raw);
        return r < 0 ? err_oom(err) : 0;
}

static int
set_command(const struct config_key *key, void *target, const char *value, struct err *err)
{
        struct config_output *output = target;
        (void)key;
        text_list_done(&output->command);
        int r = each_word(value, output, take_argument, err);
        if (r == 0 && output->command.items[0][0] != '/') {
                err_set(err, -EINVAL, "\"%s\" is not an absolute path", quote(output->command.items[0]));
                return err_hint(
                        err, -EINVAL, "name the program whole: command = /usr/local/bin/notify --drift");
        }
        return r;
}

/* ---- the keys ---- */

#define ECS (1u << OUTPUT_ECS)
#define SYSLOG (1u << OUTPUT_SYSLOG)
#define OPENMETRICS (1u << OUTPUT_OPENMETRICS)
#define COMMAND (1u << OUTPUT_COMMAND)
#define RECORDS (ECS | SYSLOG | COMMAND)
#define AT(member) .offset = offsetof(struct config_output, member)

enum { KEY_TYPE, KEY_PATH, KEY_ADDRESS, KEY_COMMAND };

const struct config_key output_keys[OUTPUT_KEYS] = {
        [KEY_TYPE] = {"type", config_set_word, AT(type), .words = output_type_names,
                .n_words = OUTPUT_TYPE_COUNT},
        [KEY_PATH] = {"path", config_set_raw_path, AT(path)},
        [KEY_ADDRESS] = {"address", set_address, AT(socket)},
        [KEY_COMMAND] = {"command", set_command, AT(command)},
        {"facility", config_set_word, AT(facility), .words = facility_names,
                .n_words = ARRAY_SIZE(facility_names)},
        {"enterprise", config_set_u64, AT(enterprise), .min = 1, .max = ENTERPRISE_MAX},
        {"interval", set_seconds, AT(interval_s), .min = 1, .max = CONFIG_INTERVAL_MAX},
        {"timeout", set_seconds, AT(timeout_s), .min = 1, .max = CONFIG_INTERVAL_MAX},
        {"severity", set_severities, AT(severities)},
        {"items", add_item, AT(items), .repeats = true},
        {"kinds", set_kinds, AT(kinds)},
        {"from", config_set_bool, AT(from_now), .words = from_words, .n_words = 2},
        {"fold", set_seconds, AT(fold_s), .min = 0, .max = CONFIG_INTERVAL_MAX},
};

/* The types that take each row, and those that need it. */
static const struct {
        unsigned takes, needs;
} key_types[OUTPUT_KEYS] = {
        {RECORDS | OPENMETRICS, RECORDS | OPENMETRICS},
        {ECS | OPENMETRICS, ECS | OPENMETRICS},
        {SYSLOG, SYSLOG},
        {COMMAND, COMMAND},
        {SYSLOG, 0},
        {SYSLOG, 0},
        {OPENMETRICS, 0},
        {COMMAND, 0},
        {RECORDS, 0},
        {RECORDS, 0},
        {RECORDS, 0},
        {RECORDS, 0},
        {RECORDS, 0},
};

static const char *const needs_hints[] = {
        [KEY_TYPE] = "add type = ecs, syslog, openmetrics or command",
        [KEY_PATH] = "add path = /var/log/driftd/NAME.json, or /var/lib/prometheus/node-exporter/NAME.prom",
        [KEY_ADDRESS] = "add address = unix:/dev/log or tcp:HOST:PORT",
        [KEY_COMMAND] = "add command = /path/of/the/program and its arguments",
};

/* ---- the section ---- */

void
config_output_done(struct config_output *output)
{
        free(output->path);
        free(output->socket);
        free(output->host);
        free(output->port);
        free(output->where);
        text_list_done(&output->command);
        text_list_done(&output->items);
        text_list_done(&output->kinds);
        *output = (struct config_output){0};
}

int
config_output_section(struct config *config, const char *name, const char *path, unsigned line,
        struct config_output **ret, struct err *err)
{
        for (size_t i = 0; i < config->n_outputs; i++)
                if (strcmp(config->outputs[i].name, name) == 0) {
                        *ret = &config->outputs[i];
                        return 0;
                }
        if (config->n_outputs == CONFIG_OUTPUTS_MAX)
                return err_set(err, -EINVAL, "more than %u outputs", CONFIG_OUTPUTS_MAX);
        struct config_output output = {
                .facility = 4, /* auth */
                .enterprise = ENTERPRISE_NONE,
                .interval_s = 30,
                .timeout_s = 30,
                .severities = (1u << SEVERITY_COUNT) - 1,
        };
        snprintf(output.name, sizeof output.name, "%s", name);
        if (array_grow(&config->outputs, config->n_outputs) < 0 ||
                asprintf(&output.where, "%s:%u", quote(path), line) < 0)
                return err_oom(err);
        *ret = &config->outputs[config->n_outputs++];
        **ret = output;
        return 0;
}

static int
check_keys(const struct config_output *output, struct err *err)
{
        for (unsigned i = 0; i < OUTPUT_KEYS; i++) {
                bool given = output->given & 1u << i;
                unsigned type = 1u << output->type;
                if (!given && key_types[i].needs & type) {
                        err_set(err, -EINVAL, "%s: [output %s] has no %s", output->where, output->name,
                                output_keys[i].name);
                        return err_hint(err, -EINVAL, "%s", needs_hints[i]);
                }
                if (given && !(key_types[i].takes & type)) {
                        err_set(err, -EINVAL, "%s: [output %s]: %s means nothing with type = %s",
                                output->where, output->name, output_keys[i].name,
                                output_type_names[output->type]);
                        return err_hint(
                                err, -EINVAL, "take the line out; driftd.conf(5) has the keys of each type");
                }
        }
        return 0;
}

/* node_exporter reads no other names, and would say nothing of it. */
static int
check_path(const struct config_output *output, struct err *err)
{
        if (output->type != OUTPUT_OPENMETRICS || !output->path)
                return 0;
        size_t size = strlen(output->path);
        if (size > 5 && strcmp(output->path + size - 5, ".prom") == 0)
                return 0;
        err_set(err, -EINVAL, "%s: [output %s]: %s does not end in .prom", output->where, output->name,
                quote(output->path));
        return err_hint(err, -EINVAL, "node_exporter reads only *.prom of its folder");
}

static int
check_twins(const struct config *config, size_t index, struct err *err)
{
        const struct config_output *output = &config->outputs[index];
        for (size_t i = 0; i < index; i++) {
                const struct config_output *other = &config->outputs[i];
                if (!output->path || !other->path || strcmp(output->path, other->path) != 0)
                        continue;
                err_set(err, -EINVAL, "%s: [output %s] has the same path as [output %s]", output->where,
                        output->name, other->name);
                return err_hint(err, -EINVAL, "give each output a file of its own");
        }
        return 0;
}

int
config_outputs_check(const struct config *config, struct err *err)
{
        int r = 0;
        for (size_t i = 0; i < config->n_outputs && r == 0; i++) {
                r = check_keys(&config->outputs[i], err);
                r = r ? r : check_path(&config->outputs[i], err);
                r = r ? r : check_twins(config, i, err);
        }
        return r;
}

bool
config_output_tells(const struct config_output *output, const char *kind)
{
        for (size_t i = 0; i < output->kinds.count; i++)
                if (strcmp(output->kinds.items[i], kind) == 0)
                        return true;
        if (output->kinds.count)
                return false;
        for (size_t i = 0; i < ARRAY_SIZE(quiet_kinds); i++)
                if (strcmp(quiet_kinds[i], kind) == 0)
                        return false;
        return true;
}
