/* SPDX-License-Identifier: MIT */
/*
 * Deltas. The writer holds back the run that it is in (a copy or an insert), so that runs that are one are
 * written as one. The reader goes over a delta twice: first all of it is
 * held against the form and the parent's bounds, which gives the exact size of the result; then that is
 * filled, hashed and opened. Copies go forward only, so that no result is larger than parent and delta
 * together.
 *
 * Owns nothing but what it is making.
 */
#include "core/baseline_delta.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/digest.h"

#define FIRST_LINE "driftd-delta 1\n"
#define NUMBER_DIGITS_MAX 10u /* BASELINE_SIZE_MAX has as many */

/* ---- writing ---- */

struct delta_writer {
        const struct baseline *parent;
        const char *text; /* the parent's */
        struct buf *to;
        size_t copy_at, copy_size; /* what is held back: a copy, or an insert */
        struct buf insert;
};

int
delta_writer_new(const struct baseline *parent, struct buf *to, struct delta_writer **ret)
{
        _cleanup_(delta_writer_freep) struct delta_writer *writer = calloc(1, sizeof *writer);
        char hex[DIGEST_HEX_SIZE];
        size_t size;
        if (!writer)
                return -ENOMEM;
        writer->parent = parent;
        writer->text = baseline_text(parent, &size);
        writer->to = to;
        digest_hex(baseline_id(parent), hex);
        int r = buf_printf(to, FIRST_LINE "from %s\n", hex);
        if (r == 0)
                *ret = steal_pointer(&writer);
        return r;
}

struct delta_writer *
delta_writer_free(struct delta_writer *writer)
{
        if (!writer)
                return NULL;
        buf_done(&writer->insert);
        free(writer);
        return NULL;
}

/* Writes what is held back. */
static int
flush(struct delta_writer *writer)
{
        int r = 0;
        if (writer->copy_size)
                r = buf_printf(writer->to, "copy %zu %zu\n", writer->copy_at, writer->copy_size);
        if (writer->insert.size) {
                r = buf_printf(writer->to, "insert %zu\n", writer->insert.size);
                r = r ? r : buf_append(writer->to, writer->insert.data, writer->insert.size);
        }
        writer->copy_size = 0;
        buf_clear(&writer->insert);
        return r;
}

int
delta_lines(struct delta_writer *writer, size_t first, size_t end)
{
        size_t size;
        const char *lines = baseline_file_lines(writer->parent, first, end, &size);
        size_t at = (size_t)(lines - writer->text);
        if (!size)
                return 0;
        if (writer->copy_size && writer->copy_at + writer->copy_size == at) {
                writer->copy_size += size;
                return 0;
        }
        int r = flush(writer);
        writer->copy_at = at;
        writer->copy_size = size;
        return r;
}

int
delta_bytes(struct delta_writer *writer, const void *data, size_t size)
{
        int r = writer->copy_size && size ? flush(writer) : 0;
        return r ? r : buf_append(&writer->insert, data, size);
}

int
delta_end(struct delta_writer *writer)
{
        int r = flush(writer);
        return r ? r : buf_text(writer->to, "end\n");
}

/* ---- between two ---- */

static int
compare_paths(const struct baseline *a, size_t a_index, const struct baseline *b, size_t b_index)
{
        size_t a_size, b_size;
        const char *left = baseline_file_path(a, a_index, &a_size);
        const char *right = baseline_file_path(b, b_index, &b_size);
        int order = memcmp(left, right, min_size(a_size, b_size));
        return order ? order : (a_size > b_size) - (a_size < b_size);
}

/* Both are sorted: one merge. */
static int
write_files(struct delta_writer *writer, const struct baseline *child)
{
        const struct baseline *parent = writer->parent;
        size_t n_old = baseline_files(parent), n_new = baseline_files(child), i = 0, j = 0;
        int r = 0;
        while (j < n_new && r == 0) {
                size_t same = baseline_files_same(parent, i, child, j), size;
                if (same) {
                        r = delta_lines(writer, i, i + same);
                        i += same;
                        j += same;
                        continue;
                }
                if (i < n_old && compare_paths(parent, i, child, j) < 0) {
                        i++;
                        continue;
                }
                const char *line = baseline_file_lines(child, j, j + 1, &size);
                r = delta_bytes(writer, line, size);
                j++;
        }
        return r;
}

int
delta_between(const struct baseline *parent, const struct baseline *child, struct buf *ret)
{
        _cleanup_(delta_writer_freep) struct delta_writer *writer = NULL;
        size_t size, files_size;
        char hex[DIGEST_HEX_SIZE];
        const char *text = baseline_text(child, &size);
        const char *files = baseline_file_lines(child, 0, baseline_files(child), &files_size);
        size_t head = (size_t)(files - text), tail = head + files_size;
        int r = delta_writer_new(parent, ret, &writer);
        r = r ? r : delta_bytes(writer, text, head);
        r = r ? r : write_files(writer, child);
        r = r ? r : delta_bytes(writer, text + tail, size - tail);
        r = r ? r : flush(writer);
        digest_hex(baseline_id(child), hex);
        return r ? r : buf_printf(ret, "to %s\n", hex);
}

/* ---- reading ---- */

struct op {
        enum { OP_COPY, OP_INSERT, OP_TO, OP_END } kind;
        const char *data; /* of the parent, or of the delta */
        size_t size;
        struct digest to;
};

struct reader {
        const char *delta;
        size_t size, at;
        const char *text; /* the parent's */
        size_t text_size;
        size_t copied;      /* copies go on from here */
        bool began;         /* there was an op */
        bool insert_before; /* it was an insert */
        size_t result;      /* size of what they make */
        struct err *err;
};

static int
malformed(const struct reader *reader, const char *what)
{
        return err_set(reader->err, DELTA_MALFORMED, "byte %zu of the delta: %s", reader->at, what);
}

static bool
skip_word(struct reader *reader, const char *word)
{
        size_t size = strlen(word);
        if (reader->size - reader->at < size || memcmp(reader->delta + reader->at, word, size) != 0)
                return false;
        reader->at += size;
        return true;
}

static bool
read_number(struct reader *reader, char end, size_t *ret)
{
        size_t number = 0, digits = 0;
        const char *start = reader->delta + reader->at;
        for (; reader->at < reader->size && digits <= NUMBER_DIGITS_MAX; digits++) {
                char c = reader->delta[reader->at++];
                if (c == end && digits) {
                        *ret = number;
                        return digits == 1 || *start != '0';
                }
                if (c < '0' || c > '9')
                        return false;
                number = number * 10 + (size_t)(c - '0');
        }
        return false;
}

static bool
read_digest(struct reader *reader, struct digest *ret)
{
        size_t hex = DIGEST_HEX_SIZE - 1;
        if (reader->size - reader->at < hex + 1 || reader->delta[reader->at + hex] != '\n' ||
                digest_parse(reader->delta + reader->at, hex, ret) < 0)
                return false;
        reader->at += hex + 1;
        return true;
}

static int
read_copy(struct reader *reader, struct op *ret)
{
        size_t offset = 0, size = 0, before = reader->copied;
        if (!read_number(reader, ' ', &offset) || !read_number(reader, '\n', &size) || !size)
                return malformed(reader, "\"copy OFFSET SIZE\" is expected");
        if (offset < before || offset > reader->text_size || size > reader->text_size - offset)
                return malformed(reader, "it copies what is not there, or goes back");
        if (reader->began && !reader->insert_before && offset == before)
                return malformed(reader, "two copies are one");
        *ret = (struct op){OP_COPY, reader->text + offset, size, {{0}}};
        reader->copied = offset + size;
        reader->insert_before = false;
        return 0;
}

static int
read_insert(struct reader *reader, struct op *ret)
{
        size_t size = 0;
        if (!read_number(reader, '\n', &size) || !size)
                return malformed(reader, "\"insert SIZE\" is expected");
        if (size > reader->size - reader->at)
                return malformed(reader, "it is cut off");
        if (reader->insert_before)
                return malformed(reader, "two inserts are one");
        *ret = (struct op){OP_INSERT, reader->delta + reader->at, size, {{0}}};
        reader->at += size;
        reader->insert_before = true;
        return 0;
}

static int
read_op(struct reader *reader, struct op *ret)
{
        int r;
        if (skip_word(reader, "copy ")) {
                r = read_copy(reader, ret);
        } else if (skip_word(reader, "insert ")) {
                r = read_insert(reader, ret);
        } else {
                *ret = (struct op){.kind = OP_END};
                if (!skip_word(reader, "end\n")) {
                        ret->kind = OP_TO;
                        if (!skip_word(reader, "to ") || !read_digest(reader, &ret->to))
                                return malformed(
                                        reader, "\"copy\", \"insert\", \"to SHA256\" or \"end\" is expected");
                }
                return reader->at == reader->size ? 0 : malformed(reader, "nothing follows on its end");
        }
        reader->began = true;
        if (r == 0 && ret->size > BASELINE_SIZE_MAX - reader->result)
                return malformed(reader, "what it makes is larger than 1 GiB");
        reader->result += r ? 0 : ret->size;
        return r;
}

static int
read_start(struct reader *reader, struct digest *ret_from)
{
        if (!skip_word(reader, FIRST_LINE "from ") || !read_digest(reader, ret_from))
                return malformed(reader, "a delta begins with \"driftd-delta 1\" and \"from SHA256\"");
        return 0;
}

int
delta_from(const char *delta, size_t size, struct digest *ret, struct err *err)
{
        struct reader reader = {.delta = delta, .size = size, .err = err};
        return read_start(&reader, ret);
}

/* What was checked is written out. */
static char *
fill(struct reader reader)
{
        size_t at = 0, room = reader.result;
        char *text = malloc(room + 1);
        reader.copied = reader.result = 0;
        reader.began = reader.insert_before = false;
        for (struct op op = {0}; text && read_op(&reader, &op) == 0 && op.size; at += op.size)
                memcpy(text + at, op.data, op.size);
        if (text)
                text[room] = '\0';
        return text;
}

int
delta_open(
        const struct baseline *parent, const char *delta, size_t size, struct baseline **ret, struct err *err)
{
        struct reader reader = {.delta = delta, .size = size, .err = err};
        struct digest from, made;
        struct op op = {0};
        reader.text = baseline_text(parent, &reader.text_size);
        int r = read_start(&reader, &from);
        if (r)
                return r;
        if (!digest_equal(&from, baseline_id(parent)))
                return err_set(err, DELTA_FROM_ANOTHER, "the delta is from another generation");
        struct reader start = reader;
        do
                r = read_op(&reader, &op);
        while (r == 0 && op.size);
        if (r)
                return r;
        start.result = reader.result;
        char *text = fill(start);
        if (!text)
                return err_oom(err);
        if (op.kind == OP_END)
                return baseline_open_after(parent, text, reader.result, NULL, ret, err);
        digest_bytes(text, reader.result, &made);
        if (!digest_equal(&made, &op.to)) {
                free(text);
                return malformed(&reader, "what it makes is not what it says");
        }
        return baseline_open_after(parent, text, reader.result, &made, ret, err);
}
