/* SPDX-License-Identifier: MIT */
/*
 * The history: an RFC 6962 log. A record's leaf is its JSON text, kept as it was hashed; its columns only
 * index that text. The text starts with what the columns hold, in one fixed form, so that they are compared
 * by bytes and nothing has to be parsed. Beside each record stands the root of the tree that ends with it,
 * and in a row of its own the head: size, root and frontier, so that appending costs O(log size). The row is
 * written once for each transaction, with the head after its last record.
 *
 * Invariants, each of which store_verify.c recomputes from the leaves alone: seq counts from 1 without a gap;
 * body agrees with the columns; root is that of all leaves up to here; the head is that of the last record.
 */
#include "core/store_db.h"

#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/quote.h"

#define KIND_SIZE_MAX 32u /* bytes */

/* ---- the leaf ---- */

/* Kinds and items are printable ASCII, so that only these two need JSON's escape. */
static int
string_append(struct buf *buf, const char *text, size_t size)
{
        int r = buf_reserve(buf, 2 * size + 2);
        if (r < 0)
                return r;
        char *out = buf->data + buf->size;
        *out++ = '"';
        for (size_t i = 0; i < size; i++) {
                if (text[i] == '"' || text[i] == '\\')
                        *out++ = '\\';
                *out++ = text[i];
        }
        *out++ = '"';
        *out = '\0';
        buf->size = (size_t)(out - buf->data);
        return 0;
}

int
history_leaf_start(struct buf *buf, const struct record_columns *columns)
{
        char time[CLOCK_TEXT_MAX];
        clock_format(columns->time_ms, time);
        int r = buf_text(buf, "{\"seq\":");
        if (r == 0)
                r = buf_decimal(buf, (uint64_t)columns->seq);
        if (r == 0)
                r = buf_text(buf, ",\"time\":\"");
        if (r == 0)
                r = buf_text(buf, time);
        if (r == 0)
                r = buf_text(buf, "\",\"kind\":");
        if (r == 0)
                r = string_append(buf, columns->kind, columns->kind_size);
        if (r == 0)
                r = buf_text(buf, ",\"item\":");
        if (r == 0)
                r = columns->item ? string_append(buf, columns->item, columns->item_size)
                                  : buf_text(buf, "null");
        return r == 0 ? buf_text(buf, ",\"detail\":") : r;
}

static int
leaf_write(struct buf *buf, const struct record_columns *columns, const struct json *detail, struct err *err)
{
        buf_clear(buf);
        int r = history_leaf_start(buf, columns);
        size_t start = buf->size;
        if (r == 0)
                r = detail ? json_write(detail, buf) : buf_text(buf, "{}");
        if (r == 0 && buf->size - start > STORE_DETAIL_MAX)
                return err_set(err, -E2BIG, "the detail of a %s record has %zu bytes; %u is the most",
                        columns->kind, buf->size - start, STORE_DETAIL_MAX);
        if (r == 0)
                r = buf_text(buf, "}");
        return r == 0 ? 0
                      : err_set(err, r, "a %s record could not be written down: %s", columns->kind,
                                strerror(-r));
}

/* ---- the head ---- */

int
history_head_read(struct store *store, struct merkle *ret_merkle, struct digest *ret_root, struct err *err)
{
        uint64_t size;
        const void *frontier;
        size_t frontier_size;
        _cleanup_query_ struct query query = {0};
        store_await(store);
        if (store->ahead) {
                *ret_merkle = store->merkle;
                *ret_root = store->root;
                return 0;
        }
        int r = query_open(&query, store, err, "SELECT size, root, frontier FROM head WHERE one = 1", "");
        if (r == 0)
                r = query_one(&query, err);
        if (r == STORE_NONE)
                return db_damaged(store, err, "the tree head of the history is gone");
        if (r == 0)
                r = query_read(&query, err, "udb", &size, ret_root, &frontier, &frontier_size);
        if (r == 0 && merkle_restore(size, frontier, frontier_size, ret_merkle) < 0)
                r = db_damaged(store, err, "the frontier of the history does not fit its size");
        return r;
}

int
history_head_write(struct store *store, struct err *err)
{
        int64_t changed;
        const struct merkle *merkle = &store->merkle;
        if (!store->ahead)
                return 0;
        int r = db_write(store, err, &changed,
                "UPDATE head SET size = ?, root = ?, frontier = ? WHERE one = 1", "udb", merkle->size,
                &store->root, merkle->peaks, merkle_peaks(merkle->size) * sizeof *merkle->peaks);
        if (r == 0 && changed != 1)
                r = db_damaged(store, err, "the tree head of the history is gone");
        store->ahead = r != 0;
        return r;
}

int
store_head(struct store *store, struct tree_head *ret, struct err *err)
{
        struct merkle merkle;
        struct digest root;
        int r = history_head_read(store, &merkle, &root, err);
        if (r == 0)
                *ret = (struct tree_head){merkle.size, root};
        return r;
}

/* ---- appending ---- */

static bool
kind_is_valid(const char *kind)
{
        size_t size = strspn(kind, "abcdefghijklmnopqrstuvwxyz_");
        return size && !kind[size] && size <= KIND_SIZE_MAX;
}

static int
columns_check(const struct record_columns *columns, struct err *err)
{
        if (!kind_is_valid(columns->kind))
                return err_set(err, -EINVAL, "\"%s\" is not a kind of record", quote(columns->kind));
        if (columns->item_size > STORE_ITEM_MAX)
                return err_set(err, -E2BIG,
                        "an item of %zu bytes is too long for the history: %u is the most",
                        columns->item_size, STORE_ITEM_MAX);
        if (columns->item && !escape_is_canonical(columns->item, columns->item_size))
                return err_set(err, -EINVAL, "\"%s\" is not escaped as items are", quote(columns->item));
        return 0;
}

static int
record_insert(
        struct store *store, const struct record_columns *columns, const struct digest *root, struct err *err)
{
        return db_write(store, err, NULL, "INSERT INTO record VALUES(?, ?, ?, ?, ?, ?)", "iisntd",
                columns->seq, columns->time_ms, columns->kind, columns->item, store->leaf.data,
                store->leaf.size, root);
}

static int
record_append(struct store *store, struct record_columns *columns, const struct json *detail, struct err *err)
{
        struct merkle merkle = {0};
        struct digest leaf, root;
        int r = history_head_read(store, &merkle, &root, err);
        if (r != 0)
                return r;
        columns->seq = (int64_t)merkle.size + 1;
        r = leaf_write(&store->leaf, columns, detail, err);
        if (r != 0)
                return r;
        merkle_leaf(store->digester, store->leaf.data, store->leaf.size, &leaf);
        merkle_append(&merkle, store->digester, &leaf);
        merkle_root(&merkle, store->digester, &root);
        r = record_insert(store, columns, &root, err);
        if (r != 0)
                return r;
        store->merkle = merkle;
        store->root = root;
        store->ahead = true;
        return 0;
}

int
store_record(struct store *store, int64_t time_ms, const char *kind, const char *item,
        const struct json *detail, uint64_t *ret_seq, struct err *err)
{
        struct record_columns columns = {
                .time_ms = time_ms < RECORD_TIME_MIN_MS   ? RECORD_TIME_MIN_MS
                           : time_ms > RECORD_TIME_MAX_MS ? RECORD_TIME_MAX_MS
                                                          : time_ms,
                .kind = kind,
                .kind_size = strlen(kind),
                .item = item,
                .item_size = item ? strlen(item) : 0,
        };
        int r = db_may_write(store, err);
        if (r == 0)
                r = columns_check(&columns, err);
        if (r == 0)
                r = record_append(store, &columns, detail, err);
        if (r == 0 && ret_seq)
                *ret_seq = (uint64_t)columns.seq;
        return r;
}

int
store_last_record(struct store *store, int64_t *ret_time_ms, char **ret_kind, struct err *err)
{
        int64_t time_ms;
        const char *kind;
        _cleanup_query_ struct query query = {0};
        int r = query_open(
                &query, store, err, "SELECT time_ms, kind FROM record ORDER BY seq DESC LIMIT 1", "");
        if (r == 0)
                r = query_one(&query, err);
        if (r == STORE_NONE)
                return err_set(err, r, "the history is empty");
        if (r == 0)
                r = query_read(&query, err, "is", &time_ms, &kind);
        if (r != 0)
                return r;
        char *copy = strdup(kind);
        if (!copy)
                return err_oom(err);
        *ret_time_ms = time_ms;
        *ret_kind = copy;
        return 0;
}
