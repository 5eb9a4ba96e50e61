/* SPDX-License-Identifier: MIT */
/*
 * What people signed: the chain of trust files, and the baselines with their approvals. The auditor's own
 * trust file is the anchor: what came before it is bound by the ids that each file names as its parent, what
 * came after it by the signatures that the file before asks for. A baseline is held against the record of its
 * applying, and its approvals are judged by the trust file that this record names.
 */
#include "core/evidence_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/quote.h"

/* ---- trust ---- */

static bool
name_number(const char *text, const char *suffix, uint64_t *ret)
{
        size_t size = strspn(text, "0123456789");
        return strcmp(text + size, suffix) == 0 && text[0] != '0' && checkpoint_number(text, size, ret) == 0;
}

static int
trust_order(const void *a, const void *b)
{
        const struct evidence_trust *x = a, *y = b;
        return (x->generation > y->generation) - (x->generation < y->generation);
}

static int
trust_read(struct evidence *e, const char *name, struct evidence_trust *ret, struct err *err)
{
        int r = evidence_file_read(e, name, TRUST_FILE_MAX, &ret->text, err);
        struct err why = {0};
        if (r)
                return r;
        r = trust_parse(name, ret->text.data, ret->text.size, &ret->trust, &why);
        if (r)
                return r == -ENOMEM ? err_oom(err) : evidence_refuse(e, err, "%s", why.text);
        if (trust_generation(ret->trust) != ret->generation)
                return evidence_refuse(
                        e, err, "%s is generation %" PRIu64, name, trust_generation(ret->trust));
        return 0;
}

static int
trusts_read(struct evidence *e, struct err *err)
{
        e->trusts = calloc(e->n_files + 1, sizeof *e->trusts);
        if (!e->trusts)
                return err_oom(err);
        for (size_t i = 0; i < e->n_files; i++) {
                const char *name = e->files[i].name;
                struct evidence_trust *row = &e->trusts[e->n_trusts];
                if (strncmp(name, "trust/", 6) != 0 ||
                        name_number(name + 6, ".conf.approval", &row->generation))
                        continue;
                if (!name_number(name + 6, ".conf", &row->generation))
                        return evidence_refuse(e, err, "%s is no trust/GENERATION.conf", quote(name));
                e->n_trusts++;
                int r = trust_read(e, name, row, err);
                if (r)
                        return r;
        }
        if (!e->n_trusts)
                return evidence_refuse(e, err, "there is no trust file");
        qsort(e->trusts, e->n_trusts, sizeof *e->trusts, trust_order);
        return 0;
}

static int
successor_check(struct evidence *e, size_t i, struct err *err)
{
        char name[64];
        _cleanup_buf_ struct buf approval = {0};
        struct err why = {0};
        snprintf(name, sizeof name, "trust/%" PRIu64 ".conf.approval", e->trusts[i].generation);
        int r = evidence_file_read(e, name, APPROVAL_FILE_MAX, &approval, err);
        if (r)
                return r;
        r = trust_judge_successor(
                e->trusts[i - 1].trust, e->trusts[i].trust, approval.data, approval.size, &why);
        if (r)
                return r < 0 ? r
                             : evidence_refuse(e, err,
                                       "trust/%" PRIu64 ".conf does not follow from the one before: %.700s",
                                       e->trusts[i].generation, why.text);
        return 0;
}

static const struct evidence_trust *
trust_with_id(const struct evidence *e, const struct digest *id)
{
        for (size_t i = 0; i < e->n_trusts; i++)
                if (digest_equal(trust_id(e->trusts[i].trust), id))
                        return &e->trusts[i];
        return NULL;
}

int
evidence_trust_check(struct evidence *e, struct err *err)
{
        char hex[DIGEST_HEX_SIZE];
        int r = trusts_read(e, err);
        for (size_t i = 1; i < e->n_trusts && r == 0; i++)
                r = successor_check(e, i, err);
        if (r)
                return r;
        /* Approvals of a file that is not here are of no use, and were not looked at. */
        for (size_t i = 0; i < e->n_files; i++) {
                uint64_t generation;
                const struct evidence_trust key = {0};
                (void)key;
                if (strncmp(e->files[i].name, "trust/", 6) != 0 ||
                        !name_number(e->files[i].name + 6, ".conf.approval", &generation))
                        continue;
                if (generation < e->trusts[0].generation ||
                        generation > e->trusts[e->n_trusts - 1].generation)
                        return evidence_refuse(
                                e, err, "%s is for no trust file of the bundle", e->files[i].name);
        }
        if (e->checkpoint.has_trust && !trust_with_id(e, &e->checkpoint.trust)) {
                digest_hex(&e->checkpoint.trust, hex);
                return evidence_refuse(
                        e, err, "the trust file that the checkpoint names, %s, is not in the bundle", hex);
        }
        if (e->anchor && !trust_with_id(e, e->anchor->trust_id)) {
                digest_hex(e->anchor->trust_id, hex);
                evidence_refuse(e, err, "the trust file given, %s, is none of the bundle's", hex);
                return err_hint(err, EVIDENCE_REFUSED,
                        "--trust takes a trust file that was in force on this host, and that you have from "
                        "elsewhere");
        }
        return 0;
}

/* ---- baselines: reading ---- */

#define TEXT_SUFFIX ".baseline"
#define HEADER_SUFFIX ".header"
#define APPROVAL_SUFFIX ".approval"

static bool
ends_with(const char *text, const char *suffix)
{
        size_t size = strlen(text), n = strlen(suffix);
        return size >= n && strcmp(text + size - n, suffix) == 0;
}

/* baselines/NAME@GEN.baseline or .header */
static bool
file_parse(const char *file, struct evidence_baseline *ret)
{
        const char *name = file + strlen("baselines/"), *at = strrchr(name, '@');
        if (!at || !name_is_valid(name, (size_t)(at - name)))
                return false;
        ret->has_text = name_number(at + 1, TEXT_SUFFIX, &ret->generation);
        if (!ret->has_text && !name_number(at + 1, HEADER_SUFFIX, &ret->generation))
                return false;
        snprintf(ret->name, sizeof ret->name, "%.*s", (int)(at - name), name);
        return true;
}

/* "id HEX\n", then the header lines as they stand in the text. */
static int
header_id(struct evidence *e, const char *file, struct buf *text, struct digest *ret, struct err *err)
{
        size_t size = 3 + DIGEST_HEX_SIZE;
        if (text->size < size || memcmp(text->data, "id ", 3) != 0 || text->data[size - 1] != '\n' ||
                digest_parse(text->data + 3, DIGEST_HEX_SIZE - 1, ret) < 0)
                return evidence_refuse(e, err, "%s does not begin with \"id DIGEST\"", file);
        memmove(text->data, text->data + size, text->size - size);
        text->size -= size;
        text->data[text->size] = '\0';
        return 0;
}

static int
baseline_read(struct evidence *e, struct evidence_baseline *row, struct baseline **ret, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        struct err why = {0};
        int r = evidence_file_read(
                e, row->file, row->has_text ? BASELINE_SIZE_MAX : EVIDENCE_TEXT_MAX, &text, err);
        if (r == 0 && !row->has_text)
                r = header_id(e, row->file, &text, &row->id, err);
        if (r)
                return r;
        size_t size = text.size;
        char *bytes = buf_steal(&text);
        r = bytes ? baseline_open(bytes, size, ret, &why) : -ENOMEM;
        if (r)
                return r < 0 ? err_oom(err) : evidence_refuse(e, err, "%s: %s", row->file, why.text);
        const struct baseline_header *header = baseline_header(*ret);
        if (row->has_text)
                row->id = *baseline_id(*ret);
        row->has_parent = header->has_parent;
        row->parent = header->parent;
        row->any_host = strcmp(header->host, "*") == 0;
        if (strcmp(header->name, row->name) != 0 || header->generation != row->generation)
                return evidence_refuse(
                        e, err, "%s is %s@%" PRIu64, row->file, header->name, header->generation);
        if (!row->any_host && strcmp(header->host, e->host) != 0)
                return evidence_refuse(e, err, "%s is for another host, %s", row->file, header->host);
        return 0;
}

static struct evidence_bless *
bless_of(struct evidence *e, const char *name, uint64_t generation)
{
        for (size_t i = 0; i < e->n_blesses; i++)
                if (e->blesses[i].generation == generation && strcmp(e->blesses[i].name, name) == 0)
                        return &e->blesses[i];
        return NULL;
}

/* ---- baselines: judging ---- */

static bool
names(const struct json *list, const char *name)
{
        json_each (list, i, one) {
                const char *text = json_string_of(one);
                if (text && strcmp(text, name) == 0)
                        return true;
        }
        return false;
}

static bool
same_text(const struct json *detail, const char *key, const char *text)
{
        const char *recorded = json_text(detail, key);
        return recorded ? text && strcmp(recorded, text) == 0 : !text;
}

static bool
same_signers(const struct json *detail, const struct trust_verdict *verdict)
{
        const struct json *signers = json_member(detail, "signers");
        if (json_length(signers) != verdict->n_signers)
                return false;
        json_each (signers, i, signer) {
                const char *name = json_string_of(signer);
                if (!name || strcmp(name, verdict->signers[i]) != 0)
                        return false;
        }
        return true;
}

/* Who signed with a key that was on the host: the approvals say so, and the record must. */
static bool
same_on_host(const struct json *detail, const struct trust_verdict *verdict)
{
        const struct json *recorded = json_member(detail, "key_on_host");
        size_t n = 0;
        for (size_t i = 0; i < verdict->n_signers; i++) {
                n += verdict->key_on_host[i];
                if (verdict->key_on_host[i] && !names(recorded, verdict->signers[i]))
                        return false;
        }
        return n == json_length(recorded);
}

static int
record_compare(struct evidence *e, const struct evidence_baseline *row, const struct baseline *baseline,
        const struct evidence_bless *bless, const struct trust_verdict *verdict, struct err *err)
{
        const struct baseline_header *header = baseline_header(baseline);
        const char *what = NULL;
        if (!digest_equal(&bless->id, &row->id))
                what = "id";
        else if (!same_text(bless->detail, "author", header->author))
                what = "author";
        else if (!same_text(bless->detail, "ticket", header->ticket))
                what = "ticket";
        else if (!same_text(bless->detail, "class", class_names[header->class]))
                what = "class";
        else if (verdict && !same_signers(bless->detail, verdict))
                what = "signers";
        else if (verdict && !same_on_host(bless->detail, verdict))
                what = "key_on_host";
        else if (verdict && json_flag(bless->detail, "review_due") != verdict->urgent_used)
                what = "review_due";
        return what ? evidence_refuse(
                              e, err, "%s: record %" PRIu64 " says another %s", row->file, bless->seq, what)
                    : 0;
}

struct judging {
        struct evidence_baseline *row;
        const struct baseline *baseline;
        struct buf approvals;
        struct trust_verdict verdict;
};

static int
judge_by(struct judging *j, const struct evidence_trust *by, const struct buf *approvals, struct err *err)
{
        const struct baseline_header *header = baseline_header(j->baseline);
        return trust_judge_baseline(by->trust, &j->row->id, header->name, header->host, header->generation,
                header->author, header->class == CLASS_URGENT, approvals->data, approvals->size, &j->verdict,
                err);
}

/* Those of the verdict that `but` does not name. NULL: out of memory. */
static struct json *
signers_but(const struct trust_verdict *verdict, const struct json *but)
{
        struct json *list = json_array_make();
        for (size_t i = 0; i < verdict->n_signers; i++)
                if (!names(but, verdict->signers[i]))
                        json_gather(&list, json_string_new(verdict->signers[i]));
        return list;
}

static int
judge(struct judging *j, const struct evidence_trust *by, const struct buf *approvals, struct err *err)
{
        int r = judge_by(j, by, approvals, err);
        if (r)
                return r;
        j->row->trust_generation = by->generation;
        json_free(j->row->signers);
        j->row->signers = signers_but(&j->verdict, NULL);
        return j->row->signers ? 0 : err_oom(err);
}

/* The approvals of those whom the record names: others came afterwards, as the review of an urgent change. */
static int
approvals_then(const struct judging *j, const struct json *signers, struct buf *ret, struct err *err)
{
        _cleanup_free_ struct approval *list = NULL;
        size_t n;
        int r = approvals_parse(j->approvals.data, j->approvals.size, &list, &n, err);
        for (size_t i = 0; i < n && r == 0; i++) {
                if (!names(signers, list[i].by))
                        continue;
                r = buf_append(ret, list[i].text, list[i].text_size);
                r = r ? r : buf_append(ret, list[i].armor, list[i].armor_size);
        }
        return r;
}

static int
judge_recorded(struct judging *j, const struct evidence_bless *bless, const struct evidence_trust *by,
        struct err *err)
{
        _cleanup_buf_ struct buf then = {0};
        struct trust_verdict verdict;
        int r = approvals_then(j, json_member(bless->detail, "signers"), &then, err);
        r = r ? r : judge(j, by, &then, err);
        if (r || then.size == j->approvals.size)
                return r;
        verdict = j->verdict;
        r = judge_by(j, by, &j->approvals, err);
        if (r == 0 && !(j->row->reviewers = signers_but(&j->verdict, j->row->signers)))
                r = err_oom(err);
        j->verdict = verdict;
        return r;
}

/* The record of its applying is not here, and so not which trust file was in force: one of those up to the
 * first that is known to be. */
static int
judge_before(struct evidence *e, struct judging *j, struct err *err)
{
        int r = TRUST_TOO_FEW;
        const struct evidence_trust *first = e->n_blesses ? trust_with_id(e, &e->blesses[0].trust_id) : NULL;
        size_t n = first ? (size_t)(first - e->trusts) + 1 : e->n_trusts;
        for (size_t i = n; i-- && r > 0;)
                r = judge(j, &e->trusts[i], &j->approvals, err);
        return r;
}

static int
baseline_judge(struct evidence *e, struct judging *j, struct err *err)
{
        struct evidence_baseline *row = j->row;
        struct evidence_bless *bless = bless_of(e, row->name, row->generation);
        struct err why = {0};
        int r;
        row->before = !bless;
        if (bless) {
                const struct evidence_trust *by = trust_with_id(e, &bless->trust_id);
                if (!by)
                        return evidence_refuse(e, err,
                                "record %" PRIu64 " names a trust file that is not in the bundle",
                                bless->seq);
                bless->has_baseline = true;
                r = record_compare(e, row, j->baseline, bless, NULL, err);
                if (r)
                        return r;
                r = judge_recorded(j, bless, by, &why);
        } else {
                r = judge_before(e, j, &why);
        }
        if (r > 0)
                return evidence_refuse(e, err, "%s is not approved: %.800s", row->file, why.text);
        if (r < 0)
                return err_oom(err);
        return bless ? record_compare(e, row, j->baseline, bless, &j->verdict, err) : 0;
}

static int
baseline_take(struct evidence *e, struct evidence_baseline *row, struct err *err)
{
        _cleanup_(baseline_freep) struct baseline *baseline = NULL;
        char approval[512];
        struct judging *j = calloc(1, sizeof *j);
        if (!j)
                return err_oom(err);
        snprintf(approval, sizeof approval, "%s" APPROVAL_SUFFIX, row->file);
        int r = baseline_read(e, row, &baseline, err);
        j->row = row;
        j->baseline = baseline;
        r = r ? r : evidence_file_read(e, approval, APPROVAL_FILE_MAX, &j->approvals, err);
        r = r ? r : baseline_judge(e, j, err);
        buf_done(&j->approvals);
        free(j);
        return r;
}

/* ---- baselines: none too many, none too few ---- */

static struct evidence_baseline *
baseline_of(const struct evidence *e, const char *name, uint64_t generation)
{
        for (size_t i = 0; i < e->n_baselines; i++)
                if (e->baselines[i].generation == generation && strcmp(e->baselines[i].name, name) == 0)
                        return &e->baselines[i];
        return NULL;
}

static int
blesses_check(struct evidence *e, struct err *err)
{
        size_t trust_at = 0;
        for (size_t i = 0; i < e->n_blesses; i++) {
                const struct evidence_bless *bless = &e->blesses[i];
                const struct evidence_baseline *row = baseline_of(e, bless->name, bless->generation);
                if (!bless->has_baseline || !row)
                        return evidence_refuse(e, err,
                                "record %" PRIu64 " applied %s@%" PRIu64 ", which is not in the bundle",
                                bless->seq, bless->name, bless->generation);
                size_t at = (size_t)(trust_with_id(e, &bless->trust_id) - e->trusts);
                if (at < trust_at)
                        return evidence_refuse(e, err,
                                "record %" PRIu64 " names a trust file that was replaced before it",
                                bless->seq);
                trust_at = at;
                if (bless->adopted || row->any_host || !row->has_parent)
                        continue;
                struct evidence_baseline *parent = baseline_of(e, bless->name, bless->generation - 1);
                if (!parent)
                        return evidence_refuse(e, err,
                                "%s@%" PRIu64 ", which %s@%" PRIu64 " replaced, is not in the bundle",
                                bless->name, bless->generation - 1, bless->name, bless->generation);
                if (!digest_equal(&parent->id, &row->parent))
                        return evidence_refuse(e, err, "%s is not the one that %s@%" PRIu64 " replaced",
                                parent->file, bless->name, bless->generation);
                parent->before_proved = true;
        }
        return 0;
}

/* Of those that were not applied here: one of a name, the one before all that were. */
static int
before_check(struct evidence *e, const struct evidence_baseline *row, struct err *err)
{
        for (size_t i = 0; i < e->n_baselines && row->before; i++) {
                const struct evidence_baseline *other = &e->baselines[i];
                if (other != row && strcmp(other->name, row->name) == 0 &&
                        (other->before || other->generation < row->generation))
                        return evidence_refuse(e, err,
                                "%s: no record applied it, and it was not in force before them", row->file);
        }
        return 0;
}

/* Where the records go to the end of the log, what is in force then is what the checkpoint says. */
static int
in_force_check(struct evidence *e, struct err *err)
{
        for (size_t i = 0; i < e->checkpoint.n_baselines; i++) {
                const struct checkpoint_baseline *active = &e->checkpoint.baselines[i];
                struct evidence_baseline *row = baseline_of(e, active->name, active->generation);
                if (row && digest_equal(&row->id, &active->id))
                        row->before_proved = true;
                else if (row || e->range.last == e->range.size)
                        return evidence_refuse(e, err, "%s@%" PRIu64 " is in force by the checkpoint, and %s",
                                active->name, active->generation,
                                row ? "another one is in the bundle" : "not in the bundle");
        }
        return 0;
}

/* Each approval file belongs to a baseline. */
static int
names_check(struct evidence *e, const char *name, struct err *err)
{
        char base[512];
        struct evidence_baseline row;
        snprintf(base, sizeof base, "%s", name);
        if (ends_with(base, APPROVAL_SUFFIX)) {
                base[strlen(base) - strlen(APPROVAL_SUFFIX)] = '\0';
                if (evidence_has(e, base) && file_parse(base, &row))
                        return 0;
                return evidence_refuse(e, err, "%s is for no baseline of the bundle", quote(name));
        }
        return file_parse(base, &row)
                       ? 0
                       : evidence_refuse(e, err, "%s is no baselines/NAME@GENERATION.baseline", quote(name));
}

int
evidence_baselines_check(struct evidence *e, struct err *err)
{
        int r = 0;
        e->baselines = calloc(e->n_files + 1, sizeof *e->baselines);
        if (!e->baselines)
                return err_oom(err);
        for (size_t i = 0; i < e->n_files && r == 0; i++) {
                const char *name = e->files[i].name;
                struct evidence_baseline *row = &e->baselines[e->n_baselines];
                if (strncmp(name, "baselines/", 10) != 0)
                        continue;
                r = names_check(e, name, err);
                if (r || ends_with(name, APPROVAL_SUFFIX) || !file_parse(name, row))
                        continue;
                if (baseline_of(e, row->name, row->generation))
                        return evidence_refuse(
                                e, err, "%s@%" PRIu64 " is there twice", row->name, row->generation);
                row->file = strdup(name);
                e->n_baselines++;
                r = row->file ? baseline_take(e, row, err) : err_oom(err);
        }
        r = r ? r : blesses_check(e, err);
        for (size_t i = 0; i < e->n_baselines && r == 0; i++)
                r = before_check(e, &e->baselines[i], err);
        return r ? r : in_force_check(e, err);
}
