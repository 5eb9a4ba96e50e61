/* SPDX-License-Identifier: MIT */
/*
 * The terminal as a whole screen. As while a passphrase is typed (terminal.c), the signals that would end,
 * stop or resize us are blocked and taken through a signalfd, so that no handler and no global is needed, and
 * whatever ends us, the terminal is put back first.
 *
 * The terminal is opened anew, by way of /dev/tty: that open file is ours alone, so it can be made not to
 * block without the shell's being changed. What the terminal does not take waits here, for one frame at most:
 * the caller draws no other while that is so.
 */
#include "cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>

#include "cli/fail.h"
#include "core/buf.h"

#define KEYS_MAX 64u /* bytes typed ahead; what does not fit is dropped */
#define OTHERS_MAX 4u
#define LEAVING_MS 500 /* for what is not out yet: a terminal that hangs must not hold us */

/* Alternate screen and hidden cursor, as xterm has them; the clearing is for terminals without the first. */
static const char enter_bytes[] = "\033[?1049h\033[?25l\033[H\033[J";
static const char leave_bytes[] = "\033[0m\033[H\033[J\033[?25h\033[?1049l";

struct terminal {
        int fd, signals;
        struct termios before;
        sigset_t mask_before;
        bool shown;   /* the screen is ours */
        int ended_by; /* a signal; 0: none */
        struct buf out;
        char keys[KEYS_MAX];
        size_t n_keys;
};

static void
signals_of_screen(sigset_t *set)
{
        static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH};
        sigemptyset(set);
        for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
                sigaddset(set, signals[i]);
}

/* Puts out what waits, as far as the terminal takes it. 0, or -errno: it is gone. */
static int
put_out(struct terminal *terminal)
{
        size_t done = 0;
        int r = 0;
        while (done < terminal->out.size) {
                ssize_t n = write(terminal->fd, terminal->out.data + done, terminal->out.size - done);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        r = errno == EAGAIN ? 0 : -errno;
                        break;
                }
                done += (size_t)n;
        }
        if (done) {
                memmove(terminal->out.data, terminal->out.data + done, terminal->out.size - done);
                terminal->out.size -= done;
        }
        return r;
}

static int
screen_enter(struct terminal *terminal)
{
        struct termios raw = terminal->before;
        raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON); /* ISIG stays: Ctrl-C and Ctrl-Z are signals */
        raw.c_iflag &= ~(tcflag_t)(IXON | ICRNL);
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        if (tcsetattr(terminal->fd, TCSADRAIN, &raw) < 0)
                return -errno;
        terminal->shown = true;
        buf_clear(&terminal->out);
        int r = buf_text(&terminal->out, enter_bytes);
        return r ? r : put_out(terminal);
}

/* A frame that is half out would swallow the bytes that put the screen back: it goes out first. */
static void
screen_leave(struct terminal *terminal)
{
        struct pollfd wait = {.fd = terminal->fd, .events = POLLOUT};
        if (!terminal->shown)
                return;
        terminal->shown = false;
        if (buf_text(&terminal->out, leave_bytes) == 0)
                while (put_out(terminal) == 0 && terminal->out.size && poll(&wait, 1, LEAVING_MS) > 0)
                        ;
        buf_clear(&terminal->out);
        tcsetattr(terminal->fd, TCSADRAIN, &terminal->before);
}

static int
open_tty(struct terminal *terminal, struct err *err)
{
        const char *term = getenv("TERM");
        if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
                return err_set(err, EXIT_FAILED, "this needs a terminal, for input and output");
        if (!term || !*term || strcmp(term, "dumb") == 0)
                return err_set(err, EXIT_FAILED, "the terminal cannot move its cursor (TERM is %s)",
                        term && *term ? "dumb" : "not set");
        terminal->fd = open("/dev/tty", O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (terminal->fd < 0 || tcgetattr(terminal->fd, &terminal->before) < 0)
                return err_set(err, EXIT_FAILED, "/dev/tty: %s", strerrordesc_np(errno));
        return 0;
}

int
terminal_open(struct terminal **ret, struct err *err)
{
        sigset_t set;
        _cleanup_(terminal_closep) struct terminal *terminal = calloc(1, sizeof *terminal);
        if (!terminal)
                return failed_oom(err);
        terminal->fd = terminal->signals = -1;
        sigprocmask(SIG_SETMASK, NULL, &terminal->mask_before);
        int r = open_tty(terminal, err);
        if (r)
                return r;
        signals_of_screen(&set);
        sigprocmask(SIG_BLOCK, &set, NULL);
        terminal->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (terminal->signals < 0 || screen_enter(terminal) < 0)
                return err_set(err, EXIT_FAILED, "the terminal: %s", strerrordesc_np(errno));
        *ret = steal_pointer(&terminal);
        return 0;
}

struct terminal *
terminal_close(struct terminal *terminal)
{
        if (!terminal)
                return NULL;
        screen_leave(terminal);
        if (terminal->ended_by)
                raise(terminal->ended_by);
        sigprocmask(SIG_SETMASK, &terminal->mask_before, NULL); /* here it acts */
        fd_close(terminal->signals);
        fd_close(terminal->fd);
        buf_done(&terminal->out);
        free(terminal);
        return NULL;
}

void
terminal_size(const struct terminal *terminal, unsigned *ret_rows, unsigned *ret_columns)
{
        struct winsize size = {0};
        ioctl(terminal->fd, TIOCGWINSZ, &size);
        unsigned rows = size.ws_row ? size.ws_row : 24, columns = size.ws_col ? size.ws_col : 80;
        *ret_rows = rows < TERMINAL_ROWS_MAX ? rows : TERMINAL_ROWS_MAX;
        *ret_columns = columns < TERMINAL_COLUMNS_MAX ? columns : TERMINAL_COLUMNS_MAX;
}

int
terminal_write(struct terminal *terminal, const char *bytes, size_t size, struct err *err)
{
        if (buf_append(&terminal->out, bytes, size) < 0)
                return failed_oom(err);
        int r = put_out(terminal);
        return r < 0 ? err_set(err, EXIT_FAILED, "the terminal: %s", strerrordesc_np(-r)) : 0;
}

bool
terminal_is_busy(const struct terminal *terminal)
{
        return terminal->out.size != 0;
}

/* ---- waiting ---- */

/* Ctrl-Z: the shell gets its terminal as it was, and we take it again once we are in front. */
static void
stop(struct terminal *terminal)
{
        sigset_t set;
        screen_leave(terminal);
        sigemptyset(&set);
        sigaddset(&set, SIGTSTP);
        raise(SIGTSTP);
        sigprocmask(SIG_UNBLOCK, &set, NULL); /* here it stops, and goes on */
        sigprocmask(SIG_BLOCK, &set, NULL);
        for (pid_t front; (front = tcgetpgrp(terminal->fd)) != getpgrp() && front > 0;)
                raise(SIGSTOP); /* sent to the background */
        if (screen_enter(terminal) < 0)
                terminal->ended_by = SIGHUP;
}

static unsigned
take_signals(struct terminal *terminal)
{
        struct signalfd_siginfo info;
        unsigned events = 0;
        while (read(terminal->signals, &info, sizeof info) == (ssize_t)sizeof info) {
                switch (info.ssi_signo) {
                case SIGINT:
                        events |= TERMINAL_INTERRUPTED;
                        break;
                case SIGWINCH:
                        events |= TERMINAL_REDRAW;
                        break;
                case SIGTSTP:
                        stop(terminal);
                        events |= TERMINAL_REDRAW;
                        break;
                case SIGTTIN:
                case SIGTTOU:
                        break; /* of a moment in the background */
                default:
                        terminal->ended_by = (int)info.ssi_signo;
                }
        }
        return events | (terminal->ended_by ? TERMINAL_ENDS : 0);
}

static unsigned
take_input(struct terminal *terminal)
{
        char dropped[KEYS_MAX];
        size_t room = KEYS_MAX - terminal->n_keys;
        ssize_t n = read(terminal->fd, room ? terminal->keys + terminal->n_keys : dropped,
                room ? room : sizeof dropped);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : TERMINAL_ENDS;
        if (n == 0)
                return TERMINAL_ENDS; /* hung up */
        terminal->n_keys += room ? (size_t)n : 0;
        return TERMINAL_INPUT;
}

unsigned
terminal_wait(struct terminal *terminal, const int *others, size_t n_others, int timeout_ms)
{
        short wanted = terminal->out.size ? POLLIN | POLLOUT : POLLIN;
        struct pollfd waits[2 + OTHERS_MAX] = {
                {.fd = terminal->signals, .events = POLLIN}, {.fd = terminal->fd, .events = wanted}};
        unsigned events = 0;
        n_others = min_size(n_others, OTHERS_MAX);
        for (size_t i = 0; i < n_others; i++)
                waits[2 + i] = (struct pollfd){.fd = others[i], .events = POLLIN};
        if (poll(waits, (nfds_t)(2 + n_others), timeout_ms) <= 0)
                return 0;
        if (waits[0].revents)
                events |= take_signals(terminal);
        if (waits[1].revents & (POLLIN | POLLHUP | POLLERR))
                events |= take_input(terminal);
        if (waits[1].revents & POLLOUT && put_out(terminal) < 0)
                events |= TERMINAL_ENDS;
        for (size_t i = 0; i < n_others; i++)
                if (waits[2 + i].revents)
                        events |= TERMINAL_OTHER;
        return events;
}

/* ---- keys ---- */

static int
sequence_key(char last, int number)
{
        static const struct {
                char last;
                int number, key;
        } keys[] = {{'A', 0, KEY_UP}, {'B', 0, KEY_DOWN}, {'H', 0, KEY_HOME}, {'F', 0, KEY_END},
                {'~', 1, KEY_HOME}, {'~', 4, KEY_END}, {'~', 5, KEY_PAGE_UP}, {'~', 6, KEY_PAGE_DOWN},
                {'~', 7, KEY_HOME}, {'~', 8, KEY_END}};
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                if (keys[i].last == last && (last != '~' || keys[i].number == number))
                        return keys[i].key;
        return KEY_OTHER;
}

int
terminal_key(const char *bytes, size_t size, size_t *ret_taken)
{
        *ret_taken = size ? 1 : 0;
        if (!size || bytes[0] != '\033')
                return !size ? KEY_NONE : (unsigned char)bytes[0] < 0x80 ? bytes[0] : KEY_OTHER;
        if (size == 1) /* the key itself, for a sequence comes in one piece */
                return '\033';
        if (bytes[1] != '[' && bytes[1] != 'O')
                return '\033';
        int number = 0;
        for (size_t i = 2; i < size; i++) {
                if (bytes[i] >= '0' && bytes[i] <= '9' && number < 1000)
                        number = 10 * number + (bytes[i] - '0');
                if (bytes[i] < 0x40 || bytes[i] > 0x7e)
                        continue;
                *ret_taken = i + 1;
                return sequence_key(bytes[i], number);
        }
        *ret_taken = 0;
        return KEY_NONE;
}

int
terminal_key_next(struct terminal *terminal)
{
        size_t taken;
        int key = terminal_key(terminal->keys, terminal->n_keys, &taken);
        if (!taken && terminal->n_keys == KEYS_MAX) /* no sequence is so long */
                taken = KEYS_MAX;
        memmove(terminal->keys, terminal->keys + taken, terminal->n_keys - taken);
        terminal->n_keys -= taken;
        return key;
}
