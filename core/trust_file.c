/* SPDX-License-Identifier: MIT */
/*
 * The trust file, line by line. What is known of its language is two tables: the sections, and the keys
 * that may or must stand in each. A word that is in neither, or twice, is refused with its line and with
 * what would be right; what is missing is told of when the section ends.
 *
 * Fills the trust of its reader and owns nothing. Whether names have people behind them is not known
 * before the last line: that is trust_link.c.
 */
#include "core/trust_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/ini_reader.h"
#include "core/quote.h"

int
trust_refuse(const struct trust_reader *reader, unsigned line, const char *format, ...)
{
        char what[512];
        va_list args;
        va_start(args, format);
        vsnprintf(what, sizeof what, format, args);
        va_end(args);
        return err_set(reader->err, -EINVAL, "%s:%u: %s", quote(reader->path), line, what);
}

static struct trust_approver *
approver_last(const struct trust_reader *reader)
{
        return &reader->trust->approvers[reader->trust->n_approvers - 1];
}

static struct trust_section *
section_last(const struct trust_reader *reader)
{
        return &reader->trust->sections[reader->trust->n_sections - 1];
}

/* ---- values ---- */

static int
parse_number(const char *value, uint64_t most, uint64_t *ret)
{
        uint64_t number = 0;
        size_t size = strlen(value);
        if (size < 1 || size > 18 || strspn(value, "0123456789") != size || value[0] == '0')
                return -EINVAL;
        for (size_t i = 0; i < size; i++)
                number = number * 10 + (unsigned)(value[i] - '0');
        if (number > most)
                return -EINVAL;
        *ret = number;
        return 0;
}

static int
set_generation(struct trust_reader *reader, unsigned line, const char *value)
{
        if (parse_number(value, INT64_MAX, &reader->trust->generation) == 0)
                return 0;
        trust_refuse(reader, line, "generation \"%s\" is not a number from 1", quote(value));
        return err_hint(reader->err, -EINVAL, "generation = 1 in the first file, then one more in each");
}

static int
set_parent(struct trust_reader *reader, unsigned line, const char *value)
{
        reader->trust->has_parent = strcmp(value, "none") != 0;
        if (!reader->trust->has_parent || digest_parse(value, strlen(value), &reader->trust->parent) == 0)
                return 0;
        trust_refuse(reader, line, "parent \"%s\" is not the id of a trust file", quote(value));
        return err_hint(reader->err, -EINVAL,
                "parent = none in generation 1; then 64 lower-case hex digits: sha256sum of the file before");
}

static int
set_key(struct trust_reader *reader, unsigned line, const char *value)
{
        struct trust_approver *approver = approver_last(reader);
        struct ssh_key key;
        struct err inner = {0};
        if (approver->n_keys >= TRUST_KEYS_MAX)
                return trust_refuse(reader, line, "an approver has at most %u keys", TRUST_KEYS_MAX);
        int r = ssh_key_parse(value, &key, NULL, &inner);
        if (r < 0) {
                trust_refuse(reader, line, "%s", inner.text);
                return err_hint(reader->err, r, "%s",
                        inner.hint[0] ? inner.hint
                                      : "key = ssh-ed25519 AAAA... comment, as in the .pub file");
        }
        r = array_grow(&approver->keys, approver->n_keys);
        if (r == 0)
                r = array_grow(&approver->key_lines, approver->n_keys);
        if (r < 0)
                return err_oom(reader->err);
        approver->key_lines[approver->n_keys] = line;
        approver->keys[approver->n_keys++] = key;
        return 0;
}

static int
add_mention(struct trust_reader *reader, unsigned line, const char *name, size_t size)
{
        struct trust_section *section = section_last(reader);
        struct quote quoted;
        if (!name_is_valid(name, size)) {
                trust_refuse(reader, line, "\"%s\" cannot be an approver's name",
                        quote_bytes(&quoted, name, size));
                return err_hint(
                        reader->err, -EINVAL, "approvers = alice bob: names with blanks between them");
        }
        if (section->n_mentions >= TRUST_APPROVERS_MAX)
                return trust_refuse(reader, line, "more than %u approvers", TRUST_APPROVERS_MAX);
        if (array_grow(&section->mentions, section->n_mentions) < 0)
                return err_oom(reader->err);
        char *copy = strndup(name, size);
        if (!copy)
                return err_oom(reader->err);
        section->mentions[section->n_mentions++] = (struct trust_mention){copy, line};
        return 0;
}

static int
set_approvers(struct trust_reader *reader, unsigned line, const char *value)
{
        const char *p = value + strspn(value, " \t");
        if (!*p) {
                trust_refuse(reader, line, "approvers names nobody");
                return err_hint(reader->err, -EINVAL, "approvers = alice bob");
        }
        while (*p) {
                size_t size = strcspn(p, " \t");
                int r = add_mention(reader, line, p, size);
                if (r < 0)
                        return r;
                p += size + strspn(p + size, " \t");
        }
        return 0;
}

static int
read_people(struct trust_reader *reader, unsigned line, const char *word, const char *value, unsigned *ret)
{
        uint64_t number;
        if (parse_number(value, TRUST_APPROVERS_MAX, &number) == 0) {
                *ret = (unsigned)number;
                return 0;
        }
        trust_refuse(reader, line, "%s \"%s\" is not a number of people from 1 to %u", word, quote(value),
                TRUST_APPROVERS_MAX);
        return err_hint(reader->err, -EINVAL, "%s = 1, or more: that many different people must sign", word);
}

static int
set_threshold(struct trust_reader *reader, unsigned line, const char *value)
{
        section_last(reader)->threshold_line = line;
        return read_people(reader, line, "threshold", value, &section_last(reader)->threshold);
}

static int
set_urgent_threshold(struct trust_reader *reader, unsigned line, const char *value)
{
        section_last(reader)->urgent_line = line;
        return read_people(reader, line, "urgent_threshold", value, &section_last(reader)->urgent_threshold);
}

static int
set_author_counts(struct trust_reader *reader, unsigned line, const char *value)
{
        bool yes = strcmp(value, "yes") == 0;
        if (!yes && strcmp(value, "no") != 0) {
                trust_refuse(reader, line, "author_counts \"%s\" is neither yes nor no", quote(value));
                return err_hint(
                        reader->err, -EINVAL, "author_counts = no: somebody else than the author must sign");
        }
        section_last(reader)->author_counts = yes;
        return 0;
}

static int
set_review_within(struct trust_reader *reader, unsigned line, const char *value)
{
        struct err inner = {0};
        section_last(reader)->review_line = line;
        if (duration_parse(value, &section_last(reader)->review_within_s, &inner) == 0)
                return 0;
        trust_refuse(reader, line, "review_within: %s", inner.text);
        return err_hint(reader->err, -EINVAL, "review_within = 72h");
}

/* ---- keys, by section ---- */

struct key_row {
        enum trust_part part;
        bool may_repeat;
        const char *word;
        int (*set)(struct trust_reader *reader, unsigned line, const char *value);
        const char *needed; /* what would be right where it is missing; NULL: it may be */
};

static const struct key_row key_rows[] = {
        {TRUST_PART_TRUST, false, "generation", set_generation, "generation = 1"},
        {TRUST_PART_TRUST, false, "parent", set_parent,
                "parent = none, or the id (sha256sum) of the file before"},
        {TRUST_PART_APPROVER, true, "key", set_key, "key = ssh-ed25519 AAAA... comment, as in the .pub file"},
        {TRUST_PART_BASELINE, true, "approvers", set_approvers, "approvers = alice bob"},
        {TRUST_PART_BASELINE, false, "threshold", set_threshold,
                "threshold = 1, or more: how many people must sign"},
        {TRUST_PART_BASELINE, false, "author_counts", set_author_counts, NULL},
        {TRUST_PART_BASELINE, false, "urgent_threshold", set_urgent_threshold, NULL},
        {TRUST_PART_BASELINE, false, "review_within", set_review_within, NULL},
};

static int
unknown_key(const struct trust_reader *reader, unsigned line, const char *key)
{
        const char *words[ARRAY_SIZE(key_rows)];
        size_t n_words = 0;
        char list[128] = "";
        size_t list_size = 0;
        for (size_t i = 0; i < ARRAY_SIZE(key_rows); i++) {
                if (key_rows[i].part != reader->part)
                        continue;
                words[n_words++] = key_rows[i].word;
                int wrote = snprintf(list + list_size, sizeof list - list_size, " %s", key_rows[i].word);
                list_size += min_size((size_t)wrote, sizeof list - list_size - 1);
        }
        const char *near = nearest_word(key, words, n_words);
        trust_refuse(reader, line, "unknown key \"%s\"", quote(key));
        if (near)
                return err_hint(reader->err, -EINVAL, "did you mean %s?", near);
        return err_hint(reader->err, -EINVAL, "keys of this section:%s", list);
}

static int
read_key(struct trust_reader *reader, unsigned line, const char *key, const char *value)
{
        for (size_t i = 0; i < ARRAY_SIZE(key_rows); i++) {
                const struct key_row *row = &key_rows[i];
                if (row->part != reader->part || strcmp(row->word, key) != 0)
                        continue;
                if (!row->may_repeat && reader->seen & 1u << i) {
                        trust_refuse(reader, line, "%s stands twice in this section", row->word);
                        return err_hint(reader->err, -EINVAL, "keep one of the two lines");
                }
                reader->seen |= 1u << i;
                return row->set(reader, line, value);
        }
        return unknown_key(reader, line, key);
}

/* ---- sections ---- */

static int
section_end(const struct trust_reader *reader)
{
        for (size_t i = 0; i < ARRAY_SIZE(key_rows); i++)
                if (key_rows[i].part == reader->part && key_rows[i].needed && !(reader->seen & 1u << i)) {
                        trust_refuse(reader, reader->part_line, "this section has no %s", key_rows[i].word);
                        return err_hint(reader->err, -EINVAL, "%s", key_rows[i].needed);
                }
        return 0;
}

static int
refuse_repeated(const struct trust_reader *reader, unsigned line, const char *section, unsigned first)
{
        trust_refuse(reader, line, "section [%s] stands twice, first in line %u", quote(section), first);
        return err_hint(reader->err, -EINVAL, "make one section of the two");
}

static int
begin_trust(struct trust_reader *reader, unsigned line, const char *name)
{
        (void)name;
        if (reader->trust_line)
                return refuse_repeated(reader, line, "trust", reader->trust_line);
        reader->trust_line = line;
        return 0;
}

static int
begin_approver(struct trust_reader *reader, unsigned line, const char *name)
{
        struct trust *trust = reader->trust;
        if (!name_is_valid(name, strlen(name))) {
                trust_refuse(reader, line, "\"%s\" cannot be an approver's name", quote(name));
                return err_hint(
                        reader->err, -EINVAL, "[approver alice]: 1 to 63 letters, digits, '.', '_', '-'");
        }
        for (size_t i = 0; i < trust->n_approvers; i++)
                if (strcmp(trust->approvers[i].name, name) == 0)
                        return refuse_repeated(reader, line, name, trust->approvers[i].line);
        if (trust->n_approvers >= TRUST_APPROVERS_MAX)
                return trust_refuse(reader, line, "more than %u approvers", TRUST_APPROVERS_MAX);
        if (array_grow(&trust->approvers, trust->n_approvers) < 0)
                return err_oom(reader->err);
        struct trust_approver *approver = &trust->approvers[trust->n_approvers++];
        *approver = (struct trust_approver){.line = line};
        memcpy(approver->name, name, strlen(name) + 1);
        return 0;
}

static int
begin_baseline(struct trust_reader *reader, unsigned line, const char *name)
{
        struct trust *trust = reader->trust;
        if (strcmp(name, TRUST_ANY_NAME) != 0 && !name_is_valid(name, strlen(name))) {
                trust_refuse(reader, line, "\"%s\" cannot be a baseline's name", quote(name));
                return err_hint(
                        reader->err, -EINVAL, "[baseline host], or [baseline *] for all without a section");
        }
        for (size_t i = 0; i < trust->n_sections; i++)
                if (strcmp(trust->sections[i].name, name) == 0)
                        return refuse_repeated(reader, line, name, trust->sections[i].line);
        if (trust->n_sections >= TRUST_RULES_MAX)
                return trust_refuse(reader, line, "more than %u [baseline] sections", TRUST_RULES_MAX);
        if (array_grow(&trust->sections, trust->n_sections) < 0)
                return err_oom(reader->err);
        struct trust_section *section = &trust->sections[trust->n_sections++];
        *section = (struct trust_section){.line = line, .author_counts = true};
        memcpy(section->name, name, strlen(name) + 1);
        return 0;
}

static const struct {
        const char *word;
        enum trust_part part;
        bool named;
        int (*begin)(struct trust_reader *reader, unsigned line, const char *name);
} section_rows[] = {
        {"trust", TRUST_PART_TRUST, false, begin_trust},
        {"approver", TRUST_PART_APPROVER, true, begin_approver},
        {"baseline", TRUST_PART_BASELINE, true, begin_baseline},
};

static int
unknown_section(const struct trust_reader *reader, unsigned line, const char *section)
{
        const char *words[ARRAY_SIZE(section_rows)];
        char word[INI_SECTION_MAX + 1];
        size_t size = min_size(strcspn(section, " \t"), INI_SECTION_MAX);
        memcpy(word, section, size);
        word[size] = '\0';
        for (size_t i = 0; i < ARRAY_SIZE(section_rows); i++)
                words[i] = section_rows[i].word;
        const char *near = nearest_word(word, words, ARRAY_SIZE(section_rows));
        trust_refuse(reader, line, "unknown section [%s]", quote(section));
        if (near && strcmp(near, word) != 0)
                return err_hint(reader->err, -EINVAL, "did you mean [%s%s]?", near,
                        strcmp(near, "trust") == 0 ? "" : " NAME");
        return err_hint(reader->err, -EINVAL, "[trust], [approver NAME], [baseline NAME] or [baseline *]");
}

static int
read_section(struct trust_reader *reader, unsigned line, const char *section)
{
        size_t word = strcspn(section, " \t");
        int r = section_end(reader);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ARRAY_SIZE(section_rows); i++) {
                if (strlen(section_rows[i].word) != word ||
                        memcmp(section_rows[i].word, section, word) != 0 ||
                        section[word] != (section_rows[i].named ? ' ' : '\0'))
                        continue;
                reader->part = section_rows[i].part;
                reader->part_line = line;
                reader->seen = 0;
                return section_rows[i].begin(reader, line, section[word] ? section + word + 1 : "");
        }
        return unknown_section(reader, line, section);
}

static int
visit(void *userdata, unsigned line, const char *section, const char *key, const char *value, struct err *err)
{
        struct trust_reader *reader = userdata;
        reader->err = err;
        return key ? read_key(reader, line, key, value) : read_section(reader, line, section);
}

int
trust_file_read(struct trust_reader *reader, const char *text, size_t size)
{
        struct err *err = reader->err;
        int r = ini_read(reader->path, text, size, visit, reader, err);
        reader->err = err;
        return r < 0 ? r : section_end(reader);
}
