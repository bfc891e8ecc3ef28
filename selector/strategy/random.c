/*
 * random.c - selection by chance alone, and the control arm.
 *
 * Candidates stand in a random order and are taken in turn until one does not fit the money. The chance that a sample of cost c
 * is taken then is the mean over its place j of P(S_j <= money - c), S_j being the cost of the j samples before it: exact where
 * costs are equal, by the normal approximation of a sum drawn without replacement where they are not. The group rule and the
 * minimum shares are not in that figure: where they bind it is an approximation.
 */
#include "selector/kernel/random.h"
#include "selector/kernel/sort.h"
#include "selector/strategy/job.h"

#include <math.h>
#include <stdlib.h>

/* Mean and standard deviation of the candidates' costs, in micro-dollars. */
struct costs {
    double count;
    double mean;
    double deviation;
};

static struct costs costs_of(const struct select_job *job)
{
    struct costs costs = {.count = (double)job->candidate_count};
    int64_t cost = 0;
    for (size_t i = 0; i < job->candidate_count; i++) {
        select_job_cost(job, job->candidates[i], &cost);
        costs.mean += (double)cost / costs.count;
    }
    double squares = 0;
    for (size_t i = 0; i < job->candidate_count; i++) {
        select_job_cost(job, job->candidates[i], &cost);
        squares += ((double)cost - costs.mean) * ((double)cost - costs.mean);
    }
    costs.deviation = sqrt(squares / costs.count);
    return costs;
}

/* P(cost of the first j samples <= money). */
static double sum_within(const struct costs *costs, double j, double money)
{
    double mean = j * costs->mean;
    double left = 1 - j / costs->count;
    double deviation = costs->deviation * sqrt(j * (left > 0 ? left : 0));
    /* Half a millionth of a micro-dollar decides nothing but the rounding of equal sums. */
    if (deviation <= 1e-6 * (1 + mean))
        return mean <= money * (1 + 1e-12) + 1e-6 ? 1 : 0;
    return 0.5 * erfc((mean - money) / deviation / sqrt(2));
}

/* E[clamp((money - S) / cost, 0, 1)]: with `rounded`, a sample that fits in part is taken with that chance. */
static double chance_at(const struct costs *costs, double j, double money, double cost, bool rounded)
{
    enum { POINTS = 16 };
    if (!rounded || cost <= 0)
        return sum_within(costs, j, money - cost);
    if (costs->deviation <= 1e-9 * costs->mean) {
        double part = (money - j * costs->mean) / cost;
        return part < 0 ? 0 : part > 1 ? 1 : part;
    }
    double sum = 0;
    for (int i = 0; i < POINTS; i++)
        sum += sum_within(costs, j, money - cost * (i + 0.5) / POINTS);
    return sum / POINTS;
}

/* The chance that a sample of this cost is taken: the mean of chance_at over places 0..count-1, at most `places` being filled.
 */
static double inclusion(const struct costs *costs, double places, double money, double cost, bool rounded)
{
    enum { STEPS = 1024 };
    double end = places < costs->count ? places : costs->count;
    if (end <= STEPS) {
        double sum = 0;
        for (double j = 0; j < end; j++)
            sum += fmin(1, end - j) * chance_at(costs, j, money, cost, rounded);
        return sum / costs->count;
    }
    /* The chance is 1 up to near the place where the money ends and 0 beyond: only between are there steps to sum. */
    double turn = costs->mean > 0 ? money / costs->mean : end;
    double spread = costs->mean > 0 ? 8 * costs->deviation * sqrt(turn < end ? turn : end) / costs->mean + 2 : 0;
    double from = fmin(end, fmax(0, floor(turn - spread - cost / fmax(costs->mean, 1))));
    double to = fmin(end, ceil(turn + spread));
    double step = fmax(1, ceil((to - from) / STEPS));
    double sum = from;
    for (double j = from; j < to; j += step) {
        double weight = fmin(step, to - j);
        sum += weight * chance_at(costs, j + (weight - 1) / 2, money, cost, rounded);
    }
    return sum / costs->count;
}

static double money_of(int64_t budget)
{
    return budget == INT64_MAX ? HUGE_VAL : (double)budget;
}

static double places_of(size_t count)
{
    return count == SIZE_MAX ? HUGE_VAL : (double)count;
}

/* Keys that put the candidates in random order. */
static void draw(const struct select_job *job, enum select_stream stream, double *keys)
{
    for (size_t i = 0; i < job->candidate_count; i++)
        keys[i] = kernel_random_uniform(job->policy->seed, stream, job->candidates[i]);
}

/*
 * Fills in the probability of picks from..to-1. Exact: count of n without a money bound, and equal costs under one.
 * Approximate: unequal costs (the cost of those before is taken to be normal), and whatever groups, shares and filters change.
 * The same cost gives the same figure, so the last one is kept.
 */
static void record(struct select_job *job, size_t from, size_t to, double places, double money, bool rounded)
{
    struct costs costs = costs_of(job);
    int64_t last = -1;
    double probability = 0;
    for (size_t i = from; i < to; i++) {
        struct select_pick *pick = &job->result->picks[i];
        int64_t cost = 0;
        select_job_cost(job, pick->slot, &cost);
        if (cost != last)
            probability =
                isinf(money) ? fmin(1, places / costs.count) : inclusion(&costs, places, money, (double)cost, rounded);
        last = cost;
        pick->probability = probability < 1 ? probability : 1;
    }
}

enum select_status select_run_random(struct select_job *job)
{
    double *keys = malloc((job->candidate_count + 1) * sizeof *keys);
    double *gains = calloc(job->candidate_count + 1, sizeof *gains);
    enum select_status status = SELECT_NO_MEMORY;
    if (keys == NULL || gains == NULL)
        goto done;
    draw(job, STREAM_ORDER, keys);
    status = select_fill_by(job, keys, gains, NULL, true);
    if (status == SELECT_OK)
        record(job, 0, job->result->count + job->result->spare_count, places_of(job->policy->count),
            money_of(job->policy->budget), false);
done:
    free(keys);
    free(gains);
    return status;
}

/* Takes candidates in turn until the money is spent or there are as many picks as are wanted. */
static enum select_status take_control(struct select_job *job, struct kernel_order *order, double money, double whole)
{
    double spent = 0;
    for (size_t i = 0; i < job->candidate_count && (double)job->result->count < whole; i++) {
        if (!kernel_order_extend(order, i + 1))
            return SELECT_NO_MEMORY;
        uint32_t slot = job->candidates[order->items[i]];
        int64_t cost = 0;
        if (!select_job_fits(job, slot))
            continue;
        if (!select_job_cost(job, slot, &cost) || cost > select_job_money_left(job) || job->result->count >= job->policy->count)
            break;
        double over = spent + (double)cost - money;
        bool last = over > 0;
        if (last && kernel_random_uniform(job->policy->seed, STREAM_CONTROL_ROUND, 1) * (double)cost < over)
            break;
        if (!select_job_add(job, slot, &(struct select_worth){.arm = SELECT_ARM_CONTROL}, false))
            return SELECT_NO_MEMORY;
        spent += (double)cost;
        if (last)
            break;
    }
    return SELECT_OK;
}

/*
 * The control arm's part: of the money, or of the count where that is what has a bound. Both are rounded by chance, so that the
 * share holds over many batches even where it is less than one sample in each.
 */
enum select_status select_control(struct select_job *job)
{
    const struct select_policy *policy = job->policy;
    double money = policy->budget == INT64_MAX ? HUGE_VAL : policy->control_share * (double)policy->budget;
    double places = policy->count == SIZE_MAX ? HUGE_VAL : policy->control_share * (double)policy->count;
    if (!(policy->control_share > 0) || job->candidate_count == 0 || (isinf(money) && isinf(places)))
        return SELECT_OK;
    double round = kernel_random_uniform(policy->seed, STREAM_CONTROL_ROUND, 0);
    double whole = isinf(places) ? HUGE_VAL : floor(places + round);
    struct kernel_order order = {0};
    double *keys = malloc((job->candidate_count + 1) * sizeof *keys);
    enum select_status status = SELECT_NO_MEMORY;
    if (keys == NULL)
        return status;
    draw(job, STREAM_CONTROL, keys);
    if (kernel_order_init(&order, keys, job->candidate_count))
        status = kernel_team_stopped(job->team) ? SELECT_CANCELED : take_control(job, &order, money, whole);
    if (status == SELECT_OK)
        record(job, 0, job->result->count, places, money, true);
    kernel_order_deinit(&order);
    free(keys);
    return status;
}
