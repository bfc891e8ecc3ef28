#include "selector/kernel/scores_rows.h"

#include "selector/kernel/simd.h"

#include <math.h>

/* Up to eight elements from `row` on, zeros for those beyond. */
KERNEL_INLINE void load_some(const char *row, size_t count, enum kernel_dtype dtype, kernel_f8 *v)
{
    char copy[KERNEL_LANES * sizeof(float)] = {0};
    size_t some = count < KERNEL_LANES ? count : KERNEL_LANES;
    memcpy(copy, row, some * (dtype == KERNEL_F16 ? sizeof(uint16_t) : sizeof(float)));
    if (dtype == KERNEL_F16)
        kernel_load8_half(copy, v);
    else
        memcpy(v, copy, sizeof *v);
}

static float entropy_plain(const void *row, size_t width, enum kernel_dtype dtype)
{
    const size_t bytes = dtype == KERNEL_F16 ? 2 : 4;
    kernel_f8 sum = {0};
    for (size_t j = 0; j < width; j += KERNEL_LANES) {
        kernel_f8 p, l;
        load_some((const char *)row + j * bytes, width - j, dtype, &p);
        l = p;
        kernel_log8(&l);
        kernel_i8 positive = p > 0.0F;
        l = p * l;
        sum = sum - (kernel_f8)(positive & (kernel_i8)l);
    }
    float total = kernel_sum8(&sum);
    return total > 0 ? total : 0;
}

static void score_plain(
    const void *row, size_t width, enum kernel_dtype dtype, const struct kernel_row_scores *scores, size_t i)
{
    const size_t bytes = dtype == KERNEL_F16 ? 2 : 4;
    float first = -INFINITY;
    float second = -INFINITY;
    int32_t place = 0;
    for (size_t j = 0; j < width; j += KERNEL_LANES) {
        kernel_f8 v;
        load_some((const char *)row + j * bytes, width - j, dtype, &v);
        for (size_t lane = 0; lane < KERNEL_LANES && j + lane < width; lane++) {
            float p = v[lane];
            float lower = p < first ? p : first;
            second = lower > second ? lower : second;
            place = p > first ? (int32_t)(j + lane) : place;
            first = p > first ? p : first;
        }
    }
    scores->first[i] = first;
    scores->second[i] = second > 0 ? second : 0;
    scores->place[i] = place;
    if (scores->entropy != NULL)
        scores->entropy[i] = entropy_plain(row, width, dtype);
}

static void score_by_row_plain(
    const void *const *rows, size_t count, size_t width, enum kernel_dtype dtype, const struct kernel_row_scores *scores)
{
    for (size_t i = 0; i < count; i++)
        score_plain(rows[i], width, dtype, scores, i);
}

const struct kernel_score_path *kernel_score_path(void)
{
    static const struct kernel_score_path plain = {.wide = score_by_row_plain, .group_rows = KERNEL_GROUP_MAX};
#if defined(__x86_64__)
    static const struct kernel_score_path avx2 = {.wide = kernel_score_by_row_avx2,
        .entropy = kernel_entropy_by_row_avx2,
        .narrow = kernel_score_eight_avx2,
        .group_rows = 8,
        .narrow_min = 8,
        .narrow_max = 40};
    static const struct kernel_score_path avx512 = {.wide = kernel_score_by_row_avx512,
        .entropy = kernel_entropy_by_row_avx512,
        .narrow = kernel_score_sixteen_avx512,
        .group_rows = 16,
        .narrow_min = 1,
        .narrow_max = 40};
    if (kernel_cpu_avx512())
        return &avx512;
    if (kernel_cpu_fma())
        return &avx2;
#endif
    return &plain;
}
