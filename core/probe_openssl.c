/* SPDX-License-Identifier: MIT */
/*
 * The openssl probe: the policy that is in force for programs that link the system's OpenSSL and set nothing
 * of their own (`system_default`), where it was written, and who still runs an old library.
 *
 * OpenSSL fails open and says nothing: with a misspelt value, a module that it does not know, or a broken
 * bracket it goes on with what it has by itself. So what is in force is asked of the library, in the helper
 * driftd-openssl and never here, for a configuration can load modules. Our own reader
 * (probe_openssl_config.c) only finds the line that a value was written in, and keeps the helper from files
 * that would hold it up.
 *
 * A configuration that not everybody may read has no one answer: services that run as root are under it, and
 * the others under none. Then what depends on it is unknown, with that reason.
 *
 * Each call of the helper answers with lines that are taken strictly; anything else fails the domain.
 */
#include "core/probe_openssl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/child.h"
#include "core/clock.h"
#include "core/escape.h"
#include "core/folder.h"
#include "core/probe_internal.h"
#include "core/quote.h"

#define ANSWER_MAX ((size_t)1 << 20) /* bytes that the helper may say */
#define CERTIFICATES_MAX 256u        /* files of one look */
#define FACTS_MAX (3 * CERTIFICATES_MAX + 16)
#define ARGUMENTS_MAX (CERTIFICATES_MAX + 3)

struct fact {
        const char *name; /* in the answer, as value; value unescaped */
        const char *value;
};

struct answer {
        struct buf text;
        struct fact facts[FACTS_MAX];
        size_t count;
};

struct look {
        const struct probe_request *request;
        struct probe_reading *ret;
        struct err *err;
        int64_t deadline_ms;
        char *helper; /* raw path */
        char *path;   /* raw, of the configuration */
        bool named;   /* by the scope */
        struct openssl_config config;
        int config_state; /* 0 or enum openssl_config_result */
        char *unreadable; /* why what depends on the configuration is unknown; NULL: it is not */
};

/* ---- the helper ---- */

static const char *
fact_of(const struct answer *answer, const char *name)
{
        for (size_t i = 0; i < answer->count; i++)
                if (strcmp(answer->facts[i].name, name) == 0)
                        return answer->facts[i].value;
        return NULL;
}

static bool
is_fact_name(const char *name)
{
        return *name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._") == strlen(name);
}

/* One line, without its newline, in place. */
static bool
take_fact(struct answer *answer, char *line)
{
        char *blank = strchr(line, ' ');
        size_t size;
        if (!blank || answer->count == FACTS_MAX)
                return false;
        *blank = '\0';
        char *value = blank + 1;
        if (!is_fact_name(line) || fact_of(answer, line) || strlen(value) > PROBE_VALUE_MAX ||
                unescape(value, strlen(value), value, &size) < 0 || memchr(value, '\0', size))
                return false;
        value[size] = '\0';
        answer->facts[answer->count++] = (struct fact){line, value};
        return true;
}

/* `sandbox`, then the facts, then `end`, and nothing after it. */
static bool
take_answer(struct answer *answer)
{
        char *at = answer->text.data, *newline;
        if (!at || memchr(at, '\0', answer->text.size))
                return false;
        for (; (newline = strchr(at, '\n')); at = newline + 1) {
                *newline = '\0';
                if (!take_fact(answer, at))
                        return false;
        }
        return !*at && answer->count >= 2 && strcmp(answer->facts[0].name, "sandbox") == 0 &&
               strcmp(answer->facts[answer->count - 1].name, "end") == 0;
}

static void
answer_done(struct answer *answer)
{
        buf_done(&answer->text);
}

/* Runs a command of the helper with paths; 0, PROBE_FAILED, -ENOMEM, -ECANCELED. */
static int
ask(struct look *look, const char *command, char *const *paths, size_t n_paths, struct answer *ret)
{
        char *arguments[ARGUMENTS_MAX] = {look->helper, (char *)(uintptr_t)command};
        for (size_t i = 0; i < n_paths; i++)
                arguments[i + 2] = paths[i];
        int64_t left_ms = look->deadline_ms - clock_monotonic_ms();
        if (left_ms <= 0)
                return err_set(look->err, PROBE_FAILED, "the time for a look is over");
        struct child child = {.program = look->helper,
                .arguments = arguments,
                .timeout_ms = (unsigned)left_ms,
                .output_max = ANSWER_MAX,
                .cancel = look->request->cancel};
        _cleanup_buf_ struct buf errors = {0};
        int status = 0, r = child_run(&child, &ret->text, &errors, &status, look->err);
        if (r == CHILD_FAILED)
                return err_hint(look->err, PROBE_FAILED, "run it by hand to see: %.200s where", look->helper);
        if (r)
                return r;
        if (status)
                return err_set(look->err, PROBE_FAILED, "%.300s ended with %d: %s", look->helper, status,
                        errors.size ? quote(errors.data) : "it says nothing");
        if (!take_answer(ret))
                return err_set(look->err, PROBE_FAILED, "%.300s did not answer as agreed", look->helper);
        return 0;
}

/* Exactly these names, besides the first and the last. */
static int
expect(struct look *look, const struct answer *answer, const char *const *names, size_t n_names)
{
        bool all = answer->count == n_names + 2;
        for (size_t i = 0; i < n_names && all; i++)
                all = fact_of(answer, names[i]);
        return all ? 0
                   : err_set(look->err, PROBE_FAILED,
                             "%.300s answers what was not asked: is it of this version?", look->helper);
}

/* ---- items ---- */

static int
add(struct look *look, const struct probe_setting *setting)
{
        int r = probe_add(look->ret, setting);
        return r == -ENOMEM ? err_oom(look->err) : r;
}

static int
add_value(struct look *look, const char *item, const char *value, bool derived)
{
        return add(look,
                &(struct probe_setting){.item = strdup(item), .value = strdup(value), .derived = derived});
}

static int
add_unknown(struct look *look, const char *item, const char *reason, int error)
{
        return add(look,
                &(struct probe_setting){.item = strdup(item), .reason = strdup(reason), .error = error});
}

/* ---- where ---- */

static int
watch(struct look *look, const char *path)
{
        char real[PATH_MAX];
        struct text_list *watched = &look->ret->watched;
        int r = *path == '/' ? text_list_add(watched, path, strlen(path)) : 0;
        if (r == 0 && realpath(path, real) && strcmp(real, path) != 0)
                r = text_list_add(watched, real, strlen(real));
        return r < 0 ? err_oom(look->err) : 0;
}

/* Its folder too: a file that is put in the place of another is seen there. */
static int
watch_file(struct look *look, const char *path)
{
        char real[PATH_MAX];
        const char *names[] = {path, realpath(path, real) ? real : NULL};
        int r = watch(look, path);
        for (size_t i = 0; i < ARRAY_SIZE(names) && r == 0 && names[i]; i++) {
                const char *slash = strrchr(names[i], '/');
                if (slash && slash != names[i] &&
                        text_list_add(&look->ret->watched, names[i], (size_t)(slash - names[i])) < 0)
                        r = err_oom(look->err);
        }
        return r;
}

static int
look_where(struct look *look)
{
        static const char *const names[] = {"version", "openssldir", "config", "libssl", "libcrypto"};
        struct answer answer = {.count = 0};
        int r = ask(look, "where", NULL, 0, &answer);
        r = r ? r : expect(look, &answer, names, ARRAY_SIZE(names));
        if (r == 0 && !look->named) {
                look->path = strdup(fact_of(&answer, "config"));
                r = look->path ? 0 : err_oom(look->err);
        }
        /* (It changes with each upgrade, and so do the files: a host's own baseline does not expect it
         * twice.) */
        r = r ? r : add_value(look, "openssl:version", fact_of(&answer, "version"), true);
        r = r ? r : add_value(look, "openssl:openssldir", fact_of(&answer, "openssldir"), false);
        r = r ? r : add_value(look, "openssl:config/file", look->path, false);
        r = r ? r : watch(look, fact_of(&answer, "libssl"));
        r = r ? r : watch(look, fact_of(&answer, "libcrypto"));
        r = r ? r : watch(look, look->helper);
        answer_done(&answer);
        return r;
}

/* ---- the configuration's text ---- */

/* Whether the file and all the folders that lead to it are open to everybody. Access lists are not asked. */
static bool
all_may_read(const char *path)
{
        char real[PATH_MAX];
        const char *name;
        struct stat st;
        bool world = false;
        if (!realpath(path, real) || stat(real, &st) < 0)
                return false;
        _cleanup_fd_ int fd = folder_open_parent("/", real, &name, &world);
        return fd >= 0 && world && (st.st_mode & S_IROTH);
}

static int
say_unreadable(struct look *look, const char *text)
{
        free(look->unreadable);
        look->unreadable = strdup(text);
        return look->unreadable ? 0 : err_oom(look->err);
}

static int
read_config(struct look *look)
{
        struct err words = {0};
        char text[512];
        int r = openssl_config_read(look->path, openssl_config_load, NULL, &look->config, &words);
        look->config_state = r;
        if (r < 0)
                return r == -ENOMEM ? err_oom(look->err) : err_set(look->err, PROBE_FAILED, "%s", words.text);
        if (r == OPENSSL_CONFIG_UNREADABLE)
                r = say_unreadable(look, words.text);
        else
                r = 0; /* absent: nothing is configured. Wrong: the helper will find out the same */
        for (size_t i = 0; i < look->config.files.count && r == 0 && !look->unreadable; i++) {
                if (all_may_read(look->config.files.items[i]))
                        continue;
                snprintf(text, sizeof text,
                        "%s may not be read by everybody: who may not is under another policy",
                        quote(look->config.files.items[i]));
                r = say_unreadable(look, text);
        }
        r = r ? r : watch_file(look, look->path);
        for (size_t i = 0; i < look->config.files.count && r == 0; i++)
                r = watch_file(look, look->config.files.items[i]);
        for (size_t i = 0; i < look->config.watched.count && r == 0; i++)
                r = watch(look, look->config.watched.items[i]);
        return r;
}

/* ---- what is in force ---- */

static const struct {
        const char *fact;
        const char *item;
        const char *commands[2]; /* of the section, either of which sets it; SSL_CONF_cmd(3) */
} effective[] = {
        {"min_protocol", "openssl:system_default/MinProtocol", {"MinProtocol", "Protocol"}},
        {"max_protocol", "openssl:system_default/MaxProtocol", {"MaxProtocol", "Protocol"}},
        {"security_level", "openssl:system_default/SecurityLevel", {"CipherString", NULL}},
        {"ciphers", "openssl:system_default/CipherString", {"CipherString", NULL}},
        {"ciphersuites", "openssl:system_default/Ciphersuites", {"Ciphersuites", NULL}},
        {"groups", "openssl:system_default/Groups", {"Groups", "Curves"}},
        {"signature_algorithms", "openssl:system_default/SignatureAlgorithms", {"SignatureAlgorithms", NULL}},
        {"options", "openssl:system_default/Options", {"Options", NULL}},
        {"providers", "openssl:providers", {NULL, NULL}},
        {"fips", "openssl:fips", {NULL, NULL}},
        {"protocols", "openssl:protocols", {NULL, NULL}},
};
static const char item_floor[] = "openssl:floor", item_accepted[] = "openssl:config/accepted";

/* What was written of it: the value and FILE:LINE, or neither. */
static int
find_configured(const struct look *look, size_t row, struct probe_setting *setting)
{
        const struct openssl_config_value *found = NULL;
        const char *section = openssl_config_system_default(&look->config);
        for (size_t i = 0; i < ARRAY_SIZE(effective[row].commands) && !found; i++)
                if (effective[row].commands[i])
                        found = openssl_config_command(&look->config, section, effective[row].commands[i]);
        if (!found || look->config_state)
                return 0;
        const char *value = found->value;
        if (strcmp(effective[row].fact, "security_level") == 0) { /* the last @SECLEVEL=N of the ciphers */
                static const char mark[] = "@SECLEVEL=";
                const char *level = NULL;
                while ((value = strstr(value, mark)))
                        level = value += sizeof mark - 1;
                if (!level)
                        return 0;
                setting->configured = strndup(level, strspn(level, "0123456789"));
        } else
                setting->configured = strdup(value);
        if (asprintf(&setting->source, "%s:%u", look->config.files.items[found->file], found->line) < 0)
                setting->source = NULL;
        return setting->configured && setting->source ? 0 : -ENOMEM;
}

static int
add_effective(struct look *look, size_t row, const char *value, const char *reason)
{
        struct probe_setting setting = {.item = strdup(effective[row].item)};
        int r = find_configured(look, row, &setting);
        if (value)
                setting.value = strdup(value);
        else
                setting.reason = strdup(reason);
        /* The helper has just started: what it is under, a service would be under that starts now. */
        if (value && setting.configured)
                setting.after_restart = strdup(value);
        if (r < 0 || (value && setting.configured && !setting.after_restart)) {
                probe_setting_done(&setting);
                return err_oom(look->err);
        }
        return add(look, &setting);
}

static int
add_all_unknown(struct look *look, const char *reason)
{
        int r = 0;
        for (size_t i = 0; i < ARRAY_SIZE(effective) && r == 0; i++)
                r = add_effective(look, i, NULL, reason);
        return r ? r : add_unknown(look, item_floor, reason, 0);
}

/* The oldest of the protocols stands first. */
static int
add_floor(struct look *look, const char *protocols)
{
        char lowest[32];
        size_t size = strcspn(protocols, ",");
        if (size >= sizeof lowest)
                return err_set(look->err, PROBE_FAILED, "%.300s names a protocol that is none", look->helper);
        memcpy(lowest, protocols, size);
        lowest[size] = '\0';
        return add_value(look, item_floor, lowest, false);
}

static int
look_effective(struct look *look)
{
        const char *names[ARRAY_SIZE(effective)];
        struct answer answer = {.count = 0};
        int r = ask(look, "effective", &look->path, 1, &answer);
        const char *problem = r ? NULL : fact_of(&answer, "problem");
        for (size_t i = 0; i < ARRAY_SIZE(effective); i++)
                names[i] = effective[i].fact;
        if (r == 0 && problem && answer.count == 3)
                r = add_all_unknown(look, problem);
        else if (r == 0) {
                r = expect(look, &answer, names, ARRAY_SIZE(names));
                for (size_t i = 0; i < ARRAY_SIZE(effective) && r == 0; i++)
                        r = add_effective(look, i, fact_of(&answer, effective[i].fact), NULL);
                r = r ? r : add_floor(look, fact_of(&answer, "protocols"));
        }
        answer_done(&answer);
        return r;
}

static int
look_accepted(struct look *look)
{
        static const char *const names[] = {"accepted"};
        char text[512];
        if (look->config_state == OPENSSL_CONFIG_ABSENT) {
                snprintf(text, sizeof text, "no: %s is not there", quote(look->path));
                /* (No configuration is as the library comes; one that was asked for has to be there.) */
                return add_value(look, item_accepted, look->named ? text : "absent", false);
        }
        struct answer answer = {.count = 0};
        int r = ask(look, "accepted", &look->path, 1, &answer);
        r = r ? r : expect(look, &answer, names, ARRAY_SIZE(names));
        r = r ? r : add_value(look, item_accepted, fact_of(&answer, "accepted"), false);
        answer_done(&answer);
        return r;
}

static int
look_at_policy(struct look *look)
{
        int r = read_config(look);
        if (r)
                return r;
        if (look->unreadable) {
                r = add_all_unknown(look, look->unreadable);
                return r ? r : add_unknown(look, item_accepted, look->unreadable, 0);
        }
        r = look_effective(look);
        return r ? r : look_accepted(look);
}

/* ---- certificates ---- */

static const char *const certificate_facts[] = {"not_after", "bits", "type"};
static const char certificate_prefix[] = "openssl:certificate";

/* The escaped path that an item of the form `openssl:certificate/PATH/FACT` names; NULL: it is none, or a
 * glob. */
static char *
certificate_path(const char *item)
{
        size_t prefix = sizeof certificate_prefix - 1, size = strlen(item);
        if (strncmp(item, certificate_prefix, prefix) != 0 || item[prefix] != '/' || strpbrk(item, "*?"))
                return NULL;
        for (size_t i = 0; i < ARRAY_SIZE(certificate_facts); i++) {
                size_t tail = strlen(certificate_facts[i]) + 1;
                if (size > prefix + tail && item[size - tail] == '/' &&
                        strcmp(item + size - tail + 1, certificate_facts[i]) == 0 &&
                        path_is_canonical(item + prefix, size - prefix - tail))
                        return strndup(item + prefix, size - prefix - tail);
        }
        return NULL;
}

static int
name_certificates(struct look *look, struct text_list *ret)
{
        for (size_t i = 0; i < look->request->n_items; i++) {
                _cleanup_free_ char *path = certificate_path(look->request->items[i]);
                if (path && text_list_add(ret, path, strlen(path)) < 0)
                        return err_oom(look->err);
        }
        text_list_sort(ret);
        return 0;
}

/* Of one file: its facts, or why there are none. */
static int
add_certificate(
        struct look *look, const char *path, size_t n, const struct answer *answer, const char *reason)
{
        char name[64];
        snprintf(name, sizeof name, "%zu.problem", n);
        const char *problem = answer ? fact_of(answer, name) : NULL;
        int error = problem ? (int)strtol(problem, NULL, 10) : 0, r = 0;
        if (problem) /* `ERRNO words` */
                reason = problem + strcspn(problem, " ") + (strchr(problem, ' ') ? 1 : 0);
        for (size_t i = 0; i < ARRAY_SIZE(certificate_facts) && r == 0; i++) {
                _cleanup_free_ char *item = NULL;
                if (asprintf(&item, "%s%s/%s", certificate_prefix, path, certificate_facts[i]) < 0)
                        return err_oom(look->err);
                snprintf(name, sizeof name, "%zu.%s", n, certificate_facts[i]);
                const char *value = reason || !answer ? NULL : fact_of(answer, name);
                r = value ? add_value(look, item, value, false)
                          : add_unknown(look, item, reason ? reason : "the helper does not tell", error);
        }
        return r;
}

static int
ask_certificates(struct look *look, const struct text_list *paths, size_t count, struct answer *ret)
{
        char *raw[CERTIFICATES_MAX] = {NULL};
        int r = 0;
        for (size_t i = 0; i < count && r == 0; i++)
                r = unescape_new(paths->items[i], &raw[i]);
        r = r == -EINVAL ? err_set(look->err, PROBE_FAILED, "a certificate's path holds a NUL byte")
            : r < 0      ? err_oom(look->err)
                         : ask(look, "certificates", raw, count, ret);
        for (size_t i = 0; i < count; i++)
                free(raw[i]);
        return r;
}

/* A certificate on which the helper fails does not take the rest of the domain with it. */
static int
look_at_certificates(struct look *look)
{
        struct text_list paths = {0};
        struct answer answer = {.count = 0};
        int r = name_certificates(look, &paths), asked = 0;
        size_t count = min_size(paths.count, CERTIFICATES_MAX);
        if (r == 0 && count) {
                asked = ask_certificates(look, &paths, count, &answer);
                r = asked < 0 ? asked : 0;
        }
        for (size_t i = 0; i < paths.count && r == 0; i++) {
                const char *reason = i >= count ? "more than 256 certificates are named"
                                     : asked    ? look->err->text
                                                : NULL;
                r = add_certificate(look, paths.items[i], i, asked ? NULL : &answer, reason);
                _cleanup_free_ char *raw = NULL;
                if (r == 0 && i < count && unescape_new(paths.items[i], &raw) == 0)
                        r = watch(look, raw);
        }
        answer_done(&answer);
        text_list_done(&paths);
        return r;
}

/* ---- all of it ---- */

static int
look_prepare(struct look *look)
{
        const struct probe_request *request = look->request;
        if (asprintf(&look->helper, "%s/driftd-openssl", request->helpers) < 0)
                look->helper = NULL;
        look->named = request->scope->paths.count && *request->scope->paths.items[0];
        if (look->named && unescape_new(request->scope->paths.items[0], &look->path) < 0)
                look->path = NULL;
        return look->helper && (look->path || !look->named) ? 0 : err_oom(look->err);
}

int
probe_openssl(const struct probe_request *request, struct probe_reading *ret, struct err *err)
{
        struct err own = {0};
        struct look look = {.request = request, .ret = ret, .err = err ? err : &own};
        look.deadline_ms =
                clock_monotonic_ms() + (request->timeout_ms ? request->timeout_ms : PROBE_TIMEOUT_MS);
        int r = look_prepare(&look);
        r = r ? r : look_where(&look);
        r = r ? r : look_at_policy(&look);
        r = r ? r : look_at_certificates(&look);
        r = r ? r : probe_stale("/proc", look.deadline_ms, request->cancel, ret);
        text_list_sort(&ret->watched);
        openssl_config_done(&look.config);
        free(look.helper);
        free(look.path);
        free(look.unreadable);
        return r;
}
