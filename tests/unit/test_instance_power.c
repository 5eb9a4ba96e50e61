/* SPDX-License-Identifier: MIT */
/*
 * Power lost while baselines are applied: between the store, the high-water mark and the signed files beside
 * it, at every sync and after every file. What is left must open without a false alarm, judge by the
 * generation that was announced or the one that was under way, and be in step again; and an older store put
 * in its place must be noticed.
 */
#include "instance_fixture.h"
#include "power_disk.h"

#define GENERATIONS 5u
#define BESIDE_MAX 12u /* files beside the store */

static char image[96], image_db[128], older_db[128];
static struct config *image_config;
static uint64_t announced; /* generation that was told to be in force */
static uint64_t returned;  /* generation whose apply came back */
static unsigned seeds;
static long points, images, rollbacks, destroyed;

/* ---- the files beside the store: each is written or removed in one durable step ---- */

struct beside {
        struct beside_file {
                char name[128];
                struct buf bytes;
        } files[BESIDE_MAX];
        size_t count;
};

static struct beside earlier, now;

static void
beside_done(struct beside *beside)
{
        for (size_t i = 0; i < beside->count; i++)
                buf_done(&beside->files[i].bytes);
        beside->count = 0;
}

static void
beside_read_folder(struct beside *beside, const char *below)
{
        char name[256];
        snprintf(name, sizeof name, "%s/%s", config->state_dir, below);
        DIR *dir = opendir(name);
        for (const struct dirent *entry; dir && (entry = readdir(dir));) {
                if (entry->d_name[0] == '.' || strncmp(entry->d_name, "driftd.db", 9) == 0 ||
                        entry->d_type == DT_DIR)
                        continue;
                ck_assert_uint_lt(beside->count, BESIDE_MAX);
                struct beside_file *file = &beside->files[beside->count++];
                ck_assert_uint_lt(strlen(entry->d_name), 64);
                snprintf(file->name, sizeof file->name, "%s%.64s", below, entry->d_name);
                snprintf(name, sizeof name, "%s/%s", config->state_dir, file->name);
                file->bytes = get_file(name);
        }
        if (dir)
                closedir(dir);
}

static const struct beside_file *
beside_find(const struct beside *beside, const char *name)
{
        for (size_t i = 0; i < beside->count; i++)
                if (strcmp(beside->files[i].name, name) == 0)
                        return &beside->files[i];
        return NULL;
}

static bool
beside_same(const struct beside_file *a, const struct beside_file *b)
{
        return a && b && a->bytes.size == b->bytes.size &&
               (!a->bytes.size || memcmp(a->bytes.data, b->bytes.data, a->bytes.size) == 0);
}

/* The steps in the order in which they are done: files for the shelf (approvals first), the mark, removals.
 */
static int
rank(const struct beside_file *file)
{
        return strstr(file->name, ".approval") ? 0 : strstr(file->name, "baselines/") ? 1 : 2;
}

/* Writes what is beside the store after `steps` of the steps from earlier to now; returns how many there are.
 */
static unsigned
beside_write(unsigned steps)
{
        unsigned done = 0;
        char name[256];
        for (size_t i = 0; i < earlier.count; i++) {
                snprintf(name, sizeof name, "%s/%s", image, earlier.files[i].name);
                file_store(name, &earlier.files[i].bytes);
        }
        for (int order = 0; order <= 2; order++)
                for (size_t i = 0; i < now.count; i++) {
                        const struct beside_file *file = &now.files[i];
                        if (rank(file) != order || beside_same(file, beside_find(&earlier, file->name)))
                                continue;
                        snprintf(name, sizeof name, "%s/%s", image, file->name);
                        if (done++ < steps)
                                file_store(name, &file->bytes);
                }
        for (size_t i = 0; i < earlier.count; i++) {
                if (beside_find(&now, earlier.files[i].name))
                        continue;
                snprintf(name, sizeof name, "%s/%s", image, earlier.files[i].name);
                if (done++ < steps)
                        unlink(name);
        }
        return done;
}

static void
image_clear(void)
{
        char name[160];
        nftw(image, folder_remove_one, 8, FTW_DEPTH | FTW_PHYS);
        ck_assert_int_eq(mkdir(image, 0700), 0);
        snprintf(name, sizeof name, "%s/baselines", image);
        ck_assert_int_eq(mkdir(name, 0700), 0);
}

/* ---- after the power came back ---- */

static void
assert_in_step(uint64_t generation)
{
        char name[160], wanted[64];
        snprintf(name, sizeof name, "%s/high-water", image);
        struct buf marks = get_file(name);
        snprintf(wanted, sizeof wanted, "host %" PRIu64 " ", generation);
        ck_assert_msg(marks.data && strstr(marks.data, wanted), "the mark is not %s: %s", wanted, marks.data);
        buf_done(&marks);
        snprintf(name, sizeof name, "%s/baselines/host@%" PRIu64 ".baseline", image, generation);
        ck_assert_msg(access(name, F_OK) == 0, "%s is not there", name);
}

static void
look_at_image(const char *what)
{
        struct instance *instance = NULL;
        int r = instance_open(image_config, 0, &instance, &why);
        ck_assert_msg(r == 0, "%s: %d %s", what, r, why.text);
        bool untrusted = has_problem(instance, PROBLEM_UNTRUSTED);
        ck_assert_msg(!untrusted, "%s, %" PRIu64 " announced: a false alarm: %s", what, announced,
                instance->problems[PROBLEM_UNTRUSTED].where);
        ck_assert_msg(!has_problem(instance, PROBLEM_REBUILT), "%s: taken for damaged", what);
        uint64_t active = generation_active(instance);
        ck_assert_msg(active == announced || active == announced + 1,
                "%s: %" PRIu64 " was announced, and %" PRIu64 " is active", what, announced, active);
        instance_free(instance);
        if (active)
                assert_in_step(active);
}

static void
older_store_put_back(void)
{
        struct instance *instance = NULL;
        for (unsigned i = 0; i < DISK_NAMES; i++) {
                char from[160], to[160];
                snprintf(from, sizeof from, "%s%s", older_db, disk_suffixes[i]);
                snprintf(to, sizeof to, "%s%s", image_db, disk_suffixes[i]);
                unlink(to);
                if (access(from, F_OK) != 0)
                        continue;
                struct buf bytes = get_file(from);
                file_store(to, &bytes);
                buf_done(&bytes);
        }
        assert_done(instance_open(image_config, 0, &instance, &why));
        ck_assert_msg(has_problem(instance, PROBLEM_UNTRUSTED),
                "generation 1 was put back after %" PRIu64 " was applied, and nobody noticed", returned);
        instance_free(instance);
        rollbacks++;
}

/* The disk did worse than lose power: the store is made again, from what lies beside it at that moment. */
static void
store_destroyed(const char *what)
{
        char name[160], garbage[8192];
        struct buf bytes = {garbage, sizeof garbage, sizeof garbage};
        struct instance *instance = NULL;
        memset(garbage, 0xa5, sizeof garbage);
        for (unsigned i = 1; i < DISK_NAMES; i++) {
                snprintf(name, sizeof name, "%s%s", image_db, disk_suffixes[i]);
                unlink(name);
        }
        file_store(image_db, &bytes);
        snprintf(name, sizeof name, "%s/high-water", image);
        struct buf marks = access(name, F_OK) == 0 ? get_file(name) : (struct buf){0};
        bool marked = marks.data && strstr(marks.data, "host ");
        buf_done(&marks);
        assert_done(instance_open(image_config, 0, &instance, &why));
        uint64_t active = generation_active(instance);
        ck_assert_msg(active == announced || active == announced + 1,
                "%s, destroyed: %" PRIu64 " was announced, and %" PRIu64 " is active", what, announced,
                active);
        ck_assert_msg(has_problem(instance, PROBLEM_REBUILT), "%s: nobody says that it is new", what);
        /* Only the first generation can be there without a mark. */
        ck_assert_msg(has_problem(instance, PROBLEM_UNTRUSTED) == (active && !marked), "%s, destroyed: %s",
                what, instance->problems[PROBLEM_UNTRUSTED].where);
        ck_assert(marked || active <= 1);
        instance_free(instance);
        destroyed++;
}

static void
lose_power(void)
{
        static const unsigned percents[] = {0, 100, 50, 20, 80};
        unsigned steps;
        beside_done(&now);
        beside_read_folder(&now, "");
        beside_read_folder(&now, "baselines/");
        disk_use(false);
        points++;
        for (unsigned step = 0; step <= (image_clear(), steps = beside_write(0)); step++)
                for (unsigned i = 0; i < 2 + seeds; i++) {
                        char what[96];
                        unsigned percent = percents[i < 5 ? i : 2 + i % 3];
                        disk.chance = (uint64_t)disk.syncs * 1000 + i;
                        image_clear();
                        beside_write(step);
                        disk_image(image_db, percent);
                        snprintf(what, sizeof what, "sync %ld, step %u of %u, %u%%, seed %u", disk.syncs,
                                step, steps, percent, i);
                        images++;
                        look_at_image(what);
                        if (returned > 1 && i < 2)
                                older_store_put_back();
                        if (i > 1)
                                continue;
                        image_clear();
                        beside_write(step);
                        store_destroyed(what);
                }
        disk_use(true);
        beside_done(&earlier);
        earlier = now;
        now = (struct beside){0};
}

static void
on_announce(void *userdata, const struct announcement *announcement)
{
        (void)userdata;
        if (strcmp(announcement->kind, "bless") == 0)
                announced = (uint64_t)json_number(announcement->detail, "generation");
}

START_TEST(power_lost_while_applying_leaves_what_is_known_for_what_it_is)
{
        struct instance *instance = NULL;
        struct digest id;
        _cleanup_free_ char *database = config_database(config);
        disk_start(database, lose_power);
        assert_done(instance_open(config, 0, &instance, &why));
        instance->announce = on_announce;
        assert_done(instance_start(instance, &why));
        for (uint64_t g = 1; g <= GENERATIONS; g++) {
                assert_done(generation_apply(instance, g, &id, INT64_MAX));
                ck_assert_uint_eq(announced, g);
                returned = g;
                assert_done(instance_alive(instance, &why));
                if (g == 1)
                        disk_image(older_db, 100);
        }
        assert_done(instance_stop(instance, "test", &why));
        instance_free(instance);
        lose_power();
        disk_stop();
        beside_done(&earlier);
        ck_assert_int_gt(rollbacks, 20);
        printf("power lost at %ld points, %ld images: no false alarm; %ld older stores put back, all "
               "noticed; "
               "%ld destroyed, all made again\n",
                points, images, rollbacks, destroyed);
}
END_TEST

static void
power_setup(void)
{
        fixture_setup(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        const char *asked = getenv("POWER_SEEDS");
        seeds = asked ? (unsigned)strtoul(asked, NULL, 10) : 6;
        snprintf(image, sizeof image, "%s/image", home);
        snprintf(image_db, sizeof image_db, "%s/driftd.db", image);
        snprintf(older_db, sizeof older_db, "%s/older.db", home);
        image_config = config_at(image);
}

static void
power_teardown(void)
{
        image_config = config_free(image_config);
        fixture_teardown();
}

int
main(void)
{
        Suite *suite = suite_create("instance_power");
        TCase *cases = tcase_create("power");
        tcase_add_checked_fixture(cases, power_setup, power_teardown);
        tcase_set_timeout(cases, 600);
        tcase_add_test(cases, power_lost_while_applying_leaves_what_is_known_for_what_it_is);
        suite_add_tcase(suite, cases);
        SRunner *runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed != 0;
}
