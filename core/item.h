/* SPDX-License-Identifier: MIT */
/*
 * Items by their URI (`file:/etc/passwd`), globs over them, and what they select.
 *
 * The text of an item is always escaped (escape.h): printable ASCII without blanks. A bare absolute path
 * on the command line is raw bytes and means `file:`; after `file:` the escaped form is expected, as
 * every output of ours prints it.
 *
 * Globs: `*` within a name, `**` across names, `?` one byte that is not `/`; no `[ ]`: brackets mean
 * themselves. An escape (`\xhh`) counts as the one byte that it stands for, in patterns and in what they are
 * matched with. A pattern that matches a folder covers all that is below it. Where `**` stands between
 * slashes it takes whole names, also none (blanks only here, for the sake of the comment):
 *
 *     /a/ **      all below /a, but not /a itself
 *     /a/ ** /b   /a/b, /a/x/b, /a/x/y/b
 *     /a**        any run of bytes, also none: /a, /ab, /a/b
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

/*
 * Whether `text` (raw or escaped: same form as the pattern) is matched as a whole. No recursion, no memory,
 * and no pattern for which time explodes.
 */
bool glob_match(const char *pattern, const char *text) _pure_;

/* Whether the pattern matches the path or one of the folders above it ("/" is above every absolute path). */
bool glob_covers(const char *pattern, const char *path) _pure_;

/* `file:` + the escaped path; NULL when out of memory. To be freed. */
char *item_from_path(const char *path);

/*
 * What a person wrote → the item's text (to be freed). -EINVAL with words: relative path, unknown domain, bad
 * escape. Paths are tidied (`//`, `/./` and a `/` at the end go; `..` is refused, for where it leads depends
 * on links), and sshd keywords are put in lower case (but no facts: names with a slash).
 */
int item_parse(const char *argument, char **ret_item, struct err *err);

/* Whether an item is selected by a list of patterns (from item_parse); an empty list selects all. */
bool item_selected(const char *item, char *const *patterns, size_t n_patterns) _pure_;

#define NAME_MAX_SIZE 64 /* of approvers, baselines, scopes; with the NUL */

/* 1 to 63 of [A-Za-z0-9._-], not starting with '-' or '.'. */
bool name_is_valid(const char *name, size_t size);
