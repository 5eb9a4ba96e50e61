/* SPDX-License-Identifier: MIT */
/*
 * One thread, one question at a time: a look at a domain with one set of parameters (a target). The loop
 * keeps the targets, when each is due, and the ticket that its newest whole look answers. An edit of a
 * watched file makes its target due. A target that is gone while its look runs is forgotten with its answer.
 */
#include "daemon/prober.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include "core/clock.h"
#include "core/probe.h"

#define EDITS                                                                                                \
        (IN_CREATE | IN_CLOSE_WRITE | IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ATTRIB |      \
                IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct edit_watch {
        int wd;
        char *name; /* of the thing in the folder that is watched; NULL: anything */
};

struct target {
        struct scope scope;
        const struct probe *probe;
        int64_t whole_due_ms, named_due_ms; /* monotonic */
        int64_t looked_ms;                  /* monotonic: when the newest whole look was asked for */
        uint64_t asked, answered;           /* tickets of whole looks */
        struct edit_watch *watches;
        size_t n_watches;
        bool looked; /* at least once since the start */
};

struct question {
        struct scope scope; /* a copy: targets come and go */
        const struct probe *probe;
        bool named;
        uint64_t ticket;
        struct text_list items;
        int64_t taken_ms;
        int result;
        struct probe_reading reading;
        struct err err;
};

struct prober {
        struct instance *instance;
        void (*changed)(void *userdata);
        void *userdata;
        char *helpers;
        struct target *targets;
        size_t n_targets;
        uint64_t tickets;
        bool had_history;
        int wake_fd, edit_fd;
        sd_event_source *wake_source, *timer_source, *edit_source;
        pthread_t thread;
        bool running;
        atomic_bool cancel;

        struct question question; /* the thread's while it is asked, the loop's at all other times */
        bool asked;               /* the loop's */
        int64_t asked_ms;         /* monotonic */
        pthread_mutex_t lock;
        pthread_cond_t cond;
        bool handed, stop; /* under the lock */
};

static void ask_next(struct prober *prober);

/* ---- the thread ---- */

static void *
thread_main(void *argument)
{
        struct prober *prober = argument;
        pthread_mutex_lock(&prober->lock);
        while (!prober->stop) {
                if (!prober->handed) {
                        pthread_cond_wait(&prober->cond, &prober->lock);
                        continue;
                }
                pthread_mutex_unlock(&prober->lock);
                struct question *question = &prober->question;
                struct probe_request request = {
                        .scope = &question->scope,
                        .items = question->items.items,
                        .n_items = question->items.count,
                        .helpers = prober->helpers,
                        .cancel = &prober->cancel,
                };
                uint64_t one = 1;
                question->result = probe_read(&request, &question->reading, &question->err);
                pthread_mutex_lock(&prober->lock);
                prober->handed = false;
                ssize_t written = write(prober->wake_fd, &one, sizeof one);
                (void)written; /* full means that it is awake anyway */
        }
        pthread_mutex_unlock(&prober->lock);
        return NULL;
}

static void
question_done(struct question *question)
{
        scope_done(&question->scope);
        text_list_done(&question->items);
        probe_reading_done(&question->reading);
        *question = (struct question){0};
}

/* ---- edits ---- */

static void
forget_edits(struct prober *prober, struct target *target)
{
        for (size_t i = 0; i < target->n_watches; i++) {
                int wd = target->watches[i].wd;
                bool shared = false;
                for (size_t j = 0; j < prober->n_targets && !shared; j++)
                        for (size_t k = 0; k < prober->targets[j].n_watches && !shared; k++)
                                shared = (&prober->targets[j] != target || k > i) &&
                                         prober->targets[j].watches[k].wd == wd;
                if (!shared)
                        (void)inotify_rm_watch(prober->edit_fd, wd);
                free(target->watches[i].name);
        }
        free(target->watches);
        target->watches = NULL;
        target->n_watches = 0;
}

static int
add_edit_watch(struct prober *prober, struct target *target, const char *folder, const char *name)
{
        int wd = inotify_add_watch(prober->edit_fd, folder, EDITS);
        if (wd < 0)
                return -errno;
        struct edit_watch *grown =
                reallocarray(target->watches, target->n_watches + 1, sizeof *target->watches);
        if (!grown)
                return -ENOMEM;
        target->watches = grown;
        grown[target->n_watches] = (struct edit_watch){.wd = wd, .name = name ? strdup(name) : NULL};
        if (name && !grown[target->n_watches].name)
                return -ENOMEM;
        target->n_watches++;
        return 0;
}

/* The folder itself, and the nearest folder above for the coming and going of the thing. A watch that cannot
 * be had costs time, not truth: the next look at its interval sees the edit. */
static void
watch_edits_of(struct prober *prober, struct target *target, const char *path)
{
        char folder[PATH_MAX];
        if (snprintf(folder, sizeof folder, "%s", path) >= (int)sizeof folder || *path != '/')
                return;
        (void)add_edit_watch(prober, target, folder, NULL); /* where it is one */
        for (;;) {
                char *slash = strrchr(folder, '/');
                if (!slash || !slash[1])
                        return;
                *slash = '\0';
                int r = add_edit_watch(prober, target, slash == folder ? "/" : folder, slash + 1);
                if (r != -ENOENT && r != -ENOTDIR)
                        return;
        }
}

static bool
same_watches(const struct target *a, const struct target *b)
{
        for (size_t i = 0; i < a->n_watches && i < b->n_watches; i++) {
                const char *left = a->watches[i].name, *right = b->watches[i].name;
                if (a->watches[i].wd != b->watches[i].wd || strcmp(left ? left : "", right ? right : "") != 0)
                        return false;
        }
        return a->n_watches == b->n_watches;
}

/* Soon: what follows at once is seen by the same look, and a storm costs no more than a look a second. */
static void
make_due(struct target *target)
{
        int64_t soon_ms = clock_monotonic_ms() + PROBE_SOON_MS, again_ms = target->looked_ms + PROBE_AGAIN_MS;
        int64_t due_ms = soon_ms > again_ms ? soon_ms : again_ms;
        if (target->whole_due_ms > due_ms)
                target->whole_due_ms = due_ms;
}

static void
watch_edits(struct prober *prober, struct target *target, const struct text_list *paths)
{
        /* New watches before the old ones are let go: what both have is never without. */
        struct target old = {.watches = target->watches, .n_watches = target->n_watches};
        target->watches = NULL;
        target->n_watches = 0;
        for (size_t i = 0; i < paths->count; i++)
                watch_edits_of(prober, target, paths->items[i]);
        /* What was edited after it was read and before it was watched is seen by another look. */
        if (!same_watches(target, &old))
                make_due(target);
        forget_edits(prober, &old);
}

static void
note_edit(struct prober *prober, const struct inotify_event *event)
{
        bool all = event->mask & IN_Q_OVERFLOW;
        for (size_t i = 0; i < prober->n_targets; i++) {
                struct target *target = &prober->targets[i];
                bool concerned = all;
                for (size_t j = 0; j < target->n_watches && !concerned; j++) {
                        const struct edit_watch *watch = &target->watches[j];
                        concerned = watch->wd == event->wd &&
                                    (!watch->name || (event->len && strcmp(watch->name, event->name) == 0));
                }
                if (concerned)
                        make_due(target);
        }
}

static void
drain_edits(struct prober *prober)
{
        char bytes[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
        ssize_t size;
        while ((size = read(prober->edit_fd, bytes, sizeof bytes)) > 0)
                for (char *p = bytes; p < bytes + size;) {
                        const struct inotify_event *event = (const void *)p;
                        note_edit(prober, event);
                        p += sizeof *event + event->len;
                }
}

static int
on_edit(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        (void)source;
        (void)fd;
        (void)revents;
        drain_edits(userdata);
        ask_next(userdata);
        return 0;
}

/* ---- targets ---- */

static struct target *
target_of(struct prober *prober, const struct scope *scope)
{
        for (size_t i = 0; i < prober->n_targets; i++)
                if (scope_same_probe(&prober->targets[i].scope, scope))
                        return &prober->targets[i];
        return NULL;
}

static void
targets_drop(struct prober *prober)
{
        for (size_t i = 0; i < prober->n_targets; i++) {
                forget_edits(prober, &prober->targets[i]);
                scope_done(&prober->targets[i].scope);
        }
        free(prober->targets);
        prober->targets = NULL;
        prober->n_targets = 0;
}

uint64_t
prober_baselines_changed(struct prober *prober)
{
        struct scope *scopes = NULL;
        size_t n = 0;
        struct target *targets = NULL;
        if (judge_probes(prober->instance->judge, &scopes, &n) < 0 ||
                !(targets = calloc(n + 1, sizeof *targets))) {
                scopes_free(scopes, n);
                sd_event_source_set_time(
                        prober->timer_source, (uint64_t)(clock_monotonic_ms() + PROBE_RETRY_MS) * 1000);
                return prober->tickets;
        }
        uint64_t ticket = prober->tickets;
        for (size_t i = 0; i < n; i++) {
                struct target *old = target_of(prober, &scopes[i]);
                targets[i].scope = scopes[i];
                targets[i].probe = probe_of(scopes[i].domain);
                targets[i].asked = ticket;
                targets[i].answered = old ? old->answered : 0;
                targets[i].looked = old && old->looked;
                targets[i].looked_ms = old ? old->looked_ms : 0;
                if (old) {
                        targets[i].watches = old->watches;
                        targets[i].n_watches = old->n_watches;
                        old->watches = NULL;
                        old->n_watches = 0;
                }
        }
        free(scopes);
        targets_drop(prober);
        prober->targets = targets;
        prober->n_targets = n;
        return prober_ask(prober);
}

uint64_t
prober_ask(struct prober *prober)
{
        drain_edits(prober);
        prober->tickets++;
        for (size_t i = 0; i < prober->n_targets; i++) {
                prober->targets[i].asked = prober->tickets;
                prober->targets[i].whole_due_ms = 0;
        }
        ask_next(prober);
        return prober->tickets;
}

bool
prober_answered(const struct prober *prober, uint64_t ticket)
{
        for (size_t i = 0; i < prober->n_targets; i++)
                if (prober->targets[i].answered < ticket)
                        return false;
        return true;
}

bool
prober_is_stuck(const struct prober *prober, int64_t now_ms)
{
        return prober->asked && now_ms - prober->asked_ms > PROBE_STUCK_MS;
}

/* ---- asking ---- */

/* The target that is due, or was due longest; else when one is next. */
static struct target *
next_target(struct prober *prober, bool *ret_named, int64_t *ret_due_ms)
{
        struct target *next = NULL;
        *ret_due_ms = INT64_MAX;
        for (size_t i = 0; i < prober->n_targets; i++) {
                struct target *target = &prober->targets[i];
                bool named = target->probe->named_interval_s && target->named_due_ms < target->whole_due_ms;
                int64_t due_ms = named ? target->named_due_ms : target->whole_due_ms;
                if (due_ms < *ret_due_ms) {
                        *ret_due_ms = due_ms;
                        *ret_named = named;
                        next = target;
                }
        }
        return *ret_due_ms <= clock_monotonic_ms() ? next : NULL;
}

static int
question_of(struct prober *prober, struct target *target, bool named, struct question *question)
{
        int r = scope_copy(&target->scope, &question->scope);
        if (r == 0 && named)
                r = judge_named(prober->instance->judge, &target->scope, &question->items);
        question->probe = target->probe;
        question->named = named;
        question->ticket = target->asked;
        question->taken_ms = clock_now_ms();
        return r;
}

static void
set_due(struct target *target, bool named, int64_t now_ms)
{
        target->named_due_ms = now_ms + (int64_t)target->probe->named_interval_s * 1000;
        if (named)
                return;
        target->looked_ms = now_ms;
        target->whole_due_ms = now_ms + (int64_t)target->probe->interval_s * 1000;
}

static void
arm(struct prober *prober, int64_t due_ms)
{
        if (due_ms == INT64_MAX) {
                sd_event_source_set_enabled(prober->timer_source, SD_EVENT_OFF);
                return;
        }
        sd_event_source_set_time(prober->timer_source, (uint64_t)(due_ms > 0 ? due_ms : 0) * 1000);
        sd_event_source_set_enabled(prober->timer_source, SD_EVENT_ONESHOT);
}

static void
ask_next(struct prober *prober)
{
        bool named = false;
        int64_t due_ms;
        if (prober->asked)
                return; /* its answer asks on */
        struct target *target = next_target(prober, &named, &due_ms);
        if (!target) {
                arm(prober, due_ms);
                return;
        }
        int64_t now_ms = clock_monotonic_ms();
        set_due(target, named, now_ms);
        int r = question_of(prober, target, named, &prober->question);
        if (r == 0 && named && !prober->question.items.count) { /* no policy names anything */
                question_done(&prober->question);
                ask_next(prober);
                return;
        }
        if (r < 0) {
                question_done(&prober->question);
                target->whole_due_ms = now_ms + PROBE_RETRY_MS;
                arm(prober, target->whole_due_ms);
                return;
        }
        prober->asked = true;
        prober->asked_ms = now_ms;
        pthread_mutex_lock(&prober->lock);
        prober->handed = true;
        pthread_cond_signal(&prober->cond);
        pthread_mutex_unlock(&prober->lock);
}

/* ---- answers ---- */

static int
judge_answer(struct prober *prober, struct target *target)
{
        struct question *question = &prober->question;
        bool whole = question->result == 0;
        if (question->result > 0)
                instance_probe_failed(prober->instance, question->scope.domain);
        struct settings_look look = {
                .scope = &question->scope,
                .reading = whole ? &question->reading : NULL,
                .failed = whole ? NULL : question->err.text,
                .named = question->named,
                .now_ms = question->taken_ms,
                .unobserved = prober->had_history && !target->looked,
        };
        if (question->result < 0)
                return question->result;
        int r = judge_observe_settings(prober->instance->judge, &look);
        if (r == 0 && !question->named) {
                target->looked = target->looked || whole;
                if (whole || question->reading.watched
                                     .count) /* a look that failed early names none: the old ones stay */
                        watch_edits(prober, target, &question->reading.watched);
        }
        return r;
}

static int
on_answer(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct prober *prober = userdata;
        uint64_t count;
        ssize_t got = read(fd, &count, sizeof count);
        struct target *target = target_of(prober, &prober->question.scope);
        (void)source;
        (void)revents;
        (void)got;
        prober->asked = false;
        if (target) {
                int r = judge_answer(prober, target);
                if (r < 0)
                        target->whole_due_ms = clock_monotonic_ms() + PROBE_RETRY_MS;
                /* A look that fails is an answer too: who waits is told that it is not known. */
                if (!prober->question.named)
                        target->answered = prober->question.ticket;
                instance_flush(prober->instance, NULL); /* a failure is a problem of its own */
        }
        question_done(&prober->question);
        ask_next(prober);
        prober->changed(prober->userdata);
        return 0;
}

static int
on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        (void)source;
        (void)usec;
        ask_next(userdata);
        return 0;
}

/* ---- life ---- */

static int
add_sources(struct prober *prober, sd_event *event, struct err *err)
{
        uint64_t now = (uint64_t)clock_monotonic_ms() * 1000;
        int r = sd_event_add_io(event, &prober->wake_source, prober->wake_fd, EPOLLIN, on_answer, prober);
        if (r >= 0)
                r = sd_event_add_io(event, &prober->edit_source, prober->edit_fd, EPOLLIN, on_edit, prober);
        if (r >= 0)
                r = sd_event_add_time(
                        event, &prober->timer_source, CLOCK_BOOTTIME, now, 50000, on_timer, prober);
        return r < 0 ? err_set(err, r, "the event loop: %s", strerrordesc_np(-r)) : 0;
}

int
prober_new(sd_event *event, struct instance *instance, void (*changed)(void *userdata), void *userdata,
        struct prober **ret, struct err *err)
{
        _cleanup_(prober_freep) struct prober *prober = calloc(1, sizeof *prober);
        if (!prober)
                return err_oom(err);
        pthread_mutex_init(&prober->lock, NULL);
        pthread_cond_init(&prober->cond, NULL);
        prober->instance = instance;
        prober->changed = changed;
        prober->userdata = userdata;
        prober->had_history = instance->had_history;
        prober->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        prober->edit_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        prober->helpers = probe_helpers();
        if (prober->wake_fd < 0 || prober->edit_fd < 0)
                return err_set(err, -errno, "the probes: %s", strerrordesc_np(errno));
        if (!prober->helpers)
                return err_oom(err);
        int r = add_sources(prober, event, err);
        if (r == 0 && (r = -pthread_create(&prober->thread, NULL, thread_main, prober)) < 0)
                err_set(err, r, "a thread cannot be started: %s", strerrordesc_np(-r));
        if (r)
                return r;
        prober->running = true;
        *ret = steal_pointer(&prober);
        return 0;
}

struct prober *
prober_free(struct prober *prober)
{
        if (!prober)
                return NULL;
        struct timespec deadline;
        atomic_store(&prober->cancel, true);
        pthread_mutex_lock(&prober->lock);
        prober->stop = true;
        pthread_cond_signal(&prober->cond);
        pthread_mutex_unlock(&prober->lock);
        clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_sec += 5; /* in a file system that does not answer it is left to the end of the process */
        if (prober->running && pthread_timedjoin_np(prober->thread, NULL, &deadline) != 0)
                _exit(0);
        sd_event_source_disable_unref(prober->wake_source);
        sd_event_source_disable_unref(prober->edit_source);
        sd_event_source_disable_unref(prober->timer_source);
        question_done(&prober->question);
        targets_drop(prober);
        fd_close(prober->wake_fd);
        fd_close(prober->edit_fd);
        pthread_cond_destroy(&prober->cond);
        pthread_mutex_destroy(&prober->lock);
        free(prober->helpers);
        free(prober);
        return NULL;
}
