/* SPDX-License-Identifier: MIT */
/*
 * The trust file as a whole: names become people, thresholds are held against how many there are, and
 * every key is compared with every other. A threshold counts people, so one key with two owners, or one
 * person named twice, would be a hole in it; both are found here, with the line that is too much.
 *
 * Allocates into the trust, which owns it. The lookups over what is sorted here stand here too.
 */
#include "core/trust_internal.h"

#include <errno.h>
#include <string.h>

#include "core/ini_reader.h"

/* ---- when all is read: names become people ---- */

static int
name_compare(const void *a, const void *b, void *names)
{
        const char *const *name = names;
        return strcmp(name[*(const unsigned short *)a], name[*(const unsigned short *)b]);
}

static int
link_names(const struct trust_reader *reader)
{
        struct trust *trust = reader->trust;
        size_t room = trust->n_approvers ? trust->n_approvers : 1;
        trust->names = calloc(room, sizeof *trust->names);
        trust->sorted = calloc(room, sizeof *trust->sorted);
        if (!trust->names || !trust->sorted)
                return err_oom(reader->err);
        for (size_t i = 0; i < trust->n_approvers; i++) {
                trust->names[i] = trust->approvers[i].name;
                trust->sorted[i] = (unsigned short)i;
        }
        qsort_r(trust->sorted, trust->n_approvers, sizeof *trust->sorted, name_compare, trust->names);
        return 0;
}

int
trust_find_approver(const struct trust *trust, const char *name)
{
        size_t low = 0, high = trust->n_approvers;
        while (low < high) {
                size_t middle = (low + high) / 2;
                int order = strcmp(name, trust->names[trust->sorted[middle]]);
                if (order == 0)
                        return trust->sorted[middle];
                if (order < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return -ENOENT;
}

static int
refuse_stranger(const struct trust_reader *reader, const struct trust_mention *mention)
{
        const struct trust *trust = reader->trust;
        const char *near = nearest_word(mention->name, trust->names, trust->n_approvers);
        trust_refuse(reader, mention->line, "there is no [approver %s]", mention->name);
        if (near)
                return err_hint(reader->err, -EINVAL, "did you mean %s?", near);
        return err_hint(reader->err, -EINVAL, "add a section [approver %s] with a key", mention->name);
}

static int
link_approvers(const struct trust_reader *reader, struct trust_section *section)
{
        bool seen[TRUST_APPROVERS_MAX] = {false};
        section->approvers = calloc(section->n_mentions, sizeof *section->approvers);
        section->indexes = calloc(section->n_mentions, sizeof *section->indexes);
        if (!section->approvers || !section->indexes)
                return err_oom(reader->err);
        for (size_t i = 0; i < section->n_mentions; i++) {
                const struct trust_mention *mention = &section->mentions[i];
                int index = trust_find_approver(reader->trust, mention->name);
                if (index < 0)
                        return refuse_stranger(reader, mention);
                if (seen[index]) {
                        trust_refuse(reader, mention->line, "%s stands twice in approvers", mention->name);
                        return err_hint(reader->err, -EINVAL, "a person counts once: name each once");
                }
                seen[index] = true;
                section->approvers[i] = reader->trust->names[index];
                section->indexes[i] = (unsigned short)index;
        }
        return 0;
}

static int
refuse_threshold(
        const struct trust_reader *reader, unsigned line, const char *word, unsigned people, size_t most)
{
        trust_refuse(reader, line, "%s = %u, but only %zu may approve", word, people, most);
        return err_hint(reader->err, -EINVAL, "%s = %zu at most, or name more approvers", word, most);
}

static int
check_section(const struct trust_reader *reader, const struct trust_section *section)
{
        size_t people = section->n_mentions;
        if (section->threshold > people)
                return refuse_threshold(
                        reader, section->threshold_line, "threshold", section->threshold, people);
        if (section->urgent_threshold > people)
                return refuse_threshold(
                        reader, section->urgent_line, "urgent_threshold", section->urgent_threshold, people);
        if (section->urgent_threshold > section->threshold) {
                trust_refuse(reader, section->urgent_line,
                        "urgent_threshold = %u is more than threshold = %u", section->urgent_threshold,
                        section->threshold);
                return err_hint(reader->err, -EINVAL, "urgent changes need fewer people, and a review later");
        }
        if (section->urgent_threshold && !section->review_within_s) {
                trust_refuse(reader, section->urgent_line, "urgent_threshold without review_within");
                return err_hint(
                        reader->err, -EINVAL, "add review_within = 72h: by when the others must have looked");
        }
        if (section->review_within_s && !section->urgent_threshold) {
                trust_refuse(reader, section->review_line, "review_within without urgent_threshold");
                return err_hint(reader->err, -EINVAL, "add urgent_threshold = 1, or delete review_within");
        }
        return 0;
}

/* ---- and keys are compared ---- */

static int
key_compare(const void *a, const void *b)
{
        const struct trust_key *x = a, *y = b;
        return memcmp(x->key->public_key, y->key->public_key, ED25519_PUBLIC_SIZE);
}

int
trust_find_key(const struct trust *trust, const struct ssh_key *key)
{
        const struct trust_key wanted = {.key = key};
        const struct trust_key *found =
                bsearch(&wanted, trust->keys, trust->n_keys, sizeof *trust->keys, key_compare);
        return found && ssh_key_equal(found->key, key) ? found->approver : -ENOENT;
}

static int
refuse_shared(const struct trust_reader *reader, const struct trust_key *a, const struct trust_key *b)
{
        const struct trust_key *first = a->line < b->line ? a : b, *second = a->line < b->line ? b : a;
        const char *name = reader->trust->approvers[first->approver].name;
        if (first->approver == second->approver) {
                trust_refuse(
                        reader, second->line, "%s has this key twice, first in line %u", name, first->line);
                return err_hint(reader->err, -EINVAL, "delete one of the two lines");
        }
        trust_refuse(reader, second->line, "this key belongs to %s already (line %u)", name, first->line);
        return err_hint(reader->err, -EINVAL, "each person has keys of their own: a threshold counts people");
}

static int
link_keys(const struct trust_reader *reader)
{
        struct trust *trust = reader->trust;
        size_t total = 0;
        for (size_t i = 0; i < trust->n_approvers; i++)
                total += trust->approvers[i].n_keys;
        trust->keys = calloc(total ? total : 1, sizeof *trust->keys);
        if (!trust->keys)
                return err_oom(reader->err);
        for (size_t i = 0; i < trust->n_approvers; i++) {
                const struct trust_approver *approver = &trust->approvers[i];
                for (size_t k = 0; k < approver->n_keys; k++)
                        trust->keys[trust->n_keys++] = (struct trust_key){
                                &approver->keys[k], (unsigned short)i, approver->key_lines[k]};
        }
        qsort(trust->keys, trust->n_keys, sizeof *trust->keys, key_compare);
        for (size_t i = 1; i < trust->n_keys; i++)
                if (key_compare(&trust->keys[i - 1], &trust->keys[i]) == 0)
                        return refuse_shared(reader, &trust->keys[i - 1], &trust->keys[i]);
        return 0;
}

static int
check_trust(const struct trust_reader *reader)
{
        const struct trust *trust = reader->trust;
        if (!reader->trust_line) {
                trust_refuse(reader, 1, "there is no [trust] section");
                return err_hint(reader->err, -EINVAL, "[trust] with generation = 1 and parent = none");
        }
        if (trust->has_parent == (trust->generation == 1)) {
                trust_refuse(reader, reader->trust_line,
                        trust->has_parent ? "generation 1 has no parent"
                                          : "only generation 1 has parent = none");
                return err_hint(reader->err, -EINVAL,
                        trust->has_parent ? "parent = none"
                                          : "parent = the id of the file before (sha256sum shows it)");
        }
        if (!trust->n_sections) { /* with no rule there would be nothing for a successor to meet */
                trust_refuse(reader, 1, "there is no [baseline] section");
                return err_hint(reader->err, -EINVAL, "[baseline *] with approvers and threshold");
        }
        return 0;
}

int
trust_link(const struct trust_reader *reader)
{
        struct trust *trust = reader->trust;
        int r = check_trust(reader);
        if (r == 0)
                r = link_names(reader);
        for (size_t i = 0; r == 0 && i < trust->n_sections; i++) {
                r = link_approvers(reader, &trust->sections[i]);
                if (r == 0)
                        r = check_section(reader, &trust->sections[i]);
        }
        return r < 0 ? r : link_keys(reader);
}
