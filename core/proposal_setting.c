/* SPDX-License-Identifier: MIT */
/*
 * The settings of a proposal: what the probes read, a line each; a policy's own lines; or the parent's. A
 * domain that is not there (no sshd on the host) has a scope and no line: what comes there later is
 * unexpected.
 */
#include "core/proposal_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/escape.h"
#include "core/item.h"
#include "core/probe.h"
#include "core/setting.h"

/* Whether one of the patterns could select an item of the domain. */
static bool
domain_is_asked(const struct making *making, enum scope_domain domain)
{
        const struct proposal_request *request = making->request;
        const char *name = scope_domain_names[domain];
        for (size_t i = 0; i < request->n_items; i++) {
                size_t size = strcspn(request->items[i], ":[*?");
                if (strlen(name) >= size && memcmp(name, request->items[i], size) == 0)
                        return true;
        }
        return !request->n_items && !request->n_waivers && !request->retire;
}

/* `OPERATOR VALUE` of a line: what the probe says is to be expected, else the value, else how reading it
 * fails. *ret_value is to be freed; NULL with 0: nothing certain can be said. */
static int
expectation_of(const struct probe_setting *live, enum setting_operator *ret_op, char **ret_value)
{
        const char *name = live->error ? strerrorname_np(live->error) : NULL;
        const char *blank = live->expectation ? strchr(live->expectation, ' ') : NULL;
        *ret_value = NULL;
        if (live->value && blank) {
                *ret_op = (enum setting_operator)name_index(setting_operator_names, SETTING_OPERATOR_COUNT,
                        live->expectation, (size_t)(blank - live->expectation));
                *ret_value = strdup(blank + 1);
        } else if (live->value) {
                *ret_op = SETTING_EQ;
                *ret_value = *live->value ? escape_new(live->value, strlen(live->value)) : strdup("");
        } else if (name) {
                *ret_op = SETTING_UNREADABLE;
                *ret_value = strdup(name);
        } else {
                return 0;
        }
        return *ret_value ? 0 : -ENOMEM;
}

static int
add_line(struct making *making, const struct probe_setting *live)
{
        _cleanup_free_ char *value = NULL;
        _cleanup_buf_ struct buf line = {0};
        struct setting setting = {.item = live->item};
        int r = expectation_of(live, &setting.op, &value);
        if (r < 0)
                return r;
        if (!value) {
                proposal_refuse(making, live->item, live->reason);
                return 0;
        }
        setting.value = value;
        r = setting_append(&setting, &line);
        return r ? r : text_list_add(&making->settings, line.data, line.size);
}

static int
look_domain(struct making *making, const struct scope *scope, struct err *err)
{
        _cleanup_probe_reading_ struct probe_reading reading = {0};
        _cleanup_free_ char *helpers = probe_helpers();
        struct probe_request request = {
                .scope = scope, .helpers = helpers, .cancel = making->request->cancel};
        if (!helpers)
                return err_oom(err);
        int r = probe_read(&request, &reading, err);
        if (r == PROBE_ABSENT)
                return 0;
        if (r == PROBE_FAILED) {
                proposal_refuse(making, scope_domain_names[scope->domain], err->text);
                return 0;
        }
        if (r == 0 && reading.incomplete)
                proposal_refuse(making, scope_domain_names[scope->domain], reading.incomplete);
        for (size_t i = 0; i < reading.count && r == 0; i++) {
                const struct probe_setting *live = &reading.list[i];
                if (!live->derived && scope_for_item(scope, 1, live->item) &&
                        proposal_takes(making, live->item))
                        r = add_line(making, live);
        }
        return r == -ENOMEM ? err_oom(err) : r;
}

int
proposal_look_settings(struct making *making, struct err *err)
{
        int r = 0;
        for (size_t i = 0; i < making->n_scopes && r == 0; i++) {
                const struct scope *scope = &making->scopes[i];
                if (scope->domain != SCOPE_FILES && !scope->named_only &&
                        domain_is_asked(making, scope->domain))
                        r = look_domain(making, scope, err);
        }
        return r;
}

static bool
parent_line_stays(const struct making *making, const struct setting *line)
{
        return !making->request->policy && !making->request->retire && !proposal_takes(making, line->item);
}

int
proposal_append_settings(const struct making *making, struct buf *ret)
{
        const struct proposal_request *request = making->request;
        size_t n = 0;
        const struct setting *parent = request->parent ? baseline_settings(request->parent, &n) : NULL;
        struct text_list lines = {0};
        int r = 0;
        for (size_t i = 0; i < making->settings.count && r == 0; i++)
                r = text_list_add(&lines, making->settings.items[i], strlen(making->settings.items[i]));
        for (size_t i = 0; i < n && r == 0; i++) {
                _cleanup_buf_ struct buf line = {0};
                if (!parent_line_stays(making, &parent[i]))
                        continue;
                r = setting_append(&parent[i], &line);
                r = r ? r : text_list_add(&lines, line.data, line.size);
        }
        text_list_sort(&lines);
        for (size_t i = 0; i < lines.count && r == 0; i++)
                r = buf_text(ret, lines.items[i]);
        text_list_done(&lines);
        return r || !request->policy ? r : buf_text(ret, request->policy);
}
