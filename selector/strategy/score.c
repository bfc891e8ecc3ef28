/*
 * score.c - the strategies that rank samples one by one: least confidence, margin, entropy, and the caller's own utility.
 *
 * They are ordered by score per dollar: with equal prices that is the classical order, with unequal ones it is the greedy
 * choice under a knapsack.
 */
#include "selector/kernel/scores.h"
#include "selector/kernel/vector.h"
#include "selector/strategy/order.h"
#include "selector/strategy/predictions.h"
#include "selector/strategy/strategies.h"

#include <stdlib.h>

enum { TILE = 65536 };

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

struct scoring {
    const struct select_job *job;
    double *gains; /* [candidate_count] */
};

static void score_tile(void *context, size_t tile, unsigned worker)
{
    (void)worker;
    const struct scoring *scoring = context;
    const struct select_job *job = scoring->job;
    for (size_t i = tile * TILE; i < job->candidate_count && i < (tile + 1) * TILE; i++)
        scoring->gains[i] = score_of(job, job->candidates[i]);
}

enum select_status select_run_scores(struct select_job *job)
{
    struct scoring scoring = {job, malloc((job->candidate_count + 1) * sizeof *scoring.gains)};
    enum select_status status = SELECT_NO_MEMORY;
    if (scoring.gains == NULL)
        return status;
    select_job_pass(job, 0, 0.7);
    status = entropy_alone(job) ? score_entropy(job) : select_job_scores(job, 1, job->policy->strategy == SELECT_ENTROPY);
    if (status == SELECT_OK && !kernel_team_run(job->team, (job->candidate_count + TILE - 1) / TILE, score_tile, &scoring))
        status = SELECT_CANCELED;
    if (status == SELECT_OK)
        status = select_rank(job, scoring.gains);
    free(scoring.gains);
    return status;
}
