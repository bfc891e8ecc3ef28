/* Columns: what was written is what views show, whatever the order, beside a plain array that is the reference. */
#include "test/unit/store_world.h"

#include "store/column.h"

enum { SLOTS = 1000, WIDTH_MAX = 5 };

/* What the column must hold: bytes by slot. */
struct reference {
    bool present[SLOTS];
    uint8_t rows[SLOTS][WIDTH_MAX * 4];
    uint16_t classes[SLOTS][WIDTH_MAX];
    uint64_t high;
    uint64_t rewrites;
};

/* A column under test beside its reference. */
struct pair {
    struct column_id id;
    enum array_dtype dtype;
    size_t width;
    struct reference *reference;
};

static int open_world(void **state)
{
    struct world *world = world_new();
    world_abort(world);
    *state = world;
    return 0;
}

static int close_world(void **state)
{
    world_assert_clean(*state);
    world_free(*state);
    return 0;
}

static struct pair pair_new(struct column_id id, enum array_dtype dtype, size_t width)
{
    struct pair pair = {id, dtype, width, calloc(1, sizeof *pair.reference)};
    assert_non_null(pair.reference);
    return pair;
}

static size_t row_bytes(const struct pair *pair)
{
    return pair->width * (pair->dtype == ARRAY_F4 ? 4 : 2);
}

/* Writes random rows to the slots, in a transaction of their own, to the column and the reference. */
static void push(struct world *world, struct pair *pair, const uint32_t *slots, size_t count, uint64_t *seed)
{
    uint8_t *rows = malloc(count * row_bytes(pair) + 1);
    uint16_t *classes = malloc((count * pair->width + 1) * sizeof *classes);
    assert_non_null(rows);
    assert_non_null(classes);
    for (size_t i = 0; i < count * row_bytes(pair); i++)
        rows[i] = (uint8_t)random_next(seed);
    for (size_t i = 0; i < count * pair->width; i++)
        classes[i] = (uint16_t)random_next(seed);
    const bool topk = pair->id.kind == COLUMN_TOPK;
    const struct column_rows written = {count, slots, rows, topk ? (const uint8_t *)classes : NULL};
    struct txn txn;
    assert_true(txn_begin_write(&txn, &world->store.vectors));
    column_write(&txn, &pair->id, pair->dtype, pair->width, &written);
    assert_true(txn_commit(&txn));

    struct reference *reference = pair->reference;
    bool over = false;
    uint64_t high = reference->high;
    for (size_t i = 0; i < count; i++) {
        over = over || slots[i] < reference->high;
        high = slots[i] >= high ? slots[i] + 1 : high;
        reference->present[slots[i]] = true;
        memcpy(reference->rows[slots[i]], rows + i * row_bytes(pair), row_bytes(pair));
        if (topk)
            memcpy(reference->classes[slots[i]], classes + i * pair->width, pair->width * sizeof *classes);
    }
    reference->high = high;
    reference->rewrites += over;
    free(rows);
    free(classes);
}

/* The view of `count` rows cut at `limit` shows just the reference. */
static void check_view(struct txn *txn, const struct pair *pair, size_t count, size_t limit)
{
    struct column_view view;
    assert_true(column_view_init(&view, txn, &pair->id, count, limit));
    assert_int_equal(view.count, count);
    assert_int_equal(view.row_bytes, row_bytes(pair));
    assert_int_equal(view.class_row_bytes, pair->id.kind == COLUMN_TOPK ? pair->width * 2 : 0);
    assert_int_equal(view.class_blocks != NULL, pair->id.kind == COLUMN_TOPK);
    for (size_t slot = 0; slot < count; slot++) {
        const size_t block = slot / COLUMN_BLOCK_ROWS;
        const size_t row = slot % COLUMN_BLOCK_ROWS;
        const bool expected = slot < limit && slot < SLOTS && pair->reference->present[slot];
        const bool shown = view.present[block] && (view.present[block][row / 8] >> (row % 8) & 1);
        assert_int_equal(shown, expected);
        if (!shown)
            continue;
        assert_int_equal((uintptr_t)view.blocks[block] % 16, 0); /* to be read in place */
        assert_memory_equal(
            (const uint8_t *)view.blocks[block] + row * view.row_bytes, pair->reference->rows[slot], view.row_bytes);
        if (view.class_blocks)
            assert_memory_equal((const uint8_t *)view.class_blocks[block] + row * view.class_row_bytes,
                pair->reference->classes[slot], view.class_row_bytes);
    }
    column_view_deinit(&view);
    assert_null(view.blocks);
}

/* Row by row, without a view. */
static void check_rows(struct txn *txn, const struct pair *pair)
{
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        struct column column;
        const uint8_t *row;
        const uint8_t *classes;
        const bool there = column_row(txn, &pair->id, slot, &column, &row, &classes);
        assert_int_equal(there, pair->reference->present[slot]);
        if (!there)
            continue;
        assert_memory_equal(row, pair->reference->rows[slot], row_bytes(pair));
        if (pair->id.kind == COLUMN_TOPK)
            assert_memory_equal(classes, pair->reference->classes[slot], pair->width * 2);
    }
    assert_int_equal(txn->status, DATABASE_OK);
}

/* Everything that can be asked of the column agrees with the reference. */
static void check(struct world *world, const struct pair *pair)
{
    static const size_t limits[] = {0, 1, 255, 256, 257, 300, 511, 512, 700, 768, SLOTS - 1, SLOTS, SLOTS + 500};
    static const size_t counts[] = {0, 1, 256, 257, 600, SLOTS, SLOTS + 300};
    struct column column;
    struct txn txn;
    uint64_t recounted;
    uint64_t rows = 0;
    for (size_t slot = 0; slot < SLOTS; slot++)
        rows += pair->reference->present[slot];
    assert_true(txn_begin_read(&txn, &world->store.vectors));
    assert_true(column_get(&txn, &pair->id, &column));
    assert_int_equal(column.rows, rows);
    assert_int_equal(column.high, pair->reference->high);
    assert_int_equal(column.rewrites, pair->reference->rewrites);
    assert_int_equal(column.dtype, pair->dtype);
    assert_int_equal(column.width, pair->width);
    assert_true(column_recount(&txn, &pair->id, &column, &recounted));
    assert_int_equal(recounted, rows);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        for (size_t j = 0; j < sizeof limits / sizeof *limits; j++)
            check_view(&txn, pair, counts[i], limits[j]);
    check_rows(&txn, pair);
    txn_abort(&txn);
}

static void one_row(struct world *world, struct pair *pair, uint32_t slot, uint64_t *seed)
{
    push(world, pair, &slot, 1, seed);
}

static void edges_of_blocks(void **state)
{
    static const uint32_t slots[] = {511, 256, 0, 255, 257, 767, 512, 768, SLOTS - 1};
    struct world *world = *state;
    uint64_t seed = random_seed("edges");
    struct pair pair = pair_new(column_of_space(1, "clip", 4), ARRAY_F4, 3);
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        one_row(world, &pair, slots[i], &seed);
        check(world, &pair);
    }
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) /* again, with other values */
        one_row(world, &pair, slots[i], &seed);
    check(world, &pair);
    free(pair.reference);
}

/* Block 1 stays absent between two that are there. */
static void an_absent_block(void **state)
{
    struct world *world = *state;
    uint64_t seed = 1;
    struct pair pair = pair_new(column_of_model(1, COLUMN_PROBABILITIES, 1), ARRAY_F4, 2);
    one_row(world, &pair, 3, &seed);
    one_row(world, &pair, 600, &seed);
    check(world, &pair);
    struct txn txn;
    struct column_view view;
    assert_true(txn_begin_read(&txn, &world->store.vectors));
    assert_true(column_view_init(&view, &txn, &pair.id, SLOTS, SLOTS));
    assert_non_null(view.blocks[0]);
    assert_null(view.blocks[1]);
    assert_null(view.present[1]);
    assert_non_null(view.blocks[2]);
    assert_null(view.blocks[3]);
    column_view_deinit(&view);
    txn_abort(&txn);
    free(pair.reference);
}

static void rows_of_a_block_that_are_absent_are_zero(void **state)
{
    struct world *world = *state;
    uint64_t seed = 1;
    struct pair pair = pair_new(column_of_model(1, COLUMN_TOPK, 1), ARRAY_F2, 4);
    static const uint8_t zeros[16];
    struct txn txn;
    struct column_view view;
    one_row(world, &pair, 100, &seed);
    assert_true(txn_begin_read(&txn, &world->store.vectors));
    assert_true(column_view_init(&view, &txn, &pair.id, SLOTS, SLOTS));
    for (size_t row = 0; row < COLUMN_BLOCK_ROWS; row++)
        if (row != 100) {
            assert_memory_equal((const uint8_t *)view.blocks[0] + row * view.row_bytes, zeros, view.row_bytes);
            assert_memory_equal(
                (const uint8_t *)view.class_blocks[0] + row * view.class_row_bytes, zeros, view.class_row_bytes);
        }
    column_view_deinit(&view);
    txn_abort(&txn);
    free(pair.reference);
}

/* Pushes of every size and order: whole blocks, partial ones, rising, falling, shuffled, over what was there. */
static void random_pushes(struct world *world, struct column_id id, enum array_dtype dtype, size_t width, uint64_t seed)
{
    struct pair pair = pair_new(id, dtype, width);
    for (int round = 0; round < 25; round++) {
        uint32_t slots[SLOTS];
        const uint32_t first = (uint32_t)(random_next(&seed) % SLOTS);
        const uint32_t room = SLOTS - first;
        const uint32_t count = 1 + (uint32_t)(random_next(&seed) % room);
        const uint64_t order = random_next(&seed) % 4;
        for (uint32_t i = 0; i < count; i++)
            slots[i] = order == 1 ? first + count - 1 - i : first + i;
        for (uint32_t left = count; order == 2 && left > 1; left--) {
            const uint32_t other = (uint32_t)(random_next(&seed) % left);
            const uint32_t slot = slots[left - 1];
            slots[left - 1] = slots[other];
            slots[other] = slot;
        }
        uint32_t kept = count;
        if (order == 3) { /* with gaps */
            kept = 0;
            for (uint32_t i = 0; i < count; i++)
                if (random_next(&seed) % 3 == 0)
                    slots[kept++] = slots[i];
            if (kept == 0)
                continue;
        }
        push(world, &pair, slots, kept, &seed);
        if (round % 5 == 4)
            check(world, &pair);
    }
    check(world, &pair);
    free(pair.reference);
}

static void random_pushes_agree_with_a_plain_array(void **state)
{
    struct world *world = *state;
    const uint64_t seed = random_seed("columns");
    random_pushes(world, column_of_model(1, COLUMN_PROBABILITIES, 3), ARRAY_F4, 4, seed);
    random_pushes(world, column_of_model(1, COLUMN_PROBABILITIES, 4), ARRAY_F2, 5, seed + 1);
    random_pushes(world, column_of_model(1, COLUMN_TOPK, 3), ARRAY_F4, 3, seed + 2);
    random_pushes(world, column_of_model(1, COLUMN_TOPK, 4), ARRAY_F2, 2, seed + 3);
    random_pushes(world, column_of_model(1, COLUMN_UTILITY, 3), ARRAY_F4, 1, seed + 4);
    random_pushes(world, column_of_space(1, "a", 1), ARRAY_F2, 5, seed + 5);
}

/* Names that are prefixes of each other, other projects, other kinds: each column is its own. */
static void columns_do_not_mix(void **state)
{
    struct world *world = *state;
    uint64_t seed = 5;
    struct pair pairs[] = {
        pair_new(column_of_space(1, "a", 1), ARRAY_F4, 2),
        pair_new(column_of_space(1, "ab", 2), ARRAY_F4, 3),
        pair_new(column_of_space(1, "a\0\0\0\0", 5), ARRAY_F4, 1),
        pair_new(column_of_space(2, "a", 1), ARRAY_F2, 2),
        pair_new(column_of_model(1, COLUMN_PROBABILITIES, 1), ARRAY_F4, 2),
        pair_new(column_of_model(1, COLUMN_DRAWS, 1), ARRAY_F4, 4),
        pair_new(column_of_model(1, COLUMN_UTILITY, 1), ARRAY_F4, 1),
        pair_new(column_of_model(1, COLUMN_PROBABILITIES, 256), ARRAY_F4, 2),
    };
    enum { PAIRS = sizeof pairs / sizeof *pairs };
    for (uint32_t slot = 0; slot < 600; slot += 100)
        for (size_t i = 0; i < PAIRS; i++)
            one_row(world, &pairs[i], slot + (uint32_t)i, &seed);
    for (size_t gone = 0; gone < PAIRS; gone++) {
        for (size_t i = gone; i < PAIRS; i++)
            check(world, &pairs[i]);
        struct txn txn;
        struct column column;
        struct column_view view;
        assert_true(txn_begin_write(&txn, &world->store.vectors));
        column_delete(&txn, &pairs[gone].id);
        assert_false(column_get(&txn, &pairs[gone].id, &column));
        assert_false(column_view_init(&view, &txn, &pairs[gone].id, 10, 10));
        assert_int_equal(txn.status, DATABASE_OK);
        assert_true(txn_commit(&txn));
        free(pairs[gone].reference);
    }
    struct txn txn;
    struct cursor cursor;
    const struct key all = {0};
    assert_true(txn_begin_read(&txn, &world->store.vectors));
    cursor_open(&cursor, &txn, VECTORS_BLOCKS, &all, NULL);
    assert_false(cursor_next(&cursor));
    cursor_close(&cursor);
    txn_abort(&txn);
}

static bool join_name(void *context, const struct column_id *id, const struct column *column)
{
    char *names = context;
    (void)column;
    strncat(names, id->name, id->name_size);
    return strlen(names) < 3;
}

static void the_first_space_pushed_is_the_default(void **state)
{
    struct world *world = *state;
    uint64_t seed = 5;
    struct column_id id;
    struct txn txn;
    char names[16] = "";
    assert_true(txn_begin_read(&txn, &world->store.vectors));
    assert_false(column_first_space(&txn, 1, &id));
    txn_abort(&txn);
    static const char order[] = "zamb";
    for (int i = 0; i < 4; i++) {
        struct pair pair = pair_new(column_of_space(1, order + i, 1), ARRAY_F4, 1);
        one_row(world, &pair, 0, &seed);
        struct column column;
        assert_true(txn_begin_read(&txn, &world->store.vectors));
        assert_true(column_get(&txn, &pair.id, &column));
        assert_int_equal(column.order, i + 1);
        assert_true(column_first_space(&txn, 1, &id));
        assert_int_equal(id.name_size, 1);
        assert_int_equal(id.name[0], 'z');
        assert_false(column_first_space(&txn, 2, &id));
        txn_abort(&txn);
        free(pair.reference);
    }
    assert_true(txn_begin_read(&txn, &world->store.vectors));
    column_each(&txn, 1, COLUMN_EMBEDDINGS, join_name, names);
    txn_abort(&txn);
    assert_string_equal(names, "abm"); /* by name, until told to stop */
}

static void a_malformed_block_is_seen(void **state)
{
    struct world *world = *state;
    uint64_t seed = 5;
    struct pair pair = pair_new(column_of_space(1, "a", 1), ARRAY_F4, 2);
    one_row(world, &pair, 0, &seed);
    struct txn txn;
    assert_true(txn_begin_write(&txn, &world->store.vectors));
    struct key key = key_project(1);
    key_add_u8(&key, COLUMN_EMBEDDINGS);
    key_add_u8(&key, 1);
    key_add_text(&key, "a", 1);
    key_add_u32(&key, 0);
    txn_put(&txn, VECTORS_BLOCKS, &key, "short", 5);
    struct column column;
    struct column_view view;
    uint64_t rows;
    assert_true(column_get(&txn, &pair.id, &column));
    assert_false(column_recount(&txn, &pair.id, &column, &rows));
    assert_int_equal(txn.status, DATABASE_OK); /* VERIFY goes on after it */
    assert_false(column_view_init(&view, &txn, &pair.id, 10, 10));
    assert_int_equal(txn.status, DATABASE_CORRUPT);
    txn_abort(&txn);
    check(world, &pair);
    free(pair.reference);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(edges_of_blocks),
        TEST(an_absent_block),
        TEST(rows_of_a_block_that_are_absent_are_zero),
        TEST(random_pushes_agree_with_a_plain_array),
        TEST(columns_do_not_mix),
        TEST(the_first_space_pushed_is_the_default),
        TEST(a_malformed_block_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
