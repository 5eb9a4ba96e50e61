/* SPDX-License-Identifier: MIT */
/* The client against a daemon that is only played: whole, split, endless and broken frames, and errors. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "cli/client.h"

static char folder[64];

static void
make_folder(void)
{
        snprintf(folder, sizeof folder, "/tmp/test_cli_client.XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void
remove_folder(void)
{
        char path[128];
        snprintf(path, sizeof path, "%s/control.sock", folder);
        unlink(path);
        rmdir(folder);
}

static int
listen_there(void)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof address.sun_path, "%s/control.sock", folder);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
        ck_assert_int_eq(listen(fd, 1), 0);
        return fd;
}

struct play { /* what the daemon says once it has read one request */
        const char *reply;
        size_t size, piece; /* written so many bytes at a time */
        size_t fill;        /* after that so many bytes of 'x' */
};

static void
play_daemon(int listener, const struct play *play)
{
        char byte;
        int fd = accept(listener, NULL, NULL);
        while (read(fd, &byte, 1) == 1 && byte)
                ;
        for (size_t at = 0; at < play->size; at += play->piece)
                if (send(fd, play->reply + at, min_size(play->piece, play->size - at), MSG_NOSIGNAL) < 0)
                        _exit(0);
        char *fill = malloc(1 << 16);
        memset(fill, 'x', 1 << 16);
        for (size_t at = 0; at < play->fill; at += 1 << 16)
                if (send(fd, fill, 1 << 16, MSG_NOSIGNAL) < 0)
                        break;
        _exit(0);
}

static int
count_replies(void *userdata, const struct json *parameters, bool continues)
{
        (void)continues;
        *(json_int *)userdata += json_number(parameters, "n");
        return 0;
}

static int
call(const struct play *play, client_on_reply on_reply, void *userdata, struct err *err)
{
        struct config config = {.runtime_dir = folder};
        struct client *client = NULL;
        int listener = listen_there();
        pid_t child = fork();
        if (child == 0)
                play_daemon(listener, play);
        close(listener);
        ck_assert_int_eq(client_open_daemon(&config, &client, err), 0);
        ck_assert(client_is_daemon(client));
        int r = client_call(client, "Log", json_make("{}"), on_reply, userdata, err);
        client_free(client);
        waitpid(child, NULL, 0);
        return r;
}

#define PLAY(text, piece) (&(struct play){text, sizeof text - 1, piece, 0})
/* A frame's NUL, apart from digits that may follow it. */
#define NUL "\0"

START_TEST(replies_go_on_until_one_does_not_continue)
{
        json_int sum = 0;
        struct err err = {0};
        ck_assert_int_eq(call(PLAY("{\"parameters\":{\"n\":1},\"continues\":true}" NUL
                                   "{\"parameters\":{\"n\":2}}" NUL,
                                      4096),
                                 count_replies, &sum, &err),
                0);
        ck_assert_int_eq(sum, 3);
}
END_TEST

START_TEST(a_frame_may_come_byte_by_byte)
{
        json_int sum = 0;
        struct err err = {0};
        ck_assert_int_eq(call(PLAY("{\"parameters\":{\"n\":1},\"continues\":true}" NUL
                                   "{\"parameters\":{\"n\":2}}" NUL,
                                      1),
                                 count_replies, &sum, &err),
                0);
        ck_assert_int_eq(sum, 3);
}
END_TEST

START_TEST(an_error_reply_carries_words_hint_and_exit_code)
{
        struct err err = {0};
        int r = call(PLAY("{\"error\":\"dev.driftd.Control.Failed\",\"parameters\":{\"message\":\"no\","
                          "\"hint\":\"yes\",\"exit\":3}}" NUL,
                             99),
                NULL, NULL, &err);
        ck_assert_int_eq(r, EXIT_UNTRUSTED);
        ck_assert_str_eq(err.text, "no");
        ck_assert_str_eq(err.hint, "yes");
}
END_TEST

START_TEST(an_exit_code_that_is_none_of_an_error_is_failed)
{
        struct err err = {0};
        int r = call(PLAY("{\"error\":\"dev.driftd.Control.Failed\",\"parameters\":{\"message\":\"no\","
                          "\"hint\":null,\"exit\":0}}" NUL,
                             99),
                NULL, NULL, &err);
        ck_assert_int_eq(r, EXIT_FAILED);
}
END_TEST

START_TEST(words_from_the_wire_are_made_harmless)
{
        struct err err = {0};
        int r = call(PLAY("{\"error\":\"dev.driftd.Control.Failed\",\"parameters\":{\"message\":\"a\\u001b["
                          "2J\",\"exit\":4}}" NUL,
                             99),
                NULL, NULL, &err);
        ck_assert_int_eq(r, EXIT_FAILED);
        ck_assert_str_eq(err.text, "a\\x1b[2J");
}
END_TEST

START_TEST(an_error_of_another_interface_is_named)
{
        struct err err = {0};
        int r = call(PLAY("{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{}}" NUL, 99),
                NULL, NULL, &err);
        ck_assert_int_eq(r, EXIT_FAILED);
        ck_assert_ptr_nonnull(strstr(err.text, "org.varlink.service.MethodNotFound"));
}
END_TEST

START_TEST(a_reply_that_is_no_json_is_an_error)
{
        struct err err = {0};
        ck_assert_int_eq(call(PLAY("{\"parameters\":" NUL, 99), NULL, NULL, &err), EXIT_FAILED);
        ck_assert_str_eq(err.text, "the daemon's reply is no JSON");
}
END_TEST

START_TEST(a_connection_that_ends_within_a_frame_is_an_error)
{
        struct err err = {0};
        ck_assert_int_eq(call(PLAY("{\"parameters\":{}", 99), NULL, NULL, &err), EXIT_FAILED);
        ck_assert_str_eq(err.text, "the daemon closed the connection");
}
END_TEST

START_TEST(a_frame_without_end_is_cut_off_at_the_bound)
{
        struct err err = {0};
        struct play play = {"", 0, 1, 2 * CLIENT_FRAME_MAX};
        ck_assert_int_eq(call(&play, NULL, NULL, &err), EXIT_FAILED);
        ck_assert_str_eq(err.text, "the daemon's reply is larger than a frame may be");
}
END_TEST

static int
stop(void *userdata, const struct json *parameters, bool continues)
{
        (void)userdata;
        (void)parameters;
        (void)continues;
        return 7;
}

START_TEST(a_callback_that_stops_is_what_the_call_returns)
{
        struct err err = {0};
        ck_assert_int_eq(call(PLAY("{\"parameters\":{},\"continues\":true}" NUL, 99), stop, NULL, &err), 7);
}
END_TEST

START_TEST(no_daemon_is_said_with_what_to_do)
{
        struct config config = {.runtime_dir = folder};
        struct client *client = NULL;
        struct err err = {0};
        ck_assert_int_eq(client_open_daemon(&config, &client, &err), EXIT_FAILED);
        ck_assert_ptr_nonnull(strstr(err.text, "no daemon answers"));
        ck_assert_ptr_nonnull(strstr(err.hint, "systemctl start driftd"));
}
END_TEST

START_TEST(a_socket_path_that_is_too_long_is_refused)
{
        char longer[256];
        memset(longer, 'l', sizeof longer - 1);
        longer[0] = '/';
        longer[sizeof longer - 1] = '\0';
        struct config config = {.runtime_dir = longer};
        struct client *client = NULL;
        struct err err = {0};
        ck_assert_int_eq(client_open_daemon(&config, &client, &err), EXIT_FAILED);
        ck_assert_ptr_nonnull(strstr(err.text, "too long"));
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("cli_client");
        TCase *tcase = tcase_create("client");
        suite_add_tcase(suite, tcase);
        tcase_add_checked_fixture(tcase, make_folder, remove_folder);
        tcase_set_timeout(tcase, 20);
        tcase_add_test(tcase, replies_go_on_until_one_does_not_continue);
        tcase_add_test(tcase, a_frame_may_come_byte_by_byte);
        tcase_add_test(tcase, an_error_reply_carries_words_hint_and_exit_code);
        tcase_add_test(tcase, an_exit_code_that_is_none_of_an_error_is_failed);
        tcase_add_test(tcase, words_from_the_wire_are_made_harmless);
        tcase_add_test(tcase, an_error_of_another_interface_is_named);
        tcase_add_test(tcase, a_reply_that_is_no_json_is_an_error);
        tcase_add_test(tcase, a_connection_that_ends_within_a_frame_is_an_error);
        tcase_add_test(tcase, a_frame_without_end_is_cut_off_at_the_bound);
        tcase_add_test(tcase, a_callback_that_stops_is_what_the_call_returns);
        tcase_add_test(tcase, no_daemon_is_said_with_what_to_do);
        tcase_add_test(tcase, a_socket_path_that_is_too_long_is_refused);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures != 0;
}
