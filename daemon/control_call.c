/* SPDX-License-Identifier: MIT */
/*
 * What a client's calls do. A call is first held against the interface's text, so that a method sees only
 * parameters of its types. Quick methods are answered in place; the history goes out in slices; Diff and Scan
 * wait for the engine to settle; Propose, Compare, Show and Apply run in a thread of their own and are
 * finished here. Apply is answered when what it changed is judged.
 */
#include <assert.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/item.h"
#include "daemon/control_internal.h"

#define INTERFACE "dev.driftd.Control"
#define SERVICE "org.varlink.service"
#define GROUPS_SIZE_MAX ((socklen_t)65536 * sizeof(gid_t)) /* bytes: NGROUPS_MAX of them */

/* The interface's text, as it stands in the tree. */
__asm__(".section .rodata\n"
        ".globl control_varlink_text\n"
        "control_varlink_text:\n"
        ".incbin \"daemon/dev.driftd.Control.varlink\"\n"
        ".byte 0\n"
        ".previous\n");
extern const char control_varlink_text[];

static const char service_varlink_text[] =
        "# The Varlink Service Interface is provided by every varlink service. It\n"
        "# describes the service and the interfaces it implements.\n"
        "interface " SERVICE "\n"
        "\n"
        "# Get a list of all the interfaces a service provides and information\n"
        "# about the implementation.\n"
        "method GetInfo() -> (\n"
        "  vendor: string,\n"
        "  product: string,\n"
        "  version: string,\n"
        "  url: string,\n"
        "  interfaces: []string\n"
        ")\n"
        "\n"
        "# Get the description of an interface that is implemented by this service.\n"
        "method GetInterfaceDescription(interface: string) -> (description: string)\n"
        "\n"
        "# The requested interface was not found.\n"
        "error InterfaceNotFound (interface: string)\n"
        "\n"
        "# The requested method was not found\n"
        "error MethodNotFound (method: string)\n"
        "\n"
        "# The interface defines the requested method, but the service does not\n"
        "# implement it.\n"
        "error MethodNotImplemented (method: string)\n"
        "\n"
        "# One of the passed parameters is invalid.\n"
        "error InvalidParameter (parameter: string)\n"
        "\n"
        "# Client is denied access\n"
        "error PermissionDenied ()\n"
        "\n"
        "# Method is expected to be called with 'more' set to true, but wasn't\n"
        "error ExpectedMore ()\n";

static const struct {
        const char *name, *text;
} interfaces[] = {{INTERFACE, control_varlink_text}, {SERVICE, service_varlink_text}};

static const char *
interface_text(const char *name)
{
        for (size_t i = 0; i < ARRAY_SIZE(interfaces); i++)
                if (strcmp(interfaces[i].name, name) == 0)
                        return interfaces[i].text;
        return NULL;
}

/* ---- answers ---- */

static int
put(struct client *client, struct json *message)
{
        _cleanup_json_ struct json *value = message;
        struct buf *out = &client->out;
        size_t before = out->size;
        if (value && json_write(value, out) == 0 && buf_append(out, "", 1) == 0 &&
                !control_is_full(client->control, client, 0))
                return 0;
        if (value && out->size > before) {
                client->control->limits.closed++;
                client->control->limits.uid = client->peer.uid;
        }
        client->closing = true;
        return -1;
}

int
control_call_reply(void *userdata, struct json *parameters, bool continues)
{
        struct client *client = userdata;
        if (client->oneway || (continues && !client->more)) {
                json_free(parameters);
                return 0;
        }
        return put(client, continues ? json_make("{s:o, s:b}", "parameters", parameters, "continues", true)
                                     : json_make("{s:o}", "parameters", parameters));
}

static void
reply_error(struct client *client, const char *error, struct json *parameters)
{
        if (client->oneway)
                json_free(parameters);
        else
                put(client, json_make("{s:s, s:o}", "error", error, "parameters", parameters));
}

static void
call_finish(struct client *client, int r, const struct err *err)
{
        if (r > 0)
                reply_error(client, INTERFACE ".Failed",
                        json_make("{s:s, s:s?, s:i}", "message", err->text[0] ? err->text : "it failed",
                                "hint", err->hint[0] ? err->hint : NULL, "exit", r));
        client->state = CALL_NONE;
        client->parameters = json_free(client->parameters);
        client->active_ms = clock_monotonic_ms();
        client->request_ms = varlink_frames_held(&client->in) ? client->active_ms : 0;
        if (r < 0)
                client->closing = true;
}

/* ---- who asks, for what is written down ---- */

static void
groups_read(struct client *client)
{
        struct service_peer *peer = &client->peer;
        socklen_t size = sizeof peer->groups;
        _cleanup_free_ gid_t *all = NULL;
        if (getsockopt(client->fd, SOL_SOCKET, SO_PEERGROUPS, peer->groups, &size) == 0) {
                peer->n_groups = size / sizeof *peer->groups;
                return;
        }
        if (errno != ERANGE || size > GROUPS_SIZE_MAX || !(all = malloc(size)) ||
                getsockopt(client->fd, SOL_SOCKET, SO_PEERGROUPS, all, &size) < 0)
                return;
        memcpy(peer->groups, all, sizeof peer->groups);
        peer->n_groups = ARRAY_SIZE(peer->groups);
        peer->groups_cut = true;
}

/* Not before it is needed: a directory service may be asked for the name. */
static void
name_peer(struct client *client)
{
        struct service_peer *peer = &client->peer;
        char buffer[4096];
        struct passwd entry, *found = NULL;
        if (client->named)
                return;
        client->named = true;
        groups_read(client);
        snprintf(peer->user, sizeof peer->user, "%u", peer->uid);
        if (getpwuid_r(peer->uid, &entry, buffer, sizeof buffer, &found) == 0 && found &&
                name_is_valid(found->pw_name, strlen(found->pw_name)))
                snprintf(peer->user, sizeof peer->user, "%s", found->pw_name);
}

/* ---- calls that wait ---- */

/* The same call, now that everything was looked at. */
static struct json *
as_cached(const struct json *parameters)
{
        struct json *made = json_make("{s:[], s:b, s:b}", "items", "cached", true, "full", false);
        for (const char *key = json_key_after(parameters, NULL); made && key;
                key = json_key_after(parameters, key)) {
                struct json *value = (struct json *)(uintptr_t)json_member(parameters, key);
                if (strcmp(key, "cached") == 0 || strcmp(key, "full") == 0 || json_is_null(value))
                        continue;
                if (json_put(made, key, json_keep(value)) < 0)
                        made = json_free(made);
        }
        return made;
}

static void
on_settled(void *userdata)
{
        struct client *client = userdata;
        struct err err = {0};
        _cleanup_json_ struct json *parameters = as_cached(client->parameters);
        client->settle = NULL;
        int r = service_call(client->control->instance, &client->peer, &client->session, client->member,
                parameters, control_call_reply, client, &err);
        call_finish(client, r, &err);
        control_client_serve(client);
}

static void
start_settle(struct client *client)
{
        struct err err = {0};
        client->state = CALL_SETTLE;
        client->settle = engine_settle(
                client->control->engine, json_flag(client->parameters, "full"), on_settled, client);
        if (!client->settle && client->state == CALL_SETTLE)
                call_finish(client, err_set(&err, EXIT_FAILED, "out of memory"), &err);
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

/* Threads that hang in a file system count until they come back: nobody gets more of them by asking anew. */
static bool
has_room_for_job(const struct client *client)
{
        struct control_count n = control_count_jobs(client->control, client->light, client->peer.uid);
        bool root = client->peer.uid == 0;
        if (client->light)
                return n.all < CONTROL_LOOKS_MAX &&
                       (root || (n.others < CONTROL_LOOKS_OTHERS_MAX && n.own < CONTROL_LOOKS_OF_UID_MAX));
        return n.all < CONTROL_JOBS_MAX && (root || n.others < CONTROL_JOBS_OTHERS_MAX);
}

static void
start_job(struct client *client)
{
        struct err err = {0};
        client->light = strcmp(client->member, "Show") == 0; /* one look at one thing */
        if (!has_room_for_job(client)) {
                err_set(&err, EXIT_FAILED, "as many long calls as may be are under way already");
                err_hint(&err, EXIT_FAILED, "try again when they are done");
                call_finish(client, EXIT_FAILED, &err);
                return;
        }
        int r = service_job_new(client->control->instance, &client->peer, &client->session, client->member,
                client->parameters, &client->job, &err);
        client->job_over = false;
        if (r == 0 && pthread_create(&client->thread, NULL, job_main, client) != 0)
                r = err_set(&err, EXIT_FAILED, "a thread cannot be started");
        if (r) {
                client->job = service_job_free(client->job);
                call_finish(client, r, &err);
                return;
        }
        client->state = CALL_JOB;
}

static int
hold_answer(void *userdata, struct json *parameters, bool continues)
{
        struct client *client = userdata;
        assert(!continues && !client->answer);
        client->answer = parameters;
        return parameters ? 0 : -1;
}

void
control_call_answer(struct client *client)
{
        if (!client->answer)
                return;
        control_call_reply(client, steal_pointer(&client->answer), false);
        control_client_send(client);
}

static void
on_judged(void *userdata)
{
        struct client *client = userdata;
        struct err none = {0};
        client->settle = NULL;
        control_call_answer(client);
        call_finish(client, 0, &none);
        control_client_serve(client);
}

/* Whoever is told that a baseline is in force may ask at once, and what it changed is then judged by it. */
static void
apply_over(struct client *client)
{
        struct err err = {0};
        int r = service_job_finish(client->job, hold_answer, client, &err);
        client->job = service_job_free(client->job);
        if (r == 0)
                client->settle = engine_baselines_changed(client->control->engine, on_judged, client);
        if (client->settle) {
                client->state = CALL_JUDGED;
                control_client_watch(client);
                return;
        }
        control_call_answer(client);
        call_finish(client, r, &err);
        control_client_serve(client);
}

void
control_call_job_over(struct client *client)
{
        struct err err = {0};
        pthread_join(client->thread, NULL);
        instance_flush(client->control->instance, NULL); /* its answer tells of what was judged meanwhile */
        if (strcmp(client->member, "Apply") == 0) {
                apply_over(client);
                return;
        }
        int r = service_job_finish(client->job, control_call_reply, client, &err);
        client->job = service_job_free(client->job);
        call_finish(client, r, &err);
        control_client_serve(client);
}

void
control_call_progress(struct client *client)
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
        control_call_reply(client, service_progress(files, expected, bytes), true);
        if (!control_client_send(client))
                client->closing = true;
        control_client_watch(client);
}

/* ---- the history ---- */

static void
start_slices(struct client *client)
{
        struct err err = {0};
        int r = service_slices_begin(
                client->control->instance, client->member, client->parameters, &client->slices, &err);
        if (r)
                call_finish(client, r, &err);
        else
                client->state = CALL_SLICES; /* from the next turn on */
}

void
control_call_slice(struct client *client)
{
        struct err err = {0};
        bool follow = json_flag(client->parameters, "follow");
        instance_flush_end(
                client->control->instance, true); /* what is read is told to those who follow already */
        int r = service_slices_next(
                client->control->instance, &client->slices, follow, control_call_reply, client, &err);
        if (r == 0 && !client->slices.at_end)
                return;
        if (r == 0 && follow) {
                client->state = CALL_FOLLOW;
                return;
        }
        service_slices_done(&client->slices);
        call_finish(client, r, &err);
}

bool
control_call_follows(const struct client *client, const struct announcement *a)
{
        if (client->state != CALL_FOLLOW ||
                (client->slices.query.kind && strcmp(client->slices.query.kind, a->kind) != 0))
                return false;
        if (!client->slices.items.count)
                return true;
        return a->item && item_selected(a->item, client->slices.items.items, client->slices.items.count);
}

/* ---- calls ---- */

/* What was uploaded goes, so that the next call is taken. */
static void
refuse_for_size(struct client *client)
{
        struct err err = {0};
        service_session_done(&client->session);
        client->control->limits.closed++;
        client->control->limits.uid = client->peer.uid;
        err_set(&err, EXIT_FAILED, "more is kept for uid %u than its share: what was uploaded is dropped",
                client->peer.uid);
        err_hint(&err, EXIT_FAILED, "end its other clients; root's share is larger: sudo driftctl");
        call_finish(client, EXIT_FAILED, &err);
}

static void
call_control(struct client *client)
{
        struct control *control = client->control;
        struct err err = {0};
        unsigned traits = service_traits(client->member);
        instance_flush(control->instance, NULL);                  /* what is told is durable */
        const char *text = json_text(client->parameters, "text"); /* of Upload; room is left for answers */
        if (text && control_is_full(control, client, strlen(text) + CONTROL_FRAME_MAX)) {
                refuse_for_size(client);
                return;
        }
        if (traits & SERVICE_NAMES_CALLER)
                name_peer(client);
        if (traits & SERVICE_JOB) {
                start_job(client);
                return;
        }
        if (traits & SERVICE_LOOKS && !json_flag(client->parameters, "cached")) {
                start_settle(client);
                return;
        }
        if (traits & SERVICE_SLICES) {
                start_slices(client);
                return;
        }
        int r = service_call(control->instance, &client->peer, &client->session, client->member,
                client->parameters, control_call_reply, client, &err);
        call_finish(client, r, &err);
}

static void
call_service(struct client *client)
{
        struct err none = {0};
        const char *interface = json_text(client->parameters, "interface");
        const char *text = interface_text(interface ? interface : "");
        if (strcmp(client->member, "GetInfo") == 0)
                control_call_reply(client,
                        json_make("{s:s, s:s, s:s, s:s, s:[s, s]}", "vendor", "driftd", "product", "driftd",
                                "version", DRIFTD_VERSION, "url", "", "interfaces", SERVICE, INTERFACE),
                        false);
        else if (text)
                control_call_reply(client, json_make("{s:s}", "description", text), false);
        else
                reply_error(client, SERVICE ".InterfaceNotFound",
                        json_make("{s:s}", "interface", interface ? interface : ""));
        call_finish(client, 0, &none);
}

/* Whether the call is one that the interface takes; otherwise it is answered. */
static bool
is_taken(struct client *client, const struct varlink_request *request)
{
        const char *text = interface_text(request->interface);
        char bad[VARLINK_NAME_MAX] = "";
        bool ours = text == control_varlink_text;
        int r = text ? varlink_check(text, request->member, request->parameters, bad) : 0;
        if (!text)
                reply_error(client, SERVICE ".InterfaceNotFound",
                        json_make("{s:s}", "interface", request->interface));
        else if (r == VARLINK_NO_METHOD || (ours && !service_knows(request->member)))
                reply_error(client, SERVICE ".MethodNotFound", json_make("{s:s}", "method", request->method));
        else if (r == VARLINK_BAD_PARAMETER)
                reply_error(client, SERVICE ".InvalidParameter", json_make("{s:s}", "parameter", bad));
        else if (request->upgrade)
                reply_error(client, SERVICE ".MethodNotImplemented",
                        json_make("{s:s}", "method", request->method));
        else if (ours && service_traits(request->member) & SERVICE_STREAMS && !request->more)
                reply_error(client, SERVICE ".ExpectedMore", json_make("{}"));
        else
                return true;
        return false;
}

void
control_call_start(struct client *client, const struct varlink_request *request)
{
        struct err none = {0};
        client->more = request->more;
        client->oneway = request->oneway;
        if (!is_taken(client, request)) {
                call_finish(client, 0, &none);
                return;
        }
        client->parameters = request->parameters ? json_keep((struct json *)(uintptr_t)request->parameters)
                                                 : json_make("{}");
        snprintf(client->member, sizeof client->member, "%s", request->member);
        if (strcmp(request->interface, INTERFACE) == 0)
                call_control(client);
        else
                call_service(client);
}
