/* SPDX-License-Identifier: MIT */
/*
 * malloc_trim(3) gives back each page that is free as a whole. What a storm leaves is pages that hold one
 * piece each: glibc keeps some freed pieces of every small size for the thread that freed them, wherever in
 * the heap they lie, and to the trim they are in use. After 80,000 drifts came and went these alone held
 * 2.2 MiB, at some 70 bytes a page.
 *
 * There is no call that empties that store, but it is a stack of bounded height: what is taken out comes from
 * it, and once it is full again (of pieces that lie together) what is put back goes to the heap. The two
 * numbers are glibc's; with another allocator, or other numbers, this does no more than allocate and free.
 */
#include "daemon/memory.h"

#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>

#include "core/util.h"

#define KEPT_SIZE_MIN 24u /* bytes that a piece holds */
#define KEPT_SIZE_STEP 16u
#define KEPT_SIZES 64u
#define KEPT_OF_A_SIZE 7u /* pieces */
#define KEPT_MAX (KEPT_SIZES * KEPT_OF_A_SIZE)

/* (Written through volatile: an allocation that only its free uses is one that the compiler may leave out.)
 */
static void
pieces_take(void *volatile pieces[static KEPT_MAX])
{
        for (size_t i = 0; i < KEPT_MAX; i++)
                pieces[i] = malloc(KEPT_SIZE_MIN + i / KEPT_OF_A_SIZE * KEPT_SIZE_STEP);
}

static void
pieces_free(void *volatile pieces[static KEPT_MAX])
{
        for (size_t i = 0; i < KEPT_MAX; i++)
                free(pieces[i]);
}

void
memory_give_back(void)
{
        void *volatile kept[KEPT_MAX], *volatile others[KEPT_MAX];
        malloc_trim(0); /* also joins free neighbours: what is left of a page is a large piece then */
        pieces_take(kept);
        pieces_take(others); /* nothing is freed meanwhile, so they are cut from few of those */
        pieces_free(others);
        pieces_free(kept);
        malloc_trim(0);
}
