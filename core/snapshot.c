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
#define LANE_SIZE ((size_t)32 << 10) /* bytes: all lanes' chunks fit it too */
#define XATTRS_USUAL                                                                                         \
        ((size_t)1 << 10) /* bytes of names; the kernel takes as much memory for a list as there is room */
#define PSEUDO_SIZE_MAX                                                                                      \
        ((uint64_t)64 << 20)  /* bytes past its stat's size that a file (of proc, say) may give */
#define ATTEMPT_AGAIN (-1000) /* internal: it moved under our eyes; no errno is this large */

static_assert(CHUNK_SIZE >= SNAPSHOT_BODY_MAX && CHUNK_SIZE >= XATTR_SIZE_MAX && CHUNK_SIZE > PATH_MAX,
        "bodies, extended attributes and link targets are read into one chunk");

/* A content that is being read. */
struct content {
        struct digester *digester; /* borrowed */
        char *chunk;               /* borrowed; of chunk_size bytes */
        size_t chunk_size;
        uint64_t end, total; /* bytes: where to stop, and so many were read */
        int failed;          /* what ended the reading */
        bool keep;           /* what is read stays whole in the chunk, for as long as it fits */
        struct page_cache cache;
};

/* One try: what it opened and what it saw first. */
struct attempt {
        struct snapshot_reader *reader;
        const struct snapshot_wish *wish;
        struct snapshot *snapshot;
        struct statx before;
        int held_fd; /* not ours; -1: none */
        int path_fd; /* O_PATH */
        int fd;      /* the same inode, open for reading; -1: not a file or folder, or not readable */
        struct content content;
};

/* A look whose content is read and hashed beside that of others. */
struct lane {
        struct attempt attempt;
        struct snapshot_wish wish;
        struct digester *digester;
        char chunk[LANE_SIZE];
};

struct snapshot_reader {
        int proc_fd; /* /proc/self/fd, or -errno */
        struct digester *digester;
        int (*pace)(void *userdata, size_t bytes);
        void *pace_userdata;
        struct lane *memory; /* of n_lanes */
        unsigned n_lanes, n_pending;
        struct lane *lanes[DIGEST_LANES_MAX];         /* those that are pending come first */
        struct digest_piece pieces[DIGEST_LANES_MAX]; /* what of each one's chunk is not hashed yet */
        char names[XATTR_LIST_MAX];
        char chunk[CHUNK_SIZE];
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

static void lanes_free(struct snapshot_reader *reader);

struct snapshot_reader *
snapshot_reader_new(void)
{
        struct snapshot_reader *reader = malloc(sizeof *reader);
        if (!reader)
                return NULL;
        memset(reader, 0, offsetof(struct snapshot_reader, names));
        reader->proc_fd = proc_open();
        reader->digester = digester_new();
        return reader->digester ? reader : snapshot_reader_free(reader);
}

struct snapshot_reader *
snapshot_reader_free(struct snapshot_reader *reader)
{
        if (!reader)
                return NULL;
        lanes_free(reader);
        digester_free(reader->digester);
        fd_close(reader->proc_fd);
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

static ssize_t
xattrs_list(const struct attempt *try, const char *link, size_t room)
{
        char *names = try->reader->names;
        return try->fd >= 0 ? flistxattr(try->fd, names, room) : listxattr(link, names, room);
}

/* The kernel bounds a list and a value at 64 KiB each, so that one buffer of that size holds any. */
static int
xattrs_look(const struct attempt *try)
{
        char link[64] = "";
        if (try->fd < 0)
                snprintf(link, sizeof link, "/proc/self/fd/%d", try->path_fd);
        ssize_t size = xattrs_list(try, link, XATTRS_USUAL);
        if (size < 0 && errno == ERANGE)
                size = xattrs_list(try, link, sizeof try->reader->names);
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
chunk_read(struct attempt *try, char *data, size_t size)
{
        const struct snapshot_wish *wish = try->wish;
        struct snapshot_reader *reader = try->reader;
        if (wish->cancel && atomic_load_explicit(wish->cancel, memory_order_relaxed))
                return -ECANCELED;
        ssize_t n;
        do
                n = wish->uncached ? page_cache_read(&try->content.cache, try->fd, data, size)
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

/* 1: there is content, and it is to be read from its start. 0: none. */
static int
content_begin(struct attempt *try)
{
        struct content *content = &try->content;
        const struct snapshot_wish *wish = try->wish;
        if (!wish->content || try->fd < 0 || !S_ISREG(try->before.stx_mode))
                return 0;
        content->total = 0;
        content->failed = 0;
        content->keep =
                wish->body && try->snapshot->world_readable && try->before.stx_size <= SNAPSHOT_BODY_MAX;
        int r = content_end(try, &content->end);
        if (r < 0)
                return r;
        if (wish->uncached)
                page_cache_note(&content->cache, try->fd, try->before.stx_size, true);
        return 1;
}

static void
content_in(struct attempt *try, struct digester *digester, char *chunk, size_t size)
{
        struct content *content = &try->content;
        content->digester = digester;
        content->chunk = chunk;
        content->chunk_size = size;
        digester_start(digester);
        if (try->wish->md5er)
                md5er_start(try->wish->md5er);
}

static ssize_t
content_fail(struct content *content, int r)
{
        return content->failed = r;
}

/* The next chunk, of at most so many bytes, which is still to be hashed: its size, 0 at the end. */
static ssize_t
content_step(struct attempt *try, size_t most, const char **ret)
{
        struct content *content = &try->content;
        uint64_t left = content->end - content->total;
        size_t offset = content->keep ? (size_t)content->total : 0, room = content->chunk_size - offset;
        *ret = content->chunk + offset;
        if (content->failed || !left)
                return content->failed;
        room = most < room ? most : room;
        ssize_t n = chunk_read(try, content->chunk + offset, left < room ? (size_t)left : room);
        if (n < 0)
                return content_fail(content, (int)n);
        if (n == 0)
                return 0;
        if (try->wish->md5er)
                md5er_update(try->wish->md5er, *ret, (size_t)n);
        content->total += (uint64_t)n;
        content->keep =
                content->keep && content->total < content->chunk_size && content->total <= SNAPSHOT_BODY_MAX;
        int r = content->total > try->before.stx_size ? past_end(try, content->total) : 0;
        return r < 0 ? content_fail(content, r) : n;
}

/* After the last chunk is hashed, or after an error. */
static int
content_finish(struct attempt *try, int r)
{
        struct content *content = &try->content;
        struct snapshot *snapshot = try->snapshot;
        if (try->wish->uncached)
                page_cache_drop(&content->cache, try->fd, try->before.stx_size);
        if (r < 0)
                return r;
        digester_final(content->digester, &snapshot->attributes.content);
        if (try->wish->md5er)
                md5er_final(try->wish->md5er, snapshot->md5);
        snapshot->content_size = content->total;
        snapshot->attributes.known |= ATTRIBUTE_BIT(ATTRIBUTE_CONTENT);
        return 0;
}

static int
content_read(struct attempt *try)
{
        struct snapshot_reader *reader = try->reader;
        const char *data;
        ssize_t n;
        content_in(try, reader->digester, reader->chunk, sizeof reader->chunk);
        while ((n = content_step(try, CHUNK_SIZE, &data)) > 0)
                digester_update(reader->digester, data, (size_t)n);
        return content_finish(try, (int)n);
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

/* All that is asked between the two stats, but for the content: 1, if there is some. */
static int
attempt_read(struct attempt *try)
{
        int r = note(try, attempt_open(try));
        r = r ? r : note(try, xattrs_look(try));
        r = r ? r : note(try, flags_look(try));
        r = r ? r : note(try, target_look(try));
        return r ? r : note(try, content_begin(try));
}

/* r: how the content went. */
static int
attempt_end(struct attempt *try, int r)
{
        struct snapshot *snapshot = try->snapshot;
        struct statx after;
        r = note(try, r);
        if (r < 0)
                return r;
        r = entry_stat(try->fd >= 0 ? try->fd : try->path_fd, "", &after);
        if (r < 0) { /* nothing vouches for what was read */
                keep_stat_only(snapshot);
                snapshot->failed_errno = -r;
                return errno_is_ours(-r) ? r : SNAPSHOT_UNREADABLE;
        }
        if (!snapshot_held_still(&try->before, &after, try->wish))
                return ATTEMPT_AGAIN;
        bool kept = snapshot->attributes.known & ATTRIBUTE_BIT(ATTRIBUTE_CONTENT) && try->content.keep;
        r = kept ? body_keep(snapshot, try->content.chunk) : 0;
        return r < 0 ? r : snapshot->failed_errno ? SNAPSHOT_UNREADABLE : 0;
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

static void
attempt_close(struct attempt *try)
{
        if (try->fd != try->held_fd)
                fd_close(try->fd);
        if (try->path_fd != try->held_fd)
                fd_close(try->path_fd);
}

/* Up to the content: SNAPSHOT_PENDING, if that is to be read; else it is over, as attempt_end says. */
static int
attempt_begin(
        struct attempt *try, int folder_fd, const char *name, const struct snapshot_held *held, bool world)
{
        int r = 0;
        if (held) {
                try->before = held->stx;
                try->snapshot->taken_ms = held->taken_ms;
        } else {
                r = attempt_start(try, folder_fd, name);
        }
        if (r != 0)
                return r;
        snapshot_from_stat(&try->before, world, try->snapshot);
        if (try->wish->mount_point)
                return 0;
        if (is_own(try->wish, &try->before))
                return SNAPSHOT_OWN;
        r = attempt_read(try);
        return r > 0 ? SNAPSHOT_PENDING : attempt_end(try, r);
}

/* ---- lanes ---- */

void
snapshot_reader_lanes(struct snapshot_reader *reader, unsigned n)
{
        assert(!reader->memory && n <= DIGEST_LANES_MAX);
        reader->memory = n ? malloc(n * sizeof *reader->memory) : NULL;
        for (unsigned i = 0; i < n && reader->memory; i++) {
                struct lane *lane = reader->lanes[i] = &reader->memory[i];
                lane->digester = digester_new();
                if (!lane->digester)
                        break; /* fewer are slower, not wrong */
                reader->n_lanes++;
        }
}

static void
lanes_free(struct snapshot_reader *reader)
{
        while (reader->n_pending) {
                struct attempt *try = &reader->lanes[--reader->n_pending]->attempt;
                snapshot_done(try->snapshot);
                attempt_close(try);
        }
        for (unsigned i = 0; i < reader->n_lanes; i++)
                digester_free(reader->memory[i].digester);
        free(reader->memory);
}

unsigned
snapshot_reader_pending(const struct snapshot_reader *reader)
{
        return reader->n_pending;
}

bool
snapshot_reader_is_full(const struct snapshot_reader *reader)
{
        return reader->n_pending == reader->n_lanes;
}

/* Takes the try over, and what it saw to *ret. false: its content has to be read by itself. */
static bool
lane_take(struct attempt *try, uint64_t head, struct snapshot *ret)
{
        struct snapshot_reader *reader = try->reader;
        if (snapshot_reader_is_full(reader) || try->wish->md5er ||
                (try->content.keep && try->before.stx_size >= LANE_SIZE))
                return false;
        struct lane *lane = reader->lanes[reader->n_pending];
        if (try->path_fd != try->held_fd)
                fd_close(try->path_fd);
        lane->wish = *try->wish;
        lane->attempt = *try;
        try = &lane->attempt;
        try->wish = &lane->wish;
        try->path_fd = try->held_fd = -1;
        *ret = *try->snapshot;
        try->snapshot = ret;
        content_in(try, lane->digester, lane->chunk, LANE_SIZE);
        reader->pieces[reader->n_pending++] = (struct digest_piece){.digester = lane->digester};
        const char *data;
        for (ssize_t n = 1; n > 0 && try->content.total < head;)
                if ((n = content_step(try, LANE_SIZE, &data)) > 0)
                        digester_update(lane->digester, data, (size_t)n);
        return true;
}

/* r: how the content went. */
static struct snapshot *
lane_end(struct snapshot_reader *reader, unsigned i, int r, int *ret_result)
{
        struct lane *lane = reader->lanes[i];
        struct snapshot *snapshot = lane->attempt.snapshot;
        r = attempt_end(&lane->attempt, content_finish(&lane->attempt, r));
        attempt_close(&lane->attempt);
        reader->n_pending--;
        reader->pieces[i] = reader->pieces[reader->n_pending];
        reader->lanes[i] = reader->lanes[reader->n_pending];
        reader->lanes[reader->n_pending] = lane;
        if (r < 0)
                snapshot_done(snapshot);
        *ret_result = r == ATTEMPT_AGAIN ? SNAPSHOT_MOVED : r;
        return snapshot;
}

/* All chunks end together, for as far as their files go, and on whole blocks: else the lanes would be set out
 * anew for a few bytes each time. */
struct snapshot *
snapshot_next(struct snapshot_reader *reader, int *ret_result)
{
        size_t most = 0;
        for (unsigned i = 0; i < reader->n_pending; i++)
                most = reader->pieces[i].size > most ? reader->pieces[i].size : most;
        most = most ? (most + DIGEST_BLOCK - 1) / DIGEST_BLOCK * DIGEST_BLOCK : LANE_SIZE;
        for (unsigned i = 0; i < reader->n_pending; i++) {
                struct digest_piece *piece = &reader->pieces[i];
                const char *data;
                if (piece->size)
                        continue;
                ssize_t n = content_step(&reader->lanes[i]->attempt, most, &data);
                if (n <= 0)
                        return lane_end(reader, i, (int)n, ret_result);
                *piece = (struct digest_piece){piece->digester, data, (size_t)n};
        }
        digest_side_by_side(reader->pieces, reader->n_pending);
        return NULL;
}

/* ---- looks ---- */

/* head: NULL: the content is read to its end. */
static int
look(struct snapshot_reader *reader, int folder_fd, const char *name, const struct snapshot_held *held,
        bool world, const struct snapshot_wish *wish, const uint64_t *head, struct snapshot *ret)
{
        struct snapshot seen = {0};
        int r = ATTEMPT_AGAIN;
        for (unsigned i = 0; i < SNAPSHOT_TRIES && r == ATTEMPT_AGAIN; i++) {
                bool fresh = i == 0;
                int held_fd = held && (held->readable || fresh) ? held->fd : -1;
                struct attempt try = {
                        .reader = reader,
                        .wish = wish,
                        .snapshot = &seen,
                        .held_fd = held_fd,
                        .path_fd = held_fd,
                        .fd = held && held->readable ? held_fd : -1,
                };
                snapshot_done(&seen);
                r = attempt_begin(&try, folder_fd, name, fresh ? held : NULL, world);
                if (r == SNAPSHOT_PENDING && fresh && head && lane_take(&try, *head, ret))
                        return SNAPSHOT_PENDING;
                if (r == SNAPSHOT_PENDING)
                        r = attempt_end(&try, content_read(&try));
                attempt_close(&try);
        }
        if (r == ATTEMPT_AGAIN) {
                keep_stat_only(&seen);
                r = SNAPSHOT_UNSTABLE;
        }
        if (r < 0)
                snapshot_done(&seen);
        else
                *ret = seen;
        return r;
}

int
snapshot_look(struct snapshot_reader *reader, int folder_fd, const char *name,
        const struct snapshot_held *held, bool world, const struct snapshot_wish *wish, struct snapshot *ret)
{
        return look(reader, folder_fd, name, held, world, wish, NULL, ret);
}

int
snapshot_begin(struct snapshot_reader *reader, int folder_fd, const char *name,
        const struct snapshot_held *held, bool world, const struct snapshot_wish *wish, uint64_t head,
        struct snapshot *ret)
{
        return look(reader, folder_fd, name, held, world, wish, &head, ret);
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
