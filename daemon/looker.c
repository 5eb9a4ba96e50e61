/* SPDX-License-Identifier: MIT */
/*
 * A queue in, threads, a queue out. What was asked for and not yet fetched as an answer is bounded by the
 * number of threads, so neither queue can grow.
 *
 * Owns the threads and every look between lookers_ask and lookers_answers. Must not know what a look is for.
 *
 * Invariants: (1) each look asked for gives exactly one answer, also where it hangs; (2) a thread that was
 * given up writes no answer when it comes back: it ends, and its place is free; (3) everything in struct
 * lookers and struct looker but the count of bytes is under the lock.
 */
#include "daemon/looker.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "core/clock.h"

struct looker {
        struct lookers *lookers;
        pthread_t thread;
        bool running;          /* started and not yet joined */
        struct look *look;     /* under way */
        atomic_ullong bytes;   /* read by this thread */
        bool abandoned, ended; /* its look was given up; it has come back from it */
};

struct lookers {
        void (*wake)(void *userdata);
        void *userdata;
        pthread_mutex_t lock;
        pthread_cond_t asked;
        struct look *queue, **queue_end;
        struct look *answers, **answers_end;
        size_t n_out; /* asked for and not fetched */
        struct looker places[LOOKERS_MAX];
        unsigned n_places, n_stuck;
        bool stopping;
        atomic_bool cancel; /* of the reading */
};

struct look *
look_new(struct dirty_entry *entry, const char *path)
{
        struct look *look = calloc(1, sizeof *look);
        if (!look)
                return NULL;
        look->entry = entry;
        look->path = strdup(path);
        return look->path ? look : look_free(look);
}

struct look *
look_free(struct look *look)
{
        if (!look)
                return NULL;
        snapshot_done(&look->snapshot);
        free(look->path);
        free(look);
        return NULL;
}

void
look_failed(struct look *look, int error)
{
        look->result = SNAPSHOT_UNREADABLE;
        look->snapshot.failed_errno = error;
        look->snapshot.taken_ms = clock_now_ms();
}

/* ---- the queues, under the lock ---- */

static struct look *
queue_take(struct lookers *lookers)
{
        struct look *look = lookers->queue;
        lookers->queue = look->next;
        if (!lookers->queue)
                lookers->queue_end = &lookers->queue;
        look->next = NULL;
        return look;
}

static void
put_answer(struct lookers *lookers, struct look *look)
{
        look->next = NULL;
        *lookers->answers_end = look;
        lookers->answers_end = &look->next;
        lookers->wake(lookers->userdata);
}

/* Whether a look at this very path hangs already: another would only take one more thread. */
static bool
path_hangs(const struct lookers *lookers, const char *path)
{
        for (unsigned i = 0; lookers->n_stuck && i < lookers->n_places; i++) {
                const struct look *look = lookers->places[i].look;
                if (look && look->stuck && strcmp(look->path, path) == 0)
                        return true;
        }
        return false;
}

/* ---- threads ---- */

static void *
looker_main(void *argument)
{
        struct looker *looker = argument;
        struct lookers *lookers = looker->lookers;
        pthread_mutex_lock(&lookers->lock);
        while (!lookers->stopping && !looker->abandoned) {
                if (!lookers->queue) {
                        pthread_cond_wait(&lookers->asked, &lookers->lock);
                        continue;
                }
                struct look *look = looker->look = queue_take(lookers);
                look->started_ms = clock_monotonic_ms();
                look->bytes_before = looker->bytes;
                look->wish.bytes_read = &looker->bytes;
                look->wish.cancel = &lookers->cancel;
                pthread_mutex_unlock(&lookers->lock);
                look->result = snapshot_path("", look->path, &look->wish, &look->snapshot, NULL);
                pthread_mutex_lock(&lookers->lock);
                looker->look = NULL;
                if (!look->stuck) {
                        put_answer(lookers, look);
                        continue;
                }
                look_free(look); /* it was answered long ago */
                lookers->n_stuck--;
                looker->ended = true;
        }
        pthread_mutex_unlock(&lookers->lock);
        return NULL;
}

/* A place never used, or whose thread came back after it was given up. NULL: all are taken. */
static struct looker *
free_place(struct lookers *lookers)
{
        for (unsigned i = 0; i < lookers->n_places; i++)
                if (lookers->places[i].ended) {
                        if (lookers->places[i].running)
                                pthread_join(lookers->places[i].thread, NULL); /* ends without the lock */
                        lookers->places[i].running = false;
                        return &lookers->places[i];
                }
        return lookers->n_places < LOOKERS_MAX ? &lookers->places[lookers->n_places] : NULL;
}

static int
start_one(struct lookers *lookers)
{
        struct looker *looker = free_place(lookers);
        if (!looker)
                return -EAGAIN;
        bool fresh = looker == &lookers->places[lookers->n_places];
        *looker = (struct looker){.lookers = lookers, .ended = true};
        int r = -pthread_create(&looker->thread, NULL, looker_main, looker);
        if (r < 0)
                return r;
        looker->running = true;
        looker->ended = false;
        lookers->n_places += fresh;
        return 0;
}

static unsigned
count_alive(const struct lookers *lookers)
{
        unsigned alive = 0;
        for (unsigned i = 0; i < lookers->n_places; i++)
                alive += lookers->places[i].running && !lookers->places[i].abandoned;
        return alive;
}

int
lookers_run(struct lookers *lookers, unsigned wanted)
{
        int r = 0;
        pthread_mutex_lock(&lookers->lock);
        for (unsigned alive = count_alive(lookers); r == 0 && alive < wanted; alive++)
                r = start_one(lookers);
        pthread_mutex_unlock(&lookers->lock);
        return r;
}

unsigned
lookers_alive(struct lookers *lookers)
{
        pthread_mutex_lock(&lookers->lock);
        unsigned alive = count_alive(lookers);
        pthread_mutex_unlock(&lookers->lock);
        return alive;
}

/* ---- asking ---- */

bool
lookers_have_room(struct lookers *lookers)
{
        pthread_mutex_lock(&lookers->lock);
        bool room = lookers->n_out < (size_t)LOOKS_AHEAD * lookers->n_places;
        pthread_mutex_unlock(&lookers->lock);
        return room;
}

void
lookers_ask(struct lookers *lookers, struct look *look)
{
        pthread_mutex_lock(&lookers->lock);
        lookers->n_out++;
        look->started_ms = clock_monotonic_ms();
        if (path_hangs(lookers, look->path)) {
                look_failed(look, ETIMEDOUT);
                put_answer(lookers, look);
        } else {
                look->next = NULL;
                *lookers->queue_end = look;
                lookers->queue_end = &look->next;
                pthread_cond_signal(&lookers->asked);
        }
        pthread_mutex_unlock(&lookers->lock);
}

struct look *
lookers_answers(struct lookers *lookers)
{
        pthread_mutex_lock(&lookers->lock);
        struct look *answers = lookers->answers;
        lookers->answers = NULL;
        lookers->answers_end = &lookers->answers;
        for (const struct look *look = answers; look; look = look->next)
                lookers->n_out--;
        pthread_mutex_unlock(&lookers->lock);
        return answers;
}

/* Answers for a look that has not moved since long before; without memory for it, at the next check. */
static void
give_up(struct lookers *lookers, struct looker *looker)
{
        struct look *answer = look_new(looker->look->entry, looker->look->path);
        if (!answer)
                return;
        answer->started_ms = looker->look->started_ms;
        look_failed(answer, ETIMEDOUT);
        looker->look->stuck = true;
        looker->abandoned = true;
        lookers->n_stuck++;
        put_answer(lookers, answer);
}

unsigned
lookers_check(struct lookers *lookers, int64_t now_ms)
{
        pthread_mutex_lock(&lookers->lock);
        for (unsigned i = 0; i < lookers->n_places; i++) {
                struct looker *looker = &lookers->places[i];
                struct look *look = looker->look;
                if (!look || look->stuck)
                        continue;
                if (looker->bytes != look->bytes_before) {
                        look->bytes_before = looker->bytes;
                        look->started_ms = now_ms;
                }
                if (now_ms - look->started_ms >= STUCK_AFTER_MS)
                        give_up(lookers, looker);
        }
        unsigned stuck = lookers->n_stuck;
        pthread_mutex_unlock(&lookers->lock);
        return stuck;
}

/* ---- life ---- */

int
lookers_new(void (*wake)(void *userdata), void *userdata, struct lookers **ret)
{
        struct lookers *lookers = calloc(1, sizeof *lookers);
        if (!lookers)
                return -ENOMEM;
        lookers->wake = wake;
        lookers->userdata = userdata;
        lookers->queue_end = &lookers->queue;
        lookers->answers_end = &lookers->answers;
        pthread_mutex_init(&lookers->lock, NULL);
        pthread_cond_init(&lookers->asked, NULL);
        *ret = lookers;
        return 0;
}

void
lookers_stop(struct lookers *lookers)
{
        pthread_mutex_lock(&lookers->lock);
        lookers->stopping = true;
        atomic_store(&lookers->cancel, true);
        pthread_cond_broadcast(&lookers->asked);
        pthread_mutex_unlock(&lookers->lock);
}

bool
lookers_join(struct lookers *lookers, const struct timespec *deadline)
{
        for (unsigned i = 0; i < lookers->n_places; i++) {
                struct looker *looker = &lookers->places[i];
                if (looker->running && pthread_timedjoin_np(looker->thread, NULL, deadline) != 0)
                        return false;
                looker->running = false;
        }
        return true;
}

static void
free_all(struct look *look)
{
        for (struct look *next; look; look = next) {
                next = look->next;
                look_free(look);
        }
}

struct lookers *
lookers_free(struct lookers *lookers)
{
        if (!lookers)
                return NULL;
        free_all(lookers->queue);
        free_all(lookers->answers);
        pthread_cond_destroy(&lookers->asked);
        pthread_mutex_destroy(&lookers->lock);
        free(lookers);
        return NULL;
}
