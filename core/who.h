/* SPDX-License-Identifier: MIT */
/*
 * Who changed it: the process of an event, as /proc showed it at once, and what may be said of a change from
 * all events of its path (driftctl(1), "Who did it"). Never a guess: each answer carries its confidence.
 *
 *   exact    every event since the last look came from this one process, and it was read when its events
 *            were, while it still held its number
 *   likely   several processes touched the path (this one last), or what it did need not have changed it, or
 *            its number could have been another's by then, or its program another
 *   unknown  it was gone before it could be read: only what is given is known
 *
 * A command line is its owner's to choose, and so is a link for one with mounts of its own: both are bounded
 * and escaped (core/escape.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/json.h"

#define WHO_CMDLINE_MAX 1024u /* bytes of a command line, before they are escaped */
#define WHO_EXE_MAX 4096u     /* bytes of a path, before they are escaped */
#define WHO_TRACE_MAX 8u      /* processes told apart between two looks at a path; more are only "more" */

struct who; /* one process at one time; it never changes, and is shared: a reference each */

/*
 * Reads /proc/PID of a process that pidfd stands for (borrowed). What cannot be read is left out; if the
 * process gave its number back meanwhile, nothing that was read counts. NULL: no memory. Any thread.
 */
struct who *who_read(pid_t pid, int pidfd);
/* Of one that was gone: its number is all that is known. */
struct who *who_gone(pid_t pid);
struct who *who_keep(struct who *who);
struct who *who_drop(struct who *who); /* NULL */
CLEANUP_DEFINE(struct who *, who_drop)
bool who_runs_program(const struct who *who); /* whether its program is known */
/* Whether it and its command line are known, and it is not a fork that shows those of its parent. (While a
 * program is executed, its command line is empty for a moment.) */
bool who_has_executed(const struct who *who);
const char *who_exe(const struct who *who); /* escaped, or NULL */
/* It was found to have executed its program after the event that it was read for: all that refers to it is
 * likely at most. Any thread. */
void who_doubt_program(struct who *who);
/* Whether the process still holds its number. */
bool who_lives(int pidfd);
/* The link /proc/PID/exe, escaped, to be freed; NULL: none, or no memory. */
char *who_exe_now(pid_t pid);
/* Whether the effective user of this process, that pidfd stands for, is the one that was read: it changes
 * without a program. false also if not known. */
bool who_has_uid_still(const struct who *who, int pidfd);

/* What one event says. */
struct who_touch {
        struct who *who; /* NULL: the event does not say */
        bool weak;       /* it need not have changed anything: closed after being open for writing */
        bool doubt;      /* the number could be another's by now, or the program */
        bool metadata;   /* it tells of metadata alone: whatever else changed is not its doing */
};

/* What the events of one path said since the last look. NULL is an empty one. */
struct who_trace;
struct who_trace *who_trace_free(struct who_trace *trace);
/* Adds (references are taken). touch NULL, or without a process: an event that does not say. Without memory
 * nothing is known for certain any more, and *trace is as it was. */
void who_trace_add(struct who_trace **trace, const struct who_touch *touch);
/* Moves what `from` holds behind what `into` has. */
void who_trace_join(struct who_trace **into, struct who_trace **from);
/* The same, and `from` keeps its own. */
void who_trace_copy(struct who_trace **into, const struct who_trace *from);
/* The JSON object as text, to be freed; NULL: nobody is known (or no memory). gap: events may be missing, so
 * nothing is exact. */
char *who_trace_write(const struct who_trace *trace, bool gap);
/* Whether all its events told of metadata alone. */
bool who_trace_of_metadata(const struct who_trace *trace);

/* ---- texts of /proc (proc(5)), each NUL-terminated ---- */

/* The effective uid of /proc/PID/status. -EBADMSG. */
int who_parse_uid(const char *status, int64_t *ret);
/* The state's letter and the start time in clock ticks of /proc/PID/stat; the name between may be anything.
 */
int who_parse_start(const char *stat, char *ret_state, uint64_t *ret);
/* Whether the process of this /proc/PID/stat was forked and has executed nothing since. -EBADMSG. */
int who_parse_forked(const char *stat, bool *ret);
/* /proc/PID/loginuid; *ret -1: never set. */
int who_parse_login_uid(const char *text, int64_t *ret);
/* The unit that a /proc/PID/cgroup names, escaped, to be freed; NULL: none. */
char *who_parse_unit(const char *cgroup);
/* Arguments, each escaped, with blanks between; *ret_cut: there were more than WHO_CMDLINE_MAX bytes. NULL:
 * none, or no memory. */
char *who_cmdline(const char *arguments, size_t size, bool *ret_cut);
