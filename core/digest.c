/* SPDX-License-Identifier: MIT */
/*
 * SHA-256 behind libcrypto's EVP, which picks the CPU's own instructions. The fence of libcrypto: no
 * other file includes its headers. The algorithm is fetched once; fetching costs more than a small hash.
 */
#include "core/digest.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "core/crypto.h"

struct digester {
        EVP_MD_CTX *context;
};

int
digest_setup(void)
{
        return OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1 ? 0 : -EIO;
}

struct digester *
digester_free(struct digester *digester)
{
        if (!digester)
                return NULL;
        EVP_MD_CTX_free(digester->context);
        free(digester);
        return NULL;
}

struct digester *
digester_new(void)
{
        struct digester *digester = calloc(1, sizeof *digester);
        if (!digester)
                return NULL;
        digester->context = EVP_MD_CTX_new();
        if (!digester->context || EVP_DigestInit_ex(digester->context, EVP_sha256(), NULL) != 1)
                return digester_free(digester);
        return digester;
}

void
digester_start(struct digester *digester)
{
        int ok = EVP_DigestInit_ex(digester->context, NULL, NULL);
        assert(ok == 1);
        (void)ok;
}

void
digester_update(struct digester *digester, const void *data, size_t size)
{
        int ok = EVP_DigestUpdate(digester->context, data, size);
        assert(ok == 1);
        (void)ok;
}

void
digester_final(struct digester *digester, struct digest *ret)
{
        int ok = EVP_DigestFinal_ex(digester->context, ret->bytes, NULL);
        assert(ok == 1);
        (void)ok;
}

/* ---- MD5: the same, but that it may be refused ---- */

struct md5er {
        EVP_MD_CTX *context;
};

struct md5er *
md5er_free(struct md5er *md5er)
{
        if (!md5er)
                return NULL;
        EVP_MD_CTX_free(md5er->context);
        free(md5er);
        return NULL;
}

struct md5er *
md5er_new(void)
{
        struct md5er *md5er = calloc(1, sizeof *md5er);
        if (!md5er)
                return NULL;
        md5er->context = EVP_MD_CTX_new();
        if (!md5er->context || EVP_DigestInit_ex(md5er->context, EVP_md5(), NULL) != 1)
                return md5er_free(md5er);
        return md5er;
}

void
md5er_start(struct md5er *md5er)
{
        int ok = EVP_DigestInit_ex(md5er->context, NULL, NULL);
        assert(ok == 1);
        (void)ok;
}

void
md5er_update(struct md5er *md5er, const void *data, size_t size)
{
        int ok = EVP_DigestUpdate(md5er->context, data, size);
        assert(ok == 1);
        (void)ok;
}

void
md5er_final(struct md5er *md5er, unsigned char ret[static MD5_SIZE])
{
        int ok = EVP_DigestFinal_ex(md5er->context, ret, NULL);
        assert(ok == 1);
        (void)ok;
}

/* ---- digests as values ---- */

void
digest_bytes(const void *data, size_t size, struct digest *ret)
{
        int ok = EVP_Digest(data, size, ret->bytes, NULL, EVP_sha256(), NULL);
        assert(ok == 1);
        (void)ok;
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

static int
nibble(char digit)
{
        if (digit >= '0' && digit <= '9')
                return digit - '0';
        if (digit >= 'a' && digit <= 'f')
                return digit - 'a' + 10;
        return -1;
}

int
digest_parse(const char *hex, size_t size, struct digest *ret)
{
        struct digest digest;
        if (size != 2 * DIGEST_SIZE)
                return -EINVAL;
        for (size_t i = 0; i < DIGEST_SIZE; i++) {
                int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);
                if (high < 0 || low < 0)
                        return -EINVAL;
                digest.bytes[i] = (unsigned char)(high << 4 | low);
        }
        *ret = digest;
        return 0;
}

bool
digest_equal(const struct digest *a, const struct digest *b)
{
        return crypto_equal(a->bytes, b->bytes, DIGEST_SIZE);
}
