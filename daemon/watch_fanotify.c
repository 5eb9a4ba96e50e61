/* SPDX-License-Identifier: MIT */
/*
 * The fanotify backend: one mark for each file system on which a folder is watched, and in the table the
 * folder's file handle as its key. The kernel then tells of everything on that file system, and what is of no
 * watched folder is dropped at once; it holds no memory for a folder, and no folder can be one too many.
 *
 * A process that writes a line and ends is gone after a millisecond, so the events are read by a thread of
 * its own: it looks up the path, takes who it was, and hands both on. Between it and the loop is a bounded
 * queue; while that is full nothing is read, and then it is the kernel's bounded queue that overflows, which
 * is told as such. (FAN_UNLIMITED_QUEUE would let anybody who can write files fill the kernel's memory.)
 *
 * Even that would come too late for many, so the kernel also tells when a program is executed: the process is
 * read then, some hundred microseconds before it can do anything. It still shows the program before for a
 * moment; it is believed once it shows a file of the name that was executed, and the kernel says that it is
 * no mere fork. (A script's interpreter and the loader are executed with it, hence several names.)
 *
 * The table is kept in the order of the events. A folder that is born is put into it by the event of its
 * birth, which holds its handle: so hardly a file in it is missed, and its maker is known. It is walked all
 * the same: others may make something in it before its birth is told.
 *
 * Whoever can keep a reader of /proc/PID/cmdline waiting (it takes a lock of the process's memory) holds the
 * thread up, and no other: what waits for its events (a ticket) waits a bounded time, and then it is said
 * that events may be missing, as of an overflow, so that passes look. The loop itself goes on, and waits for
 * none of the tickets that follow, until the reader has come to the one that it was late for; then it is said
 * once more, for what was answered without it meanwhile.
 *
 * A reader that ends by itself (the kernel refuses it a call) is told as an overflow too, and made anew with
 * a new group: the doubt lets every folder be marked again. One that ends again and again is given up, and
 * the same doubt lets inotify watch the folders.
 *
 * Owns the group, the thread, the queue and the cache of processes. `reading` is held for one call of read(2)
 * at a time, so that what was read and what is queued are one number; nothing else is locked meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <time.h>

#include "core/clock.h"
#include "core/escape.h"
#include "daemon/watch_internal.h"

#define EVENT_BUFFER_SIZE ((size_t)16 << 10) /* bytes read at once: at most some 370 events */
#define READING_WAIT_MS 1000                 /* that the loop waits for the reader at most */
#define JOIN_TIMEOUT_S 5
#define REMAKES_MAX 3u                  /* of a reader that ended by itself */
#define REMAKES_FORGET_MS (3600 * 1000) /* one that held so long is not counted */
#define READER_NICE (-10)
#define TOLD_MAX 16384u     /* events between the thread and the loop */
#define TOLD_AT_ONCE 1024u  /* of them, in one turn of the loop */
#define CACHE_SIZE 256u     /* processes */
#define EXEC_NAMES 3u       /* a script, its interpreter, the loader */
#define EXEC_NAME_MAX 64u   /* bytes that are compared, with the NUL */
#define PENDING_MAX 32u     /* processes that are about to run another program */
#define PENDING_MS 20       /* that long */
#define PENDING_LOOK_US 150 /* between looks at them */
#define FRESH_MS 1000       /* what was read of a process is read again after so long */
#define FORGET_MS 1000      /* between looks for processes of the cache that ended */
#define STRETCH_MS 2        /* over which it is counted how many events come */
#define STORM_PER_MS 16u    /* events of one process, and of no other, from which the reader waits a moment */
#define STORM_PAUSE_US 500  /* before it reads the next */

/* Newer than the headers of some distributions. */
#ifndef FAN_REPORT_TARGET_FID
#define FAN_REPORT_TARGET_FID 0x00001000
#endif
#ifndef FAN_REPORT_PIDFD
#define FAN_REPORT_PIDFD 0x00000080
#endif
#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID AT_REMOVEDIR
#endif

#define GROUP_FLAGS                                                                                          \
        (FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DFID_NAME | FAN_REPORT_FID |              \
                FAN_REPORT_TARGET_FID | FAN_REPORT_PIDFD)

#define CAN_CHANGE (FAN_MODIFY | FAN_ATTRIB | FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO)
#define MARK_MASK (CAN_CHANGE | FAN_CLOSE_WRITE | FAN_DELETE_SELF | FAN_MOVE_SELF | FAN_ONDIR | FAN_OPEN_EXEC)

struct told {
        struct told *next;
        uint64_t number; /* of its event */
        enum sense sense;
        bool lost; /* events were: `path` is what to say of it */
        struct who_touch touch;
        char path[];
};

struct cached {
        struct who *who;
        pid_t pid;
        int pidfd;       /* ours */
        uint64_t batch;  /* when it was last compared with /proc */
        int64_t read_ms; /* when all of it was read */
        bool pending;    /* it executes another program: `who` is of the one before */
        bool listed;     /* in `pending` of the reader */
        bool early;      /* `who` was read before it acted: it is read again when it does */
        bool in_doubt;   /* it may have run another program when it acted */
        int64_t exec_ms;
        char names[EXEC_NAMES][EXEC_NAME_MAX]; /* executed last: escaped, cut */
        unsigned n_names;
};

struct watch_fanotify {
        struct watch *watch;
        int fd, stop_fd, wake_fd;
        sd_event_source *wake_source;
        pthread_t thread;
        bool runs;
        unsigned n_remade, n_ends; /* without those forgotten; all. As the next of the loop alone */
        int64_t made_ms;
        atomic_int given_up; /* the errno that the last reader ended with */

        struct cached cache[CACHE_SIZE]; /* as the next: of the reader alone */
        uint64_t batch, number;          /* the event that is told of */
        struct cached *pending[PENDING_MAX];
        size_t n_pending;
        int64_t forget_ms; /* when to look for processes that ended; 0: none was read since */
        struct {
                int64_t since_ms;
                unsigned events; /* of watched folders */
                pid_t pid;       /* that made them; 0: several did */
        } stretch;
        bool in_storm; /* by what the stretch before was like */

        pthread_mutex_t reading;  /* while events go from the kernel's queue into `read` */
        uint64_t n_read;          /* events, since the start; under it */
        atomic_ullong taken;      /* of them: told of */
        atomic_ullong wanted;     /* the loop is woken when so many are; 0: as ever */
        bool held_up;             /* the loop waited for the reader in vain; as the next of the loop alone */
        struct watch_ticket late; /* that it waited for */

        pthread_mutex_t lock; /* of all below */
        pthread_cond_t room;
        struct told *told, **told_end;
        size_t n_told;
        bool stopping;
        bool told_lost; /* memory ran out: to be told even without */
        bool to_wake;   /* the loop: something is to be told that it does not know of */
        int ended;      /* the errno that the reader ended with by itself; 0: it did not */
};

/* ---- folders ---- */

int
watch_fanotify_add(struct watch_fanotify *fanotify, int folder_fd, struct fan_key *ret)
{
        struct {
                struct file_handle head;
                unsigned char bytes[FAN_HANDLE_MAX];
        } handle = {.head.handle_bytes = FAN_HANDLE_MAX};
        struct statfs fs;
        int mount_id;
        if (fanotify->given_up)
                return -fanotify->given_up;
        if (fstatfs(folder_fd, &fs) < 0)
                return -errno;
        int r = name_to_handle_at(folder_fd, "", &handle.head, &mount_id, AT_EMPTY_PATH | AT_HANDLE_FID);
        if (r < 0 && errno == EINVAL) { /* before Linux 6.5 */
                handle.head.handle_bytes = FAN_HANDLE_MAX;
                r = name_to_handle_at(folder_fd, "", &handle.head, &mount_id, AT_EMPTY_PATH);
        }
        if (r < 0)
                return -errno;
        /* Each time, and not once for each file system: a mark goes with its last mount, and nobody tells. */
        if (fanotify_mark(fanotify->fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, MARK_MASK, folder_fd, NULL) < 0)
                return -errno;
        bool whole = fan_key_make(
                ret, &fs.f_fsid, handle.head.handle_type, handle.head.f_handle, handle.head.handle_bytes);
        return whole ? 0 : -EOVERFLOW;
}

/* Of the file itself: the folder goes on telling that it came, went or was renamed. A new group (after a
 * reader that ended) has no such rule, and is only slower. */
void
watch_fanotify_ignore(struct watch_fanotify *fanotify, const char *path)
{
        (void)fanotify_mark(fanotify->fd,
                FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY | FAN_MARK_DONT_FOLLOW,
                FAN_MODIFY, AT_FDCWD, path);
}

/* ---- the queue to the loop ---- */

static void
wake(struct watch_fanotify *fanotify)
{
        uint64_t one = 1;
        ssize_t written = write(fanotify->wake_fd, &one, sizeof one);
        (void)written; /* full means that it is awake anyway */
}

static struct told *
told_free(struct told *told)
{
        if (told)
                who_drop(told->touch.who);
        free(told);
        return NULL;
}

/* Takes a reference of who. */
static void
queue_told(struct watch_fanotify *fanotify, const char *path, enum sense sense, const struct who_touch *touch)
{
        size_t size = strlen(path) + 1;
        struct told *told = calloc(1, sizeof *told + size);
        if (told) {
                memcpy(told->path, path, size);
                told->number = fanotify->number;
                told->sense = sense;
                told->lost = !touch;
                told->touch = touch ? *touch : (struct who_touch){0};
                who_keep(told->touch.who);
        }
        pthread_mutex_lock(&fanotify->lock);
        /* What comes behind others needs no word: who hands those on finds it, or wakes the loop for it. */
        fanotify->to_wake = fanotify->to_wake || !fanotify->told;
        if (told && fanotify->n_told < 2 * TOLD_MAX) { /* one event may be of many paths */
                *fanotify->told_end = told;
                fanotify->told_end = &told->next;
                fanotify->n_told++;
                told = NULL;
        } else {
                fanotify->told_lost = fanotify->to_wake = true;
        }
        pthread_mutex_unlock(&fanotify->lock);
        told_free(told);
}

/* What was queued since the last call and is not known to the loop yet. */
static bool
takes_waking(struct watch_fanotify *fanotify)
{
        pthread_mutex_lock(&fanotify->lock);
        bool wakes = fanotify->to_wake;
        fanotify->to_wake = false;
        pthread_mutex_unlock(&fanotify->lock);
        return wakes;
}

static void *reader_main(void *argument);

static int
start_reader(struct watch_fanotify *fanotify)
{
        int r = -pthread_create(&fanotify->thread, NULL, reader_main, fanotify);
        fanotify->runs = r == 0;
        fanotify->made_ms = clock_monotonic_ms();
        return r;
}

/* A new group in the place of the old one: whoever marks a folder just now marks it in one of the two, and
 * asks again after the doubt that follows. */
static int
remake_reader(struct watch_fanotify *fanotify)
{
        _cleanup_fd_ int fd = fanotify_init(GROUP_FLAGS, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || dup3(fd, fanotify->fd, O_CLOEXEC) < 0)
                return -errno;
        return start_reader(fanotify);
}

/* Main thread. */
static void
mend_reader(struct watch_fanotify *fanotify)
{
        pthread_mutex_lock(&fanotify->lock);
        int error = fanotify->ended;
        fanotify->ended = 0;
        pthread_mutex_unlock(&fanotify->lock);
        if (!error)
                return;
        pthread_join(fanotify->thread, NULL); /* that was its last word */
        fanotify->runs = false;
        fanotify->n_ends++;
        if (clock_monotonic_ms() - fanotify->made_ms >= REMAKES_FORGET_MS)
                fanotify->n_remade = 0;
        int r = fanotify->n_remade < REMAKES_MAX ? remake_reader(fanotify) : -error;
        fanotify->n_remade++;
        if (r < 0) {
                fanotify->given_up = error;
                /* The group goes, with what is queued in it; where it cannot, it is bounded. */
                (void)dup3(fanotify->stop_fd, fanotify->fd, O_CLOEXEC);
        }
        char why[160];
        snprintf(why, sizeof why, "the reader of fanotify's events ended (%s); %s", strerrordesc_np(error),
                r < 0 ? "inotify watches from now on" : "a new one reads from now on");
        fanotify->watch->calls.overflow(fanotify->watch->userdata, why);
}

/* The oldest, at most so many, linked by next. *ret_more: there are others. */
static struct told *
take_told(struct watch_fanotify *fanotify, size_t most, bool *ret_lost, bool *ret_more)
{
        pthread_mutex_lock(&fanotify->lock);
        struct told *first = fanotify->told, *rest = first, *last = NULL;
        for (; rest && most > 0; rest = rest->next, most--) {
                last = rest;
                fanotify->n_told--;
        }
        if (last)
                last->next = NULL;
        fanotify->told = rest;
        if (!rest)
                fanotify->told_end = &fanotify->told;
        *ret_lost = fanotify->told_lost;
        *ret_more = rest != NULL;
        fanotify->told_lost = false;
        pthread_cond_signal(&fanotify->room);
        pthread_mutex_unlock(&fanotify->lock);
        return last ? first : NULL;
}

/* Hands on at most so many; the rest at the next turn of the loop, for others are served between. Main
 * thread. */
static void
hand_on(struct watch_fanotify *fanotify, size_t most)
{
        struct watch *watch = fanotify->watch;
        bool lost, more;
        mend_reader(fanotify);
        struct told *told = take_told(fanotify, most, &lost, &more);
        for (struct told *next; told; told = next) {
                next = told->next;
                if (told->lost)
                        watch->calls.overflow(watch->userdata, told->path);
                else
                        watch_tell(watch, told->path, told->sense, &told->touch);
                told_free(told);
        }
        if (lost)
                watch->calls.overflow(watch->userdata, "no room or no memory for events");
        if (more)
                wake(fanotify);
}

/* ---- who (of the reader alone) ---- */

static void
cache_put(struct cached *cached, pid_t pid, int pidfd, struct who *who)
{
        int64_t now_ms = clock_monotonic_ms();
        who_drop(cached->who);
        if (cached->pidfd != pidfd)
                fd_close(cached->pidfd);
        if (cached->pid != pid) {
                cached->pending = cached->early = false;
                cached->n_names = 0;
        }
        cached->who = who;
        cached->pid = pid;
        cached->pidfd = pidfd;
        cached->read_ms = now_ms;
}

/* The process may run another program or be another user by now: the two are compared once for each buffer of
 * events. If it became another, or ended, without a word of the kernel before, it is not sure which of the
 * two made the event. */
static void
cache_refresh(struct watch_fanotify *fanotify, struct cached *cached)
{
        int64_t now_ms = clock_monotonic_ms();
        bool executed = cached->pending, anew = executed || cached->early;
        cached->pending = cached->early = false; /* it acts, so whatever it executed runs by now */
        if (!anew && cached->batch == fanotify->batch)
                return;
        cached->batch = fanotify->batch;
        _cleanup_free_ char *exe = who_exe_now(cached->pid);
        const char *known = who_exe(cached->who);
        bool same = exe && known && strcmp(exe, known) == 0;
        bool same_user = who_has_uid_still(cached->who, cached->pidfd);
        cached->in_doubt = !executed && !(same && same_user);
        if (!anew && same && same_user && now_ms - cached->read_ms < FRESH_MS)
                return;
        _cleanup_(who_dropp) struct who *who = exe ? who_read(cached->pid, cached->pidfd) : NULL;
        if (who && who_runs_program(who))
                cache_put(cached, cached->pid, cached->pidfd, steal_pointer(&who));
        else if (executed) /* it ends, and what was known is of the program before; else that stays */
                cache_put(cached, cached->pid, cached->pidfd, who_gone(cached->pid));
}

/* Whether what an event said of the process was read after the execution that is only told now. */
static bool
read_too_late(const struct cached *cached, const char *name)
{
        const char *exe = cached->who ? who_exe(cached->who) : NULL, *slash = exe ? strrchr(exe, '/') : NULL;
        return slash && !cached->pending && !cached->early && strcmp(slash + 1, name) == 0;
}

/* All of its threads: a leader that ended alone shows no program either. */
static bool
has_ended(int pidfd)
{
        struct pollfd end = {.fd = pidfd, .events = POLLIN};
        return poll(&end, 1, 0) > 0;
}

/* Whether the process shows a program that it executed by one of the names; *ret_over: it shows none any
 * more. */
static bool
shows_executed(const struct cached *cached, bool *ret_over)
{
        _cleanup_free_ char *exe = who_exe_now(cached->pid);
        const char *slash = exe ? strrchr(exe, '/') : NULL;
        *ret_over = !exe && has_ended(cached->pidfd);
        for (unsigned i = 0; slash && i < min_size(cached->n_names, EXEC_NAMES); i++)
                if (strncmp(slash + 1, cached->names[i], EXEC_NAME_MAX - 1) == 0)
                        return true;
        return false;
}

/* true: it waits no longer. */
static bool
settle_exec(struct cached *cached)
{
        bool over;
        if (!cached->pending)
                return true;
        if (shows_executed(cached, &over)) {
                struct who *who = who_read(cached->pid, cached->pidfd);
                if (who && who_has_executed(who)) {
                        cache_put(cached, cached->pid, cached->pidfd, steal_pointer(&who));
                        cached->pending = false;
                        cached->early = true;
                }
                who_drop(who);
        }
        /* Not within its time: it failed, or the program has another name by now. It is read when it acts. */
        return !cached->pending || over || clock_monotonic_ms() - cached->exec_ms > PENDING_MS;
}

static void
cache_drop(struct cached *cached)
{
        who_drop(cached->who);
        fd_close(cached->pidfd);
        *cached = (struct cached){.pidfd = -1, .listed = cached->listed};
}

/* All events of a process that ended are in the kernel's queue or were read: if the queue is empty after it
 * was seen to have ended, there is nothing more to know it for. Kept, each would hold a descriptor, and a few
 * pages of what a storm left around it in the heap. */
static void
forget_ended(struct watch_fanotify *fanotify)
{
        bool ended[CACHE_SIZE];
        int queued = 1;
        for (size_t i = 0; i < CACHE_SIZE; i++)
                ended[i] = fanotify->cache[i].who && !who_lives(fanotify->cache[i].pidfd);
        if (ioctl(fanotify->fd, FIONREAD, &queued) < 0 || queued > 0) {
                fanotify->forget_ms = clock_monotonic_ms() + FORGET_MS;
                return;
        }
        for (size_t i = 0; i < CACHE_SIZE; i++)
                if (ended[i])
                        cache_drop(&fanotify->cache[i]);
        fanotify->forget_ms = 0;
}

static void
settle_pending(struct watch_fanotify *fanotify)
{
        size_t left = 0;
        for (size_t i = 0; i < fanotify->n_pending; i++) {
                struct cached *cached = fanotify->pending[i];
                cached->listed = !settle_exec(cached);
                if (cached->listed)
                        fanotify->pending[left++] = cached;
        }
        fanotify->n_pending = left;
}

/* A process is about to run this program. Takes the descriptor of the event over. */
static void
handle_exec(struct watch_fanotify *fanotify, pid_t pid, int pidfd, const char *name)
{
        struct cached *cached = &fanotify->cache[(unsigned)pid % CACHE_SIZE];
        bool known = cached->who && cached->pid == pid && who_lives(cached->pidfd);
        if (pidfd < 0 || !pid || !name) {
                fd_close(pidfd);
                return;
        }
        if (!known) {
                struct who *who = who_gone(pid);
                if (!who) {
                        fd_close(pidfd);
                        return;
                }
                cached->pid = 0; /* of another process: nothing of it stays */
                cache_put(cached, pid, steal_fd(&pidfd), who);
        }
        fd_close(pidfd);
        _cleanup_free_ char *escaped = escape_new(name, strlen(name));
        if (escaped && read_too_late(cached, escaped))
                who_doubt_program(cached->who);
        if (!cached->pending)
                cached->n_names = 0;
        if (escaped)
                snprintf(cached->names[cached->n_names++ % EXEC_NAMES], EXEC_NAME_MAX, "%s", escaped);
        cached->pending = true;
        cached->exec_ms = clock_monotonic_ms();
        if (settle_exec(cached) || cached->listed || fanotify->n_pending == PENDING_MAX)
                return;
        cached->listed = true;
        fanotify->pending[fanotify->n_pending++] = cached;
}

/* Takes the descriptor of the event over. The reference in ret is the caller's. */
static void
take_who(struct watch_fanotify *fanotify, pid_t pid, int pidfd, struct who_touch *ret)
{
        struct cached *cached = &fanotify->cache[(unsigned)pid % CACHE_SIZE];
        bool known = cached->who && cached->pid == pid;
        if (!pid) /* of a PID namespace that we cannot see */
                return;
        if (pidfd < 0 && known && !cached->pending) {
                ret->who = who_keep(cached->who);
                ret->doubt = true; /* what it ran at its event is what it ran when it was read: mostly */
                return;
        }
        if (pidfd < 0) {
                ret->who = who_gone(pid);
                return;
        }
        if (known && who_lives(cached->pidfd)) { /* so the number is still its */
                cache_refresh(fanotify, cached);
        } else {
                struct who *who = who_read(pid, pidfd);
                if (!who) {
                        fd_close(pidfd);
                        return;
                }
                cached->pid = 0; /* of another process: nothing of it stays */
                cache_put(cached, pid, steal_fd(&pidfd), who);
                cached->batch = fanotify->batch;
                cached->in_doubt = false;
        }
        ret->doubt = cached->in_doubt;
        ret->who = who_keep(cached->who);
        fd_close(pidfd);
}

/* ---- events (of the reader alone) ---- */

static void
count_event(struct watch_fanotify *fanotify, pid_t pid)
{
        if (fanotify->stretch.events++ == 0)
                fanotify->stretch.pid = pid;
        else if (fanotify->stretch.pid != pid)
                fanotify->stretch.pid = 0;
}

static void
end_stretch(struct watch_fanotify *fanotify, int64_t now_ms)
{
        int64_t took_ms = now_ms - fanotify->stretch.since_ms;
        if (took_ms < STRETCH_MS)
                return;
        fanotify->in_storm =
                fanotify->stretch.pid && fanotify->stretch.events / STORM_PER_MS >= (uint64_t)took_ms;
        fanotify->stretch.since_ms = now_ms;
        fanotify->stretch.events = 0;
}

static enum sense
event_sense(const struct fan_event *event)
{
        bool itself = !event->name, folder = event->mask & FAN_ONDIR;
        if ((itself && event->mask & FAN_MOVE_SELF) || (folder && event->mask & FAN_MOVED_FROM))
                return SENSE_LEFT;
        if ((itself && event->mask & FAN_DELETE_SELF) || (folder && event->mask & FAN_DELETE))
                return SENSE_GONE;
        if (folder && event->mask & FAN_MOVED_TO)
                return SENSE_ARRIVED;
        return folder && event->mask & FAN_CREATE ? SENSE_CAME : SENSE_CHANGED;
}

static void
handle_path(struct watch_fanotify *fanotify, const struct fan_event *event, const char *path,
        const struct who_touch *touch)
{
        struct watch *watch = fanotify->watch;
        enum sense sense = event_sense(event);
        watch_note(watch, path, sense, &event->target);
        if (sense == SENSE_CAME && event->target.size && watch->calls.covers(watch->userdata, path))
                watch_born(watch, path, &event->target);
        queue_told(fanotify, path, sense, touch);
}

static void
handle_event(struct watch_fanotify *fanotify, struct fan_event *event)
{
        char *paths[PATHS_PER_KEY_MAX];
        size_t n_paths = 0;
        if (event->mask & FAN_Q_OVERFLOW) {
                queue_told(fanotify, "the kernel's event queue (fs.fanotify.max_queued_events)",
                        SENSE_CHANGED, NULL);
                return;
        }
        if (event->folder.size && !watch_paths(fanotify->watch, &event->folder, event->name, paths, &n_paths))
                queue_told(fanotify, "no room for the paths of an event", SENSE_CHANGED, NULL);
        if (event->mask & FAN_OPEN_EXEC)
                handle_exec(fanotify, event->pid, steal_fd(&event->pidfd), event->name);
        if (!(event->mask & ~(uint64_t)(FAN_OPEN_EXEC | FAN_ONDIR))) {
                for (size_t i = 0; i < n_paths; i++)
                        free(paths[i]);
                return;
        }
        struct who_touch touch = {.weak = !(event->mask & CAN_CHANGE),
                .metadata = !(event->mask & ~(uint64_t)(FAN_ATTRIB | FAN_OPEN_EXEC | FAN_ONDIR))};
        if (n_paths) {
                count_event(fanotify, event->pid);
                take_who(fanotify, event->pid, steal_fd(&event->pidfd), &touch);
        }
        for (size_t i = 0; i < n_paths; i++) {
                handle_path(fanotify, event, paths[i], &touch);
                free(paths[i]);
        }
        who_drop(touch.who);
        fd_close(event->pidfd >= 0 ? event->pidfd : -1);
}

/* (They stand at multiples of four, and are read as the kernel packs them.) */
static size_t
count_events(const char *buffer, size_t size)
{
        struct fanotify_event_metadata head;
        size_t count = 0;
        for (size_t at = 0; size - at >= sizeof head; count++, at += head.event_len) {
                memcpy(&head, buffer + at, sizeof head);
                if (head.event_len < sizeof head || head.event_len > size - at)
                        break;
        }
        return count;
}

/* One buffer of events, and how many they are. < 0: -errno. */
static ssize_t
read_events(struct watch_fanotify *fanotify, char *buffer, size_t *ret_count)
{
        pthread_mutex_lock(&fanotify->reading);
        ssize_t size = read(fanotify->fd, buffer, EVENT_BUFFER_SIZE);
        int error = errno;
        *ret_count = size > 0 ? count_events(buffer, (size_t)size) : 0;
        fanotify->n_read += *ret_count;
        pthread_mutex_unlock(&fanotify->reading);
        return size < 0 ? -error : size;
}

/* The loop says what it waits for before it looks at `taken`: it sees the one, or we see the other. */
static bool
comes_to_wanted(struct watch_fanotify *fanotify)
{
        unsigned long long wanted = fanotify->wanted;
        return wanted && wanted <= fanotify->taken &&
               atomic_compare_exchange_strong(&fanotify->wanted, &wanted, 0);
}

/* Takes one buffer of events. 0, or -errno: nothing can be read any more. */
static int
take_events(struct watch_fanotify *fanotify)
{
        char buffer[EVENT_BUFFER_SIZE] __attribute__((aligned(8)));
        size_t at = 0, count;
        struct fan_event event;
        uint64_t before = fanotify->taken;
        ssize_t size = read_events(fanotify, buffer, &count);
        fanotify->batch++;
        fanotify->number = before + 1;
        int r = 0;
        for (; size > 0 && (r = fan_event_next(buffer, (size_t)size, &at, &event)) > 0; fanotify->number++)
                handle_event(fanotify, &event);
        if (r < 0) /* not the kernel's bytes, as we know them */
                queue_told(fanotify, "events of an unknown form", SENSE_CHANGED, NULL);
        fanotify->taken = before + count;
        settle_pending(fanotify);
        int64_t now_ms = clock_monotonic_ms();
        end_stretch(fanotify, now_ms);
        if (count && !fanotify->forget_ms)
                fanotify->forget_ms = now_ms + FORGET_MS;
        else if (fanotify->forget_ms && now_ms >= fanotify->forget_ms)
                forget_ended(fanotify);
        bool wakes = takes_waking(fanotify);
        if (comes_to_wanted(fanotify) || wakes)
                wake(fanotify);
        return size < 0 && size != -EAGAIN && size != -EINTR ? (int)size : 0;
}

/* ---- waiting for the reader ---- */

/* Whether the reader has told of them all, or never will. Else it wakes the loop when it has. */
static bool
reader_is_done(struct watch_fanotify *fanotify, const struct watch_ticket *ticket)
{
        unsigned long long wanted = fanotify->wanted;
        if (!wanted || ticket->events < wanted) /* who waits for more asks again when woken */
                fanotify->wanted = ticket->events;
        return fanotify->taken >= ticket->events || ticket->ends != fanotify->n_ends || fanotify->given_up;
}

/* Whether it still owes what was waited for in vain. */
static bool
is_held_up(struct watch_fanotify *fanotify)
{
        if (!fanotify->held_up || !reader_is_done(fanotify, &fanotify->late))
                return fanotify->held_up;
        fanotify->held_up = false;
        fanotify->watch->calls.overflow(
                fanotify->watch->userdata, "the reader of events has waited for a process");
        return false;
}

bool
watch_fanotify_held_up(const struct watch_fanotify *fanotify)
{
        return fanotify->held_up;
}

struct watch_ticket
watch_fanotify_ticket(struct watch_fanotify *fanotify)
{
        int queued = 0;
        struct watch_ticket ticket = {.ends = fanotify->n_ends, .late_ms = clock_monotonic_ms()};
        if (!is_held_up(fanotify)) /* it is waited for once */
                ticket.late_ms += READING_WAIT_MS;
        pthread_mutex_lock(&fanotify->reading); /* for one call of read(2), which never waits */
        ticket.events = fanotify->n_read;
        if (ioctl(fanotify->fd, FIONREAD, &queued) == 0)
                ticket.events += (uint64_t)queued / FAN_EVENT_METADATA_LEN;
        pthread_mutex_unlock(&fanotify->reading);
        return ticket;
}

static bool
waits_to_be_handed_on(struct watch_fanotify *fanotify, const struct watch_ticket *ticket)
{
        pthread_mutex_lock(&fanotify->lock);
        bool waits = fanotify->told_lost || (fanotify->told && fanotify->told->number <= ticket->events);
        pthread_mutex_unlock(&fanotify->lock);
        return waits;
}

bool
watch_fanotify_handed_on(struct watch_fanotify *fanotify, const struct watch_ticket *ticket)
{
        bool held_up = is_held_up(fanotify);
        if (!reader_is_done(fanotify, ticket)) {
                if (clock_monotonic_ms() < ticket->late_ms)
                        return false;
                hand_on(fanotify, 2 * TOLD_MAX);
                if (held_up)
                        return true; /* that is told already */
                fanotify->held_up = true;
                fanotify->late = *ticket;
                fanotify->watch->calls.overflow(fanotify->watch->userdata,
                        "the reader of events waits for a process that does not answer");
                return true;
        }
        if (waits_to_be_handed_on(fanotify, ticket))
                hand_on(fanotify, TOLD_AT_ONCE);
        return !waits_to_be_handed_on(fanotify, ticket);
}

/* ---- the thread ---- */

/* false: it is to end. */
static bool
wait_for_room(struct watch_fanotify *fanotify)
{
        pthread_mutex_lock(&fanotify->lock);
        while (!fanotify->stopping && fanotify->n_told >= TOLD_MAX)
                pthread_cond_wait(&fanotify->room, &fanotify->lock);
        bool goes_on = !fanotify->stopping;
        pthread_mutex_unlock(&fanotify->lock);
        return goes_on;
}

static void
note_end(struct watch_fanotify *fanotify, int error)
{
        pthread_mutex_lock(&fanotify->lock);
        fanotify->ended = error;
        pthread_mutex_unlock(&fanotify->lock);
        wake(fanotify);
}

/* How long it may wait for the next event; NULL: for ever. */
static const struct timespec *
reading_pause(const struct watch_fanotify *fanotify, struct timespec *pause)
{
        if (!fanotify->n_pending && !fanotify->forget_ms)
                return NULL;
        *pause = (struct timespec){.tv_nsec = PENDING_LOOK_US * 1000};
        if (fanotify->n_pending)
                return pause;
        int64_t left_ms = fanotify->forget_ms - clock_monotonic_ms();
        *pause = (struct timespec){.tv_sec = left_ms > 0 ? 1 + left_ms / 1000 : 0};
        return pause;
}

/* One process that makes thousands of files makes several events of each, which the kernel folds into one
 * while nobody reads them. It is known who that is; the first event of another is read so much later. */
static void
pause_in_storm(const struct watch_fanotify *fanotify)
{
        static const struct timespec pause = {.tv_nsec = STORM_PAUSE_US * 1000};
        struct pollfd stop = {.fd = fanotify->stop_fd, .events = POLLIN};
        if (fanotify->in_storm && !fanotify->n_pending)
                ppoll(&stop, 1, &pause, NULL);
}

static void *
reader_main(void *argument)
{
        struct watch_fanotify *fanotify = argument;
        /* It does little, and soon: what it comes too late for is never known. Where it may not, it is as the
         * rest. */
        (void)setpriority(PRIO_PROCESS, (id_t)gettid(), READER_NICE);
        struct pollfd fds[] = {
                {.fd = fanotify->fd, .events = POLLIN}, {.fd = fanotify->stop_fd, .events = POLLIN}};
        int r = 0;
        while (r == 0 && wait_for_room(fanotify)) {
                struct timespec pause;
                pause_in_storm(fanotify);
                if (ppoll(fds, ARRAY_SIZE(fds), reading_pause(fanotify, &pause), NULL) < 0 && errno != EINTR)
                        r = -errno;
                else
                        r = take_events(fanotify);
        }
        if (r < 0)
                note_end(fanotify, -r);
        return NULL;
}

static int
on_wake(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct watch_fanotify *fanotify = userdata;
        uint64_t count;
        ssize_t got = read(fd, &count, sizeof count);
        (void)source;
        (void)revents;
        (void)got;
        hand_on(fanotify, TOLD_AT_ONCE);
        (void)is_held_up(fanotify);
        fanotify->watch->calls.caught_up(fanotify->watch->userdata);
        return 0;
}

/* ---- life ---- */

bool
watch_can_fanotify(struct err *err)
{
        _cleanup_fd_ int fd = fanotify_init(GROUP_FLAGS, O_RDONLY | O_CLOEXEC);
        int r = fd < 0 ? -errno : 0;
        /* Also a group without CAP_SYS_ADMIN exists, but none that marks file systems. */
        if (r == 0)
                return true;
        const char *why = r == -EPERM    ? "it needs CAP_SYS_ADMIN (and its calls in SystemCallFilter=)"
                          : r == -EINVAL ? "it needs Linux 5.17"
                                         : strerrordesc_np(-r);
        err_set(err, r, "fanotify: %s", why);
        return false;
}

static int
open_group(struct watch_fanotify *fanotify, struct err *err)
{
        fanotify->fd = fanotify_init(GROUP_FLAGS, O_RDONLY | O_CLOEXEC);
        if (fanotify->fd < 0) {
                int r = -errno;
                return err_set(err, r, "fanotify: %s", strerrordesc_np(-r));
        }
        fanotify->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        fanotify->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (fanotify->stop_fd < 0 || fanotify->wake_fd < 0)
                return err_set(err, -errno, "an eventfd: %s", strerrordesc_np(errno));
        int r = sd_event_add_io(fanotify->watch->event, &fanotify->wake_source, fanotify->wake_fd, EPOLLIN,
                on_wake, fanotify);
        r = r < 0 ? r : start_reader(fanotify);
        return r < 0 ? err_set(err, r, "the reader of events: %s", strerrordesc_np(-r)) : 0;
}

int
watch_fanotify_new(struct watch *watch, struct watch_fanotify **ret, struct err *err)
{
        struct watch_fanotify *fanotify = calloc(1, sizeof *fanotify);
        if (!fanotify)
                return err_oom(err);
        fanotify->watch = watch;
        fanotify->fd = fanotify->stop_fd = fanotify->wake_fd = -1;
        fanotify->told_end = &fanotify->told;
        for (size_t i = 0; i < CACHE_SIZE; i++)
                fanotify->cache[i].pidfd = -1;
        pthread_mutex_init(&fanotify->reading, NULL);
        pthread_mutex_init(&fanotify->lock, NULL);
        pthread_cond_init(&fanotify->room, NULL);
        int r = open_group(fanotify, err);
        if (r < 0)
                watch_fanotify_free(fanotify);
        else
                *ret = fanotify;
        return r;
}

static void
stop_reader(struct watch_fanotify *fanotify)
{
        uint64_t one = 1;
        if (!fanotify->runs)
                return;
        pthread_mutex_lock(&fanotify->lock);
        fanotify->stopping = true;
        pthread_cond_signal(&fanotify->room);
        pthread_mutex_unlock(&fanotify->lock);
        ssize_t written = write(fanotify->stop_fd, &one, sizeof one);
        (void)written;
        struct timespec deadline;
        clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_sec += JOIN_TIMEOUT_S;
        if (pthread_timedjoin_np(fanotify->thread, NULL, &deadline) != 0)
                _exit(0); /* it hangs, and nothing that it uses can be freed: the process ends here */
}

struct watch_fanotify *
watch_fanotify_free(struct watch_fanotify *fanotify)
{
        if (!fanotify)
                return NULL;
        stop_reader(fanotify);
        sd_event_source_disable_unref(fanotify->wake_source);
        for (struct told *told = fanotify->told, *next; told; told = next) {
                next = told->next;
                told_free(told);
        }
        for (size_t i = 0; i < CACHE_SIZE; i++) {
                who_drop(fanotify->cache[i].who);
                fd_close(fanotify->cache[i].pidfd);
        }
        fd_close(fanotify->fd);
        fd_close(fanotify->stop_fd);
        fd_close(fanotify->wake_fd);
        pthread_cond_destroy(&fanotify->room);
        pthread_mutex_destroy(&fanotify->lock);
        pthread_mutex_destroy(&fanotify->reading);
        free(fanotify);
        return NULL;
}
