/*
 * reader.h - reads the typed fields of a msgpack map.
 *
 * The reader's error is sticky: after the first field that is not as it should be, every call answers a harmless value, so
 * that a handler reads all its fields in a straight line and checks once (`reader.error->code`).
 */
#pragma once

#include "protocol/array.h"
#include "protocol/error.h"

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes inside a message, not NUL-terminated; they live as long as the message. */
struct text {
    const char *data;
    size_t size;
};

/* One frame of a multi-part message, borrowed. */
struct frame {
    const void *data;
    size_t size;
};

struct reader {
    const msgpack_object_map *map; /* NULL reads as an empty map */
    const struct frame *frames;    /* the message's frames, the map's own first; NULL in nested maps without arrays */
    size_t frame_count;
    struct protocol_error *error;
};

/* How a request names samples. */
struct sample_names {
    enum { SAMPLES_NONE, SAMPLES_SLOTS, SAMPLES_SLOT_LIST, SAMPLES_KEYS, SAMPLES_FROM } kind;
    size_t count;       /* of SAMPLES_FROM: not known here */
    struct array slots; /* of SAMPLES_SLOTS, <u4 */
    const msgpack_object
        *list;     /* of SAMPLES_SLOT_LIST (checked: integers 0..UINT32_MAX) and SAMPLES_KEYS (str, 1..255 bytes) */
    uint32_t from; /* of SAMPLES_FROM */
};

enum {
    READER_KEY_MAX = 255,        /* bytes of a sample's key; LMDB's keys end at 511 */
    READER_SAMPLES_MAX = 262144, /* samples named in one request */
};

/* The field's value, NULL where it is absent or nil. */
const msgpack_object *reader_find(const struct reader *reader, const char *field);

bool reader_has(const struct reader *reader, const char *field);

/* Required fields: absent is an error. */
int64_t reader_integer(struct reader *reader, const char *field, int64_t minimum, int64_t maximum);
struct text reader_text(struct reader *reader, const char *field, size_t minimum, size_t maximum);
bool reader_bool(struct reader *reader, const char *field);
const msgpack_object_array *reader_list(struct reader *reader, const char *field, size_t maximum);
const msgpack_object_map *reader_map(struct reader *reader, const char *field);
/* `dtypes` is a set of ARRAY_BIT; `dimensions` 1 to 3. Checks shape against bytes without overflow. */
struct array reader_array(struct reader *reader, const char *field, unsigned dtypes, int dimensions);

/* Optional fields: absent gives the default. */
int64_t reader_integer_or(struct reader *reader, const char *field, int64_t minimum, int64_t maximum, int64_t otherwise);
double reader_number_or(struct reader *reader, const char *field, double minimum, double maximum, double otherwise);
bool reader_bool_or(struct reader *reader, const char *field, bool otherwise);
struct text reader_text_or(struct reader *reader, const char *field, size_t minimum, size_t maximum, const char *otherwise);

/* A str or bin field of `minimum` to `maximum` bytes, required. */
struct text reader_bytes(struct reader *reader, const char *field, size_t minimum, size_t maximum);

/* Exactly one of slots, keys, from (without `allow_from`: of the first two). */
struct sample_names reader_samples(struct reader *reader, bool allow_from);

/* The value as text, or {NULL, 0} where it isn't a str. */
struct text reader_object_text(const msgpack_object *object);

/* Fails with bad_request on `field`. Always false. */
bool reader_reject(struct reader *reader, const char *field, const char *expected, const char *got);

/* A msgpack type in words, for errors; static. */
const char *reader_type_name(const msgpack_object *object);

bool text_equal(struct text text, const char *string);

/* True for well-formed UTF-8. */
bool text_is_utf8(struct text text);

/* True for 1 to `maximum` of A-Z a-z 0-9 . _ - and the characters of `more`. */
bool text_is_name(struct text text, size_t maximum, const char *more);
