/* SPDX-License-Identifier: MIT */
/* What the files of the service share: one call, and how it is answered. */
#pragma once

#include "core/service.h"

struct call {
        struct instance *instance;
        const struct service_peer *peer;
        struct service_session *session;
        const struct json *parameters;
        service_reply reply;
        void *userdata;
        struct err *err;
};

/* EXIT_FAILED, with words for -ENOMEM that has none. */
int call_failed(struct call *call, int r);
/* Takes the reference (NULL: out of memory). 0, EXIT_FAILED or -1. */
int call_say(struct call *call, struct json *parameters, bool continues);
/* A text in pieces, under a member's name. */
int call_say_pieces(struct call *call, const char *member, const char *text, size_t size);
/* Offline there is nobody who looked before: looks at everything. 0 or < 0. */
int call_look_offline(struct call *call);

/* ---- service_window.c ---- */

int call_open_window(struct call *call);
int call_close_window(struct call *call);
int call_show_window(struct call *call);
int call_compare_expected(struct call *call);
int call_list_windows(struct call *call);
