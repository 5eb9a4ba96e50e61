/* SPDX-License-Identifier: MIT */
/*
 * SARIF 2.1.0 (OASIS, docs.oasis-open.org/sarif/sarif/v2.1.0), with what GitHub's code scanning asks beyond
 * it
 * ("SARIF support for code scanning"): each result has a physical location, or the whole file is refused; a
 * fingerprint under the one name that it reads; and a severity that is its rule's, for which reason a rule is
 * a change, a domain and a severity, and only those that occur are listed.
 *
 * A result is a drift, or what a change did that was not expected. What could not be looked at is no result
 * but a notification of the run, for whoever reads results takes each for a finding; then the run was not
 * successful. An acknowledgement is a property and no suppression: readers drop every result that has one,
 * and only a signature may do that. Results are written one by one; only the rules are collected before.
 */
#include <errno.h>
#include <string.h>

#include "cli/checks.h"
#include "core/digest.h"
#include "core/escape.h"

#define RULES_MAX 256u /* past it, what is left has the last one */
#define DOMAIN_MAX 32u /* characters of a rule's domain, with the NUL */
#define SCHEMA "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

/* GitHub: over 9.0 critical, from 7.0 high, from 4.0 medium, below it low. */
static const struct level {
        const char *severity, *level, *security;
} levels[] = {{"high", "error", "8.0"}, {"medium", "warning", "5.5"}, {"low", "note", "2.0"}};
#define LEVEL_UNKNOWN 1u /* what a change left out has no severity of its own */

static const struct rule_words {
        const char *type, *brief, *full, *help;
} changes[] = {
        {"changed", "changed", "It is not as the signed baseline says.",
                "Look at it with `driftctl show ITEM`. If it was wanted, approve it with `driftctl bless "
                "ITEM "
                "--ticket TICKET`; if not, put it back as it was."},
        {"missing", "is missing", "The signed baseline expects it, and it is not there.",
                "Put it back, or approve that it is gone with `driftctl bless ITEM --ticket TICKET`."},
        {"unexpected", "is unexpected",
                "It is inside a scope that the signed baseline closes, and nothing signed expects it.",
                "Find out who put it there (`driftctl show ITEM`, `driftctl log ITEM`). Take it away, or "
                "approve it with `driftctl bless ITEM --ticket TICKET`."},
        {"absent", "did not change as expected", "The set of expected changes has it, and it did not happen.",
                "Look whether the change went through; correct the change, or the set."},
};

struct rule {
        char domain[DOMAIN_MAX];
        unsigned change, level;
};

struct sarif {
        const struct checks *checks;
        const char *root;
        FILE *file;
        struct rule rules[RULES_MAX];
        unsigned n_rules;
        struct buf text;
};

/* ---- rules ---- */

static bool
is_result(const struct check *check)
{
        return check->kind == CHECK_ITEM &&
               (check->outcome == CHECK_FAILED || check->outcome == CHECK_WAIVED);
}

static struct rule
rule_of(const struct check *check)
{
        struct rule rule = {.level = LEVEL_UNKNOWN};
        const char *item = json_text(check->about, "item"), *severity = json_text(check->about, "severity"),
                   *type = check_type(check);
        item = item ? item : "item";
        snprintf(rule.domain, sizeof rule.domain, "%.*s", (int)item_domain(item), item);
        for (unsigned i = 0; i < ARRAY_SIZE(changes); i++)
                if (strcmp(type, changes[i].type) == 0)
                        rule.change = i;
        for (unsigned i = 0; severity && i < ARRAY_SIZE(levels); i++)
                if (strcmp(severity, levels[i].severity) == 0)
                        rule.level = i;
        return rule;
}

static unsigned
rule_index(struct sarif *sarif, const struct rule *rule)
{
        for (unsigned i = 0; i < sarif->n_rules; i++)
                if (strcmp(sarif->rules[i].domain, rule->domain) == 0 &&
                        sarif->rules[i].change == rule->change && sarif->rules[i].level == rule->level)
                        return i;
        if (sarif->n_rules == RULES_MAX)
                return RULES_MAX - 1;
        sarif->rules[sarif->n_rules] = *rule;
        return sarif->n_rules++;
}

static void
rule_id(const struct rule *rule, char id[static 2 * DOMAIN_MAX])
{
        snprintf(id, 2 * DOMAIN_MAX, "%s-%s-%s", rule->domain, changes[rule->change].type,
                levels[rule->level].severity);
}

static struct json *
rule_json(const struct rule *rule)
{
        const struct rule_words *change = &changes[rule->change];
        const struct level *level = &levels[rule->level];
        bool file = strcmp(rule->domain, "file") == 0;
        char id[2 * DOMAIN_MAX], brief[128];
        rule_id(rule, id);
        snprintf(brief, sizeof brief, "%s%s %s (severity %s)", file ? "file" : rule->domain,
                file ? "" : " setting", change->brief, level->severity);
        return json_make("{s:s, s:{s:s}, s:{s:s}, s:{s:s, s:s}, s:{s:s}, s:{s:[s, s, s], s:s, s:s}}", "id",
                id, "shortDescription", "text", brief, "fullDescription", "text", change->full, "help",
                "text", change->help, "markdown", change->help, "defaultConfiguration", "level", level->level,
                "properties", "tags", "security", "drift", rule->domain, "security-severity", level->security,
                "precision", "very-high");
}

static struct json *
driver_json(const struct sarif *sarif)
{
        struct json *rules = json_array_make();
        for (unsigned i = 0; rules && i < sarif->n_rules; i++)
                json_gather(&rules, rule_json(&sarif->rules[i]));
        return json_make("{s:{s:s, s:s, s:s, s:s, s:o}}", "driver", "name", "driftd", "fullName",
                "driftd " DRIFTD_VERSION, "version", DRIFTD_VERSION, "semanticVersion", DRIFTD_VERSION,
                "rules", rules);
}

/* ---- places ---- */

/* RFC 3986: unreserved characters and the slash stand, every other byte is %XX. */
static int
append_path(struct buf *uri, const char *path)
{
        int r = 0;
        for (; *path && r == 0; path++) {
                unsigned char c = (unsigned char)*path;
                bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                             strchr("-._~/", c);
                r = plain ? buf_append(uri, path, 1) : buf_printf(uri, "%%%02X", c);
        }
        return r;
}

/* Of an escaped path, below the root. */
static int
append_relative(struct buf *uri, const char *escaped, size_t size)
{
        _cleanup_free_ char *text = strndup(escaped, size), *raw = NULL;
        if (!text)
                return -ENOMEM;
        int r = unescape_new(text, &raw);
        if (r == -ENOMEM)
                return r;
        const char *path = r ? text : raw;
        while (*path == '/')
                path++;
        return append_path(uri, *path ? path : ".");
}

/* "FILE:LINE", where a setting is configured. */
static bool
split_source(const char *source, size_t *ret_size, json_int *ret_line)
{
        const char *colon = source ? strrchr(source, ':') : NULL;
        char *end;
        if (!colon || source[0] != '/' || colon[1] < '1' || colon[1] > '9')
                return false;
        errno = 0;
        *ret_line = strtoll(colon + 1, &end, 10);
        *ret_size = (size_t)(colon - source);
        return !errno && !*end;
}

/* Where no file configures a setting: where one would look first. */
static int
append_home(struct buf *uri, const char *item)
{
        const char *name = item + item_domain(item);
        const char *colon = strchr(name, ':');
        size_t size = strcspn(colon ? colon + 1 : "", "@");
        if (strncmp(item, "sysctl:", 7) == 0)
                return buf_text(uri, "proc/sys/") ? -ENOMEM : append_relative(uri, colon + 1, size);
        if (strncmp(item, "sshd", 4) == 0)
                return buf_text(uri, "etc/ssh/sshd_config");
        if (strncmp(item, "openssl", 7) == 0)
                return buf_text(uri, "etc/ssl/openssl.cnf");
        return append_relative(uri, item, strlen(item));
}

/* GitHub needs a region too: of a file as a whole it is the first line. */
static struct json *
location_json(const struct json *row)
{
        _cleanup_buf_ struct buf uri = {0};
        const char *item = json_text(row, "item");
        const char *source = json_text(json_member(json_member(row, "views"), "configured"), "source");
        json_int line = 1;
        size_t size;
        int r;
        item = item ? item : "?";
        if (strncmp(item, "file:", 5) == 0)
                r = append_relative(&uri, item + 5, strlen(item + 5));
        else if (split_source(source, &size, &line))
                r = append_relative(&uri, source, size);
        else
                r = append_home(&uri, item);
        return r < 0 ? NULL
                     : json_make("{s:{s:{s:s, s:s}, s:{s:I}}, s:[{s:s, s:s}]}", "physicalLocation",
                               "artifactLocation", "uri", uri.data, "uriBaseId", "ROOT", "region",
                               "startLine", line, "logicalLocations", "fullyQualifiedName", item, "kind",
                               "resource");
}

/* ---- results ---- */

/* What a drift is identified by: its baseline and item, on this host. */
static int
fingerprint(const struct json *document, const struct json *row, char hex[static DIGEST_HEX_SIZE])
{
        _cleanup_buf_ struct buf text = {0};
        struct digest digest;
        const char *host = json_text(document, "host"), *baseline = json_text(row, "baseline"),
                   *item = json_text(row, "item");
        int r = buf_printf(
                &text, "%s\n%s\n%s", host ? host : "", baseline ? baseline : "host", item ? item : "");
        if (r < 0)
                return r;
        digest_bytes(text.data, text.size, &digest);
        digest_hex(&digest, hex);
        return 0;
}

static struct json *
message_json(const struct sarif *sarif, const struct check *check)
{
        _cleanup_buf_ struct buf text = {0}, details = {0};
        int r = check->kind == CHECK_ITEM ? check_name(check, &text) : 0;
        r = r || check->kind != CHECK_ITEM ? r : buf_text(&text, " ");
        r = r ? r : check_message(sarif->checks, check, &text);
        r = r ? r : check_sides(check, &details);
        r = r ? r : check_details(check, &details);
        r = r || !details.size ? r : buf_printf(&text, "\n%s", details.data);
        return r ? NULL : json_make("{s:s}", "text", text.data);
}

/* The waiver's own words; with them the result is suppressed. */
static int
put_suppression(struct json *result, const struct json *waiver)
{
        _cleanup_buf_ struct buf reason = {0};
        const char *escaped = json_text(waiver, "reason"), *by = json_text(waiver, "by"),
                   *until = json_text(waiver, "until");
        if (print_words(&reason, escaped ? escaped : "") < 0)
                return -ENOMEM;
        return json_put(result, "suppressions",
                json_make("[{s:s, s:s, s:s, s:{s:s*, s:s*}}]", "kind", "external", "status", "accepted",
                        "justification", reason.data ? reason.data : "", "properties", "by", by, "until",
                        until));
}

static struct json *
result_json(struct sarif *sarif, const struct check *check)
{
        const struct json *row = check->about;
        struct rule rule = rule_of(check);
        unsigned index = rule_index(sarif, &rule);
        char id[2 * DOMAIN_MAX], hex[DIGEST_HEX_SIZE];
        rule_id(&sarif->rules[index], id);
        if (fingerprint(sarif->checks->document, row, hex) < 0)
                return NULL;
        struct json *result = json_make("{s:s, s:I, s:s, s:s, s:o, s:[o], s:{s:s, s:s}, s:O}", "ruleId", id,
                "ruleIndex", (json_int)index, "kind", "fail", "level", levels[rule.level].level, "message",
                message_json(sarif, check), "locations", location_json(row), "partialFingerprints",
                "primaryLocationLineHash", hex, "driftdDrift/v1", hex, "properties", row);
        if (result && check->outcome == CHECK_WAIVED &&
                put_suppression(result, json_member(row, "waiver")) < 0)
                result = json_free(result);
        return result;
}

/* ---- the run ---- */

static struct json *
notification_json(const struct sarif *sarif, const struct check *check)
{
        struct json *notification = json_make("{s:s, s:o, s:{s:s}}", "level", "error", "message",
                message_json(sarif, check), "descriptor", "id", check_type(check));
        if (notification && check->kind == CHECK_ITEM &&
                json_put(notification, "locations", json_make("[o]", location_json(check->about))) < 0)
                notification = json_free(notification);
        return notification;
}

static struct json *
invocation_json(const struct sarif *sarif, int exit_code)
{
        const struct checks *checks = sarif->checks;
        struct json *notifications = json_array_make();
        bool successful = true;
        for (size_t i = 0; notifications && i < checks->n; i++)
                if (checks->list[i].outcome == CHECK_ERROR) {
                        successful = false;
                        json_gather(&notifications, notification_json(sarif, &checks->list[i]));
                }
        const char *taken_at = json_text(checks->document, "taken_at"),
                   *host = json_text(checks->document, "host");
        return json_make("{s:b, s:I, s:s*, s:s*, s:o}", "executionSuccessful", successful, "exitCode",
                (json_int)exit_code, "endTimeUtc", taken_at, "machine", host, "toolExecutionNotifications",
                notifications);
}

static struct json *
base_json(const char *root)
{
        _cleanup_buf_ struct buf uri = {0};
        _cleanup_free_ char *real = root && *root ? realpath(root, NULL) : NULL;
        int r = buf_text(&uri, "file://");
        r = r ? r : append_path(&uri, real ? real : "/");
        if (r == 0 && uri.data[uri.size - 1] != '/')
                r = buf_text(&uri, "/");
        return r ? NULL : json_make("{s:{s:s}}", "ROOT", "uri", uri.data);
}

static struct json *
properties_json(const struct json *document)
{
        static const char *const names[] = {"schema", "host", "taken_at", "verdict", "trust_id", "baselines",
                "coverage", "window", "counts"};
        struct json *properties = json_make("{}");
        for (size_t i = 0; properties && i < ARRAY_SIZE(names); i++) {
                const struct json *member = json_member(document, names[i]);
                if (member && json_put(properties, names[i], json_make("O", member)) < 0)
                        properties = json_free(properties);
        }
        return properties;
}

/* What stands before the last slash is GitHub's category: uploads of one host replace each other. */
static struct json *
automation_json(const struct json *document)
{
        _cleanup_buf_ struct buf id = {0};
        const char *host = json_text(document, "host"), *taken_at = json_text(document, "taken_at");
        int r = buf_printf(&id, "driftd/%s/%s", host ? host : "", taken_at ? taken_at : "");
        return r ? NULL : json_make("{s:s}", "id", id.data);
}

/* `before`, then the value; takes the reference (NULL: out of memory). */
static int
write_value(struct sarif *sarif, const char *before, struct json *value)
{
        _cleanup_json_ struct json *owned = value;
        buf_clear(&sarif->text);
        int r = owned ? buf_text(&sarif->text, before) : -ENOMEM;
        r = r ? r : json_write(owned, &sarif->text);
        if (r < 0)
                return r;
        return fwrite(sarif->text.data, 1, sarif->text.size, sarif->file) == sarif->text.size ? 0 : -errno;
}

static int
write_run(struct sarif *sarif, int exit_code)
{
        const struct checks *checks = sarif->checks;
        const char *between = "\n";
        int r = write_value(sarif, "{\"$schema\": ", json_string_new(SCHEMA));
        r = r ? r
              : write_value(sarif, ", \"version\": \"2.1.0\", \"runs\": [{\n\"tool\": ", driver_json(sarif));
        r = r ? r : write_value(sarif, ",\n\"automationDetails\": ", automation_json(checks->document));
        r = r ? r : write_value(sarif, ",\n\"originalUriBaseIds\": ", base_json(sarif->root));
        r = r ? r : write_value(sarif, ",\n\"invocations\": [", invocation_json(sarif, exit_code));
        r = r ? r : write_value(sarif, "],\n\"properties\": ", properties_json(checks->document));
        if (r == 0 && fputs(",\n\"results\": [", sarif->file) < 0)
                r = -errno;
        for (size_t i = 0; i < checks->n && r == 0; i++)
                if (is_result(&checks->list[i])) {
                        r = write_value(sarif, between, result_json(sarif, &checks->list[i]));
                        between = ",\n";
                }
        return r ? r : fputs("\n]\n}]}\n", sarif->file) < 0 ? -errno : 0;
}

int
format_sarif(const struct checks *checks, const char *root, int exit_code, FILE *file)
{
        struct sarif *sarif = calloc(1, sizeof *sarif);
        if (!sarif)
                return -ENOMEM;
        *sarif = (struct sarif){.checks = checks, .root = root, .file = file};
        for (size_t i = 0; i < checks->n; i++)
                if (is_result(&checks->list[i])) {
                        struct rule rule = rule_of(&checks->list[i]);
                        rule_index(sarif, &rule);
                }
        int r = write_run(sarif, exit_code);
        buf_done(&sarif->text);
        free(sarif);
        return r;
}
