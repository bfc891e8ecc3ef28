/*
 * The reader thread: answers operations that only look, each from its own snapshot. A reply to a write is sent after its
 * commit, so whoever has the reply finds its effect here.
 */

#include "selector/read.h"

#include <string.h>

static read_fn *const table[OPERATION_COUNT] = {
    [OPERATION_PROJECT_GET] = read_project_get,
    [OPERATION_PROJECT_LIST] = read_project_list,
    [OPERATION_SAMPLE_GET] = read_sample_get,
    [OPERATION_BATCH_GET] = read_batch_get,
    [OPERATION_EXPLAIN] = read_explain,
    [OPERATION_LABELS_SINCE] = read_labels_since,
    [OPERATION_LEDGER_SINCE] = read_ledger_since,
    [OPERATION_EVENTS_SINCE] = read_events_since,
    [OPERATION_BUDGET_GET] = read_budget_get,
    [OPERATION_STATUS] = read_status,
    [OPERATION_PLANNER_CANCEL] = read_planner_cancel,
    [OPERATION_CONFIG] = read_config,
};

/* Runs one operation over a fresh snapshot. */
static bool look(struct daemon *daemon, struct request *request, struct writer *reply)
{
    struct txn state;
    struct txn vectors;
    bool ok = false;
    if (store_begin_read(&daemon->store, &state, &vectors)) {
        struct reading reading = {daemon, &state, &vectors};
        ok = table[request->operation](&reading, request, reply);
    }
    txn_abort(&state);
    txn_abort(&vectors);
    const enum database_status status = state.status != DATABASE_OK ? state.status : vectors.status;
    if (status == DATABASE_OK)
        return ok;
    log_error("read_failed", "op=%s status=\"%s\"", operation_name(request->operation), database_status_text(status));
    return protocol_fail(&request->error, PROTOCOL_INTERNAL, "", "", "%s", database_status_text(status));
}

static void answer(struct daemon *daemon, struct message *message, struct writer *reply, msgpack_zone *zone, void *socket)
{
    struct frame frames[REQUEST_FRAMES_MAX];
    const size_t count = message_frames(message, frames, REQUEST_FRAMES_MAX);
    struct request request;
    msgpack_zone_clear(zone);
    writer_reset(reply);
    bool ok = request_decode(&request, frames, count, zone);
    if (ok && !table[request.operation])
        ok = protocol_fail(&request.error, PROTOCOL_INTERNAL, "op", "", "an operation of another thread");
    if (ok) {
        reply_begin(reply, &request.id);
        ok = look(daemon, &request, reply);
        writer_map_end(reply);
        if (ok && !writer_finish(reply).data)
            ok = protocol_fail(&request.error, PROTOCOL_INTERNAL, "", "", "out of memory");
    }
    if (!ok) {
        writer_reset(reply);
        reply_error(reply, &request.id, &request.error);
    }
    message_reply(message, socket, writer_finish(reply));
}

/* The newest numbers of a project's events, for a new subscriber to its prefix. Nothing where the prefix names no project. */
static bool write_greeting(struct daemon *daemon, struct text prefix, struct writer *greeting)
{
    const char *slash = memchr(prefix.data, '/', prefix.size);
    if (!slash)
        return false;
    struct project project;
    struct txn state;
    const struct text name = {prefix.data, (size_t)(slash - prefix.data)};
    const bool found = txn_begin_read(&state, &daemon->store.state) && project_load(&state, name, &project);
    txn_abort(&state);
    if (!found)
        return false;
    writer_reset(greeting);
    writer_map_begin(greeting, NULL);
    writer_string(greeting, "kind", "hello");
    writer_text(greeting, "project", project.name);
    writer_integer(greeting, "seq", (int64_t)project.counters.events);
    writer_map_begin(greeting, "last");
    for (int kind = 0; kind < EVENT_KIND_COUNT; kind++)
        writer_integer(greeting, event_kind_name((enum event_kind)kind), (int64_t)project.counters.last_event[kind]);
    writer_map_end(greeting);
    writer_map_end(greeting);
    return writer_finish(greeting).data != NULL;
}

static void greet(struct daemon *daemon, struct message *message, struct writer *greeting, void *socket)
{
    struct frame prefix;
    if (message_frames(message, &prefix, 1) == 1 && write_greeting(daemon, (struct text){prefix.data, prefix.size}, greeting)) {
        const struct text map = writer_finish(greeting);
        if (message_add(message, map.data, map.size))
            message_send(message, socket, 0);
    }
    message_close(message);
}

void *reader_run(void *argument)
{
    struct daemon *daemon = argument;
    void *replies = message_socket(daemon->zmq, ZMQ_PUSH, NULL, ENDPOINT_REPLIES);
    void *inbox = message_socket(daemon->zmq, ZMQ_PULL, ENDPOINT_READER, NULL);
    msgpack_zone zone;
    struct writer reply;
    writer_init(&reply);
    bool running = msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE) && inbox;
    zmq_send(replies, running ? "+" : "-", 1, 0);
    while (running) {
        struct message message;
        if (!message_receive(&message, inbox, 0))
            continue;
        switch (message_route(&message).kind) {
        case ROUTE_STOP:
            message_close(&message);
            running = false;
            break;
        case ROUTE_GREETING:
            greet(daemon, &message, &reply, replies);
            break;
        default:
            answer(daemon, &message, &reply, &zone, replies);
            break;
        }
    }
    writer_deinit(&reply);
    msgpack_zone_destroy(&zone);
    if (inbox)
        zmq_close(inbox);
    if (replies)
        zmq_close(replies);
    return NULL;
}
