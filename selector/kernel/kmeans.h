/*
 * kmeans.h - k-means clusters of rows, the same for any number of threads.
 *
 * Lloyd, "Least squares quantization in PCM", IEEE Trans. Information Theory 1982; on a part of the rows each round: Sculley,
 * "Web-scale k-means clustering", WWW 2010; seeding by D^2 sampling: Arthur and Vassilvitskii, "k-means++", SODA 2007.
 */
#pragma once

#include "selector/kernel/rows.h"
#include "selector/kernel/status.h"
#include "selector/kernel/team.h"

#include <stdbool.h>

struct kernel_kmeans_plan {
    size_t clusters; /* at least 1; as many as there are rows at most */
    unsigned rounds;
    size_t batch; /* rows drawn for a round and for seeding; 0: all rows, which is Lloyd's algorithm */
    bool spread;  /* seeds by D^2 sampling, one pass over the rows for each; else seeds are rows drawn at random */
    uint64_t seed;
};

struct kernel_kmeans {
    size_t clusters;
    size_t width;
    float *centers; /* [clusters x width] less the origin */
    float *norm2;   /* [clusters] their squared lengths */
    float *origin;  /* [width] */
};

/* Clusters rows slots[0..count), which are present; count > 0. A cluster that loses all its rows keeps its centre. */
enum kernel_status kernel_kmeans_init(struct kernel_kmeans *kmeans, struct kernel_team *team, const struct kernel_rows *rows,
    const uint32_t *slots, size_t count, const struct kernel_kmeans_plan *plan);

/* Frees what init allocated, also after it failed. A zeroed one is fine. */
void kernel_kmeans_deinit(struct kernel_kmeans *kmeans);

/* cluster[i] = the cluster whose centre is nearest to row slots[i], the lowest of equals. */
enum kernel_status kernel_kmeans_assign(const struct kernel_kmeans *kmeans, struct kernel_team *team,
    const struct kernel_rows *rows, const uint32_t *slots, size_t count, uint32_t *cluster);

/*
 * Lists items 0..count-1 by cluster, rising within each: those of cluster c are items[first[c]] .. items[first[c + 1] - 1].
 * Outputs: items [count], first [clusters + 1].
 */
void kernel_kmeans_members(const uint32_t *cluster, size_t count, size_t clusters, uint32_t *items, size_t *first);
