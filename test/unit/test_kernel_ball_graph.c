/* The graph of near rows, and the pairs that it is made of, against measuring every pair. */
#include "selector/kernel/ball_graph.h"
#include "selector/kernel/ball_pairs.h"
#include "selector/kernel/cpu.h"
#include "selector/kernel/vector.h"
#include "test/unit/columns.h"
#include "test/unit/stop.h"

#include <float.h>

enum { SEED = 3 };

/* Rows and which of them are near to each other, by the definition. */
struct world {
    struct column *column;
    uint32_t *slots; /* [count] rows that are present, falling, so that no node's number is its slot */
    size_t count;
    float radius2;
    bool *near; /* [count x count] */
    size_t pairs;
};

static struct world world_new(struct column *column, float radius2)
{
    size_t n = column->rows.count;
    size_t width = column->rows.width;
    struct world world = {.column = column, .slots = calloc(n + 1, sizeof *world.slots), .radius2 = radius2};
    for (size_t i = n; i-- > 0;) {
        if (column->here[i])
            world.slots[world.count++] = (uint32_t)i;
    }
    float *values = malloc((world.count * width + 1) * sizeof *values);
    kernel_gather(&column->rows, world.slots, world.count, NULL, values);
    world.near = calloc(world.count * world.count + 1, sizeof *world.near);
    for (size_t i = 0; i < world.count; i++) {
        for (size_t j = 0; j < i; j++) {
            bool near = kernel_distance2(values + i * width, values + j * width, width) < radius2;
            world.near[i * world.count + j] = world.near[j * world.count + i] = near;
            world.pairs += near;
        }
    }
    free(values);
    return world;
}

static void world_free(struct world *world)
{
    free(world->slots);
    free(world->near);
}

static void check_graph(const struct world *world, unsigned threads, uint64_t seed)
{
    size_t count = world->count;
    uint32_t *others = malloc((count + 1) * sizeof *others);
    bool *listed = malloc((count + 1) * sizeof *listed);
    struct kernel_team *team = kernel_team_new(threads, NULL, NULL);
    struct kernel_ball_graph graph;
    atomic_size_t done = 0;
    assert_int_equal(
        kernel_ball_graph_init(&graph, team, &world->column->rows, world->slots, count, world->radius2, seed, &done),
        KERNEL_OK);
    assert_int_equal(atomic_load(&done), kernel_ball_pairs_steps(count));
    for (uint32_t node = 0; node < count; node++) {
        memset(listed, 0, count * sizeof *listed);
        size_t near = kernel_ball_graph_near(&graph, node, others);
        for (size_t i = 0; i < near; i++) {
            assert_false(listed[others[i]]);
            listed[others[i]] = true;
        }
        assert_memory_equal(listed, world->near + node * count, count * sizeof *listed);
    }
    kernel_ball_graph_deinit(&graph);
    kernel_team_free(&team);
    free(others);
    free(listed);
}

/* Whatever the threads, the seed and the processor. Returns the number of near pairs. Frees the column. */
static size_t check(struct column *column, float radius2)
{
    struct world world = world_new(column, radius2);
    check_graph(&world, 1, SEED);
    check_graph(&world, 2, SEED + 1);
    check_graph(&world, 16, SEED);
    kernel_cpu_avx512_off(true);
    check_graph(&world, 2, SEED);
    kernel_cpu_plain(true);
    check_graph(&world, 2, SEED);
    kernel_cpu_plain(false);
    size_t pairs = world.pairs;
    world_free(&world);
    column_free(column);
    return pairs;
}

/* Sums of `rank` directions (0: none) and of noise. */
static double *combinations(size_t count, size_t width, size_t rank, double noise)
{
    double *values = malloc(count * width * sizeof *values);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < width; j++) {
            double value = noise * normal(1, i * width + j);
            for (size_t r = 0; r < rank; r++)
                value += normal(2, i * rank + r) * normal(4, r * width + j);
            values[i * width + j] = value;
        }
    }
    return values;
}

/* --- the graph ---------------------------------------------------------------------------------------------------------- */

static void test_layouts(void **state)
{
    (void)state;
    for (int dtype = KERNEL_F32; dtype <= KERNEL_F16; dtype++) {
        double *values = combinations(1100, 9, 0, 1);
        struct column *column = column_new(values, 1100, 9, (enum kernel_dtype)dtype, 33, true);
        assert_in_range(check(column, 5), 1000, 200000);
        free(values);
    }
}

/* Rows whose sketches are a few directions, and rows too far from any. */
static void test_directions(void **state)
{
    (void)state;
    enum { N = 2100, WIDTH = 130 };
    static const size_t ranks[] = {6, 0};
    static const float radius2[] = {260, 200};
    for (size_t r = 0; r < 2; r++) {
        for (int dtype = KERNEL_F32; dtype <= KERNEL_F16; dtype++) {
            double *values = combinations(N, WIDTH, ranks[r], ranks[r] > 0 ? 0.3 : 1);
            struct column *column = column_new(values, N, WIDTH, (enum kernel_dtype)dtype, 256, false);
            struct kernel_team *team = kernel_team_new(2, NULL, NULL);
            struct kernel_sketch sketch;
            uint32_t *slots = all_slots(N);
            assert_int_equal(kernel_sketch_init(&sketch, team, &column->rows, slots, N, KERNEL_SKETCH_PAIRS, SEED), KERNEL_OK);
            assert_true(ranks[r] > 0 ? sketch.width < WIDTH : sketch.values == NULL);
            kernel_sketch_deinit(&sketch);
            kernel_team_free(&team);
            free(slots);
            free(values);
            assert_in_range(check(column, radius2[r]), 1000, 1000000);
        }
    }
}

/* Tiles whose every row is near to every row of another: runs as long as there are. */
static void test_duplicates(void **state)
{
    (void)state;
    enum { N = 1100, WIDTH = 7 };
    double *values = combinations(N, WIDTH, 0, 1);
    for (size_t i = 0; i < 800 * WIDTH; i++)
        values[i] = 0.1 * (double)(i % WIDTH);
    assert_in_range(check(column_new(values, N, WIDTH, KERNEL_F32, 64, false), 0.5F), 800 * 799 / 2, 800 * 800 / 2);
    for (size_t i = 0; i < N * WIDTH; i++)
        values[i] = 0.1 * (double)(i % WIDTH);
    assert_int_equal(check(column_new(values, N, WIDTH, KERNEL_F32, 64, false), FLT_MIN), N * (N - 1) / 2);
    assert_int_equal(check(column_new(values, N, WIDTH, KERNEL_F32, 64, false), 0), 0);
    free(values);
}

static void test_nothing_near(void **state)
{
    (void)state;
    assert_int_equal(check(column_clusters(5, 700, 5, 1, 1), 1e-20F), 0);
    assert_int_equal(check(column_clusters(5, 700, 5, 1, 1), 0), 0);
}

static void test_all_near(void **state)
{
    (void)state;
    assert_int_equal(check(column_clusters(5, 700, 5, 3, 1), FLT_MAX), 700 * 699 / 2);
    assert_int_equal(check(column_clusters(5, 700, 5, 3, 1), INFINITY), 700 * 699 / 2);
}

static void test_few_rows(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, 3, 255, 256, 257};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        size_t pairs = check(column_clusters(6, counts[c], 3, 2, 0.5), 1);
        assert_int_equal(pairs > 0, counts[c] > 2);
    }
}

/* One row that all others are near to, and none of these to another. */
static void test_star(void **state)
{
    (void)state;
    enum { N = 900, WIDTH = 120 };
    double *values = combinations(N, WIDTH, 0, 1);
    for (size_t i = 0; i < N; i++) {
        double squares = 0;
        for (size_t j = 0; j < WIDTH; j++)
            squares += values[i * WIDTH + j] * values[i * WIDTH + j];
        for (size_t j = 0; j < WIDTH; j++)
            values[i * WIDTH + j] *= i == 0 ? 0 : 1 / sqrt(squares);
    }
    assert_int_equal(check(column_new(values, N, WIDTH, KERNEL_F32, 64, false), 1.01F), N - 1);
    free(values);
}

/* Far from the origin, and two places far from each other, where products lose every digit; on a lattice of ties at the radius;
 * where squares nearly overflow, do overflow, and underflow. */
static void test_adversarial(void **state)
{
    (void)state;
    enum { N = 600, WIDTH = 10, FEW = 4 };
    static const float radius2[] = {0.002F, 0.002F, 4, 1e36F, 1e38F, 2e-43F};
    double *values = malloc(N * WIDTH * sizeof *values);
    for (int kind = 0; kind < 6; kind++) {
        for (size_t i = 0; i < N; i++) {
            for (size_t j = 0; j < WIDTH; j++) {
                double noise = normal(4, i * WIDTH + j);
                double lattice = (double)(kernel_random_bits(4, j, i) % 2);
                double kinds[] = {1e4 + 0.01 * noise, (i % 2 ? 1e4 : -1e4) + 0.01 * noise, lattice, 3e17 * noise,
                    i % 20 == 0 ? 1e25 * noise : 1e18 * noise, 1e-22 * noise};
                values[i * WIDTH + j] = kinds[kind];
            }
        }
        assert_in_range(check(column_new(values, N, WIDTH, KERNEL_F32, 64, false), radius2[kind]), 10, N * (N - 1) / 2 - 10);
        for (size_t i = 0; i + FEW <= N; i += FEW) /* few rows are measured pair by pair */
            check(column_new(values + i * WIDTH, FEW, WIDTH, KERNEL_F32, 64, false), radius2[kind]);
    }
    free(values);
}

static void test_too_many_pairs(void **state)
{
    (void)state;
    enum { N = 16500 };
    _Static_assert((size_t)N * (N - 1) / 2 > KERNEL_BALL_PAIRS_MAX, "the pairs of equal rows are too many");
    double *values = calloc(N, sizeof *values);
    struct column *column = column_new(values, N, 1, KERNEL_F32, N, false);
    uint32_t *slots = all_slots(N);
    struct kernel_team *team = kernel_team_new(2, NULL, NULL);
    struct kernel_ball_graph graph;
    assert_int_equal(kernel_ball_graph_init(&graph, team, &column->rows, slots, N, 1, SEED, NULL), KERNEL_END);
    kernel_ball_graph_deinit(&graph);
    kernel_team_free(&team);
    free(slots);
    free(values);
    column_free(column);
}

static void test_stop(void **state)
{
    (void)state;
    struct world world = world_new(column_clusters(7, 1300, 8, 5, 0.5), 1);
    unsigned stopped = 0;
    for (unsigned left = 1; left < 2000; left = left * 2 + 1) {
        unsigned polls = left;
        struct kernel_team *team = kernel_team_new(1, stop_after, &polls);
        struct kernel_ball_graph graph;
        enum kernel_status status =
            kernel_ball_graph_init(&graph, team, &world.column->rows, world.slots, world.count, world.radius2, SEED, NULL);
        assert_int_equal(status, polls > 0 ? KERNEL_OK : KERNEL_STOPPED);
        stopped += status == KERNEL_STOPPED;
        kernel_ball_graph_deinit(&graph);
        kernel_team_free(&team);
    }
    assert_in_range(stopped, 3, 10);
    column_free(world.column);
    world_free(&world);
}

/* --- the pairs ---------------------------------------------------------------------------------------------------------- */

/* What the pairs are told to, and what they told. */
struct listener {
    const struct kernel_sketch *sketch;
    const struct world *world;
    atomic_size_t added;
    size_t most; /* `add` refuses more */
};

static bool sum_is_odd(void *context, uint32_t a, uint32_t b)
{
    (void)context;
    return (a + b) % 2 == 1;
}

static bool add(void *context, uint32_t a, uint32_t b)
{
    struct listener *listener = context;
    const uint32_t *nodes = listener->sketch->places;
    assert_true(a < b);
    assert_true(listener->world->near[nodes[a] * listener->world->count + nodes[b]]);
    return atomic_fetch_add(&listener->added, 1) < listener->most;
}

/* Finds the pairs of a world; the team is stopped when it has been asked `left` times since the sketch was made. */
static enum kernel_status find(struct listener *listener, unsigned threads, bool skip_odd, unsigned left)
{
    const struct world *world = listener->world;
    unsigned polls = UINT32_MAX;
    struct kernel_team *team = kernel_team_new(threads, stop_after, &polls);
    struct kernel_sketch sketch;
    assert_int_equal(
        kernel_sketch_init(&sketch, team, &world->column->rows, world->slots, world->count, KERNEL_SKETCH_PAIRS, SEED),
        KERNEL_OK);
    struct kernel_ball_pairs pairs = {team, &sketch, world->radius2, skip_odd ? sum_is_odd : NULL, add, listener, NULL};
    listener->sketch = &sketch;
    polls = left;
    enum kernel_status status = kernel_ball_pairs_find(&pairs);
    kernel_sketch_deinit(&sketch);
    kernel_team_free(&team);
    return status;
}

/* Places in the sketch are not known here, so that pairs of an odd sum are counted by what is left out. */
static void test_known_pairs_are_left_out(void **state)
{
    (void)state;
    struct world world = world_new(column_clusters(8, 600, 6, 1, 1), FLT_MAX);
    struct listener all = {.world = &world, .most = SIZE_MAX};
    assert_int_equal(find(&all, 2, false, UINT32_MAX), KERNEL_OK);
    assert_int_equal(atomic_load(&all.added), 600 * 599 / 2);
    struct listener even = {.world = &world, .most = SIZE_MAX};
    assert_int_equal(find(&even, 2, true, UINT32_MAX), KERNEL_OK);
    assert_int_equal(atomic_load(&even.added), 2 * (300 * 299 / 2));
    column_free(world.column);
    world_free(&world);
}

/* It ends with the two tiles that each thread is at. */
static void test_add_gives_up(void **state)
{
    (void)state;
    struct world world = world_new(column_clusters(8, 1500, 6, 1, 1), FLT_MAX);
    for (unsigned threads = 1; threads <= 4; threads *= 2) {
        struct listener listener = {.world = &world, .most = 1000};
        assert_int_equal(find(&listener, threads, false, UINT32_MAX), KERNEL_END);
        assert_in_range(atomic_load(&listener.added), 1001, 1000 + threads * KERNEL_SKETCH_TILE * KERNEL_SKETCH_TILE);
    }
    struct listener at_end = {.world = &world, .most = world.pairs - 1};
    assert_int_equal(find(&at_end, 1, false, UINT32_MAX), KERNEL_END);
    assert_int_equal(atomic_load(&at_end.added), world.pairs);
    column_free(world.column);
    world_free(&world);
}

static void test_pairs_stop(void **state)
{
    (void)state;
    struct world world = world_new(column_clusters(8, 1500, 6, 1, 1), FLT_MAX);
    for (unsigned threads = 1; threads <= 4; threads *= 2) {
        struct listener listener = {.world = &world, .most = SIZE_MAX};
        assert_int_equal(find(&listener, threads, false, 1), KERNEL_STOPPED);
        assert_int_equal(atomic_load(&listener.added), 0);
    }
    /* Asked before and within a tile of the extents, 8 times, and then for every two tiles that are compared. */
    struct listener within = {.world = &world, .most = SIZE_MAX};
    assert_int_equal(find(&within, 1, false, 14), KERNEL_STOPPED);
    assert_in_range(atomic_load(&within.added), 1, 6 * KERNEL_SKETCH_TILE * KERNEL_SKETCH_TILE);
    column_free(world.column);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_directions),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_nothing_near),
        cmocka_unit_test(test_all_near),
        cmocka_unit_test(test_few_rows),
        cmocka_unit_test(test_star),
        cmocka_unit_test(test_adversarial),
        cmocka_unit_test(test_too_many_pairs),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_known_pairs_are_left_out),
        cmocka_unit_test(test_add_gives_up),
        cmocka_unit_test(test_pairs_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
