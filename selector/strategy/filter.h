/*
 * filter.h - what deserves no money whatever the strategy says: near-duplicates of what is known or picked, and junk. Private
 * to strategy/.
 */
#pragma once

#include "selector/strategy/job.h"

struct select_filter;

/*
 * The filter that the policy asks for, with all that is known and picked in it; NULL in `filter` where it asks for none. Radii
 * are found from a sample of the candidates. Free with select_filter_free.
 */
enum select_status select_filter_new(const struct select_job *job, struct select_filter **filter);
void select_filter_free(struct select_filter **filter);

/* Output: whether `slot` is to be kept out, counted in the job's stats if so. A sample without an embedding never is. */
enum kernel_status select_filter_refuses(
    struct select_filter *filter, uint32_t slot, struct select_stats *stats, bool *refused);

/* Notes a pick. False without memory. */
bool select_filter_add(struct select_filter *filter, uint32_t slot);
