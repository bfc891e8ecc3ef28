/*
 * draws.h - how far the predictions of a committee, or of Monte-Carlo draws from one model, disagree about each sample; in one
 * pass over memory.
 *
 * Information: H(mean of the draws) - mean of their H, the mutual information of label and model (BALD: Houlsby and others,
 * 2011; Gal, Islam and Ghahramani, ICML 2017). It is also the mean divergence of a member from the mean (McCallum and Nigam,
 * ICML 1998): sum_d KL(p_d | mean) / D = H(mean) - mean H(p_d), term by term. Vote entropy: the entropy of the shares of the
 * members' first classes (Dagan and Engelson, ICML 1995), in nats and not divided by a logarithm. Variation ratio: the share of
 * members whose first class is not the commonest (Freeman, 1965).
 */
#pragma once

#include "selector/kernel/rows.h"
#include "selector/kernel/status.h"
#include "selector/kernel/team.h"

/* Outputs of [rows] elements each, the caller's; any may be NULL. A row that no draw has gets 0, and -1 for its class. */
struct kernel_draw_scores {
    float *information;
    float *vote_entropy;
    float *variation;
    float *first;       /* of the mean: probability of its most probable class */
    float *second;      /* of the next one */
    int32_t *predicted; /* its most probable class, the lowest of equals */
    float *entropy;     /* of the mean */
};

/* `draws` are `count` >= 1 views of one shape. A draw that lacks a row has no say in it. */
enum kernel_status kernel_draws(
    struct kernel_team *team, const struct kernel_rows *draws, size_t count, const struct kernel_draw_scores *out);
