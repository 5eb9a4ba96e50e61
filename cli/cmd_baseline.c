/* SPDX-License-Identifier: MIT */
/* driftctl baseline: what the store holds, and the signed bytes themselves, for git and for other eyes. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/opinion.h"
#include "cli/transfer.h"
#include "core/escape.h"
#include "core/file.h"
#include "core/quote.h"

static const char *
text_or(const struct json *object, const char *key, const char *absent)
{
        const char *text = json_text(object, key);
        return text ? text : absent;
}

static void
print_list(struct cli *cli, const struct json *list)
{
        _cleanup_table_ struct table table = table_make(7);
        json_each (list, i, baseline) {
                _cleanup_buf_ struct buf signers = {0}, ticket = {0};
                json_each (json_member(baseline, "signers"), j, signer)
                        buf_printf(&signers, "%s%s", j ? "," : "", json_string_of(signer));
                print_words(&ticket, text_or(baseline, "ticket", ""));
                bool active = json_flag(baseline, "active");
                table_cell(&table, active ? COLOR_BOLD : COLOR_DIM, "%s@%lld", text_or(baseline, "name", "?"),
                        json_number(baseline, "generation"));
                table_cell(&table, active ? COLOR_GREEN : COLOR_DIM, "%s", text_or(baseline, "state", "?"));
                table_cell(&table, COLOR_PLAIN, "%.12s", text_or(baseline, "id", "?"));
                table_cell(&table, COLOR_PLAIN, "%.19s", text_or(baseline, "applied", "?"));
                table_cell(&table, COLOR_PLAIN, "%s", signers.data ? signers.data : "");
                table_cell(&table, COLOR_PLAIN, "%s", ticket.data ? ticket.data : "");
                table_cell(&table, COLOR_PLAIN, "%s", json_flag(baseline, "has_text") ? "" : "(header only)");
        }
        table_print(&table, &cli->out);
        if (!json_length(list))
                print(&cli->out, "no baseline yet\n");
}

int
command_baseline_list(struct cli *cli, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        int r = cli_call(cli, "ListBaselines", json_make("{s:s}", "name", ""), &reply, err);
        if (r)
                return r;
        const struct json *list = json_member(reply, "baselines");
        if (cli->json)
                return cli_document(
                        cli, json_make("{s:s, s:O}", "schema", "driftd.baselines/1", "baselines", list), err);
        print_list(cli, list);
        return EXIT_CLEAN;
}

/* NAME or NAME@GENERATION; 0: the active one. */
static int
parse_name(const char *text, char name[static NAME_MAX_SIZE], uint64_t *ret_generation, struct err *err)
{
        const char *at = strchr(text, '@');
        size_t size = at ? (size_t)(at - text) : strlen(text);
        char *end = NULL;
        errno = 0;
        unsigned long long generation = at ? strtoull(at + 1, &end, 10) : 0;
        if (!name_is_valid(text, size) || (at && (errno || *end || at[1] < '1' || at[1] > '9'))) {
                err_set(err, EXIT_FAILED, "%s is no NAME or NAME@GENERATION", quote(text));
                return err_hint(err, EXIT_FAILED, "host, or host@12: driftctl baseline list shows them");
        }
        memcpy(name, text, size);
        name[size] = '\0';
        *ret_generation = generation;
        return 0;
}

/* ---- show ---- */

/* The row of the list that is meant, kept; generation 0: the active one. */
static int
find_row(struct cli *cli, const char *name, uint64_t generation, struct json **ret, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        int r = cli_call(cli, "ListBaselines", json_make("{s:s}", "name", name), &reply, err);
        if (r)
                return r;
        json_each (json_member(reply, "baselines"), i, row) {
                bool meant = generation ? (uint64_t)json_number(row, "generation") == generation
                                        : json_flag(row, "active");
                if (meant && !*ret)
                        *ret = json_make("O", row);
        }
        if (*ret)
                return 0;
        err_set(err, EXIT_FAILED,
                generation ? "there is no such generation of %s" : "no generation of %s is active", name);
        return err_hint(err, EXIT_FAILED, "driftctl baseline list shows what there is");
}

static struct json *
scopes_json(const struct baseline *baseline)
{
        size_t n;
        const struct scope *scopes = baseline_scopes(baseline, &n);
        struct json *list = json_array_make();
        for (size_t i = 0; i < n && list; i++) {
                _cleanup_buf_ struct buf line = {0};
                if (scope_append(&scopes[i], &line) == 0)
                        line.data[--line.size] = '\0';
                if (json_push(list, line.size ? json_string_new(line.data) : NULL) < 0)
                        list = json_free(list);
        }
        return list;
}

static int
show_document(struct cli *cli, struct json *row, const struct baseline *baseline, struct err *err)
{
        size_t n_settings = 0, n_waivers = 0;
        json_put(row, "schema", json_string_new("driftd.baseline/1"));
        if (baseline) {
                baseline_settings(baseline, &n_settings);
                baseline_waivers(baseline, &n_waivers);
                json_put(row, "scopes", scopes_json(baseline));
                json_put(row, "files", json_make("I", (json_int)baseline_files(baseline)));
                json_put(row, "settings", json_make("I", (json_int)n_settings));
                json_put(row, "waivers", json_make("I", (json_int)n_waivers));
        }
        return cli_document(cli, json_keep(row), err);
}

static void
print_contents(struct cli *cli, const struct baseline *baseline)
{
        size_t n_settings, n_waivers;
        const struct waiver *waivers = baseline_waivers(baseline, &n_waivers);
        char files[WORDS_MAX];
        baseline_settings(baseline, &n_settings);
        print(&cli->out, "holds      %s files, %zu settings, %zu waivers\n",
                count_text(baseline_files(baseline), files), n_settings, n_waivers);
        _cleanup_json_ struct json *scopes = scopes_json(baseline);
        json_each (scopes, i, scope)
                print(&cli->out, "%s\n", json_string_of(scope));
        for (size_t i = 0; i < n_waivers; i++) {
                _cleanup_buf_ struct buf line = {0};
                if (baseline_waiver_append(&waivers[i], &line) == 0)
                        print(&cli->out, "%s", line.data);
        }
}

static void
print_row(struct cli *cli, const struct json *row)
{
        static const char *const members[] = {
                "id", "state", "applied", "created", "expires", "author", "ticket", "class"};
        print_colored(&cli->out, COLOR_BOLD, "%s@%lld\n", text_or(row, "name", "?"),
                json_number(row, "generation"));
        for (size_t i = 0; i < ARRAY_SIZE(members); i++)
                print(&cli->out, "%-10s %s\n", members[i], text_or(row, members[i], "none"));
        print(&cli->out, "%-10s", "signers");
        json_each (json_member(row, "signers"), i, signer)
                print(&cli->out, " %s", json_string_of(signer));
        print(&cli->out, "\n");
}

int
command_baseline_show(struct cli *cli, struct err *err)
{
        _cleanup_json_ struct json *row = NULL;
        _cleanup_signed_ struct signed_text text = {0};
        char name[NAME_MAX_SIZE];
        uint64_t generation = 0;
        int r = parse_name(cli->args.words[0], name, &generation, err);
        r = r ? r : find_row(cli, name, generation, &row, err);
        if (r == 0 && json_flag(row, "has_text"))
                r = signed_text_fetch(cli, name, (uint64_t)json_number(row, "generation"), &text, err);
        if (r)
                return r;
        if (cli->json)
                return show_document(cli, row, text.baseline, err);
        print_row(cli, row);
        if (text.baseline)
                print_contents(cli, text.baseline);
        else
                print(&cli->out, "its text is no longer kept (keep_bodies): header and approvals are\n");
        return EXIT_CLEAN;
}

/* ---- export ---- */

static int
write_export(const char *file, const struct signed_text *text, struct err *err)
{
        _cleanup_free_ char *beside = approval_path(file);
        size_t n;
        const struct iovec *pieces = baseline_text(text->baseline, &n);
        if (!beside)
                return failed_oom(err);
        /* The approvals first: a baseline beside old approvals would look unsigned. */
        int r = failed(file_write(
                beside, 0644, text->approvals.data ? text->approvals.data : "", text->approvals.size, err));
        return r ? r : failed(file_write_pieces(file, 0644, pieces, n, err));
}

static int
export_document(struct cli *cli, const struct signed_text *text, const char *file, struct err *err)
{
        const struct baseline_header *header = baseline_header(text->baseline);
        char id[DIGEST_HEX_SIZE];
        _cleanup_buf_ struct buf copy = {0};
        _cleanup_free_ char *name = file ? escape_new(file, strlen(file)) : NULL;
        if (!file && baseline_text_append(text->baseline, &copy) < 0)
                return failed_oom(err);
        digest_hex(baseline_id(text->baseline), id);
        return cli_document(cli,
                json_make("{s:s, s:s, s:I, s:s, s:s?, s:s?, s:s?}", "schema", "driftd.export/1", "name",
                        header->name, "generation", (json_int)header->generation, "id", id, "file", name,
                        "text", copy.data, "approvals",
                        file                   ? NULL
                        : text->approvals.data ? text->approvals.data
                                               : ""),
                err);
}

int
command_baseline_export(struct cli *cli, struct err *err)
{
        const char *file = args_value(&cli->args, "output");
        _cleanup_signed_ struct signed_text text = {0};
        char name[NAME_MAX_SIZE], label[96], id[DIGEST_HEX_SIZE];
        uint64_t generation = 0;
        int r = parse_name(cli->args.words[0], name, &generation, err);
        r = r ? r : signed_text_fetch(cli, name, generation, &text, err);
        if (r == 0 && file)
                r = write_export(file, &text, err);
        if (r || cli->json)
                return r ? r : export_document(cli, &text, file, err);
        if (!file)
                return output_baseline(NULL, text.baseline, err);
        digest_hex(baseline_id(text.baseline), id);
        print(&cli->out, "%s written to %s and %s.approval\nid %s (sha256sum shows it)\n",
                baseline_label(baseline_header(text.baseline), label), quote(file), quote(file), id);
        return EXIT_CLEAN;
}

/* ---- verify ---- */

static int
print_opinion(struct cli *cli, const struct signed_text *text, const struct opinion *opinion, struct err *err)
{
        char label[96], id[DIGEST_HEX_SIZE];
        digest_hex(baseline_id(text->baseline), id);
        if (cli->json)
                return cli_document(cli,
                        json_make("{s:s, s:b, s:s, s:I, s:s, s:O, s:o, s:O, s:s?}", "schema",
                                "driftd.baseline-verify/1", "well_formed", 1, "name",
                                baseline_header(text->baseline)->name, "generation",
                                (json_int)baseline_header(text->baseline)->generation, "id", id, "approvals",
                                opinion->approvals, "enough",
                                opinion->judged ? json_make("b", opinion->enough) : json_null_new(),
                                "signers", opinion->signers, "why", opinion->why[0] ? opinion->why : NULL),
                        err);
        print(&cli->out, "%s is well formed\nid %s\n", baseline_label(baseline_header(text->baseline), label),
                id);
        opinion_print(cli, opinion);
        return 0;
}

/* Without a trust file: whether every approval that is there holds, and there is one. */
static bool
all_hold(const struct opinion *opinion)
{
        bool all = json_length(opinion->approvals) > 0;
        json_each (opinion->approvals, i, approval)
                all = all && json_flag(approval, "holds") && json_flag(approval, "names_it");
        return all;
}

int
command_baseline_verify(struct cli *cli, struct err *err)
{
        const char *file = args_value(&cli->args, "trust");
        _cleanup_signed_ struct signed_text text = {0};
        _cleanup_(trust_freep) struct trust *trust = NULL;
        _cleanup_(opinion_done) struct opinion opinion = {0};
        int r = signed_text_read(cli->args.words[0], &text, err);
        r = r || !file ? r : trust_read(file, &trust, err);
        r = r ? r : opinion_make(&text, trust, &opinion, err);
        r = r ? r : print_opinion(cli, &text, &opinion, err);
        if (r)
                return r;
        if (!opinion.judged)
                cli_note(cli, "No trust file was given (--trust FILE): whose keys these are was not judged.");
        return (opinion.judged ? opinion.enough : all_hold(&opinion)) ? EXIT_CLEAN : EXIT_UNTRUSTED;
}
