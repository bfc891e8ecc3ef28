#include "selector/strategy/picks.h"

#include "selector/strategy/filter.h"
#include "selector/strategy/groups.h"
#include "selector/strategy/quota.h"

#include <stdlib.h>

bool select_picks_fit(const struct select_job *job, uint32_t slot)
{
    if (job->groups != NULL && job->input->group[slot] != 0 &&
        select_groups_count(job->groups, job->input->group[slot]) >= job->policy->group_max)
        return false;
    return select_quota_fits(job, slot);
}

int64_t select_picks_money_left(const struct select_job *job)
{
    return job->policy->budget - job->result->cost;
}

bool select_picks_full(const struct select_job *job)
{
    return job->result->count >= job->policy->count || select_picks_money_left(job) < job->least_cost;
}

static bool make_room(struct select_job *job)
{
    size_t used = job->result->count + job->result->spare_count;
    if (used < job->pick_room)
        return true;
    size_t room = job->pick_room == 0 ? 64 : 2 * job->pick_room;
    struct select_pick *picks = realloc(job->result->picks, room * sizeof *picks);
    if (picks == NULL)
        return false;
    job->result->picks = picks;
    job->pick_room = room;
    return true;
}

bool select_picks_add(struct select_job *job, uint32_t slot, const struct select_worth *worth, bool spare)
{
    if (!make_room(job))
        return false;
    struct select_result *result = job->result;
    result->picks[result->count + result->spare_count] = (struct select_pick){
        .slot = slot,
        .arm = worth->arm,
        .share = worth->share != NULL ? (int32_t)(worth->share - job->policy->shares) : -1,
        .price = job->input->price[slot],
        .probability = worth->probability,
        .gain = worth->gain,
        .utility = worth->utility,
    };
    job->picked[slot] = 1;
    if (!select_filter_add(job->filter, slot))
        return false;
    if (job->groups != NULL && job->input->group[slot] != 0)
        select_groups_add(job->groups, job->input->group[slot]);
    if (spare) {
        result->spare_count++;
        return true;
    }
    int64_t cost = 0;
    select_job_cost(job, slot, &cost); /* a candidate's cost does not overflow, and fits what is left */
    result->cost += cost;
    result->count++;
    select_quota_add(job, slot);
    return true;
}

void select_picks_undo(struct select_job *job, size_t count)
{
    struct select_result *result = job->result;
    for (size_t i = count; i < result->count + result->spare_count; i++) {
        uint32_t slot = result->picks[i].slot;
        int64_t cost = 0;
        job->picked[slot] = 0;
        if (job->groups != NULL && job->input->group[slot] != 0)
            select_groups_remove(job->groups, job->input->group[slot]);
        if (i >= result->count)
            continue;
        select_job_cost(job, slot, &cost);
        result->cost -= cost;
        select_quota_remove(job, slot);
    }
    result->count = count;
    result->spare_count = 0;
}

void select_picks_sum_gains(struct select_job *job)
{
    job->result->stats.objective = 0;
    for (size_t i = 0; i < job->result->count; i++)
        job->result->stats.objective += job->result->picks[i].gain;
}
