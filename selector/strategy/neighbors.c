/*
 * neighbors.c - select_neighbors: the nearest rows of every row.
 */
#include "selector/kernel/vector.h"
#include "selector/strategy/job.h"
#include "selector/strategy/nearest.h"

#include <math.h>
#include <stdlib.h>

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
    struct select_nearest nearest = {
        .team = call->team,
        .rows = call->rows,
        .slots = call->present,
        .count = call->count,
        .mode = neighbors->mode,
        .recall_wanted = neighbors->recall_wanted,
        .seed = neighbors->seed,
    };
    enum kernel_status status = select_nearest_find(&nearest, NULL, 0, &found, &neighbors->recall);
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
