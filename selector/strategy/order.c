/*
 * order.c - a source of picks whose worth does not change as others are picked: one list,
 * sorted as far as it is read.
 */
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
    while (order->at < order->order.count) {
        if (!kernel_order_extend(&order->order, order->at + 1))
            return KERNEL_NO_MEMORY;
        uint32_t i = order->order.items[order->at++];
        *slot = order->job->candidates[i];
        if (!accept(context, *slot))
            continue;
        worth->gain = order->gains[i];
        worth->utility = order->order.keys[i];
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
        .gains = gains,
        .probabilities = probabilities,
    };
    if (kernel_team_stopped(job->team))
        return SELECT_CANCELED;
    if (!kernel_order_init(&order->order, keys, job->candidate_count))
        return SELECT_NO_MEMORY;
    return kernel_team_stopped(job->team) ? SELECT_CANCELED : SELECT_OK;
}

void select_order_deinit(struct select_order *order)
{
    kernel_order_deinit(&order->order);
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
