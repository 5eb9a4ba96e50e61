/* SPDX-License-Identifier: MIT */
/* A store that somebody else wrote to: what verify names, and what opening refuses. */
#include "store_fixture.h"

#define RECORDS 10

/* ---- the history ---- */

static const struct {
        const char *what, *sql;
        unsigned seq; /* the first that is wrong */
} edits[] = {
        {"body", "UPDATE record SET body = replace(body, 'test', 'TEST') WHERE seq = 4", 4},
        {"last body", "UPDATE record SET body = replace(body, 'test', 'TEST') WHERE seq = 10", 10},
        {"detail made longer", "UPDATE record SET body = replace(body, '}}', ',\"a\":1}}') WHERE seq = 4", 4},
        {"body emptied", "UPDATE record SET body = '' WHERE seq = 4", 4},
        {"two bodies", "UPDATE record SET body = replace(body, 'test', 'TEST') WHERE seq IN (6, 3)", 3},
        {"time", "UPDATE record SET time_ms = time_ms + 1 WHERE seq = 4", 4},
        {"kind", "UPDATE record SET kind = 'bless' WHERE seq = 4", 4},
        {"item", "UPDATE record SET item = 'file:/other' WHERE seq = 4", 4},
        {"item taken out", "UPDATE record SET item = NULL WHERE seq = 4", 4},
        {"item put in", "UPDATE record SET item = 'file:/other' WHERE seq = 5", 5},
        {"item and body",
                "UPDATE record SET item = 'file:/s', body = replace(body, 'file:/r/4', 'file:/s') WHERE seq "
                "= 4",
                4},
        {"first deleted", "DELETE FROM record WHERE seq = 1", 1},
        {"deleted in the middle", "DELETE FROM record WHERE seq = 4", 4},
        {"cut at the end", "DELETE FROM record WHERE seq > 7", 8},
        {"all deleted", "DELETE FROM record", 1},
        {"deleted and closed up",
                "DELETE FROM record WHERE seq = 4; UPDATE record SET seq = -seq WHERE seq > 4;"
                "UPDATE record SET seq = -seq - 1 WHERE seq < 0",
                4},
        {"cut with the head",
                "DELETE FROM record WHERE seq > 8;"
                "UPDATE head SET size = 8, root = (SELECT root FROM record WHERE seq = 8)",
                9},
        {"cut with the head and a frontier",
                "DELETE FROM record WHERE seq > 8;"
                "UPDATE head SET size = 8, root = (SELECT root FROM record WHERE seq = 8),"
                " frontier = zeroblob(32)",
                8},
        {"re-ordered by number",
                "UPDATE record SET seq = 99 WHERE seq = 4; UPDATE record SET seq = 4 WHERE seq = 6;"
                "UPDATE record SET seq = 6 WHERE seq = 99",
                4},
        {"re-ordered by text",
                "UPDATE record SET body = replace(body, 'file:/r/6', 'file:/r/4'), item = 'file:/r/4' WHERE "
                "seq = 6;"
                "UPDATE record SET body = replace(body, 'file:/r/4', 'file:/r/6'), item = 'file:/r/6' WHERE "
                "seq = 4",
                4},
        {"root", "UPDATE record SET root = zeroblob(32) WHERE seq = 4", 4},
        {"root of another record",
                "UPDATE record SET root = (SELECT root FROM record WHERE seq = 5) WHERE seq = 4", 4},
        {"root too short", "UPDATE record SET root = x'00' WHERE seq = 4", 4},
        {"added at the end",
                "INSERT INTO record SELECT 11, time_ms, kind, item, replace(body, '\"seq\":10', "
                "'\"seq\":11'), root"
                " FROM record WHERE seq = 10",
                11},
        {"added before the first",
                "INSERT INTO record SELECT 0, time_ms, kind, item, body, root FROM record WHERE seq = 1", 1},
        {"head's root", "UPDATE head SET root = zeroblob(32)", 10},
        {"head's size", "UPDATE head SET size = 9", 10},
        {"head's frontier", "UPDATE head SET frontier = zeroblob(64)", 10},
        {"head's frontier too short", "UPDATE head SET frontier = x''", 11},
        {"head deleted", "DELETE FROM head", 11},
};

/* As store_verify, and in slices of a few rows too: the answer and its words must be the same. */
static int
verify_every_way(uint64_t *ret_records)
{
        struct err first = {0};
        int r = store_verify(store, ret_records, &first);
        for (uint64_t rows = 1; rows < 8; rows += 3) {
                _cleanup_(store_verifier_freep) struct store_verifier *verifier = NULL;
                uint64_t records = 0;
                bool done = false;
                err = (struct err){0};
                int slices = store_verify_begin(store, &verifier, &err);
                while (slices == 0 && !done)
                        slices = store_verify_some(verifier, rows, &done, &records, &err);
                ck_assert_int_eq(slices, r);
                ck_assert_str_eq(err.text, first.text);
                ck_assert(r || !ret_records || records == *ret_records);
        }
        err = first;
        return r;
}

START_TEST(records_may_come_while_it_verifies)
{
        _cleanup_(store_verifier_freep) struct store_verifier *verifier = NULL;
        uint64_t records = 0;
        bool done = false;
        records_add(RECORDS);
        assert_ok(store_verify_begin(store, &verifier, &err));
        for (unsigned slice = 0; !done; slice++) {
                assert_ok(store_verify_some(verifier, RECORDS / 2, &done, &records, &err));
                if (slice < 8)
                        records_add(1);
        }
        ck_assert_uint_gt(records, RECORDS);
        ck_assert_uint_lt(records, RECORDS + 8); /* the last ones came when the indices were looked at */
}
END_TEST

START_TEST(verify_names_the_first_record_that_is_wrong)
{
        char wanted[32];
        uint64_t count = 99;
        records_add(RECORDS);
        store_close();
        tamper(edits[_i].sql);
        assert_ok(store_open(path, 0, &store, &err));
        int r = verify_every_way(&count);
        ck_assert_msg(r == STORE_TAMPERED, "%s: %d %s", edits[_i].what, r, err.text);
        snprintf(wanted, sizeof wanted, "record %u ", edits[_i].seq);
        ck_assert_msg(strstr(err.text, wanted), "%s: %s", edits[_i].what, err.text);
        ck_assert_uint_eq(count, 99);
}
END_TEST

START_TEST(an_untouched_history_verifies)
{
        uint64_t count = 0;
        records_add(RECORDS);
        assert_ok(verify_every_way(&count));
        ck_assert_uint_eq(count, RECORDS);
        store_reopen();
        records_add(RECORDS);
        assert_ok(verify_every_way(&count));
        ck_assert_uint_eq(count, 2 * RECORDS);
}
END_TEST

START_TEST(a_time_that_no_text_can_tell_apart_is_not_let_pass)
{
        assert_ok(store_begin(store, &err));
        record_add("clock_jump", NULL, INT64_MAX);
        assert_ok(store_commit(store, &err));
        store_close();
        tamper("UPDATE record SET time_ms = time_ms + 1");
        assert_ok(store_open(path, 0, &store, &err));
        ck_assert_int_eq(verify_every_way(NULL), STORE_TAMPERED);
        assert_words("record 1 ");
}
END_TEST

static const char *const index_names[] = {"record_time", "record_kind", "record_item"};

/* Takes record 4 out of one index, and leaves everything else as it was. */
static void
index_tamper(const char *name, bool edit)
{
        char sql[1024];
        snprintf(sql, sizeof sql,
                "ATTACH '%s/side.db' AS side; CREATE TABLE side.line AS SELECT * FROM record WHERE seq = 4;"
                "CREATE TABLE side.object AS SELECT * FROM main.sqlite_schema WHERE name = '%s';"
                "DELETE FROM record WHERE seq = 4; %s PRAGMA writable_schema = ON; DELETE FROM sqlite_schema "
                "WHERE name = '%s'",
                folder, name,
                edit ? "INSERT INTO record SELECT seq, time_ms + 1, 'bless', 'file:/z', body, root FROM "
                       "side.line;"
                     : "",
                name);
        tamper(sql);
        snprintf(sql, sizeof sql,
                "ATTACH '%s/side.db' AS side; DELETE FROM record WHERE seq = 4; INSERT INTO record SELECT * "
                "FROM side.line;"
                "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema SELECT * FROM side.object",
                folder);
        tamper(sql);
}

static void
index_refused(int i)
{
        int r = store_open(path, 0, &store, &err);
        if (r == 0)
                r = verify_every_way(NULL);
        ck_assert_msg(r == STORE_TAMPERED || r == STORE_DAMAGED, "%s: %d", index_names[i],
                r); /* some SQLites see it at once */
        if (r == STORE_TAMPERED)
                assert_words(strchr(index_names[i], '_') + 1);
}

START_TEST(an_index_that_hides_a_record_is_found)
{
        records_add(RECORDS);
        store_close();
        index_tamper(index_names[_i], false);
        index_refused(_i);
}
END_TEST

START_TEST(an_index_that_misplaces_a_record_is_found)
{
        records_add(RECORDS);
        store_close();
        index_tamper(index_names[_i], true);
        index_refused(_i);
}
END_TEST

START_TEST(an_index_out_of_order_is_found)
{
        records_add(RECORDS);
        store_close();
        tamper("DROP INDEX record_item; CREATE INDEX record_item ON record(item DESC) WHERE item IS NOT NULL;"
               "PRAGMA writable_schema = ON;"
               "UPDATE sqlite_schema SET sql = replace(sql, ' DESC', '') WHERE name = 'record_item'");
        index_refused(2);
}
END_TEST

START_TEST(a_head_that_was_put_back_takes_no_record_over_another)
{
        records_add(RECORDS);
        store_close();
        tamper("UPDATE head SET size = 8, frontier = zeroblob(32)");
        assert_ok(store_open(path, 0, &store, &err));
        assert_ok(store_begin(store, &err));
        ck_assert_int_eq(store_record(store, 1, "start", NULL, NULL, NULL, &err), STORE_DAMAGED);
        ck_assert_int_eq(store_commit(store, &err), STORE_DAMAGED);
        ck_assert_int_eq(verify_every_way(NULL), STORE_TAMPERED);
}
END_TEST

START_TEST(a_history_without_a_head_takes_no_record)
{
        struct tree_head head;
        store_close();
        tamper("DELETE FROM head");
        assert_ok(store_open(path, 0, &store, &err));
        ck_assert_int_eq(store_head(store, &head, &err), STORE_DAMAGED);
        assert_ok(store_begin(store, &err));
        ck_assert_int_eq(store_record(store, 1, "start", NULL, NULL, NULL, &err), STORE_DAMAGED);
        store_rollback(store);
}
END_TEST

/* ---- the schema ---- */

static const struct {
        const char *sql, *named;
} schemas[] = {
        {"CREATE TRIGGER evil AFTER INSERT ON record BEGIN DELETE FROM ledger; END", "trigger \"evil\""},
        {"CREATE VIEW evil AS SELECT * FROM record", "view \"evil\""},
        {"CREATE TABLE evil(x)", "table \"evil\""},
        {"CREATE TABLE a(x)", "table \"a\""},
        {"CREATE TABLE zz(x)", "table \"zz\""},
        {"CREATE TABLE \"a b\nc\"(x)", "table \"a\\x20b\\x0ac\""},
        {"CREATE INDEX evil ON ledger(hex(item))", "index \"evil\""},
        {"CREATE VIRTUAL TABLE evil USING rtree(a, b, c)", "evil"},
        {"DROP INDEX record_item", "index \"record_item\" is missing"},
        {"DROP TABLE value", "\"value\""},
        {"DROP TABLE ledger; CREATE VIEW ledger AS SELECT * FROM record", "ledger"},
        {"ALTER TABLE value ADD COLUMN x TEXT AS (hex(key))", "table \"value\""},
        {"DROP TABLE head; CREATE TABLE head(one INTEGER PRIMARY KEY, size INTEGER NOT NULL CHECK(size < "
         "99), root BLOB NOT NULL,"
         " frontier BLOB NOT NULL) STRICT",
                "table \"head\""},
        {"ANALYZE", "sqlite_stat1"},
        {"PRAGMA application_id = 1", "not a store of driftd"},
        {"PRAGMA user_version = 0", "not a store of driftd"},
        {"PRAGMA user_version = -1", "not a store of driftd"},
};

START_TEST(a_schema_that_is_not_ours_is_refused_and_named)
{
        records_add(RECORDS);
        store_close();
        tamper(schemas[_i].sql);
        struct digest before = file_digest(path);
        ck_assert_int_eq(store_open(path, STORE_CREATE, &store, &err), STORE_DAMAGED);
        assert_words(schemas[_i].named);
        ck_assert_int_eq(store_open(path, STORE_READ_ONLY, &store, &err), STORE_DAMAGED);
        struct digest after = file_digest(path);
        ck_assert(digest_equal(&before, &after));
}
END_TEST

/* ---- nothing of it runs ---- */

static long ran;

static void
witness_run(sqlite3_context *context, int count, sqlite3_value **values)
{
        (void)count;
        (void)values;
        ran++;
        sqlite3_result_int(context, 1);
}

/* On every connection that is opened from now on, the store's too. */
static int
witness_add(sqlite3 *db, const char **words, const struct sqlite3_api_routines *api)
{
        (void)words;
        (void)api;
        return sqlite3_create_function_v2(
                db, "witness", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, witness_run, NULL, NULL, NULL);
}

#define WITNESS_TABLE(name, extra)                                                                           \
        "DROP TABLE " name "; CREATE TABLE " name "(one INTEGER PRIMARY KEY, size INTEGER NOT NULL, root"    \
        " BLOB NOT NULL, frontier BLOB NOT NULL" extra ") STRICT;"                                           \
        "INSERT INTO head(one, size, root, frontier) VALUES(1, 0, zeroblob(32), x'')"

static const char *const hostile[] = {
        "CREATE TRIGGER evil BEFORE INSERT ON record BEGIN SELECT witness(1); END",
        "CREATE TRIGGER evil AFTER UPDATE ON head BEGIN SELECT witness(1); END",
        "CREATE TRIGGER evil AFTER DELETE ON ledger BEGIN SELECT witness(1); END",
        "ALTER TABLE value RENAME TO hidden; CREATE VIEW value AS SELECT key, witness(value) AS value FROM "
        "hidden; CREATE TRIGGER evil INSTEAD OF INSERT ON value BEGIN SELECT witness(1); END",
        "ALTER TABLE record RENAME TO hidden; CREATE VIEW record AS SELECT *, witness(seq) FROM hidden",
        "ALTER TABLE ledger ADD COLUMN evil INTEGER AS (witness(generation)) VIRTUAL",
        WITNESS_TABLE("head", ", evil INTEGER AS (witness(size)) STORED"),
        WITNESS_TABLE("head", ", CHECK(witness(size))"),
        WITNESS_TABLE("head", ", evil INTEGER DEFAULT (witness(1))"),
        "CREATE INDEX evil ON record(witness(seq))",
        "CREATE INDEX evil ON record(seq) WHERE witness(seq)",
        "DROP INDEX record_kind; CREATE INDEX record_kind ON record(witness(kind))",
        "DROP INDEX record_item; CREATE INDEX record_item ON record(item) WHERE witness(item)",
        "CREATE UNIQUE INDEX evil ON value(witness(key))",
        /* The texts of the schema edited in place. */
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'size INTEGER NOT NULL', "
        "'size INTEGER NOT NULL CHECK(witness(size))') WHERE name = 'head'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'kind TEXT NOT NULL', "
        "'kind TEXT NOT NULL DEFAULT (witness(1))') WHERE name = 'record'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX record_time ON "
        "record(witness(time_ms))' WHERE name = 'record_time'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = NULL WHERE name = 'record_time'",
        "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES('trigger', 'evil', 'value', 0, "
        "'CREATE "
        "TRIGGER evil AFTER INSERT ON value BEGIN SELECT witness(1); END')",
};

START_TEST(a_hostile_schema_runs_nothing)
{
        records_add(RECORDS);
        store_close();
        ck_assert_int_eq(sqlite3_auto_extension((void (*)(void))witness_add), SQLITE_OK);
        tamper(hostile[_i]);
        ran = 0;
        int r = store_open(path, STORE_CREATE, &store, &err);
        ck_assert_msg(r == STORE_DAMAGED, "%s: %d", hostile[_i], r);
        ck_assert_int_eq(store_open(path, STORE_READ_ONLY, &store, &err), STORE_DAMAGED);
        sqlite3_reset_auto_extension();
        ck_assert_msg(ran == 0, "it ran %ld times: %s", ran, hostile[_i]);
}
END_TEST

/* That the witness would tell: anybody's connection runs it. */
START_TEST(a_hostile_schema_runs_for_others)
{
        sqlite3 *db;
        store_close();
        ck_assert_int_eq(sqlite3_auto_extension((void (*)(void))witness_add), SQLITE_OK);
        tamper(hostile[0]);
        ran = 0;
        ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
        sqlite3_exec(db, "INSERT INTO record VALUES(1, 1, 'x', NULL, '', x'')", NULL, NULL, NULL);
        sqlite3_close(db);
        sqlite3_reset_auto_extension();
        ck_assert_int_gt(ran, 0);
}
END_TEST

START_TEST(what_is_refused_stays_evidence_with_its_log)
{
        char wal[128];
        snprintf(wal, sizeof wal, "%s-wal", path);
        store_close();
        pid_t pid = fork();
        if (pid == 0) {
                sqlite3 *db;
                NEED(sqlite3_open(path, &db) == SQLITE_OK);
                NEED(sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE; CREATE VIEW evil AS SELECT 1", NULL,
                             NULL, NULL) == SQLITE_OK);
                _exit(0); /* without closing: it stands in the log only */
        }
        ck_assert_int_eq(child_wait(pid), 0);
        struct digest before = file_digest(path), wal_before = file_digest(wal);
        ck_assert_int_eq(store_open(path, STORE_CREATE, &store, &err), STORE_DAMAGED);
        assert_words("evil");
        struct digest after = file_digest(path), wal_after = file_digest(wal);
        ck_assert(digest_equal(&before, &after) && digest_equal(&wal_before, &wal_after));
}
END_TEST

START_TEST(a_trigger_would_not_run_even_if_it_were_let_in)
{
        sqlite3_stmt *stmt;
        sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
        ck_assert_int_eq(sqlite3_exec(store->db,
                                 "CREATE TRIGGER evil AFTER INSERT ON value BEGIN DELETE FROM record; END",
                                 NULL, NULL, NULL),
                SQLITE_OK);
        records_add(RECORDS);
        assert_ok(store_begin(store, &err));
        assert_ok(store_value_put(store, "k", "v", &err));
        assert_ok(store_commit(store, &err));
        ck_assert_int_eq(
                sqlite3_prepare_v2(store->db, "SELECT count(*) FROM record", -1, &stmt, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
        ck_assert_int_eq(sqlite3_column_int(stmt, 0), RECORDS);
        sqlite3_finalize(stmt);
}
END_TEST

START_TEST(a_row_of_the_wrong_type_is_damage)
{
        records_add(RECORDS);
        store_close();
        tamper("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, ' STRICT', '') "
               "WHERE name = 'record'");
        tamper("UPDATE record SET root = 17 WHERE seq = 4");
        tamper("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = sql || ' STRICT' WHERE name = "
               "'record'");
        ck_assert_int_eq(store_open(path, 0, &store, &err), STORE_DAMAGED);
        assert_words("quick_check");
}
END_TEST

START_TEST(another_encoding_is_refused)
{
        store_close();
        unlink(path);
        tamper("PRAGMA encoding = 'UTF-16le'; CREATE TABLE x(y); DROP TABLE x; PRAGMA application_id = "
               "1685218932;"
               "PRAGMA user_version = 1");
        ck_assert_int_eq(store_open(path, 0, &store, &err), STORE_DAMAGED);
        assert_words("encoding");
}
END_TEST

/* ---- damage ---- */

static void
bytes_write(off_t at, const char *bytes, size_t size)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(pwrite(fd, bytes, size, at), (ssize_t)size);
        close(fd);
}

START_TEST(what_is_no_database_is_damaged)
{
        store_close();
        unlink(path);
        char text[8192];
        memset(text, 'x', sizeof text);
        bytes_write(0, text, sizeof text);
        struct digest before = file_digest(path);
        ck_assert_int_eq(store_open(path, STORE_CREATE, &store, &err), STORE_DAMAGED);
        ck_assert_int_eq(store_open(path, STORE_READ_ONLY, &store, &err), STORE_DAMAGED);
        struct digest after = file_digest(path);
        ck_assert(digest_equal(&before, &after));
}
END_TEST

START_TEST(a_database_cut_short_is_damaged)
{
        struct stat st;
        records_add(500);
        store_close();
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_int_eq(truncate(path, st.st_size / 2), 0);
        ck_assert_int_eq(store_open(path, STORE_CREATE, &store, &err), STORE_DAMAGED);
}
END_TEST

START_TEST(every_page_overwritten_is_damage_or_tampering)
{
        char garbage[4096], kept[4096];
        struct stat st;
        memset(garbage, 0xa5, sizeof garbage);
        records_add(100);
        store_close();
        ck_assert_int_eq(stat(path, &st), 0);
        for (off_t at = 4096; at < st.st_size; at += 4096) {
                int fd = open(path, O_RDONLY | O_CLOEXEC);
                ck_assert_int_eq(pread(fd, kept, sizeof kept, at), (ssize_t)sizeof kept);
                close(fd);
                bytes_write(at, garbage, sizeof garbage);
                ck_assert_int_eq(store_open(path, STORE_CREATE, &store, &err), STORE_DAMAGED);
                bytes_write(at, kept, sizeof kept);
        }
        assert_ok(store_open(path, 0, &store, &err));
        assert_ok(verify_every_way(NULL));
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("store_tamper");
        TCase *cases = tcase_create("tampering");
        tcase_add_checked_fixture(cases, store_setup, store_teardown);
        tcase_set_timeout(cases, 60);
        tcase_add_test(cases, an_untouched_history_verifies);
        tcase_add_test(cases, records_may_come_while_it_verifies);
        tcase_add_loop_test(cases, verify_names_the_first_record_that_is_wrong, 0, (int)ARRAY_SIZE(edits));
        tcase_add_test(cases, a_time_that_no_text_can_tell_apart_is_not_let_pass);
        tcase_add_loop_test(cases, an_index_that_hides_a_record_is_found, 0, (int)ARRAY_SIZE(index_names));
        tcase_add_loop_test(
                cases, an_index_that_misplaces_a_record_is_found, 0, (int)ARRAY_SIZE(index_names));
        tcase_add_test(cases, an_index_out_of_order_is_found);
        tcase_add_test(cases, a_head_that_was_put_back_takes_no_record_over_another);
        tcase_add_test(cases, a_history_without_a_head_takes_no_record);
        tcase_add_loop_test(
                cases, a_schema_that_is_not_ours_is_refused_and_named, 0, (int)ARRAY_SIZE(schemas));
        tcase_add_loop_test(cases, a_hostile_schema_runs_nothing, 0, (int)ARRAY_SIZE(hostile));
        tcase_add_test(cases, a_hostile_schema_runs_for_others);
        tcase_add_test(cases, what_is_refused_stays_evidence_with_its_log);
        tcase_add_test(cases, a_trigger_would_not_run_even_if_it_were_let_in);
        tcase_add_test(cases, a_row_of_the_wrong_type_is_damage);
        tcase_add_test(cases, another_encoding_is_refused);
        tcase_add_test(cases, what_is_no_database_is_damaged);
        tcase_add_test(cases, a_database_cut_short_is_damaged);
        tcase_add_test(cases, every_page_overwritten_is_damage_or_tampering);
        suite_add_tcase(suite, cases);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
