/* SPDX-License-Identifier: MIT */
/*
 * The folder under construction. Whoever fills it may wait for a daemon, read a disk or compute when the
 * signal comes, so it is taken by a thread that does nothing else, with sigwait: no handler, no global. By a
 * signal of its own it is told to end (pthread_cancel would load a library first, and abort without memory).
 *
 * `ending` is held by who decides what becomes of the folder: the filler once it is named or given up, or the
 * thread once a signal came. The thread never lets it go: from then on the filler, which may find files
 * missing, comes as far as that lock and says nothing more, until the signal ends the process.
 */
#include "cli/draft_folder.h"

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/quote.h"

#define STOP_SIGNAL SIGUSR1 /* (one of real time can be refused: sigqueue needs memory, and is bounded) */
#define REMOVE_TRIES                                                                                         \
        100u /* the filler may add files while they are removed; without the folder it cannot                \
              */

struct draft_folder {
        char *path, *target;
        bool named;
        sigset_t signals, before; /* those that are taken; the mask to be put back */
        bool blocked, watched;
        atomic_bool stopping;
        pthread_t watcher;
        pthread_mutex_t ending;
};

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st;
        (void)type;
        (void)ftw;
        remove(path);
        return 0;
}

static void
remove_all(const char *path)
{
        for (unsigned try = 0; try < REMOVE_TRIES && access(path, F_OK) == 0; try++)
                nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- signals ---- */

/* Those that would end us: one that is ignored (nohup) stays so, though sigwait would take it. */
static void
signals_that_end(sigset_t *ret)
{
        static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
        sigemptyset(ret);
        sigaddset(ret, STOP_SIGNAL);
        for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
                struct sigaction action;
                if (sigaction(signals[i], NULL, &action) == 0 && action.sa_handler == SIG_DFL)
                        sigaddset(ret, signals[i]);
        }
}

static void
end_by(int signal)
{
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, signal);
        kill(getpid(), signal);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL); /* here it is delivered */
}

static void *
watch_signals(void *argument)
{
        struct draft_folder *draft = argument;
        int signal = STOP_SIGNAL; /* from somebody else it is none */
        while (signal == STOP_SIGNAL && !draft->stopping)
                if (sigwait(&draft->signals, &signal) != 0)
                        signal = STOP_SIGNAL;
        if (signal == STOP_SIGNAL)
                return NULL;
        pthread_mutex_lock(&draft->ending);
        if (!draft->named)
                remove_all(draft->path);
        end_by(signal);
        return NULL;
}

/* A signal that has come already is taken by the thread, which then never comes back. */
static void
stop_watching(struct draft_folder *draft)
{
        if (draft->watched) {
                draft->stopping = true;
                pthread_kill(draft->watcher, STOP_SIGNAL); /* it waits, or it acts */
                pthread_join(draft->watcher, NULL);
        }
        draft->watched = false;
        if (draft->blocked)
                pthread_sigmask(SIG_SETMASK, &draft->before, NULL);
        draft->blocked = false;
}

/* ---- life ---- */

static int
make(struct draft_folder *draft, const char *target, struct err *err)
{
        size_t size = strlen(target);
        while (size > 1 && target[size - 1] == '/')
                size--;
        if (!(draft->target = strdup(target)))
                return err_oom(err);
        if (asprintf(&draft->path, "%.*s.XXXXXX", (int)size, target) < 0) {
                draft->path = NULL;
                return err_oom(err);
        }
        if (!mkdtemp(draft->path)) {
                int r = -errno;
                draft->named = true; /* there is none */
                return err_set(err, r, "%s: %s", quote(target), strerrordesc_np(-r));
        }
        int r = -pthread_create(&draft->watcher, NULL, watch_signals, draft);
        draft->watched = r == 0;
        return r ? err_set(err, r, "a thread cannot be started: %s", strerrordesc_np(-r)) : 0;
}

int
draft_folder_new(const char *target, struct draft_folder **ret, struct err *err)
{
        _cleanup_(draft_folder_freep) struct draft_folder *draft = calloc(1, sizeof *draft);
        if (!draft)
                return err_oom(err);
        pthread_mutex_init(&draft->ending, NULL);
        signals_that_end(&draft->signals);
        draft->blocked = pthread_sigmask(SIG_BLOCK, &draft->signals, &draft->before) == 0;
        int r = make(draft, target, err);
        if (r)
                return r;
        *ret = steal_pointer(&draft);
        return 0;
}

const char *
draft_folder_path(const struct draft_folder *draft)
{
        return draft->path;
}

int
draft_folder_name(struct draft_folder *draft, struct err *err)
{
        pthread_mutex_lock(&draft->ending);
        int r = rename(draft->path, draft->target) < 0 ? -errno : 0;
        draft->named = r == 0;
        pthread_mutex_unlock(&draft->ending);
        if (r < 0)
                return err_set(err, r, "%s: %s", quote(draft->target), strerrordesc_np(-r));
        return folder_sync_of(draft->target, err);
}

struct draft_folder *
draft_folder_free(struct draft_folder *draft)
{
        if (!draft)
                return NULL;
        pthread_mutex_lock(&draft->ending);
        if (!draft->named && draft->path)
                remove_all(draft->path);
        draft->named = true; /* or gone */
        pthread_mutex_unlock(&draft->ending);
        stop_watching(draft);
        pthread_mutex_destroy(&draft->ending);
        free(draft->path);
        free(draft->target);
        free(draft);
        return NULL;
}
