/* SPDX-License-Identifier: MIT */
/*
 * driftctl bless: propose, choose, sign, apply. What is signed is put together here: the lines of the active
 * generation, and in their places the chosen lines of the proposal that was shown. It is never what the
 * daemon makes of a list of names: a folder's name would take in all that is below it, and a `*` in a file's
 * name more still.
 *
 * Between showing and signing the live state is asked for again; if a chosen line is no longer what was
 * shown, all is refused by name. So a signature stands under exactly what a person saw and what was there at
 * both ends of the looking.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "cli/apply.h"
#include "cli/ballot_screen.h"
#include "cli/cli.h"
#include "cli/package_group.h"
#include "cli/parent.h"
#include "cli/policy_proposal.h"
#include "cli/revision.h"
#include "cli/signing.h"
#include "cli/terminal.h"
#include "cli/transfer.h"
#include "cli/watched.h"
#include "cli/window_file.h"
#include "core/baseline_delta.h"
#include "core/clock.h"
#include "core/quote.h"

#define MOVED_NAMED_MAX 5u
#define ITEMS_BYTES_MAX ((size_t)512 << 10) /* of a second proposal's items in one frame */

struct blessing {
        struct cli *cli;
        struct text_list items; /* as asked for */
        struct proposal_wish wish;
        struct policy *policy;  /* NULL: the host's own baseline is blessed */
        struct expect_file set; /* empty: whatever is chosen */
        struct trust *trust;
        struct signing signing;
        struct signed_text parent; /* no baseline: the first generation */
        struct baseline *shown;
        struct revisions revisions;
        struct package_groups packages; /* of a first generation: none */
        bool *chosen;                   /* by revision */
        size_t n_chosen;
};

static void
blessing_done(struct blessing *b)
{
        free(b->chosen);
        package_groups_done(&b->packages);
        revisions_done(&b->revisions);
        b->shown = baseline_free(b->shown);
        signed_text_done(&b->parent);
        signing_done(&b->signing);
        b->trust = trust_free(b->trust);
        b->policy = policy_free(b->policy);
        text_list_done(&b->items);
        expect_file_done(&b->set);
}

/* ---- before anything is looked at ---- */

/* One approval must be enough, and must count: better said now than after the choosing. */
static int
check_rule(const struct blessing *b, struct err *err)
{
        struct trust_rule rule;
        const char *known = trust_approver_of(b->trust, &b->signing.key), *by = b->signing.by;
        bool urgent = b->wish.class && strcmp(b->wish.class, class_names[CLASS_URGENT]) == 0;
        if (!known || strcmp(known, by) != 0) {
                _cleanup_buf_ struct buf print = {0};
                ssh_key_append_fingerprint(&b->signing.key, &print);
                err_set(err, EXIT_FAILED, "the trust file does not list %s as a key of %s",
                        print.data ? print.data : "this", by);
                return err_hint(err, EXIT_FAILED,
                        "use a key that it lists, or have the trust file changed and signed");
        }
        if (trust_rule_for(b->trust, b->wish.name, &rule) < 0)
                return err_set(
                        err, EXIT_FAILED, "the trust file has no rule for the baseline %s", b->wish.name);
        unsigned needed = urgent && rule.urgent_threshold ? rule.urgent_threshold : rule.threshold;
        if (needed <= 1 && rule.author_counts)
                return 0;
        if (rule.author_counts)
                err_set(err, EXIT_FAILED, "%u people must approve a change of %s; bless makes one approval",
                        needed, b->wish.name);
        else
                err_set(err, EXIT_FAILED, "whoever proposes a change of %s may not approve it", b->wish.name);
        return err_hint(err, EXIT_FAILED,
                "driftctl propose -o FILE; then driftctl sign FILE by others; then driftctl apply FILE");
}

/* The items of a set become those that are looked at; what else they select is left out when choosing. */
static int
take_set(struct blessing *b, struct err *err)
{
        const char *path = args_value(&b->cli->args, "expect");
        if (!path)
                return 0;
        if (b->items.count || args_given(&b->cli->args, "policy"))
                return cli_usage(b->cli, err, "--expect names what is blessed: no items and no --policy");
        int r = expect_file_read(path, &b->set, err);
        size_t n = r ? 0 : expect_count(b->set.expect);
        for (size_t i = 0; i < n && n <= SERVICE_ITEMS_MAX && b->set.text.size <= ITEMS_BYTES_MAX && r == 0;
                i++) {
                const char *item = expect_at(b->set.expect, i)->item;
                r = text_list_add(&b->items, item, strlen(item)) < 0 ? failed_oom(err) : 0;
        }
        if (r == 0 && !n)
                return err_set(
                        err, EXIT_FAILED, "the expected change set is empty: there is nothing to bless");
        return r;
}

static int
blessing_prepare(struct blessing *b, struct err *err)
{
        struct cli *cli = b->cli;
        if (!args_given(&cli->args, "ticket")) {
                err_set(err, EXIT_FAILED, "--ticket is missing: which change is this?");
                return err_hint(err, EXIT_FAILED,
                        "the same with --ticket CHG-1, or whatever names it with you; driftctl help bless "
                        "tells all");
        }
        if (!args_given(&cli->args, "yes") && !terminal_is_there()) {
                err_set(err, EXIT_FAILED, "there is no terminal to choose on");
                return err_hint(err, EXIT_FAILED,
                        "--yes takes every change that the items select; look first: driftctl diff");
        }
        int r = cli_items(cli, 0, &b->items, err);
        r = r ? r : take_set(b, err);
        r = r ? r : proposal_wish_options(cli, &b->wish, err);
        r = r ? r : policy_option(cli, &b->items, &b->policy, err);
        r = r ? r : cli_client(cli, err);
        r = r ? r : trust_fetch(cli->client, &b->trust, err);
        r = r ? r : signing_open(cli, b->trust, &b->signing, err);
        b->wish.name = b->policy ? policy_name(b->policy) : "host";
        b->wish.items = &b->items;
        r = r ? r : check_rule(b, err);
        memcpy(b->wish.author, b->signing.by, sizeof b->wish.author);
        return r;
}

/* ---- what there is to choose ---- */

static int
fetch(const struct blessing *b, const struct proposal_wish *wish, struct baseline **ret, struct err *err)
{
        return b->policy ? policy_proposal(b->cli, b->policy, wish, ret, err)
                         : proposal_fetch(b->cli, wish, b->parent.baseline, ret, err);
}

static bool
follows_on(const struct baseline *child, const struct baseline *parent)
{
        const struct baseline_header *header = baseline_header(child);
        return header->has_parent && parent && digest_equal(&header->parent, baseline_id(parent));
}

/* What was shown follows on the generation that we have, or on another that is fetched now, or on none. */
static int
settle_parent(struct blessing *b, struct err *err)
{
        const struct baseline_header *header = baseline_header(b->shown);
        if (follows_on(b->shown, b->parent.baseline))
                return 0;
        signed_text_done(&b->parent);
        if (!header->has_parent)
                return 0;
        int r = signed_text_fetch(b->cli, header->name, header->generation - 1, &b->parent, err);
        if (r == 0 && !follows_on(b->shown, b->parent.baseline))
                return err_set(
                        err, EXIT_FAILED, "another generation was applied meanwhile: nothing was blessed");
        return r;
}

static int
propose_and_compare(struct blessing *b, struct err *err)
{
        int r = b->policy ? 0 : parent_fetch(b->cli, b->wish.name, &b->parent.baseline, err);
        r = r ? r : fetch(b, &b->wish, &b->shown, err);
        if (r == 0 && !b->set.expect) /* of a set, what is not watched is absent and not wrong */
                r = watched_check_proposal(&b->items, b->shown, err);
        if (r)
                return r;
        r = settle_parent(b, err);
        if (r)
                return r;
        if (revisions_make(b->parent.baseline, b->shown, &b->revisions) < 0)
                return failed_oom(err);
        b->chosen = calloc(b->revisions.count + 1, sizeof *b->chosen);
        if (!b->chosen)
                return failed_oom(err);
        return b->parent.baseline ? package_groups_fetch(b->cli, &b->items, b->wish.name, &b->packages, err)
                                  : 0;
}

/* The section of a revision: of a first generation its scope, later its package, or after all packages its
 * kind. */
static unsigned
section_of(const struct blessing *b, const struct revision *revision, const char *item)
{
        size_t n;
        const struct scope *scopes = baseline_scopes(b->shown, &n);
        if (b->parent.baseline) {
                size_t group = package_group_of(&b->packages, &b->revisions, revision, item);
                bool alone = group == b->packages.folds.n;
                return (unsigned)group + (alone ? (unsigned)revision->kind : 0);
        }
        if (revision->kind == REVISION_SCOPE)
                return (unsigned)revision->new_index;
        const struct scope *scope = scope_for_item(scopes, n, item);
        return scope ? (unsigned)(scope - scopes) : (unsigned)n;
}

static int
make_ballot(const struct blessing *b, struct ballot *ret, struct err *err)
{
        size_t n = b->revisions.count;
        struct ballot_entry *entries = calloc(n + 1, sizeof *entries);
        bool failed_item = !entries;
        for (size_t i = 0; i < n && !failed_item; i++) {
                _cleanup_buf_ struct buf item = {0};
                failed_item = revision_item(&b->revisions, &b->revisions.list[i], &item) < 0 ||
                              !(entries[i].item = buf_steal(&item));
                if (!failed_item) {
                        entries[i].section = section_of(b, &b->revisions.list[i], entries[i].item);
                        entries[i].heading = b->revisions.list[i].kind == REVISION_SCOPE;
                        entries[i].index = i;
                }
        }
        if (failed_item) {
                struct ballot half = {.entries = entries, .count = entries ? n : 0};
                ballot_done(&half);
                return failed_oom(err);
        }
        unsigned grouped = b->parent.baseline ? (unsigned)b->packages.folds.n : UINT_MAX;
        return ballot_make(entries, n, grouped, ret) < 0 ? failed_oom(err) : 0;
}

/* ---- words for the ballot ---- */

struct describing {
        struct buf *ret;
        bool whole;
};

static int
describe_attribute(void *userdata, const char *name, const char *before, const char *after)
{
        struct describing *d = userdata;
        /* Digests are for the detail; a mode says all in one line. */
        bool brief = !d->whole && (strlen(before ? before : "") > 16 || strlen(after ? after : "") > 16);
        if (d->whole)
                return buf_printf(d->ret, "      %-14s %s → %s\n", name, before ? before : "(none)",
                        after ? after : "(none)");
        int r = buf_text(d->ret, d->ret->size ? " " : "");
        if (r || brief || !before || !after)
                return r ? r : buf_text(d->ret, name);
        return buf_printf(d->ret, "%s %s → %s", name, before, after);
}

static int
describe(void *userdata, size_t index, struct buf *ret)
{
        const struct blessing *b = userdata;
        const struct revision *revision = &b->revisions.list[index];
        _cleanup_buf_ struct buf words = {0};
        struct describing describing = {&words, false};
        if (revision->what == REVISION_CHANGED &&
                revision_attributes(&b->revisions, revision, describe_attribute, &describing) < 0)
                return -ENOMEM;
        return buf_printf(ret, "%s%s%s", revision_what_names[revision->what], words.size ? "  " : "",
                words.size ? words.data : "");
}

static int
detail(void *userdata, size_t index, struct buf *ret)
{
        const struct blessing *b = userdata;
        struct describing describing = {ret, true};
        int r = buf_printf(ret, "      %s\n", revision_what_names[b->revisions.list[index].what]);
        return r ? r
                 : revision_attributes(
                           &b->revisions, &b->revisions.list[index], describe_attribute, &describing);
}

static int
package_names(const struct blessing *b, struct text_list *ret)
{
        for (size_t i = 0; i < b->packages.folds.n; i++) {
                _cleanup_buf_ struct buf name = {0};
                int r = buf_text(&name, "package ");
                r = r ? r : cause_package_words(b->packages.folds.list[i].cause, true, &name);
                r = r ? r : buf_text(&name, " · dpkg's digests agree");
                if (r < 0 || text_list_add(ret, name.data, name.size) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Names for the rows that are groups: packages, or the scopes of a first generation. To be freed with
 * text_list_done. */
static int
section_names(const struct blessing *b, struct text_list *ret)
{
        size_t n;
        const struct scope *scopes = baseline_scopes(b->shown, &n);
        if (b->parent.baseline)
                return package_names(b, ret);
        for (size_t i = 0; i < n; i++) {
                _cleanup_buf_ struct buf name = {0};
                int r = buf_printf(
                        &name, "scope %s %s ", scope_domain_names[scopes[i].domain], scopes[i].name);
                for (size_t j = 0; j < scopes[i].paths.count && r == 0; j++)
                        r = buf_printf(&name, " %s", scopes[i].paths.items[j]);
                if (r < 0 || text_list_add(ret, name.data, name.size) < 0)
                        return -ENOMEM;
        }
        return text_list_add(ret, "other", 5);
}

/* ---- choosing by a set ---- */

/* Exactly what the set says, and nothing else that its items may select. *ret_against: the set names it, and
 * says something else. */
static int
choose_one(struct blessing *b, size_t index, const char *item, bool *ret_against)
{
        const struct revision *revision = &b->revisions.list[index];
        bool thing = revision->kind == REVISION_FILE || revision->kind == REVISION_SETTING;
        const struct expected *expected = thing ? expect_find(b->set.expect, item) : NULL;
        int r = expected ? expected_is_baseline(expected, b->shown) : 0;
        b->chosen[index] = r > 0;
        b->n_chosen += r > 0;
        *ret_against = expected && r == 0;
        return r < 0 ? r : 0;
}

static int
refuse_against(const struct buf *names, size_t count, struct err *err)
{
        err_set(err, EXIT_FAILED, "%zu items are not what the expected change set says: %.800s%s", count,
                names->data, count > MOVED_NAMED_MAX ? ", ..." : "");
        return err_hint(err, EXIT_FAILED,
                "nothing was blessed: driftctl diff --expect FILE; put them right, or bless them by name");
}

static int
choose_expected(struct blessing *b, struct err *err)
{
        struct cli *cli = b->cli;
        _cleanup_buf_ struct buf names = {0};
        size_t against = 0;
        if (!b->parent.baseline)
                return err_set(err, EXIT_FAILED, "a first generation is blessed as a whole, not by a set");
        for (size_t i = 0; i < b->revisions.count; i++) {
                _cleanup_buf_ struct buf item = {0};
                bool differs = false;
                if (revision_item(&b->revisions, &b->revisions.list[i], &item) < 0 ||
                        choose_one(b, i, item.data, &differs) < 0)
                        return failed_oom(err);
                if (b->chosen[i] && !cli->quiet && !cli->json)
                        print(&cli->errors, "  %-8s %s\n", revision_what_names[b->revisions.list[i].what],
                                item.data);
                if (differs && against++ < MOVED_NAMED_MAX)
                        buf_printf(&names, "%s%s", names.size ? ", " : "", item.data);
        }
        if (against)
                return refuse_against(&names, against, err);
        if (!b->n_chosen) {
                err_set(err, EXIT_FAILED, "nothing that changed is in the expected change set");
                return err_hint(
                        err, EXIT_FAILED, "driftctl diff --expect FILE tells what is, and what is not");
        }
        if (args_given(&cli->args, "yes") || terminal_confirm("Bless these?"))
                return 0;
        return err_set(err, EXIT_FAILED, "nothing was blessed");
}

static int
choose(struct blessing *b, struct err *err)
{
        if (b->set.expect)
                return choose_expected(b, err);
        _cleanup_ballot_ struct ballot ballot = {0};
        _cleanup_(text_list_done) struct text_list sections = {0};
        int r = b->revisions.count ? make_ballot(b, &ballot, err) : 0; /* none: only the header is renewed */
        if (r || !b->revisions.count)
                return r;
        if (section_names(b, &sections) < 0)
                return failed_oom(err);
        struct ballot_screen screen = {
                b->cli, &ballot, (const char *const *)sections.items, describe, detail, b};
        if (args_given(&b->cli->args, "yes")) {
                ballot_choose(&ballot, true);
                if (!b->cli->quiet && !b->cli->json)
                        ballot_show(&screen);
        } else {
                r = ballot_run(&screen, err);
        }
        for (size_t i = 0; i < ballot.count && r == 0; i++)
                b->chosen[ballot.entries[i].index] = ballot.entries[i].chosen;
        b->n_chosen = ballot_chosen(&ballot, 0, ballot.count);
        if (r || b->n_chosen)
                return r;
        err_set(err, EXIT_FAILED, "nothing was chosen, so nothing was blessed");
        return err_hint(
                err, EXIT_FAILED, "each change is unchecked until you choose it: its number, or a for all");
}

/* ---- what is signed ---- */

/* Whether a first generation is chosen as a whole: then it is opened already. */
static bool
is_text_of(const struct baseline *baseline, const struct buf *text)
{
        size_t n;
        const struct iovec *pieces = baseline_text(baseline, &n);
        return n == 1 && pieces->iov_len == text->size &&
               memcmp(pieces->iov_base, text->data, text->size) == 0;
}

static int
open_composed(const struct blessing *b, const struct baseline *header_of, struct buf *text,
        struct baseline **ret, struct err *why)
{
        size_t size = text->size;
        if (b->parent.baseline)
                return delta_open(b->parent.baseline, text->data, size, ret, why);
        if (is_text_of(header_of, text)) {
                *ret = baseline_keep(header_of);
                return 0;
        }
        char *bytes = buf_steal(text);
        return bytes ? baseline_open_after(header_of, bytes, size, NULL, ret, why) : err_oom(why);
}

static int
compose(const struct blessing *b, const struct baseline *header_of, struct baseline **ret, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        const struct baseline_header *header = baseline_header(header_of);
        struct err why = {0};
        int r = b->parent.baseline ? revisions_compose_delta(&b->revisions, b->chosen, header, &text)
                                   : revisions_compose(&b->revisions, b->chosen, header, &text);
        if (r < 0)
                return failed_oom(err);
        if (open_composed(b, header_of, &text, ret, &why) == 0)
                return 0;
        err_set(err, EXIT_FAILED, "what was chosen does not hold together: %.700s", why.text);
        return err_hint(err, EXIT_FAILED,
                "a change of scope goes with the items that it brings or drops: choose both or neither");
}

/* Only what was chosen, if that can be said in one call; else as it was asked the first time. */
static int
second_items(const struct blessing *b, struct text_list *ret, struct err *err)
{
        size_t bytes = 0;
        bool all = b->n_chosen == b->revisions.count || b->n_chosen > SERVICE_ITEMS_MAX;
        for (size_t i = 0; i < b->revisions.count && !all; i++) {
                _cleanup_buf_ struct buf item = {0};
                if (!b->chosen[i])
                        continue;
                enum revision_kind kind = b->revisions.list[i].kind;
                if (b->policy || (kind != REVISION_FILE && kind != REVISION_SETTING)) {
                        all = true;
                        break;
                }
                if (revision_item(&b->revisions, &b->revisions.list[i], &item) < 0 ||
                        text_list_add(ret, item.data, item.size) < 0)
                        return failed_oom(err);
                bytes += item.size;
                all = bytes > ITEMS_BYTES_MAX;
        }
        if (!all)
                return 0;
        text_list_done(ret);
        *ret = (struct text_list){0};
        for (size_t i = 0; i < b->items.count; i++)
                if (text_list_add(ret, b->items.items[i], strlen(b->items.items[i])) < 0)
                        return failed_oom(err);
        return 0;
}

static bool
same_place(const struct baseline *a, const struct baseline *b)
{
        const struct baseline_header *left = baseline_header(a), *right = baseline_header(b);
        return left->generation == right->generation && left->has_parent == right->has_parent &&
               (!left->has_parent || digest_equal(&left->parent, &right->parent));
}

static int
check_unmoved(const struct blessing *b, const struct baseline *again, struct err *err)
{
        _cleanup_buf_ struct buf names = {0};
        size_t moved = 0;
        if (!same_place(b->shown, again))
                return err_set(
                        err, EXIT_FAILED, "another generation was applied meanwhile: nothing was blessed");
        for (size_t i = 0; i < b->revisions.count; i++) {
                bool holds = true;
                if (b->chosen[i] && revision_holds(&b->revisions, &b->revisions.list[i], again, &holds) < 0)
                        return failed_oom(err);
                if (holds || moved++ >= MOVED_NAMED_MAX)
                        continue;
                buf_text(&names, names.size ? ", " : "");
                revision_item(&b->revisions, &b->revisions.list[i], &names);
        }
        if (!moved)
                return 0;
        err_set(err, EXIT_FAILED, "%zu of the chosen changes moved after they were shown: %.800s%s", moved,
                names.data, moved > MOVED_NAMED_MAX ? ", ..." : "");
        return err_hint(err, EXIT_FAILED,
                "nothing was blessed: look again (driftctl diff), and bless what is there now");
}

static int
look_again(struct blessing *b, struct baseline **ret, struct err *err)
{
        _cleanup_(text_list_done) struct text_list items = {0};
        int r = second_items(b, &items, err);
        if (r)
                return r;
        struct proposal_wish wish = b->wish;
        wish.items = &items;
        r = fetch(b, &wish, ret, err);
        return r ? r : check_unmoved(b, *ret, err);
}

static int
sign_and_apply(struct blessing *b, struct baseline *final, struct err *err)
{
        _cleanup_signed_ struct signed_text text = {.baseline = final};
        struct approval_subject subject = subject_of(final);
        bool on_host = signing_is_on_host(&b->signing, &subject, 1);
        if (on_host)
                cli_warn(b->cli, "the key is read on the host that it approves for (key-on-host yes): root "
                                 "here could use it too");
        int r = signing_unlock(&b->signing, err);
        r = r ? r : signing_approve(&b->signing, &subject, 1, on_host, &text.approvals, err);
        return r ? r
                 : apply_signed(b->cli, &text, b->parent.baseline, "driftd.bless/1", (json_int)b->n_chosen,
                           true, err); /* it has just looked */
}

static bool
has_expired(const struct baseline *b)
{
        return baseline_header(b)->expires_ms <= clock_now_ms();
}

/* What waits for the next signed apply is confirmed by a bless, even by one that changes nothing. */
static int
look_for_unconfirmed(struct blessing *b, bool *ret, struct err *err)
{
        static const char *const kinds[] = {"rebuilt", "adopted", "clock_jump"};
        _cleanup_json_ struct json *reply = NULL;
        *ret = false;
        if (b->items.count || !b->parent.baseline || has_expired(b->parent.baseline))
                return 0;
        int r = cli_call(b->cli, "GetStatus", json_make("{}"), &reply, err);
        json_each (json_member(json_member(reply, "status"), "problems"), i, problem) {
                const char *kind = json_text(problem, "kind");
                for (size_t j = 0; kind && j < ARRAY_SIZE(kinds); j++)
                        *ret = *ret || strcmp(kind, kinds[j]) == 0;
        }
        return r;
}

/* An expired baseline is not renewed by a bless that changes nothing: an end is somebody's decision. */
static int
nothing_to_bless(const struct blessing *b, struct err *err)
{
        struct cli *cli = b->cli;
        if (b->parent.baseline && has_expired(b->parent.baseline)) {
                err_set(err, EXIT_FAILED, "nothing changed, but %s@%" PRIu64 " has expired", b->wish.name,
                        baseline_header(b->parent.baseline)->generation);
                return err_hint(err, EXIT_FAILED, "renew it: --expires +90d, or another time to come");
        }
        if (cli->json)
                return cli_document(
                        cli, json_make("{s:s, s:i}", "schema", "driftd.bless/1", "changes", 0), err);
        print(&cli->out, "Nothing to bless: all that was looked at is as expected.\n");
        return EXIT_CLEAN;
}

int
command_bless(struct cli *cli, struct err *err)
{
        _cleanup_(blessing_done) struct blessing b = {.cli = cli};
        struct baseline *rehearsal = NULL, *again = NULL, *final = NULL;
        int r = blessing_prepare(&b, err);
        r = r ? r : propose_and_compare(&b, err);
        bool renews = b.revisions.count || args_given(&cli->args, "expires");
        if (r == 0 && b.set.expect)
                renews = true; /* or choosing says why there is nothing */
        if (r == 0 && !renews)
                r = look_for_unconfirmed(&b, &renews, err);
        if (r == 0 && !renews)
                return nothing_to_bless(&b, err);
        r = r ? r : choose(&b, err);
        if (r == 0 && b.n_chosen < b.revisions.count) /* all of it is what was shown, which holds together */
                r = compose(&b, b.shown, &rehearsal, err);
        baseline_free(rehearsal);
        r = r ? r : look_again(&b, &again, err);
        r = r ? r : compose(&b, again, &final, err);
        baseline_free(again);
        return r ? r : sign_and_apply(&b, final, err);
}
