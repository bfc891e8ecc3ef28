/*
 * kcenter.c - greedy farthest point over the candidates that have an embedding, from what is labelled and in flight. Blind to
 * prices, as the method is; a pick that the money does not reach is passed over. The gain is the distance to the nearest
 * centre.
 *
 * kcenter_robust leaves parameters.outlier_share of the candidates out: at each choice, those farthest from all centres. Sener
 * and Savarese's robust k-center asks a solver for a radius that covers all but 1e-4 of the points (the default here as well;
 * the code they published allows for no outliers); this is the greedy for the same problem: Gonzalez's farthest point, after
 * the trimming of k-means-- (Chawla and Gionis, "k-means--: a unified approach to clustering and outlier detection", SDM
 * 2013). What is left out is never picked.
 */
#include "selector/kernel/kcenter.h"
#include "selector/strategy/iteration.h"
#include "selector/strategy/strategies.h"
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

static const double outlier_share_default = 1e-4;

static enum select_status run(struct select_job *job, double outlier_share)
{
    select_job_keep_embedded(job);
    double outliers = outlier_share * (double)job->candidate_count;
    struct kernel_kcenter *kcenter =
        kernel_kcenter_new(job->team, job->input->embeddings, job->candidates, job->candidate_count);
    if (kcenter == NULL)
        return SELECT_NO_MEMORY;
    struct select_iteration iteration;
    select_iteration_init(&iteration, job, &calls, kcenter);
    enum select_status status = SELECT_NO_MEMORY;
    if (kernel_kcenter_set_aside(kcenter, outliers < (double)job->candidate_count ? (size_t)outliers : job->candidate_count))
        status = add_known(job, kcenter);
    if (status == SELECT_OK)
        status = select_fill(job, &iteration.source, false);
    if (status == SELECT_OK && job->result->count > 0)
        job->result->stats.objective = job->result->picks[job->result->count - 1].gain;
    kernel_kcenter_free(&kcenter);
    return status;
}

enum select_status select_run_kcenter(struct select_job *job)
{
    return run(job, 0);
}

enum select_status select_run_kcenter_robust(struct select_job *job)
{
    double share = job->policy->parameters.outlier_share;
    return run(job, share > 0 ? share : outlier_share_default);
}
