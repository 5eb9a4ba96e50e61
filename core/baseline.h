/* SPDX-License-Identifier: MIT */
/*
 * A baseline: a named, numbered list of scopes, expectations and waivers (driftd-baseline(5)), opened from
 * its bytes.
 *
 * One byte sequence has one meaning: LF lines, fields separated by one blank, a fixed header, then `scope`,
 * `file`, `set` and `waive` lines, each kind sorted by memcmp of the lines as they stand (so that `LC_ALL=C
 * sort -c` agrees) and without repetition; whatever is not canonical is refused. The bytes themselves are
 * kept and entries are parsed when looked up: what is judged by is exactly what was verified, and it takes
 * little memory.
 */
#pragma once

#include <sys/uio.h>

#include "core/approval.h"
#include "core/scope.h"
#include "core/setting.h"

#define BASELINE_SIZE_MAX ((size_t)1 << 30) /* bytes */
#define BASELINE_LINE_MAX ((size_t)1 << 20) /* bytes */
#define BASELINE_SCOPES_MAX 1024u
#define HOST_ID_MAX 33 /* 32 hex digits or "*", with the NUL */

enum baseline_class { CLASS_STANDARD, CLASS_NORMAL, CLASS_URGENT, CLASS_COUNT };
extern const char *const class_names[CLASS_COUNT];

struct baseline_header {
        char name[NAME_MAX_SIZE];
        char host[HOST_ID_MAX];
        uint64_t generation; /* from 1 */
        bool has_parent;
        struct digest parent; /* id of the generation before */
        int64_t created_ms;
        int64_t expires_ms; /* INT64_MAX: never */
        char author[NAME_MAX_SIZE];
        char *ticket; /* escaped; NULL: none */
        enum baseline_class class;
};

struct waiver {
        const char *baseline; /* whose drift it waives */
        const char *item;     /* item or glob */
        int64_t until_ms;
        const char *by;
        const char *reason; /* escaped */
};

struct baseline; /* immutable once open; any thread may read it */

enum baseline_result {
        BASELINE_MALFORMED = 1,
        BASELINE_UNSHARED, /* baseline_open_runs */
};

/* Takes the bytes over (malloc'ed; freed on failure too). 0, BASELINE_MALFORMED with the line and what would
 * be right, -ENOMEM. */
int baseline_open(char *text, size_t size, struct baseline **ret, struct err *err);
/*
 * The same, with the same result for every input, but where most file lines are those of another baseline
 * (NULL: none) it is quick, and shares them with it in memory. id: the SHA-256 of the text, by a caller who
 * has just made it of these very bytes (NULL: whoever asks for it first makes it).
 */
int baseline_open_after(const struct baseline *parent, char *text, size_t size, const struct digest *id,
        struct baseline **ret, struct err *err);

/* Some of a text: bytes, or (data NULL) whole file lines of another baseline, from first up to end. */
struct baseline_run {
        const char *data;
        size_t size;
        size_t first, end;
};
/*
 * The same for a text that is these runs, without its ever being in one place; the bytes are copied.
 * BASELINE_UNSHARED, without words: it must be put together and opened by itself, because it is malformed, or
 * the lines would not mean the same, or little memory would be saved.
 */
int baseline_open_runs(const struct baseline *parent, const struct baseline_run *runs, size_t n,
        const struct digest *id, struct baseline **ret);
/* One reference more / less; the last frees. */
struct baseline *baseline_keep(const struct baseline *baseline);
struct baseline *baseline_free(struct baseline *baseline);
CLEANUP_DEFINE(struct baseline *, baseline_free)

const struct baseline_header *baseline_header(const struct baseline *baseline);
/* SHA-256 of the bytes: half a second for a million lines, at the first asking. */
const struct digest *baseline_id(const struct baseline *baseline);
/* The bytes, in pieces: borrowed. Each ends with a newline. */
const struct iovec *baseline_text(const struct baseline *baseline, size_t *ret_count);
size_t baseline_size(const struct baseline *baseline);
/* All of them in a row. -ENOMEM. */
int baseline_text_append(const struct baseline *baseline, struct buf *ret);
/* The baseline of whose text some pieces are, by its id; NULL: there are none. And whether a piece is one of
 * them: where in that text it stands. */
const struct digest *baseline_shared(const struct baseline *baseline) _pure_;
bool baseline_piece_shared(const struct baseline *baseline, size_t index, size_t *ret_offset);
const struct scope *baseline_scopes(const struct baseline *baseline, size_t *ret_count);
/* Whether the scopes of two are the same lines; false where one has no files. */
bool baseline_scopes_same(const struct baseline *a, const struct baseline *b) _pure_;

/* File expectations by index, in the file's order. */
size_t baseline_files(const struct baseline *baseline);
/* The escaped path of an entry: borrowed, NOT terminated. */
const char *baseline_file_path(const struct baseline *baseline, size_t index, size_t *ret_size);
/* An entry's line from its path on (before it stands "file "), without the newline behind it: borrowed. */
const char *baseline_file_line(const struct baseline *baseline, size_t index, size_t *ret_size);
/* The whole lines of the entries first up to end (not with it), with their newlines. 0, -ENOMEM, -E2BIG. */
int baseline_file_lines_append(const struct baseline *baseline, size_t first, size_t end, struct buf *ret);
/* Where in the text an entry's line begins; of the index that is their number, where the last one's ends. */
size_t baseline_file_offset(const struct baseline *baseline, size_t index);
/* The index that has this offset; false if none has. */
bool baseline_file_at(const struct baseline *baseline, size_t offset, size_t *ret_index);
/* How many lines are the same in two baselines, byte for byte, from an entry of each on. */
size_t baseline_files_same(
        const struct baseline *a, size_t a_index, const struct baseline *b, size_t b_index) _pure_;
/* How their paths are ordered: < 0, 0 or > 0, as the lines stand. */
int baseline_files_order(
        const struct baseline *a, size_t a_index, const struct baseline *b, size_t b_index) _pure_;
/*
 * Generations that share a text have lines in common that are one and the same line in memory, and what is
 * known of such a line may be kept once. The bytes that a baseline's file lines lie in: its own, and those
 * that it shares (NULL: none). Each lives as long as a baseline that has it.
 */
struct baseline_bytes;
const struct baseline_bytes *baseline_bytes(const struct baseline *baseline, bool shared) _pure_;
size_t baseline_bytes_files(const struct baseline_bytes *bytes) _pure_; /* file lines, in use or not */
/* In which of them an entry lies, which of their file lines it is, and the index up to which (not with it)
 * entries and lines go on in step. */
const struct baseline_bytes *baseline_file_bytes(
        const struct baseline *baseline, size_t index, size_t *ret_line, size_t *ret_end);
/* The attributes of an entry, parsed; done by the caller. -ENOMEM. */
int baseline_file_attributes(const struct baseline *baseline, size_t index, struct attributes *ret);
/* The size that a regular file is expected to have, without the rest; 0 where nothing is said of it. */
uint64_t baseline_file_size(const struct baseline *baseline, size_t index) _pure_;
/* true and the index of an escaped path; false and where it would be. */
bool baseline_file_find(const struct baseline *baseline, const char *path, size_t size, size_t *ret_index);
/* The half-open range of entries strictly below an escaped folder ("/": all but itself). */
void baseline_files_below(
        const struct baseline *baseline, const char *folder, size_t *ret_first, size_t *ret_end);

const struct setting *baseline_settings(const struct baseline *baseline, size_t *ret_count);
const struct waiver *baseline_waivers(const struct baseline *baseline, size_t *ret_count);

/* Writing. Header first, then lines in order; the writer does not sort. */
int baseline_header_append(const struct baseline_header *header, struct buf *buf);
int baseline_file_append(
        const char *escaped_path, uint32_t mask, const struct attributes *attributes, struct buf *buf);
int baseline_waiver_append(const struct waiver *waiver, struct buf *buf);

/* This host's id, as baselines name it: sd_id128 app-specific, 32 hex digits. DRIFTD_HOST_ID is not
 * consulted. */
int host_id(char ret[static HOST_ID_MAX], struct err *err);
#define BOOT_ID_MAX 33
/* Which boot of it this is, 32 hex digits; "" where the kernel does not say. */
void boot_id(char ret[static BOOT_ID_MAX]);
