/* SPDX-License-Identifier: MIT */
/*
 * driftd. The boot sequence is main() from top to bottom: configuration, store and trust, engine, socket,
 * then the loop; teardown is the same in reverse. It stays in the foreground (systemd is the supervisor),
 * tells readiness by sd_notify, and knows no approver's private key.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "core/clock.h"
#include "core/coverage.h"
#include "core/crypto.h"
#include "core/file.h"
#include "daemon/control.h"
#include "daemon/engine.h"
#include "daemon/package.h"
#include "daemon/report.h"
#include "daemon/watch.h"

#define LOOP_TRIES 50u     /* a tenth of a second apart */
#define ALIVE_MS 60000     /* how exact the bounds of a gap are */
#define RETRY_MS 5000      /* while the store cannot be written */
#define STORE_WAIT_MS 5000 /* for a store that another program holds */

struct daemon {
        const char *config_file;
        struct config *config;
        struct instance *instance;
        struct engine *engine;
        struct control *control;
        struct packages *packages;
        sd_event *event;
        sd_event_source *alive_source, *clock_source;
        int clock_fd;
        int64_t heartbeat_ms, told_ms;
        const char *stop_reason;
};

static void
on_announce(void *userdata, const struct announcement *announcement)
{
        struct daemon *d = userdata;
        report_announcement(d->instance, announcement);
        if (d->control)
                control_announce(d->control, announcement);
        packages_announce(d->packages, announcement);
}

static void
on_announced(void *userdata)
{
        (void)userdata;
        report_announced();
}

/* The history cannot hold it, so that the journal must. */
static void
on_trouble(void *userdata, const char *text)
{
        struct daemon *d = userdata;
        d->told_ms = clock_monotonic_ms();
        report_line(LOG_ERR, "the store cannot be written; detection goes on: %s", text);
        if (d->alive_source)
                sd_event_source_set_time(d->alive_source, (uint64_t)(d->told_ms + RETRY_MS) * 1000);
}

static void
tell_status(struct daemon *d)
{
        char text[256];
        engine_describe(d->engine, text, sizeof text);
        sd_notifyf(0, "STATUS=%s", text);
}

static void
on_ready(void *userdata)
{
        struct daemon *d = userdata;
        char text[256];
        engine_describe(d->engine, text, sizeof text);
        sd_notifyf(0, "READY=1\nSTATUS=%s", text);
        report_line(LOG_INFO, "watching: %s", text);
}

/* A store that cannot be written is told to the journal each minute, and tried more often. */
static int
on_alive(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct daemon *d = userdata;
        struct err err = {0};
        int64_t now_ms = clock_monotonic_ms();
        (void)usec;
        if (now_ms - d->heartbeat_ms >= COVERAGE_HEARTBEAT_MS) {
                struct coverage coverage;
                d->heartbeat_ms = now_ms;
                judge_coverage(d->instance->judge, clock_now_ms(), &coverage);
                instance_record(d->instance, "heartbeat", NULL,
                        json_make("{s:s, s:I, s:I}", "verdict", instance_verdict(d->instance), "expected",
                                (json_int)coverage.expected, "verified", (json_int)coverage.verified));
        }
        instance_clock_look(d->instance); /* the kernel tells of a step; a missed one must not last */
        instance_windows_look(d->instance);
        bool fails = instance_alive(d->instance, &err) < 0;
        const char *damage = store_damage(d->instance->store);
        if ((fails || damage) && now_ms - d->told_ms >= ALIVE_MS) {
                d->told_ms = now_ms;
                report_line(LOG_ERR, "the store %s: %s", fails ? "cannot be written" : "is damaged",
                        fails ? err.text : damage);
        }
        tell_status(d);
        sd_event_source_set_time(source, (uint64_t)(now_ms + (fails ? RETRY_MS : ALIVE_MS)) * 1000);
        sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        return 0;
}

static int
arm_clock(int fd)
{
        struct itimerspec never = {.it_value.tv_sec = (time_t)1 << 40};
        return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

/* The kernel cancels the timer whenever the wall clock is set (timerfd_create(2)). */
static int
on_clock_set(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct daemon *d = userdata;
        uint64_t count;
        ssize_t got = read(fd, &count, sizeof count);
        (void)source;
        (void)revents;
        (void)got;
        instance_clock_look(d->instance);
        instance_flush(d->instance, NULL);
        arm_clock(fd);
        return 0;
}

static int
on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        struct daemon *d = userdata;
        struct config *next = NULL;
        struct err err = {0};
        (void)source;
        (void)info;
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now); /* sd_notify(3) wants this clock, without the time of suspend */
        sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIi64,
                (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
        bool taken = false;
        int r = config_load(d->config_file, &next, &err);
        if (r == 0 && (strcmp(next->state_dir, d->config->state_dir) != 0 ||
                              strcmp(next->runtime_dir, d->config->runtime_dir) != 0))
                r = err_set(&err, -EINVAL, "state_dir and runtime_dir change only at a restart");
        if (r == 0 && next->watch != d->config->watch)
                r = err_set(&err, -EINVAL, "watch changes only at a restart");
        if (r == 0) {
                r = instance_reload(d->instance, next, &err);
                engine_reconfigure(d->engine, next);
                bool other = next->packages != d->config->packages ||
                             strcmp(next->packages_root, d->config->packages_root) != 0;
                if (other) {
                        d->packages = packages_free(d->packages);
                        r = r ? r : packages_new(d->event, d->instance, d->engine, next, &d->packages, &err);
                }
                config_free(d->config);
                d->config = steal_pointer(&next);
                taken = true;
        }
        config_free(next);
        instance_record(d->instance, "reload", NULL,
                json_make("{s:b, s:s?}", "ok", r == 0, "error", r ? err.text : NULL));
        instance_flush(d->instance, NULL);
        if (taken)
                tell_status(d);
        if (r)
                report_line(LOG_ERR, "%s: %s",
                        taken ? "the new configuration is in force, but" : "the old configuration stays",
                        err.text);
        sd_notify(0, "READY=1");
        return 0;
}

static int
on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        struct daemon *d = userdata;
        (void)source;
        sd_notify(0, "STOPPING=1");
        d->stop_reason = info->ssi_signo == SIGINT ? "SIGINT" : "SIGTERM";
        return sd_event_exit(d->event, 0);
}

static int
open_loop(struct daemon *d, struct err *err)
{
        sigset_t signals;
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGHUP);
        sigprocmask(SIG_BLOCK, &signals, NULL); /* before any thread, so that each inherits it */
        signal(SIGPIPE, SIG_IGN);
        int r = sd_event_default(&d->event);
        if (r >= 0)
                r = sd_event_add_signal(d->event, NULL, SIGTERM, on_stop, d);
        if (r >= 0)
                r = sd_event_add_signal(d->event, NULL, SIGINT, on_stop, d);
        if (r >= 0)
                r = sd_event_add_signal(d->event, NULL, SIGHUP, on_reload, d);
        if (r >= 0)
                r = sd_event_set_watchdog(d->event, 1);
        return r < 0 ? err_set(err, r, "the event loop: %s", strerrordesc_np(-r)) : 0;
}

static int
add_timers(struct daemon *d, struct err *err)
{
        uint64_t due = (uint64_t)(clock_monotonic_ms() + ALIVE_MS) * 1000;
        d->heartbeat_ms = clock_monotonic_ms();
        d->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
        int r = d->clock_fd < 0 || arm_clock(d->clock_fd) < 0 ? -errno : 0;
        if (r >= 0)
                r = sd_event_add_io(d->event, &d->clock_source, d->clock_fd, EPOLLIN, on_clock_set, d);
        if (r >= 0)
                r = sd_event_add_time(d->event, &d->alive_source, CLOCK_BOOTTIME, due, 1000000, on_alive, d);
        return r < 0 ? err_set(err, r, "a timer cannot be made: %s", strerrordesc_np(-r)) : 0;
}

/* Deep trees hold a descriptor for each open level: take what we may. */
static void
raise_limits(void)
{
        struct rlimit files;
        if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
                files.rlim_cur = files.rlim_max;
                setrlimit(RLIMIT_NOFILE, &files);
        }
}

/* driftctl holds the store for a moment where no daemon runs: that is waited for, another driftd is not. */
static int
open_instance(struct daemon *d, struct err *err)
{
        int64_t until_ms = clock_monotonic_ms() + STORE_WAIT_MS;
        int r;
        while ((r = instance_open(d->config, 0, &d->instance, err)) == INSTANCE_BUSY &&
                clock_monotonic_ms() < until_ms)
                nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
        return r;
}

/* For good until the end: a change of `watch` needs a restart. Asked for and not to be had is a problem, and
 * no reason to watch nothing. */
static void
choose_watch(struct instance *instance)
{
        struct err why = {0};
        enum watch_by wished = instance->config->watch;
        instance->watched_by = WATCH_INOTIFY;
        if (wished == WATCH_INOTIFY)
                return;
        if (watch_can_fanotify(&why))
                instance->watched_by = WATCH_FANOTIFY;
        else if (wished == WATCH_FANOTIFY)
                instance_problem(instance, PROBLEM_NO_FANOTIFY, 1, why.text,
                        "inotify watches instead, and does not tell who; driftd(8), \"Who did it\", names "
                        "the drop-in");
}

static int
start(struct daemon *d, struct err *err)
{
        int r = digest_setup();
        r = r ? r : crypto_setup();
        if (r < 0)
                return err_set(err, r, "the cryptographic libraries cannot be set up");
        umask(0077);
        /* The many threads allocate little: an arena each would only hold memory, and its end is never given
         * back by malloc_trim(3). */
        mallopt(M_ARENA_MAX, 1);
        raise_limits();
        r = open_loop(d, err);
        r = r ? r : config_load(d->config_file, &d->config, err);
        r = r ? r : folder_create(d->config->runtime_dir, 0755, err);
        r = r ? r : open_instance(d, err);
        if (r)
                return r;
        d->instance->announce = on_announce;
        d->instance->announced = on_announced;
        d->instance->trouble = on_trouble;
        d->instance->announce_userdata = d;
        choose_watch(d->instance);
        r = instance_start(d->instance, err);
        r = r ? r : engine_new(d->event, d->instance, d->config, &d->engine, err);
        if (r)
                return r;
        _cleanup_free_ char *socket = config_socket(d->config);
        r = socket ? control_new(d->event, d->instance, d->engine, socket, &d->control, err) : err_oom(err);
        r = r ? r : packages_new(d->event, d->instance, d->engine, d->config, &d->packages, err);
        r = r ? r : add_timers(d, err);
        r = r ? r : engine_start(d->engine, on_ready, d, err);
        return r ? r : control_listen(d->control, err);
}

static void
teardown(struct daemon *d)
{
        d->packages = packages_free(d->packages);
        d->control = control_free(d->control);
        if (d->instance && d->stop_reason)
                instance_stop(d->instance, d->stop_reason, NULL);
        else if (d->instance)
                instance_flush(d->instance, NULL);
        sd_event_source_disable_unref(d->alive_source);
        sd_event_source_disable_unref(d->clock_source);
        fd_close(d->clock_fd);
        d->engine = engine_free(d->engine);
        d->instance = instance_free(d->instance);
        d->config = config_free(d->config);
        d->event = sd_event_unref(d->event);
}

static int
usage(FILE *to)
{
        fputs("driftd " DRIFTD_VERSION " - watches that a host stays as its signed baselines say\n"
              "\n"
              "Usage: driftd [-c FILE]\n"
              "\n"
              "  -c, --config FILE   the configuration (default " CONFIG_DEFAULT_PATH ")\n"
              "  -V, --version       print the version\n"
              "  -h, --help          print this\n"
              "\n"
              "Stays in the foreground. SIGHUP reloads the configuration, SIGTERM stops.\n"
              "See driftd(8), driftd.conf(5); driftctl(1) is its companion.\n",
                to);
        return to == stdout ? 0 : 4;
}

static int
read_options(int argc, char **argv, struct daemon *d)
{
        static const struct option options[] = {
                {"config", required_argument, NULL, 'c'},
                {"version", no_argument, NULL, 'V'},
                {"help", no_argument, NULL, 'h'},
                {0},
        };
        d->config_file = CONFIG_DEFAULT_PATH;
        for (int option; (option = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1;)
                switch (option) {
                case 'c':
                        d->config_file = optarg;
                        break;
                case 'V':
                        puts("driftd " DRIFTD_VERSION);
                        return 0;
                case 'h':
                        return usage(stdout);
                default:
                        return usage(stderr);
                }
        if (optind < argc) {
                fprintf(stderr, "driftd: it takes no arguments\n");
                return usage(stderr);
        }
        return -1;
}

/* The loop itself can want memory that is not there for a moment. It has lost nothing, and goes on. */
static int
run(sd_event *event)
{
        int r;
        for (unsigned tries = 0; (r = sd_event_loop(event)) == -ENOMEM && tries < LOOP_TRIES; tries++)
                nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        return r;
}

int
main(int argc, char **argv)
{
        /* The lines of one transaction; report.c sees to it that none stays here. What a crash loses of them
         * stands in the history. */
        static char lines[16384];
        struct daemon d = {.clock_fd = -1};
        struct err err = {0};
        setvbuf(stderr, lines, _IOFBF, sizeof lines);
        int code = read_options(argc, argv, &d);
        if (code >= 0)
                return code;
        int r = start(&d, &err);
        if (r == 0)
                r = run(d.event);
        if (r) {
                report_line(LOG_ERR, "%s", err.text[0] ? err.text : strerrordesc_np(-r));
                if (err.hint[0])
                        report_line(LOG_INFO, "%s", err.hint);
        }
        teardown(&d);
        return r == 0 ? 0 : r == INSTANCE_REFUSED ? 3 : 4;
}
