/* SPDX-License-Identifier: MIT */
/*
 * The tree of an RFC 6962 log (section 2.1): SHA-256, 0x00 before a leaf, 0x01 before a node. It grows at its
 * end and keeps only the frontier: the roots of its perfect subtrees, from the largest (the oldest leaves) to
 * the smallest, one for each bit that is set in its size. That is all that appending needs. Pure; for one
 * thread.
 *
 * The digester is borrowed for each call, so that a million records need one.
 */
#pragma once

#include <stdint.h>

#include "core/digest.h"

#define MERKLE_PEAKS_MAX 64u /* one a bit of the size */

/* Zero-initialised it is the empty tree. */
struct merkle {
        uint64_t size;                         /* leaves; at most UINT64_MAX - 1 */
        struct digest peaks[MERKLE_PEAKS_MAX]; /* merkle_peaks() of them are in use */
};

#define MERKLE_LEAF_PREFIX 0
#define MERKLE_NODE_PREFIX 1

/* SHA-256(0x00 || leaf) and SHA-256(0x01 || left || right). */
void merkle_leaf(struct digester *digester, const void *leaf, size_t size, struct digest *ret);
void merkle_node(
        struct digester *digester, const struct digest *left, const struct digest *right, struct digest *ret);

/* Adds a leaf by its hash: O(log size), and two hashes on average. */
void merkle_append(struct merkle *merkle, struct digester *digester, const struct digest *leaf);

/* The root; of the empty tree SHA-256 of nothing. One hash for each peak but one. */
void merkle_root(const struct merkle *merkle, struct digester *digester, struct digest *ret);

/* As merkle_root of each of n trees, together (digest_messages). */
void merkle_roots(const struct merkle *trees, size_t n, struct digest *ret);

/* Makes a copy, of the peaks that are in use alone. */
void merkle_copy(const struct merkle *merkle, struct merkle *ret);

/* How many peaks a tree of that size has: they are what has to be stored of it. */
unsigned merkle_peaks(uint64_t size);

/* A tree from its stored size and peaks (their bytes in a row). -EINVAL where their number does not fit the
 * size. */
int merkle_restore(uint64_t size, const void *peaks, size_t peaks_size, struct merkle *ret);
