/* SPDX-License-Identifier: MIT */
/* What the files of package share among themselves. */
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include "core/dpkg.h"
#include "core/package.h"

typedef uint64_t path_key; /* the first bytes of a path's SHA-256: a path in eight bytes */
path_key path_key_of(const char *path);

/* Which package owns which path; sorted by key, then package. */
struct owners {
        struct owner {
                path_key key;
                uint32_t package; /* of names */
        } * list;
        size_t n, capacity;
        struct text_list names; /* "hello", "libc6:amd64" */
};
void owners_done(struct owners *owners);
/* The first entry of a key, or where it would stand. */
size_t owners_find(const struct owners *owners, path_key key) _pure_;

struct diversions {
        struct diversion {
                path_key from;
                char *to, *package;
        } * list;
        size_t n;
};

/* How a package's own name of a file becomes the path at which the file is. */
struct paths {
        struct diversions diversions;
        bool merged[8]; /* /bin is usr/bin, and so on */
};
void paths_done(struct paths *paths);
int paths_load(int root_fd, struct paths *ret);
/* Into ret; false if it would be too long. */
bool paths_real(
        const struct paths *paths, const char *package, const char *path, char ret[static DPKG_PATH_MAX]);

struct package_change {
        char name[DPKG_NAME_MAX]; /* with its architecture */
        char before[DPKG_VERSION_MAX], after[DPKG_VERSION_MAX];
        enum dpkg_action action;
        uint64_t files, agrees, differs, unknown;
};

struct gone {
        path_key key;
        uint32_t change;
};

struct transaction {
        int64_t start_ms, end_ms;     /* as the logs say: whole seconds */
        int64_t since_ms, until_ms;   /* within which it changed what it changed */
        char *command, *requested_by; /* escaped; NULL: not known */
        struct package_change *changes;
        size_t n_changes, n_left_out;
        struct gone *gone; /* what its packages owned and nobody owns now, by key */
        size_t n_gone;
        bool recorded;
};
void transaction_done(struct transaction *transaction);

struct package_root {
        char *root;
        char *prefix; /* of the paths of watched files: the root's real path; "" for "/" */
        uint64_t log_inode, log_size;
        int64_t mark_ms; /* when the log was last seen to be so */
        int64_t busy_ms; /* since when the lock is held and the log stands still; 0: it is not */
        uint64_t busy_size;
        bool owners_known;
        struct owners owners;
        struct transaction *transactions; /* the oldest first */
        size_t n_transactions;
};

/* package.c */
int root_open(const struct package_root *root);
/* Whether dpkg or apt is at work; true too where that cannot be told and the log has just moved. */
bool root_is_busy(struct package_root *root, int root_fd);
bool root_log_is(int root_fd, uint64_t inode, uint64_t size);
/* stat of a log, which must be a regular file. */
int root_log_stat(int root_fd, const char *path, struct stat *ret);
/* Appends a file below the root, its last size_max bytes. 0, -ENOENT and its like, -ENOMEM. ret_stat may be
 * NULL. */
int root_read(int root_fd, const char *path, uint64_t from, size_t size_max, struct buf *ret);

/* package_owners.c */
int owners_load(int root_fd, const struct paths *paths, const atomic_bool *cancel, struct owners *ret);

/* package_log.c: appends what is in the log after the mark as transactions, and moves the mark. ret_taken:
 * how many of those that are remembered are new; set too when it fails. */
int log_take(struct package_root *root, int root_fd, size_t *ret_taken);

/* ---- one examination ---- */

enum agreement { AGREEMENT_AGREES, AGREEMENT_DIFFERS, AGREEMENT_UNKNOWN };

struct sum {
        path_key key;
        uint32_t package;
        struct dpkg_md5 md5;
};

struct sums {
        struct sum *list;
        size_t n, capacity;
};

struct match {
        size_t drift;
        struct transaction *transaction;
        struct package_change *change;
        uint32_t package; /* of owners; what is gone has none */
        path_key key;
        bool gone;
};

struct examining {
        struct package_root *root;
        const struct package_question *question;
        int root_fd;
        struct paths paths;
        struct owners owners;
        uint32_t *touched; /* [transaction][package]: the change's number + 1 */
        struct match *matches;
        size_t n_matches;
        struct sums sums;
        uint32_t taking; /* the package whose sums are read */
        struct md5er *md5er;
};

/* package_sums.c: what dpkg says that the files of the matches hold; the matches come out sorted by package.
 */
int sums_load(struct examining *e);
const struct sum *sum_find(const struct examining *e, const struct match *match); /* NULL: it says nothing */

/* package_words.c: the JSON of a cause (to be freed; NULL: out of memory), and the records of the
 * transactions that caused something and have none yet. */
char *cause_write(const struct match *match, enum agreement agreement);
int transactions_record(struct package_root *root, struct json **ret);
