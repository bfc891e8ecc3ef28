#include "clients/c/client.h"

#include <stdlib.h>
#include <string.h>

enum {
    SAMPLES_PER_REQUEST = 50000,
    BYTES_PER_REQUEST = 16 << 20, /* of rows or texts: large enough for full speed, small enough to send again */
};

/* Starts the map of a request's fields. Partner: finish. */
static void begin(struct writer *fields)
{
    writer_init(fields);
    writer_map_begin(fields, NULL);
}

/* Ends the map, sends it, and forgets it. */
static struct curated_reply *finish(struct curated *client, const char *operation, const char *project, struct writer *fields,
    const char *id, const struct curated_frame *frame, struct curated_error *error)
{
    writer_map_end(fields);
    struct curated_reply *reply = client_call(client, operation, project, fields, id, frame, frame ? 1 : 0, error);
    writer_deinit(fields);
    return reply;
}

static bool done(struct curated_reply *reply)
{
    curated_reply_free(reply);
    return reply != NULL;
}

bool curated_create_project(struct curated *client, const char *project, const char *const *classes, size_t class_count,
    int64_t price_microusd, struct curated_error *error)
{
    struct writer fields;
    begin(&fields);
    writer_list_begin(&fields, "classes");
    for (size_t i = 0; i < class_count; i++)
        writer_string(&fields, NULL, classes[i]);
    writer_list_end(&fields);
    writer_integer(&fields, "price_microusd", price_microusd);
    return done(finish(client, "PROJECT.CREATE", project, &fields, NULL, NULL, error));
}

bool curated_grant(struct curated *client, const char *project, int64_t amount_microusd, const char *note, const char *id,
    int64_t *available_microusd, struct curated_error *error)
{
    struct writer fields;
    begin(&fields);
    writer_integer(&fields, "amount_microusd", amount_microusd);
    if (note)
        writer_string(&fields, "note", note);
    struct curated_reply *reply = finish(client, "BUDGET.GRANT", project, &fields, id, NULL, error);
    if (reply && available_microusd)
        *available_microusd = curated_reply_integer(reply, "available_microusd", 0);
    return done(reply);
}

/* ---- samples ---------------------------------------------------------------------------------------------------------------
 */

static void write_text_or_nil(struct writer *writer, const char *text)
{
    if (text)
        writer_string(writer, NULL, text);
    else
        writer_nil(writer, NULL);
}

/* A column is written only where a sample has something in it: a column that is given overwrites what was there. */
static void write_samples(struct writer *fields, const struct curated_sample *samples, size_t count)
{
    bool uris = false, groups = false, prices = false;
    writer_list_begin(fields, "keys");
    for (size_t i = 0; i < count; i++) {
        writer_string(fields, NULL, samples[i].key);
        uris = uris || samples[i].uri;
        groups = groups || samples[i].group;
        prices = prices || samples[i].price_microusd;
    }
    writer_list_end(fields);
    if (uris) {
        writer_list_begin(fields, "uris");
        for (size_t i = 0; i < count; i++)
            write_text_or_nil(fields, samples[i].uri);
        writer_list_end(fields);
    }
    if (groups) {
        writer_list_begin(fields, "groups");
        for (size_t i = 0; i < count; i++)
            write_text_or_nil(fields, samples[i].group);
        writer_list_end(fields);
    }
    if (prices) {
        writer_list_begin(fields, "prices_microusd");
        for (size_t i = 0; i < count; i++)
            writer_integer(fields, NULL, samples[i].price_microusd ? samples[i].price_microusd : -1);
        writer_list_end(fields);
    }
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) : 0;
}

/* How many samples go into one request: at least one, and no more than SAMPLES_PER_REQUEST or BYTES_PER_REQUEST of text. */
static size_t samples_that_fit(const struct curated_sample *samples, size_t count)
{
    size_t part = 0;
    for (size_t bytes = 0; part < count && part < SAMPLES_PER_REQUEST; part++) {
        bytes += text_size(samples[part].key) + text_size(samples[part].uri) + text_size(samples[part].group);
        if (part > 0 && bytes > BYTES_PER_REQUEST)
            break;
    }
    return part;
}

static bool read_slots(const struct curated_reply *reply, size_t count, uint32_t *slots, struct curated_error *error)
{
    struct protocol_error problem = {0};
    struct reader reader = reply_reader(reply, &problem);
    const struct array array = reader_array(&reader, "slots", ARRAY_BIT(ARRAY_U4), 1);
    if (!problem.code && array.rows != count)
        protocol_fail(&problem, PROTOCOL_BAD_REQUEST, "slots", "one slot a key", "%zu slots for %zu keys", array.rows, count);
    if (!reply_read_well(&problem, error))
        return false;
    memcpy(slots, array.data, array.bytes);
    return true;
}

bool curated_put_samples(struct curated *client, const char *project, const struct curated_sample *samples, size_t count,
    uint32_t *slots, struct curated_error *error)
{
    client_clear(error);
    for (size_t at = 0; at < count;) {
        const size_t part = samples_that_fit(samples + at, count - at);
        struct writer fields;
        begin(&fields);
        write_samples(&fields, samples + at, part);
        struct curated_reply *reply = finish(client, "SAMPLE.PUT", project, &fields, NULL, NULL, error);
        const bool good = reply && (!slots || read_slots(reply, part, slots + at, error));
        curated_reply_free(reply);
        if (!good)
            return false;
        at += part;
    }
    return true;
}

/* ---- vectors ---------------------------------------------------------------------------------------------------------------
 */

/* Writes which samples a part of the rows is of, and the description of its array in frame 1. */
static void write_rows(struct writer *fields, const char *key, const struct curated_rows *rows, size_t at, size_t part)
{
    if (rows->slots)
        writer_array(fields, "slots", ARRAY_U4, rows->slots + at, part, 0);
    else
        writer_integer(fields, "from", (int64_t)rows->first + (int64_t)at);
    writer_map_begin(fields, key);
    writer_string(fields, "dtype", array_dtype_name(ARRAY_F4));
    writer_list_begin(fields, "shape");
    writer_integer(fields, NULL, (int64_t)part);
    writer_integer(fields, NULL, (int64_t)rows->width);
    writer_list_end(fields);
    writer_integer(fields, "frame", 1);
    writer_map_end(fields);
}

/* How many rows from `at` go into one request. */
static size_t part_of(const struct curated_rows *rows, size_t at)
{
    const size_t rest = rows->count - at;
    size_t most = BYTES_PER_REQUEST / (rows->width * sizeof(float));
    if (most == 0)
        most = 1;
    if (most > READER_SAMPLES_MAX)
        most = READER_SAMPLES_MAX;
    return rest < most ? rest : most;
}

static struct curated_frame frame_of(const struct curated_rows *rows, size_t at, size_t part)
{
    return (struct curated_frame){rows->data + at * rows->width, part * rows->width * sizeof(float)};
}

static bool check_rows(const struct curated_rows *rows, struct curated_error *error)
{
    client_clear(error);
    if (rows->width == 0 || rows->width > BYTES_PER_REQUEST)
        return client_fail(error, CURATED_BAD_REQUEST, "width", "1 to 16777216", "%zu", rows->width);
    return true;
}

static bool begin_model(struct curated *client, const char *project, int64_t model_version, struct curated_error *error)
{
    struct writer fields;
    begin(&fields);
    writer_integer(&fields, "model_version", model_version);
    return done(finish(client, "MODEL.BEGIN", project, &fields, NULL, NULL, error));
}

bool curated_put_predictions(struct curated *client, const char *project, int64_t model_version,
    const struct curated_rows *rows, bool activate, struct curated_error *error)
{
    if (!check_rows(rows, error) || !begin_model(client, project, model_version, error))
        return false;
    for (size_t at = 0; at < rows->count;) {
        const size_t part = part_of(rows, at);
        const struct curated_frame frame = frame_of(rows, at, part);
        struct writer fields;
        begin(&fields);
        writer_integer(&fields, "model_version", model_version);
        write_rows(&fields, "probs", rows, at, part);
        at += part;
        /* Only the last part activates: no batch is chosen from half a push. */
        writer_bool(&fields, "activate", activate && at == rows->count);
        if (!done(finish(client, "PRED.PUT", project, &fields, NULL, &frame, error)))
            return false;
    }
    return true;
}

bool curated_put_embeddings(struct curated *client, const char *project, const char *space, const struct curated_rows *rows,
    struct curated_error *error)
{
    if (!check_rows(rows, error))
        return false;
    for (size_t at = 0; at < rows->count;) {
        const size_t part = part_of(rows, at);
        const struct curated_frame frame = frame_of(rows, at, part);
        struct writer fields;
        begin(&fields);
        writer_string(&fields, "space", space);
        write_rows(&fields, "embeddings", rows, at, part);
        if (!done(finish(client, "EMB.PUT", project, &fields, NULL, &frame, error)))
            return false;
        at += part;
    }
    return true;
}

/* ---- selection -------------------------------------------------------------------------------------------------------------
 */

static bool choose(struct curated *client, const char *operation, const char *project,
    const struct curated_selection *selection, const char *id, struct curated_batch *batch, struct curated_error *error)
{
    struct writer fields;
    begin(&fields);
    if (selection->budget_microusd)
        writer_integer(&fields, "budget_microusd", selection->budget_microusd);
    if (selection->count)
        writer_integer(&fields, "count", selection->count);
    if (selection->strategy)
        writer_string(&fields, "strategy", selection->strategy);
    writer_bool(&fields, "partial", selection->partial);
    struct curated_reply *reply = finish(client, operation, project, &fields, id, NULL, error);
    if (reply && batch)
        *batch = (struct curated_batch){
            .batch = curated_reply_integer(reply, "batch", 0),
            .items = curated_reply_integer(reply, "items", 0),
            .cost_microusd = curated_reply_integer(reply, "cost_microusd", 0),
            .available_microusd = curated_reply_integer(reply, "available_microusd", 0),
            .model_version = curated_reply_integer(reply, "model_version", 0),
        };
    return done(reply);
}

bool curated_plan(struct curated *client, const char *project, const struct curated_selection *selection,
    struct curated_batch *plan, struct curated_error *error)
{
    return choose(client, "PLAN", project, selection, NULL, plan, error);
}

bool curated_commit(struct curated *client, const char *project, const struct curated_selection *selection, const char *id,
    struct curated_batch *batch, struct curated_error *error)
{
    return choose(client, "BATCH.COMMIT", project, selection, id, batch, error);
}

struct curated_reply *curated_status(struct curated *client, const char *project, struct curated_error *error)
{
    return curated_call(client, &(struct curated_request){.operation = "STATUS", .project = project}, error);
}
