/*
 * neighbors.h - the k nearest neighbours of many rows, exact or among near tiles of rows only.
 *
 * Lower bounds of all distances come as one matrix product from sketches of few coordinates (sketch.h); only the pairs that
 * these cannot rule out are measured in full. The exact answer is that of measuring every pair with kernel_distance2 and
 * sorting, bit for bit, by distance and then by slot: it depends neither on the threads, nor on the processor, nor on the
 * sketches.
 */
#pragma once

#include "selector/kernel/sketch.h"

#include <stdatomic.h>

enum { KERNEL_NEIGHBORS_K_MAX = 1024 };

/* What is found: k neighbours of each query, nearest first; slot UINT32_MAX at distance INFINITY where there are fewer. */
struct kernel_neighbors {
    size_t k;            /* 1..KERNEL_NEIGHBORS_K_MAX */
    uint32_t *slots;     /* [queries x k] */
    float *distances2;   /* [queries x k] squared */
    size_t visits;       /* tiles of the sketch that a row is compared with, its own and the nearest; 0: all, which is exact */
    size_t hidden;       /* the first so many rows of the list that was sketched are nobody's neighbours */
    atomic_size_t *done; /* queries done, for a progress callback; NULL: not counted */
};

/*
 * Neighbours of the rows at queries[0..query_count) of the list that was sketched, each once; of all of it, in its order, where
 * `queries` is NULL; among all rows of the sketch but themselves and the hidden ones.
 */
enum kernel_status kernel_neighbors_find(struct kernel_team *team, const struct kernel_sketch *sketch, const uint32_t *queries,
    size_t query_count, const struct kernel_neighbors *found);
