/* SPDX-License-Identifier: MIT */
/* Proofs made from a store: they verify against heads that were noted while the history grew. */
#include "store_fixture.h"

#define RECORDS 70u

static struct digester *digester;
static struct tree_head heads[RECORDS + 1];

static void
setup(void)
{
        store_setup();
        digester = digester_new();
        for (unsigned i = 1; i <= RECORDS; i++) {
                records_add(1);
                assert_ok(store_head(store, &heads[i], &err));
        }
        digest_bytes("", 0, &heads[0].root);
}

static void
teardown(void)
{
        digester = digester_free(digester);
        store_teardown();
}

static int
prove(const struct store_proof_wish *wish, uint64_t rows, struct store_prover **prover,
        const struct store_proof **proof)
{
        int r = store_prove_begin(store, wish, prover, &err);
        *proof = NULL;
        while (r == 0 && !*proof)
                r = store_prove_some(*prover, rows, proof, &err);
        return r;
}

START_TEST(each_earlier_head_is_proved_to_begin_the_present_one)
{
        for (unsigned old = 0; old <= RECORDS; old++) {
                _cleanup_(store_prover_freep) struct store_prover *prover = NULL;
                const struct store_proof *proof;
                struct store_proof_wish wish = {.old = old, .seen = RECORDS - old};
                assert_ok(prove(&wish, 1 + old % 9, &prover, &proof));
                ck_assert_uint_eq(proof->head.size, RECORDS);
                ck_assert(digest_equal(&proof->head.root, &heads[RECORDS].root));
                ck_assert_uint_eq(proof->old.size, old);
                ck_assert(!old || digest_equal(&proof->old.root, &heads[old].root));
                ck_assert_uint_eq(proof->seen.size, RECORDS - old);
                ck_assert(old == RECORDS || digest_equal(&proof->seen.root, &heads[RECORDS - old].root));
                ck_assert(merkle_verify_consistency(
                        digester, old, &heads[old].root, RECORDS, &heads[RECORDS].root, &proof->consistency));
        }
}
END_TEST

START_TEST(runs_of_records_and_several_earlier_heads_are_proved_in_one_pass)
{
        uint64_t olds[RECORDS + 1];
        for (unsigned i = 0; i <= RECORDS; i++)
                olds[i] = i;
        for (unsigned first = 1; first <= RECORDS; first += 3) {
                _cleanup_(store_prover_freep) struct store_prover *prover = NULL;
                const struct store_proof *proof;
                struct merkle tree;
                struct digest leaves[RECORDS + 1];
                uint64_t seqs[RECORDS], last = first + (RECORDS - first) / 2;
                for (unsigned i = 0; i < RECORDS; i++)
                        seqs[i] = i + 1;
                struct store_proof_wish wish = {.olds = olds + first,
                        .n_olds = min_size(RECORDS + 1 - first, STORE_PROOF_OLDS_MAX),
                        .first = first,
                        .last = last,
                        .seqs = seqs,
                        .n_seqs = RECORDS};
                assert_ok(prove(&wish, 11, &prover, &proof));
                memcpy(leaves + 1, proof->leaves, RECORDS * sizeof *leaves);
                for (size_t i = 0; i < wish.n_olds; i++)
                        ck_assert(merkle_verify_consistency(digester, wish.olds[i], &heads[wish.olds[i]].root,
                                RECORDS, &heads[RECORDS].root, &proof->olds[i]));
                ck_assert_uint_eq(proof->range.first, first);
                merkle_range_restore(&proof->range, &tree);
                for (uint64_t i = first; i <= last; i++)
                        merkle_append(&tree, digester, &leaves[i]);
                ck_assert(merkle_range_verify(&proof->range, &tree, digester, &heads[RECORDS].root));
        }
}
END_TEST

START_TEST(what_is_no_run_or_too_much_is_refused)
{
        _cleanup_(store_prover_freep) struct store_prover *prover = NULL;
        const struct store_proof *proof;
        uint64_t olds[STORE_PROOF_OLDS_MAX + 1] = {0};
        ck_assert_int_eq(
                prove(&(struct store_proof_wish){.first = 2, .last = RECORDS + 1}, 9, &prover, &proof),
                -EINVAL);
        ck_assert_int_eq(
                prove(&(struct store_proof_wish){.first = 3, .last = 2}, 9, &prover, &proof), -EINVAL);
        ck_assert_int_eq(prove(&(struct store_proof_wish){.olds = olds, .n_olds = STORE_PROOF_OLDS_MAX + 1},
                                 9, &prover, &proof),
                -E2BIG);
}
END_TEST

START_TEST(each_record_is_proved_to_be_in_the_tree)
{
        _cleanup_(store_prover_freep) struct store_prover *prover = NULL;
        const struct store_proof *proof;
        uint64_t seqs[RECORDS];
        for (unsigned i = 0; i < RECORDS; i++)
                seqs[i] = RECORDS - i;
        struct store_proof_wish wish = {.seqs = seqs, .n_seqs = RECORDS};
        assert_ok(prove(&wish, 7, &prover, &proof));
        for (unsigned i = 0; i < RECORDS; i++)
                ck_assert(merkle_verify_inclusion(digester, seqs[i] - 1, RECORDS, &proof->leaves[i],
                        &proof->includes[i], &heads[RECORDS].root));
}
END_TEST

START_TEST(records_that_come_meanwhile_are_left_out)
{
        _cleanup_(store_prover_freep) struct store_prover *prover = NULL;
        const struct store_proof *proof = NULL;
        struct store_proof_wish wish = {.old = 33};
        assert_ok(store_prove_begin(store, &wish, &prover, &err));
        while (!proof) {
                assert_ok(store_prove_some(prover, 10, &proof, &err));
                records_add(3);
        }
        ck_assert_uint_eq(proof->head.size, RECORDS);
        ck_assert(merkle_verify_consistency(
                digester, 33, &heads[33].root, RECORDS, &heads[RECORDS].root, &proof->consistency));
}
END_TEST

START_TEST(of_a_size_past_the_end_nothing_is_proved)
{
        _cleanup_(store_prover_freep) struct store_prover *prover = NULL;
        const struct store_proof *proof;
        struct store_proof_wish wish = {.old = RECORDS + 1, .seen = RECORDS + 5};
        assert_ok(prove(&wish, 1000, &prover, &proof));
        ck_assert_uint_eq(proof->old.size, 0);
        ck_assert_uint_eq(proof->seen.size, 0);
        ck_assert_uint_eq(proof->consistency.count, 0);
}
END_TEST

START_TEST(what_is_not_there_is_not_proved)
{
        struct store_prover *prover = NULL;
        const uint64_t bad[] = {0, RECORDS + 1, UINT64_MAX};
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                struct store_proof_wish wish = {.seqs = &bad[i], .n_seqs = 1};
                ck_assert_int_eq(store_prove_begin(store, &wish, &prover, &err), -EINVAL);
        }
        struct store_proof_wish many = {.seqs = bad, .n_seqs = STORE_PROOF_INCLUDES_MAX + 1};
        ck_assert_int_eq(store_prove_begin(store, &many, &prover, &err), -E2BIG);
        ck_assert_ptr_null(prover);
}
END_TEST

START_TEST(an_empty_history_has_the_empty_root)
{
        _cleanup_(store_prover_freep) struct store_prover *prover = NULL;
        const struct store_proof *proof;
        struct store_proof_wish wish = {0};
        store_teardown();
        store_setup();
        assert_ok(prove(&wish, 1, &prover, &proof));
        ck_assert_uint_eq(proof->head.size, 0);
        ck_assert(digest_equal(&proof->head.root, &heads[0].root));
}
END_TEST

static const char *const edits[] = {
        "UPDATE record SET body = replace(body, 'test', 'tesT') WHERE seq = 9",
        "DELETE FROM record WHERE seq = 9",
        "DELETE FROM record WHERE seq = 70",
        "UPDATE head SET root = zeroblob(32)",
};

START_TEST(records_that_do_not_give_the_head_are_no_proof)
{
        _cleanup_(store_prover_freep) struct store_prover *prover = NULL;
        const struct store_proof *proof;
        struct store_proof_wish wish = {.old = 5};
        store_close();
        tamper(edits[_i]);
        store_reopen();
        ck_assert_int_eq(prove(&wish, 1000, &prover, &proof), STORE_TAMPERED);
        assert_words("does not hold");
}
END_TEST

/* As whoever knows this program would do it: one record is another, and all that follows from it is made
 * anew. */
static void
history_rewrite(const char *edit)
{
        static const char select[] = "SELECT seq, body FROM record ORDER BY seq";
        struct merkle merkle = {0};
        struct digest root;
        sqlite3 *db;
        sqlite3_stmt *rows, *put;
        tamper(edit);
        ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
        ck_assert_int_eq(sqlite3_prepare_v2(db, select, -1, &rows, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_prepare_v2(db, "UPDATE record SET root = ?1 WHERE seq = ?2", -1, &put, NULL),
                SQLITE_OK);
        while (sqlite3_step(rows) == SQLITE_ROW) {
                struct digest leaf;
                merkle_leaf(
                        digester, sqlite3_column_text(rows, 1), (size_t)sqlite3_column_bytes(rows, 1), &leaf);
                merkle_append(&merkle, digester, &leaf);
                merkle_root(&merkle, digester, &root);
                sqlite3_bind_blob(put, 1, root.bytes, DIGEST_SIZE, SQLITE_TRANSIENT);
                sqlite3_bind_int64(put, 2, sqlite3_column_int64(rows, 0));
                ck_assert_int_eq(sqlite3_step(put), SQLITE_DONE);
                sqlite3_reset(put);
        }
        sqlite3_finalize(rows);
        sqlite3_finalize(put);
        ck_assert_int_eq(
                sqlite3_prepare_v2(db, "UPDATE head SET size = ?1, root = ?2, frontier = ?3", -1, &put, NULL),
                SQLITE_OK);
        sqlite3_bind_int64(put, 1, (int64_t)merkle.size);
        sqlite3_bind_blob(put, 2, root.bytes, DIGEST_SIZE, SQLITE_TRANSIENT);
        sqlite3_bind_blob(
                put, 3, merkle.peaks, (int)(merkle_peaks(merkle.size) * DIGEST_SIZE), SQLITE_TRANSIENT);
        ck_assert_int_eq(sqlite3_step(put), SQLITE_DONE);
        sqlite3_finalize(put);
        sqlite3_close(db);
}

static const char *const rewrites[] = {
        "UPDATE record SET body = replace(body, 'test', 'tesT') WHERE seq = 9",
        "DELETE FROM record WHERE seq > 40",
        "UPDATE record SET body = replace(body, 'test', 'tesT') WHERE seq = 70",
};

START_TEST(a_history_that_was_rewritten_in_whole_verifies_and_yet_does_not_extend_its_head)
{
        _cleanup_(store_prover_freep) struct store_prover *prover = NULL;
        const struct store_proof *proof;
        uint64_t records = 0;
        struct store_proof_wish wish = {.old = RECORDS};
        store_close();
        history_rewrite(rewrites[_i]);
        store_reopen();
        assert_ok(store_verify(store, &records, &err));
        assert_ok(prove(&wish, 1000, &prover, &proof));
        ck_assert_uint_eq(proof->head.size, records);
        ck_assert(!merkle_verify_consistency(digester, RECORDS, &heads[RECORDS].root, proof->head.size,
                &proof->head.root, &proof->consistency));
        /* what stands before the edit still does */
        store_prover_free(steal_pointer(&prover));
        wish.old = 8;
        assert_ok(prove(&wish, 1000, &prover, &proof));
        ck_assert(merkle_verify_consistency(
                digester, 8, &heads[8].root, proof->head.size, &proof->head.root, &proof->consistency));
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("store_proof");
        TCase *tests = tcase_create("store_proof");
        tcase_add_checked_fixture(tests, setup, teardown);
        tcase_add_test(tests, each_earlier_head_is_proved_to_begin_the_present_one);
        tcase_add_test(tests, each_record_is_proved_to_be_in_the_tree);
        tcase_add_test(tests, runs_of_records_and_several_earlier_heads_are_proved_in_one_pass);
        tcase_add_test(tests, what_is_no_run_or_too_much_is_refused);
        tcase_add_test(tests, records_that_come_meanwhile_are_left_out);
        tcase_add_test(tests, of_a_size_past_the_end_nothing_is_proved);
        tcase_add_test(tests, what_is_not_there_is_not_proved);
        tcase_add_test(tests, an_empty_history_has_the_empty_root);
        tcase_add_loop_test(tests, records_that_do_not_give_the_head_are_no_proof, 0, (int)ARRAY_SIZE(edits));
        tcase_add_loop_test(tests,
                a_history_that_was_rewritten_in_whole_verifies_and_yet_does_not_extend_its_head, 0,
                (int)ARRAY_SIZE(rewrites));
        suite_add_tcase(suite, tests);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
