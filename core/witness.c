/* SPDX-License-Identifier: MIT */
/*
 * The witness. Its memory of a log is the file that it wrote, read back and verified by its own key at the
 * start, so that a file that somebody changed is no memory but a refusal. The order of the checks is that of
 * the specification; within one call the check against the last size and the write are one step, since nobody
 * else calls.
 *
 * What a log's own key signed and what does not extend the last checkpoint is an alarm: nobody but the log
 * can have made it.
 */
#include "core/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "core/note_signer.h"
#include "core/quote.h"

#define LOCK_TRIES 40u /* of 50 ms */

struct log {
        struct note_key key; /* the first one; its name is the origin */
        struct note_key *more;
        size_t n_more;
        char *path;
        char hex[DIGEST_HEX_SIZE];
        struct digest root;
        uint64_t size;
        int64_t cosigned_s;
        int64_t made_ms; /* our own logs say when a checkpoint was made; else 0 */
        bool failed;     /* what is on disk may be newer than what is known here */
};

struct witness {
        char *folder;
        int lock; /* the folder, held by one process at a time */
        struct note_signer *signer;
        struct digester *digester;
        struct log *logs;
        size_t n_logs;
};

/* ---- its key ---- */

static int
key_generate(const char *path, const char *pub_path, const char *name, struct err *err)
{
        _cleanup_buf_ struct buf text = {0}, pub = {0};
        _cleanup_(note_signer_freep) struct note_signer *signer = NULL;
        char host[128] = "";
        if (!name && (gethostname(host, sizeof host - 1) < 0 || !*host))
                return err_set(err, -EINVAL, "this host has no name: give the witness one");
        int r = note_signer_generate(name ? name : host, NOTE_COSIGNATURE, &text, err);
        r = r ? r : note_signer_parse(text.data, text.size, &signer, err);
        if (r == 0 && (note_key_append(note_signer_key(signer), &pub) < 0 || buf_text(&pub, "\n") < 0))
                r = err_oom(err);
        r = r ? r : file_write(pub_path, 0644, pub.data, pub.size, err);
        r = r ? r : file_create(path, 0600, text.data, text.size, err);
        if (text.data)
                crypto_wipe(text.data, text.capacity);
        return r;
}

static int
key_load(struct witness *w, const char *path, const char *name, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        int r = file_read(path, 0, NOTE_SIGNER_FILE_MAX, &text, err);
        if (r < 0)
                return r;
        r = note_signer_parse(text.data ? text.data : "", text.size, &w->signer, err);
        if (text.data)
                crypto_wipe(text.data, text.capacity);
        if (r < 0)
                return r;
        if (r || note_signer_key(w->signer)->type != NOTE_COSIGNATURE) {
                err_set(err, -EBADMSG, "%s is not the key of a witness", quote(path));
                return err_hint(err, -EBADMSG, "restore it, or begin in a new folder with a new key");
        }
        const char *known = note_signer_key(w->signer)->name;
        if (name && strcmp(name, known) != 0)
                return err_set(err, -EINVAL, "%s is the key of %s, not of the name given", quote(path),
                        quote(known));
        return 0;
}

/* Two that remember apart could be shown two histories. One that answers a single request is soon done: it is
 * waited for. */
static int
folder_lock(struct witness *w, struct err *err)
{
        struct timespec pause = {.tv_nsec = 50000000};
        w->lock = open(w->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (w->lock < 0)
                return err_set(err, -errno, "cannot open %s: %s", quote(w->folder), strerrordesc_np(errno));
        for (unsigned tries = 0; flock(w->lock, LOCK_EX | LOCK_NB) < 0; tries++) {
                if (errno != EWOULDBLOCK && errno != EINTR)
                        return err_set(
                                err, -errno, "cannot lock %s: %s", quote(w->folder), strerrordesc_np(errno));
                if (tries == LOCK_TRIES) {
                        err_set(err, -EBUSY, "another witness works in %s", quote(w->folder));
                        return err_hint(err, -EBUSY, "one folder is one witness: end that one, or ask it");
                }
                nanosleep(&pause, NULL);
        }
        return 0;
}

int
witness_open(const char *folder, const char *name, bool only_reads, struct witness **ret, struct err *err)
{
        _cleanup_(witness_freep) struct witness *w = calloc(1, sizeof *w);
        _cleanup_free_ char *path = NULL, *pub = NULL;
        if (w)
                w->lock = -1;
        if (!w || !(w->folder = strdup(folder)) || !(w->digester = digester_new()))
                return err_oom(err);
        if (asprintf(&path, "%s/witness.key", folder) < 0)
                path = NULL;
        if (asprintf(&pub, "%s/witness.pub", folder) < 0)
                pub = NULL;
        if (!path || !pub)
                return err_oom(err);
        int r = folder_create(folder, 0700, err);
        r = r || only_reads ? r : folder_lock(w, err);
        r = r ? r : key_load(w, path, name, err);
        if (r == -ENOENT) {
                r = key_generate(path, pub, name, err);
                r = r ? r : key_load(w, path, name, err);
        }
        if (r == 0)
                *ret = steal_pointer(&w);
        return r;
}

struct witness *
witness_free(struct witness *w)
{
        if (!w)
                return NULL;
        for (size_t i = 0; i < w->n_logs; i++) {
                free(w->logs[i].more);
                free(w->logs[i].path);
        }
        free(w->logs);
        free(w->folder);
        fd_close(w->lock);
        note_signer_free(w->signer);
        digester_free(w->digester);
        free(w);
        return NULL;
}

const struct note_key *
witness_key(const struct witness *w)
{
        return note_signer_key(w->signer);
}

/* ---- the logs it knows ---- */

static struct log *
log_named(const struct witness *w, const char *origin)
{
        for (size_t i = 0; i < w->n_logs; i++)
                if (strcmp(w->logs[i].key.name, origin) == 0)
                        return &w->logs[i];
        return NULL;
}

static int
log_recall(const struct witness *w, struct log *log, struct err *err)
{
        _cleanup_buf_ struct buf text = {0};
        _cleanup_free_ struct note *note = malloc(sizeof *note);
        _cleanup_(checkpoint_done) struct checkpoint c = {0};
        if (!note)
                return err_oom(err);
        int r = file_read(log->path, 0, NOTE_SIZE_MAX, &text, err);
        if (r)
                return r == -ENOENT ? 0 : r;
        r = note_parse(text.data ? text.data : "", text.size, note, err);
        r = r ? r : note_verify(note, witness_key(w), &log->cosigned_s, err);
        r = r ? r : checkpoint_parse(note->text, note->text_size, &c, err);
        if (r < 0)
                return r;
        if (r || strcmp(c.origin, log->key.name) != 0) {
                log->cosigned_s = 0;
                err_set(err, -EBADMSG, "%s is not what this witness wrote", quote(log->path));
                return err_hint(err, -EBADMSG,
                        "what it knew of %s is lost: restore the file; to begin anew with that log, remove "
                        "it",
                        quote(log->key.name));
        }
        log->size = c.size;
        log->root = c.root;
        log->made_ms = c.ours ? c.time_ms : 0;
        return 0;
}

static int
log_key_add(struct log *log, const struct note_key *key, struct err *err)
{
        struct note_key *grown = reallocarray(log->more, log->n_more + 1, sizeof *grown);
        if (!grown)
                return err_oom(err);
        log->more = grown;
        log->more[log->n_more++] = *key;
        return 0;
}

int
witness_add_log(struct witness *w, const struct note_key *key, struct err *err)
{
        struct log *known = log_named(w, key->name), log = {.key = *key};
        struct digest hash;
        if (key->type != NOTE_ED25519)
                return err_set(
                        err, -EINVAL, "the key of %s is that of a witness, not of a log", quote(key->name));
        if (known)
                return log_key_add(known, key, err);
        if (w->n_logs == WITNESS_LOGS_MAX)
                return err_set(err, -E2BIG, "more than %u logs", WITNESS_LOGS_MAX);
        digest_bytes(key->name, strlen(key->name), &hash);
        digest_hex(&hash, log.hex);
        digest_bytes(NULL, 0, &log.root);
        struct log *grown = reallocarray(w->logs, w->n_logs + 1, sizeof *grown);
        if (!grown)
                return err_oom(err);
        w->logs = grown;
        if (asprintf(&log.path, "%s/%s.checkpoint", w->folder, log.hex) < 0)
                return err_oom(err);
        int r = log_recall(w, &log, err);
        if (r)
                free(log.path);
        else
                w->logs[w->n_logs++] = log;
        return r;
}

size_t
witness_logs(const struct witness *w)
{
        return w->n_logs;
}

struct witness_log
witness_log(const struct witness *w, size_t index)
{
        const struct log *log = &w->logs[index];
        return (struct witness_log){log->key.name, log->size, log->cosigned_s};
}

int
witness_checkpoint(const struct witness *w, const char *hex, size_t size, struct buf *ret, struct err *err)
{
        for (size_t i = 0; i < w->n_logs; i++)
                if (size == strlen(w->logs[i].hex) && memcmp(hex, w->logs[i].hex, size) == 0)
                        return file_read(w->logs[i].path, 0, NOTE_SIZE_MAX, ret, err);
        return err_set(err, -ENOENT, "no log that this witness knows has this hash");
}

/* ---- asking ---- */

void
witness_answer_done(struct witness_answer *answer)
{
        buf_done(&answer->body);
}

/* A key of the log signed it, and nothing that names one of its keys is forged. */
static int
signatures_check(const struct note *note, const struct log *log, struct err *err)
{
        bool holds = false;
        struct err why = {0};
        for (size_t i = 0; i <= log->n_more; i++) {
                int r = note_verify(note, i ? &log->more[i - 1] : &log->key, NULL, &why);
                if (r != 0 && r != NOTE_UNSIGNED) {
                        if (err)
                                *err = why;
                        return r;
                }
                holds |= r == 0;
        }
        if (holds)
                return 0;
        return err_set(err, NOTE_UNSIGNED, "it has no signature by a key of %s that this witness knows",
                quote(log->key.name));
}

/* The specification's checks of what a log signed, from the old size on. */
static enum witness_status
extends_check(const struct witness *w, const struct log *log, const struct checkpoint_request *request,
        const struct checkpoint *c, struct witness_answer *ret)
{
        struct digest empty;
        digest_bytes(NULL, 0, &empty);
        /* The log signed that it has less; but an older checkpoint sent again, by anybody, is no news. */
        bool old = c->ours && c->time_ms < log->made_ms;
        ret->alarm = c->size < log->size && !old;
        if (request->old > c->size) {
                err_set(&ret->words, WITNESS_BAD_REQUEST, "the old size is larger than the checkpoint's");
                return WITNESS_BAD_REQUEST;
        }
        if (request->old != log->size) {
                err_set(&ret->words, WITNESS_CONFLICT,
                        ret->alarm ? "%s offers %" PRIu64 " records, and had %" PRIu64
                                     ": its history was cut, or an older one was put back"
                                   : "of %s, which offers %" PRIu64 " records, %" PRIu64
                                     " are known here: the proof must begin there",
                        quote(log->key.name), c->size, log->size);
                return WITNESS_CONFLICT;
        }
        if (c->size || digest_equal(&c->root, &empty))
                if (merkle_verify_consistency(
                            w->digester, log->size, &log->root, c->size, &c->root, &request->proof))
                        return WITNESS_OK;
        /* Of another size the proof may only be a wrong one. */
        ret->alarm = c->size == log->size && !digest_equal(&c->root, &log->root);
        err_set(&ret->words, WITNESS_REFUSED,
                ret->alarm ? "%s was rewritten: its %" PRIu64 " records have another root than before"
                           : "%s does not prove that it begins with the %" PRIu64
                             " records known here: it was rewritten, or the proof is a wrong one",
                quote(log->key.name), log->size);
        return WITNESS_REFUSED;
}

/* By one of its keys: their signatures were verified, and nobody else can add such a line. */
static bool
is_by_log(const struct note_signature *s, const struct log *log)
{
        bool named =
                s->name_size == strlen(log->key.name) && memcmp(s->name, log->key.name, s->name_size) == 0;
        for (size_t i = 0; named && i <= log->n_more; i++) {
                const struct note_key *key = i ? &log->more[i - 1] : &log->key;
                if (memcmp(s->id, key->id, sizeof s->id) == 0)
                        return true;
        }
        return false;
}

static int
cosign(struct witness *w, struct log *log, const struct note *note, const struct checkpoint *c, int64_t now_s,
        struct witness_answer *ret, struct err *err)
{
        _cleanup_buf_ struct buf kept = {0};
        int r = note_sign(w->signer, note->text, note->text_size, now_s, &ret->body, err);
        if (r == 0 && (buf_append(&kept, note->text, note->text_size) < 0 || buf_text(&kept, "\n") < 0))
                r = err_oom(err);
        for (unsigned i = 0; i < note->count && r == 0; i++)
                if (is_by_log(&note->signatures[i], log) &&
                        buf_append(&kept, note->signatures[i].line, note->signatures[i].line_size) < 0)
                        r = err_oom(err);
        if (r == 0 && buf_append(&kept, ret->body.data, ret->body.size) < 0)
                r = err_oom(err);
        if (r)
                return r;
        /* The same checkpoint again says nothing new of the log: whoever has it can send it. */
        bool news = c->size > log->size || !log->cosigned_s || (c->ours && c->time_ms > log->made_ms);
        ret->status = WITNESS_OK;
        if (!news)
                return 0;
        if (file_write(log->path, 0600, kept.data, kept.size, &ret->words) < 0) {
                /* Maybe not durable, and maybe there: nothing is given out, and nothing more cosigned. */
                ret->status = WITNESS_FAILED;
                log->failed = true;
                return 0;
        }
        log->cosigned_s = now_s;
        log->made_ms = c->ours ? c->time_ms : 0;
        log->size = c->size;
        log->root = c->root;
        return 0;
}

static int
judge(struct witness *w, const struct checkpoint_request *request, int64_t now_s, struct witness_answer *ret,
        struct err *err)
{
        _cleanup_free_ struct note *note = malloc(sizeof *note);
        _cleanup_(checkpoint_done) struct checkpoint c = {0};
        if (!note)
                return err_oom(err);
        int r = note_parse(request->checkpoint, request->checkpoint_size, note, &ret->words);
        r = r ? r : checkpoint_parse(note->text, note->text_size, &c, &ret->words);
        if (r) {
                ret->status = WITNESS_BAD_REQUEST;
                return r < 0 ? r : 0;
        }
        struct log *log = log_named(w, c.origin);
        if (!log) {
                ret->status = WITNESS_UNKNOWN;
                err_set(&ret->words, WITNESS_UNKNOWN, "%s is not a log that this witness knows",
                        quote(c.origin));
                return 0;
        }
        r = signatures_check(note, log, &ret->words);
        if (r) {
                ret->status = WITNESS_FORBIDDEN;
                return r < 0 ? r : 0;
        }
        snprintf(ret->origin, sizeof ret->origin, "%s", c.origin);
        if (log->failed) { /* what is on disk counts */
                ret->status = WITNESS_FAILED;
                r = log_recall(w, log, &ret->words);
                if (r)
                        return r == -ENOMEM ? r : 0;
                log->failed = false;
        }
        ret->status = extends_check(w, log, request, &c, ret);
        if (ret->status == WITNESS_OK)
                return cosign(w, log, note, &c, now_s, ret, err);
        return ret->status == WITNESS_CONFLICT && buf_printf(&ret->body, "%" PRIu64 "\n", log->size) < 0
                       ? err_oom(err)
                       : 0;
}

int
witness_ask(struct witness *w, const char *request, size_t size, int64_t now_s, struct witness_answer *ret,
        struct err *err)
{
        struct checkpoint_request parsed;
        int r = checkpoint_request_parse(request, size, &parsed, &ret->words);
        if (r == CHECKPOINT_MALFORMED)
                ret->status = WITNESS_BAD_REQUEST;
        r = r > 0 ? 0 : r ? err_oom(err) : judge(w, &parsed, now_s, ret, err);
        if (r)
                return err_oom(err);
        if (ret->status == WITNESS_OK || ret->status == WITNESS_CONFLICT)
                return 0;
        buf_clear(&ret->body);
        return buf_printf(&ret->body, "%s\n", ret->words.text) < 0 ? err_oom(err) : 0;
}
