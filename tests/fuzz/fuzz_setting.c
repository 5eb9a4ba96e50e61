/* SPDX-License-Identifier: MIT */
/*
 * The first line of the input is a set line, the rest a value. Whatever parses is written again as it stood,
 * answers about any value with one of three words, and the opposite operator with the opposite; its condition
 * can be taken apart. Whatever does not parse is refused in printable words. (What would hang shows as a
 * timeout.)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/setting.h"
#include "core/setting_judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
        if (!holds)
                abort();
}

static void
check_words(const struct err *err)
{
        require(err->text[0]);
        for (const char *p = err->text; *p; p++)
                require(*p >= 0x20 && *p < 0x7f);
}

static void
check_opposite(enum setting_operator op, enum setting_operator opposite, const struct setting *setting,
        const char *value)
{
        if (setting->op != op)
                return;
        int r = setting_meets(op, setting->value, value, 0, 0);
        int other = setting_meets(opposite, setting->value, value, 0, 0);
        require((r == SETTING_INCOMPARABLE) == (other == SETTING_INCOMPARABLE));
        require(r == SETTING_INCOMPARABLE || r != other);
}

static int
count(void *userdata, const char *item, enum setting_verdict verdict, const struct probe_setting *actual,
        const char *reason)
{
        (void)actual, (void)reason;
        require(item && verdict < SETTING_VERDICT_COUNT);
        ++*(unsigned *)userdata;
        return 0;
}

/* Over a reading that holds the item itself with this value. */
static void
check_judge(const struct setting *setting, const char *value)
{
        struct probe_setting one = {.item = strdup(setting->item), .value = strdup(value)};
        struct probe_reading reading = {.list = &one, .count = 1};
        const struct probe_reading *readings[SCOPE_DOMAIN_COUNT] = {NULL, &reading, &reading, &reading};
        unsigned calls = 0;
        require(one.item && one.value);
        require(setting_judge(setting, readings, 0, count, &calls) == 0);
        require(calls <= 1 && (calls || setting_is_glob(setting->item)));
        free(one.item);
        free(one.value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct err err = {0};
        struct setting setting;
        struct setting_condition condition;
        _cleanup_buf_ struct buf again = {0};
        if (memchr(data, 0, size) || !size)
                return 0;
        char *text = strndup((const char *)data, size);
        require(text != NULL);
        size_t line = strcspn(text, "\n");
        const char *value = text[line] ? text + line + 1 : "";
        text[line] = '\0';
        int r = setting_parse(text, &setting, &err);
        require(r == 0 || r == -EINVAL);
        if (r)
                check_words(&err);
        else {
                require(setting_append(&setting, &again) == 0);
                require(again.size == line + 5 && memcmp(again.data + 4, data, line) == 0);
                r = setting_meets(setting.op, setting.value, value, 0, INT64_C(1795700000000));
                require(r >= 0 && r <= SETTING_INCOMPARABLE);
                check_opposite(SETTING_EQ, SETTING_NE, &setting, value);
                check_opposite(SETTING_IN, SETTING_NOT_IN, &setting, value);
                check_opposite(SETTING_LT, SETTING_GE, &setting, "7");
                check_judge(&setting, value);
                if (setting.condition) {
                        require(setting_condition_parse(setting.condition, setting.item, &condition, NULL) ==
                                0);
                        setting_condition_done(&condition);
                }
        }
        free(text);
        return 0;
}
