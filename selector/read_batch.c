/* BATCH.GET, EXPLAIN. */

#include "selector/plan.h"
#include "selector/read.h"
#include "selector/strategy/select.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { ITEMS_DEFAULT = 10000, ITEMS_MAX = 100000 };

static const char *batch_state_name(uint8_t state)
{
    return state == BATCH_OPEN ? "open" : state == BATCH_DONE ? "done" : "canceled";
}

static const char *item_state(struct reading *reading, const struct project *project, const struct item *item)
{
    static const char *const ends[] = {[ITEM_LABELED] = "labeled", [ITEM_REJECTED] = "rejected", [ITEM_CANCELED] = "canceled"};
    struct sample sample;
    if (item->end != ITEM_OPEN)
        return item->end <= ITEM_CANCELED ? ends[item->end] : "unknown";
    if (!sample_get(reading->state, project->number, item->slot, &sample))
        return "unknown";
    return sample_state_name((enum sample_state)sample.state);
}

static void write_predicted(
    struct reading *reading, const struct project *project, const struct item *item, struct writer *reply)
{
    if (item->predicted >= 0)
        writer_text(reply, "predicted", name_text(reading->state, project->number, NAME_CLASS, (uint32_t)item->predicted));
}

static void write_item(struct reading *reading, const struct project *project, uint32_t rank, const struct item *item,
    enum select_strategy strategy, struct writer *reply)
{
    char reason[192];
    plan_describe(item, strategy, reason, sizeof reason);
    const struct source source = source_get(reading->state, project->number, item->slot);
    writer_map_begin(reply, NULL);
    writer_integer(reply, "rank", rank);
    writer_integer(reply, "slot", item->slot);
    writer_text(reply, "key", source.key);
    writer_text(reply, "uri", source.uri);
    writer_integer(reply, "price_microusd", item->price_microusd);
    writer_string(reply, "state", item_state(reading, project, item));
    writer_string(reply, "arm", item_arm_name(item->arm));
    writer_string(reply, "reason", reason);
    writer_number(reply, "probability", item->probability);
    write_predicted(reading, project, item, reply);
    writer_map_end(reply);
}

/* Reads the batch the request names. */
static bool find_batch(
    struct reading *reading, const struct project *project, uint32_t number, struct batch *batch, struct protocol_error *error)
{
    return batch_get(reading->state, project->number, number, batch) ||
           protocol_fail(error, PROTOCOL_NOT_FOUND, "batch", "a batch of the project", "%" PRIu32, number);
}

bool read_batch_get(struct reading *reading, struct request *request, struct writer *reply)
{
    struct project project;
    struct batch batch;
    const uint32_t number = (uint32_t)reader_integer(&request->fields, "batch", 1, UINT32_MAX);
    const uint32_t from = (uint32_t)reader_integer_or(&request->fields, "from", 0, UINT32_MAX, 0);
    const size_t limit = (size_t)reader_integer_or(&request->fields, "limit", 1, ITEMS_MAX, ITEMS_DEFAULT);
    if (request->error.code || !project_find(reading->state, request->project, &project, &request->error) ||
        !find_batch(reading, &project, number, &batch, &request->error))
        return false;
    writer_integer(reply, "batch", number);
    writer_string(reply, "state", batch_state_name(batch.state));
    writer_integer(reply, "created_ms", batch.created_ms);
    writer_string(reply, "strategy", select_strategy_name((enum select_strategy)batch.strategy));
    writer_integer(reply, "seed", (int64_t)batch.seed);
    writer_integer(reply, "model_version", batch.model_version);
    writer_integer(reply, "overlap", batch.overlap);
    writer_string(reply, "type", batch_type_name(&project, batch.type));
    writer_integer(reply, "cost_microusd", batch.cost_microusd);
    writer_integer(reply, "items", batch.items);
    writer_integer(reply, "open", batch.open);
    writer_integer(reply, "labeled", batch.labeled);
    writer_integer(reply, "rejected", batch.rejected);
    writer_integer(reply, "canceled", batch.canceled);
    writer_list_begin(reply, "list");
    uint32_t rank = from;
    for (; rank < batch.items && rank - from < limit; rank++) {
        struct item item;
        if (!item_get(reading->state, project.number, number, rank, &item))
            return txn_corrupt(reading->state);
        write_item(reading, &project, rank, &item, (enum select_strategy)batch.strategy, reply);
    }
    writer_list_end(reply);
    if (rank < batch.items)
        writer_integer(reply, "next", rank);
    return true;
}

static bool read_slot(struct reading *reading, struct request *request, const struct project *project, uint32_t *slot)
{
    struct reader *fields = &request->fields;
    if (reader_has(fields, "slot") == reader_has(fields, "key"))
        return reader_reject(fields, "slot", "one of slot, key", reader_has(fields, "slot") ? "both" : "neither");
    if (reader_has(fields, "slot")) {
        *slot = (uint32_t)reader_integer(fields, "slot", 0, UINT32_MAX);
        return !request->error.code &&
               (*slot < project->counters.samples ||
                   protocol_fail(&request->error, PROTOCOL_NOT_FOUND, "slot", "a registered slot", "%" PRIu32, *slot));
    }
    const struct text key = reader_text(fields, "key", 1, READER_KEY_MAX);
    return !request->error.code &&
           (sample_find(reading->state, project->number, key, slot) ||
               protocol_fail(&request->error, PROTOCOL_NOT_FOUND, "key", "a registered key", "%.*s", (int)key.size, key.data));
}

/* The item of the sample in a batch; the sample's record knows its newest, older ones are searched. */
static bool find_item(
    struct reading *reading, const struct project *project, uint32_t slot, uint32_t number, uint32_t *rank, struct item *item)
{
    struct sample sample;
    struct batch batch;
    if (sample_get(reading->state, project->number, slot, &sample) && sample.batch == number) {
        *rank = sample.rank;
        return item_get(reading->state, project->number, number, *rank, item);
    }
    if (!batch_get(reading->state, project->number, number, &batch))
        return false;
    for (*rank = 0; *rank < batch.items; ++*rank)
        if (item_get(reading->state, project->number, number, *rank, item) && item->slot == slot)
            return true;
    return false;
}

bool read_explain(struct reading *reading, struct request *request, struct writer *reply)
{
    struct project project;
    struct sample sample;
    struct batch batch;
    struct item item;
    uint32_t slot;
    uint32_t rank;
    if (!project_find(reading->state, request->project, &project, &request->error) ||
        !read_slot(reading, request, &project, &slot) || !sample_get(reading->state, project.number, slot, &sample))
        return false;
    const uint32_t number = (uint32_t)reader_integer_or(&request->fields, "batch", 1, UINT32_MAX, sample.batch);
    if (request->error.code)
        return false;
    if (number == 0)
        return protocol_fail(&request->error, PROTOCOL_NOT_FOUND, "slot", "a sample that was in a batch", "one that never was");
    if (!find_item(reading, &project, slot, number, &rank, &item))
        return protocol_fail(&request->error, PROTOCOL_NOT_FOUND, "batch", "a batch that the sample is in", "%" PRIu32, number);
    if (!find_batch(reading, &project, number, &batch, &request->error))
        return false;
    char reason[192];
    plan_describe(&item, (enum select_strategy)batch.strategy, reason, sizeof reason);
    writer_integer(reply, "batch", number);
    writer_integer(reply, "rank", rank);
    writer_integer(reply, "slot", slot);
    writer_text(reply, "key", source_get(reading->state, project.number, slot).key);
    writer_string(reply, "strategy", select_strategy_name((enum select_strategy)batch.strategy));
    writer_string(reply, "arm", item_arm_name(item.arm));
    writer_string(reply, "reason", reason);
    writer_integer(reply, "price_microusd", item.price_microusd);
    writer_number(reply, "probability", item.probability);
    write_predicted(reading, &project, &item, reply);
    writer_number(reply, "uncertainty", item.uncertainty);
    writer_number(reply, "class_weight", item.class_weight);
    writer_number(reply, "slice_weight", item.slice_weight);
    writer_number(reply, "gain", item.gain);
    writer_number(reply, "utility", item.utility);
    writer_integer(reply, "model_version", batch.model_version);
    writer_integer(reply, "seed", (int64_t)batch.seed);
    return true;
}
