/* SPDX-License-Identifier: MIT */
/* The text of a range proof: whatever the bytes, reading ends, and what is taken has one form: written again
 * it is the same bytes. Holding it against a tree ends too, and hardly ever well. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "core/merkle_range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *text = size ? (const char *)data : "";
        struct err err = {0};
        struct merkle_range_proof proof;
        struct buf again = {0};
        struct merkle tree;
        struct digest leaf = {{1}}, root = {{2}}; /* nothing hashes to that */
        if (merkle_range_parse(text, size, &proof, &err) != 0) {
                assert(err.code == MERKLE_RANGE_MALFORMED && err.text[0]);
                return 0;
        }
        assert(proof.n_left <= MERKLE_PEAKS_MAX && proof.n_right <= MERKLE_RANGE_RIGHT_MAX);
        assert(merkle_range_append(&proof, &again) == 0 && again.size == size);
        assert(memcmp(again.data, text, size) == 0 && size <= MERKLE_RANGE_TEXT_MAX);
        buf_done(&again);
        struct digester *digester = digester_new();
        merkle_range_restore(&proof, &tree);
        for (unsigned i = 0; i < 64 && tree.size < proof.last; i++)
                merkle_append(&tree, digester, &leaf);
        assert(!merkle_range_verify(&proof, &tree, digester, &root));
        digester_free(digester);
        return 0;
}
