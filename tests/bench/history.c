/* SPDX-License-Identifier: MIT */
/*
 * history DATABASE RECORDS [ITEMS] — makes a long history in bearable time: appends drift and resolved
 * records, as the daemon writes them, to a store that nobody holds, with the store's own calls
 * (core/store.h), but many in one transaction. They are real records: their leaves, roots and indices are
 * those that the daemon would have made. Every PERIOD_MS one comes; they speak of ITEMS files (10,000) in
 * turn.
 */
#include <inttypes.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/crypto.h"
#include "core/store.h"

#define RECORDS_AT_ONCE 20000u /* of one transaction */
#define PERIOD_MS 30000

/* As instance.c has it of a changed file. */
static struct json *
drift_detail(uint64_t number)
{
        char before[DIGEST_HEX_SIZE], after[DIGEST_HEX_SIZE];
        struct digest digest;
        digest_bytes(&number, sizeof number, &digest);
        digest_hex(&digest, before);
        digest_bytes(before, sizeof before, &digest);
        digest_hex(&digest, after);
        return json_make("{s:s, s:I, s:s, s:s, s:[{s:s, s:s, s:s}], s:b}", "baseline", "host", "generation",
                (json_int)1, "change", "changed", "severity", "high", "attributes", "name", "content",
                "expected", before, "actual", after, "unobserved", false);
}

static int
append_one(struct store *store, uint64_t number, uint64_t items, int64_t time_ms, struct err *err)
{
        char item[128];
        bool opens = number / items % 2 == 0; /* each item drifts in one round, and is back in the next */
        _cleanup_json_ struct json *detail =
                opens ? drift_detail(number)
                      : json_make("{s:s, s:I, s:s, s:s, s:n}", "baseline", "host", "generation", (json_int)1,
                                "as", "reverted", "change", "changed", "by_generation");
        if (!detail)
                return err_oom(err);
        snprintf(item, sizeof item,
                "file:/usr/share/application/part-%03" PRIu64 "/setting-%07" PRIu64 ".conf",
                number % items / 9 % 256, number % items);
        return store_record(store, time_ms, opens ? "drift" : "resolved", item, detail, NULL, err);
}

static int
append_all(struct store *store, uint64_t records, uint64_t items, struct err *err)
{
        int64_t time_ms = clock_now_ms() - (int64_t)records * PERIOD_MS;
        int r = 0;
        for (uint64_t done = 0; r == 0 && done < records;) {
                r = store_begin(store, err);
                for (unsigned i = 0; r == 0 && i < RECORDS_AT_ONCE && done < records; i++, done++)
                        r = append_one(store, done, items, time_ms + (int64_t)done * PERIOD_MS, err);
                r = r ? r : store_commit(store, err);
        }
        return r;
}

int
main(int argc, char **argv)
{
        struct err err = {0};
        _cleanup_(store_freep) struct store *store = NULL;
        uint64_t records = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
        uint64_t items = argc > 3 ? strtoull(argv[3], NULL, 10) : 10000;
        if (argc < 3 || argc > 4 || !records || !items) {
                fputs("usage: history DATABASE RECORDS [ITEMS]\n", stderr);
                return 4;
        }
        int r = digest_setup();
        r = r ? r : crypto_setup();
        r = r ? r : store_open(argv[1], 0, &store, &err);
        r = r ? r : append_all(store, records, items, &err);
        if (r)
                fprintf(stderr, "history: %s\n", err.text);
        return r ? 4 : 0;
}
