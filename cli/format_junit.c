/* SPDX-License-Identifier: MIT */
/*
 * JUnit XML, which has no standard: what is written here holds by both published schemas (the one of Apache
 * Ant's task, github.com/windyroad/JUnit-Schema, and junit-10.xsd of Jenkins' xUnit plugin) and has what
 * GitLab reads (docs.gitlab.com, "Unit test reports"): a suite is a group of checks, a testcase a check.
 *
 * Left out with intent: `file`, which GitLab takes for a path in the repository and Jenkins' schema refuses,
 * and attributes of <testsuites>, which Ant's does. Each text goes through the sink of cli/html.h: the five
 * signs that it escapes are XML's, and nothing comes out that XML 1.0 forbids.
 */
#include <errno.h>
#include <string.h>

#include "cli/checks.h"
#include "cli/html.h"

#define SECONDS_SIZE 19 /* "2026-11-23T18:00:00": Ant's schema has no zone, and no fraction */

static const char *const elements[CHECK_OUTCOME_COUNT] = {
        [CHECK_FAILED] = "failure",
        [CHECK_ERROR] = "error",
        [CHECK_WAIVED] = "skipped", /* JUnit has no word for a failure that is accepted */
        [CHECK_SKIPPED] = "skipped",
};

static int
flush(struct html *xml, FILE *file)
{
        if (xml->failed)
                return -ENOMEM;
        if (xml->text.size && fwrite(xml->text.data, 1, xml->text.size, file) != xml->text.size)
                return -errno;
        buf_clear(&xml->text);
        return 0;
}

static void
attribute(struct html *xml, const char *name, const char *value)
{
        html_raw(xml, " %s=\"", name);
        html_text(xml, value);
        html_raw(xml, "\"");
}

static void
property(struct html *xml, const char *name, const char *value)
{
        html_raw(xml, "      <property");
        attribute(xml, "name", name);
        attribute(xml, "value", value ? value : "");
        html_raw(xml, "/>\n");
}

static void
properties(struct html *xml, const struct checks *checks, const struct check_group *group)
{
        const struct json *document = checks->document;
        char expected[32];
        snprintf(expected, sizeof expected, "%lld", group->expected);
        html_raw(xml, "    <properties>\n");
        property(xml, "schema", json_text(document, "schema"));
        property(xml, "taken_at", json_text(document, "taken_at"));
        property(xml, "verdict", json_text(document, "verdict"));
        property(xml, "trust_id", json_text(document, "trust_id"));
        json_each (json_member(document, "baselines"), i, baseline) {
                _cleanup_buf_ struct buf name = {0};
                if (buf_printf(&name, "baseline %s", json_text(baseline, "name")) < 0)
                        xml->failed = true;
                property(xml, name.data ? name.data : "baseline", json_text(baseline, "id"));
        }
        if (group->expected)
                property(xml, "expected", expected);
        html_raw(xml, "    </properties>\n");
}

static void
begin_suite(struct html *xml, const struct checks *checks, unsigned index)
{
        const struct check_group *group = &checks->groups[index];
        const char *taken_at = json_text(checks->document, "taken_at"),
                   *host = json_text(checks->document, "host");
        char seconds[SECONDS_SIZE + 1] = "1970-01-01T00:00:00";
        if (taken_at && strlen(taken_at) >= SECONDS_SIZE)
                memcpy(seconds, taken_at, SECONDS_SIZE);
        html_raw(xml, "  <testsuite id=\"%u\"", index);
        attribute(xml, "name", group->name);
        attribute(xml, "package", "driftd");
        attribute(xml, "hostname", host && *host ? host : "localhost");
        attribute(xml, "timestamp", seconds);
        html_raw(xml, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" time=\"0\">\n",
                check_group_size(group), group->counts[CHECK_FAILED], group->counts[CHECK_ERROR],
                group->counts[CHECK_WAIVED] + group->counts[CHECK_SKIPPED]);
        properties(xml, checks, group);
}

/* The message stands in the text too: Jenkins shows both, GitLab the text alone. */
static int
testcase(struct html *xml, const struct checks *checks, const struct check *check)
{
        _cleanup_buf_ struct buf name = {0}, message = {0}, details = {0};
        const char *element = elements[check->outcome];
        if (check_name(check, &name) < 0)
                return -ENOMEM;
        html_raw(xml, "    <testcase classname=\"driftd.");
        html_text(xml, checks->groups[check->group].name);
        html_raw(xml, "\"");
        attribute(xml, "name", name.data);
        html_raw(xml, " time=\"0\"%s\n", element ? ">" : "/>");
        if (!element)
                return 0;
        if (check_message(checks, check, &message) < 0 || check_sides(check, &details) < 0 ||
                check_details(check, &details) < 0)
                return -ENOMEM;
        html_raw(xml, "      <%s", element);
        if (strcmp(element, "skipped") != 0) /* Jenkins' schema knows none there */
                attribute(xml, "type", check_type(check));
        attribute(xml, "message", message.data);
        html_raw(xml, ">");
        html_text(xml, message.data);
        html_raw(xml, "%s", details.size ? "\n" : "");
        html_text(xml, details.data);
        html_raw(xml, "</%s>\n    </testcase>\n", element);
        return 0;
}

static int
suite(struct html *xml, const struct checks *checks, unsigned index, FILE *file)
{
        int r = 0;
        begin_suite(xml, checks, index);
        for (size_t i = 0; i < checks->n && r == 0; i++)
                if (checks->list[i].group == index) {
                        r = testcase(xml, checks, &checks->list[i]);
                        r = r ? r : flush(xml, file);
                }
        html_raw(xml, "    <system-out/>\n    <system-err/>\n  </testsuite>\n");
        return r ? r : flush(xml, file);
}

int
format_junit(const struct checks *checks, FILE *file)
{
        _cleanup_html_ struct html xml = {0};
        int r = 0;
        html_raw(&xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
        for (unsigned i = 0; i < checks->n_groups && r == 0; i++)
                r = suite(&xml, checks, i, file);
        html_raw(&xml, "</testsuites>\n");
        return r ? r : flush(&xml, file);
}
