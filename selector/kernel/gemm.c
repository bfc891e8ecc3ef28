#include "selector/kernel/gemm.h"

#include "selector/kernel/blis.h"
#include "selector/kernel/cpu.h"
#include "selector/kernel/gemm_tile.h"

#include <stdalign.h>
#include <stdint.h>

/* Rows of a that stay in the second-level cache beside the packed slivers while these go over them. */
enum { BLOCK_ROWS = 512, BLOCK_COLUMNS = 128 };

/* Sizes fit BLIS's signed dimensions and products of two of them still fit 64 bits. */
static const size_t dimension_max = (size_t)1 << 30;

static bool shape_check(size_t m, size_t n, size_t k, size_t lda, size_t ldb, size_t ldc)
{
    return m <= dimension_max && n <= dimension_max && k <= dimension_max && lda >= k && ldb >= k && ldc >= n &&
           lda <= dimension_max && ldb <= dimension_max && ldc <= dimension_max;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* `m` rows of a times one sliver, in tiles as equal as can be: a low one at the end would cost as much as a full one. */
static void multiply_sliver(const struct gemm_tile *tile, size_t m, size_t count, size_t depth, const float *a, size_t lda,
    const float *sliver, float *c, size_t ldc, bool add)
{
    size_t tiles = (m + tile->rows - 1) / tile->rows;
    for (size_t t = 0; t < tiles; t++) {
        size_t i = m * t / tiles;
        tile->multiply(m * (t + 1) / tiles - i, count, depth, a + i * lda, lda, sliver, c + i * ldc, ldc, add);
    }
}

/* c [m x n] for n <= BLOCK_COLUMNS and depth <= GEMM_DEPTH. */
static void multiply_block(const struct gemm_tile *tile, size_t m, size_t n, size_t depth, const float *a, size_t lda,
    const float *b, size_t ldb, float *c, size_t ldc, bool add)
{
    alignas(64) float slivers[BLOCK_COLUMNS * GEMM_DEPTH];
    for (size_t j = 0; j < n; j += tile->columns)
        tile->pack(b + j * ldb, ldb, least(n - j, tile->columns), depth, slivers + j * depth);
    for (size_t i = 0; i < m; i += BLOCK_ROWS) {
        for (size_t j = 0; j < n; j += tile->columns)
            multiply_sliver(tile, least(m - i, BLOCK_ROWS), least(n - j, tile->columns), depth, a + i * lda, lda,
                slivers + j * depth, c + i * ldc + j, ldc, add);
    }
}

static void multiply(const struct gemm_tile *tile, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
    size_t ldb, float *c, size_t ldc)
{
    for (size_t j = 0; j < n; j += BLOCK_COLUMNS) {
        size_t p = 0;
        do {
            multiply_block(tile, m, least(n - j, BLOCK_COLUMNS), least(k - p, GEMM_DEPTH), a + p, lda, b + j * ldb + p, ldb,
                c + j, ldc, p > 0);
            p += GEMM_DEPTH;
        } while (p < k);
    }
}

/* BLIS takes its inputs without const and does not write to them. */
static void multiply_blis(
    size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c, size_t ldc)
{
    rntm_t runtime;
    bli_rntm_init(&runtime);
    bli_rntm_set_num_threads(1, &runtime);
    float one = 1.0F;
    float zero = 0.0F;
    bli_sgemm_ex(BLIS_NO_TRANSPOSE, BLIS_TRANSPOSE, (dim_t)m, (dim_t)n, (dim_t)k, &one, (float *)(uintptr_t)a, (inc_t)lda, 1,
        (float *)(uintptr_t)b, (inc_t)ldb, 1, &zero, c, (inc_t)ldc, 1, NULL, &runtime);
}

bool kernel_gemm_nt(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c, size_t ldc)
{
    if (!shape_check(m, n, k, lda, ldb, ldc))
        return false;
    if (m == 0 || n == 0)
        return true;
    const struct gemm_tile *tile = NULL;
#if defined(__x86_64__)
    tile = kernel_cpu_avx512() ? &gemm_tile_avx512 : kernel_cpu_fma() ? &gemm_tile_avx2 : NULL;
#endif
    if (tile != NULL)
        multiply(tile, m, n, k, a, lda, b, ldb, c, ldc);
    else
        multiply_blis(m, n, k, a, lda, b, ldb, c, ldc);
    return true;
}
