/*
 * select.h - which samples to buy labels for: pure functions from columns to picks.
 *
 * The same code serves the daemon's planner, a notebook and one partition of a distributed job. No input is written to or
 * copied as a whole, nothing is kept between calls, no file or socket is touched. The picks depend on the input, the policy
 * and its seed only: not on the number of threads, bit for bit.
 */
#pragma once

#include "selector/kernel/rows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* libcurated-select.so shows these functions and nothing else. */
#pragma GCC visibility push(default)

enum select_strategy {
    SELECT_AUTO,             /* uncertainty coverage per dollar */
    SELECT_RANDOM,           /* uniform chance, with recorded inclusion probabilities */
    SELECT_LEAST_CONFIDENCE, /* 1 - p(1) */
    SELECT_MARGIN,           /* 1 - (p(1) - p(2)) */
    SELECT_ENTROPY,
    SELECT_UTILITY, /* the caller's own number */
    SELECT_KCENTER, /* greedy farthest point (Core-Set), exact */
    SELECT_STRATEGIES,
};

/* What a sample is at the moment of selection. */
enum select_state {
    SELECT_CANDIDATE, /* in the pool: may be picked */
    SELECT_IN_FLIGHT, /* reserved or leased: paid for, answer to come */
    SELECT_LABELED,   /* has a settled label */
    SELECT_REFUSED,   /* answered "none of these": evidence about its neighbourhood */
    SELECT_EXCLUDED,  /* dropped or rejected: neither picked nor evidence */
};

/* Why an item was picked: which part of the policy put it in. */
enum select_arm {
    SELECT_ARM_POLICY,  /* the strategy's own objective */
    SELECT_ARM_CONTROL, /* pure chance, to compare with */
    SELECT_ARM_SHARE,   /* to fill a minimum share of a class or tag */
};

/* Columns over n samples; a sample's index is its slot. The arrays are borrowed for the length of the call. */
struct select_input {
    size_t n;
    size_t classes;                          /* 0 where the project has no classes */
    const uint8_t *state;                    /* [n] enum select_state */
    const int32_t *label;                    /* [n] class of a labelled sample, -1 elsewhere; NULL: no labels */
    const int64_t *price;                    /* [n] micro-dollars of one label, >= 0 */
    const uint32_t *group;                   /* [n] group number, 0: none; NULL: no groups */
    const uint64_t *tags;                    /* [n] bit t: carries tag t; NULL: no tags */
    const struct kernel_rows *probabilities; /* [n x classes], NULL: none */
    const struct kernel_topk *topk;          /* [n x k], NULL: none; read where probabilities is NULL */
    const struct kernel_rows *utility;       /* [n x 1], NULL: none */
    const struct kernel_rows *embeddings;    /* [n x d], NULL: none */
};

/* At least `share` of the batch's money goes to samples of this kind while there are any. */
struct select_share {
    bool is_class;  /* a predicted class, else a tag */
    uint32_t index; /* of the class or tag */
    double share;   /* 0..1 */
};

/* Tells how far a call is (0..1). Answers true to stop it; the call then returns SELECT_CANCELED within 100 ms. */
typedef bool select_progress_fn(void *context, double done);

struct select_policy {
    enum select_strategy strategy;
    uint64_t seed;
    int64_t budget;             /* micro-dollars the picks may cost together; INT64_MAX: no bound */
    size_t count;               /* picks at most; SIZE_MAX: no bound but the budget */
    size_t spares;              /* runners-up to return after the picks, in order; they are outside budget and count */
    uint32_t overlap;           /* labels bought a sample, >= 1: a pick costs price x overlap */
    double control_share;       /* auto: share of the budget spent by pure chance, 0..1 */
    uint32_t group_max;         /* at most this many of one group, in flight and labelled ones not counted; 0: no bound */
    uint64_t tags_excluded;     /* samples with any of these tags are no candidates */
    const double *class_weight; /* [classes] from evaluations, 1: neutral; NULL: all 1 */
    const double *tag_weight;   /* [64] likewise for slices */
    const struct select_share *shares;
    size_t share_count;
    bool keep_duplicates;         /* auto: do not keep near-duplicates out */
    bool keep_junk;               /* auto: do not keep outliers out */
    size_t candidates_max;        /* auto: candidates looked at closely; 0: the default */
    size_t references_max;        /* auto: reference points of the objective; 0: the default */
    unsigned threads;             /* 0: one a processor */
    select_progress_fn *progress; /* NULL: none */
    void *progress_context;
};

/* One chosen sample and every term that put it there. */
struct select_pick {
    uint32_t slot;
    enum select_arm arm;
    int32_t predicted;   /* most probable class, -1: no prediction */
    int64_t price;       /* micro-dollars of one label */
    double probability;  /* with which chance could have chosen it; 0: chosen by merit */
    double uncertainty;  /* calibrated, 0..1 */
    double class_weight; /* of its predicted class */
    double slice_weight; /* of its tags */
    double gain;         /* what it added to the objective when it was picked, in the strategy's own unit */
    double utility;      /* what the picks were ordered by: gain per dollar where prices count, else gain */
};

struct select_stats {
    size_t candidates;     /* samples that could have been picked */
    size_t duplicates_out; /* kept out as near-duplicates */
    size_t junk_out;       /* kept out as outliers */
    size_t references;     /* reference points used */
    double radius;         /* of the kernel, in units of the embedding; 0: none */
    double temperature;    /* fitted on the labels received; 1: none */
    double objective;      /* the set's value in the strategy's own unit */
};

struct select_result {
    struct select_pick *picks; /* picks in order, then the spares */
    size_t count;              /* picks */
    size_t spare_count;
    int64_t cost; /* micro-dollars of the picks, overlap included */
    struct select_stats stats;
};

enum select_status {
    SELECT_OK,
    SELECT_CANCELED, /* the progress callback asked for it */
    SELECT_NO_MEMORY,
    SELECT_BAD_INPUT,    /* a shape, range or combination is wrong; see the error */
    SELECT_NEEDS_COLUMN, /* the strategy reads a column that the input lacks; see the error */
};

struct select_error {
    const char *field; /* static text */
    char expected[96];
    char got[96];
};

/*
 * Picks samples. `result` is an output, valid on SELECT_OK only; free it with select_result_deinit. `error` is optional, and
 * filled on SELECT_BAD_INPUT and SELECT_NEEDS_COLUMN. Reentrant.
 */
enum select_status select_run(const struct select_input *input, const struct select_policy *policy,
    struct select_result *result, struct select_error *error);

/* Frees what select_run allocated. A zeroed result is fine. */
void select_result_deinit(struct select_result *result);

/* A policy with every default filled in: SELECT_AUTO, no bounds, overlap 1, control share 5 %. */
struct select_policy select_policy_default(void);

/* The strategy's name on the wire ("auto", "least_confidence", ...), static; and back: false where there is none of that name.
 */
const char *select_strategy_name(enum select_strategy strategy);
bool select_strategy_parse(const char *name, size_t length, enum select_strategy *strategy);
const char *select_arm_name(enum select_arm arm);

/* One line for the log: the processor's features used and the BLIS kernels in use, e.g. "skx" or "zen3". Static. */
const char *select_kernels_name(void);

#pragma GCC visibility pop
