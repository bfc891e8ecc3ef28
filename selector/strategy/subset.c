#include "selector/strategy/subset.h"

#include "selector/kernel/vector.h"

size_t select_thin(const uint32_t *slots, size_t count, size_t want, uint32_t *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (count <= want || i * want / count != (i + 1) * want / count)
            out[kept++] = slots[i];
    }
    return kept;
}

static bool embedded(const struct select_job *job, uint32_t slot)
{
    return kernel_row(job->input->embeddings, slot) != NULL;
}

size_t select_list_candidates(const struct select_job *job, uint32_t *out)
{
    size_t count = 0;
    for (size_t i = 0; i < job->candidate_count; i++) {
        if (embedded(job, job->candidates[i]))
            out[count++] = job->candidates[i];
    }
    return count;
}

size_t select_list_embedded(const struct select_job *job, uint32_t *out)
{
    size_t count = 0;
    for (uint32_t i = 0; i < job->input->n; i++) {
        if (embedded(job, i))
            out[count++] = i;
    }
    return count;
}

size_t select_list_known(const struct select_job *job, uint32_t *out)
{
    size_t count = 0;
    for (uint32_t i = 0; i < job->input->n; i++) {
        if (select_job_known(job, i) && embedded(job, i))
            out[count++] = i;
    }
    return count;
}

size_t select_list_pool(const struct select_job *job, uint32_t *out, uint32_t *candidate)
{
    size_t count = 0;
    size_t next = 0;
    for (uint32_t i = 0; i < job->input->n; i++) {
        bool is_candidate = next < job->candidate_count && job->candidates[next] == i;
        next += is_candidate;
        if (!embedded(job, i) || !(is_candidate || select_job_known(job, i)))
            continue;
        if (candidate != NULL)
            candidate[count] = is_candidate ? (uint32_t)(next - 1) : UINT32_MAX;
        out[count++] = i;
    }
    return count;
}
