/* SPDX-License-Identifier: MIT */
/*
 * How driftctl reaches the methods: the daemon's control socket, or, where no daemon answers and we are root,
 * the same methods on the store itself (core/service.h).
 */
#pragma once

#include <sys/types.h>

#include "core/config.h"
#include "core/json.h"
#include "core/service.h"

#define CLIENT_FRAME_MAX ((size_t)8 << 20) /* bytes of one reply */
#define CLIENT_REQUEST_MAX                                                                                   \
        ((size_t)2 << 20) /* bytes of one request: a text piece of SERVICE_CHUNK_MAX, escaped, fits */

struct client;

/* 0 or an exit code with words (no daemon and not root: the hint says how to start it). */
int client_open(const struct config *config, struct client **ret, struct err *err);
/* The daemon or nothing, for what only a daemon can do (watch) and for looking whether it is there. */
int client_open_daemon(const struct config *config, struct client **ret, struct err *err);
struct client *client_free(struct client *client);
CLEANUP_DEFINE(struct client *, client_free)

/* Of a daemon's client: an answer that does not go on for so long is a lost connection. */
void client_set_timeout(struct client *client, unsigned seconds);
/* Ends a call that waits in another thread, and the connection. */
void client_interrupt(struct client *client);

bool client_is_daemon(const struct client *client); /* false: in this process */

/* Takes the reference of parameters. on_reply may be NULL; its value is borrowed; non-zero stops. 0 or an
 * exit code with words. */
typedef int (*client_on_reply)(void *userdata, const struct json *parameters, bool continues);
int client_call(struct client *client, const char *method, struct json *parameters, client_on_reply on_reply,
        void *userdata, struct err *err);

/* For calls with one reply: keeps it. */
int client_call_one(struct client *client, const char *method, struct json *parameters, struct json **ret,
        struct err *err);

/*
 * The same without waiting for the daemon, for a screen that must go on: of a daemon only, and one call at a
 * time on a connection. What client_ask asked is answered by as many replies as client_answer gives before
 * one of which *ret_continues is false. *ret is left alone where no whole reply is there yet: poll client_fd
 * for reading, then ask again until nothing comes.
 */
int client_fd(const struct client *client); /* -1: closed after a failure */
int client_ask(
        struct client *client, const char *method, struct json *parameters, bool more, struct err *err);
int client_answer(struct client *client, struct json **ret, bool *ret_continues, struct err *err);
/* The process that listens on the socket; 0: none, or not known. */
pid_t client_pid(const struct client *client);
