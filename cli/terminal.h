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
