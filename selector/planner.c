/*
 * The planner thread: everything that computes for long. Selections and their replay, VERIFY, SNAPSHOT. It reads snapshots and
 * changes nothing; a plan to be committed goes to the engine like any request.
 */

#include "selector/plan_make.h"
#include "store/reply.h"
#include "store/verify.h"

#include <stdio.h>
#include <string.h>

enum { PICKS_SHOWN = 10000 };

struct planner {
    struct daemon *daemon;
    void *inbox;
    void *replies;
    void *engine;
    void *applied;  /* the engine's word on each plan that it was handed */
    size_t handed;  /* plans it has not given its word on */
    uint64_t tasks; /* so far */
    msgpack_zone zone;
    struct writer writer;
};

/* --- PLAN --------------------------------------------------------------------------------------------------------------- */

static void write_picks(struct daemon *daemon, const struct made_plan *made, struct writer *reply)
{
    struct txn state;
    writer_list_begin(reply, "picks");
    if (txn_begin_read(&state, &daemon->store.state)) {
        for (uint32_t i = 0; i < made->plan.picks && i < PICKS_SHOWN; i++) {
            const struct item *item = &made->items[i];
            const struct source source = source_get(&state, made->project.number, item->slot);
            writer_map_begin(reply, NULL);
            writer_integer(reply, "rank", i);
            writer_integer(reply, "slot", item->slot);
            writer_text(reply, "key", source.key);
            writer_text(reply, "uri", source.uri);
            writer_integer(reply, "price_microusd", item->price_microusd);
            writer_string(reply, "arm", item_arm_name(item->arm));
            char reason[192];
            plan_describe(item, (enum select_strategy)made->plan.inputs.strategy, reason, sizeof reason);
            writer_string(reply, "reason", reason);
            writer_number(reply, "probability", item->probability);
            if (item->predicted >= 0)
                writer_text(reply, "predicted", name_text(&state, made->project.number, NAME_CLASS, (uint32_t)item->predicted));
            writer_number(reply, "uncertainty", item->uncertainty);
            writer_number(reply, "gain", item->gain);
            writer_number(reply, "utility", item->utility);
            writer_map_end(reply);
        }
    }
    txn_abort(&state);
    writer_list_end(reply);
}

/* The cost of the picks; false where it exceeds what is available. */
static bool check_cost(const struct made_plan *made, int64_t *cost, struct protocol_error *error)
{
    *cost = 0;
    for (uint32_t i = 0; i < made->plan.picks; i++) {
        int64_t price;
        if (__builtin_mul_overflow(made->items[i].price_microusd, (int64_t)made->plan.inputs.overlap, &price) ||
            __builtin_add_overflow(*cost, price, cost))
            *cost = INT64_MAX;
    }
    if (*cost <= made->available)
        return true;
    protocol_fail(error, PROTOCOL_BUDGET_EXHAUSTED, "count", "no more than what is available, or partial: true",
        "%lld of %lld available", (long long)*cost, (long long)made->available);
    error->available_microusd = made->available;
    return false;
}

static bool plan(struct planner *planner, struct request *request, struct writer *reply)
{
    struct made_plan made;
    int64_t cost;
    plan_make(&made, planner->daemon, request);
    request->error = made.plan.error;
    const bool ok = !request->error.code && check_cost(&made, &cost, &request->error);
    if (ok) {
        writer_integer(reply, "items", made.plan.picks);
        writer_integer(reply, "cost_microusd", cost);
        writer_integer(reply, "available_microusd", made.available - cost);
        writer_string(reply, "strategy", select_strategy_name((enum select_strategy)made.plan.inputs.strategy));
        writer_integer(reply, "seed", (int64_t)made.plan.inputs.seed);
        writer_integer(reply, "model_version", made.plan.inputs.model_version);
        plan_write_stats(reply, &made.plan);
        write_picks(planner->daemon, &made, reply);
    }
    made_plan_deinit(&made);
    return ok;
}

/* --- VERIFY, SNAPSHOT --------------------------------------------------------------------------------------------------- */

static bool verify(struct planner *planner, struct request *request, struct writer *reply)
{
    struct verification verification;
    verification_init(&verification);
    const bool ok = store_verify(&planner->daemon->store, request->project, &verification, &request->error);
    if (ok)
        verification_write(&verification, reply);
    verification_deinit(&verification);
    return ok;
}

static bool snapshot(struct planner *planner, struct request *request, struct writer *reply)
{
    char folder[512];
    char problem[512];
    struct store *store = &planner->daemon->store;
    const struct text name = reader_text(&request->fields, "name", 1, 64);
    if (request->error.code)
        return false;
    if (!text_is_name(name, 64, "") || name.data[0] == '.')
        return protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, "name",
            "1 to 64 of A-Z a-z 0-9 . _ -, not beginning with a dot", "%.*s", (int)name.size, name.data);
    snprintf(folder, sizeof folder, "%s/snapshots", store->folder);
    if (!store_make_folder(folder, problem, sizeof problem))
        return protocol_fail(&request->error, PROTOCOL_INTERNAL, "", "", "%s", problem);
    char named[65];
    char path[sizeof folder + sizeof named];
    snprintf(named, sizeof named, "%.*s", (int)name.size, name.data);
    snprintf(path, sizeof path, "%s/%s", folder, named);
    if (store_exists(path))
        return protocol_fail(&request->error, PROTOCOL_CONFLICT, "name", "the name of no snapshot yet", "%s", named);
    if (!store_snapshot(store, folder, named, problem, sizeof problem))
        return protocol_fail(&request->error, PROTOCOL_STORAGE_FULL, "name", "", "%s", problem);
    writer_string(reply, "path", path);
    return true;
}

/* --- the messages ------------------------------------------------------------------------------------------------------- */

/*
 * A batch is selected from a state that all batches before it are in. From an older one it would select the same samples again,
 * and have little more than its spares in the end.
 */
static void wait_for_earlier_plans(struct planner *planner)
{
    while (planner->handed > 0)
        if (zmq_recv(planner->applied, NULL, 0, 0) >= 0)
            planner->handed--;
}

/* Adds the plan to the message and hands both to the engine. */
static void hand_over(struct planner *planner, struct message *message, enum route_kind kind, const struct plan *plan)
{
    struct route route = message_route(message);
    msgpack_sbuffer frame;
    msgpack_sbuffer_init(&frame);
    route.kind = (uint8_t)kind;
    message_set_route(message, &route);
    planner->daemon->vitals.task = 0; /* whoever is answered shall find it so */
    if (plan_pack(plan, &frame) && message_add(message, frame.data, frame.size))
        planner->handed += message_send(message, planner->engine, 0);
    msgpack_sbuffer_destroy(&frame);
    message_close(message);
}

/* Was this very commit done before? Then the engine answers it as it did, and no selection is needed. */
static bool is_repeated(struct planner *planner, const struct request *request)
{
    struct txn state;
    struct project project;
    struct kept_reply kept;
    struct text bytes;
    const bool found = txn_begin_read(&state, &planner->daemon->store.state) &&
                       project_load(&state, request->project, &project) &&
                       reply_find(&state, project.number, request->id.bytes, &kept, &bytes);
    txn_abort(&state);
    return found;
}

static void commit(struct planner *planner, struct message *message, struct request *request)
{
    struct made_plan made;
    memset(&made, 0, sizeof made);
    wait_for_earlier_plans(planner);
    if (!is_repeated(planner, request))
        plan_make(&made, planner->daemon, request);
    else
        protocol_fail(&made.plan.error, PROTOCOL_INTERNAL, "", "", "a repeated commit without its kept reply");
    if (made.plan.error.code)
        made.plan.inputs = (struct plan_inputs){0}, made.plan.item_count = 0;
    hand_over(planner, message, ROUTE_COMMIT, &made.plan);
    made_plan_deinit(&made);
}

/* Shows what is computed, under a number of its own. */
static void announce(struct planner *planner, enum operation operation)
{
    struct vitals *vitals = &planner->daemon->vitals;
    vitals->task_operation = (uint32_t)operation;
    vitals->task_permille = 0;
    vitals->task = ++planner->tasks;
}

static void replenish(struct planner *planner, struct message *message)
{
    struct frame name;
    struct made_plan made;
    if (message_frames(message, &name, 1) != 1) {
        message_close(message);
        return;
    }
    announce(planner, OPERATION_BATCH_COMMIT);
    wait_for_earlier_plans(planner);
    plan_make_replenishing(&made, planner->daemon, (struct text){name.data, name.size});
    if (made.plan.error.code)
        made.plan.inputs = (struct plan_inputs){0}, made.plan.item_count = 0;
    hand_over(planner, message, ROUTE_REPLENISH, &made.plan);
    made_plan_deinit(&made);
}

static bool answer(struct planner *planner, struct request *request, struct writer *reply)
{
    switch (request->operation) {
    case OPERATION_PLAN:
        return plan(planner, request, reply);
    case OPERATION_REPLAY:
        return plan_replay(planner->daemon, request, reply);
    case OPERATION_VERIFY:
        return verify(planner, request, reply);
    case OPERATION_SNAPSHOT:
        return snapshot(planner, request, reply);
    default:
        return protocol_fail(&request->error, PROTOCOL_INTERNAL, "op", "", "an operation of another thread");
    }
}

static void handle(struct planner *planner, struct message *message)
{
    struct frame frames[REQUEST_FRAMES_MAX];
    struct request request;
    struct writer *reply = &planner->writer;
    msgpack_zone_clear(&planner->zone);
    bool ok = request_decode(&request, frames, message_frames(message, frames, REQUEST_FRAMES_MAX), &planner->zone);
    if (ok)
        announce(planner, request.operation);
    if (ok && request.operation == OPERATION_BATCH_COMMIT) {
        commit(planner, message, &request);
        return;
    }
    writer_reset(reply);
    if (ok) {
        reply_begin(reply, &request.id);
        ok = answer(planner, &request, reply);
        writer_map_end(reply);
    }
    if (ok && !writer_finish(reply).data)
        ok = protocol_fail(&request.error, PROTOCOL_INTERNAL, "", "", "out of memory");
    if (!ok) {
        writer_reset(reply);
        reply_error(reply, &request.id, &request.error);
    }
    planner->daemon->vitals.task = 0; /* whoever is answered shall find it so */
    message_reply(message, planner->replies, writer_finish(reply));
}

static void loop(struct planner *planner)
{
    for (;;) {
        struct message message;
        if (!message_receive(&message, planner->inbox, 0))
            continue;
        const struct route route = message_route(&message);
        if (route.kind == ROUTE_STOP) {
            message_close(&message);
            return;
        }
        if (route.kind == ROUTE_REPLENISH)
            replenish(planner, &message);
        else
            handle(planner, &message);
    }
}

void *planner_run(void *argument)
{
    struct daemon *daemon = argument;
    struct planner planner = {.daemon = daemon};
    writer_init(&planner.writer);
    planner.replies = message_socket(daemon->zmq, ZMQ_PUSH, NULL, ENDPOINT_REPLIES);
    planner.inbox = message_socket(daemon->zmq, ZMQ_PULL, ENDPOINT_PLANNER, NULL);
    planner.engine = message_socket(daemon->zmq, ZMQ_PUSH, NULL, ENDPOINT_ENGINE);
    planner.applied = message_socket(daemon->zmq, ZMQ_PULL, ENDPOINT_APPLIED, NULL);
    const bool ok =
        msgpack_zone_init(&planner.zone, MSGPACK_ZONE_CHUNK_SIZE) && planner.inbox && planner.engine && planner.applied;
    zmq_send(planner.replies, ok ? "+" : "-", 1, 0);
    if (ok)
        loop(&planner);
    if (planner.inbox)
        zmq_close(planner.inbox);
    if (planner.engine)
        zmq_close(planner.engine);
    if (planner.applied)
        zmq_close(planner.applied);
    if (planner.replies)
        zmq_close(planner.replies);
    writer_deinit(&planner.writer);
    msgpack_zone_destroy(&planner.zone);
    return NULL;
}
