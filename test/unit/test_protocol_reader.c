/* The reader: each getter with the field missing, of the wrong type, out of range; and the error that sticks. */
#include "test/unit/tests.h"

#include "protocol/reader.h"
#include "protocol/writer.h"

#include <math.h>
#include <msgpack.h>
#include <string.h>

struct fixture {
    struct writer writer;
    msgpack_zone zone;
    msgpack_object object;
    struct protocol_error error;
    struct reader reader;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture || !msgpack_zone_init(&fixture->zone, 4096))
        return -1;
    writer_init(&fixture->writer);
    struct writer *writer = &fixture->writer;
    writer_map_begin(writer, NULL);
    writer_nil(writer, "nil");
    writer_integer(writer, "int", 5);
    writer_integer(writer, "negative", -5);
    writer_raw(writer, "huge", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9);
    writer_number(writer, "float", 0.5);
    writer_number(writer, "nan", (double)NAN);
    writer_bool(writer, "true", true);
    writer_string(writer, "text", "abc");
    writer_text(writer, "latin1", (struct text){"\xe4", 1});
    writer_bytes(writer, "bin", "\xff\x00", 2);
    writer_list_begin(writer, "list");
    writer_integer(writer, NULL, 1);
    writer_integer(writer, NULL, 2);
    writer_list_end(writer);
    writer_map_begin(writer, "map");
    writer_integer(writer, "x", 1);
    writer_map_end(writer);
    writer_map_end(writer);
    const struct text message = writer_finish(writer);
    size_t offset = 0;
    if (msgpack_unpack(message.data, message.size, &offset, &fixture->zone, &fixture->object) != MSGPACK_UNPACK_SUCCESS)
        return -1;
    fixture->reader = (struct reader){&fixture->object.via.map, NULL, 0, &fixture->error};
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    msgpack_zone_destroy(&fixture->zone);
    writer_deinit(&fixture->writer);
    free(fixture);
    return 0;
}

/* Asserts the error the last call left, and clears it for the next. */
static void assert_error(struct fixture *fixture, const char *field, const char *got)
{
    assert_int_equal(fixture->error.code, PROTOCOL_BAD_REQUEST);
    assert_string_equal(fixture->error.field, field);
    assert_non_null(strstr(fixture->error.got, got));
    assert_true(strlen(fixture->error.expected) > 0);
    memset(&fixture->error, 0, sizeof fixture->error);
}

static void assert_fine(struct fixture *fixture)
{
    assert_int_equal(fixture->error.code, PROTOCOL_OK);
}

static void finds_fields(void **state)
{
    struct fixture *fixture = *state;
    assert_true(reader_has(&fixture->reader, "int"));
    assert_false(reader_has(&fixture->reader, "nil")); /* nil counts as absent */
    assert_false(reader_has(&fixture->reader, "in"));
    assert_false(reader_has(&fixture->reader, "integer"));
    const struct reader empty = {NULL, NULL, 0, &fixture->error};
    assert_null(reader_find(&empty, "int"));
}

static void reads_integers(void **state)
{
    struct fixture *fixture = *state;
    struct reader *reader = &fixture->reader;
    assert_int_equal(reader_integer(reader, "int", 5, 5), 5);
    assert_int_equal(reader_integer(reader, "negative", -5, 0), -5);
    assert_fine(fixture);
    assert_int_equal(reader_integer(reader, "absent", 1, 9), 1);
    assert_error(fixture, "absent", "missing");
    reader_integer(reader, "nil", 1, 9);
    assert_error(fixture, "nil", "missing");
    assert_int_equal(reader_integer(reader, "int", 6, 9), 6);
    assert_error(fixture, "int", "5");
    reader_integer(reader, "int", 0, 4);
    assert_error(fixture, "int", "5");
    reader_integer(reader, "huge", INT64_MIN, INT64_MAX);
    assert_error(fixture, "huge", "a larger int");
    reader_integer(reader, "float", 0, 9);
    assert_error(fixture, "float", "float");
    reader_integer(reader, "text", 0, 9);
    assert_error(fixture, "text", "str");
    reader_integer(reader, "true", 0, 9);
    assert_error(fixture, "true", "bool");
    assert_int_equal(reader_integer_or(reader, "absent", 0, 9, 77), 77);
    assert_int_equal(reader_integer_or(reader, "nil", 0, 9, 77), 77);
    assert_int_equal(reader_integer_or(reader, "int", 0, 9, 77), 5);
    assert_fine(fixture);
    reader_integer_or(reader, "list", 0, 9, 77);
    assert_error(fixture, "list", "list");
}

static void reads_numbers(void **state)
{
    struct fixture *fixture = *state;
    struct reader *reader = &fixture->reader;
    assert_true(reader_number_or(reader, "float", 0, 1, 9) == 0.5);
    assert_true(reader_number_or(reader, "int", 0, 9, 9) == 5.0);
    assert_true(reader_number_or(reader, "absent", 0, 1, 9) == 9.0);
    assert_fine(fixture);
    reader_number_or(reader, "nan", 0, 1, 0);
    assert_error(fixture, "nan", "nan");
    reader_number_or(reader, "float", 0.75, 1, 0);
    assert_error(fixture, "float", "0.5");
    reader_number_or(reader, "text", 0, 1, 0);
    assert_error(fixture, "text", "str");
}

static void reads_bools(void **state)
{
    struct fixture *fixture = *state;
    struct reader *reader = &fixture->reader;
    assert_true(reader_bool(reader, "true"));
    assert_true(reader_bool_or(reader, "absent", true));
    assert_false(reader_bool_or(reader, "absent", false));
    assert_fine(fixture);
    assert_false(reader_bool(reader, "absent"));
    assert_error(fixture, "absent", "missing");
    reader_bool(reader, "int");
    assert_error(fixture, "int", "int");
    reader_bool_or(reader, "int", true);
    assert_error(fixture, "int", "int");
}

static void reads_text(void **state)
{
    struct fixture *fixture = *state;
    struct reader *reader = &fixture->reader;
    assert_true(text_equal(reader_text(reader, "text", 3, 3), "abc"));
    assert_true(text_equal(reader_text_or(reader, "absent", 1, 3, "other"), "other"));
    assert_fine(fixture);
    assert_true(text_equal(reader_text(reader, "absent", 0, 3), ""));
    assert_error(fixture, "absent", "missing");
    reader_text(reader, "text", 4, 9);
    assert_error(fixture, "text", "3 bytes");
    reader_text(reader, "text", 0, 2);
    assert_error(fixture, "text", "3 bytes");
    reader_text(reader, "latin1", 0, 9);
    assert_error(fixture, "latin1", "not UTF-8");
    reader_text(reader, "bin", 0, 9);
    assert_error(fixture, "bin", "bin");
    reader_text(reader, "int", 0, 9);
    assert_error(fixture, "int", "int");
}

static void reads_bytes(void **state)
{
    struct fixture *fixture = *state;
    struct reader *reader = &fixture->reader;
    assert_memory_equal(reader_bytes(reader, "bin", 2, 2).data, "\xff\x00", 2);
    assert_true(text_equal(reader_bytes(reader, "text", 0, 9), "abc"));
    assert_fine(fixture);
    reader_bytes(reader, "bin", 0, 1);
    assert_error(fixture, "bin", "2 bytes");
    reader_bytes(reader, "int", 0, 1);
    assert_error(fixture, "int", "int");
    reader_bytes(reader, "absent", 0, 1);
    assert_error(fixture, "absent", "missing");
}

static void reads_containers(void **state)
{
    struct fixture *fixture = *state;
    struct reader *reader = &fixture->reader;
    assert_int_equal(reader_list(reader, "list", 2)->size, 2);
    assert_int_equal(reader_map(reader, "map")->size, 1);
    assert_fine(fixture);
    assert_int_equal(reader_list(reader, "map", 2)->size, 0);
    assert_error(fixture, "map", "map");
    assert_int_equal(reader_map(reader, "list")->size, 0);
    assert_error(fixture, "list", "list");
    assert_int_equal(reader_list(reader, "absent", 2)->size, 0);
    assert_error(fixture, "absent", "missing");
    assert_int_equal(reader_list(reader, "list", 1)->size, 0);
    assert_int_equal(fixture->error.code, PROTOCOL_TOO_LARGE);
}

static void keeps_its_first_error(void **state)
{
    struct fixture *fixture = *state;
    struct reader *reader = &fixture->reader;
    reader_integer(reader, "text", 3, 9);
    assert_int_equal(reader_integer(reader, "int", 3, 9), 3);
    assert_false(reader_bool(reader, "true"));
    assert_int_equal(reader_text(reader, "text", 0, 9).size, 0);
    assert_int_equal(reader_bytes(reader, "bin", 0, 9).size, 0);
    assert_int_equal(reader_list(reader, "list", 9)->size, 0);
    assert_int_equal(reader_map(reader, "map")->size, 0);
    assert_true(reader_number_or(reader, "float", 0, 1, 9) == 9.0);
    assert_int_equal(reader_array(reader, "absent", ARRAY_FLOATS, 1).rows, 0);
    assert_int_equal(reader_samples(reader, true).kind, SAMPLES_NONE);
    reader_integer(reader, "absent", 0, 1);
    assert_error(fixture, "text", "str");
}

static void knows_utf8(void **state)
{
    (void)state;
    static const char *const good[] = {
        "", "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80"};
    static const char *const bad[] = {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xe0\x9f\xbf", "\xed\xa0\x80",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x82", "\xe2\x82x", "\xf0\x9f\x98"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(text_is_utf8((struct text){good[i], strlen(good[i])}));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(text_is_utf8((struct text){bad[i], strlen(bad[i])}));
}

static void knows_names(void **state)
{
    (void)state;
    assert_true(text_is_name((struct text){"a.B_9-", 6}, 6, ""));
    assert_false(text_is_name((struct text){"a.B_9-", 6}, 5, ""));
    assert_false(text_is_name((struct text){"", 0}, 5, ""));
    assert_false(text_is_name((struct text){"a@b", 3}, 5, ""));
    assert_true(text_is_name((struct text){"a@b", 3}, 5, "@"));
    assert_false(text_is_name((struct text){"a\0b", 3}, 5, "@")); /* a NUL is not the end of the allowed characters */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(finds_fields),
        TEST(reads_integers),
        TEST(reads_numbers),
        TEST(reads_bools),
        TEST(reads_text),
        TEST(reads_bytes),
        TEST(reads_containers),
        TEST(keeps_its_first_error),
        cmocka_unit_test(knows_utf8),
        cmocka_unit_test(knows_names),
    };
    return cmocka_run_group_tests_name("protocol/reader", tests, NULL, NULL);
}
