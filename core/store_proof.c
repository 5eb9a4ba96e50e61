/* SPDX-License-Identifier: MIT */
/*
 * Proofs over the stored leaves. One walk hashes every leaf once and hands the hash to all that wait for it:
 * the whole tree, the consistency proof, and a prover for each record whose place is asked for. Nothing but
 * the leaves is believed: the head that is given out is the one that they make, and where the stored one is
 * another, there is no proof but the words for it.
 *
 * The size is fixed when the walk begins, so records may be appended between its slices.
 */
#include "core/store_db.h"

#include <errno.h>
#include <inttypes.h>

#include "core/quote.h"

struct store_prover {
        struct store *store;
        struct store_proof_wish wish;
        struct tree_head stored; /* at the beginning */
        struct merkle whole;
        struct merkle_prover consistency;
        struct merkle_prover *includes; /* wish.n_seqs, as are the next two */
        struct merkle_proof *proofs;
        struct digest *leaves;
        uint64_t *seqs;
        struct merkle_prover *consistencies; /* wish.n_olds, as is the next */
        struct merkle_proof *olds;
        struct merkle_range_prover range;
        struct store_proof proof;
};

static int
tampered(struct store_prover *p, struct err *err, const char *what)
{
        err_set(err, STORE_TAMPERED, "%s: the history does not hold: %s", quote(p->store->path), what);
        return err_hint(err, STORE_TAMPERED, "driftctl verify names the first record that is wrong");
}

static int
includes_new(struct store_prover *p, struct err *err)
{
        size_t n = p->wish.n_seqs;
        if (n > STORE_PROOF_INCLUDES_MAX)
                return err_set(err, -E2BIG, "%zu records are too many for one proof: %u is the most", n,
                        STORE_PROOF_INCLUDES_MAX);
        p->includes = calloc(n + 1, sizeof *p->includes);
        p->proofs = calloc(n + 1, sizeof *p->proofs);
        p->leaves = calloc(n + 1, sizeof *p->leaves);
        p->seqs = calloc(n + 1, sizeof *p->seqs);
        if (!p->includes || !p->proofs || !p->leaves || !p->seqs)
                return err_oom(err);
        for (size_t i = 0; i < n; i++) {
                p->seqs[i] = p->wish.seqs[i];
                if (merkle_prover_inclusion(p->seqs[i] - 1, p->stored.size, &p->includes[i]) < 0)
                        return err_set(err, -EINVAL,
                                "there is no record %" PRIu64 ": the history has %" PRIu64, p->seqs[i],
                                p->stored.size);
        }
        return 0;
}

static int
olds_new(struct store_prover *p, struct err *err)
{
        size_t n = p->wish.n_olds;
        if (n > STORE_PROOF_OLDS_MAX)
                return err_set(err, -E2BIG, "%zu earlier sizes are too many for one proof: %u is the most", n,
                        STORE_PROOF_OLDS_MAX);
        p->consistencies = calloc(n + 1, sizeof *p->consistencies);
        p->olds = calloc(n + 1, sizeof *p->olds);
        if (!p->consistencies || !p->olds)
                return err_oom(err);
        for (size_t i = 0; i < n; i++)
                if (p->wish.olds[i] <= p->stored.size)
                        merkle_prover_consistency(p->wish.olds[i], p->stored.size, &p->consistencies[i]);
        if (p->wish.first && merkle_range_begin(p->wish.first, p->wish.last, p->stored.size, &p->range) < 0)
                return err_set(err, -EINVAL,
                        "there are no records %" PRIu64 " to %" PRIu64 ": the history has %" PRIu64,
                        p->wish.first, p->wish.last, p->stored.size);
        return 0;
}

int
store_prove_begin(
        struct store *store, const struct store_proof_wish *wish, struct store_prover **ret, struct err *err)
{
        _cleanup_(store_prover_freep) struct store_prover *p = calloc(1, sizeof *p);
        if (!p)
                return err_oom(err);
        p->store = store;
        p->wish = *wish;
        int r = store_head(store, &p->stored, err);
        r = r ? r : includes_new(p, err);
        r = r ? r : olds_new(p, err);
        if (r)
                return r;
        if (wish->old <= p->stored.size)
                merkle_prover_consistency(wish->old, p->stored.size, &p->consistency);
        *ret = steal_pointer(&p);
        return 0;
}

static void
leaf_take(struct store_prover *p, const char *body, size_t size)
{
        struct digester *digester = p->store->digester;
        struct digest leaf;
        merkle_leaf(digester, body, size, &leaf);
        merkle_append(&p->whole, digester, &leaf);
        merkle_prover_take(&p->consistency, digester, &leaf);
        merkle_range_take(&p->range, digester, &leaf);
        for (size_t i = 0; i < p->wish.n_olds; i++)
                merkle_prover_take(&p->consistencies[i], digester, &leaf);
        for (size_t i = 0; i < p->wish.n_seqs; i++) {
                if (p->seqs[i] == p->whole.size)
                        p->leaves[i] = leaf;
                merkle_prover_take(&p->includes[i], digester, &leaf);
        }
        struct tree_head *heads[] = {&p->proof.old, &p->proof.seen};
        const uint64_t sizes[] = {p->wish.old, p->wish.seen};
        for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
                if (sizes[i] == p->whole.size) {
                        heads[i]->size = sizes[i];
                        merkle_root(&p->whole, digester, &heads[i]->root);
                }
}

static int
leaves_take(struct store_prover *p, uint64_t rows, struct err *err)
{
        _cleanup_query_ struct query query = {0};
        int r = query_open(&query, p->store, err,
                "SELECT seq, body FROM record NOT INDEXED WHERE seq > ? ORDER BY seq", "u", p->whole.size);
        for (; r == 0 && rows && p->whole.size < p->stored.size; rows--) {
                bool row = false;
                uint64_t seq;
                const char *body;
                size_t size;
                r = query_next(&query, &row, err);
                if (r != 0)
                        return r;
                if (!row)
                        return tampered(p, err, "the tree head counts more records than there are");
                r = query_read(&query, err, "ut", &seq, &body, &size);
                if (r == 0 && seq != p->whole.size + 1)
                        return tampered(p, err, "a record is missing");
                if (r == 0)
                        leaf_take(p, body, size);
        }
        return r;
}

int
store_prove_some(struct store_prover *p, uint64_t rows_max, const struct store_proof **ret, struct err *err)
{
        store_await(p->store);
        int r = leaves_take(p, rows_max, err);
        if (r)
                return r;
        *ret = NULL;
        if (p->whole.size < p->stored.size)
                return 0;
        p->proof.head.size = p->whole.size;
        merkle_root(&p->whole, p->store->digester, &p->proof.head.root);
        if (!digest_equal(&p->proof.head.root, &p->stored.root))
                return tampered(p, err, "its records do not give its tree head");
        p->proof.consistency = p->consistency.proof;
        for (size_t i = 0; i < p->wish.n_seqs; i++)
                p->proofs[i] = p->includes[i].proof;
        for (size_t i = 0; i < p->wish.n_olds; i++)
                p->olds[i] = p->consistencies[i].proof;
        p->proof.olds = p->olds;
        p->proof.range = p->range.proof;
        p->proof.includes = p->proofs;
        p->proof.leaves = p->leaves;
        *ret = &p->proof;
        return 0;
}

struct store_prover *
store_prover_free(struct store_prover *p)
{
        if (!p)
                return NULL;
        free(p->includes);
        free(p->proofs);
        free(p->leaves);
        free(p->seqs);
        free(p->consistencies);
        free(p->olds);
        free(p);
        return NULL;
}
