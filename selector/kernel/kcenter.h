/*
 * kcenter.h - greedy farthest-point selection (k-center), exactly, without looking at every point for every centre.
 *
 * Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985; Sener and Savarese, "Active learning for
 * convolutional neural networks: a core-set approach", ICLR 2018. A point's distance to its nearest centre only falls as
 * centres are added, so one computed earlier is an upper bound. Points wait in a heap by that bound; only those at the top are
 * refreshed, each against the centres added since, until the top one is up to date: it is then the farthest of all.
 *
 * The distance is kernel_distance2's, bit for bit, and ties go to the lowest slot: the picks are those of the plain loop.
 * Matrix products only rule out, with their full error bound, centres that cannot be nearer than the nearest one known.
 */
#pragma once

#include "selector/kernel/lazy.h"
#include "selector/kernel/rows.h"
#include "selector/kernel/status.h"
#include "selector/kernel/team.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel_kcenter;

/*
 * An iteration over candidates slots[0..count), which rise and whose rows are present. The arrays and the team are borrowed
 * until kernel_kcenter_free. NULL without memory.
 */
struct kernel_kcenter *kernel_kcenter_new(
    struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *slots, size_t count);
void kernel_kcenter_free(struct kernel_kcenter **kcenter);

/*
 * From the second centre on, passes over the `outliers` farthest candidates of the running at each choice: the centres are then
 * to cover all but so many points. Trimming as k-means-- does it (Chawla and Gionis, SDM 2013), anew for every centre. With
 * no more candidates than that left there is no choice any more. False without memory.
 */
bool kernel_kcenter_set_aside(struct kernel_kcenter *kcenter, size_t outliers);

/* Makes the present row `slot` a centre without choosing it: something labelled or in flight. */
enum kernel_status kernel_kcenter_add(struct kernel_kcenter *kcenter, uint32_t slot);

/* Puts every candidate that was not taken and that `accept` (NULL: all) accepts back in the running. Call once before _next. */
void kernel_kcenter_rewind(struct kernel_kcenter *kcenter, kernel_accept_fn *accept, void *context);

/*
 * The candidate farthest from its nearest centre, and that squared distance. Where there is no centre yet: the one nearest to
 * the mean of all candidates, with INFINITY. It is out of the running from then on; a candidate that `accept` refuses is passed
 * over until the next rewind. KERNEL_END when there is none.
 */
enum kernel_status kernel_kcenter_next(
    struct kernel_kcenter *kcenter, kernel_accept_fn *accept, void *context, uint32_t *index, double *distance2);

/* Makes candidate `index`, as kernel_kcenter_next gave it, a centre. It never comes again. */
enum kernel_status kernel_kcenter_take(struct kernel_kcenter *kcenter, uint32_t index);
