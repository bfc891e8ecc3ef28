/*
 * coverage.h - greedy maximisation of a weighted coverage, by gain or by gain per cost, lazily and exactly.
 *
 * A set S is worth sum_r weight_r max_{s in S} exp(-|r - s|^2 / scale) over reference points r: facility location, a monotone
 * submodular function, for which the greedy choice reaches 1 - 1/e of the best set of a size (Nemhauser, Wolsey and Fisher,
 * 1978). Gains only fall, so an old gain is an upper bound and few candidates are looked at again (Minoux, 1978; Leskovec and
 * others, "Cost-effective outbreak detection in networks", KDD 2007).
 */
#pragma once

#include "selector/kernel/distance.h"
#include "selector/kernel/lazy.h"

/* The problem; everything is borrowed until kernel_coverage_free. */
struct kernel_coverage_input {
    struct kernel_subset candidates; /* slots rise; a slot may be an absent row: see `alone` */
    struct kernel_points references; /* in the coordinates of candidates.origin */
    const float *weight;             /* [references.count] >= 0 */
    float *cover;                    /* [references.count] 0..1 at the start; raised by every candidate taken */
    float scale;                     /* > 0 */
    /* Where references stand for more than themselves, a candidate that is one of them covers itself with its own weight only:
     * what it stands for may lie anywhere. */
    const uint32_t
        *own; /* [candidates.count] the reference that is the candidate's own row, UINT32_MAX: none; NULL: all none */
    const float *excess;   /* [references.count] what of `weight` is others', <= weight; unused where `own` is NULL */
    const float *alone;    /* [candidates.count] gain of a candidate whose row is absent; NULL: 0 */
    const double *divisor; /* [candidates.count] > 0, gains are compared over this; NULL: 1 */
    /* The candidates that have a row are the references, in their order, and `own` says which is which: half the work where
     * memory allows it. */
    bool square;
    bool gains_only;   /* nothing is taken: kernel_coverage_first_gains is all that is wanted */
    size_t rows_bytes; /* of similarities kept at most, where they are not square; 0: 256 MB */
};

struct kernel_coverage;

/* NULL without memory; free with kernel_coverage_free. */
struct kernel_coverage *kernel_coverage_new(struct kernel_team *team, const struct kernel_coverage_input *input);
void kernel_coverage_free(struct kernel_coverage **coverage);

/* Computes the gain of every candidate on top of `cover`, once before the iteration. */
enum kernel_status kernel_coverage_begin(struct kernel_coverage *coverage);

/* [candidates.count] gains of the first pass; owned by `coverage`. */
const float *kernel_coverage_first_gains(const struct kernel_coverage *coverage);

/* Forgets what was taken, for another iteration. The caller has set `cover` back to what it was at kernel_coverage_begin. */
void kernel_coverage_reset(struct kernel_coverage *coverage);

/* As kernel_kcenter_rewind. */
void kernel_coverage_rewind(struct kernel_coverage *coverage, kernel_accept_fn *accept, void *context);

/* The candidate of largest gain / divisor, ties to the lowest index, and its gain. It is out until taken or the next rewind. */
enum kernel_status kernel_coverage_next(
    struct kernel_coverage *coverage, kernel_accept_fn *accept, void *context, uint32_t *index, double *gain);

/* Covers with candidate `index`, as kernel_coverage_next gave it. It never comes again. */
void kernel_coverage_take(struct kernel_coverage *coverage, uint32_t index);
