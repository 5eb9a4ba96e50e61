/* SPDX-License-Identifier: MIT */
/* What the files of the instance share among themselves. */
#pragma once

#include <stdatomic.h>

#include "core/instance.h"

struct drift_counts {
        struct instance *instance;
        int64_t now_ms;
        uint64_t drift, unknown, waived;
        uint64_t by_severity[SEVERITY_COUNT]; /* not waived */
};
void instance_count(struct instance *instance, struct drift_counts *ret);

/* Queues a named value (NULL removes), and content to be kept. */
void instance_value(struct instance *instance, const char *key, const char *value);
void instance_keep(struct instance *instance, const struct digest *digest, const char *body, size_t size);

/* instance_flush with more to write in the same transaction. */
int instance_flush_with(struct instance *instance, int (*more)(void *userdata, struct err *err),
        void *userdata, struct err *err);
/* Takes the newest queued record back. */
void instance_unrecord(struct instance *instance);

struct walk_problems {
        struct instance *instance;
        atomic_ullong count, missing;
        char where[512], missing_where[512]; /* the first of each */
};
void instance_walk_problem(void *userdata, const char *path, int error);

/* The people who count, with blanks between. */
int trust_verdict_signers(const struct trust_verdict *verdict, struct buf *ret);

int instance_load_trust(struct instance *instance, struct err *err);
int instance_load_baselines(struct instance *instance, struct err *err);
int instance_load_clock(struct instance *instance, struct err *err);
void instance_drop_baseline_states(struct instance *instance);
/* Whether the configuration would propose other scopes than those that are signed. Looks at the file system.
 */
bool instance_scopes_differ(const struct instance *instance);
void instance_refresh_trust_problems(struct instance *instance);
