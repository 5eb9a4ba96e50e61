/* SPDX-License-Identifier: MIT */
/*
 * The configuration (driftd.conf(5)): one table of sections and keys. Reads FILE and, beside it, conf.d/
 * *.conf in byte order. A key in a later file replaces the earlier one (repeatable keys: adds); the same
 * section twice in one file, an unknown section or key, a bad value: refused with file:line and what would be
 * right.
 */
#pragma once

#include "core/err.h"
#include "core/scope.h"

#define CONFIG_DEFAULT_PATH "/etc/driftd/driftd.conf"
#define CONFIG_PARTS_MAX 256u /* files in conf.d */
#define CONFIG_SCOPES_MAX 1024u
#define CONFIG_LIST_MAX 4096u /* paths, or exclusions, of one scope */
#define CONFIG_WORKERS_MAX 64
#define CONFIG_RATE_MAX 1048576 /* MiB/s */
#define CONFIG_CPU_MAX 6400     /* percent of one processor */
#define CONFIG_BODIES_MAX 100000

#define CONFIG_OUTPUTS_MAX 16u
#define CONFIG_ITEMS_MAX 256u     /* globs of one output */
#define CONFIG_ARGUMENTS_MAX 64u  /* words of one command */
#define CONFIG_INTERVAL_MAX 86400 /* seconds, of an output */

enum output_type { OUTPUT_ECS, OUTPUT_SYSLOG, OUTPUT_OPENMETRICS, OUTPUT_COMMAND, OUTPUT_TYPE_COUNT };
extern const char *const output_type_names[OUTPUT_TYPE_COUNT];

/* [output NAME]: where records of the history go (driftctl output run). */
struct config_output {
        char name[NAME_MAX_SIZE];
        enum output_type type;
        char *path;               /* ecs, openmetrics; raw bytes */
        char *socket;             /* syslog over a local socket: its path, raw bytes; else NULL */
        char *host, *port;        /* syslog over TCP; else NULL */
        struct text_list command; /* command: the program and its arguments, raw bytes */
        unsigned facility;        /* syslog: 0 to 23 */
        uint64_t enterprise;      /* syslog: the number in the structured data's name */
        int64_t interval_s;       /* openmetrics */
        int64_t timeout_s;        /* command */
        int64_t fold_s;           /* 0: nothing is folded */
        unsigned severities;      /* bits by enum severity; all: what has none is told, too */
        struct text_list items;   /* globs; none: all */
        struct text_list kinds;   /* none: those of the default */
        bool from_now;            /* without a cursor: from the present on, not from the first record */
        unsigned given;           /* keys that were set: bits by their row */
        char *where;              /* "file:line" of its section */
        unsigned last_file;
};
/* Whether its kinds hold this one. */
bool config_output_tells(const struct config_output *output, const char *kind);

/* By which way of the kernel folders are watched. */
enum watch_by { WATCH_AUTO, WATCH_INOTIFY, WATCH_FANOTIFY, WATCH_BY_COUNT };
extern const char *const watch_by_names[WATCH_BY_COUNT];

struct config {
        char *file;                                    /* as given */
        char *state_dir, *runtime_dir, *trust, *packs; /* absolute, raw bytes */
        enum watch_by watch;                           /* wished; auto: fanotify where it can be had */
        int64_t full_interval_s, quick_interval_s;
        unsigned workers;  /* 0: auto */
        uint64_t max_rate; /* MiB/s; 0: no limit */
        unsigned max_cpu;  /* percent of one processor; 0: no limit */
        unsigned keep_bodies;
        bool packages;        /* whether dpkg's transactions are looked for */
        char *packages_root;  /* absolute, raw bytes */
        struct scope *scopes; /* content_within is set; files scopes by name, then the settings that are
                                 enabled; paths not yet resolved */
        size_t n_scopes;
        struct config_output *outputs; /* in the order of the files */
        size_t n_outputs;
};

/* -ENOENT, -EINVAL … with words. */
int config_load(const char *file, struct config **ret, struct err *err);
/* The same for one text, without conf.d: for text that is not in its place yet. path is for the words only.
 */
int config_parse(const char *path, const char *text, size_t size, struct config **ret, struct err *err);
struct config *config_free(struct config *config);
CLEANUP_DEFINE(struct config *, config_free)

/* Paths derived from it; to be freed. */
char *config_database(const struct config *config);   /* state_dir/driftd.db */
char *config_high_water(const struct config *config); /* state_dir/high-water */
char *config_shelf(const struct config *config);      /* state_dir/baselines */
char *config_socket(const struct config *config);     /* runtime_dir/control.sock */
char *config_output_dir(const struct config *config); /* state_dir/output */

/*
 * The scopes as they would be proposed: links resolved where they exist (in paths wholly; in exclusions in
 * the folders before the first glob), sorted, a path that led into another path of its scope dropped,
 * content_within = twice full_interval. -EINVAL if two scopes come to the same path. Freed with scopes_free.
 */
int config_scopes_resolved(
        const struct config *config, struct scope **ret, size_t *ret_count, struct err *err);
/* How a domain of settings is looked at: as configured, else by the defaults. Done by the caller with
 * scope_done; also after a failure (-ENOMEM). */
int config_probe_scope(
        const struct config *config, enum scope_domain domain, struct scope *ret, struct err *err);
struct scope *scopes_free(struct scope *scopes, size_t n_scopes);

/* The default file, the bytes of etc/driftd.conf: for `driftctl init`. */
extern const char config_default_text[];
