/* SPDX-License-Identifier: MIT */
/* What the files of the relay share: one relay, and its way to the daemon. */
#pragma once

#include <pthread.h>

#include "cli/client.h"
#include "cli/relay.h"
#include "cli/sender.h"

#define REWIND_MARKS 128u /* of moments: none is closer to the next than RELAY_REWIND_MS / 100 */

struct relay;

struct rewind_mark {
        int64_t at_ms; /* CLOCK_BOOTTIME */
        struct cursor cursor;
};

struct outlet {
        struct relay *relay;
        const struct config_output *config;
        pthread_t thread;
        bool started;
        int wake_fd; /* eventfd: there may be news */
        struct sender *sender;
        struct folding *fold;
        char *cursor_path, *status_path;
        struct cursor at;   /* the last record that was looked at */
        struct cursor kept; /* as in the file */
        struct cursor base; /* while records are held back: the one before the first of them */
        bool known;         /* at is of the history that the daemon has: compared since it was reached */
        unsigned epoch;     /* of the relay, when it was */
        struct rewind_mark marks[REWIND_MARKS];
        size_t n_marks;
        int64_t retry_ms, failed_ms; /* how long was waited after the last failure, and when that was over */
        bool delivered;              /* something, since then */
        pthread_mutex_t lock;        /* of counts */
        struct output_counts counts;
        uint64_t place; /* kept.seq, for others */
        bool changed;   /* counts, since they were written */
};

struct relay {
        const struct config *config;
        struct outlet *outlets;
        size_t n_outlets;
        int lock_fd;
        struct sender_stop stop;
        struct output_host host; /* filled before epoch is 1, and not changed after that */
        pthread_t listener;
        bool listening;
        pthread_mutex_t lock;    /* of all below */
        struct client *client;   /* for questions; NULL: not connected */
        struct client *follower; /* the listener's; borrowed, to interrupt it */
        atomic_ullong end;       /* records of the history, as far as heard */
        atomic_uint epoch;       /* counts how often the daemon was reached anew; 0: never */
        atomic_bool up;
        int64_t answered_ms;
};

/* ---- relay_source.c: from the daemon ---- */

/* Follows the history in its own thread: only to know that there is more. */
void *relay_listen(void *relay);
/* One question, one answer; any thread. 0 or an exit code with words; after a failure it connects anew. */
int relay_ask(struct relay *relay, const char *method, struct json *parameters, client_on_reply on_reply,
        void *userdata, struct err *err);
int relay_status(struct relay *relay, struct json **ret, struct err *err);
/* Records after a number, at most so many, in order: an array. */
int relay_records(struct relay *relay, uint64_t after, uint64_t count, struct json **ret, struct err *err);
void relay_wake(struct relay *relay);
/* Waits for so long, or until the outlet is woken, its connection ends, or all is to stop. */
void outlet_wait(struct outlet *outlet, int64_t timeout_ms);
void relay_sleep(struct relay *relay, int timeout_ms); /* or until all is to stop */
bool relay_stops(const struct relay *relay);

/* ---- outlet.c: to one receiver ---- */

void *outlet_main(void *outlet);
int outlet_open(
        struct outlet *outlet, struct relay *relay, const struct config_output *config, struct err *err);
void outlet_done(struct outlet *outlet);
void outlet_copy_counts(struct outlet *outlet, struct output_counts *ret);
/* One line on standard error, which the journal takes. */
void relay_log(const char *output, const char *format, ...) _printf_(2, 3);
