#include "protocol/writer.h"

#include <string.h>

void writer_init(struct writer *writer)
{
    memset(writer, 0, sizeof *writer);
    msgpack_sbuffer_init(&writer->buffer);
    msgpack_packer_init(&writer->packer, &writer->buffer, msgpack_sbuffer_write);
}

void writer_deinit(struct writer *writer)
{
    msgpack_sbuffer_destroy(&writer->buffer);
}

void writer_reset(struct writer *writer)
{
    msgpack_sbuffer_clear(&writer->buffer);
    writer->depth = 0;
    writer->failed = false;
}

struct text writer_finish(struct writer *writer)
{
    if (writer->failed || writer->depth != 0)
        return (struct text){NULL, 0};
    return (struct text){writer->buffer.data, writer->buffer.size};
}

/* Remembers the outcome of one packing call. */
static void keep(struct writer *writer, int status)
{
    if (status != 0)
        writer->failed = true;
}

static void put_text(struct writer *writer, struct text text)
{
    keep(writer, msgpack_pack_str(&writer->packer, text.size));
    if (text.size > 0)
        keep(writer, msgpack_pack_str_body(&writer->packer, text.data, text.size));
}

/* Counts the value that comes, and writes its key. */
static void enter_text(struct writer *writer, struct text key)
{
    if (writer->depth > 0)
        writer->open[writer->depth - 1].count++;
    if (key.data)
        put_text(writer, key);
}

static void enter(struct writer *writer, const char *key)
{
    enter_text(writer, (struct text){key, key ? strlen(key) : 0});
}

/* Opens a container with a 32-bit count that is filled in when it is closed. */
static void begin(struct writer *writer, struct text key, bool is_map)
{
    enter_text(writer, key);
    if (writer->depth == WRITER_DEPTH_MAX) {
        writer->failed = true;
        return;
    }
    const char header[5] = {(char)(is_map ? 0xdf : 0xdd), 0, 0, 0, 0};
    writer->open[writer->depth].offset = writer->buffer.size;
    writer->open[writer->depth].count = 0;
    writer->open[writer->depth].is_map = is_map;
    writer->depth++;
    keep(writer, msgpack_sbuffer_write(&writer->buffer, header, sizeof header));
}

static void end(struct writer *writer, bool is_map)
{
    if (writer->failed || writer->depth == 0 || writer->open[writer->depth - 1].is_map != is_map) {
        writer->failed = true;
        return;
    }
    writer->depth--;
    const uint32_t count = writer->open[writer->depth].count;
    char *header = writer->buffer.data + writer->open[writer->depth].offset;
    for (int i = 0; i < 4; i++)
        header[1 + i] = (char)(count >> (24 - 8 * i));
}

void writer_map_begin(struct writer *writer, const char *key)
{
    begin(writer, (struct text){key, key ? strlen(key) : 0}, true);
}

void writer_map_end(struct writer *writer)
{
    end(writer, true);
}

void writer_list_begin(struct writer *writer, const char *key)
{
    begin(writer, (struct text){key, key ? strlen(key) : 0}, false);
}

void writer_list_end(struct writer *writer)
{
    end(writer, false);
}

void writer_integer(struct writer *writer, const char *key, int64_t value)
{
    enter(writer, key);
    keep(writer, msgpack_pack_int64(&writer->packer, value));
}

void writer_integer_at(struct writer *writer, struct text key, int64_t value)
{
    enter_text(writer, key);
    keep(writer, msgpack_pack_int64(&writer->packer, value));
}

void writer_number(struct writer *writer, const char *key, double value)
{
    enter(writer, key);
    keep(writer, msgpack_pack_double(&writer->packer, value));
}

void writer_bool(struct writer *writer, const char *key, bool value)
{
    enter(writer, key);
    keep(writer, value ? msgpack_pack_true(&writer->packer) : msgpack_pack_false(&writer->packer));
}

void writer_nil(struct writer *writer, const char *key)
{
    enter(writer, key);
    keep(writer, msgpack_pack_nil(&writer->packer));
}

void writer_string(struct writer *writer, const char *key, const char *value)
{
    writer_text(writer, key, (struct text){value, strlen(value)});
}

void writer_text(struct writer *writer, const char *key, struct text value)
{
    enter(writer, key);
    put_text(writer, value);
}

void writer_bytes(struct writer *writer, const char *key, const void *bytes, size_t size)
{
    enter(writer, key);
    keep(writer, msgpack_pack_bin(&writer->packer, size));
    if (size > 0)
        keep(writer, msgpack_pack_bin_body(&writer->packer, bytes, size));
}

void writer_object(struct writer *writer, const char *key, const msgpack_object *value)
{
    enter(writer, key);
    keep(writer, msgpack_pack_object(&writer->packer, *value));
}

void writer_raw(struct writer *writer, const char *key, const void *bytes, size_t size)
{
    enter(writer, key);
    keep(writer, msgpack_sbuffer_write(&writer->buffer, bytes, size));
}

void writer_array(struct writer *writer, const char *key, enum array_dtype dtype, const void *data, size_t rows, size_t width)
{
    writer_map_begin(writer, key);
    writer_string(writer, "dtype", array_dtype_name(dtype));
    writer_list_begin(writer, "shape");
    writer_integer(writer, NULL, (int64_t)rows);
    if (width > 0)
        writer_integer(writer, NULL, (int64_t)width);
    writer_list_end(writer);
    writer_bytes(writer, "data", data, rows * (width > 0 ? width : 1) * array_dtype_size(dtype));
    writer_map_end(writer);
}
