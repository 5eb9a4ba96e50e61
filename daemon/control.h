/* SPDX-License-Identifier: MIT */
/*
 * The control socket: Varlink (varlink.org) over a stream socket, served within the event loop. Bounded in
 * frames, connections, memory, threads and time, each of them by caller, so that neither a slow nor a hostile
 * one delays the loop or keeps others, root above all, from being answered.
 */
#pragma once

#include <systemd/sd-event.h>

#include "daemon/engine.h"

#define CONTROL_CLIENTS_MAX 64u
#define CONTROL_CLIENTS_OTHERS_MAX 48u      /* of them, of all that are not root */
#define CONTROL_CLIENTS_OF_UID_MAX 16u      /* of them, of one uid that is not root's */
#define CONTROL_FRAME_MAX ((size_t)1 << 20) /* bytes of one request */
#define CONTROL_HELD_MAX ((size_t)1 << 30)  /* bytes held for all: requests, uploads, answers not taken */
#define CONTROL_HELD_OTHERS_MAX ((size_t)384 << 20) /* of them, for all that are not root */
#define CONTROL_HELD_OF_UID_MAX ((size_t)128 << 20) /* of them, for one uid that is not root's */
#define CONTROL_FOLLOW_MAX ((size_t)4 << 20)        /* bytes not taken by a client that follows the log */
#define CONTROL_TURN_MAX ((size_t)1 << 20) /* bytes sent to one client before others have their turn */
#define CONTROL_IDLE_MS                                                                                      \
        3600000 /* a client that asks nothing for so long is closed: people think before they sign */
#define CONTROL_REQUEST_MS 8000      /* from the first byte of a request to its last */
#define CONTROL_STALL_MS 600000      /* an answer goes on being taken, or its client is closed */
#define CONTROL_JOBS_MAX 3u          /* long methods at once */
#define CONTROL_JOBS_OTHERS_MAX 2u   /* of them, of all that are not root */
#define CONTROL_LOOKS_MAX 32u        /* Show at once, those that hang in a file system included */
#define CONTROL_LOOKS_OTHERS_MAX 24u /* of them, of all that are not root */
#define CONTROL_LOOKS_OF_UID_MAX 8u  /* of them, of one uid that is not root's */

struct control;

int control_new(sd_event *event, struct instance *instance, struct engine *engine, const char *path,
        struct control **ret, struct err *err);
/* Last of all that a start does: who can connect has a daemon that runs. */
int control_listen(struct control *control, struct err *err);
struct control *control_free(struct control *control);
CLEANUP_DEFINE(struct control *, control_free)

/* A durable record, for those who follow the log. */
void control_announce(struct control *control, const struct announcement *announcement);
