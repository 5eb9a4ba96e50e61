/* SPDX-License-Identifier: MIT */
/* Any bytes as a buffer of fanotify events: each event lies within it, and its name ends there; and as the
 * texts of /proc that tell who somebody is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/escape.h"
#include "core/fan_event.h"
#include "core/who.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
events(const uint8_t *data, size_t size)
{
        struct fan_event event;
        size_t at = 0, before = 0;
        while (fan_event_next(data, size, &at, &event) > 0) {
                const char *begin = (const char *)data;
                if (at <= before || at > size || event.folder.size > FAN_KEY_MAX ||
                        event.target.size > FAN_KEY_MAX)
                        abort();
                if (event.name && (event.name < begin || event.name + strlen(event.name) >= begin + size))
                        abort();
                before = at;
        }
}

static void
texts(const uint8_t *data, size_t size)
{
        char *text = malloc(size + 1), state;
        int64_t number;
        uint64_t started;
        bool cut;
        if (!text)
                return;
        memcpy(text, data, size);
        text[size] = '\0';
        char *unit = who_parse_unit(text), *command = who_cmdline(text, size, &cut);
        if (unit && !escape_is_canonical(unit, strlen(unit)))
                abort();
        for (const char *p = command; p && *p; p++)
                if (*p < 0x20 || *p > 0x7e)
                        abort();
        who_parse_uid(text, &number);
        who_parse_login_uid(text, &number);
        who_parse_start(text, &state, &started);
        free(unit);
        free(command);
        free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        events(data, size);
        texts(data, size);
        return 0;
}
