/* SPDX-License-Identifier: MIT */
/*
 * What is done about a sync that failed. The kernel tells of it once, and then takes what it could not write
 * for written: reading shows it, and the next sync says nothing. To write it again where it was is not
 * enough either: ext4 leaves such blocks unwritten for good, so that they read as zeros after the next mount
 * (measured; tests/system/test_storage.sh). So the files that it happened to are not written to any more. All
 * that is committed is copied into a new database, which takes the old one's place, and a new log.
 *
 * Until the rename, the old files are what counts: everything that was ever announced was synced into them
 * before, without an error. From the rename until the old log is gone, that log may be replayed onto the
 * copy. It holds nothing but what the copy was made from, and at most the transaction that failed as well,
 * whole; for nothing was written since.
 *
 * Invariant: store->db is always open. If the copy cannot be made, the old connection stays for reading, and
 * the next transaction tries again.
 */
#include "core/store_db.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/file.h"
#include "core/quote.h"

static int
copy_make(struct store *store, const char *copy, struct err *err)
{
        struct store *probe = NULL;
        if (unlink(copy) < 0 && errno != ENOENT)
                return err_set(err, -errno, "%s is in the way: %s", quote(copy), strerror(errno));
        int r = store_backup(store, copy, err);
        if (r ==
                0) { /* it was read from files that are not what they should be: it must be whole by itself */
                r = store_open(copy, STORE_READ_ONLY, &probe, err);
                store_free(probe);
                if (r != 0)
                        unlink(copy);
        }
        return r;
}

/* The copy takes the name, and then the old log loses its. */
static int
names_change(struct store *store, const char *copy, struct err *err)
{
        _cleanup_free_ char *log = NULL;
        if (asprintf(&log, "%s-wal", store->path) < 0) {
                log = NULL;
                return err_oom(err);
        }
        if (rename(copy, store->path) < 0)
                return err_set(err, -errno, "%s could not be renamed: %s", quote(copy), strerror(errno));
        int r = folder_sync_of(store->path, err);
        if (r == 0 && unlink(log) < 0 && errno != ENOENT)
                r = err_set(err, -errno, "%s could not be removed: %s", quote(log), strerror(errno));
        return r ? r : folder_sync_of(store->path, err);
}

static void
connection_swap(struct store *store, sqlite3 *db)
{
        sqlite3 *old = store->db;
        store_statements_free(store);
        store->db = db;
        store->content_total = -1;
        store->log_pages = 0;
        store->suspect = false;
        store->renewals++;
        sqlite3_close(old);
}

/* One that was never finished is made again. */
static void
files_remove(const struct store *store)
{
        static const char *const suffixes[] = {"-wal", "-journal", ""};
        for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
                _cleanup_free_ char *name = NULL;
                if (asprintf(&name, "%s%s", store->path, suffixes[i]) < 0)
                        name = NULL;
                else
                        unlink(name);
        }
}

void
store_leave(struct store *store)
{
        if (!store->db || !store->suspect)
                return;
        if (!store->unborn) {
                store_renew(store, NULL);
                return;
        }
        store_log_keep(store, true, NULL);
        files_remove(store);
}

int
store_renew(struct store *store, struct err *err)
{
        _cleanup_free_ char *copy = NULL;
        if (store->lost)
                return err_set(err, STORE_BUSY, "%s was taken by another program", quote(store->path));
        if (store->visits)
                return err_set(err, -EBUSY, "the store is written while its rows are being visited");
        if (asprintf(&copy, "%s.renew", store->path) < 0) {
                copy = NULL;
                return err_oom(err);
        }
        int r = copy_make(store, copy, err);
        /* Closing must not do anything by the names: they will be those of the new files. */
        r = r ? r : store_log_keep(store, true, err);
        r = r ? r : names_change(store, copy, err);
        if (r != 0)
                return r;
        struct store fresh = {.path = store->path};
        r = store_connect(&fresh, err);
        if (r != 0) {
                store->lost = r == STORE_BUSY;
                store_statements_free(&fresh);
                sqlite3_close(fresh.db);
                return r;
        }
        store_statements_free(&fresh);
        connection_swap(store, fresh.db);
        sqlite3_wal_hook(store->db, store_log_grew, store);
        return 0;
}
