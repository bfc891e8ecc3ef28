/*
 * near.h - near-duplicates: rows that new ones are compared with. Private to strategy/.
 */
#pragma once

#include "selector/kernel/rows.h"

#include <stdbool.h>

/* Sorted by length, so that few have to be compared. */
struct select_near;
struct select_near *select_near_new(const struct kernel_rows *rows, const float *origin, double distance2);
void select_near_free(struct select_near **near);
/* False without memory. */
bool select_near_add_all(struct select_near *near, const uint32_t *slots, size_t count);
bool select_near_add(struct select_near *near, uint32_t slot);
/* Whether a row that was added is within the distance of row `slot`. */
bool select_near_has(struct select_near *near, uint32_t slot);
