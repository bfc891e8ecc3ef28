/*
 * A libFuzzer target: any bytes as a request of one to four frames. What is accepted is read with every getter, answered and
 * scanned again. `make fuzz` runs it for a bounded time.
 */
#include "protocol/request.h"
#include "protocol/scan.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads every field as everything; the reader's error sticks, so each getter gets a fresh one. */
static void read_all(struct request *request)
{
    static const char *const fields[] = {
        "id", "op", "project", "slots", "keys", "from", "probs", "draws", "labels", "classes", "settings"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct protocol_error error[9] = {{0}};
        struct reader reader = request->fields;
        reader.error = &error[0];
        reader_integer(&reader, fields[i], -5, 1000);
        reader.error = &error[1];
        reader_text(&reader, fields[i], 1, 255);
        reader.error = &error[2];
        reader_number_or(&reader, fields[i], 0, 1, 0);
        reader.error = &error[3];
        reader_list(&reader, fields[i], 1000);
        reader.error = &error[4];
        const struct array array = reader_array(&reader, fields[i], ARRAY_INTEGERS | ARRAY_FLOATS, 1);
        for (size_t j = 0; j < array.rows; j++)
            (void)array_integer(&array, j);
        reader.error = &error[5];
        reader_array(&reader, fields[i], ARRAY_INTEGERS | ARRAY_FLOATS, 2);
        reader.error = &error[6];
        reader_samples(&reader, true);
        reader.error = &error[7];
        reader_bytes(&reader, fields[i], 0, 64);
        reader.error = &error[8];
        reader_array(&reader, fields[i], ARRAY_INTEGERS | ARRAY_FLOATS, 3);
    }
}

/* Whatever came, the reply must be one that passes the scan itself. */
static void answer(const struct request *request)
{
    struct writer writer;
    struct protocol_error error = {0};
    writer_init(&writer);
    if (request->error.code) {
        reply_error(&writer, &request->id, &request->error);
    } else {
        reply_begin(&writer, &request->id);
        writer_map_end(&writer);
    }
    const struct text reply = writer_finish(&writer);
    if (reply.data && !scan_map(reply.data, reply.size, &error))
        abort();
    writer_deinit(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* The first byte cuts the rest into frames, so that array fields find some. */
    if (size < 1)
        return 0;
    const size_t count = 1 + data[0] % 4;
    const size_t tail = (size - 1) / 8;
    struct frame frames[4];
    frames[0] = (struct frame){data + 1, size - 1 - (count - 1) * tail};
    for (size_t i = 1; i < count; i++)
        frames[i] = (struct frame){(const uint8_t *)frames[i - 1].data + frames[i - 1].size, tail};

    msgpack_zone zone;
    if (!msgpack_zone_init(&zone, 4096))
        return 0;
    struct request request;
    if (request_decode(&request, frames, count, &zone))
        read_all(&request);
    answer(&request);
    msgpack_zone_destroy(&zone);
    return 0;
}
