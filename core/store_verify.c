/* SPDX-License-Identifier: MIT */
/*
 * Verifying the history. The leaves are walked once, in order, and everything else is recomputed from them:
 * columns, roots, head and frontier; none of these is believed. What is found is named by the seq of the
 * first record that is wrong.
 *
 * The indices are checked too: one that lacks an entry would hide a record from those who ask by time, kind
 * or item. Looking each entry up costs as much as all the rest, so both sides are summed: the sum of a hash
 * of (value, seq) over all records, and over all entries. The hash has a key drawn for this one verification,
 * so that nobody can have prepared entries with the right sum; and entries must stand in their order, or a
 * search would pass them by.
 *
 * It is done in slices, so that a daemon with a long history goes on answering: first the records, up to the
 * head as it is in the slice that reaches it; then the indices, where entries of later records are left out.
 * Between slices records may be appended, and nothing that was verified can change.
 *
 * Half of all hashing is that of the tree heads, one beside each record. It needs nothing but the leaves'
 * digests, so a thread does it for one slice while the next is read; it touches no store. What it finds is
 * told a slice later, and still before anything that stands behind it. Records, and heads, have nothing to do
 * with each other as far as hashing goes, and are hashed together, row by row.
 *
 * Who can rewrite all of it consistently is found only by a head kept elsewhere.
 */
#include "core/store_db.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/crypto.h"
#include "core/quote.h"

#define LEAF_ROW_SIZE ((size_t)64 << 10) /* bytes; a longer record is hashed alone */
#define LEAF_ROW_MAX 128u
#define HEADS_ROW ((size_t)32) /* tree heads that are made together */

enum { BY_TIME, BY_KIND, BY_ITEM, INDEX_COUNT };

#define INDEX_QUERIES(column, index)                                                                         \
        "SELECT " column ", seq FROM record INDEXED BY " index " WHERE " column                              \
        " IS NOT NULL ORDER BY 1, 2",                                                                        \
                "SELECT " column ", seq FROM record INDEXED BY " index " WHERE " column                      \
                " = ?1 AND seq > ?2 ORDER BY 2",                                                             \
                "SELECT " column ", seq FROM record INDEXED BY " index " WHERE " column                      \
                " > ?1 ORDER BY 1, 2"

static const struct {
        const char *name;
        const char *all, *same,
                *greater; /* from the start; the same value's later seqs; the values after it */
} indices[INDEX_COUNT] = {
        [BY_TIME] = {"time", INDEX_QUERIES("time_ms", "record_time")},
        [BY_KIND] = {"kind", INDEX_QUERIES("kind", "record_kind")},
        [BY_ITEM] = {"item", INDEX_QUERIES("item", "record_item")},
};

/* The entry read last, for the order, and to go on after it. */
struct previous {
        struct buf value;
        int64_t seq;
        bool there;
};

/* One record, as far as the tree needs it. */
struct leaf {
        struct digest digest, root; /* root: as it is stored beside the record */
};

/* Records that were read, to be hashed together. */
struct leaf_row {
        unsigned char bytes[LEAF_ROW_SIZE]; /* each with its prefix */
        size_t size;
        struct digest_message messages[LEAF_ROW_MAX];
        size_t n;
};

/* The heads of the records of one slice. */
struct heads {
        struct digester *digester;
        struct leaf *leaves; /* of the slice that was read last */
        size_t n, room;
        pthread_t thread;
        bool running;         /* or finished and not yet joined */
        struct merkle merkle; /* of what was checked */
        struct merkle trees[HEADS_ROW];
        struct digest root;
        bool wrong; /* the head beside record merkle.size is not that of the tree */
};

struct store_verifier {
        struct store *store;
        uint64_t size;       /* records read */
        struct leaf *leaves; /* of the slice that is read; room for leaves_room */
        size_t n_leaves, leaves_room;
        struct leaf_row row; /* of these leaves, those whose digest is not made yet */
        struct heads heads;
        bool headed;    /* the records are done, and the head */
        unsigned index; /* that is walked, after that */
        struct previous previous;
        uint64_t rows; /* that this slice may still read */
        unsigned char key[CRYPTO_SHORT_KEY_SIZE];
        uint64_t sums[INDEX_COUNT], entries[INDEX_COUNT]; /* what the indices should hold */
};

static int tampered(struct store *store, struct err *err, uint64_t seq, const char *format, ...)
        _printf_(4, 5);

static int
tampered(struct store *store, struct err *err, uint64_t seq, const char *format, ...)
{
        char what[ERR_TEXT_MAX / 2];
        va_list args;
        va_start(args, format);
        vsnprintf(what, sizeof what, format, args);
        va_end(args);
        err_set(err, STORE_TAMPERED, "%s: record %" PRIu64 " is the first that is wrong: %s",
                quote(store->path), seq, what);
        return err_hint(err, STORE_TAMPERED,
                "what stands before it holds; compare the rest with copies and heads kept elsewhere");
}

/* ---- sums ---- */

static uint64_t
entry_hash(struct store_verifier *v, unsigned index, int64_t seq, const void *value, size_t size)
{
        const uint64_t entry[] = {index, (uint64_t)seq, crypto_short_hash(v->key, value, size)};
        return crypto_short_hash(v->key, entry, sizeof entry);
}

static void
sum_add(struct store_verifier *v, unsigned index, int64_t seq, const void *value, size_t size)
{
        v->sums[index] += entry_hash(v, index, seq, value, size);
        v->entries[index]++;
}

static void
sums_add(struct store_verifier *v, const struct record_columns *columns)
{
        sum_add(v, BY_TIME, columns->seq, &columns->time_ms, sizeof columns->time_ms);
        sum_add(v, BY_KIND, columns->seq, columns->kind, columns->kind_size);
        if (columns->item)
                sum_add(v, BY_ITEM, columns->seq, columns->item, columns->item_size);
}

/* ---- records ---- */

static bool
leaf_agrees(const struct buf *start, const struct record_columns *columns, const char *body, size_t size)
{
        return size >= start->size + sizeof "{}" && memcmp(body, start->data, start->size) == 0 &&
               body[size - 1] == '}' && columns->time_ms >= RECORD_TIME_MIN_MS &&
               columns->time_ms <= RECORD_TIME_MAX_MS;
}

static void
row_hash(struct leaf_row *row)
{
        digest_messages(row->messages, row->n);
        row->n = row->size = 0;
}

/* As merkle_leaf, but the digest may be there only after row_hash. */
static void
leaf_hash(struct store_verifier *v, const char *body, size_t size, struct digest *ret)
{
        struct leaf_row *row = &v->row;
        if (size >= LEAF_ROW_SIZE) {
                merkle_leaf(v->store->digester, body, size, ret);
                return;
        }
        if (row->n == LEAF_ROW_MAX || size >= LEAF_ROW_SIZE - row->size)
                row_hash(row);
        unsigned char *leaf = row->bytes + row->size;
        leaf[0] = MERKLE_LEAF_PREFIX;
        memcpy(leaf + 1, body, size);
        row->messages[row->n++] = (struct digest_message){leaf, 1 + size, ret};
        row->size += 1 + size;
}

static int
verifier_take(struct store_verifier *v, const struct record_columns *columns, const char *body, size_t size,
        const struct digest *root, struct err *err)
{
        struct store *store = v->store;
        uint64_t seq = v->size + 1;
        if (columns->seq < (int64_t)seq)
                return tampered(store, err, seq, "in its place stands number %" PRId64, columns->seq);
        if (columns->seq > (int64_t)seq)
                return tampered(
                        store, err, seq, "it is missing (the next one there is %" PRId64 ")", columns->seq);

        buf_clear(&store->leaf);
        if (history_leaf_start(&store->leaf, columns) < 0)
                return err_oom(err);
        if (!leaf_agrees(&store->leaf, columns, body, size))
                return tampered(store, err, seq, "its text and its columns differ");

        struct leaf *leaf = &v->leaves[v->n_leaves++];
        leaf_hash(v, body, size, &leaf->digest);
        leaf->root = *root;
        v->size++;
        sums_add(v, columns);
        return 0;
}

/* ---- heads ---- */

/* Of the next n leaves, HEADS_ROW at most; up to the first that is wrong. */
static void
heads_check_row(struct heads *heads, const struct leaf *leaves, size_t n)
{
        struct digest roots[HEADS_ROW];
        size_t i;
        merkle_copy(&heads->merkle, &heads->trees[0]);
        for (i = 0; i < n; i++) {
                if (i)
                        merkle_copy(&heads->trees[i - 1], &heads->trees[i]);
                merkle_append(&heads->trees[i], heads->digester, &leaves[i].digest);
        }
        merkle_roots(heads->trees, n, roots);
        for (i = 0; i + 1 < n && digest_equal(&roots[i], &leaves[i].root);)
                i++;
        heads->wrong = !digest_equal(&roots[i], &leaves[i].root);
        heads->root = roots[i];
        merkle_copy(&heads->trees[i], &heads->merkle);
}

static void *
heads_check(void *argument)
{
        struct heads *heads = argument;
        for (size_t i = 0; i < heads->n && !heads->wrong; i += HEADS_ROW)
                heads_check_row(heads, heads->leaves + i, min_size(heads->n - i, HEADS_ROW));
        heads->n = 0;
        return NULL;
}

/* Waits for what is under way. */
static int
heads_join(struct store_verifier *v, struct err *err)
{
        struct heads *heads = &v->heads;
        if (heads->running)
                pthread_join(heads->thread, NULL);
        heads->running = false;
        if (!heads->wrong)
                return 0;
        return tampered(v->store, err, heads->merkle.size,
                "the tree head beside it is not that of the records up to it");
}

/* Has the heads of the slice that was read checked, behind those before it; here, if there is no thread. */
static int
heads_start(struct store_verifier *v, struct err *err)
{
        struct heads *heads = &v->heads;
        row_hash(&v->row);
        int r = heads_join(v, err);
        if (r != 0)
                return r;
        struct leaf *leaves = heads->leaves;
        size_t room = heads->room;
        heads->leaves = v->leaves;
        heads->n = v->n_leaves;
        heads->room = v->leaves_room;
        v->leaves = leaves;
        v->leaves_room = room;
        v->n_leaves = 0;
        heads->running = pthread_create(&heads->thread, NULL, heads_check, heads) == 0;
        if (!heads->running)
                heads_check(heads);
        return 0;
}

static int
leaves_make_room(struct store_verifier *v, struct err *err)
{
        if (v->leaves_room >= v->rows)
                return 0;
        struct leaf *grown = reallocarray(v->leaves, v->rows, sizeof *grown);
        if (!grown)
                return err_oom(err);
        v->leaves = grown;
        v->leaves_room = v->rows;
        return 0;
}

/* The head kept apart is what tells that records were cut off at the end. */
static int
verify_head(struct store_verifier *v, struct err *err)
{
        struct merkle head;
        struct digest root;
        uint64_t size = v->size;
        int r = heads_start(v, err);
        r = r ? r : heads_join(v, err);
        r = r ? r : history_head_read(v->store, &head, &root, err);
        if (r == STORE_DAMAGED)
                return tampered(v->store, err, size + 1,
                        "the tree head that tells where the history ends does not hold");
        if (r != 0)
                return r;
        if (head.size > size)
                return tampered(v->store, err, size + 1,
                        "it is missing (the tree head counts %" PRIu64 " records)", head.size);
        if (head.size < size)
                return tampered(v->store, err, head.size + 1, "the tree head counts only %" PRIu64 " records",
                        head.size);
        if (!digest_equal(&root, &v->heads.root))
                return tampered(v->store, err, size, "the tree head kept apart is not the one after it");
        for (unsigned i = 0; i < merkle_peaks(size); i++)
                if (!digest_equal(&head.peaks[i], &v->heads.merkle.peaks[i]))
                        return tampered(v->store, err, size,
                                "the frontier kept for the next one does not follow from it");
        v->headed = true;
        return 0;
}

static int
read_records(struct store_verifier *v, struct err *err)
{
        _cleanup_query_ struct query query = {0};
        int r = query_open(&query, v->store, err,
                "SELECT seq, time_ms, kind, item, body, root FROM record NOT INDEXED WHERE seq >= ? ORDER BY "
                "seq",
                "i", v->size ? (int64_t)v->size + 1 : INT64_MIN);
        for (; r == 0 && v->rows; v->rows--) {
                bool row = false;
                struct record_columns columns = {0};
                const char *body;
                size_t size;
                struct digest root;
                r = query_next(&query, &row, err);
                if (r != 0 || !row)
                        return r ? r : verify_head(v, err);
                r = query_read(&query, err, "iitmtd", &columns.seq, &columns.time_ms, &columns.kind,
                        &columns.kind_size, &columns.item, &columns.item_size, &body, &size, &root);
                if (r == STORE_DAMAGED)
                        return tampered(
                                v->store, err, v->size + 1, "a column of it does not hold what it should");
                if (r == 0)
                        r = verifier_take(v, &columns, body, size, &root, err);
        }
        return r;
}

/* A head that is wrong stands before what the reading stopped at, and is told instead. */
static int
verify_records(struct store_verifier *v, struct err *err)
{
        int r = leaves_make_room(v, err);
        if (r < 0)
                return r;
        r = read_records(v, err);
        if (r < 0 || v->headed)
                return r;
        struct err why = {0};
        int before = heads_start(v, &why);
        if (before == 0 && r != 0)
                before = heads_join(v, &why);
        if (before == 0)
                return r;
        if (err)
                *err = why;
        return before;
}

/* ---- indices ---- */

static int
value_compare(unsigned index, const void *a, size_t a_size, const void *b, size_t b_size)
{
        if (index == BY_TIME) {
                int64_t x, y;
                memcpy(&x, a, sizeof x);
                memcpy(&y, b, sizeof y);
                return (x > y) - (x < y);
        }
        int order = memcmp(a, b, min_size(a_size, b_size));
        return order ? order : (a_size > b_size) - (a_size < b_size);
}

static int
index_refuse(struct store_verifier *v, unsigned index, struct err *err)
{
        err_set(err, STORE_TAMPERED, "%s: the index of the history by %s does not agree with its records",
                quote(v->store->path), indices[index].name);
        return err_hint(err, STORE_TAMPERED, "the records themselves hold; a search by %s may miss some",
                indices[index].name);
}

/* One entry: its place in the order, and its share of the sum. */
static int
entry_take(struct store_verifier *v, int64_t seq, const void *value, size_t size, struct err *err)
{
        struct previous *previous = &v->previous;
        unsigned index = v->index;
        if (previous->there) {
                int order = value_compare(index, previous->value.data, previous->value.size, value, size);
                if (order > 0 || (order == 0 && previous->seq >= seq))
                        return index_refuse(v, index, err);
        }
        if (seq <= (int64_t)v->size) { /* or else it came meanwhile */
                v->sums[index] -= entry_hash(v, index, seq, value, size);
                v->entries[index]--;
        }
        buf_clear(&previous->value);
        if (buf_append(&previous->value, value, size) < 0)
                return err_oom(err);
        previous->seq = seq;
        previous->there = true;
        return 0;
}

static int
entry_read(struct query *query, unsigned index, int64_t *ret_time_ms, const void **ret_value,
        size_t *ret_size, int64_t *ret_seq, struct err *err)
{
        if (index != BY_TIME)
                return query_read(query, err, "ti", ret_value, ret_size, ret_seq);
        *ret_value = ret_time_ms;
        *ret_size = sizeof *ret_time_ms;
        return query_read(query, err, "ii", ret_time_ms, ret_seq);
}

/* What is left of a query's entries, as far as the slice goes. */
static int
entries_take(struct store_verifier *v, struct query *query, struct err *err)
{
        int r = 0;
        for (; r == 0 && v->rows; v->rows--) {
                bool row = false;
                int64_t time_ms, seq;
                const void *value;
                size_t size;
                r = query_next(query, &row, err);
                if (r != 0 || !row)
                        return r;
                r = entry_read(query, v->index, &time_ms, &value, &size, &seq, err);
                if (r == 0)
                        r = entry_take(v, seq, value, size, err);
        }
        return r;
}

/* Goes on after the entry that was read last. */
static int
entries_after(struct store_verifier *v, const char *sql, struct err *err)
{
        _cleanup_query_ struct query query = {0};
        _cleanup_buf_ struct buf value = {0}; /* what is bound must stay */
        int64_t time_ms = 0;
        bool same = sql == indices[v->index].same;
        int r = buf_append(&value, v->previous.value.data, v->previous.value.size);
        if (r < 0)
                return err_oom(err);
        if (v->index == BY_TIME) {
                memcpy(&time_ms, value.data, sizeof time_ms);
                r = same ? query_open(&query, v->store, err, sql, "ii", time_ms, v->previous.seq)
                         : query_open(&query, v->store, err, sql, "i", time_ms);
        } else {
                r = same ? query_open(&query, v->store, err, sql, "si", value.data, v->previous.seq)
                         : query_open(&query, v->store, err, sql, "s", value.data);
        }
        return r == 0 ? entries_take(v, &query, err) : r;
}

static int
verify_index(struct store_verifier *v, struct err *err)
{
        int r;
        if (v->previous.there) {
                r = entries_after(v, indices[v->index].same, err);
                if (r == 0 && v->rows)
                        r = entries_after(v, indices[v->index].greater, err);
        } else {
                _cleanup_query_ struct query query = {0};
                r = query_open(&query, v->store, err, indices[v->index].all, "");
                r = r ? r : entries_take(v, &query, err);
        }
        if (r != 0 || !v->rows)
                return r;
        if (v->sums[v->index] || v->entries[v->index])
                return index_refuse(v, v->index, err);
        buf_clear(&v->previous.value);
        v->previous.there = false;
        v->index++;
        return 0;
}

/* ---- slices ---- */

int
store_verify_begin(struct store *store, struct store_verifier **ret, struct err *err)
{
        struct store_verifier *v = calloc(1, sizeof *v);
        if (!v)
                return err_oom(err);
        v->store = store;
        crypto_random(v->key, sizeof v->key);
        v->heads.digester = digester_new();
        if (!v->heads.digester) {
                store_verifier_free(v);
                return err_oom(err);
        }
        merkle_root(&v->heads.merkle, v->heads.digester, &v->heads.root);
        *ret = v;
        return 0;
}

int
store_verify_some(
        struct store_verifier *v, uint64_t rows_max, bool *ret_done, uint64_t *ret_records, struct err *err)
{
        int r = 0;
        store_await(v->store);
        v->rows = rows_max;
        while (r == 0 && v->rows && v->index < INDEX_COUNT)
                r = v->headed ? verify_index(v, err) : verify_records(v, err);
        *ret_done = r == 0 && v->index == INDEX_COUNT;
        if (*ret_done && ret_records)
                *ret_records = v->size;
        return r;
}

struct store_verifier *
store_verifier_free(struct store_verifier *v)
{
        if (!v)
                return NULL;
        if (v->heads.running)
                pthread_join(v->heads.thread, NULL);
        digester_free(v->heads.digester);
        free(v->heads.leaves);
        free(v->leaves);
        buf_done(&v->previous.value);
        free(v);
        return NULL;
}

int
store_verify(struct store *store, uint64_t *ret_records, struct err *err)
{
        _cleanup_(store_verifier_freep) struct store_verifier *v = NULL;
        bool done = false;
        int r = store_verify_begin(store, &v, err);
        while (r == 0 && !done)
                r = store_verify_some(v, STORE_VERIFY_ROWS, &done, ret_records, err);
        return r;
}
