/* SPDX-License-Identifier: MIT */
/*
 * Proofs about the tree of merkle.h (RFC 6962 sections 2.1.1 and 2.1.2): that a leaf is in it, and that a
 * later tree begins with an earlier one. Made in one pass over the leaves with memory for O(log size) hashes;
 * verified (RFC 9162 sections 2.1.3.2 and 2.1.4.2) from nothing but sizes, roots and the proof. Pure; for one
 * thread.
 */
#pragma once

#include <stdbool.h>

#include "core/buf.h"
#include "core/merkle.h"

/* Hashes in a proof; a consistency proof has at most one more than its larger tree has levels. */
#define MERKLE_PROOF_MAX 64u

struct merkle_proof {
        unsigned count;
        struct digest hashes[MERKLE_PROOF_MAX];
};

/* ---- making ---- */

/* The subtree over the leaves from <= index < until. */
struct merkle_range {
        uint64_t from, until;
};

/* Zero-initialised it proves nothing, of a tree of no leaves. */
struct merkle_prover {
        unsigned count;                               /* ranges: one for each hash of the proof */
        struct merkle_range ranges[MERKLE_PROOF_MAX]; /* in the order of the proof */
        uint64_t next;                                /* index of the leaf that comes next */
        unsigned under_way;                           /* the range that it is in, or count */
        struct merkle part;                           /* of that range, so far */
        struct merkle_proof proof;
};

/* What a proof consists of. -EINVAL unless index < size; unless old <= size. Where old is 0 or size the proof
 * is empty. */
int merkle_prover_inclusion(uint64_t index, uint64_t size, struct merkle_prover *ret);
int merkle_prover_consistency(uint64_t old, uint64_t size, struct merkle_prover *ret);
/* The leaves' hashes, all of them in order. */
void merkle_prover_take(struct merkle_prover *prover, struct digester *digester, const struct digest *leaf);
/* prover->proof is whole once the leaves of the tree were taken. */

/* ---- verifying ---- */

/* Whether leaf is number `index` of the tree of that size and root. */
bool merkle_verify_inclusion(struct digester *digester, uint64_t index, uint64_t size,
        const struct digest *leaf, const struct merkle_proof *proof, const struct digest *root);
/* Whether the tree (size, root) begins with the leaves of (old_size, old_root). The empty tree begins every
 * tree, with an empty proof and only its own root. */
bool merkle_verify_consistency(struct digester *digester, uint64_t old_size, const struct digest *old_root,
        uint64_t size, const struct digest *root, const struct merkle_proof *proof);

/* ---- as text ---- */

/* One hash a line in base64, as c2sp.org/tlog-witness has it. 0, -ENOMEM, -E2BIG. */
int merkle_proof_append(const struct merkle_proof *proof, struct buf *buf);
/* Exactly such lines, to the last byte; no byte is an empty proof. -EINVAL, -E2BIG (more hashes than a proof
 * can have), -ENOMEM. */
int merkle_proof_parse(const char *text, size_t size, struct merkle_proof *ret);
