/* SPDX-License-Identifier: MIT */
/*
 * Secrets: the signing half of libsodium behind its fence. A private key lives in guarded memory (pages
 * of its own, locked, out of core dumps) from the moment it is known until it is wiped, and nothing
 * outside this file computes with it. Sealing is argon2id for the passphrase and XSalsa20-Poly1305 for the
 * seed, with the costs written beside it.
 *
 * Whatever signs here, a key of ours or an agent's, its signature is verified before it is handed out:
 * a faulty token or a lying agent is found now and not on five thousand hosts later.
 * The daemon must never link this; a test looks at its symbols.
 */
#include "core/secret_internal.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "core/approval.h"
#include "core/quote.h"

_Static_assert(SECRET_SEED_SIZE == crypto_sign_ed25519_SEEDBYTES, "RFC 8032");
_Static_assert(SECRET_SALT_SIZE == crypto_pwhash_argon2id_SALTBYTES, "key files");
_Static_assert(SECRET_MEMLIMIT_MIN >= crypto_pwhash_argon2id_MEMLIMIT_MIN, "key files");
_Static_assert(
        SECRET_SEALED_SIZE == crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + SECRET_SEED_SIZE,
        "key files");

struct signer {
        struct ssh_key key;
        unsigned char
                *secret; /* guarded: seed and public half, as libsodium wants them; NULL: the agent has it */
        int agent;       /* descriptor; -1: we have it */
};

/* ---- guarded memory ---- */

void *
secret_new(size_t size)
{
        return sodium_malloc(size);
}

void *
secret_free(void *secret)
{
        sodium_free(secret);
        return NULL;
}

void
secret_hex(const void *data, size_t size, char *ret)
{
        char pair[3];
        for (size_t i = 0; i < size; i++) {
                sodium_bin2hex(pair, sizeof pair, (const unsigned char *)data + i, 1);
                memcpy(ret + 2 * i, pair, 2);
        }
        sodium_memzero(pair, sizeof pair);
}

int
secret_unhex(const char *hex, size_t hex_size, void *ret, size_t size)
{
        size_t decoded;
        if (hex_size != 2 * size)
                return -EINVAL;
        for (size_t i = 0; i < hex_size; i++) /* one spelling only: which digits are letters is no secret */
                if (hex[i] >= 'A' && hex[i] <= 'F')
                        return -EINVAL;
        if (sodium_hex2bin(ret, size, hex, hex_size, NULL, &decoded, NULL) < 0 || decoded != size)
                return -EINVAL;
        return 0;
}

int
secret_unbase64(const char *text, size_t size, void *ret, size_t room, size_t *ret_size)
{
        for (size_t i = 0; i < size; i++) /* as in crypto_base64_decode */
                if (text[i] & 0x80)
                        return -EINVAL;
        int r = sodium_base642bin(
                ret, room, text, size, "\n", ret_size, NULL, sodium_base64_VARIANT_ORIGINAL);
        return r < 0 ? -EINVAL : 0;
}

/* ---- sealing ---- */

void
secret_kdf_new(struct secret_kdf *ret)
{
        ret->opslimit = crypto_pwhash_argon2id_OPSLIMIT_MODERATE;
        ret->memlimit = crypto_pwhash_argon2id_MEMLIMIT_MODERATE;
        randombytes_buf(ret->salt, sizeof ret->salt);
}

/* The key that a passphrase makes, in guarded memory; NULL where argon2id finds no memory. */
static unsigned char *
kdf_run(const struct secret_kdf *kdf, const char *passphrase, struct err *err)
{
        unsigned char *key = sodium_malloc(crypto_secretbox_KEYBYTES);
        if (key &&
                crypto_pwhash_argon2id(key, crypto_secretbox_KEYBYTES, passphrase, strlen(passphrase),
                        kdf->salt, kdf->opslimit, kdf->memlimit, crypto_pwhash_argon2id_ALG_ARGON2ID13) == 0)
                return key;
        sodium_free(key);
        err_set(err, -ENOMEM, "not enough memory to unlock with a passphrase (%u MiB are needed)",
                kdf->memlimit >> 20);
        err_hint(err, -ENOMEM, "use the key on a machine with more memory, or through ssh-agent");
        return NULL;
}

int
secret_seal(const struct secret_kdf *kdf, const char *passphrase,
        const unsigned char seed[static SECRET_SEED_SIZE], unsigned char ret[static SECRET_SEALED_SIZE],
        struct err *err)
{
        _cleanup_secret_ unsigned char *key = kdf_run(kdf, passphrase, err);
        if (!key)
                return -ENOMEM;
        randombytes_buf(ret, crypto_secretbox_NONCEBYTES);
        crypto_secretbox_easy(ret + crypto_secretbox_NONCEBYTES, seed, SECRET_SEED_SIZE, ret, key);
        return 0;
}

int
secret_unseal(const struct secret_kdf *kdf, const char *passphrase,
        const unsigned char sealed[static SECRET_SEALED_SIZE],
        unsigned char ret_seed[static SECRET_SEED_SIZE], struct err *err)
{
        _cleanup_secret_ unsigned char *key = kdf_run(kdf, passphrase, err);
        if (!key)
                return -ENOMEM;
        if (crypto_secretbox_open_easy(ret_seed, sealed + crypto_secretbox_NONCEBYTES,
                    SECRET_SEALED_SIZE - crypto_secretbox_NONCEBYTES, sealed, key) == 0)
                return 0;
        err_set(err, SECRET_PASSPHRASE_WRONG, "the passphrase does not open this key");
        return err_hint(err, SECRET_PASSPHRASE_WRONG, "try again; if it is right, the key file was altered");
}

void
secret_public(
        const unsigned char seed[static SECRET_SEED_SIZE], unsigned char ret[static ED25519_PUBLIC_SIZE])
{
        unsigned char secret[crypto_sign_ed25519_SECRETKEYBYTES];
        crypto_sign_ed25519_seed_keypair(ret, secret, seed);
        sodium_memzero(secret, sizeof secret);
}

/* ---- signers ---- */

struct signer *
signer_free(struct signer *signer)
{
        if (!signer)
                return NULL;
        sodium_free(signer->secret);
        fd_close(signer->agent);
        free(signer);
        return NULL;
}

const struct ssh_key *
signer_key(const struct signer *signer)
{
        return &signer->key;
}

int
signer_from_seed(const unsigned char seed[static SECRET_SEED_SIZE], struct signer **ret, struct err *err)
{
        struct signer *signer = calloc(1, sizeof *signer);
        unsigned char *secret = sodium_malloc(crypto_sign_ed25519_SECRETKEYBYTES);
        if (!signer || !secret) {
                free(signer);
                sodium_free(secret);
                return err_oom(err);
        }
        *signer = (struct signer){.key.type = SSH_KEY_ED25519, .secret = secret, .agent = -1};
        crypto_sign_ed25519_seed_keypair(signer->key.public_key, secret, seed);
        sodium_mprotect_readonly(secret);
        *ret = signer;
        return 0;
}

int
signer_from_connection(int fd, const struct ssh_key *key, struct signer **ret, struct err *err)
{
        struct signer *signer = calloc(1, sizeof *signer);
        if (!signer) {
                fd_close(fd);
                return err_oom(err);
        }
        signer->agent = fd;
        signer->key = *key;
        *ret = signer;
        return 0;
}

/* The raw signature of RFC 8709, by whichever hand holds the key. */
static int
sign_raw(const struct signer *signer, const struct buf *asked, struct buf *ret, struct err *err)
{
        if (!signer->secret)
                return agent_sign(signer->agent, &signer->key, asked->data, asked->size, ret, err);
        unsigned char signature[ED25519_SIGNATURE_SIZE];
        const char *type = ssh_key_type_name(signer->key.type);
        crypto_sign_ed25519_detached(
                signature, NULL, (const unsigned char *)asked->data, asked->size, signer->secret);
        int r = ssh_append_string(ret, type, strlen(type));
        if (r == 0)
                r = ssh_append_string(ret, signature, sizeof signature);
        return r < 0 ? err_oom(err) : 0;
}

static int
check_own(const struct buf *armor, const struct ssh_key *key, const char *name_space, const void *message,
        size_t size, struct err *err)
{
        struct sshsig sig;
        struct err inner;
        int r = sshsig_parse(armor->data, armor->size, &sig, &inner);
        if (r == 0 && !ssh_key_equal(&sig.key, key))
                r = err_set(&inner, -EBADMSG, "it is by another key");
        if (r == 0)
                r = sshsig_verify(&sig, name_space, message, size, &inner);
        if (r == 0)
                return 0;
        err_set(err, -EBADMSG, "the signature just made cannot be used: %s", inner.text);
        return err_hint(err, -EBADMSG, "%s", inner.hint);
}

int
signer_sign(struct signer *signer, const char *name_space, const void *message, size_t size, struct buf *ret,
        struct err *err)
{
        _cleanup_buf_ struct buf asked = {0}, raw = {0}, armor = {0};
        if (sshsig_append_signed(name_space, message, size, &asked) < 0)
                return err_oom(err);
        int r = sign_raw(signer, &asked, &raw, err);
        if (r)
                return r;
        if (sshsig_append_armor(&signer->key, name_space, raw.data, raw.size, &armor) < 0)
                return err_oom(err);
        r = check_own(&armor, &signer->key, name_space, message, size, err);
        if (r == 0 && buf_append(ret, armor.data, armor.size) < 0)
                return err_oom(err);
        return r;
}
