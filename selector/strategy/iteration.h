/*
 * iteration.h - a source of picks over one of kernel/'s greedy iterations, which count in indices into job->candidates. Private
 * to strategy/.
 */
#pragma once

#include "selector/kernel/lazy.h"
#include "selector/strategy/fill.h"

/* What a kernel's iteration can do; see kernel_kcenter for the contract. `gain` is in the strategy's own unit. */
struct select_iteration_calls {
    void (*rewind)(void *kernel, kernel_accept_fn *accept, void *context);
    enum kernel_status (*next)(void *kernel, kernel_accept_fn *accept, void *context, uint32_t *index, double *gain);
    enum kernel_status (*take)(void *kernel, uint32_t index);
};

struct select_iteration {
    struct select_source source;
    const struct select_job *job;
    const struct select_iteration_calls *calls;
    void *kernel;
    bool per_dollar; /* picks are ordered by gain per dollar; a pick's utility is then that */
    uint32_t last;   /* index of the latest candidate given */
    select_accept_fn *accept;
    void *context;
};

/* Borrows everything; its `source` is for select_fill, and valid where the iteration lies. The candidates must not change. */
void select_iteration_init(
    struct select_iteration *iteration, const struct select_job *job, const struct select_iteration_calls *calls, void *kernel);
