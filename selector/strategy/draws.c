#include "selector/strategy/job.h"

enum select_status select_run_draws(struct select_job *job)
{
    return select_fail(job->error, SELECT_BAD_INPUT, "strategy", "one that is built", "draws");
}

enum select_status select_run_power_bald(struct select_job *job)
{
    return select_fail(job->error, SELECT_BAD_INPUT, "strategy", "one that is built", "power_bald");
}
