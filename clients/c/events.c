/*
 * Events come on two ways: published ones at once, and the log's by EVENTS.SINCE. Publishing is only a hint that there is more:
 * whatever does not follow the last number given out, or silence, sends this back to the log.
 */
#include "clients/c/client.h"

#include "protocol/scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SILENCE_MS = 10000, /* after which the log is asked, in case the last event before the silence was lost */
    QUEUE_EVENTS = 10000,
};

struct curated_events {
    struct curated *client;
    void *socket;
    char *project;
    int64_t seq;                /* of the last event given out */
    bool behind;                /* the log has, or may have, events after seq */
    int64_t heard_ms;           /* when something last came or the log was last asked */
    struct curated_reply *page; /* of the log; NULL: none */
    uint32_t page_at;           /* next element of it */
    struct curated_reply *live; /* the published event given out last */
};

static bool subscribe(struct curated_events *events, struct curated_error *error)
{
    char topic[80];
    const int zero = 0, queue = QUEUE_EVENTS;
    const int64_t bytes_max = 1 << 20;
    snprintf(topic, sizeof topic, "%s/", events->project);
    events->socket = zmq_socket(events->client->context, ZMQ_SUB);
    if (events->socket && zmq_setsockopt(events->socket, ZMQ_LINGER, &zero, sizeof zero) == 0 &&
        zmq_setsockopt(events->socket, ZMQ_RCVHWM, &queue, sizeof queue) == 0 &&
        zmq_setsockopt(events->socket, ZMQ_MAXMSGSIZE, &bytes_max, sizeof bytes_max) == 0 &&
        zmq_setsockopt(events->socket, ZMQ_SUBSCRIBE, topic, strlen(topic)) == 0 &&
        zmq_connect(events->socket, events->client->events) == 0)
        return true;
    return client_fail(error, errno == EINVAL ? CURATED_BAD_REQUEST : CURATED_SYSTEM, "events",
        "an address such as tcp://127.0.0.1:7812", "%s (%s)", events->client->events, zmq_strerror(errno));
}

/* Where `since` is "from now on", asks what now is. */
static bool find_start(struct curated_events *events, int64_t since, struct curated_error *error)
{
    events->seq = since;
    if (since >= 0)
        return true;
    struct curated_reply *status = curated_status(events->client, events->project, error);
    if (!status)
        return false;
    events->seq = curated_reply_integer(status, "event_seq", 0);
    curated_reply_free(status);
    return true;
}

struct curated_events *curated_events_open(
    struct curated *client, const char *project, int64_t since, struct curated_error *error)
{
    client_clear(error);
    if (strlen(project) > 64) {
        client_fail(error, CURATED_BAD_REQUEST, "project", "at most 64 bytes", "%zu", strlen(project));
        return NULL;
    }
    struct curated_events *events = calloc(1, sizeof *events);
    if (!events) {
        client_no_memory(error);
        return NULL;
    }
    events->client = client;
    events->behind = true;
    events->project = strdup(project);
    if (!events->project)
        client_no_memory(error);
    else if (subscribe(events, error) && find_start(events, since, error))
        return events;
    curated_events_close(events);
    return NULL;
}

void curated_events_close(struct curated_events *events)
{
    if (!events)
        return;
    if (events->socket)
        zmq_close(events->socket);
    curated_reply_free(events->page);
    curated_reply_free(events->live);
    free(events->project);
    free(events);
}

static int64_t seq_of(const msgpack_object_map *map)
{
    struct protocol_error problem = {0};
    struct reader reader = {map, NULL, 0, &problem};
    return reader_integer(&reader, "seq", 0, INT64_MAX);
}

/* The next event of the page that is new; NULL at its end. */
static const msgpack_object_map *next_of_page(struct curated_events *events)
{
    struct protocol_error problem = {0};
    struct reader reader = reply_reader(events->page, &problem);
    const msgpack_object_array *list = reader_list(&reader, "events", UINT32_MAX);
    while (events->page_at < list->size) {
        const msgpack_object *object = &list->ptr[events->page_at++];
        if (object->type != MSGPACK_OBJECT_MAP || seq_of(&object->via.map) <= events->seq)
            continue;
        events->seq = seq_of(&object->via.map);
        return &object->via.map;
    }
    return NULL;
}

static bool ask_log(struct curated_events *events, struct curated_error *error)
{
    struct writer fields;
    writer_init(&fields);
    writer_map_begin(&fields, NULL);
    writer_integer(&fields, "since", events->seq);
    writer_map_end(&fields);
    curated_reply_free(events->page);
    events->page = client_call(events->client, "EVENTS.SINCE", events->project, &fields, NULL, NULL, 0, error);
    events->page_at = 0;
    writer_deinit(&fields);
    if (!events->page)
        return false;
    events->heard_ms = client_now_ms();
    events->behind = curated_reply_bool(events->page, "more", false);
    return true;
}

/* Receives the two frames of a published event that is there: its topic, which the map repeats, and the map. */
static bool receive_published(struct curated_events *events, zmq_msg_t *map)
{
    zmq_msg_init(map);
    if (zmq_msg_recv(map, events->socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(map);
        return false;
    }
    while (zmq_msg_more(map))
        if (zmq_msg_recv(map, events->socket, ZMQ_DONTWAIT) < 0)
            break;
    return true;
}

/* Unpacks a published map into events->live. False for what isn't an event map: it only says that something happened. */
static bool unpack_published(struct curated_events *events, zmq_msg_t *message)
{
    struct protocol_error problem = {0};
    curated_reply_free(events->live);
    struct curated_reply *live = events->live = calloc(1, sizeof *live);
    if (!live || !msgpack_zone_init(&live->zone, 1024)) {
        zmq_msg_close(message);
        free(live);
        events->live = NULL;
        return false;
    }
    zmq_msg_init(&live->message);
    zmq_msg_move(&live->message, message);
    zmq_msg_close(message);
    size_t offset = 0;
    msgpack_object object;
    if (!scan_map(zmq_msg_data(&live->message), zmq_msg_size(&live->message), &problem) ||
        msgpack_unpack(zmq_msg_data(&live->message), zmq_msg_size(&live->message), &offset, &live->zone, &object) !=
            MSGPACK_UNPACK_SUCCESS)
        return false;
    live->map = object.via.map;
    return true;
}

/* Looks at one published message: an event that follows the last is given out, a later one shows a gap. */
static const msgpack_object_map *take_published(struct curated_events *events)
{
    zmq_msg_t message;
    if (!receive_published(events, &message))
        return NULL;
    events->heard_ms = client_now_ms();
    if (!unpack_published(events, &message)) {
        events->behind = true;
        return NULL;
    }
    struct protocol_error problem = {0};
    struct reader reader = {&events->live->map, NULL, 0, &problem};
    const struct text kind = reader_text_or(&reader, "kind", 0, 255, "");
    const int64_t seq = seq_of(&events->live->map);
    if (text_equal(kind, "hello") || seq > events->seq + 1) {
        events->behind = events->behind || seq > events->seq;
        return NULL;
    }
    if (seq != events->seq + 1)
        return NULL;
    events->seq = seq;
    return &events->live->map;
}

/* Waits until something is published, silence has lasted too long, or the deadline (-1: none). False on failure. */
static bool wait_published(struct curated_events *events, int64_t deadline, struct curated_error *error)
{
    const int64_t now = client_now_ms();
    int64_t until = events->heard_ms + SILENCE_MS;
    if (deadline >= 0 && deadline < until)
        until = deadline;
    zmq_pollitem_t item = {events->socket, 0, ZMQ_POLLIN, 0};
    const int ready = zmq_poll(&item, 1, until > now ? (long)(until - now) : 0);
    if (ready < 0 && errno != EINTR)
        return client_fail(error, CURATED_SYSTEM, "", "", "cannot wait for events: %s", zmq_strerror(errno));
    if (ready == 0 && client_now_ms() >= events->heard_ms + SILENCE_MS)
        events->behind = true;
    return true;
}

const msgpack_object_map *curated_events_next(struct curated_events *events, int64_t timeout_ms, struct curated_error *error)
{
    client_clear(error);
    const int64_t deadline = timeout_ms < 0 ? -1 : client_now_ms() + timeout_ms;
    for (;;) {
        const msgpack_object_map *event = events->page ? next_of_page(events) : NULL;
        if (event)
            return event;
        if (events->behind) {
            if (!ask_log(events, error))
                return NULL;
            continue;
        }
        curated_reply_free(events->page);
        events->page = NULL;
        event = take_published(events);
        if (event)
            return event;
        if (events->behind)
            continue;
        if (deadline >= 0 && client_now_ms() >= deadline)
            return NULL;
        if (!wait_published(events, deadline, error))
            return NULL;
    }
}
