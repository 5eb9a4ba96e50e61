/* SPDX-License-Identifier: MIT */
/*
 * RFC 6962 defines its proofs by recursion from the root: at each split one half holds what is proved, and
 * the other half's root goes into the proof. So a proof is a list of ranges of leaves, no two of which
 * overlap, and which ranges follows from the sizes alone. They are listed first; then one walk over the
 * leaves hashes each range as it passes, one at a time.
 *
 * Verifying is the other direction, from the leaf up, as RFC 9162 writes it down: two counters say at each
 * level on which side the next hash stands. Nothing of a proof is believed; a hash too many or too few is no
 * proof.
 */
#include "core/merkle_proof.h"

#include <errno.h>
#include <string.h>

#include "core/crypto.h"

#define HASH_LINE_SIZE ((DIGEST_SIZE + 2) / 3 * 4 + 1) /* bytes of a hash's line, with its newline */

/* ---- which ranges ---- */

/* The largest power of two below n, for n > 1. */
static uint64_t
split_of(uint64_t n)
{
        return (uint64_t)1 << (63 - __builtin_clzll(n - 1));
}

/* The recursion adds the other half after what lies deeper: so the list is turned around at its end. */
static void
range_add(struct merkle_prover *prover, uint64_t from, uint64_t until)
{
        prover->ranges[prover->count++] = (struct merkle_range){from, until};
}

static unsigned
range_at(const struct merkle_prover *prover, uint64_t index)
{
        unsigned i = 0;
        while (i < prover->count && prover->ranges[i].from != index)
                i++;
        return i;
}

static void
ranges_done(struct merkle_prover *prover)
{
        for (unsigned i = 0; i < prover->count / 2; i++) {
                struct merkle_range range = prover->ranges[i];
                prover->ranges[i] = prover->ranges[prover->count - 1 - i];
                prover->ranges[prover->count - 1 - i] = range;
        }
        prover->proof.count = prover->count;
        prover->under_way = range_at(prover, 0);
}

int
merkle_prover_inclusion(uint64_t index, uint64_t size, struct merkle_prover *ret)
{
        uint64_t from = 0, until = size;
        if (index >= size)
                return -EINVAL;
        *ret = (struct merkle_prover){0};
        while (until - from > 1) {
                uint64_t middle = from + split_of(until - from);
                bool left = index < middle;
                range_add(ret, left ? middle : from, left ? until : middle);
                *(left ? &until : &from) = middle;
        }
        ranges_done(ret);
        return 0;
}

int
merkle_prover_consistency(uint64_t old, uint64_t size, struct merkle_prover *ret)
{
        uint64_t from = 0, until = size;
        if (old > size)
                return -EINVAL;
        *ret = (struct merkle_prover){0};
        if (!old || old == size)
                return 0;
        while (until != old) {
                uint64_t middle = from + split_of(until - from);
                bool left = old <= middle;
                range_add(ret, left ? middle : from, left ? until : middle);
                *(left ? &until : &from) = middle;
        }
        if (from) /* else it is the old tree, whose root the verifier has */
                range_add(ret, from, until);
        ranges_done(ret);
        return 0;
}

void
merkle_prover_take(struct merkle_prover *prover, struct digester *digester, const struct digest *leaf)
{
        uint64_t next = ++prover->next;
        unsigned i = prover->under_way;
        if (i < prover->count) {
                merkle_append(&prover->part, digester, leaf);
                if (next < prover->ranges[i].until)
                        return;
                merkle_root(&prover->part, digester, &prover->proof.hashes[i]);
                prover->part.size = 0;
        }
        prover->under_way = range_at(prover, next);
}

/* ---- verifying ---- */

bool
merkle_verify_inclusion(struct digester *digester, uint64_t index, uint64_t size, const struct digest *leaf,
        const struct merkle_proof *proof, const struct digest *root)
{
        struct digest hash = *leaf;
        uint64_t fn = index, sn = size - 1;
        if (index >= size || proof->count > MERKLE_PROOF_MAX)
                return false;
        for (unsigned i = 0; i < proof->count; i++) {
                if (!sn)
                        return false;
                if (fn & 1 || fn == sn) {
                        merkle_node(digester, &proof->hashes[i], &hash, &hash);
                        for (; !(fn & 1) && fn; fn >>= 1)
                                sn >>= 1;
                } else {
                        merkle_node(digester, &hash, &proof->hashes[i], &hash);
                }
                fn >>= 1;
                sn >>= 1;
        }
        return !sn && digest_equal(&hash, root);
}

/* Both trees, from the first node that they share up to their roots. */
static bool
climb(struct digester *digester, uint64_t fn, uint64_t sn, const struct digest *hashes, unsigned count,
        struct digest *old_hash, struct digest *hash)
{
        for (unsigned i = 0; i < count; i++) {
                if (!sn)
                        return false;
                if (fn & 1 || fn == sn) {
                        merkle_node(digester, &hashes[i], old_hash, old_hash);
                        merkle_node(digester, &hashes[i], hash, hash);
                        for (; !(fn & 1) && fn; fn >>= 1)
                                sn >>= 1;
                } else {
                        merkle_node(digester, hash, &hashes[i], hash);
                }
                fn >>= 1;
                sn >>= 1;
        }
        return !sn;
}

bool
merkle_verify_consistency(struct digester *digester, uint64_t old_size, const struct digest *old_root,
        uint64_t size, const struct digest *root, const struct merkle_proof *proof)
{
        struct digest empty;
        digest_bytes(NULL, 0, &empty);
        if (old_size > size || proof->count > MERKLE_PROOF_MAX)
                return false;
        if (!size && !digest_equal(root, &empty))
                return false;
        if (!old_size)
                return !proof->count && digest_equal(old_root, &empty);
        if (old_size == size)
                return !proof->count && digest_equal(old_root, root);
        bool whole = !(old_size & (old_size - 1)); /* the old tree is one of the nodes */
        if (!whole && !proof->count)
                return false;
        struct digest old_hash = whole ? *old_root : proof->hashes[0], hash = old_hash;
        uint64_t fn = old_size - 1, sn = size - 1;
        for (; fn & 1; fn >>= 1)
                sn >>= 1;
        return climb(digester, fn, sn, proof->hashes + !whole, proof->count - !whole, &old_hash, &hash) &&
               digest_equal(&old_hash, old_root) && digest_equal(&hash, root);
}

/* ---- as text ---- */

int
merkle_proof_append(const struct merkle_proof *proof, struct buf *buf)
{
        size_t before = buf->size;
        int r = 0;
        for (unsigned i = 0; i < proof->count && r == 0; i++) {
                r = crypto_base64_append(buf, proof->hashes[i].bytes, DIGEST_SIZE);
                r = r ? r : buf_text(buf, "\n");
        }
        if (r && buf->data) {
                buf->size = before;
                buf->data[before] = '\0';
        }
        return r;
}

int
merkle_proof_parse(const char *text, size_t size, struct merkle_proof *ret)
{
        _cleanup_buf_ struct buf hash = {0};
        struct merkle_proof proof = {0};
        if (size % HASH_LINE_SIZE)
                return -EINVAL;
        if (size / HASH_LINE_SIZE > MERKLE_PROOF_MAX)
                return -E2BIG;
        for (; size; text += HASH_LINE_SIZE, size -= HASH_LINE_SIZE) {
                buf_clear(&hash);
                if (text[HASH_LINE_SIZE - 1] != '\n')
                        return -EINVAL;
                int r = crypto_base64_decode(text, HASH_LINE_SIZE - 1, &hash);
                if (r < 0)
                        return r;
                if (hash.size != DIGEST_SIZE)
                        return -EINVAL;
                memcpy(proof.hashes[proof.count++].bytes, hash.data, DIGEST_SIZE);
        }
        *ret = proof;
        return 0;
}
