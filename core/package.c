/* SPDX-License-Identifier: MIT */
/*
 * A root with dpkg in it: whether something new was done, and whether whoever did it is done. That is told by
 * two things that dpkg itself lives by: its log only grows, and its locks (and apt's, held over all runs of
 * dpkg that belong together) are held by fcntl(2) as long as it works. Asking for a lock takes none, and
 * closing the file gives none up, for this process never holds one.
 *
 * Owns what is remembered between two questions. Every file is opened within the root, whatever links say.
 */
#include "core/package_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/folder.h"

#define STILL_MS 5000 /* a log that has not moved for so long, where the locks cannot be asked */
#define READ_STEP ((size_t)64 << 10)

struct package_root *
package_root_new(const char *root)
{
        _cleanup_(package_root_freep) struct package_root *new = calloc(1, sizeof *new);
        if (!new)
                return NULL;
        new->root = strdup(root);
        new->prefix = realpath(root, NULL);
        if (!new->prefix)
                new->prefix = strdup(root);
        if (!new->root || !new->prefix)
                return NULL;
        if (strcmp(new->prefix, "/") == 0)
                new->prefix[0] = '\0';
        return steal_pointer(&new);
}

struct package_root *
package_root_free(struct package_root *root)
{
        if (!root)
                return NULL;
        for (size_t i = 0; i < root->n_transactions; i++)
                transaction_done(&root->transactions[i]);
        free(root->transactions);
        owners_done(&root->owners);
        free(root->root);
        free(root->prefix);
        free(root);
        return NULL;
}

void
package_mark_format(const struct package_root *root, char ret[static PACKAGE_MARK_MAX])
{
        snprintf(ret, PACKAGE_MARK_MAX, "%" PRIu64 " %" PRIu64 " %" PRId64, root->log_inode, root->log_size,
                root->mark_ms);
}

/* A number and what follows it; leaves *at behind both. */
static bool
take_number(const char **at, char follows, uint64_t *ret)
{
        char *end;
        if (**at < '0' || **at > '9')
                return false;
        errno = 0;
        *ret = strtoull(*at, &end, 10);
        if (errno || *end != follows)
                return false;
        *at = end + (follows != '\0');
        return true;
}

void
package_mark_parse(struct package_root *root, const char *text)
{
        uint64_t inode, size, time_ms;
        if (!take_number(&text, ' ', &inode) || !take_number(&text, ' ', &size) ||
                !take_number(&text, '\0', &time_ms) || time_ms > (uint64_t)clock_now_ms())
                return;
        root->log_inode = inode;
        root->log_size = size;
        root->mark_ms = (int64_t)time_ms;
}

/* ---- files below the root ---- */

int
root_open(const struct package_root *root)
{
        int fd = open(root->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int
read_from(int fd, off_t at, size_t size_max, struct buf *ret)
{
        for (size_t total = 0; total < size_max;) {
                if (buf_reserve(ret, READ_STEP) < 0)
                        return -ENOMEM;
                ssize_t got = pread(fd, ret->data + ret->size, min_size(READ_STEP, size_max - total), at);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return -errno;
                ret->size += (size_t)got;
                ret->data[ret->size] = '\0';
                total += (size_t)got;
                at += got;
                if (got == 0)
                        break;
        }
        return 0;
}

int
root_read(int root_fd, const char *path, uint64_t from, size_t size_max, struct buf *ret)
{
        struct stat stat;
        _cleanup_fd_ int fd = entry_open_within(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return fd;
        if (fstat(fd, &stat) < 0)
                return -errno;
        if (!S_ISREG(stat.st_mode))
                return -EINVAL;
        uint64_t size = (uint64_t)stat.st_size;
        if (size > from && size - from > size_max)
                from = size - size_max;
        return read_from(fd, (off_t)from, size_max, ret);
}

/* ---- what goes on ---- */

int
root_log_stat(int root_fd, const char *path, struct stat *ret)
{
        _cleanup_fd_ int fd = entry_open_within(root_fd, path, O_PATH);
        if (fd < 0)
                return fd;
        return fstat(fd, ret) < 0 ? -errno : S_ISREG(ret->st_mode) ? 0 : -EINVAL;
}

static int
log_find(int root_fd, struct stat *ret)
{
        return root_log_stat(root_fd, "var/log/dpkg.log", ret);
}

bool
root_log_is(int root_fd, uint64_t inode, uint64_t size)
{
        struct stat stat;
        return log_find(root_fd, &stat) == 0 && stat.st_ino == inode && (uint64_t)stat.st_size == size;
}

/* 1: held, 0: free (or never made), < 0: nobody may ask. */
static int
lock_is_held(int root_fd, const char *path)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        _cleanup_fd_ int fd = entry_open_within(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return errno_is_gone(-fd) ? 0 : fd;
        return fcntl(fd, F_GETLK, &lock) < 0 ? -errno : lock.l_type != F_UNLCK;
}

bool
root_is_busy(struct package_root *root, int root_fd)
{
        struct stat stat = {0};
        int64_t now_ms = clock_now_ms();
        int frontend = lock_is_held(root_fd, "var/lib/dpkg/lock-frontend");
        int own = lock_is_held(root_fd, "var/lib/dpkg/lock");
        if (frontend < 0 || own < 0)
                return log_find(root_fd, &stat) == 0 &&
                       now_ms - (stat.st_mtim.tv_sec * INT64_C(1000) + stat.st_mtim.tv_nsec / 1000000) <
                               STILL_MS;
        bool held = frontend > 0 || own > 0;
        bool moved = log_find(root_fd, &stat) < 0 || (uint64_t)stat.st_size != root->busy_size;
        if (!held)
                root->busy_ms = 0;
        else if (!root->busy_ms || moved)
                root->busy_ms = now_ms;
        root->busy_size = (uint64_t)stat.st_size;
        return held && now_ms - root->busy_ms < PACKAGE_WAIT_MAX_MS;
}

void
package_mark_now(struct package_root *root)
{
        struct stat stat = {0}; /* no log: all that will be in it is new */
        _cleanup_fd_ int root_fd = root_open(root);
        if (root_fd >= 0 && log_find(root_fd, &stat) < 0)
                stat = (struct stat){0};
        root->log_inode = stat.st_ino;
        root->log_size = (uint64_t)stat.st_size;
        root->mark_ms = clock_now_ms();
}

static void
forget_old(struct package_root *root, int64_t now_ms)
{
        size_t old = 0;
        while (old < root->n_transactions && root->transactions[old].end_ms < now_ms - PACKAGE_KEEP_MS)
                transaction_done(&root->transactions[old++]);
        root->n_transactions -= old;
        if (old)
                memmove(root->transactions, root->transactions + old,
                        root->n_transactions * sizeof *root->transactions);
}

/* Whose files there are must be known before something takes them away. */
static int
learn_owners(struct package_root *root, int root_fd, const atomic_bool *cancel)
{
        struct paths paths = {0};
        if (root->owners_known)
                return 0;
        int r = paths_load(root_fd, &paths);
        r = r ? r : owners_load(root_fd, &paths, cancel, &root->owners);
        paths_done(&paths);
        root->owners_known = r == 0;
        return r;
}

int
package_look(struct package_root *root, const atomic_bool *cancel)
{
        struct stat stat;
        int64_t now_ms = clock_now_ms();
        _cleanup_fd_ int root_fd = root_open(root);
        if (root_fd < 0 || log_find(root_fd, &stat) < 0)
                return PACKAGE_ABSENT;
        forget_old(root, now_ms);
        if (stat.st_ino != root->log_inode || (uint64_t)stat.st_size != root->log_size)
                return root_is_busy(root, root_fd) ? PACKAGE_BUSY : 0;
        int r = learn_owners(root, root_fd, cancel);
        if (r == -ENOMEM || r == -ECANCELED)
                return r;
        root->mark_ms = now_ms;
        return r < 0 ? PACKAGE_ABSENT : PACKAGE_QUIET;
}

bool
package_remembers(const struct package_root *root, int64_t time_ms)
{
        return root->n_transactions && root->transactions[0].start_ms <= time_ms;
}
