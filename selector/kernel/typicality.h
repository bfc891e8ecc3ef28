/*
 * typicality.h - how near the neighbours of each row of a list are: small where the row is typical of the list.
 *
 * Hacohen, Dekel and Weinshall, "Active learning on a budget: opposite strategies suit high and low budgets", ICML 2022: the
 * typicality of a sample is one over the mean distance to its k nearest neighbours.
 */
#pragma once

#include "selector/kernel/distance.h"

#include <stdatomic.h>

/* Rows, and where their spread goes. */
struct kernel_spread_list {
    struct kernel_subset set;
    unsigned k;    /* 1 <= k <= KERNEL_NEIGHBORS_MAX */
    float *spread; /* [set.count] */
};

/*
 * For each list, spread[i] = mean distance of row set.slots[i] to its k nearest others of the list, fewer where there are not
 * so many; 0 where it is alone. Of a list longer than TYPICALITY_SET_MAX evenly spaced rows stand for all. Slots of a list are
 * distinct. `done` counts the rows that have theirs.
 */
enum { TYPICALITY_SET_MAX = 4096 };
enum kernel_status kernel_spread(
    struct kernel_team *team, const struct kernel_spread_list *lists, size_t list_count, atomic_size_t *done);
