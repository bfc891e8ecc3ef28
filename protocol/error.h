/*
 * error.h - the errors a peer may be answered with: a closed list of codes, each with what was wrong, where, and what came.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* One list makes the enum, the words on the wire and their texts. docs/protocol.md explains each. */
#define PROTOCOL_ERRORS(X)                                                                                                     \
    X(OK, "ok", "no error")                                                                                                    \
    X(BAD_REQUEST, "bad_request", "the request is malformed")                                                                  \
    X(NOT_FOUND, "not_found", "there is no such thing")                                                                        \
    X(CONFLICT, "conflict", "the request contradicts what exists")                                                             \
    X(BUDGET_EXHAUSTED, "budget_exhausted", "it costs more than is available")                                                 \
    X(LEASE_LOST, "lease_lost", "the lease is not held any more")                                                              \
    X(STALE_MODEL, "stale_model", "a newer model version is active")                                                           \
    X(TOO_LARGE, "too_large", "a size limit is exceeded")                                                                      \
    X(BUSY, "busy", "a queue is full or the daemon is draining; try again later")                                              \
    X(DENIED, "denied", "the configuration does not allow it")                                                                 \
    X(READ_ONLY, "read_only", "a write to disk failed earlier; only reads are served")                                         \
    X(STORAGE_FULL, "storage_full", "the disk or the map is full")                                                             \
    X(INTERNAL, "internal", "a fault of the daemon, logged there")                                                             \
    X(CANCELED, "canceled", "somebody stopped it; nothing was done")

enum protocol_code {
#define X(code, word, text) PROTOCOL_##code,
    PROTOCOL_ERRORS(X)
#undef X
        PROTOCOL_CODES
};

/* An error with everything a peer is told. Zeroed, it means no error. The texts are NUL-terminated copies, cut to fit. */
struct protocol_error {
    enum protocol_code code;
    int64_t available_microusd; /* with PROTOCOL_BUDGET_EXHAUSTED only */
    char field[64];             /* the field at fault, or empty */
    char expected[160];
    char got[160];
    char message[512]; /* one English sentence */
};

/* The code's word on the wire; static. */
const char *protocol_code_word(enum protocol_code code);

/* The code's general text; static. */
const char *protocol_code_text(enum protocol_code code);

/* The code of a word, PROTOCOL_INTERNAL for an unknown one. `word` needs no NUL. */
enum protocol_code protocol_code_parse(const char *word, uint32_t size);

/*
 * Fills `error`, unless it already holds one: the first error is the one that is told. `got` is a printf format for the last
 * text; any of field, expected may be empty. Unprintable bytes are replaced by '?'. Returns false always, so that a check
 * can end in `return protocol_fail(...)`.
 */
bool protocol_fail(struct protocol_error *error, enum protocol_code code, const char *field, const char *expected,
    const char *got, ...) __attribute__((format(printf, 5, 6)));
