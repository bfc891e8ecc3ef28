/*
 * tests.h - what every cmocka program includes first, in the order cmocka wants, and a random number generator that can be
 * replayed from the seed it prints.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* splitmix64: small, good enough to mutate bytes, the same everywhere. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* The seed of random tests: fixed, or CURATED_TEST_SEED; printed, so that a failure can be repeated. */
static inline uint64_t random_seed(const char *test)
{
    const char *given = getenv("CURATED_TEST_SEED");
    const uint64_t seed = given ? strtoull(given, NULL, 0) : 20240517;
    printf("# %s: seed %llu (CURATED_TEST_SEED sets it)\n", test, (unsigned long long)seed);
    return seed;
}
