/* SPDX-License-Identifier: MIT */
/*
 * Range proofs for every run of every tree of up to some tens of leaves, against the recursive definition of
 * RFC 6962, section 2.1, which shares nothing with core/ but SHA-256; and with every bit of a proof turned.
 */
#include "core/merkle_range.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SIZES 40u

static struct digester *digester;
static struct digest leaves[SIZES];

/* MTH(D[from:until]) */
static struct digest
oracle_root(unsigned from, unsigned until)
{
        unsigned char bytes[1 + 2 * DIGEST_SIZE] = {1};
        struct digest sides[2], ret;
        unsigned k = 1;
        if (until - from == 1)
                return leaves[from];
        while (2 * k < until - from)
                k *= 2;
        sides[0] = oracle_root(from, from + k);
        sides[1] = oracle_root(from + k, until);
        memcpy(bytes + 1, sides, sizeof sides);
        digest_bytes(bytes, sizeof bytes, &ret);
        return ret;
}

static void
begin(void)
{
        ck_assert_int_eq(digest_setup(), 0);
        digester = digester_new();
        ck_assert_ptr_nonnull(digester);
        for (unsigned i = 0; i < SIZES; i++) {
                char text[16];
                int size = snprintf(text, sizeof text, "%cleaf %u", 0, i);
                digest_bytes(text, (size_t)size, &leaves[i]);
        }
}

static void
end(void)
{
        digester = digester_free(digester);
}

static struct merkle_range_proof
prove(unsigned first, unsigned last, unsigned size)
{
        struct merkle_range_prover prover;
        ck_assert_int_eq(merkle_range_begin(first, last, size, &prover), 0);
        for (unsigned i = 0; i < SIZES; i++) /* also more than the tree has */
                merkle_range_take(&prover, digester, &leaves[i]);
        return prover.proof;
}

/* The verifier has the leaves from .. until (numbers from 1, both included). */
static bool
verify(const struct merkle_range_proof *proof, unsigned from, unsigned until, const struct digest *root)
{
        struct merkle tree;
        merkle_range_restore(proof, &tree);
        for (unsigned i = from; i <= until; i++)
                merkle_append(&tree, digester, &leaves[i - 1]);
        return merkle_range_verify(proof, &tree, digester, root);
}

START_TEST(every_run_of_every_tree_is_proved)
{
        for (unsigned size = 1; size <= SIZES; size++) {
                struct digest root = oracle_root(0, size);
                for (unsigned first = 1; first <= size; first++)
                        for (unsigned last = first; last <= size; last++) {
                                struct merkle_range_proof proof = prove(first, last, size);
                                ck_assert_msg(verify(&proof, first, last, &root), "%u to %u of %u", first,
                                        last, size);
                        }
        }
}
END_TEST

START_TEST(the_hashes_are_those_of_the_definition)
{
        struct merkle_range_proof proof = prove(6, 9, 23);
        unsigned left[][2] = {{0, 4}, {4, 5}},
                 right[][2] = {{9, 10}, {10, 12}, {12, 16}, {16, 20}, {20, 22}, {22, 23}};
        ck_assert_uint_eq(proof.n_left, ARRAY_SIZE(left));
        ck_assert_uint_eq(proof.n_right, ARRAY_SIZE(right));
        for (unsigned i = 0; i < proof.n_left; i++) {
                struct digest root = oracle_root(left[i][0], left[i][1]);
                ck_assert(digest_equal(&proof.left[i], &root));
        }
        for (unsigned i = 0; i < proof.n_right; i++) {
                struct digest root = oracle_root(right[i][0], right[i][1]);
                ck_assert(digest_equal(&proof.right[i], &root));
        }
}
END_TEST

START_TEST(another_run_is_refused)
{
        for (unsigned size = 1; size <= 24; size++) {
                struct digest root = oracle_root(0, size);
                for (unsigned first = 1; first <= size; first++)
                        for (unsigned last = first; last <= size; last++) {
                                struct merkle_range_proof proof = prove(first, last, size);
                                ck_assert(!verify(&proof, first + 1, last, &root)); /* the first dropped */
                                ck_assert(!verify(&proof, first, last - 1, &root)); /* the last dropped */
                                ck_assert(!verify(&proof, first, last + 1, &root)); /* one more */
                                if (first > 1)
                                        ck_assert(!verify(&proof, first - 1, last, &root));
                                struct digest held = leaves[first - 1];
                                leaves[first - 1] = leaves[first]; /* one exchanged */
                                ck_assert(!verify(&proof, first, last, &root));
                                leaves[first - 1] = held;
                        }
        }
}
END_TEST

START_TEST(leaves_out_of_order_are_refused)
{
        struct merkle_range_proof proof = prove(3, 9, 14);
        struct digest root = oracle_root(0, 14), held = leaves[4];
        leaves[4] = leaves[5];
        leaves[5] = held;
        ck_assert(!verify(&proof, 3, 9, &root));
}
END_TEST

START_TEST(other_numbers_are_refused)
{
        for (unsigned size = 2; size <= 16; size++) {
                struct digest root = oracle_root(0, size);
                struct merkle_range_proof proof = prove(2, size > 4 ? size - 2 : 2, size), other = proof;
                other.first++;
                ck_assert(!verify(&other, 2, (unsigned)proof.last, &root));
                other = proof;
                other.last++;
                ck_assert(!verify(&other, 2, (unsigned)proof.last, &root));
                other = proof;
                other.n_right ^= 1;
                ck_assert(!verify(&other, 2, (unsigned)proof.last, &root));
        }
        struct merkle_range_prover prover;
        ck_assert_int_eq(merkle_range_begin(0, 1, 1, &prover), -EINVAL);
        ck_assert_int_eq(merkle_range_begin(2, 1, 2, &prover), -EINVAL);
        ck_assert_int_eq(merkle_range_begin(1, 3, 2, &prover), -EINVAL);
        ck_assert_int_eq(merkle_range_begin(1, 1, UINT64_MAX, &prover), -EINVAL);
}
END_TEST

START_TEST(the_text_is_read_as_it_was_written)
{
        for (unsigned size = 1; size <= SIZES; size += 3)
                for (unsigned first = 1; first <= size; first++)
                        for (unsigned last = first; last <= size; last++) {
                                _cleanup_buf_ struct buf text = {0}, again = {0};
                                struct merkle_range_proof proof = prove(first, last, size), read;
                                ck_assert_int_eq(merkle_range_append(&proof, &text), 0);
                                ck_assert_int_eq(merkle_range_parse(text.data, text.size, &read, NULL), 0);
                                ck_assert_int_eq(merkle_range_append(&read, &again), 0);
                                ck_assert_str_eq(text.data, again.data);
                        }
}
END_TEST

/* Read, and then held against the leaves and the root. */
static bool
text_holds(const char *text, size_t size, unsigned first, unsigned last, unsigned tree,
        const struct digest *root)
{
        struct merkle_range_proof proof;
        struct err err = {0};
        if (merkle_range_parse(text, size, &proof, &err) != 0) {
                ck_assert(err.text[0]);
                return false;
        }
        return proof.first == first && proof.last == last && proof.size == tree &&
               verify(&proof, first, last, root);
}

START_TEST(every_bit_of_the_text_counts)
{
        static const unsigned runs[][3] = {{1, 1, 1}, {1, 5, 5}, {3, 7, 11}, {6, 6, 12}, {10, 13, 40}};
        for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
                _cleanup_buf_ struct buf text = {0};
                unsigned first = runs[i][0], last = runs[i][1], size = runs[i][2];
                struct merkle_range_proof proof = prove(first, last, size);
                struct digest root = oracle_root(0, size);
                ck_assert_int_eq(merkle_range_append(&proof, &text), 0);
                ck_assert(text_holds(text.data, text.size, first, last, size, &root));
                for (size_t bit = 0; bit < 8 * text.size; bit++) {
                        text.data[bit / 8] ^= (char)(1 << bit % 8);
                        ck_assert_msg(!text_holds(text.data, text.size, first, last, size, &root),
                                "bit %zu of byte %zu", bit % 8, bit / 8);
                        text.data[bit / 8] ^= (char)(1 << bit % 8);
                }
                for (size_t cut = 0; cut < text.size; cut++)
                        ck_assert(!text_holds(text.data, cut, first, last, size, &root));
                ck_assert_int_eq(buf_text(&text, "\n"), 0);
                ck_assert(!text_holds(text.data, text.size, first, last, size, &root));
        }
}
END_TEST

START_TEST(what_has_no_single_form_is_refused)
{
        static const char *const texts[] = {"", "driftd-range 2\n", "driftd-range 1\n",
                "driftd-range 1\nfirst 1\nlast 1\nsize 01\n", "driftd-range 1\nfirst 1\nlast 1\nsize 1",
                "driftd-range 1\nfirst +1\nlast 1\nsize 1\n", "driftd-range 1\nfirst 0\nlast 1\nsize 1\n",
                "driftd-range 1\nfirst 1\nlast 2\nsize 1\n", "driftd-range 1\nfirst \nlast 1\nsize 1\n",
                "driftd-range 1\nfirst 1\nlast 1\nsize 18446744073709551617\n",
                "driftd-range 1\nfirst 1\nlast 1\nsize 9223372036854775808\n",
                "driftd-range 1\r\nfirst 1\nlast 1\nsize 1\n", "driftd-range 1\nlast 1\nfirst 1\nsize 1\n"};
        struct merkle_range_proof proof;
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                struct err err = {0};
                ck_assert_int_eq(
                        merkle_range_parse(texts[i], strlen(texts[i]), &proof, &err), MERKLE_RANGE_MALFORMED);
                ck_assert(err.text[0]);
        }
        ck_assert_int_eq(
                merkle_range_parse("driftd-range 1\nfirst 1\nlast 1\nsize 1\n", 37, &proof, NULL), 0);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("merkle_range");
        TCase *tests = tcase_create("all");
        tcase_add_checked_fixture(tests, begin, end);
        tcase_add_test(tests, every_run_of_every_tree_is_proved);
        tcase_add_test(tests, the_hashes_are_those_of_the_definition);
        tcase_add_test(tests, another_run_is_refused);
        tcase_add_test(tests, leaves_out_of_order_are_refused);
        tcase_add_test(tests, other_numbers_are_refused);
        tcase_add_test(tests, the_text_is_read_as_it_was_written);
        tcase_add_test(tests, every_bit_of_the_text_counts);
        tcase_add_test(tests, what_has_no_single_form_is_refused);
        suite_add_tcase(suite, tests);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
