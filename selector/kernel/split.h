/*
 * split.h - points put into an order in which near ones are often close together: a k-d tree's leaves (Bentley,
 * "Multidimensional binary search trees used for associative searching", CACM 1975), each of `leaf` points but the last.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* order[0..count) is a permutation, changed in place, of points values[i * stride .. + width), i < count. Takes O(count log
 * count). */
void kernel_split(const float *values, size_t count, size_t width, size_t stride, size_t leaf, uint32_t *order);
