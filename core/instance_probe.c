/* SPDX-License-Identifier: MIT */
/* Looks at settings in the caller's thread: offline, and for comparisons. */
#include "core/instance_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/probe.h"

static int
look_at(struct judge *judge, const struct scope *scope, const struct settings_request *request,
        struct err *err)
{
        _cleanup_probe_reading_ struct probe_reading reading = {0};
        _cleanup_free_ char *helpers = probe_helpers();
        struct err why = {0};
        struct probe_request ask = {.scope = scope, .helpers = helpers, .cancel = request->cancel};
        struct settings_look look = {.scope = scope,
                .now_ms = clock_now_ms(),
                .unobserved = request->unobserved,
                .failed = request->not_here};
        if (!helpers)
                return err_oom(err);
        int r = request->not_here ? PROBE_FAILED : probe_read(&ask, &reading, &why);
        if (r < 0)
                return err_set(err, r, "%s", why.text[0] ? why.text : strerrordesc_np(-r));
        if (r == 0)
                look.reading = &reading;
        else if (!look.failed)
                look.failed = why.text;
        if (!look.reading && request->failed)
                r = request->failed(request->userdata, scope->domain, look.failed);
        if (r < 0)
                return err_oom(err);
        return judge_observe_settings(judge, &look) < 0 ? err_oom(err) : 0;
}

int
instance_probe(struct judge *judge, const struct settings_request *request, struct err *err)
{
        struct scope *scopes = NULL;
        size_t n = 0;
        int r = judge_probes(judge, &scopes, &n);
        if (r < 0)
                return err_oom(err);
        for (size_t i = 0; i < n && r == 0; i++)
                r = look_at(judge, &scopes[i], request, err);
        scopes_free(scopes, n);
        return r;
}
