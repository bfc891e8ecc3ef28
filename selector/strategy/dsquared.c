#include "selector/strategy/job.h"

enum select_status select_run_kmeans_plus_plus(struct select_job *job)
{
    return select_fail(job->error, SELECT_BAD_INPUT, "strategy", "one that is built", "kmeans_plus_plus");
}

enum select_status select_run_badge(struct select_job *job)
{
    return select_fail(job->error, SELECT_BAD_INPUT, "strategy", "one that is built", "badge");
}
