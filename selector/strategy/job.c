#include "selector/strategy/job.h"

#include "selector/kernel/vector.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void select_job_pass(struct select_job *job, double from, double to)
{
    select_job_counted_pass(job, from, to, NULL, 0);
}

void select_job_counted_pass(struct select_job *job, double from, double to, const atomic_size_t *done, size_t steps)
{
    job->pass_from = from;
    job->pass_to = to;
    job->pass_done = done;
    job->pass_steps = steps;
}

double select_job_slice_weight(const struct select_job *job, uint32_t slot)
{
    if (job->input->tags == NULL || job->policy->tag_weight == NULL)
        return 1;
    double weight = 1;
    for (uint64_t tags = job->input->tags[slot]; tags != 0; tags &= tags - 1)
        weight *= job->policy->tag_weight[__builtin_ctzll(tags)];
    return weight < 0.0625 ? 0.0625 : weight > 16 ? 16 : weight;
}

double select_job_class_weight(const struct select_job *job, uint32_t slot)
{
    if (job->class_weight == NULL || job->predicted == NULL || job->predicted[slot] < 0)
        return 1;
    return job->class_weight[job->predicted[slot]];
}

double select_job_worth(const struct select_job *job, uint32_t slot)
{
    double uncertainty = job->uncertainty != NULL ? (double)job->uncertainty[slot] : 1;
    return uncertainty * select_job_class_weight(job, slot) * select_job_slice_weight(job, slot);
}

double select_per_dollar(const struct select_job *job, uint32_t slot, double gain)
{
    double dollars = select_job_dollars(job, slot);
    return gain > 0 ? gain / dollars : gain * dollars;
}

void select_job_keep_open(struct select_job *job)
{
    size_t kept = 0;
    for (size_t i = 0; i < job->candidate_count; i++) {
        if (!job->picked[job->candidates[i]])
            job->candidates[kept++] = job->candidates[i];
    }
    job->candidate_count = kept;
}

void select_job_keep_embedded(struct select_job *job)
{
    size_t kept = 0;
    for (size_t i = 0; i < job->candidate_count; i++) {
        if (kernel_row(job->input->embeddings, job->candidates[i]) != NULL)
            job->candidates[kept++] = job->candidates[i];
    }
    job->candidate_count = kept;
}

enum select_status select_fail(
    struct select_error *error, enum select_status status, const char *field, const char *expected, const char *got_format, ...)
{
    if (error == NULL)
        return status;
    error->field = field;
    snprintf(error->expected, sizeof error->expected, "%s", expected);
    va_list arguments;
    va_start(arguments, got_format);
    vsnprintf(error->got, sizeof error->got, got_format, arguments);
    va_end(arguments);
    return status;
}

enum select_status select_status_of(enum kernel_status status)
{
    switch (status) {
    case KERNEL_STOPPED:
        return SELECT_CANCELED;
    case KERNEL_NO_MEMORY:
        return SELECT_NO_MEMORY;
    case KERNEL_OK:
    case KERNEL_END:
        break;
    }
    return SELECT_OK;
}
