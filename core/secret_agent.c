/* SPDX-License-Identifier: MIT */
/*
 * A client of ssh-agent (draft-miller-ssh-agent), for keys that never leave it: it is asked which keys it
 * has and to sign one small frame. Two requests are all that is spoken. What comes back is
 * untrusted: bounded in size and time, read with the cursor, and the signature is verified by signer_sign.
 *
 * Owns the connection while it looks for a key; after that the signer owns it. Sees no private key.
 */
#include "core/secret_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "core/quote.h"

#define AGENT_MESSAGE_MAX ((size_t)256 << 10) /* bytes; OpenSSH's own bound */
#define AGENT_KEYS_MAX 2048u
#define AGENT_LIST_TIMEOUT_S 10
#define AGENT_SIGN_TIMEOUT_S 120 /* somebody may have to confirm, or find the token */

enum agent_message {
        AGENT_FAILURE = 5,
        AGENT_LIST = 11,
        AGENT_KEYS = 12,
        AGENT_SIGN = 13,
        AGENT_SIGNATURE = 14,
};

static int
no_agent(struct err *err, const char *why)
{
        err_set(err, SECRET_NO_AGENT, "no ssh-agent can be used: %s", why);
        return err_hint(err, SECRET_NO_AGENT,
                "eval \"$(ssh-agent)\" && ssh-add KEY, or name a key with --key or --ssh-key");
}

static int
agent_connect(const char *path, int *ret_fd, struct err *err)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        if (!path || !*path)
                return no_agent(err, "SSH_AUTH_SOCK is not set");
        if (strlen(path) >= sizeof address.sun_path)
                return no_agent(err, "the path in SSH_AUTH_SOCK is too long for a socket");
        memcpy(address.sun_path, path, strlen(path) + 1);
        _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return err_set(err, -errno, "cannot make a socket: %s", strerror(errno));
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
                return no_agent(err, strerror(errno));
        *ret_fd = steal_fd(&fd);
        return 0;
}

static int
agent_patience(int fd, int seconds)
{
        struct timeval time = {.tv_sec = seconds};
        if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) < 0 ||
                setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time) < 0)
                return -errno;
        return 0;
}

static int
send_all(int fd, const char *data, size_t size)
{
        while (size) {
                ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
                if (sent < 0 && errno == EINTR)
                        continue;
                if (sent <= 0)
                        return sent < 0 ? -errno : -EPIPE;
                data += sent;
                size -= (size_t)sent;
        }
        return 0;
}

static int
receive_all(int fd, char *data, size_t size)
{
        while (size) {
                ssize_t got = recv(fd, data, size, 0);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0)
                        return got < 0 ? -errno : -EPIPE;
                data += got;
                size -= (size_t)got;
        }
        return 0;
}

static int
receive_message(int fd, struct buf *ret)
{
        char prefix[4];
        uint32_t size = 0;
        int r = receive_all(fd, prefix, sizeof prefix);
        if (r < 0)
                return r;
        struct ssh_cursor cursor = {(const unsigned char *)prefix, sizeof prefix};
        (void)ssh_read_u32(&cursor, &size);
        if (size < 1 || size > AGENT_MESSAGE_MAX)
                return -EMSGSIZE;
        r = buf_reserve(ret, size);
        if (r < 0)
                return r;
        r = receive_all(fd, ret->data, size);
        if (r == 0)
                ret->size = size;
        return r;
}

/* One request, one reply: its type in *ret_type, the rest in *ret_body, borrowed from reply. */
static int
agent_ask(int fd, const struct buf *request, int timeout_s, struct buf *reply, unsigned char *ret_type,
        struct ssh_cursor *ret_body, struct err *err)
{
        _cleanup_buf_ struct buf message = {0};
        if (ssh_append_string(&message, request->data, request->size) < 0)
                return err_oom(err);
        int r = agent_patience(fd, timeout_s);
        if (r == 0)
                r = send_all(fd, message.data, message.size);
        if (r == 0)
                r = receive_message(fd, reply);
        if (r == -ENOMEM)
                return err_oom(err);
        if (r == -EAGAIN)
                return err_set(err, -ETIMEDOUT, "ssh-agent did not answer within %d s", timeout_s);
        if (r < 0)
                return err_set(err, r, "ssh-agent broke the conversation off: %s", strerror(-r));
        *ret_body = (struct ssh_cursor){(const unsigned char *)reply->data, reply->size};
        return ssh_read_byte(ret_body, ret_type);
}

static int
babble(struct err *err)
{
        return err_set(err, -EBADMSG, "ssh-agent answered with something that is no answer");
}

/* ---- choosing a key ---- */

struct choice {
        const struct ssh_key *wanted;
        size_t n_wanted;
        struct ssh_key found;
        size_t n_found;          /* usable keys that fit */
        struct buf fingerprints; /* of usable keys, for the words */
};

static bool
choice_fits(const struct choice *choice, const struct ssh_key *key)
{
        for (size_t i = 0; i < choice->n_wanted; i++)
                if (ssh_key_equal(&choice->wanted[i], key))
                        return true;
        return choice->n_wanted == 0;
}

static int
choice_add(struct choice *choice, const struct ssh_key *key)
{
        int r = choice->fingerprints.size ? buf_text(&choice->fingerprints, " ") : 0;
        if (r == 0)
                r = ssh_key_append_fingerprint(key, &choice->fingerprints);
        if (r < 0 || !choice_fits(choice, key))
                return r;
        if (choice->n_found++ == 0)
                choice->found = *key;
        return 0;
}

/* Keys of other types and certificates are passed over. */
static int
read_keys(struct ssh_cursor *cursor, struct choice *choice, struct err *err)
{
        uint32_t n_keys;
        if (ssh_read_u32(cursor, &n_keys) < 0 || n_keys > AGENT_KEYS_MAX)
                return babble(err);
        while (n_keys--) {
                const unsigned char *blob, *comment;
                size_t blob_size, comment_size;
                struct ssh_key key;
                if (ssh_read_string(cursor, &blob, &blob_size) < 0 ||
                        ssh_read_string(cursor, &comment, &comment_size) < 0)
                        return babble(err);
                if (ssh_key_parse_blob(blob, blob_size, &key, NULL) == 0 && choice_add(choice, &key) < 0)
                        return err_oom(err);
        }
        return cursor->size ? babble(err) : 0;
}

static int
choice_judge(const struct choice *choice, struct err *err)
{
        const char *held = choice->fingerprints.size ? choice->fingerprints.data : "none";
        if (choice->n_found == 1 || (choice->n_found && choice->n_wanted))
                return 0;
        if (choice->n_found > 1) {
                err_set(err, SECRET_NO_SUCH_KEY,
                        "the agent holds %zu ed25519 keys, and none was chosen: %.600s", choice->n_found,
                        held);
                return err_hint(
                        err, SECRET_NO_SUCH_KEY, "say which approver signs, or ssh-add that key alone");
        }
        err_set(err, SECRET_NO_SUCH_KEY, "the agent does not hold %s; its ed25519 keys: %.600s",
                choice->n_wanted ? "a key of this approver" : "an ed25519 key", held);
        return err_hint(err, SECRET_NO_SUCH_KEY, "ssh-add KEY");
}

static int
choose_key(int fd, struct choice *choice, struct err *err)
{
        const unsigned char list = AGENT_LIST;
        _cleanup_buf_ struct buf request = {0}, reply = {0};
        unsigned char type = 0;
        struct ssh_cursor body = {0};
        if (buf_append(&request, &list, 1) < 0)
                return err_oom(err);
        int r = agent_ask(fd, &request, AGENT_LIST_TIMEOUT_S, &reply, &type, &body, err);
        if (r < 0)
                return r;
        if (type != AGENT_KEYS)
                return babble(err);
        r = read_keys(&body, choice, err);
        return r ? r : choice_judge(choice, err);
}

int
signer_from_agent(const char *socket_path, const struct ssh_key *wanted, size_t n_wanted, struct signer **ret,
        struct err *err)
{
        _cleanup_fd_ int fd = -1;
        struct choice choice = {.wanted = wanted, .n_wanted = n_wanted};
        int r = agent_connect(socket_path, &fd, err);
        if (r)
                return r;
        r = choose_key(fd, &choice, err);
        buf_done(&choice.fingerprints);
        if (r)
                return r;
        return signer_from_connection(steal_fd(&fd), &choice.found, ret, err);
}

/* ---- signing ---- */

int
agent_sign(int fd, const struct ssh_key *key, const void *data, size_t size, struct buf *ret, struct err *err)
{
        const unsigned char sign = AGENT_SIGN;
        _cleanup_buf_ struct buf request = {0}, reply = {0}, blob = {0};
        unsigned char type = 0;
        struct ssh_cursor body = {0};
        const unsigned char *signature;
        size_t signature_size;
        if (ssh_key_append_blob(key, &blob) < 0 || buf_append(&request, &sign, 1) < 0 ||
                ssh_append_string(&request, blob.data, blob.size) < 0 ||
                ssh_append_string(&request, data, size) < 0 || ssh_append_u32(&request, 0) < 0)
                return err_oom(err);
        int r = agent_ask(fd, &request, AGENT_SIGN_TIMEOUT_S, &reply, &type, &body, err);
        if (r < 0)
                return r;
        if (type == AGENT_FAILURE) {
                err_set(err, -EPERM, "ssh-agent refused to sign");
                return err_hint(err, -EPERM,
                        "was it declined, is the token plugged in, is the agent locked (ssh-add -X)?");
        }
        if (type != AGENT_SIGNATURE || ssh_read_string(&body, &signature, &signature_size) < 0 || body.size)
                return babble(err);
        return buf_append(ret, signature, signature_size) < 0 ? err_oom(err) : 0;
}
