/*
 * finite.h - whether numbers are numbers: what everything else in kernel/ takes for granted.
 */
#pragma once

#include "selector/kernel/rows.h"
#include "selector/kernel/status.h"
#include "selector/kernel/team.h"

#include <stdbool.h>

/* Whether none of `count` elements at `values`, at any alignment, is infinite or no number. */
bool kernel_finite(const void *values, enum kernel_dtype dtype, size_t count);

/* Output: the first present row that has an element which is not finite, rows->count where there is none. */
enum kernel_status kernel_finite_rows(struct kernel_team *team, const struct kernel_rows *rows, size_t *row);
