/* SPDX-License-Identifier: MIT */
/*
 * Open drifts, by (baseline, item): from what a look found to drift opened, altered or resolved, each told
 * to the instance once. Everything here is done under the judge's lock, and judge_observe is the one way in.
 */
#include "core/judge_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/item.h"

/* ---- drifts ---- */

struct drift *
drift_free(struct drift *drift)
{
        if (!drift)
                return NULL;
        free(drift->item);
        free(drift->attributes);
        json_free(drift->list);
        free(drift->views);
        free(drift->reason);
        free(drift->ack_by);
        free(drift->ack_reason);
        free(drift->cause);
        free(drift->who);
        free(drift);
        return NULL;
}

void
drift_resolve(struct judge *judge, struct drift **slot, bool approved, uint64_t generation, const char *who)
{
        struct drift *drift = *slot;
        tree_remove(judge, slot);
        struct judge_event event = {
                .kind = JUDGE_RESOLVED,
                .drift = drift,
                .as_approved = approved,
                .by_generation = generation,
                .who = who,
        };
        judge->emit(judge->userdata, &event);
        drift_free(drift);
}

int
drift_add(struct judge *judge, struct drift *drift)
{
        if (judge->n_drifts == DRIFTS_MAX) {
                atomic_fetch_add(&judge->refused, 1);
                return -ENOSPC;
        }
        tree_insert(judge, drift);
        return 0;
}

/* ---- drifts from findings ---- */

/* What moves whenever a growing file grows; of one that nobody expects, no prefix is known that would stay.
 */
static uint32_t
growing_moves(bool expected)
{
        uint32_t moves = ATTRIBUTE_BIT(ATTRIBUTE_SIZE) | ATTRIBUTE_BIT(ATTRIBUTE_MTIME) |
                         ATTRIBUTE_BIT(ATTRIBUTE_CTIME) | ATTRIBUTE_BIT(ATTRIBUTE_INODE);
        return expected ? moves : moves | ATTRIBUTE_BIT(ATTRIBUTE_CONTENT);
}

static int
observed_digest(struct judge *judge, const struct ruling *ruling, const struct observation *seen,
        char ret[static DIGEST_HEX_SIZE])
{
        struct buf *text = &judge->saying;
        struct digest digest;
        ret[0] = '\0';
        if (seen->result == SNAPSHOT_GONE)
                return 0;
        uint32_t mask = ruling->scope->attributes;
        if (ruling->scope->mode == SCOPE_GROWING)
                mask &= ~growing_moves(ruling->expected);
        buf_clear(text);
        int r = buf_printf(text, "%d %d", seen->result, seen->snapshot->failed_errno);
        r = r ? r : attributes_append(mask, &seen->snapshot->attributes, text);
        if (r < 0)
                return r;
        digest_bytes(text->data, text->size, &digest);
        digest_hex(&digest, ret);
        return 0;
}

/* "=value", or "-" where the side has none; with its NUL. */
static int
append_side(enum attribute attribute, const struct attributes *side, struct buf *text)
{
        bool has = side && side->known & ATTRIBUTE_BIT(attribute) &&
                   attribute_applicable(ATTRIBUTE_BIT(attribute), side->type);
        int r = buf_append(text, has ? "=" : "-", 1);
        if (r == 0 && has)
                r = attribute_append_value(attribute, side, text);
        return r ? r : buf_append(text, "", 1);
}

static struct json *
side_json(const char *side)
{
        return *side == '=' ? json_string_new(side + 1) : json_null_new();
}

/* {name, expected, actual}. Of xattrs also `fields`: the actual ones as a baseline writes them, for to people
 * a digest is shown cut short, and what is there must be found again from what is written. Of the files of
 * one program most attributes are the same: what was said last of each is said again, and shared. */
static struct json *
attribute_json(struct judge *judge, enum attribute attribute, const struct attributes *expected,
        const struct attributes *actual)
{
        struct said *said = &judge->said[attribute];
        struct buf *text = &judge->saying;
        bool fields = attribute == ATTRIBUTE_XATTRS && actual;
        buf_clear(text);
        int r = append_side(attribute, expected, text);
        size_t second = text->size, third;
        r = r ? r : append_side(attribute, actual, text);
        third = text->size;
        if (r == 0 && fields)
                r = attributes_append(ATTRIBUTE_BIT(attribute), actual, text);
        r = r ? r : buf_append(text, "", fields); /* what has fields is another thing than what has none */
        if (r == 0 && said->value && said->text.size == text->size &&
                memcmp(said->text.data, text->data, text->size) == 0)
                return json_keep(said->value);
        _cleanup_json_ struct json *one = json_object_make();
        if (!said->name)
                said->name = json_string_new(attribute_name(attribute));
        r = r ? r : json_put(one, "name", json_keep(said->name));
        r = r ? r : json_put(one, "expected", side_json(text->data));
        r = r ? r : json_put(one, "actual", side_json(text->data + second));
        if (r == 0 && fields)
                r = json_put(one, "fields", json_string_new(text->data + third));
        if (r < 0)
                return NULL;
        struct buf before = said->text;
        said->text = *text;
        *text = before;
        json_free(said->value);
        said->value = json_keep(one);
        return steal_pointer(&one);
}

/* Of two sides; either may be NULL. */
static struct json *
attributes_json(struct judge *judge, uint32_t mask, const struct attributes *expected,
        const struct attributes *actual)
{
        struct json *list = json_array_make();
        for (unsigned i = 0; list && i < ATTRIBUTE_COUNT; i++)
                if (mask & 1u << i)
                        json_gather(&list, attribute_json(judge, i, expected, actual));
        return list;
}

static uint32_t
reported_mask(const struct ruling *ruling, const struct finding *finding, const struct attributes *expected,
        const struct observation *seen)
{
        switch (finding->change) {
        case CHANGE_CHANGED:
                return finding->differ;
        case CHANGE_MISSING:
                return attribute_applicable(ruling->scope->attributes, expected->type);
        case CHANGE_UNEXPECTED:
                return attribute_applicable(ruling->scope->attributes, seen->snapshot->attributes.type) &
                       seen->snapshot->attributes.known;
        default:
                return 0;
        }
}

static const char *
unknown_reason(const struct observation *seen)
{
        if (seen->result == SNAPSHOT_UNSTABLE)
                return "it did not hold still while it was read";
        if (seen->snapshot->failed_errno == EXDEV)
                return "something is mounted over it that its scope does not go into";
        if (seen->snapshot->failed_errno == ETIMEDOUT)
                return "its file system does not answer";
        if (seen->snapshot->failed_errno == EFBIG)
                return "it is larger than the 256 GiB of which content is read";
        return strerrordesc_np(seen->snapshot->failed_errno);
}

/* Fills in what the look says, all of it or (with no memory) nothing; what belongs to the drift's life (first
 * seen, acknowledgement) is the caller's. */
static int
drift_describe(struct judge *judge, struct drift *drift, const struct ruling *ruling,
        const struct finding *finding, const struct attributes *expected, const struct observation *seen)
{
        const struct attributes *actual = seen->result == SNAPSHOT_GONE ? NULL : &seen->snapshot->attributes;
        _cleanup_json_ struct json *list = attributes_json(judge,
                reported_mask(ruling, finding, expected, seen), ruling->expected ? expected : NULL, actual);
        bool unknown = finding->change == CHANGE_UNKNOWN;
        const char *words = unknown ? unknown_reason(seen) : NULL;
        _cleanup_free_ char *reason = judge_copy(unknown && !words ? "?" : words);
        buf_clear(&judge->saying);
        char *text = list && json_write(list, &judge->saying) == 0 ? strdup(judge->saying.data) : NULL;
        if (!text || (unknown && !reason)) {
                free(text);
                return -ENOMEM;
        }
        free(drift->attributes);
        free(drift->reason);
        drift->attributes = text;
        json_free(drift->list);
        drift->list = steal_pointer(&list);
        drift->reason = steal_pointer(&reason);
        drift->change = finding->change;
        drift->severity = ruling->scope->severity;
        return 0;
}

/* What of the attributes of a drift is no metadata, as text. `before` NULL: nothing. */
static int
beyond_metadata(const char *attributes, struct buf *ret)
{
        static const enum attribute beyond[] = {ATTRIBUTE_TYPE, ATTRIBUTE_SIZE, ATTRIBUTE_CONTENT,
                ATTRIBUTE_TARGET, ATTRIBUTE_RDEV, ATTRIBUTE_INODE};
        _cleanup_json_ struct json *list = NULL;
        if (!attributes)
                return 0;
        int r = json_parse(attributes, strlen(attributes), &list, NULL);
        json_each (list, i, attribute) {
                const char *name = json_text(attribute, "name");
                for (size_t j = 0; r == 0 && name && j < ARRAY_SIZE(beyond); j++)
                        if (strcmp(name, attribute_name(beyond[j])) == 0)
                                r = json_write(attribute, ret);
        }
        return r;
}

/* Who brought a drift from one form to the next (attributes; NULL: none). Whoever only changed metadata is
 * not named where anything else changed: that somebody did whom no event told of. NULL: nobody is known. */
static const char *
who_between(const struct drift_look *look, const char *before, const char *after)
{
        _cleanup_buf_ struct buf old = {0}, new = {0};
        if (!look->who || !look->who_of_metadata)
                return look->who;
        if (beyond_metadata(before, &old) < 0 || beyond_metadata(after, &new) < 0)
                return NULL;
        return old.size == new.size && (!new.size || memcmp(old.data, new.data, new.size) == 0) ? look->who
                                                                                                : NULL;
}

struct drift *
drift_make(const struct drift_look *look)
{
        struct drift *drift = calloc(1, sizeof *drift);
        if (!drift)
                return NULL;
        drift->item = strdup(look->item);
        memcpy(drift->baseline, look->header->name, sizeof drift->baseline);
        drift->generation = look->header->generation;
        drift->first_seen_ms = look->now_ms;
        drift->unobserved = look->unobserved;
        if (!drift->item || look->describe(look->userdata, drift) < 0)
                return drift_free(drift);
        drift->who =
                judge_copy(who_between(look, NULL, drift->attributes)); /* without memory: nobody is known */
        return drift;
}

static void
emit_drift(struct judge *judge, struct drift *drift, const struct drift_look *look)
{
        struct judge_event event = {.kind = JUDGE_DRIFT, .drift = drift, .result = look->result};
        judge->emit(judge->userdata, &event);
        drift->list = json_free(drift->list);
}

static int
drift_open(struct judge *judge, const struct drift_look *look)
{
        _cleanup_(drift_freep) struct drift *drift = drift_make(look);
        if (!drift)
                return -ENOMEM;
        memcpy(drift->observed, look->observed, sizeof drift->observed);
        drift->last_change_ms = look->now_ms;
        drift->mark = look->mark;
        if (drift_add(judge, drift) < 0)
                return 1; /* counted as refused: coverage says so, and the next pass tries again */
        emit_drift(judge, steal_pointer(&drift), look);
        return 0;
}

/* Seen in another form than before: a new record, and neither an acknowledgement nor a cause of the old form
 * covers it. */
static int
drift_alter(struct judge *judge, struct drift *drift, const struct drift_look *look)
{
        char *cause = steal_pointer(&drift->cause);
        _cleanup_free_ char *before = judge_copy(drift->attributes);
        int r = look->describe(look->userdata, drift);
        if (r < 0) {
                drift->cause = cause;
                return r;
        }
        free(cause);
        free(drift->who);
        drift->who = judge_copy(who_between(look, before, drift->attributes));
        memcpy(drift->observed, look->observed, sizeof drift->observed);
        free(drift->ack_by);
        free(drift->ack_reason);
        drift->ack_by = drift->ack_reason = NULL;
        drift->last_change_ms = look->now_ms;
        drift->generation = look->header->generation;
        drift->unobserved = look->unobserved; /* of this form: the one before has its own record */
        emit_drift(judge, drift, look);
        return 0;
}

int
drift_update(struct judge *judge, const struct drift_look *look)
{
        struct drift **slot = drift_slot(judge, look->header->name, look->item);
        bool same_look = *slot && strcmp((*slot)->observed, look->observed) == 0;
        if (!look->drift) {
                /* The expectation moved to the live side: approved. Otherwise the live side came back. */
                if (*slot)
                        drift_resolve(judge, slot,
                                (*slot)->moved ||
                                        (same_look && (*slot)->generation < look->header->generation),
                                look->header->generation, who_between(look, (*slot)->attributes, NULL));
                return 0;
        }
        if (!*slot)
                return drift_open(judge, look);
        int r = 0;
        if (!same_look || (*slot)->change != look->change)
                r = drift_alter(judge, *slot, look);
        else if (look->renew)
                r = look->describe(look->userdata, *slot);
        (*slot)->list = json_free((*slot)->list);
        if (r < 0)
                return r;
        (*slot)->mark = look->mark;
        (*slot)->moved = false;
        return 0;
}

/* ---- of files ---- */

struct file_look {
        struct judge *judge;
        const struct ruling *ruling;
        const struct finding *finding;
        const struct attributes *expected;
        const struct observation *seen;
};

static int
describe_file(void *userdata, struct drift *drift)
{
        const struct file_look *file = userdata;
        return drift_describe(file->judge, drift, file->ruling, file->finding, file->expected, file->seen);
}

static struct drift_look
look_of_file(struct file_look *file, const char *item)
{
        return (struct drift_look){
                .header = baseline_header(file->ruling->standing->baseline),
                .item = item,
                .drift = file->finding->drift,
                .change = file->finding->change,
                .now_ms = file->seen->now_ms,
                .unobserved = file->seen->unobserved,
                .who = file->seen->who,
                .who_of_metadata = file->seen->who_of_metadata,
                .result = file->seen->result,
                .mark = file->seen->snapshot->mark,
                /* A drift that the store remembered does not know why; the look does. */
                .renew = file->finding->change == CHANGE_UNKNOWN,
                .describe = describe_file,
                .userdata = file,
        };
}

static int
update_drift(struct judge *judge, const struct ruling *ruling, const char *item,
        const struct finding *finding, const struct attributes *expected, const struct observation *seen)
{
        struct file_look file = {judge, ruling, finding, expected, seen};
        struct drift_look look = look_of_file(&file, item);
        int r = observed_digest(judge, ruling, seen, look.observed);
        return r < 0 ? r : drift_update(judge, &look);
}

struct json *
judge_look_json(struct judge *judge, size_t index, const char *item, const struct observation *seen)
{
        struct ruling ruling = rule_on(&judge->standings->list[index], item + 5);
        _cleanup_attributes_ struct attributes expected = {0};
        struct finding finding = {0};
        _cleanup_(drift_freep) struct drift *drift = NULL;
        if (!ruling.scope || seen->result == SNAPSHOT_OWN)
                return json_null_new();
        struct file_look file = {judge, &ruling, &finding, &expected, seen};
        pthread_mutex_lock(&judge->lock); /* rotations, and what was said, are written under it */
        int r = rule_find(&ruling, item, seen, &expected, &finding);
        bool shows = r == 0 && rule_suffices(&ruling, item, &expected, seen) && finding.drift;
        struct drift_look look = look_of_file(&file, item);
        if (shows)
                drift = drift_make(&look);
        pthread_mutex_unlock(&judge->lock);
        if (r == 0 && !shows)
                return json_null_new();
        return drift ? judge_drift_json(judge, drift, seen->now_ms) : NULL;
}

/* Content is kept when small, text, and world-readable as expected and as observed (snapshot.body has seen to
 * the observed side). */
static void
offer_body(struct judge *judge, const struct ruling *ruling, const struct attributes *expected,
        const struct observation *seen)
{
        struct snapshot *snapshot = seen->snapshot;
        bool expected_readable =
                ruling->expected && expected->type == FILE_REGULAR && expected->mode & S_IROTH;
        if (seen->result != 0 || !snapshot->body || !ruling->scope->keep_content || !expected_readable)
                return;
        struct judge_event event = {
                .kind = JUDGE_BODY,
                .digest = &snapshot->attributes.content,
                .body = snapshot->body,
                .body_size = snapshot->body_size,
        };
        judge->emit(judge->userdata, &event);
}

static void
remember_rotation(
        struct judge *judge, const struct ruling *ruling, const char *item, const struct finding *finding)
{
        if (!finding->rotated || rotation_put(ruling->standing, item, &finding->rotation) < 0)
                return;
        struct judge_event event = {
                .kind = JUDGE_ROTATED,
                .item = item,
                .baseline = ruling->standing->baseline,
                .rotation = &finding->rotation,
        };
        judge->emit(judge->userdata, &event);
}

static int
judge_by(struct judge *judge, struct standing *s, const char *item, const struct observation *seen)
{
        struct ruling ruling = rule_on(s, item + 5);
        _cleanup_attributes_ struct attributes expected = {0};
        struct finding finding;
        if (!ruling.scope)
                return 0;
        int r = rule_find(&ruling, item, seen, &expected, &finding);
        if (r == 0 && !rule_suffices(&ruling, item, &expected, seen)) {
                if (ruling.expected)
                        *standing_entry(s, ruling.index).mark =
                                0; /* to be looked at again, for this baseline */
                return 0;
        }
        r = r ? r : update_drift(judge, &ruling, item, &finding, &expected, seen);
        if (r > 0 && ruling.expected)
                *standing_entry(s, ruling.index).mark = 0;
        if (r)
                return r < 0 ? r : 0;
        remember_rotation(judge, &ruling, item, &finding);
        rule_mark(&ruling, &finding, seen);
        offer_body(judge, &ruling, &expected, seen);
        return 0;
}

int
judge_observe(struct judge *judge, const char *path, const struct observation *seen)
{
        _cleanup_free_ char *item = item_from_path(path);
        if (!item)
                return -ENOMEM;
        if (seen->result == SNAPSHOT_OWN)
                return 0;
        int r = 0;
        pthread_mutex_lock(&judge->lock);
        for (size_t i = 0; judge->standings && i < judge->standings->n && r == 0; i++)
                r = judge_by(judge, &judge->standings->list[i], item, seen);
        pthread_mutex_unlock(&judge->lock);
        return r;
}
