/* SPDX-License-Identifier: MIT */
/*
 * Internal to the sysctl probe: what is known of keys (tables), the configuration that sets them at boot, and
 * where that configuration lies. Keys are raw paths below /proc/sys (`net/ipv4/ip_forward`).
 *
 * Two programs set sysctls at boot, and read almost the same files in almost the same way. Both dialects are
 * here, each to the letter of its program: systemd-sysctl (systemd 252, sysctl.d(5)) and `sysctl --system`
 * (procps 4.0.2, sysctl(8)).
 */
#pragma once

#include <stdint.h>

#include "core/own_view.h"
#include "core/probe.h"

/* probe_sysctl, seen from these namespaces. For tests, which look at a namespace of their own (NULL: as if it
 * were the host's). */
int probe_sysctl_from(const struct probe_request *request, const struct own_namespaces *namespaces,
        struct probe_reading *ret, struct err *err);

/* ---- what is known of keys ---- */

/* Never opened: they move by themselves, reading them acts or warns, they are write-only, or belong to an
 * interface that comes and goes with containers and virtual machines. Of a folder: all below it. */
bool sysctl_is_left_out(const char *key);
/* The value may not be shown: only its digest is. */
bool sysctl_is_secret(const char *key) _pure_;
/*
 * Says something of the machine, not of how it is set up: its names, its kernel, sizes that follow the
 * memory or the number of CPUs, and keys that are drawn at boot. A policy should not name it, and a snapshot
 * should expect of it only that it exists, unless something configures it. key: raw or escaped.
 */
bool sysctl_is_host_fact(const char *key) _pure_;

/*
 * The value in force on one interface, which the kernel works out from the interface's own key, that of
 * `all`, and whether the interface forwards (IN_DEV_… of include/linux/inetdevice.h; for IPv6:
 * ipv6_rthdr_rcv, rt6_do_redirect, ipv6_accept_ra).
 */
enum sysctl_effect {
        SYSCTL_MAX, /* the larger of `all` and the interface's own */
        SYSCTL_MIN,
        SYSCTL_OR,
        SYSCTL_AND,
        SYSCTL_REDIRECTS,     /* as SYSCTL_AND where the interface forwards, else as SYSCTL_OR */
        SYSCTL_OWN_REDIRECTS, /* its own, but 0 where it forwards */
        SYSCTL_OWN_ADVERTS,   /* its own, but where it forwards only 2 is more than 0 */
};

struct sysctl_rule {
        const char *family; /* `net/ipv4/conf/` */
        const char *name;   /* `rp_filter` */
        enum sysctl_effect effect;
        bool needs_all, needs_forwarding;
};
/* The rule for KEY@effective; NULL: it has none, or belongs to `all` or `default`. */
const struct sysctl_rule *sysctl_rule_of(const char *key);
int64_t sysctl_effective(enum sysctl_effect effect, int64_t all, int64_t own, bool forwarding);

/* Canonical: without the last newline, each run of blanks and tabs one blank. NULL: out of memory. */
char *sysctl_value_new(const char *data, size_t size);
/* `sha256:HEX` of a value. NULL: out of memory. */
char *sysctl_digest_new(const char *value);
/*
 * What a key that reads as `running` now will read as once `written` was written to it: numbers in decimal,
 * and of a row of numbers those that are not written as they are now. NULL: out of memory.
 */
char *sysctl_after_writing_new(const char *running, const char *written);

/* ---- what files say ---- */

#define SYSCTL_KEY_MAX 1024u              /* bytes; no longer name is one of a key */
#define SYSCTL_ASSIGNMENTS_MAX 65536u     /* of all files together */
#define SYSCTL_GLOBS_MAX 2048u            /* */
#define SYSCTL_FILES_MAX 1024u            /* */
#define SYSCTL_FILE_MAX ((size_t)1 << 20) /* bytes of one file */

enum sysctl_dialect { SYSCTL_SYSTEMD, SYSCTL_PROCPS, SYSCTL_DIALECT_COUNT };

struct sysctl_assignment {
        char *key;       /* a path, or a glob of paths; owned */
        char *value;     /* canonical; NULL: excluded from globs; owned */
        char *written;   /* the key as it was written, where the program compares that; else NULL; owned */
        size_t file;     /* as given to sysctl_config_parse */
        unsigned line;   /* from 1 */
        size_t position; /* when it is written, relative to others */
        size_t literal;  /* glob: bytes before the first special one */
        bool glob;       /* */
        const struct sysctl_assignment *overridden; /* the nearest before it that gives the same key another
                                                       value; NULL: none. Made by sysctl_config_settle */
};

/* Zero-initialise, with the dialect. */
struct sysctl_config {
        enum sysctl_dialect dialect;
        struct sysctl_assignment *list; /* in the order of the files */
        size_t count;
        size_t n_globs_seen;
        /* Made by sysctl_config_settle: */
        struct sysctl_assignment **by_key; /* those that are no globs: by key, then by position; all of one
                                              key */
        size_t n_keys;
        struct sysctl_assignment **globs; /* by position */
        size_t n_globs;
};

/* Adds the lines of a file; the files in the order that the program reads them. -E2BIG: too many (nothing
 * after the bound was taken); -ENOMEM. */
int sysctl_config_parse(struct sysctl_config *config, size_t file, const char *text, size_t size);
/* Once, after the last file. -ENOMEM. */
int sysctl_config_settle(struct sysctl_config *config);
/* What sets a key: an assignment; one without a value, which keeps globs away from it; NULL: nothing. */
const struct sysctl_assignment *sysctl_config_find(const struct sysctl_config *config, const char *key);
void sysctl_config_done(struct sysctl_config *config);

/* ---- the files of a host ---- */

/* A file or folder that could not be read. */
struct sysctl_trouble {
        char *words; /* of the first; NULL: there was none */
        int error;   /* its errno */
        size_t at;   /* the last place among the files where something is missing; SIZE_MAX: anywhere */
};

struct sysctl_sources {
        struct text_list files;         /* raw paths, in order; assignments name them by index */
        enum sysctl_dialect boots_with; /* systemd-sysctl where it is installed */
        struct sysctl_config configs[SYSCTL_DIALECT_COUNT];
        struct sysctl_trouble troubles[SYSCTL_DIALECT_COUNT];
};

/*
 * Reads the configuration of the host whose root is at raw path `root` ("" for ours). No link leads out of
 * it. Adds what is to be watched to `watched`. -ENOMEM; what cannot be read is a trouble of those that read
 * it.
 */
int sysctl_sources_read(const char *root, struct sysctl_sources *ret, struct text_list *watched);
/* Whether what sysctl_config_find gave is certain in spite of the trouble. */
bool sysctl_sources_is_certain(const struct sysctl_sources *sources, enum sysctl_dialect dialect,
        const struct sysctl_assignment *found);
void sysctl_sources_done(struct sysctl_sources *sources);
