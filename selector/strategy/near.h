/*
 * near.h - near-duplicates: rows that new ones are compared with. Private to strategy/.
 */
#pragma once

#include "selector/kernel/rows.h"
#include "selector/kernel/status.h"
#include "selector/kernel/team.h"

#include <stdbool.h>

/* Sorted by length, so that few have to be compared. Borrows its arguments; NULL without memory. */
struct select_near;
struct select_near *select_near_new(
    struct kernel_team *team, const struct kernel_rows *rows, const float *origin, double distance2);
void select_near_free(struct select_near **near);
/* Adds the rows that it has at first: present ones, by rising slot. */
enum kernel_status select_near_begin(struct select_near *near, const uint32_t *slots, size_t count);
/* False without memory. */
bool select_near_add(struct select_near *near, uint32_t slot);
/* Output: whether a row that was added is within the distance of row `slot`. */
enum kernel_status select_near_has(struct select_near *near, uint32_t slot, bool *has);
