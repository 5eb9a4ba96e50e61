/* SPDX-License-Identifier: MIT */
/*
 * Statements and errors of the store, so that its other files read as SQL and structs. A statement is kept
 * prepared by the address of its text; one that is in use (a callback that asks the same again) is prepared
 * anew.
 *
 * Invariants: whatever SQLite answers becomes one of our codes in one table, with SQLite's words (they may
 * quote a hostile database, so they are escaped). Any failure inside a transaction dooms it: SQLite may have
 * rolled back by itself, and what came after would be written on its own. No value is trusted to have the
 * type that the schema says.
 */
#include "core/store_db.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/escape.h"

/* ---- errors ---- */

static const struct answer {
        int primary; /* SQLite's */
        int code;    /* ours; 0: the errno that it met */
        const char *hint;
} answers[] = {
        {SQLITE_BUSY, STORE_BUSY, "another program holds it: is driftd running?"},
        {SQLITE_LOCKED, STORE_BUSY, "it is in use by this program"},
        {SQLITE_CORRUPT, STORE_DAMAGED, STORE_DAMAGED_HINT},
        {SQLITE_NOTADB, STORE_DAMAGED, STORE_DAMAGED_HINT},
        {SQLITE_FORMAT, STORE_DAMAGED, STORE_DAMAGED_HINT},
        {SQLITE_CONSTRAINT, STORE_DAMAGED, "its rows contradict each other; driftctl verify says more"},
        {SQLITE_FULL, -ENOSPC, "make room on its file system; nothing of this change was kept"},
        {SQLITE_NOMEM, -ENOMEM, ""},
        {SQLITE_READONLY, -EROFS, "its file system and its file must be writable"},
        {SQLITE_PERM, -EACCES, ""},
        {SQLITE_AUTH, -EACCES, ""},
        {SQLITE_TOOBIG, -E2BIG, ""},
        {SQLITE_CANTOPEN, 0, ""},
        {SQLITE_IOERR, 0, "look into the kernel's log for its disk; nothing of this change was kept"},
};

/* SQLite's own words are sentences, so blanks stay; what they quote may be hostile, so all else is escaped.
 */
static void
words_escape(const char *words, char *out, size_t room)
{
        size_t used = 0;
        for (; *words && room - used > 4; words++)
                if (*words == ' ')
                        out[used++] = ' ';
                else
                        used += escape(words, 1, out + used);
        out[used] = '\0';
}

static const struct answer *
answer_of(int rc)
{
        static const struct answer other = {0, -EIO, ""};
        int primary = rc == SQLITE_IOERR_NOMEM ? SQLITE_NOMEM : rc & 0xff;
        for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
                if (answers[i].primary == primary)
                        return &answers[i];
        return &other;
}

/* SQLite tells the errno that stands when it reports, which may be that of a later call: only what can be
 * meant counts. */
static int
errno_met(sqlite3 *db)
{
        static const int possible[] = {EIO, ENOSPC, EDQUOT, EFBIG, EROFS, EACCES, EPERM, ENOENT, EISDIR,
                ELOOP, ENAMETOOLONG, EMFILE, ENFILE, ENOMEM, ENOLCK, ENODEV, ENXIO, ESTALE};
        int met = db ? sqlite3_system_errno(db) : 0;
        for (size_t i = 0; i < ARRAY_SIZE(possible); i++)
                if (possible[i] == met)
                        return met;
        return EIO;
}

int
sqlite_error(sqlite3 *db, int rc, const char *path, const char *done, struct err *err)
{
        char words[ERR_TEXT_MAX / 2], shown[ERR_TEXT_MAX / 3], cause[128] = "";
        const struct answer *answer = answer_of(rc);
        int code = answer->code;
        bool is_latest = db && (sqlite3_extended_errcode(db) & 0xff) == (rc & 0xff);
        words_escape(is_latest ? sqlite3_errmsg(db) : sqlite3_errstr(rc), words, sizeof words);
        words_escape(path, shown, sizeof shown);
        if (!code) {
                code = -errno_met(db);
                snprintf(cause, sizeof cause, " (%s)", strerror(-code));
        }
        err_set(err, code, "%s could not be %s: %s%s", shown, done, words, cause);
        return err_hint(err, code, "%s", answer->hint);
}

/* Keeps the first failure of a transaction, words and all, for store_commit; and the first damage for good.
 */
static int
doom(struct store *store, const struct err *failure, struct err *err)
{
        if (failure->code == STORE_DAMAGED && !store->damage.code)
                store->damage = *failure;
        if (store->writing && !store->failure.code)
                store->failure = *failure;
        if (err)
                *err = *failure;
        return failure->code;
}

int
db_error(struct store *store, int rc, const char *done, struct err *err)
{
        struct err failure;
        if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC)
                store->suspect = true;
        sqlite_error(store->db, rc, store->path, done, &failure);
        return doom(store, &failure, err);
}

int
db_damaged(struct store *store, struct err *err, const char *format, ...)
{
        struct err failure;
        char what[ERR_TEXT_MAX / 2], shown[ERR_TEXT_MAX / 3];
        va_list args;
        va_start(args, format);
        vsnprintf(what, sizeof what, format, args);
        va_end(args);
        words_escape(store->path, shown, sizeof shown);
        err_set(&failure, STORE_DAMAGED, "%s is damaged: %s", shown, what);
        err_hint(&failure, STORE_DAMAGED, STORE_DAMAGED_HINT);
        return doom(store, &failure, err);
}

const char *
store_damage(struct store *store)
{
        store_await(store);
        return store->damage.code ? store->damage.text : NULL;
}

int
db_exec(struct store *store, const char *sql, const char *done, struct err *err)
{
        int rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
        return rc == SQLITE_OK ? 0 : db_error(store, rc, done, err);
}

int
db_may_write(struct store *store, struct err *err)
{
        store_await(store);
        if (store->failure.code) {
                if (err)
                        *err = store->failure;
                return store->failure.code;
        }
        if (!store->writing)
                return err_set(err, -EINVAL, "the store is written outside of a transaction");
        if (store->visits)
                return err_set(err, -EBUSY, "the store is written while its rows are being visited");
        if (sqlite3_get_autocommit(store->db))
                return db_error(store, SQLITE_ABORT, "written", err);
        return 0;
}

/* ---- statements ---- */

/* A slot for this text: its own, else a free one, else an idle one whose statement has to go; NULL if all are
 * busy. */
static struct prepared *
slot_find(struct store *store, const char *sql)
{
        struct prepared *other = NULL;
        for (size_t i = 0; i < QUERY_CACHE_MAX; i++) {
                struct prepared *slot = &store->prepared[i];
                if (slot->sql == sql)
                        return slot->busy ? NULL : slot;
                if (!slot->busy && (!other || !slot->sql))
                        other = slot;
        }
        return other;
}

static int
statement_take(struct query *query, const char *sql, struct err *err)
{
        struct store *store = query->store;
        struct prepared *slot = slot_find(store, sql);
        if (!slot || slot->sql != sql) {
                int rc = sqlite3_prepare_v3(
                        store->db, sql, -1, slot ? SQLITE_PREPARE_PERSISTENT : 0, &query->stmt, NULL);
                if (rc != SQLITE_OK)
                        return db_error(store, rc, "read", err);
        }
        if (slot && slot->sql != sql) {
                sqlite3_finalize(slot->stmt);
                *slot = (struct prepared){.sql = sql, .stmt = query->stmt};
        }
        if (slot) {
                slot->busy = true;
                query->slot = slot;
                query->stmt = slot->stmt;
        }
        return 0;
}

static int
bind_bytes(sqlite3_stmt *stmt, int i, const void *bytes, size_t size)
{
        return sqlite3_bind_blob64(stmt, i, size ? bytes : "", size, SQLITE_STATIC);
}

static int
bind_text(sqlite3_stmt *stmt, int i, const char *text, size_t size)
{
        return sqlite3_bind_text64(stmt, i, text, size, SQLITE_STATIC, SQLITE_UTF8);
}

static int
statement_bind(sqlite3_stmt *stmt, const char *types, va_list args)
{
        int rc = SQLITE_OK;
        for (int i = 1; *types && rc == SQLITE_OK; types++, i++) {
                const void *pointer;
                uint64_t number;
                switch (*types) {
                case 'i':
                        rc = sqlite3_bind_int64(stmt, i, va_arg(args, int64_t));
                        break;
                case 'u':
                        number = va_arg(args, uint64_t);
                        rc = number > INT64_MAX ? SQLITE_TOOBIG
                                                : sqlite3_bind_int64(stmt, i, (int64_t)number);
                        break;
                case 'f':
                        rc = sqlite3_bind_int(stmt, i, va_arg(args, int) != 0);
                        break;
                case 's':
                case 'n':
                        pointer = va_arg(args, const char *);
                        assert(pointer || *types == 'n');
                        rc = pointer ? bind_text(stmt, i, pointer, strlen(pointer))
                                     : sqlite3_bind_null(stmt, i);
                        break;
                case 'd':
                        pointer = va_arg(args, const struct digest *);
                        rc = bind_bytes(stmt, i, pointer, DIGEST_SIZE);
                        break;
                case 'b':
                        pointer = va_arg(args, const void *);
                        rc = bind_bytes(stmt, i, pointer, va_arg(args, size_t));
                        break;
                case 't':
                case 'm':
                        pointer = va_arg(args, const char *);
                        rc = bind_text(stmt, i, pointer, va_arg(args, size_t)); /* NULL binds null */
                        break;
                default:
                        assert(false); /* a letter that store_db.h does not list */
                }
        }
        return rc;
}

static int
query_open_list(struct query *query, struct store *store, struct err *err, const char *sql, const char *types,
        va_list args)
{
        store_await(store);
        query->store = store;
        int r = statement_take(query, sql, err);
        if (r != 0)
                return r;
        int rc = statement_bind(query->stmt, types, args);
        return rc == SQLITE_OK ? 0 : db_error(store, rc, "used", err);
}

int
query_open(struct query *query, struct store *store, struct err *err, const char *sql, const char *types, ...)
{
        va_list args;
        va_start(args, types);
        int r = query_open_list(query, store, err, sql, types, args);
        va_end(args);
        return r;
}

int
query_next(struct query *query, bool *ret_row, struct err *err)
{
        int rc = sqlite3_step(query->stmt);
        if (rc != SQLITE_ROW && rc != SQLITE_DONE)
                return db_error(query->store, rc, "read", err);
        *ret_row = rc == SQLITE_ROW;
        return 0;
}

int
query_one(struct query *query, struct err *err)
{
        bool row = false;
        int r = query_next(query, &row, err);
        return r != 0 ? r : row ? 0 : STORE_NONE;
}

void
query_done(struct query *query)
{
        if (!query->slot) {
                sqlite3_finalize(query->stmt);
        } else {
                sqlite3_reset(query->stmt);
                sqlite3_clear_bindings(query->stmt);
                query->slot->busy = false;
        }
        *query = (struct query){0};
}

/* ---- columns ---- */

/* A text or bytes: NULL only for null, for the wrong type, and (then SQLite says so) when out of memory. */
static const void *
column_bytes(sqlite3_stmt *stmt, int i, int type, size_t *ret_size)
{
        if (sqlite3_column_type(stmt, i) != type)
                return NULL;
        const void *bytes = sqlite3_column_blob(stmt, i);
        *ret_size = (size_t)sqlite3_column_bytes(stmt, i);
        return bytes || *ret_size ? bytes : "";
}

static const char *
column_string(sqlite3_stmt *stmt, int i)
{
        if (sqlite3_column_type(stmt, i) != SQLITE_TEXT)
                return NULL;
        const char *text = (const char *)sqlite3_column_text(stmt, i);
        return text && strlen(text) == (size_t)sqlite3_column_bytes(stmt, i) ? text : NULL;
}

static bool
column_number(sqlite3_stmt *stmt, int i, int64_t min, int64_t max, int64_t *ret)
{
        int64_t number = sqlite3_column_int64(stmt, i);
        if (sqlite3_column_type(stmt, i) != SQLITE_INTEGER || number < min || number > max)
                return false;
        *ret = number;
        return true;
}

static bool
column_digest(sqlite3_stmt *stmt, int i, struct digest *ret)
{
        size_t size = 0;
        const void *bytes = column_bytes(stmt, i, SQLITE_BLOB, &size);
        if (!bytes || size != DIGEST_SIZE)
                return false;
        memcpy(ret->bytes, bytes, DIGEST_SIZE);
        return true;
}

/* One column into where the next argument points; false if it does not hold what it should. */
static bool
column_read(sqlite3_stmt *stmt, int i, char type, va_list *args)
{
        int64_t number;
        const void **bytes;
        const char **text;
        switch (type) {
        case 'i':
                return column_number(stmt, i, INT64_MIN, INT64_MAX, va_arg(*args, int64_t *));
        case 'u':
                if (!column_number(stmt, i, 0, INT64_MAX, &number))
                        return false;
                *va_arg(*args, uint64_t *) = (uint64_t)number;
                return true;
        case 'f':
                if (!column_number(stmt, i, 0, 1, &number))
                        return false;
                *va_arg(*args, bool *) = number != 0;
                return true;
        case 's':
        case 'n':
                text = va_arg(*args, const char **);
                *text = column_string(stmt, i);
                return *text || (type == 'n' && sqlite3_column_type(stmt, i) == SQLITE_NULL);
        case 'd':
                return column_digest(stmt, i, va_arg(*args, struct digest *));
        case 'b':
        case 't':
        case 'm':
                bytes = va_arg(*args, const void **);
                *bytes = column_bytes(
                        stmt, i, type == 'b' ? SQLITE_BLOB : SQLITE_TEXT, va_arg(*args, size_t *));
                return *bytes || (type == 'm' && sqlite3_column_type(stmt, i) == SQLITE_NULL);
        default:
                assert(false);
                return false;
        }
}

int
query_read(struct query *query, struct err *err, const char *types, ...)
{
        bool ok = true;
        va_list args;
        va_start(args, types);
        for (int i = 0; types[i] && ok; i++)
                ok = column_read(query->stmt, i, types[i], &args);
        va_end(args);
        if (ok)
                return 0;
        if (sqlite3_errcode(query->store->db) == SQLITE_NOMEM)
                return db_error(query->store, SQLITE_NOMEM, "read", err);
        return db_damaged(query->store, err, "a row does not hold what its table should");
}

int
db_write(struct store *store, struct err *err, int64_t *ret_changed, const char *sql, const char *types, ...)
{
        _cleanup_query_ struct query query = {0};
        int r = db_may_write(store, err);
        if (r != 0)
                return r;
        va_list args;
        va_start(args, types);
        r = query_open_list(&query, store, err, sql, types, args);
        va_end(args);
        if (r != 0)
                return r;
        int rc = sqlite3_step(query.stmt);
        if (rc != SQLITE_DONE)
                return db_error(store, rc, "written", err);
        if (ret_changed)
                *ret_changed = sqlite3_changes64(store->db);
        return 0;
}
