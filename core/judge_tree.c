/* SPDX-License-Identifier: MIT */
/*
 * The open drifts in the order of their items, then baselines: a treap (Seidel and Aragon, "Randomized search
 * trees", 1996), so that one is found, and all that lie below a folder are, without a look at the others,
 * however many there are.
 *
 * Owns the links of the drifts (left, right, weight), not the drifts. Invariants: what is left of a drift
 * comes before it and what is right of it after it; none weighs more than the one above it. The weights are
 * hashes of the items under a random key, and nobody outside knows them: no choice of names makes the tree
 * deep. Its depth at DRIFTS_MAX is about 45, and that is how deep the recursion here goes.
 */
#include "core/judge_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int
order_of(const struct drift *drift, const char *item, const char *baseline)
{
        int order = strcmp(item, drift->item);
        return order ? order : strcmp(baseline, drift->baseline);
}

struct drift **
drift_slot(struct judge *judge, const char *baseline, const char *item)
{
        struct drift **slot = &judge->drifts;
        int order;
        while (*slot && (order = order_of(*slot, item, baseline)) != 0)
                slot = order < 0 ? &(*slot)->left : &(*slot)->right;
        return slot;
}

/* Parts a tree at a drift that is not in it, which becomes the root of both parts. */
static void
split(struct drift *tree, struct drift *at)
{
        struct drift **left = &at->left, **right = &at->right;
        while (tree) {
                if (order_of(tree, at->item, at->baseline) < 0) {
                        *right = tree;
                        right = &tree->left;
                        tree = tree->left;
                } else {
                        *left = tree;
                        left = &tree->right;
                        tree = tree->right;
                }
        }
        *left = *right = NULL;
}

void
tree_insert(struct judge *judge, struct drift *drift)
{
        struct drift **slot = &judge->drifts;
        drift->weight = (uint32_t)crypto_short_hash(judge->weight_key, drift->item, strlen(drift->item));
        while (*slot && (*slot)->weight >= drift->weight)
                slot = order_of(*slot, drift->item, drift->baseline) < 0 ? &(*slot)->left : &(*slot)->right;
        split(*slot, drift);
        *slot = drift;
        judge->n_drifts++;
}

void
tree_remove(struct judge *judge, struct drift **slot)
{
        struct drift *left = (*slot)->left, *right = (*slot)->right;
        while (left && right) {
                if (left->weight >= right->weight) {
                        *slot = left;
                        slot = &left->right;
                        left = left->right;
                } else {
                        *slot = right;
                        slot = &right->left;
                        right = right->left;
                }
        }
        *slot = left ? left : right;
        judge->n_drifts--;
}

int
tree_each(struct drift *tree, int (*visit)(void *userdata, struct drift *drift), void *userdata)
{
        if (!tree)
                return 0;
        int r = tree_each(tree->left, visit, userdata);
        r = r ? r : visit(userdata, tree);
        return r ? r : tree_each(tree->right, visit, userdata);
}

int
tree_each_slot(struct drift **slot, int (*visit)(void *userdata, struct drift **slot), void *userdata)
{
        if (!*slot)
                return 0;
        int r = tree_each_slot(&(*slot)->left, visit, userdata);
        r = r ? r : tree_each_slot(&(*slot)->right, visit, userdata);
        return r ? r : visit(userdata, slot);
}

/* Those whose item begins with these bytes. */
static int
each_with(struct drift *tree, const char *start, size_t size,
        int (*visit)(void *userdata, struct drift *drift), void *userdata)
{
        if (!tree)
                return 0;
        int order = strncmp(start, tree->item, size);
        int r = order <= 0 ? each_with(tree->left, start, size, visit, userdata) : 0;
        r = r == 0 && order == 0 ? visit(userdata, tree) : r;
        return r == 0 && order >= 0 ? each_with(tree->right, start, size, visit, userdata) : r;
}

int
tree_each_below(struct drift *tree, const char *item, int (*visit)(void *userdata, struct drift *drift),
        void *userdata)
{
        _cleanup_free_ char *start = NULL;
        size_t size = strlen(item);
        bool ends = item[size - 1] == '/'; /* the root folder */
        if (asprintf(&start, "%s%s", item, ends ? "" : "/") < 0)
                return -ENOMEM;
        int r = ends ? 0 : each_with(tree, item, size + 1, visit, userdata); /* it begins with itself */
        return r ? r : each_with(tree, start, strlen(start), visit, userdata);
}
