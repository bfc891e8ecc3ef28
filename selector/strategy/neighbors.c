/*
 * neighbors.c - the nearest rows of every row: checks, and the choice of the exact or the approximate search.
 */
#include "selector/kernel/recall.h"

#include "selector/kernel/vector.h"
#include "selector/strategy/job.h"

#include <math.h>
#include <stdlib.h>

enum { PROBE = 256 };

static const double recall_default = 0.95;

struct call {
    const struct kernel_rows *rows;
    struct select_neighbors *neighbors;
    struct kernel_team *team;
    uint32_t *present; /* [count] slots, rising */
    size_t count;
    atomic_size_t done;
};

static bool stop(void *context)
{
    const struct call *call = context;
    double done = call->count > 0 ? (double)atomic_load(&call->done) / (double)call->count : 1;
    return call->neighbors->progress(call->neighbors->progress_context, done < 1 ? done : 1);
}

static enum select_status check(
    const struct kernel_rows *rows, const struct select_neighbors *neighbors, struct select_error *error)
{
    if (rows->count >= UINT32_MAX)
        return select_fail(error, SELECT_BAD_INPUT, "rows", "fewer than 2^32 - 1", "%zu", rows->count);
    if (rows->width == 0)
        return select_fail(error, SELECT_BAD_INPUT, "rows", "at least 1 element", "0");
    if (neighbors->k < 1 || neighbors->k > SELECT_NEIGHBORS_K_MAX)
        return select_fail(error, SELECT_BAD_INPUT, "k", "1..1024", "%zu", neighbors->k);
    if (!(neighbors->recall_wanted >= 0 && neighbors->recall_wanted <= 1))
        return select_fail(error, SELECT_BAD_INPUT, "recall", "0..1", "%g", neighbors->recall_wanted);
    if ((unsigned)neighbors->mode > SELECT_NEIGHBORS_APPROXIMATE)
        return select_fail(error, SELECT_BAD_INPUT, "mode", "auto, exact or approximate", "%d", (int)neighbors->mode);
    return SELECT_OK;
}

/* --- an approximate search and its recall ------------------------------------------------------------------------------- */

/* Rows whose true neighbours are looked for: one set to choose how far to look, another to judge the result. */
struct probe {
    uint32_t *queries; /* [count] */
    size_t count;
    struct kernel_neighbors exact;
};

static enum kernel_status probe_init(struct probe *probe, struct call *call, const struct kernel_sketch *sketch, size_t phase)
{
    size_t k = call->neighbors->k;
    probe->count = call->count < PROBE ? call->count : PROBE;
    probe->queries = malloc((probe->count + 1) * sizeof *probe->queries);
    probe->exact = (struct kernel_neighbors){
        .k = k,
        .slots = malloc((probe->count * k + 1) * sizeof *probe->exact.slots),
        .distances2 = malloc((probe->count * k + 1) * sizeof *probe->exact.distances2),
    };
    if (probe->queries == NULL || probe->exact.slots == NULL || probe->exact.distances2 == NULL)
        return KERNEL_NO_MEMORY;
    for (size_t i = 0; i < probe->count; i++)
        probe->queries[i] = (uint32_t)((2 * i + phase) * call->count / (2 * probe->count));
    return kernel_neighbors_find(call->team, sketch, probe->queries, probe->count, &probe->exact);
}

static void probe_deinit(struct probe *probe)
{
    free(probe->queries);
    free(probe->exact.slots);
    free(probe->exact.distances2);
}

static enum kernel_status find_approximate(
    struct call *call, const struct kernel_sketch *sketch, struct kernel_neighbors *found)
{
    double wanted = call->neighbors->recall_wanted > 0 ? call->neighbors->recall_wanted : recall_default;
    struct probe choosing = {0}, judging = {0};
    enum kernel_status status = probe_init(&choosing, call, sketch, 0);
    if (status == KERNEL_OK)
        status = kernel_recall_visits(sketch, choosing.queries, choosing.count, &choosing.exact, wanted, &found->visits);
    if (status == KERNEL_OK)
        status = kernel_neighbors_find(call->team, sketch, NULL, 0, found);
    if (status == KERNEL_OK)
        status = probe_init(&judging, call, sketch, 1);
    if (status == KERNEL_OK)
        call->neighbors->recall = kernel_recall_share(judging.queries, judging.count, &judging.exact, found->distances2);
    probe_deinit(&choosing);
    probe_deinit(&judging);
    return status;
}

static enum kernel_status find(struct call *call, struct kernel_neighbors *found)
{
    const struct select_neighbors *neighbors = call->neighbors;
    bool exact = neighbors->mode == SELECT_NEIGHBORS_EXACT ||
                 (neighbors->mode == SELECT_NEIGHBORS_AUTO && call->count <= SELECT_NEIGHBORS_EXACT_MAX);
    struct kernel_sketch sketch = {0};
    enum kernel_status status =
        kernel_sketch_init(&sketch, call->team, call->rows, call->present, call->count, neighbors->seed);
    call->neighbors->recall = 1;
    if (status == KERNEL_OK)
        status = exact ? kernel_neighbors_find(call->team, &sketch, NULL, 0, found) : find_approximate(call, &sketch, found);
    kernel_sketch_deinit(&sketch);
    return status;
}

/* What was found for the present rows goes to these rows' places, from the last to the first; absent rows have nothing. */
static void spread(const struct call *call)
{
    const struct select_neighbors *neighbors = call->neighbors;
    size_t k = neighbors->k;
    size_t left = call->count;
    for (size_t slot = call->rows->count; slot-- > 0;) {
        bool present = left > 0 && call->present[left - 1] == slot;
        left -= present;
        for (size_t j = 0; j < k; j++) {
            neighbors->slots[slot * k + j] = present ? neighbors->slots[left * k + j] : UINT32_MAX;
            neighbors->distances2[slot * k + j] = present ? neighbors->distances2[left * k + j] : INFINITY;
        }
    }
}

static enum kernel_status run(struct call *call)
{
    struct select_neighbors *neighbors = call->neighbors;
    for (size_t i = 0; i < call->rows->count; i++) {
        if (kernel_row(call->rows, i) != NULL)
            call->present[call->count++] = (uint32_t)i;
    }
    struct kernel_neighbors found = {
        .k = neighbors->k, .slots = neighbors->slots, .distances2 = neighbors->distances2, .done = &call->done};
    enum kernel_status status = find(call, &found);
    if (status == KERNEL_OK && call->count < call->rows->count)
        spread(call);
    return status;
}

enum select_status select_neighbors(
    const struct kernel_rows *rows, struct select_neighbors *neighbors, struct select_error *error)
{
    enum select_status bad = check(rows, neighbors, error);
    if (bad != SELECT_OK)
        return bad;
    struct call call = {
        .rows = rows,
        .neighbors = neighbors,
        .present = malloc((rows->count + 1) * sizeof *call.present),
    };
    call.team = kernel_team_new(neighbors->threads, neighbors->progress != NULL ? stop : NULL, &call);
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (call.present != NULL && call.team != NULL)
        status = run(&call);
    kernel_team_free(&call.team);
    free(call.present);
    return select_status_of(status);
}
