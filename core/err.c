/* SPDX-License-Identifier: MIT */
/*
 * Errors in words. Owns nothing: it formats into the caller's fixed memory, so that telling of a lack
 * of memory needs none. Texts are cut at the bound, never overrun.
 */
#include "core/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int
err_set(struct err *err, int code, const char *format, ...)
{
        if (!err)
                return code;
        va_list args;
        va_start(args, format);
        err->code = code;
        err->hint[0] = '\0';
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
        return code;
}

int
err_hint(struct err *err, int code, const char *format, ...)
{
        if (!err)
                return code;
        va_list args;
        va_start(args, format);
        vsnprintf(err->hint, sizeof err->hint, format, args);
        va_end(args);
        return code;
}

int
err_oom(struct err *err)
{
        return err_set(err, -ENOMEM, "out of memory");
}
