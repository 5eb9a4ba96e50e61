/* SPDX-License-Identifier: MIT */
/* driftctl report: a period, as one page for people. It is put together from what Log, GetStatus and Diff say
 * (the ledger: nothing is looked at). */
#include <errno.h>
#include <string.h>

#include "cli/account.h"
#include "cli/cli.h"
#include "cli/page.h"
#include "cli/transfer.h"
#include "core/clock.h"
#include "core/file.h"

#define REPORT_DAYS 30
#define REPORT_DRIFTS_MAX 1000u

struct gathering {
        struct account *account;
        struct json *drifts;
        uint64_t n_drifts;
};

static int
add_records(void *userdata, const struct json *parameters, bool continues)
{
        struct gathering *gathering = userdata;
        (void)continues;
        json_each (json_member(parameters, "records"), i, record)
                account_add(gathering->account, record);
        return 0;
}

static int
add_drifts(void *userdata, const struct json *parameters, bool continues)
{
        struct gathering *gathering = userdata;
        (void)continues;
        json_each (json_member(parameters, "drifts"), i, drift) {
                gathering->n_drifts++;
                if (json_length(gathering->drifts) < REPORT_DRIFTS_MAX)
                        json_gather(&gathering->drifts, json_keep((struct json *)(uintptr_t)drift));
        }
        return 0;
}

/* since_ms 0: from the first start. */
static int
ask_coverage(struct cli *cli, int64_t since_ms, int64_t until_ms, struct json **ret, struct err *err)
{
        json_free(*ret);
        *ret = NULL;
        return cli_call(cli, "Coverage",
                json_make("{s:I, s:I}", "since_ms", (json_int)since_ms, "until_ms", (json_int)until_ms), ret,
                err);
}

static struct json *
span_json(int64_t since_ms, int64_t until_ms)
{
        return json_make("{s:I, s:I, s:n, s:[], s:I, s:b}", "since_ms", (json_int)since_ms, "until_ms",
                (json_int)until_ms, "kind", "items", "after_seq", (json_int)0, "follow", 0);
}

static int
note_first(void *userdata, const struct json *parameters, bool continues)
{
        int64_t *first_ms = userdata, time_ms;
        (void)continues;
        if (json_time(json_at(json_member(parameters, "records"), 0), "time", &time_ms) == 0 &&
                time_ms < *first_ms)
                *first_ms = time_ms;
        return 0;
}

/* Without --since: the last days, or from the first record where that is later: what was done before the
 * first start of a daemon is the first trust and the first approval. */
static int
find_since(struct cli *cli, int64_t until_ms, int64_t *ret, struct err *err)
{
        _cleanup_json_ struct json *coverage = NULL;
        int64_t first_ms = until_ms;
        int r = cli_time(cli, "since", until_ms - REPORT_DAYS * 86400000LL, ret, err);
        if (r || args_value(&cli->args, "since"))
                return r;
        r = ask_coverage(cli, 0, until_ms, &coverage, err);
        if (r || json_time(json_member(coverage, "coverage"), "since", &first_ms) < 0 || first_ms <= *ret)
                return r;
        r = client_call(cli->client, "Log", span_json(*ret, first_ms), note_first, &first_ms, err);
        if (r == 0 && first_ms < until_ms)
                *ret = first_ms;
        return r;
}

static int
gather(struct cli *cli, struct gathering *gathering, struct json **ret_status, struct json **ret_coverage,
        struct err *err)
{
        const struct account *account = gathering->account;
        int r = cli_call(cli, "GetStatus", json_make("{}"), ret_status, err);
        r = r ? r : ask_coverage(cli, account->since_ms, account->until_ms, ret_coverage, err);
        if (r == 0)
                r = client_call(cli->client, "Log", span_json(account->since_ms, account->until_ms),
                        add_records, gathering, err);
        if (r)
                return r;
        return client_call(cli->client, "Diff",
                json_make("{s:[], s:b, s:b}", "items", "cached", 1, "full", 0), add_drifts, gathering, err);
}

int
command_report(struct cli *cli, struct err *err)
{
        struct gathering gathering = {0};
        _cleanup_json_ struct json *reply = NULL, *coverage = NULL;
        _cleanup_buf_ struct buf text = {0};
        int64_t now_ms = clock_now_ms(), since_ms, until_ms;
        int r = cli_time(cli, "until", now_ms, &until_ms, err);
        r = r ? r : find_since(cli, until_ms, &since_ms, err);
        if (r)
                return r;
        if (since_ms >= until_ms) {
                err_set(err, EXIT_FAILED, "--since is not before --until: there is nothing to report");
                return err_hint(err, EXIT_FAILED, "--since is the earlier one: --since -90d");
        }
        _cleanup_(account_freep) struct account *account = account_new(since_ms, until_ms);
        gathering.account = account;
        gathering.drifts = json_array_make();
        r = account && gathering.drifts ? gather(cli, &gathering, &reply, &coverage, err) : EXIT_FAILED;
        _cleanup_json_ struct json *drifts = gathering.drifts;
        if (r || !drifts)
                return r && account ? r : (err_oom(err), EXIT_FAILED);
        struct page page = {.account = account,
                .coverage = json_member(coverage, "coverage"),
                .status = json_member(reply, "status"),
                .drifts = drifts,
                .n_drifts = gathering.n_drifts,
                .made_ms = now_ms};
        if (page_write(&page, &text) < 0) {
                err_oom(err);
                return EXIT_FAILED;
        }
        const char *file = args_value(&cli->args, "output");
        if (file) /* for those whom its maker gives it to, as the socket is for a group */
                return file_write(file, 0600, text.data, text.size, err) < 0 ? EXIT_FAILED : 0;
        return output_write(NULL, text.data, text.size, err);
}
