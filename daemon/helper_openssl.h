/* SPDX-License-Identifier: MIT */
/*
 * The parts of driftd-openssl, the one program of ours that loads OpenSSL's configuration.
 * core/probe_openssl.h has its commands and what it answers: lines `NAME VALUE`, VALUE escaped, the last one
 * `end`.
 */
#pragma once

#include <openssl/ssl.h>
#include <stddef.h>

#define FACT_MAX                                                                                             \
        ((size_t)1 << 16) /* bytes of a value; what is longer is no fact, and the answer stays without its   \
                             end */

/* A line of the answer. */
void fact(const char *name, const char *value);
void fact_printf(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The oldest error that OpenSSL holds, in words; then it holds none. Never empty. */
void fact_error(const char *name, const char *prefix);

/*
 * Which protocols shake hands in memory where one side is as the configuration makes it and the other side
 * takes anything: `protocols` (comma-separated, oldest first; `none`), and what the client side offers:
 * `groups` and `signature_algorithms`. subject is as the configuration makes it, and is changed (it gets
 * keys).
 */
void facts_of_handshakes(SSL_CTX *subject);

/* A file that a person named, read before the sandbox is entered. */
struct certificate_file {
        const char *path;
        unsigned char *bytes; /* to be freed */
        size_t size;
        int error; /* errno; 0 */
};
void certificate_file_read(const char *path, struct certificate_file *ret);
/* `N.not_after` (RFC 3339, UTC; the earliest of all certificates in the file), `N.bits` and `N.type` (of the
 * first one); or `N.problem`, with an errno's number before the words, or 0. */
void facts_of_certificate(size_t n, const struct certificate_file *file);
