/*
 * The columns thread: the only writer of the vectors. It checks bulk arrays in one pass and writes and syncs them, so that a
 * large push never stands between a worker and its lease. Pushes that have arrived together share one transaction.
 */

#include "selector/push.h"
#include "selector/thread.h"
#include "store/model.h"

#include <stdlib.h>
#include <string.h>

enum { GROUP_MAX = 16 };

/* The columns that come and go with a model version. */
static const enum column_kind of_models[] = {COLUMN_PROBABILITIES, COLUMN_DRAWS, COLUMN_TOPK, COLUMN_UTILITY};

/* A push of the current group. */
struct pending {
    struct message message;
    bool to_engine;       /* written; its version is still to be activated */
    uint32_t replenished; /* project in continuous mode that rows were written of; 0: none */
    uint64_t rows;
    size_t reply; /* offset into columns->replies */
    size_t reply_size;
};

struct columns {
    struct daemon *daemon;
    void *inbox;
    void *replies_socket;
    void *engine_socket;
    struct pending group[GROUP_MAX];
    size_t group_count;
    bool stopping;
    msgpack_zone zone;
    struct writer writer;
    msgpack_sbuffer replies;
};

static void store_reply(struct columns *columns, struct pending *pending)
{
    const struct text bytes = writer_finish(&columns->writer);
    pending->reply = columns->replies.size;
    pending->reply_size = bytes.size;
    if (!bytes.data || msgpack_sbuffer_write(&columns->replies, bytes.data, bytes.size) != 0)
        pending->reply_size = 0;
}

static void store_error(struct columns *columns, struct pending *pending, const struct request *request)
{
    writer_reset(&columns->writer);
    reply_error(&columns->writer, &request->id, &request->error);
    store_reply(columns, pending);
}

/* Checks and writes one push. */
static void apply_push(struct columns *columns, struct pending *pending, struct txn *state, struct txn *vectors)
{
    struct frame frames[REQUEST_FRAMES_MAX];
    const size_t count = message_frames(&pending->message, frames, REQUEST_FRAMES_MAX);
    struct request request;
    struct push push = {0};
    msgpack_zone_clear(&columns->zone);
    pending->to_engine = false;
    pending->replenished = 0;
    if (request_decode(&request, frames, count, &columns->zone)) {
        if (columns->daemon->vitals.read_only)
            protocol_fail(&request.error, PROTOCOL_READ_ONLY, "", "", "a write to disk failed earlier");
        else if (push_read(&push, &request, state, vectors))
            push_write(&push, vectors);
    }
    if (request.error.code) {
        store_error(columns, pending, &request);
    } else if (push.activate && !push.active) {
        pending->to_engine = true;
        pending->rows = push.count;
    } else {
        writer_reset(&columns->writer);
        reply_begin(&columns->writer, &request.id);
        writer_integer(&columns->writer, "rows", (int64_t)push.count);
        if (request.operation == OPERATION_PRED_PUT)
            writer_bool(&columns->writer, "active", push.active);
        writer_map_end(&columns->writer);
        store_reply(columns, pending);
        const bool counts = push.version == 0 || push.active; /* nothing is selected by a staged version */
        pending->replenished = counts && push.project.settings.replenish_depth > 0 ? push.project.number : 0;
    }
    push_deinit(&push);
}

static void apply_purge(const struct message *message, struct txn *vectors)
{
    struct frame frame;
    struct purge purge;
    if (message_frames(message, &frame, 1) != 1 || frame.size != sizeof purge)
        return;
    memcpy(&purge, frame.data, sizeof purge);
    for (size_t i = 0; i < sizeof of_models / sizeof *of_models; i++) {
        const struct column_id id = column_of_model(purge.project, of_models[i], purge.version);
        column_delete(vectors, &id);
    }
}

/* Applies group[first..last) in one transaction; true where it is on disk. */
static bool commit_range(struct columns *columns, size_t first, size_t last, struct txn *vectors)
{
    struct txn state;
    msgpack_sbuffer_clear(&columns->replies);
    if (!txn_begin_write(vectors, &columns->daemon->store.vectors))
        return false;
    if (txn_begin_read(&state, &columns->daemon->store.state)) {
        for (size_t i = first; i < last; i++) {
            struct pending *pending = &columns->group[i];
            if (message_route(&pending->message).kind != ROUTE_PURGE)
                apply_push(columns, pending, &state, vectors);
            else if (!columns->daemon->vitals.read_only)
                apply_purge(&pending->message, vectors);
        }
        txn_abort(&state);
    }
    if (state.status != DATABASE_OK && vectors->status == DATABASE_OK) {
        vectors->status = state.status;
        vectors->lmdb_error = state.lmdb_error;
    }
    return txn_commit(vectors);
}

static void send_range(struct columns *columns, size_t first, size_t last)
{
    for (size_t i = first; i < last; i++) {
        struct pending *pending = &columns->group[i];
        struct route route = message_route(&pending->message);
        if (route.kind == ROUTE_PURGE) {
            message_close(&pending->message);
        } else if (pending->to_engine) {
            /* The engine needs the map alone; the arrays stay behind. */
            while (pending->message.count > 2u + route.envelope)
                zmq_msg_close(&pending->message.frames[--pending->message.count]);
            route.kind = ROUTE_ACTIVATE;
            route.rows = pending->rows;
            message_set_route(&pending->message, &route);
            message_send(&pending->message, columns->engine_socket, 0);
        } else {
            if (pending->replenished > 0)
                message_tell(columns->engine_socket, ROUTE_PUSHED, &pending->replenished, sizeof pending->replenished, 0);
            message_reply(&pending->message, columns->replies_socket,
                (struct text){columns->replies.data + pending->reply, pending->reply_size});
        }
    }
}

static void refuse(struct columns *columns, struct pending *pending, const struct txn *vectors)
{
    log_error("write_failed", "environment=vectors status=\"%s\" error=\"%s\"", database_status_text(vectors->status),
        mdb_strerror(vectors->lmdb_error));
    struct frame frames[REQUEST_FRAMES_MAX];
    const size_t count = message_frames(&pending->message, frames, REQUEST_FRAMES_MAX);
    struct request request;
    msgpack_zone_clear(&columns->zone);
    request_decode(&request, frames, count, &columns->zone);
    const bool full = vectors->status == DATABASE_MAP_FULL || vectors->status == DATABASE_DISK_FULL;
    memset(&request.error, 0, sizeof request.error);
    protocol_fail(&request.error,
        full                                ? PROTOCOL_STORAGE_FULL
        : columns->daemon->vitals.read_only ? PROTOCOL_READ_ONLY
                                            : PROTOCOL_INTERNAL,
        "", "", "%s", database_status_text(vectors->status));
    msgpack_sbuffer_clear(&columns->replies);
    pending->to_engine = false;
    pending->replenished = 0;
    store_error(columns, pending, &request);
}

/* After a failed sync nobody knows what is on disk: writing on could make it worse. */
static void stop_writing_after_failure(struct columns *columns, const struct txn *vectors)
{
    if (vectors->status != DATABASE_FAILED || columns->daemon->vitals.read_only)
        return;
    columns->daemon->vitals.read_only = true;
    log_error(
        "read_only", "environment=vectors reason=\"a write to disk failed\" error=\"%s\"", mdb_strerror(vectors->lmdb_error));
}

static void commit_group(struct columns *columns)
{
    struct txn vectors;
    if (columns->group_count == 0)
        return;
    if (commit_range(columns, 0, columns->group_count, &vectors)) {
        send_range(columns, 0, columns->group_count);
    } else {
        stop_writing_after_failure(columns, &vectors);
        /* One by one, so that only the push at fault is refused. */
        for (size_t i = 0; i < columns->group_count; i++) {
            if (!commit_range(columns, i, i + 1, &vectors)) {
                stop_writing_after_failure(columns, &vectors);
                refuse(columns, &columns->group[i], &vectors);
            }
            send_range(columns, i, i + 1);
        }
    }
    columns->group_count = 0;
}

/* --- columns that belong to no model, because the daemon stopped between dropping the one and the other ----------------- */

struct orphan_search {
    struct txn *state;
    struct column_id found;
    bool any;
};

static bool find_orphan(void *context, const struct column_id *id, const struct column *column)
{
    struct orphan_search *search = context;
    struct model model;
    (void)column;
    const int64_t version = (int64_t)key_read_u64(id->name);
    search->any = !model_get(search->state, id->project, version, &model);
    if (search->any)
        search->found = *id;
    return !search->any;
}

struct orphan_context {
    struct txn *state;
    struct txn *vectors;
};

static bool delete_orphans(void *context, struct text name, uint32_t number)
{
    struct orphan_context *both = context;
    (void)name;
    for (size_t i = 0; i < sizeof of_models / sizeof *of_models; i++) {
        for (;;) {
            struct orphan_search search = {.state = both->state};
            column_each(both->vectors, number, of_models[i], find_orphan, &search);
            if (!search.any || both->vectors->status != DATABASE_OK)
                break;
            column_delete(both->vectors, &search.found);
        }
    }
    return true;
}

static void clean_orphans(struct columns *columns)
{
    struct txn state;
    struct txn vectors;
    if (!txn_begin_read(&state, &columns->daemon->store.state))
        return;
    if (txn_begin_write(&vectors, &columns->daemon->store.vectors)) {
        struct orphan_context both = {&state, &vectors};
        project_each(&state, delete_orphans, &both);
        if (vectors.writes == 0)
            txn_abort(&vectors);
        else
            txn_commit(&vectors);
    }
    txn_abort(&state);
}

/* --- the loop ----------------------------------------------------------------------------------------------------------- */

static bool take(struct columns *columns, int flags)
{
    struct pending *pending = &columns->group[columns->group_count];
    *pending = (struct pending){.message.count = 0};
    if (!message_receive(&pending->message, columns->inbox, flags))
        return false;
    if (message_route(&pending->message).kind == ROUTE_STOP) {
        message_close(&pending->message);
        columns->stopping = true;
        return false;
    }
    columns->group_count++;
    return true;
}

void *columns_run(void *argument)
{
    struct daemon *daemon = argument;
    struct columns *columns = calloc(1, sizeof *columns);
    void *ready = message_socket(daemon->zmq, ZMQ_PUSH, NULL, ENDPOINT_REPLIES);
    bool ok = columns && msgpack_zone_init(&columns->zone, MSGPACK_ZONE_CHUNK_SIZE);
    if (ok) {
        columns->daemon = daemon;
        columns->replies_socket = ready;
        writer_init(&columns->writer);
        msgpack_sbuffer_init(&columns->replies);
        columns->inbox = message_socket(daemon->zmq, ZMQ_PULL, ENDPOINT_COLUMNS, NULL);
        columns->engine_socket = message_socket(daemon->zmq, ZMQ_PUSH, NULL, ENDPOINT_ENGINE);
        ok = columns->inbox && columns->engine_socket;
    }
    if (ok)
        clean_orphans(columns);
    zmq_send(ready, ok ? "+" : "-", 1, 0);
    while (ok && !columns->stopping) {
        take(columns, 0);
        while (columns->group_count > 0 && columns->group_count < GROUP_MAX && take(columns, ZMQ_DONTWAIT)) {
        }
        commit_group(columns);
    }
    if (columns) {
        if (columns->inbox)
            zmq_close(columns->inbox);
        if (columns->engine_socket)
            zmq_close(columns->engine_socket);
        writer_deinit(&columns->writer);
        msgpack_sbuffer_destroy(&columns->replies);
        msgpack_zone_destroy(&columns->zone);
    }
    if (ready)
        zmq_close(ready);
    free(columns);
    return NULL;
}
