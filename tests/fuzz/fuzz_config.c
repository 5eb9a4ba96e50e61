/* SPDX-License-Identifier: MIT */
/* A configuration that is taken gives scopes that a baseline can carry: written, read again, and written the
 * same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool condition)
{
        if (!condition)
                abort();
}

static void
check_scope(const struct scope *scope)
{
        _cleanup_buf_ struct buf line = {0}, again = {0};
        struct scope copy = {0};
        struct err err = {0};
        must(scope_append(scope, &line) == 0);
        must(line.size > 7 && memcmp(line.data, "scope ", 6) == 0 && line.data[line.size - 1] == '\n');
        must(scope_parse(line.data + 6, line.size - 7, &copy, &err) == 0);
        must(scope_append(&copy, &again) == 0);
        must(strcmp(line.data, again.data) == 0);
        scope_done(&copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct config *config = NULL;
        struct scope *scopes = NULL;
        size_t count = 0;
        struct err err = {0};
        if (config_parse("fuzz", (const char *)data, size, &config, &err) < 0) {
                must(*err.text);
                return 0;
        }
        must(config->full_interval_s > 0 && config->quick_interval_s > 0 && config->keep_bodies >= 1);
        for (size_t i = 0; i < config->n_scopes; i++)
                check_scope(&config->scopes[i]);
        if (config_scopes_resolved(config, &scopes, &count, &err) == 0) {
                for (size_t i = 0; i < count; i++)
                        check_scope(&scopes[i]);
                scopes_free(scopes, count);
        }
        config_free(config);
        return 0;
}
