/*
 * order.h - picks by a worth that does not change as others are picked: one list, sorted as far as it is read. Private to
 * strategy/.
 */
#pragma once

#include "selector/strategy/job.h"

/* As select_fill by falling keys[i] of candidates[i]; gains[i] is reported, and chances[i] as its probability (NULL: 0). */
enum select_status select_fill_by(
    struct select_job *job, const double *keys, const double *gains, const double *chances, bool in_turn);

/* Picks by falling gain per dollar; gains[i] is that of candidates[i]. Their sum is the objective. */
enum select_status select_rank(struct select_job *job, const double *gains);
