/* SPDX-License-Identifier: MIT */
/*
 * The trust file in memory. It decides who may change what is expected, so nothing in it is guessed: what
 * is not known, stands twice, is missing or cannot be met is refused (trust_file.c line by line,
 * trust_link.c as a whole), and a file that was refused leaves nothing behind. Immutable once parsed.
 *
 * Owns all it read; knows no store, no clock and no signature. Counting is in trust_judge.c.
 */
#include "core/trust_internal.h"

#include <errno.h>
#include <string.h>

int
trust_parse(const char *path, const char *text, size_t size, struct trust **ret, struct err *err)
{
        _cleanup_(trust_freep) struct trust *trust = calloc(1, sizeof *trust);
        struct trust_reader reader = {.path = path, .trust = trust, .err = err};
        if (!trust)
                return err_oom(err);
        if (size > TRUST_FILE_MAX)
                return trust_refuse(&reader, 1, "a trust file has at most %u bytes, this one has %zu",
                        TRUST_FILE_MAX, size);
        digest_bytes(text, size, &trust->id);
        int r = trust_file_read(&reader, text, size);
        if (r == 0)
                r = trust_link(&reader);
        if (r == 0)
                *ret = steal_pointer(&trust);
        return r;
}

struct trust *
trust_free(struct trust *trust)
{
        if (!trust)
                return NULL;
        for (size_t i = 0; i < trust->n_sections; i++) {
                struct trust_section *section = &trust->sections[i];
                for (size_t m = 0; m < section->n_mentions; m++)
                        free(section->mentions[m].name);
                free(section->mentions);
                free(section->approvers);
                free(section->indexes);
        }
        for (size_t i = 0; i < trust->n_approvers; i++) {
                free(trust->approvers[i].keys);
                free(trust->approvers[i].key_lines);
        }
        free(trust->sections);
        free(trust->approvers);
        free(trust->names);
        free(trust->sorted);
        free(trust->keys);
        free(trust);
        return NULL;
}

/* ---- asking ---- */

const struct digest *
trust_id(const struct trust *trust)
{
        return &trust->id;
}

uint64_t
trust_generation(const struct trust *trust)
{
        return trust->generation;
}

bool
trust_parent(const struct trust *trust, struct digest *ret)
{
        if (trust->has_parent)
                *ret = trust->parent;
        return trust->has_parent;
}

const char *
trust_approver_of(const struct trust *trust, const struct ssh_key *key)
{
        int index = trust_find_key(trust, key);
        return index < 0 ? NULL : trust->names[index];
}

size_t
trust_keys_of(const struct trust *trust, const char *approver, const struct ssh_key **ret_keys)
{
        int index = trust_find_approver(trust, approver);
        if (index < 0)
                return 0;
        *ret_keys = trust->approvers[index].keys;
        return trust->approvers[index].n_keys;
}

size_t
trust_approvers(const struct trust *trust, const char *const **ret_names)
{
        *ret_names = trust->names;
        return trust->n_approvers;
}

const struct trust_section *
trust_find_section(const struct trust *trust, const char *baseline_name)
{
        const struct trust_section *any = NULL;
        for (size_t i = 0; i < trust->n_sections; i++) {
                if (strcmp(trust->sections[i].name, baseline_name) == 0)
                        return &trust->sections[i];
                if (strcmp(trust->sections[i].name, TRUST_ANY_NAME) == 0)
                        any = &trust->sections[i];
        }
        return any;
}

int
trust_rule_for(const struct trust *trust, const char *baseline_name, struct trust_rule *ret)
{
        const struct trust_section *section = trust_find_section(trust, baseline_name);
        if (!section)
                return -ENOENT;
        *ret = (struct trust_rule){
                .threshold = section->threshold,
                .urgent_threshold = section->urgent_threshold,
                .review_within_s = section->review_within_s,
                .author_counts = section->author_counts,
                .approvers = section->approvers,
                .n_approvers = section->n_mentions,
        };
        return 0;
}
