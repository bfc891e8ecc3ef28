#include "selector/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The frame: struct plan as it is (its pointers are replaced by the reader), class weights, items, states. The order keeps all
 * aligned. */

static size_t weights_size(const struct plan_inputs *inputs)
{
    return inputs->class_weights * sizeof(double);
}

bool plan_pack(const struct plan *plan, msgpack_sbuffer *frame)
{
    return msgpack_sbuffer_write(frame, (const char *)plan, sizeof *plan) == 0 &&
           msgpack_sbuffer_write(frame, (const char *)plan->class_weights, weights_size(&plan->inputs)) == 0 &&
           msgpack_sbuffer_write(frame, (const char *)plan->items, plan->item_count * sizeof *plan->items) == 0 &&
           msgpack_sbuffer_write(frame, (const char *)plan->states, plan->inputs.samples) == 0;
}

bool plan_unpack(struct plan *plan, const void *frame, size_t size)
{
    if (size < sizeof *plan)
        return false;
    memcpy(plan, frame, sizeof *plan);
    const size_t weights = weights_size(&plan->inputs);
    const size_t items = plan->item_count * sizeof *plan->items;
    if (size != sizeof *plan + weights + items + plan->inputs.samples)
        return false;
    const uint8_t *at = (const uint8_t *)frame + sizeof *plan;
    plan->class_weights = (const double *)(const void *)at;
    plan->items = (const struct item *)(const void *)(at + weights);
    plan->states = at + weights + items;
    return true;
}

static struct key key_of_plan(uint32_t project, uint32_t batch)
{
    struct key key = key_project(project);
    key_add_u32(&key, batch);
    return key;
}

void plan_record(
    struct txn *txn, uint32_t project, uint32_t batch, const struct plan *plan, const uint32_t *dropped, uint32_t dropped_count)
{
    struct plan_inputs inputs = plan->inputs;
    inputs.dropped = dropped_count;
    const size_t weights = weights_size(&inputs);
    const struct key key = key_of_plan(project, batch);
    uint8_t *at =
        txn_put_reserve(txn, STATE_PLANS, &key, sizeof inputs + weights + inputs.samples + dropped_count * sizeof *dropped);
    if (!at)
        return;
    memcpy(at, &inputs, sizeof inputs);
    at += sizeof inputs;
    if (weights > 0)
        memcpy(at, plan->class_weights, weights);
    at += weights;
    if (inputs.samples > 0)
        memcpy(at, plan->states, inputs.samples);
    at += inputs.samples;
    if (dropped_count > 0)
        memcpy(at, dropped, dropped_count * sizeof *dropped);
}

void plan_forget(struct txn *txn, uint32_t project, uint32_t batch)
{
    if (batch <= PLAN_RECORDS_MAX)
        return;
    const struct key key = key_of_plan(project, batch - PLAN_RECORDS_MAX);
    txn_delete(txn, STATE_PLANS, &key);
}

bool plan_recall(struct txn *txn, uint32_t project, uint32_t batch, struct plan_recorded *recorded)
{
    const struct key key = key_of_plan(project, batch);
    struct value value;
    memset(recorded, 0, sizeof *recorded);
    if (!txn_get(txn, STATE_PLANS, &key, &value))
        return false;
    if (value.size < sizeof recorded->inputs)
        return txn_corrupt(txn);
    const uint8_t *at = value.data;
    memcpy(&recorded->inputs, at, sizeof recorded->inputs);
    at += sizeof recorded->inputs;
    const size_t weights = weights_size(&recorded->inputs);
    if (value.size !=
        sizeof recorded->inputs + weights + recorded->inputs.samples + recorded->inputs.dropped * sizeof(uint32_t))
        return txn_corrupt(txn);
    if (weights > 0) {
        double *copy = malloc(weights);
        if (!copy) {
            txn->status = DATABASE_NO_MEMORY;
            return false;
        }
        memcpy(copy, at, weights);
        recorded->class_weights = copy;
    }
    recorded->states = at + weights;
    recorded->dropped = recorded->states + recorded->inputs.samples;
    return true;
}

void plan_write_stats(struct writer *reply, const struct plan *plan)
{
    writer_map_begin(reply, "stats");
    writer_integer(reply, "candidates", (int64_t)plan->stats.candidates);
    writer_integer(reply, "duplicates_out", (int64_t)plan->stats.duplicates_out);
    writer_integer(reply, "junk_out", (int64_t)plan->stats.junk_out);
    writer_integer(reply, "references", (int64_t)plan->stats.references);
    writer_number(reply, "radius", plan->stats.radius);
    writer_number(reply, "temperature", plan->stats.temperature);
    writer_number(reply, "objective", plan->stats.objective);
    writer_integer(reply, "control_items", plan->control_items);
    writer_integer(reply, "share_items", plan->share_items);
    writer_map_end(reply);
}

void plan_describe(const struct item *item, enum select_strategy strategy, char *text, size_t size)
{
    switch (item->arm) {
    case SELECT_ARM_CONTROL:
        snprintf(text, size, "control arm: drawn by chance with probability %.3g, to compare with", item->probability);
        return;
    case ITEM_ARM_INCLUDE:
        snprintf(text, size, "asked for by name");
        return;
    case SELECT_ARM_SHARE:
        snprintf(text, size, "fills a minimum share; uncertainty %.2f", item->uncertainty);
        return;
    default:
        break;
    }
    if (strategy == SELECT_RANDOM)
        snprintf(text, size, "drawn by chance with probability %.3g", item->probability);
    else if (strategy == SELECT_AUTO)
        snprintf(text, size,
            "covers %.3g of the uncertain, wanted pool; uncertainty %.2f, class weight %.2f, slice weight %.2f", item->gain,
            item->uncertainty, item->class_weight, item->slice_weight);
    else if (strategy == SELECT_KCENTER)
        snprintf(text, size, "farthest from everything chosen or labelled: distance %.3g", item->gain);
    else
        snprintf(text, size, "%s %.3g", select_strategy_name(strategy), item->gain);
}
