/* SPDX-License-Identifier: MIT */
/*
 * The text of a baseline in memory: pieces, of bytes of its own and of those that generations share; and
 * where its file lines are. Bytes know their own file lines, in their order, whoever uses them; a piece says
 * from which of those on it goes, and so a generation has nothing of its own for what it shares.
 *
 * Owns bytes and pieces. Knows of a line only that it ends with a newline.
 */
#include "core/baseline_internal.h"

#include <errno.h>
#include <string.h>

#define COMPARED_AT_ONCE ((size_t)4096) /* bytes */

/* ---- bytes ---- */

struct baseline_bytes *
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

struct baseline_bytes *
bytes_keep(struct baseline_bytes *bytes)
{
        atomic_fetch_add(&bytes->references, 1);
        return bytes;
}

void
bytes_free(struct baseline_bytes *bytes)
{
        if (!bytes || atomic_fetch_sub(&bytes->references, 1) > 1)
                return;
        free(bytes->files);
        free(bytes->data);
        free(bytes);
}

int
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

const struct baseline_bytes *
baseline_bytes(const struct baseline *baseline, bool shared)
{
        return shared ? baseline->shared : baseline->own;
}

size_t
baseline_bytes_files(const struct baseline_bytes *bytes)
{
        return bytes->n_files;
}

/* ---- pieces ---- */

const char *
baseline_at_place(const struct baseline *b, uint32_t place)
{
        return place & SHARED_BIT ? b->shared->data + (place & ~SHARED_BIT) : b->own->data + place;
}

int
piece_add(struct baseline *b, uint32_t place, size_t size, size_t from, size_t count)
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

/* ---- file lines ---- */

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

const struct baseline_bytes *
baseline_file_bytes(const struct baseline *baseline, size_t index, size_t *ret_line, size_t *ret_end)
{
        const struct piece *piece = piece_of(baseline, index, ret_end);
        *ret_line = piece->from + (index - piece->file);
        return piece->place & SHARED_BIT ? baseline->shared : baseline->own;
}

const char *
baseline_line(const struct baseline *b, size_t index)
{
        size_t line, end;
        const struct baseline_bytes *bytes = baseline_file_bytes(b, index, &line, &end);
        return bytes->data + bytes->files[line] - strlen("file ");
}

const char *
baseline_lines_in_a_row(const struct baseline *b, size_t first, size_t end, size_t *ret_end, size_t *ret_size)
{
        size_t stop;
        piece_of(b, first, &stop);
        *ret_end = stop < end ? stop : end;
        const char *start = baseline_line(b, first), *last = baseline_line(b, *ret_end - 1);
        *ret_size = (size_t)((const char *)rawmemchr(last, '\n') - start) + 1;
        return start;
}

size_t
baseline_file_offset(const struct baseline *baseline, size_t index)
{
        size_t end, count = baseline->n_files;
        if (!count)
                return baseline->files_at;
        size_t last = index < count ? index : count - 1;
        const struct piece *piece = piece_of(baseline, last, &end);
        const char *line = baseline_line(baseline, last);
        size_t at = piece->at + (size_t)(line - baseline_at_place(baseline, piece->place));
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
                const char *lines = baseline_lines_in_a_row(baseline, first, end, &first, &size);
                r = buf_append(ret, lines, size);
        }
        return r;
}

/* ---- runs that are the same ---- */

size_t
common_bytes(const char *a, const char *b, size_t size)
{
        size_t at = 0;
        while (size - at >= COMPARED_AT_ONCE && memcmp(a + at, b + at, COMPARED_AT_ONCE) == 0)
                at += COMPARED_AT_ONCE;
        while (at < size && a[at] == b[at])
                at++;
        return at;
}

size_t
lines_within(const char *text, size_t size, size_t *ret_size)
{
        size_t n = 0, at = 0;
        for (const char *end; at < size && (end = memchr(text + at, '\n', size - at)); n++)
                at = (size_t)(end - text) + 1;
        if (ret_size)
                *ret_size = at;
        return n;
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
                const char *left = baseline_lines_in_a_row(a, i, a->n_files, &a_end, &a_size);
                const char *right = baseline_lines_in_a_row(b, j, b->n_files, &b_end, &b_size);
                size_t same = row_same(left, a_size, a_end - i, right, b_size, b_end - j);
                all += same;
                if (i + same < a_end && j + same < b_end)
                        break;
        }
        return all;
}
