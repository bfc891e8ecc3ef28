/*
 * writer.h - writes msgpack: nested maps and lists whose lengths need not be known beforehand.
 *
 * Errors (no memory, nesting over WRITER_DEPTH_MAX) are sticky; check `writer_finish`.
 */
#pragma once

#include "protocol/array.h"
#include "protocol/error.h"
#include "protocol/reader.h"

#include <msgpack.h>

enum { WRITER_DEPTH_MAX = 8 };

struct writer {
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    struct {
        size_t offset; /* of the container's header */
        uint32_t count;
        bool is_map;
    } open[WRITER_DEPTH_MAX];
    int depth;
    bool failed;
};

/* Caller's memory; partner: writer_deinit. */
void writer_init(struct writer *writer);
void writer_deinit(struct writer *writer);

/* Makes it empty again, keeping its memory. */
void writer_reset(struct writer *writer);

/* The bytes written, complete: every container is closed. {NULL, 0} after a failure. Valid until the next call. */
struct text writer_finish(struct writer *writer);

/* A value inside the open map takes a key, a value inside the open list NULL. */
void writer_map_begin(struct writer *writer, const char *key);
void writer_map_end(struct writer *writer);
void writer_list_begin(struct writer *writer, const char *key);
void writer_list_end(struct writer *writer);

void writer_integer(struct writer *writer, const char *key, int64_t value);
void writer_number(struct writer *writer, const char *key, double value);
void writer_bool(struct writer *writer, const char *key, bool value);
void writer_nil(struct writer *writer, const char *key);
void writer_string(struct writer *writer, const char *key, const char *value);
void writer_text(struct writer *writer, const char *key, struct text value);
void writer_bytes(struct writer *writer, const char *key, const void *bytes, size_t size);
/* A map entry whose key is text from elsewhere. */
void writer_integer_at(struct writer *writer, struct text key, int64_t value);
void writer_object(struct writer *writer, const char *key, const msgpack_object *value);

/* Bytes that are one whole msgpack value already. */
void writer_raw(struct writer *writer, const char *key, const void *bytes, size_t size);

/* An array {dtype, shape, data} of one dimension (width 0) or two. */
void writer_array(struct writer *writer, const char *key, enum array_dtype dtype, const void *data, size_t rows, size_t width);
