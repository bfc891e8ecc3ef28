#include "clients/curatectl/json.h"

#include "clients/curatectl/view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *from_bytes(const char *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2 * size + 1);
    if (!text)
        return NULL;
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[(unsigned char)bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    json_t *json = json_stringn(text, 2 * size);
    free(text);
    return json;
}

static double half_to_double(uint16_t half)
{
    const int exponent = half >> 10 & 31;
    const int fraction = half & 1023;
    double value = (double)INFINITY;
    if (exponent == 0)
        value = ldexp(fraction, -24);
    else if (exponent < 31)
        value = ldexp(fraction + 1024, exponent - 25);
    else if (fraction)
        value = (double)NAN;
    return half >> 15 ? -value : value;
}

static json_t *from_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *from_element(const struct array *array, size_t i)
{
    if (array->dtype == ARRAY_F4) {
        float value;
        memcpy(&value, array->data + i * sizeof value, sizeof value);
        return from_real((double)value);
    }
    if (array->dtype == ARRAY_F2) {
        uint16_t value;
        memcpy(&value, array->data + i * sizeof value, sizeof value);
        return from_real(half_to_double(value));
    }
    return json_integer(array_integer(array, i));
}

/* Rows of more than one element become lists of lists. */
static json_t *from_array(const struct array *array)
{
    json_t *rows = json_array();
    bool good = rows != NULL;
    for (size_t i = 0; good && i < array->rows; i++) {
        json_t *row = array->width == 1 ? from_element(array, i) : json_array();
        for (size_t j = 0; row && array->width > 1 && j < array->width; j++)
            good = good && json_array_append_new(row, from_element(array, i * array->width + j)) == 0;
        good = good && json_array_append_new(rows, row) == 0;
    }
    if (good)
        return rows;
    json_decref(rows);
    return NULL;
}

static bool put(json_t *json, const msgpack_object *key, const msgpack_object *value)
{
    const struct text name = reader_object_text(key);
    char *copy = strndup(name.size ? name.data : "", name.size);
    /* A key that isn't UTF-8 can't be shown; it never is in a reply of ours. */
    const bool good = copy && json_object_set_new(json, copy, json_from_object(value)) == 0;
    free(copy);
    return good;
}

static json_t *from_map(const msgpack_object_map *map)
{
    json_t *json = json_object();
    for (uint32_t i = 0; json && i < map->size; i++) {
        if (!put(json, &map->ptr[i].key, &map->ptr[i].val)) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

static json_t *from_list(const msgpack_object_array *list)
{
    json_t *json = json_array();
    for (uint32_t i = 0; json && i < list->size; i++) {
        if (json_array_append_new(json, json_from_object(&list->ptr[i])) != 0) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

json_t *json_from_object(const msgpack_object *object)
{
    struct array array;
    switch (object->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        return json_boolean(object->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return object->via.u64 > INT64_MAX ? json_real((double)object->via.u64) : json_integer((json_int_t)object->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return json_integer(object->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return from_real(object->via.f64);
    case MSGPACK_OBJECT_STR: {
        json_t *text = json_stringn(object->via.str.size ? object->via.str.ptr : "", object->via.str.size);
        return text ? text : from_bytes(object->via.str.ptr, object->via.str.size);
    }
    case MSGPACK_OBJECT_BIN:
        return from_bytes(object->via.bin.ptr, object->via.bin.size);
    case MSGPACK_OBJECT_ARRAY:
        return from_list(&object->via.array);
    case MSGPACK_OBJECT_MAP:
        return view_is_array(object, &array) ? from_array(&array) : from_map(&object->via.map);
    default:
        return json_null();
    }
}

json_t *json_from_reply(const msgpack_object_map *reply)
{
    json_t *json = from_map(reply);
    if (json) {
        json_object_del(json, "v");
        json_object_del(json, "id");
        json_object_del(json, "ok");
    }
    return json;
}

static void write_container(struct writer *writer, const char *key, json_t *value)
{
    if (json_is_array(value)) {
        writer_list_begin(writer, key);
        for (size_t i = 0; i < json_array_size(value); i++)
            json_write(writer, NULL, json_array_get(value, i));
        writer_list_end(writer);
        return;
    }
    writer_map_begin(writer, key);
    for (void *at = json_object_iter(value); at; at = json_object_iter_next(value, at))
        json_write(writer, json_object_iter_key(at), json_object_iter_value(at));
    writer_map_end(writer);
}

void json_write(struct writer *writer, const char *key, json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        writer_text(writer, key, (struct text){json_string_value(value), json_string_length(value)});
        break;
    case JSON_INTEGER:
        writer_integer(writer, key, json_integer_value(value));
        break;
    case JSON_REAL:
        writer_number(writer, key, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        writer_bool(writer, key, json_is_true(value));
        break;
    case JSON_NULL:
        writer_nil(writer, key);
        break;
    default:
        write_container(writer, key, value);
    }
}

bool json_print(json_t *json, bool one_line)
{
    const bool good = json && json_dumpf(json, stdout, one_line ? JSON_COMPACT : JSON_INDENT(2)) == 0 && putchar('\n') != EOF;
    json_decref(json);
    return good && fflush(stdout) == 0;
}
