/* Kept replies: found again with their body's hash, forgotten by age and by number. */
#include "test/unit/store_world.h"

#include "store/reply.h"

static int open_world(void **state)
{
    *state = world_new();
    return 0;
}

static void keep(struct world *world, const char *id, uint64_t body, const char *reply)
{
    const uint64_t hash[2] = {body, ~body};
    reply_keep(&world->change, world->project, text_of(id), hash, text_of(reply));
}

static bool has(struct world *world, const char *id)
{
    struct kept_reply kept;
    struct text bytes;
    return reply_find(&world->change.txn, world->project->number, text_of(id), &kept, &bytes);
}

static void is_found_with_its_body(void **state)
{
    struct world *world = *state;
    struct kept_reply kept;
    struct text bytes;
    keep(world, "id", 7, "reply");
    keep(world, "id2", 8, "");
    world_commit(world);
    world_begin(world);
    assert_true(reply_find(&world->change.txn, world->project->number, text_of("id"), &kept, &bytes));
    assert_true(text_equal(bytes, "reply"));
    assert_int_equal(kept.body[0], 7); /* another body under the id is told from it: a conflict */
    assert_int_equal(kept.body[1], ~(uint64_t)7);
    assert_int_equal(kept.time_ms, WORLD_START_MS);
    assert_true(reply_find(&world->change.txn, world->project->number, text_of("id2"), &kept, &bytes));
    assert_int_equal(bytes.size, 0);
    assert_false(has(world, "i"));
    assert_false(has(world, "id22"));
    assert_false(reply_find(&world->change.txn, world->project->number + 1, text_of("id"), &kept, &bytes));
    assert_int_equal(world->change.txn.status, DATABASE_OK);
}

static void is_kept_for_a_day(void **state)
{
    struct world *world = *state;
    keep(world, "old", 1, "x");
    world->change.now_ms = WORLD_START_MS + KEPT_REPLY_AGE_MS;
    keep(world, "new", 2, "y");
    assert_true(has(world, "old"));
    world->change.now_ms++;
    keep(world, "newer", 3, "z");
    assert_false(has(world, "old"));
    assert_true(has(world, "new"));
    assert_true(has(world, "newer"));
    assert_int_equal(world->project->counters.kept_replies, 2);
}

/* Ids in any order: it is the time that counts. More than one goes with each that comes. */
static void the_oldest_go_first(void **state)
{
    struct world *world = *state;
    char id[16];
    for (int i = 0; i < 100; i++) {
        world->change.now_ms++;
        snprintf(id, sizeof id, "%d", (i * 37) % 100);
        keep(world, id, 1, "x");
    }
    world->change.now_ms += KEPT_REPLY_AGE_MS - 49;
    uint64_t before = world->project->counters.kept_replies;
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof id, "n%d", i);
        keep(world, id, 1, "x");
        assert_true(world->project->counters.kept_replies <= before + 1);
        before = world->project->counters.kept_replies;
    }
    assert_int_equal(before, 50 + 100);
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof id, "%d", (i * 37) % 100);
        assert_int_equal(has(world, id), i >= 50);
    }
}

static void the_number_is_bounded(void **state)
{
    struct world *world = *state;
    char id[16];
    for (int i = 0; i < KEPT_REPLIES_MAX + 10; i++) {
        world->change.now_ms += i % 2;
        snprintf(id, sizeof id, "%06d", i);
        keep(world, id, 1, "x");
    }
    assert_int_equal(world->project->counters.kept_replies, KEPT_REPLIES_MAX);
    assert_false(has(world, "000009"));
    assert_true(has(world, "000010"));
    assert_true(has(world, id));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, world_close)
    const struct CMUnitTest tests[] = {
        TEST(is_found_with_its_body),
        TEST(is_kept_for_a_day),
        TEST(the_oldest_go_first),
        TEST(the_number_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
