/* SPDX-License-Identifier: MIT */
/*
 * Transactions as JSON: the cause of one drift, and the record of the whole. driftctl(1) gives the members.
 * What is in them is in its alphabet already (package names, versions), escaped, or ours.
 */
#include "core/package_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"

static const char *const agreement_names[] = {
        [AGREEMENT_AGREES] = "agrees", [AGREEMENT_DIFFERS] = "differs", [AGREEMENT_UNKNOWN] = "unknown"};

/* "hello" of "hello:amd64"; *ret_architecture is "" if it is not told. */
static void
split_name(const char *name, char package[static DPKG_NAME_MAX], const char **ret_architecture)
{
        size_t size = strcspn(name, ":");
        snprintf(package, DPKG_NAME_MAX, "%.*s", (int)size, name);
        *ret_architecture = name[size] ? name + size + 1 : "";
}

static const char *
or_null(const char *text)
{
        return text && *text ? text : NULL;
}

char *
cause_write(const struct match *match, enum agreement agreement)
{
        const struct transaction *t = match->transaction;
        const struct package_change *change = match->change;
        _cleanup_buf_ struct buf text = {0};
        char start[CLOCK_TEXT_MAX], package[DPKG_NAME_MAX];
        const char *architecture;
        clock_format_seconds(t->start_ms, start);
        split_name(change->name, package, &architecture);
        _cleanup_json_ struct json *cause =
                json_make("{s:s, s:s, s:s, s:s, s:s?, s:s?, s:s?, s:s, s:s, s:s?, s:s?}", "kind", "package",
                        "manager", "dpkg", "transaction", start, "package", package, "architecture",
                        or_null(architecture), "version", or_null(change->after), "previous",
                        or_null(change->before), "action", dpkg_action_names[change->action], "digest",
                        agreement_names[agreement], "command", t->command, "requested_by", t->requested_by);
        return cause && json_write(cause, &text) == 0 ? buf_steal(&text) : NULL;
}

static struct json *
change_json(const struct package_change *change)
{
        char package[DPKG_NAME_MAX];
        const char *architecture;
        split_name(change->name, package, &architecture);
        return json_make("{s:s, s:s?, s:s?, s:s?, s:s, s:I, s:I, s:I, s:I}", "package", package,
                "architecture", or_null(architecture), "version", or_null(change->after), "previous",
                or_null(change->before), "action", dpkg_action_names[change->action], "files",
                (json_int)change->files, "agrees", (json_int)change->agrees, "differs",
                (json_int)change->differs, "unknown", (json_int)change->unknown);
}

static struct json *
transaction_json(const struct transaction *t)
{
        char start[CLOCK_TEXT_MAX], end[CLOCK_TEXT_MAX];
        struct json *packages = json_array_make();
        size_t n = min_size(t->n_changes, PACKAGE_RECORDED_MAX);
        uint64_t files = 0, left_out = t->n_changes - n + t->n_left_out;
        for (size_t i = 0; packages && i < n; i++)
                if (json_push(packages, change_json(&t->changes[i])) < 0)
                        packages = json_free(packages);
        for (size_t i = 0; i < t->n_changes; i++)
                files += t->changes[i].files;
        clock_format_seconds(t->start_ms, start);
        clock_format_seconds(t->end_ms, end);
        return json_make("{s:s, s:s, s:s, s:s?, s:s?, s:I, s:o, s:I}", "manager", "dpkg", "start", start,
                "end", end, "command", t->command, "requested_by", t->requested_by, "files", (json_int)files,
                "packages", packages, "packages_left_out", (json_int)left_out);
}

/* One record a transaction, the first time that something is put down to it. */
int
transactions_record(struct package_root *root, struct json **ret)
{
        struct json *records = json_array_make();
        for (size_t t = 0; records && t < root->n_transactions; t++) {
                struct transaction *transaction = &root->transactions[t];
                bool caused = false;
                for (size_t c = 0; c < transaction->n_changes; c++)
                        caused = caused || transaction->changes[c].files;
                if (!caused || transaction->recorded)
                        continue;
                if (json_push(records, transaction_json(transaction)) < 0)
                        records = json_free(records);
                transaction->recorded = true;
        }
        *ret = records;
        return records ? 0 : -ENOMEM;
}
