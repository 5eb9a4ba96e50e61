/* SPDX-License-Identifier: MIT */
/*
 * The inotify backend. Owns one inotify descriptor; the key of a folder is its watch descriptor. Read in the
 * loop's thread. Who made an event it does not say.
 *
 * Watch descriptors are not reused by the kernel before 2^31 others, and an event for one that is not in the
 * table is dropped.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

#include "daemon/watch_internal.h"

#define EVENT_BUFFER_SIZE ((size_t)64 << 10) /* bytes read at once */

static const uint32_t watch_mask = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE |
                                   IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR |
                                   IN_EXCL_UNLINK;

struct watch_inotify {
        struct watch *watch;
        int fd;
        sd_event_source *source;
};

static void
key_of(int wd, struct fan_key *ret)
{
        ret->size = sizeof wd;
        memcpy(ret->bytes, &wd, sizeof wd);
}

int
watch_inotify_add(struct watch_inotify *inotify, int folder_fd, struct fan_key *ret)
{
        char link[40];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder_fd);
        int wd = inotify_add_watch(inotify->fd, link, watch_mask);
        if (wd < 0)
                return -errno;
        key_of(wd, ret);
        return 0;
}

void
watch_inotify_remove(struct watch_inotify *inotify, const void *key)
{
        int wd;
        memcpy(&wd, key, sizeof wd);
        inotify_rm_watch(inotify->fd, wd);
}

/* What an event says of its path. */
static enum sense
event_sense(const struct inotify_event *event)
{
        bool itself = event->len == 0, folder = event->mask & IN_ISDIR;
        if ((itself && event->mask & (IN_MOVE_SELF | IN_UNMOUNT)) || (folder && event->mask & IN_MOVED_FROM))
                return SENSE_LEFT;
        if ((itself && event->mask & (IN_IGNORED | IN_DELETE_SELF)) || (folder && event->mask & IN_DELETE))
                return SENSE_GONE;
        return folder && event->mask & (IN_MOVED_TO | IN_CREATE) ? SENSE_CAME : SENSE_CHANGED;
}

static void
handle_event(struct watch *watch, const struct inotify_event *event)
{
        char *paths[PATHS_PER_KEY_MAX];
        size_t n_paths;
        struct fan_key key;
        if (event->mask & IN_Q_OVERFLOW) {
                watch->calls.overflow(
                        watch->userdata, "the kernel's event queue (fs.inotify.max_queued_events)");
                return;
        }
        key_of(event->wd, &key);
        if (!watch_paths(watch, &key, event->len ? event->name : NULL, paths, &n_paths))
                watch->calls.overflow(watch->userdata, "no room for the paths of an event");
        for (size_t i = 0; i < n_paths; i++) {
                watch_note(watch, paths[i], event_sense(event), NULL);
                watch_tell(watch, paths[i], event_sense(event), NULL);
                free(paths[i]);
        }
}

/* One buffer of events. Returns its bytes; <= 0: nothing is queued. */
static ssize_t
take_events(struct watch_inotify *inotify)
{
        char buffer[EVENT_BUFFER_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));
        ssize_t size = read(inotify->fd, buffer, sizeof buffer);
        for (ssize_t at = 0; at < size;) {
                const struct inotify_event *event = (const void *)(buffer + at);
                handle_event(inotify->watch, event);
                at += (ssize_t)(sizeof *event + event->len);
        }
        return size;
}

/* What is queued now, and not what comes meanwhile: a storm would never let go of the loop. */
void
watch_inotify_drain(struct watch_inotify *inotify)
{
        int queued = 0;
        if (ioctl(inotify->fd, FIONREAD, &queued) < 0)
                return;
        for (ssize_t left = queued, size; left > 0; left -= size)
                if ((size = take_events(inotify)) <= 0)
                        return;
}

static int
on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        (void)source;
        (void)fd;
        (void)revents;
        take_events(userdata); /* the rest at the next turn: others are served between */
        return 0;
}

int
watch_inotify_new(struct watch *watch, struct watch_inotify **ret, struct err *err)
{
        struct watch_inotify *inotify = calloc(1, sizeof *inotify);
        if (!inotify)
                return err_oom(err);
        inotify->watch = watch;
        inotify->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (inotify->fd < 0) {
                int r = -errno;
                watch_inotify_free(inotify);
                err_set(err, r, "inotify: %s", strerrordesc_np(-r));
                return err_hint(err, r, "raise fs.inotify.max_user_instances");
        }
        int r = sd_event_add_io(watch->event, &inotify->source, inotify->fd, EPOLLIN, on_readable, inotify);
        if (r < 0) {
                watch_inotify_free(inotify);
                return err_set(err, r, "the event loop: %s", strerrordesc_np(-r));
        }
        *ret = inotify;
        return 0;
}

struct watch_inotify *
watch_inotify_free(struct watch_inotify *inotify)
{
        if (!inotify)
                return NULL;
        sd_event_source_disable_unref(inotify->source);
        fd_close(inotify->fd);
        free(inotify);
        return NULL;
}
