/* SPDX-License-Identifier: MIT */
/*
 * Notes, verifier keys, checkpoints, proofs and witness requests: whatever the bytes, reading ends, and what
 * is taken has one form: written again it is the same bytes.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "core/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_note(const char *text, size_t size)
{
        struct err err = {0};
        struct note note;
        struct note_key key = {.name = "a", .type = NOTE_ED25519};
        if (note_parse(text, size, &note, &err) != 0) {
                assert(err.code == NOTE_MALFORMED && err.text[0]);
                return;
        }
        size_t covered = note.text_size + 1;
        for (unsigned i = 0; i < note.count; i++) {
                assert(note.signatures[i].line == text + covered);
                covered += note.signatures[i].line_size;
                if (note.signatures[i].name_size < NOTE_NAME_MAX) {
                        memcpy(key.name, note.signatures[i].name, note.signatures[i].name_size);
                        key.name[note.signatures[i].name_size] = '\0';
                }
                memcpy(key.id, note.signatures[i].id, sizeof key.id);
                key.type = i % 2 ? NOTE_COSIGNATURE : NOTE_ED25519;
                assert(note_verify(&note, &key, NULL, &err) != 0);
        }
        assert(covered == size && note.count);
}

static void
try_key(const char *text, size_t size)
{
        struct note_key key;
        struct buf again = {0};
        if (note_key_parse(text, size, &key, NULL) != 0)
                return;
        assert(note_key_append(&key, &again) == 0);
        assert(again.size == size && memcmp(again.data, text, size) == 0);
        buf_done(&again);
}

static void
try_checkpoint(const char *text, size_t size)
{
        struct err err = {0};
        struct checkpoint c = {0}, second = {0};
        struct buf again = {0};
        if (checkpoint_parse(text, size, &c, &err) != 0) {
                assert(err.code == CHECKPOINT_MALFORMED && err.text[0]);
                return;
        }
        if (c.ours) { /* lines of a later version are not kept: what is written is read the same */
                assert(checkpoint_append(&c, &again) == 0 && again.size <= size);
                assert(checkpoint_parse(again.data, again.size, &second, &err) == 0);
                assert(second.size == c.size && second.time_ms == c.time_ms &&
                        second.n_baselines == c.n_baselines);
                checkpoint_done(&second);
                buf_done(&again);
        }
        checkpoint_done(&c);
}

static void
try_request(const char *text, size_t size)
{
        struct err err = {0};
        struct checkpoint_request request;
        struct buf again = {0};
        if (checkpoint_request_parse(text, size, &request, &err) != 0) {
                assert(err.code == CHECKPOINT_MALFORMED && err.text[0]);
                return;
        }
        assert(checkpoint_request_append(request.old, &request.proof, request.checkpoint,
                       request.checkpoint_size, &again) == 0);
        assert(again.size == size && memcmp(again.data, text, size) == 0);
        buf_done(&again);
}

static void
try_proof(const char *text, size_t size)
{
        struct merkle_proof proof;
        struct buf again = {0};
        if (merkle_proof_parse(text, size, &proof) != 0)
                return;
        assert(merkle_proof_append(&proof, &again) == 0 && again.size == size);
        assert(!size || memcmp(again.data, text, size) == 0);
        buf_done(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *text = size ? (const char *)data : "";
        try_note(text, size);
        try_key(text, size);
        try_checkpoint(text, size);
        try_request(text, size);
        try_proof(text, size);
        return 0;
}
