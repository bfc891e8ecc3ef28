#include "store/lease.h"

#include <string.h>

static struct key key_of_lease(uint32_t project, uint32_t worker, uint32_t slot)
{
    struct key key = key_project(project);
    key_add_u32(&key, worker);
    key_add_u32(&key, slot);
    return key;
}

static size_t lease_size(const struct lease *lease)
{
    return offsetof(struct lease, waiting) + waiting_size(&lease->waiting);
}

static bool lease_read(struct value value, struct lease *lease)
{
    const size_t head = offsetof(struct lease, waiting);
    if (value.size < head)
        return false;
    memcpy(lease, value.data, head);
    return waiting_read((struct value){(const uint8_t *)value.data + head, value.size - head}, &lease->waiting);
}

uint64_t lease_grant(struct change *change, struct project *project, uint32_t batch, uint32_t rank,
    const struct waiting *waiting, uint32_t worker, int64_t deadline_ms, const uint64_t request[2])
{
    struct sample sample;
    if (!sample_get(&change->txn, project->number, waiting->slot, &sample) || sample.state != SAMPLE_RESERVED ||
        !queue_take(change, project, batch, rank)) {
        txn_corrupt(&change->txn);
        return 0;
    }
    sample_move(project, &sample, SAMPLE_LEASED);
    sample.fence = ++project->counters.fence;
    sample.worker = worker;
    sample.deadline_ms = deadline_ms;
    sample_put(&change->txn, project->number, waiting->slot, &sample);

    const struct lease lease = {.fence = sample.fence, .request = {request[0], request[1]}, .waiting = *waiting};
    const struct key key = key_of_lease(project->number, worker, waiting->slot);
    txn_put(&change->txn, STATE_LEASES, &key, &lease, lease_size(&lease));
    project->counters.leases++;
    return sample.fence;
}

bool lease_get(struct txn *txn, uint32_t project, uint32_t worker, uint32_t slot, struct lease *lease)
{
    const struct key key = key_of_lease(project, worker, slot);
    struct value value;
    return txn_get(txn, STATE_LEASES, &key, &value) && (lease_read(value, lease) || txn_corrupt(txn));
}

bool lease_holds(const struct sample *sample, uint32_t worker, uint64_t fence)
{
    return sample->state == SAMPLE_LEASED && sample->fence == fence && sample->worker == worker;
}

void lease_end(struct change *change, struct project *project, uint32_t slot, struct sample *sample, struct waiting *waiting)
{
    struct lease lease;
    const struct key key = key_of_lease(project->number, sample->worker, slot);
    if (!lease_get(&change->txn, project->number, sample->worker, slot, &lease) ||
        !txn_delete(&change->txn, STATE_LEASES, &key)) {
        txn_corrupt(&change->txn);
        return;
    }
    project->counters.leases--;
    *waiting = lease.waiting;
    sample->fence = 0;
    sample->worker = 0;
    sample->deadline_ms = 0;
}

void lease_give_back(struct change *change, struct project *project, uint32_t slot, struct sample *sample,
    const struct waiting *waiting, const char *cause)
{
    struct batch batch;
    if (!batch_get(&change->txn, project->number, sample->batch, &batch)) {
        txn_corrupt(&change->txn);
        return;
    }
    if (batch.state == BATCH_CANCELED) {
        item_finish(change, project, sample->batch, sample->rank, ITEM_CANCELED, sample->answers);
        sample_move(project, sample, sample->labels > 0 ? SAMPLE_LABELED : SAMPLE_POOL);
    } else {
        queue_put(change, project, sample->batch, sample->rank, waiting);
        sample_move(project, sample, SAMPLE_RESERVED);
    }
    sample_put(&change->txn, project->number, slot, sample);
    struct writer *event = event_begin(change, project, EVENT_ITEM_RELEASED);
    writer_integer(event, "batch", sample->batch);
    writer_integer(event, "slot", slot);
    writer_string(event, "cause", cause);
    event_end(change, project, EVENT_ITEM_RELEASED);
}

void lease_each(struct txn *txn, uint32_t project,
    bool (*visit)(void *context, uint32_t worker, uint32_t slot, const struct lease *lease), void *context)
{
    const struct key prefix = key_project(project);
    struct cursor cursor;
    cursor_open(&cursor, txn, STATE_LEASES, &prefix, NULL);
    while (cursor_next(&cursor)) {
        struct lease lease;
        const uint8_t *key = cursor.key.data;
        if (cursor.key.size != 12 || !lease_read(cursor.data, &lease)) {
            txn_corrupt(txn);
            break;
        }
        if (!visit(context, key_read_u32(key + 4), key_read_u32(key + 8), &lease))
            break;
    }
    cursor_close(&cursor);
}
