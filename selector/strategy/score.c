/*
 * score.c - the strategies that rank samples one by one: least confidence, margin, entropy, and the caller's own utility.
 *
 * They are ordered by score per dollar: with equal prices that is the classical order, with unequal ones it is the greedy
 * choice under a knapsack.
 */
#include "selector/kernel/scores.h"
#include "selector/kernel/vector.h"
#include "selector/strategy/job.h"

#include <stdlib.h>

/* A sample without the column scores 0. */
static double score_of(const struct select_job *job, uint32_t slot)
{
    if (job->policy->strategy == SELECT_UTILITY) {
        const void *row = kernel_row(job->input->utility, slot);
        float utility = 0;
        if (row != NULL)
            kernel_widen(row, job->input->utility->dtype, 1, &utility);
        return (double)utility;
    }
    if (job->predicted != NULL && job->predicted[slot] < 0)
        return 0;
    switch (job->policy->strategy) {
    case SELECT_LEAST_CONFIDENCE:
        return 1 - (double)job->first[slot];
    case SELECT_MARGIN:
        return 1 - ((double)job->first[slot] - (double)job->second[slot]);
    default:
        return (double)job->entropy[slot];
    }
}

/* Entropies alone, where nothing else asks for the rest of the scores: a third less arithmetic. */
static bool entropy_alone(const struct select_job *job)
{
    return job->policy->strategy == SELECT_ENTROPY && job->predicted == NULL && job->input->probabilities != NULL &&
           !job->input->multi_label;
}

static enum select_status score_entropy(struct select_job *job)
{
    job->entropy = malloc((job->input->n + 1) * sizeof *job->entropy);
    if (job->entropy == NULL)
        return SELECT_NO_MEMORY;
    struct kernel_scores out = {.entropy = job->entropy};
    return select_status_of(kernel_scores_dense(job->team, job->input->probabilities, 1, &out));
}

enum select_status select_run_scores(struct select_job *job)
{
    double *gains = malloc((job->candidate_count + 1) * sizeof *gains);
    enum select_status status = SELECT_NO_MEMORY;
    if (gains == NULL)
        return status;
    select_job_pass(job, 0, 0.7);
    status = entropy_alone(job) ? score_entropy(job) : select_job_scores(job, 1, job->policy->strategy == SELECT_ENTROPY);
    for (size_t i = 0; status == SELECT_OK && i < job->candidate_count; i++)
        gains[i] = score_of(job, job->candidates[i]);
    if (status == SELECT_OK)
        status = select_rank(job, gains);
    free(gains);
    return status;
}
