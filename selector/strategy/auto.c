/*
 * auto.c - the default strategy: uncertainty coverage per dollar, and what stands in for it where columns are missing.
 */
#include "selector/strategy/auto.h"
#include "selector/kernel/coverage.h"
#include "selector/kernel/random.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A near-duplicate is nearer than this share of the usual squared distance between neighbours. */
static const double duplicate_share = 0.1;

/* --- coverage ----------------------------------------------------------------------------------------------------------- */

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
        if (self->near == NULL || kernel_row(self->job->input->embeddings, *slot) == NULL ||
            !select_near_has(self->near, *slot))
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

static enum select_status near_init(struct cover_source *self, const struct select_auto_points *points)
{
    if (self->job->policy->keep_duplicates)
        return SELECT_OK;
    self->near = select_near_new(self->job->input->embeddings, points->origin, duplicate_share * (double)points->spacing);
    if (self->near == NULL)
        return SELECT_NO_MEMORY;
    for (size_t i = 0; i < points->known_count; i++) {
        if (!select_near_add(self->near, points->known[i]))
            return SELECT_NO_MEMORY;
    }
    return SELECT_OK;
}

/* Gains of single candidates, and which of them are outliers. */
static enum select_status begin(struct cover_source *self, const struct select_auto_points *points)
{
    float *nearest = malloc((self->count + 1) * sizeof *nearest);
    if (nearest == NULL)
        return SELECT_NO_MEMORY;
    enum select_status status = select_status_of(kernel_coverage_begin(self->coverage, JUNK_NEIGHBOR, nearest));
    for (size_t i = 0; status == SELECT_OK && i < self->count; i++) {
        self->out[i] = isfinite(nearest[i]) && nearest[i] > points->isolation;
        self->job->result->stats.junk_out += self->out[i];
    }
    free(nearest);
    return status;
}

static enum select_status cover(struct select_job *job, struct select_auto_points *points, uint32_t *slots, size_t count)
{
    struct cover_source self = {.job = job, .slots = slots, .count = count, .out = calloc(count + 1, 1)};
    struct select_source source = {.self = &self, .rewind = cover_rewind, .next = cover_next, .take = cover_take};
    float *alone = malloc((count + 1) * sizeof *alone);
    double *dollars = malloc((count + 1) * sizeof *dollars);
    enum select_status status = SELECT_NO_MEMORY;
    if (self.out == NULL || alone == NULL || dollars == NULL)
        goto done;
    for (size_t i = 0; i < count; i++) {
        alone[i] = (float)select_auto_worth_of(job, slots[i]);
        dollars[i] = select_job_dollars(job, slots[i]);
    }
    struct kernel_coverage_input input = {
        .candidates = {job->input->embeddings, slots, count, points->origin},
        .references = points->points,
        .reference_slots = points->slots,
        .weight = points->weight,
        .cover = points->cover,
        .scale = points->scale,
        .alone = alone,
        .divisor = dollars,
    };
    self.coverage = kernel_coverage_new(job->team, &input);
    if (self.coverage == NULL)
        goto done;
    status = near_init(&self, points);
    if (status == SELECT_OK)
        status = begin(&self, points);
    if (status == SELECT_OK)
        status = select_fill(job, &source, false);
done:
    kernel_coverage_free(&self.coverage);
    select_near_free(&self.near);
    free(self.out);
    free(alone);
    free(dollars);
    return status;
}

static enum select_status run_coverage(struct select_job *job)
{
    struct select_auto_points points = {0};
    uint32_t *slots = NULL;
    size_t count = 0;
    enum select_status status = select_auto_points_init(&points, job);
    if (status == SELECT_OK)
        status = select_auto_candidates(job, &slots, &count);
    if (status == SELECT_OK)
        status = cover(job, &points, slots, count);
    job->result->stats.references = points.points.count;
    job->result->stats.radius = sqrt((double)points.scale);
    free(slots);
    select_auto_points_deinit(&points);
    return status;
}

/* --- without embeddings ------------------------------------------------------------------------------------------------- */

/* Worth per dollar; with no prediction to tell samples apart, chance by turns through the groups, the cheaper the likelier. */
static enum select_status run_ranked(struct select_job *job)
{
    struct select_order order = {0};
    double *gains = malloc((job->candidate_count + 1) * sizeof *gains);
    double *keys = malloc((job->candidate_count + 1) * sizeof *keys);
    enum select_status status = SELECT_NO_MEMORY;
    if (gains == NULL || keys == NULL)
        goto done;
    for (size_t i = 0; i < job->candidate_count; i++) {
        uint32_t slot = job->candidates[i];
        gains[i] = select_auto_worth_of(job, slot);
        keys[i] = gains[i] / select_job_dollars(job, slot);
        /* An exponential waiting time at a rate of worth per dollar: the first to come are a weighted sample. */
        if (job->predicted == NULL)
            keys[i] = keys[i] / -log(kernel_random_uniform(job->policy->seed, STREAM_ORDER, slot));
    }
    status = select_order_init(&order, job, keys, gains, NULL);
    if (status == SELECT_OK)
        status = select_fill(job, &order.source, false);
done:
    select_order_deinit(&order);
    free(gains);
    free(keys);
    return status;
}

static bool any_embedded(const struct select_job *job)
{
    for (size_t i = 0; job->input->embeddings != NULL && i < job->candidate_count; i++) {
        if (kernel_row(job->input->embeddings, job->candidates[i]) != NULL)
            return true;
    }
    return false;
}

enum select_status select_run_auto(struct select_job *job)
{
    enum select_status status = select_auto_worth(job);
    if (status == SELECT_OK)
        status = select_control(job);
    if (status == SELECT_OK)
        status = any_embedded(job) ? run_coverage(job) : run_ranked(job);
    for (size_t i = 0; status == SELECT_OK && i < job->result->count; i++)
        job->result->stats.objective += job->result->picks[i].gain;
    return status;
}
