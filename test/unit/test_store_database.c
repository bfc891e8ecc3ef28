/* The wrapper of LMDB: sticky status, walks over prefixes, and a map that is full. */
#include "test/unit/store_world.h"

enum { TABLE_A, TABLE_B, TABLES, MAP_BYTES = 1 << 20 };

static const char *const names[TABLES] = {"a", "b"};

struct fixture {
    char folder[64];
    struct database database;
    struct txn txn;
};

static int open_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    int error;
    assert_non_null(fixture);
    temporary_folder(fixture->folder, sizeof fixture->folder);
    assert_int_equal(database_open(&fixture->database, fixture->folder, names, TABLES, MAP_BYTES, false, &error), DATABASE_OK);
    assert_true(txn_begin_write(&fixture->txn, &fixture->database));
    *state = fixture;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;
    txn_abort(&fixture->txn);
    database_close(&fixture->database);
    remove_folder(fixture->folder);
    free(fixture);
    return 0;
}

static struct key key_of(const char *bytes, size_t size)
{
    struct key key = {0};
    key_add_text(&key, bytes, size);
    return key;
}

#define KEY(literal) key_of(literal, sizeof(literal) - 1)

static void put(struct txn *txn, struct key key)
{
    txn_put(txn, TABLE_A, &key, key.bytes, key.size);
}

/* How many keys a walk meets; they must rise, have the prefix, and hold what `put` stored. */
static size_t walk(struct txn *txn, struct key prefix, const struct key *start)
{
    struct cursor cursor;
    struct key last = {0};
    size_t count = 0;
    cursor_open(&cursor, txn, TABLE_A, &prefix, start);
    for (; cursor_next(&cursor); count++) {
        assert_true(cursor.key.size >= prefix.size);
        assert_memory_equal(cursor.key.data, prefix.bytes, prefix.size);
        assert_int_equal(cursor.data.size, cursor.key.size);
        assert_memory_equal(cursor.data.data, cursor.key.data, cursor.key.size);
        const struct key here = key_of(cursor.key.data, cursor.key.size);
        const int order = memcmp(last.bytes, here.bytes, last.size < here.size ? last.size : here.size);
        assert_true(order < 0 || (order == 0 && last.size < here.size));
        last = here;
    }
    cursor_close(&cursor);
    return count;
}

static void next_transaction(struct fixture *fixture)
{
    assert_true(txn_commit(&fixture->txn));
    assert_null(fixture->txn.handle);
    assert_true(txn_begin_write(&fixture->txn, &fixture->database));
}

/* --- values ------------------------------------------------------------------------------------------------------------- */

static void gives_back_what_was_put(void **state)
{
    struct fixture *fixture = *state;
    const struct key key = KEY("k");
    struct value value;
    assert_false(txn_get(&fixture->txn, TABLE_A, &key, &value));
    txn_put(&fixture->txn, TABLE_A, &key, "one", 3);
    memcpy(txn_put_reserve(&fixture->txn, TABLE_B, &key, 4), "four", 4);
    assert_int_equal(fixture->txn.writes, 2);
    next_transaction(fixture);
    assert_true(txn_get(&fixture->txn, TABLE_A, &key, &value));
    assert_int_equal(value.size, 3);
    assert_memory_equal(value.data, "one", 3);
    assert_true(txn_get(&fixture->txn, TABLE_B, &key, &value));
    assert_int_equal(value.size, 4);
    assert_memory_equal(value.data, "four", 4);
    assert_int_equal(fixture->txn.writes, 0);
}

static void forgets_what_was_aborted(void **state)
{
    struct fixture *fixture = *state;
    const struct key key = KEY("k");
    struct value value;
    put(&fixture->txn, key);
    txn_abort(&fixture->txn);
    assert_null(fixture->txn.handle);
    txn_abort(&fixture->txn); /* a second time does nothing */
    assert_true(txn_begin_write(&fixture->txn, &fixture->database));
    assert_false(txn_get(&fixture->txn, TABLE_A, &key, &value));
}

static void readers_keep_their_snapshot(void **state)
{
    struct fixture *fixture = *state;
    const struct key key = KEY("k");
    struct txn before;
    struct txn after;
    struct value value;
    assert_true(txn_begin_read(&before, &fixture->database));
    put(&fixture->txn, key);
    next_transaction(fixture);
    assert_true(txn_begin_read(&after, &fixture->database));
    assert_false(txn_get(&before, TABLE_A, &key, &value));
    assert_true(txn_get(&after, TABLE_A, &key, &value));
    txn_abort(&before);
    txn_abort(&after);
}

/* --- failures ----------------------------------------------------------------------------------------------------------- */

/* After a failure everything is a no-op, and the commit drops what was written before it. */
static void check_failed(struct fixture *fixture, enum database_status status)
{
    struct txn *txn = &fixture->txn;
    const struct key key = KEY("kept");
    const struct key prefix = {0};
    struct value value;
    struct value name;
    struct cursor cursor;
    const uint64_t writes = txn->writes;
    txn_put(txn, TABLE_A, &key, "x", 1);
    assert_null(txn_put_reserve(txn, TABLE_A, &key, 1));
    assert_false(txn_get(txn, TABLE_A, &key, &value));
    assert_false(txn_delete(txn, TABLE_A, &key));
    txn_delete_prefix(txn, TABLE_A, &prefix);
    assert_false(txn_last(txn, TABLE_A, &prefix, &name, &value));
    cursor_open(&cursor, txn, TABLE_A, &prefix, NULL);
    assert_false(cursor_next(&cursor));
    cursor_close(&cursor);
    assert_int_equal(txn->writes, writes);
    assert_int_equal(txn->status, status);
    assert_false(txn_commit(txn));
    assert_null(txn->handle);
    assert_int_equal(txn->status, status);

    assert_true(txn_begin_write(txn, &fixture->database));
    assert_int_equal(walk(txn, prefix, NULL), 1);
    assert_true(txn_get(txn, TABLE_A, &key, &value));
}

static void corruption_is_sticky(void **state)
{
    struct fixture *fixture = *state;
    put(&fixture->txn, KEY("kept"));
    next_transaction(fixture);
    put(&fixture->txn, KEY("dropped"));
    assert_false(txn_corrupt(&fixture->txn));
    check_failed(fixture, DATABASE_CORRUPT);
}

static void a_record_of_another_size_is_corruption(void **state)
{
    struct fixture *fixture = *state;
    const struct key key = KEY("kept");
    uint32_t record = 7;
    put(&fixture->txn, key); /* four bytes */
    next_transaction(fixture);
    assert_true(txn_get_record(&fixture->txn, TABLE_A, &key, &record, sizeof record));
    assert_memory_equal(&record, "kept", sizeof record);
    uint64_t larger;
    put(&fixture->txn, KEY("dropped"));
    assert_false(txn_get_record(&fixture->txn, TABLE_A, &key, &larger, sizeof larger));
    check_failed(fixture, DATABASE_CORRUPT);
}

static void a_full_map_refuses_and_stays_usable(void **state)
{
    struct fixture *fixture = *state;
    struct value value;
    const struct key big = KEY("big");
    const struct key small = KEY("small");
    put(&fixture->txn, KEY("kept"));
    next_transaction(fixture);
    assert_null(txn_put_reserve(&fixture->txn, TABLE_A, &big, 2 * MAP_BYTES));
    assert_int_equal(fixture->txn.lmdb_error, MDB_MAP_FULL);
    check_failed(fixture, DATABASE_MAP_FULL);
    for (int i = 0; i < 100; i++) { /* the pages of what was dropped are free again */
        txn_put(&fixture->txn, TABLE_A, &small, "value", 5);
        next_transaction(fixture);
        assert_null(txn_put_reserve(&fixture->txn, TABLE_A, &big, 2 * MAP_BYTES));
        assert_false(txn_commit(&fixture->txn));
        assert_true(txn_begin_write(&fixture->txn, &fixture->database));
    }
    assert_true(txn_get(&fixture->txn, TABLE_A, &small, &value));
    assert_false(txn_get(&fixture->txn, TABLE_A, &big, &value));
}

static void a_map_filled_bit_by_bit_keeps_all_that_was_committed(void **state)
{
    struct fixture *fixture = *state;
    uint32_t count = 0;
    for (;; count++) {
        struct key key = {0};
        key_add_u32(&key, count);
        uint8_t *bytes = txn_put_reserve(&fixture->txn, TABLE_A, &key, 10000);
        if (bytes)
            memset(bytes, (int)count, 10000);
        if (!txn_commit(&fixture->txn))
            break;
        assert_true(txn_begin_write(&fixture->txn, &fixture->database));
    }
    assert_int_equal(fixture->txn.status, DATABASE_MAP_FULL);
    assert_true(count > 10);
    struct txn reading;
    assert_true(txn_begin_read(&reading, &fixture->database));
    for (uint32_t i = 0; i <= count; i++) {
        struct key key = {0};
        struct value value;
        key_add_u32(&key, i);
        assert_int_equal(txn_get(&reading, TABLE_A, &key, &value), i < count);
        for (size_t at = 0; i < count && at < value.size; at++)
            assert_int_equal(((const uint8_t *)value.data)[at], (uint8_t)i);
    }
    txn_abort(&reading);
    assert_true(txn_begin_write(&fixture->txn, &fixture->database));
}

/* --- walks -------------------------------------------------------------------------------------------------------------- */

static void put_some(struct txn *txn)
{
    put(txn, KEY("a"));
    put(txn, KEY("a\xff"));
    put(txn, KEY("a\xff\xff"));
    put(txn, KEY("a\xff\xff"
                 "b"));
    put(txn, KEY("b"));
    put(txn, KEY("b\0c"));
    put(txn, KEY("\xff"));
    put(txn, KEY("\xff\xff"));
}

static void walks_over_a_prefix(void **state)
{
    struct fixture *fixture = *state;
    struct txn *txn = &fixture->txn;
    assert_int_equal(walk(txn, (struct key){0}, NULL), 0);
    put_some(txn);
    assert_int_equal(walk(txn, (struct key){0}, NULL), 8);
    assert_int_equal(walk(txn, KEY("a"), NULL), 4);
    assert_int_equal(walk(txn, KEY("a\xff"), NULL), 3);
    assert_int_equal(walk(txn, KEY("a\xff\xff"), NULL), 2);
    assert_int_equal(walk(txn, KEY("b"), NULL), 2);
    assert_int_equal(walk(txn, KEY("\xff"), NULL), 2);
    assert_int_equal(walk(txn, KEY("\xff\xff\xff"), NULL), 0);
    assert_int_equal(walk(txn, KEY("c"), NULL), 0);
    const struct key from_second = KEY("a\xff");
    const struct key between = KEY("a\xfe");
    const struct key beyond = KEY("b");
    assert_int_equal(walk(txn, KEY("a"), &from_second), 3);
    assert_int_equal(walk(txn, KEY("a"), &between), 3);
    assert_int_equal(walk(txn, KEY("a"), &beyond), 0);
}

static void assert_last(struct txn *txn, struct key prefix, struct key expected)
{
    struct value key;
    struct value data;
    assert_true(txn_last(txn, TABLE_A, &prefix, &key, &data));
    assert_int_equal(key.size, expected.size);
    assert_memory_equal(key.data, expected.bytes, expected.size);
    assert_int_equal(data.size, expected.size);
}

static void finds_the_last_of_a_prefix(void **state)
{
    struct fixture *fixture = *state;
    struct txn *txn = &fixture->txn;
    struct value key;
    struct value data;
    const struct key none[] = {{0}, KEY("a"), KEY("\xff")};
    for (size_t i = 0; i < 3; i++)
        assert_false(txn_last(txn, TABLE_A, &none[i], &key, &data));
    put_some(txn);
    assert_last(txn, (struct key){0}, KEY("\xff\xff"));
    assert_last(txn, KEY("a"),
        KEY("a\xff\xff"
            "b"));
    assert_last(txn, KEY("a\xff"),
        KEY("a\xff\xff"
            "b"));
    assert_last(txn, KEY("b"), KEY("b\0c"));
    assert_last(txn, KEY("\xff"), KEY("\xff\xff"));
    const struct key absent[] = {KEY("A"), KEY("aa"), KEY("c"), KEY("b\xff"), KEY("\xff\xff\xff")};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        assert_false(txn_last(txn, TABLE_A, &absent[i], &key, &data));
    assert_int_equal(txn->status, DATABASE_OK);
}

static void deletes_just_a_prefix(void **state)
{
    struct fixture *fixture = *state;
    struct txn *txn = &fixture->txn;
    put_some(txn);
    const struct key prefix = KEY("a\xff");
    const uint64_t writes = txn->writes;
    txn_delete_prefix(txn, TABLE_A, &prefix);
    assert_int_equal(txn->writes - writes, 3);
    assert_int_equal(walk(txn, (struct key){0}, NULL), 5);
    assert_int_equal(walk(txn, KEY("a"), NULL), 1);
    const struct key all = {0};
    txn_delete_prefix(txn, TABLE_A, &all);
    assert_int_equal(walk(txn, all, NULL), 0);
}

/* Deleting moves the entries of a page, and pages are merged: none must be left out, none beyond be touched. */
static void deletes_a_prefix_over_many_pages(void **state)
{
    enum { MANY = 5000 };
    struct fixture *fixture = *state;
    struct txn *txn = &fixture->txn;
    for (uint32_t project = 1; project <= 3; project++)
        for (uint32_t i = 0; i < MANY; i++) {
            struct key key = key_project(project);
            key_add_u32(&key, i);
            put(txn, key);
        }
    const struct key second = key_project(2);
    txn_delete_prefix(txn, TABLE_A, &second);
    next_transaction(fixture);
    assert_int_equal(walk(txn, key_project(1), NULL), MANY);
    assert_int_equal(walk(txn, second, NULL), 0);
    assert_int_equal(walk(txn, key_project(3), NULL), MANY);
}

static void copies_a_snapshot(void **state)
{
    struct fixture *fixture = *state;
    char folder[64];
    struct database copy;
    struct txn reading;
    int error;
    put_some(&fixture->txn);
    next_transaction(fixture);
    put(&fixture->txn, KEY("later"));
    assert_true(txn_begin_read(&reading, &fixture->database));
    assert_true(txn_is_newest(&reading));
    next_transaction(fixture);
    assert_false(txn_is_newest(&reading));
    temporary_folder(folder, sizeof folder);
    assert_int_equal(database_copy(&reading, folder, names), DATABASE_OK);
    txn_abort(&reading);
    assert_int_equal(database_open(&copy, folder, names, TABLES, MAP_BYTES, true, &error), DATABASE_OK);
    assert_true(txn_begin_read(&reading, &copy));
    assert_int_equal(walk(&reading, (struct key){0}, NULL), 8);
    txn_abort(&reading);
    database_close(&copy);
    remove_folder(folder);
}

static void a_missing_folder_is_a_failure(void **state)
{
    struct database database;
    int error = 0;
    (void)state;
    assert_int_not_equal(database_open(&database, "/nowhere/at/all", names, TABLES, MAP_BYTES, false, &error), DATABASE_OK);
    assert_int_not_equal(error, 0);
    assert_null(database.handle);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        TEST(gives_back_what_was_put),
        TEST(forgets_what_was_aborted),
        TEST(readers_keep_their_snapshot),
        TEST(corruption_is_sticky),
        TEST(a_record_of_another_size_is_corruption),
        TEST(a_full_map_refuses_and_stays_usable),
        TEST(a_map_filled_bit_by_bit_keeps_all_that_was_committed),
        TEST(walks_over_a_prefix),
        TEST(finds_the_last_of_a_prefix),
        TEST(deletes_just_a_prefix),
        TEST(deletes_a_prefix_over_many_pages),
        TEST(copies_a_snapshot),
        cmocka_unit_test(a_missing_folder_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
