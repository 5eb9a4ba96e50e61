/* SPDX-License-Identifier: MIT */
/*
 * The receivers. Each kind is a row of functions; what they share is that a failure closes what was open, so
 * that the next attempt begins anew, and that every wait is a poll that also sees the stop.
 *
 * TCP tells nobody whether a program has read what it was sent. The kernel tells what the peer's kernel has
 * acknowledged (SIOCOUTQ), and sender_sync waits for that. What a receiver loses that dies with records in
 * its own buffers is sent again by the relay, which goes back by some seconds whenever a connection is lost.
 * A local socket is the same: what was in the queue of a receiver that died counts as read, and only the next
 * message meets the refusal.
 */
#include "cli/sender.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/child.h"
#include "core/clock.h"
#include "core/quote.h"

#define FILE_MODE 0640
#define COMMAND_OUTPUT_MAX ((size_t)64 << 10) /* bytes that a program may say */
#define ACK_LOOK_MS 5                         /* how often the kernel is asked what the peer has */

struct sender {
        const struct config_output *config;
        const struct output_host *host;
        const struct sender_stop *stop;
        int fd;
        bool sent;      /* something was, since it was opened */
        struct stat st; /* of the file */
        struct buf text;
};

static void
disconnect(struct sender *sender)
{
        fd_close(sender->fd);
        sender->fd = -1;
        sender->sent = false;
}

/* Closes, and says whether something may be lost with it. */
static int
give_up(struct sender *sender, struct err *err, const char *what, const char *why)
{
        int r = sender->sent ? SENDER_BROKEN : SENDER_FAILED;
        disconnect(sender);
        return err_set(err, r, "%.400s: %s", what, why);
}

/* 0: ready; -ECANCELED: to be stopped; -ETIMEDOUT. fd -1: only waits. */
static int
wait_for(const struct sender *sender, int fd, short events, int timeout_ms)
{
        struct pollfd fds[] = {{sender->stop->fd, POLLIN, 0}, {fd, events, 0}};
        int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
        for (;;) {
                int64_t left_ms = deadline_ms - clock_monotonic_ms();
                if (atomic_load(&sender->stop->now))
                        return -ECANCELED;
                int n = left_ms > 0 ? poll(fds, ARRAY_SIZE(fds), (int)left_ms) : 0;
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0 && fds[1].revents)
                        return 0;
                if (n == 0)
                        return -ETIMEDOUT;
        }
}

/* ---- ecs: a file ---- */

/* A crash in the middle of a line leaves a part of it behind: what follows begins on a line of its own. */
static int
mend_end(struct sender *sender)
{
        char last = '\n';
        if (sender->st.st_size > 0 && pread(sender->fd, &last, 1, sender->st.st_size - 1) != 1)
                return -EIO;
        if (last != '\n' && write(sender->fd, "\n", 1) != 1)
                return errno ? -errno : -EIO;
        return 0;
}

static int
file_open(struct sender *sender, struct err *err)
{
        const char *path = sender->config->path;
        sender->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, FILE_MODE);
        if (sender->fd < 0 || fstat(sender->fd, &sender->st) < 0)
                return give_up(sender, err, quote(path),
                        errno == ELOOP ? "it is a link, and only a file is written" : strerrordesc_np(errno));
        if (!S_ISREG(sender->st.st_mode))
                return give_up(sender, err, quote(path), "it is no regular file");
        int r = mend_end(sender);
        return r < 0 ? give_up(sender, err, quote(path), strerrordesc_np(-r)) : 0;
}

/* Rotated: the path leads to another file, or to none. */
static bool
file_is_another(const struct sender *sender)
{
        struct stat st;
        return lstat(sender->config->path, &st) < 0 || st.st_dev != sender->st.st_dev ||
               st.st_ino != sender->st.st_ino;
}

/* A line that did not fit is taken back; what cannot be is mended when the file is opened again. */
static int
file_write_line(struct sender *sender, struct err *err)
{
        const struct buf *text = &sender->text;
        struct stat before, after;
        size_t done = 0;
        ssize_t n = 0;
        if (fstat(sender->fd, &before) < 0)
                return give_up(sender, err, quote(sender->config->path), strerrordesc_np(errno));
        while (done < text->size && (n = write(sender->fd, text->data + done, text->size - done)) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        break;
                done += (size_t)n;
        }
        if (done == text->size)
                return 0;
        int error = n < 0 ? errno : ENOSPC;
        if (done && fstat(sender->fd, &after) == 0 && after.st_size == before.st_size + (off_t)done &&
                ftruncate(sender->fd, before.st_size) < 0)
                error = errno;
        sender->sent = false; /* what is in the file stays there */
        return give_up(sender, err, quote(sender->config->path), strerrordesc_np(error));
}

/* fdatasync that fails may have dropped what it could not write: that is sent again. */
static int
file_sync(struct sender *sender, struct err *err)
{
        if (sender->fd < 0 || fdatasync(sender->fd) == 0)
                return 0;
        sender->sent = true;
        return give_up(sender, err, quote(sender->config->path), strerrordesc_np(errno));
}

static int
file_send(struct sender *sender, const struct output_event *event, struct err *err)
{
        if (sender->fd >= 0 && file_is_another(sender)) {
                int r = file_sync(sender, err);
                if (r)
                        return r;
                disconnect(sender);
        }
        int r = sender->fd < 0 ? file_open(sender, err) : 0;
        if (r)
                return r;
        if (output_ecs(sender->host, event, &sender->text) < 0)
                return err_oom(err);
        return file_write_line(sender, err);
}

/* ---- syslog: sockets ---- */

static int
unix_open(struct sender *sender, struct err *err)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        const char *path = sender->config->socket;
        memcpy(address.sun_path, path, strlen(path) + 1);
        sender->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (sender->fd >= 0 && connect(sender->fd, (const struct sockaddr *)&address, sizeof address) == 0)
                return 0;
        return give_up(sender, err, quote(path),
                errno == EPROTOTYPE ? "it is no datagram socket" : strerrordesc_np(errno));
}

static int
connect_one(struct sender *sender, const struct addrinfo *address)
{
        int error = 0, one = 1, stall_ms = SENDER_STALL_MS;
        socklen_t size = sizeof error;
        sender->fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (sender->fd < 0)
                return -errno;
        if (connect(sender->fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS)
                return -errno;
        int r = wait_for(sender, sender->fd, POLLOUT, SENDER_CONNECT_MS);
        if (r == 0 && getsockopt(sender->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
                r = -errno;
        if (r || error)
                return r ? r : -error;
        setsockopt(sender->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        setsockopt(sender->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
        setsockopt(sender->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &stall_ms, sizeof stall_ms);
        return 0;
}

static const char *
peer_name(const struct sender *sender, char text[static 512])
{
        snprintf(text, 512, "%.400s:%s", sender->config->host, sender->config->port);
        return text;
}

static int
tcp_open(struct sender *sender, struct err *err)
{
        struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                .ai_socktype = SOCK_STREAM,
                                .ai_flags = AI_NUMERICSERV},
                        *list = NULL;
        char name[512];
        int found = getaddrinfo(sender->config->host, sender->config->port, &hints, &list),
            r = -EADDRNOTAVAIL;
        if (found)
                return give_up(sender, err, peer_name(sender, name), gai_strerror(found));
        for (struct addrinfo *address = list; address && r != 0 && r != -ECANCELED;
                address = address->ai_next) {
                disconnect(sender);
                r = connect_one(sender, address);
        }
        freeaddrinfo(list);
        if (r == -ECANCELED)
                disconnect(sender);
        return r == 0 || r == -ECANCELED ? r
                                         : give_up(sender, err, peer_name(sender, name), strerrordesc_np(-r));
}

static const char *
socket_name(const struct sender *sender, char text[static 512])
{
        if (sender->config->host)
                return peer_name(sender, text);
        snprintf(text, 512, "%.400s", quote(sender->config->socket));
        return text;
}

int
sender_fd(const struct sender *sender)
{
        return sender->config->host ? sender->fd : -1;
}

/* Syslog receivers say nothing: what can be read is the end. */
int
sender_look(struct sender *sender, struct err *err)
{
        char byte[256], name[512];
        if (sender_fd(sender) < 0)
                return 0;
        ssize_t n = recv(sender->fd, byte, sizeof byte, MSG_DONTWAIT);
        if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
                return 0;
        int r = give_up(sender, err, peer_name(sender, name),
                n == 0 ? "the receiver closed the connection" : strerrordesc_np(errno));
        return n == 0 && r == SENDER_BROKEN ? SENDER_LOST : r; /* it had read all: else it were a reset */
}

static int
stopped_or_lost(struct sender *sender, int r, struct err *err)
{
        char name[512];
        if (r == -ECANCELED)
                return r;
        return give_up(sender, err, socket_name(sender, name),
                r == -ETIMEDOUT ? "the receiver takes nothing" : strerrordesc_np(-r));
}

static int
socket_write(struct sender *sender, const char *data, size_t size, struct err *err)
{
        size_t done = 0;
        while (done < size) {
                ssize_t n = send(sender->fd, data + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
                if (n >= 0)
                        done += (size_t)n;
                else if (errno == EAGAIN || errno == ENOBUFS) {
                        bool no_memory = errno == ENOBUFS; /* of the kernel's, for now */
                        int r = no_memory ? wait_for(sender, -1, 0, ACK_LOOK_MS)
                                          : wait_for(sender, sender->fd, POLLOUT, SENDER_STALL_MS);
                        if (r && !(r == -ETIMEDOUT && no_memory))
                                return stopped_or_lost(sender, r, err);
                } else if (errno == EMSGSIZE)
                        return -EMSGSIZE;
                else if (errno != EINTR)
                        return stopped_or_lost(sender, -errno, err);
                sender->sent |= n > 0;
        }
        return 0;
}

static int
tcp_send(struct sender *sender, struct err *err)
{
        _cleanup_buf_ struct buf frame = {0};
        int r = sender_look(sender, err);
        if (r)
                return r;
        if (buf_printf(&frame, "%zu ", sender->text.size) < 0 ||
                buf_append(&frame, sender->text.data, sender->text.size) < 0)
                return err_oom(err);
        r = socket_write(sender, frame.data, frame.size, err);
        if (r == -ECANCELED) /* in the middle of a frame, perhaps: nothing more can follow it */
                disconnect(sender);
        return r;
}

static int
socket_send(struct sender *sender, const struct output_event *event, struct err *err)
{
        const struct config_output *config = sender->config;
        bool tcp = config->host != NULL;
        int r = sender->fd >= 0 ? 0 : tcp ? tcp_open(sender, err) : unix_open(sender, err);
        if (r)
                return r;
        if (output_syslog(config, sender->host, event, SYSLOG_VALUE_MAX, &sender->text) < 0)
                return err_oom(err);
        if (tcp)
                return tcp_send(sender, err);
        r = socket_write(sender, sender->text.data, sender->text.size, err);
        if (r != -EMSGSIZE)
                return r;
        buf_clear(&sender->text);
        if (output_syslog(config, sender->host, event, SYSLOG_VALUE_LEAST, &sender->text) < 0)
                return err_oom(err);
        r = socket_write(sender, sender->text.data, sender->text.size, err);
        return r == -EMSGSIZE ? give_up(sender, err, quote(config->socket), strerrordesc_np(EMSGSIZE)) : r;
}

/* TCP: acknowledged by the peer's kernel. A local socket: read by its program. */
static int
socket_sync(struct sender *sender, struct err *err)
{
        int64_t deadline_ms = clock_monotonic_ms() + SENDER_STALL_MS;
        for (int queued = 0; sender->fd >= 0;) {
                int r = sender_look(sender, err);
                if (r)
                        return r;
                if (ioctl(sender->fd, SIOCOUTQ, &queued) < 0)
                        return stopped_or_lost(sender, -errno, err);
                if (!queued)
                        return 0;
                r = wait_for(sender, -1, 0, ACK_LOOK_MS);
                if (r != -ETIMEDOUT || clock_monotonic_ms() > deadline_ms)
                        return stopped_or_lost(sender, r, err);
        }
        return 0;
}

/* ---- command: a program for each record ---- */

static int
command_send(struct sender *sender, const struct output_event *event, struct err *err)
{
        const struct config_output *config = sender->config;
        _cleanup_buf_ struct buf output = {0}, errors = {0};
        char *arguments[CONFIG_ARGUMENTS_MAX + 1] = {0};
        int status = 0;
        for (size_t i = 0; i < config->command.count; i++)
                arguments[i] = config->command.items[i];
        if (output_record(event, &sender->text) < 0)
                return err_oom(err);
        struct child child = {.program = arguments[0],
                .arguments = arguments,
                .timeout_ms = (unsigned)config->timeout_s * 1000,
                .output_max = COMMAND_OUTPUT_MAX,
                .cancel = &sender->stop->now,
                .input = sender->text.data,
                .input_size = sender->text.size};
        int r = child_run(&child, &output, &errors, &status, err);
        if (r || !status)
                return r == CHILD_FAILED ? SENDER_FAILED : r;
        size_t size = errors.size;
        while (size && (unsigned char)errors.data[size - 1] <= 0x20)
                size--;
        return err_set(err, SENDER_FAILED, "%.200s: exit status %d%s%s", quote(arguments[0]), status,
                size ? ": " : "", size ? quote_bytes(&(struct quote){{0}}, errors.data, size) : "");
}

/* ---- all ---- */

struct sender *
sender_new(const struct config_output *config, const struct output_host *host, const struct sender_stop *stop)
{
        struct sender *sender = calloc(1, sizeof *sender);
        if (sender)
                *sender = (struct sender){.config = config, .host = host, .stop = stop, .fd = -1};
        return sender;
}

struct sender *
sender_free(struct sender *sender)
{
        if (!sender)
                return NULL;
        fd_close(sender->fd);
        buf_done(&sender->text);
        free(sender);
        return NULL;
}

static const struct {
        int (*send)(struct sender *sender, const struct output_event *event, struct err *err);
        int (*sync)(struct sender *sender, struct err *err); /* NULL: what is sent is there */
} ways[OUTPUT_TYPE_COUNT] = {
        [OUTPUT_ECS] = {file_send, file_sync},
        [OUTPUT_SYSLOG] = {socket_send, socket_sync},
        [OUTPUT_COMMAND] = {command_send, NULL},
};

int
sender_send(struct sender *sender, const struct output_event *event, struct err *err)
{
        buf_clear(&sender->text);
        return ways[sender->config->type].send(sender, event, err);
}

int
sender_sync(struct sender *sender, struct err *err)
{
        int (*sync)(struct sender *, struct err *) = ways[sender->config->type].sync;
        return sync ? sync(sender, err) : 0;
}
