/* SPDX-License-Identifier: MIT */
/*
 * Between secret.c (libsodium: guarded memory, sealing, signing), secret_file.c (the texts of key files) and
 * secret_agent.c (keys that somebody else holds). Nobody else includes this.
 */
#pragma once

#include "core/secret.h"

#define SECRET_SEED_SIZE 32   /* bytes, RFC 8032 */
#define SECRET_SALT_SIZE 16   /* bytes */
#define SECRET_SEALED_SIZE 72 /* bytes: nonce 24, authenticator 16, seed 32 */
#define SECRET_FILE_MAX 16384 /* bytes of a private key file */

/* What unsealing may cost, whatever a file asks for: some seconds and a gibibyte. */
#define SECRET_OPSLIMIT_MAX 8u
#define SECRET_MEMLIMIT_MIN 8192u
#define SECRET_MEMLIMIT_MAX (1u << 30) /* bytes */

struct secret_kdf {
        unsigned opslimit;
        unsigned memlimit; /* bytes */
        unsigned char salt[SECRET_SALT_SIZE];
};

/* Guarded memory: its own pages, kept from swap and core dumps, wiped by secret_free. NULL when there is none
 * left. */
void *secret_new(size_t size);
void *secret_free(void *secret);
CLEANUP_DEFINE(void *, secret_free)
#define _cleanup_secret_ __attribute__((cleanup(secret_free_any)))
static inline void
secret_free_any(void *pointer)
{
        secret_free(*(void **)pointer);
}

/* A fresh salt and the costs that new files get. */
void secret_kdf_new(struct secret_kdf *ret);
/* -ENOMEM where argon2id finds no memory; unsealing also SECRET_PASSPHRASE_WRONG. */
int secret_seal(const struct secret_kdf *kdf, const char *passphrase,
        const unsigned char seed[static SECRET_SEED_SIZE], unsigned char ret[static SECRET_SEALED_SIZE],
        struct err *err);
int secret_unseal(const struct secret_kdf *kdf, const char *passphrase,
        const unsigned char sealed[static SECRET_SEALED_SIZE],
        unsigned char ret_seed[static SECRET_SEED_SIZE], struct err *err);

/* In constant time. Exactly size * 2 lower-case digits; no NUL is written. */
void secret_hex(const void *data, size_t size, char *ret);
int secret_unhex(const char *hex, size_t hex_size, void *ret, size_t size); /* 0 or -EINVAL */
/* Base64 with newlines in it; room is that of ret. 0 or -EINVAL. */
int secret_unbase64(const char *text, size_t size, void *ret, size_t room, size_t *ret_size);

/* The public half of a seed. */
void secret_public(
        const unsigned char seed[static SECRET_SEED_SIZE], unsigned char ret[static ED25519_PUBLIC_SIZE]);

/* Each makes a signer. From a seed, which is copied into guarded memory: -ENOMEM. */
int signer_from_seed(const unsigned char seed[static SECRET_SEED_SIZE], struct signer **ret, struct err *err);
/* From a key in an agent; fd is consumed, on failure too. */
int signer_from_connection(int fd, const struct ssh_key *key, struct signer **ret, struct err *err);

/* Appends the raw signature blob that the agent makes over data. fd is borrowed. */
int agent_sign(
        int fd, const struct ssh_key *key, const void *data, size_t size, struct buf *ret, struct err *err);
