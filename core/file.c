/* SPDX-License-Identifier: MIT */
/*
 * Our own small files. Reading opens once and works on the descriptor: what was checked is what is
 * read. Writing goes to a new file beside the old one, which is synced before it takes the old one's name,
 * and then the folder is synced; so at any instant the path holds the old bytes or the new ones, whole.
 *
 * A failed fsync is final for the call: the kernel may have dropped the pages, and a second fsync that
 * says yes would prove nothing. The new file is removed and the error goes up.
 */
#include "core/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "core/quote.h"

#define READ_STEP ((size_t)64 << 10) /* bytes */
#define TEMPORARY_PREFIX ".driftd-"  /* then 16 digits, lower case */
#define TEMPORARY_SUFFIX ".tmp"
#define TEMPORARY_TRIES 16u

static int
fail(struct err *err, const char *what, const char *path)
{
        int error = errno;
        return err_set(err, -error, "%s %s: %s", what, quote(path), strerror(error));
}

/* ---- reading ---- */

static int
open_regular(const char *path, unsigned flags, struct err *err)
{
        struct stat st;
        int nofollow = flags & FILE_FOLLOW ? 0 : O_NOFOLLOW;
        /* Not blocking: a FIFO put in the file's place must not hold us up before fstat can tell. */
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | nofollow);
        if (fd < 0) {
                int error = errno;
                fail(err, "cannot open", path);
                if (error == ELOOP && nofollow)
                        return err_hint(err, -error, "a link is not followed here: name the file itself");
                return -error;
        }
        if (fstat(fd, &st) < 0)
                return fail(err, "cannot look at", path);
        if (!S_ISREG(st.st_mode))
                return err_set(err, -EINVAL, "%s is not a regular file", quote(path));
        return steal_fd(&fd);
}

/* Whatever the size was at fstat: the file may grow while it is read, and files in /proc say 0. */
static int
read_all(int fd, const char *path, size_t size_max, struct buf *buf, struct err *err)
{
        size_t start = buf->size;
        for (;;) {
                if (buf_reserve(buf, READ_STEP) < 0)
                        return err_oom(err);
                ssize_t got = read(fd, buf->data + buf->size, READ_STEP);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return fail(err, "cannot read", path);
                buf->size += (size_t)got;
                buf->data[buf->size] = '\0';
                if (got == 0)
                        return 0;
                if (buf->size - start > size_max)
                        return err_set(err, -EFBIG, "%s is larger than the %zu bytes that are taken",
                                quote(path), size_max);
        }
}

int
file_read(const char *path, unsigned flags, size_t size_max, struct buf *ret, struct err *err)
{
        _cleanup_fd_ int fd = open_regular(path, flags, err);
        if (fd < 0)
                return fd;
        size_t before = ret->size;
        int r = read_all(fd, path, size_max, ret, err);
        if (r < 0 && ret->data) {
                ret->size = before;
                ret->data[before] = '\0';
        }
        return r;
}

/* ---- writing ---- */

/* A new file that has no name of its own yet: a temporary one in the folder of the path to come. */
struct draft {
        int folder_fd;
        int fd;
        const char *name;   /* last component of the path, borrowed */
        char temporary[40]; /* empty once it is gone */
};

static void
draft_done(struct draft *draft)
{
        if (*draft->temporary)
                unlinkat(draft->folder_fd, draft->temporary, 0);
        fd_close(draft->fd);
        fd_close(draft->folder_fd);
}

static int
draft_make_file(struct draft *draft)
{
        for (unsigned try = 0; try < TEMPORARY_TRIES; try++) {
                uint64_t random;
                if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
                        return -1;
                snprintf(draft->temporary, sizeof draft->temporary,
                        TEMPORARY_PREFIX "%016llx" TEMPORARY_SUFFIX, (unsigned long long)random);
                draft->fd = openat(draft->folder_fd, draft->temporary,
                        O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
                if (draft->fd >= 0)
                        return 0;
                *draft->temporary = '\0';
                if (errno != EEXIST)
                        return -1;
        }
        return -1;
}

/* Opens the folder of a path: descriptor or -errno. */
static int
folder_of(const char *path)
{
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *folder = NULL;
        if (slash == path)
                folder = strdup("/");
        else
                folder = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
        if (!folder)
                return -ENOMEM;
        int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int
draft_start(struct draft *draft, const char *path, struct err *err)
{
        const char *slash = strrchr(path, '/');
        draft->name = slash ? slash + 1 : path;
        if (!*draft->name)
                return err_set(err, -EISDIR, "%s is the name of a folder", quote(path));
        draft->folder_fd = folder_of(path);
        if (draft->folder_fd < 0) {
                errno = -draft->folder_fd;
                return fail(err, "cannot open the folder of", path);
        }
        return draft_make_file(draft) < 0 ? fail(err, "cannot make a file beside", path) : 0;
}

static int
write_all(int fd, const struct iovec *piece)
{
        const char *data = piece->iov_base;
        size_t size = piece->iov_len;
        while (size) {
                ssize_t put = write(fd, data, size);
                if (put < 0 && errno == EINTR)
                        continue;
                if (put < 0)
                        return -1;
                data += put;
                size -= (size_t)put;
        }
        return 0;
}

/* RENAME_NOREPLACE, or where the file system does not know it a second link, which is as atomic. */
static int
draft_name_new(struct draft *draft)
{
        if (renameat2(draft->folder_fd, draft->temporary, draft->folder_fd, draft->name, RENAME_NOREPLACE) ==
                0) {
                *draft->temporary = '\0';
                return 0;
        }
        if (errno != EINVAL && errno != ENOSYS)
                return -1;
        return linkat(draft->folder_fd, draft->temporary, draft->folder_fd, draft->name, 0);
}

static int
draft_name_over(struct draft *draft)
{
        if (renameat(draft->folder_fd, draft->temporary, draft->folder_fd, draft->name) < 0)
                return -1;
        *draft->temporary = '\0';
        return 0;
}

/* Its bytes, durably. */
static int
draft_write(struct draft *draft, const char *path, mode_t mode, const struct iovec *pieces, size_t n,
        struct err *err)
{
        int r = draft_start(draft, path, err);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                if (write_all(draft->fd, &pieces[i]) < 0)
                        return fail(err, "cannot write", path);
        /* fchmod, because the umask must not decide who can read it. */
        if (fchmod(draft->fd, mode) < 0 || fsync(draft->fd) < 0)
                return fail(err, "cannot write", path);
        return 0;
}

static int
draft_name(struct draft *draft, const char *path, int (*name)(struct draft *draft), struct err *err)
{
        if (name(draft) < 0)
                return fail(err, "cannot write", path);
        if (fsync(draft->folder_fd) < 0)
                return fail(err, "written, but perhaps not durable:", path);
        return 0;
}

static int
write_as(const char *path, mode_t mode, const struct iovec *pieces, size_t n,
        int (*name)(struct draft *draft), struct err *err)
{
        _cleanup_(draft_done) struct draft draft = {.folder_fd = -1, .fd = -1};
        int r = draft_write(&draft, path, mode, pieces, n, err);
        return r < 0 ? r : draft_name(&draft, path, name, err);
}

int
file_write(const char *path, mode_t mode, const void *data, size_t size, struct err *err)
{
        struct iovec piece = {(void *)(uintptr_t)data, size};
        return write_as(path, mode, &piece, 1, draft_name_over, err);
}

int
file_write_pieces(const char *path, mode_t mode, const struct iovec *pieces, size_t n, struct err *err)
{
        return write_as(path, mode, pieces, n, draft_name_over, err);
}

struct file_draft {
        struct draft draft;
        char *path;
};

int
file_draft_write(const char *path, mode_t mode, const struct iovec *pieces, size_t n, struct file_draft **ret,
        struct err *err)
{
        _cleanup_(file_draft_freep) struct file_draft *draft = calloc(1, sizeof *draft);
        if (!draft)
                return err_oom(err);
        draft->draft.folder_fd = draft->draft.fd = -1;
        draft->path = strdup(path);
        if (!draft->path)
                return err_oom(err);
        int r = draft_write(&draft->draft, draft->path, mode, pieces, n, err);
        if (r == 0)
                *ret = steal_pointer(&draft);
        return r;
}

int
file_draft_name(struct file_draft *draft, struct err *err)
{
        return draft_name(&draft->draft, draft->path, draft_name_over, err);
}

struct file_draft *
file_draft_free(struct file_draft *draft)
{
        if (!draft)
                return NULL;
        draft_done(&draft->draft);
        free(draft->path);
        free(draft);
        return NULL;
}

static bool
is_temporary(const char *name)
{
        static const size_t prefix = sizeof TEMPORARY_PREFIX - 1;
        return strncmp(name, TEMPORARY_PREFIX, prefix) == 0 &&
               strspn(name + prefix, "0123456789abcdef") == 16 &&
               strcmp(name + prefix + 16, TEMPORARY_SUFFIX) == 0;
}

static bool
draft_drop(int folder_fd, const char *name)
{
        struct stat st;
        return is_temporary(name) && fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
               S_ISREG(st.st_mode) && st.st_uid == geteuid() && unlinkat(folder_fd, name, 0) == 0;
}

int
file_drafts_drop(const char *folder)
{
        _cleanup_fd_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        int count = 0;
        if (!dir)
                return -errno;
        steal_fd(&fd);
        for (const struct dirent *entry; count < FILE_DRAFTS_DROPPED_MAX && (entry = readdir(dir));)
                count += draft_drop(dirfd(dir), entry->d_name);
        closedir(dir);
        return count;
}

int
file_create(const char *path, mode_t mode, const void *data, size_t size, struct err *err)
{
        struct iovec piece = {(void *)(uintptr_t)data, size};
        return write_as(path, mode, &piece, 1, draft_name_new, err);
}

/* ---- folders ---- */

int
folder_sync_of(const char *path, struct err *err)
{
        _cleanup_fd_ int folder = folder_of(path);
        if (folder < 0)
                errno = -folder;
        if (folder < 0 || fsync(folder) < 0)
                return fail(err, "done, but perhaps not durable:", path);
        return 0;
}

/* Makes one folder whose parent exists. One that is there already is left as it is. */
static int
folder_make(const char *path, mode_t mode, struct err *err)
{
        struct stat st;
        if (mkdir(path, mode & 0700) < 0) {
                if (errno != EEXIST)
                        return fail(err, "cannot make the folder", path);
                if (stat(path, &st) < 0)
                        return fail(err, "cannot look at", path);
                if (!S_ISDIR(st.st_mode))
                        return err_set(err, -ENOTDIR, "%s is there and is not a folder", quote(path));
                return 0;
        }
        if (chmod(path, mode) < 0)
                return fail(err, "cannot set the mode of", path);
        _cleanup_fd_ int parent = folder_of(path);
        if (parent >= 0 && fsync(parent) < 0)
                return fail(err, "made, but perhaps not durable:", path);
        return 0;
}

int
folder_create(const char *path, mode_t mode, struct err *err)
{
        _cleanup_free_ char *copy = strdup(path);
        if (!copy)
                return err_oom(err);
        for (size_t end = strlen(copy); end > 1 && copy[end - 1] == '/'; end--)
                copy[end - 1] = '\0';
        for (char *slash = copy + (*copy == '/'); (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                int r = folder_make(copy, mode, err);
                if (r < 0)
                        return r;
                *slash = '/';
        }
        return folder_make(copy, mode, err);
}
