/* SPDX-License-Identifier: MIT */
/*
 * Calls that fail when they are told to. Linked into a program, its definitions stand before those of every
 * library: SQLite, jansson, libsystemd and libsodium meet them too, which --wrap (our own objects alone)
 * would not give; and the sanitizers' allocator, which a preloaded library would push aside, goes on working
 * below them.
 *
 * What is made to fail is a place: the way through the program's own code to a call, by a number that is the
 * same in each run. A daemon makes a hundred thousand allocations, at a few hundred places. (What a library
 * does on its way is its own to test: to us it gives one answer.)
 *
 *   FAULT_KIND=KIND    a row of kinds[] below; unset: nothing fails
 *   FAULT_PLACE=ID     fails at its first time; unset: nothing fails, and each place is reported
 *   FAULT_GOOD=1       and from then on every call of that kind
 *   FAULT_ERROR=NAME   another errno than the kind's own: a row of errors[]; short: half of what was asked is
 *                      done
 *   FAULT_REPORT=FILE  gets "fired ID", or "place ID" for each, with the way there
 *
 * It allocates nothing, takes no lock, and does not know what it is linked to. What has no frame of the
 * program's own on its way (the threads of a sanitizer) never fails.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <unwind.h>

#define PLACES_MAX 65536u /* told of in one run */
#define WAY_DEPTH 48u     /* return addresses looked at */
#define PLACE_DEPTH 8u    /* of these in the program itself, that make a place */
#define REPORT_DEPTH 24u

enum kind { MEMORY, OPEN, READ, LOOK, WRITE, SYNC, RENAME, WATCH, SOCKET, THREAD, KIND_COUNT };

static const struct {
        const char *name;
        int error;
} kinds[KIND_COUNT] = {
        [MEMORY] = {"memory", ENOMEM},
        [OPEN] = {"open", EMFILE},
        [READ] = {"read", EIO},
        [LOOK] = {"look", EIO},
        [WRITE] = {"write", ENOSPC},
        [SYNC] = {"sync", EIO},
        [RENAME] = {"rename", EIO},
        [WATCH] = {"watch", ENOSPC},
        [SOCKET] = {"socket", ENOBUFS},
        [THREAD] = {"thread", EAGAIN},
};

static const struct {
        const char *name;
        int error;
} errors[] = {{"EINTR", EINTR}, {"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EMFILE", EMFILE}, {"EACCES", EACCES},
        {"ESTALE", ESTALE}, {"short", 0}};

static struct {
        bool on, good;
        enum kind kind;
        uint32_t place; /* 0: they are told */
        int error;
        char report[256];
        atomic_bool fired;
        _Atomic uint32_t told[PLACES_MAX];
} plan;

/* ---- the plan ---- */

static void
report(const char *text)
{
        int fd = (int)syscall(
                SYS_openat, AT_FDCWD, plan.report, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0)
                return;
        syscall(SYS_write, fd, text, strlen(text));
        syscall(SYS_close, fd);
}

__attribute__((constructor)) static void
plan_make(void)
{
        const char *kind = getenv("FAULT_KIND"), *place = getenv("FAULT_PLACE"),
                   *error = getenv("FAULT_ERROR"), *file = getenv("FAULT_REPORT");
        if (!kind)
                return;
        for (unsigned i = 0; i < KIND_COUNT; i++)
                if (strcmp(kind, kinds[i].name) == 0) {
                        plan.kind = i;
                        plan.error = kinds[i].error;
                        plan.on = true;
                }
        for (unsigned i = 0; error && i < sizeof errors / sizeof *errors; i++)
                if (strcmp(error, errors[i].name) == 0)
                        plan.error = errors[i].error;
        if (!plan.on || !file)
                abort();
        plan.good = getenv("FAULT_GOOD") != NULL;
        plan.place = place ? (uint32_t)strtoul(place, NULL, 16) : 0;
        snprintf(plan.report, sizeof plan.report, "%s", file);
}

/* ---- the way to a call ---- */

struct way {
        uintptr_t at[WAY_DEPTH];
        unsigned depth, limit;
};

static _Unwind_Reason_Code
way_step(struct _Unwind_Context *context, void *userdata)
{
        struct way *way = userdata;
        way->at[way->depth++] = _Unwind_GetIP(context);
        return way->depth == way->limit ? _URC_END_OF_STACK : _URC_NO_REASON;
}

extern const char __executable_start[], etext[];
#define OWN_FRAMES 2u /* place_of_call or report_way, and fails */

/* The number of the way through the program's own code, from its start; 0: it is not on the way. */
__attribute__((noinline)) static uint32_t
place_of_call(void)
{
        struct way way = {.limit = WAY_DEPTH};
        uint64_t hash = 14695981039346656037u; /* FNV-1a */
        unsigned own = 0;
        _Unwind_Backtrace(way_step, &way);
        for (unsigned i = OWN_FRAMES; i < way.depth && own <= PLACE_DEPTH; i++) {
                if (way.at[i] < (uintptr_t)__executable_start || way.at[i] >= (uintptr_t)etext)
                        continue;
                hash = (hash ^ (way.at[i] - (uintptr_t)__executable_start)) * 1099511628211u;
                own++;
        }
        return own > 1 ? (uint32_t)(hash ^ hash >> 32) | 1 : 0; /* the first is the wrapper itself */
}

static bool
was_told(uint32_t place)
{
        for (uint32_t i = 0, slot = place % PLACES_MAX; i < PLACES_MAX; i++, slot = (slot + 1) % PLACES_MAX) {
                uint32_t there = 0;
                if (atomic_compare_exchange_strong(&plan.told[slot], &there, place))
                        return false;
                if (there == place)
                        return true;
        }
        return true;
}

__attribute__((noinline)) static void
report_way(const char *word, uint32_t place)
{
        struct way way = {.limit = REPORT_DEPTH};
        char text[4096];
        size_t size = (size_t)snprintf(text, sizeof text, "%s %08x\n", word, place);
        _Unwind_Backtrace(way_step, &way);
        for (unsigned i = OWN_FRAMES; i < way.depth && size < sizeof text - 200; i++) {
                Dl_info info = {0};
                if (!dladdr((void *)way.at[i], &info) || !info.dli_fname)
                        continue;
                const char *name = strrchr(info.dli_fname, '/');
                size += (size_t)snprintf(text + size, 200, "  %.60s+0x%lx %.80s\n",
                        name ? name + 1 : info.dli_fname,
                        (unsigned long)(way.at[i] - (uintptr_t)info.dli_fbase),
                        info.dli_sname ? info.dli_sname : "");
        }
        report(text);
}

/* Looking is no part of what is looked at: unwinding may itself call what is defined here. */
static __thread bool within __attribute__((tls_model("initial-exec")));

__attribute__((noinline)) static bool
fails(enum kind kind)
{
        if (!plan.on || kind != plan.kind || within)
                return false;
        int saved = errno;
        within = true;
        uint32_t place = place_of_call();
        bool fired = atomic_load(&plan.fired);
        bool now = place && plan.place && (fired ? plan.good : place == plan.place);
        if (now && !fired && !atomic_exchange(&plan.fired, true))
                report_way("fired", place);
        if (place && !plan.place && !was_told(place))
                report_way("place", place);
        within = false;
        errno = now ? plan.error : saved;
        return now;
}

/* With FAULT_ERROR=short nothing fails, and less is done. */
static size_t
shortened(size_t size)
{
        return plan.error || size < 2 ? size : size / 2;
}

#define NEXT(name)                                                                                           \
        static typeof(name) *next;                                                                           \
        if (!next)                                                                                           \
        next = (typeof(name) *)dlsym(RTLD_NEXT, #name)

/* ---- memory: dlsym may need some itself, so the next one is known by name ---- */

extern typeof(malloc) __interceptor_malloc __attribute__((weak)), __libc_malloc;
extern typeof(calloc) __interceptor_calloc __attribute__((weak)), __libc_calloc;
extern typeof(realloc) __interceptor_realloc __attribute__((weak)), __libc_realloc;

void *
malloc(size_t size)
{
        if (fails(MEMORY))
                return NULL;
        return __interceptor_malloc ? __interceptor_malloc(size) : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
        if (fails(MEMORY))
                return NULL;
        return __interceptor_calloc ? __interceptor_calloc(n, size) : __libc_calloc(n, size);
}

void *
realloc(void *old, size_t size)
{
        if (fails(MEMORY))
                return NULL;
        return __interceptor_realloc ? __interceptor_realloc(old, size) : __libc_realloc(old, size);
}

void *
reallocarray(void *old, size_t n, size_t size)
{
        size_t all;
        if (__builtin_mul_overflow(n, size, &all)) {
                errno = ENOMEM;
                return NULL;
        }
        return realloc(old, all);
}

char *
strndup(const char *text, size_t size)
{
        size = strnlen(text, size);
        char *copy = malloc(size + 1);
        if (copy) {
                memcpy(copy, text, size);
                copy[size] = '\0';
        }
        return copy;
}

char *
strdup(const char *text)
{
        return strndup(text, SIZE_MAX);
}

int
vasprintf(char **ret, const char *format, va_list args)
{
        va_list again;
        va_copy(again, args);
        int size = vsnprintf(NULL, 0, format, again);
        va_end(again);
        char *text = size < 0 ? NULL : malloc((size_t)size + 1);
        if (!text)
                return -1; /* and *ret is anything, as the manual says */
        *ret = text;
        return vsnprintf(text, (size_t)size + 1, format, args);
}

int
asprintf(char **ret, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        int r = vasprintf(ret, format, args);
        va_end(args);
        return r;
}

void *
mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
        NEXT(mmap);
        return fails(MEMORY) ? MAP_FAILED : next(at, size, protection, flags, fd, offset);
}

/* ---- descriptors ---- */

static mode_t
mode_of(int flags, va_list args)
{
        return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(args, mode_t) : 0;
}

#define OPENING(name, parameters, arguments)                                                                 \
        int name parameters                                                                                  \
        {                                                                                                    \
                NEXT(name);                                                                                  \
                va_list args;                                                                                \
                va_start(args, flags);                                                                       \
                mode_t mode = mode_of(flags, args);                                                          \
                va_end(args);                                                                                \
                return fails(OPEN) ? -1 : next arguments;                                                    \
        }

OPENING(open, (const char *path, int flags, ...), (path, flags, mode))
OPENING(open64, (const char *path, int flags, ...), (path, flags, mode))
OPENING(openat, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
OPENING(openat64, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))

/* The rest of the calls have a fixed shape. */
#define CALL(kind, wrong, type, name, parameters, arguments)                                                 \
        type name parameters                                                                                 \
        {                                                                                                    \
                NEXT(name);                                                                                  \
                return plan.error && fails(kind) ? (wrong) : next arguments;                                 \
        }

CALL(OPEN, NULL, FILE *, fopen, (const char *path, const char *mode), (path, mode))
CALL(OPEN, NULL, FILE *, fopen64, (const char *path, const char *mode), (path, mode))
CALL(OPEN, NULL, DIR *, opendir, (const char *path), (path))
CALL(OPEN, NULL, DIR *, fdopendir, (int fd), (fd))
CALL(OPEN, -1, int, epoll_create1, (int flags), (flags))
CALL(OPEN, -1, int, eventfd, (unsigned value, int flags), (value, flags))
CALL(OPEN, -1, int, timerfd_create, (clockid_t clock, int flags), (clock, flags))
CALL(OPEN, -1, int, signalfd, (int fd, const sigset_t *set, int flags), (fd, set, flags))
CALL(OPEN, -1, int, inotify_init1, (int flags), (flags))
CALL(OPEN, -1, int, dup, (int fd), (fd))

/* openat2 has no function of its own. */
long
syscall(long number, ...)
{
        static typeof(syscall) *next;
        if (!next)
                next = (typeof(syscall) *)dlsym(RTLD_NEXT, "syscall");
        va_list args;
        long a[6];
        va_start(args, number);
        for (unsigned i = 0; i < 6; i++)
                a[i] = va_arg(args, long);
        va_end(args);
        return number == SYS_openat2 && fails(OPEN) ? -1 : next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- reading and looking ---- */

/* What is no file and no socket (an eventfd, inotify, a timer) is the kernel's memory alone: it does not fail
 * so. */
static bool
may_fail(int fd)
{
        struct statx stx;
        return syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, &stx) == 0 && stx.stx_mode & S_IFMT;
}

#define MOVING(kind, name, parameters, size, arguments)                                                      \
        ssize_t name parameters                                                                              \
        {                                                                                                    \
                NEXT(name);                                                                                  \
                if (plan.on && may_fail(fd) && fails(kind)) {                                                \
                        if (plan.error)                                                                      \
                                return -1;                                                                   \
                        size = shortened(size);                                                              \
                }                                                                                            \
                return next arguments;                                                                       \
        }

MOVING(READ, read, (int fd, void *data, size_t size), size, (fd, data, size))
MOVING(READ, pread, (int fd, void *data, size_t size, off_t at), size, (fd, data, size, at))
MOVING(READ, pread64, (int fd, void *data, size_t size, off64_t at), size, (fd, data, size, at))
CALL(READ, -1, ssize_t, getdents64, (int fd, void *data, size_t size), (fd, data, size))
CALL(READ, -1, ssize_t, readlinkat, (int folder, const char *path, char *target, size_t size),
        (folder, path, target, size))
CALL(LOOK, -1, int, statx,
        (int folder, const char *restrict path, int flags, unsigned mask, struct statx *restrict stx),
        (folder, path, flags, mask, stx))
CALL(LOOK, -1, int, stat, (const char *restrict path, struct stat *restrict st), (path, st))
CALL(LOOK, -1, int, lstat, (const char *restrict path, struct stat *restrict st), (path, st))
CALL(LOOK, -1, int, fstat, (int fd, struct stat *st), (fd, st))
CALL(LOOK, -1, int, fstatat, (int folder, const char *restrict path, struct stat *restrict st, int flags),
        (folder, path, st, flags))
CALL(LOOK, -1, ssize_t, flistxattr, (int fd, char *list, size_t size), (fd, list, size))
CALL(LOOK, -1, ssize_t, listxattr, (const char *path, char *list, size_t size), (path, list, size))
CALL(LOOK, -1, ssize_t, fgetxattr, (int fd, const char *name, void *value, size_t size),
        (fd, name, value, size))
CALL(LOOK, -1, ssize_t, getxattr, (const char *path, const char *name, void *value, size_t size),
        (path, name, value, size))

/* ---- writing ---- */

MOVING(WRITE, write, (int fd, const void *data, size_t size), size, (fd, data, size))
MOVING(WRITE, pwrite, (int fd, const void *data, size_t size, off_t at), size, (fd, data, size, at))
MOVING(WRITE, pwrite64, (int fd, const void *data, size_t size, off64_t at), size, (fd, data, size, at))
CALL(WRITE, -1, int, ftruncate, (int fd, off_t size), (fd, size))
CALL(WRITE, -1, int, ftruncate64, (int fd, off64_t size), (fd, size))
CALL(WRITE, -1, int, mkdir, (const char *path, mode_t mode), (path, mode))
CALL(WRITE, -1, int, chmod, (const char *path, mode_t mode), (path, mode))
CALL(WRITE, -1, int, fchmod, (int fd, mode_t mode), (fd, mode))
CALL(SYNC, -1, int, fsync, (int fd), (fd))
CALL(SYNC, -1, int, fdatasync, (int fd), (fd))
CALL(RENAME, -1, int, rename, (const char *from, const char *to), (from, to))
CALL(RENAME, -1, int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
CALL(RENAME, -1, int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags),
        (a, from, b, to, flags))
CALL(RENAME, -1, int, linkat, (int a, const char *from, int b, const char *to, int flags),
        (a, from, b, to, flags))
CALL(RENAME, -1, int, unlink, (const char *path), (path))
CALL(RENAME, -1, int, unlinkat, (int folder, const char *path, int flags), (folder, path, flags))

/* ---- watches, sockets, threads ---- */

CALL(WATCH, -1, int, inotify_add_watch, (int fd, const char *path, uint32_t mask), (fd, path, mask))
CALL(SOCKET, -1, int, socket, (int domain, int type, int protocol), (domain, type, protocol))
CALL(SOCKET, -1, int, bind, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
CALL(SOCKET, -1, int, listen, (int fd, int backlog), (fd, backlog))
CALL(SOCKET, -1, int, connect, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
CALL(SOCKET, -1, int, accept4, (int fd, struct sockaddr *address, socklen_t *size, int flags),
        (fd, address, size, flags))
CALL(SOCKET, -1, int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size),
        (fd, level, name, value, size))
CALL(SOCKET, -1, int, getsockopt,
        (int fd, int level, int name, void *restrict value, socklen_t *restrict size),
        (fd, level, name, value, size))
MOVING(SOCKET, send, (int fd, const void *data, size_t size, int flags), size, (fd, data, size, flags))
MOVING(SOCKET, recv, (int fd, void *data, size_t size, int flags), size, (fd, data, size, flags))

int
pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes, void *(*start)(void *),
        void *restrict argument)
{
        NEXT(pthread_create);
        return fails(THREAD) ? EAGAIN : next(thread, attributes, start, argument);
}
