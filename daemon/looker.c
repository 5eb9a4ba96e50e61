/* SPDX-License-Identifier: MIT */
/*
 * A queue in, threads, a queue out. What was asked for and not yet fetched as an answer is bounded by the
 * number of threads, so neither queue can grow. Looks of a domain in which another is under way are held
 * aside; they are bounded by whoever asks.
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
#include "core/snapshot_reader.h"

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
        struct look *held; /* of domains that are busy; without order */
        struct look *answers, **answers_end;
        size_t n_out;    /* all but those held aside, until they are fetched */
        unsigned n_idle; /* threads that wait for looks */
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
        free(look->domain);
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
        bool first = !lookers->answers; /* who fetches some of them comes again for the rest */
        look->next = NULL;
        *lookers->answers_end = look;
        lookers->answers_end = &look->next;
        if (first)
                lookers->wake(lookers->userdata);
}

static void
put_queue(struct lookers *lookers, struct look *look)
{
        look->next = NULL;
        *lookers->queue_end = look;
        lookers->queue_end = &look->next;
        lookers->n_out++;
}

static bool
same_domain(const struct look *a, const struct look *b)
{
        return a->domain && b->domain && strcmp(a->domain, b->domain) == 0;
}

/* Whether one that is under way hangs at this very path or in its domain: another would hang too. */
static bool
would_hang(const struct lookers *lookers, const struct look *look)
{
        for (unsigned i = 0; lookers->n_stuck && i < lookers->n_places; i++) {
                const struct look *other = lookers->places[i].look;
                if (other && other->stuck &&
                        (same_domain(other, look) || strcmp(other->path, look->path) == 0))
                        return true;
        }
        return false;
}

static bool
domain_is_busy(const struct lookers *lookers, const struct look *look)
{
        for (unsigned i = 0; i < lookers->n_places; i++)
                if (lookers->places[i].look && same_domain(lookers->places[i].look, look))
                        return true;
        for (const struct look *other = lookers->queue; other && look->domain; other = other->next)
                if (same_domain(other, look))
                        return true;
        return false;
}

/* The look is over, or was given up: what its domain held goes on, one at a time, or is given up with it. */
static void
release_held(struct lookers *lookers, const struct look *done)
{
        for (struct look **slot = &lookers->held; *slot && done->domain;) {
                struct look *look = *slot;
                if (!same_domain(look, done)) {
                        slot = &look->next;
                        continue;
                }
                *slot = look->next;
                if (!done->stuck) {
                        put_queue(lookers, look);
                        return;
                }
                look_failed(look, ETIMEDOUT);
                lookers->n_out++;
                put_answer(lookers, look);
        }
}

/* As many threads as there are looks for, once for all that were put. */
static void
wake_idle(struct lookers *lookers)
{
        if (lookers->n_idle && lookers->queue && lookers->queue->next)
                pthread_cond_broadcast(&lookers->asked);
        else if (lookers->n_idle && lookers->queue)
                pthread_cond_signal(&lookers->asked);
}

/* ---- threads ---- */

static void *
looker_main(void *argument)
{
        struct looker *looker = argument;
        struct lookers *lookers = looker->lookers;
        _cleanup_(snapshot_reader_freep) struct snapshot_reader *reader = NULL;
        pthread_mutex_lock(&lookers->lock);
        while (!lookers->stopping && !looker->abandoned) {
                if (!lookers->queue) {
                        lookers->n_idle++;
                        pthread_cond_wait(&lookers->asked, &lookers->lock);
                        lookers->n_idle--;
                        continue;
                }
                struct look *look = looker->look = queue_take(lookers);
                look->started_ms = clock_monotonic_ms();
                look->bytes_before = looker->bytes;
                look->wish.bytes_read = &looker->bytes;
                look->wish.cancel = &lookers->cancel;
                pthread_mutex_unlock(&lookers->lock);
                reader = reader ? reader : snapshot_reader_new();
                look->result =
                        reader ? snapshot_look_path(reader, "", look->path, &look->wish, &look->snapshot)
                               : -ENOMEM;
                pthread_mutex_lock(&lookers->lock);
                looker->look = NULL;
                if (!look->stuck) {
                        release_held(lookers, look);
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

static unsigned
count_slow(const struct lookers *lookers)
{
        unsigned slow = 0;
        int64_t now_ms = clock_monotonic_ms();
        for (unsigned i = 0; i < lookers->n_places; i++) {
                const struct look *look = lookers->places[i].look;
                slow += look && !look->stuck && now_ms - look->started_ms >= SLOW_AFTER_MS;
        }
        return slow;
}

int
lookers_run(struct lookers *lookers, unsigned wanted)
{
        int r = 0;
        pthread_mutex_lock(&lookers->lock);
        wanted += count_slow(lookers);
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

size_t
lookers_room(struct lookers *lookers)
{
        pthread_mutex_lock(&lookers->lock);
        size_t most = (size_t)LOOKS_AHEAD * count_alive(lookers);
        size_t room = most > lookers->n_out ? most - lookers->n_out : 0;
        pthread_mutex_unlock(&lookers->lock);
        return room;
}

static void
ask_one(struct lookers *lookers, struct look *look, int64_t now_ms)
{
        look->started_ms = now_ms;
        if (!look->result && would_hang(lookers, look))
                look_failed(look, ETIMEDOUT);
        if (look->result) {
                lookers->n_out++;
                put_answer(lookers, look);
        } else if (domain_is_busy(lookers, look)) {
                look->next = lookers->held;
                lookers->held = look;
        } else {
                put_queue(lookers, look);
        }
}

void
lookers_ask(struct lookers *lookers, struct look *looks)
{
        int64_t now_ms = clock_monotonic_ms();
        pthread_mutex_lock(&lookers->lock);
        for (struct look *next; looks; looks = next) {
                next = looks->next;
                ask_one(lookers, looks, now_ms);
        }
        wake_idle(lookers);
        pthread_mutex_unlock(&lookers->lock);
}

struct look *
lookers_answers(struct lookers *lookers, size_t most)
{
        pthread_mutex_lock(&lookers->lock);
        struct look *answers = lookers->answers, **end = &lookers->answers;
        for (; most && *end; most--) {
                end = &(*end)->next;
                lookers->n_out--;
        }
        lookers->answers = *end;
        if (!*end)
                lookers->answers_end = &lookers->answers;
        if (answers)
                *end = NULL;
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
        release_held(lookers, looker->look);
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
        free_all(lookers->held);
        free_all(lookers->answers);
        pthread_cond_destroy(&lookers->asked);
        pthread_mutex_destroy(&lookers->lock);
        free(lookers);
        return NULL;
}
