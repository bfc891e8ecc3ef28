#include "store/batch.h"

#include <string.h>

static struct key key_of_batch(uint32_t project, uint32_t number)
{
    struct key key = key_project(project);
    key_add_u32(&key, number);
    return key;
}

static struct key key_of_item(uint32_t project, uint32_t batch, uint32_t rank)
{
    struct key key = key_of_batch(project, batch);
    key_add_u32(&key, rank);
    return key;
}

bool batch_get(struct txn *txn, uint32_t project, uint32_t number, struct batch *batch)
{
    const struct key key = key_of_batch(project, number);
    return txn_get_record(txn, STATE_BATCHES, &key, batch, sizeof *batch);
}

void batch_put(struct txn *txn, uint32_t project, uint32_t number, const struct batch *batch)
{
    const struct key key = key_of_batch(project, number);
    txn_put(txn, STATE_BATCHES, &key, batch, sizeof *batch);
}

bool item_get(struct txn *txn, uint32_t project, uint32_t batch, uint32_t rank, struct item *item)
{
    const struct key key = key_of_item(project, batch, rank);
    return txn_get_record(txn, STATE_ITEMS, &key, item, sizeof *item);
}

void item_put(struct txn *txn, uint32_t project, uint32_t batch, uint32_t rank, const struct item *item)
{
    const struct key key = key_of_item(project, batch, rank);
    txn_put(txn, STATE_ITEMS, &key, item, sizeof *item);
}

const char *batch_type_name(const struct project *project, uint32_t type)
{
    return type > 0 && type <= PROJECT_TYPES_MAX ? project->settings.types[type - 1].name : "";
}

const char *item_arm_name(uint8_t arm)
{
    static const char *const names[ITEM_ARMS] = {"policy", "control", "share", "include"}; /* in the order of enum select_arm */
    return arm < ITEM_ARMS ? names[arm] : "unknown";
}

size_t waiting_size(const struct waiting *waiting)
{
    return offsetof(struct waiting, workers) + waiting->worker_count * sizeof waiting->workers[0];
}

bool waiting_read(struct value value, struct waiting *waiting)
{
    memset(waiting, 0, sizeof *waiting);
    if (value.size < offsetof(struct waiting, workers) || value.size > sizeof *waiting)
        return false;
    memcpy(waiting, value.data, value.size);
    return value.size == waiting_size(waiting);
}

bool waiting_has(const struct waiting *waiting, uint32_t worker)
{
    for (uint32_t i = 0; i < waiting->worker_count; i++)
        if (waiting->workers[i] == worker)
            return true;
    return false;
}

void queue_put(struct change *change, struct project *project, uint32_t batch, uint32_t rank, const struct waiting *waiting)
{
    const struct key key = key_of_item(project->number, batch, rank);
    txn_put(&change->txn, STATE_QUEUE, &key, waiting, waiting_size(waiting));
    project->counters.waiting++;
}

bool queue_take(struct change *change, struct project *project, uint32_t batch, uint32_t rank)
{
    const struct key key = key_of_item(project->number, batch, rank);
    if (!txn_delete(&change->txn, STATE_QUEUE, &key))
        return false;
    project->counters.waiting--;
    return true;
}

static void tell_done(struct change *change, struct project *project, uint32_t number, const struct batch *batch)
{
    struct writer *event = event_begin(change, project, EVENT_BATCH_DONE);
    writer_integer(event, "batch", number);
    writer_integer(event, "labeled", batch->labeled);
    writer_integer(event, "rejected", batch->rejected);
    event_end(change, project, EVENT_BATCH_DONE);
}

void item_finish(
    struct change *change, struct project *project, uint32_t number, uint32_t rank, enum item_end end, uint32_t answers)
{
    struct batch batch;
    struct item item;
    if (!batch_get(&change->txn, project->number, number, &batch) ||
        !item_get(&change->txn, project->number, number, rank, &item) || item.end != ITEM_OPEN || batch.open == 0 ||
        answers > batch.overlap) {
        txn_corrupt(&change->txn);
        return;
    }
    item.end = (uint8_t)end;
    item_put(&change->txn, project->number, number, rank, &item);
    batch.open--;
    *(end == ITEM_LABELED ? &batch.labeled : end == ITEM_REJECTED ? &batch.rejected : &batch.canceled) += 1;
    if (batch.open == 0 && batch.state == BATCH_OPEN) {
        batch.state = BATCH_DONE;
        tell_done(change, project, number, &batch);
    }
    batch_put(&change->txn, project->number, number, &batch);

    const struct entry release = {.kind = LEDGER_RELEASE,
        .batch = number,
        .slot = item.slot,
        .amount_microusd = item.price_microusd * (batch.overlap - answers)};
    struct protocol_error error = {0};
    if (!ledger_append(change, project, release, (struct text){"", 0}, &error))
        txn_corrupt(&change->txn);
}
