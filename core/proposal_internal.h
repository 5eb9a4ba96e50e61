/* SPDX-License-Identifier: MIT */
/* What the files of the proposal share: a proposal in the making. */
#pragma once

#include <pthread.h>

#include "core/proposal.h"

struct making {
        const struct proposal_request *request;
        struct scope *scopes; /* as they will stand in the proposal: borrowed members, own excludes */
        size_t n_scopes;
        bool parent_scopes; /* they are the parent's, unchanged */
        pthread_mutex_t lock;
        struct text_list lines;    /* "file …\n" */
        struct text_list settings; /* "set …\n" */
        struct buf refused;
        unsigned n_refused;
        bool out_of_memory;
};

/* Whether what is live now stands in the proposal, and not the parent's word. */
bool proposal_takes(const struct making *making, const char *item);
/* The whole proposal is refused, and this is named among the reasons. Under the lock. */
void proposal_refuse(struct making *making, const char *what, const char *why);

/* proposal_setting.c: looks at the settings that are taken live; their lines, with those of the parent that
 * stay. */
int proposal_look_settings(struct making *making, struct err *err);
int proposal_append_settings(const struct making *making, struct buf *ret);
