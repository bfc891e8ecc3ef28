/* Money: what each kind of entry does, what is refused and then changes nothing, and random walks against a plain recount. */
#include "test/unit/store_world.h"

#define HUGE INT64_MAX

static int open_world(void **state)
{
    *state = world_new();
    return 0;
}

static int close_world(void **state)
{
    world_free(*state);
    return 0;
}

static bool append(struct world *world, enum ledger_kind kind, int64_t amount, struct protocol_error *error)
{
    memset(error, 0, sizeof *error);
    const struct entry entry = {.kind = kind, .amount_microusd = amount, .slot = LEDGER_NO_SLOT};
    return ledger_append(&world->change, world->project, entry, text_of(""), error);
}

static void take_in(struct world *world, enum ledger_kind kind, int64_t amount)
{
    struct protocol_error error;
    assert_true(append(world, kind, amount, &error));
    assert_int_equal(error.code, PROTOCOL_OK);
}

/* Refused, and nothing is different: not the counters, not the records. */
static void refuse(struct world *world, enum ledger_kind kind, int64_t amount, enum protocol_code code)
{
    struct protocol_error error;
    const struct counters before = world->project->counters;
    const uint64_t writes = world->change.txn.writes;
    assert_false(append(world, kind, amount, &error));
    assert_int_equal(error.code, code);
    assert_memory_equal(&before, &world->project->counters, sizeof before);
    assert_int_equal(world->change.txn.writes, writes);
    if (code == PROTOCOL_BUDGET_EXHAUSTED)
        assert_int_equal(error.available_microusd, before.available_microusd);
}

static void assert_sums(struct world *world, int64_t granted, int64_t available, int64_t reserved, int64_t spent)
{
    const struct counters *sums = &world->project->counters;
    assert_int_equal(sums->granted_microusd, granted);
    assert_int_equal(sums->available_microusd, available);
    assert_int_equal(sums->reserved_microusd, reserved);
    assert_int_equal(sums->spent_microusd, spent);
    assert_true(ledger_balanced(sums));
}

static void each_kind_moves_its_sums(void **state)
{
    struct world *world = *state;
    take_in(world, LEDGER_GRANT, 1000);
    assert_sums(world, 1000, 1000, 0, 0);
    take_in(world, LEDGER_RESERVE, 600);
    assert_sums(world, 1000, 400, 600, 0);
    take_in(world, LEDGER_CHARGE, 250);
    assert_sums(world, 1000, 400, 350, 250);
    take_in(world, LEDGER_RELEASE, 350);
    assert_sums(world, 1000, 750, 0, 250);
    take_in(world, LEDGER_CORRECT, -750);
    assert_sums(world, 250, 0, 0, 250);
    assert_int_equal(world->project->counters.entries, 5);
}

static void refuses_more_than_there_is(void **state)
{
    struct world *world = *state;
    refuse(world, LEDGER_RESERVE, 1, PROTOCOL_BUDGET_EXHAUSTED);
    refuse(world, LEDGER_CORRECT, -1, PROTOCOL_BUDGET_EXHAUSTED);
    refuse(world, LEDGER_CHARGE, 1, PROTOCOL_INTERNAL);
    refuse(world, LEDGER_RELEASE, 1, PROTOCOL_INTERNAL);
    take_in(world, LEDGER_GRANT, 100);
    refuse(world, LEDGER_RESERVE, 101, PROTOCOL_BUDGET_EXHAUSTED);
    refuse(world, LEDGER_CORRECT, -101, PROTOCOL_BUDGET_EXHAUSTED);
    take_in(world, LEDGER_RESERVE, 60);
    refuse(world, LEDGER_CORRECT, -41, PROTOCOL_BUDGET_EXHAUSTED); /* what is reserved can't be taken back */
    refuse(world, LEDGER_CHARGE, 61, PROTOCOL_INTERNAL);
    refuse(world, LEDGER_RELEASE, 61, PROTOCOL_INTERNAL);
    assert_sums(world, 100, 40, 60, 0);
}

static void refuses_the_wrong_sign(void **state)
{
    struct world *world = *state;
    take_in(world, LEDGER_GRANT, 100);
    take_in(world, LEDGER_RESERVE, 50);
    refuse(world, LEDGER_GRANT, -1, PROTOCOL_BAD_REQUEST);
    refuse(world, LEDGER_CORRECT, 1, PROTOCOL_BUDGET_EXHAUSTED);
    refuse(world, LEDGER_RESERVE, -1, PROTOCOL_BUDGET_EXHAUSTED);
    refuse(world, LEDGER_CHARGE, -1, PROTOCOL_INTERNAL);
    refuse(world, LEDGER_RELEASE, -1, PROTOCOL_INTERNAL);
    refuse(world, LEDGER_KIND_COUNT, 1, PROTOCOL_INTERNAL);
}

static void holds_at_the_largest_numbers(void **state)
{
    struct world *world = *state;
    take_in(world, LEDGER_GRANT, HUGE);
    assert_sums(world, HUGE, HUGE, 0, 0);
    refuse(world, LEDGER_GRANT, 1, PROTOCOL_BAD_REQUEST);
    refuse(world, LEDGER_GRANT, HUGE, PROTOCOL_BAD_REQUEST);
    refuse(world, LEDGER_CORRECT, INT64_MIN, PROTOCOL_BUDGET_EXHAUSTED);
    take_in(world, LEDGER_RESERVE, HUGE);
    refuse(world, LEDGER_GRANT, 1, PROTOCOL_BAD_REQUEST); /* available is 0, granted is full */
    refuse(world, LEDGER_RESERVE, HUGE, PROTOCOL_BUDGET_EXHAUSTED);
    take_in(world, LEDGER_CHARGE, HUGE - 1);
    refuse(world, LEDGER_CHARGE, HUGE, PROTOCOL_INTERNAL);
    take_in(world, LEDGER_RELEASE, 1);
    assert_sums(world, HUGE, 1, 0, HUGE - 1);
    take_in(world, LEDGER_CORRECT, -1);
    take_in(world, LEDGER_GRANT, 1);
    assert_sums(world, HUGE, 1, 0, HUGE - 1);
}

static void nothing_leaves_no_entry(void **state)
{
    struct world *world = *state;
    for (int kind = 0; kind < LEDGER_KIND_COUNT; kind++)
        take_in(world, (enum ledger_kind)kind, 0);
    assert_int_equal(world->project->counters.entries, 0);
}

static void balance_sees_every_fault(void **state)
{
    (void)state;
    const struct counters good = {.granted_microusd = 6, .available_microusd = 1, .reserved_microusd = 2, .spent_microusd = 3};
    assert_true(ledger_balanced(&good));
    struct counters bad = good;
    bad.granted_microusd = 7;
    assert_false(ledger_balanced(&bad));
    bad = good;
    bad.available_microusd = -1;
    bad.reserved_microusd = 4;
    assert_false(ledger_balanced(&bad));
    bad = good;
    bad.spent_microusd = -1;
    bad.available_microusd = 5;
    assert_false(ledger_balanced(&bad));
    bad = (struct counters){.granted_microusd = -2, .available_microusd = HUGE, .reserved_microusd = HUGE};
    assert_false(ledger_balanced(&bad));
}

static void keeps_the_note_and_the_time(void **state)
{
    struct world *world = *state;
    world->now_ms += 5;
    world_abort(world);
    world_begin(world);
    world_grant(world, 70);
    struct key key = key_project(world->project->number);
    key_add_u64(&key, 1);
    struct value value;
    struct entry entry;
    assert_true(txn_get(&world->change.txn, STATE_LEDGER, &key, &value));
    assert_int_equal(value.size, sizeof entry + 4);
    memcpy(&entry, value.data, sizeof entry);
    assert_int_equal(entry.time_ms, WORLD_START_MS + 5);
    assert_int_equal(entry.amount_microusd, 70);
    assert_int_equal(entry.kind, LEDGER_GRANT);
    assert_memory_equal((const char *)value.data + sizeof entry, "note", 4);
}

static void low_is_told_once_a_crossing(void **state)
{
    struct world *world = *state;
    const uint64_t *low = &world->project->counters.last_event[EVENT_BUDGET_LOW];
    uint64_t last = 0;
    world->project->settings.budget_low_microusd = 100;
    take_in(world, LEDGER_GRANT, 100);
    assert_int_equal(*low, 0); /* just the line is not below it */
    for (int round = 0; round < 3; round++) {
        take_in(world, LEDGER_RESERVE, 1);
        assert_true(*low > last);
        last = *low;
        take_in(world, LEDGER_RESERVE, 50);
        take_in(world, LEDGER_CORRECT, -10);
        take_in(world, LEDGER_RELEASE, 50); /* 89: still below */
        assert_int_equal(*low, last);
        take_in(world, LEDGER_RELEASE, 1);
        take_in(world, LEDGER_GRANT, 10);
        assert_int_equal(world->project->counters.available_microusd, 100);
        assert_int_equal(*low, last);
    }
    assert_int_equal(world->project->counters.events, 3);
    assert_int_equal(world->change.outgoing_count, 3);
}

/* --- random walks ------------------------------------------------------------------------------------------------------- */

/* The rules once more, without a thought for overflow: these amounts are small. */
struct plain {
    int64_t granted;
    int64_t available;
    int64_t reserved;
    int64_t spent;
};

static bool plain_apply(struct plain *plain, enum ledger_kind kind, int64_t amount)
{
    struct plain next = *plain;
    switch (kind) {
    case LEDGER_GRANT:
    case LEDGER_CORRECT:
        next.granted += amount;
        next.available += amount;
        break;
    case LEDGER_RESERVE:
        next.available -= amount;
        next.reserved += amount;
        break;
    case LEDGER_CHARGE:
        next.reserved -= amount;
        next.spent += amount;
        break;
    default:
        next.reserved -= amount;
        next.available += amount;
        break;
    }
    const bool right_sign = kind == LEDGER_CORRECT ? amount < 0 : amount > 0;
    if (amount != 0 && (!right_sign || next.available < 0 || next.reserved < 0))
        return false;
    *plain = next;
    return true;
}

static void random_walks_agree_with_a_plain_recount(void **state)
{
    struct world *world = *state;
    uint64_t seed = random_seed("ledger");
    struct plain plain = {0};
    struct plain kept = {0};
    struct protocol_error error;
    uint64_t entries = 0;
    uint64_t kept_entries = 0;
    int accepted = 0;
    int refused = 0;
    for (int step = 0; step < 20000; step++) {
        const enum ledger_kind kind = (enum ledger_kind)(random_next(&seed) % LEDGER_KIND_COUNT);
        int64_t amount = (int64_t)(random_next(&seed) % 1000) - 50;
        if (kind == LEDGER_CORRECT)
            amount = -amount;
        const bool expected = plain_apply(&plain, kind, amount);
        assert_int_equal(append(world, kind, amount, &error), expected);
        entries += expected && amount != 0;
        accepted += expected;
        refused += !expected;
        assert_sums(world, plain.granted, plain.available, plain.reserved, plain.spent);
        if (step % 1000 == 999) { /* some of it is taken back, sums and all */
            const bool keep = random_next(&seed) % 2 == 0;
            if (step == 999 || keep) {
                world_commit(world);
                kept = plain;
                kept_entries = entries;
            } else {
                world_abort(world);
                plain = kept;
                entries = kept_entries;
            }
            world_begin(world);
            assert_int_equal(world->project->counters.entries, entries);
            assert_sums(world, plain.granted, plain.available, plain.reserved, plain.spent);
        }
    }
    assert_true(accepted > 1000 && refused > 1000);

    /* And from the records alone. */
    struct plain recounted = {0};
    const struct key prefix = key_project(world->project->number);
    struct cursor cursor;
    uint64_t count = 0;
    cursor_open(&cursor, &world->change.txn, STATE_LEDGER, &prefix, NULL);
    for (; cursor_next(&cursor); count++) {
        struct entry entry;
        memcpy(&entry, cursor.data.data, sizeof entry);
        assert_int_equal(key_read_u64((const uint8_t *)cursor.key.data + 4), count + 1);
        assert_true(plain_apply(&recounted, (enum ledger_kind)entry.kind, entry.amount_microusd));
    }
    cursor_close(&cursor);
    assert_int_equal(count, entries);
    assert_memory_equal(&recounted, &plain, sizeof plain);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(each_kind_moves_its_sums),
        TEST(refuses_more_than_there_is),
        TEST(refuses_the_wrong_sign),
        TEST(holds_at_the_largest_numbers),
        TEST(nothing_leaves_no_entry),
        cmocka_unit_test(balance_sees_every_fault),
        TEST(keeps_the_note_and_the_time),
        TEST(low_is_told_once_a_crossing),
        TEST(random_walks_agree_with_a_plain_recount),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
