/* SAMPLE.PUT, SAMPLE.DROP. */

#include "selector/apply.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP_SIZE_MAX = 255 };

/* The columns of one SAMPLE.PUT; NULL or an empty view where a column was not given. */
struct sample_columns {
    const msgpack_object_array *keys;
    const msgpack_object_array *uris;
    const msgpack_object_array *groups;
    const msgpack_object_array *tags;
    const msgpack_object_array *price_list;
    struct array prices;
    bool has_prices;
};

static const msgpack_object_array *read_column(struct reader *fields, const char *field, uint32_t count)
{
    if (!reader_has(fields, field))
        return NULL;
    const msgpack_object_array *list = reader_list(fields, field, READER_SAMPLES_MAX);
    if (!fields->error->code && list->size != count)
        protocol_fail(fields->error, PROTOCOL_BAD_REQUEST, field, "as many entries as keys", "%" PRIu32 " for %" PRIu32 " keys",
            list->size, count);
    return list;
}

/* Each entry a str of at most `maximum` bytes, or nil. */
static void check_texts(struct reader *fields, const char *field, const msgpack_object_array *list, size_t maximum)
{
    for (uint32_t i = 0; list && !fields->error->code && i < list->size; i++) {
        const struct text text = reader_object_text(&list->ptr[i]);
        if (list->ptr[i].type == MSGPACK_OBJECT_NIL)
            continue;
        if (list->ptr[i].type != MSGPACK_OBJECT_STR || text.size > maximum || !text_is_utf8(text))
            protocol_fail(fields->error, PROTOCOL_BAD_REQUEST, field, "nil or str of UTF-8 within the size limit",
                "%s[%" PRIu32 "]: %s of %zu bytes", field, i, reader_type_name(&list->ptr[i]), text.size);
    }
}

static void check_tags(struct reader *fields, const msgpack_object_array *tags)
{
    for (uint32_t i = 0; tags && !fields->error->code && i < tags->size; i++) {
        const msgpack_object *entry = &tags->ptr[i];
        if (entry->type != MSGPACK_OBJECT_ARRAY && entry->type != MSGPACK_OBJECT_NIL)
            reader_reject(fields, "tags", "lists of str", reader_type_name(entry));
        for (uint32_t j = 0; entry->type == MSGPACK_OBJECT_ARRAY && j < entry->via.array.size; j++) {
            const struct text tag = reader_object_text(&entry->via.array.ptr[j]);
            if (tag.size == 0 || tag.size > 64 || !text_is_utf8(tag))
                reader_reject(fields, "tags", "str of 1 to 64 bytes of UTF-8", reader_type_name(&entry->via.array.ptr[j]));
        }
    }
}

static int64_t price_at(const struct sample_columns *columns, uint32_t i)
{
    if (!columns->price_list)
        return array_integer(&columns->prices, i);
    const msgpack_object *price = &columns->price_list->ptr[i];
    if (price->type == MSGPACK_OBJECT_NIL)
        return SAMPLE_NO_PRICE;
    if (price->type == MSGPACK_OBJECT_POSITIVE_INTEGER && price->via.u64 <= INT64_MAX)
        return (int64_t)price->via.u64;
    return price->type == MSGPACK_OBJECT_NEGATIVE_INTEGER && price->via.i64 == SAMPLE_NO_PRICE ? SAMPLE_NO_PRICE : INT64_MIN;
}

static void read_prices(struct reader *fields, struct sample_columns *columns)
{
    const msgpack_object *prices = reader_find(fields, "prices_microusd");
    if (!prices)
        return;
    columns->has_prices = true;
    if (prices->type == MSGPACK_OBJECT_MAP) {
        columns->prices = reader_array(fields, "prices_microusd", ARRAY_BIT(ARRAY_I8), 1);
        if (!fields->error->code && columns->prices.rows != columns->keys->size)
            protocol_fail(fields->error, PROTOCOL_BAD_REQUEST, "prices_microusd", "as many entries as keys",
                "%zu for %" PRIu32 " keys", columns->prices.rows, columns->keys->size);
    } else {
        columns->price_list = read_column(fields, "prices_microusd", columns->keys->size);
    }
    for (uint32_t i = 0; !fields->error->code && i < columns->keys->size; i++) {
        const int64_t price = price_at(columns, i);
        if (price < SAMPLE_NO_PRICE || price > INT64_MAX / 1024)
            protocol_fail(fields->error, PROTOCOL_BAD_REQUEST, "prices_microusd", "-1, nil or an int from 0 to 2^53 - 1",
                "another value at %" PRIu32, i);
    }
}

static bool read_columns(struct reader *fields, struct sample_columns *columns)
{
    memset(columns, 0, sizeof *columns);
    columns->keys = reader_list(fields, "keys", READER_SAMPLES_MAX);
    const uint32_t count = columns->keys->size;
    columns->uris = read_column(fields, "uris", count);
    columns->groups = read_column(fields, "groups", count);
    columns->tags = read_column(fields, "tags", count);
    for (uint32_t i = 0; !fields->error->code && i < count; i++)
        if (columns->keys->ptr[i].type != MSGPACK_OBJECT_STR || columns->keys->ptr[i].via.str.size == 0)
            reader_reject(fields, "keys", "str of 1 to 255 bytes of UTF-8", reader_type_name(&columns->keys->ptr[i]));
    check_texts(fields, "keys", columns->keys, READER_KEY_MAX);
    check_texts(fields, "uris", columns->uris, SAMPLE_URI_MAX);
    check_texts(fields, "groups", columns->groups, GROUP_SIZE_MAX);
    check_tags(fields, columns->tags);
    read_prices(fields, columns);
    return !fields->error->code;
}

static bool read_tags(struct applying *applying, struct project *project, const msgpack_object *entry, uint64_t *tags,
    struct protocol_error *error)
{
    *tags = 0;
    for (uint32_t j = 0; entry->type == MSGPACK_OBJECT_ARRAY && j < entry->via.array.size; j++) {
        const struct text name = reader_object_text(&entry->via.array.ptr[j]);
        uint32_t tag;
        if (!name_find(&applying->change->txn, project, NAME_TAG, name, &tag)) {
            if (project->counters.names[NAME_TAG] >= PROJECT_TAGS_MAX)
                return protocol_fail(
                    error, PROTOCOL_TOO_LARGE, "tags", "at most 64 different tags in a project", "another one");
            tag = name_intern(&applying->change->txn, project, NAME_TAG, name);
        }
        *tags |= UINT64_C(1) << tag;
    }
    return true;
}

/* Lays the given columns over the sample's record. */
static bool fill(struct applying *applying, struct project *project, const struct sample_columns *columns, uint32_t i,
    struct sample *sample, struct protocol_error *error)
{
    if (columns->has_prices)
        sample->price_microusd = price_at(columns, i);
    if (columns->groups) {
        const struct text group = reader_object_text(&columns->groups->ptr[i]);
        sample->group = group.size > 0 ? name_intern(&applying->change->txn, project, NAME_GROUP, group) : 0;
    }
    return !columns->tags || read_tags(applying, project, &columns->tags->ptr[i], &sample->tags, error);
}

static struct text uri_at(const struct sample_columns *columns, uint32_t i)
{
    return columns->uris ? reader_object_text(&columns->uris->ptr[i]) : (struct text){NULL, 0};
}

static bool put_one(struct applying *applying, struct project *project, const struct sample_columns *columns, uint32_t i,
    uint32_t *slot, struct protocol_error *error)
{
    struct txn *txn = &applying->change->txn;
    const struct text key = reader_object_text(&columns->keys->ptr[i]);
    struct sample sample = {.price_microusd = SAMPLE_NO_PRICE, .label = LABEL_NO_CLASS};
    const bool known = sample_find(txn, project->number, key, slot);
    if (known && !sample_get(txn, project->number, *slot, &sample))
        return txn_corrupt(txn);
    const struct sample before = sample;
    if (!fill(applying, project, columns, i, &sample, error))
        return false;
    if (!known) {
        if (project->counters.samples >= UINT32_MAX)
            return protocol_fail(error, PROTOCOL_TOO_LARGE, "keys", "at most 2^32 - 1 samples in a project", "more");
        *slot = sample_register(txn, project, key, uri_at(columns, i));
    } else {
        if (uri_at(columns, i).data)
            source_put(txn, project->number, *slot, key, uri_at(columns, i));
        if (sample.state == SAMPLE_DROPPED)
            sample_move(project, &sample, sample.labels > 0 ? SAMPLE_LABELED : SAMPLE_POOL);
        project->counters.columns_changed += memcmp(&before, &sample, sizeof sample) != 0;
    }
    sample_put(txn, project->number, *slot, &sample);
    return true;
}

bool apply_sample_put(struct applying *applying, struct request *request, struct writer *reply)
{
    struct project *project = apply_find_project(applying, request);
    struct sample_columns columns;
    if (!project || !read_columns(&request->fields, &columns))
        return false;
    const uint32_t count = columns.keys->size;
    uint32_t *slots = malloc((count + 1) * sizeof *slots);
    if (!slots)
        return protocol_fail(&request->error, PROTOCOL_INTERNAL, "", "", "out of memory");
    const uint64_t before = project->counters.samples;
    bool ok = true;
    for (uint32_t i = 0; ok && i < count; i++)
        ok = put_one(applying, project, &columns, i, &slots[i], &request->error);
    ok = ok && slots_differ(slots, count, "keys", &request->error);
    if (ok) {
        writer_integer(reply, "created", (int64_t)(project->counters.samples - before));
        writer_array(reply, "slots", ARRAY_U4, slots, count, 0);
    }
    free(slots);
    return ok;
}

static bool may_drop(
    struct txn *txn, const struct project *project, uint32_t slot, struct sample *sample, struct protocol_error *error)
{
    if (!sample_get(txn, project->number, slot, sample))
        return txn_corrupt(txn);
    if (sample->state != SAMPLE_RESERVED && sample->state != SAMPLE_LEASED)
        return true;
    return protocol_fail(error, PROTOCOL_CONFLICT, "slots", "samples that are not in an open batch", "slot %" PRIu32 " is %s",
        slot, sample_state_name(sample->state));
}

bool apply_sample_drop(struct applying *applying, struct request *request, struct writer *reply)
{
    struct project *project = apply_find_project(applying, request);
    const struct sample_names names = reader_samples(&request->fields, false);
    if (!project || request->error.code)
        return false;
    struct txn *txn = &applying->change->txn;
    uint32_t *slots = malloc((names.count + 1) * sizeof *slots);
    if (!slots)
        return protocol_fail(&request->error, PROTOCOL_INTERNAL, "", "", "out of memory");
    struct sample sample;
    bool ok = samples_resolve(txn, project, &names, names.count, slots, &request->error);
    for (size_t i = 0; ok && i < names.count; i++)
        ok = may_drop(txn, project, slots[i], &sample, &request->error);
    int64_t dropped = 0;
    for (size_t i = 0; ok && i < names.count; i++) {
        if (!sample_get(txn, project->number, slots[i], &sample) || sample.state == SAMPLE_DROPPED)
            continue;
        sample_move(project, &sample, SAMPLE_DROPPED);
        sample_put(txn, project->number, slots[i], &sample);
        dropped++;
    }
    if (ok)
        writer_integer(reply, "dropped", dropped);
    free(slots);
    return ok;
}
