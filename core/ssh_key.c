/* SPDX-License-Identifier: MIT */
/*
 * SSH public keys of the two kinds that may approve: ssh-ed25519, and the same curve in a FIDO2 token.
 * A key has one wire form and one text form here; whatever does not give the same bytes again is
 * refused, so that two spellings can never pass for two keys. Owns nothing; holds no private key.
 */
#include "core/sshsig.h"

#include <errno.h>
#include <string.h>

#include "core/digest.h"
#include "core/quote.h"

static const char *const key_types[] = {
        [SSH_KEY_ED25519] = "ssh-ed25519",
        [SSH_KEY_SK_ED25519] = "sk-ssh-ed25519@openssh.com",
};

const char *
ssh_key_type_name(enum ssh_key_type type)
{
        return key_types[type];
}

static int
refuse_type(const void *type, size_t size, struct err *err)
{
        struct quote quote;
        err_set(err, -EINVAL, "a key of type \"%s\" cannot approve", quote_bytes(&quote, type, size));
        return err_hint(err, -EINVAL,
                "ssh-ed25519 (ssh-keygen -t ed25519) or sk-ssh-ed25519@openssh.com (ssh-keygen -t "
                "ed25519-sk)");
}

static int
type_find(const void *type, size_t size)
{
        for (size_t i = 0; i < ARRAY_SIZE(key_types); i++)
                if (strlen(key_types[i]) == size && memcmp(key_types[i], type, size) == 0)
                        return (int)i;
        return -EINVAL;
}

/* A token signs for an application. OpenSSH's begin with "ssh:", so that no web site's login key passes. */
static int
read_application(struct ssh_cursor *cursor, struct ssh_key *key, struct err *err)
{
        const unsigned char *application;
        size_t size;
        if (ssh_read_string(cursor, &application, &size) < 0)
                return err_set(err, -EINVAL, "the key ends too early");
        if (size < 4 || size >= SSH_APPLICATION_MAX || memcmp(application, "ssh:", 4) != 0)
                return err_set(err, -EINVAL, "the application of an sk key must begin with \"ssh:\"");
        for (size_t i = 0; i < size; i++)
                if (application[i] < 0x20 || application[i] > 0x7e)
                        return err_set(err, -EINVAL, "the application of an sk key is not printable");
        memcpy(key->application, application, size);
        return 0;
}

int
ssh_key_parse_blob(const void *blob, size_t size, struct ssh_key *ret, struct err *err)
{
        struct ssh_cursor cursor = {blob, size};
        struct ssh_key key = {0};
        const unsigned char *data;
        size_t data_size;
        if (ssh_read_string(&cursor, &data, &data_size) < 0)
                return err_set(err, -EINVAL, "not an SSH key");
        int type = type_find(data, data_size);
        if (type < 0)
                return refuse_type(data, data_size, err);
        key.type = (enum ssh_key_type)type;
        if (ssh_read_string(&cursor, &data, &data_size) < 0 || data_size != ED25519_PUBLIC_SIZE)
                return err_set(err, -EINVAL, "an ed25519 key has %d bytes", ED25519_PUBLIC_SIZE);
        memcpy(key.public_key, data, ED25519_PUBLIC_SIZE);
        int r = key.type == SSH_KEY_SK_ED25519 ? read_application(&cursor, &key, err) : 0;
        if (r < 0)
                return r;
        if (cursor.size)
                return err_set(err, -EINVAL, "the key has %zu bytes too many", cursor.size);
        *ret = key;
        return 0;
}

int
ssh_key_parse(const char *line, struct ssh_key *ret, const char **ret_comment, struct err *err)
{
        size_t type_size = strcspn(line, " \t");
        int type = type_find(line, type_size);
        if (type < 0)
                return refuse_type(line, type_size, err);
        const char *base64 = line + type_size + strspn(line + type_size, " \t");
        size_t base64_size = strcspn(base64, " \t");
        _cleanup_buf_ struct buf blob = {0};
        int r = base64_size ? crypto_base64_decode(base64, base64_size, &blob) : -EINVAL;
        if (r == -EINVAL) {
                err_set(err, r, "the key after \"%s\" is not whole base64", key_types[type]);
                return err_hint(err, r, "one line as in the .pub file: %s AAAA... comment", key_types[type]);
        }
        if (r < 0)
                return err_oom(err);
        struct ssh_key key = {0};
        r = ssh_key_parse_blob(blob.data, blob.size, &key, err);
        if (r < 0)
                return r;
        if (key.type != (enum ssh_key_type)type)
                return err_set(err, -EINVAL, "the line says %s, but the key in it is %s", key_types[type],
                        key_types[key.type]);
        if (ret_comment)
                *ret_comment = base64 + base64_size + strspn(base64 + base64_size, " \t");
        *ret = key;
        return 0;
}

int
ssh_key_append_blob(const struct ssh_key *key, struct buf *buf)
{
        const char *type = key_types[key->type];
        int r = ssh_append_string(buf, type, strlen(type));
        if (r == 0)
                r = ssh_append_string(buf, key->public_key, ED25519_PUBLIC_SIZE);
        if (r == 0 && key->type == SSH_KEY_SK_ED25519)
                r = ssh_append_string(buf, key->application, strlen(key->application));
        return r;
}

int
ssh_key_append_text(const struct ssh_key *key, struct buf *buf)
{
        _cleanup_buf_ struct buf blob = {0};
        int r = ssh_key_append_blob(key, &blob);
        if (r == 0)
                r = buf_printf(buf, "%s ", key_types[key->type]);
        return r < 0 ? r : crypto_base64_append(buf, blob.data, blob.size);
}

int
ssh_key_append_fingerprint(const struct ssh_key *key, struct buf *buf)
{
        _cleanup_buf_ struct buf blob = {0}, text = {0};
        int r = ssh_key_append_blob(key, &blob);
        if (r < 0)
                return r;
        struct digest digest;
        digest_bytes(blob.data, blob.size, &digest);
        r = crypto_base64_append(&text, digest.bytes, DIGEST_SIZE);
        if (r < 0)
                return r;
        int shown = (int)strcspn(text.data, "="); /* ssh-keygen shows no padding */
        return buf_printf(buf, "SHA256:%.*s", shown, text.data);
}

bool
ssh_key_equal(const struct ssh_key *a, const struct ssh_key *b)
{
        return a->type == b->type && crypto_equal(a->public_key, b->public_key, ED25519_PUBLIC_SIZE) &&
               strcmp(a->application, b->application) == 0;
}
