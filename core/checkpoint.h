/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints (c2sp.org/tlog-checkpoint v1.0.0): the tree head of a log as a note's text. Three lines are any
 * log's: origin, size, root. Ours (origin driftd/HOST) say more, so that a copy kept elsewhere also shows an
 * old state directory put back:
 * - time 2026-11-26T18:00:00Z
 * - trust ID GENERATION (left out while there is none)
 * - baseline NAME GENERATION ID (each active one, by name)
 *
 * And the request that a witness takes (c2sp.org/tlog-witness, add-checkpoint): `old N`, the consistency
 * proof, an empty line, the signed checkpoint.
 */
#pragma once

#include "core/baseline.h" /* HOST_ID_MAX, name_is_valid */
#include "core/digest.h"
#include "core/merkle_proof.h"
#include "core/note.h"

#define CHECKPOINT_ORIGIN "driftd/"              /* then the host's id: also the name of its key */
#define CHECKPOINT_BASELINES_MAX 4096u           /* baseline lines */
#define CHECKPOINT_REQUEST_MAX ((size_t)1 << 20) /* bytes of a request */

enum checkpoint_result {
        CHECKPOINT_MALFORMED = 8, /* apart from enum note_result: both come from checkpoint_open */
        CHECKPOINT_OTHER_LOG = 9,
        CHECKPOINT_CUT = 10,
        CHECKPOINT_REWRITTEN = 11,
        CHECKPOINT_PUT_BACK = 12,
};

struct checkpoint_baseline {
        char name[NAME_MAX_SIZE];
        uint64_t generation;
        struct digest id;
};

struct checkpoint {
        char origin[NOTE_NAME_MAX];
        uint64_t size; /* at most INT64_MAX */
        struct digest root;
        /* Of ours; in another log's they are not read. */
        bool ours;
        int64_t time_ms; /* whole seconds */
        bool has_trust;
        uint64_t trust_generation;
        struct digest trust;
        size_t n_baselines;
        struct checkpoint_baseline *baselines; /* by name */
};
void checkpoint_done(struct checkpoint *checkpoint); /* zero-initialise it */

/* A note's text. CHECKPOINT_MALFORMED with the line; -ENOMEM. Unknown lines after the root are left alone. */
int checkpoint_parse(const char *text, size_t size, struct checkpoint *ret, struct err *err);
/* Ours, with the lines above. */
int checkpoint_append(const struct checkpoint *checkpoint, struct buf *buf);

/*
 * Reads a signed checkpoint and verifies it by a key: as note_parse, note_verify (which goes first: nothing
 * of the text is believed before) and checkpoint_parse.
 */
int checkpoint_open(
        const char *text, size_t size, const struct note_key *key, struct checkpoint *ret, struct err *err);

/*
 * Whether the log of `now` goes on from `old`, both verified: 0, or with words: CHECKPOINT_OTHER_LOG;
 * CHECKPOINT_CUT, fewer records; CHECKPOINT_REWRITTEN, the first records are others (the proof does not
 * hold); CHECKPOINT_PUT_BACK, a baseline or the trust file is of a generation below the old one, or another
 * one of the same generation.
 */
int checkpoint_extends(struct digester *digester, const struct checkpoint *old, const struct checkpoint *now,
        const struct merkle_proof *proof, struct err *err);
/* "extends", "malformed", "other_log", "cut", "rewritten", "put_back", "other_key" and "forged", for a result
 * of checkpoint_open or checkpoint_extends. */
const char *checkpoint_verdict(int result) __attribute__((const));

struct checkpoint_request {
        uint64_t old;
        struct merkle_proof proof;
        const char *checkpoint; /* borrowed: the signed note */
        size_t checkpoint_size;
};
int checkpoint_request_append(
        uint64_t old, const struct merkle_proof *proof, const char *checkpoint, size_t size, struct buf *buf);
/* CHECKPOINT_MALFORMED with words. The note in it is not looked at. */
int checkpoint_request_parse(const char *text, size_t size, struct checkpoint_request *ret, struct err *err);

/* A decimal number up to INT64_MAX, without a leading zero: 0 or -EINVAL. */
int checkpoint_number(const char *text, size_t size, uint64_t *ret);
