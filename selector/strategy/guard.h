/*
 * guard.h - the guard of greed by gain per dollar: where one dear sample alone is worth more than all that was bought, the
 * batch starts with it. Private to strategy/.
 *
 * The better of the two is within (1 - 1/e) / 2 of the best set, for objectives that are monotone and submodular (Leskovec and
 * others, "Cost-effective outbreak detection in networks", KDD 2007). It is left out where minimum shares have a say in what is
 * bought, and where a filter has, which remembers picks; and in a round that others follow.
 */
#pragma once

#include "selector/strategy/fill.h"

/*
 * Whether one of the samples slots[0..count), which adds alone[i] by itself (below 0: it is kept out), adds more than the picks
 * from number `kept` on do together, and could be paid in their place. Output: the one that adds most, the lowest of equals.
 */
bool select_guard(struct select_job *job, size_t kept, const uint32_t *slots, const float *alone, size_t count, uint32_t *slot);

/* Takes back the picks from number `kept` on and picks `slot` from `source`, which starts anew. The iteration goes on from
 * there. */
enum select_status select_guard_start(struct select_job *job, size_t kept, struct select_source *source, uint32_t slot);
