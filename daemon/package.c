/* SPDX-License-Identifier: MIT */
/*
 * A clockwork of two questions, put to one thread in turn. Look: did somebody use dpkg, and is he done? If
 * so, and once the engine has judged all that he did, examine: which of the drifts without a cause are his?
 * Then causes, the record of each transaction and the place in the log up to which it was read are made
 * durable in one transaction of the store, so that none is told twice or lost, whenever the daemon ends.
 *
 * The thread owns the package_root while a question is asked, the loop at all other times.
 */
#include "daemon/package.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "core/clock.h"
#include "core/escape.h"

enum ask { ASK_NOTHING, ASK_LOOK, ASK_EXAMINE };

struct packages {
        struct instance *instance;
        struct engine *engine;
        struct package_root *root;
        char *key; /* of the mark in the store */
        int wake_fd;
        sd_event_source *wake_source, *timer_source;
        pthread_t thread;
        bool running;
        atomic_bool cancel;

        pthread_mutex_t lock;
        pthread_cond_t asked;
        enum ask ask; /* under the lock: handed to the thread, which sets it back */
        bool stop;
        int result;

        enum ask answered; /* the loop's: what the answer belongs to */
        struct package_question question;
        struct json *records;
        int64_t due_ms;      /* monotonic: of the timer */
        int64_t ended_ms;    /* monotonic: since when a transaction waits to be examined; 0: none does */
        int64_t asked_ms;    /* when the drifts of now were gathered */
        int64_t gathered_ms; /* drifts seen before this were asked about */
        bool drifts_came;    /* since then */
        int64_t examined_ms; /* monotonic */
        bool taking;         /* causes are taken; of the first `taken` drifts they are */
        size_t taken;
};

/* ---- the thread ---- */

static void *
thread_main(void *argument)
{
        struct packages *packages = argument;
        pthread_mutex_lock(&packages->lock);
        while (!packages->stop) {
                enum ask ask = packages->ask;
                uint64_t one = 1;
                if (ask == ASK_NOTHING) {
                        pthread_cond_wait(&packages->asked, &packages->lock);
                        continue;
                }
                pthread_mutex_unlock(&packages->lock);
                int r = ask == ASK_LOOK
                                ? package_look(packages->root, &packages->cancel)
                                : package_examine(packages->root, &packages->question, &packages->records);
                pthread_mutex_lock(&packages->lock);
                packages->result = r;
                packages->ask = ASK_NOTHING;
                ssize_t written = write(packages->wake_fd, &one, sizeof one);
                (void)written; /* full means that it is awake anyway */
        }
        pthread_mutex_unlock(&packages->lock);
        return NULL;
}

static void
ask(struct packages *packages, enum ask what)
{
        packages->answered = what;
        pthread_mutex_lock(&packages->lock);
        packages->ask = what;
        pthread_cond_signal(&packages->asked);
        pthread_mutex_unlock(&packages->lock);
}

/* ---- the loop ---- */

static void
arm(struct packages *packages, int64_t in_ms)
{
        packages->due_ms = clock_monotonic_ms() + in_ms;
        sd_event_source_set_time(packages->timer_source, (uint64_t)packages->due_ms * 1000);
        sd_event_source_set_enabled(packages->timer_source, SD_EVENT_ONESHOT);
}

static void
examine(struct packages *packages)
{
        struct package_question *question = &packages->question;
        /* What ended may have begun to be seen before the last question. */
        int64_t since_ms = packages->ended_ms ? 0 : packages->gathered_ms;
        packages->drifts_came = false;
        packages->asked_ms = clock_now_ms();
        if (instance_uncaused(packages->instance, since_ms, PACKAGE_DRIFTS_MAX, &question->drifts,
                    &question->n_drifts) < 0) {
                arm(packages, PACKAGES_IDLE_MS);
                return;
        }
        question->own = packages->instance->own;
        question->n_own = packages->instance->n_own;
        question->cancel = &packages->cancel;
        ask(packages, ASK_EXAMINE);
}

static void
store_mark(struct packages *packages)
{
        char mark[PACKAGE_MARK_MAX];
        package_mark_format(packages->root, mark);
        instance_value(packages->instance, packages->key, mark);
        instance_flush(
                packages->instance, NULL); /* a failure is a problem of its own; what is queued stays */
}

static void
question_done(struct packages *packages)
{
        packages->question.drifts =
                package_drifts_free(packages->question.drifts, packages->question.n_drifts);
        packages->question.n_drifts = packages->taken = 0;
        packages->records = json_free(packages->records);
        malloc_trim(0); /* lists and questions leave holes */
}

/* Some at a time. The records and the mark come last: if the daemon ends before, the rest is asked about
 * again. */
static void
take_causes(struct packages *packages)
{
        struct instance *instance = packages->instance;
        struct package_question *question = &packages->question;
        size_t n = min_size(PACKAGES_AT_ONCE, question->n_drifts - packages->taken);
        instance_caused(instance, question->drifts + packages->taken, n);
        packages->taken += n;
        packages->taking = packages->taken < question->n_drifts;
        if (packages->taking) {
                instance_flush(instance, NULL);
                arm(packages, 0);
                return;
        }
        json_each (packages->records, i, detail)
                instance_record(instance, "transaction", NULL, json_keep((struct json *)(uintptr_t)detail));
        store_mark(packages);
        packages->gathered_ms = packages->asked_ms;
        packages->ended_ms = 0;
        question_done(packages);
        arm(packages, PACKAGES_IDLE_MS);
}

/* What ended is examined when all that it did is judged; or, where that never comes, as it is. */
static void
examine_when_quiet(struct packages *packages)
{
        int64_t now_ms = clock_monotonic_ms();
        if (!packages->ended_ms)
                packages->ended_ms = now_ms;
        if (engine_is_quiet(packages->engine) ||
                (packages->instance->settled && now_ms - packages->ended_ms >= PACKAGES_SETTLE_MS))
                examine(packages);
        else
                arm(packages, PACKAGES_SOON_MS);
}

static void
looked(struct packages *packages, int result)
{
        switch (result) {
        case 0:
                examine_when_quiet(packages);
                return;
        case PACKAGE_BUSY:
                packages->ended_ms = 0;
                arm(packages, PACKAGES_SOON_MS);
                return;
        case PACKAGE_QUIET:
                /* What is found late; not more often, for a storm of other drifts would have it asked all the
                 * time. */
                if (package_remembers(packages->root, clock_now_ms()) && packages->drifts_came) {
                        if (clock_monotonic_ms() - packages->examined_ms >= PACKAGES_IDLE_MS)
                                examine(packages);
                        else
                                arm(packages, PACKAGES_IDLE_MS);
                        return;
                }
                break;
        default:
                break;
        }
        packages->drifts_came = false;
        arm(packages, PACKAGES_IDLE_MS);
}

static void
examined(struct packages *packages, int result)
{
        packages->examined_ms = clock_monotonic_ms();
        if (result == 0) {
                take_causes(packages);
                return;
        }
        question_done(packages);
        arm(packages, result == PACKAGE_BUSY ? PACKAGES_SOON_MS : PACKAGES_IDLE_MS);
}

static int
on_answer(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct packages *packages = userdata;
        uint64_t count;
        ssize_t got = read(fd, &count, sizeof count);
        enum ask answered = packages->answered;
        (void)source;
        (void)revents;
        (void)got;
        packages->answered = ASK_NOTHING;
        if (answered == ASK_LOOK)
                looked(packages, packages->result);
        else if (answered == ASK_EXAMINE)
                examined(packages, packages->result);
        return 0;
}

static int
on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct packages *packages = userdata;
        (void)source;
        (void)usec;
        if (packages->taking)
                take_causes(packages);
        else if (packages->answered == ASK_NOTHING)
                ask(packages, ASK_LOOK);
        return 0;
}

void
packages_announce(struct packages *packages, const struct announcement *announcement)
{
        if (!packages || strcmp(announcement->kind, "drift") != 0)
                return;
        packages->drifts_came = true;
        bool idle = packages->answered == ASK_NOTHING && !packages->taking;
        if (idle && packages->due_ms > clock_monotonic_ms() + PACKAGES_SOON_MS)
                arm(packages, PACKAGES_SOON_MS);
}

/* ---- life ---- */

/* Where the last start left off; for the first of all, here and now. */
static int
load_mark(struct packages *packages, struct err *err)
{
        _cleanup_free_ char *mark = NULL;
        int r = store_value_get(packages->instance->store, packages->key, &mark, err);
        if (r < 0)
                return r;
        package_mark_now(packages->root);
        if (r == 0)
                package_mark_parse(packages->root, mark);
        else
                store_mark(packages);
        return 0;
}

static int
add_sources(struct packages *packages, sd_event *event, struct err *err)
{
        packages->due_ms = clock_monotonic_ms();
        int r = sd_event_add_io(
                event, &packages->wake_source, packages->wake_fd, EPOLLIN, on_answer, packages);
        if (r >= 0)
                r = sd_event_add_time(event, &packages->timer_source, CLOCK_BOOTTIME,
                        (uint64_t)packages->due_ms * 1000, 50000, on_timer, packages);
        return r < 0 ? err_set(err, r, "the event loop: %s", strerrordesc_np(-r)) : 0;
}

static char *
key_of(const char *root)
{
        _cleanup_free_ char *escaped = escape_new(root, strlen(root));
        char *key = NULL;
        return escaped && asprintf(&key, "dpkg:%s", escaped) >= 0 ? key : NULL;
}

int
packages_new(sd_event *event, struct instance *instance, struct engine *engine, const struct config *config,
        struct packages **ret, struct err *err)
{
        if (!config->packages) {
                *ret = NULL;
                return 0;
        }
        _cleanup_(packages_freep) struct packages *packages = calloc(1, sizeof *packages);
        if (!packages)
                return err_oom(err);
        pthread_mutex_init(&packages->lock, NULL);
        pthread_cond_init(&packages->asked, NULL);
        packages->instance = instance;
        packages->engine = engine;
        packages->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        packages->root = package_root_new(config->packages_root);
        if (packages->wake_fd < 0 || !packages->root || !(packages->key = key_of(config->packages_root)))
                return err_oom(err);
        int r = load_mark(packages, err);
        r = r ? r : add_sources(packages, event, err);
        if (r == 0 && (r = -pthread_create(&packages->thread, NULL, thread_main, packages)) < 0)
                err_set(err, r, "a thread cannot be started: %s", strerrordesc_np(-r));
        if (r)
                return r;
        packages->running = true;
        *ret = steal_pointer(&packages);
        return 0;
}

struct packages *
packages_free(struct packages *packages)
{
        if (!packages)
                return NULL;
        struct timespec deadline;
        atomic_store(&packages->cancel, true);
        pthread_mutex_lock(&packages->lock);
        packages->stop = true;
        pthread_cond_signal(&packages->asked);
        pthread_mutex_unlock(&packages->lock);
        clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_sec += 5; /* in a file system that does not answer it is left to the end of the process */
        if (packages->running && pthread_timedjoin_np(packages->thread, NULL, &deadline) != 0)
                _exit(0);
        sd_event_source_disable_unref(packages->wake_source);
        sd_event_source_disable_unref(packages->timer_source);
        question_done(packages);
        package_root_free(packages->root);
        fd_close(packages->wake_fd);
        pthread_cond_destroy(&packages->asked);
        pthread_mutex_destroy(&packages->lock);
        free(packages->key);
        free(packages);
        return NULL;
}
