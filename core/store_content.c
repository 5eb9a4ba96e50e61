/* SPDX-License-Identifier: MIT */
/*
 * Kept content, by digest, so that a diff can show lines. It is a cache with a bound: past it, what no active
 * baseline names goes first, the oldest of it first, and only then what one names. Nobody tells the store
 * what is named, so when it must drop something it looks: every run of 64 hex digits in the text of an active
 * baseline is taken for a digest. That costs a walk through those texts, so one walk frees an eighth of the
 * bound.
 *
 * Invariant: store->content_total is the cost of all rows within the present transaction, or -1: to be
 * counted.
 */
#include "core/store_db.h"

#include <errno.h>
#include <string.h>

#define ROW_COST 512 /* bytes that a row counts besides its body: it bounds how many there are */
#define TOTAL_AFTER_DROP (STORE_CONTENT_TOTAL_MAX / 8 * 7)

static int
content_total(struct store *store, struct err *err)
{
        _cleanup_query_ struct query query = {0};
        if (store->content_total >= 0)
                return 0;
        int r = query_open(&query, store, err,
                "SELECT coalesce(sum(size + ?), 0) FROM content INDEXED BY content_age", "i",
                (int64_t)ROW_COST);
        if (r == 0)
                r = query_one(&query, err);
        return r == 0 ? query_read(&query, err, "i", &store->content_total) : r;
}

/* ---- what may go ---- */

struct entry {
        struct digest digest;
        int64_t time_ms;
        int64_t size;
        bool named; /* by an active baseline */
};

struct entries {
        struct entry *list;
        size_t n, room;
};

static int
digest_order(const void *a, const void *b)
{
        return memcmp(&((const struct entry *)a)->digest, &((const struct entry *)b)->digest, DIGEST_SIZE);
}

static int
drop_order(const void *a, const void *b)
{
        const struct entry *x = a, *y = b;
        if (x->named != y->named)
                return x->named - y->named;
        if (x->time_ms != y->time_ms)
                return x->time_ms < y->time_ms ? -1 : 1;
        return digest_order(a, b);
}

static int
entries_push(struct entries *entries, const struct entry *entry, struct err *err)
{
        if (entries->n == entries->room) {
                size_t room = entries->room ? 2 * entries->room : 256;
                struct entry *list = reallocarray(entries->list, room, sizeof *list);
                if (!list)
                        return err_oom(err);
                entries->list = list;
                entries->room = room;
        }
        entries->list[entries->n++] = *entry;
        return 0;
}

static int
entries_load(struct entries *entries, struct store *store, struct err *err)
{
        _cleanup_query_ struct query query = {0};
        int r = query_open(
                &query, store, err, "SELECT digest, time_ms, size FROM content INDEXED BY content_age", "");
        while (r == 0) {
                bool row = false;
                struct entry entry = {0};
                r = query_next(&query, &row, err);
                if (r == 0 && !row)
                        break;
                if (r == 0)
                        r = query_read(&query, err, "dii", &entry.digest, &entry.time_ms, &entry.size);
                if (r == 0)
                        r = entries_push(entries, &entry, err);
        }
        if (r == 0 && entries->n)
                qsort(entries->list, entries->n, sizeof *entries->list, digest_order);
        return r;
}

/* ---- what active baselines name ---- */

/* A run of hex digits, which may go on in the next part. */
struct run {
        char digits[2 * DIGEST_SIZE];
        size_t size;
};

static void
run_end(struct run *run, struct entries *entries)
{
        struct entry key = {0};
        if (run->size == sizeof run->digits && digest_parse(run->digits, run->size, &key.digest) == 0) {
                struct entry *entry = bsearch(&key, entries->list, entries->n, sizeof key, digest_order);
                if (entry)
                        entry->named = true;
        }
        run->size = 0;
}

static void
run_feed(struct run *run, const char *text, size_t size, struct entries *entries)
{
        for (size_t i = 0; i < size; i++) {
                if ((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')) {
                        if (run->size < sizeof run->digits)
                                run->digits[run->size] = text[i];
                        run->size++;
                } else {
                        run_end(run, entries);
                }
        }
}

static int
entries_mark(struct entries *entries, struct store *store, struct err *err)
{
        struct run run = {.size = 0};
        _cleanup_query_ struct query query = {0};
        int r = query_open(&query, store, err,
                "SELECT part.bytes FROM baseline JOIN part USING(name, generation) WHERE baseline.active = 1"
                " OR EXISTS (SELECT 1 FROM baseline AS later WHERE later.name = baseline.name AND "
                "later.active = 1"
                " AND later.base = baseline.generation)"
                " ORDER BY part.name, part.generation, part.number",
                "");
        while (r == 0) {
                bool row = false;
                const void *bytes;
                size_t size;
                r = query_next(&query, &row, err);
                if (r == 0 && !row)
                        break;
                if (r == 0)
                        r = query_read(&query, err, "b", &bytes, &size);
                if (r == 0)
                        run_feed(&run, bytes, size, entries);
        }
        run_end(&run, entries);
        return r;
}

static int
entries_drop(struct entries *entries, struct store *store, const struct digest *keep, struct err *err)
{
        if (entries->n)
                qsort(entries->list, entries->n, sizeof *entries->list, drop_order);
        for (size_t i = 0; i < entries->n && store->content_total > TOTAL_AFTER_DROP; i++) {
                const struct entry *entry = &entries->list[i];
                if (digest_equal(&entry->digest, keep))
                        continue;
                int r = db_write(
                        store, err, NULL, "DELETE FROM content WHERE digest = ?", "d", &entry->digest);
                if (r != 0)
                        return r;
                store->content_total -= entry->size + ROW_COST;
        }
        return 0;
}

static int
content_bound(struct store *store, const struct digest *keep, struct err *err)
{
        if (store->content_total <= STORE_CONTENT_TOTAL_MAX)
                return 0;
        struct entries entries = {0};
        int r = entries_load(&entries, store, err);
        if (r == 0)
                r = entries_mark(&entries, store, err);
        if (r == 0)
                r = entries_drop(&entries, store, keep, err);
        free(entries.list);
        return r;
}

/* ---- putting and getting ---- */

bool
store_content_has(struct store *store, const struct digest *digest)
{
        _cleanup_query_ struct query query = {0};
        int r = query_open(&query, store, NULL, "SELECT 1 FROM content WHERE digest = ?", "d", digest);
        return r == 0 && query_one(&query, NULL) == 0;
}

static int
content_check(const struct digest *digest, const void *body, size_t size, struct err *err)
{
        struct digest actual;
        if (size > STORE_CONTENT_MAX)
                return err_set(err, -EFBIG, "content of %zu bytes is not kept: %u is the most", size,
                        STORE_CONTENT_MAX);
        digest_bytes(body, size, &actual);
        if (!digest_equal(&actual, digest))
                return err_set(err, -EINVAL, "content to be kept is not what its digest says");
        return 0;
}

int
store_content_put(struct store *store, const struct digest *digest, const void *body, size_t size,
        int64_t time_ms, struct err *err)
{
        int r = db_may_write(store, err);
        if (r == 0)
                r = content_check(digest, body, size, err);
        if (r == 0)
                r = content_total(store, err);
        if (r != 0)
                return r;
        if (store_content_has(store, digest))
                return db_write(store, err, NULL, "UPDATE content SET time_ms = ? WHERE digest = ?", "id",
                        time_ms, digest);
        r = db_write(store, err, NULL, "INSERT INTO content VALUES(?, ?, ?, ?)", "diib", digest, time_ms,
                (int64_t)size, body, size);
        if (r != 0)
                return r;
        store->content_total += (int64_t)size + ROW_COST;
        return content_bound(store, digest, err);
}

int
store_content_get(struct store *store, const struct digest *digest, struct buf *ret, struct err *err)
{
        const void *body;
        size_t size;
        struct digest actual;
        _cleanup_query_ struct query query = {0};
        int r = query_open(&query, store, err, "SELECT body FROM content WHERE digest = ?", "d", digest);
        if (r == 0)
                r = query_one(&query, err);
        if (r == STORE_NONE)
                return err_set(err, r, "this content is not kept");
        if (r == 0)
                r = query_read(&query, err, "b", &body, &size);
        if (r != 0)
                return r;
        digest_bytes(body, size, &actual);
        if (!digest_equal(&actual, digest))
                return db_damaged(store, err, "kept content is not what its digest says");
        return buf_append(ret, body, size) < 0 ? err_oom(err) : 0;
}
