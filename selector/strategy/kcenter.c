/*
 * kcenter.c - greedy farthest point over the candidates that have an embedding, from what is labelled and in flight. Blind to
 * prices, as the method is; a pick that the money does not reach is passed over. The gain is the distance to the nearest
 * centre.
 */
#include "selector/kernel/kcenter.h"
#include "selector/kernel/vector.h"
#include "selector/strategy/job.h"

#include <math.h>
#include <stdlib.h>

struct center_source {
    struct kernel_kcenter *kcenter;
    uint32_t *slots; /* candidates with an embedding */
    size_t count;
    select_accept_fn *accept;
    void *context;
};

static bool accept_index(void *context, uint32_t index)
{
    const struct center_source *self = context;
    return self->accept(self->context, self->slots[index]);
}

static void center_rewind(void *context, select_accept_fn *accept, void *accept_context)
{
    struct center_source *self = context;
    self->accept = accept;
    self->context = accept_context;
    kernel_kcenter_rewind(self->kcenter, accept_index, self);
}

static enum kernel_status center_next(
    void *context, select_accept_fn *accept, void *accept_context, uint32_t *slot, struct select_worth *worth)
{
    struct center_source *self = context;
    self->accept = accept;
    self->context = accept_context;
    uint32_t index;
    double distance2;
    enum kernel_status status = kernel_kcenter_next(self->kcenter, accept_index, self, &index, &distance2);
    if (status != KERNEL_OK)
        return status;
    *slot = self->slots[index];
    /* The very first centre has no distance to any other. */
    worth->gain = isinf(distance2) ? 0 : sqrt(distance2);
    worth->utility = worth->gain;
    return KERNEL_OK;
}

static enum kernel_status center_take(void *context, uint32_t slot)
{
    struct center_source *self = context;
    size_t low = 0;
    size_t high = self->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (self->slots[middle] <= slot)
            low = middle;
        else
            high = middle;
    }
    return kernel_kcenter_take(self->kcenter, (uint32_t)low);
}

static enum kernel_status add_known(const struct select_job *job, struct kernel_kcenter *kcenter)
{
    enum kernel_status status = KERNEL_OK;
    for (size_t i = 0; i < job->input->n && status == KERNEL_OK; i++) {
        if (select_job_known(job, (uint32_t)i) && kernel_row(job->input->embeddings, i) != NULL)
            status = kernel_kcenter_add(kcenter, (uint32_t)i);
    }
    return status;
}

enum select_status select_run_kcenter(struct select_job *job)
{
    struct center_source self = {.slots = malloc((job->candidate_count + 1) * sizeof *self.slots)};
    struct select_source source = {.self = &self, .rewind = center_rewind, .next = center_next, .take = center_take};
    enum select_status status = SELECT_NO_MEMORY;
    if (self.slots == NULL)
        goto done;
    for (size_t i = 0; i < job->candidate_count; i++) {
        if (kernel_row(job->input->embeddings, job->candidates[i]) != NULL)
            self.slots[self.count++] = job->candidates[i];
    }
    self.kcenter = kernel_kcenter_new(job->team, job->input->embeddings, self.slots, self.count);
    if (self.kcenter == NULL)
        goto done;
    status = select_job_scores(job, 1, false);
    if (status == SELECT_OK)
        status = select_status_of(add_known(job, self.kcenter));
    if (status == SELECT_OK)
        status = select_fill(job, &source, false);
    if (status == SELECT_OK && job->result->count > 0)
        job->result->stats.objective = job->result->picks[job->result->count - 1].gain;
done:
    kernel_kcenter_free(&self.kcenter);
    free(self.slots);
    return status;
}
