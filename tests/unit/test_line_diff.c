/* SPDX-License-Identifier: MIT */
/*
 * The line diff against diff(1): byte for byte where there is only one answer (texts whose lines are all
 * different and keep their order), the same number of edits where there are several; and in all cases the new
 * text must follow from the old one and the diff, and the old one from the new.
 */
#include "core/line_diff.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS 200u

static char folder[] = "/tmp/test-line-diff-XXXXXX";

/* ---- helpers ---- */

static unsigned
random_below(unsigned *state, unsigned n)
{
        *state = *state * 1103515245u + 12345u;
        return (*state >> 16) % n;
}

static void
diff_of(const struct buf *old_text, const struct buf *new_text, struct buf *ret)
{
        int r = line_diff("old", old_text->data, old_text->size, "new", new_text->data, new_text->size, ret);
        ck_assert_int_eq(r, 0);
}

static void
text_of(const char *text, struct buf *ret)
{
        ck_assert_int_eq(buf_text(ret, text), 0);
}

static void
file_put(const char *name, const struct buf *text)
{
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, name);
        FILE *file = fopen(path, "w");
        ck_assert_ptr_nonnull(file);
        if (text->size)
                ck_assert_uint_eq(fwrite(text->data, 1, text->size, file), text->size);
        ck_assert_int_eq(fclose(file), 0);
}

/* What diff(1) says, finding the fewest edits. */
static void
oracle(const struct buf *old_text, const struct buf *new_text, struct buf *ret)
{
        char command[256], chunk[4096];
        size_t n;
        file_put("old", old_text);
        file_put("new", new_text);
        snprintf(command, sizeof command,
                "LC_ALL=C diff --text --minimal -u --label old --label new %s/old %s/new", folder, folder);
        FILE *pipe = popen(command, "r");
        ck_assert_ptr_nonnull(pipe);
        while ((n = fread(chunk, 1, sizeof chunk, pipe)) > 0)
                ck_assert_int_eq(buf_append(ret, chunk, n), 0);
        ck_assert_int_ge(pclose(pipe), 0);
}

/* The next line without its newline; NULL at the end. */
static const char *
line_next(const struct buf *text, size_t *at, size_t *ret_size)
{
        if (*at >= text->size)
                return NULL;
        const char *line = text->data + *at;
        const char *newline = memchr(line, '\n', text->size - *at);
        ck_assert_ptr_nonnull(newline); /* every line of a diff ends with one */
        *ret_size = (size_t)(newline - line);
        *at += *ret_size + 1;
        return line;
}

static unsigned
count_edits(const struct buf *diff)
{
        unsigned edits = 0;
        size_t at = 0, size;
        for (const char *line; (line = line_next(diff, &at, &size));)
                edits += (*line == '-' || *line == '+') && strncmp(line, "--- old", 7) != 0 &&
                         strncmp(line, "+++ new", 7) != 0;
        return edits;
}

static void
copy_lines(const struct buf *from, size_t *at, size_t *line, size_t until, struct buf *to)
{
        while (*line < until && *at < from->size) {
                const char *newline = memchr(from->data + *at, '\n', from->size - *at);
                size_t size = newline ? (size_t)(newline - from->data) + 1 - *at : from->size - *at;
                ck_assert_int_eq(buf_append(to, from->data + *at, size), 0);
                *at += size;
                ++*line;
        }
}

/* Applies a diff: `gone` is the mark of the lines that `from` holds, `came` of those that come in their
 * place. */
static void
apply(const struct buf *from, const struct buf *diff, char gone, char came, struct buf *to)
{
        size_t at = 0, size, from_at = 0, from_line = 0;
        for (const char *line; (line = line_next(diff, &at, &size));) {
                if (strncmp(line, "--- ", 4) == 0 || strncmp(line, "+++ ", 4) == 0)
                        continue;
                if (*line == '@') {
                        const char *range = memchr(line, gone, size);
                        ck_assert_ptr_nonnull(range);
                        char *end;
                        size_t start = strtoul(range + 1, &end, 10);
                        bool empty = strncmp(end, ",0 ", 3) == 0;
                        copy_lines(from, &from_at, &from_line, empty ? start : start - 1, to);
                        ck_assert_uint_eq(from_line, empty ? start : start - 1);
                        continue;
                }
                size_t whole = at >= diff->size || diff->data[at] != '\\'; /* its newline */
                if (*line == came || *line == ' ') {
                        ck_assert_int_eq(buf_append(to, line + 1, size - 1), 0);
                        ck_assert_int_eq(whole ? buf_text(to, "\n") : 0, 0);
                }
                if (*line == gone || *line == ' ') {
                        ck_assert_uint_le(from_at + size - 1 + whole, from->size);
                        ck_assert_mem_eq(from->data + from_at, line + 1, size - 1);
                        from_at += size - 1 + whole;
                        from_line++;
                }
        }
        copy_lines(from, &from_at, &from_line, SIZE_MAX, to);
}

static void
assert_same(const struct buf *a, const struct buf *b)
{
        ck_assert_uint_eq(a->size, b->size);
        if (a->size)
                ck_assert_mem_eq(a->data, b->data, a->size);
}

static void
assert_leads_both_ways(const struct buf *old_text, const struct buf *new_text, const struct buf *diff)
{
        _cleanup_buf_ struct buf forth = {0}, back = {0};
        apply(old_text, diff, '-', '+', &forth);
        assert_same(&forth, new_text);
        apply(new_text, diff, '+', '-', &back);
        assert_same(&back, old_text);
}

static void
assert_diff(const char *old_text, const char *new_text, const char *expected)
{
        _cleanup_buf_ struct buf a = {0}, b = {0}, diff = {0};
        text_of(old_text, &a);
        text_of(new_text, &b);
        diff_of(&a, &b, &diff);
        ck_assert_str_eq(diff.data, expected);
}

/* ---- shapes ---- */

START_TEST(equal_texts_give_nothing)
{
        assert_diff("", "", "");
        assert_diff("a\nb\n", "a\nb\n", "");
        assert_diff("a", "a", "");
}
END_TEST

START_TEST(one_changed_line_is_shown_between_three_lines_of_context)
{
        assert_diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
                "--- old\n+++ new\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}
END_TEST

START_TEST(a_text_from_nothing_and_to_nothing)
{
        assert_diff("", "a\n", "--- old\n+++ new\n@@ -0,0 +1 @@\n+a\n");
        assert_diff("a\nb\n", "", "--- old\n+++ new\n@@ -1,2 +0,0 @@\n-a\n-b\n");
}
END_TEST

START_TEST(a_missing_newline_at_the_end_is_a_difference_and_is_said)
{
        assert_diff("a\n", "a", "--- old\n+++ new\n@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n");
        assert_diff("a\nb", "x\nb",
                "--- old\n+++ new\n@@ -1,2 +1,2 @@\n-a\n+x\n b\n\\ No newline at end of file\n");
}
END_TEST

START_TEST(edits_six_lines_apart_share_a_hunk_and_seven_do_not)
{
        assert_diff("a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
                "--- old\n+++ new\n@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n");
        assert_diff("a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
                "--- old\n+++ new\n@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n "
                "7\n-b\n+B\n");
}
END_TEST

START_TEST(bytes_stand_as_they_are)
{
        _cleanup_buf_ struct buf diff = {0};
        static const char old_text[] = "a\0b\n\xff\x1b[31m\n", new_text[] = "a\0c\n\xff\x1b[31m\n";
        static const char expected[] = "--- old\n+++ new\n@@ -1,2 +1,2 @@\n-a\0b\n+a\0c\n \xff\x1b[31m\n";
        ck_assert_int_eq(
                line_diff("old", old_text, sizeof old_text - 1, "new", new_text, sizeof new_text - 1, &diff),
                0);
        ck_assert_uint_eq(diff.size, sizeof expected - 1);
        ck_assert_mem_eq(diff.data, expected, diff.size);
}
END_TEST

START_TEST(what_the_buffer_held_before_stays)
{
        _cleanup_buf_ struct buf diff = {0};
        text_of("before: ", &diff);
        ck_assert_int_eq(line_diff("a", "x\n", 2, "b", "y\n", 2, &diff), 0);
        ck_assert_str_eq(diff.data, "before: --- a\n+++ b\n@@ -1 +1 @@\n-x\n+y\n");
}
END_TEST

START_TEST(too_many_edits_are_shown_as_removed_and_added_whole)
{
        _cleanup_buf_ struct buf a = {0}, b = {0}, diff = {0};
        text_of("head\n", &a);
        text_of("head\n", &b);
        for (unsigned i = 0; i < LINE_DIFF_EDITS_MAX; i++) {
                /* Every third line is common to both: a search without a bound would find it. */
                ck_assert_int_eq(buf_printf(&a, i % 3 ? "a%u\n" : "both%u\n", i), 0);
                ck_assert_int_eq(buf_printf(&b, i % 3 ? "b%u\n" : "both%u\n", i), 0);
        }
        text_of("tail\n", &a);
        text_of("tail\n", &b);
        diff_of(&a, &b, &diff);
        ck_assert_uint_eq(count_edits(&diff), 2 * (LINE_DIFF_EDITS_MAX - 1)); /* both0 belongs to the head */
        assert_leads_both_ways(&a, &b, &diff);
}
END_TEST

START_TEST(as_many_edits_as_allowed_are_still_found)
{
        _cleanup_buf_ struct buf a = {0}, b = {0}, diff = {0};
        for (unsigned i = 0; i < LINE_DIFF_EDITS_MAX / 2; i++) {
                ck_assert_int_eq(buf_printf(&a, "a%u\nboth%u\n", i, i), 0);
                ck_assert_int_eq(buf_printf(&b, "b%u\nboth%u\n", i, i), 0);
        }
        diff_of(&a, &b, &diff);
        ck_assert_uint_eq(count_edits(&diff), LINE_DIFF_EDITS_MAX);
        assert_leads_both_ways(&a, &b, &diff);
}
END_TEST

/* ---- against diff(1) ---- */

/* Lines that are all different and keep their order: what both have in common has one answer only. */
static void
unique_pair(unsigned *state, struct buf *a, struct buf *b)
{
        unsigned n = random_below(state, 60);
        for (unsigned i = 0; i < n; i++) {
                unsigned fate = random_below(state, 10);
                if (fate != 0)
                        ck_assert_int_eq(buf_printf(a, "line %u\n", i), 0);
                if (fate == 1)
                        ck_assert_int_eq(buf_printf(b, "other %u\n", i), 0);
                else if (fate != 2)
                        ck_assert_int_eq(buf_printf(b, "line %u\n", i), 0);
        }
        if (a->size && !random_below(state, 4))
                a->data[--a->size] = '\0';
        if (b->size && !random_below(state, 4))
                b->data[--b->size] = '\0';
}

static void
random_text(unsigned *state, unsigned letters, unsigned lines, struct buf *ret)
{
        unsigned n = random_below(state, lines);
        for (unsigned i = 0; i < n; i++)
                ck_assert_int_eq(buf_printf(ret, "%c\n", 'a' + (char)random_below(state, letters)), 0);
        if (ret->size && !random_below(state, 3))
                ret->data[--ret->size] = '\0';
}

START_TEST(where_there_is_one_answer_it_is_that_of_diff)
{
        unsigned state = 1;
        for (unsigned round = 0; round < ROUNDS; round++) {
                _cleanup_buf_ struct buf a = {0}, b = {0}, ours = {0}, theirs = {0};
                unique_pair(&state, &a, &b);
                diff_of(&a, &b, &ours);
                oracle(&a, &b, &theirs);
                assert_same(&ours, &theirs);
                assert_leads_both_ways(&a, &b, &ours);
        }
}
END_TEST

START_TEST(where_there_are_several_answers_ours_has_as_few_edits)
{
        unsigned state = 2;
        for (unsigned round = 0; round < ROUNDS; round++) {
                _cleanup_buf_ struct buf a = {0}, b = {0}, ours = {0}, theirs = {0};
                random_text(&state, 2 + round % 5, 10 + round % 50, &a);
                random_text(&state, 2 + round % 5, 10 + round % 50, &b);
                diff_of(&a, &b, &ours);
                oracle(&a, &b, &theirs);
                ck_assert_uint_eq(count_edits(&ours), count_edits(&theirs));
                assert_leads_both_ways(&a, &b, &ours);
                assert_leads_both_ways(&a, &b, &theirs); /* the test's own reading of a diff holds too */
        }
}
END_TEST

static void
folder_make(void)
{
        ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void
folder_remove(void)
{
        char path[128];
        snprintf(path, sizeof path, "%s/old", folder);
        unlink(path);
        snprintf(path, sizeof path, "%s/new", folder);
        unlink(path);
        ck_assert_int_eq(rmdir(folder), 0);
}

int
main(void)
{
        Suite *suite = suite_create("line_diff");
        TCase *shapes = tcase_create("shapes"), *random = tcase_create("against diff(1)");
        tcase_add_test(shapes, equal_texts_give_nothing);
        tcase_add_test(shapes, one_changed_line_is_shown_between_three_lines_of_context);
        tcase_add_test(shapes, a_text_from_nothing_and_to_nothing);
        tcase_add_test(shapes, a_missing_newline_at_the_end_is_a_difference_and_is_said);
        tcase_add_test(shapes, edits_six_lines_apart_share_a_hunk_and_seven_do_not);
        tcase_add_test(shapes, bytes_stand_as_they_are);
        tcase_add_test(shapes, what_the_buffer_held_before_stays);
        tcase_add_test(shapes, too_many_edits_are_shown_as_removed_and_added_whole);
        tcase_add_test(shapes, as_many_edits_as_allowed_are_still_found);
        tcase_add_unchecked_fixture(random, folder_make, folder_remove);
        tcase_set_timeout(random, 120);
        tcase_add_test(random, where_there_is_one_answer_it_is_that_of_diff);
        tcase_add_test(random, where_there_are_several_answers_ours_has_as_few_edits);
        suite_add_tcase(suite, shapes);
        suite_add_tcase(suite, random);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures != 0;
}
