/* SPDX-License-Identifier: MIT */
/*
 * What may be folded is a list of what dpkg vouches for, never a list of what it does not: it has the MD5 of
 * content and the fact that a path is its own, and knows nothing of modes, owners, links or capabilities. So
 * a change of content folds, and a new file does if there is nothing else about it that could do harm.
 */
#include "cli/fold.h"

#include <errno.h>
#include <string.h>

#include "cli/print.h"

/* ---- what is vouched for ---- */

static bool
is_one_of(const char *word, const char *const *words)
{
        while (word && *words && strcmp(word, *words) != 0)
                words++;
        return word && *words;
}

static const char *
attribute_side(const struct json *drift, const char *name, const char *side)
{
        json_each (json_member(drift, "attributes"), i, attribute) {
                const char *is = json_text(attribute, "name");
                if (is && strcmp(is, name) == 0)
                        return json_text(attribute, side);
        }
        return NULL;
}

static bool
only_content_changed(const struct json *drift)
{
        static const char *const vouched[] = {"content", "size", "mtime", "ctime", "inode", "nlink", NULL};
        bool content = false;
        json_each (json_member(drift, "attributes"), i, attribute) {
                const char *name = json_text(attribute, "name");
                if (!is_one_of(name, vouched))
                        return false;
                content = content || strcmp(name, "content") == 0;
        }
        return content;
}

/* root's own, for nobody else to write, without set-uid, set-gid, capabilities or flags. Absent: not looked
 * at. */
static bool
is_harmless(const struct json *drift)
{
        static const struct {
                const char *name;
                const char *const values[3];
        } rows[] = {{"uid", {"0"}}, {"gid", {"0"}}, {"xattrs", {"", "security.selinux"}}, {"flags", {""}}};
        const char *mode = attribute_side(drift, "mode", "actual");
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                const char *value = attribute_side(drift, rows[i].name, "actual");
                if (value && !is_one_of(value, rows[i].values))
                        return false;
        }
        return mode && (strtoul(mode, NULL, 8) & 07022) == 0;
}

static bool
is_foldable(const struct json *drift)
{
        const struct json *cause = json_member(drift, "cause");
        const char *kind = json_text(cause, "kind"), *digest = json_text(cause, "digest");
        const char *change = json_text(drift, "change"), *state = json_text(drift, "state");
        const char *type = attribute_side(drift, "type", "actual");
        bool agrees = digest && strcmp(digest, "agrees") == 0;
        if (!kind || strcmp(kind, "package") != 0 || !change || (state && strcmp(state, "open") != 0))
                return false;
        if (strcmp(change, "missing") == 0)
                return agrees;
        if (strcmp(change, "changed") == 0)
                return agrees && only_content_changed(drift);
        if (strcmp(change, "unexpected") != 0 || !type || !is_harmless(drift))
                return false;
        return strcmp(type, "file") == 0 ? agrees : strcmp(type, "dir") == 0; /* a folder has no content */
}

/* ---- folding ---- */

static bool
same_member(const struct json *a, const struct json *b, const char *name)
{
        const char *left = json_text(a, name), *right = json_text(b, name);
        return left && right ? strcmp(left, right) == 0 : left == right;
}

static bool
same_package(const struct json *a, const struct json *b)
{
        static const char *const members[] = {
                "package", "architecture", "version", "previous", "action", "transaction", "manager"};
        size_t i = 0;
        while (i < ARRAY_SIZE(members) && same_member(a, b, members[i]))
                i++;
        return i == ARRAY_SIZE(members);
}

static int
fold_find(struct folds *folds, const struct json *drift, size_t *ret)
{
        const struct json *cause = json_member(drift, "cause");
        for (*ret = folds->n; *ret > 0; (*ret)--) /* the last is the likely one */
                if (same_package(folds->list[*ret - 1].cause, cause))
                        return 0;
        struct fold *grown = reallocarray(folds->list, folds->n + 1, sizeof *grown);
        if (!grown)
                return -ENOMEM;
        folds->list = grown;
        folds->list[folds->n++] = (struct fold){.cause = cause, .first = drift};
        *ret = folds->n;
        return 0;
}

static unsigned
severity_rank(const char *severity)
{
        static const char *const words[] = {"low", "medium", "high"};
        unsigned rank = 0;
        for (unsigned i = 0; severity && i < ARRAY_SIZE(words); i++)
                if (strcmp(words[i], severity) == 0)
                        rank = i + 1;
        return rank;
}

static void
fold_take(struct fold *fold, const struct json *drift)
{
        const char *change = json_text(drift, "change"), *severity = json_text(drift, "severity");
        const char *side = strcmp(change, "missing") == 0 ? "expected" : "actual";
        const char *type = attribute_side(drift, "type", side);
        fold->count++;
        fold->changed += strcmp(change, "changed") == 0;
        fold->unexpected += strcmp(change, "unexpected") == 0;
        fold->missing += strcmp(change, "missing") == 0;
        fold->folders += type && strcmp(type, "dir") == 0;
        if (severity_rank(severity) > severity_rank(fold->severity))
                fold->severity = severity;
}

/* What is too small to be worth it is taken apart again; the rest moves up. */
static void
drop_small(struct folds *folds, size_t n_drifts)
{
        for (size_t i = 0; i < n_drifts; i++)
                if (folds->of[i] && folds->list[folds->of[i] - 1].count < FOLD_LEAST)
                        folds->of[i] = 0;
        for (size_t from = 0, to = 0, n = folds->n; from < n; from++) {
                if (folds->list[from].count < FOLD_LEAST) {
                        folds->n--;
                        continue;
                }
                for (size_t i = 0; i < n_drifts && from != to; i++)
                        folds->of[i] = folds->of[i] == from + 1 ? to + 1 : folds->of[i];
                folds->list[to++] = folds->list[from];
        }
}

int
folds_make(const struct json *drifts, struct folds *ret)
{
        size_t n = json_length(drifts), index;
        struct folds folds = {.of = calloc(n + 1, sizeof *folds.of)};
        if (!folds.of)
                return -ENOMEM;
        json_each (drifts, i, drift) {
                if (!is_foldable(drift))
                        continue;
                if (fold_find(&folds, drift, &index) < 0) {
                        folds_done(&folds);
                        return -ENOMEM;
                }
                folds.of[i] = index;
                fold_take(&folds.list[index - 1], drift);
        }
        drop_small(&folds, n);
        *ret = folds;
        return 0;
}

void
folds_done(struct folds *folds)
{
        free(folds->list);
        free(folds->of);
        *folds = (struct folds){0};
}

/* ---- words ---- */

int
cause_package_words(const struct json *cause, bool with_action, struct buf *ret)
{
        static const struct {
                const char *action, *words;
        } rows[] = {{"install", "installed"}, {"remove", "removed"}, {"configure", "configured"}};
        const char *package = json_text(cause, "package"), *version = json_text(cause, "version");
        const char *previous = json_text(cause, "previous"), *action = json_text(cause, "action");
        int r = buf_printf(ret, "%s", package ? package : "?");
        if (r == 0 && version && previous)
                return buf_printf(ret, " %s → %s", previous, version);
        if (r == 0 && (version || previous))
                r = buf_printf(ret, " %s", version ? version : previous);
        for (size_t i = 0; i < ARRAY_SIZE(rows) && r == 0 && with_action; i++)
                if (action && strcmp(rows[i].action, action) == 0)
                        r = buf_printf(ret, " %s", rows[i].words);
        return r;
}

static int
append_count(struct buf *ret, const char *before, size_t count, const char *one, const char *many)
{
        char number[WORDS_MAX];
        return count ? buf_printf(ret, "%s%s %s", before, count_text(count, number), count == 1 ? one : many)
                     : 0;
}

int
fold_words(const struct fold *fold, struct buf *ret)
{
        size_t files = fold->count - fold->folders;
        int r = append_count(ret, "", files, "file", "files");
        r = r ? r : append_count(ret, files ? " " : "", fold->folders, "folder", "folders");
        r = r ? r : buf_text(ret, ":");
        r = r ? r : append_count(ret, " ", fold->changed, "changed", "changed");
        r = r ? r : append_count(ret, " ", fold->unexpected, "unexpected", "unexpected");
        r = r ? r : append_count(ret, " ", fold->missing, "missing", "missing");
        return r ? r : buf_text(ret, " · dpkg's digests agree");
}
