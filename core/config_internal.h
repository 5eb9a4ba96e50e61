/* SPDX-License-Identifier: MIT */
/*
 * Between the files of the configuration: the row of a key and the ways to read a value. Each reads one value
 * into the member at key->offset of target: 0, or -EINVAL with words that do not yet say where, or -ENOMEM.
 */
#pragma once

#include "core/config.h"

struct config_key;
typedef int config_setter(const struct config_key *key, void *target, const char *value, struct err *err);

struct config_key {
        const char *name;
        config_setter *set;
        size_t offset;            /* of the member in the target */
        int64_t min, max;         /* numbers */
        const char *const *words; /* words */
        size_t n_words;
        bool repeats;
};

config_setter config_set_duration;     /* int64_t, seconds */
config_setter config_set_u64;          /* uint64_t in min..max */
config_setter config_set_unsigned;     /* unsigned in min..max */
config_setter config_set_workers;      /* unsigned; auto is 0 */
config_setter config_set_word;         /* an enum: the index in words */
config_setter config_set_bool;         /* bool: the second of two words */
config_setter config_set_attributes;   /* uint32_t, a mask */
config_setter config_set_raw_path;     /* char *, raw bytes */
config_setter config_set_escaped_path; /* char *, escaped */
config_setter config_add_path;         /* struct text_list, adds; no glob */
config_setter config_add_path_glob;    /* struct text_list, adds */
config_setter config_add_sysctl_glob;  /* struct text_list, adds */
config_setter config_set_only_path;    /* struct text_list, replaces */
config_setter config_set_path_or_none; /* the same; may be empty */

/* ---- config_output.c ---- */

#define OUTPUT_KEYS 13u
extern const struct config_key output_keys[OUTPUT_KEYS];
/* Finds the output of this name, or makes it. *ret is borrowed, until the next one is made. */
int config_output_section(struct config *config, const char *name, const char *path, unsigned line,
        struct config_output **ret, struct err *err);
/* That each is whole, and has no key of another type. */
int config_outputs_check(const struct config *config, struct err *err);
void config_output_done(struct config_output *output);

/* -EINVAL if one path is in two files scopes. where[i] ("file:line" of scopes[i]) starts the words; NULL:
 * file does. */
int scopes_check_paths(const struct scope *scopes, size_t n_scopes, const char *const *where,
        const char *file, struct err *err);
