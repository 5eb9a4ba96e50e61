/* SPDX-License-Identifier: MIT */
/*
 * The listener, and what each caller may have. Who asks is taken from SO_PEERCRED, when the connection is
 * taken and for good. Everything that can run out has a share that is root's, and each uid has no more than
 * its own: connections, bytes held, threads. Who connects past a share does not wait: the connection of that
 * share that has been idle longest is closed for it, so that a flood hurts nobody but its own.
 *
 * In the loop the socket goes ahead of the watch and of all that follows from it: who asks is answered in a
 * storm too. It does so for AHEAD_MS; then it stands in the row like the rest until each of them had a turn,
 * so that no flood of calls keeps the daemon from seeing.
 *
 * When descriptors run out the listener rests until the timer's next turn: an event that cannot be answered
 * would otherwise come again at once, and for ever.
 */
#include "daemon/control_internal.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>

#include "core/clock.h"
#include "daemon/report.h"

#define PROGRESS_MS 200
#define JOBS_END_S 5  /* how long an end waits for cancelled jobs */
#define SLOW_MS 5000  /* who takes nothing of an answer for so long may be closed for another */
#define TELL_MS 60000 /* limits are told no more often */
#define AHEAD_MS 10
#define AHEAD_PRIORITY (SD_EVENT_PRIORITY_NORMAL - 10)
#ifndef SO_PASSRIGHTS /* Linux 6.16 */
#define SO_PASSRIGHTS 83
#endif

/* ---- shares ---- */

static void
count_one(struct control_count *count, const struct client *client, uid_t uid)
{
        count->all++;
        count->others += client->peer.uid != 0;
        count->own += client->peer.uid == uid;
}

static struct control_count
count_clients(const struct control *control, uid_t uid)
{
        struct control_count count = {0};
        for (const struct client *client = control->clients; client; client = client->next)
                count_one(&count, client, uid);
        return count;
}

struct control_count
control_count_jobs(const struct control *control, bool looks, uid_t uid)
{
        struct control_count count = {0};
        for (const struct client *client = control->clients; client; client = client->next)
                if (client->state == CALL_JOB && client->light == looks)
                        count_one(&count, client, uid);
        for (const struct client *client = control->orphans; client; client = client->next)
                if (client->light == looks)
                        count_one(&count, client, uid);
        return count;
}

bool
control_is_full(const struct control *control, const struct client *client, size_t more)
{
        size_t all = more, own = more, others = more;
        for (const struct client *c = control->clients; c; c = c->next) {
                size_t held = control_client_held(c);
                all += held;
                others += c->peer.uid ? held : 0;
                own += c->peer.uid == client->peer.uid ? held : 0;
        }
        if (client->peer.uid == 0)
                return all > CONTROL_HELD_MAX;
        return own > CONTROL_HELD_OF_UID_MAX || others > CONTROL_HELD_OTHERS_MAX;
}

enum share { SHARE_OF_UID, SHARE_OF_OTHERS, SHARE_OF_ALL };

static bool
is_in_share(const struct client *client, enum share share, uid_t uid)
{
        return share == SHARE_OF_ALL ||
               (share == SHARE_OF_UID ? client->peer.uid == uid : client->peer.uid != 0);
}

/* The client of a share that would miss its connection least; NULL: all are at work. */
static struct client *
find_idlest(const struct control *control, enum share share, uid_t uid)
{
        struct client *idlest = NULL;
        int64_t slow_ms = clock_monotonic_ms() - SLOW_MS;
        for (struct client *client = control->clients; client; client = client->next) {
                bool free = control_client_is_idle(client) ||
                            (client->out.size > client->sent && client->active_ms < slow_ms);
                if (is_in_share(client, share, uid) && free &&
                        (!idlest || client->active_ms <= idlest->active_ms))
                        idlest = client;
        }
        return idlest;
}

/* Whether there is room for one more of this uid, if need be where an idle one was. */
static bool
make_room(struct control *control, uid_t uid)
{
        struct control_count n = count_clients(control, uid);
        enum share share = SHARE_OF_ALL;
        if (uid && n.own >= CONTROL_CLIENTS_OF_UID_MAX)
                share = SHARE_OF_UID;
        else if (uid && n.others >= CONTROL_CLIENTS_OTHERS_MAX)
                share = SHARE_OF_OTHERS;
        else if (n.all < CONTROL_CLIENTS_MAX)
                return true;
        struct client *idlest = find_idlest(control, share, uid);
        control->limits.uid = uid;
        if (!idlest)
                return false;
        control->limits.evicted++;
        control_client_close(idlest);
        return true;
}

void
control_unlink(struct control *control, struct client *client)
{
        for (struct client **slot = &control->clients; *slot; slot = &(*slot)->next)
                if (*slot == client) {
                        *slot = client->next;
                        return;
                }
}

static void
tell_limits(struct control *control, int64_t now_ms)
{
        typeof(control->limits) *limits = &control->limits;
        bool any = limits->refused || limits->evicted || limits->closed;
        if (!any || (limits->told_ms && now_ms - limits->told_ms < TELL_MS))
                return;
        report_line(LOG_WARNING,
                "control socket: a caller is at its limits (the last one has uid %u): %" PRIu64
                " connections refused, %" PRIu64 " idle ones closed for new ones, %" PRIu64 " closed",
                limits->uid, limits->refused, limits->evicted, limits->closed);
        *limits = (typeof(*limits)){.told_ms = now_ms};
}

/* ---- its place in the loop's row ---- */

int
control_place(const struct control *control, sd_event_source *source)
{
        return sd_event_source_set_priority(
                source, control->waits ? SD_EVENT_PRIORITY_NORMAL : AHEAD_PRIORITY);
}

static void
place_all(struct control *control, bool waits)
{
        if (control->waits == waits)
                return;
        control->waits = waits;
        control_place(control, control->source);
        control_place(control, control->job_source);
        for (struct client *client = control->clients; client; client = client->next)
                control_place(control, client->source);
}

/* All that waited when the socket was first served in this round had its turn. */
static int
on_round(sd_event_source *source, void *userdata)
{
        struct control *control = userdata;
        (void)source;
        control->served = false;
        place_all(control, false);
        return 0;
}

void
control_has_turn(struct control *control)
{
        int64_t now_ms = clock_monotonic_ms();
        if (!control->served) {
                control->served = true;
                control->served_ms = now_ms;
                sd_event_source_set_enabled(control->round_source, SD_EVENT_ONESHOT);
        }
        if (now_ms - control->served_ms >= AHEAD_MS)
                place_all(control, true);
}

/* ---- the listener ---- */

static int
accept_failed(struct control *control, int error)
{
        if (error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS) {
                control->limits.refused++;
                sd_event_source_set_enabled(control->source, SD_EVENT_OFF); /* to on_timer */
        }
        return 0;
}

static int
on_connect(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct control *control = userdata;
        struct service_peer peer = {0};
        struct ucred credentials;
        socklen_t size = sizeof credentials;
        (void)source;
        (void)revents;
        control_has_turn(control);
        int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (accepted < 0)
                return accept_failed(control, errno);
        bool known = getsockopt(accepted, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0;
        if (!known || !make_room(control, credentials.uid)) {
                control->limits.refused++;
                close(accepted);
                return 0;
        }
        peer.uid = credentials.uid;
        peer.pid = credentials.pid;
        control_client_new(control, accepted, &peer);
        return 0;
}

static int
on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct control *control = userdata;
        int64_t now_ms = clock_monotonic_ms();
        bool busy = false;
        (void)usec;
        for (struct client *client = control->clients, *next; client; client = next) {
                next = client->next;
                if (client->closing || control_client_is_late(client, now_ms)) {
                        control_client_close(client);
                        continue;
                }
                busy = true;
                control_call_progress(client);
        }
        tell_limits(control, now_ms);
        sd_event_source_set_enabled(control->source, SD_EVENT_ON);
        sd_event_source_set_time(source, (uint64_t)(now_ms + (busy ? PROGRESS_MS : 5 * PROGRESS_MS)) * 1000);
        sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        return 0;
}

void
control_announce(struct control *control, const struct announcement *a)
{
        char time[CLOCK_TEXT_MAX];
        clock_format(a->time_ms, time);
        for (struct client *client = control->clients; client; client = client->next) {
                if (!control_call_follows(client, a))
                        continue;
                struct json *detail =
                        a->detail ? json_keep((struct json *)(uintptr_t)a->detail) : json_make("{}");
                struct json *record = json_make("{s:I, s:s, s:s, s:s?, s:o}", "seq", (json_int)a->seq, "time",
                        time, "kind", a->kind, "item", a->item, "detail", detail);
                control_call_reply(client, json_make("{s:[o]}", "records", record), true);
                if (client->out.size - client->sent > CONTROL_FOLLOW_MAX || !control_client_send(client))
                        client->closing = true; /* reaped by the timer: the list is being walked here */
                control_client_watch(client);
        }
}

/* ---- jobs that are over ---- */

static bool
job_is_over(struct client *client)
{
        pthread_mutex_lock(&client->control->lock);
        bool over = client->state == CALL_JOB && client->job_over;
        pthread_mutex_unlock(&client->control->lock);
        return over;
}

static int
on_job_over(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct control *control = userdata;
        uint64_t count;
        ssize_t got = read(fd, &count, sizeof count);
        (void)source;
        (void)revents;
        (void)got;
        control_has_turn(control);
        for (struct client *client = control->clients, *next; client; client = next) {
                next = client->next;
                if (job_is_over(client))
                        control_call_job_over(client);
        }
        for (struct client **slot = &control->orphans; *slot;) {
                struct client *client = *slot;
                if (!job_is_over(client)) {
                        slot = &client->next;
                        continue;
                }
                *slot = client->next;
                pthread_join(client->thread, NULL);
                control_client_free(client);
        }
        return 0;
}

/* ---- life ---- */

static int
bind_at(struct control *control, struct err *err)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int none = 0;
        if (strlen(control->path) >= sizeof address.sun_path) {
                err_set(err, -ENAMETOOLONG, "%.200s is too long for a socket", control->path);
                return err_hint(err, -ENAMETOOLONG, "runtime_dir may have about 90 bytes");
        }
        memcpy(address.sun_path, control->path, strlen(control->path) + 1);
        control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        unlink(control->path); /* the store's lock says that no other driftd of this instance runs */
        mode_t before = umask(0177);
        int r = control->fd < 0 || bind(control->fd, (struct sockaddr *)&address, sizeof address) < 0 ? -errno
                                                                                                      : 0;
        umask(before);
        /* Closing a descriptor that a caller passed could hang in its file system; older kernels know no such
         * option. Connections inherit it. */
        setsockopt(control->fd, SOL_SOCKET, SO_PASSRIGHTS, &none, sizeof none);
        const struct group *group = getgrnam("driftd");
        if (r == 0 && group && chown(control->path, (uid_t)-1, group->gr_gid) < 0)
                report_line(
                        LOG_WARNING, "%s stays with its group: %s", control->path, strerrordesc_np(errno));
        if (r == 0 && chmod(control->path, 0660) < 0)
                r = -errno;
        return r < 0 ? err_set(err, r, "%.200s: %s", control->path, strerrordesc_np(-r)) : 0;
}

int
control_new(sd_event *event, struct instance *instance, struct engine *engine, const char *path,
        struct control **ret, struct err *err)
{
        _cleanup_(control_freep) struct control *control = calloc(1, sizeof *control);
        if (!control)
                return err_oom(err);
        control->fd = control->job_fd = -1;
        pthread_mutex_init(&control->lock, NULL);
        control->event = event;
        control->instance = instance;
        control->engine = engine;
        control->path = strdup(path);
        control->job_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (!control->path || control->job_fd < 0)
                return err_oom(err);
        int r = bind_at(control, err);
        if (r < 0)
                return r;
        uint64_t soon = (uint64_t)(clock_monotonic_ms() + PROGRESS_MS) * 1000;
        r = sd_event_add_io(event, &control->source, control->fd, EPOLLIN, on_connect, control);
        if (r >= 0)
                r = sd_event_add_io(
                        event, &control->job_source, control->job_fd, EPOLLIN, on_job_over, control);
        if (r >= 0)
                r = sd_event_add_time(event, &control->timer, CLOCK_BOOTTIME, soon, 50000, on_timer, control);
        if (r >= 0)
                r = sd_event_add_defer(event, &control->round_source, on_round, control);
        if (r >= 0)
                r = control_place(control, control->source);
        if (r >= 0)
                r = control_place(control, control->job_source);
        if (r < 0)
                return err_set(err, r, "the event loop: %s", strerrordesc_np(-r));
        *ret = steal_pointer(&control);
        return 0;
}

int
control_listen(struct control *control, struct err *err)
{
        if (listen(control->fd, 128) == 0)
                return 0;
        int r = -errno;
        return err_set(err, r, "%.200s: %s", control->path, strerrordesc_np(-r));
}

/* Waits for the jobs that were cancelled, not for ever. */
static bool
join_orphans(struct control *control)
{
        struct timespec deadline;
        clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_sec += JOBS_END_S;
        while (control->orphans) {
                struct client *client = control->orphans;
                if (pthread_timedjoin_np(client->thread, NULL, &deadline) != 0)
                        return false;
                control->orphans = client->next;
                control_client_free(client);
        }
        return true;
}

struct control *
control_free(struct control *control)
{
        if (!control)
                return NULL;
        while (control->clients)
                control_client_close(control->clients);
        bool stuck = !join_orphans(control);
        sd_event_source_disable_unref(control->source);
        sd_event_source_disable_unref(control->job_source);
        sd_event_source_disable_unref(control->timer);
        sd_event_source_disable_unref(control->round_source);
        if (control->fd >= 0 && control->path)
                unlink(control->path);
        fd_close(control->fd);
        if (stuck) /* what the thread holds stays to the end of the process */
                return NULL;
        fd_close(control->job_fd);
        free(control->path);
        pthread_mutex_destroy(&control->lock);
        free(control);
        return NULL;
}
