/* Average linkage against its definition: the mean distance of every two clusters, looked through for the least at each step.
 */
#include "selector/kernel/cpu.h"
#include "selector/kernel/linkage.h"
#include "selector/kernel/team.h"
#include "test/unit/columns.h"

/* Clusters of the rows slots[0..count), numbered by rising first row. */
static void reference(const struct column *column, const uint32_t *slots, size_t count, size_t clusters, uint32_t *cluster)
{
    size_t width = column->rows.width;
    double *sums = calloc(count * count, sizeof *sums); /* of the distances between the rows of two clusters */
    double *size = malloc(count * sizeof *size);        /* 0: part of another one */
    for (size_t i = 0; i < count; i++) {
        cluster[i] = (uint32_t)i;
        size[i] = 1;
        for (size_t j = 0; j < count; j++) {
            double sum = 0;
            for (size_t k = 0; k < width; k++)
                sum += pow(column->values[slots[i] * width + k] - column->values[slots[j] * width + k], 2);
            sums[i * count + j] = sqrt(sum);
        }
    }
    for (size_t left = count; left > clusters; left--) {
        size_t a = 0, b = 0;
        double least = HUGE_VAL;
        for (size_t i = 0; i < count; i++) {
            for (size_t j = i + 1; size[i] > 0 && j < count; j++) {
                if (size[j] > 0 && sums[i * count + j] / (size[i] * size[j]) < least) {
                    least = sums[i * count + j] / (size[i] * size[j]);
                    a = i;
                    b = j;
                }
            }
        }
        for (size_t i = 0; i < count; i++) {
            sums[a * count + i] += sums[b * count + i];
            sums[i * count + a] = sums[a * count + i];
            cluster[i] = cluster[i] == b ? (uint32_t)a : cluster[i];
        }
        size[a] += size[b];
        size[b] = 0;
    }
    uint32_t numbers = 0;
    for (uint32_t i = 0; i < count; i++)
        cluster[i] = cluster[i] == i ? numbers++ : cluster[cluster[i]];
    assert_int_equal(numbers, clusters);
    free(sums);
    free(size);
}

static enum kernel_status run(
    const struct column *column, const uint32_t *slots, size_t count, size_t clusters, unsigned threads, uint32_t *cluster)
{
    atomic_size_t done = 0;
    struct kernel_team *team = kernel_team_new(threads, NULL, NULL);
    enum kernel_status status = kernel_linkage(team, &column->rows, slots, count, clusters, cluster, &done);
    kernel_team_free(&team);
    assert_int_equal(atomic_load(&done), count - 1);
    return status;
}

static void check(const struct column *column, size_t clusters)
{
    size_t n = column->rows.count;
    uint32_t *slots = malloc(n * sizeof *slots);
    uint32_t *expected = malloc(n * sizeof *expected);
    uint32_t *cluster = malloc(n * sizeof *cluster);
    size_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (column->here[i])
            slots[count++] = i;
    }
    reference(column, slots, count, clusters, expected);
    for (unsigned path = 0; path < 3; path++) {
        kernel_cpu_avx512_off(path == 1);
        kernel_cpu_plain(path == 2);
        for (unsigned threads = 1; threads <= 16; threads *= 4) {
            assert_int_equal(run(column, slots, count, clusters, threads, cluster), KERNEL_OK);
            assert_memory_equal(cluster, expected, count * sizeof *cluster);
        }
    }
    kernel_cpu_avx512_off(false);
    kernel_cpu_plain(false);
    free(slots);
    free(expected);
    free(cluster);
}

static void check_clusters(size_t n, size_t width, size_t centers, double spread, size_t clusters)
{
    struct column *column = column_clusters(5, n, width, centers, spread);
    check(column, clusters);
    column_free(column);
}

static void test_definition(void **state)
{
    (void)state;
    check_clusters(1, 3, 1, 1, 1);
    check_clusters(2, 3, 1, 1, 1);
    check_clusters(3, 1, 3, 1, 2);
    check_clusters(129, 2, 9, 1, 1);
    check_clusters(150, 7, 9, 1, 150);
    check_clusters(700, 40, 30, 0.7, 70); /* past one tile and one part */
    check_clusters(600, 5, 600, 1, 9);
}

static void test_half_rows_with_gaps(void **state)
{
    (void)state;
    double values[300 * 6];
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        values[i] = 3 + normal(8, i);
    struct column *column = column_new(values, 300, 6, KERNEL_F16, 37, true);
    check(column, 25);
    column_free(column);
}

/* A thousand times nearer to each other than to the mean: squared lengths alone would not tell these apart. */
static void test_keeps_digits(void **state)
{
    (void)state;
    check_clusters(400, 8, 4, 1e-4, 40);
}

static void test_equal_rows(void **state)
{
    (void)state;
    enum { N = 400, KINDS = 20, WIDTH = 9 };
    double values[N * WIDTH];
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        values[i] = normal(9, i % (KINDS * WIDTH));
    struct column *column = column_new(values, N, WIDTH, KERNEL_F32, N, false);
    uint32_t slots[N], cluster[N], again[N];
    for (uint32_t i = 0; i < N; i++)
        slots[i] = i;
    assert_int_equal(run(column, slots, N, KINDS, 1, cluster), KERNEL_OK);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(cluster[i], i % KINDS);
    assert_int_equal(run(column, slots, N, 2 * KINDS, 1, cluster), KERNEL_OK);
    assert_int_equal(run(column, slots, N, 2 * KINDS, 16, again), KERNEL_OK);
    assert_memory_equal(cluster, again, sizeof cluster);
    size_t distinct = 0;
    for (uint32_t i = 0; i < N; i++) {
        distinct += cluster[i] == distinct;
        for (uint32_t j = 0; j < i; j++)
            assert_true(cluster[i] != cluster[j] || i % KINDS == j % KINDS);
    }
    assert_int_equal(distinct, 2 * KINDS);
    column_free(column);
}

/* Gaps that shrink from each row to the next: the chain leads from the first to the last before anything is merged. */
static struct column *shrinking_gaps(size_t count)
{
    double *values = malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = -(double)((count - i) * (count - i));
    struct column *column = column_new(values, count, 1, KERNEL_F32, count, false);
    free(values);
    return column;
}

static void test_long_chain(void **state)
{
    (void)state;
    struct column *column = shrinking_gaps(300);
    check(column, 30);
    column_free(column);
}

struct patience {
    unsigned asked;
    unsigned most;
};

static bool stop(void *context)
{
    struct patience *patience = context;
    return ++patience->asked > patience->most;
}

static void check_stop(const struct column *column, unsigned most)
{
    uint32_t slots[600], cluster[600];
    for (uint32_t i = 0; i < 600; i++)
        slots[i] = i;
    struct patience patience = {.most = most};
    struct kernel_team *team = kernel_team_new(2, stop, &patience);
    assert_int_equal(kernel_linkage(team, &column->rows, slots, 600, 9, cluster, NULL), KERNEL_STOPPED);
    assert_int_equal(patience.asked, most + 1);
    kernel_team_free(&team);
}

/* It is asked at every step, before the first merge too. */
static void test_stop(void **state)
{
    (void)state;
    struct column *column = column_clusters(7, 600, 8, 5, 0.5);
    for (unsigned most = 0; most < 1200; most = most * 3 + 1)
        check_stop(column, most);
    column_free(column);
    column = shrinking_gaps(600);
    check_stop(column, 1150);
    column_free(column);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definition),
        cmocka_unit_test(test_half_rows_with_gaps),
        cmocka_unit_test(test_keeps_digits),
        cmocka_unit_test(test_equal_rows),
        cmocka_unit_test(test_long_chain),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
