/* SPDX-License-Identifier: MIT */
/*
 * What an instance takes as signed: the trust file in force and its succession, the active baselines as
 * they are verified at each loading, the high-water marks, and the rules for applying. Everything that is
 * refused leaves the active baselines as they were, and a record of the refusal.
 */
#include "core/instance_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/file.h"

/* ---- trust ---- */

static int
record_trust(struct instance *instance, const struct trust *trust, const char *state, const char *reason)
{
        char id[DIGEST_HEX_SIZE];
        digest_hex(trust_id(trust), id);
        struct json *detail = json_make(
                "{s:s, s:I, s:s}", "id", id, "generation", (json_int)trust_generation(trust), "state", state);
        if (detail && reason && json_put(detail, "reason", json_string_new(reason)) < 0)
                detail = json_free(detail);
        return instance_record(instance, "trust", NULL, detail);
}

struct taking {
        struct instance *instance;
        const struct trust *trust;
        bool first_use;
        const struct buf *text, *approval;
};

static int
put_trust(void *userdata, struct err *err)
{
        struct taking *taking = userdata;
        return store_trust_put(taking->instance->store, trust_generation(taking->trust),
                trust_id(taking->trust), clock_now_ms(), taking->first_use, taking->text->data,
                taking->text->size, taking->approval->data, taking->approval->size, err);
}

/* Makes a trust file the one in force. Takes it over. */
static int
take_trust(struct instance *instance, struct trust *trust, bool first_use, const struct buf *text,
        const struct buf *approval, struct err *err)
{
        struct taking taking = {instance, trust, first_use, text, approval};
        instance_flush_end(instance, true);
        instance_value(instance, "trust_refused", NULL);
        if (record_trust(instance, trust, first_use ? "first_use" : "succeeded", NULL) < 0) {
                trust_free(trust);
                return err_oom(err);
        }
        int r = instance_flush_with(instance, put_trust, &taking, err);
        if (r) {
                instance_unrecord(instance);
                trust_free(trust);
                return r;
        }
        trust_free(instance->trust);
        instance->trust = trust;
        instance->trust_first_use = first_use;
        instance->trust_ok = true;
        instance->trust_why[0] = '\0';
        /* What is lost here is raised at the next loading. */
        marks_raise(instance, MARK_TRUST, trust_generation(trust), trust_id(trust), NULL);
        return 0;
}

static void
distrust(struct instance *instance, const char *why)
{
        instance->trust_ok = false;
        snprintf(instance->trust_why, sizeof instance->trust_why, "%s", why);
}

/* The trust file that the store has in force; none on first use. */
static int
load_stored_trust(struct instance *instance, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        struct digest id;
        uint64_t generation;
        if (instance->trust)
                return 0;
        int r = store_trust_get(instance->store, &generation, &id, &text, &instance->trust_first_use, err);
        if (r == STORE_NONE)
                return 0;
        if (r)
                return r;
        r = trust_parse("the stored trust file", text.data, text.size, &instance->trust, err);
        if (r == -ENOMEM)
                return r;
        if (r == 0 && digest_equal(trust_id(instance->trust), &id))
                return 0;
        instance->store_damaged = true;
        err_set(err, INSTANCE_REFUSED,
                "the store is damaged: its trust file is not the one that was recorded");
        return err_hint(err, INSTANCE_REFUSED, STORE_DAMAGED_HINT);
}

/*
 * The file on disk is not the one in force: `which` it is, in words or by its id, is told once, until the one
 * in force stands there again.
 */
static void
refuse_trust(struct instance *instance, const struct trust *about, const char *which, const char *state,
        const char *why)
{
        _cleanup_free_ char *told = NULL;
        distrust(instance, why);
        store_value_get(instance->store, "trust_refused", &told, NULL);
        if (told && strcmp(told, which) == 0)
                return;
        record_trust(instance, about, state, why);
        instance_value(instance, "trust_refused", which);
}

static void
trust_again(struct instance *instance)
{
        _cleanup_free_ char *told = NULL;
        instance->trust_ok = true;
        instance->trust_why[0] = '\0';
        if (store_value_get(instance->store, "trust_refused", &told, NULL) != 0 || !told)
                return;
        record_trust(instance, instance->trust, "restored", NULL);
        instance_value(instance, "trust_refused", NULL);
}

/* The file on disk is another one: taken if the old one's approvers signed it, refused with a record
 * otherwise. */
static int
succeed_trust(struct instance *instance, struct trust *next, const struct buf *text, struct err *err)
{
        _cleanup_free_ char *path = NULL;
        _cleanup_buf_ struct buf approval = {0};
        struct err why = {0};
        char id[DIGEST_HEX_SIZE];
        if (asprintf(&path, "%s.approval", instance->config->trust) < 0) {
                trust_free(next);
                return err_oom(err);
        }
        int r = file_read(path, 0, APPROVAL_FILE_MAX, &approval, &why);
        if (r == 0)
                r = trust_judge_successor(instance->trust, next, approval.data, approval.size, &why);
        if (r == 0)
                return take_trust(instance, next, false, text, &approval, err);
        digest_hex(trust_id(next), id);
        refuse_trust(instance, next, id, "refused", why.text);
        trust_free(next);
        return 0;
}

/* An empty store takes a trust file on first use; but not another one than was in force here before. */
static bool
first_use_allowed(const struct instance *instance, const struct trust *trust)
{
        _cleanup_(marks_done) struct marks marks = {0};
        if (marks_read(instance, &marks, NULL) < 0)
                return true;
        const struct mark *mark = mark_named(&marks, MARK_TRUST);
        return !mark || digest_equal(&mark->id, trust_id(trust));
}

int
instance_load_trust(struct instance *instance, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        struct buf none = {0};
        struct trust *trust = NULL;
        struct err why = {0};
        int r = load_stored_trust(instance, err);
        if (r)
                return r;
        r = file_read(instance->config->trust, FILE_FOLLOW, TRUST_FILE_MAX, &text, &why);
        r = r ? r : trust_parse(instance->config->trust, text.data, text.size, &trust, &why);
        if (r == -ENOMEM)
                return err_oom(err);
        if (r) {
                if (instance->trust)
                        refuse_trust(instance, instance->trust, why.text, "unreadable", why.text);
                else
                        distrust(instance, why.text);
                return 0;
        }
        if (!instance->trust && !first_use_allowed(instance, trust)) {
                trust_free(trust);
                return 0; /* the marks say why, whenever baselines are loaded */
        }
        if (!instance->trust)
                return take_trust(instance, trust, true, &text, &none, err);
        if (!digest_equal(trust_id(trust), trust_id(instance->trust)))
                return succeed_trust(instance, trust, &text, err);
        trust_free(trust);
        trust_again(instance);
        return 0;
}

/* ---- loading what is active ---- */

struct loading {
        struct instance *instance;
        struct marks in_store; /* the newest generation of each name */
        struct marks before;   /* the one before it, where there is one */
        struct marks active;   /* in force */
        /* Where a candidate is given, what the rows say of it. */
        const struct baseline *candidate;
        bool was_applied;  /* it was in force before: to apply it again is a replay */
        bool has_siblings; /* its parent was in force here, whatever followed on it */
};

static void
note_candidate(struct loading *loading, const struct baseline_row *row)
{
        const struct baseline_header *header = baseline_header(loading->candidate);
        loading->was_applied |= digest_equal(&row->id, baseline_id(loading->candidate));
        loading->has_siblings |= header->generation == 1 ? row->generation == 1
                                                         : row->generation == header->generation - 1 &&
                                                                   digest_equal(&row->id, &header->parent);
}

/* Rows come by name, and then by generation. */
static int
note_row(void *userdata, const struct baseline_row *row)
{
        struct loading *loading = userdata;
        const struct mark *newest = mark_named(&loading->in_store, row->name);
        if ((newest && mark_raise(&loading->before, row->name, newest->generation, &newest->id) < 0) ||
                mark_raise(&loading->in_store, row->name, row->generation, &row->id) < 0 ||
                (row->active && mark_raise(&loading->active, row->name, row->generation, &row->id) < 0))
                return -ENOMEM;
        if (loading->candidate)
                note_candidate(loading, row);
        return 0;
}

static void
loading_done(struct loading *loading)
{
        marks_done(&loading->in_store);
        marks_done(&loading->before);
        marks_done(&loading->active);
}

static void
report_broken(struct instance *instance, const char *what, const char *why)
{
        snprintf(instance->broken_why, sizeof instance->broken_why, "%s: %.400s", what, why);
        instance_record(instance, "tamper", NULL, json_make("{s:s}", "what", instance->broken_why));
}

void
instance_drop_baseline_states(struct instance *instance, size_t n)
{
        for (size_t i = 0; instance->signers && i < n; i++)
                buf_done(&instance->signers[i]);
        free(instance->signers);
        free(instance->baseline_trusted);
        instance->signers = NULL;
        instance->baseline_trusted = NULL;
}

int
instance_judge_approvals(const struct instance *instance, const struct baseline *b,
        const struct buf *approvals, struct trust_verdict *verdict, struct err *err)
{
        const struct baseline_header *header = baseline_header(b);
        if (!instance->trust) {
                err_set(err, TRUST_NO_RULE, "there is no trust file yet");
                return err_hint(err, TRUST_NO_RULE,
                        "driftctl init --trust KEY.pub writes one; driftctl key generate --name YOU makes a "
                        "key");
        }
        return trust_judge_baseline(instance->trust, baseline_id(b), header->name, header->host,
                header->generation, header->author, header->class == CLASS_URGENT,
                approvals->data ? approvals->data : "", approvals->size, verdict, err);
}

int
trust_verdict_signers(const struct trust_verdict *verdict, struct buf *ret)
{
        int r = 0;
        for (size_t i = 0; i < verdict->n_signers && r == 0; i++)
                r = buf_printf(ret, "%s%s", i ? " " : "", verdict->signers[i]);
        return r;
}

/* For a store that is made again. It failing is no reason not to judge: it is told, and done at the next
 * loading. */
static void
keep_on_shelf(struct instance *instance, const struct baseline *b, const struct buf *approvals)
{
        struct err why = {0};
        bool just_put = b == instance->applied;
        if (shelf_keep(instance, b, approvals->data, approvals->size, just_put, &why) < 0)
                instance_record(instance, "storage", NULL,
                        json_make("{s:s, s:I}", "error", why.text, "records_dropped", (json_int)0));
}

int
instance_open_stored(struct instance *instance, const char *name, uint64_t generation, struct baseline **ret,
        struct buf *ret_approvals, struct err *err)
{
        _cleanup_buf_ struct buf delta = {0};
        _cleanup_(baseline_freep) struct baseline *base = NULL;
        char *text = NULL;
        size_t size = 0;
        int r = store_baseline_get(
                instance->store, name, generation, &text, &size, &delta, ret_approvals, err);
        if (r || !delta.size)
                return r ? r : baseline_open(text, size, ret, err);
        r = baseline_open(text, size, &base, err);
        return r ? r : delta_open(base, delta.data, delta.size, ret, err);
}

/* The active text as a baseline: from the store, or the one that was put there a moment ago, which was opened
 * and hashed whole before it was. 0, or what keeps it from being one, in *why. */
static int
open_active(struct instance *instance, const struct mark *active, struct baseline **ret,
        struct buf *approvals, struct err *why)
{
        const struct baseline *applied = instance->applied;
        if (!applied || strcmp(baseline_header(applied)->name, active->name) != 0 ||
                !digest_equal(baseline_id(applied), &active->id))
                return instance_open_stored(instance, active->name, 0, ret, approvals, why);
        int r = store_baseline_get(instance->store, active->name, 0, NULL, NULL, NULL, approvals, why);
        *ret = r ? NULL : baseline_keep(applied);
        return r;
}

/*
 * One active baseline, verified whole. NULL in *ret: it expects nothing (retired), or it does not hold. One
 * that has lost its approvers (a key was revoked) is still judged by, untrusted, but only if it is the very
 * text that was applied here.
 */
static int
load_one(struct instance *instance, const struct mark *active, const struct marks *marks,
        struct baseline **ret, struct buf *signers, bool *trusted, struct err *err)
{
        const char *name = active->name;
        size_t n_scopes;
        _cleanup_buf_ struct buf approvals = {0};
        _cleanup_(baseline_freep) struct baseline *b = NULL;
        struct err why = {0};
        int r = open_active(instance, active, &b, &approvals, &why);
        if (r < 0 && r != -EBADMSG) {
                if (err)
                        *err = why;
                return r;
        }
        if (r) {
                report_broken(instance, name, why.text);
                return 0;
        }
        struct trust_verdict *verdict = calloc(1, sizeof *verdict);
        if (!verdict)
                return err_oom(err);
        r = instance_judge_approvals(instance, b, &approvals, verdict, &why);
        *trusted = r == 0;
        if (r > 0)
                snprintf(instance->broken_why, sizeof instance->broken_why, "%s: %.400s", name, why.text);
        if (r >= 0 && trust_verdict_signers(verdict, signers) < 0)
                r = -ENOMEM;
        if (r == 0)
                review_restore(instance, b, verdict);
        free(verdict);
        if (r < 0)
                return err_oom(err);
        const struct mark *mark = mark_named(marks, name);
        bool applied_here = mark && digest_equal(&mark->id, baseline_id(b));
        if (!*trusted && !applied_here) {
                report_broken(instance, name, "it is not what was approved, and not what was applied here");
                return 0;
        }
        if (!digest_equal(&active->id, baseline_id(b)))
                report_broken(instance, name, "its text is not the one of the newest generation");
        else if (*trusted)
                keep_on_shelf(instance, b, &approvals);
        baseline_scopes(b, &n_scopes);
        if (n_scopes)
                *ret = steal_pointer(&b);
        return 0;
}

static void
report_mark(struct instance *instance, const char *name, uint64_t held, uint64_t mark)
{
        bool is_trust = strcmp(name, MARK_TRUST) == 0;
        char what[256];
        snprintf(what, sizeof what, "the store holds generation %" PRIu64 " of %s, but %" PRIu64 " %s here",
                held, is_trust ? "the trust file" : name, mark, is_trust ? "was in force" : "was applied");
        report_broken(instance, "rolled back", what);
}

/* Marks above what the store holds: the store was put back, or emptied. */
static void
check_above(struct instance *instance, const struct loading *loading, const struct marks *marks)
{
        for (size_t i = 0; i < marks->count; i++) {
                const struct mark *mark = &marks->list[i], *held = mark_named(&loading->in_store, mark->name);
                if (!held || (held->generation <= mark->generation && !mark_equal(held, mark)))
                        report_mark(instance, mark->name, held ? held->generation : 0, mark->generation);
        }
}

/*
 * Marks below what the store holds: power was lost between the two, and the mark is to be raised, if it is
 * the generation before, or there is none before. Else it was put back, or taken away, or generations were
 * added to the store that were never applied.
 */
static int
check_below(struct instance *instance, const struct loading *loading, struct marks *marks, bool *ret_raised)
{
        for (size_t i = 0; i < loading->in_store.count; i++) {
                const struct mark *held = &loading->in_store.list[i], *mark = mark_named(marks, held->name);
                const struct mark *before = mark_named(&loading->before, held->name);
                bool is_trust = strcmp(held->name, MARK_TRUST) == 0;
                if (mark && mark->generation >= held->generation)
                        continue;
                if (!is_trust && !(mark && before ? mark_equal(mark, before) : !mark && !before)) {
                        char what[256];
                        snprintf(what, sizeof what,
                                "generation %" PRIu64 " is in the store, but its high-water mark is %s",
                                held->generation, mark ? "an older one" : "gone");
                        report_broken(instance, held->name, what);
                        continue;
                }
                if (mark_raise(marks, held->name, held->generation, &held->id) < 0)
                        return -ENOMEM;
                *ret_raised = true;
        }
        return 0;
}

/* The newest generation of a name is the active one: a row alone retires nothing (driftd-baseline(5)). */
static void
check_active(struct instance *instance, const struct loading *loading)
{
        for (size_t i = 0; i < loading->in_store.count; i++) {
                const struct mark *held = &loading->in_store.list[i];
                const struct mark *active = mark_named(&loading->active, held->name);
                if (strcmp(held->name, MARK_TRUST) != 0 && (!active || !mark_equal(active, held)))
                        report_broken(instance, held->name, "its newest generation is not the active one");
        }
}

static int
report_doubt(void *userdata, const char *key, const char *value)
{
        struct instance *instance = userdata;
        snprintf(instance->broken_why, sizeof instance->broken_why, "%s: %.400s", key + strlen("doubted:"),
                value);
        return 0;
}

/* What marks, rows and the doubts of a rebuilding say. The marks are raised only where all of it holds. */
static int
check_marks(struct instance *instance, const struct loading *loading, struct marks *marks, bool readable,
        struct err *err)
{
        bool raised = false;
        check_above(instance, loading, marks);
        if (readable && check_below(instance, loading, marks, &raised) < 0)
                return err_oom(err);
        check_active(instance, loading);
        int r = store_values_each(instance->store, "doubted:", report_doubt, instance, err);
        if (r)
                return r;
        if (raised && !instance->broken_why[0])
                marks_write(instance, marks, NULL); /* else at the next loading */
        return 0;
}

static int
load_all(struct instance *instance, struct loading *loading, const struct marks *marks, struct err *err)
{
        size_t n = loading->active.count, kept = 0, n_before = judge_baselines(instance->judge);
        struct baseline **list = calloc(n + 1, sizeof *list);
        struct buf *signers = calloc(n + 1, sizeof *signers);
        bool *trusted = calloc(n + 1, sizeof *trusted);
        int r = list && signers && trusted ? 0 : err_oom(err);
        for (size_t i = 0; i < n && r == 0; i++) {
                r = load_one(instance, &loading->active.list[i], marks, &list[kept], &signers[kept],
                        &trusted[kept], err);
                if (list[kept])
                        kept++;
                else if (r == 0)
                        buf_done(&signers[kept]);
        }
        if (r == 0)
                r = judge_set(instance->judge, list, kept, instance->broken_why[0] != '\0', err);
        else
                for (size_t i = 0; list && i < kept; i++)
                        baseline_free(list[i]);
        free(list);
        if (r) {
                for (size_t i = 0; signers && i < n; i++)
                        buf_done(&signers[i]);
                free(signers);
                free(trusted);
                return r;
        }
        instance_drop_baseline_states(instance, n_before);
        instance->signers = signers;
        instance->baseline_trusted = trusted;
        return 0;
}

static int
load_baselines(struct instance *instance, struct err *err)
{
        _cleanup_(loading_done) struct loading loading = {.instance = instance};
        _cleanup_(marks_done) struct marks marks = {0};
        struct err why = {0};
        instance->broken_why[0] = '\0';
        int r = store_baselines(instance->store, NULL, note_row, &loading, err);
        if (r)
                return r;
        r = marks_read(instance, &marks, &why);
        if (r == -ENOMEM)
                return err_oom(err);
        if (r == -EBADMSG || r > 0)
                report_broken(instance, "high-water marks", why.text);
        else if (r) /* no word of theirs can be taken, but nobody has tampered with them */
                snprintf(instance->broken_why, sizeof instance->broken_why, "high-water marks: %.400s",
                        why.text);
        bool readable = r == 0;
        if (instance->trust && mark_raise(&loading.in_store, MARK_TRUST, trust_generation(instance->trust),
                                       trust_id(instance->trust)) < 0)
                return err_oom(err);
        r = check_marks(instance, &loading, &marks, readable, err);
        r = r ? r : load_all(instance, &loading, &marks, err);
        r = r ? r : instance_look_at_view(instance, err);
        if (r == 0)
                instance->scope_differs = instance_scopes_differ(instance);
        return r;
}

/* If that fails, what was loaded before goes on judging, and nobody may take its word for what is in force.
 */
int
instance_load_baselines(struct instance *instance, struct err *err)
{
        struct err why = {0};
        int r = load_baselines(instance, &why);
        if (r == 0)
                return 0;
        snprintf(instance->broken_why, sizeof instance->broken_why,
                "the baselines could not be loaded: %.400s", why.text);
        if (err)
                *err = why;
        return r;
}

/* What changed in the configuration since the scopes were signed is reported, never enforced. */
bool
instance_scopes_differ(const struct instance *instance)
{
        const struct baseline *host = judge_baseline_named(instance->judge, "host");
        struct scope *wanted = NULL;
        size_t n_wanted = 0, n_signed = 0;
        if (!host || config_scopes_resolved(instance->config, &wanted, &n_wanted, NULL) < 0)
                return false;
        const struct scope *signed_scopes = baseline_scopes(host, &n_signed);
        bool differ = false;
        for (size_t i = 0; i < n_wanted && !differ; i++) {
                _cleanup_buf_ struct buf line = {0}, other = {0};
                bool same = scope_append(&wanted[i], &line) < 0;
                for (size_t j = 0; j < n_signed && !same; j++) {
                        buf_clear(&other);
                        /* What we exclude of our own accord stands only in the signed text. */
                        struct scope plain = signed_scopes[j];
                        if (plain.excludes.count >= wanted[i].excludes.count)
                                plain.excludes = wanted[i].excludes;
                        same = scope_append(&plain, &other) == 0 && other.size == line.size &&
                               memcmp(other.data, line.data, line.size) == 0;
                }
                differ = !same;
        }
        differ = differ || n_wanted != n_signed;
        scopes_free(wanted, n_wanted);
        return differ;
}

static void
refresh_rebuilt(struct instance *instance)
{
        _cleanup_free_ char *told = NULL;
        int r = store_value_get(instance->store, "rebuilding", &told, NULL);
        if (r == STORE_NONE)
                r = store_value_get(instance->store, "rebuilt", &told, NULL);
        instance_problem(instance, PROBLEM_REBUILT, r == 0, told,
                "its history begins anew; the next signed apply confirms what is judged by");
}

static int
add_adopted(void *userdata, const char *key, const char *value)
{
        (void)key;
        return buf_printf(userdata, "%s%s", ((struct buf *)userdata)->size ? " " : "", value);
}

void
instance_refresh_trust_problems(struct instance *instance)
{
        const char *damage = instance->store ? store_damage(instance->store) : NULL;
        bool distrusted = instance->trust && !instance->trust_ok;
        const char *why = damage                    ? damage
                          : instance->broken_why[0] ? instance->broken_why
                                                    : instance->trust_why;
        instance_problem(instance, PROBLEM_UNTRUSTED, damage || instance->broken_why[0] || distrusted, why,
                damage ? STORE_DAMAGED_HINT
                : instance->broken_why[0]
                        ? "driftctl verify; apply a signed baseline of that generation or above"
                        : "put the trust file in force back, or have its successor signed");
        if (!instance->store) /* an image is judged by itself (audit.h) */
                return;
        refresh_rebuilt(instance);
        review_refresh(instance);
        _cleanup_buf_ struct buf adopted = {0};
        store_values_each(instance->store, "adopted:", add_adopted, &adopted, NULL);
        instance_problem(instance, PROBLEM_ADOPTED, adopted.size != 0, adopted.data,
                "taken by an empty store: the next signed apply confirms it");
        instance_problem(instance, PROBLEM_FIRST_USE, instance->trust && instance->trust_first_use,
                "the trust file was taken on first use",
                "compare its trust_id with what you recorded elsewhere");
        instance_problem(instance, PROBLEM_SCOPE_DIFFERS, instance->scope_differs,
                "the configuration's scopes and the signed ones",
                "the signed ones are enforced; driftctl bless without items takes the new ones");
}

/* ---- applying ---- */

static int
applying_value(const struct applying *applying, const char *key, const char *value, struct err *err)
{
        char text[NAME_MAX_SIZE + 16];
        value_key(key, baseline_header(applying->baseline)->name, text);
        return store_value_put(applying->instance->store, text, value, err);
}

void
value_key(const char *key, const char *name, char ret[static NAME_MAX_SIZE + 16])
{
        snprintf(ret, NAME_MAX_SIZE + 16, "%s:%s", key, name);
}

static void
record_reject(struct instance *instance, const struct baseline *b, const char *reason)
{
        const struct baseline_header *header = b ? baseline_header(b) : NULL;
        char id[DIGEST_HEX_SIZE] = "";
        if (b)
                digest_hex(baseline_id(b), id);
        instance_record(instance, "reject", NULL,
                instance_asked(
                        instance, json_make("{s:s, s:s?, s:I, s:s?}", "reason", reason, "name",
                                          header ? header->name : NULL, "generation",
                                          (json_int)(header ? header->generation : 0), "id", b ? id : NULL)));
        instance_flush(instance, NULL);
}

static int
refuse(struct err *err, const char *text, const char *hint)
{
        err_set(err, INSTANCE_REFUSED, "%s", text);
        return err_hint(err, INSTANCE_REFUSED, "%s", hint);
}

/* The generation rules. `held` is the newest in the store, `mark` the highest ever applied here; NULL: none.
 */
static int
check_generation(const struct baseline *b, const struct mark *held, const struct mark *mark, bool doubted,
        bool *ret_adopted, struct err *err)
{
        const struct baseline_header *header = baseline_header(b);
        bool any_host = strcmp(header->host, "*") == 0;
        *ret_adopted = false;
        if (held && digest_equal(&held->id, baseline_id(b)))
                return refuse(err, "this generation is the active one already", "nothing is to be done");
        if (held && doubted && header->generation > held->generation &&
                (!mark || header->generation > mark->generation)) {
                *ret_adopted =
                        true; /* which generation was in force is not known, so neither is its parent */
                return 0;
        }
        if (held && any_host) {
                if (header->generation > held->generation && (!mark || header->generation > mark->generation))
                        return 0;
                return refuse(err, "its generation is not above those applied before", "it is a replay");
        }
        if (held) {
                if (header->generation <= held->generation)
                        return refuse(err, "its generation is not above the active one: a replay",
                                "propose anew from what is active now");
                if (header->generation == held->generation + 1 && digest_equal(&header->parent, &held->id))
                        return 0;
                return refuse(err, "it does not follow from the active generation (generation or parent)",
                        "propose anew from what is active now");
        }
        if (!mark) {
                *ret_adopted = header->generation != 1 && !any_host;
                return 0;
        }
        *ret_adopted = true;
        bool same = header->generation == mark->generation && digest_equal(baseline_id(b), &mark->id);
        if (same || header->generation > mark->generation)
                return 0;
        return refuse(err, "a higher generation was applied on this host before: a replay",
                "apply that generation, or one above it");
}

/* Somebody else's proposal from the same parent was applied first: two people at work, not a replay. */
static bool
is_superseded(const struct loading *loading)
{
        const struct baseline_header *header = baseline_header(loading->candidate);
        const struct mark *held = mark_named(&loading->in_store, header->name);
        return held && header->generation <= held->generation && loading->has_siblings &&
               !loading->was_applied && strcmp(header->host, "*") != 0;
}

static int
superseded(const struct baseline_header *header, struct err *err)
{
        err_set(err, INSTANCE_SUPERSEDED,
                "another proposal was applied first: generation %" PRIu64 " of %s is there already",
                header->generation, header->name);
        return err_hint(err, INSTANCE_SUPERSEDED, "propose or bless anew from what is active now");
}

static int
check_baseline(struct instance *instance, const struct baseline *b, const struct buf *approvals,
        struct trust_verdict *verdict, bool *ret_adopted, struct err *err)
{
        const struct baseline_header *header = baseline_header(b);
        _cleanup_(loading_done) struct loading loading = {.instance = instance, .candidate = b};
        _cleanup_(marks_done) struct marks marks = {0};
        if (strcmp(header->host, "*") != 0 && strcmp(header->host, instance->host) != 0)
                return refuse(
                        err, "it is for another host", "propose it on this host, or for any host (host *)");
        if (header->expires_ms <= instance_expiry_now(instance))
                return refuse(err, "it has expired", "propose it anew with a later --expires");
        int r = store_baselines(instance->store, header->name, note_row, &loading, err);
        r = r ? r : marks_read(instance, &marks, err);
        bool damaged =
                r == -EBADMSG; /* told already: the store's own rows are left, and the apply mends the file */
        if (r && !damaged)
                return r < 0 ? r : -EIO;
        char key[NAME_MAX_SIZE + 16];
        _cleanup_free_ char *doubts = NULL;
        value_key("doubted", header->name, key);
        r = store_value_get(instance->store, key, &doubts, NULL);
        if (r && r != STORE_NONE)
                return err_set(err, r < 0 ? r : -EIO, "the store could not be read");
        bool late = is_superseded(&loading);
        r = late ? 0
                 : check_generation(b, mark_named(&loading.in_store, header->name),
                           mark_named(&marks, header->name), doubts != NULL, ret_adopted, err);
        if (r)
                return r;
        *ret_adopted = *ret_adopted || damaged;
        r = instance_judge_approvals(instance, b, approvals, verdict, err);
        if (r > 0)
                return err->code = INSTANCE_REFUSED;
        return r || !late ? r : superseded(header, err);
}

static int
count_value(void *userdata, const char *key, const char *value)
{
        (void)key;
        (void)value;
        ++*(unsigned *)userdata;
        return 0;
}

/* A rebuilt store is confirmed once a signed apply followed on what was taken, for each name. */
static int
confirm_rebuilt(const struct applying *applying, struct err *err)
{
        unsigned open = 0;
        struct store *store = applying->instance->store;
        if (applying->adopted)
                return 0;
        int r = store_values_each(store, "adopted:", count_value, &open, err);
        r = r ? r : store_values_each(store, "doubted:", count_value, &open, err);
        return r || open ? r : store_value_put(store, "rebuilt", NULL, err);
}

/* The delta is the buffer's. */
static int
body_make(const struct baseline *b, struct baseline_body *ret, struct buf *delta)
{
        const struct digest *from = baseline_shared(b);
        ret->text = baseline_text(b, &ret->n);
        ret->size = baseline_size(b);
        if (!from)
                return 0;
        int r = delta_from_shared(b, delta);
        ret->delta = delta->data;
        ret->delta_size = delta->size;
        ret->from = *from;
        return r;
}

static int
put_rows(void *userdata, struct err *err)
{
        struct applying *applying = userdata;
        struct instance *instance = applying->instance;
        const struct baseline_header *header = baseline_header(applying->baseline);
        _cleanup_buf_ struct buf head = {0}, adopted = {0}, delta = {0};
        struct baseline_body body = {0};
        if (body_make(applying->baseline, &body, &delta) < 0 || baseline_header_append(header, &head) < 0 ||
                buf_printf(&adopted, "%s@%" PRIu64, header->name, header->generation) < 0)
                return err_oom(err);
        struct baseline_row row = {
                .name = header->name,
                .generation = header->generation,
                .id = *baseline_id(applying->baseline),
                .applied_ms = clock_now_ms(),
                .active = true,
                .header = head.data,
                .signers = applying->signers,
                .has_text = true,
        };
        int r = store_baseline_put(
                instance->store, &row, &body, applying->approvals->data, applying->approvals->size, err);
        r = r ? r : store_bodies_trim(instance->store, instance->config->keep_bodies, err);
        r = r ? r : applying_value(applying, "adopted", applying->adopted ? adopted.data : NULL, err);
        r = r ? r : applying_value(applying, "doubted", applying->doubts, err);
        r = r ? r : review_owe(applying, err);
        if (r == 0 && !applying->from_shelf) { /* somebody signed and applied: the clock is believed again */
                r = store_value_put(instance->store, "clock_believed", NULL, err);
                r = r ? r : store_value_put(instance->store, "clock_moved", NULL, err);
        }
        return r ? r : confirm_rebuilt(applying, err);
}

static int
record_bless(const struct applying *applying)
{
        struct instance *instance = applying->instance;
        const struct trust_verdict *verdict = applying->verdict;
        const struct baseline_header *header = baseline_header(applying->baseline);
        char id[DIGEST_HEX_SIZE], trust[DIGEST_HEX_SIZE];
        struct json *signers = json_array_make(), *on_host = json_array_make();
        for (size_t i = 0; i < verdict->n_signers; i++) {
                json_gather(&signers, json_string_new(verdict->signers[i]));
                if (verdict->key_on_host[i])
                        json_gather(&on_host, json_string_new(verdict->signers[i]));
        }
        digest_hex(baseline_id(applying->baseline), id);
        digest_hex(trust_id(instance->trust), trust);
        return instance_record(instance, applying->adopted ? "adopted" : "bless", NULL,
                instance_asked(instance,
                        json_make("{s:s, s:I, s:s, s:o, s:s?, s:s, s:s, s:o, s:s, s:b, s:I}", "baseline",
                                header->name, "generation", (json_int)header->generation, "id", id, "signers",
                                signers, "ticket", header->ticket, "class", class_names[header->class],
                                "author", header->author, "key_on_host", on_host, "trust_id", trust,
                                "review_due", verdict->urgent_used, "review_missing",
                                (json_int)review_missing(instance, applying->baseline, verdict))));
}

int
instance_put_baseline(struct applying *applying, struct err *err)
{
        if (record_bless(applying) < 0)
                return err_oom(err);
        int r = instance_flush_with(applying->instance, put_rows, applying, err);
        if (r)
                instance_unrecord(applying->instance);
        return r;
}

/* Where the file is damaged, the rows of the store are what is left: told at the start, mended here. */
static int
raise_mark(struct instance *instance, const struct baseline *b, struct err *err)
{
        _cleanup_(loading_done) struct loading loading = {.instance = instance};
        _cleanup_(marks_done) struct marks marks = {0};
        const struct baseline_header *header = baseline_header(b);
        int r = marks_read(instance, &marks, err);
        if (r == -EBADMSG) {
                marks_done(&marks);
                r = store_baselines(instance->store, NULL, note_row, &loading, err);
                for (size_t i = 0; i < loading.in_store.count && r == 0; i++)
                        r = mark_raise(&marks, loading.in_store.list[i].name,
                                loading.in_store.list[i].generation, &loading.in_store.list[i].id);
        }
        r = r ? r : mark_raise(&marks, header->name, header->generation, baseline_id(b));
        return r ? r : marks_write(instance, &marks, err);
}

/* On the shelf before it is in the store, and off it again if it did not come into force. */
static int
put_durably(struct applying *applying, struct err *err)
{
        struct instance *instance = applying->instance;
        const struct baseline_header *header = baseline_header(applying->baseline);
        int r = shelf_put(instance, applying->baseline, applying->approvals->data, applying->approvals->size,
                applying->draft, err);
        r = r ? r : instance_put_baseline(applying, err);
        if (r)
                shelf_drop(instance, header->name, header->generation);
        return r;
}

static int
apply_checked(struct instance *instance, const struct baseline *b, const struct buf *approvals,
        const struct trust_verdict *verdict, bool adopted, struct file_draft *draft, struct apply_result *ret,
        struct err *err)
{
        struct applying applying = {
                .draft = draft,
                .instance = instance,
                .baseline = b,
                .approvals = approvals,
                .verdict = verdict,
                .adopted = adopted,
        };
        const struct baseline_header *header = baseline_header(b);
        if (trust_verdict_signers(verdict, &ret->signers) < 0)
                return err_oom(err);
        applying.signers = ret->signers.data;
        instance_flush(instance, NULL);
        int r = put_durably(&applying, err);
        if (r)
                return r;
        snprintf(ret->name, sizeof ret->name, "%s", header->name);
        ret->generation = header->generation;
        ret->id = *baseline_id(b);
        ret->adopted = adopted;
        ret->review_due = verdict->urgent_used;
        instance_clock_believe(instance);
        review_tell_owed(instance, b, verdict);
        waivers_record(instance, b, judge_baseline_named(instance->judge, header->name));
        /* The store has it: that is what is judged by from now on, even if the second mark could not be kept.
         */
        int marked = raise_mark(instance, b, err);
        instance->applied = b;
        r = instance_load_baselines(instance, marked ? NULL : err);
        instance->applied = NULL;
        instance_flush(instance, NULL);
        return marked ? marked : r;
}

static int
refuse_moved(const char *moved, struct err *err)
{
        err_set(err, INSTANCE_MOVED, "what it changes is not live as it says: %.800s", moved);
        return err_hint(err, INSTANCE_MOVED,
                "driftctl diff shows what is there: propose anew; or driftctl apply --ahead, if what it "
                "approves is still to come or cannot be looked at");
}

int
instance_apply(struct instance *instance, char *text, size_t size, const char *approvals,
        size_t approvals_size, struct apply_result *ret, struct err *err)
{
        _cleanup_(baseline_freep) struct baseline *b = NULL;
        int r = baseline_open(text, size, &b, err);
        if (r > 0)
                return instance_apply_refused(instance, DELTA_MALFORMED, err, err);
        return r ? r : instance_apply_opened(instance, b, approvals, approvals_size, NULL, NULL, ret, err);
}

int
instance_apply_refused(
        struct instance *instance, enum delta_result result, const struct err *why, struct err *err)
{
        bool another = result == DELTA_FROM_ANOTHER;
        int code = another ? INSTANCE_SUPERSEDED : INSTANCE_MALFORMED;
        if (err && err != why)
                *err = *why;
        if (another)
                err_hint(err, code, "propose or bless anew from what is active now");
        else
                err_hint(err, code,
                        "driftd-baseline(5) gives the form; was the file edited after driftctl wrote it?");
        record_reject(instance, NULL, why->text);
        if (err)
                err->code = code;
        return code;
}

int
instance_apply_opened(struct instance *instance, const struct baseline *b, const char *approvals,
        size_t approvals_size, const char *moved, struct file_draft *draft, struct apply_result *ret,
        struct err *err)
{
        struct buf given = {(char *)(uintptr_t)approvals, approvals_size, approvals_size};
        bool adopted = false;
        struct trust_verdict *verdict = calloc(1, sizeof *verdict);
        if (!verdict)
                return err_oom(err);
        int r = review_take(instance, b, &given, ret, err);
        bool review = r != REVIEW_NONE;
        if (!review)
                r = check_baseline(instance, b, &given, verdict, &adopted, err);
        if (r == 0 && !review && moved)
                r = refuse_moved(moved, err);
        if (r > 0)
                record_reject(instance, b, err->text);
        if (r == 0 && !review)
                r = apply_checked(instance, b, &given, verdict, adopted, draft, ret, err);
        free(verdict);
        return r;
}

int
instance_verify_baselines(struct instance *instance, uint64_t *ret_baselines, struct err *err)
{
        _cleanup_(marks_done) struct marks marks = {0};
        int r = instance_load_baselines(instance, err);
        if (r)
                return r;
        r = marks_read(instance, &marks, err);
        if (r < 0 && r != -EBADMSG) /* what cannot be read is neither good nor forged */
                return r;
        *ret_baselines = judge_baselines(instance->judge);
        instance_refresh_trust_problems(instance);
        const struct problem *problem = &instance->problems[PROBLEM_UNTRUSTED];
        instance_flush(instance, NULL);
        if (problem->count)
                return err_set(err, STORE_TAMPERED, "%s", problem->where);
        return 0;
}

int
instance_verify(struct instance *instance, uint64_t *ret_records, uint64_t *ret_baselines, struct err *err)
{
        int r = store_verify(instance->store, ret_records, err);
        return r ? r : instance_verify_baselines(instance, ret_baselines, err);
}
