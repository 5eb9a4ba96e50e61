/* SPDX-License-Identifier: MIT */
/*
 * The mount table as it was read last, against the table now: a line that stands in one of the two only has
 * changed. A line holds the mount's number, device, root and point, so a mount that was taken away and made
 * anew between two reads shows as both.
 *
 * Owns the descriptor and the table. Must not know which paths matter.
 */
#include "daemon/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

struct mounts {
        int fd;
        sd_event_source *source;
        struct mounts_calls calls;
        void *userdata;
        struct mount_table known;
};

static int
compare_lines(const void *a, const void *b)
{
        return strcmp(((const struct mount *)a)->line, ((const struct mount *)b)->line);
}

static int
read_sorted(int fd, struct mount_table *ret)
{
        int r = mount_table_read(fd, ret);
        if (r == 0 && ret->count)
                qsort(ret->mounts, ret->count, sizeof *ret->mounts, compare_lines);
        return r;
}

/* Both are sorted: one walk along the two. */
static void
compare(struct mounts *mounts, const struct mount_table *known)
{
        const struct mount_table *now = &mounts->known;
        size_t i = 0, j = 0;
        while (i < known->count || j < now->count) {
                int order = i == known->count ? 1
                            : j == now->count ? -1
                                              : compare_lines(&known->mounts[i], &now->mounts[j]);
                if (order < 0)
                        mounts->calls.changed(mounts->userdata, known->mounts[i].point, "unmounted");
                else if (order > 0)
                        mounts->calls.changed(mounts->userdata, now->mounts[j].point, "mounted");
                i += order <= 0;
                j += order >= 0;
        }
}

/* The kernel raises EPOLLPRI when the mount table changed. */
static int
on_mounts(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct mounts *mounts = userdata;
        struct mount_table now = {0};
        (void)source;
        (void)revents;
        if (read_sorted(fd, &now) < 0) {
                mounts->calls.lost(mounts->userdata);
                return 0;
        }
        struct mount_table before = mounts->known;
        mounts->known = now; /* whoever is told asks for the new one */
        compare(mounts, &before);
        mount_table_done(&before);
        return 0;
}

const struct mount_table *
mounts_table(const struct mounts *mounts)
{
        static const struct mount_table none;
        return mounts ? &mounts->known : &none;
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
        int r = mounts->fd < 0 ? -errno : read_sorted(mounts->fd, &mounts->known);
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
        mount_table_done(&mounts->known);
        free(mounts);
        return NULL;
}
