#include "selector/strategy/chance.h"

#include "selector/kernel/random.h"

#include <math.h>

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

void select_chance_draw(const struct select_job *job, enum select_stream stream, double *keys)
{
    for (size_t i = 0; i < job->candidate_count; i++)
        keys[i] = kernel_random_uniform(job->policy->seed, stream, job->candidates[i]);
}

/* The same cost gives the same figure, so the last one is kept. */
void select_chance_record(struct select_job *job, size_t from, size_t to, double places, double money, bool rounded)
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
