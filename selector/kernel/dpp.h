/*
 * dpp.h - the most probable set of a determinantal point process, greedily: every choice multiplies the determinant of the
 * picks' kernel matrix by as much as any can.
 *
 * Chen, Zhang and Zhou, "Fast greedy MAP inference for determinantal point process to improve recommendation diversity",
 * NeurIPS 2018. L_ij = q_i q_j exp(-|x_i - x_j|^2 / scale): quality times similarity (Kulesza and Taskar, "Determinantal point
 * processes for machine learning", 2012). A candidate multiplies the determinant by q^2 (1 - |c|^2), c being its row of the
 * Cholesky factor, of which each choice adds one element. That factor only falls as picks are added, so an old one is an upper
 * bound (the log-determinant is submodular) and only candidates at the top of a heap are brought up to date. Each element is
 * computed once, in one fixed order of operations: picks do not depend on when or by which thread that was.
 */
#pragma once

#include "selector/kernel/lazy.h"
#include "selector/kernel/rows.h"
#include "selector/kernel/status.h"
#include "selector/kernel/team.h"

struct kernel_dpp;

struct kernel_dpp_input {
    const struct kernel_rows *rows;
    const uint32_t *slots; /* [count] candidates, rising, with rows that are present */
    size_t count;
    const double *quality; /* [count] > 0 */
    float scale;           /* > 0 */
};

/* Borrows what the input points to until kernel_dpp_free. NULL without memory. Memory grows with candidates looked at x picks.
 */
struct kernel_dpp *kernel_dpp_new(struct kernel_team *team, const struct kernel_dpp_input *input);
void kernel_dpp_free(struct kernel_dpp **dpp);

/* Puts the present row `slot` into the set: later choices are conditioned on it. */
enum kernel_status kernel_dpp_add(struct kernel_dpp *dpp, uint32_t slot);

/* The functions below follow kernel_kcenter's. */
void kernel_dpp_rewind(struct kernel_dpp *dpp, kernel_accept_fn *accept, void *context);

/*
 * The candidate of largest gain, ties to the lowest slot. Output: gain, by how much the logarithm of the determinant rises. A
 * candidate that the set determines but for rounding (a duplicate, or one more than the kernel's rank) would make it -infinity:
 * a millionth of its quality counts as its own, so that such candidates come last, the best first.
 */
enum kernel_status kernel_dpp_next(
    struct kernel_dpp *dpp, kernel_accept_fn *accept, void *context, uint32_t *index, double *gain);
enum kernel_status kernel_dpp_take(struct kernel_dpp *dpp, uint32_t index);
