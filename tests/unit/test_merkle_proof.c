/* SPDX-License-Identifier: MIT */
/*
 * Proofs against a second implementation: the recursive definitions of RFC 6962, sections 2.1, 2.1.1
 * and 2.1.2, written down as they stand there and sharing nothing with core/ but SHA-256.
 */
#include "core/merkle_proof.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/crypto.h"

#ifdef __SANITIZE_ADDRESS__
#define SIZES 300u /* the same code five times slower: all pairs to 1,000 are the plain build's */
#else
#define SIZES 1000u
#endif

static struct digester *digester;
static struct digest leaves[SIZES];

/* ---- the definitions ---- */

static void
oracle_hash(unsigned char prefix, const void *data, size_t size, struct digest *ret)
{
        unsigned char bytes[1 + 2 * DIGEST_SIZE] = {prefix};
        ck_assert_uint_le(size, 2 * DIGEST_SIZE);
        memcpy(bytes + 1, data, size);
        digest_bytes(bytes, 1 + size, ret);
}

static unsigned
oracle_split(unsigned n)
{
        unsigned k = 1;
        while (2 * k < n)
                k *= 2;
        return k;
}

/* MTH(D[from:until]), remembered, or all pairs would take an hour. */
static struct digest
oracle_root(unsigned from, unsigned until)
{
        static struct digest known[SIZES + 1][SIZES];
        static bool is_known[SIZES + 1][SIZES];
        unsigned n = until - from;
        if (!n) {
                struct digest empty;
                digest_bytes("", 0, &empty);
                return empty;
        }
        if (n == 1)
                return leaves[from];
        if (!is_known[until][from]) {
                struct digest sides[2] = {oracle_root(from, from + oracle_split(n)),
                        oracle_root(from + oracle_split(n), until)};
                oracle_hash(1, sides, sizeof sides, &known[until][from]);
                is_known[until][from] = true;
        }
        return known[until][from];
}

/* PATH(m, D[from:until]), m counted from `from`. */
static void
oracle_path(unsigned m, unsigned from, unsigned until, struct merkle_proof *ret)
{
        unsigned n = until - from, k = n > 1 ? oracle_split(n) : 0;
        if (n == 1)
                return;
        if (m < k) {
                oracle_path(m, from, from + k, ret);
                ret->hashes[ret->count++] = oracle_root(from + k, until);
        } else {
                oracle_path(m - k, from + k, until, ret);
                ret->hashes[ret->count++] = oracle_root(from, from + k);
        }
}

/* SUBPROOF(m, D[from:until], b) */
static void
oracle_subproof(unsigned m, unsigned from, unsigned until, bool b, struct merkle_proof *ret)
{
        unsigned n = until - from, k = n > 1 ? oracle_split(n) : 0;
        if (m == n) {
                if (!b)
                        ret->hashes[ret->count++] = oracle_root(from, until);
        } else if (m <= k) {
                oracle_subproof(m, from, from + k, b, ret);
                ret->hashes[ret->count++] = oracle_root(from + k, until);
        } else {
                oracle_subproof(m - k, from + k, until, false, ret);
                ret->hashes[ret->count++] = oracle_root(from, from + k);
        }
}

/* ---- */

static void
setup(void)
{
        ck_assert_int_eq(digest_setup(), 0);
        ck_assert_int_eq(crypto_setup(), 0);
        digester = digester_new();
        ck_assert_ptr_nonnull(digester);
        for (unsigned i = 0; i < SIZES; i++) {
                char text[16];
                int size = snprintf(text, sizeof text, "leaf %u", i);
                oracle_hash(0, text, (size_t)size, &leaves[i]);
        }
}

static void
teardown(void)
{
        digester = digester_free(digester);
}

static void
prover_run(struct merkle_prover *prover, unsigned size)
{
        for (unsigned i = 0; i < size; i++)
                merkle_prover_take(prover, digester, &leaves[i]);
}

static bool
proofs_agree(const struct merkle_proof *a, const struct merkle_proof *b)
{
        return a->count == b->count && memcmp(a->hashes, b->hashes, a->count * sizeof *a->hashes) == 0;
}

/* Which ranges a proof consists of is compared for every size; to hash them from the leaves up costs size^2
 * for each size, and is done for all to 130 and for a share of the others. */
static bool
is_made(unsigned size)
{
        return size <= 130 || size == 512 || size == 513 || size == SIZES;
}

START_TEST(inclusion_is_proved_as_defined_for_every_index_of_every_size)
{
        for (unsigned size = 1; size <= SIZES; size++) {
                struct digest root = oracle_root(0, size);
                for (unsigned index = 0; index < size; index++) {
                        struct merkle_proof wanted = {0};
                        oracle_path(index, 0, size, &wanted);
                        ck_assert_msg(merkle_verify_inclusion(
                                              digester, index, size, &leaves[index], &wanted, &root),
                                "%u of %u does not verify", index, size);
                        struct merkle_prover prover;
                        ck_assert_int_eq(merkle_prover_inclusion(index, size, &prover), 0);
                        ck_assert_uint_eq(prover.count, wanted.count);
                        for (unsigned i = 0; i < prover.count; i++) {
                                struct digest part = oracle_root(
                                        (unsigned)prover.ranges[i].from, (unsigned)prover.ranges[i].until);
                                ck_assert_msg(digest_equal(&part, &wanted.hashes[i]),
                                        "hash %u of the proof of %u in %u", i, index, size);
                        }
                        if (!is_made(size))
                                continue;
                        prover_run(&prover, size);
                        ck_assert_msg(proofs_agree(&prover.proof, &wanted), "%u of %u is proved otherwise",
                                index, size);
                }
        }
}
END_TEST

START_TEST(consistency_is_proved_as_defined_for_every_pair_of_sizes)
{
        for (unsigned size = 1; size <= SIZES; size++) {
                struct digest root = oracle_root(0, size);
                for (unsigned old = 1; old <= size; old++) {
                        struct merkle_proof wanted = {0};
                        struct digest old_root = oracle_root(0, old);
                        struct merkle_prover prover;
                        oracle_subproof(old, 0, size, true, &wanted);
                        ck_assert_msg(
                                merkle_verify_consistency(digester, old, &old_root, size, &root, &wanted),
                                "%u to %u does not verify", old, size);
                        ck_assert_int_eq(merkle_prover_consistency(old, size, &prover), 0);
                        ck_assert_uint_eq(prover.count, wanted.count);
                        for (unsigned i = 0; i < prover.count; i++) {
                                struct digest part = oracle_root(
                                        (unsigned)prover.ranges[i].from, (unsigned)prover.ranges[i].until);
                                ck_assert_msg(digest_equal(&part, &wanted.hashes[i]),
                                        "hash %u of the proof of %u to %u", i, old, size);
                        }
                        if (!is_made(size))
                                continue;
                        prover_run(&prover, size);
                        ck_assert_msg(proofs_agree(&prover.proof, &wanted), "%u to %u is proved otherwise",
                                old, size);
                }
        }
}
END_TEST

START_TEST(every_bit_of_a_proof_counts)
{
        for (unsigned size = 2; size <= 20; size++) {
                struct digest root = oracle_root(0, size);
                for (unsigned at = 0; at < size; at++) {
                        struct merkle_proof inclusion = {0}, consistency = {0};
                        struct digest old_root = oracle_root(0, at);
                        oracle_path(at, 0, size, &inclusion);
                        if (at)
                                oracle_subproof(at, 0, size, true, &consistency);
                        for (unsigned bit = 0; bit < inclusion.count * DIGEST_SIZE * 8; bit++) {
                                unsigned char *byte =
                                        &inclusion.hashes[bit / 8 / DIGEST_SIZE].bytes[bit / 8 % DIGEST_SIZE];
                                *byte ^= (unsigned char)(1u << bit % 8);
                                ck_assert(!merkle_verify_inclusion(
                                        digester, at, size, &leaves[at], &inclusion, &root));
                                *byte ^= (unsigned char)(1u << bit % 8);
                        }
                        for (unsigned bit = 0; bit < consistency.count * DIGEST_SIZE * 8; bit++) {
                                unsigned char *byte = &consistency.hashes[bit / 8 / DIGEST_SIZE]
                                                               .bytes[bit / 8 % DIGEST_SIZE];
                                *byte ^= (unsigned char)(1u << bit % 8);
                                ck_assert(!merkle_verify_consistency(
                                        digester, at, &old_root, size, &root, &consistency));
                                *byte ^= (unsigned char)(1u << bit % 8);
                        }
                }
        }
}
END_TEST

/* A proof for one place, size or root is none for another, and a hash too many or too few is none. */
START_TEST(a_proof_is_for_its_own_tree_alone)
{
        for (unsigned size = 1; size <= 40; size++) {
                struct digest root = oracle_root(0, size);
                for (unsigned at = 0; at < size; at++) {
                        struct merkle_proof proof = {0};
                        oracle_path(at, 0, size, &proof);
                        for (unsigned other = 0; other < size + 3; other++)
                                ck_assert_msg(other == at || !merkle_verify_inclusion(digester, other, size,
                                                                     &leaves[at], &proof, &root),
                                        "the proof of %u in %u is taken for %u", at, size, other);
                        proof.count++;
                        ck_assert(!merkle_verify_inclusion(digester, at, size, &leaves[at], &proof, &root));
                        proof.count--;
                        if (!proof.count)
                                continue;
                        proof.count--;
                        ck_assert(!merkle_verify_inclusion(digester, at, size, &leaves[at], &proof, &root));
                }
        }
}
END_TEST

START_TEST(a_consistency_proof_is_for_its_own_two_trees_alone)
{
        for (unsigned size = 2; size <= 40; size++) {
                struct digest root = oracle_root(0, size);
                for (unsigned old = 1; old < size; old++) {
                        struct merkle_proof proof = {0};
                        struct digest old_root = oracle_root(0, old), wrong = oracle_root(1, old + 1);
                        oracle_subproof(old, 0, size, true, &proof);
                        ck_assert(!merkle_verify_consistency(digester, old, &wrong, size, &root, &proof));
                        ck_assert(!merkle_verify_consistency(digester, old, &old_root, size, &wrong, &proof));
                        for (unsigned other = 0; other < size; other++)
                                ck_assert_msg(other == old || !merkle_verify_consistency(digester, other,
                                                                      &old_root, size, &root, &proof),
                                        "the proof of %u to %u is taken for %u", old, size, other);
                        proof.count++;
                        ck_assert(!merkle_verify_consistency(digester, old, &old_root, size, &root, &proof));
                        proof.count -= 2;
                        ck_assert(!merkle_verify_consistency(digester, old, &old_root, size, &root, &proof));
                }
        }
}
END_TEST

START_TEST(the_empty_tree_begins_every_tree)
{
        struct merkle_proof none = {0}, some = {.count = 1};
        struct digest empty = oracle_root(0, 0), root = oracle_root(0, 7);
        ck_assert(merkle_verify_consistency(digester, 0, &empty, 7, &root, &none));
        ck_assert(merkle_verify_consistency(digester, 0, &empty, 0, &empty, &none));
        ck_assert(!merkle_verify_consistency(digester, 0, &root, 7, &root, &none));
        ck_assert(!merkle_verify_consistency(digester, 0, &empty, 0, &root, &none));
        ck_assert(!merkle_verify_consistency(digester, 0, &empty, 7, &root, &some));
}
END_TEST

START_TEST(sizes_that_no_proof_is_for_are_refused)
{
        struct merkle_prover prover;
        struct merkle_proof none = {0};
        struct digest root = oracle_root(0, 3);
        ck_assert_int_eq(merkle_prover_inclusion(0, 0, &prover), -EINVAL);
        ck_assert_int_eq(merkle_prover_inclusion(3, 3, &prover), -EINVAL);
        ck_assert_int_eq(merkle_prover_consistency(4, 3, &prover), -EINVAL);
        ck_assert(!merkle_verify_inclusion(digester, 0, 0, &root, &none, &root));
        ck_assert(!merkle_verify_consistency(digester, 4, &root, 3, &root, &none));
        /* the largest trees that there can be */
        ck_assert_int_eq(merkle_prover_inclusion(0, UINT64_MAX, &prover), 0);
        ck_assert_uint_eq(prover.count, 64);
        ck_assert_int_eq(merkle_prover_consistency(((uint64_t)1 << 62) + 1, INT64_MAX, &prover), 0);
        ck_assert_uint_le(prover.count, MERKLE_PROOF_MAX);
}
END_TEST

START_TEST(the_text_of_a_proof_has_one_form)
{
        struct merkle_proof proof = {0}, again;
        struct buf text = {0};
        oracle_subproof(5, 0, 11, true, &proof);
        ck_assert_int_eq(merkle_proof_append(&proof, &text), 0);
        ck_assert_int_eq(merkle_proof_parse(text.data, text.size, &again), 0);
        ck_assert(proofs_agree(&proof, &again));
        ck_assert_int_eq(merkle_proof_parse("", 0, &again), 0);
        ck_assert_uint_eq(again.count, 0);
        ck_assert_int_eq(merkle_proof_parse(text.data, text.size - 1, &again), -EINVAL);
        for (size_t i = 0; i < text.size; i++) {
                char was = text.data[i];
                text.data[i] = ' ';
                ck_assert_int_eq(merkle_proof_parse(text.data, text.size, &again), -EINVAL);
                text.data[i] = was;
        }
        while (text.size <= MERKLE_PROOF_MAX * 45)
                ck_assert_int_eq(merkle_proof_append(&proof, &text), 0);
        ck_assert_int_eq(merkle_proof_parse(text.data, text.size, &again), -E2BIG);
        buf_done(&text);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("merkle_proof");
        TCase *tests = tcase_create("merkle_proof");
        tcase_add_checked_fixture(tests, setup, teardown);
        tcase_set_timeout(tests, 120);
        tcase_add_test(tests, inclusion_is_proved_as_defined_for_every_index_of_every_size);
        tcase_add_test(tests, consistency_is_proved_as_defined_for_every_pair_of_sizes);
        tcase_add_test(tests, every_bit_of_a_proof_counts);
        tcase_add_test(tests, a_proof_is_for_its_own_tree_alone);
        tcase_add_test(tests, a_consistency_proof_is_for_its_own_two_trees_alone);
        tcase_add_test(tests, the_empty_tree_begins_every_tree);
        tcase_add_test(tests, sizes_that_no_proof_is_for_are_refused);
        tcase_add_test(tests, the_text_of_a_proof_has_one_form);
        suite_add_tcase(suite, tests);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
