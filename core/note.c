/* SPDX-License-Identifier: MIT */
/*
 * Reading notes. The last empty line parts the text from its signatures, so a text may hold empty lines, and
 * a line of it may look like a signature without being one. A note is bounded in bytes and in signature lines
 * before any signature is looked at, and only lines that name the key cost a verification: ten thousand of
 * somebody else's cost nothing.
 *
 * A line that names the key and does not hold makes the whole note forged, even if another line holds: that
 * is what the specification asks, and nobody signs like that by accident.
 */
#include "core/note.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/digest.h"
#include "core/escape.h"
#include "core/quote.h"

#define DASH_SIZE (sizeof NOTE_DASH - 1)

/* ---- names and texts ---- */

static uint32_t
code_point(const unsigned char *data, size_t size)
{
        static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
        uint32_t code = data[0] & masks[size];
        for (size_t i = 1; i < size; i++)
                code = code << 6 | (data[i] & 0x3f);
        return code;
}

/* White_Space of the Unicode character database. */
static bool
is_space(uint32_t code)
{
        return (code >= 0x09 && code <= 0x0d) || code == 0x20 || code == 0x85 || code == 0xa0 ||
               code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 ||
               code == 0x202f || code == 0x205f || code == 0x3000;
}

bool
note_name_is_valid(const char *name, size_t size)
{
        if (!size || size >= NOTE_NAME_MAX)
                return false;
        for (size_t i = 0; i < size;) {
                size_t n = utf8_sequence(name + i, size - i);
                if (!n)
                        return false;
                uint32_t code = code_point((const unsigned char *)name + i, n);
                if (code < 0x20 || code == '+' || is_space(code))
                        return false;
                i += n;
        }
        return true;
}

/* utf8_sequence wants to know how much is left, and takes at most four. */
bool
note_text_is_valid(const char *text, size_t size)
{
        if (!size || text[size - 1] != '\n')
                return false;
        for (size_t i = 0; i < size;) {
                size_t n = utf8_sequence(text + i, size - i);
                if (!n || ((unsigned char)text[i] < 0x20 && text[i] != '\n'))
                        return false;
                i += n;
        }
        return true;
}

/* ---- keys ---- */

int
note_key_make(const char *name, enum note_type type,
        const unsigned char public_key[static ED25519_PUBLIC_SIZE], struct note_key *ret)
{
        size_t size = strlen(name);
        unsigned char hashed[NOTE_NAME_MAX + 2 + ED25519_PUBLIC_SIZE];
        struct digest digest;
        if (!note_name_is_valid(name, size))
                return -EINVAL;
        struct note_key key = {.type = type};
        memcpy(key.name, name, size + 1);
        memcpy(key.public_key, public_key, ED25519_PUBLIC_SIZE);
        snprintf((char *)hashed, sizeof hashed, "%s\n", name);
        hashed[size + 1] = (unsigned char)type;
        memcpy(hashed + size + 2, public_key, ED25519_PUBLIC_SIZE);
        digest_bytes(hashed, size + 2 + ED25519_PUBLIC_SIZE, &digest);
        memcpy(key.id, digest.bytes, sizeof key.id);
        *ret = key;
        return 0;
}

int
note_key_append(const struct note_key *key, struct buf *buf)
{
        unsigned char material[1 + ED25519_PUBLIC_SIZE] = {(unsigned char)key->type};
        memcpy(material + 1, key->public_key, ED25519_PUBLIC_SIZE);
        int r = buf_printf(
                buf, "%s+%02x%02x%02x%02x+", key->name, key->id[0], key->id[1], key->id[2], key->id[3]);
        return r ? r : crypto_base64_append(buf, material, sizeof material);
}

static int
key_refuse(struct err *err, const char *what)
{
        err_set(err, NOTE_MALFORMED, "no verifier key: %s", what);
        return err_hint(err, NOTE_MALFORMED,
                "NAME+HASH+BASE64 in one line, as driftctl log checkpoint --show-key prints it");
}

int
note_key_parse(const char *text, size_t size, struct note_key *ret, struct err *err)
{
        _cleanup_buf_ struct buf material = {0}, again = {0};
        char name[NOTE_NAME_MAX];
        const char *plus = memchr(text, '+', size);
        size_t name_size = plus ? (size_t)(plus - text) : 0, rest = name_size + 10;
        if (!plus || !note_name_is_valid(text, name_size) || size <= rest || text[rest - 1] != '+')
                return key_refuse(err, "it is not NAME+HASH+BASE64");
        int r = crypto_base64_decode(text + rest, size - rest, &material);
        if (r == -ENOMEM)
                return err_oom(err);
        if (r < 0 || material.size != 1 + ED25519_PUBLIC_SIZE)
                return key_refuse(err, "its last part is not the base64 of a type and an Ed25519 public key");
        enum note_type type = (enum note_type)(unsigned char)material.data[0];
        if (type != NOTE_ED25519 && type != NOTE_COSIGNATURE)
                return key_refuse(err, "it is of another type than 1 (a log's) and 4 (a witness's)");
        memcpy(name, text, name_size);
        name[name_size] = '\0';
        struct note_key key;
        r = note_key_make(name, type, (const unsigned char *)material.data + 1, &key);
        r = r ? r : note_key_append(&key, &again);
        if (r < 0)
                return err_oom(err);
        if (again.size != size || memcmp(again.data, text, size) != 0)
                return key_refuse(err, "its hash is not that of its name and key");
        *ret = key;
        return 0;
}

bool
note_key_equal(const struct note_key *a, const struct note_key *b)
{
        return strcmp(a->name, b->name) == 0 && a->type == b->type &&
               crypto_equal(a->public_key, b->public_key, ED25519_PUBLIC_SIZE);
}

/* ---- notes ---- */

static int
note_refuse(struct err *err, size_t line, const char *what)
{
        if (line)
                err_set(err, NOTE_MALFORMED, "no signed note: line %zu: %s", line, what);
        else
                err_set(err, NOTE_MALFORMED, "no signed note: %s", what);
        return err_hint(err, NOTE_MALFORMED,
                "a text, an empty line, and then lines of a dash (U+2014), a name and a signature: "
                "c2sp.org/signed-note");
}

/* One line without its newline. */
static int
signature_parse(const char *line, size_t size, struct buf *scratch, struct note_signature *ret)
{
        if (size < DASH_SIZE || memcmp(line, NOTE_DASH, DASH_SIZE) != 0)
                return -EINVAL;
        const char *name = line + DASH_SIZE, *blank = memchr(name, ' ', size - DASH_SIZE);
        size_t name_size = blank ? (size_t)(blank - name) : 0;
        if (!blank || !note_name_is_valid(name, name_size))
                return -EINVAL;
        *ret = (struct note_signature){
                .name = name, .name_size = name_size, .base64 = blank + 1, .line = line};
        ret->base64_size = size - DASH_SIZE - name_size - 1;
        ret->line_size = size + 1;
        buf_clear(scratch);
        int r = crypto_base64_decode(ret->base64, ret->base64_size, scratch);
        if (r < 0)
                return r;
        if (scratch->size <= NOTE_KEY_ID_SIZE)
                return -EINVAL;
        memcpy(ret->id, scratch->data, NOTE_KEY_ID_SIZE);
        return 0;
}

static size_t
lines_in(const char *text, size_t size)
{
        size_t lines = 0;
        for (size_t i = 0; i < size; i++)
                lines += text[i] == '\n';
        return lines;
}

int
note_parse(const char *text, size_t size, struct note *ret, struct err *err)
{
        _cleanup_buf_ struct buf scratch = {0};
        struct note note = {.text = text};
        if (size > NOTE_SIZE_MAX)
                return note_refuse(err, 0, "it has more than 1 MiB");
        if (!note_text_is_valid(text, size))
                return note_refuse(err, 0, "it is not lines of UTF-8 without control bytes");
        const char *empty = memrchr(text, '\n', size - 1);
        while (empty && empty > text && empty[-1] != '\n')
                empty = memrchr(text, '\n', (size_t)(empty - text));
        if (!empty || empty == text || empty + 1 == text + size)
                return note_refuse(err, 0, "there is no empty line with signatures after it");
        note.text_size = (size_t)(empty - text);
        size_t number = lines_in(text, note.text_size) + 1;
        for (const char *line = empty + 1, *end; line < text + size; line = end + 1) {
                end = memchr(line, '\n', (size_t)(text + size - line));
                number++;
                if (note.count == NOTE_SIGNATURES_MAX)
                        return note_refuse(err, number, "there are more than 64 signatures");
                int r = signature_parse(line, (size_t)(end - line), &scratch, &note.signatures[note.count++]);
                if (r == -ENOMEM)
                        return err_oom(err);
                if (r < 0)
                        return note_refuse(err, number, "it is not a signature line");
        }
        *ret = note;
        return 0;
}

int
note_append_cosigned(int64_t time_s, const char *text, size_t size, struct buf *buf)
{
        int r = buf_printf(buf, "cosignature/v1\ntime %" PRId64 "\n", time_s);
        return r ? r : buf_append(buf, text, size);
}

/* ---- verifying ---- */

static bool
is_by(const struct note_signature *signature, const struct note_key *key)
{
        return signature->name_size == strlen(key->name) &&
               memcmp(signature->name, key->name, signature->name_size) == 0 &&
               memcmp(signature->id, key->id, sizeof key->id) == 0;
}

static int
cosignature_holds(const struct note *note, const struct note_key *key, const unsigned char *bytes,
        int64_t *time_s, bool *ret)
{
        _cleanup_buf_ struct buf message = {0};
        uint64_t stamp = 0;
        for (int i = 0; i < 8; i++)
                stamp = stamp << 8 | bytes[i];
        if (stamp > INT64_MAX)
                return 0;
        int r = note_append_cosigned((int64_t)stamp, note->text, note->text_size, &message);
        if (r < 0)
                return r;
        *ret = crypto_verify(bytes + 8, message.data, message.size, key->public_key);
        if (*ret && (int64_t)stamp > *time_s)
                *time_s = (int64_t)stamp;
        return 0;
}

static int
signature_holds(const struct note *note, const struct note_signature *signature, const struct note_key *key,
        int64_t *time_s, bool *ret)
{
        _cleanup_buf_ struct buf bytes = {0};
        size_t wanted = key->type == NOTE_COSIGNATURE ? NOTE_COSIGNATURE_SIZE : ED25519_SIGNATURE_SIZE;
        *ret = false;
        int r = crypto_base64_decode(signature->base64, signature->base64_size, &bytes);
        if (r < 0 || bytes.size != NOTE_KEY_ID_SIZE + wanted)
                return r == -ENOMEM ? r : 0;
        const unsigned char *made = (const unsigned char *)bytes.data + NOTE_KEY_ID_SIZE;
        if (key->type == NOTE_COSIGNATURE)
                return cosignature_holds(note, key, made, time_s, ret);
        *ret = crypto_verify(made, note->text, note->text_size, key->public_key);
        return 0;
}

int
note_verify(const struct note *note, const struct note_key *key, int64_t *ret_time_s, struct err *err)
{
        bool there = false;
        int64_t time_s = 0;
        for (unsigned i = 0; i < note->count; i++) {
                bool holds;
                if (!is_by(&note->signatures[i], key))
                        continue;
                if (signature_holds(note, &note->signatures[i], key, &time_s, &holds) < 0)
                        return err_oom(err);
                if (!holds)
                        return err_set(err, NOTE_FORGED,
                                "the signature that names the key of %s does not hold: the text or the "
                                "signature was changed",
                                quote(key->name));
                there = true;
        }
        if (!there)
                return err_set(err, NOTE_UNSIGNED, "it has no signature by the key of %s", quote(key->name));
        if (ret_time_s)
                *ret_time_s = time_s;
        return 0;
}
