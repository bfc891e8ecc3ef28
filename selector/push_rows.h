/*
 * push_rows.h - the rows of what a trainer pushes: whether they may be stored, and what is made of them first.
 *
 * Arrays have dtype ARRAY_F4 or ARRAY_F2; of three dimensions, each layer of a row is a row of its own.
 */
#pragma once

#include "protocol/request.h"

/* Every number is finite; else false with request->error filled for `field`. */
bool push_check_finite(struct request *request, const char *field, const struct array *array);

/*
 * Each row is finite, nowhere below 0, and adds up to 1 (or with `whole` false, to 1 at most) within 1e-3, or 1e-2 of halves;
 * else false with request->error filled for `field`.
 */
bool push_check_probabilities(struct request *request, const char *field, const struct array *array, bool whole);

/* Likewise of the k likeliest classes of each row: different ones below `class_count`, probabilities that do not rise and add
 * up to 1 at most. Both arrays have one shape. */
bool push_check_topk(
    struct request *request, const char *field, const struct array *classes, const struct array *probs, size_t class_count);

/* Softmax, row by row, in the array's own dtype: `out` has room for array->bytes. */
void push_soften(const struct array *logits, uint8_t *out);

/* The mean of each row's layers, in the array's own dtype: `out` has room for array->bytes / array->layers. */
void push_average(const struct array *draws, uint8_t *out);
