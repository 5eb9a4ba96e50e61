/* SPDX-License-Identifier: MIT */
/*
 * The control socket: Varlink (varlink.org) over a stream socket, served within the event loop. Bounded in
 * frames, clients and time; a slow or hostile client is closed and never delays the loop.
 */
#pragma once

#include <systemd/sd-event.h>

#include "daemon/engine.h"

#define CONTROL_CLIENTS_MAX 64u
#define CONTROL_FRAME_MAX ((size_t)1 << 20)  /* bytes of one request */
#define CONTROL_OUT_MAX ((size_t)768 << 20)  /* bytes waiting to be sent to one client */
#define CONTROL_FOLLOW_MAX ((size_t)4 << 20) /* the same for a client that follows the log */
#define CONTROL_IDLE_MS 60000 /* a client that says nothing, or takes nothing, for so long is closed */
#define CONTROL_JOBS_MAX 2u   /* long methods at once */

struct control;

int control_new(sd_event *event, struct instance *instance, struct engine *engine, const char *path,
        struct control **ret, struct err *err);
struct control *control_free(struct control *control);
CLEANUP_DEFINE(struct control *, control_free)

/* A durable record, for those who follow the log. */
void control_announce(struct control *control, const struct announcement *announcement);
