/*
 * fill.c - from a source of candidates to picks: minimum shares, then merit, then spares, under money, count and groups.
 */
#include "selector/strategy/job.h"

/* One stretch of picking. */
struct phase {
    struct select_job *job;
    const struct select_share *share; /* only samples of this kind; NULL: any */
    bool spares;
    bool in_turn;
    int64_t kind_cost; /* of all picks of the share's kind */
    size_t kind_count;
};

static bool is_of(const struct select_job *job, const struct select_share *share, uint32_t slot)
{
    if (share->is_class)
        return job->predicted != NULL && job->predicted[slot] == (int32_t)share->index;
    return job->input->tags != NULL && (job->input->tags[slot] >> share->index & 1);
}

static bool money_fits(const struct phase *phase, uint32_t slot)
{
    int64_t cost;
    int64_t money = phase->spares ? phase->job->policy->budget : select_job_money_left(phase->job);
    return select_job_cost(phase->job, slot, &cost) && cost <= money;
}

static bool accept(void *context, uint32_t slot)
{
    const struct phase *phase = context;
    return !phase->job->picked[slot] && (phase->share == NULL || is_of(phase->job, phase->share, slot)) &&
           select_job_group_fits(phase->job, slot) && (phase->in_turn || money_fits(phase, slot));
}

/* Counts the picks of the phase's kind that other phases made. */
static void count_kind(struct phase *phase)
{
    const struct select_job *job = phase->job;
    for (size_t i = 0; i < job->result->count; i++) {
        int64_t cost = 0;
        if (!is_of(job, phase->share, job->result->picks[i].slot))
            continue;
        select_job_cost(job, job->result->picks[i].slot, &cost);
        phase->kind_cost += cost;
        phase->kind_count++;
    }
}

/* Whether the phase has what it is for. The share is of the money, or of the count where money has no bound. */
static bool satisfied(const struct phase *phase)
{
    const struct select_job *job = phase->job;
    const struct select_policy *policy = job->policy;
    if (phase->spares)
        return job->result->spare_count >= policy->spares;
    if (job->result->count >= policy->count || select_job_money_left(job) < job->least_cost)
        return true;
    if (phase->share == NULL)
        return false;
    if (policy->budget != INT64_MAX)
        return (double)phase->kind_cost >= phase->share->share * (double)policy->budget;
    return policy->count == SIZE_MAX || (double)phase->kind_count >= phase->share->share * (double)policy->count;
}

static enum select_status run_phase(struct phase *phase, struct select_source *source)
{
    struct select_job *job = phase->job;
    if (phase->share != NULL)
        count_kind(phase);
    if (satisfied(phase))
        return SELECT_OK;
    source->rewind(source->self, accept, phase);
    while (!satisfied(phase)) {
        uint32_t slot;
        struct select_worth worth = {.arm = phase->share != NULL ? SELECT_ARM_SHARE : SELECT_ARM_POLICY};
        enum kernel_status status = source->next(source->self, accept, phase, &slot, &worth);
        if (status == KERNEL_END || (status == KERNEL_OK && phase->in_turn && !money_fits(phase, slot)))
            return SELECT_OK;
        if (status != KERNEL_OK)
            return select_status_of(status);
        if (kernel_team_stopped(job->team))
            return SELECT_CANCELED;
        int64_t before = job->result->cost;
        if (!select_job_add(job, slot, &worth, phase->spares))
            return SELECT_NO_MEMORY;
        phase->kind_cost += job->result->cost - before;
        phase->kind_count++;
        status = source->take(source->self, slot);
        if (status != KERNEL_OK)
            return select_status_of(status);
    }
    return SELECT_OK;
}

enum select_status select_fill(struct select_job *job, struct select_source *source, bool in_turn)
{
    enum select_status status = SELECT_OK;
    for (size_t i = 0; i < job->policy->share_count && status == SELECT_OK; i++) {
        struct phase phase = {.job = job, .share = &job->policy->shares[i]};
        status = run_phase(&phase, source);
    }
    struct phase merit = {.job = job, .in_turn = in_turn};
    if (status == SELECT_OK)
        status = run_phase(&merit, source);
    struct phase spares = {.job = job, .spares = true};
    if (status == SELECT_OK)
        status = run_phase(&spares, source);
    return status;
}
