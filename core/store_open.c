/* SPDX-License-Identifier: MIT */
/*
 * Opening a store. Nothing in the file is believed before it was looked at, and nothing is written before
 * that either: lock, version, schema, quick_check, and only then WAL and migrations. The connection is set up
 * so that even a hostile file runs nothing: no triggers, no views, no functions from the schema, no
 * extensions, no ATTACH.
 *
 * Two facts shape this file. POSIX locks belong to the process: closing *any* descriptor of the database
 * drops them, so it is never opened here but through SQLite, whose own book-keeping knows (creating with
 * O_EXCL is safe: nobody can hold a lock yet). And a WAL database cannot be read by SQLite's usual way
 * without writing beside it; a copy that must stay as it is, is therefore read without locks, with the index
 * of its -wal in memory.
 */
#include "core/store_db.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/quote.h"

/* ---- the path ---- */

static int
path_error(const char *path, int code, struct err *err)
{
        return err_set(err, code, "%s could not be opened: %s", quote(path), strerror(-code));
}

/* Links in the folder are the administrator's; SQLite would refuse them with the last component. */
static int
folder_resolve(const char *path, const char *slash, char **ret, struct err *err)
{
        _cleanup_free_ char *folder = slash == path ? strdup("/")
                                      : slash       ? strndup(path, (size_t)(slash - path))
                                                    : strdup(".");
        if (!folder)
                return err_oom(err);
        char *resolved = realpath(folder, NULL);
        if (!resolved)
                return path_error(folder, -errno, err);
        *ret = resolved;
        return 0;
}

static int
name_join(const char *folder, const char *name, char **ret, struct err *err)
{
        char *joined;
        if (asprintf(&joined, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name) < 0)
                return err_oom(err);
        *ret = joined;
        return 0;
}

/* That what SQLite will open by this name is a file or nothing. */
static int
file_check(const char *path, bool *ret_exists, struct err *err)
{
        struct stat st;
        if (lstat(path, &st) < 0) {
                if (errno != ENOENT)
                        return path_error(path, -errno, err);
                *ret_exists = false;
                return 0;
        }
        if (S_ISLNK(st.st_mode)) {
                err_set(err, -ELOOP, "%s is a symbolic link", quote(path));
                return err_hint(err, -ELOOP, "name the file that it leads to, or remove the link");
        }
        if (!S_ISREG(st.st_mode))
                return err_set(err, -EINVAL, "%s is not a regular file", quote(path));
        *ret_exists = true;
        return 0;
}

int
store_path_resolve(const char *path, char **ret, struct err *err)
{
        _cleanup_free_ char *folder = NULL;
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        if (!*name)
                return err_set(err, -EISDIR, "\"%s\" is not the name of a file", quote(path));
        int r = folder_resolve(path, slash, &folder, err);
        return r == 0 ? name_join(folder, name, ret, err) : r;
}

/* The files that SQLite takes in together with the database. */
static int
companion_check(const char *path, const char *suffix, bool *ret_holds, struct err *err)
{
        struct stat st;
        _cleanup_free_ char *name = NULL;
        if (asprintf(&name, "%s%s", path, suffix) < 0) {
                name = NULL; /* what asprintf leaves there is not defined */
                return err_oom(err);
        }
        bool exists = false;
        int r = file_check(name, &exists, err);
        if (r == 0)
                *ret_holds = exists && lstat(name, &st) == 0 && st.st_size > 0;
        return r;
}

int
store_file_create(const char *path, struct err *err)
{
        _cleanup_free_ char *folder = strdup(path);
        if (!folder)
                return err_oom(err);
        _cleanup_fd_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return err_set(err, -errno, "%s could not be made: %s", quote(path), strerror(errno));
        folder[strrchr(folder, '/') - folder + 1] = '\0';
        _cleanup_fd_ int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder_fd >= 0 && fsync(folder_fd) == 0)
                return 0;
        int error = errno;
        unlink(path);
        return err_set(err, -error, "%s could not be made durable: %s", quote(folder), strerror(error));
}

/* ---- the connection ---- */

static int
connection_harden(struct store *store, struct err *err)
{
        static const struct {
                int option, value;
        } options[] = {
                {SQLITE_DBCONFIG_DEFENSIVE, 1},
                {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
                {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
                {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
                {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
                {SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0},
                {SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0},
                {SQLITE_DBCONFIG_DQS_DML, 0},
                {SQLITE_DBCONFIG_DQS_DDL, 0},
        };
        for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
                int rc = sqlite3_db_config(store->db, options[i].option, options[i].value, NULL);
                if (rc != SQLITE_OK)
                        return db_error(store, rc, "opened safely", err);
        }
        sqlite3_limit(store->db, SQLITE_LIMIT_ATTACHED, 0);
        sqlite3_limit(store->db, SQLITE_LIMIT_LENGTH, STORE_FIELD_MAX);
        return 0;
}

/* None of these writes, or reads more than the header. */
static const char settings[] = "PRAGMA locking_mode = EXCLUSIVE;"
                               "PRAGMA cell_size_check = ON;"
                               "PRAGMA mmap_size = 0;"
                               "PRAGMA temp_store = MEMORY;"
                               "PRAGMA synchronous = FULL;";

static int
connection_set(struct store *store, struct err *err)
{
        char sizes[96];
        snprintf(sizes, sizeof sizes, "PRAGMA cache_size = -%d; PRAGMA journal_size_limit = %d",
                STORE_CACHE_KIB, STORE_WAL_LIMIT);
        int r = connection_harden(store, err);
        if (r == 0)
                r = db_exec(store, settings, "opened", err);
        return r == 0 ? db_exec(store, sizes, "opened", err) : r;
}

static int
connection_open(struct store *store, const char *name, int flags, const char *vfs, struct err *err)
{
        int rc = sqlite3_open_v2(name, &store->db,
                flags | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOMUTEX |
                        SQLITE_OPEN_EXRESCODE,
                vfs);
        if (rc != SQLITE_OK)
                return db_error(store, rc, "opened", err);
        /* SQLite falls back to reading silently. */
        if (flags & SQLITE_OPEN_READWRITE && sqlite3_db_readonly(store->db, "main"))
                return path_error(
                        name, faccessat(AT_FDCWD, name, W_OK, AT_EACCESS) < 0 ? -errno : -EROFS, err);
        return connection_set(store, err);
}

/* It does until the store is known to be ours: what is refused stays evidence. */
int
store_log_keep(struct store *store, bool keep, struct err *err)
{
        int rc = sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, (int)keep, NULL);
        return rc == SQLITE_OK ? 0 : db_error(store, rc, "opened", err);
}

static int
open_to_write(struct store *store, struct err *err)
{
        int r = connection_open(store, store->path, SQLITE_OPEN_READWRITE, NULL, err);
        if (r != 0)
                return r;
        r = store_log_keep(store, true, err);
        if (r == 0)
                r = db_exec(store, "BEGIN EXCLUSIVE", "opened",
                        err); /* exclusive locking mode: it is kept from here on */
        return r == 0 ? db_exec(store, "COMMIT", "opened", err) : r;
}

/* ---- reading a copy ---- */

/* Whether another connection is at work on the file, asked through SQLite's own locks. */
static int
lock_probe(struct store *store, struct err *err)
{
        sqlite3 *db = NULL;
        sqlite3_file *file = NULL;
        int rc = sqlite3_open_v2(
                store->path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE, NULL);
        if (rc == SQLITE_OK)
                rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
        if (rc == SQLITE_OK && file && file->pMethods) {
                rc = file->pMethods->xLock(file, SQLITE_LOCK_SHARED);
                file->pMethods->xUnlock(file, SQLITE_LOCK_NONE);
        }
        int r = rc == SQLITE_OK ? 0 : sqlite_error(db, rc, store->path, "opened", err);
        sqlite3_close(db);
        return r;
}

/* "file:///path?immutable=1", with all but the plainest bytes of the path escaped as URIs are. */
static char *
immutable_uri(const char *path)
{
        _cleanup_buf_ struct buf uri = {0};
        int r = buf_text(&uri, "file://");
        for (; *path && r == 0; path++) {
                unsigned char byte = (unsigned char)*path;
                bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                             (byte >= '0' && byte <= '9') || strchr("/._-", byte);
                r = plain ? buf_append(&uri, path, 1) : buf_printf(&uri, "%%%02x", byte);
        }
        if (r == 0)
                r = buf_text(&uri, "?immutable=1");
        return r == 0 ? buf_steal(&uri) : NULL;
}

static int
open_to_read(struct store *store, bool has_log, struct err *err)
{
        int r = lock_probe(store, err);
        if (r != 0)
                return r;
        if (!has_log) {
                /* An immutable file is read alone: no lock, no -wal beside it. */
                _cleanup_free_ char *uri = immutable_uri(store->path);
                if (!uri)
                        return err_oom(err);
                return connection_open(store, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL, err);
        }
        /* Exclusive mode keeps the index of the -wal in memory, and this VFS takes no locks for it. */
        r = connection_open(store, store->path, SQLITE_OPEN_READONLY, "unix-none", err);
        return r == 0 ? store_log_keep(store, true, err) : r;
}

/* ---- what is in it ---- */

static int
pragma_expect(struct store *store, const char *pragma, const char *wanted, const char *what, struct err *err)
{
        const char *answer = NULL;
        _cleanup_query_ struct query query = {0};
        int r = query_open(&query, store, err, pragma, "");
        if (r == 0)
                r = query_one(&query, err);
        if (r == 0)
                r = query_read(&query, err, "s", &answer);
        if (r != 0)
                return r == STORE_NONE ? db_damaged(store, err, "%s", what) : r;
        return strcmp(answer, wanted) == 0 ? 0 : db_damaged(store, err, "%s: %s", what, quote(answer));
}

/* Checkpoints are ours (store_commit): SQLite's own would not say that they failed. */
static int
log_start(struct store *store, struct err *err)
{
        int r = pragma_expect(
                store, "PRAGMA journal_mode = WAL", "wal", "it cannot be used with a write-ahead log", err);
        if (r != 0)
                return r;
        store->checkpoint_pages = STORE_CHECKPOINT_PAGES;
        sqlite3_wal_hook(store->db, store_log_grew, store);
        return 0;
}

int
store_connect(struct store *store, struct err *err)
{
        int r = open_to_write(store, err);
        r = r ? r : log_start(store, err);
        return r ? r : store_log_keep(store, false, err);
}

/* Reads a file of the connection to its end, by the descriptor that it has. */
static int
file_read_through(struct store *store, int which, struct err *err)
{
        char bytes[4096];
        sqlite3_file *file = NULL;
        sqlite3_int64 size = 0;
        int rc = sqlite3_file_control(store->db, "main", which, &file);
        if (rc != SQLITE_OK || !file || !file->pMethods)
                return 0; /* there is none */
        rc = file->pMethods->xFileSize(file, &size);
        for (sqlite3_int64 at = 0; at < size && rc == SQLITE_OK; at += (sqlite3_int64)sizeof bytes)
                rc = file->pMethods->xRead(file, bytes, sizeof bytes, at);
        return rc == SQLITE_OK || rc == SQLITE_IOERR_SHORT_READ ? 0 : db_error(store, rc, "read", err);
}

/*
 * A page that the disk did not give is, to quick_check, a page that is wrong: an answer, and no error. But
 * what could not be read is no damage (a damaged store is set aside, with all its history). So before it is
 * called that, everything is read, and the question put again.
 */
static int
pages_check(struct store *store, struct err *err)
{
        static const char *const pragma = "PRAGMA quick_check(1)", *const what = "SQLite's quick_check found";
        struct err first = {0};
        const struct err damage = store->damage;
        int r = pragma_expect(store, pragma, "ok", what, &first);
        if (r != STORE_DAMAGED) {
                if (r != 0 && err)
                        *err = first;
                return r;
        }
        store->damage = damage;
        r = file_read_through(store, SQLITE_FCNTL_FILE_POINTER, err);
        r = r ? r : file_read_through(store, SQLITE_FCNTL_JOURNAL_POINTER, err);
        return r ? r : pragma_expect(store, pragma, "ok", what, err);
}

static int
contents_check(struct store *store, unsigned *ret_version, struct err *err)
{
        unsigned version;
        int r = schema_version(store, &version, err);
        if (r == 0)
                r = pragma_expect(store, "PRAGMA encoding", "UTF-8", "its encoding is not ours", err);
        /* The schema first: checking pages evaluates the CHECK of a table, which must be known to be ours. */
        if (r == 0)
                r = schema_check(store, store_migrations, version, err);
        if (r == 0)
                r = pages_check(store, err);
        if (r == 0)
                *ret_version = version;
        return r;
}

static int
version_refuse(struct store *store, unsigned version, unsigned flags, struct err *err)
{
        if (!version && !(flags & STORE_CREATE))
                return db_damaged(store, err, "it is empty");
        if (version < STORE_SCHEMA && store->read_only) {
                err_set(err, -EROFS, "%s was written by an older driftd, and is only to be read",
                        quote(store->path));
                return err_hint(err, -EROFS, "open a copy of it for writing once: that brings it up to date");
        }
        return 0;
}

static int
store_prepare(struct store *store, unsigned flags, struct err *err)
{
        unsigned version;
        int r = contents_check(store, &version, err);
        if (r == 0)
                r = version_refuse(store, version, flags, err);
        if (r != 0 || store->read_only)
                return r;
        store->unborn = version == 0;
        r = log_start(store, err);
        if (r == 0)
                r = schema_migrate(store, store_migrations, STORE_SCHEMA, err);
        store->unborn = store->unborn && r != 0;
        return r == 0 ? store_log_keep(store, false, err) : r;
}

static int
file_find(struct store *store, const char *path, unsigned flags, bool *ret_has_log, struct err *err)
{
        bool exists = false, wal = false, journal = false;
        int r = store_path_resolve(path, &store->path, err);
        if (r == 0)
                r = file_check(store->path, &exists, err);
        if (r == 0)
                r = companion_check(store->path, "-wal", &wal, err);
        if (r == 0)
                r = companion_check(store->path, "-journal", &journal, err);
        if (r != 0)
                return r;
        *ret_has_log = wal || journal;
        if (exists)
                return 0;
        if (*ret_has_log) { /* a new database would take in what another one left */
                err_set(err, STORE_DAMAGED, "%s is damaged: it is gone, but its log is still there",
                        quote(path));
                return err_hint(err, STORE_DAMAGED, STORE_DAMAGED_HINT);
        }
        if (flags & STORE_CREATE && !store->read_only)
                return store_file_create(store->path, err);
        err_set(err, -ENOENT, "there is no store at %s", quote(path));
        return err_hint(err, -ENOENT, "driftd makes it when it first starts");
}

int
store_open(const char *path, unsigned flags, struct store **ret, struct err *err)
{
        _cleanup_(store_freep) struct store *store = calloc(1, sizeof *store);
        bool has_log;
        if (!store)
                return err_oom(err);
        store->read_only = flags & STORE_READ_ONLY;
        store->content_total = -1;
        store->digester = digester_new();
        if (!store->digester)
                return err_oom(err);
        store_memory();
        int r = file_find(store, path, flags, &has_log, err);
        if (r == 0)
                r = store->read_only ? open_to_read(store, has_log, err) : open_to_write(store, err);
        if (r == 0)
                r = store_prepare(store, flags, err);
        if (r == 0)
                *ret = steal_pointer(&store);
        return r;
}

size_t
store_own_files(const char *path, struct inode_id ret[static 4])
{
        static const char *const suffixes[] = {"", "-wal", "-journal", "-shm"};
        size_t count = 0;
        for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
                struct stat st;
                _cleanup_free_ char *name = NULL;
                if (asprintf(&name, "%s%s", path, suffixes[i]) < 0) {
                        name = NULL;
                        continue;
                }
                if (lstat(name, &st) == 0 && S_ISREG(st.st_mode))
                        ret[count++] = (struct inode_id){st.st_dev, st.st_ino};
        }
        return count;
}
