/* SPDX-License-Identifier: MIT */
/*
 * Internal to digest: the compression function of SHA-256 (FIPS 180-4, section 6.2.2) for several messages
 * that have nothing to do with each other, one in each lane of the CPU's vectors. Each step of a message
 * waits for the step before, while the lanes wait for nobody: a core does so four to six times as much as one
 * message after the other, and with sixteen lanes more than twice as much as the CPU's own instructions for
 * SHA-256.
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

/* More messages than this are faster together than one after another. Where that is as many as there are
 * lanes, none are: eight lanes gain nothing on a CPU with instructions for SHA-256, sixteen do. */
unsigned lanes_break_even(void);
