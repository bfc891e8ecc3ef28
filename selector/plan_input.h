/*
 * plan_input.h - a snapshot of the store as the selection wants it: one array a column, over all samples.
 */
#pragma once

#include "selector/plan.h"

/* Everything select_run reads, with what it owns. The views point into the map and live as long as the vectors' transaction. */
struct plan_input {
    struct select_input select;
    uint8_t *state;
    int32_t *label;
    int64_t *price;
    uint32_t *group;
    uint64_t *tags;
    struct column_view probabilities_view;
    struct column_view draws_view;
    struct column_view topk_view;
    struct column_view utility_view;
    struct column_view embeddings_view;
    struct kernel_rows probabilities;
    struct kernel_rows *draws; /* [select.draw_count] one view a draw */
    const void **draw_blocks;  /* of all the draws, one after another */
    struct kernel_topk topk;
    struct kernel_rows utility;
    struct kernel_rows embeddings;
};

/*
 * Fills the arrays over the first `samples` samples from the state. `type` is the annotation type whose price counts. False
 * where the transaction failed or memory is short. Partner, in both cases: plan_input_deinit. Must not be moved while in use.
 */
bool plan_input_init(struct plan_input *input, struct txn *state, const struct project *project, size_t samples, uint32_t type);
void plan_input_deinit(struct plan_input *input);

/*
 * Opens the views of a model version's predictions and of a space's embeddings, and notes in `inputs` how the columns look.
 * With `as_recorded` the views are instead cut to what `inputs` says; false with conflict or not_found where they can't be.
 */
bool plan_input_open_columns(struct plan_input *input, struct txn *vectors, uint32_t project, struct plan_inputs *inputs,
    bool as_recorded, struct protocol_error *error);

/* Replaces the labels by what the log said up to `label_seq`. */
bool plan_input_recall_labels(struct plan_input *input, struct txn *state, uint32_t project, uint64_t label_seq);
