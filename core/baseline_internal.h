/* SPDX-License-Identifier: MIT */
/*
 * Internal to baselines. Six files: baseline.c (the life of one, and what is asked of it as a whole),
 * baseline_open.c (ways to open one), baseline_read.c and baseline_header.c (what is read and checked then),
 * baseline_text.c (the text in memory, and where its file lines are), baseline_file.c (what a file line says,
 * and finding one).
 *
 * Invariants: pieces in their order are the text, each is whole lines; once a baseline is open, nothing of it
 * changes but its references and its id, when that is first asked for.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>

#include "core/baseline.h"

#define SHARED_BIT (UINT32_C(1) << 31) /* a place in the shared text: BASELINE_SIZE_MAX is below it */
#define PIECES_MAX ((size_t)1 << 16)

struct baseline_bytes {
        atomic_uint references;
        char *data;
        size_t size;
        uint32_t *files; /* where each file line's path is */
        size_t n_files, files_room;
};

/* In their order they are the text. Each is whole lines. */
struct piece {
        uint32_t place; /* of its first byte */
        uint32_t size;  /* bytes */
        uint32_t at;    /* bytes of the text before it */
        uint32_t file;  /* file lines of the text before it */
        uint32_t from;  /* file lines of its bytes before it */
        uint32_t count; /* of a shared one: file lines that it has */
};

struct baseline {
        atomic_uint references;
        struct baseline_bytes *own, *shared; /* shared NULL: the text is one piece of its own */
        struct digest shared_id;             /* of the baseline whose whole text they are */
        struct piece *pieces;
        struct iovec *text; /* as many */
        size_t n_pieces;
        size_t size;      /* of the text */
        struct digest id; /* once it is hashed */
        atomic_bool hashed;
        pthread_mutex_t lock; /* of the hashing */
        struct baseline_header header;
        size_t entries_at; /* in its own bytes: what follows the header, */
        size_t files_at;   /* and on the scopes */
        struct scope *scopes;
        size_t n_scopes;
        size_t n_files;
        struct setting *settings;
        size_t n_settings;
        struct waiver *waivers;
        size_t n_waivers;
        char *words; /* NUL-terminated copies that settings and waivers point into, from words_at on */
        size_t words_at;
};

struct span {
        const char *data;
        size_t size;
};

/* The file being read: where we are, for the words of an error. */
struct reader {
        struct baseline *baseline;
        const char *text; /* its own bytes, */
        size_t at, end;   /* and of them those of the piece that is read */
        unsigned line;
        int last_kind; /* of the entry before; -1: there is none */
        struct span before;
        const struct baseline *parent; /* whose lines the shared pieces are; NULL: there are none */
        struct err *err;
};

/* ---- baseline_text.c ---- */
/* Takes the bytes over, on failure too. NULL: out of memory. */
struct baseline_bytes *bytes_new(char *data, size_t size);
struct baseline_bytes *bytes_keep(struct baseline_bytes *bytes);
void bytes_free(struct baseline_bytes *bytes);
/* The next file line's path, of these bytes. 0 or -ENOMEM. */
int bytes_add_file(struct baseline_bytes *bytes, const char *path);
/* What the text goes on with. 0, -ENOMEM, or BASELINE_UNSHARED: it is too much for one text. */
int piece_add(struct baseline *b, uint32_t place, size_t size, size_t from, size_t count);
const char *baseline_at_place(const struct baseline *b, uint32_t place);
/* Where a whole file line begins. */
const char *baseline_line(const struct baseline *b, size_t index);
/* The file lines from first on, up to end, that lie in a row: where they end, and how many bytes they are. */
const char *baseline_lines_in_a_row(
        const struct baseline *b, size_t first, size_t end, size_t *ret_end, size_t *ret_size);
/* How many bytes two runs have in common at their beginning. */
size_t common_bytes(const char *a, const char *b, size_t size) _pure_;
/* How many whole lines these bytes begin with, and in *ret_size (may be NULL) how long those are. */
size_t lines_within(const char *text, size_t size, size_t *ret_size);

/* ---- baseline_read.c ---- */
/* Reads and checks one that has its bytes and pieces in place. parent: whose lines the shared ones are; NULL:
 * there are none. 0, BASELINE_MALFORMED, -ENOMEM. */
int baseline_read(struct baseline *b, const struct baseline *parent, struct err *err);
bool reader_next_line(struct reader *reader, struct span *ret);
int reader_malformed(struct reader *reader, const char *what);

/* ---- baseline_header.c ---- */
int header_read(struct reader *reader);

static inline bool
span_starts_with(const struct span *line, const char *word)
{
        size_t size = strlen(word);
        return line->size >= size && memcmp(line->data, word, size) == 0;
}
