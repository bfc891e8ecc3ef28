/*
 * columns.h - columns for the tests of the selection library: rows in blocks with gaps, binary16, numbers by seed.
 */
#pragma once

#include "selector/kernel/random.h"
#include "selector/kernel/rows.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Uniform in (0, 1): number i of a seed. */
static inline double uniform(uint64_t seed, uint64_t i)
{
    return kernel_random_uniform(seed, 99, i);
}

/* A normal deviate, by Box and Muller. */
static inline double normal(uint64_t seed, uint64_t i)
{
    return sqrt(-2 * log(uniform(seed, 2 * i))) * cos(6.283185307179586 * uniform(seed, 2 * i + 1));
}

/* By the definition of binary16: sign, five bits of exponent, ten of fraction. */
static inline double half_to_double(uint16_t half)
{
    int exponent = half >> 10 & 31;
    double fraction = half & 1023;
    double value = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    return half >> 15 ? -value : value;
}

/* The binary16 nearest to a value, by bisection over the magnitudes, which rise with their bits. */
static inline uint16_t half_from_double(double value)
{
    double magnitude = fabs(value);
    uint16_t low = 0;
    uint16_t high = 0x7bff;
    while (low < high) {
        uint16_t middle = (uint16_t)((low + high + 1) / 2);
        if (half_to_double(middle) <= magnitude)
            low = middle;
        else
            high = (uint16_t)(middle - 1);
    }
    if (low < 0x7bff && half_to_double((uint16_t)(low + 1)) - magnitude < magnitude - half_to_double(low))
        low++;
    return (uint16_t)(low | (value < 0 ? 0x8000 : 0));
}

/* A view over its own memory, with the values that it should give. */
struct column {
    struct kernel_rows rows;
    double *values; /* [count x width] what the rows hold, rounding included */
    bool *here;     /* [count] */
    void **blocks;
    uint8_t **present;
};

/* Every row is there unless gaps: then some rows, and the second block as a whole, are not. Blocks start at odd addresses. */
static inline struct column *column_new(
    const double *values, size_t count, size_t width, enum kernel_dtype dtype, size_t rows_per_block, bool gaps)
{
    struct column *column = calloc(1, sizeof *column);
    size_t element = dtype == KERNEL_F16 ? 2 : 4;
    size_t row_bytes = width * element + (rows_per_block % 2 ? 3 : 0);
    size_t blocks = (count + rows_per_block - 1) / rows_per_block;
    column->values = calloc(count * width + 1, sizeof(double));
    column->here = calloc(count + 1, sizeof(bool));
    column->blocks = calloc(blocks + 1, sizeof(void *));
    column->present = calloc(blocks + 1, sizeof(uint8_t *));
    for (size_t b = 0; b < blocks; b++) {
        if (gaps && b == 1)
            continue;
        column->blocks[b] = (char *)malloc(rows_per_block * row_bytes + 1) + 1;
        if (gaps)
            column->present[b] = calloc(rows_per_block / 8 + 1, 1);
    }
    for (size_t i = 0; i < count; i++) {
        size_t b = i / rows_per_block;
        size_t within = i % rows_per_block;
        column->here[i] = column->blocks[b] != NULL && !(gaps && i % 5 == 3);
        if (!column->here[i])
            continue;
        if (gaps)
            column->present[b][within / 8] |= (uint8_t)(1 << within % 8);
        char *row = (char *)column->blocks[b] + within * row_bytes;
        for (size_t j = 0; j < width; j++) {
            double value = values[i * width + j];
            float single = (float)value;
            uint16_t half = half_from_double(value);
            memcpy(row + j * element, dtype == KERNEL_F16 ? (void *)&half : (void *)&single, element);
            column->values[i * width + j] = dtype == KERNEL_F16 ? half_to_double(half) : (double)single;
        }
    }
    column->rows = (struct kernel_rows){count, width, row_bytes, dtype, rows_per_block, (const void *const *)column->blocks,
        gaps ? (const uint8_t *const *)column->present : NULL};
    return column;
}

static inline void column_free(struct column *column)
{
    size_t blocks = (column->rows.count + column->rows.rows_per_block - 1) / column->rows.rows_per_block;
    for (size_t b = 0; b < blocks; b++) {
        if (column->blocks[b] != NULL)
            free((char *)column->blocks[b] - 1);
        free(column->present[b]);
    }
    free(column->values);
    free(column->here);
    free(column->blocks);
    free(column->present);
    free(column);
}

/* count rows around `centers` random centres, each coordinate normal: embeddings as they come. */
static inline struct column *column_clusters(uint64_t seed, size_t count, size_t width, size_t centers, double spread)
{
    double *values = calloc(count * width + 1, sizeof *values);
    for (size_t i = 0; i < count; i++) {
        size_t c = kernel_random_bits(seed, 1, i) % centers;
        for (size_t j = 0; j < width; j++)
            values[i * width + j] = normal(seed, c * width + j) + spread * normal(seed + 1, i * width + j);
    }
    struct column *column = column_new(values, count, width, KERNEL_F32, 64, false);
    free(values);
    return column;
}

/* 0..count-1: every row of a column without gaps. The caller frees it. */
static inline uint32_t *all_slots(size_t count)
{
    uint32_t *slots = malloc((count + 1) * sizeof *slots);
    for (uint32_t i = 0; i < count; i++)
        slots[i] = i;
    return slots;
}

/* count rows of probabilities: a softmax of normal numbers times `sharp`. */
static inline double *softmax_rows(uint64_t seed, size_t count, size_t classes, double sharp)
{
    double *values = malloc((count * classes + 1) * sizeof *values);
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        for (size_t c = 0; c < classes; c++)
            sum += values[i * classes + c] = exp(sharp * normal(seed, i * classes + c));
        for (size_t c = 0; c < classes; c++)
            values[i * classes + c] /= sum;
    }
    return values;
}
