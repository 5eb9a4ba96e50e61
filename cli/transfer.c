/* SPDX-License-Identifier: MIT */
/*
 * Texts over the wire and from files. Each baseline is opened (form, sorting, its id) before it is used or
 * sent, so that a damaged file is refused here with its line, and not by the daemon with less.
 */
#include "cli/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/progress.h"
#include "core/baseline_delta.h"
#include "core/file.h"
#include "core/quote.h"

void
signed_text_done(struct signed_text *text)
{
        text->baseline = baseline_free(text->baseline);
        buf_done(&text->approvals);
}

char *
approval_path(const char *file)
{
        char *path;
        return asprintf(&path, "%s.approval", file) < 0 ? NULL : path;
}

/* Puts the file's name before the words. */
static int
in_file(const char *file, const struct err *why, struct err *err)
{
        err_set(err, EXIT_FAILED, "%s: %.700s", quote(file), why->text);
        return err_hint(err, EXIT_FAILED, "%s", why->hint);
}

static int
baseline_read(const char *file, struct baseline **ret, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        struct err why = {0};
        int r = file_read(file, FILE_FOLLOW, BASELINE_SIZE_MAX, &text, err);
        if (r == -ENOENT)
                return err_hint(
                        err, EXIT_FAILED, "driftctl propose -o FILE writes one on the host that it is for");
        if (r < 0)
                return EXIT_FAILED;
        size_t size = text.size;
        char *bytes = buf_steal(&text);
        if (!bytes)
                return failed_oom(err);
        return baseline_open(bytes, size, ret, &why) ? in_file(file, &why, err) : 0;
}

int
signed_text_read(const char *file, struct signed_text *ret, struct err *err)
{
        struct signed_text text = {0};
        _cleanup_free_ char *beside = approval_path(file);
        if (!beside)
                return failed_oom(err);
        int r = baseline_read(file, &text.baseline, err);
        if (r)
                return r;
        r = file_read(beside, FILE_FOLLOW, APPROVAL_FILE_MAX, &text.approvals, err);
        if (r < 0 && r != -ENOENT) {
                signed_text_done(&text);
                return EXIT_FAILED;
        }
        *err = (struct err){0}; /* no approvals yet is no error */
        *ret = text;
        return 0;
}

/* ---- pieces ---- */

struct pieces {
        struct buf text, approvals;
        bool delta; /* text is one */
        struct progress progress;
};

static void
pieces_done(struct pieces *pieces)
{
        progress_clear(&pieces->progress);
        buf_done(&pieces->text);
        buf_done(&pieces->approvals);
}

static int
take_piece(void *userdata, const struct json *parameters, bool continues)
{
        struct pieces *pieces = userdata;
        const char *text = json_text(parameters, "text"), *approvals = json_text(parameters, "approvals");
        (void)continues;
        pieces->delta = pieces->delta || json_flag(parameters, "delta");
        progress_show(&pieces->progress, json_member(parameters, "progress"));
        if ((text && buf_text(&pieces->text, text) < 0) ||
                (approvals && buf_text(&pieces->approvals, approvals) < 0))
                return EXIT_FAILED;
        return 0;
}

static int
open_delta(const struct pieces *pieces, const struct baseline *parent, struct baseline **ret, struct err *err)
{
        struct err why = {0};
        if (!parent)
                return err_set(err, EXIT_FAILED, "a delta came that was not asked for");
        if (delta_open(parent, pieces->text.data, pieces->text.size, ret, &why) == 0)
                return 0;
        return err_set(err, EXIT_FAILED, "what came from the daemon makes no baseline: %.700s", why.text);
}

/* parent: what a delta may be from; NULL: none may come. */
static int
open_pieces(struct pieces *pieces, const struct baseline *parent, struct baseline **ret, struct err *err)
{
        struct err why = {0};
        if (pieces->delta)
                return open_delta(pieces, parent, ret, err);
        size_t size = pieces->text.size;
        char *bytes = buf_steal(&pieces->text);
        if (!bytes)
                return failed_oom(err);
        if (baseline_open_after(parent, bytes, size, NULL, ret, &why) == 0)
                return 0;
        return err_set(err, EXIT_FAILED, "what came from the store is no baseline: %.700s", why.text);
}

int
signed_text_fetch(
        struct cli *cli, const char *name, uint64_t generation, struct signed_text *ret, struct err *err)
{
        _cleanup_(pieces_done) struct pieces pieces = {0};
        int r = cli_client(cli, err);
        r = r ? r
              : client_call(cli->client, "GetBaseline",
                        json_make("{s:s, s:I}", "name", name, "generation", (json_int)generation), take_piece,
                        &pieces, err);
        r = r ? r : open_pieces(&pieces, NULL, &ret->baseline, err);
        if (r)
                return r;
        ret->approvals = pieces.approvals;
        pieces.approvals = (struct buf){0};
        return 0;
}

/* Cuts a text where a UTF-8 character ends, so that each piece is a JSON string by itself. */
static size_t
piece_size(const char *text, size_t size)
{
        size_t n = min_size(size, SERVICE_CHUNK_MAX);
        while (n < size && n > SERVICE_CHUNK_MAX - 4 && ((unsigned char)text[n] & 0xc0) == 0x80)
                n--;
        return n;
}

int
text_upload(struct cli *cli, const char *kind, const char *text, size_t size, struct err *err)
{
        bool reset = true;
        int opened = cli_client(cli, err);
        if (opened)
                return opened;
        do {
                size_t n = piece_size(text, size);
                _cleanup_free_ char *piece = strndup(text, n);
                if (!piece)
                        return failed_oom(err);
                struct json *parameters =
                        json_make("{s:s, s:s, s:b}", "kind", kind, "text", piece, "reset", reset);
                if (!parameters)
                        return err_set(err, EXIT_FAILED, "%s: the text is not UTF-8", kind);
                int r = client_call(cli->client, "Upload", parameters, NULL, NULL, err);
                if (r)
                        return r;
                text += n;
                size -= n;
                reset = false;
        } while (size);
        return 0;
}

static int
upload_whole(struct cli *cli, const struct baseline *baseline, struct err *err)
{
        _cleanup_buf_ struct buf copy = {0};
        size_t n;
        const struct iovec *text = baseline_text(baseline, &n);
        if (n == 1)
                return text_upload(cli, "baseline", text->iov_base, text->iov_len, err);
        if (baseline_text_append(baseline, &copy) < 0)
                return failed_oom(err);
        return text_upload(cli, "baseline", copy.data, copy.size, err);
}

static int
baseline_upload(
        struct cli *cli, const struct baseline *baseline, const struct baseline *parent, struct err *err)
{
        _cleanup_buf_ struct buf delta = {0};
        const struct baseline_header *header = baseline_header(baseline);
        if (!parent || !header->has_parent || !digest_equal(&header->parent, baseline_id(parent)))
                return upload_whole(cli, baseline, err);
        if (delta_between(parent, baseline, &delta) < 0)
                return failed_oom(err);
        return text_upload(cli, "delta", delta.data, delta.size, err);
}

int
signed_text_upload(struct cli *cli, const struct signed_text *signed_text, const struct baseline *parent,
        struct err *err)
{
        int r = cli_client(cli, err);
        r = r ? r : baseline_upload(cli, signed_text->baseline, parent, err);
        const struct buf *approvals = &signed_text->approvals;
        return r ? r
                 : text_upload(
                           cli, "approvals", approvals->data ? approvals->data : "", approvals->size, err);
}

/* ---- proposals ---- */

int
proposal_wish_options(struct cli *cli, struct proposal_wish *ret, struct err *err)
{
        ret->ticket = args_value(&cli->args, "ticket");
        ret->class = args_value(&cli->args, "class");
        int r = cli_text("--ticket", ret->ticket, err);
        return r ? r : cli_time(cli, "expires", 0, &ret->expires_ms, err);
}

static struct json *
wish_json(const struct proposal_wish *wish)
{
        struct json *items = wish->items ? text_list_json(wish->items) : json_array_make();
        struct json *waivers = wish->waivers ? wish->waivers : json_array_make();
        return json_make("{s:s, s:o, s:s?, s:s, s:I, s:s, s:o, s:b}", "name", wish->name, "items", items,
                "ticket", wish->ticket, "class", wish->class ? wish->class : class_names[CLASS_NORMAL],
                "expires_ms", (json_int)wish->expires_ms, "author", wish->author, "waivers", waivers,
                "retire", wish->retire);
}

static struct json *
wish_json_from(const struct proposal_wish *wish, const struct baseline *parent)
{
        struct json *parameters = wish_json(wish);
        char hex[DIGEST_HEX_SIZE];
        if (!parameters || !parent)
                return parameters;
        digest_hex(baseline_id(parent), hex);
        return json_put(parameters, "from", json_string_new(hex)) < 0 ? json_free(parameters) : parameters;
}

int
proposal_fetch(struct cli *cli, const struct proposal_wish *wish, const struct baseline *parent,
        struct baseline **ret, struct err *err)
{
        struct json *parameters = wish_json_from(wish, parent);
        _cleanup_(pieces_done) struct pieces pieces = {.progress = progress_start(cli->quiet)};
        int r = cli_client(cli, err);
        if (r) {
                json_free(parameters);
                return r;
        }
        r = client_call(cli->client, "Propose", parameters, take_piece, &pieces, err);
        progress_clear(&pieces.progress);
        return r ? r : open_pieces(&pieces, parent, ret, err);
}

/* ---- trust ---- */

int
trust_fetch(struct client *client, struct trust **ret, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        int r = client_call_one(client, "GetTrust", json_make("{}"), &reply, err);
        if (r)
                return r;
        const char *text = json_text(reply, "text");
        return failed(
                trust_parse("trust file in force", text ? text : "", text ? strlen(text) : 0, ret, err));
}

int
trust_read(const char *path, struct trust **ret, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        int r = file_read(path, FILE_FOLLOW, TRUST_FILE_MAX, &text, err);
        return failed(r ? r : trust_parse(path, text.data ? text.data : "", text.size, ret, err));
}

/* ---- verifier keys ---- */

int
vkey_read(const char *text, struct note_key *ret, struct err *err)
{
        _cleanup_buf_ struct buf line = {0};
        struct err why = {0};
        if (note_key_parse(text, strlen(text), ret, &why) == 0)
                return 0;
        int r = file_read(text, FILE_FOLLOW, NOTE_SIZE_MAX, &line, err);
        if (r) {
                err_set(err, EXIT_FAILED, "--key: %s is no file that can be read, and %s", quote(text),
                        why.text);
                return err_hint(err, EXIT_FAILED, "%s", why.hint);
        }
        size_t size = line.size && line.data[line.size - 1] == '\n' ? line.size - 1 : line.size;
        return failed(note_key_parse(size ? line.data : "", size, ret, err));
}

/* ---- output ---- */

int
output_write(const char *file, const void *data, size_t size, struct err *err)
{
        if (file)
                return failed(file_write(file, 0644, data, size, err));
        if (fwrite(data, 1, size, stdout) != size)
                return err_set(err, EXIT_FAILED, STDOUT_FAILED "%s", strerrordesc_np(errno));
        return 0;
}

int
output_baseline(const char *file, const struct baseline *baseline, struct err *err)
{
        size_t n;
        const struct iovec *pieces = baseline_text(baseline, &n);
        if (file)
                return failed(file_write_pieces(file, 0644, pieces, n, err));
        int r = 0;
        for (size_t i = 0; i < n && r == 0; i++)
                r = output_write(NULL, pieces[i].iov_base, pieces[i].iov_len, err);
        return r;
}

const char *
baseline_label(const struct baseline_header *header, char text[static 96])
{
        snprintf(text, 96, "%s@%" PRIu64, header->name, header->generation);
        return text;
}
