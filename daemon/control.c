/* SPDX-License-Identifier: MIT */
/*
 * The control socket. Each client is a small state machine: bytes in, up to one NUL; one call at a time;
 * bytes out. Quick methods are answered in place; Diff and Scan wait for the engine to settle; Propose and
 * Compare run in a thread of their own and are finished here. While a call is under way its client is not
 * read, so that nobody can queue work.
 *
 * Who asks is taken from SO_PEERCRED. Descriptors passed along are never received: read(2) drops them.
 */
#include "daemon/control.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>

#include "core/clock.h"
#include "core/document.h"
#include "core/item.h"
#include "core/service.h"
#include "daemon/report.h"

#define INTERFACE "dev.driftd.Control"
#define PROGRESS_MS 200
#define JOBS_END_S 5 /* how long an end waits for cancelled jobs */
#define READ_SIZE ((size_t)64 << 10)

/* The interface's text, as it stands in the tree. */
__asm__(".section .rodata\n"
        ".globl control_varlink_text\n"
        "control_varlink_text:\n"
        ".incbin \"daemon/dev.driftd.Control.varlink\"\n"
        ".byte 0\n"
        ".previous\n");
extern const char control_varlink_text[];

enum call_state { CALL_NONE, CALL_SETTLE, CALL_JOB, CALL_FOLLOW };

struct client {
        struct control *control;
        int fd;
        sd_event_source *source;
        struct service_peer peer;
        struct service_session session;
        struct buf in, out;
        size_t sent; /* of out */
        int64_t active_ms;
        enum call_state state;
        bool more, oneway, closing;
        bool light; /* its job is not counted */
        char method[64];
        struct json *parameters;
        struct settle *settle;
        struct service_job *job;
        pthread_t thread;
        bool job_over; /* set under control->lock */
        struct text_list follow_items;
        struct client *next;
};

struct control {
        sd_event *event;
        struct instance *instance;
        struct engine *engine;
        char *path;
        int fd, job_fd;
        sd_event_source *source, *job_source, *timer;
        pthread_mutex_t lock;
        struct client *clients;
        struct client *orphans; /* closed, their jobs not yet over */
        unsigned n_clients, n_jobs;
        struct {
                uint64_t refused, closed;
        } counters;
};

static void client_serve(struct client *client);
static void client_free(struct client *client);

/* ---- clients ---- */

static void
client_close(struct client *client)
{
        struct control *control = client->control;
        for (struct client **slot = &control->clients; *slot; slot = &(*slot)->next)
                if (*slot == client) {
                        *slot = client->next;
                        break;
                }
        control->n_clients--;
        if (client->state == CALL_SETTLE && client->settle)
                engine_settle_cancel(control->engine, client->settle);
        client->source = sd_event_source_disable_unref(client->source);
        fd_close(client->fd);
        client->fd = -1;
        if (client->state ==
                CALL_JOB) { /* a file system may hold its thread: it is let go when it comes back */
                service_job_cancel(client->job);
                client->next = control->orphans;
                control->orphans = client;
                return;
        }
        client_free(client);
}

static void
client_free(struct client *client)
{
        service_job_free(client->job);
        service_session_done(&client->session);
        text_list_done(&client->follow_items);
        json_free(client->parameters);
        buf_done(&client->in);
        buf_done(&client->out);
        free(client);
}

/* Where the first request that was read ends; NULL: it is not whole yet. */
static char *
client_request_end(const struct client *client)
{
        return client->in.size ? memchr(client->in.data, '\0', client->in.size) : NULL;
}

static bool
client_is_free(const struct client *client)
{
        return client->state == CALL_NONE && !client->closing && client->out.size == client->sent;
}

static void
client_watch(struct client *client)
{
        bool waits = client->state == CALL_NONE && client_request_end(client);
        bool reads = !waits && (client->state == CALL_NONE || client->state == CALL_FOLLOW);
        bool writes = waits || client->out.size > client->sent;
        uint32_t events = (writes ? EPOLLOUT : 0) | (reads ? EPOLLIN : 0) | EPOLLRDHUP;
        sd_event_source_set_io_events(client->source, events);
}

/* Sends what the socket takes now. false: the client is gone. */
static bool
client_send(struct client *client)
{
        while (client->sent < client->out.size) {
                ssize_t size = send(client->fd, client->out.data + client->sent,
                        client->out.size - client->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
                if (size < 0 && errno == EAGAIN)
                        return true;
                if (size < 0)
                        return false;
                client->sent += (size_t)size;
                client->active_ms = clock_monotonic_ms();
        }
        if (client->out.capacity > CONTROL_FRAME_MAX)
                buf_done(&client->out); /* a large answer's memory is not kept */
        buf_clear(&client->out);
        client->sent = 0;
        return true;
}

static int
client_put(struct client *client, struct json *message)
{
        _cleanup_json_ struct json *value = message;
        if (!value || client->out.size - client->sent > CONTROL_OUT_MAX)
                return -1;
        if (json_write(value, &client->out) < 0 || buf_append(&client->out, "", 1) < 0)
                return -1;
        return 0;
}

/* service_reply */
static int
on_reply(void *userdata, struct json *parameters, bool continues)
{
        struct client *client = userdata;
        if (client->oneway || (continues && !client->more)) {
                json_free(parameters);
                return 0;
        }
        return client_put(
                client, continues ? json_make("{s:o, s:b}", "parameters", parameters, "continues", true)
                                  : json_make("{s:o}", "parameters", parameters));
}

static void
reply_error(struct client *client, const char *error, struct json *parameters)
{
        if (client->oneway)
                json_free(parameters);
        else
                client_put(client, json_make("{s:s, s:o}", "error", error, "parameters", parameters));
}

static void
reply_failed(struct client *client, int exit, const struct err *err)
{
        reply_error(client, INTERFACE ".Failed",
                json_make("{s:s, s:s?, s:i}", "message", err->text[0] ? err->text : "it failed", "hint",
                        err->hint[0] ? err->hint : NULL, "exit", exit));
}

static void
finish_call(struct client *client, int r, const struct err *err)
{
        if (r > 0)
                reply_failed(client, r, err);
        client->state = CALL_NONE;
        client->parameters = json_free(client->parameters);
        client->active_ms = clock_monotonic_ms();
        if (r < 0)
                client->closing = true;
}

/* ---- calls that wait ---- */

static struct json *
as_cached(const struct json *parameters)
{
        _cleanup_json_ struct json *items = NULL;
        const struct json *given = json_member(parameters, "items");
        items = given ? json_keep((struct json *)(uintptr_t)given) : json_array_make();
        return json_make("{s:O, s:b, s:b}", "items", items, "cached", true, "full", false);
}

static void
on_settled(void *userdata)
{
        struct client *client = userdata;
        struct err err = {0};
        _cleanup_json_ struct json *parameters = as_cached(client->parameters);
        client->settle = NULL;
        int r = service_call(client->control->instance, &client->peer, &client->session, client->method,
                parameters, on_reply, client, &err);
        finish_call(client, r, &err);
        client_serve(client);
}

static void *
job_main(void *argument)
{
        struct client *client = argument;
        uint64_t one = 1;
        service_job_run(client->job);
        pthread_mutex_lock(&client->control->lock);
        client->job_over = true;
        pthread_mutex_unlock(&client->control->lock);
        ssize_t written = write(client->control->job_fd, &one, sizeof one);
        (void)written;
        return NULL;
}

static void
start_job(struct client *client)
{
        struct control *control = client->control;
        struct err err = {0};
        bool light = strcmp(client->method, "Show") ==
                     0; /* one look at one thing: the number of clients bounds it */
        if (!light && control->n_jobs >= CONTROL_JOBS_MAX) {
                err_set(&err, EXIT_FAILED, "%u long calls are under way already", control->n_jobs);
                err_hint(&err, EXIT_FAILED, "try again when they are done");
                finish_call(client, EXIT_FAILED, &err);
                return;
        }
        int r = service_job_new(control->instance, &client->peer, &client->session, client->method,
                client->parameters, &client->job, &err);
        client->job_over = false;
        if (r == 0 && pthread_create(&client->thread, NULL, job_main, client) != 0)
                r = err_set(&err, EXIT_FAILED, "a thread cannot be started");
        if (r) {
                client->job = service_job_free(client->job);
                finish_call(client, r, &err);
                return;
        }
        client->light = light;
        control->n_jobs += !light;
        client->state = CALL_JOB;
}

static void
finish_job(struct client *client)
{
        struct err err = {0};
        pthread_join(client->thread, NULL);
        client->control->n_jobs -= !client->light;
        int r = service_job_finish(client->job, on_reply, client, &err);
        client->job = service_job_free(client->job);
        finish_call(client, r, &err);
        client_serve(client);
}

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
        for (struct client *client = control->clients, *next; client; client = next) {
                next = client->next;
                if (job_is_over(client))
                        finish_job(client);
        }
        for (struct client **slot = &control->orphans; *slot;) {
                struct client *client = *slot;
                if (!job_is_over(client)) {
                        slot = &client->next;
                        continue;
                }
                *slot = client->next;
                pthread_join(client->thread, NULL);
                control->n_jobs -= !client->light;
                client_free(client);
        }
        return 0;
}

/* ---- following the log ---- */

static int
start_follow(struct client *client)
{
        struct err err = {0};
        if (service_items(client->parameters, &client->follow_items, &err) < 0) {
                finish_call(client, EXIT_FAILED, &err);
                return 0;
        }
        client->state = CALL_FOLLOW;
        return 0;
}

static bool
follows(const struct client *client, const struct announcement *a)
{
        const char *kind = json_text(client->parameters, "kind");
        if (client->state != CALL_FOLLOW || (kind && *kind && strcmp(kind, a->kind) != 0))
                return false;
        if (!client->follow_items.count)
                return true;
        return a->item && item_selected(a->item, client->follow_items.items, client->follow_items.count);
}

void
control_announce(struct control *control, const struct announcement *a)
{
        char time[CLOCK_TEXT_MAX];
        clock_format(a->time_ms, time);
        for (struct client *client = control->clients; client; client = client->next) {
                if (!follows(client, a))
                        continue;
                struct json *detail =
                        a->detail ? json_keep((struct json *)(uintptr_t)a->detail) : json_make("{}");
                struct json *record = json_make("{s:I, s:s, s:s, s:s?, s:o}", "seq", (json_int)a->seq, "time",
                        time, "kind", a->kind, "item", a->item, "detail", detail);
                on_reply(client, json_make("{s:[o]}", "records", record), true);
                if (client->out.size - client->sent > CONTROL_FOLLOW_MAX || !client_send(client))
                        client->closing = true; /* reaped by the timer: the list is being walked here */
                client_watch(client);
        }
}

/* ---- calls ---- */

static bool
is_one_of(const char *method, const char *first, const char *second)
{
        return strcmp(method, first) == 0 || strcmp(method, second) == 0;
}

static void
call_control(struct client *client)
{
        struct control *control = client->control;
        struct err err = {0};
        const char *method = client->method;
        if (!service_knows(method)) {
                reply_error(
                        client, "org.varlink.service.MethodNotFound", json_make("{s:s}", "method", method));
                finish_call(client, 0, &err);
                return;
        }
        if (service_is_job(method)) {
                start_job(client);
                return;
        }
        if (is_one_of(method, "Diff", "Scan") && !json_flag(client->parameters, "cached")) {
                client->state = CALL_SETTLE;
                client->settle = engine_settle(
                        control->engine, json_flag(client->parameters, "full"), on_settled, client);
                if (!client->settle && client->state == CALL_SETTLE)
                        finish_call(client, err_set(&err, EXIT_FAILED, "out of memory"), &err);
                return;
        }
        bool follow = strcmp(method, "Log") == 0 && json_flag(client->parameters, "follow") && client->more;
        bool had_more = client->more;
        if (follow) {
                struct text_list items = {0};
                int bad = service_items(client->parameters, &items, &err);
                text_list_done(&items);
                if (bad < 0) {
                        finish_call(client, EXIT_FAILED, &err);
                        return;
                }
                start_follow(client);
                return;
        }
        int r = service_call(control->instance, &client->peer, &client->session, method, client->parameters,
                on_reply, client, &err);
        client->more = had_more;
        bool applied = r == 0 && strcmp(method, "Apply") == 0;
        finish_call(client, r, &err);
        if (applied)
                engine_baselines_changed(control->engine);
}

static void
call_service(struct client *client, const char *method)
{
        struct err none = {0};
        const char *interface = json_text(client->parameters, "interface");
        if (strcmp(method, "GetInfo") == 0)
                on_reply(client,
                        json_make("{s:s, s:s, s:s, s:s, s:[s, s]}", "vendor", "driftd", "product", "driftd",
                                "version", DRIFTD_VERSION, "url", "", "interfaces", "org.varlink.service",
                                INTERFACE),
                        false);
        else if (strcmp(method, "GetInterfaceDescription") == 0 && interface &&
                 strcmp(interface, INTERFACE) == 0)
                on_reply(client, json_make("{s:s}", "description", control_varlink_text), false);
        else if (strcmp(method, "GetInterfaceDescription") == 0)
                reply_error(client, "org.varlink.service.InterfaceNotFound",
                        json_make("{s:s}", "interface", interface ? interface : ""));
        else
                reply_error(
                        client, "org.varlink.service.MethodNotFound", json_make("{s:s}", "method", method));
        finish_call(client, 0, &none);
}

/* One request. false: not Varlink, the client is closed. */
static bool
client_request(struct client *client, const char *text, size_t size)
{
        static const char ours[] = INTERFACE ".", service[] = "org.varlink.service.";
        struct json *parsed = NULL;
        if (json_parse(text, size, &parsed, NULL) < 0)
                return false;
        _cleanup_json_ struct json *request = parsed;
        const char *method = json_text(request, "method");
        const struct json *parameters = json_member(request, "parameters");
        if (!method || json_flag(request, "upgrade"))
                return false;
        client->more = json_flag(request, "more");
        client->oneway = json_flag(request, "oneway");
        client->parameters = parameters ? json_keep((struct json *)(uintptr_t)parameters) : json_make("{}");
        if (strncmp(method, ours, sizeof ours - 1) == 0) {
                snprintf(client->method, sizeof client->method, "%s", method + sizeof ours - 1);
                call_control(client);
        } else if (strncmp(method, service, sizeof service - 1) == 0) {
                call_service(client, method + sizeof service - 1);
        } else {
                struct err none = {0};
                reply_error(client, "org.varlink.service.InterfaceNotFound",
                        json_make("{s:s}", "interface", method));
                finish_call(client, 0, &none);
        }
        return true;
}

/*
 * Takes one request out of what was read, if there is a whole one and the answers before it are taken. The
 * next waits for another turn of the loop (client_watch asks for it), so that nobody's queue delays others or
 * fills the memory.
 */
static void
client_serve(struct client *client)
{
        bool ok = client_send(client);
        char *end = ok && client_is_free(client) ? client_request_end(client) : NULL;
        if (end) {
                size_t size = (size_t)(end - client->in.data);
                _cleanup_free_ char *text = strndup(client->in.data, size);
                memmove(client->in.data, end + 1, client->in.size - size - 1);
                client->in.size -= size + 1;
                ok = text && client_request(client, text, size);
        }
        ok = ok && client_send(client) && !client->closing;
        if (ok)
                client_watch(client);
        else
                client_close(client);
}

static int
on_client(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct client *client = userdata;
        char chunk[READ_SIZE];
        (void)source;
        if (revents & (EPOLLERR | EPOLLHUP)) {
                client_close(client);
                return 0;
        }
        if (revents & EPOLLIN) {
                ssize_t size = read(fd, chunk, sizeof chunk);
                bool full = size > 0 && client->in.size + (size_t)size > CONTROL_FRAME_MAX;
                if (size == 0 || (size < 0 && errno != EAGAIN) || full ||
                        (size > 0 && buf_append(&client->in, chunk, (size_t)size) < 0)) {
                        client->control->counters.closed += full;
                        client_close(client);
                        return 0;
                }
                client->active_ms = clock_monotonic_ms();
        } else if (revents & EPOLLRDHUP && (client->state != CALL_NONE || !(revents & EPOLLOUT))) {
                client_close(client); /* nobody waits for the answer any more */
                return 0;
        }
        client_serve(client);
        return 0;
}

/* ---- the listener ---- */

static void
identify(struct client *client)
{
        struct ucred credentials = {0};
        socklen_t size = sizeof credentials;
        char buffer[4096];
        struct passwd entry, *found = NULL;
        client->peer.uid = (uid_t)-1;
        if (getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
                return;
        client->peer.uid = credentials.uid;
        client->peer.pid = credentials.pid;
        snprintf(client->peer.user, sizeof client->peer.user, "%u", credentials.uid);
        if (getpwuid_r(credentials.uid, &entry, buffer, sizeof buffer, &found) == 0 && found &&
                name_is_valid(found->pw_name, strlen(found->pw_name)))
                snprintf(client->peer.user, sizeof client->peer.user, "%s", found->pw_name);
}

static int
on_connect(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct control *control = userdata;
        (void)source;
        (void)revents;
        int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (accepted < 0)
                return 0;
        struct client *client = control->n_clients < CONTROL_CLIENTS_MAX ? calloc(1, sizeof *client) : NULL;
        if (!client) {
                control->counters.refused++;
                close(accepted);
                return 0;
        }
        client->control = control;
        client->fd = accepted;
        client->active_ms = clock_monotonic_ms();
        identify(client);
        if (sd_event_add_io(
                    control->event, &client->source, accepted, EPOLLIN | EPOLLRDHUP, on_client, client) < 0) {
                close(accepted);
                free(client);
                return 0;
        }
        client->next = control->clients;
        control->clients = client;
        control->n_clients++;
        return 0;
}

static void
tell_progress(struct client *client)
{
        uint64_t files = 0, expected = 0, bytes = 0;
        if (!client->more || client->out.size > client->sent)
                return;
        if (client->state == CALL_SETTLE)
                engine_progress(client->control->engine, &files, &expected, &bytes);
        else if (client->state == CALL_JOB && service_job_progresses(client->job))
                service_job_progress(client->job, &files, &bytes);
        else
                return;
        on_reply(client, service_progress(files, expected, bytes), true);
        client_send(client);
        client_watch(client);
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
                bool waits = client->state != CALL_NONE && client->out.size == client->sent;
                if (client->closing || (!waits && now_ms - client->active_ms > CONTROL_IDLE_MS)) {
                        control->counters.closed++;
                        client_close(client);
                        continue;
                }
                busy = true;
                tell_progress(client);
        }
        sd_event_source_set_time(source, (uint64_t)(now_ms + (busy ? PROGRESS_MS : 5 * PROGRESS_MS)) * 1000);
        sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        return 0;
}

static int
listen_at(struct control *control, struct err *err)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
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
        const struct group *group = getgrnam("driftd");
        if (r == 0 && group && chown(control->path, (uid_t)-1, group->gr_gid) < 0)
                report_line(
                        LOG_WARNING, "%s stays with its group: %s", control->path, strerrordesc_np(errno));
        if (r == 0 && (chmod(control->path, 0660) < 0 || listen(control->fd, 128) < 0))
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
        int r = listen_at(control, err);
        if (r < 0)
                return r;
        uint64_t soon = (uint64_t)(clock_monotonic_ms() + PROGRESS_MS) * 1000;
        r = sd_event_add_io(event, &control->source, control->fd, EPOLLIN, on_connect, control);
        if (r >= 0)
                r = sd_event_add_io(
                        event, &control->job_source, control->job_fd, EPOLLIN, on_job_over, control);
        if (r >= 0)
                r = sd_event_add_time(event, &control->timer, CLOCK_BOOTTIME, soon, 50000, on_timer, control);
        if (r < 0)
                return err_set(err, r, "the event loop: %s", strerrordesc_np(-r));
        *ret = steal_pointer(&control);
        return 0;
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
                client_free(client);
        }
        return true;
}

struct control *
control_free(struct control *control)
{
        if (!control)
                return NULL;
        while (control->clients)
                client_close(control->clients);
        bool stuck = !join_orphans(control);
        sd_event_source_disable_unref(control->source);
        sd_event_source_disable_unref(control->job_source);
        sd_event_source_disable_unref(control->timer);
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
