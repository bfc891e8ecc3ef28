/*
 * ball_cover.h - greedy maximum coverage by balls of one radius.
 *
 * Yehuda, Dekel, Hacohen and Weinshall, "Active learning through a covering lens", NeurIPS 2022 (ProbCover). A node covers
 * itself and the nodes near to it; taking it adds those that nothing covers yet.
 */
#pragma once

#include "selector/kernel/ball_graph.h"
#include "selector/kernel/lazy.h"
#include "selector/kernel/status.h"

struct kernel_ball_cover;

/*
 * Chooses among nodes; index i of the functions below is node nodes[i], i < count; the other nodes are neither chosen nor to be
 * covered. Numbers are compared over divisor[i] > 0; NULL: 1. All is borrowed until kernel_ball_cover_free. NULL without
 * memory.
 */
struct kernel_ball_cover *kernel_ball_cover_new(struct kernel_team *team, const struct kernel_ball_graph *graph,
    const uint32_t *nodes, size_t count, const double *divisor);
void kernel_ball_cover_free(struct kernel_ball_cover **cover);

/* Counts what each ball holds, once before anything else. */
enum kernel_status kernel_ball_cover_begin(struct kernel_ball_cover *cover);

/* Covers what is near to a node: one that is labelled or in flight. */
enum kernel_status kernel_ball_cover_add(struct kernel_ball_cover *cover, uint32_t node);

/* How many nodes candidate `index` would cover anew. */
uint32_t kernel_ball_cover_gain(const struct kernel_ball_cover *cover, uint32_t index);

/* As kernel_kcenter_rewind, _next and _take; `gain` is how many nodes are covered anew. Equal ones go to the lowest index. */
void kernel_ball_cover_rewind(struct kernel_ball_cover *cover, kernel_accept_fn *accept, void *context);
enum kernel_status kernel_ball_cover_next(
    struct kernel_ball_cover *cover, kernel_accept_fn *accept, void *context, uint32_t *index, double *gain);
enum kernel_status kernel_ball_cover_take(struct kernel_ball_cover *cover, uint32_t index);
