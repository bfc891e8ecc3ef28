#include "clients/c/client.h"

#include "protocol/operation.h"
#include "protocol/request.h"
#include "protocol/scan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* How long to wait where the caller has no wish: an operation that computes over a large pool takes its time. */
static const struct {
    int64_t timeout_ms;
    int64_t attempt_ms;
} defaults[] = {
    [OPERATION_WRITE] = {30000, 5000},
    [OPERATION_READ] = {30000, 5000},
    [OPERATION_BULK] = {120000, 30000},
    [OPERATION_LONG] = {600000, 60000},
};

static bool make_id(char id[CLIENT_ID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char random[(CLIENT_ID_SIZE - 1) / 2];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return false;
    for (size_t i = 0; i < sizeof random; i++) {
        id[2 * i] = digits[random[i] >> 4];
        id[2 * i + 1] = digits[random[i] & 15];
    }
    id[CLIENT_ID_SIZE - 1] = '\0';
    return true;
}

/* The pairs of an encoded map that has passed the scan, without its header. */
static struct text map_pairs(const unsigned char *bytes, size_t size, uint32_t *count)
{
    size_t header = 1;
    if (bytes[0] == 0xde) {
        header = 3;
        *count = (uint32_t)bytes[1] << 8 | bytes[2];
    } else if (bytes[0] == 0xdf) {
        header = 5;
        *count = (uint32_t)bytes[1] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 8 | bytes[4];
    } else {
        *count = bytes[0] & 0x0f;
    }
    return (struct text){(const char *)bytes + header, size - header};
}

static bool pack_pair(msgpack_packer *packer, const char *key, const char *value)
{
    return msgpack_pack_str(packer, strlen(key)) == 0 && msgpack_pack_str_body(packer, key, strlen(key)) == 0 &&
           msgpack_pack_str(packer, strlen(value)) == 0 && msgpack_pack_str_body(packer, value, strlen(value)) == 0;
}

/* The map of the whole request: the envelope's fields, then the pairs of the caller's map as they are. */
static bool pack_request(
    const struct curated_request *request, const char *id, msgpack_sbuffer *buffer, struct curated_error *error)
{
    struct protocol_error problem = {0};
    uint32_t count = 0;
    struct text pairs = {NULL, 0};
    if (request->fields) {
        if (!scan_map(request->fields, request->fields_size, &problem)) {
            client_copy_error(error, &problem);
            return false;
        }
        pairs = map_pairs(request->fields, request->fields_size, &count);
    }
    msgpack_packer packer;
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    const bool packed = msgpack_pack_map(&packer, (size_t)count + (request->project ? 4 : 3)) == 0 &&
                        msgpack_pack_str(&packer, 1) == 0 && msgpack_pack_str_body(&packer, "v", 1) == 0 &&
                        msgpack_pack_int(&packer, 1) == 0 && pack_pair(&packer, "id", id) &&
                        pack_pair(&packer, "op", request->operation) &&
                        (!request->project || pack_pair(&packer, "project", request->project)) &&
                        (pairs.size == 0 || msgpack_sbuffer_write(buffer, pairs.data, pairs.size) == 0);
    if (!packed)
        client_no_memory(error);
    return packed;
}

static struct outgoing describe(const struct curated *client, const struct curated_request *request, const char *id)
{
    enum operation operation;
    /* An operation of a later version is still sent; the daemon knows. */
    const bool known = operation_parse(request->operation, strlen(request->operation), &operation);
    const enum operation_kind kind = known ? operation_kind(operation) : OPERATION_READ;
    return (struct outgoing){
        .id = {id, strlen(id)},
        .timeout_ms = client->timeout_ms > 0 ? client->timeout_ms : defaults[kind].timeout_ms,
        .attempt_ms = client->attempt_ms > 0 ? client->attempt_ms : defaults[kind].attempt_ms,
    };
}

static bool check_request(const struct curated_request *request, struct curated_error *error)
{
    if (!request->operation)
        return client_fail(error, CURATED_BAD_REQUEST, "op", "an operation", "NULL");
    if (request->frame_count >= REQUEST_FRAMES_MAX)
        return client_fail(error, CURATED_BAD_REQUEST, "frames", "at most 15", "%zu", request->frame_count);
    if (request->id && (!*request->id || strlen(request->id) > REQUEST_ID_MAX))
        return client_fail(error, CURATED_BAD_REQUEST, "id", "1 to 64 bytes", "%zu bytes", strlen(request->id));
    return true;
}

struct curated_reply *curated_call(struct curated *client, const struct curated_request *request, struct curated_error *error)
{
    char random_id[CLIENT_ID_SIZE];
    struct frame frames[REQUEST_FRAMES_MAX];
    struct curated_reply *reply = NULL;
    msgpack_sbuffer buffer;
    client_clear(error);
    if (!check_request(request, error))
        return NULL;
    if (!request->id && !make_id(random_id)) {
        client_fail(error, CURATED_SYSTEM, "", "", "no random bytes");
        return NULL;
    }
    const char *id = request->id ? request->id : random_id;
    msgpack_sbuffer_init(&buffer);
    if (pack_request(request, id, &buffer, error)) {
        struct outgoing outgoing = describe(client, request, id);
        frames[0] = (struct frame){buffer.data, buffer.size};
        for (size_t i = 0; i < request->frame_count; i++)
            frames[i + 1] = (struct frame){request->frames[i].data, request->frames[i].size};
        outgoing.frames = frames;
        outgoing.frame_count = request->frame_count + 1;
        reply = client_exchange(client, &outgoing, error);
    }
    msgpack_sbuffer_destroy(&buffer);
    if (reply && !reply_is_ok(reply)) {
        reply_read_error(reply, error);
        curated_reply_free(reply);
        return NULL;
    }
    return reply;
}

struct curated_reply *client_call(struct curated *client, const char *operation, const char *project, struct writer *fields,
    const char *id, const struct curated_frame *frames, size_t frame_count, struct curated_error *error)
{
    const struct text bytes = writer_finish(fields);
    if (!bytes.data) {
        client_no_memory(error);
        return NULL;
    }
    return curated_call(
        client, &(struct curated_request){operation, project, id, bytes.data, bytes.size, frames, frame_count}, error);
}
