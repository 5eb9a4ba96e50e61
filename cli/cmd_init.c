/* SPDX-License-Identifier: MIT */
/*
 * driftctl init: the first steps on a host. Writes the configuration where there is none, and a trust file
 * where there is none and public keys were given; whatever is there stays as it is. Whom to trust is the one
 * decision that is asked about.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/terminal.h"
#include "cli/transfer.h"
#include "core/escape.h"
#include "core/file.h"
#include "core/ini_reader.h"
#include "core/quote.h"

#define PUB_FILE_MAX ((size_t)16 << 10) /* bytes */
#define APPROVERS_MAX 64u

struct approver {
        char name[NAME_MAX_SIZE];
        struct ssh_key key;
};

struct init {
        struct approver approvers[APPROVERS_MAX];
        size_t n_approvers;
        struct json *written, *kept;
};

static void
init_done(struct init *init)
{
        init->written = json_free(init->written);
        init->kept = json_free(init->kept);
}

static int
note_path(struct json *list, const char *path, struct err *err)
{
        _cleanup_free_ char *escaped = escape_new(path, strlen(path));
        return json_push(list, escaped ? json_string_new(escaped) : NULL) < 0 ? failed_oom(err) : 0;
}

/* ---- approvers ---- */

/* The comment's part before '@' is the name: "alice@laptop" -> alice. */
static int
read_pub(const char *file, struct approver *ret, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        const char *comment = NULL;
        size_t size = strlen(file);
        struct err why = {0};
        int r = file_read(file, FILE_FOLLOW, PUB_FILE_MAX, &text, err);
        if (r == -ENOENT)
                return err_hint(err, EXIT_FAILED,
                        "driftctl key generate --name YOU -o YOU.key makes YOU.key.pub, which is the one to "
                        "name");
        if (r < 0)
                return EXIT_FAILED;
        char *line = text.data ? text.data : (char[]){""};
        line[strcspn(line, "\r\n")] = '\0';
        if (ssh_key_parse(line, &ret->key, &comment, &why) < 0) {
                err_set(err, EXIT_FAILED, "%s: %.700s", quote(file), why.text);
                return err_hint(err, EXIT_FAILED,
                        "--trust takes the .pub file of an ed25519 key: driftctl init --trust %s.pub",
                        size > 4 && strcmp(file + size - 4, ".pub") == 0 ? "YOU.key" : quote(file));
        }
        if (name_from_text(comment, strcspn(comment, "@ "), ret->name))
                return 0;
        err_set(err, EXIT_FAILED, "%s: the key has no comment that would name its approver", quote(file));
        return err_hint(err, EXIT_FAILED, "write a name after the key: ssh-ed25519 AAAA… alice");
}

static int
read_pubs(struct cli *cli, struct init *init, struct err *err)
{
        const char *file;
        for (size_t i = 0; (file = args_value_at(&cli->args, "trust", i)); i++) {
                if (init->n_approvers == APPROVERS_MAX)
                        return err_set(err, EXIT_FAILED, "at most %u keys here; write the trust file by hand",
                                APPROVERS_MAX);
                int r = read_pub(file, &init->approvers[init->n_approvers++], err);
                if (r)
                        return r;
        }
        return 0;
}

static bool
named_before(const struct init *init, size_t index)
{
        for (size_t i = 0; i < index; i++)
                if (strcmp(init->approvers[i].name, init->approvers[index].name) == 0)
                        return true;
        return false;
}

static int
append_approver(const struct init *init, size_t index, struct buf *ret)
{
        const char *name = init->approvers[index].name;
        int r = buf_printf(ret, "\n[approver %s]\n", name);
        for (size_t i = index; i < init->n_approvers && r == 0; i++) {
                if (strcmp(init->approvers[i].name, name) != 0)
                        continue;
                r = buf_text(ret, "key = ");
                r = r ? r : ssh_key_append_text(&init->approvers[i].key, ret);
                r = r ? r : buf_text(ret, "\n");
        }
        return r;
}

/* One person's approval is enough at first: the file says how to ask for more. */
static int
trust_text(const struct init *init, struct buf *ret)
{
        int r = buf_text(ret, "; The approvers of this host: driftd-trust(5). A change of this file needs "
                              "trust.conf.approval.\n"
                              "[trust]\ngeneration = 1\nparent = none\n");
        for (size_t i = 0; i < init->n_approvers && r == 0; i++)
                if (!named_before(init, i))
                        r = append_approver(init, i, ret);
        r = r ? r : buf_text(ret, "\n[baseline *]\napprovers =");
        for (size_t i = 0; i < init->n_approvers && r == 0; i++)
                if (!named_before(init, i))
                        r = buf_printf(ret, " %s", init->approvers[i].name);
        return r ? r : buf_text(ret, "\nthreshold = 1\nauthor_counts = yes\n");
}

static int
confirm_trust(struct cli *cli, const struct init *init, struct err *err)
{
        if (args_given(&cli->args, "yes"))
                return 0;
        if (!terminal_is_there()) {
                err_set(err, EXIT_FAILED,
                        "whom this host trusts is to be confirmed, and there is no terminal to ask on");
                return err_hint(err, EXIT_FAILED, "--yes, after looking at the keys: driftctl key show PUB");
        }
        print(&cli->errors, "These keys will decide what is right on this host:\n");
        for (size_t i = 0; i < init->n_approvers; i++) {
                _cleanup_buf_ struct buf fingerprint = {0};
                if (ssh_key_append_fingerprint(&init->approvers[i].key, &fingerprint) == 0)
                        print(&cli->errors, "  %s  %s\n", init->approvers[i].name, fingerprint.data);
        }
        if (terminal_confirm("Trust them?"))
                return 0;
        return err_set(err, EXIT_FAILED, "no trust file was written");
}

/* ---- files ---- */

/* A newcomer's first mistake is to forget sudo. */
static int
cannot_write(int r, struct err *err)
{
        if (r != -EACCES || geteuid() == 0)
                return EXIT_FAILED;
        return err_hint(err, EXIT_FAILED, "run it as root: sudo driftctl init");
}

static int
make_folder_of(const char *path, struct err *err)
{
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *folder =
                slash && slash > path ? strndup(path, (size_t)(slash - path)) : strdup(".");
        if (!folder)
                return failed_oom(err);
        int r = slash && slash > path ? folder_create(folder, 0755, err) : 0;
        return r < 0 ? cannot_write(r, err) : 0;
}

/* Never over what is there: file_create refuses, and that is no error here. */
static int
write_missing(struct init *init, const char *path, const char *text, size_t size, struct err *err)
{
        int r = make_folder_of(path, err);
        if (r)
                return r;
        r = file_create(path, 0644, text, size, err);
        if (r < 0 && r != -EEXIST)
                return cannot_write(r, err);
        return note_path(r == 0 ? init->written : init->kept, path, err);
}

/* Whoever names a key wants it trusted: that a file which is there does not list it must not go unsaid. */
static void
warn_not_listed(struct cli *cli, const struct init *init, const char *path)
{
        _cleanup_(trust_freep) struct trust *trust = NULL;
        struct err why = {0};
        if (!init->n_approvers || trust_read(path, &trust, &why))
                return;
        for (size_t i = 0; i < init->n_approvers; i++)
                if (!trust_approver_of(trust, &init->approvers[i].key))
                        cli_warn(cli,
                                "the key of %s is not trusted: %s was there already. A next generation of it "
                                "lists the key, and is signed by driftctl sign trust.conf: driftd-trust(5)",
                                init->approvers[i].name, path);
}

static int
write_trust(struct cli *cli, struct init *init, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        _cleanup_(trust_freep) struct trust *trust = NULL;
        const char *path = cli->config->trust;
        struct stat st;
        if (lstat(path, &st) == 0) {
                warn_not_listed(cli, init, path);
                return note_path(init->kept, path, err);
        }
        if (!init->n_approvers)
                return 0;
        if (trust_text(init, &text) < 0)
                return failed_oom(err);
        /* Read back before it is written: two names with one key, a line that is too long. */
        if (trust_parse(path, text.data, text.size, &trust, err))
                return EXIT_FAILED;
        int r = confirm_trust(cli, init, err);
        return r ? r : write_missing(init, path, text.data, text.size, err);
}

static int
make_folders(const struct config *config, struct err *err)
{
        if (folder_create(config->state_dir, 0700, err) < 0)
                return EXIT_FAILED;
        return failed(folder_create(config->runtime_dir, 0755, err));
}

static void
print_paths(struct cli *cli, const char *word, const struct json *list)
{
        json_each (list, i, path)
                print(&cli->out, "%s  %s\n", word, json_string_of(path));
}

/* Whether a daemon runs; asked for its trust file, it takes up one that was written just now. */
static bool
tell_daemon(struct cli *cli)
{
        _cleanup_(client_freep) struct client *client = NULL;
        _cleanup_json_ struct json *reply = NULL;
        struct err why = {0};
        if (client_open_daemon(cli->config, &client, &why))
                return false;
        client_call_one(client, "GetTrust", NULL, &reply, &why);
        return true;
}

/* The private key beside the first public one that was named, where it is on this host. */
static char *
key_beside(struct cli *cli)
{
        const char *pub = args_value_at(&cli->args, "trust", 0);
        size_t size = pub ? strlen(pub) : 0;
        if (size < 5 || strcmp(pub + size - 4, ".pub") != 0)
                return NULL;
        char *key = strndup(pub, size - 4);
        if (key && access(key, R_OK) == 0)
                return key;
        free(key);
        return NULL;
}

static void
next_steps(struct cli *cli, bool daemon)
{
        _cleanup_free_ char *key = key_beside(cli);
        const char *start = daemon ? "" : "systemctl enable --now driftd · ";
        if (key)
                cli_next(cli, "%sdriftctl bless --ticket … --key %s", start, quote(key));
        else
                cli_next(cli,
                        "%sdriftctl propose --ticket … -o host.baseline, and where the key is: driftctl sign "
                        "host.baseline --key K",
                        start);
}

static int
report(struct cli *cli, const struct init *init, bool trusted, bool daemon, struct err *err)
{
        if (cli->json)
                return cli_document(cli,
                        json_make("{s:s, s:O, s:O, s:b}", "schema", "driftd.init/1", "written", init->written,
                                "kept", init->kept, "trust", trusted),
                        err);
        print_paths(cli, "written", init->written);
        print_paths(cli, "kept   ", init->kept);
        if (trusted) {
                next_steps(cli, daemon);
        } else {
                print(&cli->out, "No trust file yet: %s says who may approve.\n", cli->config->trust);
                cli_next(cli, "on your own machine: driftctl key generate --name you; here: driftctl init "
                              "--trust you.key.pub");
        }
        return EXIT_CLEAN;
}

int
command_init(struct cli *cli, struct err *err)
{
        _cleanup_(init_done) struct init init = {.written = json_array_make(), .kept = json_array_make()};
        struct stat st;
        if (!init.written || !init.kept)
                return failed_oom(err);
        int r = read_pubs(cli, &init, err);
        r = r ? r
              : write_missing(&init, cli->config_file, config_default_text, strlen(config_default_text), err);
        r = r ? r : cli_config(cli, err);
        r = r ? r : make_folders(cli->config, err);
        r = r ? r : write_trust(cli, &init, err);
        if (r)
                return r;
        bool daemon = tell_daemon(cli);
        return report(cli, &init, lstat(cli->config->trust, &st) == 0, daemon, err);
}
