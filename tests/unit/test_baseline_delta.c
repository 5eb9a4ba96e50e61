/* SPDX-License-Identifier: MIT */
/*
 * Deltas: what one makes is the child to the byte, however it came about; and each rule of the form broken
 * once is refused. Runs in the top folder of the tree (tests/data).
 */
#include "core/baseline_delta.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/digest.h"

#define GOLDEN "tests/data/baseline/golden.baseline"

static void
file_get(const char *path, struct buf *ret)
{
        char chunk[4096];
        size_t n;
        FILE *file = fopen(path, "r");
        ck_assert_msg(file != NULL, "%s cannot be opened: run this in the top folder of the tree", path);
        while ((n = fread(chunk, 1, sizeof chunk, file)) > 0)
                ck_assert_int_eq(buf_append(ret, chunk, n), 0);
        fclose(file);
        ck_assert_ptr_nonnull(ret->data);
}

static struct baseline *
opened(const struct buf *text)
{
        struct baseline *baseline = NULL;
        struct err err = {0};
        char *copy = malloc(text->size + 1);
        ck_assert_ptr_nonnull(copy);
        memcpy(copy, text->data, text->size);
        int r = baseline_open(copy, text->size, &baseline, &err);
        ck_assert_msg(r == 0, "%s", err.text);
        return baseline;
}

/* Opens an exact copy of the delta, so that a read past its end is seen. */
static int
open_delta(
        const struct baseline *parent, const void *delta, size_t size, struct baseline **ret, struct err *err)
{
        char *copy = malloc(size ? size : 1);
        ck_assert_ptr_nonnull(copy);
        if (size)
                memcpy(copy, delta, size);
        int r = delta_open(parent, copy, size, ret, err);
        free(copy);
        return r;
}

/* What the test's text has in place of `what`. */
static void
replace(struct buf *text, const char *what, const char *by)
{
        _cleanup_buf_ struct buf made = {0};
        char *at = strstr(text->data, what);
        ck_assert_msg(at != NULL, "%s is not there", what);
        buf_append(&made, text->data, (size_t)(at - text->data));
        buf_text(&made, by);
        buf_text(&made, at + strlen(what));
        buf_clear(text);
        buf_append(text, made.data, made.size);
}

static const struct {
        const char *what, *by;
} edits[] = {
        {"generation 12", "generation 13"},
        {"file /etc/app.conf type=file mode=0644", "file /etc/app.conf type=file mode=0600"},
        {"file /etc type=dir mode=0755 uid=0 gid=0\n", ""},
        {"file /etc/app.conf.d type",
                "file /etc/app.conf.a type=dir mode=0755 uid=0 gid=0\nfile /etc/app.conf.d type"},
        {"file /var/log/app type=dir mode=0750 uid=33 gid=4 inode=131080\n", ""},
        {"set sysctl:net/ipv4/ip_forward eq 0\n", ""},
        {" severity=high mounts=none", " severity=low mounts=none"},
        {"file /srv/keys/a ", "file /srv/keys/0 type=dir mode=0755 uid=0 gid=0\nfile /srv/keys/a "},
};

/* Two baselines, of which one is of one piece, are the same text, and answer alike. */
static void
assert_same(const struct baseline *made, const struct baseline *whole, const struct buf *text)
{
        _cleanup_buf_ struct buf bytes = {0}, lines = {0};
        size_t n = baseline_files(whole), index, left_size, right_size;
        ck_assert_int_eq(baseline_text_append(made, &bytes), 0);
        ck_assert_uint_eq(bytes.size, text->size);
        ck_assert_mem_eq(bytes.data, text->data, text->size);
        ck_assert_uint_eq(baseline_size(made), text->size);
        ck_assert(digest_equal(baseline_id(made), baseline_id(whole)));
        ck_assert_uint_eq(baseline_files(made), n);
        for (size_t i = 0; i < n; i++) {
                const char *left = baseline_file_line(made, i, &left_size);
                const char *right = baseline_file_line(whole, i, &right_size);
                ck_assert_uint_eq(left_size, right_size);
                ck_assert_mem_eq(left, right, right_size);
                ck_assert_uint_eq(baseline_file_size(made, i), baseline_file_size(whole, i));
                ck_assert_uint_eq(baseline_file_offset(made, i), baseline_file_offset(whole, i));
                ck_assert(baseline_file_at(made, baseline_file_offset(made, i), &index) && index == i);
                const char *path = baseline_file_path(whole, i, &right_size);
                ck_assert(baseline_file_find(made, path, right_size, &index) && index == i);
        }
        ck_assert_uint_eq(baseline_file_offset(made, n), baseline_file_offset(whole, n));
        ck_assert_uint_eq(baseline_files_same(made, 0, whole, 0), n);
        ck_assert_uint_eq(baseline_files_same(whole, 0, made, 0), n);
        ck_assert_int_eq(baseline_file_lines_append(made, 0, n, &lines), 0);
        ck_assert_mem_eq(lines.data, text->data + baseline_file_offset(whole, 0), lines.size);
}

START_TEST(a_delta_makes_the_child_to_the_byte)
{
        _cleanup_buf_ struct buf text = {0};
        file_get(GOLDEN, &text);
        _cleanup_(baseline_freep) struct baseline *parent = opened(&text);
        for (unsigned set = 0; set < 1u << ARRAY_SIZE(edits); set++) {
                _cleanup_buf_ struct buf wanted = {0}, delta = {0};
                buf_append(&wanted, text.data, text.size);
                for (size_t i = 0; i < ARRAY_SIZE(edits); i++)
                        if (set & 1u << i && strstr(wanted.data, edits[i].what))
                                replace(&wanted, edits[i].what, edits[i].by);
                _cleanup_(baseline_freep) struct baseline *child = opened(&wanted), *made = NULL;
                struct err err = {0};
                struct digest from;
                ck_assert_int_eq(delta_between(parent, child, &delta), 0);
                ck_assert_int_eq(delta_from(delta.data, delta.size, &from, &err), 0);
                ck_assert(digest_equal(&from, baseline_id(parent)));
                int r = open_delta(parent, delta.data, delta.size, &made, &err);
                ck_assert_msg(r == 0, "%s:\n%s", err.text, delta.data);
                assert_same(made, child, &wanted);
        }
}
END_TEST

START_TEST(only_what_differs_is_in_it)
{
        _cleanup_buf_ struct buf text = {0}, delta = {0}, wanted = {0};
        file_get(GOLDEN, &text);
        _cleanup_(baseline_freep) struct baseline *parent = opened(&text);
        buf_append(&wanted, text.data, text.size);
        replace(&wanted, edits[1].what, edits[1].by);
        _cleanup_(baseline_freep) struct baseline *child = opened(&wanted);
        ck_assert_int_eq(delta_between(parent, child, &delta), 0);
        ck_assert_ptr_nonnull(strstr(delta.data, "file /etc/app.conf type=file mode=0600"));
        ck_assert_ptr_null(strstr(delta.data, "file /etc/app-name"));
        ck_assert_ptr_null(strstr(delta.data, "file /srv/"));
}
END_TEST

START_TEST(the_writer_takes_runs_together)
{
        _cleanup_buf_ struct buf text = {0}, delta = {0};
        _cleanup_(delta_writer_freep) struct delta_writer *writer = NULL;
        file_get(GOLDEN, &text);
        _cleanup_(baseline_freep) struct baseline *parent = opened(&text), *made = NULL;
        size_t n = baseline_files(parent), stop = baseline_file_offset(parent, n);
        ck_assert_int_eq(delta_writer_new(parent, &delta, &writer), 0);
        for (const char *p = text.data; p < text.data + baseline_file_offset(parent, 0); p++)
                ck_assert_int_eq(delta_bytes(writer, p, 1), 0);
        for (size_t i = 0; i < n; i++)
                ck_assert_int_eq(delta_lines(writer, i, i + 1), 0);
        ck_assert_int_eq(delta_lines(writer, n, n), 0);
        ck_assert_int_eq(delta_bytes(writer, text.data + stop, text.size - stop), 0);
        ck_assert_int_eq(delta_end(writer), 0);
        unsigned copies = 0;
        for (const char *at = delta.data; (at = strstr(at, "\ncopy ")); at++)
                copies++;
        ck_assert_uint_eq(copies, 1);
        struct err err = {0};
        ck_assert_int_eq(open_delta(parent, delta.data, delta.size, &made, &err), 0);
        ck_assert(digest_equal(baseline_id(made), baseline_id(parent)));
}
END_TEST

/* {FROM}: the parent's id, {TO}: that of its own text. */
static const struct {
        const char *delta, *words; /* words NULL: it is right */
} forms[] = {
        {"driftd-delta 1\nfrom {FROM}\ncopy 0 {SIZE}\nto {FROM}\n", NULL},
        {"driftd-delta 2\nfrom {FROM}\ncopy 0 {SIZE}\nto {FROM}\n", "begins with"},
        {"driftd-delta 1\nfrom 00\ncopy 0 {SIZE}\nto {FROM}\n", "begins with"},
        {"driftd-delta 1\nfrom {FROM}\ncopy 0 {SIZE}\nto {FROM}\nx", "nothing follows"},
        {"driftd-delta 1\nfrom {FROM}\ncopy 0 {SIZE}\nto {FROM}", "expected"},
        {"driftd-delta 1\nfrom {FROM}\ncopy 0 {SIZE}\n", "expected"},
        {"driftd-delta 1\nfrom {FROM}\n", "expected"},
        {"driftd-delta 1\nfrom {FROM}\nto {FROM}\n", "not what it says"},
        {"driftd-delta 1\nfrom {FROM}\ncopy 0 0\nto {FROM}\n", "copy OFFSET SIZE"},
        {"driftd-delta 1\nfrom {FROM}\ncopy 00 {SIZE}\nto {FROM}\n", "copy OFFSET SIZE"},
        {"driftd-delta 1\nfrom {FROM}\ncopy -1 {SIZE}\nto {FROM}\n", "copy OFFSET SIZE"},
        {"driftd-delta 1\nfrom {FROM}\ncopy 0  {SIZE}\nto {FROM}\n", "copy OFFSET SIZE"},
        {"driftd-delta 1\nfrom {FROM}\ncopy 1 {SIZE}\nto {FROM}\n", "not there"},
        {"driftd-delta 1\nfrom {FROM}\ncopy 9999999999 1\nto {FROM}\n", "not there"},
        {"driftd-delta 1\nfrom {FROM}\ncopy 18446744073709551616 {SIZE}\nto {FROM}\n", "copy OFFSET SIZE"},
        {"driftd-delta 1\nfrom {FROM}\ncopy 0 18446744073709551615\nto {FROM}\n", "copy OFFSET SIZE"},
        {"driftd-delta 1\nfrom {FROM}\ncopy 0 9999999999\nto {FROM}\n", "not there"},
        {"driftd-delta 1\nfrom {FROM}\ncopy 9 9\ncopy 0 9\nto {FROM}\n", "goes back"},
        {"driftd-delta 1\nfrom {FROM}\ncopy 9 9\ncopy 17 9\nto {FROM}\n", "goes back"},
        {"driftd-delta 1\nfrom {FROM}\ncopy 0 9\ncopy 9 9\nto {FROM}\n", "two copies"},
        {"driftd-delta 1\nfrom {FROM}\ninsert 1\nainsert 1\nato {FROM}\n", "two inserts"},
        {"driftd-delta 1\nfrom {FROM}\ninsert 0\nto {FROM}\n", "insert SIZE"},
        {"driftd-delta 1\nfrom {FROM}\ninsert 99999\nto {FROM}\n", "cut off"},
        {"driftd-delta 1\nfrom {FROM}\ninsert 1073741825\nto {FROM}\n", "cut off"},
        {"driftd-delta 1\nfrom {FROM}\ndelete 1\nto {FROM}\n", "expected"},
        {"driftd-delta 1\nfrom {FROM}\ncopy 0 {SIZE}\nend\n", NULL},
        {"driftd-delta 1\nfrom {FROM}\ncopy 0 {SIZE}\nend", "expected"},
        {"driftd-delta 1\nfrom {FROM}\ncopy 0 {SIZE}\nend\nto {FROM}\n", "nothing follows"},
        {"driftd-delta 1\nfrom {FROM}\nend\n", "newline"},
};

START_TEST(every_rule_of_the_form_is_kept)
{
        _cleanup_buf_ struct buf text = {0}, delta = {0};
        char hex[DIGEST_HEX_SIZE], size[32];
        struct err err = {0};
        file_get(GOLDEN, &text);
        _cleanup_(baseline_freep) struct baseline *parent = opened(&text), *made = NULL;
        digest_hex(baseline_id(parent), hex);
        snprintf(size, sizeof size, "%zu", text.size);
        buf_text(&delta, forms[_i].delta);
        while (strstr(delta.data, "{FROM}"))
                replace(&delta, "{FROM}", hex);
        while (strstr(delta.data, "{SIZE}"))
                replace(&delta, "{SIZE}", size);
        int r = open_delta(parent, delta.data, delta.size, &made, &err);
        if (!forms[_i].words) {
                ck_assert_int_eq(r, 0);
                return;
        }
        ck_assert_int_eq(r, DELTA_MALFORMED);
        ck_assert_ptr_null(made);
        ck_assert_msg(strstr(err.text, forms[_i].words) != NULL, "%s", err.text);
}
END_TEST

START_TEST(every_beginning_and_every_flipped_bit_is_refused)
{
        _cleanup_buf_ struct buf text = {0}, wanted = {0}, delta = {0};
        file_get(GOLDEN, &text);
        _cleanup_(baseline_freep) struct baseline *parent = opened(&text), *made = NULL;
        buf_append(&wanted, text.data, text.size);
        for (size_t i = 0; i < ARRAY_SIZE(edits); i++)
                replace(&wanted, edits[i].what, edits[i].by);
        _cleanup_(baseline_freep) struct baseline *child = opened(&wanted);
        ck_assert_int_eq(delta_between(parent, child, &delta), 0);
        for (size_t size = 0; size < delta.size; size++)
                ck_assert_int_gt(open_delta(parent, delta.data, size, &made, NULL), 0);
        for (size_t bit = 0; bit < delta.size * 8; bit++) {
                delta.data[bit / 8] = (char)(delta.data[bit / 8] ^ 1 << bit % 8);
                ck_assert_msg(open_delta(parent, delta.data, delta.size, &made, NULL) > 0, "bit %zu", bit);
                delta.data[bit / 8] = (char)(delta.data[bit / 8] ^ 1 << bit % 8);
        }
        ck_assert_ptr_null(made);
}
END_TEST

START_TEST(another_parent_is_told_by_an_answer_of_its_own)
{
        _cleanup_buf_ struct buf text = {0}, other = {0}, delta = {0};
        file_get(GOLDEN, &text);
        buf_append(&other, text.data, text.size);
        replace(&other, edits[0].what, edits[0].by);
        _cleanup_(baseline_freep) struct baseline *parent = opened(&text), *child = opened(&other),
                                                  *made = NULL;
        ck_assert_int_eq(delta_between(parent, child, &delta), 0);
        struct err err = {0};
        ck_assert_int_eq(open_delta(child, delta.data, delta.size, &made, &err), DELTA_FROM_ANOTHER);
        ck_assert_ptr_null(made);
}
END_TEST

START_TEST(what_it_makes_must_be_a_baseline)
{
        _cleanup_buf_ struct buf text = {0}, delta = {0};
        file_get(GOLDEN, &text);
        _cleanup_(baseline_freep) struct baseline *parent = opened(&text), *made = NULL;
        _cleanup_(delta_writer_freep) struct delta_writer *writer = NULL;
        struct err err = {0};
        ck_assert_int_eq(delta_writer_new(parent, &delta, &writer), 0);
        ck_assert_int_eq(delta_bytes(writer, "driftd-baseline 1\n", 18), 0);
        ck_assert_int_eq(delta_lines(writer, 0, 3), 0);
        ck_assert_int_eq(delta_end(writer), 0);
        ck_assert_int_eq(open_delta(parent, delta.data, delta.size, &made, &err), DELTA_MALFORMED);
        ck_assert_ptr_nonnull(strstr(err.text, "line 2: \"name NAME\""));
}
END_TEST

/* ---- one after the other ---- */

#define LINES 3000u
#define STEPS 60u

/* A list of files of which the odd ones are there at first; what is changed of them afterwards is by chance.
 */
struct listing {
        bool there[LINES];
        unsigned size[LINES];
        unsigned generation;
        unsigned settings;
};

static uint32_t
some(uint32_t *state, uint32_t below)
{
        *state = *state * 1664525 + 1013904223;
        return (*state >> 8) % below;
}

static void
listing_write(const struct listing *listing, const struct digest *parent, struct buf *ret)
{
        char hex[DIGEST_HEX_SIZE] = "none";
        if (parent)
                digest_hex(parent, hex);
        buf_printf(ret,
                "driftd-baseline 1\nname host\nhost *\ngeneration %u\nparent %s\ncreated "
                "2026-11-23T18:00:00Z\n"
                "expires never\nauthor alice\nticket none\nclass normal\n\n",
                listing->generation, hex);
        buf_text(ret, "scope files all path=/srv attributes=type,size mode=static severity=high "
                      "mounts=local keep_content=never content_within=21600\n");
        for (unsigned i = 0; i < LINES; i++)
                if (listing->there[i])
                        buf_printf(ret, "file /srv/%06u type=file size=%u\n", i, listing->size[i]);
        for (unsigned i = 0; i < listing->settings; i++)
                buf_printf(ret, "set sysctl:s/%u eq 1\n", i);
}

static void
listing_edit(struct listing *listing, uint32_t *state)
{
        for (unsigned left = some(state, 6); left; left--) {
                unsigned i = some(state, 8) ? some(state, LINES) : some(state, 2) ? LINES - 1 : 0;
                listing->there[i] = some(state, 3) > 0;
                listing->size[i] += some(state, 2);
        }
        listing->settings = some(state, 4);
        listing->generation++;
}

/* Made by chance, in a chain of which each is made from the one before, and is again what it would be by
 * itself.
 */
START_TEST(generations_share_one_text_however_many_follow)
{
        struct listing listing = {.generation = 1};
        uint32_t state = (uint32_t)_i;
        _cleanup_buf_ struct buf first_text = {0};
        for (unsigned i = 1; i < LINES; i += 2)
                listing.there[i] = true;
        listing_write(&listing, NULL, &first_text);
        _cleanup_(baseline_freep) struct baseline *first = opened(&first_text);
        struct baseline *before = baseline_keep(first);
        for (unsigned step = 0; step < STEPS; step++) {
                _cleanup_buf_ struct buf text = {0}, delta = {0}, from_first = {0};
                _cleanup_(baseline_freep) struct baseline *whole = NULL, *again = NULL, *after = NULL;
                struct baseline *made = NULL;
                struct err err = {0};
                listing_edit(&listing, &state);
                listing_write(&listing, baseline_id(before), &text);
                whole = opened(&text);
                ck_assert_int_eq(delta_between(before, whole, &delta), 0);
                int r = open_delta(before, delta.data, delta.size, &made, &err);
                ck_assert_msg(r == 0, "%s", err.text);
                assert_same(made, whole, &text);
                ck_assert(digest_equal(baseline_shared(made), baseline_id(first)));
                ck_assert_int_eq(delta_from_shared(made, &from_first), 0);
                ck_assert_uint_lt(from_first.size, text.size / 4);
                r = open_delta(first, from_first.data, from_first.size, &again, &err);
                ck_assert_msg(r == 0, "%s", err.text);
                assert_same(again, whole, &text);
                size_t size = text.size;
                ck_assert_int_eq(baseline_open_after(before, buf_steal(&text), size, NULL, &after, &err), 0);
                ck_assert_ptr_nonnull(baseline_shared(after));
                ck_assert(digest_equal(baseline_id(after), baseline_id(whole)));
                baseline_free(before);
                before = made;
        }
        baseline_free(before);
}
END_TEST

/* What would be kept in memory for nothing, or copied anew with each generation, is not. */
START_TEST(a_text_that_shares_little_stands_by_itself)
{
        static struct listing listing;
        _cleanup_buf_ struct buf first_text = {0}, few_text = {0}, delta = {0};
        _cleanup_(baseline_freep) struct baseline *made = NULL;
        listing.generation = 1;
        for (unsigned i = 0; i < LINES; i++) {
                listing.there[i] = true;
                listing.size[i] = 1000000000;
        }
        listing_write(&listing, NULL, &first_text);
        ck_assert_uint_gt(first_text.size, 120000);
        _cleanup_(baseline_freep) struct baseline *first = opened(&first_text);
        listing.generation++;
        for (unsigned i = 0; i < LINES; i++)
                listing.there[i] = _i ? i < 10 : true;
        for (unsigned i = 0; i < LINES && !_i; i++)
                listing.size[i] += i % 50 != 0;
        listing_write(&listing, baseline_id(first), &few_text);
        _cleanup_(baseline_freep) struct baseline *few = opened(&few_text);
        ck_assert_int_eq(delta_between(first, few, &delta), 0);
        ck_assert_int_eq(open_delta(first, delta.data, delta.size, &made, NULL), 0);
        ck_assert_ptr_null(baseline_shared(made));
        assert_same(made, few, &few_text);
}
END_TEST

static int
gather(void *userdata, const void *data, size_t size)
{
        return buf_append(userdata, data, size);
}

START_TEST(what_it_makes_can_be_gone_over_in_runs)
{
        _cleanup_buf_ struct buf text = {0}, wanted = {0}, delta = {0}, made = {0};
        file_get(GOLDEN, &text);
        buf_append(&wanted, text.data, text.size);
        replace(&wanted, edits[1].what, edits[1].by);
        _cleanup_(baseline_freep) struct baseline *parent = opened(&text), *child = opened(&wanted);
        ck_assert_int_eq(delta_between(parent, child, &delta), 0);
        ck_assert_int_eq(delta_each(text.data, text.size, &delta, gather, &made, NULL), 0);
        ck_assert_uint_eq(made.size, wanted.size);
        ck_assert_mem_eq(made.data, wanted.data, wanted.size);
        /* It would copy what is not there: nothing is visited. */
        buf_clear(&made);
        ck_assert_int_eq(delta_each(text.data, text.size / 2, &delta, gather, &made, NULL), -EBADMSG);
        ck_assert_uint_eq(made.size, 0);
}
END_TEST

/* Copies that begin or end within a line, and inserts that do. */
START_TEST(a_delta_of_parts_of_lines_makes_what_it_says)
{
        _cleanup_buf_ struct buf text = {0};
        file_get(GOLDEN, &text);
        _cleanup_(baseline_freep) struct baseline *parent = opened(&text);
        char hex[DIGEST_HEX_SIZE];
        digest_hex(baseline_id(parent), hex);
        for (size_t cut = 1; cut < text.size; cut += 7) {
                _cleanup_buf_ struct buf delta = {0};
                _cleanup_(baseline_freep) struct baseline *made = NULL;
                size_t part = min_size(5, text.size - cut);
                buf_printf(&delta, "driftd-delta 1\nfrom %s\ncopy 0 %zu\ninsert %zu\n", hex, cut, part);
                buf_append(&delta, text.data + cut, part);
                if (cut + part < text.size)
                        buf_printf(&delta, "copy %zu %zu\n", cut + part, text.size - cut - part);
                buf_printf(&delta, "to %s\n", hex);
                struct err err = {0};
                ck_assert_msg(open_delta(parent, delta.data, delta.size, &made, &err) == 0, "%s", err.text);
                assert_same(made, parent, &text);
        }
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("baseline_delta");
        TCase *making = tcase_create("making"), *refusing = tcase_create("refusing");
        digest_setup();
        tcase_add_test(making, a_delta_makes_the_child_to_the_byte);
        tcase_add_test(making, only_what_differs_is_in_it);
        tcase_add_test(making, the_writer_takes_runs_together);
        tcase_add_loop_test(making, generations_share_one_text_however_many_follow, 0, 4);
        tcase_add_loop_test(making, a_text_that_shares_little_stands_by_itself, 0, 2);
        tcase_add_test(making, what_it_makes_can_be_gone_over_in_runs);
        tcase_add_test(making, a_delta_of_parts_of_lines_makes_what_it_says);
        tcase_set_timeout(making, 60);
        tcase_set_timeout(refusing, 60);
        tcase_add_loop_test(refusing, every_rule_of_the_form_is_kept, 0, (int)ARRAY_SIZE(forms));
        tcase_add_test(refusing, every_beginning_and_every_flipped_bit_is_refused);
        tcase_add_test(refusing, another_parent_is_told_by_an_answer_of_its_own);
        tcase_add_test(refusing, what_it_makes_must_be_a_baseline);
        suite_add_tcase(suite, making);
        suite_add_tcase(suite, refusing);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures != 0;
}
