/* SPDX-License-Identifier: MIT */
/*
 * Expected change sets. Opening reads each line, writes it again and refuses it unless the bytes are the
 * same; entries are then found by their item. The rest is one comparison: what a drift left behind against
 * what the set says. A drift keeps only what differs, so what it left is put together from the baseline's
 * line and the drift's own attributes, in the form that both write.
 *
 * Judged is what the baseline's scope judges of the item, but for what cannot be the same on two hosts. What
 * the set says beyond that is not known of this host, and stands in nobody's way.
 */
#include "core/expect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/escape.h"
#include "core/judge.h"

struct expect {
        const char *text;
        size_t size;
        struct digest id;
        char *words;           /* a copy with NULs, that items and values point into */
        struct expected *list; /* by item */
        size_t count;
};

struct reader {
        struct expect *expect;
        size_t at;
        unsigned line;
        struct err *err;
};

static int
malformed(const struct reader *reader, const char *what)
{
        return err_set(reader->err, EXPECT_MALFORMED, "expected change set, line %u: %s", reader->line, what);
}

static int
malformed_as(const struct reader *reader, const struct err *why)
{
        return why->code == -ENOMEM ? err_oom(reader->err) : malformed(reader, why->text);
}

/* ---- lines ---- */

static int
read_absent(struct reader *reader, char *words, struct expected *ret)
{
        _cleanup_free_ char *parsed = NULL;
        struct err why = {0};
        ret->absent = true;
        ret->item = words + strlen("absent ");
        if (!escape_is_canonical(ret->item, strlen(ret->item)) || !*ret->item)
                return malformed(reader, "\"absent ITEM\" is expected, escaped");
        if (item_parse(ret->item, &parsed, &why) < 0)
                return malformed_as(reader, &why);
        return strcmp(parsed, ret->item) == 0 ? 0 : malformed(reader, "the item's one form is another");
}

/* The path stands in the copy as an item: the blank after `file` becomes a colon. */
static int
read_file(struct reader *reader, char *words, size_t size, const char *line, struct expected *ret)
{
        _cleanup_attributes_ struct attributes attributes = {0};
        _cleanup_buf_ struct buf again = {0};
        struct err why = {0};
        size_t path = strcspn(words + 5, " ");
        if (!path_is_canonical(words + 5, path))
                return malformed(
                        reader, "a file line needs an absolute path without \"//\", \".\" and \"..\"");
        words[4] = ':';
        words[5 + path] = '\0';
        ret->item = words;
        ret->fields = line + 5 + path;
        ret->fields_size = size - 5 - path;
        if (attributes_parse(ret->fields, ret->fields_size, &attributes, &why) < 0)
                return malformed_as(reader, &why);
        if (attributes_append(EXPECT_ATTRIBUTES, &attributes, &again) < 0)
                return err_oom(reader->err);
        if (again.size != ret->fields_size || !(attributes.known & ATTRIBUTE_BIT(ATTRIBUTE_TYPE)))
                return malformed(reader,
                        "a file line says its type, and no mtime, ctime, inode or nlink: those are never the "
                        "same on two hosts");
        return 0;
}

static int
read_set(struct reader *reader, char *words, struct expected *ret)
{
        struct setting setting;
        struct err why = {0};
        if (setting_parse(words + 4, &setting, &why) < 0)
                return malformed_as(reader, &why);
        if (setting.op != SETTING_EQ || setting.quantifier != SETTING_EVERY || setting.fallback ||
                setting.condition || setting.has_severity || setting.controls || setting.reason ||
                setting_is_glob(setting.item))
                return malformed(reader, "\"set ITEM eq VALUE\" is expected, of one item and nothing more");
        ret->item = setting.item;
        ret->value = setting.value;
        return 0;
}

static int
read_line(struct reader *reader, const char *line, size_t size)
{
        struct expect *e = reader->expect;
        struct expected *entry = &e->list[e->count];
        char *words = e->words + (line - e->text);
        int r;
        memcpy(words, line, size);
        words[size] = '\0';
        *entry = (struct expected){.line = reader->line};
        if (strlen(words) != size)
                return malformed(reader, "there is a NUL byte");
        if (strncmp(words, "absent ", 7) == 0)
                r = read_absent(reader, words, entry);
        else if (strncmp(words, "file ", 5) == 0)
                r = read_file(reader, words, size, line, entry);
        else if (strncmp(words, "set ", 4) == 0)
                r = read_set(reader, words, entry);
        else
                r = malformed(
                        reader, "\"absent ITEM\", \"file PATH FIELDS\" or \"set ITEM eq VALUE\" is expected");
        e->count += r == 0;
        return r;
}

static int
read_lines(struct reader *reader)
{
        const struct expect *e = reader->expect;
        const char *before = NULL;
        size_t before_size = 0;
        while (reader->at < e->size) {
                const char *line = e->text + reader->at;
                const char *end = memchr(line, '\n', e->size - reader->at);
                size_t size = end ? (size_t)(end - line) : 0;
                reader->line++;
                if (!end || size > BASELINE_LINE_MAX)
                        return malformed(reader, "a line ends with a newline, and is not longer than 1 MiB");
                int order = before ? memcmp(before, line, min_size(before_size, size)) : -1;
                if (order > 0 || (order == 0 && before_size >= size))
                        return malformed(reader, "the lines are not sorted, or one stands twice");
                int r = read_line(reader, line, size);
                if (r)
                        return r;
                before = line;
                before_size = size;
                reader->at += size + 1;
        }
        return 0;
}

static int
by_item(const void *a, const void *b)
{
        return strcmp(((const struct expected *)a)->item, ((const struct expected *)b)->item);
}

static int
index_items(struct reader *reader)
{
        struct expect *e = reader->expect;
        qsort(e->list, e->count, sizeof *e->list, by_item);
        for (size_t i = 1; i < e->count; i++)
                if (strcmp(e->list[i - 1].item, e->list[i].item) == 0) {
                        unsigned a = e->list[i - 1].line, b = e->list[i].line;
                        reader->line = a > b ? a : b;
                        return malformed(reader, "this item stands twice");
                }
        return 0;
}

static size_t
count_lines(const char *text, size_t size)
{
        size_t count = 1;
        for (const char *p = text; p && size; count++) {
                p = memchr(p, '\n', (size_t)(text + size - p));
                p = p ? p + 1 : NULL;
                if (p == text + size)
                        break;
        }
        return count;
}

int
expect_open(const char *text, size_t size, struct expect **ret, struct err *err)
{
        _cleanup_(expect_freep) struct expect *expect = calloc(1, sizeof *expect);
        struct reader reader = {.expect = expect, .at = strlen(EXPECT_MAGIC), .line = 1, .err = err};
        if (!expect)
                return err_oom(err);
        if (size > EXPECT_SIZE_MAX)
                return err_set(err, EXPECT_MALFORMED, "an expected change set has at most %zu bytes",
                        EXPECT_SIZE_MAX);
        if (size < strlen(EXPECT_MAGIC) || memcmp(text, EXPECT_MAGIC, strlen(EXPECT_MAGIC)) != 0)
                return malformed(&reader, "an expected change set begins with \"driftd-expect 1\"");
        expect->text = text;
        expect->size = size;
        expect->words = malloc(size + 1);
        expect->list = calloc(count_lines(text, size), sizeof *expect->list);
        if (!expect->words || !expect->list)
                return err_oom(err);
        int r = read_lines(&reader);
        r = r ? r : index_items(&reader);
        if (r)
                return r;
        digest_bytes(text, size, &expect->id);
        *ret = steal_pointer(&expect);
        return 0;
}

struct expect *
expect_free(struct expect *expect)
{
        if (!expect)
                return NULL;
        free(expect->words);
        free(expect->list);
        free(expect);
        return NULL;
}

const struct digest *
expect_id(const struct expect *expect)
{
        return &expect->id;
}

const char *
expect_text(const struct expect *expect, size_t *ret_size)
{
        *ret_size = expect->size;
        return expect->text;
}

size_t
expect_count(const struct expect *expect)
{
        return expect->count;
}

const struct expected *
expect_at(const struct expect *expect, size_t index)
{
        return &expect->list[index];
}

const struct expected *
expect_find(const struct expect *expect, const char *item)
{
        struct expected key = {.item = item};
        return bsearch(&key, expect->list, expect->count, sizeof key, by_item);
}

/* ---- what a drift left ---- */

static bool
is_file(const char *item)
{
        return strncmp(item, "file:", 5) == 0;
}

/* What of a file is compared; 0: no scope judges it. */
static uint32_t
mask_of(const struct baseline *baseline, const char *item)
{
        size_t n;
        const struct scope *scopes = baseline_scopes(baseline, &n);
        const struct scope *scope = scope_for_path(scopes, n, item + 5);
        if (!scope)
                return 0;
        uint32_t mask = scope_line_mask(scope) & EXPECT_ATTRIBUTES;
        if (scope->mode == SCOPE_GROWING)
                mask &= ~(ATTRIBUTE_BIT(ATTRIBUTE_SIZE) | ATTRIBUTE_BIT(ATTRIBUTE_CONTENT));
        return mask;
}

static const struct json *
find_named(const struct json *list, const char *name)
{
        json_each (list, i, one) {
                const char *text = json_text(one, "name");
                if (text && strcmp(text, name) == 0)
                        return one;
        }
        return NULL;
}

/* One attribute as a baseline's field: the drift's, if it differs, else the baseline's. */
static int
append_field(unsigned i, const struct json *list, const struct attributes *base, struct buf *ret)
{
        const struct json *differs = find_named(list, attribute_name(i));
        if (!differs)
                return base ? attributes_append(1u << i, base, ret) : 0;
        const char *actual = json_text(differs, "actual"), *fields = json_text(differs, "fields");
        if (i == ATTRIBUTE_XATTRS)
                return fields ? buf_text(ret, fields) : 0;
        return actual && *actual ? buf_printf(ret, " %s=%s", attribute_name(i), actual) : 0;
}

/* Of what has another type than before a drift tells no more than these, and nothing of before holds of it.
 */
#define OF_ANY_TYPE                                                                                          \
        (ATTRIBUTE_BIT(ATTRIBUTE_TYPE) | ATTRIBUTE_BIT(ATTRIBUTE_UID) | ATTRIBUTE_BIT(ATTRIBUTE_GID))

/* 0, or -EINVAL: more than that is judged of its new type. */
static int
told_of_type(const struct baseline *baseline, const struct drift *drift, const struct json *type)
{
        const char *word = json_text(type, "actual");
        _cleanup_buf_ struct buf field = {0};
        _cleanup_attributes_ struct attributes live = {0};
        if (!word)
                return -EINVAL;
        int r = buf_printf(&field, " type=%s", word);
        r = r ? r : attributes_parse(field.data, field.size, &live, NULL);
        if (r)
                return r;
        uint32_t judged = attribute_applicable(mask_of(baseline, drift->item), live.type);
        return judged & ~(uint32_t)OF_ANY_TYPE ? -EINVAL : 0;
}

/* The attributes that a changed or new file has now. 0, -ENOMEM, or -EINVAL: they cannot be told. */
static int
attributes_left(const struct baseline *baseline, const struct drift *drift, struct attributes *ret)
{
        _cleanup_json_ struct json *list = NULL;
        _cleanup_attributes_ struct attributes base = {0};
        _cleanup_buf_ struct buf fields = {0};
        const char *path = drift->item + 5;
        size_t index;
        bool known = drift->change == CHANGE_CHANGED;
        if (known && !baseline_file_find(baseline, path, strlen(path), &index))
                return -EINVAL;
        int r = known ? baseline_file_attributes(baseline, index, &base) : 0;
        r = r ? r : json_parse(drift->attributes, strlen(drift->attributes), &list, NULL);
        const struct json *type = r == 0 && known ? find_named(list, attribute_name(ATTRIBUTE_TYPE)) : NULL;
        uint32_t told = type ? OF_ANY_TYPE : EXPECT_ATTRIBUTES;
        r = r || !type ? r : told_of_type(baseline, drift, type);
        for (unsigned i = 0; i < ATTRIBUTE_COUNT && r == 0; i++)
                if (told & 1u << i)
                        r = append_field(i, list, known ? &base : NULL, &fields);
        return r ? r : attributes_parse(fields.data ? fields.data : "", fields.size, ret, NULL);
}

/* Of a growing file neither size nor content is compared; but where they are the drift, what was known of it
 * was rewritten, and no line foresees that. 1, 0 or -ENOMEM. */
static int
is_rewritten(const struct baseline *baseline, const struct drift *drift)
{
        _cleanup_json_ struct json *list = NULL;
        size_t n;
        const struct scope *scopes = baseline_scopes(baseline, &n);
        const struct scope *scope = scope_for_path(scopes, n, drift->item + 5);
        if (!scope || scope->mode != SCOPE_GROWING || drift->change != CHANGE_CHANGED)
                return 0;
        int r = json_parse(drift->attributes, strlen(drift->attributes), &list, NULL);
        if (r)
                return r == -ENOMEM ? r : 1;
        return find_named(list, attribute_name(ATTRIBUTE_CONTENT)) ||
               find_named(list, attribute_name(ATTRIBUTE_SIZE));
}

/* A setting's value now, as the drift has it for people; NULL: it is not there. */
static int
value_left(const struct drift *drift, struct json **ret_list, const char **ret)
{
        int r = json_parse(drift->attributes, strlen(drift->attributes), ret_list, NULL);
        *ret = r ? NULL : json_text(find_named(*ret_list, "value"), "actual");
        return r;
}

static int
same_value(const char *escaped, const char *for_people)
{
        _cleanup_free_ char *raw = NULL;
        _cleanup_buf_ struct buf text = {0};
        int r = unescape_new(escaped, &raw);
        r = r ? r : value_append(raw, &text);
        if (r)
                return r == -ENOMEM ? r : 0;
        return strcmp(text.data ? text.data : "", for_people) == 0;
}

/* Everything that is judged is in the set, and the same. */
static int
same_file(const struct expected *expected, const struct attributes *live, uint32_t mask)
{
        _cleanup_attributes_ struct attributes wanted = {0};
        int r = attributes_parse(expected->fields, expected->fields_size, &wanted, NULL);
        if (r)
                return r == -ENOMEM ? r : 0;
        return mask && attributes_compare(mask, &wanted, live) == 0;
}

int
expected_is_drift(const struct expected *expected, const struct baseline *baseline, const struct drift *drift)
{
        _cleanup_attributes_ struct attributes live = {0};
        _cleanup_json_ struct json *list = NULL;
        const char *value;
        int r;
        if (strcmp(expected->item, drift->item) != 0 || drift->change == CHANGE_UNKNOWN)
                return 0;
        if (drift->change == CHANGE_MISSING)
                return expected->absent;
        if (expected->absent)
                return 0;
        if (is_file(drift->item)) {
                r = expected->fields ? is_rewritten(baseline, drift) : -EINVAL;
                r = r == 0 ? attributes_left(baseline, drift, &live) : r == 1 ? -EINVAL : r;
                return r == 0 ? same_file(expected, &live, mask_of(baseline, drift->item))
                              : (r == -ENOMEM ? r : 0);
        }
        r = expected->value ? value_left(drift, &list, &value) : -EINVAL;
        return r == 0 && value ? same_value(expected->value, value) : (r == -ENOMEM ? r : 0);
}

/* ---- what a baseline says ---- */

static int
file_is_expected(const struct expected *expected, const struct baseline *baseline)
{
        _cleanup_attributes_ struct attributes base = {0};
        const char *path = expected->item + 5;
        size_t index;
        bool found = baseline_file_find(baseline, path, strlen(path), &index);
        if (!mask_of(baseline, expected->item)) /* nobody looks */
                return 0;
        if (!found || expected->absent)
                return !found && expected->absent;
        int r = baseline_file_attributes(baseline, index, &base);
        return r ? r : same_file(expected, &base, mask_of(baseline, expected->item));
}

static int
setting_is_expected(const struct expected *expected, const struct baseline *baseline)
{
        size_t n, n_scopes;
        const struct setting *lines = baseline_settings(baseline, &n);
        const struct scope *scopes = baseline_scopes(baseline, &n_scopes);
        _cleanup_free_ char *raw = NULL;
        if (expected->value && unescape_new(expected->value, &raw) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                if (strcmp(lines[i].item, expected->item) == 0) {
                        int r = setting_meets(lines[i].op, lines[i].value, raw, 0, 0);
                        return r < 0 ? r : r == SETTING_MET;
                }
        return expected->absent && scope_for_item(scopes, n_scopes, expected->item) != NULL;
}

int
expected_is_baseline(const struct expected *expected, const struct baseline *baseline)
{
        return is_file(expected->item) ? file_is_expected(expected, baseline)
                                       : setting_is_expected(expected, baseline);
}

/* ---- writing ---- */

static int
file_line(const struct baseline *baseline, const struct drift *drift, struct buf *ret)
{
        _cleanup_attributes_ struct attributes live = {0};
        int r = attributes_left(baseline, drift, &live);
        r = r ? r : buf_printf(ret, "file %s", drift->item + 5);
        r = r ? r : attributes_append(EXPECT_ATTRIBUTES, &live, ret);
        return r ? r : buf_text(ret, "\n");
}

/* Of the value for people blanks are escaped again; the rest of it is. */
static int
setting_line(const struct drift *drift, struct buf *ret)
{
        _cleanup_json_ struct json *list = NULL;
        const char *value;
        int r = value_left(drift, &list, &value);
        if (r || !value)
                return r ? r : -EINVAL;
        r = buf_printf(ret, "set %s eq ", drift->item);
        if (r == 0 && !*value)
                r = buf_text(ret, "\\x00");
        for (; *value && r == 0; value++)
                r = *value == ' ' ? buf_text(ret, "\\x20") : buf_append(ret, value, 1);
        return r ? r : buf_text(ret, "\n");
}

int
expect_add_drift(struct expect_writer *writer, const struct baseline *baseline, const struct drift *drift)
{
        _cleanup_buf_ struct buf line = {0};
        if (drift->change == CHANGE_UNKNOWN)
                return 1;
        int r = drift->change == CHANGE_MISSING ? buf_printf(&line, "absent %s\n", drift->item)
                : is_file(drift->item)          ? file_line(baseline, drift, &line)
                                                : setting_line(drift, &line);
        if (r)
                return r == -ENOMEM ? r : 1;
        return text_list_add(&writer->lines, line.data, line.size);
}

static int
by_bytes(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The newline is a part of each line here and sorts as the end does: no byte of a line is below it. */
int
expect_finish(struct expect_writer *writer, struct buf *ret)
{
        int r = buf_text(ret, EXPECT_MAGIC);
        if (writer->lines.count)
                qsort(writer->lines.items, writer->lines.count, sizeof *writer->lines.items, by_bytes);
        for (size_t i = 0; i < writer->lines.count && r == 0; i++)
                r = buf_text(ret, writer->lines.items[i]);
        expect_writer_done(writer);
        return r;
}

void
expect_writer_done(struct expect_writer *writer)
{
        text_list_done(&writer->lines);
        writer->lines = (struct text_list){0};
}
