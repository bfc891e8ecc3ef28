/*
 * gradient.c - expected gradient length of the last layer, whose input the embeddings are taken to be; kernel/gradient.h has
 * the formula and the paper. Ordered by length per dollar.
 */
#include "selector/kernel/gradient.h"
#include "selector/strategy/order.h"
#include "selector/strategy/strategies.h"

#include <stdlib.h>

enum select_status select_run_gradient_length(struct select_job *job)
{
    const struct select_input *input = job->input;
    double *length = malloc((input->n + 1) * sizeof *length);
    double *gains = malloc((job->candidate_count + 1) * sizeof *gains);
    enum select_status status = SELECT_NO_MEMORY;
    if (length == NULL || gains == NULL)
        goto done;
    select_job_pass(job, 0, 0.8);
    status = select_status_of(kernel_gradient_length(job->team, input->probabilities, input->embeddings, length));
    if (status != SELECT_OK)
        goto done;
    for (size_t i = 0; i < job->candidate_count; i++)
        gains[i] = length[job->candidates[i]];
    status = select_rank(job, gains);
done:
    free(length);
    free(gains);
    return status;
}
