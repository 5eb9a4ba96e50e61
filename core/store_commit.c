/* SPDX-License-Identifier: MIT */
/*
 * Commits, also in a thread of the store's own: a commit is mostly waiting for the disk, and whoever asked
 * for it can meanwhile prepare the next. The store has one user at a time all the same: until the commit is
 * over the thread is it, and every way in (a query, a transaction, the end) waits for it (store_await).
 *
 * Owns the thread, which is made by the first commit that wants it and ends with the store, and how that
 * commit came out until it is asked for. Where no thread can be had, the commit is made at once.
 */
#include "core/store_db.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum stage { STAGE_NONE, STAGE_ASKED, STAGE_OVER };

struct committer {
        pthread_t thread;
        bool runs;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        atomic_int stage; /* changed under the lock */
        bool stopping;
        int result;
        struct err err;
        void (*committed)(void *userdata);
        void *userdata;
};

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

static int
commit_now(struct store *store, struct err *err)
{
        int r = db_exec(store, "COMMIT", "written", err);
        if (r == 0) {
                store->writing = false;
                log_checkpoint(store);
        } else {
                transaction_undo(store);
        }
        return r;
}

int
store_commit(struct store *store, struct err *err)
{
        int r = db_may_write(store, err);
        r = r ? r : history_head_write(store, err);
        if (r == 0)
                return commit_now(store, err);
        store_rollback(store);
        return r;
}

/* ---- the thread ---- */

static void
commit_in_turn(struct store *store)
{
        struct committer *c = store->committer;
        c->result = commit_now(store, &c->err);
        pthread_mutex_lock(&c->lock);
        c->stage = STAGE_OVER;
        pthread_cond_broadcast(&c->changed);
        c->committed(c->userdata); /* with the lock: once store_commit_end has returned, that is over too */
        pthread_mutex_unlock(&c->lock);
}

static void *
committer_main(void *argument)
{
        struct store *store = argument;
        struct committer *c = store->committer;
        pthread_mutex_lock(&c->lock);
        while (!c->stopping) {
                if (c->stage != STAGE_ASKED) {
                        pthread_cond_wait(&c->changed, &c->lock);
                        continue;
                }
                pthread_mutex_unlock(&c->lock);
                commit_in_turn(store);
                pthread_mutex_lock(&c->lock);
        }
        pthread_mutex_unlock(&c->lock);
        return NULL;
}

static struct committer *
committer_of(struct store *store)
{
        if (store->committer)
                return store->committer;
        struct committer *c = store->committer = calloc(1, sizeof *c);
        if (!c)
                return NULL;
        pthread_mutex_init(&c->lock, NULL);
        pthread_cond_init(&c->changed, NULL);
        c->runs = pthread_create(&c->thread, NULL, committer_main, store) == 0;
        return c;
}

void
store_committer_free(struct store *store)
{
        struct committer *c = store->committer;
        if (!c)
                return;
        pthread_mutex_lock(&c->lock);
        while (c->stage == STAGE_ASKED)
                pthread_cond_wait(&c->changed, &c->lock);
        c->stopping = true;
        pthread_cond_broadcast(&c->changed);
        pthread_mutex_unlock(&c->lock);
        if (c->runs)
                pthread_join(c->thread, NULL);
        pthread_cond_destroy(&c->changed);
        pthread_mutex_destroy(&c->lock);
        free(c);
        store->committer = NULL;
}

/* ---- asking ---- */

void
store_await(struct store *store)
{
        struct committer *c = store->committer;
        if (!c || c->stage != STAGE_ASKED)
                return;
        pthread_mutex_lock(&c->lock);
        while (c->stage == STAGE_ASKED)
                pthread_cond_wait(&c->changed, &c->lock);
        pthread_mutex_unlock(&c->lock);
}

bool
store_commit_begin(struct store *store, void (*committed)(void *userdata), void *userdata)
{
        struct committer *c = committer_of(store);
        if (!c || !c->runs || db_may_write(store, NULL) != 0 || history_head_write(store, NULL) != 0)
                return false;
        assert(c->stage == STAGE_NONE);
        pthread_mutex_lock(&c->lock);
        c->committed = committed;
        c->userdata = userdata;
        c->stage = STAGE_ASKED;
        pthread_cond_broadcast(&c->changed);
        pthread_mutex_unlock(&c->lock);
        return true;
}

bool
store_commit_is_over(const struct store *store)
{
        return store->committer->stage == STAGE_OVER;
}

int
store_commit_end(struct store *store, struct err *err)
{
        struct committer *c = store->committer;
        pthread_mutex_lock(&c->lock);
        while (c->stage == STAGE_ASKED)
                pthread_cond_wait(&c->changed, &c->lock);
        assert(c->stage == STAGE_OVER);
        c->stage = STAGE_NONE;
        pthread_mutex_unlock(&c->lock);
        if (c->result != 0 && err)
                *err = c->err;
        return c->result;
}
