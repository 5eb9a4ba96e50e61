/* SPDX-License-Identifier: MIT */
/*
 * What a worker does with a piece of work: goes into a folder, looks at a batch of names, or sets out from a
 * start.
 *
 * A folder is opened, announced, looked at through its own descriptor, and read to its end. Subfolders are
 * only noted; the folder goes on the stack with them, and any worker takes the last one from the folder on
 * top. So the walk goes deep first, its depth is in memory that folders own and not on the C stack, and what
 * waits is a handful of folders. Everything else is looked at in batches, which other workers may take, whole
 * or the half that is left.
 *
 * Owns nothing but the worker's buffers. Must not know what is judged: it hands over what it saw.
 *
 * Invariants: visit() never leads to visit() again; every name that is not left out by a rule ends in `seen`
 * or `problem`.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/scan_internal.h"

#define SHARE_AFTER_MS                                                                                       \
        1 /* a batch that takes longer than this is shared with those who have nothing to do                 \
           */
#define SHARE_SIZE                                                                                           \
        ((uint64_t)1 << 20) /* bytes: before a larger file is read, what is left of its batch goes to all */

#define HEAD_MIN                                                                                             \
        ((uint64_t)8 << 20) /* bytes of a file that one worker may be left with when all else is done */

/* ---- telling ---- */

static void
tell_problem_of(struct scan_worker *worker, const char *path, int error)
{
        const struct scan_options *options = worker->scan->options;
        if (options->calls.problem)
                options->calls.problem(options->userdata, path, error);
}

static void
tell_problem(struct scan_worker *worker, int error)
{
        tell_problem_of(worker, worker_path(worker), error);
}

static void
tell(struct scan_worker *worker, const char *path, const struct scan_start *start, int result,
        struct snapshot *snapshot)
{
        const struct scan_options *options = worker->scan->options;
        if (options->calls.seen && !options->folders_only)
                options->calls.seen(options->userdata, path, start->scope, result, snapshot);
        if (snapshot)
                snapshot_done(snapshot);
}

static void
tell_seen(struct scan_worker *worker, const struct scan_start *start, int result, struct snapshot *snapshot)
{
        tell(worker, worker_path(worker), start, result, snapshot);
}

/* What came of a look. */
static int
tell_look(struct scan_worker *worker, const char *path, const struct scan_start *start, int r,
        struct snapshot *snapshot)
{
        if (r == -EMFILE || r == -ENFILE)
                tell_problem_of(worker, path, -r);
        else if (r < 0)
                return scan_fail(worker->scan, r, "look at a file");
        else
                tell(worker, path, start, r, snapshot);
        return 0;
}

/* What can be told of a name whose stat failed. */
static void
tell_unknown(struct scan_worker *worker, const struct scan_start *start, int result, int error)
{
        struct snapshot snapshot = {.failed_errno = error, .taken_ms = clock_now_ms()};
        tell_seen(worker, start, result, &snapshot);
}

/* ---- looking at one thing ---- */

/* Asks the plan; SCAN_SKIP is told at once. */
static enum scan_look
ask_plan(struct scan_worker *worker, const struct scan_start *start, const struct statx *stx,
        struct snapshot_wish *ret)
{
        const struct scan_options *options = worker->scan->options;
        *ret = options->wish;
        if (ret->prefix == 0)
                ret->prefix = UINT64_MAX;
        ret->uncached = options->background;
        enum scan_look look = SCAN_READ;
        if (options->calls.plan)
                look = options->calls.plan(options->userdata, worker_path(worker), start->scope, stx, ret);
        ret->content = look == SCAN_READ;
        if (look == SCAN_SKIP)
                tell_seen(worker, start, 0, NULL);
        return look;
}

/* A mount that is not gone into: it is there, and what is below is not known. */
static int
tell_mount(struct scan_worker *worker, const struct scan_place *place, const struct scan_start *start,
        const struct statx *stx, int error)
{
        struct snapshot_wish wish;
        if (!worker->scan->options->folders_only && ask_plan(worker, start, stx, &wish) != SCAN_SKIP) {
                struct snapshot snapshot = {0};
                snapshot_from_stat(stx, place->world, &snapshot);
                tell_seen(worker, start, 0, &snapshot);
        }
        tell_problem(worker, error);
        return 0;
}

/* ---- files that are read side by side ---- */

static struct scan_later *
later_free(struct scan_worker *worker)
{
        struct scan_later *later = worker->later;
        if (snapshot_reader_is_full(worker->reader))
                return NULL;
        while (later->used)
                later++;
        return later;
}

static struct scan_later *
later_of(struct scan_worker *worker, const struct snapshot *snapshot)
{
        struct scan_later *later = worker->later;
        while (&later->snapshot != snapshot)
                later++;
        return later;
}

/* Its look is pending. When all lanes are in use one is made free, so that the next file finds one. */
static int
later_keep(struct scan_worker *worker, struct scan_later *later, const struct scan_start *start,
        const struct snapshot_wish *wish)
{
        const char *path = worker_path(worker);
        later->used = true;
        later->start = start;
        later->wish = *wish;
        buf_clear(&later->path);
        if (buf_append(&later->path, path, strlen(path) + 1) < 0)
                return scan_fail(worker->scan, -ENOMEM, "keep a path");
        int r = 0;
        while (r == 0 && snapshot_reader_is_full(worker->reader))
                r = scan_settle_some(worker);
        return r;
}

/* Frees descriptors: of files that are being read, and of folders that wait. */
static int
worker_shed(struct scan_worker *worker)
{
        int r = scan_settle(worker);
        scan_folders_shed(worker->scan);
        return r;
}

/* What moved while it was pending. Nothing that is pending still waits for it. */
static int
look_anew(struct scan_worker *worker, const struct scan_later *later, struct snapshot *ret)
{
        const char *root = worker->scan->options->root, *path = later->path.data;
        int r = scan_settle(worker);
        r = r ? r : snapshot_look_path(worker->reader, root, path, &later->wish, ret);
        if (r != -EMFILE && r != -ENFILE)
                return r;
        scan_folders_shed(worker->scan);
        return snapshot_look_path(worker->reader, root, path, &later->wish, ret);
}

int
scan_settle_some(struct scan_worker *worker)
{
        int r;
        struct snapshot *snapshot = snapshot_next(worker->reader, &r);
        if (!snapshot)
                return 0;
        struct scan_later *later = later_of(worker, snapshot);
        if (r == SNAPSHOT_MOVED)
                r = look_anew(worker, later, snapshot);
        later->used = false;
        return tell_look(worker, later->path.data, later->start, r, snapshot);
}

int
scan_settle(struct scan_worker *worker)
{
        int r = 0;
        while (r == 0 && snapshot_reader_pending(worker->reader))
                r = scan_is_stopped(worker->scan) ? -ECANCELED : scan_settle_some(worker);
        return r;
}

/*
 * How much of a file a worker hashes by itself before it gets a lane: in a lane it comes as far as any, and
 * what is more than that would be left when all else is done.
 */
static uint64_t
head_of(const struct scan *scan, uint64_t size)
{
        uint64_t share = scan->options->bytes / scan->lanes / scan->wanted;
        return share && size > share && size - share >= HEAD_MIN ? size - share : 0;
}

static void share_rest(struct scan_worker *worker, unsigned keep);

/* A lane for the file, or NULL: it is read to its end. Nothing that was begun waits while a worker is at one
 * file alone, nor do others wait for what is left of the batch, if the file is large. */
static int
choose_lane(struct scan_worker *worker, const struct scan_place *place, const struct statx *stx,
        const struct snapshot_wish *wish, struct scan_later **ret, uint64_t *ret_head)
{
        struct scan *scan = worker->scan;
        bool reads = wish->content && S_ISREG(stx->stx_mode), large = reads && stx->stx_size >= SHARE_SIZE;
        bool foreign = place->foreign || (scan_place_crosses(place, stx) && scan_is_foreign(stx));
        bool alone = !scan->lanes || !reads || wish->md5er || foreign;
        if (large)
                share_rest(worker, 0);
        *ret = alone ? NULL : later_free(worker);
        *ret_head = *ret ? head_of(scan, stx->stx_size) : 0;
        bool waits = *ret ? *ret_head > 0 : large || foreign;
        return waits ? scan_settle(worker) : 0;
}

/* Takes a snapshot as planned. held: the thing itself; its fd may be -1, where only its stat is known. */
static int
look(struct scan_worker *worker, const struct scan_place *place, const char *name,
        const struct scan_start *start, const struct snapshot_held *held)
{
        struct snapshot_wish wish;
        struct snapshot own = {0};
        struct scan_later *later;
        uint64_t head;
        if (worker->scan->options->folders_only)
                return 0;
        worker->opens_first = ask_plan(worker, start, &held->stx, &wish) != SCAN_SKIP;
        if (!worker->opens_first)
                return 0;
        int r = choose_lane(worker, place, &held->stx, &wish, &later, &head);
        if (r < 0)
                return r;
        if (held->fd < 0)
                held = NULL;
        struct snapshot *snapshot = later ? &later->snapshot : &own;
        r = later ? snapshot_begin(worker->reader, place->fd, name, held, place->world, &wish, head, snapshot)
                  : snapshot_look(worker->reader, place->fd, name, held, place->world, &wish, snapshot);
        if (r == SNAPSHOT_PENDING)
                return later_keep(worker, later, start, &wish);
        if (r == -EMFILE || r == -ENFILE) {
                if ((r = worker_shed(worker)) < 0)
                        return r;
                r = snapshot_look(worker->reader, place->fd, name, held, place->world, &wish, snapshot);
        }
        return tell_look(worker, worker_path(worker), start, r, snapshot);
}

static int
visit_file(struct scan_worker *worker, const struct scan_place *place, const char *name,
        const struct scan_start *start, const struct snapshot_held *held)
{
        int r = scan_mount_check(place, start->scope, &held->stx);
        if (r < 0)
                return tell_mount(worker, place, start, &held->stx, -r);
        return look(worker, place, name, start, held);
}

/* ---- batches ---- */

static int visit(struct scan_worker *worker, const struct scan_place *place, const char *name,
        struct scan_folder *parent, const struct scan_start *start, bool go_in);

static struct scan_place
place_of(const struct scan_folder *folder)
{
        return (struct scan_place){
                .fd = folder->fd,
                .world = folder->world,
                .dev = folder->dev,
                .mount_id = folder->mount_id,
                .foreign = folder->foreign,
        };
}

static bool
others_are_idle(struct scan *scan)
{
        return atomic_load_explicit(&scan->n_idle, memory_order_relaxed) > 0 &&
               atomic_load_explicit(&scan->n_batches, memory_order_relaxed) == 0;
}

/* Hands what is left of the batch in work over, but for `keep` names; the list may be too full for it. */
static void
share_rest(struct scan_worker *worker, unsigned keep)
{
        struct scan_rest *rest = &worker->rest;
        if (rest->left <= keep)
                return;
        struct scan_batch *others = malloc(sizeof *others);
        if (!others)
                return;
        size_t offset = rest->offset;
        for (unsigned i = 0; i < keep; i++)
                offset += strlen(rest->batch->names + offset) + 1;
        others->count = rest->left - keep;
        others->size = rest->batch->size - offset;
        memcpy(others->names, rest->batch->names + offset, others->size);
        if (scan_offer(worker->scan, others, rest->folder))
                rest->left = keep;
        else
                free(others);
}

static int
batch_look(struct scan_worker *worker, struct scan_folder *folder, const struct scan_batch *batch)
{
        struct scan_place place = place_of(folder);
        struct scan_rest *rest = &worker->rest;
        int64_t started_ms = clock_monotonic_ms();
        int r = worker_at(worker, folder);
        *rest = (struct scan_rest){.batch = batch, .folder = folder, .left = batch->count};
        while (rest->left && r == 0) {
                if (scan_is_stopped(worker->scan))
                        return -ECANCELED;
                if (rest->left > 1 && others_are_idle(worker->scan) &&
                        clock_monotonic_ms() - started_ms >= SHARE_AFTER_MS)
                        share_rest(worker, (rest->left + 1) / 2);
                const char *name = batch->names + rest->offset;
                size_t size = strlen(name);
                rest->offset += size + 1;
                rest->left--;
                r = worker_at_name(worker, name, size);
                r = r ? r : visit(worker, &place, name, folder, folder->start, false);
                if (worker->pacer.pace)
                        (void)pacer_pay(&worker->pacer, 0); /* a cancel is seen above */
        }
        rest->left = 0;
        return r;
}

/* Empties the worker's batch: into the list, or, where that is full or at the end of the folder, by doing it.
 */
static int
batch_flush(struct scan_worker *worker, struct scan_folder *folder, bool last)
{
        struct scan_batch *batch = worker->batch;
        if (!batch || !batch->count)
                return 0;
        if (!last && scan_offer(worker->scan, batch, folder)) {
                worker->batch = NULL;
                return 0;
        }
        int r = batch_look(worker, folder, batch);
        batch->count = 0;
        batch->size = 0;
        return r;
}

static int
batch_add(struct scan_worker *worker, struct scan_folder *folder, const char *name, size_t size)
{
        struct scan_batch *batch = worker->batch;
        int r = 0;
        if (batch && (batch->count == SCAN_BATCH_NAMES || SCAN_BATCH_SIZE - batch->size <= size))
                r = batch_flush(worker, folder, false);
        if (r < 0)
                return r;
        if (!worker->batch) {
                worker->batch = malloc(sizeof *worker->batch);
                if (!worker->batch)
                        return scan_fail(worker->scan, -ENOMEM, "keep names");
                worker->batch->count = 0;
                worker->batch->size = 0;
        }
        batch = worker->batch;
        memcpy(batch->names + batch->size, name, size + 1);
        batch->size += size + 1;
        batch->count++;
        return 0;
}

/* ---- folders ---- */

static bool
is_folder(const struct scan_folder *folder, const struct dirent64 *entry)
{
        struct statx stx;
        if (entry->d_type != DT_UNKNOWN)
                return entry->d_type == DT_DIR;
        return entry_stat_known(folder->fd, entry->d_name, &stx) == 0 && S_ISDIR(stx.stx_mode);
}

static int
take_entry(struct scan_worker *worker, struct scan_folder *folder, const struct dirent64 *entry)
{
        const char *name = entry->d_name;
        size_t size = strlen(name);
        if (name[0] == '.' && (size == 1 || (size == 2 && name[1] == '.')))
                return 0;
        int r = folder->may_exclude || folder->may_start ? worker_leaves_out(worker, folder, name, size) : 0;
        if (r != 0)
                return r < 0 ? r : 0;
        if (is_folder(folder, entry))
                return buf_append(&folder->names, name, size + 1) < 0
                               ? scan_fail(worker->scan, -ENOMEM, "keep names")
                               : 0;
        if (worker->scan->options->folders_only)
                return 0;
        if (size >= SCAN_BATCH_SIZE) { /* longer than any name that can be looked up */
                worker_back(worker);
                tell_problem(worker, ENAMETOOLONG);
                return 0;
        }
        return batch_add(worker, folder, name, size);
}

/* One getdents64(2). 1: there may be more. 0: the end. */
static int
read_some(struct scan_worker *worker, struct scan_folder *folder)
{
        ssize_t size = getdents64(folder->fd, worker->dirents, sizeof worker->dirents);
        if (size < 0 && errno != ENOENT) { /* ENOENT: it was removed while we read it */
                int error = errno;
                worker_back(worker);
                tell_problem(worker, error);
        }
        for (ssize_t at = 0; at < size;) {
                const void *raw = worker->dirents + at;
                const struct dirent64 *entry = raw;
                int r = take_entry(worker, folder, entry);
                if (r < 0)
                        return r;
                folder->position = entry->d_off;
                at += entry->d_reclen;
        }
        return size > 0;
}

/*
 * Reads a folder to its end, or until it has named as many subfolders as we keep of one. The last files are
 * looked at here, after the subfolders were put where others can take them.
 */
static int
read_folder(struct scan_worker *worker, struct scan_folder *folder, bool resume)
{
        int r = worker_at(worker, folder);
        folder->unread = false;
        if (r == 0 && resume && lseek(folder->fd, folder->position, SEEK_SET) < 0) {
                tell_problem(worker, errno);
                return 0;
        }
        int more = r ? r : 1;
        while (more > 0 && !folder->unread) {
                if (scan_is_stopped(worker->scan))
                        return -ECANCELED;
                more = read_some(worker, folder);
                folder->unread = more > 0 && folder->names.size >= SCAN_NAMES_SIZE;
        }
        if (more < 0)
                return more;
        if (folder->names.size || folder->unread)
                scan_push(worker->scan, folder);
        return batch_flush(worker, folder, true);
}

static int
open_folder(struct scan_worker *worker, int folder_fd, const char *name)
{
        int fd = entry_open_folder(folder_fd, name);
        if (fd != -EMFILE && fd != -ENFILE)
                return fd;
        int r = worker_shed(worker);
        return r < 0 ? r : entry_open_folder(folder_fd, name);
}

static int
announce(struct scan_worker *worker, const struct scan_folder *folder, const struct statx *stx)
{
        struct scan *scan = worker->scan;
        const struct scan_options *options = scan->options;
        if (!options->calls.folder)
                return 0;
        pthread_mutex_lock(&scan->announce);
        int r = options->calls.folder(options->userdata, folder->fd, worker_path(worker), stx);
        pthread_mutex_unlock(&scan->announce);
        return r < 0 ? scan_fail(scan, r, "take note of a folder") : 0;
}

/* A folder that is open and known: announce, look, read. What counts is its stat after it was announced. */
static int
walk_folder(struct scan_worker *worker, const struct scan_place *place, struct scan_folder *folder,
        struct statx *stx)
{
        struct snapshot_held held = {.fd = folder->fd, .readable = true};
        int r = worker_at(worker, folder);
        r = r ? r : worker_narrow(worker, folder);
        r = r ? r : announce(worker, folder, stx);
        if (r < 0)
                return r;
        held.taken_ms = clock_now_ms();
        held.stx = *stx;
        r = entry_stat(folder->fd, "", &held.stx);
        if (r < 0)
                tell_problem(worker, -r);
        r = look(worker, place, ".", folder->start, &held);
        return r ? r : read_folder(worker, folder, false);
}

/* It could not be opened: what is known of it is told, and that what is below is not. */
static int
folder_refused(struct scan_worker *worker, const struct scan_place *place, const char *name,
        const struct scan_start *start, const struct statx *stx, int error)
{
        struct snapshot_held held = {.fd = -1, .stx = *stx};
        if (error == ENOMEM)
                return scan_fail(worker->scan, -ENOMEM, "open a folder");
        if (!errno_is_gone(error))
                tell_problem(worker, error);
        return errno_is_ours(error) ? 0 : look(worker, place, name, start, &held);
}

static int
visit_folder(struct scan_worker *worker, const struct scan_place *place, const char *name,
        struct scan_folder *parent, const struct scan_start *start, struct statx *stx)
{
        struct scan *scan = worker->scan;
        int r = scan_mount_check(place, start->scope, stx);
        if (r < 0)
                return tell_mount(worker, place, start, stx, -r);
        if (scan_place_crosses(place, stx) && (r = scan_settle(worker)) < 0)
                return r; /* what is mounted may keep us waiting, and none of these shall */
        _cleanup_fd_ int fd = open_folder(worker, place->fd, name);
        r = fd < 0 ? fd : entry_stat(fd, "", stx);
        if (r < 0)
                return folder_refused(worker, place, name, start, stx, -r);
        struct scan_folder *folder =
                scan_folder_new(scan, parent, start, parent ? name : start->path, fd, stx, place->world);
        if (!folder)
                return scan_fail(scan, -ENOMEM, "keep a folder");
        folder->foreign = scan_place_crosses(place, stx) ? scan_is_foreign(stx) : place->foreign;
        (void)steal_fd(&fd);
        r = walk_folder(worker, place, folder, stx);
        scan_folder_leave(scan, folder, SCAN_LEAVE_PINNED);
        return r;
}

/* ---- pieces of work ---- */

/*
 * The stat of a name: alone, or, where the thing will most likely be read, by opening it with O_PATH, which
 * is then good for the snapshot too. The descriptor is in held->fd, or -1. Something may be mounted there
 * that never answers: until the mount rules have let us in, only what the kernel knows is asked for.
 */
static int
visit_stat(const struct scan_worker *worker, const struct scan_place *place, const char *name, bool open_it,
        struct snapshot_held *held)
{
        held->fd = -1;
        held->readable = false;
        if (worker->opens_first && open_it) {
                held->taken_ms = clock_now_ms();
                held->fd = entry_open(place->fd, name, O_PATH | O_NOFOLLOW);
        }
        int at_fd = held->fd < 0 ? place->fd : held->fd;
        const char *at_name = held->fd < 0 ? name : "";
        return place->foreign ? entry_stat(at_fd, at_name, &held->stx)
                              : entry_stat_known(at_fd, at_name, &held->stx);
}

/* What can be told where there is no stat. */
static int
visit_failed(struct scan_worker *worker, const struct scan_place *place, const struct scan_start *start,
        bool go_in, int error)
{
        bool gone = errno_is_gone(error);
        if (error == ENOMEM)
                return scan_fail(worker->scan, -ENOMEM, "look at a file");
        if (place->named && gone) {
                tell_problem(worker, ENOENT);
                return 0;
        }
        tell_unknown(worker, start, gone ? SNAPSHOT_GONE : SNAPSHOT_UNREADABLE, error);
        if (go_in && !gone)
                tell_problem(worker, error);
        return 0;
}

/* Looks at a name, the worker's path being set to it. go_in: a folder is walked (names in batches were none).
 */
static int
visit(struct scan_worker *worker, const struct scan_place *place, const char *name,
        struct scan_folder *parent, const struct scan_start *start, bool go_in)
{
        struct snapshot_held held;
        int r = visit_stat(worker, place, name, !go_in, &held);
        _cleanup_fd_ int fd = held.fd; /* so that each way out closes it */
        (void)fd;
        if (r < 0)
                return visit_failed(worker, place, start, go_in, -r);
        if (!S_ISDIR(held.stx.stx_mode))
                return visit_file(worker, place, name, start, &held);
        if (go_in)
                return visit_folder(worker, place, name, parent, start, &held.stx);
        tell_problem(worker, ESTALE); /* it was no folder when its name was read */
        return look(worker, place, name, start, &held);
}

static int
do_batch(struct scan_worker *worker, struct scan_batch *batch)
{
        struct scan_folder *folder = batch->folder;
        int pinned = scan_folder_pin(worker->scan, folder);
        int r = pinned == 0 ? batch_look(worker, folder, batch) : worker_at(worker, folder);
        if (pinned < 0 && r == 0)
                tell_problem(worker, -pinned);
        scan_folder_leave(worker->scan, folder, SCAN_LEAVE_SHED | (pinned == 0 ? SCAN_LEAVE_PINNED : 0));
        free(batch);
        return r;
}

static int
do_folder(struct scan_worker *worker, struct scan_folder *folder, bool resume)
{
        int r = scan_is_stopped(worker->scan) ? -ECANCELED : worker_at(worker, folder);
        int pinned = r ? r : scan_folder_pin(worker->scan, folder);
        if (pinned < 0 && r == 0)
                tell_problem(worker, -pinned);
        if (pinned == 0 && resume)
                r = read_folder(worker, folder, true);
        if (pinned == 0 && !resume) {
                struct scan_place place = place_of(folder);
                r = worker_at_name(worker, worker->name.data, worker->name.size);
                r = r ? r : visit(worker, &place, worker->name.data, folder, folder->start, true);
        }
        scan_folder_leave(worker->scan, folder, SCAN_LEAVE_SHED | (pinned == 0 ? SCAN_LEAVE_PINNED : 0));
        return r;
}

/* The way from the path that a scope names down to the start: does it lead over a mount that is not gone
 * into? */
static int
way_check(const struct scan *scan, const struct scan_start *start)
{
        char name[NAME_MAX + 1];
        struct statx stx;
        _cleanup_fd_ int fd = folder_reach(scan->options->root, start->named);
        int r = fd < 0 ? fd : entry_stat(fd, "", &stx);
        const char *rest = start->path + (strcmp(start->named, "/") == 0 ? 0 : strlen(start->named)) + 1;
        for (const char *slash; r == 0 && (slash = strchr(rest, '/')); rest = slash + 1) {
                struct scan_place place = {.fd = fd, .dev = statx_dev(&stx), .mount_id = stx.stx_mnt_id};
                size_t size = (size_t)(slash - rest);
                if (size > NAME_MAX)
                        return -ENAMETOOLONG;
                memcpy(name, rest, size);
                name[size] = '\0';
                r = entry_stat_known(fd, name, &stx);
                r = r ? r : scan_mount_check(&place, start->scope, &stx);
                int next = r ? r : entry_open(fd, name, O_PATH | O_DIRECTORY);
                if (next < 0)
                        return next;
                fd_close(fd);
                fd = next;
        }
        return r;
}

static int
do_start(struct scan_worker *worker, const struct scan_start *start)
{
        struct scan *scan = worker->scan;
        const char *name;
        struct statx stx;
        bool world;
        worker->path.size = worker->prefix_size = 0;
        worker->serial = worker->parent_serial = 0;
        if (!start->scope)
                return 0;
        if (buf_text(&worker->path, start->path) < 0)
                return scan_fail(scan, -ENOMEM, "keep a path");
        _cleanup_fd_ int fd = folder_open_parent(scan->options->root, start->path, &name, &world);
        int r = fd < 0 ? fd : entry_stat(fd, "", &stx);
        r = r == 0 && start->named ? way_check(scan, start) : r;
        if (r < 0 && start->named && errno_is_gone(-r)) {
                tell_unknown(worker, start, SNAPSHOT_GONE, -r);
                return 0;
        }
        if (r < 0) {
                tell_problem(worker, -r == ENOTDIR ? ENOENT : -r);
                return r == -ENOMEM ? scan_fail(scan, r, "open a folder") : 0;
        }
        struct scan_place place = {
                .fd = fd,
                .world = world,
                .named = !start->named,
                .foreign = scan_is_foreign(&stx),
                .dev = statx_dev(&stx),
                .mount_id = stx.stx_mnt_id,
        };
        return visit(worker, &place, name, NULL, start, true);
}

/* Whether it may lead to a file system that does not answer: to a scope's own path, or on into one. */
static bool
may_hang(const struct scan_work *work)
{
        const struct scan_folder *folder = work->batch ? work->batch->folder : work->folder;
        return folder ? folder->foreign : !work->start->named;
}

int
scan_work_do(struct scan_worker *worker, struct scan_work *work)
{
        if (may_hang(work))
                (void)scan_settle(
                        worker); /* nothing that is pending waits for it; a failure stops the scan */
        if (work->batch)
                return do_batch(worker, work->batch);
        if (work->folder)
                return do_folder(worker, work->folder, work->resume);
        return do_start(worker, work->start);
}
