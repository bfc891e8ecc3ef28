/*
 * directions.h - the leading principal directions of rows, found from a sample by orthogonal iteration.
 *
 * Golub and Van Loan, "Matrix Computations", 8.2.4, from random directions (Halko, Martinsson and Tropp, "Finding structure
 * with randomness", SIAM Review 2011). Whoever bounds distances by them (projection.h, sketch.h) is right with any directions,
 * and quicker with good ones: how good they are to be is the caller's choice.
 */
#pragma once

#include "selector/kernel/rows.h"
#include "selector/kernel/status.h"
#include "selector/kernel/team.h"

/* What is looked for. */
struct kernel_directions_wish {
    size_t sample;   /* rows that are looked at, at most: evenly spaced ones */
    size_t most;     /* directions, at most; 0: only the origin is wanted */
    unsigned rounds; /* of the iteration, 1 or more */
    double rest;     /* share of the variance that may be left, 0..1: directions beyond that are not kept */
};

struct kernel_directions {
    size_t count;  /* a multiple of 16, or all that were found; 0: rows that are all equal, or too long to reckon with */
    float *values; /* [count x width] orthonormal rows, roughly by falling variance */
    double error;  /* spectral norm of values values^T - 1, at most */
    double rest;   /* share of the variance outside them, in the sample, at most: a little more by few rounds */
};

/* Directions of rows slots[0..count) about `origin` [width], an output: the mean of the sample. */
enum kernel_status kernel_directions_init(struct kernel_directions *directions, struct kernel_team *team,
    const struct kernel_rows *rows, const uint32_t *slots, size_t count, const struct kernel_directions_wish *wish,
    float *origin);

/* Frees what init allocated, also after it failed. */
void kernel_directions_deinit(struct kernel_directions *directions);
