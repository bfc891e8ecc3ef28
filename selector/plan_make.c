#include "selector/plan_make.h"

#include "selector/plan_policy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool give_up(void *context, double done)
{
    struct daemon *daemon = context;
    struct vitals *vitals = &daemon->vitals;
    vitals->task_permille = (uint32_t)(done * 1000);
    return vitals->stopping || vitals->task_canceled == vitals->task;
}

static bool no_memory(struct protocol_error *error)
{
    return protocol_fail(error, PROTOCOL_INTERNAL, "", "", "out of memory");
}

/* --- running the selection ---------------------------------------------------------------------------------------------- */

static struct select_policy policy_of(const struct plan_inputs *inputs, const double *class_weights, struct daemon *daemon)
{
    struct select_policy policy = select_policy_default();
    policy.strategy = (enum select_strategy)inputs->strategy;
    policy.seed = inputs->seed;
    policy.budget = inputs->budget;
    policy.count = (size_t)inputs->count;
    policy.spares = (size_t)inputs->spares;
    policy.overlap = inputs->overlap;
    policy.control_share = inputs->control_share;
    policy.group_max = inputs->group_max;
    policy.tags_excluded = inputs->tags_excluded;
    policy.class_weight = inputs->class_weights > 0 ? class_weights : NULL;
    policy.tag_weight = inputs->tag_weight;
    policy.shares = inputs->shares;
    policy.share_count = inputs->share_count;
    policy.duplicates = (enum select_filter_mode)inputs->duplicates;
    policy.junk = (enum select_filter_mode)inputs->junk;
    policy.parameters = inputs->parameters;
    policy.references_max = (size_t)inputs->references_max;
    policy.threads = (unsigned)daemon->config.threads;
    policy.progress = give_up;
    policy.progress_context = daemon;
    return policy;
}

static bool run(const struct plan_input *input, const struct plan_inputs *inputs, const double *class_weights,
    struct daemon *daemon, struct select_result *result, struct protocol_error *error)
{
    const struct select_policy policy = policy_of(inputs, class_weights, daemon);
    struct select_error problem = {0};
    switch (select_run(&input->select, &policy, result, &problem)) {
    case SELECT_OK:
        return true;
    case SELECT_CANCELED:
        return daemon->vitals.stopping ? protocol_fail(error, PROTOCOL_BUSY, "", "", "the daemon is stopping")
                                       : protocol_fail(error, PROTOCOL_CANCELED, "", "", "the selection was stopped");
    case SELECT_NO_MEMORY:
        return no_memory(error);
    case SELECT_NEEDS_COLUMN:
        return protocol_fail(error, PROTOCOL_CONFLICT, "strategy", problem.expected, "%s", problem.got);
    default:
        return protocol_fail(
            error, PROTOCOL_BAD_REQUEST, problem.field ? problem.field : "", problem.expected, "%s", problem.got);
    }
}

static struct item item_of(const struct select_pick *pick)
{
    return (struct item){
        .slot = pick->slot,
        .predicted = pick->predicted,
        .price_microusd = pick->price,
        .probability = pick->probability,
        .uncertainty = pick->uncertainty,
        .class_weight = pick->class_weight,
        .slice_weight = pick->slice_weight,
        .gain = pick->gain,
        .utility = pick->utility,
        .arm = (uint8_t)pick->arm,
    };
}

/* Included items first, then picks, then spares. */
static bool assemble(struct made_plan *made, const struct plan_input *input, const struct wish *wish,
    const struct select_result *result, struct protocol_error *error)
{
    struct plan *plan = &made->plan;
    const size_t total = wish->include_count + result->count + result->spare_count;
    made->items = malloc((total + 1) * sizeof *made->items);
    if (!made->items)
        return no_memory(error);
    size_t at = 0;
    for (size_t i = 0; i < wish->include_count; i++, at++)
        made->items[at] = (struct item){.slot = wish->include[i],
            .predicted = -1,
            .price_microusd = input->price[wish->include[i]],
            .class_weight = 1,
            .slice_weight = 1,
            .arm = ITEM_ARM_INCLUDE};
    for (size_t i = 0; i < result->count + result->spare_count; i++, at++) {
        made->items[at] = item_of(&result->picks[i]);
        plan->control_items += i < result->count && result->picks[i].arm == SELECT_ARM_CONTROL;
        plan->share_items += i < result->count && result->picks[i].arm == SELECT_ARM_SHARE;
    }
    plan->items = made->items;
    plan->item_count = (uint32_t)total;
    plan->picks = (uint32_t)(wish->include_count + result->count);
    plan->stats = result->stats;
    return true;
}

/* --- one plan ----------------------------------------------------------------------------------------------------------- */

/* Takes the included samples out of the selection, and their cost out of its budget. */
static bool apply_include(
    struct plan_input *input, const struct wish *wish, struct plan_inputs *inputs, struct protocol_error *error)
{
    const char *field = wish->only ? "only" : "include";
    int64_t cost = 0;
    for (size_t i = 0; i < wish->include_count; i++) {
        const uint32_t slot = wish->include[i];
        int64_t price;
        if (input->state[slot] != SELECT_CANDIDATE)
            return protocol_fail(error, PROTOCOL_CONFLICT, field, "samples in the pool", "slot %" PRIu32, slot);
        if (__builtin_mul_overflow(input->price[slot], (int64_t)inputs->overlap, &price) ||
            __builtin_add_overflow(cost, price, &cost))
            return protocol_fail(error, PROTOCOL_BAD_REQUEST, field, "prices that add up", "more than 2^63");
        input->state[slot] = SELECT_IN_FLIGHT;
    }
    if (inputs->budget != INT64_MAX && cost > inputs->budget)
        return protocol_fail(error, PROTOCOL_BUDGET_EXHAUSTED, field, "samples within the budget", "%" PRId64 " of %" PRId64,
            cost, inputs->budget);
    if (inputs->budget != INT64_MAX)
        inputs->budget -= cost;
    if (inputs->count != SIZE_MAX)
        inputs->count = inputs->count > wish->include_count ? inputs->count - wish->include_count : 0;
    inputs->include_count = (uint32_t)wish->include_count;
    return true;
}

static int64_t cheapest_of(const struct plan_input *input, uint32_t overlap)
{
    int64_t cheapest = INT64_MAX;
    for (size_t slot = 0; slot < input->select.n; slot++)
        if (input->state[slot] == SELECT_CANDIDATE && input->price[slot] < cheapest)
            cheapest = input->price[slot];
    int64_t cost;
    return cheapest == INT64_MAX || __builtin_mul_overflow(cheapest, (int64_t)overlap, &cost) ? INT64_MAX : cost;
}

static bool make(struct made_plan *made, struct daemon *daemon, struct txn *state, struct txn *vectors, struct wish *wish,
    struct protocol_error *error)
{
    struct plan *plan = &made->plan;
    struct plan_inputs *inputs = &plan->inputs;
    struct plan_input input;
    struct select_result result = {0};
    const int64_t whole_budget = inputs->budget;
    bool ok = plan_input_init(&input, state, &made->project, (size_t)inputs->samples, inputs->type) ||
              protocol_fail(error, PROTOCOL_INTERNAL, "", "", "%s", database_status_text(state->status));
    if (ok)
        made->cheapest = cheapest_of(&input, inputs->overlap);
    ok = ok && apply_include(&input, wish, inputs, error);
    if (ok && !wish->only) {
        ok = plan_input_open_columns(&input, vectors, made->project.number, inputs, false, error);
        /* The state's snapshot has been read: letting it go lets its pages be used again while the planner thinks. */
        txn_abort(state);
        ok = ok && run(&input, inputs, made->class_weights, daemon, &result, error);
    }
    ok = ok && assemble(made, &input, wish, &result, error);
    if (ok) {
        made->states = input.state;
        input.state = NULL;
        plan->states = made->states;
        plan->class_weights = made->class_weights;
        plan->recorded = !wish->only;
    }
    /* What the engine holds the batch to; the selection's own share of it stays in the recorded inputs when included items took
     * some. */
    plan->budget = whole_budget;
    select_result_deinit(&result);
    plan_input_deinit(&input);
    return ok;
}

void made_plan_deinit(struct made_plan *made)
{
    free(made->items);
    free(made->states);
    free(made->class_weights);
    memset(made, 0, sizeof *made);
}

/* An empty plan says why: no money for any candidate, or no candidates. */
static void check_not_empty(struct made_plan *made, struct protocol_error *error)
{
    if (error->code || made->plan.picks > 0)
        return;
    if (made->cheapest == INT64_MAX || made->cheapest <= made->plan.budget) {
        protocol_fail(error, PROTOCOL_NOT_FOUND, "project", "a pool with candidates", "none");
        return;
    }
    protocol_fail(error, PROTOCOL_BUDGET_EXHAUSTED, "budget_microusd", "the price of at least one sample",
        "%" PRId64 " where the cheapest costs %" PRId64, made->plan.budget, made->cheapest);
}

/* Begins both snapshots, finds the project, and lets `read` turn it into a wish before the plan is made. */
static void make_from(struct made_plan *made, struct daemon *daemon, struct text project, struct request *request)
{
    struct txn state;
    struct txn vectors;
    struct wish wish = {0};
    struct protocol_error *error = &made->plan.error;
    memset(made, 0, sizeof *made);
    const bool begun = store_begin_read(&daemon->store, &state, &vectors);
    if (!begun)
        protocol_fail(error, PROTOCOL_INTERNAL, "", "", "%s",
            database_status_text(state.status != DATABASE_OK ? state.status : vectors.status));
    if (begun && project_find(&state, project, &made->project, error)) {
        made->available = made->project.counters.available_microusd;
        const bool ok = request ? wish_read(&wish, &made->plan, request, &state, &made->project, error)
                                : wish_replenish(&wish, &made->plan, &made->project, error);
        made->plan.inputs.references_max = (uint64_t)daemon->config.references_max;
        if (ok && wish_weigh(&made->plan.inputs, &made->class_weights, &state, &made->project, error) &&
            make(made, daemon, &state, &vectors, &wish, error))
            check_not_empty(made, error);
        if (error->code == PROTOCOL_BUDGET_EXHAUSTED)
            error->available_microusd = made->available;
    }
    wish_deinit(&wish);
    txn_abort(&state);
    txn_abort(&vectors);
}

void plan_make(struct made_plan *made, struct daemon *daemon, struct request *request)
{
    make_from(made, daemon, request->project, request);
}

void plan_make_replenishing(struct made_plan *made, struct daemon *daemon, struct text project)
{
    make_from(made, daemon, project, NULL);
}

/* --- REPLAY ------------------------------------------------------------------------------------------------------------- */

static bool was_dropped(const struct plan_recorded *recorded, uint32_t slot)
{
    for (uint32_t i = 0; i < recorded->inputs.dropped; i++) {
        uint32_t dropped;
        memcpy(&dropped, recorded->dropped + i * sizeof dropped, sizeof dropped);
        if (dropped == slot)
            return true;
    }
    return false;
}

/* The first rank at which the batch and the selection made again differ; -1: none. */
static int64_t first_difference(struct txn *state, const struct project *project, uint32_t number, const struct batch *batch,
    const struct plan_recorded *recorded, const struct select_result *result)
{
    uint32_t rank = recorded->inputs.include_count;
    for (size_t i = 0; i < result->count + result->spare_count && rank < batch->items; i++) {
        struct item item;
        if (was_dropped(recorded, result->picks[i].slot))
            continue;
        if (!item_get(state, project->number, number, rank, &item) || item.slot != result->picks[i].slot)
            return rank;
        rank++;
    }
    return rank < batch->items ? (int64_t)rank : -1;
}

static bool replay(struct daemon *daemon, struct txn *state, struct txn *vectors, struct request *request, struct writer *reply)
{
    struct protocol_error *error = &request->error;
    struct project project;
    struct batch batch;
    struct plan_recorded recorded = {0};
    struct plan_input input = {0};
    struct select_result result = {0};
    const uint32_t number = (uint32_t)reader_integer(&request->fields, "batch", 1, UINT32_MAX);
    if (error->code || !project_find(state, request->project, &project, error))
        return false;
    if (!batch_get(state, project.number, number, &batch))
        return protocol_fail(error, PROTOCOL_NOT_FOUND, "batch", "a batch of the project", "%" PRIu32, number);
    if (!plan_recall(state, project.number, number, &recorded))
        return protocol_fail(
            error, PROTOCOL_NOT_FOUND, "batch", "one of the newest 16 batches that were selected here", "%" PRIu32, number);
    bool ok = recorded.inputs.columns_changed == project.counters.columns_changed ||
              protocol_fail(error, PROTOCOL_CONFLICT, "batch", "a batch whose inputs are as they were",
                  "prices, groups or tags changed since");
    ok = ok && (plan_input_init(&input, state, &project, (size_t)recorded.inputs.samples, recorded.inputs.type) ||
                   protocol_fail(error, PROTOCOL_INTERNAL, "", "", "%s", database_status_text(state->status)));
    if (ok) {
        memcpy(input.state, recorded.states, (size_t)recorded.inputs.samples);
        /* Classes may have been added since. */
        if (recorded.inputs.class_weights > 0)
            input.select.classes = recorded.inputs.class_weights;
        ok = plan_input_recall_labels(&input, state, project.number, recorded.inputs.label_seq) &&
             plan_input_open_columns(&input, vectors, project.number, &recorded.inputs, true, error) &&
             run(&input, &recorded.inputs, recorded.class_weights, daemon, &result, error);
    }
    if (ok) {
        const int64_t difference = first_difference(state, &project, number, &batch, &recorded, &result);
        writer_bool(reply, "same", difference < 0);
        writer_integer(reply, "items", batch.items);
        writer_integer(reply, "first_difference", difference);
    }
    select_result_deinit(&result);
    plan_input_deinit(&input);
    free((void *)recorded.class_weights);
    return ok;
}

bool plan_replay(struct daemon *daemon, struct request *request, struct writer *reply)
{
    struct txn state;
    struct txn vectors;
    bool ok = false;
    if (store_begin_read(&daemon->store, &state, &vectors))
        ok = replay(daemon, &state, &vectors, request, reply);
    const enum database_status status = state.status != DATABASE_OK ? state.status : vectors.status;
    if (!ok && status != DATABASE_OK)
        protocol_fail(&request->error, PROTOCOL_INTERNAL, "", "", "%s", database_status_text(status));
    txn_abort(&state);
    txn_abort(&vectors);
    return ok;
}
