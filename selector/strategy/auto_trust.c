/*
 * auto_trust.c - which reference points deserve no money: outliers, and what lies where answers were "none of these".
 */
#include "selector/kernel/vector.h"
#include "selector/strategy/auto.h"
#include "selector/strategy/scale.h"
#include "selector/strategy/subset.h"
#include "selector/strategy/usual.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* OTHERS: points among which neighbours are looked for, as many as the filters of other strategies take. */
enum { VOTES_MIN = 1, OTHERS = 3000 };

static const float wide = 4;

enum select_status select_auto_isolate(struct select_points *points, const struct select_job *job)
{
    size_t count = points->points.count;
    float *distances = malloc((count + 1) * sizeof *distances);
    float *scratch = malloc((count + 1) * sizeof *scratch);
    uint32_t *others = malloc((count + 1) * sizeof *others);
    enum select_status status = SELECT_NO_MEMORY;
    if (distances == NULL || scratch == NULL || others == NULL)
        goto done;
    struct kernel_subset set = {
        job->input->embeddings, others, select_thin(points->slots, count, OTHERS, others), points->origin};
    status =
        select_status_of(kernel_neighbor_distance(job->team, &points->points, points->slots, &set, USUAL_NEIGHBOR, distances));
    if (status != SELECT_OK)
        goto done;
    float isolation;
    select_usual_bounds(distances, count, scratch, &points->spacing, &isolation);
    for (size_t i = 0; i < count && job->policy->junk != SELECT_FILTER_OFF; i++) {
        points->isolated[i] = isfinite(distances[i]) && distances[i] > isolation;
        points->weight[i] = points->isolated[i] ? 0 : points->weight[i];
    }
done:
    free(distances);
    free(scratch);
    free(others);
    return status;
}

/* share[i] = the share of classes among the answers around point i, the least of that at several scales. */
static enum select_status vote(const struct select_points *points, const struct select_job *job,
    const struct kernel_subset *refused, const struct kernel_subset *answered, float *share)
{
    const float scales[] = {points->scale, wide * points->scale};
    enum { SCALES = sizeof scales / sizeof *scales };
    size_t count = points->points.count;
    float *against = malloc((SCALES * count + 1) * sizeof *against);
    float *in_favor = malloc((SCALES * count + 1) * sizeof *in_favor);
    enum select_status status = SELECT_NO_MEMORY;
    if (against == NULL || in_favor == NULL)
        goto done;
    status = select_status_of(kernel_density(job->team, &points->points, refused, scales, SCALES, against));
    if (status == SELECT_OK)
        status = select_status_of(kernel_density(job->team, &points->points, answered, scales, SCALES, in_favor));
    for (size_t i = 0; status == SELECT_OK && i < count; i++) {
        share[i] = 1;
        for (size_t at = i; at < SCALES * count; at += count)
            share[i] = fminf(share[i], (VOTES_MIN + in_favor[at]) / (VOTES_MIN + in_favor[at] + against[at]));
    }
done:
    free(against);
    free(in_favor);
    return status;
}

/*
 * "None of these" is evidence about the neighbourhood: a point's weight falls with the square of the share of classes among the
 * answers around it. The vote is taken near by and in a wider circle, and the less favourable counts: a tight clump of junk
 * among good samples shows in the first, a whole strange region in the second. One imagined answer "a class" stands everywhere,
 * and real ones vote too, so one refusal beside a rare class does not silence it.
 */
enum select_status select_auto_heed(struct select_points *points, const struct select_job *job)
{
    const struct select_input *input = job->input;
    size_t count = points->points.count;
    uint32_t *slots = malloc((input->n + 1) * sizeof *slots);
    float *share = malloc((count + 1) * sizeof *share);
    enum select_status status = SELECT_NO_MEMORY;
    if (slots == NULL || share == NULL)
        goto done;
    /* Refused ones fill the list from the front, answered ones from the back. */
    size_t refused = 0;
    size_t answered = input->n;
    for (size_t i = input->n; i-- > 0;) {
        if (input->state[i] == SELECT_LABELED && kernel_row(input->embeddings, i) != NULL)
            slots[--answered] = (uint32_t)i;
    }
    for (size_t i = 0; i < input->n; i++) {
        if (input->state[i] == SELECT_REFUSED && kernel_row(input->embeddings, i) != NULL)
            slots[refused++] = (uint32_t)i;
    }
    status = SELECT_OK;
    if (refused == 0)
        goto done;
    struct kernel_subset no = {input->embeddings, slots, refused, points->origin};
    struct kernel_subset yes = {input->embeddings, slots + answered, input->n - answered, points->origin};
    status = vote(points, job, &no, &yes, share);
    for (size_t i = 0; status == SELECT_OK && i < count; i++)
        points->weight[i] *= share[i] * share[i];
done:
    free(slots);
    free(share);
    return status;
}
