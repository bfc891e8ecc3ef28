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

enum select_status select_job_scores(struct select_job *job, double temperature, bool entropy)
{
    const struct select_input *input = job->input;
    if (input->probabilities == NULL && input->topk == NULL)
        return SELECT_OK;
    if (job->first == NULL) {
        job->first = malloc((input->n + 1) * sizeof *job->first);
        job->second = malloc((input->n + 1) * sizeof *job->second);
        job->predicted = malloc((input->n + 1) * sizeof *job->predicted);
    }
    if (job->entropy == NULL && entropy)
        job->entropy = malloc((input->n + 1) * sizeof *job->entropy);
    if (job->first == NULL || job->second == NULL || job->predicted == NULL || (entropy && job->entropy == NULL))
        return SELECT_NO_MEMORY;
    struct kernel_scores out = {
        .first = job->first, .second = job->second, .predicted = job->predicted, .entropy = entropy ? job->entropy : NULL};
    enum kernel_status status = input->probabilities != NULL
                                    ? kernel_scores_dense(job->team, input->probabilities, temperature, &out)
                                    : kernel_scores_topk(job->team, input->topk, input->classes, temperature, &out);
    if (status != KERNEL_OK)
        return select_status_of(status);
    /* A class that the project does not have (top-k indices are the caller's) is no prediction. */
    for (size_t i = 0; i < input->n; i++) {
        if (job->predicted[i] >= 0 && (size_t)job->predicted[i] >= input->classes)
            job->predicted[i] = -1;
    }
    return SELECT_OK;
}

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
    if (job->predicted[slot] < 0)
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

enum select_status select_run_scores(struct select_job *job)
{
    double *gains = malloc((job->candidate_count + 1) * sizeof *gains);
    enum select_status status = SELECT_NO_MEMORY;
    if (gains == NULL)
        return status;
    status = select_job_scores(job, 1, job->policy->strategy == SELECT_ENTROPY);
    for (size_t i = 0; status == SELECT_OK && i < job->candidate_count; i++)
        gains[i] = score_of(job, job->candidates[i]);
    if (status == SELECT_OK)
        status = select_rank(job, gains);
    free(gains);
    return status;
}
