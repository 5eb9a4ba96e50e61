/* SPDX-License-Identifier: MIT */
/*
 * The doctor on the host: the kernel's limits for watches, the clock, the store's file system, the journal,
 * the unit, the package manager. Each number is read from where the kernel or systemd keeps it.
 */
#include "cli/doctor.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/timex.h>

#include "core/clock.h"
#include "core/file.h"

#define WATCHES_LEAST 8192u  /* a limit below this is raised to at least this */
#define INSTANCES_NEARLY 0.8 /* of the limit */
#define QUEUE_LEAST 16384u   /* the kernel's default: inotify(7) */
#define OVERFLOW_DAYS 7
#define FREE_LEAST ((uint64_t)256 << 20) /* bytes */
#define FREE_LEAST_PERCENT 5u
#define PROCESSES_MAX 65536u /* looked at for their inotify instances */
#define LINKS_MAX 65536u     /* descriptors of one process */

static char *
host_path(const struct doctor *doctor, const char *path)
{
        char *full = NULL;
        return asprintf(&full, "%s%s", doctor->root, path) < 0 ? NULL : full;
}

/* A number alone in a file; false: not to be had. */
static bool
read_number(const struct doctor *doctor, const char *path, uint64_t *ret)
{
        _cleanup_free_ char *full = host_path(doctor, path);
        _cleanup_buf_ struct buf text = {0};
        struct err why = {0};
        char *end = NULL;
        if (!full || file_read(full, 0, 64, &text, &why) < 0 || !text.data ||
                !isdigit((unsigned char)*text.data))
                return false;
        *ret = strtoull(text.data, &end, 10);
        return *end == '\n' || *end == '\0';
}

static int
mend_sysctl(struct doctor_answer *ret, const char *key, uint64_t value)
{
        return doctor_mend(ret,
                "echo '%s = %" PRIu64 "' | sudo tee -a /etc/sysctl.d/60-driftd.conf && sudo sysctl --system",
                key, value);
}

/* ---- the unit ---- */

static bool
there_is(const struct doctor *doctor, const char *path)
{
        _cleanup_free_ char *full = host_path(doctor, path);
        struct stat st;
        return full && lstat(full, &st) == 0;
}

/* An instance with a configuration of its own is not the unit's. */
static bool
is_the_units(const struct doctor *doctor)
{
        return strcmp(doctor->cli->config_file, CONFIG_DEFAULT_PATH) == 0;
}

int
doctor_boot(const struct doctor *doctor, struct doctor_answer *ret)
{
        if (!is_the_units(doctor))
                return doctor_say(ret, DOCTOR_UNKNOWN, "driftd.service does not start this configuration");
        if (!there_is(doctor, "/run/systemd/system"))
                return doctor_say(ret, DOCTOR_UNKNOWN, "systemd is not the init of this host");
        if (there_is(doctor, "/etc/systemd/system/multi-user.target.wants/driftd.service"))
                return doctor_say(ret, DOCTOR_OK, "driftd.service is enabled");
        int r = doctor_say(ret, DOCTOR_MISSING, "driftd.service is not enabled: after a boot nobody watches");
        return r ? r : doctor_mend(ret, "sudo systemctl enable --now driftd");
}

int
doctor_version(const struct doctor *doctor, struct doctor_answer *ret)
{
        const char *running = json_text(json_member(doctor->status, "daemon"), "version");
        char path[64], exe[PATH_MAX];
        if (!doctor->daemon || !running)
                return doctor_say(ret, DOCTOR_UNKNOWN, "no daemon runs that could be asked");
        if (strcmp(running, DRIFTD_VERSION) != 0) {
                int r = doctor_say(ret, DOCTOR_WEAK, "driftd is %s, driftctl is %s", running, DRIFTD_VERSION);
                return r ? r : doctor_mend(ret, "sudo systemctl restart driftd");
        }
        snprintf(path, sizeof path, "/proc/%ld/exe", (long)doctor->pid);
        ssize_t n = doctor->pid ? readlink(path, exe, sizeof exe - 1) : -1;
        if (n < 0)
                return doctor_say(ret, DOCTOR_UNKNOWN,
                        "both are %s, but only root can see whether the program was replaced", running);
        exe[n] = '\0';
        static const char deleted[] = " (deleted)";
        bool replaced = n > (ssize_t)strlen(deleted) && strcmp(exe + n - strlen(deleted), deleted) == 0;
        if (!replaced)
                return doctor_say(ret, DOCTOR_OK, "%s", running);
        int r = doctor_say(ret, DOCTOR_WEAK, "the running program is no longer the installed one");
        return r ? r : doctor_mend(ret, "sudo systemctl restart driftd");
}

/* ---- inotify(7) ---- */

int
doctor_watches(const struct doctor *doctor, struct doctor_answer *ret)
{
        const struct json *lost = doctor_problem(doctor, "watch_lost");
        uint64_t limit = 0, want = WATCHES_LEAST;
        if (!read_number(doctor, "/proc/sys/fs/inotify/max_user_watches", &limit))
                return doctor_say(ret, DOCTOR_UNKNOWN, "the limit cannot be read");
        if (!doctor->daemon)
                return doctor_say(ret, DOCTOR_UNKNOWN,
                        "the limit is %" PRIu64 "; only a running daemon knows how many it needs", limit);
        uint64_t missing = (uint64_t)json_number(lost, "count");
        uint64_t needed = (uint64_t)json_number(json_member(doctor->status, "activity"), "folders") + missing;
        while (want < 2 * needed && want < UINT32_MAX)
                want *= 2;
        if (!missing && needed <= limit - limit / 4)
                return doctor_say(
                        ret, DOCTOR_OK, "%" PRIu64 " of %" PRIu64 " are in use by driftd", needed, limit);
        int r = missing ? doctor_say(ret, DOCTOR_MISSING,
                                  "%" PRIu64 " folders have no watch, the limit is %" PRIu64
                                  ": only passes look there",
                                  missing, limit)
                        : doctor_say(ret, DOCTOR_WEAK,
                                  "driftd needs %" PRIu64 " of %" PRIu64
                                  ", which all of root's programs share",
                                  needed, limit);
        return r ? r : mend_sysctl(ret, "fs.inotify.max_user_watches", want > limit ? want : 2 * limit);
}

/* Inotify instances that a process has open; -1: not to be seen. */
static int
instances_of(const char *folder)
{
        int count = 0;
        DIR *links = opendir(folder);
        if (!links)
                return errno == ENOENT ? 0 : -1;
        const struct dirent *entry;
        for (size_t i = 0; i < LINKS_MAX && (entry = readdir(links)); i++) {
                char target[64];
                ssize_t n = readlinkat(dirfd(links), entry->d_name, target, sizeof target - 1);
                if (n < 0)
                        continue;
                target[n] = '\0';
                count += strcmp(target, "anon_inode:inotify") == 0;
        }
        closedir(links);
        return count;
}

/* Of all processes of root; false: not all could be seen. */
static bool
count_instances(uint64_t *ret)
{
        DIR *processes = opendir("/proc");
        const struct dirent *entry;
        bool all = processes != NULL;
        *ret = 0;
        for (size_t i = 0; processes && i < PROCESSES_MAX && (entry = readdir(processes)); i++) {
                char path[sizeof entry->d_name + 16];
                struct stat st;
                if (!isdigit((unsigned char)entry->d_name[0]))
                        continue;
                snprintf(path, sizeof path, "/proc/%s", entry->d_name);
                if (stat(path, &st) < 0 || st.st_uid != 0)
                        continue;
                snprintf(path, sizeof path, "/proc/%s/fd", entry->d_name);
                int count = instances_of(path);
                all = all && count >= 0;
                *ret += count > 0 ? (uint64_t)count : 0;
        }
        if (processes)
                closedir(processes);
        return all;
}

int
doctor_instances(const struct doctor *doctor, struct doctor_answer *ret)
{
        uint64_t limit = 0, used = 0;
        if (!read_number(doctor, "/proc/sys/fs/inotify/max_user_instances", &limit))
                return doctor_say(ret, DOCTOR_UNKNOWN, "the limit cannot be read");
        bool all = count_instances(&used), nearly = (double)used >= INSTANCES_NEARLY * (double)limit;
        if (!all && !nearly)
                return doctor_say(ret, DOCTOR_UNKNOWN,
                        "the limit is %" PRIu64 "; only root can see how many root's programs use", limit);
        int r = doctor_say(ret, nearly ? DOCTOR_WEAK : DOCTOR_OK,
                "root's programs use %" PRIu64 " of %" PRIu64 "%s", used, limit,
                nearly ? ": driftd may get none when it starts" : "");
        return r || !nearly ? r : mend_sysctl(ret, "fs.inotify.max_user_instances", 4 * limit);
}

static int
count_records(void *userdata, const struct json *parameters, bool continues)
{
        (void)continues;
        *(uint64_t *)userdata += json_length(json_member(parameters, "records"));
        return 0;
}

int
doctor_queue(const struct doctor *doctor, struct doctor_answer *ret)
{
        uint64_t limit = 0, overflows = 0;
        struct err err = {0};
        if (!read_number(doctor, "/proc/sys/fs/inotify/max_queued_events", &limit))
                return doctor_say(ret, DOCTOR_UNKNOWN, "the limit cannot be read");
        if (!doctor->status)
                return doctor_no_status(doctor, ret);
        int64_t since_ms = doctor->now_ms - OVERFLOW_DAYS * (int64_t)24 * 60 * 60 * 1000;
        if (client_call(doctor->cli->client, "Log",
                    json_make("{s:s, s:I}", "kind", "overflow", "since_ms", (json_int)since_ms),
                    count_records, &overflows, &err))
                return doctor_say(ret, DOCTOR_UNKNOWN, "%s", err.text);
        if (!overflows && limit >= QUEUE_LEAST)
                return doctor_say(
                        ret, DOCTOR_OK, "%" PRIu64 "; no events were lost in %d days", limit, OVERFLOW_DAYS);
        int r = doctor_say(ret, DOCTOR_WEAK, "%" PRIu64 "; events were lost %" PRIu64 " times in %d days",
                limit, overflows, OVERFLOW_DAYS);
        return r ? r
                 : mend_sysctl(ret, "fs.inotify.max_queued_events",
                           4 * (limit > QUEUE_LEAST ? limit : QUEUE_LEAST));
}

/* ---- the rest ---- */

int
doctor_packages(const struct doctor *doctor, struct doctor_answer *ret)
{
        if (!doctor->have_config)
                return doctor_say(ret, DOCTOR_UNKNOWN, "there is no configuration");
        if (!there_is(doctor, "/usr/bin/dpkg"))
                return doctor_say(ret, DOCTOR_OK, "there is no dpkg on this host");
        if (doctor->cli->config->packages)
                return doctor_say(ret, DOCTOR_OK, "dpkg's transactions are told");
        int r = doctor_say(ret, DOCTOR_WEAK, "they are off: an upgrade is as many drifts as it has files");
        return r ? r : doctor_mend(ret, "in %s, below [packages]: enabled = yes", doctor->cli->config_file);
}

int
doctor_clock(const struct doctor *doctor, struct doctor_answer *ret)
{
        struct timex state = {0}; /* modes 0: only asks. adjtimex(2) */
        if (doctor_problem(doctor, "clock_jump")) {
                int r = doctor_say(ret, DOCTOR_WEAK, "it jumped, and is not believed for expiry");
                return r ? r
                         : doctor_mend(ret, "timedatectl status; the next signed apply confirms the time");
        }
        int r = adjtimex(&state);
        if (r < 0)
                return doctor_say(ret, DOCTOR_UNKNOWN, "the kernel does not say: %s", strerrordesc_np(errno));
        if (r != TIME_ERROR && !(state.status & STA_UNSYNC))
                return doctor_say(ret, DOCTOR_OK, "it is synchronised");
        r = doctor_say(ret, DOCTOR_WEAK, "nothing synchronises it: times in the history prove less");
        return r ? r
                 : doctor_mend(ret, "sudo apt install systemd-timesyncd && sudo timedatectl set-ntp true");
}

static const char *
unfit_file_system(unsigned long type)
{
        static const struct {
                unsigned long type;
                const char *name;
        } kinds[] = {{NFS_SUPER_MAGIC, "NFS"}, {SMB_SUPER_MAGIC, "SMB"}, {SMB2_SUPER_MAGIC, "SMB"},
                {CIFS_SUPER_MAGIC, "CIFS"}, {CODA_SUPER_MAGIC, "Coda"}, {AFS_SUPER_MAGIC, "AFS"},
                {CEPH_SUPER_MAGIC, "Ceph"}, {V9FS_MAGIC, "9P"}, {FUSE_SUPER_MAGIC, "FUSE"},
                {TMPFS_MAGIC, "tmpfs, which a reboot empties"},
                {RAMFS_MAGIC, "ramfs, which a reboot empties"}};
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
                if (kinds[i].type == type)
                        return kinds[i].name;
        return NULL;
}

int
doctor_store(const struct doctor *doctor, struct doctor_answer *ret)
{
        struct statfs fs;
        char words[WORDS_MAX];
        if (!doctor->have_config)
                return doctor_say(ret, DOCTOR_UNKNOWN, "there is no configuration");
        const char *folder = doctor->cli->config->state_dir;
        if (statfs(folder, &fs) < 0)
                return doctor_say(ret, DOCTOR_UNKNOWN, "%s: %s", folder, strerrordesc_np(errno));
        const char *unfit = unfit_file_system((unsigned long)fs.f_type);
        if (unfit) {
                int r = doctor_say(ret, DOCTOR_WEAK, "%s is on %s", folder, unfit);
                return r ? r
                         : doctor_mend(ret, "in %s, below [daemon]: state_dir = a folder on a local disk",
                                   doctor->cli->config_file);
        }
        uint64_t bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
        uint64_t percent = fs.f_blocks ? (uint64_t)fs.f_bavail * 100 / (uint64_t)fs.f_blocks : 100;
        bool little = bytes < FREE_LEAST || (percent < FREE_LEAST_PERCENT && bytes < 16 * FREE_LEAST);
        int r = doctor_say(ret,
                !bytes   ? DOCTOR_MISSING
                : little ? DOCTOR_WEAK
                         : DOCTOR_OK,
                "%s free in %s%s", bytes_text(bytes, words), folder,
                little ? ": without room nothing is recorded" : "");
        return r || !little ? r
                            : doctor_mend(ret,
                                      "df -h %s tells what is full; sudo journalctl --vacuum-size=200M "
                                      "frees some",
                                      folder);
}

int
doctor_journal(const struct doctor *doctor, struct doctor_answer *ret)
{
        if (!there_is(doctor, "/run/systemd/system"))
                return doctor_say(ret, DOCTOR_UNKNOWN, "systemd is not the init of this host");
        if (there_is(doctor, "/var/log/journal"))
                return doctor_say(ret, DOCTOR_OK, "/var/log/journal is there");
        int r = doctor_say(ret, DOCTOR_WEAK, "it is lost at each boot (driftd's own history is not)");
        return r ? r
                 : doctor_mend(ret, "sudo mkdir -p /var/log/journal && sudo systemctl restart "
                                    "systemd-journal-flush");
}
