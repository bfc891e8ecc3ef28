/*
 * clusters.h - picks taken from clusters in turn. Private to strategy/.
 */
#pragma once

#include "selector/kernel/kmeans.h"
#include "selector/strategy/job.h"

/* Rows in clusters. Free with select_clusters_deinit. */
struct select_clusters {
    size_t clusters;
    size_t count;
    uint32_t *slots;             /* [count] rows, rising */
    uint32_t *cluster;           /* [count] of each */
    uint32_t *items;             /* [count] indices into slots, by cluster, rising within each */
    size_t *first;               /* [clusters + 1] cluster c has items[first[c]] .. items[first[c + 1] - 1] */
    struct kernel_kmeans kmeans; /* of select_clusters_init */
};

/*
 * K-means of rows slots[0..count), copied; at least one cluster, at most one a row. Batches of rows where there are many, as in
 * Sculley, "Web-scale k-means clustering", WWW 2010.
 */
enum select_status select_clusters_init(
    struct select_clusters *clusters, const struct select_job *job, const uint32_t *slots, size_t count, size_t wanted);

/* As select_clusters_init, by average linkage of KERNEL_LINKAGE_MAX rows at most; tells how far it is. */
enum select_status select_clusters_link(
    struct select_clusters *clusters, struct select_job *job, const uint32_t *slots, size_t count, size_t wanted);

void select_clusters_deinit(struct select_clusters *clusters);

/*
 * Picks one of each cluster in turn, clusters by falling cluster_key[c] (equal: lowest first), within a cluster by falling
 * within[i] (equal: lowest slot first). Clusters of key -HUGE_VAL come when all others are used up. `cluster_of`
 * [candidate_count] is each candidate's cluster, `gains` what a pick reports.
 */
enum select_status select_round_robin(struct select_job *job, const uint32_t *cluster_of, size_t clusters,
    const double *cluster_key, const double *within, const double *gains);
