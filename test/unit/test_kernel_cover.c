/* A cover by many rows against its definition, and beside the cover by few, which measures every pair. */
#include "selector/kernel/cover.h"
#include "selector/kernel/cpu.h"
#include "test/unit/columns.h"
#include "test/unit/stop.h"

enum { POINTS = 300, MANY = 2500, N = POINTS + MANY };

static const float scale = 9;

/* Points and the rows that cover them, in turns; the last point is one of these rows too. */
struct world {
    struct column *column;
    uint32_t points[POINTS];
    uint32_t set[MANY];
    float expected[POINTS];
};

static void world_init(struct world *world, size_t width, double spread)
{
    world->column = column_clusters(6, N, width, 40, spread);
    size_t points = 0, set = 0;
    for (uint32_t i = 0; i < N; i++) {
        if (i % (N / POINTS) == 4 && points < POINTS)
            world->points[points++] = i;
        else
            world->set[set++] = i;
    }
    assert_int_equal(points, POINTS);
    world->points[POINTS - 1] = world->set[MANY - 1];
    for (size_t p = 0; p < POINTS; p++) {
        double nearest2 = HUGE_VAL;
        for (size_t i = 0; i < MANY; i++) {
            double sum = 0;
            for (size_t j = 0; j < width; j++) {
                double difference =
                    world->column->values[world->points[p] * width + j] - world->column->values[world->set[i] * width + j];
                sum += difference * difference;
            }
            nearest2 = fmin(nearest2, sum);
        }
        world->expected[p] = (float)exp(-nearest2 / (double)scale);
    }
}

static enum kernel_status run(const struct world *world, struct kernel_team *team, uint64_t seed, float *cover)
{
    for (size_t p = 0; p < POINTS; p++)
        cover[p] = p % 3 == 0 ? 0.5F : 0;
    return kernel_cover_by_many(team, &world->column->rows, world->points, POINTS, world->set, MANY, scale, seed, cover);
}

static void run_threads(const struct world *world, unsigned threads, uint64_t seed, float *cover)
{
    struct kernel_team *team = kernel_team_new(threads, NULL, NULL);
    assert_int_equal(run(world, team, seed, cover), KERNEL_OK);
    kernel_team_free(&team);
}

static void check(size_t width, double spread)
{
    struct world world;
    world_init(&world, width, spread);
    float first[POINTS], cover[POINTS];
    run_threads(&world, 1, 1, first);
    size_t between = 0;
    for (size_t p = 0; p < POINTS; p++) {
        float expected = p % 3 == 0 && world.expected[p] < 0.5F ? 0.5F : world.expected[p];
        assert_float_equal(first[p], expected, 1e-5);
        between += expected > 0.01F && expected < 0.99F;
    }
    assert_true(between > POINTS / 2);
    assert_float_equal(first[POINTS - 1], 1, 0);
    for (unsigned path = 0; path < 3; path++) {
        kernel_cpu_avx512_off(path == 1);
        kernel_cpu_plain(path == 2);
        run_threads(&world, 16, 2 + path, cover);
        assert_memory_equal(cover, first, sizeof first);
    }
    kernel_cpu_avx512_off(false);
    kernel_cpu_plain(false);
    column_free(world.column);
}

static void test_definition(void **state)
{
    (void)state;
    check(6, 0.9);
    check(128, 0.25);
}

static void test_nothing_covers_nothing(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, 6, 0.9);
    float cover[1] = {0.25F};
    struct kernel_team *team = kernel_team_new(1, NULL, NULL);
    const struct kernel_rows *rows = &world.column->rows;
    assert_int_equal(kernel_cover_by_many(team, rows, world.points, 1, world.set, 0, scale, 1, cover), KERNEL_OK);
    assert_int_equal(kernel_cover_by_many(team, rows, world.points, 0, world.set, MANY, scale, 1, cover), KERNEL_OK);
    assert_float_equal(cover[0], 0.25, 0);
    kernel_team_free(&team);
    column_free(world.column);
}

static void test_stop(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, 128, 0.25);
    float cover[POINTS];
    for (unsigned most = 1; most < 40; most = most * 2 + 1) {
        unsigned left = most;
        struct kernel_team *team = kernel_team_new(1, stop_after, &left);
        assert_int_equal(run(&world, team, 1, cover), KERNEL_STOPPED);
        assert_int_equal(left, 0);
        kernel_team_free(&team);
    }
    column_free(world.column);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definition),
        cmocka_unit_test(test_nothing_covers_nothing),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
