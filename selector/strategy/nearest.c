#include "selector/strategy/nearest.h"

#include "selector/kernel/recall.h"

#include <math.h>
#include <stdlib.h>

enum { PROBE = 256 };

static const double recall_default = 0.95;

/* The queries of one call. */
struct call {
    const struct select_nearest *nearest;
    struct kernel_sketch sketch;
    const uint32_t *queries; /* NULL: all */
    size_t query_count;
};

/* Queries whose true neighbours are looked for: one set to choose how far to look, another to judge the result. */
struct probe {
    size_t count;
    uint32_t *numbers; /* [count] of queries */
    uint32_t *places;  /* [count] of their rows in the list */
    struct kernel_neighbors exact;
};

static enum kernel_status probe_init(struct probe *probe, const struct call *call, size_t k, size_t phase)
{
    probe->count = call->query_count < PROBE ? call->query_count : PROBE;
    probe->numbers = malloc((probe->count + 1) * sizeof *probe->numbers);
    probe->places = malloc((probe->count + 1) * sizeof *probe->places);
    probe->exact = (struct kernel_neighbors){
        .k = k,
        .slots = malloc((probe->count * k + 1) * sizeof *probe->exact.slots),
        .distances2 = malloc((probe->count * k + 1) * sizeof *probe->exact.distances2),
    };
    if (probe->numbers == NULL || probe->places == NULL || probe->exact.slots == NULL || probe->exact.distances2 == NULL)
        return KERNEL_NO_MEMORY;
    for (size_t i = 0; i < probe->count; i++) {
        probe->numbers[i] = (uint32_t)((2 * i + phase) * call->query_count / (2 * probe->count));
        probe->places[i] = call->queries != NULL ? call->queries[probe->numbers[i]] : probe->numbers[i];
    }
    return kernel_neighbors_find(call->nearest->team, &call->sketch, probe->places, probe->count, &probe->exact);
}

static void probe_deinit(struct probe *probe)
{
    free(probe->numbers);
    free(probe->places);
    free(probe->exact.slots);
    free(probe->exact.distances2);
}

static enum kernel_status find_approximate(const struct call *call, struct kernel_neighbors *found, double *recall)
{
    const struct select_nearest *nearest = call->nearest;
    double wanted = nearest->recall_wanted > 0 ? nearest->recall_wanted : recall_default;
    /* A probe's recall is about so much off that of all. */
    double error = sqrt(wanted * (1 - wanted) / PROBE);
    struct probe choosing = {0}, judging = {0};
    enum kernel_status status = probe_init(&choosing, call, found->k, 0);
    if (status == KERNEL_OK)
        status = kernel_recall_visits(
            &call->sketch, choosing.places, choosing.count, &choosing.exact, fmin(1, wanted + error), &found->visits);
    if (status == KERNEL_OK)
        status = kernel_neighbors_find(nearest->team, &call->sketch, call->queries, call->query_count, found);
    if (status == KERNEL_OK)
        status = probe_init(&judging, call, found->k, 1);
    if (status == KERNEL_OK)
        *recall = kernel_recall_share(judging.numbers, judging.count, &judging.exact, found->distances2);
    probe_deinit(&choosing);
    probe_deinit(&judging);
    return status;
}

enum kernel_status select_nearest_find(const struct select_nearest *nearest, const uint32_t *queries, size_t query_count,
    struct kernel_neighbors *found, double *recall)
{
    struct call call = {
        .nearest = nearest,
        .queries = queries,
        .query_count = queries != NULL ? query_count : nearest->count,
    };
    bool exact = nearest->mode == SELECT_NEIGHBORS_EXACT ||
                 (nearest->mode == SELECT_NEIGHBORS_AUTO && nearest->count <= SELECT_NEIGHBORS_EXACT_MAX);
    enum kernel_status status = kernel_sketch_init(
        &call.sketch, nearest->team, nearest->rows, nearest->slots, nearest->count, KERNEL_SKETCH_NEIGHBORS, nearest->seed);
    *recall = 1;
    if (status == KERNEL_OK && exact)
        status = kernel_neighbors_find(nearest->team, &call.sketch, queries, query_count, found);
    else if (status == KERNEL_OK)
        status = find_approximate(&call, found, recall);
    kernel_sketch_deinit(&call.sketch);
    return status;
}
