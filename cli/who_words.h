/* SPDX-License-Identifier: MIT */
/*
 * Who did it, for people (driftctl(1), "Who did it"): from the member `who` of a drift or a record. User ids
 * have the names that they have where this runs. Each appends to ret: 0, or -ENOMEM.
 */
#pragma once

#include "core/json.h"

/* "by vim[1234] (alice)", "likely by …"; nothing where the program is not known. */
int who_words(const struct json *who, struct buf *ret);
/* All of it, on one line: program, number, users, unit, confidence; nothing where nobody is known. */
int who_words_long(const struct json *who, struct buf *ret);
