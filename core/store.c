/* SPDX-License-Identifier: MIT */
/*
 * The store's life: transactions, small named values, the backup. Opening is in store_open.c, committing in
 * store_writer.c, tables have a file each.
 *
 * A transaction is whole or nothing. SQLite may roll one back by itself when a statement fails, and a write
 * after that would stand alone, durably; so the first failure is kept, refuses all further writes, and is
 * what store_commit returns. After a rollback the next transaction starts clean; after a sync that failed it
 * starts in new files (store_renew.c), so that it is never taken for done on a retry.
 */
#include "core/store_db.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/quote.h"

void
store_statements_free(struct store *store)
{
        for (size_t i = 0; i < QUERY_CACHE_MAX; i++) {
                sqlite3_finalize(store->prepared[i].stmt);
                store->prepared[i] = (struct prepared){0};
        }
        sqlite3_finalize(store->rollback);
        store->rollback = NULL;
}

struct store *
store_free(struct store *store)
{
        if (!store)
                return NULL;
        store_writer_free(store);
        store_rollback(store);
        store_leave(store);
        store_statements_free(store);
        int rc = sqlite3_close(store->db);
        assert(rc == SQLITE_OK); /* else a statement was leaked, and with it the lock */
        (void)rc;
        digester_free(store->digester);
        buf_done(&store->leaf);
        free(store->path);
        free(store);
        return NULL;
}

/* ---- transactions ---- */

int
store_begin(struct store *store, struct err *err)
{
        store_await(store);
        if (store->read_only)
                return err_set(err, -EROFS, "%s is open for reading only", quote(store->path));
        if (store->writing)
                return err_set(err, -EBUSY, "the store's transactions do not nest");
        if (store->suspect) {
                int r = store_renew(store, err);
                if (r != 0)
                        return r;
        }
        /* Prepared anew each time: a statement that settings or a migration made expire would need memory
         * when stepped. */
        sqlite3_finalize(steal_pointer(&store->rollback));
        int rc = sqlite3_prepare_v2(store->db, "ROLLBACK", -1, &store->rollback, NULL);
        int r = rc == SQLITE_OK ? db_exec(store, "BEGIN IMMEDIATE", "written", err)
                                : db_error(store, rc, "written", err);
        if (r == 0)
                store->writing = true;
        return r;
}

void
store_rollback(struct store *store)
{
        store_await(store);
        if (store->db && !sqlite3_get_autocommit(store->db)) {
                sqlite3_step(store->rollback);
                sqlite3_reset(store->rollback);
        }
        store->writing = store->ahead = false;
        store->failure = (struct err){0};
        store->content_total = -1;
}

int
store_log_grew(void *userdata, sqlite3 *db, const char *name, int pages)
{
        (void)db;
        (void)name;
        ((struct store *)userdata)->log_pages = pages;
        return SQLITE_OK;
}

bool
store_was_renewed(struct store *store)
{
        bool renewed = store->renewals > 0;
        store->renewals = 0;
        return renewed;
}

void
store_forget_pages(struct store *store)
{
        store_await(store);
        (void)sqlite3_db_release_memory(store->db);
}

/* ---- values ---- */

int
store_value_put(struct store *store, const char *key, const char *value, struct err *err)
{
        if (!value)
                return db_write(store, err, NULL, "DELETE FROM value WHERE key = ?", "s", key);
        return db_write(store, err, NULL,
                "INSERT INTO value VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value", "ss",
                key, value);
}

int
store_value_get(struct store *store, const char *key, char **ret_value, struct err *err)
{
        const char *value;
        _cleanup_query_ struct query query = {0};
        int r = query_open(&query, store, err, "SELECT value FROM value WHERE key = ?", "s", key);
        if (r == 0)
                r = query_one(&query, err);
        if (r == STORE_NONE)
                return err_set(err, r, "the store has no value \"%s\"", quote(key));
        if (r == 0)
                r = query_read(&query, err, "s", &value);
        if (r != 0)
                return r;
        char *copy = strdup(value);
        if (!copy)
                return err_oom(err);
        *ret_value = copy;
        return 0;
}

static int
values_visit(struct query *query, const char *prefix,
        int (*visit)(void *userdata, const char *key, const char *value), void *userdata, struct err *err)
{
        size_t size = strlen(prefix);
        for (;;) {
                bool row = false;
                const char *key, *value;
                int r = query_next(query, &row, err);
                if (r != 0 || !row)
                        return r;
                r = query_read(query, err, "ss", &key, &value);
                if (r != 0)
                        return r;
                if (strncmp(key, prefix, size) != 0)
                        return 0;
                r = visit(userdata, key, value);
                if (r != 0)
                        return r;
        }
}

int
store_values_each(struct store *store, const char *key_prefix,
        int (*visit)(void *userdata, const char *key, const char *value), void *userdata, struct err *err)
{
        _cleanup_query_ struct query query = {0};
        int r = query_open(&query, store, err, "SELECT key, value FROM value WHERE key >= ? ORDER BY key",
                "s", key_prefix);
        if (r != 0)
                return r;
        store_visit(store);
        r = values_visit(&query, key_prefix, visit, userdata, err);
        store->visits--;
        return r;
}

/* ---- backup ---- */

static int
pages_copy(struct store *store, sqlite3 *copy, const char *path, struct err *err)
{
        sqlite3_backup *backup = sqlite3_backup_init(copy, "main", store->db, "main");
        if (!backup)
                return sqlite_error(copy, sqlite3_extended_errcode(copy), path, "written", err);
        sqlite3_backup_step(backup, -1);
        int rc = sqlite3_backup_finish(backup);
        return rc == SQLITE_OK ? 0 : sqlite_error(copy, rc, path, "written", err);
}

/*
 * The copy is one file: the mark of a write-ahead log that it took over with its first page is undone, so
 * that it can be read anywhere without anything beside it. Nobody reads it before we are done, so it needs no
 * journal meanwhile.
 */
static int
copy_write(struct store *store, const char *path, struct err *err)
{
        static const char before[] =
                "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF; PRAGMA synchronous = FULL;";
        static const char after[] = "PRAGMA journal_mode = DELETE;";
        sqlite3 *copy = NULL;
        int rc = sqlite3_open_v2(
                path, &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE, NULL);
        if (rc == SQLITE_OK)
                rc = sqlite3_exec(copy, before, NULL, NULL, NULL);
        int r = rc == SQLITE_OK ? pages_copy(store, copy, path, err)
                                : sqlite_error(copy, rc, path, "written", err);
        if (r == 0 && (rc = sqlite3_exec(copy, after, NULL, NULL, NULL)) != SQLITE_OK)
                r = sqlite_error(copy, rc, path, "written", err);
        rc = sqlite3_close(copy);
        assert(rc == SQLITE_OK);
        return r;
}

int
store_backup(struct store *store, const char *path, struct err *err)
{
        _cleanup_free_ char *resolved = NULL;
        store_await(store);
        if (store->writing)
                return err_set(err, -EBUSY, "a backup within a transaction would hold what is not committed");
        int r = store_path_resolve(path, &resolved, err);
        if (r == 0)
                r = store_file_create(resolved, err);
        if (r == -EEXIST)
                err_hint(err, r, "a backup is never written over what is there: name a new file");
        if (r != 0)
                return r;
        r = copy_write(store, resolved, err);
        if (r != 0)
                unlink(resolved);
        return r;
}
