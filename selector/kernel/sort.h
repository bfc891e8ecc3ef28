/*
 * sort.h - numbers of items in the order of their keys.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * order[0..count) = 0..count-1 by falling keys[i], equal keys by rising i. Linear time. Keys are not NaN. False without memory.
 */
bool kernel_sort_falling(const double *keys, size_t count, uint32_t *order);
