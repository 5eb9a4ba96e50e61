/* SPDX-License-Identifier: MIT */
/*
 * The order of the checks. Each believes only what those before it showed: the folder, then the signed tree
 * head, then the records that it binds, then what they say of baselines, then the documents that are made
 * from all of it. A bundle is completed by the same code that verifies it, so that nothing is exported that
 * would be refused.
 */
#include "core/evidence_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/quote.h"

const char *const evidence_checks[EVIDENCE_CHECKS] = {
        "sums", "checkpoint", "records", "period", "checkpoints", "trust", "baselines", "summary"};

static struct evidence *
evidence_new(void)
{
        struct evidence *e = calloc(1, sizeof *e);
        if (!e)
                return NULL;
        e->folder = -1;
        e->digester = digester_new();
        return e->digester ? e : evidence_free(e);
}

struct evidence *
evidence_free(struct evidence *e)
{
        if (!e)
                return NULL;
        fd_close(e->folder);
        for (size_t i = 0; i < e->n_files; i++)
                free(e->files[i].name);
        for (size_t i = 0; i < e->n_blesses; i++)
                json_free(e->blesses[i].detail);
        for (size_t i = 0; i < e->n_trusts; i++) {
                trust_free(e->trusts[i].trust);
                buf_done(&e->trusts[i].text);
        }
        for (size_t i = 0; i < e->n_baselines; i++) {
                free(e->baselines[i].file);
                json_free(e->baselines[i].signers);
                json_free(e->baselines[i].reviewers);
        }
        struct json *const values[] = {
                e->changes, e->reverts, e->gaps, e->olds, e->summary, e->coverage_json, e->limits};
        for (size_t i = 0; i < ARRAY_SIZE(values); i++)
                json_free(values[i]);
        free(e->files);
        free(e->blesses);
        free(e->trusts);
        free(e->baselines);
        coverage_free(e->coverage);
        checkpoint_done(&e->checkpoint);
        digester_free(e->digester);
        free(e);
        return NULL;
}

/* ---- checkpoint ---- */

/* What the summary claims: it is made again at the end, and compared. */
static int
claims_read(struct evidence *e, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        _cleanup_json_ struct json *summary = NULL;
        int r = evidence_file_read(e, "summary.json", EVIDENCE_TEXT_MAX, &text, err);
        if (r)
                return r;
        r = json_parse(text.data, text.size, &summary, NULL);
        const char *host = json_text(summary, "host"), *schema = json_text(summary, "schema");
        const struct json *period = json_member(summary, "period");
        const char *since = json_text(period, "since"), *until = json_text(period, "until");
        if (r == -ENOMEM)
                return err_oom(err);
        if (r || !schema || strcmp(schema, "driftd.evidence/1") != 0 || !host ||
                strlen(host) >= sizeof e->host)
                return evidence_refuse(e, err, "summary.json is no driftd.evidence/1 document");
        if ((since && clock_parse_human(since, 0, &e->period.since_ms, NULL) < 0) ||
                (until && clock_parse_human(until, 0, &e->period.until_ms, NULL) < 0))
                return evidence_refuse(e, err, "summary.json: the period is no time");
        snprintf(e->host, sizeof e->host, "%s", host);
        return 0;
}

static int
key_check(struct evidence *e, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        struct err why = {0};
        int r = evidence_file_read(e, "checkpoint.pub", NOTE_SIZE_MAX, &text, err);
        if (r)
                return r;
        if (!text.size || text.data[text.size - 1] != '\n')
                return evidence_refuse(e, err, "checkpoint.pub is cut");
        if (note_key_parse(text.data, text.size - 1, &e->key, &why))
                return evidence_refuse(e, err, "checkpoint.pub: %s", why.text);
        if (e->anchor && e->anchor->key && !note_key_equal(e->anchor->key, &e->key)) {
                evidence_refuse(e, err, "checkpoint.pub is not the key given, which is of %s",
                        quote(e->anchor->key->name));
                return err_hint(err, EVIDENCE_REFUSED,
                        "the key may have been replaced: records of kind checkpoint tell when and why");
        }
        return 0;
}

static int
checkpoint_check(struct evidence *e, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        char origin[NOTE_NAME_MAX];
        struct err why = {0};
        int r = e->building ? 0 : claims_read(e, err);
        r = r ? r : key_check(e, err);
        r = r ? r : evidence_file_read(e, "checkpoint", NOTE_SIZE_MAX, &text, err);
        if (r)
                return r;
        r = checkpoint_open(text.data, text.size, &e->key, &e->checkpoint, &why);
        if (r)
                return r < 0 ? err_oom(err) : evidence_refuse(e, err, "checkpoint: %s", why.text);
        if (e->building && e->checkpoint.ours)
                snprintf(e->host, sizeof e->host, "%s", e->checkpoint.origin + strlen(CHECKPOINT_ORIGIN));
        snprintf(origin, sizeof origin, CHECKPOINT_ORIGIN "%s", e->host);
        if (!e->checkpoint.ours || strcmp(e->checkpoint.origin, origin) != 0 ||
                strcmp(e->key.name, origin) != 0)
                return evidence_refuse(e, err, "the checkpoint is of %s, and the summary of %s",
                        quote(e->checkpoint.origin), quote(origin));
        return 0;
}

/* ---- earlier checkpoints ---- */

static int
old_check(struct evidence *e, const char *name, struct err *err)
{
        char proof_name[320], root[DIGEST_HEX_SIZE], time[CLOCK_TEXT_MAX], expected[320];
        _cleanup_buf_ struct buf text = {0}, proof_text = {0};
        _cleanup_(checkpoint_done) struct checkpoint old = {0};
        struct merkle_proof proof;
        struct err why = {0};
        snprintf(proof_name, sizeof proof_name, "%s.proof", name);
        int r = evidence_file_read(e, name, NOTE_SIZE_MAX, &text, err);
        r = r ? r : evidence_file_read(e, proof_name, NOTE_SIZE_MAX, &proof_text, err);
        if (r)
                return r;
        r = checkpoint_open(text.data, text.size, &e->key, &old, &why);
        if (r)
                return r < 0 ? err_oom(err) : evidence_refuse(e, err, "%s: %s", name, why.text);
        snprintf(expected, sizeof expected, "checkpoints/%" PRIu64, old.size);
        if (strcmp(name, expected) != 0)
                return evidence_refuse(e, err, "%s counts %" PRIu64 " records", name, old.size);
        if (merkle_proof_parse(proof_text.data, proof_text.size, &proof) < 0)
                return evidence_refuse(e, err, "%s holds no proof", proof_name);
        if (checkpoint_extends(e->digester, &old, &e->checkpoint, &proof, &why))
                return evidence_refuse(e, err, "%s: %s", name, why.text);
        digest_hex(&old.root, root);
        clock_format_seconds(old.time_ms, time);
        return json_push(e->olds, json_make("{s:I, s:s, s:s}", "size", (json_int)old.size, "root", root,
                                          "time", time)) < 0
                       ? err_oom(err)
                       : 0;
}

static int
checkpoints_check(struct evidence *e, struct err *err)
{
        e->olds = json_array_make();
        int r = e->olds ? 0 : err_oom(err);
        for (size_t i = 0; i < e->n_files && r == 0; i++) {
                const char *name = e->files[i].name, *dot = strrchr(name, '.');
                char base[320];
                if (strncmp(name, "checkpoints/", 12) != 0)
                        continue;
                if (!dot) {
                        r = old_check(e, name, err);
                        continue;
                }
                snprintf(base, sizeof base, "%.*s", (int)(dot - name), name);
                if (strcmp(dot, ".proof") != 0 || !evidence_has(e, base))
                        return evidence_refuse(e, err,
                                "%s is no checkpoints/SIZE.proof of a checkpoint beside it", quote(name));
        }
        return r;
}

/* ---- summary ---- */

static int
document_compare(struct evidence *e, const char *name, const struct json *document, struct err *err)
{
        _cleanup_buf_ struct buf text = {0}, made = {0};
        int r = evidence_file_read(e, name, EVIDENCE_TEXT_MAX, &text, err);
        if (r)
                return r;
        if (json_write_pretty(document, &made) < 0)
                return err_oom(err);
        if (made.size != text.size || memcmp(made.data, text.data, made.size) != 0)
                return evidence_refuse(
                        e, err, "%s is not what the records, baselines and trust files give", name);
        return 0;
}

static int
summary_check(struct evidence *e, struct err *err)
{
        int r = evidence_documents_make(e, err);
        if (r || e->building)
                return r;
        r = document_compare(e, "coverage.json", e->coverage_json, err);
        return r ? r : document_compare(e, "summary.json", e->summary, err);
}

/* ---- all ---- */

static int
sums_check(struct evidence *e, struct err *err)
{
        return e->building ? 0 : evidence_folder_check(e, err);
}

static int (*const checks[EVIDENCE_CHECKS])(struct evidence *e, struct err *err) = {sums_check,
        checkpoint_check, evidence_records_check, evidence_period_check, checkpoints_check,
        evidence_trust_check, evidence_baselines_check, summary_check};

static int
run(struct evidence *e, const char *folder, struct err *err)
{
        int r = evidence_folder_open(folder, e, err);
        for (; r == 0 && e->at < EVIDENCE_CHECKS; e->at++)
                if ((r = checks[e->at](e, err)) != 0)
                        break;
        return r;
}

int
evidence_verify(
        const char *folder, const struct evidence_anchor *anchor, struct evidence **ret, struct err *err)
{
        _cleanup_(evidence_freep) struct evidence *e = evidence_new();
        if (!e)
                return err_oom(err);
        e->anchor = anchor;
        int r = run(e, folder, err);
        e->anchor = NULL;
        if (r == 0 && !anchor->key &&
                json_push(e->limits, json_string_new("The host's key came with the bundle: whoever made the "
                                                     "bundle can have made the key "
                                                     "and the whole history with it. --key takes the one "
                                                     "that was noted when the host was "
                                                     "set up.")) < 0)
                return err_oom(err);
        if (r == 0 || r == EVIDENCE_REFUSED)
                *ret = steal_pointer(&e);
        return r;
}

static int
document_write(struct evidence *e, const char *name, const struct json *document, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        return json_write_pretty(document, &text) < 0
                       ? err_oom(err)
                       : evidence_file_write(e, name, text.data, text.size, err);
}

int
evidence_complete(const char *folder, const struct evidence_period *period, struct err *err)
{
        _cleanup_(evidence_freep) struct evidence *e = evidence_new();
        _cleanup_buf_ struct buf controls = {0}, readme = {0};
        if (!e)
                return err_oom(err);
        e->building = true;
        e->period = *period;
        int r = run(e, folder, err);
        if (r)
                return r;
        if (evidence_controls_append(&controls) < 0 || evidence_readme_append(e, &readme) < 0)
                return err_oom(err);
        r = document_write(e, "summary.json", e->summary, err);
        r = r ? r : document_write(e, "coverage.json", e->coverage_json, err);
        r = r ? r : evidence_file_write(e, "controls.md", controls.data, controls.size, err);
        r = r ? r : evidence_file_write(e, "README.txt", readme.data, readme.size, err);
        return r ? r : evidence_sums_write(e, err);
}

enum evidence_check
evidence_failed(const struct evidence *e)
{
        return e->at;
}

const struct json *
evidence_summary(const struct evidence *e)
{
        return e->summary;
}

const struct json *
evidence_coverage(const struct evidence *e)
{
        return e->coverage_json;
}

const struct json *
evidence_limits(const struct evidence *e)
{
        return e->limits;
}
