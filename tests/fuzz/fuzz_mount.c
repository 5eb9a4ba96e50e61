/* SPDX-License-Identifier: MIT */
/* Any text as a mount table: taken or refused, and a path's mount is one of the table's. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/mount.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct mount_table table = {0};
        char *text = malloc(size + 1);
        if (!text)
                return 0;
        memcpy(text, data, size);
        text[size] = '\0';
        if (mount_table_parse(text, &table) < 0)
                return 0;
        const struct mount *mount = mount_of_path(&table, "/a/b/c");
        if (mount && (mount < table.mounts || mount >= table.mounts + table.count))
                abort();
        for (size_t i = 0; i < table.count; i++)
                if (!mount_by_id(&table, table.mounts[i].id) || !table.mounts[i].point ||
                        !table.mounts[i].root || !table.mounts[i].device)
                        abort();
        mount_table_done(&table);
        return 0;
}
