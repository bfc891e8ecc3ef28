/*
 * scores.h - how sure a model is of each row of class probabilities, in one pass over memory.
 *
 * The classical scores follow from the three numbers a row gives: least confidence 1 - first (Lewis and Gale, 1994), margin
 * 1 - (first - second) (Scheffer and others, 2001), and the entropy (Shannon, 1948).
 */
#pragma once

#include "selector/kernel/rows.h"
#include "selector/kernel/status.h"
#include "selector/kernel/team.h"

#include <stddef.h>
#include <stdint.h>

/* Outputs of [rows] elements each, the caller's; any may be NULL. An absent row gets 0, 0, -1, 0. */
struct kernel_scores {
    float *first;       /* probability of the most probable class */
    float *second;      /* of the next one; 0 where there is one class */
    int32_t *predicted; /* the most probable class, the lowest of equals */
    float *entropy;     /* in nats, within 1e-5 of the true one; its last bits depend on the processor, not on threads */
};

/* Dense probabilities. `temperature` > 0: p^(1/T), normalised, in place of p; 1 takes the row as it is. */
enum kernel_status kernel_scores_dense(
    struct kernel_team *team, const struct kernel_rows *probabilities, double temperature, const struct kernel_scores *out);

/*
 * The k most probable of `classes`. What the k leave of 1 counts as spread evenly over the other classes; with k = 1 that
 * bounds the second. `temperature` as above.
 */
enum kernel_status kernel_scores_topk(struct kernel_team *team, const struct kernel_topk *topk, size_t classes,
    double temperature, const struct kernel_scores *out);
