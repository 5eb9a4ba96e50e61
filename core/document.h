/* SPDX-License-Identifier: MIT */
/*
 * The documents of an instance: driftd.status/1, driftd.diff/1, what `show` tells. JSON values, each to be
 * freed.
 */
#pragma once

#include "core/instance.h"

#define DRIFTS_PER_REPLY 256u

struct json *document_status(struct instance *instance);

/* driftd.diff/1 with an empty `drifts`; items narrow the verdict to what they select. ret_count: drifts
 * selected. */
struct json *document_diff(
        struct instance *instance, char *const *items, size_t n_items, uint64_t *ret_count);

/* The drifts selected, in arrays of at most DRIFTS_PER_REPLY, in order. visit takes the array; non-zero
 * stops. */
int document_drifts(struct instance *instance, char *const *items, size_t n_items,
        int (*visit)(void *userdata, struct json *drifts), void *userdata, struct err *err);

/* The member `show` of Show, from a look at the item that was just taken (result and snapshot as of
 * snapshot_path). */
int document_show(struct instance *instance, const char *item, int result, const struct snapshot *snapshot,
        struct json **ret, struct err *err);

/* The same for a setting, from a look at its domain that was just taken. */
int document_show_setting(struct instance *instance, const char *item, const struct settings_look *look,
        struct json **ret, struct err *err);

/* driftd.window/1 with empty entries. window: what is said of one, NULL: none; expect: a set's id, or NULL.
 * References are taken. */
struct json *document_window(
        struct instance *instance, struct json *window, const struct digest *expect, struct json *counts);

/* One BaselineInfo of the interface. */
struct json *document_baseline_info(struct instance *instance, const struct baseline_row *row);
