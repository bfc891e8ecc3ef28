/* Plans: through a frame and back, and what is recorded of them for REPLAY. */
#include "test/unit/store_world.h"

#include "selector/plan.h"

enum { SAMPLES = 37, ITEMS = 5, CLASSES = 3, DROPPED = 2 }; /* no multiples of anything: records are not aligned */

struct fixture {
    struct world *world;
    struct plan plan;
    double weights[CLASSES];
    uint8_t states[SAMPLES];
    struct item items[ITEMS];
};

static int open_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->world = world_new();
    for (int i = 0; i < CLASSES; i++)
        fixture->weights[i] = 1.5 + i;
    for (int i = 0; i < SAMPLES; i++)
        fixture->states[i] = (uint8_t)(i % 5);
    for (int i = 0; i < ITEMS; i++)
        fixture->items[i] = (struct item){.slot = 10u + (uint32_t)i, .utility = 0.25 * i, .predicted = i - 1};
    fixture->plan = (struct plan){.class_weights = fixture->weights,
        .states = fixture->states,
        .items = fixture->items,
        .picks = 3,
        .item_count = ITEMS,
        .budget = INT64_MAX,
        .recorded = true};
    struct plan_inputs *inputs = &fixture->plan.inputs;
    inputs->samples = SAMPLES;
    inputs->class_weights = CLASSES;
    inputs->label_seq = 99;
    inputs->seed = UINT64_MAX;
    inputs->embeddings = (struct plan_column){.high = 7, .rewrites = 2};
    snprintf(inputs->space, sizeof inputs->space, "clip");
    inputs->tag_weight[63] = 3;
    *state = fixture;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;
    world_free(fixture->world);
    free(fixture);
    return 0;
}

static void a_frame_carries_the_whole_plan(void **state)
{
    struct fixture *fixture = *state;
    msgpack_sbuffer frame;
    struct plan read;
    msgpack_sbuffer_init(&frame);
    assert_true(plan_pack(&fixture->plan, &frame));
    assert_true(plan_unpack(&read, frame.data, frame.size));
    assert_memory_equal(&read.inputs, &fixture->plan.inputs, sizeof read.inputs);
    assert_memory_equal(read.class_weights, fixture->weights, sizeof fixture->weights);
    assert_memory_equal(read.states, fixture->states, sizeof fixture->states);
    assert_memory_equal(read.items, fixture->items, sizeof fixture->items);
    assert_int_equal(read.picks, 3);
    assert_int_equal(read.item_count, ITEMS);
    assert_true(read.budget == INT64_MAX && read.recorded && !read.partial);
    assert_true((const char *)read.states + SAMPLES == frame.data + frame.size); /* it borrows from the frame */
    msgpack_sbuffer_destroy(&frame);
}

static void a_plan_of_nothing_passes_too(void **state)
{
    (void)state;
    struct plan plan = {.error = {.code = PROTOCOL_NOT_FOUND}};
    struct plan read;
    msgpack_sbuffer frame;
    msgpack_sbuffer_init(&frame);
    assert_true(plan_pack(&plan, &frame));
    assert_true(plan_unpack(&read, frame.data, frame.size));
    assert_int_equal(read.error.code, PROTOCOL_NOT_FOUND);
    assert_int_equal(read.item_count, 0);
    msgpack_sbuffer_destroy(&frame);
}

static void a_frame_of_another_size_is_refused(void **state)
{
    struct fixture *fixture = *state;
    msgpack_sbuffer frame;
    struct plan read;
    msgpack_sbuffer_init(&frame);
    assert_true(plan_pack(&fixture->plan, &frame));
    for (size_t size = 0; size < frame.size; size++) {
        char *cut = malloc(size + 1); /* of its own, so that a read beyond its end is seen */
        assert_non_null(cut);
        memcpy(cut, frame.data, size);
        assert_false(plan_unpack(&read, cut, size));
        free(cut);
    }
    assert_int_equal(msgpack_sbuffer_write(&frame, "x", 1), 0);
    assert_false(plan_unpack(&read, frame.data, frame.size));
    msgpack_sbuffer_destroy(&frame);
}

static void what_is_recorded_is_recalled(void **state)
{
    static const uint32_t dropped[DROPPED] = {11, 13};
    struct fixture *fixture = *state;
    struct world *world = fixture->world;
    struct plan_recorded recorded;
    assert_false(plan_recall(&world->change.txn, 1, 4, &recorded));
    plan_record(&world->change.txn, 1, 4, &fixture->plan, dropped, DROPPED);
    world_commit(world);
    world_begin(world);
    assert_true(plan_recall(&world->change.txn, 1, 4, &recorded));
    struct plan_inputs expected = fixture->plan.inputs;
    expected.dropped = DROPPED;
    assert_memory_equal(&recorded.inputs, &expected, sizeof expected);
    assert_memory_equal(recorded.class_weights, fixture->weights, sizeof fixture->weights);
    assert_memory_equal(recorded.states, fixture->states, sizeof fixture->states);
    assert_memory_equal(recorded.dropped, dropped, sizeof dropped);
    free((void *)recorded.class_weights);
    assert_false(plan_recall(&world->change.txn, 1, 5, &recorded));
    assert_false(plan_recall(&world->change.txn, 2, 4, &recorded));
    assert_int_equal(world->change.txn.status, DATABASE_OK);
}

static void without_weights_there_is_nothing_to_free(void **state)
{
    struct fixture *fixture = *state;
    struct txn *txn = &fixture->world->change.txn;
    struct plan_recorded recorded;
    fixture->plan.inputs.class_weights = 0;
    plan_record(txn, 1, 4, &fixture->plan, NULL, 0);
    assert_true(plan_recall(txn, 1, 4, &recorded));
    assert_null(recorded.class_weights);
    assert_memory_equal(recorded.states, fixture->states, sizeof fixture->states);
}

static void the_newest_few_are_kept(void **state)
{
    struct fixture *fixture = *state;
    struct txn *txn = &fixture->world->change.txn;
    enum { BATCHES = PLAN_RECORDS_MAX + 10 };
    for (uint32_t batch = 1; batch <= BATCHES; batch++) {
        plan_record(txn, 1, batch, &fixture->plan, NULL, 0);
        plan_forget(txn, 1, batch);
    }
    for (uint32_t batch = 1; batch <= BATCHES; batch++) {
        struct plan_recorded recorded;
        assert_int_equal(plan_recall(txn, 1, batch, &recorded), batch > BATCHES - PLAN_RECORDS_MAX);
        free((void *)recorded.class_weights);
    }
}

static void a_short_record_is_corruption(void **state)
{
    struct fixture *fixture = *state;
    struct world *world = fixture->world;
    struct key key = key_project(1);
    struct plan_recorded recorded;
    key_add_u32(&key, 4);
    txn_put(&world->change.txn, STATE_PLANS, &key, "short", 5);
    assert_false(plan_recall(&world->change.txn, 1, 4, &recorded));
    assert_int_equal(world->change.txn.status, DATABASE_CORRUPT);
    world_abort(world);
    world_begin(world);
    txn_put(&world->change.txn, STATE_PLANS, &key, &fixture->plan.inputs, sizeof fixture->plan.inputs);
    assert_false(plan_recall(&world->change.txn, 1, 4, &recorded)); /* the states are missing */
    assert_int_equal(world->change.txn.status, DATABASE_CORRUPT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        TEST(a_frame_carries_the_whole_plan),
        cmocka_unit_test(a_plan_of_nothing_passes_too),
        TEST(a_frame_of_another_size_is_refused),
        TEST(what_is_recorded_is_recalled),
        TEST(without_weights_there_is_nothing_to_free),
        TEST(the_newest_few_are_kept),
        TEST(a_short_record_is_corruption),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
