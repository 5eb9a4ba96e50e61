/* SPDX-License-Identifier: MIT */
/*
 * The doctor's facts, the table of its checks, and those checks that need nothing but the status document and
 * the configuration. The status is the daemon's, or, for root without a daemon, the store's last word; the
 * scopes are those of the signed baselines, read from their beginning only, for a baseline may be large.
 */
#include "cli/doctor.h"

#include <errno.h>
#include <unistd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/transfer.h"
#include "core/clock.h"
#include "core/quote.h"

#define DAY_MS ((int64_t)24 * 60 * 60 * 1000)
#define EXPIRES_SOON_MS (30 * DAY_MS)
#define CHECKPOINT_OLD_MS (7 * DAY_MS)
#define SCOPES_TEXT_MAX ((size_t)16 << 20) /* bytes of a baseline that are read for its scopes */

const char *const doctor_findings[DOCTOR_FINDINGS] = {"ok", "weak", "missing", "unknown"};

void
doctor_answer_done(struct doctor_answer *answer)
{
        buf_done(&answer->words);
        buf_done(&answer->mend);
}

static int append_list(struct buf *buf, const char *format, va_list args) _printf_(2, 0);

static int
append_list(struct buf *buf, const char *format, va_list args)
{
        _cleanup_free_ char *text = NULL;
        if (vasprintf(&text, format, args) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return buf_text(buf, text);
}

int
doctor_say(struct doctor_answer *answer, enum doctor_finding finding, const char *format, ...)
{
        va_list args;
        answer->finding = finding;
        buf_clear(&answer->words);
        va_start(args, format);
        int r = append_list(&answer->words, format, args);
        va_end(args);
        return r;
}

int
doctor_mend(struct doctor_answer *answer, const char *format, ...)
{
        va_list args;
        buf_clear(&answer->mend);
        va_start(args, format);
        int r = append_list(&answer->mend, format, args);
        va_end(args);
        return r;
}

const struct json *
doctor_problem(const struct doctor *doctor, const char *kind)
{
        json_each (json_member(doctor->status, "problems"), i, problem) {
                const char *name = json_text(problem, "kind");
                if (name && strcmp(name, kind) == 0)
                        return problem;
        }
        return NULL;
}

int
doctor_no_status(const struct doctor *doctor, struct doctor_answer *answer)
{
        return doctor_say(answer, DOCTOR_UNKNOWN, "%s", doctor->status_why);
}

/* ---- facts ---- */

struct scope_lines {
        struct doctor *doctor;
        struct buf text;
        size_t at; /* of the line that is not read yet */
        bool seen; /* a scope line: what follows the last of them is of no use */
        bool failed;
};

/* false: that was the last line of use. */
static bool
take_line(struct scope_lines *lines, const char *line, size_t size)
{
        struct doctor *doctor = lines->doctor;
        if (size < 6 || memcmp(line, "scope ", 6) != 0)
                return !lines->seen && strncmp(line, "file ", 5) != 0 && strncmp(line, "set ", 4) != 0;
        lines->seen = true;
        if (array_grow(&doctor->scopes, doctor->n_scopes) < 0 ||
                scope_parse(line + 6, size - 6, &doctor->scopes[doctor->n_scopes], NULL) < 0) {
                lines->failed = true;
                return false;
        }
        doctor->n_scopes++;
        return true;
}

static int
take_text(void *userdata, const struct json *parameters, bool continues)
{
        struct scope_lines *lines = userdata;
        const char *text = json_text(parameters, "text");
        (void)continues;
        if (text && (lines->text.size > SCOPES_TEXT_MAX || buf_text(&lines->text, text) < 0))
                return lines->failed = true;
        for (const char *end; lines->text.data && (end = strchr(lines->text.data + lines->at, '\n'));) {
                const char *line = lines->text.data + lines->at;
                lines->at += (size_t)(end - line) + 1;
                if (!take_line(lines, line, (size_t)(end - line)))
                        return 1;
        }
        return 0;
}

/* On a connection of its own, for it is given up where the scopes end. */
static int
gather_scopes_of(struct doctor *doctor, const char *name, struct err *err)
{
        struct client *client = doctor->cli->client, *own = NULL;
        struct scope_lines lines = {.doctor = doctor};
        int r = doctor->daemon ? client_open_daemon(doctor->cli->config, &own, err) : 0;
        if (r)
                return r;
        r = client_call(own ? own : client, "GetBaseline",
                json_make("{s:s, s:I}", "name", name, "generation", 0LL), take_text, &lines, err);
        client_free(own);
        buf_done(&lines.text);
        if (lines.failed)
                return err_set(err, EXIT_FAILED, "the scopes of %s could not be read", name);
        return r == 1 && lines.seen ? 0 : r == 1 ? 0 : r;
}

static void
gather_scopes(struct doctor *doctor)
{
        struct err err = {0};
        int r = 0;
        json_each (json_member(doctor->status, "baselines"), i, baseline) {
                const char *name = json_text(baseline, "name");
                r = r || !name ? r : gather_scopes_of(doctor, name, &err);
        }
        doctor->have_scopes = r == 0;
        snprintf(doctor->scopes_why, sizeof doctor->scopes_why, "%s", err.text);
}

static void
gather_status(struct doctor *doctor)
{
        _cleanup_json_ struct json *reply = NULL;
        struct err err = {0};
        int r = cli_call(doctor->cli, "GetStatus", json_make("{}"), &reply, &err);
        if (r == 0)
                doctor->status = json_make("O", json_member(reply, "status"));
        if (!doctor->status) {
                snprintf(
                        doctor->status_why, sizeof doctor->status_why, "%s", r ? err.text : "no status came");
                return;
        }
        doctor->daemon = client_is_daemon(doctor->cli->client);
        doctor->pid = doctor->daemon ? client_pid(doctor->cli->client) : 0;
        gather_scopes(doctor);
}

/* The one in force; else the file, for what it would be. */
static void
gather_trust(struct doctor *doctor)
{
        struct err err = {0};
        if (doctor->status && trust_fetch(doctor->cli->client, &doctor->trust, &err) == 0)
                return;
        if (trust_read(doctor->cli->config->trust, &doctor->trust, &err))
                snprintf(doctor->trust_why, sizeof doctor->trust_why, "%s", err.text);
}

int
doctor_gather(struct cli *cli, struct doctor *ret, struct err *err)
{
        struct err why = {0};
        const char *slash = strrchr(cli->config_file, '/');
        *ret = (struct doctor){.cli = cli, .root = "", .now_ms = clock_now_ms()};
        if (asprintf(&ret->config_folder, "%.*sconf.d", slash ? (int)(slash + 1 - cli->config_file) : 0,
                    cli->config_file) < 0) {
                ret->config_folder = NULL;
                return failed_oom(err);
        }
        ret->have_config = cli_config(cli, &why) == 0;
        if (!ret->have_config) {
                snprintf(ret->config_why, sizeof ret->config_why, "%s", why.text);
                snprintf(ret->status_why, sizeof ret->status_why, "there is no configuration to find it by");
                snprintf(ret->trust_why, sizeof ret->trust_why, "there is no configuration to find it by");
                return 0;
        }
        gather_status(ret);
        gather_trust(ret);
        return 0;
}

void
doctor_done(struct doctor *doctor)
{
        doctor->status = json_free(doctor->status);
        doctor->trust = trust_free(doctor->trust);
        for (size_t i = 0; i < doctor->n_scopes; i++)
                scope_done(&doctor->scopes[i]);
        free(doctor->scopes);
        free(doctor->config_folder);
        *doctor = (struct doctor){0};
}

/* ---- what the status and the configuration say ---- */

static int
look_config(const struct doctor *doctor, struct doctor_answer *ret)
{
        const char *file = doctor->cli->config_file;
        if (doctor->have_config)
                return doctor_say(ret, DOCTOR_OK, "%s", file);
        int r = doctor_say(ret, DOCTOR_MISSING, "%s", doctor->config_why);
        if (access(file, F_OK) < 0 && errno == ENOENT)
                return r ? r : doctor_mend(ret, "sudo driftctl init");
        return r ? r
                 : doctor_mend(
                           ret, access(file, R_OK) < 0 ? "sudo driftctl doctor" : "driftctl config check");
}

static int
look_daemon(const struct doctor *doctor, struct doctor_answer *ret)
{
        char when[WORDS_MAX];
        int64_t since_ms;
        if (doctor->daemon) {
                bool known = json_time(json_member(doctor->status, "daemon"), "since", &since_ms) == 0;
                return doctor_say(ret, DOCTOR_OK, "running%s%s", known ? " since " : "",
                        known ? time_text(since_ms, doctor->now_ms, when) : "");
        }
        bool closed = strncmp(doctor->status_why, "cannot connect", 14) == 0;
        int r = closed || !doctor->have_config
                        ? doctor_no_status(doctor, ret)
                        : doctor_say(ret, DOCTOR_MISSING, "not running: nothing is watched");
        if (closed || !doctor->have_config)
                return r || !closed ? r : doctor_mend(ret, "sudo driftctl doctor");
        return r ? r : doctor_mend(ret, "sudo systemctl enable --now driftd");
}

static int
look_baseline(const struct doctor *doctor, struct doctor_answer *ret)
{
        const struct json *baselines = json_member(doctor->status, "baselines");
        if (!doctor->status)
                return doctor_no_status(doctor, ret);
        if (!json_length(baselines) || doctor_problem(doctor, "no_baseline")) {
                int r = doctor_say(ret, DOCTOR_MISSING, "none expects anything: nothing can be drift");
                return r ? r : doctor_mend(ret, "sudo driftctl bless --ticket CHG-1 --key alice.key");
        }
        json_each (baselines, i, baseline) {
                const char *name = json_text(baseline, "name"), *state = json_text(baseline, "state");
                if (state && strcmp(state, "untrusted") == 0) {
                        int r = doctor_say(ret, DOCTOR_MISSING, "%s is untrusted: no one vouches for it",
                                name ? name : "?");
                        return r ? r : doctor_mend(ret, "sudo driftctl verify");
                }
        }
        return doctor_say(ret, DOCTOR_OK, "%zu active", json_length(baselines));
}

static int
look_expiry(const struct doctor *doctor, struct doctor_answer *ret)
{
        int64_t first_ms = INT64_MAX, expires_ms;
        const char *name = NULL;
        char when[CLOCK_TEXT_MAX];
        if (!doctor->status)
                return doctor_no_status(doctor, ret);
        json_each (json_member(doctor->status, "baselines"), i, baseline) {
                const char *text = json_text(baseline, "expires");
                if (!text || clock_parse_seconds(text, strlen(text), &expires_ms) < 0 ||
                        expires_ms >= first_ms)
                        continue;
                first_ms = expires_ms;
                name = json_text(baseline, "name");
        }
        if (first_ms == INT64_MAX)
                return doctor_say(ret, DOCTOR_OK, "no baseline expires");
        clock_format_seconds(first_ms, when);
        bool stale = first_ms <= doctor->now_ms, soon = first_ms - doctor->now_ms < EXPIRES_SOON_MS;
        int r = doctor_say(ret,
                stale  ? DOCTOR_MISSING
                : soon ? DOCTOR_WEAK
                       : DOCTOR_OK,
                "%s %s %s", name, stale ? "expired" : "expires", when);
        return r || !soon ? r
                          : doctor_mend(
                                    ret, "sudo driftctl bless --ticket CHG-1 --expires +90d --key alice.key");
}

/* What has no check of its own and lowers coverage, or is to be known. */
static int
look_problems(const struct doctor *doctor, struct doctor_answer *ret)
{
        static const char *const elsewhere[] = {"no_baseline", "stale", "content_age", "watch_lost",
                "overflow", "own_view", "hidden", "first_use", NULL};
        const struct json *first = NULL;
        _cleanup_buf_ struct buf words = {0};
        int r = 0;
        if (!doctor->status)
                return doctor_no_status(doctor, ret);
        json_each (json_member(doctor->status, "problems"), i, problem) {
                const char *kind = json_text(problem, "kind"), *where = json_text(problem, "where");
                bool other = false;
                for (size_t j = 0; elsewhere[j] && kind; j++)
                        other |= strcmp(elsewhere[j], kind) == 0;
                if (other || !kind || r)
                        continue;
                r = buf_printf(&words, "%s%s: ", first ? "; " : "", kind);
                r = r ? r : print_words(&words, where ? where : "");
                first = first ? first : problem;
        }
        if (r || !first)
                return r ? r : doctor_say(ret, DOCTOR_OK, "no others");
        const char *hint = json_text(first, "hint");
        r = doctor_say(
                ret, json_flag(first, "lowers_coverage") ? DOCTOR_MISSING : DOCTOR_WEAK, "%s", words.data);
        return r ? r : doctor_mend(ret, "driftctl status tells of each; of the first: %s", hint ? hint : "");
}

static int
look_content_age(const struct doctor *doctor, struct doctor_answer *ret)
{
        const struct json *problem = doctor_problem(doctor, "content_age");
        char age[WORDS_MAX];
        int64_t oldest_ms;
        if (!doctor->status)
                return doctor_no_status(doctor, ret);
        if (!json_length(json_member(doctor->status, "baselines")))
                return doctor_say(ret, DOCTOR_OK, "nothing is expected yet");
        bool known =
                json_time(json_member(doctor->status, "coverage"), "oldest_content_check", &oldest_ms) == 0;
        if (problem) {
                const char *where = json_text(problem, "where");
                int r = doctor_say(ret, DOCTOR_WEAK,
                        "%s not verified yet, or longer ago than the baseline allows",
                        where ? where : "some");
                return r ? r : doctor_mend(ret, "driftctl scan --full");
        }
        return known ? doctor_say(ret, DOCTOR_OK, "all content was checked within %s",
                               age_text(oldest_ms, doctor->now_ms, age))
                     : doctor_say(ret, DOCTOR_OK, "no content is expected");
}

static int
look_checkpoint(const struct doctor *doctor, struct doctor_answer *ret)
{
        static const char line[] =
                "driftctl log checkpoint -o HOST.checkpoint, and keep it on another machine "
                "(or let driftctl log witness there cosign it each day)";
        const struct json *checkpoint = json_member(doctor->status, "checkpoint");
        char age[WORDS_MAX];
        int64_t time_ms;
        if (!doctor->status)
                return doctor_no_status(doctor, ret);
        if (json_time(checkpoint, "time", &time_ms) < 0) {
                int r = doctor_say(ret, DOCTOR_MISSING,
                        "none was ever handed out: a history rewritten by root would not show");
                return r ? r : doctor_mend(ret, "%s", line);
        }
        bool old = doctor->now_ms - time_ms > CHECKPOINT_OLD_MS;
        int r = doctor_say(ret, old ? DOCTOR_WEAK : DOCTOR_OK,
                "the last was handed out %s ago (where it is kept, this host cannot know)",
                age_text(time_ms, doctor->now_ms, age));
        return r || !old ? r : doctor_mend(ret, "%s", line);
}

/* The option of the unit that most likely does it: the comments of driftd.service tell of each. */
static const char *
view_option(const char *where)
{
        static const struct {
                const char *word, *option;
        } options[] = {{"/tmp", "PrivateTmp=no"}, {"/root", "ProtectHome=read-only"},
                {"/home", "ProtectHome=read-only"}, {"/lib/modules", "ProtectKernelModules=no"},
                {"uts", "ProtectHostname=no"}, {"ipc", "PrivateIPC=no"}, {"user", "PrivateUsers=no"},
                {"net", "PrivateNetwork=no"}};
        for (size_t i = 0; i < ARRAY_SIZE(options); i++)
                if (strstr(where, options[i].word))
                        return options[i].option;
        return NULL;
}

static int
look_view(const struct doctor *doctor, struct doctor_answer *ret)
{
        const struct json *hidden = doctor_problem(doctor, "hidden"),
                          *other = doctor_problem(doctor, "own_view");
        if (!doctor->daemon)
                return doctor_say(ret, DOCTOR_UNKNOWN, "only a running daemon can tell what it sees");
        if (!hidden && !other)
                return doctor_say(ret, DOCTOR_OK, "the daemon sees the host as it is");
        const char *where = json_text(hidden ? hidden : other, "where");
        const char *option = view_option(where ? where : "");
        if (!hidden && where &&
                where[0] == '/') /* mounts where no scope looks, as the unit itself makes them */
                return doctor_say(ret, DOCTOR_OK, "no scope looks at what is hidden (%s)", where);
        int r = doctor_say(ret, hidden ? DOCTOR_MISSING : DOCTOR_WEAK, "%s", where ? where : "?");
        return r        ? r
               : option ? doctor_mend(ret,
                                  "sudo systemctl edit driftd, and there: [Service] %s; then sudo systemctl "
                                  "restart driftd",
                                  option)
                        : doctor_mend(ret,
                                  "systemctl cat driftd (its comments name the options that hide things)");
}

static int
look_bodies(const struct doctor *doctor, struct doctor_answer *ret)
{
        if (!doctor->have_config)
                return doctor_say(ret, DOCTOR_UNKNOWN, "there is no configuration");
        if (doctor->cli->config->keep_bodies > 1)
                return doctor_say(ret, DOCTOR_OK, "the text of %u generations is kept",
                        doctor->cli->config->keep_bodies);
        int r = doctor_say(ret, DOCTOR_WEAK,
                "the text of old generations is not kept: nothing can be compared with them");
        return r ? r : doctor_mend(ret, "in %s, below [store]: keep_bodies = 10", doctor->cli->config_file);
}

const struct doctor_check doctor_checks[] = {
        {"configuration", "whether the configuration can be read", look_config},
        {"daemon", "whether driftd runs", look_daemon},
        {"boot", "whether driftd starts with the host", doctor_boot},
        {"version", "whether the daemon is the installed one", doctor_version},
        {"approvers", "who may approve", doctor_approvers},
        {"threshold", "how many people must agree", doctor_threshold},
        {"first_use", "whether the trust file was taken unseen", doctor_first_use},
        {"keys", "approvers' private keys on this host", doctor_keys},
        {"key_used", "whether the last approval was signed on this host", doctor_key_used},
        {"baseline", "whether something is expected", look_baseline},
        {"expiry", "baselines that expired, or soon will", look_expiry},
        {"scope", "what commonly matters and is in no scope", doctor_scope},
        {"exclusions", "what commonly matters and is excluded", doctor_exclusions},
        {"content_age", "how long ago content was checked", look_content_age},
        {"view", "what a sandbox hides from the daemon", look_view},
        {"problems", "other problems of driftctl status", look_problems},
        {"watches", "fs.inotify.max_user_watches", doctor_watches},
        {"instances", "fs.inotify.max_user_instances", doctor_instances},
        {"queue", "fs.inotify.max_queued_events, and events lost", doctor_queue},
        {"checkpoint", "whether the history is witnessed elsewhere", look_checkpoint},
        {"bodies", "whether old generations are kept", look_bodies},
        {"store", "the file system of the store", doctor_store},
        {"packages", "whether package transactions are told", doctor_packages},
        {"clock", "whether the clock is synchronised", doctor_clock},
        {"journal", "whether the journal outlives a boot", doctor_journal},
        {0},
};
