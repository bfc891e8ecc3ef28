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

/* Raised whenever a struct or an enum of this header changes. */
#define SELECT_VERSION 1

/* libcurated-select.so shows these functions and nothing else. */
#pragma GCC visibility push(default)

/*
 * docs/selection.md tells when to use which; each strategy's own source has its paper in full and what it leaves out of it. The
 * numbers are kept with batches that were selected: new strategies go at the end.
 */
enum select_strategy {
    SELECT_AUTO,              /* uncertainty coverage per dollar (Bae and others 2025), a control arm, and what data allow */
    SELECT_RANDOM,            /* uniform chance, with recorded inclusion probabilities */
    SELECT_LEAST_CONFIDENCE,  /* 1 - p(1) (Lewis and Gale 1994) */
    SELECT_MARGIN,            /* 1 - (p(1) - p(2)) (Scheffer and others 2001) */
    SELECT_ENTROPY,           /* (Shannon 1948) */
    SELECT_UTILITY,           /* the caller's own number */
    SELECT_KCENTER,           /* greedy farthest point, exact (Gonzalez 1985; Core-Set, Sener and Savarese 2018) */
    SELECT_WEIGHTED_RANDOM,   /* chance in proportion to the utility, exact probabilities (Deville and Tille 1998) */
    SELECT_BALD,              /* mutual information of label and model, from draws (Houlsby and others 2011) */
    SELECT_VARIATION_RATIO,   /* share of draws that disagree with the commonest class (Freeman 1965) */
    SELECT_VOTE_ENTROPY,      /* entropy of the committee's votes (Dagan and Engelson 1995) */
    SELECT_COMMITTEE_KL,      /* mean divergence of a member from the committee's mean (McCallum and Nigam 1998) */
    SELECT_GRADIENT_LENGTH,   /* expected gradient length of the last layer (Settles and others 2007) */
    SELECT_DENSITY,           /* information density: uncertainty times similarity to the pool (Settles and Craven 2008) */
    SELECT_OUTLIER,           /* distance to the k-th nearest neighbour (Ramaswamy and others 2000) */
    SELECT_POWER_BALD,        /* batches of BALD by stochastic ranking (Kirsch and others 2023) */
    SELECT_KCENTER_ROBUST,    /* k-center with the outlying share of the pool left out (Sener and Savarese 2018) */
    SELECT_KMEANS_PLUS_PLUS,  /* D^2 sampling (Arthur and Vassilvitskii 2007) */
    SELECT_BADGE,             /* D^2 sampling of gradient embeddings, which are never formed (Ash and others 2020) */
    SELECT_DPP,               /* greedy MAP of a determinantal point process (Chen and others 2018) */
    SELECT_FACILITY_LOCATION, /* every sample near a pick (Wei and others 2015) */
    SELECT_GRAPH_CUT,         /* near to the pool, far from each other (Iyer and others 2021) */
    SELECT_COVERAGE,          /* uncertainty coverage: the objective of auto alone */
    SELECT_TYPICLUST,         /* the most typical sample of each cluster (Hacohen and others 2022) */
    SELECT_PROBCOVER,         /* balls of one radius over the most samples (Yehuda and others 2022) */
    SELECT_CLUSTER_MARGIN,    /* small margins, round robin over clusters (Citovsky and others 2021) */
    SELECT_SEARCH,            /* for one rare class: outward from its few known samples (SEALS, Coleman and others 2022) */
    SELECT_GALAXY,            /* class-balanced search along lines of ranked samples (Zhang and others 2022) */
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
    SELECT_ARM_INCLUDE, /* the policy names it */
};

/*
 * Columns over n samples; a sample's index is its slot. The arrays are borrowed for the length of the call. Their numbers are
 * finite: whoever made them has checked that, as select_rows_check does.
 */
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
    bool multi_label;                        /* probabilities are of one yes or no a class, and need not sum to 1 */
    const struct kernel_rows *draws; /* [draw_count] views [n x classes]: Monte-Carlo draws or a committee; NULL: none */
    size_t draw_count;
    const struct kernel_rows *objects;    /* [objects x classes]: what a detector found; NULL: none */
    const uint64_t *object_first;         /* [n + 1] sample i has objects object_first[i] .. object_first[i + 1] - 1 */
    const struct kernel_rows *utility;    /* [n x 1], NULL: none */
    const struct kernel_rows *embeddings; /* [n x d], NULL: none */
};

/*
 * Samples of one kind take between these shares of the batch: of its money, or of its count where money has no bound. The
 * minimum holds while there are any.
 */
struct select_share {
    bool is_class;  /* a predicted class, else a tag */
    uint32_t index; /* of the class or tag */
    double share;   /* at least, 0..1 */
    double maximum; /* at most, 0..1 and no less than the minimum; 1: no bound */
};

/*
 * How the scores of a sample's objects, or of its classes where it is multi-label, become the sample's one. Their largest by
 * default: it does not grow with their number.
 */
enum select_aggregate {
    SELECT_AGGREGATE_MAX,
    SELECT_AGGREGATE_MEAN,
    SELECT_AGGREGATE_SUM,
};

/* Whether what deserves no money is kept out of the picks. */
enum select_filter_mode {
    SELECT_FILTER_DEFAULT, /* on for auto, off for the others, which are what their papers say */
    SELECT_FILTER_ON,
    SELECT_FILTER_OFF,
};

/* What methods leave open. 0 takes the default, which is that of the method's paper where it names one. Else a radius is
 * 1e-15..1e15, a share 0..1, and another number that need not be whole 0..1e12. */
struct select_parameters {
    enum select_aggregate aggregate;
    size_t neighbors;      /* of a sample, at most 128: typiclust (20), outlier (5), search (100) */
    size_t clusters;       /* typiclust (labelled + picks, at most 500), probcover (classes), cluster_margin (picks) */
    size_t margin_pool;    /* cluster_margin: samples of small margin looked at, a multiple of the picks (10) */
    double radius;         /* coverage, probcover, dpp, facility_location, graph_cut: of the kernel; 0: found from the data */
    double purity;         /* probcover: share of balls that hold one cluster only (0.95) */
    double redundancy;     /* graph_cut: weight of the similarity among picks */
    double outlier_share;  /* kcenter_robust: share of the pool left out as outliers */
    double power;          /* power_bald: exponent of the score (1); density: of the similarity (1) */
    uint32_t class_sought; /* search: the rare class */
};

/*
 * Tells how far a call is (0..1), by the thread that made it, many times a second. Answers true to stop it; the call then
 * returns SELECT_CANCELED within 100 ms.
 */
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
    const uint32_t *include; /* [include_count] candidates that are picked first, whatever they are worth */
    size_t include_count;
    enum select_filter_mode duplicates; /* near-duplicates of what is picked, labelled or in flight; needs embeddings */
    enum select_filter_mode junk;       /* samples with hardly a neighbour; needs embeddings */
    struct select_parameters parameters;
    size_t references_max; /* auto, coverage, facility_location, graph_cut, dpp: samples that stand for a large pool; 0: the
                              default */
    unsigned threads;      /* 0: one a processor */
    select_progress_fn *progress; /* NULL: none */
    void *progress_context;
};

/* One chosen sample and every term that put it there. */
struct select_pick {
    uint32_t slot;
    enum select_arm arm;
    int32_t share;       /* SELECT_ARM_SHARE: index of the policy's share whose minimum it fills; else -1 */
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

enum select_neighbors_mode {
    SELECT_NEIGHBORS_AUTO, /* exact up to SELECT_NEIGHBORS_EXACT_MAX rows */
    SELECT_NEIGHBORS_EXACT,
    SELECT_NEIGHBORS_APPROXIMATE, /* rows of the nearest clusters only; these are measured exactly */
};

enum { SELECT_NEIGHBORS_EXACT_MAX = 200000, SELECT_NEIGHBORS_K_MAX = 1024 };

/* The nearest rows of every row. The arrays are the caller's, [rows->count x k]. */
struct select_neighbors {
    size_t k; /* 1..SELECT_NEIGHBORS_K_MAX */
    enum select_neighbors_mode mode;
    double recall_wanted; /* approximate: share of the true neighbours to find, 0..1; 0: 0.95 */
    uint64_t seed;        /* approximate: of the clusters */
    unsigned threads;     /* 0: one a processor; the result does not depend on it */
    select_progress_fn *progress;
    void *progress_context;
    uint32_t *slots;   /* output: nearest first, then the lowest slot; UINT32_MAX where there are fewer, and for absent rows */
    float *distances2; /* output: squared Euclidean distance, INFINITY where there is no neighbour */
    double recall;     /* output: 1 where exact, else the share found of the true neighbours of a sample of rows */
};

/*
 * Finds the k nearest other rows of every row. Exact: what sorting all distances gives, to the bit. `error` is optional, and
 * filled on SELECT_BAD_INPUT. On another status than SELECT_OK the arrays hold nothing of use. Reentrant.
 */
enum select_status select_neighbors(
    const struct kernel_rows *rows, struct select_neighbors *neighbors, struct select_error *error);

/* Groups of near-duplicates: rows that hang together by pairs no farther apart than a radius. */
struct select_duplicates {
    double radius;    /* a distance; 0: that within which the duplicates filter of a policy keeps these rows from each other.
                         Output: the one used */
    unsigned threads; /* 0: one a processor; the result does not depend on it */
    select_progress_fn *progress;
    void *progress_context;
    uint32_t *group; /* output, the caller's [rows->count]: 0: alone or absent, else the number of its group, from 1 on by
                        rising first row */
    size_t groups;   /* output */
};

/*
 * Finds groups of near-duplicates, exactly, whatever the number of rows: every pair is looked at but those of tiles that are
 * surely too far apart. Where hardly any are, that is a product of all pairs: half a minute for 200,000 rows of 64, a quarter
 * of an hour for 1,000,000. `error` is optional, and filled on SELECT_BAD_INPUT. On another status than SELECT_OK the outputs
 * hold nothing of use. Reentrant.
 */
enum select_status select_duplicates(
    const struct kernel_rows *rows, struct select_duplicates *duplicates, struct select_error *error);

/* How far out rows lie. */
struct select_outliers {
    unsigned threads; /* 0: one a processor; the result does not depend on it */
    select_progress_fn *progress;
    void *progress_context;
    float *score;  /* output, the caller's [rows->count]: squared distance to the second nearest of a sample of some 3,000 rows,
                      itself not counted, over what is usual in the sample; 0 for absent rows, and where there are too few */
    double bound;  /* output: the junk filter of a policy keeps rows of larger scores out; INFINITY: none */
    double radius; /* output: the distance whose score is 1 */
};

/* Scores every row, by the same sample as the junk filter where all rows are candidates. Otherwise as select_duplicates. */
enum select_status select_outliers(
    const struct kernel_rows *rows, struct select_outliers *outliers, struct select_error *error);

/* Output: the first row that has an element which is infinite or no number, rows->count where there is none. */
enum select_status select_rows_check(const struct kernel_rows *rows, unsigned threads, size_t *row);

/* A policy with every default filled in: SELECT_AUTO, no bounds, overlap 1, control share 5 %. */
struct select_policy select_policy_default(void);

/* The strategy's name on the wire ("auto", "least_confidence", ...), static; and back: false where there is none of that name.
 */
const char *select_strategy_name(enum select_strategy strategy);
bool select_strategy_parse(const char *name, size_t length, enum select_strategy *strategy);
const char *select_arm_name(enum select_arm arm);

/* SELECT_VERSION of the library that is loaded. */
unsigned select_version(void);

/* One word for the log: the kernels of the matrix product in use, "avx512", "avx2" or the name of BLIS's. Static. */
const char *select_kernels_name(void);

#pragma GCC visibility pop
