/* The writer: what it writes, msgpack-c reads back; what cannot be written is refused as a whole. */
#include "test/unit/tests.h"

#include "protocol/writer.h"

#include <msgpack.h>
#include <string.h>

/* Unpacks the finished message; the caller destroys the zone. */
static msgpack_object unpack(struct writer *writer, msgpack_zone *zone)
{
    const struct text message = writer_finish(writer);
    assert_non_null(message.data);
    msgpack_object object;
    size_t offset = 0;
    assert_true(msgpack_zone_init(zone, 4096));
    assert_int_equal(msgpack_unpack(message.data, message.size, &offset, zone, &object), MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(offset, message.size);
    return object;
}

/* Prints the object as msgpack-c does, to compare a whole tree at once. */
static void assert_prints(struct writer *writer, const char *expected)
{
    msgpack_zone zone;
    char text[1024];
    const msgpack_object object = unpack(writer, &zone);
    assert_true(msgpack_object_print_buffer(text, sizeof text, object) > 0);
    assert_string_equal(text, expected);
    msgpack_zone_destroy(&zone);
}

static void writes_each_kind(void **state)
{
    (void)state;
    struct writer writer;
    writer_init(&writer);
    writer_map_begin(&writer, NULL);
    writer_integer(&writer, "i", INT64_MIN);
    writer_integer_at(&writer, (struct text){"other", 3}, INT64_MAX);
    writer_number(&writer, "n", 0.5);
    writer_bool(&writer, "t", true);
    writer_bool(&writer, "f", false);
    writer_nil(&writer, "z");
    writer_string(&writer, "s", "text");
    writer_text(&writer, "e", (struct text){NULL, 0});
    writer_bytes(&writer, "b", "abc", 3);
    writer_raw(&writer, "r", "\x93\x01\x02\x03", 4);
    writer_map_end(&writer);
    assert_prints(&writer,
        "{\"i\"=>-9223372036854775808, \"oth\"=>9223372036854775807, \"n\"=>0.500000, \"t\"=>true, \"f\"=>false, "
        "\"z\"=>nil, \"s\"=>\"text\", \"e\"=>\"\", \"b\"=>\"abc\", \"r\"=>[1, 2, 3]}");
    writer_deinit(&writer);
}

static void counts_nested_containers(void **state)
{
    (void)state;
    struct writer writer;
    writer_init(&writer);
    writer_map_begin(&writer, NULL);
    writer_list_begin(&writer, "rows");
    for (int i = 0; i < 3; i++) {
        writer_map_begin(&writer, NULL);
        writer_integer(&writer, "i", i);
        writer_list_begin(&writer, "more");
        for (int j = 0; j < i; j++)
            writer_integer(&writer, NULL, j);
        writer_list_end(&writer);
        writer_map_end(&writer);
    }
    writer_list_end(&writer);
    writer_map_begin(&writer, "empty");
    writer_map_end(&writer);
    writer_map_end(&writer);
    assert_prints(&writer,
        "{\"rows\"=>[{\"i\"=>0, \"more\"=>[]}, {\"i\"=>1, \"more\"=>[0]}, {\"i\"=>2, \"more\"=>[0, 1]}], \"empty\"=>{}}");
    writer_deinit(&writer);
}

static void counts_beyond_sixteen_bits(void **state)
{
    (void)state;
    struct writer writer;
    msgpack_zone zone;
    writer_init(&writer);
    writer_list_begin(&writer, NULL);
    for (int i = 0; i < 70000; i++)
        writer_integer(&writer, NULL, i);
    writer_list_end(&writer);
    const msgpack_object object = unpack(&writer, &zone);
    assert_int_equal(object.via.array.size, 70000);
    assert_int_equal(object.via.array.ptr[69999].via.u64, 69999);
    msgpack_zone_destroy(&zone);
    writer_deinit(&writer);
}

static void copies_objects(void **state)
{
    (void)state;
    struct writer first, second;
    msgpack_zone zone;
    writer_init(&first);
    writer_init(&second);
    writer_map_begin(&first, NULL);
    writer_list_begin(&first, "list");
    writer_string(&first, NULL, "x");
    writer_nil(&first, NULL);
    writer_list_end(&first);
    writer_map_end(&first);
    const msgpack_object object = unpack(&first, &zone);
    writer_map_begin(&second, NULL);
    writer_object(&second, "copy", &object);
    writer_map_end(&second);
    assert_prints(&second, "{\"copy\"=>{\"list\"=>[\"x\", nil]}}");
    msgpack_zone_destroy(&zone);
    writer_deinit(&first);
    writer_deinit(&second);
}

static void writes_arrays_that_the_reader_reads(void **state)
{
    (void)state;
    static const uint32_t slots[] = {3, 1, 4294967295u};
    static const float rows[] = {1, 2, 3, 4, 5, 6};
    struct writer writer;
    msgpack_zone zone;
    writer_init(&writer);
    writer_map_begin(&writer, NULL);
    writer_array(&writer, "slots", ARRAY_U4, slots, 3, 0);
    writer_array(&writer, "rows", ARRAY_F4, rows, 2, 3);
    writer_array(&writer, "none", ARRAY_I8, NULL, 0, 0);
    writer_map_end(&writer);
    const msgpack_object object = unpack(&writer, &zone);

    struct protocol_error error = {0};
    struct reader reader = {&object.via.map, NULL, 0, &error};
    const struct array one = reader_array(&reader, "slots", ARRAY_INTEGERS, 1);
    const struct array two = reader_array(&reader, "rows", ARRAY_FLOATS, 2);
    const struct array none = reader_array(&reader, "none", ARRAY_INTEGERS, 1);
    assert_int_equal(error.code, PROTOCOL_OK);
    assert_int_equal(one.rows, 3);
    assert_int_equal(array_integer(&one, 2), 4294967295u);
    assert_int_equal(two.rows, 2);
    assert_int_equal(two.width, 3);
    assert_memory_equal(two.data, rows, sizeof rows);
    assert_int_equal(none.rows, 0);
    msgpack_zone_destroy(&zone);
    writer_deinit(&writer);
}

static void assert_unfinished(struct writer *writer)
{
    const struct text message = writer_finish(writer);
    assert_null(message.data);
    assert_int_equal(message.size, 0);
}

static void refuses_what_is_not_whole(void **state)
{
    (void)state;
    struct writer writer;
    writer_init(&writer);
    writer_map_begin(&writer, NULL);
    assert_unfinished(&writer); /* still open */
    writer_list_end(&writer);   /* closes what was not opened */
    assert_unfinished(&writer);
    writer_map_end(&writer);
    assert_unfinished(&writer); /* a failure stays */

    writer_reset(&writer);
    writer_map_end(&writer);
    assert_unfinished(&writer);

    writer_reset(&writer);
    for (int i = 0; i <= WRITER_DEPTH_MAX; i++)
        writer_list_begin(&writer, NULL);
    for (int i = 0; i <= WRITER_DEPTH_MAX; i++)
        writer_list_end(&writer);
    assert_unfinished(&writer);

    writer_reset(&writer);
    for (int i = 0; i < WRITER_DEPTH_MAX; i++)
        writer_list_begin(&writer, NULL);
    for (int i = 0; i < WRITER_DEPTH_MAX; i++)
        writer_list_end(&writer);
    assert_prints(&writer, "[[[[[[[[]]]]]]]]");
    writer_deinit(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_each_kind),
        cmocka_unit_test(counts_nested_containers),
        cmocka_unit_test(counts_beyond_sixteen_bits),
        cmocka_unit_test(copies_objects),
        cmocka_unit_test(writes_arrays_that_the_reader_reads),
        cmocka_unit_test(refuses_what_is_not_whole),
    };
    return cmocka_run_group_tests_name("protocol/writer", tests, NULL, NULL);
}
