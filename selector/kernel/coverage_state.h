/*
 * coverage_state.h - what the parts of coverage.h share: coverage.c iterates, coverage_first.c makes the first pass.
 */
#pragma once

#include "selector/kernel/coverage.h"
#include "selector/kernel/similarity_row.h"

#include <stdatomic.h>

enum {
    COVERAGE_TILE = 288, /* candidates in one matrix product of the first pass: a multiple of its tiles of 12 x 32 */
    COVERAGE_REFERENCES = SIMILARITY_BLOCK, /* reference points in one matrix product */
    COVERAGE_BATCH = 128,                   /* candidates whose kernel values are computed together, at most */
};

struct kernel_coverage {
    struct kernel_team *team;
    struct kernel_coverage_input input;
    double *key;                        /* [candidates] gain / divisor, an upper bound while old */
    float *first_gain;                  /* [candidates] of the first pass */
    float *gain;                        /* [candidates] at `fresh` */
    uint32_t *fresh;                    /* [candidates] number of takes when gain was computed */
    struct kernel_similarity_row *rows; /* [candidates] those at hand */
    float *matrix;                      /* [references x references], which rows point into; NULL: each is by itself */
    atomic_size_t row_bytes;            /* of rows by themselves */
    struct kernel_lazy lazy;
    uint32_t takes;
    float *scratch; /* for each worker */
    size_t scratch_size;
    size_t rows_max;   /* bytes of rows kept at most */
    size_t listed_max; /* values of a candidate that the first pass keeps, at most */
    float *batch_rows; /* [COVERAGE_BATCH x width] */
    float batch_norm2[COVERAGE_BATCH];
    float *batch_values; /* [a batch x references], made when it is needed */
};

/* How many values of each candidate the first pass keeps, at most: half of what rows may take in all. */
size_t kernel_coverage_listed(const struct kernel_coverage *coverage);

/* Elements of a worker's scratch memory that the first pass needs. */
size_t kernel_coverage_scratch(const struct kernel_coverage *coverage);

/* Computes first_gain, and the rows that there is memory for. */
enum kernel_status kernel_coverage_first_pass(struct kernel_coverage *coverage);

/* The reference points from number `from` on, at most `most` of them. */
struct kernel_points kernel_coverage_references(const struct kernel_coverage *coverage, size_t from, size_t most);

/* Whether a candidate has an embedding. */
bool kernel_coverage_has_row(const struct kernel_coverage *coverage, uint32_t index);

/* The gain of a candidate whose row is at hand. */
float kernel_coverage_gain(const struct kernel_coverage *coverage, uint32_t index);
