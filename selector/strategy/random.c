/*
 * random.c - selection by chance alone, which every other strategy has to beat.
 */
#include "selector/strategy/chance.h"
#include "selector/strategy/order.h"
#include "selector/strategy/strategies.h"

#include <math.h>
#include <stdlib.h>

static double money_of(int64_t budget)
{
    return budget == INT64_MAX ? HUGE_VAL : (double)budget;
}

static double places_of(size_t count)
{
    return count == SIZE_MAX ? HUGE_VAL : (double)count;
}

enum select_status select_run_random(struct select_job *job)
{
    double *keys = malloc((job->candidate_count + 1) * sizeof *keys);
    double *gains = calloc(job->candidate_count + 1, sizeof *gains);
    enum select_status status = SELECT_NO_MEMORY;
    if (keys == NULL || gains == NULL)
        goto done;
    select_chance_draw(job, STREAM_ORDER, keys);
    status = select_fill_by(job, keys, gains, NULL, true);
    if (status == SELECT_OK)
        select_chance_record(job, 0, job->result->count + job->result->spare_count, places_of(job->policy->count),
            money_of(job->policy->budget), false);
done:
    free(keys);
    free(gains);
    return status;
}
