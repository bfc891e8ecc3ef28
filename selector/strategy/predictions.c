#include "selector/strategy/predictions.h"

#include "selector/kernel/draws.h"
#include "selector/kernel/multi_label.h"

#include <stdlib.h>

static const enum kernel_aggregate aggregates[] = {
    [SELECT_AGGREGATE_MAX] = KERNEL_AGGREGATE_MAX,
    [SELECT_AGGREGATE_MEAN] = KERNEL_AGGREGATE_MEAN,
    [SELECT_AGGREGATE_SUM] = KERNEL_AGGREGATE_SUM,
};

/* --- objects ------------------------------------------------------------------------------------------------------------ */

/* One kind of score over the objects of a sample. */
struct aggregate {
    double most;
    double sum;
};

static void aggregate_add(struct aggregate *aggregate, double score)
{
    aggregate->most = score > aggregate->most ? score : aggregate->most;
    aggregate->sum += score;
}

static double aggregate_of(const struct aggregate *aggregate, enum select_aggregate how, size_t count)
{
    if (how == SELECT_AGGREGATE_SUM)
        return aggregate->sum;
    return how == SELECT_AGGREGATE_MEAN ? aggregate->sum / (double)count : aggregate->most;
}

/* Sample i's scores from those of its objects; its class is that of the surest object, the first of equals. */
static void join_objects(struct select_job *job, const struct kernel_scores *objects, size_t i)
{
    enum select_aggregate how = job->policy->parameters.aggregate;
    struct aggregate doubt = {0}, margin = {0}, entropy = {0};
    size_t count = 0;
    float surest = -1;
    job->predicted[i] = -1;
    for (size_t o = (size_t)job->input->object_first[i]; o < (size_t)job->input->object_first[i + 1]; o++) {
        if (objects->predicted[o] < 0)
            continue;
        count++;
        aggregate_add(&doubt, 1 - (double)objects->first[o]);
        aggregate_add(&margin, 1 - ((double)objects->first[o] - (double)objects->second[o]));
        if (objects->entropy != NULL)
            aggregate_add(&entropy, (double)objects->entropy[o]);
        if (objects->first[o] > surest) {
            surest = objects->first[o];
            job->predicted[i] = objects->predicted[o];
        }
    }
    /* So that 1 - first and 1 - (first - second) are the aggregated scores. */
    double least = count > 0 ? aggregate_of(&doubt, how, count) : 0;
    job->first[i] = (float)(1 - least);
    job->second[i] = count > 0 ? (float)(aggregate_of(&margin, how, count) - least) : 0;
    if (objects->entropy != NULL)
        job->entropy[i] = count > 0 ? (float)aggregate_of(&entropy, how, count) : 0;
}

static enum select_status score_objects(struct select_job *job, double temperature, bool entropy)
{
    size_t count = job->input->objects->count;
    struct kernel_scores objects = {
        .first = malloc((count + 1) * sizeof *objects.first),
        .second = malloc((count + 1) * sizeof *objects.second),
        .predicted = malloc((count + 1) * sizeof *objects.predicted),
        .entropy = entropy ? malloc((count + 1) * sizeof *objects.entropy) : NULL,
    };
    enum select_status status = SELECT_NO_MEMORY;
    if (objects.first == NULL || objects.second == NULL || objects.predicted == NULL || (entropy && objects.entropy == NULL))
        goto done;
    status = select_status_of(kernel_scores_dense(job->team, job->input->objects, temperature, &objects));
    for (size_t i = 0; status == SELECT_OK && i < job->input->n; i++)
        join_objects(job, &objects, i);
done:
    free(objects.first);
    free(objects.second);
    free(objects.predicted);
    free(objects.entropy);
    return status;
}

/* --- all ---------------------------------------------------------------------------------------------------------------- */

static enum select_status score_rows(const struct select_job *job, double temperature, const struct kernel_scores *out)
{
    const struct select_input *input = job->input;
    enum kernel_aggregate aggregate = aggregates[job->policy->parameters.aggregate];
    if (input->probabilities != NULL && input->multi_label)
        return select_status_of(kernel_scores_multi_label(job->team, input->probabilities, temperature, aggregate, out));
    if (input->probabilities != NULL)
        return select_status_of(kernel_scores_dense(job->team, input->probabilities, temperature, out));
    if (input->multi_label)
        return select_status_of(
            kernel_scores_multi_label_topk(job->team, input->topk, input->classes, temperature, aggregate, out));
    return select_status_of(kernel_scores_topk(job->team, input->topk, input->classes, temperature, out));
}

/* Of the draws' mean, as it is. */
static enum select_status score_draws(const struct select_job *job, const struct kernel_scores *out)
{
    struct kernel_draw_scores scores = {
        .first = out->first, .second = out->second, .predicted = out->predicted, .entropy = out->entropy};
    return select_status_of(kernel_draws(job->team, job->input->draws, job->input->draw_count, &scores));
}

static bool make_room(struct select_job *job, bool entropy)
{
    size_t n = job->input->n + 1;
    if (job->first == NULL)
        job->first = malloc(n * sizeof *job->first);
    if (job->second == NULL)
        job->second = malloc(n * sizeof *job->second);
    if (job->predicted == NULL)
        job->predicted = malloc(n * sizeof *job->predicted);
    if (job->entropy == NULL && entropy)
        job->entropy = malloc(n * sizeof *job->entropy);
    return job->first != NULL && job->second != NULL && job->predicted != NULL && (!entropy || job->entropy != NULL);
}

enum select_status select_job_scores(struct select_job *job, double temperature, bool entropy)
{
    const struct select_input *input = job->input;
    if (input->probabilities == NULL && input->topk == NULL && input->objects == NULL && input->draws == NULL)
        return SELECT_OK;
    if (!make_room(job, entropy))
        return SELECT_NO_MEMORY;
    struct kernel_scores out = {
        .first = job->first, .second = job->second, .predicted = job->predicted, .entropy = entropy ? job->entropy : NULL};
    enum select_status status;
    if (input->probabilities != NULL || input->topk != NULL)
        status = score_rows(job, temperature, &out);
    else if (input->objects != NULL)
        status = score_objects(job, temperature, entropy);
    else
        status = score_draws(job, &out);
    /* A class that the project does not have (top-k indices are the caller's) is no prediction. */
    for (size_t i = 0; status == SELECT_OK && i < input->n; i++) {
        if (job->predicted[i] >= 0 && (size_t)job->predicted[i] >= input->classes)
            job->predicted[i] = -1;
    }
    return status;
}
