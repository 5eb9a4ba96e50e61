/* SPDX-License-Identifier: MIT */
/*
 * The text that an approver signs. Apart from approval.c because the daemon reads approvals and never
 * makes one. Subjects become lines first and are sorted as lines, so that the order is the one that the
 * reader asks for, and nothing is written that it would not read.
 */
#include "core/approval_internal.h"

#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/quote.h"

struct line {
        char text[SUBJECT_LINE_MAX];
};

static int
line_compare(const void *a, const void *b)
{
        return strcmp(((const struct line *)a)->text, ((const struct line *)b)->text);
}

static int
subjects_check(const struct approval_subject *subjects, size_t n_subjects, struct err *err)
{
        if (n_subjects < 1 || n_subjects > APPROVAL_SUBJECTS_MAX)
                return err_set(err, -EINVAL, "an approval names 1 to %u baselines, not %zu",
                        APPROVAL_SUBJECTS_MAX, n_subjects);
        for (size_t i = 0; i < n_subjects; i++)
                if (!subjects[i].name && n_subjects > 1)
                        return err_set(
                                err, -EINVAL, "an approval of a trust file or a window names that one alone");
        return 0;
}

static int
lines_append(struct line *lines, const struct approval_subject *subjects, size_t count, struct buf *buf,
        struct err *err)
{
        for (size_t i = 0; i < count; i++)
                if (approval_subject_line(&subjects[i], lines[i].text) < 0)
                        return err_set(err, -EINVAL,
                                "a subject's name, host or generation cannot stand in an approval");
        qsort(lines, count, sizeof *lines, line_compare);
        for (size_t i = 0; i < count; i++) {
                if (i > 0 && line_compare(&lines[i - 1], &lines[i]) == 0)
                        return err_set(err, -EINVAL, "the same baseline is named twice");
                if (buf_text(buf, lines[i].text) < 0)
                        return err_oom(err);
        }
        return 0;
}

int
approval_write(const char *by, int64_t at_ms, bool key_on_host, const struct approval_subject *subjects,
        size_t n_subjects, struct buf *ret, struct err *err)
{
        if (!name_is_valid(by, strlen(by))) {
                err_set(err, -EINVAL, "\"%s\" cannot be an approver's name", quote(by));
                return err_hint(err, -EINVAL, "1 to 63 letters, digits, '.', '_', '-', as in the trust file");
        }
        if (at_ms < 0)
                return err_set(err, -EINVAL, "the clock says a year before 1970");
        int r = subjects_check(subjects, n_subjects, err);
        if (r < 0)
                return r;
        _cleanup_free_ struct line *lines = calloc(n_subjects, sizeof *lines);
        _cleanup_buf_ struct buf text = {0};
        char at[CLOCK_TEXT_MAX];
        clock_format_seconds(at_ms, at);
        if (!lines || buf_printf(&text, "%sby %s\nat %s\nkey-on-host %s\n", APPROVAL_MAGIC, by, at,
                              key_on_host ? "yes" : "no") < 0)
                return err_oom(err);
        r = lines_append(lines, subjects, n_subjects, &text, err);
        if (r == 0 && buf_append(ret, text.data, text.size) < 0)
                return err_oom(err);
        return r;
}
