/* SPDX-License-Identifier: MIT */
/* What the files of evidence share among themselves. */
#pragma once

#include "core/baseline.h"
#include "core/coverage.h"
#include "core/evidence.h"
#include "core/merkle_range.h"
#include "core/trust.h"

#define EVIDENCE_KINDS_MAX 64u /* kinds of records that are counted apart */

struct evidence_file {
        char *name; /* "records.jsonl", "trust/1.conf" */
        struct digest digest;
        bool has_digest;
};

/* A bless or adopted record. */
struct evidence_bless {
        uint64_t seq, generation;
        char name[NAME_MAX_SIZE];
        struct digest id, trust_id;
        bool adopted;
        bool has_baseline; /* it is in the bundle */
        struct json *detail;
};

struct evidence_trust {
        uint64_t generation;
        struct trust *trust;
        struct buf text; /* for README.txt */
};

struct evidence_baseline {
        char name[NAME_MAX_SIZE];
        uint64_t generation;
        char *file; /* "baselines/host@3.baseline" */
        bool has_text;
        struct digest id, parent;
        bool has_parent, any_host;
        bool before;        /* in force when the run began: not blessed in it */
        bool before_proved; /* by the parent of the next, or by the checkpoint */
        uint64_t trust_generation;
        struct json *signers;   /* who approved it when it was applied */
        struct json *reviewers; /* who approved it afterwards (an urgent change) */
};

struct evidence {
        int folder;
        char path[512]; /* for words */
        bool building;  /* SHA256SUMS, summary and coverage are still to be written */
        enum evidence_check at;
        struct digester *digester;
        struct evidence_file *files; /* by name */
        size_t n_files;
        const struct evidence_anchor *anchor;
        char host[HOST_ID_MAX];
        struct evidence_period period;
        struct note_key key;
        struct checkpoint checkpoint;
        struct merkle_range_proof range;
        /* of the records */
        uint64_t first, last; /* of the period */
        bool clock_back;      /* a record's time is before that of the one before it */
        int64_t last_ms;      /* of the last record */
        bool last_is_stop;
        struct {
                char kind[33];
                uint64_t count;
        } kinds[EVIDENCE_KINDS_MAX];
        size_t n_kinds;
        uint64_t severities[3]; /* of drift records: high medium low */
        uint64_t approved, reverted;
        uint64_t changes_left, reverts_left, gaps_left;
        struct json *changes, *reverts, *gaps;
        struct digest trust_now; /* in force, as the records so far tell */
        bool has_trust_now;
        struct evidence_bless *blesses;
        size_t n_blesses;
        struct coverage_fold *coverage;
        /* the rest */
        struct json *olds;
        struct evidence_trust *trusts;
        size_t n_trusts;
        struct evidence_baseline *baselines;
        size_t n_baselines;
        struct json *summary, *coverage_json, *limits;
};

/* EVIDENCE_REFUSED with words. */
int evidence_refuse(struct evidence *e, struct err *err, const char *format, ...) _printf_(3, 4);

/* ---- evidence_folder.c ---- */

/* Lists it: only names that a bundle can have, only regular files. EVIDENCE_NONE where it is no bundle. */
int evidence_folder_open(const char *folder, struct evidence *e, struct err *err);
/* Reads SHA256SUMS and holds every file against it. */
int evidence_folder_check(struct evidence *e, struct err *err);
bool evidence_has(const struct evidence *e, const char *name);
/* A descriptor, of a regular file. < 0 is -errno. */
int evidence_file_open(const struct evidence *e, const char *name);
/* Appends a file, whose digest must (unless building) be that of SHA256SUMS: what is parsed is what was
 * verified. */
int evidence_file_read(
        struct evidence *e, const char *name, size_t size_max, struct buf *ret, struct err *err);
/* Against its entry in SHA256SUMS. */
int evidence_file_matches(struct evidence *e, const char *name, const struct digest *digest, struct err *err);
/* A new file, 0600, durable. */
int evidence_file_write(struct evidence *e, const char *name, const void *data, size_t size, struct err *err);
int evidence_sums_write(struct evidence *e, struct err *err);

/* ---- evidence_records.c ---- */

int evidence_records_check(struct evidence *e, struct err *err);
int evidence_period_check(struct evidence *e, struct err *err);

/* ---- evidence_signed.c ---- */

int evidence_trust_check(struct evidence *e, struct err *err);
int evidence_baselines_check(struct evidence *e, struct err *err);

/* ---- evidence_words.c ---- */

/* e->summary, e->coverage_json, e->limits. */
int evidence_documents_make(struct evidence *e, struct err *err);
int evidence_controls_append(struct buf *buf);
struct json *evidence_controls_json(void);
int evidence_readme_append(const struct evidence *e, struct buf *buf);
