/* SPDX-License-Identifier: MIT */
/*
 * Between the files of the configuration: the row of a key and the ways to read a value. Each reads one value into the
 * member at key->offset of target: 0, or -EINVAL with words that do not yet say where, or -ENOMEM.
 */
#pragma once

#include "core/config.h"

struct config_key {
        const char *name;
        int (*set)(const struct config_key *key, void *target, const char *value, struct err *err);
        size_t offset;            /* of the member in the target */
        int64_t min, max;         /* numbers */
        const char *const *words; /* words */
        size_t n_words;
        bool repeats;
};

int config_set_duration(const struct config_key *key, void *target, const char *value, struct err *err); /* int64_t, seconds */
int config_set_u64(const struct config_key *key, void *target, const char *value, struct err *err); /* uint64_t in min..max */
int config_set_unsigned(const struct config_key *key, void *target, const char *value, struct err *err); /* unsigned in min..max */
int config_set_workers(const struct config_key *key, void *target, const char *value, struct err *err); /* unsigned; auto is 0 */
int config_set_word(const struct config_key *key, void *target, const char *value, struct err *err); /* an enum: index in words */
int config_set_bool(const struct config_key *key, void *target, const char *value, struct err *err); /* bool: the second of two words */
int config_set_attributes(const struct config_key *key, void *target, const char *value, struct err *err); /* uint32_t mask */
int config_set_raw_path(const struct config_key *key, void *target, const char *value, struct err *err); /* char *, raw bytes */
int config_set_escaped_path(const struct config_key *key, void *target, const char *value, struct err *err); /* char *, escaped */
int config_add_path(const struct config_key *key, void *target, const char *value, struct err *err); /* text_list, adds */
int config_set_only_path(const struct config_key *key, void *target, const char *value, struct err *err); /* text_list, replaces */
int config_set_path_or_none(const struct config_key *key, void *target, const char *value, struct err *err); /* the same; may be empty */
int config_add_path_glob(const struct config_key *key, void *target, const char *value, struct err *err); /* text_list, adds */
int config_add_sysctl_glob(const struct config_key *key, void *target, const char *value, struct err *err); /* text_list, adds */

/* -EINVAL if one path is in two files scopes; `where` starts the words. */
int scopes_check_paths(const struct scope *scopes, size_t n_scopes, const char *where, struct err *err);
