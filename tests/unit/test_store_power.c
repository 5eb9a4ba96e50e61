/* SPDX-License-Identifier: MIT */
/*
 * The store on a disk that loses power (power_disk.h): at every sync of a whole life (making, records and
 * ledger, baselines, trimming, kept content, checkpoints, closing, opening again), images of what may be left
 * are opened as the real thing. Each must be whole, hold all that was announced, and nothing but that or the
 * one change that was under way. POWER_SEEDS says how many torn images a point gets (`make check-power`).
 */
#include "power_disk.h"

#define CHANGES 26
#define STATES_MAX (CHANGES + 8u)

static unsigned seeds; /* torn images a point */
static char image[128];

/* What the whole database holds, after each change that was announced: states[0] is the new store. */
static struct digest states[STATES_MAX];
static size_t n_states; /* announced */

static struct tally {
        long points, images, lost, broken;
        char first[512]; /* words of the first that is wrong */
} tally;

/* ---- what it holds ---- */

static const char *const tables[] = {"record ORDER BY seq", "head", "ledger ORDER BY baseline, item",
        "baseline ORDER BY name, generation", "part ORDER BY name, generation, number",
        "trust ORDER BY number", "content ORDER BY digest", "value ORDER BY key"};

static void
digest_column(struct digester *digester, sqlite3_stmt *stmt, int i)
{
        int type = sqlite3_column_type(stmt, i), size = sqlite3_column_bytes(stmt, i);
        const void *bytes = sqlite3_column_blob(stmt, i);
        digester_update(digester, &type, sizeof type);
        digester_update(digester, &size, sizeof size);
        digester_update(digester, size ? bytes : "", (size_t)size);
}

static struct digest
state_of(struct store *s)
{
        struct digest digest;
        _cleanup_(digester_freep) struct digester *digester = digester_new();
        ck_assert_ptr_nonnull(digester);
        digester_start(digester);
        for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
                char sql[96];
                sqlite3_stmt *stmt;
                snprintf(sql, sizeof sql, "SELECT * FROM %s", tables[t]);
                ck_assert_int_eq(sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL), SQLITE_OK);
                while (sqlite3_step(stmt) == SQLITE_ROW)
                        for (int i = 0; i < sqlite3_column_count(stmt); i++)
                                digest_column(digester, stmt, i);
                ck_assert_int_eq(sqlite3_finalize(stmt), SQLITE_OK);
                digester_update(digester, "|", 1);
        }
        digester_final(digester, &digest);
        return digest;
}

static void
announce(void)
{
        ck_assert_uint_lt(n_states, STATES_MAX);
        states[n_states++] = state_of(store);
}

/* ---- after the power came back ---- */

static void
complain(long *count, const char *what, const char *words)
{
        ++*count;
        if (!tally.first[0])
                snprintf(tally.first, sizeof tally.first, "at sync %ld, %zu announced: %s: %.300s",
                        disk.syncs - 1, n_states, what, words);
}

static bool
is_whole(struct store *s)
{
        const char *answer = "";
        sqlite3_stmt *stmt;
        ck_assert_int_eq(sqlite3_prepare_v2(s->db, "PRAGMA integrity_check(1)", -1, &stmt, NULL), SQLITE_OK);
        bool whole = sqlite3_step(stmt) == SQLITE_ROW &&
                     (answer = (const char *)sqlite3_column_text(stmt, 0)) && strcmp(answer, "ok") == 0;
        sqlite3_finalize(stmt);
        return whole;
}

/* One more record, to see that it goes on. */
static int
write_on(struct store *s, struct err *why)
{
        int r = store_begin(s, why);
        r = r ? r : store_record(s, 1, "start", NULL, NULL, NULL, why);
        return r ? r : store_commit(s, why);
}

static void
look_at_state(const struct digest *next)
{
        struct err why = {0};
        _cleanup_(store_freep) struct store *s = NULL;
        int r = store_open(image, STORE_CREATE, &s, &why);
        if (r != 0) {
                complain(&tally.broken, "it does not open", why.text);
                return;
        }
        struct digest now = state_of(s);
        size_t last = n_states ? n_states - 1 : 0; /* a store that is not announced yet is made again */
        bool old = n_states && digest_equal(&now, &states[last]);
        bool new = next &&digest_equal(&now, next);
        if (!is_whole(s) || store_verify(s, NULL, &why) != 0)
                complain(&tally.broken, "it is not whole", why.text);
        else if (n_states && !old && !new)
                complain(&tally.lost, "it holds neither what was announced nor what was under way", "");
        else if (write_on(s, &why) != 0)
                complain(&tally.broken, "it cannot be written", why.text);
}

/* ---- a whole life ---- */

/* What would be announced next; filled by a first run, so that an image may hold it already. */
static struct digest plan[STATES_MAX];
static size_t n_plan;
static long from_sync, to_sync; /* points that are looked at */

static void
lose_power(void)
{
        long number = disk.syncs - 1;
        if (number < from_sync || number > to_sync)
                return;
        const struct digest *next = n_states < n_plan ? &plan[n_states] : NULL;
        disk_use(false);
        tally.points++;
        for (unsigned i = 0; i < 2 + seeds; i++) {
                static const unsigned percents[] = {50, 20, 80, 95, 5, 65};
                disk.chance = (uint64_t)number * 1000 + i;
                disk_image(image, i == 0 ? 0 : i == 1 ? 100 : percents[i % ARRAY_SIZE(percents)]);
                look_at_state(next);
                tally.images++;
        }
        disk_use(true);
}

static int
put_baseline(unsigned number)
{
        static char text[9000];
        struct baseline_row row = {.name = number % 2 ? "host" : "web",
                .generation = number,
                .applied_ms = number,
                .header = "header\n",
                .signers = "alice"};
        memset(text, 'a' + (int)(number % 26), sizeof text);
        digest_bytes(text, sizeof text, &row.id);
        struct iovec piece = {text, sizeof text};
        struct baseline_body body = {.text = &piece, .n = 1, .size = sizeof text};
        int r = store_baseline_put(store, &row, &body, "approvals", 9, &err);
        return r ? r : store_bodies_trim(store, 1, &err);
}

static int
put_content(unsigned number)
{
        static char body[7000];
        struct digest digest;
        memset(body, 'A' + (int)(number % 26), sizeof body);
        digest_bytes(body, sizeof body, &digest);
        return store_content_put(store, &digest, body, sizeof body, number, &err);
}

static int
change_rows(unsigned number)
{
        char text[32], item[48];
        int r = 0;
        snprintf(text, sizeof text, "%u", number);
        for (unsigned i = 0; i < 3 && r == 0; i++) {
                snprintf(item, sizeof item, "file:/etc/%u/%u", number, i);
                r = store_record(store, 1000 * (int64_t)number, "drift", item, NULL, NULL, &err);
        }
        struct ledger_row row = {.baseline = "host",
                .item = item,
                .change = "changed",
                .state = "open",
                .severity = "high",
                .generation = 1,
                .seq = number,
                .attributes = "[]",
                .observed = ""};
        r = r ? r : ledger_put(store, &row, &err);
        if (r == 0 && number % 3 == 0)
                r = ledger_remove(store, "host", item, &err);
        r = r ? r : store_value_put(store, "alive", text, &err);
        if (r == 0 && number % 4 == 0)
                r = put_baseline(number);
        if (r == 0 && number % 5 == 0)
                r = put_content(number);
        if (r == 0 && number == 7)
                r = store_trust_put(store, 1, &states[0], 1, true, "trust", 5, "", 0, &err);
        return r;
}

/* As the instance does it: what failed is tried again, and announced when it is done. */
static void
change(unsigned number)
{
        for (unsigned tries = 0; tries < 3; tries++) {
                int r = store_begin(store, &err);
                r = r ? r : change_rows(number);
                if (r == 0)
                        r = store_commit(store, &err);
                else
                        store_rollback(store);
                if (r == 0) {
                        announce();
                        return;
                }
                ck_assert_msg(r < 0, "%d %s", r, err.text);
        }
        ck_abort_msg("change %u is never done: %s", number, err.text);
}

static void
open_store(const char *pragma)
{
        int r = store_open(path, STORE_CREATE, &store, &err);
        if (r != 0)
                r = store_open(path, STORE_CREATE, &store, &err); /* a failed sync is for once */
        ck_assert_msg(r == 0, "%d %s", r, err.text);
        store->checkpoint_pages = 20; /* and not 1000, so that a short life sees many checkpoints */
        if (pragma)
                ck_assert_int_eq(sqlite3_exec(store->db, pragma, NULL, NULL, NULL), SQLITE_OK);
}

static void
files_remove(void)
{
        for (unsigned i = 0; i < DISK_NAMES; i++) {
                char name[160];
                snprintf(name, sizeof name, "%s%s", path, disk_suffixes[i]);
                unlink(name);
        }
}

static long
live(long first_sync, long last_sync, long fail_at, long lie_at, const char *pragma)
{
        files_remove();
        n_states = 0;
        from_sync = first_sync;
        to_sync = last_sync;
        disk_start(path, lose_power);
        disk.fail_at = fail_at;
        disk.lie_at = lie_at;
        open_store(pragma);
        announce();
        for (unsigned i = 1; i <= CHANGES; i++) {
                change(i);
                if (i == CHANGES / 2) {
                        store = store_free(store);
                        open_store(pragma);
                }
        }
        store = store_free(store);
        disk.syncs++;
        lose_power(); /* after the end: the removal of the log may or may not be there */
        long syncs = disk.syncs;
        disk_stop();
        return syncs;
}

/* A life without any loss, to know what it comes to. */
static long
rehearse(void)
{
        n_plan = 0;
        long syncs = live(1, 0, -1, -1, NULL);
        memcpy(plan, states, sizeof plan);
        n_plan = n_states;
        tally = (struct tally){0};
        return syncs;
}

static void
tell(const char *what)
{
        printf("power lost at %ld points, %ld images: %s\n", tally.points, tally.images, what);
        fflush(stdout);
}

static void
assert_nothing_lost(void)
{
        ck_assert_msg(tally.broken == 0, "%ld of %ld images are broken; %s", tally.broken, tally.images,
                tally.first);
        ck_assert_msg(tally.lost == 0, "%ld of %ld images lost something; %s", tally.lost, tally.images,
                tally.first);
}

START_TEST(power_lost_at_any_sync_loses_nothing_that_was_announced)
{
        long syncs = rehearse();
        live(0, syncs, -1, -1, NULL);
        assert_nothing_lost();
        ck_assert_int_gt(tally.points, 2 * CHANGES); /* commits and checkpoints */
        tell("nothing announced was lost");
}
END_TEST

/* What came to nothing is written again: power lost at the next points, and at the end, finds all of it. */
START_TEST(a_failed_sync_is_never_taken_for_done_on_the_retry)
{
        long syncs = rehearse();
        unsigned asked = seeds;
        seeds = asked > 4 ? asked / 4 : 1;
        for (long n = 0; n < syncs; n++) {
                live(n + 1, n + 4, n, -1, NULL);
                assert_nothing_lost();
        }
        seeds = asked;
        tell("each sync failed once, and nothing announced was lost");
}
END_TEST

/* ---- that the disk can show it ---- */

START_TEST(a_store_that_does_not_sync_each_commit_is_seen_to_lose)
{
        long syncs = rehearse();
        live(0, syncs, -1, -1, "PRAGMA synchronous = NORMAL");
        ck_assert_int_gt(tally.lost, 0);
        ck_assert_int_eq(tally.broken, 0);
}
END_TEST

START_TEST(a_store_that_never_syncs_is_seen_to_lose)
{
        long syncs = rehearse();
        live(0, syncs, -1, -1, "PRAGMA synchronous = OFF");
        ck_assert_int_gt(tally.lost + tally.broken, 0);
}
END_TEST

START_TEST(a_sync_that_lies_is_seen)
{
        long syncs = rehearse(), seen = 0;
        for (long n = syncs / 2; n < syncs / 2 + 10; n++) {
                live(n + 1, n + 1, -1, n, NULL);
                seen += tally.lost;
        }
        ck_assert_int_gt(seen, 0);
}
END_TEST

static void
power_setup(void)
{
        disk_folder_setup();
        const char *asked = getenv("POWER_SEEDS");
        seeds = asked ? (unsigned)strtoul(asked, NULL, 10) : 6;
        snprintf(image, sizeof image, "%s/image.db", folder);
}

int
main(void)
{
        Suite *suite = suite_create("store_power");
        TCase *cases = tcase_create("power");
        tcase_add_checked_fixture(cases, power_setup, store_teardown);
        tcase_set_timeout(cases, 600);
        tcase_add_test(cases, power_lost_at_any_sync_loses_nothing_that_was_announced);
        tcase_add_test(cases, a_failed_sync_is_never_taken_for_done_on_the_retry);
        tcase_add_test(cases, a_store_that_does_not_sync_each_commit_is_seen_to_lose);
        tcase_add_test(cases, a_store_that_never_syncs_is_seen_to_lose);
        tcase_add_test(cases, a_sync_that_lies_is_seen);
        suite_add_tcase(suite, cases);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
