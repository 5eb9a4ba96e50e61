/* SPDX-License-Identifier: MIT */
/* What the tests of the store share: a store in a folder of its own, and short ways to write to it. */
#pragma once

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/crypto.h"
#include "core/store_db.h"

static char folder[64], path[96];
static struct store *store;
static struct err err;

/* 0, or the failure's words in the message of the test. */
#define assert_ok(call)                                                                                      \
        do {                                                                                                 \
                int r_ = (call);                                                                             \
                ck_assert_msg(r_ == 0, "%s is %d: %s", #call, r_, err.text);                                 \
        } while (0)

#define assert_words(part)                                                                                   \
        ck_assert_msg(strstr(err.text, (part)), "\"%s\" does not say \"%s\"", err.text, (part))

/* Everything under the folder is a file, so that this is enough. */
static void
folder_remove(void)
{
        DIR *dir = opendir(folder);
        struct dirent *entry;
        while (dir && (entry = readdir(dir)))
                unlinkat(dirfd(dir), entry->d_name, 0);
        if (dir)
                closedir(dir);
        rmdir(folder);
}

static void
folder_setup_in(const char *top)
{
        ck_assert_int_eq(digest_setup(), 0);
        ck_assert_int_eq(crypto_setup(), 0);
        snprintf(folder, sizeof folder, "%s/driftd-store-XXXXXX", top);
        ck_assert_ptr_nonnull(mkdtemp(folder));
        snprintf(path, sizeof path, "%s/driftd.db", folder);
}

static inline void
folder_setup(void)
{
        folder_setup_in("/tmp");
}

static inline void
store_setup(void)
{
        folder_setup();
        assert_ok(store_open(path, STORE_CREATE, &store, &err));
}

static inline void
store_teardown(void)
{
        store = store_free(store);
        folder_remove();
}

static inline void
store_close(void)
{
        store = store_free(store);
}

static inline void
store_reopen(void)
{
        store = store_free(store);
        assert_ok(store_open(path, 0, &store, &err));
}

static inline void
record_add(const char *kind, const char *item, int64_t time_ms)
{
        uint64_t seq;
        _cleanup_json_ struct json *detail = json_make("{s:s}", "why", "test");
        assert_ok(store_record(store, time_ms, kind, item, detail, &seq, &err));
}

/* n records, committed: file:/r/1 … file:/r/n. */
static inline void
records_add(unsigned n)
{
        assert_ok(store_begin(store, &err));
        for (unsigned i = 1; i <= n; i++) {
                char item[32];
                snprintf(item, sizeof item, "file:/r/%u", i);
                record_add(i % 3 ? "drift" : "resolved", i % 5 ? item : NULL, 1000000 + 1000 * (int64_t)i);
        }
        assert_ok(store_commit(store, &err));
}

static inline uint64_t
head_size(void)
{
        struct tree_head head;
        assert_ok(store_head(store, &head, &err));
        return head.size;
}

/* SQL on the closed database, through a connection like anybody's. */
static inline void
tamper(const char *sql)
{
        sqlite3 *db;
        char *words = NULL;
        ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
        sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
        int rc = sqlite3_exec(db, sql, NULL, NULL, &words);
        ck_assert_msg(rc == SQLITE_OK, "%s: %s", sql, words ? words : "");
        sqlite3_close(db);
}

/* Runs in a child, which must end with 0 (ck_assert is not for children: use NEED). */
#define NEED(truth)                                                                                          \
        do {                                                                                                 \
                if (!(truth)) {                                                                              \
                        fprintf(stderr, "%s:%d: " #truth ": %s\n", __FILE__, __LINE__, err.text);            \
                        _exit(1);                                                                            \
                }                                                                                            \
        } while (0)

static inline int
child_wait(pid_t pid)
{
        int status;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        return status;
}

/* The digest of a file's bytes, to see that it was left alone. Only while no store has it open: closing drops
 * locks. */
static inline struct digest
file_digest(const char *name)
{
        struct digest digest;
        struct buf bytes = {0};
        FILE *file = fopen(name, "rb");
        ck_assert_ptr_nonnull(file);
        char piece[4096];
        for (size_t n; (n = fread(piece, 1, sizeof piece, file)) > 0;)
                ck_assert_int_eq(buf_append(&bytes, piece, n), 0);
        fclose(file);
        digest_bytes(bytes.data, bytes.size, &digest);
        buf_done(&bytes);
        return digest;
}
