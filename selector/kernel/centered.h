/*
 * centered.h - a sample of rows around its mean, so that the distances between its rows keep their digits.
 */
#pragma once

#include "selector/kernel/rows.h"
#include "selector/kernel/team.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * As kernel_gather, but less the mean of the rows. Outputs: origin [width], the mean; to [count x width]; norm2 [count], the
 * squared lengths of what is left. False if it was stopped: the outputs hold nothing of use then.
 */
bool kernel_gather_centered(struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *slots, size_t count,
    float *origin, float *to, float *norm2);
