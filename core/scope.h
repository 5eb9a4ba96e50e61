/* SPDX-License-Identifier: MIT */
/*
 * Scopes: which part of the host a baseline closes, with its exclusions and rules. The same struct comes from
 * the configuration (what to propose) and from a signed baseline (what is enforced).
 *
 * A path is in a scope if one of the scope's paths is it or a folder above it and no exclusion covers it.
 * Where scopes overlap, the one with the longest such path wins. All paths and globs here are escaped text.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/attribute.h"
#include "core/item.h" /* NAME_MAX_SIZE */

enum scope_domain { SCOPE_FILES, SCOPE_SYSCTL, SCOPE_SSHD, SCOPE_OPENSSL, SCOPE_DOMAIN_COUNT };
enum scope_mode { SCOPE_STATIC, SCOPE_GROWING, SCOPE_PRESENT };
enum scope_mounts { SCOPE_MOUNTS_LOCAL, SCOPE_MOUNTS_NONE };
enum severity { SEVERITY_HIGH, SEVERITY_MEDIUM, SEVERITY_LOW, SEVERITY_COUNT };

struct text_list {
        char **items; /* owned */
        size_t count;
};

struct scope {
        enum scope_domain domain;
        char name[NAME_MAX_SIZE]; /* files: the word after `files`; others: the domain's name, nothing else */
        struct text_list
                paths; /* files: escaped absolute paths. sysctl: root. sshd: config. openssl: config */
        struct text_list excludes; /* files: escaped path globs. sysctl: key globs */
        char *command;             /* sshd: escaped path of the program; else NULL */
        uint32_t attributes;       /* files: mask */
        enum scope_mode mode;      /* files */
        enum severity severity;
        enum scope_mounts mounts; /* files */
        bool keep_content;        /* files: auto (true) or never */
        int64_t content_within_s; /* files: the oldest content check that is still good, seconds */
        bool named_only; /* settings: only what `set` lines name is judged, and nothing is unexpected */
};

extern const char *const scope_domain_names[SCOPE_DOMAIN_COUNT]; /* files sysctl sshd openssl */
extern const char *const scope_mode_names[];
extern const char *const scope_mounts_names[];
extern const char *const severity_names[SEVERITY_COUNT];
/* Index in a table of names, or -EINVAL. */
int name_index(const char *const *names, size_t n_names, const char *text, size_t size);

/* The canonical baseline line, with its newline: `scope files etc path=/etc exclude=… attributes=… mode=…
 * severity=… mounts=… keep_content=… content_within=…`. */
int scope_append(const struct scope *scope, struct buf *buf);
/* Parses the rest of such a line after "scope " (no newline). Canonical form only. */
int scope_parse(const char *text, size_t size, struct scope *ret, struct err *err);
void scope_done(struct scope *scope);
/* By way of its one text form. -ENOMEM. */
int scope_copy(const struct scope *scope, struct scope *ret);

/* The attributes that a file's line of this scope may name: no others would be judged. */
uint32_t scope_line_mask(const struct scope *scope) _pure_;
/* An escaped path with one meaning: absolute, no empty, "." or ".." name in it, no slash at its end. */
bool path_is_canonical(const char *path, size_t size) _pure_;

int text_list_add(struct text_list *list, const char *text, size_t size);
void text_list_sort(struct text_list *list); /* memcmp order, duplicates dropped */
void text_list_done(struct text_list *list);

/* Whether two scopes of settings ask for the same look. */
bool scope_same_probe(const struct scope *a, const struct scope *b) _pure_;

/* The scope that owns an escaped path, exclusions applied; NULL if none does. */
const struct scope *scope_for_path(const struct scope *scopes, size_t n_scopes, const char *path) _pure_;
/* The first of a domain (settings have one at most); NULL: none. */
const struct scope *scope_of_domain(
        const struct scope *scopes, size_t n_scopes, enum scope_domain domain) _pure_;
/* The scope that closes an item (any domain); NULL if none does. */
const struct scope *scope_for_item(const struct scope *scopes, size_t n_scopes, const char *item) _pure_;
