/* SPDX-License-Identifier: MIT */
/*
 * SHA-256 by libcrypto's own functions, which pick the CPU's instructions; and of several messages at once in
 * the lanes of digest_lanes.c, which are believed only where they say the same as libcrypto. The fence of
 * libcrypto: no other file includes its headers.
 *
 * These are the old functions and not the EVP ones on purpose: EVP allocates in every start of a digest, so
 * that it can fail, and what is true of a file must not hang on memory. Here a digest is a few words of the
 * caller's, and cannot fail. (OpenSSL 3 calls them deprecated, and has them.)
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "core/digest.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/md5.h>
#include <openssl/sha.h>
#include <string.h>

#include "core/crypto.h"
#include "core/digest_lanes.h"

static_assert(DIGEST_LANES_MAX == LANES_MAX && LANES_BLOCK == SHA256_CBLOCK, "the same, told to others");
static_assert(sizeof(SHA_LONG) == sizeof(uint32_t), "a context's words are the lanes' words");

struct digester {
        SHA256_CTX context;
};

/* How messages are hashed together, or NULL; and how many are too few for it. Written once, by digest_setup,
 * before there are threads. */
static const struct lanes *lanes;
static unsigned too_few;

/* Whether it says what libcrypto says: of some blocks, with a different message in each lane. */
static bool
lanes_agree(const struct lanes *way)
{
        enum { BLOCKS = 3 };
        unsigned char bytes[BLOCKS * LANES_BLOCK + LANES_MAX];
        const unsigned char *data[LANES_MAX];
        SHA256_CTX contexts[LANES_MAX] = {0};
        uint32_t *state[LANES_MAX];
        unsigned char byte = 1;
        bool agree = true;
        for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = byte = (unsigned char)(byte * 5 + 113); /* each value once in 256 */
        for (unsigned i = 0; i < way->count; i++) {
                SHA256_Init(&contexts[i]);
                state[i] = contexts[i].h;
                data[i] = bytes + i;
        }
        way->compress(state, data, way->count, BLOCKS);
        for (unsigned i = 0; i < way->count; i++) {
                SHA256_CTX alone;
                SHA256_Init(&alone);
                SHA256_Update(&alone, data[i], BLOCKS * LANES_BLOCK);
                agree = agree && memcmp(alone.h, contexts[i].h, sizeof alone.h) == 0;
        }
        return agree;
}

int
digest_setup(void)
{
        size_t n;
        if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
                return -EIO;
        const struct lanes *best = lanes_known(&n);
        too_few = lanes_break_even();
        lanes = n && best->count > too_few && lanes_agree(best) ? best : NULL;
        return 0;
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

/* ---- several at once ---- */

unsigned
digest_lanes(void)
{
        return lanes ? lanes->count : 0;
}

static void
piece_add(struct digest_piece *piece, size_t size)
{
        SHA256_Update(&piece->digester->context, piece->data, size);
        piece->data = (const unsigned char *)piece->data + size;
        piece->size -= size;
}

/* Whole blocks that were hashed without libcrypto's knowing: its count, in bits, is told of them. */
static void
piece_added(struct digest_piece *piece, size_t size)
{
        SHA256_CTX *context = &piece->digester->context;
        uint64_t bits = ((uint64_t)context->Nh << 32 | context->Nl) + ((uint64_t)size << 3);
        context->Nl = (SHA_LONG)bits;
        context->Nh = (SHA_LONG)(bits >> 32);
        piece->data = (const unsigned char *)piece->data + size;
        piece->size -= size;
}

/* Adds what makes the digester's next byte the first of a block. */
static void
piece_align(struct digest_piece *piece)
{
        size_t held = piece->digester->context.num;
        if (held)
                piece_add(piece, min_size(LANES_BLOCK - held, piece->size));
}

/* What is shorter than a block is added at once, so that it keeps none of the others from theirs. */
void
digest_side_by_side(struct digest_piece *pieces, size_t n)
{
        struct digest_piece *used[LANES_MAX];
        const unsigned char *data[LANES_MAX];
        uint32_t *state[LANES_MAX];
        size_t blocks = SIZE_MAX;
        unsigned count = 0;
        bool together = lanes && n > too_few && n <= lanes->count;
        for (size_t i = 0; i < n; i++) {
                if (together)
                        piece_align(&pieces[i]);
                if (!together || pieces[i].size < LANES_BLOCK) {
                        piece_add(&pieces[i], pieces[i].size);
                        continue;
                }
                blocks = min_size(blocks, pieces[i].size / LANES_BLOCK);
                data[count] = pieces[i].data;
                state[count] = pieces[i].digester->context.h;
                used[count++] = &pieces[i];
        }
        if (count)
                lanes->compress(state, data, count, blocks);
        for (unsigned i = 0; i < count; i++) {
                piece_added(used[i], blocks * LANES_BLOCK);
                if (used[i]->size < LANES_BLOCK)
                        piece_add(used[i], used[i]->size);
        }
}

/* A message in a lane: its whole blocks, and then its end with the padding of FIPS 180-4, section 5.1.1. */
struct lane {
        const struct digest_message *message;
        uint32_t state[8];
        const unsigned char *data;
        size_t blocks; /* left, of data */
        bool ends;     /* data is its end */
        unsigned char end[2 * LANES_BLOCK];
};

static void
lane_begin(struct lane *lane, const struct digest_message *message, const uint32_t start[8])
{
        memcpy(lane->state, start, sizeof lane->state);
        lane->message = message;
        lane->data = message->data;
        lane->blocks = message->size / LANES_BLOCK;
        lane->ends = false;
}

static void
lane_end(struct lane *lane)
{
        size_t size = lane->message->size, rest = size % LANES_BLOCK;
        uint64_t bits = htobe64((uint64_t)size << 3);
        lane->blocks = rest < LANES_BLOCK - sizeof bits ? 1 : 2;
        size_t end = lane->blocks * LANES_BLOCK;
        if (rest)
                memcpy(lane->end, (const unsigned char *)lane->message->data + size - rest, rest);
        lane->end[rest] = 0x80;
        memset(lane->end + rest + 1, 0, end - rest - 1);
        memcpy(lane->end + end - sizeof bits, &bits, sizeof bits);
        lane->data = lane->end;
        lane->ends = true;
}

static void
lane_result(const struct lane *lane)
{
        uint32_t words[8];
        for (unsigned i = 0; i < 8; i++)
                words[i] = htobe32(lane->state[i]);
        memcpy(lane->message->ret->bytes, words, sizeof words);
}

/* Makes the lane ready for its next blocks. false: there are none, and none of another message. */
static bool
lane_fill(struct lane *lane, const uint32_t start[8], const struct digest_message **next,
        const struct digest_message *end)
{
        for (;;) {
                if (lane->message && lane->blocks)
                        return true;
                if (lane->message && !lane->ends) {
                        lane_end(lane);
                        return true;
                }
                if (lane->message)
                        lane_result(lane);
                lane->message = NULL;
                if (*next == end)
                        return false;
                lane_begin(lane, (*next)++, start);
        }
}

static void
messages_together(const struct digest_message *messages, size_t n)
{
        struct lane all[LANES_MAX];
        const struct digest_message *next = messages, *end = messages + n;
        SHA256_CTX context;
        SHA256_Init(&context);
        for (unsigned i = 0; i < lanes->count; i++)
                all[i].message = NULL;
        for (;;) {
                const unsigned char *data[LANES_MAX];
                uint32_t *state[LANES_MAX];
                struct lane *used[LANES_MAX];
                size_t blocks = SIZE_MAX;
                unsigned count = 0;
                for (unsigned i = 0; i < lanes->count; i++) {
                        if (!lane_fill(&all[i], context.h, &next, end))
                                continue;
                        used[count] = &all[i];
                        data[count] = all[i].data;
                        state[count++] = all[i].state;
                        blocks = min_size(blocks, all[i].blocks);
                }
                if (!count)
                        return;
                lanes->compress(state, data, count, blocks);
                for (unsigned i = 0; i < count; i++) {
                        used[i]->data += blocks * LANES_BLOCK;
                        used[i]->blocks -= blocks;
                }
        }
}

void
digest_messages(const struct digest_message *messages, size_t n)
{
        if (lanes && n > too_few) {
                messages_together(messages, n);
                return;
        }
        for (size_t i = 0; i < n; i++)
                digest_bytes(messages[i].data, messages[i].size, messages[i].ret);
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
