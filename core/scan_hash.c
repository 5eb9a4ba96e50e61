/* SPDX-License-Identifier: MIT */
/*
 * Workers that hash together, on a CPU that does many messages in the time of three (digest.h). A worker that
 * has read a chunk of a file puts itself into a row, and is not busy then: another one reads meanwhile. Who
 * makes the row long enough, or finds that nobody is left who could make it longer, takes the chunks that
 * stand in it and hashes them side by side; whose chunk is done goes on, and the next of the row takes its
 * lane. When the leader's own chunk is done it leaves the rest where it was, for the next one.
 *
 * Nobody waits in the row for longer than PATIENCE_MS: a worker that a device keeps waiting must not keep the
 * others.
 *
 * Owns the row. Must not know what is read, or why.
 */
#include <errno.h>
#include <time.h>

#include "core/scan_internal.h"

#define PATIENCE_MS 5
#define TOGETHER_MIN ((size_t)8 << 10) /* bytes; to wait for the others costs more than a smaller chunk */
#define FILES_A_PROCESSOR 3u           /* fewer are faster each on its own */

/* L: whether a worker that is not busy now could add to the row. */
static bool
another_may_come(const struct scan *scan)
{
        return scan->n_busy > 0 ||
               (scan_has_work(scan) && (scan->n_waiting > 0 || scan->n_started < scan->most_threads));
}

/* L */
static bool
row_is_ready(const struct scan *scan)
{
        return scan->n_row >= scan->lanes || !another_may_come(scan);
}

/* L */
static bool
is_worth_it(const struct scan *scan)
{
        return scan->lanes &&
               (scan_has_work(scan) || scan->n_busy + scan->n_hashing >= FILES_A_PROCESSOR * scan->wanted);
}

/* L: puts a worker behind the others; or, one that was led, before them. */
static void
row_put(struct scan *scan, struct scan_worker *worker, bool first)
{
        worker->in_row = true;
        worker->next = first ? scan->row : NULL;
        if (first)
                scan->row = worker;
        else
                *scan->row_end = worker;
        if (!worker->next)
                scan->row_end = &worker->next;
        scan->n_row++;
}

/* L */
static struct scan_worker *
row_take(struct scan *scan)
{
        struct scan_worker *worker = scan->row;
        if (!worker)
                return NULL;
        scan->row = worker->next;
        if (!scan->row)
                scan->row_end = &scan->row;
        scan->n_row--;
        worker->in_row = false;
        return worker;
}

/* The chunks in work, and whose they are; and whose are done. */
struct led {
        struct scan_worker *workers[DIGEST_LANES_MAX];
        struct digest_piece pieces[DIGEST_LANES_MAX];
        unsigned n;
        struct scan_worker *done[DIGEST_LANES_MAX];
        unsigned n_done;
};

/* L */
static void
led_fill(struct scan *scan, struct led *led)
{
        while (led->n < scan->lanes && scan->row) {
                led->workers[led->n] = row_take(scan);
                led->pieces[led->n] = led->workers[led->n]->piece;
                led->n++;
        }
}

/* L: takes those out whose chunk is done: they are busy from now on, though they do not know it yet. */
static void
led_sort(struct scan *scan, struct led *led)
{
        unsigned n = 0;
        for (unsigned i = 0; i < led->n; i++) {
                struct scan_worker *worker = led->workers[i];
                if (led->pieces[i].size == 0) {
                        worker->hashed = true;
                        scan->n_hashing--;
                        scan->n_busy++;
                        led->done[led->n_done++] = worker;
                        continue;
                }
                led->workers[n] = worker;
                led->pieces[n++] = led->pieces[i];
        }
        led->n = n;
}

/* Not L: whoever is woken would only wait for the lock. */
static void
led_wake(struct led *led)
{
        while (led->n_done)
                pthread_cond_signal(&led->done[--led->n_done]->turn);
}

/* L, and not while it hashes: until the caller's own chunk is done. */
static void
lead(struct scan_worker *worker)
{
        struct scan *scan = worker->scan;
        struct led led = {.n = 0};
        scan->n_busy++;
        while (!worker->hashed) {
                led_fill(scan, &led);
                if (!led.n)
                        break; /* its own is in somebody else's hands */
                pthread_mutex_unlock(&scan->lock);
                led_wake(&led);
                digest_side_by_side(led.pieces, led.n);
                pthread_mutex_lock(&scan->lock);
                led_sort(scan, &led);
        }
        scan->n_busy--;
        while (led.n) {
                led.n--;
                led.workers[led.n]->piece = led.pieces[led.n];
                row_put(scan, led.workers[led.n], true);
        }
        pthread_mutex_unlock(&scan->lock);
        led_wake(&led);
        pthread_mutex_lock(&scan->lock);
}

/* L: true: PATIENCE_MS have passed. */
static bool
wait_for_turn(struct scan_worker *worker)
{
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += PATIENCE_MS * 1000000;
        if (until.tv_nsec >= 1000000000) {
                until.tv_nsec -= 1000000000;
                until.tv_sec++;
        }
        return pthread_cond_clockwait(&worker->turn, &worker->scan->lock, CLOCK_MONOTONIC, &until) ==
               ETIMEDOUT;
}

void
scan_hash_look(struct scan *scan)
{
        if (scan->row && row_is_ready(scan))
                pthread_cond_signal(&scan->row->turn);
}

void
scan_hash(void *userdata, struct digester *digester, const void *data, size_t size)
{
        struct scan_worker *worker = userdata;
        struct scan *scan = worker->scan;
        bool patient = true;
        if (size < TOGETHER_MIN || !scan->lanes) {
                digester_update(digester, data, size);
                return;
        }
        pthread_mutex_lock(&scan->lock);
        if (!is_worth_it(scan)) {
                pthread_mutex_unlock(&scan->lock);
                digester_update(digester, data, size);
                return;
        }
        worker->piece = (struct digest_piece){digester, data, size};
        worker->hashed = false;
        row_put(scan, worker, false);
        scan->n_busy--;
        scan->n_hashing++;
        if (scan->n_row < scan->lanes && scan_wants_another(scan)) {
                pthread_mutex_unlock(&scan->lock);
                scan_start_another(scan);
                pthread_mutex_lock(&scan->lock);
        }
        while (!worker->hashed)
                if (worker->in_row && (!patient || row_is_ready(scan)))
                        lead(worker);
                else
                        patient = !wait_for_turn(worker);
        scan_hash_look(scan); /* what a leader has left */
        pthread_mutex_unlock(&scan->lock);
}
