/* SPDX-License-Identifier: MIT */
/* Buffers of fanotify events, made by hand as linux/fanotify.h has them. */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/fanotify.h>

#include "core/fan_event.h"

static unsigned char buffer[1024];
static size_t size, start; /* start: of the event that is being made */

static void
put(const void *data, size_t n)
{
        ck_assert_uint_le(size + n, sizeof buffer);
        memcpy(buffer + size, data, n);
        size += n;
}

static void
event_begin(uint64_t mask, int32_t pid)
{
        struct fanotify_event_metadata head = {.vers = FANOTIFY_METADATA_VERSION,
                .metadata_len = sizeof head,
                .mask = mask,
                .fd = -1,
                .pid = pid};
        start = size;
        put(&head, sizeof head);
}

static void
event_end(void)
{
        uint32_t length = (uint32_t)(size - start);
        memcpy(buffer + start, &length, sizeof length);
}

/* A record with a file system's id of 7s, a handle of the type and bytes, and a name. */
static void
put_fid(unsigned char type, int32_t handle_type, const char *handle, const char *name)
{
        uint32_t n = (uint32_t)strlen(handle);
        uint16_t length = (uint16_t)(4 + 8 + 8 + n + (name ? strlen(name) + 1 : 0));
        length = (uint16_t)((length + 3) & ~3);
        unsigned char record[512] = {type, 0};
        memcpy(record + 2, &length, sizeof length);
        memset(record + 4, 7, 8);
        memcpy(record + 12, &n, sizeof n);
        memcpy(record + 16, &handle_type, sizeof handle_type);
        char *end = mempcpy(record + 20, handle, n);
        if (name)
                memcpy(end, name, strlen(name) + 1);
        put(record, length);
}

static void
put_pidfd(int32_t pidfd)
{
        unsigned char record[8] = {4, 0, 8, 0};
        memcpy(record + 4, &pidfd, sizeof pidfd);
        put(record, sizeof record);
}

static void
setup(void)
{
        size = 0;
        memset(buffer, 0xAA, sizeof buffer);
}

START_TEST(an_event_has_its_folder_name_target_and_process)
{
        struct fan_event event;
        struct fan_key key;
        size_t at = 0;
        event_begin(FAN_MODIFY, 42);
        put_fid(2, 1, "folder01", "a name\n");
        put_fid(1, 1, "target01", NULL);
        put_pidfd(9);
        event_end();
        ck_assert_int_eq(fan_event_next(buffer, size, &at, &event), 1);
        ck_assert_uint_eq(event.mask, FAN_MODIFY);
        ck_assert_int_eq(event.pid, 42);
        ck_assert_int_eq(event.pidfd, 9);
        ck_assert_str_eq(event.name, "a name\n");
        ck_assert(fan_key_make(&key, "\7\7\7\7\7\7\7\7", 1, "folder01", 8));
        ck_assert_uint_eq(event.folder.size, key.size);
        ck_assert_mem_eq(event.folder.bytes, key.bytes, key.size);
        ck_assert_mem_eq(event.target.bytes + 12, "target01", 8);
        ck_assert_int_eq(fan_event_next(buffer, size, &at, &event), 0);
}
END_TEST

START_TEST(a_folder_itself_has_no_name_and_a_dead_process_no_descriptor)
{
        struct fan_event event;
        size_t at = 0;
        event_begin(FAN_ATTRIB | FAN_ONDIR, 42);
        put_fid(2, 1, "folder01", ".");
        put_pidfd(FAN_NOPIDFD);
        event_end();
        ck_assert_int_eq(fan_event_next(buffer, size, &at, &event), 1);
        ck_assert_ptr_null(event.name);
        ck_assert_int_lt(event.pidfd, 0);
        ck_assert_uint_eq(event.target.size, 0);
}
END_TEST

START_TEST(what_a_later_kernel_adds_is_left_out)
{
        struct fan_event event;
        size_t at = 0;
        unsigned char unknown[8] = {200, 0, 8, 0, 1, 2, 3, 4};
        event_begin(FAN_Q_OVERFLOW, 0);
        put(unknown, sizeof unknown);
        event_end();
        event_begin(FAN_CREATE, 1);
        put_fid(2, 1, "folder01", "x");
        event_end();
        ck_assert_int_eq(fan_event_next(buffer, size, &at, &event), 1);
        ck_assert_uint_eq(event.folder.size, 0);
        ck_assert_int_eq(fan_event_next(buffer, size, &at, &event), 1);
        ck_assert_str_eq(event.name, "x");
}
END_TEST

START_TEST(file_handles_of_another_type_or_file_system_are_other_keys)
{
        struct fan_key a, b;
        ck_assert(fan_key_make(&a, "12345678", 1, "handle", 6));
        ck_assert(fan_key_make(&b, "12345678", 2, "handle", 6));
        ck_assert_mem_ne(a.bytes, b.bytes, a.size);
        ck_assert(fan_key_make(&b, "12345679", 1, "handle", 6));
        ck_assert_mem_ne(a.bytes, b.bytes, a.size);
        ck_assert(!fan_key_make(&b, "12345678", 1, buffer, FAN_HANDLE_MAX + 1));
}
END_TEST

/* One byte or word of a good event is made wrong: it is refused, and nothing is read past the end. */
static const struct {
        size_t at;
        unsigned char byte;
} spoils[] = {
        {0, 255},               /* the event is longer than the buffer */
        {0, 8},                 /* shorter than its head */
        {4, 9},                 /* of another version */
        {6, 255},               /* the head is longer than the event */
        {6, 1},                 /* or too short */
        {24 + 2, 255},          /* a record is longer than the event */
        {24 + 2, 2},            /* or shorter than its own head */
        {24 + 2, 12},           /* or than what must be in it */
        {24 + 12, 200},         /* a handle is longer than its record */
        {24 + 14, 255},         /* by far */
        {24 + 20 + 8 + 1, 'x'}, /* the name has no end */
};

START_TEST(bytes_that_are_not_the_kernels_are_refused)
{
        struct fan_event event;
        size_t at = 0;
        event_begin(FAN_MODIFY, 42);
        put_fid(2, 1, "folder01", "abc");
        memset(buffer + size - 4, 'y', 4); /* fills the record: only the spoilt one has no NUL */
        memcpy(buffer + 24 + 20 + 8, "abc", 4);
        event_end();
        ck_assert_int_eq(fan_event_next(buffer, size, &at, &event), 1);
        at = 0;
        buffer[spoils[_i].at] = spoils[_i].byte;
        if (spoils[_i].byte == 'x')
                memset(buffer + 24 + 20 + 8, 'x', 4);
        ck_assert_int_eq(fan_event_next(buffer, size, &at, &event), -EBADMSG);
}
END_TEST

START_TEST(a_cut_buffer_is_refused_wherever_it_is_cut)
{
        struct fan_event event;
        event_begin(FAN_MODIFY, 42);
        put_fid(2, 1, "folder01", "abc");
        put_pidfd(9);
        event_end();
        for (size_t cut = 1; cut < size; cut++) {
                size_t at = 0;
                ck_assert_int_eq(fan_event_next(buffer, cut, &at, &event), -EBADMSG);
        }
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("fan_event");
        TCase *tcase = tcase_create("events");
        tcase_add_checked_fixture(tcase, setup, NULL);
        tcase_add_test(tcase, an_event_has_its_folder_name_target_and_process);
        tcase_add_test(tcase, a_folder_itself_has_no_name_and_a_dead_process_no_descriptor);
        tcase_add_test(tcase, what_a_later_kernel_adds_is_left_out);
        tcase_add_test(tcase, file_handles_of_another_type_or_file_system_are_other_keys);
        tcase_add_loop_test(
                tcase, bytes_that_are_not_the_kernels_are_refused, 0, (int)(sizeof spoils / sizeof *spoils));
        tcase_add_test(tcase, a_cut_buffer_is_refused_wherever_it_is_cut);
        suite_add_tcase(suite, tcase);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
