/* The label log: chains, tallies when a sample is labeled again, late labels, and the search for a lease's answer. */
#include "test/unit/store_world.h"

static int open_world(void **state)
{
    struct world *world = world_new();
    world_grant(world, 1000 * WORLD_PRICE);
    world_samples(world, 10);
    *state = world;
    return 0;
}

static void assert_tallies(struct world *world, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    const uint64_t expected[WORLD_CLASSES] = {a, b, c, d};
    for (uint32_t i = 0; i < WORLD_CLASSES; i++)
        assert_int_equal(tally_get(&world->change.txn, world->project->number, i), expected[i]);
}

static struct label label_at(struct world *world, uint64_t sequence)
{
    struct label label;
    assert_true(label_get(&world->change.txn, world->project->number, sequence, &label, NULL));
    return label;
}

static void labels_of_a_sample_are_chained(void **state)
{
    struct world *world = *state;
    assert_int_equal(world_import(world, 3, 0), 1);
    assert_int_equal(world_import(world, 4, 1), 2);
    assert_int_equal(world_import(world, 3, 2), 3);
    assert_int_equal(world_import(world, 3, 1), 4);
    assert_int_equal(label_at(world, 1).previous, 0);
    assert_int_equal(label_at(world, 2).previous, 0);
    assert_int_equal(label_at(world, 3).previous, 1);
    assert_int_equal(label_at(world, 4).previous, 3);
    assert_int_equal(world_sample(world, 3).last_label, 4);
    assert_int_equal(world_sample(world, 3).labels, 3);
    assert_int_equal(world_sample(world, 3).label, 1);
    assert_int_equal(label_at(world, 4).time_ms, world->now_ms);
    struct label label;
    assert_false(label_get(&world->change.txn, world->project->number, 5, &label, NULL));
    assert_int_equal(world->change.txn.status, DATABASE_OK);
}

static void a_sample_counts_for_its_newest_class(void **state)
{
    struct world *world = *state;
    world_import(world, 0, 2);
    world_import(world, 1, 2);
    assert_tallies(world, 0, 0, 2, 0);
    world_import(world, 0, 3);
    assert_tallies(world, 0, 0, 1, 1);
    world_import(world, 0, 3);
    assert_tallies(world, 0, 0, 1, 1);
    world_import(world, 0, LABEL_NO_CLASS); /* only a value: the class stays */
    assert_tallies(world, 0, 0, 1, 1);
    assert_int_equal(world_sample(world, 0).label, 3);
    assert_int_equal(world_sample(world, 0).labels, 4);
    world_import(world, 2, LABEL_NO_CLASS);
    assert_tallies(world, 0, 0, 1, 1);
    assert_int_equal(world->project->counters.labels_settled, 6);
    assert_int_equal(world->project->counters.labels_accepted, 0);
    assert_int_equal(world->project->counters.labels_paid, 0);
}

/* Lets the lease of a held sample run out, as the engine does. */
static void expire(struct world *world, uint32_t slot)
{
    struct sample sample = world_sample(world, slot);
    struct waiting waiting;
    sample.lost_fence = sample.fence;
    sample.lost_worker = sample.worker;
    lease_end(&world->change, world->project, slot, &sample, &waiting);
    lease_give_back(&world->change, world->project, slot, &sample, &waiting, "expired");
}

static uint64_t answer_late(struct world *world, uint32_t slot, uint64_t fence, int32_t class_index)
{
    struct sample sample = world_sample(world, slot);
    const struct label label = {
        .fence = fence, .slot = slot, .batch = sample.batch, .class_index = class_index, .kind = LABEL_LATE};
    const uint64_t sequence = label_append(&world->change, world->project, &sample, label, text_of(""));
    sample_put(&world->change.txn, world->project->number, slot, &sample);
    return sequence;
}

static void a_late_label_is_kept_and_counts_for_nothing(void **state)
{
    struct world *world = *state;
    uint32_t slot;
    world_batch(world, 0, 1, 1);
    const uint64_t lost = world_lease(world, 7, &slot);
    expire(world, slot);
    const struct sample before = world_sample(world, slot);
    const uint64_t sequence = answer_late(world, slot, lost, 1);
    const struct sample after = world_sample(world, slot);
    const struct counters *counters = &world->project->counters;
    assert_int_equal(after.last_label, sequence);
    assert_int_equal(after.labels, before.labels);
    assert_int_equal(after.label, -1);
    assert_int_equal(after.state, SAMPLE_RESERVED);
    assert_tallies(world, 0, 0, 0, 0);
    assert_int_equal(counters->labels, 1);
    assert_int_equal(counters->labels_late, 1);
    assert_int_equal(counters->labels_settled, 0);
    assert_int_equal(counters->labels_paid, 0);
    assert_int_equal(counters->spent_microusd, 0);
    world_lease(world, 8, &slot); /* and the item is still to be answered */
    world_answer(world, slot, 2);
    assert_int_equal(label_at(world, sequence + 1).previous, sequence);
    assert_tallies(world, 0, 0, 1, 0);
    assert_int_equal(counters->spent_microusd, WORLD_PRICE);
    assert_int_equal(counters->labels_paid, 1);
    assert_int_equal(counters->labels_accepted, 1);
}

static void finds_the_answer_to_a_lease(void **state)
{
    struct world *world = *state;
    uint64_t fences[3];
    uint64_t sequences[3];
    uint32_t slot;
    struct label label;
    world_batch(world, 0, 1, 3);
    for (uint32_t i = 0; i < 3; i++) {
        fences[i] = world_lease(world, 7 + i, &slot);
        sequences[i] = world_answer(world, slot, (int32_t)i);
    }
    const struct sample sample = world_sample(world, slot);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(label_of_lease(&world->change.txn, world->project->number, &sample, fences[i], &label), sequences[i]);
        assert_int_equal(label.class_index, i);
        assert_int_equal(label.worker, 7 + i);
        assert_int_equal(label.finished, i == 2);
    }
    assert_int_equal(label_of_lease(&world->change.txn, world->project->number, &sample, 1000, &label), 0);
    const struct sample unlabeled = world_sample(world, 1);
    assert_int_equal(label_of_lease(&world->change.txn, world->project->number, &unlabeled, fences[0], &label), 0);
    struct value value;
    assert_true(label_get(&world->change.txn, world->project->number, sequences[0], &label, &value));
    assert_int_equal(value.size, 5);
    assert_memory_equal(value.data, "value", 5);
}

static void a_label_of_a_wrong_size_is_corruption(void **state)
{
    struct world *world = *state;
    struct key key = key_project(world->project->number);
    struct label label;
    world_commit(world);
    world_begin(world);
    key_add_u64(&key, 1);
    txn_put(&world->change.txn, STATE_LABELS, &key, "short", 5);
    assert_false(label_get(&world->change.txn, world->project->number, 1, &label, NULL));
    assert_int_equal(world->change.txn.status, DATABASE_CORRUPT);
    world_abort(world);
    world_begin(world);
}

static void random_labels_agree_with_a_plain_recount(void **state)
{
    enum { SAMPLES = 10 };
    struct world *world = *state;
    uint64_t seed = random_seed("labels");
    int32_t newest[SAMPLES];
    uint32_t settled[SAMPLES] = {0};
    uint64_t last[SAMPLES] = {0};
    uint64_t late = 0;
    for (int i = 0; i < SAMPLES; i++)
        newest[i] = -1;
    for (uint64_t sequence = 1; sequence <= 2000; sequence++) {
        const uint32_t slot = (uint32_t)(random_next(&seed) % SAMPLES);
        const int32_t class_index = (int32_t)(random_next(&seed) % (WORLD_CLASSES + 1)) - 1;
        const bool is_late = random_next(&seed) % 4 == 0;
        assert_int_equal(is_late ? answer_late(world, slot, 1, class_index) : world_import(world, slot, class_index), sequence);
        assert_int_equal(label_at(world, sequence).previous, last[slot]);
        last[slot] = sequence;
        late += is_late;
        settled[slot] += !is_late;
        if (!is_late && class_index >= 0)
            newest[slot] = class_index;
        uint64_t tallies[WORLD_CLASSES] = {0};
        for (int i = 0; i < SAMPLES; i++) {
            const struct sample sample = world_sample(world, (uint32_t)i);
            assert_int_equal(sample.label, newest[i]);
            assert_int_equal(sample.labels, settled[i]);
            if (newest[i] >= 0)
                tallies[newest[i]]++;
        }
        assert_tallies(world, tallies[0], tallies[1], tallies[2], tallies[3]);
    }
    assert_int_equal(world->project->counters.labels_late, late);
    assert_int_equal(world->project->counters.labels_settled, 2000 - late);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, world_close)
    const struct CMUnitTest tests[] = {
        TEST(labels_of_a_sample_are_chained),
        TEST(a_sample_counts_for_its_newest_class),
        TEST(a_late_label_is_kept_and_counts_for_nothing),
        TEST(finds_the_answer_to_a_lease),
        TEST(a_label_of_a_wrong_size_is_corruption),
        TEST(random_labels_agree_with_a_plain_recount),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
