/*
 * random.c - selection by chance alone, which every other strategy has to beat.
 */
#include "selector/strategy/chance.h"
#include "selector/strategy/order.h"
#include "selector/strategy/picks.h"
#include "selector/strategy/strategies.h"

#include <math.h>
#include <stdlib.h>

/* What those that the policy names leave for chance. */
static double money_left(const struct select_job *job)
{
    return job->policy->budget == INT64_MAX ? HUGE_VAL : (double)select_picks_money_left(job);
}

static double places_left(const struct select_job *job)
{
    return job->policy->count == SIZE_MAX ? HUGE_VAL : (double)(job->policy->count - job->result->count);
}

enum select_status select_run_random(struct select_job *job)
{
    double *keys = malloc((job->candidate_count + 1) * sizeof *keys);
    double *gains = calloc(job->candidate_count + 1, sizeof *gains);
    enum select_status status = SELECT_NO_MEMORY;
    if (keys == NULL || gains == NULL)
        goto done;
    size_t included = job->result->count;
    double money = money_left(job);
    double places = places_left(job);
    select_chance_draw(job, STREAM_ORDER, keys);
    status = select_fill_by(job, keys, gains, NULL, true);
    if (status == SELECT_OK)
        select_chance_record(job, included, job->result->count + job->result->spare_count, places, money, false);
done:
    free(keys);
    free(gains);
    return status;
}
