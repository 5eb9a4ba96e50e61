/* SPDX-License-Identifier: MIT */
/*
 * A witness of other hosts' histories (c2sp.org/tlog-witness, add-checkpoint; cosignatures of
 * c2sp.org/tlog-cosignature): it cosigns a log's checkpoint only if that extends the last one it cosigned,
 * and has written that down durably before it answers. No network here: a request's bytes go in, an answer
 * comes out. For one thread.
 *
 * Its folder holds witness.key (0600) and witness.pub, made once, and for each log one file
 * SHA-256(ORIGIN).checkpoint: the newest checkpoint with the log's signature and ours. That is all it
 * remembers. One process at a time works in a folder.
 */
#pragma once

#include "core/checkpoint.h"

#define WITNESS_LOGS_MAX 4096u

struct witness;

/* Makes the folder (0700) and the key where there is none, with this name; NULL: the host's name. A damaged
 * key is refused, never replaced: those who trust it must be told. only_reads: nothing will be asked of
 * it; else -EBUSY where another process has worked there for seconds. */
int witness_open(
        const char *folder, const char *name, bool only_reads, struct witness **ret, struct err *err);
struct witness *witness_free(struct witness *witness);
CLEANUP_DEFINE(struct witness *, witness_free)
const struct note_key *witness_key(const struct witness *witness);

/* A log that it knows, by its verifier key, whose name is the log's origin. Reads what it last cosigned of
 * it: -EBADMSG where that file is not what it wrote. A second key of a name: both are taken. */
int witness_add_log(struct witness *witness, const struct note_key *key, struct err *err);

enum witness_status { /* of HTTP */
        WITNESS_OK = 200,
        WITNESS_BAD_REQUEST = 400,
        WITNESS_FORBIDDEN = 403, /* no signature by a key of the log, or one that does not hold */
        WITNESS_UNKNOWN = 404,   /* not a log that it knows */
        WITNESS_CONFLICT = 409,  /* the body is the size that it knows */
        WITNESS_REFUSED = 422,   /* the log was rewritten, or the proof is none */
        WITNESS_FAILED = 500,    /* it could not be written down */
};

struct witness_answer { /* zero-initialise */
        enum witness_status status;
        struct buf body;            /* 200: signature lines; 409: the size; else words */
        bool alarm;                 /* a fork or a rollback, signed by the log's own key */
        char origin[NOTE_NAME_MAX]; /* once its signature held; else "" */
        struct err words;           /* why not */
};
void witness_answer_done(struct witness_answer *answer);
/* -ENOMEM: then there is no answer. now_s: seconds since 1970. */
int witness_ask(struct witness *witness, const char *request, size_t size, int64_t now_s,
        struct witness_answer *ret, struct err *err);

/* The file of a log by the hex of its origin's hash, as a monitor asks for it; STORE-like: -ENOENT. */
int witness_checkpoint(
        const struct witness *witness, const char *hex, size_t size, struct buf *ret, struct err *err);

struct witness_log {
        const char *origin;
        uint64_t size;      /* 0 and no time: nothing was cosigned yet */
        int64_t cosigned_s; /* when it last showed something new; 0: never */
};
size_t witness_logs(const struct witness *witness);
struct witness_log witness_log(const struct witness *witness, size_t index);
