#include "selector/strategy/scale.h"

#include "selector/kernel/distance.h"
#include "selector/kernel/sort.h"
#include "selector/kernel/vector.h"
#include "selector/strategy/subset.h"

#include <math.h>
#include <stdlib.h>

enum {
    SCALE_QUERIES = 512, /* points whose neighbours set the scale: its error is then some percent */
    SCALE_SET = 16384,   /* points among which the 20th neighbour is looked for */
    SCALE_NEIGHBOR = 20,
    SCALE_LABELS = 20, /* labels from which on their own spacing sets the scale */
};

float select_median(float *values, size_t count)
{
    kernel_sort_floats(values, count);
    while (count > 0 && !isfinite(values[count - 1]))
        count--;
    return count > 0 ? values[count / 2] : 0;
}

/* Median squared distance from some of `slots` to their k-th neighbour among all of them. */
static enum select_status spacing(
    const struct select_job *job, const float *origin, const uint32_t *slots, size_t count, unsigned k, float *result)
{
    size_t width = job->input->embeddings->width;
    size_t want = count < SCALE_QUERIES ? count : SCALE_QUERIES;
    uint32_t *query_slots = calloc(want + 1, sizeof *query_slots);
    float *values = malloc((want * width + 1) * sizeof *values);
    float *norm2 = malloc((want + 1) * sizeof *norm2);
    float *distances = malloc((want + 1) * sizeof *distances);
    enum select_status status = SELECT_NO_MEMORY;
    if (query_slots == NULL || values == NULL || norm2 == NULL || distances == NULL)
        goto done;
    want = select_thin(slots, count, want, query_slots);
    kernel_gather(job->input->embeddings, query_slots, want, origin, values);
    for (size_t i = 0; i < want; i++)
        norm2[i] = kernel_norm2(values + i * width, width);
    struct kernel_points queries = {values, norm2, want, width};
    struct kernel_subset set = {job->input->embeddings, slots, count, origin};
    status = select_status_of(kernel_neighbor_distance(job->team, &queries, query_slots, &set, k, distances));
    *result = select_median(distances, want);
done:
    free(query_slots);
    free(values);
    free(norm2);
    free(distances);
    return status;
}

/* The candidates' own spacing, at their 20th neighbour. */
static enum select_status pool_spacing(const struct select_job *job, const float *origin, float *result)
{
    uint32_t *slots = malloc((job->candidate_count + 1) * sizeof *slots);
    if (slots == NULL)
        return SELECT_NO_MEMORY;
    size_t count = select_thin(slots, select_list_candidates(job, slots), SCALE_SET, slots);
    enum select_status status = spacing(job, origin, slots, count, count > SCALE_NEIGHBOR ? SCALE_NEIGHBOR : 1, result);
    free(slots);
    return status;
}

enum select_status select_scale(
    const struct select_job *job, const float *origin, const uint32_t *known, size_t known_count, float *scale)
{
    enum select_status status = SELECT_OK;
    *scale = 0;
    if (job->policy->parameters.radius > 0) {
        *scale = (float)(job->policy->parameters.radius * job->policy->parameters.radius);
        return SELECT_OK;
    }
    if (known_count >= SCALE_LABELS)
        status = spacing(job, origin, known, known_count, 1, scale);
    if (status == SELECT_OK && !(*scale > 0))
        status = pool_spacing(job, origin, scale);
    /* All points equal: any scale gives the same kernel. */
    if (!(*scale > 1e-30F) || !isfinite(*scale))
        *scale = 1;
    return status;
}
