/* SPDX-License-Identifier: MIT */
/*
 * The engine. Hints come from the watch (events), from passes (a walk met another stat than it knew) and
 * from turns (the slow circle that reads every file again within the interval). All become entries of the
 * dirty set; a looker thread takes a snapshot of each; the loop judges it and, if the answer changed,
 * makes that durable. There is no other way for an answer to change.
 *
 * Threads: `lookers` snapshot single paths; the `walker` runs whole passes and hands hints through a
 * bounded queue, waiting when it is full; the `pruner` walks new or vanished subtrees the same way. None
 * of them touches the store, the dirty set or a verdict. A thread that a file system does not answer is
 * left alone and replaced, within a bound, and named as a problem.
 *
 * A settle (diff, scan) is: drain the watch, run a pass that started later, take everything it hinted at
 * into the dirty set, and wait until what was marked up to then is judged.
 */
#include "daemon/engine.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/escape.h"
#include "daemon/dirty.h"
#include "daemon/watch.h"

#define RESULTS_AT_ONCE 512u /* judged before the loop looks at other things */
#define TURN_MS 5000         /* how often the slow circle takes its next files */
#define LINKS_PASS_MS 10000  /* between passes that look for the other names of changed hard links */
#define UNVERIFIED_FOR_FULL                                                                                  \
        1000u /* expectations never verified from which a full pass is the quicker way                       \
               */

enum pass_kind { PASS_FOLDERS, PASS_QUICK, PASS_FULL };
static const char *const pass_names[] = {"folders", "quick", "full"};

struct look {                      /* one snapshot asked of a looker */
        struct dirty_entry *entry; /* NULL once the loop gave it up as stuck */
        char *path;
        struct snapshot_wish wish;
        struct snapshot snapshot;
        int result;
        int64_t started_ms;
        unsigned long long bytes_before;
        bool stuck;
        struct look *next;
};

struct looker {
        struct engine *engine;
        pthread_t thread;
        bool running;
        struct look *look; /* under engine->lock */
        atomic_ullong bytes;
        bool abandoned; /* its look was given up; it ends when it comes back */
        bool ended;     /* it has come back: its place is free */
};

struct settle {
        bool full;
        uint64_t pass; /* the pass to wait for */
        bool walked;   /* it is over, and its hints are marked */
        uint64_t ticket;
        void (*done)(void *userdata);
        void *userdata;
        struct settle *next;
};

struct hint {
        char *path; /* NULL: the pass is over, or (with a body) content to be kept */
        bool from_pass;
        struct digest digest;
        char *body;
        size_t body_size;
        struct hint *next;
};

struct subtree {
        char *path;
        struct subtree *next;
};

struct engine {
        sd_event *event;
        struct instance *instance;
        struct watch *watch;
        struct dirty *dirty;
        int wake_fd;
        sd_event_source *wake_source, *tick_source, *again_source, *mount_source, *defer_source;
        int mount_fd;
        bool stopping;
        int64_t full_interval_s, quick_interval_s;
        _Atomic unsigned workers;
        _Atomic uint64_t max_rate; /* bytes/s */

        pthread_mutex_t lock;
        pthread_cond_t look; /* for the lookers alone: a signal must not wake another kind of thread */
        pthread_cond_t work; /* for the walker and the pruner */
        pthread_cond_t room; /* for those that wait to hand hints over */
        struct look *looks, **looks_end;     /* for the lookers */
        struct look *results, **results_end; /* from them */
        struct hint *hints, **hints_end;
        size_t n_hints, hint_bytes, n_looks;
        struct subtree *subtrees, **subtrees_end;
        size_t n_subtrees;
        bool pruning;
        bool threads_stop;
        struct looker lookers[LOOKERS_MAX];
        unsigned n_lookers, n_stuck;
        pthread_t walker, pruner;
        bool walker_runs, pruner_runs;

        /* passes: asked for by the loop, run by the walker */
        bool want[3];
        bool want_again[3]; /* passes that gave way to an urgent one */
        bool walking;
        enum pass_kind walk_kind;
        bool urgent;                                  /* somebody waits for the pass that is asked for */
        uint64_t pass_asked, pass_started, pass_done; /* numbers */
        int walk_result;
        struct err walk_err;
        char walk_problem[512];
        uint64_t walk_problems, walk_missing;
        char walk_missing_where[512]; /* the first scope path that is not there */
        int64_t walk_started_ms;
        uint64_t walk_drifts_before;
        atomic_ullong files, bytes;
        atomic_bool cancel;
        atomic_bool walk_cancel; /* of the pass alone: somebody waits, and it is throttled */
        bool walk_background;
        unsigned long long seen_files, seen_bytes; /* at the last check for being stuck */
        int64_t seen_ms;

        struct settle *settles;
        bool overflowed;
        uint64_t overflow_pass; /* the pass that mends it: one that began after it */
        bool links_changed;     /* a file of several names changed: inotify tells of one name only */
        bool gap_before;        /* there was a time without us before this start */
        void (*ready)(void *userdata);
        void *ready_userdata;
        bool ready_told;
        int64_t last_quick_ms, last_turn_ms, cycle_started_ms;
        double turn_owed;
        uint64_t turned;
        char *mounts; /* mountinfo as last read */
};

static void pump(struct engine *engine);
static uint64_t ask_pass(struct engine *engine, enum pass_kind kind, bool urgent);

static void
wake_loop(struct engine *engine)
{
        uint64_t one = 1;
        ssize_t written = write(engine->wake_fd, &one, sizeof one);
        (void)written; /* full means that it is awake anyway */
}

/* ---- lookers ---- */

static struct look *
look_free(struct look *look)
{
        if (!look)
                return NULL;
        snapshot_done(&look->snapshot);
        free(look->path);
        free(look);
        return NULL;
}

static void
put_result(struct engine *engine, struct look *look)
{
        look->next = NULL;
        *engine->results_end = look;
        engine->results_end = &look->next;
        wake_loop(engine);
}

/* The answer for a thing that could not be looked at: it is there or not, nobody knows. */
static void
answer_unreadable(struct look *look, int error)
{
        look->result = SNAPSHOT_UNREADABLE;
        look->snapshot.failed_errno = error;
        look->snapshot.taken_ms = clock_now_ms();
}

static void *
looker_main(void *argument)
{
        struct looker *looker = argument;
        struct engine *engine = looker->engine;
        pthread_mutex_lock(&engine->lock);
        while (!engine->threads_stop && !looker->abandoned) {
                struct look *look = engine->looks;
                if (!look) {
                        pthread_cond_wait(&engine->look, &engine->lock);
                        continue;
                }
                engine->looks = look->next;
                if (!engine->looks)
                        engine->looks_end = &engine->looks;
                looker->look = look;
                look->next = NULL;
                look->started_ms = clock_monotonic_ms();
                look->wish.bytes_read = &looker->bytes;
                pthread_mutex_unlock(&engine->lock);
                look->result = snapshot_path("", look->path, &look->wish, &look->snapshot, NULL);
                pthread_mutex_lock(&engine->lock);
                looker->look = NULL;
                if (look->stuck) { /* the loop has long answered for it */
                        look_free(look);
                        engine->n_stuck--;
                        looker->ended = true;
                        break;
                }
                put_result(engine, look);
        }
        pthread_mutex_unlock(&engine->lock);
        return NULL;
}

/* A place for a thread: one never used, or whose thread came back after it was given up. NULL: all are taken.
 */
static struct looker *
free_place(struct engine *engine)
{
        for (unsigned i = 0; i < engine->n_lookers; i++)
                if (engine->lookers[i].ended) {
                        pthread_join(engine->lookers[i].thread, NULL);
                        return &engine->lookers[i];
                }
        return engine->n_lookers < LOOKERS_MAX ? &engine->lookers[engine->n_lookers] : NULL;
}

static int
start_looker(struct engine *engine)
{
        pthread_mutex_lock(&engine->lock);
        struct looker *looker = free_place(engine);
        if (looker)
                *looker = (struct looker){.engine = engine};
        int r = looker ? -pthread_create(&looker->thread, NULL, looker_main, looker) : -EAGAIN;
        if (r == 0) {
                looker->running = true;
                engine->n_lookers += looker == &engine->lookers[engine->n_lookers];
        }
        pthread_mutex_unlock(&engine->lock);
        return r;
}

/* Whether a look at this very path hangs already: another would only take one more thread. */
static bool
path_hangs(struct engine *engine, const char *path)
{
        bool hangs = false;
        pthread_mutex_lock(&engine->lock);
        for (unsigned i = 0; i < engine->n_lookers && !hangs; i++) {
                const struct look *look = engine->lookers[i].look;
                hangs = look && look->stuck && strcmp(look->path, path) == 0;
        }
        pthread_mutex_unlock(&engine->lock);
        return hangs;
}

/* Gives ready paths to the lookers, a few ahead of each. */
static void
feed_lookers(struct engine *engine)
{
        unsigned ahead = 4 * engine->n_lookers;
        while (engine->n_looks < ahead) {
                struct dirty_entry *entry = dirty_take(engine->dirty, clock_monotonic_ms());
                if (!entry)
                        return;
                struct look *look = calloc(1, sizeof *look);
                if (look)
                        look->path = strdup(dirty_path(entry));
                if (!look || !look->path || !judge_wish(engine->instance->judge, look->path, &look->wish)) {
                        if (look && !look->path) /* no memory: look again later */
                                dirty_mark(engine->dirty, dirty_path(entry), dirty_from_pass(entry),
                                        clock_monotonic_ms() + LOOK_AGAIN_MS);
                        dirty_done(engine->dirty, entry);
                        look_free(look);
                        continue;
                }
                look->entry = entry;
                look->wish.own = engine->instance->own;
                look->wish.n_own = engine->instance->n_own;
                look->wish.cancel = &engine->cancel;
                engine->n_looks++;
                bool hangs = engine->n_stuck && path_hangs(engine, look->path);
                pthread_mutex_lock(&engine->lock);
                if (hangs) {
                        answer_unreadable(look, ETIMEDOUT);
                        put_result(engine, look);
                } else {
                        *engine->looks_end = look;
                        engine->looks_end = &look->next;
                        pthread_cond_signal(&engine->look);
                }
                pthread_mutex_unlock(&engine->lock);
        }
}

/* Did it change while nobody looked? Only a first pass can say so, of what is older than our start. */
static bool
happened_unobserved(const struct engine *engine, const struct look *look)
{
        if (!engine->gap_before || !dirty_from_pass(look->entry))
                return false;
        const struct attributes *a = &look->snapshot.attributes;
        bool timed = look->result == 0 && a->known & ATTRIBUTE_BIT(ATTRIBUTE_CTIME);
        return !timed || a->ctime_ns / 1000000 < engine->instance->started_ms;
}

static void mark_overflow(struct engine *engine, const char *why);

static void
judge_look(struct engine *engine, struct look *look)
{
        if (look->result < 0 &&
                look->result != -ECANCELED) { /* descriptors or memory ran out: unknown, and again soon */
                dirty_mark(engine->dirty, look->path, dirty_from_pass(look->entry),
                        clock_monotonic_ms() + LOOK_AGAIN_MS);
                answer_unreadable(look, -look->result);
        }
        if (look->result >= 0) {
                struct observation seen = {
                        .result = look->result,
                        .snapshot = &look->snapshot,
                        .now_ms = clock_now_ms(),
                        .unobserved = happened_unobserved(engine, look),
                };
                const struct attributes *a = &look->snapshot.attributes;
                if (!dirty_from_pass(look->entry) && look->result == 0 && a->type == FILE_REGULAR &&
                        a->nlink > 1)
                        engine->links_changed = true;
                if (judge_observe(engine->instance->judge, look->path, &seen) < 0)
                        mark_overflow(engine, "no memory to judge with"); /* not clean until a pass says so */
                /* What did not hold still is looked at again; the longer a look takes, the later. */
                int64_t now_ms = clock_monotonic_ms(), took_ms = now_ms - look->started_ms;
                if (look->result == SNAPSHOT_UNSTABLE)
                        dirty_mark(engine->dirty, look->path, false, now_ms + LOOK_AGAIN_MS + 20 * took_ms);
        }
        dirty_done(engine->dirty, look->entry);
        engine->n_looks--;
}

static size_t
judge_results(struct engine *engine)
{
        pthread_mutex_lock(&engine->lock);
        struct look *list = engine->results;
        engine->results = NULL;
        engine->results_end = &engine->results;
        pthread_mutex_unlock(&engine->lock);
        size_t judged = 0;
        for (struct look *next; list; list = next) {
                next = list->next;
                judge_look(engine, list);
                look_free(list);
                judged++;
        }
        if (judged)
                instance_flush(engine->instance,
                        NULL); /* durable, then announced; a failure is a problem of its own */
        return judged;
}

/* ---- hints from the walking threads ---- */

static void
hint_free(struct hint *hint)
{
        free(hint->path);
        free(hint->body);
        free(hint);
}

/* Hands a hint over, waiting for room. NULL: there was no memory, which coverage tells; the next pass tries
 * again. */
static void
queue_hint(struct engine *engine, struct hint *hint)
{
        bool waits = hint && (hint->path || hint->body);
        pthread_mutex_lock(&engine->lock);
        while (waits && !engine->threads_stop &&
                (engine->n_hints >= HINTS_MAX || engine->hint_bytes >= PENDING_BODIES_MAX))
                pthread_cond_wait(&engine->room, &engine->lock);
        if (hint) {
                *engine->hints_end = hint;
                engine->hints_end = &hint->next;
                engine->n_hints++;
                engine->hint_bytes += hint->body_size;
        } else {
                engine->walk_problems++;
        }
        pthread_mutex_unlock(&engine->lock);
        wake_loop(engine);
}

static void
send_hint(struct engine *engine, const char *path, bool from_pass)
{
        struct hint *hint = calloc(1, sizeof *hint);
        if (hint)
                hint->path = strdup(path);
        if (hint && !hint->path) {
                free(hint);
                hint = NULL;
        }
        if (hint)
                hint->from_pass = from_pass;
        queue_hint(engine, hint);
}

static void
send_body(void *userdata, const struct digest *digest, const char *body, size_t size)
{
        struct hint *hint = calloc(1, sizeof *hint);
        if (hint)
                hint->body = malloc(size + 1);
        if (!hint || !hint->body) { /* content is a comfort: without it there is no line diff */
                free(hint);
                return;
        }
        memcpy(hint->body, body, size);
        hint->body_size = size;
        hint->digest = *digest;
        queue_hint(userdata, hint);
}

static void finish_pass(struct engine *engine);

/* Moves hints into the dirty set while it has room. */
static bool
take_hints(struct engine *engine)
{
        bool any = false;
        for (;;) {
                pthread_mutex_lock(&engine->lock);
                struct hint *hint = engine->hints;
                if (!hint || (hint->path && !dirty_has_room(engine->dirty))) { /* in order: bodies wait too */
                        pthread_mutex_unlock(&engine->lock);
                        return any;
                }
                engine->hints = hint->next;
                if (!engine->hints)
                        engine->hints_end = &engine->hints;
                engine->n_hints--;
                engine->hint_bytes -= hint->body_size;
                pthread_cond_broadcast(&engine->room);
                pthread_mutex_unlock(&engine->lock);
                any = true;
                if (hint->path)
                        dirty_mark(engine->dirty, hint->path, hint->from_pass, 0);
                else if (hint->body)
                        instance_keep_now(engine->instance, &hint->digest, hint->body, hint->body_size);
                else
                        finish_pass(engine);
                hint_free(hint);
        }
}

/* ---- walking: passes and subtrees ---- */

static int
on_folder(void *userdata, int folder_fd, const char *path, const struct statx *stx)
{
        struct engine *engine = userdata;
        watch_folder(engine->watch, folder_fd, path, stx); /* what is lost is counted there */
        return 0;
}

static void
hint_from_pass(void *userdata, const char *path)
{
        send_hint(userdata, path, true);
}

static void
hint_from_event(void *userdata, const char *path)
{
        send_hint(userdata, path, false);
}

static void
on_walk_problem(void *userdata, const char *path, int error)
{
        struct engine *engine = userdata;
        _cleanup_free_ char *escaped = escape_new(path, strlen(path));
        if (error == EXDEV || !escaped)
                return;
        pthread_mutex_lock(&engine->lock);
        if (error == ENOENT || error == ENOTDIR) {
                bool scope_path = judge_names_path(engine->instance->judge, escaped);
                if (scope_path && engine->walk_missing++ == 0)
                        snprintf(engine->walk_missing_where, sizeof engine->walk_missing_where, "%.500s",
                                escaped);
        } else if (engine->walk_problems++ == 0)
                snprintf(engine->walk_problem, sizeof engine->walk_problem, "%.400s: %s", escaped,
                        strerrordesc_np(error));
        pthread_mutex_unlock(&engine->lock);
}

/* A scope's path may be a file, or not exist yet: the folder that holds it is watched too. */
static void
watch_parents(struct engine *engine, const struct baseline *baseline)
{
        size_t n_scopes;
        const struct scope *scopes = baseline_scopes(baseline, &n_scopes);
        for (size_t i = 0; i < n_scopes; i++)
                for (size_t j = 0; scopes[i].domain == SCOPE_FILES && j < scopes[i].paths.count; j++) {
                        _cleanup_free_ char *path = NULL;
                        if (unescape_new(scopes[i].paths.items[j], &path) < 0 || strcmp(path, "/") == 0)
                                continue;
                        char *slash = strrchr(path, '/');
                        slash[slash == path] = '\0';
                        _cleanup_fd_ int fd = folder_open("", path, NULL, NULL);
                        struct statx stx;
                        if (fd >= 0 && statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) == 0)
                                watch_folder(engine->watch, fd, path, &stx);
                }
}

static enum scan_look
plan_nothing(void *userdata, const char *path, const struct scope *scope, const struct statx *stx,
        struct snapshot_wish *wish)
{
        (void)userdata;
        (void)path;
        (void)scope;
        (void)stx;
        (void)wish;
        return SCAN_SKIP;
}

static void
see_nothing(
        void *userdata, const char *path, const struct scope *scope, int result, struct snapshot *snapshot)
{
        (void)userdata;
        (void)path;
        (void)scope;
        (void)result;
        (void)snapshot;
}

/* Only folders, to have every watch in place before READY. */
static int
walk_folders(struct engine *engine, struct standings *held, struct err *err)
{
        int r = 0;
        for (size_t i = 0; r == 0; i++) {
                const struct baseline *b = judge_held_at(held, i);
                if (!b)
                        break;
                size_t n_scopes;
                const struct scope *scopes = baseline_scopes(b, &n_scopes);
                watch_parents(engine, b);
                struct scan_options scan = {
                        .root = "",
                        .scopes = scopes,
                        .n_scopes = n_scopes,
                        .folders_only = true,
                        .workers = engine->workers,
                        .wish = {.cancel = &engine->walk_cancel, .prefix = UINT64_MAX},
                        .calls = {.folder = on_folder,
                                .plan = plan_nothing,
                                .seen = see_nothing,
                                .problem = on_walk_problem},
                        .userdata = engine,
                };
                r = scan_run(&scan, err);
        }
        return r;
}

static int
walk_pass(struct engine *engine, enum pass_kind kind, bool background, struct err *err)
{
        _cleanup_(judge_releasep) struct standings *held = judge_hold(engine->instance->judge);
        if (kind == PASS_FOLDERS)
                return walk_folders(engine, held, err);
        for (size_t i = 0; judge_held_at(held, i); i++)
                watch_parents(engine, judge_held_at(held, i));
        struct judge_scan scan = {
                .full = kind == PASS_FULL,
                .workers = engine->workers,
                .max_rate = background ? engine->max_rate : 0,
                .background = background,
                .own = engine->instance->own,
                .n_own = engine->instance->n_own,
                .files = &engine->files,
                .bytes = &engine->bytes,
                .cancel = &engine->walk_cancel,
                .folder = on_folder,
                .hint = hint_from_pass,
                .keep = send_body,
                .problem = on_walk_problem,
                .userdata = engine,
        };
        return judge_scan(engine->instance->judge, &scan, err);
}

static bool
next_pass(struct engine *engine, enum pass_kind *ret)
{
        for (enum pass_kind kind = PASS_FOLDERS; kind <= PASS_FULL; kind++)
                if (engine->want[kind]) {
                        *ret = kind;
                        return true;
                }
        return false;
}

static void *
walker_main(void *argument)
{
        struct engine *engine = argument;
        pthread_mutex_lock(&engine->lock);
        while (!engine->threads_stop) {
                enum pass_kind kind;
                if (engine->walking || !next_pass(engine, &kind)) {
                        pthread_cond_wait(&engine->work, &engine->lock);
                        continue;
                }
                /* A full pass answers all that a quick one could. */
                if (kind == PASS_QUICK && engine->want[PASS_FULL]) {
                        engine->want[PASS_QUICK] = false;
                        kind = PASS_FULL;
                }
                engine->want[kind] = false;
                engine->walking = true;
                engine->walk_kind = kind;
                engine->pass_started = engine->pass_asked;
                engine->walk_problems = 0;
                engine->walk_started_ms = clock_now_ms();
                engine->files = engine->bytes = 0;
                engine->walk_missing = 0;
                bool background = engine->walk_background = !engine->urgent;
                engine->urgent = false;
                atomic_store(&engine->walk_cancel, engine->threads_stop);
                pthread_mutex_unlock(&engine->lock);
                struct err err = {0};
                if (kind != PASS_FOLDERS)
                        judge_refused_reset(engine->instance->judge);
                int r = walk_pass(engine, kind, background, &err);
                pthread_mutex_lock(&engine->lock);
                engine->walk_result = r;
                engine->walk_err = err;
                pthread_mutex_unlock(&engine->lock);
                /* The end of the pass goes through the queue, behind its hints; without memory for it, it is
                 * over now. */
                struct hint *over = NULL;
                while (!over && !engine->threads_stop)
                        over = calloc(1, sizeof *over);
                queue_hint(engine, over);
                pthread_mutex_lock(&engine->lock);
        }
        pthread_mutex_unlock(&engine->lock);
        return NULL;
}

static void *
pruner_main(void *argument)
{
        struct engine *engine = argument;
        pthread_mutex_lock(&engine->lock);
        while (!engine->threads_stop) {
                struct subtree *subtree = engine->subtrees;
                if (!subtree) {
                        pthread_cond_wait(&engine->work, &engine->lock);
                        continue;
                }
                engine->subtrees = subtree->next;
                if (!engine->subtrees)
                        engine->subtrees_end = &engine->subtrees;
                engine->n_subtrees--;
                engine->pruning = true;
                pthread_mutex_unlock(&engine->lock);
                struct judge_scan scan = {
                        .below = subtree->path,
                        .workers = 1,
                        .own = engine->instance->own,
                        .n_own = engine->instance->n_own,
                        .cancel = &engine->cancel,
                        .folder = on_folder,
                        .hint = hint_from_event,
                        .problem = on_walk_problem,
                        .userdata = engine,
                };
                int r = judge_scan(engine->instance->judge, &scan, NULL);
                free(subtree->path);
                free(subtree);
                pthread_mutex_lock(&engine->lock);
                engine->pruning = false;
                if (r < 0 && r != -ECANCELED) {
                        engine->want[PASS_QUICK] = true;
                        pthread_cond_broadcast(&engine->work);
                }
        }
        pthread_mutex_unlock(&engine->lock);
        return NULL;
}

/* ---- passes, seen from the loop ---- */

/* Returns the number that the pass will at least have. */
static uint64_t
ask_pass(struct engine *engine, enum pass_kind kind, bool urgent)
{
        pthread_mutex_lock(&engine->lock);
        engine->want[kind] = true;
        engine->urgent = engine->urgent || urgent;
        uint64_t number = ++engine->pass_asked;
        /* Nobody waits behind a pass that is held back; it is walked anew after the urgent one. */
        if (urgent && engine->walking && engine->walk_background && engine->walk_kind != PASS_FOLDERS &&
                engine->max_rate) {
                atomic_store(&engine->walk_cancel, true);
                engine->want_again[engine->walk_kind] = true;
        }
        pthread_cond_broadcast(&engine->work);
        pthread_mutex_unlock(&engine->lock);
        return number;
}

static int
count_all(void *userdata, struct drift *drift)
{
        uint64_t *count = userdata;
        (void)drift;
        (*count)++;
        return 0;
}

static uint64_t
open_drifts(struct engine *engine)
{
        uint64_t count = 0;
        judge_each(engine->instance->judge, count_all, &count);
        return count;
}

static void
record_scan(
        struct engine *engine, const char *pass, uint64_t files, uint64_t bytes, int64_t ms, bool complete)
{
        instance_record(engine->instance, "scan", NULL,
                json_make("{s:s, s:I, s:I, s:I, s:I, s:b}", "pass", pass, "files", (json_int)files, "bytes",
                        (json_int)bytes, "drifts", (json_int)open_drifts(engine), "ms", (json_int)ms,
                        "complete", complete));
}

static void
report_watches(struct engine *engine)
{
        const char *where;
        int error;
        size_t lost = watch_lost(engine->watch, &where, &error);
        _cleanup_free_ char *escaped = lost && where ? escape_new(where, strlen(where)) : NULL;
        uint64_t before = engine->instance->problems[PROBLEM_WATCH_LOST].count;
        instance_problem(engine->instance, PROBLEM_WATCH_LOST, lost, escaped,
                error == ENOSPC ? "raise fs.inotify.max_user_watches; until then quick passes look there"
                                : "quick passes look there");
        if (lost && !before)
                instance_record(engine->instance, "watch_lost", NULL,
                        json_make("{s:s, s:I, s:s}", "where", escaped ? escaped : "", "count", (json_int)lost,
                                "error", strerrordesc_np(error)));
}

static void
tell_ready(struct engine *engine)
{
        if (engine->ready_told)
                return;
        engine->ready_told = true;
        ask_pass(engine, PASS_FULL, false);
        if (engine->ready)
                engine->ready(engine->ready_userdata);
}

/* The walker is done and all its hints are in the dirty set. */
static void
finish_pass(struct engine *engine)
{
        pthread_mutex_lock(&engine->lock);
        enum pass_kind kind = engine->walk_kind;
        uint64_t started = engine->pass_started, problems = engine->walk_problems;
        int result = engine->walk_result;
        char where[sizeof engine->walk_problem], missing[sizeof engine->walk_missing_where];
        memcpy(where, engine->walk_problem, sizeof where);
        memcpy(missing, engine->walk_missing_where, sizeof missing);
        pthread_mutex_unlock(&engine->lock);
        report_watches(engine);
        watch_lost_reset(engine->watch); /* each pass tries all folders again, and counts anew */
        bool gave_way = result == -ECANCELED;
        if (gave_way &&
                kind == PASS_FULL) /* the slow circle begins now, or many urgent passes could keep it off */
                engine->instance->settled = true;
        if (kind != PASS_FOLDERS && !gave_way) {
                int64_t now_ms = clock_now_ms();
                instance_problem(engine->instance, PROBLEM_UNREADABLE, problems, where,
                        "the folder could not be read");
                instance_problem(engine->instance, PROBLEM_PATH_MISSING, engine->walk_missing, missing,
                        PATH_MISSING_HINT);
                record_scan(engine, pass_names[kind], engine->files, engine->bytes,
                        now_ms - engine->walk_started_ms, result == 0 && !problems);
                if (result == 0 && engine->overflowed && started >= engine->overflow_pass) {
                        engine->overflowed = false;
                        instance_problem(engine->instance, PROBLEM_OVERFLOW, 0, NULL, NULL);
                }
                engine->last_quick_ms = clock_monotonic_ms();
                if (kind == PASS_FULL)
                        engine->instance->settled = true;
                /* From now on what a pass finds happened under our eyes, or nearly. */
                engine->gap_before = engine->gap_before && dirty_count(engine->dirty) > 0;
        }
        for (struct settle *settle = engine->settles; settle; settle = settle->next)
                if (kind != PASS_FOLDERS && !gave_way && !settle->walked && settle->pass <= started &&
                        (!settle->full || kind == PASS_FULL)) {
                        settle->walked = true;
                        dirty_hurry(engine->dirty);
                        settle->ticket = dirty_ticket(engine->dirty);
                }
        pthread_mutex_lock(&engine->lock);
        engine->pass_done = started;
        engine->walking = false;
        for (enum pass_kind again = PASS_QUICK; !gave_way && again <= PASS_FULL; again++) {
                engine->want[again] = engine->want[again] || (engine->want_again[again] && again != kind);
                engine->want_again[again] = false;
        }
        pthread_cond_broadcast(&engine->work);
        pthread_mutex_unlock(&engine->lock);
        instance_flush(engine->instance, NULL);
        malloc_trim(0); /* a pass and an apply leave holes: the resident size is a budget */
        if (kind == PASS_FOLDERS)
                tell_ready(engine);
}

/* ---- settling ---- */

static void
check_settles(struct engine *engine)
{
        for (struct settle **slot = &engine->settles; *slot;) {
                struct settle *settle = *slot;
                if (!settle->walked || !dirty_settled(engine->dirty, settle->ticket)) {
                        slot = &settle->next;
                        continue;
                }
                *slot = settle->next;
                settle->done(settle->userdata);
                free(settle);
                slot = &engine->settles; /* done may have changed the list */
        }
}

struct settle *
engine_settle(struct engine *engine, bool full, void (*done)(void *userdata), void *userdata)
{
        struct settle *settle = calloc(1, sizeof *settle);
        if (!settle)
                return NULL;
        watch_drain(engine->watch);
        settle->full = full;
        settle->done = done;
        settle->userdata = userdata;
        settle->next = engine->settles;
        engine->settles = settle;
        settle->pass = ask_pass(engine, full ? PASS_FULL : PASS_QUICK, true);
        dirty_hurry(engine->dirty);
        sd_event_source_set_enabled(
                engine->defer_source, SD_EVENT_ONESHOT); /* done is never called from here */
        return settle;
}

void
engine_settle_cancel(struct engine *engine, struct settle *settle)
{
        for (struct settle **slot = &engine->settles; *slot; slot = &(*slot)->next)
                if (*slot == settle) {
                        *slot = settle->next;
                        free(settle);
                        return;
                }
}

/* ---- the pump ---- */

static int
on_again(sd_event_source *source, uint64_t usec, void *userdata)
{
        (void)source;
        (void)usec;
        pump(userdata);
        return 0;
}

static void
arm_again(struct engine *engine)
{
        int64_t due_ms = dirty_next_due(engine->dirty);
        if (due_ms < 0) {
                sd_event_source_set_enabled(engine->again_source, SD_EVENT_OFF);
                return;
        }
        sd_event_source_set_time(engine->again_source, (uint64_t)due_ms * 1000);
        sd_event_source_set_enabled(engine->again_source, SD_EVENT_ONESHOT);
}

/* Moves everything one step on: results, hints, new looks, settles. Never blocks. */
static void
pump(struct engine *engine)
{
        judge_results(engine);
        take_hints(engine);
        feed_lookers(engine);
        check_settles(engine);
        arm_again(engine);
}

static int
on_wake(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        uint64_t count;
        ssize_t got = read(fd, &count, sizeof count);
        (void)source;
        (void)revents;
        (void)got;
        pump(userdata);
        return 0;
}

/* ---- what the watch says ---- */

static int
drift_age(void *userdata, struct drift *drift)
{
        int64_t *newest_ms = userdata;
        if (drift->last_change_ms > *newest_ms)
                *newest_ms = drift->last_change_ms;
        return 0;
}

/* A path whose answer changed a moment ago is noisy: the next look waits a little, and folds what comes. */
static int64_t
backoff(struct engine *engine, const char *path)
{
        _cleanup_free_ char *escaped = escape_new(path, strlen(path)), *item = NULL;
        int64_t newest_ms = 0;
        int r;
        if (!escaped || asprintf(&item, "file:%s", escaped) < 0)
                return 0;
        for (size_t i = 0; i < judge_baselines(engine->instance->judge); i++)
                judge_find(engine->instance->judge,
                        baseline_header(judge_baseline(engine->instance->judge, i))->name, item, drift_age,
                        &newest_ms, &r);
        int64_t age_ms = clock_now_ms() - newest_ms;
        return age_ms >= 0 && age_ms < LOOK_AGAIN_MS ? clock_monotonic_ms() + LOOK_AGAIN_MS - age_ms : 0;
}

static void
mark_overflow(struct engine *engine, const char *why)
{
        if (!engine->overflowed) {
                instance_record(engine->instance, "overflow", NULL, json_make("{s:s}", "what", why));
                instance_flush(engine->instance, NULL);
        }
        engine->overflowed = true;
        instance_problem(engine->instance, PROBLEM_OVERFLOW, 1, why, "a rescan is under way");
        engine->overflow_pass = ask_pass(engine, PASS_QUICK, false);
}

static void
on_changed(void *userdata, const char *path)
{
        struct engine *engine = userdata;
        struct snapshot_wish wish = {0};
        if (!judge_wish(engine->instance->judge, path, &wish))
                return;
        if (!dirty_mark(engine->dirty, path, false, backoff(engine, path)))
                mark_overflow(engine, "more changed paths than are kept");
        sd_event_source_set_enabled(engine->defer_source, SD_EVENT_ONESHOT);
}

static void
on_subtree(void *userdata, const char *path)
{
        struct engine *engine = userdata;
        struct subtree *subtree = calloc(1, sizeof *subtree);
        on_changed(engine, path);
        if (subtree)
                subtree->path = strdup(path);
        pthread_mutex_lock(&engine->lock);
        bool room = engine->n_subtrees < SUBTREES_MAX && subtree && subtree->path;
        if (room) {
                *engine->subtrees_end = subtree;
                engine->subtrees_end = &subtree->next;
                engine->n_subtrees++;
                pthread_cond_broadcast(&engine->work);
        }
        pthread_mutex_unlock(&engine->lock);
        if (room)
                return;
        if (subtree)
                free(subtree->path);
        free(subtree);
        ask_pass(engine, PASS_QUICK, false); /* walks it with everything else */
}

static void
on_overflow(void *userdata)
{
        mark_overflow(userdata, "the kernel's event queue (fs.inotify.max_queued_events)");
}

/* ---- mounts ---- */

static char *
read_mounts(int fd)
{
        _cleanup_buf_ struct buf text = {0};
        char chunk[8192];
        ssize_t size;
        if (lseek(fd, 0, SEEK_SET) < 0)
                return NULL;
        while ((size = read(fd, chunk, sizeof chunk)) > 0)
                if (buf_append(&text, chunk, (size_t)size) < 0)
                        return NULL;
        return buf_steal(&text);
}

/* Names the mount points of lines that only one of the two has. */
static void
record_mounts(struct engine *engine, const char *lines, const char *others, const char *change)
{
        for (const char *line = lines; line && *line;) {
                size_t size = strcspn(line, "\n");
                _cleanup_free_ char *copy = strndup(line, size);
                char point[4096];
                if (copy && !strstr(others, copy) && sscanf(copy, "%*s %*s %*s %*s %4095s", point) == 1) {
                        _cleanup_free_ char *where = escape_new(point, strlen(point));
                        instance_record(engine->instance, "mount", NULL,
                                json_make("{s:s, s:s}", "change", change, "where", where ? where : ""));
                }
                line += size + (line[size] == '\n');
        }
}

/* A mount over a watched folder makes no event of its own: what is visible now is looked at again. */
static int
on_mounts(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct engine *engine = userdata;
        char *now = read_mounts(fd);
        (void)source;
        (void)revents;
        if (now && engine->mounts && strcmp(now, engine->mounts) != 0) {
                record_mounts(engine, now, engine->mounts, "mounted");
                record_mounts(engine, engine->mounts, now, "unmounted");
                instance_flush(engine->instance, NULL);
                ask_pass(engine, PASS_QUICK, false);
        }
        if (now) {
                free(engine->mounts);
                engine->mounts = now;
        }
        return 0;
}

/* ---- time ---- */

static void
mark_turn(void *userdata, const char *path)
{
        struct engine *engine = userdata;
        dirty_mark(engine->dirty, path, true, 0); /* no room: its turn comes again */
}

/* The slow circle: its share of files since the last turn, so that all are read within the interval. */
static void
take_turn(struct engine *engine, int64_t now_ms)
{
        int64_t passed_ms = now_ms - engine->last_turn_ms;
        engine->last_turn_ms = now_ms;
        if (!engine->instance->settled || passed_ms <= 0)
                return;
        uint64_t all = judge_regular_files(engine->instance->judge);
        engine->turn_owed += (double)all * (double)passed_ms / ((double)engine->full_interval_s * 1000.0);
        size_t n = min_size((size_t)engine->turn_owed, DIRTY_PATHS_MAX / 4);
        if (!n)
                return;
        engine->turn_owed -= (double)n;
        judge_turn(engine->instance->judge, n, mark_turn, engine);
        engine->turned += n;
        if (engine->turned < all)
                return;
        record_scan(engine, "full", engine->turned, 0, now_ms - engine->cycle_started_ms, true);
        engine->turned = 0;
        engine->cycle_started_ms = now_ms;
}

static unsigned
count_alive(struct engine *engine)
{
        unsigned alive = 0;
        pthread_mutex_lock(&engine->lock);
        for (unsigned i = 0; i < engine->n_lookers; i++)
                alive += !engine->lookers[i].abandoned;
        pthread_mutex_unlock(&engine->lock);
        return alive;
}

/* A look that has not moved for long: unknown, named, and its thread replaced. */
static void
check_stuck_looks(struct engine *engine, int64_t now_ms)
{
        pthread_mutex_lock(&engine->lock);
        for (unsigned i = 0; i < engine->n_lookers; i++) {
                struct looker *looker = &engine->lookers[i];
                struct look *look = looker->look;
                if (!look || look->stuck)
                        continue;
                if (looker->bytes != look->bytes_before) {
                        look->bytes_before = looker->bytes;
                        look->started_ms = now_ms;
                }
                if (now_ms - look->started_ms < STUCK_AFTER_MS)
                        continue;
                struct look *answer = calloc(1, sizeof *answer);
                if (!answer || !(answer->path = strdup(look->path))) {
                        free(answer); /* tried again at the next check */
                        continue;
                }
                answer->entry = look->entry;
                answer_unreadable(answer, ETIMEDOUT);
                look->stuck = true;
                looker->abandoned = true;
                engine->n_stuck++;
                put_result(engine, answer);
        }
        unsigned stuck = engine->n_stuck;
        pthread_mutex_unlock(&engine->lock);
        for (unsigned alive = count_alive(engine); alive < engine->workers; alive++)
                if (start_looker(engine) < 0)
                        break;
        if (!stuck || count_alive(engine))
                return;
        /* Every place is taken by a look that hangs: nobody can look, and those who wait are told so. */
        instance_problem(engine->instance, PROBLEM_STUCK, stuck, "all looks hang",
                "a file system does not answer: see mounts of network and FUSE kind");
        for (struct settle *settle = engine->settles; settle; settle = settle->next) {
                settle->walked = true;
                settle->ticket = 0;
        }
}

/* The walker cannot be replaced: those who wait for it are answered as incomplete. */
static void
check_stuck_walk(struct engine *engine, int64_t now_ms)
{
        unsigned long long files = engine->files, bytes = engine->bytes;
        pthread_mutex_lock(&engine->lock);
        bool walking = engine->walking, waits = engine->n_hints > 0;
        pthread_mutex_unlock(&engine->lock);
        if (!walking || waits || files != engine->seen_files || bytes != engine->seen_bytes) {
                engine->seen_files = files;
                engine->seen_bytes = bytes;
                engine->seen_ms = now_ms;
                if (!engine->n_stuck)
                        instance_problem(engine->instance, PROBLEM_STUCK, 0, NULL, NULL);
                return;
        }
        if (now_ms - engine->seen_ms < STUCK_AFTER_MS)
                return;
        instance_problem(engine->instance, PROBLEM_STUCK, 1, "a pass makes no progress",
                "a file system does not answer: see mounts of network and FUSE kind");
        for (struct settle *settle = engine->settles; settle; settle = settle->next)
                settle->walked = true;
}

static int
on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct engine *engine = userdata;
        int64_t now_ms = clock_monotonic_ms();
        (void)usec;
        take_turn(engine, now_ms);
        check_stuck_looks(engine, now_ms);
        check_stuck_walk(engine, now_ms);
        int64_t since_ms = now_ms - engine->last_quick_ms;
        bool links = engine->links_changed && since_ms >= LINKS_PASS_MS;
        if (engine->ready_told && (links || since_ms >= engine->quick_interval_s * 1000)) {
                engine->last_quick_ms = now_ms;
                engine->links_changed = false;
                ask_pass(engine, PASS_QUICK, false);
        }
        pump(engine);
        sd_event_source_set_time(source, (uint64_t)(now_ms + TURN_MS) * 1000);
        sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        return 0;
}

static int
on_defer(sd_event_source *source, void *userdata)
{
        (void)source;
        pump(userdata);
        return 0;
}

/* ---- life ---- */

static unsigned
looker_count(const struct config *config)
{
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        unsigned wanted = config->workers ? config->workers : processors > 0 ? (unsigned)processors : 1;
        return wanted < LOOKERS_MAX / 2 ? wanted : LOOKERS_MAX / 2;
}

void
engine_reconfigure(struct engine *engine, const struct config *config)
{
        engine->full_interval_s = config->full_interval_s;
        engine->quick_interval_s = config->quick_interval_s;
        engine->max_rate = config->max_rate << 20;
        engine->workers = looker_count(config);
}

static int
add_sources(struct engine *engine, struct err *err)
{
        sd_event *event = engine->event;
        uint64_t soon = (uint64_t)(clock_monotonic_ms() + TURN_MS) * 1000;
        int r = sd_event_add_io(event, &engine->wake_source, engine->wake_fd, EPOLLIN, on_wake, engine);
        if (r >= 0)
                r = sd_event_add_time(
                        event, &engine->tick_source, CLOCK_BOOTTIME, soon, 100000, on_tick, engine);
        if (r >= 0)
                r = sd_event_add_time(
                        event, &engine->again_source, CLOCK_BOOTTIME, soon, 1000, on_again, engine);
        if (r >= 0)
                r = sd_event_source_set_enabled(engine->again_source, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_defer(event, &engine->defer_source, on_defer, engine);
        if (r >= 0 && engine->mount_fd >= 0)
                r = sd_event_add_io(
                        event, &engine->mount_source, engine->mount_fd, EPOLLPRI, on_mounts, engine);
        return r < 0 ? err_set(err, r, "the event loop: %s", strerrordesc_np(-r)) : 0;
}

static int
start_threads(struct engine *engine, struct err *err)
{
        int r = 0;
        for (unsigned i = 0; i < engine->workers && r == 0; i++)
                r = start_looker(engine);
        if (r == 0 && (r = -pthread_create(&engine->walker, NULL, walker_main, engine)) == 0)
                engine->walker_runs = true;
        if (r == 0 && (r = -pthread_create(&engine->pruner, NULL, pruner_main, engine)) == 0)
                engine->pruner_runs = true;
        return r < 0 ? err_set(err, r, "a thread cannot be started: %s", strerrordesc_np(-r)) : 0;
}

int
engine_new(sd_event *event, struct instance *instance, const struct config *config, struct engine **ret,
        struct err *err)
{
        static const struct watch_calls calls = {on_changed, on_subtree, on_overflow};
        _cleanup_(engine_freep) struct engine *engine = calloc(1, sizeof *engine);
        if (!engine)
                return err_oom(err);
        engine->wake_fd = engine->mount_fd = -1;
        pthread_mutex_init(&engine->lock, NULL);
        pthread_cond_init(&engine->look, NULL);
        pthread_cond_init(&engine->work, NULL);
        pthread_cond_init(&engine->room, NULL);
        engine->event = event;
        engine->instance = instance;
        engine->looks_end = &engine->looks;
        engine->results_end = &engine->results;
        engine->hints_end = &engine->hints;
        engine->subtrees_end = &engine->subtrees;
        engine->last_turn_ms = engine->cycle_started_ms = engine->last_quick_ms = engine->seen_ms =
                clock_monotonic_ms();
        engine_reconfigure(engine, config);
        engine->dirty = dirty_new();
        engine->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        engine->mount_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        if (!engine->dirty || engine->wake_fd < 0)
                return err_oom(err);
        if (engine->mount_fd >= 0)
                engine->mounts = read_mounts(engine->mount_fd);
        int r = watch_new(event, &calls, engine, &engine->watch, err);
        r = r ? r : add_sources(engine, err);
        if (r)
                return r;
        *ret = steal_pointer(&engine);
        return 0;
}

int
engine_start(struct engine *engine, void (*ready)(void *userdata), void *userdata, struct err *err)
{
        engine->ready = ready;
        engine->ready_userdata = userdata;
        engine->gap_before = engine->instance->had_history;
        int r = start_threads(engine, err);
        if (r == 0)
                ask_pass(engine, PASS_FOLDERS, false);
        return r;
}

void
engine_baselines_changed(struct engine *engine)
{
        struct coverage coverage;
        judge_coverage(engine->instance->judge, clock_now_ms(), &coverage);
        bool many = coverage.expected - coverage.verified > UNVERIFIED_FOR_FULL;
        ask_pass(engine, engine->instance->settled && !many ? PASS_QUICK : PASS_FULL, true);
}

static void
join_threads(struct engine *engine)
{
        struct timespec deadline;
        clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_sec +=
                5; /* a thread in a file system that does not answer is left to the end of the process */
        for (unsigned i = 0; i < engine->n_lookers; i++)
                if (engine->lookers[i].running &&
                        pthread_timedjoin_np(engine->lookers[i].thread, NULL, &deadline) != 0)
                        _exit(0);
        if (engine->walker_runs && pthread_timedjoin_np(engine->walker, NULL, &deadline) != 0)
                _exit(0);
        if (engine->pruner_runs && pthread_timedjoin_np(engine->pruner, NULL, &deadline) != 0)
                _exit(0);
}

struct engine *
engine_free(struct engine *engine)
{
        if (!engine)
                return NULL;
        atomic_store(&engine->cancel, true);
        pthread_mutex_lock(&engine->lock);
        engine->threads_stop = true;
        atomic_store(&engine->walk_cancel, true);
        pthread_cond_broadcast(&engine->look);
        pthread_cond_broadcast(&engine->work);
        pthread_cond_broadcast(&engine->room);
        pthread_mutex_unlock(&engine->lock);
        join_threads(engine);
        for (struct look *look = engine->looks, *next; look; look = next) {
                next = look->next;
                look_free(look);
        }
        for (struct look *look = engine->results, *next; look; look = next) {
                next = look->next;
                look_free(look);
        }
        for (struct hint *hint = engine->hints, *next; hint; hint = next) {
                next = hint->next;
                hint_free(hint);
        }
        for (struct subtree *subtree = engine->subtrees, *next; subtree; subtree = next) {
                next = subtree->next;
                free(subtree->path);
                free(subtree);
        }
        for (struct settle *settle = engine->settles, *next; settle; settle = next) {
                next = settle->next;
                free(settle);
        }
        sd_event_source_disable_unref(engine->wake_source);
        sd_event_source_disable_unref(engine->tick_source);
        sd_event_source_disable_unref(engine->again_source);
        sd_event_source_disable_unref(engine->mount_source);
        sd_event_source_disable_unref(engine->defer_source);
        watch_free(engine->watch);
        dirty_free(engine->dirty);
        fd_close(engine->wake_fd);
        fd_close(engine->mount_fd);
        free(engine->mounts);
        pthread_cond_destroy(&engine->look);
        pthread_cond_destroy(&engine->work);
        pthread_cond_destroy(&engine->room);
        pthread_mutex_destroy(&engine->lock);
        free(engine);
        return NULL;
}

void
engine_progress(const struct engine *engine, uint64_t *ret_files, uint64_t *ret_expected, uint64_t *ret_bytes)
{
        uint64_t expected = 0;
        for (size_t i = 0; i < judge_baselines(engine->instance->judge); i++)
                expected += baseline_files(judge_baseline(engine->instance->judge, i));
        *ret_files = engine->files;
        *ret_expected = expected;
        *ret_bytes = engine->bytes;
}

void
engine_describe(struct engine *engine, char *text, size_t size)
{
        snprintf(text, size, "%s · %zu folders watched · %" PRIu64 " open drifts · %zu paths to look at",
                instance_verdict(engine->instance), watch_count(engine->watch), open_drifts(engine),
                dirty_count(engine->dirty));
}
