/* VERIFY: finds nothing in a clean store, and names each kind of record that was changed by hand. */
#include "test/unit/store_world.h"

#include "store/column.h"
#include "store/reply.h"

/*
 * Twelve samples. Batch 1 holds slots 0 to 3: 0 is answered (label 1), 1 is under lease 2, 2 and 3 wait. Slot 4 was imported
 * twice (labels 2 and 3). Ledger: grant, reserve, charge. Event 1: an item was released. One reply is kept. Space "s" has two
 * rows.
 */
static struct world *make(void)
{
    struct world *world = world_new();
    uint32_t slot;
    world_grant(world, 100 * WORLD_PRICE);
    world_samples(world, 12);
    world_batch(world, 0, 4, 1);
    world_lease(world, 7, &slot);
    world_answer(world, slot, 1);
    world_lease(world, 8, &slot);
    world_import(world, 4, 2);
    world_import(world, 4, 3);
    struct writer *event = event_begin(&world->change, world->project, EVENT_ITEM_RELEASED);
    writer_integer(event, "slot", 1);
    event_end(&world->change, world->project, EVENT_ITEM_RELEASED);
    static const uint64_t body[2] = {1, 2};
    reply_keep(&world->change, world->project, text_of("id"), body, text_of("reply"));
    world_commit(world);

    static const uint32_t slots[] = {0, 3};
    static const float rows[4] = {1, 2, 3, 4};
    const struct column_rows written = {2, slots, (const uint8_t *)rows, NULL};
    const struct column_id id = column_of_space(1, "s", 1);
    struct txn txn;
    assert_true(txn_begin_write(&txn, &world->store.vectors));
    column_write(&txn, &id, ARRAY_F4, 2, &written);
    const struct column_id means = column_of_model(1, COLUMN_PROBABILITIES, 1);
    const struct column_id draws = column_of_model(1, COLUMN_DRAWS, 1);
    column_write(&txn, &means, ARRAY_F4, 1, &written);
    column_write(&txn, &draws, ARRAY_F4, 2, &written);
    assert_true(txn_commit(&txn));
    return world;
}

static void a_clean_store_is_clean(void **state)
{
    (void)state;
    struct world *world = make();
    struct verification verification;
    struct protocol_error error = {0};
    world_assert_clean(world);
    verification_init(&verification);
    assert_true(store_verify(&world->store, text_of("p"), &verification, &error));
    assert_int_equal(verification.problem_count, 0);
    assert_int_equal(verification.projects, 1);
    assert_int_equal(verification.samples, 12);
    assert_int_equal(verification.items, 4);
    assert_int_equal(verification.leases, 1);
    assert_int_equal(verification.labels, 3);
    assert_int_equal(verification.entries, 3);
    assert_int_equal(verification.events, 1);
    assert_int_equal(verification.rows, 6);
    assert_false(store_verify(&world->store, text_of("q"), &verification, &error));
    assert_int_equal(error.code, PROTOCOL_NOT_FOUND);
    verification_deinit(&verification);
    world_free(world);
}

/* --- corruption --------------------------------------------------------------------------------------------------------- */

enum { DELETE = -1, SHORTEN = -2, ADD = -3 };

/* What is done to one record. */
struct damage {
    const char *name;
    const char *told; /* must be part of a problem */
    bool vectors;
    int table;
    const char
        *parts; /* of the key after the project: 4 and 8 a number of so many bytes from `numbers`, else the byte itself */
    uint64_t numbers[2];
    int at;      /* offset of the changed bytes in the record; or one of the above */
    uint64_t to; /* their new value */
    size_t to_size;
};

#define FIELD(type, member)      offsetof(struct type, member)
#define SIZE(type, member)       sizeof(((struct type *)0)->member)
#define SET(type, member, value) FIELD(type, member), value, SIZE(type, member)
#define COUNTER(member, value)   STATE_COUNTERS, "", {0}, SET(counters, member, value)
#define SAMPLE(slot)                                                                                                           \
    STATE_SAMPLES, "4",                                                                                                        \
    {                                                                                                                          \
        slot                                                                                                                   \
    }
#define ITEM(rank)                                                                                                             \
    STATE_ITEMS, "44",                                                                                                         \
    {                                                                                                                          \
        1, rank                                                                                                                \
    }
#define LABEL(sequence)                                                                                                        \
    STATE_LABELS, "8",                                                                                                         \
    {                                                                                                                          \
        sequence                                                                                                               \
    }
#define LEDGER(sequence)                                                                                                       \
    STATE_LEDGER, "8",                                                                                                         \
    {                                                                                                                          \
        sequence                                                                                                               \
    }
#define QUEUE(rank)                                                                                                            \
    STATE_QUEUE, "44",                                                                                                         \
    {                                                                                                                          \
        1, rank                                                                                                                \
    }
#define LEASE                                                                                                                  \
    STATE_LEASES, "44",                                                                                                        \
    {                                                                                                                          \
        8, 1                                                                                                                   \
    }

static const struct damage damages[] = {
    {"state of a sample", "p: pool: 6 counted, 7 recorded", false, SAMPLE(6), SET(sample, state, SAMPLE_LABELED)},
    {"unknown state", "p: slot 6: unknown state 99", false, SAMPLE(6), SET(sample, state, 99)},
    {"a sample less", "p: slot 6: a malformed or missing record", false, SAMPLE(6), DELETE, 0, 0},
    {"a short sample", "p: slot 6: a malformed or missing record", false, SAMPLE(6), SHORTEN, 0, 0},
    {"a lease number in the pool", "p: slot 6: pool with lease 9", false, SAMPLE(6), SET(sample, fence, 9)},
    {"no lease number under lease", "p: slot 1: leased with lease 0", false, SAMPLE(1), SET(sample, fence, 0)},
    {"state count", "p: dropped: 0 counted, 5 recorded", false, COUNTER(states[SAMPLE_DROPPED], 5)},
    {"the last sample less", "p: samples: 11 counted, 12 recorded", false, SAMPLE(11), DELETE, 0, 0},
    {"a key that leads elsewhere", "p: slot 7: its key leads elsewhere", false, STATE_KEYS, "k6", {0}, 0, 7, 4},
    {"a key less", "p: keys: 11 counted, 12 recorded", false, STATE_KEYS, "k6", {0}, DELETE, 0, 0},
    {"a short source", "p: keys: a malformed record", false, STATE_SOURCES, "4", {6}, SHORTEN, 0, 0},
    {"a batch less", "p: batches: 0 counted, 1 recorded", false, STATE_BATCHES, "4", {1}, DELETE, 0, 0},
    {"a short batch", "p: batch 1: a malformed or missing record", false, STATE_BATCHES, "4", {1}, SHORTEN, 0, 0},
    {"a batch's counts", "p: batch 1: its counts differ from its items", false, STATE_BATCHES, "4", {1},
        SET(batch, labeled, 2)},
    {"an item less", "p: batch 1: item 2 is missing or malformed", false, ITEM(2), DELETE, 0, 0},
    {"a short item", "p: batch 1: item 2 is missing or malformed", false, ITEM(2), SHORTEN, 0, 0},
    {"an item's end", "p: batch 1: its counts differ from its items", false, ITEM(2), SET(item, end, ITEM_REJECTED)},
    {"an unknown end", "p: batch 1: item 2 is missing or malformed", false, ITEM(2), SET(item, end, 77)},
    {"an item of another sample", "p: batch 1: open item 2 is pool in batch 0", false, ITEM(2), SET(item, slot, 6)},
    {"an item of no sample", "p: item: slot 600 is not registered", false, ITEM(2), SET(item, slot, 600)},
    {"an item's price", "p: reserved for open items: 350 counted, 300 recorded", false, ITEM(2),
        SET(item, price_microusd, 150)},
    {"a queue entry less", "p: waiting: 1 counted, 2 recorded", false, QUEUE(2), DELETE, 0, 0},
    {"a short queue entry", "p: queue: batch 1 item 2 waits for no reserved sample", false, QUEUE(2), SHORTEN, 0, 0},
    {"a queue entry of another sample", "p: queue: batch 1 item 2 waits for no reserved sample", false, QUEUE(2),
        SET(waiting, slot, 6)},
    {"a queue entry more", "p: waiting: 3 counted, 2 recorded", false, QUEUE(9), ADD, 0, 0},
    {"a lease less", "p: leases: 0 counted, 1 recorded", false, LEASE, DELETE, 0, 0},
    {"a lease's number", "p: lease 77: slot 1 is not held under it", false, LEASE, SET(lease, fence, 77)},
    {"a short lease", "p: leases: a malformed record", false, LEASE, SHORTEN, 0, 0},
    {"the newest lease's number", "p: lease 2: slot 1 is not held under it", false, COUNTER(fence, 1)},
    {"a holder", "p: lease 2: slot 1 is not held under it", false, SAMPLE(1), SET(sample, worker, 9)},
    {"a label's chain", "p: label 3: not chained to the one before it", false, LABEL(3), SET(label, previous, 1)},
    {"a label less", "p: label 2: a malformed or missing record", false, LABEL(2), DELETE, 0, 0},
    {"a short label", "p: label 2: a malformed or missing record", false, LABEL(2), SHORTEN, 0, 0},
    {"the last label less", "p: labels: 2 counted, 3 recorded", false, LABEL(3), DELETE, 0, 0},
    {"a label's sample", "p: label 3: not chained to the one before it", false, LABEL(3), SET(label, slot, 5)},
    {"a label's class", "p: slot 4: class 3 recorded, 0 in the log", false, LABEL(3), SET(label, class_index, 0)},
    {"a label's kind", "p: late labels: 1 counted, 0 recorded", false, LABEL(3), SET(label, kind, LABEL_LATE)},
    {"a label's charge", "p: charged labels: 90 counted, 100 recorded", false, LABEL(1), SET(label, charged_microusd, 90)},
    {"a charge of no label", "p: paid labels: 0 counted, 1 recorded", false, LABEL(1), SET(label, charged_microusd, 0)},
    {"a sample's labels", "p: slot 4: 9 labels recorded, 2 in the log", false, SAMPLE(4), SET(sample, labels, 9)},
    {"a sample's newest label", "p: slot 4: 2 labels recorded, 2 in the log", false, SAMPLE(4), SET(sample, last_label, 2)},
    {"a sample's class", "p: slot 4: class 1 recorded, 3 in the log", false, SAMPLE(4), SET(sample, label, 1)},
    {"a tally", "p: labels of a class: 1 counted, 5 recorded", false, STATE_TALLIES, "4", {3}, 0, 5, 8},
    {"accepted labels", "p: accepted labels: 1 counted, 2 recorded", false, COUNTER(labels_accepted, 2)},
    {"an amount", "p: granted: 10001 counted, 10000 recorded", false, LEDGER(1), SET(entry, amount_microusd, 10001)},
    {"a kind of entry", "p: spent: 0 counted, 100 recorded", false, LEDGER(3), SET(entry, kind, LEDGER_RELEASE)},
    {"an unknown kind of entry", "p: ledger 3: a unknown that the sums before it don't allow", false, LEDGER(3),
        SET(entry, kind, 99)},
    {"an entry less", "p: ledger 2: a malformed or missing entry", false, LEDGER(2), DELETE, 0, 0},
    {"a short entry", "p: ledger 2: a malformed or missing entry", false, LEDGER(2), SHORTEN, 0, 0},
    {"the last entry less", "p: ledger entries: 2 counted, 3 recorded", false, LEDGER(3), DELETE, 0, 0},
    {"a charge for another label", "p: ledger 3: charges label 2, which it doesn't fit", false, LEDGER(3),
        SET(entry, label_seq, 2)},
    {"a charge for no label", "p: ledger 3: charges label 9, which it doesn't fit", false, LEDGER(3), SET(entry, label_seq, 9)},
    {"what is available", "p: money: granted is not available + reserved + spent", false, COUNTER(available_microusd, 1)},
    {"what is granted", "p: granted: 10000 counted, 5 recorded", false, COUNTER(granted_microusd, 5)},
    {"what is reserved", "p: reserved: 300 counted, 301 recorded", false, COUNTER(reserved_microusd, 301)},
    {"what is spent", "p: spent: 100 counted, 99 recorded", false, COUNTER(spent_microusd, 99)},
    {"an event less", "p: events: 0 counted, 1 recorded", false, STATE_EVENTS, "8", {1}, DELETE, 0, 0},
    {"a jump in the events", "p: event 2: a malformed or missing record", false, STATE_EVENTS, "8", {3}, ADD, 0, 0},
    {"a kind of event", "p: item.released: 0 counted, 1 recorded", false, STATE_EVENTS, "8", {1}, 0, EVENT_BATCH_DONE, 1},
    {"an unknown kind of event", "p: event 1: a malformed or missing record", false, STATE_EVENTS, "8", {1}, 0, 200, 1},
    {"the newest event", "p: events: 1 counted, 2 recorded", false, COUNTER(events, 2)},
    {"a reply less", "p: kept replies: 0 counted, 1 recorded", false, STATE_REPLIES, "id", {0}, DELETE, 0, 0},
    {"kept replies", "p: kept replies: 1 counted, 3 recorded", false, COUNTER(kept_replies, 3)},
    {"short counters", "p: its settings or counters are malformed", false, STATE_COUNTERS, "", {0}, SHORTEN, 0, 0},
    {"short settings", "p: its settings or counters are malformed", false, STATE_SETTINGS, "", {0}, SHORTEN, 0, 0},
    {"a column's rows", "p: rows of a column: 2 counted, 3 recorded", true, VECTORS_COLUMNS, "es", {0}, SET(column, rows, 3)},
    {"a short column", "p: columns: a malformed record", true, VECTORS_COLUMNS, "es", {0}, SHORTEN, 0, 0},
    {"a short block", "p: column e: a malformed block", true, VECTORS_BLOCKS, "e\1s4", {0}, SHORTEN, 0, 0},
    {"a block less", "p: rows of a column: 0 counted, 2 recorded", true, VECTORS_BLOCKS, "e\1s4", {0}, DELETE, 0, 0},
    {"a block's bitmap", "p: rows of a column: 3 counted, 2 recorded", true, VECTORS_BLOCKS, "e\1s4", {0},
        FIELD(block, present) + 5, 1, 1},
    {"a mean less", "p: draws: not those that", true, VECTORS_COLUMNS, "p8", {1}, SET(column, rows, 1)},
    {"no means", "p: draws: not those that", true, VECTORS_COLUMNS, "p8", {1}, DELETE, 0, 0},
    {"draws pushed again", "p: draws: not those that", true, VECTORS_COLUMNS, "d8", {1}, SET(column, rewrites, 1)},
    {"draws of other classes", "p: draws: not those that", true, VECTORS_COLUMNS, "p8", {1}, SET(column, width, 3)},
    {"a block's width", "p: column e: a malformed block", true, VECTORS_BLOCKS, "e\1s4", {0}, SET(block, row_bytes, 4)},
};

static struct key key_of(const struct damage *damage)
{
    struct key key = key_project(1);
    size_t number = 0;
    for (const char *part = damage->parts; *part; part++) {
        if (*part == '4')
            key_add_u32(&key, (uint32_t)damage->numbers[number++]);
        else if (*part == '8')
            key_add_u64(&key, damage->numbers[number++]);
        else
            key_add_u8(&key, (uint8_t)*part);
    }
    return key;
}

static void apply(struct world *world, const struct damage *damage)
{
    const struct key key = key_of(damage);
    uint8_t record[8192] = {0};
    struct value value;
    struct txn txn;
    assert_true(txn_begin_write(&txn, damage->vectors ? &world->store.vectors : &world->store.state));
    const bool exists = txn_get(&txn, damage->table, &key, &value);
    assert_int_equal(exists, damage->at != ADD);
    size_t size = exists ? value.size : 8; /* what is added is eight zero bytes: whole as a queue entry and as an event */
    assert_true(size <= sizeof record);
    if (exists)
        memcpy(record, value.data, size);
    if (damage->at >= 0) {
        assert_true((size_t)damage->at + damage->to_size <= size);
        assert_memory_not_equal(record + damage->at, &damage->to, damage->to_size);
        memcpy(record + damage->at, &damage->to, damage->to_size);
    }
    if (damage->at == DELETE)
        assert_true(txn_delete(&txn, damage->table, &key));
    else
        txn_put(&txn, damage->table, &key, record, damage->at == SHORTEN ? 1 : size);
    assert_true(txn_commit(&txn));
}

static void every_kind_of_damage_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        const struct damage *damage = &damages[i];
        struct world *world = make();
        char problems[8192];
        apply(world, damage);
        world_problems(world, problems, sizeof problems);
        if (!strstr(problems, damage->told))
            fail_msg("%s: expected \"%s\", got:\n%s", damage->name, damage->told, problems);
        world_free(world);
    }
}

/* One project's damage is not another's; and there is an end to what is told. */
static void projects_are_told_apart(void **state)
{
    (void)state;
    struct world *world = make();
    const struct settings settings = {.price_microusd = 1};
    struct verification verification;
    struct protocol_error error = {0};
    char problems[8192];
    assert_true(change_begin(&world->change, world->now_ms));
    assert_non_null(change_create_project(&world->change, text_of("q"), &settings));
    world_commit(world);
    apply(world, &damages[0]);
    assert_int_equal(world_problems(world, problems, sizeof problems), 2); /* one pool less, one labeled more */
    verification_init(&verification);
    assert_true(store_verify(&world->store, text_of("q"), &verification, &error));
    assert_int_equal(verification.problem_count, 0);
    assert_int_equal(verification.projects, 1);
    verification_deinit(&verification);
    world_free(world);
}

static void the_list_of_problems_is_bounded(void **state)
{
    (void)state;
    enum { MANY = 3 * VERIFY_PROBLEMS_MAX };
    struct world *world = world_new();
    struct verification verification;
    struct protocol_error error = {0};
    struct writer reply;
    world_samples(world, MANY);
    for (uint32_t slot = 0; slot < MANY; slot++) {
        struct sample sample = world_sample(world, slot);
        sample.labels = 1;
        sample_put(&world->change.txn, world->project->number, slot, &sample);
    }
    world_commit(world);
    verification_init(&verification);
    assert_true(store_verify(&world->store, text_of(""), &verification, &error));
    assert_int_equal(verification.problem_count, MANY);
    writer_init(&reply);
    writer_map_begin(&reply, NULL);
    verification_write(&verification, &reply);
    writer_map_end(&reply);
    const struct text bytes = writer_finish(&reply);
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    assert_int_equal(msgpack_unpack_next(&unpacked, bytes.data, bytes.size, NULL), MSGPACK_UNPACK_SUCCESS);
    const msgpack_object_kv *fields = unpacked.data.via.map.ptr;
    assert_false(fields[0].val.via.boolean);
    assert_int_equal(fields[1].val.via.array.size, VERIFY_PROBLEMS_MAX);
    msgpack_unpacked_destroy(&unpacked);
    writer_deinit(&reply);
    verification_deinit(&verification);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clean_store_is_clean),
        cmocka_unit_test(every_kind_of_damage_is_named),
        cmocka_unit_test(projects_are_told_apart),
        cmocka_unit_test(the_list_of_problems_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
