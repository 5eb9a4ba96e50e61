/* SPDX-License-Identifier: MIT */
/*
 * The store: one SQLite database, one connection, held by one program at a time (an exclusive lock; a second
 * opener gets STORE_BUSY). It keeps the history, the ledger, baselines with their approvals, trust files,
 * kept content.
 *
 * The history is an RFC 6962 log (SHA-256, leaf prefix 0x00, node prefix 0x01): each record a leaf, and the
 * tree head after it is written in the same transaction, so that store_verify names the first record that is
 * wrong.
 *
 * Nothing here judges. Everything is for one thread. Every writing call must stand between store_begin and
 * store_commit; a commit that returns 0 is durable (WAL, synchronous=FULL). A write that fails (-ENOSPC,
 * -EIO, -EROFS, …) dooms its transaction: nothing more is written in it, and store_commit returns that first
 * failure. What is refused for its form (-EINVAL, -EEXIST, -EFBIG, a record's -E2BIG) changed nothing and
 * dooms nothing. A visit callback may read but not write (-EBUSY).
 */
#pragma once

#include <stdint.h>

#include "core/buf.h"
#include "core/digest.h"
#include "core/err.h"
#include "core/json.h"
#include "core/merkle_proof.h"
#include "core/merkle_range.h"
#include "core/snapshot.h" /* inode_id */

#define STORE_DAMAGED_HINT                                                                                   \
        "start driftd anew: it sets the store aside, and makes a new one from the signed files beside it"
#define STORE_SCHEMA 4                              /* PRAGMA user_version */
#define STORE_ITEM_MAX 65536u                       /* bytes of an item's text */
#define STORE_DETAIL_MAX (1u << 20)                 /* bytes of a record's detail */
#define STORE_VALUE_MAX ((size_t)12 << 20)          /* bytes of a named value */
#define STORE_CONTENT_MAX (1u << 20)                /* bytes of one kept content */
#define STORE_CONTENT_TOTAL_MAX ((int64_t)64 << 20) /* bytes of kept content, all together */

enum store_result {
        STORE_BUSY = 1,     /* another program holds it */
        STORE_DAMAGED = 2,  /* not a database, quick_check failed, or the schema is not ours */
        STORE_NEWER = 3,    /* written by a newer version */
        STORE_TAMPERED = 4, /* store_verify: the words name the first wrong record */
        STORE_NONE = 5,     /* no such row */
};

struct store;

enum store_flags {
        STORE_CREATE = 1,    /* make it (0600) if it is not there; otherwise -ENOENT */
        STORE_READ_ONLY = 2, /* for a copy, with or without its -wal: no file beside it, no lock kept */
};

/*
 * path must not be a link (-ELOOP); its folder may. The database file and its -wal are the only files it
 * makes, but for a copy (.renew) while a sync that failed is made good. What is refused (STORE_BUSY,
 * STORE_DAMAGED, STORE_NEWER) is left as it is.
 */
int store_open(const char *path, unsigned flags, struct store **ret, struct err *err);
struct store *store_free(struct store *store); /* rolls back what was not committed */
CLEANUP_DEFINE(struct store *, store_free)

/* The first damage (STORE_DAMAGED) that any call met since it was opened, in words; NULL: none. */
const char *store_damage(struct store *store);

int store_begin(struct store *store, struct err *err); /* may not nest */
/* Not 0: nothing of the transaction is there, and it is closed. (If power is lost before the next one, what a
 * failed sync was to write may be found nevertheless, whole.) */
int store_commit(struct store *store, struct err *err);
/*
 * A whole transaction in a thread of the store's: what write does there (0, or it is rolled back), and its
 * commit. Until it is over, all else that is asked of the store waits, so whoever asks may hold nothing that
 * write needs. Then over is called in that thread (it may not use the store), and store_write_end, which
 * comes before the next and waits for both, says how it came out. false: no thread can be had, and nothing
 * was done.
 */
bool store_write_begin(struct store *store, int (*write)(void *userdata, struct err *err),
        void (*over)(void *userdata), void *userdata);
bool store_write_is_over(const struct store *store);
int store_write_end(struct store *store, struct err *err);
/* Whether, since it was last asked, the files were made anew after a sync that failed: store_own_files are
 * others. */
bool store_was_renewed(struct store *store);
void store_rollback(struct store *store); /* harmless outside a transaction */
/* Lets go of the pages that are kept in memory: they are read again when they are needed. */
void store_forget_pages(struct store *store);

/* ---- history ---- */

/* The record's bytes (the leaf) are {"seq":…,"time":"…","kind":"…","item":…,"detail":{…}}, compact JSON in
 * this order. */
struct record {
        uint64_t seq; /* from 1 */
        int64_t time_ms;
        const char *kind;
        const char *item; /* NULL: none */
        const char *body; /* the leaf's bytes, NUL-terminated; borrowed for the callback's time */
};

/*
 * detail may be NULL ({}); its reference is kept by the caller. ret_seq may be NULL. kind: [a-z_], at most
 * 32; item: escaped. A time that RFC 3339 cannot write is recorded as the nearest that it can. STORE_DAMAGED
 * if the head does not fit the records.
 */
int store_record(struct store *store, int64_t time_ms, const char *kind, const char *item,
        const struct json *detail, uint64_t *ret_seq, struct err *err);

struct record_query {
        int64_t since_ms, until_ms; /* 0 (and for until INT64_MAX): open; since included, until excluded */
        uint64_t after_seq;         /* only later ones */
        uint64_t last_seq;          /* 0: open; included */
        bool narrowed;              /* after_seq and last_seq allow for the times */
        const char *kind;           /* NULL: any */
        char *const *items;         /* item patterns (item.h); none: any, with or without an item */
        size_t n_items;
        uint64_t limit;    /* 0: none; the *first* that fit */
        uint64_t rows_max; /* 0: none; records looked at, whether they fit or not */
};
/* In order of seq. visit returning non-zero stops and is returned. */
int store_records(struct store *store, const struct record_query *query,
        int (*visit)(void *userdata, const struct record *record), void *userdata, struct err *err);
/* The same in pieces: *ret_reached is the after_seq to go on with where limit or rows_max ended it, 0 at the
 * end. */
int store_records_some(struct store *store, const struct record_query *query,
        int (*visit)(void *userdata, const struct record *record), void *userdata, uint64_t *ret_reached,
        struct err *err);
/*
 * The first and the last record whose time is in since_ms <= time < until_ms; STORE_NONE. Where the clock was
 * set back, records of other times may stand between.
 */
int store_records_span(struct store *store, int64_t since_ms, int64_t until_ms, uint64_t *ret_first,
        uint64_t *ret_last, struct err *err);
/* The last record of a kind before a seq, among the rows_max before it; STORE_NONE. */
int store_record_before(struct store *store, uint64_t seq, const char *kind, uint64_t rows_max,
        uint64_t *ret_seq, struct err *err);
/* Turns the times into seqs, once for all the pieces. */
int store_records_narrow(struct store *store, struct record_query *query, struct err *err);

struct tree_head {
        uint64_t size;
        struct digest root; /* size 0: SHA-256 of nothing */
};
int store_head(struct store *store, struct tree_head *ret, struct err *err);
/* The newest record's time and kind; STORE_NONE if there is none. kind is freed by the caller. */
int store_last_record(struct store *store, int64_t *ret_time_ms, char **ret_kind, struct err *err);

/*
 * Recomputes everything: each record's bytes against its columns, the order, the tree head after each, the
 * head, the indices. 0, or STORE_TAMPERED with "record N is the first that is wrong" (or which index) in the
 * words. ret_records may be NULL.
 */
int store_verify(struct store *store, uint64_t *ret_records, struct err *err);
/* The same in slices of rows_max rows, between which records may be appended: verified is what there is when
 * the slice comes that reaches the end. */
#define STORE_VERIFY_ROWS 2048u /* about 20 ms */
struct store_verifier;
int store_verify_begin(struct store *store, struct store_verifier **ret, struct err *err);
int store_verify_some(struct store_verifier *verifier, uint64_t rows_max, bool *ret_done,
        uint64_t *ret_records, struct err *err);
struct store_verifier *store_verifier_free(struct store_verifier *verifier);
CLEANUP_DEFINE(struct store_verifier *, store_verifier_free)

/* ---- proofs: what a copy of a tree head kept elsewhere is held against ---- */

#define STORE_PROOF_INCLUDES_MAX 256u /* records whose place is proved in one pass */
#define STORE_PROOF_OLDS_MAX 64u      /* earlier sizes that are proved consistent in one pass */

struct store_proof_wish {
        uint64_t old;  /* the tree of so many records begins the present one; past its end: no proof of it */
        uint64_t seen; /* another size whose root is asked for */
        const uint64_t *seqs; /* records of which it is proved that they are in the present tree; borrowed */
        size_t n_seqs;        /* -E2BIG past STORE_PROOF_INCLUDES_MAX; -EINVAL where one is not there */
        const uint64_t *olds; /* more sizes as `old`; borrowed for store_prove_begin */
        size_t n_olds;        /* -E2BIG past STORE_PROOF_OLDS_MAX */
        uint64_t first, last; /* a run of records of which it is proved; 0: none. -EINVAL: not there */
};
struct store_proof {
        struct tree_head head;               /* recomputed, and as it is stored */
        struct tree_head old, seen;          /* recomputed; size 0: not asked for, or past the end */
        struct merkle_proof consistency;     /* from old to head */
        const struct merkle_proof *includes; /* n_seqs; the prover's */
        const struct digest *leaves;         /* of the same records */
        const struct merkle_proof *olds;     /* n_olds; of a size past the end without meaning */
        struct merkle_range_proof range;     /* of the run */
};
/*
 * In one pass over the leaves, in slices as store_verify_some. It is of the records that there are at
 * store_prove_begin. STORE_TAMPERED where the leaves do not give the tree head. *ret is borrowed from the
 * prover.
 */
struct store_prover;
int store_prove_begin(
        struct store *store, const struct store_proof_wish *wish, struct store_prover **ret, struct err *err);
int store_prove_some(struct store_prover *prover, uint64_t rows_max, const struct store_proof **ret,
        struct err *err); /* *ret NULL: not yet at the end */
struct store_prover *store_prover_free(struct store_prover *prover);
CLEANUP_DEFINE(struct store_prover *, store_prover_free)

/* ---- ledger: open drifts, by (baseline, item) ---- */

struct ledger_row {
        const char *baseline, *item;
        const char *change; /* changed missing unexpected unknown */
        const char *state;  /* open acknowledged (waived is judged, never stored) */
        const char *severity;
        uint64_t generation; /* of the baseline when it opened */
        int64_t first_seen_ms, last_change_ms;
        uint64_t seq; /* its newest history record; 0: as the row before says */
        bool unobserved;
        const char *attributes; /* JSON array text, as in diff --json */
        const char *observed;   /* hex digest of the observed attributes' text, or "" when missing: tells
                                   approved from reverted */
        const char *ack_by, *ack_reason; /* NULL where not acknowledged */
        int64_t ack_ms;
        const char *cause; /* JSON object text: what is known to have caused it; NULL: nothing is */
        const char *who;   /* JSON object text: whose events were seen; NULL: nobody's */
};
int ledger_put(struct store *store, const struct ledger_row *row, struct err *err);
/* Harmless if it is not there. */
int ledger_remove(struct store *store, const char *baseline, const char *item, struct err *err);
/* All rows, ordered by baseline then item; strings live for the callback's time. */
int ledger_each(struct store *store, int (*visit)(void *userdata, const struct ledger_row *row),
        void *userdata, struct err *err);

/* ---- baselines, approvals, trust: kept as the signed bytes they are ---- */

struct baseline_row {
        const char *name;
        uint64_t generation;
        struct digest id;
        int64_t applied_ms;
        bool active;
        bool retired;
        const char *header;  /* the header lines of the text: kept always */
        const char *signers; /* blank-separated */
        bool has_text;       /* false: the body of an old generation was dropped (keep_bodies) */
};
/*
 * The bytes of a generation: its text; and, if it has most of it in common with another one, a delta from
 * that (core/baseline_delta.h), which is kept in the text's place where it is much smaller and the other's
 * text is kept whole. delta NULL: there is none.
 */
struct baseline_body {
        const struct iovec *text;
        size_t n, size; /* pieces and bytes of the text */
        const char *delta;
        size_t delta_size;
        struct digest from; /* the other's id */
};
/* Adds a generation (row: active, retired and has_text are not read) and makes it the active one of its name.
 * -EEXIST if it is there already. */
int store_baseline_put(struct store *store, const struct baseline_row *row, const struct baseline_body *body,
        const void *approvals, size_t approvals_size, struct err *err);
/* Other approvals and signers of a generation; STORE_NONE if it is not there. */
int store_baseline_approve(struct store *store, const char *name, uint64_t generation, const char *signers,
        const void *approvals, size_t approvals_size, struct err *err);
/* No generation of it is active any more; STORE_NONE if none was. */
int store_baseline_retire(struct store *store, const char *name, struct err *err);
/* name NULL: all. Ordered by name, then generation. */
int store_baselines(struct store *store, const char *name,
        int (*visit)(void *userdata, const struct baseline_row *row), void *userdata, struct err *err);
/* The bytes; generation 0: the active one. ret_text is malloc'ed. STORE_NONE: no such generation, or its body
 * was dropped (the words say which). Unverified: they are what the database holds. Where ret_delta is not
 * empty then, it makes the generation's text of what is in ret_text, which is another one's. ret_text NULL:
 * only the approvals, which are kept always. ret_approvals may be NULL. */
int store_baseline_get(struct store *store, const char *name, uint64_t generation, char **ret_text,
        size_t *ret_size, struct buf *ret_delta, struct buf *ret_approvals, struct err *err);
/* Drops the text (not the header and approvals) of all but the newest `keep` generations of each name; never
 * of an active one, of one whose review is due (a value "review:NAME@GENERATION"), or of one that a kept one
 * is a delta of. */
int store_bodies_trim(struct store *store, unsigned keep, struct err *err);

/* Trust files in force, in order; the newest is the one in force. */
int store_trust_put(struct store *store, uint64_t generation, const struct digest *id, int64_t time_ms,
        bool first_use, const void *text, size_t size, const void *approval, size_t approval_size,
        struct err *err);
/* All of them, in order; visit returning non-zero stops and is returned. What is passed lives for its time.
 */
struct trust_row {
        uint64_t generation;
        struct digest id;
        int64_t time_ms;
        bool first_use;
        const void *text, *approval;
        size_t size, approval_size;
};
int store_trusts(struct store *store, int (*visit)(void *userdata, const struct trust_row *row),
        void *userdata, struct err *err);
/* The newest; STORE_NONE. ret_first_use_only: it was taken on first use, and no successor was ever signed.
 * Each ret may be NULL. */
int store_trust_get(struct store *store, uint64_t *ret_generation, struct digest *ret_id,
        struct buf *ret_text, bool *ret_first_use_only, struct err *err);

/* ---- kept content (for line diffs), by digest ---- */

/* Putting again makes it new again. -EINVAL if the digest is not that of the bytes, -EFBIG past
 * STORE_CONTENT_MAX. Past the total, what no active baseline's text names goes before what one does, the
 * oldest first. */
int store_content_put(struct store *store, const struct digest *digest, const void *body, size_t size,
        int64_t time_ms, struct err *err);
/* STORE_NONE; STORE_DAMAGED if the bytes are not those of the digest. */
int store_content_get(struct store *store, const struct digest *digest, struct buf *ret, struct err *err);
bool store_content_has(struct store *store, const struct digest *digest);

/* ---- small named values (alive time, growing files' known prefixes, …) ---- */
/* value NULL removes. */
int store_value_put(struct store *store, const char *key, const char *value, struct err *err);
int store_value_get(struct store *store, const char *key, char **ret_value, struct err *err); /* STORE_NONE */
int store_values_each(struct store *store, const char *key_prefix,
        int (*visit)(void *userdata, const char *key, const char *value), void *userdata, struct err *err);

/* A consistent copy while it runs (SQLite's backup interface) into a new file (0600) that needs nothing
 * beside it; -EEXIST if something is there, -EBUSY within a transaction. What fails half-way leaves no file.
 */
int store_backup(struct store *store, const char *path, struct err *err);

/* Our own database files (database, -wal, -journal, …), for snapshot_wish.own; returns how many, at most 4.
 * None is opened. */
size_t store_own_files(const char *path, struct inode_id ret[static 4]);
