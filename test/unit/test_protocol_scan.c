/* The scanner against bytes of every hostile kind: it must refuse them, read nothing beyond them, and say why. */
#include "test/unit/tests.h"

#include "protocol/scan.h"
#include "protocol/writer.h"

#include <msgpack.h>
#include <string.h>

/* Scans a heap copy of exactly `size` bytes, so that the address sanitizer sees a read beyond them. */
static bool scan_copy(const void *bytes, size_t size, struct protocol_error *error)
{
    char *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    memset(error, 0, sizeof *error);
    const bool good = scan_map(copy, size, error);
    assert_int_equal(good, error->code == PROTOCOL_OK);
    free(copy);
    return good;
}

#define REFUSED(why, ...)                                                                                                      \
    do {                                                                                                                       \
        const unsigned char bytes_[] = {__VA_ARGS__};                                                                          \
        struct protocol_error error_;                                                                                          \
        assert_false(scan_copy(bytes_, sizeof bytes_, &error_));                                                               \
        assert_int_equal(error_.code, PROTOCOL_BAD_REQUEST);                                                                   \
        assert_non_null(strstr(error_.got, why));                                                                              \
    } while (0)

#define PASSED(...)                                                                                                            \
    do {                                                                                                                       \
        const unsigned char bytes_[] = {__VA_ARGS__};                                                                          \
        struct protocol_error error_;                                                                                          \
        assert_true(scan_copy(bytes_, sizeof bytes_, &error_));                                                                \
    } while (0)

/* A map with a value of every kind a message may hold. */
static void write_everything(struct writer *writer)
{
    static const float numbers[] = {0.25f, 0.75f};
    writer_init(writer);
    writer_map_begin(writer, NULL);
    writer_integer(writer, "small", 1);
    writer_integer(writer, "negative", -1);
    const int64_t integers[] = {200, 40000, 3000000000, INT64_MAX, -100, -30000, -2000000000, INT64_MIN};
    writer_list_begin(writer, "integers");
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
        writer_integer(writer, NULL, integers[i]);
    writer_list_end(writer);
    writer_number(writer, "number", 0.1);
    writer_bool(writer, "yes", true);
    writer_bool(writer, "no", false);
    writer_nil(writer, "nil");
    writer_string(writer, "text", "a text that is longer than thirty-one bytes, for the next header");
    writer_bytes(writer, "bytes", "\0\1\2", 3);
    writer_array(writer, "array", ARRAY_F4, numbers, 1, 2);
    writer_map_begin(writer, "map");
    writer_string(writer, "", "an empty key");
    writer_map_end(writer);
    writer_map_end(writer);
}

static void passes_what_is_well_formed(void **state)
{
    (void)state;
    struct writer writer;
    struct protocol_error error;
    write_everything(&writer);
    const struct text message = writer_finish(&writer);
    assert_true(scan_copy(message.data, message.size, &error));
    writer_deinit(&writer);

    PASSED(0x80);
    PASSED(0xde, 0, 0);
    PASSED(0xdf, 0, 0, 0, 0);
    PASSED(0x81, 0xa1, 'a', 0xc0);
    PASSED(0x81, 0xd9, 1, 'a', 0xca, 0, 0, 0, 0);
    PASSED(0x81, 0xda, 0, 1, 'a', 0xdc, 0, 1, 0xc3);
    PASSED(0x81, 0xdb, 0, 0, 0, 1, 'a', 0xc6, 0, 0, 0, 1, 9);
    PASSED(0x82, 0xa1, 'a', 1, 0xa1, 'b', 1);
    PASSED(0x82, 0xa1, 'a', 0x81, 0xa1, 'a', 1, 0xa1, 'b', 0x81, 0xa1, 'a', 1); /* the same key in different maps */
}

static void refuses_a_message_cut_anywhere(void **state)
{
    (void)state;
    struct writer writer;
    struct protocol_error error;
    write_everything(&writer);
    const struct text message = writer_finish(&writer);
    for (size_t size = 0; size < message.size; size++) {
        assert_false(scan_copy(message.data, size, &error));
        assert_int_equal(error.code, PROTOCOL_BAD_REQUEST);
        assert_string_equal(error.field, "message");
    }
    writer_deinit(&writer);
}

static void refuses_lengths_beyond_the_message(void **state)
{
    (void)state;
    REFUSED("length beyond", 0x81, 0xdb, 0xff, 0xff, 0xff, 0xff);                     /* a key */
    REFUSED("length beyond", 0x81, 0xa1, 'a', 0xdb, 0xff, 0xff, 0xff, 0xff, 'x');     /* a str */
    REFUSED("length beyond", 0x81, 0xa1, 'a', 0xc6, 0xff, 0xff, 0xff, 0xff, 'x');     /* a bin */
    REFUSED("more elements", 0x81, 0xa1, 'a', 0xdd, 0xff, 0xff, 0xff, 0xff, 1);       /* a list */
    REFUSED("more elements", 0x81, 0xa1, 'a', 0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, 1); /* a map in it */
    REFUSED("more elements", 0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, 'a', 1);             /* the map itself */
    REFUSED("more elements", 0xde, 0xff, 0xff);
    REFUSED("more elements", 0x82, 0xa0, 0xc0);
    REFUSED("length beyond", 0x81, 0xa1, 'a', 0xcf, 0, 0, 0, 0, 0, 0, 0); /* a scalar */
    REFUSED("truncated", 0x81, 0xa1, 'a', 0xdb, 0, 0, 0);                 /* a length itself */
}

static void refuses_nesting_beyond_the_limit(void **state)
{
    (void)state;
    struct protocol_error error;
    unsigned char bytes[3 + 100000];
    for (size_t lists = 0; lists < 40; lists++) {
        /* {"a": [[[... 1 ...]]]}: the map is the first level. */
        memcpy(bytes,
            "\x81\xa1"
            "a",
            3);
        memset(bytes + 3, 0x91, lists);
        bytes[3 + lists] = 1;
        assert_int_equal(scan_copy(bytes, 4 + lists, &error), lists + 1 <= SCAN_DEPTH_MAX);
    }
    memset(bytes + 3, 0x91, sizeof bytes - 3);
    assert_false(scan_copy(bytes, sizeof bytes, &error));
    assert_string_equal(error.got, "deeper nesting");
}

/* Small elements cost msgpack-c far more memory than their bytes. */
static void bounds_the_number_of_elements(void **state)
{
    (void)state;
    struct protocol_error error;
    for (size_t over = 0; over <= 1; over++) {
        /* {"a": [nil, nil, ...]}: the map counts one element itself. */
        const uint32_t count = SCAN_ELEMENTS_MAX - 1 + (uint32_t)over;
        const size_t size = 8 + (size_t)count;
        unsigned char *bytes = malloc(size);
        assert_non_null(bytes);
        memset(bytes, 0xc0, size);
        memcpy(bytes, "\x81\xa1\x61\xdd", 4);
        for (int i = 0; i < 4; i++)
            bytes[4 + i] = (unsigned char)(count >> (24 - 8 * i));
        assert_int_equal(scan_copy(bytes, size, &error), !over);
        free(bytes);
    }
}

static void refuses_a_key_twice(void **state)
{
    (void)state;
    REFUSED("key twice", 0x82, 0xa1, 'a', 1, 0xa1, 'a', 1);
    REFUSED("key twice", 0x83, 0xa1, 'a', 1, 0xa1, 'b', 1, 0xd9, 1, 'a', 1); /* in another encoding */
    REFUSED("key twice", 0x82, 0xa0, 1, 0xa0, 1);
    REFUSED("key twice", 0x81, 0xa1, 'm', 0x82, 0xa1, 'a', 1, 0xa1, 'a', 1); /* in an inner map */
}

static void refuses_other_types(void **state)
{
    (void)state;
    REFUSED("another msgpack type", 0x81, 0xa1, 'a', 0xd4, 1, 0);    /* fixext 1 */
    REFUSED("another msgpack type", 0x81, 0xa1, 'a', 0xc7, 1, 1, 0); /* ext 8 */
    REFUSED("another msgpack type", 0x81, 0xa1, 'a', 0xc9, 0xff, 0xff, 0xff, 0xff, 1);
    REFUSED("another msgpack type", 0x81, 0xa1, 'a', 0xc1); /* never used */
    REFUSED("another msgpack type", 0x90);
    REFUSED("another msgpack type", 0x01);
    REFUSED("another msgpack type", 0xc0);
    REFUSED("key of another type", 0x81, 1, 1);
    REFUSED("key of another type", 0x81, 0xc4, 1, 'a', 1);
    REFUSED("key of another type", 0x81, 0xc0, 1);
    REFUSED("key of another type", 0x81, 0x80, 1);
}

static void refuses_bytes_after_the_map(void **state)
{
    (void)state;
    REFUSED("bytes after", 0x80, 0x80);
    REFUSED("bytes after", 0x81, 0xa1, 'a', 1, 0);
}

/* What the scanner passes, msgpack-c must unpack to its end as a map: never more, never a surprise. */
static void agrees_with_msgpack_on_mutations(void **state)
{
    (void)state;
    uint64_t random = random_seed(__func__);
    struct writer writer;
    write_everything(&writer);
    const struct text message = writer_finish(&writer);
    size_t passed = 0;
    for (int round = 0; round < 100000; round++) {
        char bytes[512];
        assert_true(message.size <= sizeof bytes);
        memcpy(bytes, message.data, message.size);
        const size_t changes = 1 + random_next(&random) % 4;
        for (size_t i = 0; i < changes; i++)
            bytes[random_next(&random) % message.size] = (char)random_next(&random);
        const size_t size = random_next(&random) % 4 ? message.size : random_next(&random) % message.size;
        struct protocol_error error;
        if (!scan_copy(bytes, size, &error))
            continue;
        passed++;
        msgpack_zone zone;
        assert_true(msgpack_zone_init(&zone, 8192));
        msgpack_object object;
        size_t offset = 0;
        assert_int_equal(msgpack_unpack(bytes, size, &offset, &zone, &object), MSGPACK_UNPACK_SUCCESS);
        assert_int_equal(offset, size);
        assert_int_equal(object.type, MSGPACK_OBJECT_MAP);
        msgpack_zone_destroy(&zone);
    }
    printf("# %zu of 100000 mutations are still well formed\n", passed);
    assert_true(passed > 1000 && passed < 99000);
    writer_deinit(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_what_is_well_formed),
        cmocka_unit_test(refuses_a_message_cut_anywhere),
        cmocka_unit_test(refuses_lengths_beyond_the_message),
        cmocka_unit_test(refuses_nesting_beyond_the_limit),
        cmocka_unit_test(bounds_the_number_of_elements),
        cmocka_unit_test(refuses_a_key_twice),
        cmocka_unit_test(refuses_other_types),
        cmocka_unit_test(refuses_bytes_after_the_map),
        cmocka_unit_test(agrees_with_msgpack_on_mutations),
    };
    return cmocka_run_group_tests_name("protocol/scan", tests, NULL, NULL);
}
