/*
 * random.h - random numbers by counter: the i-th number of a stream needs no other, so it depends on the seed and i alone.
 *
 * The mixing function is the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
 * OOPSLA 2014).
 */
#pragma once

#include <stdint.h>

static inline uint64_t kernel_random_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

/* 64 random bits: number `counter` of stream `stream` of `seed`. */
static inline uint64_t kernel_random_bits(uint64_t seed, uint64_t stream, uint64_t counter)
{
    uint64_t key = kernel_random_mix(kernel_random_mix(seed + 0x9e3779b97f4a7c15U) ^ (stream * 0xd1342543de82ef95U + 1));
    return kernel_random_mix(key + (counter + 1) * 0x9e3779b97f4a7c15U);
}

/* Uniform in (0, 1), never an end. */
static inline double kernel_random_uniform(uint64_t seed, uint64_t stream, uint64_t counter)
{
    return ((double)(kernel_random_bits(seed, stream, counter) >> 11) + 0.5) * 0x1p-53;
}
