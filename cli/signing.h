/* SPDX-License-Identifier: MIT */
/*
 * Who signs, with what: the options --key, --ssh-key and --ssh-agent, and the approvals that come out. The
 * name is known before anything is unlocked, so that a proposal can carry it and a person can be shown what
 * they are about to sign.
 */
#pragma once

#include "cli/cli.h"
#include "cli/transfer.h"
#include "core/secret.h"

struct signing {
        char by[NAME_MAX_SIZE];
        struct ssh_key key;
        bool from_file;        /* the key is read on this host (an agent may be forwarded) */
        bool sealed;           /* a passphrase will be asked */
        const char *file;      /* borrowed; NULL: agent */
        struct buf text;       /* the key file's bytes, wiped at the end */
        struct signer *signer; /* NULL until signing_unlock, for a native key */
};
void signing_done(struct signing *signing);
#define _cleanup_signing_ _cleanup_(signing_done)

/* Finds key and name. trust may be NULL: then an SSH key needs --as. 0 or an exit code with words. */
int signing_open(struct cli *cli, const struct trust *trust, struct signing *ret, struct err *err);
/* Asks the passphrase if one is needed, up to three times. */
int signing_unlock(struct signing *signing, struct err *err);

/* Whether an approval of these must say key-on-host: the key is read on a host that one of them is for. */
bool signing_is_on_host(
        const struct signing *signing, const struct approval_subject *subjects, size_t n_subjects);

/* One signed approval of all the subjects, appended to ret. */
int signing_approve(const struct signing *signing, const struct approval_subject *subjects, size_t n_subjects,
        bool key_on_host, struct buf *ret, struct err *err);

struct approval_subject subject_of(const struct baseline *baseline); /* borrows its names */

/*
 * `file` (may be empty) with `fresh` added; an approval of exactly the same subjects by the same person is
 * replaced. Appended to ret. 0 or an exit code with words (what is there is no approval file).
 */
int approvals_merge(const struct buf *file, const struct buf *fresh, struct buf *ret, struct err *err);
