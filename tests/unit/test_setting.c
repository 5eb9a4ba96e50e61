/* SPDX-License-Identifier: MIT */
/* The set line: what each operator accepts and answers, and that one meaning has one text. */
#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/escape.h"
#include "core/setting.h"

#define DAY_MS 86400000
#define NOW_MS INT64_C(1795700000000) /* 2026-11-26T13:33:20Z */

/* ---- operators ---- */

enum { MET = SETTING_MET, NOT = SETTING_NOT_MET, NEITHER = SETTING_INCOMPARABLE };

struct meeting {
        enum setting_operator op;
        const char *operand, *value;
        int answer;
};

static const char huge[] = "99999999999999999999999999";

static const struct meeting meetings[] = {
        {SETTING_EQ, "0", "0", MET},
        {SETTING_EQ, "0", "00", NOT},
        {SETTING_EQ, "", "", MET},
        {SETTING_EQ, "a\\x20b\\x0ac", "a b\nc", MET},
        {SETTING_EQ, "a", "A", NOT},
        {SETTING_NE, "none", "/etc/issue", MET},
        {SETTING_NE, "none", "none", NOT},
        {SETTING_NE, "", "x", MET},
        {SETTING_IN, "no\\x20prohibit-password", "no", MET},
        {SETTING_IN, "no\\x20prohibit-password", "prohibit-password", MET},
        {SETTING_IN, "no\\x20prohibit-password", "prohibit", NOT},
        {SETTING_IN, "no\\x20prohibit-password", "no prohibit-password", NOT},
        {SETTING_IN, "no", "", NOT},
        {SETTING_NOT_IN, "0\\x203", "1", MET},
        {SETTING_NOT_IN, "0\\x203", "3", NOT},

        {SETTING_LT, "4", "3", MET},
        {SETTING_LT, "4", "4", NOT},
        {SETTING_LE, "4", "4", MET},
        {SETTING_LE, "4", "10", NOT},
        {SETTING_GT, "0", "1", MET},
        {SETTING_GT, "0", "0", NOT},
        {SETTING_GE, "2", "10", MET},
        {SETTING_GE, "2", "1", NOT},
        {SETTING_GE, "-1", "0", MET},
        {SETTING_GE, "-1", "-2", NOT},
        {SETTING_LT, "-1", "-9223372036854775808", MET},
        {SETTING_LT, "-1", "-9223372036854775809", NEITHER},
        {SETTING_GT, "9223372036854775807", "18446744073709551615", MET},
        {SETTING_GT, "0", "18446744073709551616", NEITHER},
        {SETTING_GT, "0", huge, NEITHER},
        {SETTING_GE, "0x10", "16", MET},
        {SETTING_GE, "16", "0xF", NOT},
        {SETTING_GE, "16", "0xffffffffffffffff", MET},
        {SETTING_GE, "16", "0x1ffffffffffffffff", NEITHER},
        {SETTING_GE, "16", "0x", NEITHER},
        {SETTING_GE, "1", "abc", NEITHER},
        {SETTING_GE, "1", "", NEITHER},
        {SETTING_GE, "1", " ", NEITHER},
        {SETTING_GE, "1", "1x", NEITHER},
        {SETTING_GE, "1", "+2", NEITHER},
        {SETTING_GE, "1", "-", NEITHER},
        {SETTING_GE, "0", "-0", NEITHER},
        {SETTING_GE, "1", "010", NEITHER}, /* octal or decimal? */
        {SETTING_GE, "1", "00000003", NEITHER},
        {SETTING_GE, "1", " 2\t", MET},
        {SETTING_GE, "1", "2 3", NEITHER}, /* not as many fields */
        {SETTING_GE, "1\\x202", "3", NEITHER},

        {SETTING_LE, "10:30:60", "10:30:60", MET},
        {SETTING_LE, "10:30:60", "10:30:100", NOT},
        {SETTING_LE, "10:30:60", "9:31:60", NOT},
        {SETTING_LE, "10:30:60", "10:30", NEITHER},
        {SETTING_LE, "10:30:60", "10:30:60:1", NEITHER},
        {SETTING_LE, "10:30:60", "10::60", NEITHER},
        {SETTING_LE, "10:30:60", "10:30:", NEITHER},
        {SETTING_LE, "10:30:60", ":30:60", NEITHER},
        {SETTING_GE, "4096\\x2087380\\x206291456", "4096\t87380\t6291456", MET},
        {SETTING_GE, "4096\\x2087380\\x206291456", "4096 87379 6291456", NOT},
        {SETTING_LT, "2\\x202", "1 2", NOT}, /* each field must hold */

        {SETTING_GE, "TLSv1.2", "TLSv1.2", MET},
        {SETTING_GE, "TLSv1.2", "TLSv1.3", MET},
        {SETTING_GE, "TLSv1.2", "TLSv1.1", NOT},
        {SETTING_GE, "TLSv1.2", "TLSv1", NOT},
        {SETTING_GE, "TLSv1.2", "TLSv1.10", MET},
        {SETTING_GE, "TLSv1", "SSLv3", NOT},
        {SETTING_GE, "SSLv3", "TLSv1", MET},
        {SETTING_GT, "SSLv2", "SSLv3", MET},
        {SETTING_GE, "TLSv1", "TLSv1.0", MET},
        {SETTING_LT, "TLSv1.1", "TLSv1", MET},
        {SETTING_GE, "TLSv1.2", "DTLSv1.2", NEITHER},
        {SETTING_GE, "TLSv1.2", "1.3", NEITHER},
        {SETTING_GE, "TLSv1.2", "none", NEITHER},
        {SETTING_GE, "TLSv1.2", "TLSv1.", NEITHER},
        {SETTING_GE, "TLSv1.2", "TLSv", NEITHER},
        {SETTING_GE, "TLSv1.2", "tlsv1.3", NEITHER},
        {SETTING_GE, "3.0.9", "3.0.11", MET},
        {SETTING_GE, "3.0.9", "3", NOT},
        {SETTING_GE, "3.0.9", "3.0.99999999999", NEITHER},

        {SETTING_BETWEEN, "1\\x2060", "1", MET},
        {SETTING_BETWEEN, "1\\x2060", "60", MET},
        {SETTING_BETWEEN, "1\\x2060", "0", NOT},
        {SETTING_BETWEEN, "1\\x2060", "61", NOT},
        {SETTING_BETWEEN, "1\\x2060", "1m", NEITHER},
        {SETTING_BETWEEN, "1:1\\x205:5", "5:1", MET},
        {SETTING_BETWEEN, "TLSv1.2\\x20TLSv1.3", "TLSv1", NOT},

        {SETTING_REGEX, "a|b", "a", MET},
        {SETTING_REGEX, "a|b", "ab", NOT}, /* the whole value */
        {SETTING_REGEX, "[0-9]+(\\x5c.[0-9]+)*", "3.0.11", MET},
        {SETTING_REGEX, "[0-9]+(\\x5c.[0-9]+)*", "3.0.", NOT},
        {SETTING_REGEX, "x?", "", MET},
        {SETTING_REGEX, "a.c", "a\nc", MET},
        {SETTING_REGEX, "(ab){2,3}", "ababab", MET},
        {SETTING_REGEX, "(ab){2,3}", "ab", NOT},
        {SETTING_REGEX, "[]x[:digit:]]+", "]7x", MET},

        {SETTING_EXISTS, "-", "x", MET},
        {SETTING_EXISTS, "-", "", MET},
        {SETTING_EXISTS, "-", NULL, NOT},
        {SETTING_ABSENT, "-", NULL, MET},
        {SETTING_ABSENT, "-", "", NOT},
        {SETTING_EQ, "0", NULL, NOT},
        {SETTING_NE, "0", NULL, NOT}, /* what is not there is not met by another value */

        {SETTING_SUBSET_OF, "a,b,c", "c a", MET},
        {SETTING_SUBSET_OF, "a,b,c", "", MET},
        {SETTING_SUBSET_OF, "a,b,c", "a,d", NOT},
        {SETTING_SUBSET_OF, "abc", "ab", NOT},
        {SETTING_SUPERSET_OF, "a\\x20b", "c,b,a", MET},
        {SETTING_SUPERSET_OF, "a\\x20b", "c,b", NOT},
        {SETTING_DISJOINT_FROM, "3des-cbc,aes128-cbc", "aes128-ctr,aes256-ctr", MET},
        {SETTING_DISJOINT_FROM, "3des-cbc,aes128-cbc", "aes128-ctr, aes128-cbc", NOT},
        {SETTING_DISJOINT_FROM, "3des-cbc", "", MET},

        {SETTING_MODE_AT_MOST, "0600", "0600", MET},
        {SETTING_MODE_AT_MOST, "0600", "0400", MET},
        {SETTING_MODE_AT_MOST, "0600", "600", MET},
        {SETTING_MODE_AT_MOST, "0600", "0640", NOT},
        {SETTING_MODE_AT_MOST, "0640", "0604", NOT}, /* less as a number, more as a mode */
        {SETTING_MODE_AT_MOST, "0755", "4755", NOT},
        {SETTING_MODE_AT_MOST, "0600", "0900", NEITHER},
        {SETTING_MODE_AT_MOST, "0600", "100600", NEITHER},
        {SETTING_MODE_AT_MOST, "0600", "rw-------", NEITHER},

        {SETTING_DAYS_UNTIL_GE, "30", "2026-12-26T13:33:20Z", MET},
        {SETTING_DAYS_UNTIL_GE, "30", "2026-12-26T13:33:19Z", NOT},
        {SETTING_DAYS_UNTIL_GE, "0", "2026-11-26T13:33:19Z", NOT},
        {SETTING_DAYS_UNTIL_GE, "30", "9999-12-31T23:59:59Z", MET},
        {SETTING_DAYS_UNTIL_GE, "30", "2026-13-26T13:33:20Z", NEITHER},
        {SETTING_DAYS_UNTIL_GE, "30", "tomorrow", NEITHER},

        {SETTING_UNREADABLE, "EIO", "x", NOT},
        {SETTING_UNREADABLE, "EIO", NULL, NOT},
};

START_TEST(an_operator_answers)
{
        const struct meeting *m = &meetings[_i];
        char now[CLOCK_TEXT_MAX];
        clock_format_seconds(NOW_MS, now);
        ck_assert_str_eq(now, "2026-11-26T13:33:20Z");
        int answer = setting_meets(m->op, m->operand, m->value, 0, NOW_MS);
        ck_assert_msg(answer == m->answer, "\"%s\" %s %s: %d, and not %d", m->value ? m->value : "(absent)",
                setting_operator_names[m->op], m->operand, answer, m->answer);
}
END_TEST

START_TEST(a_read_that_failed_is_only_met_by_its_errno)
{
        ck_assert_int_eq(setting_meets(SETTING_UNREADABLE, "EIO", NULL, EIO, 0), MET);
        ck_assert_int_eq(setting_meets(SETTING_UNREADABLE, "EACCES", NULL, EACCES, 0), MET);
        ck_assert_int_eq(setting_meets(SETTING_UNREADABLE, "EIO", NULL, EACCES, 0), NEITHER);
        for (int op = 0; op < SETTING_UNREADABLE; op++)
                ck_assert_int_eq(setting_meets((enum setting_operator)op, "-", NULL, EACCES, 0), NEITHER);
}
END_TEST

START_TEST(a_value_may_be_as_long_as_a_probe_gives_it)
{
        size_t size = 65536;
        char *value = malloc(size + 1);
        memset(value, 'a', size);
        value[size] = '\0';
        ck_assert_int_eq(setting_meets(SETTING_EQ, value, value, 0, 0), MET);
        value[0] = ' ';
        _cleanup_free_ char *operand = escape_new(value, size);
        ck_assert_int_eq(setting_meets(SETTING_EQ, operand, value, 0, 0), MET);
        ck_assert_int_eq(setting_meets(SETTING_REGEX, ".*", value, 0, 0), NEITHER);
        value[4096] = '\0';
        ck_assert_int_eq(setting_meets(SETTING_REGEX, ".*", value, 0, 0), MET);
        free(value);
}
END_TEST

START_TEST(the_words_that_a_set_fails_by_are_told)
{
        _cleanup_buf_ struct buf told = {0};
        ck_assert_int_eq(setting_offenders(SETTING_DISJOINT_FROM, "a,b\\x20c", "x,c,a", &told), 0);
        ck_assert_str_eq(told.data, "c a");
        buf_clear(&told);
        ck_assert_int_eq(setting_offenders(SETTING_SUBSET_OF, "a,b", "a x y", &told), 0);
        ck_assert_str_eq(told.data, "x y");
        buf_clear(&told);
        ck_assert_int_eq(setting_offenders(SETTING_SUPERSET_OF, "a,b", "a x y", &told), 0);
        ck_assert_str_eq(told.data, "b");
        buf_clear(&told);
        ck_assert_int_eq(setting_offenders(SETTING_EQ, "a,b", "a x y", &told), 0);
        ck_assert_uint_eq(told.size, 0);
}
END_TEST

/* ---- operands ---- */

static int
parse(const char *line, struct setting *ret, char **ret_words, struct err *err)
{
        *ret_words = strdup(line);
        ck_assert_ptr_nonnull(*ret_words);
        return setting_parse(*ret_words, ret, err);
}

static void
assert_refused(const char *line, const char *why)
{
        struct setting setting;
        struct err err = {0};
        _cleanup_free_ char *words = NULL;
        int r = parse(line, &setting, &words, &err);
        ck_assert_msg(r == -EINVAL, "%s: %d", line, r);
        ck_assert_msg(strstr(err.text, why) != NULL, "%s: \"%s\" does not say \"%s\"", line, err.text, why);
}

static const struct {
        const char *operand, *why;
} misfits[] = {
        {"in no\\x20\\x20yes", "words with one blank"},
        {"in \\x20no", "words with one blank"},
        {"in no\\x20", "words with one blank"},
        {"in \\x00", "words with one blank"},
        {"not_in a\\x09b", "words with one blank"},
        {"ge one", "numbers or versions"},
        {"ge \\x00", "numbers or versions"},
        {"ge 010", "numbers or versions"},
        {"lt 18446744073709551616", "numbers or versions"},
        {"le 10:30:", "numbers or versions"},
        {"gt 1,2", "numbers or versions"},
        {"le 1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17", "numbers or versions"},
        {"between 1", "LOW HIGH"},
        {"between 2\\x201", "LOW HIGH"},
        {"between 1\\x202\\x203", "LOW HIGH"},
        {"between 1\\x20TLSv1", "LOW HIGH"},
        {"between 1:2\\x203", "LOW HIGH"},
        {"exists yes", "\"-\""},
        {"absent 0", "\"-\""},
        {"subset_of ,", "words with commas or blanks"},
        {"superset_of \\x00", "words with commas or blanks"},
        {"disjoint_from \\x20", "words with commas or blanks"},
        {"mode_at_most 600", "four octal digits"},
        {"mode_at_most 0800", "four octal digits"},
        {"mode_at_most 00600", "four octal digits"},
        {"days_until_ge -1", "number of days"},
        {"days_until_ge 40000", "number of days"},
        {"days_until_ge 030", "number of days"},
        {"unreadable EFOO", "name of an errno"},
        {"unreadable 5", "name of an errno"},
        {"eq a\\x00b", "not escaped"},
        {"eq a\\x41", "not escaped"},
        {"equals 0", "there is no operator"},
        {"EQ 0", "there is no operator"},
        {"notin 0", "did you mean not_in"},
        {"regex (", "( in it is not closed"},
        {"regex \\x00", "empty regex"},
        {"regex a)|(b", "closes nothing"},
        {"regex [a", "[ in it is not closed"},
        {"regex [[:foo:]]", "cannot be used"},
        {"regex [z-a]", "cannot be used"},
        {"regex a{2", "no counts"},
        {"regex a{3,2}", "no counts"},
        {"regex a{1000}", "no counts"},
        {"regex *a", "repeats nothing"},
        {"regex a|*", "repeats nothing"},
        {"regex a**", "repeats nothing, or another one"},
        {"regex a\\x5c", "a \\ stands only before"},
        /* What makes the library's expressions explode. */
        {"regex (a)\\x5c1", "a \\ stands only before"},
        {"regex (.*+++++++++++++++++++++++++++++++++++++)", "repeats nothing, or another one"},
        {"regex (((((((((a+)+)+)+)+)+)+)+)+)+", "too large"},
        {"regex ((a{99}){99}){99}", "too large"},
        {"regex (a{16}){17}", "too large"},
        {"regex a{257}", "too large"},
        {"regex (((((((((((((((((a)))))))))))))))))", "too deep"},
};

START_TEST(a_value_that_does_not_fit_its_operator_is_refused)
{
        _cleanup_buf_ struct buf line = {0};
        ck_assert_int_eq(buf_printf(&line, "sysctl:a %s", misfits[_i].operand), 0);
        assert_refused(line.data, misfits[_i].why);
}
END_TEST

START_TEST(a_long_pattern_is_refused)
{
        char line[700] = "sysctl:a regex ";
        size_t size = strlen(line);
        memset(line + size, '.', 513);
        assert_refused(line, "at most 512 bytes");
}
END_TEST

/* The worst that is let through, on the longest value: the automaton doubles its states with each digit. */
START_TEST(the_worst_pattern_takes_bounded_time)
{
        static const char *const patterns[] = {"(a|b)*a(a|b){50}", "(a*b*)*c", "((a?){6}b?){9}",
                "(.*a.*){30}", "([a-y]*[^x]?[b-z]+){20}x", "(a|ab|b|ba)*(a|b){30}a"};
        static char value[4097];
        unsigned seed = 7;
        for (size_t i = 0; i < 4096; i++) {
                seed = seed * 1103515245 + 12345;
                value[i] = seed >> 16 & 1 ? 'a' : 'b';
        }
        for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
                _cleanup_buf_ struct buf line = {0};
                _cleanup_free_ char *words = NULL;
                struct setting setting;
                struct err err = {0};
                ck_assert_int_eq(buf_printf(&line, "sysctl:a regex %s", patterns[i]), 0);
                ck_assert_msg(parse(line.data, &setting, &words, &err) == 0, "%s", err.text);
                int64_t start = clock_monotonic_ms();
                ck_assert_int_ge(setting_meets(SETTING_REGEX, patterns[i], value, 0, 0), 0);
                ck_assert_msg(clock_monotonic_ms() - start < 3000, "%s: %" PRId64 " ms", patterns[i],
                        clock_monotonic_ms() - start);
        }
}
END_TEST

/* ---- lines ---- */

static const char *const lines[] = {
        "sshd:permitrootlogin in no\\x20prohibit-password",
        "sysctl:kernel/modprobe eq \\x00",
        ("sysctl:a eq 0 quantifier=all default=0 if=sysctl:b\\x20eq\\x200 severity=high control=A:1 "
         "control=B:2 control=C reason=a\\x20b"),
        "sysctl:a eq 0 default=",
        "sysctl:a eq 0 control=A:1 control=B:2 control=C",
        "sysctl:a eq 0 severity=low reason=x",
        "sysctl:net/ipv4/conf/*/rp_filter@effective in 1\\x202",
        "sshd**:permitrootlogin ne yes quantifier=none",
        "sshd[user=git,addr=10.0.0.1]:x11forwarding eq no",
        "sshd:*users exists - quantifier=any if=sshd:*groups\\x20absent\\x20-",
        "openssl:floor ge TLSv1.2",
        "sysctl:net/ipv6/conf/all/stable_secret unreadable EIO",
        "sysctl:a eq 0 if=sysctl:b\\x20eq\\x20c\\x5cx20d",
        "sysctl:a eq 0 if=sysctl:b\\x20ne\\x20\\x5cx00",
};

START_TEST(a_line_is_written_as_it_was_read)
{
        struct setting setting;
        struct err err = {0};
        _cleanup_free_ char *words = NULL;
        _cleanup_buf_ struct buf again = {0};
        ck_assert_msg(parse(lines[_i], &setting, &words, &err) == 0, "%s: %s", lines[_i], err.text);
        ck_assert_int_eq(setting_append(&setting, &again), 0);
        ck_assert_uint_eq(again.size, strlen(lines[_i]) + 5);
        ck_assert_int_eq(strncmp(again.data, "set ", 4), 0);
        ck_assert_int_eq(strncmp(again.data + 4, lines[_i], strlen(lines[_i])), 0);
}
END_TEST

START_TEST(a_line_is_understood)
{
        struct setting s;
        struct err err = {0};
        struct setting_condition condition;
        _cleanup_free_ char *words = NULL;
        ck_assert_int_eq(parse(lines[2], &s, &words, &err), 0);
        ck_assert_str_eq(s.item, "sysctl:a");
        ck_assert_int_eq(s.op, SETTING_EQ);
        ck_assert_str_eq(s.value, "0");
        ck_assert_int_eq(s.quantifier, SETTING_ALL);
        ck_assert_str_eq(s.fallback, "0");
        ck_assert(s.has_severity && s.severity == SEVERITY_HIGH);
        ck_assert_str_eq(s.controls, "A:1 B:2 C");
        ck_assert_str_eq(s.reason, "a\\x20b");
        ck_assert_int_eq(setting_condition_parse(s.condition, s.item, &condition, &err), 0);
        ck_assert_str_eq(condition.item, "sysctl:b");
        ck_assert_int_eq(condition.op, SETTING_EQ);
        ck_assert_str_eq(condition.value, "0");
        setting_condition_done(&condition);
        free(words);

        ck_assert_int_eq(parse(lines[1], &s, &words, &err), 0);
        ck_assert_str_eq(s.value, "");
        ck_assert(!s.fallback && !s.condition && !s.controls && !s.reason && !s.has_severity);
        ck_assert_int_eq(s.quantifier, SETTING_EVERY);
}
END_TEST

static const struct {
        const char *line, *why;
} wrong_lines[] = {
        {"", "ITEM OPERATOR VALUE"},
        {"sysctl:a", "ITEM OPERATOR VALUE"},
        {"sysctl:a eq", "ITEM OPERATOR VALUE"},
        {"sysctl:a eq ", "ITEM OPERATOR VALUE"},
        {"sysctl:a  eq 0", "there is no operator"},
        {"sysctl:a eq 0 ", "after the value stand"},
        {"sysctl:a eq 0  reason=x", "after the value stand"},
        {"sysctl:a eq 0 reason=x severity=low", "after the value stand"},
        {"sysctl:a eq 0 reason=x reason=y", "after the value stand"},
        {"sysctl:a eq 0 colour=red", "after the value stand"},
        {"sysctl:a eq 0 quantifier=every", "all, any or none"},
        {"sysctl:a eq 0 quantifier=", "all, any or none"},
        {"sysctl:a eq 0 severity=urgent", "high, medium or low"},
        {"sysctl:a eq 0 control=B control=A", "sorted"},
        {"sysctl:a eq 0 control=A control=A", "sorted"},
        {"sysctl:a eq 0 control=", "control=TEXT"},
        {"sysctl:a eq 0 reason=", "reason=TEXT"},
        {"sysctl:a eq 0 reason=\x1b", "reason=TEXT"},
        {"sysctl:a ge 1 default=none", "no value that ge could be asked"},
        {"sysctl:a exists - default=1", "no value that exists could be asked"},
        {"sysctl:a eq 0 default=\\x41", "no value that eq"},
        {"sysctl:a eq 0 if=sysctl:b", "ITEM OPERATOR VALUE"},
        {"sysctl:a eq 0 if=", "ITEM OPERATOR VALUE"},
        {"sysctl:a eq 0 if=sysctl:b\\x20eq\\x200\\x20severity=low", "nothing more"},
        {"sysctl:a eq 0 if=sysctl:b\\x20ge\\x20x", "does not fit"},
        {"sysctl:a eq 0 if=sshd:b\\x20eq\\x200", "of the domain of the item"},
        {"sysctl:a eq 0 if=b\\x20eq\\x200", "neither an absolute path"},
        {"sysctl:a eq 0 if=sysctl:b\\x20eq\\x20\\xe4", "not escaped"},
        {"/etc/passwd eq 0", "no setting"},
        {"file:/etc/passwd eq 0", "no setting"},
        {"sysctl:/a eq 0", "not the name of a sysctl"},
        {"sysctl:net.ipv4.ip_forward eq 0", "named by slashes"},
        {"sshd:PermitRootLogin eq no", "no setting"},
        {"nginx:a eq 0", "no domain"},
        {"sysctl**:a eq 0", "no domain"},
        {"sshd**: eq 0", "names nothing"},
        {"sysctl:a* exists -", "can never fail"},
        {"sysctl:a exists - quantifier=all", "can never fail"},
};

START_TEST(a_line_in_another_form_is_refused)
{
        assert_refused(wrong_lines[_i].line, wrong_lines[_i].why);
}
END_TEST

START_TEST(an_item_or_a_glob_has_a_domain)
{
        ck_assert_int_eq(setting_domain("sysctl:a"), SCOPE_SYSCTL);
        ck_assert_int_eq(setting_domain("sshd:a"), SCOPE_SSHD);
        ck_assert_int_eq(setting_domain("sshd[user=a]:a"), SCOPE_SSHD);
        ck_assert_int_eq(setting_domain("sshd**:a"), SCOPE_SSHD);
        ck_assert_int_eq(setting_domain("openssl:floor"), SCOPE_OPENSSL);
        ck_assert_int_eq(setting_domain("file:/a"), -EINVAL);
        ck_assert_int_eq(setting_domain("files:/a"), -EINVAL);
        ck_assert_int_eq(setting_domain("x"), -EINVAL);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))

int
main(void)
{
        Suite *suite = suite_create("setting");
        TCase *operators = tcase_create("operators"), *text = tcase_create("lines");
        tcase_set_timeout(operators, 30);
        tcase_add_loop_test(operators, an_operator_answers, 0, COUNT(meetings));
        tcase_add_test(operators, a_read_that_failed_is_only_met_by_its_errno);
        tcase_add_test(operators, the_words_that_a_set_fails_by_are_told);
        tcase_add_test(operators, a_value_may_be_as_long_as_a_probe_gives_it);
        tcase_add_loop_test(operators, a_value_that_does_not_fit_its_operator_is_refused, 0, COUNT(misfits));
        tcase_add_test(operators, a_long_pattern_is_refused);
        tcase_add_test(operators, the_worst_pattern_takes_bounded_time);
        suite_add_tcase(suite, operators);
        tcase_add_loop_test(text, a_line_is_written_as_it_was_read, 0, COUNT(lines));
        tcase_add_test(text, a_line_is_understood);
        tcase_add_loop_test(text, a_line_in_another_form_is_refused, 0, COUNT(wrong_lines));
        tcase_add_test(text, an_item_or_a_glob_has_a_domain);
        suite_add_tcase(suite, text);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
