/* Events: their numbers, the one of the same kind before them, what is kept to be sent, and that an abort takes all back. */
#include "test/unit/store_world.h"

static int open_world(void **state)
{
    *state = world_new();
    return 0;
}

static void tell(struct world *world, enum event_kind kind, int64_t number)
{
    struct writer *event = event_begin(&world->change, world->project, kind);
    writer_integer(event, "number", number);
    event_end(&world->change, world->project, kind);
}

/* The integer field of an event's map. */
static int64_t field(struct text map, const char *name)
{
    msgpack_unpacked unpacked;
    int64_t value = -1;
    msgpack_unpacked_init(&unpacked);
    assert_int_equal(msgpack_unpack_next(&unpacked, map.data, map.size, NULL), MSGPACK_UNPACK_SUCCESS);
    for (uint32_t i = 0; i < unpacked.data.via.map.size; i++) {
        const msgpack_object_kv *entry = &unpacked.data.via.map.ptr[i];
        if (text_equal((struct text){entry->key.via.str.ptr, entry->key.via.str.size}, name))
            value = entry->val.via.i64;
    }
    msgpack_unpacked_destroy(&unpacked);
    return value;
}

/* The stored event; its kind is checked. */
static struct text stored(struct world *world, uint64_t sequence, enum event_kind kind)
{
    struct key key = key_project(world->project->number);
    struct value value;
    key_add_u64(&key, sequence);
    assert_true(txn_get(&world->change.txn, STATE_EVENTS, &key, &value));
    const char *bytes = value.data;
    assert_int_equal(bytes[0], kind);
    return (struct text){bytes + 1, value.size - 1};
}

static void numbers_rise_and_point_back_by_kind(void **state)
{
    static const struct {
        enum event_kind kind;
        int64_t previous;
    } told[] = {{EVENT_BUDGET_LOW, 0}, {EVENT_ITEM_RELEASED, 0}, {EVENT_ITEM_RELEASED, 2}, {EVENT_BUDGET_LOW, 1},
        {EVENT_CONFIG_CHANGED, 0}, {EVENT_ITEM_RELEASED, 3}};
    enum { TOLD = sizeof told / sizeof *told };
    struct world *world = *state;
    for (int i = 0; i < TOLD; i++) {
        tell(world, told[i].kind, 100 + i);
        if (i == 2) { /* it goes on over transactions */
            world_commit(world);
            world_begin(world);
        }
    }
    for (int i = 0; i < TOLD; i++) {
        const struct text map = stored(world, (uint64_t)i + 1, told[i].kind);
        assert_int_equal(field(map, "seq"), i + 1);
        assert_int_equal(field(map, "prev"), told[i].previous);
        assert_int_equal(field(map, "number"), 100 + i);
        assert_int_equal(field(map, "time_ms"), world->now_ms);
    }
    assert_int_equal(world->project->counters.events, TOLD);
    assert_int_equal(world->project->counters.last_event[EVENT_ITEM_RELEASED], 6);
}

static void what_is_sent_is_what_is_stored(void **state)
{
    struct world *world = *state;
    tell(world, EVENT_BATCH_DONE, 1);
    tell(world, EVENT_BUDGET_LOW, 2);
    world_commit(world);
    static const char *const topics[] = {"p/batch.done", "p/budget.low"};
    static const enum event_kind kinds[] = {EVENT_BATCH_DONE, EVENT_BUDGET_LOW};
    struct change *change = &world->change;
    const char *bytes = change->outgoing_bytes.data;
    assert_int_equal(change->outgoing_count, 2);
    char topic[2][32];
    char map[2][256];
    size_t map_size[2];
    for (size_t i = 0; i < 2; i++) { /* the next begin forgets them */
        const struct outgoing *event = &change->outgoing[i];
        assert_true(event->map_size < sizeof map[i]);
        snprintf(topic[i], sizeof topic[i], "%.*s", (int)event->topic_size, bytes + event->topic);
        memcpy(map[i], bytes + event->map, event->map_size);
        map_size[i] = event->map_size;
    }
    world_begin(world);
    assert_int_equal(change->outgoing_count, 0);
    for (size_t i = 0; i < 2; i++) {
        const struct text kept = stored(world, i + 1, kinds[i]);
        assert_string_equal(topic[i], topics[i]);
        assert_int_equal(kept.size, map_size[i]);
        assert_memory_equal(kept.data, map[i], map_size[i]);
    }
}

static void an_abort_takes_numbers_and_events_back(void **state)
{
    struct world *world = *state;
    tell(world, EVENT_BUDGET_LOW, 1);
    world_commit(world);
    world_begin(world);
    tell(world, EVENT_BUDGET_LOW, 2);
    tell(world, EVENT_BATCH_DONE, 3);
    world_abort(world);
    assert_int_equal(world->change.outgoing_count, 0);
    world_begin(world);
    assert_int_equal(world->project->counters.events, 1);
    assert_int_equal(world->project->counters.last_event[EVENT_BATCH_DONE], 0);
    tell(world, EVENT_BATCH_DONE, 4);
    const struct text map = stored(world, 2, EVENT_BATCH_DONE);
    assert_int_equal(field(map, "prev"), 0);
    assert_int_equal(field(map, "number"), 4);
}

static void a_failed_commit_takes_them_back_too(void **state)
{
    struct world *world = *state;
    tell(world, EVENT_BUDGET_LOW, 1);
    txn_corrupt(&world->change.txn);
    assert_false(change_commit(&world->change));
    assert_int_equal(world->change.outgoing_count, 0);
    world_begin(world);
    assert_int_equal(world->project->counters.events, 0);
}

static void a_transaction_that_wrote_nothing_keeps_the_projects(void **state)
{
    struct world *world = *state;
    world_grant(world, 5);
    world_commit(world);
    world_begin(world);
    const struct project *project = world->project;
    change_end(&world->change);
    world_begin(world);
    assert_ptr_equal(world->project, project);
    assert_int_equal(world->project->counters.available_microusd, 5);
}

static void projects_are_found_by_name_and_number(void **state)
{
    struct world *world = *state;
    struct protocol_error error = {0};
    const uint32_t number = world->project->number;
    assert_ptr_equal(change_project_numbered(&world->change, number), world->project);
    assert_null(change_project_numbered(&world->change, number + 1));
    assert_null(change_project(&world->change, text_of("q"), &error));
    assert_int_equal(error.code, PROTOCOL_NOT_FOUND);
    world_abort(world); /* forgets it, so that both must load it anew */
    assert_true(change_begin(&world->change, world->now_ms));
    world->project = change_project_numbered(&world->change, number);
    assert_non_null(world->project);
    assert_true(text_equal(world->project->name, "p"));
    const struct settings settings = {.price_microusd = 1};
    struct project *second = change_create_project(&world->change, text_of("q"), &settings);
    assert_non_null(second);
    assert_int_equal(second->number, number + 1);
    world_abort(world);
    assert_true(change_begin(&world->change, world->now_ms));
    assert_null(change_project_numbered(&world->change, number + 1));
}

/* More than the first room holds. */
static void a_great_many_events_fit_in_one_transaction(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 5000; i++)
        tell(world, EVENT_ITEM_RELEASED, i);
    assert_int_equal(world->change.outgoing_count, 5000);
    for (int i = 0; i < 5000; i += 777) {
        const struct outgoing *event = &world->change.outgoing[i];
        const struct text map = {world->change.outgoing_bytes.data + event->map, event->map_size};
        assert_int_equal(field(map, "number"), i);
        assert_int_equal(field(map, "seq"), i + 1);
        assert_int_equal(field(map, "prev"), i);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, world_close)
    const struct CMUnitTest tests[] = {
        TEST(numbers_rise_and_point_back_by_kind),
        TEST(what_is_sent_is_what_is_stored),
        TEST(an_abort_takes_numbers_and_events_back),
        TEST(a_failed_commit_takes_them_back_too),
        TEST(a_transaction_that_wrote_nothing_keeps_the_projects),
        TEST(projects_are_found_by_name_and_number),
        TEST(a_great_many_events_fit_in_one_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
