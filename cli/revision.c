/* SPDX-License-Identifier: MIT */
/*
 * The difference of two baselines. Both sides of each kind are sorted by what they are about, so one merge
 * finds everything; two entries are the same if their lines are, byte for byte, and only lines that differ
 * are taken apart. A table of four kinds says how an entry is counted, keyed and written; the merge knows
 * nothing else.
 *
 * Owns the list; the baselines are borrowed and must outlive it.
 */
#include "cli/revision.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/baseline_delta.h"
#include "core/clock.h"

const char *const revision_kind_names[REVISION_KINDS] = {"scope", "file", "setting", "waiver"};
const char *const revision_what_names[REVISION_WHATS] = {"added", "removed", "changed"};

/* ---- the kinds ---- */

static size_t
scope_count(const struct baseline *baseline)
{
        size_t n;
        baseline_scopes(baseline, &n);
        return n;
}

static int
scope_line(const struct baseline *baseline, size_t index, struct buf *ret)
{
        size_t n;
        int r = scope_append(&baseline_scopes(baseline, &n)[index], ret);
        if (r == 0 && ret->size)
                ret->data[--ret->size] = '\0';
        return r;
}

static int
scope_key(const struct baseline *baseline, size_t index, struct buf *ret)
{
        size_t n;
        const struct scope *scope = &baseline_scopes(baseline, &n)[index];
        return buf_printf(ret, "scope %s %s", scope_domain_names[scope->domain], scope->name);
}

static int
file_key(const struct baseline *baseline, size_t index, struct buf *ret)
{
        size_t size;
        const char *path = baseline_file_path(baseline, index, &size);
        int r = buf_text(ret, "file:");
        return r ? r : buf_append(ret, path, size);
}

/* The line as it stands in the text, without copying. */
static const char *
file_line_borrowed(const struct baseline *baseline, size_t index, size_t *ret_size)
{
        const char *line = baseline_file_line(baseline, index, ret_size);
        *ret_size += strlen("file ");
        return line - strlen("file ");
}

static int
file_line(const struct baseline *baseline, size_t index, struct buf *ret)
{
        size_t size;
        const char *line = file_line_borrowed(baseline, index, &size);
        return buf_append(ret, line, size);
}

static size_t
setting_count(const struct baseline *baseline)
{
        size_t n;
        baseline_settings(baseline, &n);
        return n;
}

static int
setting_key(const struct baseline *baseline, size_t index, struct buf *ret)
{
        size_t n;
        return buf_text(ret, baseline_settings(baseline, &n)[index].item);
}

static int
setting_line(const struct baseline *baseline, size_t index, struct buf *ret)
{
        size_t n;
        int r = setting_append(&baseline_settings(baseline, &n)[index], ret);
        if (r == 0 && ret->size)
                ret->data[--ret->size] = '\0';
        return r;
}

static size_t
waiver_count(const struct baseline *baseline)
{
        size_t n;
        baseline_waivers(baseline, &n);
        return n;
}

static int
waiver_key(const struct baseline *baseline, size_t index, struct buf *ret)
{
        size_t n;
        const struct waiver *waiver = &baseline_waivers(baseline, &n)[index];
        return buf_printf(ret, "waiver %s %s", waiver->baseline, waiver->item);
}

static int
waiver_line(const struct baseline *baseline, size_t index, struct buf *ret)
{
        size_t n;
        int r = baseline_waiver_append(&baseline_waivers(baseline, &n)[index], ret);
        if (r == 0 && ret->size)
                ret->data[--ret->size] = '\0';
        return r;
}

static const struct {
        size_t (*count)(const struct baseline *baseline);
        int (*key)(const struct baseline *baseline, size_t index, struct buf *ret);
        int (*line)(const struct baseline *baseline, size_t index, struct buf *ret);
} kinds[REVISION_KINDS] = {
        [REVISION_SCOPE] = {scope_count, scope_key, scope_line},
        [REVISION_FILE] = {baseline_files, file_key, file_line},
        [REVISION_SETTING] = {setting_count, setting_key, setting_line},
        [REVISION_WAIVER] = {waiver_count, waiver_key, waiver_line},
};

/* ---- the merge ---- */

static int
compare_bytes(const void *a, size_t a_size, const void *b, size_t b_size)
{
        int order = memcmp(a, b, min_size(a_size, b_size));
        return order ? order : (a_size > b_size) - (a_size < b_size);
}

static int
compare_files(const struct revisions *r, size_t old_index, size_t new_index)
{
        size_t a_size, b_size;
        const char *a = baseline_file_path(r->before, old_index, &a_size);
        const char *b = baseline_file_path(r->after, new_index, &b_size);
        return compare_bytes(a, a_size, b, b_size);
}

struct merge {
        struct revisions *revisions;
        enum revision_kind kind;
        struct buf left, right; /* scratch */
};

/* Order of two entries by their keys, in *ret. */
static int
merge_compare(struct merge *merge, size_t old_index, size_t new_index, int *ret)
{
        const struct revisions *r = merge->revisions;
        if (merge->kind == REVISION_FILE) { /* by the hundred thousand: no copies */
                *ret = compare_files(r, old_index, new_index);
                return 0;
        }
        buf_clear(&merge->left);
        buf_clear(&merge->right);
        if (kinds[merge->kind].key(r->before, old_index, &merge->left) < 0 ||
                kinds[merge->kind].key(r->after, new_index, &merge->right) < 0)
                return -ENOMEM;
        *ret = compare_bytes(merge->left.data, merge->left.size, merge->right.data, merge->right.size);
        return 0;
}

static int
merge_same(struct merge *merge, size_t old_index, size_t new_index, bool *ret)
{
        const struct revisions *r = merge->revisions;
        if (merge->kind == REVISION_FILE) {
                size_t a_size, b_size;
                const char *a = file_line_borrowed(r->before, old_index, &a_size);
                const char *b = file_line_borrowed(r->after, new_index, &b_size);
                *ret = compare_bytes(a, a_size, b, b_size) == 0;
                return 0;
        }
        buf_clear(&merge->left);
        buf_clear(&merge->right);
        if (kinds[merge->kind].line(r->before, old_index, &merge->left) < 0 ||
                kinds[merge->kind].line(r->after, new_index, &merge->right) < 0)
                return -ENOMEM;
        *ret = compare_bytes(merge->left.data, merge->left.size, merge->right.data, merge->right.size) == 0;
        return 0;
}

static int
merge_add(struct merge *merge, enum revision_what what, size_t old_index, size_t new_index)
{
        struct revisions *r = merge->revisions;
        if ((r->count & (r->count - 1)) == 0) {
                struct revision *grown = reallocarray(r->list, r->count ? 2 * r->count : 1, sizeof *r->list);
                if (!grown)
                        return -ENOMEM;
                r->list = grown;
        }
        r->list[r->count++] = (struct revision){merge->kind, what, old_index, new_index};
        r->counts[merge->kind][what]++;
        return 0;
}

static int
merge_kind(struct merge *merge)
{
        const struct revisions *r = merge->revisions;
        size_t n_old = r->before ? kinds[merge->kind].count(r->before) : 0;
        size_t n_new = kinds[merge->kind].count(r->after), i = 0, j = 0;
        int result = 0;
        while (result == 0 && (i < n_old || j < n_new)) {
                size_t run = merge->kind == REVISION_FILE && r->before
                                     ? baseline_files_same(r->before, i, r->after, j)
                                     : 0;
                if (run) { /* by the hundred thousand: not one by one */
                        i += run;
                        j += run;
                        continue;
                }
                int order = i == n_old ? 1 : -1;
                if (i < n_old && j < n_new)
                        result = merge_compare(merge, i, j, &order);
                if (result < 0)
                        break;
                if (order < 0) {
                        result = merge_add(merge, REVISION_REMOVED, i++, 0);
                } else if (order > 0) {
                        result = merge_add(merge, REVISION_ADDED, 0, j++);
                } else {
                        bool same;
                        result = merge_same(merge, i, j, &same);
                        if (result == 0 && !same)
                                result = merge_add(merge, REVISION_CHANGED, i, j);
                        i++;
                        j++;
                }
        }
        return result;
}

int
revisions_make(const struct baseline *before, const struct baseline *after, struct revisions *ret)
{
        struct revisions revisions = {.before = before, .after = after};
        struct merge merge = {.revisions = &revisions};
        int r = 0;
        for (int kind = 0; kind < REVISION_KINDS && r == 0; kind++) {
                merge.kind = (enum revision_kind)kind;
                r = merge_kind(&merge);
        }
        buf_done(&merge.left);
        buf_done(&merge.right);
        if (r < 0)
                revisions_done(&revisions);
        else
                *ret = revisions;
        return r;
}

void
revisions_done(struct revisions *revisions)
{
        free(revisions->list);
        *revisions = (struct revisions){0};
}

/* ---- asking ---- */

int
revision_item(const struct revisions *revisions, const struct revision *revision, struct buf *ret)
{
        bool removed = revision->what == REVISION_REMOVED;
        return kinds[revision->kind].key(removed ? revisions->before : revisions->after,
                removed ? revision->old_index : revision->new_index, ret);
}

int
revision_line(const struct revisions *revisions, const struct revision *revision, bool after, struct buf *ret)
{
        if (revision->what == (after ? REVISION_REMOVED : REVISION_ADDED))
                return 0;
        return kinds[revision->kind].line(after ? revisions->after : revisions->before,
                after ? revision->new_index : revision->old_index, ret);
}

static int
file_attributes(
        const struct revisions *r, const struct revision *revision, revision_visit visit, void *userdata)
{
        _cleanup_attributes_ struct attributes before = {0}, after = {0};
        bool is_old = revision->what != REVISION_ADDED, is_new = revision->what != REVISION_REMOVED;
        if ((is_old && baseline_file_attributes(r->before, revision->old_index, &before) < 0) ||
                (is_new && baseline_file_attributes(r->after, revision->new_index, &after) < 0))
                return -ENOMEM;
        uint32_t mask = is_old && is_new ? attributes_compare(ATTRIBUTES_ALL, &before, &after)
                                         : before.known | after.known;
        int result = 0;
        for (unsigned i = 0; i < ATTRIBUTE_COUNT && result == 0; i++) {
                _cleanup_buf_ struct buf left = {0}, right = {0};
                bool has_left = before.known & 1u << i, has_right = after.known & 1u << i;
                if (!(mask & 1u << i))
                        continue;
                if ((has_left && attribute_append_value(i, &before, &left) < 0) ||
                        (has_right && attribute_append_value(i, &after, &right) < 0))
                        return -ENOMEM;
                if (!left.size && !right.size) /* no xattrs, no flags: nothing to be seen */
                        continue;
                result = visit(userdata, attribute_name(i), has_left ? left.data ? left.data : "" : NULL,
                        has_right ? right.data ? right.data : "" : NULL);
        }
        return result;
}

/* The next blank-separated word of a line; NULL at its end. */
static const char *
next_word(const char **at, size_t *ret_size)
{
        *at += strspn(*at, " ");
        const char *word = *at;
        *ret_size = strcspn(word, " ");
        *at += *ret_size;
        return *ret_size ? word : NULL;
}

static bool
line_has_word(const char *line, const char *word, size_t size)
{
        size_t found_size;
        for (const char *found; (found = next_word(&line, &found_size));)
                if (found_size == size && memcmp(found, word, size) == 0)
                        return true;
        return false;
}

/* The `key=value` words of one line that the other does not have. */
static int
visit_fields(const char *line, const char *other, bool after, revision_visit visit, void *userdata)
{
        size_t size;
        int result = 0;
        for (const char *word; result == 0 && (word = next_word(&line, &size));) {
                if (!memchr(word, '=', size) || line_has_word(other, word, size))
                        continue;
                char *name = strndup(word, size), *value = name ? strchr(name, '=') : NULL;
                if (!value)
                        return -ENOMEM;
                *value++ = '\0';
                result = visit(userdata, name, after ? NULL : value, after ? value : NULL);
                free(name);
        }
        return result;
}

/* The single value of a field in a line, into new memory; NULL if it is not there exactly once. */
static char *
field_value(const char *line, const char *name)
{
        size_t size, name_size = strlen(name);
        char *value = NULL;
        for (const char *word; (word = next_word(&line, &size));) {
                if (size <= name_size || memcmp(word, name, name_size) != 0 || word[name_size] != '=')
                        continue;
                bool again = value != NULL;
                free(value);
                if (again)
                        return NULL;
                value = strndup(word + name_size + 1, size - name_size - 1);
        }
        return value;
}

struct pairing {
        revision_visit visit;
        void *userdata;
        const char *other;
        bool skip_paired; /* what has its pair was visited with the other side */
};

/* A field that stands once on both sides is one change, old → new; repeated ones come and go by themselves.
 */
static int
visit_paired(void *userdata, const char *name, const char *before, const char *after)
{
        struct pairing *pairing = userdata;
        _cleanup_free_ char *other = field_value(pairing->other, name);
        if (other && pairing->skip_paired)
                return 0;
        return pairing->visit(pairing->userdata, name, before, other ? other : after);
}

static int
text_attributes(
        const struct revisions *r, const struct revision *revision, revision_visit visit, void *userdata)
{
        _cleanup_buf_ struct buf before = {0}, after = {0};
        if (revision_line(r, revision, false, &before) < 0 || revision_line(r, revision, true, &after) < 0)
                return -ENOMEM;
        const char *left = before.data ? before.data : "", *right = after.data ? after.data : "";
        struct pairing pairing = {visit, userdata, right, false};
        int result = visit_fields(left, right, false, visit_paired, &pairing);
        pairing = (struct pairing){visit, userdata, left, true};
        return result ? result : visit_fields(right, left, true, visit_paired, &pairing);
}

static int
setting_attributes(
        const struct revisions *r, const struct revision *revision, revision_visit visit, void *userdata)
{
        _cleanup_buf_ struct buf before = {0}, after = {0};
        if (revision_line(r, revision, false, &before) < 0 || revision_line(r, revision, true, &after) < 0)
                return -ENOMEM;
        size_t skip = strlen("set ");
        /* After the item stand operator and value. */
        const char *left = before.data ? strchr(before.data + skip, ' ') + 1 : NULL;
        const char *right = after.data ? strchr(after.data + skip, ' ') + 1 : NULL;
        return visit(userdata, "value", left, right);
}

int
revision_attributes(const struct revisions *revisions, const struct revision *revision, revision_visit visit,
        void *userdata)
{
        static int (*const by_kind[REVISION_KINDS])(const struct revisions *r,
                const struct revision *revision, revision_visit visit, void *userdata) = {
                [REVISION_SCOPE] = text_attributes,
                [REVISION_FILE] = file_attributes,
                [REVISION_SETTING] = setting_attributes,
                [REVISION_WAIVER] = text_attributes,
        };
        return by_kind[revision->kind](revisions, revision, visit, userdata);
}

static int
push_attribute(void *userdata, const char *name, const char *before, const char *after)
{
        return json_push(
                userdata, json_make("{s:s, s:s?, s:s?}", "name", name, "before", before, "after", after));
}

struct json *
revision_json(const struct revisions *revisions, const struct revision *revision)
{
        _cleanup_buf_ struct buf item = {0};
        _cleanup_json_ struct json *attributes = json_array_make();
        if (!attributes || revision_item(revisions, revision, &item) < 0 ||
                revision_attributes(revisions, revision, push_attribute, attributes) < 0)
                return NULL;
        return json_make("{s:s, s:s, s:s, s:O}", "what", revision_what_names[revision->what], "kind",
                revision_kind_names[revision->kind], "item", item.data, "attributes", attributes);
}

/* An entry of another baseline by what it is about; -ENOENT. */
static int
find_entry(const struct baseline *baseline, enum revision_kind kind, const struct buf *item, size_t *ret)
{
        if (kind == REVISION_FILE)
                return baseline_file_find(baseline, item->data + 5, item->size - 5, ret) ? 0 : -ENOENT;
        for (size_t i = 0; i < kinds[kind].count(baseline); i++) {
                _cleanup_buf_ struct buf key = {0};
                if (kinds[kind].key(baseline, i, &key) < 0)
                        return -ENOMEM;
                if (compare_bytes(key.data, key.size, item->data, item->size) == 0) {
                        *ret = i;
                        return 0;
                }
        }
        return -ENOENT;
}

int
revision_holds(const struct revisions *revisions, const struct revision *revision,
        const struct baseline *again, bool *ret)
{
        _cleanup_buf_ struct buf item = {0}, wanted = {0}, found = {0};
        size_t index;
        if (revision_item(revisions, revision, &item) < 0 ||
                revision_line(revisions, revision, true, &wanted) < 0)
                return -ENOMEM;
        int r = find_entry(again, revision->kind, &item, &index);
        if (r == -ENOENT) {
                *ret = revision->what == REVISION_REMOVED;
                return 0;
        }
        if (r < 0 || kinds[revision->kind].line(again, index, &found) < 0)
                return -ENOMEM;
        *ret = revision->what != REVISION_REMOVED &&
               compare_bytes(wanted.data, wanted.size, found.data, found.size) == 0;
        return 0;
}

/* ---- composing ---- */

struct line {
        char *text; /* owned */
        size_t size;
};

struct lines {
        struct line *list;
        size_t count;
};

static void
lines_done(struct lines *lines)
{
        for (size_t i = 0; i < lines->count; i++)
                free(lines->list[i].text);
        free(lines->list);
}

static int
lines_add(struct lines *lines, enum revision_kind kind, const struct baseline *baseline, size_t index)
{
        _cleanup_buf_ struct buf text = {0};
        if (kinds[kind].line(baseline, index, &text) < 0)
                return -ENOMEM;
        size_t size = text.size;
        char *owned = buf_steal(&text);
        if (!owned)
                return -ENOMEM;
        lines->list[lines->count++] = (struct line){owned, size};
        return 0;
}

static int
compare_lines(const void *left, const void *right)
{
        const struct line *a = left, *b = right;
        return compare_bytes(a->text, a->size, b->text, b->size);
}

/* Of the kinds that are few: lines of before, less those that a chosen revision takes away, and then what
 * chosen revisions bring. */
static int
gather_kind(const struct revisions *r, enum revision_kind kind, const bool *chosen, struct lines *ret)
{
        size_t n_old = r->before ? kinds[kind].count(r->before) : 0, next = 0;
        ret->list = calloc(n_old + kinds[kind].count(r->after) + 1, sizeof *ret->list);
        if (!ret->list)
                return -ENOMEM;
        for (size_t i = 0; i < n_old; i++) {
                while (next < r->count &&
                        (r->list[next].kind < kind ||
                                (r->list[next].kind == kind && (r->list[next].what == REVISION_ADDED ||
                                                                       r->list[next].old_index < i))))
                        next++;
                bool revised = next < r->count && r->list[next].kind == kind && r->list[next].old_index == i;
                if ((!revised || !chosen[next]) && lines_add(ret, kind, r->before, i) < 0)
                        return -ENOMEM;
        }
        for (size_t i = 0; i < r->count; i++)
                if (chosen[i] && r->list[i].kind == kind && r->list[i].what != REVISION_REMOVED &&
                        lines_add(ret, kind, r->after, r->list[i].new_index) < 0)
                        return -ENOMEM;
        qsort(ret->list, ret->count, sizeof *ret->list, compare_lines);
        return 0;
}

static int
compose_kind(const struct revisions *r, enum revision_kind kind, const bool *chosen,
        const struct delta_output *output)
{
        _cleanup_(lines_done) struct lines lines = {0};
        int result = gather_kind(r, kind, chosen, &lines);
        for (size_t i = 0; i < lines.count && result == 0; i++) {
                result = delta_output_bytes(output, lines.list[i].text, lines.list[i].size);
                result = result ? result : delta_output_bytes(output, "\n", 1);
        }
        return result;
}

/* Where in the lines before a revision takes place. */
static size_t
place_of(const struct revisions *r, const struct revision *revision)
{
        size_t size, place;
        if (revision->what != REVISION_ADDED)
                return revision->old_index;
        if (!r->before)
                return 0;
        const char *path = baseline_file_path(r->after, revision->new_index, &size);
        baseline_file_find(r->before, path, size, &place);
        return place;
}

/* By the million, and both sorted by path, as revisions are: a merge of runs. */
static int
compose_files(const struct revisions *r, const bool *chosen, const struct delta_output *output)
{
        size_t n_old = r->before ? baseline_files(r->before) : 0, at = 0, size;
        int result = 0;
        for (size_t i = 0; i < r->count && result == 0; i++) {
                const struct revision *revision = &r->list[i];
                if (revision->kind != REVISION_FILE || !chosen[i])
                        continue;
                size_t place = place_of(r, revision);
                if (place > at)
                        result = delta_output_lines(output, r->before, at, place);
                at = place + (revision->what != REVISION_ADDED);
                if (result || revision->what == REVISION_REMOVED)
                        continue;
                const char *line = file_line_borrowed(r->after, revision->new_index, &size);
                result = delta_output_bytes(output, line, size + 1);
        }
        return result || at == n_old ? result : delta_output_lines(output, r->before, at, n_old);
}

/* About as long as the longer of the two. */
static int
reserve_text(const struct revisions *r, struct buf *ret)
{
        size_t before = r->before ? baseline_size(r->before) : 0, after = baseline_size(r->after);
        return buf_reserve(ret, before > after ? before : after);
}

static int
compose(const struct revisions *revisions, const bool *chosen, const struct baseline_header *header,
        const struct delta_output *output)
{
        _cleanup_buf_ struct buf head = {0};
        int r = baseline_header_append(header, &head);
        r = r ? r : delta_output_bytes(output, head.data, head.size);
        for (int kind = 0; kind < REVISION_KINDS && r == 0; kind++)
                r = kind == REVISION_FILE ? compose_files(revisions, chosen, output)
                                          : compose_kind(revisions, (enum revision_kind)kind, chosen, output);
        return r;
}

int
revisions_compose(const struct revisions *revisions, const bool *chosen, const struct baseline_header *header,
        struct buf *ret)
{
        int r = reserve_text(revisions, ret);
        return r ? r : compose(revisions, chosen, header, &(struct delta_output){ret, NULL});
}

int
revisions_compose_delta(const struct revisions *revisions, const bool *chosen,
        const struct baseline_header *header, struct buf *ret)
{
        _cleanup_(delta_writer_freep) struct delta_writer *writer = NULL;
        int r = delta_writer_new(revisions->before, ret, &writer);
        r = r ? r : compose(revisions, chosen, header, &(struct delta_output){ret, writer});
        return r ? r : delta_end(writer);
}
