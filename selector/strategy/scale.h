/*
 * scale.h - how wide the kernel exp(-d^2 / scale) is to be, from the data. Private to strategy/.
 */
#pragma once

#include "selector/strategy/job.h"

/* The median of the finite values, which are sorted in place; 0 where there is none. */
float select_median(float *values, size_t count);

/*
 * Output: scale > 0, the square of parameters.radius where that is given. Else the median squared distance of a known sample to
 * the nearest other, once there are some, so that the kernel narrows as labels come; before that, of a candidate to its 20th
 * neighbour. `origin` [width] is taken off all rows; `known` are slots with an embedding.
 */
enum select_status select_scale(
    const struct select_job *job, const float *origin, const uint32_t *known, size_t known_count, float *scale);
