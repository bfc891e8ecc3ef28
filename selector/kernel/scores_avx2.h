/*
 * scores_avx2.h - the largest and second largest of rows of numbers, for processors with AVX2. Private to kernel/.
 */
#pragma once

#if defined(__x86_64__)

#include "selector/kernel/rows.h"

/* Of one row: the largest and its first place, and the next largest (-inf in a row of one). */
struct kernel_top2 {
    float first;
    float second;
    int32_t place;
};

/* `row` is `width` >= 1 elements of `dtype`, at any alignment. */
void kernel_top2_avx2(const void *row, size_t width, enum kernel_dtype dtype, struct kernel_top2 *top);

/* The same for eight rows `row_bytes` apart at once, quicker where rows are short; 8 <= width. */
void kernel_top2_by_eight_avx2(const void *rows, size_t row_bytes, size_t width, enum kernel_dtype dtype, float first[8],
    float second[8], int32_t place[8]);

#endif
