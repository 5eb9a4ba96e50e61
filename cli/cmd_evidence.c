/* SPDX-License-Identifier: MIT */
/*
 * driftctl evidence. Export fetches what is signed, writes it down, and lets core/evidence check it, add the
 * documents that follow from it, and verify the whole once more; only then the folder gets its name. Verify
 * needs the folder and what the auditor has, and asks nobody.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/draft_folder.h"
#include "cli/transfer.h"
#include "core/clock.h"
#include "core/escape.h"
#include "core/evidence.h"
#include "core/file.h"
#include "core/quote.h"

#define OLDS_MAX 64u /* --checkpoint */

/* ---- export ---- */

struct applied {
        char name[NAME_MAX_SIZE];
        uint64_t generation;
};

struct old {
        struct buf text;
        uint64_t size;
};

struct export
{
        struct cli *cli;
        struct evidence_period period;
        const char *target;
        struct draft_folder *draft;
        const char *folder; /* its path */
        struct old olds[OLDS_MAX];
        size_t n_olds;
        struct json *reply; /* of Evidence */
        uint64_t from, last;
        FILE *records;
        struct buf line;
        uint64_t written;
        int64_t last_ms;
        struct applied *applied; /* by the records */
        size_t n_applied;
        struct err *err;
};

static void
export_done(struct export *x)
{
        if (x->records)
                fclose(x->records);
        draft_folder_free(x->draft);
        for (size_t i = 0; i < x->n_olds; i++)
                buf_done(&x->olds[i].text);
        free(x->applied);
        buf_done(&x->line);
        json_free(x->reply);
}

static int put(struct export *x, const void *data, size_t size, struct err *err, const char *format, ...)
        _printf_(5, 6);

static int
put(struct export *x, const void *data, size_t size, struct err *err, const char *format, ...)
{
        char name[320];
        _cleanup_free_ char *path = NULL;
        va_list args;
        va_start(args, format);
        vsnprintf(name, sizeof name, format, args);
        va_end(args);
        if (asprintf(&path, "%s/%s", x->folder, name) < 0)
                return failed_oom(err);
        return failed(file_create(path, 0600, data ? data : "", size, err));
}

/* A folder that is there must be empty: the rename at the end replaces it, and refuses it should it be so no
 * longer. */
static int
target_check(const struct export *x, struct err *err)
{
        DIR *dir = opendir(x->target);
        size_t entries = 0;
        if (!dir && errno == ENOENT)
                return 0;
        if (!dir)
                return err_set(err, EXIT_FAILED, "%s: %s", quote(x->target), strerrordesc_np(errno));
        while (entries < 3 && readdir(dir)) /* "." and ".." */
                entries++;
        closedir(dir);
        if (entries < 3)
                return 0;
        err_set(err, EXIT_FAILED, "%s is not empty", quote(x->target));
        return err_hint(err, EXIT_FAILED, "-o takes a folder that is not there yet, or is empty");
}

static int
folder_begin(struct export *x, struct err *err)
{
        static const char *const below[] = {"baselines", "checkpoints", "trust"};
        int r = target_check(x, err);
        if (r)
                return r;
        if (draft_folder_new(x->target, &x->draft, err) < 0)
                return EXIT_FAILED;
        x->folder = draft_folder_path(x->draft);
        for (size_t i = 0; i < ARRAY_SIZE(below); i++) {
                _cleanup_free_ char *path = NULL;
                if (asprintf(&path, "%s/%s", x->folder, below[i]) < 0)
                        return failed_oom(err);
                if (mkdir(path, 0700) < 0)
                        return err_set(err, EXIT_FAILED, "%s: %s", quote(path), strerrordesc_np(errno));
        }
        return 0;
}

/* ---- earlier checkpoints ---- */

/* The size alone is taken before the key is known; the signature is verified with the whole bundle. */
static int
old_read(struct export *x, const char *file, struct err *err)
{
        struct old *old = &x->olds[x->n_olds++];
        struct note *note = malloc(sizeof *note);
        struct checkpoint claimed = {0};
        if (!note)
                return failed_oom(err);
        int r = file_read(file, FILE_FOLLOW, NOTE_SIZE_MAX, &old->text, err);
        r = r ? r : note_parse(old->text.data ? old->text.data : "", old->text.size, note, err);
        r = r ? r : checkpoint_parse(note->text, note->text_size, &claimed, err);
        old->size = claimed.size;
        checkpoint_done(&claimed);
        free(note);
        for (size_t i = 0; i + 1 < x->n_olds && r == 0; i++)
                if (x->olds[i].size == old->size)
                        return err_set(err, EXIT_FAILED,
                                "%s: another checkpoint of %" PRIu64 " records was given: one is enough",
                                quote(file), old->size);
        if (r == 0 && !old->size)
                return err_set(err, EXIT_FAILED, "%s counts no record: it proves nothing", quote(file));
        return failed(r);
}

static int
olds_read(struct export *x, struct err *err)
{
        const char *file;
        for (size_t i = 0; (file = args_value_at(&x->cli->args, "checkpoint", i)); i++) {
                if (i == OLDS_MAX)
                        return cli_usage(x->cli, err, "--checkpoint may be given %u times", OLDS_MAX);
                int r = old_read(x, file, err);
                if (r)
                        return r;
        }
        return 0;
}

static int
olds_write(struct export *x, struct err *err)
{
        const struct json *proofs = json_member(x->reply, "consistency");
        int r = 0;
        for (size_t i = 0; i < x->n_olds && r == 0; i++) {
                const char *proof = json_string_of(json_at(proofs, i));
                if (!proof) {
                        err_set(err, EXIT_UNTRUSTED,
                                "the checkpoint of %" PRIu64
                                " records is of more than the log has: the history was cut",
                                x->olds[i].size);
                        return EXIT_UNTRUSTED;
                }
                r = put(x, x->olds[i].text.data, x->olds[i].text.size, err, "checkpoints/%" PRIu64,
                        x->olds[i].size);
                r = r ? r
                      : put(x, proof, strlen(proof), err, "checkpoints/%" PRIu64 ".proof", x->olds[i].size);
        }
        return r;
}

/* ---- checkpoint and proof ---- */

static int
proof_fetch(struct export *x, struct err *err)
{
        struct json *olds = json_array_make();
        for (size_t i = 0; i < x->n_olds; i++)
                json_gather(&olds, json_make("I", (json_int)x->olds[i].size));
        return cli_call(x->cli, "Evidence",
                json_make("{s:I, s:I, s:o}", "since_ms", (json_int)x->period.since_ms, "until_ms",
                        (json_int)x->period.until_ms, "olds", olds),
                &x->reply, err);
}

static int
proof_write(struct export *x, struct err *err)
{
        struct merkle_range_proof range;
        const char *note = json_text(x->reply, "checkpoint"), *key = json_text(x->reply, "key");
        const char *text = json_text(x->reply, "range");
        _cleanup_buf_ struct buf line = {0};
        if (!note || !key || !text || merkle_range_parse(text, strlen(text), &range, err))
                return err_set(err, EXIT_FAILED, "Evidence: the reply is not whole");
        x->from = range.first;
        x->last = range.last;
        if (buf_printf(&line, "%s\n", key) < 0)
                return failed_oom(err);
        int r = put(x, note, strlen(note), err, "checkpoint");
        r = r ? r : put(x, line.data, line.size, err, "checkpoint.pub");
        return r ? r : put(x, text, strlen(text), err, "records.proof");
}

/* ---- records ---- */

static int
applied_note(struct export *x, const struct json *detail)
{
        const char *name = json_text(detail, "baseline");
        struct applied *grown = x->applied;
        if (!(x->n_applied & (x->n_applied - 1)))
                grown = reallocarray(x->applied, x->n_applied ? 2 * x->n_applied : 1, sizeof *grown);
        if (!grown)
                return -ENOMEM;
        x->applied = grown;
        struct applied *row = &grown[x->n_applied++];
        row->generation = (uint64_t)json_number(detail, "generation");
        snprintf(row->name, sizeof row->name, "%s", name ? name : "");
        return 0;
}

static int
record_write(struct export *x, const struct json *record)
{
        const char *kind = json_text(record, "kind");
        buf_clear(&x->line);
        int r = json_write(record, &x->line);
        r = r ? r : buf_text(&x->line, "\n");
        if (r == 0 && kind && (strcmp(kind, "bless") == 0 || strcmp(kind, "adopted") == 0))
                r = applied_note(x, json_member(record, "detail"));
        if (r == 0 && fwrite(x->line.data, 1, x->line.size, x->records) != x->line.size)
                r = -errno;
        json_time(record, "time", &x->last_ms);
        x->written++;
        return r;
}

static int
take_records(void *userdata, const struct json *parameters, bool continues)
{
        struct export *x = userdata;
        (void)continues;
        json_each (json_member(parameters, "records"), i, record) {
                int r = record_write(x, record);
                if (r < 0)
                        return err_set(x->err, EXIT_FAILED, "the records could not be written: %s",
                                strerrordesc_np(-r));
        }
        return 0;
}

static int
records_write(struct export *x, struct err *err)
{
        _cleanup_free_ char *path = NULL;
        if (asprintf(&path, "%s/records.jsonl", x->folder) < 0)
                return failed_oom(err);
        x->records = fopen(path, "wxe");
        if (!x->records || fchmod(fileno(x->records), 0600) < 0)
                return err_set(err, EXIT_FAILED, "%s: %s", quote(path), strerrordesc_np(errno));
        x->err = err;
        int r = client_call(x->cli->client, "Log",
                json_make("{s:I, s:I}", "after_seq", (json_int)x->from - 1, "last_seq", (json_int)x->last),
                take_records, x, err);
        if (r)
                return r;
        if (fflush(x->records) != 0 || fsync(fileno(x->records)) < 0)
                return err_set(err, EXIT_FAILED, "%s: %s", quote(path), strerrordesc_np(errno));
        return 0;
}

/* ---- trust ---- */

struct trust_pieces {
        struct export *x;
        struct err *err;
        uint64_t generation;
        struct buf text, approval;
};

static int
trust_flush(struct trust_pieces *p)
{
        int r = 0;
        if (p->generation)
                r = put(p->x, p->text.data, p->text.size, p->err, "trust/%" PRIu64 ".conf", p->generation);
        if (r == 0 && p->approval.size)
                r = put(p->x, p->approval.data, p->approval.size, p->err, "trust/%" PRIu64 ".conf.approval",
                        p->generation);
        buf_clear(&p->text);
        buf_clear(&p->approval);
        return r;
}

static int
take_trust(void *userdata, const struct json *parameters, bool continues)
{
        struct trust_pieces *p = userdata;
        const struct json *file = json_member(parameters, "file");
        const char *text = json_text(parameters, "text"), *approval = json_text(parameters, "approval");
        (void)continues;
        if ((text && buf_text(&p->text, text) < 0) || (approval && buf_text(&p->approval, approval) < 0))
                return failed_oom(p->err);
        int r = json_is_null(file) && !json_flag(parameters, "done") ? 0 : trust_flush(p);
        if (!json_is_null(file))
                p->generation = (uint64_t)json_number(file, "generation");
        return r;
}

static int
trusts_write(struct export *x, struct err *err)
{
        struct trust_pieces p = {.x = x, .err = err};
        int r = client_call(x->cli->client, "GetTrustChain", json_make("{}"), take_trust, &p, err);
        buf_done(&p.text);
        buf_done(&p.approval);
        return r;
}

/* ---- baselines ---- */

struct baseline_pieces {
        struct buf text, approvals;
};

static int
take_baseline(void *userdata, const struct json *parameters, bool continues)
{
        struct baseline_pieces *p = userdata;
        const char *text = json_text(parameters, "text"), *approvals = json_text(parameters, "approvals");
        (void)continues;
        return (text && buf_text(&p->text, text) < 0) || (approvals && buf_text(&p->approvals, approvals) < 0)
                       ? EXIT_FAILED
                       : 0;
}

static int
baseline_write(struct export *x, const struct json *row, struct err *err)
{
        struct baseline_pieces p = {0};
        const char *name = json_text(row, "name"), *id = json_text(row, "id");
        json_int generation = json_number(row, "generation");
        bool has_text = json_flag(row, "has_text");
        const char *suffix = has_text ? "baseline" : "header";
        int r = !has_text && buf_printf(&p.text, "id %s\n", id) < 0 ? failed_oom(err) : 0;
        r = r ? r
              : client_call(x->cli->client, "GetBaseline",
                        json_make("{s:s, s:I, s:b}", "name", name, "generation", generation, "header",
                                !has_text),
                        take_baseline, &p, err);
        r = r ? r : put(x, p.text.data, p.text.size, err, "baselines/%s@%lld.%s", name, generation, suffix);
        r = r ? r
              : put(x, p.approvals.data, p.approvals.size, err, "baselines/%s@%lld.%s.approval", name,
                        generation, suffix);
        buf_done(&p.text);
        buf_done(&p.approvals);
        return r;
}

/* The lowest generation of a name that the records applied; 0: none. */
static uint64_t
first_applied(const struct export *x, const char *name, uint64_t generation, bool *ret_this)
{
        uint64_t lowest = 0;
        *ret_this = false;
        for (size_t i = 0; i < x->n_applied; i++) {
                if (strcmp(x->applied[i].name, name) != 0)
                        continue;
                *ret_this = *ret_this || x->applied[i].generation == generation;
                if (!lowest || x->applied[i].generation < lowest)
                        lowest = x->applied[i].generation;
        }
        return lowest;
}

/* Whether a generation was there when the records begin (or, where they apply none of its name, when they
 * end). */
static bool
is_before(const struct export *x, const struct json *row, bool *ret_this)
{
        const char *name = json_text(row, "name");
        uint64_t generation = (uint64_t)json_number(row, "generation");
        uint64_t lowest = first_applied(x, name ? name : "", generation, ret_this);
        int64_t applied_ms = 0;
        if (*ret_this)
                return false;
        if (lowest)
                return generation < lowest;
        return json_time(row, "applied", &applied_ms) == 0 && applied_ms <= x->last_ms;
}

/* By name, then generation: the one in force at the beginning is the last of its name that was there before.
 */
static int
baselines_write(struct export *x, struct err *err)
{
        _cleanup_json_ struct json *reply = NULL;
        int r = cli_call(x->cli, "ListBaselines", json_make("{s:s}", "name", ""), &reply, err);
        const struct json *list = json_member(reply, "baselines");
        for (size_t i = 0; i < json_length(list) && r == 0; i++) {
                const struct json *row = json_at(list, i), *next = json_at(list, i + 1);
                const char *name = json_text(row, "name"), *next_name = json_text(next, "name");
                bool recorded, ignored;
                bool before = is_before(x, row, &recorded);
                if (before && next_name && strcmp(next_name, name) == 0 && is_before(x, next, &ignored))
                        continue;
                if (before || recorded)
                        r = baseline_write(x, row, err);
        }
        return r;
}

/* ---- export, whole ---- */

static int
evidence_exit(int r)
{
        return r == EVIDENCE_REFUSED ? EXIT_UNTRUSTED : r ? EXIT_FAILED : 0;
}

/* What is handed out was verified as the auditor will, but for what only they have. */
static int
self_check(struct export *x, struct evidence **ret, struct err *err)
{
        _cleanup_(trust_freep) struct trust *trust = NULL;
        int r = trust_fetch(x->cli->client, &trust, err);
        if (r)
                return r;
        const struct evidence_anchor anchor = {.trust_id = trust_id(trust)};
        return evidence_exit(evidence_verify(x->folder, &anchor, ret, err));
}

static int
export_report(struct cli *cli, const struct export *x, const struct evidence *evidence, struct err *err)
{
        const struct json *summary = evidence_summary(evidence), *records = json_member(summary, "records");
        char count[WORDS_MAX];
        _cleanup_free_ char *folder = escape_new(x->target, strlen(x->target));
        if (cli->json)
                return cli_document(cli,
                        json_make("{s:s, s:s, s:O, s:O, s:O}", "schema", "driftd.evidence-export/1", "folder",
                                folder, "period", json_member(summary, "period"), "records", records,
                                "baselines", json_member(summary, "baselines")),
                        err);
        print(&cli->out, "%s: %s records, %zu baselines, %zu trust files\n", quote(x->target),
                count_text((uint64_t)json_number(records, "count"), count),
                json_length(json_member(summary, "baselines")), json_length(json_member(summary, "trust")));
        cli_next(cli, "driftctl evidence verify %s --trust FILE --key VKEY|FILE, on the auditor's machine",
                quote(x->target));
        return EXIT_CLEAN;
}

static int
export_write(struct export *x, struct evidence **ret, struct err *err)
{
        int r = folder_begin(x, err);
        r = r ? r : proof_fetch(x, err);
        r = r ? r : proof_write(x, err);
        r = r ? r : olds_write(x, err);
        r = r ? r : records_write(x, err);
        r = r ? r : trusts_write(x, err);
        r = r ? r : baselines_write(x, err);
        r = r ? r : evidence_exit(evidence_complete(x->folder, &x->period, err));
        r = r ? r : self_check(x, ret, err);
        return r ? r : failed(draft_folder_name(x->draft, err));
}

int
command_evidence_export(struct cli *cli, struct err *err)
{
        _cleanup_(evidence_freep) struct evidence *evidence = NULL;
        _cleanup_(export_done) struct export x = {.cli = cli, .target = args_value(&cli->args, "output")};
        if (!x.target || !*x.target)
                return cli_usage(cli, err, "-o is missing: the folder to be written");
        int r = cli_time(cli, "since", 0, &x.period.since_ms, err);
        r = r ? r : cli_time(cli, "until", 0, &x.period.until_ms, err);
        if (r == 0 && x.period.until_ms && x.period.since_ms >= x.period.until_ms)
                return cli_usage(cli, err, "--since is not before --until: there is no time between them");
        r = r ? r : olds_read(&x, err);
        r = r ? r : export_write(&x, &evidence, err);
        return r ? r : export_report(cli, &x, evidence, err);
}

/* ---- verify ---- */

static struct json *
checks_json(const struct evidence *evidence, const struct err *why)
{
        struct json *list = json_array_make();
        enum evidence_check failed_at = evidence_failed(evidence);
        for (unsigned i = 0; i < EVIDENCE_CHECKS; i++) {
                struct json *ok = i > failed_at ? json_null_new() : json_make("b", i < failed_at);
                json_gather(&list, json_make("{s:s, s:o, s:s?}", "check", evidence_checks[i], "ok", ok,
                                           "reason", i == failed_at ? why->text : NULL));
        }
        return list;
}

static int
verify_document(struct cli *cli, const struct evidence *evidence, bool own_key, const struct err *why,
        struct err *err)
{
        bool ok = evidence_failed(evidence) == EVIDENCE_CHECKS;
        struct json *none = json_null_new();
        int r = cli_document(cli,
                json_make("{s:s, s:b, s:o, s:s, s:O, s:O, s:O}", "schema", "driftd.evidence-verify/1", "ok",
                        ok, "checks", checks_json(evidence, why), "key", own_key ? "own" : "given", "summary",
                        ok ? evidence_summary(evidence) : none, "coverage",
                        ok ? evidence_coverage(evidence) : none, "limits",
                        ok ? evidence_limits(evidence) : none),
                err);
        json_free(none);
        return r;
}

static const char *
or_open(const struct json *object, const char *key, const char *open)
{
        const char *text = json_text(object, key);
        return text ? text : open;
}

static void
print_changes(struct cli *cli, const struct json *summary)
{
        _cleanup_table_ struct table table = table_make(6);
        json_each (json_member(summary, "changes"), i, change) {
                _cleanup_buf_ struct buf signers = {0};
                json_each (json_member(change, "signers"), j, signer)
                        buf_printf(&signers, "%s%s", j ? "," : "", json_string_of(signer));
                table_cell(&table, COLOR_BOLD, "%s", or_open(change, "kind", "?"));
                table_cell(&table, COLOR_PLAIN, "%.19s", or_open(change, "time", "?"));
                table_cell(&table, COLOR_PLAIN, "%s@%lld", or_open(change, "baseline", "?"),
                        json_number(change, "generation"));
                table_cell(&table, COLOR_PLAIN, "%s", or_open(change, "class", "?"));
                table_cell(&table, COLOR_PLAIN, "%s", or_open(change, "ticket", "none"));
                table_cell(&table, COLOR_PLAIN, "approved by %s", signers.data ? signers.data : "nobody");
        }
        table_print(&table, &cli->out);
}

static void
print_coverage(struct cli *cli, const struct json *coverage)
{
        json_int period = json_number(coverage, "period_ms"), watched = json_number(coverage, "watched_ms");
        char length[CLOCK_TEXT_MAX], seen[CLOCK_TEXT_MAX];
        duration_describe(period, length);
        duration_describe(watched, seen);
        print(&cli->out, "coverage  watched %s of %s", seen, length);
        size_t n = json_length(json_member(coverage, "gaps"));
        print_colored(&cli->out, n ? COLOR_YELLOW : COLOR_GREEN, ", %zu %s\n", n, n == 1 ? "gap" : "gaps");
        json_each (json_member(coverage, "gaps"), i, gap)
                print(&cli->out, "gap       %s to %s, %s\n", or_open(gap, "from", "?"),
                        or_open(gap, "until", "?"), or_open(gap, "reason", "?"));
}

static void
print_verified(struct cli *cli, const struct evidence *evidence)
{
        const struct json *summary = evidence_summary(evidence), *period = json_member(summary, "period");
        const struct json *records = json_member(summary, "records"),
                          *findings = json_member(summary, "findings");
        const struct json *severities = json_member(summary, "severities");
        char count[WORDS_MAX];
        print_colored(&cli->out, COLOR_GREEN, "verified");
        print(&cli->out, ": host %s, %s to %s\n", or_open(summary, "host", "?"),
                or_open(period, "since", "the first record"), or_open(period, "until", "the checkpoint"));
        print(&cli->out, "records   %s (%lld to %lld of %lld in the log)\n",
                count_text((uint64_t)json_number(records, "count"), count),
                json_number(records, "period_first"), json_number(records, "period_last"),
                json_number(json_member(summary, "checkpoint"), "size"));
        print_coverage(cli, evidence_coverage(evidence));
        print(&cli->out,
                "findings  %lld high, %lld medium, %lld low; %lld approved, %lld reverted without approval\n",
                json_number(severities, "high"), json_number(severities, "medium"),
                json_number(severities, "low"), json_number(findings, "approved"),
                json_number(findings, "reverted"));
        print_changes(cli, summary);
        if (cli->quiet)
                return;
        print(&cli->out, "What this does not prove:\n");
        json_each (evidence_limits(evidence), i, limit)
                print(&cli->out, "- %s\n", json_string_of(limit));
}

static int
verify_report(struct cli *cli, const struct evidence *evidence, bool own_key, const struct err *why,
        struct err *err)
{
        if (cli->json)
                return verify_document(cli, evidence, own_key, why, err);
        if (evidence_failed(evidence) == EVIDENCE_CHECKS) {
                print_verified(cli, evidence);
                return 0;
        }
        print_colored(&cli->out, COLOR_RED, "NOT VERIFIED");
        print(&cli->out, ": %s: %s\n", evidence_checks[evidence_failed(evidence)], why->text);
        if (why->hint[0])
                cli_note(cli, "%s", why->hint);
        return 0;
}

int
command_evidence_verify(struct cli *cli, struct err *err)
{
        _cleanup_(evidence_freep) struct evidence *evidence = NULL;
        _cleanup_(trust_freep) struct trust *trust = NULL;
        const char *file = args_value(&cli->args, "trust"), *key_text = args_value(&cli->args, "key");
        struct note_key key;
        struct err why = {0};
        if (!file)
                return cli_usage(cli, err,
                        "--trust is missing: a trust file of the host, from elsewhere than the bundle");
        int r = trust_read(file, &trust, err);
        r = r || !key_text ? r : vkey_read(key_text, &key, err);
        if (r)
                return r;
        const struct evidence_anchor anchor = {.trust_id = trust_id(trust), .key = key_text ? &key : NULL};
        r = evidence_verify(cli->args.words[0], &anchor, &evidence, &why);
        if (r && r != EVIDENCE_REFUSED) {
                *err = why;
                return EXIT_FAILED;
        }
        int printed = verify_report(cli, evidence, !key_text, &why, err);
        return printed ? printed : r ? EXIT_UNTRUSTED : EXIT_CLEAN;
}
