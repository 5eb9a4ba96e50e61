/* SPDX-License-Identifier: MIT */
/*
 * TAP, the Test Anything Protocol (testanything.org). What is written is read alike by 13 and by 14, and says
 * 13, because the `prove` of a stable Debian refuses whatever says 14: `#` and `\` of a description are
 * escaped as 14 has it, diagnostics are YAML blocks indented by two.
 *
 * A waived drift is `not ok # TODO`: a known failure, which harnesses count as no failure and still show.
 * (SKIP would say that it was not looked at.) Where nothing can be believed, the stream ends with `Bail
 * out!`.
 */
#include <errno.h>
#include <string.h>

#include "cli/checks.h"

/* Through the terminal's filter; newlines are its caller's to have none. */
static int
append_description(struct buf *line, const char *text)
{
        _cleanup_buf_ struct buf plain = {0};
        int r = print_filter(&plain, text, strlen(text));
        for (size_t i = 0; i < plain.size && r == 0; i++) {
                char c = plain.data[i];
                r = c == '#' || c == '\\' ? buf_append(line, "\\", 1) : 0;
                r = r ? r : buf_append(line, &plain.data[i], 1);
        }
        return r;
}

/* A text in double quotes, which JSON and YAML read alike since it is ASCII (the filter saw to that) but for
 * our own signs, which JSON writes as \uXXXX. */
static int
append_quoted(struct buf *line, const char *text)
{
        _cleanup_buf_ struct buf plain = {0};
        int r = print_filter(&plain, text, strlen(text));
        if (r)
                return r;
        _cleanup_json_ struct json *string = json_string_new(plain.data ? plain.data : "");
        return string ? json_write(string, line) : -ENOMEM;
}

static int
append_pair(struct buf *line, const char *indent, const char *name, const char *value)
{
        if (!value)
                return 0;
        int r = buf_printf(line, "%s%s: ", indent, name);
        r = r ? r : append_quoted(line, value);
        return r ? r : buf_text(line, "\n");
}

static int
append_sides_of(struct buf *line, const struct json *attributes)
{
        int r = json_length(attributes) ? buf_text(line, "  attributes:\n") : 0;
        json_each (attributes, i, attribute) {
                r = r ? r : append_pair(line, "    - ", "name", json_text(attribute, "name"));
                r = r ? r : append_pair(line, "      ", "expected", json_text(attribute, "expected"));
                r = r ? r : append_pair(line, "      ", "actual", json_text(attribute, "actual"));
        }
        return r;
}

static int
append_block(struct buf *line, const struct checks *checks, const struct check *check, const char *message)
{
        const struct json *about = check->kind == CHECK_ITEM ? check->about : NULL;
        _cleanup_buf_ struct buf details = {0};
        static const char *const severities[CHECK_OUTCOME_COUNT] = {
                [CHECK_FAILED] = "fail",
                [CHECK_ERROR] = "error",
                [CHECK_WAIVED] = "todo",
                [CHECK_SKIPPED] = "skip",
        };
        int r = check_details(check, &details);
        r = r ? r : buf_text(line, "  ---\n");
        r = r ? r : append_pair(line, "  ", "message", message);
        r = r ? r : append_pair(line, "  ", "severity", severities[check->outcome]);
        r = r ? r : append_pair(line, "  ", "type", check_type(check));
        r = r ? r : append_pair(line, "  ", "group", checks->groups[check->group].name);
        r = r ? r : append_pair(line, "  ", "state", json_text(about, "state"));
        r = r ? r : append_pair(line, "  ", "drift_severity", json_text(about, "severity"));
        r = r ? r : append_sides_of(line, json_member(about, "attributes"));
        r = r ? r : append_pair(line, "  ", "details", details.data);
        return r ? r : buf_text(line, "  ...\n");
}

static int
append_check(struct buf *line, const struct checks *checks, const struct check *check, size_t number)
{
        _cleanup_buf_ struct buf name = {0}, message = {0};
        bool ok = check->outcome == CHECK_PASSED || check->outcome == CHECK_SKIPPED;
        int r = check_name(check, &name);
        r = r ? r : check_message(checks, check, &message);
        r = r ? r : buf_printf(line, "%sok %zu - ", ok ? "" : "not ", number);
        r = r ? r : append_description(line, checks->groups[check->group].name);
        r = r ? r : buf_text(line, ": ");
        r = r ? r : append_description(line, name.data);
        if (r == 0 && check->outcome != CHECK_FAILED && check->outcome != CHECK_ERROR &&
                check->outcome != CHECK_PASSED) {
                r = buf_text(line, check->outcome == CHECK_WAIVED ? " # TODO " : " # SKIP ");
                r = r ? r : append_description(line, message.data);
        }
        r = r ? r : buf_text(line, "\n");
        return r || check->outcome == CHECK_PASSED ? r : append_block(line, checks, check, message.data);
}

static int
flush(struct buf *line, FILE *file)
{
        if (line->size && fwrite(line->data, 1, line->size, file) != line->size)
                return -errno;
        buf_clear(line);
        return 0;
}

static int
bail_out(const struct checks *checks, struct buf *line)
{
        const struct check *verdict = &checks->list[0]; /* checks_make begins with it */
        _cleanup_buf_ struct buf message = {0};
        if (strcmp(check_type(verdict), "untrusted") != 0)
                return 0;
        int r = check_message(checks, verdict, &message);
        r = r ? r : buf_text(line, "Bail out! ");
        r = r ? r : append_description(line, message.data);
        return r ? r : buf_text(line, "\n");
}

int
format_tap(const struct checks *checks, FILE *file)
{
        _cleanup_buf_ struct buf line = {0};
        size_t number = 0;
        int r = buf_printf(&line, "TAP version 13\n1..%zu\n", checks->n);
        for (unsigned group = 0; group < checks->n_groups; group++)
                for (size_t i = 0; i < checks->n && r == 0; i++)
                        if (checks->list[i].group == group) {
                                r = append_check(&line, checks, &checks->list[i], ++number);
                                r = r ? r : flush(&line, file);
                        }
        r = r ? r : bail_out(checks, &line);
        return r ? r : flush(&line, file);
}
