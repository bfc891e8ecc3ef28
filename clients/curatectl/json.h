/*
 * json.h - between msgpack and JSON. Integers keep their 64 bits; arrays of numbers become lists; bytes become hex.
 */
#pragma once

#include "protocol/writer.h"

#include <jansson.h>
#include <msgpack.h>

/* A new reference, NULL without memory. */
json_t *json_from_object(const msgpack_object *object);

/* The reply's own fields, without v, id and ok. */
json_t *json_from_reply(const msgpack_object_map *reply);

/* Writes any JSON value; an integral number is an int. */
void json_write(struct writer *writer, const char *key, json_t *value);

/* Prints and frees `json`; `one_line` for streams. False on failure, or where json is NULL. */
bool json_print(json_t *json, bool one_line);
