/* SPDX-License-Identifier: MIT */
/* For tests of files: a scratch folder of their own, things in it, and a witness of who opens what. */
#pragma once

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/util.h"

/* The test's folder, 0755 and entered by all; its path is in SCRATCH. Under $TMPDIR or /var/tmp. */
static char scratch[4096];
static char *scratch_paths[65536]; /* that at() gave */
static size_t n_scratch_paths;

static inline void
scratch_make(void)
{
        const char *top = getenv("TMPDIR");
        snprintf(scratch, sizeof scratch, "%s/driftd-test-XXXXXX", top && *top ? top : "/var/tmp");
        ck_assert_ptr_nonnull(mkdtemp(scratch));
        ck_assert_int_eq(chmod(scratch, 0755), 0);
}

/* Stays on its file system, whatever a test mounted and left. */
static inline void
scratch_remove(void)
{
        char command[sizeof scratch + 32];
        snprintf(command, sizeof command, "rm -rf --one-file-system -- '%s'", scratch);
        ck_assert_int_eq(system(command), 0);
        while (n_scratch_paths)
                free(scratch_paths[--n_scratch_paths]);
}

/* A path in the scratch folder. Kept until the folder is removed. For the test's own thread only. */
_printf_(1, 2) static inline char *at(const char *format, ...)
{
        char *name = NULL, *path = NULL;
        va_list args;
        va_start(args, format);
        ck_assert_int_ge(vasprintf(&name, format, args), 0);
        va_end(args);
        ck_assert_int_ge(asprintf(&path, "%s%s%s", scratch, *name ? "/" : "", name), 0);
        free(name);
        ck_assert_uint_lt(n_scratch_paths, ARRAY_SIZE(scratch_paths));
        return scratch_paths[n_scratch_paths++] = path;
}

static inline const char *
put_bytes(const char *path, const void *data, size_t size, mode_t mode)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ck_assert_msg(fd >= 0, "%s: %m", path);
        ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
        ck_assert_int_eq(fchmod(fd, mode), 0);
        close(fd);
        return path;
}

static inline const char *
put(const char *path, const char *text)
{
        return put_bytes(path, text, strlen(text), 0644);
}

static inline const char *
put_folder(const char *path)
{
        ck_assert_msg(mkdir(path, 0755) == 0, "%s: %m", path);
        return path;
}

/* A witness: an inotify descriptor that wakes when the inode at path is opened. Links are not followed. */
static inline int
witness(const char *path)
{
        int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_msg(inotify_add_watch(fd, path, IN_OPEN | IN_DONT_FOLLOW) >= 0, "%s: %m", path);
        return fd;
}

static inline bool
witness_saw_opening(int fd)
{
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        return poll(&wait, 1, 0) > 0;
}

/* Runs a function as a user with no rights, in a child. Its failure is ours. */
static inline void
as_nobody(void (*function)(void))
{
        if (geteuid() != 0) {
                function();
                return;
        }
        fflush(NULL);
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
                        _exit(99);
                function();
                _exit(0);
        }
        int status = -1;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(
                WIFEXITED(status) && WEXITSTATUS(status) == 0, "the unprivileged child failed: 0x%x", status);
}

#define expect(condition)                                                                                    \
        do {                                                                                                 \
                if (!(condition)) {                                                                          \
                        fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);              \
                        _exit(98);                                                                           \
                }                                                                                            \
        } while (0)

/* Says why a test looks at nothing. */
#define skip_test(...)                                                                                       \
        do {                                                                                                 \
                printf("skipped, %s: ", __func__);                                                           \
                printf(__VA_ARGS__);                                                                         \
                printf("\n");                                                                                \
                return;                                                                                      \
        } while (0)
