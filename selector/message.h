/*
 * message.h - a multi-part message on its way through the daemon, and the sockets that join its threads.
 *
 * Inside the daemon a message's first frame is a struct route; then come the peer's envelope and the frames of request.h.
 */
#pragma once

#include "protocol/request.h"

#include <zmq.h>

/* The ends that threads listen on. */
#define ENDPOINT_ENGINE      "inproc://engine"      /* requests that are quick to apply */
#define ENDPOINT_ENGINE_SLOW "inproc://engine-slow" /* requests over many samples: one at a time between the quick ones */
#define ENDPOINT_COLUMNS     "inproc://columns"
#define ENDPOINT_PLANNER     "inproc://planner"
#define ENDPOINT_APPLIED     "inproc://applied" /* to the planner: an empty message for each plan the engine has dealt with */
#define ENDPOINT_READER      "inproc://reader"
#define ENDPOINT_REPLIES     "inproc://replies" /* back to the front, to peers */
#define ENDPOINT_EVENTS      "inproc://events"  /* to the front, to be published */

/* What a message inside the daemon is. */
enum route_kind {
    ROUTE_REQUEST,   /* a peer's */
    ROUTE_STOP,      /* the last message on its socket: end the thread */
    ROUTE_COMMIT,    /* to the engine: a peer's BATCH.COMMIT with its plan in one further frame */
    ROUTE_ACTIVATE,  /* to the engine: a peer's PRED.PUT whose rows are written, to activate its version */
    ROUTE_REPLENISH, /* to the planner, and from it with a plan to the engine: a batch in continuous mode; the project's name is
                        the payload */
    ROUTE_PURGE,     /* to the columns: delete the columns of a model version (struct purge is the payload) */
    ROUTE_PUSHED,    /* to the engine: rows of a project in continuous mode are written; its number (uint32_t) is the payload */
    ROUTE_GREETING,  /* to the reader, and back: a subscription's prefix is the payload */
};

struct route {
    uint8_t kind;     /* enum route_kind */
    uint8_t envelope; /* frames of the peer's envelope that follow */
    uint8_t unused[6];
    uint64_t bulk_bytes; /* counted against the queue of pushes */
    uint64_t rows;       /* of ROUTE_ACTIVATE: rows written */
};

struct purge {
    uint32_t project;
    uint32_t unused;
    int64_t version;
};

enum { MESSAGE_FRAMES_MAX = REQUEST_FRAMES_MAX + 5 };

struct message {
    zmq_msg_t frames[MESSAGE_FRAMES_MAX];
    size_t count;
};

/* Receives all frames of one message; those it has no room for are dropped, which leaves more than a request may have. False
 * where there is none now. Partner: message_close. */
bool message_receive(struct message *message, void *socket, int flags);

/* Sends all frames and empties the message. False, with the message untouched, where the socket can't take it now (with
 * ZMQ_DONTWAIT). */
bool message_send(struct message *message, void *socket, int flags);

void message_close(struct message *message);

/* Adds a frame with a copy of the bytes; false out of memory. */
bool message_add(struct message *message, const void *bytes, size_t size);

/* Sends a message of this kind with a copy of the bytes; false where it can't be made or, with ZMQ_DONTWAIT, taken now. */
bool message_tell(void *socket, enum route_kind kind, const void *bytes, size_t size, int flags);

/* The route; a zeroed one with ROUTE_STOP where the first frame isn't one. */
struct route message_route(const struct message *message);
void message_set_route(struct message *message, const struct route *route);

/* The frames after route and envelope, as request_decode wants them. Returns their number. */
size_t message_frames(const struct message *message, struct frame *frames, size_t room);

/*
 * Turns the request into its reply: the frames after the envelope are replaced by `payload`, and sent to the front over
 * `socket`. The message is empty afterwards.
 */
void message_reply(struct message *message, void *socket, struct text payload);

/* A socket of this thread, bound or connected, unbounded, without lingering. NULL where that fails. */
void *message_socket(void *context, int type, const char *bind, const char *connect);

int64_t wall_ms(void);
