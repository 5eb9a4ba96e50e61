/* SPDX-License-Identifier: MIT */
/*
 * Folders of a walk, and the few descriptors that they share. A folder's memory stays while something below
 * it needs its path; its descriptor only while someone will look names up in it. Where a tree is so deep that
 * too many folders wait, the descriptor of one that waits is closed ("shed"), and had again when the walk
 * comes back: through ".." of the folder below that has just been finished, which costs one call however deep
 * we are, or, failing that, by its path. Either way it must be the same inode.
 *
 * Owns struct scan_folder. Must not know what is done with a folder.
 *
 * Invariants: users ≤ refs; a pinned folder is not closed; nobody makes a system call but close(2) under the
 * lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/scan_internal.h"

struct scan_folder *
scan_folder_new(struct scan *scan, struct scan_folder *parent, const struct scan_start *start,
        const char *name, int fd, const struct statx *stx, bool world)
{
        size_t size = strlen(name);
        struct scan_folder *folder = calloc(1, sizeof *folder + size + 1);
        if (!folder)
                return NULL;
        memcpy(folder->name, name, size + 1);
        folder->parent = parent;
        folder->start = start;
        folder->refs = folder->users = folder->pins = 1;
        folder->fd = fd;
        folder->dev = statx_dev(stx);
        folder->ino = stx->stx_ino;
        folder->mount_id = stx->stx_mnt_id;
        folder->world = world && stx->stx_mode & S_IXOTH;
        if (parent)
                folder->path_size = parent->path_size + 1 + size;
        else
                folder->path_size = size == 1 ? 0 : size; /* "/" */
        pthread_mutex_lock(&scan->lock);
        folder->serial = ++scan->serials;
        scan->n_open++;
        if (parent)
                parent->refs++;
        pthread_mutex_unlock(&scan->lock);
        return folder;
}

void
scan_folder_path(const struct scan_folder *folder, char *path)
{
        for (; folder; folder = folder->parent) {
                size_t above = folder->parent ? folder->parent->path_size : 0;
                size_t size = folder->path_size - above;
                if (folder->parent) {
                        path[above] = '/';
                        memcpy(path + above + 1, folder->name, size - 1);
                } else {
                        memcpy(path, folder->name, size);
                }
        }
}

static bool
is_same(const struct scan_folder *folder, int fd)
{
        struct statx stx;
        return entry_stat(fd, "", &stx) == 0 && stx.stx_ino == folder->ino && statx_dev(&stx) == folder->dev;
}

/* ---- closing early, and opening again ---- */

/* By its path: slow where the path is long, but always possible. */
static int
reopen_by_path(struct scan *scan, const struct scan_folder *folder)
{
        _cleanup_free_ char *path = malloc(folder->path_size + 2);
        if (!path)
                return -ENOMEM;
        scan_folder_path(folder, path);
        bool top = !folder->path_size; /* kept as nothing */
        memcpy(path + folder->path_size, top ? "/" : "", top ? 2 : 1);
        int fd = folder_open(scan->options->root, path, NULL, NULL);
        if (fd < 0 || is_same(folder, fd))
                return fd;
        fd_close(fd);
        return -ESTALE;
}

/* Gives the folder a descriptor, unless another worker was faster. */
static void
install(struct scan *scan, struct scan_folder *folder, int fd)
{
        pthread_mutex_lock(&scan->lock);
        bool wanted = folder->fd < 0 && folder->users > 0;
        if (wanted) {
                folder->fd = fd;
                scan->n_open++;
        }
        pthread_mutex_unlock(&scan->lock);
        if (!wanted)
                fd_close(fd);
}

/* L: the nearest folder above that will be needed and is closed; *ret_levels up. It gets a use, so that it
 * stays. */
static struct scan_folder *
find_closed_above(const struct scan_folder *folder, unsigned *ret_levels)
{
        unsigned levels = 1;
        struct scan_folder *above = folder->parent;
        for (; above && !above->users && levels < SCAN_CLIMB_MAX; levels++)
                above = above->parent;
        if (!above || !above->users || above->fd >= 0)
                return NULL;
        above->users++;
        above->refs++;
        *ret_levels = levels;
        return above;
}

/* The way back up: from a folder just finished to one above that waits without a descriptor. */
static void
climb(struct scan *scan, int fd, struct scan_folder *above, unsigned levels)
{
        char up[3 * SCAN_CLIMB_MAX + 1];
        size_t size = 0;
        for (unsigned i = 0; i < levels; i++) {
                memcpy(up + size, "../", 3);
                size += 3;
        }
        up[size] = '\0';
        int above_fd = entry_open_folder(fd, up);
        if (above_fd >= 0 && is_same(above, above_fd))
                install(scan, above, above_fd);
        else if (above_fd >= 0)
                fd_close(above_fd);
}

void
scan_folders_shed(struct scan *scan)
{
        pthread_mutex_lock(&scan->lock);
        for (struct scan_folder *folder = scan->stack; folder; folder = folder->next) {
                if (folder->pins || folder->fd < 0)
                        continue;
                fd_close(folder->fd);
                folder->fd = -1;
                scan->n_open--;
                atomic_store(&scan->shed, true);
        }
        pthread_mutex_unlock(&scan->lock);
}

int
scan_folder_pin(struct scan *scan, struct scan_folder *folder)
{
        pthread_mutex_lock(&scan->lock);
        folder->pins++;
        bool closed = folder->fd < 0;
        pthread_mutex_unlock(&scan->lock);
        if (!closed)
                return 0;
        int fd = reopen_by_path(scan, folder);
        if (fd == -EMFILE || fd == -ENFILE) {
                scan_folders_shed(scan);
                fd = reopen_by_path(scan, folder);
        }
        if (fd >= 0) {
                install(scan, folder, fd);
                return 0;
        }
        pthread_mutex_lock(&scan->lock);
        folder->pins--;
        pthread_mutex_unlock(&scan->lock);
        return fd;
}

/* ---- the end ---- */

/* L: drops a reference, and with the last of a folder one of the folder above. Returns what is to be freed,
 * linked by next. */
static struct scan_folder *
unlink_unreferenced(struct scan_folder *folder)
{
        struct scan_folder *dead = NULL;
        while (folder && --folder->refs == 0) {
                struct scan_folder *parent = folder->parent;
                folder->next = dead;
                dead = folder;
                folder = parent;
        }
        return dead;
}

static void
free_all(struct scan_folder *dead)
{
        while (dead) {
                struct scan_folder *next = dead->next;
                buf_done(&dead->names);
                free(dead);
                dead = next;
        }
}

/* Ends one use; returns the folder above that got one while its descriptor was had back. */
static struct scan_folder *
leave_once(struct scan *scan, struct scan_folder *folder, unsigned how)
{
        int fd = -1;
        unsigned levels = 0;
        struct scan_folder *above = NULL;
        pthread_mutex_lock(&scan->lock);
        folder->pins -= how & SCAN_LEAVE_PINNED ? 1 : 0;
        bool used = --folder->users > 0;
        bool shed = used && how & SCAN_LEAVE_SHED && !folder->pins && scan->n_open > scan->open_max;
        if (folder->fd >= 0 && (!used || shed)) {
                fd = steal_fd(&folder->fd);
                scan->n_open--;
                if (shed)
                        atomic_store(&scan->shed, true);
                else if (atomic_load(&scan->shed))
                        above = find_closed_above(folder, &levels);
        }
        struct scan_folder *dead = unlink_unreferenced(folder);
        pthread_mutex_unlock(&scan->lock);
        if (above)
                climb(scan, fd, above, levels);
        fd_close(fd);
        free_all(dead);
        return above;
}

void
scan_folder_leave(struct scan *scan, struct scan_folder *folder, unsigned how)
{
        for (; folder; how = 0)
                folder = leave_once(scan, folder, how);
}
