/* SPDX-License-Identifier: MIT */
/*
 * SQLite's memory. A record costs it a dozen pieces that it gives back at once; the allocator has one lock
 * for all threads, and who meets another there sleeps. So a few free pieces of each size are kept here, and
 * mostly found again. (It is what SQLite's own "lookaside" does, which distributions leave out.)
 *
 * Owns the pieces that it keeps: PIECES_KEPT of each size, some 100 KiB at most.
 */
#include "core/store_db.h"

#include <pthread.h>
#include <stdlib.h>

#define PIECE_SIZES 7u /* of 64 to 4096 bytes, each twice the one before; larger ones are few */
#define PIECES_KEPT 8u

struct piece {
        struct piece *next;
};

static struct {
        pthread_mutex_t lock;
        struct piece *kept[PIECE_SIZES];
        unsigned n_kept[PIECE_SIZES];
        sqlite3_mem_methods below; /* SQLite's own: where the pieces come from */
} memory = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int
piece_size(unsigned i)
{
        return 64 << i;
}

/* Of the smallest pieces that hold so many bytes; PIECE_SIZES: none does. */
static unsigned
pieces_for(int bytes)
{
        unsigned i = 0;
        while (i < PIECE_SIZES && piece_size(i) < bytes)
                i++;
        return i;
}

static void *
take_kept(unsigned i)
{
        pthread_mutex_lock(&memory.lock);
        struct piece *piece = memory.kept[i];
        if (piece) {
                memory.kept[i] = piece->next;
                memory.n_kept[i]--;
        }
        pthread_mutex_unlock(&memory.lock);
        return piece;
}

static bool
keep(unsigned i, struct piece *piece)
{
        pthread_mutex_lock(&memory.lock);
        bool room = memory.n_kept[i] < PIECES_KEPT;
        if (room) {
                piece->next = memory.kept[i];
                memory.kept[i] = piece;
                memory.n_kept[i]++;
        }
        pthread_mutex_unlock(&memory.lock);
        return room;
}

static int
round_up(int bytes)
{
        unsigned i = pieces_for(bytes);
        return i < PIECE_SIZES ? piece_size(i) : memory.below.xRoundup(bytes);
}

static void *
take(int bytes)
{
        unsigned i = pieces_for(bytes);
        void *kept = i < PIECE_SIZES ? take_kept(i) : NULL;
        return kept ? kept : memory.below.xMalloc(round_up(bytes));
}

/* The allocator may have given more than it was asked for: a piece is kept as the largest that it can be. */
static void
give_back(void *piece)
{
        int bytes = memory.below.xSize(piece);
        bool is_piece = bytes >= piece_size(0) && bytes < piece_size(PIECE_SIZES);
        if (!is_piece || !keep(pieces_for(bytes + 1) - 1, piece))
                memory.below.xFree(piece);
}

static void *
resize(void *piece, int bytes)
{
        return memory.below.xRealloc(piece, round_up(bytes));
}

/* Where SQLite is in use already it stays as it is, which is slower, not wrong. */
static void
set_up(void)
{
        sqlite3_mem_methods methods;
        if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory.below) != SQLITE_OK)
                return;
        methods = memory.below;
        methods.xMalloc = take;
        methods.xFree = give_back;
        methods.xRealloc = resize;
        methods.xRoundup = round_up;
        sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}

void
store_memory(void)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        if (!SANITIZED) /* which is to see the end of each piece */
                pthread_once(&once, set_up);
}
