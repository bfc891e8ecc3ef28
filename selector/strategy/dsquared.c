/*
 * dsquared.c - k-means++ seeding and BADGE: D^2 sampling of candidates that have an embedding. Papers: see
 * kernel/dsquared.h. Blind to prices, as the methods are; a draw that the money does not reach is passed over. The gain is the
 * squared distance to the nearest centre at the draw. A pick's chance is recorded as 0: the chance of a draw depends on those
 * before it, and its inclusion probability has no closed form.
 *
 * k-means++ keeps away from what is labelled, in flight or included. BADGE keeps away from what is in flight or included: the
 * paper compares the samples of one batch with each other, and what is in flight is part of it still. What is labelled has
 * shaped the model, hence the gradients, already. Where classes are independent the label that the model would give is yes or
 * no of each. A sample without a prediction has no gradient and comes last.
 */
#include "selector/kernel/dsquared.h"
#include "selector/strategy/iteration.h"
#include "selector/strategy/strategies.h"
#include "selector/strategy/subset.h"

#include <stdlib.h>

static void draw_rewind(void *kernel, kernel_accept_fn *accept, void *context)
{
    kernel_dsquared_rewind(kernel, accept, context);
}

static enum kernel_status draw_next(void *kernel, kernel_accept_fn *accept, void *context, uint32_t *index, double *gain)
{
    return kernel_dsquared_next(kernel, accept, context, index, gain);
}

static enum kernel_status draw_take(void *kernel, uint32_t index)
{
    return kernel_dsquared_take(kernel, index);
}

static const struct select_iteration_calls calls = {draw_rewind, draw_next, draw_take};

static enum select_status add_known(const struct select_job *job, bool labeled, struct kernel_dsquared *dsquared)
{
    uint32_t *slots = malloc((job->input->n + 1) * sizeof *slots);
    if (slots == NULL)
        return SELECT_NO_MEMORY;
    size_t count = select_list_known(job, slots);
    enum kernel_status status = KERNEL_OK;
    for (size_t i = 0; i < count && status == KERNEL_OK; i++) {
        if (labeled || job->input->state[slots[i]] != SELECT_LABELED)
            status = kernel_dsquared_add(dsquared, slots[i]);
    }
    free(slots);
    return select_status_of(status);
}

static enum select_status run(struct select_job *job, const struct kernel_residual *residual)
{
    select_job_keep_embedded(job);
    struct kernel_dsquared_input input = {
        .rows = job->input->embeddings,
        .residual = residual,
        .slots = job->candidates,
        .count = job->candidate_count,
        .first = residual != NULL ? KERNEL_FIRST_LONGEST : KERNEL_FIRST_UNIFORM,
        .seed = job->policy->seed,
        .stream = STREAM_DSQUARED,
    };
    struct kernel_dsquared *dsquared = kernel_dsquared_new(job->team, &input);
    if (dsquared == NULL)
        return SELECT_NO_MEMORY;
    struct select_iteration iteration;
    select_iteration_init(&iteration, job, &calls, dsquared);
    enum select_status status = add_known(job, residual == NULL, dsquared);
    if (status == SELECT_OK)
        status = select_fill(job, &iteration.source, false);
    kernel_dsquared_free(&dsquared);
    return status;
}

enum select_status select_run_kmeans_plus_plus(struct select_job *job)
{
    return run(job, NULL);
}

enum select_status select_run_badge(struct select_job *job)
{
    struct kernel_residual residual = {job->input->probabilities, job->input->multi_label};
    return run(job, &residual);
}
