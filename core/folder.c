/* SPDX-License-Identifier: MIT */
/*
 * The way down to a path. Each step is one openat2(2) that refuses every link, from a descriptor that the
 * step before opened, so that nobody can lead us elsewhere by swapping a folder for a link while we walk, and
 * so that no path is too long. Where the caller wants to know whether the world may enter, the steps are
 * single components and each is stat'ed; otherwise a step is as much of the path as the kernel takes.
 *
 * Owns nothing that outlives a call. Knows nothing of what is at the end of the path.
 */
#include "core/folder.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "core/escape.h"
#include "core/snapshot.h"

static int
open_again(int folder_fd, const char *name, int flags)
{
        int fd;
        do
                fd = openat(folder_fd, name, flags | O_NOFOLLOW | O_CLOEXEC);
        while (fd < 0 && errno == EINTR);
        return fd < 0 ? -errno : fd;
}

/* Says of a component that is no folder whether it is a link, as openat2(2) would. */
static int
no_folder(int folder_fd, const char *name, int error)
{
        struct statx stx;
        bool link = error == -ENOTDIR && entry_stat(folder_fd, name, &stx) == 0 && S_ISLNK(stx.stx_mode);
        return link ? -ELOOP : error;
}

/*
 * Where there is no openat2(2) (a filter of system calls, a debugger's kernel): one component at a time with
 * O_NOFOLLOW, which refuses the same.
 */
static int
open_by_steps(int folder_fd, const char *name, int flags)
{
        _cleanup_fd_ int held = -1;
        char step[PATH_MAX];
        int fd = folder_fd;
        for (const char *slash; (slash = strchr(name, '/'));) {
                size_t size = (size_t)(slash - name);
                if (size >= sizeof step)
                        return -ENAMETOOLONG;
                memcpy(step, name, size);
                step[size] = '\0';
                int next = open_again(fd, step, O_PATH | O_DIRECTORY);
                if (next < 0)
                        return no_folder(fd, step, next);
                fd_close(held);
                fd = held = next;
                name = slash + 1;
        }
        int last = open_again(fd, *name ? name : ".", flags);
        return last < 0 ? no_folder(fd, name, last) : last;
}

int
entry_open(int folder_fd, const char *name, int flags)
{
        struct open_how how = {
                .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
                .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };
        for (;;) {
                long fd = syscall(SYS_openat2, folder_fd, name, &how, sizeof how);
                if (fd >= 0)
                        return (int)fd;
                if (errno == ENOSYS)
                        return open_by_steps(folder_fd, name, flags);
                if (errno != EINTR)
                        return -errno;
        }
}

/*
 * A path below a root, its links followed by ourselves. What is behind is kept as a path without links, so
 * that ".." takes back its last component, and is opened anew at each step, by which a component that is
 * swapped for a link meanwhile is refused. What is ahead ends where its room ends, so that a link's target
 * is written before it.
 */
struct way {
        char behind[PATH_MAX], room[PATH_MAX];
        char *ahead;
        unsigned links;
};

#define LINKS_MAX 40u /* as in path_resolution(7) */

static void
way_go_up(struct way *way)
{
        char *slash = strrchr(way->behind, '/');
        *(slash ? slash : way->behind) = '\0';
}

/* Takes the next component from what is ahead; an empty one is no step. */
static int
way_step(struct way *way)
{
        size_t size = strcspn(way->ahead, "/"), behind = strlen(way->behind);
        size_t next = size + (way->ahead[size] == '/');
        bool up = size == 2 && memcmp(way->ahead, "..", 2) == 0, here = size == 1 && *way->ahead == '.';
        if (up) {
                way_go_up(way);
        } else if (size && !here) {
                if (behind + 1 + size >= sizeof way->behind)
                        return -ENAMETOOLONG;
                if (behind)
                        way->behind[behind++] = '/';
                memcpy(way->behind + behind, way->ahead, size);
                way->behind[behind + size] = '\0';
        }
        way->ahead += next;
        return 0;
}

/* Where what is behind ends in a link, its target takes its place, and lies ahead. */
static int
way_follow(struct way *way, int root_fd)
{
        char target[PATH_MAX];
        if (!*way->behind)
                return 0;
        _cleanup_fd_ int fd = open_by_steps(root_fd, way->behind, O_PATH);
        if (fd < 0)
                return fd;
        ssize_t got = readlinkat(fd, "", target, sizeof target);
        if (got < 0)
                return errno == EINVAL || errno == ENOENT ? 0 : -errno; /* it is no link */
        size_t size = (size_t)got;
        if (++way->links > LINKS_MAX)
                return -ELOOP;
        if (!size || size + 1 > (size_t)(way->ahead - way->room))
                return size ? -ENAMETOOLONG : -ENOENT;
        *--way->ahead = '/';
        way->ahead -= size;
        memcpy(way->ahead, target, size);
        if (*target == '/')
                *way->behind = '\0';
        else
                way_go_up(way);
        return 0;
}

static int
open_within_by_steps(int root_fd, const char *path, int flags)
{
        struct way way = {.links = 0};
        size_t size = strlen(path);
        if (size >= sizeof way.room)
                return -ENAMETOOLONG;
        way.ahead = way.room + sizeof way.room - size - 1;
        memcpy(way.ahead, path, size + 1);
        while (*way.ahead) {
                int r = way_step(&way);
                r = r < 0 ? r : way_follow(&way, root_fd);
                if (r < 0)
                        return r;
        }
        return open_by_steps(root_fd, way.behind, flags);
}

int
entry_open_within(int root_fd, const char *path, int flags)
{
        struct open_how how = {
                .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
        };
        for (;;) {
                long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof how);
                if (fd >= 0)
                        return (int)fd;
                if (errno == ENOSYS)
                        return open_within_by_steps(root_fd, path, flags);
                if (errno != EINTR && errno != EAGAIN) /* EAGAIN: something was renamed on the way */
                        return -errno;
        }
}

int
entry_open_folder(int folder_fd, const char *name)
{
        int flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK;
        int fd = entry_open(folder_fd, name, flags | O_NOATIME);
        return fd == -EPERM ? entry_open(folder_fd, name, flags)
                            : fd; /* O_NOATIME is for the owner and CAP_FOWNER */
}

static int
stat_with(int folder_fd, const char *name, int sync, struct statx *ret)
{
        int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | sync;
        return statx(folder_fd, name, flags, STATX_BASIC_STATS | STATX_MNT_ID, ret) < 0 ? -errno : 0;
}

int
entry_stat(int folder_fd, const char *name, struct statx *ret)
{
        return stat_with(folder_fd, name, AT_STATX_SYNC_AS_STAT, ret);
}

int
entry_stat_known(int folder_fd, const char *name, struct statx *ret)
{
        return stat_with(folder_fd, name, AT_STATX_DONT_SYNC, ret);
}

dev_t
statx_dev(const struct statx *stx)
{
        return makedev(stx->stx_dev_major, stx->stx_dev_minor);
}

bool
errno_is_gone(int error)
{
        return error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENAMETOOLONG;
}

bool
errno_is_ours(int error)
{
        return error == ENOMEM || error == EMFILE || error == ENFILE;
}

static bool
path_is_plain(const char *path)
{
        if (strcmp(path, "/") == 0)
                return true;
        if (path[0] != '/')
                return false;
        for (const char *p = path; *p;) {
                size_t size = strcspn(++p, "/");
                if (size == 0 || (size == 1 && p[0] == '.') || (size == 2 && p[0] == '.' && p[1] == '.'))
                        return false;
                p += size;
        }
        return true;
}

/* How much of the path one step takes: a component, or as many as fit. 0: not even one fits. */
static size_t
step_size(const char *path, size_t size, bool single)
{
        if (!single && size < PATH_MAX)
                return size;
        const char *slash = single ? memchr(path, '/', size) : memrchr(path, '/', PATH_MAX);
        size_t step = slash ? (size_t)(slash - path) : size;
        return step < PATH_MAX ? step : 0;
}

static int
world_update(int fd, bool *world)
{
        struct statx stx;
        if (!world || !*world)
                return 0;
        int r = entry_stat(fd, "", &stx);
        if (r == 0)
                *world = stx.stx_mode & S_IXOTH;
        return r;
}

/* Goes down `size` bytes of path (no slash leads them) from fd, which is consumed. */
static int
walk_down(int from_fd, const char *path, size_t size, bool *world)
{
        _cleanup_fd_ int fd = from_fd;
        char step[PATH_MAX];
        int r = world_update(fd, world);
        while (r == 0 && size) {
                size_t length = step_size(path, size, world != NULL);
                if (!length)
                        return -ENAMETOOLONG;
                memcpy(step, path, length);
                step[length] = '\0';
                int next = entry_open(fd, step, O_PATH | O_DIRECTORY);
                if (next < 0)
                        return next;
                fd_close(fd);
                fd = next;
                r = world_update(fd, world);
                length += length < size; /* the slash after it */
                path += length;
                size -= length;
        }
        return r < 0 ? r : steal_fd(&fd);
}

/* An image's folder is named by the caller and trusted: links in it are followed. */
static int
root_open(const char *root)
{
        int fd = open(root && *root ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int
folder_open_parent(const char *root, const char *path, const char **ret_name, bool *ret_world)
{
        bool world = true;
        if (!path_is_plain(path))
                return -EINVAL;
        int fd = root_open(root);
        if (fd < 0)
                return fd;
        const char *slash = strrchr(path, '/');
        size_t size = slash == path ? 0 : (size_t)(slash - path - 1);
        fd = walk_down(fd, path + 1, size, ret_world ? &world : NULL);
        if (fd < 0)
                return fd;
        *ret_name = slash[1] ? slash + 1 : ".";
        if (ret_world)
                *ret_world = world;
        return fd;
}

int
folder_reach(const char *root, const char *path)
{
        if (!path_is_plain(path))
                return -EINVAL;
        int fd = root_open(root);
        return fd < 0 ? fd : walk_down(fd, path + 1, strlen(path + 1), NULL);
}

static int
open_failed(int error, const char *path, struct err *err)
{
        _cleanup_free_ char *escaped = err ? escape_new(path, strlen(path)) : NULL;
        errno = error;
        err_set(err, -error, "cannot open the folder %.700s: %m", escaped ? escaped : "");
        if (error == EINVAL)
                err_hint(err, -error, "a path starts with / and has no empty, \".\" or \"..\" part");
        if (error == ELOOP)
                err_hint(err, -error, "a part of the path is a link; name the folder it leads to");
        return -error;
}

int
folder_open(const char *root, const char *path, bool *ret_world, struct err *err)
{
        const char *name;
        bool world = true;
        struct statx stx;
        _cleanup_fd_ int parent = folder_open_parent(root, path, &name, ret_world ? &world : NULL);
        if (parent < 0)
                return open_failed(-parent, path, err);
        _cleanup_fd_ int fd = entry_open_folder(parent, name);
        if (fd < 0)
                return open_failed(-fd, path, err);
        int r = ret_world ? entry_stat(fd, "", &stx) : 0;
        if (r < 0)
                return open_failed(-r, path, err);
        if (ret_world)
                *ret_world = world && stx.stx_mode & S_IXOTH;
        return steal_fd(&fd);
}
