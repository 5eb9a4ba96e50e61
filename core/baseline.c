/* SPDX-License-Identifier: MIT */
/*
 * Baselines: text that is signed, and judged by as it was signed. Opening checks every line once: each
 * entry is read and written again, and refused unless the bytes are the same, sorted and without
 * repetition. After that the text is the memory: an array of line offsets finds entries by binary search
 * over the very bytes whose digest is the id, and an entry is taken apart when somebody asks for it.
 *
 * Of two generations nearly every line is the same. A file line that the parent has too, byte for byte, under
 * the same scopes, would be read with the same result: it is taken, in runs, and only what stands between two
 * lines (their order, and that no path stands twice) is checked where a run begins. Nor are such lines in
 * memory twice: a text is pieces, of bytes of its own and of one text that generations share. It stays one,
 * however many follow on each other: a line that the parent has in bytes of its own is copied, and where the
 * copies or what is left unused have become many, a text stands by itself again.
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
#include <sys/uio.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/item.h"

const char *const class_names[CLASS_COUNT] = {"standard", "normal", "urgent"};

#define PATH_TWICE "this path stands twice"
#define UNSORTED "lines are sorted by their bytes, and none stands twice"
#define COMPARED_AT_ONCE ((size_t)4096) /* bytes */
#define SHARED_BIT (UINT32_C(1) << 31)  /* a place in the shared text: BASELINE_SIZE_MAX is below it */
#define PIECES_MAX ((size_t)1 << 16)
#define SPARE_MIN ((size_t)64 << 10) /* bytes of its own, or unused ones, that a text in pieces may have, */
#define SPARE_SHARE 8u               /* and besides this part of the shared text */

enum line_kind { LINE_SCOPE, LINE_FILE, LINE_SET, LINE_WAIVE, LINE_KINDS };
static const char *const line_words[LINE_KINDS] = {"scope ", "file ", "set ", "waive "};

struct baseline_bytes {
        atomic_uint references;
        char *data;
        size_t size;
        uint32_t *files; /* where each file line's path is */
        size_t n_files, files_room;
};

/* In their order they are the text. Each is whole lines. */
struct piece {
        uint32_t place; /* of its first byte */
        uint32_t size;  /* bytes */
        uint32_t at;    /* bytes of the text before it */
        uint32_t file;  /* file lines of the text before it */
        uint32_t from;  /* file lines of its bytes before it */
        uint32_t count; /* of a shared one: file lines that it has */
};

struct baseline {
        atomic_uint references;
        struct baseline_bytes *own, *shared; /* shared NULL: the text is one piece of its own */
        struct digest shared_id;             /* of the baseline whose whole text they are */
        struct piece *pieces;
        struct iovec *text; /* as many */
        size_t n_pieces;
        size_t size;      /* of the text */
        struct digest id; /* once it is hashed */
        atomic_bool hashed;
        pthread_mutex_t lock; /* of the hashing */
        struct baseline_header header;
        size_t entries_at; /* in its own bytes: what follows the header, */
        size_t files_at;   /* and on the scopes */
        struct scope *scopes;
        size_t n_scopes;
        size_t n_files;
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
        const char *text; /* its own bytes, */
        size_t at, end;   /* and of them those of the piece that is read */
        unsigned line;
        int last_kind; /* of the entry before; -1: there is none */
        struct span before;
        const struct baseline *parent; /* whose lines the shared pieces are; NULL: there are none */
        struct err *err;
};

/* ---- the text ---- */

static const char *
at_place(const struct baseline *b, uint32_t place)
{
        return place & SHARED_BIT ? b->shared->data + (place & ~SHARED_BIT) : b->own->data + place;
}

/* Takes the bytes over, on failure too. */
static struct baseline_bytes *
bytes_new(char *data, size_t size)
{
        struct baseline_bytes *bytes = calloc(1, sizeof *bytes);
        if (!bytes) {
                free(data);
                return NULL;
        }
        atomic_init(&bytes->references, 1);
        bytes->data = data;
        bytes->size = size;
        return bytes;
}

static struct baseline_bytes *
bytes_keep(struct baseline_bytes *bytes)
{
        atomic_fetch_add(&bytes->references, 1);
        return bytes;
}

static void
bytes_free(struct baseline_bytes *bytes)
{
        if (!bytes || atomic_fetch_sub(&bytes->references, 1) > 1)
                return;
        free(bytes->files);
        free(bytes->data);
        free(bytes);
}

/* The piece that a file line stands in, and its end in lines. */
static const struct piece *
piece_of(const struct baseline *b, size_t index, size_t *ret_end)
{
        size_t low = 0, high = b->n_pieces;
        while (high - low > 1) {
                size_t middle = low + (high - low) / 2;
                if (b->pieces[middle].file <= index)
                        low = middle;
                else
                        high = middle;
        }
        *ret_end = high < b->n_pieces ? b->pieces[high].file : b->n_files;
        return &b->pieces[low];
}

/* The bytes that a file line lies in, and its number there. */
static const struct baseline_bytes *
bytes_of(const struct baseline *b, size_t index, size_t *ret_line, size_t *ret_end)
{
        const struct piece *piece = piece_of(b, index, ret_end);
        *ret_line = piece->from + (index - piece->file);
        return piece->place & SHARED_BIT ? b->shared : b->own;
}

/* A file line from its path on. */
static const char *
file_fields(const struct baseline *b, size_t index)
{
        size_t line, end;
        const struct baseline_bytes *bytes = bytes_of(b, index, &line, &end);
        return bytes->data + bytes->files[line];
}

static const char *
file_line(const struct baseline *b, size_t index)
{
        return file_fields(b, index) - strlen("file ");
}

/* The file lines from first on, up to end, that lie in a row: where they end, and how many bytes they are. */
static const char *
lines_in_a_row(const struct baseline *b, size_t first, size_t end, size_t *ret_end, size_t *ret_size)
{
        size_t stop;
        piece_of(b, first, &stop);
        *ret_end = stop < end ? stop : end;
        const char *start = file_line(b, first), *last = file_line(b, *ret_end - 1);
        *ret_size = (size_t)((const char *)rawmemchr(last, '\n') - start) + 1;
        return start;
}

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
        if (reader->at >= reader->end)
                return false;
        const char *start = reader->text + reader->at;
        const char *end = memchr(start, '\n', reader->end - reader->at);
        *ret = (struct span){start, end ? (size_t)(end - start) : reader->end - reader->at};
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

static int
bytes_add_file(struct baseline_bytes *bytes, const char *path)
{
        if (bytes->n_files == bytes->files_room) {
                size_t room = bytes->files_room ? 2 * bytes->files_room : 16;
                uint32_t *grown = reallocarray(bytes->files, room, sizeof *grown);
                if (!grown)
                        return -ENOMEM;
                bytes->files = grown;
                bytes->files_room = room;
        }
        bytes->files[bytes->n_files++] = (uint32_t)(path - bytes->data);
        return 0;
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

static int
entry_file(struct reader *reader, const struct span *line)
{
        struct baseline *b = reader->baseline;
        struct span path = file_path(line);
        struct err inner = {0};
        if (!path_is_canonical(path.data, path.size))
                return malformed(
                        reader, "a file line needs an absolute path without \"//\", \".\" and \"..\"");
        if (path_again(reader, &path))
                return malformed(reader, PATH_TWICE);
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

/* How many whole lines these bytes begin with, and in *ret_size (may be NULL) how long those are. */
static size_t
lines_within(const char *text, size_t size, size_t *ret_size)
{
        size_t n = 0, at = 0;
        for (const char *end; at < size && (end = memchr(text + at, '\n', size - at)); n++)
                at = (size_t)(end - text) + 1;
        if (ret_size)
                *ret_size = at;
        return n;
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
                return malformed(reader, UNSORTED);
        b->n_files += piece->count;
        reader->before = shared_line(b, piece->from + piece->count - 1);
        reader->last_kind = LINE_FILE;
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
        if (kind == LINE_FILE && reader->last_kind < LINE_FILE)
                reader->baseline->files_at = (size_t)(line->data - reader->text);
        int r = entry_readers[kind](reader, line);
        reader->last_kind = kind;
        reader->before = *line;
        return r;
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
                r = i == 0 ? read_header(reader) : 0;
                if (r == 0 && shared)
                        r = take_lines(reader, piece);
                while (r == 0 && next_line(reader, &line))
                        r = read_entry(reader, &line);
        }
        return r;
}

static struct baseline *
baseline_new(void)
{
        struct baseline *b = calloc(1, sizeof *b);
        if (!b)
                return NULL;
        atomic_init(&b->references, 1);
        pthread_mutex_init(&b->lock, NULL);
        return b;
}

/* With its bytes and pieces in place: reads it. Takes it over. */
static int
baseline_finish(struct baseline *made, const struct baseline *parent, const struct digest *id,
        struct baseline **ret, struct err *err)
{
        _cleanup_(baseline_freep) struct baseline *b = made;
        struct reader reader = {
                .baseline = b, .text = b->own->data, .last_kind = -1, .parent = parent, .err = err};
        b->text = calloc(b->n_pieces, sizeof *b->text);
        if (!b->text)
                return err_oom(err);
        for (size_t i = 0; i < b->n_pieces; i++)
                b->text[i] =
                        (struct iovec){(void *)(uintptr_t)at_place(b, b->pieces[i].place), b->pieces[i].size};
        int r = read_pieces(&reader);
        if (r)
                return r;
        if (id) {
                b->id = *id;
                atomic_store(&b->hashed, true);
        }
        *ret = steal_pointer(&b);
        return 0;
}

static int
add_piece(struct baseline *b, uint32_t place, size_t size, size_t from, size_t count)
{
        if (b->n_pieces == PIECES_MAX || size > BASELINE_SIZE_MAX - b->size)
                return BASELINE_UNSHARED;
        if (array_grow(&b->pieces, b->n_pieces) < 0)
                return -ENOMEM;
        b->pieces[b->n_pieces++] = (struct piece){.place = place,
                .size = (uint32_t)size,
                .at = (uint32_t)b->size,
                .from = (uint32_t)from,
                .count = (uint32_t)count};
        b->size += size;
        return 0;
}

/* A text by itself. Takes it over. */
static int
open_whole(char *text, size_t size, const struct digest *id, struct baseline **ret, struct err *err)
{
        _cleanup_(baseline_freep) struct baseline *b = baseline_new();
        struct baseline_bytes *own = bytes_new(text, size);
        if (!b || !own) {
                bytes_free(own);
                return err_oom(err);
        }
        b->own = own;
        if (size > BASELINE_SIZE_MAX)
                return err_set(err, BASELINE_MALFORMED, "the baseline is larger than 1 GiB");
        if (!size || text[size - 1] != '\n')
                return err_set(err, BASELINE_MALFORMED, "a baseline ends with a newline");
        if (memchr(text, '\0', size))
                return err_set(err, BASELINE_MALFORMED, "a baseline holds no NUL byte");
        if (add_piece(b, 0, size, 0, 0) < 0)
                return err_oom(err);
        return baseline_finish(steal_pointer(&b), NULL, id, ret, err);
}

int
baseline_open(char *text, size_t size, struct baseline **ret, struct err *err)
{
        return open_whole(text, size, NULL, ret, err);
}

/* ---- a text of runs ---- */

struct joining {
        struct baseline *b;
        const struct baseline *parent;
        struct buf own;
        size_t own_done; /* bytes of it that are in pieces */
};

/* What was gathered of its own since the last shared piece is a piece. */
static int
close_own(struct joining *joining)
{
        size_t at = joining->own_done, size = joining->own.size - at;
        if (!size)
                return 0;
        const char *data = joining->own.data + at;
        if (data[size - 1] != '\n' || memchr(data, '\0', size))
                return BASELINE_UNSHARED;
        joining->own_done += size;
        return add_piece(joining->b, (uint32_t)at, size, 0, 0);
}

static int
join_lines(struct joining *joining, size_t first, size_t end)
{
        const struct baseline *parent = joining->parent;
        const struct baseline_bytes *common = joining->b->shared;
        int r = 0;
        while (first < end && r == 0) {
                size_t next, size, from, stop;
                const char *lines = lines_in_a_row(parent, first, end, &next, &size);
                if (bytes_of(parent, first, &from, &stop) != common) {
                        r = buf_append(&joining->own, lines, size);
                } else {
                        uint32_t place = (uint32_t)(lines - common->data) | SHARED_BIT;
                        r = close_own(joining);
                        r = r ? r : add_piece(joining->b, place, size, from, next - first);
                }
                first = next;
        }
        return r;
}

static int
join(struct joining *joining, const struct baseline_run *runs, size_t n)
{
        int r = 0;
        for (size_t i = 0; i < n && r == 0; i++)
                r = runs[i].data ? buf_append(&joining->own, runs[i].data, runs[i].size)
                                 : join_lines(joining, runs[i].first, runs[i].end);
        r = r ? r : close_own(joining);
        if (r == 0 && !joining->own.size)
                r = BASELINE_UNSHARED;
        return r == -E2BIG ? BASELINE_UNSHARED : r;
}

/* Too much that is its own, or of what is shared not used: then it is better made anew. */
static bool
is_wasteful(const struct baseline *b)
{
        size_t spare = SPARE_MIN + b->shared->size / SPARE_SHARE, used = b->size - b->own->size;
        return b->own->size > spare || b->shared->size > used + spare;
}

int
baseline_open_runs(const struct baseline *parent, const struct baseline_run *runs, size_t n,
        const struct digest *id, struct baseline **ret)
{
        _cleanup_(baseline_freep) struct baseline *b = baseline_new();
        struct joining joining = {.b = b, .parent = parent};
        if (!b)
                return -ENOMEM;
        b->shared = bytes_keep(parent->shared ? parent->shared : parent->own);
        b->shared_id = parent->shared ? parent->shared_id : *baseline_id(parent);
        int r = join(&joining, runs, n);
        size_t size = joining.own.size;
        char *own = r ? NULL : buf_steal(&joining.own);
        buf_done(&joining.own);
        if (r)
                return r;
        b->own = own ? bytes_new(own, size) : NULL;
        if (!b->own)
                return -ENOMEM;
        if (is_wasteful(b))
                return BASELINE_UNSHARED;
        r = baseline_finish(steal_pointer(&b), parent, id, ret, NULL);
        return r > 0 ? BASELINE_UNSHARED : r;
}

/* ---- a text of which another has most lines ---- */

struct finding {
        struct baseline_run *runs;
        size_t count;
};

static int
add_run(struct finding *finding, const struct baseline_run *run)
{
        if (run->data && !run->size)
                return 0;
        if (finding->count == PIECES_MAX)
                return BASELINE_UNSHARED;
        if (array_grow(&finding->runs, finding->count) < 0)
                return -ENOMEM;
        finding->runs[finding->count++] = *run;
        return 0;
}

/* The parent's file lines in a text. Both are sorted, if it is right: so it is a merge. */
static int
find_runs(const struct baseline *parent, const char *text, size_t size, struct finding *ret)
{
        const char *files = memmem(text, size, "\nfile ", strlen("\nfile "));
        size_t at = files ? (size_t)(files - text) + 1 : size, own = 0, next = 0;
        int r = 0;
        while (at < size && next < parent->n_files && r == 0) {
                size_t row_end, row_size, same_size;
                const char *line = file_line(parent, next);
                size_t line_size = (size_t)((const char *)rawmemchr(line, '\n') - line) + 1;
                int order = memcmp(line, text + at, min_size(line_size, size - at));
                if (order < 0) {
                        next++;
                } else if (order > 0 || line_size > size - at) {
                        const char *end = memchr(text + at, '\n', size - at);
                        at = end ? (size_t)(end - text) + 1 : size;
                } else {
                        const char *row = lines_in_a_row(parent, next, parent->n_files, &row_end, &row_size);
                        size_t common = common_bytes(row, text + at, min_size(row_size, size - at));
                        size_t n = lines_within(row, common, &same_size);
                        r = add_run(ret, &(struct baseline_run){.data = text + own, .size = at - own});
                        r = r ? r : add_run(ret, &(struct baseline_run){.first = next, .end = next + n});
                        next += n;
                        own = at += same_size;
                }
        }
        return r ? r : add_run(ret, &(struct baseline_run){.data = text + own, .size = size - own});
}

int
baseline_open_after(const struct baseline *parent, char *text, size_t size, const struct digest *id,
        struct baseline **ret, struct err *err)
{
        struct finding finding = {0};
        int r = parent && size ? find_runs(parent, text, size, &finding) : BASELINE_UNSHARED;
        if (r == 0 && finding.count > 1)
                r = baseline_open_runs(parent, finding.runs, finding.count, id, ret);
        else if (r == 0)
                r = BASELINE_UNSHARED;
        free(finding.runs);
        if (r == BASELINE_UNSHARED) /* with words, where it is wrong */
                return open_whole(text, size, id, ret, err);
        free(text);
        return r ? err_oom(err) : 0;
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
        free(b->settings);
        free(b->waivers);
        free(b->words);
        free(b->header.ticket);
        bytes_free(b->own);
        bytes_free(b->shared);
        free(b->pieces);
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
                digest_pieces(b->text, b->n_pieces, &b->id);
        atomic_store(&b->hashed, true);
        pthread_mutex_unlock(&b->lock);
        return &b->id;
}

const struct iovec *
baseline_text(const struct baseline *baseline, size_t *ret_count)
{
        *ret_count = baseline->n_pieces;
        return baseline->text;
}

size_t
baseline_size(const struct baseline *baseline)
{
        return baseline->size;
}

const struct digest *
baseline_shared(const struct baseline *baseline)
{
        return baseline->shared ? &baseline->shared_id : NULL;
}

bool
baseline_piece_shared(const struct baseline *baseline, size_t index, size_t *ret_offset)
{
        uint32_t place = baseline->pieces[index].place;
        *ret_offset = place & ~SHARED_BIT;
        return place & SHARED_BIT;
}

int
baseline_text_append(const struct baseline *baseline, struct buf *ret)
{
        int r = buf_reserve(ret, baseline->size);
        for (size_t i = 0; i < baseline->n_pieces && r == 0; i++)
                r = buf_append(ret, baseline->text[i].iov_base, baseline->text[i].iov_len);
        return r;
}

const struct scope *
baseline_scopes(const struct baseline *baseline, size_t *ret_count)
{
        *ret_count = baseline->n_scopes;
        return baseline->scopes;
}

bool
baseline_scopes_same(const struct baseline *a, const struct baseline *b)
{
        size_t size = a->files_at - a->entries_at;
        return a->files_at && b->files_at && size == b->files_at - b->entries_at &&
               memcmp(a->own->data + a->entries_at, b->own->data + b->entries_at, size) == 0;
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

const struct baseline_bytes *
baseline_file_bytes(const struct baseline *baseline, size_t index, size_t *ret_line, size_t *ret_end)
{
        return bytes_of(baseline, index, ret_line, ret_end);
}

const struct baseline_bytes *
baseline_bytes_own(const struct baseline *baseline)
{
        return baseline->own;
}

const struct baseline_bytes *
baseline_bytes_shared(const struct baseline *baseline)
{
        return baseline->shared;
}

size_t
baseline_bytes_files(const struct baseline_bytes *bytes)
{
        return bytes->n_files;
}

size_t
baseline_file_offset(const struct baseline *baseline, size_t index)
{
        size_t end, count = baseline->n_files;
        if (!count)
                return baseline->files_at;
        size_t last = index < count ? index : count - 1;
        const struct piece *piece = piece_of(baseline, last, &end);
        const char *line = file_line(baseline, last);
        size_t at = piece->at + (size_t)(line - at_place(baseline, piece->place));
        return index < count ? at : at + (size_t)((const char *)rawmemchr(line, '\n') - line) + 1;
}

bool
baseline_file_at(const struct baseline *baseline, size_t offset, size_t *ret_index)
{
        size_t low = 0, high = baseline->n_files;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (baseline_file_offset(baseline, middle) < offset)
                        low = middle + 1;
                else
                        high = middle;
        }
        *ret_index = low;
        return baseline_file_offset(baseline, low) == offset;
}

int
baseline_file_lines_append(const struct baseline *baseline, size_t first, size_t end, struct buf *ret)
{
        int r = 0;
        while (first < end && r == 0) {
                size_t size;
                const char *lines = lines_in_a_row(baseline, first, end, &first, &size);
                r = buf_append(ret, lines, size);
        }
        return r;
}

/* Two runs that lie at the same place are the same. */
static size_t
row_same(const char *a, size_t a_size, size_t a_lines, const char *b, size_t b_size, size_t b_lines)
{
        if (a == b)
                return a_lines < b_lines ? a_lines : b_lines;
        return lines_within(a, common_bytes(a, b, min_size(a_size, b_size)), NULL);
}

size_t
baseline_files_same(const struct baseline *a, size_t a_index, const struct baseline *b, size_t b_index)
{
        size_t all = 0;
        while (a_index + all < a->n_files && b_index + all < b->n_files) {
                size_t a_end, b_end, a_size, b_size, i = a_index + all, j = b_index + all;
                const char *left = lines_in_a_row(a, i, a->n_files, &a_end, &a_size);
                const char *right = lines_in_a_row(b, j, b->n_files, &b_end, &b_size);
                size_t same = row_same(left, a_size, a_end - i, right, b_size, b_end - j);
                all += same;
                if (i + same < a_end && j + same < b_end)
                        break;
        }
        return all;
}

const char *
baseline_file_path(const struct baseline *baseline, size_t index, size_t *ret_size)
{
        const char *path = file_fields(baseline, index);
        *ret_size = (size_t)((const char *)rawmemchr(path, ' ') - path);
        return path;
}

int
baseline_files_order(const struct baseline *a, size_t a_index, const struct baseline *b, size_t b_index)
{
        size_t a_size, b_size;
        const char *left = baseline_file_path(a, a_index, &a_size);
        const char *right = baseline_file_path(b, b_index, &b_size);
        int order = memcmp(left, right, min_size(a_size, b_size));
        return order ? order : (a_size > b_size) - (a_size < b_size);
}

const char *
baseline_file_line(const struct baseline *baseline, size_t index, size_t *ret_size)
{
        const char *line = file_fields(baseline, index);
        *ret_size = (size_t)((const char *)rawmemchr(line, '\n') - line);
        return line;
}

uint64_t
baseline_file_size(const struct baseline *baseline, size_t index)
{
        static const char key[] = " size=";
        size_t size;
        const char *line = baseline_file_line(baseline, index, &size);
        const char *fields = memchr(line, ' ', size);
        const char *found = memmem(fields, size - (size_t)(fields - line), key, sizeof key - 1);
        return found ? strtoull(found + sizeof key - 1, NULL, 10) : 0; /* valid: the text was parsed */
}

int
baseline_file_attributes(const struct baseline *baseline, size_t index, struct attributes *ret)
{
        size_t size;
        const char *line = baseline_file_line(baseline, index, &size);
        const char *fields = memchr(line, ' ', size);
        return attributes_parse(fields, size - (size_t)(fields - line), ret, NULL);
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
