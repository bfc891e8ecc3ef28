/*
 * auto_points.c - reference points, their weights, the scale of the kernel, and which candidates are looked at.
 */
#include "selector/kernel/random.h"
#include "selector/kernel/sort.h"
#include "selector/kernel/vector.h"
#include "selector/strategy/auto.h"
#include "selector/strategy/subset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    REFERENCES_DEFAULT = 3000,
    CANDIDATES_DEFAULT = 16384,
    SCALE_QUERIES = 512, /* points whose neighbours set the scale: its error is then some percent */
    SCALE_SET = 16384,   /* points among which the 20th neighbour is looked for */
    SCALE_NEIGHBOR = 20,
    SCALE_LABELS = 20, /* labels from which on their own spacing sets the scale */
};

static bool embedded(const struct select_job *job, size_t slot)
{
    return kernel_row(job->input->embeddings, slot) != NULL;
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x > y) - (x < y);
}

float select_auto_median(float *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_floats);
    while (count > 0 && !isfinite(values[count - 1]))
        count--;
    return count > 0 ? values[count / 2] : 0;
}

/* --- reference points --------------------------------------------------------------------------------------------------- */

/*
 * A systematic sample of `want` of the embedded candidates: chance half equal, half by w u, so that the points stand where the
 * objective is, and none is so unlikely that its weight would be wild. A point stands for 1 / chance samples.
 */
static enum select_status sample_references(struct select_auto_points *points, const struct select_job *job, size_t want)
{
    double *chance = malloc((job->candidate_count + 1) * sizeof *chance);
    if (chance == NULL)
        return SELECT_NO_MEMORY;
    double total = 0;
    size_t count = 0;
    for (size_t i = 0; i < job->candidate_count; i++) {
        bool has = embedded(job, job->candidates[i]);
        chance[i] = has ? select_auto_worth_of(job, job->candidates[i]) : -1;
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
        points->weight[points->points.count++] = (float)(select_auto_worth_of(job, job->candidates[i]) / share);
    }
    free(chance);
    return SELECT_OK;
}

/* Reads the reference points, less their mean. */
static enum select_status load_references(struct select_auto_points *points, const struct select_job *job)
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

/* --- scale -------------------------------------------------------------------------------------------------------------- */

/* Median squared distance from some of `slots` to their k-th neighbour among all of them. */
static enum select_status spacing(const struct select_auto_points *points, const struct select_job *job, const uint32_t *slots,
    size_t count, unsigned k, float *result)
{
    size_t width = points->points.width;
    size_t want = count < SCALE_QUERIES ? count : SCALE_QUERIES;
    uint32_t *query_slots = calloc(want + 1, sizeof *query_slots);
    float *values = malloc((want * width + 1) * sizeof *values);
    float *norm2 = malloc((want + 1) * sizeof *norm2);
    float *distances = malloc((want + 1) * sizeof *distances);
    enum select_status status = SELECT_NO_MEMORY;
    if (query_slots == NULL || values == NULL || norm2 == NULL || distances == NULL)
        goto done;
    want = select_thin(slots, count, want, query_slots);
    kernel_gather(job->input->embeddings, query_slots, want, points->origin, values);
    for (size_t i = 0; i < want; i++)
        norm2[i] = kernel_norm2(values + i * width, width);
    struct kernel_points queries = {values, norm2, want, width};
    struct kernel_subset set = {job->input->embeddings, slots, count, points->origin};
    status = select_status_of(kernel_neighbor_distance(job->team, &queries, query_slots, &set, k, distances));
    *result = select_auto_median(distances, want);
done:
    free(query_slots);
    free(values);
    free(norm2);
    free(distances);
    return status;
}

/* s2: the spacing of the labelled samples, or before there are enough of them, of the pool at its 20th neighbour. */
static enum select_status set_scale(struct select_auto_points *points, const struct select_job *job)
{
    enum select_status status;
    float labeled = HUGE_VALF;
    float pool = 0;
    if (points->known_count >= SCALE_LABELS) {
        status = spacing(points, job, points->known, points->known_count, 1, &labeled);
        if (status != SELECT_OK)
            return status;
    }
    uint32_t *slots = malloc((job->candidate_count + 1) * sizeof *slots);
    uint32_t *set = calloc(SCALE_SET + 1, sizeof *set);
    status = SELECT_NO_MEMORY;
    if (slots != NULL && set != NULL) {
        size_t count = select_thin(slots, select_list_candidates(job, slots), SCALE_SET, set);
        unsigned k = count > SCALE_NEIGHBOR ? SCALE_NEIGHBOR : 1;
        status = spacing(points, job, set, count, k, &pool);
    }
    free(slots);
    free(set);
    points->scale = points->known_count >= SCALE_LABELS && labeled > 0 ? labeled : pool;
    /* All points equal: any scale gives the same kernel. */
    if (!(points->scale > 1e-30F) || !isfinite(points->scale))
        points->scale = 1;
    return status;
}

/* --- all of it ---------------------------------------------------------------------------------------------------------- */

enum select_status select_auto_points_init(struct select_auto_points *points, const struct select_job *job)
{
    size_t want = job->policy->references_max > 0 ? job->policy->references_max : REFERENCES_DEFAULT;
    if (want > job->candidate_count)
        want = job->candidate_count;
    *points = (struct select_auto_points){
        .slots = malloc((want + 1) * sizeof *points->slots),
        .weight = malloc((want + 1) * sizeof *points->weight),
        .cover = calloc(want + 1, sizeof *points->cover),
        .known = malloc((job->input->n + 1) * sizeof *points->known),
    };
    if (points->slots == NULL || points->weight == NULL || points->cover == NULL || points->known == NULL)
        return SELECT_NO_MEMORY;
    points->known_count = select_list_known(job, points->known);
    enum select_status status = sample_references(points, job, want);
    if (status == SELECT_OK)
        status = kernel_team_stopped(job->team) ? SELECT_CANCELED : load_references(points, job);
    if (status == SELECT_OK)
        status = set_scale(points, job);
    if (status == SELECT_OK)
        status = select_auto_isolate(points, job);
    if (status == SELECT_OK)
        status = select_auto_heed(points, job);
    struct kernel_subset known = {job->input->embeddings, points->known, points->known_count, points->origin};
    if (status == SELECT_OK)
        status = select_status_of(kernel_cover(job->team, &points->points, &known, points->scale, points->cover));
    return status;
}

void select_auto_points_deinit(struct select_auto_points *points)
{
    free(points->slots);
    free(points->values);
    free(points->norm2);
    free(points->origin);
    free(points->weight);
    free(points->cover);
    free(points->known);
    *points = (struct select_auto_points){0};
}

static int compare_slots(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/*
 * Adds candidates that are not `in` by chance up to `most`, one of each predicted class in turn, so that rare classes are there
 * to be found.
 */
static enum select_status add_stratified(
    const struct select_job *job, const uint8_t *in, uint32_t *slots, size_t *count, size_t most)
{
    size_t n = job->candidate_count;
    double *keys = malloc((n + 1) * sizeof *keys);
    uint32_t *order = malloc((n + 1) * sizeof *order);
    size_t *turns = calloc(job->input->classes + 1, sizeof *turns);
    enum select_status status = SELECT_NO_MEMORY;
    if (keys == NULL || order == NULL || turns == NULL)
        goto done;
    for (size_t i = 0; i < n; i++)
        keys[i] = in[i] ? -1 : kernel_random_uniform(job->policy->seed, STREAM_CANDIDATES, job->candidates[i]);
    if (!kernel_sort_falling(keys, n, order))
        goto done;
    /* The turn of a candidate among those of its class, in random order; whole turns go first. */
    for (size_t i = 0; i < n; i++) {
        int32_t predicted = job->predicted != NULL ? job->predicted[job->candidates[order[i]]] : -1;
        double turn = in[order[i]] ? HUGE_VAL : (double)turns[predicted + 1]++;
        keys[order[i]] = -turn - (double)i / (double)(n + 1);
    }
    if (kernel_team_stopped(job->team)) {
        status = SELECT_CANCELED;
        goto done;
    }
    if (!kernel_sort_falling(keys, n, order))
        goto done;
    for (size_t i = 0; i < n && *count < most && !in[order[i]]; i++)
        slots[(*count)++] = job->candidates[order[i]];
    status = SELECT_OK;
done:
    free(keys);
    free(order);
    free(turns);
    return status;
}

enum select_status select_auto_candidates(const struct select_job *job, uint32_t **slots, size_t *count)
{
    size_t n = job->candidate_count;
    size_t most = job->policy->candidates_max > 0 ? job->policy->candidates_max : CANDIDATES_DEFAULT;
    double *keys = malloc((n + 1) * sizeof *keys);
    uint32_t *order = malloc((n + 1) * sizeof *order);
    uint8_t *in = calloc(n + 1, sizeof *in);
    *slots = malloc((n + 1) * sizeof **slots);
    *count = 0;
    enum select_status status = SELECT_NO_MEMORY;
    if (keys == NULL || order == NULL || in == NULL || *slots == NULL)
        goto done;
    status = SELECT_OK;
    if (n <= most) {
        memcpy(*slots, job->candidates, n * sizeof **slots);
        *count = n;
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        keys[i] = select_auto_worth_of(job, job->candidates[i]) / select_job_dollars(job, job->candidates[i]);
    status = kernel_sort_falling(keys, n, order) ? SELECT_OK : SELECT_NO_MEMORY;
    for (size_t i = 0; status == SELECT_OK && i < most / 2; i++) {
        in[order[i]] = 1;
        (*slots)[(*count)++] = job->candidates[order[i]];
    }
    if (status == SELECT_OK && kernel_team_stopped(job->team))
        status = SELECT_CANCELED;
    if (status == SELECT_OK)
        status = add_stratified(job, in, *slots, count, most);
    if (status == SELECT_OK)
        qsort(*slots, *count, sizeof **slots, compare_slots);
done:
    free(keys);
    free(order);
    free(in);
    return status;
}
