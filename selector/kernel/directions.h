/*
 * directions.h - the leading principal directions of rows, found from a sample.
 */
#pragma once

#include "selector/kernel/rows.h"
#include "selector/kernel/status.h"
#include "selector/kernel/team.h"

struct kernel_directions {
    size_t count;  /* 0: no few directions hold most of the variance */
    float *values; /* [count x width] orthonormal rows, by falling variance */
    float *turned; /* [width x count] */
    double error;  /* spectral norm of values values^T - 1, at most */
};

/*
 * Directions of rows slots[0..count) about `origin` [width], an output: the mean of the sample. As few as leave a
 * tenth of the variance, a multiple of 16; none where even 192 leave over a quarter.
 */
enum kernel_status kernel_directions_init(struct kernel_directions *directions, struct kernel_team *team,
    const struct kernel_rows *rows, const uint32_t *slots, size_t count, float *origin);

/* Frees what init allocated, also after it failed. */
void kernel_directions_deinit(struct kernel_directions *directions);
