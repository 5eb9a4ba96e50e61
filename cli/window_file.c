/* SPDX-License-Identifier: MIT */
/*
 * Windows and expected change sets from and to files. Each is opened before it is used or sent, so that a
 * damaged one is refused here, by its name and line.
 */
#include "cli/window_file.h"

#include <errno.h>
#include <string.h>

#include "cli/transfer.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/quote.h"

void
window_file_done(struct window_file *file)
{
        file->window = window_free(file->window);
        buf_done(&file->approvals);
}

void
expect_file_done(struct expect_file *file)
{
        file->expect = expect_free(file->expect);
        buf_done(&file->text);
}

static int
in_file(const char *path, const struct err *why, struct err *err)
{
        err_set(err, EXIT_FAILED, "%s: %.700s", quote(path), why->text);
        return err_hint(err, EXIT_FAILED, "%s", why->hint[0] ? why->hint : "driftd-window(5) gives the form");
}

int
expect_file_read(const char *path, struct expect_file *ret, struct err *err)
{
        struct err why = {0};
        if (file_read(path, FILE_FOLLOW, EXPECT_SIZE_MAX, &ret->text, err) < 0)
                return EXIT_FAILED;
        return expect_open(ret->text.data ? ret->text.data : "", ret->text.size, &ret->expect, &why)
                       ? in_file(path, &why, err)
                       : 0;
}

bool
window_file_is_one(const char *path, struct buf *ret_text)
{
        struct err ignored = {0};
        return file_read(path, FILE_FOLLOW, WINDOW_SIZE_MAX, ret_text, &ignored) == 0 && ret_text->size &&
               window_is_one(ret_text->data, ret_text->size);
}

/* PATH.WORD; what is not there is empty. */
static int
read_beside(const char *path, const char *word, size_t size_max, struct buf *ret, struct err *err)
{
        _cleanup_free_ char *beside = NULL;
        if (asprintf(&beside, "%s.%s", path, word) < 0) {
                beside = NULL;
                return failed_oom(err);
        }
        int r = file_read(beside, FILE_FOLLOW, size_max, ret, err);
        if (r < 0 && r != -ENOENT)
                return EXIT_FAILED;
        *err = (struct err){0};
        return 0;
}

static int
read_set(const char *path, struct window *window, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        struct err why = {0};
        int r = read_beside(path, "expect", EXPECT_SIZE_MAX, &text, err);
        if (r || !text.size)
                return r;
        size_t size = text.size;
        char *bytes = buf_steal(&text);
        if (!bytes)
                return failed_oom(err);
        return window_take_expect(window, bytes, size, &why) ? in_file(path, &why, err) : 0;
}

int
window_file_read(const char *path, const struct buf *text, struct window_file *ret, struct err *err)
{
        struct err why = {0};
        char *bytes = malloc(text->size + 1);
        if (!bytes)
                return failed_oom(err);
        memcpy(bytes, text->data, text->size);
        if (window_open(bytes, text->size, &ret->window, &why))
                return in_file(path, &why, err);
        int r = read_beside(path, "approval", APPROVAL_FILE_MAX, &ret->approvals, err);
        return r || !ret->window->has_expect ? r : read_set(path, ret->window, err);
}

static int
write_beside(const char *path, const char *word, const void *data, size_t size, struct err *err)
{
        _cleanup_free_ char *beside = NULL;
        if (asprintf(&beside, "%s.%s", path, word) < 0) {
                beside = NULL;
                return failed_oom(err);
        }
        return failed(file_write(beside, 0644, data, size, err));
}

int
window_file_write(const char *path, const struct window_file *file, struct err *err)
{
        const struct window *window = file->window;
        size_t size;
        int r = failed(file_write(path, 0644, window->text, window->size, err));
        if (r == 0 && window->expect) {
                const char *set = expect_text(window->expect, &size);
                r = write_beside(path, "expect", set, size, err);
        }
        return r || !file->approvals.size
                       ? r
                       : write_beside(path, "approval", file->approvals.data, file->approvals.size, err);
}

static void
print_opened(struct cli *cli, const struct json *window)
{
        const char *ticket = json_text(window, "ticket"), *id = json_text(window, "id");
        const char *until = json_text(window, "until"), *expect = json_text(window, "expect");
        size_t n = (size_t)json_number(window, "items_total");
        print_colored(&cli->out, COLOR_GREEN, "window %s", ticket ? ticket : "?");
        print(&cli->out, " is open until %s, signed by ", until ? until : "?");
        json_each (json_member(window, "signers"), i, signer) {
                const char *who = json_string_of(signer);
                print(&cli->out, "%s%s", i ? ", " : "", who ? who : "?");
        }
        if (n)
                print(&cli->out, ", for %zu %s\n", n, n == 1 ? "item" : "items");
        else
                print(&cli->out, ", for every item%s\n", expect ? " of its expected change set" : "");
        if (cli->quiet)
                return;
        print(&cli->out, "id %s\nDrift stays drift; what is in the window counts as low and says so.\n",
                id ? id : "?");
}

int
window_file_apply(struct cli *cli, const struct window_file *file, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        const struct window *window = file->window;
        size_t size = 0;
        const char *set = window->expect ? expect_text(window->expect, &size) : "";
        int r = text_upload(cli, "window", window->text, window->size, err);
        r = r ? r
              : text_upload(cli, "approvals", file->approvals.data ? file->approvals.data : "",
                        file->approvals.size, err);
        r = r ? r : text_upload(cli, "expect", set, size, err);
        r = r ? r : client_call_one(cli->client, "OpenWindow", json_make("{}"), &reply, err);
        if (r)
                return r;
        const struct json *opened = json_member(reply, "window");
        if (cli->json)
                return cli_document(cli,
                        json_make("{s:s, s:O}", "schema", "driftd.window-open/1", "window", opened), err);
        print_opened(cli, opened);
        cli_next(cli, "driftctl window show · driftctl window close --ticket %s", window->ticket);
        return 0;
}
