/*
 * request.h - the envelope: a request's frames on their way in, a reply's map on its way out.
 */
#pragma once

#include "protocol/operation.h"
#include "protocol/reader.h"
#include "protocol/writer.h"

enum {
    REQUEST_ID_MAX = 64,
    REQUEST_PROJECT_MAX = 64,
    REQUEST_FRAMES_MAX = 16,
};

/* The idempotency key, echoed in the type it came in. */
struct request_id {
    struct text bytes; /* 1..64; empty where it could not be read */
    bool is_text;      /* str, else bin */
};

/*
 * A decoded request. Everything in it is borrowed from the frames and from the zone it was decoded into, and lives as long as
 * both.
 */
struct request {
    struct request_id id;
    struct text project; /* empty where the operation has none */
    enum operation operation;
    msgpack_object_map map;
    struct reader fields; /* of the whole map; its error is `error` below */
    struct protocol_error error;
    bool keep_effects; /* set with an error: what was written is meant to stay (a late answer is refused, and kept) */
};

/*
 * Decodes and checks the envelope of frames[0]; frames[1..] are array data. `zone` holds the decoded objects. False with
 * request->error filled; request->id is then set if it could be read. The request must not be moved afterwards: fields.error
 * points into it.
 */
bool request_decode(struct request *request, const struct frame *frames, size_t frame_count, msgpack_zone *zone);

/* Starts the map of a reply {v, id, ok: true, ...}; add fields, then writer_map_end. */
void reply_begin(struct writer *writer, const struct request_id *id);

/* Writes a whole error reply. */
void reply_error(struct writer *writer, const struct request_id *id, const struct protocol_error *error);
