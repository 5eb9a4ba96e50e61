/* SPDX-License-Identifier: MIT */
/*
 * Approvers' private keys and the making of signatures. driftd links none of this (a test looks at its
 * symbols). Secrets live in libsodium's guarded memory (sodium_malloc) and are wiped when freed.
 *
 * A native key file is text (driftd-approval(5), "Key files"):
 *     driftd-key 1
 *     name alice
 *     public ssh-ed25519 AAAA…
 *     kdf argon2id opslimit=N memlimit=BYTES salt=HEX | kdf none
 *     seed HEX          (kdf none: 32 bytes; else: 24-byte nonce + sealed seed, crypto_secretbox, 72 bytes)
 */
#pragma once

#include "core/buf.h"
#include "core/err.h"
#include "core/sshsig.h"

enum secret_result {
        SECRET_PASSPHRASE_NEEDED = 1, /* the file is sealed and no passphrase was given */
        SECRET_PASSPHRASE_WRONG = 2,
        SECRET_ENCRYPTED_SSH_KEY = 3, /* an OpenSSH key with a passphrase: ssh-agent can use it */
        SECRET_NO_AGENT = 4,          /* SSH_AUTH_SOCK is not set or does not answer */
        SECRET_NO_SUCH_KEY = 5,       /* the agent does not hold it */
};

struct signer; /* something that can sign: an unlocked key, or a key in an agent */

/* A fresh key pair. The texts are for files: the key file (0600; keep its memory short-lived) and the .pub
 * line. */
int secret_generate(const char *name, const char *passphrase_or_null, struct buf *ret_key_file,
        struct buf *ret_pub, struct err *err);

/* The public half and name of a native key file, without its passphrase. name is freed by the caller. */
int secret_describe(const void *text, size_t size, struct ssh_key *ret_key, char **ret_name, bool *ret_sealed,
        struct err *err);

/* Unlocks: a native key file (passphrase may be NULL), or an unencrypted OpenSSH private key file
 * (openssh-key-v1, ed25519). */
int signer_from_file(
        const void *text, size_t size, const char *passphrase_or_null, struct signer **ret, struct err *err);

/*
 * A key held by the agent at socket_path (SSH_AUTH_SOCK), the first that is in `wanted` (n_wanted 0: the only
 * ed25519 key there; more than one is SECRET_NO_SUCH_KEY with their fingerprints in the words). Protocol:
 * draft-miller-ssh-agent.
 */
int signer_from_agent(const char *socket_path, const struct ssh_key *wanted, size_t n_wanted,
        struct signer **ret, struct err *err);

const struct ssh_key *signer_key(const struct signer *signer);
struct signer *signer_free(struct signer *signer);
CLEANUP_DEFINE(struct signer *, signer_free)

/*
 * Appends an armoured SSHSIG over message, after verifying it. -EPERM: the agent refused; -ETIMEDOUT: it did
 * not answer; -EBADMSG: what it made does not hold (for a token also: nobody touched it).
 */
int signer_sign(struct signer *signer, const char *name_space, const void *message, size_t size,
        struct buf *ret, struct err *err);
