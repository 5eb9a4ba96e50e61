/* SPDX-License-Identifier: MIT */
/* Folding records into the account of a period. */
#include "cli/account.h"

#include <string.h>

#include "cli/print.h"
#include "core/item.h"

/* The shortest part of which there are few enough: people think in hours, days and weeks. */
static int64_t
bar_length(int64_t span_ms)
{
        static const int64_t hours[] = {1, 6, 24, 7 * 24, 28 * 24, 365 * 24};
        for (size_t i = 0; i < ARRAY_SIZE(hours); i++)
                if (span_ms / (hours[i] * 3600000) < ACCOUNT_BARS_MAX - 1)
                        return hours[i] * 3600000;
        return span_ms / (ACCOUNT_BARS_MAX - 1) + 1;
}

struct account *
account_new(int64_t since_ms, int64_t until_ms)
{
        struct account *account = calloc(1, sizeof *account);
        if (!account)
                return NULL;
        account->since_ms = since_ms;
        account->until_ms = until_ms;
        account->bar_ms = bar_length(until_ms - since_ms);
        int64_t from = since_ms - since_ms % account->bar_ms; /* parts begin at whole hours and days of UTC */
        while (account->n_bars < ACCOUNT_BARS_MAX && from < until_ms) {
                account->bars[account->n_bars++].from_ms = from;
                from += account->bar_ms;
        }
        return account;
}

struct account *
account_free(struct account *account)
{
        for (size_t kind = 0; account && kind < ACCOUNT_KIND_COUNT; kind++)
                for (size_t i = 0; i < account_kept(&account->lists[kind]); i++)
                        json_free(account->lists[kind].rows[i]);
        free(account);
        return NULL;
}

size_t
account_kept(const struct account_list *list)
{
        return list->count < ACCOUNT_ROWS_MAX ? (size_t)list->count : ACCOUNT_ROWS_MAX;
}

const struct json *
account_row(const struct account_list *list, size_t index)
{
        uint64_t first = list->count - account_kept(list);
        return list->rows[(first + index) % ACCOUNT_ROWS_MAX];
}

static void
keep(struct account_list *list, const struct json *record)
{
        struct json **slot = &list->rows[list->count % ACCOUNT_ROWS_MAX];
        if (list->count >= ACCOUNT_ROWS_MAX)
                json_free(*slot);
        *slot = json_keep((struct json *)(uintptr_t)record);
        list->count++;
}

static void
count_found(struct account *account, const struct json *record, int64_t time_ms)
{
        const char *name = json_text(json_member(record, "detail"), "severity");
        int severity = name ? name_index(severity_names, SEVERITY_COUNT, name, strlen(name)) : -1;
        if (severity < 0)
                return;
        account->found[severity]++;
        for (size_t i = account->n_bars; i-- > 0;)
                if (time_ms >= account->bars[i].from_ms) {
                        account->bars[i].found[severity]++;
                        return;
                }
}

static bool
is_reverted(const struct json *record)
{
        const char *as = json_text(json_member(record, "detail"), "as");
        return as && strcmp(as, "reverted") == 0;
}

void
account_add(struct account *account, const struct json *record)
{
        static const struct {
                const char *kind;
                enum account_kind list;
        } rows[] = {
                {"bless", ACCOUNT_APPROVED},
                {"adopted", ACCOUNT_APPROVED},
                {"reject", ACCOUNT_REFUSED},
                {"trust", ACCOUNT_TRUST},
                {"tamper", ACCOUNT_TRUST},
        };
        int64_t time_ms;
        const char *kind = json_text(record, "kind");
        if (!kind || json_time(record, "time", &time_ms) < 0)
                return;
        account->records++;
        account->first_seq = account->first_seq ? account->first_seq : (uint64_t)json_number(record, "seq");
        account->last_seq = (uint64_t)json_number(record, "seq");
        account->first_ms = account->first_ms ? account->first_ms : time_ms;
        account->last_ms = time_ms;
        if (strcmp(kind, "drift") == 0)
                count_found(account, record, time_ms);
        if (strcmp(kind, "resolved") == 0 && is_reverted(record))
                keep(&account->lists[ACCOUNT_REVERTED], record);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (strcmp(kind, rows[i].kind) == 0)
                        keep(&account->lists[rows[i].list], record);
}
