/*
 * kcenter.c - greedy farthest point over the candidates that have an embedding, from what is labelled and in flight. Blind to
 * prices, as the method is; a pick that the money does not reach is passed over. The gain is the distance to the nearest
 * centre.
 */
#include "selector/kernel/kcenter.h"
#include "selector/strategy/iteration.h"
#include "selector/strategy/subset.h"

#include <math.h>
#include <stdlib.h>

static void center_rewind(void *kernel, kernel_accept_fn *accept, void *context)
{
    kernel_kcenter_rewind(kernel, accept, context);
}

static enum kernel_status center_next(void *kernel, kernel_accept_fn *accept, void *context, uint32_t *index, double *gain)
{
    double distance2;
    enum kernel_status status = kernel_kcenter_next(kernel, accept, context, index, &distance2);
    /* The very first centre has no distance to any other. */
    *gain = status != KERNEL_OK || isinf(distance2) ? 0 : sqrt(distance2);
    return status;
}

static enum kernel_status center_take(void *kernel, uint32_t index)
{
    return kernel_kcenter_take(kernel, index);
}

static const struct select_iteration_calls calls = {center_rewind, center_next, center_take};

static enum select_status add_known(const struct select_job *job, struct kernel_kcenter *kcenter)
{
    uint32_t *slots = malloc((job->input->n + 1) * sizeof *slots);
    if (slots == NULL)
        return SELECT_NO_MEMORY;
    size_t count = select_list_known(job, slots);
    enum kernel_status status = KERNEL_OK;
    for (size_t i = 0; i < count && status == KERNEL_OK; i++)
        status = kernel_kcenter_add(kcenter, slots[i]);
    free(slots);
    return select_status_of(status);
}

enum select_status select_run_kcenter(struct select_job *job)
{
    select_job_keep_embedded(job);
    struct kernel_kcenter *kcenter =
        kernel_kcenter_new(job->team, job->input->embeddings, job->candidates, job->candidate_count);
    if (kcenter == NULL)
        return SELECT_NO_MEMORY;
    struct select_iteration iteration;
    select_iteration_init(&iteration, job, &calls, kcenter);
    enum select_status status = select_job_scores(job, 1, false);
    if (status == SELECT_OK)
        status = add_known(job, kcenter);
    if (status == SELECT_OK)
        status = select_fill(job, &iteration.source, false);
    if (status == SELECT_OK && job->result->count > 0)
        job->result->stats.objective = job->result->picks[job->result->count - 1].gain;
    kernel_kcenter_free(&kcenter);
    return status;
}
