/*
 * distance.h - squared Euclidean distances and kernel values by the block, as one matrix product each.
 *
 * |x - y|^2 = |x|^2 + |y|^2 - 2 x.y loses digits where the distance is small beside the lengths: take a common origin off the
 * points first. Where the last digit decides, use kernel_distance2.
 */
#pragma once

#include "selector/kernel/rows.h"
#include "selector/kernel/status.h"
#include "selector/kernel/team.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Points as plain floats. */
struct kernel_points {
    const float *values; /* [count x width] */
    const float *norm2;  /* [count] squared lengths */
    size_t count;
    size_t width;
};

/* out[i * points->count + j] = squared distance of x_i to point j, >= 0; x is [m x width] with squared lengths x_norm2. */
void kernel_distances(const float *x, const float *x_norm2, size_t m, const struct kernel_points *points, float *out);

/* values[i] = exp(-values[i] / scale), in place; scale > 0. */
void kernel_similarities(float *values, size_t count, float scale);

/* Some rows of a view, in the coordinates of the points they are compared with. */
struct kernel_subset {
    const struct kernel_rows *rows;
    const uint32_t *slots; /* [count] rows that are present */
    size_t count;
    const float *origin; /* [rows->width] taken off each row, NULL: nothing */
};

enum { KERNEL_NEIGHBORS_MAX = 128 };

/*
 * out[i] = squared distance of query i to its k-th nearest row of `set` (k = 1: the nearest), rows whose slot is query_slots[i]
 * left out; INFINITY where there are fewer. query_slots may be NULL. 1 <= k <= KERNEL_NEIGHBORS_MAX.
 */
enum kernel_status kernel_neighbor_distance(struct kernel_team *team, const struct kernel_points *queries,
    const uint32_t *query_slots, const struct kernel_subset *set, unsigned k, float *out);

/* cover[i] = max(cover[i], exp(-d2 / scale)) over the rows of `set`: how well point i is covered. */
enum kernel_status kernel_cover(
    struct kernel_team *team, const struct kernel_points *points, const struct kernel_subset *set, float scale, float *cover);

/* sums[s * points->count + i] = sum over the rows of `set` of exp(-d2 / scales[s]): the weight of the set around point i. */
enum kernel_status kernel_density(struct kernel_team *team, const struct kernel_points *points, const struct kernel_subset *set,
    const float *scales, size_t scale_count, float *sums);
