/*
 * graph_cut.h - greedy graph cut: near to many samples, far from what was taken, lazily and exactly.
 *
 * Iyer, Khargonkar, Bilmes and Asnani, "Submodular combinatorial information measures", ALT 2021. A set S is worth
 * sum_{s in S} density_s - redundancy * sum_{s, t in S} k(s, t), with k(s, t) = exp(-|s - t|^2 / scale). So taking s adds
 * density_s - redundancy * (1 + 2 sum_{t in S} k(s, t)), which only falls as S grows: an old gain is an upper bound, and only
 * candidates at the top of a heap of old gains are looked at again, by the batch, against what was taken since.
 */
#pragma once

#include "selector/kernel/distance.h"
#include "selector/kernel/lazy.h"

/* The problem; everything is borrowed until kernel_graph_cut_free. */
struct kernel_graph_cut_input {
    struct kernel_subset candidates; /* slots rise; every row is present */
    const float *density;            /* [candidates.count] */
    double redundancy;               /* >= 0 */
    float scale;                     /* > 0 */
    const double *divisor;           /* [candidates.count] > 0: gains are compared over it, negative ones times it; NULL: 1 */
};

struct kernel_graph_cut;

/* NULL without memory; free with kernel_graph_cut_free. */
struct kernel_graph_cut *kernel_graph_cut_new(struct kernel_team *team, const struct kernel_graph_cut_input *input);
void kernel_graph_cut_free(struct kernel_graph_cut **cut);

/* Adds the present row `slot` to what was taken: something labelled or in flight. */
enum kernel_status kernel_graph_cut_add(struct kernel_graph_cut *cut, uint32_t slot);

/* As kernel_kcenter_rewind, _next and _take; `gain` is what the candidate adds. Equal gains go to the lowest index. */
void kernel_graph_cut_rewind(struct kernel_graph_cut *cut, kernel_accept_fn *accept, void *context);
enum kernel_status kernel_graph_cut_next(
    struct kernel_graph_cut *cut, kernel_accept_fn *accept, void *context, uint32_t *index, double *gain);
enum kernel_status kernel_graph_cut_take(struct kernel_graph_cut *cut, uint32_t index);
