/* SPDX-License-Identifier: MIT */
/*
 * The methods that look at files. A job owns or holds all that its running needs (the baselines by reference,
 * copies of the rest), so that the instance can go on, and even take other baselines, while it runs.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/audit.h"
#include "core/baseline_delta.h"
#include "core/clock.h"
#include "core/document.h"
#include "core/escape.h"
#include "core/instance_internal.h"
#include "core/item.h"
#include "core/probe.h"
#include "core/proposal.h"
#include "core/service.h"

enum job_kind { JOB_PROPOSE, JOB_COMPARE, JOB_SHOW, JOB_APPLY };

struct service_job {
        enum job_kind kind;
        struct instance *instance; /* for preparing and finishing only */
        struct err err;
        int result;
        atomic_bool cancel;
        atomic_ullong files, bytes;
        struct text_list items;
        struct standings *held;
        /* propose */
        struct proposal_request request;
        struct scope *scopes;
        size_t n_scopes;
        char *name, *author, *ticket;
        char host[HOST_ID_MAX];
        char *never[2];
        struct waiver *waivers;
        size_t n_waivers;
        struct json *parameters; /* keeps the waivers' strings */
        struct text_list words;  /* escaped copies for the waivers */
        struct buf text;
        struct inode_id own[4];
        /* compare */
        struct audit_request audit;
        struct buf approvals;
        struct trust *trust;
        struct json *document;
        /* show */
        char *item, *path;
        struct snapshot_wish wish;
        struct snapshot snapshot;
        struct scope probe; /* of a setting: how its domain is looked at */
        struct probe_reading reading;
        int64_t looked_ms;
        /* apply */
        struct service_session uploaded; /* baseline or delta: until it is opened */
        struct service_applying applying;
        struct service_peer peer;
        bool look_first; /* whether what it changes is live */
        char *shelf;
};

struct service_job *
service_job_free(struct service_job *job)
{
        if (!job)
                return NULL;
        text_list_done(&job->items);
        text_list_done(&job->words);
        judge_release(job->held);
        scopes_free(job->scopes, job->n_scopes);
        free(job->name);
        free(job->author);
        free(job->ticket);
        free(job->never[0]);
        free(job->never[1]);
        free(job->waivers);
        json_free(job->parameters);
        buf_done(&job->text);
        baseline_free(job->audit.baseline);
        buf_done(&job->approvals);
        trust_free(job->trust);
        json_free(job->document);
        free(job->item);
        free(job->path);
        scope_done(&job->probe);
        probe_reading_done(&job->reading);
        snapshot_done(&job->snapshot);
        service_session_done(&job->uploaded);
        baseline_free(job->applying.baseline);
        buf_done(&job->applying.approvals);
        buf_done(&job->applying.moved);
        file_draft_free(job->applying.draft);
        free(job->shelf);
        free(job);
        return NULL;
}

static int
fail(struct err *err, const char *text, const char *hint)
{
        err_set(err, EXIT_FAILED, "%s", text);
        return err_hint(err, EXIT_FAILED, "%s", hint);
}

/* ---- propose ---- */

static int
add_word(struct service_job *job, const char *text, const char **ret)
{
        _cleanup_free_ char *escaped = escape_new(text, strlen(text));
        if (!escaped || text_list_add(&job->words, escaped, strlen(escaped)) < 0)
                return -ENOMEM;
        *ret = job->words.items[job->words.count - 1];
        return 0;
}

static int
take_waiver(struct service_job *job, const struct json *value, struct waiver *ret, struct err *err)
{
        const char *item = json_text(value, "item"), *reason = json_text(value, "reason");
        const char *baseline = json_text(value, "baseline");
        _cleanup_free_ char *parsed = NULL;
        if (!item || !reason || !*reason)
                return fail(err, "a waiver needs an item and a reason",
                        "driftctl waive ITEM --until T --reason R");
        if (item_parse(item, &parsed, err) < 0)
                return EXIT_FAILED;
        ret->baseline = baseline && *baseline ? baseline : "host";
        if (!name_is_valid(ret->baseline, strlen(ret->baseline)))
                return fail(err, "a waiver names a baseline", "letters, digits, '.', '_' and '-'");
        ret->until_ms = json_number(value, "until_ms") / 1000 * 1000;
        if (ret->until_ms <= clock_now_ms())
                return fail(err, "a waiver ends in the future", "--until +30d, or a date to come");
        ret->by = job->author;
        if (text_list_add(&job->words, parsed, strlen(parsed)) < 0 ||
                add_word(job, reason, &ret->reason) < 0) {
                err_oom(err);
                return EXIT_FAILED;
        }
        ret->item = job->words.items[job->words.count - 2];
        return 0;
}

static int
take_waivers(struct service_job *job, struct err *err)
{
        const struct json *list = json_member(job->parameters, "waivers");
        job->waivers = calloc(json_length(list) + 1, sizeof *job->waivers);
        if (!job->waivers) {
                err_oom(err);
                return EXIT_FAILED;
        }
        json_each (list, i, value) {
                int r = take_waiver(job, value, &job->waivers[i], err);
                if (r)
                        return r;
                job->n_waivers++;
        }
        return 0;
}

static int
take_class(const struct json *parameters, enum baseline_class *ret, struct err *err)
{
        const char *class = json_text(parameters, "class");
        int index =
                class && *class ? name_index(class_names, CLASS_COUNT, class, strlen(class)) : CLASS_NORMAL;
        if (index < 0)
                return fail(err, "the class is not one of ours", "standard, normal or urgent");
        *ret = (enum baseline_class)index;
        return 0;
}

/* The newest generation known, so that a name whose store was emptied goes on above its mark. */
static int
set_parent(struct instance *instance, struct service_job *job)
{
        job->held = judge_hold(instance->judge);
        job->request.parent = judge_held(job->held, job->name);
        job->request.generation =
                job->request.parent ? baseline_header(job->request.parent)->generation + 1 : 1;
        return 0;
}

static int
take_names(struct service_job *job, const struct service_peer *peer, struct err *err)
{
        const char *name = json_text(job->parameters, "name"), *author = json_text(job->parameters, "author");
        const char *ticket = json_text(job->parameters, "ticket");
        job->name = strdup(name && *name ? name : "host");
        job->author = strdup(author && *author ? author : peer->user);
        job->ticket = ticket && *ticket ? escape_new(ticket, strlen(ticket)) : NULL;
        if (!job->name || !job->author || (ticket && *ticket && !job->ticket)) {
                err_oom(err);
                return EXIT_FAILED;
        }
        if (!name_is_valid(job->name, strlen(job->name)) || !name_is_valid(job->author, strlen(job->author)))
                return fail(err, "a baseline and its author are named by letters, digits, '.', '_' and '-'",
                        "at most 63 of them");
        if (job->ticket && strcmp(job->ticket, "none") == 0) {
                free(job->ticket);
                job->ticket = NULL;
        }
        return 0;
}

/* The caller holds a generation: if it is the parent, what differs is enough. */
static int
take_from(struct service_job *job, struct err *err)
{
        const char *text = json_text(job->parameters, "from");
        struct digest from;
        if (!text || !*text)
                return 0;
        if (digest_parse(text, strlen(text), &from) < 0)
                return fail(
                        err, "from is the id of a generation", "64 hex digits, as ListBaselines gives them");
        const struct baseline *parent = job->request.parent;
        job->request.delta = parent && digest_equal(&from, baseline_id(parent));
        return 0;
}

static int
prepare_propose(
        struct instance *instance, const struct service_peer *peer, struct service_job *job, struct err *err)
{
        int r = take_names(job, peer, err);
        r = r ? r : take_class(job->parameters, &job->request.class, err);
        r = r ? r : take_waivers(job, err);
        if (r)
                return r;
        if (config_scopes_resolved(instance->config, &job->scopes, &job->n_scopes, err) < 0)
                return EXIT_FAILED;
        set_parent(instance, job);
        bool retire = json_flag(job->parameters, "retire");
        if ((retire || job->n_waivers) && !job->request.parent)
                return fail(err, "there is no active baseline of that name", "driftctl baseline list");
        job->never[0] = realpath(instance->config->state_dir, NULL);
        job->never[1] = realpath(instance->config->runtime_dir, NULL);
        memcpy(job->host, instance->host, sizeof job->host);
        memcpy(job->own, instance->own, sizeof job->own);
        if (take_from(job, err))
                return EXIT_FAILED;
        job->request.name = job->name;
        job->request.host = job->host;
        job->request.scopes = job->scopes;
        job->request.n_scopes = job->n_scopes;
        job->request.never = (const char *const *)job->never;
        job->request.n_never = job->never[0] ? (job->never[1] ? 2 : 1) : 0;
        job->request.items = job->items.items;
        job->request.n_items = job->items.count;
        job->request.waivers = job->waivers;
        job->request.n_waivers = job->n_waivers;
        job->request.retire = retire;
        job->request.author = job->author;
        job->request.ticket = job->ticket;
        job->request.now_ms = clock_now_ms() / 1000 * 1000;
        job->request.expires_ms = json_number(job->parameters, "expires_ms") / 1000 * 1000;
        job->request.workers = instance->config->workers;
        job->request.own = job->own;
        job->request.n_own = instance->n_own;
        if (job->request.expires_ms && job->request.expires_ms <= job->request.now_ms)
                return fail(err, "a baseline expires in the future", "--expires +90d, or a date to come");
        return 0;
}

/* ---- compare ---- */

/* The trust file in force, where there is one: the instance's own may be another one before the job is over.
 */
static void
take_trust(const struct instance *instance, struct service_job *job)
{
        _cleanup_buf_ struct buf text = {0};
        if (store_trust_get(instance->store, NULL, NULL, &text, NULL, NULL) == 0)
                trust_parse("the trust file", text.data, text.size, &job->trust, NULL);
}

static int
prepare_compare(
        struct instance *instance, struct service_session *session, struct service_job *job, struct err *err)
{
        const char *name = json_text(job->parameters, "name");
        uint64_t generation = (uint64_t)json_number(job->parameters, "generation");
        int r;
        if (name && *name) {
                r = instance_open_stored(
                        instance, name, generation, &job->audit.baseline, &job->approvals, err);
        } else {
                size_t size = session->baseline.size;
                char *text = buf_steal(&session->baseline);
                job->approvals = session->approvals;
                session->approvals = (struct buf){0};
                r = text ? baseline_open(text, size, &job->audit.baseline, err) : -ENOMEM;
        }
        if (r)
                return EXIT_FAILED;
        take_trust(instance, job);
        memcpy(job->host, instance->host, sizeof job->host);
        memcpy(job->own, instance->own, sizeof job->own);
        job->audit.root = "";
        job->audit.trust = job->trust;
        job->audit.approvals = job->approvals.data;
        job->audit.approvals_size = job->approvals.size;
        job->audit.host = job->host;
        job->audit.items = job->items.items;
        job->audit.n_items = job->items.count;
        job->audit.workers = instance->config->workers;
        job->audit.own = job->own;
        job->audit.n_own = instance->n_own;
        return 0;
}

/* ---- show ---- */

/* As the first baseline that has the domain looks at it, else as the configuration would. */
static int
prepare_show_setting(struct instance *instance, struct service_job *job, struct err *err)
{
        size_t size = strcspn(job->item, ":["), n;
        int domain = name_index(scope_domain_names, SCOPE_DOMAIN_COUNT, job->item, size);
        const struct scope *scope = NULL;
        for (size_t i = 0; !scope && i < judge_baselines(instance->judge); i++) {
                const struct scope *scopes = baseline_scopes(judge_baseline(instance->judge, i), &n);
                scope = scope_of_domain(scopes, n, (enum scope_domain)domain);
        }
        if (!scope)
                scope = scope_of_domain(
                        instance->config->scopes, instance->config->n_scopes, (enum scope_domain)domain);
        if (!scope)
                return fail(err, "nothing says how to look at this setting",
                        "enabled = yes in its section of the configuration");
        if (scope_copy(scope, &job->probe) < 0) {
                err_oom(err);
                return EXIT_FAILED;
        }
        return 0;
}

static int
prepare_show(struct instance *instance, struct service_job *job, struct err *err)
{
        const char *text = json_text(job->parameters, "item");
        if (!text)
                return fail(err, "Show needs an item", "an item's text, or an absolute path");
        if (item_parse(text, &job->item, err) < 0)
                return EXIT_FAILED;
        if (strncmp(job->item, "file:", 5) != 0)
                return prepare_show_setting(instance, job, err);
        if (unescape_new(job->item + 5, &job->path) < 0)
                return fail(err, "the item's path is not in its escaped form", "as driftctl diff prints it");
        memcpy(job->own, instance->own, sizeof job->own);
        /* As it is judged (of a growing file a prefix), and with all its content where nobody judges it. */
        if (judge_wish(instance->judge, job->path, &job->wish) < 0) {
                err_oom(err);
                return EXIT_FAILED;
        }
        job->wish.content = job->wish.body = true;
        job->wish.own = job->own;
        job->wish.n_own = instance->n_own;
        job->wish.cancel = &job->cancel;
        return 0;
}

static void
run_show_setting(struct service_job *job)
{
        _cleanup_free_ char *helpers = probe_helpers();
        struct probe_request request = {.scope = &job->probe,
                .items = &job->item,
                .n_items = 1,
                .helpers = helpers,
                .cancel = &job->cancel};
        job->looked_ms = clock_now_ms();
        job->result = helpers ? probe_read(&request, &job->reading, &job->err) : err_oom(&job->err);
}

static void
run_show(struct service_job *job)
{
        if (!job->path) {
                run_show_setting(job);
                return;
        }
        _cleanup_mount_table_ struct mount_table mounts = {0};
        (void)mount_table_now(&mounts); /* without it, as far as the path leads */
        job->result = judge_look(
                job->instance->judge, NULL, &mounts, job->path, &job->wish, &job->snapshot, &job->err);
}

static int
reply_show(struct service_job *job, service_reply reply, void *userdata, struct err *err)
{
        struct json *document = NULL;
        struct settings_look look = {
                .scope = &job->probe,
                .reading = job->result == 0 ? &job->reading : NULL,
                .failed = job->err.text,
                .now_ms = job->looked_ms,
                .unobserved = job->instance->offline,
        };
        if (!job->path) {
                if (document_show_setting(job->instance, job->item, &look, &document, err) < 0)
                        return EXIT_FAILED;
        } else if (document_show(job->instance, job->item, job->result, &job->snapshot, &document, err) < 0)
                return EXIT_FAILED;
        return reply(userdata, json_make("{s:o}", "show", document), false) ? -1 : 0;
}

/* ---- apply ---- */

static int
prepare_apply(struct instance *instance, const struct service_peer *peer, struct service_session *session,
        struct service_job *job)
{
        job->uploaded = *session;
        *session = (struct service_session){0};
        job->applying.approvals = job->uploaded.approvals;
        job->uploaded.approvals = (struct buf){0};
        job->peer = *peer;
        job->look_first = !json_flag(job->parameters, "ahead");
        job->shelf = config_shelf(instance->config);
        take_trust(instance, job);
        job->held = judge_hold(instance->judge);
        memcpy(job->host, instance->host, sizeof job->host);
        memcpy(job->own, instance->own, sizeof job->own);
        job->request.n_own = instance->n_own;
        job->request.workers = instance->config->workers;
        return 0;
}

/*
 * Whether a generation binds what is live here: one that was proposed for this very host, from what is in
 * force. One for any host says what should be, wherever it is. Any other is refused anyway, with better
 * words.
 */
static bool
binds_live(const struct service_job *job, const struct baseline *next, const struct baseline *parent)
{
        const struct baseline_header *header = baseline_header(next);
        if (strcmp(header->host, job->host) != 0)
                return false;
        if (!parent)
                return header->generation == 1;
        return header->has_parent && digest_equal(&header->parent, baseline_id(parent));
}

/* Of which nearly all lines may be what was uploaded; NULL: none. A guess, which is for speed alone. */
static const struct baseline *
likely_parent(const struct service_job *job, const struct buf *text)
{
        const struct baseline *held;
        for (size_t i = 0; (held = judge_held_at(job->held, i)); i++) {
                char start[NAME_MAX_SIZE + 32];
                int size = snprintf(
                        start, sizeof start, "driftd-baseline 1\nname %s\n", baseline_header(held)->name);
                if (text->size > (size_t)size && memcmp(text->data, start, (size_t)size) == 0)
                        return held;
        }
        return NULL;
}

static int
open_text(struct service_job *job, struct buf *text, struct baseline **ret, struct err *err)
{
        const struct baseline *parent = likely_parent(job, text);
        size_t size = text->size;
        return baseline_open_after(parent, buf_steal(text), size, NULL, ret, err);
}

/* A delta is from what is in force, or from nothing that we would go on from. */
static int
open_delta(struct service_job *job, const struct buf *delta, struct baseline **ret, struct err *err)
{
        const struct baseline *held;
        struct digest from;
        int r = delta_from(delta->data, delta->size, &from, err);
        for (size_t i = 0; r == 0 && (held = judge_held_at(job->held, i)); i++)
                if (digest_equal(&from, baseline_id(held)))
                        return delta_open(held, delta->data, delta->size, ret, err);
        return r ? r
                 : err_set(err, DELTA_FROM_ANOTHER,
                           "another generation was applied meanwhile: this one was made from what is in "
                           "force "
                           "no more");
}

/* 0 with nothing opened: nothing was uploaded. */
static int
open_uploaded(struct service_job *job)
{
        struct service_applying *applying = &job->applying;
        struct service_session *uploaded = &job->uploaded;
        int r = 0;
        if (uploaded->delta.size)
                r = open_delta(job, &uploaded->delta, &applying->baseline, &applying->why);
        else if (uploaded->baseline.size)
                r = open_text(job, &uploaded->baseline, &applying->baseline, &applying->why);
        if (r == 0 && applying->baseline)
                baseline_id(applying->baseline); /* hashed here, and not where the socket waits */
        service_session_done(uploaded);
        *uploaded = (struct service_session){0};
        applying->result = r;
        return r;
}

static bool
is_approved(const struct service_job *job, const struct baseline *next)
{
        const struct baseline_header *header = baseline_header(next);
        const struct buf *approvals = &job->applying.approvals;
        _cleanup_free_ struct trust_verdict *verdict = calloc(1, sizeof *verdict);
        return verdict && job->trust &&
               trust_judge_baseline(job->trust, baseline_id(next), header->name, header->host,
                       header->generation, header->author, header->class == CLASS_URGENT,
                       approvals->data ? approvals->data : "", approvals->size, verdict, NULL) == 0;
}

/* By the hundred megabytes: what will probably be applied is written here, and not where the socket waits.
 * All that is judged here is judged there again; where this fails, it is done and told there. */
static void
write_draft(struct service_job *job, const struct baseline *next)
{
        if (!job->result && !job->applying.moved.size && job->shelf && is_approved(job, next))
                shelf_draft(job->shelf, next, &job->applying.draft, NULL);
}

/* A text that is none is told at the end, where it is recorded; what keeps us from looking is not passed
 * over. */
static void
run_apply(struct service_job *job)
{
        int r = open_uploaded(job);
        const struct baseline *next = job->applying.baseline;
        if (r < 0)
                job->result = err_set(
                        &job->err, r, "what it changes could not be looked at: %s", strerrordesc_np(-r));
        if (r || !next)
                return;
        struct live_request request = {
                .parent = judge_held(job->held, baseline_header(next)->name),
                .workers = job->request.workers,
                .own = job->own,
                .n_own = job->request.n_own,
                .files = &job->files,
                .bytes = &job->bytes,
                .cancel = &job->cancel,
        };
        if (!binds_live(job, next, request.parent))
                return;
        if (job->look_first)
                job->result = live_check(&request, baseline_keep(next), &job->applying.moved, &job->err);
        write_draft(job, next);
}

static int
finish_apply(struct service_job *job, service_reply reply, void *userdata, struct err *err)
{
        return service_apply(job->instance, &job->peer, &job->applying, reply, userdata, err);
}

/* ---- the life of a job ---- */

static const struct {
        const char *method;
        enum job_kind kind;
} jobs[] = {{"Propose", JOB_PROPOSE}, {"Compare", JOB_COMPARE}, {"Show", JOB_SHOW}, {"Apply", JOB_APPLY}};

static int
prepare(struct instance *instance, const struct service_peer *peer, struct service_session *session,
        struct service_job *job, struct err *err)
{
        switch (job->kind) {
        case JOB_COMPARE:
                return prepare_compare(instance, session, job, err);
        case JOB_SHOW:
                return prepare_show(instance, job, err);
        case JOB_APPLY:
                return prepare_apply(instance, peer, session, job);
        default:
                return prepare_propose(instance, peer, job, err);
        }
}

int
service_job_new(struct instance *instance, const struct service_peer *peer, struct service_session *session,
        const char *method, const struct json *parameters, struct service_job **ret, struct err *err)
{
        _cleanup_(service_job_freep) struct service_job *job = calloc(1, sizeof *job);
        if (!job) {
                err_oom(err);
                return EXIT_FAILED;
        }
        for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
                if (strcmp(jobs[i].method, method) == 0)
                        job->kind = jobs[i].kind;
        job->instance = instance;
        job->parameters = json_keep((struct json *)(uintptr_t)parameters);
        if (service_items(parameters, &job->items, err) < 0)
                return EXIT_FAILED;
        int r = prepare(instance, peer, session, job, err);
        if (r)
                return r;
        job->request.files = job->audit.files = &job->files;
        job->request.bytes = job->audit.bytes = &job->bytes;
        job->request.cancel = job->audit.cancel = &job->cancel;
        *ret = steal_pointer(&job);
        return 0;
}

void
service_job_run(struct service_job *job)
{
        if (job->kind == JOB_PROPOSE) {
                job->result = proposal_make(&job->request, &job->text, &job->err);
                return;
        }
        if (job->kind == JOB_SHOW) {
                run_show(job);
                return;
        }
        if (job->kind == JOB_APPLY) {
                run_apply(job);
                return;
        }
        struct audit_request request = job->audit;
        job->audit.baseline = NULL; /* taken over */
        job->result = audit_run(&request, &job->document, &job->err);
}

void
service_job_cancel(struct service_job *job)
{
        atomic_store(&job->cancel, true);
}

bool
service_job_progresses(const struct service_job *job)
{
        return job->kind == JOB_PROPOSE || job->kind == JOB_COMPARE;
}

void
service_job_progress(const struct service_job *job, uint64_t *ret_files, uint64_t *ret_bytes)
{
        *ret_files = atomic_load(&job->files);
        *ret_bytes = atomic_load(&job->bytes);
}

static int
reply_text(const struct service_job *job, service_reply reply, void *userdata)
{
        for (size_t at = 0; at < job->text.size; at += SERVICE_CHUNK_MAX) {
                size_t size = min_size(SERVICE_CHUNK_MAX, job->text.size - at);
                _cleanup_free_ char *piece = strndup(job->text.data + at, size);
                struct json *value = piece ? json_make("{s:s, s:b}", "text", piece, "done", false) : NULL;
                if (!value || reply(userdata, value, true))
                        return -1;
        }
        struct json *end = json_make("{s:b, s:b}", "delta", job->request.delta, "done", true);
        return !end || reply(userdata, end, false) ? -1 : 0;
}

static int
reply_document(struct service_job *job, service_reply reply, void *userdata)
{
        const struct json *drifts = json_member(job->document, "drifts");
        struct json *batch = NULL;
        int r = 0;
        json_each (drifts, i, drift) {
                batch = batch ? batch : json_array_make();
                if (json_push(batch, json_keep((struct json *)(uintptr_t)drift)) < 0)
                        r = -ENOMEM;
                bool full = json_length(batch) == 256 || i + 1 == json_length(drifts);
                if (r == 0 && full)
                        r = reply(userdata, json_make("{s:o}", "drifts", steal_pointer(&batch)), true);
        }
        json_free(batch);
        if (r == 0)
                r = json_put(job->document, "drifts", json_array_make());
        if (r == 0)
                r = reply(userdata, json_make("{s:o}", "document", steal_pointer(&job->document)), false);
        return r ? -1 : 0;
}

int
service_job_finish(struct service_job *job, service_reply reply, void *userdata, struct err *err)
{
        if (job->kind == JOB_SHOW && job->result >= 0)
                return reply_show(job, reply, userdata, err);
        if (job->result) {
                if (err)
                        *err = job->err;
                return EXIT_FAILED;
        }
        if (job->kind == JOB_APPLY)
                return finish_apply(job, reply, userdata, err);
        return job->kind == JOB_COMPARE ? reply_document(job, reply, userdata)
                                        : reply_text(job, reply, userdata);
}
