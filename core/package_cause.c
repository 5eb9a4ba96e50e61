/* SPDX-License-Identifier: MIT */
/*
 * From transactions to causes. Three questions are asked of a drift, each able to say no: does a package own
 * the path (or did it, if the file is gone), did a transaction touch that package, and did the inode last
 * change while that transaction ran. Then the file is read once, for SHA-256 and MD5 together: only if the
 * first is what the drift observed does the second say anything of it.
 *
 * A question is answered from a state of the database in which nobody wrote: if a lock or the log says
 * otherwise afterwards, all is thrown away and asked again.
 */
#include "core/package_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/crypto.h"
#include "core/escape.h"
#include "core/folder.h"

#define STAMP_MS 20 /* file systems stamp with a clock of their own, a few ms behind */

static void
examining_done(struct examining *e)
{
        fd_close(e->root_fd);
        paths_done(&e->paths);
        owners_done(&e->owners);
        free(e->touched);
        free(e->matches);
        free(e->sums.list);
        md5er_free(e->md5er);
}

/* ---- what transactions touched ---- */

static int
map_touched(struct examining *e)
{
        struct package_root *root = e->root;
        size_t n = e->owners.names.count;
        e->touched = calloc(root->n_transactions * n + 1, sizeof *e->touched);
        if (!e->touched)
                return -ENOMEM;
        for (size_t t = 0; t < root->n_transactions; t++)
                for (size_t c = 0; c < root->transactions[t].n_changes; c++)
                        for (size_t p = 0; p < n; p++)
                                if (dpkg_same_package(
                                            e->owners.names.items[p], root->transactions[t].changes[c].name))
                                        e->touched[t * n + p] = (uint32_t)c + 1;
        return 0;
}

static uint32_t
change_number(const struct transaction *transaction, const char *package)
{
        for (size_t c = 0; c < transaction->n_changes; c++)
                if (dpkg_same_package(package, transaction->changes[c].name))
                        return (uint32_t)c + 1;
        return 0;
}

/* What its packages owned when last looked, and nobody owns now. */
static int
find_gone(struct examining *e, struct transaction *transaction)
{
        const struct owners *before = &e->root->owners;
        _cleanup_free_ uint32_t *changes = calloc(before->names.count + 1, sizeof *changes);
        if (!changes)
                return -ENOMEM;
        for (size_t p = 0; p < before->names.count; p++)
                changes[p] = change_number(transaction, before->names.items[p]);
        for (size_t i = 0; i < before->n; i++) {
                const struct owner *owner = &before->list[i];
                size_t at = changes[owner->package] ? owners_find(&e->owners, owner->key) : 0;
                if (!changes[owner->package] || (at < e->owners.n && e->owners.list[at].key == owner->key))
                        continue;
                void *grown =
                        reallocarray(transaction->gone, transaction->n_gone + 1, sizeof *transaction->gone);
                if (!grown)
                        return -ENOMEM;
                transaction->gone = grown;
                transaction->gone[transaction->n_gone++] =
                        (struct gone){owner->key, changes[owner->package] - 1};
        }
        return 0;
}

/* ---- which transaction a drift belongs to ---- */

/* As dpkg names it: below the root. NULL: not below it, or out of memory. */
static char *
path_in_root(const struct package_root *root, const char *path)
{
        size_t size = strlen(root->prefix);
        return strncmp(path, root->prefix, size) == 0 && path[size] == '/' ? strdup(path + size) : NULL;
}

static void
match_add(struct examining *e, const struct match *match)
{
        e->matches[e->n_matches++] = *match; /* one a drift at most: there is room */
}

static int
compare_gone(const void *left, const void *right)
{
        const struct gone *a = left, *b = right;
        return (a->key > b->key) - (a->key < b->key);
}

static void
match_gone(struct examining *e, size_t index, path_key key)
{
        const struct package_drift *drift = &e->question->drifts[index];
        for (size_t t = e->root->n_transactions; t-- > 0;) {
                struct transaction *transaction = &e->root->transactions[t];
                const struct gone wanted = {.key = key}, *found = NULL;
                if (transaction->n_gone && drift->last_change_ms >= transaction->since_ms)
                        found = bsearch(
                                &wanted, transaction->gone, transaction->n_gone, sizeof wanted, compare_gone);
                if (found) {
                        struct match match = {
                                index, transaction, &transaction->changes[found->change], 0, key, true};
                        match_add(e, &match);
                        return;
                }
        }
}

/* Looked at without being opened. 0: it is not there, or cannot be told. */
static int64_t
changed_ms(const char *path)
{
        const char *name;
        struct statx stx;
        _cleanup_fd_ int parent = folder_open_parent("", path, &name, NULL);
        if (parent < 0 || entry_stat(parent, name, &stx) < 0)
                return 0;
        return stx.stx_ctime.tv_sec * INT64_C(1000) + stx.stx_ctime.tv_nsec / 1000000;
}

static bool
ran_at(const struct transaction *transaction, int64_t time_ms)
{
        return time_ms >= transaction->since_ms - STAMP_MS && time_ms <= transaction->until_ms;
}

static void
match_present(struct examining *e, size_t index, path_key key, const char *path)
{
        size_t names = e->owners.names.count, first = owners_find(&e->owners, key);
        int64_t time_ms = 0;
        for (size_t t = e->root->n_transactions; t-- > 0;)
                for (size_t i = first; i < e->owners.n && e->owners.list[i].key == key; i++) {
                        struct transaction *transaction = &e->root->transactions[t];
                        uint32_t change = e->touched[t * names + e->owners.list[i].package];
                        if (!change)
                                continue;
                        time_ms = time_ms ? time_ms : changed_ms(path);
                        if (!ran_at(transaction, time_ms))
                                continue;
                        struct match match = {index, transaction, &transaction->changes[change - 1],
                                e->owners.list[i].package, key, false};
                        match_add(e, &match);
                        return;
                }
}

static int
match_drifts(struct examining *e)
{
        e->matches = calloc(e->question->n_drifts + 1, sizeof *e->matches);
        if (!e->matches)
                return -ENOMEM;
        for (size_t i = 0; i < e->question->n_drifts; i++) {
                const struct package_drift *drift = &e->question->drifts[i];
                _cleanup_free_ char *path = NULL;
                if (atomic_load(e->question->cancel))
                        return -ECANCELED;
                if (strncmp(drift->item, "file:/", 6) != 0 || drift->change == CHANGE_UNKNOWN)
                        continue;
                int r = unescape_new(drift->item + 5, &path);
                if (r == -ENOMEM)
                        return r;
                _cleanup_free_ char *inside = r == 0 ? path_in_root(e->root, path) : NULL;
                if (!inside)
                        continue;
                if (drift->change == CHANGE_MISSING)
                        match_gone(e, i, path_key_of(inside));
                else
                        match_present(e, i, path_key_of(inside), path);
        }
        return 0;
}

/* ---- whether it agrees ---- */

static int
ask_digest(struct examining *e, const struct match *match, enum agreement *ret)
{
        const struct package_drift *drift = &e->question->drifts[match->drift];
        const struct sum *sum = match->gone ? NULL : sum_find(e, match);
        _cleanup_snapshot_ struct snapshot snapshot = {0};
        _cleanup_free_ char *path = NULL;
        *ret = match->gone ? AGREEMENT_AGREES : AGREEMENT_UNKNOWN;
        if (!sum || !drift->has_content || !e->md5er)
                return 0;
        int r = unescape_new(drift->item + 5, &path);
        if (r < 0)
                return r;
        struct snapshot_wish wish = {
                .content = true,
                .prefix = UINT64_MAX,
                .md5er = e->md5er,
                .own = e->question->own,
                .n_own = e->question->n_own,
                .cancel = e->question->cancel,
        };
        r = snapshot_path("", path, &wish, &snapshot, NULL);
        if (r != 0)
                return r < 0 ? r : 0; /* it is gone again, or moves: nothing is known of it */
        if (!(snapshot.attributes.known & ATTRIBUTE_BIT(ATTRIBUTE_CONTENT)) ||
                !digest_equal(&snapshot.attributes.content, &drift->content))
                return 0;
        *ret = crypto_equal(snapshot.md5, sum->md5.bytes, MD5_SIZE) ? AGREEMENT_AGREES : AGREEMENT_DIFFERS;
        return 0;
}

/* ---- the answers ---- */

/* A path that two baselines expect has two drifts, and is one file. */
static bool
is_counted(const struct package_drift *drifts, size_t index)
{
        return index && drifts[index - 1].cause && strcmp(drifts[index - 1].item, drifts[index].item) == 0;
}

static int
answer(struct examining *e)
{
        for (size_t i = 0; i < e->n_matches; i++) {
                const struct match *match = &e->matches[i];
                enum agreement agreement;
                int r = ask_digest(e, match, &agreement);
                if (r < 0)
                        return r;
                e->question->drifts[match->drift].cause = cause_write(match, agreement);
                if (!e->question->drifts[match->drift].cause)
                        return -ENOMEM;
                if (is_counted(e->question->drifts, match->drift))
                        continue;
                match->change->files++;
                match->change->agrees += agreement == AGREEMENT_AGREES;
                match->change->differs += agreement == AGREEMENT_DIFFERS;
                match->change->unknown += agreement == AGREEMENT_UNKNOWN;
        }
        return 0;
}

/* ---- one examination ---- */

static int
examine(struct examining *e, size_t n_before)
{
        struct package_root *root = e->root;
        int r = paths_load(e->root_fd, &e->paths);
        r = r ? r : owners_load(e->root_fd, &e->paths, e->question->cancel, &e->owners);
        for (size_t t = n_before; t < root->n_transactions && r == 0 && root->owners_known; t++)
                r = find_gone(e, &root->transactions[t]);
        r = r ? r : map_touched(e);
        r = r ? r : match_drifts(e);
        r = r ? r : sums_load(e);
        return r ? r : answer(e);
}

/* As if nothing had been asked. */
static void
take_back(struct package_root *root, const struct package_question *question, size_t n_before)
{
        while (root->n_transactions > n_before)
                transaction_done(&root->transactions[--root->n_transactions]);
        for (size_t i = 0; i < question->n_drifts; i++) {
                free(question->drifts[i].cause);
                question->drifts[i].cause = NULL;
        }
}

int
package_examine(struct package_root *root, const struct package_question *question, struct json **ret_records)
{
        _cleanup_(examining_done) struct examining e = {
                .root = root, .question = question, .root_fd = root_open(root), .md5er = md5er_new()};
        struct package_root before = *root; /* its numbers */
        if (e.root_fd < 0)
                return PACKAGE_ABSENT;
        if (root_is_busy(root, e.root_fd))
                return PACKAGE_BUSY;
        size_t taken = 0;
        int r = log_take(root, e.root_fd, &taken);
        size_t n_before = root->n_transactions - taken;
        r = r ? r : examine(&e, n_before);
        bool moved =
                root_is_busy(root, e.root_fd) || !root_log_is(e.root_fd, root->log_inode, root->log_size);
        if (r == 0 && !moved)
                r = transactions_record(root, ret_records);
        if (r || moved) {
                take_back(root, question, n_before);
                root->log_inode = before.log_inode;
                root->log_size = before.log_size;
                root->mark_ms = before.mark_ms;
                return r == -ENOMEM || r == -ECANCELED ? r : r ? PACKAGE_ABSENT : PACKAGE_BUSY;
        }
        owners_done(&root->owners);
        root->owners = e.owners;
        e.owners = (struct owners){0};
        root->owners_known = true;
        return 0;
}

struct package_drift *
package_drifts_free(struct package_drift *drifts, size_t n)
{
        for (size_t i = 0; drifts && i < n; i++) {
                free(drifts[i].baseline);
                free(drifts[i].item);
                free(drifts[i].cause);
        }
        free(drifts);
        return NULL;
}
