/*
 * scores_rows.h - the largest, the next largest and the entropy of rows of probabilities straight from memory, by the
 * processor's vectors. Private to kernel/.
 *
 * The largest two and their place are exact, whatever computes them. An entropy depends in its last bits on the instructions
 * and on the width, not on where the row lies: for one processor and one width, equal rows have equal entropies. It is within
 * 2e-6 of a sum of 1 of the true one, plus the rounding of a sum of floats.
 */
#pragma once

#include "selector/kernel/rows.h"

enum { KERNEL_GROUP_MAX = 16 };

/* Where the scores of a group of rows go, one after another. */
struct kernel_row_scores {
    float *first;   /* the largest */
    float *second;  /* the next largest; 0 in a row of one and where it is below 0 */
    int32_t *place; /* the first place of the largest */
    float *entropy; /* in nats, at least 0; NULL: not asked for */
};

/*
 * Scores rows[0..count), each of `width` finite elements of `dtype` at any alignment; 1 <= count <= KERNEL_GROUP_MAX. Outputs
 * have room for KERNEL_GROUP_MAX rows: those beyond `count` hold nothing of use.
 */
typedef void kernel_score_rows_fn(
    const void *const *rows, size_t count, size_t width, enum kernel_dtype dtype, const struct kernel_row_scores *scores);

/* What one processor has. Which function scores a row depends on its width alone, so that equal rows score the same. */
struct kernel_score_path {
    kernel_score_rows_fn *wide;    /* a row at a time */
    kernel_score_rows_fn *narrow;  /* group_rows at a time: quicker where rows are short */
    kernel_score_rows_fn *entropy; /* as `wide`, to the bit, but the entropies alone; NULL: it has none */
    size_t group_rows;
    size_t narrow_min; /* widths that `narrow` is for: from.. */
    size_t narrow_max; /* ..to; 0: none */
};

/* This processor's; static. */
const struct kernel_score_path *kernel_score_path(void);

#if defined(__x86_64__)

kernel_score_rows_fn kernel_score_by_row_avx2;
kernel_score_rows_fn kernel_entropy_by_row_avx2;
kernel_score_rows_fn kernel_score_eight_avx2; /* 8 <= width */

kernel_score_rows_fn kernel_score_by_row_avx512;
kernel_score_rows_fn kernel_entropy_by_row_avx512;
kernel_score_rows_fn kernel_score_sixteen_avx512;

/*
 * log2(1 + s) / s for s in [0, 1): the polynomial of degree 5 whose product with s has the least largest error, 2.1e-6 (1.5e-6
 * nats). The product is 0 at s = 0, so a certain row has an entropy of 0.
 */
#define KERNEL_LOG2_0 1.44255316F
#define KERNEL_LOG2_1 (-0.718281925F)
#define KERNEL_LOG2_2 0.458270788F
#define KERNEL_LOG2_3 (-0.279538125F)
#define KERNEL_LOG2_4 0.123451464F
#define KERNEL_LOG2_5 (-0.026457442F)
#define KERNEL_LN2    0.693147181F

#endif
