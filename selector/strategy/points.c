#include "selector/strategy/points.h"

#include "selector/kernel/random.h"
#include "selector/kernel/vector.h"
#include "selector/strategy/scale.h"
#include "selector/strategy/subset.h"

#include <math.h>
#include <stdlib.h>

static bool embedded(const struct select_job *job, size_t slot)
{
    return kernel_row(job->input->embeddings, slot) != NULL;
}

/* --- reference points --------------------------------------------------------------------------------------------------- */

/*
 * A systematic sample of `want` of the embedded candidates: chance half equal, half by w u, so that the points stand where the
 * objective is, and none is so unlikely that its weight would be wild. A point stands for 1 / chance samples.
 */
static enum select_status sample_references(struct select_points *points, const struct select_job *job, size_t want)
{
    double *chance = malloc((job->candidate_count + 1) * sizeof *chance);
    if (chance == NULL)
        return SELECT_NO_MEMORY;
    double total = 0;
    size_t count = 0;
    for (size_t i = 0; i < job->candidate_count; i++) {
        bool has = embedded(job, job->candidates[i]);
        chance[i] = has ? select_job_worth(job, job->candidates[i]) : -1;
        total += has ? chance[i] : 0;
        count += has;
    }
    double sum = 0;
    for (size_t i = 0; i < job->candidate_count; i++) {
        if (chance[i] < 0)
            continue;
        chance[i] = 0.5 / (double)count + (total > 0 ? 0.5 * chance[i] / total : 0.5 / (double)count);
        sum += chance[i];
    }
    /* Chances above 1 are cut; what that loses goes to the others, which settles in a few turns. */
    double factor = count <= want ? HUGE_VAL : (double)want / sum;
    for (int turn = 0; turn < 8 && isfinite(factor); turn++) {
        double reached = 0;
        for (size_t i = 0; i < job->candidate_count; i++)
            reached += chance[i] < 0 ? 0 : fmin(1, factor * chance[i]);
        factor *= (double)want / reached;
    }
    double next = kernel_random_uniform(job->policy->seed, STREAM_REFERENCES, 0);
    double at = 0;
    for (size_t i = 0; i < job->candidate_count && points->points.count < want; i++) {
        if (chance[i] < 0)
            continue;
        double share = fmin(1, factor * chance[i]);
        at += share;
        if (share < 1 && at <= next)
            continue;
        next += 1;
        points->slots[points->points.count] = job->candidates[i];
        points->weight[points->points.count++] = (float)(select_job_worth(job, job->candidates[i]) / share);
    }
    free(chance);
    return SELECT_OK;
}

/* Reads the reference points, less their mean. */
static enum select_status load_references(struct select_points *points, const struct select_job *job)
{
    const struct kernel_rows *rows = job->input->embeddings;
    size_t width = rows->width;
    size_t count = points->points.count;
    points->values = malloc((count * width + 1) * sizeof(float));
    points->norm2 = malloc((count + 1) * sizeof(float));
    points->origin = malloc(width * sizeof(float));
    if (points->values == NULL || points->norm2 == NULL || points->origin == NULL)
        return SELECT_NO_MEMORY;
    kernel_gather_centered(rows, points->slots, count, points->origin, points->values, points->norm2);
    points->points = (struct kernel_points){points->values, points->norm2, count, width};
    return SELECT_OK;
}

/* --- all of it ---------------------------------------------------------------------------------------------------------- */

enum select_status select_points_init(struct select_points *points, const struct select_job *job, size_t want)
{
    if (want > job->candidate_count)
        want = job->candidate_count;
    *points = (struct select_points){
        .slots = malloc((want + 1) * sizeof *points->slots),
        .weight = malloc((want + 1) * sizeof *points->weight),
        .cover = calloc(want + 1, sizeof *points->cover),
        .known = malloc((job->input->n + 1) * sizeof *points->known),
        .spacing = -1,
        .isolation = HUGE_VALF,
    };
    if (points->slots == NULL || points->weight == NULL || points->cover == NULL || points->known == NULL)
        return SELECT_NO_MEMORY;
    points->known_count = select_list_known(job, points->known);
    enum select_status status = sample_references(points, job, want);
    if (status == SELECT_OK)
        status = kernel_team_stopped(job->team) ? SELECT_CANCELED : load_references(points, job);
    if (status == SELECT_OK)
        status = select_scale(job, points->origin, points->known, points->known_count, &points->scale);
    job->result->stats.references = points->points.count;
    job->result->stats.radius = sqrt((double)points->scale);
    return status;
}

enum select_status select_points_cover(struct select_points *points, const struct select_job *job)
{
    struct kernel_subset known = {job->input->embeddings, points->known, points->known_count, points->origin};
    return select_status_of(kernel_cover(job->team, &points->points, &known, points->scale, points->cover));
}

void select_points_deinit(struct select_points *points)
{
    free(points->slots);
    free(points->values);
    free(points->norm2);
    free(points->origin);
    free(points->weight);
    free(points->cover);
    free(points->known);
    *points = (struct select_points){0};
}
