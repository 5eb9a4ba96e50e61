/* SPDX-License-Identifier: MIT */
/*
 * From the lines of dpkg.log to transactions. What one run of apt did is one transaction, however many runs
 * of dpkg it took: apt's history tells when it began and ended. Without apt each run of dpkg is one.
 *
 * Both logs are in local time, without saying which. So their order is believed, and their times only within
 * what is known anyway: not before the log was last seen without these lines, and not after now.
 */
#include "core/package_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/escape.h"

#define COMMANDS_MAX 65536u /* runs of apt in its history */

static const char dpkg_log[] = "var/log/dpkg.log", dpkg_log_before[] = "var/log/dpkg.log.1",
                  apt_history[] = "var/log/apt/history.log";

void
transaction_done(struct transaction *transaction)
{
        free(transaction->command);
        free(transaction->requested_by);
        free(transaction->changes);
        free(transaction->gone);
        *transaction = (struct transaction){0};
}

/* ---- what apt says ---- */

struct history {
        struct dpkg_command *list;
        size_t n, capacity;
};

/* A run that has no end was broken off (nobody is at work now): what it did cannot be told from what came
 * after. */
static int
take_command(void *userdata, const struct dpkg_command *command)
{
        struct history *history = userdata;
        if (history->n == COMMANDS_MAX || !*command->end)
                return 0;
        if (history->n == history->capacity) {
                size_t capacity = history->capacity ? 2 * history->capacity : 16;
                void *grown = reallocarray(history->list, capacity, sizeof *history->list);
                if (!grown)
                        return -ENOMEM;
                history->list = grown;
                history->capacity = capacity;
        }
        history->list[history->n++] = *command;
        return 0;
}

/* The run of apt within which something happened: the last one that had begun, unless it was over. */
static const struct dpkg_command *
command_at(const struct history *history, const char *when)
{
        for (size_t i = history->n; i-- > 0;) {
                const struct dpkg_command *command = &history->list[i];
                if (strcmp(command->start, when) <= 0)
                        return strcmp(when, command->end) <= 0 ? command : NULL;
        }
        return NULL;
}

/* ---- transactions ---- */

struct grouping {
        struct package_root *root;
        struct history history;
        const struct dpkg_command *command; /* of the transaction that is open */
        bool open;
        struct transaction now;
        char first[DPKG_WHEN_MAX], last[DPKG_WHEN_MAX];
        int64_t earliest_ms, latest_ms;
        size_t taken; /* the newest of those that are remembered */
};

static int64_t
when_ms(const struct grouping *grouping, const char *when, int64_t otherwise_ms)
{
        int64_t time_ms;
        if (!*when || clock_parse_human(when, 0, &time_ms, NULL) < 0)
                return otherwise_ms;
        return time_ms < grouping->earliest_ms - 1000 || time_ms > grouping->latest_ms ? otherwise_ms
                                                                                       : time_ms;
}

static void
transaction_forget(struct package_root *root)
{
        transaction_done(&root->transactions[0]);
        root->n_transactions--;
        memmove(root->transactions, root->transactions + 1,
                root->n_transactions * sizeof *root->transactions);
}

static int
transaction_keep(struct grouping *grouping)
{
        struct package_root *root = grouping->root;
        struct transaction *now = &grouping->now;
        const struct dpkg_command *command = grouping->command;
        now->start_ms = when_ms(grouping, command ? command->start : grouping->first, grouping->earliest_ms);
        now->end_ms = when_ms(grouping, command ? command->end : grouping->last, grouping->latest_ms);
        if (now->end_ms < now->start_ms)
                now->end_ms = grouping->latest_ms;
        /* Not before the log was last seen without it, and not after its last second. */
        now->since_ms = now->start_ms > grouping->earliest_ms ? now->start_ms : grouping->earliest_ms;
        now->until_ms = now->end_ms + 999 < grouping->latest_ms ? now->end_ms + 999 : grouping->latest_ms;
        if (command && *command->command)
                now->command = escape_new(command->command, strlen(command->command));
        if (command && *command->requested_by)
                now->requested_by = escape_new(command->requested_by, strlen(command->requested_by));
        if (root->n_transactions == PACKAGE_TRANSACTIONS_MAX)
                transaction_forget(root);
        void *grown = reallocarray(root->transactions, root->n_transactions + 1, sizeof *root->transactions);
        if (!grown)
                return -ENOMEM;
        root->transactions = grown;
        root->transactions[root->n_transactions++] = *now;
        grouping->taken += grouping->taken < PACKAGE_TRANSACTIONS_MAX;
        *now = (struct transaction){0};
        return 0;
}

/* One that touched no package (only triggers ran) caused nothing that could be told. */
static int
transaction_close(struct grouping *grouping)
{
        int r = grouping->now.n_changes ? transaction_keep(grouping) : 0;
        transaction_done(&grouping->now);
        grouping->open = false;
        grouping->command = NULL;
        return r;
}

static struct package_change *
change_of(struct transaction *transaction, const char *package)
{
        for (size_t i = transaction->n_changes; i-- > 0;) /* the last is the likely one */
                if (strcmp(transaction->changes[i].name, package) == 0)
                        return &transaction->changes[i];
        return NULL;
}

static int
change_add(struct transaction *transaction, const struct dpkg_event *event)
{
        if (transaction->n_changes == PACKAGE_CHANGES_MAX) {
                transaction->n_left_out++;
                return 0;
        }
        void *grown =
                reallocarray(transaction->changes, transaction->n_changes + 1, sizeof *transaction->changes);
        if (!grown)
                return -ENOMEM;
        transaction->changes = grown;
        struct package_change *change = &transaction->changes[transaction->n_changes++];
        *change = (struct package_change){.action = event->action};
        memcpy(change->name, event->package, sizeof change->name);
        memcpy(change->before, event->before, sizeof change->before);
        memcpy(change->after, event->after, sizeof change->after);
        if (event->action == DPKG_CONFIGURE) { /* by itself: what an earlier run unpacked */
                memcpy(change->after, event->before, sizeof change->after);
                change->before[0] = '\0';
        }
        return 0;
}

/* A package that is installed, removed and installed again in one go is an upgrade from the first to the
 * last. */
static int
change_take(struct transaction *transaction, const struct dpkg_event *event)
{
        struct package_change *change = change_of(transaction, event->package);
        if (!change)
                return change_add(transaction, event);
        if (event->action == DPKG_CONFIGURE)
                return 0;
        memcpy(change->after, event->after, sizeof change->after);
        change->action = !*event->after ? DPKG_REMOVE : *change->before ? DPKG_UPGRADE : event->action;
        return 0;
}

static int
take_event(void *userdata, const struct dpkg_event *event)
{
        struct grouping *grouping = userdata;
        const struct dpkg_command *command = command_at(&grouping->history, event->when);
        bool begins = !grouping->open || command != grouping->command ||
                      (!command && event->action == DPKG_STARTUP);
        int r = begins && grouping->open ? transaction_close(grouping) : 0;
        if (begins) {
                grouping->open = true;
                grouping->command = command;
                memcpy(grouping->first, event->when, sizeof grouping->first);
        }
        memcpy(grouping->last, event->when, sizeof grouping->last);
        return r == 0 && *event->package ? change_take(&grouping->now, event) : r;
}

/* ---- the logs ---- */

/* What came after the mark; where the log was rotated meanwhile, first the rest of the old one. */
static int
log_read(const struct package_root *root, int root_fd, struct buf *ret, struct stat *ret_stat)
{
        struct stat before;
        uint64_t from = root->log_size;
        int r = root_log_stat(root_fd, dpkg_log, ret_stat);
        if (r < 0)
                return r;
        if (ret_stat->st_ino != root->log_inode || (uint64_t)ret_stat->st_size < root->log_size) {
                if (root_log_stat(root_fd, dpkg_log_before, &before) == 0 && before.st_ino == root->log_inode)
                        r = root_read(root_fd, dpkg_log_before, root->log_size, PACKAGE_LOG_MAX, ret);
                from = 0;
        }
        return r == -ENOMEM ? r : root_read(root_fd, dpkg_log, from, PACKAGE_LOG_MAX, ret);
}

int
log_take(struct package_root *root, int root_fd, size_t *ret_taken)
{
        _cleanup_buf_ struct buf text = {0}, apt = {0};
        struct grouping grouping = {.root = root, .earliest_ms = root->mark_ms, .latest_ms = clock_now_ms()};
        struct stat stat;
        size_t used;
        int r = log_read(root, root_fd, &text, &stat);
        if (r < 0)
                return r;
        r = root_read(root_fd, apt_history, 0, PACKAGE_LOG_MAX, &apt);
        if (r == 0 && apt.size)
                r = dpkg_history_read(apt.data, apt.size, take_command, &grouping.history);
        if (r != -ENOMEM && text.size)
                r = dpkg_log_read(text.data, text.size, &used, take_event, &grouping);
        if (r != -ENOMEM && grouping.open)
                r = transaction_close(&grouping);
        transaction_done(&grouping.now);
        *ret_taken = grouping.taken;
        free(grouping.history.list);
        if (r == -ENOMEM)
                return r;
        root->log_inode = stat.st_ino;
        root->log_size = (uint64_t)stat.st_size;
        root->mark_ms = grouping.latest_ms;
        return 0;
}
