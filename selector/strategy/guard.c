#include "selector/strategy/guard.h"

/* The sample that adds most by itself, more than `gain`, out of those that fit and cost no more than `money`. */
static bool find_best(const struct select_job *job, const uint32_t *slots, const float *alone, size_t count, double gain,
    int64_t money, uint32_t *best)
{
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        int64_t cost;
        if (!((double)alone[i] > gain) || job->picked[slots[i]] || !select_picks_fit(job, slots[i]))
            continue;
        if (!select_job_cost(job, slots[i], &cost) || cost > money)
            continue;
        gain = (double)alone[i];
        *best = slots[i];
        found = true;
    }
    return found;
}

bool select_guard(struct select_job *job, size_t kept, const uint32_t *slots, const float *alone, size_t count, uint32_t *slot)
{
    const struct select_result *result = job->result;
    if (job->policy->share_count > 0 || job->filter != NULL || kept == result->count || result->count >= job->pick_limit)
        return false;
    double gain = 0;
    int64_t money = select_picks_money_left(job);
    for (size_t i = kept; i < result->count; i++) {
        int64_t cost = 0;
        select_job_cost(job, result->picks[i].slot, &cost);
        money += cost;
        gain += result->picks[i].gain;
    }
    return find_best(job, slots, alone, count, gain, money, slot);
}

static bool is_slot(void *context, uint32_t slot)
{
    return slot == *(const uint32_t *)context;
}

enum select_status select_guard_start(struct select_job *job, size_t kept, struct select_source *source, uint32_t slot)
{
    struct select_worth worth = {.arm = SELECT_ARM_POLICY};
    uint32_t next = slot;
    select_picks_undo(job, kept);
    source->rewind(source->self, is_slot, &slot);
    enum kernel_status status = source->next(source->self, is_slot, &slot, &next, &worth);
    if (status != KERNEL_OK)
        return select_status_of(status);
    if (!select_picks_add(job, next, &worth, false))
        return SELECT_NO_MEMORY;
    return select_status_of(source->take(source->self, next));
}
