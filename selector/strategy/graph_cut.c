/*
 * graph_cut.c - graph cut over the pool: near to many samples, far from each other, see kernel/graph_cut.h.
 *
 * What is labelled and in flight counts as taken. parameters.redundancy weighs the similarity among picks; the default of 0.5
 * is the largest for which every pick adds something (Iyer and others, 2021). The density of a candidate is its similarity to
 * the whole pool, exactly up to EXACT_MAX samples (references_max of the policy) and to a sample of it beyond. By gain per
 * dollar.
 */
#include "selector/kernel/graph_cut.h"
#include "selector/kernel/coverage.h"
#include "selector/strategy/iteration.h"
#include "selector/strategy/points.h"
#include "selector/strategy/strategies.h"

#include <stdlib.h>
#include <string.h>

enum { EXACT_MAX = 65536, SAMPLE = 4096 };

static const double redundancy_default = 0.5;

static void cut_rewind(void *kernel, kernel_accept_fn *accept, void *context)
{
    kernel_graph_cut_rewind(kernel, accept, context);
}

static enum kernel_status cut_next(void *kernel, kernel_accept_fn *accept, void *context, uint32_t *index, double *gain)
{
    return kernel_graph_cut_next(kernel, accept, context, index, gain);
}

static enum kernel_status cut_take(void *kernel, uint32_t index)
{
    return kernel_graph_cut_take(kernel, index);
}

static const struct select_iteration_calls calls = {cut_rewind, cut_next, cut_take};

/* density[i] = similarity of candidate i to the points: what it would cover if nothing were covered yet. */
static enum select_status measure(const struct select_job *job, const struct select_points *points, float *density)
{
    struct kernel_coverage_input input = {
        .gains_only = true,
        .candidates = {job->input->embeddings, job->candidates, job->candidate_count, points->origin},
        .references = points->points,
        .weight = points->weight,
        .cover = points->cover,
        .scale = points->scale,
    };
    struct kernel_coverage *coverage = kernel_coverage_new(job->team, &input);
    if (coverage == NULL)
        return SELECT_NO_MEMORY;
    enum select_status status = select_status_of(kernel_coverage_begin(coverage));
    if (status == SELECT_OK)
        memcpy(density, kernel_coverage_first_gains(coverage), job->candidate_count * sizeof *density);
    kernel_coverage_free(&coverage);
    return status;
}

static enum select_status cut(struct select_job *job, const struct select_points *points, const float *density)
{
    double *dollars = malloc((job->candidate_count + 1) * sizeof *dollars);
    if (dollars == NULL)
        return SELECT_NO_MEMORY;
    for (size_t i = 0; i < job->candidate_count; i++)
        dollars[i] = select_job_dollars(job, job->candidates[i]);
    double redundancy = job->policy->parameters.redundancy;
    struct kernel_graph_cut_input input = {
        .candidates = {job->input->embeddings, job->candidates, job->candidate_count, points->origin},
        .density = density,
        .redundancy = redundancy > 0 ? redundancy : redundancy_default,
        .scale = points->scale,
        .divisor = dollars,
    };
    struct kernel_graph_cut *kernel = kernel_graph_cut_new(job->team, &input);
    enum select_status status = kernel != NULL ? SELECT_OK : SELECT_NO_MEMORY;
    for (size_t i = 0; i < points->known_count && status == SELECT_OK; i++)
        status = select_status_of(kernel_graph_cut_add(kernel, points->known[i]));
    struct select_iteration iteration;
    select_iteration_init(&iteration, job, &calls, kernel);
    iteration.per_dollar = true;
    if (status == SELECT_OK)
        status = select_fill(job, &iteration.source, false);
    if (status == SELECT_OK)
        select_picks_sum_gains(job);
    kernel_graph_cut_free(&kernel);
    free(dollars);
    return status;
}

enum select_status select_run_graph_cut(struct select_job *job)
{
    select_job_keep_embedded(job);
    struct select_points points = {0};
    size_t want = job->policy->references_max;
    if (want == 0)
        want = job->candidate_count <= EXACT_MAX ? EXACT_MAX : SAMPLE;
    float *density = malloc((job->candidate_count + 1) * sizeof *density);
    float *chance = NULL;
    enum select_status status = density != NULL ? select_points_chances(job, want, &chance) : SELECT_NO_MEMORY;
    if (status == SELECT_OK)
        status = select_points_init(&points, job, want, false, chance);
    free(chance);
    select_job_pass(job, 0.1, 0.5);
    if (status == SELECT_OK)
        status = measure(job, &points, density);
    if (status == SELECT_OK)
        status = cut(job, &points, density);
    select_points_deinit(&points);
    free(density);
    return status;
}
