/*
 * ball_cover.h - greedy maximum coverage by balls of one radius, lazily and exactly.
 *
 * Yehuda, Dekel, Hacohen and Weinshall, "Active learning through a covering lens", NeurIPS 2022 (ProbCover). A candidate covers
 * the candidates nearer than the radius, itself included. Taking it adds those that nothing taken covers yet: a number that
 * only falls, so an old one is an upper bound. Who covers whom is decided by kernel_distance2 wherever a matrix product leaves
 * it open.
 */
#pragma once

#include "selector/kernel/distance.h"
#include "selector/kernel/kcenter.h"

struct kernel_ball_cover;

/*
 * Over the rows of `candidates`, all present, whose slots rise; `radius2` is the squared radius. `divisor` [candidates->count]
 * > 0: numbers are compared over it; NULL: 1. All is borrowed until kernel_ball_cover_free. NULL without memory; of a bit for
 * each pair at most a fixed number is kept.
 */
struct kernel_ball_cover *kernel_ball_cover_new(
    struct kernel_team *team, const struct kernel_subset *candidates, float radius2, const double *divisor);
void kernel_ball_cover_free(struct kernel_ball_cover **cover);

/* Covers what lies around the present rows slots[0..count): labelled or in flight. Before kernel_ball_cover_begin. */
enum kernel_status kernel_ball_cover_add(struct kernel_ball_cover *cover, const uint32_t *slots, size_t count);

/* Counts what each candidate would cover, once before the iteration. */
enum kernel_status kernel_ball_cover_begin(struct kernel_ball_cover *cover);

/* As kernel_kcenter_rewind, _next and _take; `gain` is how many candidates are covered anew. */
void kernel_ball_cover_rewind(struct kernel_ball_cover *cover, kernel_accept_fn *accept, void *context);
enum kernel_status kernel_ball_cover_next(
    struct kernel_ball_cover *cover, kernel_accept_fn *accept, void *context, uint32_t *index, double *gain);
void kernel_ball_cover_take(struct kernel_ball_cover *cover, uint32_t index);
