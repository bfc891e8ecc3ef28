/*
 * centers.h - points as floats, a growing list of some of them as centres, and the squared distance of one to the other: of
 * rows, or of gradient embeddings by their factors.
 */
#pragma once

#include "selector/kernel/rows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The first factor of gradient embeddings: the gradient of the loss in the last layer is (p - y) (x) embedding, y being the
 * label that the model would give. It is never formed: an inner product of two is that of the p - y times that of the
 * embeddings.
 */
struct kernel_residual {
    const struct kernel_rows *probabilities; /* [n x classes]; an absent row: no gradient */
    bool multi_label;                        /* y is yes or no of each class, not one class */
};

struct kernel_centers {
    const struct kernel_rows *rows;
    const float *origin;                    /* [width] taken off every row; NULL: nothing */
    const struct kernel_residual *residual; /* NULL: the points are the rows themselves */
    size_t width;
    size_t classes;        /* 0 without a residual */
    float *values;         /* [count x width] */
    float *residuals;      /* [count x classes] */
    float *norm2;          /* [count] squared lengths of the rows */
    float *residual_norm2; /* [count] and of their residuals; 1 where there are none */
    size_t count;
    size_t room;
};

/* Borrows the arguments; free with kernel_centers_deinit. */
void kernel_centers_init(struct kernel_centers *centers, const struct kernel_rows *rows, const float *origin,
    const struct kernel_residual *residual);
void kernel_centers_deinit(struct kernel_centers *centers);

/* Makes the present row `slot` a centre. False without memory. */
bool kernel_centers_add(struct kernel_centers *centers, uint32_t slot);

/* One point as floats. */
struct kernel_point {
    const float *row;
    const float *residual; /* NULL: none */
    double norm2;
    double residual_norm2; /* 1 where there is none */
};

/* The residuals of `count` samples, one after another, to [count x classes]; needs a residual. */
void kernel_residuals_gather(const struct kernel_residual *residual, const uint32_t *slots, size_t count, float *to);

/* A point from its row and, where points have one, its residual. */
struct kernel_point kernel_point_of(const struct kernel_centers *centers, const float *row, const float *residual);

/* The squared distance of a point to centre number `center`, in one fixed order of operations: 0 where they are equal, INFINITY
 * where lengths overflow. */
double kernel_centers_distance2(const struct kernel_centers *centers, const struct kernel_point *point, size_t center);

/*
 * Makes the products of a point with `count` centres from number `first` on, and where there are residuals their products too
 * (else NULL), lower bounds of the distances: half a squared distance less half the point's squared length is no less. What is
 * no number bounds nothing.
 */
void kernel_centers_bound(const struct kernel_centers *centers, const struct kernel_point *point, size_t first, size_t count,
    float *products, const float *residual_products);

/* The greatest of these bounds at which a centre's squared distance, as it is measured, may be below `distance2`. */
float kernel_centers_cut(const struct kernel_centers *centers, const struct kernel_point *point, double distance2);
