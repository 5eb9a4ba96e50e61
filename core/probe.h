/* SPDX-License-Identifier: MIT */
/*
 * Probes: what settings are in force, one domain each. A probe reads the host and gives items with their
 * views; it judges nothing. A new domain is one file (core/probe_NAME.c) and one row of the table in probe.c.
 *
 * The rule: report what is in force, where it comes from, and what the next restart would change. What cannot
 * be read is unknown, with its reason; it is never a value, and never silently left out. A probe changes
 * nothing on the host, opens no connection, and comes back before its deadline.
 *
 * Items (escaped, item.h) have the forms `sysctl:KEY`, `sshd:KEYWORD`, `sshd[CONTEXT]:KEYWORD`,
 * `openssl:SECTION/NAME`; facts that are no key of the software are named as a path under the domain
 * (`sshd:config/accepted`), and values that are worked out from others end in `@effective`,
 * `@after_restart`, or `@` and the name of the program that would set them (`@procps`).
 */
#pragma once

#include <stdatomic.h>

#include "core/err.h"
#include "core/scope.h"

#define PROBE_TIMEOUT_MS 10000            /* of a whole look at a domain */
#define PROBE_VALUE_MAX ((size_t)1 << 16) /* bytes of one value; a longer one is unknown, with EFBIG */
#define PROBE_SETTINGS_MAX 131072u        /* of a domain; past it the domain is unknown */

struct probe_setting {
        char *item;       /* escaped, owned, as all texts here */
        char *value;      /* in force; raw bytes without NUL; NULL where it could not be read */
        char *configured; /* what the configuration says; NULL: nothing configures it */
        char *source;     /* FILE:LINE (raw) of what configures it; NULL as above */
        char *overridden; /* another value that the configuration says as well, where it does not count;
                             NULL: there is none, or it is not known */
        char *overridden_source; /* FILE:LINE (raw) of that; NULL as above */
        char *after_restart;     /* what it will be once the software, or the host, starts again; NULL: as the
                                    software has it by itself, or not known */
        char *reason;            /* where value is NULL: why, in words. Beside a value: why configured and
                                    after_restart are not known (then they are NULL) */
        int error;               /* the errno behind the reason, where one is; 0 */
        const char *expectation; /* static; NULL, or `OPERATOR VALUE` (as in a set line), which a snapshot
                                    expects instead of `eq` and the value */
        bool derived; /* worked out from others: a policy may name it, but no snapshot expects it and no scope
                         closes it */
};

struct probe_reading {
        struct probe_setting *list; /* sorted by item (memcmp), none twice */
        size_t count;
        char *incomplete; /* why there may be items that are not in the list: what is not in it is unknown
                             then, and not gone; NULL: the list is whole. Owned */
        struct text_list watched; /* raw absolute paths of files and folders: once one of them is edited, made
                                     or removed another look is due at once */
};

struct probe_request {
        const struct scope *scope; /* the parameters; its exclusions are applied by who judges, not here, but
                                      what they cover need not be read */
        char *const *items; /* only what these patterns select (item_selected) is asked for, and more may be
                               given; none: all. A probe that is quick anyway ignores it */
        size_t n_items;
        const char *helpers;       /* raw path of the folder of the helper programs */
        unsigned timeout_ms;       /* 0: PROBE_TIMEOUT_MS */
        const atomic_bool *cancel; /* may be NULL */
};

enum probe_result {
        PROBE_FAILED = 1, /* nothing can be said of the domain: err says why, and what to do */
        PROBE_ABSENT = 2, /* the same, and for sure because the software is not on this host */
};

struct probe {
        enum scope_domain domain;
        unsigned interval_s;       /* between whole looks where nothing asks for one */
        unsigned named_interval_s; /* between looks at the items that policies name; 0: with the whole looks
                                      only */
        /* 0, PROBE_FAILED, or < 0 (-ENOMEM, -ECANCELED): then *ret may be partly filled, and is done by the
         * caller. */
        int (*read)(const struct probe_request *request, struct probe_reading *ret, struct err *err);
};

/* NULL for files. */
const struct probe *probe_of(enum scope_domain domain);
/* Calls it, then sorts, and refuses (PROBE_FAILED) what a probe must not give: the same item twice, too many.
 */
int probe_read(const struct probe_request *request, struct probe_reading *ret, struct err *err);

/* Takes the texts of setting over (also on failure); -ENOMEM. For probes. */
int probe_add(struct probe_reading *reading, const struct probe_setting *setting);
/* By item; NULL: not there. */
const struct probe_setting *probe_find(const struct probe_reading *reading, const char *item);
void probe_setting_done(struct probe_setting *setting);
void probe_reading_done(struct probe_reading *reading);
#define _cleanup_probe_reading_ _cleanup_(probe_reading_done)

/* The folder of the helpers: that of the running program if it was built there, else the one of the
 * installation. To be freed. */
char *probe_helpers(void);
