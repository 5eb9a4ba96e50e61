/* SPDX-License-Identifier: MIT */
/* Proposals of a scratch folder: what is taken live, what stays as it was expected, and what is refused. */
#include "core/baseline_delta.h"
#include "core/proposal.h"

#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>

#include "core/digest.h"
#include "tests/unit/scratch_help.h"

#define NOW_MS INT64_C(1800000000000) /* 2027-01-15T08:00:00Z */
#define HOST "0123456789abcdef0123456789abcdef"
#define ATTRS                                                                                                \
        (ATTRIBUTE_BIT(ATTRIBUTE_TYPE) | ATTRIBUTE_BIT(ATTRIBUTE_MODE) | ATTRIBUTE_BIT(ATTRIBUTE_CONTENT))
#define HEX_ONE "2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806" /* of "one\n" */
#define HEX_TWO "27dd8ed44a83ff94d557f9fd0412ed5a8cbca69ea04922d88c01184a07300a5a" /* of "two\n" */

/* A path in the scratch folder; good until the eighth from now. */
static char *
in(const char *name)
{
        static char paths[8][256];
        static size_t turn;
        char *path = paths[turn++ % ARRAY_SIZE(paths)];
        snprintf(path, sizeof paths[0], "%.200s%s%s", scratch, *name ? "/" : "", name);
        return path;
}

/* ---- requests ---- */

static struct scope
scope_of(const char *name, char **paths, size_t n_paths, enum scope_mode mode)
{
        struct scope scope = {
                .domain = SCOPE_FILES,
                .paths = {.items = paths, .count = n_paths},
                .attributes = ATTRS,
                .mode = mode,
                .severity = SEVERITY_HIGH,
                .keep_content = true,
                .content_within_s = 100,
        };
        snprintf(scope.name, sizeof scope.name, "%s", name);
        return scope;
}

static struct proposal_request
request_of(const struct scope *scopes, size_t n_scopes, const struct baseline *parent)
{
        return (struct proposal_request){
                .name = "host",
                .host = HOST,
                .parent = parent,
                .generation = parent ? baseline_header(parent)->generation + 1 : 1,
                .scopes = scopes,
                .n_scopes = n_scopes,
                .author = "alice",
                .class = CLASS_NORMAL,
                .now_ms = NOW_MS,
                .expires_ms = INT64_MAX,
                .workers = 2,
        };
}

/* Said as a delta it is the same proposal. */
static void
assert_same_as_delta(const struct proposal_request *request, const struct buf *text)
{
        _cleanup_buf_ struct buf delta = {0};
        _cleanup_(baseline_freep) struct baseline *made = NULL;
        struct proposal_request again = *request;
        struct err err = {0};
        _cleanup_buf_ struct buf bytes = {0};
        again.delta = true;
        again.files = again.bytes = NULL;
        int r = proposal_make(&again, &delta, &err);
        r = r ? r : delta_open(request->parent, delta.data, delta.size, &made, &err);
        ck_assert_msg(r == 0, "%s", err.text);
        ck_assert_int_eq(baseline_text_append(made, &bytes), 0);
        ck_assert_uint_eq(bytes.size, text->size);
        ck_assert_mem_eq(bytes.data, text->data, text->size);
}

static void
propose(const struct proposal_request *request, struct buf *ret)
{
        struct err err = {0};
        int r = proposal_make(request, ret, &err);
        ck_assert_msg(r == 0, "%s", err.text);
        if (request->parent)
                assert_same_as_delta(request, ret);
}

/* Whatever is proposed must open. */
static struct baseline *
opened(struct buf *text)
{
        struct baseline *baseline = NULL;
        struct err err = {0};
        size_t size = text->size;
        int r = baseline_open(buf_steal(text), size, &baseline, &err);
        ck_assert_msg(r == 0, "%s", err.text);
        return baseline;
}

static struct baseline *
proposed(const struct proposal_request *request)
{
        _cleanup_buf_ struct buf text = {0};
        propose(request, &text);
        return opened(&text);
}

/* ---- what stands in a baseline ---- */

static void
assert_line(const struct baseline *baseline, const char *path, const char *expected)
{
        _cleanup_buf_ struct buf item = {0}, line = {0};
        _cleanup_attributes_ struct attributes attributes = {0};
        size_t index;
        ck_assert_int_eq(buf_escape(&item, path, strlen(path)), 0);
        bool found = baseline_file_find(baseline, item.data, item.size, &index);
        ck_assert_msg(found == (expected != NULL), "%s: %s", item.data, found ? "is there" : "is not there");
        if (!found)
                return;
        ck_assert_int_eq(baseline_file_attributes(baseline, index, &attributes), 0);
        ck_assert_int_eq(attributes_append(ATTRIBUTES_ALL, &attributes, &line), 0);
        ck_assert_str_eq(line.data, expected);
}

static char *
escaped_item(const char *name)
{
        static char items[4][300];
        static size_t turn;
        char *item = items[turn++ % ARRAY_SIZE(items)];
        snprintf(item, sizeof items[0], "file:%s", in(name));
        return item;
}

static struct baseline *
first_generation(struct scope *ret_scope, char **paths)
{
        paths[0] = scratch;
        put(in("a"), "one\n");
        put(in("b"), "one\n");
        *ret_scope = scope_of("here", paths, 1, SCOPE_STATIC);
        struct proposal_request request = request_of(ret_scope, 1, NULL);
        return proposed(&request);
}

/* ---- the whole ---- */

START_TEST(a_first_proposal_holds_what_is_live)
{
        char *paths[] = {scratch};
        struct scope scope = scope_of("here", paths, 1, SCOPE_STATIC);
        struct proposal_request request = request_of(&scope, 1, NULL);
        put(in("a"), "one\n");
        put(in("new\nline"), "two\n");
        put_folder(in("folder"));
        ck_assert_int_eq(symlink("a", in("link")), 0);
        ck_assert_int_eq(mkfifo(in("pipe"), 0600), 0);
        _cleanup_(baseline_freep) struct baseline *baseline = proposed(&request);
        ck_assert_uint_eq(baseline_files(baseline), 6);
        assert_line(baseline, scratch, " type=dir mode=0755");
        assert_line(baseline, in("a"), " type=file mode=0644 content=" HEX_ONE);
        assert_line(baseline, in("new\nline"), " type=file mode=0644 content=" HEX_TWO);
        assert_line(baseline, in("folder"), " type=dir mode=0755");
        assert_line(baseline, in("link"), " type=link");
        assert_line(baseline, in("pipe"), " type=fifo mode=0600");
}
END_TEST

START_TEST(the_header_says_what_was_asked_for)
{
        char *paths[] = {scratch};
        struct scope scope = scope_of("here", paths, 1, SCOPE_STATIC);
        struct proposal_request request = request_of(&scope, 1, NULL);
        request.ticket = "CHG-1\\x20a";
        request.class = CLASS_URGENT;
        request.expires_ms = NOW_MS + 1000;
        _cleanup_(baseline_freep) struct baseline *first = proposed(&request);
        const struct baseline_header *header = baseline_header(first);
        ck_assert_str_eq(header->name, "host");
        ck_assert_str_eq(header->host, HOST);
        ck_assert_uint_eq(header->generation, 1);
        ck_assert(!header->has_parent);
        ck_assert_int_eq(header->created_ms, NOW_MS);
        ck_assert_int_eq(header->expires_ms, NOW_MS + 1000);
        ck_assert_str_eq(header->author, "alice");
        ck_assert_str_eq(header->ticket, "CHG-1\\x20a");
        ck_assert_int_eq(header->class, CLASS_URGENT);
        request = request_of(&scope, 1, first);
        _cleanup_(baseline_freep) struct baseline *second = proposed(&request);
        header = baseline_header(second);
        ck_assert_uint_eq(header->generation, 2);
        ck_assert(header->has_parent && digest_equal(&header->parent, baseline_id(first)));
        ck_assert_int_eq(header->expires_ms, INT64_MAX);
        ck_assert_ptr_null(header->ticket);
}
END_TEST

START_TEST(the_same_state_gives_the_same_bytes)
{
        char *paths[] = {scratch};
        struct scope scope = scope_of("here", paths, 1, SCOPE_STATIC);
        struct proposal_request request = request_of(&scope, 1, NULL);
        _cleanup_buf_ struct buf one = {0}, many = {0};
        for (unsigned i = 0; i < 200; i++) {
                char name[32];
                snprintf(name, sizeof name, "%s%u", i % 3 ? "f" : "f-", i);
                put(in(name), name);
        }
        request.workers = 1;
        propose(&request, &one);
        request.workers = 8;
        propose(&request, &many);
        ck_assert_uint_eq(one.size, many.size);
        ck_assert_mem_eq(one.data, many.data, one.size);
}
END_TEST

START_TEST(our_own_state_is_excluded_in_the_signed_text)
{
        char *paths[] = {scratch}, state[256];
        const char *never[] = {state, "/elsewhere/state"};
        struct scope scope = scope_of("here", paths, 1, SCOPE_STATIC);
        struct proposal_request request = request_of(&scope, 1, NULL);
        snprintf(state, sizeof state, "%s", put_folder(in("state")));
        put(in("state/driftd.db"), "moves");
        request.never = never;
        request.n_never = 2;
        _cleanup_(baseline_freep) struct baseline *baseline = proposed(&request);
        size_t n;
        const struct scope *scopes = baseline_scopes(baseline, &n);
        ck_assert_uint_eq(n, 1);
        ck_assert_uint_eq(scopes[0].excludes.count, 1); /* the other lies in no scope */
        ck_assert_str_eq(scopes[0].excludes.items[0], state);
        assert_line(baseline, state, NULL);
        assert_line(baseline, in("state/driftd.db"), NULL);
}
END_TEST

static bool
has_line(const struct baseline *baseline, const char *line)
{
        _cleanup_buf_ struct buf text = {0};
        ck_assert_int_eq(baseline_text_append(baseline, &text), 0);
        return strstr(text.data, line) != NULL;
}

/* A sysctl scope over a tree of our own. */
static struct scope
sysctl_scope(char *root[static 1])
{
        static char sys[256];
        put_folder(in("proc"));
        snprintf(sys, sizeof sys, "%s", put_folder(in("proc/sys")));
        root[0] = sys;
        put_folder(in("proc/sys/kernel"));
        put(in("proc/sys/kernel/kptr_restrict"), "1\n");
        put(in("proc/sys/kernel/empty"), "\n");
        put(in("proc/sys/kernel/hostname"), "here\n");
        put_folder(in("proc/sys/vm"));
        put(in("proc/sys/vm/two"), "4096\t8192\n");
        return (struct scope){.domain = SCOPE_SYSCTL, .name = "sysctl", .paths = {root, 1}};
}

START_TEST(settings_are_taken_as_they_are_read)
{
        char *root[1];
        struct scope scope = sysctl_scope(root);
        struct proposal_request request = request_of(&scope, 1, NULL);
        _cleanup_(baseline_freep) struct baseline *baseline = proposed(&request);
        ck_assert(
                has_line(baseline, "\nset sysctl:kernel/empty eq \\x00\nset sysctl:kernel/hostname exists -\n"
                                   "set sysctl:kernel/kptr_restrict eq 1\n"));
        ck_assert(has_line(baseline, "\nset sysctl:vm/two eq 4096\\x208192\n"));
        /* Another generation takes one item live, and leaves the rest as expected. */
        put(in("proc/sys/kernel/kptr_restrict"), "2\n");
        put(in("proc/sys/vm/two"), "1\n");
        char *items[] = {(char *)(uintptr_t) "sysctl:kernel/**"};
        request.parent = baseline;
        request.generation = 2;
        request.items = items;
        request.n_items = 1;
        _cleanup_(baseline_freep) struct baseline *next = proposed(&request);
        ck_assert(has_line(next, "set sysctl:kernel/kptr_restrict eq 2\n"));
        ck_assert(has_line(next, "set sysctl:vm/two eq 4096\\x208192\n"));
}
END_TEST

START_TEST(settings_that_cannot_be_read_refuse_the_proposal)
{
        char *root[] = {in("nowhere")};
        struct scope scope = {.domain = SCOPE_SYSCTL, .name = "sysctl", .paths = {root, 1}};
        struct proposal_request request = request_of(&scope, 1, NULL);
        struct buf text = {0};
        struct err err = {0};
        ck_assert_int_eq(proposal_make(&request, &text, &err), PROPOSAL_REFUSED);
        ck_assert_ptr_nonnull(strstr(err.text, "sysctl"));
}
END_TEST

START_TEST(a_domain_whose_software_is_not_there_has_a_scope_and_no_line)
{
        char *config[] = {in("sshd_config")};
        struct scope scope = {
                .domain = SCOPE_SSHD, .name = "sshd", .paths = {config, 1}, .command = in("no-sshd")};
        struct proposal_request request = request_of(&scope, 1, NULL);
        _cleanup_(baseline_freep) struct baseline *baseline = proposed(&request);
        size_t n;
        baseline_scopes(baseline, &n);
        ck_assert_uint_eq(n, 1);
        baseline_settings(baseline, &n);
        ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(scopes_come_sorted_whatever_their_order_was)
{
        char *first[] = {in("x")}, *second[] = {in("y")};
        put(first[0], "one\n");
        put(second[0], "one\n");
        struct scope scopes[] = {
                scope_of("zz", first, 1, SCOPE_STATIC), scope_of("aa", second, 1, SCOPE_STATIC)};
        struct proposal_request request = request_of(scopes, 2, NULL);
        _cleanup_(baseline_freep) struct baseline *baseline = proposed(&request);
        size_t n;
        const struct scope *proposed_scopes = baseline_scopes(baseline, &n);
        ck_assert_uint_eq(n, 2);
        ck_assert_str_eq(proposed_scopes[0].name, "aa");
}
END_TEST

/* ---- modes ---- */

START_TEST(of_a_present_file_its_type_is_said)
{
        char *paths[] = {scratch};
        struct scope scope = scope_of("here", paths, 1, SCOPE_PRESENT);
        struct proposal_request request = request_of(&scope, 1, NULL);
        put(in("a"), "one\n");
        _cleanup_(baseline_freep) struct baseline *baseline = proposed(&request);
        assert_line(baseline, in("a"), " type=file");
        assert_line(baseline, scratch, " type=dir");
}
END_TEST

START_TEST(of_a_growing_file_size_and_inode_are_said_too)
{
        char *paths[] = {scratch}, expected[256];
        struct stat st;
        struct scope scope = scope_of("here", paths, 1, SCOPE_GROWING);
        struct proposal_request request = request_of(&scope, 1, NULL);
        put(in("a"), "one\n");
        ck_assert_int_eq(stat(in("a"), &st), 0);
        snprintf(expected, sizeof expected, " type=file mode=0644 size=4 content=" HEX_ONE " inode=%ju",
                (uintmax_t)st.st_ino);
        _cleanup_(baseline_freep) struct baseline *baseline = proposed(&request);
        assert_line(baseline, in("a"), expected);
}
END_TEST

/* Keeps writing until it is told to stop. */
struct writer {
        int fd;
        bool appends;
        atomic_bool stop;
        atomic_uint rounds;
};

static void *
write_on(void *userdata)
{
        struct writer *writer = userdata;
        for (unsigned i = 0; !atomic_load(&writer->stop); i++) {
                char byte = (char)i;
                ssize_t n = writer->appends ? write(writer->fd, &byte, 1) : pwrite(writer->fd, &byte, 1, 0);
                if (n != 1)
                        break;
                atomic_fetch_add(&writer->rounds, 1);
        }
        return NULL;
}

/* Proposes while somebody writes to a file that takes a good while to read. */
static int
propose_while_written(const struct proposal_request *request, bool appends, struct buf *ret, struct err *err)
{
        struct writer writer = {.appends = appends};
        pthread_t thread;
        writer.fd = open(in("busy"), O_RDWR | O_CREAT | O_CLOEXEC | (appends ? O_APPEND : 0), 0644);
        ck_assert_int_ge(writer.fd, 0);
        ck_assert_int_eq(ftruncate(writer.fd, 256 << 20), 0);
        ck_assert_int_eq(pthread_create(&thread, NULL, write_on, &writer), 0);
        while (!atomic_load(&writer.rounds))
                sched_yield();
        int r = proposal_make(request, ret, err);
        atomic_store(&writer.stop, true);
        pthread_join(thread, NULL);
        close(writer.fd);
        return r;
}

START_TEST(what_does_not_hold_still_refuses_the_proposal_by_name)
{
        char *paths[] = {scratch};
        struct err err = {0};
        _cleanup_buf_ struct buf text = {0};
        struct scope scope = scope_of("here", paths, 1, SCOPE_STATIC);
        struct proposal_request request = request_of(&scope, 1, NULL);
        ck_assert_int_eq(propose_while_written(&request, false, &text, &err), PROPOSAL_REFUSED);
        ck_assert_ptr_null(text.data);
        ck_assert_ptr_nonnull(strstr(err.text, in("busy")));
        ck_assert_ptr_nonnull(strstr(err.text, "hold still"));
        ck_assert_uint_gt(strlen(err.hint), 0);
}
END_TEST

START_TEST(a_log_in_use_may_be_proposed)
{
        char *paths[] = {scratch};
        struct err err = {0};
        _cleanup_buf_ struct buf text = {0};
        struct scope scope = scope_of("here", paths, 1, SCOPE_GROWING);
        struct proposal_request request = request_of(&scope, 1, NULL);
        int r = propose_while_written(&request, true, &text, &err);
        ck_assert_msg(r == 0, "%s", err.text);
        _cleanup_(baseline_freep) struct baseline *baseline = opened(&text);
        ck_assert_uint_eq(baseline_files(baseline), 2);
}
END_TEST

static void
propose_unreadable(void)
{
        char *paths[] = {scratch};
        struct err err = {0};
        struct buf text = {0};
        struct scope scope = scope_of("here", paths, 1, SCOPE_STATIC);
        struct proposal_request request = request_of(&scope, 1, NULL);
        expect(proposal_make(&request, &text, &err) == PROPOSAL_REFUSED);
        expect(strstr(err.text, "secret\\x0aforged (Permission denied)") != NULL);
        expect(strchr(err.text, '\n') == NULL);
        scope.mode = SCOPE_PRESENT; /* that it is there can be seen */
        expect(proposal_make(&request, &text, &err) == 0);
        buf_done(&text);
}

START_TEST(what_cannot_be_read_refuses_the_proposal_by_name)
{
        put_bytes(in("secret\nforged"), "x", 1, 0000);
        as_nobody(propose_unreadable);
}
END_TEST

/* ---- a part ---- */

START_TEST(only_the_items_named_are_taken_live)
{
        char *paths[1];
        struct scope scope;
        _cleanup_(baseline_freep) struct baseline *parent = first_generation(&scope, paths);
        put(in("a"), "two\n");
        put(in("b"), "two\n");
        put(in("c"), "two\n");
        char *items[] = {escaped_item("a")};
        struct proposal_request request = request_of(&scope, 1, parent);
        request.items = items;
        request.n_items = 1;
        _cleanup_(baseline_freep) struct baseline *next = proposed(&request);
        assert_line(next, in("a"), " type=file mode=0644 content=" HEX_TWO);
        assert_line(next, in("b"), " type=file mode=0644 content=" HEX_ONE);
        assert_line(next, in("c"), NULL);
        ck_assert_uint_eq(baseline_files(next), 3);
}
END_TEST

START_TEST(a_new_file_and_a_removed_one_are_taken_over_by_name)
{
        char *paths[1];
        struct scope scope;
        _cleanup_(baseline_freep) struct baseline *parent = first_generation(&scope, paths);
        ck_assert_int_eq(unlink(in("b")), 0);
        put(in("c"), "two\n");
        char *items[] = {escaped_item("c"), escaped_item("b")};
        struct proposal_request request = request_of(&scope, 1, parent);
        request.items = items;
        request.n_items = 2;
        _cleanup_(baseline_freep) struct baseline *next = proposed(&request);
        assert_line(next, in("a"), " type=file mode=0644 content=" HEX_ONE);
        assert_line(next, in("b"), NULL);
        assert_line(next, in("c"), " type=file mode=0644 content=" HEX_TWO);
}
END_TEST

START_TEST(a_glob_takes_what_it_matches)
{
        char *paths[1];
        struct scope scope;
        _cleanup_(baseline_freep) struct baseline *parent = first_generation(&scope, paths);
        put(in("a"), "two\n");
        put(in("b"), "two\n");
        put_folder(in("aa"));
        put(in("aa/x"), "two\n");
        char *items[] = {escaped_item("a*")};
        struct proposal_request request = request_of(&scope, 1, parent);
        request.items = items;
        request.n_items = 1;
        _cleanup_(baseline_freep) struct baseline *next = proposed(&request);
        assert_line(next, in("a"), " type=file mode=0644 content=" HEX_TWO);
        assert_line(next, in("b"), " type=file mode=0644 content=" HEX_ONE);
        assert_line(next, in("aa"), " type=dir mode=0755");
        assert_line(next, in("aa/x"), " type=file mode=0644 content=" HEX_TWO);
}
END_TEST

START_TEST(items_within_each_other_are_looked_at_once)
{
        char *paths[1];
        struct scope scope;
        atomic_ullong files = 0;
        _cleanup_(baseline_freep) struct baseline *parent = first_generation(&scope, paths);
        char *items[] = {escaped_item("a"), escaped_item(""), escaped_item("a"), escaped_item("")};
        struct proposal_request request = request_of(&scope, 1, parent);
        request.items = items;
        request.n_items = 4;
        request.files = &files;
        _cleanup_(baseline_freep) struct baseline *next = proposed(&request);
        ck_assert_uint_eq(baseline_files(next), 3);
        ck_assert_uint_eq(files, 3);
}
END_TEST

START_TEST(naming_items_keeps_the_signed_scopes_and_naming_none_takes_the_configured)
{
        char *paths[1];
        struct scope scope;
        _cleanup_(baseline_freep) struct baseline *parent = first_generation(&scope, paths);
        char *items[] = {escaped_item("a")};
        size_t n;
        scope.severity = SEVERITY_LOW;
        scope.attributes = ATTRIBUTE_BIT(ATTRIBUTE_TYPE);
        struct proposal_request request = request_of(&scope, 1, parent);
        request.items = items;
        request.n_items = 1;
        _cleanup_(baseline_freep) struct baseline *part = proposed(&request);
        ck_assert_int_eq(baseline_scopes(part, &n)->severity, SEVERITY_HIGH);
        assert_line(part, in("a"), " type=file mode=0644 content=" HEX_ONE);
        request.n_items = 0;
        _cleanup_(baseline_freep) struct baseline *whole = proposed(&request);
        ck_assert_int_eq(baseline_scopes(whole, &n)->severity, SEVERITY_LOW);
        assert_line(whole, in("a"), " type=file");
}
END_TEST

/* ---- waivers, settings, retiring ---- */

/* A parent that holds settings and waivers too. */
static struct baseline *
parent_with(const char *entries)
{
        _cleanup_buf_ struct buf text = {0};
        char *paths[1];
        struct scope scope;
        _cleanup_(baseline_freep) struct baseline *first = first_generation(&scope, paths);
        ck_assert_int_eq(baseline_text_append(first, &text), 0);
        ck_assert_int_eq(buf_text(&text, entries), 0);
        return opened(&text);
}

START_TEST(a_waiver_alone_leaves_all_else_as_it_was)
{
        _cleanup_(baseline_freep) struct baseline *parent =
                parent_with("set sysctl:a eq 1\n"
                            "waive host file:/old until=2027-01-15T08:00:00Z by=bob reason=x\n"
                            "waive host file:/still until=2027-01-15T08:00:01Z by=bob reason=x\n");
        const struct waiver waiver = {"host", "file:/new", NOW_MS + 5000, "alice", "y"};
        struct proposal_request request = request_of(NULL, 0, parent);
        request.waivers = &waiver;
        request.n_waivers = 1;
        put(in("a"), "two\n");
        _cleanup_(baseline_freep) struct baseline *next = proposed(&request);
        assert_line(next, in("a"), " type=file mode=0644 content=" HEX_ONE);
        size_t n_settings, n_waivers;
        const struct setting *settings = baseline_settings(next, &n_settings);
        const struct waiver *waivers = baseline_waivers(next, &n_waivers);
        ck_assert_uint_eq(n_settings, 1);
        ck_assert_str_eq(settings[0].value, "1");
        ck_assert_uint_eq(n_waivers, 2); /* what has ended is left out */
        ck_assert_str_eq(waivers[0].item, "file:/new");
        ck_assert_str_eq(waivers[0].by, "alice");
        ck_assert_str_eq(waivers[1].item, "file:/still");
}
END_TEST

START_TEST(the_same_waiver_again_stands_once)
{
        _cleanup_(baseline_freep) struct baseline *parent =
                parent_with("waive host file:/a until=2027-01-15T08:00:05Z by=bob reason=x\n");
        const struct waiver waiver = {"host", "file:/a", NOW_MS + 5000, "bob", "x"};
        struct proposal_request request = request_of(NULL, 0, parent);
        request.waivers = &waiver;
        request.n_waivers = 1;
        _cleanup_(baseline_freep) struct baseline *next = proposed(&request);
        size_t n;
        baseline_waivers(next, &n);
        ck_assert_uint_eq(n, 1);
}
END_TEST

START_TEST(a_retired_baseline_expects_nothing)
{
        _cleanup_(baseline_freep) struct baseline *parent = parent_with(
                "set sysctl:a eq 1\nwaive host file:/a until=2027-01-15T08:00:05Z by=bob reason=x\n");
        struct proposal_request request = request_of(NULL, 0, parent);
        request.retire = true;
        _cleanup_(baseline_freep) struct baseline *next = proposed(&request);
        size_t n_scopes, n_settings, n_waivers;
        baseline_scopes(next, &n_scopes);
        baseline_settings(next, &n_settings);
        baseline_waivers(next, &n_waivers);
        ck_assert_uint_eq(n_scopes + n_settings + n_waivers + baseline_files(next), 0);
        ck_assert_uint_eq(baseline_header(next)->generation, 2);
}
END_TEST

START_TEST(a_proposal_can_be_given_up)
{
        char *paths[] = {scratch};
        atomic_bool cancel = true;
        _cleanup_buf_ struct buf text = {0};
        struct scope scope = scope_of("here", paths, 1, SCOPE_STATIC);
        struct proposal_request request = request_of(&scope, 1, NULL);
        put(in("a"), "one\n");
        request.cancel = &cancel;
        ck_assert_int_eq(proposal_make(&request, &text, NULL), -ECANCELED);
        ck_assert_ptr_null(text.data);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("proposal");
        TCase *whole = tcase_create("the whole"), *modes = tcase_create("modes"),
              *part = tcase_create("a part"), *rest = tcase_create("waivers, settings, retiring");
        tcase_set_timeout(modes, 60); /* it hashes 256 MiB three times over, perhaps beside other tests */
        TCase *all[] = {whole, modes, part, rest};
        digest_setup();
        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
                tcase_add_checked_fixture(all[i], scratch_make, scratch_remove);
                suite_add_tcase(suite, all[i]);
        }
        tcase_add_test(whole, a_first_proposal_holds_what_is_live);
        tcase_add_test(whole, the_header_says_what_was_asked_for);
        tcase_add_test(whole, the_same_state_gives_the_same_bytes);
        tcase_add_test(whole, our_own_state_is_excluded_in_the_signed_text);
        tcase_add_test(whole, settings_are_taken_as_they_are_read);
        tcase_add_test(whole, settings_that_cannot_be_read_refuse_the_proposal);
        tcase_add_test(whole, a_domain_whose_software_is_not_there_has_a_scope_and_no_line);
        tcase_add_test(whole, scopes_come_sorted_whatever_their_order_was);
        tcase_add_test(modes, of_a_present_file_its_type_is_said);
        tcase_add_test(modes, of_a_growing_file_size_and_inode_are_said_too);
        tcase_add_test(modes, what_does_not_hold_still_refuses_the_proposal_by_name);
        tcase_add_test(modes, a_log_in_use_may_be_proposed);
        tcase_add_test(modes, what_cannot_be_read_refuses_the_proposal_by_name);
        tcase_add_test(part, only_the_items_named_are_taken_live);
        tcase_add_test(part, a_new_file_and_a_removed_one_are_taken_over_by_name);
        tcase_add_test(part, a_glob_takes_what_it_matches);
        tcase_add_test(part, items_within_each_other_are_looked_at_once);
        tcase_add_test(part, naming_items_keeps_the_signed_scopes_and_naming_none_takes_the_configured);
        tcase_add_test(rest, a_waiver_alone_leaves_all_else_as_it_was);
        tcase_add_test(rest, the_same_waiver_again_stands_once);
        tcase_add_test(rest, a_retired_baseline_expects_nothing);
        tcase_add_test(rest, a_proposal_can_be_given_up);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures != 0;
}
