#include "selector/strategy/control.h"

#include "selector/kernel/random.h"
#include "selector/kernel/sort.h"
#include "selector/strategy/chance.h"
#include "selector/strategy/picks.h"

#include <math.h>
#include <stdlib.h>

/* Takes candidates in turn until the money is spent or there are as many picks as are wanted. */
static enum select_status take_control(struct select_job *job, struct kernel_order *order, double money, double whole)
{
    double spent = 0;
    size_t included = job->result->count;
    for (size_t i = 0; i < job->candidate_count && (double)(job->result->count - included) < whole; i++) {
        if (!kernel_order_extend(order, i + 1))
            return SELECT_NO_MEMORY;
        uint32_t slot = job->candidates[order->items[i]];
        int64_t cost = 0;
        if (!select_picks_fit(job, slot))
            continue;
        if (!select_job_cost(job, slot, &cost) || cost > select_picks_money_left(job) ||
            job->result->count >= job->policy->count)
            break;
        double over = spent + (double)cost - money;
        bool last = over > 0;
        if (last && kernel_random_uniform(job->policy->seed, STREAM_CONTROL_ROUND, 1) * (double)cost < over)
            break;
        if (!select_picks_add(job, slot, &(struct select_worth){.arm = SELECT_ARM_CONTROL}, false))
            return SELECT_NO_MEMORY;
        spent += (double)cost;
        if (last)
            break;
    }
    return SELECT_OK;
}

enum select_status select_control(struct select_job *job)
{
    const struct select_policy *policy = job->policy;
    double money = policy->budget == INT64_MAX ? HUGE_VAL : policy->control_share * (double)policy->budget;
    double places = policy->count == SIZE_MAX ? HUGE_VAL : policy->control_share * (double)policy->count;
    if (!(policy->control_share > 0) || job->candidate_count == 0 || (isinf(money) && isinf(places)))
        return SELECT_OK;
    double round = kernel_random_uniform(policy->seed, STREAM_CONTROL_ROUND, 0);
    double whole = isinf(places) ? HUGE_VAL : floor(places + round);
    struct kernel_order order = {0};
    double *keys = malloc((job->candidate_count + 1) * sizeof *keys);
    enum select_status status = SELECT_NO_MEMORY;
    if (keys == NULL)
        return status;
    size_t included = job->result->count;
    select_chance_draw(job, STREAM_CONTROL, keys);
    if (kernel_order_init(&order, keys, job->candidate_count))
        status = kernel_team_stopped(job->team) ? SELECT_CANCELED : take_control(job, &order, money, whole);
    if (status == SELECT_OK)
        select_chance_record(job, included, job->result->count, places, money, true);
    kernel_order_deinit(&order);
    free(keys);
    return status;
}
