/*
 * cosine.h - how well rows point the way of others.
 */
#pragma once

#include "selector/kernel/rows.h"
#include "selector/kernel/status.h"
#include "selector/kernel/team.h"

/*
 * similarity[i] = the mean cosine of row slots[i] with every one of the `count` rows slots[0..count), itself included; a row of
 * zeros has cosine 0 with all. The mean over all pairs needs no pair: it is the product with the mean of the unit vectors.
 */
enum kernel_status kernel_mean_cosine(
    struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *slots, size_t count, float *similarity);
