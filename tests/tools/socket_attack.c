/* SPDX-License-Identifier: MIT */
/*
 * socket_attack SOCKET ATTACK [--as UID] [--honest-as UID] [--seconds N] [--seed N]
 *
 * Plays a hostile client of the control socket while an honest one goes on asking GetStatus, each time on a
 * connection of its own, and prints how long that one waited. The attack runs in a child (as another uid with
 * group root, where --as says so), so that it has descriptors and credentials of its own. Ends with 0 where
 * the attack met what it must, with 1 and words where it did not.
 *
 * The last line is for the test: `honest CALLS MEDIAN_MS MAX_MS`.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CALLS_MAX 100000u
#define FRAME_MAX ((size_t)1 << 20) /* what the daemon takes */
#define ANSWER_MS 20000             /* longer is no answer */
#define OURS "dev.driftd.Control."
#define ERROR(name) "\"error\":\"org.varlink.service." name "\""

static const char *socket_path;
static int seconds = 3;
static unsigned seed = 20261126;

__attribute__((noreturn, format(printf, 1, 2))) static void
fail(const char *format, ...)
{
        va_list args;
        va_start(args, format);
        fputs("socket_attack: ", stderr);
        vfprintf(stderr, format, args);
        fputc('\n', stderr);
        va_end(args);
        exit(1);
}

static int64_t
now_us(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static unsigned
random_below(unsigned n)
{
        seed = seed * 1664525u + 1013904223u;
        return (seed >> 8) % n;
}

/* ---- a client ---- */

/* -1: refused (the queue is full, or no descriptor is left). */
static int
try_connect(int flags)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
        if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
                int error = errno;
                close(fd);
                fd = -1;
                errno = error;
        }
        return fd;
}

static int
must_connect(void)
{
        int fd = try_connect(0);
        if (fd < 0)
                fail("connect: %s", strerror(errno));
        return fd;
}

/* false: the daemon closed it. */
static bool
send_all(int fd, const void *data, size_t size)
{
        for (size_t sent = 0; sent < size;) {
                ssize_t n = send(fd, (const char *)data + sent, size - sent, MSG_NOSIGNAL);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return false;
                sent += (size_t)n;
        }
        return true;
}

static bool
send_text(int fd, const char *text)
{
        return send_all(fd, text, strlen(text) + 1);
}

struct answer {
        char *text; /* one reply, NUL-terminated */
        size_t size, room;
};

/* One reply. false: the connection was closed instead. Byte by byte after what MSG_PEEK shows, so that the
 * next reply stays. */
static bool
receive(int fd, struct answer *answer)
{
        answer->size = 0;
        for (;;) {
                struct pollfd wait = {.fd = fd, .events = POLLIN};
                if (answer->room - answer->size < 65536) {
                        answer->room = answer->room * 2 + 131072;
                        answer->text = realloc(answer->text, answer->room);
                        if (!answer->text)
                                fail("out of memory");
                }
                if (poll(&wait, 1, ANSWER_MS) == 0)
                        fail("no answer within %d ms", ANSWER_MS);
                char *to = answer->text + answer->size;
                ssize_t n = recv(fd, to, 65536, MSG_PEEK);
                if (n <= 0)
                        return false;
                char *end = memchr(to, '\0', (size_t)n);
                size_t size = end ? (size_t)(end - to) + 1 : (size_t)n;
                if (recv(fd, to, size, 0) != (ssize_t)size)
                        return false;
                answer->size += size;
                if (end)
                        return true;
        }
}

static bool
is_closed(int fd, int wait_ms)
{
        char bytes[65536];
        int64_t until = now_us() + wait_ms * 1000ll;
        for (;;) {
                struct pollfd wait = {.fd = fd, .events = POLLIN};
                int64_t left_ms = (until - now_us()) / 1000;
                if (left_ms < 0 || poll(&wait, 1, (int)left_ms) == 0)
                        return false;
                if (recv(fd, bytes, sizeof bytes, 0) <= 0)
                        return true;
        }
}

/* Sends one request and says what came: the reply, or "closed". */
static const char *
ask(int fd, const char *request, struct answer *answer)
{
        return send_text(fd, request) && receive(fd, answer) ? answer->text : "closed";
}

/* ---- the honest client ---- */

/* Shared by both children and their parent. */
static struct honest {
        unsigned calls;
        volatile bool stop;
        uint32_t us[CALLS_MAX];
} * honest;

static void
become(long uid)
{
        if (uid < 0)
                return;
        if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 ||
                setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid) < 0)
                fail("cannot become uid %ld: %s", uid, strerror(errno));
}

static void
be_honest(void)
{
        struct answer answer = {0};
        while (!honest->stop && honest->calls < CALLS_MAX) {
                int64_t start = now_us();
                /* A flood of its own uid may close it, too, before its request is there: it asks again, and
                 * waits meanwhile. */
                for (bool answered = false; !answered && !honest->stop;) {
                        int fd = must_connect();
                        const char *text = ask(fd, "{\"method\":\"" OURS "GetStatus\"}", &answer);
                        answered = strcmp(text, "closed") != 0;
                        if (answered && !strstr(text, "driftd.status/1"))
                                fail("the honest client was answered: %.300s", text);
                        close(fd);
                }
                honest->us[honest->calls++] = (uint32_t)(now_us() - start);
                usleep(2000);
        }
        exit(0);
}

static int
compare_us(const void *a, const void *b)
{
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
        return (x > y) - (x < y);
}

/* ---- attacks: each returns when it has met what it must ---- */

/* Ten thousand connections, held as long as the daemon holds them. */
static void
attack_connections(void)
{
        enum { TOTAL = 10000, HELD = 900 };
        static int held[HELD];
        unsigned made = 0;
        int64_t until = now_us() + 30000000;
        memset(held, -1, sizeof held);
        while (made < TOTAL) {
                int fd = try_connect(SOCK_NONBLOCK);
                if (fd < 0 && errno != EAGAIN)
                        fail("connect: %s", strerror(errno));
                if (now_us() > until)
                        fail("only %u connections were taken in 30 s", made);
                if (fd < 0) {
                        usleep(200);
                        continue;
                }
                int *slot = &held[made++ % HELD];
                if (*slot >= 0)
                        close(*slot);
                *slot = fd;
        }
        unsigned open = HELD;
        for (until = now_us() + 5000000;
                open > 64;) { /* some still wait to be taken, and then to be closed */
                if (now_us() > until)
                        fail("%u connections are held open", open);
                open = 0;
                for (unsigned i = 0; i < HELD; i++)
                        open += held[i] >= 0 && !is_closed(held[i], 0);
        }
}

static void
attack_silence(void)
{
        for (int i = 0; i < 60; i++)
                must_connect();
        sleep((unsigned)seconds);
}

/* Half a request, and no more: all are closed, and not before a slow caller would be done. */
static void
attack_half_frames(void)
{
        enum { CLIENTS = 40 };
        int fds[CLIENTS];
        int64_t start = now_us();
        for (int i = 0; i < CLIENTS; i++) {
                fds[i] = must_connect();
                send_all(fds[i], "{\"method\":\"" OURS "GetSt", (size_t)(10 + i % 20));
        }
        for (int i = 0; i < CLIENTS; i++)
                if (!is_closed(fds[i], 20000))
                        fail("a half request is waited for, for ever");
        if (now_us() - start < 3000000)
                fail("a request is not waited for at all");
}

/* A byte now and then does not make a request younger. */
static void
attack_dripping(void)
{
        int fd = must_connect();
        int64_t until = now_us() + 20000000;
        while (send_all(fd, " ", 1)) {
                if (now_us() > until)
                        fail("who drips keeps its connection");
                usleep(50000);
        }
}

static void
attack_oversized(void)
{
        struct answer answer = {0};
        static const char request[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
        char *text = malloc(FRAME_MAX + 2);
        if (!text)
                fail("out of memory");
        memset(text, ' ', FRAME_MAX + 2);
        memcpy(text, request, sizeof request - 1);
        for (int i = 0; i < 40; i++) {
                int fd = must_connect();
                text[FRAME_MAX] = '\0';
                if (!send_all(fd, text, FRAME_MAX + 1) || !receive(fd, &answer))
                        fail("a request of 1 MiB is refused");
                text[FRAME_MAX] = ' ';
                text[FRAME_MAX + 1] = '\0';
                send_all(fd, text, FRAME_MAX + 2);
                if (!is_closed(fd, 5000))
                        fail("a request of more than 1 MiB is taken");
                close(fd);
                fd = must_connect();
                for (int j = 0; j < 64 && send_all(fd, text, FRAME_MAX); j++)
                        ;
                if (!is_closed(fd, 5000))
                        fail("64 MiB without an end are taken");
                close(fd);
        }
        free(text);
}

/* Descriptors: refused by the kernel, or the connection is closed; the daemon keeps none (the test counts).
 */
static void
send_descriptors(int count, bool kernel_can_refuse)
{
        char bytes[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
        struct iovec vector = {bytes, sizeof bytes};
        static union {
                char buffer[CMSG_SPACE(253 * sizeof(int))];
                struct cmsghdr align;
        } control;
        int fd = must_connect(), file = open("/dev/null", O_RDONLY | O_CLOEXEC);
        struct msghdr message = {.msg_iov = &vector,
                .msg_iovlen = 1,
                .msg_control = control.buffer,
                .msg_controllen = CMSG_SPACE((size_t)count * sizeof(int))};
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
        for (int i = 0; i < count; i++)
                memcpy(CMSG_DATA(header) + (size_t)i * sizeof file, &file, sizeof file);
        bool refused = sendmsg(fd, &message, MSG_NOSIGNAL) < 0;
        if (refused && errno != EPERM)
                fail("sendmsg: %s", strerror(errno));
        if (!refused && kernel_can_refuse)
                fail("the kernel was not told to refuse descriptors: closing one may hang");
        if (!refused && !is_closed(fd, 5000))
                fail("a call with %d descriptors is answered", count);
        close(fd);
        close(file);
}

static void
attack_descriptors(void)
{
        struct utsname kernel;
        char *rest = kernel.release;
        if (uname(&kernel) < 0)
                fail("uname: %s", strerror(errno));
        long major = strtol(rest, &rest, 10), minor = *rest ? strtol(rest + 1, NULL, 10) : 0;
        for (int i = 0; i < 300; i++)
                send_descriptors(i % 3 == 0 ? 253 : i % 3, major > 6 || (major == 6 && minor >= 16));
}

/* Asks for much and takes nothing, from as many connections as it may have. */
static void
attack_not_reading(void)
{
        static const char request[] =
                "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":"
                "\"dev.driftd.Control\"}}";
        for (int i = 0; i < 60; i++) {
                int fd = must_connect();
                fcntl(fd, F_SETFL, O_NONBLOCK);
                for (int j = 0; j < 2000; j++)
                        if (send(fd, request, sizeof request, MSG_NOSIGNAL) < 0)
                                break;
                fd = must_connect();
                send_text(fd, "{\"method\":\"" OURS "Log\",\"more\":true}");
        }
        sleep((unsigned)seconds);
}

static void
attack_byte_by_byte(void)
{
        struct answer answer = {0};
        char *text = malloc(65536);
        if (!text)
                fail("out of memory");
        int length = snprintf(text, 65536, "{\"method\":\"" OURS "GetStatus\"%20000s}", "");
        for (int i = 0; i < 8; i++) {
                int fd = must_connect();
                for (int j = 0; j <= length; j++)
                        if (!send_all(fd, text + j, 1))
                                fail("who writes byte by byte is not served");
                if (!receive(fd, &answer) || !strstr(answer.text, "driftd.status/1"))
                        fail("who writes byte by byte gets no answer");
                close(fd);
        }
        free(text);
}

static const char *const calls[] = {
        "{\"method\":\"" OURS "GetStatus\"}",
        "{\"method\":\"" OURS "Diff\",\"more\":true,\"parameters\":{\"items\":[],\"full\":true}}",
        "{\"method\":\"" OURS "Diff\",\"more\":true,\"parameters\":{\"cached\":true}}",
        "{\"method\":\"" OURS "Scan\",\"parameters\":{\"full\":true}}",
        "{\"method\":\"" OURS "Show\",\"parameters\":{\"item\":\"/etc/passwd\"}}",
        "{\"method\":\"" OURS "Log\",\"more\":true,\"parameters\":{\"follow\":true}}",
        "{\"method\":\"" OURS "Log\",\"more\":true}",
        "{\"method\":\"" OURS
        "Propose\",\"more\":true,\"parameters\":{\"name\":\"host\",\"author\":\"mallory\"}}",
        "{\"method\":\"" OURS "Compare\",\"more\":true,\"parameters\":{\"name\":\"host\",\"generation\":1}}",
        "{\"method\":\"" OURS "Verify\"}",
        "{\"method\":\"" OURS "GetBaseline\",\"more\":true}",
        "{\"method\":\"" OURS "Upload\",\"parameters\":{\"kind\":\"baseline\",\"text\":\"x\"}}",
        "{\"method\":\"" OURS "Upload\",\"parameters\":{\"kind\":\"delta\",\"text\":\"x\"}}",
        "{\"method\":\"" OURS "Apply\"}",
        "{\"method\":\"" OURS "ListBaselines\"}",
        "{\"method\":\"" OURS "GetTrust\"}",
};
#define CALLS (sizeof calls / sizeof *calls)

/* Goes away at every moment: before a request's end, after it, within the answer. */
static void
attack_closing(void)
{
        int64_t until = now_us() + seconds * 1000000ll;
        while (now_us() < until) {
                const char *call = calls[random_below(CALLS)];
                int fd = must_connect();
                char byte;
                size_t size = strlen(call) + 1;
                send_all(fd, call, random_below(3) ? size : random_below((unsigned)size));
                if (random_below(3) == 0)
                        (void)!recv(fd, &byte, 1, MSG_DONTWAIT);
                if (random_below(4) == 0)
                        shutdown(fd, SHUT_WR);
                if (random_below(3) == 0)
                        usleep(random_below(3000));
                close(fd);
        }
}

/* Many requests at once: all are answered, in order. */
static void
attack_pipelining(void)
{
        enum { REQUESTS = 20000 };
        char request[128];
        struct answer answer = {0};
        int fd = must_connect();
        pid_t writer = fork();
        if (writer == 0) {
                for (int i = 0; i < REQUESTS; i++) {
                        snprintf(request, sizeof request, "{\"method\":\"no.such%d.Thing\"}", i);
                        if (!send_text(fd, request))
                                _exit(1);
                }
                _exit(0);
        }
        for (int i = 0; i < REQUESTS; i++) {
                snprintf(request, sizeof request, "\"no.such%d\"", i);
                if (!receive(fd, &answer) || !strstr(answer.text, request))
                        fail("request %d was answered: %.100s", i, answer.size ? answer.text : "closed");
        }
        waitpid(writer, NULL, 0);
}

/* Texts that are no requests: closed, at once, and nothing else happens. */
static void
attack_garbage(void)
{
        static const char *const texts[] = {"", " ", "x", "{", "[]", "1", "null", "\"x\"", "{}",
                "{\"method\":1}", "{\"method\":null}", "{\"method\":\"\"}",
                "{\"method\":[\"" OURS "GetStatus\"]}", "{\"method\":\"" OURS "GetStatus\",\"more\":1}",
                "{\"method\":\"" OURS "GetStatus\",\"oneway\":\"yes\"}",
                "{\"method\":\"" OURS "GetStatus\",\"more\":true,\"oneway\":true}",
                "{\"method\":\"" OURS "GetStatus\",\"parameters\":[]}",
                "{\"method\":\"" OURS "GetStatus\",\"parameters\":\"x\"}",
                "{\"method\":\"" OURS "GetStatus\"} trailing",
                "{\"method\":\"" OURS "GetStatus\",\"method\":\"" OURS "Verify\"}",
                "{\"method\":\"a\\u0000b\"}", "{\"method\":\"\xff\xfe\"}", "{\"method\":\"\xc0\xaf\"}",
                "{\"method\":\"\xed\xa0\x80\"}", "{\"method\":\"\\ud800\"}",
                "{\"n\":1e999,\"method\":\"a.b\"}", "{\"n\":99999999999999999999999,\"method\":\"a.b\"}"};
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                int fd = must_connect();
                send_text(fd, texts[i]);
                if (!is_closed(fd, 5000))
                        fail("this is taken for a request: %s", texts[i]);
                close(fd);
        }
        char *deep = malloc(FRAME_MAX);
        if (!deep)
                fail("out of memory");
        for (int i = 0; i < 40; i++) {
                size_t size = 1 + random_below(FRAME_MAX - 1);
                memset(deep, "[{\""[random_below(3)], size);
                for (size_t j = 0; i >= 20 && j < size; j++)
                        deep[j] = (char)random_below(256);
                int fd = must_connect();
                if (send_all(fd, deep, size))
                        send_all(fd, "", 1);
                if (!is_closed(fd, 5000))
                        fail("nested or random bytes are taken for a request");
                close(fd);
        }
        free(deep);
}

/* ---- what Varlink says ---- */

static void
expect(const char *request, const char *wanted)
{
        struct answer answer = {0};
        int fd = must_connect();
        const char *text = ask(fd, request, &answer);
        if (!strstr(text, wanted))
                fail("%s\n  was answered: %.500s\n  and not: %s", request, text, wanted);
        if (strcmp(text, "closed") != 0) { /* and the connection goes on */
                text = ask(fd, "{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{}}", &answer);
                if (!strstr(text, "\"product\":\"driftd\""))
                        fail("after %s\n  GetInfo was answered: %.500s", request, text);
        }
        close(fd);
        free(answer.text);
}

static void
attack_conformance(void)
{
        expect("{\"method\":\"org.varlink.service.GetInfo\"}",
                "\"interfaces\":[\"org.varlink.service\",\"dev.driftd.Control\"]");
        expect("{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":"
               "\"dev.driftd.Control\"}}",
                "\"description\":\"# SPDX");
        expect("{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":"
               "\"org.varlink.service\"}}",
                "interface org.varlink.service\\n");
        expect("{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":"
               "\"a.b\"}}",
                ERROR("InterfaceNotFound") ",\"parameters\":{\"interface\":\"a.b\"}");
        expect("{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":1}"
               "}",
                ERROR("InvalidParameter") ",\"parameters\":{\"parameter\":\"interface\"}");
        expect("{\"method\":\"org.varlink.service.Nothing\"}",
                ERROR("MethodNotFound") ",\"parameters\":{\"method\":\"org.varlink.service.Nothing\"}");
        expect("{\"method\":\"" OURS "Nothing\"}",
                ERROR("MethodNotFound") ",\"parameters\":{\"method\":\"" OURS "Nothing\"}");
        expect("{\"method\":\"" OURS "getstatus\"}", ERROR("MethodNotFound"));
        expect("{\"method\":\"" OURS "\"}", ERROR("MethodNotFound"));
        expect("{\"method\":\"a.b.C\"}",
                ERROR("InterfaceNotFound") ",\"parameters\":{\"interface\":\"a.b\"}");
        expect("{\"method\":\"plain\"}",
                ERROR("InterfaceNotFound") ",\"parameters\":{\"interface\":\"plain\"}");
        expect("{\"method\":\"" OURS "GetStatus\",\"parameters\":null,\"more\":null}", "driftd.status/1");
        expect("{\"method\":\"" OURS "GetStatus\",\"more\":true}", "driftd.status/1");
        expect("{\"method\":\"" OURS "GetStatus\",\"upgrade\":true}",
                ERROR("MethodNotImplemented") ",\"parameters\":{\"method\":\"" OURS "GetStatus\"}");
        expect("{\"method\":\"" OURS "GetStatus\",\"upgrade\":false}", "driftd.status/1");
        expect("{\"method\":\"" OURS "GetStatus\",\"parameters\":{\"x\":1}}",
                ERROR("InvalidParameter") ",\"parameters\":{\"parameter\":\"x\"}");
        static const char *const streams[] = {"Diff", "Compare", "Log", "Propose", "GetBaseline"};
        for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
                char request[128];
                snprintf(request, sizeof request, "{\"method\":\"" OURS "%s\"}", streams[i]);
                expect(request, ERROR("ExpectedMore") ",\"parameters\":{}");
        }
        /* oneway: no answer, so that what comes first is the answer to the next call; also where it fails. */
        struct answer answer = {0};
        int fd = must_connect();
        send_text(fd, "{\"method\":\"" OURS "GetStatus\",\"oneway\":true}");
        send_text(fd, "{\"method\":\"" OURS "Nothing\",\"oneway\":true}");
        send_text(fd, "{\"method\":\"" OURS "Scan\",\"oneway\":true,\"parameters\":{\"full\":true}}");
        send_text(fd, "{\"method\":\"" OURS "Show\",\"oneway\":true,\"parameters\":{\"item\":\"/\"}}");
        const char *text = ask(fd, "{\"method\":\"org.varlink.service.GetInfo\"}", &answer);
        if (!strstr(text, "\"product\":\"driftd\""))
                fail("a oneway call was answered: %.300s", text);
        close(fd);
        /* Who has said all is still answered. */
        fd = must_connect();
        send_text(fd, calls[1]);
        shutdown(fd, SHUT_WR);
        unsigned replies = 0;
        while (receive(fd, &answer))
                replies++;
        if (!replies || !strstr(answer.text ? answer.text : "", "driftd.diff/1"))
                fail("a client that shut down its sending half got %u replies", replies);
        close(fd);
        free(answer.text);
}

struct parameter {
        const char *method, *name;
        char type; /* b i s l(list of strings) o(list of objects) */
};
static const struct parameter parameters[] = {{"Diff", "items", 'l'}, {"Diff", "cached", 'b'},
        {"Diff", "full", 'b'}, {"Scan", "full", 'b'}, {"Compare", "name", 's'},
        {"Compare", "generation", 'i'}, {"Compare", "items", 'l'}, {"Show", "item", 's'},
        {"Log", "since_ms", 'i'}, {"Log", "until_ms", 'i'}, {"Log", "kind", 's'}, {"Log", "items", 'l'},
        {"Log", "after_seq", 'i'}, {"Propose", "name", 's'}, {"Propose", "items", 'l'},
        {"Propose", "ticket", 's'}, {"Propose", "class", 's'}, {"Propose", "expires_ms", 'i'},
        {"Propose", "author", 's'}, {"Propose", "waivers", 'o'}, {"Propose", "retire", 'b'},
        {"Propose", "from", 's'}, {"Upload", "kind", 's'}, {"Upload", "text", 's'}, {"Upload", "reset", 'b'},
        {"ListBaselines", "name", 's'}, {"GetBaseline", "name", 's'}, {"GetBaseline", "generation", 'i'},
        {"Ack", "item", 's'}, {"Ack", "reason", 's'}, {"Backup", "path", 's'}};

static const struct {
        const char *text, *types; /* of which it is a value */
} values[] = {{"true", "b"}, {"0", "i"}, {"-1", "i"}, {"9223372036854775807", "i"},
        {"-9223372036854775808", "i"}, {"1.5", ""}, {"\"x\"", "s"}, {"\"\"", "s"}, {"\"/\"", "s"},
        {"\"/\\u0001\\n\\u001b[2J/../x\"", "s"}, {"\"file:/**/**/**\"", "s"}, {"[]", "lo"}, {"[1]", ""},
        {"[null]", ""}, {"[[]]", ""}, {"[\"/**\"]", "l"}, {"[\"\"]", "l"}, {"[\"host\",\"/a\",\"x:y\"]", "l"},
        {"{}", ""}, {"[{}]", "o"}, {"[{\"until_ms\":\"x\"}]", ""},
        {"[{\"item\":\"/x\",\"until_ms\":-9223372036854775808,\"reason\":\"\"}]", "o"}};

/* Every parameter of every method with a value of each type: of its own, any answer; of another,
 * InvalidParameter.
 */
static void
attack_types(void)
{
        struct answer answer = {0};
        char request[512], invalid[128];
        int fd = must_connect();
        for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
                for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
                        const struct parameter *p = &parameters[i];
                        bool right = strchr(values[j].types, p->type) != NULL;
                        snprintf(request, sizeof request,
                                "{\"method\":\"" OURS "%s\",\"more\":true,\"parameters\":{\"%s\":%s}}",
                                p->method, p->name, values[j].text);
                        snprintf(invalid, sizeof invalid,
                                ERROR("InvalidParameter") ",\"parameters\":{\"parameter\":\"%s\"}", p->name);
                        const char *text = ask(fd, request, &answer);
                        if (strcmp(text, "closed") == 0 || right != !strstr(text, invalid))
                                fail("%s\n  was answered: %.500s", request, text);
                        while (strstr(text, "\"continues\":true"))
                                if (!receive(fd, &answer))
                                        fail("%s\n  was answered in part", request);
                                else
                                        text = answer.text;
                }
        close(fd);
}

/* ---- what can run out ---- */

/* Follows the log on every connection it can get: the daemon gives each uid its share and no more. */
static void
attack_share(void)
{
        enum { CLIENTS = 100 };
        int fds[CLIENTS];
        unsigned open = 0;
        for (int i = 0; i < CLIENTS; i++) {
                fds[i] = must_connect();
                send_text(fds[i],
                        "{\"method\":\"" OURS "Log\",\"more\":true,\"parameters\":{\"follow\":true}}");
                usleep(5000);
        }
        for (int i = 0; i < CLIENTS; i++)
                open += !is_closed(fds[i], 20);
        if (open != 16)
                fail("%u connections of one uid are held", open);
        sleep((unsigned)seconds);
}

/* Uploads and never applies, until it is refused. */
static void
attack_upload(void)
{
        enum { PIECE = 512 << 10 };
        static char request[PIECE + 128];
        struct answer answer = {0};
        size_t held = 0;
        int start = snprintf(request, sizeof request,
                "{\"method\":\"" OURS "Upload\",\"parameters\":{\"kind\":\"baseline\",\"text\":\"");
        memset(request + start, 'x', PIECE);
        memcpy(request + start + PIECE, "\"}}", 4);
        for (bool full = false; !full;) { /* from several connections: it is the uid that is counted */
                int fd = must_connect();
                for (int i = 0; i < 100 && !full; i++) {
                        const char *text = ask(fd, request, &answer);
                        full = strstr(text, "than its share") != NULL;
                        if (!full && strcmp(text, "{\"parameters\":{}}") != 0)
                                fail("an upload was answered: %.300s", text);
                        held += full ? 0 : PIECE;
                }
                if (held > (size_t)128 << 20)
                        fail("one uid has %zu MiB kept", held >> 20);
        }
        printf("uploaded %zu MiB\n", held >> 20);
        if (held < (size_t)120 << 20)
                fail("one uid cannot have more than %zu MiB kept", held >> 20);
}

/* Looks at what takes for ever, each given up at once. */
static void
attack_looks(void)
{
        char request[4400];
        const char *path = getenv("LOOK_AT");
        snprintf(request, sizeof request, "{\"method\":\"" OURS "Show\",\"parameters\":{\"item\":\"%s\"}}",
                path ? path : "/");
        for (int i = 0; i < 300; i++) {
                int fd = must_connect();
                send_text(fd, request);
                usleep(random_below(2) * 3000);
                close(fd);
        }
}

static const struct {
        const char *name;
        void (*run)(void);
} attacks[] = {{"connections", attack_connections}, {"silence", attack_silence},
        {"half_frames", attack_half_frames}, {"dripping", attack_dripping}, {"oversized", attack_oversized},
        {"descriptors", attack_descriptors}, {"not_reading", attack_not_reading},
        {"byte_by_byte", attack_byte_by_byte}, {"closing", attack_closing}, {"pipelining", attack_pipelining},
        {"garbage", attack_garbage}, {"conformance", attack_conformance}, {"types", attack_types},
        {"share", attack_share}, {"upload", attack_upload}, {"looks", attack_looks}};

/* ---- both at once ---- */

static pid_t
start(void (*run)(void), long uid)
{
        fflush(NULL);
        pid_t pid = fork();
        if (pid < 0)
                fail("fork: %s", strerror(errno));
        if (pid > 0)
                return pid;
        become(uid);
        run();
        exit(0);
}

static int
end(pid_t pid)
{
        int status;
        waitpid(pid, &status, 0);
        return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static int
run_both(void (*run)(void), long attacker, long honest_uid)
{
        honest = mmap(NULL, sizeof *honest, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (honest == MAP_FAILED)
                fail("mmap: %s", strerror(errno));
        pid_t good = start(be_honest, honest_uid), bad = start(run, attacker);
        int wrong = end(bad);
        honest->stop = true;
        wrong |= end(good);
        qsort(honest->us, honest->calls, sizeof *honest->us, compare_us);
        if (!honest->calls)
                fail("the honest client made no call");
        unsigned middle = honest->calls / 2, last = honest->calls - 1;
        printf("honest %u %.1f %.1f\n", honest->calls, honest->us[middle] / 1000.0,
                honest->us[last] / 1000.0);
        return wrong;
}

int
main(int argc, char **argv)
{
        long attacker = -1, honest_uid = -1;
        struct rlimit files;
        for (int i = 3; i + 1 < argc; i += 2) {
                long value = strtol(argv[i + 1], NULL, 10);
                if (strcmp(argv[i], "--as") == 0)
                        attacker = value;
                else if (strcmp(argv[i], "--honest-as") == 0)
                        honest_uid = value;
                else if (strcmp(argv[i], "--seconds") == 0)
                        seconds = (int)value;
                else if (strcmp(argv[i], "--seed") == 0)
                        seed = (unsigned)value;
        }
        if (argc < 3)
                fail("usage: socket_attack SOCKET ATTACK [--as UID] [--honest-as UID] [--seconds N] [--seed "
                     "N]");
        socket_path = argv[1];
        if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
                files.rlim_cur = files.rlim_max;
                setrlimit(RLIMIT_NOFILE, &files);
        }
        for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++)
                if (strcmp(attacks[i].name, argv[2]) == 0)
                        return run_both(attacks[i].run, attacker, honest_uid);
        fail("there is no attack %s", argv[2]);
}
