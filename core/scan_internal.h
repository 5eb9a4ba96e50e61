/* SPDX-License-Identifier: MIT */
/*
 * Internal to the scanner. Five files: scan.c (starts, threads, the list of work), scan_walk.c (what a worker
 * does with a piece of work), scan_path.c (where a worker is), scan_folder.c (folders and their descriptors),
 * scan_rules.c (exclusions, mounts).
 *
 * Locks: scan.lock guards the list of work and what of a folder is marked (L); scan.announce lets one
 * `folder` callback run at a time. No system call but close(2) is made under scan.lock.
 */
#pragma once

#include <pthread.h>

#include "core/buf.h"
#include "core/folder.h"
#include "core/scan.h"
#include "core/snapshot_reader.h"

#define SCAN_OPEN_MAX 128u                /* folders held open between two pieces of work */
#define SCAN_BATCHES_MAX 256u             /* waiting in the list; at the bound a worker does them itself */
#define SCAN_BATCH_SIZE ((size_t)4 << 10) /* bytes of names in one batch */
#define SCAN_BATCH_NAMES 64u
#define SCAN_NAMES_SIZE                                                                                      \
        ((size_t)64 << 10) /* bytes of subfolder names kept of one folder; at the bound reading pauses */
#define SCAN_DIRENTS_SIZE ((size_t)64 << 10) /* bytes asked of getdents64(2) at once */
#define SCAN_CLIMB_MAX 1024u                 /* levels that one ".." of ours may go up */

/* A path to start from. The walk of one start stops where another begins, so that each path has one owner. */
struct scan_start {
        char *path;                /* raw; owned */
        const struct scope *scope; /* NULL: nothing is walked, others stop here (it is excluded) */
        char *named; /* raw; owned. NULL: the path itself is named by the scope. Else the path of the scope
                        above it */
};

/* A folder that is being walked, or whose subfolders are. Its memory lives as long as a folder below it. */
struct scan_folder {
        struct scan_folder *parent; /* NULL: a start, with its whole path as name */
        const struct scan_start *start;
        struct scan_folder *next; /* L: in the stack */
        unsigned refs;            /* L: users, and folders below */
        unsigned users;           /* L: the stack, batches, workers: who will need the descriptor */
        unsigned pins;            /* L: who needs it just now */
        int fd;                   /* L while not pinned; -1: closed */
        dev_t dev;
        ino_t ino;
        uint64_t mount_id;
        bool world;       /* it and all above it are o+x */
        bool foreign;     /* on a file system of the network or of FUSE: what the kernel knows may be old */
        bool may_exclude; /* an exclusion might match something below */
        bool may_start;   /* another start lies below */
        bool unread;      /* reading has paused at `position` */
        int64_t position; /* a cookie of getdents64(2) */
        struct buf names; /* subfolders to go into, each with its NUL; the last is taken first */
        size_t path_size; /* bytes; 0 for "/" */
        uint64_t serial;
        char name[];
};

struct scan_batch {
        struct scan_batch *next;
        struct scan_folder *folder; /* used */
        unsigned count;
        size_t size;
        char names[SCAN_BATCH_SIZE];
};

/* What a worker has still to do of the batch in work. */
struct scan_rest {
        const struct scan_batch *batch;
        struct scan_folder *folder;
        size_t offset; /* of the next name */
        unsigned left;
};

struct scan {
        const struct scan_options *options;
        struct scan_start *starts;
        size_t n_starts, next_start; /* next_start: L */
        pthread_mutex_t lock, announce;
        pthread_cond_t wake;        /* for a worker that may have work */
        pthread_cond_t more;        /* for those that are too many just now */
        struct scan_folder *stack;  /* L: folders with subfolders to go into, or unread */
        struct scan_batch *batches; /* L */
        atomic_uint n_batches;      /* written under L */
        atomic_uint n_idle;         /* written under L */
        unsigned n_busy;            /* L */
        unsigned limit;             /* L: so many may be busy, the first ones; from wanted to most */
        unsigned wanted, most;      /* workers while files come from memory; and while the device is slow */
        unsigned n_started;         /* L: threads, those included that just start */
        unsigned n_workers;         /* L: in `workers` */
        struct scan_worker *workers[SCAN_WORKERS_MAX]; /* L */
        unsigned lanes;            /* files that a worker hashes side by side; 0: one after another */
        unsigned n_open, open_max; /* n_open: L. Folders' descriptors */
        atomic_bool shed;          /* a folder's descriptor was ever closed early */
        uint64_t serials;          /* L */
        atomic_bool stopped;
        int error;       /* L: the first */
        struct err *err; /* L */
};

/* A file whose content is being read beside that of others. */
struct scan_later {
        bool used;
        const struct scan_start *start;
        struct snapshot_wish wish;
        struct buf path; /* with its NUL */
        struct snapshot snapshot;
};

struct scan_worker {
        struct scan *scan;
        pthread_t thread;
        unsigned place;  /* in the order in which they were started */
        bool has_waited; /* for files to fill its lanes, since it last had work */
        struct snapshot_reader *reader;
        struct pacer pacer;
        long blocks_read;         /* from devices by this thread, getrusage(2) */
        unsigned warm_works;      /* pieces of work since the last that read any */
        unsigned cold_works;      /* since the last that read none */
        struct scan_batch *batch; /* being filled, or NULL */
        struct scan_rest rest;
        bool opens_first; /* the last thing was read, and so the next may be: O_PATH and one stat do for both
                           */
        struct buf path;  /* of what is looked at; its first prefix_size bytes are the folder's */
        size_t prefix_size;
        uint64_t serial, parent_serial; /* of that folder and the one above; 0: none */
        struct scan_later later[DIGEST_LANES_MAX];
        struct buf escaped; /* the folder's path escaped, where needed */
        struct buf name;    /* of the subfolder to go into */
        char dirents[SCAN_DIRENTS_SIZE] __attribute__((aligned(8)));
};

/* A piece of work: exactly one of batch, folder, start. For folder: name in worker.name, or resume reading.
 */
struct scan_work {
        struct scan_batch *batch;
        struct scan_folder *folder;
        bool resume;
        struct scan_start *start;
};

/* ---- scan.c ---- */
/* Whether the scan is at an end: cancelled, or a fatal error. */
bool scan_is_stopped(struct scan *scan);
/* Keeps the first error and stops all workers. Returns code. */
int scan_fail(struct scan *scan, int code, const char *what);
/* Hands a batch over (its folder is made to be used by it). false: the list is full. */
bool scan_offer(struct scan *scan, struct scan_batch *batch, struct scan_folder *folder);
/* Puts a folder with subfolders to go into, or unread, on the stack. */
void scan_push(struct scan *scan, struct scan_folder *folder);

/* ---- scan_walk.c ---- */
/* Goes on with the contents that are being read side by side: a chunk of each, or until one is done, and
 * told; until all are. 0, or < 0 that stops the scan (scan_fail was called). */
int scan_settle_some(struct scan_worker *worker);
int scan_settle(struct scan_worker *worker);
/* Does a piece of work. 0, or < 0 that stops the scan (scan_fail was called). */
int scan_work_do(struct scan_worker *worker, struct scan_work *work);

/* ---- scan_path.c: the path in worker.path; each int is 0, or < 0 after scan_fail ---- */
/* The worker's path as it is told: "/" for the top. */
const char *worker_path(const struct scan_worker *worker);
/* Makes it that of the folder; cuts a name off; puts a name of the folder on. */
int worker_at(struct scan_worker *worker, const struct scan_folder *folder);
void worker_back(struct scan_worker *worker);
int worker_at_name(struct scan_worker *worker, const char *name, size_t size);
/* Whether an exclusion, or another start, takes this name out of the folder's walk: 1, 0 or < 0. */
int worker_leaves_out(
        struct scan_worker *worker, const struct scan_folder *folder, const char *name, size_t size);
/* Asks which rules can matter below the folder that the worker is at. */
int worker_narrow(struct scan_worker *worker, struct scan_folder *folder);

/* ---- scan_folder.c ---- */
/* A new folder from an open descriptor (consumed on success), used and pinned once by the caller. NULL: out
 * of memory. */
struct scan_folder *scan_folder_new(struct scan *scan, struct scan_folder *parent,
        const struct scan_start *start, const char *name, int fd, const struct statx *stx, bool world);
/* The descriptor is there until unpinned; opened again if it was closed. 0 or -errno (not pinned then). */
int scan_folder_pin(struct scan *scan, struct scan_folder *folder);
enum scan_leave {
        SCAN_LEAVE_PINNED = 1, /* ends the pin too */
        SCAN_LEAVE_SHED = 2,   /* the descriptor may go, if too many are open: what is below comes first */
};
/* Ends one use. The last closes the descriptor, and the last reference frees. */
void scan_folder_leave(struct scan *scan, struct scan_folder *folder, unsigned how);
/* Closes descriptors of folders that wait, for there are none left. */
void scan_folders_shed(struct scan *scan);
/* The folder's path, raw; exactly path_size bytes go to `path` (1 for "/" itself is not written: size 0). */
void scan_folder_path(const struct scan_folder *folder, char *path);

/* ---- scan_rules.c ---- */
struct scan_place { /* where a name is looked up */
        int fd;
        bool world;
        bool named; /* the name is a scope's own path: no mount rule holds for it */
        bool foreign;
        dev_t dev;
        uint64_t mount_id;
};
/* 0: the same mount, or one that may be crossed into. -EXDEV: not. Other -errno: it could not be told. */
int scan_mount_check(const struct scan_place *place, const struct scope *scope, const struct statx *stx);
/* Whether this lies on another mount, or is another device's folder. */
bool scan_place_crosses(const struct scan_place *place, const struct statx *stx) __attribute__((pure));
/* Whether this lies on a file system of the network, of FUSE or of the kernel. */
bool scan_is_foreign(const struct statx *stx);
/* Whether an exclusion of the scope might match below the escaped folder path. */
bool scan_may_exclude(const struct scope *scope, const char *escaped_folder) __attribute__((pure));
/* Whether an exclusion matches this escaped path itself (those above were asked before). */
bool scan_excludes(const struct scope *scope, const char *escaped) __attribute__((pure));
bool path_is_below(const char *path, const char *folder) __attribute__((pure));
