/* SPDX-License-Identifier: MIT */
/*
 * Commits, and transactions in a thread of the store's own: a transaction is half SQLite's work and half
 * waiting for the disk, and whoever asked for it can meanwhile prepare the next. The store has one user at a
 * time all the same: until the transaction is over that thread is it, and every way in (a query, a visit, a
 * transaction, the end) waits for it (store_await).
 *
 * Owns the thread, which is made by the first transaction that wants it and ends with the store, and how that
 * came out until it is asked for.
 */
#include "core/store_db.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum stage { STAGE_NONE, STAGE_ASKED, STAGE_OVER };

struct store_writer {
        pthread_t thread;
        bool runs;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        atomic_int stage; /* changed under the lock */
        bool stopping;
        int result;
        struct err err;
        int (*write)(void *userdata, struct err *err);
        void (*over)(void *userdata);
        void *userdata;
};

static _Thread_local const struct store
        *own_store; /* of the thread that writes: it need not wait for itself */

/* What is committed is in the log, durably, so a failure here takes nothing back. But if it was a sync that
 * failed, the database must not be written to where it stands. */
static void
log_checkpoint(struct store *store)
{
        if (store->log_pages < store->checkpoint_pages)
                return;
        int rc = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        if (rc != SQLITE_OK)
                db_error(store, rc, "written", NULL);
}

int
store_commit(struct store *store, struct err *err)
{
        int r = db_may_write(store, err);
        r = r ? r : history_head_write(store, err);
        r = r ? r : db_exec(store, "COMMIT", "written", err);
        if (r == 0) {
                store->writing = false;
                log_checkpoint(store);
        } else {
                store_rollback(store);
        }
        return r;
}

/* ---- the thread ---- */

static int
transact(struct store *store, struct store_writer *w)
{
        int r = store_begin(store, &w->err);
        if (r != 0)
                return r;
        r = w->write(w->userdata, &w->err);
        if (r == 0)
                return store_commit(store, &w->err);
        store_rollback(store);
        return r;
}

static void
write_in_turn(struct store *store)
{
        struct store_writer *w = store->writer;
        w->err = (struct err){0};
        w->result = transact(store, w);
        pthread_mutex_lock(&w->lock);
        w->stage = STAGE_OVER;
        pthread_cond_broadcast(&w->changed);
        w->over(w->userdata); /* with the lock: once store_write_end has returned, that is over too */
        pthread_mutex_unlock(&w->lock);
}

static void *
writer_main(void *argument)
{
        struct store *store = argument;
        struct store_writer *w = store->writer;
        own_store = store;
        pthread_mutex_lock(&w->lock);
        while (!w->stopping) {
                if (w->stage != STAGE_ASKED) {
                        pthread_cond_wait(&w->changed, &w->lock);
                        continue;
                }
                pthread_mutex_unlock(&w->lock);
                write_in_turn(store);
                pthread_mutex_lock(&w->lock);
        }
        pthread_mutex_unlock(&w->lock);
        return NULL;
}

static struct store_writer *
writer_of(struct store *store)
{
        if (store->writer)
                return store->writer;
        struct store_writer *w = store->writer = calloc(1, sizeof *w);
        if (!w)
                return NULL;
        pthread_mutex_init(&w->lock, NULL);
        pthread_cond_init(&w->changed, NULL);
        w->runs = pthread_create(&w->thread, NULL, writer_main, store) == 0;
        return w;
}

static void
wait_until_over(struct store_writer *w)
{
        while (w->stage == STAGE_ASKED)
                pthread_cond_wait(&w->changed, &w->lock);
}

void
store_writer_free(struct store *store)
{
        struct store_writer *w = store->writer;
        if (!w)
                return;
        pthread_mutex_lock(&w->lock);
        wait_until_over(w);
        w->stopping = true;
        pthread_cond_broadcast(&w->changed);
        pthread_mutex_unlock(&w->lock);
        if (w->runs)
                pthread_join(w->thread, NULL);
        pthread_cond_destroy(&w->changed);
        pthread_mutex_destroy(&w->lock);
        free(w);
        store->writer = NULL;
}

/* ---- asking ---- */

void
store_await(struct store *store)
{
        struct store_writer *w = store->writer;
        if (!w || w->stage != STAGE_ASKED || own_store == store)
                return;
        pthread_mutex_lock(&w->lock);
        wait_until_over(w);
        pthread_mutex_unlock(&w->lock);
}

void
store_visit(struct store *store)
{
        store_await(store);
        store->visits++;
}

bool
store_write_begin(struct store *store, int (*write)(void *userdata, struct err *err),
        void (*over)(void *userdata), void *userdata)
{
        struct store_writer *w = writer_of(store);
        if (!w || !w->runs)
                return false;
        pthread_mutex_lock(&w->lock);
        assert(w->stage == STAGE_NONE);
        w->write = write;
        w->over = over;
        w->userdata = userdata;
        w->stage = STAGE_ASKED;
        pthread_cond_broadcast(&w->changed);
        pthread_mutex_unlock(&w->lock);
        return true;
}

bool
store_write_is_over(const struct store *store)
{
        return store->writer->stage == STAGE_OVER;
}

int
store_write_end(struct store *store, struct err *err)
{
        struct store_writer *w = store->writer;
        pthread_mutex_lock(&w->lock);
        wait_until_over(w);
        assert(w->stage == STAGE_OVER);
        w->stage = STAGE_NONE;
        pthread_mutex_unlock(&w->lock);
        if (w->result != 0 && err)
                *err = w->err;
        return w->result;
}
