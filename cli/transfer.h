/* SPDX-License-Identifier: MIT */
/*
 * Texts to and from the daemon, in pieces: baselines, approvals, proposals, the trust file. And the same
 * texts from files, with their approvals beside them (FILE.approval).
 */
#pragma once

#include "cli/cli.h"
#include "core/baseline.h"
#include "core/note.h"
#include "core/trust.h"

/* A baseline and the approvals that came with it (empty: none). */
struct signed_text {
        struct baseline *baseline;
        struct buf approvals;
};
void signed_text_done(struct signed_text *text);
#define _cleanup_signed_ _cleanup_(signed_text_done)

/* From FILE; approvals only if FILE.approval is there. 0 or an exit code with words. */
int signed_text_read(const char *file, struct signed_text *ret, struct err *err);
/* From the store; generation 0: the active one. */
int signed_text_fetch(
        struct cli *cli, const char *name, uint64_t generation, struct signed_text *ret, struct err *err);
/* Uploads both. parent: the active generation, if the caller has it (else NULL): of a text that follows on it
 * only what differs is sent. */
int signed_text_upload(
        struct cli *cli, const struct signed_text *text, const struct baseline *parent, struct err *err);
/* One text of a kind that Upload knows. */
int text_upload(struct cli *cli, const char *kind, const char *text, size_t size, struct err *err);
char *approval_path(const char *file); /* FILE.approval, to be freed; NULL: out of memory */

struct proposal_wish {
        const char *name;              /* of the baseline */
        const struct text_list *items; /* NULL or empty: all (or nothing, with waivers) */
        const char *ticket, *class;    /* as given; NULL: none, normal */
        int64_t expires_ms;            /* 0: never */
        char author[NAME_MAX_SIZE];
        struct json *waivers; /* reference taken; NULL: none */
        bool retire;
};
/* Fills ticket, class and expires from the options. */
int proposal_wish_options(struct cli *cli, struct proposal_wish *ret, struct err *err);
/* parent: a generation that the caller has (NULL: none). If it is the one that is in force, only what differs
 * comes. */
int proposal_fetch(struct cli *cli, const struct proposal_wish *wish, const struct baseline *parent,
        struct baseline **ret, struct err *err);

/* The trust file in force / a file / the configured one. */
int trust_fetch(struct client *client, struct trust **ret, struct err *err);
int trust_read(const char *path, struct trust **ret, struct err *err);

/* --key VKEY|FILE: a verifier key, or a file with one in a line. */
int vkey_read(const char *text, struct note_key *ret, struct err *err);

/* Writes an answer to -o FILE (whole or not at all) or to standard output. */
int output_write(const char *file, const void *data, size_t size, struct err *err);
int output_baseline(const char *file, const struct baseline *baseline, struct err *err);

/* "host@12". */
const char *baseline_label(const struct baseline_header *header, char text[static 96]);
