/*
 * typicality.h - how near the neighbours of each row of a list are: small where the row is typical of the list.
 *
 * Hacohen, Dekel and Weinshall, "Active learning on a budget: opposite strategies suit high and low budgets", ICML 2022: the
 * typicality of a sample is one over the mean distance to its k nearest neighbours.
 */
#pragma once

#include "selector/kernel/distance.h"

/*
 * spread[i] = mean distance of row set->slots[i] to its k nearest others of the list, fewer where there are not so many; 0
 * where it is alone. Of a long list TYPICALITY_SET_MAX evenly spaced rows stand for all. 1 <= k <= KERNEL_NEIGHBORS_MAX.
 */
enum { TYPICALITY_SET_MAX = 4096 };
enum kernel_status kernel_spread(struct kernel_team *team, const struct kernel_subset *set, unsigned k, float *spread);
