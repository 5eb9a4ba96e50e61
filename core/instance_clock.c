/* SPDX-License-Identifier: MIT */
/*
 * The wall clock of an instance. It is for telling times; what came after what is told by the numbers of
 * records. Only one decision hangs on it, whether a signature has expired, and whoever can set the clock must
 * not take that decision: once it was moved by an hour since the last signed apply, in one step or in many,
 * expiry goes by the clock that was believed before, which is carried on by CLOCK_BOOTTIME.
 *
 * A step shows as a change of the wall clock's offset from CLOCK_BOOTTIME: slewing moves both alike. The
 * offset is kept in the store with the id of the boot, so that a step made while nobody ran shows too; across
 * a boot only a clock that went back does.
 */
#include "core/instance_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"

#define CLOCK_JUMP_MS ((int64_t)3600 * 1000)
#define CLOCK_STEP_MS 1000 /* smaller ones wait until they have come to this */
#define CLOCK_READ_MS 20   /* between two readings of one clock that belong together */
#define CLOCK_READS_MAX 16u

static void
value_number(struct instance *instance, const char *key, int64_t number)
{
        char text[24];
        snprintf(text, sizeof text, "%" PRId64, number);
        instance_value(instance, key, text);
}

static void
keep_believed(struct instance *instance)
{
        value_number(instance, "clock_believed", instance_expiry_now(instance));
}

int
instance_alive(struct instance *instance, struct err *err)
{
        instance_look_at_ends(instance);
        if (instance->expiry_now_ms) /* a restart goes on from there: the believed time must not stand still
                                      */
                keep_believed(instance);
        return instance_flush_with(instance, NULL, NULL, err);
}

int64_t
instance_expiry_now(const struct instance *instance)
{
        if (!instance->expiry_now_ms)
                return clock_now_ms();
        return instance->expiry_now_ms + (clock_monotonic_ms() - instance->clock_boot_ms);
}

static void
disbelieve(struct instance *instance, int64_t believed_ms)
{
        instance->expiry_now_ms = believed_ms;
        instance->clock_boot_ms = clock_monotonic_ms();
        instance_problem(instance, PROBLEM_CLOCK, 1, "the clock jumped by more than an hour",
                "it is not believed for expiry until the next signed apply");
}

void
instance_clock_changed(struct instance *instance, int64_t jumped_by_ms)
{
        if (jumped_by_ms > -CLOCK_STEP_MS && jumped_by_ms < CLOCK_STEP_MS)
                return;
        instance->clock_moved_ms += jumped_by_ms;
        value_number(instance, "clock_moved", instance->clock_moved_ms);
        int64_t moved_ms = instance->clock_moved_ms;
        if (!instance->expiry_now_ms && (moved_ms <= -CLOCK_JUMP_MS || moved_ms >= CLOCK_JUMP_MS))
                disbelieve(instance, clock_now_ms() - moved_ms);
        if (instance->expiry_now_ms)
                keep_believed(instance);
        instance_record(instance, "clock_jump", NULL,
                json_make("{s:I, s:I, s:b}", "by_ms", (json_int)jumped_by_ms, "moved_ms", (json_int)moved_ms,
                        "believed", !instance->expiry_now_ms));
        instance_windows_look(instance);
}

void
instance_clock_believe(struct instance *instance)
{
        instance->expiry_now_ms = 0;
        instance->clock_moved_ms = 0;
        instance_problem(instance, PROBLEM_CLOCK, 0, NULL, NULL);
}

/* ---- steps ---- */

/* The wall clock minus the time since the boot. The two are read one after the other, and we may be stopped
 * in between: only a reading that stands close between two of the other clock counts. */
static int64_t
clock_offset_ms(void)
{
        int64_t wall_ms = 0, before_ms = clock_monotonic_ms();
        for (unsigned i = 0; i < CLOCK_READS_MAX; i++) {
                wall_ms = clock_now_ms();
                int64_t after_ms = clock_monotonic_ms();
                if (after_ms - before_ms <= CLOCK_READ_MS)
                        return wall_ms - after_ms;
                before_ms = after_ms;
        }
        return wall_ms - before_ms;
}

static void
keep_offset(struct instance *instance, int64_t offset_ms)
{
        char text[BOOT_ID_MAX + 32];
        instance->clock_offset_ms = offset_ms;
        snprintf(text, sizeof text, "%s %" PRId64, instance->boot, offset_ms);
        instance_value(instance, "clock_offset", text);
}

void
instance_clock_look(struct instance *instance)
{
        int64_t offset_ms = clock_offset_ms(), step_ms = offset_ms - instance->clock_offset_ms;
        if (step_ms > -CLOCK_STEP_MS && step_ms < CLOCK_STEP_MS)
                return;
        instance_clock_changed(instance, step_ms);
        keep_offset(instance, offset_ms);
}

void
instance_clock_start(struct instance *instance)
{
        int64_t now_ms = clock_now_ms();
        if (instance->clock_offset_known) {
                instance_clock_look(instance);
                return;
        }
        if (instance->had_history && now_ms < instance->last_alive_ms)
                instance_clock_changed(instance, now_ms - instance->last_alive_ms);
        keep_offset(instance, clock_offset_ms());
}

/* ---- loading ---- */

static int
load_number(struct instance *instance, const char *key, int64_t *ret, struct err *err)
{
        _cleanup_free_ char *text = NULL;
        int r = store_value_get(instance->store, key, &text, err);
        if (r == 0)
                *ret = strtoll(text, NULL, 10);
        return r == STORE_NONE ? 0 : r;
}

/* Of this boot only: an offset from another one says nothing. */
static int
load_offset(struct instance *instance, struct err *err)
{
        _cleanup_free_ char *text = NULL;
        int r = store_value_get(instance->store, "clock_offset", &text, err);
        if (r)
                return r == STORE_NONE ? 0 : r;
        size_t size = strlen(instance->boot);
        instance->clock_offset_known = size && strncmp(text, instance->boot, size) == 0 && text[size] == ' ';
        if (instance->clock_offset_known)
                instance->clock_offset_ms = strtoll(text + size + 1, NULL, 10);
        return 0;
}

int
instance_load_clock(struct instance *instance, struct err *err)
{
        int64_t believed_ms = 0;
        boot_id(instance->boot);
        int r = load_offset(instance, err);
        r = r ? r : load_number(instance, "clock_moved", &instance->clock_moved_ms, err);
        r = r ? r : load_number(instance, "clock_believed", &believed_ms, err);
        if (r == 0 && believed_ms)
                disbelieve(instance, believed_ms);
        return r;
}
