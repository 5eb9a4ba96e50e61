/* SPDX-License-Identifier: MIT */
/*
 * Passes, subtrees and the circle, and the queue of hints between the walking threads and the loop.
 *
 * A pass begins when one is asked for and the loop has dealt with the end of the last. All that was asked for
 * before it began is answered by it. Its end stands in the queue behind its own hints, so that whoever takes
 * HINT_PASS has taken all that it found.
 *
 * The circle owes so much reading for the time that has passed, and after each file it sleeps until it owes
 * again: what is read is spread evenly over the interval. While a full pass reads everything, it owes
 * nothing.
 *
 * Owns the three threads and the queue. Must not know what becomes of a hint, nor touch the store or a
 * verdict.
 *
 * Invariants: (1) only one pass runs; (2) a hint that could not be kept for lack of memory makes the pass
 * incomplete; (3) everything in struct walker but the counters is under the lock.
 */
#include "daemon/walker.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/snapshot_reader.h"
#include "daemon/looker.h"

#define CIRCLE_STEP_S 1 /* between two turns of the circle */

const char *const pass_names[PASS_COUNT] = {"folders", "quick", "full"};

struct hint_entry {
        struct hint hint;
        struct hint_entry *next;
};
static_assert(sizeof(struct hint_entry) <= 128, "HINTS_MAX of them may wait");

struct subtree {
        struct subtree *next;
        struct who *who;
        char path[];
};

/* Of something that runs, at the last check for being stuck. */
struct progress {
        unsigned long long files, bytes;
        int64_t moved_ms;
};

struct walker {
        struct instance *instance;
        struct watch *watch;
        void (*wake)(void *userdata);
        void *userdata;
        _Atomic unsigned workers;
        _Atomic int64_t circle_s;
        struct pace pace; /* of background passes and the circle together */

        pthread_mutex_t lock;
        pthread_cond_t work; /* for both threads */
        pthread_cond_t room; /* for those that wait to hand hints over */
        pthread_cond_t step; /* for the circle */
        struct hint_entry *hints, **hints_end;
        size_t n_hints, hint_bytes;
        struct subtree *subtrees, **subtrees_end;
        size_t n_subtrees;
        bool pruning;            /* a subtree is walked */
        struct who *pruning_who; /* of that one; only the thread that walks it looks here */
        pthread_t passes, prunes, turns;
        bool passes_runs, prunes_runs, turns_runs, stopping;

        bool want[PASS_COUNT];
        bool want_again[PASS_COUNT]; /* passes that gave way to an urgent one */
        bool urgent;                 /* somebody waits for the pass that is asked for */
        uint64_t asked;              /* number of the newest call */
        bool walking;                /* until walker_resume */
        bool background;             /* the pass that runs is held back */
        bool over;                   /* it is: `pass` is to be taken once `before_over` hints are */
        size_t before_over;
        struct pass pass;
        bool out_of_memory; /* something of the pass could not be kept */
        atomic_ullong files, bytes;
        atomic_bool cancel;     /* of the pass */
        atomic_bool cancel_all; /* of subtrees and the circle too */
        struct progress pass_seen, circle_seen;

        bool circling;                            /* it may */
        bool turning;                             /* a file is being read in turn */
        atomic_ullong circle_files, circle_bytes; /* of the circle that runs */
        atomic_uint mounts_version;
};

/* ---- the queue ---- */

void
hint_done(struct hint *hint)
{
        free(hint->path);
        who_drop(hint->who);
        free(hint->body);
        free(hint->pass);
        *hint = (struct hint){0};
}

static struct pass *
pass_copy(const struct pass *pass)
{
        struct pass *copy = malloc(sizeof *copy);
        if (copy)
                *copy = *pass;
        return copy;
}

/* Takes the hint over, waiting for room. */
static void
queue_hint(struct walker *walker, struct hint hint)
{
        struct hint_entry *entry = malloc(sizeof *entry);
        pthread_mutex_lock(&walker->lock);
        while (!walker->stopping &&
                (walker->n_hints >= HINTS_MAX || walker->hint_bytes >= PENDING_BODIES_MAX))
                pthread_cond_wait(&walker->room, &walker->lock);
        bool kept = entry && (hint.path || hint.body || hint.pass);
        if (kept) {
                *entry = (struct hint_entry){.hint = hint};
                *walker->hints_end = entry;
                walker->hints_end = &entry->next;
                walker->n_hints++;
                walker->hint_bytes += hint.body_size;
        } else if (hint.kind == HINT_PATH && hint.from_pass) {
                walker->out_of_memory = true; /* not looked at: the pass is incomplete */
        } else if (hint.kind == HINT_PATH) {
                walker->want[PASS_QUICK] = true;
                pthread_cond_broadcast(&walker->work);
        }
        pthread_mutex_unlock(&walker->lock);
        walker->wake(walker->userdata);
        if (kept)
                return;
        free(entry);
        hint_done(&hint);
}

static void
hint_from_pass(void *userdata, const char *path)
{
        queue_hint(userdata, (struct hint){.kind = HINT_PATH, .path = strdup(path), .from_pass = true});
}

static void
hint_from_event(void *userdata, const char *path)
{
        struct walker *walker = userdata;
        queue_hint(walker,
                (struct hint){.kind = HINT_PATH, .path = strdup(path), .who = who_keep(walker->pruning_who)});
}

/* Content is a comfort: without memory for it there is no line diff. */
static void
hint_body(void *userdata, const struct digest *digest, const char *body, size_t size)
{
        struct hint hint = {.kind = HINT_BODY, .digest = *digest, .body = malloc(size + 1)};
        if (hint.body)
                memcpy(hint.body, body, size);
        hint.body_size = hint.body ? size : 0;
        queue_hint(userdata, hint);
}

/* L */
static bool
take_first(struct walker *walker, bool room, struct hint *ret)
{
        struct hint_entry *entry = walker->hints;
        if (!entry || (entry->hint.path && !room)) /* in order: bodies wait too */
                return false;
        walker->hints = entry->next;
        if (!walker->hints)
                walker->hints_end = &walker->hints;
        walker->n_hints--;
        walker->hint_bytes -= entry->hint.body_size;
        walker->before_over -= walker->before_over > 0;
        *ret = entry->hint;
        free(entry);
        pthread_cond_broadcast(&walker->room);
        return true;
}

bool
walker_is_quiet(struct walker *walker)
{
        pthread_mutex_lock(&walker->lock);
        bool quiet = !walker->subtrees && !walker->pruning && !walker->hints;
        pthread_mutex_unlock(&walker->lock);
        return quiet;
}

bool
walker_take(struct walker *walker, bool room, struct hint *ret)
{
        pthread_mutex_lock(&walker->lock);
        bool taken = true;
        if (walker->over && walker->before_over == 0) {
                struct hint hint = {.kind = HINT_PASS, .pass = pass_copy(&walker->pass)};
                taken = hint.pass != NULL; /* else at another turn */
                walker->over = !taken;
                if (taken)
                        *ret = hint;
        } else {
                taken = take_first(walker, room, ret);
        }
        pthread_mutex_unlock(&walker->lock);
        return taken;
}

/* ---- what both threads do ---- */

static int
on_folder(void *userdata, int folder_fd, const char *path, const struct statx *stx)
{
        struct walker *walker = userdata;
        watch_folder(walker->watch, folder_fd, path, stx); /* what is lost is counted there */
        return 0;
}

static void
count_place(struct place_count *place, const char *escaped, const char *reason)
{
        if (place->count++ == 0)
                snprintf(place->where, sizeof place->where, "%.400s%s%s", escaped, reason ? ": " : "",
                        reason ? reason : "");
}

static void
on_problem(void *userdata, const char *path, int error)
{
        struct walker *walker = userdata;
        _cleanup_free_ char *escaped = escape_new(path, strlen(path));
        if (error == EXDEV)
                return;
        bool gone = error == ENOENT || error == ENOTDIR;
        bool named = gone && escaped && judge_names_path(walker->instance->judge, escaped);
        pthread_mutex_lock(&walker->lock);
        if (!escaped)
                walker->out_of_memory = true;
        else if (named)
                count_place(&walker->pass.missing, escaped, NULL);
        else if (!gone)
                count_place(&walker->pass.unreadable, escaped, strerrordesc_np(error));
        pthread_mutex_unlock(&walker->lock);
}

/* A subtree's problem is nobody's to report: a pass meets it again, and reports it. */
static void
on_subtree_problem(void *userdata, const char *path, int error)
{
        (void)path;
        if (error != EXDEV && error != ENOENT && error != ENOTDIR)
                walker_ask(userdata, PASS_QUICK, false);
}

/* ---- passes ---- */

/* A scope's path may be a file, or not exist yet: the folder that holds it is watched too. */
static void
watch_parents(struct walker *walker, const struct baseline *baseline)
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
                                watch_folder(walker->watch, fd, path, &stx);
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

/* Only folders, to have every watch in place before READY. */
static int
walk_folders(struct walker *walker, const struct baseline *baseline)
{
        size_t n_scopes;
        const struct scope *scopes = baseline_scopes(baseline, &n_scopes);
        struct scan_options scan = {
                .root = "",
                .scopes = scopes,
                .n_scopes = n_scopes,
                .folders_only = true,
                .workers = walker->workers,
                .wish = {.cancel = &walker->cancel, .prefix = UINT64_MAX},
                .calls = {.folder = on_folder, .plan = plan_nothing, .problem = on_problem},
                .userdata = walker,
        };
        return scan_run(&scan, NULL);
}

static int
walk(struct walker *walker, enum pass_kind kind, bool background)
{
        _cleanup_(judge_releasep) struct standings *held = judge_hold(walker->instance->judge);
        const struct baseline *baseline;
        int r = 0;
        watch_pass_begins(walker->watch);
        for (size_t i = 0; r == 0 && (baseline = judge_held_at(held, i)); i++) {
                watch_parents(walker, baseline);
                r = kind == PASS_FOLDERS ? walk_folders(walker, baseline) : 0;
        }
        if (kind == PASS_FOLDERS)
                return r;
        struct judge_scan scan = {
                .full = kind == PASS_FULL,
                .workers = walker->workers,
                .pace = background && pace_is_limited(&walker->pace) ? &walker->pace : NULL,
                .background = background,
                .own = walker->instance->own,
                .n_own = walker->instance->n_own,
                .files = &walker->files,
                .bytes = &walker->bytes,
                .cancel = &walker->cancel,
                .folder = on_folder,
                .hint = hint_from_pass,
                .keep = hint_body,
                .problem = on_problem,
                .userdata = walker,
        };
        judge_refused_reset(walker->instance->judge);
        return judge_scan(walker->instance->judge, &scan, NULL);
}

/* L: which pass is to run; a full one answers all that a quick one could. */
static bool
next_pass(struct walker *walker, enum pass_kind *ret)
{
        if (walker->want[PASS_FULL])
                walker->want[PASS_QUICK] = false;
        for (enum pass_kind kind = PASS_FOLDERS; kind < PASS_COUNT; kind++)
                if (walker->want[kind]) {
                        *ret = kind;
                        return true;
                }
        return false;
}

/* L */
static void
begin_pass(struct walker *walker, enum pass_kind kind)
{
        walker->want[kind] = false;
        walker->walking = true;
        walker->background = !walker->urgent;
        walker->urgent = false;
        walker->pass = (struct pass){.kind = kind, .number = walker->asked, .started_ms = clock_now_ms()};
        walker->files = walker->bytes = 0;
        walker->out_of_memory = false;
        atomic_store(&walker->cancel, walker->stopping);
}

static void *
passes_main(void *argument)
{
        struct walker *walker = argument;
        pthread_mutex_lock(&walker->lock);
        while (!walker->stopping) {
                enum pass_kind kind;
                if (walker->walking || !next_pass(walker, &kind)) {
                        pthread_cond_wait(&walker->work, &walker->lock);
                        continue;
                }
                begin_pass(walker, kind);
                bool background = walker->background;
                pthread_mutex_unlock(&walker->lock);
                int r = walk(walker, kind, background);
                pthread_mutex_lock(&walker->lock);
                walker->pass.result = r == 0 && walker->out_of_memory ? -ENOMEM : r;
                walker->pass.files = walker->files;
                walker->pass.bytes = walker->bytes;
                walker->over = true;
                walker->before_over = walker->n_hints;
                walker->wake(walker->userdata);
        }
        pthread_mutex_unlock(&walker->lock);
        return NULL;
}

uint64_t
walker_ask(struct walker *walker, enum pass_kind kind, bool urgent)
{
        pthread_mutex_lock(&walker->lock);
        walker->want[kind] = true;
        walker->urgent = walker->urgent || urgent;
        uint64_t number = ++walker->asked;
        /* Nobody waits behind a pass that is held back; it is walked anew after the urgent one. */
        if (urgent && walker->walking && walker->background && walker->pass.kind != PASS_FOLDERS &&
                pace_is_limited(&walker->pace)) {
                atomic_store(&walker->cancel, true);
                walker->want_again[walker->pass.kind] = true;
        }
        pthread_cond_broadcast(&walker->work);
        pthread_mutex_unlock(&walker->lock);
        return number;
}

void
walker_resume(struct walker *walker)
{
        pthread_mutex_lock(&walker->lock);
        walker->walking = false;
        bool gave_way = walker->pass.result == -ECANCELED;
        for (enum pass_kind kind = PASS_QUICK; !gave_way && kind < PASS_COUNT; kind++) {
                bool again = walker->want_again[kind] && kind != walker->pass.kind;
                walker->want[kind] = walker->want[kind] || again;
                walker->want_again[kind] = false;
        }
        pthread_cond_broadcast(&walker->work);
        pthread_mutex_unlock(&walker->lock);
}

/* ---- subtrees ---- */

static struct subtree *
take_subtree(struct walker *walker)
{
        struct subtree *subtree = walker->subtrees;
        walker->subtrees = subtree->next;
        if (!walker->subtrees)
                walker->subtrees_end = &walker->subtrees;
        walker->n_subtrees--;
        return subtree;
}

static int
walk_subtree(struct walker *walker, const struct subtree *subtree)
{
        struct judge_scan scan = {
                .below = subtree->path,
                .here = true, /* an archive brings thousands */
                .own = walker->instance->own,
                .n_own = walker->instance->n_own,
                .cancel = &walker->cancel_all,
                .folder = on_folder,
                .hint = hint_from_event,
                .problem = on_subtree_problem,
                .userdata = walker,
        };
        walker->pruning_who = subtree->who;
        int r = judge_scan(walker->instance->judge, &scan, NULL);
        walker->pruning_who = NULL;
        return r;
}

static void *
prunes_main(void *argument)
{
        struct walker *walker = argument;
        pthread_mutex_lock(&walker->lock);
        while (!walker->stopping) {
                if (!walker->subtrees) {
                        walker->pruning = false;
                        pthread_cond_wait(&walker->work, &walker->lock);
                        continue;
                }
                struct subtree *subtree = take_subtree(walker);
                walker->pruning = true;
                pthread_mutex_unlock(&walker->lock);
                int r = walk_subtree(walker, subtree);
                if (r < 0 && r != -ECANCELED)
                        walker_ask(walker, PASS_QUICK, false);
                who_drop(subtree->who);
                free(subtree);
                pthread_mutex_lock(&walker->lock);
        }
        pthread_mutex_unlock(&walker->lock);
        return NULL;
}

bool
walker_subtree(struct walker *walker, const char *path, struct who *who)
{
        size_t size = strlen(path) + 1;
        struct subtree *subtree = calloc(1, sizeof *subtree + size);
        if (!subtree)
                return false;
        memcpy(subtree->path, path, size);
        subtree->who = who_keep(who);
        pthread_mutex_lock(&walker->lock);
        bool room = walker->n_subtrees < SUBTREES_MAX;
        if (room) {
                *walker->subtrees_end = subtree;
                walker->subtrees_end = &subtree->next;
                walker->n_subtrees++;
                pthread_cond_broadcast(&walker->work);
        }
        pthread_mutex_unlock(&walker->lock);
        if (room)
                return true;
        who_drop(subtree->who);
        free(subtree);
        return false;
}

/* ---- the circle ---- */

/* What the thread of the circle keeps between two files. */
struct circle {
        struct walker *walker;
        struct snapshot_reader *reader;
        struct pacer pacer;
        struct mount_table mounts;
        unsigned mounts_version;
        int64_t owed; /* in the currency of judge_turn */
        int64_t at_ms, started_ms;
        uint64_t cost; /* of this circle until now */
};

static int
pay(void *userdata, size_t bytes)
{
        return pacer_pay(userdata, bytes);
}

/* Without a table the paths are followed as far as they lead. */
static void
refresh_mounts(struct circle *circle)
{
        unsigned version = circle->walker->mounts_version;
        if (version == circle->mounts_version)
                return;
        mount_table_done(&circle->mounts);
        circle->mounts = (struct mount_table){0};
        if (mount_table_now(&circle->mounts) == 0)
                circle->mounts_version = version;
}

static void
circle_is_closed(struct circle *circle)
{
        struct walker *walker = circle->walker;
        const struct pass pass = {
                .kind = PASS_FULL,
                .files = walker->circle_files,
                .bytes = walker->circle_bytes,
                .started_ms = circle->started_ms,
        };
        queue_hint(walker, (struct hint){.kind = HINT_CIRCLE, .pass = pass_copy(&pass)});
        circle->cost = 0;
        circle->started_ms = clock_now_ms();
        walker->circle_files = walker->circle_bytes = 0;
}

/* Reads until nothing is owed. */
static void
take_turns(struct circle *circle)
{
        struct walker *walker = circle->walker;
        struct judge *judge = walker->instance->judge;
        uint64_t whole = judge_circle_cost(judge);
        int64_t now_ms = clock_monotonic_ms(), passed_ms = now_ms - circle->at_ms;
        circle->at_ms = now_ms;
        circle->owed += (int64_t)((double)whole * (double)passed_ms / ((double)walker->circle_s * 1000));
        const struct judge_scan options = {
                .full = true,
                .background = true,
                .own = walker->instance->own,
                .n_own = walker->instance->n_own,
                .files = &walker->circle_files,
                .bytes = &walker->circle_bytes,
                .cancel = &walker->cancel_all,
                .hint = hint_from_pass,
                .keep = hint_body,
                .userdata = walker,
        };
        refresh_mounts(circle);
        while (circle->owed > 0) {
                int64_t cost = judge_turn(judge, &options, circle->reader, &circle->mounts);
                if (cost <= 0) { /* nothing to do, no memory, or the end: not now */
                        circle->owed = 0;
                        return;
                }
                circle->owed -= cost;
                circle->cost += (uint64_t)cost;
                if (circle->cost >= whole)
                        circle_is_closed(circle);
        }
}

/* L: until the next turn. */
static void
wait_for_turn(struct walker *walker)
{
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += CIRCLE_STEP_S;
        if (walker->circling)
                pthread_cond_clockwait(&walker->step, &walker->lock, CLOCK_MONOTONIC, &until);
        else
                pthread_cond_wait(&walker->step, &walker->lock);
}

static void *
turns_main(void *argument)
{
        struct walker *walker = argument;
        struct circle circle = {
                .walker = walker,
                .pacer = {.pace = &walker->pace, .cancel = &walker->cancel_all},
                .mounts_version = walker->mounts_version - 1,
                .at_ms = clock_monotonic_ms(),
                .started_ms = clock_now_ms(),
        };
        thread_step_back();
        pacer_start(&circle.pacer);
        pthread_mutex_lock(&walker->lock);
        while (!walker->stopping) {
                wait_for_turn(walker);
                if (!walker->circling || (walker->walking && walker->pass.kind == PASS_FULL)) {
                        circle.at_ms = clock_monotonic_ms();
                        continue;
                }
                walker->turning = true;
                pthread_mutex_unlock(&walker->lock);
                if (!circle.reader && (circle.reader = snapshot_reader_new()))
                        snapshot_reader_pace(circle.reader, pay, &circle.pacer);
                if (circle.reader)
                        take_turns(&circle);
                pthread_mutex_lock(&walker->lock);
                walker->turning = false;
        }
        pthread_mutex_unlock(&walker->lock);
        snapshot_reader_free(circle.reader);
        mount_table_done(&circle.mounts);
        return NULL;
}

void
walker_begin_circle(struct walker *walker)
{
        pthread_mutex_lock(&walker->lock);
        walker->circling = true;
        pthread_cond_broadcast(&walker->step);
        pthread_mutex_unlock(&walker->lock);
}

void
walker_mounts_changed(struct walker *walker)
{
        walker->mounts_version++;
}

/* ---- progress ---- */

uint64_t
walker_circle(const struct walker *walker)
{
        return walker->circle_files;
}

bool
walker_running(struct walker *walker, struct pass *ret)
{
        pthread_mutex_lock(&walker->lock);
        bool runs = walker->walking && !walker->over;
        if (runs) {
                ret->kind = walker->pass.kind;
                ret->started_ms = walker->pass.started_ms;
        }
        pthread_mutex_unlock(&walker->lock);
        if (runs)
                walker_progress(walker, &ret->files, &ret->bytes);
        return runs;
}

void
walker_progress(const struct walker *walker, uint64_t *ret_files, uint64_t *ret_bytes)
{
        *ret_files = walker->files;
        *ret_bytes = walker->bytes;
}

static bool
has_moved(struct progress *seen, unsigned long long files, unsigned long long bytes)
{
        bool moved = files != seen->files || bytes != seen->bytes;
        seen->files = files;
        seen->bytes = bytes;
        return moved;
}

bool
walker_is_stuck(struct walker *walker, int64_t now_ms)
{
        struct progress *pass = &walker->pass_seen, *circle = &walker->circle_seen;
        bool pass_moved = has_moved(pass, walker->files, walker->bytes);
        bool circle_moved = has_moved(circle, walker->circle_files, walker->circle_bytes);
        pthread_mutex_lock(&walker->lock);
        bool waits = walker->n_hints > 0; /* for the loop */
        if (pass_moved || waits || !walker->walking || walker->over)
                pass->moved_ms = now_ms;
        if (circle_moved || waits || !walker->turning)
                circle->moved_ms = now_ms;
        pthread_mutex_unlock(&walker->lock);
        return now_ms - pass->moved_ms >= STUCK_AFTER_MS || now_ms - circle->moved_ms >= STUCK_AFTER_MS;
}

/* ---- life ---- */

int
walker_new(struct instance *instance, struct watch *watch, void (*wake)(void *userdata), void *userdata,
        struct walker **ret)
{
        struct walker *walker = calloc(1, sizeof *walker);
        if (!walker)
                return -ENOMEM;
        walker->instance = instance;
        walker->watch = watch;
        walker->wake = wake;
        walker->userdata = userdata;
        walker->workers = 1;
        walker->hints_end = &walker->hints;
        walker->subtrees_end = &walker->subtrees;
        walker->pass_seen.moved_ms = walker->circle_seen.moved_ms = clock_monotonic_ms();
        walker->circle_s = INT32_MAX;
        pthread_mutex_init(&walker->pace.lock, NULL);
        pthread_mutex_init(&walker->lock, NULL);
        pthread_cond_init(&walker->work, NULL);
        pthread_cond_init(&walker->room, NULL);
        pthread_cond_init(&walker->step, NULL);
        *ret = walker;
        return 0;
}

int
walker_start(struct walker *walker)
{
        int r = -pthread_create(&walker->passes, NULL, passes_main, walker);
        walker->passes_runs = r == 0;
        r = r ? r : -pthread_create(&walker->prunes, NULL, prunes_main, walker);
        walker->prunes_runs = walker->passes_runs && r == 0;
        r = r ? r : -pthread_create(&walker->turns, NULL, turns_main, walker);
        walker->turns_runs = walker->prunes_runs && r == 0;
        return r;
}

void
walker_configure(struct walker *walker, const struct walker_plan *plan)
{
        walker->workers = plan->workers;
        walker->circle_s = plan->circle_s;
        pace_set(&walker->pace, plan->max_rate, plan->max_cpu);
}

void
walker_stop(struct walker *walker)
{
        pthread_mutex_lock(&walker->lock);
        walker->stopping = true;
        atomic_store(&walker->cancel, true);
        atomic_store(&walker->cancel_all, true);
        pthread_cond_broadcast(&walker->work);
        pthread_cond_broadcast(&walker->room);
        pthread_cond_broadcast(&walker->step);
        pthread_mutex_unlock(&walker->lock);
}

bool
walker_join(struct walker *walker, const struct timespec *deadline)
{
        if (walker->passes_runs && pthread_timedjoin_np(walker->passes, NULL, deadline) != 0)
                return false;
        walker->passes_runs = false;
        if (walker->prunes_runs && pthread_timedjoin_np(walker->prunes, NULL, deadline) != 0)
                return false;
        walker->prunes_runs = false;
        if (walker->turns_runs && pthread_timedjoin_np(walker->turns, NULL, deadline) != 0)
                return false;
        walker->turns_runs = false;
        return true;
}

struct walker *
walker_free(struct walker *walker)
{
        if (!walker)
                return NULL;
        for (struct hint_entry *entry = walker->hints, *next; entry; entry = next) {
                next = entry->next;
                hint_done(&entry->hint);
                free(entry);
        }
        for (struct subtree *subtree = walker->subtrees, *next; subtree; subtree = next) {
                next = subtree->next;
                who_drop(subtree->who);
                free(subtree);
        }
        pthread_cond_destroy(&walker->work);
        pthread_cond_destroy(&walker->room);
        pthread_cond_destroy(&walker->step);
        pthread_mutex_destroy(&walker->pace.lock);
        pthread_mutex_destroy(&walker->lock);
        free(walker);
        return NULL;
}
