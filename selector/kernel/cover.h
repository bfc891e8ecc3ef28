/*
 * cover.h - how well rows are covered by many others: as kernel_cover of distance.h, by the nearest neighbour's distance alone.
 */
#pragma once

#include "selector/kernel/distance.h"

/* From so many covering rows, and so many covered ones, on sketches pay, where there are no more of the latter: they take a
 * pass over all rows of their own. */
enum { KERNEL_COVER_MANY = 16384, KERNEL_COVER_POINTS = 4096 };

/*
 * cover[i] = max(cover[i], exp(-d2 / scale)) where d2 is the squared distance of row slots[i] to the nearest of rows
 * set[0..set_count), which are present. Most pairs are ruled out by sketches (sketch.h), the others measured by
 * kernel_distance2, so that it does not depend on the seed, which is of the clusters that order the sketches.
 */
enum kernel_status kernel_cover_by_many(struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *slots,
    size_t count, const uint32_t *set, size_t set_count, float scale, uint64_t seed, float *cover);
