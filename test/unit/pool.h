/*
 * pool.h - what the tests of select_run choose from: a pool with every column, of which a test changes what it needs.
 */
#pragma once

#include "selector/strategy/select.h"
#include "test/unit/columns.h"

/* Samples are candidates without a label, of one price, four to a group, with one of five tags. */
struct pool {
    struct select_input input;
    uint8_t *state; /* [input.n], and so are the others */
    int32_t *label;
    int64_t *price;
    uint32_t *group;
    uint64_t *tags;
    struct column *probabilities;
    struct column *utility;
    struct column *embeddings;
};

static inline struct pool *pool_new(uint64_t seed, size_t n, size_t classes, size_t width)
{
    struct pool *pool = calloc(1, sizeof *pool);
    double *probabilities = softmax_rows(seed, n, classes, 2);
    double *utility = calloc(n, sizeof *utility);
    pool->state = calloc(n, sizeof *pool->state);
    pool->label = calloc(n, sizeof *pool->label);
    pool->price = calloc(n, sizeof *pool->price);
    pool->group = calloc(n, sizeof *pool->group);
    pool->tags = calloc(n, sizeof *pool->tags);
    for (size_t i = 0; i < n; i++) {
        pool->label[i] = -1;
        pool->price[i] = 50000;
        pool->group[i] = (uint32_t)(i / 4 + 1);
        pool->tags[i] = (uint64_t)1 << i % 5;
        utility[i] = normal(seed + 2, i);
    }
    pool->probabilities = column_new(probabilities, n, classes, KERNEL_F32, 64, false);
    pool->utility = column_new(utility, n, 1, KERNEL_F32, 64, false);
    pool->embeddings = column_clusters(seed, n, width, 6, 0.4);
    pool->input = (struct select_input){
        .n = n,
        .classes = classes,
        .state = pool->state,
        .label = pool->label,
        .price = pool->price,
        .group = pool->group,
        .tags = pool->tags,
        .probabilities = &pool->probabilities->rows,
        .utility = &pool->utility->rows,
        .embeddings = &pool->embeddings->rows,
    };
    free(probabilities);
    free(utility);
    return pool;
}

static inline void pool_free(struct pool *pool)
{
    free(pool->state);
    free(pool->label);
    free(pool->price);
    free(pool->group);
    free(pool->tags);
    column_free(pool->probabilities);
    column_free(pool->utility);
    column_free(pool->embeddings);
    free(pool);
}
