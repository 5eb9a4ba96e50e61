/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints of an instance: the tree head of its history, signed by a key that has no other use, with what
 * is active beside it.
 *
 * The key is made once, by whoever first opens the store for writing, in checkpoint.key (0600), with the
 * verifier key in checkpoint.pub. The store remembers which key it was, so that a lost, damaged or exchanged
 * one is a record of the history and never silent; a damaged file is kept beside the new one. A key that only
 * could not be read now is not replaced: then there are no checkpoints, and the words say why.
 *
 * Only what was recomputed from the leaves is signed, and never what contradicts the newest checkpoint that
 * was handed out. The store remembers that too, but whoever rewrites the store can rewrite this: what proves
 * a rewrite is the copy kept elsewhere.
 */
#include "core/instance_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/checkpoint.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/quote.h"

#define KEY_VALUE "checkpoint_key" /* the verifier key in force */
#define LAST_VALUE "checkpoint"    /* "SIZE ROOT TIME_MS" of the newest that was handed out */

/* ---- the key ---- */

struct key_state {
        char *path, *pub_path, *aside;
        char *stored;    /* the verifier key that the store remembers; NULL: none */
        const char *why; /* a new one is made, or this one is recorded; NULL: neither */
        struct note_signer *signer;
};

static void
key_state_done(struct key_state *state)
{
        free(state->path);
        free(state->pub_path);
        free(state->aside);
        free(state->stored);
        note_signer_free(state->signer);
}

static int
key_paths(const struct config *config, struct key_state *state)
{
        if (asprintf(&state->path, "%s/checkpoint.key", config->state_dir) < 0)
                state->path = NULL;
        if (asprintf(&state->pub_path, "%s/checkpoint.pub", config->state_dir) < 0)
                state->pub_path = NULL;
        if (asprintf(&state->aside, "%s/checkpoint.key.damaged", config->state_dir) < 0)
                state->aside = NULL;
        return state->path && state->pub_path && state->aside ? 0 : -ENOMEM;
}

static void
text_wipe(struct buf *text)
{
        if (text->data)
                crypto_wipe(text->data, text->capacity);
        buf_done(text);
}

static int
key_name(const struct instance *instance, char ret[static NOTE_NAME_MAX])
{
        return snprintf(ret, NOTE_NAME_MAX, CHECKPOINT_ORIGIN "%s", instance->host);
}

/* 0 with or without a signer: why says what is to be done. */
static int
key_read(const struct instance *instance, struct key_state *state, struct err *err)
{
        _cleanup_(text_wipe) struct buf text = {0};
        char name[NOTE_NAME_MAX];
        key_name(instance, name);
        int r = file_read(state->path, 0, NOTE_SIGNER_FILE_MAX, &text, err);
        if (r == -ENOENT) {
                state->why = state->stored ? "lost" : "first";
                return 0;
        }
        if (r < 0 && r != -EFBIG && r != -EINVAL && r != -ELOOP)
                return r;
        r = r ? NOTE_MALFORMED
              : note_signer_parse(text.data ? text.data : "", text.size, &state->signer, err);
        if (r < 0)
                return r;
        if (r == 0 && strcmp(note_signer_key(state->signer)->name, name) == 0 &&
                note_signer_key(state->signer)->type == NOTE_ED25519)
                return 0;
        state->why = r ? "damaged" : "of another host";
        state->signer = note_signer_free(state->signer);
        if (rename(state->path, state->aside) < 0)
                return err_set(
                        err, -errno, "%s could not be set aside: %s", quote(state->path), strerror(errno));
        return 0;
}

static int
key_write(const struct instance *instance, struct key_state *state, struct err *err)
{
        _cleanup_(text_wipe) struct buf text = {0};
        char name[NOTE_NAME_MAX];
        key_name(instance, name);
        int r = note_signer_generate(name, NOTE_ED25519, &text, err);
        r = r ? r : note_signer_parse(text.data, text.size, &state->signer, err);
        return r ? r : file_create(state->path, 0600, text.data, text.size, err);
}

/* The file that people copy: made again whenever it is not what it should be. */
static int
pub_write(const struct key_state *state, const struct buf *key, struct err *err)
{
        _cleanup_buf_ struct buf there = {0}, line = {0};
        if (buf_printf(&line, "%s\n", key->data) < 0)
                return err_oom(err);
        if (file_read(state->pub_path, 0, NOTE_SIGNER_FILE_MAX, &there, NULL) == 0 &&
                there.size == line.size && memcmp(there.data, line.data, line.size) == 0)
                return 0;
        return file_write(state->pub_path, 0644, line.data, line.size, err);
}

static int
key_settle(struct instance *instance, struct key_state *state, struct err *err)
{
        _cleanup_buf_ struct buf key = {0};
        int r = key_read(instance, state, err);
        if (r == 0 && !state->signer)
                r = key_write(instance, state, err);
        if (r)
                return r;
        if (note_key_append(note_signer_key(state->signer), &key) < 0)
                return err_oom(err);
        r = pub_write(state, &key, err);
        if (r)
                return r;
        if (state->stored && strcmp(state->stored, key.data) == 0)
                return 0;
        if (!state->why)
                state->why = state->stored ? "exchanged" : "found";
        instance_value(instance, KEY_VALUE, key.data);
        instance_record(instance, "checkpoint", NULL,
                json_make("{s:s, s:s, s:s?}", "key", key.data, "why", state->why, "before", state->stored));
        return 0;
}

int
instance_load_checkpoint_key(struct instance *instance, struct err *err)
{
        _cleanup_(key_state_done) struct key_state state = {0};
        struct err why = {0};
        if (key_paths(instance->config, &state) < 0)
                return err_oom(err);
        int r = store_value_get(instance->store, KEY_VALUE, &state.stored, err);
        if (r && r != STORE_NONE)
                return r;
        r = key_settle(instance, &state, &why);
        if (r == -ENOMEM)
                return err_oom(err);
        if (r)
                snprintf(instance->checkpoint_why, sizeof instance->checkpoint_why, "%.500s", why.text);
        else
                instance->checkpoint_signer = steal_pointer(&state.signer);
        return 0;
}

/* ---- the newest that was handed out ---- */

int
instance_checkpoint_last(struct instance *instance, struct checkpoint_last *ret, struct err *err)
{
        _cleanup_free_ char *value = NULL;
        *ret = (struct checkpoint_last){0};
        int r = store_value_get(instance->store, LAST_VALUE, &value, err);
        if (r)
                return r == STORE_NONE ? 0 : r;
        const char *root = strchr(value, ' '), *time = root ? strchr(root + 1, ' ') : NULL;
        if (!time || checkpoint_number(value, (size_t)(root - value), &ret->head.size) < 0 ||
                digest_parse(root + 1, (size_t)(time - root - 1), &ret->head.root) < 0) {
                *ret = (struct checkpoint_last){0};
                return 0; /* not ours: as if none had been */
        }
        ret->time_ms = strtoll(time + 1, NULL, 10);
        return 0;
}

static int
last_write(struct instance *instance, const struct checkpoint *c, int64_t now_ms, struct err *err)
{
        char value[128], hex[DIGEST_HEX_SIZE];
        digest_hex(&c->root, hex);
        snprintf(value, sizeof value, "%" PRIu64 " %s %" PRId64, c->size, hex, now_ms);
        instance_value(instance, LAST_VALUE, value);
        return instance_flush(instance, err);
}

/* ---- making one ---- */

static int
baseline_order(const void *a, const void *b)
{
        return strcmp(
                ((const struct checkpoint_baseline *)a)->name, ((const struct checkpoint_baseline *)b)->name);
}

static int
checkpoint_fill(const struct instance *instance, struct checkpoint *c)
{
        size_t n = judge_baselines(instance->judge);
        key_name(instance, c->origin);
        c->ours = true;
        if (instance->trust) {
                c->has_trust = true;
                c->trust = *trust_id(instance->trust);
                c->trust_generation = trust_generation(instance->trust);
        }
        c->baselines = calloc(n + 1, sizeof *c->baselines);
        if (!c->baselines)
                return -ENOMEM;
        for (size_t i = 0; i < n && i < CHECKPOINT_BASELINES_MAX; i++) {
                const struct baseline *b = judge_baseline(instance->judge, i);
                struct checkpoint_baseline *row = &c->baselines[c->n_baselines++];
                snprintf(row->name, sizeof row->name, "%s", baseline_header(b)->name);
                row->generation = baseline_header(b)->generation;
                row->id = *baseline_id(b);
        }
        qsort(c->baselines, c->n_baselines, sizeof *c->baselines, baseline_order);
        return 0;
}

static int
contradicts(const struct checkpoint_last *last, const struct store_proof *proof, struct err *err)
{
        char time[CLOCK_TEXT_MAX];
        clock_format_seconds(last->time_ms, time);
        if (last->head.size > proof->head.size)
                err_set(err, INSTANCE_REFUSED,
                        "the history was cut: the checkpoint of %s counts %" PRIu64
                        " records, and now there are %" PRIu64,
                        time, last->head.size, proof->head.size);
        else
                err_set(err, INSTANCE_REFUSED,
                        "the history was rewritten: its first %" PRIu64
                        " records give another root than the checkpoint of %s says",
                        last->head.size, time);
        return err_hint(err, INSTANCE_REFUSED,
                "a checkpoint that contradicts an earlier one is never signed; hold the store against "
                "backups");
}

int
instance_checkpoint(struct instance *instance, const struct store_proof *proof, bool hand_out,
        struct buf *ret, struct err *err)
{
        _cleanup_(checkpoint_done) struct checkpoint c = {.size = proof->head.size, .root = proof->head.root};
        _cleanup_buf_ struct buf text = {0};
        struct checkpoint_last last;
        int64_t now_ms = clock_now_ms();
        if (!instance->checkpoint_signer) {
                err_set(err, -EIO, "there is no key to sign checkpoints with: %s", instance->checkpoint_why);
                return err_hint(err, -EIO, "mend that, then start driftd anew");
        }
        int r = instance_checkpoint_last(instance, &last, err);
        if (r)
                return r;
        if (last.head.size && (last.head.size > proof->head.size || proof->seen.size != last.head.size ||
                                      !digest_equal(&proof->seen.root, &last.head.root)))
                return contradicts(&last, proof, err);
        c.time_ms = now_ms / 1000 * 1000;
        if (checkpoint_fill(instance, &c) < 0 || checkpoint_append(&c, &text) < 0 ||
                buf_printf(ret, "%s\n", text.data) < 0)
                return err_oom(err);
        r = note_sign(instance->checkpoint_signer, text.data, text.size, 0, ret, err);
        return r || !hand_out ? r : last_write(instance, &c, now_ms, err);
}
