#include "selector/strategy/filter.h"

#include "selector/kernel/vector.h"
#include "selector/strategy/near.h"
#include "selector/strategy/subset.h"
#include "selector/strategy/usual.h"

#include <stdlib.h>

struct select_filter {
    const struct kernel_rows *rows;
    bool junk;
    struct select_usual usual; /* among candidates */
    struct select_near *near;  /* NULL: duplicates are kept */
    float *scratch;            /* for select_usual_distances of one row */
};

static bool wanted(const struct select_job *job, enum select_filter_mode mode)
{
    return mode == SELECT_FILTER_ON && job->input->embeddings != NULL;
}

static enum select_status add_known(struct select_filter *filter, const struct select_job *job)
{
    uint32_t *slots = malloc((job->input->n + 1) * sizeof *slots);
    if (slots == NULL)
        return SELECT_NO_MEMORY;
    size_t count = select_list_known(job, slots);
    enum kernel_status status = select_near_begin(filter->near, slots, count);
    free(slots);
    return select_status_of(status);
}

static enum select_status find_usual(struct select_filter *filter, const struct select_job *job)
{
    uint32_t *slots = malloc((job->candidate_count + 1) * sizeof *slots);
    if (slots == NULL)
        return SELECT_NO_MEMORY;
    size_t count = select_list_candidates(job, slots);
    enum select_status status = select_usual_init(&filter->usual, job->team, filter->rows, slots, count);
    free(slots);
    return status;
}

static enum select_status fill(struct select_filter *filter, const struct select_job *job)
{
    enum select_status status = find_usual(filter, job);
    if (status != SELECT_OK)
        return status;
    filter->scratch = malloc(select_usual_scratch(&filter->usual, 1) * sizeof *filter->scratch);
    if (filter->scratch == NULL)
        return SELECT_NO_MEMORY;
    if (!wanted(job, job->policy->duplicates))
        return SELECT_OK;
    double distance2 = USUAL_DUPLICATE_SHARE * (double)filter->usual.spacing;
    filter->near = select_near_new(job->team, filter->rows, filter->usual.origin, distance2);
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
    return fill(filter, job);
}

void select_filter_free(struct select_filter **pointer)
{
    struct select_filter *filter = *pointer;
    if (filter == NULL)
        return;
    select_near_free(&filter->near);
    select_usual_deinit(&filter->usual);
    free(filter->scratch);
    free(filter);
    *pointer = NULL;
}

static bool is_junk(const struct select_filter *filter, uint32_t slot)
{
    float distance2;
    select_usual_distances(&filter->usual, &slot, 1, filter->scratch, &distance2);
    return distance2 > filter->usual.isolation;
}

enum kernel_status select_filter_refuses(struct select_filter *filter, uint32_t slot, struct select_stats *stats, bool *refused)
{
    *refused = false;
    if (filter == NULL || kernel_row(filter->rows, slot) == NULL)
        return KERNEL_OK;
    enum kernel_status status = filter->near != NULL ? select_near_has(filter->near, slot, refused) : KERNEL_OK;
    if (status != KERNEL_OK)
        return status;
    if (*refused) {
        stats->duplicates_out++;
    } else if (filter->junk && is_junk(filter, slot)) {
        *refused = true;
        stats->junk_out++;
    }
    return KERNEL_OK;
}

bool select_filter_add(struct select_filter *filter, uint32_t slot)
{
    return filter == NULL || filter->near == NULL || kernel_row(filter->rows, slot) == NULL ||
           select_near_add(filter->near, slot);
}
