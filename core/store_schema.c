/* SPDX-License-Identifier: MIT */
/*
 * The shape of the database. Its versions are steps: step i leads from version i to i + 1, and a step that
 * was released is never changed. What a version must look like is not written down a second time: the steps
 * are taken in an empty database in memory, and the two lists of objects must be equal, text for text. So a
 * trigger, a view, a generated column or a check that somebody added is found, by name, before any statement
 * of ours could run it.
 *
 * Owns no data; knows nothing of what the tables mean.
 */
#include "core/store_db.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/quote.h"

/* The head starts as that of the empty log: SHA-256 of nothing (RFC 6962, 2.1). */
static const char version_1[] =
        "PRAGMA application_id = 1685218932;"

        "CREATE TABLE record(seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, kind TEXT NOT NULL,"
        " item TEXT, body TEXT NOT NULL, root BLOB NOT NULL) STRICT;"
        "CREATE INDEX record_time ON record(time_ms);"
        "CREATE INDEX record_kind ON record(kind);"
        "CREATE INDEX record_item ON record(item) WHERE item IS NOT NULL;"

        "CREATE TABLE head(one INTEGER PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, frontier"
        " BLOB NOT NULL) STRICT;"
        "INSERT INTO head VALUES(1, 0,"
        " x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', x'');"

        "CREATE TABLE ledger(baseline TEXT NOT NULL, item TEXT NOT NULL, change TEXT NOT NULL, state"
        " TEXT NOT NULL, severity TEXT NOT NULL, generation INTEGER NOT NULL, first_seen_ms INTEGER NOT"
        " NULL, last_change_ms INTEGER NOT NULL, seq INTEGER NOT NULL, unobserved INTEGER NOT NULL,"
        " attributes TEXT NOT NULL, observed TEXT NOT NULL, ack_by TEXT, ack_reason TEXT, ack_ms INTEGER"
        " NOT NULL, PRIMARY KEY(baseline, item)) STRICT, WITHOUT ROWID;"

        "CREATE TABLE baseline(name TEXT NOT NULL, generation INTEGER NOT NULL, id BLOB NOT NULL,"
        " applied_ms INTEGER NOT NULL, active INTEGER NOT NULL, retired INTEGER NOT NULL, header TEXT"
        " NOT NULL, signers TEXT NOT NULL, has_text INTEGER NOT NULL, size INTEGER NOT NULL, approvals"
        " BLOB NOT NULL, PRIMARY KEY(name, generation)) STRICT, WITHOUT ROWID;"

        "CREATE TABLE part(name TEXT NOT NULL, generation INTEGER NOT NULL, number INTEGER NOT NULL,"
        " bytes BLOB NOT NULL, PRIMARY KEY(name, generation, number)) STRICT, WITHOUT ROWID;"

        "CREATE TABLE trust(number INTEGER PRIMARY KEY, generation INTEGER NOT NULL, id BLOB NOT NULL,"
        " time_ms INTEGER NOT NULL, first_use INTEGER NOT NULL, text BLOB NOT NULL, approval BLOB NOT"
        " NULL) STRICT;"

        "CREATE TABLE content(digest BLOB PRIMARY KEY, time_ms INTEGER NOT NULL, size INTEGER NOT NULL,"
        " body BLOB NOT NULL) STRICT, WITHOUT ROWID;"
        "CREATE INDEX content_age ON content(time_ms, size);"

        "CREATE TABLE value(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;";

/* What a drift was caused by, as far as it is known. */
static const char version_2[] = "ALTER TABLE ledger ADD COLUMN cause TEXT;";

/* Whose events were seen of a drift, where they tell. */
static const char version_3[] = "ALTER TABLE ledger ADD COLUMN who TEXT;";

/* Of which generation's text the parts of this one are a delta (core/baseline_delta.h); 0: they are the text.
 */
static const char version_4[] = "ALTER TABLE baseline ADD COLUMN base INTEGER NOT NULL DEFAULT 0;";

const char *const store_migrations[STORE_SCHEMA] = {version_1, version_2, version_3, version_4};

/* ---- which version ---- */

static int
pragma_number(struct store *store, const char *pragma, int64_t *ret, struct err *err)
{
        _cleanup_query_ struct query query = {0};
        int r = query_open(&query, store, err, pragma, "");
        if (r == 0)
                r = query_one(&query, err);
        return r != 0 ? r : query_read(&query, err, "i", ret);
}

int
schema_version(struct store *store, unsigned *ret_version, struct err *err)
{
        int64_t application, version, objects;
        int r = pragma_number(store, "PRAGMA application_id", &application, err);
        if (r == 0)
                r = pragma_number(store, "PRAGMA user_version", &version, err);
        if (r == 0)
                r = pragma_number(store, "SELECT count(*) FROM sqlite_schema", &objects, err);
        if (r != 0)
                return r;

        if (!application && !version && !objects) {
                *ret_version = 0;
                return 0;
        }
        if (application != STORE_APPLICATION_ID || version < 1)
                return db_damaged(store, err, "it is a database, but not a store of driftd");
        if (version > STORE_SCHEMA) {
                err_set(err, STORE_NEWER,
                        "%s was written by a newer driftd (version %lld of its schema; this one knows %d)",
                        quote(store->path), (long long)version, STORE_SCHEMA);
                return err_hint(
                        err, STORE_NEWER, "upgrade this program; it does not touch what it does not know");
        }
        *ret_version = (unsigned)version;
        return 0;
}

/* ---- what it must look like ---- */

static const char objects_sql[] = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name, type";

struct object {
        const char *type, *name, *table, *sql;
        bool there;
};

static int
object_next(struct query *query, struct object *ret, struct err *err)
{
        *ret = (struct object){0};
        int r = query_next(query, &ret->there, err);
        if (r != 0 || !ret->there)
                return r;
        return query_read(query, err, "sssn", &ret->type, &ret->name, &ret->table, &ret->sql);
}

/* As the two are ordered: < 0 if the first of them is missing in b. */
static int
object_compare(const struct object *a, const struct object *b)
{
        if (!a->there || !b->there)
                return b->there - a->there;
        int order = strcmp(a->name, b->name);
        return order ? order : strcmp(a->type, b->type);
}

static bool
object_equal(const struct object *a, const struct object *b)
{
        return strcmp(a->table, b->table) == 0 && !a->sql == !b->sql &&
               (!a->sql || strcmp(a->sql, b->sql) == 0);
}

static int
objects_compare(struct query *found, struct query *wanted, struct err *err)
{
        for (;;) {
                struct object is, should;
                int r = object_next(found, &is, err);
                if (r == 0)
                        r = object_next(wanted, &should, err);
                if (r != 0)
                        return r;
                if (!is.there && !should.there)
                        return 0;
                int order = object_compare(&is, &should);
                if (order < 0)
                        return db_damaged(found->store, err, "it holds a %s \"%s\" (on %s) that is not ours",
                                quote(is.type), quote(is.name), quote(is.table));
                if (order > 0)
                        return db_damaged(
                                found->store, err, "its %s \"%s\" is missing", should.type, should.name);
                if (!object_equal(&is, &should))
                        return db_damaged(found->store, err, "its %s \"%s\" is not the one that we make",
                                should.type, should.name);
        }
}

static int
model_open(struct store *model, const char *const *steps, unsigned version, struct err *err)
{
        int rc = sqlite3_open_v2(":memory:", &model->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY, NULL);
        for (unsigned i = 0; i < version && rc == SQLITE_OK; i++)
                rc = sqlite3_exec(model->db, steps[i], NULL, NULL, NULL);
        return rc == SQLITE_OK ? 0 : db_error(model, rc, "modelled", err);
}

int
schema_check(struct store *store, const char *const *steps, unsigned version, struct err *err)
{
        struct store model = {.path = store->path};
        int r = model_open(&model, steps, version, err);
        if (r == 0) {
                struct query found = {0}, wanted = {0};
                r = query_open(&found, store, err, objects_sql, "");
                if (r == 0)
                        r = query_open(&wanted, &model, err, objects_sql, "");
                if (r == 0)
                        r = objects_compare(&found, &wanted, err);
                query_done(&wanted);
                query_done(&found);
                for (size_t i = 0; i < QUERY_CACHE_MAX; i++)
                        sqlite3_finalize(model.prepared[i].stmt);
        }
        sqlite3_close(model.db);
        return r;
}

/* ---- how it gets there ---- */

static int
step_take(struct store *store, const char *const *steps, unsigned version, struct err *err)
{
        char set_version[64];
        snprintf(set_version, sizeof set_version, "PRAGMA user_version = %u", version + 1);
        int r = db_exec(store, steps[version], "migrated", err);
        if (r == 0)
                r = db_exec(store, set_version, "migrated", err);
        return r == 0 ? schema_check(store, steps, version + 1, err) : r;
}

int
schema_migrate(struct store *store, const char *const *steps, unsigned n_steps, struct err *err)
{
        int64_t version;
        int r = pragma_number(store, "PRAGMA user_version", &version, err);
        for (; r == 0 && version < n_steps; version++) {
                r = store_begin(store, err);
                if (r != 0)
                        return r;
                r = step_take(store, steps, (unsigned)version, err);
                if (r == 0)
                        r = store_commit(store, err);
                else
                        store_rollback(store);
        }
        return r;
}
