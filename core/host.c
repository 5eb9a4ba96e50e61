/* SPDX-License-Identifier: MIT */
/*
 * Who this host is. The machine id itself is not to be shown (machine-id(5)); what a baseline names is a
 * keyed hash of it, made by systemd with a constant of ours, so that it is stable across reboots and
 * renames and says nothing about the machine id. The only file of core/ that includes a systemd header.
 *
 * The environment is not consulted: whoever starts driftctl must not be able to make a baseline for
 * another host fit this one.
 */
#include <errno.h>
#include <string.h>
#include <systemd/sd-id128.h>

#include "core/baseline.h"

_Static_assert(HOST_ID_MAX >= SD_ID128_STRING_MAX, "a host id is an sd_id128 as text");

int
host_id(char ret[static HOST_ID_MAX], struct err *err)
{
        /* Drawn once at random; changing it makes every host another host. */
        const sd_id128_t application =
                SD_ID128_MAKE(ce, be, ca, ac, 67, 9c, 66, f8, d8, 9b, 37, 27, 63, 61, 20, 75);
        sd_id128_t id;
        int r = sd_id128_get_machine_app_specific(application, &id);
        if (r < 0) {
                err_set(err, r, "this host has no usable machine id: %s", strerror(-r));
                return err_hint(err, r, "systemd-machine-id-setup writes /etc/machine-id");
        }
        sd_id128_to_string(id, ret);
        return 0;
}

void
boot_id(char ret[static BOOT_ID_MAX])
{
        sd_id128_t id;
        *ret = '\0';
        if (sd_id128_get_boot(&id) >= 0)
                sd_id128_to_string(id, ret);
}
