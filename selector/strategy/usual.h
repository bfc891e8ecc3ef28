/*
 * usual.h - how far apart rows usually are: a sample of them, and from it the radii below which a row repeats another and
 * beyond which it is an outlier. Private to strategy/.
 */
#pragma once

#include "selector/kernel/distance.h"
#include "selector/strategy/select.h"

/* A sample whose neighbour of this rank is far away is an outlier: two strange samples may be near each other by chance. */
enum { USUAL_NEIGHBOR = 2 };

/* A near-duplicate is nearer than this share of the usual squared distance between neighbours. */
#define USUAL_DUPLICATE_SHARE 0.1

/*
 * From the squared distances of points to their USUAL_NEIGHBOR-th other: the median of them, and the one beyond which a point
 * is an outlier, by some deviations of the logarithm; the deviation is taken from the median of deviations, which outliers do
 * not move. `scratch` is [count].
 */
void select_usual_bounds(const float *distances2, size_t count, float *scratch, float *spacing, float *isolation);

/* Free with select_usual_deinit. */
struct select_usual {
    const struct kernel_rows *rows;
    uint32_t *slots; /* [points.count] of the sample, rising */
    struct kernel_points points;
    float *values; /* points.values: the sample's rows around its mean */
    float *norm2;  /* points.norm2 */
    float *origin; /* [width] that mean */
    float spacing; /* squared distances: see select_usual_bounds */
    float isolation;
};

/* Samples rows slots[0..count), which are present and rise. */
enum select_status select_usual_init(
    struct select_usual *usual, struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *slots, size_t count);
/* Also after init failed. A zeroed one is fine. */
void select_usual_deinit(struct select_usual *usual);

/*
 * distances2[i] = squared distance of row slots[i] to its USUAL_NEIGHBOR-th other of the sample, INFINITY where there are
 * fewer. `scratch` has select_usual_scratch(usual, count) floats.
 */
void select_usual_distances(
    const struct select_usual *usual, const uint32_t *slots, size_t count, float *scratch, float *distances2);
size_t select_usual_scratch(const struct select_usual *usual, size_t count);
