/*
 * vector.h - rows as plain floats: reading them out of a view, lengths and distances in a fixed order of operations.
 */
#pragma once

#include "selector/kernel/rows.h"

#include <stdbool.h>

/* Row i's first byte, or NULL where it is absent; i < rows->count. */
static inline const void *kernel_row(const struct kernel_rows *rows, size_t i)
{
    size_t block = i / rows->rows_per_block;
    size_t within = i % rows->rows_per_block;
    const char *base = rows->blocks[block];
    if (base == NULL)
        return NULL;
    if (rows->present != NULL && rows->present[block] != NULL && !(rows->present[block][within / 8] >> (within % 8) & 1))
        return NULL;
    return base + within * rows->row_bytes;
}

/* `width` elements of `dtype` at `from`, at any alignment, as floats at `to`. */
void kernel_widen(const void *from, enum kernel_dtype dtype, size_t width, float *to);

/* Row i, which is present, as floats: where it is if it can be, else widened to `scratch` [width]. */
const float *kernel_row_floats(const struct kernel_rows *rows, size_t i, float *scratch);

/*
 * Copies rows slots[0..count) as floats to `to` [count x width], one after another, less `origin` [width] where it is not
 * NULL. An absent row becomes zeros.
 */
void kernel_gather(const struct kernel_rows *rows, const uint32_t *slots, size_t count, const float *origin, float *to);

/* to[j * rows + i] = from[i * columns + j]. */
void kernel_transpose(const float *from, size_t rows, size_t columns, float *to);

/* Sum of products, in a fixed order of operations. */
float kernel_dot(const float *a, const float *b, size_t width);

/* Sum of squares. */
float kernel_norm2(const float *a, size_t width);

/* Squared Euclidean distance, from the differences: no cancellation, and the same bits wherever it is computed. */
float kernel_distance2(const float *a, const float *b, size_t width);

/* Relative error, at most, of a sum of so many products by kernel_gemm_nt or kernel_norm2, whatever the order of the sum. */
static inline double kernel_rounding(size_t terms)
{
    return (double)(terms + 8) * 0x1p-24;
}

/* What such a sum loses, at most, where its terms are too small for a float's digits. */
static inline double kernel_underflow(size_t terms)
{
    return (double)terms * 0x1p-120;
}
