/* Bounds by products: never above the distance as it is measured, however long the rows and however small their residuals. */
#include "selector/kernel/centers.h"
#include "selector/kernel/cpu.h"
#include "selector/kernel/gemm.h"
#include "selector/kernel/vector.h"
#include "test/unit/columns.h"

enum { N = 24, WIDTH_MAX = 200, CLASSES_MAX = 9 };

/* Rows around one point, of which some are equal and some nearly, a model so sure that `sharp` is between its logits. */
struct pool {
    size_t width;
    size_t classes; /* 0: no residuals */
    double scale;
    double spread;
    double sharp;
    bool multi_label;
};

static struct column *rows_of(const struct pool *pool)
{
    double values[N * WIDTH_MAX];
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < pool->width; j++)
            values[i * pool->width + j] =
                pool->scale * (normal(1, j) + pool->spread * normal(2, i / 2 * pool->width + j) * (double)(i % 5));
    }
    return column_new(values, N, pool->width, KERNEL_F32, N, false);
}

static void check_bounds(const struct kernel_centers *centers, uint32_t slot)
{
    float row[WIDTH_MAX], residual[CLASSES_MAX];
    float products[N], residual_products[N];
    kernel_gather(centers->rows, &slot, 1, NULL, row);
    if (centers->residual != NULL)
        kernel_residuals_gather(centers->residual, &slot, 1, residual);
    struct kernel_point point = kernel_point_of(centers, row, residual);
    kernel_gemm_nt(1, N, centers->width, row, centers->width, centers->values, centers->width, products, N);
    if (centers->residual != NULL)
        kernel_gemm_nt(
            1, N, centers->classes, residual, centers->classes, centers->residuals, centers->classes, residual_products, N);
    kernel_centers_bound(centers, &point, 0, N, products, centers->residual != NULL ? residual_products : NULL);
    for (size_t c = 0; c < N; c++)
        assert_false(products[c] > kernel_centers_cut(centers, &point, kernel_centers_distance2(centers, &point, c)));
}

static void check(const struct pool *pool)
{
    struct column *rows = rows_of(pool);
    double *probabilities = softmax_rows(3, N, pool->classes, pool->sharp);
    struct column *column = column_new(probabilities, N, pool->classes, KERNEL_F32, N, false);
    struct kernel_residual residual = {&column->rows, pool->multi_label};
    struct kernel_centers centers;
    kernel_centers_init(&centers, &rows->rows, NULL, pool->classes > 0 ? &residual : NULL);
    for (uint32_t i = 0; i < N; i++)
        assert_true(kernel_centers_add(&centers, i));
    for (uint32_t i = 0; i < N; i++)
        check_bounds(&centers, i);
    kernel_centers_deinit(&centers);
    column_free(column);
    column_free(rows);
    free(probabilities);
}

/* From residuals of ordinary size down to ones whose squares are too small for a float's digits. */
static void test_bounds_are_below(void **state)
{
    (void)state;
    static const size_t widths[] = {1, 31, 200};
    static const double spreads[] = {0, 1e-6, 1e-2, 1};
    for (size_t i = 0; i < 3 * 4 * 3 * 2; i++) {
        struct pool pool = {.width = widths[i % 3], .spread = spreads[i / 3 % 4], .multi_label = i / 36 != 0};
        pool.classes = i / 12 % 3 * (CLASSES_MAX / 2);
        for (int power = -20; power <= 17; power += 4) {
            pool.scale = pow(10, power);
            for (pool.sharp = 1; pool.sharp < 50; pool.sharp *= 2) {
                check(&pool);
                kernel_cpu_plain(true);
                check(&pool);
                kernel_cpu_plain(false);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds_are_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
