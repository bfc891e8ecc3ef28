/*
 * picks.h - the picks that a job has made so far: what they cost, and what may still come. Private to strategy/.
 */
#pragma once

#include "selector/strategy/job.h"

/* Whether the group rule and the maximum shares let `slot` in. */
bool select_picks_fit(const struct select_job *job, uint32_t slot);

/* Money left for picks. */
int64_t select_picks_money_left(const struct select_job *job);

/* Whether the batch has all that the count and the money allow. */
bool select_picks_full(const struct select_job *job);

/* What one pick is worth, and how it came to be picked. */
struct select_worth {
    enum select_arm arm;
    const struct select_share *share; /* that it fills; NULL: none */
    double probability;
    double gain;
    double utility;
};

/* Appends a pick, or a spare once `spare` is true. False without memory. */
bool select_picks_add(struct select_job *job, uint32_t slot, const struct select_worth *worth, bool spare);

/* Takes back every pick after the first `count`, and all spares; not for a job with a filter. */
void select_picks_undo(struct select_job *job, size_t count);

/* Makes the sum of the picks' gains the objective. */
void select_picks_sum_gains(struct select_job *job);
