/*
 * density.c - information density: an uncertain sample is worth more where the pool is dense.
 *
 * Settles and Craven, "An analysis of active learning strategies for sequence labeling tasks", EMNLP 2008: the entropy times
 * the mean cosine similarity to the pool, raised to a power (1 in the paper). A similarity below 0 counts as 0. The mean over
 * all pairs is exact. Without predictions the density counts alone. Ordered by score per dollar.
 */
#include "selector/kernel/cosine.h"
#include "selector/strategy/order.h"
#include "selector/strategy/predictions.h"
#include "selector/strategy/strategies.h"

#include <math.h>
#include <stdlib.h>

static double score_of(const struct select_job *job, uint32_t slot, float similarity)
{
    double power = job->policy->parameters.power > 0 ? job->policy->parameters.power : 1;
    double uncertainty = 1;
    if (job->entropy != NULL)
        uncertainty = job->predicted[slot] >= 0 ? (double)job->entropy[slot] : 0;
    return uncertainty * pow(similarity > 0 ? (double)similarity : 0, power);
}

enum select_status select_run_density(struct select_job *job)
{
    select_job_keep_embedded(job);
    size_t count = job->candidate_count;
    float *similarity = malloc((count + 1) * sizeof *similarity);
    double *gains = malloc((count + 1) * sizeof *gains);
    enum select_status status = SELECT_NO_MEMORY;
    if (similarity == NULL || gains == NULL)
        goto done;
    status = select_job_scores(job, 1, true);
    select_job_pass(job, 0, 0.9);
    if (status == SELECT_OK)
        status = select_status_of(kernel_mean_cosine(job->team, job->input->embeddings, job->candidates, count, similarity));
    if (status != SELECT_OK)
        goto done;
    for (size_t i = 0; i < count; i++)
        gains[i] = score_of(job, job->candidates[i], similarity[i]);
    status = select_rank(job, gains);
done:
    free(similarity);
    free(gains);
    return status;
}
