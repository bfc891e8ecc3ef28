/*
 * sums.h - numbers with the sums of stretches of them, to draw an item in proportion to its number.
 *
 * A tree of sums, 64 to a node. A sum is always that of its children in their order, never adjusted by a difference, so that it
 * is a function of the numbers alone and does not drift: numbers of 0 sum to 0.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { KERNEL_SUMS_DEPTH = 7 }; /* 64^6 items */

struct kernel_sums {
    double *level[KERNEL_SUMS_DEPTH]; /* [count[d]]; level 0: the numbers */
    size_t count[KERNEL_SUMS_DEPTH];
    unsigned depth;
};

/* `count` < 2^32 numbers, all 0. False without memory; kernel_sums_deinit is to be called in any case. */
bool kernel_sums_init(struct kernel_sums *sums, size_t count);
void kernel_sums_deinit(struct kernel_sums *sums);

/* Sums up after the caller has filled level[0] with numbers >= 0. */
void kernel_sums_build(struct kernel_sums *sums);

/* Changes one number. */
void kernel_sums_set(struct kernel_sums *sums, size_t item, double number);

double kernel_sums_total(const struct kernel_sums *sums);

/* The item at `share` (0..1) of the total, which is above 0. Its number is above 0. */
size_t kernel_sums_find(const struct kernel_sums *sums, double share);
