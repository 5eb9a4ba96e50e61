/* SPDX-License-Identifier: MIT */
/* The sysctl probe. */
#include "core/probe_internal.h"

int
probe_sysctl(const struct probe_request *request, struct probe_reading *ret, struct err *err)
{
        (void)request;
        (void)ret;
        return err_set(err, PROBE_FAILED, "not there yet");
}
