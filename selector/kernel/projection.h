/*
 * projection.h - points in the few coordinates that say most about their distances: a cheap lower bound of every distance.
 *
 * With Q orthonormal, x.c <= Qx.Qc + |x - Q'Qx| |c - Q'Qc| (Cauchy and Schwarz in what Q does not see). The right side is one
 * inner product of vectors that are longer by one, and a last coordinate takes in the centre's own length, so that one narrow
 * matrix product decides which centres can be near a point. Q spans the main directions of a sample of the points
 * (directions.h); a poor Q bounds badly and never wrongly.
 *
 * sketch.h bounds the distances between all points by the same coordinates, measures each rest and puts near points together.
 * Here a rest comes from two squared lengths, half the work, with an error that grows with a point's length and is taken in
 * for each point by itself; centres come one at a time.
 */
#pragma once

#include "selector/kernel/rows.h"
#include "selector/kernel/status.h"
#include "selector/kernel/team.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel_projection;

/* Whether rows of this width are long enough for a projection to pay. */
bool kernel_projection_pays(size_t width);

/*
 * Of the present rows slots[0..count), count > 0; reads each once. Output: NULL where there is no use in one (lengths that
 * overflow). KERNEL_STOPPED and KERNEL_NO_MEMORY leave NULL too. Takes an eighth of the memory of the points as floats.
 */
enum kernel_status kernel_projection_new(struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *slots,
    size_t count, struct kernel_projection **projection);
void kernel_projection_free(struct kernel_projection **projection);

/* Floats of a projected point or centre. */
size_t kernel_projection_width(const struct kernel_projection *projection);

/* Projects more centres, [count x rows->width] plain floats; their numbers go on from those added before. */
enum kernel_status kernel_projection_add(struct kernel_projection *projection, const float *rows, size_t count);

/* Point i, and center j and those after it. */
const float *kernel_projection_point(const struct kernel_projection *projection, size_t i);
const float *kernel_projection_center(const struct kernel_projection *projection, size_t j);

/*
 * The greatest inner product of projected point i and a projected centre whose squared distance, measured by kernel_distance2,
 * may be below `bound`: the less it is, the nearer they may be. What is no number says nothing.
 */
float kernel_projection_cut(const struct kernel_projection *projection, size_t i, double bound);
