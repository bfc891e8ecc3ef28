#include "clients/c/client.h"

#include "protocol/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader reply_reader(const struct curated_reply *reply, struct protocol_error *error)
{
    return (struct reader){&reply->map, NULL, 0, error};
}

static bool parse_map(struct curated_reply *reply, struct curated_error *error)
{
    struct protocol_error problem = {0};
    const void *data = zmq_msg_data(&reply->message);
    const size_t size = zmq_msg_size(&reply->message);
    if (!scan_map(data, size, &problem))
        return client_fail(error, CURATED_BAD_REPLY, "", problem.expected, "%s", problem.got);
    size_t offset = 0;
    msgpack_object object;
    if (msgpack_unpack(data, size, &offset, &reply->zone, &object) != MSGPACK_UNPACK_SUCCESS) {
        client_no_memory(error);
        return false;
    }
    reply->map = object.via.map;
    struct reader reader = reply_reader(reply, &problem);
    reader_integer(&reader, "v", 1, 1);
    if (!reader_bool(&reader, "ok"))
        reader_map(&reader, "error");
    return reply_read_well(&problem, error);
}

struct curated_reply *reply_parse(zmq_msg_t *message, struct curated_error *error)
{
    struct curated_reply *reply = calloc(1, sizeof *reply);
    if (!reply || !msgpack_zone_init(&reply->zone, 8192)) {
        client_no_memory(error);
        zmq_msg_close(message);
        free(reply);
        return NULL;
    }
    zmq_msg_init(&reply->message);
    zmq_msg_move(&reply->message, message);
    zmq_msg_close(message);
    if (parse_map(reply, error))
        return reply;
    curated_reply_free(reply);
    return NULL;
}

void curated_reply_free(struct curated_reply *reply)
{
    if (!reply)
        return;
    msgpack_zone_destroy(&reply->zone);
    zmq_msg_close(&reply->message);
    free(reply);
}

bool reply_read_well(const struct protocol_error *problem, struct curated_error *error)
{
    if (!problem->code)
        return true;
    return client_fail(error, CURATED_BAD_REPLY, problem->field, problem->expected, "%s", problem->got);
}

bool reply_is_ok(const struct curated_reply *reply)
{
    return curated_reply_bool(reply, "ok", false);
}

static void copy_text(struct reader *reader, const char *field, char *text, size_t size)
{
    const struct text value = reader_text_or(reader, field, 0, UINT32_MAX, "");
    snprintf(text, size, "%.*s", value.size < size ? (int)value.size : (int)size, value.data);
}

void reply_read_error(const struct curated_reply *reply, struct curated_error *error)
{
    if (!error)
        return;
    struct protocol_error problem = {0};
    struct reader outer = reply_reader(reply, &problem);
    struct reader reader = {reader_map(&outer, "error"), NULL, 0, &problem};
    client_clear(error);
    const struct text word = reader_text_or(&reader, "code", 0, 64, "internal");
    error->code = (enum curated_code)protocol_code_parse(word.data, (uint32_t)word.size);
    copy_text(&reader, "message", error->message, sizeof error->message);
    copy_text(&reader, "field", error->field, sizeof error->field);
    copy_text(&reader, "expected", error->expected, sizeof error->expected);
    copy_text(&reader, "got", error->got, sizeof error->got);
    error->available_microusd = reader_integer_or(&reader, "available_microusd", INT64_MIN, INT64_MAX, 0);
}

const msgpack_object_map *curated_reply_map(const struct curated_reply *reply)
{
    return &reply->map;
}

const msgpack_object *curated_reply_find(const struct curated_reply *reply, const char *field)
{
    struct protocol_error problem = {0};
    const struct reader reader = reply_reader(reply, &problem);
    return reader_find(&reader, field);
}

int64_t curated_reply_integer(const struct curated_reply *reply, const char *field, int64_t otherwise)
{
    struct protocol_error problem = {0};
    struct reader reader = reply_reader(reply, &problem);
    const int64_t value = reader_integer_or(&reader, field, INT64_MIN, INT64_MAX, otherwise);
    return problem.code ? otherwise : value;
}

bool curated_reply_bool(const struct curated_reply *reply, const char *field, bool otherwise)
{
    const msgpack_object *object = curated_reply_find(reply, field);
    return object && object->type == MSGPACK_OBJECT_BOOLEAN ? object->via.boolean : otherwise;
}
