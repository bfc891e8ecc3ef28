/*
 * hash.h - 128-bit hashes of requests, to tell a retry from another request under the same id.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* XXH3-128 of the bytes. */
void hash_bytes(const void *bytes, size_t size, uint64_t hash[2]);
