/* Nearest neighbours against measuring every pair, to the bit: for rows with and without few directions, on every processor. */
#include "selector/kernel/cpu.h"
#include "selector/kernel/nearest.h"
#include "selector/kernel/random.h"
#include "selector/kernel/recall.h"
#include "selector/kernel/vector.h"
#include "test/unit/tests.h"

#include "test/unit/stop.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 2600, K = 7, WIDTH_MAX = 160 };

struct world {
    float *values; /* [N x WIDTH_MAX] */
    uint32_t *slots;
    uint32_t *found, *expected;
    float *found2, *expected2;
};

static int setup(void **state)
{
    static struct world world;
    size_t cells = (size_t)N * K;
    world = (struct world){
        .values = calloc((size_t)N * WIDTH_MAX, sizeof(float)),
        .slots = malloc(N * sizeof(uint32_t)),
        .found = malloc(cells * sizeof(uint32_t)),
        .expected = malloc(cells * sizeof(uint32_t)),
        .found2 = malloc(cells * sizeof(float)),
        .expected2 = malloc(cells * sizeof(float)),
    };
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    free(world->values);
    free(world->slots);
    free(world->found);
    free(world->expected);
    free(world->found2);
    free(world->expected2);
    return 0;
}

static float uniform(uint64_t stream, uint64_t i)
{
    return (float)kernel_random_uniform(3, stream, i) - 0.5F;
}

/* Combinations of `rank` directions, and noise. */
static void fill(const struct world *world, size_t width, size_t rank, float noise)
{
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < width; j++) {
            float value = noise * uniform(1, i * width + j);
            for (size_t r = 0; r < rank; r++)
                value += uniform(2, i * rank + r) * uniform(4, r * width + j);
            world->values[i * width + j] = value;
        }
    }
}

static struct kernel_rows view(const struct world *world, size_t width, const void **block)
{
    *block = world->values;
    return (struct kernel_rows){N, width, width * sizeof(float), KERNEL_F32, N, block, NULL};
}

static void brute_force(const struct world *world, size_t width, size_t count)
{
    for (size_t q = 0; q < count; q++) {
        struct kernel_nearest nearest;
        kernel_nearest_init(&nearest, K, world->expected + q * K, world->expected2 + q * K);
        for (size_t i = 0; i < count; i++) {
            const float *a = world->values + world->slots[q] * width;
            const float *b = world->values + world->slots[i] * width;
            if (i != q)
                kernel_nearest_add(&nearest, kernel_distance2(a, b, width), world->slots[i]);
        }
    }
}

static void find(const struct world *world, const struct kernel_rows *rows, size_t count, unsigned threads)
{
    struct kernel_team *team = kernel_team_new(threads, NULL, NULL);
    struct kernel_sketch sketch;
    struct kernel_neighbors found = {.k = K, .slots = world->found, .distances2 = world->found2};
    assert_int_equal(kernel_sketch_init(&sketch, team, rows, world->slots, count, KERNEL_SKETCH_NEIGHBORS, 5), KERNEL_OK);
    memset(world->found, 0, count * K * sizeof *world->found);
    assert_int_equal(kernel_neighbors_find(team, &sketch, NULL, 0, &found), KERNEL_OK);
    kernel_sketch_deinit(&sketch);
    kernel_team_free(&team);
}

static void compare(const struct world *world, size_t count)
{
    assert_memory_equal(world->found, world->expected, count * K * sizeof *world->found);
    assert_memory_equal(world->found2, world->expected2, count * K * sizeof *world->found2);
}

/* Rows step apart, on every kind of processor. */
static void check(const struct world *world, size_t width, size_t count, size_t step)
{
    const void *block;
    struct kernel_rows rows = view(world, width, &block);
    for (size_t i = 0; i < count; i++)
        world->slots[i] = (uint32_t)(i * step);
    brute_force(world, width, count);
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        find(world, &rows, count, threads);
        compare(world, count);
    }
    kernel_cpu_avx512_off(true);
    find(world, &rows, count, 2);
    compare(world, count);
    kernel_cpu_plain(true);
    find(world, &rows, count, 2);
    compare(world, count);
    kernel_cpu_plain(false);
}

static void test_few_directions(void **state)
{
    fill(*state, 128, 10, 0.2F);
    check(*state, 128, N, 1);
}

static void test_no_directions(void **state)
{
    fill(*state, WIDTH_MAX, 0, 1);
    check(*state, WIDTH_MAX, N, 1);
}

static void test_narrow(void **state)
{
    fill(*state, 5, 0, 1);
    check(*state, 5, N, 1);
    check(*state, 5, N / 2, 2);
}

static void test_few_rows(void **state)
{
    fill(*state, 24, 3, 0.1F);
    for (size_t count = 0; count <= 10; count++)
        check(*state, 24, count, 3);
}

/* Whole numbers far apart from the mean: many ties and duplicates, and products that cancel. */
static void test_ties(void **state)
{
    const struct world *world = *state;
    for (size_t i = 0; i < (size_t)N * 100; i++)
        world->values[i] = i % 100 < 4 ? floorf(3 * uniform(9, i)) : 0;
    check(world, 100, N, 1);
    for (size_t i = 0; i < (size_t)N * 100; i++)
        world->values[i] += 1000;
    check(world, 100, N, 1);
}

static void test_all_equal(void **state)
{
    const struct world *world = *state;
    for (size_t i = 0; i < (size_t)N * 100; i++)
        world->values[i] = 0.1F;
    check(world, 100, N, 1);
}

/* One row so far off that its rounding hides the others, one whose squares overflow, and rows whose squares underflow. */
static void test_extremes(void **state)
{
    const struct world *world = *state;
    fill(world, 100, 6, 0.1F);
    world->values[100 * 17] = 1e6F;
    check(world, 100, N, 1);
    world->values[100 * 18] = 1e25F;
    check(world, 100, N, 1);
    fill(world, 100, 6, 0.1F);
    for (size_t i = 0; i < (size_t)N * 100; i++)
        world->values[i] *= 1e-21F;
    check(world, 100, N, 1);
}

static void test_queries(void **state)
{
    const struct world *world = *state;
    static const uint32_t queries[] = {2599, 0, 1300, 1};
    const void *block;
    fill(world, 128, 10, 0.2F);
    check(world, 128, N, 1);
    struct kernel_rows rows = view(world, 128, &block);
    struct kernel_team *team = kernel_team_new(2, NULL, NULL);
    struct kernel_sketch sketch;
    atomic_size_t done = 0;
    struct kernel_neighbors found = {.k = K, .slots = world->found, .distances2 = world->found2, .done = &done};
    assert_int_equal(kernel_sketch_init(&sketch, team, &rows, world->slots, N, KERNEL_SKETCH_NEIGHBORS, 5), KERNEL_OK);
    assert_true(sketch.width < 64); /* few directions were found */
    assert_int_equal(kernel_neighbors_find(team, &sketch, queries, 4, &found), KERNEL_OK);
    for (size_t q = 0; q < 4; q++)
        assert_memory_equal(world->found + q * K, world->expected + queries[q] * K, K * sizeof *world->found);
    assert_int_equal(atomic_load(&done), 4);
    kernel_sketch_deinit(&sketch);
    kernel_team_free(&team);
}

/* As many tiles as are said to hold the share wanted do find it, and one tile fewer does not. */
static void test_visits(void **state)
{
    const struct world *world = *state;
    const void *block;
    fill(world, 12, 0, 1);
    check(world, 12, N, 1);
    struct kernel_rows rows = view(world, 12, &block);
    struct kernel_team *team = kernel_team_new(2, NULL, NULL);
    struct kernel_sketch sketch;
    struct kernel_neighbors exact = {.k = K, .slots = world->expected, .distances2 = world->expected2};
    struct kernel_neighbors found = {.k = K, .slots = world->found, .distances2 = world->found2};
    assert_int_equal(kernel_sketch_init(&sketch, team, &rows, world->slots, N, KERNEL_SKETCH_NEIGHBORS, 5), KERNEL_OK);
    assert_int_equal(kernel_recall_visits(&sketch, world->slots, N, &exact, 0.9, &found.visits), KERNEL_OK);
    assert_in_range(found.visits, 2, (N - 1) / KERNEL_SKETCH_TILE);
    assert_int_equal(kernel_neighbors_find(team, &sketch, NULL, 0, &found), KERNEL_OK);
    assert_true(kernel_recall_share(world->slots, N, &exact, world->found2) >= 0.9);
    found.visits--;
    assert_int_equal(kernel_neighbors_find(team, &sketch, NULL, 0, &found), KERNEL_OK);
    assert_true(kernel_recall_share(world->slots, N, &exact, world->found2) < 0.9);
    kernel_sketch_deinit(&sketch);
    kernel_team_free(&team);
}

static void test_stop(void **state)
{
    const struct world *world = *state;
    const void *block;
    fill(world, 128, 10, 0.2F);
    struct kernel_rows rows = view(world, 128, &block);
    unsigned stopped = 0;
    for (unsigned left = 1; left < 2000; left = left * 2 + 1) {
        unsigned polls = left;
        struct kernel_team *team = kernel_team_new(1, stop_after, &polls);
        struct kernel_sketch sketch;
        struct kernel_neighbors found = {.k = K, .slots = world->found, .distances2 = world->found2};
        enum kernel_status status = kernel_sketch_init(&sketch, team, &rows, world->slots, N, KERNEL_SKETCH_NEIGHBORS, 5);
        if (status == KERNEL_OK)
            status = kernel_neighbors_find(team, &sketch, NULL, 0, &found);
        assert_true(status == KERNEL_STOPPED || (status == KERNEL_OK && polls > 0));
        stopped += status == KERNEL_STOPPED;
        kernel_sketch_deinit(&sketch);
        kernel_team_free(&team);
    }
    assert_true(stopped >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_directions),
        cmocka_unit_test(test_no_directions),
        cmocka_unit_test(test_narrow),
        cmocka_unit_test(test_few_rows),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_all_equal),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_visits),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
