/*
 * hits.h - which of many numbers are no greater than a cut.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* hits[0..) = the places of values[0..count) that are not above `cut`, rising; what is no number may be anything, and is one of
 * them. Returns how many; `hits` has room for `count`. */
size_t kernel_hits(const float *values, size_t count, float cut, uint32_t *hits);
