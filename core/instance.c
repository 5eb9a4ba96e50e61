/* SPDX-License-Identifier: MIT */
/*
 * The instance: opening, starting and stopping, problems and the verdict. What decides whether a baseline or
 * a trust file is taken is in instance_trust.c, and how what is found becomes history in instance_queue.c.
 */
#include "core/instance_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/folder.h"
#include "core/item.h"

static const struct {
        const char *name;
        bool lowers;
} problem_table[PROBLEM_COUNT] = {
        [PROBLEM_UNTRUSTED] = {"untrusted", true},
        [PROBLEM_NO_BASELINE] = {"no_baseline", true},
        [PROBLEM_STALE] = {"stale", true},
        [PROBLEM_STORAGE] = {"storage", true},
        [PROBLEM_UNVERIFIED] = {"content_age", true},
        [PROBLEM_UNKNOWN] = {"unknown", true},
        [PROBLEM_OVERFLOW] = {"overflow", true},
        [PROBLEM_WATCH_LOST] = {"watch_lost", true},
        [PROBLEM_UNREADABLE] = {"unreadable", true},
        [PROBLEM_STUCK] = {"stuck", true},
        [PROBLEM_DRIFT_LIMIT] = {"drift_limit", true},
        [PROBLEM_NOT_PROBED] = {"not_probed", true},
        [PROBLEM_NOT_COVERED] = {"not_covered", true},
        [PROBLEM_HIDDEN] = {"hidden", true},
        [PROBLEM_OVERDUE] = {"review_overdue", true},
        [PROBLEM_REBUILT] = {"rebuilt", true},
        [PROBLEM_ADOPTED] = {"adopted", false},
        [PROBLEM_CLOCK] = {"clock_jump", false},
        [PROBLEM_SCOPE_DIFFERS] = {"scope_differs", false},
        [PROBLEM_PATH_MISSING] = {"path_missing", false},
        [PROBLEM_FIRST_USE] = {"first_use", false},
        [PROBLEM_REVIEW_DUE] = {"review_due", false},
        [PROBLEM_NO_FANOTIFY] = {"no_fanotify", false},
        [PROBLEM_OWN_VIEW] = {"own_view", false},
};

const char *
problem_name(enum problem_kind kind)
{
        return problem_table[kind].name;
}

bool
problem_lowers_coverage(enum problem_kind kind)
{
        return problem_table[kind].lowers;
}

void
instance_problem(struct instance *instance, enum problem_kind kind, uint64_t count, const char *where,
        const char *hint)
{
        struct problem *problem = &instance->problems[kind];
        problem->count = count;
        snprintf(problem->where, sizeof problem->where, "%s", count && where ? where : "");
        snprintf(problem->hint, sizeof problem->hint, "%s", count && hint ? hint : "");
}

/* ---- opening ---- */

static int
open_store(struct instance *instance, struct err *err)
{
        _cleanup_free_ char *path = config_database(instance->config);
        if (!path)
                return err_oom(err);
        int r = folder_create(instance->config->state_dir, 0700, err);
        if (r < 0)
                return r;
        r = store_open(path, STORE_CREATE, &instance->store, err);
        if (r == STORE_BUSY)
                return err_set(err, INSTANCE_BUSY, "%s is held by another program (a running driftd?)", path);
        instance->store_damaged = r == STORE_DAMAGED;
        if (r > 0) {
                if (err)
                        err->code = INSTANCE_REFUSED; /* its words were made in the store */
                return INSTANCE_REFUSED;
        }
        if (r == 0)
                instance->n_own = store_own_files(path, instance->own);
        return r;
}

static int
restore_drift(void *userdata, const struct ledger_row *row)
{
        struct instance *instance = userdata;
        struct drift drift = {
                .generation = row->generation,
                .first_seen_ms = row->first_seen_ms,
                .last_change_ms = row->last_change_ms,
                .unobserved = row->unobserved,
                .ack_ms = row->ack_ms,
        };
        _cleanup_free_ char *item = strdup(row->item), *attributes = strdup(row->attributes);
        _cleanup_free_ char *by = row->ack_by ? strdup(row->ack_by) : NULL;
        _cleanup_free_ char *why = row->ack_reason ? strdup(row->ack_reason) : NULL;
        _cleanup_free_ char *cause = row->cause ? strdup(row->cause) : NULL;
        _cleanup_free_ char *who = row->who ? strdup(row->who) : NULL;
        int change = name_index(change_names, CHANGE_COUNT, row->change, strlen(row->change));
        int severity = name_index(severity_names, SEVERITY_COUNT, row->severity, strlen(row->severity));
        if (!item || !attributes || (row->ack_by && !by) || (row->ack_reason && !why) ||
                (row->cause && !cause) || (row->who && !who))
                return -ENOMEM;
        if (change < 0 || severity < 0)
                return 0; /* a row that is not ours: the next look finds the drift again */
        drift.item = item;
        drift.attributes = attributes;
        drift.ack_by = by;
        drift.ack_reason = why;
        drift.cause = cause;
        drift.who = who;
        drift.change = (enum change)change;
        drift.severity = (enum severity)severity;
        if (drift.change == CHANGE_UNKNOWN) {
                static char not_yet[] = "not looked at since the start";
                drift.reason = not_yet;
        }
        snprintf(drift.baseline, sizeof drift.baseline, "%s", row->baseline);
        snprintf(drift.observed, sizeof drift.observed, "%s", row->observed);
        return judge_restore(instance->judge, &drift);
}

static int
restore_rotation(void *userdata, const char *key, const char *value)
{
        struct instance *instance = userdata;
        struct rotation rotation;
        char id[DIGEST_HEX_SIZE], *inode = NULL, *content = NULL;
        const char *item = strstr(key + 8, ":file:");
        rotation.size = strtoull(value, &inode, 10);
        rotation.inode = strtoull(inode, &content, 10);
        content += *content == ' ';
        if (!item || digest_parse(content, strlen(content), &rotation.content) < 0)
                return 0; /* not ours: the signed prefix is what is known */
        for (size_t i = 0; i < judge_baselines(instance->judge); i++) {
                const struct baseline *b = judge_baseline(instance->judge, i);
                digest_hex(baseline_id(b), id);
                if (strncmp(id, key + 8, 16) == 0)
                        return judge_restore_rotation(instance->judge, baseline_id(b), item + 1, &rotation);
        }
        return 0;
}

static int load_last_alive(struct instance *instance, struct err *err);

static int
open_parts(struct instance *instance, struct err *err)
{
        instance->pending = queue_new();
        if (!instance->pending || judge_new(queue_judge_event, instance, &instance->judge) < 0)
                return err_oom(err);
        int r = host_id(instance->host, err);
        r = r ? r : open_store(instance, err);
        if (r == 0)
                shelf_tidy(instance); /* the store is locked: nobody else applies */
        r = r ? r : load_last_alive(instance, err);
        if (!instance->offline)
                r = r ? r : rebuild_begin(instance, err);
        r = r ? r : instance_load_trust(instance, err);
        if (!instance->offline)
                r = r ? r : rebuild_take(instance, err);
        r = r ? r : ledger_each(instance->store, restore_drift, instance, err); /* then what became of them */
        r = r ? r : instance_load_baselines(instance, err);
        r = r ? r : store_values_each(instance->store, "growing:", restore_rotation, instance, err);
        r = r ? r : instance_load_clock(instance, err);
        r = r ? r : instance_load_checkpoint_key(instance, err);
        r = r ? r : instance_load_windows(instance, err);
        if (r && instance->store && store_damage(instance->store))
                instance->store_damaged = true;
        if (r && instance->store_damaged)
                r = INSTANCE_REFUSED;
        return r;
}

/* *ret is set on failure too: it says whether the store is damaged. */
static int
open_once(const struct config *config, unsigned flags, struct instance **ret, struct err *err)
{
        struct instance *instance = calloc(1, sizeof *instance);
        if (!instance)
                return err_oom(err);
        instance->config = config;
        instance->offline = flags & INSTANCE_OFFLINE;
        instance->started_ms = clock_now_ms();
        *ret = instance;
        return open_parts(instance, err);
}

int
instance_open(const struct config *config, unsigned flags, struct instance **ret, struct err *err)
{
        _cleanup_(instance_freep) struct instance *instance = NULL;
        struct err why = {0};
        int r = open_once(config, flags, &instance, &why);
        if (r && instance && instance->store_damaged && !instance->offline) {
                instance = instance_free(instance); /* with it the damaged file is closed */
                r = rebuild_set_aside(config, why.text, &why);
                r = r ? r : open_once(config, flags, &instance, &why);
        }
        if (r) {
                if (err)
                        *err = why;
                return r;
        }
        instance_flush(
                instance, NULL); /* a store that cannot be written is a problem, not a reason to be blind */
        *ret = steal_pointer(&instance);
        return 0;
}

struct instance *
instance_free(struct instance *instance)
{
        if (!instance)
                return NULL;
        store_free(instance->store); /* its thread may still be at work for us */
        queue_free(instance->pending);
        instance_drop_baseline_states(instance, instance->signers ? judge_baselines(instance->judge) : 0);
        instance_free_windows(instance);
        judge_free(instance->judge);
        flaps_free(instance->flaps);
        text_list_done(&instance->reviews_told);
        trust_free(instance->trust);
        note_signer_free(instance->checkpoint_signer);
        free(instance);
        return NULL;
}

/* ---- start, stop, time ---- */

void
instance_look_at_ends(struct instance *instance)
{
        review_look(instance);
        waivers_look(instance);
        flaps_look(instance);
}

/*
 * The last moment at which a daemon certainly watched, and whether it ended by itself. Both are the daemon's
 * own marks: records written by driftctl while nobody watches are no proof of watching.
 */
static int
load_last_alive(struct instance *instance, struct err *err)
{
        _cleanup_free_ char *kind = NULL, *alive = NULL, *running = NULL;
        int r = store_last_record(instance->store, &instance->last_alive_ms, &kind, err);
        if (r)
                return r == STORE_NONE ? 0 : r;
        instance->had_history = true;
        r = store_value_get(instance->store, "alive", &alive, err);
        if (r == 0)
                instance->last_alive_ms = strtoll(alive, NULL, 10);
        r = r < 0 ? r : store_value_get(instance->store, "running", &running, err);
        instance->stopped_cleanly = r == STORE_NONE;
        return r < 0 ? r : 0;
}

int
instance_start(struct instance *instance, struct err *err)
{
        char from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX];
        int64_t now_ms = clock_now_ms(), last_ms = instance->had_history ? instance->last_alive_ms : now_ms;
        instance->watching = true;
        queue_announce_early(instance);
        instance_value(instance, "running", "yes");
        instance_clock_start(instance);
        if (instance->had_history) {
                clock_format(last_ms, from);
                clock_format(now_ms, to);
                instance_record(instance, "gap", NULL,
                        json_make("{s:s, s:s, s:s}", "from", from, "to", to, "cause",
                                instance->stopped_cleanly ? "stopped" : "killed or crashed"));
        }
        instance_record(instance, "start", NULL,
                json_make("{s:s, s:s, s:b, s:I, s:s}", "version", DRIFTD_VERSION, "host", instance->host,
                        "clean", !instance->had_history || instance->stopped_cleanly, "gap_ms",
                        (json_int)(now_ms - last_ms), "watch", watch_by_names[instance->watched_by]));
        flaps_tell_left(instance);
        review_judge_again(instance); /* the trust file may have been succeeded while nobody ran */
        instance_flush(instance, NULL);
        instance_look_at_ends(instance);
        instance_flush(
                instance, err); /* a store that cannot be written is a problem, not a reason to be blind */
        return 0;
}

int
instance_stop(struct instance *instance, const char *reason, struct err *err)
{
        flaps_stop(instance);
        instance_record(instance, "stop", NULL, json_make("{s:s}", "reason", reason));
        instance_value(instance, "running", NULL);
        return instance_flush_with(instance, NULL, NULL, err);
}

/* Who is in force now may not vouch for what the ones before did. */
static int
renew_trust(struct instance *instance, struct err *err)
{
        struct digest before = instance->trust ? *trust_id(instance->trust) : (struct digest){0};
        int r = instance_load_trust(instance, err);
        if (r || !instance->trust || digest_equal(trust_id(instance->trust), &before))
                return r;
        r = instance->offline ? 0 : rebuild_take(instance, err);
        r = r ? r : instance_load_baselines(instance, err);
        if (r == 0)
                instance_windows_judge_again(instance);
        review_judge_again(instance);
        return r;
}

void
instance_await_trust(struct instance *instance)
{
        struct err why = {0};
        if (!instance->trust)
                renew_trust(instance, &why);
}

int
instance_reload(struct instance *instance, const struct config *config, struct err *err)
{
        instance->config = config;
        int r = renew_trust(instance, err);
        instance->scope_differs = instance_scopes_differ(instance);
        r = r ? r : instance_look_at_view(instance, err);
        instance_look_at_ends(instance);
        return r ? r : instance_flush(instance, err);
}

/* ---- verdict ---- */

static int
count_drift(void *userdata, struct drift *drift)
{
        struct drift_counts *counts = userdata;
        bool waived = judge_waiver(counts->instance->judge, drift, counts->now_ms) != NULL;
        if (waived)
                counts->waived++;
        else if (drift->change == CHANGE_UNKNOWN)
                counts->unknown++;
        else if (drift->moved)
                counts->moved++;
        else
                counts->drift++;
        if (!waived) {
                enum severity severity = judge_severity(counts->instance->judge, drift, counts->now_ms);
                counts->by_severity[severity]++;
                counts->by_domain[drift_domain(drift->item)][severity]++;
        }
        return 0;
}

void
instance_count(struct instance *instance, struct drift_counts *ret)
{
        *ret = (struct drift_counts){.instance = instance, .now_ms = instance_expiry_now(instance)};
        judge_each(instance->judge, count_drift, ret);
}

static void
refresh_unverified(struct instance *instance, const struct drift_counts *counts)
{
        struct coverage coverage;
        char where[128];
        judge_coverage(instance->judge, clock_now_ms(), &coverage);
        uint64_t left = coverage.expected - coverage.verified - coverage.settings - coverage.settings_unknown;
        left = left > counts->moved ? left : counts->moved; /* most of them are the same */
        snprintf(where, sizeof where, "%" PRIu64 " of %" PRIu64 " expectations", left, coverage.expected);
        instance_problem(instance, PROBLEM_UNVERIFIED, left, where,
                "not verified yet, or longer ago than the signed limit: driftctl scan --full");
        instance_problem(instance, PROBLEM_UNKNOWN, counts->unknown, "see the drifts whose change is unknown",
                "driftctl show ITEM says why");
        instance_problem(instance, PROBLEM_DRIFT_LIMIT, judge_refused(instance->judge),
                "more open drifts than are kept", "bless or revert what is listed, then look again");
        instance_problem(instance, PROBLEM_NOT_PROBED, coverage.settings, coverage.settings_where,
                "these settings are not known now: driftctl show ITEM tells of one, driftctl scan looks "
                "again");
}

static void
refresh_stale(struct instance *instance)
{
        const char *name = NULL;
        uint64_t stale = 0;
        for (size_t i = 0; i < judge_baselines(instance->judge); i++) {
                const struct baseline_header *header = baseline_header(judge_baseline(instance->judge, i));
                if (header->expires_ms > instance_expiry_now(instance))
                        continue;
                stale++;
                name = header->name;
        }
        instance_problem(instance, PROBLEM_STALE, stale, name, "it has expired: bless the next generation");
        bool none = judge_baselines(instance->judge) == 0;
        uint64_t expected = 0;
        for (size_t i = 0; i < judge_baselines(instance->judge); i++) {
                size_t n_settings;
                baseline_settings(judge_baseline(instance->judge, i), &n_settings);
                expected += baseline_files(judge_baseline(instance->judge, i)) + n_settings;
        }
        /* Nothing expected is nothing looked at: that is not clean. */
        instance_problem(instance, PROBLEM_NO_BASELINE, !expected,
                none ? "no baseline is active" : "the active baseline expects nothing",
                none ? "driftctl bless --ticket T signs the first one"
                     : "name paths that exist in [files] sections, then driftctl bless --ticket T");
}

const char *
instance_verdict(struct instance *instance)
{
        struct drift_counts counts;
        return instance_verdict_of(instance, &counts);
}

const char *
instance_verdict_of(struct instance *instance, struct drift_counts *ret)
{
        instance_count(instance, ret);
        refresh_unverified(instance, ret);
        refresh_stale(instance);
        instance_refresh_trust_problems(instance);
        if (instance->problems[PROBLEM_UNTRUSTED].count)
                return "untrusted";
        if (ret->drift)
                return "drift";
        for (enum problem_kind kind = 0; kind < PROBLEM_COUNT; kind++)
                if (problem_lowers_coverage(kind) && instance->problems[kind].count)
                        return "incomplete";
        return "clean";
}

/* ---- looking, acknowledging ---- */

int
instance_look(
        struct instance *instance, bool full, atomic_ullong *files, atomic_ullong *bytes, struct err *err)
{
        struct walk_problems problems = {.instance = instance};
        struct judge_scan scan = {
                .full = full,
                .at_once = true,
                .unobserved = instance->had_history, /* nobody watched until now */
                .workers = instance->config->workers,
                .own = instance->own,
                .n_own = instance->n_own,
                .files = files,
                .bytes = bytes,
                .problem = instance_walk_problem,
                .userdata = &problems,
        };
        int r = judge_scan(instance->judge, &scan, err);
        instance_problem(
                instance, PROBLEM_UNREADABLE, problems.count, problems.where, "the folder could not be read");
        instance_problem(
                instance, PROBLEM_PATH_MISSING, problems.missing, problems.missing_where, PATH_MISSING_HINT);
        struct settings_request request = {.unobserved = instance->had_history};
        r = r < 0 ? r : instance_probe(instance->judge, &request, err);
        if (r < 0)
                return r;
        instance_flush(instance, err);
        return 0;
}

/* A folder that is not there is drift by itself; a mount left out is the signed rule. The rest lowers
 * coverage. */
void
instance_walk_problem(void *userdata, const char *path, int error)
{
        struct walk_problems *problems = userdata;
        _cleanup_buf_ struct buf text = {0};
        if (error == EXDEV)
                return;
        if (buf_escape(&text, path, strlen(path)) < 0) /* a problem all the same, and nobody knows which */
                error = ENOMEM;
        if (error == ENOENT || error == ENOTDIR) {
                if (judge_names_path(problems->instance->judge, text.data) &&
                        atomic_fetch_add(&problems->missing, 1) == 0)
                        snprintf(
                                problems->missing_where, sizeof problems->missing_where, "%.500s", text.data);
                return;
        }
        if (atomic_fetch_add(&problems->count, 1) == 0)
                snprintf(problems->where, sizeof problems->where, "%.400s: %s", text.data ? text.data : "?",
                        strerrordesc_np(error));
}

struct json *
instance_asked(const struct instance *instance, struct json *detail)
{
        if (detail && instance->asked &&
                json_put(detail, "asked", json_keep((struct json *)(uintptr_t)instance->asked)) < 0)
                return json_free(detail);
        return detail;
}

struct acking {
        struct instance *instance;
        char *const *items;
        size_t n_items;
        const char *by, *reason;
        uint64_t count;
};

static int
ack_drift(void *userdata, struct drift *drift)
{
        struct acking *acking = userdata;
        if (!item_selected(drift->item, acking->items, acking->n_items))
                return 0;
        char *by = strdup(acking->by), *reason = strdup(acking->reason);
        if (!by || !reason) {
                free(by);
                free(reason);
                return -ENOMEM;
        }
        free(drift->ack_by);
        free(drift->ack_reason);
        drift->ack_by = by;
        drift->ack_reason = reason;
        drift->ack_ms = clock_now_ms();
        acking->count++;
        return queue_ack(acking->instance, drift,
                json_make("{s:s, s:s, s:s}", "baseline", drift->baseline, "by", acking->by, "reason",
                        acking->reason));
}

int
instance_ack(struct instance *instance, char *const *items, size_t n_items, const char *by,
        const char *reason, uint64_t *ret_count, struct err *err)
{
        struct acking acking = {instance, items, n_items, by, reason, 0};
        int r = judge_each(instance->judge, ack_drift, &acking);
        if (r < 0)
                return err_oom(err);
        *ret_count = acking.count;
        return instance_flush(instance, err);
}
