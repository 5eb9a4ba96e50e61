/* SPDX-License-Identifier: MIT */
/* One line of progress on standard error, where that is a terminal: files, bytes, rate, time left. Nothing
 * elsewhere. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/json.h"

struct progress {
        bool wanted, drawn;
        int64_t start_ms, drawn_ms;
};
struct progress progress_start(bool quiet);
/* The `progress` member of a reply; NULL or null: nothing. */
void progress_show(struct progress *progress, const struct json *value);
void progress_clear(struct progress *progress);
