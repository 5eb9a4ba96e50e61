/* SPDX-License-Identifier: MIT */
/*
 * Deltas. The writer holds back the run that it is in (a copy or an insert), so that runs that are one are
 * written as one. The reader goes over a delta twice: first all of it is held against the form and the
 * parent's bounds; then what it makes is opened as runs of the parent's lines and new bytes, so that the
 * parent's are not in memory twice. One that copies other than whole file lines, or that makes what does not
 * hold, is filled into a text of its own, and opened as any is. Copies go forward only, so that no result is
 * larger than parent and delta together.
 *
 * Owns nothing but what it is making.
 */
#include "core/baseline_delta.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/digest.h"

#define FIRST_LINE "driftd-delta 1\n"
#define MADE_ANOTHER "what it makes is not what it says"
#define NUMBER_DIGITS_MAX 10u /* BASELINE_SIZE_MAX has as many */

/* ---- writing ---- */

struct delta_writer {
        const struct baseline *parent; /* NULL: copies are said by their offset alone */
        struct buf *to;
        size_t copy_at, copy_size; /* what is held back: a copy, or an insert */
        struct buf insert;
};

static int
writer_start(const struct digest *from, struct buf *to, struct delta_writer **ret)
{
        _cleanup_(delta_writer_freep) struct delta_writer *writer = calloc(1, sizeof *writer);
        char hex[DIGEST_HEX_SIZE];
        if (!writer)
                return -ENOMEM;
        writer->to = to;
        digest_hex(from, hex);
        int r = buf_printf(to, FIRST_LINE "from %s\n", hex);
        if (r == 0)
                *ret = steal_pointer(&writer);
        return r;
}

int
delta_writer_new(const struct baseline *parent, struct buf *to, struct delta_writer **ret)
{
        int r = writer_start(baseline_id(parent), to, ret);
        if (r == 0)
                (*ret)->parent = parent;
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

static int
write_copy(struct delta_writer *writer, size_t at, size_t size)
{
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
delta_lines(struct delta_writer *writer, size_t first, size_t end)
{
        if (first == end)
                return 0;
        size_t at = baseline_file_offset(writer->parent, first);
        return write_copy(writer, at, baseline_file_offset(writer->parent, end) - at);
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

int
delta_output_bytes(const struct delta_output *output, const void *data, size_t size)
{
        return output->delta ? delta_bytes(output->delta, data, size) : buf_append(output->text, data, size);
}

int
delta_output_lines(const struct delta_output *output, const struct baseline *parent, size_t first, size_t end)
{
        return output->delta ? delta_lines(output->delta, first, end)
                             : baseline_file_lines_append(parent, first, end, output->text);
}

/* ---- between two ---- */

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
                if (i < n_old && baseline_files_order(parent, i, child, j) < 0) {
                        i++;
                        continue;
                }
                const char *line = baseline_file_line(child, j++, &size);
                r = delta_bytes(writer, line - strlen("file "), size + strlen("file \n"));
        }
        return r;
}

/* The bytes of a text from one offset up to another. */
static int
write_part(struct delta_writer *writer, const struct baseline *child, size_t from, size_t to)
{
        size_t n, at = 0;
        const struct iovec *text = baseline_text(child, &n);
        int r = 0;
        for (size_t i = 0; i < n && r == 0; at += text[i++].iov_len) {
                size_t start = from > at ? from - at : 0, end = to > at ? to - at : 0;
                end = min_size(end, text[i].iov_len);
                if (start < end)
                        r = delta_bytes(writer, (const char *)text[i].iov_base + start, end - start);
        }
        return r;
}

/* The end that says to what. */
static int
write_to(struct delta_writer *writer, const struct baseline *child)
{
        char hex[DIGEST_HEX_SIZE];
        int r = flush(writer);
        digest_hex(baseline_id(child), hex);
        return r ? r : buf_printf(writer->to, "to %s\n", hex);
}

int
delta_between(const struct baseline *parent, const struct baseline *child, struct buf *ret)
{
        _cleanup_(delta_writer_freep) struct delta_writer *writer = NULL;
        size_t head = baseline_file_offset(child, 0);
        size_t tail = baseline_file_offset(child, baseline_files(child));
        int r = delta_writer_new(parent, ret, &writer);
        r = r ? r : write_part(writer, child, 0, head);
        r = r ? r : write_files(writer, child);
        r = r ? r : write_part(writer, child, tail, baseline_size(child));
        return r ? r : write_to(writer, child);
}

int
delta_from_shared(const struct baseline *child, struct buf *ret)
{
        _cleanup_(delta_writer_freep) struct delta_writer *writer = NULL;
        size_t n, at;
        const struct iovec *text = baseline_text(child, &n);
        int r = writer_start(baseline_shared(child), ret, &writer);
        for (size_t i = 0; i < n && r == 0; i++)
                r = baseline_piece_shared(child, i, &at)
                            ? write_copy(writer, at, text[i].iov_len)
                            : delta_bytes(writer, text[i].iov_base, text[i].iov_len);
        return r ? r : write_to(writer, child);
}

/* ---- reading ---- */

struct op {
        enum { OP_COPY, OP_INSERT, OP_TO, OP_END } kind;
        const char *data; /* of the delta */
        size_t at;        /* in the parent's text */
        size_t size;
        struct digest to;
};

struct reader {
        const char *delta;
        size_t size, at;
        size_t text_size;   /* the parent's */
        size_t ops;         /* copies and inserts so far */
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
        *ret = (struct op){.kind = OP_COPY, .at = offset, .size = size};
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
        *ret = (struct op){.kind = OP_INSERT, .data = reader->delta + reader->at, .size = size};
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
        reader->ops++;
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

/* Back to the first op of what was checked. */
static void
rewind_to(struct reader *reader, size_t at)
{
        reader->at = at;
        reader->ops = reader->copied = reader->result = 0;
        reader->began = reader->insert_before = false;
}

struct source {
        const struct iovec *pieces;
        size_t index, at; /* bytes before the piece */
};

/* Some of the parent's text, behind what was taken before. */
static void
take_copy(struct source *source, size_t at, size_t size, char *out)
{
        while (size) {
                const struct iovec *piece = &source->pieces[source->index];
                size_t skip = at - source->at;
                if (skip >= piece->iov_len) {
                        source->at += piece->iov_len;
                        source->index++;
                        continue;
                }
                size_t part = min_size(size, piece->iov_len - skip);
                memcpy(out, (const char *)piece->iov_base + skip, part);
                out += part;
                at += part;
                size -= part;
        }
}

/* What was checked is written out. */
static char *
fill(struct reader reader, const struct baseline *parent, size_t room)
{
        size_t at = 0, n;
        struct source source = {.pieces = baseline_text(parent, &n)};
        char *text = malloc(room + 1);
        for (struct op op = {0}; text && read_op(&reader, &op) == 0 && op.size; at += op.size)
                if (op.kind == OP_COPY)
                        take_copy(&source, op.at, op.size, text + at);
                else
                        memcpy(text + at, op.data, op.size);
        if (text)
                text[room] = '\0';
        return text;
}

/* What was checked as runs; BASELINE_UNSHARED if it copies other than whole file lines. */
static int
open_runs(struct reader reader, const struct baseline *parent, size_t n, struct baseline **ret)
{
        _cleanup_free_ struct baseline_run *runs = n ? calloc(n, sizeof *runs) : NULL;
        struct op op = {0};
        if (!n)
                return BASELINE_UNSHARED;
        if (!runs)
                return -ENOMEM;
        for (size_t i = 0; i < n && read_op(&reader, &op) == 0 && op.size; i++) {
                runs[i] = (struct baseline_run){.data = op.data, .size = op.size};
                if (op.kind == OP_COPY && (!baseline_file_at(parent, op.at, &runs[i].first) ||
                                                  !baseline_file_at(parent, op.at + op.size, &runs[i].end)))
                        return BASELINE_UNSHARED;
        }
        return baseline_open_runs(parent, runs, n, NULL, ret);
}

/* In one place, and hashed before it is opened if it says to what. */
static int
open_filled(struct reader reader, const struct baseline *parent, size_t room, const struct digest *to,
        struct baseline **ret, struct err *err)
{
        struct digest made;
        char *text = fill(reader, parent, room);
        if (!text)
                return err_oom(err);
        if (!to)
                return baseline_open_after(parent, text, room, NULL, ret, err);
        digest_bytes(text, room, &made);
        if (digest_equal(&made, to))
                return baseline_open_after(parent, text, room, &made, ret, err);
        free(text);
        return malformed(&reader, MADE_ANOTHER);
}

/* Up to its end, in *ret: all of it is right. */
static int
check_ops(struct reader *reader, struct op *ret)
{
        int r;
        do
                r = read_op(reader, ret);
        while (r == 0 && ret->size);
        return r;
}

int
delta_each(const char *text, size_t text_size, const struct buf *delta,
        int (*visit)(void *userdata, const void *data, size_t size), void *userdata, struct err *err)
{
        struct reader reader = {
                .delta = delta->data, .size = delta->size, .text_size = text_size, .err = err};
        struct digest from;
        struct op op = {0};
        int r = read_start(&reader, &from);
        size_t start = reader.at;
        r = r ? r : check_ops(&reader, &op);
        if (r)
                return -EBADMSG;
        rewind_to(&reader, start);
        while (r == 0 && read_op(&reader, &op) == 0 && op.size)
                r = visit(userdata, op.kind == OP_COPY ? text + op.at : op.data, op.size);
        return r;
}

int
delta_open(
        const struct baseline *parent, const char *delta, size_t size, struct baseline **ret, struct err *err)
{
        _cleanup_(baseline_freep) struct baseline *made = NULL;
        struct reader reader = {.delta = delta, .size = size, .text_size = baseline_size(parent), .err = err};
        struct digest from;
        struct op op = {0};
        int r = read_start(&reader, &from);
        if (r)
                return r;
        if (!digest_equal(&from, baseline_id(parent)))
                return err_set(err, DELTA_FROM_ANOTHER, "the delta is from another generation");
        size_t start = reader.at;
        r = check_ops(&reader, &op);
        if (r)
                return r;
        size_t n = reader.ops, room = reader.result;
        const struct digest *to = op.kind == OP_TO ? &op.to : NULL;
        rewind_to(&reader, start);
        r = open_runs(reader, parent, n, &made);
        if (r == BASELINE_UNSHARED)
                return open_filled(reader, parent, room, to, ret, err);
        if (r)
                return err_oom(err);
        if (to && !digest_equal(baseline_id(made), to))
                return malformed(&reader, MADE_ANOTHER);
        *ret = steal_pointer(&made);
        return 0;
}
