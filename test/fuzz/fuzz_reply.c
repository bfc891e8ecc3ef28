/*
 * A libFuzzer target: any bytes as a reply. What the client library takes for one is read with its getters, turned into JSON,
 * and written back from that JSON. `make fuzz` runs it for a bounded time.
 */
#include "clients/c/client.h"
#include "clients/curatectl/json.h"
#include "clients/curatectl/view.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_fields(const struct curated_reply *reply)
{
    static const char *const fields[] = {"id", "ok", "error", "leases", "events", "seqs", "labels", "next", "more", "slots"};
    struct curated_error error;
    const msgpack_object_map *map = curated_reply_map(reply);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        (void)curated_reply_integer(reply, fields[i], 0);
        (void)curated_reply_bool(reply, fields[i], false);
        (void)view_number(map, fields[i], 0);
        (void)view_text(map, fields[i]);
        const struct array array = view_array(map, fields[i]);
        for (size_t j = 0; j < array.rows; j++)
            (void)array_integer(&array, j);
        const msgpack_object_array *list = view_list(map, fields[i]);
        for (uint32_t j = 0; j < list->size; j++)
            (void)view_integer(view_as_map(&list->ptr[j]), "slot", 0);
    }
    if (!reply_is_ok(reply))
        reply_read_error(reply, &error);
}

static void turn_into_json(const struct curated_reply *reply)
{
    struct writer writer;
    json_t *json = json_from_reply(curated_reply_map(reply));
    writer_init(&writer);
    if (json)
        json_write(&writer, NULL, json);
    writer_deinit(&writer);
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct curated_error error;
    zmq_msg_t message;
    if (zmq_msg_init_size(&message, size) != 0)
        return 0;
    if (size > 0)
        memcpy(zmq_msg_data(&message), data, size);
    struct curated_reply *reply = reply_parse(&message, &error);
    if (!reply)
        return 0;
    read_fields(reply);
    turn_into_json(reply);
    curated_reply_free(reply);
    return 0;
}
