/* SPDX-License-Identifier: MIT */
/*
 * What a client of the control socket sends, up to where a method is called. The first byte says in which
 * pieces the rest comes in: the requests found must not depend on it. Each is held against an interface.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/varlink.h"

#define FRAME_MAX 4096u

static const char interface[] =
        "interface dev.driftd.Control\n"
        "type Waiver (\n"
        "  item: string,\n"
        "  until_ms: int\n"
        ")\n"
        "# A comment\n"
        "method Propose(name: string, items: []string, ticket: ?string, waivers: []Waiver,\n"
        "  map: [string]Waiver, real: float, any: object, retire: bool) -> (done: bool)\n"
        "method Verify() -> (ok: bool)\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool condition)
{
        if (!condition)
                abort();
}

static void
take(const char *text, size_t size, struct buf *log)
{
        struct varlink_request request;
        struct err err = {0};
        char bad[VARLINK_NAME_MAX] = "";
        must(strlen(text) == size && size <= FRAME_MAX);
        int r = varlink_request_parse(text, size, &request, &err);
        must(r == 0 || r == -EINVAL);
        if (r < 0) {
                must(buf_text(log, "refused;") == 0);
                return;
        }
        must(strncmp(request.method, request.interface, strlen(request.interface)) == 0);
        must(!request.more || !request.oneway);
        int check = varlink_check(interface, request.member, request.parameters, bad);
        _cleanup_json_ struct json *name = json_make("s", bad);
        must(name != NULL); /* it goes back in an answer */
        if (check == VARLINK_BAD_PARAMETER)
                must(strlen(bad) == VARLINK_NAME_MAX - 1 || !*bad || json_length(request.parameters) > 0);
        must(buf_printf(log, "%s %s %d %s;", request.interface, request.member, check, bad) == 0);
        varlink_request_done(&request);
}

static void
feed(const uint8_t *data, size_t size, size_t piece, struct buf *log)
{
        struct varlink_frames frames = {.max = FRAME_MAX};
        const char *text;
        size_t length;
        int r = 0;
        for (size_t at = 0; at < size && r >= 0; at += piece) {
                must(varlink_frames_add(&frames, data + at, min_size(piece, size - at)) == 0);
                while ((r = varlink_frames_take(&frames, &text, &length)) == 1)
                        take(text, length, log);
        }
        varlink_frames_done(&frames);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_buf_ struct buf whole = {0}, pieces = {0};
        if (!size)
                return 0;
        feed(data + 1, size - 1, size, &whole);
        feed(data + 1, size - 1, 1u + data[0], &pieces);
        must(whole.size == pieces.size && (!whole.size || memcmp(whole.data, pieces.data, whole.size) == 0));
        return 0;
}
