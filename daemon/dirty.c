/* SPDX-License-Identifier: MIT */
/*
 * The dirty set: a hash by path over entries that stand in one of three places, the queue (ready, in order),
 * the waiting list (not before a time), or out (being looked at). Numbers only grow, so "all that was
 * marked before now is settled" is a comparison. One thread.
 */
#include "daemon/dirty.h"

#include <string.h>

#define BUCKETS 16384u

enum place { PLACE_QUEUE, PLACE_WAITING, PLACE_OUT };

struct dirty_entry {
        struct dirty_entry *next, *prev; /* in its place's list */
        struct dirty_entry *chain;       /* in its bucket */
        enum place place;
        uint64_t number;
        int64_t not_before_ms;
        bool from_pass;
        bool gap;   /* events may be missing since the last look that told something */
        bool again; /* marked while out */
        bool again_gap;
        bool again_from_pass;
        uint64_t again_number;
        int64_t again_not_before_ms;
        struct who_trace *trace, *again_trace; /* NULL: nobody is known */
        char path[];
};

struct list {
        struct dirty_entry *first, *last;
};

struct dirty {
        struct dirty_entry *buckets[BUCKETS];
        struct list places[3];
        uint64_t number;
        size_t count;
        int64_t first_due_ms; /* of those that wait; INT64_MAX: none does */
};

static struct dirty_entry **
slot_of(struct dirty *dirty, const char *path)
{
        uint64_t hash = 14695981039346656037u; /* FNV-1a */
        for (const char *p = path; *p; p++)
                hash = (hash ^ (unsigned char)*p) * 1099511628211u;
        struct dirty_entry **slot = &dirty->buckets[(hash ^ hash >> 31) % BUCKETS];
        while (*slot && strcmp((*slot)->path, path) != 0)
                slot = &(*slot)->chain;
        return slot;
}

/* Keeps each list in the order of numbers: nearly always that is its end. */
static void
list_insert(struct dirty *dirty, struct dirty_entry *entry, enum place place)
{
        struct list *list = &dirty->places[place];
        struct dirty_entry *before = list->last;
        while (before && before->number > entry->number)
                before = before->prev;
        entry->place = place;
        entry->prev = before;
        entry->next = before ? before->next : list->first;
        *(entry->prev ? &entry->prev->next : &list->first) = entry;
        *(entry->next ? &entry->next->prev : &list->last) = entry;
        if (place == PLACE_WAITING && entry->not_before_ms < dirty->first_due_ms)
                dirty->first_due_ms = entry->not_before_ms;
}

static void
list_remove(struct dirty *dirty, struct dirty_entry *entry)
{
        struct list *list = &dirty->places[entry->place];
        *(entry->prev ? &entry->prev->next : &list->first) = entry->next;
        *(entry->next ? &entry->next->prev : &list->last) = entry->prev;
}

struct dirty *
dirty_new(void)
{
        struct dirty *dirty = calloc(1, sizeof *dirty);
        if (dirty)
                dirty->first_due_ms = INT64_MAX;
        return dirty;
}

static void
entry_free(struct dirty_entry *entry)
{
        who_trace_free(entry->trace);
        who_trace_free(entry->again_trace);
        free(entry);
}

struct dirty *
dirty_free(struct dirty *dirty)
{
        if (!dirty)
                return NULL;
        for (size_t i = 0; i < ARRAY_SIZE(dirty->places); i++)
                for (struct dirty_entry *entry = dirty->places[i].first, *next; entry; entry = next) {
                        next = entry->next;
                        entry_free(entry);
                }
        free(dirty);
        return NULL;
}

static void
mark_known(struct dirty *dirty, struct dirty_entry *entry, bool from_pass, int64_t not_before_ms)
{
        if (entry->place != PLACE_OUT) {
                entry->from_pass = entry->from_pass && from_pass;
                return;
        }
        if (!entry->again)
                entry->again_number = ++dirty->number;
        entry->again_from_pass = from_pass && (!entry->again || entry->again_from_pass);
        entry->again_not_before_ms = not_before_ms;
        entry->again = true;
}

bool
dirty_mark(struct dirty *dirty, const char *path, bool from_pass, int64_t not_before_ms)
{
        struct dirty_entry **slot = slot_of(dirty, path), *entry = *slot;
        if (entry) {
                mark_known(dirty, entry, from_pass, not_before_ms);
                return true;
        }
        size_t size = strlen(path) + 1;
        if (!dirty_has_room(dirty) || !(entry = calloc(1, sizeof *entry + size)))
                return false;
        memcpy(entry->path, path, size);
        entry->number = ++dirty->number;
        entry->from_pass = from_pass;
        entry->not_before_ms = not_before_ms;
        *slot = entry;
        dirty->count++;
        list_insert(dirty, entry, not_before_ms ? PLACE_WAITING : PLACE_QUEUE);
        return true;
}

bool
dirty_waits(struct dirty *dirty, const char *path)
{
        const struct dirty_entry *entry = *slot_of(dirty, path);
        return entry && entry->place != PLACE_OUT && !entry->from_pass;
}

void
dirty_touch(struct dirty *dirty, const char *path, const struct who_touch *touch)
{
        struct dirty_entry *entry = *slot_of(dirty, path);
        if (entry)
                who_trace_add(entry->place == PLACE_OUT ? &entry->again_trace : &entry->trace, touch);
}

/* An event that came while the path was looked at may be of what the look saw, or of what it will see next:
 * it counts for both. */
char *
dirty_who(const struct dirty_entry *entry, bool gap, bool *ret_of_metadata)
{
        const struct who_trace *all = entry->trace;
        struct who_trace *both = NULL;
        if (entry->again_trace) {
                who_trace_copy(&both, entry->trace);
                who_trace_copy(&both, entry->again_trace);
                all = both;
        }
        char *text = who_trace_write(all, gap || entry->gap);
        *ret_of_metadata = who_trace_of_metadata(all);
        who_trace_free(both);
        return text;
}

void
dirty_keep_who(struct dirty_entry *entry, bool gap)
{
        entry->again_gap = gap || entry->gap;
        who_trace_join(&entry->trace, &entry->again_trace);
        entry->again_trace = steal_pointer(&entry->trace);
}

bool
dirty_has_room(const struct dirty *dirty)
{
        return dirty->count < DIRTY_PATHS_MAX;
}

size_t
dirty_count(const struct dirty *dirty)
{
        return dirty->count;
}

bool
dirty_is_busy(const struct dirty *dirty)
{
        return dirty->places[PLACE_QUEUE].first || dirty->places[PLACE_OUT].first;
}

void
dirty_wake(struct dirty *dirty, int64_t now_ms)
{
        if (now_ms < dirty->first_due_ms)
                return;
        dirty->first_due_ms = INT64_MAX;
        for (struct dirty_entry *entry = dirty->places[PLACE_WAITING].first, *next; entry; entry = next) {
                next = entry->next;
                if (entry->not_before_ms > now_ms) {
                        if (entry->not_before_ms < dirty->first_due_ms)
                                dirty->first_due_ms = entry->not_before_ms;
                        continue;
                }
                list_remove(dirty, entry);
                list_insert(dirty, entry, PLACE_QUEUE);
        }
}

struct dirty_entry *
dirty_take(struct dirty *dirty, int64_t now_ms)
{
        dirty_wake(dirty, now_ms);
        struct dirty_entry *entry = dirty->places[PLACE_QUEUE].first;
        if (!entry)
                return NULL;
        list_remove(dirty, entry);
        list_insert(dirty, entry, PLACE_OUT);
        return entry;
}

const char *
dirty_path(const struct dirty_entry *entry)
{
        return entry->path;
}

bool
dirty_from_pass(const struct dirty_entry *entry)
{
        return entry->from_pass;
}

void
dirty_done(struct dirty *dirty, struct dirty_entry *entry)
{
        list_remove(dirty, entry);
        if (entry->again) {
                entry->again = false;
                who_trace_free(entry->trace);
                entry->trace = steal_pointer(&entry->again_trace);
                entry->gap = entry->again_gap;
                entry->again_gap = false;
                entry->from_pass = entry->again_from_pass;
                entry->number = entry->again_number;
                entry->not_before_ms = entry->again_not_before_ms;
                list_insert(dirty, entry, entry->not_before_ms ? PLACE_WAITING : PLACE_QUEUE);
                return;
        }
        *slot_of(dirty, entry->path) = entry->chain;
        dirty->count--;
        entry_free(entry);
}

uint64_t
dirty_ticket(const struct dirty *dirty)
{
        return dirty->number;
}

bool
dirty_settled(const struct dirty *dirty, uint64_t ticket)
{
        for (size_t i = 0; i < ARRAY_SIZE(dirty->places); i++) {
                const struct dirty_entry *oldest = dirty->places[i].first;
                if (oldest && oldest->number <= ticket) /* an entry's second number is above its first */
                        return false;
        }
        return true;
}

void
dirty_hurry(struct dirty *dirty)
{
        dirty_wake(dirty, INT64_MAX);
        for (struct dirty_entry *entry = dirty->places[PLACE_OUT].first; entry; entry = entry->next)
                entry->again_not_before_ms = 0;
}

int64_t
dirty_next_due(const struct dirty *dirty)
{
        return dirty->first_due_ms == INT64_MAX ? -1 : dirty->first_due_ms;
}
