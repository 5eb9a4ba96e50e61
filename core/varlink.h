/* SPDX-License-Identifier: MIT */
/*
 * The Varlink wire protocol (varlink.org/Service, varlink.org/Interface-Definition), without a socket:
 * messages are JSON texts, each ended by a NUL. Taking frames out of what was read, a request apart, and
 * checking a method's parameters against the text of its interface, which is the contract.
 */
#pragma once

#include "core/json.h"

#define VARLINK_NAME_MAX 256u /* bytes of a method's whole name, and of a parameter's, with the NUL */

/* Bytes as they come in, frames as they go out. Zero-initialise it but for max. */
struct varlink_frames {
        size_t max; /* bytes of one frame, the NUL not counted */
        struct buf buf;
        size_t start;    /* of the frame that is next */
        size_t searched; /* no NUL lies between start and here */
};
/* 0 or -ENOMEM. What varlink_frames_take gave is not to be used any more. */
int varlink_frames_add(struct varlink_frames *frames, const void *data, size_t size);
/* 1: a frame, NUL-terminated, borrowed; 0: none is whole yet; -E2BIG: it is longer than max. */
int varlink_frames_take(struct varlink_frames *frames, const char **ret, size_t *ret_size);
bool varlink_frames_waiting(struct varlink_frames *frames);      /* take would not return 0 */
size_t varlink_frames_held(const struct varlink_frames *frames); /* bytes not yet taken */
void varlink_frames_done(struct varlink_frames *frames);

struct varlink_request {
        struct json *message;
        const char *method;               /* with its interface; borrowed from message, as are these: */
        const char *member;               /* after the interface */
        const struct json *parameters;    /* an object, or NULL */
        char interface[VARLINK_NAME_MAX]; /* the whole name where it has no dot */
        bool more, oneway, upgrade;
};
/* -EINVAL: not a request of Varlink's. Freed with varlink_request_done. */
int varlink_request_parse(const char *text, size_t size, struct varlink_request *ret, struct err *err);
void varlink_request_done(struct varlink_request *request);

enum varlink_check {
        VARLINK_NO_METHOD = 1,
        VARLINK_BAD_PARAMETER = 2, /* unknown, or of another type; its name in ret_bad */
};
/*
 * Whether the interface described takes such a call. A parameter left out or null is its type's empty value
 * ("", 0, false, none), so that callers name what they mean. parameters may be NULL.
 */
int varlink_check(const char *description, const char *method, const struct json *parameters,
        char ret_bad[static VARLINK_NAME_MAX]);
