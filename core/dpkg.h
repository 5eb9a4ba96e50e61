/* SPDX-License-Identifier: MIT */
/*
 * The texts of dpkg's database and logs (deb-md5sums(5), dpkg(1), apt's history.log), read from memory. Pure:
 * what the files are called, and what follows, is package.h. Nothing here is trusted to be well-formed: a
 * line that cannot be read is passed over, what is longer than its bound too, and every name handed on is
 * within its alphabet, every path absolute, plain and without a slash at its end.
 *
 * Strings live for the callback's time. A visit that returns non-zero ends the reading and is returned.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define DPKG_LINE_MAX 8192u   /* bytes of a line; longer ones are passed over */
#define DPKG_NAME_MAX 128u    /* bytes of a package's name with ":ARCHITECTURE", with the NUL */
#define DPKG_VERSION_MAX 128u /* bytes, with the NUL */
#define DPKG_PATH_MAX 4096u   /* bytes, with the NUL */
#define DPKG_WHEN_MAX 20u     /* "2026-11-23 18:00:00", with the NUL: local time, as written */
#define DPKG_COMMAND_MAX 512u /* bytes kept of a command line, with the NUL */
#define DPKG_USER_MAX 128u    /* bytes kept of "alice (1000)", with the NUL */

struct dpkg_md5 {
        unsigned char bytes[16];
};
bool dpkg_md5_parse(const char *hex, size_t size, struct dpkg_md5 *ret); /* 32 lower-case digits */

/* ---- dpkg.log ---- */

enum dpkg_action {
        DPKG_STARTUP, /* a run of dpkg begins; no package */
        DPKG_INSTALL,
        DPKG_UPGRADE,
        DPKG_REMOVE, /* and purge */
        DPKG_CONFIGURE,
        DPKG_OTHER, /* status, trigproc, conffile, … : only that something went on; no package */
        DPKG_ACTION_COUNT,
};
extern const char *const dpkg_action_names[DPKG_ACTION_COUNT]; /* "install", …; as a cause names them */

struct dpkg_event {
        char when[DPKG_WHEN_MAX];
        enum dpkg_action action;
        char package[DPKG_NAME_MAX];                            /* "hello:amd64"; "" where it has none */
        char before[DPKG_VERSION_MAX], after[DPKG_VERSION_MAX]; /* "": none */
};
/* A last line without its newline is being written: it is not read. ret_used (may be NULL): the bytes up to
 * the end of the last whole line. */
int dpkg_log_read(const char *text, size_t size, size_t *ret_used,
        int (*visit)(void *userdata, const struct dpkg_event *event), void *userdata);

/* ---- apt's history.log ---- */

struct dpkg_command {
        char start[DPKG_WHEN_MAX], end[DPKG_WHEN_MAX]; /* local; end "": not over */
        char command[DPKG_COMMAND_MAX];                /* raw bytes; "" if not told. A longer one is cut */
        char requested_by[DPKG_USER_MAX];
};
int dpkg_history_read(const char *text, size_t size,
        int (*visit)(void *userdata, const struct dpkg_command *command), void *userdata);

/* ---- the database ---- */

/* info/PACKAGE.list: absolute paths. */
int dpkg_list_read(
        const char *text, size_t size, int (*visit)(void *userdata, const char *path), void *userdata);
/* info/PACKAGE.md5sums: the path is made absolute. */
int dpkg_md5sums_read(const char *text, size_t size,
        int (*visit)(void *userdata, const char *path, const struct dpkg_md5 *md5), void *userdata);
/* status: each conffile of each package ("hello:amd64"), those marked obsolete or to be removed left out. */
int dpkg_conffiles_read(const char *text, size_t size,
        int (*visit)(void *userdata, const char *package, const char *path, const struct dpkg_md5 *md5),
        void *userdata);
/* diversions: what packages other than `package` ("": all) call `from` is at `to`. */
int dpkg_diversions_read(const char *text, size_t size,
        int (*visit)(void *userdata, const char *from, const char *to, const char *package), void *userdata);

/* ---- names ---- */

/* The package of a file in info/ ("hello.list" or "hello:amd64.list" with suffix ".list"). */
bool dpkg_info_name(const char *file, const char *suffix, char ret[static DPKG_NAME_MAX]);
/* Whether two names mean one package: "hello" and "hello:amd64" do, architectures that are told must agree.
 */
bool dpkg_same_package(const char *a, const char *b);
/* A name that dpkg gives to a file for the moments until it has its own: x.dpkg-new, x.dpkg-tmp. */
bool dpkg_is_passing(const char *path);
