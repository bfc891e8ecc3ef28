/*
 * The engine: the only writer of the state. It takes all requests that have arrived, applies them in one transaction, syncs it,
 * and only then lets replies and events go. So the cost of a sync is shared by everyone who waits for it.
 *
 * A request that is refused after it began to write poisons its group: the transaction is undone and the group applied again
 * without it. A group that the store can't take is tried again one request at a time, so that only the request at fault is
 * refused.
 */

#include "selector/apply.h"
#include "selector/hash.h"
#include "selector/replenish.h"
#include "selector/thread.h"

#include <stdlib.h>
#include <string.h>

enum { EXPIRY_RETRY_MS = 1000, REPLENISH_RETRY_MS = 10000 };

/* A request of the current group. */
struct pending {
    struct message message;
    bool poisoned; /* refused after a write: answered with `error`, not applied again */
    struct protocol_error error;
    size_t reply; /* offset into engine->replies */
    size_t reply_size;
};

struct engine {
    struct daemon *daemon;
    void *quick;
    void *slow;
    void *replies_socket;
    void *events_socket;
    void *columns_socket;
    void *planner_socket;
    void *applied_socket;
    struct change change;
    struct deadlines deadlines;
    struct deadline *due; /* leases that ran out, given back in the current group */
    size_t due_count;
    size_t due_room;
    struct purges purges;
    bool draining;
    bool stopping;
    struct pending *group;
    size_t group_room;
    size_t group_count;
    msgpack_zone zone;
    struct writer writer;
    msgpack_sbuffer replies;
    struct replenishments replenishments;
};

/* --- one request -------------------------------------------------------------------------------------------------------- */

/* What the engine does for an operation. Operations of other threads have no function here. */
static const struct {
    apply_fn *apply;
    bool keeps_reply; /* its effect can't be told from the state, so a retry needs the reply kept */
} table[OPERATION_COUNT] = {
    [OPERATION_PROJECT_CREATE] = {apply_project_create, false},
    [OPERATION_PROJECT_SET] = {apply_project_set, false},
    [OPERATION_SAMPLE_PUT] = {apply_sample_put, false},
    [OPERATION_SAMPLE_DROP] = {apply_sample_drop, false},
    [OPERATION_MODEL_BEGIN] = {apply_model_begin, false},
    [OPERATION_MODEL_ACTIVATE] = {apply_model_activate, false},
    [OPERATION_MODEL_DROP] = {apply_model_drop, true},
    [OPERATION_PRED_PUT] = {apply_pred_activate, false},
    [OPERATION_EVAL_PUT] = {apply_eval_put, false},
    [OPERATION_BATCH_COMMIT] = {NULL, true},
    [OPERATION_BATCH_CANCEL] = {apply_batch_cancel, true},
    [OPERATION_LEASE] = {apply_lease, false},
    [OPERATION_TOUCH] = {apply_touch, false},
    [OPERATION_SUBMIT] = {apply_submit, false},
    [OPERATION_SKIP] = {apply_skip, true},
    [OPERATION_RELEASE] = {apply_release, true},
    [OPERATION_LABEL_IMPORT] = {apply_label_import, false},
    [OPERATION_BUDGET_GRANT] = {apply_budget_grant, true},
    [OPERATION_DRAIN] = {apply_drain, false},
};

static struct applying applying_of(struct engine *engine)
{
    return (struct applying){&engine->change, &engine->deadlines, &engine->purges, &engine->draining};
}

/* The reply kept for this very request, if there is one. True where the request is dealt with: answered, or refused as a
 * conflict. */
static bool answer_kept(struct engine *engine, struct request *request, const uint64_t body[2], struct writer *reply, bool *ok)
{
    struct kept_reply kept;
    struct text bytes;
    struct project *project = apply_find_project(&(struct applying){.change = &engine->change}, request);
    *ok = false;
    if (!project)
        return true;
    if (!reply_find(&engine->change.txn, project->number, request->id.bytes, &kept, &bytes))
        return false;
    if (memcmp(kept.body, body, sizeof kept.body) != 0) {
        protocol_fail(&request->error, PROTOCOL_CONFLICT, "id", "a new id for a new request", "an id that another request had");
        return true;
    }
    writer_reset(reply);
    writer_raw(reply, NULL, bytes.data, bytes.size);
    *ok = true;
    return true;
}

static bool call(struct engine *engine, const struct message *message, struct request *request, struct writer *reply)
{
    struct applying applying = applying_of(engine);
    const struct route route = message_route(message);
    if (route.kind == ROUTE_ACTIVATE)
        writer_integer(reply, "rows", (int64_t)route.rows);
    if (route.kind != ROUTE_COMMIT)
        return table[request->operation].apply(&applying, request, reply);
    struct plan plan;
    const zmq_msg_t *frame = &message->frames[message->count - 1];
    if (!plan_unpack(&plan, zmq_msg_data((zmq_msg_t *)frame), zmq_msg_size(frame)))
        return protocol_fail(&request->error, PROTOCOL_INTERNAL, "", "", "a malformed plan");
    return apply_batch_commit(&applying, request, &plan, reply);
}

/* Of one frame its hash, of several that of their hashes: arrays tell requests apart as the map does. */
static void hash_frames(const struct frame *frames, size_t count, uint64_t hash[2])
{
    uint64_t hashes[REQUEST_FRAMES_MAX + 1][2];
    for (size_t i = 0; i < count; i++)
        hash_bytes(frames[i].data, frames[i].size, hashes[i]);
    if (count == 1)
        memcpy(hash, hashes[0], sizeof hashes[0]);
    else
        hash_bytes(hashes, count * sizeof hashes[0], hash);
}

/* Applies a decoded request and writes its whole reply. False where it was refused, with request->error filled. */
static bool apply_decoded(
    struct engine *engine, const struct message *message, struct request *request, const struct frame *frames, size_t count)
{
    struct writer *reply = &engine->writer;
    const bool keeps = table[request->operation].keeps_reply;
    uint64_t body[2] = {0, 0};
    if (keeps) {
        bool ok;
        hash_frames(frames, count, body);
        if (answer_kept(engine, request, body, reply, &ok))
            return ok;
    }
    writer_reset(reply);
    reply_begin(reply, &request->id);
    if (!call(engine, message, request, reply))
        return false;
    writer_map_end(reply);
    const struct text bytes = writer_finish(reply);
    if (!bytes.data)
        return protocol_fail(&request->error, PROTOCOL_INTERNAL, "", "", "out of memory");
    if (keeps) {
        struct project *project = change_project(&engine->change, request->project, &request->error);
        if (project)
            reply_keep(&engine->change, project, request->id.bytes, body, bytes);
    }
    return true;
}

/* Moves the written reply to the group's. */
static void store_reply(struct engine *engine, struct pending *pending)
{
    const struct text bytes = writer_finish(&engine->writer);
    pending->reply = engine->replies.size;
    pending->reply_size = bytes.size;
    if (!bytes.data || msgpack_sbuffer_write(&engine->replies, bytes.data, bytes.size) != 0)
        pending->reply_size = 0;
}

static void store_error(
    struct engine *engine, struct pending *pending, const struct request_id *id, const struct protocol_error *error)
{
    writer_reset(&engine->writer);
    reply_error(&engine->writer, id, error);
    store_reply(engine, pending);
}

/* Applies one request of the group. False where the group must be undone: it was refused after it had written. */
static bool apply_pending(struct engine *engine, struct pending *pending)
{
    struct frame frames[REQUEST_FRAMES_MAX + 1];
    size_t count = message_frames(&pending->message, frames, REQUEST_FRAMES_MAX + 1);
    if (message_route(&pending->message).kind == ROUTE_COMMIT)
        count--; /* the plan */
    struct request request;
    msgpack_zone_clear(&engine->zone);
    const bool decoded = request_decode(&request, frames, count, &engine->zone);
    if (pending->poisoned) {
        store_error(engine, pending, &request.id, &pending->error);
        return true;
    }
    if (engine->daemon->vitals.read_only)
        protocol_fail(&request.error, PROTOCOL_READ_ONLY, "", "", "a write to disk failed earlier");
    const uint64_t before = engine->change.txn.writes;
    if (decoded && !request.error.code && apply_decoded(engine, &pending->message, &request, frames, count)) {
        store_reply(engine, pending);
        return true;
    }
    if (!request.error.code && engine->change.txn.status == DATABASE_OK)
        protocol_fail(&request.error, PROTOCOL_INTERNAL, "", "", "a refusal without a reason");
    if (request.error.code == PROTOCOL_INTERNAL)
        log_error("internal", "op=%s got=\"%s\"", operation_name(request.operation), request.error.got);
    store_error(engine, pending, &request.id, &request.error);
    if (engine->change.txn.writes == before || request.keep_effects)
        return true;
    pending->poisoned = true;
    pending->error = request.error;
    return false;
}

/* Rows of a project in continuous mode were pushed. */
static void apply_pushed(struct engine *engine, struct pending *pending)
{
    struct frame frame;
    uint32_t number;
    pending->reply_size = 0;
    if (message_frames(&pending->message, &frame, 1) != 1 || frame.size != sizeof number)
        return;
    memcpy(&number, frame.data, sizeof number);
    if (change_project_numbered(&engine->change, number))
        replenish_pushed(&engine->replenishments, number);
}

static void apply_replenished(struct engine *engine, struct pending *pending)
{
    struct frame frames[2] = {{0}};
    struct plan plan;
    pending->reply_size = 0;
    if (message_frames(&pending->message, frames, 2) != 2 || !plan_unpack(&plan, frames[1].data, frames[1].size))
        return;
    struct applying applying = applying_of(engine);
    const struct text name = {frames[0].data, frames[0].size};
    const bool again = !engine->daemon->vitals.read_only && apply_replenish(&applying, name, &plan);
    struct protocol_error unknown = {0};
    const struct project *project = change_project(&engine->change, name, &unknown);
    const int64_t pause_ms = engine->draining ? 0 : REPLENISH_RETRY_MS;
    if (project)
        replenish_answered(
            &engine->replenishments, project->number, plan.error.code, again ? engine->change.now_ms + pause_ms : 0);
}

/* --- a group ------------------------------------------------------------------------------------------------------------ */

/* Takes the leases whose time has come off the heap. */
static void collect_due(struct engine *engine, int64_t now_ms)
{
    const struct deadline *first;
    while ((first = deadlines_first(&engine->deadlines)) && first->time_ms <= now_ms && engine->due_count < 100000) {
        if (engine->due_count == engine->due_room) {
            const size_t room = engine->due_room ? 2 * engine->due_room : 256;
            struct deadline *due = realloc(engine->due, room * sizeof *due);
            if (!due)
                return;
            engine->due = due;
            engine->due_room = room;
        }
        engine->due[engine->due_count++] = *first;
        deadlines_remove_first(&engine->deadlines);
    }
}

/* Applies group[first..last) once. */
static void apply_all(struct engine *engine, size_t first, size_t last, int64_t now_ms)
{
    for (;;) {
        struct applying applying = applying_of(engine);
        bool undo = false;
        msgpack_sbuffer_clear(&engine->replies);
        engine->purges.count = 0;
        if (!change_begin(&engine->change, now_ms))
            return;
        for (size_t i = 0; i < engine->due_count; i++)
            apply_expiry(&applying, &engine->due[i]);
        for (size_t i = first; i < last && !undo && engine->change.txn.status == DATABASE_OK; i++) {
            struct pending *pending = &engine->group[i];
            const uint8_t kind = message_route(&pending->message).kind;
            if (kind == ROUTE_REPLENISH)
                apply_replenished(engine, pending);
            else if (kind == ROUTE_PUSHED)
                apply_pushed(engine, pending);
            else
                undo = !apply_pending(engine, pending);
        }
        if (!undo || engine->change.txn.status != DATABASE_OK)
            return;
        change_abort(&engine->change);
    }
}

static void send_replies(struct engine *engine, size_t first, size_t last)
{
    for (size_t i = first; i < last; i++) {
        struct pending *pending = &engine->group[i];
        const uint8_t kind = message_route(&pending->message).kind;
        if (kind == ROUTE_COMMIT || kind == ROUTE_REPLENISH)
            zmq_send(engine->applied_socket, NULL, 0, ZMQ_DONTWAIT);
        if (pending->reply_size > 0)
            message_reply(&pending->message, engine->replies_socket,
                (struct text){engine->replies.data + pending->reply, pending->reply_size});
        else
            message_close(&pending->message);
    }
}

static void send_events(struct engine *engine)
{
    const char *bytes = engine->change.outgoing_bytes.data;
    for (size_t i = 0; i < engine->change.outgoing_count; i++) {
        const struct outgoing *event = &engine->change.outgoing[i];
        zmq_send(engine->events_socket, bytes + event->topic, event->topic_size, ZMQ_SNDMORE);
        zmq_send(engine->events_socket, bytes + event->map, event->map_size, 0);
    }
}

static void send_purges(struct engine *engine)
{
    for (size_t i = 0; i < engine->purges.count; i++) {
        const struct purge purge = {.project = engine->purges.list[i].project, .version = engine->purges.list[i].version};
        /* Without waiting: when the daemon stops, the columns thread ends first. What it is not told it deletes at its next
         * start. */
        message_tell(engine->columns_socket, ROUTE_PURGE, &purge, sizeof purge, ZMQ_DONTWAIT);
    }
}

/* The answer to a request whose transaction the store did not take. */
static void refuse_unstored(struct engine *engine, struct pending *pending, enum database_status status)
{
    static const enum protocol_code codes[] = {
        [DATABASE_OK] = PROTOCOL_INTERNAL,
        [DATABASE_MAP_FULL] = PROTOCOL_STORAGE_FULL,
        [DATABASE_TXN_FULL] = PROTOCOL_TOO_LARGE,
        [DATABASE_DISK_FULL] = PROTOCOL_STORAGE_FULL,
        [DATABASE_NO_MEMORY] = PROTOCOL_INTERNAL,
        [DATABASE_CORRUPT] = PROTOCOL_INTERNAL,
        [DATABASE_FAILED] = PROTOCOL_READ_ONLY,
    };
    pending->reply_size = 0;
    const uint8_t kind = message_route(&pending->message).kind;
    if (kind == ROUTE_REPLENISH || kind == ROUTE_PUSHED)
        return; /* nobody asked */
    struct frame frames[REQUEST_FRAMES_MAX];
    const size_t count = message_frames(&pending->message, frames, REQUEST_FRAMES_MAX);
    struct request request;
    msgpack_zone_clear(&engine->zone);
    request_decode(&request, frames, count, &engine->zone);
    struct protocol_error error = {0};
    protocol_fail(&error, codes[status], "", "", "%s", database_status_text(status));
    msgpack_sbuffer_clear(&engine->replies);
    store_error(engine, pending, &request.id, &error);
}

/* Applies and commits group[first..last); True where it is on disk. */
static bool commit_range(struct engine *engine, size_t first, size_t last, int64_t now_ms)
{
    apply_all(engine, first, last, now_ms);
    const bool wrote = engine->change.txn.writes > 0;
    if (engine->change.txn.status == DATABASE_OK && !wrote) {
        /* Nothing changed: there is nothing to sync. Projects stay as they were loaded. */
        change_end(&engine->change);
    } else if (!change_commit(&engine->change)) {
        return false;
    }
    engine->due_count = 0;
    engine->daemon->vitals.commits += wrote;
    engine->daemon->vitals.requests += last - first;
    /* Whoever is told of it shall find it so. */
    engine->daemon->vitals.draining = engine->draining;
    send_replies(engine, first, last);
    send_events(engine);
    send_purges(engine);
    return true;
}

/* Leases that could not be given back now are tried again in a while, without a request's having to wait for them. */
static void postpone_due(struct engine *engine, int64_t now_ms)
{
    for (size_t i = 0; i < engine->due_count; i++) {
        engine->due[i].time_ms = now_ms + EXPIRY_RETRY_MS;
        deadlines_add(&engine->deadlines, engine->due[i]);
    }
    engine->due_count = 0;
}

static void log_unstored(const struct txn *txn)
{
    log_error("write_failed", "environment=state status=\"%s\" error=\"%s\"", database_status_text(txn->status),
        mdb_strerror(txn->lmdb_error));
}

/* After a failed sync nobody knows what is on disk: writing on could make it worse. */
static void stop_writing_after_failure(struct engine *engine)
{
    if (engine->change.txn.status != DATABASE_FAILED || engine->daemon->vitals.read_only)
        return;
    engine->daemon->vitals.read_only = true;
    log_error("read_only", "environment=state reason=\"a write to disk failed\"");
}

static void commit_group(struct engine *engine)
{
    const int64_t now_ms = wall_ms();
    if (!engine->daemon->vitals.read_only)
        collect_due(engine, now_ms);
    const bool done = commit_range(engine, 0, engine->group_count, now_ms);
    if (!done) {
        log_unstored(&engine->change.txn);
        stop_writing_after_failure(engine);
        postpone_due(engine, now_ms);
    }
    for (size_t i = 0; !done && i < engine->group_count; i++) {
        if (commit_range(engine, i, i + 1, now_ms))
            continue;
        stop_writing_after_failure(engine);
        log_unstored(&engine->change.txn);
        refuse_unstored(engine, &engine->group[i], engine->change.txn.status);
        send_replies(engine, i, i + 1);
    }
    engine->group_count = 0;
}

/* Batches for the projects in continuous mode. */
static void replenish_all(struct engine *engine)
{
    if (engine->draining || engine->daemon->vitals.read_only)
        return;
    for (size_t i = 0; i < engine->change.project_count; i++)
        if (engine->change.projects[i]->settings.replenish_depth > 0)
            replenish(&engine->replenishments, engine->change.projects[i], engine->planner_socket, wall_ms());
}

/* --- the loop ----------------------------------------------------------------------------------------------------------- */

/* Takes a message into the group; false where there is none. */
static bool take(struct engine *engine, void *socket)
{
    struct pending *pending = &engine->group[engine->group_count];
    *pending = (struct pending){.message.count = 0};
    if (!message_receive(&pending->message, socket, ZMQ_DONTWAIT))
        return false;
    if (message_route(&pending->message).kind == ROUTE_STOP) {
        message_close(&pending->message);
        engine->stopping = true;
        return true;
    }
    engine->group_count++;
    return true;
}

/* Everything quick that has arrived, and one slow request. */
static void gather(struct engine *engine)
{
    while (engine->group_count + 1 < engine->group_room && take(engine, engine->quick)) {
    }
    take(engine, engine->slow);
}

static long poll_timeout_ms(const struct engine *engine)
{
    if (engine->daemon->vitals.read_only)
        return -1;
    const struct deadline *first = deadlines_first(&engine->deadlines);
    const int64_t now_ms = wall_ms();
    const int64_t attempt_ms = replenish_next_ms(&engine->replenishments, now_ms);
    const int64_t next_ms = first && first->time_ms < attempt_ms ? first->time_ms : attempt_ms;
    if (next_ms == INT64_MAX)
        return -1;
    const int64_t left = next_ms - now_ms;
    return left < 0 ? 0 : left > 60000 ? 60000 : (long)left + 1;
}

static void loop(struct engine *engine)
{
    while (!engine->stopping) {
        zmq_pollitem_t items[] = {{engine->quick, 0, ZMQ_POLLIN, 0}, {engine->slow, 0, ZMQ_POLLIN, 0}};
        zmq_poll(items, 2, poll_timeout_ms(engine));
        gather(engine);
        commit_group(engine);
        replenish_all(engine);
    }
    /* What came before the stop is still done: its senders may wait for it. */
    do {
        gather(engine);
        const bool more = engine->group_count > 0;
        commit_group(engine);
        if (!more)
            break;
    } while (true);
}

struct lease_loading {
    struct engine *engine;
    uint32_t project;
};

static bool load_deadline(void *context, uint32_t worker, uint32_t slot, const struct lease *lease)
{
    const struct lease_loading *loading = context;
    struct engine *engine = loading->engine;
    struct sample sample;
    (void)worker;
    if (!sample_get(&engine->change.txn, loading->project, slot, &sample))
        return txn_corrupt(&engine->change.txn);
    return deadlines_add(&engine->deadlines, (struct deadline){sample.deadline_ms, lease->fence, loading->project, slot});
}

static bool load_deadlines(void *context, struct text name, uint32_t number)
{
    struct engine *engine = context;
    struct lease_loading loading = {engine, number};
    (void)name;
    lease_each(&engine->change.txn, number, load_deadline, &loading);
    return engine->change.txn.status == DATABASE_OK;
}

/* Finds the leases that live, and the projects in continuous mode. */
static bool load(struct engine *engine)
{
    if (!change_begin(&engine->change, wall_ms()))
        return false;
    project_each(&engine->change.txn, load_deadlines, engine);
    change_load_projects(&engine->change);
    const bool ok = engine->change.txn.status == DATABASE_OK;
    txn_abort(&engine->change.txn);
    return ok;
}

static bool start(struct engine *engine, struct daemon *daemon)
{
    memset(engine, 0, sizeof *engine);
    engine->daemon = daemon;
    change_init(&engine->change, &daemon->store.state);
    writer_init(&engine->writer);
    msgpack_sbuffer_init(&engine->replies);
    engine->group_room = (size_t)daemon->config.group_requests + 2;
    engine->group = calloc(engine->group_room, sizeof *engine->group);
    engine->quick = message_socket(daemon->zmq, ZMQ_PULL, ENDPOINT_ENGINE, NULL);
    engine->slow = message_socket(daemon->zmq, ZMQ_PULL, ENDPOINT_ENGINE_SLOW, NULL);
    engine->replies_socket = message_socket(daemon->zmq, ZMQ_PUSH, NULL, ENDPOINT_REPLIES);
    engine->events_socket = message_socket(daemon->zmq, ZMQ_PUSH, NULL, ENDPOINT_EVENTS);
    engine->columns_socket = message_socket(daemon->zmq, ZMQ_PUSH, NULL, ENDPOINT_COLUMNS);
    engine->planner_socket = message_socket(daemon->zmq, ZMQ_PUSH, NULL, ENDPOINT_PLANNER);
    engine->applied_socket = message_socket(daemon->zmq, ZMQ_PUSH, NULL, ENDPOINT_APPLIED);
    return msgpack_zone_init(&engine->zone, MSGPACK_ZONE_CHUNK_SIZE) && engine->group && engine->quick && engine->slow &&
           engine->replies_socket && engine->events_socket && engine->columns_socket && engine->planner_socket &&
           engine->applied_socket && load(engine);
}

static void stop(struct engine *engine)
{
    void *sockets[] = {engine->quick, engine->slow, engine->replies_socket, engine->events_socket, engine->columns_socket,
        engine->planner_socket, engine->applied_socket};
    for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++)
        if (sockets[i])
            zmq_close(sockets[i]);
    change_deinit(&engine->change);
    deadlines_deinit(&engine->deadlines);
    writer_deinit(&engine->writer);
    msgpack_sbuffer_destroy(&engine->replies);
    msgpack_zone_destroy(&engine->zone);
    free(engine->due);
    free(engine->group);
    free(engine->purges.list);
    replenish_deinit(&engine->replenishments);
}

void *engine_run(void *argument)
{
    struct daemon *daemon = argument;
    struct engine engine;
    const bool ok = start(&engine, daemon);
    if (!ok)
        log_error("engine_start", "status=\"%s\"", database_status_text(engine.change.txn.status));
    zmq_send(engine.replies_socket, ok ? "+" : "-", 1, 0);
    if (ok) {
        replenish_all(&engine);
        loop(&engine);
    }
    stop(&engine);
    return NULL;
}
