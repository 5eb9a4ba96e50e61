/* SPDX-License-Identifier: MIT */
/*
 * The ledger: one row for each open drift, by (baseline, item). It is a view of now for quick answers; what
 * happened is in the history, and what is drift is judged from signed files, never from these rows.
 */
#include "core/store_db.h"

#define LEDGER_COLUMNS                                                                                       \
        "baseline, item, change, state, severity, generation, first_seen_ms, last_change_ms, seq, "          \
        "unobserved, "                                                                                       \
        "attributes, observed, ack_by, ack_reason, ack_ms, cause, who"
#define LEDGER_TYPES "sssssuiiufssnninn"

int
ledger_put(struct store *store, const struct ledger_row *row, struct err *err)
{
        return db_write(store, err, NULL,
                "INSERT OR REPLACE INTO ledger(" LEDGER_COLUMNS ") VALUES(?1,?2,?,?,?,?,?,?,"
                "coalesce(nullif(?9, 0), (SELECT seq FROM ledger WHERE baseline = ?1 AND item = ?2), 0),"
                "?,?,?,?,?,?,?,?)",
                LEDGER_TYPES, row->baseline, row->item, row->change, row->state, row->severity,
                row->generation, row->first_seen_ms, row->last_change_ms, row->seq, row->unobserved,
                row->attributes, row->observed, row->ack_by, row->ack_reason, row->ack_ms, row->cause,
                row->who);
}

int
ledger_remove(struct store *store, const char *baseline, const char *item, struct err *err)
{
        return db_write(
                store, err, NULL, "DELETE FROM ledger WHERE baseline = ? AND item = ?", "ss", baseline, item);
}

static int
rows_visit(struct query *query, int (*visit)(void *userdata, const struct ledger_row *row), void *userdata,
        struct err *err)
{
        for (;;) {
                bool there = false;
                struct ledger_row row;
                int r = query_next(query, &there, err);
                if (r != 0 || !there)
                        return r;
                r = query_read(query, err, LEDGER_TYPES, &row.baseline, &row.item, &row.change, &row.state,
                        &row.severity, &row.generation, &row.first_seen_ms, &row.last_change_ms, &row.seq,
                        &row.unobserved, &row.attributes, &row.observed, &row.ack_by, &row.ack_reason,
                        &row.ack_ms, &row.cause, &row.who);
                if (r == 0)
                        r = visit(userdata, &row);
                if (r != 0)
                        return r;
        }
}

int
ledger_each(struct store *store, int (*visit)(void *userdata, const struct ledger_row *row), void *userdata,
        struct err *err)
{
        _cleanup_query_ struct query query = {0};
        int r = query_open(
                &query, store, err, "SELECT " LEDGER_COLUMNS " FROM ledger ORDER BY baseline, item", "");
        if (r != 0)
                return r;
        store_visit(store);
        r = rows_visit(&query, visit, userdata, err);
        store->visits--;
        return r;
}
