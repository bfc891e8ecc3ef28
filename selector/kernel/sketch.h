/*
 * sketch.h - rows in few coordinates whose distances are lower bounds of the rows' own.
 *
 * A row less a common origin is split into its part along the leading principal directions and the rest. The coordinates along
 * the directions and the length of the rest make a point: by the triangle inequality two points are no farther apart than
 * their rows. Rounding included, a pair's true distance is at least its points' distance less `slack`, where the squared
 * distance that the product of the two sketches gives is off by `slack2` at most.
 *
 * The directions are those of directions.h. Rows without such directions, or of few elements, are sketched by themselves; wide
 * ones are then not stored but read where they are.
 *
 * projection.h bounds the distances to a few centres by the same coordinates and at half the cost, but only to some percent of
 * a row's length: enough to rule out centres, too little to tell neighbours apart. So a rest is measured here, from the row
 * again as its coordinates give it, and sketches are kept in an order of nearness.
 */
#pragma once

#include "selector/kernel/rows.h"
#include "selector/kernel/status.h"
#include "selector/kernel/team.h"

enum { KERNEL_SKETCH_TILE = 256 }; /* sketches of one tile are near each other: the rows of few clusters */

struct kernel_sketch {
    const struct kernel_rows *rows;
    uint32_t *slots;  /* [count] rows that are present, near ones often close together */
    uint32_t *places; /* [count] where slots[i] was in the caller's list */
    size_t count;
    size_t width;   /* of a sketch: coordinates, length of the rest, squared length of these */
    float *values;  /* [count x width], NULL: the rows by themselves */
    float *origin;  /* [rows->width] */
    float *centers; /* [tiles x (width - 1)] means of tiles */
    double slack;   /* of a distance */
    double slack2;  /* of a squared distance */
};

/* What a sketch is for: how many directions are quickest. Its bounds hold for either. */
enum kernel_sketch_use { KERNEL_SKETCH_NEIGHBORS, KERNEL_SKETCH_PAIRS };

/* Sketches rows slots[0..count). The seed is of the clusters that order them. */
enum kernel_status kernel_sketch_init(struct kernel_sketch *sketch, struct kernel_team *team, const struct kernel_rows *rows,
    const uint32_t *slots, size_t count, enum kernel_sketch_use use, uint64_t seed);

/* Frees what init allocated, also after it failed. A zeroed sketch is fine. */
void kernel_sketch_deinit(struct kernel_sketch *sketch);

/* The sketches of rows slots[from .. from + count): borrowed, or made in `scratch` [count x width]. */
const float *kernel_sketch_tile(const struct kernel_sketch *sketch, size_t from, size_t count, float *scratch);

/* Turns a sketch into what is multiplied with others: its product with another is their squared distance less its squared
 * length.
 */
void kernel_sketch_query(const float *sketch, size_t width, float *query);

/*
 * The greatest product that a query can have with another sketch while kernel_distance2 of the two rows is `distance2` or less;
 * `norm2` is the squared length of the query's sketch.
 */
float kernel_sketch_cut(const struct kernel_sketch *sketch, float norm2, double distance2);
