/* SPDX-License-Identifier: MIT */
/*
 * The doctor on trust: who may approve, and whether a key that approves lies where it decides. Keys are
 * looked for where they usually are. A private key is read only to learn whose it is and whether a passphrase
 * seals it, into memory that is wiped.
 */
#include "cli/doctor.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/crypto.h"
#include "core/escape.h"
#include "core/file.h"
#include "core/secret.h"

#define KEY_FILE_MAX ((size_t)64 << 10) /* bytes */
#define ENTRIES_MAX 4096u               /* of one folder that are looked at */
#define KEYS_MAX 64u                    /* found, that are named */

static int
no_trust(const struct doctor *doctor, struct doctor_answer *ret)
{
        return doctor_say(ret, DOCTOR_UNKNOWN, "%s", doctor->trust_why);
}

int
doctor_approvers(const struct doctor *doctor, struct doctor_answer *ret)
{
        const char *const *names;
        struct stat st;
        if (!doctor->trust) {
                if (!doctor->have_config || lstat(doctor->cli->config->trust, &st) == 0 || errno != ENOENT)
                        return no_trust(doctor, ret);
                int r = doctor_say(ret, DOCTOR_MISSING, "nobody may approve: there is no %s",
                        doctor->cli->config->trust);
                return r ? r
                         : doctor_mend(ret,
                                   "driftctl key generate --name alice -o alice.key (best elsewhere), "
                                   "then here: sudo driftctl init --trust alice.key.pub");
        }
        size_t n = trust_approvers(doctor->trust, &names);
        if (n != 1)
                return doctor_say(ret, DOCTOR_OK, "%zu approvers", n);
        int r = doctor_say(ret, DOCTOR_WEAK,
                "%s alone may approve: nobody can when they are away, and nobody "
                "else looks",
                names[0]);
        return r ? r
                 : doctor_mend(ret,
                           "driftctl key generate --name bob -o bob.key (on bob's machine), and "
                           "[approver bob] in the next generation of %s: driftd-trust(5)",
                           doctor->cli->config->trust);
}

int
doctor_threshold(const struct doctor *doctor, struct doctor_answer *ret)
{
        struct trust_rule rule;
        if (!doctor->trust)
                return no_trust(doctor, ret);
        if (trust_rule_for(doctor->trust, "host", &rule) < 0) {
                int r = doctor_say(ret, DOCTOR_MISSING, "no rule says who approves host");
                return r ? r
                         : doctor_mend(ret, "in the next generation of %s: [baseline *]",
                                   doctor->cli->config->trust);
        }
        if (rule.threshold > 1 || rule.n_approvers < 2)
                return doctor_say(ret, DOCTOR_OK, "%u of %zu must agree", rule.threshold, rule.n_approvers);
        int r = doctor_say(ret, DOCTOR_WEAK, "any one of %zu approvers is enough for host", rule.n_approvers);
        return r ? r
                 : doctor_mend(ret, "threshold = 2 in the next generation of %s: driftd-trust(5)",
                           doctor->cli->config->trust);
}

int
doctor_first_use(const struct doctor *doctor, struct doctor_answer *ret)
{
        const char *id = json_text(doctor->status, "trust_id");
        if (!doctor->status)
                return doctor_no_status(doctor, ret);
        if (!id)
                return doctor_say(ret, DOCTOR_UNKNOWN, "no trust file is in force yet");
        if (!doctor_problem(doctor, "first_use"))
                return doctor_say(ret, DOCTOR_OK, "it follows from a signed one");
        int r = doctor_say(ret, DOCTOR_WEAK, "it was taken on first use: whoever set this host up chose it");
        return r ? r
                 : doctor_mend(
                           ret, "note its id elsewhere and compare: %s (a signed successor ends this)", id);
}

/* ---- private keys ---- */

struct hunt {
        const struct doctor *doctor;
        struct buf found; /* words */
        struct buf first; /* the first file, escaped */
        size_t n, unsealed;
        size_t closed; /* folders and files that could not be read */
        int r;
};

static void
found(struct hunt *hunt, const char *path, const char *approver, bool unsealed)
{
        _cleanup_free_ char *escaped = escape_new(path, strlen(path));
        if (!escaped) {
                hunt->r = -ENOMEM;
                return;
        }
        hunt->unsealed += unsealed;
        if (hunt->n++ == 0)
                hunt->r = buf_text(&hunt->first, escaped);
        if (hunt->r == 0 && hunt->n <= KEYS_MAX)
                hunt->r = buf_printf(&hunt->found, "%s%s of %s%s", hunt->n > 1 ? ", " : "", escaped, approver,
                        unsealed ? " (no passphrase)" : "");
}

/* What a private key file says of itself without its passphrase; false: it is none, or says nothing. */
static bool
describe_key(const char *text, size_t size, struct ssh_key *ret_key, bool *ret_sealed)
{
        static const char native[] = "driftd-key 1\n", openssh[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
        struct err why = {0};
        if (size >= strlen(native) && memcmp(text, native, strlen(native)) == 0) {
                _cleanup_free_ char *name = NULL;
                return secret_describe(text, size, ret_key, &name, ret_sealed, &why) == 0;
        }
        _cleanup_(signer_freep) struct signer *signer = NULL;
        if (size < strlen(openssh) || memcmp(text, openssh, strlen(openssh)) != 0 ||
                signer_from_file(text, size, NULL, &signer, &why) != 0)
                return false;
        *ret_key = *signer_key(signer);
        *ret_sealed = false;
        return true;
}

/* A key file without its public half beside it, or whose seal is to be told. -1: not to be read. */
static int
look_private(struct hunt *hunt, const char *path, const char **ret_approver, bool *ret_sealed)
{
        struct buf text = {0};
        struct err why = {0};
        struct ssh_key key = {0};
        int r = file_read(path, 0, KEY_FILE_MAX, &text, &why);
        if (r == 0 && text.size && describe_key(text.data, text.size, &key, ret_sealed))
                *ret_approver = trust_approver_of(hunt->doctor->trust, &key);
        if (text.data)
                crypto_wipe(text.data, text.size);
        buf_done(&text);
        return r == -EACCES ? -1 : 0;
}

/* The approver of a public key file; NULL: it is none's. */
static const char *
look_public(const struct hunt *hunt, const char *path)
{
        _cleanup_buf_ struct buf text = {0};
        struct err why = {0};
        struct ssh_key key = {0};
        if (file_read(path, 0, KEY_FILE_MAX, &text, &why) < 0 || !text.data)
                return NULL;
        text.data[strcspn(text.data, "\r\n")] = '\0';
        return ssh_key_parse(text.data, &key, NULL, &why) < 0 ? NULL
                                                              : trust_approver_of(hunt->doctor->trust, &key);
}

static void
look_file(struct hunt *hunt, const char *path)
{
        _cleanup_free_ char *pub = NULL;
        const char *approver = NULL;
        size_t size = strlen(path);
        bool sealed = true;
        struct stat st;
        if (size > 4 && strcmp(path + size - 4, ".pub") == 0)
                return;
        if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
                (size_t)st.st_size > KEY_FILE_MAX)
                return;
        if (asprintf(&pub, "%s.pub", path) < 0) {
                pub = NULL;
                hunt->r = -ENOMEM;
                return;
        }
        if (look_private(hunt, path, &approver, &sealed) < 0)
                hunt->closed++;
        if (!approver) /* sealed, or closed to us: its public half says whose it is */
                approver = look_public(hunt, pub);
        if (approver)
                found(hunt, path, approver, !sealed);
}

static void
look_folder(struct hunt *hunt, const char *folder)
{
        DIR *entries = opendir(folder);
        if (!entries) {
                hunt->closed += errno == EACCES;
                return;
        }
        const struct dirent *entry;
        for (size_t i = 0; hunt->r == 0 && i < ENTRIES_MAX && (entry = readdir(entries)); i++) {
                _cleanup_free_ char *path = NULL;
                if (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN)
                        continue;
                if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0) {
                        path = NULL;
                        hunt->r = -ENOMEM;
                } else {
                        look_file(hunt, path);
                }
        }
        closedir(entries);
}

static void
look_below(struct hunt *hunt, const char *name, const char *below)
{
        _cleanup_free_ char *path = NULL;
        if (asprintf(&path, "%s%s%s", hunt->doctor->root, name, below) < 0) {
                path = NULL;
                hunt->r = -ENOMEM;
        } else {
                look_folder(hunt, path);
        }
}

static void
look_homes(struct hunt *hunt)
{
        _cleanup_free_ char *path = NULL;
        if (asprintf(&path, "%s/home", hunt->doctor->root) < 0) {
                path = NULL;
                hunt->r = -ENOMEM;
                return;
        }
        DIR *homes = opendir(path);
        const struct dirent *home;
        for (size_t i = 0; homes && hunt->r == 0 && i < ENTRIES_MAX && (home = readdir(homes)); i++) {
                char below[sizeof home->d_name + 16];
                if (home->d_name[0] == '.')
                        continue;
                snprintf(below, sizeof below, "/%s", home->d_name);
                look_below(hunt, "/home", below);
                snprintf(below, sizeof below, "/%s/.ssh", home->d_name);
                look_below(hunt, "/home", below);
        }
        if (homes)
                closedir(homes);
}

static int
say_hunt(const struct hunt *hunt, struct doctor_answer *ret)
{
        if (hunt->n) {
                int r = doctor_say(ret, hunt->unsealed ? DOCTOR_MISSING : DOCTOR_WEAK,
                        "root here can approve, or take the key when it is used: %s", hunt->found.data);
                return r ? r
                         : doctor_mend(ret,
                                   "move %s to the approver's own machine, and sign there: "
                                   "driftctl propose, sign, apply",
                                   hunt->first.data);
        }
        if (hunt->closed) {
                int r = doctor_say(
                        ret, DOCTOR_UNKNOWN, "%zu folders or files could not be read", hunt->closed);
                return r ? r : doctor_mend(ret, "sudo driftctl doctor");
        }
        return doctor_say(ret, DOCTOR_OK, "none in /root, /home/*, their .ssh, or /etc/driftd");
}

int
doctor_keys(const struct doctor *doctor, struct doctor_answer *ret)
{
        struct hunt hunt = {.doctor = doctor};
        if (!doctor->trust)
                return no_trust(doctor, ret);
        look_below(&hunt, "/root", "");
        look_below(&hunt, "/root", "/.ssh");
        look_below(&hunt, "/etc/driftd", "");
        look_homes(&hunt);
        int r = hunt.r ? hunt.r : say_hunt(&hunt, ret);
        buf_done(&hunt.found);
        buf_done(&hunt.first);
        return r;
}

/* ---- the last approval ---- */

static int
keep_bless(void *userdata, const struct json *parameters, bool continues)
{
        struct json **last = userdata;
        (void)continues;
        json_each (json_member(parameters, "records"), i, record) {
                json_free(*last);
                *last = json_make("O", record);
        }
        return 0;
}

int
doctor_key_used(const struct doctor *doctor, struct doctor_answer *ret)
{
        _cleanup_json_ struct json *last = NULL;
        struct err err = {0};
        if (!doctor->status)
                return doctor_no_status(doctor, ret);
        if (client_call(
                    doctor->cli->client, "Log", json_make("{s:s}", "kind", "bless"), keep_bless, &last, &err))
                return doctor_say(ret, DOCTOR_UNKNOWN, "%s", err.text);
        const struct json *detail = json_member(last, "detail"), *who = json_member(detail, "key_on_host");
        const char *name = json_string_of(json_at(who, 0));
        if (!last)
                return doctor_say(ret, DOCTOR_OK, "nothing was approved yet");
        if (!json_length(who))
                return doctor_say(ret, DOCTOR_OK, "the last approval was signed elsewhere");
        int r = doctor_say(ret, DOCTOR_WEAK, "%s signed the last approval on this host (key-on-host yes)",
                name ? name : "somebody");
        return r ? r
                 : doctor_mend(ret, "driftctl propose --ticket CHG-1 -o host.baseline here; driftctl sign "
                                    "host.baseline where the key is; driftctl apply host.baseline here");
}
