/* SPDX-License-Identifier: MIT */
/* What the files of core/setting share. All texts are raw and NUL-terminated, operands unescaped. */
#pragma once

#include "core/setting.h"

#define SETTING_FIELDS_MAX 16u /* of `4096 87380 6291456`, and parts of a version */

enum setting_order { SETTING_LESS = -1, SETTING_SAME = 0, SETTING_MORE = 1, SETTING_NO_ORDER = 2 };
/* Cuts the next field of `10:30:60` or `4096 87380` off. false: there is none; an empty one has size 0. */
bool setting_field_next(const char **text, const char **ret_field, size_t *ret_size);
/* Numbers of 64 bits, or versions of one kind; anything else has no order. */
enum setting_order setting_field_compare(const char *a, size_t a_size, const char *b, size_t b_size);
/* How many fields a text has if each is a number or a version, else 0. */
size_t setting_fields_count(const char *text);

#define SETTING_REGEX_MAX 512u        /* bytes of a pattern */
#define SETTING_REGEX_PARTS_MAX 256u  /* of a pattern whose repetitions are written out */
#define SETTING_REGEX_DEPTH_MAX 16u   /* groups in groups */
#define SETTING_REGEX_VALUE_MAX 4096u /* bytes of a value; a longer one is incomparable */
/* -EINVAL with words; -ENOMEM. */
int setting_regex_check(const char *pattern, struct err *err);
/* enum setting_answer, -ENOMEM. */
int setting_regex_match(const char *pattern, const char *value);
