/* SPDX-License-Identifier: MIT */
/*
 * Reading the history, always in order of seq. Time narrows it to a range of seqs first. Items are patterns,
 * so an index can only give candidates: what starts with the pattern's literal part. While these are few they
 * are gathered, sorted and fetched one by one; where they are many, a walk through the range is quicker and
 * needs no memory. Every record is then judged by the whole query, so that an index decides only how fast the
 * answer is.
 */
#include "core/store_db.h"

#include <errno.h>
#include <string.h>

#include "core/item.h"

#define PICKS_MAX 4096u       /* candidates fetched one by one */
#define PICK_PATTERNS_MAX 64u /* patterns looked up by index */
#define PICK_ROWS_MAX 65536u  /* rows of the index read for them, also those outside of the range */

#define RECORD_COLUMNS "seq, time_ms, kind, item, body"

struct selection {
        struct store *store;
        const struct record_query *query;
        uint64_t first, last; /* seqs, both included */
        int64_t since_ms, until_ms;
        uint64_t visited, rows, reached;
        int (*visit)(void *userdata, const struct record *record);
        void *userdata;
};

/* ---- which records there can be ---- */

static int
selection_bound(struct selection *s, struct err *err)
{
        uint64_t count, first, last;
        if (s->query->narrowed || (s->since_ms == INT64_MIN && s->until_ms == INT64_MAX))
                return 0;
        _cleanup_query_ struct query query = {0};
        int r = query_open(&query, s->store, err,
                "SELECT count(*), coalesce(min(seq), 0), coalesce(max(seq), 0) FROM record INDEXED BY "
                "record_time"
                " WHERE time_ms >= ? AND time_ms < ?",
                "ii", s->since_ms, s->until_ms);
        if (r == 0)
                r = query_one(&query, err);
        if (r == 0)
                r = query_read(&query, err, "uuu", &count, &first, &last);
        if (r != 0)
                return r;
        if (first > s->first)
                s->first = first;
        if (!count || last < s->last)
                s->last = count ? last : 0;
        return 0;
}

struct picks {
        uint64_t seqs[PICKS_MAX];
        size_t n, rows;
        bool too_many;
};

/* What starts with the literal part of a pattern: from it up to what its last byte's successor would start.
 */
static int
picks_add(struct picks *picks, struct selection *s, const char *pattern, struct err *err)
{
        _cleanup_free_ char *from = strndup(pattern, strcspn(pattern, "*?"));
        _cleanup_free_ char *below = from ? strdup(from) : NULL;
        if (!below)
                return err_oom(err);
        size_t size = strlen(from);
        if (!size || (unsigned char)below[size - 1] >= 0x7f) {
                picks->too_many = true; /* no item starts so, or any does */
                return 0;
        }
        below[size - 1]++;

        _cleanup_query_ struct query query = {0};
        int r = query_open(&query, s->store, err,
                "SELECT seq FROM record INDEXED BY record_item WHERE item >= ? AND item < ?", "ss", from,
                below);
        while (r == 0 && !picks->too_many) {
                bool row = false;
                uint64_t seq;
                r = query_next(&query, &row, err);
                if (r != 0 || !row)
                        break;
                r = query_read(&query, err, "u", &seq);
                if (++picks->rows == PICK_ROWS_MAX)
                        picks->too_many = true;
                if (r != 0 || seq < s->first || seq > s->last)
                        continue;
                if (picks->n == PICKS_MAX)
                        picks->too_many = true;
                else
                        picks->seqs[picks->n++] = seq;
        }
        return r;
}

static int
seq_compare(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
        return (x > y) - (x < y);
}

static int
picks_gather(struct picks *picks, struct selection *s, struct err *err)
{
        int r = 0;
        picks->too_many = !s->query->n_items || s->query->n_items > PICK_PATTERNS_MAX;
        for (size_t i = 0; r == 0 && !picks->too_many && i < s->query->n_items; i++)
                r = picks_add(picks, s, s->query->items[i], err);
        qsort(picks->seqs, picks->n, sizeof *picks->seqs, seq_compare);
        return r;
}

/* ---- visiting them ---- */

static bool
record_fits(const struct selection *s, const struct record *record)
{
        const struct record_query *query = s->query;
        return record->seq >= s->first && record->seq <= s->last && record->time_ms >= s->since_ms &&
               record->time_ms < s->until_ms && (!query->kind || strcmp(query->kind, record->kind) == 0) &&
               (!query->n_items ||
                       (record->item && item_selected(record->item, query->items, query->n_items)));
}

static bool
selection_is_full(const struct selection *s)
{
        return (s->query->limit && s->visited >= s->query->limit) ||
               (s->query->rows_max && s->rows >= s->query->rows_max);
}

/* Visits what a query of RECORD_COLUMNS finds. */
static int
rows_visit(struct selection *s, struct query *query, struct err *err)
{
        while (!selection_is_full(s)) {
                bool row = false;
                struct record record;
                int r = query_next(query, &row, err);
                if (r != 0 || !row)
                        return r;
                r = query_read(query, err, "uisns", &record.seq, &record.time_ms, &record.kind, &record.item,
                        &record.body);
                if (r != 0)
                        return r;
                s->rows++;
                s->reached = record.seq;
                if (!record_fits(s, &record))
                        continue;
                s->visited++;
                r = s->visit(s->userdata, &record);
                if (r != 0)
                        return r;
        }
        return 0;
}

static int
picks_visit(struct selection *s, const struct picks *picks, struct err *err)
{
        for (size_t i = 0; i < picks->n && !selection_is_full(s); i++) {
                if (i && picks->seqs[i] == picks->seqs[i - 1])
                        continue; /* two patterns met in it */
                _cleanup_query_ struct query query = {0};
                int r = query_open(&query, s->store, err,
                        "SELECT " RECORD_COLUMNS " FROM record WHERE seq = ?", "u", picks->seqs[i]);
                if (r == 0)
                        r = rows_visit(s, &query, err);
                if (r != 0)
                        return r;
        }
        return 0;
}

static int
range_visit(struct selection *s, struct err *err)
{
        static const char all[] = "SELECT " RECORD_COLUMNS
                                  " FROM record NOT INDEXED WHERE seq >= ?1 AND seq <= ?2 ORDER BY seq";
        static const char of_kind[] = "SELECT " RECORD_COLUMNS " FROM record INDEXED BY record_kind"
                                      " WHERE seq >= ?1 AND seq <= ?2 AND kind = ?3 ORDER BY seq";
        _cleanup_query_ struct query query = {0};
        int r = s->query->kind
                        ? query_open(&query, s->store, err, of_kind, "uus", s->first, s->last, s->query->kind)
                        : query_open(&query, s->store, err, all, "uu", s->first, s->last);
        return r == 0 ? rows_visit(s, &query, err) : r;
}

static int
selection_visit(struct selection *s, struct err *err)
{
        int r = selection_bound(s, err);
        if (r != 0 || s->first > s->last)
                return r;
        if (!s->query->n_items)
                return range_visit(s, err);
        _cleanup_free_ struct picks *picks = calloc(1, sizeof *picks);
        if (!picks)
                return err_oom(err);
        r = picks_gather(picks, s, err);
        if (r != 0)
                return r;
        return picks->too_many ? range_visit(s, err) : picks_visit(s, picks, err);
}

static struct selection
selection_of(struct store *store, const struct record_query *query)
{
        return (struct selection){
                .store = store,
                .query = query,
                .first = query->after_seq + 1,
                .last = query->last_seq && query->last_seq < INT64_MAX ? query->last_seq : INT64_MAX,
                .since_ms = query->since_ms ? query->since_ms : INT64_MIN,
                .until_ms = query->until_ms ? query->until_ms : INT64_MAX,
        };
}

int
store_records_span(struct store *store, int64_t since_ms, int64_t until_ms, uint64_t *ret_first,
        uint64_t *ret_last, struct err *err)
{
        struct record_query all = {.since_ms = since_ms, .until_ms = until_ms};
        struct selection s = selection_of(store, &all);
        int r = selection_bound(&s, err);
        if (r == 0 && (s.since_ms == INT64_MIN && s.until_ms == INT64_MAX)) {
                struct tree_head head;
                r = store_head(store, &head, err);
                s.last = head.size;
        }
        if (r)
                return r;
        if (s.last < s.first)
                return err_set(err, STORE_NONE, "there is no record in that time");
        *ret_first = s.first;
        *ret_last = s.last;
        return 0;
}

int
store_record_before(struct store *store, uint64_t seq, const char *kind, uint64_t rows_max, uint64_t *ret_seq,
        struct err *err)
{
        uint64_t found = 0;
        _cleanup_query_ struct query query = {0};
        int r = query_open(&query, store, err,
                "SELECT coalesce(max(seq), 0) FROM (SELECT seq, kind FROM record NOT INDEXED WHERE seq < ? "
                "ORDER BY "
                "seq DESC LIMIT ?) WHERE kind = ?",
                "uus", seq, rows_max, kind);
        r = r ? r : query_one(&query, err);
        r = r ? r : query_read(&query, err, "u", &found);
        if (r)
                return r;
        if (!found)
                return err_set(err, STORE_NONE, "there is no record of kind %s before", kind);
        *ret_seq = found;
        return 0;
}

int
store_records_narrow(struct store *store, struct record_query *query, struct err *err)
{
        struct selection s = selection_of(store, query);
        if (query->after_seq >= INT64_MAX)
                return 0;
        int r = selection_bound(&s, err);
        if (r != 0)
                return r;
        query->narrowed = true;
        if (s.until_ms == INT64_MAX) { /* what is still to come is meant too */
                query->after_seq = s.last ? s.first - 1 : query->after_seq;
                return 0;
        }
        query->after_seq = s.last >= s.first ? s.first - 1 : INT64_MAX;
        query->last_seq = s.last;
        return 0;
}

int
store_records_some(struct store *store, const struct record_query *query,
        int (*visit)(void *userdata, const struct record *record), void *userdata, uint64_t *ret_reached,
        struct err *err)
{
        struct selection s = selection_of(store, query);
        s.visit = visit;
        s.userdata = userdata;
        int r = 0;
        store_visit(store);
        if (query->after_seq < INT64_MAX)
                r = selection_visit(&s, err);
        store->visits--;
        *ret_reached = r == 0 && selection_is_full(&s) ? s.reached : 0;
        return r;
}

int
store_records(struct store *store, const struct record_query *query,
        int (*visit)(void *userdata, const struct record *record), void *userdata, struct err *err)
{
        uint64_t reached;
        return store_records_some(store, query, visit, userdata, &reached, err);
}
