#include "selector/strategy/quota.h"

bool select_quota_is_of(const struct select_job *job, const struct select_share *share, uint32_t slot)
{
    if (share->is_class)
        return job->predicted != NULL && job->predicted[slot] == (int32_t)share->index;
    return job->input->tags != NULL && (job->input->tags[slot] >> share->index & 1);
}

/* A share is of the money, or of the count where money has no bound. A cost that is a share to the last digit is within it. */
static bool within(const struct select_job *job, const struct select_quota *quota, double share)
{
    const struct select_policy *policy = job->policy;
    if (policy->budget != INT64_MAX)
        return (double)quota->cost <= share * (double)policy->budget * (1 + 1e-12);
    return policy->count == SIZE_MAX || (double)quota->count <= share * (double)policy->count * (1 + 1e-12);
}

bool select_quota_fits(const struct select_job *job, uint32_t slot)
{
    for (size_t i = 0; i < job->policy->share_count; i++) {
        const struct select_share *share = &job->policy->shares[i];
        if (share->maximum >= 1 || !select_quota_is_of(job, share, slot))
            continue;
        int64_t cost = 0;
        select_job_cost(job, slot, &cost);
        struct select_quota with = {.count = job->quotas[i].count + 1};
        /* A sum that overflows is more than any budget. */
        if (__builtin_add_overflow(job->quotas[i].cost, cost, &with.cost) || !within(job, &with, share->maximum))
            return false;
    }
    return true;
}

bool select_quota_met(const struct select_job *job, size_t index)
{
    const struct select_policy *policy = job->policy;
    const struct select_quota *quota = &job->quotas[index];
    double share = policy->shares[index].share;
    if (policy->budget != INT64_MAX)
        return (double)quota->cost >= share * (double)policy->budget;
    return policy->count == SIZE_MAX || (double)quota->count >= share * (double)policy->count;
}

static void count(struct select_job *job, uint32_t slot, int sign)
{
    int64_t cost = 0;
    select_job_cost(job, slot, &cost); /* a pick's cost does not overflow, nor does the batch's */
    for (size_t i = 0; i < job->policy->share_count; i++) {
        if (!select_quota_is_of(job, &job->policy->shares[i], slot))
            continue;
        job->quotas[i].cost += sign * cost;
        job->quotas[i].count += (size_t)sign;
    }
}

void select_quota_add(struct select_job *job, uint32_t slot)
{
    count(job, slot, 1);
}

void select_quota_remove(struct select_job *job, uint32_t slot)
{
    count(job, slot, -1);
}
