/*
 * dsquared.h - D^2 sampling: the next point is drawn with chance in proportion to its squared distance to the nearest centre.
 *
 * Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007; over gradient embeddings it is BADGE
 * (Ash, Zhang, Krishnamurthy, Langford and Agarwal, "Deep batch active learning by diverse, uncertain gradient lower bounds",
 * ICLR 2020), whose embeddings are never formed: see kernel_residual.
 *
 * Exact without a pass over all points for each centre, by rejection: points are proposed by distances computed earlier, which
 * are upper bounds, and a proposal is accepted with chance (its distance now) / (the bound it was proposed by). Only proposals
 * are brought up to date, a batch of them at a time; all points are, once the proposals of some time cost as much as that. All
 * proposals of a batch are drawn by the same bounds, and each is judged by the distance at its turn, so every draw has the
 * distribution of the definition. Random numbers are by counter: the draws do not depend on the number of threads.
 *
 * Where every point left has distance 0 they are equally probable.
 */
#pragma once

#include "selector/kernel/frontier.h"
#include "selector/kernel/lazy.h"

struct kernel_dsquared;

/* The first point, where there is no centre. */
enum kernel_dsquared_first {
    KERNEL_FIRST_UNIFORM, /* by equal chance: k-means++ */
    KERNEL_FIRST_LONGEST, /* of the largest squared length, ties to the lowest slot: BADGE as its authors run it */
};

struct kernel_dsquared_input {
    const struct kernel_rows *rows;
    const struct kernel_residual *residual; /* NULL: distances are those of the rows */
    const uint32_t *slots;                  /* [count] candidates, rising, with rows that are present */
    size_t count;
    enum kernel_dsquared_first first;
    uint64_t seed;
    uint64_t stream; /* of random numbers */
};

/* Borrows what the input points to until kernel_dsquared_free. NULL without memory. */
struct kernel_dsquared *kernel_dsquared_new(struct kernel_team *team, const struct kernel_dsquared_input *input);
void kernel_dsquared_free(struct kernel_dsquared **dsquared);

/* The functions below follow kernel_kcenter's. */
enum kernel_status kernel_dsquared_add(struct kernel_dsquared *dsquared, uint32_t slot);
void kernel_dsquared_rewind(struct kernel_dsquared *dsquared, kernel_accept_fn *accept, void *context);

/* Draws a candidate. Output: distance2 to the nearest centre; where there is none, the squared length under
 * KERNEL_FIRST_LONGEST and 0 else. */
enum kernel_status kernel_dsquared_next(
    struct kernel_dsquared *dsquared, kernel_accept_fn *accept, void *context, uint32_t *index, double *distance2);
enum kernel_status kernel_dsquared_take(struct kernel_dsquared *dsquared, uint32_t index);
