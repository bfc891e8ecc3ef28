#include "selector/strategy/order.h"

#include "selector/kernel/sort.h"
#include "selector/strategy/fill.h"

#include <stdlib.h>

enum { TILE = 65536 };

struct order {
    const struct select_job *job;
    struct kernel_order order;
    size_t at;
    const double *gains;
    const double *chances; /* NULL: 0 */
};

static void order_rewind(void *self, select_accept_fn *accept, void *context)
{
    struct order *order = self;
    (void)accept;
    (void)context;
    order->at = 0;
}

static enum kernel_status order_next(
    void *self, select_accept_fn *accept, void *context, uint32_t *slot, struct select_worth *worth)
{
    struct order *order = self;
    while (order->at < order->order.count) {
        if (!kernel_order_extend(&order->order, order->at + 1))
            return KERNEL_NO_MEMORY;
        uint32_t i = order->order.items[order->at++];
        *slot = order->job->candidates[i];
        if (!accept(context, *slot))
            continue;
        worth->gain = order->gains[i];
        worth->utility = order->order.keys[i];
        worth->probability = order->chances != NULL ? order->chances[i] : 0;
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

enum select_status select_fill_by(
    struct select_job *job, const double *keys, const double *gains, const double *chances, bool in_turn)
{
    struct order order = {.job = job, .gains = gains, .chances = chances};
    struct select_source source = {.self = &order, .rewind = order_rewind, .next = order_next, .take = order_take};
    enum select_status status = SELECT_NO_MEMORY;
    if (kernel_order_init(&order.order, keys, job->candidate_count))
        status = select_fill(job, &source, in_turn);
    kernel_order_deinit(&order.order);
    return status;
}

struct ranking {
    const struct select_job *job;
    const double *gains;
    double *keys; /* [candidate_count] gains per dollar */
};

static void rank_tile(void *context, size_t tile, unsigned worker)
{
    (void)worker;
    const struct ranking *ranking = context;
    const struct select_job *job = ranking->job;
    for (size_t i = tile * TILE; i < job->candidate_count && i < (tile + 1) * TILE; i++)
        ranking->keys[i] = select_per_dollar(job, job->candidates[i], ranking->gains[i]);
}

enum select_status select_rank(struct select_job *job, const double *gains)
{
    struct ranking ranking = {job, gains, malloc((job->candidate_count + 1) * sizeof *ranking.keys)};
    if (ranking.keys == NULL)
        return SELECT_NO_MEMORY;
    select_job_pass(job, job->pass_to, job->pass_to);
    enum select_status status = SELECT_CANCELED;
    if (kernel_team_run(job->team, (job->candidate_count + TILE - 1) / TILE, rank_tile, &ranking))
        status = select_fill_by(job, ranking.keys, gains, NULL, false);
    if (status == SELECT_OK)
        select_picks_sum_gains(job);
    free(ranking.keys);
    return status;
}
