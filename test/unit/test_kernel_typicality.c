/* How near the neighbours of each row are, against the definition: the k smallest of all distances, in double. */
#include "selector/kernel/cpu.h"
#include "selector/kernel/typicality.h"
#include "test/unit/columns.h"
#include "test/unit/stop.h"

static double distance(const struct column *column, uint32_t a, uint32_t b)
{
    size_t width = column->rows.width;
    double sum = 0;
    for (size_t j = 0; j < width; j++) {
        double difference = column->values[a * width + j] - column->values[b * width + j];
        sum += difference * difference;
    }
    return sqrt(sum);
}

/* Puts a value among smallest[0..*found), which rise and are k at most. */
static void add(double *smallest, size_t *found, size_t k, double value)
{
    if (*found == k && value >= smallest[k - 1])
        return;
    size_t at = *found < k ? (*found)++ : k - 1;
    for (; at > 0 && smallest[at - 1] > value; at--)
        smallest[at] = smallest[at - 1];
    smallest[at] = value;
}

static void reference(const struct column *column, const struct kernel_spread_list *list, float *spread)
{
    size_t count = list->set.count;
    size_t points = count < TYPICALITY_SET_MAX ? count : TYPICALITY_SET_MAX;
    for (size_t i = 0; i < count; i++) {
        double smallest[KERNEL_NEIGHBORS_MAX];
        size_t found = 0;
        for (size_t p = 0; p < points; p++) {
            uint32_t other = list->set.slots[p * count / points];
            if (other != list->set.slots[i])
                add(smallest, &found, list->k, distance(column, list->set.slots[i], other));
        }
        double sum = 0;
        for (size_t j = 0; j < found; j++)
            sum += smallest[j];
        spread[i] = found > 0 ? (float)(sum / (double)found) : 0;
    }
}

/* The column's rows in lists of these sizes, one after the other. */
struct world {
    const struct column *column;
    struct kernel_spread_list lists[8];
    size_t list_count;
    uint32_t *slots;
    size_t rows;
    float *spread;
    float *origin;
};

static void world_init(struct world *world, const struct column *column, const size_t *sizes, size_t lists, unsigned k)
{
    size_t width = column->rows.width;
    *world = (struct world){.column = column, .list_count = lists};
    world->slots = malloc((column->rows.count + 1) * sizeof *world->slots);
    for (uint32_t i = 0; i < column->rows.count; i++) {
        if (column->here[i])
            world->slots[world->rows++] = i;
    }
    world->spread = malloc(world->rows * sizeof *world->spread);
    world->origin = malloc(width * sizeof *world->origin);
    for (size_t j = 0; j < width; j++)
        world->origin[j] = (float)column->values[world->slots[0] * width + j];
    size_t at = 0;
    for (size_t l = 0; l < lists; l++) {
        struct kernel_subset set = {&column->rows, world->slots + at, sizes[l], world->origin};
        world->lists[l] = (struct kernel_spread_list){set, k, world->spread + at};
        at += sizes[l];
    }
    assert_true(at <= world->rows);
    world->rows = at;
}

static void world_deinit(struct world *world)
{
    free(world->slots);
    free(world->spread);
    free(world->origin);
}

static enum kernel_status run(struct world *world, unsigned threads)
{
    for (size_t i = 0; i < world->rows; i++)
        world->spread[i] = -1;
    atomic_size_t done = 0;
    struct kernel_team *team = kernel_team_new(threads, NULL, NULL);
    enum kernel_status status = kernel_spread(team, world->lists, world->list_count, &done);
    kernel_team_free(&team);
    assert_int_equal(atomic_load(&done), world->rows);
    return status;
}

static void check_paths(struct world *world, const float *expected)
{
    float *first = malloc(world->rows * sizeof *first);
    for (unsigned path = 0; path < 3; path++) {
        kernel_cpu_avx512_off(path == 1);
        kernel_cpu_plain(path == 2);
        assert_int_equal(run(world, 1), KERNEL_OK);
        memcpy(first, world->spread, world->rows * sizeof *first);
        for (size_t i = 0; i < world->rows; i++)
            assert_float_equal(first[i], expected[i], 1e-5F + 1e-4F * expected[i]);
        assert_int_equal(run(world, 16), KERNEL_OK);
        assert_memory_equal(world->spread, first, world->rows * sizeof *first);
    }
    kernel_cpu_avx512_off(false);
    kernel_cpu_plain(false);
    free(first);
}

static void check(const struct column *column, const size_t *sizes, size_t lists, unsigned k)
{
    struct world world;
    world_init(&world, column, sizes, lists, k);
    float *expected = malloc(world.rows * sizeof *expected);
    for (size_t l = 0; l < lists; l++)
        reference(column, &world.lists[l], expected + (world.lists[l].spread - world.spread));
    check_paths(&world, expected);
    free(expected);
    world_deinit(&world);
}

/* Sizes around the tiles, and lists without a row. */
static void test_short_lists(void **state)
{
    (void)state;
    struct column *column = column_clusters(3, 1500, 40, 7, 0.8);
    const size_t sizes[] = {1, 0, 2, 127, 128, 129, 21, 700};
    for (unsigned k = 1; k <= KERNEL_NEIGHBORS_MAX; k = k * 5 + 3)
        check(column, sizes, 8, k);
    check(column, sizes, 8, KERNEL_NEIGHBORS_MAX);
    column_free(column);
}

/* The longest list that all rows stand for, and the shortest that some do, between others. */
static void test_long_lists(void **state)
{
    (void)state;
    struct column *column = column_clusters(4, 9000, 5, 9, 0.5);
    const size_t sizes[] = {30, 4096, 4097, 300};
    check(column, sizes, 4, 20);
    column_free(column);
}

static void test_half_rows_with_gaps(void **state)
{
    (void)state;
    double values[600 * 6];
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        values[i] = 3 + normal(8, i);
    struct column *column = column_new(values, 600, 6, KERNEL_F16, 37, true);
    const size_t sizes[] = {300, 100};
    check(column, sizes, 2, 20);
    column_free(column);
}

/* A row's duplicates are neighbours at no distance; it is none of its own. */
static void test_equal_rows(void **state)
{
    (void)state;
    enum { N = 2300, WIDTH = 9 };
    double *values = malloc(sizeof *values * N * WIDTH);
    for (size_t i = 0; i < (size_t)N * WIDTH; i++)
        values[i] = normal(9, i % (WIDTH * N / 2));
    struct column *column = column_new(values, N, WIDTH, KERNEL_F32, N, false);
    const size_t sizes[] = {N};
    struct world world;
    world_init(&world, column, sizes, 1, 1);
    assert_int_equal(run(&world, 1), KERNEL_OK);
    for (size_t i = 0; i < N; i++)
        assert_float_equal(world.spread[i], 0, 5e-3); /* of lengths near 4, whose squares have seven digits */
    world_deinit(&world);
    column_free(column);
    free(values);
}

static void test_stop(void **state)
{
    (void)state;
    struct column *column = column_clusters(4, 7000, 5, 9, 0.5);
    const size_t sizes[] = {600, 600, 600, 5000};
    struct world world;
    world_init(&world, column, sizes, 4, 20);
    for (unsigned most = 1; most < 60; most = most * 2 + 1) {
        unsigned left = most;
        atomic_size_t done = 0;
        struct kernel_team *team = kernel_team_new(1, stop_after, &left);
        assert_int_equal(kernel_spread(team, world.lists, world.list_count, &done), KERNEL_STOPPED);
        assert_int_equal(left, 0);
        kernel_team_free(&team);
    }
    world_deinit(&world);
    column_free(column);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_lists),
        cmocka_unit_test(test_long_lists),
        cmocka_unit_test(test_half_rows_with_gaps),
        cmocka_unit_test(test_equal_rows),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
