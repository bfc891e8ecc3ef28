/*
 * cover.h - greedy weighted coverage per dollar. Private to strategy/.
 */
#pragma once

#include "selector/strategy/points.h"

/*
 * Picks from candidates slots[0..count), which rise and hold all of the points' slots, what raises the coverage of `points`
 * most for its price, with the guard of guard.h, until the policy's bounds are met; see kernel/coverage.h for the objective. A
 * candidate without an embedding is worth what its own label is. Isolated points are kept out, and near-duplicates where
 * points->spacing says how near. Raises points->cover.
 */
enum select_status select_cover(struct select_job *job, struct select_points *points, const uint32_t *slots, size_t count);
