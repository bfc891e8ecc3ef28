/*
 * client.h - what the parts of libcurated share. Not installed.
 */
#pragma once

#include "clients/c/curated.h"
#include "protocol/error.h"
#include "protocol/reader.h"
#include "protocol/writer.h"

#include <zmq.h>

enum {
    CLIENT_ID_SIZE = 33, /* 128 random bits in hex, and a NUL */
};

struct curated {
    void *context;
    void *socket; /* DEALER; NULL until the first request and after a time-out */
    char *requests;
    char *events;
    int64_t timeout_ms; /* 0: the default, by operation */
    int64_t attempt_ms; /* 0: likewise */
    int64_t connect_ms; /* 0: no bound of its own */
    uint64_t jitter;    /* state of the generator that spreads retries */
};

struct curated_reply {
    zmq_msg_t message; /* the objects point into it, so a reply never moves */
    msgpack_zone zone;
    msgpack_object_map map;
};

/* One message to be sent, perhaps several times. */
struct outgoing {
    struct text id;
    const struct frame *frames;
    size_t frame_count;
    int64_t timeout_ms;
    int64_t attempt_ms;
};

int64_t client_now_ms(void);

/* Sets `error` to no error; NULL is ignored. */
void client_clear(struct curated_error *error);

/* Fills `error`, unless NULL, and returns false. `got` is a printf format. */
bool client_fail(struct curated_error *error, enum curated_code code, const char *field, const char *expected, const char *got,
    ...) __attribute__((format(printf, 5, 6)));
void client_no_memory(struct curated_error *error);
void client_copy_error(struct curated_error *error, const struct protocol_error *from);

/* Sends until there is a reply or the deadline has passed. A reply that is an error is still a reply here. */
struct curated_reply *client_exchange(struct curated *client, const struct outgoing *outgoing, struct curated_error *error);

/* Takes the message over, whatever it returns: NULL where it isn't a reply. */
struct curated_reply *reply_parse(zmq_msg_t *message, struct curated_error *error);
bool reply_is_ok(const struct curated_reply *reply);
void reply_read_error(const struct curated_reply *reply, struct curated_error *error);

/* Where the fields of a reply are read from; `error` must outlive the reader. */
struct reader reply_reader(const struct curated_reply *reply, struct protocol_error *error);

/* True where reading a reply went well; otherwise CURATED_BAD_REPLY. */
bool reply_read_well(const struct protocol_error *problem, struct curated_error *error);

/* curated_call with fields from a writer whose outer map is closed. */
struct curated_reply *client_call(struct curated *client, const char *operation, const char *project, struct writer *fields,
    const char *id, const struct curated_frame *frames, size_t frame_count, struct curated_error *error);
