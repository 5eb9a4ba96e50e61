/* SPDX-License-Identifier: MIT */
/*
 * One output's way to its receiver: a file, a socket, a program. It blocks only the thread that uses it,
 * never without a bound, and ends at once when it is told to stop.
 */
#pragma once

#include <stdatomic.h>

#include "cli/output.h"
#include "core/err.h"

#define SENDER_STALL_MS 30000   /* a receiver that takes nothing for so long is away */
#define SENDER_CONNECT_MS 10000 /* to be reached */

struct sender_stop {
        atomic_bool now;
        int fd; /* readable when now is set, and for good; -1: there is none */
};

struct sender;

/* Opens nothing yet. config, host and stop are borrowed. NULL: out of memory. */
struct sender *sender_new(
        const struct config_output *config, const struct output_host *host, const struct sender_stop *stop);
struct sender *sender_free(struct sender *sender);
CLEANUP_DEFINE(struct sender *, sender_free)

enum sender_result {
        SENDER_FAILED = 1, /* not delivered; words say why. Try again later */
        SENDER_LOST = 2,   /* the same, and what was sent on this connection before may be lost with it */
        SENDER_BROKEN =
                3, /* the same, and it did not end in order: what was sent last was perhaps never read */
};

/* Hands an event over, opening what is closed. 0, an enum sender_result, -ECANCELED (stopped), -ENOMEM. */
int sender_send(struct sender *sender, const struct output_event *event, struct err *err);
/* All that was sent is with the receiver: on disk (a file), or taken by its kernel (a socket). As above. */
int sender_sync(struct sender *sender, struct err *err);
/* For poll: readable when the connection ended. -1: nothing to wait for. */
int sender_fd(const struct sender *sender);
/* Whether it did: SENDER_LOST or SENDER_BROKEN, closing it; else 0. */
int sender_look(struct sender *sender, struct err *err);
