/* SPDX-License-Identifier: MIT */
/*
 * Audits: an instance without a store, for one baseline and one look. What it says is a document and
 * nothing else: no history, no ledger.
 */
#include "core/audit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/document.h"
#include "core/file.h"
#include "core/instance_internal.h"
#include "core/service.h"

static void
ignore_event(void *userdata, struct judge_event *event)
{
        (void)userdata;
        (void)event;
}

static int
judge_trust(struct instance *instance, const struct audit_request *request, struct err *err)
{
        const struct baseline *b = judge_baseline(instance->judge, 0);
        const struct baseline_header *header = baseline_header(b);
        struct trust_verdict *verdict = calloc(1, sizeof *verdict);
        struct err why = {0};
        if (!verdict)
                return err_oom(err);
        int r = 1;
        if (!request->trust)
                err_set(&why, 1, "no trust file was given: nobody vouches for this baseline");
        else
                r = trust_judge_baseline(request->trust, baseline_id(b), header->name, header->host,
                        header->generation, header->author, header->class == CLASS_URGENT,
                        request->approvals ? request->approvals : "", request->approvals_size, verdict, &why);
        instance->baseline_trusted[0] = r == 0;
        if (r)
                snprintf(instance->broken_why, sizeof instance->broken_why, "%.500s", why.text);
        if (trust_verdict_signers(verdict, &instance->signers[0]) < 0)
                r = -ENOMEM;
        free(verdict);
        return r < 0 ? r : 0;
}

static int
collect_batch(void *userdata, struct json *drifts)
{
        struct json *all = userdata;
        int r = 0;
        json_each (drifts, i, drift)
                if (r == 0)
                        r = json_push(all, json_keep((struct json *)(uintptr_t)drift));
        json_free(drifts);
        return r;
}

static int
look(struct instance *instance, const struct audit_request *request, struct err *err)
{
        struct walk_problems problems = {.instance = instance};
        struct judge_scan scan = {
                .full = true,
                .at_once = true,
                .root = request->root,
                .items = request->items,
                .n_items = request->n_items,
                .workers = request->workers,
                .own = request->own,
                .n_own = request->n_own,
                .files = request->files,
                .bytes = request->bytes,
                .cancel = request->cancel,
                .problem = instance_walk_problem,
                .userdata = &problems,
        };
        struct settings_request settings = {
                .not_here = request->root[0]
                                    ? "an image has no settings in force: they are judged on the running host"
                                    : NULL,
                .cancel = request->cancel,
        };
        int r = judge_scan(instance->judge, &scan, err);
        instance_problem(
                instance, PROBLEM_UNREADABLE, problems.count, problems.where, "the folder could not be read");
        return r ? r : instance_probe(instance->judge, &settings, err);
}

static int
run(struct instance *instance, const struct audit_request *request, struct json **ret_document,
        struct err *err)
{
        struct baseline *list[] = {request->baseline};
        const char *host = request->host ? request->host : baseline_header(request->baseline)->host;
        snprintf(instance->host, sizeof instance->host, "%s", host);
        int r = judge_new(ignore_event, NULL, &instance->judge);
        if (r < 0) {
                baseline_free(request->baseline);
                return err_oom(err);
        }
        r = judge_set(instance->judge, list, 1, false, err);
        r = r ? r : judge_trust(instance, request, err);
        if (r == 0 && !request->root[0])
                r = instance_look_at_view(instance, err);
        r = r ? r : look(instance, request, err);
        if (r)
                return r;
        uint64_t count;
        _cleanup_json_ struct json *document =
                                           document_diff(instance, request->items, request->n_items, &count),
                                   *drifts = json_array_make();
        r = document && drifts
                    ? document_drifts(instance, request->items, request->n_items, collect_batch, drifts, err)
                    : -ENOMEM;
        if (r == 0)
                r = json_put(document, "drifts", steal_pointer(&drifts));
        if (r < 0)
                return err_oom(err);
        *ret_document = steal_pointer(&document);
        return 0;
}

int
audit_run(const struct audit_request *request, struct json **ret_document, struct err *err)
{
        bool trusted[1] = {false};
        struct buf signers[1] = {{0}};
        struct instance instance = {
                .offline = true,
                .trust = (struct trust *)(uintptr_t)request->trust, /* read only here */
                .trust_ok = true,
                .baseline_trusted = trusted,
                .signers = signers,
                .started_ms = clock_now_ms(),
        };
        int r = run(&instance, request, ret_document, err);
        judge_free(instance.judge);
        buf_done(&signers[0]);
        return r;
}

static int
open_for_image(const char *baseline_path, const char *trust_path, struct baseline **ret_baseline,
        struct trust **ret_trust, struct buf *ret_approvals, struct err *err)
{
        _cleanup_buf_ struct buf text = {0}, trust_text = {0};
        _cleanup_free_ char *approval_path = NULL;
        int r = file_read(baseline_path, FILE_FOLLOW, BASELINE_SIZE_MAX, &text, err);
        r = r ? r : file_read(trust_path, FILE_FOLLOW, TRUST_FILE_MAX, &trust_text, err);
        r = r ? r : trust_parse(trust_path, trust_text.data, trust_text.size, ret_trust, err);
        if (r)
                return EXIT_FAILED;
        if (asprintf(&approval_path, "%s.approval", baseline_path) < 0) {
                err_oom(err);
                return EXIT_FAILED;
        }
        r = file_read(approval_path, FILE_FOLLOW, APPROVAL_FILE_MAX, ret_approvals, err);
        if (r && r != -ENOENT)
                return EXIT_FAILED;
        size_t size = text.size;
        return baseline_open(buf_steal(&text), size, ret_baseline, err) ? EXIT_FAILED : 0;
}

int
audit_image(const char *root, const char *baseline_path, const char *trust_path, char *const *items,
        size_t n_items, struct json **ret_document, struct err *err)
{
        _cleanup_(trust_freep) struct trust *trust = NULL;
        _cleanup_buf_ struct buf approvals = {0};
        struct baseline *baseline = NULL;
        _cleanup_free_ char *folder = realpath(root, NULL);
        if (!folder) {
                err_set(err, EXIT_FAILED, "%.300s: %s", root, strerrordesc_np(errno));
                return err_hint(err, EXIT_FAILED, "--root takes the folder where the image is mounted");
        }
        int r = open_for_image(baseline_path, trust_path, &baseline, &trust, &approvals, err);
        if (r)
                return r;
        struct audit_request request = {
                .root = strcmp(folder, "/") == 0 ? "" : folder,
                .baseline = baseline,
                .trust = trust,
                .approvals = approvals.data,
                .approvals_size = approvals.size,
                .items = items,
                .n_items = n_items,
        };
        return audit_run(&request, ret_document, err) ? EXIT_FAILED : 0;
}
