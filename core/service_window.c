/* SPDX-License-Identifier: MIT */
/*
 * The methods of windows and expected change sets. A report may be as long as the ledger, so its entries and
 * the set that follows from them go out in pieces; the document comes last and says that all is told.
 */
#include "core/service_internal.h"

#include <errno.h>
#include <string.h>

#include "core/document.h"

static int
fail(struct call *call, const char *text, const char *hint)
{
        err_set(call->err, EXIT_FAILED, "%s", text);
        return err_hint(call->err, EXIT_FAILED, "%s", hint);
}

static struct buf
take(struct buf *from)
{
        struct buf taken = *from;
        *from = (struct buf){0};
        return taken;
}

int
call_open_window(struct call *call)
{
        _cleanup_buf_ struct buf approvals = take(&call->session->approvals);
        _cleanup_buf_ struct buf expect = take(&call->session->expect);
        struct instance *instance = call->instance;
        const struct window *window = NULL;
        size_t size = call->session->window.size;
        char *text = buf_steal(&call->session->window);
        if (!text || !size) {
                free(text);
                return fail(call, "no window was uploaded to be opened", "driftctl window open");
        }
        int r = instance_window_open(instance, text, size, &approvals, &expect, &window, call->err);
        if (r)
                return r == INSTANCE_REFUSED ? EXIT_UNTRUSTED : call_failed(call, r);
        _cleanup_json_ struct json *list = instance_windows_json(instance, true);
        return call_say(call, json_make("{s:O}", "window", json_at(list, json_length(list) - 1)), false);
}

/* entries in batches. */
static int
say_entries(struct call *call, const struct json *entries)
{
        struct json *batch = NULL;
        size_t n = json_length(entries);
        int r = 0;
        for (size_t i = 0; i < n && r == 0; i++) {
                batch = batch ? batch : json_array_make();
                if (json_push(batch, json_keep((struct json *)(uintptr_t)json_at(entries, i))) < 0)
                        r = call_failed(call, -ENOMEM);
                else if (json_length(batch) == DRIFTS_PER_REPLY || i + 1 == n)
                        r = call_say(call, json_make("{s:o}", "entries", steal_pointer(&batch)), true);
        }
        json_free(batch);
        return r;
}

/* The three parts of an answer. Takes the reference of the document. */
static int
say_report(struct call *call, const struct json *entries, const struct buf *set, struct json *document)
{
        int r = document ? say_entries(call, entries) : call_failed(call, -ENOMEM);
        r = r ? r : call_say_pieces(call, "text", set->data ? set->data : "", set->size);
        if (r == 0)
                return call_say(call, json_make("{s:o}", "document", document), false);
        json_free(document);
        return r;
}

static int
say_ended(struct call *call, const char *name)
{
        _cleanup_buf_ struct buf set = {0};
        struct json *summary = NULL;
        int r = instance_window_ended(call->instance, name, &summary, &set, call->err);
        if (r == STORE_NONE) {
                (void)instance_window_find(call->instance, name, call->err); /* for its words */
                return EXIT_FAILED;
        }
        if (r)
                return call_failed(call, r);
        const struct json *counts = json_member(summary, "report");
        struct json *document = document_window(call->instance, json_keep(summary), NULL,
                counts ? json_keep((struct json *)(uintptr_t)counts) : json_null_new());
        r = say_report(call, NULL, &set, document);
        json_free(summary);
        return r;
}

/* What the list says of one that is open. */
static struct json *
open_json(const struct instance *instance, const struct window *window)
{
        _cleanup_json_ struct json *list = instance_windows_json(instance, true);
        char hex[DIGEST_HEX_SIZE];
        digest_hex(&window->id, hex);
        json_each (list, i, one) {
                const char *id = json_text(one, "id");
                if (id && strcmp(id, hex) == 0)
                        return json_keep((struct json *)(uintptr_t)one);
        }
        return json_null_new();
}

int
call_show_window(struct call *call)
{
        const char *name = json_text(call->parameters, "window");
        _cleanup_buf_ struct buf set = {0};
        _cleanup_json_ struct json *entries = NULL;
        struct window_counts counts;
        struct err why = {0};
        const struct window *window = instance_window_find(call->instance, name, &why);
        if (!window && why.code == STORE_NONE)
                return say_ended(call, name);
        if (!window) { /* which of the open ones is for the caller to say */
                if (call->err)
                        *call->err = why;
                return EXIT_FAILED;
        }
        int r = call_look_offline(call);
        r = r ? r : instance_window_report(call->instance, window, NULL, &counts, &entries, &set, call->err);
        if (r)
                return call_failed(call, r);
        return say_report(call, entries, &set,
                document_window(call->instance, open_json(call->instance, window),
                        window->has_expect ? &window->expect_id : NULL,
                        instance_window_counts_json(&counts)));
}

int
call_close_window(struct call *call)
{
        const char *name = json_text(call->parameters, "window");
        _cleanup_buf_ struct buf set = {0};
        _cleanup_json_ struct json *report = NULL, *summary = NULL;
        const struct window *window = instance_window_find(call->instance, name, call->err);
        if (!window)
                return EXIT_FAILED;
        struct digest id = window->id, expect = window->expect_id;
        bool has_expect = window->has_expect;
        char hex[DIGEST_HEX_SIZE];
        int r = call_look_offline(call);
        r = r ? r : instance_window_close(call->instance, window, &report, call->err);
        digest_hex(&id, hex);
        if (r == 0 && instance_window_ended(call->instance, hex, &summary, &set, call->err))
                r = -EIO;
        if (r)
                return call_failed(call, r);
        return say_report(call, json_member(report, "entries"), &set,
                document_window(call->instance, json_make("O", json_member(report, "window")),
                        has_expect ? &expect : NULL, json_make("O", json_member(report, "counts"))));
}

int
call_compare_expected(struct call *call)
{
        _cleanup_buf_ struct buf text = take(&call->session->expect), set = {0};
        _cleanup_(expect_freep) struct expect *expect = NULL;
        _cleanup_json_ struct json *entries = NULL;
        struct window_counts counts;
        bool record = json_flag(call->parameters, "record");
        if (!record && !text.size)
                return fail(call, "no expected change set was uploaded", "driftctl diff --expect FILE");
        int r = record ? 0 : expect_open(text.data, text.size, &expect, call->err);
        r = r ? r : call_look_offline(call);
        r = r ? r : instance_window_report(call->instance, NULL, expect, &counts, &entries, &set, call->err);
        if (r)
                return call_failed(call, r);
        return say_report(call, entries, &set,
                document_window(call->instance, NULL, expect ? expect_id(expect) : NULL,
                        instance_window_counts_json(&counts)));
}

int
call_list_windows(struct call *call)
{
        return call_say(
                call, json_make("{s:o}", "windows", instance_windows_json(call->instance, false)), false);
}
