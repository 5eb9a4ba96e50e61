/* SPDX-License-Identifier: MIT */
/*
 * Signing. A native key says itself whose it is; an SSH key is somebody's only by the trust file, or by --as.
 * Keys in a file are read here, so an approval tells if that happened on the very host it approves for: a
 * thief with root there may have been watching. An agent may be forwarded from elsewhere, so its approvals
 * say no.
 *
 * Owns the unlocked key for as long as it signs. Secrets stay in guarded memory (core/secret.h); what passes
 * through here (passphrase, sealed bytes) is wiped.
 */
#include "cli/signing.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/terminal.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/quote.h"

#define KEY_FILE_MAX ((size_t)64 << 10) /* bytes */
#define PASSPHRASE_TRIES 3u

void
signing_done(struct signing *signing)
{
        signing->signer = signer_free(signing->signer);
        if (signing->text.data)
                crypto_wipe(signing->text.data, signing->text.size);
        buf_done(&signing->text);
}

static int
read_key(const char *file, struct signing *ret, struct err *err)
{
        ret->file = file;
        ret->from_file = true;
        int r = file_read(file, FILE_FOLLOW, KEY_FILE_MAX, &ret->text, err);
        if (r == -ENOENT)
                return err_hint(err, EXIT_FAILED,
                        "name the file that driftctl key generate --name YOU -o YOU.key wrote: --key "
                        "YOU.key");
        return failed(r);
}

/* Whoever can read a key that no passphrase seals can sign with it: refused, as ssh does. */
static int
check_unshared(const char *file, struct err *err)
{
        struct stat st;
        if (stat(file, &st) < 0 || !(st.st_mode & (S_IRWXG | S_IRWXO)))
                return 0;
        err_set(err, EXIT_FAILED, "%s has no passphrase, and others than its owner may use it (mode %04o)",
                quote(file), st.st_mode & 07777u);
        return err_hint(err, EXIT_FAILED, "chmod 0600 %s; if somebody may have read it, make another key",
                quote(file));
}

static int
open_native(const char *file, struct signing *ret, struct err *err)
{
        _cleanup_free_ char *name = NULL;
        int r = read_key(file, ret, err);
        if (r)
                return r;
        struct err why = {0};
        if (secret_describe(ret->text.data, ret->text.size, &ret->key, &name, &ret->sealed, &why)) {
                err_set(err, EXIT_FAILED, "%s: %.700s", quote(file), why.text);
                return err_hint(err, EXIT_FAILED, "%s",
                        why.hint[0] ? why.hint
                                    : "--key takes the private file of driftctl key generate, not its .pub; "
                                      "--ssh-key takes OpenSSH's");
        }
        if (!name_from_text(name, strlen(name), ret->by) || strcmp(name, ret->by) != 0)
                return err_set(err, EXIT_FAILED, "%s: the name in the key is none", quote(file));
        return ret->sealed ? 0 : check_unshared(file, err);
}

static int
open_ssh_file(const char *file, struct signing *ret, struct err *err)
{
        int r = read_key(file, ret, err);
        if (r)
                return r;
        r = signer_from_file(ret->text.data, ret->text.size, NULL, &ret->signer, err);
        if (r == SECRET_PASSPHRASE_NEEDED)
                err_hint(err, EXIT_FAILED, "%s is a key of driftctl: use --key", quote(file));
        if (r)
                return EXIT_FAILED;
        ret->key = *signer_key(ret->signer);
        return check_unshared(file, err);
}

/* The keys that would do: those of --as, else of every approver. None if --as is not known yet: then any that
 * is the only one. */
static int
wanted_keys(
        const struct trust *trust, const char *as, struct ssh_key **ret, size_t *ret_count, struct err *err)
{
        const char *const *names = &as;
        size_t n_names = as ? 1 : trust_approvers(trust, &names), n = 0;
        struct ssh_key *keys = calloc(n_names * TRUST_KEYS_MAX + 1, sizeof *keys);
        if (!keys)
                return failed_oom(err);
        for (size_t i = 0; i < n_names; i++) {
                const struct ssh_key *own;
                size_t n_own = trust_keys_of(trust, names[i], &own);
                for (size_t j = 0; j < n_own && j < TRUST_KEYS_MAX; j++)
                        keys[n++] = own[j];
        }
        *ret = keys;
        *ret_count = n;
        return 0;
}

static int
open_agent(const struct trust *trust, const char *as, struct signing *ret, struct err *err)
{
        _cleanup_free_ struct ssh_key *keys = NULL;
        const char *socket = getenv("SSH_AUTH_SOCK");
        size_t n = 0;
        int r = trust ? wanted_keys(trust, as, &keys, &n, err) : 0;
        if (r)
                return r;
        if (!socket || !*socket) {
                err_set(err, EXIT_FAILED, "there is no ssh-agent: SSH_AUTH_SOCK is not set");
                return err_hint(
                        err, EXIT_FAILED, "start one (eval $(ssh-agent); ssh-add), or use --key FILE");
        }
        if (signer_from_agent(socket, keys, n, &ret->signer, err))
                return EXIT_FAILED;
        ret->key = *signer_key(ret->signer);
        return 0;
}

/* An SSH key's name: by the trust file, and --as must not say otherwise. */
static int
name_ssh_key(const struct trust *trust, const char *as, struct signing *ret, struct err *err)
{
        const char *known = trust ? trust_approver_of(trust, &ret->key) : NULL;
        const char *name = as ? as : known;
        _cleanup_buf_ struct buf print = {0};
        if (ssh_key_append_fingerprint(&ret->key, &print) < 0)
                return failed_oom(err);
        if (as && !name_is_valid(as, strlen(as)))
                return err_set(err, EXIT_FAILED, "--as %s is no name", quote(as));
        if (as && known && strcmp(as, known) != 0) {
                err_set(err, EXIT_FAILED, "the key %s is %s's, not %s's", print.data, known, as);
                return err_hint(err, EXIT_FAILED, "leave --as out, or use another key");
        }
        if (!name) {
                err_set(err, EXIT_FAILED, "no approver is known to have the key %s", print.data);
                return err_hint(err, EXIT_FAILED,
                        "name the approver (--as NAME), or the trust file that lists the key (--trust FILE)");
        }
        memcpy(ret->by, name, strlen(name) + 1);
        return 0;
}

static int
which_key(struct cli *cli, const struct trust *trust, struct signing *ret, struct err *err)
{
        const struct args *args = &cli->args;
        const char *key = args_value(args, "key"), *ssh_key = args_value(args, "ssh-key");
        const char *as = args_value(args, "as");
        bool agent = args_given(args, "ssh-agent");
        if ((key != NULL) + (ssh_key != NULL) + agent != 1) {
                err_set(err, EXIT_FAILED, "one of --key FILE, --ssh-key FILE and --ssh-agent is needed");
                return err_hint(err, EXIT_FAILED,
                        "the same with --key YOU.key; driftctl key generate --name YOU -o YOU.key makes one");
        }
        if (key && as)
                return cli_usage(cli, err, "--as is for SSH keys: a key of driftctl has its own name");
        if (key)
                return open_native(key, ret, err);
        int r = ssh_key ? open_ssh_file(ssh_key, ret, err) : open_agent(trust, as, ret, err);
        return r ? r : name_ssh_key(trust, as, ret, err);
}

int
signing_open(struct cli *cli, const struct trust *trust, struct signing *ret, struct err *err)
{
        _cleanup_signing_ struct signing signing = {0};
        int r = which_key(cli, trust, &signing, err);
        if (r)
                return r;
        *ret = signing;
        signing = (struct signing){0};
        return 0;
}

static int
unlock_once(struct signing *signing, struct err *err)
{
        char passphrase[PASSPHRASE_MAX] = "", prompt[128];
        snprintf(prompt, sizeof prompt, "Passphrase of %s's key: ", signing->by);
        int r = signing->sealed ? passphrase_ask(prompt, passphrase, err) : 0;
        if (r == 0)
                r = signer_from_file(signing->text.data, signing->text.size,
                        signing->sealed ? passphrase : NULL, &signing->signer, err);
        crypto_wipe(passphrase, sizeof passphrase);
        return r;
}

int
signing_unlock(struct signing *signing, struct err *err)
{
        int r = 0;
        for (unsigned i = 0; i < PASSPHRASE_TRIES && !signing->signer; i++) {
                r = unlock_once(signing, err);
                if (r != SECRET_PASSPHRASE_WRONG || passphrase_is_from_file())
                        break;
                if (i + 1 < PASSPHRASE_TRIES)
                        fprintf(stderr, "That is not it.\n");
        }
        return failed(r);
}

struct approval_subject
subject_of(const struct baseline *baseline)
{
        const struct baseline_header *header = baseline_header(baseline);
        return (struct approval_subject){
                *baseline_id(baseline), header->name, header->host, header->generation, false};
}

bool
signing_is_on_host(const struct signing *signing, const struct approval_subject *subjects, size_t n_subjects)
{
        char here[HOST_ID_MAX];
        if (!signing->from_file || host_id(here, NULL) < 0)
                return false;
        for (size_t i = 0; i < n_subjects; i++)
                if (subjects[i].host && strcmp(subjects[i].host, here) == 0)
                        return true;
        return false;
}

int
signing_approve(const struct signing *signing, const struct approval_subject *subjects, size_t n_subjects,
        bool key_on_host, struct buf *ret, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        int r = approval_write(signing->by, clock_now_ms(), key_on_host, subjects, n_subjects, &text, err);
        if (r == 0 && buf_append(ret, text.data, text.size) < 0)
                return failed_oom(err);
        const char *name_space = approval_subject_namespace(&subjects[0]);
        return failed(r ? r : signer_sign(signing->signer, name_space, text.data, text.size, ret, err));
}

/* ---- approval files ---- */

/* The subject lines: all after "key-on-host …". */
static const char *
subjects_start(const struct approval *approval, size_t *ret_size)
{
        const char *line = memmem(approval->text, approval->text_size, "\nkey-on-host ", 13);
        const char *end = approval->text + approval->text_size;
        const char *start = line ? memchr(line + 1, '\n', (size_t)(end - line - 1)) : NULL;
        *ret_size = start ? (size_t)(end - start) : 0;
        return start;
}

static bool
same_statement(const struct approval *a, const struct approval *b)
{
        size_t a_size, b_size;
        const char *left = subjects_start(a, &a_size), *right = subjects_start(b, &b_size);
        return left && right && strcmp(a->by, b->by) == 0 && a_size == b_size &&
               memcmp(left, right, a_size) == 0;
}

int
approvals_merge(const struct buf *file, const struct buf *fresh, struct buf *ret, struct err *err)
{
        _cleanup_free_ struct approval *old = NULL, *added = NULL;
        size_t n_old = 0, n_added = 0;
        if ((file->size && approvals_parse(file->data, file->size, &old, &n_old, err)) ||
                approvals_parse(fresh->data, fresh->size, &added, &n_added, err))
                return EXIT_FAILED;
        for (size_t i = 0; i < n_old; i++) {
                bool replaced = false;
                for (size_t j = 0; j < n_added; j++)
                        replaced |= same_statement(&old[i], &added[j]);
                /* Text and armour stand one after the other. */
                if (!replaced && buf_append(ret, old[i].text, old[i].text_size + old[i].armor_size) < 0)
                        return failed_oom(err);
        }
        return buf_append(ret, fresh->data, fresh->size) < 0 ? failed_oom(err) : 0;
}
