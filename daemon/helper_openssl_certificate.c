/* SPDX-License-Identifier: MIT */
/*
 * Certificates that a policy names: until when, and how strong. A file may hold one in DER, or any number in
 * PEM: a chain is as good as the one of it that ends first, and its key is the first one's.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/util.h"
#include "daemon/helper_openssl.h"

#define CERTIFICATE_FILE_MAX ((size_t)1 << 20) /* bytes */

/* ---- reading ---- */

static int
read_whole(int fd, struct certificate_file *file)
{
        struct stat st;
        if (fstat(fd, &st) < 0)
                return errno;
        if (!S_ISREG(st.st_mode))
                return S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
        if (st.st_size > (off_t)CERTIFICATE_FILE_MAX)
                return EFBIG;
        file->bytes = malloc(CERTIFICATE_FILE_MAX);
        if (!file->bytes)
                return ENOMEM;
        for (;;) {
                ssize_t got = read(fd, file->bytes + file->size, CERTIFICATE_FILE_MAX - file->size);
                if (got < 0)
                        return errno;
                if (got == 0)
                        return 0;
                file->size += (size_t)got;
                if (file->size == CERTIFICATE_FILE_MAX)
                        return EFBIG;
        }
}

void
certificate_file_read(const char *path, struct certificate_file *ret)
{
        *ret = (struct certificate_file){.path = path};
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        ret->error = fd < 0 ? errno : read_whole(fd, ret);
}

/* ---- what it says ---- */

/* As Certificate(s), X.509's two forms of time turned into RFC 3339. */
static void
fact_time(size_t n, const ASN1_TIME *when)
{
        struct tm tm;
        char name[64], text[64];
        snprintf(name, sizeof name, "%zu.not_after", n);
        if (!ASN1_TIME_to_tm(when, &tm) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm))
                snprintf(text, sizeof text, "none");
        fact(name, text);
}

static void
facts_of_key(size_t n, X509 *certificate)
{
        char name[64];
        EVP_PKEY *key = X509_get0_pubkey(certificate);
        const char *type = key ? EVP_PKEY_get0_type_name(key) : NULL;
        snprintf(name, sizeof name, "%zu.bits", n);
        fact_printf(name, "%d", key ? EVP_PKEY_get_bits(key) : 0);
        snprintf(name, sizeof name, "%zu.type", n);
        fact(name, type ? type : "unknown");
}

static void
fact_problem(size_t n, int error, const char *words)
{
        char name[64];
        snprintf(name, sizeof name, "%zu.problem", n);
        fact_printf(name, "%d %s", error, words);
}

/* The first certificate, and the end of the one that ends first. Takes what the file holds one by one. */
static X509 *
first_of(const struct certificate_file *file, ASN1_TIME **ret_end)
{
        const unsigned char *at = file->bytes;
        BIO *bio = BIO_new_mem_buf(file->bytes, (int)file->size);
        X509 *first = NULL, *next;
        while (bio && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
                const ASN1_TIME *end = X509_get0_notAfter(next);
                if (!*ret_end || ASN1_TIME_compare(end, *ret_end) < 0) {
                        ASN1_STRING_free(*ret_end);
                        *ret_end = ASN1_STRING_dup(end);
                }
                if (!first)
                        first = next;
                else
                        X509_free(next);
        }
        /* At its end it says that there is no further start line; anything else is a certificate that is
         * broken. */
        bool broken = ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
        BIO_free(bio);
        if (first && !broken)
                return first;
        if (!first)
                first = d2i_X509(NULL, &at, (long)file->size);
        else {
                X509_free(first);
                first = NULL;
        }
        if (first)
                *ret_end = ASN1_STRING_dup(X509_get0_notAfter(first));
        return first;
}

void
facts_of_certificate(size_t n, const struct certificate_file *file)
{
        if (file->error) {
                const char *words =
                        file->error == EINVAL ? "not a regular file" : strerrordesc_np(file->error);
                fact_problem(n, file->error, words ? words : "it cannot be read");
                return;
        }
        ASN1_TIME *end = NULL;
        ERR_clear_error();
        X509 *first = file->size ? first_of(file, &end) : NULL;
        if (first && end) {
                fact_time(n, end);
                facts_of_key(n, first);
        } else {
                fact_problem(n, 0, "it holds no X.509 certificate that can be read");
        }
        ASN1_STRING_free(end);
        X509_free(first);
        ERR_clear_error();
}
