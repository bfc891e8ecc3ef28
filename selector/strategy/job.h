/*
 * job.h - one call of select_run from inside: what every strategy shares. Private to strategy/.
 */
#pragma once

#include "selector/kernel/status.h"
#include "selector/kernel/team.h"
#include "selector/strategy/select.h"

#include <stdatomic.h>

/* Streams of random numbers: one a purpose, so that no two purposes share a draw. */
enum select_stream {
    STREAM_ORDER = 1,
    STREAM_CONTROL,
    STREAM_CONTROL_ROUND,
    STREAM_REFERENCES,
    STREAM_CANDIDATES,
    STREAM_SCALE,
    STREAM_PIVOT,
    STREAM_DSQUARED
};

/* Columns that a strategy cannot do without. */
enum select_need {
    NEED_PREDICTIONS = 1, /* probabilities, top-k or objects */
    NEED_DENSE = 2,       /* a probability of each class */
    NEED_UTILITY = 4,
    NEED_EMBEDDINGS = 8,
    NEED_DRAWS = 16,
    NEED_DISTRIBUTION = 32, /* predictions are of one class or another, not of independent ones */
};

struct select_job {
    const struct select_input *input;
    const struct select_policy *policy;
    struct select_error *error; /* NULL: not wanted */
    struct kernel_team *team;
    kernel_stop_fn *stop; /* asks the policy's progress function */
    uint32_t *candidates; /* [candidate_count] slots that could be picked, rising */
    size_t candidate_count;
    int64_t least_cost; /* of a candidate, overlap included */
    /* Of every sample; absent predictions: 0, 0, -1. NULL where the strategy reads no predictions or there are none. */
    float *first;
    float *second;
    int32_t *predicted;
    float *entropy;
    float *uncertainty;           /* [n] calibrated, 0..1; NULL: not computed */
    double *class_weight;         /* [classes] by labels received and by the policy; NULL: all 1 */
    uint8_t *picked;              /* [n] */
    uint8_t *refused;             /* [n] kept out by the filter */
    struct select_groups *groups; /* picks of each group; NULL: no bound on them */
    struct select_quota *quotas;  /* [policy->share_count] */
    struct select_filter *filter; /* NULL: nothing is kept out */
    struct select_result *result;
    size_t pick_room;
    size_t pick_limit; /* picks at most in this round of several; SIZE_MAX: there is one round */
    /* How far the call is: see select_job_pass. */
    double pass_from;
    double pass_to;
    const atomic_size_t *pass_done; /* of pass_steps; NULL: the team knows */
    size_t pass_steps;
    double told; /* to the progress function: that never falls */
};

/*
 * What comes next takes the call from one share of its work before the first pick to another. How far it is in between, the
 * tiles of the team's one run tell; where there are several runs, it is at `to` after the first. The picks are what is left.
 */
void select_job_pass(struct select_job *job, double from, double to);

/* As select_job_pass, told by a count of steps that rises to `steps`. The count is borrowed until the next pass. */
void select_job_counted_pass(struct select_job *job, double from, double to, const atomic_size_t *done, size_t steps);

/* price x overlap of one sample; false: it overflows, the sample cannot be paid for. */
static inline bool select_job_cost(const struct select_job *job, uint32_t slot, int64_t *cost)
{
    return !__builtin_mul_overflow(job->input->price[slot], (int64_t)job->policy->overlap, cost);
}

/* Labelled, in flight, or picked already: what a strategy starts from. */
static inline bool select_job_known(const struct select_job *job, uint32_t slot)
{
    uint8_t state = job->input->state[slot];
    return state == SELECT_LABELED || state == SELECT_IN_FLIGHT || job->picked[slot];
}

/* Weight of a sample's tags by the policy: the product of theirs, kept within 1/16 and 16. */
double select_job_slice_weight(const struct select_job *job, uint32_t slot);

/* Weight of its predicted class; 1 where there is no prediction. */
double select_job_class_weight(const struct select_job *job, uint32_t slot);

/* Uncertainty (1 where it was not computed) times the weights of the predicted class and of the tags. */
double select_job_worth(const struct select_job *job, uint32_t slot);

/* Micro-dollars to dollars for gain per dollar; a free sample counts as one micro-dollar, so that the quotient stays finite. */
static inline double select_job_dollars(const struct select_job *job, uint32_t slot)
{
    int64_t cost = 0;
    select_job_cost(job, slot, &cost);
    return (double)(cost > 0 ? cost : 1) / 1e6;
}

/* Gain per dollar. What is worth less than nothing is not made better by being dear: that is multiplied. */
double select_per_dollar(const struct select_job *job, uint32_t slot, double gain);

/* Forgets the candidates that are picked already. */
void select_job_keep_open(struct select_job *job);

/* Forgets the candidates that have no embedding. */
void select_job_keep_embedded(struct select_job *job);

/* Fills `error` if it is wanted, and returns `status`. */
enum select_status select_fail(struct select_error *error, enum select_status status, const char *field, const char *expected,
    const char *got_format, ...) __attribute__((format(printf, 5, 6)));

enum select_status select_status_of(enum kernel_status status);
