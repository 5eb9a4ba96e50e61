/* SPDX-License-Identifier: MIT */
/*
 * The configuration (driftd.conf(5)): one table of sections and keys. Reads FILE and, beside it, conf.d/ *.conf in
 * byte order. A key in a later file replaces the earlier one (repeatable keys: adds); the same section twice in one
 * file, an unknown section or key, a bad value: refused with file:line and what would be right.
 */
#pragma once

#include "core/err.h"
#include "core/scope.h"

#define CONFIG_DEFAULT_PATH "/etc/driftd/driftd.conf"

struct config {
        char *file; /* as given; all relative paths are refused */
        char *state_dir, *runtime_dir, *trust, *packs;
        int64_t full_interval_s, quick_interval_s;
        unsigned workers;      /* 0: auto */
        uint64_t max_rate;     /* MiB/s; 0: no limit */
        unsigned keep_bodies;
        struct scope *scopes;  /* files scopes by name, then the settings that are enabled; paths not yet resolved */
        size_t n_scopes;
};

/* -ENOENT, -EINVAL … with words. */
int config_load(const char *file, struct config **ret, struct err *err);
struct config *config_free(struct config *config);
CLEANUP_DEFINE(struct config *, config_free)

/* Paths derived from it; to be freed. */
char *config_database(const struct config *config);  /* state_dir/driftd.db */
char *config_high_water(const struct config *config); /* state_dir/high-water */
char *config_socket(const struct config *config);    /* runtime_dir/control.sock */

/*
 * The scopes as they would be proposed: each path's links resolved (realpath) where it exists, sorted, content_within =
 * twice full_interval. Freed with scopes_free.
 */
int config_scopes_resolved(const struct config *config, struct scope **ret, size_t *ret_count, struct err *err);
struct scope *scopes_free(struct scope *scopes, size_t n_scopes);

/* The commented default files, as they ship in etc/ (a test compares): for `driftctl init`. */
extern const char config_default_text[];
