/*
 * auto.c - the default strategy: uncertainty coverage per dollar, and what stands in for it where columns are missing.
 *
 * The objective follows uncertainty herding (Bae, Oliveira and Sutherland, "Uncertainty herding: one active learning method for
 * all label budgets", ICLR 2025): see auto.h. Around it stand a control arm and what keeps money from duplicates and junk.
 */
#include "selector/strategy/auto.h"

#include "selector/kernel/random.h"
#include "selector/kernel/sort.h"
#include "selector/kernel/vector.h"
#include "selector/strategy/control.h"
#include "selector/strategy/cover.h"
#include "selector/strategy/groups.h"
#include "selector/strategy/order.h"
#include "selector/strategy/picks.h"
#include "selector/strategy/strategies.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Samples that stand for a large pool: what that loses is in docs/selection.md. As many as kernel/coverage keeps values of. */
enum { EXACT_MAX = 11585, SAMPLE = 8000, CHOICE = 4, ROUNDS = 4 };

/* The points, and the candidates without an embedding: of many of these, those of most worth per dollar. Output: slots, rising
 * (free it), and count. */
static enum select_status list_slots(
    const struct select_points *points, const struct select_job *job, uint32_t **slots, size_t *count)
{
    size_t others = 0;
    for (size_t i = 0; i < job->candidate_count; i++)
        others += kernel_row(job->input->embeddings, job->candidates[i]) == NULL;
    double *keys = malloc((others + 1) * sizeof *keys);
    uint32_t *order = malloc((others + 1) * sizeof *order);
    uint32_t *list = malloc((others + 1) * sizeof *list);
    enum select_status status = SELECT_NO_MEMORY;
    *slots = malloc((points->points.count + SAMPLE) * sizeof **slots);
    if (keys == NULL || order == NULL || list == NULL || *slots == NULL)
        goto done;
    size_t at = 0;
    for (size_t i = 0; i < job->candidate_count && at < others; i++) {
        if (kernel_row(job->input->embeddings, job->candidates[i]) != NULL)
            continue;
        keys[at] = select_per_dollar(job, job->candidates[i], select_job_worth(job, job->candidates[i]));
        list[at++] = job->candidates[i];
    }
    if (!kernel_sort_falling(keys, others, order))
        goto done;
    *count = points->points.count;
    memcpy(*slots, points->slots, *count * sizeof **slots);
    for (size_t i = 0; i < others && i < SAMPLE; i++)
        (*slots)[(*count)++] = list[order[i]];
    if (others > 0)
        kernel_sort_slots(*slots, *count);
    status = SELECT_OK;
done:
    free(keys);
    free(order);
    free(list);
    return status;
}

/* One round; `trust`: outliers and what lies where answers were "none of these" deserve no money. */
static enum select_status cover_round(struct select_job *job, bool trust, size_t want, const float *chance)
{
    struct select_points points = {0};
    uint32_t *slots = NULL;
    size_t count = 0;
    enum select_status status = select_points_init(&points, job, want, true, chance);
    if (status == SELECT_OK && trust)
        status = select_auto_isolate(&points, job);
    if (status == SELECT_OK && trust)
        status = select_auto_heed(&points, job);
    select_job_pass(job, 0.1, 0.4);
    if (status == SELECT_OK)
        status = select_points_cover(&points, job);
    if (status == SELECT_OK)
        status = list_slots(&points, job, &slots, &count);
    if (status == SELECT_OK)
        status = select_cover(job, &points, slots, count);
    free(slots);
    select_points_deinit(&points);
    return status;
}

/* How many picks a round makes, of `want` points that stand for the pool: a part of the points, so that there is enough to
 * choose among, and a part of the batch, so that it is chosen from several samples. */
static size_t picks_a_round(const struct select_job *job, size_t want)
{
    double cost = 0;
    for (size_t i = 0; i < job->candidate_count; i++)
        cost += select_job_dollars(job, job->candidates[i]) / (double)job->candidate_count;
    double picks = fmin((double)(job->policy->count - job->result->count), (double)select_picks_money_left(job) / 1e6 / cost);
    return (size_t)ceil(fmax(1, fmin(picks / ROUNDS, (double)want / CHOICE)));
}

/* Lists what has not been picked yet, and each one's chance to be a point; NULL where all of them are points. */
static enum select_status list_again(struct select_job *job, size_t want, float **chance)
{
    free(*chance);
    select_job_keep_open(job);
    return select_points_chances(job, want, chance);
}

/* Where points stand for the pool, each round draws new ones: a sample is no better than what is in it, and one that is covered
 * again and again stands for itself alone. */
static enum select_status run_coverage(struct select_job *job, bool trust)
{
    size_t want = job->policy->references_max;
    if (want == 0)
        want = job->candidate_count <= EXACT_MAX ? EXACT_MAX : SAMPLE;
    float *chance;
    enum select_status status = select_points_chances(job, want, &chance);
    size_t picks = chance != NULL ? picks_a_round(job, want) : SIZE_MAX;
    size_t listed = job->result->count; /* picks when the candidates were listed */
    bool last = chance == NULL;
    while (status == SELECT_OK) {
        size_t before = job->result->count;
        job->pick_limit = last ? SIZE_MAX : before + picks;
        status = cover_round(job, trust, want, chance);
        if (status != SELECT_OK || last || select_picks_full(job))
            break;
        /* By chances that were reckoned with what is picked by now, too few points may be drawn. */
        bool few = job->result->stats.references < (want + 1) / 2 && job->result->count > listed;
        /* What is left of the money buys nothing in this sample: one more shall do. */
        last = !few && job->result->count < before + picks;
        if (few || last) {
            status = list_again(job, want, &chance);
            listed = job->result->count;
            last = last || chance == NULL;
        }
    }
    free(chance);
    return status;
}

/* --- without embeddings ------------------------------------------------------------------------------------------------- */

/*
 * Makes worth per dollar a chance: an exponential waiting time at that rate, so that the first to come are a weighted sample.
 * One of each group comes before the second of any. False without memory.
 */
static bool by_chance(const struct select_job *job, double *keys)
{
    size_t n = job->candidate_count;
    uint32_t *order = malloc((n + 1) * sizeof *order);
    struct select_groups *turns = select_groups_new(n);
    bool ok = order != NULL && turns != NULL;
    for (size_t i = 0; ok && i < n; i++)
        keys[i] /= -log(kernel_random_uniform(job->policy->seed, STREAM_ORDER, job->candidates[i]));
    ok = ok && kernel_sort_falling(keys, n, order);
    for (size_t i = 0; ok && i < n; i++) {
        uint32_t group = job->input->group != NULL ? job->input->group[job->candidates[order[i]]] : 0;
        double turn = group != 0 ? (double)select_groups_count(turns, group) : 0;
        keys[order[i]] = -turn - (double)i / (double)(n + 1);
        if (group != 0)
            select_groups_add(turns, group);
    }
    free(order);
    select_groups_free(&turns);
    return ok;
}

/* Worth per dollar; with no prediction to tell samples apart, chance stratified by group, the cheaper the likelier. */
static enum select_status run_ranked(struct select_job *job)
{
    double *gains = malloc((job->candidate_count + 1) * sizeof *gains);
    double *keys = malloc((job->candidate_count + 1) * sizeof *keys);
    enum select_status status = SELECT_NO_MEMORY;
    if (gains == NULL || keys == NULL)
        goto done;
    for (size_t i = 0; i < job->candidate_count; i++) {
        uint32_t slot = job->candidates[i];
        gains[i] = select_job_worth(job, slot);
        keys[i] = gains[i] / select_job_dollars(job, slot);
    }
    if (job->predicted == NULL && !by_chance(job, keys))
        goto done;
    status = select_fill_by(job, keys, gains, NULL, false);
    if (status == SELECT_OK)
        select_picks_sum_gains(job);
done:
    free(gains);
    free(keys);
    return status;
}

static bool any_embedded(const struct select_job *job)
{
    for (size_t i = 0; job->input->embeddings != NULL && i < job->candidate_count; i++) {
        if (kernel_row(job->input->embeddings, job->candidates[i]) != NULL)
            return true;
    }
    return false;
}

enum select_status select_run_auto(struct select_job *job)
{
    /* Between passes over all samples that no tile divides, the caller may stop it. */
    enum select_status status = select_auto_worth(job);
    if (status == SELECT_OK)
        status = kernel_team_stopped(job->team) ? SELECT_CANCELED : select_control(job);
    if (status == SELECT_OK && kernel_team_stopped(job->team))
        status = SELECT_CANCELED;
    if (status == SELECT_OK)
        status = any_embedded(job) ? run_coverage(job, true) : run_ranked(job);
    return status;
}

enum select_status select_run_coverage(struct select_job *job)
{
    select_job_keep_embedded(job);
    enum select_status status = select_auto_worth(job);
    return status == SELECT_OK ? run_coverage(job, false) : status;
}
