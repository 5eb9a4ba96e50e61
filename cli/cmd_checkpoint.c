/* SPDX-License-Identifier: MIT */
/*
 * driftctl log checkpoint and log verify. What is compared is compared here, from the daemon's signed
 * checkpoint and its proof: of the answer only what verifies is believed.
 */
#include <string.h>

#include "cli/cli.h"
#include "cli/transfer.h"
#include "core/checkpoint.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/quote.h"

/* ---- the answer of Checkpoint ---- */

struct present {
        struct json *reply;
        const char *text; /* borrowed from the reply */
        struct note_key key;
        struct checkpoint checkpoint;
        struct merkle_proof proof;
        bool proved; /* there are as many records as were asked for */
};

static void
present_done(struct present *present)
{
        json_free(present->reply);
        checkpoint_done(&present->checkpoint);
}

static int
fetch(struct cli *cli, uint64_t old, bool hand_out, struct present *ret, struct err *err)
{
        int r = cli_call(cli, "Checkpoint",
                json_make("{s:I, s:b}", "old", (json_int)old, "hand_out", hand_out), &ret->reply, err);
        if (r)
                return r;
        const char *key = json_text(ret->reply, "key"), *proof = json_text(ret->reply, "proof");
        ret->text = json_text(ret->reply, "checkpoint");
        ret->proved = proof != NULL;
        if (!key || !ret->text || (proof && merkle_proof_parse(proof, strlen(proof), &ret->proof) < 0))
                return err_set(err, EXIT_FAILED, "Checkpoint: the reply is not whole");
        r = note_key_parse(key, strlen(key), &ret->key, err);
        return failed(
                r ? r : checkpoint_open(ret->text, strlen(ret->text), &ret->key, &ret->checkpoint, err));
}

/* ---- log checkpoint ---- */

static int
checkpoint_document(struct cli *cli, const struct present *present, const char *request, struct err *err)
{
        return cli_document(cli,
                json_make("{s:s, s:s, s:s, s:s, s:I, s:s, s:s?}", "schema", "driftd.checkpoint/1",
                        "checkpoint", present->text, "origin", present->checkpoint.origin, "key",
                        json_text(present->reply, "key"), "size", (json_int)present->checkpoint.size, "root",
                        json_text(present->reply, "root"), "request", request),
                err);
}

static int
parse_old(struct cli *cli, uint64_t *ret, struct err *err)
{
        const char *old = args_value(&cli->args, "old");
        *ret = 0;
        if (old && !args_given(&cli->args, "request"))
                return cli_usage(cli, err, "--old belongs to --request");
        if (old && checkpoint_number(old, strlen(old), ret) < 0)
                return cli_usage(cli, err, "--old takes a number of records");
        return 0;
}

static int
compose(struct cli *cli, const struct present *present, uint64_t old, struct buf *ret, struct err *err)
{
        int r;
        if (args_given(&cli->args, "show-key")) {
                r = buf_printf(ret, "%s\n", json_text(present->reply, "key"));
        } else if (!args_given(&cli->args, "request")) {
                r = buf_text(ret, present->text);
        } else if (!present->proved) {
                err_set(err, EXIT_UNTRUSTED,
                        "the history has %llu records, and the witness has seen %llu: it was cut, or an "
                        "older "
                        "one was put back",
                        (unsigned long long)present->checkpoint.size, (unsigned long long)old);
                return EXIT_UNTRUSTED;
        } else {
                r = checkpoint_request_append(
                        old, &present->proof, present->text, strlen(present->text), ret);
        }
        return r < 0 ? failed_oom(err) : 0;
}

int
command_log_checkpoint(struct cli *cli, struct err *err)
{
        _cleanup_(present_done) struct present present = {0};
        _cleanup_buf_ struct buf text = {0};
        const char *file = args_value(&cli->args, "output");
        uint64_t old;
        int r = parse_old(cli, &old, err);
        r = r ? r : fetch(cli, old, !args_given(&cli->args, "show-key"), &present, err);
        r = r ? r : compose(cli, &present, old, &text, err);
        if (r)
                return r;
        if (file || !cli->json)
                r = failed(output_write(file, text.data, text.size, err));
        if (r == 0 && cli->json)
                return checkpoint_document(
                        cli, &present, args_given(&cli->args, "request") ? text.data : NULL, err);
        if (r == 0 && file)
                cli_next(cli,
                        "keep %s where root of this host cannot write; driftctl log verify --checkpoint FILE",
                        quote(file));
        return r;
}

/* ---- log verify ---- */

struct verifying {
        struct buf text; /* of the file */
        struct note_key key;
        bool own_key;
        int result; /* as of checkpoint_verdict */
        struct checkpoint kept;
        struct present present;
        struct err words;
};

static void
verifying_done(struct verifying *v)
{
        buf_done(&v->text);
        checkpoint_done(&v->kept);
        present_done(&v->present);
}

/* The words for a checkpoint by an unknown key say also whose it claims to be. */
static void
explain_key(struct verifying *v, const struct present *present)
{
        struct note *note = malloc(sizeof *note);
        struct checkpoint claimed = {0};
        if (note && note_parse(v->text.data, v->text.size, note, NULL) == 0 &&
                checkpoint_parse(note->text, note->text_size, &claimed, NULL) == 0 &&
                strcmp(claimed.origin, present->checkpoint.origin) != 0) {
                v->result = CHECKPOINT_OTHER_LOG;
                err_set(&v->words, EXIT_UNTRUSTED, "the checkpoint is of another host: %s, and this is %s",
                        quote(claimed.origin), quote(present->checkpoint.origin));
        } else {
                char before[ERR_TEXT_MAX / 2];
                snprintf(before, sizeof before, "%.400s", v->words.text);
                err_set(&v->words, EXIT_UNTRUSTED, "the checkpoint is signed by another key: %s", before);
                err_hint(&v->words, EXIT_UNTRUSTED,
                        "driftctl log --kind checkpoint tells whether the host's key was replaced; with the "
                        "key that "
                        "was kept: --key");
        }
        checkpoint_done(&claimed);
        free(note);
}

static int
verify_now(struct cli *cli, struct verifying *v, struct err *err)
{
        _cleanup_(digester_freep) struct digester *digester = digester_new();
        _cleanup_(present_done) struct present first = {0};
        int r = digester ? fetch(cli, 0, false, &first, err) : failed_oom(err);
        if (r)
                return r;
        if (v->own_key)
                v->key = first.key;
        v->result =
                checkpoint_open(v->text.data ? v->text.data : "", v->text.size, &v->key, &v->kept, &v->words);
        if (v->result < 0)
                return failed_oom(err);
        if (v->result == NOTE_UNSIGNED)
                explain_key(v, &first);
        if (v->result)
                return 0;
        r = fetch(cli, v->kept.size, false, &v->present, err);
        if (r)
                return r;
        v->result =
                checkpoint_extends(digester, &v->kept, &v->present.checkpoint, &v->present.proof, &v->words);
        return 0;
}

static struct json *
head_json(const struct checkpoint *c)
{
        char root[DIGEST_HEX_SIZE], time[CLOCK_TEXT_MAX];
        digest_hex(&c->root, root);
        clock_format(c->time_ms, time);
        return c->origin[0]
                       ? json_make("{s:I, s:s, s:s}", "size", (json_int)c->size, "root", root, "time", time)
                       : json_null_new();
}

static int
verify_document(struct cli *cli, const struct verifying *v, struct err *err)
{
        return cli_document(cli,
                json_make("{s:s, s:s, s:o, s:o, s:s, s:s, s:s?}", "schema", "driftd.log-verify/1", "verdict",
                        checkpoint_verdict(v->result), "checkpoint", head_json(&v->kept), "present",
                        head_json(&v->present.checkpoint), "key", v->own_key ? "own" : "given", "key_name",
                        v->key.name, "problem", v->result ? v->words.text : NULL),
                err);
}

static void
verify_print(struct cli *cli, const struct verifying *v)
{
        char kept[WORDS_MAX], now[WORDS_MAX], when[WORDS_MAX];
        const struct checkpoint *present = &v->present.checkpoint;
        if (v->result) {
                print_colored(&cli->out, COLOR_RED, "NOT PROVED");
                print(&cli->out, ": %s\n", v->words.text);
                if (v->words.hint[0])
                        cli_note(cli, "%s", v->words.hint);
                return;
        }
        print_colored(&cli->out, COLOR_GREEN, "extends");
        print(&cli->out, ": the %s records of the checkpoint of %s begin the present history of %s\n",
                count_text(v->kept.size, kept), time_text(v->kept.time_ms, clock_now_ms(), when),
                count_text(present->size, now));
        if (cli->quiet)
                return;
        if (!note_key_equal(&v->key, &v->present.key) && v->key.type == NOTE_ED25519)
                print(&cli->out,
                        "The host now signs by another key: driftctl log --kind checkpoint tells why.\n");
        if (v->own_key)
                print(&cli->out,
                        "By the host's own key: that proves less, for root of this host can sign too. "
                        "Keep the key elsewhere: --key.\n");
}

int
command_log_verify(struct cli *cli, struct err *err)
{
        _cleanup_(verifying_done) struct verifying v = {0};
        const char *file = args_value(&cli->args, "checkpoint"), *key = args_value(&cli->args, "key");
        if (!file)
                return cli_usage(
                        cli, err, "--checkpoint is missing: the file that driftctl log checkpoint wrote");
        v.own_key = !key;
        int r = failed(file_read(file, FILE_FOLLOW, NOTE_SIZE_MAX, &v.text, err));
        r = r || !key ? r : vkey_read(key, &v.key, err);
        r = r ? r : verify_now(cli, &v, err);
        if (r)
                return r;
        if (v.result == NOTE_MALFORMED || v.result == CHECKPOINT_MALFORMED) {
                err_set(err, EXIT_FAILED, "%s: %s", quote(file), v.words.text);
                return err_hint(err, EXIT_FAILED, "driftctl log checkpoint -o FILE writes one");
        }
        if (cli->json)
                r = verify_document(cli, &v, err);
        else
                verify_print(cli, &v);
        return r ? r : v.result ? EXIT_UNTRUSTED : EXIT_CLEAN;
}
