/* SPDX-License-Identifier: MIT */
/*
 * The texts of private key files: our own, and OpenSSH's unencrypted one. A file is believed only if its
 * halves agree: the public key that it shows must be the one that its seed makes, so that nobody who
 * can write the file, but not open it, makes a person sign with something else.
 *
 * Owns no key: seeds pass through guarded memory to signer_from_seed, and what is read from the text is
 * borrowed from it. A file that needs ssh-agent or a token is named as such, with the way to use it.
 */
#include "core/secret_internal.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "core/approval.h"
#include "core/quote.h"

#define NATIVE_MAGIC "driftd-key 1\n"
#define OPENSSH_BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----\n"
#define OPENSSH_END "-----END OPENSSH PRIVATE KEY-----\n"
#define OPENSSH_MAGIC "openssh-key-v1" /* with its NUL */
#define SEED_HEX_MAX ((size_t)2 * SECRET_SEALED_SIZE)

struct key_file {
        char name[NAME_MAX_SIZE];
        struct ssh_key key;
        bool sealed;
        struct secret_kdf kdf;
        const char *seed; /* hex, borrowed from the text */
        size_t seed_size;
};

struct span {
        const char *data;
        size_t size;
};

/* ---- our own: five lines in one order ---- */

static int
read_name(struct span value, struct key_file *file)
{
        if (!name_is_valid(value.data, value.size))
                return -EINVAL;
        memcpy(file->name, value.data, value.size);
        file->name[value.size] = '\0';
        return 0;
}

/* Without a comment, and written as we would: one spelling. */
static int
read_public(struct span value, struct key_file *file)
{
        _cleanup_free_ char *line = strndup(value.data, value.size);
        _cleanup_buf_ struct buf again = {0};
        if (!line)
                return -ENOMEM;
        if (ssh_key_parse(line, &file->key, NULL, NULL) < 0 || file->key.type != SSH_KEY_ED25519)
                return -EINVAL;
        int r = ssh_key_append_text(&file->key, &again);
        if (r < 0)
                return r;
        return again.size == value.size && memcmp(again.data, value.data, value.size) == 0 ? 0 : -EINVAL;
}

static bool
cut_word(struct span *rest, const char *word)
{
        size_t size = strlen(word);
        if (rest->size < size || memcmp(rest->data, word, size) != 0)
                return false;
        *rest = (struct span){rest->data + size, rest->size - size};
        return true;
}

static bool
cut_number(struct span *rest, unsigned least, unsigned most, unsigned *ret)
{
        unsigned long number = 0;
        size_t digits = 0;
        while (digits < rest->size && digits < 10 && rest->data[digits] >= '0' && rest->data[digits] <= '9')
                number = number * 10 + (unsigned)(rest->data[digits++] - '0');
        if (!digits || rest->data[0] == '0' || number < least || number > most)
                return false;
        *ret = (unsigned)number;
        *rest = (struct span){rest->data + digits, rest->size - digits};
        return true;
}

static int
read_kdf(struct span value, struct key_file *file)
{
        if (value.size == 4 && memcmp(value.data, "none", 4) == 0)
                return 0;
        file->sealed = true;
        if (!cut_word(&value, "argon2id opslimit=") ||
                !cut_number(&value, 1, SECRET_OPSLIMIT_MAX, &file->kdf.opslimit) ||
                !cut_word(&value, " memlimit=") ||
                !cut_number(&value, SECRET_MEMLIMIT_MIN, SECRET_MEMLIMIT_MAX, &file->kdf.memlimit) ||
                file->kdf.memlimit % 1024 != 0 || /* argon2id counts in KiB: one spelling of one cost */
                !cut_word(&value, " salt="))
                return -EINVAL;
        return secret_unhex(value.data, value.size, file->kdf.salt, SECRET_SALT_SIZE);
}

static int
read_seed(struct span value, struct key_file *file)
{
        size_t bytes = file->sealed ? SECRET_SEALED_SIZE : SECRET_SEED_SIZE;
        if (value.size != 2 * bytes)
                return -EINVAL;
        file->seed = value.data;
        file->seed_size = value.size;
        return 0;
}

static const struct {
        const char *word;
        int (*read)(struct span value, struct key_file *file);
        const char *right;
} key_lines[] = {
        {"name ", read_name, "name NAME (letters, digits, '.', '_', '-')"},
        {"public ", read_public, "public ssh-ed25519 AAAA..."},
        {"kdf ", read_kdf,
                "kdf none, or kdf argon2id opslimit=N memlimit=BYTES salt=HEX (N to 8, BYTES in whole KiB to "
                "1073741824)"},
        {"seed ", read_seed, "seed HEX (64 digits, or 144 where it is sealed)"},
};

static int
key_file_parse(const char *text, size_t size, struct key_file *ret, struct err *err)
{
        struct key_file file = {0};
        struct span rest = {text, size};
        if (!cut_word(&rest, NATIVE_MAGIC))
                return err_set(err, -EINVAL, "the key file does not begin with \"driftd-key 1\"");
        for (size_t i = 0; i < ARRAY_SIZE(key_lines); i++) {
                int r = -EINVAL;
                const char *newline = memchr(rest.data, '\n', rest.size);
                if (newline && cut_word(&rest, key_lines[i].word))
                        r = key_lines[i].read((struct span){rest.data, (size_t)(newline - rest.data)}, &file);
                if (r == -ENOMEM)
                        return err_oom(err);
                if (r < 0) {
                        err_set(err, -EINVAL, "the key file's line %zu is not as it should be", i + 2);
                        return err_hint(err, -EINVAL, "%s", key_lines[i].right);
                }
                rest = (struct span){newline + 1, (size_t)(text + size - newline) - 1};
        }
        if (rest.size)
                return err_set(err, -EINVAL, "the key file has bytes after its seed");
        *ret = file;
        return 0;
}

static int
signer_from_native(
        const char *text, size_t size, const char *passphrase, struct signer **ret, struct err *err)
{
        struct key_file file = {0};
        int r = key_file_parse(text, size, &file, err);
        if (r < 0)
                return r;
        if (file.sealed && !passphrase)
                return err_set(
                        err, SECRET_PASSPHRASE_NEEDED, "the key of %s is sealed by a passphrase", file.name);
        _cleanup_secret_ unsigned char *seed = secret_new(SECRET_SEED_SIZE);
        if (!seed)
                return err_oom(err);
        unsigned char sealed[SECRET_SEALED_SIZE];
        r = secret_unhex(file.seed, file.seed_size, file.sealed ? sealed : seed, file.seed_size / 2);
        if (r < 0)
                return err_set(err, -EINVAL, "the key file's seed is not lower-case hex");
        r = file.sealed ? secret_unseal(&file.kdf, passphrase, sealed, seed, err) : 0;
        if (r)
                return r;
        unsigned char public_key[ED25519_PUBLIC_SIZE];
        secret_public(seed, public_key);
        if (!crypto_equal(public_key, file.key.public_key, sizeof public_key)) {
                err_set(err, -EINVAL, "the key file's public line does not belong to its seed");
                return err_hint(err, -EINVAL, "the file was altered: restore it, or make a new key");
        }
        return signer_from_seed(seed, ret, err);
}

int
secret_describe(const void *text, size_t size, struct ssh_key *ret_key, char **ret_name, bool *ret_sealed,
        struct err *err)
{
        struct key_file file = {0};
        int r = key_file_parse(text, size, &file, err);
        if (r < 0)
                return r;
        char *name = strdup(file.name);
        if (!name)
                return err_oom(err);
        *ret_key = file.key;
        *ret_name = name;
        *ret_sealed = file.sealed;
        return 0;
}

/* ---- writing our own ---- */

static int
append_seed(const struct secret_kdf *kdf, const char *passphrase, const unsigned char *seed, struct buf *file,
        struct err *err)
{
        unsigned char sealed[SECRET_SEALED_SIZE];
        char salt[2 * SECRET_SALT_SIZE];
        _cleanup_secret_ char *hex = secret_new(SEED_HEX_MAX);
        int r = hex ? 0 : err_oom(err);
        if (r == 0 && passphrase)
                r = secret_seal(kdf, passphrase, seed, sealed, err);
        if (r)
                return r;
        if (passphrase) {
                secret_hex(kdf->salt, SECRET_SALT_SIZE, salt);
                secret_hex(sealed, SECRET_SEALED_SIZE, hex);
                r = buf_printf(file, "kdf argon2id opslimit=%u memlimit=%u salt=%.*s\nseed ", kdf->opslimit,
                        kdf->memlimit, (int)sizeof salt, salt);
        } else {
                secret_hex(seed, SECRET_SEED_SIZE, hex);
                r = buf_text(file, "kdf none\nseed ");
        }
        if (r == 0)
                r = buf_append(file, hex, passphrase ? SEED_HEX_MAX : (size_t)2 * SECRET_SEED_SIZE);
        if (r == 0)
                r = buf_text(file, "\n");
        return r < 0 ? err_oom(err) : 0;
}

static int
append_key_file(const char *name, const char *passphrase, const unsigned char *seed, struct buf *file,
        struct buf *pub, struct err *err)
{
        struct ssh_key key = {.type = SSH_KEY_ED25519};
        struct secret_kdf kdf;
        secret_kdf_new(&kdf);
        secret_public(seed, key.public_key);
        int r = ssh_key_append_text(&key, pub);
        if (r == 0)
                r = buf_printf(file, "%sname %s\npublic %s\n", NATIVE_MAGIC, name, pub->data);
        if (r == 0)
                r = buf_printf(pub, " %s\n", name);
        return r < 0 ? err_oom(err) : append_seed(&kdf, passphrase, seed, file, err);
}

int
secret_generate(const char *name, const char *passphrase_or_null, struct buf *ret_key_file,
        struct buf *ret_pub, struct err *err)
{
        if (!name_is_valid(name, strlen(name))) {
                err_set(err, -EINVAL, "\"%s\" cannot be an approver's name", quote(name));
                return err_hint(err, -EINVAL, "1 to 63 letters, digits, '.', '_', '-'");
        }
        if (passphrase_or_null && !*passphrase_or_null) {
                err_set(err, -EINVAL, "an empty passphrase seals nothing");
                return err_hint(err, -EINVAL, "give one, or say --no-passphrase");
        }
        _cleanup_secret_ unsigned char *seed = secret_new(SECRET_SEED_SIZE);
        _cleanup_buf_ struct buf file = {0}, pub = {0};
        /* Room for all of it at once: growing would leave a copy of the seed behind. */
        if (!seed || buf_reserve(&file, SECRET_FILE_MAX) < 0 ||
                buf_reserve(ret_key_file, SECRET_FILE_MAX) < 0)
                return err_oom(err);
        crypto_random(seed, SECRET_SEED_SIZE);
        int r = append_key_file(name, passphrase_or_null, seed, &file, &pub, err);
        if (r == 0 && buf_append(ret_pub, pub.data, pub.size) < 0)
                r = err_oom(err);
        if (r == 0 && buf_append(ret_key_file, file.data, file.size) < 0)
                r = err_oom(err);
        crypto_wipe(file.data, file.size);
        return r;
}

/* ---- OpenSSH's (PROTOCOL.key) ---- */

static int
openssh_malformed(struct err *err)
{
        err_set(err, -EINVAL, "the OpenSSH private key is damaged or not an ed25519 key");
        return err_hint(err, -EINVAL, "ssh-keygen -y -f FILE shows whether OpenSSH can read it");
}

static bool
string_is(const unsigned char *data, size_t size, const char *word)
{
        return size == strlen(word) && memcmp(data, word, size) == 0;
}

/* Type, public half, private half (seed and public half again), comment, padding 1 2 3 … */
static int
read_private(struct ssh_cursor cursor, const struct ssh_key *key, const unsigned char **ret_seed)
{
        uint32_t check, again;
        const unsigned char *type, *public_key, *private_key, *comment;
        size_t type_size, public_size, private_size, comment_size;
        if (ssh_read_u32(&cursor, &check) < 0 || ssh_read_u32(&cursor, &again) < 0 || check != again ||
                ssh_read_string(&cursor, &type, &type_size) < 0 ||
                !string_is(type, type_size, "ssh-ed25519") ||
                ssh_read_string(&cursor, &public_key, &public_size) < 0 ||
                public_size != ED25519_PUBLIC_SIZE ||
                ssh_read_string(&cursor, &private_key, &private_size) < 0 ||
                private_size != SECRET_SEED_SIZE + ED25519_PUBLIC_SIZE ||
                ssh_read_string(&cursor, &comment, &comment_size) < 0)
                return -EBADMSG;
        for (size_t i = 0; i < cursor.size; i++)
                if (cursor.data[i] != (unsigned char)(i + 1))
                        return -EBADMSG;
        unsigned char made[ED25519_PUBLIC_SIZE];
        secret_public(private_key, made);
        if (!crypto_equal(made, key->public_key, sizeof made) ||
                !crypto_equal(made, public_key, sizeof made) ||
                !crypto_equal(made, private_key + SECRET_SEED_SIZE, sizeof made))
                return -EBADMSG;
        *ret_seed = private_key;
        return 0;
}

static int
refuse_encrypted(struct err *err)
{
        err_set(err, SECRET_ENCRYPTED_SSH_KEY, "the OpenSSH private key is encrypted; ssh-agent can use it");
        return err_hint(err, SECRET_ENCRYPTED_SSH_KEY, "ssh-add FILE, then sign with --ssh-agent");
}

static int
refuse_token(struct err *err)
{
        err_set(err, -EINVAL, "the private half of this key is in a FIDO2 token; ssh-agent can use it");
        return err_hint(err, -EINVAL, "ssh-add FILE, then sign with --ssh-agent and touch the token");
}

static int
openssh_open(struct ssh_cursor cursor, struct signer **ret, struct err *err)
{
        const unsigned char *cipher, *kdf, *options, *blob, *seed;
        size_t cipher_size, kdf_size, options_size, blob_size;
        uint32_t n_keys;
        struct ssh_key key;
        struct ssh_cursor private;
        if (cursor.size < sizeof OPENSSH_MAGIC ||
                memcmp(cursor.data, OPENSSH_MAGIC, sizeof OPENSSH_MAGIC) != 0)
                return openssh_malformed(err);
        cursor.data += sizeof OPENSSH_MAGIC;
        cursor.size -= sizeof OPENSSH_MAGIC;
        if (ssh_read_string(&cursor, &cipher, &cipher_size) < 0 ||
                ssh_read_string(&cursor, &kdf, &kdf_size) < 0 ||
                ssh_read_string(&cursor, &options, &options_size) < 0 || ssh_read_u32(&cursor, &n_keys) < 0 ||
                n_keys != 1 || ssh_read_string(&cursor, &blob, &blob_size) < 0 ||
                ssh_read_string(&cursor, &private.data, &private.size) < 0)
                return openssh_malformed(err);
        int r = ssh_key_parse_blob(blob, blob_size, &key, err);
        if (r < 0)
                return r;
        if (key.type == SSH_KEY_SK_ED25519)
                return refuse_token(err);
        if (!string_is(cipher, cipher_size, "none"))
                return refuse_encrypted(err);
        if (!string_is(kdf, kdf_size, "none") || options_size || cursor.size ||
                read_private(private, &key, &seed) < 0)
                return openssh_malformed(err);
        return signer_from_seed(seed, ret, err);
}

static int
signer_from_openssh(
        const char *text, size_t size, const char *passphrase, struct signer **ret, struct err *err)
{
        (void)passphrase; /* encrypted ones are the agent's business: its ciphers are not ours */
        size_t begin = strlen(OPENSSH_BEGIN), end = strlen(OPENSSH_END);
        if (size < begin + end || memcmp(text + size - end, OPENSSH_END, end) != 0)
                return openssh_malformed(err);
        _cleanup_secret_ unsigned char *blob = secret_new(size);
        if (!blob)
                return err_oom(err);
        size_t blob_size;
        if (secret_unbase64(text + begin, size - begin - end, blob, size, &blob_size) < 0)
                return openssh_malformed(err);
        return openssh_open((struct ssh_cursor){blob, blob_size}, ret, err);
}

/* ---- whichever it is ---- */

static int
refuse_pem(const char *text, size_t size, const char *passphrase, struct signer **ret, struct err *err)
{
        (void)text, (void)size, (void)passphrase, (void)ret;
        err_set(err, -EINVAL, "this private key is in a format that cannot be used here");
        return err_hint(err, -EINVAL,
                "an ssh-ed25519 key in OpenSSH's own format (ssh-keygen -t ed25519), or driftctl key "
                "generate");
}

static int
refuse_public(const char *text, size_t size, const char *passphrase, struct signer **ret, struct err *err)
{
        (void)text, (void)size, (void)passphrase, (void)ret;
        err_set(err, -EINVAL, "this is the public half of a key; signing needs the private one");
        return err_hint(err, -EINVAL, "name the file without .pub, or use --ssh-agent");
}

static const struct {
        const char *start;
        int (*open)(
                const char *text, size_t size, const char *passphrase, struct signer **ret, struct err *err);
} formats[] = {
        {"driftd-key ", signer_from_native},
        {OPENSSH_BEGIN, signer_from_openssh},
        {"-----BEGIN ", refuse_pem},
        {"PuTTY-User-Key-File-", refuse_pem},
        {"ssh-", refuse_public},
        {"sk-", refuse_public},
};

int
signer_from_file(
        const void *text, size_t size, const char *passphrase_or_null, struct signer **ret, struct err *err)
{
        if (size > SECRET_FILE_MAX)
                return err_set(err, -EINVAL, "a private key file has at most %d bytes, this one has %zu",
                        SECRET_FILE_MAX, size);
        for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
                size_t start = strlen(formats[i].start);
                if (size >= start && memcmp(text, formats[i].start, start) == 0)
                        return formats[i].open(text, size, passphrase_or_null, ret, err);
        }
        err_set(err, -EINVAL, "this is not a private key file");
        return err_hint(
                err, -EINVAL, "one made by driftctl key generate, or an unencrypted OpenSSH ed25519 key");
}
