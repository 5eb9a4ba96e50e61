/* SPDX-License-Identifier: MIT */
/*
 * The trust as it stands in memory: built by trust.c, counted with by trust_judge.c. Immutable once parsed.
 */
#pragma once

#include "core/trust.h"

#define TRUST_RULES_MAX 1024u
#define TRUST_ANY_NAME "*" /* the rule for every name without one of its own */

struct trust_approver {
        char name[NAME_MAX_SIZE];
        struct ssh_key *keys;
        unsigned *key_lines; /* where each stands, for words */
        size_t n_keys;
        unsigned line;
};

/* A name in an `approvers` line, as written; who it is, is known when the whole file was read. */
struct trust_mention {
        char *name;
        unsigned line;
};

struct trust_section {
        char name[NAME_MAX_SIZE]; /* or "*" */
        unsigned threshold, threshold_line;
        unsigned urgent_threshold, urgent_line;
        int64_t review_within_s;
        unsigned review_line;
        bool author_counts;
        struct trust_mention *mentions;
        size_t n_mentions;
        const char **approvers;  /* borrowed names, in the order of the mentions */
        unsigned short *indexes; /* the same people, as indexes */
        unsigned line;
};

/* Sorted by the key's 32 bytes alone: the same bytes in a token and in a file are still one key. */
struct trust_key {
        const struct ssh_key *key; /* borrowed from its approver */
        unsigned short approver;
        unsigned line;
};

struct trust {
        struct digest id;
        uint64_t generation;
        bool has_parent;
        struct digest parent;
        struct trust_approver *approvers;
        const char **names;     /* of approvers, borrowed, in the file's order */
        unsigned short *sorted; /* their indexes, sorted by name */
        size_t n_approvers;
        struct trust_section *sections;
        size_t n_sections;
        struct trust_key *keys;
        size_t n_keys;
};

/* The file being read: trust_file.c takes lines into sections, trust_link.c makes names into people. */
enum trust_part { TRUST_PART_NONE, TRUST_PART_TRUST, TRUST_PART_APPROVER, TRUST_PART_BASELINE };

struct trust_reader {
        const char *path;
        struct trust *trust;
        enum trust_part part; /* the section being read */
        unsigned part_line;   /* where it begins */
        unsigned trust_line;  /* of [trust]; 0: not seen */
        unsigned seen;        /* keys in this section, one bit a row of the table */
        struct err *err;
};

/* "path:line: ", then what is wrong; -EINVAL. */
int trust_refuse(const struct trust_reader *reader, unsigned line, const char *format, ...) _printf_(3, 4);
int trust_file_read(struct trust_reader *reader, const char *text, size_t size);
int trust_link(const struct trust_reader *reader);

/* The index of an approver's name; -ENOENT. */
int trust_find_approver(const struct trust *trust, const char *name);
/* The index of who has this key; -ENOENT. */
int trust_find_key(const struct trust *trust, const struct ssh_key *key);
/* The section that covers a baseline's name; NULL if none. */
const struct trust_section *trust_find_section(const struct trust *trust, const char *baseline_name);
