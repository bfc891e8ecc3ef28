/*
 * scan.h - looks through untrusted msgpack before anything is allocated for it.
 *
 * msgpack-c allocates by the length a message declares, not by the bytes that are there: six bytes can ask for gigabytes.
 * What passes this scan declares no more than it holds.
 */
#pragma once

#include "protocol/error.h"

#include <stddef.h>

enum {
    SCAN_DEPTH_MAX = 16,         /* msgpack-c gives up at 32 with a misleading "no memory" */
    SCAN_ELEMENTS_MAX = 1 << 22, /* msgpack-c makes 24 bytes or more of each, however small it is on the wire */
};

/*
 * True when `bytes` are exactly one well-formed msgpack map whose keys are strings, none twice among a map's first 64, nested
 * at most SCAN_DEPTH_MAX deep, with SCAN_ELEMENTS_MAX elements at most, without extension types. Otherwise fills `error` and
 * returns false. O(size).
 */
bool scan_map(const void *bytes, size_t size, struct protocol_error *error);

/*
 * The str value of a key of the outermost map, found without unpacking; stops at the first hit. False where there is none
 * before the message's end or its first flaw. Reads no byte beyond `size`.
 */
bool scan_find(const void *bytes, size_t size, const char *key, const char **value, size_t *value_size);
