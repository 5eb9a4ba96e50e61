/* SPDX-License-Identifier: MIT */
/*
 * Asking a person: passphrases without echo on the controlling terminal, and yes-or-no questions. Whatever
 * signal arrives while the echo is off, the terminal is restored before the signal acts.
 */
#pragma once

#include <stdbool.h>

#include "core/err.h"

#define PASSPHRASE_MAX 1024 /* bytes, with the NUL */

/*
 * Into memory that the caller wipes (crypto_wipe). From the file that DRIFTD_PASSPHRASE_FILE names, if it is
 * set: its first line; otherwise from /dev/tty. 0 or an exit code with words.
 */
int passphrase_ask(const char *prompt, char ret[static PASSPHRASE_MAX], struct err *err);
/* Asked twice; empty ones are refused. */
int passphrase_ask_new(const char *prompt, char ret[static PASSPHRASE_MAX], struct err *err);
bool passphrase_is_from_file(void); /* asking again would give the same */

/* Standard input and standard error are a terminal: somebody can be asked. */
bool terminal_is_there(void);
/* "QUESTION [y/N] " on standard error; anything but y or yes is no, and so is the end of input. */
bool terminal_confirm(const char *question);

/* ---- the whole screen ---- */

/*
 * A terminal that shows one screen of ours: line editing and echo are off, the alternate screen is on (a
 * terminal without one is left cleared), the cursor is hidden. All of it is put back by terminal_close,
 * before a signal that ends us acts, and while we are stopped (Ctrl-Z). Nothing waits for a terminal that
 * takes no more bytes.
 */
struct terminal;

/* Standard input and output must be a terminal that can move its cursor. 0 or EXIT_FAILED with words; the
 * hint is the caller's. */
int terminal_open(struct terminal **ret, struct err *err);
/* Puts everything back; then the signal that ended it acts, if one did. */
struct terminal *terminal_close(struct terminal *terminal);
CLEANUP_DEFINE(struct terminal *, terminal_close)

#define TERMINAL_ROWS_MAX 500u
#define TERMINAL_COLUMNS_MAX 1000u
/* At least 1, at most the above; 24 and 80 where the terminal does not know. */
void terminal_size(const struct terminal *terminal, unsigned *ret_rows, unsigned *ret_columns);

/* Writes as much as the terminal takes now; the rest goes out while terminal_wait waits. 0 or EXIT_FAILED. */
int terminal_write(struct terminal *terminal, const char *bytes, size_t size, struct err *err);
bool terminal_is_busy(const struct terminal *terminal); /* not all of it is out yet */

enum terminal_event {
        TERMINAL_INPUT = 1,       /* terminal_key_next has something */
        TERMINAL_REDRAW = 2,      /* another size, or it was stopped: nothing of what was shown is there */
        TERMINAL_INTERRUPTED = 4, /* Ctrl-C */
        TERMINAL_ENDS = 8,        /* a signal says so, or the terminal is gone */
        TERMINAL_OTHER = 16,      /* one of the other descriptors can be read */
};
/* Waits until something is there, at most so long. Descriptors below 0 are passed over. */
unsigned terminal_wait(struct terminal *terminal, const int *others, size_t n_others, int timeout_ms);

enum terminal_key { /* or a byte of ASCII */
        KEY_NONE = 256,
        KEY_UP,
        KEY_DOWN,
        KEY_PAGE_UP,
        KEY_PAGE_DOWN,
        KEY_HOME,
        KEY_END,
        KEY_OTHER, /* one that has no meaning here */
};
/* What was typed next; KEY_NONE: nothing more. */
int terminal_key_next(struct terminal *terminal);
/* The first key of these bytes (ECMA-48 control sequences, as xterm and the Linux console send them), and how
 * many bytes it took; 0: its end is still to come. */
int terminal_key(const char *bytes, size_t size, size_t *ret_taken);
