/*
 * gemm_tile.h - what a processor's own inner loops of the matrix product are, for gemm.c.
 *
 * A sliver is some rows of b for some of k, turned so that the elements of one column lie side by side: [depth x columns].
 * A tile is a few rows of a, read where they are, times one sliver. Every element of a product is one chain of fused
 * multiply-adds over the columns of its two rows in their order, begun anew every GEMM_DEPTH columns, the chains' sums added in
 * their order. So its bits depend on its two rows alone: not on the shape of the product, the place in it, which of the two
 * operands a row came from, or the processor.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
    GEMM_DEPTH = 256, /* columns of a chain; part of the result's bits */
};

struct gemm_tile {
    size_t rows;    /* of a, at most */
    size_t columns; /* of a sliver */
    /* Rows b[0..count) of `depth` elements become a sliver; rows from count to `columns` become zeros. */
    void (*pack)(const float *b, size_t ldb, size_t count, size_t depth, float *sliver);
    /* c [rows x count] = a times the sliver's first `count` columns, added to c where `add`. `sliver` is aligned to 64. */
    void (*multiply)(size_t rows, size_t count, size_t depth, const float *a, size_t lda, const float *sliver, float *c,
        size_t ldc, bool add);
};

#if defined(__x86_64__)
extern const struct gemm_tile gemm_tile_avx512; /* needs AVX-512F */
extern const struct gemm_tile gemm_tile_avx2;   /* needs AVX2 and FMA */
#endif
