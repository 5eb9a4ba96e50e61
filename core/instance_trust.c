/* SPDX-License-Identifier: MIT */
/*
 * What an instance takes as signed: the trust file in force and its succession, the active baselines as
 * they are verified at each loading, the high-water marks, and the rules for applying. Everything that is
 * refused leaves the active baselines as they were, and a record of the refusal.
 *
 * The high-water mark of a name is kept twice: as the rows of the store, and as a line of the file
 * `high-water` beside it, fsynced after each apply. The store alone being put back shows as a mark above it.
 */
#include "core/instance_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/file.h"

#define MARKS_FILE_MAX ((size_t)1 << 20) /* bytes */

/* ---- trust ---- */

static void
record_trust(struct instance *instance, const struct trust *trust, const char *state, const char *reason)
{
        char id[DIGEST_HEX_SIZE];
        digest_hex(trust_id(trust), id);
        struct json *detail = json_make(
                "{s:s, s:I, s:s}", "id", id, "generation", (json_int)trust_generation(trust), "state", state);
        if (detail && reason)
                json_put(detail, "reason", json_string_new(reason));
        instance_record(instance, "trust", NULL, detail);
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
        record_trust(instance, trust, first_use ? "first_use" : "succeeded", NULL);
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
        if (r < 0)
                return r;
        if (!digest_equal(trust_id(instance->trust), &id))
                return err_set(err, -EBADMSG, "the stored trust file is not the one that was recorded");
        return 0;
}

/* The file on disk is another one: taken if the old one's approvers signed it, refused with a record
 * otherwise. */
static int
succeed_trust(struct instance *instance, struct trust *next, const struct buf *text, struct err *err)
{
        _cleanup_free_ char *path = NULL, *told = NULL;
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
        distrust(instance, why.text);
        digest_hex(trust_id(next), id);
        store_value_get(instance->store, "trust_refused", &told, NULL);
        if (!told || strcmp(told, id) != 0) {
                record_trust(instance, next, "refused", why.text);
                instance_value(instance, "trust_refused", id);
        }
        trust_free(next);
        return 0;
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
                distrust(instance, why.text);
                return 0;
        }
        if (!instance->trust)
                return take_trust(instance, trust, true, &text, &none, err);
        if (!digest_equal(trust_id(trust), trust_id(instance->trust)))
                return succeed_trust(instance, trust, &text, err);
        trust_free(trust);
        instance->trust_ok = true;
        instance->trust_why[0] = '\0';
        return 0;
}

/* ---- high-water marks ---- */

struct mark {
        char name[NAME_MAX_SIZE];
        uint64_t generation;
        struct digest id;
};

struct marks {
        struct mark *list;
        size_t count;
};

static void
marks_done(struct marks *marks)
{
        free(marks->list);
}

static struct mark *
mark_named(const struct marks *marks, const char *name)
{
        for (size_t i = 0; i < marks->count; i++)
                if (strcmp(marks->list[i].name, name) == 0)
                        return &marks->list[i];
        return NULL;
}

static int
mark_raise(struct marks *marks, const char *name, uint64_t generation, const struct digest *id)
{
        struct mark *mark = mark_named(marks, name);
        if (!mark) {
                struct mark *grown = reallocarray(marks->list, marks->count + 1, sizeof *grown);
                if (!grown)
                        return -ENOMEM;
                marks->list = grown;
                mark = &grown[marks->count++];
                *mark = (struct mark){0};
                snprintf(mark->name, sizeof mark->name, "%s", name);
        }
        if (generation >= mark->generation) {
                mark->generation = generation;
                mark->id = *id;
        }
        return 0;
}

/* -EBADMSG if a line is not ours: somebody wrote here. */
static int
marks_parse(char *text, struct marks *marks)
{
        char *rest = NULL;
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                char *words = NULL;
                const char *name = strtok_r(line, " ", &words), *number = strtok_r(NULL, " ", &words);
                const char *hex = strtok_r(NULL, "", &words);
                char *end = NULL;
                struct digest id;
                if (!hex || !name_is_valid(name, strlen(name)) || digest_parse(hex, strlen(hex), &id) < 0)
                        return -EBADMSG;
                uint64_t generation = strtoull(number, &end, 10);
                if (*end || !generation)
                        return -EBADMSG;
                int r = mark_raise(marks, name, generation, &id);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int
marks_read(const struct instance *instance, struct marks *marks, struct err *err)
{
        _cleanup_free_ char *path = config_high_water(instance->config);
        _cleanup_buf_ struct buf text = {0};
        if (!path)
                return err_oom(err);
        int r = file_read(path, 0, MARKS_FILE_MAX, &text, err);
        if (r == -ENOENT)
                return 0;
        r = r || !text.size ? r : marks_parse(text.data, marks);
        if (r == -EBADMSG)
                return err_set(err, r, "%s is damaged", path);
        return r;
}

static int
marks_write(const struct instance *instance, const struct marks *marks, struct err *err)
{
        _cleanup_free_ char *path = config_high_water(instance->config);
        _cleanup_buf_ struct buf text = {0};
        int r = path ? 0 : -ENOMEM;
        for (size_t i = 0; i < marks->count && r == 0; i++) {
                char hex[DIGEST_HEX_SIZE];
                digest_hex(&marks->list[i].id, hex);
                r = buf_printf(
                        &text, "%s %" PRIu64 " %s\n", marks->list[i].name, marks->list[i].generation, hex);
        }
        if (r < 0)
                return err_oom(err);
        return file_write(path, 0600, text.data, text.size, err);
}

/* ---- loading what is active ---- */

struct loading {
        struct instance *instance;
        struct marks in_store;   /* the newest generation of each name */
        struct text_list active; /* names */
        bool out_of_memory;
};

static int
note_row(void *userdata, const struct baseline_row *row)
{
        struct loading *loading = userdata;
        if (mark_raise(&loading->in_store, row->name, row->generation, &row->id) < 0 ||
                (row->active && text_list_add(&loading->active, row->name, strlen(row->name)) < 0))
                return -ENOMEM;
        return 0;
}

static void
loading_done(struct loading *loading)
{
        marks_done(&loading->in_store);
        text_list_done(&loading->active);
}

static void
report_broken(struct instance *instance, const char *what, const char *why)
{
        snprintf(instance->broken_why, sizeof instance->broken_why, "%s: %.400s", what, why);
        instance_record(instance, "tamper", NULL, json_make("{s:s}", "what", instance->broken_why));
}

void
instance_drop_baseline_states(struct instance *instance)
{
        for (size_t i = 0; instance->signers && i < judge_baselines(instance->judge); i++)
                buf_done(&instance->signers[i]);
        free(instance->signers);
        free(instance->baseline_trusted);
        instance->signers = NULL;
        instance->baseline_trusted = NULL;
}

static int
judge_approvals(const struct instance *instance, const struct baseline *b, const struct buf *approvals,
        struct trust_verdict *verdict, struct err *err)
{
        const struct baseline_header *header = baseline_header(b);
        if (!instance->trust) {
                err_set(err, TRUST_NO_RULE, "there is no trust file yet");
                return err_hint(err, TRUST_NO_RULE, "driftctl init --trust KEY.pub writes one");
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

/*
 * One active baseline, verified whole. NULL in *ret: it expects nothing (retired), or it does not hold. One
 * that has lost its approvers (a key was revoked) is still judged by, untrusted, but only if it is the very
 * text that was applied here.
 */
static int
load_one(struct instance *instance, const char *name, const struct marks *marks, struct baseline **ret,
        struct buf *signers, bool *trusted, struct err *err)
{
        char *text = NULL;
        size_t size = 0, n_scopes;
        _cleanup_buf_ struct buf approvals = {0};
        _cleanup_(baseline_freep) struct baseline *b = NULL;
        struct err why = {0};
        int r = store_baseline_get(instance->store, name, 0, &text, &size, &approvals, &why);
        if (r < 0 && r != -EBADMSG)
                return *err = why, r;
        if (r == 0)
                r = baseline_open(text, size, &b, &why);
        if (r == -ENOMEM)
                return err_oom(err);
        if (r) {
                report_broken(instance, name, why.text);
                return 0;
        }
        struct trust_verdict *verdict = calloc(1, sizeof *verdict);
        if (!verdict)
                return err_oom(err);
        r = judge_approvals(instance, b, &approvals, verdict, &why);
        *trusted = r == 0;
        if (r > 0)
                snprintf(instance->broken_why, sizeof instance->broken_why, "%s: %.400s", name, why.text);
        if (r >= 0 && trust_verdict_signers(verdict, signers) < 0)
                r = -ENOMEM;
        free(verdict);
        if (r < 0)
                return err_oom(err);
        const struct mark *mark = mark_named(marks, name);
        bool applied_here = mark && digest_equal(&mark->id, baseline_id(b));
        if (!*trusted && !applied_here) {
                report_broken(instance, name, "it is not what was approved, and not what was applied here");
                return 0;
        }
        baseline_scopes(b, &n_scopes);
        if (n_scopes)
                *ret = steal_pointer(&b);
        return 0;
}

/* Marks above what the store holds: the store was put back, or emptied. */
static void
check_marks(struct instance *instance, const struct loading *loading, const struct marks *marks)
{
        for (size_t i = 0; i < marks->count; i++) {
                const struct mark *mark = &marks->list[i], *held = mark_named(&loading->in_store, mark->name);
                char what[256];
                bool same =
                        held &&
                        (held->generation > mark->generation ||
                                (held->generation == mark->generation && digest_equal(&held->id, &mark->id)));
                if (same)
                        continue;
                snprintf(what, sizeof what,
                        "the store holds generation %" PRIu64 " of %s, but %" PRIu64 " was applied here",
                        held ? held->generation : 0, mark->name, mark->generation);
                report_broken(instance, "rolled back", what);
        }
}

static int
load_all(struct instance *instance, struct loading *loading, const struct marks *marks, struct err *err)
{
        size_t n = loading->active.count, kept = 0;
        struct baseline **list = calloc(n + 1, sizeof *list);
        struct buf *signers = calloc(n + 1, sizeof *signers);
        bool *trusted = calloc(n + 1, sizeof *trusted);
        int r = list && signers && trusted ? 0 : err_oom(err);
        for (size_t i = 0; i < n && r == 0; i++) {
                r = load_one(instance, loading->active.items[i], marks, &list[kept], &signers[kept],
                        &trusted[kept], err);
                if (list[kept])
                        kept++;
                else if (r == 0)
                        buf_done(&signers[kept]);
        }
        if (r == 0) {
                instance_drop_baseline_states(instance);
                r = judge_set(instance->judge, list, kept, instance->broken_why[0] != '\0', err);
        } else {
                for (size_t i = 0; list && i < kept; i++)
                        baseline_free(list[i]);
        }
        free(list);
        if (r) {
                for (size_t i = 0; signers && i < n; i++)
                        buf_done(&signers[i]);
                free(signers);
                free(trusted);
                return r;
        }
        instance->signers = signers;
        instance->baseline_trusted = trusted;
        return 0;
}

int
instance_load_baselines(struct instance *instance, struct err *err)
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
        if (r)
                report_broken(instance, "high-water marks", why.text);
        check_marks(instance, &loading, &marks);
        r = load_all(instance, &loading, &marks, err);
        if (r == 0)
                instance->scope_differs = instance_scopes_differ(instance);
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
                bool same = wanted[i].domain != SCOPE_FILES || scope_append(&wanted[i], &line) < 0;
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
        size_t n_files = 0;
        for (size_t i = 0; i < n_wanted; i++)
                n_files += wanted[i].domain == SCOPE_FILES;
        differ = differ || n_files != n_signed;
        scopes_free(wanted, n_wanted);
        return differ;
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
        bool untrusted = instance->broken_why[0] || (instance->trust && !instance->trust_ok);
        const char *why = instance->broken_why[0] ? instance->broken_why : instance->trust_why;
        instance_problem(instance, PROBLEM_UNTRUSTED, untrusted, why,
                instance->broken_why[0]
                        ? "driftctl verify; apply a signed baseline of that generation or above"
                        : "put the trust file in force back, or have its successor signed");
        if (!instance->store) /* an image is judged by itself (audit.h) */
                return;
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

struct applying {
        struct instance *instance;
        const struct baseline *baseline;
        const char *approvals;
        size_t approvals_size;
        const char *signers;
        bool adopted;
};

static void
record_reject(struct instance *instance, const struct baseline *b, const char *reason)
{
        const struct baseline_header *header = b ? baseline_header(b) : NULL;
        char id[DIGEST_HEX_SIZE] = "";
        if (b)
                digest_hex(baseline_id(b), id);
        instance_record(instance, "reject", NULL,
                json_make("{s:s, s:s?, s:I, s:s?}", "reason", reason, "name", header ? header->name : NULL,
                        "generation", (json_int)(header ? header->generation : 0), "id", b ? id : NULL));
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
check_generation(const struct baseline *b, const struct mark *held, const struct mark *mark,
        bool *ret_adopted, struct err *err)
{
        const struct baseline_header *header = baseline_header(b);
        bool any_host = strcmp(header->host, "*") == 0;
        *ret_adopted = false;
        if (held && digest_equal(&held->id, baseline_id(b)))
                return refuse(err, "this generation is the active one already", "nothing is to be done");
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

static int
check_baseline(struct instance *instance, const struct baseline *b, const struct buf *approvals,
        struct trust_verdict *verdict, bool *ret_adopted, struct err *err)
{
        const struct baseline_header *header = baseline_header(b);
        _cleanup_(loading_done) struct loading loading = {.instance = instance};
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
        r = check_generation(b, mark_named(&loading.in_store, header->name), mark_named(&marks, header->name),
                ret_adopted, err);
        if (r)
                return r;
        *ret_adopted = *ret_adopted || damaged;
        r = judge_approvals(instance, b, approvals, verdict, err);
        return r > 0 ? (err->code = INSTANCE_REFUSED) : r;
}

static int
put_baseline(void *userdata, struct err *err)
{
        struct applying *applying = userdata;
        struct instance *instance = applying->instance;
        const struct baseline_header *header = baseline_header(applying->baseline);
        _cleanup_buf_ struct buf head = {0}, adopted = {0}, key = {0};
        size_t size;
        const char *text = baseline_text(applying->baseline, &size);
        if (baseline_header_append(header, &head) < 0 ||
                buf_printf(&adopted, "%s@%" PRIu64, header->name, header->generation) < 0 ||
                buf_printf(&key, "adopted:%s", header->name) < 0)
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
                instance->store, &row, text, size, applying->approvals, applying->approvals_size, err);
        r = r ? r : store_bodies_trim(instance->store, instance->config->keep_bodies, err);
        r = r ? r : store_value_put(instance->store, "clock_believed", NULL, err);
        return r ? r
                 : store_value_put(instance->store, key.data, applying->adopted ? adopted.data : NULL, err);
}

static void
record_bless(struct instance *instance, const struct applying *applying, const struct trust_verdict *verdict)
{
        const struct baseline_header *header = baseline_header(applying->baseline);
        char id[DIGEST_HEX_SIZE], trust[DIGEST_HEX_SIZE];
        struct json *signers = json_array_make(), *on_host = json_array_make();
        for (size_t i = 0; i < verdict->n_signers; i++) {
                json_push(signers, json_string_new(verdict->signers[i]));
                if (verdict->key_on_host[i])
                        json_push(on_host, json_string_new(verdict->signers[i]));
        }
        digest_hex(baseline_id(applying->baseline), id);
        digest_hex(trust_id(instance->trust), trust);
        instance_record(instance, applying->adopted ? "adopted" : "bless", NULL,
                json_make("{s:s, s:I, s:s, s:o, s:s?, s:s, s:s, s:o, s:s, s:b}", "baseline", header->name,
                        "generation", (json_int)header->generation, "id", id, "signers", signers, "ticket",
                        header->ticket, "class", class_names[header->class], "author", header->author,
                        "key_on_host", on_host, "trust_id", trust, "review_due", verdict->urgent_used));
}

/* Each waiver that the new generation brings is told by itself: who excuses what, and until when. */
static void
record_waivers(struct instance *instance, const struct baseline *b, const struct baseline *parent)
{
        size_t n, n_before = 0;
        const struct waiver *waivers = baseline_waivers(b, &n);
        const struct waiver *before = parent ? baseline_waivers(parent, &n_before) : NULL;
        for (size_t i = 0; i < n; i++) {
                char until[CLOCK_TEXT_MAX];
                bool known = false;
                for (size_t j = 0; j < n_before && !known; j++)
                        known = strcmp(before[j].item, waivers[i].item) == 0 &&
                                strcmp(before[j].baseline, waivers[i].baseline) == 0 &&
                                before[j].until_ms == waivers[i].until_ms;
                if (known)
                        continue;
                clock_format_seconds(waivers[i].until_ms, until);
                instance_record(instance, "waive", waivers[i].item,
                        json_make("{s:s, s:s, s:s, s:s}", "baseline", waivers[i].baseline, "by",
                                waivers[i].by, "until", until, "reason", waivers[i].reason));
        }
}

static int
raise_mark(struct instance *instance, const struct baseline *b, struct err *err)
{
        _cleanup_(marks_done) struct marks marks = {0};
        const struct baseline_header *header = baseline_header(b);
        int r = marks_read(instance, &marks, err);
        if (r == -EBADMSG) /* told at the start; the store's rows are what is left */
                r = 0;
        r = r ? r : mark_raise(&marks, header->name, header->generation, baseline_id(b));
        return r ? r : marks_write(instance, &marks, err);
}

static int
apply_checked(struct instance *instance, const struct baseline *b, const struct buf *approvals,
        const struct trust_verdict *verdict, bool adopted, struct apply_result *ret, struct err *err)
{
        struct applying applying = {instance, b, approvals->data, approvals->size, NULL, adopted};
        const struct baseline_header *header = baseline_header(b);
        if (trust_verdict_signers(verdict, &ret->signers) < 0)
                return err_oom(err);
        applying.signers = ret->signers.data;
        instance_flush(instance, NULL);
        record_bless(instance, &applying, verdict);
        int r = instance_flush_with(instance, put_baseline, &applying, err);
        if (r) {
                instance_unrecord(instance);
                return r;
        }
        snprintf(ret->name, sizeof ret->name, "%s", header->name);
        ret->generation = header->generation;
        ret->id = *baseline_id(b);
        ret->adopted = adopted;
        ret->review_due = verdict->urgent_used;
        instance->expiry_now_ms = 0;
        instance_problem(instance, PROBLEM_CLOCK, 0, NULL, NULL);
        record_waivers(instance, b, judge_baseline_named(instance->judge, header->name));
        /* The store has it: that is what is judged by from now on, even if the second mark could not be kept.
         */
        int marked = raise_mark(instance, b, err);
        r = instance_load_baselines(instance, marked ? NULL : err);
        instance_flush(instance, NULL);
        return marked ? marked : r;
}

int
instance_apply(struct instance *instance, char *text, size_t size, const char *approvals,
        size_t approvals_size, struct apply_result *ret, struct err *err)
{
        _cleanup_(baseline_freep) struct baseline *b = NULL;
        struct buf given = {(char *)(uintptr_t)approvals, approvals_size, approvals_size};
        bool adopted = false;
        int r = baseline_open(text, size, &b, err);
        if (r < 0)
                return r;
        if (r > 0) {
                err_hint(err, r,
                        "driftd-baseline(5) gives the form; was the file edited after driftctl wrote it?");
                record_reject(instance, NULL, err->text);
                return err->code = INSTANCE_MALFORMED;
        }
        struct trust_verdict *verdict = calloc(1, sizeof *verdict);
        if (!verdict)
                return err_oom(err);
        r = check_baseline(instance, b, &given, verdict, &adopted, err);
        if (r > 0)
                record_reject(instance, b, err->text);
        if (r == 0)
                r = apply_checked(instance, b, &given, verdict, adopted, ret, err);
        free(verdict);
        return r;
}

int
instance_verify(struct instance *instance, uint64_t *ret_records, uint64_t *ret_baselines, struct err *err)
{
        int r = store_verify(instance->store, ret_records, err);
        if (r)
                return r;
        r = instance_load_baselines(instance, err);
        if (r)
                return r;
        *ret_baselines = judge_baselines(instance->judge);
        instance_refresh_trust_problems(instance);
        const struct problem *problem = &instance->problems[PROBLEM_UNTRUSTED];
        instance_flush(instance, NULL);
        if (problem->count)
                return err_set(err, STORE_TAMPERED, "%s", problem->where);
        return 0;
}
