/* SPDX-License-Identifier: MIT */
/* From the results of core/ to exit codes: in cli/ a function returns 0 or an exit code with words. */
#pragma once

#include "core/err.h"
#include "core/service.h"

#define STDOUT_FAILED "standard output: " /* begins an error of writing there: it is told once */

/* Any failure of core/ is EXIT_FAILED here. */
static inline int
failed(int r)
{
        return r ? EXIT_FAILED : EXIT_CLEAN;
}

static inline int
failed_oom(struct err *err)
{
        return failed(err_oom(err));
}
