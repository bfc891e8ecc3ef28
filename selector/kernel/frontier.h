/*
 * frontier.h - points and their squared distance to the nearest of a growing list of centres, brought up to date only where it
 * is asked for.
 *
 * A point's distance to its nearest centre only falls as centres are added, so one computed earlier is an upper bound: that is
 * what farthest-point selection (kcenter.h) and D^2 sampling (dsquared.h) both live on. A distance is measured from the
 * differences, in one fixed order of operations, so it is a function of the two points alone: not of when, beside which
 * others, by which thread or with which instructions it was measured. Matrix products only rule out, with their full error
 * bound, centres that cannot be nearer than the nearest one known; where rows are long they do so from few coordinates
 * (projection.h).
 */
#pragma once

#include "selector/kernel/centers.h"
#include "selector/kernel/status.h"
#include "selector/kernel/team.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Private to kernel/; `bound` and `seen` may be read. */
struct kernel_frontier {
    struct kernel_team *team;
    struct kernel_centers centers;
    const uint32_t *slots;
    size_t count;
    double *bound;  /* [count] squared distance to the nearest of the first seen[i] centres, INFINITY while seen[i] is 0 */
    uint32_t *seen; /* [count] */
    struct kernel_projection *projection; /* NULL: not built */
    bool projection_tried;
    unsigned projection_rest; /* refreshes still to go without it */
    float *scratch;           /* of each worker */
    size_t scratch_size;
    size_t *measured; /* [workers x 2] of the running refresh: distances measured, of pairs that products were made for */
    /* Of the running refresh. */
    const uint32_t *batch;
    size_t batch_count;
    size_t centers_limit;
};

/*
 * Points slots[0..count), which rise and whose rows are present. Everything is borrowed until kernel_frontier_deinit, which is
 * to be called in any case. False without memory.
 */
bool kernel_frontier_init(struct kernel_frontier *frontier, struct kernel_team *team, const struct kernel_rows *rows,
    const struct kernel_residual *residual, const uint32_t *slots, size_t count);
void kernel_frontier_deinit(struct kernel_frontier *frontier);

/* Makes the present row `slot` a centre. */
enum kernel_status kernel_frontier_add(struct kernel_frontier *frontier, uint32_t slot);

/* Brings each of the points batch[0..count), none of them twice, up to date by up to `limit` of the centres that it has not
 * seen. False if it was stopped: some points are then less far. */
bool kernel_frontier_refresh(struct kernel_frontier *frontier, const uint32_t *batch, size_t count, size_t limit);

/* Orders a short batch by rising `seen`, so that points which need the same centres are refreshed together. */
void kernel_frontier_sort(const struct kernel_frontier *frontier, uint32_t *batch, size_t count);

/* Brings one point up to date without products: for few centres. */
void kernel_frontier_measure(struct kernel_frontier *frontier, uint32_t point);

/* lengths2[i] = squared length of point i, for every point. False if it was stopped. */
bool kernel_frontier_lengths(struct kernel_frontier *frontier, double *lengths2);
