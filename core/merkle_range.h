/* SPDX-License-Identifier: MIT */
/*
 * Proof that a run of leaves stands at its place in the tree of merkle.h (RFC 6962). A proof for each leaf
 * (merkle_proof.h) would repeat the same hashes: a million records would bring a gigabyte. A run needs only
 * what stands around it: on its left the frontier of the tree that ends where it begins, on its right the
 * roots of the perfect subtrees that fill the tree up. Who has the leaves restores the frontier, appends
 * them, then the subtrees, and must come to the tree's root. Pure; for one thread.
 *
 * As text, one byte sequence for one proof (hashes in base64, as in merkle_proof.h):
 *
 *     driftd-range 1
 *     first 12                (number of the run's first leaf, from 1)
 *     last 345                (of its last)
 *     size 400                (of the tree)
 *     <hash>                  (left: one for each bit of first - 1, the largest subtree first)
 *     <hash>                  (right: in the order of their leaves; how many follows from last and size)
 */
#pragma once

#include "core/err.h"
#include "core/merkle_proof.h" /* merkle_range */

#define MERKLE_RANGE_RIGHT_MAX 128u     /* at most two subtrees of each height */
#define MERKLE_RANGE_TEXT_MAX 16384u    /* bytes of a proof's text */
#define MERKLE_RANGE_SIZE_MAX INT64_MAX /* leaves */

enum merkle_range_result { MERKLE_RANGE_MALFORMED = 1 };

/* 1 <= first <= last <= size. */
struct merkle_range_proof {
        uint64_t first, last, size;
        unsigned n_left, n_right;
        struct digest left[MERKLE_PEAKS_MAX];
        struct digest right[MERKLE_RANGE_RIGHT_MAX];
};

/* ---- making ---- */

/* Zero-initialised it proves nothing. */
struct merkle_range_prover {
        struct merkle whole, part;
        unsigned under_way; /* the subtree of the right side that is being hashed */
        struct merkle_range ranges[MERKLE_RANGE_RIGHT_MAX];
        struct merkle_range_proof proof;
};
/* -EINVAL unless 1 <= first <= last <= size <= MERKLE_RANGE_SIZE_MAX. */
int merkle_range_begin(uint64_t first, uint64_t last, uint64_t size, struct merkle_range_prover *ret);
/* The leaves' hashes, all of the tree in order; then prover->proof is whole. More leaves than the tree has
 * are not looked at. */
void merkle_range_take(
        struct merkle_range_prover *prover, struct digester *digester, const struct digest *leaf);

/* ---- verifying ---- */

/* The tree as it was before the run's first leaf: append the run's leaves to it (merkle_append). */
void merkle_range_restore(const struct merkle_range_proof *proof, struct merkle *ret);
/* Whether that tree, now that it has the leaves up to `last`, is with the right side the one with this root.
 */
bool merkle_range_verify(const struct merkle_range_proof *proof, const struct merkle *tree,
        struct digester *digester, const struct digest *root);

/* ---- as text ---- */

/* 0, -ENOMEM, -E2BIG. */
int merkle_range_append(const struct merkle_range_proof *proof, struct buf *buf);
/* 0, -ENOMEM, or MERKLE_RANGE_MALFORMED with the line. */
int merkle_range_parse(const char *text, size_t size, struct merkle_range_proof *ret, struct err *err);
