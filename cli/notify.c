/* SPDX-License-Identifier: MIT */
#include "cli/notify.h"

#include <systemd/sd-daemon.h>

void
notify_state(const char *state)
{
        sd_notify(0, state);
}
