/*
 * control.h - the control arm: a share of each batch is picked by chance, so that what the rest buys can be compared with
 * something. Private to strategy/.
 */
#pragma once

#include "selector/strategy/job.h"

/*
 * Spends the policy's control share, of the money, or of the count where that is what has a bound, by chance and with recorded
 * probabilities. Both are rounded by chance, so that the share holds over many batches even where it is less than one sample in
 * each.
 */
enum select_status select_control(struct select_job *job);
