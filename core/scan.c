/* SPDX-License-Identifier: MIT */
/*
 * The scan as a whole: where it starts, its threads, and the list of work between them.
 *
 * Work is, in this order: a batch of names; the next subfolder of the folder on top of the stack; a start.
 * Who finds none waits, and when nobody is busy any more the scan is done. Both the number of batches and
 * what is kept of a folder are bounded; at the bound a worker does the work itself, or pauses its reading, so
 * memory grows with the depth of the tree only.
 *
 * As many workers are busy as there are processors, which is as fast as files in memory can be hashed; on a
 * CPU that hashes several messages at once (digest.h) each reads as many files in turn, and no work of one
 * waits for another's. A worker that had to wait for a device again and again has one more join in: what
 * keeps a device busy is the number of reads in flight, and that has nothing to do with processors. For a
 * page that is missing here or there nobody joins in: who soon leaves again has not filled its lanes, which
 * costs more.
 *
 * Owns the starts, the threads and struct scan; scan_folder.c owns the folders, scan_walk.c does the work.
 *
 * Invariants: each path belongs to one start, hence to one scope; whatever ends a scan early is kept once,
 * with words.
 */
#include "core/scan.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "core/escape.h"
#include "core/scan_internal.h"

#define PATIENCE_MS 2      /* for which a worker waits for files to fill its lanes */
#define SCAN_IN_FLIGHT 16u /* workers while a device is waited for */
#define COLD_WORKS 3u      /* pieces of work on end that met the device: there are too few workers */
#define WARM_WORKS 4u      /* on end from memory: there are too many */

/* ---- how it ends ---- */

/* L */
static void
wake_all(struct scan *scan)
{
        pthread_cond_broadcast(&scan->wake);
        pthread_cond_broadcast(&scan->more);
}

/* L */
static int
fail_locked(struct scan *scan, int code, const char *what)
{
        if (!scan->error) {
                scan->error = code;
                errno = -code;
                if (code == -ECANCELED)
                        err_set(scan->err, code, "the scan was cancelled");
                else
                        err_set(scan->err, code, "the scan was stopped: could not %s: %m", what);
        }
        atomic_store(&scan->stopped, true);
        wake_all(scan);
        return code;
}

int
scan_fail(struct scan *scan, int code, const char *what)
{
        pthread_mutex_lock(&scan->lock);
        fail_locked(scan, code, what);
        pthread_mutex_unlock(&scan->lock);
        return code;
}

bool
scan_is_stopped(struct scan *scan)
{
        const atomic_bool *cancel = scan->options->wish.cancel;
        if (atomic_load_explicit(&scan->stopped, memory_order_relaxed))
                return true;
        if (!cancel || !atomic_load_explicit(cancel, memory_order_relaxed))
                return false;
        scan_fail(scan, -ECANCELED, "");
        return true;
}

/* ---- the list of work ---- */

/* L: one more piece of work is there. */
static void
wake_one(struct scan *scan)
{
        if (atomic_load_explicit(&scan->n_idle, memory_order_relaxed))
                pthread_cond_signal(&scan->wake);
}

bool
scan_offer(struct scan *scan, struct scan_batch *batch, struct scan_folder *folder)
{
        pthread_mutex_lock(&scan->lock);
        bool room = scan->n_batches < SCAN_BATCHES_MAX;
        if (room) {
                folder->users++;
                folder->refs++;
                batch->folder = folder;
                batch->next = scan->batches;
                scan->batches = batch;
                scan->n_batches++;
                wake_one(scan);
        }
        pthread_mutex_unlock(&scan->lock);
        return room;
}

void
scan_push(struct scan *scan, struct scan_folder *folder)
{
        pthread_mutex_lock(&scan->lock);
        folder->users++;
        folder->refs++;
        folder->next = scan->stack;
        scan->stack = folder;
        wake_one(scan);
        pthread_mutex_unlock(&scan->lock);
}

/* L: takes the last subfolder's name off the folder on top; a folder with none left leaves the stack, and its
 * use goes with it. */
static int
take_from_stack(struct scan_worker *worker, struct scan_work *ret)
{
        struct scan *scan = worker->scan;
        struct scan_folder *folder = scan->stack;
        struct buf *names = &folder->names;
        ret->folder = folder;
        ret->resume = names->size == 0;
        if (!ret->resume) {
                const char *nul = memrchr(names->data, '\0', names->size - 1);
                size_t start = nul ? (size_t)(nul + 1 - names->data) : 0;
                buf_clear(&worker->name);
                if (buf_append(&worker->name, names->data + start, names->size - 1 - start) < 0)
                        return fail_locked(scan, -ENOMEM, "keep a name");
                names->size = start;
        }
        if (names->size || (folder->unread && !ret->resume)) {
                folder->users++;
                folder->refs++;
                wake_one(scan);
                return 0;
        }
        scan->stack = folder->next;
        folder->next = NULL;
        return 0;
}

static void
take_batch(struct scan *scan, struct scan_work *ret)
{
        ret->batch = scan->batches;
        scan->batches = ret->batch->next;
        scan->n_batches--;
}

/* L: whether there is work; it is put into *ret. */
static bool
take_work(struct scan_worker *worker, struct scan_work *ret)
{
        struct scan *scan = worker->scan;
        if (scan->batches) {
                take_batch(scan, ret);
                return true;
        }
        if (scan->stack)
                return take_from_stack(worker, ret) == 0;
        if (scan->next_start == scan->n_starts)
                return false;
        ret->start = &scan->starts[scan->next_start++];
        return true;
}

/* L */
static bool
has_work(const struct scan *scan)
{
        return scan->batches || scan->stack || scan->next_start < scan->n_starts;
}

/* L: PATIENCE_MS at most. */
static void
wait_patiently(struct scan *scan)
{
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += PATIENCE_MS * 1000000;
        if (until.tv_nsec >= 1000000000) {
                until.tv_nsec -= 1000000000;
                until.tv_sec++;
        }
        (void)pthread_cond_clockwait(&scan->wake, &scan->lock, CLOCK_MONOTONIC, &until);
}

/*
 * L: until there may be work. Who is too many just now hands the call on. Who has files in its lanes waits
 * for more to fill them, but not for long, and not if none will come: false, it is to go on with those it
 * has.
 */
static bool
wait_for_work(struct scan_worker *worker)
{
        struct scan *scan = worker->scan;
        bool pending = snapshot_reader_pending(worker->reader) > 0;
        if (pending && (worker->place >= scan->limit || !scan->n_busy || worker->has_waited))
                return false;
        if (worker->place >= scan->limit) {
                pthread_cond_wait(&scan->more, &scan->lock);
                return true;
        }
        scan->n_idle++;
        if (pending)
                wait_patiently(scan);
        else
                pthread_cond_wait(&scan->wake, &scan->lock);
        scan->n_idle--;
        worker->has_waited = pending;
        if (worker->place >= scan->limit)
                wake_one(scan);
        return true;
}

/* Waits for a piece of work. false: the scan is over. */
static bool
next_work(struct scan_worker *worker, struct scan_work *ret)
{
        struct scan *scan = worker->scan;
        *ret = (struct scan_work){0};
        bool found = false;
        pthread_mutex_lock(&scan->lock);
        while (!atomic_load(&scan->stopped)) {
                found = worker->place < scan->limit && take_work(worker, ret);
                if (found || (!scan->n_busy && !has_work(scan)))
                        break;
                if (wait_for_work(worker))
                        continue;
                pthread_mutex_unlock(&scan->lock);
                (void)scan_settle_some(worker); /* a failure stops the scan */
                pthread_mutex_lock(&scan->lock);
        }
        worker->has_waited = false;
        if (found)
                scan->n_busy++;
        else
                wake_all(scan);
        pthread_mutex_unlock(&scan->lock);
        return found;
}

/* Blocks that this thread had to wait for, metadata too. */
static long
blocks_read(void)
{
        struct rusage usage;
        return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_inblock : 0;
}

/* L: how many may be busy follows what the piece of work that is done has met. Not 0: so many threads make up
 * the limit, and the last of them is to be started. */
static unsigned
adapt(struct scan_worker *worker, long blocks)
{
        struct scan *scan = worker->scan;
        bool cold = blocks != worker->blocks_read;
        worker->blocks_read = blocks;
        worker->warm_works = cold ? 0 : worker->warm_works + 1;
        worker->cold_works = cold ? worker->cold_works + 1 : 0;
        if (worker->cold_works >= COLD_WORKS && scan->limit < scan->most) {
                scan->limit++;
                pthread_cond_broadcast(&scan->more);
                return scan->n_started < scan->limit ? ++scan->n_started : 0;
        }
        if (worker->warm_works >= WARM_WORKS && scan->limit > scan->wanted) {
                scan->limit--;
                worker->warm_works = 0;
                pthread_cond_broadcast(&scan->wake); /* one of those who wait there is too many now */
        }
        return 0;
}

static int start_worker(struct scan *scan, unsigned place);

static void
work_is_done(struct scan_worker *worker)
{
        struct scan *scan = worker->scan;
        long blocks = scan->most > scan->wanted ? blocks_read() : 0;
        pthread_mutex_lock(&scan->lock);
        scan->n_busy--;
        unsigned started = adapt(worker, blocks);
        pthread_mutex_unlock(&scan->lock);
        if (started)
                (void)start_worker(scan, started - 1); /* fewer threads are slower, not wrong */
}

/* What was not done when the scan was stopped. */
static void
drop_work(struct scan *scan)
{
        while (scan->batches) {
                struct scan_work work = {0};
                take_batch(scan, &work);
                scan_folder_leave(scan, work.batch->folder, 0);
                free(work.batch);
        }
        while (scan->stack) {
                struct scan_folder *folder = scan->stack;
                scan->stack = folder->next;
                scan_folder_leave(scan, folder, 0);
        }
}

/* ---- threads ---- */

static int
pay(void *userdata, size_t bytes)
{
        return pacer_pay(userdata, bytes);
}

static void *
worker_main(void *userdata)
{
        struct scan_worker *worker = userdata;
        struct scan_work work;
        if (worker->scan->options->background)
                thread_step_back();
        pacer_start(&worker->pacer);
        while (next_work(worker, &work)) {
                (void)scan_work_do(worker, &work); /* a failure stops the scan: scan.error has it */
                work_is_done(worker);
        }
        if (!atomic_load(&worker->scan->stopped))
                (void)scan_settle(worker);
        return NULL;
}

static struct scan_worker *
worker_free(struct scan_worker *worker)
{
        if (!worker)
                return NULL;
        snapshot_reader_free(worker->reader);
        for (unsigned i = 0; i < DIGEST_LANES_MAX; i++)
                buf_done(&worker->later[i].path);
        free(worker->batch);
        buf_done(&worker->path);
        buf_done(&worker->escaped);
        buf_done(&worker->name);
        free(worker);
        return NULL;
}

static struct scan_worker *
worker_new(struct scan *scan, unsigned place)
{
        struct scan_worker *worker = malloc(sizeof *worker);
        if (!worker)
                return NULL;
        memset(worker, 0, offsetof(struct scan_worker, dirents));
        worker->scan = scan;
        worker->place = place;
        worker->reader = snapshot_reader_new();
        if (!worker->reader || buf_reserve(&worker->path, PATH_MAX) < 0)
                return worker_free(worker);
        snapshot_reader_lanes(worker->reader, scan->lanes);
        if (scan->options->pace) {
                worker->pacer =
                        (struct pacer){.pace = scan->options->pace, .cancel = scan->options->wish.cancel};
                snapshot_reader_pace(worker->reader, pay, &worker->pacer);
        }
        return worker;
}

/* A quarter of what we may open goes to folders and another to files, so that callers and libraries have
 * theirs. */
static unsigned
open_budget(unsigned most)
{
        struct rlimit limit;
        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur / 4 > most)
                return most;
        return (unsigned)(limit.rlim_cur / 4);
}

static void
count_workers(struct scan *scan)
{
        cpu_set_t cpus;
        bool here = scan->options->here;
        unsigned wanted = here ? 1 : scan->options->workers;
        if (!wanted && sched_getaffinity(0, sizeof cpus, &cpus) == 0)
                wanted = (unsigned)CPU_COUNT(&cpus);
        scan->wanted = wanted < 1 ? 1 : wanted < SCAN_WORKERS_MAX ? wanted : SCAN_WORKERS_MAX;
        scan->most = !here && !scan->options->workers && scan->wanted < SCAN_IN_FLIGHT ? SCAN_IN_FLIGHT
                                                                                       : scan->wanted;
        scan->limit = scan->wanted;
        scan->lanes = here ? 0 : open_budget(digest_lanes() * scan->most) / scan->most;
}

/* One that n_started counts already. */
static int
start_worker(struct scan *scan, unsigned place)
{
        struct scan_worker *worker = worker_new(scan, place);
        int r = worker ? -pthread_create(&worker->thread, NULL, worker_main, worker) : -ENOMEM;
        if (r < 0)
                worker_free(worker);
        pthread_mutex_lock(&scan->lock);
        if (r == 0)
                scan->workers[scan->n_workers++] = worker;
        pthread_mutex_unlock(&scan->lock);
        return r;
}

static struct scan_worker *
worker_at_place(struct scan *scan, unsigned i)
{
        pthread_mutex_lock(&scan->lock);
        struct scan_worker *worker = i < scan->n_workers ? scan->workers[i] : NULL;
        pthread_mutex_unlock(&scan->lock);
        return worker;
}

/*
 * Signals are the caller's: workers take none, nor do those that a worker starts. A worker's place is behind
 * that of the one that started it, and is taken before that one can end.
 */
static int
run_workers(struct scan *scan)
{
        struct scan_worker *worker;
        sigset_t all, before;
        int r = 0;
        count_workers(scan);
        scan->n_started = scan->wanted;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        for (unsigned i = 0; i < scan->wanted && r == 0; i++)
                r = start_worker(scan, i);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        for (unsigned i = 0; (worker = worker_at_place(scan, i)); i++) {
                pthread_join(worker->thread, NULL);
                worker_free(worker);
        }
        return scan->n_workers ? 0 : scan_fail(scan, r, "start a thread");
}

static int
work_here(struct scan *scan)
{
        count_workers(scan);
        struct scan_worker *worker = worker_new(scan, 0);
        if (!worker)
                return scan_fail(scan, -ENOMEM, "work");
        scan->n_started = scan->n_workers = 1;
        scan->workers[0] = worker;
        worker_main(worker);
        worker_free(worker);
        return 0;
}

/* ---- starts ---- */

static int
add_start(struct scan *scan, char *path, const struct scope *scope, char *named)
{
        struct scan_start *grown = reallocarray(scan->starts, scan->n_starts + 1, sizeof *grown);
        if (!grown) {
                free(path);
                free(named);
                return -ENOMEM;
        }
        scan->starts = grown;
        grown[scan->n_starts++] = (struct scan_start){.path = path, .scope = scope, .named = named};
        return 0;
}

static bool
has_start(const struct scan *scan, const char *path)
{
        for (size_t i = 0; i < scan->n_starts; i++)
                if (strcmp(scan->starts[i].path, path) == 0)
                        return true;
        return false;
}

static bool
is_under(const char *path, const char *folder)
{
        return strcmp(path, folder) == 0 || path_is_below(path, folder);
}

static int
add_path(struct scan *scan, const char *escaped)
{
        const struct scan_options *options = scan->options;
        char *path;
        int r = unescape_new(escaped, &path);
        if (r < 0)
                return r;
        if (has_start(scan, path) || (options->below && !is_under(path, options->below))) {
                free(path);
                return 0;
        }
        return add_start(scan, path, scope_for_path(options->scopes, options->n_scopes, escaped), NULL);
}

/* The longest path of the scope that holds `below`; raw, new. */
static int
named_above(const struct scope *scope, const char *below, char **ret)
{
        _cleanup_free_ char *longest = NULL;
        for (size_t i = 0; i < scope->paths.count; i++) {
                _cleanup_free_ char *path = NULL;
                int r = unescape_new(scope->paths.items[i], &path);
                if (r < 0)
                        return r;
                if (!is_under(below, path) || (longest && strlen(path) <= strlen(longest)))
                        continue;
                free(longest);
                longest = steal_pointer(&path);
        }
        *ret = steal_pointer(&longest);
        return *ret ? 0 : -EINVAL;
}

/* A path that lies inside a scope, and may be one of its own. */
static int
add_inside(struct scan *scan, const char *path)
{
        const struct scan_options *options = scan->options;
        char *named = NULL;
        _cleanup_free_ char *escaped = escape_new(path, strlen(path));
        if (!escaped)
                return -ENOMEM;
        const struct scope *scope = scope_for_path(options->scopes, options->n_scopes, escaped);
        int r = scope ? named_above(scope, path, &named) : 0;
        if (r < 0 || !scope)
                return r;
        char *copy = strdup(path);
        if (!copy) {
                free(named);
                return -ENOMEM;
        }
        if (strcmp(named, path) == 0)
                free(steal_pointer(&named));
        return add_start(scan, copy, scope, named);
}

static int
add_starts(struct scan *scan)
{
        const struct scan_options *options = scan->options;
        int r = 0;
        for (size_t i = 0; i < options->n_first && r == 0; i++)
                r = add_inside(scan, options->first[i]);
        for (size_t i = 0; i < options->n_scopes && r == 0; i++)
                for (size_t k = 0; k < options->scopes[i].paths.count && r == 0; k++)
                        if (options->scopes[i].domain == SCOPE_FILES)
                                r = add_path(scan, options->scopes[i].paths.items[k]);
        if (r == 0 && options->below && !has_start(scan, options->below))
                r = add_inside(scan, options->below);
        return r < 0 ? scan_fail(scan, r, "read the scopes' paths") : 0;
}

/* ---- the whole ---- */

static void
scan_done(struct scan *scan)
{
        drop_work(scan);
        assert(scan->n_open == 0);
        for (size_t i = 0; i < scan->n_starts; i++) {
                free(scan->starts[i].path);
                free(scan->starts[i].named);
        }
        free(scan->starts);
        pthread_cond_destroy(&scan->more);
        pthread_cond_destroy(&scan->wake);
        pthread_mutex_destroy(&scan->announce);
        pthread_mutex_destroy(&scan->lock);
}

int
scan_run(const struct scan_options *options, struct err *err)
{
        struct scan scan = {
                .options = options,
                .err = err,
                .open_max = open_budget(SCAN_OPEN_MAX),
                .lock = PTHREAD_MUTEX_INITIALIZER,
                .announce = PTHREAD_MUTEX_INITIALIZER,
                .wake = PTHREAD_COND_INITIALIZER,
                .more = PTHREAD_COND_INITIALIZER,
        };
        if (add_starts(&scan) == 0)
                (void)(options->here ? work_here(&scan) : run_workers(&scan)); /* scan.error has it */
        int r = scan.error;                                                    /* the first of any thread */
        scan_done(&scan);
        return r;
}
