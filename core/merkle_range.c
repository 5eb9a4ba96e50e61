/* SPDX-License-Identifier: MIT */
/*
 * The frontier of merkle.h says all of the leaves on the left. On the right the subtrees follow from the
 * numbers: from where the run ends, each time the largest perfect subtree that may begin there (its size
 * divides the place) and still fits. First they grow, one for each bit that the place lacks up to the size;
 * then they shrink, as the peaks of a tree do.
 *
 * Adding a subtree to a frontier is the binary counter again, begun at a higher bit: it joins every peak of
 * its own height or above that the carry meets. That no smaller peak is in the way is what "divides" means.
 *
 * Nothing of a proof is believed: its text has no choice but the three numbers and the hashes, and the root
 * binds those.
 */
#include "core/merkle_range.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/crypto.h"

#define HEADER_MAX 128u
#define HASH_LINE_SIZE ((DIGEST_SIZE + 2) / 3 * 4 + 1) /* bytes, with the newline */

/* ---- which subtrees ---- */

/* The leaves of the largest perfect subtree that begins after `at` leaves and ends within size. */
static uint64_t
subtree_at(uint64_t at, uint64_t size)
{
        uint64_t room = (uint64_t)1 << (63 - __builtin_clzll(size - at));
        uint64_t aligned = at ? at & -at : room;
        return aligned < room ? aligned : room;
}

static unsigned
right_count(uint64_t last, uint64_t size)
{
        unsigned n = 0;
        for (uint64_t at = last; at < size; at += subtree_at(at, size))
                n++;
        return n;
}

static bool
numbers_are_valid(uint64_t first, uint64_t last, uint64_t size)
{
        return first >= 1 && first <= last && last <= size && size <= MERKLE_RANGE_SIZE_MAX;
}

/* ---- making ---- */

int
merkle_range_begin(uint64_t first, uint64_t last, uint64_t size, struct merkle_range_prover *ret)
{
        if (!numbers_are_valid(first, last, size))
                return -EINVAL;
        *ret = (struct merkle_range_prover){.proof = {.first = first, .last = last, .size = size}};
        for (uint64_t at = last; at < size; at = ret->ranges[ret->proof.n_right++].until)
                ret->ranges[ret->proof.n_right] = (struct merkle_range){at, at + subtree_at(at, size)};
        ret->proof.n_left = merkle_peaks(first - 1);
        return 0;
}

static void
right_take(struct merkle_range_prover *p, struct digester *digester, const struct digest *leaf)
{
        unsigned i = p->under_way;
        merkle_append(&p->part, digester, leaf);
        p->whole.size++; /* from here on only counted */
        if (p->whole.size < p->ranges[i].until)
                return;
        merkle_root(&p->part, digester, &p->proof.right[i]);
        p->part.size = 0;
        p->under_way++;
}

void
merkle_range_take(struct merkle_range_prover *p, struct digester *digester, const struct digest *leaf)
{
        if (p->whole.size >= p->proof.size)
                return;
        if (p->whole.size >= p->proof.last)
                right_take(p, digester, leaf);
        else if (p->whole.size >= p->proof.first - 1)
                p->whole.size++;
        else
                merkle_append(&p->whole, digester, leaf);
        if (p->whole.size == p->proof.first - 1)
                memcpy(p->proof.left, p->whole.peaks, p->proof.n_left * sizeof *p->proof.left);
}

/* ---- verifying ---- */

void
merkle_range_restore(const struct merkle_range_proof *proof, struct merkle *ret)
{
        *ret = (struct merkle){.size = proof->first - 1};
        memcpy(ret->peaks, proof->left, proof->n_left * sizeof *proof->left);
}

/* leaves divides the tree's size. */
static void
subtree_append(struct merkle *tree, struct digester *digester, uint64_t leaves, const struct digest *subtree)
{
        struct digest carried = *subtree;
        unsigned n = merkle_peaks(tree->size);
        for (uint64_t bit = leaves; tree->size & bit; bit <<= 1)
                merkle_node(digester, &tree->peaks[--n], &carried, &carried);
        tree->peaks[n] = carried;
        tree->size += leaves;
}

bool
merkle_range_verify(const struct merkle_range_proof *proof, const struct merkle *tree,
        struct digester *digester, const struct digest *root)
{
        struct merkle whole = *tree;
        struct digest made;
        if (tree->size != proof->last || !numbers_are_valid(proof->first, proof->last, proof->size) ||
                proof->n_right != right_count(proof->last, proof->size))
                return false;
        for (unsigned i = 0; i < proof->n_right; i++)
                subtree_append(&whole, digester, subtree_at(whole.size, proof->size), &proof->right[i]);
        merkle_root(&whole, digester, &made);
        return digest_equal(&made, root);
}

/* ---- as text ---- */

static int
header_write(const struct merkle_range_proof *proof, char text[static HEADER_MAX])
{
        return snprintf(text, HEADER_MAX,
                "driftd-range 1\nfirst %" PRIu64 "\nlast %" PRIu64 "\nsize %" PRIu64 "\n", proof->first,
                proof->last, proof->size);
}

int
merkle_range_append(const struct merkle_range_proof *proof, struct buf *buf)
{
        char header[HEADER_MAX];
        struct buf text = {0};
        header_write(proof, header);
        int r = buf_text(&text, header);
        for (unsigned i = 0; i < proof->n_left + proof->n_right && r == 0; i++) {
                const struct digest *hash =
                        i < proof->n_left ? &proof->left[i] : &proof->right[i - proof->n_left];
                r = crypto_base64_append(&text, hash->bytes, DIGEST_SIZE);
                r = r ? r : buf_text(&text, "\n");
        }
        r = r ? r : buf_append(buf, text.data, text.size);
        buf_done(&text);
        return r;
}

static int
malformed(struct err *err, unsigned line, const char *what)
{
        return err_set(err, MERKLE_RANGE_MALFORMED, "line %u: %s", line, what);
}

/* "NAME NUMBER\n", the number without a leading zero: that is seen when the header is written again. */
static bool
number_take(const char **text, const char *end, const char *name, uint64_t *ret)
{
        size_t size = strlen(name);
        const char *at = *text;
        uint64_t value = 0;
        if ((size_t)(end - at) <= size || memcmp(at, name, size) != 0)
                return false;
        for (at += size; at < end && *at >= '0' && *at <= '9'; at++)
                if (__builtin_mul_overflow(value, 10, &value) ||
                        __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
                        return false;
        if (at == end || *at != '\n')
                return false;
        *text = at + 1;
        *ret = value;
        return true;
}

static int
header_parse(
        const char *text, size_t size, struct merkle_range_proof *proof, size_t *ret_size, struct err *err)
{
        static const char first_line[] = "driftd-range 1\n";
        static const char *const names[] = {"first ", "last ", "size "};
        uint64_t *const numbers[] = {&proof->first, &proof->last, &proof->size};
        const char *at = text + sizeof first_line - 1, *end = text + size;
        char again[HEADER_MAX];
        if (size < sizeof first_line - 1 || memcmp(text, first_line, sizeof first_line - 1) != 0)
                return malformed(err, 1, "not \"driftd-range 1\"");
        for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
                if (!number_take(&at, end, names[i], numbers[i]))
                        return malformed(err, i + 2, "not \"first N\", \"last N\", \"size N\" in this order");
        if (!numbers_are_valid(proof->first, proof->last, proof->size))
                return malformed(err, 2, "not 1 <= first <= last <= size");
        *ret_size = (size_t)(at - text);
        if ((size_t)header_write(proof, again) != *ret_size || memcmp(again, text, *ret_size) != 0)
                return malformed(err, 2, "a number begins with 0");
        return 0;
}

static int
hash_parse(const char *line, struct buf *scratch, struct digest *ret)
{
        buf_clear(scratch);
        int r = line[HASH_LINE_SIZE - 1] == '\n' ? crypto_base64_decode(line, HASH_LINE_SIZE - 1, scratch)
                                                 : -EINVAL;
        if (r == 0 && scratch->size != DIGEST_SIZE)
                r = -EINVAL;
        if (r == 0)
                memcpy(ret->bytes, scratch->data, DIGEST_SIZE);
        return r;
}

int
merkle_range_parse(const char *text, size_t size, struct merkle_range_proof *ret, struct err *err)
{
        _cleanup_buf_ struct buf scratch = {0};
        struct merkle_range_proof proof = {0};
        size_t at = 0;
        int r = header_parse(text, size, &proof, &at, err);
        if (r)
                return r;
        proof.n_left = merkle_peaks(proof.first - 1);
        proof.n_right = right_count(proof.last, proof.size);
        unsigned n = proof.n_left + proof.n_right;
        if (size - at != (size_t)n * HASH_LINE_SIZE)
                return err_set(err, MERKLE_RANGE_MALFORMED,
                        "these numbers need %u lines of %u base64 characters", n, HASH_LINE_SIZE - 1);
        for (unsigned i = 0; i < n; i++, at += HASH_LINE_SIZE) {
                r = hash_parse(text + at, &scratch,
                        i < proof.n_left ? &proof.left[i] : &proof.right[i - proof.n_left]);
                if (r == -ENOMEM)
                        return err_oom(err);
                if (r)
                        return malformed(err, 5 + i, "no hash in base64");
        }
        *ret = proof;
        return 0;
}
