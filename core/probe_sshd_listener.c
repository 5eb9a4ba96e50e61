/* SPDX-License-Identifier: MIT */
/*
 * Who runs sshd, and how: the listeners among the processes, and what systemd's units would start.
 *
 * Anybody may start /usr/sbin/sshd with a command line of their choice, so only processes of root (or our
 * own) count. A listener writes its title over its arguments, and the title parts them by blanks; where an
 * option's own argument holds blanks, what follows up to the next option is taken as part of it.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/probe_sshd_internal.h"

#define CMDLINE_MAX ((size_t)64 << 10) /* bytes of a command line that is looked at */
#define UNIT_MAX ((size_t)1 << 20)     /* bytes of a unit */
#define WORDS_MAX 256u                 /* of a command line */

/* getopt's letters of sshd(8): with an argument, and without. */
static const char with_argument[] = "CEbcfghkopu";
static const char without[] = "46DGQRTdeiqrtV";
static const char kept[] = "46cghop"; /* which change what is in force */
static const char no_listener[] = "GRTitV";

/* ---- command lines ---- */

struct words {
        char *list[WORDS_MAX];
        size_t count;
        bool blanks; /* parted by blanks: an argument may have been torn */
        bool cut;    /* the title had no room for all of them */
};

static void
split(char *text, char *end, char separator, struct words *ret)
{
        while (text < end && ret->count < WORDS_MAX) {
                char *stop = memchr(text, separator, (size_t)(end - text));
                if (!stop)
                        stop = end;
                *stop = '\0'; /* at the end there is room for one */
                if (*text)
                        ret->list[ret->count++] = text;
                text = stop + 1;
        }
}

/*
 * Where the mark of a listener's title begins, or what is left of it: a title has only the room that the
 * arguments and the environment had. NULL: it is cut off before.
 */
static char *
find_mark(char *text, size_t size)
{
        static const char mark[] = " [listener]";
        char *found = memmem(text, size, mark, sizeof mark - 1);
        if (found)
                return found;
        found = memrchr(text, '[', size);
        if (!found || found == text || strncmp(found - 1, mark, (size_t)(text + size - found) + 1) != 0)
                return NULL;
        return found - 1;
}

/*
 * A process that has not written its title yet may be a listener. Titles that begin with a path are those of
 * listeners; others name the user of a session.
 */
static bool
split_cmdline(char *text, size_t size, struct words *ret)
{
        static const char title[] = "sshd: ";
        *ret = (struct words){.count = 0};
        if (size < sizeof title || memcmp(text, title, sizeof title - 1) != 0) {
                split(text, text + size, '\0', ret);
                return true;
        }
        if (text[sizeof title - 1] != '/')
                return false;
        size = strnlen(text, size);
        char *mark = find_mark(text, size);
        ret->blanks = true;
        ret->cut = !mark;
        split(text + sizeof title - 1, mark ? mark : text + size, ' ', ret);
        return true;
}

static int
keep_option(struct sshd_listener *listener, char letter, const char *argument)
{
        if (!strchr(kept, letter))
                return 0;
        char option[3] = {'-', letter, '\0'};
        if (text_list_add(&listener->options, option, 2) < 0)
                return -ENOMEM;
        return argument ? text_list_add(&listener->options, argument, strlen(argument)) : 0;
}

/* The argument of an option: the rest of its word, or the words that follow. */
static char *
take_argument(struct words *words, size_t *at, char *rest)
{
        char *argument = rest;
        if (!*rest) {
                if (*at + 1 >= words->count)
                        return NULL;
                argument = words->list[++*at];
        }
        while (words->blanks && *at + 1 < words->count && words->list[*at + 1][0] != '-') {
                char *next = words->list[++*at]; /* which lies behind it: blanks were made NULs */
                for (char *p = argument + strlen(argument); p < next; p++)
                        *p = ' ';
        }
        return argument;
}

/* 1, 0 (it is no listener), -ENOMEM */
static int
take_word(struct words *words, size_t *at, struct sshd_listener *listener)
{
        for (char *p = words->list[*at] + 1; *p; p++) {
                if (strchr(no_listener, *p))
                        return 0;
                if (!strchr(with_argument, *p)) {
                        if (strchr(without, *p) && keep_option(listener, *p, NULL) < 0)
                                return -ENOMEM;
                        continue;
                }
                char *argument = take_argument(words, at, p + 1);
                if (!argument)
                        return 1;
                if (keep_option(listener, *p, argument) < 0)
                        return -ENOMEM;
                if (*p == 'f') {
                        free(listener->config);
                        listener->config = strdup(argument);
                        return listener->config ? 1 : -ENOMEM;
                }
                return 1;
        }
        return 1;
}

static int
take_words(struct words *words, const char *program, struct sshd_listener *ret)
{
        if (!words->count || (program && strcmp(words->list[0], program) != 0))
                return 0;
        for (size_t i = 1; i < words->count; i++) {
                if (words->list[i][0] != '-')
                        break;
                int r = take_word(words, &i, ret);
                if (r <= 0)
                        return r;
        }
        return 1;
}

int
sshd_listener_parse(char *text, size_t size, const char *program, struct sshd_listener *ret)
{
        struct words words;
        if (!split_cmdline(text, size, &words))
                return 0;
        ret->cut = words.cut;
        return take_words(&words, program, ret);
}

void
sshd_listener_done(struct sshd_listener *listener)
{
        free(listener->config);
        text_list_done(&listener->options);
        *listener = (struct sshd_listener){0};
}

int
sshd_listener_options(const struct sshd_listener *listener, struct buf *ret)
{
        for (size_t i = 0; i < listener->options.count; i++)
                if (buf_printf(ret, "%s%s", ret->size ? " " : "", listener->options.items[i]) < 0)
                        return -ENOMEM;
        return 0;
}

/* ---- processes ---- */

/* A file of proc(5), cut at room; it has no size to be asked. */
static ssize_t
read_proc(int pid, const char *name, char *text, size_t room)
{
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        size_t size = 0;
        if (fd < 0)
                return -errno;
        while (size + 1 < room) {
                ssize_t got = read(fd, text + size, room - 1 - size);
                if (got < 0)
                        return -errno;
                if (!got)
                        break;
                size += (size_t)got;
        }
        text[size] = '\0';
        return (ssize_t)size;
}

/* Of root or of us, and with no number in a namespace below ours. */
static bool
is_trusted(int pid)
{
        char status[4096];
        if (read_proc(pid, "status", status, sizeof status) <= 0)
                return false;
        const char *uid = strstr(status, "\nUid:"), *ns = strstr(status, "\nNSpid:");
        if (!uid)
                return false;
        char *end;
        unsigned long real = strtoul(uid + 5, &end, 10), effective = strtoul(end, NULL, 10);
        if ((real != 0 && real != geteuid()) || (effective != 0 && effective != geteuid()))
                return false;
        if (!ns)
                return true;
        ns += 7 + strspn(ns + 7, "\t ");
        return ns[strcspn(ns, "\t\n")] != '\t';
}

enum sight { NOT_IT, IS_IT, UNSEEN };

/* By the file itself, or, where an upgrade took it away, by the name that it had. */
static enum sight
runs(int pid, const char *program, const struct stat *st)
{
        char path[64], name[4096];
        struct stat exe;
        snprintf(path, sizeof path, "/proc/%d/exe", pid);
        if (stat(path, &exe) == 0 && exe.st_dev == st->st_dev && exe.st_ino == st->st_ino)
                return IS_IT;
        ssize_t size = readlink(path, name, sizeof name - 1);
        if (size < 0)
                return errno == EACCES || errno == EPERM ? UNSEEN : NOT_IT;
        name[size] = '\0';
        char *deleted = strstr(name, " (deleted)");
        if (!deleted || deleted[10])
                return NOT_IT;
        *deleted = '\0';
        return strcmp(name, program) == 0 ? IS_IT : NOT_IT;
}

/* Since the boot, in ticks, to a time of the clock. */
static int64_t
started_ms(int pid)
{
        char text[1024];
        struct timespec now, up;
        if (read_proc(pid, "stat", text, sizeof text) <= 0)
                return 0;
        const char *p = strrchr(text, ')');
        for (int field = 2; p && field < 22; field++) /* starttime is the 22nd */
                p = strchr(p + 1, ' ');
        if (!p)
                return 0;
        unsigned long long ticks = strtoull(p, NULL, 10);
        clock_gettime(CLOCK_REALTIME, &now);
        clock_gettime(CLOCK_BOOTTIME, &up);
        int64_t boot_ms = (now.tv_sec - up.tv_sec) * 1000 + (now.tv_nsec - up.tv_nsec) / 1000000;
        return boot_ms + (int64_t)(ticks * 1000 / (unsigned long long)sysconf(_SC_CLK_TCK));
}

static int
add_listener(struct sshd_listeners *listeners, const struct sshd_listener *listener)
{
        struct sshd_listener *grown =
                reallocarray(listeners->list, listeners->count + 1, sizeof *listeners->list);
        if (!grown)
                return -ENOMEM;
        listeners->list = grown;
        listeners->list[listeners->count++] = *listener;
        return 0;
}

static int
look_at(int pid, const char *program, const struct stat *st, struct sshd_listeners *ret)
{
        enum sight sight = runs(pid, program, st);
        if (sight == NOT_IT || !is_trusted(pid))
                return 0;
        char *text = calloc(1, CMDLINE_MAX);
        if (!text)
                return -ENOMEM;
        struct sshd_listener listener = {.pid = pid};
        ssize_t size = read_proc(pid, "cmdline", text, CMDLINE_MAX);
        /* Whose program we may not see is taken at its word, if it has the title of a listener. */
        bool titled = size > 6 && memcmp(text, "sshd: ", 6) == 0;
        int r = 0;
        if (size > 0 && (sight == IS_IT || titled))
                r = sshd_listener_parse(text, (size_t)size, sight == IS_IT ? NULL : program, &listener);
        free(text);
        if (r == 1) {
                listener.start_ms = started_ms(pid);
                r = add_listener(ret, &listener);
                if (r == 0)
                        return 0;
        }
        sshd_listener_done(&listener);
        return r;
}

static int
compare_listeners(const void *a, const void *b)
{
        const struct sshd_listener *x = a, *y = b;
        return (x->pid > y->pid) - (x->pid < y->pid);
}

int
sshd_listeners_find(const char *program, struct sshd_listeners *ret)
{
        struct stat st;
        DIR *proc = opendir("/proc");
        struct dirent *entry;
        int r = 0;
        if (!proc)
                return -ENOMEM; /* it is always there; what is missing is a descriptor or memory */
        if (stat(program, &st) < 0)
                st = (struct stat){0};
        while (r == 0 && (entry = readdir(proc))) {
                char *end;
                long pid = strtol(entry->d_name, &end, 10);
                if (end != entry->d_name && !*end && pid > 0 && pid <= INT32_MAX)
                        r = look_at((int)pid, program, &st, ret);
        }
        closedir(proc);
        if (ret->count)
                qsort(ret->list, ret->count, sizeof *ret->list, compare_listeners);
        return r;
}

void
sshd_listeners_done(struct sshd_listeners *listeners)
{
        for (size_t i = 0; i < listeners->count; i++)
                sshd_listener_done(&listeners->list[i]);
        free(listeners->list);
        *listeners = (struct sshd_listeners){0};
}

/* ---- units ---- */

static const char *const unit_folders[] = {"/etc/systemd/system", "/run/systemd/system",
        "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"};

/* What the lines of a unit and its drop-ins come to, so far. */
struct reading_unit {
        const char *root;
        struct buf command;     /* the last ExecStart */
        struct buf sockets;     /* ListenStream, one a line */
        struct buf environment; /* NAME=value, one a line; the last one counts */
        struct text_list *watched;
};

/* An empty assignment takes back those before it. */
static int
assign(struct buf *to, const char *value, const char *after)
{
        if (!*value) {
                buf_clear(to);
                return 0;
        }
        return buf_printf(to, "%s%s", value, after) < 0 ? -ENOMEM : 0;
}

static int
read_environment(struct reading_unit *unit, const char *file)
{
        _cleanup_buf_ struct buf text = {0};
        _cleanup_free_ char *path = NULL;
        if (asprintf(&path, "%s%s", unit->root, file + (*file == '-')) < 0)
                return -ENOMEM;
        if (sshd_watch(unit->watched, path) < 0)
                return -ENOMEM;
        int r = sshd_read_file(path, UNIT_MAX, &text, NULL);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        return buf_printf(&unit->environment, "%s\n", text.data ? text.data : "") < 0 ? -ENOMEM : 0;
}

static int
read_unit_line(struct reading_unit *unit, char *line)
{
        line += strspn(line, " \t");
        char *equals = strchr(line, '=');
        if (*line == '#' || *line == ';' || !equals)
                return 0;
        char *value = equals + 1 + strspn(equals + 1, " \t");
        while (equals > line && (equals[-1] == ' ' || equals[-1] == '\t'))
                equals--;
        *equals = '\0';
        for (size_t size = strlen(value); size && strchr(" \t\r", value[size - 1]); size--)
                value[size - 1] = '\0';
        if (strcmp(line, "ExecStart") == 0) {
                buf_clear(&unit->command); /* (of Type=oneshot there may be several; sshd is none) */
                return assign(&unit->command, value, "");
        }
        if (strcmp(line, "ListenStream") == 0)
                return assign(&unit->sockets, value, "\n");
        if (strcmp(line, "Environment") == 0)
                return assign(&unit->environment, value, "\n");
        return strcmp(line, "EnvironmentFile") == 0 && *value ? read_environment(unit, value) : 0;
}

/* 1: read. 0: not there, or masked. */
static int
read_unit_file(struct reading_unit *unit, const char *path)
{
        _cleanup_buf_ struct buf text = {0};
        int r = sshd_read_file(path, UNIT_MAX, &text, NULL);
        if (r == -ENOMEM || sshd_watch(unit->watched, path) < 0)
                return -ENOMEM;
        if (r < 0)
                return r == -ENOENT ? 0 : 1; /* a link to /dev/null masks what lies behind */
        char *rest = text.data, *line;
        for (char *p = rest ? strstr(rest, "\\\n") : NULL; p; p = strstr(p, "\\\n"))
                p[0] = p[1] = ' ';
        while (r == 0 && (line = strsep(&rest, "\n")))
                r = read_unit_line(unit, line);
        return r < 0 ? r : 1;
}

struct drop_in {
        const char *path; /* borrowed from the glob */
        const char *name;
};

static int
compare_drop_ins(const void *a, const void *b)
{
        return strcmp(((const struct drop_in *)a)->name, ((const struct drop_in *)b)->name);
}

#define DROP_INS_MAX 256u

/* Sorted by their names, whatever their folder; of one name the first folder's counts. */
static int
read_drop_ins(struct reading_unit *unit, const char *name)
{
        glob_t found = {0};
        struct drop_in list[DROP_INS_MAX] = {{0}};
        size_t count = 0;
        int r = 0;
        for (size_t i = 0; i < ARRAY_SIZE(unit_folders); i++) {
                _cleanup_free_ char *pattern = NULL;
                if (asprintf(&pattern, "%s%s/%s.d/*.conf", unit->root, unit_folders[i], name) < 0)
                        r = -ENOMEM;
                else if (glob(pattern, i ? GLOB_APPEND : 0, NULL, &found) == GLOB_NOSPACE)
                        r = -ENOMEM;
        }
        for (size_t i = 0; r == 0 && i < found.gl_pathc && count < DROP_INS_MAX; i++) {
                struct drop_in one = {found.gl_pathv[i], strrchr(found.gl_pathv[i], '/') + 1};
                bool known = false;
                for (size_t k = 0; k < count; k++)
                        known = known || strcmp(list[k].name, one.name) == 0;
                if (!known)
                        list[count++] = one;
        }
        if (count)
                qsort(list, count, sizeof *list, compare_drop_ins);
        for (size_t i = 0; r >= 0 && i < count; i++)
                r = read_unit_file(unit, list[i].path);
        globfree(&found);
        return r < 0 ? r : 0;
}

/* 1: there is such a unit */
static int
read_unit(struct reading_unit *unit, const char *name)
{
        int r = 0;
        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(unit_folders); i++) {
                _cleanup_free_ char *path = NULL;
                if (asprintf(&path, "%s%s/%s", unit->root, unit_folders[i], name) < 0)
                        return -ENOMEM;
                r = read_unit_file(unit, path);
        }
        int drop_ins = r < 0 ? 0 : read_drop_ins(unit, name);
        return drop_ins < 0 ? drop_ins : r;
}

static void
reading_unit_done(struct reading_unit *unit)
{
        buf_done(&unit->command);
        buf_done(&unit->sockets);
        buf_done(&unit->environment);
}

/* The last value of a variable, quotes around it dropped; empty where there is none. */
static int
append_variable(const struct reading_unit *unit, const char *name, size_t size, struct buf *ret)
{
        const char *found = NULL;
        for (const char *p = unit->environment.data; p && *p; p += strcspn(p, "\n"), p += *p == '\n') {
                const char *start = p + (*p == '"' || *p == '\'');
                if (strncmp(start, name, size) == 0 && start[size] == '=')
                        found = start + size + 1;
        }
        if (!found)
                return 0;
        found += *found == '"' || *found == '\'';
        return buf_append(ret, found, strcspn(found, "\"'\n")) < 0 ? -ENOMEM : 0;
}

/* $NAME and ${NAME} put in. */
static int
expand(const struct reading_unit *unit, struct buf *ret)
{
        const char *p = unit->command.data;
        p += strspn(p, "@-:+!");
        while (*p) {
                size_t plain = strcspn(p, "$");
                if (buf_append(ret, p, plain) < 0)
                        return -ENOMEM;
                p += plain;
                if (!*p)
                        break;
                bool braced = p[1] == '{';
                const char *name = p + 1 + braced;
                size_t size = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");
                if (append_variable(unit, name, size, ret) < 0)
                        return -ENOMEM;
                p = name + size + (braced && name[size] == '}');
        }
        return 0;
}

static int
read_service(const char *root, const char *name, const char *program, struct sshd_unit *ret,
        struct text_list *watched)
{
        struct reading_unit unit = {.root = root, .watched = watched};
        _cleanup_buf_ struct buf command = {0};
        int r = read_unit(&unit, name);
        if (r == 1 && unit.command.size)
                r = expand(&unit, &command);
        reading_unit_done(&unit);
        if (r < 0 || !command.size)
                return r < 0 ? r : 0;
        struct words words = {.blanks = false};
        split(command.data, command.data + command.size, ' ', &words);
        struct sshd_listener found = {0};
        r = take_words(&words, program, &found);
        if (r != 1) {
                sshd_listener_done(&found);
                return r;
        }
        ret->found = true;
        ret->command = found;
        return 1;
}

int
sshd_unit_read(const char *root, const char *program, struct sshd_unit *ret, struct text_list *watched)
{
        struct reading_unit socket = {.root = root, .watched = watched};
        _cleanup_free_ char *wanted = NULL;
        struct stat st;
        int r = read_service(root, "ssh.service", program, ret, watched);
        if (r == 0)
                r = read_service(root, "sshd.service", program, ret, watched);
        if (r < 0)
                return r;
        if (asprintf(&wanted, "%s/etc/systemd/system/sockets.target.wants/ssh.socket", root) < 0)
                return -ENOMEM;
        if (lstat(wanted, &st) < 0)
                return 0;
        r = read_unit(&socket, "ssh.socket");
        ret->sockets = socket.sockets;
        socket.sockets = (struct buf){0};
        reading_unit_done(&socket);
        return r < 0 ? r : 0;
}

void
sshd_unit_done(struct sshd_unit *unit)
{
        sshd_listener_done(&unit->command);
        buf_done(&unit->sockets);
        unit->found = false;
}
