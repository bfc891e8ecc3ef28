#include "clients/curatectl/view.h"

#include <math.h>
#include <string.h>

/* A reader whose error nobody asks for. */
static struct reader reader_of(const msgpack_object_map *map, struct protocol_error *error)
{
    memset(error, 0, sizeof *error);
    return (struct reader){map, NULL, 0, error};
}

int64_t view_integer(const msgpack_object_map *map, const char *field, int64_t otherwise)
{
    struct protocol_error error;
    struct reader reader = reader_of(map, &error);
    const int64_t value = reader_integer_or(&reader, field, INT64_MIN, INT64_MAX, otherwise);
    return error.code ? otherwise : value;
}

double view_number(const msgpack_object_map *map, const char *field, double otherwise)
{
    struct protocol_error error;
    struct reader reader = reader_of(map, &error);
    return reader_number_or(&reader, field, -HUGE_VAL, HUGE_VAL, otherwise);
}

bool view_bool(const msgpack_object_map *map, const char *field, bool otherwise)
{
    struct protocol_error error;
    struct reader reader = reader_of(map, &error);
    const bool value = reader_bool_or(&reader, field, otherwise);
    return error.code ? otherwise : value;
}

struct text view_text(const msgpack_object_map *map, const char *field)
{
    struct protocol_error error;
    struct reader reader = reader_of(map, &error);
    return reader_text_or(&reader, field, 0, UINT32_MAX, "");
}

const msgpack_object_array *view_list(const msgpack_object_map *map, const char *field)
{
    struct protocol_error error;
    struct reader reader = reader_of(map, &error);
    return reader_list(&reader, field, UINT32_MAX);
}

const msgpack_object_map *view_map(const msgpack_object_map *map, const char *field)
{
    struct protocol_error error;
    struct reader reader = reader_of(map, &error);
    return reader_map(&reader, field);
}

const msgpack_object_map *view_as_map(const msgpack_object *object)
{
    static const msgpack_object_map nothing = {0, NULL};
    return object->type == MSGPACK_OBJECT_MAP ? &object->via.map : &nothing;
}

double view_as_number(const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return (double)object->via.u64;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return (double)object->via.i64;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return object->via.f64;
    default:
        return 0;
    }
}

struct array view_array(const msgpack_object_map *map, const char *field)
{
    struct protocol_error error;
    struct reader reader = reader_of(map, &error);
    return reader_array(&reader, field, ARRAY_INTEGERS, 1);
}

bool view_is_array(const msgpack_object *object, struct array *array)
{
    if (object->type != MSGPACK_OBJECT_MAP || object->via.map.size != 3)
        return false;
    /* The reader wants the array under a name. */
    msgpack_object_kv pair = {.val = *object};
    pair.key.type = MSGPACK_OBJECT_STR;
    pair.key.via.str.ptr = "a";
    pair.key.via.str.size = 1;
    const msgpack_object_map map = {1, &pair};
    for (int dimensions = 1; dimensions <= 2; dimensions++) {
        struct protocol_error error;
        struct reader reader = reader_of(&map, &error);
        *array = reader_array(&reader, "a", ARRAY_INTEGERS | ARRAY_FLOATS, dimensions);
        if (!error.code)
            return true;
    }
    return false;
}
