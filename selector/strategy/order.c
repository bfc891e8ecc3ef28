/*
 * order.c - a source of picks whose worth does not change as others are picked: one sorted list.
 */
#include "selector/kernel/sort.h"
#include "selector/strategy/job.h"

#include <stdlib.h>

static void order_rewind(void *self, select_accept_fn *accept, void *context)
{
    struct select_order *order = self;
    (void)accept;
    (void)context;
    order->at = 0;
}

static enum kernel_status order_next(
    void *self, select_accept_fn *accept, void *context, uint32_t *slot, struct select_worth *worth)
{
    struct select_order *order = self;
    while (order->at < order->job->candidate_count) {
        uint32_t i = order->order[order->at++];
        *slot = order->job->candidates[i];
        if (!accept(context, *slot))
            continue;
        worth->gain = order->gains[i];
        worth->utility = order->keys[i];
        worth->probability = order->probabilities != NULL ? order->probabilities[i] : 0;
        return KERNEL_OK;
    }
    return KERNEL_END;
}

static enum kernel_status order_take(void *self, uint32_t slot)
{
    (void)self;
    (void)slot;
    return KERNEL_OK;
}

enum select_status select_order_init(struct select_order *order, const struct select_job *job, const double *keys,
    const double *gains, const double *probabilities)
{
    *order = (struct select_order){
        .source = {.self = order, .rewind = order_rewind, .next = order_next, .take = order_take},
        .job = job,
        .order = malloc((job->candidate_count + 1) * sizeof *order->order),
        .keys = keys,
        .gains = gains,
        .probabilities = probabilities,
    };
    if (order->order == NULL || !kernel_sort_falling(keys, job->candidate_count, order->order))
        return SELECT_NO_MEMORY;
    return SELECT_OK;
}

void select_order_deinit(struct select_order *order)
{
    free(order->order);
    order->order = NULL;
}

enum select_status select_rank(struct select_job *job, const double *gains)
{
    struct select_order order = {0};
    double *keys = malloc((job->candidate_count + 1) * sizeof *keys);
    enum select_status status = SELECT_NO_MEMORY;
    if (keys == NULL)
        goto done;
    for (size_t i = 0; i < job->candidate_count; i++)
        keys[i] = select_per_dollar(job, job->candidates[i], gains[i]);
    status = select_order_init(&order, job, keys, gains, NULL);
    if (status == SELECT_OK)
        status = select_fill(job, &order.source, false);
    for (size_t i = 0; status == SELECT_OK && i < job->result->count; i++)
        job->result->stats.objective += job->result->picks[i].gain;
done:
    select_order_deinit(&order);
    free(keys);
    return status;
}
