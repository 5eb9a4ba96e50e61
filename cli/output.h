/* SPDX-License-Identifier: MIT */
/*
 * Outputs: records of the history, told to other programs (driftd.conf(5), [output NAME]). What is here has
 * no threads and keeps nothing: an event, and its forms for each kind of receiver. cli/relay.h delivers them.
 */
#pragma once

#include "core/baseline.h" /* HOST_ID_MAX */
#include "core/buf.h"
#include "core/config.h"
#include "core/json.h"

/* One record that is told, or several that are the same but for their number and time. */
struct output_event {
        const struct json *record; /* the last of them: {seq, time, kind, item, detail}; borrowed */
        uint64_t seq;              /* its number; 0: a test */
        uint64_t first_seq;        /* of the first that it stands for */
        uint64_t count;            /* records that it stands for: 1 and more */
        int64_t time_ms;
        const char *kind, *item; /* item: NULL if there is none */
        const struct json *detail;
        int priority; /* syslog(3) */
};

/* Who tells. */
struct output_host {
        char id[HOST_ID_MAX]; /* as in the records: "" where the daemon was never heard */
        char name[256];       /* of the host, printable ASCII */
};
void output_host_fill(struct output_host *host, const char *id);

/* -EINVAL: the record is none. Everything in ret is borrowed from the record. */
int output_event_of(const struct json *record, struct output_event *ret);
/* Whether an output wants it. */
bool output_selects(const struct config_output *output, const struct output_event *event);
/* A record that says that it is a test of the output NAME; NULL: out of memory. */
struct json *output_test_record(const char *name);
bool output_is_test(const struct output_event *event);

/* One line for people, without control bytes, appended. 0 or -ENOMEM. */
int output_words(const struct output_event *event, struct buf *ret);
/* Text of the host, fit for a line: printable ASCII stays, every other byte becomes \xhh. */
int output_ascii(const char *text, size_t size, struct buf *ret);
/* "mode=0644 uid=0": a side (expected, actual) of all attributes. */
int output_side(const struct output_event *event, const char *side, struct buf *ret);

/* ---- forms: each appends, 0 or -ENOMEM ---- */

#define ECS_VERSION "9.4.0"
/* A line of JSON in the Elastic Common Schema (output_ecs.c), with its newline. */
int output_ecs(const struct output_host *host, const struct output_event *event, struct buf *ret);

#define SYSLOG_MESSAGE_MAX 8000u /* bytes: rsyslog's own limit is 8 KiB; RFC 5424 asks for 2048 at least */
#define SYSLOG_VALUE_MAX 1200u   /* bytes of the text, and of one value of the structured data */
#define SYSLOG_VALUE_LEAST 100u  /* for a socket that takes less */
/* A message of RFC 5424, to a local socket of syslog(3), without a frame. value_max: what is longer is cut,
 * and the message says so. */
int output_syslog(const struct config_output *output, const struct output_host *host,
        const struct output_event *event, size_t value_max, struct buf *ret);

/* The record as `driftctl log --json` prints it, with `folded` (count, first_seq) where it stands for
 * several, and `test`. */
int output_record(const struct output_event *event, struct buf *ret);

/* What an output did since the relay was started: for openmetrics and driftctl output list. */
struct output_counts {
        char name[NAME_MAX_SIZE];
        enum output_type type;
        uint64_t delivered, folded, failures;
        uint64_t pending; /* records of the history that it has still to look at */
        int64_t last_delivery_ms, last_error_ms;
        char last_error[512];
};
/* The Prometheus text format 0.0.4. status: driftd.status/1, or NULL: the daemon does not answer;
 * answered_ms: when it last did (0: never). */
int output_metrics(const struct json *status, int64_t answered_ms, const struct output_counts *outputs,
        size_t n_outputs, struct buf *ret);

/* ---- folding (output_fold.c) ---- */

#define FOLD_KEYS_MAX 1024u              /* different records that are remembered */
#define FOLD_BYTES_MAX ((size_t)4 << 20) /* of records that are held back, as JSON */

struct folding;
struct folding *folding_new(int64_t window_s); /* NULL: out of memory */
struct folding *folding_free(struct folding *fold);
CLEANUP_DEFINE(struct folding *, folding_free)

enum fold_answer {
        FOLD_TELL = 1, /* tell the event, after all that is held back */
        FOLD_HELD = 2, /* it is counted and told later, at once with others */
};
/* Takes what comes next. FOLD_TELL, FOLD_HELD or -ENOMEM (then as FOLD_TELL, and nothing is kept). */
int folding_take(struct folding *fold, const struct output_event *event, int64_t now_ms);
/* The first of those held back, by number; false: none is. It stays held until folding_told. */
bool folding_next(const struct folding *fold, struct output_event *ret);
void folding_told(struct folding *fold, const struct output_event *event);
bool folding_holds(const struct folding *fold) _pure_;
/* From when on all that is held back is to be told: CLOCK_BOOTTIME ms; INT64_MAX: nothing is. */
int64_t folding_deadline_ms(const struct folding *fold) _pure_;
/* Forgets all: what is held back will be read again. */
void folding_clear(struct folding *fold);
