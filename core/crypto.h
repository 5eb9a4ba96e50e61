/* SPDX-License-Identifier: MIT */
/*
 * What the daemon needs of libsodium: verifying, hashing for SSHSIG, comparing, encoding, randomness.
 * Nothing here can make a signature: that is secret.h, which driftd does not link.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

#define ED25519_PUBLIC_SIZE 32    /* bytes, RFC 8032 */
#define ED25519_SIGNATURE_SIZE 64 /* bytes, RFC 8032 */
#define SHA512_SIZE 64            /* bytes */

int crypto_setup(void);                                       /* once in each program; 0 or -EIO */
bool crypto_equal(const void *a, const void *b, size_t size); /* in constant time */
void crypto_wipe(void *data, size_t size);
void crypto_random(void *data, size_t size);

/* A short hash under a secret key, for sums and tables that nobody can prepare for: SipHash-2-4 (Aumasson,
 * Bernstein, 2012). No digest: 64 bits. */
#define CRYPTO_SHORT_KEY_SIZE 16
uint64_t crypto_short_hash(
        const unsigned char key[static CRYPTO_SHORT_KEY_SIZE], const void *data, size_t size);

/* Ed25519 (RFC 8032), strict: non-canonical S and small-order points are refused. */
bool crypto_verify(const unsigned char signature[static ED25519_SIGNATURE_SIZE], const void *message,
        size_t size, const unsigned char public_key[static ED25519_PUBLIC_SIZE]);

void crypto_sha512(const void *data, size_t size, unsigned char ret[static SHA512_SIZE]);

/* Base64 (RFC 4648, padded). Decoding takes no blanks and no newlines and only the canonical form: -EINVAL.
 */
int crypto_base64_append(struct buf *buf, const void *data, size_t size);
int crypto_base64_decode(const char *text, size_t size, struct buf *ret);
