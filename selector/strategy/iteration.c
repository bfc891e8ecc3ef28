#include "selector/strategy/iteration.h"

static bool accept_index(void *context, uint32_t index)
{
    const struct select_iteration *self = context;
    return self->accept(self->context, self->job->candidates[index]);
}

static void iteration_rewind(void *context, select_accept_fn *accept, void *accept_context)
{
    struct select_iteration *self = context;
    self->accept = accept;
    self->context = accept_context;
    self->calls->rewind(self->kernel, accept_index, self);
}

static enum kernel_status iteration_next(
    void *context, select_accept_fn *accept, void *accept_context, uint32_t *slot, struct select_worth *worth)
{
    struct select_iteration *self = context;
    self->accept = accept;
    self->context = accept_context;
    enum kernel_status status = self->calls->next(self->kernel, accept_index, self, &self->last, &worth->gain);
    if (status != KERNEL_OK)
        return status;
    *slot = self->job->candidates[self->last];
    worth->utility = self->per_dollar ? select_per_dollar(self->job, *slot, worth->gain) : worth->gain;
    return KERNEL_OK;
}

static enum kernel_status iteration_take(void *context, uint32_t slot)
{
    struct select_iteration *self = context;
    (void)slot; /* the latest one given */
    return self->calls->take(self->kernel, self->last);
}

void select_iteration_init(
    struct select_iteration *iteration, const struct select_job *job, const struct select_iteration_calls *calls, void *kernel)
{
    *iteration = (struct select_iteration){
        .source = {.self = iteration, .rewind = iteration_rewind, .next = iteration_next, .take = iteration_take},
        .job = job,
        .calls = calls,
        .kernel = kernel,
    };
}
