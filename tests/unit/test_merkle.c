/* SPDX-License-Identifier: MIT */
/* The tree against published RFC 6962 vectors, and against the RFC's own recursive definition. */
#include "core/merkle.h"

#include <check.h>
#include <errno.h>
#include <string.h>

static struct digester *digester;

static void
setup(void)
{
        ck_assert_int_eq(digest_setup(), 0);
        digester = digester_new();
        ck_assert_ptr_nonnull(digester);
}

static void
teardown(void)
{
        digester = digester_free(digester);
}

static void
assert_hex(const struct digest *digest, const char *wanted)
{
        char hex[DIGEST_HEX_SIZE];
        digest_hex(digest, hex);
        ck_assert_str_eq(hex, wanted);
}

/* The inputs of the reference vectors of Certificate Transparency. */
static const struct {
        const char *bytes;
        size_t size;
        const char *root; /* of the tree up to here */
} vectors[] = {
        {"", 0, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
        {"\x00", 1, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
        {"\x10", 1, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
        {"\x20\x21", 2, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
        {"\x30\x31", 2, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
        {"\x40\x41\x42\x43", 4, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
        {"\x50\x51\x52\x53\x54\x55\x56\x57", 8,
                "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
        {"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16,
                "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
};

START_TEST(root_of_the_empty_tree_is_the_hash_of_nothing)
{
        struct merkle merkle = {0};
        struct digest root;
        merkle_root(&merkle, digester, &root);
        assert_hex(&root, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
END_TEST

START_TEST(roots_are_those_of_the_reference_vectors)
{
        struct merkle merkle = {0};
        for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
                struct digest leaf, root;
                merkle_leaf(digester, vectors[i].bytes, vectors[i].size, &leaf);
                merkle_append(&merkle, digester, &leaf);
                merkle_root(&merkle, digester, &root);
                assert_hex(&root, vectors[i].root);
                ck_assert_uint_eq(merkle.size, i + 1);
        }
}
END_TEST

START_TEST(a_leaf_is_not_hashed_as_a_node)
{
        struct digest parts[2], leaf, node;
        memset(parts, 7, sizeof parts);
        merkle_leaf(digester, parts, sizeof parts, &leaf);
        merkle_node(digester, &parts[0], &parts[1], &node);
        ck_assert(!digest_equal(&leaf, &node));
}
END_TEST

START_TEST(a_node_may_be_written_over_its_own_children)
{
        struct digest left, right, node;
        memset(&left, 1, sizeof left);
        memset(&right, 2, sizeof right);
        merkle_node(digester, &left, &right, &node);
        merkle_node(digester, &left, &right, &right);
        ck_assert(digest_equal(&node, &right));
}
END_TEST

#define ORACLE_SIZE 200

/* RFC 6962, 2.1, word for word: slow and plain. */
static void
oracle(const struct digest *leaves, size_t n, struct digest *ret)
{
        if (n == 0) {
                digest_bytes("", 0, ret);
                return;
        }
        if (n == 1) {
                *ret = leaves[0];
                return;
        }
        size_t k = 1;
        while (k * 2 < n)
                k *= 2;
        struct digest left, right;
        unsigned char node[65] = {1};
        oracle(leaves, k, &left);
        oracle(leaves + k, n - k, &right);
        memcpy(node + 1, left.bytes, 32);
        memcpy(node + 33, right.bytes, 32);
        digest_bytes(node, sizeof node, ret);
}

START_TEST(every_size_agrees_with_the_recursive_definition)
{
        struct digest leaves[ORACLE_SIZE];
        struct merkle merkle = {0};
        for (size_t n = 0;; n++) {
                struct digest wanted, root;
                oracle(leaves, n, &wanted);
                merkle_root(&merkle, digester, &root);
                ck_assert_msg(digest_equal(&root, &wanted), "size %zu", n);
                if (n == ORACLE_SIZE)
                        break;
                merkle_leaf(digester, &n, sizeof n, &leaves[n]);
                merkle_append(&merkle, digester, &leaves[n]);
        }
}
END_TEST

START_TEST(a_restored_frontier_goes_on_as_if_it_had_never_been_stored)
{
        struct merkle whole = {0}, stored = {0};
        for (size_t n = 0; n < ORACLE_SIZE; n++) {
                struct digest leaf, a, b;
                struct merkle copy;
                ck_assert_int_eq(merkle_restore(stored.size, stored.peaks,
                                         merkle_peaks(stored.size) * DIGEST_SIZE, &copy),
                        0);
                stored = copy;
                merkle_leaf(digester, &n, sizeof n, &leaf);
                merkle_append(&whole, digester, &leaf);
                merkle_append(&stored, digester, &leaf);
                merkle_root(&whole, digester, &a);
                merkle_root(&stored, digester, &b);
                ck_assert(digest_equal(&a, &b));
        }
}
END_TEST

START_TEST(a_frontier_that_does_not_fit_its_size_is_refused)
{
        unsigned char peaks[3 * DIGEST_SIZE] = {0};
        struct merkle merkle = {.size = 99};
        ck_assert_int_eq(merkle_restore(5, peaks, sizeof peaks, &merkle), -EINVAL);
        ck_assert_int_eq(merkle_restore(5, peaks, 2 * DIGEST_SIZE - 1, &merkle), -EINVAL);
        ck_assert_int_eq(merkle_restore(0, peaks, DIGEST_SIZE, &merkle), -EINVAL);
        ck_assert_uint_eq(merkle.size, 99);
        ck_assert_int_eq(merkle_restore(7, peaks, sizeof peaks, &merkle), 0);
        ck_assert_int_eq(merkle_restore(0, NULL, 0, &merkle), 0);
}
END_TEST

START_TEST(roots_made_together_are_those_made_alone)
{
        enum { COUNT = 75 };
        static struct merkle trees[COUNT];
        struct digest together[COUNT], alone;
        for (size_t i = 0; i + 1 < COUNT; i++) {
                struct digest leaf;
                merkle_leaf(digester, &i, sizeof i, &leaf);
                merkle_copy(&trees[i], &trees[i + 1]);
                merkle_append(&trees[i + 1], digester, &leaf);
        }
        merkle_roots(trees, COUNT, together);
        for (size_t i = 0; i < COUNT; i++) {
                merkle_root(&trees[i], digester, &alone);
                ck_assert(digest_equal(&alone, &together[i]));
        }
}
END_TEST

START_TEST(the_largest_size_has_a_peak_for_each_bit)
{
        ck_assert_uint_eq(merkle_peaks(UINT64_MAX), MERKLE_PEAKS_MAX);
        ck_assert_uint_eq(merkle_peaks(0), 0);
        ck_assert_uint_eq(merkle_peaks(UINT64_C(1) << 63), 1);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("merkle");
        TCase *tree = tcase_create("tree");
        tcase_add_checked_fixture(tree, setup, teardown);
        tcase_add_test(tree, root_of_the_empty_tree_is_the_hash_of_nothing);
        tcase_add_test(tree, roots_are_those_of_the_reference_vectors);
        tcase_add_test(tree, a_leaf_is_not_hashed_as_a_node);
        tcase_add_test(tree, a_node_may_be_written_over_its_own_children);
        tcase_add_test(tree, every_size_agrees_with_the_recursive_definition);
        tcase_add_test(tree, a_restored_frontier_goes_on_as_if_it_had_never_been_stored);
        tcase_add_test(tree, a_frontier_that_does_not_fit_its_size_is_refused);
        tcase_add_test(tree, roots_made_together_are_those_made_alone);
        tcase_add_test(tree, the_largest_size_has_a_peak_for_each_bit);
        suite_add_tcase(suite, tree);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
