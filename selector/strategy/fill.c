#include "selector/strategy/fill.h"

#include "selector/strategy/filter.h"
#include "selector/strategy/quota.h"

/* One stretch of picking. */
struct phase {
    struct select_job *job;
    const struct select_share *share; /* only samples of this kind; NULL: any */
    bool spares;
    bool in_turn;
};

static bool money_fits(const struct phase *phase, uint32_t slot)
{
    int64_t cost;
    int64_t money = phase->spares ? phase->job->policy->budget : select_picks_money_left(phase->job);
    return select_job_cost(phase->job, slot, &cost) && cost <= money;
}

static bool accept(void *context, uint32_t slot)
{
    const struct phase *phase = context;
    const struct select_job *job = phase->job;
    return !job->picked[slot] && !job->refused[slot] && (phase->share == NULL || select_quota_is_of(job, phase->share, slot)) &&
           select_picks_fit(job, slot) && (phase->in_turn || money_fits(phase, slot));
}

/* Whether the phase has what it is for. */
static bool satisfied(const struct phase *phase)
{
    const struct select_job *job = phase->job;
    if (phase->spares)
        return job->result->spare_count >= job->policy->spares;
    if (select_picks_full(job) || job->result->count >= job->pick_limit)
        return true;
    return phase->share != NULL && select_quota_met(job, (size_t)(phase->share - job->policy->shares));
}

static enum select_status run_phase(struct phase *phase, struct select_source *source)
{
    struct select_job *job = phase->job;
    if (satisfied(phase))
        return SELECT_OK;
    source->rewind(source->self, accept, phase);
    while (!satisfied(phase)) {
        uint32_t slot;
        struct select_worth worth = {.arm = phase->share != NULL ? SELECT_ARM_SHARE : SELECT_ARM_POLICY, .share = phase->share};
        enum kernel_status status = source->next(source->self, accept, phase, &slot, &worth);
        if (status == KERNEL_END || (status == KERNEL_OK && phase->in_turn && !money_fits(phase, slot)))
            return SELECT_OK;
        if (status != KERNEL_OK)
            return select_status_of(status);
        if (kernel_team_stopped(job->team))
            return SELECT_CANCELED;
        bool refused;
        status = select_filter_refuses(job->filter, slot, &job->result->stats, &refused);
        if (status != KERNEL_OK)
            return select_status_of(status);
        if (refused) {
            job->refused[slot] = 1;
            continue;
        }
        if (!select_picks_add(job, slot, &worth, phase->spares))
            return SELECT_NO_MEMORY;
        status = source->take(source->self, slot);
        if (status != KERNEL_OK)
            return select_status_of(status);
    }
    return SELECT_OK;
}

enum select_status select_fill(struct select_job *job, struct select_source *source, bool in_turn)
{
    select_job_pass(job, job->pass_to, job->pass_to);
    enum select_status status = kernel_team_stopped(job->team) ? SELECT_CANCELED : SELECT_OK;
    for (size_t i = 0; i < job->policy->share_count && status == SELECT_OK; i++) {
        struct phase phase = {.job = job, .share = &job->policy->shares[i]};
        status = run_phase(&phase, source);
    }
    struct phase merit = {.job = job, .in_turn = in_turn};
    if (status == SELECT_OK)
        status = run_phase(&merit, source);
    struct phase spares = {.job = job, .spares = true};
    bool last = job->pick_limit == SIZE_MAX || select_picks_full(job);
    if (status == SELECT_OK && last)
        status = run_phase(&spares, source);
    return status;
}
