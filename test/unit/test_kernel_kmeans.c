/* k-means against its definition: nearest centres, centres that are means, seeds by squared distance. */
#include "selector/kernel/kmeans.h"
#include "selector/kernel/random.h"
#include "selector/kernel/vector.h"
#include "test/unit/tests.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1500, WIDTH = 19, CLUSTERS = 13 };

struct world {
    float values[N * WIDTH];
    uint32_t slots[N];
    uint32_t cluster[N];
    uint32_t items[N];
    const void *block;
    struct kernel_rows rows;
};

static int setup(void **state)
{
    static struct world world;
    for (size_t i = 0; i < (size_t)N * WIDTH; i++)
        world.values[i] = (float)kernel_random_uniform(1, 1, i) + 3 * (float)(i / WIDTH % CLUSTERS == i % WIDTH);
    for (uint32_t i = 0; i < N; i++)
        world.slots[i] = i;
    world.block = world.values;
    world.rows = (struct kernel_rows){N, WIDTH, WIDTH * sizeof(float), KERNEL_F32, N, &world.block, NULL};
    *state = &world;
    return 0;
}

static struct kernel_kmeans run(
    const struct world *world, size_t count, unsigned threads, const struct kernel_kmeans_plan *plan)
{
    struct kernel_kmeans kmeans;
    struct kernel_team *team = kernel_team_new(threads, NULL, NULL);
    assert_int_equal(kernel_kmeans_init(&kmeans, team, &world->rows, world->slots, count, plan), KERNEL_OK);
    kernel_team_free(&team);
    return kmeans;
}

static void assign(struct world *world, const struct kernel_kmeans *kmeans, size_t count)
{
    struct kernel_team *team = kernel_team_new(2, NULL, NULL);
    assert_int_equal(kernel_kmeans_assign(kmeans, team, &world->rows, world->slots, count, world->cluster), KERNEL_OK);
    kernel_team_free(&team);
}

static double distance(const struct world *world, const struct kernel_kmeans *kmeans, size_t i, size_t c)
{
    double sum = 0;
    for (size_t j = 0; j < WIDTH; j++) {
        double center = (double)kmeans->centers[c * WIDTH + j] + (double)kmeans->origin[j];
        sum += ((double)world->values[i * WIDTH + j] - center) * ((double)world->values[i * WIDTH + j] - center);
    }
    return sum;
}

static double cost(const struct world *world, const struct kernel_kmeans *kmeans)
{
    double sum = 0;
    for (size_t i = 0; i < N; i++)
        sum += distance(world, kmeans, i, world->cluster[i]);
    return sum;
}

/* After enough rounds nothing moves: every row is with its nearest centre, every centre is the mean of its rows. */
static void test_fixed_point(void **state)
{
    struct world *world = *state;
    size_t first[CLUSTERS + 1];
    struct kernel_kmeans kmeans =
        run(world, N, 2, &(struct kernel_kmeans_plan){.clusters = CLUSTERS, .rounds = 100, .spread = true, .seed = 3});
    assign(world, &kmeans, N);
    kernel_kmeans_members(world->cluster, N, CLUSTERS, world->items, first);
    assert_int_equal(kmeans.clusters, CLUSTERS);
    assert_int_equal(first[CLUSTERS], N);
    size_t held = 0;
    for (size_t c = 0; c < CLUSTERS; c++) {
        if (first[c] == first[c + 1])
            continue; /* it lost its rows to others */
        held++;
        for (size_t j = 0; j < WIDTH; j++) {
            double mean = 0;
            for (size_t i = first[c]; i < first[c + 1]; i++)
                mean += (double)world->values[world->items[i] * WIDTH + j] / (double)(first[c + 1] - first[c]);
            assert_true(fabs(mean - (double)kmeans.centers[c * WIDTH + j] - (double)kmeans.origin[j]) < 1e-5);
        }
        for (size_t i = first[c]; i < first[c + 1]; i++) {
            assert_int_equal(world->cluster[world->items[i]], c);
            assert_true(i == first[c] || world->items[i - 1] < world->items[i]);
            for (size_t other = 0; other < CLUSTERS; other++)
                assert_true(
                    distance(world, &kmeans, world->items[i], other) > distance(world, &kmeans, world->items[i], c) - 1e-4);
        }
    }
    assert_true(held >= CLUSTERS - 2);
    kernel_kmeans_deinit(&kmeans);
}

static void test_threads(void **state)
{
    struct world *world = *state;
    for (unsigned kind = 0; kind < 4; kind++) {
        struct kernel_kmeans_plan plan = {
            .clusters = CLUSTERS, .rounds = 4, .batch = kind / 2 * 500, .spread = kind % 2 == 1, .seed = 9};
        struct kernel_kmeans one = run(world, N, 1, &plan);
        struct kernel_kmeans three = run(world, N, 3, &plan);
        assert_memory_equal(one.centers, three.centers, CLUSTERS * WIDTH * sizeof(float));
        plan.seed = 10;
        struct kernel_kmeans other = run(world, N, 1, &plan);
        assert_memory_not_equal(one.centers, other.centers, CLUSTERS * WIDTH * sizeof(float));
        kernel_kmeans_deinit(&one);
        kernel_kmeans_deinit(&three);
        kernel_kmeans_deinit(&other);
    }
}

/* Parts of the rows a round lead near to where all of them do. */
static void test_batches(void **state)
{
    struct world *world = *state;
    struct kernel_kmeans_plan plan = {.clusters = CLUSTERS, .spread = true, .seed = 3};
    struct kernel_kmeans seeds = run(world, N, 2, &plan);
    assign(world, &seeds, N);
    double before = cost(world, &seeds);
    plan.rounds = 50;
    struct kernel_kmeans all = run(world, N, 2, &plan);
    assign(world, &all, N);
    double best = cost(world, &all);
    plan.batch = 300;
    struct kernel_kmeans batches = run(world, N, 2, &plan);
    assign(world, &batches, N);
    assert_true(best < 0.8 * before);
    assert_true(cost(world, &batches) < 1.1 * best);
    kernel_kmeans_deinit(&seeds);
    kernel_kmeans_deinit(&all);
    kernel_kmeans_deinit(&batches);
}

/* Four points, two seeds: the second is drawn in proportion to the squared distance to the first. */
static void test_seeds(void **state)
{
    const struct world *world = *state;
    enum { DRAWS = 4000, POINTS = 4 };
    static const float at[POINTS] = {0, 1, 3, 7};
    const void *block = at;
    struct world line = {.rows = {POINTS, 1, sizeof(float), KERNEL_F32, POINTS, &block, NULL}};
    memcpy(line.slots, world->slots, sizeof line.slots);
    double seen[POINTS][POINTS] = {{0}};
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        struct kernel_kmeans kmeans =
            run(&line, POINTS, 1, &(struct kernel_kmeans_plan){.clusters = 2, .spread = true, .seed = seed});
        size_t pair[2] = {0};
        for (size_t c = 0; c < 2; c++) {
            while (fabsf(at[pair[c]] - kmeans.centers[c] - kmeans.origin[0]) > 1e-3F)
                pair[c]++;
        }
        seen[pair[0]][pair[1]]++;
        kernel_kmeans_deinit(&kmeans);
    }
    double chi2 = 0;
    for (size_t a = 0; a < POINTS; a++) {
        double total = 0;
        for (size_t b = 0; b < POINTS; b++)
            total += (double)((at[a] - at[b]) * (at[a] - at[b]));
        assert_true(seen[a][a] <= 0);
        for (size_t b = 0; b < POINTS; b++) {
            double expected = DRAWS / (double)POINTS * (double)((at[a] - at[b]) * (at[a] - at[b])) / total;
            chi2 += a != b ? (seen[a][b] - expected) * (seen[a][b] - expected) / expected : 0;
        }
    }
    assert_true(chi2 < 31.3); /* 11 degrees of freedom, 0.1 % */
}

static void test_few_rows(void **state)
{
    struct world *world = *state;
    for (size_t count = 1; count <= 4; count++) {
        for (unsigned spread = 0; spread < 2; spread++) {
            struct kernel_kmeans kmeans = run(
                world, count, 2, &(struct kernel_kmeans_plan){.clusters = 9, .rounds = 5, .batch = spread, .spread = spread});
            assert_int_equal(kmeans.clusters, count);
            assign(world, &kmeans, count);
            for (size_t i = 0; i < count; i++)
                assert_in_range(world->cluster[i], 0, count - 1);
            kernel_kmeans_deinit(&kmeans);
        }
    }
}

static void test_all_equal(void **state)
{
    struct world *world = *state;
    float *values = calloc((size_t)N * WIDTH, sizeof *values);
    assert_non_null(values);
    const void *kept = world->block;
    world->block = values;
    struct kernel_kmeans kmeans =
        run(world, N, 2, &(struct kernel_kmeans_plan){.clusters = CLUSTERS, .rounds = 5, .spread = true});
    assign(world, &kmeans, N);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(world->cluster[i], 0);
    world->block = kept;
    kernel_kmeans_deinit(&kmeans);
    free(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed_point),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_few_rows),
        cmocka_unit_test(test_all_equal),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
