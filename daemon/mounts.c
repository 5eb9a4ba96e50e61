/* SPDX-License-Identifier: MIT */
/*
 * Mountinfo as it was read last, line by line and sorted, against mountinfo now: what stands in one of the
 * two only has changed. A line holds the mount's number, device, root and point, so a mount that was taken
 * away and made anew between two reads shows as both.
 *
 * Owns the descriptor and the two lists. Must not know which paths matter.
 */
#include "daemon/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"

struct lines {
        char *text; /* NUL instead of each LF */
        char **items;
        size_t count;
};

struct mounts {
        int fd;
        sd_event_source *source;
        struct mounts_calls calls;
        void *userdata;
        struct lines known;
};

static void
lines_done(struct lines *lines)
{
        free(lines->text);
        free(lines->items);
        *lines = (struct lines){0};
}

static int
compare_lines(const void *a, const void *b)
{
        char *const *left = a, *const *right = b;
        return strcmp(*left, *right);
}

static int
lines_split(struct lines *lines)
{
        size_t count = 0;
        for (const char *c = lines->text; *c; c++)
                count += *c == '\n';
        lines->items = calloc(count + 1, sizeof *lines->items);
        if (!lines->items)
                return -ENOMEM;
        for (char *rest = lines->text, *line; (line = strsep(&rest, "\n")) && rest;)
                lines->items[lines->count++] = line;
        qsort(lines->items, lines->count, sizeof *lines->items, compare_lines);
        return 0;
}

static int
lines_read(int fd, struct lines *ret)
{
        _cleanup_buf_ struct buf text = {0};
        char chunk[8192];
        ssize_t size;
        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        while ((size = read(fd, chunk, sizeof chunk)) > 0)
                if (text.size > MOUNTS_SIZE_MAX || buf_append(&text, chunk, (size_t)size) < 0)
                        return -ENOMEM;
        if (size < 0)
                return -errno;
        struct lines lines = {.text = buf_steal(&text)};
        int r = lines.text ? lines_split(&lines) : -ENOMEM;
        if (r < 0)
                lines_done(&lines);
        else
                *ret = lines;
        return r;
}

/* The fifth field, with the kernel's escapes (\040 and the like) undone; to be freed. */
static char *
line_point(const char *line)
{
        for (unsigned field = 1; field < 5; field++) {
                line = strchr(line, ' ');
                if (!line)
                        return NULL;
                line++;
        }
        char *point = strndup(line, strcspn(line, " ")), *to = point;
        for (const char *from = point; from && *from; to++) {
                bool octal = from[0] == '\\' && strspn(from + 1, "01234567") >= 3;
                *to = octal ? (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0')) : *from;
                from += octal ? 4 : 1;
        }
        if (point)
                *to = '\0';
        return point;
}

static void
tell(struct mounts *mounts, const char *line, const char *change)
{
        _cleanup_free_ char *point = line_point(line);
        if (point)
                mounts->calls.changed(mounts->userdata, point, change);
        else
                mounts->calls.lost(mounts->userdata);
}

/* Both are sorted: one walk along the two. */
static void
compare(struct mounts *mounts, const struct lines *now)
{
        const struct lines *known = &mounts->known;
        size_t i = 0, j = 0;
        while (i < known->count || j < now->count) {
                int order = i == known->count ? 1
                            : j == now->count ? -1
                                              : strcmp(known->items[i], now->items[j]);
                if (order < 0)
                        tell(mounts, known->items[i], "unmounted");
                else if (order > 0)
                        tell(mounts, now->items[j], "mounted");
                i += order <= 0;
                j += order >= 0;
        }
}

/* The kernel raises EPOLLPRI when the mount table changed. */
static int
on_mounts(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct mounts *mounts = userdata;
        struct lines now = {0};
        (void)source;
        (void)revents;
        if (lines_read(fd, &now) < 0) {
                mounts->calls.lost(mounts->userdata);
                return 0;
        }
        compare(mounts, &now);
        lines_done(&mounts->known);
        mounts->known = now;
        return 0;
}

int
mounts_new(sd_event *event, const struct mounts_calls *calls, void *userdata, struct mounts **ret,
        struct err *err)
{
        _cleanup_(mounts_freep) struct mounts *mounts = calloc(1, sizeof *mounts);
        if (!mounts)
                return err_oom(err);
        mounts->calls = *calls;
        mounts->userdata = userdata;
        mounts->fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        int r = mounts->fd < 0 ? -errno : lines_read(mounts->fd, &mounts->known);
        if (r == -ENOMEM)
                return err_oom(err);
        *ret = NULL;
        if (r < 0) {
                err_set(err, r, "/proc/self/mountinfo cannot be read: %s", strerrordesc_np(-r));
                return 0;
        }
        r = sd_event_add_io(event, &mounts->source, mounts->fd, EPOLLPRI, on_mounts, mounts);
        if (r < 0)
                return err_set(err, r, "the event loop: %s", strerrordesc_np(-r));
        *ret = steal_pointer(&mounts);
        return 0;
}

struct mounts *
mounts_free(struct mounts *mounts)
{
        if (!mounts)
                return NULL;
        sd_event_source_disable_unref(mounts->source);
        fd_close(mounts->fd);
        lines_done(&mounts->known);
        free(mounts);
        return NULL;
}
