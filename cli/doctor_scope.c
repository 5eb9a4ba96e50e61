/* SPDX-License-Identifier: MIT */
/*
 * The doctor on scopes: what commonly matters, is on this host, and is looked at by none of the signed
 * baselines, because no scope reaches it or because an exclusion takes it out. Exclusions are held against
 * what is really there: every unit, and every set-uid program of the usual folders.
 */
#include "cli/doctor.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/escape.h"

#define ENTRIES_MAX 16384u /* of one folder that are looked at */
#define NAMED_MAX 8u       /* paths in the words */

struct gaps {
        const struct doctor *doctor;
        struct buf words, lines;  /* lines: of a configuration, as printf takes them */
        char name[NAME_MAX_SIZE]; /* of the first section */
        size_t n, closed;
        bool cut;        /* not all are named */
        bool configured; /* all of them are in the configuration's scopes: only a bless is due */
        int r;
};

static void
gaps_done(struct gaps *gaps)
{
        buf_done(&gaps->words);
        buf_done(&gaps->lines);
}

/* An escaped path as the scopes would have it: links resolved. NULL: not there, or (closed) not to be seen.
 */
static char *
resolve(struct gaps *gaps, const char *path)
{
        _cleanup_free_ char *full = NULL;
        size_t root = strlen(gaps->doctor->root);
        if (asprintf(&full, "%s%s", gaps->doctor->root, path) < 0) {
                full = NULL;
                gaps->r = -ENOMEM;
                return NULL;
        }
        _cleanup_free_ char *real = realpath(full, NULL);
        if (!real) {
                gaps->closed += errno == EACCES;
                return NULL;
        }
        const char *inside = strncmp(real, gaps->doctor->root, root) == 0 ? real + root : path;
        char *escaped = escape_new(inside, strlen(inside));
        if (!escaped)
                gaps->r = -ENOMEM;
        return escaped;
}

static bool
is_configured(const struct doctor *doctor, const char *path)
{
        const struct config *config = doctor->cli->config;
        return config && scope_for_path(config->scopes, config->n_scopes, path);
}

/* For the format of printf in single quotes of a shell: whoever owns a link chose where it leads, and root is
 * to run the line. */
static int
append_printf(struct buf *ret, const char *text)
{
        int r = 0;
        for (; *text && r == 0; text++)
                r = *text == '\''                   ? buf_text(ret, "'\\''")
                    : *text == '%' || *text == '\\' ? buf_printf(ret, "%c%c", *text, *text)
                                                    : buf_append(ret, text, 1);
        return r;
}

static void
add_gap(struct gaps *gaps, const char *section, const char *path)
{
        if (gaps->n++ < NAMED_MAX)
                gaps->r = buf_printf(&gaps->words, "%s%s", gaps->n > 1 ? ", " : "", path);
        else
                gaps->cut = true;
        if (gaps->r || (gaps->configured && is_configured(gaps->doctor, path)))
                return;
        gaps->configured = false;
        if (!gaps->name[0])
                snprintf(gaps->name, sizeof gaps->name, "%s", section);
        _cleanup_free_ char *header = NULL;
        if (asprintf(&header, "[files %s]\\n", section) < 0) {
                header = NULL;
                gaps->r = -ENOMEM;
                return;
        }
        bool again = gaps->lines.data && strstr(gaps->lines.data, header);
        gaps->r = buf_printf(&gaps->lines, "%spath = ", again ? "" : header);
        gaps->r = gaps->r ? gaps->r : append_printf(&gaps->lines, path);
        gaps->r = gaps->r ? gaps->r : buf_text(&gaps->lines, "\\n");
}

static void
look_path(struct gaps *gaps, const char *section, const char *path)
{
        _cleanup_free_ char *real = gaps->r ? NULL : resolve(gaps, path);
        const struct doctor *doctor = gaps->doctor;
        if (!real || (strcmp(section, "links") == 0 && strcmp(real, path) != 0))
                return; /* a link into /usr adds nothing */
        if (!scope_for_path(doctor->scopes, doctor->n_scopes, real))
                add_gap(gaps, section, real);
}

static void
look_homes(struct gaps *gaps)
{
        _cleanup_free_ char *path = NULL;
        if (asprintf(&path, "%s/home", gaps->doctor->root) < 0) {
                path = NULL;
                gaps->r = -ENOMEM;
                return;
        }
        DIR *homes = opendir(path);
        const struct dirent *home;
        for (size_t i = 0; homes && i < ENTRIES_MAX && (home = readdir(homes)); i++) {
                char below[sizeof home->d_name + 16];
                snprintf(below, sizeof below, "/home/%s/.ssh", home->d_name);
                if (home->d_name[0] != '.')
                        look_path(gaps, "ssh_keys", below);
        }
        if (homes)
                closedir(homes);
}

/* A domain of settings that the host has and no scope closes. */
static void
look_domain(struct gaps *gaps, enum scope_domain domain, const char *sign)
{
        const struct doctor *doctor = gaps->doctor;
        _cleanup_free_ char *real = gaps->r ? NULL : resolve(gaps, sign);
        if (!real || scope_of_domain(doctor->scopes, doctor->n_scopes, domain))
                return;
        const char *name = scope_domain_names[domain];
        bool configured = doctor->cli->config &&
                          scope_of_domain(doctor->cli->config->scopes, doctor->cli->config->n_scopes, domain);
        gaps->r = buf_printf(&gaps->words, "%sthe settings of %s", gaps->n++ ? ", " : "", name);
        if (configured || gaps->r)
                return;
        gaps->configured = false;
        if (!gaps->name[0])
                snprintf(gaps->name, sizeof gaps->name, "%s", name);
        gaps->r = buf_printf(&gaps->lines, "[%s]\\nenabled = yes\\n", name);
}

/* Sections have the names that the shipped configuration gives them, or would. */
static const struct {
        const char *section, *path;
} places[] = {{"etc", "/etc"}, {"usr", "/usr/bin"}, {"usr", "/usr/sbin"}, {"usr", "/usr/lib"},
        {"usr", "/usr/local"}, {"links", "/bin"}, {"links", "/sbin"}, {"links", "/lib"}, {"boot", "/boot"},
        {"root", "/root/.ssh"}, {"cron", "/var/spool/cron"}, {"at", "/var/spool/at"}};

static int
say_scope(const struct gaps *gaps, struct doctor_answer *ret)
{
        if (!gaps->n && gaps->closed) {
                int r = doctor_say(ret, DOCTOR_UNKNOWN, "%zu places cannot be seen from here", gaps->closed);
                return r ? r : doctor_mend(ret, "sudo driftctl doctor");
        }
        if (!gaps->n)
                return doctor_say(ret, DOCTOR_OK, "what commonly matters is in scope");
        int r = doctor_say(
                ret, DOCTOR_WEAK, "not looked at: %s%s", gaps->words.data, gaps->cut ? " and more" : "");
        if (r || gaps->configured)
                return r ? r
                         : doctor_mend(ret, "the configuration has them: sudo driftctl bless --ticket CHG-1 "
                                            "--key alice.key");
        return doctor_mend(ret,
                "sudo mkdir -p %s && printf '%s' | sudo tee %s/%s.conf, then sudo systemctl reload "
                "driftd and sudo driftctl bless",
                gaps->doctor->config_folder, gaps->lines.data, gaps->doctor->config_folder, gaps->name);
}

static int
no_scopes(const struct doctor *doctor, struct doctor_answer *ret)
{
        if (!doctor->status)
                return doctor_no_status(doctor, ret);
        if (!doctor->have_scopes)
                return doctor_say(ret, DOCTOR_UNKNOWN, "%s", doctor->scopes_why);
        return doctor_say(ret, DOCTOR_UNKNOWN, "no baseline is active yet");
}

int
doctor_scope(const struct doctor *doctor, struct doctor_answer *ret)
{
        _cleanup_(gaps_done) struct gaps gaps = {.doctor = doctor, .configured = true};
        if (!doctor->n_scopes)
                return no_scopes(doctor, ret);
        for (size_t i = 0; i < ARRAY_SIZE(places); i++)
                look_path(&gaps, places[i].section, places[i].path);
        look_homes(&gaps);
        look_domain(&gaps, SCOPE_SYSCTL, "/proc/sys");
        look_domain(&gaps, SCOPE_SSHD, "/usr/sbin/sshd");
        look_domain(&gaps, SCOPE_OPENSSL, "/etc/ssl/openssl.cnf");
        return gaps.r ? gaps.r : say_scope(&gaps, ret);
}

/* ---- exclusions ---- */

/* The exclusion that takes an escaped path out of all scopes that reach it; NULL: it is looked at, or none
 * reaches it. */
static const char *
excluded_by(const struct doctor *doctor, const char *path)
{
        const char *by = NULL;
        if (scope_for_path(doctor->scopes, doctor->n_scopes, path))
                return NULL;
        for (size_t i = 0; i < doctor->n_scopes && !by; i++) {
                struct scope open = doctor->scopes[i];
                open.excludes = (struct text_list){0};
                if (open.domain != SCOPE_FILES || !scope_for_path(&open, 1, path))
                        continue;
                for (size_t j = 0; j < doctor->scopes[i].excludes.count && !by; j++)
                        if (glob_covers(doctor->scopes[i].excludes.items[j], path))
                                by = doctor->scopes[i].excludes.items[j];
        }
        return by;
}

static void
look_excluded(struct gaps *gaps, const char *path)
{
        _cleanup_free_ char *escaped = escape_new(path, strlen(path));
        if (!escaped) {
                gaps->r = -ENOMEM;
                return;
        }
        const char *by = excluded_by(gaps->doctor, escaped);
        if (!by)
                return;
        if (gaps->n++ == 0)
                gaps->r = buf_text(&gaps->lines, by);
        if (gaps->r == 0 && gaps->n <= NAMED_MAX)
                gaps->r = buf_printf(&gaps->words, "%s%s (by %s)", gaps->n > 1 ? ", " : "", escaped, by);
}

static void
look_entries(struct gaps *gaps, const char *folder, bool set_id_only)
{
        _cleanup_free_ char *full = NULL;
        if (asprintf(&full, "%s%s", gaps->doctor->root, folder) < 0) {
                full = NULL;
                gaps->r = -ENOMEM;
                return;
        }
        DIR *entries = opendir(full);
        if (!entries) {
                gaps->closed += errno == EACCES;
                return;
        }
        const struct dirent *entry;
        for (size_t i = 0; gaps->r == 0 && i < ENTRIES_MAX && (entry = readdir(entries)); i++) {
                char path[PATH_MAX];
                struct stat st;
                if (entry->d_name[0] == '.' ||
                        (size_t)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= sizeof path)
                        continue;
                if (set_id_only && (fstatat(dirfd(entries), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                                           !S_ISREG(st.st_mode) || !(st.st_mode & (S_ISUID | S_ISGID))))
                        continue;
                look_excluded(gaps, path);
        }
        closedir(entries);
}

int
doctor_exclusions(const struct doctor *doctor, struct doctor_answer *ret)
{
        static const char *const files[] = {"/etc/passwd", "/etc/shadow", "/etc/group", "/etc/sudoers",
                "/etc/crontab", "/etc/ld.so.preload", "/root/.ssh/authorized_keys"};
        static const char *const folders[] = {"/etc/systemd/system", "/usr/lib/systemd/system",
                "/usr/local/lib/systemd/system", "/etc/cron.d", "/etc/pam.d", "/etc/sudoers.d", "/etc/ssh",
                "/etc/profile.d", "/etc/ld.so.conf.d"};
        static const char *const programs[] = {
                "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin"};
        _cleanup_(gaps_done) struct gaps gaps = {.doctor = doctor};
        if (!doctor->n_scopes)
                return no_scopes(doctor, ret);
        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
                look_excluded(&gaps, files[i]);
        for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
                look_entries(&gaps, folders[i], false);
        for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
                look_entries(&gaps, programs[i], true);
        if (gaps.r)
                return gaps.r;
        if (!gaps.n && gaps.closed)
                return doctor_say(ret, DOCTOR_UNKNOWN, "%zu folders cannot be read from here", gaps.closed);
        if (!gaps.n)
                return doctor_say(ret, DOCTOR_OK, "none hides a unit, a set-uid program, or who may do what");
        int r = doctor_say(ret, DOCTOR_WEAK, "not looked at: %s%s", gaps.words.data,
                gaps.n > NAMED_MAX ? " and more" : "");
        return r ? r
                 : doctor_mend(ret, "take exclude = %s out of %s (or narrow it), then sudo driftctl bless",
                           gaps.lines.data, doctor->cli->config_file);
}
