/*
 * draws.c - strategies over Monte-Carlo draws or a committee's predictions; kernel/draws.h has the definitions and their
 * papers.
 *
 * bald and committee_kl are two names of one quantity. All are ordered by score per dollar.
 *
 * power_bald: Kirsch, Farquhar, Atighehchian, Jesson, Branchaud-Charron and Gal, "Stochastic batch acquisition: a simple
 * baseline for deep active learning", TMLR 2023. Picks are drawn one after another without replacement, each with a chance in
 * proportion to (BALD per dollar)^power, by ordering power x ln(score) plus a Gumbel variable. The power is 1 as in the paper.
 * A sample that scores 0 comes after all others. Recorded is the chance of a pick at its turn: its weight of what was left;
 * groups, shares and money are not in that figure.
 */
#include "selector/kernel/draws.h"
#include "selector/kernel/random.h"
#include "selector/strategy/order.h"
#include "selector/strategy/strategies.h"

#include <math.h>
#include <stdlib.h>

/* A Gumbel variable of kernel_random_uniform lies within -4 and 37: no luck brings a sample over this. */
#define BEYOND_CHANCE 64

/* gains[i] of candidates[i], by the strategy; fills the predictions too. */
static enum select_status score(struct select_job *job, enum select_strategy strategy, double *gains)
{
    const struct select_input *input = job->input;
    float *scores = malloc((input->n + 1) * sizeof *scores);
    if (scores == NULL)
        return SELECT_NO_MEMORY;
    struct kernel_draw_scores out = {0};
    if (strategy == SELECT_VARIATION_RATIO)
        out.variation = scores;
    else if (strategy == SELECT_VOTE_ENTROPY)
        out.vote_entropy = scores;
    else
        out.information = scores;
    select_job_pass(job, 0, 0.7);
    enum select_status status = select_status_of(kernel_draws(job->team, input->draws, input->draw_count, &out));
    for (size_t i = 0; status == SELECT_OK && i < job->candidate_count; i++)
        gains[i] = (double)scores[job->candidates[i]];
    free(scores);
    return status;
}

enum select_status select_run_draws(struct select_job *job)
{
    double *gains = malloc((job->candidate_count + 1) * sizeof *gains);
    if (gains == NULL)
        return SELECT_NO_MEMORY;
    enum select_status status = score(job, job->policy->strategy, gains);
    if (status == SELECT_OK)
        status = select_rank(job, gains);
    free(gains);
    return status;
}

/* Logarithms of the weights; those of 0 become so much less than the least other that chance does not close the gap. */
static void log_weights(const struct select_job *job, const double *gains, double *logs)
{
    double power = job->policy->parameters.power > 0 ? job->policy->parameters.power : 1;
    double least = 0;
    for (size_t i = 0; i < job->candidate_count; i++) {
        logs[i] = gains[i] > 0 ? power * log(gains[i] / select_job_dollars(job, job->candidates[i])) : 0;
        least = gains[i] > 0 && logs[i] < least ? logs[i] : least;
    }
    for (size_t i = 0; i < job->candidate_count; i++) {
        if (!(gains[i] > 0))
            logs[i] = least - BEYOND_CHANCE;
    }
}

/* The chance of each pick at its turn, from the last one on: what was left is then a sum and no difference. */
static void record(struct select_job *job, const double *logs, double most, double *by_slot)
{
    double left = 0;
    for (size_t i = 0; i < job->candidate_count; i++) {
        uint32_t slot = job->candidates[i];
        by_slot[slot] = exp(logs[i] - most);
        left += job->picked[slot] ? 0 : by_slot[slot];
    }
    for (size_t i = job->result->count + job->result->spare_count; i-- > 0;) {
        struct select_pick *pick = &job->result->picks[i];
        if (pick->arm == SELECT_ARM_INCLUDE)
            continue;
        left += by_slot[pick->slot];
        pick->probability = left > 0 ? by_slot[pick->slot] / left : 0;
    }
}

enum select_status select_run_power_bald(struct select_job *job)
{
    double *gains = malloc((job->candidate_count + 1) * sizeof *gains);
    double *logs = malloc((job->candidate_count + 1) * sizeof *logs);
    double *keys = malloc((job->candidate_count + 1) * sizeof *keys);
    double *by_slot = calloc(job->input->n + 1, sizeof *by_slot);
    enum select_status status = SELECT_NO_MEMORY;
    if (gains == NULL || logs == NULL || keys == NULL || by_slot == NULL)
        goto done;
    status = score(job, SELECT_BALD, gains);
    if (status != SELECT_OK)
        goto done;
    log_weights(job, gains, logs);
    double most = -HUGE_VAL;
    for (size_t i = 0; i < job->candidate_count; i++) {
        keys[i] = logs[i] - log(-log(kernel_random_uniform(job->policy->seed, STREAM_ORDER, job->candidates[i])));
        most = logs[i] > most ? logs[i] : most;
    }
    status = select_fill_by(job, keys, gains, NULL, false);
    if (status == SELECT_OK)
        record(job, logs, most, by_slot);
done:
    free(gains);
    free(logs);
    free(keys);
    free(by_slot);
    return status;
}
