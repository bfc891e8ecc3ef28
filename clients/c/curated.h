/*
 * curated.h - the C client of curated, the daemon that decides which samples to pay to have labelled next.
 *
 * Calls block. Each has a time-out and is sent again, under the same idempotency key, when no reply comes in time: a call has
 * its effect once however often it was sent. A `busy` daemon is asked again after a pause.
 *
 * Threads: a connection, and what was made from it, belongs to one thread at a time; connections are independent of each other.
 * After fork() the child opens its own.
 *
 * Errors are values: a function that can fail takes a `struct curated_error *` (may be NULL), fills it, and returns false or
 * NULL. On success it leaves code CURATED_OK in it.
 *
 * Ownership: what a function returns as a pointer without const belongs to the caller, who gives it back to the function named
 * with it. Everything passed in is only borrowed for the call. Strings are NUL-terminated UTF-8.
 *
 * Money is integer micro-dollars, time integer milliseconds since 1970. docs/protocol.md explains each operation.
 */
#ifndef CURATED_H
#define CURATED_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CURATED_API __attribute__((visibility("default")))

/* ---- errors ----------------------------------------------------------------------------------------------------------------
 */

enum curated_code {
    CURATED_OK,
    /* What the daemon answers. */
    CURATED_BAD_REQUEST,
    CURATED_NOT_FOUND,
    CURATED_CONFLICT,
    CURATED_BUDGET_EXHAUSTED,
    CURATED_LEASE_LOST,
    CURATED_STALE_MODEL,
    CURATED_TOO_LARGE,
    CURATED_BUSY,
    CURATED_DENIED,
    CURATED_READ_ONLY,
    CURATED_STORAGE_FULL,
    CURATED_INTERNAL,
    CURATED_CANCELED,
    /* What happens on this side. */
    CURATED_TIMED_OUT, /* no reply in time: whether the request had its effect is not known; the same id may be sent again */
    CURATED_BAD_REPLY, /* the peer does not speak this protocol */
    CURATED_NO_MEMORY,
    CURATED_SYSTEM, /* the operating system refused a socket or the like */
    CURATED_CODES
};

struct curated_error {
    enum curated_code code;
    int64_t available_microusd; /* with CURATED_BUDGET_EXHAUSTED only */
    char field[64];             /* the field at fault, or empty */
    char expected[160];         /* may be empty */
    char got[160];              /* may be empty */
    char message[512];          /* one English sentence */
};

/* The code as a word, "not_found" for instance; static. */
CURATED_API const char *curated_code_word(enum curated_code code);

/* ---- a connection ----------------------------------------------------------------------------------------------------------
 */

struct curated;

/* Zeroed, everything has its default. */
struct curated_options {
    const char *requests; /* NULL: the environment's CURATED_REQUESTS, or else tcp://127.0.0.1:7811 */
    const char *events;   /* NULL: the environment's CURATED_EVENTS, or else tcp://127.0.0.1:7812 */
    int64_t timeout_ms;   /* for a whole call with its retries; 0: 30 s, 2 min for pushes, 10 min for operations that compute */
    int64_t connect_ms;   /* for the daemon to be there at all; 0: as long as timeout_ms */
    int64_t attempt_ms;   /* after which a request is sent again; 0: 5 s, 30 s for pushes, 60 s for operations that compute */
};

/*
 * Makes a connection; `options` may be NULL. The daemon need not be there yet: each call waits for it until its time-out.
 * Errors: CURATED_BAD_REQUEST (an address that isn't one), CURATED_NO_MEMORY, CURATED_SYSTEM. Partner: curated_close.
 */
CURATED_API struct curated *curated_open(const struct curated_options *options, struct curated_error *error);

/* Closes the connection; NULL is ignored. What was made from it must be freed before. */
CURATED_API void curated_close(struct curated *client);

/* ---- any operation ---------------------------------------------------------------------------------------------------------
 */

struct curated_reply;

/* The bytes of an array field that says `frame: 1` (the first of them), 2, ... */
struct curated_frame {
    const void *data;
    size_t size;
};

struct curated_request {
    const char *operation; /* "BUDGET.GET" */
    const char *project;   /* NULL for operations of the daemon */
    const char *id;        /* the idempotency key, 1 to 64 bytes; NULL: a new random one */
    const void *fields;    /* the operation's own fields as one msgpack map; NULL: none */
    size_t fields_size;
    const struct curated_frame *frames;
    size_t frame_count; /* at most 15 */
};

/* Sends the request and waits for its reply. Partner: curated_reply_free. */
CURATED_API struct curated_reply *curated_call(
    struct curated *client, const struct curated_request *request, struct curated_error *error);

/* NULL is ignored. */
CURATED_API void curated_reply_free(struct curated_reply *reply);

/* The whole reply. It, and whatever is found in it, lives as long as the reply. */
CURATED_API const msgpack_object_map *curated_reply_map(const struct curated_reply *reply);

/* A field of the reply, NULL where it is absent or nil. */
CURATED_API const msgpack_object *curated_reply_find(const struct curated_reply *reply, const char *field);

/* A field as an integer or a bool; `otherwise` where it is absent or something else. */
CURATED_API int64_t curated_reply_integer(const struct curated_reply *reply, const char *field, int64_t otherwise);
CURATED_API bool curated_reply_bool(const struct curated_reply *reply, const char *field, bool otherwise);

/* ---- what a training loop needs --------------------------------------------------------------------------------------------
 */

/* Creates a project with default settings otherwise; true also where the same project exists. PROJECT.CREATE has more settings.
 */
CURATED_API bool curated_create_project(struct curated *client, const char *project, const char *const *classes,
    size_t class_count, int64_t price_microusd, struct curated_error *error);

/* Adds money, once for each `id` (NULL: a new one). `available_microusd` (optional output): what can be spent now. */
CURATED_API bool curated_grant(struct curated *client, const char *project, int64_t amount_microusd, const char *note,
    const char *id, int64_t *available_microusd, struct curated_error *error);

struct curated_sample {
    const char *key;        /* 1 to 255 bytes */
    const char *uri;        /* or NULL */
    const char *group;      /* or NULL */
    int64_t price_microusd; /* 0: the project's */
};

/*
 * Registers samples or updates known ones; many are sent in several requests, of 50,000 or 16 MiB. Where no sample of a request
 * has a group, or a price, those of known ones stay; where one has, NULL or 0 takes the others' away. A NULL URI leaves the one
 * there is. `slots` (optional output, `count` long): their numbers, which later pushes name them by.
 */
CURATED_API bool curated_put_samples(struct curated *client, const char *project, const struct curated_sample *samples,
    size_t count, uint32_t *slots, struct curated_error *error);

/* Rows of floats, one a sample: row i is of sample slots[i], or of sample first + i where slots is NULL. */
struct curated_rows {
    const float *data; /* count * width, one row after the other */
    size_t count;
    size_t width;
    const uint32_t *slots;
    uint32_t first;
};

/*
 * Pushes class probabilities of a model version, begun if need be; many rows are sent in several requests. With `activate` the
 * version becomes the one that selection uses, after the last row.
 */
CURATED_API bool curated_put_predictions(struct curated *client, const char *project, int64_t model_version,
    const struct curated_rows *rows, bool activate, struct curated_error *error);

/* Pushes embeddings into a space. */
CURATED_API bool curated_put_embeddings(struct curated *client, const char *project, const char *space,
    const struct curated_rows *rows, struct curated_error *error);

/* What to select. Zeroed but for a budget or a count, it is the project's default policy. */
struct curated_selection {
    int64_t budget_microusd; /* what the batch may cost; 0: no bound but the count */
    int64_t count;           /* items at most; 0: no bound but the budget */
    const char *strategy;    /* NULL: "auto" */
    bool partial;            /* take what the available money affords */
};

struct curated_batch {
    int64_t batch; /* its number; 0 for a plan */
    int64_t items;
    int64_t cost_microusd;
    int64_t available_microusd; /* after it */
    int64_t model_version;
};

/* Selects and changes nothing. */
CURATED_API bool curated_plan(struct curated *client, const char *project, const struct curated_selection *selection,
    struct curated_batch *plan, struct curated_error *error);

/* Selects, reserves the money and publishes the batch, once for each `id` (NULL: a new one). */
CURATED_API bool curated_commit(struct curated *client, const char *project, const struct curated_selection *selection,
    const char *id, struct curated_batch *batch, struct curated_error *error);

/* A page of the label log; all arrays are `count` long. */
struct curated_labels {
    size_t count;
    const int64_t *seqs;
    const uint32_t *slots;
    const int32_t *labels;  /* class index, -1: none */
    const uint8_t *settled; /* 1: counts, 0: an answer that came late */
    const int64_t *time_ms;
    const char *const *keys;
    int64_t next; /* give it as `since` next time */
    bool more;    /* there are more now */
};

/* Labels after number `since` (0: all), at most `limit` (0: the daemon's default). Partner: curated_labels_free. */
CURATED_API struct curated_labels *curated_labels_since(
    struct curated *client, const char *project, int64_t since, int64_t limit, struct curated_error *error);
CURATED_API void curated_labels_free(struct curated_labels *labels);

/* STATUS of a project, or of the daemon where `project` is NULL. Partner: curated_reply_free. */
CURATED_API struct curated_reply *curated_status(struct curated *client, const char *project, struct curated_error *error);

/* ---- what a worker needs ---------------------------------------------------------------------------------------------------
 */

struct curated_lease {
    int64_t lease; /* the number that proves who holds the item */
    uint32_t slot;
    int64_t batch;
    int64_t price_microusd;
    int64_t deadline_ms; /* touch, answer or give back before */
    const char *key;
    const char *uri;  /* may be empty */
    const char *type; /* annotation type, may be empty */
};

struct curated_leases {
    size_t count; /* 0: nothing to do now; wait for the event batch.published or item.released */
    const struct curated_lease *items;
    int64_t waiting; /* items still waiting in the project */
};

/* Takes up to `count` items for `lease_ms` (0: the project's default). Partner: curated_leases_free. */
CURATED_API struct curated_leases *curated_lease(struct curated *client, const char *project, const char *worker, int64_t count,
    int64_t lease_ms, struct curated_error *error);
CURATED_API void curated_leases_free(struct curated_leases *leases);

/* Extends a lease from now by `lease_ms` (0: the project's default). `deadline_ms` (optional output): its new end. */
CURATED_API bool curated_touch(struct curated *client, const char *project, const char *worker,
    const struct curated_lease *lease, int64_t lease_ms, int64_t *deadline_ms, struct curated_error *error);

/* Answers an item with a class. `charged_microusd` (optional output): what it cost. CURATED_LEASE_LOST: it is somebody else's
 * now. */
CURATED_API bool curated_submit(struct curated *client, const char *project, const char *worker,
    const struct curated_lease *lease, const char *label, int64_t *charged_microusd, struct curated_error *error);

/* Refuses an item. The reason "none_of_these" is an answer: no class fits. */
CURATED_API bool curated_skip(struct curated *client, const char *project, const char *worker,
    const struct curated_lease *lease, const char *reason, struct curated_error *error);

/* Gives an item back unanswered. */
CURATED_API bool curated_release(struct curated *client, const char *project, const char *worker,
    const struct curated_lease *lease, struct curated_error *error);

/* ---- events ----------------------------------------------------------------------------------------------------------------
 */

struct curated_events;

/*
 * Follows the events of a project from after number `since` (0: from its first, -1: from now on), each once, in order: what
 * publishing lost is replayed from the log. The connection must outlive it. Partner: curated_events_close.
 */
CURATED_API struct curated_events *curated_events_open(
    struct curated *client, const char *project, int64_t since, struct curated_error *error);

/*
 * The next event, valid until the next call on `events`. NULL with code CURATED_OK: none within timeout_ms (-1: wait for ever).
 * At the start, after a gap and in silence every 10 s the log is asked: a call like others, with the connection's time-out.
 */
CURATED_API const msgpack_object_map *curated_events_next(
    struct curated_events *events, int64_t timeout_ms, struct curated_error *error);

/* NULL is ignored. */
CURATED_API void curated_events_close(struct curated_events *events);

#ifdef __cplusplus
}
#endif

#endif
