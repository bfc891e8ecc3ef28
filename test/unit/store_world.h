/*
 * store_world.h - a real store in a temporary folder with one project, and short ways to do to it what the engine does.
 */
#pragma once

#include "test/unit/tests.h"

#include "store/batch.h"
#include "store/change.h"
#include "store/label.h"
#include "store/lease.h"
#include "store/ledger.h"
#include "store/sample.h"
#include "store/store.h"
#include "store/verify.h"

#include <ftw.h>
#include <string.h>
#include <unistd.h>

enum { WORLD_MAP_BYTES = 64 << 20, WORLD_PRICE = 100, WORLD_CLASSES = 4, WORLD_START_MS = 1000000 };

struct world {
    char folder[64];
    struct store store;
    struct change change;
    struct project *project; /* of the open transaction */
    int64_t now_ms;
};

static inline struct text text_of(const char *string)
{
    return (struct text){string, strlen(string)};
}

static inline void temporary_folder(char *path, size_t size)
{
    snprintf(path, size, "/tmp/curated-test-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static inline int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline void remove_folder(const char *path)
{
    assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* Begins a transaction and finds the project. */
static inline void world_begin(struct world *world)
{
    struct protocol_error error = {0};
    assert_true(change_begin(&world->change, world->now_ms));
    world->project = change_project(&world->change, text_of("p"), &error);
    assert_non_null(world->project);
}

static inline void world_commit(struct world *world)
{
    assert_int_equal(world->change.txn.status, DATABASE_OK);
    assert_true(change_commit(&world->change));
}

static inline void world_abort(struct world *world)
{
    change_abort(&world->change);
    world->project = NULL;
}

/* A store with the project "p": no samples, no money, and the transaction open. */
static inline struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    temporary_folder(world->folder, sizeof world->folder);
    const struct store_options options = {
        .folder = world->folder, .state_map_bytes = WORLD_MAP_BYTES, .vectors_map_bytes = WORLD_MAP_BYTES};
    char problem[256] = "";
    if (!store_open(&world->store, &options, problem, sizeof problem))
        fail_msg("%s", problem);
    change_init(&world->change, &world->store.state);
    world->now_ms = WORLD_START_MS;
    const struct settings settings = {.price_microusd = WORLD_PRICE, .classes = WORLD_CLASSES, .overlap = 1, .skip_limit = 3};
    assert_true(change_begin(&world->change, world->now_ms));
    assert_non_null(change_create_project(&world->change, text_of("p"), &settings));
    world_commit(world);
    world_begin(world);
    return world;
}

/* Ends what is open without keeping it. */
static inline void world_free(struct world *world)
{
    change_deinit(&world->change);
    store_close(&world->store);
    remove_folder(world->folder);
    free(world);
}

/* --- what the engine does ----------------------------------------------------------------------------------------------- */

static inline void world_grant(struct world *world, int64_t amount)
{
    struct protocol_error error = {0};
    const struct entry grant = {.kind = LEDGER_GRANT, .amount_microusd = amount, .slot = LEDGER_NO_SLOT};
    assert_true(ledger_append(&world->change, world->project, grant, text_of("note"), &error));
}

/* Registers samples k0, k1, ... */
static inline void world_samples(struct world *world, int count)
{
    for (int i = 0; i < count; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", (int)world->project->counters.samples);
        const struct sample sample = {.state = SAMPLE_POOL, .price_microusd = SAMPLE_NO_PRICE, .label = -1};
        const uint32_t slot = sample_register(&world->change.txn, world->project, text_of(key), text_of("file:///x"));
        sample_put(&world->change.txn, world->project->number, slot, &sample);
    }
}

static inline struct sample world_sample(struct world *world, uint32_t slot)
{
    struct sample sample;
    assert_true(sample_get(&world->change.txn, world->project->number, slot, &sample));
    return sample;
}

/* Commits slots first..first+count of the pool as a batch; returns its number. */
static inline uint32_t world_batch(struct world *world, uint32_t first, uint32_t count, uint8_t overlap)
{
    struct project *project = world->project;
    struct txn *txn = &world->change.txn;
    const uint32_t number = (uint32_t)++project->counters.batches;
    const int64_t cost = (int64_t)count * overlap * WORLD_PRICE;
    const struct batch batch = {.created_ms = world->now_ms,
        .cost_microusd = cost,
        .items = count,
        .open = count,
        .overlap = overlap,
        .state = BATCH_OPEN};
    batch_put(txn, project->number, number, &batch);
    for (uint32_t rank = 0; rank < count; rank++) {
        const uint32_t slot = first + rank;
        struct sample sample = world_sample(world, slot);
        const struct item item = {.slot = slot, .predicted = -1, .price_microusd = WORLD_PRICE};
        const struct waiting waiting = {.slot = slot};
        item_put(txn, project->number, number, rank, &item);
        queue_put(&world->change, project, number, rank, &waiting);
        sample_move(project, &sample, SAMPLE_RESERVED);
        sample.batch = number;
        sample.rank = rank;
        sample.skips = 0;
        sample.answers = 0;
        sample_put(txn, project->number, slot, &sample);
    }
    struct protocol_error error = {0};
    const struct entry reserve = {.kind = LEDGER_RESERVE, .amount_microusd = cost, .batch = number, .slot = LEDGER_NO_SLOT};
    assert_true(ledger_append(&world->change, project, reserve, text_of(""), &error));
    return number;
}

/* The n-th waiting item in the queue's order; false where there are fewer. */
static inline bool world_waiting(struct world *world, size_t n, uint32_t *batch, uint32_t *rank, struct waiting *waiting)
{
    const struct key prefix = key_project(world->project->number);
    struct cursor cursor;
    cursor_open(&cursor, &world->change.txn, STATE_QUEUE, &prefix, NULL);
    bool found = false;
    *batch = 0;
    *rank = 0;
    for (size_t i = 0; i <= n; i++)
        found = cursor_next(&cursor);
    if (found) {
        *batch = key_read_u32((const uint8_t *)cursor.key.data + 4);
        *rank = key_read_u32((const uint8_t *)cursor.key.data + 8);
        assert_true(waiting_read(cursor.data, waiting));
    }
    cursor_close(&cursor);
    return found;
}

/* Leases the first waiting item to a worker; returns the lease's number and the slot. */
static inline uint64_t world_lease(struct world *world, uint32_t worker, uint32_t *slot)
{
    static const uint64_t request[2] = {1, 2};
    uint32_t batch;
    uint32_t rank;
    struct waiting waiting;
    assert_true(world_waiting(world, 0, &batch, &rank, &waiting));
    *slot = waiting.slot;
    return lease_grant(&world->change, world->project, batch, rank, &waiting, worker, world->now_ms + 1000, request);
}

/* Answers a held sample as SUBMIT does, at its price; returns the label's number. */
static inline uint64_t world_answer(struct world *world, uint32_t slot, int32_t class_index)
{
    struct project *project = world->project;
    struct sample sample = world_sample(world, slot);
    struct batch batch;
    struct waiting waiting;
    struct protocol_error error = {0};
    const uint32_t worker = sample.worker;
    const uint64_t fence = sample.fence;
    assert_int_equal(sample.state, SAMPLE_LEASED);
    lease_end(&world->change, project, slot, &sample, &waiting);
    waiting.workers[waiting.worker_count++] = worker;
    assert_true(batch_get(&world->change.txn, project->number, sample.batch, &batch));
    sample.answers++;
    const struct entry charge = {.kind = LEDGER_CHARGE,
        .amount_microusd = WORLD_PRICE,
        .batch = sample.batch,
        .slot = slot,
        .label_seq = project->counters.labels + 1};
    assert_true(ledger_append(&world->change, project, charge, text_of(""), &error));
    const bool finished = sample.answers == batch.overlap;
    const struct label label = {.fence = fence,
        .charged_microusd = WORLD_PRICE,
        .slot = slot,
        .batch = sample.batch,
        .worker = worker,
        .class_index = class_index,
        .kind = LABEL_ACCEPTED,
        .finished = finished};
    const uint64_t sequence = label_append(&world->change, project, &sample, label, text_of("value"));
    if (finished) {
        item_finish(&world->change, project, sample.batch, sample.rank, ITEM_LABELED, sample.answers);
        sample_move(project, &sample, SAMPLE_LABELED);
        sample_put(&world->change.txn, project->number, slot, &sample);
    } else {
        lease_give_back(&world->change, project, slot, &sample, &waiting, "overlap");
    }
    return sequence;
}

/* A label without a lease, as LABEL.IMPORT makes it. */
static inline uint64_t world_import(struct world *world, uint32_t slot, int32_t class_index)
{
    struct sample sample = world_sample(world, slot);
    const struct label label = {.slot = slot, .class_index = class_index, .kind = LABEL_IMPORTED};
    const uint64_t sequence = label_append(&world->change, world->project, &sample, label, text_of(""));
    if (sample.state == SAMPLE_POOL)
        sample_move(world->project, &sample, SAMPLE_LABELED);
    sample_put(&world->change.txn, world->project->number, slot, &sample);
    return sequence;
}

/* --- VERIFY ------------------------------------------------------------------------------------------------------------- */

/* The problems that VERIFY finds in what is committed, one a line, into `lines`; returns how many. */
static inline size_t world_problems(struct world *world, char *lines, size_t size)
{
    struct verification verification;
    struct protocol_error error = {0};
    verification_init(&verification);
    if (!store_verify(&world->store, text_of(""), &verification, &error))
        fail_msg("%s", error.message);
    writer_list_end(&verification.problems);
    const struct text packed = writer_finish(&verification.problems);
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    assert_int_equal(msgpack_unpack_next(&unpacked, packed.data, packed.size, NULL), MSGPACK_UNPACK_SUCCESS);
    const msgpack_object_array list = unpacked.data.via.array;
    size_t at = 0;
    lines[0] = '\0';
    for (uint32_t i = 0; i < list.size && at < size; i++)
        at += (size_t)snprintf(lines + at, size - at, "%.*s\n", (int)list.ptr[i].via.str.size, list.ptr[i].via.str.ptr);
    const size_t count = verification.problem_count;
    msgpack_unpacked_destroy(&unpacked);
    verification_deinit(&verification);
    return count;
}

static inline void world_assert_clean(struct world *world)
{
    char lines[4096];
    if (world_problems(world, lines, sizeof lines) > 0)
        fail_msg("%s", lines);
}

/* A test's end: what was done is kept, and is in order. */
static inline int world_close(void **state)
{
    struct world *world = *state;
    world_commit(world);
    world_assert_clean(world);
    world_free(world);
    return 0;
}
