/* SPDX-License-Identifier: MIT */
/*
 * The queue of records that stands between the judge and the store, and the one way into the history: judge
 * events and notes are appended in memory, and a transaction writes the oldest of them, or all, in order.
 * Then they are announced, never before. A failure keeps them, and is a problem until one succeeds.
 *
 * Each drift's record brings the ledger row that holds from then on, so that after any transaction the ledger
 * is what the history says, whatever has been judged since. While the store's thread writes, the first
 * entries are its own.
 */
#include "core/instance_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"

enum pending_work { PENDING_RECORD, PENDING_DRIFT, PENDING_ROW, PENDING_BODY, PENDING_VALUE };

struct pending_entry {
        struct pending_entry *next, *before;
        enum pending_work work;
        int64_t time_ms;
        const char *kind;       /* static text */
        char *item;             /* record's item, or the value's key */
        struct json *detail;    /* record */
        char *baseline;         /* PENDING_DRIFT and PENDING_ROW: whose ledger row it is */
        struct ledger_row *row; /* that holds from then on, its strings behind it; */
        bool gone;              /* or none does */
        struct digest digest;   /* PENDING_BODY */
        char *body;             /* PENDING_BODY and PENDING_VALUE; NULL there: remove */
        size_t body_size;
        uint64_t seq; /* once written */
};

#define EARLY_RECORDS_MAX 64u

struct pending {
        struct pending_entry *first, *last;
        size_t count;
        struct writing { /* a transaction of the store's thread, which alone has the entries in it until it is
                            over */
                size_t count; /* of the first ones; 0: there is none */
                void (*over)(void *userdata);
                void *userdata;
        } writing;
        size_t body_bytes;
        uint64_t dropped, dropped_ever;
        bool storage_told;           /* to be noted in the history when it can be written again */
        bool trouble_told;           /* to who cannot read the history */
        int64_t failed_ms;           /* CLOCK_BOOTTIME: when it last failed */
        struct pending_entry *early; /* written while opening, when nobody listens yet; linked by next */
        size_t n_early;
        char *who_text; /* of the newest drift that named somebody; NULL: none did */
        struct json *who;
        struct json *baseline, *change; /* of the newest drift, as strings */
};

static void
entry_done(struct pending_entry *entry)
{
        free(entry->item);
        json_free(entry->detail);
        free(entry->baseline);
        free(entry->row);
        free(entry->body);
}

static void
entry_free(struct pending_entry *entry)
{
        entry_done(entry);
        free(entry);
}

/* Out of the queue, with the NULL of a list of one; the caller's. */
static struct pending_entry *
pending_take(struct pending *pending, struct pending_entry *entry)
{
        *(entry->before ? &entry->before->next : &pending->first) = entry->next;
        *(entry->next ? &entry->next->before : &pending->last) = entry->before;
        pending->count--;
        pending->body_bytes -= entry->body_size;
        entry->next = NULL;
        return entry;
}

/* The first so many, linked by next; the caller's. */
static struct pending_entry *
pending_take_first(struct pending *pending, size_t count)
{
        struct pending_entry *taken = NULL, **end = &taken;
        for (; count > 0; count--, end = &(*end)->next)
                *end = pending_take(pending, pending->first);
        return taken;
}

static void
entries_free(struct pending_entry *entry)
{
        for (struct pending_entry *next; entry; entry = next) {
                next = entry->next;
                entry_free(entry);
        }
}

/* Whether there was memory for all that the entry says: half a record would say something else. */
static bool
entry_is_whole(const struct pending_entry *entry)
{
        switch (entry->work) {
        case PENDING_RECORD:
                return entry->detail;
        case PENDING_DRIFT:
                return entry->item && entry->baseline && (entry->row || entry->gone) && entry->detail;
        case PENDING_ROW:
                return entry->item && entry->baseline && (entry->row || entry->gone);
        case PENDING_BODY:
                return entry->body;
        case PENDING_VALUE:
                return entry->item;
        }
        return false;
}

/* Takes the entry's contents over; drops and counts it where there is no room or no memory. */
static int
pending_add(struct pending *pending, struct pending_entry entry)
{
        struct pending_entry *added = NULL;
        if (pending->count < PENDING_RECORDS_MAX && entry_is_whole(&entry))
                added = malloc(sizeof *added);
        if (!added) {
                pending->dropped++;
                pending->dropped_ever++;
                entry_done(&entry);
                return -ENOMEM;
        }
        *added = entry;
        added->next = NULL;
        added->before = pending->last;
        *(pending->last ? &pending->last->next : &pending->first) = added;
        pending->last = added;
        pending->count++;
        pending->body_bytes += entry.body_size;
        return 0;
}

struct pending *
queue_new(void)
{
        return calloc(1, sizeof(struct pending));
}

struct pending *
queue_free(struct pending *pending)
{
        if (!pending)
                return NULL;
        entries_free(pending->first);
        entries_free(pending->early);
        free(pending->who_text);
        json_free(pending->who);
        json_free(pending->baseline);
        json_free(pending->change);
        free(pending);
        return NULL;
}

/* ---- what is queued ---- */

size_t
instance_queued(const struct instance *instance)
{
        return instance->pending->count - instance->pending->writing.count;
}

bool
instance_is_durable(const struct instance *instance)
{
        return !instance->pending->count;
}

uint64_t
instance_dropped(const struct instance *instance)
{
        return instance->pending ? instance->pending->dropped_ever : 0;
}

int
instance_record(struct instance *instance, const char *kind, const char *item, struct json *detail)
{
        instance_telemetry_take(instance, kind, detail);
        struct pending_entry entry = {
                .work = PENDING_RECORD,
                .time_ms = clock_now_ms(),
                .kind = kind,
                .item = item ? strdup(item) : NULL,
                .detail = detail,
        };
        if (item && !entry.item) {
                json_free(entry.detail);
                entry.detail = NULL;
        }
        return pending_add(instance->pending, entry);
}

void
instance_value(struct instance *instance, const char *key, const char *value)
{
        struct pending_entry entry = {.work = PENDING_VALUE, .item = strdup(key)};
        entry.body = value ? strdup(value) : NULL;
        if (value && strlen(value) > STORE_VALUE_MAX) {
                instance->pending->dropped_ever++;
                instance->pending->dropped++; /* what can never be written would keep all else from it */
                entry_done(&entry);
        } else if (entry.item && (entry.body || !value))
                pending_add(instance->pending, entry);
        else
                entry_done(&entry);
}

static size_t
packed_size(const char *text)
{
        return text ? strlen(text) + 1 : 0;
}

/* Behind what was packed before. */
static const char *
pack(char **at, const char *text)
{
        char *packed = *at;
        if (!text)
                return NULL;
        *at = stpcpy(packed, text) + 1;
        return packed;
}

/* What the ledger says of an open drift as it is now. baseline and item are borrowed. NULL: no memory. */
static struct ledger_row *
row_of(const struct drift *drift, const char *baseline, const char *item)
{
        const char *const texts[] = {drift->attributes, drift->observed, drift->ack_by, drift->ack_reason,
                drift->cause, drift->who};
        struct ledger_row *row;
        size_t size = sizeof *row;
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                size += packed_size(texts[i]);
        row = malloc(size);
        if (!row)
                return NULL;
        char *at = (char *)(row + 1);
        *row = (struct ledger_row){
                .baseline = baseline,
                .item = item,
                .change = change_names[drift->change],
                .state = drift->ack_by ? "acknowledged" : "open",
                .severity = severity_names[drift->severity],
                .generation = drift->generation,
                .first_seen_ms = drift->first_seen_ms,
                .last_change_ms = drift->last_change_ms,
                .unobserved = drift->unobserved,
                .ack_ms = drift->ack_ms,
        };
        row->attributes = pack(&at, drift->attributes);
        row->observed = pack(&at, drift->observed);
        row->ack_by = pack(&at, drift->ack_by);
        row->ack_reason = pack(&at, drift->ack_reason);
        row->cause = pack(&at, drift->cause);
        row->who = pack(&at, drift->who);
        return row;
}

/* Not yet queued. gone: it is over. */
static struct pending_entry
drift_entry(enum pending_work work, const struct drift *drift, bool gone)
{
        struct pending_entry entry = {
                .work = work,
                .time_ms = clock_now_ms(),
                .item = strdup(drift->item),
                .baseline = strdup(drift->baseline),
                .gone = gone,
        };
        if (!gone && entry.item && entry.baseline)
                entry.row = row_of(drift, entry.baseline, entry.item);
        return entry;
}

static void
queue_row(struct instance *instance, const struct drift *drift, bool gone)
{
        struct pending_entry entry = drift_entry(PENDING_ROW, drift, gone);
        if (entry_is_whole(&entry))
                pending_add(instance->pending, entry);
        else
                entry_done(&entry);
}

void
instance_row(struct instance *instance, const struct drift *drift)
{
        queue_row(instance, drift, false);
}

static const char *
drift_kind(const struct judge_event *event)
{
        if (event->kind == JUDGE_RESOLVED)
                return "resolved";
        if (event->drift->change != CHANGE_UNKNOWN)
                return "drift";
        return event->result == SNAPSHOT_UNSTABLE ? "unstable" : "unreadable";
}

/* Whose events were seen, as JSON; null: nobody's. Whoever changes one thing mostly changes many. */
static struct json *
who_json(const struct instance *instance, const char *who)
{
        struct pending *pending = instance->pending;
        struct json *value = NULL;
        if (who && pending->who_text && strcmp(who, pending->who_text) == 0)
                return json_keep(pending->who);
        char *text = who ? strdup(who) : NULL;
        if (!text || json_parse(text, strlen(text), &value, NULL) < 0) {
                free(text);
                return json_null_new();
        }
        free(pending->who_text);
        json_free(pending->who);
        pending->who_text = text;
        pending->who = value;
        return json_keep(value);
}

/* As a string, which the one before may be too. */
static struct json *
string_again(struct json **last, const char *text)
{
        if (!*last || strcmp(json_string_of(*last), text) != 0) {
                json_free(*last);
                *last = json_string_new(text);
        }
        return json_keep(*last);
}

static struct json *
drift_detail(const struct instance *instance, const struct judge_event *event)
{
        const struct drift *drift = event->drift;
        struct json *baseline = string_again(&instance->pending->baseline, drift->baseline);
        struct json *change = string_again(&instance->pending->change, change_names[drift->change]);
        if (event->kind == JUDGE_RESOLVED)
                return json_make("{s:o, s:I, s:s, s:o, s:o, s:s, s:o}", "baseline", baseline, "generation",
                        (json_int)drift->generation, "as", event->as_approved ? "approved" : "reverted",
                        "change", change, "by_generation",
                        event->as_approved && event->by_generation
                                ? json_make("I", (json_int)event->by_generation)
                                : json_null_new(),
                        /* Also in a window: who was told of the drift before is told of its end. */
                        "severity", severity_names[drift->severity], "who", who_json(instance, event->who));
        struct json *attributes = drift->list ? json_keep(drift->list) : NULL;
        if (!attributes)
                (void)json_parse(drift->attributes, strlen(drift->attributes), &attributes, NULL);
        struct json *detail = json_make("{s:o, s:I, s:o, s:n, s:o, s:b, s:o}", "baseline", baseline,
                "generation", (json_int)drift->generation, "change", change, "severity", "attributes",
                attributes, "unobserved", drift->unobserved, "who", who_json(instance, drift->who));
        if (detail && judge_put_severity(instance->judge, drift, instance_expiry_now(instance), detail) < 0)
                detail = json_free(detail);
        if (detail && drift->reason && json_put(detail, "error", json_string_new(drift->reason)) < 0)
                detail = json_free(detail);
        struct json *views = NULL;
        if (detail && drift->views &&
                (json_parse(drift->views, strlen(drift->views), &views, NULL) < 0 ||
                        json_put(detail, "views", views) < 0))
                detail = json_free(detail);
        return detail;
}

static void
queue_body(struct instance *instance, const struct judge_event *event)
{
        instance_keep(instance, event->digest, event->body, event->body_size);
}

void
instance_keep(struct instance *instance, const struct digest *digest, const char *body, size_t size)
{
        struct pending *pending = instance->pending;
        struct pending_entry entry = {.work = PENDING_BODY, .digest = *digest, .body_size = size};
        if (pending->body_bytes + size > PENDING_BODIES_MAX)
                return; /* offered again at the next look */
        entry.time_ms = clock_now_ms();
        entry.body = malloc(size + 1);
        if (!entry.body)
                return;
        memcpy(entry.body, body, size);
        pending_add(pending, entry);
}

void
instance_keep_now(struct instance *instance, const struct digest *digest, const char *body, size_t size)
{
        if (instance->pending->body_bytes + size > PENDING_BODIES_MAX / 2)
                instance_flush(instance, NULL);
        if (!store_content_has(instance->store, digest))
                instance_keep(instance, digest, body, size);
}

static void
queue_drift(struct instance *instance, const struct judge_event *event)
{
        bool gone = event->kind == JUDGE_RESOLVED;
        if (flap_folds(instance, event)) {
                queue_row(instance, event->drift, gone);
                return;
        }
        struct pending_entry entry = drift_entry(PENDING_DRIFT, event->drift, gone);
        entry.kind = drift_kind(event);
        entry.detail = drift_detail(instance, event);
        pending_add(instance->pending, entry);
        flap_counted(instance, event->drift);
}

void
instance_drift_again(struct instance *instance, struct drift *drift, const char *why)
{
        struct judge_event event = {.kind = JUDGE_DRIFT, .drift = drift};
        struct pending_entry entry = drift_entry(PENDING_DRIFT, drift, false);
        entry.kind = drift_kind(&event);
        entry.detail = drift_detail(instance, &event);
        if (entry.detail && json_put(entry.detail, "again", json_string_new(why)) < 0)
                entry.detail = json_free(entry.detail);
        pending_add(instance->pending, entry);
}

int
queue_ack(struct instance *instance, const struct drift *drift, struct json *detail)
{
        struct pending_entry entry = drift_entry(PENDING_DRIFT, drift, false);
        entry.kind = "ack";
        entry.detail = instance_asked(instance, detail);
        return pending_add(instance->pending, entry);
}

void
queue_judge_event(void *userdata, struct judge_event *event)
{
        struct instance *instance = userdata;
        char key[DIGEST_HEX_SIZE + 16], id[DIGEST_HEX_SIZE], content[DIGEST_HEX_SIZE];
        _cleanup_free_ char *name = NULL, *value = NULL;
        switch (event->kind) {
        case JUDGE_DRIFT:
        case JUDGE_RESOLVED:
                queue_drift(instance, event);
                break;
        case JUDGE_BODY:
                queue_body(instance, event);
                break;
        case JUDGE_ROTATED:
                digest_hex(baseline_id(event->baseline), id);
                digest_hex(&event->rotation->content, content);
                snprintf(key, sizeof key, "growing:%.16s:", id);
                if (asprintf(&name, "%s%s", key, event->item) < 0 ||
                        asprintf(&value, "%" PRIu64 " %" PRIu64 " %s", event->rotation->size,
                                event->rotation->inode, content) < 0)
                        return;
                instance_value(instance, name, value);
                break;
        }
}

/* ---- a transaction ---- */

static int
write_row(struct instance *instance, struct pending_entry *entry, struct err *err)
{
        if (entry->gone)
                return ledger_remove(instance->store, entry->baseline, entry->item, err);
        entry->row->seq = entry->seq;
        return ledger_put(instance->store, entry->row, err);
}

static int
write_entry(struct instance *instance, struct pending_entry *entry, struct err *err)
{
        switch (entry->work) {
        case PENDING_BODY:
                if (store_content_has(instance->store, &entry->digest))
                        return 0;
                return store_content_put(
                        instance->store, &entry->digest, entry->body, entry->body_size, entry->time_ms, err);
        case PENDING_VALUE:
                return store_value_put(instance->store, entry->item, entry->body, err);
        case PENDING_ROW:
                return write_row(instance, entry, err);
        case PENDING_RECORD:
        case PENDING_DRIFT:
                break;
        }
        int r = store_record(
                instance->store, entry->time_ms, entry->kind, entry->item, entry->detail, &entry->seq, err);
        if (r == 0 && entry->work == PENDING_DRIFT)
                r = write_row(instance, entry, err);
        return r;
}

/* What a daemon makes durable is also the proof that it watched until then. */
static int
write_alive(struct instance *instance, struct err *err)
{
        char text[24];
        snprintf(text, sizeof text, "%" PRId64, clock_now_ms());
        return store_value_put(instance->store, "alive", text, err);
}

/* The first `count`, within a transaction. */
static int
write_entries(struct instance *instance, size_t count, struct err *err)
{
        struct pending_entry *entry = instance->pending->first;
        int r = instance->watching ? write_alive(instance, err) : 0;
        /* (The last one's link is not looked at: others may be queued behind it meanwhile.) */
        for (; count > 0 && r == 0; count--) {
                r = write_entry(instance, entry, err);
                entry = count > 1 ? entry->next : NULL;
        }
        return r;
}

static int
write_all(struct instance *instance, int (*more)(void *userdata, struct err *err), void *userdata,
        struct err *err)
{
        int r = store_begin(instance->store, err);
        if (r)
                return r;
        r = more ? more(userdata, err) : 0;
        r = r ? r : write_entries(instance, instance->pending->count, err);
        if (r == 0)
                return store_commit(instance->store, err);
        store_rollback(instance->store);
        return r;
}

/* ---- what is durable is told ---- */

static void
announce_entries(struct instance *instance, const struct pending_entry *entry)
{
        char hex[DIGEST_HEX_SIZE] = "";
        if (instance->trust)
                digest_hex(trust_id(instance->trust), hex);
        _cleanup_json_ struct json *id = json_string_new(hex);
        for (; entry; entry = entry->next) {
                if (entry->work != PENDING_RECORD && entry->work != PENDING_DRIFT)
                        continue;
                struct announcement announcement = {
                        entry->seq, entry->time_ms, entry->kind, entry->item, entry->detail, id};
                instance->announce(instance->announce_userdata, &announcement);
        }
        if (instance->announced)
                instance->announced(instance->announce_userdata);
}

/* Nobody listens yet. Takes the entries over. */
static void
keep_early(struct pending *pending, struct pending_entry *entry)
{
        struct pending_entry **end = &pending->early;
        while (*end)
                end = &(*end)->next;
        for (struct pending_entry *next; entry; entry = next) {
                next = entry->next;
                if (entry->work != PENDING_RECORD || pending->n_early == EARLY_RECORDS_MAX) {
                        entry_free(entry);
                        continue;
                }
                pending->n_early++;
                entry->next = NULL;
                *end = entry;
                end = &entry->next;
        }
}

/* These are durable. Takes them over. */
static void
tell_durable(struct instance *instance, struct pending_entry *entries)
{
        if (!instance->announce && !instance->offline) {
                keep_early(instance->pending, entries);
                return;
        }
        if (instance->announce)
                announce_entries(instance, entries);
        entries_free(entries);
}

void
queue_announce_early(struct instance *instance)
{
        struct pending *pending = instance->pending;
        if (instance->announce)
                announce_entries(instance, pending->early);
        entries_free(steal_pointer(&pending->early));
        pending->n_early = 0;
}

/* The store is writable again: the failure itself goes into the history. */
static void
note_recovery(struct instance *instance)
{
        struct pending *pending = instance->pending;
        if (!pending->storage_told && !pending->dropped)
                return;
        const char *error =
                pending->storage_told ? instance->problems[PROBLEM_STORAGE].where : "out of memory";
        struct json *detail =
                json_make("{s:s, s:I}", "error", error, "records_dropped", (json_int)pending->dropped);
        if (!detail)
                return; /* at the next flush */
        pending->storage_told = false;
        pending->trouble_told = false;
        pending->dropped = 0;
        instance_record(instance, "storage", NULL, detail);
        instance_problem(instance, PROBLEM_STORAGE, 0, NULL, NULL);
}

void
instance_unrecord(struct instance *instance)
{
        if (instance_queued(instance))
                entry_free(pending_take(instance->pending, instance->pending->last));
}

/* ---- flushing ---- */

/* All that waits is tried at once, so a storm on a full disk must not try at each change. */
static bool
may_flush(const struct instance *instance, struct err *err)
{
        const struct pending *pending = instance->pending;
        if (!pending->storage_told || clock_monotonic_ms() - pending->failed_ms >= FLUSH_AGAIN_MS)
                return true;
        err_set(err, -EAGAIN, "%s", instance->problems[PROBLEM_STORAGE].where);
        return false;
}

int
instance_flush(struct instance *instance, struct err *err)
{
        const struct pending *pending = instance->pending;
        instance_flush_end(instance, true);
        if (!pending->count && !pending->dropped)
                return 0;
        return may_flush(instance, err) ? instance_flush_with(instance, NULL, NULL, err) : -EAGAIN;
}

/* After a sync that failed the store is in other files. */
static void
note_own(struct instance *instance)
{
        if (!store_was_renewed(instance->store))
                return;
        _cleanup_free_ char *path = config_database(instance->config);
        if (path)
                instance->n_own = store_own_files(path, instance->own);
}

/* At once, and each time the words are others; the daemon repeats it each minute. */
static void
tell_trouble(struct instance *instance, const struct err *why)
{
        struct pending *pending = instance->pending;
        const struct problem *problem = &instance->problems[PROBLEM_STORAGE];
        bool told =
                pending->trouble_told && strncmp(problem->where, why->text, sizeof problem->where - 1) == 0;
        pending->storage_told = true;
        pending->failed_ms = clock_monotonic_ms();
        if (told || !instance->trouble)
                return;
        pending->trouble_told = true;
        instance->trouble(instance->announce_userdata, why->text);
}

/* How the transaction of the first `count` came out. Those that are durable are the caller's, to be told. */
static int
take_flushed(
        struct instance *instance, int r, size_t count, const struct err *why, struct pending_entry **ret)
{
        *ret = NULL;
        if (r) {
                tell_trouble(instance, why);
                size_t waits = instance->pending->count;
                instance_problem(instance, PROBLEM_STORAGE, waits ? waits : 1, why->text,
                        r == STORE_DAMAGED ? STORE_DAMAGED_HINT
                                           : "free space or mend the file system that holds state_dir; "
                                             "detection goes on");
                return r < 0 ? r : -EIO;
        }
        *ret = pending_take_first(instance->pending, count);
        note_own(instance);
        return 0;
}

static void
tell_flushed(struct instance *instance, int r, struct pending_entry *entries)
{
        if (r)
                return;
        tell_durable(instance, entries);
        note_recovery(instance);
}

int
instance_flush_with(struct instance *instance, int (*more)(void *userdata, struct err *err), void *userdata,
        struct err *err)
{
        struct pending *pending = instance->pending;
        struct err local = {0};
        instance_flush_end(instance, true);
        int r = write_all(instance, more, userdata, &local);
        struct pending_entry *entries;
        r = take_flushed(instance, r, pending->count, &local, &entries);
        tell_flushed(instance, r, entries);
        if (r) {
                if (err)
                        *err = local;
                return r;
        }
        if (pending->count) /* what that made to be told: whether it can be is another question */
                instance_flush_with(instance, NULL, NULL, NULL);
        return 0;
}

/* In the store's thread. */
static int
write_first(void *userdata, struct err *err)
{
        struct instance *instance = userdata;
        return write_entries(instance, instance->pending->writing.count, err);
}

static void
first_written(void *userdata)
{
        const struct instance *instance = userdata;
        const struct writing *writing = &instance->pending->writing;
        writing->over(writing->userdata);
}

/* How many of the oldest, about so many: what belongs together (a record and the values that go with it) is
 * not parted, so one begins only with a drift's record. */
static size_t
count_oldest(const struct pending *pending, size_t wanted)
{
        const struct pending_entry *entry = pending->first;
        size_t count = 0;
        for (; entry && (count < wanted || entry->work != PENDING_DRIFT); count++)
                entry = entry->next;
        return count;
}

bool
instance_is_flushing(const struct instance *instance)
{
        return instance->pending->writing.count && !store_write_is_over(instance->store);
}

/* The store's thread is done with its entries. */
static int
end_writing(struct instance *instance, struct pending_entry **ret)
{
        struct err local = {0};
        int r = store_write_end(instance->store, &local);
        size_t count = instance->pending->writing.count;
        instance->pending->writing.count = 0;
        return take_flushed(instance, r, count, &local, ret);
}

void
instance_flush_begin(struct instance *instance, size_t wanted, void (*over)(void *userdata), void *userdata)
{
        struct pending *pending = instance->pending;
        struct pending_entry *entries = NULL;
        if (instance_is_flushing(instance))
                return;
        bool ended = pending->writing.count;
        int r = ended ? end_writing(instance, &entries) : 0;
        if (pending->count && may_flush(instance, NULL)) {
                pending->writing = (struct writing){count_oldest(pending, wanted), over, userdata};
                if (!store_write_begin(instance->store, write_first, first_written, instance))
                        pending->writing.count = 0;
        }
        if (ended) /* meanwhile the next are written */
                tell_flushed(instance, r, entries);
        if (!pending->writing.count)
                instance_flush(instance, NULL);
}

void
instance_flush_end(struct instance *instance, bool wait)
{
        struct pending_entry *entries;
        if (!instance->pending->writing.count || (!wait && instance_is_flushing(instance)))
                return;
        int r = end_writing(instance, &entries);
        tell_flushed(instance, r, entries);
}
