/* SPDX-License-Identifier: MIT */
/*
 * One way to call the methods, two ways to reach them. A call over the socket is one frame out and one or
 * more frames in (Varlink: JSON, then a NUL); a call in our own process is service_call with the same JSON.
 * Nobody above can tell them apart but by client_is_daemon.
 *
 * Owns the connection or the opened instance. Frames are bounded in both directions. A connection on which a
 * reply was cut short is closed and answers nothing more: what comes next on it could not be told apart.
 */
#include "cli/client.h"

#include <errno.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cli/fail.h"
#include "cli/print.h"
#include "core/buf.h"

#define INTERFACE "dev.driftd.Control."
#define READ_SIZE ((size_t)64 << 10) /* bytes asked of the socket at once */

struct client {
        int fd; /* -1: in this process, or closed after a failure */
        bool is_daemon;
        struct buf input;
        size_t searched; /* bytes of input known to hold no NUL */
        struct instance *instance;
        struct service_session session;
};

static const char start_hint[] =
        "start it (systemctl start driftd), or run this as root: then driftctl reads the store itself";

static int
connect_failed(const char *path, int error, struct err *err)
{
        bool absent = error == ENOENT || error == ECONNREFUSED;
        if (absent)
                err_set(err, EXIT_FAILED, "no daemon answers on %s", path);
        else
                err_set(err, EXIT_FAILED, "cannot connect to %s: %s", path, strerrordesc_np(error));
        if (error == EACCES || error == EPERM)
                return err_hint(err, EXIT_FAILED,
                        "run it as root (sudo), or join the group of the socket: sudo adduser YOU driftd, "
                        "and log in again");
        return err_hint(err, EXIT_FAILED, "%s", start_hint);
}

/* *ret_errno: why not, where the words alone would not tell. */
static int
socket_connect(const struct config *config, int *ret_fd, int *ret_errno, struct err *err)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_free_ char *path = config_socket(config);
        _cleanup_fd_ int fd = -1;
        if (!path)
                return failed_oom(err);
        if (strlen(path) >= sizeof address.sun_path) {
                *ret_errno = ENAMETOOLONG;
                err_set(err, EXIT_FAILED, "%s is too long for a socket", path);
                return err_hint(err, EXIT_FAILED, "choose a shorter runtime_dir: at most 93 bytes");
        }
        memcpy(address.sun_path, path, strlen(path) + 1);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
                *ret_errno = errno;
                return connect_failed(path, errno, err);
        }
        *ret_fd = steal_fd(&fd);
        return 0;
}

static int
client_new(struct client **ret, struct err *err)
{
        *ret = calloc(1, sizeof **ret);
        if (!*ret)
                return failed_oom(err);
        (*ret)->fd = -1;
        return 0;
}

static int
client_connect(const struct config *config, struct client **ret, int *ret_errno, struct err *err)
{
        _cleanup_(client_freep) struct client *client = NULL;
        int r = client_new(&client, err);
        r = r ? r : socket_connect(config, &client->fd, ret_errno, err);
        if (r)
                return r;
        client->is_daemon = true;
        *ret = steal_pointer(&client);
        return 0;
}

int
client_open_daemon(const struct config *config, struct client **ret, struct err *err)
{
        int error = 0;
        return client_connect(config, ret, &error, err);
}

static int
client_open_here(const struct config *config, struct client **ret, struct err *err)
{
        _cleanup_(client_freep) struct client *client = NULL;
        int r = client_new(&client, err);
        if (r)
                return r;
        r = instance_open(config, INSTANCE_OFFLINE, &client->instance, err);
        if (r)
                return r == INSTANCE_REFUSED ? EXIT_UNTRUSTED : EXIT_FAILED;
        *ret = steal_pointer(&client);
        return 0;
}

/* What core/ wrote on its way to a success is no error of ours. */
static int
succeed(struct err *err)
{
        if (err)
                *err = (struct err){0};
        return 0;
}

int
client_open(const struct config *config, struct client **ret, struct err *err)
{
        int error = 0, r = client_connect(config, ret, &error, err);
        if (r && (error == ENOENT || error == ECONNREFUSED) && geteuid() == 0)
                r = client_open_here(config, ret, err);
        return r ? r : succeed(err);
}

struct client *
client_free(struct client *client)
{
        if (!client)
                return NULL;
        fd_close(client->fd);
        buf_done(&client->input);
        service_session_done(&client->session);
        instance_free(client->instance);
        free(client);
        return NULL;
}

void
client_set_timeout(struct client *client, unsigned seconds)
{
        struct timeval time = {.tv_sec = (time_t)seconds};
        setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
        setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

void
client_interrupt(struct client *client)
{
        shutdown(client->fd, SHUT_RDWR);
}

bool
client_is_daemon(const struct client *client)
{
        return client->is_daemon;
}

/* ---- frames ---- */

static int
connection_lost(struct client *client, const char *what, struct err *err)
{
        fd_close(client->fd);
        client->fd = -1;
        err_set(err, EXIT_FAILED, "%s", what);
        return err_hint(err, EXIT_FAILED, "journalctl -u driftd tells what the daemon saw");
}

static int
send_frame(struct client *client, const struct buf *frame, struct err *err)
{
        size_t sent = 0;
        while (sent < frame->size) {
                ssize_t n = send(client->fd, frame->data + sent, frame->size - sent, MSG_NOSIGNAL);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return connection_lost(client, "the daemon closed the connection", err);
                sent += (size_t)n;
        }
        return 0;
}

#define NO_FRAME SIZE_MAX

/* Reads until a NUL is there; its place in *ret_end. flags MSG_DONTWAIT: or NO_FRAME. */
static int
receive_frame(struct client *client, int flags, size_t *ret_end, struct err *err)
{
        struct buf *input = &client->input;
        for (;;) {
                size_t fresh = input->size - client->searched;
                const char *nul = fresh ? memchr(input->data + client->searched, '\0', fresh) : NULL;
                if (nul) {
                        *ret_end = (size_t)(nul - input->data);
                        return 0;
                }
                client->searched = input->size;
                if (input->size >= CLIENT_FRAME_MAX)
                        return connection_lost(
                                client, "the daemon's reply is larger than a frame may be", err);
                if (buf_reserve(input, READ_SIZE) < 0)
                        return failed_oom(err);
                ssize_t n = recv(client->fd, input->data + input->size, READ_SIZE, flags);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN) {
                        *ret_end = NO_FRAME;
                        return 0;
                }
                if (n <= 0)
                        return connection_lost(client, "the daemon closed the connection", err);
                input->size += (size_t)n;
        }
}

/* *ret stays NULL where flags are MSG_DONTWAIT and no whole frame is there. */
static int
receive_json(struct client *client, int flags, struct json **ret, struct err *err)
{
        size_t end = 0;
        struct err why = {0};
        int r = receive_frame(client, flags, &end, err);
        if (r || end == NO_FRAME)
                return r;
        struct buf *input = &client->input;
        r = json_parse(input->data, end, ret, &why);
        memmove(input->data, input->data + end + 1, input->size - end - 1);
        input->size -= end + 1;
        client->searched = 0;
        return r < 0 ? connection_lost(client, "the daemon's reply is no JSON", err) : 0;
}

/* ---- calls ---- */

/* Words that came over the wire, through the filter of everything that is printed. */
static const char *
harmless(struct buf *buf, const char *text)
{
        return print_filter(buf, text, strlen(text)) == 0 && buf->data ? buf->data : "";
}

static int
error_reply(const struct json *reply, struct err *err)
{
        _cleanup_buf_ struct buf message = {0}, hint = {0};
        const char *name = json_text(reply, "error");
        const struct json *parameters = json_member(reply, "parameters");
        if (strcmp(name, INTERFACE "Failed") != 0) {
                err_set(err, EXIT_FAILED, "the daemon answered %.200s", harmless(&message, name));
                return err_hint(err, EXIT_FAILED,
                        "driftctl and driftd may be of different versions: driftctl version, driftctl "
                        "status");
        }
        const char *text = json_text(parameters, "message"), *more = json_text(parameters, "hint");
        int code = json_number(parameters, "exit") == EXIT_UNTRUSTED ? EXIT_UNTRUSTED : EXIT_FAILED;
        err_set(err, code, "%s", text ? harmless(&message, text) : "the daemon refused, without words");
        return more ? err_hint(err, code, "%s", harmless(&hint, more)) : code;
}

static int
write_request(const char *method, const struct json *parameters, bool more, struct buf *ret, struct err *err)
{
        _cleanup_free_ char *name = NULL;
        if (asprintf(&name, INTERFACE "%s", method) < 0)
                return failed_oom(err);
        _cleanup_json_ struct json *request =
                json_make("{s:s, s:O}", "method", name, "parameters", parameters);
        if (!request || (more && json_put(request, "more", json_make("b", 1)) < 0) ||
                json_write(request, ret) < 0 || buf_append(ret, "", 1) < 0)
                return failed_oom(err);
        if (ret->size <= CLIENT_REQUEST_MAX)
                return 0;
        err_set(err, EXIT_FAILED, "the request is larger than the daemon takes");
        return err_hint(err, EXIT_FAILED, "name fewer items, or a glob: /etc/**");
}

static int
call_daemon(struct client *client, const char *method, const struct json *parameters,
        client_on_reply on_reply, void *userdata, struct err *err)
{
        _cleanup_buf_ struct buf frame = {0};
        if (client->fd < 0)
                return err_set(err, EXIT_FAILED, "the connection to the daemon is closed");
        int r = write_request(method, parameters, on_reply != NULL, &frame, err);
        r = r ? r : send_frame(client, &frame, err);
        for (bool continues = true; continues && r == 0;) {
                _cleanup_json_ struct json *reply = NULL;
                r = receive_json(client, 0, &reply, err);
                if (r)
                        return r;
                if (json_text(reply, "error"))
                        return error_reply(reply, err);
                continues = json_flag(reply, "continues");
                r = on_reply ? on_reply(userdata, json_member(reply, "parameters"), continues) : 0;
                if (r && continues)
                        (void)connection_lost(client, "", NULL);
        }
        return r;
}

/* ---- without waiting ---- */

int
client_fd(const struct client *client)
{
        return client->fd;
}

pid_t
client_pid(const struct client *client)
{
        struct ucred peer = {0};
        socklen_t size = sizeof peer;
        if (client->fd < 0 || getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return 0;
        return peer.pid;
}

int
client_ask(struct client *client, const char *method, struct json *parameters, bool more, struct err *err)
{
        _cleanup_json_ struct json *owned = parameters;
        _cleanup_buf_ struct buf frame = {0};
        if (!owned)
                return failed_oom(err);
        if (client->fd < 0)
                return err_set(err, EXIT_FAILED, "the connection to the daemon is closed");
        int r = write_request(method, owned, more, &frame, err);
        return r ? r : send_frame(client, &frame, err);
}

int
client_answer(struct client *client, struct json **ret, bool *ret_continues, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        if (client->fd < 0)
                return err_set(err, EXIT_FAILED, "the connection to the daemon is closed");
        int r = receive_json(client, MSG_DONTWAIT, &reply, err);
        if (r || !reply)
                return r;
        if (json_text(reply, "error"))
                return error_reply(reply, err);
        *ret_continues = json_flag(reply, "continues");
        *ret = json_make("O", json_member(reply, "parameters"));
        return *ret ? 0 : err_set(err, EXIT_FAILED, "the daemon's reply is empty");
}

struct bridge {
        client_on_reply on_reply;
        void *userdata;
        int stopped; /* what on_reply returned */
};

static int
bridge_reply(void *userdata, struct json *parameters, bool continues)
{
        _cleanup_json_ struct json *owned = parameters;
        struct bridge *bridge = userdata;
        bridge->stopped = bridge->on_reply ? bridge->on_reply(bridge->userdata, owned, continues) : 0;
        return bridge->stopped;
}

static struct service_peer
own_peer(void)
{
        struct service_peer peer = {.uid = getuid(), .pid = getpid()};
        const struct passwd *entry = getpwuid(peer.uid);
        if (entry)
                snprintf(peer.user, sizeof peer.user, "%s", entry->pw_name);
        else
                snprintf(peer.user, sizeof peer.user, "%u", peer.uid);
        int n = getgroups((int)ARRAY_SIZE(peer.groups), peer.groups);
        peer.groups_cut = n < 0; /* there are more than fit */
        peer.n_groups = n < 0 ? 0 : (size_t)n;
        return peer;
}

int
client_call(struct client *client, const char *method, struct json *parameters, client_on_reply on_reply,
        void *userdata, struct err *err)
{
        _cleanup_json_ struct json *owned = parameters;
        if (!owned)
                return failed_oom(err);
        if (client->is_daemon)
                return call_daemon(client, method, owned, on_reply, userdata, err);
        struct bridge bridge = {on_reply, userdata, 0};
        struct service_peer peer = own_peer();
        int r = service_call(
                client->instance, &peer, &client->session, method, owned, bridge_reply, &bridge, err);
        if (r == 0 && !bridge.stopped)
                return succeed(err);
        return bridge.stopped ? bridge.stopped : r < 0 ? EXIT_FAILED : r;
}

static int
keep_reply(void *userdata, const struct json *parameters, bool continues)
{
        struct json **slot = userdata;
        if (!continues && parameters)
                *slot = json_make("O", parameters);
        return 0;
}

int
client_call_one(struct client *client, const char *method, struct json *parameters, struct json **ret,
        struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        int r = client_call(client, method, parameters, keep_reply, &reply, err);
        if (r)
                return r;
        if (!reply)
                return err_set(err, EXIT_FAILED, "%s: the reply is empty", method);
        *ret = steal_pointer(&reply);
        return 0;
}
