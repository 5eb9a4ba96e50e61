/* SPDX-License-Identifier: MIT */
/*
 * The parts of the openssl probe: our own reader of openssl.cnf, which only says where a value comes from;
 * the helper driftd-openssl, which says what is in force; and the processes that still run an old library.
 *
 * The helper's commands, and the lines `NAME VALUE` (VALUE escaped) that it answers, in any order but for
 * `sandbox` first and `end` last:
 *
 *     where             version openssldir config libssl libcrypto
 *     effective FILE    min_protocol max_protocol security_level options ciphers ciphersuites providers fips
 *                       protocols groups signature_algorithms; or, alone: problem
 *     accepted FILE     accepted (`yes`, `no: why`)
 *     certificates F... N.not_after N.bits N.type, or N.problem (`ERRNO words`), for the N-th file from 0
 */
#pragma once

#include "core/buf.h"
#include "core/probe.h"

/* ---- reading openssl.cnf (config(5)) ---- */

#define OPENSSL_CONFIG_FILE_MAX ((size_t)1 << 20)     /* bytes of a file */
#define OPENSSL_CONFIG_FILES_MAX 256u                 /* read, a file that is included twice counts twice */
#define OPENSSL_CONFIG_DEPTH_MAX 16u                  /* includes in includes */
#define OPENSSL_CONFIG_VALUES_MAX 8192u               /* assignments */
#define OPENSSL_CONFIG_VALUE_MAX ((size_t)1 << 16)    /* bytes of a value; OpenSSL's own bound */
#define OPENSSL_CONFIG_EXPANDED_MAX ((size_t)8 << 20) /* bytes of all values */

struct openssl_config_value {
        char *section, *name, *value; /* owned, raw */
        size_t file;                  /* index in files */
        unsigned line;                /* where it begins, from 1 */
        bool replaced;                /* the same name was assigned again in its section */
        struct openssl_config_value *next;
};

#define OPENSSL_CONFIG_BUCKETS 1024u

struct openssl_config {
        struct openssl_config_value **values; /* in order of assignment */
        size_t n_values;
        struct openssl_config_value *buckets[OPENSSL_CONFIG_BUCKETS];
        size_t expanded;          /* bytes of all values so far */
        struct text_list files;   /* raw paths, as they were named; all were read */
        struct text_list watched; /* these, and folders and files that are included but not there */
};

enum openssl_config_result {
        OPENSSL_CONFIG_ABSENT = 1, /* there is no such file: OpenSSL goes on without */
        OPENSSL_CONFIG_WRONG,      /* OpenSSL refuses the whole of it */
        OPENSSL_CONFIG_UNREADABLE, /* it cannot be read, or is more than is read: nothing can be said */
};

enum openssl_config_found { OPENSSL_CONFIG_NOTHING, OPENSSL_CONFIG_FILE, OPENSSL_CONFIG_FOLDER };

/*
 * How files are got. *ret_found; a file's text is appended, the names in a folder are added, in the order in
 * which readdir(3) gives them, as OpenSSL takes them. OPENSSL_CONFIG_UNREADABLE, -ENOMEM.
 */
typedef int openssl_config_loader(void *userdata, const char *path, enum openssl_config_found *ret_found,
        struct buf *text, struct text_list *names, struct err *err);

/* The real one; links are followed. */
openssl_config_loader openssl_config_load;

/*
 * Reads path and what it includes as OpenSSL 3 does. 0, one of the above, or -ENOMEM; in each case *ret holds
 * what was read until then, and is to be freed with openssl_config_done.
 */
int openssl_config_read(const char *path, openssl_config_loader *load, void *userdata,
        struct openssl_config *ret, struct err *err);
void openssl_config_done(struct openssl_config *config);
#define _cleanup_openssl_config_ _cleanup_(openssl_config_done)

/* Of a section, or of the one called default; NULL. */
const struct openssl_config_value *openssl_config_find(
        const struct openssl_config *config, const char *section, const char *name);
/* The name of the section that openssl_conf, ssl_conf and system_default lead to; NULL: they lead nowhere. */
const char *openssl_config_system_default(const struct openssl_config *config);
/* What a command (SSL_CONF_cmd(3)) of a section was last given, without regard to case and to what stands
 * before the first dot of its name; NULL. */
const struct openssl_config_value *openssl_config_command(
        const struct openssl_config *config, const char *section, const char *command);

/* ---- processes on an old library ---- */

/* Adds `openssl:stale_library`, and `openssl:stale_library/PROGRAM` for each program that runs a libssl or
 * libcrypto that was deleted. root: raw path of procfs. -ENOMEM, -ECANCELED. */
int probe_stale(const char *root, int64_t deadline_ms, const atomic_bool *cancel, struct probe_reading *ret);
