/*
 * linkage.h - rows in clusters by average linkage: the two clusters whose rows are nearest on average become one, again and
 * again.
 *
 * By chains of nearest neighbours (Muellner, "Modern hierarchical, agglomerative clustering algorithms", 2011), in time that
 * rises with the square of the number of rows, and with all their distances in memory.
 */
#pragma once

#include "selector/kernel/rows.h"
#include "selector/kernel/status.h"
#include "selector/kernel/team.h"

#include <stdatomic.h>

enum { KERNEL_LINKAGE_MAX = 11585 }; /* rows whose distances take 256 MiB */

/*
 * cluster[i] = the cluster of row slots[i], of 0..clusters-1 by rising first row: what is left of average linkage of the rows'
 * Euclidean distances when there are `clusters` clusters. The rows are present, 1 <= clusters <= count <= KERNEL_LINKAGE_MAX.
 * Of neighbours at equal distance the lowest counts. `done` counts count - 1 steps for a progress callback; NULL: not counted.
 */
enum kernel_status kernel_linkage(struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *slots, size_t count,
    size_t clusters, uint32_t *cluster, atomic_size_t *done);
