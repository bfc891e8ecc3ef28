/* Principal directions against what they promise, reckoned in double: that they are orthonormal, and what they leave. */
#include "selector/kernel/cpu.h"
#include "selector/kernel/directions.h"
#include "test/unit/columns.h"
#include "test/unit/stop.h"

enum { N = 900, WIDTH = 60 };

/* One search, and its rows as doubles. */
struct world {
    struct column *column;
    uint32_t *slots; /* [count] rows that are present */
    size_t count;
    struct kernel_directions_wish wish;
    size_t sample;
    double *rows; /* [sample x width] those that are looked at, less their mean */
    double *mean; /* [width] */
    double total; /* sum of the rows' squares */
};

static double *numbers(size_t count)
{
    return calloc(count + 1, sizeof(double));
}

static struct world world_new(struct column *column, size_t count, struct kernel_directions_wish wish)
{
    size_t width = column->rows.width;
    struct world world = {.column = column, .slots = all_slots(column->rows.count), .wish = wish};
    for (uint32_t i = 0; i < column->rows.count && world.count < count; i++) {
        if (column->here[i])
            world.slots[world.count++] = i;
    }
    world.sample = world.count < wish.sample ? world.count : wish.sample;
    world.rows = numbers(world.sample * width);
    world.mean = numbers(width);
    for (size_t j = 0; j < width; j++) {
        for (size_t i = 0; i < world.sample; i++) {
            world.rows[i * width + j] = column->values[world.slots[i * world.count / world.sample] * width + j];
            world.mean[j] += world.rows[i * width + j] / (double)world.sample;
        }
        for (size_t i = 0; i < world.sample; i++) {
            world.rows[i * width + j] -= world.mean[j];
            world.total += world.rows[i * width + j] * world.rows[i * width + j];
        }
    }
    return world;
}

static void world_free(struct world *world)
{
    column_free(world->column);
    free(world->slots);
    free(world->rows);
    free(world->mean);
}

/* Spectral norm of values values^T - 1: the greatest length it gives a unit vector, by power iteration. */
static double spectral_error(const struct kernel_directions *directions, size_t width)
{
    size_t count = directions->count;
    double *off = numbers(count * count);
    double *x = numbers(count);
    double *y = numbers(count);
    double length = 0;
    for (size_t i = 0; i < count; i++) {
        x[i] = 1 + uniform(1, i);
        for (size_t j = 0; j < count; j++) {
            for (size_t t = 0; t < width; t++)
                off[i * count + j] += (double)directions->values[i * width + t] * (double)directions->values[j * width + t];
        }
        off[i * count + i] -= 1;
    }
    for (int round = 0; round < 100; round++) {
        double squares = 0;
        for (size_t i = 0; i < count; i++) {
            y[i] = 0;
            for (size_t j = 0; j < count; j++)
                y[i] += off[i * count + j] * x[j];
            squares += y[i] * y[i];
        }
        length = sqrt(squares);
        for (size_t i = 0; i < count; i++)
            x[i] = length > 0 ? y[i] / length : 0;
    }
    free(off);
    free(x);
    free(y);
    return length;
}

/* Share of the sample's variance outside the directions. */
static double left_by(const struct world *world, const struct kernel_directions *directions)
{
    size_t width = world->column->rows.width;
    double within = 0;
    for (size_t i = 0; i < world->sample; i++) {
        for (size_t c = 0; c < directions->count; c++) {
            double along = 0;
            for (size_t j = 0; j < width; j++)
                along += (double)directions->values[c * width + j] * world->rows[i * width + j];
            within += along * along;
        }
    }
    return 1 - within / world->total;
}

/* Runs the search; frees nothing. The same bits for any number of threads. */
static struct kernel_directions find(const struct world *world, float *origin)
{
    size_t width = world->column->rows.width;
    struct kernel_directions found[3];
    for (unsigned t = 0; t < 3; t++) {
        struct kernel_team *team = kernel_team_new(t < 2 ? t + 1 : 16, NULL, NULL);
        assert_int_equal(
            kernel_directions_init(&found[t], team, &world->column->rows, world->slots, world->count, &world->wish, origin),
            KERNEL_OK);
        kernel_team_free(&team);
        if (t == 0)
            continue;
        assert_int_equal(found[t].count, found[0].count);
        assert_true(found[t].rest >= found[0].rest && found[t].rest <= found[0].rest);
        assert_true(found[t].error >= found[0].error && found[t].error <= found[0].error);
        if (found[0].count > 0)
            assert_memory_equal(found[t].values, found[0].values, found[0].count * width * sizeof(float));
        kernel_directions_deinit(&found[t]);
    }
    return found[0];
}

/* So many directions leave more than is wanted. */
static void check_too_few(const struct world *world, size_t most)
{
    struct world fewer = *world;
    fewer.wish.most = most;
    float *origin = malloc(world->column->rows.width * sizeof *origin);
    struct kernel_directions directions = find(&fewer, origin);
    assert_int_equal(directions.count, most);
    assert_true(directions.rest > world->wish.rest);
    kernel_directions_deinit(&directions);
    free(origin);
}

/* What is promised of every search. Returns the number of directions. */
static size_t check_once(const struct world *world)
{
    size_t width = world->column->rows.width;
    float *origin = malloc((width + 1) * sizeof *origin);
    struct kernel_directions directions = find(world, origin);
    size_t count = directions.count;
    double longest = sqrt(world->total);
    for (size_t j = 0; j < width; j++)
        assert_true(fabs((double)origin[j] - world->mean[j]) <= 0x1p-24 * fabs(world->mean[j]) + 1e-9 * longest);
    assert_true(count % 16 == 0 || count <= world->wish.most);
    if (count == 0) {
        assert_true(directions.rest >= 1 && directions.rest <= 1);
    } else {
        assert_true(spectral_error(&directions, width) <= directions.error);
        assert_true(directions.error < 1e-4);
        double left = left_by(world, &directions);
        assert_true(left <= directions.rest + 1e-6);
        assert_true(directions.rest <= (world->wish.rounds < 6 ? 1 : left + 0.02));
        if (directions.rest <= world->wish.rest && count > 16)
            check_too_few(world, count - 16);
    }
    kernel_directions_deinit(&directions);
    free(origin);
    return count;
}

/* On every processor. Frees the column. */
static size_t check(struct column *column, size_t rows, struct kernel_directions_wish wish)
{
    struct world world = world_new(column, rows, wish);
    size_t count = check_once(&world);
    kernel_cpu_avx512_off(true);
    assert_int_equal(check_once(&world), count);
    kernel_cpu_plain(true);
    assert_int_equal(check_once(&world), count);
    kernel_cpu_plain(false);
    world_free(&world);
    return count;
}

/* Coordinate j has a standard deviation of share^j times `scale`, about `center`. */
static struct column *falling(double share, double scale, double center, enum kernel_dtype dtype, bool gaps)
{
    double *values = numbers((size_t)N * WIDTH);
    for (size_t i = 0; i < (size_t)N * WIDTH; i++)
        values[i] = center + scale * pow(share, (double)(i % WIDTH)) * normal(1, i);
    struct column *column = column_new(values, N, WIDTH, dtype, 32, gaps);
    free(values);
    return column;
}

static void test_wishes(void **state)
{
    (void)state;
    for (int dtype = KERNEL_F32; dtype <= KERNEL_F16; dtype++) {
        for (int gaps = 0; gaps < 2; gaps++) {
            struct kernel_directions_wish wish = {400, 48, 6, 0.15};
            assert_int_equal(check(falling(0.9, 1, 3, dtype, gaps), N, wish), 16);
            assert_int_equal(check(falling(0.97, 1, 0, dtype, gaps), N, wish), 32);
            wish.sample = N;
            wish.most = 40; /* no multiple of 16 */
            assert_int_equal(check(falling(1, 1, 0, dtype, gaps), N, wish), 40);
            wish.rest = 0;
            assert_int_equal(check(falling(0.9, 1, 0, dtype, gaps), N, wish), 40);
            wish.rounds = 1;
            assert_int_equal(check(falling(0.9, 1, 0, dtype, gaps), N, wish), 40);
        }
    }
}

/* No other space of so many dimensions has more of the variance, that of the longest coordinates among them. */
static void test_directions_lead(void **state)
{
    (void)state;
    struct world world = world_new(falling(0.85, 1, 0, KERNEL_F32, false), N, (struct kernel_directions_wish){N, 16, 6, 0});
    float origin[WIDTH];
    struct kernel_directions directions = find(&world, origin);
    double outside = 0;
    for (size_t i = 0; i < (size_t)N * WIDTH; i++)
        outside += i % WIDTH >= 16 ? world.rows[i] * world.rows[i] : 0;
    assert_int_equal(directions.count, 16);
    assert_true(left_by(&world, &directions) <= outside / world.total * 1.001);
    kernel_directions_deinit(&directions);
    world_free(&world);
}

/* Rows in few dimensions have no more directions: those of three coordinates, and few rows. */
static void test_few_dimensions(void **state)
{
    (void)state;
    struct kernel_directions_wish wish = {400, 32, 6, 0};
    double *values = numbers((size_t)N * WIDTH);
    for (size_t i = 0; i < (size_t)N * WIDTH; i++)
        values[i] = i % WIDTH % 20 == 7 ? normal(2, i) : 0.1;
    assert_int_equal(check(column_new(values, N, WIDTH, KERNEL_F32, 32, false), N, wish), 3);
    free(values);
    for (size_t rows = 2; rows <= 12; rows++)
        assert_int_equal(check(falling(0.95, 1, 0, KERNEL_F32, false), rows, wish), rows - 1);
    wish.most = 100; /* more than a row has elements */
    assert_int_equal(check(falling(1, 1, 0, KERNEL_F32, false), N, wish), WIDTH);
}

static void test_no_directions(void **state)
{
    (void)state;
    struct kernel_directions_wish wish = {400, 32, 6, 0.1};
    for (size_t rows = 0; rows < 2; rows++)
        assert_int_equal(check(falling(0.9, 1, 3, KERNEL_F32, false), rows, wish), 0);
    for (int dtype = KERNEL_F32; dtype <= KERNEL_F16; dtype++)
        assert_int_equal(check(falling(0.9, 0, 0.1, dtype, true), N, wish), 0);
    wish.most = 0;
    assert_int_equal(check(falling(0.9, 1, 3, KERNEL_F32, false), N, wish), 0);
}

static void test_lengths(void **state)
{
    (void)state;
    struct kernel_directions_wish wish = {400, 32, 6, 0.1};
    assert_int_equal(check(falling(0.9, 1e17, 0, KERNEL_F32, false), N, wish), 16);
    assert_int_equal(check(falling(0.9, 1e-17, 0, KERNEL_F32, false), N, wish), 16);
    assert_int_equal(check(falling(0.9, 1e-3, 1000, KERNEL_F32, false), N, wish), 16);
    assert_int_equal(check(falling(0.9, 1e20, 0, KERNEL_F32, false), N, wish), 0); /* their squares overflow */
    assert_int_equal(check(falling(0.9, 1e37, 0, KERNEL_F32, false), N, wish), 0);
}

static void test_stop(void **state)
{
    (void)state;
    struct world world = world_new(falling(0.9, 1, 0, KERNEL_F32, false), N, (struct kernel_directions_wish){N, 32, 6, 0});
    float origin[WIDTH];
    unsigned stopped = 0;
    for (unsigned left = 1; left < 2000; left = left * 2 + 1) {
        unsigned polls = left;
        struct kernel_team *team = kernel_team_new(2, stop_after, &polls);
        struct kernel_directions directions;
        enum kernel_status status =
            kernel_directions_init(&directions, team, &world.column->rows, world.slots, world.count, &world.wish, origin);
        assert_int_equal(status, polls > 0 ? KERNEL_OK : KERNEL_STOPPED);
        stopped += status == KERNEL_STOPPED;
        kernel_directions_deinit(&directions);
        kernel_team_free(&team);
    }
    assert_in_range(stopped, 5, 10);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wishes),
        cmocka_unit_test(test_directions_lead),
        cmocka_unit_test(test_few_dimensions),
        cmocka_unit_test(test_no_directions),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
