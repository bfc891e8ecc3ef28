#include "protocol/scan.h"

#include "protocol/reader.h"

#include <stdint.h>
#include <string.h>

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    struct protocol_error *error;
    size_t elements; /* so far, of all lists and maps */
};

struct span {
    const uint8_t *bytes;
    size_t size;
};

enum kind { KIND_SCALAR, KIND_STRING, KIND_BYTES, KIND_ARRAY, KIND_MAP };

/* What one header byte announces. */
struct item {
    enum kind kind;
    size_t count; /* bytes of a scalar, string or bin that follow; elements of an array; pairs of a map */
};

enum {
    KEYS_CHECKED_MAX =
        64, /* a map with more keys than this has no place in a request's envelope; its keys go unchecked for twins */
};

static bool malformed(struct cursor *cursor, const char *expected, const char *got)
{
    return protocol_fail(cursor->error, PROTOCOL_BAD_REQUEST, "message", expected, "%s", got);
}

static size_t left(const struct cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

static bool take_length(struct cursor *cursor, size_t width, size_t *length)
{
    if (left(cursor) < width)
        return malformed(cursor, "a whole msgpack map", "a truncated message");
    *length = 0;
    for (size_t i = 0; i < width; i++)
        *length = *length << 8 | *cursor->at++;
    return true;
}

static bool take_sized(struct cursor *cursor, enum kind kind, size_t width, struct item *item)
{
    item->kind = kind;
    return take_length(cursor, width, &item->count);
}

static bool take_header(struct cursor *cursor, struct item *item)
{
    if (left(cursor) == 0)
        return malformed(cursor, "a whole msgpack map", "a truncated message");
    const uint8_t byte = *cursor->at++;
    *item = (struct item){KIND_SCALAR, 0};
    if (byte <= 0x7f || byte >= 0xe0)
        return true;
    if (byte <= 0x8f)
        *item = (struct item){KIND_MAP, byte & 0x0f};
    else if (byte <= 0x9f)
        *item = (struct item){KIND_ARRAY, byte & 0x0f};
    else if (byte <= 0xbf)
        *item = (struct item){KIND_STRING, byte & 0x1f};
    else
        switch (byte) {
        case 0xc0: /* nil */
        case 0xc2: /* false */
        case 0xc3: /* true */
            break;
        case 0xc4:
        case 0xc5:
        case 0xc6:
            return take_sized(cursor, KIND_BYTES, (size_t)1 << (byte - 0xc4), item);
        case 0xca: /* float 32 */
        case 0xcb: /* float 64 */
            item->count = (size_t)4 << (byte - 0xca);
            break;
        case 0xcc: /* uint 8 to 64 */
        case 0xcd:
        case 0xce:
        case 0xcf:
            item->count = (size_t)1 << (byte - 0xcc);
            break;
        case 0xd0: /* int 8 to 64 */
        case 0xd1:
        case 0xd2:
        case 0xd3:
            item->count = (size_t)1 << (byte - 0xd0);
            break;
        case 0xd9:
        case 0xda:
        case 0xdb:
            return take_sized(cursor, KIND_STRING, (size_t)1 << (byte - 0xd9), item);
        case 0xdc:
        case 0xdd:
            return take_sized(cursor, KIND_ARRAY, (size_t)2 << (byte - 0xdc), item);
        case 0xde:
        case 0xdf:
            return take_sized(cursor, KIND_MAP, (size_t)2 << (byte - 0xde), item);
        default:
            return malformed(cursor, "nil, bool, number, str, bin, array or map", "another msgpack type");
        }
    return true;
}

/* Steps over the bytes of a scalar, string or bin. */
static bool skip_bytes(struct cursor *cursor, size_t count)
{
    if (count > left(cursor))
        return malformed(cursor, "a whole msgpack map", "a length beyond the message's end");
    cursor->at += count;
    return true;
}

static bool scan_value(struct cursor *cursor, int depth);

static bool scan_key(struct cursor *cursor, struct span *seen, size_t index)
{
    struct item key;
    if (!take_header(cursor, &key))
        return false;
    if (key.kind != KIND_STRING)
        return malformed(cursor, "map keys of type str", "a key of another type");
    const struct span span = {cursor->at, key.count};
    if (!skip_bytes(cursor, key.count))
        return false;
    if (!text_is_utf8((struct text){(const char *)span.bytes, span.size}))
        return malformed(cursor, "map keys of UTF-8", "other bytes");
    if (index >= KEYS_CHECKED_MAX)
        return true;
    for (size_t i = 0; i < index; i++)
        if (seen[i].size == span.size && memcmp(seen[i].bytes, span.bytes, span.size) == 0)
            return malformed(cursor, "each map key once", "a key twice");
    seen[index] = span;
    return true;
}

static bool scan_container(struct cursor *cursor, struct item item, int depth)
{
    if (depth >= SCAN_DEPTH_MAX)
        return malformed(cursor, "at most 16 levels of nesting", "deeper nesting");
    /* Each element takes at least a byte, each pair two: a count beyond that is a lie. */
    if (item.count > left(cursor) / (item.kind == KIND_MAP ? 2 : 1))
        return malformed(cursor, "a whole msgpack map", "more elements declared than there are bytes");
    cursor->elements += item.count;
    if (cursor->elements > SCAN_ELEMENTS_MAX)
        return protocol_fail(cursor->error, PROTOCOL_TOO_LARGE, "message", "at most 4194304 elements in all", "more");
    struct span seen[KEYS_CHECKED_MAX];
    for (size_t i = 0; i < item.count; i++) {
        if (item.kind == KIND_MAP && !scan_key(cursor, seen, i))
            return false;
        if (!scan_value(cursor, depth + 1))
            return false;
    }
    return true;
}

static bool scan_value(struct cursor *cursor, int depth)
{
    struct item item;
    if (!take_header(cursor, &item))
        return false;
    if (item.kind == KIND_ARRAY || item.kind == KIND_MAP)
        return scan_container(cursor, item, depth);
    return skip_bytes(cursor, item.count);
}

bool scan_map(const void *bytes, size_t size, struct protocol_error *error)
{
    struct cursor cursor = {bytes, (const uint8_t *)bytes + size, error, 0};
    struct item item;
    if (!take_header(&cursor, &item))
        return false;
    if (item.kind != KIND_MAP)
        return malformed(&cursor, "a msgpack map", "another msgpack type");
    if (!scan_container(&cursor, item, 0))
        return false;
    if (left(&cursor) != 0)
        return malformed(&cursor, "one msgpack map", "bytes after the map");
    return true;
}

bool scan_find(const void *bytes, size_t size, const char *key, const char **value, size_t *value_size)
{
    struct protocol_error ignored = {0};
    struct cursor cursor = {bytes, (const uint8_t *)bytes + size, &ignored, 0};
    struct item map;
    if (!take_header(&cursor, &map) || map.kind != KIND_MAP)
        return false;
    for (size_t i = 0; i < map.count; i++) {
        struct item item;
        if (!take_header(&cursor, &item) || item.kind != KIND_STRING)
            return false;
        const uint8_t *name = cursor.at;
        if (!skip_bytes(&cursor, item.count))
            return false;
        if (item.count != strlen(key) || memcmp(name, key, item.count) != 0) {
            if (!scan_value(&cursor, 1))
                return false;
            continue;
        }
        if (!take_header(&cursor, &item) || item.kind != KIND_STRING || item.count > left(&cursor))
            return false;
        *value = (const char *)cursor.at;
        *value_size = item.count;
        return true;
    }
    return false;
}
