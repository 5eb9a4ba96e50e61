/* SPDX-License-Identifier: MIT */
/* Key files of ours and of OpenSSH, and keys in an agent: a real one, and ones that lie. */
#include "approval_help.h"

#include <sodium.h>

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "core/clock.h"

#define KEYGEN "/usr/bin/ssh-keygen"
#define NS SSHSIG_NAMESPACE_APPROVAL
#define DATA "tests/data/approval/"
#define MESSAGE "a text\n", 7

static void
check_signs(struct signer *signer)
{
        struct buf armor = {0};
        struct sshsig sig;
        struct err err = {0};
        ck_assert_msg(signer_sign(signer, NS, MESSAGE, &armor, &err) == 0, "%s", err.text);
        ck_ok(sshsig_parse(armor.data, armor.size, &sig, NULL));
        ck_assert(ssh_key_equal(&sig.key, signer_key(signer)));
        ck_ok(sshsig_verify(&sig, NS, MESSAGE, NULL));
        buf_done(&armor);
}

/* ---- our own files ---- */

START_TEST(a_key_made_without_a_passphrase_signs)
{
        struct buf file = {0}, pub = {0}, line = {0};
        struct signer *signer = NULL;
        ck_ok(secret_generate("alice", NULL, &file, &pub, NULL));
        ck_contains(file.data, "\nkdf none\n");
        ck_ok(signer_from_file(file.data, file.size, NULL, &signer, NULL));
        check_signs(signer);
        ck_ok(ssh_key_append_text(signer_key(signer), &line));
        ck_ok(buf_text(&line, " alice\n"));
        ck_assert_str_eq(pub.data, line.data);
        signer_free(signer);
        buf_done(&file);
        buf_done(&pub);
        buf_done(&line);
}
END_TEST

START_TEST(a_key_made_with_a_passphrase_opens_with_it_alone)
{
        struct buf file = {0}, pub = {0};
        struct signer *signer = NULL;
        struct err err = {0};
        ck_ok(secret_generate("alice", "correct horse", &file, &pub, NULL));
        ck_contains(file.data, "\nkdf argon2id opslimit=3 memlimit=268435456 salt=");
        ck_assert_int_eq(
                signer_from_file(file.data, file.size, NULL, &signer, &err), SECRET_PASSPHRASE_NEEDED);
        ck_assert_int_eq(signer_from_file(file.data, file.size, "correct house", &signer, &err),
                SECRET_PASSPHRASE_WRONG);
        ck_assert_ptr_null(signer);
        ck_ok(signer_from_file(file.data, file.size, "correct horse", &signer, NULL));
        check_signs(signer);
        signer_free(signer);
        buf_done(&file);
        buf_done(&pub);
}
END_TEST

START_TEST(two_keys_made_are_two_keys)
{
        struct buf file = {0}, pub = {0}, other_pub = {0};
        ck_ok(secret_generate("alice", NULL, &file, &pub, NULL));
        ck_ok(secret_generate("alice", NULL, &file, &other_pub, NULL));
        ck_assert_str_ne(pub.data, other_pub.data);
        buf_done(&file);
        buf_done(&pub);
        buf_done(&other_pub);
}
END_TEST

START_TEST(a_name_that_cannot_stand_in_a_file_is_refused)
{
        static const char *const names[] = {"", "a b", "../x", "-x", "a\nb", "a/b"};
        struct buf file = {0}, pub = {0};
        struct err err = {0};
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                ck_assert_int_eq(secret_generate(names[i], NULL, &file, &pub, &err), -EINVAL);
                ck_assert_str_ne(err.hint, "");
        }
        ck_assert_int_eq(secret_generate("alice", "", &file, &pub, &err), -EINVAL);
        ck_contains(err.hint, "--no-passphrase");
        ck_assert_uint_eq(file.size + pub.size, 0);
        buf_done(&file);
        buf_done(&pub);
}
END_TEST

START_TEST(the_golden_key_files_are_alices)
{
        struct buf open = get_file(DATA "alice.key"), sealed = get_file(DATA "alice-sealed.key");
        struct buf pub = get_file(DATA "alice.pub"), line = {0};
        struct signer *a = NULL, *b = NULL, *alice = person("alice");
        ck_ok(signer_from_file(open.data, open.size, NULL, &a, NULL));
        ck_ok(signer_from_file(sealed.data, sealed.size, "correct horse", &b, NULL));
        ck_assert(ssh_key_equal(signer_key(a), signer_key(alice)));
        ck_assert(ssh_key_equal(signer_key(b), signer_key(alice)));
        check_signs(b);
        key_line("alice", &line);
        ck_ok(buf_text(&line, " alice\n"));
        ck_assert_str_eq(pub.data, line.data);
        signer_free(a);
        signer_free(b);
        signer_free(alice);
        buf_done(&open);
        buf_done(&sealed);
        buf_done(&pub);
        buf_done(&line);
}
END_TEST

START_TEST(a_sealed_file_tells_its_name_and_public_half_without_a_passphrase)
{
        struct buf file = get_file(DATA "alice-sealed.key");
        struct ssh_key key;
        char *name = NULL;
        bool sealed = false;
        struct signer *alice = person("alice");
        ck_ok(secret_describe(file.data, file.size, &key, &name, &sealed, NULL));
        ck_assert_str_eq(name, "alice");
        ck_assert(sealed);
        ck_assert(ssh_key_equal(&key, signer_key(alice)));
        signer_free(alice);
        free(name);
        buf_done(&file);
}
END_TEST

/* Every bit but those of the name, which is a label: what it says is held against the trust file. */
START_TEST(no_bit_of_a_sealed_file_can_be_flipped)
{
        struct buf file = get_file(DATA "alice-sealed.key");
        size_t name = (size_t)(strstr(file.data, "name alice") - file.data);
        for (size_t bit = 0; bit < file.size * 8; bit++) {
                struct signer *signer = NULL;
                if (bit / 8 >= name + 5 && bit / 8 < name + 10)
                        continue;
                file.data[bit / 8] = (char)(file.data[bit / 8] ^ 1 << bit % 8);
                int r = signer_from_file(file.data, file.size, "correct horse", &signer, NULL);
                ck_assert_msg(r != 0 && !signer, "bit %zu of byte %zu", bit % 8, bit / 8);
                file.data[bit / 8] = (char)(file.data[bit / 8] ^ 1 << bit % 8);
        }
        buf_done(&file);
}
END_TEST

#define HEAD "driftd-key 1\nname alice\n"
#define PUBLIC "public ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINW/Sj/M5xewOIvMJ0nrwUitmWmyP0XuG2Bf1Yd4V2rE\n"
#define BOBS "public ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOzBtYcn8/ErMZSIGp7LneCyjOeyByMNjpMP4bznXiVs\n"
#define SEED "seed 2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90\n"
#define SALT " salt=000102030405060708090a0b0c0d0e0f\n"
#define Z36 "000000000000000000000000000000000000"
#define SEALED "seed " Z36 Z36 Z36 Z36 "\n"

static const struct {
        const char *text, *words;
} bad_files[] = {
        {"", "not a private key"},
        {"hello\n", "not a private key"},
        {"driftd-key 2\n", "driftd-key 1"},
        {"driftd-key 1\n", "line 2"},
        {HEAD, "line 3"},
        {HEAD PUBLIC, "line 4"},
        {HEAD PUBLIC "kdf none\n", "line 5"},
        {HEAD PUBLIC "kdf none\n" SEED "\n", "after its seed"},
        {HEAD PUBLIC "kdf none\nseed 2bd806\n", "line 5"},
        {HEAD PUBLIC "kdf none\nseed 2BD806C97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90\n",
                "lower-case"},
        {HEAD PUBLIC "kdf none\nseed 2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90",
                "line 5"},
        {HEAD BOBS "kdf none\n" SEED, "does not belong"},
        {"driftd-key 1\nname  alice\n" PUBLIC "kdf none\n" SEED, "line 2"},
        {HEAD "public ssh-ed25519  AAAA\n"
              "kdf none\n" SEED,
                "line 3"},
        {HEAD PUBLIC "kdf scrypt\n" SEED, "line 4"},
        {HEAD PUBLIC "kdf argon2id opslimit=0 memlimit=8192" SALT SEALED, "line 4"},
        {HEAD PUBLIC "kdf argon2id opslimit=01 memlimit=8192" SALT SEALED, "line 4"},
        {HEAD PUBLIC "kdf argon2id opslimit=1 memlimit=8191" SALT SEALED, "line 4"},
        {HEAD PUBLIC "kdf argon2id opslimit=1 memlimit=8193" SALT SEALED, "line 4"},
        {HEAD PUBLIC "kdf argon2id opslimit=1 memlimit=8192 salt=00\n" SEALED, "line 4"},
        {HEAD PUBLIC "kdf argon2id opslimit=1 memlimit=8192" SALT SEED, "line 5"},
        {"-----BEGIN RSA PRIVATE KEY-----\n", "cannot be used here"},
        {"PuTTY-User-Key-File-3: ssh-ed25519\n", "cannot be used here"},
        {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINW/Sj/M5xewOIvMJ0nrwUitmWmyP0XuG2Bf1Yd4V2rE alice\n",
                "public half"},
        {"-----BEGIN OPENSSH PRIVATE KEY-----\n", "damaged"},
        {"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "damaged"},
        {"-----BEGIN OPENSSH PRIVATE KEY-----\n????\n-----END OPENSSH PRIVATE KEY-----\n", "damaged"},
};

START_TEST(a_file_that_is_no_key_is_refused_in_words)
{
        struct signer *signer = NULL;
        struct err err = {0};
        const char *text = bad_files[_i].text;
        ck_assert_int_eq(signer_from_file(text, strlen(text), "x", &signer, &err), -EINVAL);
        ck_contains(err.text, bad_files[_i].words);
        ck_assert_ptr_null(signer);
}
END_TEST

START_TEST(a_file_cannot_make_unsealing_cost_a_day)
{
        static const char *const costs[] = {"opslimit=9 memlimit=8192", "opslimit=4294967297 memlimit=8192",
                "opslimit=1 memlimit=1073741825", "opslimit=1 memlimit=4294975488",
                "opslimit=1 memlimit=99999999999999999999"};
        struct signer *signer = NULL;
        struct err err = {0};
        for (size_t i = 0; i < ARRAY_SIZE(costs); i++) {
                struct buf file = {0};
                ck_ok(buf_printf(&file, HEAD PUBLIC "kdf argon2id %s" SALT SEALED, costs[i]));
                ck_assert_int_eq(signer_from_file(file.data, file.size, "x", &signer, &err), -EINVAL);
                ck_contains(err.text, "line 4");
                buf_done(&file);
        }
}
END_TEST

START_TEST(a_file_larger_than_the_bound_is_refused)
{
        struct buf file = {0};
        struct signer *signer = NULL;
        ck_ok(buf_text(&file, "driftd-key 1\n"));
        while (file.size <= SECRET_FILE_MAX)
                ck_ok(buf_text(&file, "name alice\n"));
        ck_assert_int_eq(signer_from_file(file.data, file.size, NULL, &signer, NULL), -EINVAL);
        buf_done(&file);
}
END_TEST

/* ---- OpenSSH's files ---- */

static struct buf
keygen(const struct folder *folder, const char *name, const char *type, const char *passphrase)
{
        char file[256];
        run_ok(KEYGEN, "-q", "-t", type, "-N", passphrase, "-C", "test", "-f",
                folder_path(folder, name, file));
        return get_file(file);
}

START_TEST(an_unencrypted_openssh_key_signs)
{
        struct folder folder = folder_new();
        struct buf file = keygen(&folder, "key", "ed25519", "");
        struct signer *signer = NULL;
        ck_ok(signer_from_file(file.data, file.size, NULL, &signer, NULL));
        check_signs(signer);
        signer_free(signer);
        buf_done(&file);
        folder_done(&folder);
}
END_TEST

START_TEST(an_encrypted_openssh_key_is_refused_with_the_way_through_ssh_agent)
{
        struct folder folder = folder_new();
        struct buf file = keygen(&folder, "key", "ed25519", "correct horse");
        struct signer *signer = NULL;
        struct err err = {0};
        ck_assert_int_eq(signer_from_file(file.data, file.size, "correct horse", &signer, &err),
                SECRET_ENCRYPTED_SSH_KEY);
        ck_contains(err.text, "ssh-agent");
        ck_contains(err.hint, "ssh-add");
        buf_done(&file);
        folder_done(&folder);
}
END_TEST

START_TEST(an_openssh_key_of_another_type_is_refused_by_its_name)
{
        struct folder folder = folder_new();
        struct buf file = keygen(&folder, "key", "ecdsa", "");
        struct signer *signer = NULL;
        struct err err = {0};
        ck_assert_int_eq(signer_from_file(file.data, file.size, NULL, &signer, &err), -EINVAL);
        ck_contains(err.text, "ecdsa-sha2-nistp256");
        ck_contains(err.hint, "ed25519");
        buf_done(&file);
        folder_done(&folder);
}
END_TEST

/* An OpenSSH file around these public and private strings. */
static struct buf
openssh_file(const struct ssh_key *shown, const unsigned char seed[32], const unsigned char inside[32],
        const unsigned char tail[32])
{
        struct buf blob = {0}, private = {0}, outer = {0}, file = {0};
        unsigned char both[64];
        memcpy(both, seed, 32);
        memcpy(both + 32, tail, 32);
        ck_ok(ssh_key_append_blob(shown, &blob));
        ck_ok(ssh_append_u32(&private, 7));
        ck_ok(ssh_append_u32(&private, 7));
        ck_ok(ssh_append_string(&private, "ssh-ed25519", 11));
        ck_ok(ssh_append_string(&private, inside, 32));
        ck_ok(ssh_append_string(&private, both, 64));
        ck_ok(ssh_append_string(&private, "", 0));
        for (char pad = 1; private.size % 8; pad++)
                ck_ok(buf_append(&private, &pad, 1));
        ck_ok(buf_append(&outer, "openssh-key-v1", 15));
        ck_ok(ssh_append_string(&outer, "none", 4));
        ck_ok(ssh_append_string(&outer, "none", 4));
        ck_ok(ssh_append_string(&outer, "", 0));
        ck_ok(ssh_append_u32(&outer, 1));
        ck_ok(ssh_append_string(&outer, blob.data, blob.size));
        ck_ok(ssh_append_string(&outer, private.data, private.size));
        ck_ok(buf_text(&file, "-----BEGIN OPENSSH PRIVATE KEY-----\n"));
        ck_ok(crypto_base64_append(&file, outer.data, outer.size));
        ck_ok(buf_text(&file, "\n-----END OPENSSH PRIVATE KEY-----\n"));
        buf_done(&blob);
        buf_done(&private);
        buf_done(&outer);
        return file;
}

START_TEST(an_openssh_key_whose_halves_differ_is_refused)
{
        struct signer *alice = person("alice"), *bob = person("bob"), *signer = NULL;
        struct digest seed;
        digest_bytes("alice", 5, &seed);
        const unsigned char *a = signer_key(alice)->public_key, *b = signer_key(bob)->public_key;
        struct buf right = openssh_file(signer_key(alice), seed.bytes, a, a);
        struct buf shown = openssh_file(signer_key(bob), seed.bytes, a, a);
        struct buf inside = openssh_file(signer_key(alice), seed.bytes, b, a);
        struct buf tail = openssh_file(signer_key(alice), seed.bytes, a, b);
        ck_assert_int_eq(signer_from_file(shown.data, shown.size, NULL, &signer, NULL), -EINVAL);
        ck_assert_int_eq(signer_from_file(inside.data, inside.size, NULL, &signer, NULL), -EINVAL);
        ck_assert_int_eq(signer_from_file(tail.data, tail.size, NULL, &signer, NULL), -EINVAL);
        ck_assert_ptr_null(signer);
        ck_ok(signer_from_file(right.data, right.size, NULL, &signer, NULL));
        signer_free(signer);
        signer_free(alice);
        signer_free(bob);
        buf_done(&right);
        buf_done(&shown);
        buf_done(&inside);
        buf_done(&tail);
}
END_TEST

/* 0xaf is a slash with its high bit set. */
START_TEST(an_openssh_key_with_a_byte_that_is_not_base64_is_refused)
{
        struct signer *alice = person("alice"), *signer = NULL;
        struct digest seed;
        digest_bytes("alice", 5, &seed);
        const unsigned char *a = signer_key(alice)->public_key;
        struct buf file = openssh_file(signer_key(alice), seed.bytes, a, a);
        char *slash = strchr(file.data, '/');
        ck_assert_ptr_nonnull(slash);
        *slash = (char)0xaf;
        ck_assert_int_eq(signer_from_file(file.data, file.size, NULL, &signer, NULL), -EINVAL);
        signer_free(alice);
        buf_done(&file);
}
END_TEST

START_TEST(a_token_key_file_is_refused_with_the_way_through_ssh_agent)
{
        struct ssh_key token = {.type = SSH_KEY_SK_ED25519, .application = "ssh:"};
        struct buf file =
                openssh_file(&token, (unsigned char[32]){0}, (unsigned char[32]){0}, (unsigned char[32]){0});
        struct signer *signer = NULL;
        struct err err = {0};
        ck_assert_int_eq(signer_from_file(file.data, file.size, NULL, &signer, &err), -EINVAL);
        ck_contains(err.text, "FIDO2");
        ck_contains(err.hint, "--ssh-agent");
        buf_done(&file);
}
END_TEST

/* ---- a real agent ---- */

struct agent {
        struct folder folder;
        char socket[256];
        pid_t pid;
};

static struct sockaddr_un
socket_address(const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        ck_assert_uint_lt(strlen(path), sizeof address.sun_path);
        memcpy(address.sun_path, path, strlen(path) + 1);
        return address;
}

static bool
can_connect(const char *path)
{
        struct sockaddr_un address = socket_address(path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool connected = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
        close(fd);
        return connected;
}

static struct agent
agent_start(void)
{
        struct agent agent = {.folder = folder_new()};
        folder_path(&agent.folder, "agent", agent.socket);
        agent.pid = fork();
        ck_assert_int_ge(agent.pid, 0);
        if (agent.pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                int null = open("/dev/null", O_RDWR);
                dup2(null, 1);
                dup2(null, 2);
                execl("/usr/bin/ssh-agent", "ssh-agent", "-D", "-a", agent.socket, NULL);
                _exit(127);
        }
        int64_t deadline_ms = clock_monotonic_ms() + 20000;
        while (!can_connect(agent.socket)) {
                ck_assert_msg(clock_monotonic_ms() < deadline_ms, "ssh-agent does not answer");
                nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        }
        return agent;
}

static void
agent_end(struct agent *agent)
{
        kill(agent->pid, SIGTERM);
        waitpid(agent->pid, NULL, 0);
        folder_done(&agent->folder);
}

static void
agent_add(const struct agent *agent, const char *name, const char *type, struct ssh_key *ret_key)
{
        char file[256];
        struct buf private = keygen(&agent->folder, name, type, "");
        buf_done(&private);
        setenv("SSH_AUTH_SOCK", agent->socket, 1);
        run_ok("/usr/bin/ssh-add", "-q", folder_path(&agent->folder, name, file));
        if (!ret_key)
                return;
        char public_name[64];
        snprintf(public_name, sizeof public_name, "%s.pub", name);
        struct buf pub = get_file(folder_path(&agent->folder, public_name, file));
        pub.data[strcspn(pub.data, "\n")] = '\0';
        ck_ok(ssh_key_parse(pub.data, ret_key, NULL, NULL));
        buf_done(&pub);
}

START_TEST(the_only_ed25519_key_of_an_agent_signs)
{
        struct agent agent = agent_start();
        struct signer *signer = NULL;
        struct ssh_key key;
        struct err err = {0};
        agent_add(&agent, "other", "ecdsa", NULL); /* passed over */
        agent_add(&agent, "key", "ed25519", &key);
        ck_assert_msg(signer_from_agent(agent.socket, NULL, 0, &signer, &err) == 0, "%s", err.text);
        ck_assert(ssh_key_equal(signer_key(signer), &key));
        check_signs(signer);
        check_signs(signer); /* the connection stays good */
        signer_free(signer);
        agent_end(&agent);
}
END_TEST

START_TEST(of_two_keys_in_an_agent_the_wanted_one_signs)
{
        struct agent agent = agent_start();
        struct signer *signer = NULL, *alice = person("alice");
        struct ssh_key first, second;
        struct buf fingerprint = {0};
        struct err err = {0};
        agent_add(&agent, "first", "ed25519", &first);
        agent_add(&agent, "second", "ed25519", &second);
        ck_assert_int_eq(signer_from_agent(agent.socket, NULL, 0, &signer, &err), SECRET_NO_SUCH_KEY);
        ck_ok(ssh_key_append_fingerprint(&second, &fingerprint));
        ck_contains(err.text, fingerprint.data);
        ck_assert_int_eq(
                signer_from_agent(agent.socket, signer_key(alice), 1, &signer, &err), SECRET_NO_SUCH_KEY);
        ck_contains(err.text, fingerprint.data);
        ck_assert_ptr_null(signer);
        const struct ssh_key wanted[] = {*signer_key(alice), second};
        ck_ok(signer_from_agent(agent.socket, wanted, 2, &signer, &err));
        ck_assert(ssh_key_equal(signer_key(signer), &second));
        check_signs(signer);
        signer_free(signer);
        signer_free(alice);
        buf_done(&fingerprint);
        agent_end(&agent);
}
END_TEST

START_TEST(an_agent_that_lost_the_key_says_so)
{
        struct agent agent = agent_start();
        struct signer *signer = NULL;
        struct buf armor = {0};
        struct err err = {0};
        agent_add(&agent, "key", "ed25519", NULL);
        ck_ok(signer_from_agent(agent.socket, NULL, 0, &signer, &err));
        run_ok("/usr/bin/ssh-add", "-q", "-D");
        ck_assert_int_eq(signer_sign(signer, NS, MESSAGE, &armor, &err), -EPERM);
        ck_contains(err.text, "refused");
        signer_free(signer);
        signer = NULL;
        ck_assert_int_eq(signer_from_agent(agent.socket, NULL, 0, &signer, &err), SECRET_NO_SUCH_KEY);
        ck_contains(err.hint, "ssh-add");
        agent_end(&agent);
}
END_TEST

START_TEST(an_agent_that_is_not_there_is_told_of)
{
        struct folder folder = folder_new();
        struct signer *signer = NULL;
        struct err err = {0};
        char path[256];
        ck_assert_int_eq(signer_from_agent(NULL, NULL, 0, &signer, &err), SECRET_NO_AGENT);
        ck_contains(err.text, "SSH_AUTH_SOCK");
        ck_assert_int_eq(signer_from_agent("", NULL, 0, &signer, &err), SECRET_NO_AGENT);
        ck_assert_int_eq(signer_from_agent(folder_path(&folder, "none", path), NULL, 0, &signer, &err),
                SECRET_NO_AGENT);
        ck_contains(err.hint, "ssh-agent");
        memset(path, 'x', 200);
        path[200] = '\0';
        ck_assert_int_eq(signer_from_agent(path, NULL, 0, &signer, &err), SECRET_NO_AGENT);
        folder_done(&folder);
}
END_TEST

/* ---- agents that lie: each reply is what a child says to one request ---- */

static pid_t
liar_start(const char *path, const struct buf *replies, size_t n_replies)
{
        struct sockaddr_un address = socket_address(path);
        int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_ok(bind(listening, (struct sockaddr *)&address, sizeof address));
        ck_ok(listen(listening, 1));
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                char request[4096];
                int fd = accept(listening, NULL, NULL);
                for (size_t i = 0; i < n_replies && read(fd, request, sizeof request) > 0; i++)
                        if (write(fd, replies[i].data, replies[i].size) < 0)
                                break;
                kill(getpid(), SIGKILL); /* without an end of its own: what it holds is the parent's */
        }
        close(listening);
        return pid;
}

static int
ask_agent(const struct buf *replies, size_t n_replies, struct buf *ret_armor, struct err *err)
{
        struct folder folder = folder_new();
        char path[256];
        struct signer *signer = NULL;
        pid_t pid = liar_start(folder_path(&folder, "agent", path), replies, n_replies);
        int r = signer_from_agent(path, NULL, 0, &signer, err);
        if (r == 0)
                r = signer_sign(signer, NS, MESSAGE, ret_armor, err);
        signer_free(signer);
        waitpid(pid, NULL, 0);
        folder_done(&folder);
        return r;
}

static int
ask_liar(const struct buf *replies, size_t n_replies, struct err *err)
{
        struct buf armor = {0};
        int r = ask_agent(replies, n_replies, &armor, err);
        ck_assert_uint_eq(armor.size, 0);
        buf_done(&armor);
        return r;
}

static struct buf
reply(const void *body, size_t size)
{
        struct buf buf = {0};
        ck_ok(ssh_append_string(&buf, body, size));
        return buf;
}

/* IDENTITIES_ANSWER with one key. */
static struct buf
reply_key(const struct ssh_key *key)
{
        struct buf body = {0}, blob = {0};
        ck_ok(ssh_key_append_blob(key, &blob));
        ck_ok(buf_append(&body, "\x0c\0\0\0\x01", 5));
        ck_ok(ssh_append_string(&body, blob.data, blob.size));
        ck_ok(ssh_append_string(&body, "", 0));
        struct buf message = reply(body.data, body.size);
        buf_done(&body);
        buf_done(&blob);
        return message;
}

/* SIGN_RESPONSE with these bytes as the signature. */
static struct buf
reply_signature(const char *type, const unsigned char signature[64], const char *tail, size_t tail_size)
{
        struct buf body = {0}, blob = {0};
        ck_ok(ssh_append_string(&blob, type, strlen(type)));
        ck_ok(ssh_append_string(&blob, signature, 64));
        ck_ok(buf_append(&blob, tail, tail_size));
        ck_ok(buf_append(&body, "\x0e", 1));
        ck_ok(ssh_append_string(&body, blob.data, blob.size));
        struct buf message = reply(body.data, body.size);
        buf_done(&body);
        buf_done(&blob);
        return message;
}

/* What an agent answers that holds a token's key: the token signs the hash of what it was asked, with its
 * flags and its counter (PROTOCOL.u2f). */
static int
ask_token(unsigned char flags, struct buf *ret_armor, struct ssh_key *ret_key, struct err *err)
{
        unsigned char secret[64], signature[64], hash[32];
        struct ssh_key key = {.type = SSH_KEY_SK_ED25519, .application = "ssh:"};
        struct buf asked = {0}, wrapped = {0};
        crypto_sign_keypair(key.public_key, secret);
        ck_ok(sshsig_append_signed(NS, MESSAGE, &asked));
        crypto_hash_sha256(hash, (const unsigned char *)"ssh:", 4);
        ck_ok(buf_append(&wrapped, hash, 32));
        ck_ok(buf_append(&wrapped, &flags, 1));
        ck_ok(ssh_append_u32(&wrapped, 7));
        crypto_hash_sha256(hash, (const unsigned char *)asked.data, asked.size);
        ck_ok(buf_append(&wrapped, hash, 32));
        crypto_sign_detached(signature, NULL, (const unsigned char *)wrapped.data, wrapped.size, secret);
        char tail[5] = {(char)flags, 0, 0, 0, 7};
        struct buf replies[] = {
                reply_key(&key), reply_signature("sk-ssh-ed25519@openssh.com", signature, tail, sizeof tail)};
        int r = ask_agent(replies, 2, ret_armor, err);
        *ret_key = key;
        buf_done(&asked);
        buf_done(&wrapped);
        buf_done(&replies[0]);
        buf_done(&replies[1]);
        return r;
}

START_TEST(a_token_in_an_agent_signs_once_it_is_touched)
{
        struct err err = {0};
        struct buf armor = {0};
        struct ssh_key key;
        struct sshsig sig;
        ck_assert_msg(ask_token(0x01, &armor, &key, &err) == 0, "%s", err.text);
        ck_ok(sshsig_parse(armor.data, armor.size, &sig, NULL));
        ck_assert(ssh_key_equal(&sig.key, &key));
        ck_ok(sshsig_verify(&sig, NS, MESSAGE, NULL));
        buf_clear(&armor);
        ck_assert_int_eq(ask_token(0x00, &armor, &key, &err), -EBADMSG);
        ck_assert_uint_eq(armor.size, 0);
        buf_done(&armor);
}
END_TEST

START_TEST(a_signature_of_an_agent_that_does_not_hold_is_not_handed_out)
{
        struct signer *alice = person("alice");
        struct err err = {0};
        struct buf replies[] = {
                reply_key(signer_key(alice)), reply_signature("ssh-ed25519", (unsigned char[64]){1}, "", 0)};
        ck_assert_int_eq(ask_liar(replies, 2, &err), -EBADMSG);
        ck_contains(err.text, "does not hold");
        signer_free(alice);
        buf_done(&replies[0]);
        buf_done(&replies[1]);
}
END_TEST

START_TEST(an_agent_that_babbles_is_told_of)
{
        static const struct {
                const char *bytes;
                size_t size;
        } babble[] = {
                {"\0\0\0\0", 4},                            /* empty */
                {"\xff\xff\xff\xff\x0c", 5},                /* four gibibytes */
                {"\0\0\0\x05\x0c\xff\xff\xff\xff", 9},      /* four thousand million keys */
                {"\0\0\0\x09\x0c\0\0\0\x01\0\0\0\x09", 13}, /* a key that is not there */
                {"\0\0\0\x06\x0c\0\0\0\0x", 10},            /* bytes too many */
                {"\0\0\0\x01\x05", 5},                      /* failure */
                {"\0\0\0\x09\x0c", 5},                      /* hangs up in the middle */
        };
        for (size_t i = 0; i < ARRAY_SIZE(babble); i++) {
                struct buf message = {0};
                struct err err = {0};
                ck_ok(buf_append(&message, babble[i].bytes, babble[i].size));
                ck_assert_msg(ask_liar(&message, 1, &err) < 0, "%zu", i);
                ck_contains(err.text, "ssh-agent");
                buf_done(&message);
        }
}
END_TEST

START_TEST(an_answer_beyond_the_bounds_is_not_read)
{
        struct buf large = {0}, body = {0};
        struct err err = {0};
        ck_ok(ssh_append_u32(&large, (256 << 10) + 1));
        ck_assert_int_eq(ask_liar(&large, 1, &err), -EMSGSIZE);
        ck_ok(buf_append(&body, "\x0c", 1));
        ck_ok(ssh_append_u32(&body, 2049));
        for (int i = 0; i < 2049 * 2; i++)
                ck_ok(ssh_append_u32(&body, 0)); /* an empty key with an empty comment */
        struct buf many = reply(body.data, body.size);
        ck_assert_int_eq(ask_liar(&many, 1, &err), -EBADMSG);
        buf_done(&large);
        buf_done(&body);
        buf_done(&many);
}
END_TEST

static void
add(TCase *cases)
{
        tcase_add_test(cases, a_key_made_without_a_passphrase_signs);
        tcase_add_test(cases, a_key_made_with_a_passphrase_opens_with_it_alone);
        tcase_add_test(cases, two_keys_made_are_two_keys);
        tcase_add_test(cases, a_name_that_cannot_stand_in_a_file_is_refused);
        tcase_add_test(cases, the_golden_key_files_are_alices);
        tcase_add_test(cases, a_sealed_file_tells_its_name_and_public_half_without_a_passphrase);
        tcase_add_test(cases, no_bit_of_a_sealed_file_can_be_flipped);
        tcase_add_loop_test(cases, a_file_that_is_no_key_is_refused_in_words, 0, ARRAY_SIZE(bad_files));
        tcase_add_test(cases, a_file_cannot_make_unsealing_cost_a_day);
        tcase_add_test(cases, a_file_larger_than_the_bound_is_refused);
        tcase_add_test(cases, an_unencrypted_openssh_key_signs);
        tcase_add_test(cases, an_encrypted_openssh_key_is_refused_with_the_way_through_ssh_agent);
        tcase_add_test(cases, an_openssh_key_of_another_type_is_refused_by_its_name);
        tcase_add_test(cases, an_openssh_key_whose_halves_differ_is_refused);
        tcase_add_test(cases, an_openssh_key_with_a_byte_that_is_not_base64_is_refused);
        tcase_add_test(cases, a_token_key_file_is_refused_with_the_way_through_ssh_agent);
        tcase_add_test(cases, the_only_ed25519_key_of_an_agent_signs);
        tcase_add_test(cases, of_two_keys_in_an_agent_the_wanted_one_signs);
        tcase_add_test(cases, an_agent_that_lost_the_key_says_so);
        tcase_add_test(cases, an_agent_that_is_not_there_is_told_of);
        tcase_add_test(cases, a_token_in_an_agent_signs_once_it_is_touched);
        tcase_add_test(cases, a_signature_of_an_agent_that_does_not_hold_is_not_handed_out);
        tcase_add_test(cases, an_agent_that_babbles_is_told_of);
        tcase_add_test(cases, an_answer_beyond_the_bounds_is_not_read);
}

int
main(void)
{
        return run_suite("secret", add);
}
