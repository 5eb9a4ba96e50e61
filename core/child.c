/* SPDX-License-Identifier: MIT */
/*
 * Running a program. It leads a process group of its own, so that its children end with it. All descriptors
 * of ours are close-on-exec, so it gets none but its three.
 */
#include "core/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "core/clock.h"
#include "core/unroot.h"

#define CANCEL_LOOK_MS 100 /* how often a cancellation is looked for */

enum { OUTPUT, ERRORS, ENDED, N_FDS };

struct running {
        const struct child *child;
        pid_t pid;
        int input_fd;             /* -1: none */
        struct pollfd fds[N_FDS]; /* -1: at its end */
        struct buf *to[2];
};

static int
failed(struct err *err, const struct child *child, const char *what)
{
        return err_set(err, CHILD_FAILED, "%.300s: %s", child->program, what);
}

/* ---- starting ---- */

static int
spawn(struct running *run, int output_fd, int errors_fd)
{
        static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", locale[] = "LC_ALL=C";
        char *environment[] = {path, locale, NULL};
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, all;
        sigemptyset(&none);
        sigfillset(&all);
        int r = posix_spawn_file_actions_init(&actions);
        if (r)
                return -r;
        r = posix_spawnattr_init(&attributes);
        if (r) {
                posix_spawn_file_actions_destroy(&actions);
                return -r;
        }
        if (run->input_fd >= 0)
                r = posix_spawn_file_actions_adddup2(&actions, run->input_fd, STDIN_FILENO);
        else
                r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        r = r ? r : posix_spawn_file_actions_adddup2(&actions, output_fd, STDOUT_FILENO);
        r = r ? r : posix_spawn_file_actions_adddup2(&actions, errors_fd, STDERR_FILENO);
        r = r ? r : posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
        r = r ? r : posix_spawnattr_setpgroup(&attributes, 0);
        r = r ? r : posix_spawnattr_setsigmask(&attributes, &none);
        r = r ? r : posix_spawnattr_setsigdefault(&attributes, &all);
        r = r ? r
              : posix_spawnattr_setflags(
                        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        r = r ? r
              : posix_spawn(&run->pid, run->child->program, &actions, &attributes, run->child->arguments,
                        environment);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

/* What a thread of its own is given: the kernel does not let a filter be taken back. */
struct spawning {
        struct running *run;
        int output_fd, errors_fd;
        int result; /* spawn's */
};

static void *
spawn_in_thread(void *userdata)
{
        struct spawning *spawning = userdata;
        spawning->result = unroot_thread() ? spawn(spawning->run, spawning->output_fd, spawning->errors_fd)
                                           : -EOPNOTSUPP;
        return NULL;
}

static int
spawn_unrooted(struct running *run, int output_fd, int errors_fd)
{
        struct spawning spawning = {run, output_fd, errors_fd, 0};
        pthread_t thread;
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before); /* no handler is to run there */
        int r = pthread_create(&thread, NULL, spawn_in_thread, &spawning);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r)
                return -r;
        pthread_join(thread, NULL);
        return spawning.result;
}

/*
 * A file without a name, so that no pipe can fill up and nobody waits for who does not read. It is sealed:
 * two that have it open cannot change what the other reads.
 */
static int
open_input(struct running *run)
{
        const struct child *child = run->child;
        run->input_fd = -1;
        if (!child->input)
                return 0;
        _cleanup_fd_ int fd = memfd_create("input", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        for (size_t at = 0; fd >= 0 && at < child->input_size;) {
                ssize_t n = write(fd, child->input + at, child->input_size - at);
                if (n < 0 && errno != EINTR)
                        return -errno;
                at += n > 0 ? (size_t)n : 0;
        }
        if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0)
                return -errno;
        run->input_fd = steal_fd(&fd);
        return 0;
}

static int
start(struct running *run, struct err *err)
{
        int pipes[2][2] = {{-1, -1}, {-1, -1}};
        int r = pipe2(pipes[0], O_CLOEXEC) < 0 || pipe2(pipes[1], O_CLOEXEC) < 0 ? -errno : 0;
        r = r ? r : open_input(run);
        if (r == 0)
                r = (run->child->unrooted ? spawn_unrooted : spawn)(run, pipes[0][1], pipes[1][1]);
        fd_close(pipes[0][1]);
        fd_close(pipes[1][1]);
        fd_close(run->input_fd);
        if (r < 0) {
                fd_close(pipes[0][0]);
                fd_close(pipes[1][0]);
                return r == -ENOMEM ? err_oom(err) : failed(err, run->child, strerrordesc_np(-r));
        }
        for (int i = 0; i < 2; i++) {
                run->fds[i] = (struct pollfd){pipes[i][0], POLLIN, 0};
                (void)fcntl(pipes[i][0], F_SETFL, O_NONBLOCK);
        }
        run->fds[ENDED] = (struct pollfd){pidfd_open(run->pid, 0), POLLIN, 0};
        return 0;
}

/* ---- listening ---- */

static void
at_its_end(struct running *run, int which)
{
        fd_close(run->fds[which].fd);
        run->fds[which].fd = -1;
}

/* All that is there now. */
static int
take(struct running *run, int which, struct err *err)
{
        char bytes[4096];
        while (run->fds[which].fd >= 0) {
                ssize_t got = read(run->fds[which].fd, bytes, sizeof bytes);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0 && errno == EAGAIN)
                        return 0;
                if (got <= 0) {
                        at_its_end(run, which);
                        return 0;
                }
                if (run->to[which]->size + (size_t)got > run->child->output_max)
                        return failed(err, run->child, "it said more than is taken in");
                if (buf_append(run->to[which], bytes, (size_t)got) < 0)
                        return err_oom(err);
        }
        return 0;
}

static int
listen_to(struct running *run, struct err *err)
{
        int64_t deadline_ms = clock_monotonic_ms() + run->child->timeout_ms;
        for (;;) {
                int64_t left_ms = deadline_ms - clock_monotonic_ms();
                if (left_ms <= 0)
                        return failed(err, run->child, "it did not end in time");
                if (run->child->cancel && atomic_load(run->child->cancel))
                        return -ECANCELED;
                /* (Without a pidfd the end is that of its output, or noticed late.) */
                int n = poll(run->fds, N_FDS, (int)(left_ms < CANCEL_LOOK_MS ? left_ms : CANCEL_LOOK_MS));
                if (n < 0 && errno != EINTR)
                        return failed(err, run->child, strerrordesc_np(errno));
                siginfo_t ended = {0};
                bool over = waitid(P_PID, (id_t)run->pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
                            ended.si_pid == run->pid;
                int r = take(run, OUTPUT, err);
                r = r ? r : take(run, ERRORS, err);
                if (r || over) /* what it left running may hold the pipes open: nobody waits for that */
                        return r;
        }
}

int
child_run(const struct child *child, struct buf *output, struct buf *errors, int *ret_status, struct err *err)
{
        struct running run = {.child = child, .input_fd = -1, .to = {output, errors}};
        int status = 0, r = start(&run, err);
        if (r)
                return r;
        r = listen_to(&run, err);
        /* Its number is its own until it is waited for, so this cannot meet a stranger. */
        (void)kill(-run.pid, SIGKILL);
        if (r)
                (void)kill(run.pid, SIGKILL);
        while (waitpid(run.pid, &status, 0) < 0 && errno == EINTR)
                ;
        for (int i = 0; i < N_FDS; i++)
                fd_close(run.fds[i].fd);
        if (r)
                return r;
        if (!WIFEXITED(status))
                return err_set(err, CHILD_FAILED, "%.300s: it was ended by signal %d", child->program,
                        WIFSIGNALED(status) ? WTERMSIG(status) : 0);
        *ret_status = WEXITSTATUS(status);
        return 0;
}
