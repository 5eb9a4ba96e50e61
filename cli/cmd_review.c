/* SPDX-License-Identifier: MIT */
/*
 * driftctl review: what a proposal changes, on any machine, without a daemon. Changes of scope come first and
 * loud: they decide what will be looked at at all. Nothing is hidden for being long; the reader has a pager.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/opinion.h"
#include "cli/revision.h"
#include "cli/transfer.h"
#include "core/clock.h"
#include "core/quote.h"

static const char *
time_or_never(int64_t time_ms, char text[static CLOCK_TEXT_MAX])
{
        if (time_ms == INT64_MAX)
                return "never";
        clock_format_seconds(time_ms, text);
        return text;
}

static void
print_header(struct cli *cli, const struct baseline *baseline)
{
        const struct baseline_header *header = baseline_header(baseline);
        char created[CLOCK_TEXT_MAX], expires[CLOCK_TEXT_MAX], id[DIGEST_HEX_SIZE],
                parent[DIGEST_HEX_SIZE] = "none";
        clock_format_seconds(header->created_ms, created);
        digest_hex(baseline_id(baseline), id);
        if (header->has_parent)
                digest_hex(&header->parent, parent);
        print_colored(&cli->out, COLOR_BOLD, "%s@%" PRIu64, header->name, header->generation);
        print(&cli->out,
                "\n  id       %s\n  parent   %s\n  host     %s\n  created  %s by %s\n  expires  %s\n  ticket "
                "  %s, class %s\n",
                id, parent, header->host, created, header->author, time_or_never(header->expires_ms, expires),
                header->ticket ? header->ticket : "none", class_names[header->class]);
}

/* ---- changes ---- */

static const struct {
        const char *sign;
        enum color color;
} signs[REVISION_WHATS] = {
        [REVISION_ADDED] = {"  +", COLOR_GREEN},
        [REVISION_REMOVED] = {"  -", COLOR_RED},
        [REVISION_CHANGED] = {"  ~", COLOR_YELLOW},
};

struct listing {
        struct table *table;
        enum revision_what what;
        const char *item;
        bool first;
};

static int
list_attribute(void *userdata, const char *name, const char *before, const char *after)
{
        struct listing *listing = userdata;
        bool both = listing->what == REVISION_CHANGED;
        const char *left = before ? before
                           : both ? "(none)"
                                  : "",
                   *right = after  ? after
                            : both ? "(none)"
                                   : "";
        enum color color = signs[listing->what].color;
        table_cell(listing->table, color, "%s", listing->first ? signs[listing->what].sign : "");
        table_cell(listing->table, color, "%s", listing->first ? listing->item : "");
        table_cell(listing->table, COLOR_PLAIN, "%s", name);
        table_cell(listing->table, COLOR_PLAIN, "%s%s%s", left, both ? " → " : "", right);
        listing->first = false;
        return 0;
}

/* A changed entry shows each attribute, old → new; a new or gone one is named, and a scope shown whole. */
static int
list_revision(const struct revisions *revisions, const struct revision *revision, struct table *table)
{
        _cleanup_buf_ struct buf item = {0};
        if (revision_item(revisions, revision, &item) < 0)
                return -ENOMEM;
        struct listing listing = {table, revision->what, item.data, true};
        bool whole = revision->what == REVISION_CHANGED || revision->kind != REVISION_FILE;
        if (whole)
                return revision_attributes(revisions, revision, list_attribute, &listing);
        table_cell(table, signs[revision->what].color, "%s", signs[revision->what].sign);
        table_cell(table, signs[revision->what].color, "%s", item.data);
        table_row(table);
        return 0;
}

static int
print_group(
        struct cli *cli, const struct revisions *revisions, enum revision_kind kind, enum revision_what what)
{
        static const char *const titles[REVISION_KINDS] = {
                "SCOPE: WHAT IS WATCHED", "files", "settings", "waivers"};
        _cleanup_table_ struct table table = table_make(4);
        char number[WORDS_MAX];
        if (!revisions->counts[kind][what])
                return 0;
        print_colored(&cli->out, kind == REVISION_SCOPE ? COLOR_RED : COLOR_BOLD, "\n%s", titles[kind]);
        print(&cli->out, " %s: %s\n", revision_what_names[what],
                count_text(revisions->counts[kind][what], number));
        for (size_t i = 0; i < revisions->count; i++)
                if (revisions->list[i].kind == kind && revisions->list[i].what == what &&
                        list_revision(revisions, &revisions->list[i], &table) < 0)
                        return -ENOMEM;
        table_print(&table, &cli->out);
        return 0;
}

static int
print_revisions(struct cli *cli, const struct revisions *revisions)
{
        int r = 0;
        for (int kind = 0; kind < REVISION_KINDS && r == 0; kind++)
                for (int what = 0; what < REVISION_WHATS && r == 0; what++)
                        r = print_group(cli, revisions, (enum revision_kind)kind, (enum revision_what)what);
        if (!revisions->count)
                print(&cli->out, "\nIt changes nothing but its header.\n");
        return r;
}

/* ---- the command ---- */

/* Whether the file given as the parent is the one that the proposal names. */
static bool
parent_fits(const struct baseline *baseline, const struct baseline *parent)
{
        const struct baseline_header *header = baseline_header(baseline);
        return header->has_parent && digest_equal(&header->parent, baseline_id(parent));
}

static struct json *
review_document(const struct baseline *baseline, const struct revisions *revisions,
        const struct opinion *opinion, bool fits)
{
        const struct baseline_header *h = baseline_header(baseline);
        char id[DIGEST_HEX_SIZE], parent[DIGEST_HEX_SIZE], created[CLOCK_TEXT_MAX], expires[CLOCK_TEXT_MAX];
        struct json *changes = json_array_make();
        for (size_t i = 0; i < revisions->count && changes; i++)
                if (json_push(changes, revision_json(revisions, &revisions->list[i])) < 0)
                        changes = json_free(changes);
        digest_hex(baseline_id(baseline), id);
        digest_hex(&h->parent, parent);
        clock_format_seconds(h->created_ms, created);
        return json_make(
                "{s:s, s:s, s:s, s:I, s:s, s:s?, s:b, s:s, s:s?, s:s, s:s?, s:s, s:O, s:o, s:O, s:o}",
                "schema", "driftd.review/1", "name", h->name, "host", h->host, "generation",
                (json_int)h->generation, "id", id, "parent", h->has_parent ? parent : NULL, "parent_fits",
                fits, "created", created, "expires",
                h->expires_ms == INT64_MAX ? NULL : time_or_never(h->expires_ms, expires), "author",
                h->author, "ticket", h->ticket, "class", class_names[h->class], "approvals",
                opinion->approvals, "enough",
                opinion->judged ? json_make("b", opinion->enough) : json_null_new(), "signers",
                opinion->signers, "changes", changes);
}

struct review {
        struct signed_text text, parent;
        struct trust *trust;
        struct revisions revisions;
        struct opinion opinion;
        bool fits;
};

static void
review_done(struct review *review)
{
        revisions_done(&review->revisions);
        opinion_done(&review->opinion);
        signed_text_done(&review->text);
        signed_text_done(&review->parent);
        review->trust = trust_free(review->trust);
}

static int
review_read(struct cli *cli, struct review *review, struct err *err)
{
        const char *parent = args_value(&cli->args, "parent"), *trust = args_value(&cli->args, "trust");
        int r = signed_text_read(cli->args.words[0], &review->text, err);
        r = r || !parent ? r : signed_text_read(parent, &review->parent, err);
        r = r || !trust ? r : trust_read(trust, &review->trust, err);
        r = r ? r : opinion_make(&review->text, review->trust, &review->opinion, err);
        if (r)
                return r;
        const struct baseline_header *header = baseline_header(review->text.baseline);
        review->fits = review->parent.baseline ? parent_fits(review->text.baseline, review->parent.baseline)
                                               : !header->has_parent;
        if (revisions_make(review->parent.baseline, review->text.baseline, &review->revisions) < 0)
                return failed_oom(err);
        return 0;
}

static int
review_print(struct cli *cli, const struct review *review, struct err *err)
{
        const struct baseline_header *header = baseline_header(review->text.baseline);
        print_header(cli, review->text.baseline);
        opinion_print(cli, &review->opinion);
        if (!review->parent.baseline && header->has_parent)
                print_colored(&cli->out, COLOR_YELLOW,
                        "\nIts parent was not given: all is shown as new. (--parent FILE; driftctl baseline "
                        "export %s)\n",
                        header->name);
        else if (!review->parent.baseline)
                print(&cli->out, "\nThe first generation: all is new.\n");
        else if (!review->fits)
                print_colored(&cli->out, COLOR_RED,
                        "\nTHE FILE GIVEN AS PARENT IS NOT ITS PARENT: what follows is not what it "
                        "changes.\n");
        if (print_revisions(cli, &review->revisions) < 0)
                return failed_oom(err);
        if (!review->opinion.enough)
                cli_next(cli, "driftctl sign %s --key K", quote(cli->args.words[0]));
        return 0;
}

int
command_review(struct cli *cli, struct err *err)
{
        _cleanup_(review_done) struct review review = {0};
        int r = review_read(cli, &review, err);
        if (r)
                return r;
        r = cli->json ? cli_document(cli,
                                review_document(review.text.baseline, &review.revisions, &review.opinion,
                                        review.fits),
                                err)
                      : review_print(cli, &review, err);
        return r ? r : review.parent.baseline && !review.fits ? EXIT_UNTRUSTED : EXIT_CLEAN;
}
