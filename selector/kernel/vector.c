#include "selector/kernel/vector.h"

#include "selector/kernel/simd.h"

#include <stdalign.h>

KERNEL_INLINE void widen_half_body(const char *from, size_t width, float *to)
{
    size_t i = 0;
    kernel_f8 v;
    for (; i + KERNEL_LANES <= width; i += KERNEL_LANES) {
        kernel_load8_half(from + 2 * i, &v);
        kernel_store8(to + i, &v);
    }
    if (i < width) {
        uint16_t half[KERNEL_LANES] = {0};
        float value[KERNEL_LANES];
        memcpy(half, from + 2 * i, 2 * (width - i));
        kernel_load8_half(half, &v);
        kernel_store8(value, &v);
        memcpy(to + i, value, (width - i) * sizeof *to);
    }
}

KERNEL_VARIANTS(widen_half, (const char *from, size_t width, float *to), (from, width, to))

void kernel_widen(const void *from, enum kernel_dtype dtype, size_t width, float *to)
{
    if (dtype == KERNEL_F16)
        widen_half(from, width, to);
    else
        memcpy(to, from, width * sizeof *to);
}

const float *kernel_row_floats(const struct kernel_rows *rows, size_t i, float *scratch)
{
    const void *row = kernel_row(rows, i);
    if (rows->dtype == KERNEL_F32 && (uintptr_t)row % alignof(float) == 0)
        return row;
    kernel_widen(row, rows->dtype, rows->width, scratch);
    return scratch;
}

/* to = the floats at `from`, which may be `to` itself and has no alignment, less the origin. */
KERNEL_INLINE void subtract_body(const char *from, const float *origin, size_t width, float *to)
{
    size_t i = 0;
    for (; i + KERNEL_LANES <= width; i += KERNEL_LANES) {
        kernel_f8 value, less;
        memcpy(&value, from + i * sizeof *to, sizeof value);
        kernel_load8(origin + i, &less);
        value -= less;
        kernel_store8(to + i, &value);
    }
    for (; i < width; i++) {
        float value;
        memcpy(&value, from + i * sizeof *to, sizeof value);
        to[i] = value - origin[i];
    }
}

KERNEL_VARIANTS(subtract, (const char *from, const float *origin, size_t width, float *to), (from, origin, width, to))

void kernel_gather(const struct kernel_rows *rows, const uint32_t *slots, size_t count, const float *origin, float *to)
{
    size_t width = rows->width;
    for (size_t i = 0; i < count; i++, to += width) {
        const void *row = kernel_row(rows, slots[i]);
        if (row == NULL) {
            memset(to, 0, width * sizeof *to);
            continue;
        }
        if (origin != NULL && rows->dtype == KERNEL_F32) {
            subtract(row, origin, width, to);
            continue;
        }
        kernel_widen(row, rows->dtype, width, to);
        if (origin != NULL)
            subtract((const char *)to, origin, width, to);
    }
}

void kernel_transpose(const float *from, size_t rows, size_t columns, float *to)
{
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++)
            to[j * rows + i] = from[i * columns + j];
    }
}

KERNEL_INLINE void dot_body(const float *a, const float *b, size_t width, float *result)
{
    kernel_f8 sum[2] = {0};
    size_t i = 0;
    for (; i + 2 * (size_t)KERNEL_LANES <= width; i += 2 * (size_t)KERNEL_LANES) {
        for (size_t s = 0; s < 2; s++) {
            kernel_f8 x, y;
            kernel_load8(a + i + s * KERNEL_LANES, &x);
            kernel_load8(b + i + s * KERNEL_LANES, &y);
            sum[s] = sum[s] + x * y;
        }
    }
    float rest = 0;
    for (; i < width; i++)
        rest += a[i] * b[i];
    kernel_f8 total = sum[0] + sum[1];
    *result = kernel_sum8(&total) + rest;
}

KERNEL_VARIANTS(dot, (const float *a, const float *b, size_t width, float *result), (a, b, width, result))

float kernel_dot(const float *a, const float *b, size_t width)
{
    float sum;
    dot(a, b, width, &sum);
    return sum;
}

/* Sums (a - b)^2, or a^2 where b is NULL, in four running sums of eight lanes. */
KERNEL_INLINE float squares(const float *a, const float *b, size_t width)
{
    kernel_f8 sum[4] = {0};
    size_t i = 0;
    for (; i + 4 * (size_t)KERNEL_LANES <= width; i += 4 * (size_t)KERNEL_LANES) {
        for (size_t s = 0; s < 4; s++) {
            kernel_f8 x, y = {0};
            kernel_load8(a + i + s * KERNEL_LANES, &x);
            if (b != NULL)
                kernel_load8(b + i + s * KERNEL_LANES, &y);
            x = x - y;
            sum[s] = sum[s] + x * x;
        }
    }
    float rest = 0;
    for (; i < width; i++) {
        float x = b != NULL ? a[i] - b[i] : a[i];
        rest += x * x;
    }
    kernel_f8 total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    return kernel_sum8(&total) + rest;
}

KERNEL_INLINE void distance2_body(const float *a, const float *b, size_t width, float *sum)
{
    *sum = squares(a, b, width);
}

KERNEL_INLINE void norm2_body(const float *a, size_t width, float *sum)
{
    *sum = squares(a, NULL, width);
}

KERNEL_VARIANTS(distance2, (const float *a, const float *b, size_t width, float *sum), (a, b, width, sum))
KERNEL_VARIANTS(norm2, (const float *a, size_t width, float *sum), (a, width, sum))

float kernel_norm2(const float *a, size_t width)
{
    float sum;
    norm2(a, width, &sum);
    return sum;
}

float kernel_distance2(const float *a, const float *b, size_t width)
{
    float sum;
    distance2(a, b, width, &sum);
    return sum;
}
