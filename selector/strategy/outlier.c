/*
 * outlier.c - what is far from everything else: the distance to the k-th nearest neighbour.
 *
 * Ramaswamy, Rastogi and Shim, "Efficient algorithms for mining outliers from large data sets", SIGMOD 2000; k is
 * parameters.neighbors (5). Neighbours are looked for among all samples that have an embedding, whatever their state: exactly
 * up to SELECT_NEIGHBORS_EXACT_MAX of them, beyond that among near ones, of which nearly all are found (nearest.h). Ordered by
 * distance per dollar.
 */
#include "selector/kernel/vector.h"
#include "selector/strategy/nearest.h"
#include "selector/strategy/order.h"
#include "selector/strategy/strategies.h"
#include "selector/strategy/subset.h"

#include <math.h>
#include <stdlib.h>

enum { NEIGHBORS_DEFAULT = 5 };

/* The candidates' places in the list of all samples with an embedding; both rise. */
static void list_queries(const struct select_job *job, const uint32_t *slots, uint32_t *queries)
{
    uint32_t at = 0;
    for (size_t i = 0; i < job->candidate_count; i++) {
        while (slots[at] != job->candidates[i])
            at++;
        queries[i] = at;
    }
}

static enum select_status measure(
    struct select_job *job, const struct select_nearest *nearest, const uint32_t *queries, double *gains)
{
    size_t wanted = job->policy->parameters.neighbors > 0 ? job->policy->parameters.neighbors : NEIGHBORS_DEFAULT;
    size_t most = nearest->count > 1 ? nearest->count - 1 : 1;
    size_t k = wanted < most ? wanted : most;
    struct kernel_neighbors found = {
        .k = k,
        .slots = malloc((job->candidate_count * k + 1) * sizeof *found.slots),
        .distances2 = malloc((job->candidate_count * k + 1) * sizeof *found.distances2),
    };
    enum kernel_status status = KERNEL_NO_MEMORY;
    double recall;
    atomic_size_t queries_done = 0;
    found.done = &queries_done;
    select_job_counted_pass(job, 0, 0.9, &queries_done, job->candidate_count);
    if (found.slots != NULL && found.distances2 != NULL)
        status = select_nearest_find(nearest, queries, job->candidate_count, &found, &recall);
    for (size_t i = 0; status == KERNEL_OK && i < job->candidate_count; i++) {
        float farthest = found.distances2[i * k + k - 1];
        gains[i] = isfinite(farthest) ? sqrt((double)farthest) : 0;
    }
    select_job_pass(job, 0.9, 0.9);
    free(found.slots);
    free(found.distances2);
    return select_status_of(status);
}

enum select_status select_run_outlier(struct select_job *job)
{
    const struct kernel_rows *rows = job->input->embeddings;
    select_job_keep_embedded(job);
    uint32_t *slots = malloc((rows->count + 1) * sizeof *slots);
    uint32_t *queries = malloc((job->candidate_count + 1) * sizeof *queries);
    double *gains = malloc((job->candidate_count + 1) * sizeof *gains);
    enum select_status status = SELECT_NO_MEMORY;
    if (slots == NULL || queries == NULL || gains == NULL)
        goto done;
    struct select_nearest nearest = {
        .team = job->team,
        .rows = rows,
        .slots = slots,
        .count = select_list_embedded(job, slots),
        .seed = job->policy->seed,
    };
    list_queries(job, slots, queries);
    status = measure(job, &nearest, queries, gains);
    if (status == SELECT_OK)
        status = select_rank(job, gains);
done:
    free(slots);
    free(queries);
    free(gains);
    return status;
}
