/*
 * key.h - keys of the store's tables: big-endian integers and text, so that LMDB's byte order is the order we mean.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { KEY_SIZE_MAX = 400 }; /* LMDB's own limit is 511 */

/* A key under construction. Start from `key_project` or `(struct key){0}`. What would not fit is left out: no caller comes near
 * the limit. */
struct key {
    size_t size;
    uint8_t bytes[KEY_SIZE_MAX];
};

static inline void key_add_u8(struct key *key, uint8_t value)
{
    if (key->size < KEY_SIZE_MAX)
        key->bytes[key->size++] = value;
}

static inline void key_add_u32(struct key *key, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        key_add_u8(key, (uint8_t)(value >> shift));
}

static inline void key_add_u64(struct key *key, uint64_t value)
{
    key_add_u32(key, (uint32_t)(value >> 32));
    key_add_u32(key, (uint32_t)value);
}

static inline void key_add_text(struct key *key, const void *bytes, size_t size)
{
    if (size > 0 && size <= KEY_SIZE_MAX - key->size) {
        memcpy(key->bytes + key->size, bytes, size);
        key->size += size;
    }
}

/* The common first part of nearly every key. */
static inline struct key key_project(uint32_t project)
{
    struct key key;
    key.size = 0;
    key_add_u32(&key, project);
    return key;
}

static inline uint32_t key_read_u32(const void *bytes)
{
    const uint8_t *at = bytes;
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint64_t key_read_u64(const void *bytes)
{
    return (uint64_t)key_read_u32(bytes) << 32 | key_read_u32((const uint8_t *)bytes + 4);
}
