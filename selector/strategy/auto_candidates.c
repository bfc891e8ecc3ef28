/*
 * auto_candidates.c - which candidates are looked at closely.
 */
#include "selector/kernel/random.h"
#include "selector/kernel/sort.h"
#include "selector/strategy/auto.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CANDIDATES_DEFAULT = 16384 };

static int compare_slots(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/*
 * Adds candidates that are not `in` by chance up to `most`, one of each predicted class in turn, so that rare classes are there
 * to be found.
 */
static enum select_status add_stratified(
    const struct select_job *job, const uint8_t *in, uint32_t *slots, size_t *count, size_t most)
{
    size_t n = job->candidate_count;
    double *keys = malloc((n + 1) * sizeof *keys);
    uint32_t *order = malloc((n + 1) * sizeof *order);
    size_t *turns = calloc(job->input->classes + 1, sizeof *turns);
    enum select_status status = SELECT_NO_MEMORY;
    if (keys == NULL || order == NULL || turns == NULL)
        goto done;
    for (size_t i = 0; i < n; i++)
        keys[i] = in[i] ? -1 : kernel_random_uniform(job->policy->seed, STREAM_CANDIDATES, job->candidates[i]);
    if (!kernel_sort_falling(keys, n, order))
        goto done;
    /* The turn of a candidate among those of its class, in random order; whole turns go first. */
    for (size_t i = 0; i < n; i++) {
        int32_t predicted = job->predicted != NULL ? job->predicted[job->candidates[order[i]]] : -1;
        double turn = in[order[i]] ? HUGE_VAL : (double)turns[predicted + 1]++;
        keys[order[i]] = -turn - (double)i / (double)(n + 1);
    }
    if (kernel_team_stopped(job->team)) {
        status = SELECT_CANCELED;
        goto done;
    }
    if (!kernel_sort_falling(keys, n, order))
        goto done;
    for (size_t i = 0; i < n && *count < most && !in[order[i]]; i++)
        slots[(*count)++] = job->candidates[order[i]];
    status = SELECT_OK;
done:
    free(keys);
    free(order);
    free(turns);
    return status;
}

enum select_status select_auto_candidates(const struct select_job *job, uint32_t **slots, size_t *count)
{
    size_t n = job->candidate_count;
    size_t most = job->policy->candidates_max > 0 ? job->policy->candidates_max : CANDIDATES_DEFAULT;
    double *keys = malloc((n + 1) * sizeof *keys);
    uint32_t *order = malloc((n + 1) * sizeof *order);
    uint8_t *in = calloc(n + 1, sizeof *in);
    *slots = malloc((n + 1) * sizeof **slots);
    *count = 0;
    enum select_status status = SELECT_NO_MEMORY;
    if (keys == NULL || order == NULL || in == NULL || *slots == NULL)
        goto done;
    status = SELECT_OK;
    if (n <= most) {
        memcpy(*slots, job->candidates, n * sizeof **slots);
        *count = n;
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        keys[i] = select_job_worth(job, job->candidates[i]) / select_job_dollars(job, job->candidates[i]);
    status = kernel_sort_falling(keys, n, order) ? SELECT_OK : SELECT_NO_MEMORY;
    for (size_t i = 0; status == SELECT_OK && i < most / 2; i++) {
        in[order[i]] = 1;
        (*slots)[(*count)++] = job->candidates[order[i]];
    }
    if (status == SELECT_OK && kernel_team_stopped(job->team))
        status = SELECT_CANCELED;
    if (status == SELECT_OK)
        status = add_stratified(job, in, *slots, count, most);
    if (status == SELECT_OK)
        qsort(*slots, *count, sizeof **slots, compare_slots);
done:
    free(keys);
    free(order);
    free(in);
    return status;
}
