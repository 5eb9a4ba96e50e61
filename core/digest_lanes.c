/* SPDX-License-Identifier: MIT */
/*
 * SHA-256 in lanes, in the compiler's own vectors (GCC and Clang: vector_size), once for AVX-512 and once for
 * AVX2. There is nothing secret in what is hashed, and no step depends on the data in time anyway.
 *
 * Owns the two compress functions. Must not know of messages' ends, padding or who is hashed.
 */
#include "core/digest_lanes.h"

#if defined __x86_64__

#include <cpuid.h>
#include <string.h>

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t constants[64] = {0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
        0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
        0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
        0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
        0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb,
        0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624,
        0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
        0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb,
        0xbef9a3f7, 0xc67178f2};

#define ROTATE(x, n) ((x) >> (n) | (x) << (32 - (n)))
#define CHOOSE(e, f, g) ((g) ^ ((e) & ((f) ^ (g))))
#define MAJORITY(a, b, c) (((a) & (b)) | ((c) & ((a) | (b))))

/* The word of a round: of the block itself, or, from the sixteenth round on, made in its place from those
 * before it. */
#define WORD_GIVEN(i) words[(i)&15]
#define WORD_BEFORE(i, back) words[((i) + 16 - (back)) & 15]
#define SMALL_SIGMA_0(x) (ROTATE(x, 7) ^ ROTATE(x, 18) ^ (x) >> 3)
#define SMALL_SIGMA_1(x) (ROTATE(x, 17) ^ ROTATE(x, 19) ^ (x) >> 10)
#define WORD_MADE(i)                                                                                         \
        (words[(i)&15] +=                                                                                    \
                SMALL_SIGMA_0(WORD_BEFORE(i, 15)) + WORD_BEFORE(i, 7) + SMALL_SIGMA_1(WORD_BEFORE(i, 2)))

/* The eight variables change places from round to round by being named in another order. */
#define ROUND(a, b, c, d, e, f, g, h, i, word)                                                               \
        do {                                                                                                 \
                h += (ROTATE(e, 6) ^ ROTATE(e, 11) ^ ROTATE(e, 25)) + CHOOSE(e, f, g) + constants[i] +       \
                     word(i);                                                                                \
                d += h;                                                                                      \
                h += (ROTATE(a, 2) ^ ROTATE(a, 13) ^ ROTATE(a, 22)) + MAJORITY(a, b, c);                     \
        } while (0)
#define ROUNDS(i, word)                                                                                      \
        do {                                                                                                 \
                ROUND(a, b, c, d, e, f, g, h, (i), word);                                                    \
                ROUND(h, a, b, c, d, e, f, g, (i) + 1, word);                                                \
                ROUND(g, h, a, b, c, d, e, f, (i) + 2, word);                                                \
                ROUND(f, g, h, a, b, c, d, e, (i) + 3, word);                                                \
                ROUND(e, f, g, h, a, b, c, d, (i) + 4, word);                                                \
                ROUND(d, e, f, g, h, a, b, c, (i) + 5, word);                                                \
                ROUND(c, d, e, f, g, h, a, b, (i) + 6, word);                                                \
                ROUND(b, c, d, e, f, g, h, a, (i) + 7, word);                                                \
        } while (0)

/* ---- AVX2: eight lanes ---- */

#define LANES 8
#define TARGET __attribute__((target("avx2")))
#define COMPRESS compress_8
#define LOAD load_8
#define VECTOR vector_8
#include "core/digest_lanes_body.h"

__attribute__((target("avx2"))) static inline void
load_8(vector_8 words[16], const unsigned char *const data[8])
{
        for (unsigned lane = 0; lane < 8; lane++)
                for (unsigned i = 0; i < 16; i++) {
                        uint32_t word;
                        memcpy(&word, data[lane] + 4 * i, sizeof word);
                        words[i][lane] = __builtin_bswap32(word);
                }
}

/* ---- AVX-512: sixteen lanes ---- */

#define LANES 16
#define TARGET __attribute__((target("avx512f")))
#define COMPRESS compress_16
#define LOAD load_16
#define VECTOR vector_16
#include "core/digest_lanes_body.h"

/* What two rows, k apart, have of each other in the square that is turned over: words whose number has the
 * bit k, and those that have not. */
#define LOW_8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define HIGH_8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define LOW_4 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define HIGH_4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define LOW_2 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define HIGH_2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define LOW_1 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define HIGH_1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31
#define EXCHANGE(k, i)                                                                                       \
        do {                                                                                                 \
                vector_16 low = __builtin_shufflevector(words[i], words[(i) + (k)], LOW_##k);                \
                words[(i) + (k)] = __builtin_shufflevector(words[i], words[(i) + (k)], HIGH_##k);            \
                words[i] = low;                                                                              \
        } while (0)
#define EXCHANGE_4(k, i, j, l, m)                                                                            \
        do {                                                                                                 \
                EXCHANGE(k, i);                                                                              \
                EXCHANGE(k, j);                                                                              \
                EXCHANGE(k, l);                                                                              \
                EXCHANGE(k, m);                                                                              \
        } while (0)

/* A row is a message's block; turned over, a row is a word of all of them. */
__attribute__((target("avx512f"))) static inline void
load_16(vector_16 words[16], const unsigned char *const data[16])
{
        for (unsigned i = 0; i < 16; i++) {
                vector_16 row;
                memcpy(&row, data[i], sizeof row);
                words[i] = (ROTATE(row, 8) & 0xff00ff00) | (ROTATE(row, 24) & 0x00ff00ff);
        }
        EXCHANGE_4(8, 0, 1, 2, 3);
        EXCHANGE_4(8, 4, 5, 6, 7);
        EXCHANGE_4(4, 0, 1, 2, 3);
        EXCHANGE_4(4, 8, 9, 10, 11);
        EXCHANGE_4(2, 0, 1, 4, 5);
        EXCHANGE_4(2, 8, 9, 12, 13);
        EXCHANGE_4(1, 0, 2, 4, 6);
        EXCHANGE_4(1, 8, 10, 12, 14);
}

/* ---- which ---- */

const struct lanes *
lanes_known(size_t *ret_n)
{
        static const struct lanes all[] = {
                {"avx512", 16, compress_16},
                {"avx2", 8, compress_8},
        };
        bool widest = __builtin_cpu_supports("avx512f");
        bool wide = __builtin_cpu_supports("avx2");
        *ret_n = wide ? 1u + widest : 0;
        return widest ? all : all + 1;
}

unsigned
lanes_break_even(void)
{
        const unsigned sha = 1u << 29; /* CPUID leaf 7, EBX: the SHA extensions */
        unsigned a, b, c, d;
        return __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & sha ? 8 : 3;
}

#else /* other architectures have instructions for SHA-256, or no vectors that are worth it */

const struct lanes *
lanes_known(size_t *ret_n)
{
        *ret_n = 0;
        return NULL;
}

unsigned
lanes_break_even(void)
{
        return LANES_MAX;
}
#endif
