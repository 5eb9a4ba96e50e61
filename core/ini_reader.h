/* SPDX-License-Identifier: MIT */
/*
 * inih behind a fence, with its traps refused. inih (version 55, measured) cuts lines over about 200 bytes
 * and sections over 49 silently, joins an indented line to the one before, splits at `:` like at `=`, and
 * ends values at ` ;`. This reader looks at every line first and refuses what inih would misread, then lets
 * inih read, and refuses a file of which the two readings differ.
 */
#pragma once

#include <stddef.h>

#include "core/err.h"

#define INI_FILE_MAX (1u << 20) /* bytes */
#define INI_LINE_MAX 198        /* bytes, without the newline; inih's own limit is 200 with newline and NUL */
#define INI_SECTION_MAX 49      /* bytes between the brackets */

/*
 * Called for every section (key and value NULL) and every key, in order. `section` is what stands between the
 * brackets. Return 0 to go on; anything else (with err set by the callee, prefixed as it likes) stops the
 * reading and is returned.
 */
typedef int (*ini_visit)(void *userdata, unsigned line, const char *section, const char *key,
        const char *value, struct err *err);

/* 0, what visit returned, or -EINVAL with "path:line: what is wrong" and a hint with what would be right. */
int ini_read(
        const char *path, const char *text, size_t size, ini_visit visit, void *userdata, struct err *err);

/* The closest of n names within two edits (Damerau-Levenshtein), for "did you mean"; NULL if none is near.
 * Case does not count; at least half of the longer word must stay as it is. */
const char *nearest_word(const char *word, const char *const *names, size_t n_names);
