/*
 * plan_policy.h - what is wished of a selection: the fields of PLAN and BATCH.COMMIT over the project's settings, and the
 * weights that evaluations give to classes and slices.
 */
#pragma once

#include "protocol/request.h"
#include "selector/plan.h"

/* What a request wishes beyond plan->inputs. */
struct wish {
    uint32_t *include; /* [include_count], owned */
    size_t include_count;
    bool only; /* just these */
};

void wish_deinit(struct wish *wish);

/* Reads the request's fields into the plan's inputs. False with the error filled. */
bool wish_read(struct wish *wish, struct plan *plan, struct request *request, struct txn *state, const struct project *project,
    struct protocol_error *error);

/* The wish of continuous mode: as many items as the queue lacks, for what money there is. */
bool wish_replenish(struct wish *wish, struct plan *plan, const struct project *project, struct protocol_error *error);

/*
 * Weighs classes and slices by the newest evaluation: what does worse than the mean weighs more, within 0.5 to 2.
 * `class_weights` is an output, owned by the caller, NULL where all weigh 1.
 */
bool wish_weigh(struct plan_inputs *inputs, double **class_weights, struct txn *state, const struct project *project,
    struct protocol_error *error);
