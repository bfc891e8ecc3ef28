/*
 * multi_label.h - how sure a model is of rows of independent yes-or-no answers, one a class.
 *
 * Each class is a Bernoulli variable: its least confidence is min(p, 1 - p), its margin score 1 - |2p - 1| is twice that, its
 * entropy -p ln p - (1 - p) ln (1 - p). A row's scores are their largest (the least certain answer decides: Brinker, "On active
 * learning in multi-label classification", 2006), mean or sum over the classes.
 */
#pragma once

#include "selector/kernel/scores.h"

enum kernel_aggregate {
    KERNEL_AGGREGATE_MAX,
    KERNEL_AGGREGATE_MEAN,
    KERNEL_AGGREGATE_SUM,
};

/*
 * Outputs as kernel_scores_dense has them: first = 1 - the aggregated least confidence and second = that, so that 1 - first and
 * 1 - (first - second) are the row's two scores; predicted is the class most probably present. `temperature` > 0 divides the
 * logits. Classes number rows->width.
 */
enum kernel_status kernel_scores_multi_label(struct kernel_team *team, const struct kernel_rows *rows, double temperature,
    enum kernel_aggregate aggregate, const struct kernel_scores *out);

/* Of the k most probable of `classes`; the others are taken to be absent for sure. */
enum kernel_status kernel_scores_multi_label_topk(struct kernel_team *team, const struct kernel_topk *topk, size_t classes,
    double temperature, enum kernel_aggregate aggregate, const struct kernel_scores *out);
