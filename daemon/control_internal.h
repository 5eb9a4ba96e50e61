/* SPDX-License-Identifier: MIT */
/*
 * What the three files of the control socket share. control.c owns the listener, the list of clients and
 * their shares; control_client.c one client's bytes and its life; control_call.c what its calls do.
 */
#pragma once

#include <pthread.h>

#include "core/service.h"
#include "core/varlink.h"
#include "daemon/control.h"

enum call_state {
        CALL_NONE,
        CALL_SETTLE, /* the engine looks at everything first */
        CALL_JUDGED, /* applied: the engine looks at what that changed */
        CALL_JOB,    /* a thread looks at files */
        CALL_SLICES, /* the history goes out, or is verified, in slices */
        CALL_FOLLOW,
};

struct client {
        struct control *control;
        int fd;
        sd_event_source *source;
        struct service_peer peer;
        bool named; /* peer says more than numbers */
        struct service_session session;
        struct varlink_frames in;
        bool ended; /* nothing more comes in */
        struct buf out;
        size_t sent;        /* of out */
        size_t marked;      /* of sent, when active_ms was set */
        int64_t active_ms;  /* when it last asked, or took a fair piece of an answer */
        int64_t request_ms; /* when the request that is not whole yet began; 0: there is none */
        enum call_state state;
        bool oneway, more, closing;
        bool light;                    /* its job is a look */
        char member[VARLINK_NAME_MAX]; /* the method, without its interface */
        struct json *parameters;
        struct settle *settle;
        struct json *answer; /* of CALL_JUDGED, and of a job until it is known what state follows */
        struct service_slices slices;
        struct service_job *job;
        pthread_t thread;
        bool job_over; /* set under control->lock */
        struct client *next;
};

struct control {
        sd_event *event;
        struct instance *instance;
        struct engine *engine;
        char *path;
        int fd, job_fd;
        sd_event_source *source, *job_source, *timer, *round_source;
        bool served, waits; /* in this round: a source of ours was served; they go ahead no longer */
        int64_t served_ms;  /* when the first of them was */
        pthread_mutex_t lock;
        struct client *clients;
        struct client *orphans; /* closed, their jobs not yet over */
        struct {
                uint64_t refused, evicted, closed; /* since they were last told */
                uid_t uid;                         /* whose the last of them was */
                int64_t told_ms;
        } limits;
};

/* ---- control.c ---- */

/* Whether so many bytes more would be past the client's share. */
bool control_is_full(const struct control *control, const struct client *client, size_t more);
struct control_count {
        unsigned all, others, own; /* of everybody; of everybody but root; of the uid asked for */
};
/* Jobs that run (those whose client has gone too): the looks, or the others. */
struct control_count control_count_jobs(const struct control *control, bool looks, uid_t uid);
void control_unlink(struct control *control, struct client *client);
/* A source of the socket has its turn. */
void control_has_turn(struct control *control);
/* Gives a new source the place in the row that all have now. < 0: as sd_event_source_set_priority(3). */
int control_place(const struct control *control, sd_event_source *source);

/* ---- control_client.c ---- */

/* Takes fd. 0 or < 0. */
int control_client_new(struct control *control, int fd, const struct service_peer *peer);
void control_client_close(struct client *client); /* its job, if it has one, makes it an orphan */
void control_client_free(struct client *client);
/* Sends what the socket takes now, as far as its turn goes. false: the client is gone. */
bool control_client_send(struct client *client);
void control_client_watch(struct client *client);
/* Goes on with what is next: an answer, a slice, a request. May close the client. */
void control_client_serve(struct client *client);
bool control_client_is_idle(
        const struct client *client); /* nothing is under way, and nothing waits to be taken */
size_t control_client_held(const struct client *client); /* bytes */
bool control_client_is_late(const struct client *client, int64_t now_ms);

/* ---- control_call.c ---- */

void control_call_start(struct client *client, const struct varlink_request *request);
void control_call_slice(struct client *client);    /* of CALL_SLICES */
void control_call_progress(struct client *client); /* with `more`, while it waits */
void control_call_job_over(struct client *client);
void control_call_answer(struct client *client); /* of CALL_JUDGED: sends what was found, if anything was */
bool control_call_follows(const struct client *client, const struct announcement *announcement);
int control_call_reply(
        void *userdata, struct json *parameters, bool continues); /* service_reply; userdata: client */
