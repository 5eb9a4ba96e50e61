/* SPDX-License-Identifier: MIT */
/*
 * Approvals: a person's signed statement naming ids (driftd-approval(5)). An approval file holds one or
 * more, concatenated:
 *
 *     driftd-approval 1
 *     by alice
 *     at 2026-11-23T18:04:00Z
 *     key-on-host no
 *     baseline <id> <name> <host> <generation>     (one or more, sorted by memcmp, no two the same), or
 *     trust <id> <generation>                      (exactly one, namespace trust@driftd), or
 *     window <id>                                  (exactly one, namespace window@driftd)
 *     -----BEGIN SSH SIGNATURE-----
 *
 * Verify, then parse the same bytes: approvals_parse checks form only and approval_verify the signature;
 * the trust module decides whose signature counts.
 */
#pragma once

#include "core/buf.h"
#include "core/digest.h"
#include "core/err.h"
#include "core/item.h"
#include "core/sshsig.h"

#define APPROVAL_FILE_MAX (8u << 20) /* bytes: room for APPROVALS_MAX of the smallest */
#define APPROVALS_MAX 16384u         /* in one file */
#define APPROVAL_SUBJECTS_MAX 8192u  /* lines in one approval */

struct approval {
        const char *text; /* the signed bytes: borrowed from what was parsed */
        size_t text_size;
        const char *armor; /* borrowed, follows the text */
        size_t armor_size;
        char by[NAME_MAX_SIZE];
        int64_t at_ms;
        bool key_on_host;
        bool for_trust;  /* subject is a trust file, else … */
        bool for_window; /* … a window, else baselines */
};

enum approval_result {
        APPROVAL_MALFORMED = 1, /* form: says in which line */
};

/* Takes a file apart, without touching a signature. ret_list is freed by the caller; it borrows from text. */
int approvals_parse(
        const char *text, size_t size, struct approval **ret_list, size_t *ret_count, struct err *err);

/* Whether this approval names exactly that baseline / trust file. */
bool approval_names_baseline(const struct approval *approval, const struct digest *id, const char *name,
        const char *host, uint64_t generation);
bool approval_names_trust(const struct approval *approval, const struct digest *id, uint64_t generation);
bool approval_names_window(const struct approval *approval, const struct digest *id);

/* The text to be signed. Subjects may come in any order; they are sorted. */
struct approval_subject {
        struct digest id;
        const char *name; /* NULL: a trust file or a window */
        const char *host; /* NULL for those */
        uint64_t generation;
        bool window;
};
/* The namespace in which it is signed. */
const char *approval_namespace(const struct approval *approval);
const char *approval_subject_namespace(const struct approval_subject *subject);
int approval_write(const char *by, int64_t at_ms, bool key_on_host, const struct approval_subject *subjects,
        size_t n_subjects, struct buf *ret, struct err *err);
