#include "selector/strategy/job.h"

enum select_status select_run_cluster_margin(struct select_job *job)
{
    return select_fail(job->error, SELECT_BAD_INPUT, "strategy", "one that is built", "cluster_margin");
}
