/* SPDX-License-Identifier: MIT */
/*
 * Internal to the sshd probe: files read without blocking, the accounts of the host, the text of the
 * configuration with its Match blocks, and the processes and units that run sshd. probe_sshd.c puts them
 * together; tests and the fuzz harness reach the parts from here.
 *
 * Sources: sshd_config(5), sshd(8) (AUTHORIZED_KEYS FILE FORMAT, -C, -G, -T), passwd(5), group(5), proc(5),
 * systemd.unit(5), systemd.service(5).
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mount.h"
#include "core/probe.h"

#define SSHD_FILE_MAX ((size_t)4 << 20)  /* bytes of any file read here */
#define SSHD_TEXT_MAX ((size_t)16 << 20) /* bytes of a configuration with its includes */
#define SSHD_FILES_MAX 1024u             /* files of a configuration */
#define SSHD_LINES_MAX 8192u             /* settings of a configuration */
#define SSHD_BLOCKS_MAX 256u             /* Match blocks, each of which is one run of sshd */
#define SSHD_DEPTH_MAX 16                /* of Include, as in sshd */
#define SSHD_CRITERIA_MAX 32u            /* of a Match block, those of the blocks around it counted */
#define SSHD_FOLDER "/etc/ssh"           /* what a relative Include is relative to */

/* ---- files (probe_sshd_file.c) ---- */

/*
 * A regular file of at most size_max bytes, links followed. What is no regular file is never opened for
 * reading, so neither a FIFO nor a device is woken. 0; -EFBIG, -EINVAL (not regular), or the errno of the
 * call that failed, all negative. ret_stat may be NULL.
 */
int sshd_read_file(const char *path, size_t size_max, struct buf *ret, struct stat *ret_stat);
/* Why sshd_read_file failed, in words. */
const char *sshd_read_error(int error) _pure_;
/* Adds a path once or more; the list is sorted at the end. -ENOMEM. */
int sshd_watch(struct text_list *watched, const char *path);

/* ---- accounts (probe_sshd_file.c) ---- */

struct sshd_user {
        const char *name, *home, *shell; /* borrowed from the text, as all below */
        unsigned uid, gid;
};
struct sshd_group {
        const char *name, *members; /* members: comma-separated */
        unsigned gid;
};
/* The local files alone: to ask NSS would be to load its modules into the daemon. */
struct sshd_accounts {
        struct buf passwd, group;
        struct sshd_user *users;
        struct sshd_group *groups;
        size_t n_users, n_groups;
};
/* Lines that are none are left out, as libc does. 0, -ENOMEM, or as sshd_read_file of one of the two. */
int sshd_accounts_read(const char *passwd, const char *group, struct sshd_accounts *ret);
void sshd_accounts_done(struct sshd_accounts *accounts);
const struct sshd_user *sshd_user_find(const struct sshd_accounts *accounts, const char *name) _pure_;
bool sshd_user_in_group(const struct sshd_user *user, const struct sshd_group *group) _pure_;

/* ---- the text of the configuration (probe_sshd_config.c) ---- */

enum sshd_criterion {
        SSHD_ADDRESS,
        SSHD_ALL,
        SSHD_GROUP,
        SSHD_HOST,
        SSHD_INVALID_USER,
        SSHD_LOCALADDRESS,
        SSHD_LOCALPORT,
        SSHD_RDOMAIN,
        SSHD_USER,
        SSHD_CRITERION_COUNT, /* one that is not known here */
};

struct sshd_match {
        enum sshd_criterion criterion;
        char *name;    /* lower case */
        char *pattern; /* "" where it takes none */
};

/* A Match block. Where a file is included inside of a block, the blocks of that file hold what the block
 * around them asks as well. */
struct sshd_block {
        struct sshd_match list[SSHD_CRITERIA_MAX];
        size_t count;
        char *context; /* raw: `user=git`, `address=10.0.0.0/8,user=git`, `all`: sorted, each once */
};

#define SSHD_GLOBAL (-1)

struct sshd_line {
        const char *file; /* raw path, owned by the configuration */
        unsigned line;    /* from 1 */
        int block;        /* index, or SSHD_GLOBAL */
        char *keyword;    /* lower case, aliases replaced by the name that sshd prints today */
        char *value;      /* the words after it, quotes undone, one blank between them */
};

struct sshd_config {
        char **files; /* the configuration, then what it includes, each time it does */
        size_t n_files;
        char **folders; /* in which a pattern of Include looks for files */
        size_t n_folders;
        struct sshd_line *lines;
        size_t n_lines;
        struct sshd_block *blocks;
        size_t n_blocks;
        size_t size;      /* bytes read so far */
        int error;        /* of the first file that could not be read, negative; 0 */
        char *error_path; /* that file */
        bool text_only;   /* Include is not followed */
        bool truncated;   /* a bound was reached, and something is missing here */
};

/* Reads a configuration and its includes. What cannot be read is noted in error, what is past a bound in
 * truncated, and the rest is there all the same. 0 or -ENOMEM. */
int sshd_config_read(struct sshd_config *config, const char *path);
/* Reads one text, NUL-terminated and changed by it, as if it were the file of that name. 0 or -ENOMEM. */
int sshd_config_parse(struct sshd_config *config, const char *file, char *text);
void sshd_config_done(struct sshd_config *config);
/* The name that sshd prints for a keyword in lower case. */
const char *sshd_keyword(const char *keyword) _pure_;

/* ---- whom a Match block means (probe_sshd_match.c) ---- */

/* A connection, as -C describes it. NULL (port: 0): not said, and then no criterion on it holds. */
struct sshd_connection {
        const char *user, *host, *address, *localaddress, *rdomain;
        unsigned localport;
        bool invalid_user;
};

/* Whether all criteria of a block hold. accounts may be NULL: nobody is in any group. */
bool sshd_block_holds(const struct sshd_block *block, const struct sshd_connection *connection,
        const struct sshd_accounts *accounts);
/*
 * The line that sets a keyword for a connection: the first one of the blocks that hold, else the first one
 * outside. NULL: none does.
 */
const struct sshd_line *sshd_config_find(const struct sshd_config *config, const char *keyword,
        const struct sshd_connection *connection, const struct sshd_accounts *accounts);

struct sshd_choice {
        struct sshd_connection connection; /* its texts are in here, or in the accounts */
        char user[256], host[256], address[64], localaddress[64], rdomain[256];
        char reason[256]; /* where there is none: why */
};
/* A connection that the block means and nothing else is said of. False: there is none, for a reason. */
bool sshd_block_choose(
        const struct sshd_block *block, const struct sshd_accounts *accounts, struct sshd_choice *ret);

/* ---- who runs sshd (probe_sshd_listener.c) ---- */

struct sshd_listener {
        int pid;
        int64_t start_ms;         /* since 1970 UTC */
        bool cut;                 /* its title has no room for all of the following */
        char *config;             /* after -f; NULL: the compiled default */
        struct text_list options; /* of -4 -6 -c -g -h -o -p, as arguments */
};
struct sshd_listeners {
        struct sshd_listener *list; /* by pid */
        size_t count;
};
/* The listeners of a program (raw path), run by root or by us, in our own pid namespace. 0 or -ENOMEM. */
int sshd_listeners_find(const char *program, struct sshd_listeners *ret);
void sshd_listeners_done(struct sshd_listeners *listeners);
/* One command line: what /proc/PID/cmdline holds, with room for a NUL behind it; it is changed. program: what
 * its first word must be; NULL: anything. 1: a listener; 0: something else; -ENOMEM. */
int sshd_listener_parse(char *text, size_t size, const char *program, struct sshd_listener *ret);
void sshd_listener_done(struct sshd_listener *listener);
/* `-o A=b -p 22`; empty where there are none. -ENOMEM. */
int sshd_listener_options(const struct sshd_listener *listener, struct buf *ret);

struct sshd_unit {
        bool found;                   /* a unit starts program: then the command is taken apart in here */
        struct sshd_listener command; /* pid 0 */
        struct buf sockets;           /* ListenStream lines of an enabled ssh.socket; empty: none */
};
/* From ssh.service, sshd.service and ssh.socket below root (raw, "" is the host's own) with their drop-ins.
 * The files that it read are added to watched. 0 or -ENOMEM. */
int sshd_unit_read(const char *root, const char *program, struct sshd_unit *ret, struct text_list *watched);
void sshd_unit_done(struct sshd_unit *unit);

/* ---- asking it (probe_sshd_ask.c) ---- */

#define SSHD_MESSAGE_MAX 400 /* bytes of sshd's words that are kept, with the NUL */

struct sshd_value {
        const char *keyword; /* in the output */
        char *text;          /* several lines where sshd names it more than once */
};

/* What sshd said: its settings, or why not. Zero-initialise it. */
struct sshd_answer {
        bool accepted;
        bool about_host; /* it failed for want of something on the host */
        struct buf output;
        struct sshd_value *list; /* in its order, each keyword once */
        size_t count;
        char message[SSHD_MESSAGE_MAX]; /* printable, one line */
};

enum sshd_way { SSHD_WAY_G, SSHD_WAY_T, SSHD_WAY_KEY };

/* Who asks, with what was learnt so far. */
struct sshd_asker {
        const char *program; /* raw */
        const atomic_bool *cancel;
        int64_t deadline_ms; /* clock_monotonic_ms */
        unsigned free_port;  /* to be said where a question says none; 0: none */
        bool whole_specs;    /* this sshd wants every part of -C */
        enum sshd_way way;
        bool unrooted; /* this sshd is not told that it is root: it wants no folder of its own then */
        int key_fd;    /* of the key of zeros, or -1 */
};

struct sshd_question {
        const char *path;                         /* of the configuration, raw */
        const struct sshd_listener *command;      /* whose options go with it; NULL: none */
        const struct sshd_connection *connection; /* nothing in it: no -C */
};

/* 0: an answer, which may be a refusal; PROBE_FAILED (not started, out of time, garbage), -ECANCELED,
 * -ENOMEM.
 */
int sshd_ask(struct sshd_asker *asker, const struct sshd_question *question, struct sshd_answer *ret,
        struct err *err);
void sshd_asker_done(struct sshd_asker *asker);
void sshd_answer_done(struct sshd_answer *answer);
struct sshd_value *sshd_answer_find(const struct sshd_answer *answer, const char *keyword) _pure_;
const char *sshd_answer_text(const struct sshd_answer *answer, const char *keyword) _pure_; /* or NULL */

/* ---- keys (probe_sshd_keys.c) ---- */

/* Adds `sshd:hostkey/PATH/type`, `/bits`, `/mode` and `/owner`; PATH is the key's without its first slash.
 * expected: the configuration names it; else one that is not there is no item. 0 or -ENOMEM. */
int sshd_host_key_add(const char *path, bool expected, struct probe_reading *reading);

/*
 * Adds `sshd:authorized_keys/USER/SHA256:…` = `type options` for each key of the files (blank-separated, as
 * sshd prints AuthorizedKeysFile), and `sshd:authorized_keys/USER/PATH` without a value for a file that
 * cannot be read or holds a line that is no key; PATH is without its first slash. A fingerprint may hold
 * slashes. Call sshd_merge once at the end: a key may stand in several lines. 0 or -ENOMEM.
 */
int sshd_authorized_keys_add(const struct sshd_user *user, const char *files,
        const struct mount_table *mounts, struct probe_reading *reading);
/* Items given twice become one, with their values one a line. 0 or -ENOMEM. */
int sshd_merge(struct probe_reading *reading);
/* What a public key in wire form is: bits (0: not known). False: it is none. */
bool sshd_key_bits(const void *blob, size_t size, unsigned *ret_bits);

/* Takes item and value over. reason is copied, and says why where value is NULL. A value that is too long
 * becomes unknown. -ENOMEM. */
int sshd_add(struct probe_reading *reading, char *item, char *value, const char *reason, int error);

/* ---- the whole (probe_sshd.c) ---- */

struct sshd_places {
        const char *passwd, *group; /* /etc/passwd, /etc/group */
        const char *units;          /* "" */
};
/* probe_sshd with other places than the host's own, for tests. */
int probe_sshd_at(const struct probe_request *request, const struct sshd_places *places,
        struct probe_reading *ret, struct err *err);
