/*
 * fill.h - from a source of candidates to picks: minimum shares, then merit, then spares, under money, count, groups, maximum
 * shares and filters. Private to strategy/.
 */
#pragma once

#include "selector/kernel/status.h"
#include "selector/strategy/picks.h"

typedef bool select_accept_fn(void *context, uint32_t slot);

/* Something that gives candidates, the best next one first. Its functions follow kernel_kcenter's, with slots for indices. */
struct select_source {
    void *self;
    void (*rewind)(void *self, select_accept_fn *accept, void *context);
    enum kernel_status (*next)(void *self, select_accept_fn *accept, void *context, uint32_t *slot, struct select_worth *worth);
    enum kernel_status (*take)(void *self, uint32_t slot);
};

/*
 * Picks from `source` until money, count or candidates end: first what the policy's minimum shares ask for, then by merit, then
 * the spares. `in_turn`: a candidate that cannot be paid for ends the picks in place of being passed over.
 */
enum select_status select_fill(struct select_job *job, struct select_source *source, bool in_turn);
