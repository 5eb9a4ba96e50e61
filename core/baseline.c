/* SPDX-License-Identifier: MIT */
/*
 * Baselines: text that is signed, and judged by as it was signed. Opening checks every line once: each
 * entry is read and written again, and refused unless the bytes are the same, sorted and without
 * repetition. After that the text is the memory: an array of line offsets finds entries by binary search
 * over the very bytes whose digest is the id, and an entry is taken apart when somebody asks for it.
 *
 * Of two generations nearly every line is the same. A file line that the parent has too, byte for byte, under
 * the same scopes, would be read with the same result: it is compared and taken, in runs, and only what
 * stands between two lines (their order, and that no path stands twice) is checked where a run begins.
 *
 * Owns the bytes. Knows no host, no approver and no store: whether a baseline may be applied is judged
 * elsewhere.
 */
#include "core/baseline.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/item.h"

const char *const class_names[CLASS_COUNT] = {"standard", "normal", "urgent"};

#define PATH_TWICE "this path stands twice"
#define UNSORTED "lines are sorted by their bytes, and none stands twice"
#define COMPARED_AT_ONCE ((size_t)4096) /* bytes */

enum line_kind { LINE_SCOPE, LINE_FILE, LINE_SET, LINE_WAIVE, LINE_KINDS };
static const char *const line_words[LINE_KINDS] = {"scope ", "file ", "set ", "waive "};

struct baseline {
        atomic_uint references;
        char *text;
        size_t size;
        struct digest id; /* once it is hashed */
        atomic_bool hashed;
        pthread_mutex_t lock; /* of the hashing */
        struct baseline_header header;
        size_t entries_at; /* offset of what follows the header */
        struct scope *scopes;
        size_t n_scopes;
        uint32_t *files; /* offset of each file line's path */
        size_t n_files, files_room;
        struct setting *settings;
        size_t n_settings;
        struct waiver *waivers;
        size_t n_waivers;
        char *words; /* NUL-terminated copies that settings and waivers point into, from words_at on */
        size_t words_at;
};

struct span {
        const char *data;
        size_t size;
};

/* The file being read: where we are, for the words of an error. */
struct reader {
        struct baseline *baseline;
        size_t at;
        unsigned line;
        int last_kind; /* of the entry before; -1: there is none */
        struct span before;
        /* A line that this one has too, under the same scopes, was read already. NULL: there is none. */
        const struct baseline *parent;
        bool same_scopes;
        size_t next; /* of its file lines: those before it stand before what is to be read */
        struct err *err;
};

static int
malformed(struct reader *reader, const char *what)
{
        return err_set(reader->err, BASELINE_MALFORMED, "line %u: %s", reader->line, what);
}

/* Takes an inner error's words over, with the line in front. */
static int
malformed_as(struct reader *reader, const struct err *inner)
{
        if (inner->code == -ENOMEM)
                return err_oom(reader->err);
        return malformed(reader, inner->text);
}

static bool
next_line(struct reader *reader, struct span *ret)
{
        const struct baseline *b = reader->baseline;
        if (reader->at >= b->size)
                return false;
        const char *start = b->text + reader->at;
        const char *end = memchr(start, '\n', b->size - reader->at);
        *ret = (struct span){start, end ? (size_t)(end - start) : b->size - reader->at};
        reader->at += ret->size + 1;
        reader->line++;
        return true;
}

static bool
starts_with(const struct span *line, const char *word)
{
        size_t size = strlen(word);
        return line->size >= size && memcmp(line->data, word, size) == 0;
}

/* ---- header ---- */

static int
read_name(const struct span *value, char ret[static NAME_MAX_SIZE])
{
        if (!name_is_valid(value->data, value->size))
                return -EINVAL;
        memcpy(ret, value->data, value->size);
        ret[value->size] = '\0';
        return 0;
}

static int
header_name(const struct span *value, struct baseline_header *ret)
{
        return read_name(value, ret->name);
}

static int
header_host(const struct span *value, struct baseline_header *ret)
{
        bool any = value->size == 1 && value->data[0] == '*';
        if (!any && (value->size != HOST_ID_MAX - 1 || strspn(value->data, "0123456789abcdef") < value->size))
                return -EINVAL;
        memcpy(ret->host, value->data, value->size);
        ret->host[value->size] = '\0';
        return 0;
}

static int
header_generation(const struct span *value, struct baseline_header *ret)
{
        uint64_t number = 0;
        if (!value->size || value->size > 18 || value->data[0] == '0')
                return -EINVAL;
        for (size_t i = 0; i < value->size; i++) {
                if (value->data[i] < '0' || value->data[i] > '9')
                        return -EINVAL;
                number = number * 10 + (unsigned)(value->data[i] - '0');
        }
        ret->generation = number;
        return 0;
}

static bool
span_is(const struct span *value, const char *word)
{
        return value->size == strlen(word) && memcmp(value->data, word, value->size) == 0;
}

static int
header_parent(const struct span *value, struct baseline_header *ret)
{
        ret->has_parent = !span_is(value, "none");
        return ret->has_parent ? digest_parse(value->data, value->size, &ret->parent) : 0;
}

static int
header_created(const struct span *value, struct baseline_header *ret)
{
        return clock_parse_seconds(value->data, value->size, &ret->created_ms);
}

static int
header_expires(const struct span *value, struct baseline_header *ret)
{
        ret->expires_ms = INT64_MAX;
        return span_is(value, "never") ? 0 : clock_parse_seconds(value->data, value->size, &ret->expires_ms);
}

static int
header_author(const struct span *value, struct baseline_header *ret)
{
        return read_name(value, ret->author);
}

static int
header_ticket(const struct span *value, struct baseline_header *ret)
{
        if (!value->size || !escape_is_canonical(value->data, value->size))
                return -EINVAL;
        if (span_is(value, "none"))
                return 0;
        ret->ticket = strndup(value->data, value->size);
        return ret->ticket ? 0 : -ENOMEM;
}

static int
header_class(const struct span *value, struct baseline_header *ret)
{
        int class = name_index(class_names, CLASS_COUNT, value->data, value->size);
        if (class < 0)
                return class;
        ret->class = (enum baseline_class) class;
        return 0;
}

static const struct {
        const char *word;
        int (*read)(const struct span *value, struct baseline_header *ret);
        const char *right; /* for the words of an error */
} header_lines[] = {
        {"name ", header_name, "\"name NAME\" (letters, digits, '.', '_', '-')"},
        {"host ", header_host, "\"host ID\" (32 hex digits, or *)"},
        {"generation ", header_generation, "\"generation N\" (from 1)"},
        {"parent ", header_parent, "\"parent ID\" (64 hex digits) or \"parent none\""},
        {"created ", header_created, "\"created 2026-11-23T18:00:00Z\""},
        {"expires ", header_expires, "\"expires 2027-02-23T18:00:00Z\" or \"expires never\""},
        {"author ", header_author, "\"author NAME\""},
        {"ticket ", header_ticket, "\"ticket TEXT\" (escaped) or \"ticket none\""},
        {"class ", header_class, "\"class standard\", \"class normal\" or \"class urgent\""},
};

static int
read_header(struct reader *reader)
{
        struct baseline_header *header = &reader->baseline->header;
        struct span line;
        if (!next_line(reader, &line) || !span_is(&line, "driftd-baseline 1"))
                return malformed(reader, "a baseline begins with \"driftd-baseline 1\"");
        for (size_t i = 0; i < ARRAY_SIZE(header_lines); i++) {
                const char *word = header_lines[i].word;
                int r = -EINVAL;
                if (next_line(reader, &line) && line.size <= BASELINE_LINE_MAX && starts_with(&line, word)) {
                        struct span value = {line.data + strlen(word), line.size - strlen(word)};
                        r = header_lines[i].read(&value, header);
                }
                if (r == -ENOMEM)
                        return err_oom(reader->err);
                if (r < 0)
                        return err_set(reader->err, BASELINE_MALFORMED, "line %u: %s is expected here",
                                reader->line, header_lines[i].right);
        }
        if (header->has_parent == (header->generation == 1))
                return malformed(
                        reader, "generation 1 has parent none, and every later one names its parent");
        if (!next_line(reader, &line) || line.size)
                return malformed(reader, "an empty line ends the header");
        reader->baseline->entries_at = reader->at;
        return 0;
}

/* ---- entries ---- */

static int
entry_scope(struct reader *reader, const struct span *line)
{
        struct baseline *b = reader->baseline;
        struct err inner = {0};
        if (b->n_scopes == BASELINE_SCOPES_MAX)
                return malformed(reader, "more scopes than a baseline may have");
        if (array_grow(&b->scopes, b->n_scopes) < 0)
                return err_oom(reader->err);
        if (scope_parse(line->data + 6, line->size - 6, &b->scopes[b->n_scopes], &inner) < 0)
                return malformed_as(reader, &inner);
        for (size_t i = 0; i < b->n_scopes; i++)
                if (b->scopes[i].domain == b->scopes[b->n_scopes].domain &&
                        strcmp(b->scopes[i].name, b->scopes[b->n_scopes].name) == 0) {
                        scope_done(&b->scopes[b->n_scopes]);
                        return malformed(reader, "two scopes have the same name");
                }
        b->n_scopes++;
        return 0;
}

static struct span
file_path(const struct span *line)
{
        const char *path = line->data + 5;
        const char *blank = memchr(path, ' ', line->size - 5);
        return (struct span){path, blank ? (size_t)(blank - path) : line->size - 5};
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
                return malformed(reader, "this file lies in no scope of the baseline");
        uint32_t written = fields_written(attributes);
        if (written & ~scope_line_mask(scope))
                return malformed(reader, "the line names an attribute that its scope does not judge by");
        uint32_t prefix = ATTRIBUTE_BIT(ATTRIBUTE_CONTENT) | ATTRIBUTE_BIT(ATTRIBUTE_SIZE);
        if (scope->mode == SCOPE_GROWING && (written & prefix) == ATTRIBUTE_BIT(ATTRIBUTE_CONTENT))
                return malformed(reader, "a growing file's content needs the size that it covers");
        return 0;
}

/* Room for so many more file lines. */
static int
files_reserve(struct baseline *b, size_t more)
{
        size_t room = b->files_room ? b->files_room : 16;
        while (room - b->n_files < more)
                room *= 2;
        if (room == b->files_room)
                return 0;
        uint32_t *grown = reallocarray(b->files, room, sizeof *b->files);
        if (!grown)
                return -ENOMEM;
        b->files = grown;
        b->files_room = room;
        return 0;
}

/* Whether the path of a file line is the one before it once more. */
static bool
path_again(const struct baseline *b, const struct span *path)
{
        if (!b->n_files)
                return false;
        const char *before = b->text + b->files[b->n_files - 1];
        return memcmp(before, path->data, path->size) == 0 && before[path->size] == ' ';
}

static int
entry_file(struct reader *reader, const struct span *line)
{
        struct baseline *b = reader->baseline;
        struct span path = file_path(line);
        struct err inner = {0};
        if (!path_is_canonical(path.data, path.size))
                return malformed(
                        reader, "a file line needs an absolute path without \"//\", \".\" and \"..\"");
        if (path_again(b, &path))
                return malformed(reader, PATH_TWICE);
        _cleanup_attributes_ struct attributes attributes = {0};
        if (attributes_parse(path.data + path.size, line->size - 5 - path.size, &attributes, &inner) < 0)
                return malformed_as(reader, &inner);
        int r = check_rule(reader, &path, &attributes);
        if (r)
                return r;
        if (files_reserve(b, 1) < 0)
                return err_oom(reader->err);
        b->files[b->n_files++] = (uint32_t)(path.data - b->text);
        return 0;
}

/* A copy of some of the text with a NUL at its end, in a place of its own. They are made from the first that
 * is wanted on: settings and waivers are the end of the text. NULL when out of memory. */
static char *
words_copy(struct baseline *b, const char *data, size_t size)
{
        size_t at = (size_t)(data - b->text);
        if (!b->words) {
                b->words = malloc(b->size - at + 1);
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
                return malformed(
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

static int (*const entry_readers[LINE_KINDS])(struct reader *reader, const struct span *line) = {
        entry_scope, entry_file, entry_set, entry_waive};

static int
line_kind(const struct span *line)
{
        for (int kind = 0; kind < LINE_KINDS; kind++)
                if (starts_with(line, line_words[kind]))
                        return kind;
        return -EINVAL;
}

/* Whether b may follow a: bytewise greater, a prefix being smaller. */
static bool
lines_ascend(const struct span *a, const struct span *b)
{
        int order = memcmp(a->data, b->data, min_size(a->size, b->size));
        return order < 0 || (order == 0 && a->size < b->size);
}

/* ---- lines that the parent has ---- */

/* Offsets of a file line, and of what follows on it. */
static size_t
file_start(const struct baseline *b, size_t index)
{
        return b->files[index] - strlen("file ");
}

static size_t
file_stop(const struct baseline *b, size_t index)
{
        if (index + 1 < b->n_files)
                return file_start(b, index + 1);
        const char *path = b->text + b->files[index];
        return (size_t)((const char *)memchr(path, '\n', b->size - b->files[index]) - b->text) + 1;
}

/* How many bytes two runs have in common at their beginning. */
static size_t
common_bytes(const char *a, const char *b, size_t size)
{
        size_t at = 0;
        while (size - at >= COMPARED_AT_ONCE && memcmp(a + at, b + at, COMPARED_AT_ONCE) == 0)
                at += COMPARED_AT_ONCE;
        while (at < size && a[at] == b[at])
                at++;
        return at;
}

/* How many of b's file lines, from index on, stand there byte for byte, newlines and all. */
static size_t
common_lines(const struct baseline *b, size_t index, const char *there, size_t size)
{
        if (index == b->n_files)
                return 0;
        size_t start = file_start(b, index), all = file_stop(b, b->n_files - 1) - start, n = 0;
        size_t common = common_bytes(b->text + start, there, min_size(all, size));
        while (index + n < b->n_files && file_stop(b, index + n) - start <= common)
                n++;
        return n;
}

/* A line was right under its own scopes. */
static bool
scopes_are_those_of(const struct baseline *parent, const struct reader *reader)
{
        const struct baseline *b = reader->baseline;
        size_t size = reader->at - b->entries_at;
        return parent->n_files && size == file_start(parent, 0) - parent->entries_at &&
               memcmp(b->text + b->entries_at, parent->text + parent->entries_at, size) == 0;
}

/* How many lines from here on are the parent's. Both are sorted, if this one is right: so it is a merge. */
static size_t
lines_known(struct reader *reader)
{
        const struct baseline *b = reader->baseline, *parent = reader->parent;
        if (!parent || reader->last_kind > LINE_FILE || reader->at >= b->size)
                return 0;
        if (reader->last_kind < LINE_FILE) /* perhaps the scopes end here */
                reader->same_scopes = scopes_are_those_of(parent, reader);
        if (!reader->same_scopes)
                return 0;
        size_t left = b->size - reader->at;
        const char *here = b->text + reader->at;
        for (; reader->next < parent->n_files; reader->next++) {
                size_t start = file_start(parent, reader->next),
                       size = file_stop(parent, reader->next) - start;
                int order = memcmp(parent->text + start, here, min_size(size, left));
                if (order >= 0)
                        return order ? 0 : common_lines(parent, reader->next, here, left);
        }
        return 0;
}

/* Takes so many lines of the parent for read: what is left to be checked is how the first follows on what
 * stands before it. */
static int
take_lines(struct reader *reader, size_t n)
{
        struct baseline *b = reader->baseline;
        const struct baseline *parent = reader->parent;
        size_t first = reader->next, start = file_start(parent, first), last = first + n - 1;
        struct span line = {b->text + reader->at, file_stop(parent, first) - start - 1};
        struct span path = file_path(&line);
        reader->line++;
        if (reader->last_kind == LINE_FILE && !lines_ascend(&reader->before, &line))
                return malformed(reader, UNSORTED);
        if (path_again(b, &path))
                return malformed(reader, PATH_TWICE);
        if (files_reserve(b, n) < 0)
                return err_oom(reader->err);
        for (size_t i = 0; i < n; i++)
                b->files[b->n_files++] = (uint32_t)(parent->files[first + i] - start + reader->at);
        line.data = b->text + reader->at + (file_start(parent, last) - start);
        line.size = file_stop(parent, last) - file_start(parent, last) - 1;
        reader->at += file_stop(parent, last) - start;
        reader->line += (unsigned)n - 1;
        reader->next += n;
        reader->last_kind = LINE_FILE;
        reader->before = line;
        return 0;
}

/* ---- the whole text ---- */

static int
read_entry(struct reader *reader, const struct span *line)
{
        int kind = line_kind(line);
        if (line->size > BASELINE_LINE_MAX)
                return malformed(reader, "the line is longer than 1 MiB");
        if (kind < 0)
                return malformed(reader, "a line begins with scope, file, set or waive");
        if (kind < reader->last_kind)
                return malformed(reader, "scopes come first, then files, then settings, then waivers");
        if (kind == reader->last_kind && !lines_ascend(&reader->before, line))
                return malformed(reader, UNSORTED);
        int r = entry_readers[kind](reader, line);
        reader->last_kind = kind;
        reader->before = *line;
        return r;
}

static int
read_entries(struct reader *reader)
{
        struct span line;
        for (int r = 0;;) {
                size_t known = lines_known(reader);
                if (known)
                        r = take_lines(reader, known);
                else if (next_line(reader, &line))
                        r = read_entry(reader, &line);
                else
                        return 0;
                if (r)
                        return r;
        }
}

int
baseline_open_after(const struct baseline *parent, char *text, size_t size, const struct digest *id,
        struct baseline **ret, struct err *err)
{
        _cleanup_(baseline_freep) struct baseline *b = calloc(1, sizeof *b);
        if (!b) {
                free(text);
                return err_oom(err);
        }
        atomic_init(&b->references, 1);
        pthread_mutex_init(&b->lock, NULL);
        b->text = text;
        b->size = size;
        struct reader reader = {.baseline = b, .last_kind = -1, .parent = parent, .err = err};
        if (size > BASELINE_SIZE_MAX)
                return err_set(err, BASELINE_MALFORMED, "the baseline is larger than 1 GiB");
        if (!size || text[size - 1] != '\n')
                return err_set(err, BASELINE_MALFORMED, "a baseline ends with a newline");
        if (memchr(text, '\0', size))
                return err_set(err, BASELINE_MALFORMED, "a baseline holds no NUL byte");
        int r = read_header(&reader);
        r = r ? r : read_entries(&reader);
        if (r)
                return r;
        if (id) {
                b->id = *id;
                atomic_store(&b->hashed, true);
        }
        *ret = steal_pointer(&b);
        return 0;
}

int
baseline_open(char *text, size_t size, struct baseline **ret, struct err *err)
{
        return baseline_open_after(NULL, text, size, NULL, ret, err);
}

struct baseline *
baseline_keep(const struct baseline *baseline)
{
        struct baseline *b = (struct baseline *)(uintptr_t)baseline;
        atomic_fetch_add(&b->references, 1);
        return b;
}

struct baseline *
baseline_free(struct baseline *b)
{
        if (!b || atomic_fetch_sub(&b->references, 1) > 1)
                return NULL;
        for (size_t i = 0; i < b->n_scopes; i++)
                scope_done(&b->scopes[i]);
        free(b->scopes);
        free(b->files);
        free(b->settings);
        free(b->waivers);
        free(b->words);
        free(b->header.ticket);
        free(b->text);
        pthread_mutex_destroy(&b->lock);
        free(b);
        return NULL;
}

/* ---- asking ---- */

const struct baseline_header *
baseline_header(const struct baseline *baseline)
{
        return &baseline->header;
}

const struct digest *
baseline_id(const struct baseline *baseline)
{
        struct baseline *b = (struct baseline *)(uintptr_t)baseline;
        if (atomic_load(&b->hashed))
                return &b->id;
        pthread_mutex_lock(&b->lock);
        if (!atomic_load(&b->hashed))
                digest_bytes(b->text, b->size, &b->id);
        atomic_store(&b->hashed, true);
        pthread_mutex_unlock(&b->lock);
        return &b->id;
}

const char *
baseline_text(const struct baseline *baseline, size_t *ret_size)
{
        *ret_size = baseline->size;
        return baseline->text;
}

const struct scope *
baseline_scopes(const struct baseline *baseline, size_t *ret_count)
{
        *ret_count = baseline->n_scopes;
        return baseline->scopes;
}

const struct setting *
baseline_settings(const struct baseline *baseline, size_t *ret_count)
{
        *ret_count = baseline->n_settings;
        return baseline->settings;
}

const struct waiver *
baseline_waivers(const struct baseline *baseline, size_t *ret_count)
{
        *ret_count = baseline->n_waivers;
        return baseline->waivers;
}

size_t
baseline_files(const struct baseline *baseline)
{
        return baseline->n_files;
}

const char *
baseline_file_lines(const struct baseline *baseline, size_t first, size_t end, size_t *ret_size)
{
        if (first == end) {
                *ret_size = 0;
                return baseline->text;
        }
        *ret_size = file_stop(baseline, end - 1) - file_start(baseline, first);
        return baseline->text + file_start(baseline, first);
}

size_t
baseline_files_same(const struct baseline *a, size_t a_index, const struct baseline *b, size_t b_index)
{
        if (b_index == b->n_files)
                return 0;
        size_t start = file_start(b, b_index);
        return common_lines(a, a_index, b->text + start, file_stop(b, b->n_files - 1) - start);
}

const char *
baseline_file_path(const struct baseline *baseline, size_t index, size_t *ret_size)
{
        const char *path = baseline->text + baseline->files[index];
        *ret_size = (size_t)((const char *)memchr(path, ' ', baseline->size) - path);
        return path;
}

uint64_t
baseline_file_size(const struct baseline *baseline, size_t index)
{
        static const char key[] = " size=";
        size_t path_size;
        const char *path = baseline_file_path(baseline, index, &path_size), *fields = path + path_size;
        const char *end = memchr(fields, '\n', baseline->size - (size_t)(fields - baseline->text));
        const char *found = memmem(fields, (size_t)(end - fields), key, sizeof key - 1);
        return found ? strtoull(found + sizeof key - 1, NULL, 10) : 0; /* valid: the text was parsed */
}

int
baseline_file_attributes(const struct baseline *baseline, size_t index, struct attributes *ret)
{
        size_t size;
        const char *path = baseline_file_path(baseline, index, &size);
        const char *fields = path + size;
        const char *end = memchr(fields, '\n', baseline->size - (size_t)(fields - baseline->text));
        return attributes_parse(fields, (size_t)(end - fields), ret, NULL);
}

/* Whether entry `index` stands before path + last ('\0': nothing after the path). */
static bool
entry_before(const struct baseline *baseline, size_t index, const struct span *path, char last)
{
        struct span found;
        found.data = baseline_file_path(baseline, index, &found.size);
        int order = memcmp(found.data, path->data, min_size(found.size, path->size));
        if (order || found.size < path->size)
                return order ? order < 0 : true;
        if (last == '\0')
                return false;
        return found.size == path->size || found.data[path->size] < last;
}

/* The first entry that does not stand before path + last. */
static size_t
lower_bound(const struct baseline *baseline, const char *path, size_t size, char last)
{
        size_t low = 0, high = baseline->n_files;
        struct span wanted = {path, size};
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (entry_before(baseline, middle, &wanted, last))
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

bool
baseline_file_find(const struct baseline *baseline, const char *path, size_t size, size_t *ret_index)
{
        size_t index = lower_bound(baseline, path, size, '\0');
        *ret_index = index;
        if (index == baseline->n_files)
                return false;
        size_t found_size;
        const char *found = baseline_file_path(baseline, index, &found_size);
        return found_size == size && memcmp(found, path, size) == 0;
}

void
baseline_files_below(const struct baseline *baseline, const char *folder, size_t *ret_first, size_t *ret_end)
{
        size_t size = strlen(folder);
        if (size == 1) { /* "/": all but itself, which is the first if it is there */
                size_t first_size = 0;
                if (baseline->n_files)
                        baseline_file_path(baseline, 0, &first_size);
                *ret_first = first_size == 1;
                *ret_end = baseline->n_files;
                return;
        }
        *ret_first = lower_bound(baseline, folder, size, '/');
        *ret_end = lower_bound(baseline, folder, size, '/' + 1); /* '0' follows '/' in the order of bytes */
}

/* ---- writing ---- */

int
baseline_header_append(const struct baseline_header *header, struct buf *buf)
{
        char parent[DIGEST_HEX_SIZE] = "none", created[CLOCK_TEXT_MAX], expires[CLOCK_TEXT_MAX] = "never";
        if (header->has_parent)
                digest_hex(&header->parent, parent);
        clock_format_seconds(header->created_ms, created);
        if (header->expires_ms != INT64_MAX)
                clock_format_seconds(header->expires_ms, expires);
        return buf_printf(buf,
                "driftd-baseline 1\nname %s\nhost %s\ngeneration %" PRIu64
                "\nparent %s\ncreated %s\nexpires %s\nauthor %s\nticket %s\nclass %s\n\n",
                header->name, header->host, header->generation, parent, created, expires, header->author,
                header->ticket ? header->ticket : "none", class_names[header->class]);
}

int
baseline_file_append(
        const char *escaped_path, uint32_t mask, const struct attributes *attributes, struct buf *buf)
{
        int r = buf_text(buf, "file ");
        r = r ? r : buf_text(buf, escaped_path);
        r = r ? r : attributes_append(mask, attributes, buf);
        return r ? r : buf_text(buf, "\n");
}

int
baseline_waiver_append(const struct waiver *waiver, struct buf *buf)
{
        char until[CLOCK_TEXT_MAX];
        clock_format_seconds(waiver->until_ms, until);
        return buf_printf(buf, "waive %s %s until=%s by=%s reason=%s\n", waiver->baseline, waiver->item,
                until, waiver->by, waiver->reason);
}
