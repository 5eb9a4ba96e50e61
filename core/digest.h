/* SPDX-License-Identifier: MIT */
/*
 * SHA-256 (FIPS 180-4), the content digest: people can check it by hand with sha256sum; and MD5, beside it,
 * for what a package manager says. The only module that includes libcrypto's headers; libcrypto is told not
 * to load its configuration, which could dlopen modules into the daemon.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "core/util.h"

#define DIGEST_SIZE 32     /* bytes */
#define DIGEST_BLOCK 64u   /* bytes that are hashed at once */
#define DIGEST_HEX_SIZE 65 /* characters, with the NUL */

struct digest {
        unsigned char bytes[DIGEST_SIZE];
};

/* Once in each program, before any other call. 0 or -EIO. */
int digest_setup(void);

/* Of some bytes. Cannot fail. */
void digest_bytes(const void *data, size_t size, struct digest *ret);
void digest_pieces(const struct iovec *pieces, size_t n, struct digest *ret);

/* In pieces. One digester is for one thread at a time and may be used again after digester_final. */
struct digester;
struct digester *digester_new(void); /* NULL when out of memory */
struct digester *digester_free(struct digester *digester);
CLEANUP_DEFINE(struct digester *, digester_free)
void digester_start(struct digester *digester);
void digester_update(struct digester *digester, const void *data, size_t size);
void digester_final(struct digester *digester, struct digest *ret);

/*
 * Several messages at once, each in a lane of the CPU's vectors, where that is faster than one after another:
 * on a CPU that has the widest vectors, or wide ones and no instructions for SHA-256. digest_lanes: so many,
 * at most DIGEST_LANES_MAX, for the price of three to six; 0: it is not faster, and what follows does one
 * after another.
 */
#define DIGEST_LANES_MAX 16u
unsigned digest_lanes(void);

/* What is to be added to a digester. */
struct digest_piece {
        struct digester *digester;
        const void *data;
        size_t size; /* bytes */
};
/* Goes on until at least one piece is all added, and its size 0; data and size of the others go on as far. At
 * most DIGEST_LANES_MAX pieces, of different digesters. */
void digest_side_by_side(struct digest_piece *pieces, size_t n);

struct digest_message {
        const void *data;
        size_t size;
        struct digest *ret;
};
/* As digest_bytes of each; what is returned may not lie in any message. */
void digest_messages(const struct digest_message *messages, size_t n);

/*
 * MD5 (RFC 1321), for one purpose: to compare a file with the list that its package manager keeps, which has
 * nothing better. It is broken against whoever made both files, so what it says is corroboration and never
 * approval. NULL when out of memory, or where libcrypto refuses MD5 (FIPS).
 */
#define MD5_SIZE 16 /* bytes */
struct md5er;
struct md5er *md5er_new(void);
struct md5er *md5er_free(struct md5er *md5er);
CLEANUP_DEFINE(struct md5er *, md5er_free)
void md5er_start(struct md5er *md5er);
void md5er_update(struct md5er *md5er, const void *data, size_t size);
void md5er_final(struct md5er *md5er, unsigned char ret[static MD5_SIZE]);

/* Lower-case hex, NUL-terminated. */
void digest_hex(const struct digest *digest, char hex[static DIGEST_HEX_SIZE]);
/* Takes exactly 64 lower-case hex digits (size is checked); 0 or -EINVAL. */
int digest_parse(const char *hex, size_t size, struct digest *ret);
bool digest_equal(const struct digest *a, const struct digest *b); /* in constant time */
