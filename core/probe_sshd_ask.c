/* SPDX-License-Identifier: MIT */
/*
 * Asking sshd: one run for one question, and the way that works on this host.
 *
 * -G (from 9.3; with -T beside it, since it takes -C only so) needs nothing. -T as root wants /run/sshd and a
 * host key that loads. Where no key does, a key of zeros in memory is put before them, which is never used
 * and not told; where the folder is missing, as it is whenever ssh.service is stopped, sshd is not told that
 * it is root. (To run it as another user takes CAP_SETUID, which the unit has not; and a folder mounted there
 * for the unit alone would go with the host's, which systemd removes.) The way that worked is kept for the
 * questions that follow.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/child.h"
#include "core/clock.h"
#include "core/crypto.h"
#include "core/escape.h"
#include "core/probe_sshd_internal.h"
#include "core/quote.h"
#include "core/sshsig.h"

#define OUTPUT_MAX ((size_t)1 << 20) /* bytes that sshd may say */
#define ADDRESSES_MAX 256u
#define KEYWORDS_MAX 512u /* that it may name; there are about a hundred */
#define ARGUMENTS_MAX 128 /* of a run, the NULL counted */

_Static_assert((int)CHILD_FAILED == (int)PROBE_FAILED, "the words of the one are the other's");

/* ---- what sshd says ---- */

void
sshd_answer_done(struct sshd_answer *answer)
{
        for (size_t i = 0; i < answer->count; i++)
                free(answer->list[i].text);
        free(answer->list);
        buf_done(&answer->output);
        *answer = (struct sshd_answer){0};
}

struct sshd_value *
sshd_answer_find(const struct sshd_answer *answer, const char *keyword)
{
        for (size_t i = 0; i < answer->count; i++)
                if (strcmp(answer->list[i].keyword, keyword) == 0)
                        return &answer->list[i];
        return NULL;
}

const char *
sshd_answer_text(const struct sshd_answer *answer, const char *keyword)
{
        const struct sshd_value *value = sshd_answer_find(answer, keyword);
        return value ? value->text : NULL;
}

/* 1: too many */
static int
answer_add(struct sshd_answer *answer, const char *keyword, const char *text)
{
        struct sshd_value *value = sshd_answer_find(answer, keyword);
        if (value) {
                char *joined = NULL;
                if (asprintf(&joined, "%s\n%s", value->text, text) < 0)
                        return -ENOMEM;
                free(value->text);
                value->text = joined;
                return 0;
        }
        if (answer->count == KEYWORDS_MAX)
                return 1;
        struct sshd_value *grown = reallocarray(answer->list, answer->count + 1, sizeof *grown);
        if (!grown)
                return -ENOMEM;
        answer->list = grown;
        grown[answer->count] = (struct sshd_value){keyword, strdup(text)};
        return grown[answer->count++].text ? 0 : -ENOMEM;
}

/* The key of zeros is ours and no part of the configuration. */
static bool
is_our_key(const char *keyword, const char *text)
{
        char ours[64];
        snprintf(ours, sizeof ours, "/proc/%d/fd/", (int)getpid());
        return strcmp(keyword, "hostkey") == 0 && strncmp(text, ours, strlen(ours)) == 0;
}

static int
compare_texts(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * One ListenAddress without an address is as many as the resolver names, in the order in which it would reach
 * them: without IP sockets, as in the daemon's sandbox, that is another one. It says nothing, and is sorted.
 */
static int
addresses_sort(struct sshd_value *value)
{
        char *lines[ADDRESSES_MAX], *rest = value ? value->text : NULL, *line;
        size_t count = 0;
        _cleanup_free_ char *copy = rest ? strdup(rest) : NULL;
        if (!rest)
                return 0;
        if (!copy)
                return -ENOMEM;
        for (rest = copy; count < ADDRESSES_MAX && (line = strsep(&rest, "\n"));)
                lines[count++] = line;
        if (rest) /* sshd itself takes fewer */
                return 0;
        qsort(lines, count, sizeof *lines, compare_texts);
        char *end = value->text;
        for (size_t i = 0; i < count; i++) {
                end = stpcpy(end, lines[i]);
                *end = i + 1 < count ? '\n' : '\0';
                end += i + 1 < count;
        }
        return 0;
}

/* Each line is `keyword value`. 1: it is something else. */
static int
answer_parse(struct sshd_answer *answer)
{
        static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
        char *rest = answer->output.data, *line;
        if (!rest || strlen(rest) != answer->output.size)
                return 1;
        while ((line = strsep(&rest, "\n"))) {
                size_t size = strspn(line, letters);
                if (!*line && !rest)
                        break;
                if (!size || (line[size] && line[size] != ' '))
                        return 1;
                char *text = line + size + (line[size] == ' ');
                line[size] = '\0';
                int r = is_our_key(line, text) ? 0 : answer_add(answer, line, text);
                if (r)
                        return r;
        }
        if (addresses_sort(sshd_answer_find(answer, "listenaddress")) < 0)
                return -ENOMEM;
        /* All versions have these two. */
        return sshd_answer_find(answer, "port") && sshd_answer_find(answer, "permitrootlogin") ? 0 : 1;
}

/* Its words in one line, printable: what is not, and is no blank, is escaped. */
static void
message_take(const struct buf *errors, int status, char ret[static SSHD_MESSAGE_MAX])
{
        size_t size = 0;
        for (size_t i = 0; i < errors->size && size + 5 < SSHD_MESSAGE_MAX; i++) {
                char byte = errors->data[i];
                if (byte == '\n' && size && i + 1 < errors->size) {
                        ret[size++] = ';';
                        ret[size++] = ' ';
                } else if (byte == ' ') {
                        ret[size++] = byte;
                } else if (byte != '\n' && byte != '\r') {
                        size += escape(&byte, 1, ret + size);
                }
        }
        while (size && (ret[size - 1] == ' ' || ret[size - 1] == ';'))
                size--;
        ret[size] = '\0';
        if (!size)
                snprintf(ret, SSHD_MESSAGE_MAX, "it ended with status %d and said nothing", status);
}

static bool
says(const struct buf *text, const char *what)
{
        return text->size && memmem(text->data, text->size, what, strlen(what));
}

static bool
is_about_folder(const struct buf *errors)
{
        return says(errors, "rivilege separation") ||
               says(errors, "must be owned by root and not group or world-writable");
}

static bool
is_about_keys(const struct buf *errors)
{
        return says(errors, "no hostkeys available");
}

/* ---- a key of zeros ---- */

static int
append_zero_key(struct buf *ret)
{
        static const unsigned char zeros[64], padding[] = {1, 2, 3, 4, 5};
        static const char type[] = "ssh-ed25519";
        _cleanup_buf_ struct buf secret = {0}, public = {0};
        int r = ssh_append_string(&public, type, sizeof type - 1);
        r = r < 0 ? r : ssh_append_string(&public, zeros, 32);
        r = r < 0 ? r : buf_append(&secret, zeros, 8); /* twice the same number */
        r = r < 0 ? r : buf_append(&secret, public.data, public.size);
        r = r < 0 ? r : ssh_append_string(&secret, zeros, sizeof zeros);
        r = r < 0 ? r : ssh_append_string(&secret, "", 0); /* comment */
        r = r < 0 ? r : buf_append(&secret, padding, (8 - secret.size % 8) % 8);
        r = r < 0 ? r : buf_append(ret, "openssh-key-v1", 15);
        r = r < 0 ? r : ssh_append_string(ret, "none", 4);
        r = r < 0 ? r : ssh_append_string(ret, "none", 4);
        r = r < 0 ? r : ssh_append_string(ret, "", 0);
        r = r < 0 ? r : ssh_append_u32(ret, 1);
        r = r < 0 ? r : ssh_append_string(ret, public.data, public.size);
        return r < 0 ? r : ssh_append_string(ret, secret.data, secret.size);
}

/* In OpenSSH's own form (PROTOCOL.key), in a file that has no name. */
static int
make_zero_key(struct sshd_asker *asker)
{
        _cleanup_buf_ struct buf blob = {0}, text = {0};
        int r = append_zero_key(&blob);
        r = r < 0 ? r : buf_text(&text, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
        r = r < 0 ? r : crypto_base64_append(&text, blob.data, blob.size);
        r = r < 0 ? r : buf_text(&text, "\n-----END OPENSSH PRIVATE KEY-----\n");
        if (r < 0)
                return -ENOMEM;
        _cleanup_fd_ int fd = memfd_create("driftd-no-key", MFD_CLOEXEC);
        if (fd < 0 || fchmod(fd, 0600) < 0 || write(fd, text.data, text.size) != (ssize_t)text.size)
                return 0; /* then this way is not open */
        asker->key_fd = steal_fd(&fd);
        return 0;
}

/* ---- asking ---- */

struct arguments {
        char *list[ARGUMENTS_MAX];
        size_t count;
        char key[96];
};

static void
say(struct arguments *arguments, const char *text)
{
        if (arguments->count + 1 < ARGUMENTS_MAX)
                arguments->list[arguments->count++] = (char *)(uintptr_t)text; /* exec changes none */
}

static void
say_way(struct arguments *arguments, const struct sshd_asker *asker)
{
        say(arguments, asker->program);
        if (asker->way == SSHD_WAY_G)
                say(arguments, "-G");
        say(arguments, "-T");
        if (asker->way != SSHD_WAY_KEY)
                return;
        snprintf(arguments->key, sizeof arguments->key, "/proc/%d/fd/%d", (int)getpid(), asker->key_fd);
        say(arguments, "-h");
        say(arguments, arguments->key);
}

static int
append_part(struct buf *spec, const char *name, const char *value, const char *otherwise)
{
        value = value ? value : otherwise;
        return value ? buf_printf(spec, "%s%s=%s", spec->size ? "," : "", name, value) : 0;
}

/* Empty: no -C. */
static int
append_spec(const struct sshd_asker *asker, const struct sshd_connection *connection, struct buf *spec)
{
        bool whole = asker->whole_specs;
        char port[16] = "";
        unsigned number = connection->localport ? connection->localport : asker->free_port;
        if (number || whole)
                snprintf(port, sizeof port, "%u", number ? number : 22);
        int r = append_part(spec, "user", connection->user, whole ? "nobody" : NULL);
        r = r < 0 ? r : append_part(spec, "host", connection->host, whole ? "host.invalid" : NULL);
        r = r < 0 ? r : append_part(spec, "addr", connection->address, whole ? "192.0.2.1" : NULL);
        r = r < 0 ? r : append_part(spec, "laddr", connection->localaddress, whole ? "192.0.2.2" : NULL);
        r = r < 0 ? r : append_part(spec, "lport", *port ? port : NULL, NULL);
        r = r < 0 ? r : append_part(spec, "rdomain", connection->rdomain, NULL);
        if (r >= 0 && connection->invalid_user)
                r = buf_printf(spec, "%sinvalid-user", spec->size ? "," : "");
        return r < 0 ? -ENOMEM : 0;
}

/* One run. 0 (it ended by itself), PROBE_FAILED, -ECANCELED, -ENOMEM */
static int
run(const struct sshd_asker *asker, const struct sshd_question *question, struct buf *output,
        struct buf *errors, int *ret_status, struct err *err)
{
        struct arguments arguments = {.count = 0};
        _cleanup_buf_ struct buf spec = {0};
        if (append_spec(asker, question->connection, &spec) < 0)
                return err_oom(err);
        say_way(&arguments, asker);
        say(&arguments, "-f");
        say(&arguments, question->path);
        for (size_t i = 0; question->command && i < question->command->options.count; i++)
                say(&arguments, question->command->options.items[i]);
        if (spec.size) {
                say(&arguments, "-C");
                say(&arguments, spec.data);
        }
        int64_t left_ms = asker->deadline_ms - clock_monotonic_ms();
        struct child child = {.program = arguments.list[0],
                .arguments = arguments.list,
                .timeout_ms = left_ms > 0 ? (unsigned)left_ms : 0,
                .output_max = OUTPUT_MAX,
                .cancel = asker->cancel,
                .unrooted = asker->unrooted};
        buf_clear(output);
        buf_clear(errors);
        int r = child_run(&child, output, errors, ret_status, err);
        if (r != CHILD_FAILED)
                return r == -ENOMEM ? err_oom(err) : r;
        return err_hint(err, PROBE_FAILED,
                "see what it says: run %.100s -T (`command` in [sshd] names another program)",
                asker->program);
}

/* Goes to the next way that may help against what it said. False: there is none. */
static int
next_way(struct sshd_asker *asker, const struct buf *errors, bool *ret_again)
{
        *ret_again = true;
        if (asker->way == SSHD_WAY_G && says(errors, "option -- G")) {
                asker->way = SSHD_WAY_T;
                return 0;
        }
        if (!asker->whole_specs && says(errors, "connection test specification")) {
                asker->whole_specs = true;
                return 0;
        }
        if (asker->way == SSHD_WAY_T && is_about_keys(errors)) {
                int r = make_zero_key(asker);
                if (r < 0 || asker->key_fd >= 0) {
                        asker->way = SSHD_WAY_KEY;
                        return r;
                }
        }
        if (!asker->unrooted && is_about_folder(errors) && geteuid() == 0) {
                asker->unrooted = true;
                return 0;
        }
        *ret_again = false;
        return 0;
}

/* 0: an answer, which may be a refusal. PROBE_FAILED, -ECANCELED, -ENOMEM */
int
sshd_ask(struct sshd_asker *asker, const struct sshd_question *question, struct sshd_answer *ret,
        struct err *err)
{
        _cleanup_buf_ struct buf errors = {0};
        bool tried = asker->unrooted;
        int status = 0;
        for (bool again = true; again;) {
                int r = run(asker, question, &ret->output, &errors, &status, err);
                if (r == PROBE_FAILED && asker->unrooted && !tried) {
                        asker->unrooted = false; /* not on this machine: the words are those before */
                        return 0;
                }
                if (r)
                        return r;
                tried = asker->unrooted;
                if (status == 0)
                        break;
                message_take(&errors, status, ret->message);
                ret->about_host = is_about_keys(&errors) || is_about_folder(&errors);
                r = next_way(asker, &errors, &again);
                if (r < 0)
                        return err_oom(err);
        }
        if (status != 0)
                return 0;
        int r = answer_parse(ret);
        if (r < 0)
                return err_oom(err);
        if (r > 0) {
                err_set(err, PROBE_FAILED, "%.300s: what it said is no configuration of sshd",
                        quote(asker->program));
                return err_hint(err, PROBE_FAILED, "`command` in [sshd] names the program: is it sshd?");
        }
        ret->accepted = true;
        ret->about_host = false;
        return 0;
}

void
sshd_asker_done(struct sshd_asker *asker)
{
        fd_close(asker->key_fd);
        asker->key_fd = -1;
}
