/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the instance share: a configuration in a folder of its own, a trust file that knows
 * alice, and generations of a baseline that she approves.
 */
#pragma once

#include "approval_help.h"

#include "core/instance_internal.h"

static char home[64]; /* the folder: config's state_dir is home/state */
static struct config *config;
static struct err why;

#define assert_done(call)                                                                                    \
        do {                                                                                                 \
                int done_ = (call);                                                                          \
                ck_assert_msg(done_ == 0, "%s is %d: %s", #call, done_, why.text);                           \
        } while (0)

static struct config *
config_at(const char *state_dir)
{
        struct buf text = {0};
        struct config *made = NULL;
        buf_printf(&text,
                "[daemon]\nstate_dir = %s\nruntime_dir = %s/run\ntrust = %s/trust.conf\n[files x]\npath = "
                "%s/x\n",
                state_dir, home, home, home);
        assert_done(config_parse("test.conf", text.data, text.size, &made, &why));
        buf_done(&text);
        return made;
}

static void
fixture_setup(const char *where)
{
        char path[256];
        struct buf text = {0};
        setup_crypto();
        snprintf(home, sizeof home, "%s/driftd-instance-XXXXXX", where);
        ck_assert_ptr_nonnull(mkdtemp(home));
        snprintf(path, sizeof path, "%s/state", home);
        config = config_at(path);
        buf_printf(&text, "[trust]\ngeneration = 1\nparent = none\n[approver alice]\nkey = ");
        key_line("alice", &text);
        buf_printf(&text, "\n[baseline *]\napprovers = alice\nthreshold = 1\n");
        snprintf(path, sizeof path, "%s/trust.conf", home);
        put_file(path, 0600, text.data, text.size);
        buf_done(&text);
}

static void
fixture_teardown(void)
{
        config = config_free(config);
        nftw(home, folder_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* The next generation of "host": its text, and alice's approval. */
static inline struct buf
generation_text(uint64_t generation, const struct digest *parent, int64_t expires_ms)
{
        struct buf text = {0};
        struct baseline_header header = {.name = "host",
                .generation = generation,
                .has_parent = parent != NULL,
                .created_ms = HELP_AT_MS,
                .expires_ms = expires_ms,
                .author = "alice",
                .class = CLASS_NORMAL};
        assert_done(host_id(header.host, &why));
        if (parent)
                header.parent = *parent;
        ck_ok(baseline_header_append(&header, &text));
        buf_printf(&text,
                "scope files x path=%s/x attributes=type mode=static severity=high mounts=local "
                "keep_content=never content_within=100\n",
                home);
        for (unsigned i = 0; i < 40; i++)
                buf_printf(&text, "file %s/x/%06u type=file\n", home, i);
        return text;
}

/* Applies it; *id is the parent's, and then its own (NULL text: no parent). */
static inline int
generation_apply(struct instance *instance, uint64_t generation, struct digest *id, int64_t expires_ms)
{
        struct buf text = generation_text(generation, generation > 1 ? id : NULL, expires_ms), approval = {0};
        struct approval_subject subject = {.name = "host", .host = instance->host, .generation = generation};
        struct apply_result result = {0};
        digest_bytes(text.data, text.size, &subject.id);
        approve("alice", &subject, &approval);
        size_t size = text.size;
        int r = instance_apply(instance, buf_steal(&text), size, approval.data, approval.size, &result, &why);
        if (r == 0)
                *id = subject.id;
        buf_done(&result.signers);
        buf_done(&approval);
        return r;
}

static inline uint64_t
generation_active(const struct instance *instance)
{
        const struct baseline *b = judge_baseline_named(instance->judge, "host");
        return b ? baseline_header(b)->generation : 0;
}

static inline bool
has_problem(struct instance *instance, enum problem_kind kind)
{
        instance_verdict(instance);
        return instance->problems[kind].count != 0;
}
