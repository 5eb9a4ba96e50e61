/* SPDX-License-Identifier: MIT */
/*
 * A process is one that holds a number from a start time on. What /proc says under the number is only
 * believed if the descriptor of the process shows afterwards that it still holds the number: else somebody
 * else may have been read. The name that a process gives itself (comm) is never read; the link to its program
 * is the kernel's word, also where the file is deleted by now.
 *
 * A trace keeps the few processes whose events could have changed the path, in order of their last event, and
 * apart from them the last whose event need not have. One process is one entry, however often it runs another
 * program; what it ran last is told.
 *
 * Owns nothing but its own memory. Must not know what a path or an event is.
 */
#include "core/who.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "core/escape.h"

#define NOBODY UINT32_MAX   /* of /proc/PID/loginuid: no login yet */
#define PF_FORKNOEXEC 0x40u /* linux/sched.h, in the flags of /proc/PID/stat */

/* struct pidfd_info of linux/pidfd.h, as it was first: newer than the headers of some distributions. */
struct process_info {
        uint64_t mask, cgroup;
        uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid, spare;
};
#define PROCESS_INFO_CREDENTIALS UINT64_C(2)
#define PROCESS_INFO_GET _IOWR(0xff, 11, struct process_info)

struct who {
        atomic_uint references;
        atomic_bool in_doubt; /* it became this program after its event */
        pid_t pid;
        uint64_t started;           /* clock ticks since boot; 0: not known */
        bool forked;                /* and has executed nothing since */
        int64_t uid, login_uid;     /* -1: not known, or no login */
        char *exe, *cmdline, *unit; /* escaped; NULL: not known */
        bool cmdline_cut;
        int own_mounts;        /* another mount namespace than process 1 has; -1: not known */
        _Atomic(char *) exact; /* what is written of it where it was certainly it alone; NULL: nothing yet */
};

struct who_trace {
        size_t n;
        struct who *list[WHO_TRACE_MAX]; /* the last is the newest */
        struct who *weak;                /* the newest of those that need not have changed anything */
        bool more;                       /* than there is room for */
        bool blind;                      /* some event did not say */
        bool doubt;                      /* of any of them */
        bool beyond;                     /* some event could be of more than metadata, */
        bool acted;                      /* and one of those in the list was */
};

/* ---- texts ---- */

int
who_parse_uid(const char *status, int64_t *ret)
{
        const char *line = strstr(status, "\nUid:\t");
        const char *tab = line ? strchr(line + 6, '\t') : NULL; /* the real one comes first */
        char *end;
        errno = 0;
        unsigned long long effective = tab ? strtoull(tab + 1, &end, 10) : 0;
        if (!tab || errno || end == tab + 1 || *end != '\t' || effective > UINT32_MAX)
                return -EBADMSG;
        *ret = (int64_t)effective;
        return 0;
}

/* The state is the third field. The name before it stands in parentheses and may hold some itself: the last
 * one ends it. */
static const char *
stat_field(const char *stat, unsigned number)
{
        const char *at = strrchr(stat, ')');
        if (!at || at[1] != ' ' || !at[2] || at[3] != ' ')
                return NULL;
        at += 2;
        for (unsigned field = 3; field < number; field++) {
                if (!(at = strchr(at, ' ')))
                        return NULL;
                at++;
        }
        return at;
}

static int
stat_number(const char *stat, unsigned number, uint64_t *ret)
{
        const char *at = stat_field(stat, number);
        char *end;
        if (!at)
                return -EBADMSG;
        errno = 0;
        *ret = strtoull(at, &end, 10);
        return errno || end == at || *end != ' ' ? -EBADMSG : 0;
}

int
who_parse_start(const char *stat, char *ret_state, uint64_t *ret)
{
        int r = stat_number(stat, 22, ret);
        if (r == 0)
                *ret_state = *stat_field(stat, 3);
        return r;
}

int
who_parse_forked(const char *stat, bool *ret)
{
        uint64_t flags;
        int r = stat_number(stat, 9, &flags);
        if (r == 0)
                *ret = flags & PF_FORKNOEXEC;
        return r;
}

int
who_parse_login_uid(const char *text, int64_t *ret)
{
        char *end;
        errno = 0;
        unsigned long long uid = strtoull(text, &end, 10);
        if (errno || end == text || (*end && *end != '\n') || uid > UINT32_MAX)
                return -EBADMSG;
        *ret = uid == NOBODY ? -1 : (int64_t)uid;
        return 0;
}

static bool
ends_with(const char *text, size_t size, const char *end)
{
        size_t n = strlen(end);
        return size > n && memcmp(text + size - n, end, n) == 0;
}

/* The first part of a path that is no slice: it is the unit of the system's manager, if it has a unit's name.
 */
static char *
unit_of_path(const char *path, size_t size)
{
        static const char *const kinds[] = {".service", ".scope", ".mount", ".swap", ".socket"};
        for (size_t at = 0, part; at < size; at += part + 1) {
                const char *slash = memchr(path + at, '/', size - at);
                part = slash ? (size_t)(slash - path) - at : size - at;
                const char *name = path + at;
                if (!part || ends_with(name, part, ".slice"))
                        continue;
                size_t escaped = name[0] == '_'; /* systemd's way for names that cgroupfs has itself */
                for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                        if (!ends_with(name + escaped, part - escaped, kinds[i]))
                                continue;
                        _cleanup_free_ char *raw = strndup(name + escaped, part - escaped);
                        return raw ? escape_new(raw, strlen(raw)) : NULL;
                }
                return NULL;
        }
        return NULL;
}

/* Version 2 is "0::PATH"; version 1 has a hierarchy of systemd's own. */
char *
who_parse_unit(const char *cgroup)
{
        static const char named[] = ":name=systemd:";
        char *unit = NULL;
        for (const char *line = cgroup; *line && !unit;) {
                size_t size = strcspn(line, "\n");
                const char *colon = memchr(line, ':', size);
                size_t left = colon ? size - (size_t)(colon - line) : 0;
                size_t head =
                        strncmp(line, "0::", 3) == 0 ? 2
                        : colon && left > sizeof named - 1 && memcmp(colon, named, sizeof named - 1) == 0
                                ? sizeof named - 1
                                : 0;
                if (colon && head)
                        unit = unit_of_path(colon + head, left - head);
                line += size + (line[size] == '\n');
        }
        return unit;
}

char *
who_cmdline(const char *arguments, size_t size, bool *ret_cut)
{
        _cleanup_buf_ struct buf text = {0};
        *ret_cut = size > WHO_CMDLINE_MAX;
        size = min_size(size, WHO_CMDLINE_MAX);
        for (size_t at = 0; at < size;) {
                size_t one = strnlen(arguments + at, size - at);
                if ((at && buf_text(&text, " ") < 0) || buf_escape(&text, arguments + at, one) < 0)
                        return NULL;
                at += one + 1;
        }
        return text.size ? buf_steal(&text) : NULL;
}

/* ---- a process ---- */

/* Reads at most size - 1 bytes of a file of the process, and a NUL. < 0: -errno. */
static ssize_t
read_of(pid_t pid, const char *name, char *buffer, size_t size)
{
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        size_t have = 0;
        for (ssize_t got; have < size - 1; have += (size_t)got) {
                got = read(fd, buffer + have, size - 1 - have);
                if (got < 0)
                        return -errno;
                if (got == 0)
                        break;
        }
        buffer[have] = '\0';
        return (ssize_t)have;
}

char *
who_exe_now(pid_t pid)
{
        char path[64], target[WHO_EXE_MAX];
        snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
        ssize_t size = readlink(path, target, sizeof target);
        return size > 0 ? escape_new(target, (size_t)size) : NULL;
}

bool
who_lives(int pidfd)
{
        /* Signal 0 is none: it only asks. EPERM is a process that we may not signal, but that is there. */
        return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0 || errno == EPERM;
}

struct who *
who_gone(pid_t pid)
{
        struct who *who = calloc(1, sizeof *who);
        if (!who)
                return NULL;
        who->references = 1;
        who->pid = pid;
        who->uid = who->login_uid = who->own_mounts = -1;
        return who;
}

static bool
mounts_of(pid_t pid, char *ret, size_t size)
{
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)pid);
        ssize_t n = readlink(path, ret, size - 1);
        ret[n > 0 ? n : 0] = '\0';
        return n > 0;
}

/* A path is only the host's where its mounts are: else whatever it runs can have the name of a program that
 * the host knows. */
static int
has_own_mounts(pid_t pid)
{
        char its[64], hosts[64];
        return mounts_of(pid, its, sizeof its) && mounts_of(1, hosts, sizeof hosts) ? strcmp(its, hosts) != 0
                                                                                    : -1;
}

static void
read_process(struct who *who)
{
        char text[4096], state;
        ssize_t size;
        who->forked = true; /* unless it is known */
        if (read_of(who->pid, "stat", text, sizeof text) > 0 &&
                (who_parse_start(text, &state, &who->started) < 0 ||
                        who_parse_forked(text, &who->forked) < 0))
                who->started = 0;
        who->exe = who_exe_now(who->pid);
        who->own_mounts = has_own_mounts(who->pid);
        if ((size = read_of(who->pid, "cmdline", text, WHO_CMDLINE_MAX + 2)) > 0)
                who->cmdline = who_cmdline(text, (size_t)size, &who->cmdline_cut);
        /* Between the two it may have executed another program: then it is that one's. */
        _cleanup_free_ char *exe = who_exe_now(who->pid);
        if (who->exe && (!exe || strcmp(exe, who->exe) != 0)) {
                free(who->cmdline);
                who->cmdline = NULL;
        }
        if (read_of(who->pid, "status", text, sizeof text) > 0)
                who_parse_uid(text, &who->uid);
        if (read_of(who->pid, "loginuid", text, sizeof text) > 0)
                who_parse_login_uid(text, &who->login_uid);
        if (read_of(who->pid, "cgroup", text, sizeof text) > 0)
                who->unit = who_parse_unit(text);
}

struct who *
who_read(pid_t pid, int pidfd)
{
        _cleanup_(who_dropp) struct who *who = who_gone(pid);
        if (!who)
                return NULL;
        read_process(who);
        return who_lives(pidfd) ? steal_pointer(&who) : who_gone(pid);
}

struct who *
who_keep(struct who *who)
{
        if (who)
                atomic_fetch_add(&who->references, 1);
        return who;
}

struct who *
who_drop(struct who *who)
{
        if (!who || atomic_fetch_sub(&who->references, 1) != 1)
                return NULL;
        free(who->exe);
        free(who->cmdline);
        free(who->unit);
        free(who->exact);
        free(who);
        return NULL;
}

bool
who_runs_program(const struct who *who)
{
        return who->exe != NULL;
}

bool
who_has_executed(const struct who *who)
{
        return who->exe && who->cmdline && !who->forked;
}

/* As /proc/PID/status has it, of which the kernel writes sixty lines for it. Linux 6.13. */
static int
uid_of_pidfd(int pidfd, int64_t *ret)
{
        struct process_info info = {.mask = PROCESS_INFO_CREDENTIALS};
        if (ioctl(pidfd, PROCESS_INFO_GET, &info) < 0 || !(info.mask & PROCESS_INFO_CREDENTIALS))
                return -EOPNOTSUPP;
        *ret = info.euid;
        return 0;
}

bool
who_has_uid_still(const struct who *who, int pidfd)
{
        char text[4096];
        int64_t uid;
        bool known = uid_of_pidfd(pidfd, &uid) == 0 ||
                     (read_of(who->pid, "status", text, sizeof text) > 0 && who_parse_uid(text, &uid) == 0);
        return known && uid == who->uid;
}

void
who_doubt_program(struct who *who)
{
        who->in_doubt = true;
}

const char *
who_exe(const struct who *who)
{
        return who->exe;
}

/* ---- traces ---- */

struct who_trace *
who_trace_free(struct who_trace *trace)
{
        if (!trace)
                return NULL;
        for (size_t i = 0; i < trace->n; i++)
                who_drop(trace->list[i]);
        who_drop(trace->weak);
        free(trace);
        return NULL;
}

/* One that was gone when it was met again has no start time: its number was this one's before, and may be
 * another's by now. */
static bool
same_process(const struct who *a, const struct who *b)
{
        return a->pid == b->pid && (a->started == b->started || !a->started || !b->started);
}

/* What tells more of the two; of equal ones the newer. */
static struct who *
better_of(struct who *known, struct who *newer)
{
        bool keep = known->exe && !newer->exe;
        struct who *better = who_keep(keep ? known : newer);
        who_drop(known);
        return better;
}

static void
put_process(struct who_trace *trace, struct who *who)
{
        size_t i = 0;
        while (i < trace->n && !same_process(trace->list[i], who))
                i++;
        struct who *last;
        if (i < trace->n) {
                trace->doubt = trace->doubt || trace->list[i]->started != who->started;
                last = better_of(trace->list[i], who);
        } else {
                last = who_keep(who);
                if (trace->n == WHO_TRACE_MAX) {
                        trace->more = true;
                        who_drop(trace->list[i = 0]);
                } else {
                        trace->n++;
                }
        }
        memmove(&trace->list[i], &trace->list[i + 1], (trace->n - 1 - i) * sizeof *trace->list);
        trace->list[trace->n - 1] = last;
}

void
who_trace_add(struct who_trace **slot, const struct who_touch *touch)
{
        struct who *who = touch ? touch->who : NULL;
        struct who_trace *trace = *slot ? *slot : calloc(1, sizeof *trace);
        if (!trace)
                return;
        *slot = trace;
        trace->beyond = trace->beyond || !who || !touch->metadata;
        if (!who) {
                trace->blind = true;
                return;
        }
        if (touch->weak) {
                bool same = trace->weak && same_process(trace->weak, who);
                struct who *weak = same ? better_of(trace->weak, who) : who_keep(who);
                if (!same)
                        who_drop(trace->weak);
                trace->weak = weak;
        } else { /* of the weak, none is exact anyway */
                trace->doubt = trace->doubt || touch->doubt;
                trace->acted = trace->acted || !touch->metadata;
                put_process(trace, who);
        }
}

void
who_trace_copy(struct who_trace **into, const struct who_trace *from)
{
        for (size_t i = 0; from && i < from->n; i++)
                who_trace_add(into,
                        &(struct who_touch){.who = from->list[i], .doubt = from->doubt, .metadata = true});
        if (from && from->weak)
                who_trace_add(into, &(struct who_touch){.who = from->weak, .weak = true});
        if (from && *into) {
                (*into)->more = (*into)->more || from->more;
                (*into)->blind = (*into)->blind || from->blind;
                (*into)->beyond = (*into)->beyond || from->beyond;
                (*into)->acted = (*into)->acted || from->acted;
        }
}

void
who_trace_join(struct who_trace **into, struct who_trace **from)
{
        if (!*into) {
                *into = steal_pointer(from);
                return;
        }
        who_trace_copy(into, *from);
        *from = who_trace_free(*from);
}

static struct json *
number_json(int64_t number)
{
        return number < 0 ? json_null_new() : json_make("I", (json_int)number);
}

static struct json *
flag_json(int flag)
{
        return flag < 0 ? json_null_new() : json_make("b", flag);
}

bool
who_trace_of_metadata(const struct who_trace *trace)
{
        return trace && !trace->beyond;
}

static bool
is_exact(const struct who_trace *trace, const struct who *who, bool gap)
{
        bool sure = trace->n == 1 && !trace->more && !trace->blind && !trace->doubt && !who->in_doubt && !gap;
        /* Where those who acted changed metadata alone, what else changed may be the doing of one that wrote
         * through a mapping, and closed it. */
        if (trace->weak && !trace->acted && !same_process(trace->weak, who))
                sure = false;
        return sure && who->exe;
}

static char *
write_who(const struct who *who, const char *confidence, size_t others)
{
        _cleanup_buf_ struct buf text = {0};
        _cleanup_json_ struct json *value = json_make("{s:I, s:s?, s:s?, s:b, s:o, s:o, s:s?, s:o, s:s, s:I}",
                "pid", (json_int)who->pid, "exe", who->exe, "cmdline", who->cmdline, "cmdline_cut",
                who->cmdline_cut, "uid", number_json(who->uid), "login_uid", number_json(who->login_uid),
                "unit", who->unit, "own_mounts", flag_json(who->own_mounts), "confidence", confidence,
                "others", (json_int)others);
        return value && json_write(value, &text) == 0 ? buf_steal(&text) : NULL;
}

/* Written once: whoever unpacks an archive is named with each of its files. */
static char *
write_exact(struct who *who)
{
        char *known = who->exact;
        if (known)
                return strdup(known);
        _cleanup_free_ char *text = write_who(who, "exact", 0);
        char *copy = text ? strdup(text) : NULL;
        if (copy && !atomic_compare_exchange_strong(&who->exact, &known, copy))
                free(copy);
        return steal_pointer(&text);
}

char *
who_trace_write(const struct who_trace *trace, bool gap)
{
        struct who *who = !trace ? NULL : trace->n ? trace->list[trace->n - 1] : trace->weak;
        if (!who)
                return NULL;
        if (is_exact(trace, who, gap))
                return write_exact(who);
        return write_who(who, who->exe ? "likely" : "unknown", trace->n > 1 ? trace->n - 1 : 0);
}
