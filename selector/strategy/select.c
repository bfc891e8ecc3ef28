#include "selector/strategy/select.h"

#include "selector/kernel/cpu.h"
#include "selector/kernel/finite.h"
#include "selector/strategy/check.h"
#include "selector/strategy/explain.h"
#include "selector/strategy/filter.h"
#include "selector/strategy/groups.h"
#include "selector/strategy/picks.h"
#include "selector/strategy/predictions.h"
#include "selector/strategy/quota.h"
#include "selector/strategy/strategies.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    select_run_fn *run;
    unsigned needs;
} strategies[SELECT_STRATEGIES] = {
    [SELECT_AUTO] = {"auto", select_run_auto, 0},
    [SELECT_RANDOM] = {"random", select_run_random, 0},
    [SELECT_LEAST_CONFIDENCE] = {"least_confidence", select_run_scores, NEED_PREDICTIONS},
    [SELECT_MARGIN] = {"margin", select_run_scores, NEED_PREDICTIONS},
    [SELECT_ENTROPY] = {"entropy", select_run_scores, NEED_PREDICTIONS},
    [SELECT_UTILITY] = {"utility", select_run_scores, NEED_UTILITY},
    [SELECT_KCENTER] = {"kcenter", select_run_kcenter, NEED_EMBEDDINGS},
    [SELECT_WEIGHTED_RANDOM] = {"weighted_random", select_run_weighted_random, NEED_UTILITY},
    [SELECT_BALD] = {"bald", select_run_draws, NEED_DRAWS | NEED_DISTRIBUTION},
    [SELECT_VARIATION_RATIO] = {"variation_ratio", select_run_draws, NEED_DRAWS | NEED_DISTRIBUTION},
    [SELECT_VOTE_ENTROPY] = {"vote_entropy", select_run_draws, NEED_DRAWS | NEED_DISTRIBUTION},
    [SELECT_COMMITTEE_KL] = {"committee_kl", select_run_draws, NEED_DRAWS | NEED_DISTRIBUTION},
    [SELECT_GRADIENT_LENGTH] = {"gradient_length", select_run_gradient_length,
        NEED_DENSE | NEED_DISTRIBUTION | NEED_EMBEDDINGS},
    [SELECT_DENSITY] = {"density", select_run_density, NEED_EMBEDDINGS},
    [SELECT_OUTLIER] = {"outlier", select_run_outlier, NEED_EMBEDDINGS},
    [SELECT_POWER_BALD] = {"power_bald", select_run_power_bald, NEED_DRAWS | NEED_DISTRIBUTION},
    [SELECT_KCENTER_ROBUST] = {"kcenter_robust", select_run_kcenter_robust, NEED_EMBEDDINGS},
    [SELECT_KMEANS_PLUS_PLUS] = {"kmeans++", select_run_kmeans_plus_plus, NEED_EMBEDDINGS},
    [SELECT_BADGE] = {"badge", select_run_badge, NEED_DENSE | NEED_EMBEDDINGS},
    [SELECT_DPP] = {"dpp", select_run_dpp, NEED_EMBEDDINGS},
    [SELECT_FACILITY_LOCATION] = {"facility_location", select_run_facility_location, NEED_EMBEDDINGS},
    [SELECT_GRAPH_CUT] = {"graph_cut", select_run_graph_cut, NEED_EMBEDDINGS},
    [SELECT_COVERAGE] = {"coverage", select_run_coverage, NEED_EMBEDDINGS},
    [SELECT_TYPICLUST] = {"typiclust", select_run_typiclust, NEED_EMBEDDINGS},
    [SELECT_PROBCOVER] = {"probcover", select_run_probcover, NEED_EMBEDDINGS},
    [SELECT_CLUSTER_MARGIN] = {"cluster_margin", select_run_cluster_margin, NEED_PREDICTIONS | NEED_EMBEDDINGS},
    [SELECT_SEARCH] = {"search", select_run_search, NEED_EMBEDDINGS},
    [SELECT_GALAXY] = {"galaxy", select_run_galaxy, NEED_DENSE | NEED_DISTRIBUTION},
};

/* Lists what could be picked: in the pool, no excluded tag, within the budget. */
static void list_candidates(struct select_job *job)
{
    const struct select_input *input = job->input;
    job->least_cost = INT64_MAX;
    for (size_t i = 0; i < input->n; i++) {
        int64_t cost;
        if (input->state[i] != SELECT_CANDIDATE || (input->tags != NULL && (input->tags[i] & job->policy->tags_excluded) != 0))
            continue;
        if (!select_job_cost(job, (uint32_t)i, &cost) || cost > job->policy->budget)
            continue;
        job->candidates[job->candidate_count++] = (uint32_t)i;
        job->least_cost = cost < job->least_cost ? cost : job->least_cost;
    }
    job->result->stats.candidates = job->candidate_count;
}

static enum select_status job_init(struct select_job *job)
{
    const struct select_policy *policy = job->policy;
    job->candidates = malloc((job->input->n + 1) * sizeof *job->candidates);
    job->picked = calloc(job->input->n + 1, sizeof *job->picked);
    job->refused = calloc(job->input->n + 1, sizeof *job->refused);
    job->quotas = calloc(policy->share_count + 1, sizeof *job->quotas);
    job->team = kernel_team_new(policy->threads, policy->progress != NULL ? job->stop : NULL, job);
    if (policy->group_max > 0)
        job->groups = select_groups_new(job->input->n);
    if (job->candidates == NULL || job->picked == NULL || job->refused == NULL || job->quotas == NULL || job->team == NULL ||
        (policy->group_max > 0 && job->groups == NULL))
        return SELECT_NO_MEMORY;
    list_candidates(job);
    return SELECT_OK;
}

/* The picks that the policy names. The rules for groups and shares do not hold for them, money and count do. */
static enum select_status include(struct select_job *job)
{
    const struct select_policy *policy = job->policy;
    for (size_t i = 0; i < policy->include_count; i++) {
        uint32_t slot = policy->include[i];
        int64_t cost;
        if (slot >= job->input->n || job->input->state[slot] != SELECT_CANDIDATE || job->picked[slot])
            return select_fail(job->error, SELECT_BAD_INPUT, "include", "candidates, each once", "%u", slot);
        if (!select_job_cost(job, slot, &cost) || cost > select_picks_money_left(job))
            return select_fail(job->error, SELECT_BAD_INPUT, "include", "what the budget reaches", "%zu of %zu are paid for", i,
                policy->include_count);
        if (job->result->count >= policy->count)
            return select_fail(job->error, SELECT_BAD_INPUT, "include", "no more than count", "%zu", policy->include_count);
        if (!select_picks_add(job, slot, &(struct select_worth){.arm = SELECT_ARM_INCLUDE}, false))
            return SELECT_NO_MEMORY;
    }
    select_job_keep_open(job);
    return SELECT_OK;
}

/* What comes before the strategy: predicted classes where shares are of classes, included picks, the filter. */
static enum select_status prepare(struct select_job *job)
{
    bool by_class = false;
    for (size_t i = 0; i < job->policy->share_count; i++)
        by_class = by_class || job->policy->shares[i].is_class;
    enum select_status status = by_class ? select_job_scores(job, 1, false) : SELECT_OK;
    if (status == SELECT_OK)
        status = include(job);
    /* auto knows better radii, from the points that its objective is made of. */
    if (status == SELECT_OK && job->policy->strategy != SELECT_AUTO)
        status = select_filter_new(job, &job->filter);
    return status;
}

static void job_deinit(struct select_job *job)
{
    kernel_team_free(&job->team);
    select_groups_free(&job->groups);
    free(job->candidates);
    free(job->picked);
    free(job->refused);
    free(job->quotas);
    select_filter_free(&job->filter);
    free(job->first);
    free(job->second);
    free(job->predicted);
    free(job->entropy);
    free(job->uncertainty);
    free(job->class_weight);
}

/* Picks made of picks wanted, where that is known. */
static double picked_share(const struct select_job *job)
{
    const struct select_policy *policy = job->policy;
    double done = 0;
    if (policy->budget > 0 && policy->budget != INT64_MAX)
        done = (double)job->result->cost / (double)policy->budget;
    if (policy->count > 0 && (double)job->result->count / (double)policy->count > done)
        done = (double)job->result->count / (double)policy->count;
    return done < 1 ? done : 1;
}

static bool stop(void *context)
{
    struct select_job *job = context;
    double pass = job->pass_done != NULL ? (double)atomic_load(job->pass_done) / (double)(job->pass_steps + 1)
                                         : kernel_team_share(job->team);
    double before = job->pass_from + (job->pass_to - job->pass_from) * pass;
    double done = before + (1 - job->pass_to) * picked_share(job);
    job->told = done > job->told ? done : job->told;
    return job->policy->progress(job->policy->progress_context, job->told);
}

enum select_status select_run(const struct select_input *input, const struct select_policy *policy,
    struct select_result *result, struct select_error *error)
{
    *result = (struct select_result){.stats.temperature = 1};
    enum select_status status = select_check(input, policy, error);
    if (status == SELECT_OK)
        status = select_check_needs(input, strategies[policy->strategy].needs, error);
    if (status != SELECT_OK)
        return status;
    struct select_job job = {
        .input = input, .policy = policy, .error = error, .result = result, .stop = stop, .pick_limit = SIZE_MAX};
    status = job_init(&job);
    if (status == SELECT_OK)
        status = prepare(&job);
    bool wanted = policy->count > 0 || policy->spares > 0;
    if (status == SELECT_OK && job.candidate_count > 0 && wanted)
        status = strategies[policy->strategy].run(&job);
    if (status == SELECT_OK)
        status = select_job_explain(&job);
    job_deinit(&job);
    if (status != SELECT_OK)
        select_result_deinit(result);
    return status;
}

void select_result_deinit(struct select_result *result)
{
    free(result->picks);
    *result = (struct select_result){0};
}

struct select_policy select_policy_default(void)
{
    return (struct select_policy){
        .strategy = SELECT_AUTO,
        .budget = INT64_MAX,
        .count = SIZE_MAX,
        .overlap = 1,
        .control_share = 0.05,
    };
}

const char *select_strategy_name(enum select_strategy strategy)
{
    return (unsigned)strategy < SELECT_STRATEGIES ? strategies[strategy].name : "unknown";
}

bool select_strategy_parse(const char *name, size_t length, enum select_strategy *strategy)
{
    for (unsigned i = 0; i < SELECT_STRATEGIES; i++) {
        if (strlen(strategies[i].name) == length && memcmp(strategies[i].name, name, length) == 0) {
            *strategy = (enum select_strategy)i;
            return true;
        }
    }
    return false;
}

const char *select_arm_name(enum select_arm arm)
{
    switch (arm) {
    case SELECT_ARM_POLICY:
        return "policy";
    case SELECT_ARM_CONTROL:
        return "control";
    case SELECT_ARM_SHARE:
        return "share";
    case SELECT_ARM_INCLUDE:
        return "include";
    }
    return "unknown";
}

unsigned select_version(void)
{
    return SELECT_VERSION;
}

enum select_status select_rows_check(const struct kernel_rows *rows, unsigned threads, size_t *row)
{
    struct kernel_team *team = kernel_team_new(threads, NULL, NULL);
    enum kernel_status status = team != NULL ? kernel_finite_rows(team, rows, row) : KERNEL_NO_MEMORY;
    kernel_team_free(&team);
    return select_status_of(status);
}

const char *select_kernels_name(void)
{
    return kernel_cpu_gemm();
}
