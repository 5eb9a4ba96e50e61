/* SPDX-License-Identifier: MIT */
/*
 * SSH signatures (PROTOCOL.sshsig), taken apart and verified. What is signed is not the message but a
 * small frame: the magic, the namespace, and the message's hash; so a signature for one purpose is
 * nothing for another, and a token or an agent never sees the message. A FIDO2 token wraps that frame
 * once more, with its flags and counter (PROTOCOL.u2f).
 *
 * Takes exactly what ssh-keygen makes, and no second spelling of it: the reserved field is empty, nothing
 * follows, base64 is canonical. Knows no people: whose key it is, the trust module says. Makes no
 * signatures; their armour is in sshsig_write.c, apart, so that the daemon links none of it.
 */
#include "core/sshsig.h"

#include <errno.h>
#include <string.h>

#include "core/digest.h"
#include "core/quote.h"

#define MAGIC "SSHSIG"
#define MAGIC_SIZE 6                                       /* bytes, no NUL */
#define VERSION 1                                          /* of the format */
#define ARMOR_LINE_MAX 76                                  /* characters; ssh-keygen writes 70 */
#define SK_USER_PRESENT 0x01                               /* PROTOCOL.u2f: the token was touched */
#define SK_SIGNED_SIZE (DIGEST_SIZE + 1 + 4 + DIGEST_SIZE) /* bytes that a token signs */

static int
malformed(struct err *err, const char *what)
{
        err_set(err, SSHSIG_MALFORMED, "not a usable SSH signature: %s", what);
        return err_hint(err, SSHSIG_MALFORMED,
                "sign with driftctl sign, or ssh-keygen -Y sign and an ssh-ed25519 or sk-ssh-ed25519 key");
}

/* Joins the lines between BEGIN and END. 0, or SSHSIG_MALFORMED. */
static int
join_lines(
        const char *armor, size_t size, char ret[static SSHSIG_ARMOR_MAX], size_t *ret_size, struct err *err)
{
        const size_t begin = strlen(SSHSIG_BEGIN), end = strlen(SSHSIG_END);
        if (size > SSHSIG_ARMOR_MAX)
                return malformed(err, "it is longer than any that an ed25519 key makes");
        if (size < begin + end || memcmp(armor, SSHSIG_BEGIN, begin) != 0 ||
                memcmp(armor + size - end, SSHSIG_END, end) != 0)
                return malformed(err, "its BEGIN or END line is missing");
        const char *p = armor + begin, *stop = armor + size - end;
        size_t joined = 0;
        while (p < stop) {
                const char *newline = memchr(p, '\n', (size_t)(stop - p));
                size_t length = newline ? (size_t)(newline - p) : 0;
                if (length < 1 || length > ARMOR_LINE_MAX)
                        return malformed(err, "its lines are not of 1 to 76 characters");
                memcpy(ret + joined, p, length);
                joined += length;
                p = newline + 1;
        }
        *ret_size = joined;
        return 0;
}

static bool
bytes_are(const unsigned char *data, size_t size, const char *word)
{
        return size == strlen(word) && memcmp(data, word, size) == 0;
}

static int
read_name_space(struct ssh_cursor *cursor, struct sshsig *sig, struct err *err)
{
        const unsigned char *data;
        size_t size;
        if (ssh_read_string(cursor, &data, &size) < 0 || size < 1 || size >= sizeof sig->name_space)
                return malformed(err, "its namespace is missing or too long");
        for (size_t i = 0; i < size; i++)
                if (data[i] < 0x21 || data[i] > 0x7e)
                        return malformed(err, "its namespace is not printable");
        memcpy(sig->name_space, data, size);
        return 0;
}

static int
read_hash(struct ssh_cursor *cursor, struct sshsig *sig, struct err *err)
{
        const unsigned char *data;
        size_t size;
        if (ssh_read_string(cursor, &data, &size) < 0 || size != 0)
                return malformed(err, "its reserved field is not empty");
        if (ssh_read_string(cursor, &data, &size) < 0)
                return malformed(err, "it ends too early");
        sig->sha512 = bytes_are(data, size, "sha512");
        if (!sig->sha512 && !bytes_are(data, size, "sha256"))
                return malformed(err, "its hash is neither sha256 nor sha512");
        return 0;
}

/* The signature proper, RFC 8709 section 6: type, 64 bytes; a token adds flags and a counter. */
static int
read_signature(struct ssh_cursor *cursor, struct sshsig *sig, struct err *err)
{
        struct ssh_cursor inner;
        const unsigned char *data;
        size_t size;
        if (ssh_read_string(cursor, &inner.data, &inner.size) < 0)
                return malformed(err, "it ends too early");
        if (ssh_read_string(&inner, &data, &size) < 0 ||
                !bytes_are(data, size, ssh_key_type_name(sig->key.type)))
                return malformed(err, "its signature is of another type than its key");
        if (ssh_read_string(&inner, &data, &size) < 0 || size != ED25519_SIGNATURE_SIZE)
                return malformed(err, "an ed25519 signature has 64 bytes");
        memcpy(sig->signature, data, ED25519_SIGNATURE_SIZE);
        if (sig->key.type == SSH_KEY_SK_ED25519 &&
                (ssh_read_byte(&inner, &sig->sk_flags) < 0 || ssh_read_u32(&inner, &sig->sk_counter) < 0))
                return malformed(err, "its flags or counter are missing");
        return inner.size ? malformed(err, "bytes follow its signature") : 0;
}

static int
read_key(struct ssh_cursor *cursor, struct sshsig *sig, struct err *err)
{
        const unsigned char *data;
        size_t size;
        struct err inner;
        if (ssh_read_string(cursor, &data, &size) < 0)
                return malformed(err, "it ends too early");
        return ssh_key_parse_blob(data, size, &sig->key, &inner) < 0 ? malformed(err, inner.text) : 0;
}

static int
read_blob(struct ssh_cursor *cursor, struct sshsig *sig, struct err *err)
{
        uint32_t version;
        if (cursor->size < MAGIC_SIZE || memcmp(cursor->data, MAGIC, MAGIC_SIZE) != 0)
                return malformed(err, "it does not begin with SSHSIG");
        cursor->data += MAGIC_SIZE;
        cursor->size -= MAGIC_SIZE;
        if (ssh_read_u32(cursor, &version) < 0 || version != VERSION)
                return malformed(err, "its version is not 1");
        int r = read_key(cursor, sig, err);
        if (r == 0)
                r = read_name_space(cursor, sig, err);
        if (r == 0)
                r = read_hash(cursor, sig, err);
        if (r == 0)
                r = read_signature(cursor, sig, err);
        if (r == 0 && cursor->size)
                r = malformed(err, "bytes follow its end");
        return r;
}

int
sshsig_parse(const char *armor, size_t size, struct sshsig *ret, struct err *err)
{
        char text[SSHSIG_ARMOR_MAX];
        size_t text_size = 0;
        int r = join_lines(armor, size, text, &text_size, err);
        if (r)
                return r;
        _cleanup_buf_ struct buf blob = {0};
        r = crypto_base64_decode(text, text_size, &blob);
        if (r < 0)
                return r == -EINVAL ? malformed(err, "it is not whole base64") : err_oom(err);
        struct ssh_cursor cursor = {(const unsigned char *)blob.data, blob.size};
        struct sshsig sig = {0};
        r = read_blob(&cursor, &sig, err);
        if (r == 0)
                *ret = sig;
        return r;
}

static int
append_signed(const char *name_space, bool sha512, const void *message, size_t size, struct buf *buf)
{
        unsigned char long_hash[SHA512_SIZE];
        struct digest short_hash;
        if (sha512)
                crypto_sha512(message, size, long_hash);
        else
                digest_bytes(message, size, &short_hash);
        int r = buf_append(buf, MAGIC, MAGIC_SIZE);
        if (r == 0)
                r = ssh_append_string(buf, name_space, strlen(name_space));
        if (r == 0)
                r = ssh_append_string(buf, "", 0);
        if (r == 0)
                r = ssh_append_string(buf, sha512 ? "sha512" : "sha256", 6);
        if (r == 0)
                r = sha512 ? ssh_append_string(buf, long_hash, SHA512_SIZE)
                           : ssh_append_string(buf, short_hash.bytes, DIGEST_SIZE);
        return r;
}

int
sshsig_append_signed(const char *name_space, const void *message, size_t size, struct buf *buf)
{
        return append_signed(name_space, true, message, size, buf);
}

/* What a token signs: hash of its application, flags, counter, hash of what it was asked to sign. */
static bool
verify_sk(const struct sshsig *sig, const struct buf *asked)
{
        struct digest application, message;
        unsigned char bytes[SK_SIGNED_SIZE];
        digest_bytes(sig->key.application, strlen(sig->key.application), &application);
        digest_bytes(asked->data, asked->size, &message);
        memcpy(bytes, application.bytes, DIGEST_SIZE);
        bytes[DIGEST_SIZE] = sig->sk_flags;
        for (int i = 0; i < 4; i++)
                bytes[DIGEST_SIZE + 1 + i] = (unsigned char)(sig->sk_counter >> (24 - 8 * i));
        memcpy(bytes + DIGEST_SIZE + 5, message.bytes, DIGEST_SIZE);
        return crypto_verify(sig->signature, bytes, sizeof bytes, sig->key.public_key);
}

int
sshsig_verify(
        const struct sshsig *sig, const char *name_space, const void *message, size_t size, struct err *err)
{
        bool sk = sig->key.type == SSH_KEY_SK_ED25519;
        if (strcmp(sig->name_space, name_space) != 0)
                return err_set(err, SSHSIG_PURPOSE, "the signature was made for %s, not for %s",
                        quote(sig->name_space), name_space);
        _cleanup_buf_ struct buf asked = {0};
        if (append_signed(name_space, sig->sha512, message, size, &asked) < 0)
                return err_oom(err);
        if (!(sk ? verify_sk(sig, &asked)
                 : crypto_verify(sig->signature, asked.data, asked.size, sig->key.public_key)))
                return err_set(err, SSHSIG_FORGED, "the signature does not hold for this text");
        if (sk && !(sig->sk_flags & SK_USER_PRESENT)) {
                err_set(err, SSHSIG_FORGED, "the signature was made without anyone touching the token");
                return err_hint(err, SSHSIG_FORGED, "use a key that was made without -O no-touch-required");
        }
        return 0;
}
