/*
 * weighted.c - chance in proportion to the caller's utility, with exact inclusion probabilities.
 *
 * Sample i is picked with probability pi_i = min(1, c w_i), where w_i is its utility (0 where that is below 0 or absent: it is
 * never picked) and c is such that the picks number `count` in expectation, or cost the budget, whichever comes first. The
 * picks are drawn by the pivotal method (Deville and Tille, "Unequal probability sampling without replacement through a
 * splitting method", Biometrika 1998; Tille, "Sampling Algorithms", 2006): in random order, two samples at a time trade
 * probability until one of them is in or out, at odds that leave both expectations as they were. So every pi_i is exact, and
 * the number of picks is fixed. Under a budget with unequal prices the trade is by price, so that the expected cost stays the
 * budget; the last sample, for which no partner is left, is out, and pi is exact but for that one.
 *
 * Recorded are the pi_i. Groups, shares and filters pass over picks and take others in their place, by weight; where both count
 * and budget bind, so does the one that is not traded by. What they change is not in the figures. Prices have no say in who is
 * picked but through the budget.
 */
#include "selector/kernel/random.h"
#include "selector/kernel/sort.h"
#include "selector/kernel/vector.h"
#include "selector/strategy/order.h"
#include "selector/strategy/picks.h"
#include "selector/strategy/strategies.h"

#include <math.h>
#include <stdlib.h>

enum { POLL = 1 << 16 }; /* samples between two questions whether to stop */

/* The candidates that have a weight, and their chances. Arrays are by index into them. */
struct design {
    size_t count;
    uint32_t *order; /* by falling weight */
    double *weight;  /* > 0 */
    double *balance; /* what is kept as it is when two trade: 1, or their cost */
    double *chance;  /* pi */
    double *left;    /* pi on its way to 0 or 1 */
    double *keys;    /* for the order of picks */
};

static double utility_of(const struct select_job *job, uint32_t slot)
{
    const void *row = kernel_row(job->input->utility, slot);
    float utility = 0;
    if (row != NULL)
        kernel_widen(row, job->input->utility->dtype, 1, &utility);
    return (double)utility;
}

/* Keeps the candidates that have a weight. */
static bool design_init(struct design *design, struct select_job *job)
{
    size_t room = job->candidate_count + 1;
    *design = (struct design){
        .order = malloc(room * sizeof *design->order),
        .weight = malloc(room * sizeof *design->weight),
        .balance = malloc(room * sizeof *design->balance),
        .chance = malloc(room * sizeof *design->chance),
        .left = malloc(room * sizeof *design->left),
        .keys = malloc(room * sizeof *design->keys),
    };
    if (design->order == NULL || design->weight == NULL || design->balance == NULL || design->chance == NULL ||
        design->left == NULL || design->keys == NULL)
        return false;
    for (size_t i = 0; i < job->candidate_count; i++) {
        double weight = utility_of(job, job->candidates[i]);
        if (!(weight > 0))
            continue;
        job->candidates[design->count] = job->candidates[i];
        design->weight[design->count++] = weight;
    }
    job->candidate_count = design->count;
    return kernel_sort_falling(design->weight, design->count, design->order);
}

static void design_deinit(struct design *design)
{
    free(design->order);
    free(design->weight);
    free(design->balance);
    free(design->chance);
    free(design->left);
    free(design->keys);
}

/* c, so that the sum of balance x min(1, c x weight) is `target`; infinite where even all of them come to no more. */
static double scale_for(const struct design *design, double target)
{
    double rest = 0;
    double all = 0;
    for (size_t i = 0; i < design->count; i++) {
        rest += design->balance[i] * design->weight[i];
        all += design->balance[i];
    }
    if (all <= target)
        return HUGE_VAL;
    /* The heaviest are sure to be in, as long as their share comes to more than 1. */
    for (size_t r = 0; r < design->count; r++) {
        size_t i = design->order[r];
        if (target * design->weight[i] < rest)
            break;
        target -= design->balance[i];
        rest -= design->balance[i] * design->weight[i];
    }
    return rest > 0 && target > 0 ? target / rest : 0;
}

static void set_chances(struct design *design, double scale)
{
    for (size_t i = 0; i < design->count; i++) {
        double chance = isinf(scale) ? 1 : scale * design->weight[i];
        design->chance[i] = design->left[i] = chance < 1 ? chance : 1;
    }
}

/* Sets balances to costs; false where all are equal, and then balances to 1 and `number` to how many are paid for. */
static bool balance_costs(const struct select_job *job, struct design *design, double *number)
{
    bool equal = true;
    int64_t cost = 0;
    for (size_t i = 0; i < design->count; i++) {
        select_job_cost(job, job->candidates[i], &cost);
        design->balance[i] = (double)cost;
        equal = equal && !(design->balance[i] < design->balance[0] || design->balance[i] > design->balance[0]);
    }
    if (!equal)
        return true;
    int64_t paid_for = cost > 0 ? select_picks_money_left(job) / cost : INT64_MAX;
    *number = (double)paid_for;
    for (size_t i = 0; i < design->count; i++)
        design->balance[i] = 1;
    return false;
}

/* The chances, and the balances that go with the bound that comes first. */
static void plan(const struct select_job *job, struct design *design)
{
    double number = HUGE_VAL;
    double of_cost = HUGE_VAL;
    if (job->policy->budget != INT64_MAX && balance_costs(job, design, &number))
        of_cost = scale_for(design, (double)select_picks_money_left(job));
    if (job->policy->count != SIZE_MAX)
        number = fmin(number, (double)(job->policy->count - job->result->count));
    double *costs = design->balance;
    for (size_t i = 0; i < design->count; i++)
        design->keys[i] = 1;
    design->balance = design->keys;
    double of_number = scale_for(design, number);
    design->balance = costs;
    for (size_t i = 0; i < design->count && of_number <= of_cost; i++)
        design->balance[i] = 1;
    set_chances(design, fmin(of_number, of_cost));
}

/* Trades between two samples until at least one is in or out. `luck` is uniform in (0, 1). */
static void trade(struct design *design, size_t a, size_t b, double luck)
{
    double *left = design->left;
    double to_a = design->balance[b]; /* what a gains where b loses design->balance[a] */
    double to_b = design->balance[a];
    double up = fmin((1 - left[a]) / to_a, left[b] / to_b);
    double down = fmin(left[a] / to_a, (1 - left[b]) / to_b);
    bool rise = luck * (up + down) < down;
    size_t winner = rise ? a : b;
    size_t loser = rise ? b : a;
    double gain = rise ? to_a : to_b;
    double loss = rise ? to_b : to_a;
    double full = (1 - left[winner]) / gain;
    double empty = left[loser] / loss;
    /* Which end is met is decided once, so that it is met exactly. */
    double won = full <= empty ? 1 : left[winner] + empty * gain;
    double lost = empty <= full ? 0 : left[loser] - full * loss;
    left[winner] = won < 1 ? won : 1;
    left[loser] = lost > 0 ? lost : 0;
}

static bool is_open(const struct design *design, size_t i)
{
    return design->left[i] > 0 && design->left[i] < 1;
}

/* Decides about every sample: left[] becomes 0 or 1. `order` is random. False if it was stopped. */
static bool decide(const struct select_job *job, struct design *design)
{
    uint64_t seed = job->policy->seed;
    size_t open = SIZE_MAX;
    for (size_t r = 0; r < design->count; r++) {
        if (r % POLL == 0 && kernel_team_stopped(job->team))
            return false;
        size_t i = design->order[r];
        double luck = kernel_random_uniform(seed, STREAM_PIVOT, job->candidates[i]);
        if (!is_open(design, i))
            continue;
        if (!(design->balance[i] > 0)) { /* what is free trades with nothing */
            design->left[i] = luck < design->left[i];
            continue;
        }
        if (open == SIZE_MAX) {
            open = i;
            continue;
        }
        trade(design, open, i, luck);
        open = is_open(design, open) ? open : is_open(design, i) ? i : SIZE_MAX;
    }
    /* Chances that sum to a whole number leave 0 or 1, but for rounding. */
    if (open != SIZE_MAX)
        design->left[open] = design->left[open] > 1 - 1e-6;
    return true;
}

/* The picks in random order, then the others as chance in proportion to their weight would bring them. */
static void set_keys(const struct select_job *job, struct design *design)
{
    double total = 0;
    for (size_t i = 0; i < design->count; i++)
        total += design->weight[i] / (double)design->count;
    for (size_t i = 0; i < design->count; i++) {
        double luck = kernel_random_uniform(job->policy->seed, STREAM_ORDER, job->candidates[i]);
        bool in = design->left[i] > 0;
        design->keys[i] = in ? 1 + luck : 1 / (1 - log(luck) * total / design->weight[i]);
    }
}

/* Whether something besides chance has a say. */
static bool constrained(const struct select_job *job)
{
    return job->groups != NULL || job->policy->share_count > 0 || job->filter != NULL;
}

static enum select_status fill(struct select_job *job, const struct design *design)
{
    size_t drawn = 0;
    for (size_t i = 0; i < design->count; i++)
        drawn += design->left[i] > 0;
    const struct select_policy *policy = job->policy;
    struct select_policy of_drawn = *policy;
    size_t most = job->result->count + drawn;
    /* No more than were drawn, though money may be left. */
    if (!constrained(job) && most < policy->count)
        of_drawn.count = most;
    job->policy = &of_drawn;
    enum select_status status = select_fill_by(job, design->keys, design->weight, design->chance, false);
    job->policy = policy;
    return status;
}

enum select_status select_run_weighted_random(struct select_job *job)
{
    struct design design;
    enum select_status status = SELECT_NO_MEMORY;
    if (!design_init(&design, job))
        goto done;
    plan(job, &design);
    status = SELECT_CANCELED;
    if (kernel_team_stopped(job->team))
        goto done;
    for (size_t i = 0; i < design.count; i++)
        design.keys[i] = kernel_random_uniform(job->policy->seed, STREAM_ORDER, job->candidates[i]);
    status = SELECT_NO_MEMORY;
    if (!kernel_sort_falling(design.keys, design.count, design.order))
        goto done;
    status = SELECT_CANCELED;
    if (!decide(job, &design))
        goto done;
    set_keys(job, &design);
    status = kernel_team_stopped(job->team) ? SELECT_CANCELED : fill(job, &design);
    if (status == SELECT_OK)
        select_picks_sum_gains(job);
done:
    design_deinit(&design);
    return status;
}
