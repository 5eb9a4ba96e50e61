/* SPDX-License-Identifier: MIT */
/*
 * SSH public keys and SSH signatures, verified with libsodium. Formats: RFC 4253 section 6.6, RFC 8709,
 * OpenSSH's PROTOCOL.sshsig and PROTOCOL.u2f. Only ssh-ed25519 and sk-ssh-ed25519@openssh.com; for sk keys
 * user presence is required. Hash algorithms sha256 and sha512. `ssh-keygen -Y sign|verify` is the same
 * thing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/crypto.h"
#include "core/err.h"

#define SSHSIG_NAMESPACE_APPROVAL "approval@driftd"
#define SSHSIG_NAMESPACE_TRUST "trust@driftd"
#define SSHSIG_NAMESPACE_WINDOW "window@driftd"

#define SSH_APPLICATION_MAX 128 /* bytes of an sk key's application, with the NUL */
#define SSHSIG_ARMOR_MAX 4096   /* bytes of an armoured signature */
#define SSHSIG_BEGIN "-----BEGIN SSH SIGNATURE-----\n"
#define SSHSIG_END "-----END SSH SIGNATURE-----\n"

enum ssh_key_type { SSH_KEY_ED25519, SSH_KEY_SK_ED25519 };

struct ssh_key {
        enum ssh_key_type type;
        unsigned char public_key[ED25519_PUBLIC_SIZE];
        char application[SSH_APPLICATION_MAX]; /* sk only: "ssh:" */
};

const char *ssh_key_type_name(enum ssh_key_type type); /* "ssh-ed25519", "sk-ssh-ed25519@openssh.com" */

/*
 * From one line "ssh-ed25519 AAAA… [comment]", without its newline. Other types, trailing bytes in the blob,
 * an sk key whose application does not begin with "ssh:": -EINVAL with words. ret_comment may be NULL;
 * otherwise a pointer into line (its rest, maybe empty).
 */
int ssh_key_parse(const char *line, struct ssh_key *ret, const char **ret_comment, struct err *err);
/* From the wire form, as an agent and a signature carry it. */
int ssh_key_parse_blob(const void *blob, size_t size, struct ssh_key *ret, struct err *err);
int ssh_key_append_blob(const struct ssh_key *key, struct buf *buf);
/* "ssh-ed25519 AAAA…", no comment, no newline. */
int ssh_key_append_text(const struct ssh_key *key, struct buf *buf);
/* "SHA256:…" as ssh-keygen -l prints it. */
int ssh_key_append_fingerprint(const struct ssh_key *key, struct buf *buf);
bool ssh_key_equal(const struct ssh_key *a, const struct ssh_key *b);

enum sshsig_result {
        SSHSIG_FORGED = 1,    /* well formed, but the signature does not hold for this message */
        SSHSIG_MALFORMED = 2, /* not an SSHSIG of ours: bad armour, version, key type, hash, trailing bytes */
        SSHSIG_PURPOSE = 3,   /* made for another namespace */
};

/* A signature taken apart. It points to nothing. */
struct sshsig {
        struct ssh_key key;
        char name_space[64];
        bool sha512; /* else sha256 */
        unsigned char signature[ED25519_SIGNATURE_SIZE];
        unsigned char sk_flags; /* sk only */
        uint32_t sk_counter;    /* sk only */
};

/* From armour (BEGIN line to END line with its newline). 0, -ENOMEM, or SSHSIG_MALFORMED with words. */
int sshsig_parse(const char *armor, size_t size, struct sshsig *ret, struct err *err);
/* 0, SSHSIG_FORGED (for an sk key also: not touched), SSHSIG_PURPOSE, or -ENOMEM. The caller still has to
 * know whose key it is. */
int sshsig_verify(
        const struct sshsig *sig, const char *name_space, const void *message, size_t size, struct err *err);

/* ---- What only signers need (sshsig_write.c, but for the first) ---- */

/* The bytes that a signer signs (also what an agent is asked to sign): SSHSIG, namespace, hash of the
 * message. sha512. */
int sshsig_append_signed(const char *name_space, const void *message, size_t size, struct buf *buf);
/* Armour from a raw signature blob of RFC 8709 (`string type, string sig`, for sk also flags and counter). */
int sshsig_append_armor(const struct ssh_key *key, const char *name_space, const void *sig_blob, size_t size,
        struct buf *buf);

/* Wire helpers of RFC 4251, also for key files and the agent: uint32 big endian, string = uint32 length +
 * bytes. */
int ssh_append_u32(struct buf *buf, uint32_t value);
int ssh_append_string(struct buf *buf, const void *data, size_t size);
struct ssh_cursor {
        const unsigned char *data;
        size_t size;
};
/* 0 or -EBADMSG; on failure the cursor is left as it was. The string is borrowed from the cursor's memory. */
int ssh_read_u32(struct ssh_cursor *cursor, uint32_t *ret);
int ssh_read_byte(struct ssh_cursor *cursor, unsigned char *ret);
int ssh_read_string(struct ssh_cursor *cursor, const unsigned char **ret, size_t *ret_size);
