/* SPDX-License-Identifier: MIT */
/*
 * For the analyser alone (tests/lint.sh puts it in front of each file): what it cannot see across files. An
 * error is never 0, and the functions that make its words hand back the code that they were given.
 */
#pragma once

#include <errno.h>

#include "core/err.h"

#define LINT_CODE(call, code)                                                                                \
        ({                                                                                                   \
                (void)(call);                                                                                \
                int lint_code_ = (code);                                                                     \
                if (lint_code_ == 0)                                                                         \
                        __builtin_unreachable();                                                             \
                lint_code_;                                                                                  \
        })
#define err_set(err, code, ...) LINT_CODE((err_set)(err, code, __VA_ARGS__), code)
#define err_hint(err, code, ...) LINT_CODE((err_hint)(err, code, __VA_ARGS__), code)
#define err_oom(err) LINT_CODE((err_oom)(err), -ENOMEM)
