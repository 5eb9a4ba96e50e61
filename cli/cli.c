/* SPDX-License-Identifier: MIT */
/*
 * What every command does in the same way: loading the configuration and opening the client on first use,
 * items from words, documents, notes. Nothing here knows what any command is about.
 */
#include "cli/cli.h"

#include <unistd.h>
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <string.h>

#include "core/clock.h"
#include "core/item.h"
#include "core/quote.h"

void
cli_done(struct cli *cli)
{
        cli->client = client_free(cli->client); /* it borrows the configuration */
        cli->config = config_free(cli->config);
        args_done(&cli->args);
}

int
cli_config(struct cli *cli, struct err *err)
{
        int r = cli->config ? 0 : config_load(cli->config_file, &cli->config, err);
        if (r == -EACCES && !err->hint[0] && geteuid() != 0)
                return err_hint(err, EXIT_FAILED, "run it as root (sudo), or with --config FILE");
        return failed(r);
}

int
cli_client(struct cli *cli, struct err *err)
{
        int r = cli_config(cli, err);
        return r || cli->client ? r : client_open(cli->config, &cli->client, err);
}

int
cli_call(struct cli *cli, const char *method, struct json *parameters, struct json **ret, struct err *err)
{
        int r = cli_client(cli, err);
        if (r) {
                json_free(parameters);
                return r;
        }
        return client_call_one(cli->client, method, parameters, ret, err);
}

int
cli_items(struct cli *cli, size_t first, struct text_list *ret, struct err *err)
{
        if (cli->args.n_words > first + SERVICE_ITEMS_MAX) {
                err_set(err, EXIT_FAILED, "%zu items are named; at most %u can be in one call",
                        cli->args.n_words - first, SERVICE_ITEMS_MAX);
                return err_hint(err, EXIT_FAILED,
                        "name a folder, or leave the glob to driftctl: '/usr/**' in quotes");
        }
        for (size_t i = first; i < cli->args.n_words; i++) {
                _cleanup_free_ char *item = NULL;
                if (item_parse(cli->args.words[i], &item, err) < 0)
                        return EXIT_FAILED;
                if (text_list_add(ret, item, strlen(item)) < 0)
                        return failed_oom(err);
        }
        return 0;
}

struct json *
text_list_json(const struct text_list *list)
{
        struct json *array = json_array_make();
        for (size_t i = 0; array && i < list->count; i++)
                if (json_push(array, json_string_new(list->items[i])) < 0)
                        array = json_free(array);
        return array;
}

int
cli_document(struct cli *cli, struct json *document, struct err *err)
{
        _cleanup_json_ struct json *owned = document;
        _cleanup_buf_ struct buf text = {0};
        if (!owned || json_write_pretty(owned, &text) < 0)
                return failed_oom(err);
        fwrite(text.data, 1, text.size, cli->out.file);
        *err = (struct err){0}; /* what failed on the way is no part of the answer */
        return 0;
}

static void print_words_of(
        const struct printer *printer, const char *before, const char *format, va_list args) _printf_(3, 0);

static void
print_words_of(const struct printer *printer, const char *before, const char *format, va_list args)
{
        _cleanup_free_ char *text = NULL;
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        else
                print(printer, "%s%s\n", before, text);
}

void
cli_note(struct cli *cli, const char *format, ...)
{
        va_list args;
        if (cli->quiet || cli->json)
                return;
        va_start(args, format);
        print_words_of(&cli->errors, "", format, args);
        va_end(args);
}

void
cli_warn(struct cli *cli, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        print_colored(&cli->errors, COLOR_YELLOW, "%s", "warning: ");
        print_words_of(&cli->errors, "", format, args);
        va_end(args);
}

void
cli_next(struct cli *cli, const char *format, ...)
{
        va_list args;
        if (cli->quiet || cli->json)
                return;
        va_start(args, format);
        print_words_of(&cli->out, "Next: ", format, args);
        va_end(args);
}

int
cli_usage(struct cli *cli, struct err *err, const char *format, ...)
{
        _cleanup_free_ char *text = NULL;
        va_list args;
        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        err_set(err, EXIT_FAILED, "%s", text ? text : "wrong usage");
        return err_hint(err, EXIT_FAILED, "usage: driftctl %s%s%s", cli->command->name,
                *cli->command->usage ? " " : "", cli->command->usage);
}

int
cli_time(struct cli *cli, const char *option, int64_t absent, int64_t *ret_ms, struct err *err)
{
        struct err why = {0};
        const char *text = args_value(&cli->args, option);
        *ret_ms = absent;
        if (!text || clock_parse_human(text, clock_now_ms(), ret_ms, &why) == 0)
                return 0;
        err_set(err, EXIT_FAILED, "--%s: %.900s", option, why.text);
        return err_hint(err, EXIT_FAILED, "%s", why.hint);
}

int
cli_text(const char *what, const char *text, struct err *err)
{
        _cleanup_json_ struct json *probe = json_string_new(text ? text : "");
        if (probe)
                return 0;
        err_set(err, EXIT_FAILED, "%s %s is not UTF-8", what, quote(text ? text : ""));
        return err_hint(err, EXIT_FAILED, "write it in UTF-8, or in plain ASCII");
}

bool
name_from_text(const char *text, size_t size, char ret[static NAME_MAX_SIZE])
{
        size_t n = 0;
        for (size_t i = 0; i < size && n + 1 < NAME_MAX_SIZE; i++) {
                unsigned char byte = (unsigned char)text[i];
                bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                              (byte >= '0' && byte <= '9') || byte == '_' || byte == '.' || byte == '-';
                char out = letter ? (char)byte : '-';
                if (n || (out != '-' && out != '.'))
                        ret[n++] = out;
        }
        ret[n] = '\0';
        return n && name_is_valid(ret, n);
}

int
cli_author(struct cli *cli, char ret[static NAME_MAX_SIZE], struct err *err)
{
        const char *given = args_value(&cli->args, "author");
        if (given) {
                if (name_is_valid(given, strlen(given))) {
                        memcpy(ret, given, strlen(given) + 1);
                        return 0;
                }
                err_set(err, EXIT_FAILED, "--author %s is no name", quote(given));
                return err_hint(err, EXIT_FAILED, "1 to 63 letters, digits, '.', '_' and '-'");
        }
        const struct passwd *entry = getpwuid(getuid());
        const char *sudo = getuid() == 0 ? getenv("SUDO_USER") : NULL;
        const char *login = sudo && *sudo ? sudo : entry ? entry->pw_name : "";
        if (name_from_text(login, strlen(login), ret))
                return 0;
        err_set(err, EXIT_FAILED, "who proposes this? There is no login name");
        return err_hint(err, EXIT_FAILED, "--author NAME");
}
