/*
 * dpp.c - greedy MAP of a determinantal point process over the candidates that have an embedding, see kernel/dpp.h: uncertain
 * samples that differ from each other.
 *
 * The quality of a sample is its uncertainty 1 - margin, QUALITY_LEAST at least (Biyik and others, "Batch active learning using
 * determinantal point processes", 2019, weigh by uncertainty likewise); 1 where there is no prediction. The radius of the
 * similarity is parameters.radius, or found from the data, see scale.h. The picks are conditioned on what is in flight or
 * included and on what is labelled, of which KNOWN_MAX stand for all where there are more. The gain is what the logarithm of
 * the determinant rises by. Blind to prices, as the method is; a pick that the money does not reach is passed over.
 *
 * Work and memory are candidates x picks. Pools of more than CANDIDATES_MAX samples (policy: references_max), or fewer where
 * FACTOR_MAX numbers would not do, are sampled first: without replacement, in proportion to quality (Efraimidis and Spirakis,
 * 2006).
 */
#include "selector/kernel/dpp.h"
#include "selector/kernel/centered.h"
#include "selector/kernel/random.h"
#include "selector/kernel/sort.h"
#include "selector/kernel/vector.h"
#include "selector/strategy/iteration.h"
#include "selector/strategy/predictions.h"
#include "selector/strategy/scale.h"
#include "selector/strategy/strategies.h"
#include "selector/strategy/subset.h"

#include <math.h>
#include <stdlib.h>

enum { KNOWN_MAX = 1024, CANDIDATES_MAX = 65536, FACTOR_MAX = 1 << 27, MEAN_SAMPLE = 256 };

static const double quality_least = 0.01;

static void dpp_rewind(void *kernel, kernel_accept_fn *accept, void *context)
{
    kernel_dpp_rewind(kernel, accept, context);
}

static enum kernel_status dpp_next(void *kernel, kernel_accept_fn *accept, void *context, uint32_t *index, double *gain)
{
    return kernel_dpp_next(kernel, accept, context, index, gain);
}

static enum kernel_status dpp_take(void *kernel, uint32_t index)
{
    return kernel_dpp_take(kernel, index);
}

static const struct select_iteration_calls calls = {dpp_rewind, dpp_next, dpp_take};

static double quality_of(const struct select_job *job, uint32_t slot)
{
    if (job->predicted == NULL || job->predicted[slot] < 0)
        return 1;
    double uncertainty = 1 - ((double)job->first[slot] - (double)job->second[slot]);
    return fmin(1, fmax(quality_least, uncertainty));
}

/* How many candidates can be looked at: the policy's number, or one that bounds the memory, but enough to pick from. */
static size_t candidates_most(const struct select_job *job)
{
    const struct select_policy *policy = job->policy;
    if (policy->references_max > 0)
        return policy->references_max;
    size_t picks = policy->count < job->candidate_count ? policy->count : job->candidate_count;
    size_t most = picks > 0 ? FACTOR_MAX / picks : CANDIDATES_MAX;
    most = most > 2 * picks ? most : 2 * picks;
    return most < CANDIDATES_MAX ? most : CANDIDATES_MAX;
}

/* Leaves `most` of the candidates. */
static enum select_status sample_candidates(struct select_job *job, size_t most)
{
    size_t count = job->candidate_count;
    double *keys = malloc((count + 1) * sizeof *keys);
    uint32_t *order = malloc((count + 1) * sizeof *order);
    enum select_status status = SELECT_NO_MEMORY;
    if (keys == NULL || order == NULL)
        goto done;
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = job->candidates[i];
        keys[i] = log(kernel_random_uniform(job->policy->seed, STREAM_CANDIDATES, slot)) / quality_of(job, slot);
    }
    if (kernel_team_stopped(job->team)) {
        status = SELECT_CANCELED;
        goto done;
    }
    if (!kernel_sort_falling(keys, count, order))
        goto done;
    double last = keys[order[most]];
    job->candidate_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (keys[i] > last)
            job->candidates[job->candidate_count++] = job->candidates[i];
    }
    status = SELECT_OK;
done:
    free(keys);
    free(order);
    return status;
}

/* The known samples that picks are conditioned on: what is not labelled first, then an even choice of the labelled ones. */
static size_t thin_known(const struct select_job *job, uint32_t *known, size_t count)
{
    size_t other = 0;
    for (size_t i = 0; i < count; i++) {
        if (job->input->state[known[i]] != SELECT_LABELED) {
            uint32_t slot = known[i];
            known[i] = known[other];
            known[other++] = slot;
        }
    }
    if (other >= KNOWN_MAX)
        return select_thin(known, other, KNOWN_MAX, known);
    return other + select_thin(known + other, count - other, KNOWN_MAX - other, known + other);
}

/* The scale of the kernel; distances are taken from near the candidates' mean, so that they keep their digits. */
static enum select_status find_scale(const struct select_job *job, const uint32_t *known, size_t known_count, float *scale)
{
    size_t width = job->input->embeddings->width;
    size_t count = job->candidate_count < MEAN_SAMPLE ? job->candidate_count : MEAN_SAMPLE;
    uint32_t slots[MEAN_SAMPLE] = {0};
    float *origin = malloc(width * sizeof *origin);
    float *sample = malloc((count * width + 1) * sizeof *sample);
    float norm2[MEAN_SAMPLE];
    enum select_status status = SELECT_NO_MEMORY;
    if (origin == NULL || sample == NULL)
        goto done;
    count = select_thin(job->candidates, job->candidate_count, count, slots);
    status = SELECT_CANCELED;
    if (kernel_gather_centered(job->team, job->input->embeddings, slots, count, origin, sample, norm2))
        status = select_scale(job, origin, known, known_count, scale);
done:
    free(origin);
    free(sample);
    return status;
}

static enum select_status pick(
    struct select_job *job, const struct kernel_dpp_input *input, const uint32_t *known, size_t count)
{
    struct kernel_dpp *dpp = kernel_dpp_new(job->team, input);
    if (dpp == NULL)
        return SELECT_NO_MEMORY;
    struct select_iteration iteration;
    select_iteration_init(&iteration, job, &calls, dpp);
    enum kernel_status added = KERNEL_OK;
    for (size_t i = 0; i < count && added == KERNEL_OK; i++)
        added = kernel_dpp_add(dpp, known[i]);
    enum select_status status = select_status_of(added);
    if (status == SELECT_OK)
        status = select_fill(job, &iteration.source, false);
    if (status == SELECT_OK)
        select_picks_sum_gains(job);
    kernel_dpp_free(&dpp);
    return status;
}

enum select_status select_run_dpp(struct select_job *job)
{
    select_job_keep_embedded(job);
    uint32_t *known = malloc((job->input->n + 1) * sizeof *known);
    double *quality = malloc((job->candidate_count + 1) * sizeof *quality);
    enum select_status status = known != NULL && quality != NULL ? select_job_scores(job, 1, false) : SELECT_NO_MEMORY;
    size_t most = candidates_most(job);
    if (status == SELECT_OK && job->candidate_count > most)
        status = sample_candidates(job, most);
    if (status != SELECT_OK)
        goto done;
    struct kernel_dpp_input input = {job->input->embeddings, job->candidates, job->candidate_count, quality, 1};
    for (size_t i = 0; i < job->candidate_count; i++)
        quality[i] = quality_of(job, job->candidates[i]);
    size_t known_count = select_list_known(job, known);
    status = find_scale(job, known, known_count, &input.scale);
    job->result->stats.radius = sqrt((double)input.scale);
    if (status == SELECT_OK)
        status = pick(job, &input, known, thin_known(job, known, known_count));
done:
    free(known);
    free(quality);
    return status;
}
