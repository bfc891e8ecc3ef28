/* BATCH.COMMIT from a plan, batches in continuous mode, BATCH.CANCEL. */

#include "selector/apply.h"
#include "selector/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What of a plan still holds, now that it meets the current state. */
struct selection {
    struct item *items;
    uint32_t count;
    int64_t cost;
    uint32_t *dropped; /* slots of the plan that were not taken */
    uint32_t dropped_count;
};

static void selection_deinit(struct selection *selection)
{
    free(selection->items);
    free(selection->dropped);
}

/* The item's price today: the sample's may have changed since the plan was made. */
static int64_t current_price(const struct project *project, const struct sample *sample, uint32_t type)
{
    return type > 0 ? project->settings.types[type - 1].price_microusd : sample_price(project, sample);
}

/* Takes the item if its sample is still in the pool and the money suffices. True where it was taken. */
static bool take(struct applying *applying, struct project *project, const struct plan *plan, const struct item *item,
    int64_t budget, struct selection *selection)
{
    struct sample sample;
    if (!sample_get(&applying->change->txn, project->number, item->slot, &sample) || sample.state != SAMPLE_POOL)
        return false;
    struct item taken = *item;
    taken.price_microusd = current_price(project, &sample, plan->inputs.type);
    int64_t cost;
    if (__builtin_mul_overflow(taken.price_microusd, (int64_t)plan->inputs.overlap, &cost) ||
        __builtin_add_overflow(selection->cost, cost, &cost) || cost > budget)
        return false;
    selection->items[selection->count++] = taken;
    selection->cost = cost;
    return true;
}

/* What was asked for by name has no spare: without it the batch would be another one. */
static bool refuse_included(struct applying *applying, const struct project *project, const struct plan *plan,
    const struct item *item, struct protocol_error *error)
{
    const char *field = plan->recorded ? "include" : "only";
    struct sample sample;
    if (!sample_get(&applying->change->txn, project->number, item->slot, &sample) || sample.state != SAMPLE_POOL)
        return protocol_fail(error, PROTOCOL_CONFLICT, field, "samples in the pool", "slot %" PRIu32, item->slot);
    protocol_fail(error, PROTOCOL_BUDGET_EXHAUSTED, field, "samples within the budget", "slot %" PRIu32, item->slot);
    error->available_microusd = project->counters.available_microusd;
    return false;
}

/*
 * Takes the plan's picks, and for each that can't be had any more, the next spare. False: out of memory, or a sample asked for
 * by name can't be had, or (without `partial`) more money is needed than is available.
 */
static bool select_current(struct applying *applying, struct project *project, const struct plan *plan,
    struct selection *selection, struct protocol_error *error)
{
    const int64_t available = project->counters.available_microusd;
    const int64_t budget = plan->partial && available < plan->budget ? available : plan->budget;
    *selection = (struct selection){0};
    selection->items = malloc((plan->item_count + 1) * sizeof *selection->items);
    selection->dropped = malloc((plan->item_count + 1) * sizeof *selection->dropped);
    if (!selection->items || !selection->dropped)
        return protocol_fail(error, PROTOCOL_INTERNAL, "", "", "out of memory");
    for (uint32_t i = 0; i < plan->item_count && selection->count < plan->picks; i++) {
        const struct item *item = &plan->items[i];
        if (take(applying, project, plan, item, budget, selection))
            continue;
        if (item->arm == ITEM_ARM_INCLUDE)
            return refuse_included(applying, project, plan, item, error);
        selection->dropped[selection->dropped_count++] = item->slot;
    }
    if (selection->cost > available) {
        protocol_fail(error, PROTOCOL_BUDGET_EXHAUSTED, "budget_microusd", "no more than what is available",
            "%" PRId64 " of %" PRId64 " available", selection->cost, available);
        error->available_microusd = available;
        return false;
    }
    if (selection->count > 0)
        return true;
    protocol_fail(error, available == 0 ? PROTOCOL_BUDGET_EXHAUSTED : PROTOCOL_NOT_FOUND, "", "",
        "no sample of the plan can be had any more");
    error->available_microusd = available;
    return false;
}

static bool reserve_items(
    struct applying *applying, struct project *project, uint32_t number, const struct selection *selection)
{
    struct txn *txn = &applying->change->txn;
    for (uint32_t rank = 0; rank < selection->count; rank++) {
        const struct item *item = &selection->items[rank];
        struct sample sample;
        if (!sample_get(txn, project->number, item->slot, &sample))
            return txn_corrupt(txn);
        sample_move(project, &sample, SAMPLE_RESERVED);
        sample.batch = number;
        sample.rank = rank;
        sample.answers = 0;
        sample.skips = 0;
        sample_put(txn, project->number, item->slot, &sample);
        item_put(txn, project->number, number, rank, item);
        const struct waiting waiting = {.slot = item->slot};
        queue_put(applying->change, project, number, rank, &waiting);
    }
    return true;
}

static void tell_published(struct applying *applying, struct project *project, uint32_t number, const struct batch *batch)
{
    struct writer *event = event_begin(applying->change, project, EVENT_BATCH_PUBLISHED);
    writer_integer(event, "batch", number);
    writer_integer(event, "items", batch->items);
    writer_integer(event, "cost_microusd", batch->cost_microusd);
    writer_string(event, "strategy", select_strategy_name((enum select_strategy)batch->strategy));
    writer_string(event, "type", batch_type_name(project, batch->type));
    event_end(applying->change, project, EVENT_BATCH_PUBLISHED);
}

/* Reserves the money, writes the batch and publishes it. Returns its number, 0 where it was refused. */
static uint32_t commit_plan(struct applying *applying, struct project *project, const struct plan *plan, struct batch *batch,
    struct protocol_error *error)
{
    struct selection selection;
    uint32_t number = 0;
    if (!select_current(applying, project, plan, &selection, error))
        goto done;
    number = (uint32_t)project->counters.batches + 1;
    const struct entry reserve = {
        .kind = LEDGER_RESERVE, .batch = number, .slot = LEDGER_NO_SLOT, .amount_microusd = selection.cost};
    if (!ledger_append(applying->change, project, reserve, (struct text){"", 0}, error)) {
        number = 0;
        goto done;
    }
    project->counters.batches = number;
    *batch = (struct batch){
        .created_ms = applying->change->now_ms,
        .cost_microusd = selection.cost,
        .model_version = plan->inputs.model_version,
        .seed = plan->inputs.seed,
        .items = selection.count,
        .open = selection.count,
        .type = plan->inputs.type,
        .strategy = (uint8_t)plan->inputs.strategy,
        .state = BATCH_OPEN,
        .overlap = (uint8_t)plan->inputs.overlap,
    };
    reserve_items(applying, project, number, &selection);
    batch_put(&applying->change->txn, project->number, number, batch);
    if (plan->recorded)
        plan_record(&applying->change->txn, project->number, number, plan, selection.dropped, selection.dropped_count);
    plan_forget(&applying->change->txn, project->number, number);
    tell_published(applying, project, number, batch);
done:
    selection_deinit(&selection);
    return number;
}

bool apply_batch_commit(struct applying *applying, struct request *request, const struct plan *plan, struct writer *reply)
{
    struct project *project = apply_find_project(applying, request);
    if (!project)
        return false;
    if (*applying->draining)
        return protocol_fail(&request->error, PROTOCOL_BUSY, "", "", "the daemon is draining");
    if (plan->error.code) {
        request->error = plan->error;
        return false;
    }
    struct batch batch;
    const uint32_t number = commit_plan(applying, project, plan, &batch, &request->error);
    if (number == 0)
        return false;
    writer_integer(reply, "batch", number);
    writer_integer(reply, "items", batch.items);
    writer_integer(reply, "cost_microusd", batch.cost_microusd);
    writer_integer(reply, "available_microusd", project->counters.available_microusd);
    writer_string(reply, "strategy", select_strategy_name((enum select_strategy)batch.strategy));
    writer_integer(reply, "seed", (int64_t)batch.seed);
    writer_integer(reply, "model_version", batch.model_version);
    plan_write_stats(reply, plan);
    return true;
}

bool apply_replenish(struct applying *applying, struct text name, const struct plan *plan)
{
    struct protocol_error error = plan->error;
    struct protocol_error unknown = {0};
    struct project *project = change_project(applying->change, name, &unknown);
    struct batch batch;
    if (!project || *applying->draining)
        return true;
    if (project->settings.replenish_depth == 0)
        return false; /* it was switched off while the plan was made */
    if (!error.code && commit_plan(applying, project, plan, &batch, &error) > 0)
        return true;
    /* Nobody waits for an answer: what the operator has to mend is told in the log. */
    if (error.code == PROTOCOL_BAD_REQUEST || error.code == PROTOCOL_CONFLICT || error.code == PROTOCOL_INTERNAL)
        log_warning("replenish_failed", "project=%.*s code=%s message=\"%s\"", (int)name.size, name.data,
            protocol_code_word(error.code), error.message);
    if (error.code != PROTOCOL_BUDGET_EXHAUSTED)
        return error.code == PROTOCOL_CANCELED || error.code == PROTOCOL_BUSY || error.code == PROTOCOL_INTERNAL;
    struct writer *event = event_begin(applying->change, project, EVENT_BUDGET_EXHAUSTED);
    writer_integer(event, "available_microusd", project->counters.available_microusd);
    event_end(applying->change, project, EVENT_BUDGET_EXHAUSTED);
    return false;
}

/* --- canceling ---------------------------------------------------------------------------------------------------------- */

/* The ranks of the batch's items that nobody holds; NULL out of memory. */
static uint32_t *waiting_ranks(
    struct txn *txn, const struct project *project, uint32_t number, const struct batch *batch, uint32_t *count)
{
    uint32_t *ranks = malloc((batch->items + 1u) * sizeof *ranks);
    struct key prefix = key_project(project->number);
    key_add_u32(&prefix, number);
    struct cursor cursor;
    *count = 0;
    cursor_open(&cursor, txn, STATE_QUEUE, &prefix, NULL);
    while (ranks && *count < batch->items && cursor_next(&cursor))
        ranks[(*count)++] = key_read_u32((const uint8_t *)cursor.key.data + prefix.size);
    cursor_close(&cursor);
    return ranks;
}

static void cancel_item(struct applying *applying, struct project *project, uint32_t number, uint32_t rank)
{
    struct txn *txn = &applying->change->txn;
    struct item item;
    struct sample sample;
    if (!item_get(txn, project->number, number, rank, &item) || !sample_get(txn, project->number, item.slot, &sample) ||
        !queue_take(applying->change, project, number, rank)) {
        txn_corrupt(txn);
        return;
    }
    item_finish(applying->change, project, number, rank, ITEM_CANCELED, sample.answers);
    sample_move(project, &sample, sample.labels > 0 ? SAMPLE_LABELED : SAMPLE_POOL);
    sample_put(txn, project->number, item.slot, &sample);
}

bool apply_batch_cancel(struct applying *applying, struct request *request, struct writer *reply)
{
    struct project *project = apply_find_project(applying, request);
    const uint32_t number = (uint32_t)reader_integer(&request->fields, "batch", 1, UINT32_MAX);
    struct txn *txn = &applying->change->txn;
    struct batch batch;
    if (!project || request->error.code)
        return false;
    if (!batch_get(txn, project->number, number, &batch))
        return protocol_fail(&request->error, PROTOCOL_NOT_FOUND, "batch", "a batch of the project", "%" PRIu32, number);
    if (batch.state != BATCH_OPEN)
        return protocol_fail(&request->error, PROTOCOL_CONFLICT, "batch", "an open batch", "one that is %s",
            batch.state == BATCH_DONE ? "done" : "canceled");
    uint32_t count;
    uint32_t *ranks = waiting_ranks(txn, project, number, &batch, &count);
    if (!ranks)
        return protocol_fail(&request->error, PROTOCOL_INTERNAL, "", "", "out of memory");
    /* First the state, so that the last item's end is not taken for the batch being done. */
    batch.state = BATCH_CANCELED;
    batch_put(txn, project->number, number, &batch);
    for (uint32_t i = 0; i < count; i++)
        cancel_item(applying, project, number, ranks[i]);
    free(ranks);
    struct writer *event = event_begin(applying->change, project, EVENT_BATCH_CANCELED);
    writer_integer(event, "batch", number);
    writer_integer(event, "canceled", count);
    event_end(applying->change, project, EVENT_BATCH_CANCELED);
    writer_integer(reply, "canceled", count);
    return true;
}
