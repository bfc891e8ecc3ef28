#include "selector/hash.h"

#include <xxhash.h>

void hash_bytes(const void *bytes, size_t size, uint64_t hash[2])
{
    const XXH128_hash_t value = XXH3_128bits(bytes, size);
    hash[0] = value.low64;
    hash[1] = value.high64;
}
