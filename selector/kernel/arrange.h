/*
 * arrange.h - rows put in an order in which near ones are close together: by cluster, near clusters one after the other.
 */
#pragma once

#include "selector/kernel/rows.h"
#include "selector/kernel/status.h"
#include "selector/kernel/team.h"

/*
 * order[0..count) = 0..count-1 so that neighbours in the list slots[order[..]] are near each other: clusters of about `size`
 * rows, the rows of each in rising order. size > 0; `order` may be `slots`.
 */
enum kernel_status kernel_arrange(struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *slots, size_t count,
    size_t size, uint64_t seed, uint32_t *order);
