#include "selector/strategy/points.h"

#include "selector/kernel/random.h"
#include "selector/kernel/vector.h"
#include "selector/strategy/quota.h"
#include "selector/strategy/scale.h"
#include "selector/strategy/subset.h"

#include <math.h>
#include <stdlib.h>

static bool embedded(const struct select_job *job, size_t slot)
{
    return kernel_row(job->input->embeddings, slot) != NULL;
}

/* --- which points ------------------------------------------------------------------------------------------------------- */

/*
 * A sample that stands for the pool is drawn with chances that are the mean of several parts, each of which sums to 1: equal,
 * by worth, by worth per dollar, equal by predicted class, and one a kind that the policy wants a minimum share of. So it lies
 * where the objective is, holds what is cheap and what is rare, and no sample is so unlikely that its weight would be wild.
 */
struct chances {
    const struct select_job *job;
    const struct select_share *share; /* of the part that is about one */
    size_t *predicted;                /* [classes + 1] candidates by predicted class; the last: without one */
    size_t parts;
    double *chance; /* [candidate_count], 0 for those without an embedding */
};

typedef double part_fn(const struct chances *chances, uint32_t slot);

static double part_equal(const struct chances *chances, uint32_t slot)
{
    (void)chances;
    (void)slot;
    return 1;
}

static double part_worth(const struct chances *chances, uint32_t slot)
{
    return select_job_worth(chances->job, slot);
}

static double part_per_dollar(const struct chances *chances, uint32_t slot)
{
    return select_job_worth(chances->job, slot) / select_job_dollars(chances->job, slot);
}

static size_t predicted_of(const struct chances *chances, uint32_t slot)
{
    int32_t predicted = chances->job->predicted[slot];
    return predicted >= 0 ? (size_t)predicted : chances->job->input->classes;
}

static double part_class(const struct chances *chances, uint32_t slot)
{
    return 1 / (double)chances->predicted[predicted_of(chances, slot)];
}

static double part_share(const struct chances *chances, uint32_t slot)
{
    return select_quota_is_of(chances->job, chances->share, slot) ? 1 : 0;
}

/* Adds a part, unless it is nothing everywhere. */
static void add_part(struct chances *chances, part_fn *part)
{
    const struct select_job *job = chances->job;
    double total = 0;
    for (size_t i = 0; i < job->candidate_count; i++)
        total += embedded(job, job->candidates[i]) ? part(chances, job->candidates[i]) : 0;
    if (!(total > 0) || !isfinite(total))
        return;
    for (size_t i = 0; i < job->candidate_count; i++)
        chances->chance[i] += embedded(job, job->candidates[i]) ? part(chances, job->candidates[i]) / total : 0;
    chances->parts++;
}

static void add_parts(struct chances *chances)
{
    const struct select_job *job = chances->job;
    add_part(chances, part_equal);
    add_part(chances, part_worth);
    add_part(chances, part_per_dollar);
    for (size_t i = 0; job->predicted != NULL && i < job->candidate_count; i++)
        chances->predicted[predicted_of(chances, job->candidates[i])]++;
    if (job->predicted != NULL)
        add_part(chances, part_class);
    for (size_t i = 0; i < job->policy->share_count; i++) {
        chances->share = &job->policy->shares[i];
        if (chances->share->share > 0)
            add_part(chances, part_share);
    }
}

/* Makes chances that sum to 1 ones that sum to `want`. Those above 1 are cut; what that loses goes to the others, which settles
 * in a few turns. */
static void scale_chances(double *chance, size_t count, size_t want)
{
    double factor = (double)want;
    for (int turn = 0; turn < 16; turn++) {
        double reached = 0;
        for (size_t i = 0; i < count; i++)
            reached += fmin(1, factor * chance[i]);
        factor *= (double)want / reached;
    }
    for (size_t i = 0; i < count; i++)
        chance[i] = fmin(1, factor * chance[i]);
}

static void add_point(struct select_points *points, const struct select_job *job, uint32_t slot, double chance, bool worth)
{
    points->slots[points->points.count] = slot;
    points->weight[points->points.count++] = (float)((worth ? select_job_worth(job, slot) : 1) / chance);
}

/* A systematic sample by the chances; a point stands for 1 / chance samples. */
static enum select_status sample_points(struct select_points *points, const struct select_job *job, size_t want, bool worth)
{
    size_t count = job->candidate_count;
    struct chances chances = {
        .job = job,
        .predicted = calloc(job->input->classes + 1, sizeof *chances.predicted),
        .chance = calloc(count + 1, sizeof *chances.chance),
    };
    enum select_status status = SELECT_NO_MEMORY;
    if (chances.predicted == NULL || chances.chance == NULL)
        goto done;
    add_parts(&chances);
    for (size_t i = 0; i < count; i++)
        chances.chance[i] /= (double)chances.parts;
    scale_chances(chances.chance, count, want);
    double next = kernel_random_uniform(job->policy->seed, STREAM_REFERENCES, 0);
    double at = 0;
    for (size_t i = 0; i < count && points->points.count < want; i++) {
        at += chances.chance[i];
        if (chances.chance[i] >= 1 || at > next) {
            next += 1;
            add_point(points, job, job->candidates[i], chances.chance[i], worth);
        }
    }
    status = SELECT_OK;
done:
    free(chances.predicted);
    free(chances.chance);
    return status;
}

static enum select_status choose_points(struct select_points *points, const struct select_job *job, size_t want, bool worth)
{
    size_t count = 0;
    for (size_t i = 0; i < job->candidate_count; i++)
        count += embedded(job, job->candidates[i]);
    if (count > want)
        return sample_points(points, job, want, worth);
    for (size_t i = 0; i < job->candidate_count; i++) {
        if (embedded(job, job->candidates[i]))
            add_point(points, job, job->candidates[i], 1, worth);
    }
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

enum select_status select_points_init(struct select_points *points, const struct select_job *job, size_t want, bool worth)
{
    if (want > job->candidate_count)
        want = job->candidate_count;
    *points = (struct select_points){
        .slots = malloc((want + 1) * sizeof *points->slots),
        .weight = malloc((want + 1) * sizeof *points->weight),
        .cover = calloc(want + 1, sizeof *points->cover),
        .known = malloc((job->input->n + 1) * sizeof *points->known),
        .spacing = -1,
        .isolated = calloc(want + 1, 1),
    };
    if (points->slots == NULL || points->weight == NULL || points->cover == NULL || points->known == NULL ||
        points->isolated == NULL)
        return SELECT_NO_MEMORY;
    points->known_count = select_list_known(job, points->known);
    enum select_status status = choose_points(points, job, want, worth);
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
    free(points->isolated);
    *points = (struct select_points){0};
}
