/* SPDX-License-Identifier: MIT */
/*
 * The terminal while it is asked. Signals that would end or stop us are blocked while the echo is off and
 * taken through a signalfd: the line and the signal are waited for together, the terminal is restored first,
 * and only then is the signal let through, with its own action. So no handler and no global is needed, and a
 * shell is never left without echo. After a stop (Ctrl-Z) the question is asked again.
 *
 * Owns no secret: the passphrase goes into the caller's memory, and what was typed is wiped on every way out.
 */
#include "cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>

#include "cli/fail.h"
#include "core/crypto.h"
#include "core/file.h"

#define PASSPHRASE_FILE "DRIFTD_PASSPHRASE_FILE"

enum typing { TYPING_DONE, TYPING_SIGNAL, TYPING_END, TYPING_TOO_LONG };

static void
signals_of_interest(sigset_t *set)
{
        static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU};
        sigemptyset(set);
        for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
                sigaddset(set, signals[i]);
}

/* One line from the terminal, which is in its own line mode: a read gives a line, or its start if it is long.
 */
static enum typing
type_line(int tty, int signals, char ret[static PASSPHRASE_MAX])
{
        struct pollfd waits[] = {{.fd = signals, .events = POLLIN}, {.fd = tty, .events = POLLIN}};
        if (poll(waits, ARRAY_SIZE(waits), -1) < 0 || waits[0].revents)
                return TYPING_SIGNAL;
        ssize_t n = read(tty, ret, PASSPHRASE_MAX);
        if (n <= 0)
                return TYPING_END;
        char *newline = memchr(ret, '\n', (size_t)n);
        if (!newline) /* the end of input without a newline ends a line too */
                return n == PASSPHRASE_MAX ? TYPING_TOO_LONG : (ret[n] = '\0', TYPING_DONE);
        *newline = '\0';
        return TYPING_DONE;
}

static enum typing
type_hidden(int tty, const char *prompt, char ret[static PASSPHRASE_MAX])
{
        struct termios before, hidden;
        sigset_t set, old;
        signals_of_interest(&set);
        sigprocmask(SIG_BLOCK, &set, &old);
        _cleanup_fd_ int signals = signalfd(-1, &set, SFD_CLOEXEC);
        enum typing typing = TYPING_END;
        if (signals >= 0 && tcgetattr(tty, &before) == 0) {
                hidden = before;
                hidden.c_lflag &= ~(tcflag_t)ECHO;
                hidden.c_lflag |= ICANON | ISIG;
                if (tcsetattr(tty, TCSAFLUSH, &hidden) == 0) {
                        dprintf(tty, "%s", prompt);
                        typing = type_line(tty, signals, ret);
                        tcsetattr(tty, TCSAFLUSH, &before);
                        dprintf(tty, "\n");
                }
        }
        sigprocmask(SIG_SETMASK, &old, NULL); /* here a signal that came ends or stops us */
        return typing;
}

static int
no_terminal(struct err *err)
{
        err_set(err, EXIT_FAILED, "a passphrase is needed, and there is no terminal to ask on");
        return err_hint(
                err, EXIT_FAILED, "name a file that holds it in " PASSPHRASE_FILE ", or use --ssh-agent");
}

static int
ask_terminal(const char *prompt, char ret[static PASSPHRASE_MAX], struct err *err)
{
        _cleanup_fd_ int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (tty < 0)
                return no_terminal(err);
        for (;;) {
                switch (type_hidden(tty, prompt, ret)) {
                case TYPING_DONE:
                        return 0;
                case TYPING_SIGNAL: /* ignored, or a stop that is over */
                        continue;
                case TYPING_TOO_LONG:
                        return err_set(
                                err, EXIT_FAILED, "a passphrase has at most %d bytes", PASSPHRASE_MAX - 1);
                default:
                        return err_set(err, EXIT_FAILED, "no passphrase was given");
                }
        }
}

static int
ask_file(const char *path, char ret[static PASSPHRASE_MAX], struct err *err)
{
        struct buf text = {0};
        int r = file_read(path, FILE_FOLLOW, PASSPHRASE_MAX - 1, &text, err);
        size_t size = r == 0 && text.data ? strcspn(text.data, "\r\n") : 0;
        if (size)
                memcpy(ret, text.data, size);
        ret[size] = '\0';
        if (text.data)
                crypto_wipe(text.data, text.size);
        buf_done(&text);
        return failed(r);
}

bool
passphrase_is_from_file(void)
{
        const char *path = getenv(PASSPHRASE_FILE);
        return path && *path;
}

int
passphrase_ask(const char *prompt, char ret[static PASSPHRASE_MAX], struct err *err)
{
        if (passphrase_is_from_file())
                return ask_file(getenv(PASSPHRASE_FILE), ret, err);
        int r = ask_terminal(prompt, ret, err);
        if (r)
                crypto_wipe(ret, PASSPHRASE_MAX);
        return r;
}

int
passphrase_ask_new(const char *prompt, char ret[static PASSPHRASE_MAX], struct err *err)
{
        char again[PASSPHRASE_MAX] = "";
        int r = passphrase_ask(prompt, ret, err);
        if (r)
                return r;
        if (!*ret) {
                err_set(err, EXIT_FAILED, "the passphrase is empty");
                return err_hint(err, EXIT_FAILED, "--no-passphrase makes a key without one");
        }
        if (!passphrase_is_from_file()) {
                r = passphrase_ask("The same again: ", again, err);
                if (r == 0 && strcmp(ret, again) != 0)
                        r = err_set(err, EXIT_FAILED, "the two passphrases differ: nothing was written");
        }
        crypto_wipe(again, sizeof again);
        if (r)
                crypto_wipe(ret, PASSPHRASE_MAX);
        return r;
}

bool
terminal_is_there(void)
{
        return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

bool
terminal_confirm(const char *question)
{
        char *line = NULL;
        size_t size = 0;
        fprintf(stderr, "%s [y/N] ", question);
        fflush(stderr);
        bool yes = getline(&line, &size, stdin) > 0 &&
                   (strcasecmp(line, "y\n") == 0 || strcasecmp(line, "yes\n") == 0);
        free(line);
        return yes;
}
