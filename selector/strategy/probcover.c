/*
 * probcover.c - balls of one radius over the most samples, see kernel/ball_cover.h for the method and its paper.
 *
 * What is labelled and in flight covers already. The radius is parameters.radius, or as in the paper the largest for which the
 * share parameters.purity (0.95) of balls holds samples of one cluster only, by k-means into as many clusters as there are
 * classes (parameters.clusters; 10 without classes). That is the 1 - purity quantile of the distances to the nearest sample of
 * another cluster, taken of some samples. By samples covered per dollar, with the guard of guard.h. Exact up to EXACT_MAX
 * candidates; beyond, so many evenly spaced ones are chosen among. Embeddings are taken as they are: the paper scales them to
 * length 1.
 */
#include "selector/kernel/ball_cover.h"
#include "selector/kernel/ball_pairs.h"
#include "selector/kernel/purity.h"
#include "selector/kernel/sort.h"
#include "selector/kernel/vector.h"
#include "selector/strategy/clusters.h"
#include "selector/strategy/guard.h"
#include "selector/strategy/iteration.h"
#include "selector/strategy/scale.h"
#include "selector/strategy/strategies.h"
#include "selector/strategy/subset.h"

#include <math.h>
#include <stdlib.h>

enum { EXACT_MAX = 131072, QUERIES = 512, CLUSTERS_DEFAULT = 10 };

static const double purity_default = 0.95;

/* --- the radius --------------------------------------------------------------------------------------------------------- */

/* The squared radius at which just the wanted share of the queries' balls are pure; 0 or infinite where none or all are. */
static enum select_status quantile(const struct select_job *job, const struct select_clusters *clusters, float *radius2)
{
    const struct kernel_rows *rows = job->input->embeddings;
    size_t count = clusters->count < QUERIES ? clusters->count : QUERIES;
    uint32_t slots[QUERIES] = {0};
    uint32_t own[QUERIES] = {0};
    float foreign[QUERIES];
    float norm2[QUERIES];
    float *values = malloc((count * rows->width + 1) * sizeof *values);
    if (values == NULL)
        return SELECT_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        slots[i] = clusters->slots[i * clusters->count / count];
        own[i] = clusters->cluster[i * clusters->count / count];
    }
    kernel_gather(rows, slots, count, clusters->kmeans.origin, values);
    for (size_t i = 0; i < count; i++)
        norm2[i] = kernel_norm2(values + i * rows->width, rows->width);
    struct kernel_points queries = {values, norm2, count, rows->width};
    struct kernel_subset set = {rows, clusters->slots, clusters->count, clusters->kmeans.origin};
    enum kernel_status status = kernel_nearest_foreign(job->team, &queries, own, &set, clusters->cluster, foreign);
    if (status == KERNEL_OK) {
        double purity = job->policy->parameters.purity > 0 ? job->policy->parameters.purity : purity_default;
        size_t impure = (size_t)((1 - purity) * (double)count + 1e-9);
        kernel_sort_floats(foreign, count);
        *radius2 = foreign[impure < count ? impure : count - 1];
    }
    free(values);
    return select_status_of(status);
}

static enum select_status find_radius(const struct select_job *job, const uint32_t *known, size_t known_count, float *radius2)
{
    const struct select_parameters *parameters = &job->policy->parameters;
    *radius2 = (float)(parameters->radius * parameters->radius);
    if (parameters->radius > 0)
        return SELECT_OK;
    size_t wanted = parameters->clusters > 0 ? parameters->clusters : job->input->classes;
    struct select_clusters clusters = {0};
    enum select_status status =
        select_clusters_init(&clusters, job, job->candidates, job->candidate_count, wanted > 0 ? wanted : CLUSTERS_DEFAULT);
    if (status == SELECT_OK)
        status = quantile(job, &clusters, radius2);
    /* One cluster, or clusters that touch: the spacing of the samples has to do. */
    if (status == SELECT_OK && !(*radius2 > 0 && isfinite(*radius2)))
        status = select_scale(job, clusters.kmeans.origin, known, known_count, radius2);
    select_clusters_deinit(&clusters);
    return status;
}

/* --- the cover ---------------------------------------------------------------------------------------------------------- */

static void ball_rewind(void *kernel, kernel_accept_fn *accept, void *context)
{
    kernel_ball_cover_rewind(kernel, accept, context);
}

static enum kernel_status ball_next(void *kernel, kernel_accept_fn *accept, void *context, uint32_t *index, double *gain)
{
    return kernel_ball_cover_next(kernel, accept, context, index, gain);
}

static enum kernel_status ball_take(void *kernel, uint32_t index)
{
    return kernel_ball_cover_take(kernel, index);
}

static const struct select_iteration_calls calls = {ball_rewind, ball_next, ball_take};

/* The graph of what can be picked and what is known; `candidate` as select_list_pool has it. */
struct balls {
    struct kernel_ball_graph graph;
    uint32_t *slots;     /* [graph.count] */
    uint32_t *candidate; /* [graph.count] */
    uint32_t *nodes;     /* [candidate_count] node of each candidate */
};

/* Builds the graph of as many candidates as it takes. */
static enum select_status build(struct select_job *job, struct balls *balls, float radius2)
{
    size_t most = EXACT_MAX;
    for (;;) {
        job->candidate_count = select_thin(job->candidates, job->candidate_count, most, job->candidates);
        size_t count = select_list_pool(job, balls->slots, balls->candidate);
        atomic_size_t done = 0;
        select_job_counted_pass(job, 0.3, 0.9, &done, kernel_ball_pairs_steps(count));
        enum kernel_status status = kernel_ball_graph_init(
            &balls->graph, job->team, job->input->embeddings, balls->slots, count, radius2, job->policy->seed, &done);
        select_job_pass(job, 0.9, 0.9);
        if (status != KERNEL_END || job->candidate_count < 2)
            return select_status_of(status);
        kernel_ball_graph_deinit(&balls->graph);
        most = job->candidate_count / 2;
    }
}

/* A cover in which what is known has covered its part. Output: *kernel, to be freed even after it failed. */
static enum select_status start(
    const struct select_job *job, const struct balls *balls, const double *dollars, struct kernel_ball_cover **kernel)
{
    *kernel = kernel_ball_cover_new(job->team, &balls->graph, balls->nodes, job->candidate_count, dollars);
    enum kernel_status status = *kernel != NULL ? kernel_ball_cover_begin(*kernel) : KERNEL_NO_MEMORY;
    for (uint32_t node = 0; status == KERNEL_OK && node < balls->graph.count; node++) {
        if (balls->candidate[node] == UINT32_MAX)
            status = kernel_ball_cover_add(*kernel, node);
    }
    return select_status_of(status);
}

/* By samples covered per dollar, with the guard of that; `alone` [candidates] is scratch. */
static enum select_status choose(struct select_job *job, const struct balls *balls, const double *dollars, float *alone)
{
    size_t kept = job->result->count;
    struct select_iteration iteration;
    struct kernel_ball_cover *kernel;
    uint32_t slot;
    enum select_status status = start(job, balls, dollars, &kernel);
    if (status != SELECT_OK)
        goto done;
    for (uint32_t i = 0; i < job->candidate_count; i++)
        alone[i] = (float)kernel_ball_cover_gain(kernel, i);
    select_iteration_init(&iteration, job, &calls, kernel);
    iteration.per_dollar = true;
    status = select_fill(job, &iteration.source, false);
    if (status == SELECT_OK && select_guard(job, kept, job->candidates, alone, job->candidate_count, &slot)) {
        kernel_ball_cover_free(&kernel);
        status = start(job, balls, dollars, &kernel);
        iteration.kernel = kernel;
        if (status == SELECT_OK)
            status = select_guard_start(job, kept, &iteration.source, slot);
        if (status == SELECT_OK)
            status = select_fill(job, &iteration.source, false);
    }
    if (status == SELECT_OK)
        select_picks_sum_gains(job);
done:
    kernel_ball_cover_free(&kernel);
    return status;
}

static enum select_status cover(struct select_job *job, float radius2)
{
    size_t n = job->input->n + 1;
    struct balls balls = {
        .slots = malloc(n * sizeof *balls.slots),
        .candidate = malloc(n * sizeof *balls.candidate),
        .nodes = calloc(job->candidate_count + 1, sizeof *balls.nodes),
    };
    double *dollars = malloc((job->candidate_count + 1) * sizeof *dollars);
    float *alone = malloc((job->candidate_count + 1) * sizeof *alone);
    enum select_status status = SELECT_NO_MEMORY;
    if (balls.slots != NULL && balls.candidate != NULL && balls.nodes != NULL && dollars != NULL && alone != NULL)
        status = build(job, &balls, radius2);
    for (uint32_t node = 0; status == SELECT_OK && node < balls.graph.count; node++) {
        if (balls.candidate[node] != UINT32_MAX)
            balls.nodes[balls.candidate[node]] = node;
    }
    for (size_t i = 0; status == SELECT_OK && i < job->candidate_count; i++)
        dollars[i] = select_job_dollars(job, job->candidates[i]);
    if (status == SELECT_OK)
        status = choose(job, &balls, dollars, alone);
    kernel_ball_graph_deinit(&balls.graph);
    free(balls.slots);
    free(balls.candidate);
    free(balls.nodes);
    free(dollars);
    free(alone);
    return status;
}

enum select_status select_run_probcover(struct select_job *job)
{
    select_job_keep_embedded(job);
    if (job->candidate_count == 0)
        return SELECT_OK;
    uint32_t *known = malloc((job->input->n + 1) * sizeof *known);
    if (known == NULL)
        return SELECT_NO_MEMORY;
    size_t known_count = select_list_known(job, known);
    float radius2 = 0;
    enum select_status status = find_radius(job, known, known_count, &radius2);
    free(known);
    if (status == SELECT_OK)
        status = cover(job, radius2);
    job->result->stats.radius = sqrt((double)radius2);
    return status;
}
