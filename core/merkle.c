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

#define NODE_SIZE (1 + 2 * DIGEST_SIZE)
#define TOGETHER ((size_t)32) /* trees whose roots are folded side by side */

void
merkle_leaf(struct digester *digester, const void *leaf, size_t size, struct digest *ret)
{
        static const unsigned char prefix = MERKLE_LEAF_PREFIX;
        digester_start(digester);
        digester_update(digester, &prefix, 1);
        digester_update(digester, leaf, size);
        digester_final(digester, ret);
}

static void
node_text(const struct digest *left, const struct digest *right, unsigned char ret[static NODE_SIZE])
{
        ret[0] = MERKLE_NODE_PREFIX;
        memcpy(ret + 1, left->bytes, DIGEST_SIZE);
        memcpy(ret + 1 + DIGEST_SIZE, right->bytes, DIGEST_SIZE);
}

void
merkle_node(
        struct digester *digester, const struct digest *left, const struct digest *right, struct digest *ret)
{
        unsigned char node[NODE_SIZE];
        node_text(left, right, node);
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

/* All at once, one node of each for as long as it has peaks left. */
static void
fold_roots(const struct merkle *trees, size_t n, struct digest *ret)
{
        unsigned char nodes[TOGETHER][NODE_SIZE];
        struct digest_message messages[TOGETHER];
        unsigned left[TOGETHER];
        for (size_t i = 0; i < n; i++) {
                left[i] = merkle_peaks(trees[i].size);
                if (left[i])
                        ret[i] = trees[i].peaks[--left[i]];
                else
                        digest_bytes(NULL, 0, &ret[i]);
        }
        for (;;) {
                size_t count = 0;
                for (size_t i = 0; i < n; i++) {
                        if (!left[i])
                                continue;
                        node_text(&trees[i].peaks[--left[i]], &ret[i], nodes[count]);
                        messages[count] = (struct digest_message){nodes[count], NODE_SIZE, &ret[i]};
                        count++;
                }
                if (!count)
                        return;
                digest_messages(messages, count);
        }
}

void
merkle_roots(const struct merkle *trees, size_t n, struct digest *ret)
{
        for (size_t i = 0; i < n; i += TOGETHER)
                fold_roots(trees + i, min_size(n - i, TOGETHER), ret + i);
}

void
merkle_copy(const struct merkle *merkle, struct merkle *ret)
{
        ret->size = merkle->size;
        memcpy(ret->peaks, merkle->peaks, merkle_peaks(merkle->size) * sizeof *ret->peaks);
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
