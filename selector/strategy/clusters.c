#include "selector/strategy/clusters.h"

#include "selector/kernel/linkage.h"
#include "selector/kernel/sort.h"
#include "selector/strategy/order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 10, BATCH = 8192 };

/* Room for `wanted` clusters of rows slots[0..count), or as many as there are rows. */
static enum select_status make_room(struct select_clusters *clusters, const uint32_t *slots, size_t count, size_t wanted)
{
    wanted = wanted < count ? wanted : count;
    *clusters = (struct select_clusters){
        .clusters = wanted > 0 ? wanted : 1,
        .count = count,
        .slots = malloc((count + 1) * sizeof *clusters->slots),
        .cluster = calloc(count + 1, sizeof *clusters->cluster),
        .items = malloc((count + 1) * sizeof *clusters->items),
        .first = calloc(wanted + 2, sizeof *clusters->first),
    };
    if (clusters->slots == NULL || clusters->cluster == NULL || clusters->items == NULL || clusters->first == NULL)
        return SELECT_NO_MEMORY;
    memcpy(clusters->slots, slots, count * sizeof *slots);
    return SELECT_OK;
}

static enum select_status list_members(struct select_clusters *clusters, enum kernel_status status)
{
    if (status == KERNEL_OK)
        kernel_kmeans_members(clusters->cluster, clusters->count, clusters->clusters, clusters->items, clusters->first);
    return select_status_of(status);
}

enum select_status select_clusters_init(
    struct select_clusters *clusters, const struct select_job *job, const uint32_t *slots, size_t count, size_t wanted)
{
    enum select_status made = make_room(clusters, slots, count, wanted);
    if (made != SELECT_OK || count == 0)
        return made;
    struct kernel_kmeans_plan plan = {.clusters = clusters->clusters,
        .rounds = ROUNDS,
        .batch = count > 2 * BATCH ? BATCH : 0,
        .spread = true,
        .seed = job->policy->seed};
    const struct kernel_rows *rows = job->input->embeddings;
    enum kernel_status status = kernel_kmeans_init(&clusters->kmeans, job->team, rows, slots, count, &plan);
    if (status == KERNEL_OK)
        status = kernel_kmeans_assign(&clusters->kmeans, job->team, rows, slots, count, clusters->cluster);
    return list_members(clusters, status);
}

enum select_status select_clusters_link(
    struct select_clusters *clusters, struct select_job *job, const uint32_t *slots, size_t count, size_t wanted)
{
    enum select_status made = make_room(clusters, slots, count, wanted);
    if (made != SELECT_OK || count == 0)
        return made;
    atomic_size_t done = 0;
    select_job_counted_pass(job, 0, 0.9, &done, count - 1);
    enum kernel_status status =
        kernel_linkage(job->team, job->input->embeddings, slots, count, clusters->clusters, clusters->cluster, &done);
    select_job_pass(job, 0.9, 0.9);
    return list_members(clusters, status);
}

void select_clusters_deinit(struct select_clusters *clusters)
{
    free(clusters->slots);
    free(clusters->cluster);
    free(clusters->items);
    free(clusters->first);
    kernel_kmeans_deinit(&clusters->kmeans);
    *clusters = (struct select_clusters){0};
}

/* Makes keys by which the k-th of every cluster comes before the (k + 1)-th of any. False without memory. */
static bool make_keys(
    const uint32_t *cluster_of, size_t count, size_t clusters, const double *cluster_key, const double *within, double *keys)
{
    uint32_t *order = malloc((count + 1) * sizeof *order);
    uint32_t *cluster_order = malloc((clusters + 1) * sizeof *cluster_order);
    double *place = malloc((clusters + 1) * sizeof *place);
    double *turn = calloc(clusters + 1, sizeof *turn);
    bool ok = order != NULL && cluster_order != NULL && place != NULL && turn != NULL &&
              kernel_sort_falling(within, count, order) && kernel_sort_falling(cluster_key, clusters, cluster_order);
    for (size_t c = 0; ok && c < clusters; c++)
        place[cluster_order[c]] = (double)c;
    for (size_t i = 0; ok && i < count; i++) {
        uint32_t cluster = cluster_of[order[i]];
        double late = cluster_key[cluster] > -HUGE_VAL ? 0 : (double)count;
        keys[order[i]] = -((late + turn[cluster]++) * (double)clusters + place[cluster]);
    }
    free(order);
    free(cluster_order);
    free(place);
    free(turn);
    return ok;
}

enum select_status select_round_robin(struct select_job *job, const uint32_t *cluster_of, size_t clusters,
    const double *cluster_key, const double *within, const double *gains)
{
    double *keys = malloc((job->candidate_count + 1) * sizeof *keys);
    enum select_status status = SELECT_NO_MEMORY;
    if (keys == NULL || !make_keys(cluster_of, job->candidate_count, clusters, cluster_key, within, keys))
        goto done;
    status = select_fill_by(job, keys, gains, NULL, false);
done:
    free(keys);
    return status;
}
