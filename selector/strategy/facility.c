/*
 * facility.c - facility location: every sample of the pool near a pick.
 *
 * A set is worth the sum over the pool of each sample's similarity exp(-d^2 / radius^2) to the nearest pick, labelled or
 * in-flight sample. Mirzasoleiman, Bilmes and Leskovec, "Coresets for data-efficient training of machine learning models", ICML
 * 2020; Wei, Iyer and Bilmes, "Submodularity in data subset selection and active learning", ICML 2015. Exact up to EXACT_MAX
 * samples (references_max of the policy); beyond, the sum is over a sample of the pool. By gain per dollar, with the knapsack's
 * guard.
 */
#include "selector/strategy/cover.h"
#include "selector/strategy/strategies.h"

#include <stdlib.h>

enum { EXACT_MAX = 65536 };

enum select_status select_run_facility_location(struct select_job *job)
{
    select_job_keep_embedded(job);
    struct select_points points = {0};
    size_t want = job->policy->references_max > 0 ? job->policy->references_max : EXACT_MAX;
    float *chance;
    enum select_status status = select_points_chances(job, want, &chance);
    if (status == SELECT_OK)
        status = select_points_init(&points, job, want, false, chance);
    free(chance);
    select_job_pass(job, 0.1, 0.4);
    if (status == SELECT_OK)
        status = select_points_cover(&points, job);
    if (status == SELECT_OK)
        status = select_cover(job, &points, points.slots, points.points.count);
    select_points_deinit(&points);
    return status;
}
