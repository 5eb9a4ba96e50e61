/* SPDX-License-Identifier: MIT */
/*
 * Items by their URI (`file:/etc/passwd`), globs over them, and what they select.
 *
 * The text of an item is always escaped (escape.h): printable ASCII without blanks. A bare absolute path
 * on the command line is raw bytes and means `file:`; after `file:` the escaped form is expected, as
 * every output of ours prints it.
 *
 * Globs: `*` within a name, `**` across names, `?` one byte that is not `/`; no `[ ]`. A pattern that
 * matches a folder covers all that is below it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

/* Whether `text` (raw or escaped: same form as the pattern) is matched as a whole. Linear memory, no recursion. */
bool glob_match(const char *pattern, const char *text) _pure_;

/* Whether the pattern matches the path or one of the folders above it. */
bool glob_covers(const char *pattern, const char *path) _pure_;

/* `file:` + the escaped path; NULL when out of memory. To be freed. */
char *item_from_path(const char *path);

/* What a person wrote → the item's text (to be freed). -EINVAL with words: relative path, unknown domain, bad escape. */
int item_parse(const char *argument, char **ret_item, struct err *err);

/* Whether an item is selected by a list of patterns (from item_parse); an empty list selects all. */
bool item_selected(const char *item, char *const *patterns, size_t n_patterns) _pure_;
