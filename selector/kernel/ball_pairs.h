/*
 * ball_pairs.h - every pair of rows that are nearer to each other than a radius.
 *
 * Sketches (sketch.h) bound every distance from below and above; the pairs that these leave open are measured. The answer is
 * that of kernel_distance2 for every pair, bit for bit. Tiles of near rows that are surely too far from a row are not compared
 * with it: what that saves is what clusters the rows have.
 */
#pragma once

#include "selector/kernel/sketch.h"

#include <stdatomic.h>
#include <stdbool.h>

/*
 * Rows are named by their places in the sketch. Both functions are called from many threads, for the rows `a` of one tile of
 * the sketch from one; b > a.
 */
struct kernel_ball_pairs {
    struct kernel_team *team;
    const struct kernel_sketch *sketch;
    float radius2;
    bool (*known)(void *context, uint32_t a, uint32_t b); /* the pair need not be looked at; NULL: none */
    bool (*add)(void *context, uint32_t a, uint32_t b);   /* they are nearer than the radius; false gives up: what is left of
                                                             the tiles in hand may come yet */
    void *context;
    atomic_size_t *done; /* pairs of tiles compared, for a progress callback; NULL: not counted */
};

/* KERNEL_END: `add` gave up. */
enum kernel_status kernel_ball_pairs_find(const struct kernel_ball_pairs *pairs);

/* What *done comes to, for a sketch of so many rows. */
size_t kernel_ball_pairs_steps(size_t count);
