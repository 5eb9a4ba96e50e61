/* SPDX-License-Identifier: MIT */
/*
 * Reading a baseline: each entry is read and written again, and refused unless the bytes are the same, sorted
 * and without repetition. A file line that the parent has too, byte for byte, under the same scopes, would be
 * read with the same result: it is taken, in runs, and only what stands between two lines (their order, and
 * that no path stands twice) is checked where a run begins.
 *
 * Owns what is right of a line, and of one behind another. Which bytes the text is made of, it is given.
 */
#include "core/baseline_internal.h"

#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/item.h"

#define PATH_TWICE "this path stands twice"
#define UNSORTED "lines are sorted by their bytes, and none stands twice"

enum line_kind { LINE_SCOPE, LINE_FILE, LINE_SET, LINE_WAIVE, LINE_KINDS };
static const char *const line_words[LINE_KINDS] = {"scope ", "file ", "set ", "waive "};

/* ---- lines ---- */

int
reader_malformed(struct reader *reader, const char *what)
{
        return err_set(reader->err, BASELINE_MALFORMED, "line %u: %s", reader->line, what);
}

/* Takes an inner error's words over, with the line in front. */
static int
malformed_as(struct reader *reader, const struct err *inner)
{
        if (inner->code == -ENOMEM)
                return err_oom(reader->err);
        return reader_malformed(reader, inner->text);
}

bool
reader_next_line(struct reader *reader, struct span *ret)
{
        if (reader->at >= reader->end)
                return false;
        const char *start = reader->text + reader->at;
        const char *end = memchr(start, '\n', reader->end - reader->at);
        *ret = (struct span){start, end ? (size_t)(end - start) : reader->end - reader->at};
        reader->at += ret->size + 1;
        reader->line++;
        return true;
}

static struct span
file_path(const struct span *line)
{
        const char *path = line->data + 5;
        const char *blank = memchr(path, ' ', line->size - 5);
        return (struct span){path, blank ? (size_t)(blank - path) : line->size - 5};
}

/* Whether b may follow a: bytewise greater, a prefix being smaller. */
static bool
lines_ascend(const struct span *a, const struct span *b)
{
        int order = memcmp(a->data, b->data, min_size(a->size, b->size));
        return order < 0 || (order == 0 && a->size < b->size);
}

/* Whether the path of a file line is the one before it once more. */
static bool
path_again(const struct reader *reader, const struct span *path)
{
        if (reader->last_kind != LINE_FILE)
                return false;
        struct span before = file_path(&reader->before);
        return before.size == path->size && memcmp(before.data, path->data, path->size) == 0;
}

/* ---- scopes and files ---- */

static int
entry_scope(struct reader *reader, const struct span *line)
{
        struct baseline *b = reader->baseline;
        struct err inner = {0};
        if (b->n_scopes == BASELINE_SCOPES_MAX)
                return reader_malformed(reader, "more scopes than a baseline may have");
        if (array_grow(&b->scopes, b->n_scopes) < 0)
                return err_oom(reader->err);
        if (scope_parse(line->data + 6, line->size - 6, &b->scopes[b->n_scopes], &inner) < 0)
                return malformed_as(reader, &inner);
        for (size_t i = 0; i < b->n_scopes; i++)
                if (b->scopes[i].domain == b->scopes[b->n_scopes].domain &&
                        strcmp(b->scopes[i].name, b->scopes[b->n_scopes].name) == 0) {
                        scope_done(&b->scopes[b->n_scopes]);
                        return reader_malformed(reader, "two scopes have the same name");
                }
        b->n_scopes++;
        return 0;
}

/* What the line says: no xattr and no flags field is written for none. */
static uint32_t
fields_written(const struct attributes *attributes)
{
        uint32_t written = attributes->known;
        if (!attributes->n_xattrs)
                written &= ~ATTRIBUTE_BIT(ATTRIBUTE_XATTRS);
        if (!attributes->flags)
                written &= ~ATTRIBUTE_BIT(ATTRIBUTE_FLAGS);
        return written;
}

/*
 * Every file expectation lies in a scope of this baseline and says only what that scope judges by: what is
 * signed and never compared would mislead whoever reads it.
 */
static int
check_rule(struct reader *reader, const struct span *path, const struct attributes *attributes)
{
        const struct baseline *b = reader->baseline;
        _cleanup_free_ char *copy = strndup(path->data, path->size);
        if (!copy)
                return err_oom(reader->err);
        const struct scope *scope = scope_for_path(b->scopes, b->n_scopes, copy);
        if (!scope)
                return reader_malformed(reader, "this file lies in no scope of the baseline");
        uint32_t written = fields_written(attributes);
        if (written & ~scope_line_mask(scope))
                return reader_malformed(
                        reader, "the line names an attribute that its scope does not judge by");
        uint32_t prefix = ATTRIBUTE_BIT(ATTRIBUTE_CONTENT) | ATTRIBUTE_BIT(ATTRIBUTE_SIZE);
        if (scope->mode == SCOPE_GROWING && (written & prefix) == ATTRIBUTE_BIT(ATTRIBUTE_CONTENT))
                return reader_malformed(reader, "a growing file's content needs the size that it covers");
        return 0;
}

static int
entry_file(struct reader *reader, const struct span *line)
{
        struct baseline *b = reader->baseline;
        struct span path = file_path(line);
        struct err inner = {0};
        if (!path_is_canonical(path.data, path.size))
                return reader_malformed(
                        reader, "a file line needs an absolute path without \"//\", \".\" and \"..\"");
        if (path_again(reader, &path))
                return reader_malformed(reader, PATH_TWICE);
        _cleanup_attributes_ struct attributes attributes = {0};
        if (attributes_parse(path.data + path.size, line->size - 5 - path.size, &attributes, &inner) < 0)
                return malformed_as(reader, &inner);
        int r = check_rule(reader, &path, &attributes);
        if (r)
                return r;
        if (bytes_add_file(b->own, path.data) < 0)
                return err_oom(reader->err);
        b->n_files++;
        return 0;
}

/* ---- settings and waivers ---- */

/* A copy of some of the text with a NUL at its end, in a place of its own. They are made from the first that
 * is wanted on: settings and waivers are the end of the text. NULL when out of memory. */
static char *
words_copy(struct baseline *b, const char *data, size_t size)
{
        size_t at = (size_t)(data - b->own->data);
        if (!b->words) {
                b->words = malloc(b->own->size - at + 1);
                b->words_at = at;
        }
        if (!b->words)
                return NULL;
        char *words = b->words + (at - b->words_at);
        memcpy(words, data, size);
        words[size] = '\0';
        return words;
}

/* Splits words into exactly n blank-separated fields, each NUL-terminated. */
static bool
split_fields(char *words, char **fields, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                fields[i] = words;
                char *blank = strchr(words, ' ');
                if (!*words || *words == ' ' || (blank == NULL) != (i == n - 1))
                        return false;
                if (blank) {
                        *blank = '\0';
                        words = blank + 1;
                }
        }
        return true;
}

static bool
field_escaped(const char *text)
{
        return escape_is_canonical(text, strlen(text));
}

static int
entry_set(struct reader *reader, const struct span *line)
{
        struct baseline *b = reader->baseline;
        struct err inner = {0};
        char *words = words_copy(b, line->data + 4, line->size - 4);
        if (!words || array_grow(&b->settings, b->n_settings) < 0)
                return err_oom(reader->err);
        if (setting_parse(words, &b->settings[b->n_settings], &inner) < 0)
                return malformed_as(reader, &inner);
        b->n_settings++;
        return 0;
}

static int
entry_waive(struct reader *reader, const struct span *line)
{
        struct baseline *b = reader->baseline;
        char *field[6];
        struct waiver waiver = {0};
        char *words = words_copy(b, line->data, line->size);
        if (!words)
                return err_oom(reader->err);
        if (!split_fields(words, field, 6) || !name_is_valid(field[1], strlen(field[1])) ||
                !field_escaped(field[2]) || strncmp(field[3], "until=", 6) != 0 ||
                clock_parse_seconds(field[3] + 6, strlen(field[3] + 6), &waiver.until_ms) < 0 ||
                strncmp(field[4], "by=", 3) != 0 || !name_is_valid(field[4] + 3, strlen(field[4] + 3)) ||
                strncmp(field[5], "reason=", 7) != 0 || !field[5][7] || !field_escaped(field[5] + 7))
                return reader_malformed(
                        reader, "\"waive BASELINE ITEM until=TIME by=NAME reason=TEXT\" is expected");
        if (array_grow(&b->waivers, b->n_waivers) < 0)
                return err_oom(reader->err);
        waiver.baseline = field[1];
        waiver.item = field[2];
        waiver.by = field[4] + 3;
        waiver.reason = field[5] + 7;
        b->waivers[b->n_waivers++] = waiver;
        return 0;
}

/* ---- one behind another ---- */

static int (*const entry_readers[LINE_KINDS])(struct reader *reader, const struct span *line) = {
        entry_scope, entry_file, entry_set, entry_waive};

static int
line_kind(const struct span *line)
{
        for (int kind = 0; kind < LINE_KINDS; kind++)
                if (span_starts_with(line, line_words[kind]))
                        return kind;
        return -EINVAL;
}

static int
read_entry(struct reader *reader, const struct span *line)
{
        int kind = line_kind(line);
        if (line->size > BASELINE_LINE_MAX)
                return reader_malformed(reader, "the line is longer than 1 MiB");
        if (kind < 0)
                return reader_malformed(reader, "a line begins with scope, file, set or waive");
        if (kind < reader->last_kind)
                return reader_malformed(reader, "scopes come first, then files, then settings, then waivers");
        if (kind == reader->last_kind && !lines_ascend(&reader->before, line))
                return reader_malformed(reader, UNSORTED);
        if (kind == LINE_FILE && reader->last_kind < LINE_FILE)
                reader->baseline->files_at = (size_t)(line->data - reader->text);
        int r = entry_readers[kind](reader, line);
        reader->last_kind = kind;
        reader->before = *line;
        return r;
}

static struct span
shared_line(const struct baseline *b, size_t number)
{
        const char *line = b->shared->data + b->shared->files[number] - strlen("file ");
        return (struct span){line, (size_t)((const char *)rawmemchr(line, '\n') - line)};
}

/* Takes the lines of a shared piece for read: what is left to be checked is how the first follows on what
 * stands before it. */
static int
take_lines(struct reader *reader, const struct piece *piece)
{
        struct baseline *b = reader->baseline;
        struct span line = shared_line(b, piece->from), path = file_path(&line);
        if (reader->last_kind < LINE_FILE)
                b->files_at = reader->at;
        if (reader->last_kind > LINE_FILE || !baseline_scopes_same(reader->parent, b) ||
                (reader->last_kind == LINE_FILE && !lines_ascend(&reader->before, &line)) ||
                path_again(reader, &path))
                return reader_malformed(reader, UNSORTED);
        b->n_files += piece->count;
        reader->before = shared_line(b, piece->from + piece->count - 1);
        reader->last_kind = LINE_FILE;
        return 0;
}

static int
read_pieces(struct reader *reader)
{
        struct baseline *b = reader->baseline;
        struct span line;
        int r = 0;
        for (size_t i = 0; i < b->n_pieces && r == 0; i++) {
                struct piece *piece = &b->pieces[i];
                bool shared = piece->place & SHARED_BIT;
                piece->file = (uint32_t)b->n_files;
                if (!shared) {
                        piece->from = (uint32_t)b->own->n_files;
                        reader->at = piece->place;
                        reader->end = piece->place + piece->size;
                }
                r = i == 0 ? header_read(reader) : 0;
                if (r == 0 && shared)
                        r = take_lines(reader, piece);
                while (r == 0 && reader_next_line(reader, &line))
                        r = read_entry(reader, &line);
        }
        return r;
}

int
baseline_read(struct baseline *b, const struct baseline *parent, struct err *err)
{
        struct reader reader = {
                .baseline = b, .text = b->own->data, .last_kind = -1, .parent = parent, .err = err};
        return read_pieces(&reader);
}
