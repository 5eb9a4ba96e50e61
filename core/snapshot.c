/* SPDX-License-Identifier: MIT */
/*
 * One look at one path. The name is opened once, with O_PATH, which opens nothing in the sense of a driver or
 * a pipe; what it is, is asked of that descriptor; and only if it is a regular file or a folder is the very
 * same inode opened for reading, through /proc/self/fd. So no race can make us open a FIFO, a device or what
 * a link points to. After the content is read the inode is stat'ed again: if it moved, all that was learnt is
 * thrown away and the name is looked up anew.
 *
 * Owns the reader's buffers. Must not know of scopes, baselines or the walk.
 *
 * Invariants: (1) `known` names only what comes from the attempt that held still; (2) our own database files
 * are never opened: closing any descriptor of one would drop SQLite's locks (O_PATH descriptors do not); (3)
 * what could not be read is left out of `known`, and failed_errno says why.
 */
#include "core/snapshot.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/folder.h"
#include "core/page_cache.h"
#include "core/snapshot_reader.h"

#define CHUNK_SIZE                                                                                           \
        ((size_t)128 << 10) /* bytes of one read: fits the second-level cache beside the digest's state */
#define PSEUDO_SIZE_MAX                                                                                      \
        ((uint64_t)64 << 20) /* bytes past its stat's size that a file (of proc, say) may give */
#define SMALL_SIZE                                                                                           \
        ((size_t)8 << 10)     /* bytes: a file smaller than this may be hashed later, beside others          \
                               */
#define TORN_MS 1000          /* content that was written no longer ago is read twice */
#define ATTEMPT_AGAIN (-1000) /* internal: it moved under our eyes; no errno is this large */

static_assert(CHUNK_SIZE >= SNAPSHOT_BODY_MAX && CHUNK_SIZE >= XATTR_SIZE_MAX && CHUNK_SIZE > PATH_MAX,
        "bodies, extended attributes and link targets are read into one chunk");

/* Contents that were read and are not hashed yet. */
struct deferred {
        struct digest_message messages[DIGEST_LANES_MAX];
        unsigned n;
        size_t used;  /* bytes of theirs */
        bool reading; /* the look that runs has put its content behind them: `size` bytes */
        size_t size;
        char bytes[DIGEST_LANES_MAX * SMALL_SIZE];
};

struct snapshot_reader {
        int proc_fd; /* /proc/self/fd, or -errno */
        struct digester *digester;
        int (*pace)(void *userdata, size_t bytes);
        void *pace_userdata;
        void (*hash)(void *userdata, struct digester *digester, const void *data, size_t size);
        void *hash_userdata;
        struct deferred *deferred; /* NULL: nothing is left for later */
        struct page_cache cache;   /* of the file that is read, if `uncached` is wished */
        char names[XATTR_LIST_MAX];
        char chunk[CHUNK_SIZE];
};

/* One try: what it opened and what it saw first. */
struct attempt {
        struct snapshot_reader *reader;
        const struct snapshot_wish *wish;
        struct snapshot *snapshot;
        struct statx before;
        int path_fd; /* O_PATH */
        int fd;      /* the same inode, open for reading; -1: not a file or folder, or not readable */
};

/* ---- the reader ---- */

/* -errno unless /proc is the kernel's own: its links are what the defence rests on. */
static int
proc_open(void)
{
        struct statfs fs;
        int fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC)
                return fd;
        fd_close(fd);
        return -ENOSYS;
}

struct snapshot_reader *
snapshot_reader_new(void)
{
        struct snapshot_reader *reader = malloc(sizeof *reader);
        if (!reader)
                return NULL;
        reader->proc_fd = proc_open();
        reader->pace = NULL;
        reader->hash = NULL;
        reader->deferred = NULL;
        reader->digester = digester_new();
        return reader->digester ? reader : snapshot_reader_free(reader);
}

struct snapshot_reader *
snapshot_reader_free(struct snapshot_reader *reader)
{
        if (!reader)
                return NULL;
        digester_free(reader->digester);
        fd_close(reader->proc_fd);
        free(reader->deferred);
        free(reader);
        return NULL;
}

void
snapshot_reader_pace(
        struct snapshot_reader *reader, int (*pace)(void *userdata, size_t bytes), void *userdata)
{
        reader->pace = pace;
        reader->pace_userdata = userdata;
}

void
snapshot_reader_hash(struct snapshot_reader *reader,
        void (*hash)(void *userdata, struct digester *digester, const void *data, size_t size),
        void *userdata)
{
        reader->hash = hash;
        reader->hash_userdata = userdata;
}

/* ---- the parts: each returns 0, ATTEMPT_AGAIN, or -errno that makes the part unknown (ENOMEM and ECANCELED:
 * all) ---- */

/* Opens the inode of path_fd again, for reading. Only ever called for regular files and folders. */
static int
reopen(const struct attempt *try, int flags)
{
        char number[16];
        if (try->reader->proc_fd < 0) /* perhaps there was no descriptor left */
                try->reader->proc_fd = proc_open();
        if (try->reader->proc_fd < 0)
                return try->reader->proc_fd;
        snprintf(number, sizeof number, "%d", try->path_fd);
        flags |= O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
        int fd = openat(try->reader->proc_fd, number, flags | O_NOATIME);
        if (fd < 0 && errno == EPERM) /* O_NOATIME is for the owner and CAP_FOWNER */
                fd = openat(try->reader->proc_fd, number, flags);
        return fd < 0 ? -errno : fd;
}

static bool
xattr_is_wanted(const char *name)
{
        return strncmp(name, "trusted.", 8) != 0; /* only some callers see it */
}

static int
xattr_errno(void)
{
        return errno == ENODATA || errno == ERANGE ? ATTEMPT_AGAIN
                                                   : -errno; /* taken away or grown since it was listed */
}

static int
compare_xattrs(const void *a, const void *b)
{
        return strcmp(((const struct xattr *)a)->name, ((const struct xattr *)b)->name);
}

static int
xattr_read(const struct attempt *try, const char *link, const char *name, struct xattr *ret)
{
        struct snapshot_reader *reader = try->reader;
        assert(ret);
        ssize_t size = try->fd >= 0 ? fgetxattr(try->fd, name, reader->chunk, XATTR_SIZE_MAX)
                                    : getxattr(link, name, reader->chunk, XATTR_SIZE_MAX);
        if (size < 0)
                return xattr_errno();
        ret->name = escape_new(name, strlen(name));
        if (!ret->name)
                return -ENOMEM;
        digester_start(reader->digester);
        digester_update(reader->digester, reader->chunk, (size_t)size);
        digester_final(reader->digester, &ret->digest);
        return 0;
}

static void
xattrs_drop(struct attributes *attributes)
{
        for (size_t i = 0; i < attributes->n_xattrs; i++)
                free(attributes->xattrs[i].name);
        free(attributes->xattrs);
        attributes->xattrs = NULL;
        attributes->n_xattrs = 0;
}

static int
xattrs_read_list(const struct attempt *try, const char *link, size_t list_size)
{
        struct attributes *attributes = &try->snapshot->attributes;
        const char *names = try->reader->names;
        size_t count = 0;
        for (size_t i = 0; i < list_size; i += strlen(names + i) + 1)
                count += xattr_is_wanted(names + i);
        if (count > XATTRS_MAX)
                return -E2BIG;
        attributes->xattrs = count ? calloc(count, sizeof *attributes->xattrs) : NULL;
        if (count && !attributes->xattrs)
                return -ENOMEM;
        int r = 0;
        for (size_t i = 0; i < list_size && r == 0; i += strlen(names + i) + 1) {
                if (!xattr_is_wanted(names + i))
                        continue;
                r = xattr_read(try, link, names + i, &attributes->xattrs[attributes->n_xattrs]);
                attributes->n_xattrs += r == 0;
        }
        if (r == 0 && count > 1)
                qsort(attributes->xattrs, count, sizeof *attributes->xattrs, compare_xattrs);
        return r;
}

/* The kernel bounds a list and a value at 64 KiB each, so that one buffer of that size holds any. */
static int
xattrs_look(const struct attempt *try)
{
        struct snapshot_reader *reader = try->reader;
        char link[64] = "";
        if (try->fd < 0)
                snprintf(link, sizeof link, "/proc/self/fd/%d", try->path_fd);
        ssize_t size = try->fd >= 0 ? flistxattr(try->fd, reader->names, sizeof reader->names)
                                    : listxattr(link, reader->names, sizeof reader->names);
        if (size < 0 && errno != ENOTSUP)
                return xattr_errno();
        int r = size > 0 ? xattrs_read_list(try, link, (size_t)size) : 0;
        if (r < 0)
                xattrs_drop(&try->snapshot->attributes);
        else
                try->snapshot->attributes.known |= ATTRIBUTE_BIT(ATTRIBUTE_XATTRS);
        return r;
}

static int
flags_look(const struct attempt *try)
{
        unsigned flags[2] = {0}; /* the kernel writes an int, while the request's number says long */
        if (try->fd < 0)
                return 0;
        if (ioctl(try->fd, FS_IOC_GETFLAGS, flags) < 0) {
                if (errno != ENOTTY && errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)
                        return -errno;
                flags[0] = 0; /* this file system has none */
        }
        try->snapshot->attributes.flags = attribute_flags_from_kernel(flags[0]);
        try->snapshot->attributes.known |= ATTRIBUTE_BIT(ATTRIBUTE_FLAGS);
        return 0;
}

static int
target_look(const struct attempt *try)
{
        struct snapshot_reader *reader = try->reader;
        if (!S_ISLNK(try->before.stx_mode))
                return 0;
        ssize_t size = readlinkat(try->path_fd, "", reader->chunk, sizeof reader->chunk);
        if (size < 0)
                return -errno;
        if ((size_t)size == sizeof reader->chunk)
                return -ENAMETOOLONG;
        char *target = escape_new(reader->chunk, (size_t)size);
        if (!target)
                return -ENOMEM;
        try->snapshot->attributes.target = target;
        try->snapshot->attributes.known |= ATTRIBUTE_BIT(ATTRIBUTE_TARGET);
        return 0;
}

static ssize_t
chunk_read(const struct attempt *try, char *data, size_t size)
{
        const struct snapshot_wish *wish = try->wish;
        struct snapshot_reader *reader = try->reader;
        if (wish->cancel && atomic_load_explicit(wish->cancel, memory_order_relaxed))
                return -ECANCELED;
        ssize_t n;
        do
                n = wish->uncached ? page_cache_read(&reader->cache, try->fd, data, size)
                                   : read(try->fd, data, size);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if (n > 0 && wish->bytes_read)
                atomic_fetch_add_explicit(wish->bytes_read, (unsigned long long)n, memory_order_relaxed);
        int r = n > 0 && reader->pace ? reader->pace(reader->pace_userdata, (size_t)n) : 0;
        return r < 0 ? r : n;
}

/* More came than the stat said. The file grows, perhaps faster than we read; or it is no real file and its
 * size says nothing. */
static int
past_end(const struct attempt *try, uint64_t total)
{
        struct statx now;
        int r = entry_stat(try->fd, "", &now);
        if (r == 0 && now.stx_size != try->before.stx_size)
                return ATTEMPT_AGAIN;
        return r == 0 && total - try->before.stx_size > PSEUDO_SIZE_MAX ? -EFBIG : r;
}

/* How many bytes are to be hashed: to the end, or wish.prefix of a growing file. */
static int
content_end(const struct attempt *try, uint64_t *ret_end)
{
        uint64_t size = try->before.stx_size, end = try->wish->prefix;
        if (end != UINT64_MAX && end > size)
                end = size; /* what a growing file gets after that is for the next look */
        if ((end < size ? end : size) > SNAPSHOT_CONTENT_MAX)
                return -EFBIG; /* a sparse file says any size, and would be hashed for hours */
        *ret_end = end;
        return 0;
}

static void
chunk_hash(struct snapshot_reader *reader, const char *chunk, size_t size)
{
        if (reader->hash)
                reader->hash(reader->hash_userdata, reader->digester, chunk, size);
        else
                digester_update(reader->digester, chunk, size);
}

/* From the start. With *keep what is read stays whole in the chunk, for as long as it fits. */
static int
content_hash(const struct attempt *try, uint64_t end, bool *keep, struct digest *ret, uint64_t *ret_total)
{
        struct snapshot_reader *reader = try->reader;
        uint64_t total = 0;
        digester_start(reader->digester);
        if (try->wish->md5er)
                md5er_start(try->wish->md5er);
        while (total < end) {
                size_t offset = *keep ? (size_t)total : 0, room = CHUNK_SIZE - offset;
                ssize_t n = chunk_read(
                        try, reader->chunk + offset, end - total < room ? (size_t)(end - total) : room);
                if (n < 0)
                        return (int)n;
                if (n == 0)
                        break;
                chunk_hash(reader, reader->chunk + offset, (size_t)n);
                if (try->wish->md5er)
                        md5er_update(try->wish->md5er, reader->chunk + offset, (size_t)n);
                total += (uint64_t)n;
                *keep = *keep && total <= SNAPSHOT_BODY_MAX;
                int r = total > try->before.stx_size ? past_end(try, total) : 0;
                if (r < 0)
                        return r;
        }
        digester_final(reader->digester, ret);
        if (try->wish->md5er)
                md5er_final(try->wish->md5er, try->snapshot->md5);
        *ret_total = total;
        return 0;
}

/* Whether the content can be read now and hashed later. */
static bool
may_defer(const struct attempt *try)
{
        const struct snapshot_wish *wish = try->wish;
        const struct deferred *deferred = try->reader->deferred;
        uint64_t size = try->before.stx_size;
        return deferred && deferred->n < DIGEST_LANES_MAX && size > 0 && size < SMALL_SIZE &&
               wish->prefix == UINT64_MAX && !wish->md5er;
}

/* 1: it is read. 0: it is longer than its stat said, and is to be read in the other way. */
static int
content_defer(const struct attempt *try, uint64_t *ret_total)
{
        struct deferred *deferred = try->reader->deferred;
        size_t total = 0;
        ssize_t n;
        while ((n = chunk_read(try, deferred->bytes + deferred->used + total, SMALL_SIZE - total)) > 0) {
                total += (size_t)n;
                if (total == SMALL_SIZE || total > try->before.stx_size)
                        return lseek(try->fd, 0, SEEK_SET) < 0 ? -errno : 0;
        }
        if (n < 0)
                return (int)n;
        deferred->reading = true;
        deferred->size = total;
        *ret_total = total;
        return 1;
}

/* A body that may be kept stays whole in a buffer of the reader until the next file is read: *ret_body. */
static int
content_read(const struct attempt *try, uint64_t end, const char **ret_body)
{
        struct snapshot *snapshot = try->snapshot;
        struct snapshot_reader *reader = try->reader;
        bool keep = try->wish->body && snapshot->world_readable && try->before.stx_size <= SNAPSHOT_BODY_MAX;
        const char *data = reader->chunk;
        int r = may_defer(try) ? content_defer(try, &snapshot->content_size) : 0;
        if (r > 0)
                data = reader->deferred->bytes + reader->deferred->used;
        else if (r == 0)
                r = content_hash(try, end, &keep, &snapshot->attributes.content, &snapshot->content_size);
        *ret_body = keep ? data : NULL;
        return r < 0 ? r : 0;
}

static int
content_look(const struct attempt *try, const char **ret_body)
{
        uint64_t end;
        if (!try->wish->content || try->fd < 0 || !S_ISREG(try->before.stx_mode))
                return 0;
        int r = content_end(try, &end);
        if (r < 0)
                return r;
        if (try->wish->uncached)
                page_cache_note(&try->reader->cache, try->fd, try->before.stx_size, true);
        r = content_read(try, end, ret_body);
        if (try->wish->uncached)
                page_cache_drop(&try->reader->cache, try->fd, try->before.stx_size);
        if (r < 0)
                return r;
        try->snapshot->attributes.known |= ATTRIBUTE_BIT(ATTRIBUTE_CONTENT);
        return 0;
}

/* ---- bodies ---- */

static bool
is_text(const char *data, size_t size)
{
        const unsigned char *bytes = (const unsigned char *)data;
        for (size_t i = 0; i < size;) {
                size_t step = bytes[i] ? utf8_sequence(bytes + i, size - i) : 0;
                if (!step)
                        return false;
                i += step;
        }
        return true;
}

static int
body_keep(struct snapshot *snapshot, const char *body)
{
        size_t size = (size_t)snapshot->content_size;
        if (!is_text(body, size))
                return 0;
        snapshot->body = malloc(size + 1);
        if (!snapshot->body)
                return -ENOMEM;
        memcpy(snapshot->body, body, size);
        snapshot->body[size] = '\0';
        snapshot->body_size = size;
        return 0;
}

/* ---- one look ---- */

static bool
is_own(const struct snapshot_wish *wish, const struct statx *stx)
{
        for (size_t i = 0; i < wish->n_own; i++)
                if (wish->own[i].ino == stx->stx_ino && wish->own[i].dev == statx_dev(stx))
                        return true;
        return false;
}

/* Opens for reading what may be: *fd stays -1 for the rest, and where it is not readable (failed_errno). */
static int
attempt_open(struct attempt *try)
{
        bool folder = S_ISDIR(try->before.stx_mode);
        if (try->fd >= 0 || (!folder && !S_ISREG(try->before.stx_mode)))
                return 0;
        int fd = reopen(try, folder ? O_DIRECTORY : 0);
        if (fd < 0)
                return fd;
        try->fd = fd;
        return 0;
}

static int
note(struct attempt *try, int r)
{
        if (r >= 0 || r == ATTEMPT_AGAIN || r == -ECANCELED || errno_is_ours(-r))
                return r;
        if (!try->snapshot->failed_errno)
                try->snapshot->failed_errno = -r;
        return 0;
}

/* What is left when it never held still: the last stat, and nothing that was read. */
static void
keep_stat_only(struct snapshot *snapshot)
{
        struct attributes *attributes = &snapshot->attributes;
        free(attributes->target);
        attributes->target = NULL;
        xattrs_drop(attributes);
        attributes->known &= ~(ATTRIBUTE_BIT(ATTRIBUTE_CONTENT) | ATTRIBUTE_BIT(ATTRIBUTE_TARGET) |
                               ATTRIBUTE_BIT(ATTRIBUTE_XATTRS) | ATTRIBUTE_BIT(ATTRIBUTE_FLAGS));
        snapshot->content_size = 0;
        snapshot->mark = 0;
}

/* All that is asked between the two stats. */
static int
attempt_read(struct attempt *try)
{
        struct statx after;
        const char *body = NULL;
        int r = note(try, attempt_open(try));
        r = r ? r : note(try, xattrs_look(try));
        r = r ? r : note(try, flags_look(try));
        r = r ? r : note(try, target_look(try));
        r = r ? r : note(try, content_look(try, &body));
        if (r < 0)
                return r;
        r = entry_stat(try->fd >= 0 ? try->fd : try->path_fd, "", &after);
        if (r < 0) { /* nothing vouches for what was read */
                keep_stat_only(try->snapshot);
                try->snapshot->failed_errno = -r;
                return errno_is_ours(-r) ? r : SNAPSHOT_UNREADABLE;
        }
        if (!snapshot_held_still(&try->before, &after, try->wish))
                return ATTEMPT_AGAIN;
        r = body ? body_keep(try->snapshot, body) : 0;
        return r < 0 ? r : try->snapshot->failed_errno ? SNAPSHOT_UNREADABLE : 0;
}

/* Opens the name and stats it. 0, a result, or < 0. */
static int
attempt_start(struct attempt *try, int folder_fd, const char *name)
{
        struct snapshot *snapshot = try->snapshot;
        snapshot->taken_ms = clock_now_ms();
        if (try->path_fd < 0)
                try->path_fd = entry_open(folder_fd, name, O_PATH | O_NOFOLLOW);
        int r = try->path_fd;
        if (r >= 0)
                r = try->wish->mount_point ? entry_stat_known(try->path_fd, "", &try->before)
                                           : entry_stat(try->path_fd, "", &try->before);
        if (r == 0 || errno_is_ours(-r))
                return r;
        snapshot->failed_errno = -r;
        return try->path_fd < 0 && errno_is_gone(-r) ? SNAPSHOT_GONE : SNAPSHOT_UNREADABLE;
}

static int
attempt_run(struct attempt *try, bool world)
{
        snapshot_from_stat(&try->before, world, try->snapshot);
        if (try->wish->mount_point)
                return 0;
        return is_own(try->wish, &try->before) ? SNAPSHOT_OWN : attempt_read(try);
}

void
snapshot_reader_defer(struct snapshot_reader *reader)
{
        if (digest_lanes() && !reader->deferred && (reader->deferred = malloc(sizeof *reader->deferred)))
                reader->deferred->used = reader->deferred->n = 0; /* without memory each is hashed at once */
}

unsigned
snapshot_reader_deferred(const struct snapshot_reader *reader)
{
        return reader->deferred ? reader->deferred->n : 0;
}

void
snapshot_reader_settle(struct snapshot_reader *reader)
{
        struct deferred *deferred = reader->deferred;
        if (!deferred)
                return;
        digest_messages(deferred->messages, deferred->n);
        deferred->used = deferred->n = 0;
}

/* The look is over: what it left for later is kept, if it is believed. */
static void
defer(struct deferred *deferred, struct snapshot *snapshot)
{
        if (!deferred || !deferred->reading ||
                !(snapshot->attributes.known & ATTRIBUTE_BIT(ATTRIBUTE_CONTENT)))
                return;
        deferred->messages[deferred->n++] = (struct digest_message){
                deferred->bytes + deferred->used, deferred->size, &snapshot->attributes.content};
        deferred->used += deferred->size;
}

static int
look_once(struct snapshot_reader *reader, int folder_fd, const char *name, const struct snapshot_held *held,
        bool fresh, bool world, const struct snapshot_wish *wish, struct snapshot *ret)
{
        int held_fd = held && (held->readable || fresh) ? held->fd : -1;
        struct attempt try = {
                .reader = reader,
                .wish = wish,
                .snapshot = ret,
                .path_fd = held_fd,
                .fd = held && held->readable ? held_fd : -1,
        };
        int r = 0;
        if (reader->deferred)
                reader->deferred->reading = false;
        if (held && fresh) {
                try.before = held->stx;
                ret->taken_ms = held->taken_ms;
        } else {
                r = attempt_start(&try, folder_fd, name);
        }
        r = r ? r : attempt_run(&try, world);
        if (try.fd != held_fd)
                fd_close(try.fd);
        if (try.path_fd != held_fd)
                fd_close(try.path_fd);
        return r;
}

int
snapshot_look(struct snapshot_reader *reader, int folder_fd, const char *name,
        const struct snapshot_held *held, bool world, const struct snapshot_wish *wish, struct snapshot *ret)
{
        struct snapshot seen = {0};
        int r = ATTEMPT_AGAIN;
        for (unsigned i = 0; i < SNAPSHOT_TRIES && r == ATTEMPT_AGAIN; i++) {
                snapshot_done(&seen);
                r = look_once(reader, folder_fd, name, held, i == 0, world, wish, &seen);
        }
        if (r == ATTEMPT_AGAIN) {
                keep_stat_only(&seen);
                r = SNAPSHOT_UNSTABLE;
        }
        if (r < 0) {
                snapshot_done(&seen);
                return r;
        }
        *ret = seen;
        defer(reader->deferred, ret);
        return r;
}

void
snapshot_done(struct snapshot *snapshot)
{
        attributes_done(&snapshot->attributes);
        free(snapshot->body);
        *snapshot = (struct snapshot){0};
}

/* ---- for those who look once ---- */

static const char *const result_words[] = {
        [SNAPSHOT_GONE] = "is not there",
        [SNAPSHOT_UNREADABLE] = "could not be read",
        [SNAPSHOT_UNSTABLE] = "changed each time it was read",
        [SNAPSHOT_OWN] = "is our own database, which is never opened",
};

static int
result_say(int result, int error, const char *path, struct err *err)
{
        if (result == 0 || !err)
                return result;
        if (result == -ENOMEM)
                return err_oom(err);
        _cleanup_free_ char *escaped = escape_new(path, strlen(path));
        const char *words = result < 0 ? "could not be looked at" : result_words[result];
        errno = result < 0 ? -result : error;
        err_set(err, result, errno ? "%.700s %s: %m" : "%.700s %s", escaped ? escaped : "a file", words);
        if (result == -EMFILE)
                err_hint(err, result, "raise the limit on open files (LimitNOFILE= in the unit)");
        return result;
}

int
snapshot_at(int folder_fd, const char *name, bool world, const struct snapshot_wish *wish,
        struct snapshot *ret, struct err *err)
{
        _cleanup_(snapshot_reader_freep) struct snapshot_reader *reader = snapshot_reader_new();
        if (!reader)
                return err_oom(err);
        int r = snapshot_look(reader, folder_fd, name, NULL, world, wish, ret);
        return result_say(r, r > 0 ? ret->failed_errno : 0, name, err);
}

int
snapshot_look_path(struct snapshot_reader *reader, const char *root, const char *path,
        const struct snapshot_wish *wish, struct snapshot *ret)
{
        const char *name;
        bool world = false; /* to know it, each folder on the way is asked */
        int64_t taken_ms = clock_now_ms();
        _cleanup_fd_ int parent = folder_open_parent(root, path, &name, wish->body ? &world : NULL);
        if (parent >= 0)
                return snapshot_look(reader, parent, name, NULL, world, wish, ret);
        if (errno_is_ours(-parent))
                return parent;
        *ret = (struct snapshot){.failed_errno = -parent, .taken_ms = taken_ms};
        return errno_is_gone(-parent) ? SNAPSHOT_GONE : SNAPSHOT_UNREADABLE;
}

int
snapshot_path(const char *root, const char *path, const struct snapshot_wish *wish, struct snapshot *ret,
        struct err *err)
{
        _cleanup_(snapshot_reader_freep) struct snapshot_reader *reader = snapshot_reader_new();
        if (!reader)
                return err_oom(err);
        int r = snapshot_look_path(reader, root, path, wish, ret);
        return result_say(r, r > 0 ? ret->failed_errno : 0, path, err);
}
