/*
 * subset.h - lists of slots that strategies start from. Private to strategy/.
 */
#pragma once

#include "selector/strategy/job.h"

/* Evenly spaced `want` of `count` slots, all where there are no more, in their order. Returns how many. `out` may be `slots`.
 */
size_t select_thin(const uint32_t *slots, size_t count, size_t want, uint32_t *out);

/* The candidates, and all samples, that have an embedding, rising. Return how many; `out` has room for the input's n. */
size_t select_list_candidates(const struct select_job *job, uint32_t *out);
size_t select_list_embedded(const struct select_job *job, uint32_t *out);

/* Samples with an embedding that are labelled, in flight or picked already, rising. */
size_t select_list_known(const struct select_job *job, uint32_t *out);

/* Those and the candidates that have an embedding, rising. Output unless NULL: candidate[i], the index into job->candidates of
 * the i-th, UINT32_MAX for what is no candidate. */
size_t select_list_pool(const struct select_job *job, uint32_t *out, uint32_t *candidate);
