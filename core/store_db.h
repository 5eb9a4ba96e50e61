/* SPDX-License-Identifier: MIT */
/*
 * Inside the store: the fence of sqlite3.h. Only core/store*.c (and their tests) include this.
 *
 * Parameters and columns are described by one letter each, as with json_make:
 *     i  int64_t             u  uint64_t, at most INT64_MAX     f  bool, stored as 0 or 1
 *     s  const char *        n  const char *, or NULL for null  d  const struct digest *
 *     b  const void *, size_t (bytes)                           t  const char *, size_t (text, not
 * terminated) m  as t, or NULL for null Reading takes pointers to the same (for d a struct digest *). What is
 * read is borrowed until the next step.
 */
#pragma once

#include <sqlite3.h>

#include "core/merkle.h"
#include "core/store.h"

#define STORE_APPLICATION_ID 1685218932 /* "drft": PRAGMA application_id, what file(1) can tell us by */
#define STORE_CACHE_KIB 2048            /* page cache of the one connection */
#define STORE_FIELD_MAX (16 << 20)      /* bytes of any one value in the database */
#define STORE_CHECKPOINT_PAGES 1000     /* of the -wal, as SQLite's own default */
#define STORE_WAL_LIMIT (8 << 20)       /* bytes that the -wal is cut back to after a large transaction */
#define QUERY_CACHE_MAX 32u             /* prepared statements kept */

struct prepared {
        const char *sql; /* by address: our own constants */
        sqlite3_stmt *stmt;
        bool busy;
};

struct store {
        sqlite3 *db;
        char *path;
        struct digester *digester;
        struct buf leaf;      /* scratch of the history */
        struct merkle merkle; /* the head, with the records of this transaction; its row is written with it */
        struct digest root;
        bool ahead; /* of the head's row */
        struct prepared prepared[QUERY_CACHE_MAX];
        sqlite3_stmt *rollback; /* prepared at begin: taking back must not fail for lack of memory */
        unsigned visits;        /* callbacks under way: nothing may be written */
        bool read_only;
        bool suspect;          /* a sync failed: what the files hold on the disk is not known */
        bool lost;             /* another program has taken the name */
        bool unborn;           /* nothing was ever committed to it */
        unsigned renewals;     /* how often the files were made anew */
        int log_pages;         /* in the -wal, after the last commit */
        int checkpoint_pages;  /* the -wal is copied into the database at so many */
        bool writing;          /* between begin and commit */
        int64_t content_total; /* store_content.c; -1: not known */
        struct err damage;     /* code != 0: the first that was met */
        struct err failure; /* code != 0: a write of this transaction failed, and it must not be committed */
        struct store_writer *writer; /* NULL: no transaction has wanted a thread yet */
};

/* ---- store_db.c: statements and errors ---- */

/* SQLite's answer as ours, in words: "<path> could not be <done>: …". */
int sqlite_error(sqlite3 *db, int rc, const char *path, const char *done, struct err *err);
/* The same for the store's own connection; dooms the transaction that is open. */
int db_error(struct store *store, int rc, const char *done, struct err *err);
/* STORE_DAMAGED, "<path> is damaged: <what>"; dooms the transaction that is open. */
int db_damaged(struct store *store, struct err *err, const char *format, ...) _printf_(3, 4);
int db_exec(struct store *store, const char *sql, const char *done, struct err *err);

/* Whether a write may happen now: 0, or why not. */
int db_may_write(struct store *store, struct err *err);

struct query {
        struct store *store;
        struct prepared *slot; /* NULL: stmt is finalised when done */
        sqlite3_stmt *stmt;
};

/* Zero-initialise the query. Prepares, or takes from the cache, and binds; what is bound must outlive the
 * query. */
int query_open(
        struct query *query, struct store *store, struct err *err, const char *sql, const char *types, ...);
int query_next(struct query *query, bool *ret_row, struct err *err);
int query_read(struct query *query, struct err *err, const char *types, ...);
void query_done(struct query *query);
#define _cleanup_query_ _cleanup_(query_done)

/* query_next for a query of one row: STORE_NONE, without words, if there is none. */
int query_one(struct query *query, struct err *err);

/* One statement that changes something, within the transaction. ret_changed (may be NULL): how many rows. */
int db_write(
        struct store *store, struct err *err, int64_t *ret_changed, const char *sql, const char *types, ...);

/* ---- store_schema.c ---- */

/* One step a version: step i leads from version i to i + 1. A step that was released is never changed. */
extern const char *const store_migrations[STORE_SCHEMA];

/* The version of an open database. STORE_DAMAGED if it is not a store, STORE_NEWER; 0 is an empty database.
 */
int schema_version(struct store *store, unsigned *ret_version, struct err *err);
/* Whether its objects are, text for text, those that the first `version` steps make; else STORE_DAMAGED. */
int schema_check(struct store *store, const char *const *steps, unsigned version, struct err *err);
/* Takes the steps that are missing, each in a transaction of its own. */
int schema_migrate(struct store *store, const char *const *steps, unsigned n_steps, struct err *err);

/* ---- store.c ---- */

void store_statements_free(struct store *store);
/* SQLite's news of a commit, for sqlite3_wal_hook. */
int store_log_grew(void *userdata, sqlite3 *db, const char *name, int pages);

/* ---- store_memory.c ---- */

/* Before the first connection: SQLite finds most of its small memory where it left it. */
void store_memory(void);

/* ---- store_writer.c ---- */

/* Waits until no transaction of the store's own thread is under way. Each way into the store begins with it.
 */
void store_await(struct store *store);
/* A visit begins: until visits is counted down again, nothing may be written. */
void store_visit(struct store *store);
void store_writer_free(struct store *store);

/* ---- store_renew.c ---- */

/* After a sync that failed: new files with all that is committed in the place of the old ones. < 0 or
 * STORE_…: not done, and the store can only be read. */
int store_renew(struct store *store, struct err *err);
/* Before closing: the next opening must not find files that a sync failed on. */
void store_leave(struct store *store);

/* ---- store_open.c ---- */

/* Opens the connection to store->path for writing, with its lock and its log. */
int store_connect(struct store *store, struct err *err);
/* Whether closing leaves the -wal as it is. */
int store_log_keep(struct store *store, bool keep, struct err *err);

/* The path with the links of its folder resolved, its last component as it is; to be freed. */
int store_path_resolve(const char *path, char **ret, struct err *err);
/* Makes an empty file (0600), durably. -EEXIST if anything is there, be it a link. */
int store_file_create(const char *path, struct err *err);

/* ---- store_history.c ---- */

/* Times that clock_format can tell apart: a record's is the nearest of these. 1000-01-01 to the end of 9999.
 */
#define RECORD_TIME_MIN_MS INT64_C(-30610224000000)
#define RECORD_TIME_MAX_MS INT64_C(253402300799999)

/* A record's columns, as given or as read. */
struct record_columns {
        int64_t seq, time_ms;
        const char *kind, *item; /* not terminated; item may be NULL */
        size_t kind_size, item_size;
};

/* Appends what a leaf with these columns starts with:
 * {"seq":...,"time":"...","kind":"...","item":...,"detail": */
int history_leaf_start(struct buf *buf, const struct record_columns *columns);
/* The head, with the records of this transaction; STORE_DAMAGED where it is gone or cannot be one. */
int history_head_read(
        struct store *store, struct merkle *ret_merkle, struct digest *ret_root, struct err *err);
/* Writes the head's row, before the commit of a transaction. */
int history_head_write(struct store *store, struct err *err);
