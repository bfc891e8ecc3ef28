/* The recorded requests and replies, in C: every request passes the envelope with its operation or fails as recorded, every
 * reply decodes, says what its readable form says, and survives being written again. */
#include "test/unit/tests.h"

#include "protocol/request.h"
#include "protocol/scan.h"

#include <jansson.h>
#include <msgpack.h>
#include <string.h>

enum { FRAMES = 4 };

static json_t *vectors;

static int set_up(void **state)
{
    json_error_t error;
    (void)state;
    vectors = json_load_file("test/conformance/vectors.json", 0, &error);
    if (!vectors)
        print_error("vectors.json: line %d: %s\n", error.line, error.text);
    return vectors && json_array_size(vectors) > 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(vectors);
    return 0;
}

static const char *text_of(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* Bytes from hex; the caller frees them. */
static struct frame from_hex(const char *hex)
{
    const size_t size = strlen(hex) / 2;
    unsigned char *bytes = malloc(size ? size : 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++) {
        const char pair[] = {hex[2 * i], hex[2 * i + 1], '\0'};
        bytes[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return (struct frame){bytes, size};
}

static void free_frame(struct frame frame)
{
    free((void *)frame.data);
}

/* --- readable against decoded ------------------------------------------------------------------------------------------- */

static bool same(json_t *readable, const msgpack_object *object);

static bool same_bytes(const char *hex, const msgpack_object *object)
{
    const struct frame bytes = from_hex(hex);
    const bool equal = object->type == MSGPACK_OBJECT_BIN && object->via.bin.size == bytes.size &&
                       (bytes.size == 0 || memcmp(object->via.bin.ptr, bytes.data, bytes.size) == 0);
    free_frame(bytes);
    return equal;
}

/* Only integer arrays are compared by value; of floating-point ones the number of elements. */
static bool same_array(json_t *readable, const msgpack_object *object)
{
    msgpack_object_kv pair = {.val = *object};
    pair.key.type = MSGPACK_OBJECT_STR;
    pair.key.via.str.ptr = "a";
    pair.key.via.str.size = 1;
    const msgpack_object_map map = {1, &pair};
    struct protocol_error error = {0};
    struct reader reader = {&map, NULL, 0, &error};
    json_t *values = json_object_get(readable, "values");
    const int dimensions = (int)json_array_size(json_object_get(readable, "shape"));
    const struct array array = reader_array(&reader, "a", ARRAY_INTEGERS | ARRAY_FLOATS, dimensions);
    const size_t count = array.rows * array.layers * array.width;
    if (error.code || count != json_array_size(values))
        return false;
    for (size_t i = 0; (ARRAY_BIT(array.dtype) & ARRAY_INTEGERS) && i < count; i++)
        if (array_integer(&array, i) != json_integer_value(json_array_get(values, i)))
            return false;
    return true;
}

static bool same_map(json_t *readable, const msgpack_object *object)
{
    if (json_object_get(readable, "$hex"))
        return same_bytes(text_of(readable, "$hex"), object);
    if (json_object_get(readable, "$array"))
        return same_array(readable, object);
    if (object->type != MSGPACK_OBJECT_MAP || object->via.map.size != json_object_size(readable))
        return false;
    for (uint32_t i = 0; i < object->via.map.size; i++) {
        const struct text key = reader_object_text(&object->via.map.ptr[i].key);
        char name[256];
        assert_true(key.size < sizeof name);
        snprintf(name, sizeof name, "%.*s", (int)key.size, key.data);
        json_t *value = json_object_get(readable, name);
        if (!value || !same(value, &object->via.map.ptr[i].val))
            return false;
    }
    return true;
}

static bool same_list(json_t *readable, const msgpack_object *object)
{
    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size != json_array_size(readable))
        return false;
    for (uint32_t i = 0; i < object->via.array.size; i++)
        if (!same(json_array_get(readable, i), &object->via.array.ptr[i]))
            return false;
    return true;
}

static bool same_integer(json_int_t value, const msgpack_object *object)
{
    return value < 0 ? object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER && object->via.i64 == value
                     : object->type == MSGPACK_OBJECT_POSITIVE_INTEGER && object->via.u64 == (uint64_t)value;
}

static bool same(json_t *readable, const msgpack_object *object)
{
    switch (json_typeof(readable)) {
    case JSON_OBJECT:
        return same_map(readable, object);
    case JSON_ARRAY:
        return same_list(readable, object);
    case JSON_STRING:
        return object->type == MSGPACK_OBJECT_STR && text_equal(reader_object_text(object), json_string_value(readable));
    case JSON_INTEGER:
        return same_integer(json_integer_value(readable), object);
    case JSON_REAL:
        return (object->type == MSGPACK_OBJECT_FLOAT64 || object->type == MSGPACK_OBJECT_FLOAT32) &&
               object->via.f64 == json_real_value(readable);
    case JSON_NULL:
        return object->type == MSGPACK_OBJECT_NIL;
    default:
        return object->type == MSGPACK_OBJECT_BOOLEAN && object->via.boolean == json_is_true(readable);
    }
}

/* --- the tests ---------------------------------------------------------------------------------------------------------- */

/* A request that fails the envelope must have been answered with just that error; its sentences are not part of the protocol.
 */
static void check_refusal(json_t *vector, const struct protocol_error *error)
{
    json_t *recorded = json_object_get(json_object_get(vector, "reply"), "error");
    assert_non_null(recorded);
    assert_string_equal(text_of(recorded, "code"), protocol_code_word(error->code));
    assert_string_equal(text_of(recorded, "field"), error->field);
}

static void check_request(json_t *vector)
{
    struct frame frames[FRAMES];
    json_t *more = json_object_get(vector, "frames_hex");
    const size_t count = 1 + json_array_size(more);
    struct request request;
    msgpack_zone zone;
    assert_true(count <= FRAMES);
    assert_true(msgpack_zone_init(&zone, 4096));
    frames[0] = from_hex(text_of(vector, "request_hex"));
    for (size_t i = 1; i < count; i++)
        frames[i] = from_hex(json_string_value(json_array_get(more, i - 1)));
    if (request_decode(&request, frames, count, &zone))
        assert_string_equal(operation_name(request.operation), text_of(vector, "op"));
    else
        check_refusal(vector, &request.error);
    const msgpack_object object = {.type = MSGPACK_OBJECT_MAP, .via.map = request.map};
    if (!same(json_object_get(vector, "request"), &object))
        fail_msg("%s: the request's bytes say something else than its readable form", text_of(vector, "name"));
    msgpack_zone_destroy(&zone);
    for (size_t i = 0; i < count; i++)
        free_frame(frames[i]);
}

static msgpack_object unpack(struct text bytes, msgpack_zone *zone)
{
    struct protocol_error error = {0};
    msgpack_object object;
    size_t offset = 0;
    assert_true(scan_map(bytes.data, bytes.size, &error));
    assert_int_equal(msgpack_unpack(bytes.data, bytes.size, &offset, zone, &object), MSGPACK_UNPACK_SUCCESS);
    return object;
}

static void check_reply(json_t *vector)
{
    const struct frame bytes = from_hex(text_of(vector, "reply_hex"));
    msgpack_zone zone;
    struct writer writer;
    assert_true(msgpack_zone_init(&zone, 4096));
    writer_init(&writer);
    const msgpack_object object = unpack((struct text){bytes.data, bytes.size}, &zone);
    if (!same(json_object_get(vector, "reply"), &object))
        fail_msg("%s: the reply's bytes say something else than its readable form", text_of(vector, "name"));
    writer_object(&writer, NULL, &object);
    assert_true(msgpack_object_equal(unpack(writer_finish(&writer), &zone), object));
    writer_deinit(&writer);
    msgpack_zone_destroy(&zone);
    free_frame(bytes);
}

static void requests_decode(void **state)
{
    (void)state;
    for (size_t i = 0; i < json_array_size(vectors); i++)
        check_request(json_array_get(vectors, i));
}

static void replies_decode_and_encode(void **state)
{
    (void)state;
    for (size_t i = 0; i < json_array_size(vectors); i++)
        check_reply(json_array_get(vectors, i));
}

static void every_operation_occurs(void **state)
{
    (void)state;
    for (int operation = 0; operation < OPERATION_COUNT; operation++) {
        bool good = false;
        for (size_t i = 0; i < json_array_size(vectors) && !good; i++) {
            json_t *vector = json_array_get(vectors, i);
            good = strcmp(text_of(vector, "op"), operation_name((enum operation)operation)) == 0 &&
                   json_is_true(json_object_get(json_object_get(vector, "reply"), "ok"));
        }
        if (!good)
            fail_msg("no vector shows %s succeeding", operation_name((enum operation)operation));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_decode),
        cmocka_unit_test(replies_decode_and_encode),
        cmocka_unit_test(every_operation_occurs),
    };
    return cmocka_run_group_tests_name("conformance", tests, set_up, tear_down);
}
