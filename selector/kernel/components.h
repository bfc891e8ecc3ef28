/*
 * components.h - groups of rows that hang together by near pairs: single linkage, cut at one distance.
 */
#pragma once

#include "selector/kernel/rows.h"
#include "selector/kernel/status.h"
#include "selector/kernel/team.h"

#include <stdatomic.h>
#include <stdint.h>

/*
 * first[i] = the lowest j such that row slots[j] is joined to row slots[i] by a chain of pairs at a squared distance below
 * radius2 (kernel_distance2). The rows are present. `seed` is the sketch's; the groups do not depend on it. *done: 0 at first,
 * then how many of kernel_ball_pairs_steps are done, for a progress callback.
 */
enum kernel_status kernel_components(struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *slots,
    size_t count, float radius2, uint64_t seed, uint32_t *first, atomic_size_t *done);
