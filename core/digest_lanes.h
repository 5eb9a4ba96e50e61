/* SPDX-License-Identifier: MIT */
/*
 * Internal to digest: the compression function of SHA-256 (FIPS 180-4, section 6.2.2) for several messages
 * that have nothing to do with each other, one in each lane of the CPU's vectors. A CPU without instructions
 * for SHA-256 does in one core four to six times as much this way as one message after the other: each step
 * of a message waits for the step before, while the lanes wait for nobody.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANES_MAX 16u
#define LANES_BLOCK ((size_t)64) /* bytes */

struct lanes {
        const char *name;
        unsigned count; /* at most LANES_MAX */
        /* Takes `blocks` blocks of each of n messages, 1 to count, into its state: eight words, a to h. All
         * lanes cost the same however few are used. */
        void (*compress)(
                uint32_t *const state[], const unsigned char *const data[], unsigned n, size_t blocks);
};

/* What this CPU and kernel can do, the best first; *ret_n may be 0. */
const struct lanes *lanes_known(size_t *ret_n);

/* Whether the CPU has instructions for SHA-256: one message after the other is as fast then, and simpler. */
bool lanes_needless(void);
