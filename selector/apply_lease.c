/* LEASE: gives waiting items to a worker. */

#include "selector/apply.h"

#include "selector/hash.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LEASE_COUNT_MAX = 1000 };

/* One LEASE request, read and checked. */
struct leasing {
    struct project *project;
    struct text worker_name;
    uint32_t worker; /* 0: never seen before */
    uint32_t count;
    int64_t lease_ms;
    uint32_t batch; /* 0: any */
    int64_t type;   /* as in struct batch; -1: any */
    uint64_t request_hash[2];
};

/* A waiting item that suits. */
struct found {
    uint32_t batch;
    uint32_t rank;
    struct waiting waiting;
};

static bool read_type(struct request *request, const struct project *project, int64_t *type)
{
    *type = -1;
    if (!reader_has(&request->fields, "type"))
        return true;
    const struct text name = reader_text(&request->fields, "type", 0, 63);
    if (name.size == 0)
        *type = 0;
    for (uint32_t i = 0; i < project->settings.type_count; i++)
        if (text_equal(name, project->settings.types[i].name))
            *type = i + 1;
    return *type >= 0 || protocol_fail(&request->error, PROTOCOL_NOT_FOUND, "type", "an annotation type of the project", "%.*s",
                             (int)name.size, name.data);
}

static bool read_leasing(struct applying *applying, struct request *request, struct leasing *leasing)
{
    struct reader *fields = &request->fields;
    memset(leasing, 0, sizeof *leasing);
    leasing->project = apply_find_project(applying, request);
    if (!leasing->project)
        return false;
    leasing->worker_name = reader_text(fields, "worker", 1, LEASE_WORKER_MAX);
    leasing->count = (uint32_t)reader_integer_or(fields, "count", 1, LEASE_COUNT_MAX, 1);
    leasing->lease_ms = reader_integer_or(fields, "lease_ms", LEASE_MS_MIN, LEASE_MS_MAX, leasing->project->settings.lease_ms);
    leasing->batch = (uint32_t)reader_integer_or(fields, "batch", 1, UINT32_MAX, 0);
    if (request->error.code || !read_type(request, leasing->project, &leasing->type))
        return false;
    struct batch batch;
    if (leasing->batch > 0 && !batch_get(&applying->change->txn, leasing->project->number, leasing->batch, &batch))
        return protocol_fail(
            &request->error, PROTOCOL_NOT_FOUND, "batch", "a batch of the project", "%" PRIu32, leasing->batch);
    hash_bytes(request->id.bytes.data, request->id.bytes.size, leasing->request_hash);
    name_find(&applying->change->txn, leasing->project, NAME_WORKER, leasing->worker_name, &leasing->worker);
    return true;
}

/* Writes one lease into the reply's list. */
static void write_lease(struct applying *applying, const struct project *project, uint32_t slot, struct writer *reply)
{
    struct txn *txn = &applying->change->txn;
    struct sample sample;
    struct batch batch;
    struct item item;
    if (!sample_get(txn, project->number, slot, &sample) || !batch_get(txn, project->number, sample.batch, &batch) ||
        !item_get(txn, project->number, sample.batch, sample.rank, &item)) {
        txn_corrupt(txn);
        return;
    }
    const struct source source = source_get(txn, project->number, slot);
    writer_map_begin(reply, NULL);
    writer_integer(reply, "lease", (int64_t)sample.fence);
    writer_integer(reply, "slot", slot);
    writer_text(reply, "key", source.key);
    writer_text(reply, "uri", source.uri);
    writer_integer(reply, "batch", sample.batch);
    writer_string(reply, "type", batch_type_name(project, batch.type));
    writer_integer(reply, "price_microusd", item.price_microusd);
    writer_integer(reply, "deadline_ms", sample.deadline_ms);
    writer_string(reply, "arm", item_arm_name(item.arm));
    writer_map_end(reply);
}

/* Answers the leases that an earlier sending of this very request gave and that still live. Returns their number. */
static uint32_t repeat_leases(struct applying *applying, const struct leasing *leasing, struct writer *reply)
{
    if (leasing->worker == 0)
        return 0;
    struct key prefix = key_project(leasing->project->number);
    key_add_u32(&prefix, leasing->worker);
    uint32_t slots[LEASE_COUNT_MAX];
    uint32_t count = 0;
    struct cursor cursor;
    cursor_open(&cursor, &applying->change->txn, STATE_LEASES, &prefix, NULL);
    while (count < LEASE_COUNT_MAX && cursor_next(&cursor)) {
        struct lease lease;
        memcpy(&lease, cursor.data.data, offsetof(struct lease, waiting));
        if (memcmp(lease.request, leasing->request_hash, sizeof lease.request) == 0)
            slots[count++] = key_read_u32((const uint8_t *)cursor.key.data + prefix.size);
    }
    cursor_close(&cursor);
    for (uint32_t i = 0; i < count; i++)
        write_lease(applying, leasing->project, slots[i], reply);
    return count;
}

static bool suits(
    struct applying *applying, const struct leasing *leasing, uint32_t batch_number, const struct waiting *waiting)
{
    struct batch batch;
    if (leasing->worker > 0 && waiting_has(waiting, leasing->worker))
        return false;
    return leasing->type < 0 ||
           (batch_get(&applying->change->txn, leasing->project->number, batch_number, &batch) && batch.type == leasing->type);
}

/* The first waiting items that suit, in the queue's order. */
static uint32_t find_waiting(struct applying *applying, const struct leasing *leasing, struct found *found)
{
    struct key prefix = key_project(leasing->project->number);
    const size_t project_size = prefix.size;
    if (leasing->batch > 0)
        key_add_u32(&prefix, leasing->batch);
    uint32_t count = 0;
    struct cursor cursor;
    cursor_open(&cursor, &applying->change->txn, STATE_QUEUE, &prefix, NULL);
    while (count < leasing->count && cursor_next(&cursor)) {
        const uint8_t *key = (const uint8_t *)cursor.key.data + project_size;
        found[count].batch = key_read_u32(key);
        found[count].rank = key_read_u32(key + 4);
        if (!waiting_read(cursor.data, &found[count].waiting)) {
            txn_corrupt(&applying->change->txn);
            break;
        }
        count += suits(applying, leasing, found[count].batch, &found[count].waiting);
    }
    cursor_close(&cursor);
    return count;
}

static void grant(struct applying *applying, const struct leasing *leasing, const struct found *found)
{
    struct change *change = applying->change;
    const uint32_t worker =
        leasing->worker > 0 ? leasing->worker : name_intern(&change->txn, leasing->project, NAME_WORKER, leasing->worker_name);
    const int64_t deadline_ms = change->now_ms + leasing->lease_ms;
    const uint64_t fence = lease_grant(
        change, leasing->project, found->batch, found->rank, &found->waiting, worker, deadline_ms, leasing->request_hash);
    const struct deadline deadline = {deadline_ms, fence, leasing->project->number, found->waiting.slot};
    if (!deadlines_add(applying->deadlines, deadline))
        change->txn.status = DATABASE_NO_MEMORY;
}

bool apply_lease(struct applying *applying, struct request *request, struct writer *reply)
{
    struct leasing leasing;
    if (!read_leasing(applying, request, &leasing))
        return false;
    writer_list_begin(reply, "leases");
    const bool repeated = repeat_leases(applying, &leasing, reply) > 0;
    if (!repeated && *applying->draining)
        return protocol_fail(&request->error, PROTOCOL_BUSY, "", "", "the daemon is draining");
    struct found one;
    struct found *found = leasing.count == 1 ? &one : malloc(leasing.count * sizeof *found);
    if (!found)
        return protocol_fail(&request->error, PROTOCOL_INTERNAL, "", "", "out of memory");
    if (!repeated) {
        const uint32_t count = find_waiting(applying, &leasing, found);
        for (uint32_t i = 0; i < count; i++) {
            grant(applying, &leasing, &found[i]);
            write_lease(applying, leasing.project, found[i].waiting.slot, reply);
        }
    }
    writer_list_end(reply);
    writer_integer(reply, "waiting", (int64_t)leasing.project->counters.waiting);
    if (found != &one)
        free(found);
    return true;
}
