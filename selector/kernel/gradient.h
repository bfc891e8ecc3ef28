/*
 * gradient.h - how much a label would move a model's last layer, in expectation over the labels it deems possible.
 *
 * Expected gradient length (Settles, Craven and Ray, "Multiple-instance active learning", NIPS 2007) of a softmax layer with
 * bias under the logarithmic loss: the gradient for label y is (p - e_y) (x, 1)^T, so its length is |p - e_y| sqrt(|x|^2 + 1)
 * and no gradient is formed. |p - e_y|^2 = |p|^2 - 2 p_y + 1.
 */
#pragma once

#include "selector/kernel/rows.h"
#include "selector/kernel/status.h"
#include "selector/kernel/team.h"

/*
 * length[i] = sum_y p_y |p - e_y| sqrt(|x|^2 + 1) for row i of `probabilities` [rows x classes] and `embeddings` [rows x d],
 * both of the same count; 0 where either is absent.
 */
enum kernel_status kernel_gradient_length(
    struct kernel_team *team, const struct kernel_rows *probabilities, const struct kernel_rows *embeddings, double *length);
