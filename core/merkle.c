/* SPDX-License-Identifier: MIT */
/*
 * RFC 6962 writes its tree from the top: split n leaves at the largest power of two below n. Seen from below
 * that is a binary counter: a tree of n leaves is one perfect subtree for each bit of n, and adding a leaf is
 * adding one, where each carry joins two equal subtrees into a node. The root then folds what is left from
 * the small end to the large.
 *
 * Invariant: peaks[0 .. popcount(size) - 1] are the roots of those subtrees, the largest first. Whether they
 * are the right ones is not known here: who restores a frontier from outside must recompute it to be sure.
 */
#include "core/merkle.h"

#include <errno.h>
#include <string.h>

void
merkle_leaf(struct digester *digester, const void *leaf, size_t size, struct digest *ret)
{
        static const unsigned char prefix = 0;
        digester_start(digester);
        digester_update(digester, &prefix, 1);
        digester_update(digester, leaf, size);
        digester_final(digester, ret);
}

void
merkle_node(
        struct digester *digester, const struct digest *left, const struct digest *right, struct digest *ret)
{
        unsigned char node[1 + 2 * DIGEST_SIZE] = {1};
        memcpy(node + 1, left->bytes, DIGEST_SIZE);
        memcpy(node + 1 + DIGEST_SIZE, right->bytes, DIGEST_SIZE);
        digester_start(digester);
        digester_update(digester, node, sizeof node);
        digester_final(digester, ret);
}

unsigned
merkle_peaks(uint64_t size)
{
        return (unsigned)__builtin_popcountll(size);
}

void
merkle_append(struct merkle *merkle, struct digester *digester, const struct digest *leaf)
{
        struct digest carried = *leaf;
        unsigned n = merkle_peaks(merkle->size);
        for (uint64_t bits = merkle->size; bits & 1; bits >>= 1)
                merkle_node(digester, &merkle->peaks[--n], &carried, &carried);
        merkle->peaks[n] = carried;
        merkle->size++;
}

void
merkle_root(const struct merkle *merkle, struct digester *digester, struct digest *ret)
{
        unsigned n = merkle_peaks(merkle->size);
        if (!n) {
                digest_bytes(NULL, 0, ret);
                return;
        }
        struct digest root = merkle->peaks[--n];
        while (n)
                merkle_node(digester, &merkle->peaks[--n], &root, &root);
        *ret = root;
}

int
merkle_restore(uint64_t size, const void *peaks, size_t peaks_size, struct merkle *ret)
{
        if (peaks_size != (size_t)merkle_peaks(size) * DIGEST_SIZE)
                return -EINVAL;
        *ret = (struct merkle){.size = size};
        if (peaks_size)
                memcpy(ret->peaks, peaks, peaks_size);
        return 0;
}
