#include "selector/strategy/points.h"

#include "selector/kernel/centered.h"
#include "selector/kernel/cover.h"
#include "selector/kernel/random.h"
#include "selector/kernel/vector.h"
#include "selector/strategy/quota.h"
#include "selector/strategy/scale.h"
#include "selector/strategy/subset.h"

#include <math.h>
#include <stdlib.h>

enum { TILE = 16384 };

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
struct chances;
typedef double part_fn(const struct chances *chances, uint32_t slot);

struct chances {
    const struct select_job *job;
    const struct select_share *share; /* of the part that is about one */
    size_t *predicted;                /* [classes + 1] candidates by predicted class; the last: without one */
    size_t parts;
    double *chance; /* [candidate_count], 0 for those without an embedding */
    /* Of the pass at hand. */
    part_fn *part;
    double factor;
    double *sums; /* [tiles] */
};

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

/* --- passes over all candidates, in tiles ------------------------------------------------------------------------------- */

static size_t tile_end(const struct chances *chances, size_t tile)
{
    size_t count = chances->job->candidate_count;
    return (tile + 1) * TILE < count ? (tile + 1) * TILE : count;
}

static size_t tiles_of(const struct chances *chances)
{
    return (chances->job->candidate_count + TILE - 1) / TILE;
}

static double part_of(const struct chances *chances, size_t i)
{
    uint32_t slot = chances->job->candidates[i];
    return embedded(chances->job, slot) ? chances->part(chances, slot) : 0;
}

static void sum_part(void *context, size_t tile, unsigned worker)
{
    struct chances *chances = context;
    (void)worker;
    double sum = 0;
    for (size_t i = tile * TILE; i < tile_end(chances, tile); i++)
        sum += part_of(chances, i);
    chances->sums[tile] = sum;
}

static void add_part_tile(void *context, size_t tile, unsigned worker)
{
    struct chances *chances = context;
    (void)worker;
    for (size_t i = tile * TILE; i < tile_end(chances, tile); i++)
        chances->chance[i] += part_of(chances, i) * chances->factor;
}

static void sum_chances(void *context, size_t tile, unsigned worker)
{
    struct chances *chances = context;
    (void)worker;
    double sum = 0;
    for (size_t i = tile * TILE; i < tile_end(chances, tile); i++)
        sum += fmin(1, chances->factor * chances->chance[i]);
    chances->sums[tile] = sum;
}

static void cut_chances(void *context, size_t tile, unsigned worker)
{
    struct chances *chances = context;
    (void)worker;
    for (size_t i = tile * TILE; i < tile_end(chances, tile); i++)
        chances->chance[i] = fmin(1, chances->factor * chances->chance[i]);
}

/* Does one pass; false if it was stopped. */
static bool pass(struct chances *chances, kernel_tile_fn *tile)
{
    return kernel_team_run(chances->job->team, tiles_of(chances), tile, chances);
}

/* As pass, with the sum of the tiles' sums in `total`. */
static bool sum_pass(struct chances *chances, kernel_tile_fn *tile, double *total)
{
    bool done = pass(chances, tile);
    *total = 0;
    for (size_t t = 0; done && t < tiles_of(chances); t++)
        *total += chances->sums[t];
    return done;
}

/* --- chances from passes ------------------------------------------------------------------------------------------------ */

/* Adds a part, unless it is nothing everywhere. */
static bool add_part(struct chances *chances, part_fn *part)
{
    double total;
    chances->part = part;
    if (!sum_pass(chances, sum_part, &total))
        return false;
    if (!(total > 0) || !isfinite(total) || !isfinite(1 / total))
        return true;
    chances->factor = 1 / total;
    chances->parts++;
    return pass(chances, add_part_tile);
}

static bool add_parts(struct chances *chances)
{
    const struct select_job *job = chances->job;
    if (!add_part(chances, part_equal) || !add_part(chances, part_worth) || !add_part(chances, part_per_dollar))
        return false;
    for (size_t i = 0; job->predicted != NULL && i < job->candidate_count; i++)
        chances->predicted[predicted_of(chances, job->candidates[i])]++;
    if (job->predicted != NULL && !add_part(chances, part_class))
        return false;
    for (size_t i = 0; i < job->policy->share_count; i++) {
        chances->share = &job->policy->shares[i];
        if (chances->share->share > 0 && !add_part(chances, part_share))
            return false;
    }
    return true;
}

/* Makes chances that sum to their parts ones that sum to `want`. Those above 1 are cut; what that loses goes to the others,
 * which settles in a few turns. */
static bool scale_chances(struct chances *chances, size_t want)
{
    chances->factor = (double)want / (double)chances->parts;
    for (int turn = 0; turn < 16; turn++) {
        double reached;
        if (!sum_pass(chances, sum_chances, &reached))
            return false;
        chances->factor *= (double)want / reached;
        if (fabs(reached - (double)want) <= 1e-9 * (double)want)
            break;
    }
    return pass(chances, cut_chances);
}

static void add_point(struct select_points *points, const struct select_job *job, uint32_t slot, double chance, bool worth)
{
    points->slots[points->points.count] = slot;
    points->chance[points->points.count] = (float)chance;
    points->weight[points->points.count++] = (float)((worth ? select_job_worth(job, slot) : 1) / chance);
}

static size_t count_embedded(const struct select_job *job)
{
    size_t count = 0;
    for (size_t i = 0; i < job->candidate_count; i++)
        count += embedded(job, job->candidates[i]);
    return count;
}

enum select_status select_points_chances(const struct select_job *job, size_t want, float **chance)
{
    *chance = NULL;
    if (count_embedded(job) <= want)
        return SELECT_OK;
    struct chances chances = {
        .job = job,
        .predicted = calloc(job->input->classes + 1, sizeof *chances.predicted),
        .chance = calloc(job->candidate_count + 1, sizeof *chances.chance),
    };
    chances.sums = malloc((tiles_of(&chances) + 1) * sizeof *chances.sums);
    *chance = malloc((job->candidate_count + 1) * sizeof **chance);
    enum select_status status = SELECT_NO_MEMORY;
    if (chances.predicted != NULL && chances.chance != NULL && chances.sums != NULL && *chance != NULL)
        status = add_parts(&chances) && scale_chances(&chances, want) ? SELECT_OK : SELECT_CANCELED;
    for (size_t i = 0; status == SELECT_OK && i < job->candidate_count; i++)
        (*chance)[i] = (float)chances.chance[i];
    free(chances.predicted);
    free(chances.sums);
    free(chances.chance);
    return status;
}

/* A systematic sample by the chances; a point stands for 1 / chance samples. Every round starts it elsewhere. */
static void draw_points(
    struct select_points *points, const struct select_job *job, size_t want, bool worth, const float *chance)
{
    double next = kernel_random_uniform(job->policy->seed, STREAM_REFERENCES, job->result->count);
    double at = 0;
    for (size_t i = 0; i < job->candidate_count && points->points.count < want; i++) {
        if (job->picked[job->candidates[i]])
            continue;
        at += (double)chance[i];
        if (chance[i] >= 1 || at > next) {
            next += 1;
            add_point(points, job, job->candidates[i], (double)chance[i], worth);
        }
    }
}

static void choose_points(
    struct select_points *points, const struct select_job *job, size_t want, bool worth, const float *chance)
{
    if (chance != NULL) {
        draw_points(points, job, want, worth, chance);
        return;
    }
    for (size_t i = 0; i < job->candidate_count; i++) {
        if (embedded(job, job->candidates[i]))
            add_point(points, job, job->candidates[i], 1, worth);
    }
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
    points->points = (struct kernel_points){points->values, points->norm2, count, width};
    bool done = kernel_gather_centered(job->team, rows, points->slots, count, points->origin, points->values, points->norm2);
    return done ? SELECT_OK : SELECT_CANCELED;
}

/* --- all of it ---------------------------------------------------------------------------------------------------------- */

enum select_status select_points_init(
    struct select_points *points, const struct select_job *job, size_t want, bool worth, const float *chance)
{
    if (want > job->candidate_count)
        want = job->candidate_count;
    *points = (struct select_points){
        .slots = malloc((want + 1) * sizeof *points->slots),
        .weight = malloc((want + 1) * sizeof *points->weight),
        .chance = malloc((want + 1) * sizeof *points->chance),
        .cover = calloc(want + 1, sizeof *points->cover),
        .known = malloc((job->input->n + 1) * sizeof *points->known),
        .spacing = -1,
        .isolated = calloc(want + 1, 1),
    };
    if (points->slots == NULL || points->weight == NULL || points->chance == NULL || points->cover == NULL ||
        points->known == NULL || points->isolated == NULL)
        return SELECT_NO_MEMORY;
    points->known_count = select_list_known(job, points->known);
    uint32_t *known = realloc(points->known, (points->known_count + 1) * sizeof *known);
    points->known = known != NULL ? known : points->known;
    choose_points(points, job, want, worth, chance);
    enum select_status status = load_references(points, job);
    if (status == SELECT_OK)
        status = select_scale(job, points->origin, points->known, points->known_count, &points->scale);
    job->result->stats.references = points->points.count;
    job->result->stats.radius = sqrt((double)points->scale);
    return status;
}

enum select_status select_points_cover(struct select_points *points, const struct select_job *job)
{
    const struct kernel_rows *rows = job->input->embeddings;
    size_t count = points->points.count;
    if (points->known_count >= KERNEL_COVER_MANY && points->known_count >= count && count >= KERNEL_COVER_POINTS)
        return select_status_of(kernel_cover_by_many(job->team, rows, points->slots, count, points->known, points->known_count,
            points->scale, job->policy->seed, points->cover));
    struct kernel_subset known = {rows, points->known, points->known_count, points->origin};
    return select_status_of(kernel_cover(job->team, &points->points, &known, points->scale, points->cover));
}

void select_points_deinit(struct select_points *points)
{
    free(points->slots);
    free(points->values);
    free(points->norm2);
    free(points->origin);
    free(points->weight);
    free(points->chance);
    free(points->cover);
    free(points->known);
    free(points->isolated);
    *points = (struct select_points){0};
}
