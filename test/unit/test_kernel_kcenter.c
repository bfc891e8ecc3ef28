/* k-center against the plain loop: the same picks, in every case where a distance by matrix product could mislead. */
#include "selector/kernel/cpu.h"
#include "selector/kernel/kcenter.h"
#include "selector/kernel/vector.h"
#include "test/unit/columns.h"

/* Farthest point by the definition, one pass over everything for each centre. `first`: the first pick where there is no centre.
 */
static void plain(const struct column *column, const uint32_t *slots, size_t count, const uint32_t *known, size_t known_count,
    size_t k, uint32_t first, uint32_t *picks)
{
    size_t width = column->rows.width;
    float *rows = malloc((count * width + 1) * sizeof *rows);
    float *center = malloc(width * sizeof *center);
    float *bound = malloc((count + 1) * sizeof *bound);
    bool *taken = calloc(count + 1, sizeof *taken);
    kernel_gather(&column->rows, slots, count, NULL, rows);
    for (size_t i = 0; i < count; i++)
        bound[i] = INFINITY;
    for (size_t step = 0; step < known_count + k; step++) {
        uint32_t slot;
        if (step < known_count) {
            slot = known[step];
        } else {
            size_t best = count;
            for (size_t i = 0; i < count; i++) {
                if (!taken[i] && (best == count || bound[i] > bound[best]))
                    best = i;
            }
            if (step == 0)
                best = first;
            taken[best] = true;
            picks[step - known_count] = (uint32_t)best;
            slot = slots[best];
        }
        kernel_gather(&column->rows, &slot, 1, NULL, center);
        for (size_t i = 0; i < count; i++)
            bound[i] = fminf(bound[i], kernel_distance2(rows + i * width, center, width));
    }
    free(rows);
    free(center);
    free(bound);
    free(taken);
}

static void lazy(const struct column *column, const uint32_t *slots, size_t count, const uint32_t *known, size_t known_count,
    size_t k, unsigned threads, uint32_t *picks)
{
    struct kernel_team *team = kernel_team_new(threads, NULL, NULL);
    struct kernel_kcenter *kcenter = kernel_kcenter_new(team, &column->rows, slots, count);
    for (size_t i = 0; i < known_count; i++)
        assert_int_equal(kernel_kcenter_add(kcenter, known[i]), KERNEL_OK);
    kernel_kcenter_rewind(kcenter, NULL, NULL);
    double last = INFINITY;
    for (size_t i = 0; i < k; i++) {
        double distance2;
        assert_int_equal(kernel_kcenter_next(kcenter, NULL, NULL, &picks[i], &distance2), KERNEL_OK);
        assert_true(distance2 <= last);
        last = distance2;
        assert_int_equal(kernel_kcenter_take(kcenter, picks[i]), KERNEL_OK);
    }
    if (k == count) {
        double distance2;
        uint32_t none;
        assert_int_equal(kernel_kcenter_next(kcenter, NULL, NULL, &none, &distance2), KERNEL_END);
    }
    kernel_kcenter_free(&kcenter);
    kernel_team_free(&team);
}

static void compare(const struct column *column, size_t known_count, size_t k)
{
    size_t n = column->rows.count;
    uint32_t *slots = malloc(n * sizeof *slots);
    uint32_t *known = malloc((n + 1) * sizeof *known);
    uint32_t *expected = malloc((k + 1) * sizeof *expected);
    uint32_t *picks = malloc((k + 1) * sizeof *picks);
    size_t count = 0;
    size_t centers = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (column->here[i] && centers < known_count && i % 7 == 2)
            known[centers++] = i;
        else if (column->here[i])
            slots[count++] = i;
    }
    k = k < count ? k : count;
    for (unsigned threads = 1; threads <= 16; threads = threads == 1 ? 2 : threads * 8) {
        lazy(column, slots, count, known, centers, k, threads, picks);
        if (threads == 1)
            plain(column, slots, count, known, centers, k, picks[0], expected);
        assert_memory_equal(picks, expected, k * sizeof *picks);
    }
    kernel_cpu_plain(true);
    lazy(column, slots, count, known, centers, k, 1, picks);
    kernel_cpu_plain(false);
    assert_memory_equal(picks, expected, k * sizeof *picks);
    free(slots);
    free(known);
    free(expected);
    free(picks);
}

static void test_clusters(void **state)
{
    (void)state;
    static const size_t widths[] = {1, 3, 32, 67, 784};
    for (size_t w = 0; w < 5; w++) {
        struct column *column = column_clusters(w, 1500, widths[w], 12, 0.3);
        compare(column, 0, 120);
        compare(column, 100, 120);
        column_free(column);
    }
}

/* Noise without structure, where nearly every point must be looked at for every centre. */
static void test_noise(void **state)
{
    (void)state;
    struct column *column = column_clusters(21, 7000, 24, 1, 1);
    compare(column, 0, 60);
    compare(column, 300, 40);
    column_free(column);
}

/* So many centres that the points take a hundred refreshes to catch up. */
static void test_many_centers(void **state)
{
    (void)state;
    enum { KNOWN = 25000, POINTS = 1000, K = 20 };
    struct column *column = column_clusters(22, KNOWN + POINTS, 3, 1, 1);
    static uint32_t slots[KNOWN + POINTS];
    uint32_t picks[K];
    uint32_t expected[K];
    for (uint32_t i = 0; i < KNOWN + POINTS; i++)
        slots[i] = i;
    lazy(column, slots + KNOWN, POINTS, slots, KNOWN, K, 2, picks);
    plain(column, slots + KNOWN, POINTS, slots, KNOWN, K, 0, expected);
    assert_memory_equal(picks, expected, sizeof picks);
    column_free(column);
}

static void test_layouts(void **state)
{
    (void)state;
    double *values = malloc(400 * 9 * sizeof *values);
    for (size_t i = 0; i < 400 * 9; i++)
        values[i] = normal(3, i);
    for (int dtype = KERNEL_F32; dtype <= KERNEL_F16; dtype++) {
        struct column *column = column_new(values, 400, 9, (enum kernel_dtype)dtype, 33, true);
        compare(column, 5, 400);
        compare(column, 0, 400);
        column_free(column);
    }
    free(values);
}

/* All equal, many copies, far from the origin (where products lose every digit), huge (where squares overflow), tiny (where
 * they underflow), a lattice of ties. */
static void test_adversarial(void **state)
{
    (void)state;
    enum { N = 1200, D = 20 };
    double *values = malloc(N * D * sizeof *values);
    for (int kind = 0; kind < 6; kind++) {
        for (size_t i = 0; i < N; i++) {
            for (size_t j = 0; j < D; j++) {
                double noise = normal(4, i * D + j);
                double copies = normal(4, i % 10 * D + j);
                double lattice = (double)(kernel_random_bits(4, j, i) % 2);
                double kinds[] = {0.25, copies, 1e4 + 0.01 * noise, 1e25 * noise, 1e-21 * noise, lattice};
                values[i * D + j] = kinds[kind];
            }
        }
        struct column *column = column_new(values, N, D, KERNEL_F32, 64, false);
        compare(column, 0, 150);
        compare(column, 20, 150);
        column_free(column);
    }
    free(values);
}

static void test_first_is_nearest_to_mean(void **state)
{
    (void)state;
    double values[] = {0, 10, 4, 6, 5, 5};
    struct column *column = column_new(values, 6, 1, KERNEL_F32, 6, false);
    uint32_t slots[] = {0, 1, 2, 3, 4, 5};
    uint32_t picks[6];
    lazy(column, slots, 6, NULL, 0, 6, 1, picks);
    assert_int_equal(picks[0], 4);
    assert_int_equal(picks[1], 0);
    assert_int_equal(picks[2], 1);
    column_free(column);
}

static bool even(void *context, uint32_t index)
{
    (void)context;
    return index % 2 == 0;
}

static void test_accept(void **state)
{
    (void)state;
    struct column *column = column_clusters(9, 300, 5, 4, 0.5);
    uint32_t slots[300];
    for (uint32_t i = 0; i < 300; i++)
        slots[i] = i;
    struct kernel_team *team = kernel_team_new(2, NULL, NULL);
    struct kernel_kcenter *kcenter = kernel_kcenter_new(team, &column->rows, slots, 300);
    kernel_kcenter_rewind(kcenter, even, NULL);
    uint32_t index;
    double distance2;
    size_t count = 0;
    while (kernel_kcenter_next(kcenter, even, NULL, &index, &distance2) == KERNEL_OK) {
        assert_int_equal(index % 2, 0);
        kernel_kcenter_take(kcenter, index);
        count++;
    }
    assert_int_equal(count, 150);
    kernel_kcenter_rewind(kcenter, NULL, NULL);
    while (kernel_kcenter_next(kcenter, NULL, NULL, &index, &distance2) == KERNEL_OK) {
        assert_int_equal(index % 2, 1);
        count++;
    }
    assert_int_equal(count, 300);
    kernel_kcenter_free(&kcenter);
    kernel_team_free(&team);
    column_free(column);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clusters),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_many_centers),
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_adversarial),
        cmocka_unit_test(test_first_is_nearest_to_mean),
        cmocka_unit_test(test_accept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
