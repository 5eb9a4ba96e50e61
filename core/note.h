/* SPDX-License-Identifier: MIT */
/*
 * Signed notes (c2sp.org/signed-note v1.0.0): a text, a blank line, and signature lines
 *     — NAME base64(key id || signature)
 * with the two Ed25519 kinds of signature: that of a note (0x01), and that of a witness over a checkpoint
 * (0x04, c2sp.org/tlog-cosignature "cosignature/v1"). Here they are read and verified; note_signer.h makes
 * them.
 *
 * Verify, then read the same bytes: a note's text says nothing until note_verify returned 0.
 */
#pragma once

#include <stdbool.h>

#include "core/buf.h"
#include "core/crypto.h"
#include "core/err.h"

#define NOTE_SIZE_MAX ((size_t)1 << 20) /* bytes of a note with its signatures */
#define NOTE_SIGNATURES_MAX 64u         /* signature lines, whoever made them */
#define NOTE_NAME_MAX 256               /* bytes of a key's name, with the NUL */
#define NOTE_KEY_ID_SIZE 4              /* bytes */
#define NOTE_COSIGNATURE_SIZE (8 + ED25519_SIGNATURE_SIZE)
#define NOTE_DASH "\xe2\x80\x94 " /* what a signature line begins with: U+2014 and a blank */

enum note_result {
        NOTE_MALFORMED = 1, /* no note, or no key */
        NOTE_UNSIGNED = 2,  /* no signature by this key */
        NOTE_FORGED = 3,    /* one that names this key does not hold */
};

enum note_type {
        NOTE_ED25519 = 0x01,
        NOTE_COSIGNATURE = 0x04,
};

struct note_key {
        char name[NOTE_NAME_MAX];
        enum note_type type;
        unsigned char id[NOTE_KEY_ID_SIZE];
        unsigned char public_key[ED25519_PUBLIC_SIZE];
};

/* Not empty, UTF-8, no control byte, no Unicode space, no '+'; shorter than NOTE_NAME_MAX. */
bool note_name_is_valid(const char *name, size_t size);
/* Sets the id too: SHA-256(name || "\n" || type || public key), its first bytes. -EINVAL: the name. */
int note_key_make(const char *name, enum note_type type,
        const unsigned char public_key[static ED25519_PUBLIC_SIZE], struct note_key *ret);
/* "NAME+ID+base64(type || public key)", without a newline. NOTE_MALFORMED with words; other types are not
 * ours. */
int note_key_parse(const char *text, size_t size, struct note_key *ret, struct err *err);
int note_key_append(const struct note_key *key, struct buf *buf);
bool note_key_equal(const struct note_key *a, const struct note_key *b);

struct note_signature {
        const char *name; /* not terminated */
        size_t name_size;
        unsigned char id[NOTE_KEY_ID_SIZE];
        const char *base64; /* of id and signature */
        size_t base64_size;
        const char *line; /* with its newline */
        size_t line_size;
};

struct note {
        const char *text; /* with its last newline: what is signed */
        size_t text_size;
        unsigned count;
        struct note_signature signatures[NOTE_SIGNATURES_MAX];
};

/* Whether these bytes can be a note's text: UTF-8 lines without control bytes, the last one ended. */
bool note_text_is_valid(const char *text, size_t size);
/* Borrows from text. Nothing is verified. -ENOMEM, or NOTE_MALFORMED with the line and what is wrong. */
int note_parse(const char *text, size_t size, struct note *ret, struct err *err);
/*
 * 0 if every signature by this key holds and there is one. Others are ignored, as they must be. ret_time_s
 * (may be NULL): of a cosignature its time, the newest, in seconds since 1970; else 0.
 */
int note_verify(const struct note *note, const struct note_key *key, int64_t *ret_time_s, struct err *err);
/* What a cosignature of that time signs: "cosignature/v1\ntime N\n" and the text. */
int note_append_cosigned(int64_t time_s, const char *text, size_t size, struct buf *buf);
