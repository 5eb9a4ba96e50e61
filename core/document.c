/* SPDX-License-Identifier: MIT */
/*
 * Documents: what an instance says of itself, in the shapes that scripts rely on. Reads the instance and
 * changes nothing but its derived problems.
 */
#include "core/document.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/instance_internal.h"
#include "core/item.h"
#include "core/line_diff.h"

#define SHOW_HISTORY_MAX 100u /* records */

static struct json *
seconds_json(int64_t time_ms)
{
        char text[CLOCK_TEXT_MAX];
        if (time_ms == INT64_MAX)
                return json_null_new();
        clock_format_seconds(time_ms, text);
        return json_string_new(text);
}

static struct json *
digest_json(const struct digest *digest)
{
        char hex[DIGEST_HEX_SIZE];
        digest_hex(digest, hex);
        return json_string_new(hex);
}

static struct json *
trust_id_json(const struct instance *instance)
{
        return instance->trust ? digest_json(trust_id(instance->trust)) : json_null_new();
}

static const char *
baseline_state(const struct instance *instance, size_t index)
{
        const struct baseline_header *header = baseline_header(judge_baseline(instance->judge, index));
        if (!instance->baseline_trusted[index])
                return "untrusted";
        return header->expires_ms <= instance_expiry_now(instance) ? "stale" : "trusted";
}

/* Its expectations by domain, as the items are named; 0 where a scope is closed and nothing is in it. */
static struct json *
expected_json(const struct baseline *baseline)
{
        size_t n_scopes, n_settings, counts[SCOPE_DOMAIN_COUNT] = {[SCOPE_FILES] = baseline_files(baseline)};
        const struct scope *scopes = baseline_scopes(baseline, &n_scopes);
        const struct setting *settings = baseline_settings(baseline, &n_settings);
        unsigned closed = 0;
        for (size_t i = 0; i < n_scopes; i++)
                closed |= 1u << scopes[i].domain;
        for (size_t i = 0; i < n_settings; i++) {
                int domain = setting_domain(settings[i].item);
                if (domain >= 0)
                        counts[domain]++;
        }
        struct json *object = json_make("{}");
        for (unsigned i = 0; object && i < SCOPE_DOMAIN_COUNT; i++)
                if ((counts[i] || closed & 1u << i) &&
                        json_put(object, i == SCOPE_FILES ? "file" : scope_domain_names[i],
                                json_make("I", (json_int)counts[i])) < 0)
                        object = json_free(object);
        return object;
}

static struct json *
baselines_json(const struct instance *instance)
{
        struct json *list = json_array_make();
        for (size_t i = 0; list && i < judge_baselines(instance->judge); i++) {
                const struct baseline *b = judge_baseline(instance->judge, i);
                const struct baseline_header *header = baseline_header(b);
                json_gather(&list,
                        json_make("{s:s, s:I, s:o, s:o, s:s, s:o, s:o, s:o}", "name", header->name,
                                "generation", (json_int)header->generation, "id", digest_json(baseline_id(b)),
                                "signers", json_words(instance->signers[i].data), "state",
                                baseline_state(instance, i), "created", seconds_json(header->created_ms),
                                "expires", seconds_json(header->expires_ms), "expected", expected_json(b)));
        }
        return list;
}

static struct json *
problems_json(const struct instance *instance)
{
        struct json *list = json_array_make();
        for (enum problem_kind kind = 0; list && kind < PROBLEM_COUNT; kind++) {
                const struct problem *problem = &instance->problems[kind];
                if (!problem->count)
                        continue;
                json_gather(&list, json_make("{s:s, s:I, s:s, s:s, s:b}", "kind", problem_name(kind), "count",
                                           (json_int)problem->count, "where", problem->where, "hint",
                                           problem->hint, "lowers_coverage", problem_lowers_coverage(kind)));
        }
        return list;
}

static struct json *
coverage_json(struct instance *instance)
{
        struct coverage coverage;
        bool complete = true;
        judge_coverage(instance->judge, clock_now_ms(), &coverage);
        for (enum problem_kind kind = PROBLEM_NO_BASELINE; kind < PROBLEM_COUNT; kind++)
                if (problem_lowers_coverage(kind) && kind != PROBLEM_STALE && instance->problems[kind].count)
                        complete = false;
        return json_make("{s:b, s:I, s:I, s:o, s:o}", "complete", complete, "expected",
                (json_int)coverage.expected, "verified", (json_int)coverage.verified, "oldest_content_check",
                clock_json(coverage.oldest_content_check_ms), "problems", problems_json(instance));
}

/* The newest that was handed out. */
static struct json *
checkpoint_json(const struct checkpoint_last *last)
{
        if (!last->head.size)
                return json_null_new();
        return json_make("{s:I, s:o, s:o}", "size", (json_int)last->head.size, "root",
                digest_json(&last->head.root), "time", clock_json(last->time_ms));
}

/* null where no daemon runs: then nobody watches. */
static struct json *
activity_json(const struct instance *instance)
{
        struct instance_activity a = {0};
        if (!instance->activity)
                return json_null_new();
        instance->activity(instance->activity_userdata, &a);
        struct json *pass =
                a.pass ? json_make("{s:s, s:o, s:I, s:I, s:I}", "name", a.pass, "since",
                                 clock_json(a.pass_since_ms), "files", (json_int)a.files, "files_expected",
                                 (json_int)a.files_expected, "bytes", (json_int)a.bytes)
                       : json_null_new();
        return json_make("{s:I, s:I, s:I, s:o, s:{s:I, s:I}, s:o}", "events", (json_int)a.events, "folders",
                (json_int)a.folders, "waiting", (json_int)a.waiting, "pass", pass, "circle", "files",
                (json_int)a.circle_files, "files_expected", (json_int)a.circle_expected, "next_quick",
                clock_json(a.next_quick_ms));
}

/* How folders are watched, and how many by which way: null where nobody watches. */
static struct json *
watch_json(const struct instance *instance)
{
        return instance->watched_by ? json_string_new(watch_by_names[instance->watched_by]) : json_null_new();
}

static struct json *
folders_json(const struct instance *instance)
{
        if (!instance->watched_by)
                return json_null_new();
        return json_make("{s:I, s:I}", "fanotify",
                (json_int)(instance->folders_watched - instance->folders_by_inotify), "inotify",
                (json_int)instance->folders_by_inotify);
}

struct json *
document_status(struct instance *instance)
{
        struct drift_counts counts;
        const char *verdict = instance_verdict_of(instance, &counts);
        struct tree_head head = {0};
        struct checkpoint_last last = {0};
        instance_checkpoint_last(instance, &last, NULL);
        store_head(instance->store, &head, NULL);
        return json_make("{s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "schema",
                "driftd.status/1", "daemon",
                json_make("{s:b, s:s, s:o, s:o, s:o}", "running", !instance->offline, "version",
                        DRIFTD_VERSION, "since",
                        instance->offline ? json_null_new() : clock_json(instance->started_ms), "watch",
                        watch_json(instance), "folders", folders_json(instance)),
                "verdict", verdict, "trust_id", trust_id_json(instance), "baselines",
                baselines_json(instance), "coverage", coverage_json(instance), "open",
                json_make("{s:I, s:I, s:I}", "high", (json_int)counts.by_severity[SEVERITY_HIGH], "medium",
                        (json_int)counts.by_severity[SEVERITY_MEDIUM], "low",
                        (json_int)counts.by_severity[SEVERITY_LOW]),
                "problems", problems_json(instance), "windows", instance_windows_json(instance, true),
                "history",
                json_make("{s:I, s:o}", "size", (json_int)head.size, "root", digest_json(&head.root)),
                "checkpoint", checkpoint_json(&last), "host", instance->host, "activity",
                activity_json(instance), "telemetry", instance_telemetry_json(instance, &counts));
}

/* ---- diff ---- */

struct selecting {
        struct instance *instance;
        char *const *items;
        size_t n_items;
        int64_t now_ms;
        uint64_t count, drift, unknown;
        struct json *batch;
        int (*visit)(void *userdata, struct json *drifts);
        void *userdata;
};

static int
count_selected(void *userdata, struct drift *drift)
{
        struct selecting *s = userdata;
        if (!item_selected(drift->item, s->items, s->n_items))
                return 0;
        s->count++;
        if (judge_waiver(s->instance->judge, drift, s->now_ms))
                return 0;
        if (drift->change == CHANGE_UNKNOWN)
                s->unknown++;
        else
                s->drift++;
        return 0;
}

/* The verdict on what was asked for: other items' drift does not count, the instance's own problems do. */
static const char *
verdict_for(struct instance *instance, const struct selecting *s)
{
        const char *verdict = instance_verdict(instance);
        if (strcmp(verdict, "untrusted") == 0)
                return verdict;
        if (s->drift)
                return "drift";
        for (enum problem_kind kind = 0; kind < PROBLEM_COUNT; kind++) {
                bool lowers = problem_lowers_coverage(kind) && instance->problems[kind].count;
                if (lowers && (kind != PROBLEM_UNKNOWN || s->unknown || !s->n_items))
                        return "incomplete";
        }
        return "clean";
}

/* Whether a baseline looks at anything that the pattern could select: where its part without globs lies. */
static bool
item_is_covered(const struct instance *instance, const char *item)
{
        const char *colon = strchr(item, ':');
        _cleanup_free_ char *literal = strdup(item);
        if (!literal || !colon)
                return false;
        size_t start = (size_t)(colon + 1 - item), size = strcspn(item, "*?");
        bool glob = item[size] != '\0';
        while (glob && size > start + 1 && item[size - 1] != '/')
                size--;
        while (glob && size > start + 1 && item[size - 1] == '/')
                size--;
        literal[size] = '\0';
        for (size_t i = 0; i < judge_baselines(instance->judge); i++) {
                size_t n_scopes, index;
                const struct baseline *b = judge_baseline(instance->judge, i);
                const struct scope *scopes = baseline_scopes(b, &n_scopes);
                if (scope_for_item(scopes, n_scopes, literal) ||
                        baseline_file_find(b, literal + start, strlen(literal + start), &index))
                        return true;
                size_t n_lines;
                const struct setting *lines = baseline_settings(b, &n_lines);
                for (size_t j = 0; j < n_lines; j++)
                        if (glob_match(lines[j].item, literal) || glob_match(item, lines[j].item))
                                return true;
                for (size_t j = 0; strncmp(item, "file:", 5) == 0 && j < n_scopes; j++)
                        for (size_t k = 0; k < scopes[j].paths.count; k++)
                                if (glob_covers(literal + start, scopes[j].paths.items[k]))
                                        return true;
        }
        return false;
}

static void
refresh_not_covered(struct instance *instance, char *const *items, size_t n_items)
{
        uint64_t count = 0;
        const char *first = NULL;
        for (size_t i = 0; i < n_items; i++)
                if (!item_is_covered(instance, items[i]) && count++ == 0)
                        first = items[i];
        instance_problem(instance, PROBLEM_NOT_COVERED, count, first,
                "no baseline looks there: add a scope to the configuration and bless it");
}

struct json *
document_diff(struct instance *instance, char *const *items, size_t n_items, uint64_t *ret_count)
{
        struct selecting s = {.instance = instance, .items = items, .n_items = n_items};
        s.now_ms = instance_expiry_now(instance);
        judge_each(instance->judge, count_selected, &s);
        *ret_count = s.count;
        refresh_not_covered(instance, items, n_items);
        const char *verdict = verdict_for(instance, &s);
        struct json *document = json_make("{s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:o}", "schema",
                "driftd.diff/1", "host", instance->host, "taken_at", clock_json(clock_now_ms()), "verdict",
                verdict, "trust_id", trust_id_json(instance), "baselines", baselines_json(instance),
                "coverage", coverage_json(instance), "drifts", json_array_make());
        instance_problem(instance, PROBLEM_NOT_COVERED, 0, NULL, NULL);
        return document;
}

static int
batch_drift(void *userdata, struct drift *drift)
{
        struct selecting *s = userdata;
        if (!item_selected(drift->item, s->items, s->n_items))
                return 0;
        if (!s->batch)
                s->batch = json_array_make();
        if (json_push(s->batch, judge_drift_json(s->instance->judge, drift, s->now_ms)) < 0)
                return -ENOMEM;
        if (json_length(s->batch) < DRIFTS_PER_REPLY)
                return 0;
        return s->visit(s->userdata, steal_pointer(&s->batch));
}

int
document_drifts(struct instance *instance, char *const *items, size_t n_items,
        int (*visit)(void *userdata, struct json *drifts), void *userdata, struct err *err)
{
        struct selecting s = {.instance = instance,
                .items = items,
                .n_items = n_items,
                .visit = visit,
                .userdata = userdata};
        s.now_ms = instance_expiry_now(instance);
        int r = judge_each(instance->judge, batch_drift, &s);
        if (r == 0 && s.batch)
                r = visit(userdata, steal_pointer(&s.batch));
        json_free(s.batch);
        return r == -ENOMEM ? err_oom(err) : r;
}

/* ---- show ---- */

struct showing {
        struct instance *instance;
        const char *item;
        struct json *drift;
        struct digest observed;
        bool has_observed;
        bool grows; /* by the scope that expects it */
};

static int
keep_drift(void *userdata, struct drift *drift)
{
        struct showing *showing = userdata;
        showing->drift =
                judge_drift_json(showing->instance->judge, drift, instance_expiry_now(showing->instance));
        return showing->drift ? 0 : -ENOMEM;
}

static struct json *
attributes_object(uint32_t mask, const struct attributes *attributes)
{
        struct json *object = json_make("{}");
        mask = attribute_applicable(mask & attributes->known, attributes->type);
        for (unsigned i = 0; object && i < ATTRIBUTE_COUNT; i++) {
                _cleanup_buf_ struct buf text = {0};
                if (!(mask & 1u << i))
                        continue;
                if (attribute_append_value(i, attributes, &text) < 0 ||
                        json_put(object, attribute_name(i), json_string_new(text.data ? text.data : "")) < 0)
                        object = json_free(object);
        }
        return object;
}

static struct json *
show_baseline(struct showing *showing, size_t index, int result, const struct snapshot *snapshot,
        struct attributes *expected)
{
        struct instance *instance = showing->instance;
        const struct baseline *b = judge_baseline(instance->judge, index);
        const struct baseline_header *header = baseline_header(b);
        const char *path = showing->item + 5;
        size_t n_scopes, entry;
        const struct scope *scopes = baseline_scopes(b, &n_scopes);
        const struct scope *scope = scope_for_path(scopes, n_scopes, path);
        _cleanup_buf_ struct buf rule = {0};
        int r = 0;
        if (scope && (r = scope_append(scope, &rule)) == 0)
                rule.data[rule.size - 1] = '\0';
        if (r < 0)
                return NULL;
        bool found = baseline_file_find(b, path, strlen(path), &entry) &&
                     baseline_file_attributes(b, entry, expected) == 0;
        showing->grows = found ? scope && scope->mode == SCOPE_GROWING : showing->grows;
        /* What the ledger has of it (with its age and state); else what this look shows, which no event has
         * told of yet. */
        if (!judge_find(instance->judge, header->name, showing->item, keep_drift, showing, &r)) {
                struct observation seen = {
                        .result = result,
                        .snapshot = (struct snapshot *)(uintptr_t)snapshot, /* read only here */
                        .now_ms = clock_now_ms(),
                        .unobserved = instance->offline,
                };
                showing->drift = judge_look_json(instance->judge, index, showing->item, &seen);
        }
        uint32_t mask = scope ? scope->attributes : 0;
        return json_make("{s:s, s:I, s:s, s:s?, s:s?, s:o, s:o, s:o}", "name", header->name, "generation",
                (json_int)header->generation, "state", baseline_state(instance, index), "scope",
                scope ? scope->name : NULL, "rule", scope ? rule.data : NULL, "expected",
                found ? attributes_object(mask, expected) : json_null_new(), "actual",
                result == 0 ? attributes_object(mask, &snapshot->attributes) : json_null_new(), "drift",
                steal_pointer(&showing->drift));
}

static int
push_record(void *userdata, const struct record *record)
{
        struct json *value = NULL;
        if (json_parse(record->body, strlen(record->body), &value, NULL) < 0)
                return 0;
        return json_push(userdata, value);
}

static struct json *
history_of(struct instance *instance, const char *item)
{
        char *items[] = {(char *)(uintptr_t)item};
        struct record_query query = {
                .until_ms = INT64_MAX, .items = items, .n_items = 1, .limit = SHOW_HISTORY_MAX};
        struct json *list = json_array_make();
        if (list && store_records(instance->store, &query, push_record, list, NULL) < 0)
                list = json_free(list);
        return list;
}

/* Why there is no line diff, or NULL with the diff appended. */
static const char *
show_lines(const struct showing *showing, const struct attributes *expected, int result,
        const struct snapshot *snapshot, struct buf *ret)
{
        _cleanup_buf_ struct buf kept = {0};
        const uint32_t content = ATTRIBUTE_BIT(ATTRIBUTE_CONTENT);
        if (!(expected->known & content))
                return "nothing with content is expected here";
        if (result != 0 || !(snapshot->attributes.known & content))
                return "there is no content to compare with";
        if (digest_equal(&expected->content, &snapshot->attributes.content))
                return "the content is as expected";
        if (!(expected->mode & 04) || !snapshot->world_readable)
                return "its content is not kept: not readable by everybody";
        if (!snapshot->body)
                return "its content is not kept: larger than 64 KiB, or not text";
        if (store_content_get(showing->instance->store, &expected->content, &kept, NULL) != 0)
                return showing->grows
                               ? "it may grow: content is that of its known beginning, and no lines are kept"
                               : "the expected content was not kept (keep_content = never, or no room)";
        if (line_diff("expected", kept.data ? kept.data : "", kept.size, "actual", snapshot->body,
                    snapshot->body_size, ret) < 0)
                return "out of memory";
        return NULL;
}

/* Lines are text of the host: control bytes but the newline are escaped, UTF-8 stays. */
static struct json *
lines_json(const struct buf *lines)
{
        _cleanup_buf_ struct buf safe = {0};
        for (size_t i = 0; i < lines->size; i++) {
                unsigned char byte = (unsigned char)lines->data[i];
                bool control =
                        (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f ||
                        (byte == 0xc2 && i + 1 < lines->size && (unsigned char)lines->data[i + 1] < 0xa0);
                int r = control ? buf_printf(&safe, "\\x%02x", byte) : buf_append(&safe, &byte, 1);
                if (r == 0 && control && byte == 0xc2) /* a C1 control is two bytes of UTF-8 */
                        r = buf_printf(&safe, "\\x%02x", (unsigned char)lines->data[++i]);
                if (r < 0)
                        return NULL;
        }
        return json_string_new(safe.data ? safe.data : "");
}

int
document_show(struct instance *instance, const char *item, int result, const struct snapshot *snapshot,
        struct json **ret, struct err *err)
{
        struct showing showing = {.instance = instance, .item = item};
        _cleanup_attributes_ struct attributes expected = {0};
        _cleanup_buf_ struct buf lines = {0};
        struct json *baselines = json_array_make();
        bool covered = false;
        for (size_t i = 0; baselines && i < judge_baselines(instance->judge); i++) {
                struct attributes mine = {0};
                struct json *one = show_baseline(&showing, i, result, snapshot, &mine);
                covered = covered || (one && !json_is_null(json_member(one, "scope")));
                json_gather(&baselines, one);
                if (mine.known) {
                        attributes_done(&expected);
                        expected = mine;
                }
        }
        const char *reason = show_lines(&showing, &expected, result, snapshot, &lines);
        static const char *const states[] = {"present", "gone", "unreadable", "unstable", "own"};
        *ret = json_make("{s:s, s:s, s:o, s:o, s:o, s:s?, s:b, s:I}", "item", item, "state", states[result],
                "baselines", baselines, "history", history_of(instance, item), "line_diff",
                reason ? json_null_new() : lines_json(&lines), "line_diff_reason", reason, "covered", covered,
                "nlink", (json_int)snapshot->attributes.nlink);
        return *ret ? 0 : err_oom(err);
}

/* ---- settings ---- */

/* The `set` lines of a baseline that speak of an item by its name or a glob; the first stands for `expected`.
 */
static int
lines_of_setting(
        const struct baseline *b, const char *item, struct buf *ret, const struct setting **ret_first)
{
        size_t n;
        const struct setting *lines = baseline_settings(b, &n);
        int r = 0;
        for (size_t i = 0; i < n && r == 0; i++) {
                if (strcmp(lines[i].item, item) != 0 && !glob_match(lines[i].item, item))
                        continue;
                *ret_first = *ret_first ? *ret_first : &lines[i];
                r = setting_append(&lines[i], ret);
        }
        if (ret->size)
                ret->data[--ret->size] = '\0';
        return r;
}

static struct json *
show_setting_baseline(struct showing *showing, size_t index, const struct settings_look *look,
        const struct probe_setting *actual)
{
        struct instance *instance = showing->instance;
        const struct baseline *b = judge_baseline(instance->judge, index);
        const struct baseline_header *header = baseline_header(b);
        size_t n_scopes;
        const struct scope *scopes = baseline_scopes(b, &n_scopes);
        const struct scope *scope = scope_for_item(scopes, n_scopes, showing->item);
        const struct setting *line = NULL;
        _cleanup_buf_ struct buf rule = {0};
        int r = lines_of_setting(b, showing->item, &rule, &line);
        if (r < 0)
                return NULL;
        if (!judge_find(instance->judge, header->name, showing->item, keep_drift, showing, &r))
                showing->drift = judge_setting_json(instance->judge, index, showing->item, look);
        bool seen = actual && (line || scope);
        return json_make("{s:s, s:I, s:s, s:s?, s:s?, s:o, s:o, s:o}", "name", header->name, "generation",
                (json_int)header->generation, "state", baseline_state(instance, index), "scope",
                scope  ? scope->name
                : line ? scope_domain_names[look->scope->domain]
                       : NULL,
                "rule", rule.size ? rule.data : NULL, "expected",
                line ? json_make("{s:o}", "value", setting_expected_json(line)) : json_null_new(), "actual",
                seen ? json_make("{s:o}", "value", setting_value_json(actual->value)) : json_null_new(),
                "drift", steal_pointer(&showing->drift));
}

int
document_show_setting(struct instance *instance, const char *item, const struct settings_look *look,
        struct json **ret, struct err *err)
{
        struct showing showing = {.instance = instance, .item = item};
        const struct probe_setting *actual = look->reading ? probe_find(look->reading, item) : NULL;
        struct json *baselines = json_array_make();
        bool covered = false;
        for (size_t i = 0; baselines && i < judge_baselines(instance->judge); i++) {
                struct json *one = show_setting_baseline(&showing, i, look, actual);
                covered = covered || (one && !json_is_null(json_member(one, "scope")));
                json_gather(&baselines, one);
        }
        bool unreadable = !look->reading || (actual ? !actual->value : look->reading->incomplete != NULL);
        const char *reason = !look->reading ? look->failed
                             : actual       ? actual->reason
                                            : look->reading->incomplete;
        *ret = json_make("{s:s, s:s, s:o, s:o, s:n, s:n, s:b, s:o, s:s?}", "item", item, "state",
                unreadable ? "unreadable"
                : actual   ? "present"
                           : "gone",
                "baselines", baselines, "history", history_of(instance, item), "line_diff",
                "line_diff_reason", "covered", covered, "views",
                actual ? views_json(actual) : json_null_new(), "reason", reason);
        return *ret ? 0 : err_oom(err);
}

/* ---- baselines ---- */

/* A value of the kept header lines: "author alice" -> alice. To be freed. */
static char *
header_value(const char *header, const char *word)
{
        size_t size = strlen(word);
        for (const char *line = header; line && *line; line = strchr(line, '\n'), line += line != NULL)
                if (strncmp(line, word, size) == 0 && line[size] == ' ')
                        return strndup(line + size + 1, strcspn(line + size + 1, "\n"));
        return NULL;
}

struct json *
document_baseline_info(struct instance *instance, const struct baseline_row *row)
{
        static const char *const words[] = {"author", "ticket", "class", "created", "expires"};
        char *values[ARRAY_SIZE(words)];
        const char *state = row->active ? "active" : "superseded";
        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                values[i] = header_value(row->header, words[i]);
        for (size_t i = 0; row->active && i < judge_baselines(instance->judge); i++)
                if (strcmp(baseline_header(judge_baseline(instance->judge, i))->name, row->name) == 0)
                        state = baseline_state(instance, i);
        bool no_ticket = !values[1] || strcmp(values[1], "none") == 0;
        bool never = !values[4] || strcmp(values[4], "never") == 0;
        struct json *info =
                json_make("{s:s, s:I, s:o, s:o, s:b, s:o, s:s, s:s?, s:s?, s:s?, s:s?, s:s?, s:b}", "name",
                        row->name, "generation", (json_int)row->generation, "id", digest_json(&row->id),
                        "applied", clock_json(row->applied_ms), "active", row->active, "signers",
                        json_words(row->signers), "state", state, "author", values[0], "ticket",
                        no_ticket ? NULL : values[1], "class", values[2], "created", values[3], "expires",
                        never ? NULL : values[4], "has_text", row->has_text);
        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                free(values[i]);
        return info;
}
