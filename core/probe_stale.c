/* SPDX-License-Identifier: MIT */
/*
 * Programs that still run an OpenSSL that was replaced. An upgrade puts new files in the place of the old
 * ones, and who had mapped the old ones keeps them, holes and all, until it is started again; the kernel
 * marks such a mapping ` (deleted)` (proc_pid_maps(5)), in whatever mount namespace the process lives.
 *
 * Programs are named by their path and not by process ids, so that the same finding keeps its name. Only a
 * libssl or libcrypto counts: other deleted files that are mapped (memfds, caches) are common and mean
 * nothing. Where a process's map may not be read, nothing is called clean.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/probe_openssl.h"

#define PROGRAMS_MAX 1024u
#define PROCESSES_SHOWN 32u            /* of one program */
#define MAP_STEP ((size_t)64 << 10)    /* bytes read at once */
#define MAP_MAX ((size_t)64 << 20)     /* bytes of one process's map */
#define SUMMARY_MAX ((size_t)32 << 10) /* bytes */

static const char deleted[] = " (deleted)";

enum library { LIBCRYPTO = 1, LIBSSL = 2 };

struct program {
        char *path; /* escaped, owned */
        unsigned libraries;
        size_t processes;
        struct buf pids;
};

struct search {
        int proc_fd;
        struct program *programs;
        size_t count;
        uint64_t looked_at, unreadable;
        int error; /* of one that could not be read */
        char *bytes;
};

/* ---- one process ---- */

/* Of one line of a map, without its newline. */
static unsigned
library_of(const char *line, size_t size)
{
        static const struct {
                const char *start;
                unsigned library;
        } known[] = {{"/libcrypto.so", LIBCRYPTO}, {"/libssl.so", LIBSSL}};
        size_t tail = sizeof deleted - 1;
        if (size <= tail || memcmp(line + size - tail, deleted, tail) != 0)
                return 0;
        const char *slash = memrchr(line, '/', size);
        size_t left = slash ? (size_t)(line + size - slash) : 0;
        for (size_t i = 0; i < ARRAY_SIZE(known); i++)
                if (left > strlen(known[i].start) &&
                        memcmp(slash, known[i].start, strlen(known[i].start)) == 0)
                        return known[i].library;
        return 0;
}

/* What stands in whole lines; returns how many bytes those are. */
static size_t
look_at_lines(const char *bytes, size_t size, unsigned *libraries)
{
        size_t at = 0;
        for (const char *newline; (newline = memchr(bytes + at, '\n', size - at));) {
                size_t line = (size_t)(newline - (bytes + at));
                *libraries |= library_of(bytes + at, line);
                at += line + 1;
        }
        return at;
}

/* 0, or the errno of what is in the way. */
static int
look_at_map(struct search *search, const char *pid, unsigned *libraries)
{
        char name[64];
        snprintf(name, sizeof name, "%.32s/maps", pid);
        _cleanup_fd_ int fd = openat(search->proc_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return errno;
        size_t held = 0;
        for (size_t total = 0; total < MAP_MAX;) {
                ssize_t got = read(fd, search->bytes + held, MAP_STEP - held);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return errno;
                if (got == 0)
                        return 0;
                total += (size_t)got;
                held += (size_t)got;
                size_t done = look_at_lines(search->bytes, held, libraries);
                if (!done && held == MAP_STEP)
                        return EFBIG; /* no path is that long */
                memmove(search->bytes, search->bytes + done, held - done);
                held -= done;
        }
        return EFBIG;
}

/* The escaped path of the program that a process runs; NULL: no memory. */
static char *
program_of(const struct search *search, const char *pid)
{
        char name[64], path[PATH_MAX];
        size_t tail = sizeof deleted - 1;
        snprintf(name, sizeof name, "%.32s/exe", pid);
        ssize_t got = readlinkat(search->proc_fd, name, path, sizeof path);
        size_t size = got < 0 ? 0 : (size_t)got;
        if (size > tail && memcmp(path + size - tail, deleted, tail) == 0)
                size -= tail; /* it was upgraded, too */
        return size ? escape_new(path, size) : strdup("/unknown");
}

static int
note(struct search *search, const char *pid, unsigned libraries)
{
        _cleanup_free_ char *path = program_of(search, pid);
        if (!path)
                return -ENOMEM;
        size_t i = 0;
        while (i < search->count && strcmp(search->programs[i].path, path) != 0)
                i++;
        if (i == PROGRAMS_MAX)
                return 0; /* the list is long enough to be a finding */
        if (i == search->count) {
                struct program *grown = reallocarray(search->programs, i + 1, sizeof *grown);
                if (!grown)
                        return -ENOMEM;
                search->programs = grown;
                grown[search->count++] = (struct program){.path = steal_pointer(&path)};
        }
        struct program *program = &search->programs[i];
        program->libraries |= libraries;
        if (program->processes++ < PROCESSES_SHOWN)
                return buf_printf(&program->pids, "%s%.32s", program->pids.size ? "," : "", pid);
        return program->processes == PROCESSES_SHOWN + 1 ? buf_text(&program->pids, ",...") : 0;
}

static int
look_at(struct search *search, const char *pid)
{
        unsigned libraries = 0;
        int error = look_at_map(search, pid, &libraries);
        if (error == ENOENT || error == ESRCH)
                return 0; /* it ended meanwhile */
        search->looked_at++;
        if (error) {
                search->unreadable++;
                search->error = error;
        }
        return libraries ? note(search, pid, libraries) : 0;
}

/* ---- all of them ---- */

static int
look_at_all(struct search *search, DIR *proc, int64_t deadline_ms, const atomic_bool *cancel)
{
        for (struct dirent *entry; (entry = readdir(proc));) {
                if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
                        continue;
                if (cancel && atomic_load(cancel))
                        return -ECANCELED;
                if (clock_monotonic_ms() >= deadline_ms)
                        return ETIME;
                int r = look_at(search, entry->d_name);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int
compare_programs(const void *a, const void *b)
{
        return strcmp(((const struct program *)a)->path, ((const struct program *)b)->path);
}

static int
report_program(const struct program *program, struct probe_reading *ret)
{
        static const char *const libraries[] = {"", "libcrypto", "libssl", "libcrypto,libssl"};
        struct probe_setting setting = {.derived = true};
        if (asprintf(&setting.item, "openssl:stale_library%s%s", *program->path == '/' ? "" : "/",
                    program->path) < 0)
                setting.item = NULL;
        if (asprintf(&setting.value, "%s in process %s", libraries[program->libraries & 3],
                    program->pids.data) < 0)
                setting.value = NULL;
        return probe_add(ret, &setting);
}

static int
report_all(struct search *search, int left_out, struct probe_reading *ret)
{
        struct probe_setting setting = {.item = strdup("openssl:stale_library"), .derived = true};
        struct buf list = {0};
        int r = setting.item ? 0 : -ENOMEM;
        if (search->count)
                qsort(search->programs, search->count, sizeof *search->programs, compare_programs);
        for (size_t i = 0; i < search->count && r == 0; i++) {
                const struct program *program = &search->programs[i];
                r = report_program(program, ret);
                if (r == 0 && list.size + strlen(program->path) < SUMMARY_MAX)
                        r = buf_printf(&list, "%s%s", list.size ? "," : "", program->path);
        }
        if (r == 0 && search->count) {
                setting.value = buf_steal(&list);
        } else if (r == 0 && !left_out && !search->unreadable) {
                setting.value = strdup("none");
        } else if (r == 0) {
                setting.error = left_out ? left_out : search->error;
                if (asprintf(&setting.reason,
                            "none was seen, but %llu of %llu processes were not looked at: %s",
                            (unsigned long long)search->unreadable, (unsigned long long)search->looked_at,
                            strerrordesc_np(setting.error)) < 0)
                        setting.reason = NULL;
        }
        buf_done(&list);
        if (r == 0)
                return probe_add(ret, &setting);
        probe_setting_done(&setting);
        return r;
}

int
probe_stale(const char *root, int64_t deadline_ms, const atomic_bool *cancel, struct probe_reading *ret)
{
        struct search search = {.proc_fd = -1};
        DIR *proc = opendir(root);
        int r = proc ? 0 : errno == ENOMEM ? -ENOMEM : errno;
        search.bytes = malloc(MAP_STEP);
        if (!search.bytes)
                r = -ENOMEM;
        if (proc && r == 0) {
                search.proc_fd = dirfd(proc);
                r = look_at_all(&search, proc, deadline_ms, cancel);
        }
        if (r >= 0)
                r = report_all(&search, r, ret);
        for (size_t i = 0; i < search.count; i++) {
                free(search.programs[i].path);
                buf_done(&search.programs[i].pids);
        }
        free(search.programs);
        free(search.bytes);
        if (proc)
                closedir(proc);
        return r;
}
