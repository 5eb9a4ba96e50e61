/* SPDX-License-Identifier: MIT */
/*
 * SHA-256 by libcrypto's own functions, which pick the CPU's instructions. The fence of libcrypto: no other
 * file includes its headers.
 *
 * These are the old functions and not the EVP ones on purpose: EVP allocates in every start of a digest, so
 * that it can fail, and what is true of a file must not hang on memory. Here a digest is a few words of the
 * caller's, and cannot fail. (OpenSSL 3 calls them deprecated, and has them.)
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "core/digest.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include "core/crypto.h"

struct digester {
        SHA256_CTX context;
};

int
digest_setup(void)
{
        return OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1 ? 0 : -EIO;
}

struct digester *
digester_free(struct digester *digester)
{
        free(digester);
        return NULL;
}

struct digester *
digester_new(void)
{
        struct digester *digester = calloc(1, sizeof *digester);
        if (digester)
                SHA256_Init(&digester->context);
        return digester;
}

void
digester_start(struct digester *digester)
{
        SHA256_Init(&digester->context);
}

void
digester_update(struct digester *digester, const void *data, size_t size)
{
        SHA256_Update(&digester->context, data, size);
}

void
digester_final(struct digester *digester, struct digest *ret)
{
        SHA256_Final(ret->bytes, &digester->context);
}

/* ---- MD5: the same, but that the host's policy may refuse it, which EVP alone can tell ---- */

struct md5er {
        MD5_CTX context;
};

struct md5er *
md5er_free(struct md5er *md5er)
{
        free(md5er);
        return NULL;
}

static bool
md5_is_allowed(void)
{
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        bool allowed = context && EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1;
        EVP_MD_CTX_free(context);
        return allowed;
}

struct md5er *
md5er_new(void)
{
        struct md5er *md5er = md5_is_allowed() ? calloc(1, sizeof *md5er) : NULL;
        if (md5er)
                MD5_Init(&md5er->context);
        return md5er;
}

void
md5er_start(struct md5er *md5er)
{
        MD5_Init(&md5er->context);
}

void
md5er_update(struct md5er *md5er, const void *data, size_t size)
{
        MD5_Update(&md5er->context, data, size);
}

void
md5er_final(struct md5er *md5er, unsigned char ret[static MD5_SIZE])
{
        MD5_Final(ret, &md5er->context);
}

/* ---- digests as values ---- */

void
digest_pieces(const struct iovec *pieces, size_t n, struct digest *ret)
{
        SHA256_CTX context;
        SHA256_Init(&context);
        for (size_t i = 0; i < n; i++)
                SHA256_Update(&context, pieces[i].iov_base, pieces[i].iov_len);
        SHA256_Final(ret->bytes, &context);
}

void
digest_bytes(const void *data, size_t size, struct digest *ret)
{
        digest_pieces(&(struct iovec){(void *)(uintptr_t)data, size}, 1, ret);
}

void
digest_hex(const struct digest *digest, char hex[static DIGEST_HEX_SIZE])
{
        static const char digits[] = "0123456789abcdef";
        for (size_t i = 0; i < DIGEST_SIZE; i++) {
                hex[2 * i] = digits[digest->bytes[i] >> 4];
                hex[2 * i + 1] = digits[digest->bytes[i] & 15];
        }
        hex[2 * DIGEST_SIZE] = '\0';
}

/* By the million when a baseline is opened: no branches. What is no lower-case digit has a bit above the
 * value's.
 */
static unsigned
nibble(char digit)
{
        static const unsigned char values[256] = {['0'] = 0x10,
                ['1'] = 0x11,
                ['2'] = 0x12,
                ['3'] = 0x13,
                ['4'] = 0x14,
                ['5'] = 0x15,
                ['6'] = 0x16,
                ['7'] = 0x17,
                ['8'] = 0x18,
                ['9'] = 0x19,
                ['a'] = 0x1a,
                ['b'] = 0x1b,
                ['c'] = 0x1c,
                ['d'] = 0x1d,
                ['e'] = 0x1e,
                ['f'] = 0x1f};
        return values[(unsigned char)digit] ^ 0x10u;
}

int
digest_parse(const char *hex, size_t size, struct digest *ret)
{
        struct digest digest;
        unsigned all = 0;
        if (size != 2 * DIGEST_SIZE)
                return -EINVAL;
        for (size_t i = 0; i < DIGEST_SIZE; i++) {
                unsigned high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);
                all |= high | low;
                digest.bytes[i] = (unsigned char)(high << 4 | low);
        }
        if (all > 0xf)
                return -EINVAL;
        *ret = digest;
        return 0;
}

bool
digest_equal(const struct digest *a, const struct digest *b)
{
        return crypto_equal(a->bytes, b->bytes, DIGEST_SIZE);
}
