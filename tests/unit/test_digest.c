/* SPDX-License-Identifier: MIT */
/* Messages hashed together are held against the same messages hashed alone, by libcrypto. */
#include <check.h>
#include <stdint.h>
#include <string.h>

#include "core/digest.h"
#include "core/digest_lanes.h"

#define ROUNDS 3000
#define MESSAGES_MAX 41u
#define SIZE_MOST 700u

static uint64_t seed = 88172645463325252;

static unsigned
random_below(unsigned end)
{
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        return (unsigned)(seed >> 33) % end;
}

static void
fill(unsigned char *data, size_t size)
{
        for (size_t i = 0; i < size; i++)
                data[i] = (unsigned char)random_below(256);
}

/* FIPS 180-4, section 5.3.3. */
static const uint32_t start[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/* Each way that this CPU knows, not only the best, with each number of messages. */
START_TEST(each_way_to_fill_the_lanes_says_what_libcrypto_says)
{
        size_t n;
        const struct lanes *ways = lanes_known(&n);
        for (size_t w = 0; w < n; w++)
                for (unsigned count = 1; count <= ways[w].count; count++) {
                        unsigned char blocks[LANES_MAX][4 * LANES_BLOCK] = {0};
                        const unsigned char *data[LANES_MAX];
                        uint32_t words[LANES_MAX][8], *state[LANES_MAX];
                        const size_t size = 3 * LANES_BLOCK; /* and a block that says so */
                        for (unsigned i = 0; i < count; i++) {
                                fill(blocks[i], size);
                                blocks[i][size] = 0x80;
                                blocks[i][4 * LANES_BLOCK - 2] = (unsigned char)(size * 8 >> 8);
                                blocks[i][4 * LANES_BLOCK - 1] = (unsigned char)(size * 8);
                                memcpy(words[i], start, sizeof start);
                                data[i] = blocks[i];
                                state[i] = words[i];
                        }
                        ways[w].compress(state, data, count, 4);
                        for (unsigned i = 0; i < count; i++) {
                                struct digest alone;
                                digest_bytes(blocks[i], size, &alone);
                                for (unsigned k = 0; k < DIGEST_SIZE; k++)
                                        ck_assert_uint_eq(alone.bytes[k],
                                                (unsigned char)(words[i][k / 4] >> (24 - 8 * (k % 4))));
                        }
                }
}
END_TEST

START_TEST(messages_together_are_hashed_as_each_alone)
{
        static unsigned char data[MESSAGES_MAX][SIZE_MOST];
        struct digest_message messages[MESSAGES_MAX];
        struct digest together[MESSAGES_MAX], alone;
        for (unsigned round = 0; round < ROUNDS; round++) {
                unsigned n = random_below(MESSAGES_MAX + 1);
                unsigned most = 1 + random_below(SIZE_MOST);
                for (unsigned i = 0; i < n; i++) {
                        size_t size = random_below(most + 1);
                        fill(data[i], size);
                        messages[i] = (struct digest_message){data[i], size, &together[i]};
                }
                memset(together, 0, sizeof together);
                digest_messages(messages, n);
                for (unsigned i = 0; i < n; i++) {
                        digest_bytes(messages[i].data, messages[i].size, &alone);
                        ck_assert(digest_equal(&alone, &together[i]));
                }
        }
}
END_TEST

/* Digesters that hold part of a block already, pieces of no blocks and of many, and others that join in when
 * one is done. */
START_TEST(pieces_together_are_hashed_as_each_alone)
{
        static unsigned char data[DIGEST_LANES_MAX][2 * SIZE_MOST];
        struct digester *digesters[DIGEST_LANES_MAX], *single = digester_new();
        for (unsigned i = 0; i < DIGEST_LANES_MAX; i++)
                digesters[i] = digester_new();
        for (unsigned round = 0; round < ROUNDS; round++) {
                struct digest_piece pieces[DIGEST_LANES_MAX];
                size_t sizes[DIGEST_LANES_MAX], left = 1 + random_below(DIGEST_LANES_MAX), n = left;
                for (unsigned i = 0; i < n; i++) {
                        size_t first = random_below(3) ? 0 : random_below(200);
                        sizes[i] = first + random_below(SIZE_MOST);
                        fill(data[i], sizes[i]);
                        digester_start(digesters[i]);
                        digester_update(digesters[i], data[i], first);
                        pieces[i] = (struct digest_piece){digesters[i], data[i] + first, sizes[i] - first};
                }
                while (left) {
                        size_t before = left;
                        digest_side_by_side(pieces, left);
                        for (size_t i = 0; i < left;)
                                if (pieces[i].size)
                                        i++;
                                else
                                        pieces[i] = pieces[--left];
                        ck_assert_uint_lt(left, before);
                }
                for (unsigned i = 0; i < n; i++) {
                        struct digest together, alone;
                        digester_final(digesters[i], &together);
                        digester_start(single);
                        digester_update(single, data[i], sizes[i]);
                        digester_final(single, &alone);
                        ck_assert(digest_equal(&alone, &together));
                }
        }
        for (unsigned i = 0; i < DIGEST_LANES_MAX; i++)
                digester_free(digesters[i]);
        digester_free(single);
}
END_TEST

/* Where a context's count of bits goes over 32. */
START_TEST(more_than_half_a_gigabyte_is_counted_right)
{
        enum { COUNT = 4, SIZE = 1 << 20, TIMES = 520 };
        unsigned char *data = malloc(SIZE);
        struct digester *digesters[COUNT], *single = digester_new();
        struct digest together, alone;
        ck_assert_ptr_nonnull(data);
        fill(data, SIZE);
        for (unsigned i = 0; i < COUNT; i++)
                digesters[i] = digester_new();
        for (unsigned time = 0; time < TIMES; time++) {
                struct digest_piece pieces[COUNT];
                for (unsigned i = 0; i < COUNT; i++)
                        pieces[i] = (struct digest_piece){digesters[i], data, SIZE};
                digest_side_by_side(pieces, COUNT);
                for (unsigned i = 0; i < COUNT; i++)
                        ck_assert_uint_eq(pieces[i].size, 0);
                digester_update(single, data, SIZE);
        }
        digester_final(single, &alone);
        for (unsigned i = 0; i < COUNT; i++) {
                digester_final(digesters[i], &together);
                ck_assert(digest_equal(&alone, &together));
                digester_free(digesters[i]);
        }
        digester_free(single);
        free(data);
}
END_TEST

START_TEST(together_is_for_cpus_that_gain_by_it)
{
        size_t n;
        const struct lanes *ways = lanes_known(&n);
        ck_assert_uint_eq(digest_lanes(), n && ways[0].count > lanes_break_even() ? ways[0].count : 0);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("digest");
        TCase *test = tcase_create("together");
        if (digest_setup() < 0)
                return 1;
        tcase_set_timeout(test, 120);
        tcase_add_test(test, each_way_to_fill_the_lanes_says_what_libcrypto_says);
        tcase_add_test(test, messages_together_are_hashed_as_each_alone);
        tcase_add_test(test, pieces_together_are_hashed_as_each_alone);
        tcase_add_test(test, more_than_half_a_gigabyte_is_counted_right);
        tcase_add_test(test, together_is_for_cpus_that_gain_by_it);
        suite_add_tcase(suite, test);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? 1 : 0;
}
