/* SPDX-License-Identifier: MIT */
/*
 * Opening a baseline: by itself, as runs of another one's lines and new bytes, or as a text in which such
 * runs are found. Of two generations nearly every line is the same, and such lines are not in memory twice: a
 * text is pieces, of bytes of its own and of one text that generations share. It stays one, however many
 * follow on each other: a line that the parent has in bytes of its own is copied, and where the copies or
 * what is left unused have become many, a text stands by itself again.
 *
 * Owns which pieces a text is made of. What is right of it is read elsewhere, and with one result for each
 * text, whichever way it was opened.
 */
#include "core/baseline_internal.h"

#include <errno.h>
#include <string.h>

#define SPARE_MIN ((size_t)64 << 10) /* bytes of its own, or unused ones, that a text in pieces may have, */
#define SPARE_SHARE 8u               /* and besides this part of the shared text */

/* ---- a text by itself ---- */

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
        b->text = calloc(b->n_pieces, sizeof *b->text);
        if (!b->text)
                return err_oom(err);
        for (size_t i = 0; i < b->n_pieces; i++)
                b->text[i] = (struct iovec){
                        (void *)(uintptr_t)baseline_at_place(b, b->pieces[i].place), b->pieces[i].size};
        int r = baseline_read(b, parent, err);
        if (r)
                return r;
        if (id) {
                b->id = *id;
                atomic_store(&b->hashed, true);
        }
        *ret = steal_pointer(&b);
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
        if (piece_add(b, 0, size, 0, 0) < 0)
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
        return piece_add(joining->b, (uint32_t)at, size, 0, 0);
}

static int
join_lines(struct joining *joining, size_t first, size_t end)
{
        const struct baseline *parent = joining->parent;
        const struct baseline_bytes *common = joining->b->shared;
        int r = 0;
        while (first < end && r == 0) {
                size_t next, size, from, stop;
                const char *lines = baseline_lines_in_a_row(parent, first, end, &next, &size);
                if (baseline_file_bytes(parent, first, &from, &stop) != common) {
                        r = buf_append(&joining->own, lines, size);
                } else {
                        uint32_t place = (uint32_t)(lines - common->data) | SHARED_BIT;
                        r = close_own(joining);
                        r = r ? r : piece_add(joining->b, place, size, from, next - first);
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
                const char *line = baseline_line(parent, next);
                size_t line_size = (size_t)((const char *)rawmemchr(line, '\n') - line) + 1;
                int order = memcmp(line, text + at, min_size(line_size, size - at));
                if (order < 0) {
                        next++;
                } else if (order > 0 || line_size > size - at) {
                        const char *end = memchr(text + at, '\n', size - at);
                        at = end ? (size_t)(end - text) + 1 : size;
                } else {
                        const char *row =
                                baseline_lines_in_a_row(parent, next, parent->n_files, &row_end, &row_size);
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
