#include "protocol/request.h"

#include "protocol/scan.h"

#include <string.h>

/* The id comes first, so that every later error can be matched to its request. */
static void read_id(struct request *request)
{
    const struct text id = reader_bytes(&request->fields, "id", 1, REQUEST_ID_MAX);
    if (request->error.code)
        return;
    request->id.bytes = id;
    /* A str that is no UTF-8 is echoed as bin, so that every reply can be decoded. */
    request->id.is_text = reader_find(&request->fields, "id")->type == MSGPACK_OBJECT_STR && text_is_utf8(id);
}

static void read_operation(struct request *request)
{
    const struct text name = reader_text(&request->fields, "op", 1, 64);
    if (!request->error.code && !operation_parse(name.data, name.size, &request->operation))
        protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, "op", "an operation of protocol version 1", "%.*s", (int)name.size,
            name.data);
}

static void read_project(struct request *request)
{
    if (request->error.code)
        return;
    const enum operation_scope scope = operation_scope(request->operation);
    if (scope == SCOPE_DAEMON || (scope == SCOPE_OPTIONAL && !reader_has(&request->fields, "project")))
        return;
    const struct text project = reader_text(&request->fields, "project", 1, REQUEST_PROJECT_MAX);
    if (request->error.code)
        return;
    if (text_is_name(project, REQUEST_PROJECT_MAX, ""))
        request->project = project;
    else
        protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, "project", "1 to 64 of A-Z a-z 0-9 . _ -", "%.*s",
            (int)project.size, project.data);
}

bool request_decode(struct request *request, const struct frame *frames, size_t frame_count, msgpack_zone *zone)
{
    memset(request, 0, sizeof *request);
    request->id.bytes = request->project = (struct text){"", 0};
    request->fields = (struct reader){NULL, frames, frame_count, &request->error};
    if (frame_count == 0 || frame_count > REQUEST_FRAMES_MAX)
        return protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, "message", "1 to 16 frames", "%zu", frame_count);
    if (!scan_map(frames[0].data, frames[0].size, &request->error))
        return false;

    size_t offset = 0;
    msgpack_object object;
    const msgpack_unpack_return status = msgpack_unpack(frames[0].data, frames[0].size, &offset, zone, &object);
    if (status != MSGPACK_UNPACK_SUCCESS || object.type != MSGPACK_OBJECT_MAP)
        return protocol_fail(
            &request->error, PROTOCOL_INTERNAL, "message", "", "a checked message that msgpack can't unpack (%d)", (int)status);
    request->map = object.via.map;
    request->fields.map = &request->map;

    read_id(request);
    reader_integer(&request->fields, "v", 1, 1);
    read_operation(request);
    read_project(request);
    return !request->error.code;
}

static void begin(struct writer *writer, const struct request_id *id, bool ok)
{
    writer_map_begin(writer, NULL);
    writer_integer(writer, "v", 1);
    if (id->is_text)
        writer_text(writer, "id", id->bytes);
    else
        writer_bytes(writer, "id", id->bytes.data, id->bytes.size);
    writer_bool(writer, "ok", ok);
}

void reply_begin(struct writer *writer, const struct request_id *id)
{
    begin(writer, id, true);
}

void reply_error(struct writer *writer, const struct request_id *id, const struct protocol_error *error)
{
    begin(writer, id, false);
    writer_map_begin(writer, "error");
    writer_string(writer, "code", protocol_code_word(error->code));
    writer_string(writer, "message", error->message);
    writer_string(writer, "field", error->field);
    writer_string(writer, "expected", error->expected);
    writer_string(writer, "got", error->got);
    if (error->code == PROTOCOL_BUDGET_EXHAUSTED)
        writer_integer(writer, "available_microusd", error->available_microusd);
    writer_map_end(writer);
    writer_map_end(writer);
}
