/* Leases: granting, ending, giving back, canceled batches; fencing numbers, the queue's order, and who had an item. */
#include "test/unit/store_world.h"

enum { SAMPLES = 8 };

static int open_world(void **state)
{
    struct world *world = world_new();
    world_grant(world, 100 * WORLD_PRICE);
    world_samples(world, SAMPLES);
    *state = world;
    return 0;
}

static void a_grant_is_all_there(void **state)
{
    struct world *world = *state;
    const uint32_t batch = world_batch(world, 2, 3, 1);
    uint32_t slot;
    struct lease lease;
    const uint64_t fence = world_lease(world, 7, &slot);
    assert_int_equal(fence, 1);
    assert_int_equal(slot, 2);
    const struct sample sample = world_sample(world, slot);
    assert_int_equal(sample.state, SAMPLE_LEASED);
    assert_int_equal(sample.fence, fence);
    assert_int_equal(sample.worker, 7);
    assert_int_equal(sample.deadline_ms, world->now_ms + 1000);
    assert_int_equal(sample.batch, batch);
    assert_true(lease_get(&world->change.txn, world->project->number, 7, slot, &lease));
    assert_int_equal(lease.fence, fence);
    assert_int_equal(lease.request[0], 1);
    assert_int_equal(lease.request[1], 2);
    assert_int_equal(lease.waiting.slot, slot);
    assert_false(lease_get(&world->change.txn, world->project->number, 8, slot, &lease));
    const struct counters *counters = &world->project->counters;
    assert_int_equal(counters->leases, 1);
    assert_int_equal(counters->waiting, 2);
    assert_int_equal(counters->states[SAMPLE_RESERVED], 2);
    assert_int_equal(counters->states[SAMPLE_LEASED], 1);
}

static void only_the_very_lease_holds(void **state)
{
    (void)state;
    struct sample sample = {.state = SAMPLE_LEASED, .fence = 5, .worker = 7};
    assert_true(lease_holds(&sample, 7, 5));
    assert_false(lease_holds(&sample, 7, 4));
    assert_false(lease_holds(&sample, 7, 6));
    assert_false(lease_holds(&sample, 8, 5));
    sample.state = SAMPLE_RESERVED;
    assert_false(lease_holds(&sample, 7, 5));
}

static void fences_rise_and_never_come_again(void **state)
{
    struct world *world = *state;
    world_batch(world, 0, 1, 1);
    struct waiting waiting;
    uint32_t slot;
    for (uint64_t expected = 1; expected <= 5; expected++) {
        assert_int_equal(world_lease(world, 7, &slot), expected);
        struct sample sample = world_sample(world, slot);
        lease_end(&world->change, world->project, slot, &sample, &waiting);
        assert_int_equal(sample.fence, 0);
        assert_int_equal(sample.worker, 0);
        assert_int_equal(sample.deadline_ms, 0);
        lease_give_back(&world->change, world->project, slot, &sample, &waiting, "released");
        assert_int_equal(world_sample(world, slot).state, SAMPLE_RESERVED);
        assert_int_equal(world->project->counters.leases, 0);
        assert_int_equal(world->project->counters.waiting, 1);
        world_commit(world);
        world_begin(world);
    }
}

static void the_queue_goes_by_batch_and_rank(void **state)
{
    struct world *world = *state;
    world_batch(world, 4, 2, 1); /* slots 4 and 5 */
    world_batch(world, 0, 3, 1); /* slots 0, 1, 2 */
    static const uint32_t order[] = {4, 5, 0, 1, 2};
    uint32_t slot;
    for (uint32_t i = 0; i < 3; i++) {
        world_lease(world, 7, &slot);
        assert_int_equal(slot, order[i]);
    }
    /* What is given back takes its old place. */
    struct sample sample = world_sample(world, 5);
    struct waiting waiting;
    lease_end(&world->change, world->project, 5, &sample, &waiting);
    lease_give_back(&world->change, world->project, 5, &sample, &waiting, "released");
    static const uint32_t rest[] = {5, 1, 2};
    for (uint32_t i = 0; i < 3; i++) {
        world_lease(world, 7, &slot);
        assert_int_equal(slot, rest[i]);
    }
    uint32_t batch;
    uint32_t rank;
    assert_false(world_waiting(world, 0, &batch, &rank, &waiting));
}

static void who_had_an_item_is_remembered(void **state)
{
    struct world *world = *state;
    const uint32_t batch = world_batch(world, 0, 1, 3);
    uint32_t slot;
    uint32_t rank;
    uint32_t found;
    struct waiting waiting;
    for (uint32_t worker = 11; worker <= 13; worker++) {
        assert_true(world_waiting(world, 0, &found, &rank, &waiting));
        assert_int_equal(found, batch);
        assert_int_equal(waiting.worker_count, worker - 11);
        for (uint32_t other = 11; other <= 13; other++)
            assert_int_equal(waiting_has(&waiting, other), other < worker);
        world_lease(world, worker, &slot);
        world_answer(world, slot, 1);
        world_commit(world);
        world_begin(world);
    }
    assert_int_equal(world_sample(world, slot).state, SAMPLE_LABELED);
    assert_int_equal(world->project->counters.spent_microusd, 3 * WORLD_PRICE);
    assert_int_equal(world->project->counters.reserved_microusd, 0);
    struct batch done;
    assert_true(batch_get(&world->change.txn, world->project->number, batch, &done));
    assert_int_equal(done.state, BATCH_DONE);
    assert_int_equal(done.labeled, 1);
}

static void the_longest_list_of_workers_fits(void **state)
{
    struct world *world = *state;
    struct waiting full = {.slot = 0, .worker_count = PROJECT_OVERLAP_MAX + PROJECT_SKIPS_MAX};
    for (uint32_t i = 0; i < full.worker_count; i++)
        full.workers[i] = 100 + i;
    world_batch(world, 0, 1, 1);
    assert_true(queue_take(&world->change, world->project, 1, 0));
    assert_false(queue_take(&world->change, world->project, 1, 0));
    queue_put(&world->change, world->project, 1, 0, &full);
    uint32_t slot;
    world_lease(world, 7, &slot);
    struct lease lease;
    assert_true(lease_get(&world->change.txn, world->project->number, 7, slot, &lease));
    assert_memory_equal(&lease.waiting, &full, sizeof full);
}

static void a_malformed_queue_entry_is_seen(void **state)
{
    (void)state;
    struct waiting waiting = {.slot = 1, .worker_count = 2, .workers = {3, 4}};
    struct waiting read;
    assert_true(waiting_read((struct value){&waiting, waiting_size(&waiting)}, &read));
    assert_memory_equal(&read, &waiting, sizeof read);
    assert_false(waiting_read((struct value){&waiting, waiting_size(&waiting) - 1}, &read));
    assert_false(waiting_read((struct value){&waiting, waiting_size(&waiting) + 4}, &read));
    assert_false(waiting_read((struct value){&waiting, 4}, &read));
    assert_false(waiting_read((struct value){&waiting, 0}, &read));
    waiting.worker_count = UINT32_MAX;
    assert_false(waiting_read((struct value){&waiting, sizeof waiting}, &read));
}

/* The first batch of the world, canceled as BATCH.CANCEL does while its items are all held. */
static void cancel(struct world *world)
{
    struct batch batch;
    assert_true(batch_get(&world->change.txn, world->project->number, 1, &batch));
    batch.state = BATCH_CANCELED;
    batch_put(&world->change.txn, world->project->number, 1, &batch);
}

static void give_back(struct world *world, uint32_t slot)
{
    struct waiting waiting;
    struct sample sample = world_sample(world, slot);
    lease_end(&world->change, world->project, slot, &sample, &waiting);
    lease_give_back(&world->change, world->project, slot, &sample, &waiting, "expired");
}

static void what_is_left_of_a_canceled_batch_goes_to_the_pool(void **state)
{
    struct world *world = *state;
    uint32_t slot;
    world_import(world, 1, 2); /* labeled before */
    world_batch(world, 0, 3, 2);
    for (int i = 0; i < 3; i++)
        world_lease(world, 7, &slot);
    cancel(world);
    give_back(world, 0);
    assert_int_equal(world_sample(world, 0).state, SAMPLE_POOL);
    give_back(world, 1);
    assert_int_equal(world_sample(world, 1).state, SAMPLE_LABELED);
    assert_int_equal(world->project->counters.reserved_microusd, 2 * WORLD_PRICE);
    world_answer(world, 2, 1); /* one of its two answers: charged, the other released */
    assert_int_equal(world_sample(world, 2).state, SAMPLE_LABELED);
    const struct counters *counters = &world->project->counters;
    assert_int_equal(counters->waiting, 0);
    assert_int_equal(counters->reserved_microusd, 0);
    assert_int_equal(counters->spent_microusd, WORLD_PRICE);
    struct batch batch;
    assert_true(batch_get(&world->change.txn, world->project->number, 1, &batch));
    assert_int_equal(batch.state, BATCH_CANCELED); /* not "done" */
    assert_int_equal(batch.open, 0);
    assert_int_equal(batch.canceled, 3);
}

static void a_grant_out_of_nothing_is_corruption(void **state)
{
    struct world *world = *state;
    static const uint64_t request[2] = {0, 0};
    world_commit(world);
    world_begin(world);
    const struct waiting waiting = {.slot = 0}; /* in the pool */
    assert_int_equal(lease_grant(&world->change, world->project, 1, 0, &waiting, 7, 1, request), 0);
    assert_int_equal(world->change.txn.status, DATABASE_CORRUPT);
    assert_false(change_commit(&world->change));
    world_begin(world);
    assert_int_equal(world->project->counters.fence, 0);
}

static bool count_lease(void *context, uint32_t worker, uint32_t slot, const struct lease *lease)
{
    uint32_t *sum = context;
    assert_int_equal(worker, 5 + slot);
    assert_int_equal(lease->waiting.slot, slot);
    *sum += 1u << slot;
    return slot != 2;
}

static void leases_are_listed_until_told_to_stop(void **state)
{
    struct world *world = *state;
    world_batch(world, 0, 5, 1);
    uint32_t slot;
    for (uint32_t i = 0; i < 5; i++)
        world_lease(world, 5 + i, &slot);
    uint32_t sum = 0;
    lease_each(&world->change.txn, world->project->number, count_lease, &sum);
    assert_int_equal(sum, 7);
    sum = 0;
    lease_each(&world->change.txn, world->project->number + 1, count_lease, &sum);
    assert_int_equal(sum, 0);
}

/* --- random walks: what the queue and the states must be is kept in plain arrays ---------------------------------------- */

static void random_walks_keep_the_store_clean(void **state)
{
    enum { MANY = 60, OVERLAP = 2 };
    struct world *world = *state;
    uint64_t seed = random_seed("leases");
    uint64_t fences[MANY] = {0}; /* of held slots */
    uint32_t answers[MANY] = {0};
    int64_t spent = 0;
    world_samples(world, MANY - SAMPLES);
    world_grant(world, 10000 * WORLD_PRICE);
    world_batch(world, 0, MANY, OVERLAP);
    uint64_t last_fence = 0;
    for (int step = 0; step < 600; step++) {
        const uint32_t slot = (uint32_t)(random_next(&seed) % MANY);
        uint32_t expected = 0;
        while (expected < MANY && (fences[expected] || answers[expected] == OVERLAP))
            expected++;
        switch (random_next(&seed) % 4) {
        case 0:
        case 1:
            if (expected < MANY) {
                uint32_t given;
                const uint64_t fence = world_lease(world, 1 + (uint32_t)(random_next(&seed) % 3), &given);
                assert_int_equal(given, expected);
                assert_true(fence > last_fence);
                fences[given] = last_fence = fence;
            }
            break;
        case 2:
            if (fences[slot]) {
                world_answer(world, slot, (int32_t)(random_next(&seed) % WORLD_CLASSES));
                fences[slot] = 0;
                answers[slot]++;
                spent += WORLD_PRICE;
            }
            break;
        default:
            if (fences[slot]) {
                give_back(world, slot);
                fences[slot] = 0;
            }
            break;
        }
        uint64_t held = 0;
        uint64_t labeled = 0;
        for (uint32_t i = 0; i < MANY; i++) {
            assert_int_equal(world_sample(world, i).fence, fences[i]);
            held += fences[i] != 0;
            labeled += answers[i] == OVERLAP;
        }
        const struct counters *counters = &world->project->counters;
        assert_int_equal(counters->leases, held);
        assert_int_equal(counters->waiting, MANY - held - labeled);
        assert_int_equal(counters->states[SAMPLE_LABELED], labeled);
        assert_int_equal(counters->spent_microusd, spent);
        if (step % 50 == 49) {
            world_commit(world);
            world_assert_clean(world);
            world_begin(world);
        }
    }
    assert_true(spent > 20 * WORLD_PRICE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, world_close)
    const struct CMUnitTest tests[] = {
        TEST(a_grant_is_all_there),
        cmocka_unit_test(only_the_very_lease_holds),
        TEST(fences_rise_and_never_come_again),
        TEST(the_queue_goes_by_batch_and_rank),
        TEST(who_had_an_item_is_remembered),
        TEST(the_longest_list_of_workers_fits),
        cmocka_unit_test(a_malformed_queue_entry_is_seen),
        TEST(what_is_left_of_a_canceled_batch_goes_to_the_pool),
        TEST(a_grant_out_of_nothing_is_corruption),
        TEST(leases_are_listed_until_told_to_stop),
        TEST(random_walks_keep_the_store_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
