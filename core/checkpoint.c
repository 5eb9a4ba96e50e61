/* SPDX-License-Identifier: MIT */
/*
 * The text of checkpoints, read and written line by line. One sequence of bytes for one meaning: numbers
 * without leading zeroes, canonical base64, our lines in one order. What another log writes after its root is
 * its own matter; in ours an unknown line is left alone too (a later version may say more), but a known word
 * with a form that is not ours is refused, and so is one out of its order.
 */
#include "core/checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/clock.h"
#include "core/quote.h"

struct line {
        const char *data;
        size_t size; /* without the newline */
};

struct reader {
        const char *at, *end;
        size_t number; /* of the line read last */
};

static bool
line_next(struct reader *reader, struct line *ret)
{
        const char *end = reader->at < reader->end
                                  ? memchr(reader->at, '\n', (size_t)(reader->end - reader->at))
                                  : NULL;
        if (!end)
                return false;
        *ret = (struct line){reader->at, (size_t)(end - reader->at)};
        reader->at = end + 1;
        reader->number++;
        return true;
}

static int
refuse(const struct reader *reader, struct err *err, const char *what)
{
        return err_set(err, CHECKPOINT_MALFORMED, "no checkpoint: line %zu: %s", reader->number, what);
}

int
checkpoint_number(const char *text, size_t size, uint64_t *ret)
{
        uint64_t number = 0;
        if (!size || size > 19 || (text[0] == '0' && size > 1))
                return -EINVAL;
        for (size_t i = 0; i < size; i++) {
                if (text[i] < '0' || text[i] > '9')
                        return -EINVAL;
                number = number * 10 + (uint64_t)(text[i] - '0');
        }
        if (number > INT64_MAX)
                return -EINVAL;
        *ret = number;
        return 0;
}

static int
hash_parse(struct line line, struct digest *ret)
{
        _cleanup_buf_ struct buf hash = {0};
        int r = crypto_base64_decode(line.data, line.size, &hash);
        if (r < 0)
                return r;
        if (hash.size != DIGEST_SIZE)
                return -EINVAL;
        memcpy(ret->bytes, hash.data, DIGEST_SIZE);
        return 0;
}

/* ---- our lines ---- */

/* Takes the first word off; false where the line is another one's. */
static bool
take_word(struct line *line, const char *word)
{
        size_t size = strlen(word);
        if (line->size <= size || memcmp(line->data, word, size) != 0 || line->data[size] != ' ')
                return false;
        *line = (struct line){line->data + size + 1, line->size - size - 1};
        return true;
}

/* Up to the next blank. */
static struct line
take_field(struct line *line)
{
        const char *blank = memchr(line->data, ' ', line->size);
        struct line field = {line->data, blank ? (size_t)(blank - line->data) : line->size};
        size_t taken = field.size + (blank != NULL);
        *line = (struct line){line->data + taken, line->size - taken};
        return field;
}

static int
read_trust(struct checkpoint *c, struct line line)
{
        struct line id = take_field(&line);
        if (c->has_trust || c->n_baselines || digest_parse(id.data, id.size, &c->trust) < 0 ||
                checkpoint_number(line.data, line.size, &c->trust_generation) < 0)
                return -EINVAL;
        c->has_trust = true;
        return 0;
}

static int
read_baseline(struct checkpoint *c, struct line line)
{
        struct checkpoint_baseline baseline = {0};
        struct line name = take_field(&line), generation = take_field(&line);
        if (!name_is_valid(name.data, name.size) || name.size >= sizeof baseline.name ||
                checkpoint_number(generation.data, generation.size, &baseline.generation) < 0 ||
                digest_parse(line.data, line.size, &baseline.id) < 0 ||
                c->n_baselines == CHECKPOINT_BASELINES_MAX)
                return -EINVAL;
        memcpy(baseline.name, name.data, name.size);
        if (c->n_baselines && strcmp(c->baselines[c->n_baselines - 1].name, baseline.name) >= 0)
                return -EINVAL;
        struct checkpoint_baseline *grown =
                reallocarray(c->baselines, c->n_baselines + 1, sizeof *c->baselines);
        if (!grown)
                return -ENOMEM;
        c->baselines = grown;
        c->baselines[c->n_baselines++] = baseline;
        return 0;
}

static int
read_extension(struct checkpoint *c, struct line line, bool first)
{
        if (first)
                return take_word(&line, "time") ? clock_parse_seconds(line.data, line.size, &c->time_ms)
                                                : -EINVAL;
        if (take_word(&line, "trust"))
                return read_trust(c, line);
        if (take_word(&line, "baseline"))
                return read_baseline(c, line);
        return 0;
}

static int
read_extensions(struct checkpoint *c, struct reader *reader, struct err *err)
{
        struct line line;
        bool first = true;
        for (; line_next(reader, &line); first = false) {
                int r = line.size ? read_extension(c, line, first) : -EINVAL;
                if (r == -ENOMEM)
                        return err_oom(err);
                if (r < 0)
                        return refuse(reader, err,
                                first ? "it is not the time that a checkpoint of driftd has here"
                                      : "it is not a line of a checkpoint of driftd");
        }
        return first ? refuse(reader, err, "the time is missing after it") : 0;
}

/* ---- */

static int
read_head(struct checkpoint *c, struct reader *reader, struct err *err)
{
        struct line line = {0};
        if (!line_next(reader, &line) || !line.size || line.size >= sizeof c->origin)
                return refuse(reader, err, "it is not the name of a log");
        memcpy(c->origin, line.data, line.size);
        if (!line_next(reader, &line) || checkpoint_number(line.data, line.size, &c->size) < 0)
                return refuse(reader, err, "it is not a number of records");
        int r = line_next(reader, &line) ? hash_parse(line, &c->root) : -EINVAL;
        if (r == -ENOMEM)
                return err_oom(err);
        return r < 0 ? refuse(reader, err, "it is not a root: 32 bytes in base64") : 0;
}

/* Of another log: lines, none of them empty. */
static int
skip_extensions(struct reader *reader, struct err *err)
{
        struct line line;
        while (line_next(reader, &line))
                if (!line.size)
                        return refuse(reader, err, "it is empty");
        return 0;
}

int
checkpoint_parse(const char *text, size_t size, struct checkpoint *ret, struct err *err)
{
        _cleanup_(checkpoint_done) struct checkpoint c = {0};
        struct reader reader = {text, text + size, 0};
        if (!note_text_is_valid(text, size))
                return err_set(err, CHECKPOINT_MALFORMED, "no checkpoint: it is not lines of UTF-8");
        int r = read_head(&c, &reader, err);
        c.ours = strncmp(c.origin, CHECKPOINT_ORIGIN, sizeof CHECKPOINT_ORIGIN - 1) == 0;
        if (r == 0)
                r = c.ours ? read_extensions(&c, &reader, err) : skip_extensions(&reader, err);
        if (r)
                return r;
        *ret = c;
        c.baselines = NULL;
        return 0;
}

void
checkpoint_done(struct checkpoint *checkpoint)
{
        free(checkpoint->baselines);
        checkpoint->baselines = NULL;
        checkpoint->n_baselines = 0;
}

int
checkpoint_append(const struct checkpoint *c, struct buf *buf)
{
        char time[CLOCK_TEXT_MAX], hex[DIGEST_HEX_SIZE];
        clock_format_seconds(c->time_ms, time);
        int r = buf_printf(buf, "%s\n%" PRIu64 "\n", c->origin, c->size);
        r = r ? r : crypto_base64_append(buf, c->root.bytes, DIGEST_SIZE);
        r = r ? r : buf_printf(buf, "\ntime %s\n", time);
        digest_hex(&c->trust, hex);
        if (c->has_trust)
                r = r ? r : buf_printf(buf, "trust %s %" PRIu64 "\n", hex, c->trust_generation);
        for (size_t i = 0; i < c->n_baselines; i++) {
                digest_hex(&c->baselines[i].id, hex);
                r = r ? r
                      : buf_printf(buf, "baseline %s %" PRIu64 " %s\n", c->baselines[i].name,
                                c->baselines[i].generation, hex);
        }
        return r;
}

int
checkpoint_open(
        const char *text, size_t size, const struct note_key *key, struct checkpoint *ret, struct err *err)
{
        _cleanup_free_ struct note *note = malloc(sizeof *note);
        if (!note)
                return err_oom(err);
        int r = note_parse(text, size, note, err);
        r = r ? r : note_verify(note, key, NULL, err);
        return r ? r : checkpoint_parse(note->text, note->text_size, ret, err);
}

/* ---- comparing ---- */

static int
put_back(const char *what, uint64_t before, uint64_t now, struct err *err)
{
        if (before == now)
                err_set(err, CHECKPOINT_PUT_BACK,
                        "%s: generation %" PRIu64 " is another one than the checkpoint names", what, now);
        else
                err_set(err, CHECKPOINT_PUT_BACK,
                        "%s: generation %" PRIu64 " is in force, and the checkpoint names %" PRIu64, what,
                        now, before);
        return err_hint(
                err, CHECKPOINT_PUT_BACK, "an older state directory was put back, in whole or in part");
}

/* One that is no longer active was retired, which is a record of the history that goes on. */
static int
baselines_compare(const struct checkpoint *old, const struct checkpoint *now, struct err *err)
{
        for (size_t i = 0; i < old->n_baselines; i++) {
                const struct checkpoint_baseline *was = &old->baselines[i], *is = NULL;
                for (size_t j = 0; j < now->n_baselines && !is; j++)
                        if (strcmp(now->baselines[j].name, was->name) == 0)
                                is = &now->baselines[j];
                if (is && (is->generation < was->generation ||
                                  (is->generation == was->generation && !digest_equal(&is->id, &was->id))))
                        return put_back(was->name, was->generation, is->generation, err);
        }
        return 0;
}

static int
trust_compare(const struct checkpoint *old, const struct checkpoint *now, struct err *err)
{
        if (!old->has_trust)
                return 0;
        if (!now->has_trust)
                return put_back("the trust file", old->trust_generation, 0, err);
        if (now->trust_generation < old->trust_generation ||
                (now->trust_generation == old->trust_generation && !digest_equal(&now->trust, &old->trust)))
                return put_back("the trust file", old->trust_generation, now->trust_generation, err);
        return 0;
}

int
checkpoint_extends(struct digester *digester, const struct checkpoint *old, const struct checkpoint *now,
        const struct merkle_proof *proof, struct err *err)
{
        if (strcmp(old->origin, now->origin) != 0)
                return err_set(err, CHECKPOINT_OTHER_LOG,
                        "the checkpoint is of another host: %s, and this is %s", quote(old->origin),
                        quote(now->origin));
        if (old->size > now->size)
                return err_set(err, CHECKPOINT_CUT,
                        "the history was cut, or an older one was put back: the checkpoint counts %" PRIu64
                        " records, and now there are %" PRIu64,
                        old->size, now->size);
        if (!merkle_verify_consistency(digester, old->size, &old->root, now->size, &now->root, proof))
                return err_set(err, CHECKPOINT_REWRITTEN,
                        "the history was rewritten: its first %" PRIu64
                        " records give another root than the checkpoint says",
                        old->size);
        int r = trust_compare(old, now, err);
        return r ? r : baselines_compare(old, now, err);
}

const char *
checkpoint_verdict(int result)
{
        static const char *const words[] = {[0] = "extends",
                [NOTE_MALFORMED] = "malformed",
                [NOTE_UNSIGNED] = "other_key",
                [NOTE_FORGED] = "forged",
                [CHECKPOINT_MALFORMED] = "malformed",
                [CHECKPOINT_OTHER_LOG] = "other_log",
                [CHECKPOINT_CUT] = "cut",
                [CHECKPOINT_REWRITTEN] = "rewritten",
                [CHECKPOINT_PUT_BACK] = "put_back"};
        return result >= 0 && result < (int)ARRAY_SIZE(words) && words[result] ? words[result] : "malformed";
}

/* ---- requests ---- */

int
checkpoint_request_append(
        uint64_t old, const struct merkle_proof *proof, const char *checkpoint, size_t size, struct buf *buf)
{
        int r = buf_printf(buf, "old %" PRIu64 "\n", old);
        r = r ? r : merkle_proof_append(proof, buf);
        r = r ? r : buf_text(buf, "\n");
        return r ? r : buf_append(buf, checkpoint, size);
}

int
checkpoint_request_parse(const char *text, size_t size, struct checkpoint_request *ret, struct err *err)
{
        struct reader reader = {text, text + size, 0};
        struct checkpoint_request request = {0};
        struct line line;
        if (size > CHECKPOINT_REQUEST_MAX)
                return err_set(err, CHECKPOINT_MALFORMED, "the request has more than 1 MiB");
        if (!line_next(&reader, &line) || !take_word(&line, "old") ||
                checkpoint_number(line.data, line.size, &request.old) < 0)
                return err_set(err, CHECKPOINT_MALFORMED, "no request: line 1 is not \"old N\"");
        const char *proof = reader.at;
        do {
                if (!line_next(&reader, &line))
                        return err_set(err, CHECKPOINT_MALFORMED,
                                "no request: there is no empty line after the proof");
        } while (line.size);
        int r = merkle_proof_parse(proof, (size_t)(line.data - proof), &request.proof);
        if (r == -ENOMEM)
                return err_oom(err);
        if (r < 0 || request.proof.count == MERKLE_PROOF_MAX)
                return err_set(err, CHECKPOINT_MALFORMED,
                        "no request: the proof is not at most 63 lines of 32 bytes in base64");
        request.checkpoint = reader.at;
        request.checkpoint_size = (size_t)(reader.end - reader.at);
        *ret = request;
        return 0;
}
