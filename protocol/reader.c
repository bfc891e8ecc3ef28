#include "protocol/reader.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

bool text_equal(struct text text, const char *string)
{
    return text.size == strlen(string) && memcmp(text.data, string, text.size) == 0;
}

bool text_is_utf8(struct text text)
{
    const uint8_t *at = (const uint8_t *)text.data;
    const uint8_t *end = at + text.size;
    while (at < end) {
        const uint8_t lead = *at++;
        if (lead < 0x80)
            continue;
        const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
        if (lead < 0xc2 || lead > 0xf4 || end - at < more)
            return false;
        /* The second byte rules out overlong forms, surrogates and what lies beyond U+10FFFF. */
        const uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
        const uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
        if (at[0] < low || at[0] > high)
            return false;
        for (int i = 1; i < more; i++)
            if ((at[i] & 0xc0) != 0x80)
                return false;
        at += more;
    }
    return true;
}

bool text_is_name(struct text text, size_t maximum, const char *more)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (text.size == 0 || text.size > maximum)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '\0' || (!strchr(allowed, text.data[i]) && !strchr(more, text.data[i])))
            return false;
    return true;
}

const char *reader_type_name(const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        return "nil";
    case MSGPACK_OBJECT_BOOLEAN:
        return "bool";
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return "int";
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return "float";
    case MSGPACK_OBJECT_STR:
        return "str";
    case MSGPACK_OBJECT_BIN:
        return "bin";
    case MSGPACK_OBJECT_ARRAY:
        return "list";
    case MSGPACK_OBJECT_MAP:
        return "map";
    default:
        return "another type";
    }
}

bool reader_reject(struct reader *reader, const char *field, const char *expected, const char *got)
{
    return protocol_fail(reader->error, PROTOCOL_BAD_REQUEST, field, expected, "%s", got);
}

struct text reader_object_text(const msgpack_object *object)
{
    if (object->type != MSGPACK_OBJECT_STR)
        return (struct text){NULL, 0};
    return (struct text){object->via.str.ptr, object->via.str.size};
}

const msgpack_object *reader_find(const struct reader *reader, const char *field)
{
    if (!reader->map)
        return NULL;
    for (uint32_t i = 0; i < reader->map->size; i++) {
        const msgpack_object_kv *pair = &reader->map->ptr[i];
        if (text_equal(reader_object_text(&pair->key), field))
            return pair->val.type == MSGPACK_OBJECT_NIL ? NULL : &pair->val;
    }
    return NULL;
}

bool reader_has(const struct reader *reader, const char *field)
{
    return reader_find(reader, field) != NULL;
}

static const char missing[] = "nothing: the field is missing";

/* The required field, NULL with an error where it is missing or an earlier field failed. */
static const msgpack_object *require(struct reader *reader, const char *field, const char *expected)
{
    if (reader->error->code)
        return NULL;
    const msgpack_object *object = reader_find(reader, field);
    if (!object)
        reader_reject(reader, field, expected, missing);
    return object;
}

static bool integer_of(const msgpack_object *object, int64_t *value)
{
    if (object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        *value = object->via.i64;
        return true;
    }
    if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER && object->via.u64 <= INT64_MAX) {
        *value = (int64_t)object->via.u64;
        return true;
    }
    return false;
}

/*
 * What a field should have been is put into words only once it isn't: reading fields is on the path of every request.
 */

static void reject_integer(
    struct reader *reader, const char *field, int64_t minimum, int64_t maximum, const msgpack_object *object)
{
    char expected[96];
    int64_t value;
    if (reader->error->code)
        return;
    snprintf(expected, sizeof expected, "an int from %" PRId64 " to %" PRId64, minimum, maximum);
    if (!object)
        reader_reject(reader, field, expected, missing);
    else if (integer_of(object, &value))
        protocol_fail(reader->error, PROTOCOL_BAD_REQUEST, field, expected, "%" PRId64, value);
    else
        reader_reject(reader, field, expected,
            object->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? "a larger int" : reader_type_name(object));
}

static void reject_bytes(struct reader *reader, const char *field, const char *what, size_t minimum, size_t maximum,
    const msgpack_object *object, const char *got)
{
    char expected[96];
    char size[32];
    if (reader->error->code)
        return;
    snprintf(expected, sizeof expected, "%s of %zu to %zu bytes", what, minimum, maximum);
    if (object && !got) {
        snprintf(size, sizeof size, "%" PRIu32 " bytes", object->via.str.size); /* bin's size lies at the same place */
        got = size;
    }
    reader_reject(reader, field, expected, got ? got : missing);
}

int64_t reader_integer(struct reader *reader, const char *field, int64_t minimum, int64_t maximum)
{
    const msgpack_object *object = reader->error->code ? NULL : reader_find(reader, field);
    int64_t value;
    if (object && integer_of(object, &value) && value >= minimum && value <= maximum)
        return value;
    reject_integer(reader, field, minimum, maximum, object);
    return minimum;
}

struct text reader_text(struct reader *reader, const char *field, size_t minimum, size_t maximum)
{
    static const char what[] = "a str of UTF-8";
    const msgpack_object *object = reader->error->code ? NULL : reader_find(reader, field);
    if (!object)
        reject_bytes(reader, field, what, minimum, maximum, NULL, NULL);
    else if (object->type != MSGPACK_OBJECT_STR)
        reject_bytes(reader, field, what, minimum, maximum, object, reader_type_name(object));
    else if (object->via.str.size < minimum || object->via.str.size > maximum)
        reject_bytes(reader, field, what, minimum, maximum, object, NULL);
    else if (!text_is_utf8(reader_object_text(object)))
        reject_bytes(reader, field, what, minimum, maximum, object, "bytes that are not UTF-8");
    else
        return reader_object_text(object);
    return (struct text){"", 0};
}

struct text reader_bytes(struct reader *reader, const char *field, size_t minimum, size_t maximum)
{
    static const char what[] = "a str or bin";
    const msgpack_object *object = reader->error->code ? NULL : reader_find(reader, field);
    if (!object)
        reject_bytes(reader, field, what, minimum, maximum, NULL, NULL);
    else if (object->type != MSGPACK_OBJECT_STR && object->type != MSGPACK_OBJECT_BIN)
        reject_bytes(reader, field, what, minimum, maximum, object, reader_type_name(object));
    else {
        const struct text bytes = object->type == MSGPACK_OBJECT_STR ? reader_object_text(object)
                                                                     : (struct text){object->via.bin.ptr, object->via.bin.size};
        if (bytes.size >= minimum && bytes.size <= maximum)
            return bytes;
        reject_bytes(reader, field, what, minimum, maximum, object, NULL);
    }
    return (struct text){"", 0};
}

bool reader_bool(struct reader *reader, const char *field)
{
    const msgpack_object *object = require(reader, field, "a bool");
    if (!object)
        return false;
    if (object->type != MSGPACK_OBJECT_BOOLEAN)
        return reader_reject(reader, field, "a bool", reader_type_name(object));
    return object->via.boolean;
}

const msgpack_object_array *reader_list(struct reader *reader, const char *field, size_t maximum)
{
    static const msgpack_object_array nothing = {0, NULL};
    const msgpack_object *object = require(reader, field, "a list");
    if (!object)
        return &nothing;
    if (object->type != MSGPACK_OBJECT_ARRAY) {
        reader_reject(reader, field, "a list", reader_type_name(object));
        return &nothing;
    }
    if (object->via.array.size > maximum) {
        char expected[64];
        snprintf(expected, sizeof expected, "at most %zu elements", maximum);
        protocol_fail(reader->error, PROTOCOL_TOO_LARGE, field, expected, "%" PRIu32, object->via.array.size);
        return &nothing;
    }
    return &object->via.array;
}

const msgpack_object_map *reader_map(struct reader *reader, const char *field)
{
    static const msgpack_object_map nothing = {0, NULL};
    const msgpack_object *object = require(reader, field, "a map");
    if (!object)
        return &nothing;
    if (object->type != MSGPACK_OBJECT_MAP) {
        reader_reject(reader, field, "a map", reader_type_name(object));
        return &nothing;
    }
    return &object->via.map;
}

int64_t reader_integer_or(struct reader *reader, const char *field, int64_t minimum, int64_t maximum, int64_t otherwise)
{
    return reader_has(reader, field) ? reader_integer(reader, field, minimum, maximum) : otherwise;
}

double reader_number_or(struct reader *reader, const char *field, double minimum, double maximum, double otherwise)
{
    const msgpack_object *object = reader_find(reader, field);
    if (!object || reader->error->code)
        return otherwise;
    char expected[96];
    snprintf(expected, sizeof expected, "a number from %g to %g", minimum, maximum);
    int64_t integer;
    double value;
    if (integer_of(object, &integer))
        value = (double)integer;
    else if (object->type == MSGPACK_OBJECT_FLOAT32 || object->type == MSGPACK_OBJECT_FLOAT64)
        value = object->via.f64;
    else {
        reader_reject(reader, field, expected, reader_type_name(object));
        return otherwise;
    }
    if (!(value >= minimum && value <= maximum)) { /* NaN fails this, too */
        protocol_fail(reader->error, PROTOCOL_BAD_REQUEST, field, expected, "%g", value);
        return otherwise;
    }
    return value;
}

bool reader_bool_or(struct reader *reader, const char *field, bool otherwise)
{
    return reader_has(reader, field) ? reader_bool(reader, field) : otherwise;
}

struct text reader_text_or(struct reader *reader, const char *field, size_t minimum, size_t maximum, const char *otherwise)
{
    return reader_has(reader, field) ? reader_text(reader, field, minimum, maximum)
                                     : (struct text){otherwise, strlen(otherwise)};
}

/* --- arrays ------------------------------------------------------------------------------------------------------------- */

static void describe_dtypes(unsigned dtypes, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "dtype");
    for (int i = 0; i < ARRAY_DTYPE_COUNT; i++)
        if ((dtypes & ARRAY_BIT(i)) && used < size)
            used += (size_t)snprintf(text + used, size - used, " %s", array_dtype_name((enum array_dtype)i));
}

static bool read_shape(struct reader *inner, const char *field, int dimensions, struct array *array)
{
    static const char *const expected[] = {"shape [n]", "shape [n, d]", "shape [n, m, d]"};
    const msgpack_object_array *shape = reader_list(inner, "shape", 8);
    int64_t extent[3] = {0, 1, 1};
    bool fits = (int)shape->size == dimensions;
    for (uint32_t i = 0; fits && i < shape->size; i++) {
        /* Rows of no width would take no bytes, however many a peer declares. */
        const int64_t least = i == 0 ? 0 : 1;
        fits = integer_of(&shape->ptr[i], &extent[i]) && extent[i] >= least && extent[i] <= UINT32_MAX;
    }
    array->rows = (size_t)extent[0];
    array->layers = dimensions == 3 ? (size_t)extent[1] : 1;
    array->width = dimensions == 3 ? (size_t)extent[2] : (size_t)extent[1];
    if (!inner->error->code && !fits)
        reader_reject(inner, field, expected[dimensions - 1], "another shape");
    return !inner->error->code;
}

static bool read_bytes_of(struct reader *reader, struct reader *inner, const char *field, struct array *array)
{
    if (reader_has(inner, "frame") == reader_has(inner, "data"))
        return reader_reject(reader, field, "one of frame, data", reader_has(inner, "frame") ? "both" : "neither");
    if (reader_has(inner, "data")) {
        const struct text data = reader_bytes(inner, "data", 0, SIZE_MAX);
        array->data = (const uint8_t *)data.data;
        array->bytes = data.size;
        return !inner->error->code;
    }
    const size_t last = reader->frame_count > 0 ? reader->frame_count - 1 : 0;
    const int64_t frame = reader_integer(inner, "frame", 1, INT32_MAX);
    if (inner->error->code)
        return false;
    if ((uint64_t)frame > last)
        return protocol_fail(
            reader->error, PROTOCOL_BAD_REQUEST, field, "a frame of this message", "frame %" PRId64 " of %zu", frame, last);
    array->data = reader->frames[frame].data;
    array->bytes = reader->frames[frame].size;
    return true;
}

static void describe_bytes(const struct array *array, int dimensions, char *text, size_t size)
{
    const char *dtype = array_dtype_name(array->dtype);
    if (dimensions == 3)
        snprintf(text, size, "the bytes of %zu x %zu x %zu %s", array->rows, array->layers, array->width, dtype);
    else
        snprintf(text, size, "the bytes of %zu x %zu %s", array->rows, array->width, dtype);
}

struct array reader_array(struct reader *reader, const char *field, unsigned dtypes, int dimensions)
{
    static const struct array nothing = {0};
    struct array array = {0};
    struct reader inner = {reader_map(reader, field), NULL, 0, reader->error};
    const struct text dtype = reader_text(&inner, "dtype", 1, 8);
    if (reader->error->code)
        return nothing;
    char expected[96];
    describe_dtypes(dtypes, expected, sizeof expected);
    if (!array_dtype_parse(dtype.data, dtype.size, &array.dtype) || !(dtypes & ARRAY_BIT(array.dtype))) {
        protocol_fail(reader->error, PROTOCOL_BAD_REQUEST, field, expected, "%.*s", (int)dtype.size, dtype.data);
        return nothing;
    }
    if (!read_shape(&inner, field, dimensions, &array) || !read_bytes_of(reader, &inner, field, &array))
        return nothing;
    size_t needed;
    if (__builtin_mul_overflow(array.rows, array.layers, &needed) || __builtin_mul_overflow(needed, array.width, &needed) ||
        __builtin_mul_overflow(needed, array_dtype_size(array.dtype), &needed) || needed != array.bytes) {
        describe_bytes(&array, dimensions, expected, sizeof expected);
        protocol_fail(reader->error, PROTOCOL_BAD_REQUEST, field, expected, "%zu bytes", array.bytes);
        return nothing;
    }
    return array;
}

/* --- samples ------------------------------------------------------------------------------------------------------------ */

static void check_count(struct reader *reader, const char *field, size_t count)
{
    if (count > READER_SAMPLES_MAX)
        protocol_fail(reader->error, PROTOCOL_TOO_LARGE, field, "at most 262144 samples in one request", "%zu", count);
}

static void check_keys(struct reader *reader, const msgpack_object_array *keys)
{
    for (uint32_t i = 0; i < keys->size; i++) {
        const struct text key = reader_object_text(&keys->ptr[i]);
        if (key.size == 0 || key.size > READER_KEY_MAX || !text_is_utf8(key)) {
            protocol_fail(reader->error, PROTOCOL_BAD_REQUEST, "keys", "str of 1 to 255 bytes of UTF-8",
                "keys[%" PRIu32 "]: %s of %zu bytes", i, reader_type_name(&keys->ptr[i]), key.size);
            return;
        }
    }
}

static void check_slot_list(struct reader *reader, const msgpack_object_array *slots)
{
    for (uint32_t i = 0; i < slots->size; i++) {
        if (slots->ptr[i].type != MSGPACK_OBJECT_POSITIVE_INTEGER || slots->ptr[i].via.u64 > UINT32_MAX) {
            protocol_fail(reader->error, PROTOCOL_BAD_REQUEST, "slots", "ints from 0 to 4294967295", "slots[%" PRIu32 "]: %s",
                i, reader_type_name(&slots->ptr[i]));
            return;
        }
    }
}

struct sample_names reader_samples(struct reader *reader, bool allow_from)
{
    struct sample_names names = {.kind = SAMPLES_NONE};
    const msgpack_object *slots = reader_find(reader, "slots");
    const msgpack_object *keys = reader_find(reader, "keys");
    const msgpack_object *from = allow_from ? reader_find(reader, "from") : NULL;
    if (reader->error->code)
        return names;
    if (!!slots + !!keys + !!from != 1) {
        const char *expected = allow_from ? "exactly one of slots, keys, from" : "exactly one of slots, keys";
        reader_reject(reader, "slots", expected, slots || keys || from ? "more than one" : "none of them");
        return names;
    }
    if (from) {
        names.kind = SAMPLES_FROM;
        names.from = (uint32_t)reader_integer(reader, "from", 0, UINT32_MAX);
    } else if (slots && slots->type == MSGPACK_OBJECT_MAP) {
        names.kind = SAMPLES_SLOTS;
        names.slots = reader_array(reader, "slots", ARRAY_BIT(ARRAY_U4), 1);
        names.count = names.slots.rows;
        check_count(reader, "slots", names.count);
    } else {
        const char *field = slots ? "slots" : "keys";
        names.kind = slots ? SAMPLES_SLOT_LIST : SAMPLES_KEYS;
        names.list = slots ? slots : keys;
        const msgpack_object_array *list = reader_list(reader, field, READER_SAMPLES_MAX);
        names.count = list->size;
        if (slots)
            check_slot_list(reader, list);
        else
            check_keys(reader, list);
    }
    if (reader->error->code)
        names.kind = SAMPLES_NONE;
    return names;
}
