/*
 * purity.h - how far a ball around a row may reach before it holds rows of another cluster.
 */
#pragma once

#include "selector/kernel/distance.h"

/*
 * out[i] = squared distance of query i to the nearest row of `set` whose cluster is another than query_clusters[i]; INFINITY
 * where there is none. `clusters` [set->count] are those of the set's rows.
 */
enum kernel_status kernel_nearest_foreign(struct kernel_team *team, const struct kernel_points *queries,
    const uint32_t *query_clusters, const struct kernel_subset *set, const uint32_t *clusters, float *out);
