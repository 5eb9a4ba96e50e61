/* SPDX-License-Identifier: MIT */
/*
 * What the approvals beside a baseline are worth. Each is taken apart and its signature verified, so that a
 * reviewer sees who is there; whether that is enough is asked of core/trust.h as the daemon asks it, and of
 * nothing else.
 */
#include "cli/opinion.h"

#include <errno.h>
#include <string.h>

#include "core/clock.h"

void
opinion_done(struct opinion *opinion)
{
        opinion->approvals = json_free(opinion->approvals);
        opinion->signers = json_free(opinion->signers);
}

struct looked {
        bool holds, names_it;
        char fingerprint[128];
        const char *words;
};

static const char *
judge_key(const struct trust *trust, const struct approval *approval, const struct ssh_key *key)
{
        const char *known = trust ? trust_approver_of(trust, key) : NULL;
        if (!trust)
                return "the signature holds; without a trust file nobody says whose key it is";
        if (!known)
                return "the signature holds, but the trust file does not know the key";
        return strcmp(known, approval->by) == 0 ? "the signature holds" : "the key is another approver's";
}

static void
look_at(const struct approval *approval, const struct signed_text *text, const struct trust *trust,
        struct looked *ret)
{
        const struct baseline_header *header = baseline_header(text->baseline);
        _cleanup_buf_ struct buf print = {0};
        struct sshsig sig;
        *ret = (struct looked){.words = "not a signature of ours"};
        ret->names_it = approval_names_baseline(
                approval, baseline_id(text->baseline), header->name, header->host, header->generation);
        if (sshsig_parse(approval->armor, approval->armor_size, &sig, NULL))
                return;
        if (ssh_key_append_fingerprint(&sig.key, &print) == 0)
                snprintf(ret->fingerprint, sizeof ret->fingerprint, "%s", print.data);
        const char *name_space = approval_namespace(approval);
        int r = sshsig_verify(&sig, name_space, approval->text, approval->text_size, NULL);
        ret->holds = r == 0;
        if (r == SSHSIG_PURPOSE)
                ret->words = "the signature was made for another purpose";
        else if (r)
                ret->words = "the signature does not hold";
        else
                ret->words =
                        ret->names_it ? judge_key(trust, approval, &sig.key) : "it approves something else";
}

static int
push_approval(struct json *list, const struct approval *approval, const struct looked *looked)
{
        char at[CLOCK_TEXT_MAX];
        clock_format_seconds(approval->at_ms, at);
        return json_push(
                list, json_make("{s:s, s:s, s:b, s:s, s:b, s:b, s:s}", "by", approval->by, "at", at,
                              "key_on_host", approval->key_on_host, "fingerprint", looked->fingerprint,
                              "holds", looked->holds, "names_it", looked->names_it, "words", looked->words));
}

static int
judge(const struct signed_text *text, const struct trust *trust, struct opinion *ret, struct err *err)
{
        const struct baseline_header *header = baseline_header(text->baseline);
        struct trust_verdict verdict = {0};
        struct err why = {0};
        int r = trust_judge_baseline(trust, baseline_id(text->baseline), header->name, header->host,
                header->generation, header->author, header->class == CLASS_URGENT,
                text->approvals.data ? text->approvals.data : "", text->approvals.size, &verdict, &why);
        if (r < 0) {
                *err = why;
                return EXIT_FAILED;
        }
        ret->judged = true;
        ret->enough = r == 0;
        if (r)
                snprintf(ret->why, sizeof ret->why, "%s", why.text);
        for (size_t i = 0; i < verdict.n_signers; i++)
                if (json_push(ret->signers, json_string_new(verdict.signers[i])) < 0)
                        return failed_oom(err);
        return 0;
}

int
opinion_make(const struct signed_text *text, const struct trust *trust, struct opinion *ret, struct err *err)
{
        _cleanup_free_ struct approval *list = NULL;
        size_t n = 0;
        ret->approvals = json_array_make();
        ret->signers = json_array_make();
        if (!ret->approvals || !ret->signers)
                return failed_oom(err);
        if (text->approvals.size &&
                approvals_parse(text->approvals.data, text->approvals.size, &list, &n, err))
                return EXIT_FAILED;
        for (size_t i = 0; i < n; i++) {
                struct looked looked;
                look_at(&list[i], text, trust, &looked);
                if (push_approval(ret->approvals, &list[i], &looked) < 0)
                        return failed_oom(err);
        }
        return trust ? judge(text, trust, ret, err) : 0;
}

void
opinion_print(struct cli *cli, const struct opinion *opinion)
{
        _cleanup_table_ struct table table = table_make(5);
        json_each (opinion->approvals, i, approval) {
                bool good = json_flag(approval, "holds") && json_flag(approval, "names_it");
                table_cell(&table, COLOR_PLAIN, "  %s", json_text(approval, "by"));
                table_cell(&table, COLOR_PLAIN, "%s", json_text(approval, "at"));
                table_cell(&table, COLOR_PLAIN, "%s", json_text(approval, "fingerprint"));
                table_cell(
                        &table, COLOR_YELLOW, "%s", json_flag(approval, "key_on_host") ? "key on host" : "");
                table_cell(&table, good ? COLOR_PLAIN : COLOR_RED, "%s", json_text(approval, "words"));
        }
        print_colored(&cli->out, COLOR_BOLD, "approvals");
        print(&cli->out, "  %s\n", json_length(opinion->approvals) ? "" : "none yet");
        table_print(&table, &cli->out);
        if (opinion->judged && opinion->enough)
                print_colored(&cli->out, COLOR_GREEN, "  enough by the trust file\n");
        else if (opinion->judged)
                print_colored(&cli->out, COLOR_RED, "  not enough: %s\n", opinion->why);
}
