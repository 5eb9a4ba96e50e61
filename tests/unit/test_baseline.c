/* SPDX-License-Identifier: MIT */
/*
 * Baselines: golden vectors to the byte, every rule of the form broken once, lookups against a plain walk,
 * and that no flipped bit goes unnoticed. Runs in the top folder of the tree (tests/data).
 */
#include "core/baseline.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/digest.h"

#define GOLDEN "tests/data/baseline/golden.baseline"
#define GOLDEN_ID "17a208ef95c5a4692d0c4e86a0fc9c8329518350403f89edb619dd34481f4d5c"
#define SMALL "tests/data/baseline/small.baseline"
#define SMALL_ID "6d481458f1e3c8519db0cafcf3f28571e4ce0026cd03250ca94a84cae631665b"

/* ---- helpers ---- */

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
}

/* Opens a copy. */
static int
open_bytes(const void *bytes, size_t size, struct baseline **ret, struct err *err)
{
        char *copy = malloc(size + 1);
        ck_assert_ptr_nonnull(copy);
        if (size)
                memcpy(copy, bytes, size);
        copy[size] = '\0';
        char *exact = realloc(copy, size ? size : 1); /* so that a read past the end is seen */
        return baseline_open(exact, size, ret, err);
}

static struct baseline *
opened(const struct buf *text)
{
        struct baseline *baseline = NULL;
        struct err err = {0};
        int r = open_bytes(text->data, text->size, &baseline, &err);
        ck_assert_msg(r == 0, "%s", err.text);
        return baseline;
}

static struct baseline *
opened_file(const char *path)
{
        _cleanup_buf_ struct buf text = {0};
        file_get(path, &text);
        return opened(&text);
}

static void
assert_refused(const struct buf *text, const char *why)
{
        struct baseline *baseline = NULL;
        struct err err = {0};
        int r = open_bytes(text->data, text->size, &baseline, &err);
        ck_assert_msg(r == BASELINE_MALFORMED, "not refused: %s", why);
        ck_assert_ptr_null(baseline);
        ck_assert_int_eq(err.code, BASELINE_MALFORMED);
        ck_assert_uint_gt(strlen(err.text), 0);
        for (const char *p = err.text; *p; p++)
                ck_assert_msg(*p >= 0x20 && *p < 0x7f, "%s: byte %#x in the words", why, (unsigned char)*p);
}

/* Writes a baseline again from what it says it holds. */
static void
rewrite(const struct baseline *baseline, struct buf *ret)
{
        size_t n_scopes, n_settings, n_waivers;
        const struct scope *scopes = baseline_scopes(baseline, &n_scopes);
        const struct setting *settings = baseline_settings(baseline, &n_settings);
        const struct waiver *waivers = baseline_waivers(baseline, &n_waivers);
        ck_assert_int_eq(baseline_header_append(baseline_header(baseline), ret), 0);
        for (size_t i = 0; i < n_scopes; i++)
                ck_assert_int_eq(scope_append(&scopes[i], ret), 0);
        for (size_t i = 0; i < baseline_files(baseline); i++) {
                _cleanup_attributes_ struct attributes attributes = {0};
                size_t size;
                const char *path = baseline_file_path(baseline, i, &size);
                _cleanup_free_ char *copy = strndup(path, size);
                ck_assert_int_eq(baseline_file_attributes(baseline, i, &attributes), 0);
                ck_assert_int_eq(baseline_file_append(copy, ATTRIBUTES_ALL, &attributes, ret), 0);
        }
        for (size_t i = 0; i < n_settings; i++)
                ck_assert_int_eq(setting_append(&settings[i], ret), 0);
        for (size_t i = 0; i < n_waivers; i++)
                ck_assert_int_eq(baseline_waiver_append(&waivers[i], ret), 0);
}

static void
assert_rewrites(const struct baseline *baseline)
{
        _cleanup_buf_ struct buf again = {0}, text = {0};
        ck_assert_int_eq(baseline_text_append(baseline, &text), 0);
        rewrite(baseline, &again);
        ck_assert_uint_eq(again.size, text.size);
        ck_assert_mem_eq(again.data, text.data, text.size);
}

/* ---- golden vectors ---- */

static const struct {
        const char *path, *id;
} vectors[] = {{GOLDEN, GOLDEN_ID}, {SMALL, SMALL_ID}};

START_TEST(the_id_is_what_sha256sum_says)
{
        char hex[DIGEST_HEX_SIZE], said[DIGEST_HEX_SIZE] = "", command[128];
        _cleanup_(baseline_freep) struct baseline *baseline = opened_file(vectors[_i].path);
        digest_hex(baseline_id(baseline), hex);
        ck_assert_str_eq(hex, vectors[_i].id);
        snprintf(command, sizeof command, "sha256sum %s", vectors[_i].path);
        FILE *pipe = popen(command, "r");
        ck_assert_ptr_nonnull(pipe);
        ck_assert_uint_eq(fread(said, 1, DIGEST_HEX_SIZE - 1, pipe), DIGEST_HEX_SIZE - 1);
        ck_assert_int_eq(pclose(pipe), 0);
        ck_assert_str_eq(said, hex);
}
END_TEST

START_TEST(a_vector_is_written_again_to_the_byte)
{
        _cleanup_(baseline_freep) struct baseline *baseline = opened_file(vectors[_i].path);
        assert_rewrites(baseline);
}
END_TEST

START_TEST(sort_agrees_with_the_order_of_the_lines)
{
        static const char *const kinds[] = {"scope", "file", "set", "waive"};
        char command[256];
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                snprintf(command, sizeof command, "grep '^%s ' %s | LC_ALL=C sort -c", kinds[i], GOLDEN);
                ck_assert_int_eq(system(command), 0);
        }
}
END_TEST

START_TEST(the_header_is_read)
{
        _cleanup_(baseline_freep) struct baseline *golden = opened_file(GOLDEN), *small = opened_file(SMALL);
        const struct baseline_header *header = baseline_header(golden);
        char hex[DIGEST_HEX_SIZE];
        ck_assert_str_eq(header->name, "host");
        ck_assert_str_eq(header->host, "0b8f6c1e4d2a49f7a1c3e5b7d9f01234");
        ck_assert_uint_eq(header->generation, 12);
        ck_assert(header->has_parent);
        digest_hex(&header->parent, hex);
        ck_assert_str_eq(hex, "373eeb98125936d3ce5439c2b9b6d49b40e13ab2b53426810d4313d668c926e3");
        ck_assert_int_eq(header->created_ms, 1795456800000);
        ck_assert_int_eq(header->expires_ms, 1803405600000);
        ck_assert_str_eq(header->author, "alice");
        ck_assert_str_eq(header->ticket, "CHG-1234\\x20(web)");
        ck_assert_int_eq(header->class, CLASS_NORMAL);
        header = baseline_header(small);
        ck_assert_str_eq(header->host, "*");
        ck_assert(!header->has_parent);
        ck_assert_int_eq(header->expires_ms, INT64_MAX);
        ck_assert_ptr_null(header->ticket);
        ck_assert_int_eq(header->class, CLASS_STANDARD);
}
END_TEST

START_TEST(settings_and_waivers_are_read)
{
        _cleanup_(baseline_freep) struct baseline *baseline = opened_file(GOLDEN);
        size_t n_scopes, n_settings, n_waivers;
        baseline_scopes(baseline, &n_scopes);
        const struct setting *settings = baseline_settings(baseline, &n_settings);
        const struct waiver *waivers = baseline_waivers(baseline, &n_waivers);
        ck_assert_uint_eq(n_scopes, 8);
        ck_assert_uint_eq(baseline_files(baseline), 16);
        ck_assert_uint_eq(n_settings, 3);
        ck_assert_str_eq(settings[1].item, "sshd:permitrootlogin");
        ck_assert_int_eq(settings[1].op, SETTING_IN);
        ck_assert_str_eq(settings[1].value, "no\\x20prohibit-password");
        ck_assert_uint_eq(n_waivers, 2);
        ck_assert_str_eq(waivers[1].baseline, "host");
        ck_assert_str_eq(waivers[1].item, "file:/etc/app.conf.d/**");
        ck_assert_int_eq(waivers[1].until_ms, 1796083200000);
        ck_assert_str_eq(waivers[1].by, "alice");
        ck_assert_str_eq(waivers[1].reason, "CHG-1240");
}
END_TEST

/* ---- every rule broken once ---- */

/* `there` is replaced once by `instead`; each mutation alone must be refused. */
static const struct {
        const char *rule, *there, *instead;
} mutations[] = {
        {"the first line is the format and its version", "driftd-baseline 1", "driftd-baseline 2"},
        {"nothing after the version", "driftd-baseline 1\n", "driftd-baseline 1 \n"},
        {"nothing before the first line", "driftd-baseline 1", "\ndriftd-baseline 1"},
        {"no byte order mark", "driftd-baseline 1",
                "\xef\xbb\xbf"
                "driftd-baseline 1"},
        {"LF and not CRLF", "driftd-baseline 1\n", "driftd-baseline 1\r\n"},
        {"no CR in an entry", "gid=0\nfile /etc/app-name", "gid=0\r\nfile /etc/app-name"},
        {"the header in its order", "name host\nhost 0b8f6c1e4d2a49f7a1c3e5b7d9f01234\n",
                "host 0b8f6c1e4d2a49f7a1c3e5b7d9f01234\nname host\n"},
        {"every header line", "class normal\n", ""},
        {"a header line once", "class normal\n", "class normal\nclass normal\n"},
        {"no other header line", "class normal\n", "class normal\ncolour red\n"},
        {"one blank after the word", "name host", "name  host"},
        {"no blank at the end of a line", "name host\n", "name host \n"},
        {"a tab is no blank", "name host", "name\thost"},
        {"a name is not empty", "name host", "name "},
        {"a name has no slash", "name host", "name ho/st"},
        {"a name does not begin with a dot", "name host", "name .host"},
        {"a name has at most 63 bytes", "name host",
                "name hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh"},
        {"a host is 32 digits", "host 0b8f", "host b8f"},
        {"and not 33", "host 0b8f", "host 00b8f"},
        {"in lower case", "host 0b8f6c1e", "host 0B8F6C1E"},
        {"of hexadecimal", "host 0b8f6c1e", "host 0g8f6c1e"},
        {"or a star alone", "host 0b8f6c1e4d2a49f7a1c3e5b7d9f01234", "host **"},
        {"a generation has no leading zero", "generation 12", "generation 012"},
        {"is not 0", "generation 12", "generation 0"},
        {"has no sign", "generation 12", "generation +12"},
        {"is decimal", "generation 12", "generation 0x12"},
        {"is a number", "generation 12", "generation twelve"},
        {"has at most 18 digits", "generation 12", "generation 1234567890123456789"},
        {"a later generation has a parent",
                "parent 373eeb98125936d3ce5439c2b9b6d49b40e13ab2b53426810d4313d668c926e3", "parent none"},
        {"the first has none", "generation 12", "generation 1"},
        {"a parent is in lower case", "parent 373eeb98", "parent 373EEB98"},
        {"a parent has 64 digits", "parent 373eeb98", "parent 73eeb98"},
        {"a time is in UTC", "created 2026-11-23T18:00:00Z", "created 2026-11-23T18:00:00+00:00"},
        {"has seconds", "created 2026-11-23T18:00:00Z", "created 2026-11-23T18:00Z"},
        {"has no fraction", "created 2026-11-23T18:00:00Z", "created 2026-11-23T18:00:00.0Z"},
        {"has T and Z in upper case", "created 2026-11-23T18:00:00Z", "created 2026-11-23t18:00:00z"},
        {"is in the calendar", "created 2026-11-23", "created 2026-02-29"},
        {"is in the day", "created 2026-11-23T18", "created 2026-11-23T24"},
        {"something is always created", "created 2026-11-23T18:00:00Z", "created never"},
        {"an end is a time or never", "expires 2027-02-23T18:00:00Z", "expires Never"},
        {"an author is a name", "author alice", "author alice@example"},
        {"a ticket is not empty", "ticket CHG-1234\\x20(web)", "ticket "},
        {"a ticket is escaped", "ticket CHG-1234\\x20(web)", "ticket CHG-1234 (web)"},
        {"and not more than needed", "ticket CHG-1234\\x20(web)", "ticket CHG-\\x31234"},
        {"a class is one of three", "class normal", "class special"},
        {"an empty line ends the header", "class normal\n\n", "class normal\n"},
        {"one", "class normal\n\n", "class normal\n\n\n"},
        {"no empty line among the entries", "gid=0\nfile /etc/app-name", "gid=0\n\nfile /etc/app-name"},
        {"no comment", "file /etc type", "# a comment\nfile /etc type"},
        {"no other kind of line", "set openssl", "unset openssl"},
        {"kinds in their order", "set openssl:system_default/MinProtocol eq TLSv1.2\n",
                "set openssl:system_default/MinProtocol eq TLSv1.2\nfile /etc/zzz type=fifo mode=0644 uid=0 "
                "gid=0\n"},
        {"scopes sorted", "scope files dev path", "scope files zdev path"},
        {"a scope's name once", "scope files etc path=/etc path", "scope files dev path=/usr path"},
        {"a scope in its one form", "mounts=local keep_content=auto", "keep_content=auto mounts=local"},
        {"a scope's paths are canonical", "path=/srv/jail/dev ", "path=/srv/jail/dev/ "},
        {"files sorted", "file /etc/app-name", "file /etc/zzz"},
        {"sorted by bytes, not by a locale", "file /etc/app-name type=file", "file /etc/app.xonf type=file"},
        {"a line once", "set openssl:system_default/MinProtocol eq TLSv1.2\n",
                "set openssl:system_default/MinProtocol eq TLSv1.2\nset openssl:system_default/MinProtocol "
                "eq TLSv1.2\n"},
        {"a path once", "file /etc type=dir mode=0755 uid=0 gid=0\n",
                "file /etc type=dir mode=0755 uid=0 gid=0\nfile /etc type=fifo mode=0755 uid=0 gid=0\n"},
        {"a path is absolute", "file /etc type", "file etc type"},
        {"a path has no double slash", "file /etc/app-name", "file /etc//app-name"},
        {"a path does not begin with two", "file /etc type", "file //etc type"},
        {"a path has no ..", "file /etc/app-name", "file /etc/../etc/app-name"},
        {"a path has no .", "file /etc/app-name", "file /etc/./app-name"},
        {"a path does not end with a slash", "file /etc/app-name type", "file /etc/app-name/ type"},
        {"a path is escaped", "file /etc/caf\\xc3\\xa9", "file /etc/caf\xc3\xa9"},
        {"in lower case", "caf\\xc3\\xa9", "caf\\xC3\\xa9"},
        {"with four bytes", "caf\\xc3\\xa9", "caf\\xc3\\x9"},
        {"only where needed", "caf\\xc3\\xa9", "ca\\x66\\xc3\\xa9"},
        {"a backslash is an escape", "file /etc/app-name", "file /etc/app\\name"},
        {"a file lies in a scope", "file /etc type", "file /bin type"},
        {"and not in what it excludes", "file /etc/localtime", "file /etc/localtime.tmp"},
        {"a file has a type", "file /etc type=dir mode", "file /etc mode"},
        {"fields in their order", "mode=0755 uid=0 gid=0\nfile /etc/app-name",
                "uid=0 mode=0755 gid=0\nfile /etc/app-name"},
        {"no unknown field", "gid=0\nfile /etc/app-name", "gid=0 colour=red\nfile /etc/app-name"},
        {"one blank between fields", "mode=0755 uid=0 gid=0\nfile /etc/app-name",
                "mode=0755  uid=0 gid=0\nfile /etc/app-name"},
        {"a mode has four digits", "mode=0755 uid=0 gid=0\nfile /etc/app-name",
                "mode=755 uid=0 gid=0\nfile /etc/app-name"},
        {"a number has no leading zero", "uid=0 gid=0\nfile /etc/app-name",
                "uid=00 gid=0\nfile /etc/app-name"},
        {"a digest is in lower case", "content=4ded89b3", "content=4DED89B3"},
        {"and has 64 digits", "content=4ded89b3", "content=ded89b3"},
        {"extended attributes are sorted", ":security.selinux", ":user.z"},
        {"flags are in their order", "flags=append,nodump", "flags=nodump,append"},
        {"no attribute that the scope does not judge by", "gid=0\nfile /etc/app-name",
                "gid=0 inode=7\nfile /etc/app-name"},
        {"of a file that is only present the type alone", "file /var/lib/app/pid type=file",
                "file /var/lib/app/pid type=file mode=0644"},
        {"a growing file's content has its size", "gid=4 size=10 content=212f", "gid=4 content=212f"},
        {"a setting has a domain", "set sshd:permitrootlogin in", "set sshdpermitrootlogin in"},
        {"a file is no setting", "set openssl:system_default/MinProtocol eq", "set file:/etc/passwd eq"},
        {"a setting has an operator", "set sysctl:net/ipv4/ip_forward eq 0",
                "set sysctl:net/ipv4/ip_forward 0"},
        {"of letters", "set sysctl:net/ipv4/ip_forward eq 0", "set sysctl:net/ipv4/ip_forward e\x1bq 0"},
        {"in lower case", "set sysctl:net/ipv4/ip_forward eq 0", "set sysctl:net/ipv4/ip_forward EQ 0"},
        {"a value is not empty", "ip_forward eq 0\n", "ip_forward eq \n"},
        {"an operator that there is", "ip_forward eq 0\n", "ip_forward equals 0\n"},
        {"a value that fits it", "ip_forward eq 0\n", "ip_forward ge none\n"},
        {"a value is one field", "in no\\x20prohibit", "in no prohibit"},
        {"a value is escaped", "in no\\x20prohibit", "in no\x01prohibit"},
        {"a waiver has a baseline's name", "waive cis sysctl", "waive ci/s sysctl"},
        {"an end", "until=2027-01-01T00:00:00Z ", ""},
        {"a time", "until=2027-01-01T00:00:00Z", "until=never"},
        {"someone who answers for it", "by=bob ", ""},
        {"with a name", "by=bob", "by="},
        {"a reason", "reason=CHG-1240", "reason="},
        {"escaped", "reason=a\\x20router", "reason=a router"},
        {"fields in their order", "by=bob reason=a", "reason=a by=bob"},
        {"waivers sorted", "waive cis sysctl", "waive zis sysctl"},
        {"a newline at the end", "reason=CHG-1240\n", "reason=CHG-1240"},
        {"nothing after it", "reason=CHG-1240\n", "reason=CHG-1240\n\n"},
};

/* Replaces the one place where `there` stands. */
static void
mutate(const struct buf *text, const char *there, const void *instead, size_t size, struct buf *ret)
{
        const char *at = memmem(text->data, text->size, there, strlen(there));
        ck_assert_msg(at != NULL, "\"%s\" does not stand in the vector", there);
        size_t before = (size_t)(at - text->data), after = before + strlen(there);
        ck_assert_int_eq(buf_append(ret, text->data, before), 0);
        ck_assert_int_eq(buf_append(ret, instead, size), 0);
        ck_assert_int_eq(buf_append(ret, text->data + after, text->size - after), 0);
}

START_TEST(every_rule_of_the_form_is_kept)
{
        _cleanup_buf_ struct buf text = {0}, mutant = {0};
        file_get(GOLDEN, &text);
        mutate(&text, mutations[_i].there, mutations[_i].instead, strlen(mutations[_i].instead), &mutant);
        assert_refused(&mutant, mutations[_i].rule);
}
END_TEST

START_TEST(a_nul_is_refused_wherever_it_stands)
{
        _cleanup_buf_ struct buf text = {0};
        file_get(GOLDEN, &text);
        for (size_t i = 0; i < text.size; i += 7) {
                char saved = text.data[i];
                text.data[i] = '\0';
                assert_refused(&text, "a NUL byte");
                text.data[i] = saved;
        }
}
END_TEST

START_TEST(nothing_and_every_beginning_of_a_baseline_are_refused)
{
        _cleanup_buf_ struct buf text = {0};
        file_get(SMALL, &text);
        const char *header_end = strstr(text.data, "\n\n") + 2;
        const char *scope_end = strstr(header_end, "\n") + 1;
        for (size_t size = 0; size < text.size; size++) {
                struct baseline *baseline = NULL;
                int r = open_bytes(text.data, size, &baseline, NULL);
                /* What ends with a whole line is another baseline, and has another id. */
                bool whole =
                        size == (size_t)(header_end - text.data) || size == (size_t)(scope_end - text.data);
                ck_assert_int_eq(r, whole ? 0 : BASELINE_MALFORMED);
                baseline_free(baseline);
        }
}
END_TEST

START_TEST(words_name_the_line)
{
        _cleanup_buf_ struct buf text = {0}, mutant = {0};
        struct baseline *baseline = NULL;
        struct err err = {0};
        file_get(SMALL, &text);
        mutate(&text, "type=file mode=0644", "type=file mode=644", 18, &mutant);
        ck_assert_int_eq(open_bytes(mutant.data, mutant.size, &baseline, &err), BASELINE_MALFORMED);
        ck_assert_msg(strncmp(err.text, "line 13: ", 9) == 0, "%s", err.text);
        buf_clear(&mutant);
        mutate(&text, "file /etc/motd", "file /etc/issue", 15, &mutant);
        ck_assert_int_eq(open_bytes(mutant.data, mutant.size, &baseline, &err), BASELINE_MALFORMED);
        ck_assert_msg(strncmp(err.text, "line 13: ", 9) == 0, "%s", err.text);
        buf_clear(&mutant);
        mutate(&text, "generation 1", "generation one", 14, &mutant);
        ck_assert_int_eq(open_bytes(mutant.data, mutant.size, &baseline, &err), BASELINE_MALFORMED);
        ck_assert_msg(strncmp(err.text, "line 4: ", 8) == 0, "%s", err.text);
}
END_TEST

START_TEST(a_line_may_not_be_longer_than_a_mebibyte)
{
        for (int in_header = 0; in_header < 2; in_header++) {
                _cleanup_buf_ struct buf text = {0}, mutant = {0}, filler = {0};
                file_get(SMALL, &text);
                const char *there = in_header ? "ticket none" : "mode=static";
                ck_assert_int_eq(buf_text(&filler, in_header ? "ticket " : "mode="), 0);
                ck_assert_int_eq(buf_reserve(&filler, BASELINE_LINE_MAX), 0);
                memset(filler.data + filler.size, 'a', BASELINE_LINE_MAX);
                filler.size += BASELINE_LINE_MAX;
                mutate(&text, there, filler.data, filler.size, &mutant);
                assert_refused(&mutant, "a long line");
        }
}
END_TEST

START_TEST(more_scopes_than_allowed_are_refused)
{
        for (unsigned over = 0; over < 2; over++) {
                _cleanup_buf_ struct buf text = {0};
                file_get(SMALL, &text);
                text.size = (size_t)(strstr(text.data, "\n\n") + 2 - text.data);
                for (unsigned i = 0; i < BASELINE_SCOPES_MAX + over; i++)
                        ck_assert_int_eq(buf_printf(&text,
                                                 "scope files s%05u path=/s%05u attributes=type mode=static "
                                                 "severity=low "
                                                 "mounts=local keep_content=never content_within=1\n",
                                                 i, i),
                                0);
                if (over) {
                        assert_refused(&text, "too many scopes");
                        continue;
                }
                _cleanup_(baseline_freep) struct baseline *baseline = opened(&text);
                size_t n;
                baseline_scopes(baseline, &n);
                ck_assert_uint_eq(n, BASELINE_SCOPES_MAX);
        }
}
END_TEST

START_TEST(no_flipped_byte_keeps_the_id)
{
        _cleanup_buf_ struct buf text = {0};
        unsigned others = 0;
        file_get(SMALL, &text);
        _cleanup_(baseline_freep) struct baseline *original = opened(&text);
        for (size_t i = 0; i < text.size; i++)
                for (unsigned flip = 1; flip < 256; flip++) {
                        _cleanup_(baseline_freep) struct baseline *baseline = NULL;
                        text.data[i] = (char)((unsigned char)text.data[i] ^ flip);
                        int r = open_bytes(text.data, text.size, &baseline, NULL);
                        ck_assert(r == 0 || r == BASELINE_MALFORMED);
                        if (r == 0) {
                                ck_assert(!digest_equal(baseline_id(baseline), baseline_id(original)));
                                assert_rewrites(baseline);
                                others++;
                        }
                        text.data[i] = (char)((unsigned char)text.data[i] ^ flip);
                }
        ck_assert_uint_gt(others, 0); /* another letter in a name is another baseline, not a broken one */
}
END_TEST

/* ---- looking up ---- */

/* Names whose order is easily got wrong: bytes around the slash, prefixes of each other. */
static const char *const paths[] = {
        "/",
        "/a",
        "/a!",
        "/a-",
        "/a-/x",
        "/a.",
        "/a/",
        "/a/!",
        "/a/-",
        "/a/b",
        "/a/b/c",
        "/a/b0",
        "/a/b\\x20",
        "/a0",
        "/a0/x",
        "/aa",
        "/b",
        "/b/c/d",
        "/\\x01",
        "/\\xff/x",
        "/~",
};

static void
tree(bool with_root, struct buf *ret)
{
        struct text_list lines = {0};
        _cleanup_buf_ struct buf small = {0};
        file_get(SMALL, &small);
        ck_assert_int_eq(
                buf_append(ret, small.data, (size_t)(strstr(small.data, "\n\n") + 2 - small.data)), 0);
        ck_assert_int_eq(
                buf_text(ret, "scope files all path=/ attributes=type mode=static severity=low mounts=local "
                              "keep_content=never content_within=1\n"),
                0);
        for (size_t i = with_root ? 0 : 1; i < ARRAY_SIZE(paths); i++) {
                _cleanup_buf_ struct buf line = {0};
                if (strcmp(paths[i], "/a/") == 0)
                        continue;
                ck_assert_int_eq(buf_printf(&line, "file %s type=dir\n", paths[i]), 0);
                ck_assert_int_eq(text_list_add(&lines, line.data, line.size), 0);
        }
        text_list_sort(&lines);
        for (size_t i = 0; i < lines.count; i++)
                ck_assert_int_eq(buf_text(ret, lines.items[i]), 0);
        text_list_done(&lines);
}

static bool
entry_is(const struct baseline *baseline, size_t index, const char *path)
{
        size_t size;
        const char *found = baseline_file_path(baseline, index, &size);
        return strlen(path) == size && memcmp(found, path, size) == 0;
}

START_TEST(every_path_is_found_and_no_other)
{
        _cleanup_buf_ struct buf text = {0};
        tree(_i, &text);
        _cleanup_(baseline_freep) struct baseline *baseline = opened(&text);
        size_t n = baseline_files(baseline), found = 0, index;
        for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
                bool is = baseline_file_find(baseline, paths[i], strlen(paths[i]), &index);
                bool should = strcmp(paths[i], "/a/") != 0 && (i > 0 || _i);
                ck_assert_msg(is == should, "%s", paths[i]);
                if (is)
                        ck_assert(entry_is(baseline, index, paths[i]));
                found += is;
        }
        ck_assert_uint_eq(found, n);
        static const char *const others[] = {"", "/a1", "/a/b/", "/a/b/c/d", "/zz", "/\\x00", "/A"};
        for (size_t i = 0; i < ARRAY_SIZE(others); i++)
                ck_assert_msg(
                        !baseline_file_find(baseline, others[i], strlen(others[i]), &index), "%s", others[i]);
        ck_assert(!baseline_file_find(baseline, "/a", 1, &index) || _i); /* the size counts, not a NUL */
}
END_TEST

START_TEST(where_a_path_would_be_is_told)
{
        _cleanup_buf_ struct buf text = {0};
        tree(true, &text);
        _cleanup_(baseline_freep) struct baseline *baseline = opened(&text);
        size_t index;
        ck_assert(!baseline_file_find(baseline, "/a/b/d", 6, &index));
        ck_assert(entry_is(baseline, index - 1, "/a/b/c"));
        ck_assert(entry_is(baseline, index, "/a/b0"));
        ck_assert(!baseline_file_find(baseline, "/~~", 3, &index));
        ck_assert_uint_eq(index, baseline_files(baseline));
}
END_TEST

START_TEST(what_is_below_a_folder_is_one_run)
{
        _cleanup_buf_ struct buf text = {0};
        tree(_i, &text);
        _cleanup_(baseline_freep) struct baseline *baseline = opened(&text);
        static const char *const folders[] = {
                "/", "/a", "/a-", "/a/b", "/b", "/b/c", "/none", "/\\xff", "/~"};
        for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
                size_t first, end, folder_size = strlen(folders[i]);
                baseline_files_below(baseline, folders[i], &first, &end);
                ck_assert_uint_le(first, end);
                for (size_t j = 0; j < baseline_files(baseline); j++) {
                        size_t size;
                        const char *path = baseline_file_path(baseline, j, &size);
                        bool top = folder_size == 1;
                        bool below = top ? size > 1
                                         : size > folder_size && memcmp(path, folders[i], folder_size) == 0 &&
                                                     path[folder_size] == '/';
                        ck_assert_msg(below == (j >= first && j < end), "%.*s below %s", (int)size, path,
                                folders[i]);
                }
        }
}
END_TEST

START_TEST(a_baseline_may_expect_nothing)
{
        _cleanup_buf_ struct buf text = {0};
        size_t index, first, end, n;
        file_get(SMALL, &text);
        text.size = (size_t)(strstr(text.data, "\n\n") + 2 - text.data);
        _cleanup_(baseline_freep) struct baseline *baseline = opened(&text);
        ck_assert_uint_eq(baseline_files(baseline), 0);
        ck_assert(!baseline_file_find(baseline, "/", 1, &index));
        ck_assert_uint_eq(index, 0);
        baseline_files_below(baseline, "/", &first, &end);
        ck_assert_uint_eq(end - first, 0);
        baseline_scopes(baseline, &n);
        ck_assert_uint_eq(n, 0);
        ck_assert_ptr_null(baseline_free(NULL));
}
END_TEST

START_TEST(attributes_are_taken_apart_when_asked_for)
{
        _cleanup_(baseline_freep) struct baseline *baseline = opened_file(GOLDEN);
        _cleanup_attributes_ struct attributes attributes = {0};
        size_t index;
        ck_assert(baseline_file_find(baseline, "/etc/app-name", 13, &index));
        ck_assert_int_eq(baseline_file_attributes(baseline, index, &attributes), 0);
        ck_assert_int_eq(attributes.type, FILE_REGULAR);
        ck_assert_uint_eq(attributes.mode, 0600);
        ck_assert_uint_eq(attributes.uid, 33);
        ck_assert_uint_eq(attributes.size, 4);
        ck_assert_uint_eq(attributes.n_xattrs, 2);
        ck_assert_str_eq(attributes.xattrs[1].name, "user.a\\x20note");
}
END_TEST

/* ---- after another ---- */

#define EDITS 20000u
#define EDITED_LINES_MAX 4096u

static uint32_t
some(uint32_t *state, size_t below)
{
        ck_assert_uint_gt(below, 0);
        *state = *state * 1664525u + 1013904223u;
        return (uint32_t)((*state >> 8) % below);
}

/* One edit: of whole lines (gone, twice, moved, exchanged) or of a byte. */
static void
edit(uint32_t *state, struct buf *text)
{
        size_t starts[EDITED_LINES_MAX], n = 0;
        _cleanup_buf_ struct buf made = {0};
        for (size_t at = 0; at < text->size && n < EDITED_LINES_MAX - 1;
                at = (size_t)((char *)memchr(text->data + at, '\n', text->size - at) - text->data) + 1)
                starts[n++] = at;
        starts[n] = text->size;
        size_t what = some(state, 6), i = some(state, n), j = some(state, n);
        if (what == 0) {
                text->data[some(state, text->size - 1)] = "a0 =/\n"[some(state, 6)];
                return;
        }
        for (size_t k = 0; k < n; k++) {
                size_t from = what == 3 && k == i ? j : what == 3 && k == j ? i : k;
                if ((what == 1 || what == 4) && k == i)
                        continue;
                buf_append(&made, text->data + starts[from], starts[from + 1] - starts[from]);
                if ((what == 2 && k == i) || (what == 4 && k == j))
                        buf_append(&made, text->data + starts[i], starts[i + 1] - starts[i]);
        }
        size_t at = starts[i] + some(state, starts[i + 1] - starts[i]);
        if (what == 5 && made.data[at] >= '0' && made.data[at] < '9') /* which may well be right afterwards */
                made.data[at]++;
        if (!made.size)
                return;
        buf_clear(text);
        buf_append(text, made.data, made.size);
}

/* Both ways of opening say the same. Takes the text's copies. */
static bool
opens_alike(const struct baseline *parent, const struct buf *text)
{
        _cleanup_(baseline_freep) struct baseline *whole = NULL, *after = NULL;
        struct err err = {0}, err_after = {0};
        int r = open_bytes(text->data, text->size, &whole, &err);
        char *copy = malloc(text->size + !text->size);
        ck_assert_ptr_nonnull(copy);
        memcpy(copy, text->data, text->size);
        int r_after = baseline_open_after(parent, copy, text->size, NULL, &after, &err_after);
        ck_assert_msg(r == r_after, "%d (%s), but after another %d (%s):\n%s", r, err.text, r_after,
                err_after.text, text->data);
        ck_assert_str_eq(err.text, err_after.text);
        if (r)
                return false;
        _cleanup_buf_ struct buf again = {0};
        rewrite(after, &again);
        ck_assert_uint_eq(again.size, text->size);
        ck_assert_mem_eq(again.data, text->data, text->size);
        ck_assert(digest_equal(baseline_id(whole), baseline_id(after)));
        ck_assert_uint_eq(baseline_files(whole), baseline_files(after));
        return true;
}

START_TEST(after_another_every_text_opens_or_fails_as_by_itself)
{
        _cleanup_buf_ struct buf first = {0};
        unsigned good = 0, bad = 0;
        uint32_t state = 7 + (uint32_t)_i;
        file_get(_i ? SMALL : GOLDEN, &first);
        for (unsigned round = 0; round < EDITS / 4; round++) {
                _cleanup_buf_ struct buf parent_text = {0}, text = {0};
                _cleanup_(baseline_freep) struct baseline *parent = NULL;
                buf_append(&parent_text, first.data, first.size);
                edit(&state, &parent_text);
                if (open_bytes(parent_text.data, parent_text.size, &parent, NULL))
                        parent = opened(&first);
                if (round % 2)
                        buf_append(&text, first.data, first.size);
                else
                        ck_assert_int_eq(baseline_text_append(parent, &text), 0);
                for (unsigned edits = some(&state, 4); edits; edits--)
                        edit(&state, &text);
                if (opens_alike(parent, &text))
                        good++;
                else
                        bad++;
        }
        ck_assert_uint_gt(good, 100);
        ck_assert_uint_gt(bad, 100);
}
END_TEST

START_TEST(a_line_of_the_parent_is_read_anew_under_other_scopes)
{
        _cleanup_buf_ struct buf text = {0};
        _cleanup_(baseline_freep) struct baseline *parent = opened_file(GOLDEN), *after = NULL;
        file_get(GOLDEN, &text);
        /* The scopes' paths are elsewhere now: the files lie in none. */
        for (char *at = text.data; (at = strstr(at, "\nscope files ")); at++) {
                char *path = strstr(at, " path=/");
                if (path && path < strchr(at + 1, '\n'))
                        path[7] = '~';
        }
        struct err err = {0};
        char *copy = malloc(text.size);
        ck_assert_ptr_nonnull(copy);
        memcpy(copy, text.data, text.size);
        ck_assert_int_eq(
                baseline_open_after(parent, copy, text.size, NULL, &after, &err), BASELINE_MALFORMED);
        ck_assert(!opens_alike(parent, &text));
}
END_TEST

START_TEST(a_kept_baseline_stays_until_the_last_is_freed)
{
        struct baseline *baseline = opened_file(SMALL), *kept = baseline_keep(baseline);
        size_t n;
        ck_assert_ptr_null(baseline_free(baseline));
        ck_assert_int_eq(*(const char *)baseline_text(kept, &n)->iov_base, 'd');
        baseline_free(kept);
}
END_TEST

int
main(void)
{
        Suite *suite = suite_create("baseline");
        TCase *golden = tcase_create("golden vectors"), *rules = tcase_create("rules"),
              *lookup = tcase_create("looking up"), *after = tcase_create("after another");
        digest_setup();
        tcase_add_loop_test(golden, the_id_is_what_sha256sum_says, 0, (int)ARRAY_SIZE(vectors));
        tcase_add_loop_test(golden, a_vector_is_written_again_to_the_byte, 0, (int)ARRAY_SIZE(vectors));
        tcase_add_test(golden, sort_agrees_with_the_order_of_the_lines);
        tcase_add_test(golden, the_header_is_read);
        tcase_add_test(golden, settings_and_waivers_are_read);
        tcase_set_timeout(rules, 120);
        tcase_add_loop_test(rules, every_rule_of_the_form_is_kept, 0, (int)ARRAY_SIZE(mutations));
        tcase_add_test(rules, a_nul_is_refused_wherever_it_stands);
        tcase_add_test(rules, nothing_and_every_beginning_of_a_baseline_are_refused);
        tcase_add_test(rules, words_name_the_line);
        tcase_add_test(rules, a_line_may_not_be_longer_than_a_mebibyte);
        tcase_add_test(rules, more_scopes_than_allowed_are_refused);
        tcase_add_test(rules, no_flipped_byte_keeps_the_id);
        tcase_add_loop_test(lookup, every_path_is_found_and_no_other, 0, 2);
        tcase_add_test(lookup, where_a_path_would_be_is_told);
        tcase_add_loop_test(lookup, what_is_below_a_folder_is_one_run, 0, 2);
        tcase_add_test(lookup, a_baseline_may_expect_nothing);
        tcase_add_test(lookup, attributes_are_taken_apart_when_asked_for);
        tcase_set_timeout(after, 120);
        tcase_add_loop_test(after, after_another_every_text_opens_or_fails_as_by_itself, 0, 2);
        tcase_add_test(after, a_line_of_the_parent_is_read_anew_under_other_scopes);
        tcase_add_test(after, a_kept_baseline_stays_until_the_last_is_freed);
        suite_add_tcase(suite, after);
        suite_add_tcase(suite, golden);
        suite_add_tcase(suite, rules);
        suite_add_tcase(suite, lookup);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failures = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failures != 0;
}
