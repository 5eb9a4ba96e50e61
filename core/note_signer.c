/* SPDX-License-Identifier: MIT */
/*
 * The signing half of notes, behind the fence of libsodium. This is the only code within driftd that makes
 * signatures, and tests/floors.sh holds it to that: it can sign nothing but notes, and approvals are none.
 * The private key lies in guarded memory from the moment it is known; the seed's text is the caller's to
 * wipe.
 */
#include "core/note_signer.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define PREFIX "PRIVATE+KEY+"

struct note_signer {
        struct note_key key;
        unsigned char *secret; /* guarded: seed and public half */
};

static int
key_text(const struct note_key *key, const unsigned char *seed, struct buf *ret)
{
        unsigned char material[1 + crypto_sign_ed25519_SEEDBYTES] = {(unsigned char)key->type};
        memcpy(material + 1, seed, crypto_sign_ed25519_SEEDBYTES);
        int r = buf_reserve(ret, NOTE_SIGNER_FILE_MAX); /* so that no copy is left behind by growing */
        r = r ? r
              : buf_printf(ret, PREFIX "%s+%02x%02x%02x%02x+", key->name, key->id[0], key->id[1], key->id[2],
                        key->id[3]);
        r = r ? r : crypto_base64_append(ret, material, sizeof material);
        sodium_memzero(material, sizeof material);
        return r ? r : buf_text(ret, "\n");
}

static int
note_signer_make(const char *name, enum note_type type, const unsigned char *seed, struct note_signer **ret)
{
        _cleanup_(note_signer_freep) struct note_signer *signer = calloc(1, sizeof *signer);
        unsigned char public_key[ED25519_PUBLIC_SIZE];
        if (!signer || !(signer->secret = sodium_malloc(crypto_sign_ed25519_SECRETKEYBYTES)))
                return -ENOMEM;
        crypto_sign_ed25519_seed_keypair(public_key, signer->secret, seed);
        int r = note_key_make(name, type, public_key, &signer->key);
        if (r == 0)
                *ret = steal_pointer(&signer);
        return r;
}

int
note_signer_generate(const char *name, enum note_type type, struct buf *ret, struct err *err)
{
        _cleanup_(note_signer_freep) struct note_signer *signer = NULL;
        unsigned char seed[crypto_sign_ed25519_SEEDBYTES];
        randombytes_buf(seed, sizeof seed);
        int r = note_signer_make(name, type, seed, &signer);
        r = r ? r : key_text(&signer->key, seed, ret);
        sodium_memzero(seed, sizeof seed);
        if (r == -EINVAL)
                return err_set(err, r, "that is not a name that a key of notes can have");
        return r < 0 ? err_oom(err) : 0;
}

static int
text_refuse(struct err *err)
{
        return err_set(err, NOTE_MALFORMED, "it is not the text of a key for notes");
}

/* NAME+ID+BASE64 to its parts; the caller compares it with what they make. */
static int
text_split(const char *text, size_t size, char name[static NOTE_NAME_MAX], struct buf *material)
{
        if (size <= sizeof PREFIX || size > NOTE_SIGNER_FILE_MAX ||
                memcmp(text, PREFIX, sizeof PREFIX - 1) != 0 || text[size - 1] != '\n')
                return -EINVAL;
        const char *start = text + sizeof PREFIX - 1, *plus = memchr(start, '+', size - sizeof PREFIX);
        size_t name_size = plus ? (size_t)(plus - start) : 0, at = sizeof PREFIX - 1 + name_size + 10;
        if (!note_name_is_valid(start, name_size) || at >= size - 1)
                return -EINVAL;
        memcpy(name, start, name_size);
        name[name_size] = '\0';
        return crypto_base64_decode(text + at, size - 1 - at, material);
}

static void
wipe(struct buf *buf)
{
        if (buf->data)
                sodium_memzero(buf->data, buf->capacity);
        buf_done(buf);
}

int
note_signer_parse(const char *text, size_t size, struct note_signer **ret, struct err *err)
{
        _cleanup_(wipe) struct buf material = {0}, again = {0};
        _cleanup_(note_signer_freep) struct note_signer *signer = NULL;
        char name[NOTE_NAME_MAX];
        int r = text_split(text, size, name, &material);
        if (r == -ENOMEM)
                return err_oom(err);
        if (r < 0 || material.size != 1 + crypto_sign_ed25519_SEEDBYTES)
                return text_refuse(err);
        enum note_type type = (enum note_type)(unsigned char)material.data[0];
        if (type != NOTE_ED25519 && type != NOTE_COSIGNATURE)
                return text_refuse(err);
        const unsigned char *seed = (const unsigned char *)material.data + 1;
        r = note_signer_make(name, type, seed, &signer);
        r = r ? r : key_text(&signer->key, seed, &again);
        if (r < 0)
                return err_oom(err);
        if (again.size != size || sodium_memcmp(again.data, text, size) != 0)
                return text_refuse(err);
        *ret = steal_pointer(&signer);
        return 0;
}

const struct note_key *
note_signer_key(const struct note_signer *signer)
{
        return &signer->key;
}

struct note_signer *
note_signer_free(struct note_signer *signer)
{
        if (!signer)
                return NULL;
        sodium_free(signer->secret);
        free(signer);
        return NULL;
}

static int
line_append(const struct note_key *key, const unsigned char *bytes, size_t size, struct buf *ret)
{
        int r = buf_printf(ret, NOTE_DASH "%s ", key->name);
        r = r ? r : crypto_base64_append(ret, bytes, size);
        return r ? r : buf_text(ret, "\n");
}

int
note_sign(struct note_signer *signer, const char *text, size_t size, int64_t time_s, struct buf *ret,
        struct err *err)
{
        _cleanup_buf_ struct buf message = {0};
        unsigned char bytes[NOTE_KEY_ID_SIZE + NOTE_COSIGNATURE_SIZE];
        bool cosigns = signer->key.type == NOTE_COSIGNATURE;
        size_t at = NOTE_KEY_ID_SIZE + (cosigns ? 8 : 0);
        if (!note_text_is_valid(text, size) || time_s < 0)
                return err_set(err, -EINVAL, "that is not the text of a note, and nothing else is signed");
        int r = cosigns ? note_append_cosigned(time_s, text, size, &message)
                        : buf_append(&message, text, size);
        if (r < 0)
                return err_oom(err);
        memcpy(bytes, signer->key.id, NOTE_KEY_ID_SIZE);
        for (unsigned i = 0; cosigns && i < 8; i++)
                bytes[NOTE_KEY_ID_SIZE + i] = (unsigned char)((uint64_t)time_s >> (56 - 8 * i));
        crypto_sign_ed25519_detached(
                bytes + at, NULL, (const unsigned char *)message.data, message.size, signer->secret);
        r = line_append(&signer->key, bytes, at + ED25519_SIGNATURE_SIZE, ret);
        return r < 0 ? err_oom(err) : 0;
}
