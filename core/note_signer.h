/* SPDX-License-Identifier: MIT */
/*
 * Signing notes, with keys that have no other use: the host's own for its checkpoints, a witness's for its
 * cosignatures. driftd links this, so it must be of no use for anything else: what is signed is always the
 * text of a note (UTF-8 lines without control bytes), which no SSHSIG, and so no approval, can be: that holds
 * NUL bytes.
 *
 * A key file is one line, as golang.org/x/mod/sumdb/note writes it: PRIVATE+KEY+NAME+ID+base64(type || seed).
 */
#pragma once

#include "core/note.h"

#define NOTE_SIGNER_FILE_MAX ((size_t)512) /* bytes */

struct note_signer;

/* A fresh key; its text, with a newline, is for a file (0600). -EINVAL: the name. */
int note_signer_generate(const char *name, enum note_type type, struct buf *ret, struct err *err);
/* NOTE_MALFORMED with words: the text is not exactly that of a key. */
int note_signer_parse(const char *text, size_t size, struct note_signer **ret, struct err *err);
const struct note_key *note_signer_key(const struct note_signer *signer);
struct note_signer *note_signer_free(struct note_signer *signer);
CLEANUP_DEFINE(struct note_signer *, note_signer_free)

/* Appends a signature line over text. A witness's key makes a cosignature of that time (seconds since 1970);
 * else time_s is not used. -EINVAL where text is no note's text. */
int note_sign(struct note_signer *signer, const char *text, size_t size, int64_t time_s, struct buf *ret,
        struct err *err);
