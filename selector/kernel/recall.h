/*
 * recall.h - how much an approximate search finds of the true neighbours, and how far it must look.
 */
#pragma once

#include "selector/kernel/neighbors.h"

/*
 * As few tiles as must be visited for each of queries[0..count), whose neighbours are `exact`, so that the share `wanted` of
 * them all lies in these. Output: *visits, at least 1.
 */
enum kernel_status kernel_recall_visits(const struct kernel_sketch *sketch, const uint32_t *queries, size_t count,
    const struct kernel_neighbors *exact, double wanted, size_t *visits);

/*
 * The share of the `count` queries' neighbours that are no farther in `distances2` [queries x k] than the farthest true one: of
 * equally far rows any will do. `distances2` is of all rows; that of a query is at its own place.
 */
double kernel_recall_share(
    const uint32_t *queries, size_t count, const struct kernel_neighbors *exact, const float *distances2);
