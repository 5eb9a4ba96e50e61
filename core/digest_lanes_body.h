/* SPDX-License-Identifier: MIT */
/*
 * The body of one compress() of digest_lanes.c, for vectors of LANES words, which must be defined before,
 * with TARGET (the instructions that the compiler may use) and COMPRESS, LOAD, VECTOR (names). Included once
 * for each width; what it needs of its own it takes back at its end.
 */

typedef uint32_t VECTOR __attribute__((vector_size(4 * LANES)));

/* One block of each message: word i of all of them to words[i], from the messages' byte order to ours. */
TARGET static inline void LOAD(VECTOR words[16], const unsigned char *const data[LANES]);

TARGET static void
COMPRESS(uint32_t *const state[], const unsigned char *const data[], unsigned n, size_t blocks)
{
        const unsigned char *at[LANES];
        VECTOR v[8], words[16];
        for (unsigned lane = 0; lane < LANES; lane++) {
                unsigned from = lane < n ? lane : 0; /* a lane without a message does the first once more */
                at[lane] = data[from];
                for (unsigned i = 0; i < 8; i++)
                        v[i][lane] = state[from][i];
        }
        VECTOR a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], f = v[5], g = v[6], h = v[7];
        for (; blocks; blocks--) {
                LOAD(words, at);
                for (unsigned lane = 0; lane < LANES; lane++)
                        at[lane] += LANES_BLOCK;
                ROUNDS(0, WORD_GIVEN);
                ROUNDS(8, WORD_GIVEN);
                for (unsigned i = 16; i < 64; i += 16) {
                        ROUNDS(i, WORD_MADE);
                        ROUNDS(i + 8, WORD_MADE);
                }
                v[0] = a += v[0];
                v[1] = b += v[1];
                v[2] = c += v[2];
                v[3] = d += v[3];
                v[4] = e += v[4];
                v[5] = f += v[5];
                v[6] = g += v[6];
                v[7] = h += v[7];
        }
        for (unsigned lane = 0; lane < n; lane++)
                for (unsigned i = 0; i < 8; i++)
                        state[lane][i] = v[i][lane];
}

#undef LANES
#undef TARGET
#undef COMPRESS
#undef LOAD
#undef VECTOR
