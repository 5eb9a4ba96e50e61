/* SPDX-License-Identifier: MIT */
/* driftctl key: an approver's key is made here and shown; nothing is ever written over what is there. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/terminal.h"
#include "core/file.h"
#include "core/escape.h"
#include "core/quote.h"
#include "core/secret.h"

#define KEY_FILE_MAX ((size_t)64 << 10) /* bytes */

struct key_view {
        char *name;
        struct ssh_key key;
        bool sealed, has_private;
};

static void
key_view_done(struct key_view *view)
{
        free(view->name);
}

static int
print_key(struct cli *cli, const struct key_view *view, const char *file, const char *pub, struct err *err)
{
        _cleanup_buf_ struct buf public = {0}, fingerprint = {0};
        if (ssh_key_append_text(&view->key, &public) < 0 ||
                ssh_key_append_fingerprint(&view->key, &fingerprint) < 0)
                return failed_oom(err);
        if (cli->json) {
                _cleanup_free_ char *file_text = escape_new(file, strlen(file));
                _cleanup_free_ char *pub_text = pub ? escape_new(pub, strlen(pub)) : NULL;
                return cli_document(cli,
                        json_make("{s:s, s:s, s:s, s:s?, s:s, s:s, s:b, s:b}", "schema", "driftd.key/1",
                                "name", view->name, "file", file_text, "public_file", pub_text, "public",
                                public.data, "fingerprint", fingerprint.data, "private", view->has_private,
                                "sealed", view->sealed),
                        err);
        }
        print(&cli->out, "name         %s\npublic key   %s\nfingerprint  %s\n", view->name, public.data,
                fingerprint.data);
        if (view->has_private)
                print(&cli->out, "passphrase   %s\n",
                        view->sealed ? "yes" : "none: whoever reads the file can sign");
        return 0;
}

static int
check_absent(const char *path, struct err *err)
{
        struct stat st;
        if (lstat(path, &st) < 0 && errno == ENOENT)
                return 0;
        err_set(err, EXIT_FAILED, "%s is there already", quote(path));
        return err_hint(err, EXIT_FAILED, "keys are never written over: choose another file (-o FILE)");
}

static int
write_pair(const char *file, const char *pub, const struct buf *key, const struct buf *line, struct err *err)
{
        if (file_create(file, 0600, key->data, key->size, err) < 0)
                return EXIT_FAILED;
        if (file_create(pub, 0644, line->data, line->size, err) < 0) {
                unlink(file); /* ours, made just now: a pair or nothing */
                return EXIT_FAILED;
        }
        return 0;
}

static int
generate(struct cli *cli, const char *name, const char *file, const char *pub, struct err *err)
{
        char passphrase[PASSPHRASE_MAX] = "";
        bool plain = args_given(&cli->args, "no-passphrase");
        struct buf key = {0}, line = {0};
        int r = check_absent(file, err);
        r = r ? r : check_absent(pub, err);
        if (r == 0 && !plain)
                r = passphrase_ask_new("Passphrase for the new key: ", passphrase, err);
        r = r ? r : failed(secret_generate(name, plain ? NULL : passphrase, &key, &line, err));
        r = r ? r : write_pair(file, pub, &key, &line, err);
        crypto_wipe(passphrase, sizeof passphrase);
        _cleanup_(key_view_done) struct key_view view = {0};
        r = r ? r : failed(secret_describe(key.data, key.size, &view.key, &view.name, &view.sealed, err));
        if (key.data)
                crypto_wipe(key.data, key.size);
        buf_done(&key);
        buf_done(&line);
        if (r)
                return r;
        view.has_private = true;
        r = print_key(cli, &view, file, pub, err);
        if (!cli->json) {
                print(&cli->out, "written      %s (keep it), %s (give it away)\n", quote(file), quote(pub));
                cli_next(cli, "on the host: driftctl init --trust %s", quote(pub));
        }
        return r;
}

int
command_key_generate(struct cli *cli, struct err *err)
{
        const char *name = args_value(&cli->args, "name"), *output = args_value(&cli->args, "output");
        _cleanup_free_ char *file = NULL, *pub = NULL;
        if (!name)
                return cli_usage(cli, err, "--name is missing: whose key will it be?");
        if (!name_is_valid(name, strlen(name))) {
                err_set(err, EXIT_FAILED, "--name %s is no name", quote(name));
                return err_hint(err, EXIT_FAILED, "1 to 63 letters, digits, '.', '_' and '-'");
        }
        if (output)
                file = strdup(output);
        else if (asprintf(&file, "%s.key", name) < 0)
                file = NULL;
        if (!file || asprintf(&pub, "%s.pub", file) < 0) {
                pub = NULL;
                return failed_oom(err);
        }
        return generate(cli, name, file, pub, err);
}

static int
view_public(const char *line, struct key_view *ret, struct err *err)
{
        const char *comment = NULL;
        if (ssh_key_parse(line, &ret->key, &comment, err) < 0)
                return EXIT_FAILED;
        ret->name = strndup(comment, strcspn(comment, "\n"));
        return ret->name ? 0 : failed_oom(err);
}

int
command_key_show(struct cli *cli, struct err *err)
{
        const char *file = cli->args.words[0];
        _cleanup_(key_view_done) struct key_view view = {0};
        struct buf text = {0};
        if (file_read(file, FILE_FOLLOW, KEY_FILE_MAX, &text, err) < 0)
                return EXIT_FAILED;
        int r;
        bool public =
                text.size > 4 && (memcmp(text.data, "ssh-", 4) == 0 || memcmp(text.data, "sk-s", 4) == 0);
        if (public) {
                char *newline = strchr(text.data, '\n');
                if (newline)
                        *newline = '\0';
                r = view_public(text.data, &view, err);
        } else {
                view.has_private = true;
                r = failed(secret_describe(
                        text.data ? text.data : "", text.size, &view.key, &view.name, &view.sealed, err));
        }
        if (text.data)
                crypto_wipe(text.data, text.size);
        buf_done(&text);
        return r ? r : print_key(cli, &view, file, NULL, err);
}
