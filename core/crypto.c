/* SPDX-License-Identifier: MIT */
/*
 * The verifying half of libsodium behind a fence: only this file and secret.c include its header, and
 * only secret.c can sign, so that linking this pulls in nothing that makes a signature. Owns no state
 * but libsodium's own, which crypto_setup prepares once. Compares and wipes in constant time, because
 * what it is given may be secret even where it usually is not.
 */
#include "core/crypto.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

_Static_assert(ED25519_PUBLIC_SIZE == crypto_sign_ed25519_PUBLICKEYBYTES, "RFC 8032");
_Static_assert(ED25519_SIGNATURE_SIZE == crypto_sign_ed25519_BYTES, "RFC 8032");
_Static_assert(SHA512_SIZE == crypto_hash_sha512_BYTES, "FIPS 180-4");

int
crypto_setup(void)
{
        return sodium_init() < 0 ? -EIO : 0;
}

bool
crypto_equal(const void *a, const void *b, size_t size)
{
        return sodium_memcmp(a, b, size) == 0;
}

void
crypto_wipe(void *data, size_t size)
{
        sodium_memzero(data, size);
}

uint64_t
crypto_short_hash(const unsigned char key[static CRYPTO_SHORT_KEY_SIZE], const void *data, size_t size)
{
        uint64_t hash;
        static_assert(
                crypto_shorthash_BYTES == sizeof hash && crypto_shorthash_KEYBYTES == CRYPTO_SHORT_KEY_SIZE,
                "libsodium's SipHash-2-4");
        crypto_shorthash((unsigned char *)&hash, data, size, key);
        return hash;
}

void
crypto_random(void *data, size_t size)
{
        randombytes_buf(data, size);
}

bool
crypto_verify(const unsigned char signature[static ED25519_SIGNATURE_SIZE], const void *message, size_t size,
        const unsigned char public_key[static ED25519_PUBLIC_SIZE])
{
        return crypto_sign_ed25519_verify_detached(signature, message, size, public_key) == 0;
}

void
crypto_sha512(const void *data, size_t size, unsigned char ret[static SHA512_SIZE])
{
        crypto_hash_sha512(ret, data, size);
}

int
crypto_base64_append(struct buf *buf, const void *data, size_t size)
{
        if (size > BUF_SIZE_MAX / 2)
                return -E2BIG;
        /* With the NUL that libsodium writes and buf has room for. */
        size_t room = sodium_base64_encoded_len(size, sodium_base64_VARIANT_ORIGINAL);
        int r = buf_reserve(buf, room);
        if (r < 0)
                return r;
        sodium_bin2base64(buf->data + buf->size, room, data, size, sodium_base64_VARIANT_ORIGINAL);
        buf->size += room - 1;
        return 0;
}

/*
 * Four characters to three bytes, so a group holds what it decodes to. libsodium refuses bits left over,
 * missing padding and unfinished groups. Bytes over 0x7f are ruled out here because libsodium 1.0.18 takes
 * 0xab for '+' and 0xaf for '/' where char is signed.
 */
int
crypto_base64_decode(const char *text, size_t size, struct buf *ret)
{
        for (size_t i = 0; i < size; i++)
                if (text[i] & 0x80)
                        return -EINVAL;
        int r = buf_reserve(ret, size / 4 * 3);
        if (r < 0)
                return r;
        size_t decoded;
        unsigned char *out = (unsigned char *)ret->data + ret->size;
        r = sodium_base642bin(
                out, size / 4 * 3, text, size, NULL, &decoded, NULL, sodium_base64_VARIANT_ORIGINAL);
        if (r == 0)
                ret->size += decoded;
        ret->data[ret->size] = '\0';
        return r < 0 ? -EINVAL : 0;
}
