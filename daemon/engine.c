/* SPDX-License-Identifier: MIT */
/*
 * The engine: the loop's side of looking. Hints come from the watch (events) and from the walker (a pass met
 * another stat than it knew, a subtree is new, the slow circle read other content). All become entries of the
 * dirty set; a looker takes a snapshot of each; the loop judges it and, if the answer changed, makes that
 * durable. There is no other way for an answer to change.
 *
 * Everything here runs in the loop's thread. While more answers are about to come, those that there are wait
 * a moment for them: one transaction of many costs little more than one of a few, and the store's thread
 * writes it while the loop judges on. Nobody is told of a change before it is durable: whoever asks has all
 * made durable first, and that waits for the disk. Owns the dirty set, the settles, and when a pass is due.
 *
 * What was done until a look ended may still wait to be read, and who did it must be known when it is judged:
 * over fanotify a batch of answers is held until all that was queued when it came is handed on.
 *
 * A settle (diff, scan) is: have all that the watch has queued handed on, have a pass run that starts later,
 * take everything it hinted at into the dirty set, and wait until what was marked up to then is judged.
 */
#include "daemon/engine.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "core/clock.h"
#include "core/dpkg.h"
#include "core/escape.h"
#include "core/item.h"
#include "daemon/dirty.h"
#include "daemon/looker.h"
#include "daemon/mounts.h"
#include "daemon/prober.h"
#include "daemon/walker.h"
#include "daemon/watch.h"

#define TICK_MS 5000 /* how often it is asked what is due, and what is stuck */
#define LINKS_PASS_MS                                                                                        \
        10000 /* between passes for the other names of changed hard links, or after a failed one */
#define JOIN_TIMEOUT_S                                                                                       \
        5 /* a thread in a file system that does not answer is left to the end of the process */
#define ANSWERS_AT_ONCE 128u /* looks judged in one turn of the loop */
#define DURABLE_AT_ONCE 256u /* changes are made durable together, and no more than that wait meanwhile: */
                             /* who asks the daemon waits for all of them */
#define DURABLE_MS 25        /* that a change waits for those after it at most */
#define DURABLE_IN_PLACE 16u /* changes that the loop writes itself: done before a thread is awake */
#define TRIM_AFTER 4096u    /* looks after which the memory that they needed is given back, once none waits */
#define JUDGED_MAX 200000u  /* expectations; the pass over more takes longer than an apply is to wait */
#define HINTS_AT_ONCE 1024u /* taken in one turn */
#define UNVERIFIED_FOR_FULL                                                                                  \
        1000u /* expectations never verified from which a full pass is the quicker way                       \
               */

struct settle {
        bool full;
        bool asked; /* for the pass: the watch has handed on what had happened */
        struct watch_ticket events;
        uint64_t pass; /* the pass to wait for */
        bool walked;   /* it is over, and its hints are marked */
        uint64_t ticket;
        uint64_t probes; /* the prober's ticket to wait for */
        int64_t late_ms; /* monotonic: then it is done, whatever was judged; 0: never */
        void (*done)(void *userdata);
        void *userdata;
        struct settle *next;
};

struct engine {
        sd_event *event;
        struct instance *instance;
        struct watch *watch;
        struct mounts *mounts; /* NULL: there is no /proc */
        struct dirty *dirty;
        struct lookers *lookers;
        struct walker *walker;
        struct prober *prober;
        int wake_fd;
        sd_event_source *wake_source, *tick_source, *again_source, *defer_source;
        int64_t quick_interval_s;
        unsigned n_lookers; /* wished */

        struct settle *settles;
        bool overflowed;
        uint64_t overflow_pass; /* the pass that mends it: one that began after it */
        bool links_changed;     /* a file of several names changed: inotify tells of one name only */
        bool pass_failed;       /* and is to be tried again */
        bool view_is_due;       /* mounts changed, or a pass is done: is it still the host's view? */
        bool gap_before;        /* there was a time without us before this start */
        bool passed;            /* a pass went to its end since the start, or the last overflow */
        uint64_t passed_ticket; /* what it hinted at */
        void (*ready)(void *userdata);
        void *ready_userdata;
        bool ready_told;
        int64_t last_quick_ms;
        int64_t judged_ms; /* the first of the answers that are not durable yet; 0: none */
        struct look *held; /* answers that are not judged yet; NULL: none */
        struct watch_ticket held_for;
        uint64_t events; /* that the kernel told of */
        size_t looks;    /* judged since memory was given back */
};

static void pump(struct engine *engine);
static void pump_again(struct engine *engine);
static void mark_overflow(struct engine *engine, const char *why);

static void
wake_loop(void *userdata)
{
        const struct engine *engine = userdata;
        uint64_t one = 1;
        ssize_t written = write(engine->wake_fd, &one, sizeof one);
        (void)written; /* full means that it is awake anyway */
}

/* ---- looks ---- */

/* What is to be looked at of it, as far as the mount rules of its scope let a look go. 0, JUDGE_NOT_OURS, or
 * -ENOMEM. */
static int
make_wish(struct engine *engine, struct look *look)
{
        const struct instance *instance = engine->instance;
        int r = judge_wish(instance->judge, look->path, &look->wish);
        if (r)
                return r;
        const struct mount_table *mounts = mounts_table(engine->mounts);
        enum scan_reach reach = judge_reach(instance->judge, mounts, look->path);
        const struct mount *mount = reach == SCAN_REACH_IN ? mount_of_path(mounts, look->path) : NULL;
        look->wish.own = instance->own;
        look->wish.n_own = instance->n_own;
        look->wish.mount_point = reach == SCAN_REACH_POINT;
        if (mount && mount->foreign && !(look->domain = strdup(mount->point)))
                look_failed(look, ENOMEM);
        if (reach == SCAN_REACH_NOT)
                look_failed(look, EXDEV);
        return 0;
}

/* The next look that there is to be taken; NULL: none is. */
static struct look *
next_look(struct engine *engine)
{
        struct dirty_entry *entry;
        while ((entry = dirty_take(engine->dirty, clock_monotonic_ms()))) {
                struct look *look = look_new(entry, dirty_path(entry));
                int r = look ? make_wish(engine, look) : -ENOMEM;
                if (r == 0)
                        return look;
                if (r < 0) /* no memory: look again later */
                        dirty_mark(engine->dirty, dirty_path(entry), dirty_from_pass(entry),
                                clock_monotonic_ms() + LOOK_AGAIN_MS);
                dirty_done(engine->dirty, entry);
                look_free(look);
        }
        return NULL;
}

/* Gives ready paths to the lookers, a few ahead of each. */
static void
feed_lookers(struct engine *engine)
{
        struct look *looks = NULL, **end = &looks;
        size_t room = lookers_room(engine->lookers);
        dirty_wake(engine->dirty, clock_monotonic_ms());
        for (; room > 0 && (*end = next_look(engine)); room--)
                end = &(*end)->next;
        if (looks)
                lookers_ask(engine->lookers, looks);
}

/* Did it change while nobody looked? Only a first pass can say so, of what is older than our start. */
static bool
happened_unobserved(const struct engine *engine, const struct look *look)
{
        if (!engine->gap_before || !dirty_from_pass(look->entry))
                return false;
        const struct attributes *a = &look->snapshot.attributes;
        bool timed = look->result == 0 && a->known & ATTRIBUTE_BIT(ATTRIBUTE_CTIME);
        return !timed || a->ctime_ns / 1000000 < engine->instance->started_ms;
}

/* Until the pass after a gap, and the looks that it asked for, are done, a path may have changed in the gap,
 * whatever events came since. */
static bool
missed_events(const struct engine *engine)
{
        bool passed = engine->passed || !engine->instance->had_history;
        return engine->overflowed || !passed || !dirty_settled(engine->dirty, engine->passed_ticket);
}

static void
judge_answer(struct engine *engine, struct look *look)
{
        bool from_pass = dirty_from_pass(look->entry), missed = missed_events(engine), of_metadata;
        _cleanup_free_ char *who = dirty_who(look->entry, missed, &of_metadata);
        int64_t now_ms = clock_monotonic_ms(), took_ms = now_ms - look->started_ms;
        if (look->result == -ECANCELED) { /* it ends */
                dirty_done(engine->dirty, look->entry);
                return;
        }
        if (look->result < 0) { /* descriptors or memory ran out: unknown, and again soon */
                dirty_mark(engine->dirty, look->path, from_pass, now_ms + LOOK_AGAIN_MS);
                dirty_keep_who(look->entry, missed);
                look_failed(look, -look->result);
        }
        struct observation seen = {
                .result = look->result,
                .snapshot = &look->snapshot,
                .now_ms = clock_now_ms(),
                .unobserved = happened_unobserved(engine, look),
                .who = who,
                .who_of_metadata = of_metadata,
        };
        const struct attributes *a = &look->snapshot.attributes;
        if (!from_pass && look->result == 0 && a->type == FILE_REGULAR && a->nlink > 1)
                engine->links_changed = true;
        if (judge_observe(engine->instance->judge, look->path, &seen) < 0)
                mark_overflow(engine, "no memory to judge with"); /* not clean until a pass says so */
        /* What did not hold still is looked at again; the longer a look takes, the later. */
        if (look->result == SNAPSHOT_UNSTABLE) {
                dirty_mark(engine->dirty, look->path, false, now_ms + LOOK_AGAIN_MS + 20 * took_ms);
                dirty_keep_who(look->entry, missed);
        }
        dirty_done(engine->dirty, look->entry);
}

/* The next batch of answers, once it may be judged; NULL: not yet, or there is none. */
static struct look *
next_answers(struct engine *engine)
{
        if (engine->instance->watched_by != WATCH_FANOTIFY)
                return lookers_answers(engine->lookers, ANSWERS_AT_ONCE);
        if (!engine->held && (engine->held = lookers_answers(engine->lookers, ANSWERS_AT_ONCE)))
                engine->held_for = watch_ticket(engine->watch);
        if (!engine->held || !watch_handed_on(engine->watch, &engine->held_for))
                return NULL;
        return steal_pointer(&engine->held);
}

/* As much waits to be written as may: who writes wakes the loop. */
static bool
is_behind(const struct engine *engine)
{
        return instance_queued(engine->instance) >= DURABLE_AT_ONCE && instance_is_flushing(engine->instance);
}

static void
judge_answers(struct engine *engine)
{
        struct look *look = is_behind(engine) ? NULL : next_answers(engine);
        bool any = look != NULL;
        size_t count = 0;
        for (struct look *next; look; look = next, count++) {
                next = look->next;
                judge_answer(engine, look);
                look_free(look);
        }
        engine->looks += count;
        if (count == ANSWERS_AT_ONCE || (any && engine->instance->watched_by == WATCH_FANOTIFY))
                pump_again(engine); /* more may have come meanwhile */
        if (any && !engine->judged_ms)
                engine->judged_ms = clock_monotonic_ms();
}

/* (What a store refuses is tried again by the tick.) */
static bool
waits_to_be_durable(const struct instance *instance)
{
        return instance_queued(instance) && !instance->problems[PROBLEM_STORAGE].count;
}

/* Durable, then announced; a failure is a problem of its own. While more are about to come, these wait for
 * them, and another thread writes and waits for the disk. */
static void
make_durable(struct engine *engine)
{
        struct instance *instance = engine->instance;
        bool busy = dirty_is_busy(engine->dirty);
        size_t queued = instance_queued(instance);
        int64_t now_ms = clock_monotonic_ms();
        if (instance_is_flushing(instance))
                return;
        if (!engine->judged_ms ||
                (busy && queued < DURABLE_AT_ONCE && now_ms - engine->judged_ms < DURABLE_MS)) {
                instance_flush_end(instance, false);
                if (!engine->judged_ms &&
                        waits_to_be_durable(instance)) /* the word of its own that it added */
                        engine->judged_ms = now_ms;
                return;
        }
        if (busy || queued > DURABLE_IN_PLACE)
                instance_flush_begin(instance, DURABLE_AT_ONCE, wake_loop, engine);
        else
                instance_flush(instance, NULL);
        engine->judged_ms = waits_to_be_durable(instance) ? now_ms : 0;
}

/* ---- passes ---- */

static int
count_all(void *userdata, struct drift *drift)
{
        uint64_t *count = userdata;
        (void)drift;
        (*count)++;
        return 0;
}

static uint64_t
open_drifts(struct engine *engine)
{
        uint64_t count = 0;
        judge_each(engine->instance->judge, count_all, &count);
        return count;
}

static void
record_scan(struct engine *engine, const struct pass *pass, bool complete)
{
        instance_record(engine->instance, "scan", NULL,
                json_make("{s:s, s:I, s:I, s:I, s:I, s:b, s:I}", "pass", pass_names[pass->kind], "files",
                        (json_int)pass->files, "bytes", (json_int)pass->bytes, "drifts",
                        (json_int)open_drifts(engine), "ms", (json_int)(clock_now_ms() - pass->started_ms),
                        "complete", complete, "watches_lost",
                        (json_int)engine->instance->problems[PROBLEM_WATCH_LOST].count));
}

/* Where fanotify was asked for, folders that inotify has instead are a problem: who did it is not known
 * there.
 */
static void
report_fallback(struct engine *engine, const struct watch_counts *counts)
{
        int error = 0;
        _cleanup_free_ char *where = watch_fallback(engine->watch, &error);
        _cleanup_free_ char *escaped = where ? escape_new(where, strlen(where)) : NULL;
        char hint[256];
        snprintf(hint, sizeof hint,
                "watched by inotify instead (%s): who changes something there is not told",
                strerrordesc_np(error));
        instance_problem(engine->instance, PROBLEM_NO_FANOTIFY, counts->by_inotify, escaped, hint);
}

static void
count_watched(struct engine *engine)
{
        struct instance *instance = engine->instance;
        struct watch_counts counts;
        watch_count(engine->watch, &counts);
        instance->folders_watched = counts.folders;
        instance->folders_by_inotify = counts.by_inotify;
        bool asked = instance->config->watch == WATCH_FANOTIFY && instance->watched_by == WATCH_FANOTIFY;
        if (asked && counts.by_inotify != instance->problems[PROBLEM_NO_FANOTIFY].count)
                report_fallback(engine, &counts);
}

/* Told as soon as it is known, not only by a pass: a new folder can be the one that is too many. */
static void
report_watches(struct engine *engine)
{
        _cleanup_free_ char *where = NULL;
        int error;
        count_watched(engine);
        size_t lost = watch_lost(engine->watch, &where, &error);
        uint64_t before = engine->instance->problems[PROBLEM_WATCH_LOST].count;
        if (lost == before)
                return;
        _cleanup_free_ char *escaped = where ? escape_new(where, strlen(where)) : NULL;
        instance_problem(engine->instance, PROBLEM_WATCH_LOST, lost, escaped,
                error == ENOSPC ? "raise fs.inotify.max_user_watches; until then quick passes look there"
                                : "until a pass can watch them, quick passes look there");
        if (!before)
                instance_record(engine->instance, "watch_lost", NULL,
                        json_make("{s:s, s:I, s:s}", "where", escaped ? escaped : "", "count", (json_int)lost,
                                "error", strerrordesc_np(error)));
}

static void
tell_ready(struct engine *engine)
{
        if (engine->ready_told)
                return;
        engine->ready_told = true;
        walker_ask(engine->walker, PASS_FULL, false);
        if (engine->ready)
                engine->ready(engine->ready_userdata);
}

/* What a pass that went to its end says. */
static void
report_pass(struct engine *engine, const struct pass *pass)
{
        struct instance *instance = engine->instance;
        instance_problem(instance, PROBLEM_UNREADABLE, pass->unreadable.count, pass->unreadable.where,
                "the folder could not be read");
        instance_problem(
                instance, PROBLEM_PATH_MISSING, pass->missing.count, pass->missing.where, PATH_MISSING_HINT);
        record_scan(engine, pass, pass->result == 0 && !pass->unreadable.count);
        bool sees = !watch_is_held_up(engine->watch);
        if (pass->result == 0 && sees && engine->overflowed && pass->number >= engine->overflow_pass) {
                engine->overflowed = false;
                engine->passed = false;
                instance_problem(instance, PROBLEM_OVERFLOW, 0, NULL, NULL);
        }
        if (pass->result == 0 && !engine->passed) {
                engine->passed = true;
                engine->passed_ticket = dirty_ticket(engine->dirty);
        }
        if (pass->result < 0) { /* what it did not come to is unknown until one goes to its end */
                engine->overflowed = true;
                engine->pass_failed = true;
                engine->overflow_pass = pass->number + 1;
                instance_problem(instance, PROBLEM_OVERFLOW, 1, strerrordesc_np(-pass->result),
                        "a pass failed; another is tried soon");
        }
        engine->last_quick_ms = clock_monotonic_ms();
        engine->view_is_due = true; /* the host may have mounted what does not reach us */
        /* From now on what a pass finds happened under our eyes, or nearly. */
        engine->gap_before = engine->gap_before && dirty_count(engine->dirty) > 0;
}

/* Those who wait for this pass now wait for what it hinted at. */
static void
advance_settles(struct engine *engine, const struct pass *pass)
{
        for (struct settle *settle = engine->settles; settle; settle = settle->next) {
                bool answers = settle->asked && settle->pass <= pass->number &&
                               (!settle->full || pass->kind == PASS_FULL);
                if (settle->walked || !answers)
                        continue;
                settle->walked = true;
                dirty_hurry(engine->dirty);
                settle->ticket = dirty_ticket(engine->dirty);
        }
}

/* All of it goes back where the unit has the allocator keep nothing for each thread (systemd/driftd.service):
 * what it keeps lies wherever a storm left it, a page held by each piece. */
static void
give_back(struct engine *engine)
{
        engine->looks = 0;
        if (engine->instance->store)
                store_forget_pages(engine->instance->store);
        malloc_trim(0);
}

/* The walker is done and all its hints are in the dirty set. */
static void
finish_pass(struct engine *engine, const struct pass *pass)
{
        bool gave_way = pass->result == -ECANCELED;
        watch_pass_ends(engine->watch);
        report_watches(engine);
        /* After the first full pass, or one that gave way: many urgent ones could keep the slow circle off.
         */
        if (pass->kind == PASS_FULL) {
                engine->instance->settled = true;
                walker_begin_circle(engine->walker);
        }
        if (pass->kind != PASS_FOLDERS && !gave_way) {
                report_pass(engine, pass);
                advance_settles(engine, pass);
        }
        walker_resume(engine->walker);
        instance_flush(engine->instance, NULL);
        give_back(engine); /* a pass and an apply leave holes */
        if (pass->kind == PASS_FOLDERS)
                tell_ready(engine);
}

/* When a name of dpkg's own is looked at; 0: any other, and where many wait already. */
static int64_t
passing(const struct engine *engine, const char *path)
{
        bool waits = dpkg_is_passing(path) && dirty_count(engine->dirty) < DIRTY_PATHS_MAX / 4;
        return waits ? clock_monotonic_ms() + PASSING_MS : 0;
}

/* Moves hints into the dirty set while it has room. */
static void
take_hints(struct engine *engine)
{
        struct hint hint;
        size_t count = 0;
        while (count++ < HINTS_AT_ONCE && walker_take(engine->walker, dirty_has_room(engine->dirty), &hint)) {
                switch (hint.kind) {
                case HINT_PATH:
                        if (!dirty_mark(engine->dirty, hint.path, hint.from_pass, passing(engine, hint.path)))
                                mark_overflow(engine, "no memory for changed paths");
                        if (hint.who) /* what was done to it since the move, nobody can tell from here */
                                dirty_touch(engine->dirty, hint.path,
                                        &(struct who_touch){.who = hint.who, .doubt = true});
                        break;
                case HINT_BODY:
                        instance_keep_now(engine->instance, &hint.digest, hint.body, hint.body_size);
                        break;
                case HINT_PASS:
                        finish_pass(engine, hint.pass);
                        break;
                case HINT_CIRCLE:
                        record_scan(engine, hint.pass, true);
                        break;
                }
                hint_done(&hint);
        }
        if (count > HINTS_AT_ONCE)
                pump_again(engine);
}

/* ---- settling ---- */

/* What had happened when they came is handed on: a pass may begin. */
static void
ask_passes(struct engine *engine)
{
        for (struct settle *settle = engine->settles; settle; settle = settle->next) {
                if (settle->asked || !watch_handed_on(engine->watch, &settle->events))
                        continue;
                settle->asked = true;
                settle->pass = walker_ask(engine->walker, settle->full ? PASS_FULL : PASS_QUICK, true);
                dirty_hurry(engine->dirty);
        }
}

static bool
is_settled(const struct engine *engine, const struct settle *settle)
{
        if (settle->late_ms && clock_monotonic_ms() >= settle->late_ms)
                return true;
        return settle->walked && dirty_settled(engine->dirty, settle->ticket) &&
               prober_answered(engine->prober, settle->probes);
}

static void
check_settles(struct engine *engine)
{
        ask_passes(engine);
        for (struct settle **slot = &engine->settles; *slot;) {
                struct settle *settle = *slot;
                if (!is_settled(engine, settle)) {
                        slot = &settle->next;
                        continue;
                }
                *slot = settle->next;
                instance_flush(engine->instance, NULL);
                settle->done(settle->userdata);
                free(settle);
                slot = &engine->settles; /* done may have changed the list */
        }
}

/* probes: the prober's ticket to wait for. */
static struct settle *
settle_new(struct engine *engine, bool full, uint64_t probes, void (*done)(void *userdata), void *userdata)
{
        struct settle *settle = calloc(1, sizeof *settle);
        if (!settle)
                return NULL;
        settle->events = watch_ticket(engine->watch);
        settle->full = full;
        settle->done = done;
        settle->userdata = userdata;
        settle->next = engine->settles;
        engine->settles = settle;
        settle->probes = probes;
        ask_passes(engine);
        pump_again(engine); /* done is never called from here */
        return settle;
}

struct settle *
engine_settle(struct engine *engine, bool full, void (*done)(void *userdata), void *userdata)
{
        return settle_new(engine, full, prober_ask(engine->prober), done, userdata);
}

void
engine_settle_cancel(struct engine *engine, struct settle *settle)
{
        for (struct settle **slot = &engine->settles; *slot; slot = &(*slot)->next)
                if (*slot == settle) {
                        *slot = settle->next;
                        free(settle);
                        return;
                }
}

bool
engine_is_quiet(struct engine *engine)
{
        struct watch_ticket events = watch_ticket(engine->watch);
        bool all = watch_handed_on(engine->watch, &events);
        dirty_hurry(engine->dirty);
        pump_again(engine);
        return all && engine->instance->settled && !dirty_count(engine->dirty) &&
               walker_is_quiet(engine->walker);
}

/* ---- the pump ---- */

/* At the next turn of the loop: others are served between. */
static void
pump_again(struct engine *engine)
{
        sd_event_source_set_enabled(engine->defer_source, SD_EVENT_ONESHOT);
}

static int
on_again(sd_event_source *source, uint64_t usec, void *userdata)
{
        (void)source;
        (void)usec;
        pump(userdata);
        return 0;
}

static int64_t
earlier_of(int64_t a_ms, int64_t b_ms)
{
        return a_ms < 0 || b_ms < a_ms ? b_ms : a_ms;
}

static void
arm_again(struct engine *engine)
{
        int64_t due_ms = dirty_next_due(engine->dirty);
        if (engine->held && !is_behind(engine))
                due_ms = earlier_of(due_ms, engine->held_for.late_ms);
        if (engine->judged_ms && !instance_is_flushing(engine->instance))
                due_ms = earlier_of(due_ms, engine->judged_ms + DURABLE_MS);
        for (const struct settle *settle = engine->settles; settle; settle = settle->next) {
                if (!settle->asked)
                        due_ms = earlier_of(due_ms, settle->events.late_ms);
                if (settle->late_ms)
                        due_ms = earlier_of(due_ms, settle->late_ms);
        }
        if (due_ms < 0) {
                sd_event_source_set_enabled(engine->again_source, SD_EVENT_OFF);
                return;
        }
        sd_event_source_set_time(engine->again_source, (uint64_t)due_ms * 1000);
        sd_event_source_set_enabled(engine->again_source, SD_EVENT_ONESHOT);
}

/* Without memory it stays due. */
static void
look_at_view(struct engine *engine)
{
        if (!engine->view_is_due)
                return;
        engine->view_is_due = instance_look_at_view(engine->instance, NULL) < 0;
        instance_flush(engine->instance, NULL);
}

/* A storm leaves holes too: once all of it is judged, written and told. */
static void
give_back_when_quiet(struct engine *engine, size_t looks)
{
        const struct instance *instance = engine->instance;
        bool told = instance_is_durable(instance) || instance->problems[PROBLEM_STORAGE].count;
        if (engine->looks >= looks && told && !dirty_count(engine->dirty) && walker_is_quiet(engine->walker))
                give_back(engine);
}

/* Moves everything one step on: results, hints, new looks, settles. Never blocks. */
static void
pump(struct engine *engine)
{
        make_durable(engine); /* while it is written more is judged */
        judge_answers(engine);
        report_watches(engine);
        take_hints(engine);
        look_at_view(engine);
        feed_lookers(engine);
        make_durable(engine); /* meanwhile they look */
        check_settles(engine);
        give_back_when_quiet(engine, TRIM_AFTER);
        arm_again(engine);
}

static int
on_wake(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        uint64_t count;
        ssize_t got = read(fd, &count, sizeof count);
        (void)source;
        (void)revents;
        (void)got;
        pump(userdata);
        return 0;
}

/* ---- what the watch says ---- */

static int
drift_age(void *userdata, struct drift *drift)
{
        int64_t *newest_ms = userdata;
        if (drift->last_change_ms > *newest_ms)
                *newest_ms = drift->last_change_ms;
        return 0;
}

/*
 * A path whose answer changed a moment ago is noisy: the next look waits a little, and folds what comes. A
 * name that dpkg gives to a file until it has its own waits longer: mostly it is gone by then, and what
 * nobody looked at needs no record of its coming and one of its going. Whoever asks (diff) does not wait, nor
 * does a file that stays.
 */
static int64_t
backoff(struct engine *engine, const char *path)
{
        if (dpkg_is_passing(path))
                return passing(engine, path);
        _cleanup_free_ char *item = item_from_path(path);
        int64_t newest_ms = 0;
        int r;
        if (!item)
                return 0;
        for (size_t i = 0; i < judge_baselines(engine->instance->judge); i++)
                judge_find(engine->instance->judge,
                        baseline_header(judge_baseline(engine->instance->judge, i))->name, item, drift_age,
                        &newest_ms, &r);
        int64_t age_ms = clock_now_ms() - newest_ms;
        return age_ms >= 0 && age_ms < LOOK_AGAIN_MS ? clock_monotonic_ms() + LOOK_AGAIN_MS - age_ms : 0;
}

static void
mark_overflow(struct engine *engine, const char *why)
{
        if (!engine->overflowed) {
                instance_record(engine->instance, "overflow", NULL, json_make("{s:s}", "what", why));
                instance_flush(engine->instance, NULL);
        }
        engine->overflowed = true;
        watch_doubt(engine->watch);
        instance_problem(engine->instance, PROBLEM_OVERFLOW, 1, why, "a rescan is under way");
        engine->overflow_pass = walker_ask(engine->walker, PASS_QUICK, false);
}

static void
on_changed(void *userdata, const char *path, const struct who_touch *touch)
{
        struct engine *engine = userdata;
        struct snapshot_wish wish = {0};
        engine->events++;
        bool waits = dirty_waits(engine->dirty, path); /* in a storm, most do */
        if (!waits && judge_wish(engine->instance->judge, path, &wish) == JUDGE_NOT_OURS)
                return;
        if (!waits && !dirty_mark(engine->dirty, path, false, backoff(engine, path)))
                mark_overflow(engine, "more changed paths than are kept");
        else if (touch || engine->instance->watched_by == WATCH_FANOTIFY)
                dirty_touch(engine->dirty, path, touch);
        pump_again(engine);
}

static void
on_subtree(void *userdata, const char *path, const struct who_touch *touch, bool moved)
{
        struct engine *engine = userdata;
        on_changed(engine, path, touch);
        if (!walker_subtree(engine->walker, path, moved && touch ? touch->who : NULL))
                walker_ask(engine->walker, PASS_QUICK, false); /* walks it with everything else */
}

/* Any thread. */
static bool
on_covers(void *userdata, const char *path)
{
        const struct engine *engine = userdata;
        struct snapshot_wish wish = {0};
        return judge_wish(engine->instance->judge, path, &wish) != JUDGE_NOT_OURS;
}

static void
on_overflow(void *userdata, const char *why)
{
        mark_overflow(userdata, why);
}

static void
on_caught_up(void *userdata)
{
        struct engine *engine = userdata;
        bool waits = engine->held != NULL;
        for (const struct settle *settle = engine->settles; settle; settle = settle->next)
                waits = waits || !settle->asked;
        if (waits)
                pump_again(engine);
}

/* ---- what the mount table says ---- */

/* What is visible now is looked at again, and watched. Mounts that no scope can see are nobody's business. */
static void
on_mount(void *userdata, const char *path, const char *change)
{
        struct engine *engine = userdata;
        struct judge *judge = engine->instance->judge;
        struct snapshot_wish wish = {0};
        _cleanup_free_ char *escaped = escape_new(path, strlen(path));
        engine->view_is_due = true;
        walker_mounts_changed(engine->walker);
        pump_again(engine);
        if (!escaped) {
                mark_overflow(engine, "no memory for a mount");
                return;
        }
        if (judge_wish(judge, path, &wish) == JUDGE_NOT_OURS && !judge_names_below(judge, escaped))
                return;
        instance_record(
                engine->instance, "mount", NULL, json_make("{s:s, s:s}", "change", change, "where", escaped));
        watch_forget(engine->watch, path);
        watch_doubt(engine->watch); /* who walks just now may still put folders of before into the table */
        on_subtree(engine, path, NULL, false);
}

static void
on_mounts_lost(void *userdata)
{
        struct engine *engine = userdata;
        walker_mounts_changed(engine->walker);
        mark_overflow(engine, "the mount table could not be read");
}

/* ---- time ---- */

/* Those who wait are answered as incomplete. */
static void
give_up_settles(struct engine *engine, bool walker, bool looks, bool probes)
{
        for (struct settle *settle = engine->settles; settle; settle = settle->next) {
                settle->walked = settle->walked || walker || looks;
                settle->ticket = looks ? 0 : settle->ticket;
                settle->probes = probes ? 0 : settle->probes;
        }
}

static void
check_stuck(struct engine *engine, int64_t now_ms)
{
        static const char hint[] = "a file system does not answer: see mounts of network and FUSE kind";
        unsigned stuck = lookers_check(engine->lookers, now_ms);
        lookers_run(engine->lookers, engine->n_lookers); /* fewer are slower, none is told below */
        bool blind = lookers_alive(engine->lookers) == 0,
             walker_stuck = walker_is_stuck(engine->walker, now_ms),
             probe_stuck = prober_is_stuck(engine->prober, now_ms);
        const char *what = blind          ? "all looks hang"
                           : walker_stuck ? "a pass makes no progress"
                           : stuck        ? "looks hang"
                                          : "a look at settings hangs";
        instance_problem(engine->instance, PROBLEM_STUCK,
                stuck + (unsigned)walker_stuck + (unsigned)blind + (unsigned)probe_stuck, what, hint);
        give_up_settles(engine, walker_stuck, blind, probe_stuck);
}

static int
on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct engine *engine = userdata;
        int64_t now_ms = clock_monotonic_ms();
        (void)usec;
        check_stuck(engine, now_ms);
        instance_windows_look(engine->instance); /* they end by themselves */
        instance_flush(engine->instance, NULL);
        int64_t since_ms = now_ms - engine->last_quick_ms;
        bool soon = (engine->links_changed || engine->pass_failed) && since_ms >= LINKS_PASS_MS;
        if (engine->ready_told && (soon || since_ms >= engine->quick_interval_s * 1000)) {
                engine->last_quick_ms = now_ms;
                engine->links_changed = engine->pass_failed = false;
                walker_ask(engine->walker, PASS_QUICK, false);
        }
        pump(engine);
        give_back_when_quiet(engine, 1);
        sd_event_source_set_time(source, (uint64_t)(now_ms + TICK_MS) * 1000);
        sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        return 0;
}

static int
on_defer(sd_event_source *source, void *userdata)
{
        (void)source;
        pump(userdata);
        return 0;
}

/* ---- what it is busy with ---- */

static void
tell_activity(void *userdata, struct instance_activity *ret)
{
        struct engine *engine = userdata;
        struct pass pass = {0};
        int64_t since_quick_ms = clock_monotonic_ms() - engine->last_quick_ms;
        if (walker_running(engine->walker, &pass)) {
                ret->pass = pass_names[pass.kind];
                ret->pass_since_ms = pass.started_ms;
                engine_progress(engine, &ret->files, &ret->files_expected, &ret->bytes);
        }
        ret->events = engine->events;
        ret->folders = engine->instance->folders_watched;
        ret->waiting = dirty_count(engine->dirty);
        ret->circle_files = walker_circle(engine->walker);
        ret->circle_expected = judge_regular_files(engine->instance->judge);
        ret->next_quick_ms = clock_now_ms() + engine->quick_interval_s * 1000 - since_quick_ms;
}

/* ---- life ---- */

static unsigned
looker_count(const struct config *config)
{
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        unsigned wanted = config->workers ? config->workers : processors > 0 ? (unsigned)processors : 1;
        return wanted < LOOKERS_MAX / 2 ? wanted : LOOKERS_MAX / 2;
}

void
engine_reconfigure(struct engine *engine, const struct config *config)
{
        engine->quick_interval_s = config->quick_interval_s;
        engine->n_lookers = looker_count(config);
        const struct walker_plan plan = {
                .workers = config->workers,
                .max_rate = config->max_rate << 20,
                .max_cpu = config->max_cpu,
                .circle_s = config->full_interval_s,
        };
        walker_configure(engine->walker, &plan);
}

static int
add_sources(struct engine *engine, struct err *err)
{
        sd_event *event = engine->event;
        uint64_t soon = (uint64_t)(clock_monotonic_ms() + TICK_MS) * 1000;
        int r = sd_event_add_io(event, &engine->wake_source, engine->wake_fd, EPOLLIN, on_wake, engine);
        if (r >= 0)
                r = sd_event_add_time(
                        event, &engine->tick_source, CLOCK_BOOTTIME, soon, 100000, on_tick, engine);
        if (r >= 0)
                r = sd_event_add_time(
                        event, &engine->again_source, CLOCK_BOOTTIME, soon, 1000, on_again, engine);
        if (r >= 0)
                r = sd_event_source_set_enabled(engine->again_source, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_defer(event, &engine->defer_source, on_defer, engine);
        return r < 0 ? err_set(err, r, "the event loop: %s", strerrordesc_np(-r)) : 0;
}

static void
on_probed(void *userdata)
{
        pump(userdata);
}

/* Each record is hundreds of writes into our own database, which lies on a watched file system: they would be
 * most of what the reader of events has to do in a storm. */
static void
ignore_own(struct engine *engine)
{
        _cleanup_free_ char *database = config_database(engine->instance->config);
        _cleanup_buf_ struct buf log = {0};
        if (!database || buf_printf(&log, "%s-wal", database) < 0)
                return;
        watch_ignore(engine->watch, database);
        watch_ignore(engine->watch, log.data);
}

static int
add_parts(struct engine *engine, struct err *err)
{
        static const struct watch_calls watch_calls = {
                on_changed, on_subtree, on_overflow, on_covers, on_caught_up};
        bool by_fanotify = engine->instance->watched_by == WATCH_FANOTIFY;
        static const struct mounts_calls mounts_calls = {on_mount, on_mounts_lost};
        engine->dirty = dirty_new();
        engine->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (!engine->dirty || engine->wake_fd < 0)
                return err_oom(err);
        int r = watch_new(engine->event, by_fanotify, &watch_calls, engine, &engine->watch, err);
        if (r == 0)
                ignore_own(engine);
        r = r ? r : mounts_new(engine->event, &mounts_calls, engine, &engine->mounts, err);
        r = r ? r : prober_new(engine->event, engine->instance, on_probed, engine, &engine->prober, err);
        if (r)
                return r;
        if (lookers_new(wake_loop, engine, &engine->lookers) < 0 ||
                walker_new(engine->instance, engine->watch, wake_loop, engine, &engine->walker) < 0)
                return err_oom(err);
        return add_sources(engine, err);
}

int
engine_new(sd_event *event, struct instance *instance, const struct config *config, struct engine **ret,
        struct err *err)
{
        _cleanup_(engine_freep) struct engine *engine = calloc(1, sizeof *engine);
        if (!engine)
                return err_oom(err);
        engine->wake_fd = -1;
        engine->event = event;
        engine->instance = instance;
        engine->last_quick_ms = clock_monotonic_ms();
        int r = add_parts(engine, err);
        if (r)
                return r;
        engine_reconfigure(engine, config);
        instance->activity_userdata = engine;
        instance->activity = tell_activity;
        *ret = steal_pointer(&engine);
        return 0;
}

int
engine_start(struct engine *engine, void (*ready)(void *userdata), void *userdata, struct err *err)
{
        engine->ready = ready;
        engine->ready_userdata = userdata;
        engine->gap_before = engine->instance->had_history;
        int r = lookers_run(engine->lookers, engine->n_lookers);
        r = r ? r : walker_start(engine->walker);
        if (r < 0)
                return err_set(err, r, "a thread cannot be started: %s", strerrordesc_np(-r));
        walker_ask(engine->walker, PASS_FOLDERS, false);
        prober_baselines_changed(engine->prober);
        return 0;
}

struct settle *
engine_baselines_changed(struct engine *engine, void (*done)(void *userdata), void *userdata)
{
        struct coverage coverage;
        judge_coverage(engine->instance->judge, clock_now_ms(), &coverage);
        bool many = coverage.expected - coverage.verified > UNVERIFIED_FOR_FULL;
        uint64_t probes = prober_baselines_changed(engine->prober);
        bool full = !engine->instance->settled || many;
        if (full || coverage.expected > JUDGED_MAX) {
                walker_ask(engine->walker, full ? PASS_FULL : PASS_QUICK, true);
                return NULL;
        }
        struct settle *settle = settle_new(engine, false, probes, done, userdata);
        if (settle)
                settle->late_ms = clock_monotonic_ms() + JUDGED_WAIT_MS;
        else
                walker_ask(engine->walker, PASS_QUICK, true);
        return settle;
}

/* The threads use all the rest: where one hangs, nothing can be freed, and the process ends here. */
static void
stop_threads(struct engine *engine)
{
        struct timespec deadline;
        if (engine->walker)
                walker_stop(engine->walker);
        if (engine->lookers)
                lookers_stop(engine->lookers);
        clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_sec += JOIN_TIMEOUT_S;
        if ((engine->lookers && !lookers_join(engine->lookers, &deadline)) ||
                (engine->walker && !walker_join(engine->walker, &deadline)))
                _exit(0);
}

struct engine *
engine_free(struct engine *engine)
{
        if (!engine)
                return NULL;
        engine->instance->activity = NULL;
        instance_flush_end(engine->instance, true); /* who commits wakes us */
        stop_threads(engine);
        for (struct settle *settle = engine->settles, *next; settle; settle = next) {
                next = settle->next;
                free(settle);
        }
        for (struct look *look = engine->held, *next; look; look = next) {
                next = look->next;
                look_free(look);
        }
        sd_event_source_disable_unref(engine->wake_source);
        sd_event_source_disable_unref(engine->tick_source);
        sd_event_source_disable_unref(engine->again_source);
        sd_event_source_disable_unref(engine->defer_source);
        prober_free(engine->prober);
        walker_free(engine->walker);
        lookers_free(engine->lookers);
        mounts_free(engine->mounts);
        watch_free(engine->watch);
        dirty_free(engine->dirty);
        fd_close(engine->wake_fd);
        free(engine);
        return NULL;
}

void
engine_progress(const struct engine *engine, uint64_t *ret_files, uint64_t *ret_expected, uint64_t *ret_bytes)
{
        uint64_t expected = 0;
        for (size_t i = 0; i < judge_baselines(engine->instance->judge); i++)
                expected += baseline_files(judge_baseline(engine->instance->judge, i));
        walker_progress(engine->walker, ret_files, ret_bytes);
        *ret_expected = expected;
}

void
engine_describe(struct engine *engine, char *text, size_t size)
{
        count_watched(engine);
        snprintf(text, size, "%s · %zu folders watched · %" PRIu64 " open drifts · %zu paths to look at",
                instance_verdict(engine->instance), (size_t)engine->instance->folders_watched,
                open_drifts(engine), dirty_count(engine->dirty));
}
