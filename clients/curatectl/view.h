/*
 * view.h - looks into a reply that is to be shown: a field that is absent or of another type gives a harmless value, for a
 * newer daemon may leave out or add some.
 */
#pragma once

#include "protocol/array.h"
#include "protocol/reader.h"

#include <msgpack.h>

int64_t view_integer(const msgpack_object_map *map, const char *field, int64_t otherwise);
double view_number(const msgpack_object_map *map, const char *field, double otherwise);
bool view_bool(const msgpack_object_map *map, const char *field, bool otherwise);
struct text view_text(const msgpack_object_map *map, const char *field);
const msgpack_object_array *view_list(const msgpack_object_map *map, const char *field);
const msgpack_object_map *view_map(const msgpack_object_map *map, const char *field);

/* The object as a map, an empty one where it isn't one. */
const msgpack_object_map *view_as_map(const msgpack_object *object);

/* The object as a number, 0 where it isn't one. */
double view_as_number(const msgpack_object *object);

/* An array of one dimension of integers; of no rows where it isn't one. */
struct array view_array(const msgpack_object_map *map, const char *field);

/* True where the object is a {dtype, shape, data}; then `array` is its view, its shape's last dimension in width. */
bool view_is_array(const msgpack_object *object, struct array *array);
