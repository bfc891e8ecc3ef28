/*
 * quota.h - what the picks of each kind, a predicted class or a tag, take of a batch, and whether more of them may come.
 * Private to strategy/.
 */
#pragma once

#include "selector/strategy/job.h"

/* Of each of the policy's shares: the picks of its kind. */
struct select_quota {
    int64_t cost;
    size_t count;
};

/* Whether a sample is of the kind that a share is about. */
bool select_quota_is_of(const struct select_job *job, const struct select_share *share, uint32_t slot);

/* Whether no maximum share forbids this sample. */
bool select_quota_fits(const struct select_job *job, uint32_t slot);

/* Whether share number `index` has its minimum. */
bool select_quota_met(const struct select_job *job, size_t index);

/* Counts a pick, or takes it back. */
void select_quota_add(struct select_job *job, uint32_t slot);
void select_quota_remove(struct select_job *job, uint32_t slot);
