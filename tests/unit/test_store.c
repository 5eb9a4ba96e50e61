/* SPDX-License-Identifier: MIT */
/* The store: opening, transactions, and what its tables keep. Tampering and failing disks have files of their
 * own. */
#include "store_fixture.h"

#include <signal.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/file.h"

/* ---- opening ---- */

START_TEST(a_missing_store_is_made_only_when_asked)
{
        ck_assert_int_eq(store_open(path, 0, &store, &err), -ENOENT);
        ck_assert_ptr_null(store);
        ck_assert_int_eq(store_open(path, STORE_CREATE | STORE_READ_ONLY, &store, &err), -ENOENT);
        ck_assert_int_eq(access(path, F_OK), -1);
        assert_ok(store_open(path, STORE_CREATE, &store, &err));
}
END_TEST

START_TEST(the_files_of_a_store_are_for_its_owner_alone_and_only_two)
{
        struct stat st;
        char wal[128];
        umask(0);
        assert_ok(store_open(path, STORE_CREATE, &store, &err));
        records_add(3);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0600);
        snprintf(wal, sizeof wal, "%s-wal", path);
        ck_assert_int_eq(stat(wal, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0600);
        unsigned count = 0;
        DIR *dir = opendir(folder);
        for (struct dirent *entry; (entry = readdir(dir));)
                count += entry->d_name[0] != '.';
        closedir(dir);
        ck_assert_uint_eq(count, 2);
}
END_TEST

START_TEST(a_link_in_place_of_the_store_is_refused)
{
        char link[128];
        assert_ok(store_open(path, STORE_CREATE, &store, &err));
        store_close();
        snprintf(link, sizeof link, "%s/link.db", folder);
        ck_assert_int_eq(symlink(path, link), 0);
        ck_assert_int_eq(store_open(link, STORE_CREATE, &store, &err), -ELOOP);
        ck_assert_int_eq(store_open(link, STORE_READ_ONLY, &store, &err), -ELOOP);
        unlink(path);
        ck_assert_int_eq(store_open(link, STORE_CREATE, &store, &err), -ELOOP);
        ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(a_link_in_place_of_the_log_is_refused)
{
        char wal[128];
        assert_ok(store_open(path, STORE_CREATE, &store, &err));
        store_close();
        snprintf(wal, sizeof wal, "%s-wal", path);
        ck_assert_int_eq(symlink("/etc/hostname", wal), 0);
        ck_assert_int_eq(store_open(path, STORE_CREATE, &store, &err), -ELOOP);
}
END_TEST

START_TEST(a_link_above_the_store_is_followed)
{
        char link[96], inside[128];
        snprintf(link, sizeof link, "%s.link", folder);
        snprintf(inside, sizeof inside, "%s/driftd.db", link);
        ck_assert_int_eq(symlink(folder, link), 0);
        int r = store_open(inside, STORE_CREATE, &store, &err);
        unlink(link);
        assert_ok(r);
        ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
        ck_assert_int_eq(mkfifo(path, 0600), 0);
        ck_assert_int_eq(store_open(path, STORE_CREATE, &store, &err), -EINVAL);
        ck_assert_int_eq(store_open(folder, STORE_CREATE, &store, &err), -EINVAL);
        ck_assert_int_eq(store_open("/nowhere/at/all.db", STORE_CREATE, &store, &err), -ENOENT);
        ck_assert_int_eq(store_open("/tmp/", STORE_CREATE, &store, &err), -EISDIR);
}
END_TEST

START_TEST(the_connection_is_set_as_the_design_says)
{
        static const struct {
                const char *sql, *answer;
        } pragmas[] = {
                {"PRAGMA journal_mode", "wal"},
                {"PRAGMA synchronous", "2"},
                {"PRAGMA locking_mode", "exclusive"},
                {"PRAGMA trusted_schema", "0"},
                {"PRAGMA cell_size_check", "1"},
                {"PRAGMA mmap_size", "0"},
                {"PRAGMA cache_size", "-2048"},
                {"PRAGMA user_version", "4"},
                {"PRAGMA application_id", "1685218932"},
        };
        static const struct {
                int option, value;
        } options[] = {
                {SQLITE_DBCONFIG_DEFENSIVE, 1},
                {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
                {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
                {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
                {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
                {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0},
        };
        assert_ok(store_open(path, STORE_CREATE, &store, &err));
        for (size_t i = 0; i < ARRAY_SIZE(pragmas); i++) {
                sqlite3_stmt *stmt;
                ck_assert_int_eq(sqlite3_prepare_v2(store->db, pragmas[i].sql, -1, &stmt, NULL), SQLITE_OK);
                int rc = sqlite3_step(stmt); /* no row: mmap left out of this SQLite */
                if (rc == SQLITE_ROW)
                        ck_assert_msg(
                                strcmp((const char *)sqlite3_column_text(stmt, 0), pragmas[i].answer) == 0,
                                "%s is %s", pragmas[i].sql, (const char *)sqlite3_column_text(stmt, 0));
                sqlite3_finalize(stmt);
        }
        for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
                int value = -1;
                ck_assert_int_eq(sqlite3_db_config(store->db, options[i].option, -1, &value), SQLITE_OK);
                ck_assert_msg(value == options[i].value, "option %d is %d", options[i].option, value);
        }
}
END_TEST

START_TEST(a_second_program_is_told_at_once_that_the_store_is_busy)
{
        int gate[2];
        char byte;
        ck_assert_int_eq(pipe(gate), 0);
        pid_t pid = fork(); /* before anything is open, so that only the kernel's lock tells them apart */
        if (pid == 0) {
                NEED(read(gate[0], &byte, 1) == 1);
                NEED(store_open(path, STORE_CREATE, &store, &err) == STORE_BUSY);
                NEED(store_open(path, STORE_READ_ONLY, &store, &err) == STORE_BUSY);
                NEED(strstr(err.hint, "driftd"));
                _exit(0);
        }
        assert_ok(store_open(path, STORE_CREATE, &store, &err));
        records_add(2);
        ck_assert_int_eq(write(gate[1], "x", 1), 1);
        ck_assert_int_eq(child_wait(pid), 0);
        close(gate[0]);
        close(gate[1]);
        records_add(2);
}
END_TEST

START_TEST(a_second_opening_in_one_program_is_busy_and_leaves_the_lock)
{
        int gate[2];
        char byte;
        struct store *other = NULL;
        ck_assert_int_eq(pipe(gate), 0);
        pid_t pid = fork();
        if (pid == 0) {
                NEED(read(gate[0], &byte, 1) == 1);
                NEED(store_open(path, 0, &store, &err) == STORE_BUSY);
                _exit(0);
        }
        assert_ok(store_open(path, STORE_CREATE, &store, &err));
        ck_assert_int_eq(store_open(path, 0, &other, &err), STORE_BUSY);
        ck_assert_int_eq(store_open(path, STORE_READ_ONLY, &other, &err), STORE_BUSY);
        ck_assert_ptr_null(other);
        ck_assert_int_eq(write(gate[1], "x", 1), 1);
        ck_assert_int_eq(child_wait(pid), 0);
        close(gate[0]);
        close(gate[1]);
}
END_TEST

START_TEST(an_ended_program_leaves_no_lock_behind)
{
        pid_t pid = fork();
        if (pid == 0) {
                NEED(store_open(path, STORE_CREATE, &store, &err) == 0);
                raise(SIGKILL);
        }
        ck_assert(WIFSIGNALED(child_wait(pid)));
        assert_ok(store_open(path, 0, &store, &err));
}
END_TEST

START_TEST(own_files_are_told_by_their_inodes)
{
        struct inode_id own[4];
        struct stat st;
        ck_assert_uint_eq(store_own_files(path, own), 0);
        assert_ok(store_open(path, STORE_CREATE, &store, &err));
        records_add(1);
        ck_assert_uint_eq(store_own_files(path, own), 2);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert(own[0].dev == st.st_dev && own[0].ino == st.st_ino);
}
END_TEST

/* ---- versions ---- */

static const char *const steps[] = {
        "CREATE TABLE fruit(name TEXT PRIMARY KEY) STRICT; INSERT INTO fruit VALUES('apple');",
        "ALTER TABLE fruit ADD COLUMN colour TEXT NOT NULL DEFAULT 'green';",
        "CREATE INDEX fruit_colour ON fruit(colour); UPDATE fruit SET colour = 'red';",
};

/* A database without our tables, on a connection like a store's. */
static void
bare_open(struct store *bare)
{
        *bare = (struct store){.path = path};
        ck_assert_int_eq(sqlite3_open(path, &bare->db), SQLITE_OK);
}

static void
bare_close(struct store *bare)
{
        sqlite3_finalize(bare->rollback);
        for (size_t i = 0; i < QUERY_CACHE_MAX; i++)
                sqlite3_finalize(bare->prepared[i].stmt);
        ck_assert_int_eq(sqlite3_close(bare->db), SQLITE_OK);
}

static int
bare_number(struct store *bare, const char *sql)
{
        sqlite3_stmt *stmt;
        ck_assert_int_eq(sqlite3_prepare_v2(bare->db, sql, -1, &stmt, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
        int number = sqlite3_column_int(stmt, 0);
        sqlite3_finalize(stmt);
        return number;
}

START_TEST(migrations_take_exactly_the_steps_that_are_missing)
{
        struct store bare;
        for (unsigned from = 0; from <= ARRAY_SIZE(steps); from++) {
                unlink(path);
                bare_open(&bare);
                assert_ok(schema_migrate(&bare, steps, from, &err));
                ck_assert_int_eq(bare_number(&bare, "PRAGMA user_version"), (int)from);
                assert_ok(schema_check(&bare, steps, from, &err));
                assert_ok(schema_migrate(&bare, steps, ARRAY_SIZE(steps), &err));
                assert_ok(schema_check(&bare, steps, ARRAY_SIZE(steps), &err));
                ck_assert_int_eq(bare_number(&bare, "PRAGMA user_version"), 3);
                ck_assert_int_eq(bare_number(&bare, "SELECT count(*) FROM fruit WHERE colour = 'red'"), 1);
                bare_close(&bare);
        }
}
END_TEST

START_TEST(a_step_that_fails_leaves_the_version_before_it)
{
        struct store bare;
        const char *const bad[] = {steps[0], "CREATE TABLE vegetable(name TEXT); DROP TABLE no_such_table;"};
        bare_open(&bare);
        ck_assert_int_lt(schema_migrate(&bare, bad, 2, &err), 0);
        ck_assert_int_eq(bare_number(&bare, "PRAGMA user_version"), 1);
        assert_ok(schema_check(&bare, steps, 1, &err));
        assert_ok(schema_migrate(&bare, steps, 2, &err));
        bare_close(&bare);
}
END_TEST

/* The released version's own file: nothing of it is lost, and what it did not know is unknown. */
struct kept {
        unsigned rows;
        unsigned explained;
};

static int
keep_row(void *userdata, const struct ledger_row *row)
{
        struct kept *kept = userdata;
        static const char *const items[] = {"file:/srv/site/index.html", "file:/srv/site/old.html"};
        ck_assert_str_eq(row->item, items[kept->rows]);
        if (kept->rows == 0)
                ck_assert_str_eq(row->ack_by, "alice");
        else
                ck_assert(row->unobserved);
        kept->explained += row->cause != NULL;
        kept->rows++;
        return 0;
}

/* _i: the version that its own file was brought to before, by the steps of that version. */
START_TEST(a_store_of_an_older_version_is_brought_up_to_date)
{
        struct buf sql = {0}, delta = {0}, approvals = {0};
        char *text;
        size_t size;
        struct kept kept = {0};
        uint64_t records = 0;
        ck_assert_int_eq(file_read("tests/data/store/version_1.sql", 0, 65536, &sql, &err), 0);
        tamper(sql.data);
        buf_clear(&sql);
        for (int version = 2; version <= _i; version++)
                ck_assert_int_eq(buf_printf(&sql, "%s PRAGMA user_version = %d;",
                                         store_migrations[version - 1], version),
                        0);
        ck_assert_int_eq(buf_printf(&sql, "INSERT INTO baseline VALUES('host', 3, zeroblob(32), 5, 1, 0, "
                                          "'h', 'alice', 1, 5, x'6f6b');"
                                          "INSERT INTO part VALUES('host', 3, 0, x'746578740a');"),
                0);
        tamper(sql.data);
        buf_done(&sql);
        assert_ok(store_open(path, 0, &store, &err));
        assert_ok(store_baseline_get(store, "host", 0, &text, &size, &delta, &approvals, &err));
        ck_assert(size == 5 && memcmp(text, "text\n", 5) == 0);
        ck_assert(delta.size == 0 && approvals.size == 2 && memcmp(approvals.data, "ok", 2) == 0);
        free(text);
        buf_done(&delta);
        buf_done(&approvals);
        assert_ok(ledger_each(store, keep_row, &kept, &err));
        ck_assert_uint_eq(kept.rows, 2);
        ck_assert_uint_eq(kept.explained, 0);
        assert_ok(store_verify(store, &records, &err));
        ck_assert_uint_eq(records, 3);
        assert_ok(store_begin(store, &err));
        struct ledger_row row = {.baseline = "host",
                .item = "file:/srv/site/old.html",
                .change = "missing",
                .state = "open",
                .severity = "low",
                .attributes = "[]",
                .observed = "",
                .cause = "{}"};
        assert_ok(ledger_put(store, &row, &err));
        assert_ok(store_commit(store, &err));
        store_reopen();
        ck_assert_uint_eq(head_size(), 3);
}
END_TEST

START_TEST(an_empty_database_becomes_a_store_only_when_asked)
{
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        ck_assert_int_eq(store_open(path, 0, &store, &err), STORE_DAMAGED);
        assert_words("empty");
        assert_ok(store_open(path, STORE_CREATE, &store, &err));
        records_add(1);
}
END_TEST

START_TEST(a_store_of_a_newer_version_is_left_as_it_is)
{
        assert_ok(store_open(path, STORE_CREATE, &store, &err));
        records_add(1);
        store_close();
        tamper("PRAGMA user_version = 1000; CREATE TABLE more(x)");
        struct digest before = file_digest(path);
        ck_assert_int_eq(store_open(path, STORE_CREATE, &store, &err), STORE_NEWER);
        ck_assert_int_eq(store_open(path, STORE_READ_ONLY, &store, &err), STORE_NEWER);
        assert_words("newer");
        struct digest after = file_digest(path);
        ck_assert(digest_equal(&before, &after));
}
END_TEST

START_TEST(a_database_of_somebody_else_is_left_as_it_is)
{
        tamper("CREATE TABLE bookmarks(url TEXT); PRAGMA user_version = 1");
        struct digest before = file_digest(path);
        ck_assert_int_eq(store_open(path, STORE_CREATE, &store, &err), STORE_DAMAGED);
        assert_words("not a store of driftd");
        struct digest after = file_digest(path);
        ck_assert(digest_equal(&before, &after));
}
END_TEST

/* ---- transactions ---- */

START_TEST(what_was_committed_is_there_after_a_kill_and_the_rest_is_not)
{
        pid_t pid = fork();
        if (pid == 0) {
                NEED(store_open(path, STORE_CREATE, &store, &err) == 0);
                NEED(store_begin(store, &err) == 0);
                NEED(store_record(store, 1, "start", NULL, NULL, NULL, &err) == 0);
                NEED(store_value_put(store, "a", "1", &err) == 0);
                NEED(store_commit(store, &err) == 0);
                NEED(store_begin(store, &err) == 0);
                NEED(store_record(store, 2, "stop", NULL, NULL, NULL, &err) == 0);
                NEED(store_value_put(store, "a", "2", &err) == 0);
                raise(SIGKILL);
        }
        ck_assert(WIFSIGNALED(child_wait(pid)));
        assert_ok(store_open(path, 0, &store, &err));
        ck_assert_uint_eq(head_size(), 1);
        _cleanup_free_ char *value = NULL;
        assert_ok(store_value_get(store, "a", &value, &err));
        ck_assert_str_eq(value, "1");
        assert_ok(store_verify(store, NULL, &err));
}
END_TEST

START_TEST(a_rollback_takes_everything_back)
{
        uint64_t seq = 0;
        records_add(4);
        struct tree_head before, after;
        assert_ok(store_head(store, &before, &err));
        assert_ok(store_begin(store, &err));
        for (uint64_t size = 5; size < 8; size++) {
                record_add("drift", "file:/x", 1);
                ck_assert_uint_eq(head_size(), size); /* it counts what is not committed yet */
        }
        store_rollback(store);
        store_rollback(store);
        assert_ok(store_head(store, &after, &err));
        ck_assert_uint_eq(after.size, 4);
        ck_assert(digest_equal(&before.root, &after.root));
        assert_ok(store_begin(store, &err));
        assert_ok(store_record(store, 1, "drift", NULL, NULL, &seq, &err));
        assert_ok(store_commit(store, &err));
        ck_assert_uint_eq(seq, 5);
        assert_ok(store_verify(store, NULL, &err));
}
END_TEST

START_TEST(closing_takes_back_what_was_not_committed)
{
        assert_ok(store_begin(store, &err));
        record_add("drift", "file:/x", 1);
        store_reopen();
        ck_assert_uint_eq(head_size(), 0);
}
END_TEST

START_TEST(nothing_is_written_outside_of_a_transaction)
{
        struct ledger_row row = {
                "b", "i", "changed", "open", "high", 1, 1, 1, 1, false, "[]", "", NULL, NULL, 0, NULL, NULL};
        struct digest digest;
        digest_bytes("x", 1, &digest);
        ck_assert_int_eq(store_record(store, 1, "start", NULL, NULL, NULL, &err), -EINVAL);
        ck_assert_int_eq(ledger_put(store, &row, &err), -EINVAL);
        ck_assert_int_eq(ledger_remove(store, "b", "i", &err), -EINVAL);
        ck_assert_int_eq(store_value_put(store, "k", "v", &err), -EINVAL);
        ck_assert_int_eq(store_value_put(store, "k", NULL, &err), -EINVAL);
        ck_assert_int_eq(store_content_put(store, &digest, "x", 1, 1, &err), -EINVAL);
        ck_assert_int_eq(store_trust_put(store, 1, &digest, 1, true, "t", 1, NULL, 0, &err), -EINVAL);
        ck_assert_int_eq(store_baseline_retire(store, "b", &err), -EINVAL);
        ck_assert_int_eq(store_bodies_trim(store, 1, &err), -EINVAL);
        ck_assert_int_eq(store_commit(store, &err), -EINVAL);
}
END_TEST

START_TEST(transactions_do_not_nest)
{
        assert_ok(store_begin(store, &err));
        record_add("start", NULL, 1);
        ck_assert_int_eq(store_begin(store, &err), -EBUSY);
        assert_ok(store_commit(store, &err));
        ck_assert_uint_eq(head_size(), 1);
}
END_TEST

START_TEST(a_transaction_with_a_failed_write_cannot_be_committed)
{
        struct baseline_row row = {.name = "n", .generation = UINT64_MAX, .header = "", .signers = ""};
        assert_ok(store_begin(store, &err));
        record_add("start", NULL, 1);
        ck_assert_int_eq(store_baseline_put(store, &row, &(struct baseline_body){0}, "a", 1, &err), -E2BIG);
        ck_assert_int_eq(store_value_put(store, "k", "v", &err), -E2BIG);
        ck_assert_int_eq(store_commit(store, &err), -E2BIG);
        ck_assert_uint_eq(head_size(), 0);
        records_add(2);
        ck_assert_uint_eq(head_size(), 2);
}
END_TEST

START_TEST(lack_of_memory_is_told_and_passes)
{
        bool failed = false, done = false;
        records_add(3);
        for (sqlite3_int64 spare = 0; spare < 1 << 20 && !done; spare += 512) {
                int r = store_begin(store, &err);
                sqlite3_hard_heap_limit64(sqlite3_memory_used() + spare + 1);
                for (int i = 0; i < 8 && r == 0; i++)
                        r = store_record(store, 1, "drift", "file:/memory", NULL, NULL, &err);
                if (r == 0)
                        r = store_commit(store, &err);
                else
                        store_rollback(store);
                sqlite3_hard_heap_limit64(0);
                ck_assert_msg(r == 0 || r == -ENOMEM, "%d %s", r, err.text);
                failed |= r == -ENOMEM;
                done = r == 0;
                assert_ok(store_verify(store, NULL, &err));
        }
        ck_assert(failed && done);
        ck_assert_uint_eq(head_size(), 11);
}
END_TEST

/* ---- history ---- */

struct seen {
        uint64_t seqs[64];
        char *bodies[64], *items[64], *kinds[64];
        size_t n;
        size_t stop_after;
};

static int
see(void *userdata, const struct record *record)
{
        struct seen *seen = userdata;
        ck_assert_uint_lt(seen->n, ARRAY_SIZE(seen->seqs));
        seen->seqs[seen->n] = record->seq;
        seen->bodies[seen->n] = strdup(record->body);
        seen->items[seen->n] = record->item ? strdup(record->item) : NULL;
        seen->kinds[seen->n] = strdup(record->kind);
        return ++seen->n == seen->stop_after ? 77 : 0;
}

static void
seen_done(struct seen *seen)
{
        for (size_t i = 0; i < seen->n; i++) {
                free(seen->bodies[i]);
                free(seen->items[i]);
                free(seen->kinds[i]);
        }
        *seen = (struct seen){0};
}

/* The same query in pieces finds the same. */
static void
check_pieces(const struct record_query *whole, const char *wanted)
{
        for (uint64_t rows = 1; rows <= 4; rows++) {
                struct record_query query = *whole;
                char text[512] = "";
                size_t size = 0;
                query.rows_max = rows;
                query.limit = 3;
                assert_ok(store_records_narrow(store, &query, &err));
                do {
                        struct seen seen = {0};
                        assert_ok(store_records_some(store, &query, see, &seen, &query.after_seq, &err));
                        ck_assert_uint_le(seen.n, min_size(rows, 3));
                        for (size_t i = 0; i < seen.n; i++)
                                size += (size_t)snprintf(text + size, sizeof text - size, "%s%" PRIu64,
                                        size ? "," : "", seen.seqs[i]);
                        seen_done(&seen);
                } while (query.after_seq);
                ck_assert_msg(strcmp(text, wanted) == 0, "in pieces of %" PRIu64 ": %s and not %s", rows,
                        text, wanted);
        }
}

/* The seqs found, as text: "3,6,9". */
static const char *
found(const struct record_query *query)
{
        static char text[512];
        struct seen seen = {0};
        size_t size = 0;
        assert_ok(store_records(store, query, see, &seen, &err));
        text[0] = '\0';
        for (size_t i = 0; i < seen.n; i++)
                size += (size_t)snprintf(
                        text + size, sizeof text - size, "%s%" PRIu64, i ? "," : "", seen.seqs[i]);
        seen_done(&seen);
        if (!query->limit)
                check_pieces(query, text);
        return text;
}

START_TEST(a_record_is_the_json_that_the_manual_promises)
{
        struct seen seen = {0};
        char time[CLOCK_TEXT_MAX];
        _cleanup_json_ struct json *detail = json_make("{s:s,s:i}", "who", "al\"ice \xc3\xa9", "n", 7);
        clock_format(1795456800123, time);
        assert_ok(store_begin(store, &err));
        assert_ok(store_record(store, 1795456800123, "bless", "file:/a\\x20\"b\"", detail, NULL, &err));
        assert_ok(store_record(store, 1795456800123, "start", NULL, NULL, NULL, &err));
        assert_ok(store_commit(store, &err));
        assert_ok(store_records(store, &(struct record_query){0}, see, &seen, &err));

        _cleanup_json_ struct json *wanted = json_make("{s:i,s:s,s:s,s:s,s:O}", "seq", 1, "time", time,
                "kind", "bless", "item", "file:/a\\x20\"b\"", "detail", detail);
        _cleanup_buf_ struct buf text = {0};
        ck_assert_int_eq(json_write(wanted, &text), 0);
        ck_assert_str_eq(seen.bodies[0], text.data);
        ck_assert_ptr_nonnull(strstr(seen.bodies[0], "\"time\":\"2026-11-23T18:00:00.123Z\""));
        ck_assert_str_eq(seen.bodies[1], "{\"seq\":2,\"time\":\"2026-11-23T18:00:00.123Z\",\"kind\":"
                                         "\"start\",\"item\":null,\"detail\":{}}");
        seen_done(&seen);
}
END_TEST

START_TEST(the_head_is_that_of_the_records_bytes)
{
        struct seen seen = {0};
        struct merkle merkle = {0};
        struct digest leaf, root;
        struct tree_head head;
        records_add(20);
        assert_ok(store_records(store, &(struct record_query){0}, see, &seen, &err));
        for (size_t i = 0; i < seen.n; i++) {
                merkle_leaf(store->digester, seen.bodies[i], strlen(seen.bodies[i]), &leaf);
                merkle_append(&merkle, store->digester, &leaf);
        }
        merkle_root(&merkle, store->digester, &root);
        store_reopen();
        assert_ok(store_head(store, &head, &err));
        ck_assert_uint_eq(head.size, 20);
        ck_assert(digest_equal(&head.root, &root));
        seen_done(&seen);
}
END_TEST

START_TEST(an_empty_history_has_the_root_of_nothing)
{
        struct tree_head head;
        char hex[DIGEST_HEX_SIZE], *kind = NULL;
        int64_t time_ms;
        uint64_t count = 99;
        assert_ok(store_head(store, &head, &err));
        digest_hex(&head.root, hex);
        ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        ck_assert_uint_eq(head.size, 0);
        ck_assert_int_eq(store_last_record(store, &time_ms, &kind, &err), STORE_NONE);
        ck_assert_str_eq(found(&(struct record_query){0}), "");
        assert_ok(store_verify(store, &count, &err));
        ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(the_last_record_is_the_newest_by_number)
{
        _cleanup_free_ char *kind = NULL;
        int64_t time_ms = 0;
        assert_ok(store_begin(store, &err));
        record_add("start", NULL, 5000);
        record_add("heartbeat", NULL, 4000); /* the clock went back */
        assert_ok(store_commit(store, &err));
        assert_ok(store_last_record(store, &time_ms, &kind, &err));
        ck_assert_str_eq(kind, "heartbeat");
        ck_assert_int_eq(time_ms, 4000);
}
END_TEST

START_TEST(queries_find_what_fits_and_nothing_else)
{
        char folder_of[] = "file:/r", one[] = "file:/r/7", star[] = "file:/r/1*", none[] = "file:/r/70",
             all[] = "file:/**";
        char *two[] = {one, star}, *folder_only[] = {folder_of}, *one_only[] = {one}, *none_only[] = {none},
             *any[] = {all};
        records_add(15);
        static const struct {
                struct record_query query;
                const char *seqs;
        } plain[] = {
                {{0}, "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"},
                {{.until_ms = INT64_MAX}, "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"},
                {{.kind = "resolved"}, "3,6,9,12,15"},
                {{.kind = "bless"}, ""},
                {{.kind = "resolved", .after_seq = 6, .limit = 2}, "9,12"},
                {{.since_ms = 1003000, .until_ms = 1006000}, "3,4,5"},
                {{.since_ms = 1003000, .limit = 2}, "3,4"},
                {{.since_ms = 9999999}, ""},
                {{.until_ms = 1002000}, "1"},
                {{.after_seq = 13}, "14,15"},
                {{.after_seq = 15}, ""},
                {{.after_seq = UINT64_MAX}, ""},
                {{.limit = 1}, "1"},
        };
        for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
                ck_assert_msg(strcmp(found(&plain[i].query), plain[i].seqs) == 0, "query %zu: %s", i,
                        found(&plain[i].query));

        struct record_query query = {.items = one_only, .n_items = 1};
        ck_assert_str_eq(found(&query), "7");
        query = (struct record_query){.items = two, .n_items = 2};
        ck_assert_str_eq(found(&query), "1,7,11,12,13,14");
        query.kind = "resolved";
        ck_assert_str_eq(found(&query), "12");
        query = (struct record_query){.items = folder_only, .n_items = 1, .since_ms = 1004000};
        ck_assert_str_eq(found(&query), "4,6,7,8,9,11,12,13,14");
        query = (struct record_query){.items = any, .n_items = 1, .after_seq = 3, .limit = 2};
        ck_assert_str_eq(found(&query), "4,6");
        query = (struct record_query){.items = none_only, .n_items = 1};
        ck_assert_str_eq(found(&query), "");
}
END_TEST

START_TEST(many_candidates_are_found_as_few_are)
{
        char pattern[] = "file:/many", *items[] = {pattern};
        struct record_query query = {.items = items, .n_items = 1, .after_seq = 4997};
        assert_ok(store_begin(store, &err));
        for (int i = 0; i < 5000; i++)
                assert_ok(store_record(
                        store, 1, "drift", i % 2 ? "file:/many/x" : "file:/many/y", NULL, NULL, &err));
        assert_ok(store_commit(store, &err));
        ck_assert_str_eq(found(&query), "4998,4999,5000");
        query.after_seq = 0;
        query.limit = 3;
        ck_assert_str_eq(found(&query), "1,2,3");
        assert_ok(store_verify(store, NULL, &err));
}
END_TEST

START_TEST(a_clock_that_went_back_hides_no_record)
{
        assert_ok(store_begin(store, &err));
        record_add("start", NULL, 5000);
        record_add("start", NULL, 1000);
        record_add("start", NULL, 9000);
        record_add("start", NULL, 4000);
        assert_ok(store_commit(store, &err));
        ck_assert_str_eq(found(&(struct record_query){.since_ms = 4000, .until_ms = 6000}), "1,4");
        ck_assert_str_eq(found(&(struct record_query){.until_ms = 4000}), "2");
        assert_ok(store_verify(store, NULL, &err));
}
END_TEST

START_TEST(a_visit_that_says_stop_is_obeyed)
{
        struct seen seen = {.stop_after = 2};
        records_add(9);
        ck_assert_int_eq(store_records(store, &(struct record_query){0}, see, &seen, &err), 77);
        ck_assert_uint_eq(seen.n, 2);
        seen_done(&seen);
        records_add(1);
}
END_TEST

static int
write_in_visit(void *userdata, const struct record *record)
{
        (void)userdata;
        (void)record;
        return store_value_put(store, "k", "v", &err);
}

static int
ask_in_visit(void *userdata, const struct record *record)
{
        (void)record;
        *(size_t *)userdata += strlen(found(&(struct record_query){.limit = 1}));
        return 0;
}

START_TEST(a_visit_may_ask_but_not_write)
{
        size_t asked = 0;
        records_add(3);
        assert_ok(store_records(store, &(struct record_query){0}, ask_in_visit, &asked, &err));
        ck_assert_uint_eq(asked, 3);
        assert_ok(store_begin(store, &err));
        ck_assert_int_eq(store_records(store, &(struct record_query){0}, write_in_visit, NULL, &err), -EBUSY);
        assert_ok(store_value_put(store, "k", "v", &err));
        assert_ok(store_commit(store, &err));
}
END_TEST

START_TEST(an_item_may_hold_every_byte_escaped)
{
        struct seen seen = {0};
        char name[256];
        for (int i = 0; i < 255; i++)
                name[i] = (char)(i + 1);
        name[255] = '\0';
        _cleanup_free_ char *escaped = escape_new(name, 255), *item = NULL;
        ck_assert_int_gt(asprintf(&item, "file:/%s", escaped), 0);
        assert_ok(store_begin(store, &err));
        record_add("drift", item, 1);
        assert_ok(store_commit(store, &err));
        store_reopen();
        assert_ok(store_records(store, &(struct record_query){0}, see, &seen, &err));
        ck_assert_str_eq(seen.items[0], item);
        _cleanup_json_ struct json *body = NULL;
        assert_ok(json_parse(seen.bodies[0], strlen(seen.bodies[0]), &body, &err));
        ck_assert_str_eq(json_text(body, "item"), item);
        assert_ok(store_verify(store, NULL, &err));
        seen_done(&seen);
}
END_TEST

START_TEST(what_could_forge_a_leaf_is_refused)
{
        _cleanup_free_ char *long_item = malloc(STORE_ITEM_MAX + 2),
                            *long_text = malloc(STORE_DETAIL_MAX + 2);
        memset(long_item, 'a', STORE_ITEM_MAX + 1);
        long_item[STORE_ITEM_MAX + 1] = '\0';
        memset(long_text, 'a', STORE_DETAIL_MAX + 1);
        long_text[STORE_DETAIL_MAX + 1] = '\0';
        _cleanup_json_ struct json *long_detail = json_make("{s:s}", "x", long_text);
        assert_ok(store_begin(store, &err));
        ck_assert_int_eq(store_record(store, 1, "drift", "file:/a b", NULL, NULL, &err), -EINVAL);
        ck_assert_int_eq(store_record(store, 1, "drift", "file:/a\n", NULL, NULL, &err), -EINVAL);
        ck_assert_int_eq(store_record(store, 1, "drift", "file:/\xff", NULL, NULL, &err), -EINVAL);
        ck_assert_int_eq(store_record(store, 1, "dri\"ft", NULL, NULL, NULL, &err), -EINVAL);
        ck_assert_int_eq(store_record(store, 1, "", NULL, NULL, NULL, &err), -EINVAL);
        ck_assert_int_eq(store_record(store, 1, "drift", long_item, NULL, NULL, &err), -E2BIG);
        ck_assert_int_eq(store_record(store, 1, "drift", NULL, long_detail, NULL, &err), -E2BIG);
        long_item[STORE_ITEM_MAX] = '\0';
        record_add("drift", long_item, 1);
        assert_ok(store_commit(store, &err)); /* refusing is no failed write */
        ck_assert_uint_eq(head_size(), 1);
        assert_ok(store_verify(store, NULL, &err));
}
END_TEST

START_TEST(a_clock_out_of_this_world_can_be_recorded)
{
        assert_ok(store_begin(store, &err));
        record_add("clock_jump", NULL, INT64_MAX);
        record_add("clock_jump", NULL, INT64_MIN);
        record_add("clock_jump", NULL, -1);
        assert_ok(store_commit(store, &err));
        uint64_t count = 0;
        assert_ok(store_verify(store, &count, &err));
        ck_assert_uint_eq(count, 3);
}
END_TEST

/* ---- ledger ---- */

static int
ledger_see(void *userdata, const struct ledger_row *row)
{
        struct buf *text = userdata;
        return buf_printf(text,
                "%s %s %s %s %s %" PRIu64 " %" PRId64 " %" PRId64 " %" PRIu64 " %d %s [%s] %s %s %" PRId64
                " %s %s\n",
                row->baseline, row->item, row->change, row->state, row->severity, row->generation,
                row->first_seen_ms, row->last_change_ms, row->seq, row->unobserved, row->attributes,
                row->observed, row->ack_by ? row->ack_by : "-", row->ack_reason ? row->ack_reason : "-",
                row->ack_ms, row->cause ? row->cause : "-", row->who ? row->who : "-");
}

START_TEST(the_ledger_keeps_one_row_for_each_baseline_and_item)
{
        struct ledger_row row = {"host", "file:/b", "changed", "open", "high", 3, 10, 20, 7, true, "[1]",
                "abc", NULL, NULL, 0, "{}", "{1}"};
        _cleanup_buf_ struct buf text = {0};
        assert_ok(store_begin(store, &err));
        assert_ok(ledger_put(store, &row, &err));
        row.item = "file:/a";
        row.observed = "";
        assert_ok(ledger_put(store, &row, &err));
        row.baseline = "cis";
        assert_ok(ledger_put(store, &row, &err));
        row = (struct ledger_row){"host", "file:/b", "missing", "acknowledged", "low", 4, 10, 30, 9, false,
                "[]", "", "bob", "known", 40, NULL, NULL};
        assert_ok(ledger_put(store, &row, &err));
        assert_ok(ledger_remove(store, "cis", "file:/b", &err)); /* nothing there: harmless */
        assert_ok(store_commit(store, &err));
        store_reopen();
        assert_ok(ledger_each(store, ledger_see, &text, &err));
        ck_assert_str_eq(text.data,
                "cis file:/a changed open high 3 10 20 7 1 [1] [] - - 0 {} {1}\n"
                "host file:/a changed open high 3 10 20 7 1 [1] [] - - 0 {} {1}\n"
                "host file:/b missing acknowledged low 4 10 30 9 0 [] [] bob known 40 - -\n");
        assert_ok(store_begin(store, &err));
        assert_ok(ledger_remove(store, "host", "file:/b", &err));
        assert_ok(ledger_remove(store, "cis", "file:/a", &err));
        assert_ok(store_commit(store, &err));
        buf_clear(&text);
        assert_ok(ledger_each(store, ledger_see, &text, &err));
        ck_assert_str_eq(text.data, "host file:/a changed open high 3 10 20 7 1 [1] [] - - 0 {} {1}\n");
}
END_TEST

/* ---- baselines and trust ---- */

static struct buf delta; /* of the last text that was got */

/* delta NULL: none; else from what `from` is the whole text of. */
static void
baseline_add_from(const char *name, uint64_t generation, const void *text, size_t size, const char *from,
        const char *by)
{
        struct iovec pieces[2] = {
                {(void *)(uintptr_t)text, size / 3}, {(char *)(uintptr_t)text + size / 3, size - size / 3}};
        struct baseline_body body = {.text = pieces, .n = 2, .size = size, .delta = by};
        struct baseline_row row = {.name = name,
                .generation = generation,
                .applied_ms = 5,
                .header = "name x\n",
                .signers = "alice bob"};
        digest_bytes(text, size, &row.id);
        if (by) {
                body.delta_size = strlen(by);
                digest_bytes(from, strlen(from), &body.from);
        }
        assert_ok(store_begin(store, &err));
        assert_ok(store_baseline_put(store, &row, &body, "approval", 8, &err));
        assert_ok(store_commit(store, &err));
}

static void
baseline_add(const char *name, uint64_t generation, const void *text, size_t size)
{
        baseline_add_from(name, generation, text, size, NULL, NULL);
}

static int
baseline_see(void *userdata, const struct baseline_row *row)
{
        return buf_printf(userdata, "%s@%" PRIu64 "%s%s%s ", row->name, row->generation,
                row->active ? "*" : "", row->retired ? "r" : "", row->has_text ? "t" : "");
}

static const char *
baselines_shown(const char *name)
{
        static char shown[512];
        _cleanup_buf_ struct buf text = {0};
        assert_ok(store_baselines(store, name, baseline_see, &text, &err));
        snprintf(shown, sizeof shown, "%s", text.data ? text.data : "");
        return shown;
}

START_TEST(the_newest_generation_put_is_the_active_one)
{
        baseline_add("host", 1, "one", 3);
        baseline_add("host", 2, "two", 3);
        baseline_add("cis", 7, "seven", 5);
        store_reopen();
        ck_assert_str_eq(baselines_shown(NULL), "cis@7*t host@1t host@2*t ");
        ck_assert_str_eq(baselines_shown("host"), "host@1t host@2*t ");
        ck_assert_str_eq(baselines_shown("none"), "");
        _cleanup_free_ char *text = NULL;
        _cleanup_buf_ struct buf approvals = {0};
        size_t size = 0;
        assert_ok(store_baseline_get(store, "host", 0, &text, &size, &delta, &approvals, &err));
        ck_assert_str_eq(text, "two");
        ck_assert_uint_eq(size, 3);
        ck_assert_str_eq(approvals.data, "approval");
        free(steal_pointer(&text));
        assert_ok(store_baseline_get(store, "host", 1, &text, &size, &delta, NULL, &err));
        ck_assert_str_eq(text, "one");
}
END_TEST

START_TEST(a_generation_is_never_put_twice)
{
        struct baseline_row row = {.name = "host", .generation = 1, .header = "", .signers = ""};
        baseline_add("host", 1, "one", 3);
        assert_ok(store_begin(store, &err));
        ck_assert_int_eq(store_baseline_put(store, &row, &(struct baseline_body){0}, "", 0, &err), -EEXIST);
        store_rollback(store);
        _cleanup_free_ char *text = NULL;
        size_t size;
        assert_ok(store_baseline_get(store, "host", 1, &text, &size, &delta, NULL, &err));
        ck_assert_str_eq(text, "one");
}
END_TEST

START_TEST(a_retired_baseline_is_kept_but_not_active)
{
        char *text = NULL;
        size_t size;
        baseline_add("host", 1, "one", 3);
        assert_ok(store_begin(store, &err));
        assert_ok(store_baseline_retire(store, "host", &err));
        ck_assert_int_eq(store_baseline_retire(store, "host", &err), STORE_NONE);
        assert_ok(store_commit(store, &err));
        ck_assert_str_eq(baselines_shown(NULL), "host@1rt ");
        ck_assert_int_eq(store_baseline_get(store, "host", 0, &text, &size, &delta, NULL, &err), STORE_NONE);
        assert_words("active");
        ck_assert_int_eq(store_baseline_get(store, "host", 9, &text, &size, &delta, NULL, &err), STORE_NONE);
        assert_words("generation 9");
        ck_assert_ptr_null(text);
}
END_TEST

START_TEST(a_large_baseline_comes_back_byte_for_byte)
{
        size_t size = (3 << 20) + 12345, got_size = 0;
        _cleanup_free_ char *text = malloc(size), *got = NULL;
        for (size_t i = 0; i < size; i++)
                text[i] = (char)(i * 31 + (i >> 12));
        baseline_add("host", 1, text, size);
        baseline_add("empty", 1, "", 0);
        baseline_add("even", 1, text, 2 << 20);
        store_reopen();
        assert_ok(store_baseline_get(store, "host", 0, &got, &got_size, &delta, NULL, &err));
        ck_assert_uint_eq(got_size, size);
        ck_assert_mem_eq(got, text, size);
        free(steal_pointer(&got));
        assert_ok(store_baseline_get(store, "even", 0, &got, &got_size, &delta, NULL, &err));
        ck_assert_uint_eq(got_size, 2 << 20);
        free(steal_pointer(&got));
        assert_ok(store_baseline_get(store, "empty", 0, &got, &got_size, &delta, NULL, &err));
        ck_assert_uint_eq(got_size, 0);
}
END_TEST

START_TEST(old_bodies_are_dropped_but_never_headers_nor_the_active_one)
{
        char *text = NULL;
        size_t size;
        _cleanup_buf_ struct buf approvals = {0};
        for (uint64_t generation = 1; generation <= 4; generation++)
                baseline_add("host", generation, "text", 4);
        baseline_add("cis", 1, "text", 4);
        assert_ok(store_begin(store, &err));
        assert_ok(store_bodies_trim(store, 2, &err));
        assert_ok(store_commit(store, &err));
        store_reopen();
        ck_assert_str_eq(baselines_shown(NULL), "cis@1*t host@1 host@2 host@3t host@4*t ");
        ck_assert_int_eq(
                store_baseline_get(store, "host", 2, &text, &size, &delta, &approvals, &err), STORE_NONE);
        assert_words("dropped");
        ck_assert_uint_eq(approvals.size, 0);
        assert_ok(store_baseline_get(store, "host", 2, NULL, NULL, NULL, &approvals, &err));
        ck_assert_str_eq(approvals.data, "approval");
        assert_ok(store_begin(store, &err));
        assert_ok(store_bodies_trim(store, 0, &err));
        assert_ok(store_commit(store, &err));
        ck_assert_str_eq(baselines_shown(NULL), "cis@1*t host@1 host@2 host@3 host@4*t ");
}
END_TEST

static const char long_body[] = "0123456789012345678901234567890123456789012345678901234567890123456789";
static const char other_body[] = "1123456789012345678901234567890123456789012345678901234567890123456789";
static const char third_body[] = "2123456789012345678901234567890123456789012345678901234567890123456789";

static void
assert_body(uint64_t generation, const char *wanted, const char *wanted_delta)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        assert_ok(store_baseline_get(store, "host", generation, &text, &size, &delta, NULL, &err));
        ck_assert_str_eq(text, wanted);
        ck_assert_uint_eq(size, strlen(wanted));
        if (wanted_delta)
                ck_assert_str_eq(delta.data, wanted_delta);
        else
                ck_assert_uint_eq(delta.size, 0);
        buf_done(&delta);
}

START_TEST(a_generation_is_kept_as_a_small_delta_from_a_whole_text)
{
        size_t size = sizeof long_body - 1;
        baseline_add("host", 1, long_body, size);
        baseline_add_from("host", 2, other_body, size, long_body, "delta b");
        baseline_add_from("host", 3, third_body, size, long_body, "delta c");
        store_reopen();
        assert_body(1, long_body, NULL);
        assert_body(2, long_body, "delta b");
        assert_body(0, long_body, "delta c");
}
END_TEST

/* From what is not here, from what is a delta itself, from another name's, and one that is not small. */
START_TEST(a_delta_that_has_no_whole_text_or_is_large_is_kept_as_the_text)
{
        size_t size = sizeof long_body - 1;
        baseline_add("web", 1, long_body, size);
        baseline_add_from("host", 1, other_body, size, long_body, "delta");
        assert_body(0, other_body, NULL);
        baseline_add_from("host", 2, long_body, size, other_body, "delta");
        assert_body(0, other_body, "delta");
        baseline_add_from("host", 3, third_body, size, long_body, "delta");
        assert_body(0, third_body, NULL);
        baseline_add_from("host", 4, long_body + 1, size - 1, other_body, "a long delta");
        assert_body(0, long_body + 1, NULL);
}
END_TEST

START_TEST(the_text_of_a_delta_is_kept_as_long_as_the_delta)
{
        size_t size = sizeof long_body - 1;
        baseline_add("host", 1, long_body, size);
        baseline_add_from("host", 2, other_body, size, long_body, "delta b");
        baseline_add_from("host", 3, third_body, size, long_body, "delta c");
        assert_ok(store_begin(store, &err));
        assert_ok(store_bodies_trim(store, 1, &err));
        assert_ok(store_commit(store, &err));
        ck_assert_str_eq(baselines_shown(NULL), "host@1t host@2 host@3*t ");
        assert_body(0, long_body, "delta c");
        baseline_add("host", 4, "whole", 5);
        assert_ok(store_begin(store, &err));
        assert_ok(store_bodies_trim(store, 1, &err));
        assert_ok(store_bodies_trim(store, 1, &err));
        assert_ok(store_commit(store, &err));
        ck_assert_str_eq(baselines_shown(NULL), "host@1 host@2 host@3 host@4*t ");
}
END_TEST

START_TEST(a_delta_whose_text_is_gone_is_damage)
{
        size_t size = sizeof long_body - 1;
        char *text = NULL;
        baseline_add("host", 1, long_body, size);
        baseline_add_from("host", 2, other_body, size, long_body, "delta b");
        store = store_free(store);
        tamper("UPDATE baseline SET has_text = 0 WHERE generation = 1");
        assert_ok(store_open(path, 0, &store, &err));
        ck_assert_int_eq(
                store_baseline_get(store, "host", 2, &text, &size, &delta, NULL, &err), STORE_DAMAGED);
        assert_words("delta of");
        ck_assert_ptr_null(text);
}
END_TEST

START_TEST(the_newest_trust_file_is_the_one_in_force)
{
        struct digest one, two, id;
        uint64_t generation = 0;
        bool first_use = false;
        _cleanup_buf_ struct buf text = {0};
        digest_bytes("1", 1, &one);
        digest_bytes("2", 1, &two);
        ck_assert_int_eq(store_trust_get(store, &generation, &id, &text, &first_use, &err), STORE_NONE);
        assert_ok(store_begin(store, &err));
        assert_ok(store_trust_put(store, 1, &one, 5, true, "first", 5, NULL, 0, &err));
        assert_ok(store_commit(store, &err));
        assert_ok(store_trust_get(store, &generation, &id, &text, &first_use, &err));
        ck_assert(first_use && digest_equal(&id, &one));
        ck_assert_str_eq(text.data, "first");
        assert_ok(store_begin(store, &err));
        assert_ok(store_trust_put(store, 2, &two, 6, false, "second", 6, "signed", 6, &err));
        assert_ok(store_commit(store, &err));
        store_reopen();
        buf_clear(&text);
        assert_ok(store_trust_get(store, &generation, &id, &text, &first_use, &err));
        ck_assert(!first_use && digest_equal(&id, &two) && generation == 2);
        ck_assert_str_eq(text.data, "second");
}
END_TEST

/* ---- content ---- */

static struct digest
content_add(const void *body, size_t size, int64_t time_ms)
{
        struct digest digest;
        digest_bytes(body, size, &digest);
        assert_ok(store_content_put(store, &digest, body, size, time_ms, &err));
        return digest;
}

START_TEST(content_comes_back_by_its_digest)
{
        _cleanup_buf_ struct buf got = {0};
        struct digest other;
        assert_ok(store_begin(store, &err));
        struct digest hello = content_add("hello\0there", 11, 1), empty = content_add("", 0, 1);
        content_add("hello\0there", 11, 2);
        assert_ok(store_commit(store, &err));
        store_reopen();
        ck_assert(store_content_has(store, &hello) && store_content_has(store, &empty));
        assert_ok(store_content_get(store, &hello, &got, &err));
        ck_assert_uint_eq(got.size, 11);
        ck_assert_mem_eq(got.data, "hello\0there", 11);
        digest_bytes("other", 5, &other);
        ck_assert(!store_content_has(store, &other));
        ck_assert_int_eq(store_content_get(store, &other, &got, &err), STORE_NONE);
        ck_assert_uint_eq(got.size, 11);
}
END_TEST

START_TEST(content_must_be_what_its_digest_says)
{
        struct digest digest;
        _cleanup_buf_ struct buf got = {0};
        _cleanup_free_ char *large = calloc(1, STORE_CONTENT_MAX + 1);
        digest_bytes("right", 5, &digest);
        assert_ok(store_begin(store, &err));
        ck_assert_int_eq(store_content_put(store, &digest, "wrong", 5, 1, &err), -EINVAL);
        ck_assert_int_eq(store_content_put(store, &digest, large, STORE_CONTENT_MAX + 1, 1, &err), -EFBIG);
        content_add("right", 5, 1);
        assert_ok(store_commit(store, &err));
        store_close();
        tamper("UPDATE content SET body = x'00'");
        assert_ok(store_open(path, 0, &store, &err));
        ck_assert_int_eq(store_content_get(store, &digest, &got, &err), STORE_DAMAGED);
        ck_assert_uint_eq(got.size, 0);
}
END_TEST

START_TEST(past_its_bound_the_oldest_content_that_no_active_baseline_names_goes_first)
{
        enum { PIECES = 70 };
        static struct digest digests[PIECES];
        _cleanup_free_ char *body = malloc(STORE_CONTENT_MAX);
        _cleanup_buf_ struct buf active = {0}, old = {0};
        char hex[DIGEST_HEX_SIZE];
        memset(body, 'x', STORE_CONTENT_MAX);
        for (int i = 0; i < PIECES; i++) {
                snprintf(body, 32, "piece %02d", i);
                digest_bytes(body, STORE_CONTENT_MAX, &digests[i]);
        }
        /* The active baseline names the oldest piece, where two parts meet; an old one names the next. */
        digest_hex(&digests[0], hex);
        ck_assert_int_eq(buf_reserve(&active, (2 << 20)), 0);
        while (active.size < (1 << 20) - 20)
                buf_text(&active, "\n");
        buf_printf(&active, "file /a content=%s\n", hex);
        digest_hex(&digests[1], hex);
        buf_printf(&old, "file /b content=%s\n", hex);
        baseline_add("host", 1, old.data, old.size);
        baseline_add("host", 2, active.data, active.size);
        if (_i) { /* it is kept as what differs from that one */
                buf_text(&active, "file /c size=1\n");
                _cleanup_free_ char *from = strndup(active.data, active.size - strlen("file /c size=1\n"));
                baseline_add_from("host", 3, active.data, active.size, from, "file /c size=1\n");
                char *text;
                size_t size;
                assert_ok(store_baseline_get(store, "host", 0, &text, &size, &delta, NULL, &err));
                ck_assert_uint_gt(delta.size, 0);
                free(text);
        }

        assert_ok(store_begin(store, &err));
        for (int i = 0; i < PIECES; i++) {
                snprintf(body, 32, "piece %02d", i);
                assert_ok(store_content_put(store, &digests[i], body, STORE_CONTENT_MAX, 100 + i, &err));
        }
        assert_ok(store_commit(store, &err));
        int kept = 0;
        for (int i = 0; i < PIECES; i++)
                kept += store_content_has(store, &digests[i]);
        ck_assert_int_le(kept, 64);
        ck_assert_int_ge(kept, 56);
        ck_assert(store_content_has(store, &digests[0]));
        ck_assert(!store_content_has(store, &digests[1]));
        ck_assert(store_content_has(store, &digests[PIECES - 1]));
        store_reopen();
        assert_ok(store_begin(store, &err));
        for (int i = 0; i < PIECES; i++) {
                snprintf(body, 32, "again %02d", i);
                content_add(body, STORE_CONTENT_MAX, 300 + i);
        }
        assert_ok(store_commit(store, &err));
        ck_assert(store_content_has(store, &digests[0]));
        ck_assert(!store_content_has(store, &digests[PIECES - 1]));
}
END_TEST

START_TEST(the_bound_of_content_holds_after_a_rollback)
{
        _cleanup_free_ char *body = calloc(1, STORE_CONTENT_MAX);
        assert_ok(store_begin(store, &err));
        struct digest kept = content_add("kept", 4, 1);
        assert_ok(store_commit(store, &err));
        for (int round = 0; round < 3; round++) {
                assert_ok(store_begin(store, &err));
                for (int i = 0; i < 40; i++) {
                        snprintf(body, 32, "%d %d", round, i);
                        content_add(body, STORE_CONTENT_MAX, 10);
                }
                ck_assert(store_content_has(store, &kept)); /* 40 of 64: what was taken back does not count */
                store_rollback(store);
        }
        assert_ok(store_begin(store, &err));
        content_add("more", 4, 20);
        assert_ok(store_commit(store, &err));
        ck_assert(store_content_has(store, &kept));
}
END_TEST

/* ---- values ---- */

static int
value_see(void *userdata, const char *key, const char *value)
{
        return buf_printf(userdata, "%s=%s ", key, value);
}

START_TEST(values_are_put_replaced_listed_and_removed)
{
        _cleanup_free_ char *value = NULL;
        _cleanup_buf_ struct buf text = {0};
        assert_ok(store_begin(store, &err));
        assert_ok(store_value_put(store, "growing:b", "2", &err));
        assert_ok(store_value_put(store, "growing:a", "1", &err));
        assert_ok(store_value_put(store, "growing:a", "one \xff\x01", &err));
        assert_ok(store_value_put(store, "growinf", "x", &err));
        assert_ok(store_value_put(store, "growini", "y", &err));
        assert_ok(store_value_put(store, "gone", "z", &err));
        assert_ok(store_value_put(store, "gone", NULL, &err));
        assert_ok(store_value_put(store, "never", NULL, &err));
        assert_ok(store_commit(store, &err));
        store_reopen();
        assert_ok(store_value_get(store, "growing:a", &value, &err));
        ck_assert_str_eq(value, "one \xff\x01");
        free(steal_pointer(&value));
        ck_assert_int_eq(store_value_get(store, "gone", &value, &err), STORE_NONE);
        assert_ok(store_values_each(store, "growing:", value_see, &text, &err));
        ck_assert_str_eq(text.data, "growing:a=one \xff\x01 growing:b=2 ");
        buf_clear(&text);
        assert_ok(store_values_each(store, "", value_see, &text, &err));
        ck_assert_ptr_nonnull(strstr(text.data, "growini=y"));
}
END_TEST

/* ---- backup and reading copies ---- */

static char copy[128];

START_TEST(a_backup_is_one_file_that_verifies)
{
        struct stat st;
        char wal[160];
        uint64_t count = 0;
        umask(0);
        snprintf(copy, sizeof copy, "%s/copy %%?#.db", folder);
        records_add(50);
        baseline_add("host", 1, "text", 4);
        assert_ok(store_backup(store, copy, &err));
        records_add(5);
        ck_assert_int_eq(stat(copy, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0600);
        static const char *const suffixes[] = {"-wal", "-journal", "-shm"};
        for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
                snprintf(wal, sizeof wal, "%s%s", copy, suffixes[i]);
                ck_assert_int_eq(access(wal, F_OK), -1);
        }
        store_close();
        char header[20];
        _cleanup_fd_ int fd = open(copy, O_RDONLY | O_CLOEXEC);
        ck_assert_int_eq(read(fd, header, sizeof header), (ssize_t)sizeof header);
        ck_assert(header[18] == 1 &&
                  header[19] == 1); /* the file format's versions: no write-ahead log wanted */
        assert_ok(store_open(copy, STORE_READ_ONLY, &store, &err));
        assert_ok(store_verify(store, &count, &err));
        ck_assert_uint_eq(count, 50);
        ck_assert_str_eq(baselines_shown(NULL), "host@1*t ");
        store_close();
        assert_ok(store_open(copy, 0, &store, &err)); /* and can be put in the store's place */
        records_add(1);
        assert_ok(store_verify(store, &count, &err));
        ck_assert_uint_eq(count, 51);
}
END_TEST

START_TEST(a_backup_goes_over_nothing_that_is_there)
{
        struct stat st;
        snprintf(copy, sizeof copy, "%s/copy.db", folder);
        ck_assert_int_eq(symlink("/nowhere", copy), 0);
        ck_assert_int_eq(store_backup(store, copy, &err), -EEXIST);
        ck_assert_int_eq(lstat(copy, &st), 0);
        ck_assert_int_eq(store_backup(store, path, &err), -EEXIST);
        records_add(1);
        snprintf(copy, sizeof copy, "%s/none/copy.db", folder);
        ck_assert_int_eq(store_backup(store, copy, &err), -ENOENT);
}
END_TEST

START_TEST(a_backup_holds_nothing_that_is_not_committed)
{
        snprintf(copy, sizeof copy, "%s/copy.db", folder);
        assert_ok(store_begin(store, &err));
        record_add("start", NULL, 1);
        ck_assert_int_eq(store_backup(store, copy, &err), -EBUSY);
        ck_assert_int_eq(access(copy, F_OK), -1);
        assert_ok(store_commit(store, &err));
}
END_TEST

START_TEST(a_store_open_for_reading_is_not_written)
{
        records_add(3);
        store_close();
        ck_assert_int_eq(chmod(path, 0400), 0);
        struct digest before = file_digest(path);
        assert_ok(store_open(path, STORE_READ_ONLY, &store, &err));
        ck_assert_int_eq(store_begin(store, &err), -EROFS);
        assert_ok(store_verify(store, NULL, &err));
        ck_assert_str_eq(found(&(struct record_query){.kind = "resolved"}), "3");
        store_close();
        struct digest after = file_digest(path);
        ck_assert(digest_equal(&before, &after));
        struct inode_id own[4];
        ck_assert_uint_eq(store_own_files(path, own), 1);
}
END_TEST

START_TEST(a_copy_with_its_log_is_read_whole_and_left_as_it_is)
{
        char wal[128];
        uint64_t count = 0;
        snprintf(wal, sizeof wal, "%s-wal", path);
        pid_t pid = fork();
        if (pid == 0) {
                NEED(store_open(path, STORE_CREATE, &store, &err) == 0);
                for (int i = 0; i < 5; i++) {
                        NEED(store_begin(store, &err) == 0);
                        NEED(store_record(store, 1, "start", NULL, NULL, NULL, &err) == 0);
                        NEED(store_commit(store, &err) == 0);
                }
                raise(SIGKILL); /* the log is not written back */
        }
        ck_assert(WIFSIGNALED(child_wait(pid)));
        struct digest before = file_digest(path), wal_before = file_digest(wal);
        assert_ok(store_open(path, STORE_READ_ONLY, &store, &err));
        assert_ok(store_verify(store, &count, &err));
        ck_assert_uint_eq(count, 5);
        store_close();
        struct digest after = file_digest(path), wal_after = file_digest(wal);
        ck_assert(digest_equal(&before, &after) && digest_equal(&wal_before, &wal_after));
        assert_ok(store_open(path, 0, &store, &err));
        ck_assert_uint_eq(head_size(), 5);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("store");
        TCase *opening = tcase_create("opening"), *open = tcase_create("open");
        tcase_add_checked_fixture(opening, folder_setup, store_teardown);
        tcase_add_checked_fixture(open, store_setup, store_teardown);
        tcase_set_timeout(open, 120);

        tcase_add_test(opening, a_missing_store_is_made_only_when_asked);
        tcase_add_test(opening, the_files_of_a_store_are_for_its_owner_alone_and_only_two);
        tcase_add_test(opening, a_link_in_place_of_the_store_is_refused);
        tcase_add_test(opening, a_link_in_place_of_the_log_is_refused);
        tcase_add_test(opening, a_link_above_the_store_is_followed);
        tcase_add_test(opening, what_is_no_file_is_refused);
        tcase_add_test(opening, the_connection_is_set_as_the_design_says);
        tcase_add_test(opening, a_second_program_is_told_at_once_that_the_store_is_busy);
        tcase_add_test(opening, a_second_opening_in_one_program_is_busy_and_leaves_the_lock);
        tcase_add_test(opening, an_ended_program_leaves_no_lock_behind);
        tcase_add_test(opening, own_files_are_told_by_their_inodes);
        tcase_add_loop_test(opening, a_store_of_an_older_version_is_brought_up_to_date, 1, STORE_SCHEMA);
        tcase_add_test(opening, migrations_take_exactly_the_steps_that_are_missing);
        tcase_add_test(opening, a_step_that_fails_leaves_the_version_before_it);
        tcase_add_test(opening, an_empty_database_becomes_a_store_only_when_asked);
        tcase_add_test(opening, a_store_of_a_newer_version_is_left_as_it_is);
        tcase_add_test(opening, a_database_of_somebody_else_is_left_as_it_is);
        tcase_add_test(opening, what_was_committed_is_there_after_a_kill_and_the_rest_is_not);
        tcase_add_test(opening, a_copy_with_its_log_is_read_whole_and_left_as_it_is);

        tcase_add_test(open, a_rollback_takes_everything_back);
        tcase_add_test(open, closing_takes_back_what_was_not_committed);
        tcase_add_test(open, nothing_is_written_outside_of_a_transaction);
        tcase_add_test(open, transactions_do_not_nest);
        tcase_add_test(open, a_transaction_with_a_failed_write_cannot_be_committed);
        tcase_add_test(open, lack_of_memory_is_told_and_passes);
        tcase_add_test(open, a_record_is_the_json_that_the_manual_promises);
        tcase_add_test(open, the_head_is_that_of_the_records_bytes);
        tcase_add_test(open, an_empty_history_has_the_root_of_nothing);
        tcase_add_test(open, the_last_record_is_the_newest_by_number);
        tcase_add_test(open, queries_find_what_fits_and_nothing_else);
        tcase_add_test(open, many_candidates_are_found_as_few_are);
        tcase_add_test(open, a_clock_that_went_back_hides_no_record);
        tcase_add_test(open, a_visit_that_says_stop_is_obeyed);
        tcase_add_test(open, a_visit_may_ask_but_not_write);
        tcase_add_test(open, an_item_may_hold_every_byte_escaped);
        tcase_add_test(open, what_could_forge_a_leaf_is_refused);
        tcase_add_test(open, a_clock_out_of_this_world_can_be_recorded);
        tcase_add_test(open, the_ledger_keeps_one_row_for_each_baseline_and_item);
        tcase_add_test(open, the_newest_generation_put_is_the_active_one);
        tcase_add_test(open, a_generation_is_never_put_twice);
        tcase_add_test(open, a_retired_baseline_is_kept_but_not_active);
        tcase_add_test(open, a_large_baseline_comes_back_byte_for_byte);
        tcase_add_test(open, old_bodies_are_dropped_but_never_headers_nor_the_active_one);
        tcase_add_test(open, a_generation_is_kept_as_a_small_delta_from_a_whole_text);
        tcase_add_test(open, a_delta_that_has_no_whole_text_or_is_large_is_kept_as_the_text);
        tcase_add_test(open, the_text_of_a_delta_is_kept_as_long_as_the_delta);
        tcase_add_test(open, a_delta_whose_text_is_gone_is_damage);
        tcase_add_test(open, the_newest_trust_file_is_the_one_in_force);
        tcase_add_test(open, content_comes_back_by_its_digest);
        tcase_add_test(open, content_must_be_what_its_digest_says);
        tcase_add_loop_test(
                open, past_its_bound_the_oldest_content_that_no_active_baseline_names_goes_first, 0, 2);
        tcase_add_test(open, the_bound_of_content_holds_after_a_rollback);
        tcase_add_test(open, values_are_put_replaced_listed_and_removed);
        tcase_add_test(open, a_backup_is_one_file_that_verifies);
        tcase_add_test(open, a_backup_goes_over_nothing_that_is_there);
        tcase_add_test(open, a_backup_holds_nothing_that_is_not_committed);
        tcase_add_test(open, a_store_open_for_reading_is_not_written);
        suite_add_tcase(suite, opening);
        suite_add_tcase(suite, open);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
