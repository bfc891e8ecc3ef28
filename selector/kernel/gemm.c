#include "selector/kernel/gemm.h"

#include "selector/kernel/blis.h"

/* Sizes fit BLIS's signed dimensions and products of two of them still fit 64 bits. */
static const size_t dimension_max = (size_t)1 << 30;

static bool shape_check(size_t m, size_t n, size_t k, size_t lda, size_t ldb, size_t ldc)
{
    return m <= dimension_max && n <= dimension_max && k <= dimension_max && lda >= k && ldb >= k && ldc >= n &&
           lda <= dimension_max && ldb <= dimension_max && ldc <= dimension_max;
}

bool kernel_gemm_nt(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c, size_t ldc)
{
    if (!shape_check(m, n, k, lda, ldb, ldc))
        return false;
    if (m == 0 || n == 0)
        return true;
    rntm_t runtime;
    bli_rntm_init(&runtime);
    bli_rntm_set_num_threads(1, &runtime);
    float one = 1.0F;
    float zero = 0.0F;
    /* BLIS takes its inputs without const and does not write to them. */
    bli_sgemm_ex(BLIS_NO_TRANSPOSE, BLIS_TRANSPOSE, (dim_t)m, (dim_t)n, (dim_t)k, &one, (float *)(uintptr_t)a, (inc_t)lda, 1,
        (float *)(uintptr_t)b, (inc_t)ldb, 1, &zero, c, (inc_t)ldc, 1, NULL, &runtime);
    return true;
}
