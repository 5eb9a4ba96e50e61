/* SPDX-License-Identifier: MIT */
/*
 * What was signed, kept as the bytes that were signed: baselines with their approvals, and trust files. A
 * baseline can be a hundred megabytes and the daemon must stay small, so its text lies in parts, and one part
 * at a time is in memory. Nor is a hundred megabytes written for a line that changed: a generation may lie
 * here as a delta, always from one whose text is whole, so that no chain grows; that one stays for as long.
 *
 * Nothing here is believed because it is here: who takes a text out verifies it whole, as if it came from
 * outside.
 */
#include "core/store_db.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/quote.h"

#define PART_SIZE ((size_t)1 << 20) /* bytes */
#define DELTA_SHARE 8u              /* a delta is at most this part of the text */

/* ---- putting ---- */

static int
generation_is_new(struct store *store, const char *name, uint64_t generation, struct err *err)
{
        _cleanup_query_ struct query query = {0};
        int r = query_open(&query, store, err, "SELECT 1 FROM baseline WHERE name = ? AND generation = ?",
                "su", name, generation);
        if (r == 0)
                r = query_one(&query, err);
        if (r == 0)
                return err_set(err, -EEXIST, "the store has generation %" PRIu64 " of baseline %s already",
                        generation, quote(name));
        return r == STORE_NONE ? 0 : r;
}

static int
part_put(struct store *store, const struct baseline_row *row, int64_t number, const void *data, size_t size,
        struct err *err)
{
        return db_write(store, err, NULL, "INSERT INTO part VALUES(?, ?, ?, ?)", "suib", row->name,
                row->generation, number, data, size);
}

/* Pieces into parts, which but the last are of one size. */
static int
parts_put(struct store *store, const struct baseline_row *row, const struct iovec *pieces, size_t n,
        struct err *err)
{
        _cleanup_free_ char *part = malloc(PART_SIZE);
        size_t used = 0;
        int64_t number = 0;
        int r = part ? 0 : err_oom(err);
        for (size_t i = 0; i < n && r == 0; i++)
                for (size_t done = 0; done < pieces[i].iov_len && r == 0;) {
                        size_t size = min_size(PART_SIZE - used, pieces[i].iov_len - done);
                        memcpy(part + used, (const char *)pieces[i].iov_base + done, size);
                        done += size;
                        used += size;
                        if (used < PART_SIZE)
                                continue;
                        r = part_put(store, row, number++, part, used, err);
                        used = 0;
                }
        return r || !used ? r : part_put(store, row, number, part, used, err);
}

/* The generation whose whole text a delta is from; 0: it is better not kept as one. */
static int
base_find(struct store *store, const char *name, const struct baseline_body *body, uint64_t *ret,
        struct err *err)
{
        *ret = 0;
        if (!body->delta || body->delta_size > body->size / DELTA_SHARE)
                return 0;
        _cleanup_query_ struct query query = {0};
        int r = query_open(&query, store, err,
                "SELECT generation FROM baseline WHERE name = ? AND id = ? AND has_text = 1 AND base = 0 "
                "LIMIT 1",
                "sd", name, &body->from);
        if (r == 0)
                r = query_one(&query, err);
        if (r == 0)
                r = query_read(&query, err, "u", ret);
        return r == STORE_NONE ? 0 : r;
}

int
store_baseline_put(struct store *store, const struct baseline_row *row, const struct baseline_body *body,
        const void *approvals, size_t approvals_size, struct err *err)
{
        uint64_t base = 0;
        int r = db_may_write(store, err);
        if (r == 0)
                r = generation_is_new(store, row->name, row->generation, err);
        if (r == 0)
                r = base_find(store, row->name, body, &base, err);
        if (r == 0)
                r = db_write(store, err, NULL, "UPDATE baseline SET active = 0 WHERE name = ? AND active = 1",
                        "s", row->name);
        struct iovec delta = {(void *)(uintptr_t)body->delta, body->delta_size};
        if (r == 0)
                r = db_write(store, err, NULL,
                        "INSERT INTO baseline VALUES(?, ?, ?, ?, 1, 0, ?, ?, 1, ?, ?, ?)", "sudissubu",
                        row->name, row->generation, &row->id, row->applied_ms, row->header, row->signers,
                        (uint64_t)(base ? delta.iov_len : body->size), approvals, approvals_size, base);
        if (r != 0)
                return r;
        return base ? parts_put(store, row, &delta, 1, err) : parts_put(store, row, body->text, body->n, err);
}

int
store_baseline_approve(struct store *store, const char *name, uint64_t generation, const char *signers,
        const void *approvals, size_t approvals_size, struct err *err)
{
        int64_t changed;
        int r = db_write(store, err, &changed,
                "UPDATE baseline SET signers = ?, approvals = ? WHERE name = ? AND generation = ?", "sbsu",
                signers, approvals, approvals_size, name, generation);
        if (r == 0 && !changed)
                return err_set(err, STORE_NONE, "the store has no generation %" PRIu64 " of baseline %s",
                        generation, quote(name));
        return r;
}

int
store_baseline_retire(struct store *store, const char *name, struct err *err)
{
        int64_t changed;
        int r = db_write(store, err, &changed,
                "UPDATE baseline SET active = 0, retired = 1 WHERE name = ? AND active = 1", "s", name);
        if (r == 0 && !changed)
                return err_set(err, STORE_NONE, "no generation of baseline %s is active", quote(name));
        return r;
}

/* Never that of an active one: it is what the next start judges by. Nor of one that is still to be reviewed,
 * nor what a kept one is made of. */
int
store_bodies_trim(struct store *store, unsigned keep, struct err *err)
{
        uint64_t kept = keep;
        int r = db_write(store, err, NULL,
                "UPDATE baseline SET has_text = 0 WHERE active = 0 AND has_text = 1"
                " AND NOT EXISTS (SELECT 1 FROM value WHERE key = 'review:' || name || '@' || generation)"
                " AND (SELECT count(*) FROM baseline AS newer WHERE newer.name = baseline.name"
                "  AND newer.generation > baseline.generation) >= ?"
                " AND NOT EXISTS (SELECT 1 FROM baseline AS later WHERE later.name = baseline.name"
                "  AND later.base = baseline.generation AND later.has_text = 1)",
                "u", kept);
        return r ? r
                 : db_write(store, err, NULL,
                           "DELETE FROM part WHERE (name, generation) IN (SELECT name, generation FROM "
                           "baseline WHERE has_text = 0)",
                           "");
}

/* ---- getting ---- */

static int
baselines_visit(struct query *query, int (*visit)(void *userdata, const struct baseline_row *row),
        void *userdata, struct err *err)
{
        for (;;) {
                bool there = false;
                struct baseline_row row;
                int r = query_next(query, &there, err);
                if (r != 0 || !there)
                        return r;
                r = query_read(query, err, "sudiffssf", &row.name, &row.generation, &row.id, &row.applied_ms,
                        &row.active, &row.retired, &row.header, &row.signers, &row.has_text);
                if (r == 0)
                        r = visit(userdata, &row);
                if (r != 0)
                        return r;
        }
}

int
store_baselines(struct store *store, const char *name,
        int (*visit)(void *userdata, const struct baseline_row *row), void *userdata, struct err *err)
{
        _cleanup_query_ struct query query = {0};
        int r = query_open(&query, store, err,
                "SELECT name, generation, id, applied_ms, active, retired, header, signers, has_text FROM "
                "baseline"
                " WHERE ?1 IS NULL OR name = ?1 ORDER BY name, generation",
                "n", name);
        if (r != 0)
                return r;
        store_visit(store);
        r = baselines_visit(&query, visit, userdata, err);
        store->visits--;
        return r;
}

struct body {
        uint64_t generation, size, base;
        bool has_text;
        struct buf approvals;
};

/* The words where there is no such generation, and which would be the newest. */
static int
no_generation(struct store *store, const char *name, uint64_t generation, struct err *err)
{
        uint64_t newest = 0;
        _cleanup_query_ struct query query = {0};
        int r = query_open(&query, store, err,
                "SELECT generation FROM baseline WHERE name = ? ORDER BY generation DESC LIMIT 1", "s", name);
        if (r == 0)
                r = query_one(&query, err);
        if (r == 0)
                r = query_read(&query, err, "u", &newest);
        if (r != 0 && r != STORE_NONE)
                return r;
        err_set(err, STORE_NONE, "the store has no generation %" PRIu64 " of baseline %s", generation,
                quote(name));
        if (r == STORE_NONE)
                return err_hint(
                        err, STORE_NONE, "it has none of that name: driftctl baseline list shows all");
        return err_hint(
                err, STORE_NONE, "the newest is %" PRIu64 ": driftctl baseline list shows all", newest);
}

static int
body_find(struct store *store, const char *name, uint64_t generation, struct body *ret, struct err *err)
{
        static const char by_number[] =
                "SELECT generation, size, base, has_text, approvals FROM baseline WHERE "
                "name = ? AND generation = ?";
        static const char active[] =
                "SELECT generation, size, base, has_text, approvals FROM baseline WHERE name = ? AND"
                " active = 1 ORDER BY generation DESC LIMIT 1";
        const void *approvals;
        size_t size;
        _cleanup_query_ struct query query = {0};
        int r = generation ? query_open(&query, store, err, by_number, "su", name, generation)
                           : query_open(&query, store, err, active, "s", name);
        if (r == 0)
                r = query_one(&query, err);
        if (r == STORE_NONE && generation)
                return no_generation(store, name, generation, err);
        if (r == STORE_NONE)
                return err_set(err, r, "no generation of baseline %s is active", quote(name));
        if (r == 0)
                r = query_read(&query, err, "uuufb", &ret->generation, &ret->size, &ret->base, &ret->has_text,
                        &approvals, &size);
        if (r == 0 && buf_append(&ret->approvals, approvals, size) < 0)
                r = err_oom(err);
        return r;
}

/* Puts the parts in a row; they must be exactly as long as the row says. */
static int
parts_read(
        struct store *store, const char *name, uint64_t generation, char *out, size_t room, struct err *err)
{
        _cleanup_query_ struct query query = {0};
        int r = query_open(&query, store, err,
                "SELECT bytes FROM part WHERE name = ? AND generation = ? ORDER BY number", "su", name,
                generation);
        while (r == 0) {
                bool row = false;
                const void *bytes;
                size_t size;
                r = query_next(&query, &row, err);
                if (r == 0 && !row)
                        break;
                if (r == 0)
                        r = query_read(&query, err, "b", &bytes, &size);
                if (r == 0 && size > room)
                        r = db_damaged(store, err, "the text of a baseline is longer than it was");
                if (r == 0) {
                        memcpy(out, bytes, size);
                        out += size;
                        room -= size;
                }
        }
        return r == 0 && room ? db_damaged(store, err, "the text of a baseline is shorter than it was") : r;
}

static int
text_read(struct store *store, const char *name, const struct body *body, char **ret, struct err *err)
{
        if (!body->has_text) {
                err_set(err, STORE_NONE, "the text of generation %" PRIu64 " of baseline %s was dropped",
                        body->generation, quote(name));
                return err_hint(err, STORE_NONE,
                        "keep_bodies in [store] says how many are kept; its header and approvals are still "
                        "here");
        }
        if (body->size > BUF_SIZE_MAX)
                return db_damaged(store, err, "the size of a baseline's text is not possible");
        _cleanup_free_ char *text = malloc(body->size + 1);
        if (!text)
                return err_oom(err);
        int r = parts_read(store, name, body->generation, text, body->size, err);
        if (r != 0)
                return r;
        text[body->size] = '\0';
        *ret = steal_pointer(&text);
        return 0;
}

/* The text that a delta is from. */
static int
base_read(struct store *store, const char *name, uint64_t generation, char **ret, size_t *ret_size,
        struct err *err)
{
        struct body base = {0};
        int r = body_find(store, name, generation, &base, err);
        buf_done(&base.approvals);
        if (r == STORE_NONE || (r == 0 && (base.base || !base.has_text)))
                return db_damaged(store, err, "the text that another one is a delta of is not there");
        *ret_size = base.size;
        return r ? r : text_read(store, name, &base, ret, err);
}

static int
body_read(struct store *store, const char *name, const struct body *body, char **ret_text, size_t *ret_size,
        struct buf *ret_delta, struct err *err)
{
        char *text = NULL;
        int r = text_read(store, name, body, &text, err);
        if (r == 0 && body->base) {
                *ret_delta = (struct buf){text, body->size, body->size};
                return base_read(store, name, body->base, ret_text, ret_size, err);
        }
        *ret_text = text;
        *ret_size = body->size;
        return r;
}

int
store_baseline_get(struct store *store, const char *name, uint64_t generation, char **ret_text,
        size_t *ret_size, struct buf *ret_delta, struct buf *ret_approvals, struct err *err)
{
        struct body body = {0};
        _cleanup_buf_ struct buf delta = {0};
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int r = body_find(store, name, generation, &body, err);
        if (r == 0 && ret_text)
                r = body_read(store, name, &body, &text, &size, &delta, err);
        if (r == 0 && ret_approvals &&
                buf_append(ret_approvals, body.approvals.data, body.approvals.size) < 0)
                r = err_oom(err);
        if (r == 0 && ret_text) {
                *ret_text = steal_pointer(&text);
                *ret_size = size;
                *ret_delta = delta;
                delta = (struct buf){0};
        }
        buf_done(&body.approvals);
        return r;
}

/* ---- trust files ---- */

int
store_trust_put(struct store *store, uint64_t generation, const struct digest *id, int64_t time_ms,
        bool first_use, const void *text, size_t size, const void *approval, size_t approval_size,
        struct err *err)
{
        return db_write(store, err, NULL,
                "INSERT INTO trust(generation, id, time_ms, first_use, text, approval) VALUES(?, ?, ?, ?, ?, "
                "?)",
                "udifbb", generation, id, time_ms, first_use, text, size, approval, approval_size);
}

static int
trusts_visit(struct query *query, int (*visit)(void *userdata, const struct trust_row *row), void *userdata,
        struct err *err)
{
        for (;;) {
                bool there = false;
                struct trust_row row;
                int r = query_next(query, &there, err);
                if (r != 0 || !there)
                        return r;
                r = query_read(query, err, "udifbb", &row.generation, &row.id, &row.time_ms, &row.first_use,
                        &row.text, &row.size, &row.approval, &row.approval_size);
                r = r ? r : visit(userdata, &row);
                if (r != 0)
                        return r;
        }
}

int
store_trusts(struct store *store, int (*visit)(void *userdata, const struct trust_row *row), void *userdata,
        struct err *err)
{
        _cleanup_query_ struct query query = {0};
        int r = query_open(&query, store, err,
                "SELECT generation, id, time_ms, first_use, text, approval FROM trust ORDER BY number", "");
        if (r != 0)
                return r;
        store_visit(store);
        r = trusts_visit(&query, visit, userdata, err);
        store->visits--;
        return r;
}

int
store_trust_get(struct store *store, uint64_t *ret_generation, struct digest *ret_id, struct buf *ret_text,
        bool *ret_first_use_only, struct err *err)
{
        uint64_t generation;
        struct digest id;
        bool first_use;
        const void *text;
        size_t size;
        _cleanup_query_ struct query query = {0};
        int r = query_open(&query, store, err,
                "SELECT generation, id, first_use, text FROM trust ORDER BY number DESC LIMIT 1", "");
        if (r == 0)
                r = query_one(&query, err);
        if (r == STORE_NONE)
                return err_set(err, r, "the store has no trust file");
        if (r == 0)
                r = query_read(&query, err, "udfb", &generation, &id, &first_use, &text, &size);
        if (r == 0 && ret_text && buf_append(ret_text, text, size) < 0)
                r = err_oom(err);
        if (r != 0)
                return r;
        if (ret_generation)
                *ret_generation = generation;
        if (ret_id)
                *ret_id = id;
        if (ret_first_use_only)
                *ret_first_use_only = first_use;
        return 0;
}
