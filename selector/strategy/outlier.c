/*
 * outlier.c - what is far from everything else: the distance to the k-th nearest neighbour.
 *
 * Ramaswamy, Rastogi and Shim, "Efficient algorithms for mining outliers from large data sets", SIGMOD 2000; k is
 * parameters.neighbors (5). Neighbours are looked for among all samples that have an embedding, whatever their state; where
 * these are more than SET_MAX, among so many evenly spaced ones. Ordered by distance per dollar.
 */
#include "selector/kernel/distance.h"
#include "selector/kernel/vector.h"
#include "selector/strategy/subset.h"

#include <math.h>
#include <stdlib.h>

enum { NEIGHBORS_DEFAULT = 5, SET_MAX = 65536, QUERIES = 4096 };

/* A block of candidates as plain floats, around the mean of the first block so that distances keep their digits. */
struct queries {
    float *values;
    float *norm2;
    float *origin;
    float *distance2;
};

static enum select_status measure(
    const struct select_job *job, const struct queries *queries, const struct kernel_subset *set, double *gains)
{
    size_t wanted = job->policy->parameters.neighbors > 0 ? job->policy->parameters.neighbors : NEIGHBORS_DEFAULT;
    size_t most = set->count > 1 ? set->count - 1 : 1;
    unsigned k = (unsigned)(wanted < most ? wanted : most);
    const struct kernel_rows *rows = job->input->embeddings;
    for (size_t from = 0; from < job->candidate_count; from += QUERIES) {
        const uint32_t *slots = job->candidates + from;
        size_t count = job->candidate_count - from < QUERIES ? job->candidate_count - from : QUERIES;
        if (from == 0)
            kernel_gather_centered(rows, slots, count, queries->origin, queries->values, queries->norm2);
        else
            kernel_gather(rows, slots, count, queries->origin, queries->values);
        for (size_t i = 0; i < count; i++)
            queries->norm2[i] = kernel_norm2(queries->values + i * rows->width, rows->width);
        struct kernel_points points = {queries->values, queries->norm2, count, rows->width};
        enum kernel_status status = kernel_neighbor_distance(job->team, &points, slots, set, k, queries->distance2);
        if (status != KERNEL_OK)
            return select_status_of(status);
        for (size_t i = 0; i < count; i++)
            gains[from + i] = isfinite(queries->distance2[i]) ? sqrt((double)queries->distance2[i]) : 0;
    }
    return SELECT_OK;
}

enum select_status select_run_outlier(struct select_job *job)
{
    const struct kernel_rows *rows = job->input->embeddings;
    if (job->policy->parameters.neighbors > KERNEL_NEIGHBORS_MAX)
        return select_fail(job->error, SELECT_BAD_INPUT, "neighbors", "at most 64", "%zu", job->policy->parameters.neighbors);
    select_job_keep_embedded(job);
    struct queries queries = {
        .values = malloc(QUERIES * rows->width * sizeof *queries.values),
        .norm2 = malloc(QUERIES * sizeof *queries.norm2),
        .origin = malloc(rows->width * sizeof *queries.origin),
        .distance2 = malloc(QUERIES * sizeof *queries.distance2),
    };
    uint32_t *slots = malloc((rows->count + 1) * sizeof *slots);
    double *gains = malloc((job->candidate_count + 1) * sizeof *gains);
    enum select_status status = SELECT_NO_MEMORY;
    if (queries.values == NULL || queries.norm2 == NULL || queries.origin == NULL || queries.distance2 == NULL ||
        slots == NULL || gains == NULL)
        goto done;
    struct kernel_subset set = {
        rows, slots, select_thin(slots, select_list_embedded(job, slots), SET_MAX, slots), queries.origin};
    status = measure(job, &queries, &set, gains);
    if (status == SELECT_OK)
        status = select_job_scores(job, 1, false);
    if (status == SELECT_OK)
        status = select_rank(job, gains);
done:
    free(queries.values);
    free(queries.norm2);
    free(queries.origin);
    free(queries.distance2);
    free(slots);
    free(gains);
    return status;
}
