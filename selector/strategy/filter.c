#include "selector/strategy/filter.h"

#include "selector/kernel/distance.h"
#include "selector/kernel/vector.h"
#include "selector/strategy/near.h"
#include "selector/strategy/scale.h"
#include "selector/strategy/subset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE = 3000 }; /* candidates that tell what is usual */

static const double isolation_deviations = 2.5;

struct select_filter {
    const struct kernel_rows *rows;
    bool junk;
    struct select_near *near; /* NULL: duplicates are kept */
    /* The sample, around its mean. */
    uint32_t *slots;
    struct kernel_points points;
    float *values;
    float *norm2;
    float *origin;
    float *distances; /* [points.count] scratch */
    float *row;       /* [width] scratch */
    float spacing;
    float isolation;
};

void select_filter_bounds(const float *distances, size_t count, float *scratch, float *spacing, float *isolation)
{
    memcpy(scratch, distances, count * sizeof *scratch);
    *spacing = select_median(scratch, count);
    *isolation = HUGE_VALF;
    double middle = log((double)*spacing);
    if (!isfinite(middle))
        return;
    for (size_t i = 0; i < count; i++)
        scratch[i] = (float)fabs(log((double)distances[i]) - middle);
    double deviation = 1.4826 * (double)select_median(scratch, count);
    *isolation = (float)exp(middle + isolation_deviations * fmax(deviation, 0.05));
}

static bool wanted(const struct select_job *job, enum select_filter_mode mode)
{
    return mode == SELECT_FILTER_ON && job->input->embeddings != NULL;
}

static enum select_status measure(struct select_filter *filter, const struct select_job *job)
{
    size_t count = filter->points.count;
    float *scratch = malloc((count + 1) * sizeof *scratch);
    if (scratch == NULL)
        return SELECT_NO_MEMORY;
    struct kernel_subset set = {filter->rows, filter->slots, count, filter->origin};
    enum select_status status = select_status_of(
        kernel_neighbor_distance(job->team, &filter->points, filter->slots, &set, FILTER_NEIGHBOR, filter->distances));
    if (status == SELECT_OK)
        select_filter_bounds(filter->distances, count, scratch, &filter->spacing, &filter->isolation);
    free(scratch);
    return status;
}

static enum select_status add_known(struct select_filter *filter, const struct select_job *job)
{
    uint32_t *slots = malloc((job->input->n + 1) * sizeof *slots);
    if (slots == NULL)
        return SELECT_NO_MEMORY;
    size_t count = select_list_known(job, slots);
    bool ok = select_near_add_all(filter->near, slots, count);
    free(slots);
    return ok ? SELECT_OK : SELECT_NO_MEMORY;
}

static enum select_status fill(struct select_filter *filter, const struct select_job *job)
{
    size_t width = filter->rows->width;
    filter->points.count = select_thin(filter->slots, select_list_candidates(job, filter->slots), SAMPLE, filter->slots);
    filter->values = malloc((filter->points.count * width + 1) * sizeof *filter->values);
    filter->norm2 = malloc((filter->points.count + 1) * sizeof *filter->norm2);
    filter->distances = malloc((filter->points.count + 1) * sizeof *filter->distances);
    if (filter->values == NULL || filter->norm2 == NULL || filter->distances == NULL)
        return SELECT_NO_MEMORY;
    kernel_gather_centered(filter->rows, filter->slots, filter->points.count, filter->origin, filter->values, filter->norm2);
    filter->points.values = filter->values;
    filter->points.norm2 = filter->norm2;
    filter->points.width = width;
    enum select_status status = measure(filter, job);
    if (status != SELECT_OK || !wanted(job, job->policy->duplicates))
        return status;
    filter->near = select_near_new(filter->rows, filter->origin, FILTER_DUPLICATE_SHARE * (double)filter->spacing);
    return filter->near != NULL ? add_known(filter, job) : SELECT_NO_MEMORY;
}

enum select_status select_filter_new(const struct select_job *job, struct select_filter **pointer)
{
    *pointer = NULL;
    if (!wanted(job, job->policy->duplicates) && !wanted(job, job->policy->junk))
        return SELECT_OK;
    struct select_filter *filter = calloc(1, sizeof *filter);
    if (filter == NULL)
        return SELECT_NO_MEMORY;
    *pointer = filter;
    filter->rows = job->input->embeddings;
    filter->junk = wanted(job, job->policy->junk);
    filter->slots = malloc((job->candidate_count + 1) * sizeof *filter->slots);
    filter->origin = malloc(filter->rows->width * sizeof *filter->origin);
    filter->row = malloc(filter->rows->width * sizeof *filter->row);
    if (filter->slots == NULL || filter->origin == NULL || filter->row == NULL)
        return SELECT_NO_MEMORY;
    return fill(filter, job);
}

void select_filter_free(struct select_filter **pointer)
{
    struct select_filter *filter = *pointer;
    if (filter == NULL)
        return;
    select_near_free(&filter->near);
    free(filter->slots);
    free(filter->values);
    free(filter->norm2);
    free(filter->origin);
    free(filter->distances);
    free(filter->row);
    free(filter);
    *pointer = NULL;
}

/* Whether fewer than FILTER_NEIGHBOR others of the sample are within the isolation. */
static bool is_junk(struct select_filter *filter, uint32_t slot)
{
    kernel_gather(filter->rows, &slot, 1, filter->origin, filter->row);
    float norm2 = kernel_norm2(filter->row, filter->rows->width);
    kernel_distances(filter->row, &norm2, 1, &filter->points, filter->distances);
    unsigned near = 0;
    for (size_t i = 0; i < filter->points.count && near < FILTER_NEIGHBOR; i++)
        near += filter->slots[i] != slot && filter->distances[i] <= filter->isolation;
    return near < FILTER_NEIGHBOR && filter->points.count > FILTER_NEIGHBOR;
}

bool select_filter_refuses(struct select_filter *filter, uint32_t slot, struct select_stats *stats)
{
    if (filter == NULL || kernel_row(filter->rows, slot) == NULL)
        return false;
    if (filter->near != NULL && select_near_has(filter->near, slot)) {
        stats->duplicates_out++;
        return true;
    }
    if (filter->junk && is_junk(filter, slot)) {
        stats->junk_out++;
        return true;
    }
    return false;
}

bool select_filter_add(struct select_filter *filter, uint32_t slot)
{
    return filter == NULL || filter->near == NULL || kernel_row(filter->rows, slot) == NULL ||
           select_near_add(filter->near, slot);
}
