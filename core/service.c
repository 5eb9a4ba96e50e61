/* SPDX-License-Identifier: MIT */
/*
 * The methods: one table row and one function each. They read parameters, ask the instance, and reply.
 * Nothing here knows a socket. Those that look at files (Propose, Compare, Show) are in service_job.c.
 */
#include "core/service_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/document.h"
#include "core/item.h"

int
exit_worst(int a, int b)
{
        static const int rank[] = {[EXIT_CLEAN] = 0,
                [EXIT_INCOMPLETE] = 1,
                [EXIT_DRIFT] = 2,
                [EXIT_FAILED] = 3,
                [EXIT_UNTRUSTED] = 4};
        return rank[a] >= rank[b] ? a : b;
}

void
service_session_done(struct service_session *session)
{
        buf_done(&session->baseline);
        buf_done(&session->delta);
        buf_done(&session->approvals);
        buf_done(&session->window);
        buf_done(&session->expect);
}

size_t
service_session_held(const struct service_session *session)
{
        return session->baseline.size + session->delta.size + session->approvals.size + session->window.size +
               session->expect.size;
}

int
call_failed(struct call *call, int r)
{
        if (r == -ENOMEM && call->err && !call->err->text[0])
                err_oom(call->err);
        return EXIT_FAILED;
}

int
call_say(struct call *call, struct json *parameters, bool continues)
{
        if (!parameters) {
                err_oom(call->err);
                return EXIT_FAILED;
        }
        return call->reply(call->userdata, parameters, continues) ? -1 : 0;
}

int
service_items(const struct json *parameters, struct text_list *ret, struct err *err)
{
        const struct json *items = json_member(parameters, "items");
        if (json_length(items) > SERVICE_ITEMS_MAX)
                return err_set(err, -E2BIG, "more than %u items in one call", SERVICE_ITEMS_MAX);
        json_each (items, i, value) {
                const char *text = json_string_of(value);
                _cleanup_free_ char *item = NULL;
                if (!text)
                        return err_set(err, -EINVAL, "items are strings");
                int r = item_parse(text, &item, err);
                r = r ? r : text_list_add(ret, item, strlen(item));
                if (r < 0)
                        return r;
        }
        return 0;
}

struct json *
service_progress(uint64_t files, uint64_t files_expected, uint64_t bytes)
{
        return json_make("{s:{s:I, s:I, s:I}}", "progress", "files", (json_int)files, "files_expected",
                (json_int)files_expected, "bytes", (json_int)bytes);
}

/* ---- looking ---- */

static int
get_status(struct call *call)
{
        return call_say(call, json_make("{s:o}", "status", document_status(call->instance)), false);
}

/* Offline there is nobody who looked before: look at everything. */
int
call_look_offline(struct call *call)
{
        if (!call->instance->offline || json_flag(call->parameters, "cached"))
                return 0;
        return instance_look(call->instance, json_flag(call->parameters, "full"), NULL, NULL, call->err);
}

static int
say_drifts(void *userdata, struct json *drifts)
{
        return call_say(userdata, json_make("{s:o}", "drifts", drifts), true);
}

static int
diff(struct call *call)
{
        struct text_list items = {0};
        uint64_t count;
        int r = service_items(call->parameters, &items, call->err);
        r = r ? r : call_look_offline(call);
        if (r == 0) {
                struct json *document = document_diff(call->instance, items.items, items.count, &count);
                r = document_drifts(call->instance, items.items, items.count, say_drifts, call, call->err);
                if (r == 0)
                        r = call_say(call, json_make("{s:o}", "document", document), false);
                else
                        json_free(document);
        } else {
                r = call_failed(call, r);
        }
        text_list_done(&items);
        return r;
}

static int
scan(struct call *call)
{
        uint64_t count;
        int r = call_look_offline(call);
        if (r < 0)
                return call_failed(call, r);
        struct json *document = document_diff(call->instance, NULL, 0, &count);
        return call_say(call, json_make("{s:o, s:I}", "document", document, "count", (json_int)count), false);
}

/* ---- history: in slices ---- */

static int
log_begin(
        struct instance *instance, const struct json *parameters, struct service_slices *ret, struct err *err)
{
        const char *kind = json_text(parameters, "kind");
        json_int until = json_number(parameters, "until_ms");
        int r = service_items(parameters, &ret->items, err);
        if (r == 0 && kind && *kind && !(ret->kind = strdup(kind)))
                r = err_oom(err);
        ret->query = (struct record_query){
                .since_ms = json_number(parameters, "since_ms"),
                .until_ms = until ? until : INT64_MAX,
                .after_seq = (uint64_t)json_number(parameters, "after_seq"),
                .kind = ret->kind,
                .items = ret->items.items,
                .n_items = ret->items.count,
                .last_seq = (uint64_t)json_number(parameters, "last_seq"),
                .limit = SERVICE_RECORDS_PER_REPLY,
                .rows_max = SERVICE_SLICE_ROWS,
        };
        return r ? r : store_records_narrow(instance->store, &ret->query, err);
}

static int
log_record(void *userdata, const struct record *record)
{
        struct json *value = NULL;
        int r = json_parse(record->body, strlen(record->body), &value, NULL);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                value = json_make("{s:I, s:s, s:n, s:{}}", "seq", (json_int)record->seq, "kind", "damaged",
                        "item", "detail");
        return json_push(userdata, value);
}

static int
log_next(struct call *call, struct service_slices *log, bool goes_on)
{
        _cleanup_json_ struct json *batch = json_array_make();
        uint64_t reached = 0;
        int r = batch ? store_records_some(
                                call->instance->store, &log->query, log_record, batch, &reached, call->err)
                      : -ENOMEM;
        if (r)
                return call_failed(call, r);
        log->at_end = !reached;
        log->query.after_seq = reached;
        bool empty = !json_length(batch), last = log->at_end && !goes_on;
        return empty && !last ? 0 : call_say(call, json_make("{s:O}", "records", batch), !last);
}

static int
verify_next(struct call *call, struct service_slices *slices)
{
        struct instance *instance = call->instance;
        uint64_t records = 0, baselines = 0;
        struct tree_head head = {0};
        char root[DIGEST_HEX_SIZE];
        bool done = false;
        int r = store_verify_some(slices->verifier, STORE_VERIFY_ROWS, &done, &records, call->err);
        if (r == 0 && !done)
                return 0;
        slices->at_end = true;
        r = r ? r : instance_verify_baselines(instance, &baselines, call->err);
        if (r < 0)
                return call_failed(call, r);
        store_head(instance->store, &head, NULL);
        digest_hex(&head.root, root);
        return call_say(call,
                json_make("{s:b, s:I, s:s, s:I, s:s?}", "ok", r == 0, "records", (json_int)records, "root",
                        root, "baselines", (json_int)baselines, "problem", r ? call->err->text : NULL),
                false);
}

/* ---- checkpoints ---- */

static int
checkpoint_begin(
        struct instance *instance, const struct json *parameters, struct service_slices *ret, struct err *err)
{
        struct checkpoint_last last;
        struct tree_head head;
        json_int old = json_number(parameters, "old");
        if (old < 0)
                return err_set(err, -EINVAL, "Checkpoint takes an old size of 0 or more");
        int r = instance_checkpoint_last(instance, &last, err);
        r = r ? r : store_head(instance->store, &head, err);
        if (r)
                return r;
        struct store_proof_wish wish = {.old = (uint64_t)old, .seen = last.head.size};
        ret->seen = last.head.size;
        ret->hand_out = json_flag(parameters, "hand_out");
        ret->past_end = wish.old > head.size;
        return store_prove_begin(instance->store, &wish, &ret->prover, err);
}

/* Slices of several callers take turns: what was proved is held against the newest checkpoint of when it
 * began. */
static int
check_seen(struct call *call, const struct service_slices *slices)
{
        struct checkpoint_last last;
        int r = instance_checkpoint_last(call->instance, &last, call->err);
        if (r)
                return call_failed(call, r);
        if (last.head.size == slices->seen)
                return 0;
        err_set(call->err, EXIT_FAILED, "another checkpoint was handed out meanwhile");
        return err_hint(call->err, EXIT_FAILED, "ask again");
}

static int
checkpoint_say(struct call *call, const struct service_slices *slices, const struct store_proof *proof)
{
        _cleanup_buf_ struct buf note = {0}, key = {0}, hashes = {0};
        char root[DIGEST_HEX_SIZE];
        int r = check_seen(call, slices);
        if (r)
                return r;
        r = instance_checkpoint(call->instance, proof, slices->hand_out, &note, call->err);
        if (r)
                return r == INSTANCE_REFUSED ? EXIT_UNTRUSTED : call_failed(call, r);
        if (note_key_append(note_signer_key(call->instance->checkpoint_signer), &key) < 0 ||
                buf_text(&hashes, "") < 0 || merkle_proof_append(&proof->consistency, &hashes) < 0)
                return call_failed(call, -ENOMEM);
        digest_hex(&proof->head.root, root);
        return call_say(call,
                json_make("{s:s, s:s, s:I, s:s, s:s?}", "checkpoint", note.data, "key", key.data, "size",
                        (json_int)proof->head.size, "root", root, "proof",
                        slices->past_end ? NULL : hashes.data),
                false);
}

/* ---- evidence: a run of records proved, and checkpoints of before ---- */

struct service_evidence {
        uint64_t first, last; /* of the time that is asked for */
        uint64_t from, until; /* the run: from the start before it (for coverage) to the record after it */
        uint64_t size;
        uint64_t olds[STORE_PROOF_OLDS_MAX];
        size_t n_olds;
};

#define EVIDENCE_LEAD_MAX 100000u /* records before the time that are looked through for a start */

static int
evidence_olds(const struct json *parameters, struct service_evidence *e, struct err *err)
{
        const struct json *olds = json_member(parameters, "olds");
        if (json_length(olds) > STORE_PROOF_OLDS_MAX)
                return err_set(err, -E2BIG, "more than %u earlier checkpoints", STORE_PROOF_OLDS_MAX);
        json_each (olds, i, value) {
                json_int size = 0;
                if (json_read(value, err, "I", &size) < 0 || size < 0)
                        return err_set(err, -EINVAL, "Evidence takes sizes of 0 or more");
                e->olds[e->n_olds++] = (uint64_t)size;
        }
        return 0;
}

/* An open end is the first or the last record there is, whatever its time. */
static int
evidence_span(
        struct instance *instance, const struct json *parameters, struct service_evidence *e, struct err *err)
{
        json_int since = json_number(parameters, "since_ms"), until = json_number(parameters, "until_ms");
        struct tree_head head;
        int r = store_head(instance->store, &head, err);
        r = r ? r
              : store_records_span(
                        instance->store, since, until ? until : INT64_MAX, &e->first, &e->last, err);
        if (r)
                return r;
        e->size = head.size;
        e->first = since ? e->first : 1;
        e->last = until ? e->last : head.size;
        e->until = e->last < e->size ? e->last + 1 : e->size;
        r = store_record_before(instance->store, e->first, "start", EVIDENCE_LEAD_MAX, &e->from, err);
        if (r == STORE_NONE)
                e->from = e->first > 1 ? e->first - 1 : 1;
        return r == STORE_NONE ? 0 : r;
}

static int
evidence_begin(
        struct instance *instance, const struct json *parameters, struct service_slices *ret, struct err *err)
{
        struct checkpoint_last last;
        struct service_evidence *e = ret->evidence = calloc(1, sizeof *e);
        int r = e ? evidence_olds(parameters, e, err) : err_oom(err);
        r = r ? r : evidence_span(instance, parameters, e, err);
        r = r ? r : instance_checkpoint_last(instance, &last, err);
        if (r)
                return r;
        ret->seen = last.head.size;
        struct store_proof_wish wish = {.seen = last.head.size,
                .olds = e->olds,
                .n_olds = e->n_olds,
                .first = e->from,
                .last = e->until};
        return store_prove_begin(instance->store, &wish, &ret->prover, err);
}

/* Hashes, or null for a size that the history does not have (any more). */
static struct json *
evidence_consistency(const struct service_evidence *e, const struct store_proof *proof)
{
        struct json *list = json_array_make();
        for (size_t i = 0; i < e->n_olds; i++) {
                _cleanup_buf_ struct buf text = {0};
                bool there = e->olds[i] <= proof->head.size;
                if (there && (buf_text(&text, "") < 0 || merkle_proof_append(&proof->olds[i], &text) < 0))
                        return json_free(list);
                json_gather(&list, there ? json_string_new(text.data) : json_null_new());
        }
        return list;
}

static int
evidence_say(struct call *call, const struct service_slices *slices, const struct store_proof *proof)
{
        const struct service_evidence *e = slices->evidence;
        _cleanup_buf_ struct buf note = {0}, key = {0}, range = {0};
        int r = check_seen(call, slices);
        if (r)
                return r;
        r = instance_checkpoint(call->instance, proof, true, &note, call->err); /* it leaves the host */
        if (r)
                return r == INSTANCE_REFUSED ? EXIT_UNTRUSTED : call_failed(call, r);
        if (note_key_append(note_signer_key(call->instance->checkpoint_signer), &key) < 0 ||
                merkle_range_append(&proof->range, &range) < 0)
                return call_failed(call, -ENOMEM);
        return call_say(call,
                json_make("{s:s, s:s, s:I, s:I, s:s, s:o}", "checkpoint", note.data, "key", key.data, "first",
                        (json_int)e->first, "last", (json_int)e->last, "range", range.data, "consistency",
                        evidence_consistency(e, proof)),
                false);
}

static int
proof_next(struct call *call, struct service_slices *slices)
{
        const struct store_proof *proof = NULL;
        int r = store_prove_some(slices->prover, STORE_VERIFY_ROWS, &proof, call->err);
        if (r == 0 && !proof)
                return 0;
        slices->at_end = true;
        if (r)
                return r == STORE_TAMPERED ? EXIT_UNTRUSTED : call_failed(call, r);
        return slices->evidence ? evidence_say(call, slices, proof) : checkpoint_say(call, slices, proof);
}

/* ---- coverage ---- */

/* All records: what was before the period leaves its state behind. */
static int
coverage_begin(
        struct instance *instance, const struct json *parameters, struct service_slices *ret, struct err *err)
{
        json_int since = json_number(parameters, "since_ms"), until = json_number(parameters, "until_ms");
        int64_t now_ms = clock_now_ms();
        struct tree_head head;
        int r = store_head(instance->store, &head, err);
        if (r)
                return r;
        ret->query = (struct record_query){.last_seq = head.size, .rows_max = SERVICE_SLICE_ROWS};
        return coverage_new(since, until && until < now_ms ? until : now_ms, &ret->coverage, err);
}

static int
coverage_next(struct call *call, struct service_slices *slices)
{
        struct instance *instance = call->instance;
        struct coverage_result result;
        uint64_t reached = 0;
        int r = store_records_some(
                instance->store, &slices->query, coverage_take, slices->coverage, &reached, call->err);
        if (r)
                return call_failed(call, r);
        slices->query.after_seq = reached;
        slices->at_end = !reached;
        if (reached)
                return 0;
        r = coverage_finish(slices->coverage, instance->offline ? 0 : clock_now_ms(), &result, call->err);
        if (r)
                return call_failed(call, r);
        return call_say(
                call, json_make("{s:o}", "coverage", coverage_document(&result, instance->host)), false);
}

/* ---- slices ---- */

static int
slices_begin(struct instance *instance, const char *method, const struct json *parameters,
        struct service_slices *ret, struct err *err)
{
        if (strcmp(method, "Verify") == 0)
                return store_verify_begin(instance->store, &ret->verifier, err);
        if (strcmp(method, "Checkpoint") == 0)
                return checkpoint_begin(instance, parameters, ret, err);
        if (strcmp(method, "Evidence") == 0)
                return evidence_begin(instance, parameters, ret, err);
        if (strcmp(method, "Coverage") == 0)
                return coverage_begin(instance, parameters, ret, err);
        return log_begin(instance, parameters, ret, err);
}

int
service_slices_begin(struct instance *instance, const char *method, const struct json *parameters,
        struct service_slices *ret, struct err *err)
{
        instance_await_trust(instance);
        if (slices_begin(instance, method, parameters, ret, err) == 0)
                return 0;
        service_slices_done(ret);
        return EXIT_FAILED;
}

int
service_slices_next(struct instance *instance, struct service_slices *slices, bool goes_on,
        service_reply reply, void *userdata, struct err *err)
{
        struct call call = {.instance = instance, .reply = reply, .userdata = userdata, .err = err};
        if (slices->prover)
                return proof_next(&call, slices);
        if (slices->coverage)
                return coverage_next(&call, slices);
        return slices->verifier ? verify_next(&call, slices) : log_next(&call, slices, goes_on);
}

void
service_slices_done(struct service_slices *slices)
{
        text_list_done(&slices->items);
        free(slices->kind);
        store_verifier_free(slices->verifier);
        store_prover_free(slices->prover);
        free(slices->evidence);
        coverage_free(slices->coverage);
        *slices = (struct service_slices){0};
}

/* Where nobody else waits: all slices at once. */
static int
all_slices(struct call *call, const char *method)
{
        struct service_slices slices = {0};
        int r = service_slices_begin(call->instance, method, call->parameters, &slices, call->err);
        while (r == 0 && !slices.at_end)
                r = service_slices_next(
                        call->instance, &slices, false, call->reply, call->userdata, call->err);
        service_slices_done(&slices);
        return r;
}

static int
show_log(struct call *call)
{
        return all_slices(call, "Log");
}

static int
verify(struct call *call)
{
        return all_slices(call, "Verify");
}

static int
checkpoint(struct call *call)
{
        return all_slices(call, "Checkpoint");
}

static int
evidence(struct call *call)
{
        return all_slices(call, "Evidence");
}

static int
coverage(struct call *call)
{
        return all_slices(call, "Coverage");
}

/* ---- baselines ---- */

static int
upload(struct call *call)
{
        const char *kind = json_text(call->parameters, "kind"), *text = json_text(call->parameters, "text");
        struct service_session *session = call->session;
        const struct {
                const char *kind;
                struct buf *to;
        } kinds[] = {{"baseline", &session->baseline}, {"delta", &session->delta},
                {"approvals", &session->approvals}, {"window", &session->window},
                {"expect", &session->expect}};
        struct buf *to = NULL;
        for (size_t i = 0; kind && i < ARRAY_SIZE(kinds); i++)
                if (strcmp(kind, kinds[i].kind) == 0)
                        to = kinds[i].to;
        if (!to || !text) {
                err_set(call->err, EXIT_FAILED,
                        "Upload takes kind (baseline, delta, approvals, window or expect) and text");
                return EXIT_FAILED;
        }
        if (json_flag(call->parameters, "reset"))
                buf_done(to);
        /* One takes the other's place. */
        if (to == &session->baseline)
                buf_done(&session->delta);
        else if (to == &session->delta)
                buf_done(&session->baseline);
        if (to->size + strlen(text) > SERVICE_UPLOAD_MAX) {
                err_set(call->err, EXIT_FAILED, "the upload is larger than 512 MiB");
                return EXIT_FAILED;
        }
        int r = buf_text(to, text);
        return r < 0 ? call_failed(call, err_oom(call->err)) : call_say(call, json_make("{}"), false);
}

static int
apply(struct call *call, const struct service_applying *applying)
{
        const struct buf *approvals = &applying->approvals;
        struct apply_result result = {0};
        char id[DIGEST_HEX_SIZE];
        int r;
        if (applying->result > 0) {
                r = instance_apply_refused(
                        call->instance, (enum delta_result)applying->result, &applying->why, call->err);
                return call_failed(call, r);
        }
        if (!applying->baseline) {
                err_set(call->err, EXIT_FAILED, "nothing was uploaded to be applied");
                return EXIT_FAILED;
        }
        r = instance_apply_opened(call->instance, applying->baseline, approvals->data ? approvals->data : "",
                approvals->size, applying->moved.data, applying->draft, &result, call->err);
        if (r) {
                buf_done(&result.signers);
                return r == INSTANCE_REFUSED ? EXIT_UNTRUSTED : call_failed(call, r);
        }
        /* Offline nobody else takes the first look, which also keeps content for line diffs. */
        if (call->instance->offline && instance_look(call->instance, true, NULL, NULL, call->err) < 0) {
                buf_done(&result.signers);
                return call_failed(call, -EIO);
        }
        digest_hex(&result.id, id);
        r = call_say(call,
                json_make("{s:s, s:I, s:s, s:o, s:b, s:b, s:b}", "name", result.name, "generation",
                        (json_int)result.generation, "id", id, "signers", json_words(result.signers.data),
                        "adopted", result.adopted, "review_due", result.review_due, "reviewed",
                        result.reviewed),
                false);
        buf_done(&result.signers);
        return r;
}

struct listing {
        struct instance *instance;
        struct json *list;
};

static int
list_row(void *userdata, const struct baseline_row *row)
{
        struct listing *listing = userdata;
        return json_push(listing->list, document_baseline_info(listing->instance, row));
}

static int
list_baselines(struct call *call)
{
        const char *name = json_text(call->parameters, "name");
        struct listing listing = {call->instance, json_array_make()};
        int r = listing.list ? store_baselines(call->instance->store, name && *name ? name : NULL, list_row,
                                       &listing, call->err)
                             : -ENOMEM;
        if (r) {
                json_free(listing.list);
                return call_failed(call, r);
        }
        return call_say(call, json_make("{s:o}", "baselines", listing.list), false);
}

/* A text in pieces, under a member's name. */
int
call_say_pieces(struct call *call, const char *member, const char *text, size_t size)
{
        int r = 0;
        for (size_t at = 0; at < size && r == 0; at += SERVICE_CHUNK_MAX) {
                _cleanup_free_ char *piece = strndup(text + at, min_size(SERVICE_CHUNK_MAX, size - at));
                r = call_say(
                        call, piece ? json_make("{s:s, s:b}", member, piece, "done", false) : NULL, true);
        }
        return r;
}

/* What is kept of a generation whatever becomes of its text: header lines and approvals. */
struct header_of {
        uint64_t generation;
        struct buf text;
};

static int
take_header(void *userdata, const struct baseline_row *row)
{
        struct header_of *header = userdata;
        return row->generation == header->generation ? buf_text(&header->text, row->header) : 0;
}

static int
get_header(struct call *call, const char *name, uint64_t generation)
{
        struct store *store = call->instance->store;
        _cleanup_buf_ struct buf approvals = {0};
        struct header_of header = {.generation = generation};
        int r = store_baseline_get(store, name, generation, NULL, NULL, NULL, &approvals, call->err);
        r = r ? r : store_baselines(store, name, take_header, &header, call->err);
        r = r ? call_failed(call, r) : call_say_pieces(call, "text", header.text.data, header.text.size);
        r = r ? r : call_say_pieces(call, "approvals", approvals.data, approvals.size);
        buf_done(&header.text);
        return r ? r : call_say(call, json_make("{s:b}", "done", true), false);
}

static int
say_text(void *userdata, const void *data, size_t size)
{
        return call_say_pieces(userdata, "text", data, size);
}

static int
get_baseline(struct call *call)
{
        const char *name = json_text(call->parameters, "name");
        _cleanup_free_ char *text = NULL;
        _cleanup_buf_ struct buf delta = {0}, approvals = {0};
        size_t size = 0;
        if (!name || !*name)
                name = "host";
        uint64_t generation = (uint64_t)json_number(call->parameters, "generation");
        if (json_flag(call->parameters, "header"))
                return get_header(call, name, generation);
        int r = store_baseline_get(
                call->instance->store, name, generation, &text, &size, &delta, &approvals, call->err);
        if (r) {
                if (r == STORE_NONE && call->err && !call->err->hint[0])
                        err_hint(call->err, r, "driftctl baseline list shows what there is");
                return call_failed(call, r);
        }
        r = delta.size ? delta_each(text, size, &delta, say_text, call, call->err)
                       : say_text(call, text, size);
        if (r == -EBADMSG)
                return call_failed(call, r);
        r = r ? r : call_say_pieces(call, "approvals", approvals.data, approvals.size);
        return r ? r : call_say(call, json_make("{s:b}", "done", true), false);
}

/* ---- the rest ---- */

static int
ack(struct call *call)
{
        const char *text = json_text(call->parameters, "item"),
                   *reason = json_text(call->parameters, "reason");
        _cleanup_free_ char *item = NULL;
        uint64_t count = 0;
        if (!text || !reason || !*reason) {
                err_set(call->err, EXIT_FAILED, "Ack needs an item and a reason");
                return EXIT_FAILED;
        }
        if (item_parse(text, &item, call->err) < 0)
                return EXIT_FAILED;
        int r = instance_ack(
                call->instance, (char *[]){item}, 1, call->peer->user, reason, &count, call->err);
        if (r < 0)
                return call_failed(call, r);
        if (!count) {
                err_set(call->err, EXIT_FAILED, "no drift is open for %.300s", item);
                err_hint(call->err, EXIT_FAILED, "driftctl diff lists what is open");
                return EXIT_FAILED;
        }
        return call_say(call, json_make("{s:I}", "acknowledged", (json_int)count), false);
}

static int
backup(struct call *call)
{
        const char *path = json_text(call->parameters, "path");
        struct stat st = {0};
        if (call->peer->uid != 0) {
                err_set(call->err, EXIT_FAILED, "a backup is for root");
                err_hint(call->err, EXIT_FAILED, "sudo driftctl backup FILE");
                return EXIT_FAILED;
        }
        if (!path || path[0] != '/') {
                err_set(call->err, EXIT_FAILED, "Backup needs an absolute path");
                return EXIT_FAILED;
        }
        int r = store_backup(call->instance->store, path, call->err);
        if (r)
                return call_failed(call, r);
        stat(path, &st);
        r = call_say(call, json_make("{s:I}", "bytes", (json_int)st.st_size), false);
        if (r == EXIT_FAILED) /* what failed leaves no file */
                unlink(path);
        return r;
}

static int
get_trust(struct call *call)
{
        struct instance *instance = call->instance;
        _cleanup_buf_ struct buf text = {0};
        uint64_t generation;
        struct digest id;
        char hex[DIGEST_HEX_SIZE];
        bool first_use;
        int r = store_trust_get(instance->store, &generation, &id, &text, &first_use, call->err);
        if (r == STORE_NONE) {
                err_set(call->err, EXIT_FAILED, "there is no trust file in force");
                err_hint(call->err, EXIT_FAILED,
                        "driftctl init --trust KEY.pub writes one; driftctl key generate --name YOU makes a "
                        "key");
                return EXIT_FAILED;
        }
        if (r)
                return call_failed(call, r);
        digest_hex(&id, hex);
        return call_say(call,
                json_make("{s:s, s:s, s:I, s:s, s:b}", "text", text.data, "id", hex, "generation",
                        (json_int)generation, "state", instance->trust_ok ? "trusted" : "untrusted",
                        "first_use", first_use),
                false);
}

/* Each file is announced, then its bytes follow. */
static int
say_trust(void *userdata, const struct trust_row *row)
{
        struct call *call = userdata;
        char hex[DIGEST_HEX_SIZE], time[CLOCK_TEXT_MAX];
        digest_hex(&row->id, hex);
        clock_format(row->time_ms, time);
        int r = call_say(call,
                json_make("{s:{s:I, s:s, s:s, s:b}, s:b}", "file", "generation", (json_int)row->generation,
                        "id", hex, "taken", time, "first_use", row->first_use, "done", false),
                true);
        r = r ? r : call_say_pieces(call, "text", row->text, row->size);
        return r ? r : call_say_pieces(call, "approval", row->approval, row->approval_size);
}

static int
get_trust_chain(struct call *call)
{
        int r = store_trusts(call->instance->store, say_trust, call, call->err);
        if (r)
                return r == -1 || r == EXIT_FAILED ? r : call_failed(call, r);
        return call_say(call, json_make("{s:b}", "done", true), false);
}

/* ---- calling ---- */

static int
run_job(struct call *call, const char *method)
{
        _cleanup_(service_job_freep) struct service_job *job = NULL;
        int r = service_job_new(
                call->instance, call->peer, call->session, method, call->parameters, &job, call->err);
        if (r)
                return r;
        service_job_run(job);
        return service_job_finish(job, call->reply, call->userdata, call->err);
}

static const struct method {
        const char *name;
        int (*function)(struct call *call); /* NULL: a job */
        unsigned traits;
} methods[] = {
        {"GetStatus", get_status, 0},
        {"Diff", diff, SERVICE_LOOKS | SERVICE_STREAMS},
        {"Scan", scan, SERVICE_LOOKS},
        {"Compare", NULL, SERVICE_JOB | SERVICE_STREAMS},
        {"Show", NULL, SERVICE_JOB},
        {"Log", show_log, SERVICE_SLICES | SERVICE_STREAMS},
        {"Propose", NULL, SERVICE_JOB | SERVICE_STREAMS | SERVICE_NAMES_CALLER},
        {"Upload", upload, 0},
        {"Apply", NULL, SERVICE_JOB | SERVICE_NAMES_CALLER},
        {"ListBaselines", list_baselines, 0},
        {"GetBaseline", get_baseline, SERVICE_STREAMS},
        {"Ack", ack, SERVICE_NAMES_CALLER},
        {"Verify", verify, SERVICE_SLICES},
        {"Checkpoint", checkpoint, SERVICE_SLICES},
        {"Evidence", evidence, SERVICE_SLICES},
        {"GetTrustChain", get_trust_chain, SERVICE_STREAMS},
        {"Coverage", coverage, SERVICE_SLICES},
        {"Backup", backup, 0},
        {"GetTrust", get_trust, 0},
        {"OpenWindow", call_open_window, SERVICE_NAMES_CALLER},
        {"CloseWindow", call_close_window, SERVICE_LOOKS | SERVICE_STREAMS | SERVICE_NAMES_CALLER},
        {"ShowWindow", call_show_window, SERVICE_LOOKS | SERVICE_STREAMS},
        {"CompareExpected", call_compare_expected, SERVICE_LOOKS | SERVICE_STREAMS},
        {"ListWindows", call_list_windows, 0},
};

static const struct method *
find_method(const char *name)
{
        for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
                if (strcmp(methods[i].name, name) == 0)
                        return &methods[i];
        return NULL;
}

bool
service_knows(const char *method)
{
        return find_method(method) != NULL;
}

unsigned
service_traits(const char *method)
{
        const struct method *found = find_method(method);
        return found ? found->traits : 0;
}

/* Who asked, as it is recorded. */
static struct json *
asked_json(const struct service_peer *peer)
{
        struct json *groups = json_array_make();
        for (size_t i = 0; groups && i < peer->n_groups; i++)
                json_push(groups, json_make("I", (json_int)peer->groups[i]));
        struct json *asked = json_make("{s:s, s:I, s:I, s:o}", "user", peer->user, "uid", (json_int)peer->uid,
                "pid", (json_int)peer->pid, "groups", groups);
        if (asked && peer->groups_cut)
                json_put(asked, "groups_cut", json_make("b", 1));
        return asked;
}

int
service_apply(struct instance *instance, const struct service_peer *peer,
        const struct service_applying *applying, service_reply reply, void *userdata, struct err *err)
{
        struct call call = {instance, peer, NULL, NULL, reply, userdata, err};
        _cleanup_json_ struct json *asked = asked_json(peer);
        instance->asked = asked;
        int r = apply(&call, applying);
        instance->asked = NULL;
        return r;
}

int
service_call(struct instance *instance, const struct service_peer *peer, struct service_session *session,
        const char *method, const struct json *parameters, service_reply reply, void *userdata,
        struct err *err)
{
        struct call call = {instance, peer, session, parameters, reply, userdata, err};
        instance_await_trust(instance);
        instance_windows_look(instance);
        const struct method *found = find_method(method);
        if (!found) {
                err_set(err, EXIT_FAILED, "there is no method %.80s", method);
                return EXIT_FAILED;
        }
        if (!found->function)
                return run_job(&call, method);
        _cleanup_json_ struct json *asked = found->traits & SERVICE_NAMES_CALLER ? asked_json(peer) : NULL;
        instance->asked = asked;
        int r = found->function(&call);
        instance->asked = NULL;
        return r;
}
