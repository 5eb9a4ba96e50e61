/* SPDX-License-Identifier: MIT */
/*
 * A unified line diff. Both texts are cut into lines (a newline belongs to its line, so a last line without
 * one differs from the same line with one), their common head and tail are set aside, and Myers' greedy
 * search finds the fewest edits in between. Row d of the search holds how far each of its d + 1 diagonals
 * reaches with d edits; row d follows from row d - 1 alone, and all rows are kept to find the way back: a
 * triangle of at most LINE_DIFF_EDITS_MAX rows (8 MiB). Where that is not enough, all in between counts as
 * edited.
 *
 * Owns nothing of the caller's; the lines point into the two texts.
 */
#include "core/line_diff.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct line {
        const char *data;
        size_t size; /* with its newline, if it has one */
        uint64_t hash;
};

struct side {
        struct line *lines;
        bool *edited; /* removed from the old side, added on the new */
        size_t n;
};

/* What lies between the common head and tail. */
struct middle {
        const struct line *a, *b;
        bool *a_edited, *b_edited;
        int32_t n, m;
};

/* ---- lines ---- */

static struct line
line_take(const char *text, size_t size)
{
        const char *newline = memchr(text, '\n', size);
        struct line line = {text, newline ? (size_t)(newline - text) + 1 : size, 14695981039346656037u};
        for (size_t i = 0; i < line.size; i++) /* FNV-1a */
                line.hash = (line.hash ^ (unsigned char)text[i]) * 1099511628211u;
        return line;
}

static int
side_split(const char *text, size_t size, struct side *ret)
{
        size_t n = 0;
        for (size_t at = 0; at < size; n++) {
                const char *newline = memchr(text + at, '\n', size - at);
                at = newline ? (size_t)(newline - text) + 1 : size;
        }
        ret->lines = calloc(n + 1, sizeof *ret->lines);
        ret->edited = calloc(n + 1, sizeof *ret->edited);
        if (!ret->lines || !ret->edited)
                return -ENOMEM;
        for (size_t at = 0; ret->n < n; at += ret->lines[ret->n++].size)
                ret->lines[ret->n] = line_take(text + at, size - at);
        return 0;
}

static void
side_done(struct side *side)
{
        free(side->lines);
        free(side->edited);
}

static bool
line_equal(const struct line *a, const struct line *b)
{
        return a->hash == b->hash && a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

/* ---- the search ---- */

/* Where row d begins in the triangle. */
static size_t
row_start(size_t d)
{
        return d * (d + 1) / 2;
}

/* Entry i of row d lies on diagonal 2i - d. Whether it is best reached by adding a line (else by removing
 * one). */
static bool
comes_from_adding(const int32_t *before, int32_t d, int32_t i)
{
        return i == 0 || (i != d && before[i - 1] < before[i]);
}

/* Fills row d. Returns the entry that reaches the end of both sides, or -1. */
static int32_t
row_fill(const struct middle *middle, const int32_t *before, int32_t *row, int32_t d)
{
        for (int32_t i = 0; i <= d; i++) {
                int32_t x = 0;
                if (d)
                        x = comes_from_adding(before, d, i) ? before[i] : before[i - 1] + 1;
                int32_t y = x - (2 * i - d);
                while (x < middle->n && y < middle->m && line_equal(&middle->a[x], &middle->b[y]))
                        x++, y++;
                row[i] = x;
                if (x >= middle->n && y >= middle->m)
                        return i;
        }
        return -1;
}

/* From the end back to the start, noting which lines were edited on the way. */
static void
walk_back(const struct middle *middle, const int32_t *rows, int32_t d, int32_t i)
{
        for (; d > 0; d--) {
                const int32_t *before = rows + row_start((size_t)d - 1);
                if (comes_from_adding(before, d, i)) {
                        middle->b_edited[before[i] - (2 * i - (d - 1))] = true;
                } else {
                        middle->a_edited[before[i - 1]] = true;
                        i--;
                }
        }
}

/* Finds the fewest edits, or marks all as edited where they are too many. */
static int
middle_search(const struct middle *middle)
{
        _cleanup_free_ int32_t *rows = NULL;
        size_t room = 0;
        bool possible = middle->n && middle->m;
        for (int32_t d = 0; possible && d <= (int32_t)LINE_DIFF_EDITS_MAX; d++) {
                size_t needed = row_start((size_t)d + 1);
                if (needed > room) {
                        room = 2 * needed;
                        int32_t *grown = reallocarray(rows, room, sizeof *rows);
                        if (!grown)
                                return -ENOMEM;
                        rows = grown;
                }
                const int32_t *before = d ? rows + row_start((size_t)d - 1) : NULL;
                int32_t end = row_fill(middle, before, rows + row_start((size_t)d), d);
                if (end >= 0) {
                        walk_back(middle, rows, d, end);
                        return 0;
                }
        }
        memset(middle->a_edited, true, (size_t)middle->n);
        memset(middle->b_edited, true, (size_t)middle->m);
        return 0;
}

static int
find_edits(const struct side *a, const struct side *b)
{
        size_t shorter = min_size(a->n, b->n), head = 0, tail = 0;
        while (head < shorter && line_equal(&a->lines[head], &b->lines[head]))
                head++;
        while (tail < shorter - head && line_equal(&a->lines[a->n - 1 - tail], &b->lines[b->n - 1 - tail]))
                tail++;
        struct middle middle = {
                .a = a->lines + head,
                .b = b->lines + head,
                .a_edited = a->edited + head,
                .b_edited = b->edited + head,
                .n = (int32_t)(a->n - head - tail),
                .m = (int32_t)(b->n - head - tail),
        };
        return middle_search(&middle);
}

/* ---- writing ---- */

/* A part of both sides: half-open ranges of lines. */
struct hunk {
        size_t a_start, a_end, b_start, b_end;
};

/* How many lines are the same from here on, up to the next edit or the end. */
static size_t
same_run(const struct side *a, const struct side *b, size_t i, size_t j)
{
        size_t run = 0;
        while (i + run < a->n && j + run < b->n && !a->edited[i + run] && !b->edited[j + run])
                run++;
        return run;
}

/* The next hunk at or after the end of *hunk, edits closer than twice the context joined; false if there is
 * none. */
static bool
next_hunk(const struct side *a, const struct side *b, struct hunk *hunk)
{
        size_t i = hunk->a_end, j = hunk->b_end, run = same_run(a, b, i, j);
        i += run;
        j += run;
        if (i == a->n && j == b->n)
                return false;
        size_t lead = min_size(LINE_DIFF_CONTEXT, run);
        hunk->a_start = i - lead;
        hunk->b_start = j - lead;
        for (;;) {
                while (i < a->n && a->edited[i])
                        i++;
                while (j < b->n && b->edited[j])
                        j++;
                run = same_run(a, b, i, j);
                if (run > 2 * LINE_DIFF_CONTEXT || (i + run == a->n && j + run == b->n))
                        break;
                i += run;
                j += run;
        }
        size_t trail = min_size(LINE_DIFF_CONTEXT, run);
        hunk->a_end = i + trail;
        hunk->b_end = j + trail;
        return true;
}

static int
line_append(char mark, const struct line *line, struct buf *buf)
{
        int r = buf_append(buf, &mark, 1);
        r = r ? r : buf_append(buf, line->data, line->size);
        if (r == 0 && line->data[line->size - 1] != '\n')
                r = buf_text(buf, "\n\\ No newline at end of file\n");
        return r;
}

/* As diff(1): counted from 1, a length of one left out, an empty range named by the line before it. */
static int
range_append(char mark, size_t start, size_t end, struct buf *buf)
{
        if (end - start == 1)
                return buf_printf(buf, " %c%zu", mark, start + 1);
        return buf_printf(buf, " %c%zu,%zu", mark, end == start ? start : start + 1, end - start);
}

static int
hunk_append(const struct side *a, const struct side *b, const struct hunk *hunk, struct buf *buf)
{
        size_t i = hunk->a_start, j = hunk->b_start;
        int r = buf_text(buf, "@@");
        r = r ? r : range_append('-', hunk->a_start, hunk->a_end, buf);
        r = r ? r : range_append('+', hunk->b_start, hunk->b_end, buf);
        r = r ? r : buf_text(buf, " @@\n");
        while (r == 0 && (i < hunk->a_end || j < hunk->b_end)) {
                if (i < hunk->a_end && a->edited[i]) {
                        r = line_append('-', &a->lines[i++], buf);
                } else if (j < hunk->b_end && b->edited[j]) {
                        r = line_append('+', &b->lines[j++], buf);
                } else {
                        r = line_append(' ', &a->lines[i++], buf);
                        j++;
                }
        }
        return r;
}

static int
diff_append(const char *old_name, const struct side *a, const char *new_name, const struct side *b,
        struct buf *buf)
{
        struct hunk hunk = {0};
        int r = 0;
        for (bool first = true; r == 0 && next_hunk(a, b, &hunk); first = false) {
                if (first)
                        r = buf_printf(buf, "--- %s\n+++ %s\n", old_name, new_name);
                r = r ? r : hunk_append(a, b, &hunk, buf);
        }
        return r;
}

int
line_diff(const char *old_name, const char *old_text, size_t old_size, const char *new_name,
        const char *new_text, size_t new_size, struct buf *ret)
{
        struct side a = {0}, b = {0};
        _cleanup_buf_ struct buf text = {0};
        int r = side_split(old_text, old_size, &a);
        r = r ? r : side_split(new_text, new_size, &b);
        r = r ? r : find_edits(&a, &b);
        r = r ? r : diff_append(old_name, &a, new_name, &b, &text);
        r = r ? r : buf_append(ret, text.data, text.size);
        side_done(&a);
        side_done(&b);
        return r < 0 ? -ENOMEM : 0;
}
