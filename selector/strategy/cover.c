#include "selector/strategy/cover.h"

#include "selector/kernel/coverage.h"
#include "selector/kernel/vector.h"
#include "selector/strategy/guard.h"
#include "selector/strategy/near.h"
#include "selector/strategy/usual.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct cover_source {
    struct select_job *job;
    struct kernel_coverage *coverage;
    struct select_near *near; /* NULL: duplicates are kept */
    const uint32_t *slots;    /* [count] candidates */
    size_t count;
    uint8_t *out;  /* [count] kept out: junk or a near-duplicate */
    uint32_t last; /* index of the latest candidate given */
    select_accept_fn *accept;
    void *context;
};

static bool accept_index(void *context, uint32_t index)
{
    const struct cover_source *self = context;
    return !self->out[index] && self->accept(self->context, self->slots[index]);
}

static void cover_rewind(void *context, select_accept_fn *accept, void *accept_context)
{
    struct cover_source *self = context;
    self->accept = accept;
    self->context = accept_context;
    kernel_coverage_rewind(self->coverage, accept_index, self);
}

static enum kernel_status cover_next(
    void *context, select_accept_fn *accept, void *accept_context, uint32_t *slot, struct select_worth *worth)
{
    struct cover_source *self = context;
    self->accept = accept;
    self->context = accept_context;
    for (;;) {
        enum kernel_status status = kernel_coverage_next(self->coverage, accept_index, self, &self->last, &worth->gain);
        if (status != KERNEL_OK)
            return status;
        *slot = self->slots[self->last];
        bool duplicate = false;
        if (self->near != NULL && kernel_row(self->job->input->embeddings, *slot) != NULL)
            status = select_near_has(self->near, *slot, &duplicate);
        if (status != KERNEL_OK)
            return status;
        if (!duplicate)
            break;
        self->out[self->last] = 1;
        self->job->result->stats.duplicates_out++;
    }
    worth->utility = worth->gain / select_job_dollars(self->job, *slot);
    return KERNEL_OK;
}

static enum kernel_status cover_take(void *context, uint32_t slot)
{
    struct cover_source *self = context;
    kernel_coverage_take(self->coverage, self->last);
    bool has_row = kernel_row(self->job->input->embeddings, slot) != NULL;
    return self->near == NULL || !has_row || select_near_add(self->near, slot) ? KERNEL_OK : KERNEL_NO_MEMORY;
}

static enum select_status near_init(struct cover_source *self, const struct select_points *points)
{
    if (points->spacing < 0 || self->job->policy->duplicates == SELECT_FILTER_OFF)
        return SELECT_OK;
    double distance2 = USUAL_DUPLICATE_SHARE * (double)points->spacing;
    self->near = select_near_new(self->job->team, self->job->input->embeddings, points->origin, distance2);
    if (self->near == NULL)
        return SELECT_NO_MEMORY;
    return select_status_of(select_near_begin(self->near, points->known, points->known_count));
}

/* Finds the points among the candidates, where they are in the same order: which of these are outliers, and own[i], the point
 * that candidate i is. */
static void match_points(struct cover_source *self, const struct select_points *points, uint32_t *own)
{
    uint32_t at = 0;
    for (size_t i = 0; i < self->count; i++) {
        own[i] = UINT32_MAX;
        if (at >= points->points.count || self->slots[i] != points->slots[at])
            continue;
        own[i] = at;
        self->out[i] = points->isolated[at++];
        self->job->result->stats.junk_out += self->out[i];
    }
}

/* What each candidate adds alone, -1 where it is kept out. NULL without memory. */
static float *list_alone(const struct cover_source *self)
{
    float *alone = malloc((self->count + 1) * sizeof *alone);
    for (size_t i = 0; alone != NULL && i < self->count; i++)
        alone[i] = self->out[i] ? -1 : kernel_coverage_first_gains(self->coverage)[i];
    return alone;
}

/* Puts the coverage and the near-duplicates back to what they were before any pick. */
static enum select_status start_again(struct cover_source *self, const struct select_points *points, const float *cover)
{
    memcpy(points->cover, cover, points->points.count * sizeof *cover);
    kernel_coverage_reset(self->coverage);
    select_near_free(&self->near);
    return near_init(self, points);
}

/* The greedy choice by gain per dollar, with its guard. */
static enum select_status fill(struct cover_source *self, struct select_source *source, const struct select_points *points)
{
    struct select_job *job = self->job;
    size_t kept = job->result->count;
    size_t bytes = points->points.count * sizeof *points->cover;
    float *cover = malloc(bytes + 1);
    float *alone = list_alone(self);
    enum select_status status = SELECT_NO_MEMORY;
    if (cover == NULL || alone == NULL)
        goto done;
    memcpy(cover, points->cover, bytes);
    status = select_fill(job, source, false);
    uint32_t slot;
    if (status != SELECT_OK || !select_guard(job, kept, self->slots, alone, self->count, &slot))
        goto done;
    status = start_again(self, points, cover);
    if (status == SELECT_OK)
        status = select_guard_start(job, kept, source, slot);
    if (status == SELECT_OK)
        status = select_fill(job, source, false);
done:
    free(cover);
    free(alone);
    return status;
}

/* Whether all points are candidates, and all other candidates have no embedding. */
static bool is_square(const struct cover_source *self, const struct select_points *points, const uint32_t *own)
{
    size_t matched = 0;
    for (size_t i = 0; i < self->count; i++) {
        if (own[i] == UINT32_MAX && kernel_row(self->job->input->embeddings, self->slots[i]) != NULL)
            return false;
        matched += own[i] != UINT32_MAX;
    }
    return matched == points->points.count;
}

static enum select_status run(
    struct cover_source *self, struct select_points *points, const struct kernel_coverage_input *input)
{
    struct select_source source = {.self = self, .rewind = cover_rewind, .next = cover_next, .take = cover_take};
    self->coverage = kernel_coverage_new(self->job->team, input);
    if (self->coverage == NULL)
        return SELECT_NO_MEMORY;
    enum select_status status = near_init(self, points);
    select_job_pass(self->job, 0.4, 0.8);
    if (status == SELECT_OK)
        status = select_status_of(kernel_coverage_begin(self->coverage));
    if (status == SELECT_OK)
        status = fill(self, &source, points);
    kernel_coverage_free(&self->coverage);
    select_near_free(&self->near);
    return status;
}

enum select_status select_cover(struct select_job *job, struct select_points *points, const uint32_t *slots, size_t count)
{
    struct cover_source self = {.job = job, .slots = slots, .count = count, .out = calloc(count + 1, 1)};
    float *alone = malloc((count + 1) * sizeof *alone);
    double *dollars = malloc((count + 1) * sizeof *dollars);
    uint32_t *own = malloc((count + 1) * sizeof *own);
    float *excess = malloc((points->points.count + 1) * sizeof *excess);
    enum select_status status = SELECT_NO_MEMORY;
    if (self.out == NULL || alone == NULL || dollars == NULL || own == NULL || excess == NULL)
        goto done;
    for (size_t i = 0; i < points->points.count; i++)
        excess[i] = points->weight[i] * (1 - points->chance[i]);
    for (size_t i = 0; i < count; i++) {
        alone[i] = (float)select_job_worth(job, slots[i]);
        dollars[i] = select_job_dollars(job, slots[i]);
    }
    match_points(&self, points, own);
    struct kernel_coverage_input input = {
        .candidates = {job->input->embeddings, slots, count, points->origin},
        .references = points->points,
        .weight = points->weight,
        .cover = points->cover,
        .scale = points->scale,
        .own = own,
        .excess = excess,
        .alone = alone,
        .divisor = dollars,
        .square = is_square(&self, points, own),
    };
    status = run(&self, points, &input);
    if (status == SELECT_OK)
        select_picks_sum_gains(job);
done:
    free(self.out);
    free(alone);
    free(dollars);
    free(own);
    free(excess);
    return status;
}
