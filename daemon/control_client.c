/* SPDX-License-Identifier: MIT */
/*
 * One client: a small state machine. Bytes in, up to one NUL; one call at a time; bytes out. While a call is
 * under way its client is not read, so that nobody can queue work, and each turn of the loop does one thing
 * for it: one request, one slice of the history, at most CONTROL_TURN_MAX bytes sent.
 *
 * Descriptors passed along are refused by the kernel where it can (SO_PASSRIGHTS, Linux 6.16). Elsewhere they
 * are never received, for recvmsg is given no room for them, and whoever sent one is closed.
 */
#include "daemon/control_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/clock.h"

#define READ_SIZE ((size_t)64 << 10)
#define FAIR_PIECE ((size_t)64 << 10) /* bytes: who takes so many is not stalled */
#define KEEP_MAX ((size_t)64 << 10)   /* bytes of an empty buffer that are kept */

static int on_client(sd_event_source *source, int fd, uint32_t revents, void *userdata);

/* ---- life ---- */

int
control_client_new(struct control *control, int fd, const struct service_peer *peer)
{
        struct client *client = calloc(1, sizeof *client);
        if (!client) {
                close(fd);
                return -ENOMEM;
        }
        client->control = control;
        client->fd = fd;
        client->peer = *peer;
        client->in.max = CONTROL_FRAME_MAX;
        client->active_ms = clock_monotonic_ms();
        int r = sd_event_add_io(control->event, &client->source, fd, EPOLLIN, on_client, client);
        r = r < 0 ? r : control_place(control, client->source);
        if (r < 0) {
                sd_event_source_disable_unref(client->source);
                close(fd);
                control_client_free(client);
                return r;
        }
        client->next = control->clients;
        control->clients = client;
        return 0;
}

void
control_client_free(struct client *client)
{
        service_job_free(client->job);
        service_session_done(&client->session);
        service_slices_done(&client->slices);
        json_free(client->parameters);
        json_free(client->answer);
        varlink_frames_done(&client->in);
        buf_done(&client->out);
        free(client);
}

void
control_client_close(struct client *client)
{
        struct control *control = client->control;
        control_unlink(control, client);
        if (client->settle)
                engine_settle_cancel(control->engine, client->settle);
        control_call_answer(client); /* what was applied is told, also where the daemon ends */
        client->source = sd_event_source_disable_unref(client->source);
        fd_close(client->fd);
        client->fd = -1;
        if (client->state != CALL_JOB) {
                control_client_free(client);
                return;
        }
        /* A file system may hold its thread: what else it has is let go now, the rest when that comes back.
         */
        service_job_cancel(client->job);
        service_session_done(&client->session);
        varlink_frames_done(&client->in);
        buf_done(&client->out);
        client->next = control->orphans;
        control->orphans = client;
}

size_t
control_client_held(const struct client *client)
{
        return varlink_frames_held(&client->in) + client->out.size + service_session_held(&client->session);
}

bool
control_client_is_idle(const struct client *client)
{
        return client->state == CALL_NONE && client->out.size == client->sent;
}

bool
control_client_is_late(const struct client *client, int64_t now_ms)
{
        if (client->out.size > client->sent)
                return now_ms - client->active_ms > CONTROL_STALL_MS;
        if (client->request_ms && client->state == CALL_NONE)
                return now_ms - client->request_ms > CONTROL_REQUEST_MS;
        return client->state == CALL_NONE && now_ms - client->active_ms > CONTROL_IDLE_MS;
}

/* ---- bytes out ---- */

static void
note_taken(struct client *client)
{
        bool all = client->sent == client->out.size;
        if (all || client->sent - client->marked >= FAIR_PIECE) {
                client->active_ms = clock_monotonic_ms();
                client->marked = client->sent;
        }
        if (!all)
                return;
        if (client->request_ms) /* it could not be served before */
                client->request_ms = client->active_ms;
        if (client->out.capacity > KEEP_MAX)
                buf_done(&client->out);
        buf_clear(&client->out);
        client->sent = client->marked = 0;
}

bool
control_client_send(struct client *client)
{
        size_t turn = 0;
        while (client->sent < client->out.size && turn < CONTROL_TURN_MAX) {
                size_t wanted = min_size(client->out.size - client->sent, CONTROL_TURN_MAX - turn);
                ssize_t size = send(
                        client->fd, client->out.data + client->sent, wanted, MSG_NOSIGNAL | MSG_DONTWAIT);
                if (size < 0 && errno == EAGAIN)
                        break;
                if (size < 0)
                        return false;
                client->sent += (size_t)size;
                turn += (size_t)size;
        }
        if (turn)
                note_taken(client);
        return true;
}

/* ---- bytes in ---- */

void
control_client_watch(struct client *client)
{
        bool waits = client->state == CALL_SLICES ||
                     (client->state == CALL_NONE && varlink_frames_waiting(&client->in));
        bool reads = !client->ended && (client->state == CALL_NONE || client->state == CALL_FOLLOW) &&
                     !varlink_frames_waiting(&client->in);
        bool writes = waits || client->out.size > client->sent;
        sd_event_source_set_io_events(client->source, (writes ? EPOLLOUT : 0) | (reads ? EPOLLIN : 0));
}

/* The next request, if there is one. false: what came is not Varlink. */
static bool
take_request(struct client *client)
{
        struct varlink_request request;
        const char *text;
        size_t size;
        int r = varlink_frames_take(&client->in, &text, &size);
        if (r < 0)
                client->control->limits.closed++;
        if (r <= 0)
                return r == 0;
        client->active_ms = clock_monotonic_ms();
        client->request_ms = varlink_frames_held(&client->in) ? client->active_ms : 0;
        if (varlink_request_parse(text, size, &request, NULL) < 0)
                return false;
        control_call_start(client, &request);
        varlink_request_done(&request);
        return true;
}

void
control_client_serve(struct client *client)
{
        bool ok = control_client_send(client) && !client->closing;
        if (ok && client->state == CALL_SLICES && client->out.size == client->sent)
                control_call_slice(client);
        else if (ok && control_client_is_idle(client))
                ok = take_request(client);
        ok = ok && control_client_send(client) && !client->closing;
        bool over = client->ended && control_client_is_idle(client) && !varlink_frames_waiting(&client->in);
        if (ok && !over)
                control_client_watch(client);
        else
                control_client_close(client);
}

/* < 0: the client is to be closed. */
static int
receive(struct client *client)
{
        char chunk[READ_SIZE];
        struct iovec vector = {chunk, sizeof chunk};
        struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
        ssize_t size = recvmsg(client->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (size < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (message.msg_flags & MSG_CTRUNC)
                return -EPERM; /* it came with a descriptor, or with credentials: nobody asked for them */
        client->ended = size == 0;
        if (size && !client->request_ms)
                client->request_ms = clock_monotonic_ms();
        return varlink_frames_add(&client->in, chunk, (size_t)size);
}

/* The other end may have closed: what it asked before goes on being taken, for it may have said oneway. */
static int
on_client(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct client *client = userdata;
        bool gone = revents & EPOLLHUP;
        (void)source;
        (void)fd;
        control_has_turn(client->control);
        if (revents & EPOLLERR || (gone && (client->state != CALL_NONE || client->ended))) {
                control_client_close(client); /* nobody waits for the answer any more */
                return 0;
        }
        bool reads = (revents & EPOLLIN || gone) && !varlink_frames_waiting(&client->in);
        if (reads && receive(client) < 0)
                control_client_close(client);
        else
                control_client_serve(client);
        return 0;
}
