/* SPDX-License-Identifier: MIT */
/*
 * The records, in one pass: each line is hashed into the tree as the leaf that it is, checked for its form,
 * and folded into counts, lists and coverage. What was folded is believed only when the pass ends at the
 * checkpoint's root; until then nothing of it leaves this file.
 *
 * The time of a record is what the clock said, and a clock can be set back. What bounds the period is
 * therefore that the records next to it are here too, and are not of it; and where an end is open, that the
 * run reaches the log's own end.
 */
#include "core/evidence_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/quote.h"

static const char *const severities[] = {"high", "medium", "low"};

/* ---- lines ---- */

struct lines {
        int fd;
        struct digester *digester; /* of the whole file */
        struct buf held;
        size_t at;
        bool end;
};

static void
lines_done(struct lines *lines)
{
        fd_close(lines->fd);
        buf_done(&lines->held);
        digester_free(lines->digester);
}

static int
lines_fill(struct lines *lines)
{
        char piece[65536];
        ssize_t n;
        memmove(lines->held.data, lines->held.data + lines->at, lines->held.size - lines->at);
        lines->held.size -= lines->at;
        lines->at = 0;
        while ((n = read(lines->fd, piece, sizeof piece)) < 0 && errno == EINTR)
                ;
        if (n < 0)
                return -errno;
        digester_update(lines->digester, piece, (size_t)n);
        lines->end = n == 0;
        return buf_append(&lines->held, piece, (size_t)n);
}

/* *ret NULL: the end. The line's newline becomes a NUL. -EFBIG: a line too long; -EINVAL: the last one is
 * cut. */
static int
lines_next(struct lines *lines, char **ret, size_t *ret_size)
{
        for (size_t looked = 0;;) {
                char *start = lines->held.data + lines->at;
                size_t size = lines->held.size - lines->at;
                char *stop = size > looked ? memchr(start + looked, '\n', size - looked) : NULL;
                if (stop) {
                        *stop = '\0';
                        *ret = start;
                        *ret_size = (size_t)(stop - start);
                        lines->at += *ret_size + 1;
                        return 0;
                }
                looked = size;
                if (size > EVIDENCE_LINE_MAX)
                        return -EFBIG;
                if (lines->end) {
                        *ret = NULL;
                        return size ? -EINVAL : 0;
                }
                int r = lines_fill(lines);
                if (r < 0)
                        return r;
        }
}

/* ---- one record ---- */

static int
malformed(struct evidence *e, struct err *err, uint64_t seq, const char *what)
{
        return evidence_refuse(e, err, "records.jsonl, the line of record %" PRIu64 ": %s", seq, what);
}

static bool
keys_are(const struct json *value, const char *const *keys, size_t n)
{
        const char *key = NULL;
        for (size_t i = 0; i < n; i++)
                if (!(key = json_key_after(value, key)) || strcmp(key, keys[i]) != 0)
                        return false;
        return !json_key_after(value, key);
}

/* The members that every record has, each in its one form. */
static int
record_read(const struct json *value, struct record *ret)
{
        static const char *const keys[] = {"seq", "time", "kind", "item", "detail"};
        char time[CLOCK_TEXT_MAX];
        const struct json *item = json_member(value, "item");
        if (json_kind(value) != JSON_KIND_OBJECT || !keys_are(value, keys, ARRAY_SIZE(keys)))
                return -EINVAL;
        const char *text = json_text(value, "time");
        ret->seq = (uint64_t)json_number(value, "seq");
        ret->kind = json_text(value, "kind");
        ret->item = json_string_of(item);
        if (!text || clock_parse_human(text, 0, &ret->time_ms, NULL) < 0)
                return -EINVAL;
        clock_format(ret->time_ms, time);
        if (strcmp(time, text) != 0)
                return -EINVAL;
        size_t size = ret->kind ? strspn(ret->kind, "abcdefghijklmnopqrstuvwxyz_") : 0;
        if (!size || ret->kind[size] || size > 32)
                return -EINVAL;
        if (ret->item ? !escape_is_canonical(ret->item, strlen(ret->item)) : !json_is_null(item))
                return -EINVAL;
        return json_kind(json_member(value, "detail")) == JSON_KIND_OBJECT ? 0 : -EINVAL;
}

static int
kind_count(struct evidence *e, const char *kind, struct err *err)
{
        size_t i = 0;
        while (i < e->n_kinds && strcmp(e->kinds[i].kind, kind) != 0)
                i++;
        if (i == EVIDENCE_KINDS_MAX)
                return evidence_refuse(e, err, "the records are of more than %u kinds", EVIDENCE_KINDS_MAX);
        if (i == e->n_kinds)
                snprintf(e->kinds[e->n_kinds++].kind, sizeof e->kinds->kind, "%s", kind);
        e->kinds[i].count++;
        return 0;
}

/* Appends to a list of summary.json, or counts what no longer fits. Takes the reference. */
static int
list_add(struct json *list, uint64_t *left, struct json *entry)
{
        if (json_length(list) < EVIDENCE_LIST_MAX)
                return json_push(list, entry);
        json_free(entry);
        ++*left;
        return 0;
}

static struct json *
record_entry(const struct record *record, const struct json *detail, const char *const *members, size_t n)
{
        char time[CLOCK_TEXT_MAX];
        clock_format(record->time_ms, time);
        struct json *entry = json_make("{s:I, s:s}", "seq", (json_int)record->seq, "time", time);
        if (entry && record->item)
                json_put(entry, "item", json_string_new(record->item));
        for (size_t i = 0; entry && i < n; i++) {
                const struct json *value = json_member(detail, members[i]);
                json_put(entry, members[i], value ? json_make("O", value) : json_null_new());
        }
        return entry;
}

/* ---- what records say of baselines ---- */

static int
digest_member(const struct json *detail, const char *key, struct digest *ret)
{
        const char *text = json_text(detail, key);
        return text ? digest_parse(text, strlen(text), ret) : -EINVAL;
}

static int
bless_take(struct evidence *e, const struct record *record, const struct json *detail, struct err *err)
{
        const char *name = json_text(detail, "baseline");
        if (e->n_blesses == EVIDENCE_BLESSES_MAX)
                return evidence_refuse(e, err, "more than %u baselines were applied", EVIDENCE_BLESSES_MAX);
        if (array_grow(&e->blesses, e->n_blesses) < 0)
                return err_oom(err);
        struct evidence_bless *bless = &e->blesses[e->n_blesses];
        *bless = (struct evidence_bless){.seq = record->seq, .adopted = strcmp(record->kind, "adopted") == 0};
        bless->generation = (uint64_t)json_number(detail, "generation");
        if (!name || !name_is_valid(name, strlen(name)) || !bless->generation ||
                digest_member(detail, "id", &bless->id) < 0 ||
                digest_member(detail, "trust_id", &bless->trust_id) < 0)
                return malformed(
                        e, err, record->seq, "a bless record without baseline, generation, id or trust_id");
        snprintf(bless->name, sizeof bless->name, "%s", name);
        bless->detail = json_keep((struct json *)(uintptr_t)detail);
        e->n_blesses++;
        if (e->has_trust_now && !digest_equal(&bless->trust_id, &e->trust_now))
                return evidence_refuse(e, err,
                        "record %" PRIu64 " names a trust file that was not in force then", record->seq);
        return 0;
}

/* Which trust file is in force from here on; one that was refused is not. */
static void
trust_take(struct evidence *e, const struct json *detail)
{
        static const char *const states[] = {"first_use", "succeeded", "restored"};
        const char *state = json_text(detail, "state");
        for (size_t i = 0; state && i < ARRAY_SIZE(states); i++)
                if (strcmp(states[i], state) == 0 && digest_member(detail, "id", &e->trust_now) == 0)
                        e->has_trust_now = true;
}

/* ---- what is counted ---- */

static int
drift_count(struct evidence *e, const struct json *detail)
{
        const char *severity = json_text(detail, "severity");
        for (size_t i = 0; severity && i < ARRAY_SIZE(severities); i++)
                e->severities[i] += strcmp(severities[i], severity) == 0;
        return 0;
}

static int
resolved_count(struct evidence *e, const struct record *record, const struct json *detail)
{
        static const char *const members[] = {"baseline", "generation", "change"};
        const char *as = json_text(detail, "as");
        bool reverted = as && strcmp(as, "reverted") == 0;
        e->approved += as && strcmp(as, "approved") == 0;
        e->reverted += reverted;
        return reverted ? list_add(e->reverts, &e->reverts_left,
                                  record_entry(record, detail, members, ARRAY_SIZE(members)))
                        : 0;
}

static int
change_count(struct evidence *e, const struct record *record, const struct json *detail)
{
        static const char *const members[] = {"baseline", "generation", "id", "class", "ticket", "author",
                "signers", "key_on_host", "trust_id", "review_due"};
        struct json *entry = record_entry(record, detail, members, ARRAY_SIZE(members));
        if (entry)
                json_put(entry, "kind", json_string_new(record->kind));
        return list_add(e->changes, &e->changes_left, entry);
}

static int
gap_count(struct evidence *e, const struct record *record, const struct json *detail)
{
        static const char *const members[] = {"from", "to", "cause"};
        return list_add(e->gaps, &e->gaps_left, record_entry(record, detail, members, ARRAY_SIZE(members)));
}

static int
record_count(struct evidence *e, const struct record *record, const struct json *detail, struct err *err)
{
        const char *kind = record->kind;
        int r = kind_count(e, kind, err);
        if (r)
                return r;
        if (strcmp(kind, "drift") == 0)
                r = drift_count(e, detail);
        else if (strcmp(kind, "resolved") == 0)
                r = resolved_count(e, record, detail);
        else if (strcmp(kind, "gap") == 0)
                r = gap_count(e, record, detail);
        else if (strcmp(kind, "bless") == 0 || strcmp(kind, "adopted") == 0)
                r = change_count(e, record, detail);
        return r < 0 ? err_oom(err) : r;
}

/* ---- the pass ---- */

struct walk {
        struct evidence *e;
        struct merkle tree;
        struct buf again; /* the line as we would write it */
        int64_t before_ms;
};

static bool
is_of_period(const struct evidence *e, int64_t time_ms)
{
        return (!e->period.since_ms || time_ms >= e->period.since_ms) &&
               (!e->period.until_ms || time_ms < e->period.until_ms);
}

static int
record_fold(struct walk *walk, const struct record *record, const struct json *detail, struct err *err)
{
        struct evidence *e = walk->e;
        int r = 0;
        e->clock_back = e->clock_back || record->time_ms < walk->before_ms;
        walk->before_ms = record->time_ms;
        if (strcmp(record->kind, "bless") == 0 || strcmp(record->kind, "adopted") == 0)
                r = bless_take(e, record, detail, err);
        if (strcmp(record->kind, "trust") == 0)
                trust_take(e, detail);
        if (r == 0 && record->seq >= e->first && record->seq <= e->last)
                r = record_count(e, record, detail, err);
        return r ? r : coverage_take(e->coverage, record);
}

/* The first pass finds where the period begins and ends; the second one folds. */
static int
line_take(struct walk *walk, const char *line, size_t size, bool first_pass, struct err *err)
{
        struct evidence *e = walk->e;
        _cleanup_json_ struct json *value = NULL;
        struct record record = {.body = line};
        uint64_t seq = walk->tree.size + 1;
        struct digest leaf;
        int r = json_parse(line, size, &value, NULL);
        if (r == -ENOMEM)
                return err_oom(err);
        if (r < 0 || strlen(line) != size)
                return malformed(e, err, seq, "not one JSON document");
        if (record_read(value, &record) < 0)
                return malformed(
                        e, err, seq, "not a record: seq, time, kind, item and detail, in this order");
        buf_clear(&walk->again);
        if (json_write(value, &walk->again) < 0)
                return err_oom(err);
        if (walk->again.size != size || memcmp(walk->again.data, line, size) != 0)
                return malformed(e, err, seq, "not in the form in which driftd writes it");
        if (record.seq != seq)
                return malformed(e, err, seq, "another record stands there: one is missing, added or moved");
        if (seq > e->range.last)
                return malformed(e, err, seq, "there are more records than records.proof proves");
        merkle_leaf(e->digester, line, size, &leaf);
        merkle_append(&walk->tree, e->digester, &leaf);
        if (!first_pass)
                return record_fold(walk, &record, json_member(value, "detail"), err);
        e->last_ms = record.time_ms;
        e->last_is_stop = strcmp(record.kind, "stop") == 0;
        if (is_of_period(e, record.time_ms)) {
                e->first = e->first ? e->first : seq;
                e->last = seq;
        }
        return 0;
}

/* All of them, up to the checkpoint's root. */
static int
pass(struct evidence *e, bool first_pass, struct err *err)
{
        struct walk walk = {.e = e, .before_ms = INT64_MIN};
        _cleanup_(lines_done) struct lines lines = {.fd = evidence_file_open(e, "records.jsonl")};
        struct digest digest;
        char *line;
        size_t size;
        int r = 0;
        lines.digester = digester_new();
        if (!lines.digester || buf_text(&lines.held, "") < 0)
                return err_oom(err);
        if (lines.fd < 0)
                return err_set(err, EVIDENCE_NONE, "records.jsonl: %s", strerror(-lines.fd));
        digester_start(lines.digester);
        merkle_range_restore(&e->range, &walk.tree);
        while ((r = lines_next(&lines, &line, &size)) == 0 && line && r == 0)
                if ((r = line_take(&walk, line, size, first_pass, err)) != 0)
                        break;
        buf_done(&walk.again);
        if (r == -EFBIG || r == -EINVAL)
                return malformed(e, err, walk.tree.size + 1, r == -EINVAL ? "it is cut" : "it is too long");
        if (r)
                return r == -ENOMEM ? err_oom(err)
                       : r > 0      ? r
                                    : err_set(err, EVIDENCE_NONE, "records.jsonl: %s", strerror(-r));
        digester_final(lines.digester, &digest);
        r = evidence_file_matches(e, "records.jsonl", &digest, err);
        if (r)
                return r;
        if (walk.tree.size != e->range.last)
                return evidence_refuse(e, err,
                        "records.jsonl ends with record %" PRIu64 ", and records.proof proves up to %" PRIu64,
                        walk.tree.size, e->range.last);
        if (!merkle_range_verify(&e->range, &walk.tree, e->digester, &e->checkpoint.root))
                return evidence_refuse(e, err,
                        "the records are not those of the log: with records.proof they do not give the root "
                        "of the "
                        "checkpoint");
        return 0;
}

/* A second pass sees the same records: it ends at the same root. */
int
evidence_records_check(struct evidence *e, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        struct err why = {0};
        int r = evidence_file_read(e, "records.proof", MERKLE_RANGE_TEXT_MAX, &text, err);
        if (r)
                return r;
        r = merkle_range_parse(text.data, text.size, &e->range, &why);
        if (r)
                return r < 0 ? err_oom(err) : evidence_refuse(e, err, "records.proof, %s", why.text);
        if (e->range.size != e->checkpoint.size)
                return evidence_refuse(e, err,
                        "records.proof is for a log of %" PRIu64
                        " records, and the checkpoint counts %" PRIu64,
                        e->range.size, e->checkpoint.size);
        return pass(e, true, err);
}

/* ---- the period ---- */

static int
ends_check(struct evidence *e, struct err *err)
{
        if (!e->first)
                return evidence_refuse(e, err, "there is no record of the time");
        if (e->range.first > 1 && (!e->period.since_ms || e->first == e->range.first))
                return evidence_refuse(e, err,
                        "records may be left out before record %" PRIu64
                        ": the one before it, which is not of the time, is not here",
                        e->range.first);
        if (e->range.last < e->range.size && (!e->period.until_ms || e->last == e->range.last))
                return evidence_refuse(e, err,
                        "records may be left out after record %" PRIu64
                        ": the one after it, which is not of the time, is not here",
                        e->range.last);
        return 0;
}

/* Up to where the records say anything: a running daemon's last heartbeat is no end of its watch. */
static int64_t
coverage_end(const struct evidence *e)
{
        int64_t end_ms = e->checkpoint.time_ms;
        if (e->period.until_ms && e->period.until_ms < end_ms)
                end_ms = e->period.until_ms;
        if (!e->last_is_stop && e->last_ms < end_ms && end_ms - e->last_ms <= COVERAGE_SILENCE_MS)
                end_ms = e->last_ms;
        return end_ms;
}

int
evidence_period_check(struct evidence *e, struct err *err)
{
        struct coverage_result result;
        int r = ends_check(e, err);
        e->changes = json_array_make();
        e->reverts = json_array_make();
        e->gaps = json_array_make();
        if (r == 0 && (!e->changes || !e->reverts || !e->gaps))
                r = err_oom(err);
        r = r ? r : coverage_new(e->period.since_ms, coverage_end(e), &e->coverage, err);
        r = r ? r : pass(e, false, err);
        if (r)
                return r;
        r = coverage_finish(e->coverage, 0, &result, err);
        if (r)
                return r;
        e->coverage_json = coverage_document(&result, e->host);
        return e->coverage_json ? 0 : err_oom(err);
}
