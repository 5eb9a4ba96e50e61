/* SPDX-License-Identifier: MIT */
/*
 * The daemon names the active generation by its id, and the shelf (core/instance_shelf.c) has its text as a
 * file that root can read. Nothing is believed because it lies there: bytes of another SHA-256 are not looked
 * at further, and then, or where it cannot be read, the text comes through the socket.
 */
#include "cli/parent.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/transfer.h"
#include "core/digest.h"
#include "core/file.h"

static char *
shelf_path(const struct cli *cli, const char *name, uint64_t generation)
{
        _cleanup_free_ char *folder = config_shelf(cli->config);
        char *path;
        if (!folder || asprintf(&path, "%s/%s@%" PRIu64 ".baseline", folder, name, generation) < 0)
                return NULL;
        return path;
}

/* NULL: not there, or not what it should be. */
static struct baseline *
from_shelf(const struct cli *cli, const char *name, uint64_t generation, const struct digest *id)
{
        _cleanup_free_ char *path = shelf_path(cli, name, generation);
        _cleanup_buf_ struct buf text = {0};
        struct baseline *baseline = NULL;
        struct digest found;
        if (!path || file_read(path, 0, BASELINE_SIZE_MAX, &text, NULL) < 0 || !text.size)
                return NULL;
        digest_bytes(text.data, text.size, &found);
        if (!digest_equal(&found, id))
                return NULL;
        size_t size = text.size;
        return baseline_open_after(NULL, buf_steal(&text), size, &found, &baseline, NULL) ? NULL : baseline;
}

static const struct json *
active_row(const struct json *reply)
{
        const struct json *found = NULL;
        json_each (json_member(reply, "baselines"), i, row)
                if (json_flag(row, "active"))
                        found = row;
        return found;
}

int
parent_fetch(struct cli *cli, const char *name, struct baseline **ret, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        _cleanup_signed_ struct signed_text text = {0};
        struct digest id;
        int r = cli_call(cli, "ListBaselines", json_make("{s:s}", "name", name), &reply, err);
        const struct json *row = r ? NULL : active_row(reply);
        if (!row)
                return r;
        const char *hex = json_text(row, "id");
        uint64_t generation = (uint64_t)json_number(row, "generation");
        if (hex && digest_parse(hex, strlen(hex), &id) == 0 &&
                (*ret = from_shelf(cli, name, generation, &id)))
                return 0;
        r = signed_text_fetch(cli, name, generation, &text, err);
        if (r == 0)
                *ret = steal_pointer(&text.baseline);
        return r;
}
