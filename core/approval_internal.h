/* SPDX-License-Identifier: MIT */
/*
 * The one place where a subject becomes a line: what approval_write.c writes is what approval.c looks for.
 */
#pragma once

#include "core/approval.h"

#define APPROVAL_MAGIC "driftd-approval 1\n"
#define SUBJECT_LINE_MAX 224     /* bytes, with newline and NUL; the longest baseline line has 191 */
#define GENERATION_DIGITS_MAX 18 /* so that it fits int64_t, as in baselines */
#define GENERATION_MAX 999999999999999999u

/* 32 lower-case hex digits (a host's id), or "*". */
bool approval_host_is_valid(const char *host, size_t size);

/* "baseline ID NAME HOST GENERATION\n" "trust ID GENERATION\n" or "window ID\n"; -EINVAL for a name, host or
 * generation that cannot be. */
int approval_subject_line(const struct approval_subject *subject, char ret[static SUBJECT_LINE_MAX]);
