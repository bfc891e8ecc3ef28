/* Arrays and the naming of samples: dtype, shape and bytes must agree, whatever the numbers are. */
#include "test/unit/tests.h"

#include "protocol/reader.h"
#include "protocol/writer.h"

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

/* Ends the map that was begun and puts the reader on it; the frames are a first one and 12 bytes. */
static struct reader *read_back(struct fixture *fixture)
{
    static const float numbers[] = {1, 2, 3};
    static const struct frame frames[] = {{"", 0}, {numbers, sizeof numbers}};
    writer_map_end(&fixture->writer);
    const struct text message = writer_finish(&fixture->writer);
    size_t offset = 0;
    assert_non_null(message.data);
    assert_int_equal(
        msgpack_unpack(message.data, message.size, &offset, &fixture->zone, &fixture->object), MSGPACK_UNPACK_SUCCESS);
    memset(&fixture->error, 0, sizeof fixture->error);
    fixture->reader = (struct reader){&fixture->object.via.map, frames, 2, &fixture->error};
    return &fixture->reader;
}

struct description {
    const char *dtype;
    int64_t shape[3];
    int dimensions;
    int64_t frame;    /* -1: none */
    const char *data; /* NULL: none */
    size_t size;
};

static struct array read_described(struct fixture *fixture, const struct description *description, int dimensions)
{
    struct writer *writer = &fixture->writer;
    writer_reset(writer);
    writer_map_begin(writer, NULL);
    writer_map_begin(writer, "a");
    if (description->dtype)
        writer_string(writer, "dtype", description->dtype);
    writer_list_begin(writer, "shape");
    for (int i = 0; i < description->dimensions; i++)
        writer_integer(writer, NULL, description->shape[i]);
    writer_list_end(writer);
    if (description->frame >= 0)
        writer_integer(writer, "frame", description->frame);
    if (description->data)
        writer_bytes(writer, "data", description->data, description->size);
    writer_map_end(writer);
    return reader_array(read_back(fixture), "a", ARRAY_BIT(ARRAY_F4) | ARRAY_BIT(ARRAY_U1), dimensions);
}

static void reads_both_places(void **state)
{
    struct fixture *fixture = *state;
    struct array array = read_described(fixture, &(struct description){"<f4", {3}, 1, 1, NULL, 0}, 1);
    assert_int_equal(fixture->error.code, PROTOCOL_OK);
    assert_int_equal(array.rows, 3);
    assert_int_equal(array.layers, 1);
    assert_int_equal(array.width, 1);
    assert_int_equal(array.bytes, 12);
    array = read_described(fixture, &(struct description){"|u1", {2, 3}, 2, -1, "abcdef", 6}, 2);
    assert_int_equal(fixture->error.code, PROTOCOL_OK);
    assert_int_equal(array.layers, 1);
    assert_int_equal(array.width, 3);
    assert_memory_equal(array.data, "abcdef", 6);
    array = read_described(fixture, &(struct description){"|u1", {1, 3, 2}, 3, -1, "abcdef", 6}, 3);
    assert_int_equal(fixture->error.code, PROTOCOL_OK);
    assert_int_equal(array.rows, 1);
    assert_int_equal(array.layers, 3);
    assert_int_equal(array.width, 2);
    assert_int_equal(array.bytes, 6);
    array = read_described(fixture, &(struct description){"<f4", {0}, 1, -1, "", 0}, 1);
    assert_int_equal(fixture->error.code, PROTOCOL_OK);
    assert_int_equal(array.rows, 0);
    read_described(fixture, &(struct description){"<f4", {0, 5}, 2, -1, "", 0}, 2);
    assert_int_equal(fixture->error.code, PROTOCOL_OK);
}

static void refuses_what_does_not_agree(void **state)
{
    struct fixture *fixture = *state;
    static const int64_t big = UINT32_MAX;
    const struct {
        struct description description;
        int dimensions;
        const char *got;
    } cases[] = {
        {{NULL, {3}, 1, 1, NULL, 0}, 1, "missing"},
        {{"<f8", {3}, 1, 1, NULL, 0}, 1, "<f8"},
        {{"<u4", {3}, 1, 1, NULL, 0}, 1, "<u4"}, /* known, but not for this field */
        {{"<f4x", {3}, 1, 1, NULL, 0}, 1, "<f4x"},
        {{"<f4", {3}, 1, 1, NULL, 0}, 2, "another shape"},
        {{"<f4", {1, 3}, 2, 1, NULL, 0}, 1, "another shape"},
        {{"<f4", {1, 1, 3}, 3, 1, NULL, 0}, 2, "another shape"},
        {{"<f4", {1, 3}, 2, 1, NULL, 0}, 3, "another shape"},
        {{"<f4", {0}, 0, 1, NULL, 0}, 1, "another shape"},
        {{"<f4", {-3}, 1, 1, NULL, 0}, 1, "another shape"},
        {{"<f4", {-1, -3}, 2, 1, NULL, 0}, 2, "another shape"},
        {{"<f4", {big + 1}, 1, 1, NULL, 0}, 1, "another shape"},
        {{"<f4", {INT64_MAX, 2}, 2, 1, NULL, 0}, 2, "another shape"},
        {{"<f4", {2}, 1, 1, NULL, 0}, 1, "12 bytes"},
        {{"<f4", {4}, 1, 1, NULL, 0}, 1, "12 bytes"},
        {{"<f4", {big, big}, 2, 1, NULL, 0}, 2, "12 bytes"},             /* the product wraps in 64 bits */
        {{"<f4", {2147483648, 2147483648}, 2, -1, "", 0}, 2, "0 bytes"}, /* 2^62 elements of 4 bytes wrap to 0 */
        {{"<f4", {big, 0}, 2, -1, "", 0}, 2, "another shape"},           /* four billion rows for nothing */
        {{"<f4", {big, 0, 1}, 3, -1, "", 0}, 3, "another shape"},
        {{"<f4", {big, 1, 0}, 3, -1, "", 0}, 3, "another shape"},
        {{"<f4", {1, -1, -3}, 3, 1, NULL, 0}, 3, "another shape"},
        {{"<f4", {1, 1, big + 1}, 3, -1, "", 0}, 3, "another shape"},
        {{"<f4", {1, 3, 2}, 3, 1, NULL, 0}, 3, "12 bytes"},
        {{"<f4", {big, big, big}, 3, 1, NULL, 0}, 3, "12 bytes"},
        {{"<f4", {2147483648, 2147483648, 4}, 3, -1, "", 0}, 3, "0 bytes"}, /* 2^64 elements wrap to 0 */
        {{"<f4", {3}, 1, 2, NULL, 0}, 1, "frame 2 of 1"},
        {{"<f4", {3}, 1, 0, NULL, 0}, 1, "0"}, /* the map's own frame */
        {{"<f4", {3}, 1, big, NULL, 0}, 1, "4294967295"},
        {{"<f4", {3}, 1, 1, "abc", 3}, 1, "both"},
        {{"<f4", {3}, 1, -1, NULL, 0}, 1, "neither"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct array array = read_described(fixture, &cases[i].description, cases[i].dimensions);
        if (fixture->error.code != PROTOCOL_BAD_REQUEST || !strstr(fixture->error.got, cases[i].got))
            fail_msg("case %zu: code %s, got '%s'", i, protocol_code_word(fixture->error.code), fixture->error.got);
        assert_int_equal(array.rows, 0);
        assert_null(array.data);
    }
}

static void reads_integers_of_each_type(void **state)
{
    (void)state;
    /* One byte of padding first: a view need not be aligned. */
    static const uint8_t bytes[] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0x80};
    const struct {
        enum array_dtype dtype;
        int64_t first, second;
    } cases[] = {
        {ARRAY_U1, 255, 255},
        {ARRAY_U2, 65535, 65535},
        {ARRAY_U4, 4294967295, 4294967295},
        {ARRAY_I4, -1, -1},
        {ARRAY_I8, -1, INT64_MIN + 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct array array = {cases[i].dtype, 2, 1, 1, bytes + 1, 2 * array_dtype_size(cases[i].dtype)};
        assert_int_equal(array_integer(&array, 0), cases[i].first);
        assert_int_equal(array_integer(&array, 1), cases[i].second);
    }
}

static void dtypes_have_names(void **state)
{
    (void)state;
    for (int i = 0; i < ARRAY_DTYPE_COUNT; i++) {
        enum array_dtype dtype;
        const char *name = array_dtype_name((enum array_dtype)i);
        assert_true(array_dtype_parse(name, strlen(name), &dtype));
        assert_int_equal(dtype, i);
        assert_false(array_dtype_parse(name, 2, &dtype));
        assert_int_equal(array_dtype_size(dtype), name[2] - '0');
    }
}

static void reads_names_of_samples(void **state)
{
    struct fixture *fixture = *state;
    struct writer *writer = &fixture->writer;
    writer_map_begin(writer, NULL);
    writer_array(writer, "slots", ARRAY_U4, "\1\0\0\0\2\0\0\0", 2, 0);
    struct sample_names names = reader_samples(read_back(fixture), true);
    assert_int_equal(names.kind, SAMPLES_SLOTS);
    assert_int_equal(names.count, 2);
    assert_int_equal(array_integer(&names.slots, 1), 2);

    writer_reset(writer);
    writer_map_begin(writer, NULL);
    writer_list_begin(writer, "slots");
    writer_integer(writer, NULL, UINT32_MAX);
    writer_list_end(writer);
    names = reader_samples(read_back(fixture), false);
    assert_int_equal(names.kind, SAMPLES_SLOT_LIST);
    assert_int_equal(names.count, 1);

    writer_reset(writer);
    writer_map_begin(writer, NULL);
    writer_list_begin(writer, "keys");
    writer_string(writer, NULL, "a.jpg");
    writer_list_end(writer);
    writer_nil(writer, "slots");
    names = reader_samples(read_back(fixture), false);
    assert_int_equal(names.kind, SAMPLES_KEYS);
    assert_int_equal(names.count, 1);

    writer_reset(writer);
    writer_map_begin(writer, NULL);
    writer_integer(writer, "from", 7);
    names = reader_samples(read_back(fixture), true);
    assert_int_equal(names.kind, SAMPLES_FROM);
    assert_int_equal(names.from, 7);
    assert_int_equal(fixture->error.code, PROTOCOL_OK);
    assert_int_equal(reader_samples(&fixture->reader, false).kind, SAMPLES_NONE);
    assert_string_equal(fixture->error.got, "none of them");
}

static void refuse_key(struct fixture *fixture, const char *key, size_t size)
{
    writer_reset(&fixture->writer);
    writer_map_begin(&fixture->writer, NULL);
    writer_list_begin(&fixture->writer, "keys");
    writer_string(&fixture->writer, NULL, "good");
    writer_text(&fixture->writer, NULL, (struct text){key, size});
    writer_list_end(&fixture->writer);
    assert_int_equal(reader_samples(read_back(fixture), true).kind, SAMPLES_NONE);
    assert_string_equal(fixture->error.field, "keys");
    assert_non_null(strstr(fixture->error.got, "keys[1]"));
}

static void refuses_bad_names_of_samples(void **state)
{
    struct fixture *fixture = *state;
    struct writer *writer = &fixture->writer;
    char long_key[READER_KEY_MAX + 1];
    memset(long_key, 'k', sizeof long_key);
    refuse_key(fixture, "", 0);
    refuse_key(fixture, "\xff", 1);
    refuse_key(fixture, long_key, sizeof long_key);

    static const int64_t bad[] = {-1, (int64_t)UINT32_MAX + 1};
    for (size_t i = 0; i < 2; i++) {
        writer_reset(writer);
        writer_map_begin(writer, NULL);
        writer_list_begin(writer, "slots");
        writer_integer(writer, NULL, bad[i]);
        writer_list_end(writer);
        assert_int_equal(reader_samples(read_back(fixture), true).kind, SAMPLES_NONE);
        assert_string_equal(fixture->error.field, "slots");

        writer_reset(writer);
        writer_map_begin(writer, NULL);
        writer_integer(writer, "from", bad[i]);
        assert_int_equal(reader_samples(read_back(fixture), true).kind, SAMPLES_NONE);
        assert_string_equal(fixture->error.field, "from");
    }

    writer_reset(writer);
    writer_map_begin(writer, NULL);
    writer_integer(writer, "from", 1);
    writer_list_begin(writer, "keys");
    writer_list_end(writer);
    assert_int_equal(reader_samples(read_back(fixture), true).kind, SAMPLES_NONE);
    assert_string_equal(fixture->error.got, "more than one");

    writer_reset(writer);
    writer_map_begin(writer, NULL);
    writer_list_begin(writer, "slots");
    for (int i = 0; i <= READER_SAMPLES_MAX; i++)
        writer_integer(writer, NULL, 1);
    writer_list_end(writer);
    assert_int_equal(reader_samples(read_back(fixture), true).kind, SAMPLES_NONE);
    assert_int_equal(fixture->error.code, PROTOCOL_TOO_LARGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_both_places),
        TEST(refuses_what_does_not_agree),
        cmocka_unit_test(reads_integers_of_each_type),
        cmocka_unit_test(dtypes_have_names),
        TEST(reads_names_of_samples),
        TEST(refuses_bad_names_of_samples),
    };
    return cmocka_run_group_tests_name("protocol/array", tests, NULL, NULL);
}
